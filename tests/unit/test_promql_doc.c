/* test_promql_doc.c -- docs/PROMQL.md lists functions, aggregations and operators as the tables
 * have them. With the argument print, writes the lines it looks for.
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
#include "tsdb/promql/fns.h"
#include "tsdb/promql/ops.h"

enum { DOC_MAX = 1 << 20 };

static const char *short_type(enum value_type t)
{
    static const char *const names[] = {
        [T_NONE] = "",        [T_SCALAR] = "scalar", [T_VECTOR] = "vector",
        [T_MATRIX] = "range", [T_STRING] = "string",
    };
    return names[t];
}

/* | `round(vector[, scalar])` | vector | stable | yes | */
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
    buf_addf(out, ")` | %s | %s | %s |\n", short_type(fn->result),
             fn->experimental ? "experimental" : "stable",
             fn->body.kind == PROMQL_FN_NONE ? "no" : "yes");
}

/* | `topk` | scalar | stable | */
static void aggregation_line(const struct aggr_row *row, struct buf *out)
{
    buf_addf(out, "| `%s` | %s | %s |\n", row->text, short_type(row->param),
             row->experimental ? "experimental" : "stable");
}

static void doc_lines(struct buf *out)
{
    size_t count;
    const struct promql_fn *fns = promql_fns(&count);
    for (size_t i = 0; i < count; i++)
        function_line(&fns[i], out);
    buf_addch(out, '\n');
    for (enum aggr_op op = AGGR_SUM; op <= AGGR_LIMIT_RATIO; op++)
        aggregation_line(aggr_row(op), out);
}

static void the_document_agrees_with_the_tables(void **state)
{
    UNUSED(state);
    struct buf lines = BUF_INIT(DOC_MAX);
    char *doc = calloc(1, DOC_MAX);
    FILE *f = fopen("docs/PROMQL.md", "rb");
    assert_non_null(doc);
    assert_non_null(f);
    size_t len = fread(doc, 1, DOC_MAX - 1, f);
    fclose(f);
    assert_true(len > 0);
    doc_lines(&lines);
    for (struct str rest = {lines.p, lines.len}; rest.p;) {
        struct str line = str_split(&rest, '\n');
        if (line.len && !memmem(doc, len, line.p, line.len))
            fail_msg("docs/PROMQL.md lacks: %.*s", (int)line.len, line.p);
    }
    buf_release(&lines);
    free(doc);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_agrees_with_the_tables),
    };
    if (argc > 1 && strcmp(argv[1], "print") == 0) {
        struct buf lines = BUF_INIT(DOC_MAX);
        doc_lines(&lines);
        fwrite(lines.p, 1, lines.len, stdout);
        buf_release(&lines);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
