/* test_cmd.c -- the table of commands, and everything that is printed from it: help pages, the
 * manual, docs/CLI.md, completions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/cmds.h"

enum { PAGE_MAX = 1 << 20 };

static void check_has(const struct buf *page, const char *what, const char *text)
{
    if (!page->p || !strstr(page->p, text)) fail_msg("%s lacks: %s", what, text);
}

static void rows_are_whole(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &commands[i];
        assert_true(c->purpose[0] && c->synopsis && c->run);
        assert_true(c->examples[0] && c->examples[1] && !c->examples[2]);
        assert_true(c->min_args >= 0 && (c->max_args < 0 || c->max_args >= c->min_args));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(commands[k].name, c->name);
        for (size_t k = 0; k < 2; k++)
            assert_non_null(strstr(c->examples[k], "tocsin "));
    }
}

static void options_are_told_apart(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < command_count; i++) {
        const struct cmd_option *o, *other;
        for (size_t k = 0; (o = cmd_option_at(&commands[i], k)); k++) {
            assert_true(strncmp(o->name, "--", 2) == 0 && o->help && o->help[0]);
            for (size_t m = 0; m < k && (other = cmd_option_at(&commands[i], m)); m++) {
                assert_string_not_equal(o->name, other->name);
                assert_true(!o->letter || o->letter != other->letter);
            }
            if (!cmd_is_choice(o->arg) || !o->dflt) continue;
            struct str rest = str_of(o->arg), one;
            bool found = false;
            while (cmd_next_choice(&rest, &one))
                found |= str_eq(one, str_of(o->dflt));
            assert_true(found);
        }
    }
}

static void a_help_page_says_everything(void **state)
{
    UNUSED(state);
    for (size_t i = 0; i < command_count; i++) {
        const struct command *c = &commands[i];
        const struct cmd_option *o;
        struct buf page = BUF_INIT(PAGE_MAX);
        cmd_help(c, &page);
        check_has(&page, c->name, c->purpose);
        check_has(&page, c->name, c->synopsis);
        check_has(&page, c->name, c->examples[0]);
        check_has(&page, c->name, c->examples[1]);
        check_has(&page, c->name, "Exit codes:\n  0  success\n");
        for (size_t k = 0; (o = cmd_option_at(c, k)); k++) {
            struct buf text = BUF_INIT(PAGE_MAX);
            cmd_option_text(o, &text);
            check_has(&page, c->name, text.p);
            check_has(&page, c->name, o->help);
            if (o->dflt && o->dflt[0]) check_has(&page, c->name, o->dflt);
            buf_release(&text);
        }
        buf_release(&page);
    }
}

/* As the manual writes it. */
static void put_roff(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '-')
            buf_addstr(out, "\\-");
        else if (*text == '\'')
            buf_addstr(out, "\\(aq");
        else
            buf_addch(out, *text);
    }
}

static void check_man(const struct buf *man, const char *text)
{
    struct buf roff = BUF_INIT(PAGE_MAX);
    put_roff(&roff, text);
    check_has(man, "the manual", roff.p);
    buf_release(&roff);
}

static void the_manual_says_everything(void **state)
{
    struct buf man = BUF_INIT(PAGE_MAX);
    UNUSED(state);
    cmd_man(&man);
    for (size_t i = 0; i < command_count; i++) {
        const struct cmd_option *o;
        check_man(&man, commands[i].purpose);
        check_man(&man, commands[i].examples[0]);
        check_man(&man, commands[i].examples[1]);
        for (size_t k = 0; (o = cmd_option_at(&commands[i], k)); k++) {
            check_man(&man, o->name);
            check_man(&man, o->help);
        }
    }
    for (size_t i = 0; i < cmd_exit_count; i++)
        check_man(&man, cmd_exits[i].text);
    for (const struct cmd_variable *v = cmd_variables; v->name; v++)
        check_man(&man, v->help);
    buf_release(&man);
}

static void the_document_is_what_the_table_prints(void **state)
{
    static char doc[PAGE_MAX];
    struct buf want = BUF_INIT(PAGE_MAX);
    UNUSED(state);
    FILE *f = fopen("docs/CLI.md", "rb");
    assert_non_null(f);
    size_t len = fread(doc, 1, sizeof doc - 1, f);
    fclose(f);
    doc[len] = '\0';
    cmd_markdown(&want);
    if (strcmp(doc, want.p) != 0)
        fail_msg("docs/CLI.md is old: build/tocsin man --markdown > docs/CLI.md");
    buf_release(&want);
}

static void completions_know_every_option(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    UNUSED(state);
    for (size_t s = 0; s < COUNT(shells); s++) {
        struct buf script = BUF_INIT(PAGE_MAX);
        cmd_completion(shells[s], &script);
        for (size_t i = 0; i < command_count; i++) {
            const struct cmd_option *o;
            struct str second = str_of(commands[i].name), first = str_split(&second, ' ');
            char word[64];
            snprintf(word, sizeof word, "%.*s", (int)first.len, first.p);
            check_has(&script, shells[s], word);
            if (second.p) check_has(&script, shells[s], second.p);
            for (size_t k = 0; (o = cmd_option_at(&commands[i], k)); k++)
                check_has(&script, shells[s], o->name + (strcmp(shells[s], "fish") == 0 ? 2 : 0));
        }
        buf_release(&script);
    }
}

static void exit_codes_are_those_that_can_happen(void **state)
{
    static const struct {
        const char *command;
        bool possible[6];
    } cases[] = {
        {"version",      {true, false, true, false, false, false}},
        {"check config", {true, true, true, true, false, false}  },
        {"check rules",  {true, true, true, true, true, true}    },
        {"query",        {true, true, true, false, true, true}   },
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < command_count; k++)
            for (int code = 0; code < 6 && strcmp(commands[k].name, cases[i].command) == 0; code++)
                assert_int_equal(cmd_exit_text(&commands[k], code) != NULL,
                                 cases[i].possible[code]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(options_are_told_apart),
        cmocka_unit_test(a_help_page_says_everything),
        cmocka_unit_test(the_manual_says_everything),
        cmocka_unit_test(the_document_is_what_the_table_prints),
        cmocka_unit_test(completions_know_every_option),
        cmocka_unit_test(exit_codes_are_those_that_can_happen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
