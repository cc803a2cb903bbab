/* httpc.c -- the HTTP client: libcurl's multi interface (the only file that includes curl.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/httpc.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "core/mem.h"

struct transfer {
    struct transfer *next, **link;
    struct httpc *owner;
    uint64_t id;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char *body_out;
    struct buf body;
    size_t received, max_body;
    httpc_data_fn *on_data;
    httpc_done_fn *done;
    void *arg;
    int64_t started_mono_ns, retry_after_ms;
    int stopped; /* why we aborted it ourselves: E_TOO_BIG, E_CANCELED, -ENOMEM */
    char error[CURL_ERROR_SIZE];
};

struct httpc {
    struct env *env;
    CURLM *multi;
    struct transfer *first;
    uint64_t next_id;
    size_t in_flight;
    bool closing; /* httpc_free is ending what is left: nothing new may start */
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

int httpc_new(struct httpc **out, struct env *env)
{
    pthread_once(&curl_once, init_curl);
    struct httpc *h = mem_zalloc(sizeof *h);
    *out = NULL;
    if (!h) return -ENOMEM;
    h->env = env;
    h->multi = curl_multi_init();
    if (!h->multi) {
        mem_free(h);
        return -ENOMEM;
    }
    *out = h;
    return 0;
}

/* --- one transfer --- */

static void free_transfer(struct transfer *t)
{
    if (t->link) {
        *t->link = t->next;
        if (t->next) t->next->link = t->link;
        t->owner->in_flight--;
    }
    if (t->easy) {
        curl_multi_remove_handle(t->owner->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    buf_release(&t->body);
    mem_free(t->body_out);
    mem_free(t);
}

static size_t stop_transfer(struct transfer *t, int why)
{
    t->stopped = why;
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * count;
    if (t->stopped) return CURL_WRITEFUNC_ERROR;
    if (len > t->max_body - t->received) return stop_transfer(t, E_TOO_BIG);
    t->received += len;
    if (t->on_data)
        return t->on_data(t->arg, (struct str){p, len}) ? stop_transfer(t, E_CANCELED) : len;
    return buf_add(&t->body, p, len) ? stop_transfer(t, -ENOMEM) : len;
}

static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
    static const struct str name = STR("retry-after:");
    struct transfer *t = arg;
    struct str line = {p, size * count};
    if (line.len > name.len && str_eq_nocase((struct str){p, name.len}, name)) {
        struct str value = str_trim((struct str){p + name.len, line.len - name.len});
        uint64_t seconds;
        if (!str_to_u64(value, &seconds)) {
            t->retry_after_ms = (int64_t)MIN(seconds, (uint64_t)86400) * 1000;
        } else { /* the other form is a date (RFC 9110, 10.2.3) */
            char date[64];
            snprintf(date, sizeof date, "%.*s", (int)value.len, value.p);
            int64_t at_ms = (int64_t)curl_getdate(date, NULL) * 1000;
            if (at_ms > 0) t->retry_after_ms = MAX(at_ms - env_now_ms(t->owner->env), 0);
        }
    }
    return line.len;
}

static int list_add(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (!longer) return -ENOMEM;
    *list = longer;
    return 0;
}

static int set_headers(struct transfer *t, const struct httpc_request *r)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && r->headers && r->headers[i]; i++)
        rc = list_add(&t->headers, r->headers[i]);
    /* no "Expect: 100-continue": it costs a round trip and some receivers never answer it */
    if (rc == 0) rc = list_add(&t->headers, "Expect:");
    if (rc < 0) return rc;
    return curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) ? -ENOMEM : 0;
}

static int set_body(struct transfer *t, const struct httpc_request *r)
{
    if (r->body.len || !strcmp(r->method, "POST") || !strcmp(r->method, "PUT")) {
        t->body_out = mem_dup(r->body.p ? r->body.p : "", r->body.len);
        if (!t->body_out) return -ENOMEM;
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body_out);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    }
    if (!strcmp(r->method, "HEAD")) curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    return curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, r->method) ? -ENOMEM : 0;
}

static void set_text(CURL *easy, CURLoption option, const char *value)
{
    if (value && value[0]) curl_easy_setopt(easy, option, value);
}

static void set_tls(CURL *easy, const struct httpc_tls *tls)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (!tls) return;
    set_text(easy, CURLOPT_CAINFO, tls->ca_file);
    /* the system's folder would be trusted besides */
    if (tls->ca_file && tls->ca_file[0]) curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    set_text(easy, CURLOPT_SSLCERT, tls->cert_file);
    set_text(easy, CURLOPT_SSLKEY, tls->key_file);
    if (tls->insecure_skip_verify) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/* The parts of a URL that the trick below needs; each freed by curl_free. */
