/* json_split.c -- takes one array out of a JSON text that comes in pieces.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/json_split.h"

enum { KEY_MAX = 256, ELEMENT_MAX = 256 << 20, REST_MAX = 64 << 20 };

void json_split_init(struct json_split *s, const char *path, json_element_fn *each, void *arg)
{
    struct str left = str_of(path);
    *s = (struct json_split){.each = each, .arg = arg};
    while (left.p && s->keys < JSON_SPLIT_KEYS)
        s->path[s->keys++] = str_split(&left, '.');
    buf_init(&s->key, KEY_MAX);
    buf_init(&s->element, ELEMENT_MAX);
    buf_init(&s->rest, REST_MAX);
}

void json_split_release(struct json_split *s)
{
    buf_release(&s->key);
    buf_release(&s->element);
    buf_release(&s->rest);
}

static bool in_object(const struct json_split *s)
{
    return s->depth > 0 && s->depth <= JSON_SPLIT_DEPTH && (s->is_object >> (s->depth - 1) & 1);
}

/* Inside the array, at the level of its elements. */
static bool between_elements(const struct json_split *s)
{
    return s->array_depth > 0 && s->depth == s->array_depth;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int emit(struct json_split *s)
{
    struct str text = str_trim((struct str){s->element.p, s->element.len});
    int rc = text.len ? s->each(s->arg, text) : 0;
    buf_reset(&s->element);
    return rc;
}

static void open_container(struct json_split *s, char c)
{
    bool on_path = s->pending && s->depth == s->matched + 1;
    s->pending = false;
    s->depth++;
    if (s->depth <= JSON_SPLIT_DEPTH) {
        uint64_t bit = UINT64_C(1) << (s->depth - 1);
        s->is_object = c == '{' ? s->is_object | bit : s->is_object & ~bit;
    }
    s->expect_key = c == '{';
    if (!on_path || s->array_depth) return;
    bool last = s->matched + 1 == s->keys;
    if (c == '[' && last) s->array_depth = s->depth;
    if (c == '{' && !last) s->matched++;
}

static void close_container(struct json_split *s)
{
    if (s->depth == s->array_depth) s->array_depth = 0;
    if (s->matched > 0 && s->depth == s->matched + 1) s->matched--;
    if (s->depth > 0) s->depth--;
    s->expect_key = false;
}

static void end_string(struct json_split *s)
{
    s->in_string = false;
    if (!s->is_key) return;
    s->is_key = s->expect_key = false;
    s->pending = s->matched < s->keys && s->depth == s->matched + 1 &&
                 str_eq((struct str){s->key.p, s->key.len}, s->path[s->matched]);
}

static void in_string(struct json_split *s, char c)
{
    if (s->escaped) {
        s->escaped = false;
    } else if (c == '\\') {
        s->escaped = true;
    } else if (c == '"') {
        end_string(s);
        return;
    }
    if (s->is_key) buf_addch(&s->key, c); /* too long a key: none of ours */
}

static void outside_strings(struct json_split *s, char c)
{
    switch (c) {
    case '"':
        s->in_string = true;
        s->is_key = s->expect_key && in_object(s) && !s->array_depth;
        buf_reset(&s->key);
        break;
    case '{':
    case '[':
        open_container(s, c);
        break;
    case '}':
    case ']':
        close_container(s);
        break;
    case ',':
        s->expect_key = in_object(s);
        s->pending = false;
        break;
    default:
        break;
    }
}

static int feed_byte(struct json_split *s, char c)
{
    int rc = 0;
    bool between = between_elements(s) && !s->in_string;
    if (between && (c == ',' || c == ']')) {
        rc = emit(s);
        if (c == ']') buf_addch(&s->rest, c);
    } else if (s->array_depth) {
        if (s->element.len || !is_blank(c)) buf_addch(&s->element, c);
    } else {
        buf_addch(&s->rest, c);
    }
    if (s->in_string)
        in_string(s, c);
    else
        outside_strings(s, c);
    if (rc != 0) return rc;
    return s->element.err ? s->element.err : s->rest.err;
}

int json_split_feed(struct json_split *s, struct str piece)
{
    int rc = 0;
    for (size_t i = 0; i < piece.len && rc == 0; i++)
        rc = feed_byte(s, piece.p[i]);
    return rc;
}

int json_split_rest(const struct json_split *s, bool close, struct buf *out)
{
    buf_add(out, s->rest.p ? s->rest.p : "", s->rest.len);
    if (close && s->array_depth) {
        buf_addch(out, ']');
        for (int i = s->array_depth - 1; i > 0; i--)
            buf_addch(out, '}');
    }
    return out->err;
}
