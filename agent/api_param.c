/* api_param.c -- the parameters of the HTTP API: times, durations, limits, read as Prometheus reads
 * them, down to the texts of its complaints.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent/api.h"

enum { NUMBER_MAX = 64, SHOWN_MAX = 200 };

/* --- readers --- */

/* Go's ParseFloat takes "1_000" and "0x_1p4": an underscore stands between two digits, or between
 * the base prefix and one. Copies s without them; {NULL, 0} when one stands elsewhere. */
static struct str without_underscores(struct str s, char out[NUMBER_MAX])
{
    size_t n = 0, sign = s.len && (s.p[0] == '-' || s.p[0] == '+');
    bool hex = s.len > sign + 1 && s.p[sign] == '0' && (s.p[sign + 1] | 32) == 'x';
    bool after_digit = false, after_underscore = false;
    if (!memchr(s.p, '_', s.len)) return s;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool digit = (c >= '0' && c <= '9') ||
                     (hex && (i == sign + 1 || ((c | 32) >= 'a' && (c | 32) <= 'f')));
        if (c == '_' ? !after_digit : after_underscore && !digit) return (struct str){NULL, 0};
        after_digit = digit;
        after_underscore = c == '_';
        if (c != '_') out[n++] = c;
    }
    return after_underscore ? (struct str){NULL, 0} : (struct str){out, n};
}

int api_parse_time(struct str s, int64_t *out_ms)
{
    char plain[NUMBER_MAX];
    if (!s.p || s.len == 0 || s.len > NUMBER_MAX) return E_PARSE;
    s = without_underscores(s, plain);
    return s.p && str_to_time(s, out_ms) == 0 ? 0 : E_PARSE;
}

int64_t api_clamp_time(int64_t t_ms)
{
    return MAX(API_TIME_MIN, MIN(t_ms, API_TIME_MAX));
}

int api_parse_duration(struct str s, int64_t *out_ms)
{
    char plain[NUMBER_MAX];
    double seconds;
    if (!s.p || s.len == 0 || s.len > NUMBER_MAX) return E_PARSE;
    struct str number = without_underscores(s, plain);
    int rc = number.p ? str_to_double(number, &seconds) : E_PARSE;
    if (rc == 0) {
        double ns = seconds * 1e9; /* Go's duration is int64 nanoseconds */
        if (ns < (double)INT64_MIN || ns >= -(double)INT64_MIN) return -ERANGE;
        *out_ms = (isnan(ns) ? INT64_MIN : (int64_t)ns) / 1000000; /* NaN: what Go makes of it */
        return 0;
    }
    return str_to_duration(s, out_ms, NULL) == 0 ? 0 : E_PARSE;
}

/* --- complaints --- */

int api_invalid(struct response *p, const char *name, const char *fmt, ...)
{
    char text[900];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    response_fail(p, "bad_data", "invalid parameter \"%s\": %s", name, text);
    return -1;
}

/* One byte or one sequence of s as Go's %q shows it, at most 4 bytes; returns the bytes read. */
static size_t quote_piece(struct str s, char out[8])
{
    static const struct {
        char c, letter;
    } named[] = {
        {'\a', 'a' },
        {'\b', 'b' },
        {'\f', 'f' },
        {'\n', 'n' },
        {'\r', 'r' },
        {'\t', 't' },
        {'\v', 'v' },
        {'"',  '"' },
        {'\\', '\\'},
    };
    unsigned char c = (unsigned char)s.p[0];
    for (size_t i = 0; i < COUNT(named); i++)
        if (named[i].c == s.p[0]) {
            snprintf(out, 8, "\\%c", named[i].letter);
            return 1;
        }
    for (size_t n = 1; n <= 4 && n <= s.len && c >= 0x20 && c != 0x7f; n++)
        if (str_is_utf8((struct str){s.p, n})) {
            memcpy(out, s.p, n);
            out[n] = '\0';
            return n;
        }
    snprintf(out, 8, "\\x%02x", c);
    return 1;
}

const char *api_quote(struct str s, char out[API_QUOTE_MAX])
{
    size_t n = 0, shown = 0;
    out[n++] = '"';
    while (s.len && shown < SHOWN_MAX) {
        char piece[8];
        size_t used = quote_piece(s, piece);
        size_t len = strlen(piece);
        memcpy(out + n, piece, len);
        n += len;
        shown += used;
        s = (struct str){s.p + used, s.len - used};
    }
    memcpy(out + n, "\"", 2);
    return out;
}

/* --- parameters --- */

int api_time(const struct request *r, struct response *p, const char *name, const int64_t *dflt,
             int64_t *out)
{
    char shown[API_QUOTE_MAX];
    struct str s = request_param(r, name);
    if (s.len == 0 && dflt) {
        *out = api_clamp_time(*dflt);
        return 0;
    }
    if (api_parse_time(s, out) == 0) {
        *out = api_clamp_time(*out);
        return 0;
    }
    api_quote(s, shown);
    if (!dflt) return api_invalid(p, name, "cannot parse %s to a valid timestamp", shown);
    return api_invalid(p, name, "invalid time value for '%s': cannot parse %s to a valid timestamp",
                       name, shown);
}

static const char *overflow_text(int rc)
{
    return rc == -ERANGE ? ". It overflows int64" : "";
}

int api_duration(const struct request *r, struct response *p, const char *name, int64_t *out)
{
    char shown[API_QUOTE_MAX];
    struct str s = request_param(r, name);
    if (s.len == 0) return 0;
    int rc = api_parse_duration(s, out);
    if (rc == 0) return 0;
    return api_invalid(p, name, "cannot parse %s to a valid duration%s", api_quote(s, shown),
                       overflow_text(rc));
}

int api_lookback(const struct request *r, struct response *p, int64_t *out)
{
    char shown[API_QUOTE_MAX];
    struct str s = request_param(r, "lookback_delta");
    if (s.len == 0) return 0;
    int rc = api_parse_duration(s, out);
    if (rc == 0) return 0;
    response_fail(p, "bad_data",
                  "error parsing lookback delta duration: cannot parse %s to a valid duration%s",
                  api_quote(s, shown), overflow_text(rc));
    return -1;
}

int api_bool(const struct request *r, struct response *p, const char *name, bool *out)
{
    static const char *const words[2][3] = {
        {"false", "0", "f"},
        {"true",  "1", "t"}
    };
    struct str s = request_param(r, name);
    if (!s.len) return 0;
    for (size_t i = 0; i < COUNT(words); i++)
        for (size_t k = 0; k < COUNT(words[i]); k++)
            if (str_eq_nocase(s, str_of(words[i][k]))) {
                *out = i == 1;
                return 0;
            }
    return api_invalid(p, name,
                       "error converting %s: strconv.ParseBool: parsing \"%.*s\": invalid syntax",
                       name, (int)MIN(s.len, 100), s.p);
}

int api_limit(const struct request *r, struct response *p, const char *name, size_t *out)
{
    char shown[API_QUOTE_MAX];
    struct str s = request_param(r, name);
    int64_t v = 0;
    int rc = s.len ? str_to_i64(s, &v) : 0;
    if (rc < 0)
        return api_invalid(p, name, "strconv.Atoi: parsing %s: %s", api_quote(s, shown),
                           rc == -ERANGE ? "value out of range" : "invalid syntax");
    if (v < 0) return api_invalid(p, name, "limit must be non-negative");
    *out = (size_t)v;
    return 0;
}
