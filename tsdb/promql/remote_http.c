/* remote_http.c -- one request to the engine: a connection, waiting for the answer, and what to
 * call what went wrong.
 *
 * A struct httpc belongs to one thread at a time, so a call takes one that is idle, or a new one,
 * and hands it back; its connection stays open. When the engine closed that connection meanwhile,
 * libcurl sends the request again, once, on a new one; nothing else is ever retried.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "core/mem.h"
#include "tsdb/budget.h"
#include "tsdb/promql/remote_int.h"

enum {
    SAID_MAX = 200,     /* of what came, in messages */
    BODY_PER_MEMORY = 4 /* JSON is longer than what is kept of it */
};
#define POLL_NS INT64_C(50000000)

/* Status 0 stands for none, -1 for any other. */
static const struct {
    int status;
    const char *name;
} codes[REMOTE_CODES] = {
    {200, "200"  },
    {204, "204"  },
    {301, "301"  },
    {302, "302"  },
    {400, "400"  },
    {401, "401"  },
    {403, "403"  },
    {404, "404"  },
    {408, "408"  },
    {413, "413"  },
    {422, "422"  },
    {429, "429"  },
    {499, "499"  },
    {500, "500"  },
    {502, "502"  },
    {503, "503"  },
    {0,   "none" },
    {-1,  "other"},
};

const char *remote_code_name(size_t slot)
{
    return slot < COUNT(codes) ? codes[slot].name : NULL;
}

static void count_request(struct remote_counters *c, int status, int64_t ns)
{
    size_t i = 0;
    while (i + 1 < COUNT(codes) && codes[i].status != status)
        i++;
    atomic_fetch_add(&c->codes[i], 1);
    atomic_fetch_add(&c->ns, (uint64_t)ns);
}

/* --- clients --- */

static int take_client(struct remote *r, struct httpc **out)
{
    *out = NULL;
    pthread_mutex_lock(&r->lock);
    if (r->idle_count) *out = r->idle[--r->idle_count];
    pthread_mutex_unlock(&r->lock);
    return *out ? 0 : httpc_new(out, r->env);
}

static void give_client(struct remote *r, struct httpc *h)
{
    pthread_mutex_lock(&r->lock);
    bool kept = r->idle_count < REMOTE_IDLE_MAX;
    if (kept) r->idle[r->idle_count++] = h;
    pthread_mutex_unlock(&r->lock);
    if (!kept) httpc_free(h);
}

/* --- an exchange --- */

struct exchange {
    struct remote_answer *answer;
    int read_rc; /* of the answer so far */
    struct errmsg read_err;
    char said[SAID_MAX];
    size_t said_len;
    bool done;
    int rc, status;
    int64_t elapsed_ns;
    char why[256];
};

static int on_data(void *arg, struct str piece)
{
    struct exchange *x = arg;
    size_t n = MIN(piece.len, sizeof x->said - x->said_len);
    memcpy(x->said + x->said_len, piece.p, n);
    x->said_len += n;
    if (x->read_rc == 0) x->read_rc = remote_answer_feed(x->answer, piece, &x->read_err);
    /* of what is no answer, as much is read as the message shows */
    return x->read_rc < 0 && (x->read_rc != E_PARSE || x->said_len == sizeof x->said);
}

static void on_done(void *arg, const struct httpc_response *response)
{
    struct exchange *x = arg;
    x->done = true;
    x->rc = response->rc;
    x->status = response->status;
    x->elapsed_ns = response->elapsed_ns;
    snprintf(x->why, sizeof x->why, "%s", response->error);
}

static bool is_canceled(const struct query_budget *b)
{
    return b && b->cancel && __atomic_load_n(b->cancel, __ATOMIC_RELAXED);
}

/* The time this call has: the options', or what the query has left. */
static int64_t time_left_ms(const struct remote *r, const struct query_budget *b)
{
    if (!b || !b->deadline_mono_ns) return r->timeout_ms;
    int64_t left_ms = (b->deadline_mono_ns - env_mono_ns(r->env)) / 1000000;
    return MAX(MIN(left_ms, r->timeout_ms), 1);
}

static int wait_for(struct remote *r, struct httpc *h, uint64_t id, const struct query_budget *b,
                    struct exchange *x)
{
    int rc = 0;
    while (rc >= 0 && !x->done) {
        rc = httpc_run(h, env_mono_ns(r->env) + POLL_NS);
        if (!x->done && is_canceled(b)) httpc_cancel(h, id);
    }
    return MIN(rc, 0);
}

static int exchange(struct remote *r, const char *url, const struct remote_call *c,
                    struct exchange *x)
{
    struct httpc *h;
    struct httpc_request request = r->model;
    uint64_t id;
    request.url = url;
    request.method = c->get ? "GET" : "POST";
    if (!c->get) request.body = c->form;
    request.timeout_ms = time_left_ms(r, c->budget);
    request.max_body = MIN(c->arena->max, SIZE_MAX / BODY_PER_MEMORY) * BODY_PER_MEMORY;
    int rc = take_client(r, &h);
    if (rc < 0) return rc;
    rc = httpc_start(h, &request, on_data, on_done, x, &id);
    if (rc == 0) rc = wait_for(r, h, id, c->budget, x);
    if (rc == 0)
        give_client(r, h);
    else
        httpc_free(h);
    return rc;
}

/* --- failures --- */

/* What the engine sent, on one line and without control characters. */
static const char *clean(const char *p, size_t len, char out[SAID_MAX + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < len && n < SAID_MAX; i++) {
        bool control = (unsigned char)p[i] < 0x20 || p[i] == 0x7f;
        if (control && (n == 0 || out[n - 1] == ' ')) continue;
        out[n++] = control ? ' ' : p[i];
    }
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return out;
}

