/* log.c -- one line an event, to stderr.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/str.h"

enum { LINE_BYTES = 2048 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static atomic_int log_level = LOG_LEVEL_INFO;
static atomic_bool log_json;

void log_set_level(enum log_level level)
{
    log_level = (int)level;
}

void log_set_json(bool json)
{
    log_json = json;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

/* Appends text with control characters as \xNN; quotes too when the line is JSON. */
static size_t add_escaped(char *out, size_t len, const char *text, bool json)
{
    static const char hex[] = "0123456789abcdef";
    for (const unsigned char *c = (const unsigned char *)text; *c && len < LINE_BYTES - 16; c++) {
        if (*c < 0x20 || *c == 0x7f) {
            len += (size_t)snprintf(out + len, 8, "\\%s%c%c", json ? "u00" : "x", hex[*c >> 4],
                                    hex[*c & 15]);
        } else {
            if (json && (*c == '"' || *c == '\\')) out[len++] = '\\';
            out[len++] = (char)*c;
        }
    }
    return len;
}

static size_t add_stamp(char *out, enum log_level level, bool json)
{
    struct timespec ts;
    char stamp[40];
    clock_gettime(CLOCK_REALTIME, &ts);
    str_from_time((int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000, stamp);
    const char *name = level_names[level];
    if (json)
        return (size_t)snprintf(out, 128, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":\"", stamp,
                                name);
    return (size_t)snprintf(out, 128, "ts=%s level=%s msg=\"", stamp, name);
}

static void log_vline(enum log_level level, const char *msg, const char *fmt, va_list ap)
    PRINTF_LIKE(3, 0);

static void log_vline(enum log_level level, const char *msg, const char *fmt, va_list ap)
{
    char detail[LINE_BYTES], line[LINE_BYTES];
    bool json = log_json;
    vsnprintf(detail, sizeof detail, fmt, ap);
    size_t len = add_stamp(line, level, json);
    len = add_escaped(line, len, msg, json);
    line[len++] = '"';
    if (detail[0]) {
        len += (size_t)snprintf(line + len, 16, "%s", json ? ",\"detail\":\"" : " ");
        len = add_escaped(line, len, detail, json);
        if (json) line[len++] = '"';
    }
    if (json) line[len++] = '}';
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    UNUSED(written); /* nowhere to tell of it */
}

void log_line(enum log_level level, const char *msg, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    log_vline(level, msg, fmt, ap);
    va_end(ap);
}

#define REPEAT_NS (INT64_C(600) * 1000000000)

void complain(struct complaint *c, int64_t mono_ns, const char *msg, const char *fmt, ...)
{
    if (c->active && mono_ns - c->told_mono_ns < REPEAT_NS) {
        c->held_back++;
        return;
    }
    if (!c->active) c->since_mono_ns = mono_ns;
    char detail[LINE_BYTES / 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    if (c->held_back)
        log_warn(msg, "%s repeated=%llu", detail, (unsigned long long)c->held_back);
    else
        log_warn(msg, "%s", detail);
    c->active = true;
    c->told_mono_ns = mono_ns;
    c->held_back = 0;
}

void complain_over(struct complaint *c, int64_t mono_ns, const char *msg)
{
    if (!c->active) return;
    log_info(msg, "after_seconds=%lld held_back=%llu",
             (long long)((mono_ns - c->since_mono_ns) / 1000000000),
             (unsigned long long)c->held_back);
    *c = (struct complaint){0};
}