struct url_parts {
    char *host, *port, *explicit_port, *renamed;
};

static int take_apart(const char *url, const char *server_name, struct url_parts *out)
{
    CURLU *u = curl_url();
    if (!u) return -ENOMEM;
    CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, 0);
    if (!rc) rc = curl_url_get(u, CURLUPART_HOST, &out->host, 0);
    if (!rc) rc = curl_url_get(u, CURLUPART_PORT, &out->port, CURLU_DEFAULT_PORT);
    if (!rc && curl_url_get(u, CURLUPART_PORT, &out->explicit_port, 0)) out->explicit_port = NULL;
    if (!rc) rc = curl_url_set(u, CURLUPART_HOST, server_name, 0);
    if (!rc) rc = curl_url_get(u, CURLUPART_URL, &out->renamed, 0);
    curl_url_cleanup(u);
    return rc ? E_INVALID : 0;
}

/* libcurl takes the name for SNI and verification from the URL and from nowhere else. So the URL
 * gets that name, and CURLOPT_CONNECT_TO and a Host header keep the connection and the request what
 * they were. */
static int set_server_name(struct transfer *t, const char *url, const char *name)
{
    struct url_parts p = {0};
    struct buf text = BUF_INIT(8192);
    int rc = take_apart(url, name, &p);
    if (rc < 0) goto out;
    buf_addf(&text, "%s:%s:%s:%s", name, p.port, p.host, p.port);
    rc = text.err ? text.err : list_add(&t->connect_to, text.p);
    buf_reset(&text);
    buf_addf(&text, "Host: %s%s%s", p.host, p.explicit_port ? ":" : "",
             p.explicit_port ? p.explicit_port : "");
    if (rc == 0) rc = text.err ? text.err : list_add(&t->headers, text.p);
    if (rc == 0 && (curl_easy_setopt(t->easy, CURLOPT_URL, p.renamed) ||
                    curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO, t->connect_to)))
        rc = -ENOMEM;
out:
    curl_free(p.host);
    curl_free(p.port);
    curl_free(p.explicit_port);
    curl_free(p.renamed);
    buf_release(&text);
    return rc;
}

static int set_options(struct transfer *t, const struct httpc_request *r)
{
    CURL *e = t->easy;
    if (curl_easy_setopt(e, CURLOPT_URL, r->url)) return -ENOMEM;
    if (curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https")) return E_UNSUPPORTED;
    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 16384L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)MAX(r->timeout_ms, 1));
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_PROXY, r->proxy_url ? r->proxy_url : "");
    if (r->accept_gzip) curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
    set_text(e, CURLOPT_UNIX_SOCKET_PATH, r->unix_socket);
    if (r->username && r->username[0]) {
        curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        set_text(e, CURLOPT_USERNAME, r->username);
        set_text(e, CURLOPT_PASSWORD, r->password);
    }
    set_tls(e, r->tls);
    int rc = set_body(t, r);
    bool renamed = r->tls && r->tls->server_name && r->tls->server_name[0] &&
                   !strncasecmp(r->url, "https:", 6);
    if (rc == 0 && renamed) rc = set_server_name(t, r->url, r->tls->server_name);
    return rc ? rc : set_headers(t, r);
}

int httpc_start(struct httpc *h, const struct httpc_request *r, httpc_data_fn *on_data,
                httpc_done_fn *done, void *arg, uint64_t *id)
{
    if (h->closing) return E_CANCELED;
    struct transfer *t = mem_zalloc(sizeof *t);
    if (!t) return -ENOMEM;
    t->owner = h;
    t->id = ++h->next_id;
    t->max_body = r->max_body ? r->max_body : 16 << 20;
    buf_init(&t->body, t->max_body);
    t->on_data = on_data;
    t->done = done;
    t->arg = arg;
    t->retry_after_ms = -1;
    t->started_mono_ns = env_mono_ns(h->env);
    t->easy = curl_easy_init();
    int rc = t->easy ? set_options(t, r) : -ENOMEM;
    if (!rc && curl_multi_add_handle(h->multi, t->easy)) rc = -ENOMEM;
    if (rc) {
        free_transfer(t);
        return rc;
    }
    t->link = &h->first;
    t->next = h->first;
    if (t->next) t->next->link = &t->next;
    h->first = t;
    h->in_flight++;
    if (id) *id = t->id;
    return 0;
}

