/* mem.c -- the one door to the heap, with a latch that tests can close.
 *
 * The latch and the counter are the only process-wide state here: allocation has no argument to
 * carry them, and a test must see every allocation of the process.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t allocations;
static _Atomic uint64_t fail_at; /* the allocation with this number fails; 0 = none */
static atomic_int fail_sticky;

static int refused(void)
{
    uint64_t n = atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed) + 1;
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    return at && (n == at || (n > at && atomic_load_explicit(&fail_sticky, memory_order_relaxed)));
}

void mem_fail_at(uint64_t n, int sticky)
{
    fail_sticky = sticky;
    fail_at = n ? allocations + n : 0;
}

uint64_t mem_allocations(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

void *mem_alloc(size_t size)
{
    return refused() ? NULL : malloc(size ? size : 1);
}

void *mem_zalloc(size_t size)
{
    return refused() ? NULL : calloc(1, size ? size : 1);
}

void *mem_array(size_t count, size_t size)
{
    if (refused()) return NULL;
    return count && size ? calloc(count, size) : calloc(1, 1);
}

void *mem_resize(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || refused()) return NULL;
    return realloc(p, bytes ? bytes : 1);
}

char *mem_strndup(const char *p, size_t len)
{
    char *copy = len < SIZE_MAX ? mem_alloc(len + 1) : NULL;
    if (!copy) return NULL;
    if (len) memcpy(copy, p, len);
    copy[len] = '\0';
    return copy;
}

void *mem_dup(const void *p, size_t len)
{
    void *copy = mem_alloc(len);
    if (copy && len) memcpy(copy, p, len);
    return copy;
}

void mem_free(void *p)
{
    free(p);
}

static void *or_die(void *p)
{
    if (p) return p;
    fputs("tocsin: out of memory\n", stderr);
    abort();
}

void *xmalloc(size_t size)
{
    return or_die(mem_alloc(size));
}

void *xzalloc(size_t size)
{
    return or_die(mem_zalloc(size));
}

char *xstrdup(const char *s)
{
    return or_die(mem_strndup(s, strlen(s)));
}

int mem_grow(void **array, size_t *cap, size_t want, size_t max, size_t size)
{
    if (want <= *cap) return 0;
    if (want > max) return E_TOO_BIG;
    size_t next = *cap ? *cap : 8;
    while (next < want)
        next = next > max / 2 ? max : next * 2;
    void *p = mem_resize(*array, next, size);
    if (!p) return -ENOMEM;
    *array = p;
    *cap = next;
    return 0;
}
