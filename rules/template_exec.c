/* template_exec.c -- runs a parsed template.
 *
 * Every node, command and loop turn is a step; steps, output and nesting are limited, so a hostile
 * rule file cannot hold an evaluation up. Errors read as Go's: where, what was being evaluated,
 * why.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "rules/template_int.h"

/* How a list of nodes ended, besides errors. */
enum { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

static int run_list(struct template_run *r, const struct tnode *n, struct tval dot);
static int eval_pipeline(struct template_run *r, const struct tpipe *p, struct tval dot,
                         struct tval *out);

/* Fills the error with what failed at [start, end) of the text. */
static int fail_at(struct template_run *r, uint32_t start, uint32_t end, const char *why)
{
    struct str text = r->t->text;
    struct errmsg where;
    int rc = template_error_at(text, start, &where, "x");
    UNUSED(rc);
    if (!r->err) return E_INVALID;
    int shown = (int)MIN(end - start, 60u);
    int len = snprintf(where.text, sizeof where.text,
                       "error executing template %.80s: template: %.80s:%d:%d: executing "
                       "\"%.80s\" at <%.*s>: %s",
                       r->t->name, r->t->name, where.line, where.column - 1, r->t->name, shown,
                       text.p + start, why);
    UNUSED(len);
    *r->err = where;
    return E_INVALID;
}

static int fail_arg(struct template_run *r, const struct targ *a, const char *why)
{
    return fail_at(r, a->start, a->end, why);
}

static int step(struct template_run *r, uint32_t at)
{
    if (++r->steps <= TEMPLATE_STEPS_MAX) return 0;
    fail_at(r, at, at, "template takes too many steps");
    return E_LIMIT;
}

/* Branches, loops, parentheses and template calls inside each other; leave() when done. */
static int enter(struct template_run *r, uint32_t at)
{
    if (r->depth >= 2 * TEMPLATE_DEPTH_MAX)
        return fail_at(r, at, at, "exceeded maximum template depth");
    r->depth++;
    return 0;
}

static void leave(struct template_run *r)
{
    r->depth--;
}

/* --- variables --- */

static int push_var(struct template_run *r, struct str name, struct tval v, uint32_t at)
{
    if (r->var_count == COUNT(r->vars)) return fail_at(r, at, at, "too many variables");
    r->vars[r->var_count].name = name;
    r->vars[r->var_count++].value = v;
    return 0;
}

static struct tval *find_var(struct template_run *r, struct str name)
{
    for (size_t i = r->var_count; i-- > 0;)
        if (str_eq(r->vars[i].name, name)) return &r->vars[i].value;
    return NULL;
}

static int set_var(struct template_run *r, const struct tpipe *p, struct str name, struct tval v)
{
    if (!p->assign) return push_var(r, name, v, p->start);
    struct tval *var = find_var(r, name);
    if (!var) return fail_at(r, p->start, p->end, "undefined variable");
    *var = v;
    return 0;
}

/* --- fields and methods --- */

enum method {
    METHOD_STRING,
    METHOD_FORMAT,
    METHOD_UNIX,
    METHOD_SECONDS,
    METHOD_MINUTES,
    METHOD_HOURS
};

static const struct {
    const char *name;
    enum tkind of;
    enum method method;
    size_t args;
} methods[] = {
    {"Format",  TV_TIME,     METHOD_FORMAT,  1},
    {"String",  TV_TIME,     METHOD_STRING,  0},
    {"Unix",    TV_TIME,     METHOD_UNIX,    0},
    {"String",  TV_DURATION, METHOD_STRING,  0},
    {"Seconds", TV_DURATION, METHOD_SECONDS, 0},
    {"Minutes", TV_DURATION, METHOD_MINUTES, 0},
    {"Hours",   TV_DURATION, METHOD_HOURS,   0},
};

static int take_text(struct template_run *r, struct buf *b, struct tval *out)
{
    int rc = b->err;
    *out = tval_string(arena_str(r->arena, (struct str){b->p ? b->p : "", b->len}));
    if (!out->s.p) rc = -ENOMEM;
    buf_release(b);
    return rc;
}

/* 1 and *out when v has that method, 0 when not. */
static int call_method(struct template_run *r, const struct tval *v, struct str name,
                       const struct tval *args, size_t count, const struct targ *at,
                       struct tval *out)
{
    size_t i = 0;
    while (i < COUNT(methods) &&
           !(methods[i].of == v->kind && str_eq(name, str_of(methods[i].name))))
        i++;
    if (i == COUNT(methods)) return 0;
    if (count != methods[i].args || (count == 1 && args[0].kind != TV_STRING))
        return fail_arg(r, at, "wrong arguments for method");
    struct buf b = BUF_INIT(TEMPLATE_OUTPUT_MAX);
    int rc = 0;
    switch (methods[i].method) {
    case METHOD_STRING:
        tval_print(v, &b);
        rc = take_text(r, &b, out);
        break;
    case METHOD_FORMAT:
        if (args) template_format_time(v->i, args[0].s, &b);
        rc = take_text(r, &b, out);
        break;
    case METHOD_UNIX:
        *out = tval_int(v->i / 1000000000 - (v->i % 1000000000 < 0));
        break;
    case METHOD_SECONDS:
        *out = tval_float((double)v->i / 1e9);
        break;
    case METHOD_MINUTES:
        *out = tval_float((double)v->i / 6e10);
        break;
    case METHOD_HOURS:
        *out = tval_float((double)v->i / 3.6e12);
        break;
    }
    if (rc < 0) return fail_arg(r, at, "out of memory");
    return 1;
}

static int missing_key(struct template_run *r, const struct targ *at, struct str name)
{
    char why[160];
    snprintf(why, sizeof why, "map has no entry for key \"%.*s\"", (int)MIN(name.len, (size_t)80),
             name.p);
    return fail_arg(r, at, why);
}

/* v.name, with arguments when it is a method. */
static int eval_field(struct template_run *r, const struct tval *v, struct str name,
                      const struct tval *args, size_t count, const struct targ *at,
                      struct tval *out)
{
    char why[200];
    int rc = call_method(r, v, name, args, count, at, out);
    if (rc != 0) return rc < 0 ? rc : 0;
    if (v->kind == TV_NIL && count == 0) {
        if (r->missing_is_error) return missing_key(r, at, name);
        *out = (struct tval){.kind = TV_NIL};
        return 0;
    }
    if (count > 0) {
        snprintf(why, sizeof why, "%.*s is not a method but has arguments",
                 (int)MIN(name.len, (size_t)80), name.p);
        return fail_arg(r, at, why);
    }
    const struct tval *found = v->kind == TV_MAP ? tmap_get(v->map, name) : NULL;
    if (found) {
        *out = *found;
        return 0;
    }
    if (v->kind != TV_MAP || v->map->is_struct) {
        snprintf(why, sizeof why, "can't evaluate field %.*s in type %s",
                 (int)MIN(name.len, (size_t)80), name.p, tval_type(v));
        return fail_arg(r, at, why);
    }
    if (r->missing_is_error) return missing_key(r, at, name);
    *out = v->map->of_strings ? tval_string(STR("")) : (struct tval){.kind = TV_NIL};
    return 0;
}

/* a.b.c of v; only the last field may take arguments. */
static int eval_fields(struct template_run *r, const struct targ *a, struct tval v,
                       const struct tval *args, size_t count, struct tval *out)
{
    for (size_t i = 0; i < a->field_count; i++) {
        bool last = i + 1 == a->field_count;
        int rc = eval_field(r, &v, a->fields[i], last ? args : NULL, last ? count : 0, a, &v);
        if (rc < 0) return rc;
    }
    *out = v;
    return 0;
}

/* --- commands --- */

static int eval_function(struct template_run *r, const struct tcmd *c, struct tval dot,
                         const struct tval *piped, struct tval *out);

/* An operand standing as an argument or alone. */
static int eval_operand(struct template_run *r, const struct targ *a, struct tval dot,
                        const struct tval *args, size_t count, struct tval *out)
{
    struct tval v = dot;
    int rc = step(r, a->start);
    if (rc < 0) return rc;
    switch (a->kind) {
    case TARG_DOT:
    case TARG_FIELD:
        break;
    case TARG_CONST:
        v = a->value;
        break;
    case TARG_VAR: {
        const struct tval *var = find_var(r, a->var);
        if (!var) return fail_arg(r, a, "undefined variable");
        v = *var;
        break;
    }
    case TARG_PIPE: {
        size_t scope = r->var_count;
        if ((rc = enter(r, a->start)) < 0) return rc;
        rc = eval_pipeline(r, a->pipe, dot, &v);
        leave(r);
        r->var_count = MIN(scope, r->var_count);
        break;
    }
    case TARG_FN: {
        struct targ alone = *a;
        alone.next = NULL;
        alone.fields = NULL;
        alone.field_count = 0;
        struct tcmd c = {.start = a->start, .end = a->end, .args = &alone};
        rc = eval_function(r, &c, dot, NULL, &v);
        break;
    }
    }
    if (rc < 0) return rc;
    if (count > 0 && a->field_count == 0)
        return fail_arg(r, a, "can't give argument to non-function");
    return eval_fields(r, a, v, args, count, out);
}

static int eval_arguments(struct template_run *r, const struct tcmd *c, struct tval dot,
                          const struct tval *piped, struct tval args[], size_t *count)
{
    size_t n = 0;
    for (const struct targ *a = c->args->next; a; a = a->next) {
        int rc = eval_operand(r, a, dot, NULL, 0, &args[n++]);
        if (rc < 0) return rc;
    }
    if (piped) args[n++] = *piped;
    *count = n;
    return 0;
}

static bool fits(char want, const struct tval *v)
{
    switch (want) {
    case 's':
        return v->kind == TV_STRING;
    case 'm':
        return v->kind == TV_MAP && strcmp(v->map->type, "*template.sample") == 0;
    case 'q':
        return v->kind == TV_LIST && strcmp(v->list->type, "template.queryResult") == 0;
    default:
        return true;
    }
}

static int check_arguments(struct template_run *r, const struct tcmd *c, const struct tval *args,
                           size_t count)
{
    const char *want = c->args->fn->args;
    size_t least = strlen(want);
    bool any = least > 0 && want[least - 1] == '*';
    if (any) least--;
    char why[200];
    if (count < least || (!any && count > least)) {
        snprintf(why, sizeof why, "wrong number of args for %s: want %s%zu got %zu",
                 c->args->fn->name, any ? "at least " : "", least, count);
        return fail_at(r, c->start, c->end, why);
    }
    static const char *const names[] = {
        ['s'] = "string", ['m'] = "*template.sample", ['q'] = "template.queryResult"};
    for (size_t i = 0; i < least; i++) {
        if (fits(want[i], &args[i])) continue;
        snprintf(why, sizeof why, "wrong type for value; expected %s; got %s",
                 names[(unsigned char)want[i]], tval_type(&args[i]));
        return fail_at(r, c->start, c->end, why);
    }
    return 0;
}

/* and, or: the first argument that decides, else the last; those after it are not evaluated. */
static int eval_short_circuit(struct template_run *r, const struct tcmd *c, struct tval dot,
                              const struct tval *piped, bool stop_when, struct tval *out)
{
    bool any = false;
    for (const struct targ *a = c->args->next; a; a = a->next) {
        int rc = eval_operand(r, a, dot, NULL, 0, out);
        if (rc < 0 || tval_truth(out) == stop_when) return rc;
        any = true;
    }
    if (piped) *out = *piped;
    if (any || piped) return 0;
    return fail_at(r, c->start, c->end, "wrong number of args: want at least 1 got 0");
}

static int eval_function(struct template_run *r, const struct tcmd *c, struct tval dot,
                         const struct tval *piped, struct tval *out)
{
    const struct template_fn *fn = c->args->fn;
    bool stop_when = false;
    if (template_fn_short_circuits(fn, &stop_when))
        return eval_short_circuit(r, c, dot, piped, stop_when, out);
    struct tval args[TEMPLATE_ARGS_MAX + 1];
    size_t count = 0;
    int rc = eval_arguments(r, c, dot, piped, args, &count);
    if (rc == 0) rc = check_arguments(r, c, args, count);
    if (rc < 0) return rc;
    struct errmsg why = {0};
    rc = fn->call(r, args, count, out, &why);
    if (rc == 0) return 0;
    char text[sizeof why.text + 80];
    snprintf(text, sizeof text, "error calling %s: %s", fn->name,
             why.text[0] ? why.text : err_text(rc));
    int code = fail_at(r, c->start, c->end, text);
    return rc == -ENOMEM || rc == E_LIMIT ? rc : code;
}

static int eval_command(struct template_run *r, const struct tcmd *c, struct tval dot,
                        const struct tval *piped, struct tval *out)
{
    int rc = step(r, c->start);
    if (rc < 0) return rc;
    const struct targ *first = c->args;
    if (first->kind == TARG_FN && first->field_count == 0)
        return eval_function(r, c, dot, piped, out);
    struct tval args[TEMPLATE_ARGS_MAX + 1];
    size_t count = 0;
    if ((rc = eval_arguments(r, c, dot, piped, args, &count)) < 0) return rc;
    if (first->kind == TARG_CONST && first->value.kind == TV_NIL)
        return fail_arg(r, first, "nil is not a command");
    return eval_operand(r, first, dot, args, count, out);
}

static int eval_pipeline(struct template_run *r, const struct tpipe *p, struct tval dot,
                         struct tval *out)
{
    struct tval v = {.kind = TV_NIL};
    for (const struct tcmd *c = p->cmds; c; c = c->next) {
        struct tval result = {.kind = TV_NIL};
        int rc = eval_command(r, c, dot, c == p->cmds ? NULL : &v, &result);
        if (rc < 0) return rc;
        v = result;
    }
    *out = v;
    for (size_t i = 0; i < p->decl_count; i++) {
        int rc = set_var(r, p, p->decl[i], v);
        if (rc < 0) return rc;
    }
    return 0;
}

/* --- nodes --- */

static void print_escaped(struct str s, struct buf *out)
{
    static const struct {
        char c;
        const char *text;
    } escapes[] = {
        {'<',  "&lt;" },
        {'>',  "&gt;" },
        {'&',  "&amp;"},
        {'"',  "&#34;"},
        {'\'', "&#39;"}
    };
    for (size_t i = 0; i < s.len; i++) {
        const char *text = NULL;
        for (size_t k = 0; k < COUNT(escapes); k++)
            if (s.p[i] == escapes[k].c) text = escapes[k].text;
        if (text)
            buf_addstr(out, text);
        else
            buf_addch(out, s.p[i]);
    }
}

static int print_value(struct template_run *r, const struct tval *v)
{
    if (!r->html || v->safe) {
        tval_print(v, &r->out);
    } else if (v->kind != TV_NIL) {
        struct buf b = BUF_INIT(TEMPLATE_OUTPUT_MAX);
        tval_print(v, &b);
        print_escaped((struct str){b.p, b.len}, &r->out);
        buf_release(&b);
    }
    return 0;
}

static int check_output(struct template_run *r, uint32_t at)
{
    if (!r->out.err) return 0;
    fail_at(r, at, at, r->out.err == -ENOMEM ? "out of memory" : "template's output is too long");
    return r->out.err == -ENOMEM ? -ENOMEM : E_LIMIT;
}

static int run_branch(struct template_run *r, const struct tnode *n, struct tval dot)
{
    struct tval v;
    size_t scope = r->var_count;
    int rc = eval_pipeline(r, n->pipe, dot, &v);
    if (rc < 0 || (rc = enter(r, n->start)) < 0) return rc;
    if (tval_truth(&v))
        rc = run_list(r, n->body, n->kind == TNODE_WITH ? v : dot);
    else
        rc = run_list(r, n->otherwise, dot);
    leave(r);
    r->var_count = scope;
    return rc;
}

/* One turn of a loop: $i, $e of the pipeline get key and element. */
static int run_turn(struct template_run *r, const struct tnode *n, struct tval key, struct tval v)
{
    const struct tpipe *p = n->pipe;
    size_t scope = r->var_count;
    int rc = step(r, n->start);
    if (rc == 0 && p->decl_count == 1) rc = set_var(r, p, p->decl[0], v);
    if (rc == 0 && p->decl_count == 2) rc = set_var(r, p, p->decl[0], key);
    if (rc == 0 && p->decl_count == 2) rc = set_var(r, p, p->decl[1], v);
    if (rc == 0) rc = run_list(r, n->body, v);
    r->var_count = scope;
    return rc;
}

static int range_items(const struct tval *v, size_t *count)
{
    switch (v->kind) {
    case TV_NIL:
        *count = 0;
        return 0;
    case TV_LIST:
        *count = v->list->count;
        return 0;
    case TV_INT:
        *count = v->i > 0 ? (size_t)v->i : 0;
        return 0;
    case TV_MAP:
        *count = v->map->count;
        return v->map->is_struct ? E_INVALID : 0;
    default:
        return E_INVALID;
    }
}

static int run_range(struct template_run *r, const struct tnode *n, struct tval dot)
{
    struct tpipe only_value = *n->pipe; /* the variables are set turn by turn */
    only_value.decl_count = 0;
    struct tval v;
    size_t count = 0;
    int rc = eval_pipeline(r, &only_value, dot, &v);
    if (rc < 0) return rc;
    if (range_items(&v, &count) < 0) {
        char why[120];
        snprintf(why, sizeof why, "range can't iterate over a %s", tval_type(&v));
        return fail_at(r, n->pipe->start, n->pipe->end, why);
    }
    if (count == 0) return run_list(r, n->otherwise, dot);
    if ((rc = enter(r, n->start)) < 0) return rc;
    for (size_t i = 0; i < count && rc >= 0 && rc != FLOW_BREAK; i++) {
        struct tval key = tval_int((int64_t)i), item = key;
        if (v.kind == TV_MAP) {
            key = tval_string(v.map->v[i].key);
            item = v.map->v[i].value;
        } else if (v.kind == TV_LIST) {
            item = v.list->v[i];
        }
        rc = run_turn(r, n, key, item);
    }
    leave(r);
    return rc < 0 ? rc : FLOW_NEXT;
}

static int run_call(struct template_run *r, const struct tnode *n, struct tval dot)
{
    const struct tdefine *d = r->t->defines;
    while (d && !str_eq(d->name, n->text))
        d = d->next;
    char why[160];
    snprintf(why, sizeof why, "template \"%.*s\" not defined", (int)MIN(n->text.len, (size_t)80),
             n->text.p);
    if (!d) return fail_at(r, n->start, n->start, why);
    int rc = enter(r, n->start);
    if (rc < 0) return rc;
    struct tval v = {.kind = TV_NIL};
    size_t scope = r->var_count;
    rc = n->pipe ? eval_pipeline(r, n->pipe, dot, &v) : 0;
    if (rc == 0) rc = push_var(r, STR("$"), v, n->start);
    if (rc == 0) rc = run_list(r, d->body, v);
    leave(r);
    r->var_count = scope;
    return rc;
}

static int run_node(struct template_run *r, const struct tnode *n, struct tval dot)
{
    struct tval v;
    int rc;
    switch (n->kind) {
    case TNODE_TEXT:
        buf_add(&r->out, n->text.p, n->text.len);
        return FLOW_NEXT;
    case TNODE_PIPE:
        rc = eval_pipeline(r, n->pipe, dot, &v);
        if (rc == 0 && n->pipe->decl_count == 0) rc = print_value(r, &v);
        return rc;
    case TNODE_IF:
    case TNODE_WITH:
        return run_branch(r, n, dot);
    case TNODE_RANGE:
        return run_range(r, n, dot);
    case TNODE_TEMPLATE:
        return run_call(r, n, dot);
    case TNODE_BREAK:
        return FLOW_BREAK;
    case TNODE_CONTINUE:
        return FLOW_CONTINUE;
    }
    return FLOW_NEXT;
}

static int run_list(struct template_run *r, const struct tnode *n, struct tval dot)
{
    int rc = FLOW_NEXT;
    for (; n && rc == FLOW_NEXT; n = n->next) {
        rc = step(r, n->start);
        if (rc == 0) rc = run_node(r, n, dot);
        if (rc >= 0 && check_output(r, n->start) < 0) rc = E_LIMIT;
    }
    return rc;
}

int template_execute(struct template_run *r, const struct template *t, struct tval dot,
                     const struct template_data *data, struct arena *a, struct buf *out,
                     struct errmsg *err)
{
    r->t = t;
    r->data = data;
    r->arena = a;
    buf_init(&r->out, TEMPLATE_OUTPUT_MAX);
    r->err = err;
    int rc = push_var(r, STR("$"), dot, 0);
    struct tval value = tval_float(data->value), labels, external;
    if (rc == 0) rc = tval_labels(a, data->labels, &labels);
    if (rc == 0) rc = tval_labels(a, data->external_labels, &external);
    if (rc == 0) rc = push_var(r, STR("$labels"), labels, 0);
    if (rc == 0) rc = push_var(r, STR("$externalLabels"), external, 0);
    struct tval url = tval_string(str_of(data->external_url ? data->external_url : ""));
    if (rc == 0) rc = push_var(r, STR("$externalURL"), url, 0);
    if (rc == 0) rc = push_var(r, STR("$value"), value, 0);
    if (rc == 0) rc = run_list(r, t->body, dot);
    if (rc >= 0) {
        buf_add(out, r->out.p ? r->out.p : "", r->out.len);
        rc = out->err;
    }
    if (rc < 0 && err && err->text[0] == '\0')
        rc = errmsg_set(err, rc, "error executing template %s: %s", t->name, err_text(rc));
    buf_release(&r->out);
    return rc;
}

int template_expand(const struct template *t, const struct template_data *data, struct arena *a,
                    struct buf *out, struct errmsg *err)
{
    struct template_run *r = arena_zalloc(a, sizeof *r);
    struct tentry *fields = arena_array(a, 4, sizeof *fields);
    struct tmap *m = arena_zalloc(a, sizeof *m);
    if (!r || !fields || !m) return errmsg_set(err, -ENOMEM, "out of memory");
    *m = (struct tmap){
        .type = "template.AlertTemplateData", .is_struct = true, .count = 4, .v = fields};
    fields[0].key = STR("Labels");
    fields[1].key = STR("ExternalLabels");
    int rc = tval_labels(a, data->labels, &fields[0].value);
    if (rc == 0) rc = tval_labels(a, data->external_labels, &fields[1].value);
    if (rc < 0) return errmsg_set(err, rc, "out of memory");
    fields[2] = (struct tentry){STR("ExternalURL"),
                                tval_string(str_of(data->external_url ? data->external_url : ""))};
    fields[3] = (struct tentry){STR("Value"), tval_float(data->value)};
    if (err) *err = (struct errmsg){0};
    return template_execute(r, t, (struct tval){.kind = TV_MAP, .map = m}, data, a, out, err);
}
