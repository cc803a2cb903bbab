/* cmd_rules.c -- tocsin check rules.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/cmd_live.h"
#include "agent/cmds.h"
#include "core/env.h"
#include "core/mem.h"

enum { RULE_FILE_BYTES_MAX = 4 << 20, DEFAULT_INTERVAL_MS = 15000 };

// clang-format off
const struct cmd_option check_rules_options[] = {
    {.name = "--json", .help = "print the problems as JSON, on standard output"},
    {.name = "--strict", .help = "warnings fail too"},
    {.name = "--live", .help = "ask a daemon for the series of every selector"},
    {.name = "--within", .arg = "DURATION", .dflt = "1h",
     .help = "with --live: samples this old are enough"},
    {0},
};
// clang-format on

/* Reads one file into a set of its own, so that each file's problems are its own. */
static void check_file(const struct cmd *c, struct live_file *f, struct diags *diags)
{
    int rc = env_read_file(env_system(), f->path, RULE_FILE_BYTES_MAX, &f->text, &f->len);
    if (rc == 0) rc = rule_set_new(&f->set);
    if (rc < 0) {
        diags_add(diags, DIAG_ERROR, f->path, (struct str){NULL, 0}, 0, 0, 0, NULL,
                  "cannot read: %s", err_text(rc));
        return;
    }
    if (cmd_given(c, "--live")) rule_set_mark_selectors(f->set);
    rc = rule_set_add(f->set, f->path, (struct str){f->text, f->len}, DEFAULT_INTERVAL_MS, diags);
    if (rc == 0 && !cmd_given(c, "--json"))
        printf("%s: %zu rules, good\n", f->path, rule_set_rules(f->set));
}

/* What every file could be read as is asked about. */
static int check_series(const struct cmd *c, const struct live_file *files, struct diags *diags)
{
    size_t read = 0;
    struct live_file *v = mem_array((size_t)c->arg_count, sizeof *v);
    if (!v) return cmd_fail(EXIT_FAILED, "out of memory");
    for (int i = 0; i < c->arg_count; i++)
        if (files[i].set) v[read++] = files[i];
    int code = check_live(c, v, read, diags);
    mem_free(v);
    return code;
}

int run_check_rules(const struct cmd *c)
{
    struct diags diags;
    struct live_file *files = mem_array((size_t)c->arg_count, sizeof *files);
    int live = EXIT_OK;
    if (!files) return cmd_fail(EXIT_FAILED, "out of memory");
    diags_init(&diags);
    for (int i = 0; i < c->arg_count; i++) {
        files[i].path = c->args[i];
        check_file(c, &files[i], &diags);
    }
    fflush(stdout);
    if (cmd_given(c, "--live")) live = check_series(c, files, &diags);
    int code = cmd_report(c, &diags);
    for (int i = 0; i < c->arg_count; i++) {
        rule_set_free(files[i].set);
        mem_free(files[i].text);
    }
    diags_release(&diags);
    mem_free(files);
    return live == EXIT_OK ? code : live;
}
