/* cmd_look.c -- tocsin labels, tocsin series: names and values as the daemon knows them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd_look.h"

#include <stdio.h>

#include "agent/cmd_form.h"
#include "agent/cmd_series.h"
#include "agent/cmds.h"

enum { FORM_MAX = 4 << 20, TEXT_MAX = 512 << 20, NAME_MAX_BYTES = 1 << 20, WRITE_AT = 1 << 16 };

// clang-format off
const struct cmd_option labels_options[] = {
    {.name = "--match", .arg = "SELECTOR", .help = "only of the series it selects"},
    LOOK_OPTIONS,
    {.name = "--limit", .arg = "COUNT", .help = "show this many, as in 50 or 10k"},
    LOOK_OUTPUT,
    {0},
};
const struct cmd_option series_options[] = {
    LOOK_OPTIONS,
    {.name = "--limit", .arg = "COUNT", .help = "show this many, as in 50 or 10k"},
    LOOK_OUTPUT,
    {0},
};
// clang-format on

/* --- shared with cardinality --- */

int look_open(struct look *l, const struct cmd *c)
{
    *l = (struct look){.cmd = c, .limit = UINT64_MAX};
    const char *format = cmd_value(c, "--output");
    term_init(&l->term, cmd_value(c, "--color"));
    l->json = strcmp(format, "json") == 0;
    l->format = l->term.tty ? SHEET_ALIGNED : SHEET_TABS;
    if (strcmp(format, "csv") == 0) l->format = SHEET_CSV;
    int code = cmd_range(c, env_now_ms(env_system()), &l->range);
    if (code == EXIT_OK) code = cmd_count(c, "--limit", &l->limit);
    return code == EXIT_OK ? client_open(&l->client, c) : code;
}

void look_close(struct look *l)
{
    client_close(l->client);
}

void look_form(const struct look *l, struct buf *form)
{
    form_range(form, &l->range);
    if (l->limit != UINT64_MAX) form_uint(form, "limit", l->limit);
}

/* --- one list --- */

struct list {
    struct look look;
    struct sheet sheet;
    struct buf text; /* of JSON */
    size_t seen;
};

static int flush(struct list *l, size_t least)
{
    int rc = l->text.err;
    if (rc < 0 || l->text.len <= least) return rc;
    rc = cmd_write((struct str){l->text.p, l->text.len});
    buf_reset(&l->text);
    return rc;
}

/* A label's name or value is a string, a series an object of labels. */
static int put_cell(struct list *l, struct str text)
{
    json_t *v = client_parse(text);
    struct buf name = BUF_INIT(NAME_MAX_BYTES);
    if (!v) return EXIT_FAILED;
    if (json_is_object(v))
        series_put_name(&name, v);
    else if (json_is_string(v))
        buf_add(&name, json_string_value(v), json_string_length(v));
    int rc = sheet_cell(&l->sheet, (struct str){name.p ? name.p : "", name.len});
    buf_release(&name);
    json_decref(v);
    return client_element_code(rc);
}

static int on_element(void *arg, struct str element)
{
    struct list *l = arg;
    if (++l->seen > l->look.limit) return 0;
    if (!l->look.json) return put_cell(l, element);
    buf_addstr(&l->text, l->seen == 1 ? "[\n" : ",\n");
    buf_add(&l->text, element.p, element.len);
    return client_element_code(flush(l, WRITE_AT));
}

static int finish(struct list *l)
{
    int rc;
    if (l->look.json) {
        buf_addstr(&l->text, l->seen ? "\n]\n" : "[]\n");
        rc = flush(l, 0);
    } else {
        rc = sheet_finish(&l->sheet);
    }
    if (l->seen == 0) cmd_note(l->look.cmd, "nothing matches");
    if (l->seen > l->look.limit)
        cmd_note(l->look.cmd, "%zu of %zu shown", (size_t)l->look.limit, l->seen);
    return cmd_written(rc);
}

static int print_list(struct list *l, const struct question *q, const char *heading)
{
    const struct sheet_column columns[] = {
        {heading, false},
        {0      }
    };
    json_t *answer = NULL;
    buf_init(&l->text, TEXT_MAX);
    sheet_init(&l->sheet, l->look.format, columns, cmd_sheet_write, NULL);
    int code = client_ask(l->look.client, q, &answer);
    if (code == EXIT_OK && answer) code = finish(l);
    json_decref(answer);
    sheet_release(&l->sheet);
    buf_release(&l->text);
    return code;
}

/* --- labels --- */

int run_labels(const struct cmd *c)
{
    struct list l = {0};
    struct buf form = BUF_INIT(FORM_MAX), path = BUF_INIT(FORM_MAX);
    bool values = c->arg_count > 0;
    int code = look_open(&l.look, c);
    if (code == EXIT_OK) {
        const char *match = cmd_value(c, "--match");
        if (match) form_add(&form, "match[]", str_of(match));
        look_form(&l.look, &form);
        buf_addstr(&path, values ? "/api/v1/label/" : "/api/v1/labels");
        if (values) {
            form_label(&path, str_of(c->args[0]));
            buf_addstr(&path, "/values");
        }
        const struct question q = {
            .path = path.p,
            .post = !values,
            .form = {form.p, form.len},
            .array = "data",
            .each = on_element,
            .arg = &l,
        };
        code = form.err || path.err ? cmd_fail(EXIT_USAGE, "the arguments are too long")
                                    : print_list(&l, &q, values ? "value" : "label");
    }
    look_close(&l.look);
    buf_release(&form);
    buf_release(&path);
    return code;
}

/* --- series --- */

int run_series(const struct cmd *c)
{
    struct list l = {0};
    struct buf form = BUF_INIT(FORM_MAX);
    int code = look_open(&l.look, c);
    if (code == EXIT_OK) {
        for (int i = 0; i < c->arg_count; i++)
            form_add(&form, "match[]", str_of(c->args[i]));
        look_form(&l.look, &form);
        const struct question q = {
            .path = "/api/v1/series",
            .post = true,
            .form = {form.p, form.len},
            .expr = c->arg_count == 1 ? str_of(c->args[0]) : (struct str){NULL,   0       },
            .array = "data",
            .each = on_element,
            .arg = &l,
        };
        code = form.err ? cmd_fail(EXIT_USAGE, "the selectors are too long")
                        : print_list(&l, &q, "series");
    }
    look_close(&l.look);
    buf_release(&form);
    return code;
}