/* Names of Prometheus, and of others that borrow its form. */
static int code_of(const struct remote_reply *reply, int status)
{
    static const struct {
        const char *type;
        int rc;
    } types[] = {
        {"bad_data",    E_EXEC       },
        {"execution",   E_EXEC       },
        {"not_found",   E_EXEC       },
        {"timeout",     E_TIMEOUT    },
        {"canceled",    E_UNAVAILABLE}, /* not by us */
        {"unavailable", E_UNAVAILABLE},
        {"internal",    E_UNAVAILABLE},
    };
    for (size_t i = 0; i < COUNT(types); i++)
        if (strcmp(types[i].type, reply->error_type) == 0) return types[i].rc;
    return status == 400 || status == 422 ? E_EXEC : status == 408 ? E_TIMEOUT : E_UNAVAILABLE;
}

/* What to do about a status, as the rest of a sentence. */
static const char *advice_on(int status)
{
    static const struct {
        int status;
        const char *advice;
    } rows[] = {
        {301, "; redirects are not followed: write the final address into query.remote.url"},
        {302, "; redirects are not followed: write the final address into query.remote.url"},
        {401, "; check query.remote.basic_auth or query.remote.bearer"                     },
        {403, "; check query.remote.basic_auth or query.remote.bearer"                     },
        {404, "; check the path in query.remote.url: /api/v1/query is appended to it"      },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].status == status) return rows[i].advice;
    return "";
}

static int fail_reply(const struct exchange *x, const char *url, const struct remote_reply *reply,
                      struct errmsg *err)
{
    char said[SAID_MAX + 1], type[SAID_MAX + 1];
    return errmsg_set(err, code_of(reply, x->status), "%.120s: %s: %s", url,
                      clean(reply->error_type, strlen(reply->error_type), type),
                      clean(reply->error, strlen(reply->error), said));
}

static int fail_other(const struct exchange *x, const char *url, struct errmsg *err)
{
    char said[SAID_MAX + 1];
    bool good = x->status >= 200 && x->status < 300;
    const char *why = !good ? "" : x->read_rc ? x->read_err.text : "it does not say success";
    return errmsg_set(err, E_UNAVAILABLE, "%.120s: HTTP %d%s%.80s: \"%s\"%s", url, x->status,
                      good ? ", but no answer of a Prometheus-compatible engine: " : "", why,
                      clean(x->said, x->said_len, said), advice_on(x->status));
}

/* What became of an exchange that was made; *reply is whole when 0 or fail_reply. */
static int judge(const struct exchange *x, const struct remote_call *c, const char *url,
                 const struct remote_reply *reply, struct errmsg *err)
{
    if (is_canceled(c->budget)) return errmsg_set(err, E_CANCELED, "query was canceled");
    if (x->read_rc < 0 && x->read_rc != E_PARSE)
        return errmsg_set(err, x->read_rc, "%.120s: %.300s", url, x->read_err.text);
    if (x->rc == E_TOO_BIG)
        return errmsg_set(
            err, E_LIMIT,
            "%.120s: the answer is longer than %zu MiB, %d times what a query may use", url,
            c->arena->max * BODY_PER_MEMORY >> 20, BODY_PER_MEMORY);
    if (x->rc == E_TIMEOUT)
        return errmsg_set(err, E_TIMEOUT, "%.120s: no answer within %lld ms", url,
                          (long long)(x->elapsed_ns / 1000000));
    if (x->rc < 0 && x->read_rc == 0)
        return errmsg_set(err, x->rc == -ENOMEM ? -ENOMEM : E_UNAVAILABLE, "%.120s: %.250s", url,
                          x->why);
    if (x->read_rc == 0 && reply->success && x->status >= 200 && x->status < 300) return 0;
    if (x->read_rc == 0 && !reply->success && reply->error_type[0])
        return fail_reply(x, url, reply, err);
    return fail_other(x, url, err);
}

/* --- asking --- */

static int make_url(const struct remote *r, const struct remote_call *c, struct buf *out)
{
    buf_addf(out, "%s%s", r->url, c->path);
    size_t shown = out->len;
    if (c->get && c->form.len) buf_addf(out, "?%.*s", (int)c->form.len, c->form.p);
    return out->err ? out->err : (int)MIN(shown, (size_t)INT32_MAX);
}

int remote_ask(struct remote *r, const struct remote_call *c, struct remote_reply *out,
               struct errmsg *err)
{
    struct exchange x = {0};
    struct buf url = BUF_INIT(REMOTE_FORM_MAX + 8192);
    char shown[128] = "";
    *out = (struct remote_reply){0};
    int rc = budget_check(c->budget, r->env, err);
    if (rc == 0) rc = remote_answer_new(&x.answer, c->kind, c->arena, c->budget);
    if (rc == 0) rc = make_url(r, c, &url);
    if (rc < 0) goto out;
    snprintf(shown, sizeof shown, "%.*s", rc, url.p);
    rc = exchange(r, url.p, c, &x);
    if (rc < 0) goto out;
    if (x.rc == 0 && x.read_rc == 0) x.read_rc = remote_answer_end(x.answer, out, &x.read_err);
    count_request(r->counters, x.status, x.elapsed_ns);
    rc = judge(&x, c, shown, out, err);
    if (rc == E_UNAVAILABLE || rc == E_TIMEOUT) atomic_fetch_add(&r->counters->failures, 1);
out:
    if (rc < 0 && err && !err->text[0])
        errmsg_set(err, rc, "%s%s%s", shown, shown[0] ? ": " : "", err_text(rc));
    remote_answer_free(x.answer);
    buf_release(&url);
    return rc;
}
