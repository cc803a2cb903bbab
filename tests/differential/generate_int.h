/* generate_int.h -- what the files of the generator share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_GENERATE_INT_H
#define TOCSIN_TESTS_DIFFERENTIAL_GENERATE_INT_H

#include "tests/differential/generate.h"

struct generator {
    struct dice *dice;
    enum world_kind kind;
    const struct world *world;
    struct buf *out;
    int size;       /* nodes still to be written */
    int subqueries; /* around this place */
    /* Version 2 counts a point on the left end of a range. Queries there are asked at half
     * seconds and subqueries look at whole ones, so that with ranges of whole seconds none is
     * hit; inside a subquery, where the time is whole, ranges of subqueries end in a half. */
    bool at_half;
};

static inline bool version_3(const struct generator *g)
{
    return g->kind != WORLD_VERSION_2;
}

typedef void write_fn(struct generator *g);

/* A choice among ways to go on, some more likely than others. */
struct way {
    unsigned weight;
    write_fn *write;
};
void generate_one_of(struct generator *g, const struct way *ways, size_t count);

/* --- generate.c: operators, functions --- */

write_fn generate_vector, generate_scalar;

/* --- generate_leaf.c: selectors, ranges, numbers, texts --- */

void generate_text(struct generator *g, const char *text);
void generate_pick(struct generator *g, const char *const *texts, size_t count); /* one of them */
write_fn generate_number, generate_small_number, generate_selector;
/* (a, b): label names for by, on and so on. */
write_fn generate_label_list;
write_fn generate_label_name; /* a string */
/* A range vector; counters only: over metrics that count, where there is a choice. */
void generate_matrix(struct generator *g, bool counters);
/* A selector of a metric with these labels. */
enum family { FAMILY_JOB_INSTANCE, FAMILY_CODE, FAMILY_JOB, FAMILY_X, FAMILIES };
void generate_family(struct generator *g, enum family family);

#endif
