/* scan.h -- walking the kernel's text files: lines, words, numbers. No allocation, no copy; every
 * function is safe on any bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_SCAN_H
#define TOCSIN_COLLECTOR_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

/* The next line of *text without its newline; false at the end. */
static inline bool scan_line(struct str *text, struct str *line)
{
    if (text->len == 0) return false;
    const char *end = memchr(text->p, '\n', text->len);
    size_t len = end ? (size_t)(end - text->p) : text->len;
    *line = (struct str){text->p, len};
    size_t used = end ? len + 1 : len;
    text->p += used;
    text->len -= used;
    return true;
}

static inline bool scan_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline void scan_blanks(struct str *s)
{
    while (s->len && scan_is_blank(*s->p)) {
        s->p++;
        s->len--;
    }
}

/* The next word, blanks before it skipped; false when only blanks are left. */
static inline bool scan_word(struct str *s, struct str *word)
{
    scan_blanks(s);
    size_t n = 0;
    while (n < s->len && !scan_is_blank(s->p[n]))
        n++;
    *word = (struct str){s->p, n};
    s->p += n;
    s->len -= n;
    return n > 0;
}

/* The next word as an unsigned decimal number; false (and nothing read) when it is none. */
static inline bool scan_u64(struct str *s, uint64_t *out)
{
    scan_blanks(s);
    uint64_t v = 0;
    size_t n = 0;
    for (; n < s->len; n++) {
        unsigned digit = (unsigned char)s->p[n] - (unsigned)'0';
        if (digit > 9) break;
        if (__builtin_mul_overflow(v, UINT64_C(10), &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    if (n == 0 || (n < s->len && !scan_is_blank(s->p[n]))) return false;
    s->p += n;
    s->len -= n;
    *out = v;
    return true;
}

/* The same with an optional minus sign. */
static inline bool scan_i64_double(struct str *s, double *out)
{
    scan_blanks(s);
    struct str rest = *s;
    bool minus = rest.len && *rest.p == '-';
    if (minus) {
        rest.p++;
        rest.len--;
        if (rest.len && scan_is_blank(*rest.p)) return false;
    }
    uint64_t v;
    if (!scan_u64(&rest, &v)) return false;
    *s = rest;
    *out = minus ? -(double)v : (double)v;
    return true;
}

/* A hexadecimal word without prefix. */
static inline bool scan_hex(struct str *s, uint64_t *out)
{
    scan_blanks(s);
    uint64_t v = 0;
    size_t n = 0;
    for (; n < s->len && n <= 16; n++) {
        char c = s->p[n];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16;
        if (digit > 15) break;
        v = v << 4 | digit;
    }
    if (n == 0 || n > 16 || (n < s->len && !scan_is_blank(s->p[n]))) return false;
    s->p += n;
    s->len -= n;
    *out = v;
    return true;
}

/* A NUL-terminated copy for a label value, cut to the room there is. */
static inline const char *scan_copy(char *to, size_t room, struct str s)
{
    size_t n = s.len < room ? s.len : room - 1;
    memcpy(to, s.p, n);
    to[n] = '\0';
    return to;
}

#endif
