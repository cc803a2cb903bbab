/* engine_store.c -- the collector engine over the store, with its scraping half.
 *
 * SPDX-License-Identifier: Apache-2.0 */

#include "collector/engine_int.h"
#include "collector/scrape_loop.h"

#ifndef TOCSIN_VERSION
#    define TOCSIN_VERSION "unknown"
#endif

/* --- the store as a sink --------------------------------------------------------------------- */

static int db_series(void *arg, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    return tsdb_series_own(arg, ls, out, err);
}

static int db_append(void *arg, const struct tsdb_point *p, size_t count,
                     struct tsdb_append_result *r)
{
    return tsdb_append(arg, p, count, r);
}

static int db_metadata(void *arg, const struct metric_metadata *m)
{
    return tsdb_metadata_set(arg, m);
}

static struct collect_sink store_sink(struct tsdb *db)
{
    return (struct collect_sink){db_series, db_append, db_metadata, db};
}

/* --- scraping -------------------------------------------------------------------------------- */

static int loop_apply(void *arg, const struct scrape_config *c, size_t count, struct labels extra,
                      struct errmsg *err)
{
    return scrape_loop_apply(arg, c, count, extra, err);
}

static int loop_targets(void *arg, target_visit_fn *each, void *each_arg)
{
    return scrape_loop_targets(arg, each, each_arg);
}

static void loop_free(void *arg)
{
    scrape_loop_free(arg);
}

enum { TARGETS, TARGETS_UP, SCRAPES, FAILURES, SKIPPED, TIMEOUTS, SAMPLES, DROPPED, SERIES };

// clang-format off
static const struct metric scrape_metrics[] = {
    [TARGETS] = {"tocsin_scrape_targets", "Targets configured.", METRIC_GAUGE, UNIT_NONE, false},
    [TARGETS_UP] = {"tocsin_scrape_targets_up", "Targets whose last scrape succeeded.", METRIC_GAUGE, UNIT_NONE, false},
    [SCRAPES] = {"tocsin_scrapes_total", "Scrapes made.", METRIC_COUNTER, UNIT_NONE, false},
    [FAILURES] = {"tocsin_scrape_failures_total", "Scrapes that failed.", METRIC_COUNTER, UNIT_NONE, false},
    [SKIPPED] = {"tocsin_scrape_skipped_total", "Scrapes left out because the one before had not ended.", METRIC_COUNTER, UNIT_NONE, false},
    [TIMEOUTS] = {"tocsin_scrape_timeouts_total", "Scrapes that took longer than their timeout.", METRIC_COUNTER, UNIT_NONE, false},
    [SAMPLES] = {"tocsin_scrape_samples_total", "Scraped samples stored.", METRIC_COUNTER, UNIT_NONE, false},
    [DROPPED] = {"tocsin_scrape_samples_dropped_total", "Scraped samples the store refused.", METRIC_COUNTER, UNIT_NONE, false},
    [SERIES] = {"tocsin_scrape_series", "Series known to the targets.", METRIC_GAUGE, UNIT_NONE, false},
};
// clang-format on

static void report_scrapes(void *arg, struct collect *c)
{
    struct scrape_stats s;
    scrape_loop_stats(arg, &s);
    const uint64_t values[] = {
        [TARGETS] = s.targets,   [TARGETS_UP] = s.targets_up,   [SCRAPES] = s.scrapes,
        [FAILURES] = s.failures, [SKIPPED] = s.skipped,         [TIMEOUTS] = s.timeouts,
        [SAMPLES] = s.samples,   [DROPPED] = s.dropped_samples, [SERIES] = s.series,
    };
    for (size_t i = 0; i < COUNT(values); i++)
        emit(c, &scrape_metrics[i], (double)values[i]);
}

/* --- both ------------------------------------------------------------------------------------ */

int collector_engine_new(struct collector_engine **out, struct tsdb *db, struct env *env,
                         struct errmsg *err)
{
    struct scrape_loop *loop = NULL;
    int rc = collector_engine_new_sink(out, store_sink(db), env, true);
    if (rc < 0) return errmsg_set(err, rc, "collectors cannot start: %s", err_text(rc));
    rc = scrape_loop_new(&loop, db, env, "tocsin/" TOCSIN_VERSION, err);
    if (rc < 0) {
        collector_engine_free(*out);
        *out = NULL;
        return rc;
    }
    (*out)->scraper = (struct engine_scraper){loop_apply, loop_targets, loop_free, loop};
    collector_engine_self(*out, report_scrapes, loop);
    return 0;
}
