/* test_push_remote.c -- remote write messages, built by hand, into a store that can refuse.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/push.h"
#include "core/mem.h"
#include "core/pb.h"
#include "tests/unit/fake_tsdb.h"

enum { NOW_MS = 1700000000 };

static int64_t fixed_now(struct env *e)
{
    UNUSED(e);
    return NOW_MS;
}
static const struct timesource fixed_time = {.now_ms = fixed_now};

struct fixture {
    struct tsdb db;
    struct env env;
    struct pusher *p;
    struct push_result r;
    struct buf m; /* the message */
};

static int setup(void **state)
{
    static const struct label extra[] = {
        {{"job", 3}, {"influx", 6}}
    };
    struct fixture *f = xzalloc(sizeof *f);
    fake_init(&f->db);
    f->env.time = &fixed_time;
    buf_init(&f->m, 1 << 24);
    *state = f;
    return pusher_new(&f->p, &f->db, &f->env, (struct labels){extra, COUNT(extra)});
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pusher_free(f->p);
    fake_release(&f->db);
    buf_release(&f->m);
    mem_free(f);
    return 0;
}

/* --- writing protobuf --- */

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_addch(b, (char)(v | 0x80));
    buf_addch(b, (char)v);
}

static void put_number(struct buf *b, unsigned field, uint64_t v)
{
    put_varint(b, PB_TAG(field, PB_VARINT));
    put_varint(b, v);
}

static void put_bytes(struct buf *b, unsigned field, struct str s)
{
    put_varint(b, PB_TAG(field, PB_BYTES));
    put_varint(b, s.len);
    buf_add(b, s.p, s.len);
}

static void put_double(struct buf *b, unsigned field, double v)
{
    uint64_t bits = double_bits(v);
    put_varint(b, PB_TAG(field, PB_FIXED64));
    for (int i = 0; i < 8; i++)
        buf_addch(b, (char)(bits >> (8 * i)));
}

/* A message within a message, and done with. */
static void put_message(struct buf *b, unsigned field, struct buf *inner)
{
    put_bytes(b, field, (struct str){inner->p ? inner->p : "", inner->len});
    buf_release(inner);
}

static void put_label(struct buf *b, const char *name, const char *value)
{
    struct buf l = BUF_INIT(1 << 16);
    if (*name) put_bytes(&l, 1, str_of(name));
    if (*value) put_bytes(&l, 2, str_of(value));
    put_message(b, 1, &l);
}

static void put_sample(struct buf *b, int64_t t_ms, double v)
{
    struct buf s = BUF_INIT(64);
    if (double_bits(v)) put_double(&s, 1, v); /* proto3 leaves zeros out */
    if (t_ms) put_number(&s, 2, (uint64_t)t_ms);
    put_message(b, 2, &s);
}

/* 1.0: a series of labels "name", "value", ..., NULL and one sample. */
static void put_series(struct fixture *f, const char *const *labels, int64_t t_ms, double v)
{
    struct buf t = BUF_INIT(1 << 20);
    for (; *labels; labels += 2)
        put_label(&t, labels[0], labels[1]);
    put_sample(&t, t_ms, v);
    put_message(&f->m, 1, &t);
}

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int push(struct fixture *f, enum remote_write version)
{
    int rc = push_remote(f->p, (struct str){f->m.p ? f->m.p : "", f->m.len}, version, &f->r);
    buf_reset(&f->m);
    return rc;
}

static void check_last(struct fixture *f, const char *series, size_t count, int64_t t_ms, double v)
{
    struct fake_sample last = {0};
    assert_int_equal(fake_samples(&f->db, series, &last), count);
    assert_int_equal(last.t_ms, t_ms);
    assert_true(double_bits(last.v) == double_bits(v));
}

/* --- 1.0 --- */

static void series_are_stored_as_they_come(void **state)
{
    struct fixture *f = *state;
    put_series(f, LABELS("__name__", "a", "job", "x"), 1000, 1.5);
    put_series(f, LABELS("z", "2", "__name__", "a", "y", ""), -5, -0.0);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    check_last(f, "a{job=\"x\"}", 1, 1000, 1.5);
    assert_int_equal(f->db.series_count, 2); /* no job of ours is added */
    check_last(f, "a{z=\"2\"}", 1, -5, -0.0);
    assert_int_equal(f->r.lines, 2);
    assert_int_equal(f->r.samples, 2);
    assert_true(f->r.lsn > 0);
}

