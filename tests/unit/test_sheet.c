/* test_sheet.c -- rows out as CSV, tab-separated and aligned.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/sheet.h"

enum { TEXT_MAX = 1 << 22 };

struct paper {
    struct buf text;
    size_t writes, refuse_at;
};

static int on_write(void *arg, struct str text)
{
    struct paper *p = arg;
    if (++p->writes == p->refuse_at) return E_CANCELED;
    return buf_add(&p->text, text.p, text.len);
}

static const struct sheet_column columns[] = {
    {"name", false},
    {"value",      true},
    {0}
};

/* Rows of "name", "value" from a NULL-terminated list. */
static void write_all(enum sheet_format format, const char *const *cells, struct paper *p)
{
    struct sheet s;
    sheet_init(&s, format, columns, on_write, p);
    for (; *cells; cells++)
        assert_int_equal(sheet_cstr(&s, *cells), 0);
    assert_int_equal(sheet_finish(&s), 0);
    sheet_release(&s);
}

static void each_format_writes_its_way(void **state)
{
    static const char *const cells[] = {"a\"b,c", "1", "\xc3\xbc\tx\x1b[31m\xff", "23", NULL};
    static const char *const none[] = {NULL};
    static const struct {
        enum sheet_format format;
        const char *const *cells;
        const char *text;
    } cases[] = {
        {SHEET_TABS,    cells, "a\"b,c\t1\n\xc3\xbc\\x09x\\x1b[31m\\xff\t23\n"           },
        {SHEET_CSV,     cells, "name,value\n\"a\"\"b,c\",1\n\xc3\xbc\tx\x1b[31m\xff,23\n"},
        {SHEET_ALIGNED, cells,
         "name                value\na\"b,c                   1\n"
         "\xc3\xbc\\x09x\\x1b[31m\\xff     23\n"                                         },
        {SHEET_TABS,    none,  ""                                                        },
        {SHEET_CSV,     none,  "name,value\n"                                            },
        {SHEET_ALIGNED, none,  "name  value\n"                                           },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct paper p = {.text = BUF_INIT(TEXT_MAX)};
        write_all(cases[i].format, cases[i].cells, &p);
        assert_string_equal(p.text.p ? p.text.p : "", cases[i].text);
        buf_release(&p.text);
    }
}

static void a_c1_control_is_shown_as_bytes(void **state)
{
    struct buf out = BUF_INIT(TEXT_MAX);
    UNUSED(state);
    put_clean(&out, STR("a\xc2\x9b\x7f\xe2\x82\xac\xed\xa0\x80"));
    assert_string_equal(out.p, "a\\xc2\\x9b\\x7f\xe2\x82\xac\\xed\\xa0\\x80");
    assert_int_equal(text_width(STR("a\xe2\x82\xac")), 2);
    buf_release(&out);
}

static void rows_go_out_before_the_last_has_come(void **state)
{
    static const enum sheet_format formats[] = {SHEET_TABS, SHEET_CSV, SHEET_ALIGNED};
    char name[32];
    UNUSED(state);
    for (size_t f = 0; f < COUNT(formats); f++) {
        struct paper p = {.text = BUF_INIT(TEXT_MAX)};
        struct sheet s;
        sheet_init(&s, formats[f], columns, on_write, &p);
        for (int i = 0; i < 20000; i++) {
            snprintf(name, sizeof name, "series %d", i);
            assert_int_equal(sheet_cstr(&s, name), 0);
            assert_int_equal(sheet_cstr(&s, "1"), 0);
        }
        assert_true(p.writes > 1);
        assert_int_equal(sheet_finish(&s), 0);
        size_t lines = 0;
        for (size_t i = 0; i < p.text.len; i++)
            lines += p.text.p[i] == '\n';
        assert_int_equal(lines, 20000 + (formats[f] != SHEET_TABS));
        sheet_release(&s);
        buf_release(&p.text);
    }
}

static void a_refused_write_ends_everything(void **state)
{
    static const enum sheet_format formats[] = {SHEET_TABS, SHEET_CSV, SHEET_ALIGNED};
    UNUSED(state);
    for (size_t f = 0; f < COUNT(formats); f++) {
        struct paper p = {.text = BUF_INIT(TEXT_MAX), .refuse_at = 1};
        struct sheet s;
        int rc = 0;
        sheet_init(&s, formats[f], columns, on_write, &p);
        for (int i = 0; i < 200000 && rc == 0; i++)
            rc = sheet_cstr(&s, "cell");
        assert_int_equal(rc, E_CANCELED);
        assert_int_equal(sheet_finish(&s), E_CANCELED);
        assert_int_equal(p.writes, 1);
        sheet_release(&s);
        buf_release(&p.text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_writes_its_way),
        cmocka_unit_test(a_c1_control_is_shown_as_bytes),
        cmocka_unit_test(rows_go_out_before_the_last_has_come),
        cmocka_unit_test(a_refused_write_ends_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
