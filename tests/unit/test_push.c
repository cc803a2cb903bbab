/* test_push.c -- line protocol into a store that can refuse.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/push.h"
#include "collector/push_cache.h"
#include "core/mem.h"
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
};

static int setup(void **state)
{
    static const struct label extra[] = {
        {{"instance", 8}, {"n1", 2}    },
        {{"job", 3},      {"influx", 6}}
    };
    struct fixture *f = xzalloc(sizeof *f);
    fake_init(&f->db);
    f->env.time = &fixed_time;
    *state = f;
    return pusher_new(&f->p, &f->db, &f->env, (struct labels){extra, COUNT(extra)});
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pusher_free(f->p);
    fake_release(&f->db);
    mem_free(f);
    return 0;
}

static void push(struct fixture *f, const char *body)
{
    assert_int_equal(push_influx(f->p, str_of(body), INFLUX_NS, &f->r), 0);
}

static void check_last(struct fixture *f, const char *series, size_t count, int64_t t_ms, double v)
{
    struct fake_sample last = {0};
    assert_int_equal(fake_samples(&f->db, series, &last), count);
    assert_int_equal(last.t_ms, t_ms);
    assert_true(last.v == v);
}

static void fields_become_series(void **state)
{
    struct fixture *f = *state;
    push(f, "cpu,host=a usage=1.5,value=2i,on=t,up=3u 1000000000\n");
    check_last(f, "cpu_usage{host=\"a\", instance=\"n1\", job=\"influx\"}", 1, 1000, 1.5);
    check_last(f, "cpu{host=\"a\", instance=\"n1\", job=\"influx\"}", 1, 1000, 2);
    check_last(f, "cpu_on{host=\"a\", instance=\"n1\", job=\"influx\"}", 1, 1000, 1);
    check_last(f, "cpu_up{host=\"a\", instance=\"n1\", job=\"influx\"}", 1, 1000, 3);
    assert_int_equal(f->r.lines, 1);
    assert_int_equal(f->r.samples, 4);
    assert_true(f->r.lsn > 0);
}

static void names_are_made_valid(void **state)
{
    struct fixture *f = *state;
    push(f, "my.cpu\\ x,a-b=1,job=mine,__name__=z the.value=1 0\n9lives v=1 0\n");
    check_last(f, "my_cpu_x_the_value{a_b=\"1\", instance=\"n1\", job=\"mine\", tag__name__=\"z\"}",
               1, 0, 1);
    check_last(f, "_9lives_v{instance=\"n1\", job=\"influx\"}", 1, 0, 1);
}

static void a_line_without_time_is_now(void **state)
{
    struct fixture *f = *state;
    push(f, "m value=1\n");
    check_last(f, "m{instance=\"n1\", job=\"influx\"}", 1, NOW_MS, 1);
}

static void times_before_the_epoch_round_down(void **state)
{
    struct fixture *f = *state;
    push(f, "m value=1 -1\n");
    check_last(f, "m{instance=\"n1\", job=\"influx\"}", 1, -1, 1);
}

static void the_last_of_a_millisecond_wins(void **state)
{
    struct fixture *f = *state;
    push(f, "m value=1 1000000\nm value=2 1000001\n");
    check_last(f, "m{instance=\"n1\", job=\"influx\"}", 1, 1, 2);
}

static void strings_are_counted_not_stored(void **state)
{
    struct fixture *f = *state;
    push(f, "m s=\"x\",value=1 0\n");
    assert_int_equal(f->r.samples, 1);
    assert_int_equal(f->r.dropped_strings, 1);
    assert_int_equal(f->db.series_count, 1);
    /* a field may change its type */
    push(f, "m s=5,value=\"y\" 0\n");
    check_last(f, "m_s{instance=\"n1\", job=\"influx\"}", 1, 0, 5);
    assert_int_equal(f->r.dropped_strings, 1);
}

static void bad_lines_do_not_hurt_good_ones(void **state)
{
    struct fixture *f = *state;
    push(f, "m value=1 0\nm,x= value=1 0\n\nm value=1,value=oops 0\nm value=2 1000000\nbad");
    assert_int_equal(f->r.lines, 2);
    assert_int_equal(f->r.samples, 2);
    assert_int_equal(f->r.bad_lines, 3);
    assert_int_equal(f->r.first_error.line, 2);
    assert_int_equal(f->r.first_error.column, 5);
    check_last(f, "m{instance=\"n1\", job=\"influx\"}", 2, 1, 2);
}

