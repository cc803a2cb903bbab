/* remote.c -- the querier over HTTP: whole queries, label lookups, metadata.
 *
 * What other engines than Prometheus need is sent to all, since each ignores what it does not know:
 * nocache=1 keeps VictoriaMetrics from moving start and end to multiples of the step; max_lookback
 * (range queries) and step (instant ones) are its names for lookback_delta.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "core/mem.h"
#include "tsdb/promql/remote_int.h"

/* Beyond these a bound is none and is left out: engines refuse years of more than four digits. */
#define TIME_MIN_MS INT64_C(0)
#define TIME_MAX_MS INT64_C(253402300799000)

/* --- forms --- */

static void form_name(struct buf *form, const char *name)
{
    if (form->len) buf_addch(form, '&');
    buf_addstr(form, name);
    buf_addch(form, '=');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void add_escaped(struct buf *out, struct str s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char text[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (is_alnum(s.p[i]) || (c && strchr("-._~", c)))
            buf_addch(out, s.p[i]);
        else
            buf_add(out, text, sizeof text);
    }
}

void remote_form_text(struct buf *form, const char *name, struct str value)
{
    form_name(form, name);
    add_escaped(form, value);
}

void remote_form_seconds(struct buf *form, const char *name, int64_t ms)
{
    uint64_t magnitude = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    form_name(form, name);
    buf_addf(form, "%s%" PRIu64 ".%03u", ms < 0 ? "-" : "", magnitude / 1000,
             (unsigned)(magnitude % 1000));
}

static bool matches_empty(const struct matcher *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (matcher_test(&m[i], STR("")) == 0) return false;
    return true;
}

int remote_print_matchers(const struct matcher *m, size_t count, struct buf *out)
{
    static const struct matcher named = {
        .type = MATCH_NE, .name = STR(METRIC_NAME), .value = STR("")};
    struct expr e = {.kind = EXPR_SELECTOR, .type = T_VECTOR};
    if (!matches_empty(m, count)) {
        e.selector.matchers = (struct matcher *)(uintptr_t)m; /* printing only reads */
        e.selector.matcher_count = count;
        return promql_print(&e, out);
    }
    struct matcher *all = mem_array(count + 1, sizeof *all);
    if (!all) return -ENOMEM;
    if (count) memcpy(all, m, count * sizeof *m);
    all[count] = named;
    e.selector.matchers = all;
    e.selector.matcher_count = count + 1;
    int rc = promql_print(&e, out);
    mem_free(all);
    return rc;
}

/* --- queries --- */

static int64_t form_timeout_ms(const struct remote *r, const struct query_budget *b)
{
    if (!b->deadline_mono_ns) return r->timeout_ms;
    return MAX(MIN((b->deadline_mono_ns - env_mono_ns(r->env)) / 1000000, r->timeout_ms), 1);
}

static int query_form(const struct remote *r, const struct promql_query *q, struct str text,
                      struct buf *form)
{
    bool range = q->step_ms > 0;
    remote_form_text(form, "query", text);
    if (range) {
        remote_form_seconds(form, "start", q->start_ms);
        remote_form_seconds(form, "end", q->end_ms);
        remote_form_seconds(form, "step", q->step_ms);
    } else {
        remote_form_seconds(form, "time", q->start_ms);
    }
    remote_form_seconds(form, "timeout", form_timeout_ms(r, &q->budget));
    if (q->lookback_ms > 0) {
        remote_form_seconds(form, "lookback_delta", q->lookback_ms);
        remote_form_seconds(form, range ? "max_lookback" : "step", q->lookback_ms);
    }
    remote_form_text(form, "nocache", STR("1"));
    return form->err;
}

static int disagree(enum value_type got, const struct expr *e, struct errmsg *err)
{
    return errmsg_set(err, E_UNAVAILABLE, "the engine answers a query for a%s %s with a%s %s",
                      e->type == T_VECTOR ? "n" : "", value_type_name(e->type),
                      got == T_VECTOR ? "n" : "", value_type_name(got));
}

/* A scalar where a vector is due, as MetricsQL has it for time() and the like. */
static int vector_of_scalar(struct promql_query *q, struct promql_result *res, struct errmsg *err)
{
    res->series = arena_array(q->arena, 1, sizeof *res->series);
    struct promql_point *point = arena_array(q->arena, 1, sizeof *point);
    if (!res->series || !point) return errmsg_set(err, q->arena->err, "out of memory");
    *point = (struct promql_point){q->start_ms, res->scalar};
    res->series[0] = (struct promql_series_result){.points = point, .count = 1};
    res->series_count = 1;
    return 0;
}

/* The result in the form that the expression has here. VictoriaMetrics knows no scalars: it answers
 * with a vector of one. */
static int shape(const struct expr *e, struct promql_query *q, struct promql_result *res,
                 struct errmsg *err)
{
    enum value_type got = res->type, want = q->step_ms > 0 ? T_MATRIX : e->type;
    res->type = want;
    if (got == want) return 0;
    if (want == T_SCALAR && got == T_VECTOR && res->series_count <= 1) {
        res->scalar = res->series_count ? res->series[0].points[0].v : (double)NAN;
        res->series_count = 0;
        return 0;
    }
    if (want == T_VECTOR && got == T_SCALAR) return vector_of_scalar(q, res, err);
    return disagree(got, e, err);
}

/* Takes off " (1:5)": a position in the text that we sent, which is not what the caller wrote. */
static const char *without_position(struct arena *a, const char *text)
{
    size_t n = strlen(text), i = n;
    if (n < 6 || text[--i] != ')') return text;
    while (i > 0 && is_digit(text[i - 1]))
        i--;
    if (i == 0 || text[--i] != ':') return text;
    while (i > 0 && is_digit(text[i - 1]))
        i--;
    if (i < 2 || text[i - 1] != '(' || text[i - 2] != ' ') return text;
    const char *copy = arena_strndup(a, text, i - 2);
    return copy ? copy : text;
}

static const struct expr *unwrap(const struct expr *e)
{
    while (e->kind == EXPR_PAREN || e->kind == EXPR_STEP_INVARIANT)
        e = e->wrap.expr;
    return e;
}

static int remote_eval(struct querier *querier, const struct expr *e, struct promql_query *q,
                       struct promql_result *out, struct errmsg *err)
{
    struct remote *r = (struct remote *)querier;
    struct buf text = BUF_INIT(REMOTE_FORM_MAX), form = BUF_INIT(REMOTE_FORM_MAX);
    struct remote_reply reply;
    const struct expr *bare = unwrap(e);
    *out = (struct promql_result){0};
    if (bare->kind == EXPR_STRING && q->step_ms == 0) { /* not worth a request, and not portable */
        out->type = T_STRING;
        out->string = arena_str(q->arena, bare->string);
        return out->string.p ? 0 : errmsg_set(err, q->arena->err, "out of memory");
    }
    int rc = promql_print(e, &text);
    struct str printed = {text.p ? text.p : "", text.len};
    if (rc == 0) rc = query_form(r, q, printed, &form);
    if (rc < 0) {
        errmsg_set(err, rc, "the query is too long for a request");
        goto out;
    }
    struct remote_call call = {
        .path = q->step_ms > 0 ? "/api/v1/query_range" : "/api/v1/query",
        .form = {form.p, form.len},
        .kind = REMOTE_QUERY,
        .arena = q->arena,
        .budget = &q->budget,
    };
    rc = remote_ask(r, &call, &reply, err);
    if (rc == 0) *out = reply.result;
    if (rc == 0) rc = shape(e, q, out, err);
    for (size_t i = 0; rc == 0 && !str_eq(printed, q->text) && i < out->annotation_count; i++)
        out->annotations[i].text = without_position(q->arena, out->annotations[i].text);
out:
    buf_release(&text);
    buf_release(&form);
    return rc;
}

/* --- lookups --- */

/* The answer's arena: the request's, or one of its own. */
static struct arena *lookup_arena(const struct select_request *s, struct arena *own)
{
    arena_init(own, (size_t)64 << 20);
    return s->arena ? s->arena : own;
}

static int lookup_form(const struct select_request *s, struct buf *form)
{
    if (s->matcher_count) {
        struct buf text = BUF_INIT(REMOTE_FORM_MAX);
        int rc = remote_print_matchers(s->matchers, s->matcher_count, &text);
        if (rc == 0) remote_form_text(form, "match%5B%5D", (struct str){text.p, text.len});
        buf_release(&text);
        if (rc < 0) return rc;
    }
    if (s->start_ms >= TIME_MIN_MS) remote_form_seconds(form, "start", s->start_ms);
    if (s->end_ms <= TIME_MAX_MS) remote_form_seconds(form, "end", s->end_ms);
    /* one more than is kept, so that the caller sees that there are more */
    if (s->limit) {
        form_name(form, "limit");
        buf_adduint(form, (uint64_t)s->limit + 1);
    }
    return form->err;
}

static int look_up(struct remote *r, const char *path, const struct select_request *s,
                   enum remote_kind kind, bool get, struct arena *arena, struct remote_reply *reply,
                   struct errmsg *err)
{
    struct buf form = BUF_INIT(REMOTE_FORM_MAX);
    int rc = lookup_form(s, &form);
    struct remote_call call = {
        .path = path,
        .form = {form.p ? form.p : "", form.len},
        .get = get,
        .kind = kind,
        .arena = arena,
        .budget = s->budget,
    };
    if (rc < 0)
        errmsg_set(err, rc, "the selector is too long for a request");
    else
        rc = remote_ask(r, &call, reply, err);
    buf_release(&form);
    return rc;
}

static int visit_names(struct remote *r, const char *path, bool get, const struct select_request *s,
                       str_visit_fn *each, void *arg, struct errmsg *err)
{
    struct arena own;
    struct remote_reply reply;
    struct arena *arena = lookup_arena(s, &own);
    int rc = look_up(r, path, s, REMOTE_NAMES, get, arena, &reply, err);
    for (size_t i = 0; rc == 0 && i < reply.name_count; i++)
        rc = each(arg, reply.names[i]);
    arena_release(&own);
    return rc;
}

static int remote_label_names(struct querier *q, const struct select_request *s, str_visit_fn *each,
                              void *arg, struct errmsg *err)
{
    return visit_names((struct remote *)q, "/api/v1/labels", false, s, each, arg, err);
}

/* One character as it may stand in an escaped name, or its code point between underscores. */
static void add_name_byte(struct buf *out, const char *p, size_t len)
{
    unsigned code = (unsigned char)p[0];
    if (is_alnum(p[0]) || p[0] == ':') {
        buf_addch(out, p[0]);
        return;
    }
    if (len > 1) code &= 0xffU >> (len + 1);
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)p[i] & 0x3f);
    buf_addf(out, "_%X_", code);
}

