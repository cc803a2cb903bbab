/* world.c -- makes the series of the differential tests.
 *
 * A metric is a row: its labels with their values, and a way to go from one sample to the next.
 * Every combination of label values is a series, but for a few left out so that some joins find no
 * partner.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/differential/world.h"

#include <math.h>

#include "core/json.h"

static const struct world_metric metrics[] = {
    {"requests_total",
     COUNTER_WITH_RESETS,                  {{"job", {"api", "db"}}, {"instance", {"a:1", "b:2"}}, {"code", {"200", "404", "500"}}},
     false                                                                                                                               },
    {"errors_total",
     COUNTER,                              {{"job", {"api", "db"}}, {"instance", {"a:1", "b:2"}}, {"code", {"404", "500"}}},
     false                                                                                                                               },
    {"memory_bytes",           GAUGE,      {{"job", {"api", "db", "web"}}, {"instance", {"a:1", "b:2"}}},                           false},
    {"limit_bytes",            CONSTANT,   {{"job", {"api", "db"}}, {"instance", {"a:1", "b:2"}}},                                  false},
    {"up",                     FLAG,       {{"job", {"api", "db", "web"}}, {"instance", {"a:1", "b:2"}}},                           false},
    {"temperature",            SIGNED,     {{"instance", {"a:1", "b:2", "c:3"}}, {"zone", {"1", "2"}}},                             false},
    {"build_info",             CONSTANT,   {{"instance", {"a:1", "b:2"}}, {"version", {"1.0"}}},                                    false},
    {"started_seconds",        CLOCK,      {{"job", {"api", "db"}}},                                                                false},
    {"weird",                  WEIRD,      {{"x", {"1", "2", "3", "4"}}},                                                           false},
    {"extreme",                HUGE_SMALL, {{"x", {"1", "2", "3"}}},                                                                true },
    {"flapping",               FLAPPING,   {{"x", {"1", "2", "3"}}, {"job", {"api"}}},                                              false},
    {"sparse",                 SPARSE,     {{"x", {"1", "2"}}},                                                                     false},
    {"latency_seconds_bucket",
     BUCKETS,                              {{"job", {"api", "db"}}, {"le", {"0.1", "0.25", "0.5", "1", "2.5", "+Inf"}}},
     false                                                                                                                               },
    {"odd_bucket",             BUCKETS,    {{"le", {"-1", "0", "1", "1.0", "x", "", "10", "+Inf"}}},                                false},
    {"latency_seconds_count",  COUNTER,    {{"job", {"api", "db"}}},                                                                false},
    {"latency_seconds_sum",    COUNTER,    {{"job", {"api", "db"}}},                                                                false},
    {"disk.usage",             GAUGE,      {{"mount.point", {"/", "/näyttö"}}, {"job", {"api"}}},                                 true },
};

const struct world_metric *world_metrics(size_t *count)
{
    *count = COUNT(metrics);
    return metrics;
}

/* --- values --- */

struct walk {
    struct dice *dice;
    enum world_habit habit;
    enum world_kind kind;
    double v, step;
    unsigned index; /* of the series in its metric */
    unsigned gap;   /* samples still to leave out */
};

static double weird_value(struct walk *w)
{
    static const double odd[] = {
        (double)NAN, (double)INFINITY, -(double)INFINITY, 0, -0.0, 1e-300, 3, -7, 0.1, 0.3};
    return DICE_PICK(w->dice, odd);
}

static double extreme_value(struct walk *w)
{
    static const double far[] = {1e308, -1e308, 1e300, 1e17, 1, -1e300, 5e-324, 1e-200, 2, 1e16};
    return DICE_PICK(w->dice, far);
}

