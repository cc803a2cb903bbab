/* eval_shared.c -- selectors that occur twice in a query read their samples once.
 *
 * In x / (x + y), or a quantile beside a count of the same buckets, two selectors ask for the same
 * series over the same time. The first to be read hands its samples on as ever and keeps a copy;
 * the second reads the copy. Nothing is kept of selectors that have no twin, and what would take
 * more than a quarter of the query's memory is given up: then both are read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/eval_int.h"

#include <errno.h>

#include "core/mem.h"

enum { SELECTORS_MAX = 64, SHARE_OF_MEMORY = 4 };

struct eval_shared {
    struct eval_shared *next;
    struct select_request r; /* of the first */
    struct series_view *v;
    size_t count, cap, bytes;
    bool complete, given_up, histograms;
};

/* --- twins --- */

struct selectors {
    const struct expr *v[SELECTORS_MAX];
    size_t count;
};

static int add_selector(void *arg, const struct expr *e)
{
    struct selectors *s = arg;
    if (s->count == SELECTORS_MAX) return 1;
    s->v[s->count++] = e;
    return 0;
}

static bool same_matchers(const struct matcher *a, const struct matcher *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i].type != b[i].type || !str_eq(a[i].name, b[i].name) ||
            !str_eq(a[i].value, b[i].value))
            return false;
    return true;
}

static bool same_duration(const struct duration *a, const struct duration *b)
{
    return a->ms == b->ms && !a->expr && !b->expr;
}

static bool are_twins(const struct expr *a, const struct expr *b)
{
    const struct time_modifier *x = &a->selector.mod, *y = &b->selector.mod;
    return a->selector.is_range == b->selector.is_range &&
           a->selector.matcher_count == b->selector.matcher_count &&
           same_duration(&a->selector.range, &b->selector.range) &&
           same_duration(&x->offset, &y->offset) && x->at == y->at && x->at_ms == y->at_ms &&
           same_matchers(a->selector.matchers, b->selector.matchers, a->selector.matcher_count);
}

bool eval_has_twins(const struct expr *e)
{
    struct selectors s = {.count = 0};
    (void)promql_selectors(e, add_selector, &s);
    for (size_t i = 0; i < s.count; i++)
        for (size_t k = 0; k < i; k++)
            if (are_twins(s.v[i], s.v[k])) return true;
    return false;
}

static bool has_twin(const struct run *run, const struct expr *e)
{
    struct selectors s = {.count = 0};
    (void)promql_selectors(run->expr, add_selector, &s);
    for (size_t i = 0; i < s.count; i++)
        if (s.v[i] != e && are_twins(s.v[i], e)) return true;
    return false;
}

/* --- keeping --- */

static int copy_view(struct run *run, struct eval_shared *s, const struct series_view *view)
{
    struct arena *a = run->arena;
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct series_view *grown = arena_alloc(a, cap * sizeof *grown);
        if (!grown) return a->err;
        if (s->count) memcpy(grown, s->v, s->count * sizeof *grown);
        s->v = grown;
        s->cap = cap;
    }
    struct series_view *copy = &s->v[s->count];
    copy->count = view->count;
    copy->t = arena_dup(a, view->t, view->count * sizeof *view->t);
    copy->v = arena_dup(a, view->v, view->count * sizeof *view->v);
    if (!copy->t || !copy->v) return a->err;
    int rc = labels_copy(a, view->labels, &copy->labels);
    if (rc == 0) s->count++;
    return rc;
}

static void keep(struct run *run, struct eval_shared *s, const struct series_view *view)
{
    if (s->given_up) return;
    size_t before = run->arena->used;
    int rc = copy_view(run, s, view);
    s->bytes += run->arena->used - before;
    s->given_up = rc < 0 || s->bytes > run->q->arena->max / SHARE_OF_MEMORY;
}

/* A set that hands on what another gives, and keeps it. */
struct keeping_set {
    struct series_set set;
    struct series_set *from;
    struct run *run;
    struct eval_shared *to;
};

static int keeping_next(struct series_set *set, struct series_view *out, struct errmsg *err)
{
    struct keeping_set *k = (struct keeping_set *)set;
    int rc = k->from->ops->next(k->from, out, err);
    if (rc > 0) keep(k->run, k->to, out);
    if (rc == 0) k->to->complete = !k->to->given_up;
    return rc;
}

static void keeping_free(struct series_set *set)
{
    struct keeping_set *k = (struct keeping_set *)set;
    k->from->ops->free(k->from);
    mem_free(k);
}

/* --- reading again --- */

struct kept_set {
    struct series_set set;
    const struct eval_shared *from;
    size_t at;
};

static int kept_next(struct series_set *set, struct series_view *out, struct errmsg *err)
{
    struct kept_set *k = (struct kept_set *)set;
    UNUSED(err);
    if (k->at == k->from->count) return 0;
    *out = k->from->v[k->at++];
    return 1;
}

static void kept_free(struct series_set *set)
{
    mem_free(set);
}

static const struct series_set_ops keeping_ops = {keeping_next, keeping_free};
static const struct series_set_ops kept_ops = {kept_next, kept_free};

static const struct eval_shared *find_kept(const struct run *run, const struct select_request *r)
{
    for (const struct eval_shared *s = run->shared; s; s = s->next)
        if (s->complete && s->r.start_ms == r->start_ms && s->r.end_ms == r->end_ms &&
            s->r.latest_only == r->latest_only && s->r.sorted == r->sorted &&
            s->r.matcher_count == r->matcher_count &&
            same_matchers(s->r.matchers, r->matchers, r->matcher_count))
            return s;
    return NULL;
}

static int select_and_keep(struct eval *ev, const struct select_request *r, struct series_set **out)
{
    struct run *run = ev->run;
    struct eval_shared *s = arena_zalloc(run->arena, sizeof *s);
    struct keeping_set *k = mem_zalloc(sizeof *k);
    if (!s || !k) {
        mem_free(k);
        return eval_nomem(ev);
    }
    int rc = run->q->querier->ops->select(run->q->querier, r, out, run->err);
    if (rc < 0) {
        mem_free(k);
        return rc;
    }
    s->r = *r;
    s->next = run->shared;
    run->shared = s;
    s->histograms = (*out)->histograms;
    *k = (struct keeping_set){
        {&keeping_ops, s->histograms},
        *out, run, s
    };
    *out = &k->set;
    return 0;
}

int eval_select(struct eval *ev, const struct expr *e, const struct select_request *r,
                struct series_set **out)
{
    struct run *run = ev->run;
    struct querier *q = run->q->querier;
    if (!run->has_twins) return q->ops->select(q, r, out, run->err);
    const struct eval_shared *kept = find_kept(run, r);
    if (!kept && has_twin(run, e)) return select_and_keep(ev, r, out);
    if (!kept) return q->ops->select(q, r, out, run->err);
    struct kept_set *k = mem_zalloc(sizeof *k);
    if (!k) return errmsg_set(run->err, -ENOMEM, "out of memory");
    *k = (struct kept_set){
        {&kept_ops, kept->histograms},
        kept, 0
    };
    *out = &k->set;
    return 0;
}
