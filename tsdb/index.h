/* index.h -- label sets by number, and numbers by matchers; the head's index and day files' share
 * it.
 *
 * Label sets get ascending ordinals from 0. Texts are kept once (symbols); a label set is a list of
 * pairs (name, value); a pair knows the ordinals that carry it as delta varints (postings).
 * Nothing is ever removed: an index with much that is dead is built anew.
 *
 * Not locked: the owner serialises writers and keeps readers out while one writes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_INDEX_H
#define TOCSIN_TSDB_INDEX_H

#include <stdint.h>

#include "core/arena.h"
#include "tsdb/labels.h"

struct index;

int index_new(struct index **out) MUST_CHECK;
void index_free(struct index *x); /* NULL is fine */
size_t index_count(const struct index *x);
size_t index_bytes(const struct index *x); /* of heap */

/* Adds a label set under the next ordinal; id is the caller's to get back. The caller makes sure
 * that it is not there yet. */
int index_add(struct index *x, struct labels ls, uint64_t hash, uint32_t id,
              uint32_t *ordinal) MUST_CHECK;
/* The ordinal of a label set (hash is its labels_hash), or E_NOT_FOUND. */
int index_find(const struct index *x, struct labels ls, uint64_t hash, uint32_t *ordinal);
uint32_t index_id(const struct index *x, uint32_t ordinal);
uint64_t index_hash(const struct index *x, uint32_t ordinal);
/* Fills v (LABELS_MAX long) with borrowed texts; they last as long as the index. */
struct labels index_labels(const struct index *x, uint32_t ordinal, struct label *v);
/* How many label sets carry name=value. */
size_t index_pair_count(const struct index *x, struct str name, struct str value);

/* Every name=value pair, those of one name together; texts are borrowed. A visitor's answer that is
 * not 0 ends the walk with it. */
struct index_pair_view {
    struct str name, value;
    size_t series, bytes; /* bytes: heap that goes with the pair */
};
typedef int index_pair_fn(void *arg, const struct index_pair_view *p);
int index_pairs(const struct index *x, index_pair_fn *each, void *arg);
/* The same of one name only. */
int index_values(const struct index *x, struct str name, index_pair_fn *each, void *arg);

struct ordinals {
    uint32_t *v;
    size_t count, cap;
};
void ordinals_release(struct ordinals *o);
int ordinals_add(struct ordinals *o, uint32_t v) MUST_CHECK;

/* The ordinals that satisfy all matchers, ascending. E_TOO_BIG: a regular expression hit its match
 * limit. */
int index_select(const struct index *x, const struct matcher *m, size_t count,
                 struct ordinals *out) MUST_CHECK;

/* Called often by those who take long; what it returns but 0 ends the work. It may let writers in
 * meanwhile: the index may grow under it. */
struct index_pause {
    int (*look)(struct index_pause *p);
};
int index_select_pausing(const struct index *x, const struct matcher *m, size_t count,
                         struct index_pause *pause, struct ordinals *out) MUST_CHECK;

/* Copies label sets one after another into an arena; neighbours share the texts of the pairs they
 * have in common, which is most of them. Zeroed at the start but for the arena. */
struct label_copier {
    struct arena *arena;
    struct labels last;
    size_t cap;
    uint32_t *last_refs;
};
int index_labels_copy(const struct index *x, uint32_t ordinal, struct label_copier *c,
                      struct labels *out) MUST_CHECK;

/* Tells who carries each value of a label name, or (name.len == 0) each label name. among: only
 * these ordinals, ascending; NULL: all. each() returns 1 when it wants no more of that text, 0 to
 * go on, < 0 to end; texts are borrowed. A text comes in one run, unless among is given. */
typedef int index_text_fn(void *arg, struct str text, uint32_t ordinal);
int index_visit_texts(const struct index *x, struct str name, const struct ordinals *among,
                      index_text_fn *each, void *arg) MUST_CHECK;

#endif
