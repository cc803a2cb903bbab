/* statfs_probe.c -- statfs with a deadline.
 *
 * A worker is one thread and the slot it shares with the probe. Both hold it; whoever lets go last
 * frees it, so that a worker stuck in the kernel may outlive the probe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/statfs_probe.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"

enum { STUCK_MAX = 16, PATH_BYTES = 4096 };

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    statfs_call_fn *call;
    char path[PATH_BYTES];
    bool asked, answered, quit;
    int rc;
    struct statfs result;
    int holders;
};

struct statfs_probe {
    statfs_call_fn *call;
    struct worker *worker; /* idle, or NULL */
    struct worker *stuck[STUCK_MAX];
    size_t stuck_count;
};

/* Called with the lock held, which it gives back. */
static void let_go(struct worker *w)
{
    bool last = --w->holders == 0;
    pthread_mutex_unlock(&w->lock);
    if (!last) return;
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->quit) {
        if (!w->asked) {
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        w->asked = false;
        pthread_mutex_unlock(&w->lock);
        struct statfs result;
        int rc = w->call(w->path, &result) < 0 ? -errno : 0; /* path is ours until we answer */
        pthread_mutex_lock(&w->lock);
        w->rc = rc;
        if (rc == 0) w->result = result;
        w->answered = true;
        pthread_cond_broadcast(&w->changed);
    }
    let_go(w);
    return NULL;
}

static int worker_new(struct worker **out, statfs_call_fn *call)
{
    struct worker *w = mem_zalloc(sizeof *w);
    if (!w) return -ENOMEM;
    pthread_condattr_t attr;
    pthread_attr_t detached;
    pthread_t thread;
    w->call = call;
    w->holders = 2;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int rc = pthread_create(&thread, &detached, work, w);
    pthread_attr_destroy(&detached);
    if (rc) {
        pthread_mutex_lock(&w->lock);
        w->holders = 1;
        let_go(w);
        return -EAGAIN;
    }
    *out = w;
    return 0;
}

static void worker_dismiss(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->quit = true;
    pthread_cond_broadcast(&w->changed);
    let_go(w);
}

static bool has_answered(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    bool answered = w->answered;
    pthread_mutex_unlock(&w->lock);
    return answered;
}

/* Dismisses workers that came back; true when path is still out. */
static bool is_stuck(struct statfs_probe *p, const char *path)
{
    bool stuck = false;
    size_t kept = 0;
    for (size_t i = 0; i < p->stuck_count; i++) {
        struct worker *w = p->stuck[i];
        if (has_answered(w)) {
            worker_dismiss(w);
            continue;
        }
        if (strcmp(w->path, path) == 0) stuck = true;
        p->stuck[kept++] = w;
    }
    p->stuck_count = kept;
    return stuck;
}

static struct timespec deadline(int64_t timeout_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += timeout_ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static int ask(struct worker *w, const char *path, int64_t timeout_ms, struct statfs *out)
{
    struct timespec until = deadline(timeout_ms);
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    snprintf(w->path, sizeof w->path, "%s", path);
    w->asked = true;
    w->answered = false;
    pthread_cond_broadcast(&w->changed);
    while (!w->answered && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    rc = w->answered ? w->rc : E_TIMEOUT;
    if (rc == 0) *out = w->result;
    pthread_mutex_unlock(&w->lock);
    return rc;
}

int statfs_probe_new(struct statfs_probe **out, statfs_call_fn *call)
{
    *out = mem_zalloc(sizeof **out);
    if (!*out) return -ENOMEM;
    (*out)->call = call;
    return 0;
}

int statfs_probe_ask(struct statfs_probe *p, const char *path, int64_t timeout_ms,
                     struct statfs *out)
{
    if (strlen(path) >= PATH_BYTES) return -ENAMETOOLONG;
    if (is_stuck(p, path)) return E_TIMEOUT;
    if (p->stuck_count == STUCK_MAX) return E_LIMIT;
    if (!p->worker) {
        int rc = worker_new(&p->worker, p->call);
        if (rc < 0) return rc;
    }
    int rc = ask(p->worker, path, timeout_ms, out);
    if (rc == E_TIMEOUT) {
        p->stuck[p->stuck_count++] = p->worker;
        p->worker = NULL;
    }
    return rc;
}

size_t statfs_probe_stuck(const struct statfs_probe *p)
{
    return p->stuck_count;
}

void statfs_probe_free(struct statfs_probe *p)
{
    if (!p) return;
    if (p->worker) worker_dismiss(p->worker);
    for (size_t i = 0; i < p->stuck_count; i++)
        worker_dismiss(p->stuck[i]);
    mem_free(p);
}
