/* index.c -- symbols, pairs, label sets and postings.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/index.h"

#include <errno.h>
#include <xxhash.h>

#include "core/mem.h"
#include "tsdb/index_int.h"
#include "tsdb/scaled.h"

enum { NUMBERS_MAX = 1 << 30, TABLE_MIN = 64 };
#define TEXTS_MAX (UINT64_C(1) << 32)

int index_new(struct index **out)
{
    struct index *x = mem_zalloc(sizeof *x);
    *out = x;
    if (!x) return -ENOMEM;
    buf_init(&x->texts, TEXTS_MAX - 1);
    return 0;
}

void index_free(struct index *x)
{
    if (!x) return;
    for (size_t i = 0; i < x->pair_count; i++)
        mem_free(x->pairs[i].more);
    buf_release(&x->texts);
    mem_free(x->symbols);
    mem_free(x->pairs);
    mem_free(x->entries);
    mem_free(x->refs);
    mem_free(x->by_text.cells);
    mem_free(x->by_pair.cells);
    mem_free(x->by_labels.cells);
    mem_free(x);
}

size_t index_count(const struct index *x)
{
    return x->entry_count;
}

size_t index_bytes(const struct index *x)
{
    size_t cells = x->by_text.size + x->by_pair.size + x->by_labels.size;
    return sizeof *x + x->texts.cap + x->symbol_cap * sizeof *x->symbols +
           x->pair_cap * sizeof *x->pairs + x->entry_cap * sizeof *x->entries +
           x->ref_cap * sizeof *x->refs + cells * sizeof(uint32_t) + x->posting_bytes;
}

uint32_t index_id(const struct index *x, uint32_t ordinal)
{
    return x->entries[ordinal].id;
}

uint64_t index_hash(const struct index *x, uint32_t ordinal)
{
    return x->entries[ordinal].hash;
}

/* --- tables ------------------------------------------------------------------------------------
 */

static uint64_t text_hash(struct str s)
{
    return XXH3_64bits(s.p, s.len);
}

