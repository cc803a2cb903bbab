/* cmd_client.c -- asking a daemon over HTTP, on behalf of a subcommand.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/cmds.h"
#include "agent/sheet.h"
#include "core/httpc.h"
#include "core/mem.h"
#include "tsdb/promql/promql.h"

#define DEFAULT_URL "http://127.0.0.1:7788"

enum { URL_MAX = 1 << 20, TOKEN_MAX = 8192, TEXT_MAX = 1 << 20 };
/* A server that obeys timeout= says so itself; only then do we give up. */
enum { GRACE_MS = 2000 };
static const size_t ANSWER_MAX = (size_t)1 << 40; /* streamed: the elements have their own limit */

// clang-format off
const struct cmd_option client_options[] = {
    {.name = "--url", .arg = "URL", .dflt = DEFAULT_URL, .env = "TOCSIN_URL",
     .help = "the daemon to ask"},
    {.name = "--token-file", .arg = "FILE", .help = "send the bearer token in this file"},
    {.name = "--timeout", .arg = "DURATION", .dflt = "30s", .help = "give up after this long"},
    {0},
};
// clang-format on

struct client {
    const struct cmd *cmd;
    struct buf base;  /* the URL without a slash at its end */
    struct buf shown; /* the same without user and password */
    struct buf token; /* "Authorization: Bearer ..."; empty: none */
    int64_t timeout_ms;
    struct httpc *httpc;
    /* of the question under way */
    struct json_split split;
    int stop; /* what ended the answer early: of json_split_feed */
    struct httpc_response response;
    char error[256];
    bool done;
};

static void say(const char *kind, const char *text)
{
    struct buf clean = BUF_INIT(TEXT_MAX);
    put_clean(&clean, str_of(text));
    fprintf(stderr, "%s: %s\n", kind, clean.p ? clean.p : "");
    buf_release(&clean);
}

/* --- opening --- */

/* "http://user:password@host/x/" as it is asked, and as it may be shown. */
static int read_url(struct client *cl)
{
    struct str url = str_of(cmd_value(cl->cmd, "--url"));
    while (url.len && url.p[url.len - 1] == '/')
        url.len--;
    const char *host = url.len ? memmem(url.p, url.len, "://", 3) : NULL;
    bool known = str_starts(url, STR("http://")) || str_starts(url, STR("https://"));
    if (!host || !known)
        return cmd_fail(EXIT_USAGE, "--url: \"%.*s\" is no URL, as in " DEFAULT_URL, (int)url.len,
                        url.p);
    host += 3;
    size_t left = (size_t)(url.p + url.len - host);
    const char *slash = memchr(host, '/', left);
    const char *at = memrchr(host, '@', slash ? (size_t)(slash - host) : left);
    const char *name = at ? at + 1 : host;
    buf_add(&cl->base, url.p, url.len);
    buf_add(&cl->shown, url.p, (size_t)(host - url.p));
    buf_add(&cl->shown, name, (size_t)(url.p + url.len - name));
    return cl->base.err || cl->shown.err ? cmd_fail(EXIT_USAGE, "--url is too long") : EXIT_OK;
}

static int read_token(struct client *cl)
{
    const char *path = cmd_value(cl->cmd, "--token-file");
    struct stat st;
    char *text = NULL;
    size_t len = 0;
    if (!path) return EXIT_OK;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
        return cmd_fail(EXIT_USAGE, "--token-file: others may read %s; chmod 600 it", path);
    int rc = env_read_file(env_system(), path, TOKEN_MAX, &text, &len);
    if (rc < 0) return cmd_fail(EXIT_USAGE, "--token-file: cannot read %s: %s", path, err_text(rc));
    struct str token = str_trim((struct str){text, len});
    int code = EXIT_OK;
    for (size_t i = 0; i < token.len; i++)
        if (token.p[i] <= ' ' || token.p[i] >= 0x7f) token.len = 0;
    if (token.len == 0)
        code = cmd_fail(EXIT_USAGE, "--token-file: %s holds no token of one line", path);
    else
        buf_addf(&cl->token, "Authorization: Bearer %.*s", (int)token.len, token.p);
    explicit_bzero(text, len);
    mem_free(text);
    return code;
}

