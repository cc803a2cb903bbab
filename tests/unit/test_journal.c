/* test_journal.c -- the journal on a disk that fails, tears and forgets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/journal.h"
#include "core/log.h"
#include "core/mem.h"

/* The system's disk, but for one call that fails. */
struct faulty {
    struct env env;
    struct io io;
    int fail_sync_in, fail_write_in; /* the n-th from now; 0: never */
};

static struct faulty *faulty_of(struct env *e)
{
    return (struct faulty *)(void *)e;
}

static bool strikes(int *in)
{
    return *in > 0 && --*in == 0;
}

static int bad_fdatasync(struct env *e, int fd)
{
    if (strikes(&faulty_of(e)->fail_sync_in)) return -EIO;
    return env_system()->io->fdatasync(env_system(), fd);
}

static ssize_t bad_pwrite(struct env *e, int fd, const void *p, size_t len, int64_t offset)
{
    if (strikes(&faulty_of(e)->fail_write_in)) return -ENOSPC;
    size_t part = len > 7 ? len / 2 : len; /* short writes, always */
    return env_system()->io->pwrite(env_system(), fd, p, part, offset);
}

static struct faulty faulty_env(void)
{
    struct faulty f = {.env = *env_system(), .io = *env_system()->io};
    f.io.fdatasync = bad_fdatasync;
    f.io.pwrite = bad_pwrite;
    return f;
}

struct seen {
    struct buf text; /* "type:payload " of each record */
};

static int remember(void *arg, uint8_t type, uint64_t lsn, struct str payload)
{
    struct seen *s = arg;
    UNUSED(lsn);
    return buf_addf(&s->text, "%d:%.*s ", type, (int)payload.len, payload.p);
}

static char dir[64], path[96];

static int make_dir(void **state)
{
    UNUSED(state);
    log_set_level(LOG_LEVEL_OFF);
    snprintf(dir, sizeof dir, "/tmp/test_journal.XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/j", dir);
    return 0;
}

