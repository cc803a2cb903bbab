/* conf.c -- structs from YAML by table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/env.h"
#include "core/mem.h"

enum { NAMES_MAX = 128, SECRET_FILE_MAX = 64 << 10, EXPANDED_MAX = 1 << 20 };

#define FIELD(out, type, option) ((type *)((char *)(out) + (option)->offset))

static int refuse(struct conf_ctx *c, const struct ynode *n, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static int refuse(struct conf_ctx *c, const struct ynode *n, const char *hint, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n) return ynode_error(c->doc, n, c->diags, hint, "%s", text);
    diags_add(c->diags, DIAG_ERROR, c->doc ? c->doc->file : "", (struct str){NULL, 0}, 0, 0, 0,
              hint, "%s", text);
    return E_INVALID;
}

static int no_memory(struct conf_ctx *c, const struct ynode *n)
{
    return refuse(c, n, NULL, "not enough memory for this configuration");
}

/* --- ${...} --- */

static int expand_file(struct conf_ctx *c, const struct ynode *n, struct str path, struct buf *out)
{
    char *name = mem_strndup(path.p, path.len), *text = NULL;
    size_t len = 0;
    if (!name) return no_memory(c, n);
    int rc = env_read_file(env_system(), name, SECRET_FILE_MAX, &text, &len);
    mem_free(name);
    if (rc) return refuse(c, n, NULL, "cannot read %.*s: %s", (int)path.len, path.p, err_text(rc));
    struct str content = str_trim((struct str){text, len});
    buf_add(out, content.p, content.len);
    mem_free(text);
    return 0;
}

static int expand_name(struct conf_ctx *c, const struct ynode *n, struct str inner, struct buf *out)
{
    if (str_starts(inner, STR("file:")))
        return expand_file(c, n, (struct str){inner.p + 5, inner.len - 5}, out);
    const char *dash = inner.len ? memmem(inner.p, inner.len, ":-", 2) : NULL;
    struct str name = {inner.p, dash ? (size_t)(dash - inner.p) : inner.len};
    char *key = mem_strndup(name.p, name.len);
    if (!key) return no_memory(c, n);
    const char *value = getenv(key);
    mem_free(key);
    if (value && (value[0] || !dash)) return buf_addstr(out, value), 0;
    if (dash) return buf_add(out, dash + 2, inner.len - name.len - 2), 0;
    return refuse(c, n, "give it a default: ${NAME:-value}",
                  "environment variable \"%.*s\" is not set", (int)name.len, name.p);
}

static int expand_text(struct conf_ctx *c, const struct ynode *n, struct str s, struct buf *out)
{
    while (s.len) {
        const char *dollar = memmem(s.p, s.len, "${", 2);
        size_t plain = dollar ? (size_t)(dollar - s.p) : s.len;
        bool escaped = dollar && plain && s.p[plain - 1] == '$';
        buf_add(out, s.p, plain - escaped);
        s.p += plain;
        s.len -= plain;
        if (!dollar) break;
        const char *close = escaped ? NULL : memchr(s.p, '}', s.len);
        if (!escaped && !close)
            return refuse(c, n, "write $${ for a literal ${", "\"${\" has no \"}\"");
        size_t used = escaped ? 2 : (size_t)(close - s.p) + 1;
        int rc = 0;
        if (escaped)
            buf_add(out, "${", 2);
        else
            rc = expand_name(c, n, (struct str){s.p + 2, used - 3}, out);
        if (rc) return rc;
        s.p += used;
        s.len -= used;
    }
    return out->err ? no_memory(c, n) : 0;
}

