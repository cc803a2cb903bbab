/* index_int.h -- the inside of the index, for index*.c alone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_INDEX_INT_H
#define TOCSIN_TSDB_INDEX_INT_H

#include "core/buf.h"
#include "tsdb/index.h"

#define NONE UINT32_MAX

struct symbol {
    uint32_t offset, len; /* in texts */
    uint32_t first_pair;  /* of the pairs whose name this is; NONE when it is no label name */
};

struct pair {
    uint32_t name, value; /* symbols */
    uint32_t next;        /* the next pair of the same name, or NONE */
    uint32_t count, first, last;
    uint8_t *more; /* varint gaps of all but the first ordinal */
    uint32_t len, cap;
};

struct entry {
    uint64_t hash;
    uint32_t id;
    uint32_t pairs; /* offset into refs; the list ends where the next entry's starts */
};

/* Open addressing over the numbers of something, 0 = free, else number + 1. */
struct table {
    uint32_t *cells;
    size_t size, used;
};

struct index {
    struct buf texts;
    struct symbol *symbols;
    size_t symbol_count, symbol_cap;
    struct pair *pairs;
    size_t pair_count, pair_cap;
    struct entry *entries;
    size_t entry_count, entry_cap;
    uint32_t *refs; /* pairs of entries, in label order */
    size_t ref_count, ref_cap;
    struct table by_text, by_pair, by_labels;
    size_t posting_bytes;
};

static inline struct str index_text(const struct index *x, uint32_t symbol)
{
    const struct symbol *s = &x->symbols[symbol];
    return (struct str){x->texts.p + s->offset, s->len};
}

static inline size_t index_refs(const struct index *x, uint32_t ordinal, const uint32_t **out)
{
    size_t from = x->entries[ordinal].pairs;
    size_t to = ordinal + 1 < x->entry_count ? x->entries[ordinal + 1].pairs : x->ref_count;
    *out = x->refs + from;
    return to - from;
}

uint32_t index_symbol(const struct index *x, struct str text);             /* NONE: unknown */
uint32_t index_pair(const struct index *x, uint32_t name, uint32_t value); /* NONE: unknown */

#endif
