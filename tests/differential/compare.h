/* compare.h -- one query, two evaluators: do they say the same?
 *
 * Same means: both fail, or both give the same type, the same label sets each once, the same times,
 * the same values -- to the bit where no sum is involved, and otherwise to 1e-9 of their size --
 * and both or neither warn, and inform. NaN equals NaN. The order of series counts where the query
 * sorts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_DIFFERENTIAL_COMPARE_H
#define TOCSIN_TESTS_DIFFERENTIAL_COMPARE_H

#include "tests/differential/generate.h"
#include "tests/differential/naive.h"

/* What an evaluator said. */
struct outcome {
    int rc;
    struct errmsg err;
    struct promql_result result;
    bool warned, informed;
};

/* True when alike; else why has a line that says where they part. Sorts both by labels. */
bool outcomes_alike(const struct expr *e, struct outcome *want, struct outcome *got,
                    struct buf *why);
void outcome_print(const struct outcome *o, struct buf *out);

/* A place to run queries over one world. */
struct trial {
    const struct world *world;
    struct arena parse, naive, eval;
    struct outcome want, got; /* of the last query; in the arenas until the next */
    unsigned version_2;       /* as in naive_answer */
};
void trial_init(struct trial *t, const struct world *w);
void trial_release(struct trial *t);

enum verdict {
    VERDICT_SAME,
    VERDICT_DIFFERENT,
    VERDICT_SKIPPED, /* the naive answer is not the only one, or too much work for it */
    VERDICT_REFUSED, /* does not parse: why says so */
};
/* Parses; *e is good until the next call of trial_parse, and to be released by the caller. */
int trial_parse(struct trial *t, struct str text, struct expr **e, struct errmsg *err) MUST_CHECK;
/* The naive answer alone, in t->want; false when it is not the only one. */
bool trial_run_naive(struct trial *t, const struct expr *e, const struct query *q) MUST_CHECK;
enum verdict trial_run(struct trial *t, const struct expr *e, const struct query *q,
                       struct querier *querier, struct buf *why);

#endif