/* --- ending --- */

static int code_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return E_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return E_INVALID;
    default:
        return E_UNAVAILABLE;
    }
}

static void finish(struct transfer *t, int rc, const char *why)
{
    long status = 0;
    const char *type = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
    struct httpc_response r = {
        .rc = rc,
        .status = (int)status,
        .body = {t->body.p ? t->body.p : "", t->body.len},
        .content_type = type ? type : "",
        .retry_after_ms = t->retry_after_ms,
        .elapsed_ns = env_mono_ns(t->owner->env) - t->started_mono_ns,
    };
    if (rc) snprintf(r.error, sizeof r.error, "%s", t->error[0] && !t->stopped ? t->error : why);
    t->done(t->arg, &r);
}

static struct transfer *transfer_of(CURL *easy)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    return (struct transfer *)(void *)private;
}

static int finish_completed(struct httpc *h)
{
    int ran = 0, left;
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));) {
        if (m->msg != CURLMSG_DONE) continue;
        struct transfer *t = transfer_of(m->easy_handle);
        CURLcode code = m->data.result;
        int rc = t->stopped ? t->stopped : code_of(code);
        finish(t, rc, t->stopped ? err_text(t->stopped) : curl_easy_strerror(code));
        free_transfer(t);
        ran++;
    }
    return ran;
}

void httpc_cancel(struct httpc *h, uint64_t id)
{
    for (struct transfer *t = h->first; t; t = t->next) {
        if (t->id != id) continue;
        finish(t, E_CANCELED, "canceled");
        free_transfer(t);
        return;
    }
}

void httpc_free(struct httpc *h)
{
    if (!h) return;
    h->closing = true;
    while (h->first) {
        struct transfer *t = h->first;
        finish(t, E_CANCELED, "canceled");
        free_transfer(t);
    }
    curl_multi_cleanup(h->multi);
    mem_free(h);
}

/* --- the loop --- */

int httpc_run(struct httpc *h, int64_t deadline_mono_ns)
{
    int ran = 0;
    for (;;) {
        int running = 0;
        if (curl_multi_perform(h->multi, &running)) return -EIO;
        ran += finish_completed(h);
        if (ran && !h->in_flight) return ran;
        int64_t left_ns = deadline_mono_ns - env_mono_ns(h->env);
        if (left_ns <= 0) return ran;
        int64_t left_ms = MIN((left_ns + 999999) / 1000000, (int64_t)60000);
        int64_t before_ns = env_mono_ns(h->env);
        int events = 0;
        if (curl_multi_poll(h->multi, NULL, 0, (int)left_ms, &events)) return -EIO;
        /* No event well before the time: httpc_wake, unless curl's own timers are due. */
        bool early = env_mono_ns(h->env) - before_ns < (left_ms - 1) * 1000000;
        if (!events && early && !h->in_flight) return ran;
        if (!events && early) {
            if (curl_multi_perform(h->multi, &running)) return -EIO;
            return ran + finish_completed(h);
        }
    }
}

void httpc_wake(struct httpc *h)
{
    curl_multi_wakeup(h->multi);
}

size_t httpc_in_flight(const struct httpc *h)
{
    return h->in_flight;
}

/* --- one blocking request --- */

struct fetch {
    struct buf *body;
    int *status;
    struct errmsg *err;
    int rc;
    bool done;
};

static void fetch_done(void *arg, const struct httpc_response *r)
{
    struct fetch *f = arg;
    f->done = true;
    f->rc = r->rc;
    *f->status = r->status;
    if (r->rc)
        errmsg_set(f->err, r->rc, "%s", r->error);
    else if (buf_add(f->body, r->body.p, r->body.len))
        f->rc = errmsg_set(f->err, f->body->err, "the answer is too large");
}

int httpc_fetch(struct env *env, const struct httpc_request *r, struct buf *body, int *status,
                struct errmsg *err)
{
    struct httpc *h;
    *status = 0;
    struct fetch f = {.body = body, .status = status, .err = err};
    int rc = httpc_new(&h, env);
    if (rc) return errmsg_set(err, rc, "%s", err_text(rc));
    rc = httpc_start(h, r, NULL, fetch_done, &f, NULL);
    if (rc) errmsg_set(err, rc, "cannot start the request: %s", err_text(rc));
    while (rc >= 0 && !f.done)
        rc = httpc_run(h, env_mono_ns(env) + INT64_C(1000000000));
    httpc_free(h);
    return rc < 0 ? rc : f.rc;
}