int client_open(struct client **out, const struct cmd *c)
{
    struct client *cl = mem_zalloc(sizeof *cl);
    *out = NULL;
    if (!cl) return cmd_fail(EXIT_FAILED, "out of memory");
    cl->cmd = c;
    buf_init(&cl->base, URL_MAX);
    buf_init(&cl->shown, URL_MAX);
    buf_init(&cl->token, TOKEN_MAX + 64);
    int code = cmd_duration(c, "--timeout", &cl->timeout_ms);
    if (code == EXIT_OK) code = read_url(cl);
    if (code == EXIT_OK) code = read_token(cl);
    if (code == EXIT_OK && httpc_new(&cl->httpc, env_system()) < 0)
        code = cmd_fail(EXIT_FAILED, "out of memory");
    if (code == EXIT_OK)
        *out = cl;
    else
        client_close(cl);
    return code;
}

void client_close(struct client *cl)
{
    if (!cl) return;
    if (cl->httpc) httpc_free(cl->httpc);
    buf_release(&cl->base);
    buf_release(&cl->shown);
    if (cl->token.p) explicit_bzero(cl->token.p, cl->token.cap);
    buf_release(&cl->token);
    mem_free(cl);
}

int64_t client_timeout_ms(const struct client *cl)
{
    return cl->timeout_ms;
}

/* --- asking --- */

static int on_data(void *arg, struct str piece)
{
    struct client *cl = arg;
    cl->stop = json_split_feed(&cl->split, piece);
    return cl->stop != 0;
}

static void on_done(void *arg, const struct httpc_response *r)
{
    struct client *cl = arg;
    cl->response = *r;
    memcpy(cl->error, r->error, sizeof cl->error);
    cl->done = true;
}

static int transfer(struct client *cl, const struct question *q)
{
    struct buf url = BUF_INIT(URL_MAX);
    const char *headers[3] = {NULL};
    size_t n = 0;
    if (cl->token.len) headers[n++] = cl->token.p;
    if (q->post) headers[n++] = "Content-Type: application/x-www-form-urlencoded";
    buf_addf(&url, "%s%s", cl->base.p, q->path);
    if (!q->post && q->form.len) {
        buf_addch(&url, '?');
        buf_add(&url, q->form.p, q->form.len);
    }
    struct httpc_request r = {
        .method = q->post ? "POST" : "GET",
        .url = url.p,
        .headers = headers,
        .body = q->post ? q->form : (struct str){NULL, 0},
        .timeout_ms = cl->timeout_ms + GRACE_MS,
        .max_body = ANSWER_MAX,
        .accept_gzip = true,
    };
    cl->done = false;
    cl->stop = 0;
    int rc = url.err;
    if (rc == 0) rc = httpc_start(cl->httpc, &r, on_data, on_done, cl, NULL);
    while (rc >= 0 && !cl->done)
        rc = httpc_run(cl->httpc, env_mono_ns(env_system()) + INT64_C(1000000000));
    buf_release(&url);
    return rc < 0 ? rc : cl->response.rc;
}

static json_t *read_rest(const struct client *cl, bool close)
{
    struct buf rest = BUF_INIT((size_t)128 << 20);
    json_error_t err;
    json_t *v = NULL;
    if (json_split_rest(&cl->split, close, &rest) == 0)
        v = json_loadb(rest.p ? rest.p : "", rest.len, 0, &err);
    buf_release(&rest);
    return v;
}

json_t *client_answer_so_far(const struct client *cl)
{
    return read_rest(cl, true);
}

int client_element_code(int rc)
{
    return rc == 0 || rc == E_CANCELED ? rc : cmd_written(rc);
}

json_t *client_parse(struct str element)
{
    json_error_t err;
    json_t *v = json_loadb(element.p, element.len, JSON_DECODE_ANY, &err);
    if (!v) (void)cmd_fail(EXIT_FAILED, "the answer is not JSON: %s", err.text);
    return v;
}

/* --- what the server says --- */

/* "...: 2:7: parse error: ..." or "... (2:7)": where in the expression, 0 when nowhere. */
static void find_position(const char *text, struct errmsg *e)
{
    for (const char *p = text; *p; p++) {
        int line, column, n = 0;
        bool start = p == text || p[-1] == ' ' || p[-1] == '(';
        if (!start || sscanf(p, "%6d:%6d%n", &line, &column, &n) != 2) continue;
        if ((p[n] != ':' && p[n] != ')') || line < 1 || column < 1) continue;
        e->line = line;
        e->column = column;
        return;
    }
}

