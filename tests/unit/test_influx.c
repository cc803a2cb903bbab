/* test_influx.c -- the reader of line protocol.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <time.h>

#include <cmocka.h>

#include "collector/influx.h"
#include "collector/influx_int.h"
#include "core/buf.h"

static void print_value(const struct influx_value *v, struct buf *out)
{
    switch (v->type) {
    case INFLUX_FLOAT:
        buf_adddouble(out, v->f);
        break;
    case INFLUX_INT:
        buf_addf(out, "%lldi", (long long)v->i);
        break;
    case INFLUX_UINT:
        buf_addf(out, "%lluu", (unsigned long long)v->u);
        break;
    case INFLUX_BOOL:
        buf_addstr(out, v->b ? "true" : "false");
        break;
    case INFLUX_STRING:
        buf_addf(out, "'%.*s'", (int)v->s.len, v->s.p);
        break;
    }
}

static void print_point(const struct influx_point *p, struct buf *out)
{
    buf_addf(out, "[%.*s]", (int)p->measurement.len, p->measurement.p);
    for (size_t i = 0; i < p->tag_count; i++)
        buf_addf(out, " [%.*s]=[%.*s]", (int)p->tags[i].key.len, p->tags[i].key.p,
                 (int)p->tags[i].value.len, p->tags[i].value.p);
    buf_addch(out, ';');
    for (size_t i = 0; i < p->field_count; i++) {
        buf_addf(out, " [%.*s]=", (int)p->fields[i].key.len, p->fields[i].key.p);
        print_value(&p->fields[i].value, out);
    }
    if (p->has_time) buf_addf(out, " @%lld", (long long)p->time_ns);
    buf_addch(out, '\n');
}

/* All points and problems of an input, in order. */
static void check_reads(struct str input, enum influx_precision precision, const char *want)
{
    struct buf out = BUF_INIT(1 << 20);
    struct arena a;
    struct influx x;
    struct influx_point p;
    struct errmsg err = {0};
    arena_init(&a, 1 << 20);
    influx_init(&x, input, precision);
    for (int rc; (rc = influx_next(&x, &a, &p, &err)) != 0;) {
        if (rc == 1)
            print_point(&p, &out);
        else
            buf_addf(&out, "error %d:%d\n", err.line, err.column);
    }
    assert_int_equal(out.err, 0);
    assert_string_equal(out.p ? out.p : "", want);
    buf_release(&out);
    arena_release(&a);
}

