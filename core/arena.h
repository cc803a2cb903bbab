/* arena.h -- memory that lives for one query, request or configuration and goes in one stroke.
 *
 * Not thread-safe: one arena, one thread at a time. Allocations are 16-byte aligned. The ceiling
 * counts bytes handed out; over it arena_alloc returns NULL (and arena_err says E_LIMIT).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_ARENA_H
#define TOCSIN_CORE_ARENA_H

#include <stddef.h>

#include "core/err.h"
#include "core/str.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used, max; /* bytes handed out, ceiling */
    int err;          /* 0, -ENOMEM or E_LIMIT once an allocation was refused */
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_release(struct arena *a); /* frees everything; a may be used again */
void arena_reset(struct arena *a);   /* empty, keeps one block */

void *arena_alloc(struct arena *a, size_t size) MUST_CHECK;               /* uninitialised */
void *arena_zalloc(struct arena *a, size_t size) MUST_CHECK;              /* zeroed */
void *arena_array(struct arena *a, size_t count, size_t size) MUST_CHECK; /* zeroed */
void *arena_dup(struct arena *a, const void *p, size_t len) MUST_CHECK;
char *arena_strndup(struct arena *a, const char *p, size_t len) MUST_CHECK; /* NUL-terminated */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
/* A copy of s whose bytes are followed by NUL; {NULL, 0} with arena->err set on failure. */
struct str arena_str(struct arena *a, struct str s);

/* A point to come back to: everything allocated since arena_mark is dropped by arena_rewind. */
struct arena_mark {
    struct arena_block *head;
    size_t block_used, used;
};
struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark m);

#endif
