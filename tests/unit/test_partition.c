/* test_partition.c -- one day in one file: append, read back, reopen, kill, damage, fill up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "tsdb/partition.h"
#include "tsdb/partition_int.h"
#include "tsdb/querier.h"

#define DAY INT64_C(1795305600000) /* 2026-11-22 */
enum { SMALL_MAP = 64 << 20, TURN = 600, MODEL_SERIES = 40, MODEL_TURNS = 12 };

struct fixture {
    char dir[64], path[96];
    struct partition *p;
    struct errmsg err;
};

static void open_file(struct fixture *f, bool create)
{
    assert_int_equal(
        partition_open_sized(&f->p, env_system(), f->path, DAY, create, SMALL_MAP, &f->err), 0);
}

static void close_file(struct fixture *f)
{
    partition_close(f->p);
    f->p = NULL;
}

static int setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/test_partition.XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    snprintf(f->path, sizeof f->path, "%s/day.mdb", f->dir);
    open_file(f, true);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char lock[128];
    snprintf(lock, sizeof lock, "%s-lock", f->path);
    partition_close(f->p);
    unlink(f->path);
    unlink(lock);
    rmdir(f->dir);
    mem_free(f);
    return 0;
}

/* --- a model: series i has value f(i, k) at time k seconds --------------------------------------
 */

static double value_of(uint32_t id, int64_t k)
{
    uint64_t x = ((uint64_t)id << 32) + (uint64_t)k;
    switch (id % 5) {
    case 0:
        return 42.5;
    case 1:
        return (double)(k * 7);
    case 2:
        return (double)(x * UINT64_C(0x9e3779b97f4a7c15) >> 40) / 1000;
    case 3:
        return k % 97 == 0 ? double_of_bits(STALE_NAN_BITS) : (double)(k / 30);
    default:
        return sin((double)x);
    }
}

struct batch {
    struct partition_block blocks[MODEL_SERIES];
    struct label labels[MODEL_SERIES][2];
    char names[MODEL_SERIES][32];
    int64_t t[TURN];
    double v[MODEL_SERIES][TURN];
};

static struct batch *make_batch(uint32_t first_id, size_t series, int64_t from, size_t count)
{
    struct batch *b = xzalloc(sizeof *b);
    for (size_t k = 0; k < count; k++)
        b->t[k] = DAY + (from + (int64_t)k) * 1000;
    for (size_t i = 0; i < series; i++) {
        uint32_t id = first_id + (uint32_t)i;
        snprintf(b->names[i], sizeof b->names[i], "metric_%u_total", (unsigned)id);
        b->labels[i][0] = (struct label){STR(METRIC_NAME), str_of(b->names[i])};
        b->labels[i][1] = (struct label){STR("job"), STR("nöde")};
        for (size_t k = 0; k < count; k++)
            b->v[i][k] = value_of(id, from + (int64_t)k);
        b->blocks[i] = (struct partition_block){
            id, {b->labels[i], 2},
             b->t, b->v[i], count
        };
    }
    return b;
}

static int append(struct partition *p, uint32_t first_id, size_t series, int64_t from, size_t count,
                  uint64_t lsn)
{
    struct batch *b = make_batch(first_id, series, from, count);
    struct errmsg err = {0};
    struct partition_write w = {first_id % SLICE_COUNT, lsn, b->blocks, series, false};
    int rc = partition_append(p, &w, &err);
    assert_true((rc < 0) == (err.text[0] != 0));
    mem_free(b);
    return rc;
}

static void expect_range(struct partition_reader *r, uint32_t id, int64_t from, int64_t to)
{
    struct sample_vec s = {0};
    uint64_t damaged = 0;
    assert_int_equal(partition_read(r, id, DAY + from * 1000, DAY + to * 1000, &s, &damaged), 0);
    assert_int_equal(damaged, 0);
    assert_int_equal(s.count, to - from + 1);
    for (size_t k = 0; k < s.count; k++) {
        assert_int_equal(s.t[k], DAY + (from + (int64_t)k) * 1000);
        assert_true(double_bits(s.v[k]) == double_bits(value_of(id, from + (int64_t)k)));
    }
    sample_vec_release(&s);
}

