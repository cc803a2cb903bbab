/* eval_match.c -- arithmetic and comparison between two vectors.
 *
 * Series are grouped by the labels they are matched on. In every group and at every step the "one"
 * side (the right, or the left under group_right) may have a single value; each series of the
 * "many" side that has a value there gets a result. Groups are worked through one after another,
 * each over all steps.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tsdb/promql/eval_int.h"

enum { NO_ROW = UINT32_MAX };

struct side {
    struct rows rows;
    uint32_t *head, *next; /* rows of a group, in order: head by group, next by row */
};

struct match {
    struct eval *ev;
    const struct expr *e;
    struct sink *out;
    bool swapped; /* the many side is the right one */
    struct side many, one;
    struct label_map groups;
    bool *any_many;    /* by step: the many side has a value at all */
    double *v;         /* the row being made */
    struct inner work; /* emptied after each group */
};

/* What one group looks like while it is worked on. */
struct group {
    const double *one;       /* value of the one side by step */
    const uint32_t *one_row; /* which row it came from; NULL: all from the first */
    uint32_t first_one;
    struct label_map results; /* many-to-one: result labels seen */
    bool **seen;              /* by result: steps that have a match */
    size_t seen_cap;
};

/* --- sorting rows into groups --- */

static int side_numbers(struct match *m, const struct side *s, uint32_t *group)
{
    const struct vector_matching *vm = &m->e->binary.matching;
    struct picker picker = {.names = &vm->labels, .keep = vm->on};
    for (size_t i = 0; i < s->rows.count; i++) {
        struct labels key;
        size_t index;
        bool added;
        int rc = eval_pick(m->ev, &picker, s->rows.v[i].labels, &key);
        if (rc == 0) rc = label_map_put(m->ev, &m->groups, key, &index, &added);
        if (rc) return rc;
        group[i] = (uint32_t)index;
        rc = eval_tick(m->ev->run, 16);
        if (rc) return rc;
        if (!added) continue;
        rc = eval_keep_key(m->ev, &m->groups.keys[index]);
        if (rc) return rc;
    }
    return 0;
}

static int side_chain(struct match *m, struct side *s, const uint32_t *group)
{
    size_t groups = m->groups.count;
    s->head = arena_alloc(m->ev->arena, (groups + 1) * sizeof s->head[0]);
    s->next = arena_alloc(m->ev->arena, (s->rows.count + 1) * sizeof s->next[0]);
    if (!s->head || !s->next) return eval_nomem(m->ev);
    for (size_t g = 0; g < groups; g++)
        s->head[g] = NO_ROW;
    for (size_t i = s->rows.count; i-- > 0;) {
        s->next[i] = s->head[group[i]];
        s->head[group[i]] = (uint32_t)i;
    }
    return 0;
}

static int match_groups(struct match *m)
{
    uint32_t *one = arena_alloc(m->ev->arena, (m->one.rows.count + 1) * sizeof *one);
    uint32_t *many = arena_alloc(m->ev->arena, (m->many.rows.count + 1) * sizeof *many);
    if (!one || !many) return eval_nomem(m->ev);
    int rc = side_numbers(m, &m->one, one);
    if (rc == 0) rc = side_numbers(m, &m->many, many);
    if (rc == 0) rc = side_chain(m, &m->one, one);
    return rc ? rc : side_chain(m, &m->many, many);
}

static int match_any_many(struct match *m)
{
    m->any_many = arena_zalloc(m->ev->arena, m->ev->steps);
    if (!m->any_many) return eval_nomem(m->ev);
    for (size_t r = 0; r < m->many.rows.count; r++)
        for (size_t i = 0; i < m->ev->steps; i++)
            m->any_many[i] |= !is_absent(m->many.rows.v[r].v[i]);
    return eval_tick(m->ev->run, m->many.rows.count * m->ev->steps);
}

/* --- the one side of a group --- */

/* {__name__="m", a="b"}: the name among the labels, as Prometheus shows series in errors. */
static void print_series(struct labels ls, struct buf *out)
{
    buf_addch(out, '{');
    for (size_t i = 0; i < ls.count; i++) {
        const struct label *l = &ls.v[i];
        buf_addf(out, "%s%.*s=\"%.*s\"", i ? ", " : "", (int)MIN(l->name.len, 200), l->name.p,
                 (int)MIN(l->value.len, 200), l->value.p);
    }
    buf_addch(out, '}');
}

