/* diag.h -- many problems in files, told the way a compiler does.
 *
 *     error: unknown key "scrape_intervall"
 *       --> tocsin.yaml:14:5
 *     14 |     scrape_intervall: 15s
 *        |     ^^^^^^^^^^^^^^^^ did you mean "scrape_interval"?
 *
 * A reader of configuration collects all of them instead of stopping at the first.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_DIAG_H
#define TOCSIN_CORE_DIAG_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING };

struct diag {
    enum diag_level level;
    const char *file;        /* shown path, or "" */
    struct str source;       /* the text the position is about, for the excerpt; may be empty */
    int line, column, width; /* from 1; width of the ^^^^ in bytes, 0 = one */
    const char *text, *hint; /* hint may be "" */
    struct diag *next;
};

struct diags {
    struct arena arena; /* owns every diag and its texts */
    struct diag *first, **last;
    size_t errors, warnings;
};

void diags_init(struct diags *d);
void diags_release(struct diags *d);
/* Adds one, copying everything; at most 1,000 are kept, all are counted. hint may be NULL. */
void diags_add(struct diags *d, enum diag_level level, const char *file, struct str source,
               int line, int column, int width, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(9, 10);
/* All of them as above, followed by "N errors in M files"; nothing when there are none. */
void diags_print(const struct diags *d, struct buf *out);
/* The same as a JSON array of {level,file,line,column,message,hint}. */
void diags_print_json(const struct diags *d, struct buf *out);

#endif
