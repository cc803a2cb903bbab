/* template_int.h -- what the files of the template engine share: tree, values, functions.
 *
 *     template_lex.c    text and actions into tokens
 *     template_parse.c  tokens into a tree
 *     template_exec.c   the tree into text
 *     template_value.c  values: truth, comparison, printing as Go's %v
 *     template_fmt.c    printf with Go's verbs
 *     template_time.c   times and durations as Go prints them
 *     template_fns.c    the function table: Go's own and Prometheus'
 *
 * Everything lives in an arena: the tree in that of template_parse, values in that of the run.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_TEMPLATE_INT_H
#define TOCSIN_RULES_TEMPLATE_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "rules/template.h"

enum {
    TEMPLATE_OUTPUT_MAX = 64 << 10,
    TEMPLATE_STEPS_MAX = 100000,
    TEMPLATE_DEPTH_MAX = 64, /* blocks, parentheses and template calls inside each other */
    TEMPLATE_VARS_MAX = 128, /* variables in scope at once */
    TEMPLATE_ARGS_MAX = 32,  /* arguments of one call */
};

/* --- values --- */

enum tkind {
    TV_NIL, /* nothing: prints <no value> */
    TV_BOOL,
    TV_INT,
    TV_UINT,
    TV_FLOAT,
    TV_STRING,
    TV_MAP, /* also structs */
    TV_LIST,
    TV_TIME,     /* i: nanoseconds since the epoch */
    TV_DURATION, /* i: nanoseconds */
};

struct tmap;
struct tlist;
struct tval {
    enum tkind kind;
    bool safe; /* a string that HTML output does not escape */
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double f;
        struct str s;
        const struct tmap *map;
        const struct tlist *list;
    };
};

struct tentry {
    struct str key;
    struct tval value;
};
struct tmap {
    const char *type; /* as Go would name it in messages */
    bool is_struct;   /* a missing field is an error */
    bool of_strings;  /* a missing key is "" */
    size_t count;
    struct tentry *v; /* maps: sorted by key */
};
struct tlist {
    const char *type;
    size_t count;
    struct tval *v;
};

static inline struct tval tval_string(struct str s)
{
    return (struct tval){.kind = TV_STRING, .s = s};
}
static inline struct tval tval_float(double f)
{
    return (struct tval){.kind = TV_FLOAT, .f = f};
}
static inline struct tval tval_int(int64_t i)
{
    return (struct tval){.kind = TV_INT, .i = i};
}
static inline struct tval tval_bool(bool b)
{
    return (struct tval){.kind = TV_BOOL, .b = b};
}

const char *tval_type(const struct tval *v); /* Go's name: "float64", "string", ... */
bool tval_truth(const struct tval *v);
/* The entry of a map or struct; NULL when absent. */
const struct tval *tmap_get(const struct tmap *m, struct str key);
int tval_labels(struct arena *a, struct labels ls, struct tval *out) MUST_CHECK;
/* {Labels, Value}, as `query` returns and `label`, `value` take them. */
int tval_sample(struct arena *a, struct labels ls, double value, struct tval *out) MUST_CHECK;
/* Prometheus' convertToFloat: numbers, durations (seconds) and text. */
int tval_to_float(const struct tval *v, double *out, struct errmsg *err) MUST_CHECK;
/* Go's order: < 0, 0, > 0 in *out; E_INVALID for kinds that do not compare. */
int tval_compare(const struct tval *a, const struct tval *b, int *out,
                 struct errmsg *err) MUST_CHECK;
int tval_equal(const struct tval *a, const struct tval *b, bool *out,
               struct errmsg *err) MUST_CHECK;
/* As fmt.Fprint prints it; nil is <no value>. */
void tval_print(const struct tval *v, struct buf *out);
/* Go's %v of a double: shortest; exponent form below 1e-4 and from 1e6 on (1e+06, 1.5e+09). */
void tval_print_double(double v, struct buf *out);

/* Go's Sprintf. */
void template_printf(struct str fmt, const struct tval *args, size_t count, struct buf *out);

/* As Go prints a UTC time and a duration; t.Format(layout). */
void template_print_time(int64_t ns, struct buf *out);
void template_print_duration(int64_t ns, struct buf *out);
void template_format_time(int64_t ns, struct str layout, struct buf *out);

