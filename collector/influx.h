/* influx.h -- reading Influx line protocol (v1, v2, v3 rules as InfluxDB's own parser has them).
 *
 * A pull parser over a buffer; texts point into the input unless escapes had to be taken out. Two
 * circles: influx_next reads whole points; influx_int.h has the steps, for push.c's fast path.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_INFLUX_H
#define TOCSIN_COLLECTOR_INFLUX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum influx_type {
    INFLUX_FLOAT,
    INFLUX_INT,
    INFLUX_UINT,
    INFLUX_BOOL,
    INFLUX_STRING,
};

struct influx_value {
    enum influx_type type;
    double f;
    int64_t i;
    uint64_t u;
    bool b;
    struct str s; /* unescaped */
};

struct influx_pair {
    struct str key, value; /* of tags; unescaped */
};
struct influx_field {
    struct str key;
    struct influx_value value;
};

/* One point; arrays and unescaped texts live in the arena given to influx_next. */
struct influx_point {
    struct str measurement;
    struct influx_pair *tags; /* sorted by key */
    size_t tag_count;
    struct influx_field *fields; /* in written order */
    size_t field_count;
    bool has_time;
    int64_t time_ns;
    int line;
};

enum influx_precision {
    INFLUX_NS,
    INFLUX_US,
    INFLUX_MS,
    INFLUX_S,
    INFLUX_M,
    INFLUX_H,
};
enum { INFLUX_TAGS_MAX = 1024, INFLUX_FIELDS_MAX = 65536 }; /* of one point */
/* "ns" "n" "us" "u" "ms" "s" "m" "h"; E_INVALID for anything else. */
int influx_precision_of(struct str s, enum influx_precision *out) MUST_CHECK;

struct influx {
    struct str input;
    size_t pos;
    size_t line_start; /* of the line being read, for columns */
    int line;
    enum influx_precision precision;
};
void influx_init(struct influx *x, struct str input, enum influx_precision precision);
/* 1 and *out filled; 0 at the end; E_PARSE for a bad line, with line and column: the parser has
 * moved past it and may go on. -ENOMEM or E_LIMIT when the arena is used up. */
int influx_next(struct influx *x, struct arena *a, struct influx_point *out,
                struct errmsg *err) MUST_CHECK;

/* Appends a point as one line, without line feed: escaped, tags in the order given, the time cut to
 * the precision. E_INVALID for what line protocol cannot say: no fields, empty names or values,
 * control characters or a backslash at the end of a name, tags not in ascending order, NaN, Inf. */
int influx_print(const struct influx_point *p, enum influx_precision precision, struct buf *out,
                 struct errmsg *err) MUST_CHECK;

#endif