static int remove_dir(void **state)
{
    char command[128];
    UNUSED(state);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static struct journal *open_it(struct env *env, const char *want)
{
    struct journal *j = NULL;
    struct seen seen = {BUF_INIT(1 << 20)};
    assert_int_equal(journal_open(&j, env, path, remember, &seen, NULL), 0);
    if (want) assert_string_equal(seen.text.p ? seen.text.p : "", want);
    buf_release(&seen.text);
    return j;
}

static void append(struct journal *j, uint8_t type, const char *text)
{
    assert_int_equal(journal_append(j, type, str_of(text), NULL), 0);
}

static void records_come_back_in_order(void **state)
{
    UNUSED(state);
    struct journal *j = open_it(env_system(), "");
    append(j, 1, "one");
    append(j, 2, "");
    assert_int_equal(journal_sync(j, UINT64_MAX), 0);
    append(j, 1, "three");
    assert_int_equal(journal_close(j), 0);
    j = open_it(env_system(), "1:one 2: 1:three ");
    append(j, 9, "four");
    assert_int_equal(journal_close(j), 0);
    assert_int_equal(journal_close(open_it(env_system(), "1:one 2: 1:three 9:four ")), 0);
}

static void torn_tail_is_cut(void **state)
{
    UNUSED(state);
    struct journal *j = open_it(env_system(), "");
    append(j, 1, "keep");
    assert_int_equal(journal_sync(j, UINT64_MAX), 0);
    struct journal_stats s;
    journal_stats(j, &s);
    int64_t good = (int64_t)s.bytes;
    append(j, 1, "torn away");
    assert_int_equal(journal_close(j), 0);
    assert_int_equal(truncate(path, good + 20), 0);
    j = open_it(env_system(), "1:keep ");
    journal_stats(j, &s);
    assert_int_equal(s.cut_bytes, 20);
    append(j, 1, "after");
    assert_int_equal(journal_close(j), 0);
    assert_int_equal(journal_close(open_it(env_system(), "1:keep 1:after ")), 0);
}

static void any_flipped_byte_costs_its_record_only(void **state)
{
    UNUSED(state);
    struct journal *j = open_it(env_system(), "");
    append(j, 1, "aaaa");
    append(j, 1, "bbbb");
    append(j, 1, "cccc");
    assert_int_equal(journal_close(j), 0);
    char *bytes = NULL;
    size_t len = 0;
    assert_int_equal(env_read_file(env_system(), path, 1 << 20, &bytes, &len), 0);
    for (size_t i = 16; i < len; i++) {
        bytes[i] = (char)(bytes[i] ^ 0x10);
        assert_int_equal(env_replace_file(env_system(), path, bytes, len), 0);
        bytes[i] = (char)(bytes[i] ^ 0x10);
        struct seen seen = {BUF_INIT(1 << 20)};
        assert_int_equal(journal_open(&j, env_system(), path, remember, &seen, NULL), 0);
        size_t hit = (i - 16) / 21; /* 17 bytes of head and four of text */
        assert_string_equal(seen.text.p, hit == 0   ? "1:bbbb 1:cccc "
                                         : hit == 1 ? "1:aaaa 1:cccc "
                                                    : "1:aaaa 1:bbbb ");
        buf_release(&seen.text);
        assert_int_equal(journal_close(j), 0);
    }
    mem_free(bytes);
}

static void foreign_file_is_set_aside(void **state)
{
    UNUSED(state);
    assert_int_equal(env_replace_file(env_system(), path, "not a journal at all", 20), 0);
    struct journal *j = open_it(env_system(), "");
    struct journal_stats s;
    journal_stats(j, &s);
    assert_int_equal(s.damaged, 1);
    assert_int_equal(journal_close(j), 0);
}

static void failed_sync_moves_to_a_new_file(void **state)
{
    UNUSED(state);
    for (int sync = 0; sync < 2; sync++) {
        struct faulty f = faulty_env();
        f.env.io = &f.io;
        unlink(path);
        struct journal *j = open_it(&f.env, "");
        append(j, 1, "before");
        assert_int_equal(journal_sync(j, UINT64_MAX), 0);
        if (sync)
            f.fail_sync_in = 1;
        else
            f.fail_write_in = 2;
        append(j, 1, "during");
        assert_int_equal(journal_sync(j, UINT64_MAX), 0); /* it succeeded, on the new file */
        append(j, 1, "after");
        assert_int_equal(journal_close(j), 0);
        assert_int_equal(journal_close(open_it(env_system(), "1:before 1:during 1:after ")), 0);
    }
}

static void full_disk_keeps_records_for_later(void **state)
{
    UNUSED(state);
    struct faulty f = faulty_env();
    f.env.io = &f.io;
    struct journal *j = open_it(&f.env, "");
    append(j, 1, "one");
    f.fail_write_in = 1;
    assert_int_equal(journal_sync(j, UINT64_MAX), 0);
    f.io.pwrite = env_system()->io->pwrite;
    append(j, 1, "two");
    assert_int_equal(journal_sync(j, UINT64_MAX), 0);
    assert_int_equal(journal_close(j), 0);
    assert_int_equal(journal_close(open_it(env_system(), "1:one 1:two ")), 0);
}

static int write_snapshot(void *arg, struct journal *j)
{
    UNUSED(arg);
    return journal_append(j, 7, STR("all of it"), NULL);
}

static void rewriting_keeps_only_the_snapshot(void **state)
{
    uint64_t before = 0, after = 0;
    UNUSED(state);
    struct journal *j = open_it(env_system(), "");
    for (int i = 0; i < 100; i++)
        append(j, 1, "old");
    assert_int_equal(journal_append(j, 1, STR("x"), &before), 0);
    assert_int_equal(journal_rewrite(j, write_snapshot, NULL), 0);
    assert_int_equal(journal_sync(j, before), 0); /* a waiter of an earlier record returns */
    assert_int_equal(journal_append(j, 8, STR("new"), &after), 0);
    assert_true(after > before);
    assert_int_equal(journal_close(j), 0);
    assert_int_equal(journal_close(open_it(env_system(), "7:all of it 8:new ")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_come_back_in_order, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(torn_tail_is_cut, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(any_flipped_byte_costs_its_record_only, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(foreign_file_is_set_aside, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(failed_sync_moves_to_a_new_file, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(full_disk_keeps_records_for_later, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(rewriting_keeps_only_the_snapshot, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
