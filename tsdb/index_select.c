/* index_select.c -- matchers to ordinals.
 *
 * Every matcher that cannot match an empty value is first resolved to the pairs it allows. The one
 * with the fewest postings gives the candidates; the others are asked about each candidate's own
 * labels, with the answer for a value remembered. Matchers that allow an empty value (negative
 * ones, mostly) never build complements; alone they are asked about everything.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"
#include "core/regex.h"
#include "tsdb/index_int.h"
#include "tsdb/scaled.h"

enum { LOOK_EVERY = 256 }; /* candidates */
enum { FEW = 1024 }; /* so few candidates are asked one by one rather than all values of a name */
enum { VERDICT_UNKNOWN, VERDICT_NO, VERDICT_YES };

/* A matcher at work on one index. */
struct filter {
    const struct matcher *m;
    uint32_t name;         /* symbol, NONE when no label has that name */
    bool empty;            /* it matches a missing label */
    bool resolved;         /* pairs is the whole truth for non-empty values */
    struct ordinals pairs; /* allowed pairs, numbers of pairs */
    size_t total;          /* their postings together */
    uint8_t *verdicts;     /* per pair, or NULL */
    size_t verdict_count;  /* pairs that came later are not remembered */
};

void ordinals_release(struct ordinals *o)
{
    mem_free(o->v);
    *o = (struct ordinals){0};
}

int ordinals_add(struct ordinals *o, uint32_t v)
{
    void *array = o->v;
    int rc = mem_grow(&array, &o->cap, o->count + 1, UINT32_MAX, sizeof *o->v);
    o->v = array;
    if (rc == 0) o->v[o->count++] = v;
    return rc;
}

static int look(struct index_pause *p)
{
    return p ? p->look(p) : 0;
}

/* Asks a matcher, telling its own limit from the query's. */
static int ask(const struct matcher *m, struct str value)
{
    int rc = matcher_test(m, value);
    return rc == E_LIMIT ? E_TOO_BIG : rc;
}

static int allow(const struct index *x, struct filter *f, uint32_t pair)
{
    if (pair == NONE) return 0;
    f->total += x->pairs[pair].count;
    return ordinals_add(&f->pairs, pair);
}

/* A list of literals instead of a pattern. */
static int allow_literals(const struct index *x, struct filter *f, const struct str *v,
                          size_t count)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        uint32_t pair = index_pair(x, f->name, index_symbol(x, v[i]));
        bool again = false;
        for (size_t k = 0; !again && k < f->pairs.count; k++)
            again = f->pairs.v[k] == pair;
        if (!again) rc = allow(x, f, pair);
    }
    return rc;
}

/* Asks about every value of the name. */
static int allow_values(const struct index *x, struct filter *f, struct index_pause *pause)
{
    struct str prefix = f->m->type == MATCH_RE ? regex_prefix(f->m->re) : STR("");
    uint32_t pair = f->name == NONE ? NONE : x->symbols[f->name].first_pair;
    for (; pair != NONE; pair = x->pairs[pair].next) {
        int rc = look(pause); /* texts may move meanwhile */
        if (rc) return rc;
        struct str value = index_text(x, x->pairs[pair].value);
        if (str_starts(value, prefix)) rc = ask(f->m, value);
        if (rc > 0) rc = allow(x, f, pair);
        if (rc < 0) return rc;
    }
    return 0;
}

/* What needs no look at every value. */
static int resolve_cheap(const struct index *x, struct filter *f)
{
    const struct str *literals = NULL;
    size_t count = f->m->type == MATCH_RE ? regex_literals(f->m->re, &literals) : 0;
    int rc = ask(f->m, STR(""));
    if (rc < 0) return rc;
    f->empty = rc;
    f->name = index_symbol(x, f->m->name);
    if (f->empty || (f->m->type != MATCH_EQ && !count)) return 0;
    f->resolved = true;
    if (f->m->type == MATCH_RE) return allow_literals(x, f, literals, count);
    return allow(x, f, index_pair(x, f->name, index_symbol(x, f->m->value)));
}

/* Resolves the filters; *least is the one with the fewest candidates, NULL when none is resolved.
 */
static int resolve(const struct index *x, struct filter *f, size_t count, struct index_pause *pause,
                   struct filter **least)
{
    int rc = 0;
    *least = NULL;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        rc = resolve_cheap(x, &f[i]);
        if (f[i].resolved && (!*least || f[i].total < (*least)->total)) *least = &f[i];
    }
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (f[i].resolved || f[i].empty || (*least && (*least)->total <= FEW)) continue;
        rc = allow_values(x, &f[i], pause);
        f[i].resolved = true;
        if (!*least || f[i].total < (*least)->total) *least = &f[i];
    }
    return rc;
}