static double next_bucket(struct walk *w)
{
    /* seldom a bucket loses a few, or a hair; a count of NaN breaks everything */
    w->v += (double)(dice_roll(w->dice, 3) * (w->index + 1));
    if (w->kind == WORLD_VERSION_2) return w->v;
    if (dice_chance(w->dice, 2)) return w->v / 2;
    if (dice_chance(w->dice, 2)) return w->v * (1 - 1e-14);
    if (dice_roll(w->dice, 400) == 399) return (double)NAN;
    return w->v;
}

static double next_value(struct walk *w)
{
    struct dice *d = w->dice;
    switch (w->habit) {
    case COUNTER_WITH_RESETS:
        if (dice_chance(d, 3)) return w->v = w->kind == WORLD_FULL ? dice_roll(d, 5) : w->v / 2;
        return w->v += w->step * dice_roll(d, 4);
    case COUNTER:
        return w->v += w->step * dice_roll(d, 4);
    case GAUGE:
        return w->v += (double)dice_roll(d, 9) * 0.25 - 1;
    case SIGNED:
        return (double)dice_roll(d, 41) * 0.5 - 10;
    case FLAG:
    case FLAPPING:
        return dice_roll(d, 4) ? 1 : 0;
    case WEIRD:
        return weird_value(w);
    case HUGE_SMALL:
        return extreme_value(w);
    case BUCKETS:
        return next_bucket(w);
    case CONSTANT:
    case SPARSE:
    case CLOCK:
        break;
    }
    return w->v;
}

static void start_walk(struct walk *w, const struct world_metric *m, const struct world *world)
{
    w->habit = m->habit;
    w->step = (double)(1 + dice_roll(w->dice, 6));
    if (dice_chance(w->dice, 30)) w->step += 0.1; /* not all is exact */
    w->v = (double)dice_roll(w->dice, 100);
    if (m->habit == CONSTANT) w->v = 64;
    if (m->habit == BUCKETS) w->v = 10 * w->index;
    if (m->habit == CLOCK) w->v = (double)world->start_ms / 1000 - 86400 * (w->index + 1);
    /* far enough from zero that no extrapolation meets it */
    bool counts = m->habit == COUNTER || m->habit == COUNTER_WITH_RESETS || m->habit == BUCKETS;
    if (w->kind == WORLD_VERSION_2 && counts) w->v += 1e6;
    if (m->habit == BUCKETS && dice_chance(w->dice, 10)) w->v -= w->v < 1e6 ? 0 : 50;
}

/* --- times --- */

static bool left_out(struct walk *w)
{
    if (w->gap) {
        w->gap--;
        return true;
    }
    unsigned roll = dice_roll(w->dice, 1000);
    if (w->habit == SPARSE ? roll < 300 : roll < 8) w->gap = 5 + dice_roll(w->dice, 30);
    return roll < 20;
}

/* Intervals of 10, 15 or 30 seconds, most a little late; some on the very millisecond, where the
 * ends of ranges are. */
static int64_t next_time(struct walk *w, int64_t due_ms)
{
    int64_t t = due_ms;
    if (w->kind == WORLD_FULL && dice_chance(w->dice, 50)) return t;
    t += 1 + dice_roll(w->dice, 900);
    if (w->kind == WORLD_VERSION_2 && t % 500 == 0) t++;
    return t;
}

static int fill_series(struct world *w, struct walk *walk, struct world_series *s)
{
    static const int64_t intervals[] = {10000, 15000, 15000, 30000};
    int64_t interval = DICE_PICK(walk->dice, intervals);
    size_t max = (size_t)((w->end_ms - w->start_ms) / interval) + 1;
    s->t = arena_array(&w->arena, max, sizeof s->t[0]);
    s->v = arena_array(&w->arena, max, sizeof s->v[0]);
    if (!s->t || !s->v) return w->arena.err;
    for (int64_t due = w->start_ms; due < w->end_ms && s->count < max; due += interval) {
        double v = next_value(walk);
        if (left_out(walk)) continue;
        if (walk->habit == FLAPPING && dice_chance(walk->dice, 15))
            v = double_of_bits(STALE_NAN_BITS);
        else if (isnan(v))
            v = double_of_bits(NORMAL_NAN_BITS);
        s->t[s->count] = next_time(walk, due);
        s->v[s->count++] = v;
    }
    return 0;
}

