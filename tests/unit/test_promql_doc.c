/* test_promql_doc.c -- the generated parts of docs/PROMQL.md are what the tables of the language
 * say. With the argument write, brings the document up to date.
 *
 * A part lies between <!-- generated: NAME --> and <!-- /generated -->. Whether a function or an
 * aggregation is evaluated is found out by evaluating it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/env.h"
#include "core/mem.h"
#include "tsdb/memstore.h"
#include "tsdb/promql/fns.h"
#include "tsdb/promql/ops.h"
#include "tsdb/promql/promql.h"

static const char path[] = "docs/PROMQL.md";
enum { DOC_MAX = 1 << 20 };

/* --- what is evaluated --- */

static bool is_evaluated(const char *text)
{
    struct arena a;
    struct memstore *m = NULL;
    struct expr *e = NULL;
    struct errmsg err = {0};
    struct promql_result result;
    arena_init(&a, 16 << 20);
    assert_int_equal(memstore_new(&m), 0);
    if (promql_parse(str_of(text), PROMQL_ALL, &a, &e, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    struct promql_query q = {.querier = memstore_querier(m), .arena = &a};
    int rc = promql_eval(e, &q, &result, &err);
    promql_expr_release(e);
    memstore_free(m);
    arena_release(&a);
    return rc != E_UNSUPPORTED;
}

static const char *example(enum value_type t)
{
    static const char *const texts[] = {
        [T_NONE] = "",
        [T_SCALAR] = "0.5",
        [T_VECTOR] = "vector(1)",
        [T_MATRIX] = "vector(1)[1m:]",
        [T_STRING] = "\"a\"",
    };
    return texts[t];
}

static bool function_is_evaluated(const struct promql_fn *fn)
{
    struct buf b = BUF_INIT(4096);
    buf_addf(&b, "%s(", fn->name);
    for (int i = 0; i < fn->min_args; i++)
        buf_addf(&b, "%s%s", i ? ", " : "", example(promql_fn_arg(fn, (size_t)i)));
    buf_addch(&b, ')');
    bool is = is_evaluated(b.p);
    buf_release(&b);
    return is;
}

/* --- parts --- */

static const char *short_type(enum value_type t)
{
    static const char *const names[] = {
        [T_NONE] = "",        [T_SCALAR] = "scalar", [T_VECTOR] = "vector",
        [T_MATRIX] = "range", [T_STRING] = "string",
    };
    return names[t];
}

static const char *stage(bool experimental, bool evaluated)
{
    if (!experimental) return evaluated ? "" : "not evaluated";
    return evaluated ? "experimental" : "experimental, not evaluated";
}

/* | `round(vector[, scalar])` | vector | | */
static void function_line(const struct promql_fn *fn, struct buf *out)
{
    int shown = fn->max_args;
    size_t given = 0;
    while (given < PROMQL_FN_ARGS && fn->args[given] != T_NONE)
        given++;
    bool more = fn->max_args == PROMQL_FN_VARIADIC || (size_t)fn->max_args > given;
    if (more) shown = (int)given;
    buf_addf(out, "| `%s(", fn->name);
    for (int i = 0; i < shown; i++) {
        if (i == fn->min_args) buf_addch(out, '[');
        buf_addf(out, "%s%s", i ? ", " : "", short_type(promql_fn_arg(fn, (size_t)i)));
    }
    if (more) buf_addstr(out, ", ...");
    if (shown > fn->min_args) buf_addch(out, ']');
    buf_addf(out, ")` | %s | %s |\n", short_type(fn->result),
             stage(fn->experimental, function_is_evaluated(fn)));
}

static void functions(struct buf *out)
{
    size_t count;
    const struct promql_fn *fns = promql_fns(&count);
    buf_addstr(out, "| function | gives | |\n| --- | --- | --- |\n");
    for (size_t i = 0; i < count; i++)
        function_line(&fns[i], out);
}

static void aggregations(struct buf *out)
{
    buf_addstr(out, "| aggregation | |\n| --- | --- |\n");
    for (enum aggr_op op = AGGR_SUM; op <= AGGR_LIMIT_RATIO; op++) {
        char text[80];
        const struct aggr_row *row = aggr_row(op);
        const char *comma = row->param == T_NONE ? "" : ", ";
        snprintf(text, sizeof text, "%s(%s%svector(1))", row->text, example(row->param), comma);
        buf_addf(out, "| `%s(%s%svector)` | %s |\n", row->text, short_type(row->param), comma,
                 stage(row->experimental, is_evaluated(text)));
    }
}

/* Tightest first, one row for those that bind alike. */
static void operators(struct buf *out)
{
    static const char *const classes[] = {
        [OP_ARITHMETIC] = "arithmetic",
        [OP_COMPARISON] = "comparison: filters, or gives 0 and 1 with `bool`",
        [OP_SET] = "sets of series",
        [OP_TRIM] = "native histograms only: none is stored yet",
    };
    buf_addstr(out, "| operators, tightest first | groups | |\n| --- | --- | --- |\n");
    for (int bind = BIND_POWER; bind >= BIND_OR; bind--) {
        for (enum op_class class = OP_ARITHMETIC; class <= OP_TRIM; class ++) {
            bool any = false, right = false;
            for (enum binary_op op = OP_ADD; op <= OP_TRIM_LOWER; op++) {
                const struct op_row *row = op_row(op);
                if (row->bind != bind || row->class != class) continue;
                buf_addf(out, "%s`%s`", any ? " " : "| ", row->text);
                any = true;
                right = row->right;
            }
            if (any)
                buf_addf(out, " | to the %s | %s |\n", right ? "right" : "left", classes[class]);
        }
    }
}

static void limits(struct buf *out)
{
    char text[STR_DOUBLE_MAX];
    str_from_double_f(1 << 20, text);
    buf_addf(out,
             "| limit | value |\n| --- | --- |\n"
             "| text of a query | 1 MiB |\n"
             "| height of the tree, chains of operators included | %d levels |\n"
             "| a regular expression | 4 KiB, and a match limit; a set of literals, 64 KiB |\n"
             "| values of one series description | %s |\n",
             PROMQL_MAX_DEPTH, text);
}

static const struct part {
    const char *name;
    void (*write)(struct buf *out);
} parts[] = {
    {"operators",    operators   },
    {"aggregations", aggregations},
    {"functions",    functions   },
    {"limits",       limits      },
};

/* --- the document --- */

static struct str until(struct str *rest, struct str mark)
{
    const char *at = memmem(rest->p, rest->len, mark.p, mark.len);
    if (!at) fail_msg("%s lacks %.*s", path, (int)mark.len, mark.p);
    size_t len = (size_t)(at - rest->p) + mark.len;
    struct str before = {rest->p, len};
    *rest = (struct str){rest->p + len, rest->len - len};
    return before;
}

/* The document with its generated parts as they should be. */
static void regenerate(struct str doc, struct buf *out)
{
    for (size_t i = 0; i < COUNT(parts); i++) {
        char mark[80];
        snprintf(mark, sizeof mark, "<!-- generated: %s -->\n", parts[i].name);
        struct str before = until(&doc, str_of(mark));
        buf_add(out, before.p, before.len);
        parts[i].write(out);
        until(&doc, STR("<!-- /generated -->\n"));
        buf_addstr(out, "<!-- /generated -->\n");
    }
    buf_add(out, doc.p, doc.len);
    assert_int_equal(out->err, 0);
}

static void read_doc(char **text, size_t *len)
{
    assert_int_equal(env_read_file(env_system(), path, DOC_MAX, text, len), 0);
}

static void the_document_agrees_with_the_tables(void **state)
{
    UNUSED(state);
    struct buf want = BUF_INIT(DOC_MAX);
    char *doc = NULL;
    size_t len = 0;
    read_doc(&doc, &len);
    regenerate((struct str){doc, len}, &want);
    if (!str_eq((struct str){doc, len}, (struct str){want.p, want.len}))
        fail_msg("%s is out of date: run make docs", path);
    buf_release(&want);
    mem_free(doc);
}

static int write_doc(void)
{
    struct buf b = BUF_INIT(DOC_MAX);
    char *doc = NULL;
    size_t len = 0;
    read_doc(&doc, &len);
    regenerate((struct str){doc, len}, &b);
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(b.p, 1, b.len, f) == b.len;
    if (f && fclose(f) != 0) ok = false;
    buf_release(&b);
    mem_free(doc);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_agrees_with_the_tables),
    };
    if (argc > 1 && strcmp(argv[1], "write") == 0) return write_doc();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
