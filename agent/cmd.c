/* cmd.c -- finds the subcommand, reads its options by its table.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cmds.h"

enum { HELP_MAX = 1 << 16, WORDS_MAX = 64 };

// clang-format off
const struct cmd_option global_options[] = {
    {.name = "--color", .arg = "auto|always|never", .dflt = "auto",
     .help = "colours; auto: on a terminal, unless NO_COLOR is set"},
    {.name = "--quiet", .letter = 'q', .help = "no warnings and notes on standard error"},
    {.name = "--help", .letter = 'h', .help = "this page"},
    {0},
};
// clang-format on

/* --- options --- */

const struct cmd_option *cmd_option_at(const struct command *command, size_t i)
{
    const struct cmd_option *lists[] = {
        command->options,
        command->asks ? client_options : NULL,
        global_options,
    };
    assert(i < CMD_OPTIONS_MAX);
    for (size_t k = 0; k < COUNT(lists); k++)
        for (const struct cmd_option *o = lists[k]; o && o->name; o++)
            if (i-- == 0) return o;
    return NULL;
}

static int find_option(const struct command *command, struct str given)
{
    const struct cmd_option *o;
    for (size_t i = 0; (o = cmd_option_at(command, i)); i++) {
        if (str_eq(str_of(o->name), given)) return (int)i;
        if (o->letter && given.len == 2 && given.p[0] == '-' && given.p[1] == o->letter)
            return (int)i;
    }
    return -1;
}

static int unknown_option(const struct command *command, struct str given)
{
    const char *names[CMD_OPTIONS_MAX];
    const struct cmd_option *o;
    size_t count = 0;
    while ((o = cmd_option_at(command, count)))
        names[count++] = o->name;
    if (!command->name[0] && count < COUNT(names)) names[count++] = "--version";
    const char *near = str_nearest(given, names, count), *blank = command->name[0] ? " " : "";
    if (near)
        return cmd_fail(EXIT_USAGE, "unknown option \"%.*s\", did you mean \"%s\"?", (int)given.len,
                        given.p, near);
    return cmd_fail(EXIT_USAGE, "unknown option \"%.*s\", see: tocsin%s%s --help", (int)given.len,
                    given.p, blank, command->name);
}

bool cmd_next_choice(struct str *choices, struct str *one)
{
    if (!choices->p) return false;
    *one = str_split(choices, '|');
    return true;
}

/* "what" is not one of "a|b|c": says so, and returns EXIT_USAGE; EXIT_OK when it is. */
static int check_choice(const char *what, const char *choices, struct str value)
{
    struct buf list = BUF_INIT(HELP_MAX);
    struct str rest = str_of(choices), one;
    bool found = false;
    while (cmd_next_choice(&rest, &one)) {
        found |= str_eq(one, value);
        buf_addf(&list, "%s%.*s", !list.len ? "" : rest.p ? ", " : " or ", (int)one.len, one.p);
    }
    int code = EXIT_OK;
    if (!found)
        code = cmd_fail(EXIT_USAGE, "%s: \"%.*s\" is not %s", what, (int)value.len, value.p,
                        list.p ? list.p : "");
    buf_release(&list);
    return code;
}

/* Reads argv[*i] as an option; moves *i past a value of its own. */
static int read_option(struct cmd *c, int argc, char **argv, int *i)
{
    struct str value = str_of(argv[*i]), name = str_split(&value, '=');
    int k = find_option(c->command, name);
    if (k < 0) return unknown_option(c->command, name);
    const struct cmd_option *o = cmd_option_at(c->command, (size_t)k);
    if (!o->arg) {
        if (value.p) return cmd_fail(EXIT_USAGE, "option %s takes no value", o->name);
        c->values[k] = "";
        return EXIT_OK;
    }
    if (!value.p) {
        if (*i + 1 == argc) return cmd_fail(EXIT_USAGE, "option %s needs %s", o->name, o->arg);
        value = str_of(argv[++*i]);
    }
    c->values[k] = value.p;
    return cmd_is_choice(o->arg) ? check_choice(o->name, o->arg, value) : EXIT_OK;
}

