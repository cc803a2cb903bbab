/* log.h -- one line an event, to stderr: logfmt (default) or JSON.
 *
 *     log_warn("scrape failed", "target=%s err=\"%s\" next_ms=%d", url, text, 5000);
 *
 * writes  ts=2026-01-02T03:04:05.678Z level=warn msg="scrape failed" target=... . The arguments are
 * not evaluated when the level is off. Control characters in the formatted text are escaped, so a
 * hostile name cannot forge a line. Thread-safe; one write(2) a line.
 *
 * A failure that would repeat every second goes through a struct complaint: told at once, then
 * held back (a line every 10 min with the count), then told as recovered.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_LOG_H
#define TOCSIN_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_OFF };

void log_set_level(enum log_level level);
void log_set_json(bool json);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *msg, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define LOG_AT(level, msg, ...)                                                                    \
    do {                                                                                           \
        if (log_enabled(level)) log_line(level, msg, "" __VA_ARGS__);                              \
    } while (0)
#define log_debug(msg, ...) LOG_AT(LOG_LEVEL_DEBUG, msg, __VA_ARGS__)
#define log_info(msg, ...)  LOG_AT(LOG_LEVEL_INFO, msg, __VA_ARGS__)
#define log_warn(msg, ...)  LOG_AT(LOG_LEVEL_WARN, msg, __VA_ARGS__)
#define log_error(msg, ...) LOG_AT(LOG_LEVEL_ERROR, msg, __VA_ARGS__)

/* One recurring failure. Zero-initialise; one thread at a time. */
struct complaint {
    int64_t since_mono_ns, told_mono_ns;
    uint64_t held_back;
    bool active;
};
/* Says that the failure holds (at most a line every 10 min while it lasts). */
void complain(struct complaint *c, int64_t mono_ns, const char *msg, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Says, once, that it is over; nothing if it was not active. */
void complain_over(struct complaint *c, int64_t mono_ns, const char *msg);

#endif
