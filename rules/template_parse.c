/* template_parse.c -- tokens of a Go template into its tree.
 *
 *     list     = { text | "{{" pipeline "}}" | control }
 *     pipeline = [ variable [ "," variable ] ( ":=" | "=" ) ] command { "|" command }
 *     command  = operand { operand }
 *     operand  = ( word | literal | "." | variable | "(" pipeline ")" ) { field }
 *
 * As Go does, parsing already refuses unknown functions and variables. A rule's template starts
 * with $labels, $externalLabels, $externalURL and $value in scope.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "rules/template_int.h"

enum { TEMPLATE_TEXT_MAX = 1 << 20 };

struct parser {
    struct tlexer lex;
    struct template *t;
    struct arena *arena;
    struct errmsg *err;
    struct str vars[TEMPLATE_VARS_MAX];
    size_t var_count;
    int depth, loops;
};

/* How a list of nodes ended. */
enum list_end { END_EOF, END_END, END_ELSE };

static int parse_list(struct parser *p, struct tnode **out, enum list_end *end);
static int parse_pipeline(struct parser *p, enum ttok until, const char *context,
                          struct tpipe **out);

static int fail(struct parser *p, size_t offset, const char *what)
{
    return template_error_at(p->lex.text, offset, p->err, "%s", what);
}

static int next(struct parser *p)
{
    return tlex_next(&p->lex, p->err);
}

static bool at_word(const struct parser *p, const char *word)
{
    return p->lex.tok == TT_WORD && str_eq(p->lex.value, str_of(word));
}

/* What stands where something else was expected. */
static int unexpected(struct parser *p, const char *context)
{
    const struct tlexer *l = &p->lex;
    if (l->tok == TT_EOF) return fail(p, l->start, "unexpected EOF");
    return template_error_at(l->text, l->start, p->err, "unexpected \"%.*s\" in %s",
                             (int)MIN(l->end - l->start, 64u), l->text.p + l->start, context);
}

static int enter(struct parser *p)
{
    if (++p->depth <= TEMPLATE_DEPTH_MAX) return 0;
    return fail(p, p->lex.start, "template is nested too deeply");
}

static int declare(struct parser *p, struct str name)
{
    if (p->var_count == TEMPLATE_VARS_MAX)
        return fail(p, p->lex.start, "template has too many variables");
    p->vars[p->var_count++] = name;
    return 0;
}

static bool is_declared(const struct parser *p, struct str name)
{
    for (size_t i = p->var_count; i-- > 0;)
        if (str_eq(p->vars[i], name)) return true;
    return false;
}

static int check_variable(struct parser *p, struct str name)
{
    if (is_declared(p, name)) return 0;
    int rc = template_error_at(p->lex.text, p->lex.start, p->err, "undefined variable \"%.*s\"",
                               (int)MIN(name.len, (size_t)64), name.p);
    errmsg_hint(p->err, "known here: $labels, $value, $externalLabels, $externalURL");
    return rc;
}

/* --- operands --- */

/* An integer of any base as Go writes it; false when it is none, or too large. */
static bool read_integer(const char *text, int64_t *out)
{
    bool negative = text[0] == '-';
    const char *body = text + (negative || text[0] == '+');
    char letter = body[0] == '0' ? (char)(body[1] | 0x20) : '\0';
    int base = letter == 'x' ? 16 : letter == 'b' ? 2 : 10;
    if (letter == 'o' || (body[0] == '0' && body[1] >= '0' && body[1] <= '7')) base = 8;
    if (letter == 'o' || letter == 'b') body += 2;
    char *end = NULL;
    errno = 0;
    unsigned long long u = strtoull(body, &end, base);
    if (errno != 0 || *end != '\0' || end == body || *body == '-' || *body == '+') return false;
    if (u > (uint64_t)INT64_MAX + negative) return false;
    *out = (int64_t)(negative ? 0 - (uint64_t)u : u);
    return true;
}

static int number_value(struct parser *p, struct tval *out)
{
    struct str s = p->lex.value;
    char digits[64];
    size_t n = 0;
    for (size_t i = 0; i < s.len && n < sizeof digits - 1; i++)
        if (s.p[i] != '_') digits[n++] = s.p[i];
    digits[n] = '\0';
    int64_t i;
    double d;
    if (read_integer(digits, &i)) {
        *out = tval_int(i);
        return 0;
    }
    if (n == s.len && str_to_double((struct str){digits, n}, &d) == 0) {
        *out = tval_float(d);
        return 0;
    }
    return template_error_at(p->lex.text, p->lex.start, p->err, "bad number syntax: \"%.*s\"",
                             (int)MIN(s.len, (size_t)64), s.p);
}

