/* eval_support.c -- what every node of the evaluator needs: budgets, errors, annotations, and rows
 * that are kept, grouped and brought together.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/eval_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { CHECK_EVERY = 4096, MAX_NOTES = 200 };

/* --- budgets and errors --- */

static int over_memory(struct run *run)
{
    return budget_memory(&run->q->budget, run->q->arena->max, run->err);
}

/* Each arena has its own ceiling; this one is for all of them together. */
static bool memory_is_used_up(const struct run *run)
{
    size_t used = run->q->arena->used;
    for (const struct inner *in = run->inners; in; in = in->next)
        used += in->arena.used;
    return used > run->q->arena->max;
}

static int look_around(struct run *run)
{
    run->next_check = run->work + CHECK_EVERY;
    int rc = budget_check(&run->q->budget, run->q->env, run->err);
    if (rc) return rc;
    return memory_is_used_up(run) ? over_memory(run) : 0;
}

int eval_tick(struct run *run, size_t work)
{
    run->work += work;
    return run->work < run->next_check ? 0 : look_around(run);
}

int eval_sort(struct eval *ev, void *base, size_t count, size_t size,
              int (*compare)(const void *, const void *))
{
    struct run *run = ev->run;
    struct budget_watch watch = {&run->q->budget, run->q->env, run->err, 0};
    int rc = budget_sort(base, count, size, compare, &watch);
    return rc == -ENOMEM ? errmsg_set(run->err, rc, "out of memory") : rc;
}

int eval_nomem(struct eval *ev)
{
    if (ev->arena->err == -ENOMEM || ev->run->q->arena->err == -ENOMEM)
        return errmsg_set(ev->run->err, -ENOMEM, "out of memory");
    return over_memory(ev->run);
}

int eval_fail(struct eval *ev, const char *fmt, ...)
{
    char text[sizeof ev->run->err->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return errmsg_set(ev->run->err, E_EXEC, "%s", text);
}

/* --- annotations --- */

/* line:column of a byte offset, both from 1. */
static void position_of(struct str text, uint32_t offset, int *line, int *column)
{
    size_t line_start = 0;
    *line = 1;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.p[i] != '\n') continue;
        ++*line;
        line_start = i + 1;
    }
    *column = (int)(offset - line_start) + 1;
}

static bool note_known(const struct run *run, bool warning, const char *text)
{
    for (size_t i = 0; i < run->note_count; i++)
        if (run->notes[i].warning == warning && strcmp(run->notes[i].text, text) == 0) return true;
    return false;
}

static int note_add(struct eval *ev, bool warning, const char *text)
{
    struct run *run = ev->run;
    if (run->note_count == run->note_cap) {
        size_t cap = run->note_cap ? 2 * run->note_cap : 8;
        struct promql_annotation *grown = arena_array(run->q->arena, cap, sizeof *grown);
        if (!grown) return eval_nomem(ev);
        if (run->note_count) memcpy(grown, run->notes, run->note_count * sizeof *grown);
        run->notes = grown;
        run->note_cap = cap;
    }
    char *copy = arena_strndup(run->q->arena, text, strlen(text));
    if (!copy) return eval_nomem(ev);
    run->notes[run->note_count++] = (struct promql_annotation){warning, copy};
    return 0;
}

int eval_note(struct eval *ev, bool warning, const struct expr *at, const char *fmt, ...)
{
    char what[1024], text[1100];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    int line, column;
    position_of(ev->run->q->text, at->start, &line, &column);
    snprintf(text, sizeof text, "PromQL %s: %s (%d:%d)", warning ? "warning" : "info", what, line,
             column);
    if (ev->run->note_count >= MAX_NOTES || note_known(ev->run, warning, text)) return 0;
    return note_add(ev, warning, text);
}

/* --- inner scopes --- */

void eval_inner_init(struct inner *in, const struct eval *ev)
{
    size_t left = ev->arena->max > ev->arena->used ? ev->arena->max - ev->arena->used : 0;
    arena_init(&in->arena, left);
    in->ev = *ev;
    in->ev.arena = &in->arena;
    in->next = ev->run->inners;
    ev->run->inners = in;
}

void eval_inner_release(struct inner *in)
{
    struct inner **at = &in->ev.run->inners;
    while (*at != in)
        at = &(*at)->next;
    *at = in->next;
    arena_release(&in->arena);
}

/* --- rows kept --- */

int rows_add(struct eval *ev, struct rows *rows, const struct row *row)
{
    if (rows->count == rows->cap) {
        size_t cap = rows->cap ? 2 * rows->cap : 16;
        struct row *grown = arena_alloc(ev->arena, cap * sizeof *grown);
        if (!grown) return eval_nomem(ev);
        if (rows->count) memcpy(grown, rows->v, rows->count * sizeof *grown);
        rows->v = grown;
        rows->cap = cap;
    }
    double *v = arena_dup(ev->arena, row->v, ev->steps * sizeof *v);
    if (!v) return eval_nomem(ev);
    rows->v[rows->count] = *row;
    rows->v[rows->count++].v = v;
    return eval_tick(ev->run, ev->steps);
}

/* A filter may have left nothing: then the series is not there. */
bool eval_is_empty(const struct eval *ev, const struct row *row)
{
    for (size_t i = 0; i < ev->steps; i++)
        if (!is_absent(row->v[i])) return false;
    return true;
}

static int collector_put(struct sink *s, struct row *row)
{
    struct collector *c = (struct collector *)s;
    return eval_is_empty(c->ev, row) ? 0 : rows_add(c->ev, &c->rows, row);
}

