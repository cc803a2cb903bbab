/* cmd_man.c -- tocsin man: the manual page tocsin(1) and docs/CLI.md, from the table of commands.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"

enum { PAGE_MAX = 1 << 20, TEXT_MAX = 4096 };

const struct cmd_option man_options[] = {
    {.name = "--markdown", .help = "as Markdown: docs/CLI.md"},
    {0                   },
};

/* --- roff --- */

/* A hyphen that is to be copied is \-; a line must not begin with a control character. */
static void put_roff(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        bool line_start = p == text && (*p == '.' || *p == '\'');
        if (line_start) buf_addstr(out, "\\&");
        if (*p == '-')
            buf_addstr(out, "\\-");
        else if (*p == '\\')
            buf_addstr(out, "\\e");
        else if (*p == '\'')
            buf_addstr(out, "\\(aq");
        else
            buf_addch(out, *p);
    }
}

static void put_roff_line(struct buf *out, const char *before, const char *text)
{
    buf_addstr(out, before);
    put_roff(out, text);
    buf_addch(out, '\n');
}

static void roff_option(struct buf *out, const struct cmd_option *o)
{
    struct buf left = BUF_INIT(TEXT_MAX), right = BUF_INIT(TEXT_MAX);
    cmd_option_text(o, &left);
    buf_addstr(&right, o->help);
    cmd_default_text(o, &right);
    buf_addstr(out, ".TP\n");
    if (!left.err && !right.err) {
        put_roff_line(out, ".B ", left.p);
        put_roff_line(out, "", right.p);
    }
    buf_release(&left);
    buf_release(&right);
}

static void roff_command(struct buf *out, const struct command *command)
{
    struct buf usage = BUF_INIT(TEXT_MAX);
    cmd_usage_text(command, &usage);
    put_roff_line(out, ".SS ", command->name);
    put_roff_line(out, ".B ", usage.p ? usage.p : "");
    put_roff_line(out, ".PP\n", command->purpose);
    for (const struct cmd_option *o = command->options; o && o->name; o++)
        roff_option(out, o);
    if (command->asks)
        buf_addstr(out, ".PP\nTakes the options of commands that ask a daemon too.\n");
    if (command->fails) {
        buf_addstr(out, ".PP\nExit status 1: ");
        put_roff_line(out, "", command->fails);
    }
    for (size_t i = 0; i < COUNT(command->examples) && command->examples[i]; i++)
        put_roff_line(out, i ? "" : ".PP\n.nf\n", command->examples[i]);
    buf_addstr(out, ".fi\n");
    buf_release(&usage);
}

static void roff_options(struct buf *out, const char *title, const struct cmd_option *o)
{
    put_roff_line(out, ".SS ", title);
    for (; o->name; o++)
        roff_option(out, o);
}

static void roff_pairs(struct buf *out)
{
    buf_addstr(out, ".SH ENVIRONMENT\n");
    for (const struct cmd_variable *v = cmd_variables; v->name; v++) {
        put_roff_line(out, ".TP\n.B ", v->name);
        put_roff_line(out, "", v->help);
    }
    buf_addstr(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < cmd_exit_count; i++) {
        buf_addf(out, ".TP\n.B %d\n", cmd_exits[i].code);
        put_roff_line(out, "", cmd_exits[i].text);
    }
}

void cmd_man(struct buf *out)
{
    buf_addf(out, ".TH TOCSIN 1 \"\" \"tocsin %s\" \"User Commands\"\n", TOCSIN_VERSION);
    buf_addstr(out, ".SH NAME\n"
                    "tocsin \\- watches a machine, stores what it sees, and rings the bell\n"
                    ".SH SYNOPSIS\n"
                    ".B tocsin\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n"
                    ".SH DESCRIPTION\n"
                    "One program: the daemon, and the commands that ask it and check its files.\n"
                    "Data goes to standard output, everything else to standard error.\n"
                    ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++)
        roff_command(out, &commands[i]);
    buf_addstr(out, ".SH OPTIONS\n");
    roff_options(out, "Of every command", global_options);
    roff_options(out, "Of commands that ask a daemon", client_options);
    roff_pairs(out);
}

/* --- Markdown --- */

