/* tally.c -- counts how often each text comes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/tally.h"

#include <errno.h>
#include <stdlib.h>

#include "core/hash.h"
#include "core/mem.h"

enum { ROWS_MAX = 1 << 28, SLOTS_AT_FIRST = 1024 };

void tally_init(struct tally *t, size_t max_bytes)
{
    *t = (struct tally){0};
    arena_init(&t->arena, max_bytes);
}

void tally_release(struct tally *t)
{
    mem_free(t->rows);
    mem_free(t->slots);
    arena_release(&t->arena);
}

/* The slot a name has or may take; the table always has a free one. */
static size_t find_slot(const struct tally *t, struct str name)
{
    size_t i = fnv1a64(FNV1A64_INIT, name.p, name.len) & (t->slot_count - 1);
    while (t->slots[i] && !str_eq(t->rows[t->slots[i] - 1].name, name))
        i = (i + 1) & (t->slot_count - 1);
    return i;
}

/* Keeps the table at most half full. */
static int make_room(struct tally *t)
{
    if (t->slot_count > 2 * t->count) return 0;
    size_t count = t->slot_count ? t->slot_count * 2 : SLOTS_AT_FIRST;
    uint32_t *slots = mem_array(count, sizeof *slots);
    if (!slots) return -ENOMEM;
    mem_free(t->slots);
    t->slots = slots;
    t->slot_count = count;
    for (size_t i = 0; i < t->count; i++)
        t->slots[find_slot(t, t->rows[i].name)] = (uint32_t)(i + 1);
    return 0;
}

int tally_add(struct tally *t, struct str name, uint64_t *count)
{
    int rc = make_room(t);
    if (rc < 0) return rc;
    size_t slot = find_slot(t, name);
    if (!t->slots[slot]) {
        rc = mem_grow((void **)&t->rows, &t->cap, t->count + 1, ROWS_MAX, sizeof *t->rows);
        struct str copy = rc == 0 ? arena_str(&t->arena, name) : (struct str){NULL, 0};
        if (rc < 0) return rc;
        if (!copy.p) return t->arena.err;
        t->rows[t->count++] = (struct tally_row){.name = copy};
        t->slots[slot] = (uint32_t)t->count;
    }
    *count = ++t->rows[t->slots[slot] - 1].count;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct tally_row *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return str_cmp(x->name, y->name);
}

void tally_sort(struct tally *t)
{
    if (t->count) qsort(t->rows, t->count, sizeof *t->rows, compare);
}
