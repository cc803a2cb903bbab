/* sink.c -- one cycle's samples on their way into the store: resolved, marked stale, appended.
 *
 * Collection never waits for storage: when the store refuses, the cycle is counted as lost, told
 * once, and the next one tries again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/collect_int.h"
#include "core/mem.h"

enum { BATCH_MAX = 1 << 20, RETRY_CYCLES = 60, GONE = UINT32_MAX };

/* --- the batch ------------------------------------------------------------------------------- */

int batch_init(struct batch *b, struct collect_sink sink)
{
    *b = (struct batch){.sink = sink};
    b->builder = mem_zalloc(sizeof *b->builder);
    return b->builder ? 0 : -ENOMEM;
}

void batch_release(struct batch *b)
{
    labels_free_dup(&b->base);
    mem_free(b->builder);
    mem_free(b->points);
    mem_free(b->origins);
    *b = (struct batch){0};
}

static const char *unit_name(enum metric_unit unit)
{
    static const char *const names[] = {
        [UNIT_NONE] = "",       [UNIT_SECONDS] = "seconds", [UNIT_BYTES] = "bytes",
        [UNIT_RATIO] = "ratio", [UNIT_CELSIUS] = "celsius", [UNIT_BITS] = "bits",
        [UNIT_HERTZ] = "hertz",
    };
    return names[unit];
}

static void describe(struct batch *b, struct str name, const char *help, enum metric_type type,
                     const char *unit)
{
    struct metric_metadata m = {name, str_of(help), str_of(unit), type};
    int rc = b->sink.metadata(b->sink.arg, &m);
    if (rc < 0) log_debug("metadata not kept", "metric=%s err=\"%s\"", name.p, err_text(rc));
}

/* job, instance and node labels, under the series' own; an empty value is no label. */
static int resolve(struct batch *b, struct series *s, tsdb_ref *out, struct errmsg *err)
{
    label_builder_init(b->builder, b->base);
    label_builder_set(b->builder, STR(METRIC_NAME), s->name);
    for (size_t i = 0; i < s->label_count; i++)
        if (s->labels[i].value.len)
            label_builder_set(b->builder, s->labels[i].name, s->labels[i].value);
    return b->sink.series(b->sink.arg, label_builder_view(b->builder), out, err);
}

static void refused(struct batch *b, struct series *s, int rc, const struct errmsg *err,
                    uint64_t cycle, int64_t mono_ns)
{
    if (rc == E_UNAVAILABLE) {
        b->unavailable = true;
        b->lost++;
        return;
    }
    s->retry_cycle = cycle + RETRY_CYCLES;
    b->refused++;
    complain(&b->limit_complaint, mono_ns, "series refused by the store",
             "metric=%.*s err=\"%s\" retry_s=%d", (int)s->name.len, s->name.p,
             err->text[0] ? err->text : err_text(rc), RETRY_CYCLES);
}

/* Sets s->ref, or counts the sample as lost. */
static bool resolved(struct batch *b, struct series *s, uint64_t cycle, int64_t time_ms)
{
    if (s->ref) return true;
    if (b->unavailable || cycle < s->retry_cycle) {
        *(b->unavailable ? &b->lost : &b->refused) += 1;
        return false;
    }
    struct errmsg err = {0};
    int rc = resolve(b, s, &s->ref, &err);
    if (rc < 0) {
        s->ref = 0;
        refused(b, s, rc, &err, cycle, time_ms * 1000000);
        return false;
    }
    if (!s->metric || s->metric != b->described)
        describe(b, s->name, s->help, s->type, unit_name(s->metric ? s->metric->unit : UNIT_NONE));
    b->described = s->metric;
    return true;
}

static int reserve(struct batch *b, size_t extra)
{
    void *points = b->points, *origins = b->origins;
    int rc = mem_grow(&points, &b->cap, b->count + extra, BATCH_MAX, sizeof *b->points);
    b->points = points;
    if (rc < 0) return rc;
    rc = mem_grow(&origins, &b->origin_cap, b->count + extra, BATCH_MAX, sizeof *b->origins);
    b->origins = origins;
    return rc;
}

static void put(struct batch *b, tsdb_ref ref, int64_t time_ms, double v,
                struct series_table *table, uint32_t entry)
{
    b->points[b->count] = (struct tsdb_point){ref, time_ms, v};
    b->origins[b->count++] = (struct batch_origin){table, entry};
}

struct gone {
    struct batch *b;
    int64_t time_ms;
};

static void put_stale(void *arg, struct series *s)
{
    struct gone *g = arg;
    if (s->ref) put(g->b, s->ref, g->time_ms, double_of_bits(STALE_NAN_BITS), NULL, GONE);
}

void batch_add(struct batch *b, struct series_table *t, int64_t time_ms, uint64_t cycle)
{
    struct gone g = {b, time_ms};
    size_t most = t->order[0].count + t->order[1].count;
    if (reserve(b, most) < 0) { /* published all the same: /metrics does not need the store */
        b->lost += t->order[t->current].count;
        series_publish(t, NULL, NULL);
        return;
    }
    series_publish(t, put_stale, &g);
    const struct series_order *now = &t->order[t->current];
    for (size_t i = 0; i < now->count; i++) {
        struct series *s = &t->v[now->v[i]];
        if (resolved(b, s, cycle, time_ms)) put(b, s->ref, time_ms, s->value, t, now->v[i]);
    }
}

void batch_add_stale(struct batch *b, struct series_table *t, int64_t time_ms)
{
    struct gone g = {b, time_ms};
    if (reserve(b, t->live) < 0) return;
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i].live) {
            put_stale(&g, &t->v[i]);
            t->v[i].ref = 0;
        }
}

/* Handles the store closed meanwhile are looked up again, from the first on: the answer does not
 * say which of the later ones are affected, and a duplicate costs nothing. */
static void append_again(struct batch *b, size_t first)
{
    size_t n = 0;
    for (size_t i = first; i < b->count; i++) {
        struct batch_origin *o = &b->origins[i];
        if (o->entry == GONE) continue;
        struct series *s = &o->table->v[o->entry];
        struct errmsg err = {0};
        if (resolve(b, s, &s->ref, &err) < 0) {
            s->ref = 0;
            b->lost++;
            continue;
        }
        b->points[n++] = (struct tsdb_point){s->ref, b->points[i].t_ms, b->points[i].v};
    }
    struct tsdb_append_result r = {0};
    if (n && b->sink.append(b->sink.arg, b->points, n, &r) < 0) b->lost += n;
    b->stored += r.stored;
}

void batch_append(struct batch *b, struct env *env)
{
    int64_t mono = env_mono_ns(env);
    struct tsdb_append_result r = {0};
    int rc = b->unavailable ? E_UNAVAILABLE : 0;
    if (b->count) rc = b->sink.append(b->sink.arg, b->points, b->count, &r);
    b->slots++;
    if (rc < 0) {
        b->slots_lost++;
        b->lost += b->count;
        complain(&b->complaint, mono, "collected samples not stored", "err=\"%s\"", err_text(rc));
    } else {
        b->stored += r.stored;
        b->refused += r.too_old + r.too_new;
        if (r.stale_refs) append_again(b, r.first_stale);
        complain_over(&b->complaint, mono, "collected samples are stored again");
    }
    b->count = 0;
    b->unavailable = false;
}