static size_t count_range(struct partition *p, uint32_t id, int64_t from_ms, int64_t to_ms,
                          uint64_t *damaged)
{
    struct partition_reader *r;
    struct sample_vec s = {0};
    assert_int_equal(partition_reader_new(p, &r), 0);
    assert_int_equal(partition_read(r, id, from_ms, to_ms, &s, damaged), 0);
    partition_reader_free(r);
    size_t n = s.count;
    sample_vec_release(&s);
    return n;
}

static void count_problem(void *arg, const char *text)
{
    assert_true(text[0] != 0);
    ++*(size_t *)arg;
}

static void print_problem(void *arg, const char *text)
{
    ++*(size_t *)arg;
    print_message("    %s\n", text);
}

static void expect_sound(struct partition *p)
{
    size_t problems = 0;
    assert_int_equal(partition_verify(p, print_problem, &problems), 0);
    assert_int_equal(problems, 0);
}

static void fill_model(struct partition *p)
{
    for (int turn = 0; turn < MODEL_TURNS; turn++) {
        assert_int_equal(append(p, 1, 20, turn * TURN, TURN, 100 + (uint64_t)turn), 0);
        assert_int_equal(append(p, 21, 20, turn * TURN, TURN, 200 + (uint64_t)turn), 0);
    }
}

static void expect_model(struct partition *p)
{
    static const int64_t ranges[][2] = {
        {0,    MODEL_TURNS * TURN - 1},
        {0,    0                     },
        {599,  600                   },
        {600,  1199                  },
        {1234, 5678                  },
        {7199, 7199                  },
        {700,  700                   },
        {1,    7198                  },
    };
    struct partition_reader *r;
    assert_int_equal(partition_reader_new(p, &r), 0);
    for (uint32_t id = 1; id <= MODEL_SERIES; id++)
        for (size_t i = 0; i < COUNT(ranges); i++)
            expect_range(r, id, ranges[i][0], ranges[i][1]);
    partition_reader_free(r);
}

/* --- cases --------------------------------------------------------------------------------------
 */

static void fresh_file_is_empty(void **state)
{
    struct fixture *f = *state;
    struct partition_info info;
    partition_info(f->p, &info);
    assert_int_equal(info.day_ms, DAY);
    assert_int_equal(info.samples + info.groups + info.series, 0);
    assert_true(info.min_ms > info.max_ms);
    assert_true(info.file_bytes > 0);
    assert_int_equal(partition_slice_lsn(f->p, 0), 0);
    assert_int_equal(count_range(f->p, 1, DAY, DAY + DAY_MS, NULL), 0);
    expect_sound(f->p);
}

static void every_sample_comes_back(void **state)
{
    struct fixture *f = *state;
    struct partition_info info;
    fill_model(f->p);
    expect_model(f->p);
    expect_sound(f->p);
    partition_info(f->p, &info);
    assert_int_equal(info.samples, MODEL_SERIES * MODEL_TURNS * TURN);
    assert_int_equal(info.series, MODEL_SERIES);
    assert_int_equal(info.min_ms, DAY);
    assert_int_equal(info.max_ms, DAY + (MODEL_TURNS * TURN - 1) * 1000);
    assert_int_equal(partition_slice_lsn(f->p, 1), 100 + MODEL_TURNS - 1);
    assert_int_equal(partition_slice_lsn(f->p, 21), 200 + MODEL_TURNS - 1);
    /* nothing of ids that were never written, or outside the times */
    assert_int_equal(count_range(f->p, 0, INT64_MIN, INT64_MAX, NULL), 0);
    assert_int_equal(count_range(f->p, 41, INT64_MIN, INT64_MAX, NULL), 0);
    assert_int_equal(count_range(f->p, 1, DAY - 5000, DAY - 1, NULL), 0);
    assert_int_equal(count_range(f->p, 1, DAY + 7200000, INT64_MAX, NULL), 0);
    assert_int_equal(count_range(f->p, 1, INT64_MIN, INT64_MAX, NULL), MODEL_TURNS * TURN);
}