/* --- series --- */

static size_t value_count(const struct world_label *row)
{
    size_t n = 0;
    while (row->name && n < COUNT(row->values) && row->values[n])
        n++;
    return n ? n : 1;
}

static int series_labels(struct world *w, const struct world_metric *m, size_t number,
                         struct labels *out)
{
    struct label_builder b;
    label_builder_init(&b, (struct labels){0});
    label_builder_set(&b, STR(METRIC_NAME), str_of(m->name));
    for (size_t i = 0; i < COUNT(m->labels) && m->labels[i].name; i++) {
        size_t n = value_count(&m->labels[i]);
        label_builder_set(&b, str_of(m->labels[i].name), str_of(m->labels[i].values[number % n]));
        number /= n;
    }
    return label_builder_build(&b, &w->arena, out);
}

static int add_metric(struct world *w, struct dice *dice, enum world_kind kind,
                      const struct world_metric *m)
{
    size_t total = 1;
    for (size_t i = 0; i < COUNT(m->labels); i++)
        total *= value_count(&m->labels[i]);
    for (size_t i = 0; i < total; i++) {
        struct world_series *s = &w->series[w->count];
        struct walk walk = {.dice = dice, .kind = kind, .index = (unsigned)i};
        if (m->habit == BUCKETS)
            walk.index = (unsigned)(total > 8 ? i / 2 : i); /* le grows slowest */
        if (total > 3 && m->habit != BUCKETS && dice_chance(dice, 12)) continue;
        start_walk(&walk, m, w);
        int rc = series_labels(w, m, i, &s->labels);
        if (rc == 0) rc = fill_series(w, &walk, s);
        if (rc) return rc;
        w->count++;
    }
    return 0;
}

enum { MAX_SERIES = 128 };

int world_init(struct world *w, uint64_t seed, enum world_kind kind, int64_t start_ms)
{
    struct dice dice = dice_of_seed(seed);
    *w = (struct world){.start_ms = start_ms, .end_ms = start_ms + WORLD_SPAN_MS};
    arena_init(&w->arena, 64 << 20);
    w->series = arena_array(&w->arena, MAX_SERIES, sizeof w->series[0]);
    if (!w->series) return w->arena.err;
    for (size_t i = 0; i < COUNT(metrics); i++) {
        if (metrics[i].version_3 && kind == WORLD_VERSION_2) continue;
        int rc = add_metric(w, &dice, kind, &metrics[i]);
        if (rc) return rc;
    }
    return 0;
}

void world_release(struct world *w)
{
    arena_release(&w->arena);
}

int world_store(const struct world *w, struct memstore *m)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct world_series *s = &w->series[i];
        for (size_t k = 0; k < s->count && !s->hidden; k++) {
            int rc = memstore_add(m, s->labels, s->t[k], s->v[k]);
            if (rc) return rc;
        }
    }
    return 0;
}

static void print_sample(const struct world_series *s, size_t k, struct buf *out)
{
    struct json j;
    json_init(&j, out);
    json_obj(&j);
    for (size_t i = 0; i < s->labels.count; i++) {
        json_key_str(&j, s->labels.v[i].name);
        json_str(&j, s->labels.v[i].value);
    }
    json_end(&j);
    buf_addf(out, "\t%lld\t", (long long)s->t[k]);
    if (is_stale(s->v[k]))
        buf_addstr(out, "stale");
    else
        buf_adddouble(out, s->v[k]);
    buf_addch(out, '\n');
}

void world_print(const struct world *w, struct buf *out)
{
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; k < w->series[i].count && !w->series[i].hidden; k++)
            print_sample(&w->series[i], k, out);
}
