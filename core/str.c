/* str.c -- slices of text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/str.h"

#include <errno.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len);
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (!prefix.len || !memcmp(s.p, prefix.p, prefix.len));
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len &&
           (!suffix.len || !memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len));
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.p[i]) != lower(b.p[i])) return false;
    return true;
}

struct str str_trim(struct str s)
{
    while (s.len && is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

struct str str_split(struct str *rest, char sep)
{
    struct str part = *rest;
    const char *at = rest->len ? memchr(rest->p, sep, rest->len) : NULL;
    if (!at) {
        *rest = (struct str){NULL, 0};
        return part;
    }
    part.len = (size_t)(at - rest->p);
    rest->p += part.len + 1;
    rest->len -= part.len + 1;
    return part;
}

/* Length of the valid UTF-8 sequence at the start of s, 0 if there is none (RFC 3629, table 3-7 of
 * the Unicode standard). */
static size_t utf8_sequence(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4) return 0;
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (s.len < len) return 0;
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    if (p[0] == 0xe0) low = 0xa0;
    if (p[0] == 0xed) high = 0x9f;
    if (p[0] == 0xf0) low = 0x90;
    if (p[0] == 0xf4) high = 0x8f;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return len;
}

bool str_is_utf8(struct str s)
{
    while (s.len) {
        size_t n = utf8_sequence(s);
        if (!n) return false;
        s.p += n;
        s.len -= n;
    }
    return true;
}

enum { DISTANCE_MAX_LEN = 64 };

size_t str_distance(struct str a, struct str b)
{
    unsigned char d[3][DISTANCE_MAX_LEN + 1]; /* rows i-2, i-1 and i, in turn */
    if (a.len > DISTANCE_MAX_LEN || b.len > DISTANCE_MAX_LEN) return MAX(a.len, b.len);
    for (size_t j = 0; j <= b.len; j++)
        d[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned char *row = d[i % 3];
        const unsigned char *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= b.len; j++) {
            int cost = a.p[i - 1] != b.p[j - 1];
            int best = MIN(MIN(up[j] + 1, row[j - 1] + 1), up[j - 1] + cost);
            bool swapped = i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1];
            if (swapped) best = MIN(best, up2[j - 2] + 1);
            row[j] = (unsigned char)best;
        }
    }
    return d[a.len % 3][b.len];
}

const char *str_nearest(struct str word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = word.len / 3 + 2; /* further away is no likely slip */
    for (size_t i = 0; i < count; i++) {
        size_t distance = str_distance(word, str_of(names[i]));
        if (distance < best_distance && distance < strlen(names[i])) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

int str_to_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;
    if (!s.len) return E_PARSE;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(s.p[i] - '0');
        if (digit > 9) return E_PARSE;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)digit, &v))
            return -ERANGE;
    }
    *out = v;
    return 0;
}

int str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.len && s.p[0] == '-';
    if (s.len && (s.p[0] == '-' || s.p[0] == '+')) {
        s.p++;
        s.len--;
    }
    uint64_t u;
    int rc = str_to_u64(s, &u);
    if (rc) return rc;
    if (u > (uint64_t)INT64_MAX + negative) return -ERANGE;
    *out = negative ? (int64_t)(0 - u) : (int64_t)u;
    return 0;
}
