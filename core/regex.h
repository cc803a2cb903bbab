/* regex.h -- RE2-syntax regular expressions on PCRE2 with JIT (the only file with pcre2.h).
 *
 * A gate accepts RE2's syntax alone before PCRE2 sees the pattern: no look-around, back-references,
 * possessive or recursive forms, (*VERBS), repeats over 1,000; \v \h \R \Q..\E \z \A \C \pN (?P<n>)
 * mean what they mean in RE2. Patterns are at most 4 KiB; anchored sets of literals ("a|b|c", also
 * in parentheses), 64 KiB: they are looked up and never reach PCRE2. Options: DOTALL UTF UCP
 * DOLLAR_ENDONLY MATCH_INVALID_UTF; match limit set, so a hostile pattern is an error, not a hang;
 * interpreter where JIT is forbidden. Compiled patterns are immutable and may be matched from any
 * thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_REGEX_H
#define TOCSIN_CORE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

struct regex;

enum { REGEX_ANCHORED = 1 }; /* must match the whole text: ^(?s:PATTERN)$ */

int regex_new(struct regex **out, struct str pattern, int flags, struct errmsg *err) MUST_CHECK;
void regex_free(struct regex *r);
/* 1 match, 0 none, < 0 when the match limit was hit. */
int regex_match(const struct regex *r, struct str text) MUST_CHECK;
/* The literals an anchored pattern is nothing but an alternation of ("a|b|c" or "(a|b|c)",
 * case-sensitive), sorted, or 0 when it is anything else. The array and texts live as long as r. */
size_t regex_literals(const struct regex *r, const struct str **out);
/* A literal every matching text must start with; may be empty. Lives as long as r. */
struct str regex_prefix(const struct regex *r);
/* 1 and out filled with template expanded ($1 ${1} ${name} $$) when text matches, 0 when not
 * (Go Regexp.Expand, as relabelling and label_replace use it). */
int regex_expand(const struct regex *r, struct str text, struct str template,
                 struct buf *out) MUST_CHECK;
/* Every match replaced (Go ReplaceAllString), for templates' reReplaceAll. */
int regex_replace_all(const struct regex *r, struct str text, struct str template,
                      struct buf *out) MUST_CHECK;

#endif
