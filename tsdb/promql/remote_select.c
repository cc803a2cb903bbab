/* remote_select.c -- raw samples of a remote engine: an instant query for SELECTOR[RANGE] gives
 * them.
 *
 * A long time is asked for in spans, so that no answer needs all of the engine's limits at once.
 * Each span's answer is sorted by labels; the series set merges them:
 *
 *     span 0   a  b     d        next() takes the least label set of all heads, here a, and joins
 *     span 1   a     c  d        its samples of every span, which follow each other in time
 *     span 2      b     d
 *
 * Prometheus 2 includes the start of a range, Prometheus 3 does not: ranges are asked a millisecond
 * longer and what is too early is dropped. Staleness markers are not in such answers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "core/mem.h"
#include "tsdb/promql/remote_int.h"

enum { SPANS_MAX = 64, DAY_MS = 86400000 };
#define FUTURE_MS INT64_C(3600000) /* nothing is stored beyond now and this */

struct span {
    struct promql_series_result *series;
    size_t count, at;
};

struct remote_set {
    struct series_set set;
    struct span spans[SPANS_MAX];
    size_t span_count;
    int64_t start_ms, end_ms;
    int64_t *t; /* of the series under way */
    double *v;
    size_t t_cap, v_cap, count;
};

static void set_free(struct series_set *ss)
{
    struct remote_set *s = (struct remote_set *)ss;
    mem_free(s->t);
    mem_free(s->v);
    mem_free(s);
}

static int add_point(struct remote_set *s, struct promql_point p)
{
    void *t = s->t, *v = s->v;
    if (p.t_ms < s->start_ms || p.t_ms > s->end_ms) return 0;
    if (s->count && p.t_ms <= s->t[s->count - 1]) return 0; /* spans share their border */
    int rc = mem_grow(&t, &s->t_cap, s->count + 1, SIZE_MAX / 64, sizeof *s->t);
    s->t = t;
    if (rc == 0) rc = mem_grow(&v, &s->v_cap, s->count + 1, SIZE_MAX / 64, sizeof *s->v);
    s->v = v;
    if (rc < 0) return rc;
    s->t[s->count] = p.t_ms;
    s->v[s->count++] = p.v;
    return 0;
}

/* The least label set of the spans' heads; false when all are used up. */
static bool least(const struct remote_set *s, struct labels *out)
{
    bool any = false;
    for (size_t i = 0; i < s->span_count; i++) {
        const struct span *span = &s->spans[i];
        if (span->at == span->count) continue;
        struct labels ls = span->series[span->at].labels;
        if (!any || labels_cmp(ls, *out) < 0) *out = ls;
        any = true;
    }
    return any;
}

static int join(struct remote_set *s, struct labels ls)
{
    int rc = 0;
    s->count = 0;
    for (size_t i = 0; i < s->span_count; i++) {
        struct span *span = &s->spans[i];
        if (span->at == span->count || !labels_eq(span->series[span->at].labels, ls)) continue;
        const struct promql_series_result *series = &span->series[span->at++];
        for (size_t k = 0; rc == 0 && k < series->count; k++)
            rc = add_point(s, series->points[k]);
    }
    return rc;
}

static int set_next(struct series_set *ss, struct series_view *out, struct errmsg *err)
{
    struct remote_set *s = (struct remote_set *)ss;
    struct labels ls = {0};
    do {
        if (!least(s, &ls)) return 0;
        int rc = join(s, ls);
        if (rc < 0) return errmsg_set(err, rc, "out of memory for the samples of a series");
    } while (s->count == 0);
    *out = (struct series_view){ls, s->t, s->v, s->count};
    return 1;
}

static const struct series_set_ops set_ops = {set_next, set_free};

/* --- asking --- */

static int ask_span(struct remote *r, const struct select_request *q, struct str selector,
                    int64_t start_ms, int64_t end_ms, struct span *out, struct errmsg *err)
{
    struct buf text = BUF_INIT(REMOTE_FORM_MAX), form = BUF_INIT(REMOTE_FORM_MAX);
    struct remote_reply reply = {0};
    buf_add(&text, selector.p, selector.len);
    buf_addf(&text, "[%" PRId64 "ms]", end_ms - start_ms + 1);
    remote_form_text(&form, "query", (struct str){text.p, text.len});
    remote_form_seconds(&form, "time", end_ms);
    remote_form_text(&form, "nocache", STR("1"));
    int rc = text.err ? text.err : form.err;
    struct remote_call call = {
        .path = "/api/v1/query",
        .form = {form.p, form.len},
        .kind = REMOTE_QUERY,
        .arena = q->arena,
        .budget = q->budget,
    };
    if (rc < 0)
        errmsg_set(err, rc, "the selector is too long for a request");
    else
        rc = remote_ask(r, &call, &reply, err);
    if (rc == 0 && reply.result.type != T_MATRIX)
        rc = errmsg_set(err, E_UNAVAILABLE, "%.120s: the engine has no samples for a range vector",
                        r->url);
    *out = (struct span){.series = reply.result.series, .count = reply.result.series_count};
    buf_release(&text);
    buf_release(&form);
    return rc;
}

static int ask_spans(struct remote *r, const struct select_request *q, struct str selector,
                     struct remote_set *s, struct errmsg *err)
{
    int64_t whole = s->end_ms - s->start_ms, length = MAX(whole / SPANS_MAX + 1, (int64_t)DAY_MS);
    int rc = 0;
    for (int64_t at = s->start_ms; rc == 0 && at <= s->end_ms; at += length) {
        int64_t end = MIN(at + length - 1, s->end_ms);
        rc = ask_span(r, q, selector, at, end, &s->spans[s->span_count++], err);
    }
    return rc;
}

int remote_select(struct querier *q, const struct select_request *request, struct series_set **out,
                  struct errmsg *err)
{
    struct remote *r = (struct remote *)q;
    struct buf selector = BUF_INIT(REMOTE_FORM_MAX);
    struct remote_set *s = mem_zalloc(sizeof *s);
    *out = NULL;
    if (!s) return -ENOMEM;
    s->set.ops = &set_ops;
    s->start_ms = MAX(request->start_ms, 0);
    s->end_ms = MIN(request->end_ms, env_now_ms(r->env) + FUTURE_MS);
    int rc = remote_print_matchers(request->matchers, request->matcher_count, &selector);
    if (rc < 0)
        errmsg_set(err, rc, "the selector is too long for a request");
    else
        rc = ask_spans(r, request, (struct str){selector.p, selector.len}, s, err);
    buf_release(&selector);
    if (rc < 0) {
        set_free(&s->set);
        return rc;
    }
    *out = &s->set;
    return 0;
}