static void reopened_file_is_the_same(void **state)
{
    struct fixture *f = *state;
    struct partition_info before, after;
    fill_model(f->p);
    partition_info(f->p, &before);
    for (int i = 0; i < 2; i++) {
        close_file(f);
        open_file(f, i == 0);
        partition_info(f->p, &after);
        assert_memory_equal(&before, &after, sizeof before);
        expect_model(f->p);
        expect_sound(f->p);
        assert_int_equal(partition_slice_lsn(f->p, 21), 200 + MODEL_TURNS - 1);
    }
    assert_int_equal(append(f->p, 1, 40, MODEL_TURNS * TURN, 10, 7), 0);
    assert_int_equal(count_range(f->p, 40, DAY, DAY + DAY_MS, NULL), MODEL_TURNS * TURN + 10);
    partition_info(f->p, &after);
    assert_int_equal(after.series, MODEL_SERIES); /* known ids are not defined again */
    expect_sound(f->p);
}

static void long_series_spans_groups(void **state)
{
    struct fixture *f = *state;
    enum { N = 86400 };
    int64_t *t = xmalloc(N * sizeof *t);
    double *v = xmalloc(N * sizeof *v);
    for (int k = 0; k < N; k++) {
        t[k] = DAY + k * 1000;
        v[k] = sin(k);
    }
    struct label label = {STR(METRIC_NAME), STR("noise")};
    struct partition_block b[] = {
        {5, {&label, 1}, t, v, N},
        {9, {&label, 1}, t, v, N}
    };
    struct partition_write w = {3, 1, b, 2, false};
    assert_int_equal(partition_append(f->p, &w, &f->err), 0);
    expect_sound(f->p);
    for (uint32_t id = 5; id <= 9; id += 4) {
        struct partition_reader *r;
        struct sample_vec s = {0};
        assert_int_equal(partition_reader_new(f->p, &r), 0);
        assert_int_equal(partition_read(r, id, DAY, DAY + DAY_MS, &s, NULL), 0);
        assert_int_equal(s.count, N);
        assert_memory_equal(s.t, t, N * sizeof *t);
        assert_memory_equal(s.v, v, N * sizeof *v);
        partition_reader_free(r);
        sample_vec_release(&s);
    }
    mem_free(t);
    mem_free(v);
}

static void empty_write_moves_the_lsn(void **state)
{
    struct fixture *f = *state;
    struct partition_write w = {.slice = 63, .lsn = 77};
    assert_int_equal(partition_append(f->p, &w, &f->err), 0);
    assert_int_equal(partition_slice_lsn(f->p, 63), 77);
    close_file(f);
    open_file(f, false);
    assert_int_equal(partition_slice_lsn(f->p, 63), 77);
    assert_int_equal(partition_slice_lsn(f->p, 64), 0);
    expect_sound(f->p);
}

