/* matcher_text.h -- Alertmanager's matcher syntax: {a="b", c=~"d|e"}, or a=b without quotes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_MATCHER_TEXT_H
#define TOCSIN_RULES_MATCHER_TEXT_H

#include "core/arena.h"
#include "core/err.h"
#include "tsdb/labels.h"

/* Appends the matchers of text to v[*count], at most max in all. Texts are copied into the arena;
 * patterns are compiled: release each. E_PARSE with column, E_TOO_BIG. */
int matcher_text_parse(struct str text, struct arena *a, struct matcher *v, size_t *count,
                       size_t max, struct errmsg *err) MUST_CHECK;

#endif