/* Options may stand anywhere; positional arguments are gathered at the front of c->args. */
static int read_words(struct cmd *c, int argc, char **argv)
{
    bool only_args = false;
    for (int i = 0; i < argc; i++) {
        char *arg = argv[i];
        if (!only_args && strcmp(arg, "--") == 0) {
            only_args = true;
        } else if (!only_args && arg[0] == '-' && arg[1] != '\0') {
            int code = read_option(c, argc, argv, &i);
            if (code != EXIT_OK) return code;
        } else {
            c->args[c->arg_count++] = arg;
        }
    }
    return EXIT_OK;
}

static int check_arguments(const struct cmd *c)
{
    const struct command *command = c->command;
    if (c->arg_count < command->min_args)
        return cmd_fail(EXIT_USAGE, "%s needs %s, see: tocsin %s --help", command->name,
                        command->synopsis, command->name);
    if (command->max_args >= 0 && c->arg_count > command->max_args)
        return cmd_fail(EXIT_USAGE, "unexpected argument \"%s\", see: tocsin %s --help",
                        c->args[command->max_args], command->name);
    if (c->arg_count && cmd_is_choice(command->synopsis))
        return check_choice(command->name, command->synopsis, str_of(c->args[0]));
    return EXIT_OK;
}

/* --- values --- */

const char *cmd_value(const struct cmd *c, const char *name)
{
    int k = find_option(c->command, str_of(name));
    assert(k >= 0);
    const struct cmd_option *o = cmd_option_at(c->command, (size_t)k);
    const char *env = o->env ? getenv(o->env) : NULL;
    if (c->values[k]) return c->values[k];
    return env && env[0] ? env : o->dflt;
}

int cmd_duration(const struct cmd *c, const char *name, int64_t *out_ms)
{
    struct errmsg err = {0};
    const char *text = cmd_value(c, name);
    if (!text) return EXIT_OK;
    if (str_to_duration(str_of(text), out_ms, &err) < 0)
        return cmd_fail(EXIT_USAGE, "%s: %s%s%s", name, err.text, err.hint[0] ? "; " : "",
                        err.hint);
    if (*out_ms <= 0) return cmd_fail(EXIT_USAGE, "%s must be longer than nothing", name);
    return EXIT_OK;
}

int cmd_count(const struct cmd *c, const char *name, uint64_t *out)
{
    const char *text = cmd_value(c, name);
    if (!text) return EXIT_OK;
    struct str digits = str_of(text);
    uint64_t factor = 1, v;
    if (digits.len && strchr("kM", digits.p[digits.len - 1]))
        factor = digits.p[--digits.len] == 'k' ? 1000 : 1000000;
    if (str_to_u64(digits, &v) < 0 || v == 0 || __builtin_mul_overflow(v, factor, &v))
        return cmd_fail(EXIT_USAGE, "%s: \"%s\" is no count of 1 or more, as in 50 or 10k", name,
                        text);
    *out = v;
    return EXIT_OK;
}

int cmd_time(const struct cmd *c, const char *name, int64_t *out_ms)
{
    const char *text = cmd_value(c, name);
    if (text && str_to_time(str_of(text), out_ms) < 0)
        return cmd_fail(EXIT_USAGE, "%s: \"%s\" is neither RFC 3339 nor seconds", name, text);
    return EXIT_OK;
}

/* --- finding the row --- */

/* How many of argv's words make up name; 0 when they differ. */
static int match_words(const char *name, int argc, char **argv)
{
    struct str rest = str_of(name);
    int n = 0;
    while (rest.p && rest.len) {
        struct str word = str_split(&rest, ' ');
        if (n == argc || !str_eq(word, str_of(argv[n]))) return 0;
        n++;
    }
    return n;
}

const struct command *cmd_find(int argc, char **argv, int *words)
{
    const struct command *best = NULL;
    *words = 0;
    for (size_t i = 0; i < command_count; i++) {
        int n = match_words(commands[i].name, argc, argv);
        if (n <= *words) continue;
        *words = n;
        best = &commands[i];
    }
    return best;
}

