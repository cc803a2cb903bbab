/* labels.h -- label sets: what names a series.
 *
 * A struct labels is a borrowed, immutable slice of name/value pairs sorted by name (byte order),
 * names unique, values not empty. "__name__" is the metric name and sorts with the rest. Label
 * sets of a query live in the query's arena; whoever keeps one longer takes labels_dup's heap
 * copy.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_LABELS_H
#define TOCSIN_TSDB_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

#define METRIC_NAME "__name__"

struct label {
    struct str name, value;
};

struct labels {
    const struct label *v;
    size_t count;
};

/* The value of a label; {NULL, 0} when absent. */
struct str labels_get(struct labels ls, struct str name);
static inline struct str labels_metric(struct labels ls)
{
    return labels_get(ls, STR(METRIC_NAME));
}
bool labels_eq(struct labels a, struct labels b);
int labels_cmp(struct labels a, struct labels b); /* Prometheus' order: name, value, ... */
uint64_t labels_hash(struct labels ls);           /* XXH3 over the canonical bytes */
/* Alertmanager's fingerprint: FNV-1a 64 over name 0xFF value 0xFF. */
uint64_t labels_fingerprint(struct labels ls);

/* Deep copy in one heap block; *out.v is the block, freed by labels_free_dup. */
int labels_dup(struct labels ls, struct labels *out) MUST_CHECK;
void labels_free_dup(struct labels *ls);
/* Deep copy into an arena. */
int labels_copy(struct arena *a, struct labels ls, struct labels *out) MUST_CHECK;
/* {a="b", c="d"} with the metric name before the brace when with_name. */
int labels_print(struct labels ls, bool with_name, struct buf *out);

/* Building a set: add in any order, set again to replace, empty value to remove; then take a
 * sorted set. Texts are borrowed until labels_build copies them into the arena. */
enum { LABELS_MAX = 512 };
struct label_builder {
    struct label v[LABELS_MAX];
    size_t count;
    int err; /* E_TOO_BIG when more than LABELS_MAX were added */
};
void label_builder_init(struct label_builder *b, struct labels base);
void label_builder_set(struct label_builder *b, struct str name, struct str value);
void label_builder_del(struct label_builder *b, struct str name);
struct str label_builder_get(const struct label_builder *b, struct str name);
/* Sorts in place and borrows: the texts stay the caller's, the array the builder's. */
struct labels label_builder_view(struct label_builder *b);
/* Sorts and copies deeply into an arena. */
int label_builder_build(struct label_builder *b, struct arena *a, struct labels *out) MUST_CHECK;

/* [a-zA-Z_:][a-zA-Z0-9_:]* and [a-zA-Z_][a-zA-Z0-9_]*; and the UTF-8 rules of Prometheus 3. */
bool metric_name_is_legacy(struct str s);
bool label_name_is_legacy(struct str s);
bool metric_name_is_valid(struct str s);
bool label_name_is_valid(struct str s);

/* label matchers of all four kinds; a missing label is an empty value */
enum matcher_type { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE };
struct regex;
struct matcher {
    enum matcher_type type;
    struct str name, value; /* value: the pattern for RE and NRE */
    const struct regex *re; /* owned by the matcher for RE and NRE; else NULL */
};
/* Compiles the pattern of RE and NRE; texts are borrowed. */
int matcher_init(struct matcher *m, enum matcher_type type, struct str name, struct str value,
                 struct errmsg *err) MUST_CHECK;
void matcher_release(struct matcher *m);
/* 1, 0, or < 0 when a regular expression hit its match limit. */
int matcher_test(const struct matcher *m, struct str value) MUST_CHECK;
int matchers_test(const struct matcher *m, size_t count, struct labels ls) MUST_CHECK;
const char *matcher_op(enum matcher_type type); /* "=", "!=", "=~", "!~" */

#endif
