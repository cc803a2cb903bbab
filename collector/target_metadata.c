/* target_metadata.c -- HELP, TYPE and UNIT of one target, from the lines its cache keeps.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/target_metadata.h"

#include <stdlib.h>

#include "collector/expo.h"
#include "collector/scrape_cache.h"
#include "core/mem.h"

enum { LINE_MAX_BYTES = 1 << 20 };

/* One line about a metric. */
struct line {
    struct str name;
    enum expo_entry_kind kind;
    enum metric_type type;
    struct str text;
};

struct lines {
    struct arena *arena;
    struct buf scratch, text;
    struct line *v;
    size_t count, cap;
};

static int add_line(struct lines *l, const struct expo_entry *e)
{
    struct line line = {.kind = e->kind, .type = e->type};
    void *v = l->v;
    int rc = mem_grow(&v, &l->cap, l->count + 1, UINT32_MAX, sizeof *l->v);
    l->v = v;
    if (rc < 0) return rc;
    buf_reset(&l->text);
    if (e->kind == EXPO_HELP)
        rc = expo_unescape(e->text, &l->text);
    else if (e->kind == EXPO_UNIT)
        rc = buf_add(&l->text, e->text.p, e->text.len);
    if (rc < 0) return rc;
    line.name = arena_str(l->arena, e->name);
    line.text = arena_str(l->arena, (struct str){l->text.p ? l->text.p : "", l->text.len});
    if (!line.name.p || !line.text.p) return l->arena->err;
    l->v[l->count++] = line;
    return 0;
}

static int read_line(struct lines *l, const struct scrape_entry *entry, enum expo_format format)
{
    struct expo x;
    struct expo_entry e;
    buf_reset(&l->scratch);
    buf_add(&l->scratch, entry->key, entry->key_len);
    buf_addch(&l->scratch, '\n');
    if (l->scratch.err) return l->scratch.err;
    expo_init(&x, (struct str){l->scratch.p, l->scratch.len}, format);
    bool about = expo_next(&x, &e, NULL) == 1 &&
                 (e.kind == EXPO_TYPE || e.kind == EXPO_HELP || e.kind == EXPO_UNIT);
    return about ? add_line(l, &e) : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

/* Joins the lines of each name. */
static int join(struct lines *l, struct metric_metadata **out, size_t *count)
{
    struct metric_metadata *v = arena_array(l->arena, l->count + 1, sizeof *v);
    if (!v) return l->arena->err;
    if (l->count) qsort(l->v, l->count, sizeof *l->v, by_name);
    *count = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct line *line = &l->v[i];
        if (i == 0 || !str_eq(line->name, l->v[i - 1].name))
            v[(*count)++] = (struct metric_metadata){line->name, STR(""), STR(""), METRIC_UNKNOWN};
        struct metric_metadata *m = &v[*count - 1];
        if (line->kind == EXPO_TYPE) m->type = line->type;
        if (line->kind == EXPO_HELP) m->help = line->text;
        if (line->kind == EXPO_UNIT) m->unit = line->text;
    }
    *out = v;
    return 0;
}

int target_metadata(const struct target_status *t, struct arena *a, struct metric_metadata **out,
                    size_t *count)
{
    struct lines l = {.arena = a,
                      .scratch = BUF_INIT((size_t)LINE_MAX_BYTES),
                      .text = BUF_INIT((size_t)LINE_MAX_BYTES)};
    const struct scrape_entry *e = NULL;
    int rc = 0;
    while (rc == 0 && t->lines && (e = scrape_cache_each(t->lines, e)))
        if (!e->is_series) rc = read_line(&l, e, (enum expo_format)t->format);
    if (rc == 0) rc = join(&l, out, count);
    buf_release(&l.scratch);
    buf_release(&l.text);
    mem_free(l.v);
    return rc;
}
