/* test_promql_lex.c -- tokens, numbers, strings, and where the lexer gives up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tsdb/labels.h"
#include "tsdb/promql/ast.h"
#include "tsdb/promql/lex.h"

/* One letter a token kind, so that a token list is a word. */
static const char letters[] = "$!imsnd(){}[],:@=~oak";

static void kinds_of(const char *text, char *out, size_t size)
{
    struct lexer lx;
    struct token t;
    size_t len = 0;
    lexer_init(&lx, str_of(text));
    do {
        t = lexer_next(&lx);
        if (len + 1 < size) out[len++] = letters[t.kind];
    } while (t.kind != TOK_EOF && t.kind != TOK_ERROR);
    out[len] = '\0';
}

static void texts_become_tokens(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text, *kinds;
    } rows[] = {
        {"",                            "$"           },
        {"  # only a comment",          "$"           },
        {"a b:c :d",                    "imm$"        },
        {"1 .5 0x1F 1e3 1_000 Inf nan", "nnnnnnn$"    },
        {"5m 1h30m 100ms 1y2w3d",       "dddd$"       },
        {"'a' \"b\" `c`",               "sss$"        },
        {"a{b=\"c\",d!~'e'}",           "i{i~s,i~s}$" },
        {"{and=\"x\", sum!=\"y\"}",     "{i~s,i~s}$"  },
        {"a and b OR c unless d",       "ioioioi$"    },
        {"a</b >/ c >= <= == != < >",   "ioioioooooo$"},
        {"sum by (x) (y)",              "ak(i)(i)$"   },
        {"SUM BY (x)",                  "ak(i)$"      },
        {"a[5m:1m]",                    "i[d:d]$"     },
        {"a[step()*2]",                 "i[k()on]$"   },
        {"a @ 1 offset 5m",             "i@nkd$"      },
        {"a # b\n+ c",                  "ioi$"        },
        {"a = b",                       "i=i$"        },
        {"a{b=\"c\" # }\n}",            "i{i~s}$"     },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char got[64];
        kinds_of(rows[i].text, got, sizeof got);
        if (strcmp(got, rows[i].kinds) != 0)
            fail_msg("%s: %s, not %s", rows[i].text, got, rows[i].kinds);
    }
}

static void wrong_text_is_an_error_with_its_place(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text;
        uint32_t start;
        const char *message;
    } rows[] = {
        {"a & b",      2, "unexpected character: '&'"                        },
        {"a \x01",     2, "unexpected character: '\\x01'"                    },
        {"a \xc3\xa4", 2, "unexpected character: '\xc3\xa4'"                 },
        {"1 !~ 1",     2, "unexpected character after '!': '~'"              },
        {"1 =~ 1",     2, "unexpected character after '=': '~'"              },
        {"}",          0, "unexpected character: '}'"                        },
        {"a{b*",       3, "unexpected character inside braces: '*'"          },
        {"a{b",        3, "unexpected end of input inside braces"            },
        {"a{b!c",      3, "unexpected character after '!' inside braces: 'c'"},
        {"a{{",        2, "unexpected left brace '{'"                        },
        {"a[5m",       4, "unclosed left bracket"                            },
        {"a[\"5m\"]",  2, "unexpected character in duration expression: '\"'"},
        {"a[x]",       2, "unexpected character: 'x', expected ':'"          },
        {"(a",         2, "unclosed left parenthesis"                        },
        {"a)",         2, "unexpected right parenthesis ')'"                 },
        {"a]",         2, "unexpected right bracket ']'"                     },
        {"5mm",        0, "bad number or duration syntax: \"5mm\""           },
        {"1__0",       0, "bad number or duration syntax: \"1__\""           },
        {"1_",         0, "bad number or duration syntax: \"1_\""            },
        {"100..4",     0, "bad number or duration syntax: \"100..\""         },
        {"0deadbeef",  0, "bad number or duration syntax: \"0de\""           },
        {"5m30x",      0, "bad number or duration syntax: \"5m30\""          },
        {"0x",         0, "bad number or duration syntax: \"0x\""            },
        {"1e",         0, "bad number or duration syntax: \"1e\""            },
        {"'a",         0, "unterminated quoted string"                       },
        {"'a\n'",      0, "unterminated quoted string"                       },
        {"`a",         0, "unterminated raw string"                          },
        {"'\\",        0, "escape sequence not terminated"                   },
        {"'\\x4",      0, "escape sequence not terminated"                   },
        {"'\\q'",      0, "unknown escape sequence U+0071 'q'"               },
        {"'\\x4g'",    0, "illegal character U+0067 'g' in escape sequence"  },
        {"'\\ud800'",  0, "escape sequence is an invalid Unicode code point" },
        {"'\\400'",    0, "escape sequence is an invalid Unicode code point" },
        {"'\xff'",     0, "invalid UTF-8 rune"                               },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct lexer lx;
        struct token t;
        lexer_init(&lx, str_of(rows[i].text));
        do
            t = lexer_next(&lx);
        while (t.kind != TOK_EOF && t.kind != TOK_ERROR);
        if (t.kind != TOK_ERROR) fail_msg("%s: accepted", rows[i].text);
        if (strcmp(lx.error.text, rows[i].message) != 0 || t.start != rows[i].start)
            fail_msg("%s: at %u: %s", rows[i].text, t.start, lx.error.text);
    }
}

