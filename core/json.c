/* json.c -- writing JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"

#include <assert.h>
#include <math.h>

enum { LOOK_EVERY = 256 }; /* values */

void json_init(struct json *j, struct buf *out)
{
    *j = (struct json){.out = out};
}

static bool level_bit(const struct json *j, const uint64_t *bits)
{
    return bits[j->depth / 64] >> (j->depth % 64) & 1;
}

static void set_level_bit(const struct json *j, uint64_t *bits, bool v)
{
    uint64_t mask = UINT64_C(1) << (j->depth % 64);
    bits[j->depth / 64] = v ? bits[j->depth / 64] | mask : bits[j->depth / 64] & ~mask;
}

/* What goes before any value: a comma unless it is the first of its level or follows a key. */
static void before_value(struct json *j)
{
    if (j->watch && ++j->values % LOOK_EVERY == 0 && !j->out->err)
        j->out->err = j->watch->look(j->watch);
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->depth && level_bit(j, j->has_item)) buf_addch(j->out, ',');
    set_level_bit(j, j->has_item, true);
}

static void open_level(struct json *j, char bracket, bool is_array)
{
    before_value(j);
    buf_addch(j->out, bracket);
    j->depth++;
    assert(j->depth < JSON_DEPTH_MAX);
    set_level_bit(j, j->has_item, false);
    set_level_bit(j, j->is_array, is_array);
}

void json_obj(struct json *j)
{
    open_level(j, '{', false);
}

void json_arr(struct json *j)
{
    open_level(j, '[', true);
}

void json_end(struct json *j)
{
    assert(j->depth > 0 && !j->after_key);
    buf_addch(j->out, level_bit(j, j->is_array) ? ']' : '}');
    j->depth--;
}

void json_key_str(struct json *j, struct str key)
{
    assert(j->depth > 0 && !level_bit(j, j->is_array) && !j->after_key);
    before_value(j);
    json_quote(j->out, key, j->html);
    buf_addch(j->out, ':');
    j->after_key = true;
}

void json_key(struct json *j, const char *key)
{
    json_key_str(j, str_of(key));
}

void json_str(struct json *j, struct str s)
{
    before_value(j);
    json_quote(j->out, s, j->html);
}

void json_cstr(struct json *j, const char *s)
{
    json_str(j, str_of(s));
}

void json_int(struct json *j, int64_t v)
{
    before_value(j);
    buf_addint(j->out, v);
}

void json_uint(struct json *j, uint64_t v)
{
    before_value(j);
    buf_adduint(j->out, v);
}

void json_double(struct json *j, double v)
{
    if (!isfinite(v)) {
        json_nil(j);
        return;
    }
    before_value(j);
    buf_adddouble(j->out, v);
}

void json_bool(struct json *j, bool v)
{
    before_value(j);
    buf_addstr(j->out, v ? "true" : "false");
}

void json_nil(struct json *j)
{
    before_value(j);
    buf_addstr(j->out, "null");
}

void json_raw(struct json *j, struct str s)
{
    before_value(j);
    buf_add(j->out, s.p, s.len);
}

/* --- members --- */

void json_kv_str(struct json *j, const char *key, struct str v)
{
    json_key(j, key);
    json_str(j, v);
}

void json_kv_cstr(struct json *j, const char *key, const char *v)
{
    json_key(j, key);
    json_cstr(j, v);
}

void json_kv_int(struct json *j, const char *key, int64_t v)
{
    json_key(j, key);
    json_int(j, v);
}

void json_kv_uint(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_uint(j, v);
}

void json_kv_double(struct json *j, const char *key, double v)
{
    json_key(j, key);
    json_double(j, v);
}

void json_kv_bool(struct json *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

void json_kv_nil(struct json *j, const char *key)
{
    json_key(j, key);
    json_nil(j);
}

void json_kv_obj(struct json *j, const char *key)
{
    json_key(j, key);
    json_obj(j);
}

void json_kv_arr(struct json *j, const char *key)
{
    json_key(j, key);
    json_arr(j);
}

/* --- quoting --- */

/* Length of the run at the start of s that needs no escape. */
static size_t plain_run(struct str s, bool html)
{
    size_t i = 0;
    for (; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c == '"' || c == '\\' || c >= 0x80) break;
        if (html && (c == '<' || c == '>' || c == '&')) break;
    }
    return i;
}

static void quote_ascii(struct buf *out, unsigned char c)
{
    static const char *const named[0x20] = {
        ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
    };
    if (c == '"' || c == '\\') {
        buf_addch(out, '\\');
        buf_addch(out, (char)c);
    } else if (c < 0x20 && named[c]) {
        buf_addstr(out, named[c]);
    } else {
        buf_addf(out, "\\u%04x", c);
    }
}

/* Bytes of the valid UTF-8 sequence at s, or 0. */
static size_t valid_sequence(struct str s)
{
    for (size_t n = 2; n <= 4 && n <= s.len; n++)
        if (str_is_utf8((struct str){s.p, n})) return n;
    return 0;
}

static size_t quote_multibyte(struct buf *out, struct str s, bool html)
{
    size_t n = valid_sequence(s);
    if (!n) {
        buf_addstr(out, "\\ufffd");
        return 1;
    }
    /* U+2028 and U+2029 end lines in old JavaScript: Go escapes them */
    if (html && n == 3 && !memcmp(s.p, "\xe2\x80\xa8", 3))
        buf_addstr(out, "\\u2028");
    else if (html && n == 3 && !memcmp(s.p, "\xe2\x80\xa9", 3))
        buf_addstr(out, "\\u2029");
    else
        buf_add(out, s.p, n);
    return n;
}

void json_quote(struct buf *out, struct str s, bool html)
{
    buf_addch(out, '"');
    while (s.len) {
        size_t n = plain_run(s, html);
        buf_add(out, s.p, n);
        s.p += n;
        s.len -= n;
        if (!s.len) break;
        n = 1;
        if ((unsigned char)s.p[0] < 0x80)
            quote_ascii(out, (unsigned char)s.p[0]);
        else
            n = quote_multibyte(out, s, html);
        s.p += n;
        s.len -= n;
    }
    buf_addch(out, '"');
}
