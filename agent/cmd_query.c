/* cmd_query.c -- tocsin query: asks a daemon over HTTP and has the answer printed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd_query.h"

#include <errno.h>
#include <stdio.h>

#include "agent/cmds.h"

enum { EXPR_MAX = 1 << 20, FORM_MAX = 4 << 20, TEXT_MAX = 512 << 20 };
enum { POINTS = 240, STEP_MIN_MS = 1000, DOTS_A_COLUMN = 2, STEPS_MAX = 11000 };

// clang-format off
const struct cmd_option query_options[] = {
    {.name = "--time", .arg = "TIME",
     .help = "evaluate at this time, RFC 3339 or seconds since 1970; of a range, its end; without it: now"},
    {.name = "--since", .arg = "DURATION", .help = "a range query over the last DURATION"},
    {.name = "--start", .arg = "TIME", .help = "a range query from this time on"},
    {.name = "--end", .arg = "TIME", .help = "the end of --since and --start; without it: now"},
    {.name = "--step", .arg = "DURATION",
     .help = "distance of a range's points; without it: what a chart can show, else a 240th"},
    {.name = "--limit", .arg = "COUNT", .help = "show this many series, as in 50 or 10k"},
    {.name = "--explain",
     .help = "instead of the result, what each part of the expression cost"},
    {.name = "--output", .letter = 'o', .arg = "table|json|csv|chart",
     .help = "without it: table (tab-separated off a terminal); chart for a range on a terminal"},
    {0},
};
// clang-format on

/* --- arguments --- */

static int read_expr(struct query *q)
{
    const char *arg = q->cmd->args[0];
    int rc = strcmp(arg, "-") == 0 ? cmd_read_stdin(&q->expr) : buf_addstr(&q->expr, arg);
    if (rc == E_TOO_BIG) return cmd_fail(EXIT_USAGE, "the expression is longer than a MiB");
    if (rc < 0) return cmd_fail(EXIT_FAILED, "cannot read the expression: %s", err_text(rc));
    /* a file's last line end is not part of the expression */
    while (q->expr.len && strchr("\r\n", q->expr.p[q->expr.len - 1]))
        buf_truncate(&q->expr, q->expr.len - 1);
    return EXIT_OK;
}

static int pick_printer(struct query *q)
{
    static const struct query_printer *const printers[] = {&query_table, &query_json, &query_csv,
                                                           &query_chart};
    static const struct query_printer *const explainers[] = {&explain_table, &explain_json,
                                                             &explain_csv};
    bool explain = cmd_given(q->cmd, "--explain");
    const char *name = cmd_value(q->cmd, "--output");
    if (!name) name = !explain && q->range.given && q->term.tty ? "chart" : "table";
    const struct query_printer *const *list = explain ? explainers : printers;
    size_t count = explain ? COUNT(explainers) : COUNT(printers);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i]->name, name) == 0) q->printer = list[i];
    if (!q->printer) return cmd_fail(EXIT_USAGE, "--explain has no chart: table, json or csv");
    return EXIT_OK;
}

static int read_step(struct query *q)
{
    int code = cmd_duration(q->cmd, "--step", &q->step_ms);
    if (code != EXIT_OK) return code;
    if (!q->range.given)
        return q->step_ms ? cmd_fail(EXIT_USAGE, "--step needs --since or --start") : EXIT_OK;
    int64_t points = q->printer == &query_chart ? q->term.columns * DOTS_A_COLUMN : POINTS;
    int64_t dflt_ms = MAX((q->range.end_ms - q->range.start_ms) / points, (int64_t)STEP_MIN_MS);
    if (!q->step_ms) q->step_ms = dflt_ms;
    int64_t steps = (q->range.end_ms - q->range.start_ms) / q->step_ms;
    if (steps > STEPS_MAX)
        return cmd_fail(EXIT_USAGE, "--step makes %lld steps of this range, more than %d",
                        (long long)steps, STEPS_MAX);
    return EXIT_OK;
}

static int read_query(struct query *q, const struct cmd *c)
{
    int64_t now_ms = env_now_ms(env_system());
    *q = (struct query){.cmd = c, .limit = UINT64_MAX};
    buf_init(&q->expr, EXPR_MAX);
    buf_init(&q->text, TEXT_MAX);
    term_init(&q->term, cmd_value(c, "--color"));
    int code = read_expr(q);
    if (code == EXIT_OK) code = cmd_range(c, now_ms, &q->range);
    q->time_ms = q->range.end_ms;
    if (code == EXIT_OK) code = cmd_count(c, "--limit", &q->limit);
    if (code == EXIT_OK) code = pick_printer(q);
    return code == EXIT_OK ? read_step(q) : code;
}

/* --- asking --- */

static int on_element(void *arg, struct str element)
{
    struct query *q = arg;
    q->seen++;
    return q->seen > q->limit ? 0 : q->printer->element(q, element);
}

static void fill_form(const struct query *q, struct buf *form)
{
    form_add(form, "query", (struct str){q->expr.p, q->expr.len});
    if (q->range.given) {
        form_range(form, &q->range);
        form_seconds(form, "step", q->step_ms);
    } else {
        form_seconds(form, "time", q->time_ms);
    }
    form_seconds(form, "timeout", client_timeout_ms(q->client));
    if (q->limit != UINT64_MAX) form_uint(form, "limit", q->limit);
    if (cmd_given(q->cmd, "--explain")) form_add(form, "explain", STR("true"));
}

static int ask(struct query *q)
{
    struct buf form = BUF_INIT(FORM_MAX);
    json_t *answer = NULL;
    fill_form(q, &form);
    const struct question question = {
        .path = q->range.given ? "/api/v1/query_range" : "/api/v1/query",
        .post = true,
        .form = {form.p,    form.len   },
        .expr = {q->expr.p, q->expr.len},
        .array = "data.result",
        .each = on_element,
        .arg = q,
    };
    int code = form.err ? cmd_fail(EXIT_USAGE, "the expression is too long")
                        : client_ask(q->client, &question, &answer);
    if (code == EXIT_OK && answer) code = q->printer->finish(q, answer);
    if (code == EXIT_OK && answer && q->seen > q->limit)
        cmd_note(q->cmd, "%zu of %zu series shown", (size_t)q->limit, q->seen);
    json_decref(answer);
    buf_release(&form);
    return code;
}

int run_query(const struct cmd *c)
{
    struct query q;
    int code = read_query(&q, c);
    if (code == EXIT_OK) code = client_open(&q.client, c);
    if (code == EXIT_OK) code = ask(&q);
    if (q.printer && q.printer->release) q.printer->release(&q);
    client_close(q.client);
    buf_release(&q.expr);
    buf_release(&q.text);
    return code;
}