int eval_collect(struct eval *ev, const struct expr *e, struct rows *out)
{
    struct collector c = {.sink.put = collector_put, .ev = ev};
    int rc = eval_rows(ev, e, &c.sink);
    *out = c.rows;
    return rc;
}

int eval_push(struct rows *rows, struct sink *out)
{
    for (size_t i = 0; i < rows->count; i++) {
        int rc = out->put(out, &rows->v[i]);
        if (rc) return rc;
    }
    return 0;
}

/* --- label sets to numbers --- */

static int label_map_grow(struct eval *ev, struct label_map *m)
{
    size_t cap = m->cap ? 2 * m->cap : 16;
    uint64_t *hashes = arena_alloc(ev->arena, cap * sizeof *hashes);
    struct labels *keys = arena_alloc(ev->arena, cap * sizeof *keys);
    uint32_t *slots = arena_array(ev->arena, 2 * cap, sizeof *slots);
    if (!hashes || !keys || !slots || cap > UINT32_MAX / 4) return eval_nomem(ev);
    if (m->count) {
        memcpy(hashes, m->hashes, m->count * sizeof *hashes);
        memcpy(keys, m->keys, m->count * sizeof *keys);
    }
    for (size_t i = 0; i < m->count; i++) {
        size_t s = hashes[i] & (2 * cap - 1);
        while (slots[s])
            s = (s + 1) & (2 * cap - 1);
        slots[s] = (uint32_t)i + 1;
    }
    *m = (struct label_map){slots, hashes, keys, m->count, cap, 2 * cap};
    return 0;
}

int label_map_put(struct eval *ev, struct label_map *m, struct labels key, size_t *index,
                  bool *added)
{
    if (m->count == m->cap) {
        int rc = label_map_grow(ev, m);
        if (rc) return rc;
    }
    uint64_t h = labels_hash(key);
    size_t s = h & (m->slot_count - 1);
    for (; m->slots[s]; s = (s + 1) & (m->slot_count - 1)) {
        size_t i = m->slots[s] - 1;
        if (m->hashes[i] != h || !labels_eq(m->keys[i], key)) continue;
        *index = i;
        *added = false;
        return 0;
    }
    m->slots[s] = (uint32_t)m->count + 1;
    m->hashes[m->count] = h;
    m->keys[m->count] = key;
    *index = m->count++;
    *added = true;
    return 0;
}

int eval_keep_key(struct eval *ev, struct labels *key)
{
    if (key->count == 0) {
        key->v = NULL;
        return 0;
    }
    key->v = arena_dup(ev->arena, key->v, key->count * sizeof key->v[0]);
    return key->v ? 0 : eval_nomem(ev);
}

/* --- equal labels brought together --- */

static int merger_put(struct sink *s, struct row *row)
{
    struct merger *m = (struct merger *)s;
    size_t index;
    bool added;
    if (eval_is_empty(m->ev, row)) return 0;
    int rc = label_map_put(m->ev, &m->map, row->labels, &index, &added);
    if (rc) return rc;
    if (added) return rows_add(m->ev, &m->rows, row);
    bool clash = m->strict;
    struct row *old = &m->rows.v[index];
    for (size_t i = 0; i < m->ev->steps && !clash; i++) {
        if (is_absent(row->v[i])) continue;
        clash = !is_absent(old->v[i]);
        old->v[i] = row->v[i];
    }
    old->drop_name |= row->drop_name;
    if (clash) return eval_fail(m->ev, "vector cannot contain metrics with the same labelset");
    return eval_tick(m->ev->run, m->ev->steps);
}

void merger_init(struct merger *m, struct eval *ev, bool strict)
{
    *m = (struct merger){.sink.put = merger_put, .ev = ev, .strict = strict};
}

/* --- parts of label sets --- */

static bool listed(const struct str_list *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++)
        if (str_eq(names->v[i], name)) return true;
    return false;
}

int eval_pick(struct eval *ev, struct picker *p, struct labels ls, struct labels *out)
{
    if (p->cap < ls.count) {
        p->cap = 2 * ls.count;
        p->scratch = arena_alloc(ev->arena, p->cap * sizeof p->scratch[0]);
        if (!p->scratch) return eval_nomem(ev);
    }
    size_t n = 0;
    for (size_t i = 0; i < ls.count; i++) {
        bool keep = listed(p->names, ls.v[i].name);
        if (!p->keep) keep = !keep && !str_eq(ls.v[i].name, STR(METRIC_NAME));
        if (keep) p->scratch[n++] = ls.v[i];
    }
    *out = (struct labels){p->scratch, n};
    return 0;
}

int labels_without_name(struct arena *a, struct labels ls, struct labels *out)
{
    size_t at = 0;
    while (at < ls.count && !str_eq(ls.v[at].name, STR(METRIC_NAME)))
        at++;
    if (at == ls.count) {
        *out = ls;
        return 0;
    }
    struct label *v = arena_alloc(a, ls.count * sizeof *v);
    if (!v) return -ENOMEM;
    memcpy(v, ls.v, at * sizeof *v);
    memcpy(v + at, ls.v + at + 1, (ls.count - at - 1) * sizeof *v);
    *out = (struct labels){v, ls.count - 1};
    return 0;
}

int eval_drop_name(struct eval *ev, struct row *row)
{
    if (ev->run->q->delayed_name_removal) {
        row->drop_name = true;
        return 0;
    }
    return labels_without_name(ev->arena, row->labels, &row->labels) < 0 ? eval_nomem(ev) : 0;
}

/* --- numbers --- */

double nan_value(void)
{
    return double_of_bits(NORMAL_NAN_BITS);
}
