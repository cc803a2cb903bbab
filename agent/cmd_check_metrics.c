/* cmd_check_metrics.c -- tocsin check metrics: what an exposition says wrong, and what it could say
 * better.
 *
 * Without --strict a text is read in its own format, and judged as promtool does: exit code 1 when
 * it cannot be read, 3 when there are findings. With --strict it must be OpenMetrics 1.0 to the
 * letter, and nothing else is looked at.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/cmds.h"
#include "collector/expo_family.h"
#include "core/env.h"
#include "core/mem.h"

enum { INPUT_MAX = 64 << 20, FAMILIES_MAX = 1 << 30 };

// clang-format off
const struct cmd_option check_metrics_options[] = {
    {.name = "--strict", .help = "OpenMetrics 1.0 to the letter; no findings of style"},
    {.name = "--json", .help = "print the problems as JSON, on standard output"},
    {0},
};
// clang-format on

/* The text into out. */
static int read_input(const char *path, struct buf *out)
{
    char *text = NULL;
    size_t len = 0;
    if (strcmp(path, "-") == 0) return cmd_read_stdin(out);
    int rc = env_read_file(env_system(), path, INPUT_MAX, &text, &len);
    if (rc == 0) rc = buf_add(out, text, len);
    mem_free(text);
    return rc;
}

static int check(struct families *f, const struct expo_input *in, bool strict)
{
    bool openmetrics = strict || expo_is_openmetrics(in->text);
    int rc = openmetrics ? families_read_strict(f, in) : families_read_text(f, in);
    return rc == 0 && !strict ? families_lint(f, in) : rc;
}

/* Exit code 3 for findings, as promtool's. */
static int report(const struct cmd *c, const struct diags *diags)
{
    int code = cmd_report(c, diags);
    return code == EXIT_OK && diags->warnings ? EXIT_LINT : code;
}

int run_check_metrics(const struct cmd *c)
{
    struct buf text = BUF_INIT(INPUT_MAX);
    struct families families;
    struct diags diags;
    const char *path = c->arg_count ? c->args[0] : "-";
    const char *shown = strcmp(path, "-") == 0 ? "stdin" : path;
    families_init(&families, FAMILIES_MAX);
    diags_init(&diags);
    int rc = read_input(path, &text);
    bool strict = cmd_given(c, "--strict");
    struct expo_input in = {
        .text = {text.p ? text.p : "", text.len},
        .file = shown,
        .diags = &diags,
        .quoted_names = !strict
    };
    if (rc == 0) rc = check(&families, &in, strict);
    if (rc < 0 && rc != E_PARSE)
        diags_add(&diags, DIAG_ERROR, shown, (struct str){NULL, 0}, 0, 0, 0, NULL,
                  "cannot read: %s", err_text(rc));
    if (diags.errors + diags.warnings == 0 && !cmd_given(c, "--json"))
        printf("%s: %zu metric families, good\n", shown, families.count);
    fflush(stdout);
    int code = report(c, &diags);
    diags_release(&diags);
    families_release(&families);
    buf_release(&text);
    return code;
}
