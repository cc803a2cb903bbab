/* api_federate.c -- /federate: the newest sample of every selected series, as text with times.
 *
 * Metrics are gathered name by name, so that memory holds the series of one name at a time; the
 * answer itself is bounded by the server's largest response. A remote engine is asked once. Stale
 * series are left out; job and instance stay, and external labels are added where a series lacks
 * them, as Prometheus does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/api_match.h"
#include "agent/api_status.h"
#include "agent/backend.h"
#include "agent/config.h"
#include "core/mem.h"
#include "exporters/exposition.h"
#include "tsdb/admin.h"

enum { SELECTORS_BYTES = 4 << 20, ROWS_MAX = 50000000, NAME_BYTES = 1 << 20 };

/* Names that are written alike are one family, so they are sorted as written. */
struct name {
    struct str text, shown;
};

struct row {
    struct name name; /* the metric's */
    struct labels labels;
    int64_t t_ms;
    double v;
};

struct federation {
    struct app *app;
    struct app_settings settings;
    struct api_selectors selectors;
    struct query_budget budget;
    int64_t start_ms, end_ms;
    struct exposition_format format;
    struct arena kept;      /* selectors, external labels, names */
    struct arena series;    /* of the name being gathered */
    struct label *external; /* by name; instance="" among them when it is not set */
    size_t external_count;
    struct name *names;
    size_t name_count, name_cap;
    struct buf scratch;
    struct row *rows;
    size_t row_count, row_cap;
    struct exposition out;
    struct errmsg err;
};

/* --- external labels --------------------------------------------------------------------------
 */

static int by_label(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

static int read_external(void *arg, const struct config *c)
{
    struct federation *f = arg;
    const struct conf_map *map = &c->global.external_labels;
    bool has_instance = false;
    f->external = arena_array(&f->kept, map->count + 1, sizeof *f->external);
    if (!f->external) return f->kept.err;
    for (size_t i = 0; i < map->count; i++) {
        struct label l = {arena_str(&f->kept, map->v[i].key), arena_str(&f->kept, map->v[i].value)};
        if (!l.name.p || !l.value.p) return f->kept.err;
        has_instance |= str_eq(l.name, STR("instance"));
        f->external[f->external_count++] = l;
    }
    if (!has_instance) f->external[f->external_count++] = (struct label){STR("instance"), STR("")};
    qsort(f->external, f->external_count, sizeof *f->external, by_label);
    return 0;
}

/* --- names ------------------------------------------------------------------------------------
 */

/* text must outlive the name. */
static int make_name(struct federation *f, struct arena *a, struct str text, struct name *out)
{
    *out = (struct name){text, text};
    if (f->format.escaping == ESCAPING_NONE || metric_name_is_legacy(text)) return 0;
    buf_reset(&f->scratch);
    int rc = name_escape(text, f->format.escaping, &f->scratch);
    if (rc < 0) return rc;
    out->shown = arena_str(a, (struct str){f->scratch.p, f->scratch.len});
    return out->shown.p ? 0 : a->err;
}

static int add_name(void *arg, struct str s)
{
    struct federation *f = arg;
    void *v = f->names;
    int rc = mem_grow(&v, &f->name_cap, f->name_count + 1, ROWS_MAX, sizeof *f->names);
    f->names = v;
    if (rc < 0) return rc;
    struct str copy = arena_str(&f->kept, s);
    if (!copy.p) return f->kept.err;
    rc = make_name(f, &f->kept, copy, &f->names[f->name_count]);
    f->name_count += rc == 0;
    return rc;
}

static struct select_request request_of(struct federation *f, const struct matcher *m, size_t count)
{
    return (struct select_request){
        .matchers = m,
        .matcher_count = count,
        .start_ms = f->start_ms,
        .end_ms = f->end_ms,
        .func = "",
        .latest_only = true,
        .budget = &f->budget,
        .arena = &f->series,
    };
}

static int compare_names(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int c = str_cmp(x->shown, y->shown);
    return c ? c : str_cmp(x->text, y->text);
}

/* The names of all metrics there may be, sorted; some twice, some not selected. */
static int find_names(struct federation *f)
{
    int rc = tsdb_metric_names(f->app->db, f->start_ms, f->end_ms, add_name, f);
    if (f->name_count) qsort(f->names, f->name_count, sizeof *f->names, compare_names);
    return rc;
}

/* --- samples ----------------------------------------------------------------------------------
 */

static int add_row(struct federation *f, const struct series_view *v)
{
    size_t last = v->count - 1;
    struct row row = {.labels = v->labels, .t_ms = v->t[last], .v = v->v[last]};
    struct str metric = labels_metric(v->labels);
    void *rows = f->rows;
    if (is_stale(row.v) || !metric.len) return 0;
    int rc = make_name(f, &f->series, metric, &row.name);
    if (rc == 0) rc = mem_grow(&rows, &f->row_cap, f->row_count + 1, ROWS_MAX, sizeof *f->rows);
    f->rows = rows;
    if (rc == 0) f->rows[f->row_count++] = row;
    return rc;
}

/* Adds what one selector finds, of one metric when name is not NULL. */
static int gather(struct federation *f, const struct api_selector *s, const struct str *name)
{
    struct querier *q = f->app->querier;
    struct series_set *set = NULL;
    struct series_view v;
    struct matcher *m = arena_array(&f->series, s->count + 1, sizeof *m);
    size_t count = s->count;
    if (!m) return f->series.err;
    if (count) memcpy(m, s->v, count * sizeof *m); /* the selector stays their owner */
    if (name) m[count++] = (struct matcher){MATCH_EQ, STR(METRIC_NAME), *name, NULL};
    struct select_request r = request_of(f, m, count);
    int rc = q->ops->select(q, &r, &set, &f->err);
    while (rc == 0 && (rc = set->ops->next(set, &v, &f->err)) == 1)
        rc = v.count ? add_row(f, &v) : 0;
    if (set) set->ops->free(set);
    return rc;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int c = compare_names(&x->name, &y->name);
    return c ? c : labels_cmp(x->labels, y->labels);
}

/* The external labels that a series does not have itself. */
static struct labels missing_labels(const struct federation *f, struct labels ls, struct label *v)
{
    size_t n = 0;
    for (size_t i = 0; i < f->external_count; i++)
        if (!labels_get(ls, f->external[i].name).len) v[n++] = f->external[i];
    return (struct labels){v, n};
}

/* Writes what was gathered, sorted, each series once. */
static int write_rows(struct federation *f)
{
    struct label *extra = arena_array(&f->series, f->external_count + 1, sizeof *extra);
    if (!extra) return f->series.err;
    if (f->row_count) qsort(f->rows, f->row_count, sizeof *f->rows, compare_rows);
    for (size_t i = 0; i < f->row_count; i++) {
        const struct row *row = &f->rows[i];
        if (i > 0 && labels_eq(row->labels, row[-1].labels)) continue;
        exposition_untyped(&f->out, row->name.text, row->labels,
                           missing_labels(f, row->labels, extra), row->v, row->t_ms);
    }
    f->row_count = 0;
    arena_reset(&f->series);
    return f->out.out->err;
}

static int write_all(struct federation *f, const struct str *name)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->selectors.count; i++)
        rc = gather(f, &f->selectors.v[i], name);
    return rc == 0 ? write_rows(f) : rc;
}

