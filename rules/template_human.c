/* template_human.c -- numbers, durations and times for people: Prometheus' humanize family, and
 * host names without their port or domain.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>

#include "rules/template_human.h"

static bool is_odd(double v)
{
    return isnan(v) || isinf(v);
}

/* Four significant digits, as Go's %.4g. */
static void print4(double v, struct buf *out)
{
    if (is_odd(v))
        buf_addstr(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
    else
        buf_addf(out, "%.4g", v);
}

/* Scales v up or down by base until it is in [1, base) or prefixes run out. */
static const char *scale(double *v, double base, bool up, const char *const *prefixes, size_t count)
{
    const char *prefix = "";
    for (size_t i = 0; i < count && (up ? fabs(*v) < 1 : fabs(*v) >= base); i++) {
        prefix = prefixes[i];
        *v = up ? *v * base : *v / base;
    }
    return prefix;
}

static const char *const small[] = {"m", "u", "n", "p", "f", "a", "z", "y"};

void humanize(double v, struct buf *out)
{
    static const char *const large[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
    const char *prefix = "";
    if (v != 0 && !is_odd(v))
        prefix = fabs(v) >= 1 ? scale(&v, 1000, false, large, COUNT(large))
                              : scale(&v, 1000, true, small, COUNT(small));
    print4(v, out);
    buf_addstr(out, prefix);
}

void humanize1024(double v, struct buf *out)
{
    static const char *const large[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    const char *prefix = "";
    if (fabs(v) > 1 && !is_odd(v)) prefix = scale(&v, 1024, false, large, COUNT(large));
    print4(v, out);
    buf_addstr(out, prefix);
}

void humanize_percentage(double v, struct buf *out)
{
    print4(v * 100, out);
    buf_addch(out, '%');
}

void humanize_duration(double v, struct buf *out)
{
    if (is_odd(v)) {
        print4(v, out);
        return;
    }
    if (fabs(v) < 1) {
        const char *prefix = v == 0 ? "" : scale(&v, 1000, true, small, COUNT(small));
        print4(v, out);
        buf_addstr(out, prefix);
        buf_addch(out, 's');
        return;
    }
    double whole = fabs(v);
    long long s = whole < 9e18 ? (long long)whole : INT64_MAX;
    long long days = s / 86400, hours = s / 3600 % 24, minutes = s / 60 % 60;
    if (v < 0) buf_addch(out, '-');
    if (days) buf_addf(out, "%lldd ", days);
    if (days || hours) buf_addf(out, "%lldh ", hours);
    if (days || hours || minutes)
        buf_addf(out, "%lldm %llds", minutes, s % 60);
    else
        buf_addf(out, "%.4gs", whole);
}

int float_to_time(double v, int64_t *ns, struct errmsg *err)
{
    if (is_odd(v)) return errmsg_set(err, E_INVALID, "value is NaN or Inf");
    double nanos = v * 1e9;
    if (nanos >= 9223372036854775807.0 || nanos < -9223372036854775808.0) {
        char text[STR_DOUBLE_MAX];
        str_from_double_g(v, text);
        return errmsg_set(err, E_INVALID,
                          "%s cannot be represented as a nanoseconds timestamp since it overflows "
                          "int64",
                          text);
    }
    /* milliseconds are what Prometheus keeps of it */
    *ns = (int64_t)nanos / 1000000 * 1000000;
    return 0;
}

/* Go's net.SplitHostPort: false when the text has no port or is ambiguous. */
static bool split_host_port(struct str s, struct str *host, struct str *port)
{
    const char *colon = memrchr(s.p, ':', s.len);
    if (!colon) return false;
    size_t at = (size_t)(colon - s.p);
    *port = (struct str){colon + 1, s.len - at - 1};
    if (s.len > 0 && s.p[0] == '[') {
        const char *close = memchr(s.p, ']', s.len);
        if (!close || close + 1 != colon) return false;
        *host = (struct str){s.p + 1, (size_t)(close - s.p) - 1};
        return !memchr(host->p, '[', host->len);
    }
    *host = (struct str){s.p, at};
    return !memchr(host->p, ':', host->len) && !memchr(s.p, '[', s.len) && !memchr(s.p, ']', s.len);
}

struct str strip_port(struct str s)
{
    struct str host, port;
    return s.len > 0 && split_host_port(s, &host, &port) ? host : s;
}

static bool is_ip(struct str s)
{
    char text[64], bytes[16];
    if (s.len == 0 || s.len >= sizeof text) return false;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

void strip_domain(struct str s, struct buf *out)
{
    struct str host = s, port = {NULL, 0};
    if (s.len == 0) return;
    if (!split_host_port(s, &host, &port)) {
        host = s;
        port.len = 0;
    }
    if (is_ip(host)) {
        buf_add(out, s.p, s.len);
        return;
    }
    const char *dot = memchr(host.p, '.', host.len);
    buf_add(out, host.p, dot ? (size_t)(dot - host.p) : host.len);
    if (port.len > 0) {
        buf_addch(out, ':');
        buf_add(out, port.p, port.len);
    }
}

void url_query_escape(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '_' || c == '.' || c == '~';
        if (plain)
            buf_addch(out, (char)c);
        else if (c == ' ')
            buf_addch(out, '+');
        else
            buf_addf(out, "%%%02X", c);
    }
}

void expression_link(struct str expr, int tab, struct buf *out)
{
    buf_addstr(out, "/graph?g0.expr=");
    url_query_escape(expr, out);
    buf_addf(out, "&g0.tab=%d", tab);
}