/* The scalar's text, expanded when the context asks for it. */
static int scalar_text(struct conf_ctx *c, const struct ynode *n, struct str *out)
{
    if (n->kind != YNODE_SCALAR)
        return refuse(c, n, NULL, "expected a value, found a %s",
                      n->kind == YNODE_MAPPING ? "mapping" : "list");
    *out = n->value;
    if (!c->expand || !n->value.len || !memmem(n->value.p, n->value.len, "${", 2)) return 0;
    struct buf text = BUF_INIT(EXPANDED_MAX);
    int rc = expand_text(c, n, n->value, &text);
    if (!rc) {
        *out = arena_str(c->arena, (struct str){text.p ? text.p : "", text.len});
        if (!out->p) rc = no_memory(c, n);
    }
    buf_release(&text);
    return rc;
}

/* --- scalars --- */

static int read_bool(struct conf_ctx *c, const struct ynode *n, struct str s, bool *out)
{
    static const struct {
        struct str text;
        bool value;
    } words[] = {
        {STR("true"),  true },
        {STR("false"), false},
        {STR("yes"),   true },
        {STR("no"),    false},
        {STR("on"),    true },
        {STR("off"),   false},
    };
    for (size_t i = 0; i < COUNT(words); i++)
        if (str_eq_nocase(s, words[i].text)) {
            *out = words[i].value;
            return 0;
        }
    return refuse(c, n, "use true or false", "\"%.*s\" is not a boolean", (int)s.len, s.p);
}

static int in_bounds(struct conf_ctx *c, const struct ynode *n, const struct conf_option *o,
                     struct str s, int64_t v)
{
    if ((!o->min && !o->max) || (v >= o->min && v <= o->max)) return 0;
    return refuse(c, n, NULL, "%s: \"%.*s\" is out of range", o->key, (int)s.len, s.p);
}

static int read_integer(struct conf_ctx *c, const struct ynode *n, const struct conf_option *o,
                        struct str s, int64_t *out)
{
    struct errmsg e = {0};
    int rc;
    if (o->type == CONF_DURATION)
        rc = str_to_duration(s, out, &e);
    else if (o->type == CONF_SIZE)
        rc = str_to_size(s, out, &e);
    else {
        rc = str_to_i64(s, out);
        if (rc) errmsg_set(&e, rc, "\"%.*s\" is not a whole number", (int)s.len, s.p);
    }
    if (rc) return refuse(c, n, e.hint[0] ? e.hint : NULL, "%s", e.text);
    return in_bounds(c, n, o, s, *out);
}

static int read_enum(struct conf_ctx *c, const struct ynode *n, const struct conf_option *o,
                     struct str s, int *out)
{
    struct buf hint = BUF_INIT(256);
    size_t count = 0;
    for (; o->names[count]; count++) {
        if (str_eq(s, str_of(o->names[count]))) {
            *out = (int)count;
            buf_release(&hint);
            return 0;
        }
        buf_addf(&hint, "%s%s", count ? ", " : "use one of ", o->names[count]);
    }
    refuse(c, n, hint.p, "%s: \"%.*s\" is not known", o->key, (int)s.len, s.p);
    buf_release(&hint);
    return E_INVALID;
}

static int read_scalar(struct conf_ctx *c, const struct ynode *n, const struct conf_option *o,
                       struct str s, void *out)
{
    switch (o->type) {
    case CONF_BOOL:
        return read_bool(c, n, s, FIELD(out, bool, o));
    case CONF_INT:
    case CONF_DURATION:
    case CONF_SIZE:
        return read_integer(c, n, o, s, FIELD(out, int64_t, o));
    case CONF_DOUBLE:
        if (str_to_double(s, FIELD(out, double, o)))
            return refuse(c, n, NULL, "\"%.*s\" is not a number", (int)s.len, s.p);
        if ((o->min || o->max) &&
            !(*FIELD(out, double, o) >= (double)o->min && *FIELD(out, double, o) <= (double)o->max))
            return refuse(c, n, NULL, "%s: \"%.*s\" is out of range", o->key, (int)s.len, s.p);
        return 0;
    case CONF_STRING:
        *FIELD(out, const char *, o) = arena_strndup(c->arena, s.p, s.len);
        if (!*FIELD(out, const char *, o)) return no_memory(c, n);
        if (memchr(s.p, '\0', s.len)) return refuse(c, n, NULL, "%s: contains a zero byte", o->key);
        return 0;
    case CONF_ENUM:
        return read_enum(c, n, o, s, FIELD(out, int, o));
    default:
        return E_INVALID;
    }
}