static void staleness_markers_keep_their_bits(void **state)
{
    struct fixture *f = *state;
    put_series(f, LABELS("__name__", "a"), 1, double_of_bits(STALE_NAN_BITS));
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    check_last(f, "a", 1, 1, double_of_bits(STALE_NAN_BITS));
    put_series(f, LABELS("__name__", "a"), 2, double_of_bits(UINT64_C(0x7ff80000deadbeef)));
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    check_last(f, "a", 2, 2, double_of_bits(UINT64_C(0x7ff80000deadbeef)));
}

static void a_series_may_have_many_samples(void **state)
{
    struct fixture *f = *state;
    struct buf t = BUF_INIT(1 << 20);
    put_label(&t, "__name__", "a");
    for (int i = 0; i < 3000; i++)
        put_sample(&t, i, i);
    put_message(&f->m, 1, &t);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->r.samples, 3000);
    assert_int_equal(f->db.appends, 3);
    check_last(f, "a", 3000, 2999, 2999);
}

static void labels_may_stand_after_samples(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        struct buf t = BUF_INIT(1 << 10);
        put_label(&t, "__name__", "a");
        put_sample(&t, 1 + i, 2);
        put_label(&t, "b", "c");
        put_message(&f->m, 1, &t);
    }
    put_series(f, LABELS("__name__", "a", "b", "c"), 3, 4);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    check_last(f, "a{b=\"c\"}", 3, 3, 4);
    assert_int_equal(f->db.lookups, 1); /* all of them are one key */
}

static void known_series_cost_no_lookup_and_no_allocation(void **state)
{
    struct fixture *f = *state;
    put_series(f, LABELS("__name__", "a", "b", "c"), 1, 1);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    put_series(f, LABELS("__name__", "a", "b", "c"), 2, 2);
    uint64_t before = mem_allocations();
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(mem_allocations(), before);
    assert_int_equal(f->db.lookups, 1);
    check_last(f, "a{b=\"c\"}", 2, 2, 2);
}

static void stale_refs_are_looked_up_again(void **state)
{
    struct fixture *f = *state;
    put_series(f, LABELS("__name__", "a"), 1, 1);
    put_series(f, LABELS("__name__", "b"), 1, 1);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    f->db.generation++;
    put_series(f, LABELS("__name__", "b"), 2, 2);
    put_series(f, LABELS("__name__", "a"), 2, 3);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->r.samples, 2);
    check_last(f, "b", 2, 2, 2);
    check_last(f, "a", 2, 2, 3);
}

static void metadata_goes_to_the_store(void **state)
{
    struct fixture *f = *state;
    struct buf m = BUF_INIT(1 << 10);
    put_number(&m, 1, 1);
    put_bytes(&m, 2, STR("a_total"));
    put_bytes(&m, 4, STR("Counts."));
    put_bytes(&m, 5, STR("things"));
    put_message(&f->m, 3, &m);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->db.metadata_count, 1);
    assert_string_equal(f->db.metadata[0].name, "a_total");
    assert_string_equal(f->db.metadata[0].help, "Counts.");
    assert_string_equal(f->db.metadata[0].unit, "things");
    assert_int_equal(f->db.metadata[0].type, METRIC_COUNTER);
}

/* --- what is refused, and what is not for it --- */

static void bad_series_do_not_hurt_good_ones(void **state)
{
    static const char *const bad[][5] = {
        {"b",         "c"},
        { "__name__", "a",         "", "x"},
        { "__name__", "a", "__name__", "b"},
    };
    static const char *const texts[] = {"no metric name", "empty label name",
                                        "label name \"__name__\" is there twice"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct fixture *f = *state;
        put_series(f, LABELS("__name__", "good"), (int64_t)i + 1, 1);
        put_series(f, bad[i], 1, 1);
        put_series(f, LABELS("__name__", "good"), (int64_t)i + 100, 1);
        assert_int_equal(push(f, REMOTE_WRITE_1), 0);
        assert_int_equal(f->r.samples, 2);
        assert_int_equal(f->r.dropped_samples, 1);
        assert_int_equal(f->r.first_error.line, 2);
        assert_string_equal(f->r.first_error.text, texts[i]);
    }
}