static void bad_writes_are_refused(void **state)
{
    struct fixture *f = *state;
    static const int64_t up[] = {DAY, DAY + 1}, down[] = {DAY + 1, DAY}, same[] = {DAY, DAY},
                         before[] = {DAY - 1, DAY}, after[] = {DAY, DAY + DAY_MS};
    static const double v[] = {1, 2};
    struct label good = {STR(METRIC_NAME), STR("m")}, empty = {STR("a"), STR("")};
    struct labels ls = {&good, 1}, bad = {&empty, 1};
    const struct {
        struct partition_block b[2];
        size_t count;
        uint32_t slice;
    } rows[] = {
        {{{1, ls, down, v, 2}},                  1, 0          },
        {{{1, ls, same, v, 2}},                  1, 0          },
        {{{1, ls, before, v, 2}},                1, 0          },
        {{{1, ls, after, v, 2}},                 1, 0          },
        {{{1, bad, up, v, 2}},                   1, 0          },
        {{{2, ls, up, v, 2}, {1, ls, up, v, 2}}, 2, 0          },
        {{{2, ls, up, v, 2}, {2, ls, up, v, 2}}, 2, 0          },
        {{{1, ls, up, v, 2}},                    1, SLICE_COUNT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct partition_write w = {rows[i].slice, 5, rows[i].b, rows[i].count, false};
        assert_int_equal(partition_append(f->p, &w, &f->err), E_INVALID);
        assert_int_equal(partition_slice_lsn(f->p, 0), 0);
    }
    expect_sound(f->p);
    struct partition_block b = {1, ls, up, v, 2};
    struct partition_write w = {0, 5, &b, 1, false};
    assert_int_equal(partition_append(f->p, &w, &f->err), 0);
    assert_int_equal(count_range(f->p, 1, DAY, DAY + 10, NULL), 2);
    expect_sound(f->p);
}

static void late_groups_overlap(void **state)
{
    struct fixture *f = *state;
    struct partition_reader *r;
    struct sample_vec s = {0};
    int64_t t[] = {DAY + 500, DAY + 1000};
    double v[] = {-1, -2};
    struct partition_block b = {
        1, {NULL, 0},
         t, v, 2
    };
    struct partition_write w = {1, 9, &b, 1, true};
    assert_int_equal(append(f->p, 1, 1, 0, 3, 8), 0);
    assert_int_equal(partition_append(f->p, &w, &f->err), 0);
    assert_int_equal(partition_reader_new(f->p, &r), 0);
    assert_int_equal(partition_read(r, 1, DAY, DAY + 9999, &s, NULL), 0);
    partition_reader_free(r);
    assert_int_equal(s.count, 5);
    assert_int_equal(sample_vec_normalize(&s), 0);
    static const int64_t want_t[] = {DAY, DAY + 500, DAY + 1000, DAY + 2000};
    const double want_v[] = {value_of(1, 0), -1, -2, value_of(1, 2)};
    assert_int_equal(s.count, 4);
    assert_memory_equal(s.t, want_t, sizeof want_t);
    assert_memory_equal(s.v, want_v, sizeof want_v);
    sample_vec_release(&s);
    expect_sound(f->p);
}

/* --- a model of arrays --------------------------------------------------------------------------
 */

enum { M_SERIES = 25, M_STEPS = 120, M_BLOCK = 300 };

struct model {
    struct sample_vec series[M_SERIES];
    struct sample_vec batch[M_SERIES];
    int64_t next[M_SERIES]; /* milliseconds of the day */
    uint64_t seed;
};

static uint64_t draw(struct model *m, uint64_t below)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return m->seed % below;
}

static double draw_value(struct model *m)
{
    static const uint64_t odd[] = {STALE_NAN_BITS,
                                   NORMAL_NAN_BITS,
                                   UINT64_C(1) << 63,
                                   1,
                                   UINT64_C(0x7ff0000000000000),
                                   UINT64_C(0xfff0000000000000)};
    switch (draw(m, 5)) {
    case 0:
        return (double)draw(m, 100);
    case 1:
        return (double)draw(m, 1000000) / 1000;
    case 2:
        return double_of_bits(m->seed);
    case 3:
        return double_of_bits(odd[draw(m, COUNT(odd))]);
    default:
        return 5;
    }
}

/* One write of a random choice of series, each with its own times; some of it late. */
static void random_write(struct fixture *f, struct model *m)
{
    struct partition_block blocks[M_SERIES];
    struct partition_write w = {(uint32_t)draw(m, SLICE_COUNT), m->seed, blocks, 0,
                                draw(m, 8) == 0};
    for (uint32_t i = 0; i < M_SERIES; i++) {
        struct sample_vec *b = &m->batch[i];
        b->count = 0;
        if (draw(m, 3) == 0) continue;
        int64_t t = w.late ? (int64_t)draw(m, 1000000) : m->next[i];
        for (uint64_t n = draw(m, M_BLOCK); n > 0 && t < DAY_MS; n--) {
            double v = draw_value(m);
            assert_int_equal(sample_vec_add(b, DAY + t, v), 0);
            assert_int_equal(sample_vec_add(&m->series[i], DAY + t, v), 0);
            t += 1 + (int64_t)(draw(m, 4) ? 999 : draw(m, 60000));
        }
        if (!w.late) m->next[i] = t;
        blocks[w.count++] = (struct partition_block){
            i * 7, {NULL, 0},
               b->t, b->v, b->count
        };
    }
    assert_int_equal(partition_append(f->p, &w, &f->err), 0);
    assert_int_equal(partition_slice_lsn(f->p, w.slice), w.lsn);
}

