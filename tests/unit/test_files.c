/* test_files.c -- kept descriptors over an io that behaves as procfs does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_sink.h"

/* A file of whole records, given out at most a page at a time, as seq_file does. */
struct procfs {
    struct env env; /* first */
    struct io io;
    char text[64 << 10];
    size_t len, page;
    size_t opens, closes, reads;
    int fail_open, fail_read, fail_reads; /* codes; fail_reads: how many reads fail */
};

static int fs_open(struct env *e, const char *path, int flags, mode_t mode)
{
    struct procfs *f = (struct procfs *)e;
    UNUSED(path);
    UNUSED(flags);
    UNUSED(mode);
    if (f->fail_open) return f->fail_open;
    return 100 + (int)f->opens++;
}

static int fs_close(struct env *e, int fd)
{
    UNUSED(fd);
    ((struct procfs *)e)->closes++;
    return 0;
}

static ssize_t fs_pread(struct env *e, int fd, void *p, size_t len, int64_t offset)
{
    struct procfs *f = (struct procfs *)e;
    UNUSED(fd);
    f->reads++;
    if (f->fail_reads) {
        f->fail_reads--;
        return f->fail_read;
    }
    size_t at = (size_t)offset;
    if (at >= f->len) return 0;
    size_t n = MIN(MIN(f->len - at, len), f->page);
    memcpy(p, f->text + at, n);
    return (ssize_t)n;
}

static struct procfs *procfs_new(size_t len, size_t page)
{
    struct procfs *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->env = *env_system();
    f->io = *f->env.io;
    f->io.open = fs_open;
    f->io.close = fs_close;
    f->io.pread = fs_pread;
    f->env.io = &f->io;
    f->len = len;
    f->page = page;
    for (size_t i = 0; i < len; i++)
        f->text[i] = (char)('a' + i % 26);
    return f;
}

static struct collect_roots roots(void)
{
    struct collector_config c = {0};
    struct collect_roots r;
    assert_int_equal(collect_roots_init(&r, &c), 0);
    return r;
}

static void read_and_compare(struct kept_files *k, struct procfs *f)
{
    struct str text;
    kept_files_begin(k);
    assert_int_equal(kept_files_read(k, ROOT_PROC, "x", &text), 0);
    assert_int_equal(text.len, f->len);
    assert_memory_equal(text.p, f->text, f->len);
    assert_int_equal(text.p[text.len], '\0');
}

static void files_of_any_size_are_read_whole(void **state)
{
    static const struct {
        size_t len, page, steady_reads;
    } cases[] = {
        {0,     4096,    1 },
        {1,     4096,    1 },
        {2047,  4096,    1 },
        {2048,  4096,    2 },
        {4095,  4096,    2 },
        {4096,  4096,    2 },
        {4097,  4096,    2 },
        {9000,  4096,    3 },
        {9000,  1 << 20, 2 },
        {20000, 1 << 20, 2 },
        {12288, 4096,    4 },
        {60000, 4096,    16},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct procfs *f = *state = procfs_new(cases[i].len, cases[i].page);
        struct collect_roots r = roots();
        struct kept_files k;
        kept_files_init(&k, &f->env, &r);
        read_and_compare(&k, f); /* the first may grow its buffer */
        f->reads = 0;
        read_and_compare(&k, f);
        if (f->reads != cases[i].steady_reads)
            fail_msg("case %zu: %zu reads, expected %zu", i, f->reads, cases[i].steady_reads);
        assert_int_equal(f->opens, 1);
        kept_files_release(&k);
        assert_int_equal(f->closes, 1);
        collect_roots_release(&r);
        free(f);
    }
}

static void shared_file_is_read_once_a_cycle(void **state)
{
    struct procfs *f = *state = procfs_new(100, 4096);
    struct collect_roots r = roots();
    struct kept_files k;
    struct str one, two;
    kept_files_init(&k, &f->env, &r);
    kept_files_begin(&k);
    assert_int_equal(kept_files_read(&k, ROOT_PROC, "stat", &one), 0);
    assert_int_equal(kept_files_read(&k, ROOT_PROC, "stat", &two), 0);
    assert_ptr_equal(one.p, two.p);
    assert_int_equal(f->reads, 1);
    kept_files_release(&k);
    collect_roots_release(&r);
    free(f);
}