APART static int duplicate_error(struct match *m, struct labels a, struct labels b)
{
    const struct vector_matching *vm = &m->e->binary.matching;
    struct picker picker = {.names = &vm->labels, .keep = vm->on};
    struct labels key;
    int rc = eval_pick(m->ev, &picker, a, &key);
    if (rc) return rc;
    struct buf text = BUF_INIT(1 << 20);
    buf_addstr(&text, "found duplicate series for the match group ");
    print_series(key, &text);
    buf_addf(&text, " on the %s hand-side of the operation: [", m->swapped ? "left" : "right");
    print_series(a, &text);
    buf_addstr(&text, ", ");
    print_series(b, &text);
    buf_addstr(&text, "];many-to-many matching not allowed: matching labels must be unique on one "
                      "side");
    rc = eval_fail(m->ev, "%s", text.p ? text.p : "many-to-many matching not allowed");
    buf_release(&text);
    return rc;
}

/* Brings the rows of the one side together when there are several. */
static int group_one_side(struct match *m, uint32_t first, struct group *g)
{
    g->first_one = first;
    g->one = m->one.rows.v[first].v;
    if (m->one.next[first] == NO_ROW) return 0;
    size_t steps = m->ev->steps;
    double *v = arena_dup(m->work.ev.arena, g->one, steps * sizeof *v);
    uint32_t *from = arena_alloc(m->work.ev.arena, steps * sizeof *from);
    if (!v || !from) return eval_nomem(&m->work.ev);
    for (size_t i = 0; i < steps; i++)
        from[i] = first;
    for (uint32_t r = m->one.next[first]; r != NO_ROW; r = m->one.next[r]) {
        const struct row *row = &m->one.rows.v[r];
        for (size_t i = 0; i < steps; i++) {
            if (is_absent(row->v[i])) continue;
            if (!is_absent(v[i]) && m->any_many[i])
                return duplicate_error(m, row->labels, m->one.rows.v[from[i]].labels);
            v[i] = row->v[i];
            from[i] = r;
        }
        int rc = eval_tick(m->ev->run, steps);
        if (rc) return rc;
    }
    g->one = v;
    g->one_row = from;
    return 0;
}

/* --- results --- */

static void keep_listed(struct label_builder *b, struct labels base, const struct str_list *names)
{
    label_builder_init(b, (struct labels){0});
    for (size_t i = 0; i < names->count; i++) {
        struct str v = labels_get(base, names->v[i]);
        if (v.len) label_builder_set(b, names->v[i], v);
    }
}

APART static int result_labels(struct match *m, const struct row *many, const struct row *one,
                               struct row *out)
{
    const struct vector_matching *vm = &m->e->binary.matching;
    struct label_builder b;
    label_builder_init(&b, many->labels);
    if (vm->card == CARD_ONE_TO_ONE) {
        if (vm->on) keep_listed(&b, many->labels, &vm->labels);
        for (size_t i = 0; !vm->on && i < vm->labels.count; i++)
            label_builder_del(&b, vm->labels.v[i]);
    }
    if (!binary_is_comparison(m->e->binary.op)) label_builder_del(&b, STR(METRIC_NAME));
    for (size_t i = 0; i < vm->include.count; i++)
        label_builder_set(&b, vm->include.v[i], labels_get(one->labels, vm->include.v[i]));
    out->drop_name = many->drop_name;
    int rc = label_builder_build(&b, m->ev->arena, &out->labels);
    if (rc == E_TOO_BIG) return eval_fail(m->ev, "a result has more than %d labels", LABELS_MAX);
    if (rc < 0) return eval_nomem(m->ev);
    return m->e->binary.return_bool ? eval_drop_name(m->ev, out) : 0;
}

/* The steps already matched by the same result: one set per group, or one per result's labels. */
static int group_seen(struct match *m, struct group *g, struct labels result, bool **out)
{
    struct eval *work = &m->work.ev;
    size_t index = 0;
    bool added;
    if (m->e->binary.matching.card != CARD_ONE_TO_ONE) {
        int rc = label_map_put(work, &g->results, result, &index, &added);
        if (rc) return rc;
    }
    if (index >= g->seen_cap) {
        size_t cap = g->seen_cap ? 2 * g->seen_cap : 4;
        bool **grown = arena_array(work->arena, cap, sizeof *grown);
        if (!grown) return eval_nomem(work);
        if (g->seen_cap) memcpy(grown, g->seen, g->seen_cap * sizeof *grown);
        g->seen = grown;
        g->seen_cap = cap;
    }
    if (!g->seen[index]) g->seen[index] = arena_zalloc(work->arena, work->steps);
    *out = g->seen[index];
    return *out ? 0 : eval_nomem(work);
}

