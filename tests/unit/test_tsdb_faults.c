/* test_tsdb_faults.c -- the store when calls fail, the disk is full or slow, the machine stops, or
 * files are damaged.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tsdb_fixture.h"

static struct select_request everything(void)
{
    return (struct select_request){.start_ms = INT64_MIN / 4, .end_ms = INT64_MAX / 4};
}

/* --- the machine stops at every call -----------------------------------------------------------
 */

enum { WORKLOAD = 60 };

/* What a client knows: sample k of the workload was acknowledged. Value k at time k of series
 * k % 5, flushed now and then. Stops at the first failure of an append or wait. */
static int run_workload(struct fixture *f, bool *acked)
{
    for (int k = 0; k < WORKLOAD; k++) {
        struct tsdb_append_result r;
        struct set s;
        tsdb_ref ref;
        if (tsdb_series(f->db, labels_of(&s, k % 5), &ref, NULL) < 0) return -1;
        struct tsdb_point p = {ref, f->sim.now_ms + k, k};
        if (tsdb_append(f->db, &p, 1, &r) < 0) continue;
        if (tsdb_wait(f->db, r.lsn) == 0) acked[k] = true;
        if (k % 20 == 15 && tsdb_flush(f->db, NULL) < 0) continue;
    }
    return 0;
}

/* Every acknowledged sample is there once and right, and nothing is there that was never sent. */
static void check_workload(struct fixture *f, const bool *acked)
{
    bool seen[WORKLOAD] = {false};
    struct select_request r = everything();
    struct arena arena;
    struct series_set *set = NULL;
    struct series_view v;
    arena_init(&arena, 1 << 20);
    r.arena = &arena;
    struct querier *q = tsdb_querier(f->db);
    assert_int_equal(q->ops->select(q, &r, &set, NULL), 0);
    while (set->ops->next(set, &v, NULL) == 1)
        for (size_t i = 0; i < v.count; i++) {
            int64_t k = v.t[i] - f->sim.now_ms;
            struct set s;
            assert_in_range(k, 0, WORKLOAD - 1);
            assert_false(seen[k]);
            assert_true(v.v[i] == (double)k);
            assert_true(labels_eq(v.labels, labels_of(&s, (int)k % 5)));
            seen[k] = true;
        }
    set->ops->free(set);
    arena_release(&arena);
    for (int k = 0; k < WORKLOAD; k++)
        assert_true(seen[k] || !acked[k]);
}

static void wipe(struct fixture *f)
{
    char command[400];
    snprintf(command, sizeof command, "%s/data", f->sim.root);
    sim_remove(command);
}

/* One run that stops at call number at; returns false when the workload has fewer calls. */
static bool crash_once(struct fixture *f, uint64_t at, bool power_loss)
{
    bool acked[WORKLOAD] = {false};
    struct errmsg err = {0};
    wipe(f);
    simenv_reset(&f->sim);
    f->sim.fail_at = at;
    f->sim.crash_at_failure = true;
    if (tsdb_open_tuned(&f->db, &f->o, &f->tuning, &f->sim.env, &err) < 0) f->db = NULL;
    if (f->db) run_workload(f, acked);
    bool reached = f->sim.calls >= at;
    simenv_crash(&f->sim, power_loss);
    if (f->db) tsdb_abandon(f->db);
    simenv_reset(&f->sim);
    open_db(f);
    check_workload(f, acked);
    if (tsdb_flush(f->db, NULL) < 0) fail_msg("flush after recovery, call %d", (int)at);
    check_workload(f, acked);
    restart(f, true);
    check_workload(f, acked);
    assert_int_equal(tsdb_close(f->db), 0);
    f->db = NULL;
    return reached;
}

static void crash_everywhere(struct fixture *f, bool power_loss)
{
    uint64_t at = 1;
    assert_int_equal(tsdb_close(f->db), 0);
    f->db = NULL;
    f->tuning.segment_bytes = 1024;
    while (crash_once(f, at, power_loss))
        at += 1;
    assert_true(at > 150); /* the workload is not trivial */
}

static void kill_at_every_call_loses_nothing_acknowledged(void **state)
{
    crash_everywhere(*state, false);
}

