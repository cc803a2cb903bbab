/* eval_trace.c -- what every node of an expression did, for explain, and the sample counts of
 * stats=all; nothing of it runs when neither is asked for.
 *
 * A tap stands in the way of a node's rows. Rows are pushed, so a node's consumer runs inside the
 * node's own call; the clock is therefore switched at every tap, from the node to its consumer and
 * back, and the times of all nodes add up to the time of the query:
 *
 *     eval_rows(sum) ── on the clock: sum
 *       eval_rows(rate) ── rate
 *         put(row) ── sum again, until it returns
 *
 * The counts are those of Prometheus' engine. Its total is what the selectors gave to each step: a
 * point of an instant vector, the samples of a window. Its peak is what it would have held in
 * memory at once; we hold less, so it is worked out afterwards from the points each node gave.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tsdb/promql/eval_int.h"

enum { NODES_MAX = 4096, TEXT_MAX = 2048, NO_NODE = UINT32_MAX };

struct trace_node {
    const struct expr *expr;
    uint32_t depth, parent;
    uint64_t rows_in, rows, samples, points;
    int64_t self_ns, total_ns;
    size_t steps;
    uint32_t *by_step;   /* points; with counts only */
    uint64_t range_peak; /* of a call over windows: its points so far and a window, at most */
};

struct trace_key {
    const struct expr *expr;
    uint32_t node;
};

struct eval_trace {
    struct run *run;
    bool timed, counted;
    struct trace_node *v; /* pre-order */
    struct trace_key *keys;
    size_t count;
    uint32_t current;
    int64_t since_ns;
};

/* --- the nodes ----------------------------------------------------------------------------------
 */

static size_t child_count(const struct expr *e)
{
    switch (e->kind) {
    case EXPR_CALL:
        return e->call.count;
    case EXPR_AGGREGATE:
    case EXPR_BINARY:
        return 2;
    case EXPR_UNARY:
    case EXPR_SUBQUERY:
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return 1;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
        break;
    }
    return 0;
}

/* May be NULL: an aggregation without a parameter. */
static const struct expr *child_of(const struct expr *e, size_t i)
{
    switch (e->kind) {
    case EXPR_CALL:
        return e->call.args[i];
    case EXPR_AGGREGATE:
        return i ? e->aggregate.expr : e->aggregate.param;
    case EXPR_BINARY:
        return i ? e->binary.rhs : e->binary.lhs;
    case EXPR_UNARY:
        return e->unary.expr;
    case EXPR_SUBQUERY:
        return e->subquery.expr;
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return e->wrap.expr;
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_SELECTOR:
        break;
    }
    return NULL;
}

static size_t count_nodes(const struct expr *e, size_t before)
{
    size_t n = before + 1;
    for (size_t i = 0; i < child_count(e) && n < NODES_MAX; i++)
        if (child_of(e, i)) n = count_nodes(child_of(e, i), n);
    return n;
}

static void add_nodes(struct eval_trace *t, const struct expr *e, uint32_t parent, uint32_t depth,
                      size_t max)
{
    uint32_t self = (uint32_t)t->count++;
    t->v[self] = (struct trace_node){.expr = e, .parent = parent, .depth = depth};
    t->keys[self] = (struct trace_key){e, self};
    for (size_t i = 0; i < child_count(e); i++)
        if (child_of(e, i) && t->count < max) add_nodes(t, child_of(e, i), self, depth + 1, max);
}

static int by_expr(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct trace_key *)a)->expr;
    uintptr_t y = (uintptr_t)((const struct trace_key *)b)->expr;
    return (x > y) - (x < y);
}

static uint32_t node_of(const struct eval_trace *t, const struct expr *e)
{
    struct trace_key key = {.expr = e};
    const struct trace_key *found = bsearch(&key, t->keys, t->count, sizeof key, by_expr);
    return found ? found->node : NO_NODE;
}

