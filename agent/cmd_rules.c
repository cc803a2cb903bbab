/* cmd_rules.c -- tocsin check rules.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/cmds.h"
#include "core/env.h"
#include "core/mem.h"
#include "rules/rules.h"

enum { RULE_FILE_BYTES_MAX = 4 << 20, DEFAULT_INTERVAL_MS = 15000 };

/* Reads one file into a set of its own, so that each file's problems are its own. */
static void check_file(const char *path, bool tell, struct diags *diags)
{
    struct rule_set *set = NULL;
    char *text = NULL;
    size_t len = 0;
    int rc = env_read_file(env_system(), path, RULE_FILE_BYTES_MAX, &text, &len);
    if (rc == 0) rc = rule_set_new(&set);
    if (rc < 0) {
        diags_add(diags, DIAG_ERROR, path, (struct str){NULL, 0}, 0, 0, 0, NULL, "cannot read: %s",
                  err_text(rc));
    } else if (rule_set_add(set, path, (struct str){text, len}, DEFAULT_INTERVAL_MS, diags) == 0 &&
               tell) {
        printf("%s: %zu rules, good\n", path, rule_set_rules(set));
    }
    rule_set_free(set);
    mem_free(text);
}

int run_check_rules(const struct cmd *c)
{
    struct diags diags;
    diags_init(&diags);
    for (int i = 0; i < c->arg_count; i++)
        check_file(c->args[i], !cmd_given(c, "--json"), &diags);
    fflush(stdout);
    int code = cmd_report(c, &diags);
    diags_release(&diags);
    return code;
}
