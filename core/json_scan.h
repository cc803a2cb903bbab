/* json_scan.h -- reading JSON piece by piece, as it comes from a connection.
 *
 * Pure: bytes in, events out; nothing is kept but the token under way, so a text of any length is
 * read in little memory. Small texts that come whole are jansson's (include <jansson.h>).
 *
 * Strict RFC 8259: UTF-8 only, no lone surrogates, no trailing commas, one value a text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_JSON_SCAN_H
#define TOCSIN_CORE_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum json_event {
    JSON_OBJECT, /* opens */
    JSON_ARRAY,
    JSON_END, /* of the innermost object or array */
    JSON_KEY, /* text: the member's name; its value's event is next */
    JSON_STRING,
    JSON_NUMBER, /* text: as written */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};
const char *json_event_name(enum json_event e); /* "an object", "a string", ... */

/* text is unescaped and valid until the callback returns; empty for events without one. Returns 0
 * to go on; a negative code ends the reading with it. */
typedef int json_event_fn(void *arg, enum json_event e, struct str text, struct errmsg *err);

enum { JSON_SCAN_DEPTH = 32 };

struct json_scan {
    json_event_fn *each;
    void *arg;
    struct buf token;        /* a string or number that a piece broke, or one with escapes */
    uint64_t offset;         /* of the piece's first byte, for messages */
    uint32_t is_array, code; /* a bit a level; code point under way */
    uint16_t high;           /* surrogate that waits for its second half */
    int depth, digits, state;
    bool is_key;
    int rc; /* the first failure; later pieces are not looked at */
};

/* max_token: longest string or number; more is E_TOO_BIG. */
void json_scan_init(struct json_scan *s, size_t max_token, json_event_fn *each, void *arg);
void json_scan_release(struct json_scan *s);
/* 0, E_PARSE with what and where in err, E_TOO_BIG (depth, token), -ENOMEM, or the callback's. */
int json_scan_feed(struct json_scan *s, struct str piece, struct errmsg *err) MUST_CHECK;
/* The text is at its end: E_PARSE unless its one value was whole. */
int json_scan_end(struct json_scan *s, struct errmsg *err) MUST_CHECK;

#endif