static void power_loss_at_every_call_loses_nothing_acknowledged(void **state)
{
    crash_everywhere(*state, true);
}

/* --- calls that fail ---------------------------------------------------------------------------
 */

static void every_failing_call_is_survived(void **state)
{
    struct fixture *f = *state;
    static const int codes[] = {EIO, ENOSPC};
    assert_int_equal(tsdb_close(f->db), 0);
    f->db = NULL;
    f->tuning.segment_bytes = 1024;
    for (size_t c = 0; c < COUNT(codes); c++) {
        bool reached = true;
        for (uint64_t at = 1; reached; at += 3) {
            bool acked[WORKLOAD] = {false};
            struct errmsg err = {0};
            wipe(f);
            simenv_reset(&f->sim);
            f->sim.fail_at = at;
            f->sim.fail_with = codes[c];
            int rc = tsdb_open_tuned(&f->db, &f->o, &f->tuning, &f->sim.env, &err);
            if (rc < 0) { /* only folder and lock may stop a start, and they say why */
                assert_true(err.text[0] != '\0');
                f->db = NULL;
                continue;
            }
            run_workload(f, acked);
            reached = f->sim.calls >= at;
            check_workload(f, acked);
            simenv_reset(&f->sim);
            restart(f, true);
            check_workload(f, acked);
            assert_int_equal(tsdb_close(f->db), 0);
            f->db = NULL;
        }
    }
}

/* The n-th allocation is refused, for many n, then none: nothing breaks, nothing acknowledged is
 * lost, and what was refused works when tried again. */
static void refused_memory_is_survived(void **state)
{
    struct fixture *f = *state;
    bool reached = true;
    assert_int_equal(tsdb_close(f->db), 0);
    f->db = NULL;
    f->tuning.segment_bytes = 1024;
    for (uint64_t n = 1; reached; n += 5) {
        bool acked[WORKLOAD] = {false};
        struct errmsg err = {0};
        wipe(f);
        mem_fail_at(n, 0);
        uint64_t before = mem_allocations();
        int rc = tsdb_open_tuned(&f->db, &f->o, &f->tuning, &f->sim.env, &err);
        if (rc < 0) {
            assert_int_equal(rc, -ENOMEM);
            continue;
        }
        run_workload(f, acked);
        reached = mem_allocations() - before >= n;
        mem_fail_at(0, 0);
        check_workload(f, acked);
        run_workload(f, acked);
        for (int k = 0; k < WORKLOAD; k++)
            assert_true(acked[k]);
        restart(f, true);
        check_workload(f, acked);
        assert_int_equal(tsdb_close(f->db), 0);
        f->db = NULL;
    }
}

static void a_failed_sync_gives_the_segment_up(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    struct tsdb_stats stats;
    assert_int_equal(add(f, 0, f->sim.now_ms, 1, &r), 0);
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    f->sim.fail_call = SIM_FDATASYNC;
    f->sim.calls = 0;
    f->sim.fail_at = 1;
    assert_int_equal(add(f, 0, f->sim.now_ms + 1, 2, &r), 0);
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0); /* written to a new segment */
    assert_int_equal(f->sim.calls, 2);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.wal_failures, 1);
    assert_true(stats.writable);
    restart(f, true);
    assert_same_everything(f);
}

static void while_no_sync_works_writers_are_told(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    struct tsdb_stats stats;
    f->sim.fail_call = SIM_FDATASYNC;
    f->sim.fail_at = 1;
    f->sim.fail_sticky = true;
    assert_int_equal(add(f, 0, f->sim.now_ms, 1, &r), 0);
    assert_int_equal(tsdb_wait(f->db, r.lsn), E_UNAVAILABLE);
    assert_int_equal(add(f, 0, f->sim.now_ms + 1, 2, &r), E_UNAVAILABLE);
    tsdb_stats(f->db, &stats);
    assert_false(stats.writable);
    assert_same_everything(f); /* reading goes on */
    simenv_reset(&f->sim);
    assert_int_equal(tsdb_wait(f->db, 1), 0);
    assert_int_equal(add(f, 0, f->sim.now_ms + 2, 3, &r), 0);
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    restart(f, true);
    assert_same_everything(f);
}

