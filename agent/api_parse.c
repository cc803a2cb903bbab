/* api_parse.c -- /api/v1/format_query, parse_query: expressions as texts and as trees.
 *
 * The tree is Prometheus', which its page and Grafana's query builder read: one object a node, its
 * members in the order of their names. Lists are never null; a modifier that is absent is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"
#include "tsdb/promql/fns.h"

enum { FORMAT_COLUMNS = 100, PARSE_ARENA_MAX = 32 << 20, PRETTY_MAX = 4 << 20 };

/* --- parts of nodes --- */

static void put_str_list(struct json *j, const char *key, struct str_list list)
{
    json_kv_arr(j, key);
    for (size_t i = 0; i < list.count; i++)
        json_str(j, list.v[i]);
    json_end(j);
}

static void put_float(struct json *j, const char *key, double v)
{
    char text[STR_DOUBLE_MAX];
    size_t len = str_from_double_f(v, text);
    json_kv_str(j, key, (struct str){text, len});
}

static void put_child(struct json *j, const char *key, const struct expr *e)
{
    json_key(j, key);
    if (e)
        api_ast(j, e);
    else
        json_nil(j);
}

static void put_matcher(struct json *j, const struct matcher *m)
{
    json_obj(j);
    json_kv_str(j, "name", m->name);
    json_kv_cstr(j, "type", matcher_op(m->type));
    json_kv_str(j, "value", m->value);
    json_end(j);
}

/* The matcher that stands for a name before the brace comes last. */
static void put_matchers(struct json *j, const struct expr *e)
{
    const struct matcher *name = NULL;
    json_kv_arr(j, "matchers");
    for (size_t i = 0; i < e->selector.matcher_count; i++) {
        const struct matcher *m = &e->selector.matchers[i];
        if (!name && e->selector.name.len && m->type == MATCH_EQ &&
            str_eq(m->name, STR(METRIC_NAME)) && str_eq(m->value, e->selector.name))
            name = m;
        else
            put_matcher(j, m);
    }
    if (name) put_matcher(j, name);
    json_end(j);
}

/* --- durations --- */

static void put_duration_node(struct json *j, const struct expr *e, bool wrapped);

static void put_duration_child(struct json *j, const char *key, const struct expr *e)
{
    json_key(j, key);
    if (e)
        put_duration_node(j, e, false);
    else
        json_nil(j);
}

static void put_duration_op(struct json *j, const char *op, const struct expr *lhs,
                            const struct expr *rhs, bool wrapped)
{
    json_obj(j);
    put_duration_child(j, "lhs", lhs);
    json_kv_cstr(j, "op", op);
    put_duration_child(j, "rhs", rhs);
    json_kv_cstr(j, "type", "durationExpr");
    json_kv_bool(j, "wrapped", wrapped);
    json_end(j);
}

static void put_duration_call(struct json *j, const struct expr *e, bool wrapped)
{
    const struct expr *lhs = e->call.count > 0 ? e->call.args[0] : NULL;
    const struct expr *rhs = e->call.count > 1 ? e->call.args[1] : NULL;
    put_duration_op(j, e->call.fn->name, lhs, rhs, wrapped);
}

static void put_duration_number(struct json *j, const struct expr *e)
{
    json_obj(j);
    json_kv_bool(j, "duration", e->is_duration);
    json_kv_cstr(j, "type", "numberLiteral");
    put_float(j, "val", e->number);
    json_end(j);
}

static void put_duration_node(struct json *j, const struct expr *e, bool wrapped)
{
    if (e->kind == EXPR_PAREN)
        put_duration_node(j, e->wrap.expr, true);
    else if (e->kind == EXPR_NUMBER)
        put_duration_number(j, e);
    else if (e->kind == EXPR_CALL)
        put_duration_call(j, e, wrapped);
    else if (e->kind == EXPR_UNARY)
        put_duration_op(j, e->unary.negative ? "-" : "+", NULL, e->unary.expr, wrapped);
    else
        put_duration_op(j, binary_op_text(e->binary.op), e->binary.lhs, e->binary.rhs, wrapped);
}

/* "range": milliseconds, "rangeExpr": null; or 0 and the tree. */
static void put_duration(struct json *j, const char *key, const char *expr_key,
                         const struct duration *d)
{
    json_kv_int(j, key, d->expr ? 0 : d->ms);
    put_duration_child(j, expr_key, d->expr);
}

