/* cmd_cardinality.c -- tocsin cardinality: what the series are made of, the most numerous first.
 *
 * Without selectors and times the server's own count is asked for (/api/v1/status/tsdb: what is in
 * memory now). Otherwise, and where a server does not count, the series themselves are fetched and
 * counted here as they come.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/cmd_look.h"
#include "agent/cmds.h"
#include "agent/tally.h"
#include "core/json.h"
#include "tsdb/labels.h"

enum { FORM_MAX = 4 << 20, OUTPUT_MAX = 64 << 20, PAIR_MAX = 1 << 20 };
enum { TALLY_BYTES = 1 << 30 };

// clang-format off
const struct cmd_option cardinality_options[] = {
    {.name = "--by", .arg = "all|metric|label|pair", .dflt = "all",
     .help = "series of a metric, values of a label, series of a label=value"},
    LOOK_OPTIONS,
    {.name = "--limit", .arg = "COUNT", .dflt = "10", .help = "show this many of each"},
    LOOK_OUTPUT,
    {0},
};
// clang-format on

enum part { BY_METRIC, BY_LABEL, BY_PAIR, PARTS };
static const struct {
    const char *by, *key; /* key: of the status answer */
    bool of_series;       /* counts series, so that a share of all makes sense */
} parts[PARTS] = {
    [BY_METRIC] = {"metric", "seriesCountByMetricName",     true },
    [BY_LABEL] = {"label",  "labelValueCountByLabelName",  false},
    [BY_PAIR] = {"pair",   "seriesCountByLabelValuePair", true },
};

struct count {
    struct look look;
    uint64_t series;
    struct tally tallies[PARTS]; /* sorted before they are printed */
};

static bool is_wanted(const struct count *n, enum part part)
{
    const char *by = cmd_value(n->look.cmd, "--by");
    return strcmp(by, "all") == 0 || strcmp(by, parts[part].by) == 0;
}

/* --- from the server's count --- */

static int take_rows(struct tally *t, const json_t *list)
{
    int rc = 0;
    uint64_t count;
    for (size_t i = 0; i < json_array_size(list) && rc == 0; i++) {
        const json_t *row = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(row, "name"));
        json_int_t v = json_integer_value(json_object_get(row, "value"));
        if (!name || v < 0) continue;
        rc = tally_add(t, str_of(name), &count);
        if (rc == 0 && count == 1) t->rows[t->count - 1].count = (uint64_t)v;
    }
    return rc;
}

static int ask_status(struct count *n, bool *counted)
{
    struct buf form = BUF_INIT(FORM_MAX);
    json_t *answer = NULL;
    look_form(&n->look, &form);
    const struct question q = {
        .path = "/api/v1/status/tsdb",
        .form = {form.p, form.len},
    };
    int code = client_ask(n->look.client, &q, &answer);
    const json_t *data = json_object_get(answer, "data");
    const json_t *head = json_object_get(data, "headStats");
    json_int_t series = json_integer_value(json_object_get(head, "numSeries"));
    *counted = json_object_get(data, parts[BY_METRIC].key) != NULL;
    for (int k = 0; k < PARTS && code == EXIT_OK && *counted; k++)
        if (take_rows(&n->tallies[k], json_object_get(data, parts[k].key)) < 0)
            code = cmd_fail(EXIT_FAILED, "out of memory");
    if (*counted) n->series = (uint64_t)MAX(series, 0);
    json_decref(answer);
    buf_release(&form);
    return code;
}

/* --- from the series --- */

static int count_label(struct count *n, const char *key, const char *value)
{
    struct buf pair = BUF_INIT(PAIR_MAX);
    uint64_t times;
    int rc = 0;
    if (strcmp(key, METRIC_NAME) == 0)
        rc = tally_add(&n->tallies[BY_METRIC], str_of(value), &times);
    buf_addf(&pair, "%s=%s", key, value);
    if (rc == 0) rc = pair.err;
    if (rc == 0) rc = tally_add(&n->tallies[BY_PAIR], (struct str){pair.p, pair.len}, &times);
    if (rc == 0 && times == 1) rc = tally_add(&n->tallies[BY_LABEL], str_of(key), &times);
    buf_release(&pair);
    return rc;
}

