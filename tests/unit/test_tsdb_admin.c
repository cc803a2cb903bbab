/* test_tsdb_admin.c -- deleting, cleaning, compacting, snapshots and numbers by label, against the
 * model, across flushes, restarts and crashes; and what a start says about odd files.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tsdb_fixture.h"
#include "tsdb/admin.h"

#include <fcntl.h>

/* --- the model ---------------------------------------------------------------------------------
 */

/* Takes the matching samples out of the model: a new one is made of the rest. */
static void model_delete(struct fixture *f, const struct matcher *m, size_t count, int64_t start_ms,
                         int64_t end_ms)
{
    struct memstore *rest = NULL;
    struct arena arena;
    struct series_set *set = NULL;
    struct series_view v;
    struct errmsg err = {0};
    struct querier *q = memstore_querier(f->model);
    struct select_request all = {
        .start_ms = INT64_MIN / 4, .end_ms = INT64_MAX / 4, .arena = &arena};
    arena_init(&arena, 64 << 20);
    assert_int_equal(memstore_new(&rest), 0);
    assert_int_equal(q->ops->select(q, &all, &set, &err), 0);
    while (set->ops->next(set, &v, &err) == 1) {
        bool meant = matchers_test(m, count, v.labels) == 1;
        for (size_t i = 0; i < v.count; i++)
            if (!meant || v.t[i] < start_ms || v.t[i] > end_ms)
                assert_int_equal(memstore_add(rest, v.labels, v.t[i], v.v[i]), 0);
    }
    set->ops->free(set);
    arena_release(&arena);
    memstore_free(f->model);
    f->model = rest;
}

static void drop(struct fixture *f, enum matcher_type type, const char *name, const char *value,
                 int64_t start_ms, int64_t end_ms)
{
    struct matcher m;
    struct errmsg err = {0};
    assert_int_equal(matcher_init(&m, type, str_of(name), str_of(value), NULL), 0);
    int rc = tsdb_delete(f->db, &m, 1, start_ms, end_ms, &err);
    if (rc < 0) print_error("delete: %s\n", err.text);
    assert_int_equal(rc, 0);
    model_delete(f, &m, 1, start_ms, end_ms);
    matcher_release(&m);
}

static void append(struct fixture *f, int i, int64_t t, double v)
{
    struct tsdb_append_result r;
    assert_int_equal(add(f, i, t, v, &r), 0);
    assert_int_equal(tsdb_wait(f->db, r.lsn), 0);
}

static struct tsdb_rewritten clean(struct fixture *f)
{
    struct tsdb_rewritten out;
    struct errmsg err = {0};
    int rc = tsdb_clean(f->db, NULL, &out, &err);
    if (rc < 0) print_error("clean: %s\n", err.text);
    assert_int_equal(rc, 0);
    return out;
}

static uint64_t deletions(struct fixture *f)
{
    struct tsdb_stats s;
    tsdb_stats(f->db, &s);
    return s.deletions;
}

struct names {
    char text[4096];
};

static int add_name(void *arg, struct str s)
{
    struct names *n = arg;
    size_t len = strlen(n->text);
    snprintf(n->text + len, sizeof n->text - len, "%.*s ", (int)s.len, s.p);
    return 0;
}

static void assert_same_names(struct fixture *f, const char *name)
{
    struct names got = {""}, want = {""};
    struct arena arena;
    arena_init(&arena, 64 << 20);
    const struct select_request all = {
        .start_ms = INT64_MIN / 4, .end_ms = INT64_MAX / 4, .arena = &arena};
    struct querier *q = tsdb_querier(f->db), *m = memstore_querier(f->model);
    assert_int_equal(q->ops->label_values(q, str_of(name), &all, add_name, &got, NULL), 0);
    assert_int_equal(m->ops->label_values(m, str_of(name), &all, add_name, &want, NULL), 0);
    assert_string_equal(got.text, want.text);
    arena_release(&arena);
}

/* --- deleting ----------------------------------------------------------------------------------
 */