/* Inside a table's cell a bar ends it, also within backquotes. */
static void put_cell(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|') buf_addch(out, '\\');
        buf_addch(out, *p);
    }
}

static void markdown_options(struct buf *out, const struct cmd_option *o)
{
    if (!o || !o->name) return;
    buf_addstr(out, "\n| option | default | |\n|---|---|---|\n");
    for (; o->name; o++) {
        struct buf left = BUF_INIT(TEXT_MAX);
        cmd_option_text(o, &left);
        buf_addstr(out, "| `");
        put_cell(out, left.p ? left.p : "");
        buf_addstr(out, "` | ");
        if (o->env) buf_addf(out, "`$%s`%s", o->env, o->dflt ? ", else " : "");
        if (o->dflt && o->dflt[0]) buf_addf(out, "`%s`", o->dflt);
        buf_addstr(out, " | ");
        put_cell(out, o->help);
        buf_addstr(out, " |\n");
        buf_release(&left);
    }
}

static void markdown_command(struct buf *out, const struct command *command)
{
    const char *separator = "\nExit codes: ";
    buf_addf(out, "\n### tocsin %s\n\n%s\n\n    ", command->name, command->purpose);
    cmd_usage_text(command, out);
    buf_addch(out, '\n');
    markdown_options(out, command->options);
    if (command->asks)
        buf_addstr(out, "\nTakes the [options of commands that ask a daemon]"
                        "(#options-of-commands-that-ask-a-daemon) too.\n");
    buf_addstr(out, "\n```sh\n");
    for (size_t i = 0; i < COUNT(command->examples) && command->examples[i]; i++)
        buf_addf(out, "%s\n", command->examples[i]);
    buf_addstr(out, "```\n");
    for (size_t i = 0; i < cmd_exit_count; i++) {
        const char *text = cmd_exit_text(command, cmd_exits[i].code);
        if (!text) continue;
        buf_addf(out, "%s%d %s", separator, cmd_exits[i].code, text);
        separator = ", ";
    }
    buf_addstr(out, ".\n");
}

void cmd_markdown(struct buf *out)
{
    buf_addstr(out, "# The command line\n\n"
                    "<!-- Printed by `tocsin man --markdown` from the table in agent/cmd_table.c; "
                    "the tests compare. -->\n\n"
                    "One program is the daemon and every command. Standard output carries data "
                    "only; problems, warnings and notes go\nto standard error. `tocsin COMMAND "
                    "--help` shows a command's page, `tocsin man | man -l -` all of this.\n\n"
                    "## Commands\n\n| command | does |\n|---|---|\n");
    for (size_t i = 0; i < command_count; i++) {
        buf_addf(out, "| `tocsin %s", commands[i].name);
        if (commands[i].synopsis[0]) buf_addch(out, ' ');
        put_cell(out, commands[i].synopsis);
        buf_addstr(out, "` | ");
        put_cell(out, commands[i].purpose);
        buf_addstr(out, " |\n");
    }
    buf_addstr(out, "\n## Options of every command\n");
    markdown_options(out, global_options);
    buf_addstr(out, "\n## Options of commands that ask a daemon\n\n"
                    "They may stand before the command too. Any server of Prometheus' HTTP API "
                    "is a daemon here.\n");
    markdown_options(out, client_options);
    buf_addstr(out, "\n## Exit codes\n\n| code | means |\n|---|---|\n");
    for (size_t i = 0; i < cmd_exit_count; i++)
        buf_addf(out, "| %d | %s |\n", cmd_exits[i].code, cmd_exits[i].text);
    buf_addstr(out, "\n## Environment\n\n| variable | |\n|---|---|\n");
    for (const struct cmd_variable *v = cmd_variables; v->name; v++)
        buf_addf(out, "| `%s` | %s |\n", v->name, v->help);
    buf_addstr(out, "\n## The commands one by one\n");
    for (size_t i = 0; i < command_count; i++)
        markdown_command(out, &commands[i]);
}

int run_man(const struct cmd *c)
{
    struct buf out = BUF_INIT(PAGE_MAX);
    if (cmd_given(c, "--markdown"))
        cmd_markdown(&out);
    else
        cmd_man(&out);
    int code = cmd_output(&out, EXIT_OK);
    buf_release(&out);
    return code;
}
