/* world.h -- the data of the differential tests: a few dozen series of everything that makes
 * queries go wrong. Irregular intervals, gaps, counter resets, staleness markers, NaN, infinities,
 * constants, very large and very small numbers, histograms with broken buckets; and labels with few
 * values that overlap between metrics, so that joins find partners.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_WORLD_H
#define TOCSIN_TESTS_DIFFERENTIAL_WORLD_H

#include "tests/differential/dice.h"
#include "tsdb/memstore.h"

/* How the values of a metric go on. Most are whole numbers or quarters: sums of those are exact in
 * any order. */
enum world_habit {
    COUNTER,
    COUNTER_WITH_RESETS,
    GAUGE,
    SIGNED,   /* around zero, with zeros */
    CONSTANT, /* equal in all series */
    FLAG,     /* 0 or 1 */
    WEIRD,    /* NaN and infinities among others */
    HUGE_SMALL,
    FLAPPING, /* with staleness markers */
    SPARSE,   /* long gaps */
    BUCKETS,  /* grows with le; broken now and then */
    CLOCK,    /* seconds since the epoch */
};

/* A metric: nearly every combination of label values is a series. */
struct world_metric {
    const char *name;
    enum world_habit habit;
    struct world_label {
        const char *name, *values[8];
    } labels[3];
    bool version_3; /* not in WORLD_VERSION_2 */
};
const struct world_metric *world_metrics(size_t *count);

struct world_series {
    struct labels labels;
    int64_t *t;
    double *v;
    size_t count;
    bool hidden; /* left out by the shrinker */
};

struct world {
    struct arena arena;
    struct world_series *series;
    size_t count;
    int64_t start_ms, end_ms; /* of the samples */
};

enum world_kind {
    WORLD_FULL,
    /* For a Prometheus of version 2: names are ASCII, no sample lies on a multiple of 500 ms (a
     * range there has its left end inside), counters start far above zero. */
    WORLD_VERSION_2,
};

enum { WORLD_SPAN_MS = 25 * 60 * 1000 };

int world_init(struct world *w, uint64_t seed, enum world_kind kind, int64_t start_ms) MUST_CHECK;
void world_release(struct world *w);
/* All series that are not hidden. */
int world_store(const struct world *w, struct memstore *m) MUST_CHECK;
/* One line for each sample of them: labels as JSON, a tab, milliseconds, a tab, the value. */
void world_print(const struct world *w, struct buf *out);

#endif