static void put_at(struct json *j, const struct time_modifier *mod)
{
    json_key(j, "startOrEnd");
    if (mod->at == AT_START || mod->at == AT_END)
        json_cstr(j, mod->at == AT_START ? "start" : "end");
    else
        json_nil(j);
}

static void put_timestamp(struct json *j, const struct time_modifier *mod)
{
    json_key(j, "timestamp");
    if (mod->at == AT_TIME)
        json_int(j, mod->at_ms);
    else
        json_nil(j);
}

/* --- nodes --- */

static void put_number(struct json *j, const struct expr *e)
{
    json_kv_cstr(j, "type", "numberLiteral");
    put_float(j, "val", e->number);
}

static void put_string(struct json *j, const struct expr *e)
{
    json_kv_cstr(j, "type", "stringLiteral");
    json_kv_str(j, "val", e->string);
}

static void put_selector(struct json *j, const struct expr *e)
{
    json_kv_bool(j, "anchored", e->selector.anchored);
    put_matchers(j, e);
    json_kv_str(j, "name", e->selector.name);
    put_duration(j, "offset", "offsetExpr", &e->selector.mod.offset);
    if (e->selector.is_range) put_duration(j, "range", "rangeExpr", &e->selector.range);
    json_kv_bool(j, "smoothed", e->selector.smoothed);
    put_at(j, &e->selector.mod);
    put_timestamp(j, &e->selector.mod);
    json_kv_cstr(j, "type", e->selector.is_range ? "matrixSelector" : "vectorSelector");
}

static void put_subquery(struct json *j, const struct expr *e)
{
    put_child(j, "expr", e->subquery.expr);
    put_duration(j, "offset", "offsetExpr", &e->subquery.mod.offset);
    put_duration(j, "range", "rangeExpr", &e->subquery.range);
    put_at(j, &e->subquery.mod);
    put_duration(j, "step", "stepExpr", &e->subquery.step);
    put_timestamp(j, &e->subquery.mod);
    json_kv_cstr(j, "type", "subquery");
}

static void put_function(struct json *j, const struct promql_fn *fn)
{
    json_kv_obj(j, "func");
    json_kv_arr(j, "argTypes");
    for (size_t i = 0; i < PROMQL_FN_ARGS && fn->args[i] != T_NONE; i++)
        json_cstr(j, api_type_name(fn->args[i]));
    json_end(j);
    json_kv_cstr(j, "name", fn->name);
    json_kv_cstr(j, "returnType", api_type_name(fn->result));
    json_kv_int(j, "variadic",
                fn->max_args == PROMQL_FN_VARIADIC ? -1 : fn->max_args - fn->min_args);
    json_end(j);
}

static void put_call(struct json *j, const struct expr *e)
{
    json_kv_arr(j, "args");
    for (size_t i = 0; i < e->call.count; i++)
        api_ast(j, e->call.args[i]);
    json_end(j);
    put_function(j, e->call.fn);
    json_kv_cstr(j, "type", "call");
}

static void put_aggregate(struct json *j, const struct expr *e)
{
    put_child(j, "expr", e->aggregate.expr);
    put_str_list(j, "grouping", e->aggregate.grouping);
    json_kv_cstr(j, "op", aggr_op_text(e->aggregate.op));
    put_child(j, "param", e->aggregate.param);
    json_kv_cstr(j, "type", "aggregation");
    json_kv_bool(j, "without", e->aggregate.without);
}

static void put_fill(struct json *j, const char *key, const double *v)
{
    json_key(j, key);
    if (v)
        json_double(j, *v);
    else
        json_nil(j);
}

static void put_matching(struct json *j, const struct vector_matching *m)
{
    static const char *const cards[] = {
        [CARD_ONE_TO_ONE] = "one-to-one",
        [CARD_MANY_TO_ONE] = "many-to-one",
        [CARD_ONE_TO_MANY] = "one-to-many",
        [CARD_MANY_TO_MANY] = "many-to-many",
    };
    json_obj(j);
    json_kv_cstr(j, "card", cards[m->card]);
    json_kv_obj(j, "fillValues");
    put_fill(j, "lhs", m->fill_left);
    put_fill(j, "rhs", m->fill_right);
    json_end(j);
    put_str_list(j, "include", m->include);
    put_str_list(j, "labels", m->labels);
    json_kv_bool(j, "on", m->on);
    json_end(j);
}