static int function_operand(struct parser *p, struct targ *a)
{
    static const char *const words[] = {"break", "continue", "define", "else",  "end",
                                        "if",    "range",    "with",   "block", "template"};
    struct str name = p->lex.value;
    if (str_eq(name, STR("true")) || str_eq(name, STR("false"))) {
        a->kind = TARG_CONST;
        a->value = tval_bool(name.len == 4);
        return 0;
    }
    if (str_eq(name, STR("nil"))) {
        a->kind = TARG_CONST;
        return 0;
    }
    for (size_t i = 0; i < COUNT(words); i++)
        if (str_eq(name, str_of(words[i]))) return unexpected(p, "operand");
    a->kind = TARG_FN;
    a->fn = template_fn_find(name);
    if (a->fn) return 0;
    return template_error_at(p->lex.text, p->lex.start, p->err, "function \"%.*s\" not defined",
                             (int)MIN(name.len, (size_t)64), name.p);
}

/* What an operand starts with; the token after it is current on return. */
static int parse_term(struct parser *p, struct targ *a)
{
    const struct tlexer *l = &p->lex;
    int rc = 0;
    switch (l->tok) {
    case TT_DOT:
        a->kind = TARG_DOT;
        break;
    case TT_FIELD:
        a->kind = TARG_FIELD;
        return 0; /* the fields are read by the caller */
    case TT_VAR:
        a->kind = TARG_VAR;
        a->var = l->value;
        rc = check_variable(p, l->value);
        break;
    case TT_NUMBER:
        rc = number_value(p, &a->value);
        a->kind = TARG_CONST;
        break;
    case TT_CHAR:
        a->kind = TARG_CONST;
        a->value = tval_int(l->code_point);
        break;
    case TT_STRING:
        a->kind = TARG_CONST;
        a->value = tval_string(l->value);
        break;
    case TT_WORD:
        rc = function_operand(p, a);
        break;
    case TT_LPAREN:
        a->kind = TARG_PIPE;
        if ((rc = enter(p)) < 0 || (rc = next(p)) < 0) return rc;
        rc = parse_pipeline(p, TT_RPAREN, "parenthesized pipeline", &a->pipe);
        p->depth--;
        break;
    default:
        return unexpected(p, "operand");
    }
    if (rc < 0) return rc;
    a->end = l->end;
    return next(p);
}

/* The ".a.b" right behind an operand. */
static int parse_fields(struct parser *p, struct targ *a)
{
    struct str fields[TEMPLATE_ARGS_MAX];
    size_t n = 0;
    bool first = a->kind == TARG_FIELD;
    while (p->lex.tok == TT_FIELD && (first || !p->lex.space)) {
        if (n == COUNT(fields)) return fail(p, p->lex.start, "too many fields in a chain");
        first = false;
        fields[n++] = p->lex.value;
        a->end = p->lex.end;
        int rc = next(p);
        if (rc < 0) return rc;
    }
    if (n == 0) return 0;
    if (a->kind == TARG_CONST || a->kind == TARG_DOT)
        return fail(p, a->end - 1, "unexpected . after term");
    a->fields = arena_dup(p->arena, fields, n * sizeof *fields);
    a->field_count = n;
    return a->fields ? 0 : -ENOMEM;
}

static int parse_operand(struct parser *p, struct targ **out)
{
    struct targ *a = arena_zalloc(p->arena, sizeof *a);
    if (!a) return -ENOMEM;
    a->start = p->lex.start;
    a->end = p->lex.end;
    int rc = parse_term(p, a);
    if (rc == 0) rc = parse_fields(p, a);
    *out = a;
    return rc;
}

static int parse_command(struct parser *p, enum ttok until, struct tcmd **out)
{
    struct tcmd *c = arena_zalloc(p->arena, sizeof *c);
    if (!c) return -ENOMEM;
    c->start = p->lex.start;
    struct targ **last = &c->args;
    size_t n = 0;
    while (p->lex.tok != until && p->lex.tok != TT_PIPE) {
        if (n > 0 && !p->lex.space) return unexpected(p, "operand");
        if (n++ == TEMPLATE_ARGS_MAX) return fail(p, p->lex.start, "too many arguments");
        int rc = parse_operand(p, last);
        if (rc < 0) return rc;
        c->end = (*last)->end;
        last = &(*last)->next;
    }
    *out = c;
    return 0;
}

