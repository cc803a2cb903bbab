/* cmd_completion.c -- tocsin completion: scripts for bash, zsh and fish from the table of commands.
 *
 * A command is one word or two ("check rules"); the first word of two is a group. What may follow
 * an option or stand as an argument is read off the rows: "a|b" are choices, FILE and DIR are
 * paths, anything else is the user's to know.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmds.h"

enum { SCRIPT_MAX = 1 << 20 };

struct name {
    struct str first, second; /* second.p NULL: a command of one word */
};

static struct name split_name(const struct command *command)
{
    struct name n = {.second = str_of(command->name)};
    n.first = str_split(&n.second, ' ');
    return n;
}

/* True for the first row with this first word. */
static bool is_first_of_word(size_t i)
{
    struct str first = split_name(&commands[i]).first;
    for (size_t k = 0; k < i; k++)
        if (str_eq(split_name(&commands[k]).first, first)) return false;
    return true;
}

enum value_kind { VALUE_NONE, VALUE_CHOICE, VALUE_FILE, VALUE_DIR, VALUE_OTHER };

static enum value_kind kind_of(const char *arg)
{
    if (!arg || !arg[0]) return VALUE_NONE;
    if (cmd_is_choice(arg)) return VALUE_CHOICE;
    if (strncmp(arg, "FILE", 4) == 0) return VALUE_FILE;
    return strcmp(arg, "DIR") == 0 ? VALUE_DIR : VALUE_OTHER;
}

static void put_choices(struct buf *out, const char *choices)
{
    struct str rest = str_of(choices), one;
    for (bool more = false; cmd_next_choice(&rest, &one); more = true)
        buf_addf(out, "%s%.*s", more ? " " : "", (int)one.len, one.p);
}

/* Text inside single quotes of any of the three shells. */
static void put_quoted(struct buf *out, const char *text, const char *quote)
{
    for (const char *p = text; *p; p++)
        if (*p == '\'')
            buf_addstr(out, quote);
        else
            buf_addch(out, *p);
}

/* --- bash --- */

static void bash_first_words(struct buf *out)
{
    for (size_t i = 0; i < command_count; i++) {
        struct str first = split_name(&commands[i]).first;
        if (is_first_of_word(i)) buf_addf(out, " %.*s", (int)first.len, first.p);
    }
}

static void bash_groups(struct buf *out)
{
    for (size_t i = 0; i < command_count; i++) {
        struct name n = split_name(&commands[i]);
        if (!n.second.p || !is_first_of_word(i)) continue;
        buf_addf(out, "        %.*s) words='", (int)n.first.len, n.first.p);
        for (size_t k = i; k < command_count; k++) {
            struct name m = split_name(&commands[k]);
            if (str_eq(m.first, n.first))
                buf_addf(out, "%s%.*s", k > i ? " " : "", (int)m.second.len, m.second.p);
        }
        buf_addstr(out, "' ;;\n");
    }
}

/* What follows an option: words, or files=1; a pattern of "command:option". */
static void bash_value(struct buf *out, const struct command *command, const struct cmd_option *o)
{
    enum value_kind kind = kind_of(o->arg);
    if (kind == VALUE_NONE) return;
    buf_addf(out, "    '%s:%s'", command->name, o->name);
    if (o->letter) buf_addf(out, " | '%s:-%c'", command->name, o->letter);
    buf_addstr(out, ") value=1");
    if (kind == VALUE_CHOICE) {
        buf_addstr(out, " words='");
        put_choices(out, o->arg);
        buf_addch(out, '\'');
    } else if (kind != VALUE_OTHER) {
        buf_addf(out, " action=%s", kind == VALUE_DIR ? "directory" : "file");
    }
    buf_addstr(out, " ;;\n");
}

static void bash_command(struct buf *out, const struct command *command)
{
    const struct cmd_option *o;
    buf_addf(out, "    '%s')\n        options='", command->name);
    for (size_t i = 0; (o = cmd_option_at(command, i)); i++)
        buf_addf(out, "%s%s", i ? " " : "", o->name);
    buf_addstr(out, "'\n");
    enum value_kind kind = kind_of(command->synopsis);
    if (kind == VALUE_FILE || kind == VALUE_DIR) {
        buf_addf(out, "        action=%s\n", kind == VALUE_DIR ? "directory" : "file");
    } else if (kind == VALUE_CHOICE) {
        buf_addstr(out, "        words='");
        put_choices(out, command->synopsis);
        buf_addstr(out, "'\n");
    }
    buf_addstr(out, "        ;;\n");
}