static void compare_model(struct fixture *f, struct model *m)
{
    struct partition_reader *r;
    struct sample_vec got = {0};
    assert_int_equal(partition_reader_new(f->p, &r), 0);
    for (uint32_t i = 0; i < M_SERIES; i++) {
        struct sample_vec *want = &m->series[i];
        assert_int_equal(sample_vec_normalize(want), 0);
        int64_t from = DAY + (int64_t)draw(m, DAY_MS / 8), to = from + (int64_t)draw(m, DAY_MS);
        if (draw(m, 2)) {
            from = INT64_MIN;
            to = INT64_MAX;
        }
        got.count = 0;
        assert_int_equal(partition_read(r, i * 7, from, to, &got, NULL), 0);
        assert_int_equal(sample_vec_normalize(&got), 0);
        size_t lo = 0, n = 0;
        while (lo < want->count && want->t[lo] < from)
            lo++;
        while (lo + n < want->count && want->t[lo + n] <= to)
            n++;
        assert_int_equal(got.count, n);
        if (n == 0) continue;
        assert_memory_equal(got.t, want->t + lo, n * sizeof *got.t);
        assert_memory_equal(got.v, want->v + lo, n * sizeof *got.v);
    }
    partition_reader_free(r);
    sample_vec_release(&got);
}

static void random_writes_match_arrays(void **state)
{
    struct fixture *f = *state;
    struct model *m = xzalloc(sizeof *m);
    m->seed = 20261122;
    for (int step = 1; step <= M_STEPS; step++) {
        random_write(f, m);
        if (step % 20) continue;
        close_file(f);
        open_file(f, false);
        compare_model(f, m);
        compare_model(f, m);
        expect_sound(f->p);
    }
    for (size_t i = 0; i < M_SERIES; i++) {
        sample_vec_release(&m->series[i]);
        sample_vec_release(&m->batch[i]);
    }
    mem_free(m);
}

/* --- definitions --------------------------------------------------------------------------------
 */

struct seen {
    uint32_t ids[64];
    size_t count;
};

static int see(void *arg, uint32_t id, struct labels ls)
{
    struct seen *s = arg;
    char name[32];
    snprintf(name, sizeof name, "metric_%u_total", (unsigned)id);
    assert_int_equal(ls.count, 2);
    assert_true(str_eq(ls.v[0].value, str_of(name)));
    assert_true(str_eq(ls.v[1].value, STR("nöde")));
    assert_true(s->count < COUNT(s->ids));
    s->ids[s->count++] = id;
    return 0;
}

static int stop_at_seven(void *arg, uint32_t id, struct labels ls)
{
    UNUSED(ls);
    *(uint32_t *)arg = id;
    return id == 7 ? E_CANCELED : 0;
}

static void definitions_come_in_id_order(void **state)
{
    struct fixture *f = *state;
    static const uint32_t starts[] = {20, 1, 30, 10};
    struct seen s = {0};
    for (size_t i = 0; i < COUNT(starts); i++)
        assert_int_equal(append(f->p, starts[i], 5, 0, 2, 1), 0);
    assert_int_equal(append(f->p, 1, 40, 2, 2, 1), 0); /* overlaps them all */
    assert_int_equal(partition_series(f->p, see, &s), 0);
    assert_int_equal(s.count, 40);
    for (size_t i = 0; i < s.count; i++)
        assert_int_equal(s.ids[i], i + 1);
    uint32_t last = 0;
    assert_int_equal(partition_series(f->p, stop_at_seven, &last), E_CANCELED);
    assert_int_equal(last, 7);
    expect_sound(f->p);
}

/* --- the process dies ---------------------------------------------------------------------------
 */

/* Appends for ever, telling the pipe what is done. Never returns. */
static void write_until_killed(const char *path, int64_t from, int fd)
{
    struct errmsg err;
    struct partition *p;
    if (partition_open_sized(&p, env_system(), path, DAY, true, SMALL_MAP, &err) < 0) _exit(1);
    for (int64_t k = from;; k += 5) {
        if (append(p, 1, 20, k, 5, (uint64_t)k + 5) < 0) _exit(2);
        if (write(fd, &k, sizeof k) != sizeof k) _exit(3);
    }
}

