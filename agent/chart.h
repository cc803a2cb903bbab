/* chart.h -- line charts in text: values in, text out; no terminal, clock or locale is looked at.
 *
 *     20.0 MiB/s ┤        ⢀⠤⠒⠊⠉⠒⠤⡀
 *     10.0 MiB/s ┤⣀⣀⡠⠤⠒⠊⠁         ⠈⠒⠤⣀
 *                └──────┬───────────┬──
 *            UTC+1   Nov 22 15:00  15:15
 *     ━ mode="idle" 9.31 MiB/s  ━ mode="user" 1.02 MiB/s
 *
 * A cell of braille holds 2 by 4 dots and one colour. Where colours cannot tell several series
 * apart, or UTF-8 is not to be had, each series is drawn with a letter of its own instead. The last
 * value of a series stands behind its name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CHART_H
#define TOCSIN_AGENT_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

struct chart_point {
    int64_t t_ms;
    double v; /* NaN: nothing here; infinities stick to the edge */
};

struct chart_series {
    const char *name;                 /* for the legend: printable UTF-8 */
    const struct chart_point *points; /* in order of time */
    size_t count;
};

enum chart_unit { CHART_NUMBER, CHART_BYTES, CHART_SECONDS, CHART_RATIO };

struct chart {
    const struct chart_series *series;
    size_t count;
    int64_t start_ms, end_ms; /* of the time axis */
    int64_t step_ms;          /* points further apart than one and a half are not joined */
    enum chart_unit unit;
    bool per_second;
    int columns, lines; /* of the whole, legend included; small ones are raised to what fits */
    bool utf8, colour;
    int (*utc_offset_s)(int64_t t_s); /* of the local time; NULL: UTC */
};

/* 0, -ENOMEM or E_TOO_BIG. */
int chart_draw(const struct chart *c, struct buf *out) MUST_CHECK;

/* "1.5 GiB", "250 ms", "12.3 k/s": four significant digits. */
void chart_value(enum chart_unit unit, bool per_second, bool utf8, double v, struct buf *out);

#endif