static int postings(const struct pair *p, struct ordinals *out)
{
    const uint8_t *at = p->more, *end = p->more + p->len;
    uint32_t ordinal = p->first;
    uint64_t gap = 0;
    int rc = ordinals_add(out, ordinal);
    while (rc == 0 && at < end) {
        at = varint_get(at, end, &gap);
        ordinal += (uint32_t)gap;
        rc = ordinals_add(out, ordinal);
    }
    return rc;
}

/* Brings ordinals into order by way of a bit for each that there is. */
static int sort_ordinals(const struct index *x, struct ordinals *o)
{
    size_t words = x->entry_count / 64 + 1, n = 0;
    uint64_t *bits = mem_array(words, sizeof *bits);
    if (!bits) return -ENOMEM;
    for (size_t i = 0; i < o->count; i++)
        bits[o->v[i] / 64] |= UINT64_C(1) << o->v[i] % 64;
    for (size_t w = 0; w < words; w++)
        for (uint64_t rest = bits[w]; rest; rest &= rest - 1)
            o->v[n++] = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(rest);
    mem_free(bits);
    return 0;
}

/* All ordinals of the allowed pairs: those of one name, so none comes twice. */
static int candidates_of(const struct index *x, const struct filter *f, struct index_pause *pause,
                         struct ordinals *out)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->pairs.count; i++) {
        rc = postings(&x->pairs[f->pairs.v[i]], out);
        if (rc == 0) rc = look(pause);
    }
    return rc == 0 && f->pairs.count > 1 ? sort_ordinals(x, out) : rc;
}

/* The pair of an entry with this name, or NONE. */
static uint32_t pair_of(const struct index *x, uint32_t ordinal, uint32_t name)
{
    const uint32_t *refs;
    size_t count = name == NONE ? 0 : index_refs(x, ordinal, &refs);
    for (size_t i = 0; i < count; i++)
        if (x->pairs[refs[i]].name == name) return refs[i];
    return NONE;
}

/* Prepares a filter for being asked about single pairs. */
static int prepare(const struct index *x, struct filter *f)
{
    if (f->resolved && f->pairs.count <= 1) return 0;
    f->verdict_count = x->pair_count;
    f->verdicts = mem_zalloc(x->pair_count + 1);
    if (!f->verdicts) return -ENOMEM;
    for (size_t i = 0; i < f->pairs.count; i++)
        f->verdicts[f->pairs.v[i]] = VERDICT_YES;
    return 0;
}

static int passes(const struct index *x, struct filter *f, uint32_t ordinal,
                  struct index_pause *pause)
{
    uint32_t pair = pair_of(x, ordinal, f->name);
    if (pair == NONE) return f->empty;
    if (!f->verdicts) return f->pairs.count == 1 && f->pairs.v[0] == pair;
    bool known = pair < f->verdict_count;
    if (known && (f->verdicts[pair] != VERDICT_UNKNOWN || f->resolved))
        return f->verdicts[pair] == VERDICT_YES;
    int rc = look(pause);
    if (rc == 0) rc = ask(f->m, index_text(x, x->pairs[pair].value));
    if (rc >= 0 && known) f->verdicts[pair] = rc ? VERDICT_YES : VERDICT_NO;
    return rc;
}

/* Keeps the candidates that pass every filter but the one they came from. */
static int keep_passing(const struct index *x, struct filter *f, size_t count,
                        const struct filter *from, struct index_pause *pause, struct ordinals *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        int rc = &f[i] == from ? 0 : prepare(x, &f[i]);
        if (rc < 0) return rc;
    }
    for (size_t i = 0; i < out->count; i++) {
        int rc = i % LOOK_EVERY == 0 ? look(pause) : 0;
        if (rc < 0) return rc;
        rc = 1;
        for (size_t k = 0; rc > 0 && k < count; k++)
            if (&f[k] != from) rc = passes(x, &f[k], out->v[i], pause);
        if (rc < 0) return rc;
        if (rc) out->v[kept++] = out->v[i];
    }
    out->count = kept;
    return 0;
}

static int everything(const struct index *x, struct ordinals *out)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < x->entry_count; i++)
        rc = ordinals_add(out, i);
    return rc;
}

int index_select_pausing(const struct index *x, const struct matcher *m, size_t count,
                         struct index_pause *pause, struct ordinals *out)
{
    struct filter *filters = mem_array(count, sizeof *filters), *least = NULL;
    int rc = filters ? 0 : -ENOMEM;
    out->count = 0;
    for (size_t i = 0; filters && i < count; i++)
        filters[i].m = &m[i];
    if (rc == 0) rc = resolve(x, filters, count, pause, &least);
    if (rc == 0) rc = least ? candidates_of(x, least, pause, out) : everything(x, out);
    if (rc == 0) rc = keep_passing(x, filters, count, least, pause, out);
    for (size_t i = 0; filters && i < count; i++) {
        ordinals_release(&filters[i].pairs);
        mem_free(filters[i].verdicts);
    }
    mem_free(filters);
    return rc;
}

int index_select(const struct index *x, const struct matcher *m, size_t count, struct ordinals *out)
{
    return index_select_pausing(x, m, count, NULL, out);
}
