/* print.c -- the canonical one-line text of an expression: upstream's String(), which parses back
 * to an equal tree (an offset of zero excepted: it is left out).
 *
 * Parentheses are nodes of the tree, so no binding powers are needed here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/print_int.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/promql/fns.h"

/* --- texts and numbers --- */

/* Bytes of one UTF-8 character at p, or 0 when it is none. */
static size_t utf8_len(const char *p, size_t left)
{
    for (size_t len = 1; len <= 4 && len <= left; len++)
        if (str_is_utf8((struct str){p, len})) return len;
    return 0;
}

void promql_print_quoted(struct str s, struct buf *out)
{
    static const char letters[] = "abtnvfr"; /* of \a (7) to \r (13) */
    buf_addch(out, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = utf8_len(s.p + i, s.len - i);
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c >= '\a' && c <= '\r')
            buf_addf(out, "\\%c", letters[c - '\a']);
        else if (c < ' ' || c == 0x7f || len == 0)
            buf_addf(out, "\\x%02x", c);
        else
            buf_add(out, s.p + i, len);
        i += len ? len : 1;
    }
    buf_addch(out, '"');
}

static void print_label_name(struct str name, struct buf *out)
{
    if (label_name_is_legacy(name))
        buf_add(out, name.p, name.len);
    else
        promql_print_quoted(name, out);
}

static void print_labels(struct str_list labels, struct buf *out)
{
    buf_addch(out, '(');
    for (size_t i = 0; i < labels.count; i++) {
        if (i) buf_addstr(out, ", ");
        print_label_name(labels.v[i], out);
    }
    buf_addch(out, ')');
}

static void print_double(double v, struct buf *out)
{
    char text[STR_DOUBLE_MAX];
    buf_add(out, text, str_from_double_f(v, text));
}

static void print_ms(int64_t ms, struct buf *out)
{
    char text[64];
    if (ms < 0) buf_addch(out, '-');
    buf_add(out, text, str_from_duration(ms < 0 ? -ms : ms, text));
}

static void print_duration(const struct duration *d, struct buf *out)
{
    if (d->expr)
        promql_print(d->expr, out);
    else
        print_ms(d->ms, out);
}

/* --- selectors and subqueries --- */

static void print_modifier(const struct time_modifier *mod, struct buf *out)
{
    uint64_t ms = mod->at_ms < 0 ? -(uint64_t)mod->at_ms : (uint64_t)mod->at_ms;
    if (mod->at == AT_START) buf_addstr(out, " @ start()");
    if (mod->at == AT_END) buf_addstr(out, " @ end()");
    if (mod->at == AT_TIME)
        buf_addf(out, " @ %s%llu.%03u", mod->at_ms < 0 ? "-" : "", (unsigned long long)(ms / 1000),
                 (unsigned)(ms % 1000));
    if (!mod->has_offset || (!mod->offset.expr && mod->offset.ms == 0)) return;
    buf_addstr(out, " offset ");
    print_duration(&mod->offset, out);
}

static void print_matcher(const struct matcher *m, struct buf *out)
{
    print_label_name(m->name, out);
    buf_addstr(out, matcher_op(m->type));
    promql_print_quoted(m->value, out);
}

/* The part of a buffer that one matcher's text takes. */
struct piece {
    const struct buf *b;
    size_t start, len;
};

static int piece_cmp(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    return str_cmp((struct str){x->b->p + x->start, x->len},
                   (struct str){y->b->p + y->start, y->len});
}

/* {a="b",c="d"}, sorted by text. The matcher of the name before the brace is the last one. */
static void print_matchers(const struct expr *e, struct buf *out)
{
    size_t count = e->selector.matcher_count - (e->selector.name.len > 0);
    struct buf texts = BUF_INIT(out->max);
    struct piece *pieces = mem_array(count ? count : 1, sizeof *pieces);
    if (!pieces) {
        out->err = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t start = texts.len;
        print_matcher(&e->selector.matchers[i], &texts);
        pieces[i] = (struct piece){&texts, start, texts.len - start};
    }
    if (texts.err && !out->err) out->err = texts.err;
    qsort(pieces, texts.err ? 0 : count, sizeof *pieces, piece_cmp);
    buf_addch(out, '{');
    for (size_t i = 0; i < count && !out->err; i++) {
        if (i) buf_addch(out, ',');
        buf_add(out, texts.p + pieces[i].start, pieces[i].len);
    }
    buf_addch(out, '}');
    buf_release(&texts);
    mem_free(pieces);
}

static void print_selector(const struct expr *e, struct buf *out)
{
    struct str name = e->selector.name;
    if (name.len) buf_add(out, name.p, name.len);
    if (name.len == 0 || e->selector.matcher_count > 1) print_matchers(e, out);
    if (e->selector.is_range) {
        buf_addch(out, '[');
        print_duration(&e->selector.range, out);
        buf_addch(out, ']');
    }
    if (e->selector.anchored) buf_addstr(out, " anchored");
    if (e->selector.smoothed) buf_addstr(out, " smoothed");
    print_modifier(&e->selector.mod, out);
}

