/* sheet.c -- rows of text out as CSV, tab-separated, or in aligned columns.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/sheet.h"

#include <assert.h>

enum { BATCH_ROWS = 1000, CELLS_MAX = 64 << 20, OUT_MAX = 64 << 20, WRITE_AT = 1 << 16 };

/* --- text --- */

/* Bytes of a printable character at the start of s; 0: none. C1 controls are two bytes of UTF-8. */
static size_t printable(struct str s)
{
    unsigned char b = (unsigned char)s.p[0];
    if (b < 0x80) return b >= ' ' && b != 0x7f;
    size_t len = b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    if (len > s.len || !str_is_utf8((struct str){s.p, len})) return 0;
    return b == 0xc2 && (unsigned char)s.p[1] < 0xa0 ? 0 : len;
}

void put_clean(struct buf *out, struct str text)
{
    while (text.len) {
        size_t len = printable(text);
        if (len)
            buf_add(out, text.p, len);
        else
            buf_addf(out, "\\x%02x", (unsigned)(unsigned char)text.p[0]);
        text.p += len ? len : 1;
        text.len -= len ? len : 1;
    }
}

size_t text_width(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.p[i] & 0xc0) != 0x80;
    return n;
}

static void put_csv(struct buf *out, struct str text)
{
    bool quote = false;
    for (size_t i = 0; i < text.len; i++)
        quote |= memchr(",\"\r\n", text.p[i], 4) != NULL;
    if (!quote) {
        buf_add(out, text.p, text.len);
        return;
    }
    buf_addch(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"') buf_addch(out, '"');
        buf_addch(out, text.p[i]);
    }
    buf_addch(out, '"');
}

/* --- writing --- */

void sheet_init(struct sheet *s, enum sheet_format format, const struct sheet_column *columns,
                sheet_write_fn *write, void *arg)
{
    *s = (struct sheet){.format = format, .columns = columns, .write = write, .arg = arg};
    while (columns[s->count].name)
        s->count++;
    assert(s->count > 0 && s->count <= SHEET_COLUMNS_MAX);
    buf_init(&s->held, CELLS_MAX);
    buf_init(&s->out, OUT_MAX);
}

void sheet_release(struct sheet *s)
{
    buf_release(&s->held);
    buf_release(&s->out);
}

static void flush(struct sheet *s, size_t least)
{
    if (!s->err) s->err = s->out.err;
    if (!s->err && s->out.len > least)
        s->err = s->write(s->arg, (struct str){s->out.p, s->out.len});
    if (s->err || s->out.len > least) buf_reset(&s->out);
}

static void put_cell(struct sheet *s, size_t column, struct str text)
{
    bool last = column + 1 == s->count;
    if (s->format == SHEET_CSV) {
        put_csv(&s->out, text);
        buf_addch(&s->out, last ? '\n' : ',');
    } else if (s->format == SHEET_TABS) {
        put_clean(&s->out, text);
        buf_addch(&s->out, last ? '\n' : '\t');
    } else {
        size_t width = text_width(text);
        int pad = (int)(s->width[column] > width ? s->width[column] - width : 0);
        bool right = s->columns[column].right;
        buf_addf(&s->out, "%*s", right ? pad : 0, "");
        buf_add(&s->out, text.p, text.len);
        buf_addf(&s->out, "%*s%s", right || last ? 0 : pad, "", last ? "\n" : "  ");
    }
}

static void put_heading(struct sheet *s)
{
    if (!s->headed && s->format != SHEET_TABS)
        for (size_t i = 0; i < s->count; i++)
            put_cell(s, i, str_of(s->columns[i].name));
    s->headed = true;
}

/* The rows held back, now that their widths are known. */
static void put_batch(struct sheet *s)
{
    const char *p = s->held.p;
    if (!s->headed)
        for (size_t i = 0; i < s->count; i++)
            s->width[i] = MAX(s->width[i], strlen(s->columns[i].name));
    put_heading(s);
    for (size_t row = 0; row < s->rows; row++)
        for (size_t i = 0; i < s->count; i++) {
            struct str text = str_of(p);
            put_cell(s, i, text);
            p += text.len + 1;
        }
    s->rows = 0;
    buf_reset(&s->held);
    flush(s, 0);
}

static void hold_cell(struct sheet *s, struct str text)
{
    size_t start = s->held.len;
    put_clean(&s->held, text);
    struct str clean = {s->held.p ? s->held.p + start : "", s->held.len - start};
    s->width[s->cell] = MAX(s->width[s->cell], text_width(clean));
    buf_addch(&s->held, '\0');
    if (!s->err) s->err = s->held.err;
}

int sheet_cell(struct sheet *s, struct str text)
{
    if (s->err) return s->err;
    if (s->format == SHEET_ALIGNED) {
        hold_cell(s, text);
    } else {
        put_heading(s);
        put_cell(s, s->cell, text);
    }
    if (++s->cell < s->count) return s->err;
    s->cell = 0;
    s->rows++;
    if (s->format != SHEET_ALIGNED)
        flush(s, WRITE_AT);
    else if (s->rows == BATCH_ROWS && !s->err)
        put_batch(s);
    return s->err;
}

int sheet_cstr(struct sheet *s, const char *text)
{
    return sheet_cell(s, str_of(text));
}

int sheet_finish(struct sheet *s)
{
    assert(s->cell == 0 || s->err);
    if (s->err) return s->err;
    if (s->format == SHEET_ALIGNED && (s->rows || !s->headed))
        put_batch(s);
    else
        put_heading(s);
    flush(s, 0);
    return s->err;
}