static int on_series(void *arg, struct str element)
{
    struct count *n = arg;
    const char *key;
    json_t *v;
    json_t *labels = client_parse(element);
    int rc = 0;
    if (!labels) return EXIT_FAILED;
    n->series++;
    json_object_foreach(labels, key, v)
    {
        const char *value = json_string_value(v);
        if (rc == 0) rc = count_label(n, key, value ? value : "");
    }
    json_decref(labels);
    if (rc == 0) return 0;
    return cmd_fail(EXIT_FAILED, "too many labels to count: %s; narrow the selector", err_text(rc));
}

static int count_series(struct count *n)
{
    const struct cmd *c = n->look.cmd;
    struct buf form = BUF_INIT(FORM_MAX);
    if (c->arg_count == 0) form_add(&form, "match[]", STR("{__name__!=\"\"}"));
    for (int i = 0; i < c->arg_count; i++)
        form_add(&form, "match[]", str_of(c->args[i]));
    form_range(&form, &n->look.range); /* the limit is of what is shown, not of what is counted */
    const struct question q = {
        .path = "/api/v1/series",
        .post = true,
        .form = {form.p, form.len},
        .expr = c->arg_count == 1 ? str_of(c->args[0]) : (struct str){NULL,   0       },
        .array = "data",
        .each = on_series,
        .arg = n,
    };
    int code = form.err ? cmd_fail(EXIT_USAGE, "the selectors are too long")
                        : client_ask(n->look.client, &q, NULL);
    buf_release(&form);
    return code;
}

/* --- printing --- */

static const struct sheet_column plain[] = {
    {"by",    false},
    {"name",       false},
    {"count",true},
    {0}
};
static const struct sheet_column with_share[] = {
    {"by",    false},
    {"name",       false},
    {"count",true},
    {"share", true},
    {0      }
};

static void put_row(const struct count *n, struct sheet *s, const char *by, struct str name,
                    uint64_t v, bool share)
{
    char text[64];
    sheet_cstr(s, by);
    sheet_cell(s, name);
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    sheet_cstr(s, text);
    if (s->columns != with_share) return;
    text[0] = '\0';
    if (share && n->series)
        snprintf(text, sizeof text, "%.1f%%", (double)v / (double)n->series * 100);
    sheet_cstr(s, text);
}

static int print_rows(const struct count *n)
{
    struct sheet s;
    sheet_init(&s, n->look.format, n->look.format == SHEET_ALIGNED ? with_share : plain,
               cmd_sheet_write, NULL);
    put_row(n, &s, "all", STR("series"), n->series, true);
    for (int k = 0; k < PARTS; k++) {
        const struct tally *t = &n->tallies[k];
        for (size_t i = 0; i < t->count && i < n->look.limit && is_wanted(n, (enum part)k); i++)
            put_row(n, &s, parts[k].by, t->rows[i].name, t->rows[i].count, parts[k].of_series);
    }
    int rc = sheet_finish(&s);
    sheet_release(&s);
    return cmd_written(rc);
}

/* The keys of the status answer, whichever way it was counted. */
static int print_json(const struct count *n)
{
    struct buf out = BUF_INIT(OUTPUT_MAX);
    struct json j;
    json_init(&j, &out);
    json_obj(&j);
    json_key(&j, "numSeries");
    json_uint(&j, n->series);
    for (int k = 0; k < PARTS; k++) {
        const struct tally *t = &n->tallies[k];
        if (!is_wanted(n, (enum part)k)) continue;
        json_key(&j, parts[k].key);
        json_arr(&j);
        for (size_t i = 0; i < t->count && i < n->look.limit; i++) {
            json_obj(&j);
            json_key(&j, "name");
            json_str(&j, t->rows[i].name);
            json_key(&j, "value");
            json_uint(&j, t->rows[i].count);
            json_end(&j);
        }
        json_end(&j);
    }
    json_end(&j);
    buf_addch(&out, '\n');
    int code = cmd_output(&out, EXIT_OK);
    buf_release(&out);
    return code;
}

int run_cardinality(const struct cmd *c)
{
    struct count n = {0};
    for (int k = 0; k < PARTS; k++)
        tally_init(&n.tallies[k], TALLY_BYTES);
    int code = look_open(&n.look, c);
    bool counted = false;
    if (code == EXIT_OK && c->arg_count == 0 && !n.look.range.given)
        code = ask_status(&n, &counted);
    if (code == EXIT_OK && !counted) code = count_series(&n);
    for (int k = 0; k < PARTS; k++)
        tally_sort(&n.tallies[k]);
    if (code == EXIT_OK) code = n.look.json ? print_json(&n) : print_rows(&n);
    for (int k = 0; k < PARTS; k++)
        tally_release(&n.tallies[k]);
    look_close(&n.look);
    return code;
}
