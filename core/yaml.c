/* yaml.c -- a tree of YAML nodes with positions, built from libyaml's events.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "core/mem.h"

enum { DEPTH_MAX = 32, ALIASES_MAX = 100, NODES_MAX = 200000 };

struct anchor {
    const char *name;
    struct ynode *node;
    struct anchor *next;
};

struct reader {
    yaml_parser_t parser;
    struct ydoc *doc;
    struct arena *arena;
    struct diags *diags;
    struct anchor *anchors;
    int depth, aliases, nodes;
};

/* Children of a container while it is read. */
struct child {
    struct ynode *node;
    struct child *next;
};

static int problem(struct reader *r, yaml_mark_t at, int rc, const char *hint, const char *text)
{
    diags_add(r->diags, DIAG_ERROR, r->doc->file, r->doc->text, (int)at.line + 1,
              (int)at.column + 1, 1, hint, "%s", text);
    return rc;
}

static int out_of_memory(struct reader *r)
{
    diags_add(r->diags, DIAG_ERROR, r->doc->file, r->doc->text, 0, 0, 0, NULL,
              "not enough memory for this document");
    return r->arena->err ? r->arena->err : -ENOMEM;
}

/* libyaml reports where the context began and where the problem is; the latter helps more. */
static int syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *what = p->problem ? p->problem : "syntax error";
    char text[256];
    if (p->error == YAML_MEMORY_ERROR) return out_of_memory(r);
    if (p->context)
        snprintf(text, sizeof text, "%s, %s", what, p->context);
    else
        snprintf(text, sizeof text, "%s", what);
    yaml_mark_t at = p->problem_mark;
    if (p->error == YAML_READER_ERROR) { /* no mark, only an offset */
        at = (yaml_mark_t){0};
        for (size_t i = 0; i < p->problem_offset && i < r->doc->text.len; i++) {
            at.column++;
            if (r->doc->text.p[i] != '\n') continue;
            at.line++;
            at.column = 0;
        }
    }
    const char *hint = strstr(what, "tab") ? "indent with spaces" : NULL;
    return problem(r, at, E_PARSE, hint, text);
}

static int next_event(struct reader *r, yaml_event_t *e)
{
    return yaml_parser_parse(&r->parser, e) ? 0 : syntax_error(r);
}

static struct ynode *new_node(struct reader *r, enum ynode_kind kind, yaml_mark_t at)
{
    struct ynode *n = ++r->nodes > NODES_MAX ? NULL : arena_zalloc(r->arena, sizeof *n);
    if (!n) return NULL;
    n->kind = kind;
    n->line = (int)at.line + 1;
    n->column = (int)at.column + 1;
    return n;
}

static int remember(struct reader *r, const yaml_char_t *name, struct ynode *n)
{
    if (!name) return 0;
    struct anchor *a = arena_alloc(r->arena, sizeof *a);
    if (!a) return out_of_memory(r);
    a->name = arena_strndup(r->arena, (const char *)name, strlen((const char *)name));
    a->node = n;
    a->next = r->anchors;
    r->anchors = a;
    return a->name ? 0 : out_of_memory(r);
}

static int resolve(struct reader *r, const yaml_event_t *e, struct ynode **out)
{
    if (++r->aliases > ALIASES_MAX)
        return problem(r, e->start_mark, E_TOO_BIG, NULL, "more than 100 aliases");
    for (const struct anchor *a = r->anchors; a; a = a->next)
        if (!strcmp(a->name, (const char *)e->data.alias.anchor)) {
            *out = a->node;
            return 0;
        }
    return problem(r, e->start_mark, E_PARSE, "define it with &name before its use",
                   "found undefined alias");
}

static int read_node(struct reader *r, const yaml_event_t *e, struct ynode **out);

/* Reads nodes up to the end event; *count of them in a list, in order. */
static int read_children(struct reader *r, yaml_event_type_t end, struct child **list,
                         size_t *count)
{
    struct child **last = list;
    for (;; ++*count) {
        yaml_event_t e;
        int rc = next_event(r, &e);
        if (rc) return rc;
        if (e.type == end) {
            yaml_event_delete(&e);
            return 0;
        }
        struct child *c = arena_zalloc(r->arena, sizeof *c);
        *last = c;
        rc = c ? read_node(r, &e, &c->node) : out_of_memory(r);
        yaml_event_delete(&e);
        if (rc || !c) return rc;
        last = &c->next;
    }
}

static int read_scalar(struct reader *r, const yaml_event_t *e, struct ynode **out)
{
    struct ynode *n = new_node(r, YNODE_SCALAR, e->start_mark);
    if (!n) return out_of_memory(r);
    yaml_scalar_style_t style = e->data.scalar.style;
    n->plain = style == YAML_PLAIN_SCALAR_STYLE;
    n->block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
    n->value = arena_str(r->arena,
                         (struct str){(const char *)e->data.scalar.value, e->data.scalar.length});
    *out = n;
    return n->value.p ? remember(r, e->data.scalar.anchor, n) : out_of_memory(r);
}