/* A name with a slash cannot stand in a path, escaped or not; Prometheus 3 takes it in this form.
 */
static void add_u_escaped(struct buf *out, struct str name)
{
    buf_addstr(out, "U__");
    for (size_t i = 0; i < name.len;) {
        unsigned char c = (unsigned char)name.p[i];
        size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (c == '_')
            buf_addstr(out, "__");
        else
            add_name_byte(out, name.p + i, MIN(len, name.len - i));
        i += len;
    }
}

static int remote_label_values(struct querier *q, struct str name, const struct select_request *s,
                               str_visit_fn *each, void *arg, struct errmsg *err)
{
    struct buf path = BUF_INIT(1 << 16);
    buf_addstr(&path, "/api/v1/label/");
    if (memchr(name.p, '/', name.len))
        add_u_escaped(&path, name);
    else
        add_escaped(&path, name);
    buf_addstr(&path, "/values");
    int rc = path.err;
    if (rc < 0)
        errmsg_set(err, rc, "the label name is too long for a request");
    else
        rc = visit_names((struct remote *)q, path.p, true, s, each, arg, err);
    buf_release(&path);
    return rc;
}

/* The label sets may be kept as long as the request's arena. */
static int remote_series(struct querier *q, const struct select_request *s, labels_visit_fn *each,
                         void *arg, struct errmsg *err)
{
    static const struct matcher named = {
        .type = MATCH_NE, .name = STR(METRIC_NAME), .value = STR("")};
    struct arena own;
    struct remote_reply reply;
    struct select_request all = *s;
    struct arena *arena = lookup_arena(s, &own);
    if (all.matcher_count == 0) { /* engines want one */
        all.matchers = &named;
        all.matcher_count = 1;
    }
    int rc = look_up((struct remote *)q, "/api/v1/series", &all, REMOTE_SERIES, false, arena,
                     &reply, err);
    for (size_t i = 0; rc == 0 && i < reply.set_count; i++)
        rc = each(arg, reply.sets[i]);
    arena_release(&own);
    return rc;
}