static uint64_t pair_hash(uint32_t name, uint32_t value)
{
    uint64_t h = ((uint64_t)name << 32 | value) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static void table_put(struct table *t, uint64_t hash, uint32_t number)
{
    size_t mask = t->size - 1, i = (size_t)hash & mask;
    while (t->cells[i])
        i = (i + 1) & mask;
    t->cells[i] = number + 1;
    t->used++;
}

typedef uint64_t rehash_fn(const struct index *x, uint32_t number);

static uint64_t rehash_text(const struct index *x, uint32_t n)
{
    return text_hash(index_text(x, n));
}

static uint64_t rehash_pair(const struct index *x, uint32_t n)
{
    return pair_hash(x->pairs[n].name, x->pairs[n].value);
}

static uint64_t rehash_entry(const struct index *x, uint32_t n)
{
    return x->entries[n].hash;
}

/* Makes room for one more, keeping the table at most three quarters full. */
static int table_grow(const struct index *x, struct table *t, rehash_fn *rehash)
{
    if ((t->used + 1) * 4 <= t->size * 3) return 0;
    struct table next = {.size = t->size ? 2 * t->size : TABLE_MIN};
    next.cells = mem_array(next.size, sizeof *next.cells);
    if (!next.cells) return -ENOMEM;
    for (size_t i = 0; i < t->size; i++)
        if (t->cells[i]) table_put(&next, rehash(x, t->cells[i] - 1), t->cells[i] - 1);
    mem_free(t->cells);
    *t = next;
    return 0;
}

uint32_t index_symbol(const struct index *x, struct str text)
{
    const struct table *t = &x->by_text;
    if (!t->size) return NONE;
    for (size_t i = (size_t)text_hash(text);; i++) {
        uint32_t cell = t->cells[i & (t->size - 1)];
        if (!cell || str_eq(index_text(x, cell - 1), text)) return cell ? cell - 1 : NONE;
    }
}

uint32_t index_pair(const struct index *x, uint32_t name, uint32_t value)
{
    const struct table *t = &x->by_pair;
    if (!t->size || name == NONE || value == NONE) return NONE;
    for (size_t i = (size_t)pair_hash(name, value);; i++) {
        uint32_t cell = t->cells[i & (t->size - 1)];
        if (!cell) return NONE;
        const struct pair *p = &x->pairs[cell - 1];
        if (p->name == name && p->value == value) return cell - 1;
    }
}

/* --- adding ------------------------------------------------------------------------------------
 */

/* Makes an array hold want elements; its element type stays the array's own. */
#define GROW(array, cap, want)                                                                     \
    ({                                                                                             \
        void *grown_ = (array);                                                                    \
        int grow_rc_ = mem_grow(&grown_, &(cap), (want), NUMBERS_MAX, sizeof *(array));            \
        (array) = grown_;                                                                          \
        grow_rc_;                                                                                  \
    })

static int add_symbol(struct index *x, struct str text, uint32_t *out)
{
    *out = index_symbol(x, text);
    if (*out != NONE) return 0;
    int rc = table_grow(x, &x->by_text, rehash_text);
    if (rc == 0) rc = GROW(x->symbols, x->symbol_cap, x->symbol_count + 1);
    size_t offset = x->texts.len;
    if (rc == 0) rc = buf_add(&x->texts, text.p, text.len);
    x->texts.err = 0;
    if (rc < 0) return rc;
    *out = (uint32_t)x->symbol_count++;
    x->symbols[*out] = (struct symbol){(uint32_t)offset, (uint32_t)text.len, NONE};
    table_put(&x->by_text, text_hash(text), *out);
    return 0;
}

static int add_pair(struct index *x, struct label l, uint32_t *out)
{
    uint32_t name = 0, value = 0;
    int rc = add_symbol(x, l.name, &name);
    if (rc == 0) rc = add_symbol(x, l.value, &value);
    if (rc < 0) return rc;
    *out = index_pair(x, name, value);
    if (*out != NONE) return 0;
    rc = table_grow(x, &x->by_pair, rehash_pair);
    if (rc == 0) rc = GROW(x->pairs, x->pair_cap, x->pair_count + 1);
    if (rc < 0) return rc;
    *out = (uint32_t)x->pair_count++;
    x->pairs[*out] =
        (struct pair){.name = name, .value = value, .next = x->symbols[name].first_pair};
    x->symbols[name].first_pair = *out;
    table_put(&x->by_pair, pair_hash(name, value), *out);
    return 0;
}

/* Room for one more posting, so that adding it cannot fail. */
static int reserve_posting(struct index *x, struct pair *p)
{
    if (!p->count || p->cap - p->len >= VARINT_MAX) return 0;
    size_t cap = p->cap ? p->cap + p->cap / 2 : 16;
    uint8_t *more = mem_resize(p->more, cap, 1);
    if (!more) return -ENOMEM;
    x->posting_bytes += cap - p->cap;
    p->more = more;
    p->cap = (uint32_t)cap;
    return 0;
}

static void add_posting(struct pair *p, uint32_t ordinal)
{
    if (!p->count++)
        p->first = ordinal;
    else
        p->len = (uint32_t)(varint_put(p->more + p->len, ordinal - p->last) - p->more);
    p->last = ordinal;
}

int index_add(struct index *x, struct labels ls, uint64_t hash, uint32_t id, uint32_t *ordinal)
{
    int rc = ls.count > LABELS_MAX ? E_TOO_BIG : table_grow(x, &x->by_labels, rehash_entry);
    if (rc == 0) rc = GROW(x->entries, x->entry_cap, x->entry_count + 1);
    if (rc == 0) rc = GROW(x->refs, x->ref_cap, x->ref_count + ls.count);
    for (size_t i = 0; rc == 0 && i < ls.count; i++) {
        uint32_t pair = 0;
        rc = add_pair(x, ls.v[i], &pair);
        if (rc == 0) rc = reserve_posting(x, &x->pairs[pair]);
        x->refs[x->ref_count + i] = pair;
    }
    if (rc < 0) return rc;
    *ordinal = (uint32_t)x->entry_count++;
    x->entries[*ordinal] = (struct entry){hash, id, (uint32_t)x->ref_count};
    for (size_t i = 0; i < ls.count; i++)
        add_posting(&x->pairs[x->refs[x->ref_count + i]], *ordinal);
    x->ref_count += ls.count;
    table_put(&x->by_labels, hash, *ordinal);
    return 0;
}

/* --- looking up --------------------------------------------------------------------------------
 */

struct labels index_labels(const struct index *x, uint32_t ordinal, struct label *v)
{
    const uint32_t *refs;
    size_t count = index_refs(x, ordinal, &refs);
    for (size_t i = 0; i < count; i++) {
        const struct pair *p = &x->pairs[refs[i]];
        v[i] = (struct label){index_text(x, p->name), index_text(x, p->value)};
    }
    return (struct labels){v, count};
}

static bool has_labels(const struct index *x, uint32_t ordinal, struct labels ls)
{
    const uint32_t *refs;
    if (index_refs(x, ordinal, &refs) != ls.count) return false;
    for (size_t i = 0; i < ls.count; i++) {
        const struct pair *p = &x->pairs[refs[i]];
        if (!str_eq(index_text(x, p->value), ls.v[i].value) ||
            !str_eq(index_text(x, p->name), ls.v[i].name))
            return false;
    }
    return true;
}

int index_find(const struct index *x, struct labels ls, uint64_t hash, uint32_t *ordinal)
{
    const struct table *t = &x->by_labels;
    if (!t->size) return E_NOT_FOUND;
    for (size_t i = (size_t)hash;; i++) {
        uint32_t cell = t->cells[i & (t->size - 1)];
        if (!cell) return E_NOT_FOUND;
        if (x->entries[cell - 1].hash != hash || !has_labels(x, cell - 1, ls)) continue;
        *ordinal = cell - 1;
        return 0;
    }
}

size_t index_pair_count(const struct index *x, struct str name, struct str value)
{
    uint32_t pair = index_pair(x, index_symbol(x, name), index_symbol(x, value));
    return pair == NONE ? 0 : x->pairs[pair].count;
}
