/* cmd_live.c -- check rules --live: walks the selectors of rules and has each judged.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd_live.h"

#include <errno.h>
#include <stdio.h>

#include "core/mem.h"
#include "tsdb/promql/fns.h"
#include "tsdb/promql/promql.h"

enum { NAMES_MAX = 1 << 20 };

struct live {
    const struct cmd *cmd;
    struct diags *diags;
    struct judge judge;
    const char **recorded; /* names that the files' recording rules give, borrowed */
    size_t recorded_count, recorded_cap;
    const struct live_file *file;
    const struct rule_view *rule;
    size_t selector; /* of the rule's, the next one */
    int code;
};

/* --- what needs no series --- */

static int add_recorded(void *arg, const struct rule_view *r)
{
    struct live *l = arg;
    if (r->is_alert) return 0;
    int rc = mem_grow((void **)&l->recorded, &l->recorded_cap, l->recorded_count + 1, NAMES_MAX,
                      sizeof *l->recorded);
    if (rc == 0) l->recorded[l->recorded_count++] = r->name;
    return rc;
}

/* True when every matcher of the name takes it. */
static bool takes_name(const struct expr *e, const char *name)
{
    size_t about_name = 0;
    for (size_t i = 0; i < e->selector.matcher_count; i++) {
        const struct matcher *m = &e->selector.matchers[i];
        if (!str_eq(m->name, STR(METRIC_NAME))) continue;
        about_name++;
        if (matcher_test(m, str_of(name)) != 1) return false;
    }
    return about_name > 0;
}

/* Alerts have series only while they are pending or firing. */
static bool is_given(const struct live *l, const struct expr *e)
{
    static const char *const alerts[] = {"ALERTS", "ALERTS_FOR_STATE"};
    for (size_t i = 0; i < COUNT(alerts); i++)
        if (takes_name(e, alerts[i])) return true;
    for (size_t i = 0; i < l->recorded_count; i++)
        if (takes_name(e, l->recorded[i])) return true;
    return false;
}

/* --- absent() --- */

struct search {
    const struct expr *selector;
    bool found;
};

static int compare_selector(void *arg, const struct expr *e)
{
    struct search *s = arg;
    s->found |= e == s->selector;
    return 0;
}

static bool is_absent_call(const struct expr *e)
{
    const char *name = e->kind == EXPR_CALL ? e->call.fn->name : "";
    return strcmp(name, "absent") == 0 || strcmp(name, "absent_over_time") == 0;
}

/* Is selector inside a call of absent() below e? */
static bool in_absent(const struct expr *e, const struct expr *selector)
{
    if (is_absent_call(e)) {
        struct search s = {.selector = selector};
        (void)promql_selectors(e, compare_selector, &s);
        return s.found;
    }
    switch (e->kind) {
    case EXPR_CALL:
        for (size_t i = 0; i < e->call.count; i++)
            if (in_absent(e->call.args[i], selector)) return true;
        return false;
    case EXPR_SUBQUERY:
        return in_absent(e->subquery.expr, selector);
    case EXPR_AGGREGATE:
        return in_absent(e->aggregate.expr, selector);
    case EXPR_BINARY:
        return in_absent(e->binary.lhs, selector) || in_absent(e->binary.rhs, selector);
    case EXPR_UNARY:
        return in_absent(e->unary.expr, selector);
    case EXPR_PAREN:
    case EXPR_STEP_INVARIANT:
        return in_absent(e->wrap.expr, selector);
    default:
        return false;
    }
}

/* --- selectors --- */

static void report(struct live *l, const struct expr *e, const struct rule_place *at,
                   const struct verdict *v)
{
    bool absent = in_absent(l->rule->expr, e);
    struct str source = {l->file->text, l->file->len};
    enum diag_level level = v->kind == VERDICT_APART || absent ? DIAG_WARNING : DIAG_ERROR;
    diags_add(l->diags, level, l->file->path, source, at->line, at->column,
              (int)(e->end - e->start), v->hint, "no series for %s in the last %s (%s \"%s\")",
              v->selector, cmd_value(l->cmd, "--within"), l->rule->is_alert ? "alert" : "record",
              l->rule->name);
}

static int check_selector(void *arg, const struct expr *e)
{
    struct live *l = arg;
    const struct verdict *v = NULL;
    const struct rule_place *at = &l->rule->places[l->selector++];
    if (is_given(l, e)) return 0;
    l->code = judge_selector(&l->judge, e, &v);
    if (l->code != EXIT_OK) return E_CANCELED;
    if (v->kind != VERDICT_FOUND) report(l, e, at, v);
    return 0;
}

static int check_rule(void *arg, const struct rule_view *r)
{
    struct live *l = arg;
    l->rule = r;
    l->selector = 0;
    return r->places ? promql_selectors(r->expr, check_selector, l) : 0;
}

int check_live(const struct cmd *c, const struct live_file *files, size_t count,
               struct diags *diags)
{
    struct live l = {.cmd = c, .diags = diags};
    struct client *client = NULL;
    int64_t within_ms = 0, now_ms = env_now_ms(env_system());
    int code = cmd_duration(c, "--within", &within_ms), rc = 0;
    if (code == EXIT_OK) code = client_open(&client, c);
    if (code != EXIT_OK) return code;
    judge_init(&l.judge, client, now_ms - within_ms, now_ms);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = rule_set_visit(files[i].set, add_recorded, &l);
    for (size_t i = 0; i < count && rc == 0; i++) {
        l.file = &files[i];
        rc = rule_set_visit(files[i].set, check_rule, &l);
    }
    if (rc < 0 && l.code == EXIT_OK) l.code = cmd_fail(EXIT_FAILED, "out of memory");
    judge_release(&l.judge);
    mem_free(l.recorded);
    client_close(client);
    return l.code;
}