static void too_many_labels_are_refused_at_once(void **state)
{
    struct fixture *f = *state;
    struct buf t = BUF_INIT(1 << 20);
    char name[16];
    put_label(&t, "__name__", "a");
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "l%d", i);
        put_label(&t, name, "x");
    }
    put_sample(&t, 1, 1);
    put_message(&f->m, 1, &t);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->r.dropped_samples, 1);
    assert_string_equal(f->r.first_error.text, "more than 512 labels");
    assert_int_equal(f->db.lookups, 0);
}

static void series_over_the_limit_are_dropped(void **state)
{
    struct fixture *f = *state;
    f->db.max_series = 1;
    put_series(f, LABELS("__name__", "a"), 1, 1);
    put_series(f, LABELS("__name__", "b"), 1, 1);
    put_series(f, LABELS("__name__", "a"), 2, 1);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->r.samples, 2);
    assert_int_equal(f->r.dropped_samples, 1);
    assert_string_equal(f->r.first_error.text, "too many series");
    /* the refusal is not remembered */
    f->db.max_series = 0;
    put_series(f, LABELS("__name__", "b"), 1, 1);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->r.samples, 1);
}

static void samples_out_of_time_are_told(void **state)
{
    struct fixture *f = *state;
    f->db.min_ms = 10;
    put_series(f, LABELS("__name__", "a"), 20, 1);
    put_series(f, LABELS("__name__", "a"), 5, 1);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->r.samples, 1);
    assert_int_equal(f->r.dropped_samples, 1);
    assert_int_equal(f->r.first_error.line, 2);
}

static void native_histograms_are_counted_and_refused(void **state)
{
    struct fixture *f = *state;
    struct buf t = BUF_INIT(1 << 10);
    put_label(&t, "__name__", "h");
    put_bytes(&t, 4, STR(""));
    put_message(&f->m, 1, &t);
    put_series(f, LABELS("__name__", "a"), 1, 1);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->r.samples, 1);
    assert_int_equal(f->r.dropped_histograms, 1);
    assert_int_equal(f->r.first_error.line, 1);
    assert_non_null(strstr(f->r.first_error.text, "native histograms are not stored"));
    assert_int_equal(f->db.series_count, 1);
}

static void exemplars_are_counted(void **state)
{
    struct fixture *f = *state;
    struct push_stats s;
    struct buf t = BUF_INIT(1 << 10);
    put_label(&t, "__name__", "a_total");
    put_sample(&t, 1, 1);
    put_bytes(&t, 3, STR(""));
    put_message(&f->m, 1, &t);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    assert_int_equal(f->r.samples, 1);
    assert_int_equal(f->r.dropped_exemplars, 1);
    assert_int_equal(f->r.dropped_samples + f->r.bad_lines, 0);
    pusher_stats(f->p, &s);
    assert_int_equal(s.dropped_exemplars, 1);
    assert_int_equal(s.requests, 1);
    assert_int_equal(s.samples, 1);
}

static void a_full_disk_ends_the_request(void **state)
{
    struct fixture *f = *state;
    f->db.append_rc = E_UNAVAILABLE;
    put_series(f, LABELS("__name__", "a"), 1, 1);
    assert_int_equal(push(f, REMOTE_WRITE_1), E_UNAVAILABLE);
    assert_int_equal(f->r.samples, 0);
}

/* --- malformed --- */

static void broken_messages_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } rows[] = {
        {"\x0a",                                             1,  "it breaks off"      }, /* no length */
        {"\x0a\x05\x0a\x01",                                 4,  "it breaks off"      }, /* past the end */
        {"\x0b",                                             1,  "it breaks off"      }, /* a group */
        {"\x00\x00",                                         2,  "it breaks off"      }, /* field 0 */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "it breaks off"      }, /* long varint */
        {"\x0a\x02\x0a\x05",                                 4,  "a series breaks off"},
        {"\x0a\x05\x0a\x01\x0a\x12\x00",                     7,  "labels"             },
        {"\x0a\x04\x12\x02\x09\x00",                         6,  "a sample"           },
        {"\x1a\x01\x08",                                     3,  "metadata"           },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture *f = *state;
        char want[128];
        put_series(f, LABELS("__name__", "a"), (int64_t)i + 1, 1);
        buf_add(&f->m, rows[i].bytes, rows[i].len);
        assert_int_equal(push(f, REMOTE_WRITE_1), E_PARSE);
        snprintf(want, sizeof want, "malformed remote write message: %s", rows[i].text);
        assert_string_equal(f->r.first_error.text, want);
        assert_int_equal(f->r.samples, 1); /* what came before is stored, and told */
        assert_int_equal(f->r.bad_lines, 1);
    }
}

