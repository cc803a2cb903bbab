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
#include "agent/config.h"
#include "core/mem.h"
#include "exporters/exposition.h"
#include "tsdb/admin.h"

enum { SELECTORS_BYTES = 4 << 20, ROWS_MAX = 50000000 };

struct row {
    struct str name; /* the metric's */
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
    bool legacy;            /* the client does not take UTF-8 names */
    struct arena kept;      /* selectors, external labels, names */
    struct arena series;    /* of the name being gathered */
    struct label *external; /* by name; instance="" among them when it is not set */
    size_t external_count;
    struct str *names;
    size_t name_count, name_cap;
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

static int add_name(void *arg, struct str s)
{
    struct federation *f = arg;
    void *v = f->names;
    int rc = mem_grow(&v, &f->name_cap, f->name_count + 1, ROWS_MAX, sizeof *f->names);
    f->names = v;
    if (rc < 0) return rc;
    struct str copy = arena_str(&f->kept, s);
    if (!copy.p) return f->kept.err;
    f->names[f->name_count++] = copy;
    return 0;
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

/* Names are compared as they will be written, so that one family comes once. */
static int compare_names(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    if (metric_name_is_legacy(*x) && metric_name_is_legacy(*y)) return str_cmp(*x, *y);
    char *text = mem_alloc(x->len + y->len + 1);
    if (!text) return str_cmp(*x, *y);
    int c = str_cmp(exposition_legacy_name(*x, true, text),
                    exposition_legacy_name(*y, true, text + x->len));
    mem_free(text);
    return c ? c : str_cmp(*x, *y);
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
    struct row row = {labels_metric(v->labels), v->labels, v->t[last], v->v[last]};
    void *rows = f->rows;
    if (is_stale(row.v) || !row.name.len) return 0;
    int rc = mem_grow(&rows, &f->row_cap, f->row_count + 1, ROWS_MAX, sizeof *f->rows);
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
        exposition_untyped(&f->out, f->legacy, row->name, row->labels,
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
    bool local = f->app->db && f->app->querier == tsdb_querier(f->app->db);
    if (!f->selectors.count) return 0;
    if (!local) return write_all(f, NULL);
    int rc = find_names(f);
    for (size_t i = 0; rc == 0 && i < f->name_count; i++)
        if (i == 0 || !str_eq(f->names[i], f->names[i - 1])) rc = write_all(f, &f->names[i]);
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
    const char *accept = r->header[HDR_ACCEPT];
    f->legacy = !accept || !strstr(accept, "escaping=allow-utf-8");
    int rc = api_selectors_read(&f->selectors, r, &f->kept, &f->err);
    return rc == 0 ? a->with_config(a, read_external, f) : rc;
}

static void federation_release(struct federation *f)
{
    api_selectors_release(&f->selectors);
    exposition_release(&f->out);
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
    p->content_type = f->legacy ? "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
                                : "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
    if (rc == 0) rc = federate(f);
    if (rc < 0) fail(f, rc, p);
    federation_release(f);
    mem_free(f);
}
