/* cmd_query_chart.c -- results of tocsin query as a chart in the terminal.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <time.h>

#include "agent/chart.h"
#include "agent/cmd_query.h"
#include "agent/cmd_series.h"
#include "agent/cmd_unit.h"
#include "core/mem.h"
#include "tsdb/promql/promql.h"

enum { PARSE_MAX = 32 << 20, OUTPUT_MAX = 16 << 20, NAMES_MAX = 1 << 20, LINES_AT_MOST = 36 };

static int chart_element(struct query *q, struct str text)
{
    if (q->kept_count == CHART_SERIES_MAX) return 0; /* counted, not kept */
    json_t *item = client_parse(text);
    if (!item) return EXIT_FAILED;
    if (!json_object_get(item, "values")) {
        json_decref(item);
        return cmd_fail(EXIT_USAGE,
                        "a chart needs a range: add --since 1h, or a range as in x[1h]");
    }
    q->kept[q->kept_count++] = item;
    return 0;
}

static int utc_offset_s(int64_t t_s)
{
    time_t t = (time_t)t_s;
    struct tm tm;
    return localtime_r(&t, &tm) ? (int)tm.tm_gmtoff : 0;
}

/* What one chart is made of; freed in one go. */
struct material {
    struct chart_series series[CHART_SERIES_MAX];
    struct chart_point *points[CHART_SERIES_MAX];
    struct buf names[CHART_SERIES_MAX];
};

static int read_points(const json_t *values, struct chart_point **out, size_t *count)
{
    size_t n = json_array_size(values);
    struct chart_point *points = mem_array(n + 1, sizeof *points);
    if (!points) return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const json_t *sample = json_array_get(values, i);
        double seconds = json_number_value(json_array_get(sample, 0)), v = (double)NAN;
        const char *text = json_string_value(json_array_get(sample, 1));
        if (!text || str_to_double(str_of(text), &v) == E_PARSE) v = (double)NAN;
        bool sane = seconds > -1e15 && seconds < 1e15;
        points[i] = (struct chart_point){sane ? (int64_t)llround(seconds * 1000) : 0, v};
    }
    *out = points;
    *count = n;
    return 0;
}

static int fill(const struct query *q, struct material *m)
{
    json_t *metrics[CHART_SERIES_MAX];
    int rc = 0;
    for (size_t i = 0; i < q->kept_count; i++)
        metrics[i] = json_object_get(q->kept[i], "metric");
    for (size_t i = 0; i < q->kept_count && rc == 0; i++) {
        struct buf name = BUF_INIT(NAMES_MAX);
        buf_init(&m->names[i], NAMES_MAX);
        series_put_legend(&name, metrics[i], metrics, q->kept_count);
        put_clean(&m->names[i], (struct str){name.p, name.len});
        buf_release(&name);
        rc = read_points(json_object_get(q->kept[i], "values"), &m->points[i], &m->series[i].count);
        m->series[i].points = m->points[i];
        m->series[i].name = m->names[i].p ? m->names[i].p : "";
    }
    return rc;
}

static void release(const struct query *q, struct material *m)
{
    for (size_t i = 0; i < q->kept_count; i++) {
        mem_free(m->points[i]);
        buf_release(&m->names[i]);
    }
    mem_free(m);
}

static struct value_unit unit_of(struct str text)
{
    struct value_unit unit = {CHART_NUMBER, false};
    struct arena arena;
    struct expr *e = NULL;
    arena_init(&arena, PARSE_MAX);
    if (promql_parse(text, PROMQL_ALL, &arena, &e, NULL) == 0) {
        unit = unit_of_expr(e);
        promql_expr_release(e);
    }
    arena_release(&arena);
    return unit;
}

/* The range of x[1h] is that of its points, its step about their distance. */
static void find_range(const struct material *m, size_t count, struct chart *c)
{
    size_t most = 1;
    c->start_ms = INT64_MAX;
    c->end_ms = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        const struct chart_series *s = &m->series[i];
        if (s->count == 0) continue;
        c->start_ms = MIN(c->start_ms, s->points[0].t_ms);
        c->end_ms = MAX(c->end_ms, s->points[s->count - 1].t_ms);
        most = MAX(most, s->count);
    }
    if (c->start_ms > c->end_ms) c->start_ms = c->end_ms = 0;
    c->step_ms = most > 1 ? (c->end_ms - c->start_ms) / (int64_t)(most - 1) : 0;
}

static int draw(const struct query *q, const struct material *m, struct buf *out)
{
    struct value_unit unit = unit_of((struct str){q->expr.p, q->expr.len});
    struct chart c = {
        .series = m->series,
        .count = q->kept_count,
        .start_ms = q->range.start_ms,
        .end_ms = q->range.end_ms,
        .step_ms = q->step_ms,
        .unit = unit.unit,
        .per_second = unit.per_second,
        .columns = q->term.columns,
        .lines = MIN(q->term.lines - 2, LINES_AT_MOST), /* the prompt stays in sight */
        .utf8 = q->term.utf8,
        .colour = q->term.colour,
        .utc_offset_s = utc_offset_s,
    };
    if (!q->range.given) find_range(m, q->kept_count, &c);
    return chart_draw(&c, out);
}

static int chart_finish(struct query *q, json_t *answer)
{
    UNUSED(answer);
    if (q->kept_count == 0) {
        cmd_note(q->cmd, "no series");
        return EXIT_OK;
    }
    struct buf out = BUF_INIT(OUTPUT_MAX);
    struct material *m = mem_zalloc(sizeof *m);
    if (!m) return cmd_fail(EXIT_FAILED, "out of memory");
    tzset(); /* localtime_r may leave it out */
    int rc = fill(q, m);
    if (rc == 0) rc = draw(q, m, &out);
    int code = rc < 0 ? cmd_fail(EXIT_FAILED, "cannot draw the chart: %s", err_text(rc))
                      : cmd_output(&out, EXIT_OK);
    uint64_t shown = MIN((uint64_t)q->seen, q->limit);
    if (shown > q->kept_count)
        cmd_note(q->cmd, "%zu of %llu series drawn; topk(%d, ...) picks the largest", q->kept_count,
                 (unsigned long long)shown, CHART_SERIES_MAX);
    release(q, m);
    buf_release(&out);
    return code;
}

static void chart_release(struct query *q)
{
    for (size_t i = 0; i < q->kept_count; i++)
        json_decref(q->kept[i]);
}

const struct query_printer query_chart = {"chart", chart_element, chart_finish, chart_release};