/* Every prefix of a message is refused or is a message; nothing reads past the end. */
static void every_cut_is_judged(void **state)
{
    struct fixture *f = *state;
    struct buf whole = BUF_INIT(1 << 16);
    size_t refused = 0;
    put_series(f, LABELS("__name__", "a", "b", "c"), 1000, 1);
    put_series(f, LABELS("__name__", "a", "b", "d"), 1000, 1);
    buf_add(&whole, f->m.p, f->m.len);
    for (size_t cut = 0; cut < whole.len; cut++) {
        char *copy = mem_dup(whole.p, cut); /* its own block, for the sanitizer */
        int rc = push_remote(f->p, (struct str){copy, cut}, REMOTE_WRITE_1, &f->r);
        assert_true(rc == 0 || rc == E_PARSE);
        refused += rc == E_PARSE;
        mem_free(copy);
    }
    assert_int_equal(refused, whole.len - 2); /* all but nothing, and the first series alone */
    buf_release(&whole);
}

/* --- 2.0 --- */

static void put_symbols(struct fixture *f, const char *const *symbols)
{
    for (; *symbols; symbols++)
        put_bytes(&f->m, 4, str_of(*symbols));
}

/* refs as bytes: each below 128 */
static void put_series_2(struct fixture *f, const char *refs, size_t count, int64_t t_ms, double v)
{
    struct buf t = BUF_INIT(1 << 10);
    put_bytes(&t, 1, (struct str){refs, count});
    put_sample(&t, t_ms, v);
    put_message(&f->m, 5, &t);
}

static void symbols_become_labels(void **state)
{
    struct fixture *f = *state;
    put_symbols(f, LABELS("", "__name__", "a", "b", "c"));
    put_series_2(f, "\x01\x02\x03\x04", 4, 1000, 1);
    assert_int_equal(push(f, REMOTE_WRITE_2), 0);
    check_last(f, "a{b=\"c\"}", 1, 1000, 1);
    /* other refs in the next message, and the symbols after the series: the same series */
    put_series_2(f, "\x03\x04\x02\x01", 4, 2000, 2);
    put_symbols(f, LABELS("", "c", "b", "__name__", "a"));
    assert_int_equal(push(f, REMOTE_WRITE_2), 0);
    check_last(f, "a{b=\"c\"}", 2, 2000, 2);
    /* as 1.0 writes it: known from 2.0 */
    size_t lookups = f->db.lookups;
    put_series(f, LABELS("__name__", "a", "b", "c"), 3000, 3);
    assert_int_equal(push(f, REMOTE_WRITE_1), 0);
    check_last(f, "a{b=\"c\"}", 3, 3000, 3);
    assert_int_equal(f->db.lookups, lookups);
}

static void refs_may_come_one_by_one(void **state)
{
    struct fixture *f = *state;
    struct buf t = BUF_INIT(1 << 10);
    put_symbols(f, LABELS("", "__name__", "a"));
    put_number(&t, 1, 1);
    put_number(&t, 1, 2);
    put_sample(&t, 1, 1);
    put_message(&f->m, 5, &t);
    assert_int_equal(push(f, REMOTE_WRITE_2), 0);
    check_last(f, "a", 1, 1, 1);
}

static void metadata_comes_with_the_series(void **state)
{
    struct fixture *f = *state;
    struct buf t = BUF_INIT(1 << 10), m = BUF_INIT(64);
    put_symbols(f, LABELS("", "__name__", "h_bucket", "le", "1.0", "Some help.", "seconds"));
    put_bytes(&t, 1, STR("\x01\x02\x03\x04"));
    put_sample(&t, 1, 1);
    put_number(&m, 1, 3);
    put_number(&m, 3, 5);
    put_number(&m, 4, 6);
    put_message(&t, 5, &m);
    put_message(&f->m, 5, &t);
    assert_int_equal(push(f, REMOTE_WRITE_2), 0);
    assert_string_equal(f->db.metadata[0].name, "h");
    assert_string_equal(f->db.metadata[0].help, "Some help.");
    assert_string_equal(f->db.metadata[0].unit, "seconds");
    assert_int_equal(f->db.metadata[0].type, METRIC_HISTOGRAM);
}

