/* compliance.h -- what the corpora of test_compliance.c share: a case's verdict, and reading JSON
 * values the way the corpora write them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_UNIT_COMPLIANCE_H
#define TOCSIN_TESTS_UNIT_COMPLIANCE_H

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "tsdb/labels.h"
#include "tsdb/querier.h"

/* One case: an arena of its own, and why it failed. */
struct trial {
    struct arena arena;
    char why[400];
};

enum { TRIAL_ARENA = 64 << 20 };

/* Verdicts of a case: true when it passed. */
PRINTF_LIKE(2, 3) static inline bool reject(struct trial *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->why, sizeof t->why, fmt, ap);
    va_end(ap);
    return false;
}

/* "valid" says whether rc had to be a success. */
static inline bool expect_valid(struct trial *t, bool valid, int rc, const struct errmsg *err)
{
    if (valid && rc < 0)
        return reject(t, "refused: %s", err && *err->text ? err->text : err_text(rc));
    return valid || rc < 0 ? true : reject(t, "accepted, but is not valid");
}

static inline bool flag_of(const json_t *c, const char *key)
{
    return json_is_true(json_object_get(c, key));
}

static inline unsigned base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (unsigned)(at - digits) : 0;
}

static inline struct str base64_decode(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.len + 3);
    size_t len = 0;
    uint32_t bits = 0;
    for (size_t i = 0; p && i < s.len; i++) {
        bits = bits << 6 | base64_digit(s.p[i]);
        if (i % 4 != 3) continue;
        p[len++] = (char)(bits >> 16);
        p[len++] = (char)(bits >> 8);
        p[len++] = (char)bits;
    }
    while (s.len > 0 && s.p[s.len - 1] == '=') {
        s.len--;
        len--;
    }
    return (struct str){p, len};
}

/* The text under key, or base64-coded under key_base64; {NULL, 0} when neither is there. */
static inline struct str text_of(struct arena *a, const json_t *c, const char *key)
{
    char coded[64];
    const json_t *v = json_object_get(c, key);
    if (json_is_string(v)) return (struct str){json_string_value(v), json_string_length(v)};
    snprintf(coded, sizeof coded, "%s_base64", key);
    v = json_object_get(c, coded);
    if (!json_is_string(v)) return (struct str){NULL, 0};
    return base64_decode(a, (struct str){json_string_value(v), json_string_length(v)});
}

static inline struct str string_of(const json_t *v)
{
    return (struct str){json_string_value(v), json_string_length(v)};
}

/* A number, or "NaN", "+Inf", "-Inf". */
static inline double double_of(const json_t *v)
{
    double d = (double)NAN;
    if (json_is_number(v)) return json_number_value(v);
    if (json_is_string(v) && str_to_double(string_of(v), &d) < 0) d = (double)NAN;
    return d;
}

static inline bool same_double(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b || fabs(a - b) / (fabs(a) + fabs(b)) < 1e-12;
}

/* Whether labels are exactly the members of a JSON object. */
static inline bool same_labels(struct labels ls, const json_t *object)
{
    if (ls.count != json_object_size(object)) return false;
    for (size_t i = 0; i < ls.count; i++) {
        const json_t *v = json_object_getn(object, ls.v[i].name.p, ls.v[i].name.len);
        if (!json_is_string(v) || !str_eq(string_of(v), ls.v[i].value)) return false;
    }
    return true;
}

#endif
