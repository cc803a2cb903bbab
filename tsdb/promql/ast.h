/* ast.h -- the tree of a PromQL expression (Prometheus 3 grammar).
 *
 * Nodes, texts and label matchers live in the arena given to promql_parse; compiled regular
 * expressions are released by promql_expr_release. Positions are byte offsets into the query.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_AST_H
#define TOCSIN_TSDB_PROMQL_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "tsdb/labels.h"

enum value_type { T_NONE, T_SCALAR, T_VECTOR, T_MATRIX, T_STRING };
const char *value_type_name(enum value_type t); /* "instant vector", "range vector", ... */

enum expr_kind {
    EXPR_NUMBER,
    EXPR_STRING,
    EXPR_SELECTOR /* vector, or matrix when range */,
    EXPR_SUBQUERY,
    EXPR_CALL,
    EXPR_AGGREGATE,
    EXPR_BINARY,
    EXPR_UNARY,
    EXPR_PAREN,
    EXPR_STEP_INVARIANT,
};

enum binary_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_POW,
    OP_ATAN2,
    OP_EQ,
    OP_NE,
    OP_GT,
    OP_LT,
    OP_GE,
    OP_LE,
    OP_AND,
    OP_OR,
    OP_UNLESS,
    OP_TRIM_UPPER,
    OP_TRIM_LOWER, /* </ and >/ on native histograms */
};
const char *binary_op_text(enum binary_op op);

enum aggr_op {
    AGGR_SUM,
    AGGR_AVG,
    AGGR_MIN,
    AGGR_MAX,
    AGGR_COUNT,
    AGGR_GROUP,
    AGGR_STDDEV,
    AGGR_STDVAR,
    AGGR_TOPK,
    AGGR_BOTTOMK,
    AGGR_COUNT_VALUES,
    AGGR_QUANTILE,
    AGGR_LIMITK,
    AGGR_LIMIT_RATIO,
};
const char *aggr_op_text(enum aggr_op op);

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

struct str_list {
    const struct str *v;
    size_t count;
};

struct vector_matching {
    enum match_card card;
    bool on;                              /* on(...) rather than ignoring(...) */
    struct str_list labels;               /* of on/ignoring */
    struct str_list include;              /* of group_left/group_right */
    const double *fill_left, *fill_right; /* fill modifiers; NULL when absent */
};

/* A duration: a plain number of ms, or (duration expressions) a tree evaluated before the query
 * starts: numbers in seconds, + - * / % ^, parentheses, step(), range(), min_of(), max_of(). The
 * value of a range or a step must then come out greater than 0. */
struct expr;
struct duration {
    int64_t ms;
    struct expr *expr; /* NULL for a literal */
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

/* offset and @ of selectors and subqueries */
struct time_modifier {
    struct duration offset;
    bool has_offset;
    enum at_kind at;
    int64_t at_ms;
};

struct promql_fn; /* a row of the function table, fns.h */

enum { PROMQL_MAX_DEPTH = 250 };

struct expr {
    enum expr_kind kind;
    enum value_type type; /* set by the type pass */
    uint32_t start, end;  /* byte range in the query text */
    uint16_t height;      /* levels of tree from here down; at most PROMQL_MAX_DEPTH */
    bool is_duration;     /* EXPR_NUMBER: written as a duration; number is in seconds */
    union {
        double number;
        struct str string;
        struct {
            struct str name;          /* metric name written before the brace, or empty */
            struct matcher *matchers; /* includes __name__ = name */
            size_t matcher_count;
            bool is_range, anchored, smoothed;
            struct duration range;
            struct time_modifier mod;
        } selector;
        struct {
            struct expr *expr;
            struct duration range, step;
            bool has_step;
            struct time_modifier mod;
        } subquery;
        struct {
            const struct promql_fn *fn;
            struct expr **args;
            size_t count;
        } call;
        struct {
            enum aggr_op op;
            bool has_grouping, without;
            struct str_list grouping;
            struct expr *param, *expr; /* param NULL when the operator takes none */
        } aggregate;
        struct {
            enum binary_op op;
            bool return_bool;
            struct expr *lhs, *rhs;
            bool has_matching; /* both sides are vectors */
            struct vector_matching matching;
        } binary;
        struct {
            bool negative;
            struct expr *expr;
        } unary;
        struct {
            struct expr *expr;
        } wrap; /* EXPR_PAREN, EXPR_STEP_INVARIANT */
    };
};

#endif