/* --- pipelines --- */

/* The variables of "$x :=", "$x =" and, in range, "$i, $e :=". Looks ahead on a copy of the lexer:
 * "$x | f" starts alike. */
static int parse_declaration(struct parser *p, const char *context, struct tpipe *pipe)
{
    if (p->lex.tok != TT_VAR) return 0;
    bool is_range = strcmp(context, "range") == 0;
    struct tlexer saved = p->lex;
    struct str names[2] = {p->lex.value};
    size_t n = 1;
    int rc = next(p);
    if (rc < 0) return rc;
    if (p->lex.tok == TT_COMMA) {
        if (!is_range) return fail(p, p->lex.start, "too many declarations");
        if ((rc = next(p)) < 0) return rc;
        if (p->lex.tok != TT_VAR) return unexpected(p, "range");
        names[n++] = p->lex.value;
        if ((rc = next(p)) < 0) return rc;
        if (p->lex.tok != TT_DECLARE && p->lex.tok != TT_ASSIGN) return unexpected(p, "range");
    }
    if (p->lex.tok != TT_DECLARE && p->lex.tok != TT_ASSIGN) {
        p->lex = saved;
        return 0;
    }
    pipe->assign = p->lex.tok == TT_ASSIGN;
    for (size_t i = 0; i < n; i++) {
        if (pipe->assign && (rc = check_variable(p, names[i])) < 0) return rc;
        pipe->decl[pipe->decl_count++] = names[i];
    }
    return next(p);
}

/* Only what can take the value piped into it may stand behind a '|'. */
static int check_stages(struct parser *p, const struct tpipe *pipe, const char *context)
{
    int stage = 1;
    for (const struct tcmd *c = pipe->cmds; c; c = c->next, stage++) {
        if (!c->args)
            return template_error_at(p->lex.text, p->lex.start, p->err, "missing value for %s",
                                     context);
        if (stage > 1 && (c->args->kind == TARG_CONST || c->args->kind == TARG_DOT))
            return template_error_at(p->lex.text, c->start, p->err,
                                     "non executable command in pipeline stage %d", stage);
    }
    return 0;
}

/* Leaves the closing token current. */
static int parse_pipeline(struct parser *p, enum ttok until, const char *context,
                          struct tpipe **out)
{
    struct tpipe *pipe = arena_zalloc(p->arena, sizeof *pipe);
    if (!pipe) return -ENOMEM;
    pipe->start = p->lex.start;
    int rc = parse_declaration(p, context, pipe);
    struct tcmd **last = &pipe->cmds;
    while (rc == 0) {
        if ((rc = parse_command(p, until, last)) < 0) break;
        pipe->end = (*last)->end;
        last = &(*last)->next;
        if (p->lex.tok == until) break;
        if ((rc = next(p)) < 0) break;
        if (p->lex.tok == until)
            rc = template_error_at(p->lex.text, p->lex.start, p->err, "missing value for %s",
                                   context);
    }
    if (rc == 0) rc = check_stages(p, pipe, context);
    /* what a pipeline declares is known from here on, not inside itself */
    for (size_t i = 0; rc == 0 && !pipe->assign && i < pipe->decl_count; i++)
        rc = declare(p, pipe->decl[i]);
    *out = pipe;
    return rc;
}

/* --- actions --- */

static struct tnode *new_node(struct parser *p, enum tnode_kind kind)
{
    struct tnode *n = arena_zalloc(p->arena, sizeof *n);
    if (!n) return NULL;
    n->kind = kind;
    n->start = p->lex.start;
    return n;
}

static int parse_branch(struct parser *p, enum tnode_kind kind, const char *word,
                        struct tnode **out);

