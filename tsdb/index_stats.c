/* index_stats.c -- what an index holds, pair by pair.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/index_int.h"

int index_pairs(const struct index *x, index_pair_fn *each, void *arg)
{
    int rc = 0;
    for (size_t s = 0; s < x->symbol_count; s++) {
        for (uint32_t i = x->symbols[s].first_pair; rc == 0 && i != NONE; i = x->pairs[i].next) {
            const struct pair *p = &x->pairs[i];
            const struct index_pair_view view = {
                .name = index_text(x, p->name),
                .value = index_text(x, p->value),
                .series = p->count,
                .bytes = sizeof *p + p->cap + sizeof(struct symbol) + x->symbols[p->value].len +
                         p->count * sizeof *x->refs,
            };
            rc = each(arg, &view);
        }
    }
    return rc;
}