/* --- tree --- */

/* A thing a command is made of. */
enum targ_kind {
    TARG_DOT,
    TARG_CONST, /* value; also nil */
    TARG_FIELD, /* .a.b */
    TARG_VAR,   /* $x.a.b */
    TARG_FN,    /* a function's name */
    TARG_PIPE,  /* (pipeline).a.b */
};

struct template_fn;
struct tpipe;
struct targ {
    enum targ_kind kind;
    uint32_t start, end; /* bytes of the text */
    struct tval value;
    struct str var;
    const struct template_fn *fn;
    struct tpipe *pipe;
    struct str *fields;
    size_t field_count;
    struct targ *next;
};

struct tcmd {
    uint32_t start, end;
    struct targ *args; /* at least one */
    struct tcmd *next;
};

struct tpipe {
    uint32_t start, end;
    struct str decl[2]; /* variables set */
    size_t decl_count;
    bool assign; /* = rather than := */
    struct tcmd *cmds;
};

enum tnode_kind {
    TNODE_TEXT,
    TNODE_PIPE,
    TNODE_IF,
    TNODE_WITH,
    TNODE_RANGE,
    TNODE_TEMPLATE,
    TNODE_BREAK,
    TNODE_CONTINUE
};
struct tnode {
    enum tnode_kind kind;
    uint32_t start;
    struct str text; /* TEXT; name of TEMPLATE */
    struct tpipe *pipe;
    struct tnode *body, *otherwise;
    struct tnode *next;
};

struct tdefine {
    struct str name;
    struct tnode *body;
    struct tdefine *next;
};

struct template
{
    struct str text;
    const char *name;
    struct tnode *body;
    struct tdefine *defines;
};

/* --- tokens --- */

enum ttok {
    TT_EOF,
    TT_TEXT,
    TT_LEFT,  /* {{ */
    TT_RIGHT, /* }} */
    TT_PIPE,
    TT_LPAREN,
    TT_RPAREN,
    TT_DECLARE, /* := */
    TT_ASSIGN,
    TT_COMMA,
    TT_DOT,
    TT_FIELD,  /* value: without the dot */
    TT_VAR,    /* value: with the dollar */
    TT_WORD,   /* identifiers and keywords */
    TT_NUMBER, /* value: as written */
    TT_STRING, /* value: unquoted, in the arena */
    TT_CHAR,   /* number: the code point */
};

struct tlexer {
    struct str text;
    struct arena *arena;
    size_t pos;
    bool in_action, trim_next;
    int parens;
    /* the current token */
    enum ttok tok;
    bool space; /* blanks stood before it */
    uint32_t start, end;
    struct str value;
    uint32_t code_point;
};

/* The next token; E_PARSE with position and text. */
int tlex_next(struct tlexer *l, struct errmsg *err) MUST_CHECK;
/* Fills err with the position of a byte offset. Returns E_PARSE. */
int template_error_at(struct str text, size_t offset, struct errmsg *err, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* --- functions and execution --- */

struct template_run;
/* args: one letter an argument: s text, v anything, m a sample, q a query's result; a last '*'
 * takes any number of anything. */
struct template_fn {
    const char *name;
    const char *args;
    int (*call)(struct template_run *r, const struct tval *args, size_t count, struct tval *out,
                struct errmsg *err);
};
const struct template_fn *template_fn_find(struct str name);
/* "and" and "or" do not evaluate arguments past the deciding one. */
bool template_fn_short_circuits(const struct template_fn *fn, bool *stop_when);

struct template_run {
    const struct template *t;
    const struct template_data *data;
    struct arena *arena;
    struct buf out;
    struct errmsg *err;
    struct {
        struct str name;
        struct tval value;
    } vars[2 * TEMPLATE_VARS_MAX];
    size_t var_count;
    uint32_t steps;
    int depth;
    bool html;             /* escape what actions print */
    bool missing_is_error; /* Go's missingkey=error */
};

/* Runs the tree with a dot of the caller's; r's options and data are set, the rest zero. */
int template_execute(struct template_run *r, const struct template *t, struct tval dot,
                     const struct template_data *data, struct arena *a, struct buf *out,
                     struct errmsg *err) MUST_CHECK;

#endif