static void bash_script(struct buf *out)
{
    const struct cmd_option *o;
    buf_addstr(out, "# bash completion for tocsin. Written by: tocsin completion bash\n"
                    "_tocsin() {\n"
                    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                    "    local command=${COMP_WORDS[1]} words= options= action= value=\n"
                    "    COMPREPLY=()\n"
                    "    if [ \"$cur\" = = ]; then cur=\n"
                    "    elif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
                    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                    "        words='");
    bash_first_words(out);
    buf_addstr(out, "'\n    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n        case $command in\n");
    bash_groups(out);
    buf_addstr(out, "        esac\n    fi\n"
                    "    if [ -n \"$words\" ]; then\n"
                    "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                    "        return\n    fi\n"
                    "    case $command in\n");
    for (size_t i = 0; i < command_count; i++) {
        struct name n = split_name(&commands[i]);
        if (n.second.p && is_first_of_word(i))
            buf_addf(out, "    %.*s) command=\"$command ${COMP_WORDS[2]}\" ;;\n", (int)n.first.len,
                     n.first.p);
    }
    buf_addstr(out, "    esac\n    case $command:$prev in\n");
    for (size_t i = 0; i < command_count; i++)
        for (size_t k = 0; (o = cmd_option_at(&commands[i], k)); k++)
            bash_value(out, &commands[i], o);
    buf_addstr(out, "    esac\n    [ -n \"$value\" ] || case $command in\n");
    for (size_t i = 0; i < command_count; i++)
        bash_command(out, &commands[i]);
    buf_addstr(out, "    esac\n"
                    "    case $cur in\n"
                    "    -*) [ -n \"$value\" ] || { words=$options; action=; } ;;\n"
                    "    esac\n"
                    "    if [ -n \"$action\" ]; then\n"
                    "        compopt -o filenames 2>/dev/null\n"
                    "        COMPREPLY=($(compgen -A \"$action\" -- \"$cur\"))\n"
                    "    else\n"
                    "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                    "    fi\n"
                    "}\n"
                    "complete -F _tocsin tocsin\n");
}

/* --- zsh --- */

/* Inside brackets of an _arguments specification, inside single quotes. */
static void zsh_text(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (strchr("[]:\\", *p)) buf_addch(out, '\\');
        if (*p == '\'')
            buf_addstr(out, "'\\''");
        else
            buf_addch(out, *p);
    }
}

static void zsh_value(struct buf *out, const char *arg)
{
    enum value_kind kind = kind_of(arg);
    if (kind == VALUE_NONE) return;
    buf_addstr(out, kind == VALUE_CHOICE ? ":value:(" : ":value:");
    if (kind == VALUE_CHOICE) {
        put_choices(out, arg);
        buf_addch(out, ')');
    } else if (kind != VALUE_OTHER) {
        buf_addstr(out, kind == VALUE_DIR ? "_files -/" : "_files");
    }
}

static void zsh_option(struct buf *out, const struct cmd_option *o)
{
    buf_addstr(out, " \\\n            ");
    if (o->letter)
        buf_addf(out, "'(-%c %s)'{-%c,%s}'[", o->letter, o->name, o->letter, o->name);
    else
        buf_addf(out, "'%s[", o->name);
    zsh_text(out, o->help);
    buf_addch(out, ']');
    zsh_value(out, o->arg);
    buf_addch(out, '\'');
}

static void zsh_command(struct buf *out, const struct command *command)
{
    const struct cmd_option *o;
    struct name n = split_name(command);
    buf_addf(out, "    '%s')\n        shift %d words; (( CURRENT -= %d ))\n        _arguments",
             command->name, n.second.p ? 2 : 1, n.second.p ? 2 : 1);
    for (size_t i = 0; (o = cmd_option_at(command, i)); i++)
        zsh_option(out, o);
    if (kind_of(command->synopsis) != VALUE_NONE) {
        buf_addstr(out, " \\\n            '*");
        zsh_value(out, command->synopsis);
        buf_addch(out, '\'');
    }
    buf_addstr(out, "\n        ;;\n");
}

/* Rows of _describe: the first words, or the second words of a group. */
static void zsh_words(struct buf *out, struct str group)
{
    for (size_t i = 0; i < command_count; i++) {
        struct name n = split_name(&commands[i]);
        if (group.p ? !str_eq(n.first, group) : !is_first_of_word(i)) continue;
        struct str word = group.p ? n.second : n.first;
        buf_addf(out, " '%.*s:", (int)word.len, word.p);
        zsh_text(out, !group.p && n.second.p ? "commands of this group" : commands[i].purpose);
        buf_addch(out, '\'');
    }
}

