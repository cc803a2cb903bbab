/* engine_threads.c -- the engine's two threads: one that keeps the schedule, and the helper, which
 * runs collectors whose system calls may hang so that the schedule never does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/engine_int.h"

/* --- the schedule ---------------------------------------------------------------------------- */

static int64_t floor_to(int64_t t, int64_t step)
{
    return t - (t % step + step) % step;
}

int64_t engine_next_slot(int64_t interval_ms, int64_t last_ms, int64_t now_ms, int64_t mono_ns,
                         uint64_t *missed)
{
    int64_t next = floor_to(now_ms, interval_ms) + interval_ms;
    *missed = 0;
    if (!last_ms) return next;
    /* Woken a moment early, or the clock was set back by less than two slots: no slot twice. */
    if (next <= last_ms && last_ms - next < 2 * interval_ms) return last_ms + interval_ms;
    int64_t by_wall = (next - last_ms) / interval_ms - 1;
    int64_t by_mono = (mono_ns / 1000000 + interval_ms / 10) / interval_ms;
    *missed = (uint64_t)MAX(MIN(by_wall, by_mono), 0);
    return next;
}

static void *keep_schedule(void *arg)
{
    struct collector_engine *e = arg;
    int64_t last_ms = 0, last_mono = 0;
    while (!__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE)) {
        int64_t now_ms = env_now_ms(e->env), mono = env_mono_ns(e->env);
        uint64_t missed;
        pthread_mutex_lock(&e->lock);
        int64_t interval_ms = e->interval_ms;
        pthread_mutex_unlock(&e->lock);
        int64_t slot = engine_next_slot(interval_ms, last_ms, now_ms, mono - last_mono, &missed);
        last_ms = slot;
        last_mono = mono + (slot - now_ms) * 1000000;
        e->env->time->sleep_until(e->env, last_mono, &e->stop);
        if (__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE)) break;
        collector_engine_tick(e, slot, missed);
    }
    return NULL;
}

/* --- the helper ------------------------------------------------------------------------------ */

/* With help_lock held. */
static struct collect *next_job(struct collector_engine *e)
{
    if (e->help_paused) return NULL;
    for (size_t i = 0; i < e->count; i++)
        if (e->v[i]->job == JOB_QUEUED) return e->v[i];
    return NULL;
}

static void *help(void *arg)
{
    struct collector_engine *e = arg;
    pthread_mutex_lock(&e->help_lock);
    while (!__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE)) {
        struct collect *c = next_job(e);
        if (!c) {
            pthread_cond_wait(&e->help_cond, &e->help_lock);
            continue;
        }
        c->job = JOB_RUNNING;
        e->helped = c;
        pthread_mutex_unlock(&e->help_lock);
        kept_files_begin(&e->helper_files);
        collect_run(c, c->time_ms);
        pthread_mutex_lock(&e->help_lock);
        c->job = JOB_DONE;
        e->helped = NULL;
        pthread_cond_broadcast(&e->help_cond);
    }
    pthread_mutex_unlock(&e->help_lock);
    return NULL;
}

bool engine_helper_done(struct collector_engine *e, struct collect *c)
{
    pthread_mutex_lock(&e->help_lock);
    bool done = c->job == JOB_DONE;
    if (done) c->job = JOB_NONE;
    pthread_mutex_unlock(&e->help_lock);
    return done;
}

void engine_helper_ask(struct collector_engine *e, struct collect *c)
{
    pthread_mutex_lock(&e->help_lock);
    if (c->job == JOB_NONE) {
        c->time_ms = e->last_ms;
        c->job = JOB_QUEUED;
        pthread_cond_broadcast(&e->help_cond);
    } else {
        c->timeouts++;
    }
    pthread_mutex_unlock(&e->help_lock);
}

void engine_helper_pause(struct collector_engine *e)
{
    pthread_mutex_lock(&e->help_lock);
    e->help_paused = true;
    while (e->helped)
        pthread_cond_wait(&e->help_cond, &e->help_lock);
    pthread_mutex_unlock(&e->help_lock);
}

void engine_helper_resume(struct collector_engine *e)
{
    pthread_mutex_lock(&e->help_lock);
    e->help_paused = false;
    pthread_cond_broadcast(&e->help_cond);
    pthread_mutex_unlock(&e->help_lock);
}

/* --- both ------------------------------------------------------------------------------------ */

int engine_threads_start(struct collector_engine *e)
{
    int rc = pthread_create(&e->helper_thread, NULL, help, e);
    if (rc) return -rc;
    rc = pthread_create(&e->collector_thread, NULL, keep_schedule, e);
    e->running = rc == 0;
    if (rc == 0) return 0;
    __atomic_store_n(&e->stop, 1, __ATOMIC_RELEASE);
    engine_helper_resume(e); /* wakes it */
    pthread_join(e->helper_thread, NULL);
    __atomic_store_n(&e->stop, 0, __ATOMIC_RELEASE);
    return -rc;
}

void engine_threads_stop(struct collector_engine *e)
{
    if (!e->running) return;
    __atomic_store_n(&e->stop, 1, __ATOMIC_RELEASE);
    env_wake(e->env);
    engine_helper_resume(e);
    pthread_join(e->collector_thread, NULL);
    pthread_join(e->helper_thread, NULL);
    e->running = false;
}