int eval_trace_begin(struct eval *ev, const struct expr *e)
{
    struct run *run = ev->run;
    if (!run->q->explain && !run->q->stats) return 0;
    size_t max = MIN(count_nodes(e, 0), (size_t)NODES_MAX);
    struct eval_trace *t = arena_zalloc(ev->arena, sizeof *t);
    if (!t) return eval_nomem(ev);
    t->run = run;
    t->timed = run->q->explain && run->q->env;
    t->counted = run->q->stats;
    t->v = arena_array(ev->arena, max, sizeof *t->v);
    t->keys = arena_array(ev->arena, max, sizeof *t->keys);
    if (!t->v || !t->keys) return eval_nomem(ev);
    add_nodes(t, e, NO_NODE, 0, max);
    qsort(t->keys, t->count, sizeof t->keys[0], by_expr);
    t->since_ns = t->timed ? env_mono_ns(run->q->env) : 0;
    run->trace = t;
    if (!t->counted) return 0;
    ev->counts = arena_zalloc(ev->arena, sizeof *ev->counts);
    if (ev->counts) ev->counts->by_step = arena_array(run->q->arena, ev->steps, sizeof(uint64_t));
    return ev->counts && ev->counts->by_step ? 0 : eval_nomem(ev);
}

/* --- while it runs ------------------------------------------------------------------------------
 */

/* Puts a node on the clock; returns the one that was. */
static uint32_t enter(struct eval_trace *t, uint32_t node)
{
    uint32_t before = t->current;
    if (t->timed) {
        int64_t now_ns = env_mono_ns(t->run->q->env);
        t->v[before].self_ns += now_ns - t->since_ns;
        t->since_ns = now_ns;
    }
    t->current = node;
    return before;
}

void eval_trace_read(struct eval *ev, size_t samples)
{
    struct eval_trace *t = ev->run->trace;
    if (!t) return;
    t->v[t->current].rows_in++;
    t->v[t->current].samples += samples;
}

static int begin_node(struct eval *ev, struct trace_node *n)
{
    n->steps = ev->steps;
    if (!ev->run->trace->counted || n->by_step) return 0;
    n->by_step = arena_array(ev->run->q->arena, ev->steps, sizeof n->by_step[0]);
    return n->by_step ? 0 : eval_nomem(ev);
}

void counts_repeat(struct sample_counts *to, uint64_t n, size_t steps)
{
    if (!to) return;
    to->total += n * steps;
    for (size_t i = 0; i < steps && to->by_step; i++)
        to->by_step[i] += n;
}

void counts_add(struct sample_counts *to, size_t step, uint64_t n)
{
    if (!to) return;
    to->total += n;
    if (to->by_step) to->by_step[step] += n;
}

/* Whether the points of a node are samples as they were stored. */
static bool gives_samples(const struct expr *e)
{
    if (e->kind == EXPR_SELECTOR) return true;
    return e->kind == EXPR_CALL && e->call.count == 1 &&
           strcmp(e->call.fn->name, "timestamp") == 0 &&
           eval_unwrap(e->call.args[0])->kind == EXPR_SELECTOR;
}

struct tap {
    struct sink sink;
    struct sink *out;
    struct eval *ev;
    uint32_t node, consumer;
    struct sample_counts *counts; /* when the points are samples */
};

static int tap_put(struct sink *s, struct row *row)
{
    struct tap *tap = (struct tap *)s;
    struct eval_trace *t = tap->ev->run->trace;
    struct trace_node *n = &t->v[tap->node];
    uint64_t before = n->points;
    for (size_t i = 0; i < tap->ev->steps; i++) {
        if (is_absent(row->v[i])) continue;
        n->points++;
        if (n->by_step) n->by_step[i]++;
        counts_add(tap->counts, i, 1);
    }
    n->rows += n->points > before;
    enter(t, tap->consumer);
    int rc = tap->out->put(tap->out, row);
    enter(t, tap->node);
    return rc;
}

int eval_trace_rows(struct eval *ev, const struct expr *e, struct sink *out)
{
    struct eval_trace *t = ev->run->trace;
    uint32_t node = node_of(t, e);
    if (node == NO_NODE) return eval_rows_untraced(ev, e, out);
    int rc = begin_node(ev, &t->v[node]);
    if (rc) return rc;
    struct tap tap = {.sink.put = tap_put, .out = out, .ev = ev, .node = node};
    if (gives_samples(e)) tap.counts = ev->counts;
    tap.consumer = enter(t, node);
    rc = eval_rows_untraced(ev, e, &tap.sink);
    enter(t, tap.consumer);
    return rc;
}

