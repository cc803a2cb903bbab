/* cmd_query_print.c -- results of tocsin query as rows and as JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "agent/cmd_query.h"
#include "agent/cmd_series.h"
#include "core/json.h"

enum { NAME_MAX_BYTES = 1 << 20, WRITE_AT = 1 << 16 };

/* --- rows --- */

static const struct sheet_column timed[] = {
    {"series", false},
    {"time",        false},
    {"value",true},
    {0 }
};
static const struct sheet_column instant[] = {
    {"series", false},
    {"value",        true},
    {0}
};

/* A row's time is shown in ranges, and always in CSV, whose columns are to be counted on. */
static void begin_rows(struct query *q, bool has_times)
{
    enum sheet_format aligned = q->term.tty ? SHEET_ALIGNED : SHEET_TABS;
    bool csv = q->printer == &query_csv;
    if (q->begun) return;
    q->begun = true;
    sheet_init(&q->sheet, csv ? SHEET_CSV : aligned, has_times || csv ? timed : instant,
               cmd_sheet_write, NULL);
}

static int put_row(struct query *q, const char *series, const json_t *sample)
{
    const json_t *v = json_array_get(sample, 1);
    const char *value = json_string_value(v);
    char time[40], *histogram = value ? NULL : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    double seconds = json_number_value(json_array_get(sample, 0));
    if (!(seconds > -1e15 && seconds < 1e15)) seconds = 0;
    size_t len = str_from_time((int64_t)(seconds * 1000 + (seconds < 0 ? -0.5 : 0.5)), time);
    sheet_cstr(&q->sheet, series);
    if (q->sheet.count == 3) sheet_cell(&q->sheet, (struct str){time, len});
    int rc = sheet_cstr(&q->sheet, value ? value : histogram ? histogram : "");
    free(histogram);
    return rc;
}

/* The samples of one series, under whichever key the answer has them. */
static int put_series(struct query *q, json_t *item)
{
    static const char *const lists[] = {"values", "histograms"}, *const ones[] = {"value",
                                                                                  "histogram"};
    struct buf name = BUF_INIT(NAME_MAX_BYTES);
    int rc = 0;
    series_put_name(&name, json_object_get(item, "metric"));
    const char *series = name.p ? name.p : "{}";
    begin_rows(q, json_object_get(item, lists[0]) || json_object_get(item, lists[1]));
    for (size_t k = 0; k < COUNT(lists) && rc == 0; k++) {
        const json_t *list = json_object_get(item, lists[k]), *one = json_object_get(item, ones[k]);
        if (one) rc = put_row(q, series, one);
        for (size_t i = 0; i < json_array_size(list) && rc == 0; i++)
            rc = put_row(q, series, json_array_get(list, i));
    }
    buf_release(&name);
    return rc;
}

static int rows_element(struct query *q, struct str text)
{
    int rc = 0;
    json_t *item = client_parse(text);
    if (!item) return EXIT_FAILED;
    if (json_is_object(item))
        rc = put_series(q, item);
    else if (q->kept_count < 2)
        q->kept[q->kept_count++] = json_incref(item); /* a scalar: time, then value */
    json_decref(item);
    return client_element_code(rc);
}

static int rows_finish(struct query *q, json_t *answer)
{
    const json_t *data = json_object_get(answer, "data");
    const char *type = json_string_value(json_object_get(data, "resultType"));
    begin_rows(q, type && strcmp(type, "matrix") == 0);
    if (q->kept_count == 2) {
        json_t *sample = json_pack("[O,O]", q->kept[0], q->kept[1]);
        (void)put_row(q, type ? type : "scalar", sample);
        json_decref(sample);
    } else if (q->seen == 0) {
        cmd_note(q->cmd, "no series");
    }
    return cmd_written(sheet_finish(&q->sheet));
}

static void rows_release(struct query *q)
{
    if (q->begun) sheet_release(&q->sheet);
    for (size_t i = 0; i < q->kept_count; i++)
        json_decref(q->kept[i]);
}

const struct query_printer query_table = {"table", rows_element, rows_finish, rows_release};
const struct query_printer query_csv = {"csv", rows_element, rows_finish, rows_release};

/* --- JSON: the member data of the answer, a series a line --- */

static void begin_json(struct query *q, const json_t *answer)
{
    const json_t *data = json_object_get(answer, "data");
    char *type = json_dumps(json_object_get(data, "resultType"), JSON_ENCODE_ANY);
    if (!q->begun) buf_addf(&q->text, "{\"resultType\":%s,\"result\":[", type ? type : "null");
    q->begun = true;
    free(type);
}

static int flush(struct query *q)
{
    int rc = q->text.err ? q->text.err : cmd_write((struct str){q->text.p, q->text.len});
    buf_reset(&q->text);
    return rc;
}

static int json_element(struct query *q, struct str text)
{
    if (!q->begun) {
        json_t *before = client_answer_so_far(q->client);
        begin_json(q, before);
        json_decref(before);
    }
    buf_addstr(&q->text, q->seen > 1 ? ",\n" : "\n");
    buf_add(&q->text, text.p, text.len);
    return q->text.len < WRITE_AT && !q->text.err ? 0 : client_element_code(flush(q));
}

static int json_finish(struct query *q, json_t *answer)
{
    const char *key;
    json_t *v, *data = json_object_get(answer, "data");
    begin_json(q, answer);
    buf_addstr(&q->text, q->seen ? "\n]" : "]");
    json_object_foreach(data, key, v)
    {
        if (strcmp(key, "resultType") == 0 || strcmp(key, "result") == 0) continue;
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
        buf_addstr(&q->text, ",\n");
        json_quote(&q->text, str_of(key), false);
        buf_addf(&q->text, ":%s", text ? text : "null");
        free(text);
    }
    buf_addstr(&q->text, "}\n");
    return cmd_written(flush(q));
}

const struct query_printer query_json = {"json", json_element, json_finish, NULL};
