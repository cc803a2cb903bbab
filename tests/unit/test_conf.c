/* test_conf.c -- YAML with marks, structs by table, and how problems are told.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/conf.h"

struct inner {
    bool on;
    int64_t wait_ms;
};
struct item {
    const char *name;
    int64_t count;
};
struct outer {
    struct inner inner;
    struct conf_list items;
    struct conf_strings words;
    struct conf_map labels;
    int64_t size_bytes;
    double ratio;
    int mode;
};

static const char *const modes[] = {"sync", "interval", NULL};
static const struct conf_option inner_options[] = {
    {.key = "on", .type = CONF_BOOL, .offset = offsetof(struct inner, on), .dflt = "true"},
    {.key = "wait",
     .type = CONF_DURATION,
     .offset = offsetof(struct inner, wait_ms),
     .dflt = "5s",
     .min = 1,
     .max = 60000},
};
static const struct conf_table inner_table = {.name = "inner",
                                              .size = sizeof(struct inner),
                                              .options = inner_options,
                                              .count = COUNT(inner_options)};
static const struct conf_option item_options[] = {
    {.key = "name", .type = CONF_STRING, .offset = offsetof(struct item, name), .required = true},
    {.key = "count", .type = CONF_INT, .offset = offsetof(struct item, count), .dflt = "1"},
};
static const struct conf_table item_table = {.name = "item",
                                             .size = sizeof(struct item),
                                             .options = item_options,
                                             .count = COUNT(item_options)};
static const struct conf_option outer_options[] = {
    {.key = "inner",
     .type = CONF_SUB,
     .offset = offsetof(struct outer, inner),
     .sub = &inner_table},
    {.key = "items",
     .type = CONF_LIST,
     .offset = offsetof(struct outer, items),
     .sub = &item_table},
    {.key = "words", .type = CONF_STRINGS, .offset = offsetof(struct outer, words)},
    {.key = "labels", .type = CONF_MAP, .offset = offsetof(struct outer, labels)},
    {.key = "size",
     .type = CONF_SIZE,
     .offset = offsetof(struct outer, size_bytes),
     .dflt = "1MiB"},
    {.key = "ratio", .type = CONF_DOUBLE, .offset = offsetof(struct outer, ratio), .dflt = "0.5"},
    {.key = "mode",
     .type = CONF_ENUM,
     .offset = offsetof(struct outer, mode),
     .names = modes,
     .dflt = "sync"},
};
static const struct conf_table outer_table = {
    .size = sizeof(struct outer), .options = outer_options, .count = COUNT(outer_options)};

struct fixture {
    struct arena arena;
    struct diags diags;
    struct ydoc doc;
    struct outer outer;
    struct buf told;
    int rc;
};

static void decode(struct fixture *f, const char *text)
{
    arena_init(&f->arena, 8 << 20);
    diags_init(&f->diags);
    buf_init(&f->told, 1 << 16);
    f->rc = ydoc_parse(&f->doc, "t.yaml", str_of(text), 0, &f->arena, &f->diags);
    struct conf_ctx c = {.doc = &f->doc, .arena = &f->arena, .diags = &f->diags, .expand = true};
    if (!f->rc) f->rc = conf_decode(&outer_table, f->doc.root, &f->outer, &c);
    diags_print(&f->diags, &f->told);
}

static void drop(struct fixture *f)
{
    buf_release(&f->told);
    diags_release(&f->diags);
    arena_release(&f->arena);
}

static void empty_document_gives_defaults(void **state)
{
    struct fixture f;
    UNUSED(state);
    decode(&f, "# nothing\n");
    assert_int_equal(f.rc, 0);
    assert_true(f.outer.inner.on);
    assert_int_equal(f.outer.inner.wait_ms, 5000);
    assert_int_equal(f.outer.size_bytes, 1 << 20);
    assert_int_equal(f.outer.items.count, 0);
    drop(&f);
}

static void every_type_is_decoded(void **state)
{
    struct fixture f;
    UNUSED(state);
    setenv("CONF_TEST", "from env", 1);
    decode(&f, "inner: {on: false, wait: 1m}\n"
               "items:\n- name: a\n- {name: \"${CONF_TEST}\", count: 7}\n"
               "words: [x, \"${NOT_SET_ANYWHERE:-y}\"]\nlabels: {site: \"a b\", z: \"$${k}\"}\n"
               "size: 2KiB\nratio: 1e-3\nmode: interval\n");
    assert_int_equal(f.rc, 0);
    const struct item *items = f.outer.items.v;
    assert_false(f.outer.inner.on);
    assert_int_equal(f.outer.inner.wait_ms, 60000);
    assert_int_equal(f.outer.items.count, 2);
    assert_int_equal(items[0].count, 1);
    assert_string_equal(items[1].name, "from env");
    assert_int_equal(items[1].count, 7);
    assert_string_equal(f.outer.words.v[1], "y");
    assert_true(str_eq(f.outer.labels.v[0].value, STR("a b")));
    assert_true(str_eq(f.outer.labels.v[1].value, STR("${k}")));
    assert_int_equal(f.outer.size_bytes, 2048);
    assert_true(f.outer.ratio == 1e-3);
    assert_int_equal(f.outer.mode, 1);
    drop(&f);
}

static void problems_are_told_like_a_compiler(void **state)
{
    struct fixture f;
    UNUSED(state);
    decode(&f, "inner:\n  wayt: 5s\nsize: 5mm\n");
    assert_true(f.rc < 0);
    assert_string_equal(f.told.p, "error: unknown key \"wayt\" in inner\n"
                                  "  --> t.yaml:2:3\n"
                                  "2 |   wayt: 5s\n"
                                  "  |   ^^^^ did you mean \"wait\"?\n"
                                  "error: size \"5mm\" has no unit \"mm\"\n"
                                  "  --> t.yaml:3:7\n"
                                  "3 | size: 5mm\n"
                                  "  |       ^^^ use B, KiB, MiB, GiB or TiB, as in 512MiB\n"
                                  "2 errors in 1 file\n");
    drop(&f);
}

static void broken_documents_name_the_place(void **state)
{
    static const struct {
        const char *text, *said;
        int line;
    } rows[] = {
        {"a: [1\n", "did not find expected ',' or ']'", 2},
        {"inner:\n\ton: true\n", "cannot start any token", 2},
        {"size: 1KiB\nsize: 2KiB\n", "duplicate key \"size\" (first on line 1)", 2},
        {"- a\n", "expected a mapping", 1},
        {"words: {a: b}\n", "expected a list", 1},
        {"items: x\n", "expected a list", 1},
        {"items:\n- count: 3\n", "item needs \"name\"", 2},
        {"items:\n- {name: a, count: three}\n", "not a whole number", 2},
        {"inner: {wait: 2m}\n", "out of range", 1},
        {"inner: {on: maybe}\n", "not a boolean", 1},
        {"mode: async\n", "\"async\" is not known", 1},
        {"ratio: much\n", "not a number", 1},
        {"words: [\"${NOT_SET_ANYWHERE}\"]\n", "is not set", 1},
        {"words: [\"${OPEN\"]\n", "has no \"}\"", 1},
        {"words: *nope\n", "undefined alias", 1},
        {"a: 1\n---\nb: 2\n", "second document", 2},
        {"words: [\"\xff\"]\n", "invalid leading UTF-8", 1},
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        decode(&f, rows[i].text);
        assert_true(f.rc < 0);
        assert_non_null(f.diags.first);
        assert_non_null(strstr(f.diags.first->text, rows[i].said));
        assert_int_equal(f.diags.first->line, rows[i].line);
        drop(&f);
    }
}

static void bombs_are_refused(void **state)
{
    struct fixture f;
    char deep[200];
    struct buf aliases = BUF_INIT(4 << 20);
    UNUSED(state);
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    decode(&f, deep);
    assert_non_null(strstr(f.told.p, "nested deeper than 32"));
    drop(&f);
    buf_addstr(&aliases, "a: &a x\nb: [");
    for (int i = 0; i < 101; i++)
        buf_addstr(&aliases, "*a, ");
    buf_addstr(&aliases, "]\n");
    decode(&f, aliases.p);
    assert_non_null(strstr(f.told.p, "more than 100 aliases"));
    drop(&f);
    buf_reset(&aliases);
    for (int i = 0; i < 200000; i++)
        buf_addstr(&aliases, "# pad \n\n");
    decode(&f, aliases.p);
    assert_non_null(strstr(f.told.p, "larger than"));
    drop(&f);
    buf_release(&aliases);
}

static void defaults_print_as_a_file_that_loads(void **state)
{
    struct fixture f;
    struct buf text = BUF_INIT(1 << 16);
    UNUSED(state);
    conf_print_defaults(&outer_table, &text);
    decode(&f, text.p);
    assert_int_equal(f.rc, 0);
    assert_int_equal(f.outer.inner.wait_ms, 5000);
    drop(&f);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_document_gives_defaults),
        cmocka_unit_test(every_type_is_decoded),
        cmocka_unit_test(problems_are_told_like_a_compiler),
        cmocka_unit_test(broken_documents_name_the_place),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(defaults_print_as_a_file_that_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