static void numbers_have_their_value(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        {"0",       0       },
        {"5.",      5       },
        {".5",      0.5     },
        {"1e3",     1000    },
        {"1_000.5", 1000.5  },
        {"0755",    493     },
        {"0799",    799     },
        {"0.5",     0.5     },
        {"0x1F",    31      },
        {"0X_ff",   255     },
        {"0_17",    15      },
        {"Inf",     HUGE_VAL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        double v = -1;
        assert_int_equal(lex_number(str_of(rows[i].text), &v), 0);
        if (v != rows[i].value) fail_msg("%s is %g", rows[i].text, v);
    }
    double v = 0;
    assert_int_equal(lex_number(STR("NaN"), &v), 0);
    assert_true(isnan(v));
    assert_int_equal(lex_number(STR("0xffffffffffffffffff"), &v), E_PARSE);
    assert_int_equal(lex_number(STR("1e999"), &v), E_PARSE);
}

static void strings_lose_quotes_and_escapes(void **state)
{
    UNUSED(state);
    static const struct {
        const char *raw, *value;
    } rows[] = {
        {"''",                                ""                          },
        {"'it\\'s'",                          "it's"                      },
        {"\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\"", "\a\b\f\n\r\t\v\\\""        },
        {"`raw \\n`",                         "raw \\n"                   },
        {"'\\x41\\101\\u00e4\\U0001f600'",    "AA\xc3\xa4\xf0\x9f\x98\x80"},
        {"'\\xff'",                           "\xff"                      },
    };
    struct arena a;
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct str got;
        assert_int_equal(lex_unquote(str_of(rows[i].raw), &a, &got), 0);
        if (!str_eq(got, str_of(rows[i].value)))
            fail_msg("%s: %.*s", rows[i].raw, (int)got.len, got.p);
    }
    arena_release(&a);
}

static void tokens_are_named_as_prometheus_names_them(void **state)
{
    UNUSED(state);
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"",      "end of input"      },
        {"foo",   "identifier \"foo\""},
        {"by",    "<by>"              },
        {"*",     "<op:*>"            },
        {"sum",   "<aggr:sum>"        },
        {"=",     "\"=\""             },
        {"5m",    "duration \"5m\""   },
        {"5",     "number \"5\""      },
        {"'a b'", "string 'a b'"      },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct lexer lx;
        char got[128];
        lexer_init(&lx, str_of(rows[i].text));
        token_describe(&lx, lexer_next(&lx), got, sizeof got);
        assert_string_equal(got, rows[i].name);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_tokens),
        cmocka_unit_test(wrong_text_is_an_error_with_its_place),
        cmocka_unit_test(numbers_have_their_value),
        cmocka_unit_test(strings_lose_quotes_and_escapes),
        cmocka_unit_test(tokens_are_named_as_prometheus_names_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