static void deletes_at_once_and_for_good(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    for (int k = 0; k < 200; k++)
        append(f, k % 8, now - 200000 + k * 1000, k);
    drop(f, MATCH_EQ, "__name__", "metric_1", INT64_MIN / 4, INT64_MAX / 4);
    drop(f, MATCH_EQ, "instance", "host-2", now - 150000, now - 100000);
    assert_int_equal(deletions(f), 2);
    assert_same_everything(f);
    assert_same_names(f, "instance");
    assert_same_names(f, "__name__");
    restart(f, true);
    assert_int_equal(deletions(f), 2);
    assert_same_everything(f);
    assert_same_names(f, "instance");
    restart(f, false);
    assert_same_everything(f);
}

static void what_matches_nothing_is_not_recorded(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    append(f, 1, now, 1);
    drop(f, MATCH_EQ, "instance", "host-99", 0, now);
    drop(f, MATCH_EQ, "instance", "host-1", now + 1, now);
    drop(f, MATCH_EQ, "instance", "host-1", now + DAY_MS, now + 2 * DAY_MS);
    assert_int_equal(deletions(f), 0);
    assert_same_everything(f);
}

static void later_samples_stay_whatever_their_time(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    for (int k = 0; k < 10; k++)
        append(f, 1, now - 10000 + k * 1000, k);
    drop(f, MATCH_EQ, "instance", "host-1", 0, now + 1000000);
    assert_same_everything(f);    /* nothing */
    append(f, 1, now - 1000, 9);  /* the newest again, bit for bit */
    append(f, 1, now - 5000, 77); /* and one in between */
    assert_same_everything(f);
    append(f, 1, now + 500, 3);
    assert_same_everything(f);
    flush(f);
    assert_same_everything(f);
    restart(f, true);
    assert_same_everything(f);
    clean(f);
    assert_same_everything(f);
}

static void the_latest_value_falls_back(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    struct select_request latest = {.start_ms = now - 300000, .end_ms = now, .latest_only = true};
    for (int k = 0; k < 100; k++)
        append(f, 3, now - 99000 + k * 1000, k);
    drop(f, MATCH_EQ, "instance", "host-3", now - 20000, now);
    assert_same(f, latest);
    restart(f, false);
    assert_same(f, latest);
    drop(f, MATCH_EQ, "instance", "host-3", now - 98000, now);
    assert_same(f, latest);
}

/* Random appends, deletions, flushes, cleanings, restarts and crashes over three days. */
static void equals_the_model(void **state)
{
    static const struct {
        enum matcher_type type;
        const char *name, *value;
    } meant[] = {
        {MATCH_EQ,  "__name__", "metric_2"  },
        {MATCH_EQ,  "job",      "job1"      },
        {MATCH_NE,  "job",      "job1"      },
        {MATCH_RE,  "instance", "host-1.*"  },
        {MATCH_NRE, "instance", "host-[0-9]"},
        {MATCH_EQ,  "instance", "host-7"    },
        {MATCH_EQ,  "absent",   ""          },
    };
    struct fixture *f = *state;
    int64_t newest[SERIES];
    for (int i = 0; i < SERIES; i++)
        newest[i] = f->sim.now_ms - 3 * DAY_MS;
    for (int step = 1; step <= 3000; step++) {
        uint64_t x = env_random(&f->sim.env);
        int i = (int)(x % SERIES);
        int64_t t = newest[i];
        if (x >> 8 & 7)
            t += x >> 16 & 3 ? 1000 : (int64_t)(x >> 20 & 0x3fffff);
        else
            t -= (int64_t)(x >> 20 & 0xffffff);
        t = MIN(t, f->sim.now_ms);
        newest[i] = MAX(newest[i], t);
        append(f, i, t, (double)(x % 1000));
        if (step % 60 == 0) {
            size_t which = (size_t)(x >> 32) % COUNT(meant);
            int64_t from = f->sim.now_ms - 3 * DAY_MS + (int64_t)(x >> 24 & 0xfffffff);
            drop(f, meant[which].type, meant[which].name, meant[which].value, from,
                 from + (int64_t)(x >> 36 & 0xffffff));
        }
        if (step % 170 == 0) flush(f);
        if (step % 400 == 0) {
            clean(f);
            assert_int_equal(deletions(f), 0);
        }
        if (step % 230 == 0) restart(f, x >> 40 & 1);
        if (step % 100 == 0) {
            assert_same_everything(f);
            assert_same_names(f, "instance");
            assert_same_names(f, "job");
        }
    }
    assert_same_names(f, "instance");
    for (int day = -3; day <= 0; day++) {
        struct select_request part = {.start_ms = f->sim.now_ms + day * DAY_MS,
                                      .end_ms = f->sim.now_ms + day * DAY_MS + 40000000};
        assert_same(f, part);
        part.latest_only = true;
        assert_same(f, part);
    }
    struct tsdb_rewritten out;
    assert_int_equal(tsdb_compact(f->db, NULL, &out, NULL), 0);
    assert_same_everything(f);
    restart(f, false);
    assert_same_everything(f);
}

