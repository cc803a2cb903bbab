/* series_int.h -- what the readers of series descriptions share: series.c (labels, floats,
 * repetitions) and series_histogram.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_SERIES_INT_H
#define TOCSIN_TSDB_PROMQL_SERIES_INT_H

#include "tsdb/promql/histogram.h"
#include "tsdb/promql/parse_int.h"

/* The values of a description: what is not read yet of the parser's text. */
struct series_text {
    struct parser *p;
    struct str rest;
};

static inline void series_skip(struct series_text *s, size_t len)
{
    s->rest.p += len;
    s->rest.len -= len;
}

static inline uint32_t series_offset(const struct series_text *s)
{
    return (uint32_t)(s->p->lx.input.len - s->rest.len);
}

static inline bool series_at_blank(const struct series_text *s)
{
    return s->rest.len && strchr(" \t\r\n", s->rest.p[0]) && s->rest.p[0];
}

/* {{ */
static inline bool series_at_histogram(const struct series_text *s)
{
    return str_starts(s->rest, STR("{{"));
}

/* "unexpected TEXT in series values" and what, at the place reached. */
int series_fail(struct series_text *s, int rc, const char *what);
/* Unsigned: decimal, octal with a leading 0, Inf, NaN. */
bool series_take_number(struct series_text *s, double *out);
int series_read_histogram(struct series_text *s, const struct histogram **out) MUST_CHECK;

#endif
