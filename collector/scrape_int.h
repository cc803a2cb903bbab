/* scrape_int.h -- one scrape target, and the steps of a scrape; for the scrape files only.
 *
 * scrape_target.c  configuration -> targets (labels, URL, headers)
 * scrape_store.c   body -> samples, staleness markers, reports
 * scrape_loop.c    when, and what happened
 *
 * Everything runs on the loop's thread under the loop's lock, except building targets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_SCRAPE_INT_H
#define TOCSIN_COLLECTOR_SCRAPE_INT_H

#include "collector/expo.h"
#include "collector/scrape.h"
#include "collector/scrape_cache.h"
#include "core/arena.h"
#include "core/env.h"
#include "core/log.h"

/* The series that every target has beside its own. */
enum {
    REPORT_UP,
    REPORT_DURATION,
    REPORT_SAMPLES,
    REPORT_POST_RELABEL,
    REPORT_ADDED,
    REPORT_BODY_SIZE,
    REPORT_COUNT,
};

struct scrape_target {
    struct arena arena;     /* owns every text and label below */
    struct scrape_config c; /* its texts copied; static_configs and params left out */
    const char *url;
    const char *job; /* the job label, which may differ from c.job_name */
    struct labels labels, discovered;
    uint64_t id;    /* of entry, URL and labels: equal ids are the same target over a reload */
    uint64_t place; /* of URL and labels: the same series, though scraped otherwise */
    bool loopback;

    /* schedule */
    int64_t offset_ms, next_ms, slot_ms; /* phase; next slot; slot of the scrape under way */
    bool in_flight;
    uint64_t request;

    /* what the store knows of it */
    struct scrape_cache cache;
    uint64_t misses_before;  /* cache.misses as the body began */
    enum expo_format format; /* of the last body */
    tsdb_ref reports[REPORT_COUNT];
    bool reported; /* reports have samples not marked stale */

    /* what people see */
    bool scraped, up;
    char last_error[256];
    int64_t last_scrape_ms;
    double last_duration_seconds;
    uint64_t last_samples;
    struct complaint complaint;

    struct scrape_loop *loop;
    struct scrape_target *next; /* among those leaving */
};

/* All targets of a configuration, in order; *out is a heap array of heap objects. Problems:
 * E_INVALID with a message (two jobs of one name, a target_limit). */
int scrape_targets_new(const struct scrape_config *c, size_t count, struct labels extra,
                       struct scrape_target ***out, size_t *out_count,
                       struct errmsg *err) MUST_CHECK;
void scrape_target_free(struct scrape_target *t);
/* The request of a scrape; texts live in the arena. Reads password and token files. */
int scrape_target_request(const struct scrape_target *t, struct env *env, const char *user_agent,
                          struct arena *a, struct httpc_request *out,
                          struct errmsg *err) MUST_CHECK;

/* What storing needs and may be reused: one a loop. */
struct scrape_store {
    struct tsdb *db;
    struct tsdb_point *points;
    struct scrape_entry **entries; /* of points */
    size_t count, cap, entry_cap;
    struct label_builder labels;
    struct buf scratch;
    struct arena arena;
    uint64_t stored, dropped; /* since start */
};
void scrape_store_init(struct scrape_store *s, struct tsdb *db);
void scrape_store_release(struct scrape_store *s);

struct scrape_counts {
    size_t samples;      /* in the body */
    size_t post_relabel; /* that were to be stored */
    size_t added;        /* series that the last body did not have */
};
/* Reads a body and stores it whole or, when anything is wrong with it, not at all (E_PARSE,
 * E_LIMIT, -ENOMEM with a message). Series that are gone are marked stale. */
int scrape_store_body(struct scrape_store *s, struct scrape_target *t, struct str body,
                      enum expo_format format, struct scrape_counts *out,
                      struct errmsg *err) MUST_CHECK;
/* The scrape failed: everything the target had is marked stale at t_ms. */
void scrape_store_stale(struct scrape_store *s, struct scrape_target *t, int64_t t_ms);
void scrape_store_reports(struct scrape_store *s, struct scrape_target *t, int64_t t_ms,
                          const double values[REPORT_COUNT]);
/* The target leaves: series and reports are marked stale. */
void scrape_store_leave(struct scrape_store *s, struct scrape_target *t, int64_t t_ms);

#endif
