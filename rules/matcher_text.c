/* matcher_text.c -- Alertmanager's matcher syntax.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/matcher_text.h"

#include <errno.h>

struct cursor {
    struct str in;
    size_t pos;
    struct arena *arena;
    struct errmsg *err;
};

static int fail(struct cursor *c, const char *what)
{
    return errmsg_at(c->err, E_PARSE, 1, (int)c->pos + 1, "bad matcher \"%.*s\": %s",
                     (int)c->in.len, c->in.p, what);
}

static void skip_blanks(struct cursor *c)
{
    while (c->pos < c->in.len && (c->in.p[c->pos] == ' ' || c->in.p[c->pos] == '\t'))
        c->pos++;
}

static char peek(const struct cursor *c)
{
    return c->pos < c->in.len ? c->in.p[c->pos] : '\0';
}

static bool take(struct cursor *c, char wanted)
{
    skip_blanks(c);
    if (peek(c) != wanted || c->pos >= c->in.len) return false;
    c->pos++;
    return true;
}

/* "..." with \" \\ and \n. */
static int quoted_text(struct cursor *c, struct str *out)
{
    char *text = arena_alloc(c->arena, c->in.len);
    size_t n = 0;
    if (!text) return c->arena->err;
    for (c->pos++; c->pos < c->in.len && peek(c) != '"'; c->pos++) {
        char ch = peek(c);
        if (ch == '\\') {
            c->pos++;
            ch = peek(c) == 'n' ? '\n' : peek(c);
            if (!memchr("\"\\\n", ch, 3)) return fail(c, "unknown escape sequence");
        }
        text[n++] = ch;
    }
    if (c->pos >= c->in.len) return fail(c, "missing closing quote");
    c->pos++;
    *out = (struct str){text, n};
    return 0;
}

/* Text up to a character that ends it; blanks at its end do not count. */
static int bare_text(struct cursor *c, const char *ends, struct str *out)
{
    size_t start = c->pos;
    while (c->pos < c->in.len && !strchr(ends, peek(c)))
        c->pos++;
    *out = arena_str(c->arena, str_trim((struct str){c->in.p + start, c->pos - start}));
    return out->p ? 0 : c->arena->err;
}

static int one_text(struct cursor *c, const char *ends, struct str *out)
{
    skip_blanks(c);
    return peek(c) == '"' ? quoted_text(c, out) : bare_text(c, ends, out);
}

static int operator_of(struct cursor *c, enum matcher_type *out)
{
    static const struct {
        struct str text;
        enum matcher_type type;
    } ops[] = {
        {STR("=~"), MATCH_RE },
        {STR("!~"), MATCH_NRE},
        {STR("!="), MATCH_NE },
        {STR("="),  MATCH_EQ }
    };
    skip_blanks(c);
    struct str rest = {c->in.p + c->pos, c->in.len - c->pos};
    for (size_t i = 0; i < COUNT(ops); i++)
        if (str_starts(rest, ops[i].text)) {
            c->pos += ops[i].text.len;
            *out = ops[i].type;
            return 0;
        }
    return fail(c, "expected one of = != =~ !~");
}

static int one_matcher(struct cursor *c, struct matcher *out)
{
    struct str name = {NULL, 0}, value = {NULL, 0};
    enum matcher_type type = MATCH_EQ;
    int rc = one_text(c, "=!{}, \t", &name);
    if (!rc && !label_name_is_valid(name)) rc = fail(c, "not a label name");
    if (!rc) rc = operator_of(c, &type);
    if (!rc) rc = one_text(c, ",}", &value);
    return rc ? rc : matcher_init(out, type, name, value, c->err);
}

int matcher_text_parse(struct str text, struct arena *a, struct matcher *v, size_t *count,
                       size_t max, struct errmsg *err)
{
    struct cursor c = {.in = str_trim(text), .arena = a, .err = err};
    bool brace = take(&c, '{');
    for (;;) {
        skip_blanks(&c);
        if (brace && take(&c, '}')) break;
        if (!brace && c.pos >= c.in.len) break;
        if (*count >= max) return errmsg_set(err, E_TOO_BIG, "more than %zu matchers", max);
        int rc = one_matcher(&c, &v[*count]);
        if (rc) return rc;
        ++*count;
        bool more = take(&c, ',');
        if (!more && brace && !take(&c, '}')) return fail(&c, "expected , or }");
        if (!more) break;
    }
    skip_blanks(&c);
    return c.pos < c.in.len ? fail(&c, "unexpected text") : 0;
}
