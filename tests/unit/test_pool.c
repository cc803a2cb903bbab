/* test_pool.c -- worker threads behind a bounded queue.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { JOBS = 1000 };

struct task {
    struct pool_job job;
    sem_t *started, *go;
    int *done;
};

static void count(struct pool_job *job)
{
    struct task *t = (struct task *)job;
    __atomic_add_fetch(t->done, 1, __ATOMIC_RELAXED);
}

static void hold(struct pool_job *job)
{
    struct task *t = (struct task *)job;
    sem_post(t->started);
    sem_wait(t->go);
    count(job);
}

static void every_job_runs_once(void **state)
{
    struct pool *p;
    int done = 0;
    static struct task tasks[JOBS];
    (void)state;
    assert_int_equal(pool_new(&p, "test", 4, JOBS), 0);
    for (int i = 0; i < JOBS; i++) {
        tasks[i] = (struct task){.job.run = count, .done = &done};
        assert_int_equal(pool_submit(p, &tasks[i].job), 0);
    }
    pool_free(p);
    assert_int_equal(done, JOBS);
}

static void a_full_queue_refuses(void **state)
{
    struct pool *p;
    struct pool_stats s;
    sem_t started, go;
    int done = 0;
    struct task tasks[4];
    (void)state;
    sem_init(&started, 0, 0);
    sem_init(&go, 0, 0);
    assert_int_equal(pool_new(&p, "test", 1, 2), 0);
    for (int i = 0; i < 4; i++)
        tasks[i] = (struct task){.job.run = hold, .started = &started, .go = &go, .done = &done};
    assert_int_equal(pool_submit(p, &tasks[0].job), 0);
    sem_wait(&started);
    assert_int_equal(pool_submit(p, &tasks[1].job), 0);
    assert_int_equal(pool_submit(p, &tasks[2].job), 0);
    assert_int_equal(pool_submit(p, &tasks[3].job), E_UNAVAILABLE);
    pool_stats(p, &s);
    assert_int_equal(s.threads, 1);
    assert_int_equal(s.busy, 1);
    assert_int_equal(s.queued, 2);
    for (int i = 0; i < 3; i++)
        sem_post(&go);
    pool_free(p);
    assert_int_equal(done, 3);
    sem_destroy(&started);
    sem_destroy(&go);
}

static void a_stopped_pool_refuses(void **state)
{
    struct pool *p;
    int done = 0;
    struct task t = {.job.run = count, .done = &done};
    (void)state;
    assert_int_equal(pool_new(&p, "test", 2, 2), 0);
    pool_stop(p);
    assert_int_equal(pool_submit(p, &t.job), E_UNAVAILABLE);
    pool_free(p);
    assert_int_equal(done, 0);
}

static void threads_start_only_when_needed(void **state)
{
    struct pool *p;
    struct pool_stats s;
    (void)state;
    assert_int_equal(pool_new(&p, "test", 8, 8), 0);
    pool_stats(p, &s);
    assert_int_equal(s.threads, 0);
    pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(a_stopped_pool_refuses),
        cmocka_unit_test(threads_start_only_when_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