static void lines_are_read(void **state)
{
    UNUSED(state);
    static const struct {
        const char *input, *want;
    } rows[] = {
        {"", ""},
        {"\n \r\n# comment\n", ""},
        {"m v=1", "[m]; [v]=1\n"},
        {"m v=1 5\n", "[m]; [v]=1 @5\n"},
        {"  m   v=1   -5  \r\n", "[m]; [v]=1 @-5\n"},
        {"m,b=2,a=1 v=1", "[m] [a]=[1] [b]=[2]; [v]=1\n"},
        {"m i=-3i,u=4u,t=T,f=false,s=\"x\"", "[m]; [i]=-3i [u]=4u [t]=true [f]=false [s]='x'\n"},
        {"m\\ x\\,y,k\\=1\\ 2=a\\,b v\\=w=.5", "[m x,y] [k=1 2]=[a,b]; [v=w]=0.5\n"},
        {"m\\=x,a=\\\\ v=1", "error 1:12\n"},
        {"m\\=x,a=\\\\\\  v=1", "[m\\=x] [a]=[\\\\ ]; [v]=1\n"},
        {"m s=\"a\\\"b\\\\c\\n\\x, \"", "[m]; [s]='a\"b\\c\n\\x, '\n"},
        {"m s=\"two\nlines\",v=1\nn v=2x\n", "[m]; [s]='two\nlines' [v]=1\nerror 3:5\n"},
        {"m v=1e3\nm v=-.5\nm v=5.\n", "[m]; [v]=1000\n[m]; [v]=-0.5\n[m]; [v]=5\n"},
        /* a bad line does not stop the next one */
        {"m\nm v=1\n", "error 1:2\n[m]; [v]=1\n"},
        {"m,a=1,a=2 v=1\nm v=2", "error 1:1\n[m]; [v]=2\n"},
        {"m,a= v=1", "error 1:5\n"},
        {"m, v=1", "error 1:3\n"},
        {"m,a v=1", "error 1:3\n"},
        {"m,a=1", "error 1:6\n"},
        {"m ", "error 1:3\n"},
        {"m v", "error 1:4\n"},
        {"m v=", "error 1:5\n"},
        {"m v=1,", "error 1:7\n"},
        {"m v=1i1", "error 1:5\n"},
        {"m v=9223372036854775808i", "error 1:5\n"},
        {"m v=-1u", "error 1:5\n"},
        {"m v=1e999", "error 1:5\n"},
        {"m v=-inf", "error 1:5\n"},
        {"m v=NaN", "error 1:5\n"},
        {"m v=tru", "error 1:5\n"},
        {"m v=\"x", "error 1:5\n"},
        {"m v=\"x\"y", "error 1:8\n"},
        {"m v=1 now", "error 1:7\n"},
        {"m v=1 5 6", "error 1:9\n"},
        {"m v=1 9223372036854775808", "error 1:7\n"},
        {"\tm v=1", "error 1:1\n"},
        {"m\x01 v=1", "error 1:2\n"},
        {"m\xff v=1", "error 1:1\n"},
        {"m v=\"\xff\"", "error 1:5\n"},
        {"#\x01\nm v=1", "error 1:1\n[m]; [v]=1\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_reads(str_of(rows[i].input), INFLUX_NS, rows[i].want);
}

static void times_are_scaled(void **state)
{
    UNUSED(state);
    check_reads(STR("m v=1 5"), INFLUX_US, "[m]; [v]=1 @5000\n");
    check_reads(STR("m v=1 5"), INFLUX_MS, "[m]; [v]=1 @5000000\n");
    check_reads(STR("m v=1 5"), INFLUX_S, "[m]; [v]=1 @5000000000\n");
    check_reads(STR("m v=1 5"), INFLUX_M, "[m]; [v]=1 @300000000000\n");
    check_reads(STR("m v=1 5"), INFLUX_H, "[m]; [v]=1 @18000000000000\n");
    check_reads(STR("m v=1 2562048"), INFLUX_H, "error 1:7\n");
}

static void precisions_have_names(void **state)
{
    UNUSED(state);
    enum influx_precision p;
    assert_int_equal(influx_precision_of(STR("ns"), &p), 0);
    assert_int_equal(p, INFLUX_NS);
    assert_int_equal(influx_precision_of(STR("u"), &p), 0);
    assert_int_equal(p, INFLUX_US);
    assert_int_equal(influx_precision_of(STR("h"), &p), 0);
    assert_int_equal(p, INFLUX_H);
    assert_int_equal(influx_precision_of(STR(""), &p), E_INVALID);
    assert_int_equal(influx_precision_of(STR("d"), &p), E_INVALID);
}

static void too_many_tags_end_the_line_only(void **state)
{
    UNUSED(state);
    struct buf in = BUF_INIT(1 << 20);
    buf_addch(&in, 'm');
    for (int i = 0; i <= INFLUX_TAGS_MAX; i++)
        buf_addf(&in, ",t%d=x", i);
    buf_addstr(&in, " v=1\nm v=2\n");
    struct arena a;
    struct influx x;
    struct influx_point p;
    struct errmsg err = {0};
    arena_init(&a, 1 << 20);
    influx_init(&x, (struct str){in.p, in.len}, INFLUX_NS);
    assert_int_equal(influx_next(&x, &a, &p, &err), E_PARSE);
    assert_string_equal(err.text, "too many tags");
    assert_int_equal(influx_next(&x, &a, &p, &err), 1);
    arena_release(&a);
    buf_release(&in);
}

static void a_full_arena_is_told(void **state)
{
    UNUSED(state);
    struct arena a;
    struct influx x;
    struct influx_point p;
    arena_init(&a, 16);
    influx_init(&x, STR("m,a=1,b=2 v=1\n"), INFLUX_NS);
    assert_int_equal(influx_next(&x, &a, &p, NULL), E_LIMIT);
    assert_int_equal(influx_next(&x, &a, &p, NULL), 0);
    arena_release(&a);
}

/* Every line that reads is written, and what was written reads as the same point. */
static void what_is_written_reads_back(void **state)
{
    UNUSED(state);
    static const char *const lines[] = {
        "m v=1 5",
        "m\\ x\\,y,k\\=1\\ 2=a\\,b v\\=w=0.5,i=-3i,u=18446744073709551615u,t=true 0",
        "m s=\"a\\\"b\\\\c\\n\\td, \",e=1e+06,f=5e-324 -7",
        "cpu=load,a\\b=\\\\,c v=1",
    };
    struct arena a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct buf out = BUF_INIT(1 << 16);
        struct influx x;
        struct influx_point p;
        struct errmsg err = {0};
        influx_init(&x, str_of(lines[i]), INFLUX_NS);
        assert_int_equal(influx_next(&x, &a, &p, &err), 1);
        assert_int_equal(influx_print(&p, INFLUX_NS, &out, &err), 0);
        assert_string_equal(out.p, lines[i]);
        buf_release(&out);
    }
    arena_release(&a);
}

static void what_cannot_be_written_is_refused(void **state)
{
    UNUSED(state);
    struct influx_pair tags[] = {{STR("b"), STR("1")}, {STR("a"), STR("1")}};
    struct influx_pair empty = {STR("a"), STR("")}, slash = {STR("a"), STR("x\\")};
    struct influx_field one = {STR("v"), {.type = INFLUX_FLOAT, .f = 1}};
    struct influx_field nan = {STR("v"), {.type = INFLUX_FLOAT, .f = (double)NAN}};
    const struct influx_point points[] = {
        {.measurement = STR("m")},
        {.measurement = STR(""), .fields = &one, .field_count = 1},
        {.measurement = STR("#m"), .fields = &one, .field_count = 1},
        {.measurement = STR("m\n"), .fields = &one, .field_count = 1},
        {.measurement = STR("m\xff"), .fields = &one, .field_count = 1},
        {.measurement = STR("m"), .fields = &nan, .field_count = 1},
        {.measurement = STR("m"), .tags = &empty, .tag_count = 1, .fields = &one, .field_count = 1},
        {.measurement = STR("m"), .tags = &slash, .tag_count = 1, .fields = &one, .field_count = 1},
        {.measurement = STR("m"), .tags = tags, .tag_count = 2, .fields = &one, .field_count = 1},
    };
    for (size_t i = 0; i < COUNT(points); i++) {
        struct buf out = BUF_INIT(1 << 16);
        struct errmsg err = {0};
        buf_addstr(&out, "kept");
        assert_int_equal(influx_print(&points[i], INFLUX_NS, &out, &err), E_INVALID);
        assert_true(err.text[0] != '\0');
        assert_int_equal(out.len, 4);
        buf_release(&out);
    }
}

static void times_are_cut_to_the_precision(void **state)
{
    UNUSED(state);
    struct buf out = BUF_INIT(1 << 16);
    struct influx_field one = {STR("v"), {.type = INFLUX_FLOAT, .f = 1}};
    struct influx_point p = {.measurement = STR("m"),
                             .fields = &one,
                             .field_count = 1,
                             .has_time = true,
                             .time_ns = 1999999999};
    assert_int_equal(influx_print(&p, INFLUX_S, &out, NULL), 0);
    assert_string_equal(out.p, "m v=1 1");
    buf_release(&out);
}

/* CPU time for count lines that hold nothing but a name. */
static double time_of_bare_lines(size_t count)
{
    struct buf text = BUF_INIT(1 << 24);
    for (size_t i = 0; i < count; i++)
        buf_addstr(&text, "a\n");
    struct influx x;
    struct str head;
    influx_init(&x, (struct str){text.p, text.len}, INFLUX_NS);
    clock_t began = clock();
    for (; influx_skip_blank(&x); influx_skip_line(&x))
        assert_false(influx_take_head(&x, &head));
    clock_t took = clock() - began;
    buf_release(&text);
    return (double)took;
}

static void lines_without_blanks_cost_their_length(void **state)
{
    UNUSED(state);
    double once = time_of_bare_lines(50000), eightfold = time_of_bare_lines(400000);
    assert_true(eightfold < 24 * once + 0.05 * CLOCKS_PER_SEC); /* the square would be 64 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_without_blanks_cost_their_length),
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(times_are_scaled),
        cmocka_unit_test(precisions_have_names),
        cmocka_unit_test(too_many_tags_end_the_line_only),
        cmocka_unit_test(a_full_arena_is_told),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(what_cannot_be_written_is_refused),
        cmocka_unit_test(times_are_cut_to_the_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