/* Whichever call of a deletion is the last before the machine stops: it is in force or it is not,
 * and what was acknowledged is. */
static void survives_a_stop_at_every_call(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    bool done = false;
    for (uint64_t n = 1; !done; n += 1 + n / 16) {
        struct matcher m;
        struct errmsg err = {0};
        for (int k = 0; k < 20; k++)
            append(f, k % 4, now + (int64_t)n * 100 + k, k);
        assert_int_equal(matcher_init(&m, MATCH_EQ, STR("instance"), STR("host-2"), NULL), 0);
        f->sim.calls = 0;
        f->sim.fail_at = n;
        f->sim.fail_sticky = f->sim.crash_at_failure = true;
        int rc = tsdb_delete(f->db, &m, 1, now, now + 1000000, &err);
        done = f->sim.calls < n;
        tsdb_abandon(f->db);
        simenv_crash(&f->sim, true);
        simenv_reset(&f->sim);
        open_db(f);
        if (rc == 0 || deletions(f)) model_delete(f, &m, 1, now, now + 1000000);
        matcher_release(&m);
        if (rc == 0) assert_int_equal(deletions(f), 1);
        assert_same_everything(f);
        clean(f);
        assert_same_everything(f);
        assert_true(n < 2000);
    }
}

/* The same for cleaning, when the process is killed. */
static void cleaning_survives_a_kill_at_every_call(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    bool done = false;
    for (uint64_t n = 1; !done; n += 1 + n / 16) {
        struct tsdb_rewritten out;
        for (int k = 0; k < 20; k++)
            append(f, k % 4, now - DAY_MS * (k % 2) + (int64_t)n * 100 + k, k);
        drop(f, MATCH_EQ, "instance", "host-2", 0, now + 1000000);
        f->sim.calls = 0;
        f->sim.fail_at = n;
        f->sim.fail_sticky = f->sim.crash_at_failure = true;
        int rc = tsdb_clean(f->db, NULL, &out, NULL);
        done = f->sim.calls < n;
        if (done) assert_int_equal(rc, 0);
        tsdb_abandon(f->db);
        simenv_reset(&f->sim);
        open_db(f);
        assert_same_everything(f);
        assert_true(n < 2000);
    }
    clean(f);
    assert_int_equal(deletions(f), 0);
    assert_same_everything(f);
}

static void a_deletion_that_cannot_be_recorded_deletes_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    struct matcher m;
    struct errmsg err = {0};
    append(f, 1, now, 1);
    flush(f);
    assert_int_equal(matcher_init(&m, MATCH_EQ, STR("instance"), STR("host-1"), NULL), 0);
    f->sim.fail_call = SIM_RENAME; /* of the journal's new file, twice: to make it, to fill it */
    f->sim.calls = 0;
    f->sim.fail_at = 1;
    f->sim.fail_sticky = true;
    assert_true(tsdb_delete(f->db, &m, 1, 0, now, &err) < 0);
    assert_true(err.text[0] != '\0');
    assert_int_equal(deletions(f), 0);
    assert_same_everything(f);
    simenv_reset(&f->sim);
    restart(f, true);
    assert_same_everything(f);
    drop(f, MATCH_EQ, "instance", "host-1", 0, now);
    assert_same_everything(f);
    matcher_release(&m);
}

static void retention_takes_deletions_along(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    append(f, 1, now - 2 * DAY_MS, 1);
    append(f, 1, now, 2);
    drop(f, MATCH_EQ, "instance", "host-1", 0, now - DAY_MS);
    assert_int_equal(deletions(f), 1);
    assert_int_equal(tsdb_close(f->db), 0);
    f->o.retention_ms = DAY_MS;
    open_db(f);
    assert_int_equal(deletions(f), 0);
    restart(f, true);
    assert_int_equal(deletions(f), 0);
    assert_same_everything(f);
}

