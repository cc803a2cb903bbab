/* json_split.h -- takes one array out of a JSON text that comes in pieces, element by element.
 *
 * An answer of Prometheus' API is one object with a large array inside, at "data" or at
 * "data.result". Elements are handed on as raw text as soon as each is complete; what is left, the
 * text with that array empty, can be read by any parser at the end. Memory is that of one element
 * and of the rest, whatever the size of the array. Nothing is validated beyond strings and
 * nesting: whoever parses the elements does that.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_JSON_SPLIT_H
#define TOCSIN_AGENT_JSON_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/str.h"

/* 0 to go on; anything else ends json_split_feed with it. element is borrowed for the call. */
typedef int json_element_fn(void *arg, struct str element);

enum { JSON_SPLIT_KEYS = 2, JSON_SPLIT_DEPTH = 64 };

struct json_split {
    struct str path[JSON_SPLIT_KEYS]; /* keys from the outermost object to the array */
    int keys, matched;                /* of path; how many lie around where we are */
    int depth, array_depth;           /* open containers; those at the array, 0 outside it */
    uint64_t is_object;               /* a bit for each of the outer containers */
    bool in_string, escaped, expect_key, is_key, pending;
    struct buf key, element, rest;
    json_element_fn *each;
    void *arg;
};

/* path: "data", "data.result", or NULL for an answer taken whole. Borrowed. */
void json_split_init(struct json_split *s, const char *path, json_element_fn *each, void *arg);
void json_split_release(struct json_split *s);
/* 0, what each returned, or E_TOO_BIG when an element or the rest is. */
int json_split_feed(struct json_split *s, struct str piece) MUST_CHECK;
/* The text so far without the elements; with close, as a whole JSON text even in the middle of the
 * array, so that what came before it can be read. */
int json_split_rest(const struct json_split *s, bool close, struct buf *out) MUST_CHECK;

#endif
