/* str.h -- slices of text, and numbers in and out of it, blind to the locale.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_STR_H
#define TOCSIN_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/err.h"

/* A borrowed slice; not necessarily NUL-terminated. */
struct str {
    const char *p;
    size_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})

static inline struct str str_of(const char *s)
{
    return (struct str){s, s ? strlen(s) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

int str_cmp(struct str a, struct str b); /* byte order, as memcmp then length */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_eq_nocase(struct str a, struct str b); /* ASCII */
struct str str_trim(struct str s);              /* ASCII blanks off both ends */
/* The part before the first sep, moving *rest past it; when rest is used up, rest->p is NULL. */
struct str str_split(struct str *rest, char sep);
bool str_is_utf8(struct str s); /* RFC 3629: no surrogates, no overlongs */

/* Edit distance (Damerau), and the nearest of count names, or NULL when none is near enough to be
 * worth a "did you mean". */
size_t str_distance(struct str a, struct str b);
const char *str_nearest(struct str word, const char *const *names, size_t count);

/* Whole-slice readers: 0, or E_PARSE (not a number, or bytes left over), or -ERANGE. */
int str_to_i64(struct str s, int64_t *out) MUST_CHECK;
int str_to_u64(struct str s, uint64_t *out) MUST_CHECK;
/* Decimal floats, hexadecimal floats, and Inf/NaN in any case with optional sign (what Go's
 * strconv.ParseFloat takes, without underscores). Overflow gives ±Inf with -ERANGE. Correctly
 * rounded. */
int str_to_double(struct str s, double *out) MUST_CHECK;
/* Reads the longest decimal number at the start of s and returns the bytes used (0: none).
 * Digits, '.', exponent; no sign handling beyond one leading '-' or '+'; no Inf/NaN. */
size_t str_scan_double(struct str s, double *out);

enum { STR_DOUBLE_MAX = 400 }; /* room for the longest output of any printer below, with NUL */
/* The shortest decimal that reads back to the same bits, as the HTTP API prints samples: plain
 * notation, exponent form ("1e-07", "1e+21") below 1e-6 or from 1e21 on; "NaN", "+Inf", "-Inf".
 * (Go strconv.FormatFloat(v, 'f', -1, 64) with Prometheus' jsonutil switch to 'e'.)
 * Returns the length; out is NUL-terminated. */
size_t str_from_double(double v, char out[STR_DOUBLE_MAX]);
/* Go strconv 'g' with -1 precision, which is also fmt's %v: shortest digits, exponent form when
 * exp < -4 || exp >= 6 ("1e+06", "1.418183276e+09"). Client libraries write expositions so. */
size_t str_from_double_g(double v, char out[STR_DOUBLE_MAX]);
/* Go strconv 'f' with -1 precision: never an exponent. */
size_t str_from_double_f(double v, char out[STR_DOUBLE_MAX]);

/* Prometheus durations: "1h30m", "250ms", "0"; units ms s m h d w y, each at most once, largest
 * first. Milliseconds out. E_PARSE (hint-worthy text in err), -ERANGE. A leading '-' is refused. */
int str_to_duration(struct str s, int64_t *out_ms, struct errmsg *err) MUST_CHECK;
/* As Prometheus prints them: "1h30m", "0s". Returns the length. */
size_t str_from_duration(int64_t ms, char out[64]);
/* "10GiB", "512MiB", "64KB", "100": bytes. */
int str_to_size(struct str s, int64_t *out, struct errmsg *err) MUST_CHECK;
/* The HTTP API's times: float seconds, rounded to the millisecond; RFC 3339 with optional fraction,
 * as Go's time.Parse takes it ('T' and 'Z' in upper case, no leap second); and the two texts that
 * stand for the ends of time in Prometheus' clients. */
int str_to_time(struct str s, int64_t *out_ms) MUST_CHECK;
/* "2026-01-02T03:04:05.678Z", fraction with trailing zeros dropped. Returns the length. */
size_t str_from_time(int64_t ms, char out[40]);

#endif