/* --- rewriting ---------------------------------------------------------------------------------
 */

static void fill_days(struct fixture *f, int samples)
{
    int64_t now = f->sim.now_ms;
    struct tsdb_append_result r;
    for (int day = 2; day >= 0; day--)
        for (int k = 0; k < samples; k++)
            for (int i = 0; i < SERIES; i++)
                assert_int_equal(add(f, i, now - day * DAY_MS - (samples - k) * 1000,
                                     (double)(env_random(&f->sim.env) % 1000000), &r),
                                 0);
    flush(f);
}

static void cleaning_gives_space_back(void **state)
{
    struct fixture *f = *state;
    int64_t now = f->sim.now_ms;
    fill_days(f, 2000);
    drop(f, MATCH_NE, "instance", "host-1", now - 2 * DAY_MS - 3600000, now - DAY_MS - 3600000);
    struct tsdb_rewritten out = clean(f);
    assert_int_equal(out.days, 1);
    assert_true(out.bytes_after < out.bytes_before / 2);
    assert_int_equal(deletions(f), 0);
    assert_same_everything(f);
    out = clean(f);
    assert_int_equal(out.days, 0);
    restart(f, true);
    assert_same_everything(f);
}

static void readers_of_the_old_file_go_on(void **state)
{
    struct fixture *f = *state;
    struct arena arena;
    struct series_set *set = NULL;
    struct series_view v;
    struct errmsg err = {0};
    size_t series = 0;
    fill_days(f, 20);
    drop(f, MATCH_EQ, "instance", "host-1", 0, f->sim.now_ms);
    arena_init(&arena, 1 << 20);
    struct select_request all = {.start_ms = 0, .end_ms = f->sim.now_ms, .arena = &arena};
    struct querier *q = tsdb_querier(f->db);
    assert_int_equal(q->ops->select(q, &all, &set, &err), 0);
    assert_int_equal(set->ops->next(set, &v, &err), 1);
    clean(f);
    for (series = 1; set->ops->next(set, &v, &err) == 1; series++)
        assert_int_equal(v.count, 60);
    assert_int_equal(series, SERIES - 1);
    set->ops->free(set);
    arena_release(&arena);
}

static void damaged_days_are_not_rewritten(void **state)
{
    struct fixture *f = *state;
    char path[400];
    char zeros[64] = {0};
    fill_days(f, 400);
    drop(f, MATCH_EQ, "instance", "host-1", 0, f->sim.now_ms);
    assert_int_equal(tsdb_close(f->db), 0);
    /* somewhere inside the groups of one day */
    snprintf(path, sizeof path, "%s/raw/20231112.0.mdb", f->path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    char page[4096];
    off_t at = 4096 * 2;
    while (pread(fd, page, sizeof page, at) == sizeof page && memcmp(page + 16, "tGRP", 4) != 0)
        at += 4096;
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, at + 600), sizeof zeros);
    close(fd);
    open_db(f);
    struct tsdb_rewritten out = clean(f);
    assert_int_equal(out.damaged, 1);
    assert_int_equal(out.days, 2);
    assert_int_equal(deletions(f), 1); /* for the day that is left */
}

static void compacting_joins_the_pieces_of_past_days(void **state)
{
    struct fixture *f = *state;
    int64_t past = f->sim.now_ms - DAY_MS;
    struct tsdb_append_result r;
    for (int k = 0; k < 40; k++) {
        for (int i = 0; i < SERIES; i++)
            for (int n = 0; n < 5; n++)
                assert_int_equal(add(f, i, past + (k * 5 + n) * 1000, k * n, &r), 0);
        flush(f);
    }
    struct tsdb_rewritten out;
    assert_int_equal(tsdb_compact(f->db, NULL, &out, NULL), 0);
    assert_int_equal(out.days, 1);
    assert_true(out.bytes_after < out.bytes_before);
    assert_same_everything(f);
    assert_int_equal(tsdb_compact(f->db, NULL, &out, NULL), 0);
    assert_int_equal(out.days, 0);
    append(f, 1, past + 100500, 5);
    flush(f);
    restart(f, true);
    assert_same_everything(f);
}

