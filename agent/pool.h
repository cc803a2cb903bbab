/* pool.h -- a few threads that work off a bounded queue, so that a slow answer never holds up the
 * thread that serves connections.
 *
 * Threads start when work waits and nobody is free, up to the maximum, and stay.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_POOL_H
#define TOCSIN_AGENT_POOL_H

#include <stddef.h>

#include "core/err.h"

struct pool;

/* One piece of work; the caller's storage, until run has been called. */
struct pool_job {
    void (*run)(struct pool_job *job);
    struct pool_job *next;
};

struct pool_stats {
    size_t threads, busy, queued;
};

int pool_new(struct pool **out, const char *name, size_t max_threads, size_t max_queue) MUST_CHECK;
/* Its threads step back behind others by so much (nice(2)); before the first job. */
void pool_set_nice(struct pool *p, int nice);
/* E_UNAVAILABLE when the queue is full or the pool is stopping. Any thread. */
int pool_submit(struct pool *p, struct pool_job *job) MUST_CHECK;
/* Refuses new work from now on; what waits is still done. */
void pool_close(struct pool *p);
/* Closes, waits for all work and ends the threads; pool_submit still answers E_UNAVAILABLE. */
void pool_stop(struct pool *p);
void pool_free(struct pool *p); /* stops first, if nobody has */
void pool_stats(struct pool *p, struct pool_stats *out);

#endif