/* A line is stored whole or not at all, also when its last byte is wrong. */
static void a_bad_line_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    push(f, "m a=1,b=2,c=3 notatime\n");
    assert_int_equal(f->r.bad_lines, 1);
    assert_int_equal(f->db.sample_count, 0);
}

static void known_lines_cost_no_lookup_and_no_allocation(void **state)
{
    struct fixture *f = *state;
    push(f, "m,b=1,a=2 x=1,y=2 0\n");
    size_t lookups = f->db.lookups;
    uint64_t before = mem_allocations();
    push(f, "m,b=1,a=2 x=1,y=2 1000000\nm,b=1,a=2 x=1,y=2 2000000\n");
    push(f, "m,b=1,a=2 y=2,x=1 3000000\nm,b=1,a=2 y=3 4000000\n");
    assert_int_equal(mem_allocations() - before, 0);
    assert_int_equal(f->db.lookups, lookups);
    check_last(f, "m_y{a=\"2\", b=\"1\", instance=\"n1\", job=\"influx\"}", 5, 4, 3);
    check_last(f, "m_x{a=\"2\", b=\"1\", instance=\"n1\", job=\"influx\"}", 4, 3, 1);
}

static void stale_refs_are_looked_up_again(void **state)
{
    struct fixture *f = *state;
    push(f, "m,a=1 x=1,y=2 0\nn value=1 0\n");
    f->db.generation++;
    push(f, "m,a=1 x=3,y=4 1000000\nn value=5 1000000\n");
    assert_int_equal(f->r.samples, 3);
    assert_int_equal(f->r.dropped_samples, 0);
    check_last(f, "m_y{a=\"1\", instance=\"n1\", job=\"influx\"}", 2, 1, 4);
    check_last(f, "n{instance=\"n1\", job=\"influx\"}", 2, 1, 5);
}

static void series_over_the_limit_are_dropped_samples(void **state)
{
    struct fixture *f = *state;
    f->db.max_series = 1;
    push(f, "m value=1 0\nn value=1 0\nm value=2 1000000\n");
    assert_int_equal(f->r.lines, 3);
    assert_int_equal(f->r.samples, 2);
    assert_int_equal(f->r.dropped_samples, 1);
    assert_int_equal(f->r.first_error.line, 2);
    assert_string_equal(f->r.first_error.text, "too many series");
}

/* More tags than a series may have, and very many fields: refused at once, not field by field. */
static void too_many_tags_are_dropped_samples(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(1 << 22);
    buf_addch(&in, 'm');
    for (int i = 0; i < 600; i++)
        buf_addf(&in, ",t%d=x", i);
    for (int i = 0; i < 20000; i++)
        buf_addf(&in, "%cf%d=1", i ? ',' : ' ', i);
    assert_int_equal(push_influx(f->p, (struct str){in.p, in.len}, INFLUX_NS, &f->r), 0);
    assert_int_equal(f->r.dropped_samples, 20000);
    assert_string_equal(f->r.first_error.text, "too many tags");
    assert_int_equal(f->db.lookups, 0);
    buf_release(&in);
}

static void samples_out_of_time_are_told(void **state)
{
    struct fixture *f = *state;
    f->db.min_ms = 10;
    push(f, "m value=1 20000000\nm value=1 5000000\n");
    assert_int_equal(f->r.samples, 1);
    assert_int_equal(f->r.dropped_samples, 1);
    assert_int_equal(f->r.first_error.line, 2);
}

static void a_full_disk_ends_the_request(void **state)
{
    struct fixture *f = *state;
    f->db.append_rc = E_UNAVAILABLE;
    assert_int_equal(push_influx(f->p, STR("m value=1 0\n"), INFLUX_NS, &f->r), E_UNAVAILABLE);
    assert_int_equal(f->r.samples, 0);
}