static void tasks_can_be_canceled(void **state)
{
    struct fixture *f = *state;
    struct tsdb_rewritten out;
    char name[TSDB_SNAPSHOT_NAME];
    int cancel = 1;
    fill_days(f, 10);
    drop(f, MATCH_EQ, "instance", "host-1", 0, f->sim.now_ms);
    assert_int_equal(tsdb_clean(f->db, &cancel, &out, NULL), E_CANCELED);
    assert_int_equal(tsdb_snapshot(f->db, false, &cancel, name, NULL), E_CANCELED);
    assert_int_equal(deletions(f), 1);
    assert_same_everything(f);
}

/* --- snapshots ---------------------------------------------------------------------------------
 */

/* Opens the store at path in the place of the fixture's own, which goes on. */
static struct tsdb *open_other(struct fixture *f, const char *path)
{
    struct tsdb *own = f->db;
    f->o.path = path;
    open_db(f);
    return own;
}

static void close_other(struct fixture *f, struct tsdb *own)
{
    assert_int_equal(tsdb_close(f->db), 0);
    f->db = own;
    f->o.path = f->path;
}

static void a_snapshot_is_a_store(void **state)
{
    struct fixture *f = *state;
    char name[TSDB_SNAPSHOT_NAME], path[400];
    struct errmsg err = {0};
    fill_days(f, 30);
    drop(f, MATCH_EQ, "instance", "host-1", 0, f->sim.now_ms);
    append(f, 2, f->sim.now_ms, 12);
    int rc = tsdb_snapshot(f->db, false, NULL, name, &err);
    if (rc < 0) print_error("snapshot: %s\n", err.text);
    assert_int_equal(rc, 0);
    snprintf(path, sizeof path, "%s/snapshots/%s", f->path, name);
    struct tsdb *own = open_other(f, path);
    assert_same_everything(f);
    append(f, 2, f->sim.now_ms + 1, 13); /* to the model, too */
    assert_same_everything(f);
    close_other(f, own);
    append(f, 2, f->sim.now_ms + 1, 13);
    assert_same_everything(f);
    assert_int_equal(tsdb_snapshot(f->db, false, NULL, path, &err), 0);
    assert_string_not_equal(name, path);
}

static void a_snapshot_without_the_head(void **state)
{
    struct fixture *f = *state;
    char name[TSDB_SNAPSHOT_NAME], path[400];
    fill_days(f, 3);
    struct tsdb_append_result r;
    struct tsdb_point p = {ref_of(f, 5), f->sim.now_ms + 1, 1};
    assert_int_equal(tsdb_append(f->db, &p, 1, &r), 0); /* not to the model */
    assert_int_equal(tsdb_snapshot(f->db, true, NULL, name, NULL), 0);
    snprintf(path, sizeof path, "%s/snapshots/%s", f->path, name);
    struct tsdb *own = open_other(f, path);
    assert_same_everything(f);
    close_other(f, own);
}

static void a_failed_snapshot_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char name[TSDB_SNAPSHOT_NAME], path[400];
    struct io_stat st;
    struct errmsg err = {0};
    fill_days(f, 3);
    f->sim.free_bytes = 1000;
    assert_int_equal(tsdb_snapshot(f->db, false, NULL, name, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "are free in"));
    f->sim.free_bytes = -1;
    f->sim.fail_call = SIM_RENAME;
    f->sim.calls = 0;
    f->sim.fail_at = 1;
    f->sim.fail_sticky = true;
    assert_true(tsdb_snapshot(f->db, true, NULL, name, &err) < 0);
    simenv_reset(&f->sim);
    snprintf(path, sizeof path, "%s/snapshots/%s", f->path, name);
    assert_int_equal(env_system()->io->stat(NULL, path, &st), -ENOENT);
    assert_int_equal(tsdb_snapshot(f->db, true, NULL, name, &err), 0);
}

/* --- numbers -----------------------------------------------------------------------------------
 */