static void failing_descriptor_is_opened_anew_once(void **state)
{
    struct procfs *f = *state = procfs_new(100, 4096);
    struct collect_roots r = roots();
    struct kept_files k;
    struct str text;
    kept_files_init(&k, &f->env, &r);
    read_and_compare(&k, f);
    f->fail_read = -ENODEV;
    f->fail_reads = 1;
    read_and_compare(&k, f); /* the second descriptor answers */
    assert_int_equal(f->opens, 2);
    f->fail_reads = 2;
    kept_files_begin(&k);
    assert_int_equal(kept_files_read(&k, ROOT_PROC, "x", &text), -ENODEV);
    assert_int_equal(kept_files_read(&k, ROOT_PROC, "x", &text), -ENODEV);
    assert_int_equal(f->opens, 3); /* not again in the same cycle */
    read_and_compare(&k, f);
    f->fail_open = -EACCES;
    f->fail_reads = 1;
    kept_files_begin(&k);
    assert_int_equal(kept_files_read(&k, ROOT_PROC, "x", &text), -EACCES);
    kept_files_release(&k);
    assert_int_equal(f->closes, f->opens);
    collect_roots_release(&r);
    free(f);
}

static void endless_file_is_refused(void **state)
{
    struct procfs *f = *state = procfs_new(64 << 10, 1 << 20);
    struct collect_roots r = roots();
    struct kept_files k;
    struct str text;
    kept_files_init(&k, env_system(), &r);
    mem_free(r.proc);
    r.proc = mem_strndup("/dev", 4);
    kept_files_begin(&k);
    assert_int_equal(kept_files_read(&k, ROOT_PROC, "zero", &text), E_TOO_BIG);
    kept_files_release(&k);
    collect_roots_release(&r);
    free(f);
}

static void unused_files_are_closed(void **state)
{
    struct procfs *f = *state = procfs_new(10, 4096);
    struct collect_roots r = roots();
    struct kept_files k;
    struct str text;
    kept_files_init(&k, &f->env, &r);
    for (int i = 0; i < 300; i++) { /* a device a cycle, as containers come and go */
        char path[32];
        snprintf(path, sizeof path, "net/dev%d", i);
        kept_files_begin(&k);
        assert_int_equal(kept_files_read(&k, ROOT_PROC, path, &text), 0);
        assert_int_equal(kept_files_read(&k, ROOT_PROC, "steady", &text), 0);
    }
    assert_true(k.count < 140);
    assert_int_equal(k.open, f->opens - f->closes);
    kept_files_release(&k);
    assert_int_equal(f->closes, f->opens);
    collect_roots_release(&r);
    free(f);
}

static void descriptors_have_a_ceiling(void **state)
{
    struct procfs *f = *state = procfs_new(10, 4096);
    struct collect_roots r = roots();
    struct kept_files k;
    struct str text;
    kept_files_init(&k, &f->env, &r);
    for (int cycle = 0; cycle < 2; cycle++) {
        kept_files_begin(&k);
        for (int i = 0; i < 2 * KEPT_FDS_MAX; i++) {
            char path[32];
            snprintf(path, sizeof path, "f%d", i);
            assert_int_equal(kept_files_read(&k, ROOT_SYS, path, &text), 0);
            assert_int_equal(text.len, 10);
        }
    }
    assert_true(k.open <= KEPT_FDS_MAX);
    kept_files_release(&k);
    collect_roots_release(&r);
    free(f);
}

static void paths_follow_the_roots(void **state)
{
    UNUSED(state);
    static const struct {
        const char *host, *proc, *sys;
        const char *want_proc, *want_sys;
        bool net_of_init;
    } cases[] = {
        {"",       "",    "",   "/proc",      "/sys",      false},
        {"/host",  "",    "",   "/host/proc", "/host/sys", true },
        {"/host/", "",    "",   "/host/proc", "/host/sys", true },
        {"/host",  "/p/", "/s", "/p",         "/s",        false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct collector_config c = {
            .host_root = cases[i].host, .proc_path = cases[i].proc, .sys_path = cases[i].sys};
        struct collect_roots r;
        assert_int_equal(collect_roots_init(&r, &c), 0);
        assert_string_equal(r.proc, cases[i].want_proc);
        assert_string_equal(r.sys, cases[i].want_sys);
        assert_int_equal(r.net_of_init, cases[i].net_of_init);
        collect_roots_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_any_size_are_read_whole),
        cmocka_unit_test(shared_file_is_read_once_a_cycle),
        cmocka_unit_test(failing_descriptor_is_opened_anew_once),
        cmocka_unit_test(endless_file_is_refused),
        cmocka_unit_test(unused_files_are_closed),
        cmocka_unit_test(descriptors_have_a_ceiling),
        cmocka_unit_test(paths_follow_the_roots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