int remote_metadata(struct remote *r, const char *metric, struct query_budget *budget,
                    struct arena *arena, metadata_visit_fn *each, void *arg, struct errmsg *err)
{
    struct buf form = BUF_INIT(REMOTE_FORM_MAX);
    struct remote_reply reply = {0};
    if (metric && metric[0]) remote_form_text(&form, "metric", str_of(metric));
    struct remote_call call = {
        .path = "/api/v1/metadata",
        .form = {form.p ? form.p : "", form.len},
        .get = true,
        .kind = REMOTE_METADATA,
        .arena = arena,
        .budget = budget,
    };
    int rc = form.err ? errmsg_set(err, form.err, "the metric's name is too long for a request")
                      : remote_ask(r, &call, &reply, err);
    for (size_t i = 0; rc == 0 && i < reply.metadata_count; i++)
        rc = each(arg, &reply.metadata[i]);
    buf_release(&form);
    return rc;
}

/* --- life --- */

static const struct querier_ops remote_ops = {
    .select = remote_select,
    .label_names = remote_label_names,
    .label_values = remote_label_values,
    .series = remote_series,
    .eval = remote_eval,
};

static const char *copy_text(struct remote *r, const char *s)
{
    return s && s[0] ? arena_strndup(&r->arena, s, strlen(s)) : NULL;
}