static void counts_are_exact(void **state)
{
    struct fixture *f = *state;
    struct tsdb_cardinality c;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < SERIES; i++)
        append(f, i, f->sim.now_ms, i);
    assert_int_equal(tsdb_cardinality(f->db, 3, &arena, &c), 0);
    assert_int_equal(c.series, SERIES);
    assert_int_equal(c.label_pairs, SERIES + 4 + 3);
    assert_int_equal(c.chunks, SERIES);
    const struct {
        enum tsdb_ranking list;
        size_t row;
        const char *name, *value;
        uint64_t count;
    } rows[] = {
        {TSDB_SERIES_BY_METRIC, 0, "metric_0", "",     10    },
        {TSDB_SERIES_BY_METRIC, 2, "metric_2", "",     10    },
        {TSDB_VALUES_BY_LABEL,  0, "instance", "",     SERIES},
        {TSDB_VALUES_BY_LABEL,  1, "__name__", "",     4     },
        {TSDB_VALUES_BY_LABEL,  2, "job",      "",     3     },
        {TSDB_SERIES_BY_PAIR,   0, "job",      "job0", 14    },
        {TSDB_SERIES_BY_PAIR,   1, "job",      "job1", 13    },
        {TSDB_SERIES_BY_PAIR,   2, "job",      "job2", 13    },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(c.rankings[rows[i].list].count, 3);
        const struct tsdb_rank *r = &c.rankings[rows[i].list].v[rows[i].row];
        assert_string_equal(r->name.p, rows[i].name);
        assert_string_equal(r->value.p, rows[i].value);
        assert_int_equal(r->count, rows[i].count);
    }
    assert_string_equal(c.rankings[TSDB_BYTES_BY_LABEL].v[0].name.p, "instance");
    assert_true(c.rankings[TSDB_BYTES_BY_LABEL].v[0].count > SERIES * strlen("host-00"));
    assert_int_equal(tsdb_cardinality(f->db, 1000, &arena, &c), 0);
    assert_int_equal(c.rankings[TSDB_SERIES_BY_PAIR].count, SERIES + 4 + 3);
    arena_release(&arena);
}

/* --- odd files at a start ------------------------------------------------------------------------
 */

static void unfinished_day_files_are_no_damage(void **state)
{
    struct fixture *f = *state;
    char path[400];
    struct tsdb_stats s;
    struct io_stat st;
    static const char *const dbs[] = {"meta", "g", "s"};
    static const struct {
        const char *day;
        bool made;
        size_t dbs;
    } killed[] = {
        {"20231109", false, 0}, /* after open */
        {"20231110", true,  0}, /* before the databases */
        {"20231111", true,  3}, /* before the header */
    };
    assert_int_equal(tsdb_close(f->db), 0);
    for (size_t i = 0; i < COUNT(killed); i++) {
        struct kv *kv = NULL;
        const struct kv_options o = {.path = path,
                                     .dbs = dbs,
                                     .db_count = killed[i].dbs,
                                     .map_bytes = 1 << 20,
                                     .create = true};
        snprintf(path, sizeof path, "%s/raw/%s.0.mdb", f->path, killed[i].day);
        int fd = open(path, O_CREAT | O_RDWR, 0640);
        assert_true(fd >= 0);
        close(fd);
        if (!killed[i].made) continue;
        assert_int_equal(kv_open(&kv, &o, NULL), 0);
        kv_close(kv);
    }
    open_db(f);
    tsdb_stats(f->db, &s);
    assert_int_equal(s.quarantined, 0);
    assert_int_equal(s.partitions, 0);
    assert_int_equal(env_system()->io->stat(NULL, path, &st), -ENOENT);
    append(f, 1, INT64_C(1699660800000), 1); /* of 2023-11-11 */
    flush(f);
    restart(f, false);
    assert_same_everything(f);
}

static void samples_of_the_future_are_counted(void **state)
{
    struct fixture *f = *state;
    struct tsdb_stats s;
    int64_t now = f->sim.now_ms;
    f->sim.now_ms += 40 * DAY_MS; /* the clock is wrong */
    append(f, 1, f->sim.now_ms, 1);
    flush(f);
    f->sim.now_ms = now;
    append(f, 2, now, 2);
    restart(f, false);
    tsdb_stats(f->db, &s);
    assert_int_equal(s.future_partitions, 1);
    assert_int_equal(s.oldest_ms, now);
    assert_int_equal(s.newest_ms, now + 40 * DAY_MS);
    assert_same_everything(f);
    drop(f, MATCH_NE, "job", "", now + 3600000, INT64_MAX / 4);
    clean(f);
    tsdb_stats(f->db, &s);
    assert_int_equal(s.future_partitions, 0);
    assert_same_everything(f);
}