static void zsh_script(struct buf *out)
{
    buf_addstr(out, "#compdef tocsin\n"
                    "# zsh completion for tocsin. Written by: tocsin completion zsh\n"
                    "_tocsin() {\n"
                    "    local -a rows\n"
                    "    local command=$words[2]\n"
                    "    if (( CURRENT == 2 )); then\n        rows=(");
    zsh_words(out, (struct str){NULL, 0});
    buf_addstr(out, ")\n        _describe command rows\n        return\n    fi\n"
                    "    case $command in\n");
    for (size_t i = 0; i < command_count; i++) {
        struct name n = split_name(&commands[i]);
        if (!n.second.p || !is_first_of_word(i)) continue;
        buf_addf(out, "    %.*s)\n        rows=(", (int)n.first.len, n.first.p);
        zsh_words(out, n.first);
        buf_addstr(out,
                   ")\n        if (( CURRENT == 3 )); then _describe command rows; return; fi\n"
                   "        command=\"$command $words[3]\"\n        ;;\n");
    }
    buf_addstr(out, "    esac\n    case $command in\n");
    for (size_t i = 0; i < command_count; i++)
        zsh_command(out, &commands[i]);
    buf_addstr(out, "    esac\n}\n"
                    "if [ \"$funcstack[1]\" = _tocsin ]; then _tocsin \"$@\"; "
                    "else compdef _tocsin tocsin; fi\n");
}

/* --- fish --- */

static void fish_condition(struct buf *out, struct name n)
{
    buf_addf(out, "complete -c tocsin -n '__fish_seen_subcommand_from %.*s", (int)n.first.len,
             n.first.p);
    if (n.second.p)
        buf_addf(out, "; and __fish_seen_subcommand_from %.*s", (int)n.second.len, n.second.p);
    buf_addch(out, '\'');
}

static void fish_value(struct buf *out, const char *arg)
{
    enum value_kind kind = kind_of(arg);
    if (kind == VALUE_CHOICE) {
        buf_addstr(out, " -x -a '");
        put_choices(out, arg);
        buf_addch(out, '\'');
    } else if (kind == VALUE_DIR) {
        buf_addstr(out, " -x -a '(__fish_complete_directories)'");
    } else if (kind != VALUE_NONE) {
        buf_addstr(out, kind == VALUE_FILE ? " -r -F" : " -x");
    }
}

static void fish_command(struct buf *out, const struct command *command)
{
    const struct cmd_option *o;
    struct name n = split_name(command);
    for (size_t i = 0; (o = cmd_option_at(command, i)); i++) {
        fish_condition(out, n);
        if (o->letter) buf_addf(out, " -s %c", o->letter);
        buf_addf(out, " -l %s", o->name + 2);
        fish_value(out, o->arg);
        buf_addstr(out, " -d '");
        put_quoted(out, o->help, "\\'");
        buf_addstr(out, "'\n");
    }
    enum value_kind kind = kind_of(command->synopsis);
    if (kind != VALUE_FILE && kind != VALUE_CHOICE) return;
    fish_condition(out, n);
    if (kind == VALUE_FILE)
        buf_addstr(out, " -F\n");
    else {
        buf_addstr(out, " -a '");
        put_choices(out, command->synopsis);
        buf_addstr(out, "'\n");
    }
}

static void fish_word(struct buf *out, const struct command *command, bool first)
{
    struct name n = split_name(command);
    struct str word = first ? n.first : n.second;
    if (first)
        buf_addstr(out, "complete -c tocsin -n __fish_use_subcommand");
    else
        buf_addf(out,
                 "complete -c tocsin -n '__fish_seen_subcommand_from %.*s; and test (count "
                 "(commandline -opc)) -eq 2'",
                 (int)n.first.len, n.first.p);
    buf_addf(out, " -a %.*s", (int)word.len, word.p);
    if (!first || !n.second.p) {
        buf_addstr(out, " -d '");
        put_quoted(out, command->purpose, "\\'");
        buf_addch(out, '\'');
    }
    buf_addch(out, '\n');
}

static void fish_script(struct buf *out)
{
    buf_addstr(out, "# fish completion for tocsin. Written by: tocsin completion fish\n"
                    "complete -c tocsin -f\n");
    for (size_t i = 0; i < command_count; i++) {
        if (is_first_of_word(i)) fish_word(out, &commands[i], true);
        if (split_name(&commands[i]).second.p) fish_word(out, &commands[i], false);
    }
    for (size_t i = 0; i < command_count; i++)
        fish_command(out, &commands[i]);
}

/* --- */

void cmd_completion(const char *shell, struct buf *out)
{
    static const struct {
        const char *shell;
        void (*print)(struct buf *out);
    } scripts[] = {
        {"bash", bash_script},
        {"zsh",  zsh_script },
        {"fish", fish_script},
    };
    for (size_t i = 0; i < COUNT(scripts); i++)
        if (strcmp(scripts[i].shell, shell) == 0) scripts[i].print(out);
}

int run_completion(const struct cmd *c)
{
    struct buf out = BUF_INIT(SCRIPT_MAX);
    cmd_completion(c->args[0], &out);
    int code = cmd_output(&out, EXIT_OK);
    buf_release(&out);
    return code;
}
