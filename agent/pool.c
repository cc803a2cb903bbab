/* pool.c -- worker threads behind a bounded queue.
 *
 * One lock, one condition. Stacks are roomy, since a query may nest 250 levels deep; pages that are
 * not touched cost nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"

enum { STACK_BYTES = 8 << 20, NAME_MAX_BYTES = 16 };

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct pool_job *first, **last;
    size_t queued, max_queue;
    size_t threads, idle, max_threads;
    size_t joined; /* of threads; the owner's */
    bool closed;
    int nice;
    char name[NAME_MAX_BYTES];
    pthread_t *ids;
};

static struct pool_job *take_job(struct pool *p)
{
    struct pool_job *job = p->first;
    p->first = job->next;
    if (!p->first) p->last = &p->first;
    p->queued--;
    return job;
}

static void *work(void *arg)
{
    struct pool *p = arg;
    if (p->nice && setpriority(PRIO_PROCESS, (id_t)gettid(), p->nice) < 0)
        log_debug("thread stays at its priority", "errno=%d", errno);
    pthread_mutex_lock(&p->lock);
    for (;;) {
        if (p->first) {
            struct pool_job *job = take_job(p);
            pthread_mutex_unlock(&p->lock);
            job->run(job);
            pthread_mutex_lock(&p->lock);
        } else if (p->closed) {
            break;
        } else {
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Called with the lock held. */
static int add_thread(struct pool *p)
{
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc) return -rc;
    rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (rc == 0) rc = pthread_create(&p->ids[p->threads], &attr, work, p);
    pthread_attr_destroy(&attr);
    if (rc) return -rc;
    pthread_setname_np(p->ids[p->threads], p->name);
    p->threads++;
    return 0;
}

int pool_new(struct pool **out, const char *name, size_t max_threads, size_t max_queue)
{
    assert(max_threads > 0);
    struct pool *p = mem_zalloc(sizeof *p);
    if (!p) return -ENOMEM;
    p->ids = mem_array(max_threads, sizeof *p->ids);
    if (!p->ids) {
        mem_free(p);
        return -ENOMEM;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    p->last = &p->first;
    p->max_threads = max_threads;
    p->max_queue = max_queue;
    snprintf(p->name, sizeof p->name, "%s", name);
    *out = p;
    return 0;
}

void pool_set_nice(struct pool *p, int nice)
{
    p->nice = nice;
}

int pool_submit(struct pool *p, struct pool_job *job)
{
    int rc = 0;
    job->next = NULL;
    pthread_mutex_lock(&p->lock);
    bool crowded = p->queued >= p->idle;
    bool may_grow = p->threads < p->max_threads;
    bool full = crowded && !may_grow && p->queued >= p->max_queue + p->idle;
    if (p->closed || full) rc = E_UNAVAILABLE;
    if (rc == 0 && crowded && may_grow) {
        rc = add_thread(p);
        if (rc < 0 && p->threads > 0 && p->queued < p->max_queue) rc = 0;
    }
    if (rc == 0) {
        *p->last = job;
        p->last = &job->next;
        p->queued++;
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    return rc < 0 ? E_UNAVAILABLE : 0;
}

void pool_close(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void pool_stop(struct pool *p)
{
    pool_close(p);
    for (; p->joined < p->threads; p->joined++)
        pthread_join(p->ids[p->joined], NULL);
    assert(!p->first);
}

void pool_free(struct pool *p)
{
    if (!p) return;
    pool_stop(p);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->ids);
    mem_free(p);
}

void pool_stats(struct pool *p, struct pool_stats *out)
{
    pthread_mutex_lock(&p->lock);
    *out = (struct pool_stats){
        .threads = p->threads, .busy = p->threads - p->idle, .queued = p->queued};
    pthread_mutex_unlock(&p->lock);
}