static void bad_refs_are_refused(void **state)
{
    static const struct {
        const char *refs, *text;
    } rows[] = {
        {"\x01\x09", "labels"               },
        {"\x01",     "a label without value"},
        {"\x81",     "labels"               },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture *f = *state;
        char want[128];
        put_symbols(f, LABELS("", "__name__", "a"));
        put_series_2(f, rows[i].refs, strlen(rows[i].refs), 1, 1);
        assert_int_equal(push(f, REMOTE_WRITE_2), E_PARSE);
        snprintf(want, sizeof want, "malformed remote write message: %s", rows[i].text);
        assert_string_equal(f->r.first_error.text, want);
        assert_int_equal(f->db.sample_count, 0);
    }
}

static void the_first_symbol_is_empty(void **state)
{
    struct fixture *f = *state;
    put_symbols(f, LABELS("__name__", "a"));
    put_series_2(f, "\x00\x01", 2, 1, 1);
    assert_int_equal(push(f, REMOTE_WRITE_2), E_PARSE);
    assert_string_equal(f->r.first_error.text,
                        "malformed remote write message: the first symbol is not empty");
}

static void histograms_of_2_are_field_3(void **state)
{
    struct fixture *f = *state;
    struct buf t = BUF_INIT(1 << 10);
    put_symbols(f, LABELS("", "__name__", "a"));
    put_bytes(&t, 1, STR("\x01\x02"));
    put_sample(&t, 1, 1);
    put_bytes(&t, 3, STR("h"));
    put_bytes(&t, 3, STR("h"));
    put_bytes(&t, 4, STR("e"));
    put_message(&f->m, 5, &t);
    assert_int_equal(push(f, REMOTE_WRITE_2), 0);
    assert_int_equal(f->r.samples, 1);
    assert_int_equal(f->r.dropped_histograms, 2);
    assert_int_equal(f->r.dropped_exemplars, 1);
}

static void stale_refs_of_2_are_looked_up_again(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        put_symbols(f, LABELS("", "__name__", "a", "b", "c"));
        put_series_2(f, "\x01\x02\x03\x04", 4, 1 + i, 1);
        assert_int_equal(push(f, REMOTE_WRITE_2), 0);
        f->db.generation++;
    }
    check_last(f, "a{b=\"c\"}", 2, 2, 1);
}

/* Each round has a key of its own for a series that is there: a label without value is none. */
static void refused_memory_fails_cleanly(void **state)
{
    struct fixture *f = *state;
    char empty[16];
    for (uint64_t n = 0; n < 30; n++) {
        snprintf(empty, sizeof empty, "x%d", (int)n);
        put_symbols(f, LABELS("", "__name__", "a", empty));
        put_series_2(f, "\x01\x02\x03\x00", 4, (int64_t)n, 1);
        mem_fail_at(n, 0);
        int rc = push(f, REMOTE_WRITE_2);
        mem_fail_at(0, 0);
        assert_true(rc == 0 || (n > 0 && rc == -ENOMEM));
    }
    put_symbols(f, LABELS("", "__name__", "a"));
    put_series_2(f, "\x01\x02", 2, 100, 1);
    assert_int_equal(push(f, REMOTE_WRITE_2), 0);
    check_last(f, "a", fake_samples(&f->db, "a", &(struct fake_sample){0}), 100, 1);
    assert_int_equal(f->db.series_count, 1);
}

/* --- expositions --- */

static void push_lines(struct fixture *f, const char *text, const struct push_text *how)
{
    assert_int_equal(push_text(f->p, str_of(text), how, &f->r), 0);
}

static void lines_are_stored_with_their_times(void **state)
{
    struct fixture *f = *state;
    const struct push_text how = {.format = EXPO_TEXT};
    push_lines(f, "# HELP a Some.\n# TYPE a counter\na{b=\"c\"} 1 5\na 2\n", &how);
    check_last(f, "a{b=\"c\"}", 1, 5, 1);
    check_last(f, "a", 1, NOW_MS, 2);
    assert_int_equal(f->r.samples, 2);
    assert_int_equal(f->db.metadata_count, 1);
    assert_string_equal(f->db.metadata[0].help, "Some.");
    assert_int_equal(f->db.metadata[0].type, METRIC_COUNTER);
}