static bool find_offset(struct str expr, struct errmsg *e)
{
    size_t at = 0;
    for (int line = 1; line < e->line; at++) {
        if (at >= expr.len) return false;
        line += expr.p[at] == '\n';
    }
    e->offset = at + (size_t)e->column - 1;
    return e->offset <= expr.len;
}

/* Our own parser's advice, when it stumbles at the same place. */
static void find_hint(struct str expr, struct errmsg *e)
{
    struct arena arena;
    struct errmsg own = {0};
    struct expr *tree = NULL;
    arena_init(&arena, (size_t)32 << 20);
    if (promql_parse(expr, PROMQL_ALL, &arena, &tree, &own) == 0)
        promql_expr_release(tree);
    else if (own.line == e->line && own.column == e->column)
        errmsg_hint(e, "%s", own.hint);
    arena_release(&arena);
}

/* The line of the expression that the error is about, with a mark below. */
static void show_excerpt(struct str expr, const char *text)
{
    struct errmsg e = {0};
    struct buf excerpt = BUF_INIT(TEXT_MAX);
    find_position(text, &e);
    if (e.line && find_offset(expr, &e)) {
        find_hint(expr, &e);
        promql_excerpt(expr, &e, &excerpt);
        if (excerpt.p) fputs(excerpt.p, stderr);
    }
    buf_release(&excerpt);
}

static void show_annotations(const struct client *cl, const json_t *answer)
{
    static const char *const kinds[][2] = {
        {"warnings", "warning"},
        {"infos",    "info"   }
    };
    if (cmd_given(cl->cmd, "--quiet")) return;
    fflush(stdout);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        const json_t *list = json_object_get(answer, kinds[k][0]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *text = json_string_value(json_array_get(list, i));
            say(kinds[k][1], text ? text : "");
        }
    }
}

static int unreachable(const struct client *cl, int rc)
{
    const char *advice = "; is it running? --url or TOCSIN_URL name another";
    if (rc == E_TIMEOUT) advice = "; --timeout gives it longer";
    return cmd_fail(EXIT_UNREACHABLE, "cannot ask %s: %s%s", cl->shown.p,
                    cl->error[0] ? cl->error : err_text(rc), advice);
}

static int refused(const struct client *cl, const json_t *answer, struct str expr)
{
    int status = cl->response.status;
    const char *text = json_string_value(json_object_get(answer, "error"));
    if (status == 401 || status == 403) {
        say("error", text ? text : "not permitted");
        return EXIT_REFUSED;
    }
    if (!text)
        return cmd_fail(EXIT_UNREACHABLE,
                        "the answer of %s (status %d) is none of Prometheus' API: is it a tocsin?",
                        cl->shown.p, status);
    say("error", text);
    if (expr.len) show_excerpt(expr, text);
    return EXIT_FAILED;
}

static int judge(struct client *cl, const struct question *q, int rc, json_t **answer)
{
    if (cl->stop == E_CANCELED) return EXIT_OK;
    if (cl->stop > 0) return cl->stop;
    if (cl->stop < 0)
        return cmd_fail(EXIT_FAILED, "one piece of the answer is too large: %s",
                        err_text(cl->stop));
    if (rc < 0) return unreachable(cl, rc);
    json_t *whole = read_rest(cl, false);
    const char *status = json_string_value(json_object_get(whole, "status"));
    bool good = cl->response.status == 200 && status && strcmp(status, "success") == 0;
    if (!good) {
        int code = refused(cl, whole, q->expr);
        json_decref(whole);
        return code;
    }
    if (!q->quiet) show_annotations(cl, whole);
    if (answer)
        *answer = whole;
    else
        json_decref(whole);
    return EXIT_OK;
}

int client_ask(struct client *cl, const struct question *q, json_t **answer)
{
    if (answer) *answer = NULL;
    json_split_init(&cl->split, q->array, q->each, q->arg);
    cl->error[0] = '\0';
    int rc = transfer(cl, q);
    int code = judge(cl, q, rc, answer);
    json_split_release(&cl->split);
    return code;
}
