/* test_statfs_probe.c -- statfs under a deadline: answers, errors, stuck mounts, and their return.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/statfs_probe.h"

/* A dead server that can be revived: calls for "/dead..." wait for it. The call has no argument of
 * its own, so this is the test's one global. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int alive, waiting, returned;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int fake_statfs(const char *path, struct statfs *out)
{
    *out = (struct statfs){.f_blocks = strlen(path)};
    if (strncmp(path, "/gone", 5) == 0) {
        errno = ENOENT;
        return -1;
    }
    if (strncmp(path, "/dead", 5) != 0) return 0;
    pthread_mutex_lock(&server.lock);
    server.waiting++;
    while (!server.alive)
        pthread_cond_wait(&server.changed, &server.lock);
    server.waiting--;
    server.returned++;
    pthread_cond_broadcast(&server.changed);
    pthread_mutex_unlock(&server.lock);
    return 0;
}

static void set_alive(int alive)
{
    pthread_mutex_lock(&server.lock);
    server.alive = alive;
    pthread_cond_broadcast(&server.changed);
    while (alive && server.waiting)
        pthread_cond_wait(&server.changed, &server.lock);
    pthread_mutex_unlock(&server.lock);
}

static void live_mounts_answer(void **state)
{
    (void)state;
    struct statfs_probe *p;
    struct statfs fs;
    assert_int_equal(statfs_probe_new(&p, fake_statfs), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(statfs_probe_ask(p, "/abc", 10000, &fs), 0);
        assert_int_equal(fs.f_blocks, 4);
        assert_int_equal(statfs_probe_ask(p, "/gone", 10000, &fs), -ENOENT);
    }
    assert_int_equal(statfs_probe_stuck(p), 0);
    statfs_probe_free(p);
}

static void stuck_mount_is_left_alone_until_it_answers(void **state)
{
    (void)state;
    struct statfs_probe *p;
    struct statfs fs;
    int rc;
    set_alive(0);
    assert_int_equal(statfs_probe_new(&p, fake_statfs), 0);
    assert_int_equal(statfs_probe_ask(p, "/dead", 1, &fs), E_TIMEOUT);
    assert_int_equal(statfs_probe_ask(p, "/dead", 10000, &fs), E_TIMEOUT); /* at once */
    assert_int_equal(statfs_probe_ask(p, "/alive", 10000, &fs), 0);
    assert_int_equal(statfs_probe_stuck(p), 1);
    set_alive(1);
    while ((rc = statfs_probe_ask(p, "/dead", 10000, &fs)) == E_TIMEOUT) {
    }
    assert_int_equal(rc, 0);
    assert_int_equal(statfs_probe_stuck(p), 0);
    statfs_probe_free(p);
}

static void stuck_threads_have_a_ceiling(void **state)
{
    (void)state;
    struct statfs_probe *p;
    struct statfs fs;
    int rc = 0, asked = 0;
    set_alive(0);
    assert_int_equal(statfs_probe_new(&p, fake_statfs), 0);
    for (; rc != E_LIMIT && asked < 100; asked++) {
        char path[16];
        snprintf(path, sizeof path, "/dead%d", asked);
        rc = statfs_probe_ask(p, path, 1, &fs);
    }
    assert_int_equal(rc, E_LIMIT);
    assert_in_range(statfs_probe_stuck(p), 4, 32);
    statfs_probe_free(p); /* does not wait */
    set_alive(1);         /* they end on their own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_mounts_answer),
        cmocka_unit_test(stuck_mount_is_left_alone_until_it_answers),
        cmocka_unit_test(stuck_threads_have_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
