/* err.c -- names of error codes, and filling messages.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_text(int rc)
{
    static const char *const names[] = {
        "corrupt data",  "syntax error",   "invalid",      "too big",          "limit exceeded",
        "not found",     "already in use", "timed out",    "canceled",         "unavailable",
        "not supported", "stale handle",   "out of order", "execution failed",
    };
    if (rc >= 0) return "success";
    if (rc <= E_CORRUPT && E_CORRUPT - rc < (int)COUNT(names)) return names[E_CORRUPT - rc];
    const char *text = strerrordesc_np(-rc);
    return text ? text : "unknown error";
}

static void set_text(struct errmsg *e, int line, int column, const char *fmt, va_list ap)
    PRINTF_LIKE(4, 0);

static void set_text(struct errmsg *e, int line, int column, const char *fmt, va_list ap)
{
    e->line = line;
    e->column = column;
    e->offset = 0;
    e->hint[0] = '\0';
    vsnprintf(e->text, sizeof e->text, fmt, ap);
}

int errmsg_set(struct errmsg *e, int rc, const char *fmt, ...)
{
    if (!e) return rc;
    va_list ap;
    va_start(ap, fmt);
    set_text(e, 0, 0, fmt, ap);
    va_end(ap);
    return rc;
}

int errmsg_at(struct errmsg *e, int rc, int line, int column, const char *fmt, ...)
{
    if (!e) return rc;
    va_list ap;
    va_start(ap, fmt);
    set_text(e, line, column, fmt, ap);
    va_end(ap);
    return rc;
}

void errmsg_hint(struct errmsg *e, const char *fmt, ...)
{
    if (!e) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->hint, sizeof e->hint, fmt, ap);
    va_end(ap);
}
