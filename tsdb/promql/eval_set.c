/* eval_set.c -- the set operators and, or, unless.
 *
 * Both sides' series are numbered by the labels they are matched on (their group); then each row of
 * the left is filtered by whether its group has a value on the right at that step.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tsdb/promql/eval_int.h"

/* For each group, which steps have a value on one side. */
struct presence {
    struct eval *ev;
    struct picker picker;
    struct label_map map;
    bool **seen;
    size_t cap;
};

static int group_of(struct presence *p, struct labels ls, size_t *index, bool *added)
{
    struct labels key;
    int rc = eval_pick(p->ev, &p->picker, ls, &key);
    if (rc == 0) rc = label_map_put(p->ev, &p->map, key, index, added);
    return rc || !*added ? rc : eval_keep_key(p->ev, &p->map.keys[*index]);
}

static int presence_room(struct presence *p, size_t index)
{
    if (index < p->cap) return 0;
    size_t cap = p->cap ? 2 * p->cap : 16;
    bool **grown = arena_array(p->ev->arena, cap, sizeof *grown);
    if (!grown) return eval_nomem(p->ev);
    if (p->cap) memcpy(grown, p->seen, p->cap * sizeof *grown);
    p->seen = grown;
    p->cap = cap;
    return 0;
}

static int presence_add(struct presence *p, const struct row *row)
{
    size_t index;
    bool added;
    int rc = group_of(p, row->labels, &index, &added);
    if (rc == 0) rc = presence_room(p, index);
    if (rc) return rc;
    if (!p->seen[index]) p->seen[index] = arena_zalloc(p->ev->arena, p->ev->steps);
    if (!p->seen[index]) return eval_nomem(p->ev);
    for (size_t i = 0; i < p->ev->steps; i++)
        p->seen[index][i] |= !is_absent(row->v[i]);
    return eval_tick(p->ev->run, p->ev->steps);
}

/* Takes out the steps at which the row's group is (or is not) present. */
static int presence_filter(struct presence *p, struct row *row, bool keep_present)
{
    size_t index;
    bool added;
    int rc = group_of(p, row->labels, &index, &added);
    if (rc == 0) rc = presence_room(p, index);
    if (rc) return rc;
    const bool *seen = p->seen[index];
    for (size_t i = 0; i < p->ev->steps; i++)
        if ((seen && seen[i]) != keep_present) row->v[i] = ABSENT;
    return eval_tick(p->ev->run, p->ev->steps);
}

struct presence_sink {
    struct sink sink;
    struct presence *p;
    struct sink *out; /* filter, then pass on */
    bool keep_present;
};

static int gather_put(struct sink *s, struct row *row)
{
    return presence_add(((struct presence_sink *)s)->p, row);
}

static int filter_put(struct sink *s, struct row *row)
{
    struct presence_sink *f = (struct presence_sink *)s;
    int rc = presence_filter(f->p, row, f->keep_present);
    return rc ? rc : f->out->put(f->out, row);
}

/* Notes where the left has values and passes them on. */
static int tee_put(struct sink *s, struct row *row)
{
    struct presence_sink *f = (struct presence_sink *)s;
    int rc = presence_add(f->p, row);
    return rc ? rc : f->out->put(f->out, row);
}

int eval_set(struct eval *ev, const struct expr *e, struct sink *out)
{
    const struct vector_matching *m = &e->binary.matching;
    struct presence p = {
        .ev = ev, .picker = {.names = &m->labels, .keep = m->on}
    };
    struct presence_sink gather = {.sink.put = gather_put, .p = &p};
    struct presence_sink tee = {.sink.put = tee_put, .p = &p, .out = out};
    struct presence_sink filter = {.sink.put = filter_put, .p = &p, .out = out};
    if (e->binary.op == OP_OR) { /* the right's rows where the left has none */
        int rc = eval_rows(ev, e->binary.lhs, &tee.sink);
        return rc ? rc : eval_rows(ev, e->binary.rhs, &filter.sink);
    }
    filter.keep_present = e->binary.op == OP_AND;
    int rc = eval_rows(ev, e->binary.rhs, &gather.sink);
    return rc ? rc : eval_rows(ev, e->binary.lhs, &filter.sink);
}
