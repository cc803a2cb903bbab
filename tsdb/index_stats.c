/* index_stats.c -- what an index holds, pair by pair.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/index_int.h"

static int visit_name(const struct index *x, uint32_t symbol, index_pair_fn *each, void *arg)
{
    int rc = 0;
    for (uint32_t i = x->symbols[symbol].first_pair; rc == 0 && i != NONE; i = x->pairs[i].next) {
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
    return rc;
}

int index_pairs(const struct index *x, index_pair_fn *each, void *arg)
{
    int rc = 0;
    for (uint32_t s = 0; rc == 0 && s < x->symbol_count; s++)
        rc = visit_name(x, s, each, arg);
    return rc;
}

int index_values(const struct index *x, struct str name, index_pair_fn *each, void *arg)
{
    uint32_t symbol = index_symbol(x, name);
    return symbol == NONE ? 0 : visit_name(x, symbol, each, arg);
}
