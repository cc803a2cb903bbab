/* test_tsdb_kill.c -- a real process, really killed, in the middle of appends, syncs, flushes and
 * LMDB's commits: what was acknowledged is there, once, and nothing else is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/env.h"
#include "core/log.h"
#include "core/mem.h"
#include "tests/unit/simenv.h"
#include "tsdb/tsdb.h"

enum { CYCLES = 25, SERIES = 100, SAMPLES_MAX = 1 << 20, BATCH = 7 };

static struct tsdb *open_store(const char *path)
{
    struct tsdb *db = NULL;
    struct tsdb_options o;
    struct errmsg err = {0};
    tsdb_options_default(&o);
    o.path = path;
    o.min_free_permille = 0;
    o.flush_turn_ms = 64; /* a slice each millisecond */
    if (tsdb_open(&db, &o, env_system(), &err) < 0) print_error("open: %s\n", err.text);
    return db;
}

static struct labels labels_of(struct label l[2], char text[32], int series)
{
    snprintf(text, 32, "series-%d", series);
    l[0] = (struct label){STR("__name__"), STR("m")};
    l[1] = (struct label){STR("s"), str_of(text)};
    return (struct labels){l, 2};
}

/* Sample k of the whole test: series k % SERIES, time base + k, value k. Tells the parent the next
 * k after every acknowledged batch. Never returns. */
static void write_until_killed(const char *path, int64_t base_ms, uint32_t k, int fd)
{
    struct tsdb *db = open_store(path);
    while (db && k < SAMPLES_MAX - BATCH) {
        struct tsdb_point p[BATCH];
        struct tsdb_append_result r;
        for (int i = 0; i < BATCH; i++) {
            struct label l[2];
            char text[32];
            uint32_t n = k + (uint32_t)i;
            p[i] = (struct tsdb_point){0, base_ms + n, n};
            if (tsdb_series(db, labels_of(l, text, (int)(n % SERIES)), &p[i].ref, NULL) < 0)
                _exit(3);
        }
        if (tsdb_append(db, p, BATCH, &r) < 0 || r.stored != BATCH) _exit(4);
        if (tsdb_wait(db, r.lsn) < 0) _exit(5);
        k += BATCH;
        if (write(fd, &k, sizeof k) != sizeof k) _exit(6);
    }
    _exit(2);
}

/* Runs the writer for some milliseconds, kills it, returns what it last acknowledged. */
static uint32_t run_and_kill(const char *path, int64_t base_ms, uint32_t from, int64_t run_ms)
{
    int fds[2], status = 0;
    uint32_t acked = from, k;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        write_until_killed(path, base_ms, from, fds[1]);
    }
    close(fds[1]);
    int64_t until = 0;
    while (read(fds[0], &k, sizeof k) == sizeof k) { /* also what was in the pipe at the end */
        acked = k;
        int64_t now = env_mono_ns(env_system()) / 1000000;
        if (!until) until = now + run_ms; /* from the first on */
        if (now >= until) kill(pid, SIGKILL);
    }
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return acked;
}

/* Marks every sample found; the highest number found + 1 comes back. */
static uint32_t check(const char *path, int64_t base_ms, uint32_t acked, uint8_t *seen)
{
    struct tsdb *db = open_store(path);
    struct series_set *set = NULL;
    struct series_view v;
    struct arena arena;
    uint32_t top = 0;
    assert_non_null(db);
    memset(seen, 0, SAMPLES_MAX);
    arena_init(&arena, 1 << 24);
    struct querier *q = tsdb_querier(db);
    struct select_request r = {.end_ms = INT64_MAX / 2, .arena = &arena};
    int rc = q->ops->select(q, &r, &set, NULL);
    while (rc >= 0 && (rc = set->ops->next(set, &v, NULL)) > 0)
        for (size_t i = 0; i < v.count; i++) {
            struct label l[2];
            char text[32];
            int64_t k = v.t[i] - base_ms;
            assert_in_range(k, 0, SAMPLES_MAX - 1);
            assert_false(seen[k]);
            seen[k] = 1;
            assert_true(v.v[i] == (double)k);
            assert_true(labels_eq(v.labels, labels_of(l, text, (int)(k % SERIES))));
            top = MAX(top, (uint32_t)k + 1);
        }
    assert_int_equal(rc, 0);
    set->ops->free(set);
    arena_release(&arena);
    for (uint32_t k = 0; k < acked; k++)
        assert_true(seen[k]);
    assert_int_equal(tsdb_close(db), 0);
    return top;
}

static void killed_at_any_time_nothing_acknowledged_is_lost(void **state)
{
    struct simenv folder; /* only for its folder */
    uint8_t *seen = malloc(SAMPLES_MAX);
    char path[300];
    uint32_t next = 0;
    int64_t base_ms = env_now_ms(env_system()) - SAMPLES_MAX;
    UNUSED(state);
    log_set_level(LOG_LEVEL_OFF);
    assert_non_null(seen);
    assert_int_equal(simenv_init(&folder), 0);
    snprintf(path, sizeof path, "%s/data", folder.root);
    for (int i = 0; i < CYCLES; i++) {
        int64_t run_ms = (int64_t)(env_random(env_system()) % 40);
        uint32_t acked = run_and_kill(path, base_ms, next, run_ms);
        next = check(path, base_ms, acked, seen);
        for (uint32_t k = acked; k < next; k++) /* a batch is there as a whole or not at all */
            assert_true(seen[k]);
        assert_int_equal(next % BATCH, 0);
    }
    print_message("%u samples sent\n", next);
    assert_true(next > CYCLES * BATCH);
    simenv_release(&folder);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_any_time_nothing_acknowledged_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
