/* chart.c -- line charts in text (chart.h): the plot between its axes, and the legend.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/chart_int.h"

enum { COLUMNS_MIN = 40, COLUMNS_MAX = 1000, LINES_MIN = 8, LINES_MAX = 500 };
enum { PLOT_COLUMNS_MIN = 8, ROWS_MIN = 4, LINES_OF_AXIS = 2, ROWS_A_TICK = 4, TICKS_MAX = 24 };

struct drawing {
    const struct chart *c;
    struct axis values, time;
    struct canvas canvas;
    char zone[AXIS_LABEL_MAX];
    int columns, lines;
    int margin;       /* columns of the value labels */
    int legend_lines; /* at most */
    struct buf *out;
};

/* --- sizes --- */

static void find_extremes(const struct chart *c, double *low, double *high)
{
    bool any = false;
    *low = *high = 0;
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < c->series[i].count; k++) {
            double v = c->series[i].points[k].v;
            if (!isfinite(v)) continue;
            *low = any ? fmin(*low, v) : v;
            *high = any ? fmax(*high, v) : v;
            any = true;
        }
}

static int columns_of(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static int margin_of(const struct drawing *d)
{
    int margin = columns_of(d->zone);
    for (size_t i = 0; i < d->values.count; i++)
        margin = MAX(margin, columns_of(d->values.ticks[i].label));
    return margin;
}

static int lay_out(struct drawing *d)
{
    const struct chart *c = d->c;
    double low, high;
    d->columns = MAX(MIN(c->columns, COLUMNS_MAX), COLUMNS_MIN);
    d->lines = MAX(MIN(c->lines, LINES_MAX), LINES_MIN);
    d->legend_lines = (int)MIN(c->count, (size_t)MAX(d->lines / 5, 1));
    int rest = c->count > (size_t)d->legend_lines; /* "and 5 more" */
    int rows = MAX(d->lines - LINES_OF_AXIS - d->legend_lines - rest, ROWS_MIN);
    find_extremes(c, &low, &high);
    axis_of_values(&d->values, c, low, high, MIN(MAX(rows / ROWS_A_TICK, 2), TICKS_MAX));
    axis_zone(c, d->zone);
    d->margin = margin_of(d);
    int columns = MAX(d->columns - d->margin - 2, PLOT_COLUMNS_MIN);
    axis_of_time(&d->time, c, columns);
    bool braille = c->utf8 && (c->colour || c->count <= 1);
    return canvas_init(&d->canvas, columns, rows, braille);
}

/* --- the plot --- */

/* Where a value lies between two ends, in dots. */
static int scale(long double v, long double low, long double high, int dots)
{
    long double part = (v - low) / (high - low);
    return (int)lroundl(part * (dots - 1));
}

static int x_of(const struct drawing *d, int64_t t_ms)
{
    int dots = canvas_width(&d->canvas);
    if (d->c->end_ms <= d->c->start_ms) return dots / 2;
    if (t_ms < d->c->start_ms || t_ms > d->c->end_ms) return -1;
    return scale(t_ms, d->time.low, d->time.high, dots);
}

static int y_of(const struct drawing *d, double v)
{
    int dots = canvas_height(&d->canvas);
    if (isinf(v)) return v > 0 ? dots - 1 : 0;
    return scale((long double)v, d->values.low, d->values.high, dots);
}

static bool joined(const struct chart *c, const struct chart_point *a, const struct chart_point *b)
{
    return isfinite(a->v) && isfinite(b->v) &&
           (c->step_ms <= 0 || b->t_ms - a->t_ms <= c->step_ms + c->step_ms / 2);
}

static void plot(struct drawing *d, size_t series)
{
    const struct chart_series *s = &d->c->series[series];
    for (size_t i = 0; i < s->count; i++) {
        const struct chart_point *p = &s->points[i], *before = i ? p - 1 : NULL;
        if (isnan(p->v)) continue;
        int x = x_of(d, p->t_ms), y = y_of(d, p->v);
        int x0 = before ? x_of(d, before->t_ms) : -1;
        if (before && x0 >= 0 && x >= 0 && joined(d->c, before, p))
            canvas_line(&d->canvas, x0, y_of(d, before->v), x, y, series);
        else
            canvas_dot(&d->canvas, x, y, series);
    }
}

/* --- lines of text --- */

static void put_label(struct drawing *d, const char *label)
{
    buf_addf(d->out, "%*s%s", d->margin - columns_of(label), "", label);
}

static const struct axis_tick *tick_of_row(const struct drawing *d, int row)
{
    int rows = d->canvas.rows;
    for (size_t i = 0; i < d->values.count; i++) {
        const struct axis_tick *t = &d->values.ticks[i];
        if (rows - 1 - scale((long double)t->at, d->values.low, d->values.high, rows) == row)
            return t;
    }
    return NULL;
}

static void put_rows(struct drawing *d)
{
    bool utf8 = d->c->utf8;
    for (int row = 0; row < d->canvas.rows; row++) {
        const struct axis_tick *t = tick_of_row(d, row);
        put_label(d, t ? t->label : "");
        buf_addstr(d->out, t ? (utf8 ? " \xe2\x94\xa4" : " +") : (utf8 ? " \xe2\x94\x82" : " |"));
        canvas_put_row(&d->canvas, row, d->c->colour, d->out);
        buf_addch(d->out, '\n');
    }
}

/* The column of a time tick. */
static int column_of(const struct drawing *d, const struct axis_tick *t)
{
    return x_of(d, (int64_t)t->at) * d->canvas.columns / canvas_width(&d->canvas);
}

static void put_time_line(struct drawing *d)
{
    bool utf8 = d->c->utf8;
    buf_addf(d->out, "%*s%s", d->margin + 1, "", utf8 ? "\xe2\x94\x94" : "+");
    size_t next = 0;
    for (int column = 0; column < d->canvas.columns; column++) {
        bool tick = false;
        while (next < d->time.count && column_of(d, &d->time.ticks[next]) <= column) {
            tick |= column_of(d, &d->time.ticks[next]) == column;
            next++;
        }
        buf_addstr(d->out, tick ? (utf8 ? "\xe2\x94\xac" : "+") : (utf8 ? "\xe2\x94\x80" : "-"));
    }
    buf_addch(d->out, '\n');
}

/* Each below its tick, moved inwards at the ends; left out where there is no room. */
static void put_time_labels(struct drawing *d)
{
    int end = 0; /* of what stands there, in columns of the plot */
    put_label(d, d->zone);
    buf_addstr(d->out, "  ");
    for (size_t i = 0; i < d->time.count; i++) {
        const struct axis_tick *t = &d->time.ticks[i];
        int width = (int)strlen(t->label), column = column_of(d, t) - width / 2;
        column = MIN(column, d->canvas.columns - width);
        if (i == 0) column = MAX(column, 0);
        if (column < end + (end > 0) || column + width > d->canvas.columns) continue;
        buf_addf(d->out, "%*s%s", column - end, "", t->label);
        end = column + width;
    }
    buf_addch(d->out, '\n');
}

/* --- the legend --- */

/* name, shortened to fit, and the last value. Returns the columns taken. */
static int put_entry(struct drawing *d, size_t series, int room, struct buf *out)
{
    const struct chart_series *s = &d->c->series[series];
    struct buf value = BUF_INIT(128);
    double last = s->count ? s->points[s->count - 1].v : (double)NAN;
    chart_value(d->c->unit, d->c->per_second, d->c->utf8, last, &value);
    const char *shown = value.p ? value.p : "";
    int name_room = MAX(room - columns_of(shown) - 3, 4), width = 0;
    canvas_put_mark(series, d->canvas.braille, d->c->colour, d->c->utf8, out);
    buf_addch(out, ' ');
    bool cut = columns_of(s->name) > name_room;
    const char *p = s->name;
    for (; *p; p++) {
        bool starts = ((unsigned char)*p & 0xc0) != 0x80;
        if (starts && cut && width == name_room - 1) break;
        width += starts;
        buf_addch(out, *p);
    }
    if (cut) buf_addstr(out, d->c->utf8 ? "\xe2\x80\xa6" : "~");
    buf_addf(out, " %s", shown);
    width += 2 + cut + 1 + columns_of(shown);
    buf_release(&value);
    return width;
}

struct flow {
    int line, at; /* lines begun, columns taken of the last */
};

/* Entries fill lines as words do; false when there is no line left. */
static bool put_flowing(struct drawing *d, struct flow *f, const struct buf *entry, int width)
{
    bool wraps = f->at > 0 && f->at + 2 + width > d->columns;
    if (wraps && f->line == d->legend_lines) return false;
    if (wraps) {
        buf_addch(d->out, '\n');
        *f = (struct flow){.line = f->line + 1};
    }
    buf_addf(d->out, "%s%s", f->at ? "  " : "", entry->p ? entry->p : "");
    f->at += width + (f->at ? 2 : 0);
    return true;
}

/* What does not fit in the lines there are is counted. */
static void put_legend(struct drawing *d)
{
    struct flow f = {.line = 1};
    bool room = true;
    size_t shown = 0;
    while (shown < d->c->count && room) {
        struct buf entry = BUF_INIT(1 << 16);
        int width = put_entry(d, shown, d->columns, &entry);
        room = put_flowing(d, &f, &entry, width);
        shown += room;
        buf_release(&entry);
    }
    if (d->c->count) buf_addch(d->out, '\n');
    if (!room) buf_addf(d->out, "and %zu more\n", d->c->count - shown);
}

int chart_draw(const struct chart *c, struct buf *out)
{
    struct drawing d = {.c = c, .out = out};
    int rc = lay_out(&d);
    for (size_t i = 0; rc == 0 && i < c->count; i++)
        plot(&d, i);
    if (rc == 0) {
        put_rows(&d);
        put_time_line(&d);
        put_time_labels(&d);
        put_legend(&d);
        rc = out->err;
    }
    canvas_release(&d.canvas);
    return rc;
}