static void parameters_change_lines(void **state)
{
    struct fixture *f = *state;
    const struct label extra[] = {
        {STR("b"), STR("mine")},
        {STR("d"), STR("e")   },
    };
    const struct push_text how = {
        .format = EXPO_TEXT, .extra = {extra, COUNT(extra)},
             .t_ms = 77
    };
    const struct push_text plain = {.format = EXPO_TEXT};
    push_lines(f, "a{b=\"c\"} 1\na{b=\"c\"} 2 5\n", &how);
    check_last(f, "a{b=\"mine\", d=\"e\"}", 2, 5, 2);
    /* the same bytes without them are another series */
    push_lines(f, "a{b=\"c\"} 3 6\n", &plain);
    check_last(f, "a{b=\"c\"}", 1, 6, 3);
}

/* Under a histogram's TYPE, bounds are floats: the same bytes are another series without it. */
static void types_change_series(void **state)
{
    struct fixture *f = *state;
    const struct push_text how = {.format = EXPO_TEXT};
    push_lines(f, "a_bucket{le=\"1\"} 1 5\n# TYPE a histogram\na_bucket{le=\"1\"} 2 5\n", &how);
    check_last(f, "a_bucket{le=\"1\"}", 1, 5, 1);
    check_last(f, "a_bucket{le=\"1.0\"}", 1, 5, 2);
}

static void bad_lines_do_not_hurt_good_ones(void **state)
{
    struct fixture *f = *state;
    const struct push_text how = {.format = EXPO_TEXT};
    push_lines(f, "a 1 5\na{ 1\na{b=\"c\",b=\"d\"} 1\na 2 6\n", &how);
    assert_int_equal(f->r.samples, 2);
    assert_int_equal(f->r.bad_lines, 2);
    assert_int_equal(f->r.first_error.line, 2);
}

static void openmetrics_counts_in_seconds(void **state)
{
    struct fixture *f = *state;
    const struct push_text how = {.format = EXPO_OPENMETRICS};
    push_lines(f, "# TYPE a counter\na_total 1 5.5\na_created 3 5.5\n# EOF\n", &how);
    check_last(f, "a_total", 1, 5500, 1);
    assert_int_equal(f->db.series_count, 1);
    push_lines(f, "a_total 2 6.5\n", &how);
    assert_int_equal(f->r.bad_lines, 1);
}

static void stale_refs_of_lines_are_looked_up_again(void **state)
{
    struct fixture *f = *state;
    const struct push_text how = {.format = EXPO_TEXT};
    push_lines(f, "# TYPE a histogram\na_bucket{le=\"1\"} 1 5\n", &how);
    f->db.generation++;
    push_lines(f, "# TYPE a histogram\na_bucket{le=\"1\"} 2 6\n", &how);
    check_last(f, "a_bucket{le=\"1.0\"}", 2, 6, 2);
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    static const struct CMUnitTest tests[] = {
        CASE(series_are_stored_as_they_come),
        CASE(staleness_markers_keep_their_bits),
        CASE(a_series_may_have_many_samples),
        CASE(labels_may_stand_after_samples),
        CASE(known_series_cost_no_lookup_and_no_allocation),
        CASE(stale_refs_are_looked_up_again),
        CASE(metadata_goes_to_the_store),
        CASE(bad_series_do_not_hurt_good_ones),
        CASE(too_many_labels_are_refused_at_once),
        CASE(series_over_the_limit_are_dropped),
        CASE(samples_out_of_time_are_told),
        CASE(native_histograms_are_counted_and_refused),
        CASE(exemplars_are_counted),
        CASE(a_full_disk_ends_the_request),
        CASE(broken_messages_are_refused),
        CASE(every_cut_is_judged),
        CASE(symbols_become_labels),
        CASE(refs_may_come_one_by_one),
        CASE(metadata_comes_with_the_series),
        CASE(bad_refs_are_refused),
        CASE(the_first_symbol_is_empty),
        CASE(histograms_of_2_are_field_3),
        CASE(stale_refs_of_2_are_looked_up_again),
        CASE(refused_memory_fails_cleanly),
        CASE(lines_are_stored_with_their_times),
        CASE(parameters_change_lines),
        CASE(types_change_series),
        CASE(bad_lines_do_not_hurt_good_ones),
        CASE(openmetrics_counts_in_seconds),
        CASE(stale_refs_of_lines_are_looked_up_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
