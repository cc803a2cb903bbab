/* test_json_scan.c -- JSON read piece by piece: the same events however it is cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The events as text: { [ ) k:name s:text n:number t f 0 */
static int trace(void *arg, enum json_event e, struct str text, struct errmsg *err)
{
    static const char *const marks[] = {
        [JSON_OBJECT] = "{", [JSON_ARRAY] = "[",   [JSON_END] = ")",
        [JSON_KEY] = "k:",   [JSON_STRING] = "s:", [JSON_NUMBER] = "n:",
        [JSON_TRUE] = "t",   [JSON_FALSE] = "f",   [JSON_NULL] = "0",
    };
    struct buf *out = arg;
    UNUSED(err);
    buf_addstr(out, marks[e]);
    if (text.len) buf_add(out, text.p, text.len);
    return buf_addch(out, ' ');
}

/* Reads text in two pieces, cut at a place; the events go to out. */
static int scan(struct str text, size_t cut, size_t max_token, struct buf *out, struct errmsg *err)
{
    struct json_scan s;
    json_scan_init(&s, max_token, trace, out);
    int rc = json_scan_feed(&s, (struct str){text.p, cut}, err);
    if (rc == 0) rc = json_scan_feed(&s, (struct str){text.p + cut, text.len - cut}, err);
    if (rc == 0) rc = json_scan_end(&s, err);
    json_scan_release(&s);
    return rc;
}

static void good_texts_give_their_events(void **state)
{
    static const struct {
        const char *text, *events;
    } rows[] = {
        {"{}",                                 "{ ) "                                    },
        {" [ ] ",                              "[ ) "                                    },
        {"[1,-2.5e+3,0]",                      "[ n:1 n:-2.5e+3 n:0 ) "                  },
        {"true",                               "t "                                      },
        {"12",                                 "n:12 "                                   },
        {"\"\"",                               "s: "                                     },
        {"[null,false,true]",                  "[ 0 f t ) "                              },
        {"{\"a\":{\"b\":[1,{}]},\"c\":\"d\"}", "{ k:a { k:b [ n:1 { ) ) ) k:c s:d ) "    },
        {"\"\\\"\\\\\\/\\t\"",                 "s:\"\\/\t "                              },
        {"\"a\\u00e9\\u20ac\\ud83d\\ude00\"",  "s:a\303\251\342\202\254\360\237\230\200 "},
        {"\"\303\251\"",                       "s:\303\251 "                             },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str text = str_of(rows[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct buf out = BUF_INIT(4096);
            struct errmsg err = {0};
            int rc = scan(text, cut, 64, &out, &err);
            if (rc) fail_msg("%s cut at %zu: %s", rows[i].text, cut, err.text);
            assert_string_equal(out.p, rows[i].events);
            buf_release(&out);
        }
    }
}

static void bad_texts_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"",                                                                           "ends too early, at byte 0"},
        {"{",                                                                          "ends too early, at byte 1"},
        {"[1",                                                                         "ends too early, at byte 2"},
        {"\"abc",                                                                      "ends too early"           },
        {"<html>",                                                                     "no value at byte 0"       },
        {"[1,]",                                                                       "no value at byte 3"       },
        {"[1 2]",                                                                      "no comma"                 },
        {"[1}",                                                                        "no comma"                 },
        {"{,}",                                                                        "no member name"           },
        {"{\"a\" 1}",                                                                  "no colon at byte 5"       },
        {"{\"a\":1,}",                                                                 "no member name"           },
        {"1 2",                                                                        "more after the end"       },
        {"nul",                                                                        "no value"                 },
        {"[NaN]",                                                                      "no value at byte 1"       },
        {"[01]",                                                                       "no value"                 },
        {"[1.]",                                                                       "no value"                 },
        {"[-]",                                                                        "no value"                 },
        {"[1e]",                                                                       "no value"                 },
        {"\"\\x\"",                                                                    "no such escape"           },
        {"\"\\u12g4\"",                                                                "hexadecimal"              },
        {"\"\\ud83d\"",                                                                "surrogate"                },
        {"\"\\ud83d\\n\"",                                                             "surrogate"                },
        {"\"\\ud83dx\"",                                                               "surrogate"                },
        {"\"\\ude00\"",                                                                "surrogate"                },
        {"\"\\ud83d\\ud83d\"",                                                         "surrogate"                },
        {"\"a\nb\"",                                                                   "control character"        },
        {"\"\377\"",                                                                   "UTF-8"                    },
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",                                          "more than 32 levels"      },
        {"\"0123456789012345678901234567890123456789012345678901234567890123456789\"",
         "more than 64 bytes"                                                                                     },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str text = str_of(rows[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct buf out = BUF_INIT(4096);
            struct errmsg err = {0};
            int rc = scan(text, cut, 64, &out, &err);
            if (rc != E_PARSE && rc != E_TOO_BIG) fail_msg("%s: taken", rows[i].text);
            if (!strstr(err.text, rows[i].why)) fail_msg("%s: %s", rows[i].text, err.text);
            buf_release(&out);
        }
    }
}

static void a_failure_is_final(void **state)
{
    struct json_scan s;
    struct buf out = BUF_INIT(64);
    struct errmsg err = {0};
    (void)state;
    json_scan_init(&s, 64, trace, &out);
    assert_int_equal(json_scan_feed(&s, STR("]"), &err), E_PARSE);
    assert_int_equal(json_scan_feed(&s, STR("1"), &err), E_PARSE);
    assert_int_equal(json_scan_end(&s, &err), E_PARSE);
    json_scan_release(&s);
    buf_release(&out);
}

static int refuse_numbers(void *arg, enum json_event e, struct str text, struct errmsg *err)
{
    (void)arg;
    return e == JSON_NUMBER ? errmsg_set(err, E_LIMIT, "no %.*s", (int)text.len, text.p) : 0;
}

static void the_callback_ends_the_reading(void **state)
{
    struct json_scan s;
    struct errmsg err = {0};
    (void)state;
    json_scan_init(&s, 64, refuse_numbers, NULL);
    assert_int_equal(json_scan_feed(&s, STR("[true,7,"), &err), E_LIMIT);
    assert_string_equal(err.text, "no 7");
    json_scan_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts_give_their_events),
        cmocka_unit_test(bad_texts_are_refused_with_their_place),
        cmocka_unit_test(a_failure_is_final),
        cmocka_unit_test(the_callback_ends_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