int eval_trace_scalar(struct eval *ev, const struct expr *e, double *out)
{
    struct eval_trace *t = ev->run->trace;
    uint32_t node = node_of(t, e);
    if (node == NO_NODE) return eval_scalar_untraced(ev, e, out);
    int rc = begin_node(ev, &t->v[node]);
    if (rc) return rc;
    uint32_t consumer = enter(t, node);
    rc = eval_scalar_untraced(ev, e, out);
    enter(t, consumer);
    struct trace_node *n = &t->v[node];
    n->rows = 1;
    n->points = ev->steps;
    for (size_t i = 0; i < ev->steps && n->by_step; i++)
        n->by_step[i] = 1;
    return rc;
}

struct range_tap {
    struct range_sink sink;
    struct range_sink *out;
    struct eval *ev;
    const struct windows *w;
    uint32_t node, consumer;
    bool counted;
};

/* The samples in each step's window; returns the most in one. */
static size_t count_windows(struct range_tap *tap, const struct samples *s)
{
    size_t lo = 0, hi = 0, most = 0;
    for (size_t i = 0; i < tap->ev->steps; i++) {
        int64_t end = tap->w->first_end_ms + (int64_t)i * tap->w->stride_ms;
        int64_t start = ms_sub(end, tap->w->range_ms);
        while (hi < s->count && s->t[hi] <= end)
            hi++;
        while (lo < hi && s->t[lo] <= start)
            lo++;
        counts_add(tap->ev->counts, i, hi - lo);
        most = MAX(most, hi - lo);
    }
    return most;
}

static int range_tap_put(struct range_sink *s, const struct samples *samples)
{
    struct range_tap *tap = (struct range_tap *)s;
    struct eval_trace *t = tap->ev->run->trace;
    t->v[tap->node].rows++;
    t->v[tap->node].points += samples->count;
    size_t window = tap->counted ? count_windows(tap, samples) : 0;
    enter(t, tap->consumer);
    int rc = tap->out->put(tap->out, samples);
    enter(t, tap->node);
    struct trace_node *to = &t->v[tap->consumer];
    if (window && tap->consumer != tap->node)
        to->range_peak = MAX(to->range_peak, to->points + window);
    return rc;
}

int eval_trace_range(struct eval *ev, const struct expr *e, const char *func, struct windows *w,
                     struct range_sink *out)
{
    struct eval_trace *t = ev->run->trace;
    uint32_t node = node_of(t, e);
    if (node == NO_NODE) return eval_range_untraced(ev, e, func, w, out);
    struct range_tap tap = {.sink.put = range_tap_put, .out = out, .ev = ev, .w = w, .node = node};
    tap.counted = t->counted && (*func || e->kind == EXPR_SELECTOR);
    t->v[node].steps = ev->steps;
    tap.consumer = enter(t, node);
    int rc = eval_range_untraced(ev, e, func, w, &tap.sink);
    enter(t, tap.consumer);
    return rc;
}

/* --- afterwards ---------------------------------------------------------------------------------
 */

/* The samples Prometheus' engine would have in memory. */
struct holding {
    uint64_t now, peak;
};

static void hold(struct holding *h, uint64_t now)
{
    h->peak = MAX(h->peak, now);
}

static uint64_t points_at(const struct trace_node *n, size_t step)
{
    return !n->by_step ? 0 : n->by_step[n->steps > 1 ? step : 0];
}

static bool is_child(const struct eval_trace *t, size_t node, size_t of)
{
    return t->v[node].parent == of;
}

/* The operands stay in memory; step by step they are gathered and the results come on top. */
static void hold_steps(const struct eval_trace *t, size_t node, uint64_t before, struct holding *h)
{
    const struct trace_node *n = &t->v[node];
    uint64_t kept = h->now;
    size_t steps = n->steps;
    for (size_t i = node + 1; i < t->count && t->v[i].depth > n->depth; i++)
        if (is_child(t, i, node) && t->v[i].steps == 1) steps = 1; /* done once, then repeated */
    for (size_t step = 0; step < steps; step++) {
        uint64_t gathered = 0;
        for (size_t i = node + 1; i < t->count && t->v[i].depth > n->depth; i++)
            if (is_child(t, i, node)) gathered += points_at(&t->v[i], step);
        kept += points_at(n, step);
        hold(h, kept + gathered);
    }
    h->now = before + n->points;
    hold(h, h->now);
}

