/* cmd.h -- the subcommands: one table of rows, one reader of options, one printer of help.
 *
 * stdout carries data only; problems and notices go to stderr.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_H
#define TOCSIN_AGENT_CMD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"

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
    const char *arg;  /* "FILE"; NULL: a switch */
    const char *dflt; /* shown and used when absent; may be NULL */
    const char *help;
};

enum { CMD_OPTIONS_MAX = 16 };

struct cmd { /* one call */
    const struct command *command;
    const char *values[CMD_OPTIONS_MAX]; /* by the command's options; "" for a given switch */
    char **args;                         /* positional */
    int arg_count;
};

struct command {
    const char *name;                 /* "check rules" */
    const char *synopsis;             /* positional arguments: "FILE..." */
    const char *purpose;              /* one line */
    const char *examples[3];          /* NULL-terminated */
    const char *exits;                /* exit codes beyond 0 and 2, one text */
    const struct cmd_option *options; /* ended by a row without a name */
    int min_args, max_args;           /* max -1: any */
    int (*run)(const struct cmd *c);
};
extern const struct command commands[];
extern const size_t command_count;

int cmd_main(int argc, char **argv);
/* The value of an option, its default, or NULL. name must be one of the command's. */
const char *cmd_value(const struct cmd *c, const char *name);
static inline bool cmd_given(const struct cmd *c, const char *name)
{
    return cmd_value(c, name) != NULL;
}
/* "error: ..." to stderr; returns code. */
int cmd_fail(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Writes a buffer to stdout; EXIT_FAILED when that fails. */
int cmd_output(const struct buf *b, int code);
void cmd_help(const struct command *command, struct buf *out);
void cmd_help_all(struct buf *out);
/* The row of the words at argv[0..], and how many words it took; NULL: none. */
const struct command *cmd_find(int argc, char **argv, int *words);

#endif
