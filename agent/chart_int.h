/* chart_int.h -- what the files of the chart share: the canvas and the two axes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CHART_INT_H
#define TOCSIN_AGENT_CHART_INT_H

#include "agent/chart.h"

/* --- chart_canvas.c: cells of dots --- */

struct canvas_cell {
    uint8_t dots;    /* of braille: bits as in U+2800..28FF */
    uint16_t series; /* the last one drawn here, from 1; 0: nothing */
};

struct canvas {
    int columns, rows; /* cells */
    bool braille;      /* 2 by 4 dots a cell, else 1 by 1 */
    struct canvas_cell *cells;
};

int canvas_init(struct canvas *v, int columns, int rows, bool braille) MUST_CHECK;
void canvas_release(struct canvas *v);
int canvas_width(const struct canvas *v); /* in dots */
int canvas_height(const struct canvas *v);
/* Dots count from the lower left; those outside are dropped. series from 0. */
void canvas_dot(struct canvas *v, int x, int y, size_t series);
void canvas_line(struct canvas *v, int x0, int y0, int x1, int y1, size_t series);
/* One row of cells, from the top. */
void canvas_put_row(const struct canvas *v, int row, bool colour, struct buf *out);
/* How a series looks in the legend. */
void canvas_put_mark(size_t series, bool braille, bool colour, bool utf8, struct buf *out);

/* --- chart_axis.c: where ticks stand and what they say --- */

enum { AXIS_TICKS_MAX = 64, AXIS_LABEL_MAX = 24 };

struct axis_tick {
    double at; /* a value, or milliseconds */
    char label[AXIS_LABEL_MAX];
};

struct axis {
    long double low, high; /* low < high */
    size_t count;
    struct axis_tick ticks[AXIS_TICKS_MAX];
};

/* Round numbers around the finite values in low..high, about want of them. */
void axis_of_values(struct axis *a, const struct chart *c, double low, double high, int want);
/* Round local times from start_ms to end_ms. */
void axis_of_time(struct axis *a, const struct chart *c, int columns);
/* "UTC", "UTC+1", "UTC-03:30": of the start. */
void axis_zone(const struct chart *c, char out[AXIS_LABEL_MAX]);

#endif
