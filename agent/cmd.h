/* cmd.h -- the subcommands: one table of rows, one reader of options; help pages, manual, shell
 * completions and docs/CLI.md are printed from the same rows.
 *
 * stdout carries data only; problems and notices go to stderr.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_H
#define TOCSIN_AGENT_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1, /* what was checked, queried or tested is not right */
    EXIT_USAGE = 2,
    EXIT_LINT = 3,        /* warnings, under --strict */
    EXIT_UNREACHABLE = 4, /* no daemon answers */
    EXIT_REFUSED = 5,     /* the daemon answers: not permitted */
};

struct cmd_option {
    const char *name; /* "--config"; NULL ends a list */
    char letter;      /* 'o', or 0 */
    const char *arg;  /* "FILE"; "a|b|c": one of these; NULL: a switch */
    const char *dflt; /* shown and used when absent; may be NULL */
    const char *help;
    const char *env; /* the environment variable that is used when absent; may be NULL */
};

enum { CMD_OPTIONS_MAX = 32 };

struct cmd { /* one call */
    const struct command *command;
    const char *values[CMD_OPTIONS_MAX]; /* by cmd_option_at; "" for a given switch */
    char **args;                         /* positional */
    int arg_count;
};

struct command {
    const char *name;        /* "check rules" */
    const char *synopsis;    /* positional arguments: "FILE...", "bash|zsh|fish" */
    const char *purpose;     /* one line */
    const char *examples[3]; /* NULL-terminated; the tests run them */
    const char *fails;       /* what exit code 1 means; NULL: it cannot happen */
    const char *lints;       /* what exit code 3 means; NULL as above */
    bool asks;               /* a daemon: the options of cmd_client.h, exit codes 4 and 5 */
    const struct cmd_option *options; /* its own, ended by a row without a name; may be NULL */
    int min_args, max_args;           /* max -1: any */
    int (*run)(const struct cmd *c);
};
extern const struct command commands[];
extern const size_t command_count;

int cmd_main(int argc, char **argv);

/* The options a command takes, one by one: its own, those of every command that asks a daemon,
 * those of every command. NULL past the last. */
const struct cmd_option *cmd_option_at(const struct command *command, size_t i);
/* The value of an option, that of its environment variable, its default, or NULL. name must be one
 * of the command's. */
const char *cmd_value(const struct cmd *c, const char *name);
static inline bool cmd_given(const struct cmd *c, const char *name)
{
    return cmd_value(c, name) != NULL;
}
/* Options that read as a duration longer than nothing, or as a count of 1 or more (12, 10k, 2M):
 * EXIT_OK, with *out left alone when the option is absent; else EXIT_USAGE, told. */
int cmd_duration(const struct cmd *c, const char *name, int64_t *out_ms) MUST_CHECK;
int cmd_count(const struct cmd *c, const char *name, uint64_t *out) MUST_CHECK;
/* RFC 3339 or seconds, as the HTTP API takes times. */
int cmd_time(const struct cmd *c, const char *name, int64_t *out_ms) MUST_CHECK;

/* Splits "a|b|c" off its first choice; false at the end. */
bool cmd_next_choice(struct str *choices, struct str *one);
static inline bool cmd_is_choice(const char *arg)
{
    return arg && strchr(arg, '|') != NULL;
}

/* "error: ..." to stderr; returns code. */
int cmd_fail(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same as "note: ...", unless the call is quiet (-q). */
void cmd_note(const struct cmd *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Appends standard input to its end: 0, -errno, or what the buffer says. */
int cmd_read_stdin(struct buf *out) MUST_CHECK;
/* Writes to stdout: 0; E_CANCELED when nobody reads any more, which is no failure and is not told
 * (a pipe into head); -errno, told. */
int cmd_write(struct str text) MUST_CHECK;
/* The same for sheet_init; arg is not looked at. */
int cmd_sheet_write(void *arg, struct str text);
/* The exit code of what writing rows came to: nobody reading any more is fine, what cmd_write has
 * not told is told. */
int cmd_written(int rc);
/* Writes a buffer to stdout and returns code, or EXIT_FAILED when that fails. */
int cmd_output(const struct buf *b, int code);

/* The row of the words at argv[0..], and how many words it took; NULL: none. */
const struct command *cmd_find(int argc, char **argv, int *words);

/* --- printed from the table (cmd_help.c, cmd_man.c, cmd_completion.c) --- */

struct cmd_exit {
    int code;
    const char *text; /* what it means in general */
};
extern const struct cmd_exit cmd_exits[];
extern const size_t cmd_exit_count;
/* What an exit code means for a command (NULL: for all), or NULL when it cannot happen. */
const char *cmd_exit_text(const struct command *command, int code);
/* "-o, --output table|json" as help pages and manual show an option. */
void cmd_option_text(const struct cmd_option *o, struct buf *out);
/* "tocsin check rules [OPTIONS] FILE..." */
void cmd_usage_text(const struct command *command, struct buf *out);
/* " (default: x)", also of the environment; nothing without one. */
void cmd_default_text(const struct cmd_option *o, struct buf *out);

/* Environment variables that a run looks at; the last has no name. */
struct cmd_variable {
    const char *name, *help;
};
extern const struct cmd_variable cmd_variables[];

void cmd_help(const struct command *command, struct buf *out);
void cmd_help_all(struct buf *out);
/* The commands whose name begins with a word ("check"); false when there are none. */
bool cmd_help_group(const char *word, struct buf *out);
void cmd_man(struct buf *out);      /* tocsin(1), in roff's man macros */
void cmd_markdown(struct buf *out); /* docs/CLI.md */
/* shell: "bash", "zsh" or "fish". */
void cmd_completion(const char *shell, struct buf *out);

#endif