static int read_sequence(struct reader *r, const yaml_event_t *e, struct ynode **out)
{
    struct ynode *n = new_node(r, YNODE_SEQUENCE, e->start_mark);
    struct child *list = NULL;
    if (!n) return out_of_memory(r);
    int rc = read_children(r, YAML_SEQUENCE_END_EVENT, &list, &n->count);
    if (rc) return rc;
    n->items = arena_array(r->arena, n->count, sizeof(struct ynode *));
    if (!n->items) return out_of_memory(r);
    size_t i = 0;
    for (struct child *c = list; c; c = c->next)
        n->items[i++] = c->node;
    *out = n;
    return remember(r, e->data.sequence_start.anchor, n);
}

static void check_duplicates(struct reader *r, const struct ynode *map)
{
    for (size_t i = 1; i < map->count; i++) {
        const struct ynode *key = map->pairs[i].key;
        for (size_t j = 0; j < i; j++)
            if (str_eq(map->pairs[j].key->value, key->value)) {
                ynode_error(r->doc, key, r->diags, "remove one of the two",
                            "duplicate key \"%.*s\" (first on line %d)", (int)key->value.len,
                            key->value.p, map->pairs[j].key->line);
                break;
            }
    }
}

static int read_mapping(struct reader *r, const yaml_event_t *e, struct ynode **out)
{
    struct ynode *n = new_node(r, YNODE_MAPPING, e->start_mark);
    struct child *list = NULL;
    size_t nodes = 0, i = 0;
    if (!n) return out_of_memory(r);
    int rc = read_children(r, YAML_MAPPING_END_EVENT, &list, &nodes);
    if (rc) return rc;
    n->count = nodes / 2;
    n->pairs = arena_array(r->arena, n->count, sizeof *n->pairs);
    if (!n->pairs) return out_of_memory(r);
    for (struct child *c = list; c && c->next; c = c->next->next) {
        if (c->node->kind != YNODE_SCALAR)
            return ynode_error(r->doc, c->node, r->diags, NULL, "a key must be plain text");
        n->pairs[i++] = (struct ypair){c->node, c->next->node};
    }
    check_duplicates(r, n);
    *out = n;
    return remember(r, e->data.mapping_start.anchor, n);
}

static int read_node(struct reader *r, const yaml_event_t *e, struct ynode **out)
{
    if (++r->depth > DEPTH_MAX)
        return problem(r, e->start_mark, E_TOO_BIG, NULL, "nested deeper than 32 levels");
    int rc;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        rc = read_scalar(r, e, out);
        break;
    case YAML_SEQUENCE_START_EVENT:
        rc = read_sequence(r, e, out);
        break;
    case YAML_MAPPING_START_EVENT:
        rc = read_mapping(r, e, out);
        break;
    case YAML_ALIAS_EVENT:
        rc = resolve(r, e, out);
        break;
    default:
        rc = problem(r, e->start_mark, E_PARSE, NULL, "unexpected content");
    }
    r->depth--;
    return rc;
}

/* Reads events up to the end of the stream: at most one document with one root. */
static int read_stream(struct reader *r)
{
    for (bool done = false; !done;) {
        yaml_event_t e;
        int rc = next_event(r, &e);
        if (rc) return rc;
        done = e.type == YAML_STREAM_END_EVENT;
        bool structural = done || e.type == YAML_STREAM_START_EVENT ||
                          e.type == YAML_DOCUMENT_START_EVENT || e.type == YAML_DOCUMENT_END_EVENT;
        if (e.type == YAML_DOCUMENT_START_EVENT && r->doc->root)
            rc = problem(r, e.start_mark, E_PARSE, "keep one document a file",
                         "a second document starts here");
        else if (!structural)
            rc = read_node(r, &e, &r->doc->root);
        yaml_event_delete(&e);
        if (rc) return rc;
    }
    return 0;
}

int ydoc_parse(struct ydoc *doc, const char *file, struct str text, size_t max_bytes,
               struct arena *a, struct diags *d)
{
    *doc = (struct ydoc){.file = arena_strndup(a, file, strlen(file))};
    struct reader r = {.doc = doc, .arena = a, .diags = d};
    if (!doc->file) return out_of_memory(&r);
    if (!max_bytes) max_bytes = 1 << 20;
    if (text.len > max_bytes) {
        diags_add(d, DIAG_ERROR, file, (struct str){NULL, 0}, 0, 0, 0, NULL,
                  "the file is larger than %zu bytes", max_bytes);
        return E_TOO_BIG;
    }
    doc->text = arena_str(a, text);
    if (!doc->text.p) return out_of_memory(&r);
    if (!yaml_parser_initialize(&r.parser)) return out_of_memory(&r);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)doc->text.p, doc->text.len);
    size_t before = d->errors;
    int rc = read_stream(&r);
    yaml_parser_delete(&r.parser);
    return rc ? rc : d->errors > before ? E_PARSE : 0;
}

struct ynode *ynode_get(const struct ynode *map, const char *key)
{
    if (!map || map->kind != YNODE_MAPPING) return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (str_eq(map->pairs[i].key->value, str_of(key))) return map->pairs[i].value;
    return NULL;
}

int ynode_error(const struct ydoc *doc, const struct ynode *n, struct diags *d, const char *hint,
                const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    bool one_line = n->kind == YNODE_SCALAR && !n->block && !memchr(n->value.p, '\n', n->value.len);
    int width = one_line ? (int)n->value.len : 1;
    diags_add(d, DIAG_ERROR, doc->file, doc->text, n->line, n->column, width, hint, "%s", text);
    return E_INVALID;
}
