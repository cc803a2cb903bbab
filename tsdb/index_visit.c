/* index_visit.c -- who carries which texts, and label sets copied out of an index.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core/mem.h"
#include "tsdb/index_int.h"
#include "tsdb/scaled.h"

/* --- copies -------------------------------------------------------------------------------------
 */

/* Whether label i of the last set has this name. */
static bool same_name(const struct index *x, const struct label_copier *c, size_t i, uint32_t name)
{
    return i < c->last.count && x->pairs[c->last_refs[i]].name == name;
}

/* Bytes of the texts that cannot be shared with the last label set. */
static size_t new_bytes(const struct index *x, const uint32_t *refs, size_t count,
                        const struct label_copier *c)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (i < c->last.count && refs[i] == c->last_refs[i]) continue;
        const struct pair *p = &x->pairs[refs[i]];
        bytes += x->symbols[p->value].len + 1;
        if (!same_name(x, c, i, p->name)) bytes += x->symbols[p->name].len + 1;
    }
    return bytes;
}

static struct str put_text(char **to, struct str s)
{
    struct str copy = {*to, s.len};
    if (s.len) memcpy(*to, s.p, s.len);
    (*to)[s.len] = '\0';
    *to += s.len + 1;
    return copy;
}

static int keep_refs(struct label_copier *c, const uint32_t *refs, size_t count)
{
    if (count > c->cap) {
        size_t cap = MAX(2 * c->cap, MAX(count, (size_t)16));
        uint32_t *grown = arena_alloc(c->arena, cap * sizeof *grown);
        if (!grown) return c->arena->err;
        c->last_refs = grown;
        c->cap = cap;
    }
    if (count) memcpy(c->last_refs, refs, count * sizeof *refs);
    return 0;
}

int index_labels_copy(const struct index *x, uint32_t ordinal, struct label_copier *c,
                      struct labels *out)
{
    const uint32_t *refs;
    size_t count = index_refs(x, ordinal, &refs);
    struct label *v = arena_alloc(c->arena, MAX(count, (size_t)1) * sizeof *v);
    char *text = arena_alloc(c->arena, new_bytes(x, refs, count, c));
    if (!v || !text) return c->arena->err;
    for (size_t i = 0; i < count; i++) {
        if (i < c->last.count && refs[i] == c->last_refs[i]) {
            v[i] = c->last.v[i];
            continue;
        }
        const struct pair *p = &x->pairs[refs[i]];
        v[i].name = same_name(x, c, i, p->name) ? c->last.v[i].name
                                                : put_text(&text, index_text(x, p->name));
        v[i].value = put_text(&text, index_text(x, p->value));
    }
    *out = c->last = (struct labels){v, count};
    int rc = keep_refs(c, refs, count);
    if (rc < 0) c->last.count = 0;
    return rc;
}

/* --- texts --------------------------------------------------------------------------------------
 */

/* Calls each() for the carriers of a pair until it has had enough: 1. */
static int visit_postings(const struct pair *p, struct str text, index_text_fn *each, void *arg)
{
    const uint8_t *at = p->more, *end = p->more + p->len;
    uint32_t ordinal = p->first;
    uint64_t gap = 0;
    int rc = each(arg, text, ordinal);
    while (rc == 0 && at < end) {
        at = varint_get(at, end, &gap);
        if (!at) break; /* never: we wrote them */
        ordinal += (uint32_t)gap;
        rc = each(arg, text, ordinal);
    }
    return rc;
}

static int visit_values(const struct index *x, uint32_t name, index_text_fn *each, void *arg)
{
    int rc = 0;
    for (uint32_t p = x->symbols[name].first_pair; rc >= 0 && p != NONE; p = x->pairs[p].next)
        rc = visit_postings(&x->pairs[p], index_text(x, x->pairs[p].value), each, arg);
    return MIN(rc, 0);
}

static int visit_names(const struct index *x, index_text_fn *each, void *arg)
{
    int rc = 0;
    for (uint32_t s = 0; rc >= 0 && s < x->symbol_count; s++) {
        rc = 0;
        for (uint32_t p = x->symbols[s].first_pair; rc == 0 && p != NONE; p = x->pairs[p].next)
            rc = visit_postings(&x->pairs[p], index_text(x, s), each, arg);
    }
    return MIN(rc, 0);
}

/* The same for some ordinals only. done: by pair, or by symbol when names are asked for. */
static int visit_among(const struct index *x, uint32_t name, const struct ordinals *among,
                       uint8_t *done, index_text_fn *each, void *arg)
{
    for (size_t i = 0; i < among->count; i++) {
        const uint32_t *refs;
        size_t count = index_refs(x, among->v[i], &refs);
        for (size_t k = 0; k < count; k++) {
            const struct pair *p = &x->pairs[refs[k]];
            if (name != NONE && p->name != name) continue;
            uint32_t text = name != NONE ? p->value : p->name;
            uint8_t *is_done = &done[name != NONE ? refs[k] : text];
            int rc = *is_done ? 0 : each(arg, index_text(x, text), among->v[i]);
            if (rc < 0) return rc;
            *is_done |= rc > 0;
        }
    }
    return 0;
}

int index_visit_texts(const struct index *x, struct str name, const struct ordinals *among,
                      index_text_fn *each, void *arg)
{
    uint32_t symbol = name.len ? index_symbol(x, name) : NONE;
    if (name.len && symbol == NONE) return 0;
    if (!among) return name.len ? visit_values(x, symbol, each, arg) : visit_names(x, each, arg);
    uint8_t *done = mem_zalloc(MAX(x->pair_count, x->symbol_count) + 1);
    if (!done) return -ENOMEM;
    int rc = visit_among(x, symbol, among, done, each, arg);
    mem_free(done);
    return rc;
}