void promql_print_subquery_suffix(const struct expr *e, struct buf *out)
{
    buf_addch(out, '[');
    print_duration(&e->subquery.range, out);
    buf_addch(out, ':');
    if (e->subquery.has_step) print_duration(&e->subquery.step, out);
    buf_addch(out, ']');
    print_modifier(&e->subquery.mod, out);
}

/* --- operators --- */

static void print_fills(const struct vector_matching *m, struct buf *out)
{
    bool same =
        m->fill_left && m->fill_right && double_bits(*m->fill_left) == double_bits(*m->fill_right);
    const struct {
        const char *word;
        const double *v;
    } rows[] = {
        {"fill",       same ? m->fill_left : NULL },
        {"fill_left",  same ? NULL : m->fill_left },
        {"fill_right", same ? NULL : m->fill_right},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!rows[i].v) continue;
        buf_addf(out, " %s (", rows[i].word);
        print_double(*rows[i].v, out);
        buf_addch(out, ')');
    }
}

void promql_print_operator(const struct expr *e, struct buf *out)
{
    const struct vector_matching *m = &e->binary.matching;
    bool group = m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY;
    buf_addstr(out, binary_op_text(e->binary.op));
    if (e->binary.return_bool) buf_addstr(out, " bool");
    if (e->binary.has_matching && (m->labels.count > 0 || m->on || group)) {
        buf_addstr(out, m->on ? " on " : " ignoring ");
        print_labels(m->labels, out);
    }
    if (group) {
        buf_addstr(out, m->card == CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        print_labels(m->include, out);
    }
    print_fills(m, out);
}

bool promql_base_is_inf(const struct expr *e)
{
    const struct expr *base = e->binary.lhs;
    return e->binary.op == OP_POW && base->kind == EXPR_NUMBER && isinf(base->number);
}

static void print_binary(const struct expr *e, struct buf *out)
{
    if (promql_base_is_inf(e))
        buf_addstr(out, "Inf");
    else
        promql_print(e->binary.lhs, out);
    buf_addch(out, ' ');
    promql_print_operator(e, out);
    buf_addch(out, ' ');
    promql_print(e->binary.rhs, out);
}

void promql_print_aggregate_head(const struct expr *e, struct buf *out)
{
    buf_addstr(out, aggr_op_text(e->aggregate.op));
    if (!e->aggregate.without && e->aggregate.grouping.count == 0) return;
    buf_addstr(out, e->aggregate.without ? " without " : " by ");
    print_labels(e->aggregate.grouping, out);
    buf_addch(out, ' ');
}

/* --- every node --- */

static void print_call(const struct expr *e, struct buf *out)
{
    buf_addf(out, "%s(", e->call.fn->name);
    for (size_t i = 0; i < e->call.count; i++) {
        if (i) buf_addstr(out, ", ");
        promql_print(e->call.args[i], out);
    }
    buf_addch(out, ')');
}

static void print_aggregate(const struct expr *e, struct buf *out)
{
    promql_print_aggregate_head(e, out);
    buf_addch(out, '(');
    if (e->aggregate.param) {
        promql_print(e->aggregate.param, out);
        buf_addstr(out, ", ");
    }
    promql_print(e->aggregate.expr, out);
    buf_addch(out, ')');
}

static void print_number(const struct expr *e, struct buf *out)
{
    if (e->is_duration)
        print_ms(llround(e->number * 1000), out);
    else
        print_double(e->number, out);
}

int promql_print(const struct expr *e, struct buf *out)
{
    switch (e->kind) {
    case EXPR_NUMBER:
        print_number(e, out);
        break;
    case EXPR_STRING:
        promql_print_quoted(e->string, out);
        break;
    case EXPR_SELECTOR:
        print_selector(e, out);
        break;
    case EXPR_SUBQUERY:
        promql_print(e->subquery.expr, out);
        promql_print_subquery_suffix(e, out);
        break;
    case EXPR_CALL:
        print_call(e, out);
        break;
    case EXPR_AGGREGATE:
        print_aggregate(e, out);
        break;
    case EXPR_BINARY:
        print_binary(e, out);
        break;
    case EXPR_UNARY:
        buf_addch(out, e->unary.negative ? '-' : '+');
        promql_print(e->unary.expr, out);
        break;
    case EXPR_PAREN:
        buf_addch(out, '(');
        promql_print(e->wrap.expr, out);
        buf_addch(out, ')');
        break;
    case EXPR_STEP_INVARIANT:
        promql_print(e->wrap.expr, out);
        break;
    }
    return out->err;
}
