/* json.h -- writing JSON into a buffer, by hand; reading is jansson's (include <jansson.h>).
 *
 *     struct json j; json_init(&j, &buf);
 *     json_obj(&j); json_key(&j, "status"); json_str(&j, STR("success")); json_end(&j);
 *
 * or shorter, with the members' values beside their names:
 *
 *     json_obj(&j); json_kv_cstr(&j, "status", "success"); json_end(&j);
 *
 * Commas are placed by the writer. Nesting is at most JSON_DEPTH_MAX. Errors are the buffer's.
 * Strings that are not valid UTF-8 have bad bytes replaced by U+FFFD, as Go does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_JSON_H
#define TOCSIN_CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

enum { JSON_DEPTH_MAX = 1024 }; /* two levels for each of the deepest expression's, and some */

/* Asked now and then while much is written; what it returns but 0 becomes the buffer's error, and
 * nothing more is written. */
struct json_watch {
    int (*look)(struct json_watch *w);
};

struct json {
    struct buf *out;
    struct json_watch *watch; /* may be NULL */
    unsigned values;          /* written so far */
    int depth;
    uint64_t is_array[JSON_DEPTH_MAX / 64]; /* bit per level */
    uint64_t has_item[JSON_DEPTH_MAX / 64];
    bool after_key;
    bool html; /* also escape < > & as \u003c, as Go's encoder does (webhooks) */
};

void json_init(struct json *j, struct buf *out);
void json_obj(struct json *j);
void json_arr(struct json *j);
void json_end(struct json *j); /* closes the innermost object or array */
void json_key(struct json *j, const char *key);
void json_key_str(struct json *j, struct str key);
void json_str(struct json *j, struct str s);
void json_cstr(struct json *j, const char *s);
void json_int(struct json *j, int64_t v);
void json_uint(struct json *j, uint64_t v);
void json_double(struct json *j, double v); /* a number; NaN and infinities become null */
void json_bool(struct json *j, bool v);
void json_nil(struct json *j); /* null; jansson has json_null */
/* A member: its key and its value, or its key and the opening of its value. */
void json_kv_str(struct json *j, const char *key, struct str v);
void json_kv_cstr(struct json *j, const char *key, const char *v);
void json_kv_int(struct json *j, const char *key, int64_t v);
void json_kv_uint(struct json *j, const char *key, uint64_t v);
void json_kv_double(struct json *j, const char *key, double v);
void json_kv_bool(struct json *j, const char *key, bool v);
void json_kv_nil(struct json *j, const char *key);
void json_kv_obj(struct json *j, const char *key);
void json_kv_arr(struct json *j, const char *key);
/* Writes bytes as they are where a value may stand. */
void json_raw(struct json *j, struct str s);
/* The escaped text with its quotes, without a writer. */
void json_quote(struct buf *out, struct str s, bool html);

#endif
