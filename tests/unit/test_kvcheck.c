/* test_kvcheck.c -- files with bent pages: refused at open, or at least harmless.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "tsdb/bytes.h"
#include "tsdb/kvcheck.h"
#include "tsdb/partition_int.h"

#define DAY INT64_C(1795305600000)
enum { MAP = 16 << 20, PAGE = 4096, SAMPLES = 400, SERIES = 12 };

struct fixture {
    char dir[64], path[96], lock[112];
    uint8_t *bytes; /* of a sound file */
    size_t len;
};

static int append(struct partition *p, int64_t from, size_t samples)
{
    static int64_t t[SAMPLES];
    static double v[SERIES][SAMPLES];
    struct label label = {STR(METRIC_NAME), STR("some_metric_total")};
    struct partition_block blocks[SERIES];
    struct errmsg err;
    for (size_t k = 0; k < samples; k++)
        t[k] = DAY + (from + (int64_t)k) * 1000;
    for (uint32_t i = 0; i < SERIES; i++) {
        for (size_t k = 0; k < samples; k++)
            v[i][k] = sin((double)(i * 1000 + k));
        blocks[i] = (struct partition_block){
            i, {&label, 1},
             t, v[i], samples
        };
    }
    struct partition_write w = {0, (uint64_t)from + 1, blocks, SERIES, false};
    return partition_append(p, &w, &err);
}

static int open_file(const struct fixture *f, struct partition **p, struct errmsg *err)
{
    return partition_open_sized(p, env_system(), f->path, DAY, false, MAP, err);
}

static int setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    struct partition *p;
    struct errmsg err;
    snprintf(f->dir, sizeof f->dir, "/tmp/test_kvcheck.XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    snprintf(f->path, sizeof f->path, "%s/day.mdb", f->dir);
    snprintf(f->lock, sizeof f->lock, "%s-lock", f->path);
    if (partition_open_sized(&p, env_system(), f->path, DAY, true, MAP, &err) < 0) return -1;
    for (int64_t k = 0; k < 8; k++) /* large values: pages of their own */
        if (append(p, k * SAMPLES, SAMPLES) < 0) return -1;
    for (int64_t k = 0; k < 60; k++) /* small ones: leaves and a branch */
        if (append(p, 8 * SAMPLES + k, 1) < 0) return -1;
    partition_close(p);
    char *bytes = NULL;
    if (env_read_file(env_system(), f->path, MAP, &bytes, &f->len) < 0) return -1;
    f->bytes = (uint8_t *)bytes;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    unlink(f->lock);
    rmdir(f->dir);
    mem_free(f->bytes);
    mem_free(f);
    return 0;
}

struct image {
    const uint8_t *p;
    size_t len;
    size_t pages[64], count; /* whole pages that were read: the trees of the newest commit */
};

static int read_image(void *arg, uint64_t offset, void *p, size_t len)
{
    struct image *m = arg;
    assert_true(offset <= m->len && len <= m->len - offset);
    memcpy(p, m->p + offset, len);
    if (len == PAGE && m->count < COUNT(m->pages)) m->pages[m->count++] = offset / PAGE;
    return 0;
}

static int check(const uint8_t *p, size_t len, struct errmsg *err)
{
    struct image m = {.p = p, .len = len};
    *err = (struct errmsg){0};
    return kvcheck(read_image, &m, len, 0, err);
}

static void sound_file_passes(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    assert_int_equal(check(f->bytes, f->len, &err), 0);
    assert_int_equal(kvcheck_file(env_system(), f->path, 0, &err), 0);
    assert_int_equal(kvcheck_file(env_system(), f->path, 1 << 20, &err), E_STALE);
    assert_int_equal(kvcheck_file(env_system(), f->dir, 0, &err) < 0, 1);
    assert_int_equal(kvcheck_file(env_system(), "/tmp/no/such.mdb", 0, &err), E_NOT_FOUND);
}

static void every_truncation_is_seen(void **state)
{
    struct fixture *f = *state;
    struct errmsg err;
    uint64_t last = MAX(get_le64(f->bytes + 136), get_le64(f->bytes + PAGE + 136));
    size_t need = (size_t)(last + 1) * PAGE;
    assert_true(need <= f->len);
    for (size_t len = 0; len < need; len += 1111) {
        assert_int_equal(check(f->bytes, len, &err), E_CORRUPT);
        assert_true(err.text[0] != 0);
    }
    assert_int_equal(check(f->bytes, need - 1, &err), E_CORRUPT);
}

static void use_everything(struct partition *p)
{
    struct partition_reader *r;
    struct sample_vec s = {0};
    (void)!partition_verify(p, NULL, NULL);
    assert_int_equal(partition_reader_new(p, &r), 0);
    for (uint32_t id = 0; id < SERIES; id++) {
        int rc = partition_read(r, id, DAY, DAY + DAY_MS, &s, NULL);
        assert_true(rc == 0 || rc == E_CORRUPT);
    }
    partition_reader_free(r);
    sample_vec_release(&s);
    (void)!append(p, 50000, 5);
}

static void write_file(const struct fixture *f, const uint8_t *p)
{
    int fd = open(f->path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, f->len), (ssize_t)f->len);
    close(fd);
}

/* Bends bytes of metas and tree pages; what the check lets through must be usable without a crash:
 * reading, verifying, appending. */
static void bent_pages_are_seen_or_harmless(void **state)
{
    struct fixture *f = *state;
    struct image m = {.p = f->bytes, .len = f->len};
    struct errmsg err;
    size_t refused = 0, accepted = 0;
    uint64_t seed = 88172645463325252;
    assert_int_equal(kvcheck(read_image, &m, f->len, 0, &err), 0);
    assert_true(m.count >= 5);
    uint8_t *bent = mem_alloc(f->len);
    assert_non_null(bent);
    for (int round = 0; round < 150; round++) {
        memcpy(bent, f->bytes, f->len);
        for (int flips = 0; flips < 1 + round % 3; flips++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            size_t page = round % 10 == 0 ? seed % 2 : m.pages[seed % m.count];
            size_t span = page < 2    ? 152
                          : round % 2 ? 120
                                      : PAGE; /* heads and offsets more often */
            bent[page * PAGE + (seed >> 20) % span] ^= (uint8_t)(1u << (seed >> 40) % 8);
        }
        write_file(f, bent);
        struct partition *p;
        err = (struct errmsg){0};
        int rc = open_file(f, &p, &err);
        if (rc == 0) use_everything(p);
        if (rc == 0)
            partition_close(p);
        else
            assert_true(rc == E_CORRUPT && err.text[0] != 0);
        refused += rc < 0;
        accepted += rc == 0;
    }
    assert_true(refused > 40 && accepted > 10);
    mem_free(bent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_file_passes),
        cmocka_unit_test(every_truncation_is_seen),
        cmocka_unit_test(bent_pages_are_seen_or_harmless),
    };
    log_set_level(LOG_LEVEL_OFF);
    return cmocka_run_group_tests(tests, setup, teardown);
}