static int federate(struct federation *f)
{
    bool local = f->app->backend && backend_is_local(f->app->backend);
    if (!f->selectors.count) return 0;
    if (!local) return write_all(f, NULL);
    int rc = find_names(f);
    for (size_t i = 0; rc == 0 && i < f->name_count; i++)
        if (i == 0 || !str_eq(f->names[i].text, f->names[i - 1].text))
            rc = write_all(f, &f->names[i].text);
    return rc;
}

/* --- the request ------------------------------------------------------------------------------
 */

static int federation_init(struct federation *f, struct app *a, const struct request *r)
{
    f->app = a;
    app_settings(a, &f->settings);
    arena_init(&f->kept, SELECTORS_BYTES + f->settings.query_memory);
    arena_init(&f->series, f->settings.query_memory);
    f->end_ms = env_now_ms(a->env);
    f->start_ms = f->end_ms - f->settings.lookback_ms;
    f->budget = (struct query_budget){
        .cancel = r->cancel,
        .deadline_mono_ns = r->start_mono_ns + f->settings.query_timeout_ms * 1000000,
    };
    f->format = exposition_negotiate(r->header[HDR_ACCEPT]);
    f->out.escaping = f->format.escaping;
    buf_init(&f->scratch, NAME_BYTES);
    int rc = api_selectors_read(&f->selectors, r, &f->kept, &f->err);
    return rc == 0 ? a->with_config(a, read_external, f) : rc;
}

static void federation_release(struct federation *f)
{
    api_selectors_release(&f->selectors);
    exposition_release(&f->out);
    buf_release(&f->scratch);
    arena_release(&f->kept);
    arena_release(&f->series);
    mem_free(f->names);
    mem_free(f->rows);
}

static void fail(struct federation *f, int rc, struct response *p)
{
    char text[sizeof f->err.text + 2];
    snprintf(text, sizeof text, "%s\n",
             rc == E_TOO_BIG  ? "the answer is too large: select less"
             : f->err.text[0] ? f->err.text
                              : err_text(rc));
    bool busy = rc == E_TIMEOUT || rc == E_UNAVAILABLE || rc == -ENOMEM;
    response_text(p, rc == E_PARSE ? 400 : busy ? 503 : rc == E_CANCELED ? 499 : 500, text);
}

void api_federate(struct app *a, struct request *r, struct response *p)
{
    struct federation *f = mem_zalloc(sizeof *f);
    if (!f) {
        response_text(p, 503, "out of memory\n");
        return;
    }
    exposition_init(&f->out, &p->body);
    int rc = federation_init(f, a, r);
    p->content_type = exposition_content_type(&f->format);
    if (rc == 0) rc = federate(f);
    if (rc < 0) fail(f, rc, p);
    federation_release(f);
    mem_free(f);
}