static void put_binary(struct json *j, const struct expr *e)
{
    json_kv_bool(j, "bool", e->binary.return_bool);
    put_child(j, "lhs", e->binary.lhs);
    json_key(j, "matching");
    if (e->binary.has_matching)
        put_matching(j, &e->binary.matching);
    else
        json_nil(j);
    json_kv_cstr(j, "op", binary_op_text(e->binary.op));
    put_child(j, "rhs", e->binary.rhs);
    json_kv_cstr(j, "type", "binaryExpr");
}

static void put_unary(struct json *j, const struct expr *e)
{
    put_child(j, "expr", e->unary.expr);
    json_kv_cstr(j, "op", e->unary.negative ? "-" : "+");
    json_kv_cstr(j, "type", "unaryExpr");
}

static void put_paren(struct json *j, const struct expr *e)
{
    put_child(j, "expr", e->wrap.expr);
    json_kv_cstr(j, "type", "parenExpr");
}

void api_ast(struct json *j, const struct expr *e)
{
    static void (*const writers[])(struct json * j, const struct expr *e) = {
        [EXPR_NUMBER] = put_number,     [EXPR_STRING] = put_string,
        [EXPR_SELECTOR] = put_selector, [EXPR_SUBQUERY] = put_subquery,
        [EXPR_CALL] = put_call,         [EXPR_AGGREGATE] = put_aggregate,
        [EXPR_BINARY] = put_binary,     [EXPR_UNARY] = put_unary,
        [EXPR_PAREN] = put_paren,
    };
    while (e->kind == EXPR_STEP_INVARIANT)
        e = e->wrap.expr;
    json_obj(j);
    writers[e->kind](j, e);
    json_end(j);
}

/* --- the endpoints --- */

int api_parse(struct str text, unsigned features, struct arena *a, struct expr **out,
              struct errmsg *err)
{
    int rc = promql_parse(text, features, a, out, err);
    if (rc < 0 && text.len == 0) err->line = 0; /* nothing has no place */
    return rc == E_TOO_BIG ? E_PARSE : rc;
}

typedef void use_fn(const struct expr *e, struct response *p);

static struct str text_of(const struct request *r)
{
    struct str text = request_param(r, "query");
    return text.p ? text : STR("");
}

/* Parses and hands the tree to use. Returns 0, or the parser's code with err filled. */
static int with_expr(struct app *a, struct str text, struct response *p, use_fn *use,
                     struct errmsg *err)
{
    struct app_settings s;
    struct arena arena;
    struct expr *expr = NULL;
    app_settings(a, &s);
    arena_init(&arena, PARSE_ARENA_MAX);
    int rc = api_parse(text, api_promql_features(&s), &arena, &expr, err);
    if (rc == 0) use(expr, p);
    if (rc == 0) promql_expr_release(expr);
    arena_release(&arena);
    return rc;
}

static void use_nothing(const struct expr *e, struct response *p)
{
    UNUSED(e);
    UNUSED(p);
}

int api_check_text(struct app *a, struct str text, struct response *p)
{
    char why[API_PARSE_ERROR_MAX];
    struct errmsg err = {0};
    int rc = with_expr(a, text, p, use_nothing, &err);
    if (rc == E_PARSE)
        response_fail(p, "bad_data", "%s", api_parse_error(&err, why));
    else if (rc < 0)
        api_fail_exec(p, rc, &err);
    return rc;
}

static void use_pretty(const struct expr *e, struct response *p)
{
    struct buf pretty = BUF_INIT(PRETTY_MAX);
    struct json j;
    promql_pretty(e, FORMAT_COLUMNS, &pretty);
    api_begin(p, &j);
    json_str(&j, (struct str){pretty.p, pretty.len});
    api_end(p, &j, NULL, false);
    if (pretty.err) response_fail(p, "execution", "the formatted query is too long");
    buf_release(&pretty);
}

static void use_tree(const struct expr *e, struct response *p)
{
    struct json j;
    api_begin(p, &j);
    api_ast(&j, e);
    api_end(p, &j, NULL, false);
}

void api_format_query(struct app *a, struct request *r, struct response *p)
{
    struct errmsg err = {0};
    int rc = with_expr(a, text_of(r), p, use_pretty, &err);
    if (rc < 0) api_fail_query(p, rc, &err);
}

void api_parse_query(struct app *a, struct request *r, struct response *p)
{
    struct errmsg err = {0};
    int rc = with_expr(a, text_of(r), p, use_tree, &err);
    if (rc < 0) api_fail_query(p, rc, &err);
}