/* After "else": either "}}" and a list up to end, or if/with once more. */
static int parse_else(struct parser *p, const struct tnode *n, struct tnode **out)
{
    int rc = next(p);
    if (rc < 0) return rc;
    if (n->kind == TNODE_IF && at_word(p, "if")) return parse_branch(p, TNODE_IF, "if", out);
    if (n->kind == TNODE_WITH && at_word(p, "with"))
        return parse_branch(p, TNODE_WITH, "with", out);
    if (p->lex.tok != TT_RIGHT) return unexpected(p, "else");
    enum list_end end;
    if ((rc = next(p)) < 0 || (rc = parse_list(p, out, &end)) < 0) return rc;
    if (end == END_ELSE) return fail(p, p->lex.start, "expected end; found {{else}}");
    return end == END_END ? 0 : fail(p, p->lex.start, "unexpected EOF");
}

/* if, with, range; the word is current. Leaves "}}" of the end current. */
static int parse_branch(struct parser *p, enum tnode_kind kind, const char *word,
                        struct tnode **out)
{
    struct tnode *n = new_node(p, kind);
    if (!n) return -ENOMEM;
    *out = n;
    size_t scope = p->var_count;
    bool loop = kind == TNODE_RANGE;
    int rc = enter(p);
    if (rc < 0 || (rc = next(p)) < 0) return rc;
    if ((rc = parse_pipeline(p, TT_RIGHT, word, &n->pipe)) < 0 || (rc = next(p)) < 0) return rc;
    enum list_end end;
    p->loops += loop;
    rc = parse_list(p, &n->body, &end);
    p->loops -= loop;
    if (rc < 0) return rc;
    if (end == END_EOF) return fail(p, p->lex.start, "unexpected EOF");
    if (end == END_ELSE && (rc = parse_else(p, n, &n->otherwise)) < 0) return rc;
    p->var_count = scope;
    p->depth--;
    return 0;
}

static int parse_loop_control(struct parser *p, enum tnode_kind kind, const char *word,
                              struct tnode **out)
{
    *out = new_node(p, kind);
    if (!*out) return -ENOMEM;
    if (p->loops == 0)
        return template_error_at(p->lex.text, p->lex.start, p->err, "{{%s}} outside {{range}}",
                                 word);
    int rc = next(p);
    if (rc < 0) return rc;
    return p->lex.tok == TT_RIGHT ? 0 : unexpected(p, word);
}

static int parse_name(struct parser *p, const char *context, struct str *out)
{
    int rc = next(p);
    if (rc < 0) return rc;
    if (p->lex.tok != TT_STRING) return unexpected(p, context);
    *out = p->lex.value;
    return next(p);
}

/* {{template "name" pipeline}} */
static int parse_call(struct parser *p, const char *word, struct tnode **out)
{
    struct tnode *n = new_node(p, TNODE_TEMPLATE);
    if (!n) return -ENOMEM;
    *out = n;
    int rc = parse_name(p, word, &n->text);
    if (rc < 0 || p->lex.tok == TT_RIGHT) return rc;
    return parse_pipeline(p, TT_RIGHT, word, &n->pipe);
}

/* A body of its own: only $ is in scope. "}}" of the opening is current. */
static int parse_definition(struct parser *p, struct str name)
{
    struct tdefine *d = arena_zalloc(p->arena, sizeof *d);
    if (!d) return -ENOMEM;
    struct str vars[TEMPLATE_VARS_MAX];
    size_t count = p->var_count;
    int loops = p->loops;
    memcpy(vars, p->vars, count * sizeof *vars);
    p->var_count = 1;
    p->vars[0] = STR("$");
    p->loops = 0;
    enum list_end end = END_EOF;
    int rc = enter(p);
    if (rc == 0) rc = next(p);
    if (rc == 0) rc = parse_list(p, &d->body, &end);
    if (rc == 0 && end != END_END)
        rc = fail(p, p->lex.start,
                  end == END_ELSE ? "unexpected {{else}} in define clause" : "unexpected EOF");
    memcpy(p->vars, vars, count * sizeof *vars);
    p->var_count = count;
    p->loops = loops;
    p->depth--;
    d->name = name;
    d->next = p->t->defines; /* the last definition of a name wins */
    p->t->defines = d;
    return rc;
}

static int parse_define(struct parser *p, const char *word, struct tnode **out)
{
    UNUSED(out);
    struct str name;
    int rc = parse_name(p, word, &name);
    if (rc < 0) return rc;
    if (p->depth > 0) return fail(p, p->lex.start, "unexpected {{define}}");
    return p->lex.tok == TT_RIGHT ? parse_definition(p, name) : unexpected(p, "define clause");
}

