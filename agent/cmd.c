/* cmd.c -- finds the subcommand, reads its options by its table, prints help from the same rows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/str.h"

enum { HELP_MAX = 1 << 16, WORDS_MAX = 64 };

int cmd_fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("error: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

int cmd_output(const struct buf *b, int code)
{
    size_t done = b->len ? fwrite(b->p, 1, b->len, stdout) : 0;
    if (b->err) return cmd_fail(EXIT_FAILED, "the output does not fit in memory");
    if (done != b->len || fflush(stdout) != 0)
        return cmd_fail(EXIT_FAILED, "cannot write the output");
    return code;
}

/* --- help --- */

static size_t count_options(const struct command *command)
{
    size_t n = 0;
    while (command->options && command->options[n].name)
        n++;
    assert(n <= CMD_OPTIONS_MAX);
    return n;
}

static void put_option(struct buf *out, const struct cmd_option *o)
{
    char left[64];
    int n = o->letter ? snprintf(left, sizeof left, "-%c, %s", o->letter, o->name)
                      : snprintf(left, sizeof left, "%s", o->name);
    if (o->arg && n > 0 && (size_t)n < sizeof left)
        snprintf(left + n, sizeof left - (size_t)n, " %s", o->arg);
    buf_addf(out, "  %-22s %s", left, o->help);
    if (o->dflt) buf_addf(out, " (default: %s)", o->dflt);
    buf_addch(out, '\n');
}

void cmd_help(const struct command *command, struct buf *out)
{
    size_t options = count_options(command);
    buf_addf(out, "tocsin %s: %s\n\nUsage: tocsin %s%s%s%s\n", command->name, command->purpose,
             command->name, options ? " [OPTIONS]" : "", command->synopsis[0] ? " " : "",
             command->synopsis);
    buf_addstr(out, "\nOptions:\n");
    for (size_t i = 0; i < options; i++)
        put_option(out, &command->options[i]);
    buf_addf(out, "  %-22s %s\n\nExamples:\n", "-h, --help", "this page");
    for (size_t i = 0; i < COUNT(command->examples) && command->examples[i]; i++)
        buf_addf(out, "  %s\n", command->examples[i]);
    buf_addf(out, "\nExit codes: 0 success%s%s, 2 wrong usage\n", command->exits ? ", " : "",
             command->exits ? command->exits : "");
}

void cmd_help_all(struct buf *out)
{
    buf_addstr(out, "tocsin: watches a machine, stores what it sees, and rings the bell.\n\n"
                    "Usage: tocsin COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
    for (size_t i = 0; i < command_count; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].synopsis);
        buf_addf(out, "  %-28s %s\n", left, commands[i].purpose);
    }
    buf_addstr(out, "\nOptions:\n"
                    "  -h, --help                   this page, or a command's\n"
                    "\nExamples:\n"
                    "  tocsin run --data ./data\n"
                    "  tocsin help query\n"
                    "\nExit codes: 0 success, 1 failed, 2 wrong usage, 3 warnings under --strict,\n"
                    "4 daemon unreachable, 5 not permitted\n");
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
    for (size_t i = 0; !near && i < count; i++) /* "check" alone */
        if (str_starts(str_of(names[i]), str_of(argv[0])) && names[i][strlen(argv[0])] == ' ')
            near = names[i];
    if (near)
        return cmd_fail(EXIT_USAGE, "unknown command \"%s\", did you mean \"%s\"?", text, near);
    return cmd_fail(EXIT_USAGE, "unknown command \"%s\", see: tocsin help", text);
}

/* --- reading options --- */

static int find_option(const struct command *command, struct str given)
{
    size_t count = count_options(command);
    for (size_t i = 0; i < count; i++) {
        const struct cmd_option *o = &command->options[i];
        if (str_eq(str_of(o->name), given)) return (int)i;
        if (o->letter && given.len == 2 && given.p[0] == '-' && given.p[1] == o->letter)
            return (int)i;
    }
    return -1;
}

static int unknown_option(const struct command *command, struct str given)
{
    const char *names[CMD_OPTIONS_MAX];
    size_t count = count_options(command);
    for (size_t i = 0; i < count; i++)
        names[i] = command->options[i].name;
    const char *near = str_nearest(given, names, count);
    if (near)
        return cmd_fail(EXIT_USAGE, "unknown option \"%.*s\", did you mean \"%s\"?", (int)given.len,
                        given.p, near);
    return cmd_fail(EXIT_USAGE, "unknown option \"%.*s\", see: tocsin %s --help", (int)given.len,
                    given.p, command->name);
}

/* Reads argv[*i] as an option; moves *i past a value of its own. */
static int read_option(struct cmd *c, int argc, char **argv, int *i)
{
    struct str value = str_of(argv[*i]), name = str_split(&value, '=');
    int k = find_option(c->command, name);
    if (k < 0) return unknown_option(c->command, name);
    const struct cmd_option *o = &c->command->options[k];
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
    return EXIT_OK;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0;
}

/* Options may stand anywhere; positional arguments are gathered at the front of argv. */
static int read_arguments(struct cmd *c, int argc, char **argv)
{
    bool only_args = false;
    c->args = argv;
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
    if (c->arg_count < c->command->min_args)
        return cmd_fail(EXIT_USAGE, "%s needs %s, see: tocsin %s --help", c->command->name,
                        c->command->synopsis, c->command->name);
    if (c->command->max_args >= 0 && c->arg_count > c->command->max_args)
        return cmd_fail(EXIT_USAGE, "unexpected argument \"%s\", see: tocsin %s --help",
                        c->args[c->command->max_args], c->command->name);
    return EXIT_OK;
}

const char *cmd_value(const struct cmd *c, const char *name)
{
    int k = find_option(c->command, str_of(name));
    assert(k >= 0);
    return c->values[k] ? c->values[k] : c->command->options[k].dflt;
}

static int help_command(int argc, char **argv)
{
    int words;
    if (argc == 0) return print_help(NULL);
    const struct command *command = cmd_find(argc, argv, &words);
    return command ? print_help(command) : unknown_command(argc, argv);
}

int cmd_main(int argc, char **argv)
{
    int words;
    if (argc < 2) {
        print_help(NULL);
        return EXIT_USAGE;
    }
    if (is_help(argv[1])) return print_help(NULL);
    if (strcmp(argv[1], "help") == 0) return help_command(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0) argv[1] += 2;
    const struct command *command = cmd_find(argc - 1, argv + 1, &words);
    if (!command) return unknown_command(argc - 1, argv + 1);
    for (int i = 1 + words; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i])) return print_help(command);
    struct cmd c = {.command = command};
    int code = read_arguments(&c, argc - 1 - words, argv + 1 + words);
    return code == EXIT_OK ? command->run(&c) : code;
}
