/* buf.h -- a growing byte buffer that is born with its ceiling.
 *
 * The first failed append (out of memory, or past max) sets err; later appends do nothing, so a
 * writer may append freely and look at err once at the end. p is NUL-terminated after every
 * append that succeeds (the NUL is not counted in len); before the first append p may be NULL.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_BUF_H
#define TOCSIN_CORE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct buf {
    char *p;
    size_t len, cap, max;
    int err; /* 0, -ENOMEM or E_TOO_BIG */
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_init(struct buf *b, size_t max_bytes);
void buf_release(struct buf *b);
void buf_reset(struct buf *b); /* empty, keeps memory, clears err */
char *buf_take(struct buf *b); /* caller mem_free()s; b is as after init */
int buf_reserve(struct buf *b, size_t extra) MUST_CHECK; /* room for extra more bytes */
int buf_add(struct buf *b, const void *p, size_t len);
int buf_addstr(struct buf *b, const char *s);
int buf_addch(struct buf *b, char c);
int buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int buf_vaddf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
int buf_addint(struct buf *b, int64_t v);
int buf_adduint(struct buf *b, uint64_t v);
int buf_adddouble(struct buf *b, double v);  /* shortest that reads back; as str_from_double */
void buf_consume(struct buf *b, size_t len); /* drops the first len bytes */
void buf_truncate(struct buf *b, size_t len);

#endif
