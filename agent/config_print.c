/* config_print.c -- the configuration in force, as YAML, by the same tables that read it.
 *
 * What may be a secret is not shown. Options with a decoder of their own are left out, but named.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/config.h"
#include "core/json.h"

static bool is_secret(const char *key)
{
    static const char *const words[] = {"password", "secret",      "token",
                                        "bearer",   "credentials", "headers"};
    if (str_ends(str_of(key), STR("_file"))) return false; /* where it is, not what */
    for (size_t i = 0; i < COUNT(words); i++)
        if (strstr(key, words[i])) return true;
    return false;
}

/* A JSON string is a YAML string. */
static void put_text(struct buf *out, struct str s)
{
    json_quote(out, s, false);
}

/* A URL's password is hidden, too: scheme://user:<secret>@host. */
static void put_value(struct buf *out, struct str s)
{
    struct buf shown = BUF_INIT(s.len + 16);
    const char *start = s.len ? memmem(s.p, s.len, "://", 3) : NULL;
    size_t from = start ? (size_t)(start - s.p) + 3 : s.len, end = from;
    while (end < s.len && !strchr("/?#", s.p[end]))
        end++;
    const char *at = end > from ? memrchr(s.p + from, '@', end - from) : NULL;
    const char *colon = at ? memchr(s.p + from, ':', (size_t)(at - s.p) - from) : NULL;
    if (!colon) {
        put_text(out, s);
        return;
    }
    buf_add(&shown, s.p, (size_t)(colon - s.p) + 1);
    buf_addstr(&shown, "<secret>");
    buf_add(&shown, at, s.len - (size_t)(at - s.p));
    put_text(out, (struct str){shown.p, shown.len});
    buf_release(&shown);
}

static void put_scalar(const struct conf_option *o, const void *field, struct buf *out)
{
    char text[64];
    int64_t v;
    switch (o->type) {
    case CONF_BOOL:
        buf_addstr(out, *(const bool *)field ? "true" : "false");
        return;
    case CONF_DOUBLE:
        buf_adddouble(out, *(const double *)field);
        return;
    case CONF_STRING: {
        const char *s = *(const char *const *)field;
        if (is_secret(o->key) && s && s[0])
            put_text(out, STR("<secret>"));
        else
            put_value(out, str_of(s ? s : ""));
        return;
    }
    case CONF_ENUM:
        buf_addstr(out, o->names[*(const int *)field]);
        return;
    case CONF_DURATION:
        memcpy(&v, field, sizeof v);
        buf_add(out, text, str_from_duration(v, text));
        return;
    default:
        memcpy(&v, field, sizeof v);
        buf_addint(out, v);
        return;
    }
}

static void put_strings(const struct conf_strings *s, struct buf *out)
{
    buf_addch(out, '[');
    for (size_t i = 0; i < s->count; i++) {
        if (i) buf_addstr(out, ", ");
        put_value(out, str_of(s->v[i]));
    }
    buf_addch(out, ']');
}

static void put_map(const struct conf_map *m, bool secret, struct buf *out)
{
    buf_addch(out, '{');
    for (size_t i = 0; i < m->count; i++) {
        if (i) buf_addstr(out, ", ");
        put_text(out, m->v[i].key);
        buf_addstr(out, ": ");
        const char *key = m->v[i].key.p; /* NUL-terminated, as all that is decoded */
        put_text(out, secret || is_secret(key) ? STR("<secret>") : m->v[i].value);
    }
    buf_addch(out, '}');
}

static void put_table(const struct conf_table *t, const char *base, int depth, struct buf *out);

static void put_list(const struct conf_option *o, const struct conf_list *l, int depth,
                     struct buf *out)
{
    buf_addstr(out, l->count ? "\n" : " []\n");
    for (size_t i = 0; i < l->count; i++) {
        buf_addf(out, "%*s-\n", depth * 2, "");
        put_table(o->sub, (const char *)l->v + i * o->sub->size, depth + 1, out);
    }
}

/* Of the ways to give a secret only the one that was chosen is there. */
static bool is_unset_secret(const struct conf_option *o, const void *field)
{
    const char *s = *(const char *const *)field;
    return is_secret(o->key) && (!s || !s[0]);
}

/* Whether some text of a block is not its default: a block of its parent's own fields, such as
 * basic_auth of a scrape configuration, is there only when it was given. */
static bool is_given(const struct conf_table *t, const char *base)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct conf_option *o = &t->options[i];
        const char *s = "", *dflt = o->dflt ? o->dflt : "";
        if (o->type == CONF_STRING) s = *(const char *const *)(const void *)(base + o->offset);
        if (o->type == CONF_BOOL && *(const bool *)(const void *)(base + o->offset)) return true;
        if (o->type == CONF_STRING && strcmp(s ? s : "", dflt) != 0) return true;
    }
    return false;
}

static void put_option(const struct conf_option *o, const char *base, int depth, struct buf *out)
{
    const void *field = base + o->offset;
    if (o->type == CONF_CUSTOM) {
        if (o->help && strcmp(o->help, "Not supported yet.") != 0)
            buf_addf(out, "%*s# %s: see the file\n", depth * 2, "", o->key);
        return;
    }
    if (o->type == CONF_SUB && !o->sub->size && !is_given(o->sub, field)) return;
    if (o->type == CONF_STRING && is_unset_secret(o, field)) return;
    buf_addf(out, "%*s%s:", depth * 2, "", o->key);
    if (o->type == CONF_SUB) {
        buf_addch(out, '\n');
        put_table(o->sub, field, depth + 1, out);
        return;
    }
    if (o->type == CONF_LIST) {
        put_list(o, field, depth + 1, out);
        return;
    }
    buf_addch(out, ' ');
    if (o->type == CONF_STRINGS)
        put_strings(field, out);
    else if (o->type == CONF_MAP)
        put_map(field, is_secret(o->key), out);
    else
        put_scalar(o, field, out);
    buf_addch(out, '\n');
}

static void put_table(const struct conf_table *t, const char *base, int depth, struct buf *out)
{
    for (size_t i = 0; i < t->count; i++)
        put_option(&t->options[i], base, depth, out);
}

void config_print_effective(const struct config *c, struct buf *out)
{
    put_table(&config_table, (const char *)c, 0, out);
}