static int multiple_error(struct match *m)
{
    if (m->e->binary.matching.card == CARD_ONE_TO_ONE)
        return eval_fail(m->ev, "multiple matches for labels: many-to-one matching must be "
                                "explicit (group_left/group_right)");
    return eval_fail(m->ev,
                     "multiple matches for labels: grouping labels must ensure unique matches");
}

/* One series of the many side against one row of the other (or all of them: only == NO_ROW). */
static int match_row(struct match *m, struct group *g, const struct row *many, uint32_t only)
{
    enum binary_op op = m->e->binary.op;
    bool as_bool = m->e->binary.return_bool;
    struct row out = {.v = m->v};
    bool *seen = NULL;
    uint32_t one = only == NO_ROW ? g->first_one : only;
    int rc = result_labels(m, many, &m->one.rows.v[one], &out);
    if (rc == 0) rc = group_seen(m, g, out.labels, &seen);
    if (rc || !seen) return rc;
    for (size_t i = 0; i < m->ev->steps; i++) {
        out.v[i] = ABSENT;
        if (is_absent(many->v[i]) || is_absent(g->one[i])) continue;
        if (only != NO_ROW && g->one_row[i] != only) continue;
        if (binary_is_trim(op) || is_histogram(many->v[i]) || is_histogram(g->one[i])) {
            rc = m->swapped ? eval_binary_histogram(m->ev, m->e, g->one[i], many->v[i])
                            : eval_binary_histogram(m->ev, m->e, many->v[i], g->one[i]);
            if (rc) return rc;
            continue;
        }
        if (seen[i]) return multiple_error(m);
        seen[i] = true;
        bool keep;
        double v = m->swapped ? binary_value(op, g->one[i], many->v[i], &keep)
                              : binary_value(op, many->v[i], g->one[i], &keep);
        out.v[i] = as_bool ? (double)keep : keep ? v : ABSENT;
    }
    rc = eval_tick(m->ev->run, m->ev->steps);
    return rc ? rc : m->out->put(m->out, &out);
}

static int match_group(struct match *m, size_t group)
{
    uint32_t first_one = m->one.head[group];
    if (first_one == NO_ROW) return 0;
    struct group g = {0};
    int rc = group_one_side(m, first_one, &g);
    bool split = g.one_row && m->e->binary.matching.include.count > 0;
    for (uint32_t r = m->many.head[group]; r != NO_ROW && rc == 0; r = m->many.next[r]) {
        if (!split) rc = match_row(m, &g, &m->many.rows.v[r], NO_ROW);
        for (uint32_t o = first_one; split && o != NO_ROW && rc == 0; o = m->one.next[o])
            rc = match_row(m, &g, &m->many.rows.v[r], o);
    }
    arena_reset(m->work.ev.arena);
    return rc;
}

int eval_match(struct eval *ev, const struct expr *e, struct sink *out)
{
    const struct vector_matching *vm = &e->binary.matching;
    if (vm->fill_left || vm->fill_right)
        return errmsg_set(ev->run->err, E_UNSUPPORTED, "fill modifiers are not supported");
    struct match m = {.ev = ev, .e = e, .out = out, .swapped = vm->card == CARD_ONE_TO_MANY};
    struct side *left = m.swapped ? &m.one : &m.many, *right = m.swapped ? &m.many : &m.one;
    int rc = eval_collect(ev, e->binary.lhs, &left->rows);
    if (rc == 0) rc = eval_collect(ev, e->binary.rhs, &right->rows);
    if (rc == 0) rc = match_groups(&m);
    if (rc == 0) rc = match_any_many(&m);
    if (rc) return rc;
    m.v = eval_values(ev);
    if (!m.v) return eval_nomem(ev);
    eval_inner_init(&m.work, ev);
    for (size_t g = 0; g < m.groups.count && rc == 0; g++)
        rc = match_group(&m, g);
    eval_inner_release(&m.work);
    return rc;
}