/* What the child said was done must be there when it is killed at a random moment. */
static void killed_writer_loses_nothing(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 6; round++) {
        int fds[2];
        int64_t from = (int64_t)partition_slice_lsn(f->p, 1);
        close_file(f);
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) write_until_killed(f->path, from, fds[1]);
        assert_true(pid > 0);
        close(fds[1]);
        int64_t k, done = from;
        for (int n = 0; n <= round && read(fds[0], &k, sizeof k) == sizeof k; n++)
            done = k + 5;
        kill(pid, SIGKILL);
        while (read(fds[0], &k, sizeof k) == sizeof k)
            done = k + 5;
        close(fds[0]);
        waitpid(pid, NULL, 0);
        assert_true(done > from);

        open_file(f, false);
        expect_sound(f->p);
        int64_t lsn = (int64_t)partition_slice_lsn(f->p, 1);
        assert_true(lsn == done || lsn == done + 5); /* committed, but not told any more */
        struct partition_reader *r;
        assert_int_equal(partition_reader_new(f->p, &r), 0);
        for (uint32_t id = 1; id <= 20; id++)
            expect_range(r, id, 0, lsn - 1);
        partition_reader_free(r);
        assert_int_equal(count_range(f->p, 1, DAY, DAY + DAY_MS, NULL), lsn);
    }
}

/* --- damage -------------------------------------------------------------------------------------
 */

static uint8_t *read_file(const char *path, size_t *len)
{
    char *p = NULL;
    assert_int_equal(env_read_file(env_system(), path, 64 << 20, &p, len), 0);
    return (uint8_t *)p;
}

static void write_file(const char *path, const void *p, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, len), (ssize_t)len);
    close(fd);
}

static size_t find_magic(const uint8_t *p, size_t len, uint32_t magic)
{
    for (size_t i = 0; i + 4 <= len; i++)
        if (memcmp(p + i, &magic, 4) == 0) return i;
    return SIZE_MAX;
}

static void damaged_group_is_skipped(void **state)
{
    struct fixture *f = *state;
    size_t len;
    fill_model(f->p);
    close_file(f);
    uint8_t *bytes = read_file(f->path, &len);
    size_t at = find_magic(bytes, len, GROUP_MAGIC);
    assert_true(at != SIZE_MAX);
    bytes[at + 1000] ^= 4;
    write_file(f->path, bytes, len);
    mem_free(bytes);

    open_file(f, false);
    size_t problems = 0;
    assert_int_equal(partition_verify(f->p, count_problem, &problems), E_CORRUPT);
    assert_true(problems > 0);
    uint64_t damaged = 0;
    size_t lost = 0;
    for (uint32_t id = 1; id <= MODEL_SERIES; id++) {
        size_t n = count_range(f->p, id, DAY, DAY + DAY_MS, &damaged);
        assert_true(n == MODEL_TURNS * TURN || n == (MODEL_TURNS - 1) * TURN);
        lost += n < MODEL_TURNS * TURN;
    }
    assert_true(lost > 0 && lost <= 20);
    assert_int_equal(damaged, lost);
    /* and the file goes on */
    assert_int_equal(append(f->p, 1, 20, MODEL_TURNS * TURN, 10, 1), 0);
}

static void damaged_definitions_are_skipped_and_rewritten(void **state)
{
    struct fixture *f = *state;
    size_t len;
    assert_int_equal(append(f->p, 1, 20, 0, 10, 1), 0);
    close_file(f);
    uint8_t *bytes = read_file(f->path, &len);
    size_t at = find_magic(bytes, len, SERIES_BLOCK_MAGIC);
    assert_true(at != SIZE_MAX);
    bytes[at + 60] ^= 1;
    write_file(f->path, bytes, len);
    mem_free(bytes);

    struct seen s = {0};
    open_file(f, false);
    assert_int_equal(partition_series(f->p, see, &s), 0);
    assert_int_equal(s.count, 0);
    assert_int_equal(append(f->p, 1, 20, 10, 10, 2), 0);
    assert_int_equal(partition_series(f->p, see, &s), 0);
    assert_int_equal(s.count, 20);
}