static void hold_node(const struct eval_trace *t, size_t node, struct holding *h)
{
    const struct trace_node *n = &t->v[node];
    uint64_t before = h->now;
    bool passes = n->expr->kind == EXPR_PAREN || n->expr->kind == EXPR_STEP_INVARIANT ||
                  n->expr->kind == EXPR_UNARY || n->expr->type == T_MATRIX;
    for (size_t i = node + 1; i < t->count && t->v[i].depth > n->depth; i++)
        if (is_child(t, i, node)) hold_node(t, i, h);
    if (n->expr->kind == EXPR_SELECTOR && n->expr->type == T_VECTOR) {
        h->now += n->points;
        hold(h, h->now);
    } else if (n->range_peak) {
        hold(h, before + n->range_peak);
        h->now = before + n->points;
        hold(h, h->now);
    } else if (!passes) {
        hold_steps(t, node, before, h);
    }
}

static const char *kind_of(const struct expr *e)
{
    static const char *const kinds[] = {
        [EXPR_NUMBER] = "number",     [EXPR_STRING] = "string",
        [EXPR_SELECTOR] = "selector", [EXPR_SUBQUERY] = "subquery",
        [EXPR_CALL] = "call",         [EXPR_AGGREGATE] = "aggregation",
        [EXPR_BINARY] = "binary",     [EXPR_UNARY] = "unary",
        [EXPR_PAREN] = "parentheses", [EXPR_STEP_INVARIANT] = "step invariant",
    };
    return e->kind == EXPR_SELECTOR && e->selector.is_range ? "range selector" : kinds[e->kind];
}

static struct str text_of(struct arena *a, const struct expr *e)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    int rc = promql_print(e, &text);
    text.max += 8;
    if (rc == E_TOO_BIG) {
        text.err = 0;
        buf_addstr(&text, "...");
    }
    struct str copy = arena_str(a, (struct str){text.p ? text.p : "", text.len});
    buf_release(&text);
    return copy;
}

/* Nodes that stand for another (parentheses around a scalar or a range) show what that did. */
static void sum_up(struct eval_trace *t)
{
    for (size_t i = t->count; i-- > 0;) {
        struct trace_node *n = &t->v[i], *parent = n->parent == NO_NODE ? NULL : &t->v[n->parent];
        n->total_ns += n->self_ns;
        if (!parent) continue;
        parent->total_ns += n->total_ns;
        parent->rows_in += n->rows;
        if (parent->expr->kind != EXPR_PAREN || parent->rows) continue;
        parent->rows = n->rows;
        parent->points = n->points;
    }
}

static int tell_nodes(struct eval *ev, struct promql_result *out)
{
    struct eval_trace *t = ev->run->trace;
    struct arena *a = ev->run->q->arena;
    out->nodes = arena_array(a, t->count, sizeof out->nodes[0]);
    if (!out->nodes) return eval_nomem(ev);
    sum_up(t);
    for (size_t i = 0; i < t->count; i++) {
        const struct trace_node *n = &t->v[i];
        out->nodes[i] = (struct promql_node){
            .depth = n->depth,
            .expr = text_of(a, n->expr),
            .kind = kind_of(n->expr),
            .rows_in = n->rows_in,
            .rows = n->rows,
            .samples = n->samples,
            .points = n->points,
            .self_ns = n->self_ns,
            .total_ns = n->total_ns,
        };
        if (!out->nodes[i].expr.p) return eval_nomem(ev);
    }
    out->node_count = t->count;
    return 0;
}

int eval_trace_end(struct eval *ev, struct promql_result *out)
{
    struct eval_trace *t = ev->run->trace;
    if (!t) return 0;
    enter(t, 0);
    if (t->counted) {
        struct holding h = {0};
        hold_node(t, 0, &h);
        if (t->v[0].expr->type == T_MATRIX && t->v[0].expr->kind == EXPR_SELECTOR)
            hold(&h, t->v[0].points);
        out->queryable_samples = ev->counts->total;
        out->samples_per_step = ev->counts->by_step;
        out->step_count = ev->steps;
        out->peak_samples = MAX(h.peak, h.now);
    }
    return ev->run->q->explain ? tell_nodes(ev, out) : 0;
}