static void a_full_disk_costs_new_samples_only(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    assert_int_equal(tsdb_close(f->db), 0);
    f->o.min_free_permille = 50;
    f->sim.mono_ns = INT64_C(1000000000000);
    open_db(f);
    assert_int_equal(add(f, 0, f->sim.now_ms, 1, &r), 0);
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    f->sim.free_bytes = 4096;
    f->sim.mono_ns += 1000000000;
    assert_int_equal(add(f, 0, f->sim.now_ms + 1, 2, &r), 0); /* not noticed yet */
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    assert_int_equal(add(f, 0, f->sim.now_ms + 2, 3, &r), E_UNAVAILABLE);
    assert_same_everything(f);
    f->sim.free_bytes = -1;
    f->sim.mono_ns += 1000000000;
    assert_int_equal(tsdb_wait(f->db, UINT64_MAX), 0); /* what the syncer does each second */
    assert_int_equal(add(f, 0, f->sim.now_ms + 3, 4, &r), 0);
    assert_same_everything(f);
}

/* --- slow syncs --------------------------------------------------------------------------------
 */

static int64_t mono_ms(void)
{
    return env_mono_ns(env_system()) / 1000000;
}

/* Appends and selects for 600 ms while every sync takes 200: were one of them to wait for a sync,
 * there would be three or four rounds, not hundreds. */
static void slow_syncs_hold_nobody_up(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    int64_t start = mono_ms();
    int k = 0;
    f->sim.sync_delay_ns = 200000000;
    for (; mono_ms() - start < 600; k++) {
        struct timespec pause = {0, 1000000};
        int64_t t = f->sim.now_ms + k;
        assert_int_equal(add(f, 1, t, k, &r), 0);
        assert_same(f, (struct select_request){.start_ms = t - 10, .end_ms = t});
        nanosleep(&pause, NULL);
    }
    assert_in_range(k, 30, 600);
    start = mono_ms();
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    assert_in_range(mono_ms() - start, 100, 10000);
    f->sim.sync_delay_ns = 0;
}

/* --- damage ------------------------------------------------------------------------------------
 */

static int count_entry(void *arg, const char *name)
{
    UNUSED(name);
    ++*(int *)arg;
    return 0;
}

static int entries(struct fixture *f, const char *folder)
{
    char path[400];
    int count = 0;
    snprintf(path, sizeof path, "%s/%s", f->path, folder);
    assert_int_equal(env_system()->io->list(env_system(), path, count_entry, &count), 0);
    return count;
}

static int first_entry(void *arg, const char *name)
{
    snprintf(arg, 256, "%s", name);
    return 1;
}

/* Overwrites bytes of the only file of a folder. */
static void damage(struct fixture *f, const char *folder, int64_t offset, const char *bytes)
{
    char path[700], name[256] = "";
    snprintf(path, sizeof path, "%s/%s", f->path, folder);
    assert_int_equal(env_system()->io->list(env_system(), path, first_entry, name), 1);
    snprintf(path, sizeof path, "%s/%s/%s", f->path, folder, name);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), offset), strlen(bytes));
    close(fd);
}

static void damaged_records_take_only_themselves_along(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    struct tsdb_stats stats;
    for (int k = 0; k < 20; k++) {
        struct set s;
        struct tsdb_point p = {ref_of(f, 0), f->sim.now_ms + k, k + 0.5};
        assert_int_equal(tsdb_append(f->db, &p, 1, &r), 0);
        if (k != 10) assert_int_equal(memstore_add(f->model, labels_of(&s, 0), p.t_ms, p.v), 0);
    }
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    tsdb_stats(f->db, &stats);
    tsdb_abandon(f->db);
    /* the last records are equally long, tag and two bytes: find the tenth from the end */
    int64_t size = WAL_RECORD_HEADER + WAL_SAMPLES_HEADER + 3, end = (int64_t)stats.wal_bytes;
    damage(f, "wal", end - 10 * size + size - 2, "\xff");
    open_db(f);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.wal_damaged, 1);
    assert_same_everything(f);
    flush(f);
    assert_int_equal(entries(f, "quarantine"), 1); /* the segment is kept for a look */
}

