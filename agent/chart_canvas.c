/* chart_canvas.c -- cells of braille dots or letters, each with the series drawn last.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "agent/chart_int.h"
#include "core/mem.h"

enum { DOTS_X = 2, DOTS_Y = 4 };

/* The terminal's own colours, so that its theme keeps them readable; no black, white or grey. */
static const char *const colours[] = {"36", "33", "35", "32", "94", "31",
                                      "96", "93", "95", "92", "34", "91"};
static const char glyphs[] = "*+ox#@%&abcdefghijklmnpqrstuvwyz";

int canvas_init(struct canvas *v, int columns, int rows, bool braille)
{
    *v = (struct canvas){.columns = columns, .rows = rows, .braille = braille};
    v->cells = mem_array((size_t)columns * (size_t)rows, sizeof *v->cells);
    return v->cells ? 0 : -ENOMEM;
}

void canvas_release(struct canvas *v)
{
    mem_free(v->cells);
    v->cells = NULL;
}

int canvas_width(const struct canvas *v)
{
    return v->columns * (v->braille ? DOTS_X : 1);
}

int canvas_height(const struct canvas *v)
{
    return v->rows * (v->braille ? DOTS_Y : 1);
}

/* Unicode numbers the dots of a cell by columns, the two lowest last. */
static uint8_t dot_bit(int x, int y_from_top)
{
    static const uint8_t bits[DOTS_Y][DOTS_X] = {
        {0x01, 0x08},
        {0x02, 0x10},
        {0x04, 0x20},
        {0x40, 0x80}
    };
    return bits[y_from_top][x];
}

void canvas_dot(struct canvas *v, int x, int y, size_t series)
{
    int dots_x = v->braille ? DOTS_X : 1, dots_y = v->braille ? DOTS_Y : 1;
    if (x < 0 || y < 0 || x >= canvas_width(v) || y >= canvas_height(v)) return;
    int down = canvas_height(v) - 1 - y;
    struct canvas_cell *cell = &v->cells[down / dots_y * v->columns + x / dots_x];
    if (v->braille) cell->dots |= dot_bit(x % DOTS_X, down % DOTS_Y);
    cell->series = (uint16_t)(series + 1);
}

/* Bresenham's. */
void canvas_line(struct canvas *v, int x0, int y0, int x1, int y1, size_t series)
{
    int dx = abs(x1 - x0), dy = -abs(y1 - y0);
    int step_x = x0 < x1 ? 1 : -1, step_y = y0 < y1 ? 1 : -1;
    int error = dx + dy;
    for (;;) {
        canvas_dot(v, x0, y0, series);
        if (x0 == x1 && y0 == y1) return;
        int twice = 2 * error;
        if (twice >= dy) {
            error += dy;
            x0 += step_x;
        }
        if (twice <= dx) {
            error += dx;
            y0 += step_y;
        }
    }
}

static void put_colour(const struct canvas_cell *cell, struct buf *out)
{
    if (cell->series)
        buf_addf(out, "\033[%sm", colours[(cell->series - 1U) % COUNT(colours)]);
    else
        buf_addstr(out, "\033[0m");
}

static void put_cell(const struct canvas *v, const struct canvas_cell *cell, struct buf *out)
{
    if (!cell->series)
        buf_addch(out, ' ');
    else if (!v->braille)
        buf_addch(out, glyphs[(cell->series - 1U) % (sizeof glyphs - 1)]);
    else /* U+2800 + dots */
        buf_addf(out, "\xe2%c%c", (char)(0xa0 | cell->dots >> 6),
                 (char)(0x80 | (cell->dots & 0x3f)));
}

void canvas_put_row(const struct canvas *v, int row, bool colour, struct buf *out)
{
    const struct canvas_cell *cells = &v->cells[row * v->columns];
    int end = v->columns; /* no blanks at the end of a line */
    uint16_t series = 0;
    while (end > 0 && !cells[end - 1].series)
        end--;
    for (int i = 0; i < end; i++) {
        if (colour && cells[i].series != series) put_colour(&cells[i], out);
        series = cells[i].series;
        put_cell(v, &cells[i], out);
    }
    if (colour && series) buf_addstr(out, "\033[0m");
}

void canvas_put_mark(size_t series, bool braille, bool colour, bool utf8, struct buf *out)
{
    if (colour) buf_addf(out, "\033[%sm", colours[series % COUNT(colours)]);
    if (braille)
        buf_addstr(out, utf8 ? "\xe2\x94\x81" : "-");
    else
        buf_addch(out, glyphs[series % (sizeof glyphs - 1)]);
    if (colour) buf_addstr(out, "\033[0m");
}
