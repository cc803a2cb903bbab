/* err.h -- error codes and messages for people.
 *
 * Functions that can fail return int and are marked MUST_CHECK: 0 (or a count) on success, a
 * negative code on failure: -errno for the system's failures, one of E_* for our own. Text meant
 * for a person travels in a struct errmsg, filled by whoever detects the failure and logged or
 * shown, once, by whoever handles it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_ERR_H
#define TOCSIN_CORE_ERR_H

#include <stddef.h>

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNT(array)           (sizeof(array) / sizeof((array)[0]))
#define UNUSED(x)              ((void)(x))
#define MIN(a, b)              ((a) < (b) ? (a) : (b))
#define MAX(a, b)              ((a) > (b) ? (a) : (b))

enum {
    E_CORRUPT = -1000,      /* stored bytes fail their checksum or make no sense */
    E_PARSE = -1001,        /* text from outside does not follow its grammar */
    E_INVALID = -1002,      /* well-formed, but not allowed (a bad label name, a bad type) */
    E_TOO_BIG = -1003,      /* over a fixed ceiling: buffer, body, depth */
    E_LIMIT = -1004,        /* over a configured limit: series, samples, memory of a query */
    E_NOT_FOUND = -1005,    /* no such thing */
    E_EXISTS = -1006,       /* already there, or in use */
    E_TIMEOUT = -1007,      /* deadline passed */
    E_CANCELED = -1008,     /* the caller asked to stop */
    E_UNAVAILABLE = -1009,  /* not now: disk full, replay running, sync failed; try again later */
    E_UNSUPPORTED = -1010,  /* known, but not built: fails clearly */
    E_STALE = -1011,        /* a handle outlived what it named: look it up again */
    E_OUT_OF_ORDER = -1012, /* a sample older than the store still takes */
    E_EXEC = -1013,         /* a query failed while it was evaluated */
};

/* The name of a code, such as "corrupt" or strerror's text for -errno. Never NULL. */
const char *err_text(int rc);

/* One problem, told to a person. Line and column count from 1 (column in bytes); 0 means unknown.
 * offset is a byte offset from the start of the text, valid when line is. A struct errmsg set to
 * {0} is empty; text is always NUL-terminated. */
struct errmsg {
    int line, column;
    size_t offset;
    char text[480];
    char hint[160]; /* what to do about it, or "" */
};

/* Fills e (which may be NULL), keeping position and hint empty, and returns rc. */
int errmsg_set(struct errmsg *e, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with a position. */
int errmsg_at(struct errmsg *e, int rc, int line, int column, const char *fmt, ...)
    PRINTF_LIKE(5, 6);

/* Adds a hint to a filled message (e may be NULL). */
void errmsg_hint(struct errmsg *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