/* --- containers --- */

static int read_strings(struct conf_ctx *c, const struct ynode *n, struct conf_strings *out)
{
    size_t count = n->kind == YNODE_SEQUENCE ? n->count : 1;
    if (n->kind == YNODE_MAPPING) return refuse(c, n, NULL, "expected a list, found a mapping");
    out->count = 0; /* of the default */
    out->v = arena_array(c->arena, count, sizeof *out->v);
    out->nodes = arena_array(c->arena, count, sizeof *out->nodes);
    if (!out->v || !out->nodes) return no_memory(c, n);
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ynode *item = n->kind == YNODE_SEQUENCE ? n->items[i] : n;
        struct str s;
        if (scalar_text(c, item, &s)) {
            rc = E_INVALID;
            continue;
        }
        const char *copy = arena_strndup(c->arena, s.p, s.len);
        if (!copy) return no_memory(c, n);
        out->v[out->count] = copy;
        out->nodes[out->count++] = item;
    }
    return rc;
}

static int read_map(struct conf_ctx *c, const struct ynode *n, struct conf_map *out)
{
    if (n->kind != YNODE_MAPPING) return refuse(c, n, NULL, "expected a mapping");
    out->count = 0; /* of the default */
    out->v = arena_array(c->arena, n->count, sizeof *out->v);
    if (!out->v) return no_memory(c, n);
    int rc = 0;
    for (size_t i = 0; i < n->count; i++) {
        struct str value = {NULL, 0};
        if (scalar_text(c, n->pairs[i].value, &value)) {
            rc = E_INVALID;
            continue;
        }
        out->v[out->count].key = n->pairs[i].key->value;
        out->v[out->count].value = value;
        out->v[out->count].key_node = n->pairs[i].key;
        out->v[out->count++].value_node = n->pairs[i].value;
    }
    return rc;
}

static int read_list(struct conf_ctx *c, const struct ynode *n, const struct conf_option *o,
                     struct conf_list *out)
{
    if (n->kind != YNODE_SEQUENCE)
        return refuse(c, n, "start each entry with \"- \"", "expected a list");
    out->v = arena_array(c->arena, n->count, o->sub->size);
    if (!out->v) return no_memory(c, n);
    int rc = 0;
    for (size_t i = 0; i < n->count; i++)
        if (conf_decode(o->sub, n->items[i], (char *)out->v + i * o->sub->size, c)) rc = E_INVALID;
    out->count = n->count;
    return rc;
}

static int read_option(struct conf_ctx *c, const struct ynode *n, const struct conf_option *o,
                       void *out)
{
    switch (o->type) {
    case CONF_STRINGS:
        return read_strings(c, n, FIELD(out, struct conf_strings, o));
    case CONF_MAP:
        return read_map(c, n, FIELD(out, struct conf_map, o));
    case CONF_SUB:
        return conf_decode(o->sub, n, FIELD(out, void, o), c);
    case CONF_LIST:
        return read_list(c, n, o, FIELD(out, struct conf_list, o));
    case CONF_CUSTOM:
        return o->custom(c, n, FIELD(out, void, o));
    default: {
        struct str s = {NULL, 0};
        int rc = scalar_text(c, n, &s);
        return rc ? rc : read_scalar(c, n, o, s, out);
    }
    }
}

/* --- tables --- */

int conf_defaults(const struct conf_table *t, void *out, struct conf_ctx *c)
{
    memset(out, 0, t->size);
    int rc = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct conf_option *o = &t->options[i];
        struct ynode dflt = {.kind = YNODE_SCALAR, .plain = true, .value = str_of(o->dflt)};
        int one = 0;
        if (o->type == CONF_SUB)
            one = conf_defaults(o->sub, FIELD(out, void, o), c);
        else if (o->dflt)
            one = read_option(c, &dflt, o, out);
        else if (o->type == CONF_STRING)
            *FIELD(out, const char *, o) = "";
        if (one) rc = one;
    }
    return rc;
}

