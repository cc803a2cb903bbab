/* expo_strict_int.h -- between the two halves of the OpenMetrics reader: what a line says
 * (expo_strict.c) and whether a metric of its type may say so (expo_strict_point.c).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_EXPO_STRICT_INT_H
#define TOCSIN_COLLECTOR_EXPO_STRICT_INT_H

#include "collector/expo.h"
#include "collector/expo_family_int.h"

/* Texts in messages are cut. */
#define SHOWN(s) (int)MIN((s).len, (size_t)80), (s).p

enum strict_rule {
    STRICT_NOT_NAN = 1 << 0,
    STRICT_NOT_NEGATIVE = 1 << 1,
    STRICT_WHOLE = 1 << 2,    /* a number of things */
    STRICT_ONE = 1 << 3,      /* 1 */
    STRICT_BOOL = 1 << 4,     /* 0 or 1 */
    STRICT_FINITE = 1 << 5,   /* a time */
    STRICT_EXEMPLAR = 1 << 6, /* may have one */
};

/* What a sample is within its point, where that matters. */
enum strict_role { ROLE_OTHER, ROLE_BUCKET, ROLE_COUNT, ROLE_SUM, ROLE_QUANTILE, ROLE_STATE };

/* One kind of sample that families of a type have. */
struct strict_part {
    enum metric_type type;
    const char *suffix;
    enum strict_role role;
    unsigned rules;
    const char *label; /* must be there, and is not the metric's: "le"; NULL: none */
};
extern const struct strict_part strict_parts[];
extern const size_t strict_part_count;

struct strict_line {
    struct str name;
    struct labels labels, metric; /* without the name; without le, quantile, state too */
    struct str bound;             /* the value of the part's label; p NULL: it is not there */
    const struct strict_part *part;
    double value, time;
    bool has_time;
    struct str exemplar; /* from '#' on; p NULL: none */
    struct expo_place at, value_at, time_at;
};

/* A histogram's point in the making. */
struct strict_point {
    bool open, has_bucket, has_count, has_sum, negative_bound, negative_sum;
    double bound, population, count; /* of the last bucket; of _count */
    struct expo_place at;
};

struct seen;
struct strict {
    struct families *f;
    const struct expo_input *in;
    struct buf scratch;
    struct seen **seen;
    struct family *family; /* the one being read; NULL: none yet */
    int line;
    const char *line_start, *line_end;
    bool in_metric, has_time; /* of the line before: its metric, its timestamp */
    struct labels metric;
    double time;
    struct strict_point point;
    bool bad;
    int rc; /* what ends the reading: memory */
};

void strict_fail(struct strict *s, struct expo_place at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Judges one sample, and adds it to its point. */
void strict_check_sample(struct strict *s, const struct strict_line *l);
/* The point is complete: judges it as a whole. */
void strict_end_point(struct strict *s);

#endif
