/* regex_int.h -- the gate between RE2's syntax and PCRE2's, for regex.c alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_REGEX_INT_H
#define TOCSIN_CORE_REGEX_INT_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/str.h"

enum { REGEX_PATTERN_MAX = 4096, REGEX_SET_MAX = 64 << 10, REGEX_REPEAT_MAX = 1000 };

/* What the gate learned of a pattern; texts live in the arena. */
struct regex_shape {
    struct str *literals; /* a pure alternation of literals; NULL when it is anything else */
    size_t literal_count;
    struct str prefix;       /* every match starts with this */
    struct str *group_names; /* [group_count + 1]; empty text for unnamed ones */
    size_t group_count;
};

/* Reads pattern as Go's regexp does and appends PCRE2's spelling of it to out. E_PARSE with column
 * and Go's wording when it is not RE2 syntax. Takes REGEX_SET_MAX bytes: what is no set of literals
 * and longer than REGEX_PATTERN_MAX is the caller's to refuse. */
int regex_translate(struct str pattern, struct arena *a, struct buf *out, struct regex_shape *shape,
                    struct errmsg *err) MUST_CHECK;

#endif
