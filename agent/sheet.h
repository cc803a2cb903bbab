/* sheet.h -- rows of text out as CSV, tab-separated, or in aligned columns.
 *
 * Rows are written as they come; aligned ones in batches, the width of a column being that of its
 * widest cell so far, so that an answer of any size needs little memory. Aligned and
 * tab-separated cells have control characters as \xNN; CSV is RFC 4180's, quoted where needed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_SHEET_H
#define TOCSIN_AGENT_SHEET_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/str.h"

enum sheet_format {
    SHEET_TABS, /* no heading */
    SHEET_CSV,
    SHEET_ALIGNED,
};

struct sheet_column {
    const char *name; /* of the heading; NULL ends a list */
    bool right;       /* aligned to the right */
};

enum { SHEET_COLUMNS_MAX = 8 };

/* Takes what is written: 0, or < 0, which ends everything. */
typedef int sheet_write_fn(void *arg, struct str text);

struct sheet {
    enum sheet_format format;
    const struct sheet_column *columns;
    size_t count;                    /* of columns */
    size_t width[SHEET_COLUMNS_MAX]; /* in characters */
    size_t cell;                     /* the one that comes next */
    size_t rows;                     /* held back, when aligned */
    struct buf held;                 /* cells, each ended by NUL */
    struct buf out;
    sheet_write_fn *write;
    void *arg;
    bool headed; /* the heading is written */
    int err;
};

void sheet_init(struct sheet *s, enum sheet_format format, const struct sheet_column *columns,
                sheet_write_fn *write, void *arg);
/* Cells one after the other; a row is complete with its last. 0, or what went wrong first. */
int sheet_cell(struct sheet *s, struct str text);
int sheet_cstr(struct sheet *s, const char *text);
/* Writes what is held back, and the heading if no row came; the state as above. */
int sheet_finish(struct sheet *s) MUST_CHECK;
void sheet_release(struct sheet *s);

/* Characters of UTF-8 text; one column each. */
size_t text_width(struct str text);
/* Somebody's text on somebody's terminal: control characters and what is no UTF-8 as \xNN. */
void put_clean(struct buf *out, struct str text);

#endif