static void unsound_files_are_refused(void **state)
{
    struct fixture *f = *state;
    size_t len;
    fill_model(f->p);
    close_file(f);
    uint8_t *bytes = read_file(f->path, &len);
    struct partition *p;
    struct errmsg err;

    const size_t lengths[] = {len - 4096, len / 2, 8192, 5000, 100, 0};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        write_file(f->path, bytes, lengths[i]);
        err = (struct errmsg){0};
        int rc = partition_open_sized(&p, env_system(), f->path, DAY, false, SMALL_MAP, &err);
        assert_int_equal(rc, lengths[i] ? E_CORRUPT : E_NOT_FOUND); /* killed before its header */
        assert_true(err.text[0] != 0);
    }
    write_file(f->path, "this is a text file, not a database", 35);
    assert_int_equal(partition_open_sized(&p, env_system(), f->path, DAY, true, SMALL_MAP, &err),
                     E_CORRUPT);
    write_file(f->path, bytes, len); /* another day's file */
    assert_int_equal(
        partition_open_sized(&p, env_system(), f->path, DAY + DAY_MS, true, SMALL_MAP, &err),
        E_CORRUPT);
    assert_non_null(strstr(err.text, "day"));
    assert_int_equal(partition_open(&p, env_system(), "/tmp/no/such/file.mdb", DAY, false, &err),
                     E_NOT_FOUND);
    mem_free(bytes);
    open_file(f, false);
    expect_model(f->p);
}

/* --- full ---------------------------------------------------------------------------------------
 */

/* Appends noise until it fails; how many seconds went in before. */
static int64_t append_until_failure(struct partition *p, int *rc)
{
    *rc = 0;
    int64_t k = 0;
    for (; k < 86000 && *rc == 0; k += TURN)
        *rc = append(p, 4, 40, k, TURN, (uint64_t)(k + TURN));
    return k - TURN;
}

static void full_map_is_enospc(void **state)
{
    struct fixture *f = *state;
    int rc;
    close_file(f);
    assert_int_equal(
        partition_open_sized(&f->p, env_system(), f->path, DAY, true, 1 << 20, &f->err), 0);
    int64_t kept = append_until_failure(f->p, &rc);
    assert_int_equal(rc, -ENOSPC);
    assert_true(kept > 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(partition_slice_lsn(f->p, 4), kept);
        assert_int_equal(count_range(f->p, 9, DAY, DAY + DAY_MS, NULL), kept);
        expect_sound(f->p);
        close_file(f);
        open_file(f, false);
    }
    assert_int_equal(append(f->p, 4, 40, kept, TURN, 5), 0); /* with room again, it goes on */
    expect_sound(f->p);
}

/* The kernel answers a write beyond the limit like a full disk: short, then an error. */
static void full_disk_leaves_it_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, small;
    int rc;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int64_t kept = append_until_failure(f->p, &rc);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(rc == -ENOSPC || rc == -EIO); /* EIO: the write was short, yet the disk has room */
    expect_sound(f->p);
    assert_int_equal(count_range(f->p, 9, DAY, DAY + DAY_MS, NULL), kept);
    assert_int_equal(append(f->p, 4, 40, kept, TURN, 3), 0); /* the same again succeeds */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(count_range(f->p, 9, DAY, DAY + DAY_MS, NULL), kept + TURN);
        expect_sound(f->p);
        close_file(f);
        open_file(f, false);
    }
}

static void failed_allocations_leave_it_as_it_was(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(append(f->p, 1, 20, 0, 100, 1), 0);
    struct batch *b = make_batch(1, 40, 100, 100);
    struct partition_write w = {1, 2, b->blocks, 40, false};
    int rc = -ENOMEM;
    uint64_t n = 1;
    for (; rc != 0 && n < 1000; n++) {
        mem_fail_at(n, 0);
        rc = partition_append(f->p, &w, &f->err);
        mem_fail_at(0, 0);
        if (rc == 0) break;
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(partition_slice_lsn(f->p, 1), 1);
        assert_int_equal(count_range(f->p, 1, DAY, DAY + DAY_MS, NULL), 100);
    }
    assert_int_equal(rc, 0);
    assert_true(n > 5);
    assert_int_equal(count_range(f->p, 1, DAY, DAY + DAY_MS, NULL), 200);
    assert_int_equal(count_range(f->p, 40, DAY, DAY + DAY_MS, NULL), 100);
    expect_sound(f->p);
    mem_free(b);
}

