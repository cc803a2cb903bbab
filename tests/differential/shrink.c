/* shrink.c -- smaller queries that still differ.
 *
 * Texts are cut, not trees: a node's span is replaced by the span of a descendant of the same type,
 * and what does not parse is not tried.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/differential/shrink.h"

#include "tests/differential/tree.h"

struct shrinker {
    struct world *w;
    struct query *q; /* the smallest so far */
    struct memstore *store;
    struct trial trial;
    struct query next;
    shrink_fn *interesting;
    void *arg;
};

bool shrink_differs(void *arg, struct trial *t, const struct expr *e, const struct query *q,
                    struct querier *memory)
{
    struct buf why = BUF_INIT(1 << 16);
    UNUSED(arg);
    enum verdict v = trial_run(t, e, q, memory, &why);
    buf_release(&why);
    return v == VERDICT_DIFFERENT;
}

static bool interesting(struct shrinker *s, const struct query *q)
{
    struct expr *e;
    struct errmsg err;
    struct str text = {q->text.p, q->text.len};
    if (trial_parse(&s->trial, text, &e, &err) < 0) return false;
    bool yes = s->interesting(s->arg, &s->trial, e, q, memstore_querier(s->store));
    promql_expr_release(e);
    return yes;
}

static void replace(struct shrinker *s, uint32_t start, uint32_t end, uint32_t from, uint32_t to)
{
    const char *text = s->q->text.p;
    buf_reset(&s->next.text);
    buf_add(&s->next.text, text, start);
    buf_add(&s->next.text, text + from, to - from);
    buf_add(&s->next.text, text + end, s->q->text.len - end);
}

/* Spans to try: of a node and of one below it. */
struct cut {
    uint32_t start, end, from, to;
};
struct cuts {
    struct cut v[512];
    size_t count;
};

static void cuts_below(const struct expr *node, const struct expr *below, struct cuts *cuts)
{
    const struct expr *child;
    for (size_t i = 0; (child = tree_child(below, i)); i++) {
        bool smaller = child->end - child->start < node->end - node->start;
        if (child->type == node->type && smaller && cuts->count < COUNT(cuts->v))
            cuts->v[cuts->count++] = (struct cut){node->start, node->end, child->start, child->end};
        cuts_below(node, child, cuts);
    }
}

static void cuts_of(const struct expr *e, struct cuts *cuts)
{
    const struct expr *child;
    cuts_below(e, e, cuts);
    for (size_t i = 0; (child = tree_child(e, i)); i++)
        cuts_of(child, cuts);
}

static bool cut_once(struct shrinker *s)
{
    struct cuts cuts = {.count = 0};
    struct expr *e;
    struct errmsg err;
    if (trial_parse(&s->trial, (struct str){s->q->text.p, s->q->text.len}, &e, &err) < 0)
        return false;
    cuts_of(e, &cuts);
    promql_expr_release(e);
    for (size_t i = 0; i < cuts.count; i++) {
        const struct cut *c = &cuts.v[i];
        replace(s, c->start, c->end, c->from, c->to);
        if (!interesting(s, &s->next)) continue;
        struct buf smaller = s->next.text;
        s->next.text = s->q->text;
        s->q->text = smaller;
        return true;
    }
    return false;
}

static int reload(struct shrinker *s)
{
    memstore_clear(s->store);
    return world_store(s->w, s->store);
}

static int hide_series(struct shrinker *s)
{
    for (size_t i = 0; i < s->w->count; i++) {
        s->w->series[i].hidden = true;
        int rc = reload(s);
        if (rc) return rc;
        if (!interesting(s, s->q)) s->w->series[i].hidden = false;
    }
    return reload(s);
}

int shrink(struct world *w, struct query *q, shrink_fn *is_interesting, void *arg)
{
    struct shrinker s = {.w = w, .q = q, .next = *q, .interesting = is_interesting, .arg = arg};
    buf_init(&s.next.text, q->text.max);
    trial_init(&s.trial, w);
    int rc = memstore_new(&s.store);
    if (rc == 0) rc = reload(&s);
    if (rc == 0 && interesting(&s, q)) {
        while (cut_once(&s))
            ;
        rc = hide_series(&s);
    }
    memstore_free(s.store);
    trial_release(&s.trial);
    buf_release(&s.next.text);
    return rc;
}
