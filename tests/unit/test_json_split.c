/* test_json_split.c -- elements of an array inside a JSON text, however the text is cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/json_split.h"

enum { TEXT_MAX = 1 << 20 };

struct taken {
    struct buf text; /* elements, each ended by ';' */
    size_t count, stop_at;
};

static int take(void *arg, struct str element)
{
    struct taken *t = arg;
    buf_add(&t->text, element.p, element.len);
    buf_addch(&t->text, ';');
    return ++t->count == t->stop_at ? E_CANCELED : 0;
}

static int feed(struct json_split *s, const char *text, size_t piece)
{
    int rc = 0;
    for (struct str left = str_of(text); left.len && rc == 0;) {
        size_t n = left.len < piece ? left.len : piece;
        rc = json_split_feed(s, (struct str){left.p, n});
        left.p += n;
        left.len -= n;
    }
    return rc;
}

static const struct {
    const char *path, *text, *elements, *rest;
} cases[] = {
    {"data",        "{\"status\":\"success\",\"data\":[\"a\",\"b\"]}",                             "\"a\";\"b\";",
     "{\"status\":\"success\",\"data\":[]}"                                                                                                                                                        },
    {"data",        "{\"data\":[]}",                                                               "",                          "{\"data\":[]}"                                                    },
    {"data",        " { \"data\" : [ 1 , 2 ] , \"x\" : [3] } ",                                    "1;2;",
     " { \"data\" : [] , \"x\" : [3] } "                                                                                                                                                           },
    {"data",        "{\"data\":[{\"a\":\"]\"},{\"b\":[1,2,{\"c\":\"}\"}]}],\"warnings\":[\"w\"]}",
     "{\"a\":\"]\"};{\"b\":[1,2,{\"c\":\"}\"}]};",                                                                              "{\"data\":[],\"warnings\":[\"w\"]}"                               },
    {"data",        "{\"data\":[\"a\\\"],\\\\\",\"b, c\"]}",                                       "\"a\\\"],\\\\\";\"b, c\";", "{\"data\":[]}"                                                    },
    {"data",        "{\"x\":{\"data\":[1]},\"data\":[2]}",                                         "2;",                        "{\"x\":{\"data\":[1]},\"data\":[]}"                               },
    {"data",        "{\"x\":\"data\",\"y\":[\"data\",[1]],\"data\":[2]}",                          "2;",
     "{\"x\":\"data\",\"y\":[\"data\",[1]],\"data\":[]}"                                                                                                                                           },
    {"data",        "{\"data\":{\"result\":[1]}}",                                                 "",                          "{\"data\":{\"result\":[1]}}"                                      },
    {"data",        "[{\"data\":[1]}]",                                                            "",                          "[{\"data\":[1]}]"                                                 },
    {"data.result", "{\"data\":{\"resultType\":\"vector\",\"result\":[{\"m\":1}],\"stats\":{}}}",
     "{\"m\":1};",                                                                                                              "{\"data\":{\"resultType\":\"vector\",\"result\":[],\"stats\":{}}}"},
    {"data.result", "{\"data\":{\"result\":[1435781451.781,\"1\"]}}",                              "1435781451.781;\"1\";",
     "{\"data\":{\"result\":[]}}"                                                                                                                                                                  },
    {"data.result", "{\"data\":{\"x\":{\"result\":[1]},\"result\":[2]},\"result\":[3]}",           "2;",
     "{\"data\":{\"x\":{\"result\":[1]},\"result\":[]},\"result\":[3]}"                                                                                                                            },
    {"data.result", "{\"data\":[{\"result\":[1]}]}",                                               "",                          "{\"data\":[{\"result\":[1]}]}"                                    },
    {"data.result", "{\"data\":{},\"result\":[1]}",                                                "",                          "{\"data\":{},\"result\":[1]}"                                     },
    {NULL,          "{\"data\":[1,2]}",                                                            "",                          "{\"data\":[1,2]}"                                                 },
    {"data",        "<html>\"[not JSON]\"}]}]</html>",                                             "",                          "<html>\"[not JSON]\"}]}]</html>"                                  },
    {"data",        "",                                                                            "",                          ""                                                                 },
};

static void elements_come_whole_however_the_text_is_cut(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece <= 16; piece++) {
            struct json_split s;
            struct buf rest = BUF_INIT(TEXT_MAX);
            struct taken t = {.text = BUF_INIT(TEXT_MAX)};
            json_split_init(&s, cases[i].path, take, &t);
            assert_int_equal(feed(&s, cases[i].text, piece), 0);
            assert_int_equal(json_split_rest(&s, false, &rest), 0);
            assert_string_equal(t.text.p ? t.text.p : "", cases[i].elements);
            assert_string_equal(rest.p ? rest.p : "", cases[i].rest);
            json_split_release(&s);
            buf_release(&t.text);
            buf_release(&rest);
        }
}

static void nesting_of_any_depth_is_one_element(void **state)
{
    struct json_split s;
    struct buf text = BUF_INIT(TEXT_MAX);
    struct taken t = {.text = BUF_INIT(TEXT_MAX)};
    UNUSED(state);
    buf_addstr(&text, "{\"data\":[");
    for (int i = 0; i < 1000; i++)
        buf_addstr(&text, i % 2 ? "[" : "{\"data\":");
    for (int i = 999; i >= 0; i--)
        buf_addch(&text, i % 2 ? ']' : '}');
    buf_addstr(&text, ",7]}");
    json_split_init(&s, "data", take, &t);
    assert_int_equal(json_split_feed(&s, (struct str){text.p, text.len}), 0);
    assert_int_equal(t.count, 2);
    json_split_release(&s);
    buf_release(&text);
    buf_release(&t.text);
}

static void what_came_before_the_array_can_be_read_inside_it(void **state)
{
    struct json_split s;
    struct buf rest = BUF_INIT(TEXT_MAX);
    struct taken t = {.text = BUF_INIT(TEXT_MAX)};
    UNUSED(state);
    json_split_init(&s, "data.result", take, &t);
    assert_int_equal(feed(&s, "{\"data\":{\"resultType\":\"matrix\",\"result\":[{\"a\":1},{", 5),
                     0);
    assert_int_equal(json_split_rest(&s, true, &rest), 0);
    assert_string_equal(rest.p, "{\"data\":{\"resultType\":\"matrix\",\"result\":[]}}");
    json_split_release(&s);
    buf_release(&t.text);
    buf_release(&rest);
}

static void the_taker_ends_it(void **state)
{
    struct json_split s;
    struct taken t = {.text = BUF_INIT(TEXT_MAX), .stop_at = 2};
    UNUSED(state);
    json_split_init(&s, "data", take, &t);
    assert_int_equal(feed(&s, "{\"data\":[1,2,3]}", 100), E_CANCELED);
    assert_string_equal(t.text.p, "1;2;");
    json_split_release(&s);
    buf_release(&t.text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_whole_however_the_text_is_cut),
        cmocka_unit_test(nesting_of_any_depth_is_one_element),
        cmocka_unit_test(what_came_before_the_array_can_be_read_inside_it),
        cmocka_unit_test(the_taker_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