/* --- readers beside the writer ------------------------------------------------------------------
 */

struct race {
    struct partition *p;
    _Atomic int64_t done; /* seconds that were appended */
    _Atomic int stop;
    _Atomic int64_t reads;
};

static void *read_along(void *arg)
{
    struct race *race = arg;
    struct sample_vec s = {0};
    uint32_t id = 1;
    while (!atomic_load(&race->stop) || atomic_load(&race->reads) < 10) {
        struct partition_reader *r;
        int64_t least = atomic_load(&race->done);
        if (partition_reader_new(race->p, &r) < 0) abort();
        for (int i = 0; i < 5; i++, id = id % 20 + 1) {
            s.count = 0;
            if (partition_read(r, id, DAY, DAY + DAY_MS, &s, NULL) < 0) abort();
            if ((int64_t)s.count < least || s.count % 10) abort();
            for (size_t k = 0; k < s.count; k++)
                if (double_bits(s.v[k]) != double_bits(value_of(id, (int64_t)k))) abort();
        }
        partition_reader_free(r);
        atomic_fetch_add(&race->reads, 1);
    }
    sample_vec_release(&s);
    return NULL;
}

static void readers_see_whole_turns(void **state)
{
    struct fixture *f = *state;
    struct race race = {.p = f->p};
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_along, &race), 0);
    for (int64_t k = 0; k < 600; k += 10) {
        assert_int_equal(append(f->p, 1, 20, k, 10, (uint64_t)k), 0);
        atomic_store(&race.done, k + 10);
    }
    atomic_store(&race.stop, 1);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    assert_true(atomic_load(&race.reads) >= 10);
    expect_sound(f->p);
}

static void default_map_opens_anywhere(void **state)
{
    struct fixture *f = *state;
    close_file(f);
    assert_int_equal(partition_open(&f->p, env_system(), f->path, DAY, false, &f->err), 0);
    assert_int_equal(append(f->p, 1, 20, 0, 100, 1), 0);
    assert_int_equal(count_range(f->p, 20, DAY, DAY + DAY_MS, NULL), 100);
}

/* Where address space is short (ulimit -v), a smaller map must do. Sanitizers need it all. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void little_address_space_is_enough(void **state)
{
    struct fixture *f = *state;
    close_file(f);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {(rlim_t)2 << 30, (rlim_t)2 << 30};
        struct partition *p;
        if (setrlimit(RLIMIT_AS, &limit) < 0) _exit(1);
        if (partition_open(&p, env_system(), f->path, DAY, true, &f->err) < 0) _exit(2);
        if (append(p, 1, 20, 0, 100, 9) < 0) _exit(3);
        partition_close(p);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    open_file(f, false);
    assert_int_equal(partition_slice_lsn(f->p, 1), 9);
    assert_int_equal(count_range(f->p, 20, DAY, DAY + DAY_MS, NULL), 100);
}
#endif

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fresh_file_is_empty),
        CASE(every_sample_comes_back),
        CASE(reopened_file_is_the_same),
        CASE(long_series_spans_groups),
        CASE(empty_write_moves_the_lsn),
        CASE(bad_writes_are_refused),
        CASE(late_groups_overlap),
        CASE(random_writes_match_arrays),
        CASE(definitions_come_in_id_order),
        CASE(killed_writer_loses_nothing),
        CASE(damaged_group_is_skipped),
        CASE(damaged_definitions_are_skipped_and_rewritten),
        CASE(unsound_files_are_refused),
        CASE(full_map_is_enospc),
        CASE(full_disk_leaves_it_as_it_was),
        CASE(failed_allocations_leave_it_as_it_was),
        CASE(readers_see_whole_turns),
        CASE(default_map_opens_anywhere),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        CASE(little_address_space_is_enough),
#endif
    };
    log_set_level(LOG_LEVEL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
