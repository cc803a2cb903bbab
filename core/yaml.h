/* yaml.h -- a YAML document as a tree that remembers where everything stood (over libyaml).
 *
 * One document a text. Aliases are resolved by sharing nodes. Limits: 1 MiB of text (or max),
 * depth 32, 100 aliases; duplicate keys are errors. Everything lives in the caller's arena,
 * including a copy of the text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_YAML_H
#define TOCSIN_CORE_YAML_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/diag.h"
#include "core/str.h"

enum ynode_kind { YNODE_SCALAR, YNODE_SEQUENCE, YNODE_MAPPING };

struct ypair {
    struct ynode *key, *value;
};

struct ynode {
    enum ynode_kind kind;
    int line, column; /* of the first character, from 1 */
    bool plain;       /* scalar written without quotes: null, true, 5 have their meaning */
    bool block;       /* scalar in block style (| or >): text starts on the next line */
    struct str value; /* scalar text, NUL-terminated */
    size_t count;     /* items or pairs */
    struct ynode **items;
    struct ypair *pairs;
};

struct ydoc {
    const char *file; /* for diagnostics */
    struct str text;
    struct ynode *root; /* NULL for an empty document */
};

/* Parses text; problems go to d with file, line and column. 0 or E_PARSE/E_TOO_BIG/-ENOMEM. */
int ydoc_parse(struct ydoc *doc, const char *file, struct str text, size_t max_bytes,
               struct arena *a, struct diags *d) MUST_CHECK;
/* The value of a key of a mapping, or NULL. */
struct ynode *ynode_get(const struct ynode *map, const char *key);
/* True for a missing node, and for a plain scalar that is empty, ~ or null. */
static inline bool ynode_is_null(const struct ynode *n)
{
    if (!n) return true;
    if (n->kind != YNODE_SCALAR || !n->plain) return false;
    return !n->value.len || str_eq(n->value, STR("~")) || str_eq_nocase(n->value, STR("null"));
}
/* Adds an error at a node of the document; hint may be NULL. Always returns E_INVALID. */
int ynode_error(const struct ydoc *doc, const struct ynode *n, struct diags *d, const char *hint,
                const char *fmt, ...) PRINTF_LIKE(5, 6);

#endif