/* {{block "name" pipeline}} body {{end}}: define and call at once. */
static int parse_block(struct parser *p, const char *word, struct tnode **out)
{
    int rc = parse_call(p, word, out);
    if (rc < 0) return rc;
    return (*out)->pipe ? parse_definition(p, (*out)->text)
                        : fail(p, p->lex.start, "missing value for block clause");
}

static int parse_action(struct parser *p, struct tnode **out)
{
    static const struct {
        const char *word;
        enum tnode_kind kind;
    } branches[] = {
        {"if",    TNODE_IF   },
        {"with",  TNODE_WITH },
        {"range", TNODE_RANGE}
    };
    static const struct {
        const char *word;
        enum tnode_kind kind;
    } controls[] = {
        {"break",    TNODE_BREAK   },
        {"continue", TNODE_CONTINUE}
    };

    for (size_t i = 0; i < COUNT(branches); i++)
        if (at_word(p, branches[i].word))
            return parse_branch(p, branches[i].kind, branches[i].word, out);
    for (size_t i = 0; i < COUNT(controls); i++)
        if (at_word(p, controls[i].word))
            return parse_loop_control(p, controls[i].kind, controls[i].word, out);
    if (at_word(p, "template")) return parse_call(p, "template clause", out);
    if (at_word(p, "define")) return parse_define(p, "define clause", out);
    if (at_word(p, "block")) return parse_block(p, "block clause", out);
    *out = new_node(p, TNODE_PIPE);
    return *out ? parse_pipeline(p, TT_RIGHT, "command", &(*out)->pipe) : -ENOMEM;
}

/* After "{{": 1 when it was {{end}} or {{else, which end the list. */
static int at_list_end(struct parser *p, enum list_end *end)
{
    if (at_word(p, "else")) {
        *end = END_ELSE;
        return 1;
    }
    if (!at_word(p, "end")) return 0;
    int rc = next(p);
    if (rc < 0) return rc;
    if (p->lex.tok != TT_RIGHT) return unexpected(p, "end");
    *end = END_END;
    return 1;
}

/* Nodes until the end of the text, {{end}} ("}}" current) or {{else ("else" current). */
static int parse_list(struct parser *p, struct tnode **out, enum list_end *end)
{
    *out = NULL;
    for (;;) {
        struct tnode *n = NULL;
        int rc = 0;
        if (p->lex.tok == TT_EOF) {
            *end = END_EOF;
            return 0;
        }
        if (p->lex.tok == TT_TEXT) {
            if (!(n = new_node(p, TNODE_TEXT))) return -ENOMEM;
            n->text = p->lex.value;
        } else {
            if ((rc = next(p)) < 0 || (rc = at_list_end(p, end)) != 0) return rc < 0 ? rc : 0;
            if ((rc = parse_action(p, &n)) < 0) return rc;
        }
        if (n) {
            *out = n;
            out = &n->next;
        }
        if ((rc = next(p)) < 0) return rc;
    }
}

int template_parse(struct str text, const char *name, struct arena *a, struct template **out,
                   struct errmsg *err)
{
    static const char *const known[] = {"$", "$labels", "$externalLabels", "$externalURL",
                                        "$value"};
    if (text.len > TEMPLATE_TEXT_MAX)
        return errmsg_set(err, E_TOO_BIG, "template is over %d bytes", TEMPLATE_TEXT_MAX);
    struct template *t = arena_zalloc(a, sizeof *t);
    struct parser *p = arena_zalloc(a, sizeof *p);
    if (!t || !p) return -ENOMEM;
    t->text = arena_str(a, text);
    t->name = arena_strndup(a, name, strlen(name));
    if (!t->text.p || !t->name) return -ENOMEM;
    *p = (struct parser){
        .lex = {.text = t->text, .arena = a},
          .t = t, .arena = a, .err = err
    };
    for (size_t i = 0; i < COUNT(known); i++)
        p->vars[p->var_count++] = str_of(known[i]);

    enum list_end end = END_EOF;
    int rc = next(p);
    if (rc == 0) rc = parse_list(p, &t->body, &end);
    if (rc == 0 && end != END_EOF)
        rc = fail(p, p->lex.start, end == END_ELSE ? "unexpected {{else}}" : "unexpected {{end}}");
    if (rc == -ENOMEM) return errmsg_set(err, rc, "out of memory");
    if (rc == 0) *out = t;
    return rc;
}
