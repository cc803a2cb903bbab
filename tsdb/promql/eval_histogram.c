/* eval_histogram.c -- where native histograms stand among floats: what goes on without them and
 * says so in Prometheus' words, and what fails because it would need their buckets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/eval_int.h"

int eval_histograms_unsupported(struct eval *ev, const char *what)
{
    return errmsg_set(ev->run->err, E_UNSUPPORTED, "native histograms are not supported yet: %s",
                      what);
}

bool eval_holds_histograms(const double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_histogram(v[i])) return true;
    return false;
}

int eval_ignored_histogram(struct eval *ev, enum aggr_op op, const struct expr *at)
{
    return eval_note(ev, NOTE_INFO, at, "ignored histogram in %s aggregation", aggr_op_text(op));
}

/* --- operators --- */

enum { FLOATS = 1 << 0, SCALED = 1 << 1, SCALES = 1 << 2, HISTOGRAMS = 1 << 3 };

/* Which operands an operator has a result for: two floats, a histogram and a float, a float and a
 * histogram, two histograms. */
static unsigned operands_of(enum binary_op op)
{
    switch (op) {
    case OP_MUL:
        return FLOATS | SCALED | SCALES;
    case OP_DIV:
        return FLOATS | SCALED;
    case OP_TRIM_UPPER:
    case OP_TRIM_LOWER:
        return SCALED;
    case OP_ADD:
    case OP_SUB:
    case OP_EQ:
    case OP_NE:
        return FLOATS | HISTOGRAMS;
    default:
        return FLOATS;
    }
}

int eval_binary_histogram(struct eval *ev, const struct expr *e, double l, double r)
{
    static const char *const kinds[] = {"float", "histogram"};
    static const unsigned pairs[2][2] = {
        {FLOATS, SCALES    },
        {SCALED, HISTOGRAMS}
    };
    const char *op = binary_op_text(e->binary.op);
    bool left = is_histogram(l), right = is_histogram(r);
    if (operands_of(e->binary.op) & pairs[left][right]) return eval_histograms_unsupported(ev, op);
    return eval_note(ev, NOTE_INFO, e,
                     "incompatible sample types encountered for binary operator \"%s\": %s %s %s",
                     op, kinds[left], op, kinds[right]);
}

/* --- ranges --- */

static void note(struct range_call *c, bool warning, const char *what)
{
    c->rc = eval_note(c->ev, warning, c->expr->call.args[0], "%s metric name \"%.*s\"", what,
                      (int)MIN(c->metric.len, 500), c->metric.p ? c->metric.p : "");
}

/* The floats of a window, copied. */
static bool floats_of(struct range_call *c, struct window *w, size_t floats)
{
    int64_t *t = arena_alloc(c->ev->arena, (floats + 1) * sizeof *t);
    double *v = arena_alloc(c->ev->arena, (floats + 1) * sizeof *v);
    if (!t || !v) {
        c->rc = eval_nomem(c->ev);
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (is_histogram(w->v[i])) continue;
        t[n] = w->t[i];
        v[n++] = w->v[i];
    }
    w->t = t;
    w->v = v;
    w->count = n;
    return true;
}

bool eval_sift_window(struct range_call *c, struct window *w)
{
    const struct promql_fn *fn = c->expr->call.fn;
    size_t floats = 0;
    for (size_t i = 0; i < w->count; i++)
        floats += !is_histogram(w->v[i]);
    if (floats == w->count || fn->body.mixed == PROMQL_MIXED_BOTH) return true;
    if (fn->body.mixed == PROMQL_MIXED_FLOATS) {
        if (floats == 0) return false;
        note(c, NOTE_INFO,
             "ignored histograms in a range containing both floats and histograms for");
        return c->rc == 0 && floats_of(c, w, floats);
    }
    if (floats > 0)
        note(c, NOTE_WARNING, "encountered a mix of histograms and floats for");
    else
        c->rc = eval_histograms_unsupported(c->ev, fn->name);
    return false;
}

void eval_mixed_pair(struct range_call *c)
{
    note(c, NOTE_WARNING, "encountered a mix of histograms and floats for");
}