static void damaged_day_files_are_set_aside(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    struct tsdb_stats stats;
    struct set s;
    for (int k = 0; k < 50; k++) {
        struct tsdb_point p = {ref_of(f, k % 5), f->sim.now_ms + k, k};
        assert_int_equal(tsdb_append(f->db, &p, 1, &r), 0);
    }
    assert_int_equal(tsdb_close(f->db), 0);
    char path[700];
    snprintf(path, sizeof path, "%s/raw/20231114.0.mdb-lock", f->path);
    unlink(path);
    damage(f, "raw", 0, "this is not a database at all");
    damage(f, "raw", 4096, "and neither is this, its other root page");
    open_db(f);
    tsdb_stats(f->db, &stats);
    assert_int_equal(stats.quarantined, 1);
    assert_true(entries(f, "quarantine") >= 1);
    assert_same_everything(f); /* nothing */
    assert_int_equal(add(f, 3, f->sim.now_ms, 1, &r), 0);
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    flush(f);
    assert_same_everything(f);
    UNUSED(s);
}

static void foreign_files_do_not_stop_a_start(void **state)
{
    struct fixture *f = *state;
    char path[400];
    static const char *const names[] = {"raw/readme", "raw/20239999.0.mdb", "wal/0000zzzz.wal",
                                        "wal/00000007.wal", "ids"};
    assert_int_equal(tsdb_close(f->db), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", f->path, names[i]);
        assert_int_equal(env_replace_file(env_system(), path, "garbage\n", 8), 0);
    }
    open_db(f);
    assert_int_equal(entries(f, "quarantine"), 2);
    struct tsdb_append_result r;
    assert_int_equal(add(f, 0, f->sim.now_ms, 1, &r), 0);
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
    restart(f, true);
    assert_same_everything(f);
}

static void a_second_owner_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct tsdb *second = NULL;
    struct errmsg err = {0};
    char pid[32];
    assert_int_equal(tsdb_open(&second, &f->o, &f->sim.env, &err), E_EXISTS);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_null(second);
}

static void another_format_is_refused(void **state)
{
    struct fixture *f = *state;
    struct errmsg err = {0};
    char path[400];
    assert_int_equal(tsdb_close(f->db), 0);
    f->db = NULL;
    snprintf(path, sizeof path, "%s/FORMAT", f->path);
    assert_int_equal(env_replace_file(env_system(), path, "tocsin 2\n", 9), 0);
    assert_int_equal(tsdb_open(&f->db, &f->o, &f->sim.env, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "format 2"));
}

/* Ids survive the loss of everything but the day files. */
static void ids_are_never_given_twice(void **state)
{
    struct fixture *f = *state;
    struct tsdb_append_result r;
    char path[400];
    for (int i = 0; i < 10; i++)
        assert_int_equal(add(f, i, f->sim.now_ms, i, &r), 0);
    for (int lost = 0; lost < 2; lost++) {
        flush(f);
        assert_int_equal(tsdb_close(f->db), 0);
        snprintf(path, sizeof path, "%s/ids", f->path);
        if (lost) unlink(path);
        f->sim.now_ms += 5 * DAY_MS; /* the head will not load the old series */
        open_db(f);
        for (int i = 10 + 10 * lost; i < 20 + 10 * lost; i++) /* others; late into the old day */
            assert_int_equal(add(f, i, f->sim.now_ms - 5 * DAY_MS + 1, i, &r), 0);
        flush(f);
        assert_same_everything(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kill_at_every_call_loses_nothing_acknowledged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(power_loss_at_every_call_loses_nothing_acknowledged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_failing_call_is_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(refused_memory_is_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_sync_gives_the_segment_up, setup, teardown),
        cmocka_unit_test_setup_teardown(while_no_sync_works_writers_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_costs_new_samples_only, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_syncs_hold_nobody_up, setup_threads, teardown),
        cmocka_unit_test_setup_teardown(damaged_records_take_only_themselves_along, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(damaged_day_files_are_set_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_files_do_not_stop_a_start, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_owner_is_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(another_format_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(ids_are_never_given_twice, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
