/* arena.c -- a chain of blocks that is freed in one stroke.
 *
 *     head -> [next|size|used| ... allocations ... | free ] -> [older block] -> NULL
 *
 * The newest block serves allocations; a request larger than a block gets one of its own size.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

enum { BLOCK_BYTES = 8192, BLOCK_BYTES_MAX = 1 << 20, ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size, used; /* of data */
    alignas(ALIGN) char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max = max_bytes};
}

static void free_until(struct arena *a, struct arena_block *keep)
{
    while (a->head != keep) {
        struct arena_block *next = a->head->next;
        mem_free(a->head);
        a->head = next;
    }
}

void arena_release(struct arena *a)
{
    free_until(a, NULL);
    a->used = 0;
    a->err = 0;
}

void arena_reset(struct arena *a)
{
    struct arena_block *first = a->head;
    while (first && first->next)
        first = first->next;
    free_until(a, first);
    if (first) first->used = 0;
    a->used = 0;
    a->err = 0;
}

static int add_block(struct arena *a, size_t size)
{
    size_t want = a->head ? MIN(a->head->size * 2, (size_t)BLOCK_BYTES_MAX) : BLOCK_BYTES;
    if (want < size) want = size;
    struct arena_block *b = mem_alloc(sizeof *b + want);
    if (!b) return a->err = -ENOMEM;
    b->next = a->head;
    b->size = want;
    b->used = 0;
    a->head = b;
    return 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2) {
        a->err = E_LIMIT;
        return NULL;
    }
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (!size) size = ALIGN;
    if (size > a->max || a->used > a->max - size) {
        a->err = E_LIMIT;
        return NULL;
    }
    if (!a->head || a->head->size - a->head->used < size)
        if (add_block(a, size)) return NULL;
    void *p = a->head->data + a->head->used;
    a->head->used += size;
    a->used += size;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        a->err = E_LIMIT;
        return NULL;
    }
    return arena_zalloc(a, bytes);
}

void *arena_dup(struct arena *a, const void *p, size_t len)
{
    void *copy = arena_alloc(a, len);
    if (copy && len) memcpy(copy, p, len);
    return copy;
}

char *arena_strndup(struct arena *a, const char *p, size_t len)
{
    char *copy = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;
    if (!copy) return NULL;
    if (len) memcpy(copy, p, len);
    copy[len] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int need = vsnprintf(NULL, 0, fmt, ap);
    char *p = need < 0 ? NULL : arena_alloc(a, (size_t)need + 1);
    if (p) vsnprintf(p, (size_t)need + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_strndup(a, s.p, s.len);
    return p ? (struct str){p, s.len} : (struct str){NULL, 0};
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->head, a->head ? a->head->used : 0, a->used};
}

void arena_rewind(struct arena *a, struct arena_mark m)
{
    assert(m.used <= a->used);
    free_until(a, m.head);
    if (a->head) a->head->used = m.block_used;
    a->used = m.used;
    a->err = 0;
}
