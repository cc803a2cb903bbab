/* expo.h -- reading expositions: Prometheus text 0.0.4/1.0.0 and OpenMetrics 0.0.1/1.0.0.
 *
 * A pull parser over a buffer: no allocation, no copy; texts point into the input. Follows
 * Prometheus' scraper, trailing commas, missing HELP/TYPE and CRLF tolerated.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_EXPO_H
#define TOCSIN_COLLECTOR_EXPO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "tsdb/labels.h"
#include "tsdb/tsdb.h"

enum expo_format { EXPO_TEXT, EXPO_OPENMETRICS };
enum expo_format expo_format_of(const char *content_type);

enum expo_entry_kind {
    EXPO_SERIES,
    EXPO_TYPE,
    EXPO_HELP,
    EXPO_UNIT,
    EXPO_COMMENT,
    EXPO_EOF,
};

struct expo_entry {
    enum expo_entry_kind kind;
    struct str name;       /* of TYPE, HELP, UNIT */
    struct str text;       /* help (still escaped: expo_unescape), unit, comment */
    enum metric_type type; /* of TYPE; of a series, what the last TYPE line said */
    struct str series;     /* the raw bytes from the name to before the blank: a wire key */
    double value;          /* any NaN is read as NORMAL_NAN_BITS */
    bool has_timestamp;
    int64_t timestamp_ms;
    bool is_created; /* OpenMetrics' name_created of a counter, histogram or summary: when it
                        began, not a sample of its own */
    int line;
};

struct expo {
    struct str input;
    size_t pos;
    int line;
    enum expo_format format;
    enum metric_type type; /* of the last TYPE line */
    bool saw_eof;          /* OpenMetrics: # EOF was read */
};

void expo_init(struct expo *x, struct str input, enum expo_format format);
/* 1 and *out filled, 0 at the end, E_PARSE with line and column. */
int expo_next(struct expo *x, struct expo_entry *out, struct errmsg *err) MUST_CHECK;
/* Labels of a series entry, with __name__, in written order, unescaped into scratch (reset first);
 * le of histograms and quantile of summaries are normalised to floats ("1" -> "1.0"), as Prometheus
 * 3 does for both formats. Borrows input and scratch. E_PARSE (a name twice), E_TOO_BIG. */
int expo_labels(const struct expo_entry *e, enum expo_format format, struct label_builder *b,
                struct buf *scratch, struct errmsg *err) MUST_CHECK;
/* Appends HELP text or a quoted name or value to out, \\ \n \" unescaped. Returns out->err. */
int expo_unescape(struct str text, struct buf *out);

#endif
