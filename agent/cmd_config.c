/* cmd_config.c -- tocsin config default|effective, tocsin check config.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/cmds.h"
#include "agent/config.h"
#include "rules/rule_load.h"

enum { OUTPUT_MAX = 16 << 20 };

// clang-format off
const struct cmd_option config_effective_options[] = {
    {.name = "--config", .letter = 'c', .arg = "FILE",
     .help = "configuration file; without one everything has its default"},
    {0},
};
const struct cmd_option check_options[] = {
    {.name = "--json", .help = "print the problems as JSON, on standard output"},
    {.name = "--strict", .help = "warnings fail too"},
    {0},
};
// clang-format on

int run_config_default(const struct cmd *c)
{
    struct buf out = BUF_INIT(OUTPUT_MAX);
    UNUSED(c);
    config_print_default(&out);
    int code = cmd_output(&out, EXIT_OK);
    buf_release(&out);
    return code;
}

int run_config_effective(const struct cmd *c)
{
    struct buf out = BUF_INIT(OUTPUT_MAX);
    struct diags diags;
    struct config *config = NULL;
    int code = EXIT_FAILED;
    diags_init(&diags);
    if (config_load(&config, cmd_value(c, "--config"), NULL, env_system(), &diags) == 0) {
        config_print_effective(config, &out);
        code = cmd_output(&out, EXIT_OK);
    } else {
        diags_print(&diags, &out);
        if (out.p) fputs(out.p, stderr);
    }
    config_free(config);
    diags_release(&diags);
    buf_release(&out);
    return code;
}

int cmd_report(const struct cmd *c, const struct diags *diags)
{
    struct buf out = BUF_INIT(OUTPUT_MAX);
    int code = diags->errors ? EXIT_FAILED : EXIT_OK;
    if (!diags->errors && diags->warnings && cmd_given(c, "--strict")) code = EXIT_LINT;
    if (cmd_given(c, "--json")) {
        diags_print_json(diags, &out);
        buf_addch(&out, '\n');
        code = cmd_output(&out, code);
    } else {
        diags_print(diags, &out);
        if (out.p) fputs(out.p, stderr);
    }
    buf_release(&out);
    return code;
}

/* The files that rules: names are part of the configuration. */
static int check_rule_files(const struct config *config, struct diags *diags)
{
    struct rule_set *set = NULL;
    int rc = rule_set_new(&set);
    if (rc == 0) rc = rules_load(set, env_system(), &config->rules, diags);
    rule_set_free(set);
    return rc;
}

int run_check_config(const struct cmd *c)
{
    struct diags diags;
    diags_init(&diags);
    for (int i = 0; i < c->arg_count; i++) {
        struct config *config = NULL;
        int rc = config_load(&config, c->args[i], NULL, env_system(), &diags);
        if (rc == 0) rc = check_rule_files(config, &diags);
        if (rc == 0 && !cmd_given(c, "--json")) printf("%s: good\n", c->args[i]);
        config_free(config);
    }
    fflush(stdout);
    int code = cmd_report(c, &diags);
    diags_release(&diags);
    return code;
}