static void unknown_key(struct conf_ctx *c, const struct conf_table *t, const struct ynode *key)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (; count < t->count && count < NAMES_MAX; count++)
        names[count] = t->options[count].key;
    const char *near = str_nearest(key->value, names, count);
    char hint[128];
    if (near) snprintf(hint, sizeof hint, "did you mean \"%s\"?", near);
    refuse(c, key, near ? hint : NULL, "unknown key \"%.*s\"%s%s", (int)key->value.len,
           key->value.p, t->name ? " in " : "", t->name ? t->name : "");
}

static const struct conf_option *find_option(const struct conf_table *t, struct str key)
{
    for (size_t i = 0; i < t->count; i++)
        if (str_eq(key, str_of(t->options[i].key))) return &t->options[i];
    return NULL;
}

static int decode_mapping(const struct conf_table *t, const struct ynode *n, void *out,
                          struct conf_ctx *c)
{
    int rc = 0;
    if (n->kind != YNODE_MAPPING)
        return refuse(c, n, NULL, "expected a mapping%s%s", t->name ? " for " : "",
                      t->name ? t->name : "");
    for (size_t i = 0; i < n->count; i++) {
        const struct conf_option *o = find_option(t, n->pairs[i].key->value);
        if (!o) {
            unknown_key(c, t, n->pairs[i].key);
            rc = E_INVALID;
        } else if (!ynode_is_null(n->pairs[i].value) || o->type == CONF_CUSTOM) {
            if (read_option(c, n->pairs[i].value, o, out)) rc = E_INVALID;
        }
    }
    return rc;
}

static int check_required(const struct conf_table *t, const struct ynode *n, struct conf_ctx *c)
{
    int rc = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct conf_option *o = &t->options[i];
        if (o->required && ynode_is_null(n ? ynode_get(n, o->key) : NULL))
            rc = refuse(c, n, NULL, "%s needs \"%s\"", t->name ? t->name : "this", o->key);
    }
    return rc;
}

int conf_decode(const struct conf_table *t, const struct ynode *n, void *out, struct conf_ctx *c)
{
    int rc = conf_defaults(t, out, c);
    if (rc) return rc;
    if (t->has_node) *(const struct ynode **)((char *)out + t->node_offset) = n;
    bool empty = ynode_is_null(n);
    if (!empty) rc = decode_mapping(t, n, out, c);
    if (check_required(t, empty ? NULL : n, c)) rc = E_INVALID;
    if (!rc && t->validate) rc = t->validate(c, n, out);
    return rc;
}

/* --- printing --- */

static bool has_plain_default(const struct conf_option *o)
{
    return o->dflt && o->type != CONF_LIST;
}

static void print_option(const struct conf_option *o, int indent, struct buf *out)
{
    if (!has_plain_default(o)) {
        buf_addf(out, "%*s# %s:\n", indent, "", o->key);
        return;
    }
    bool quoted = o->type == CONF_STRING && (!o->dflt[0] || strpbrk(o->dflt, ":#{}[]*&!|>'\"%@`"));
    const char *quote = quoted ? "\"" : "";
    buf_addf(out, "%*s%s: %s%s%s\n", indent, "", o->key, quote, o->dflt, quote);
}

static void print_table(const struct conf_table *t, int indent, struct buf *out)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct conf_option *o = &t->options[i];
        if (o->help && o->help[0]) buf_addf(out, "%*s# %s\n", indent, "", o->help);
        if (o->type != CONF_SUB) {
            print_option(o, indent, out);
            continue;
        }
        buf_addf(out, "%*s%s:\n", indent, "", o->key);
        print_table(o->sub, indent + 2, out);
    }
}

void conf_print_defaults(const struct conf_table *t, struct buf *out)
{
    print_table(t, 0, out);
}