static void a_killed_logs_tail_is_given_back(void **state)
{
    struct fixture *f = *state;
    struct tsdb_stats s;
    assert_int_equal(tsdb_close(f->db), 0);
    f->tuning.segment_bytes = 4 << 20;
    open_db(f);
    for (int k = 0; k < 100; k++)
        append(f, k % SERIES, f->sim.now_ms + k, k);
    restart(f, true);
    tsdb_stats(f->db, &s);
    assert_true(s.wal_bytes < 64 << 10);
    assert_true(s.wal_first_segment > 0 && s.wal_first_segment <= s.wal_last_segment);
    char path[400];
    struct io_stat st;
    snprintf(path, sizeof path, "%s/wal/%08x.wal", f->path, s.wal_last_segment);
    assert_int_equal(env_system()->io->stat(NULL, path, &st), 0);
    assert_true(st.size_bytes > 0 && st.size_bytes < 64 << 10);
    assert_same_everything(f);
    restart(f, true);
    assert_same_everything(f);
}

/* --- threads -----------------------------------------------------------------------------------
 */

struct writer {
    struct fixture *f;
    int stop;
    uint64_t appended;
};

static void *write_on(void *arg)
{
    struct writer *w = arg;
    struct set s;
    for (int k = 0; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); k++) {
        struct tsdb_append_result r;
        struct tsdb_point p = {0, w->f->sim.now_ms - 500000 + k, k};
        if (tsdb_series(w->f->db, labels_of(&s, k % SERIES), &p.ref, NULL) < 0) break;
        if (tsdb_append(w->f->db, &p, 1, &r) < 0) break;
        w->appended += r.stored;
    }
    return NULL;
}

static void *read_on(void *arg)
{
    struct writer *w = arg;
    struct buf out = BUF_INIT(64 << 20);
    while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
        print_answer(tsdb_querier(w->f->db),
                     (struct select_request){.start_ms = 0, .end_ms = INT64_MAX / 4}, &out);
    buf_release(&out);
    return NULL;
}

static void tasks_run_beside_writers_and_readers(void **state)
{
    struct fixture *f = *state;
    struct writer w = {.f = f};
    pthread_t writer, reader;
    fill_days(f, 5);
    assert_int_equal(pthread_create(&writer, NULL, write_on, &w), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_on, &w), 0);
    for (int k = 0; k < 8; k++) {
        struct matcher m;
        struct tsdb_rewritten out;
        char name[TSDB_SNAPSHOT_NAME];
        struct errmsg err = {0};
        assert_int_equal(matcher_init(&m, MATCH_RE, STR("instance"), STR("host-.1"), NULL), 0);
        assert_int_equal(tsdb_delete(f->db, &m, 1, 0, f->sim.now_ms, &err), 0);
        if (k % 2) assert_int_equal(tsdb_clean(f->db, NULL, &out, &err), 0);
        if (k % 3 == 0) assert_int_equal(tsdb_snapshot(f->db, false, NULL, name, &err), 0);
        matcher_release(&m);
    }
    __atomic_store_n(&w.stop, 1, __ATOMIC_RELAXED);
    pthread_join(writer, NULL);
    pthread_join(reader, NULL);
    assert_true(w.appended > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deletes_at_once_and_for_good, setup, teardown),
        cmocka_unit_test_setup_teardown(what_matches_nothing_is_not_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(later_samples_stay_whatever_their_time, setup, teardown),
        cmocka_unit_test_setup_teardown(the_latest_value_falls_back, setup, teardown),
        cmocka_unit_test_setup_teardown(equals_the_model, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_a_stop_at_every_call, setup, teardown),
        cmocka_unit_test_setup_teardown(cleaning_survives_a_kill_at_every_call, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deletion_that_cannot_be_recorded_deletes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(retention_takes_deletions_along, setup, teardown),
        cmocka_unit_test_setup_teardown(cleaning_gives_space_back, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_of_the_old_file_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_days_are_not_rewritten, setup, teardown),
        cmocka_unit_test_setup_teardown(compacting_joins_the_pieces_of_past_days, setup, teardown),
        cmocka_unit_test_setup_teardown(tasks_can_be_canceled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_is_a_store, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_without_the_head, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_snapshot_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_are_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(unfinished_day_files_are_no_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(samples_of_the_future_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_logs_tail_is_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(tasks_run_beside_writers_and_readers, setup_threads,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