static int unknown_command(int argc, char **argv)
{
    const char *names[WORDS_MAX];
    char text[128];
    size_t count = 0;
    for (size_t i = 0; i < command_count && count < WORDS_MAX; i++)
        names[count++] = commands[i].name;
    snprintf(text, sizeof text, "%s", argv[0]);
    const char *near = str_nearest(str_of(text), names, count);
    if (argc > 1 && argv[1][0] != '-') {
        snprintf(text, sizeof text, "%s %s", argv[0], argv[1]);
        const char *two = str_nearest(str_of(text), names, count);
        if (two) near = two;
    }
    if (near)
        return cmd_fail(EXIT_USAGE, "unknown command \"%s\", did you mean \"%s\"?", text, near);
    return cmd_fail(EXIT_USAGE, "unknown command \"%s\", see: tocsin help", text);
}

/* --- help on the way --- */

static bool is_help(const char *arg)
{
    return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0;
}

static int print_help(const struct command *command)
{
    struct buf out = BUF_INIT(HELP_MAX);
    if (command)
        cmd_help(command, &out);
    else
        cmd_help_all(&out);
    int code = cmd_output(&out, EXIT_OK);
    buf_release(&out);
    return code;
}

/* "check" alone, or tocsin alone: what there is, to stdout when it was asked for. */
static int print_group(const char *word, bool asked)
{
    struct buf out = BUF_INIT(HELP_MAX);
    int code = EXIT_USAGE;
    if (word)
        (void)cmd_help_group(word, &out);
    else
        cmd_help_all(&out);
    if (asked)
        code = cmd_output(&out, EXIT_OK);
    else if (out.p)
        fputs(out.p, stderr);
    buf_release(&out);
    return code;
}

static bool is_group(const char *word)
{
    struct buf scratch = BUF_INIT(HELP_MAX);
    bool is = cmd_help_group(word, &scratch);
    buf_release(&scratch);
    return is;
}

int run_help(const struct cmd *c)
{
    int words;
    if (c->arg_count == 0) return print_help(NULL);
    const struct command *command = cmd_find(c->arg_count, c->args, &words);
    if (command && words == c->arg_count) return print_help(command);
    if (c->arg_count == 1 && is_group(c->args[0])) return print_group(c->args[0], true);
    return unknown_command(c->arg_count, c->args);
}

/* --- the whole line --- */

/* Options may also stand before the command, if every command that asks a daemon takes them: how
 * many words they are; < 0: told. */
static int leading_options(int argc, char **argv)
{
    static const struct command any = {.name = "", .asks = true};
    struct cmd scratch = {.command = &any};
    int i = 0;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] && !is_help(argv[i]); i++)
        if (read_option(&scratch, argc, argv, &i) != EXIT_OK) return -1;
    return i;
}

static int run_line(int argc, char **argv)
{
    int words, lead = leading_options(argc, argv);
    if (lead < 0) return EXIT_USAGE;
    char **word = argv + lead;
    int left = argc - lead;
    if (left == 0) return print_group(NULL, false);
    if (is_help(word[0])) return print_help(NULL);
    const struct command *command = cmd_find(left, word, &words);
    if (!command && is_group(word[0]) && (left == 1 || word[1][0] == '-'))
        return print_group(word[0], left > 1 && is_help(word[1]));
    if (!command) return unknown_command(left, word);
    for (int i = words; i < left && strcmp(word[i], "--") != 0; i++)
        if (is_help(word[i])) return print_help(command);
    struct cmd c = {.command = command, .args = word + words};
    int code = read_words(&c, lead, argv);
    if (code == EXIT_OK) code = read_words(&c, left - words, word + words);
    if (code == EXIT_OK) code = check_arguments(&c);
    return code == EXIT_OK ? command->run(&c) : code;
}

int cmd_main(int argc, char **argv)
{
    static char version[] = "version";
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL); /* cmd_write ends quietly instead */
    if (argc > 1 && strcmp(argv[1], "--version") == 0) argv[1] = version;
    return run_line(argc - 1, argv + 1);
}
