/* cmd_help.c -- help pages: of everything, of a group ("check"), of one command.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/cmds.h"

enum { LEFT_COLUMN = 24, TEXT_MAX = 4096 };

const struct cmd_exit cmd_exits[] = {
    {EXIT_OK,          "success"                                    },
    {EXIT_FAILED,      "failed: what was checked, queried or tested"},
    {EXIT_USAGE,       "wrong usage"                                },
    {EXIT_LINT,        "findings: warnings under --strict, style"   },
    {EXIT_UNREACHABLE, "daemon unreachable"                         },
    {EXIT_REFUSED,     "not permitted"                              },
};
const size_t cmd_exit_count = COUNT(cmd_exits);

const struct cmd_variable cmd_variables[] = {
    {"TOCSIN_URL",                                         "the daemon to ask, when --url is not given"},
    {"NO_COLOR",                                                    "when not empty: no colours, unless --color=always"},
    {"LC_ALL, LC_CTYPE, LANG",
     "charts and trees are drawn in UTF-8 when the first one set says so, "
     "else in ASCII"},
    {"TZ",                             "the local time of charts"},
    {"COLUMNS, LINES",                                                    "the size of charts where standard output is no terminal"},
    {0},
};

const char *cmd_exit_text(const struct command *command, int code)
{
    const char *general = NULL;
    for (size_t i = 0; i < cmd_exit_count; i++)
        if (cmd_exits[i].code == code) general = cmd_exits[i].text;
    if (!command) return general;
    if (code == EXIT_FAILED) return command->fails;
    if (code == EXIT_LINT) return command->lints;
    bool of_daemon = code == EXIT_UNREACHABLE || code == EXIT_REFUSED;
    return of_daemon && !command->asks ? NULL : general;
}

void cmd_option_text(const struct cmd_option *o, struct buf *out)
{
    if (o->letter) buf_addf(out, "-%c, ", o->letter);
    buf_addf(out, "%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
}

void cmd_usage_text(const struct command *command, struct buf *out)
{
    buf_addf(out, "tocsin %s [OPTIONS]%s%s", command->name, command->synopsis[0] ? " " : "",
             command->synopsis);
}

void cmd_default_text(const struct cmd_option *o, struct buf *out)
{
    if ((!o->dflt || !o->dflt[0]) && !o->env) return;
    buf_addstr(out, " (default: ");
    if (o->env) buf_addf(out, "$%s%s", o->env, o->dflt ? ", else " : "");
    buf_addf(out, "%s)", o->dflt ? o->dflt : "");
}

/* "  left    right": right starts in its column, or on the next line. */
static void put_row(struct buf *out, const char *left, const char *right)
{
    bool fits = strlen(left) <= LEFT_COLUMN;
    if (!fits) buf_addf(out, "  %s\n", left);
    buf_addf(out, "  %-*s %s\n", LEFT_COLUMN, fits ? left : "", right);
}

static void put_option(struct buf *out, const struct cmd_option *o)
{
    struct buf left = BUF_INIT(TEXT_MAX), right = BUF_INIT(TEXT_MAX);
    cmd_option_text(o, &left);
    buf_addstr(&right, o->help);
    cmd_default_text(o, &right);
    if (!left.err && !right.err) put_row(out, left.p, right.p);
    buf_release(&left);
    buf_release(&right);
}

static void put_exits(const struct command *command, struct buf *out)
{
    buf_addstr(out, "\nExit codes:\n");
    for (size_t i = 0; i < cmd_exit_count; i++) {
        const char *text = cmd_exit_text(command, cmd_exits[i].code);
        if (text) buf_addf(out, "  %d  %s\n", cmd_exits[i].code, text);
    }
}

void cmd_help(const struct command *command, struct buf *out)
{
    const struct cmd_option *o;
    buf_addf(out, "tocsin %s: %s\n\nUsage: ", command->name, command->purpose);
    cmd_usage_text(command, out);
    buf_addstr(out, "\n\nOptions:\n");
    for (size_t i = 0; (o = cmd_option_at(command, i)); i++)
        put_option(out, o);
    buf_addstr(out, "\nExamples:\n");
    for (size_t i = 0; i < COUNT(command->examples) && command->examples[i]; i++)
        buf_addf(out, "  %s\n", command->examples[i]);
    put_exits(command, out);
}

static void put_command(struct buf *out, const struct command *command)
{
    char left[128];
    snprintf(left, sizeof left, "%s%s%s", command->name, command->synopsis[0] ? " " : "",
             command->synopsis);
    put_row(out, left, command->purpose);
}

void cmd_help_all(struct buf *out)
{
    buf_addstr(out, "tocsin: watches a machine, stores what it sees, and rings the bell.\n\n"
                    "Usage: tocsin COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
    for (size_t i = 0; i < command_count; i++)
        put_command(out, &commands[i]);
    buf_addstr(out, "\nOptions of every command:\n");
    for (const struct cmd_option *o = global_options; o->name; o++)
        put_option(out, o);
    buf_addstr(out, "\nOptions of every command that asks a daemon:\n");
    for (const struct cmd_option *o = client_options; o->name; o++)
        put_option(out, o);
    buf_addstr(out, "\nExamples:\n  tocsin run --data ./data\n  tocsin help query\n");
    put_exits(NULL, out);
}

bool cmd_help_group(const char *word, struct buf *out)
{
    struct buf list = BUF_INIT(1 << 16);
    size_t len = strlen(word);
    for (size_t i = 0; i < command_count; i++)
        if (str_starts(str_of(commands[i].name), str_of(word)) && commands[i].name[len] == ' ')
            put_command(&list, &commands[i]);
    bool any = list.len > 0;
    if (any)
        buf_addf(out, "Usage: tocsin %s COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n%s", word,
                 list.p);
    buf_release(&list);
    return any;
}
