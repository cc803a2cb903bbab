/* fuzz_json_split.c -- an array inside a JSON text: cut anywhere, the elements and the rest are the
 * same, and the rest is never longer than the text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "agent/json_split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 1 << 20, STOP_AT = 1000 };

struct taken {
    struct buf text;
    size_t count;
};

static int take(void *arg, struct str element)
{
    struct taken *t = arg;
    if (element.len == 0) __builtin_trap();
    buf_add(&t->text, element.p, element.len);
    buf_addch(&t->text, '\0');
    return ++t->count == STOP_AT ? E_CANCELED : 0;
}

static int split(struct str text, const char *path, size_t piece, struct taken *t, struct buf *rest)
{
    struct json_split s;
    int rc = 0;
    json_split_init(&s, path, take, t);
    while (text.len && rc == 0) {
        size_t n = MIN(text.len, piece);
        rc = json_split_feed(&s, (struct str){text.p, n});
        text.p += n;
        text.len -= n;
    }
    if (rc == 0) rc = json_split_rest(&s, false, rest);
    json_split_release(&s);
    return rc;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return str_eq((struct str){a->p, a->len}, (struct str){b->p, b->len});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"data", "data.result", NULL};
    struct str text = {(const char *)data, size};
    if (size < 2) return 0;
    size_t piece = (size_t)data[0] % 13 + 1;
    text.p++;
    text.len--;
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct taken whole = {.text = BUF_INIT(TEXT_MAX)}, cut = {.text = BUF_INIT(TEXT_MAX)};
        struct buf rest = BUF_INIT(TEXT_MAX), rest_of_cut = BUF_INIT(TEXT_MAX);
        int rc = split(text, paths[i], text.len, &whole, &rest);
        if (split(text, paths[i], piece, &cut, &rest_of_cut) != rc) __builtin_trap();
        if (!same(&whole.text, &cut.text) || !same(&rest, &rest_of_cut)) __builtin_trap();
        if (rest.len > text.len) __builtin_trap();
        buf_release(&whole.text);
        buf_release(&cut.text);
        buf_release(&rest);
        buf_release(&rest_of_cut);
    }
    return 0;
}