static void big_bodies_go_in_pieces(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(1 << 22);
    for (int i = 0; i < 2500; i++)
        buf_addf(&in, "m value=%d %d000000\n", i, i);
    buf_addstr(&in, "wide ");
    for (int i = 0; i < 3000; i++)
        buf_addf(&in, "f%d=1%s", i, i == 2999 ? " 0\n" : ",");
    assert_int_equal(push_influx(f->p, (struct str){in.p, in.len}, INFLUX_NS, &f->r), 0);
    assert_int_equal(f->r.samples, 5500);
    assert_int_equal(f->db.sample_count, 5500);
    assert_int_equal(f->db.appends, 6);
    check_last(f, "m{instance=\"n1\", job=\"influx\"}", 2500, 2499, 2499);
    buf_release(&in);
}

static void counters_add_up(void **state)
{
    struct fixture *f = *state;
    struct push_stats s;
    push(f, "m value=1,s=\"x\" 0\nbad\n");
    push(f, "m value=2 0\n");
    pusher_stats(f->p, &s);
    assert_int_equal(s.requests, 2);
    assert_int_equal(s.lines, 2);
    assert_int_equal(s.samples, 2);
    assert_int_equal(s.bad_lines, 1);
    assert_int_equal(s.dropped_strings, 1);
}

static void refused_memory_fails_cleanly(void **state)
{
    struct fixture *f = *state;
    int rc = -1;
    for (uint64_t n = 1; n < 100 && rc != 0; n++) {
        mem_fail_at(n, 0);
        rc = push_influx(f->p, STR("m,a=1 x=1,y=2,z=3 0\n"), INFLUX_NS, &f->r);
        mem_fail_at(0, 0);
        assert_true(rc == 0 || rc == -12 || f->r.bad_lines == 0);
    }
    assert_int_equal(rc, 0);
}

struct writer {
    struct pusher *p;
    int id;
    size_t samples;
};

static void *write_lines(void *arg)
{
    struct writer *w = arg;
    char line[128];
    struct push_result r;
    for (int i = 0; i < 500; i++) {
        int n =
            snprintf(line, sizeof line, "m,shared=%d a=%d,b=1 %d000000\nown%d value=1 %d000000\n",
                     i % 7, i, w->id * 1000 + i, w->id, i);
        if (push_influx(w->p, (struct str){line, (size_t)n}, INFLUX_NS, &r) == 0)
            w->samples += r.samples;
    }
    return NULL;
}

static void many_threads_push_at_once(void **state)
{
    struct fixture *f = *state;
    struct writer w[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        w[i] = (struct writer){.p = f->p, .id = i};
        assert_int_equal(pthread_create(&t[i], NULL, write_lines, &w[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(w[i].samples, 1500);
    }
    assert_int_equal(f->db.sample_count, 6000);
}

static void the_cache_is_bounded(void **state)
{
    UNUSED(state);
    struct push_cache *c;
    assert_int_equal(push_cache_new(&c, 64 << 10), 0);
    for (int i = 0; i < 10000; i++) {
        char text[32];
        int n = snprintf(text, sizeof text, "m,i=%d", i);
        struct str head = {text, (size_t)n};
        struct push_entry *e;
        bool is_new;
        uint64_t hash = push_cache_hash(head);
        assert_int_equal(push_cache_lock(c, head, hash, &e, &is_new), 0);
        assert_true(is_new);
        assert_non_null(push_entry_add(c, e, STR("value")));
        push_cache_unlock(c, hash, e, false);
    }
    assert_in_range(push_cache_entries(c), 16, 1000);
    push_cache_free(c);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(fields_become_series),
        CASE(names_are_made_valid),
        CASE(a_line_without_time_is_now),
        CASE(times_before_the_epoch_round_down),
        CASE(the_last_of_a_millisecond_wins),
        CASE(strings_are_counted_not_stored),
        CASE(bad_lines_do_not_hurt_good_ones),
        CASE(a_bad_line_leaves_nothing),
        CASE(known_lines_cost_no_lookup_and_no_allocation),
        CASE(stale_refs_are_looked_up_again),
        CASE(series_over_the_limit_are_dropped_samples),
        CASE(too_many_tags_are_dropped_samples),
        CASE(samples_out_of_time_are_told),
        CASE(a_full_disk_ends_the_request),
        CASE(big_bodies_go_in_pieces),
        CASE(counters_add_up),
        CASE(refused_memory_fails_cleanly),
        CASE(many_threads_push_at_once),
        cmocka_unit_test(the_cache_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
