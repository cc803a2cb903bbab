/* mem.h -- the one door to the heap.
 *
 * Everything allocates through these, so that tests can make the n-th allocation fail and count
 * what a steady-state cycle allocates. mem_* return NULL when memory is refused and must be
 * checked wherever an outsider decides the size; xm* end the process with a message and serve
 * small things of fixed size at start-up only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_MEM_H
#define TOCSIN_CORE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

void *mem_alloc(size_t size) MUST_CHECK;                         /* uninitialised */
void *mem_zalloc(size_t size) MUST_CHECK;                        /* zeroed */
void *mem_array(size_t count, size_t size) MUST_CHECK;           /* zeroed, overflow-checked */
void *mem_resize(void *p, size_t count, size_t size) MUST_CHECK; /* p stays valid on failure */
char *mem_strndup(const char *p, size_t len) MUST_CHECK;         /* NUL-terminated copy */
void *mem_dup(const void *p, size_t len) MUST_CHECK;
void mem_free(void *p);

void *xmalloc(size_t size);
void *xzalloc(size_t size);
char *xstrdup(const char *s);

/* Grows a heap array to hold at least want elements of the given size, doubling, never past max
 * elements: 0, -ENOMEM or E_TOO_BIG. *cap is updated; *array may move. */
int mem_grow(void **array, size_t *cap, size_t want, size_t max, size_t size) MUST_CHECK;

/* Test hook: the n-th allocation from now (1 = the next) fails; 0 = none; process-wide.
 * sticky: every later one fails too. */
void mem_fail_at(uint64_t n, int sticky);
/* Allocations made since start by this process (for the "steady state allocates nothing" tests). */
uint64_t mem_allocations(void);

#endif