/* "Name: value" of each, the bearer token, and our own; NULL-terminated. */
static const char *const *copy_headers(struct remote *r, const struct remote_options *o)
{
    const char **v = arena_array(&r->arena, o->header_count + 3, sizeof *v);
    size_t n = 0;
    if (!v) return NULL;
    for (size_t i = 0; i < o->header_count; i++)
        v[n++] =
            arena_printf(&r->arena, "%.*s: %.*s", (int)o->headers[i].name.len, o->headers[i].name.p,
                         (int)o->headers[i].value.len, o->headers[i].value.p);
    if (o->bearer && o->bearer[0])
        v[n++] = arena_printf(&r->arena, "Authorization: Bearer %s", o->bearer);
    v[n] = "User-Agent: tocsin";
    return v;
}

static int copy_options(struct remote *r, const struct remote_options *o)
{
    struct httpc_tls *tls = arena_array(&r->arena, 1, sizeof *tls);
    size_t len = strlen(o->url);
    if (!tls) return r->arena.err;
    while (len && o->url[len - 1] == '/')
        len--;
    r->url = arena_strndup(&r->arena, o->url, len);
    r->timeout_ms = o->timeout_ms;
    *tls = (struct httpc_tls){
        .ca_file = copy_text(r, o->tls.ca_file),
        .cert_file = copy_text(r, o->tls.cert_file),
        .key_file = copy_text(r, o->tls.key_file),
        .server_name = copy_text(r, o->tls.server_name),
        .insecure_skip_verify = o->tls.insecure_skip_verify,
    };
    r->model = (struct httpc_request){
        .headers = copy_headers(r, o),
        .accept_gzip = true,
        .username = copy_text(r, o->username),
        .password = copy_text(r, o->password),
        .proxy_url = copy_text(r, o->proxy_url),
        .tls = tls,
    };
    return r->arena.err;
}

int remote_new(struct remote **out, const struct remote_options *o, struct env *env,
               struct remote_counters *counters, struct errmsg *err)
{
    struct remote *r = mem_zalloc(sizeof *r);
    *out = NULL;
    if (!r) return errmsg_set(err, -ENOMEM, "out of memory");
    r->querier.ops = &remote_ops;
    r->env = env;
    r->counters = counters;
    arena_init(&r->arena, REMOTE_ARENA_MAX);
    pthread_mutex_init(&r->lock, NULL);
    int rc = copy_options(r, o);
    if (rc < 0) {
        remote_free(r);
        return errmsg_set(err, rc, "query.remote: %s", rc == E_LIMIT ? "too long" : err_text(rc));
    }
    *out = r;
    return 0;
}

void remote_free(struct remote *r)
{
    if (!r) return;
    for (size_t i = 0; i < r->idle_count; i++)
        httpc_free(r->idle[i]);
    pthread_mutex_destroy(&r->lock);
    arena_release(&r->arena);
    mem_free(r);
}

struct querier *remote_querier(struct remote *r)
{
    return &r->querier;
}
