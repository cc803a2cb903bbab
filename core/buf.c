/* buf.c -- a growing byte buffer with a ceiling.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/str.h"

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = BUF_INIT(max_bytes);
}

void buf_release(struct buf *b)
{
    mem_free(b->p);
    *b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->err = 0;
    if (b->p) b->p[0] = '\0';
}

char *buf_take(struct buf *b)
{
    char *p = b->p;
    *b = BUF_INIT(b->max);
    return p;
}

int buf_reserve(struct buf *b, size_t extra)
{
    if (b->err) return b->err;
    if (extra > b->max || b->len > b->max - extra) return b->err = E_TOO_BIG;
    size_t want = b->len + extra + 1;
    if (want <= b->cap) return 0;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < want)
        cap *= 2;
    if (cap > b->max + 1) cap = b->max + 1;
    char *p = mem_resize(b->p, cap, 1);
    if (!p) return b->err = -ENOMEM;
    b->p = p;
    b->cap = cap;
    return 0;
}

int buf_add(struct buf *b, const void *p, size_t len)
{
    int rc = buf_reserve(b, len);
    if (rc) return rc;
    if (len) memcpy(b->p + b->len, p, len);
    b->len += len;
    b->p[b->len] = '\0';
    return 0;
}

int buf_addstr(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_addch(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

int buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int need = vsnprintf(NULL, 0, fmt, ap);
    int rc = need < 0 ? E_INVALID : buf_reserve(b, (size_t)need);
    if (!rc) {
        vsnprintf(b->p + b->len, (size_t)need + 1, fmt, again);
        b->len += (size_t)need;
    }
    va_end(again);
    return rc;
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = buf_vaddf(b, fmt, ap);
    va_end(ap);
    return rc;
}

int buf_adduint(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + v % 10);
    while (v /= 10);
    return buf_add(b, digits + n, sizeof digits - n);
}

int buf_addint(struct buf *b, int64_t v)
{
    if (v >= 0) return buf_adduint(b, (uint64_t)v);
    int rc = buf_addch(b, '-');
    return rc ? rc : buf_adduint(b, (uint64_t)0 - (uint64_t)v);
}

int buf_adddouble(struct buf *b, double v)
{
    char text[STR_DOUBLE_MAX];
    return buf_add(b, text, str_from_double(v, text));
}

void buf_consume(struct buf *b, size_t len)
{
    assert(len <= b->len);
    if (!len) return;
    memmove(b->p, b->p + len, b->len - len + 1);
    b->len -= len;
}

void buf_truncate(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len = len;
    if (b->p) b->p[len] = '\0';
}
