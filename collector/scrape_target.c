/* scrape_target.c -- targets from configuration: labels, URL, identity, request.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <xxhash.h>

#include "collector/scrape_int.h"
#include "core/mem.h"

enum {
    ARENA_MAX_BYTES = 1 << 20,
    TARGETS_MAX = 1 << 20,
    SECRET_MAX_BYTES = 64 << 10,
    BODY_MAX_BYTES = 64 << 20,
    INTERVAL_DEFAULT_MS = 60000, /* Prometheus' own */
    TIMEOUT_DEFAULT_MS = 10000,
    HEADERS_MAX = 6,
};

void scrape_target_free(struct scrape_target *t)
{
    if (!t) return;
    scrape_cache_release(&t->cache);
    arena_release(&t->arena);
    mem_free(t);
}

/* --- texts --------------------------------------------------------------------------------------
 */

/* The texts of a configuration that a target goes on using. */
static const size_t config_texts[] = {
    offsetof(struct scrape_config, job_name),
    offsetof(struct scrape_config, metrics_path),
    offsetof(struct scrape_config, scheme),
    offsetof(struct scrape_config, basic_username),
    offsetof(struct scrape_config, basic_password),
    offsetof(struct scrape_config, basic_password_file),
    offsetof(struct scrape_config, bearer_token),
    offsetof(struct scrape_config, bearer_token_file),
    offsetof(struct scrape_config, auth_type),
    offsetof(struct scrape_config, proxy_url),
    offsetof(struct scrape_config, tls.ca_file),
    offsetof(struct scrape_config, tls.cert_file),
    offsetof(struct scrape_config, tls.key_file),
    offsetof(struct scrape_config, tls.server_name),
};

static int copy_config(struct scrape_target *t, const struct scrape_config *c)
{
    t->c = *c;
    t->c.params = (struct conf_map){0};
    t->c.static_configs = (struct conf_list){0};
    for (size_t i = 0; i < COUNT(config_texts); i++) {
        const char **text = (const char **)(void *)((char *)&t->c + config_texts[i]);
        *text = *text ? arena_strndup(&t->arena, *text, strlen(*text)) : "";
        if (!*text) return t->arena.err;
    }
    if (t->c.interval_ms == 0) t->c.interval_ms = INTERVAL_DEFAULT_MS;
    if (t->c.timeout_ms == 0) t->c.timeout_ms = MIN(TIMEOUT_DEFAULT_MS, t->c.interval_ms);
    t->c.timeout_ms = MIN(t->c.timeout_ms, t->c.interval_ms);
    if (t->c.body_size_limit == 0) t->c.body_size_limit = BODY_MAX_BYTES;
    return 0;
}

static struct str map_get(const struct conf_map *m, struct str key, const char *dflt)
{
    for (size_t i = 0; i < m->count; i++)
        if (str_eq(m->v[i].key, key) && m->v[i].value.len) return m->v[i].value;
    return str_of(dflt);
}

/* Percent-encoding of everything but RFC 3986's unreserved bytes. */
static void add_encoded(struct buf *out, struct str s)
{
    static const char unreserved[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789-._~";
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] && strchr(unreserved, s.p[i]))
            buf_addch(out, s.p[i]);
        else
            buf_addf(out, "%%%02X", (unsigned char)s.p[i]);
    }
}

static int make_url(struct scrape_target *t, const struct scrape_config *c,
                    const struct scrape_static *s, const char *address)
{
    struct buf url = BUF_INIT(64 << 10);
    struct str scheme = map_get(&s->labels, STR("__scheme__"), c->scheme);
    struct str path = map_get(&s->labels, STR("__metrics_path__"), c->metrics_path);
    buf_add(&url, scheme.p, scheme.len);
    buf_addf(&url, "://%s", address);
    buf_add(&url, path.p, path.len);
    bool query = path.len && memchr(path.p, '?', path.len);
    for (size_t i = 0; i < c->params.count; i++) {
        buf_addch(&url, i || query ? '&' : '?');
        add_encoded(&url, c->params.v[i].key);
        buf_addch(&url, '=');
        add_encoded(&url, c->params.v[i].value);
    }
    int rc = url.err;
    if (rc == 0) {
        t->url = arena_strndup(&t->arena, url.p, url.len);
        rc = t->url ? 0 : t->arena.err;
    }
    buf_release(&url);
    return rc;
}

static bool is_loopback(const char *address)
{
    static const char *const hosts[] = {"localhost", "127.", "[::1]"};
    for (size_t i = 0; i < COUNT(hosts); i++)
        if (strncasecmp(address, hosts[i], strlen(hosts[i])) == 0) return true;
    return false;
}

/* --- labels -------------------------------------------------------------------------------------
 */

static void set_all(struct label_builder *b, const struct scrape_static *s)
{
    for (size_t i = 0; i < s->labels.count; i++)
        label_builder_set(b, s->labels.v[i].key, s->labels.v[i].value);
}

static int make_discovered(struct scrape_target *t, const struct scrape_static *s,
                           const char *address, struct label_builder *b)
{
    char interval[64], timeout[64];
    str_from_duration(t->c.interval_ms, interval);
    str_from_duration(t->c.timeout_ms, timeout);
    label_builder_init(b, (struct labels){NULL, 0});
    label_builder_set(b, STR("__address__"), str_of(address));
    label_builder_set(b, STR("__metrics_path__"), str_of(t->c.metrics_path));
    label_builder_set(b, STR("__scheme__"), str_of(t->c.scheme));
    label_builder_set(b, STR("__scrape_interval__"), str_of(interval));
    label_builder_set(b, STR("__scrape_timeout__"), str_of(timeout));
    label_builder_set(b, STR("job"), str_of(t->c.job_name));
    set_all(b, s);
    return b->err < 0 ? b->err : label_builder_build(b, &t->arena, &t->discovered);
}

static void set_missing(struct label_builder *b, struct str name, struct str value)
{
    if (label_builder_get(b, name).len == 0) label_builder_set(b, name, value);
}

/* Static labels, then job and instance, then the node's: each only where there is none yet. */
static int make_labels(struct scrape_target *t, const struct scrape_static *s, const char *address,
                       struct labels extra, struct label_builder *b)
{
    label_builder_init(b, (struct labels){NULL, 0});
    for (size_t i = 0; i < s->labels.count; i++)
        if (!str_starts(s->labels.v[i].key, STR("__")))
            label_builder_set(b, s->labels.v[i].key, s->labels.v[i].value);
    set_missing(b, STR("job"), str_of(t->c.job_name));
    set_missing(b, STR("instance"), str_of(address));
    for (size_t i = 0; i < extra.count; i++)
        set_missing(b, extra.v[i].name, extra.v[i].value);
    int rc = b->err < 0 ? b->err : label_builder_build(b, &t->arena, &t->labels);
    if (rc < 0) return rc;
    struct str job = labels_get(t->labels, STR("job"));
    t->job = arena_strndup(&t->arena, job.p, job.len);
    return t->job ? 0 : t->arena.err;
}

/* --- targets ------------------------------------------------------------------------------------
 */

static void identify(struct scrape_target *t)
{
    const uint64_t parts[] = {
        t->c.hash,
        XXH3_64bits(t->url, strlen(t->url)),
        labels_hash(t->labels),
        (uint64_t)t->c.interval_ms,
        (uint64_t)t->c.timeout_ms,
    };
    t->id = XXH3_64bits(parts, sizeof parts);
    /* the phase depends on what is scraped alone, so that it survives changes of configuration */
    t->place = XXH3_64bits(parts + 1, 2 * sizeof parts[0]);
    t->offset_ms = (int64_t)(t->place % (uint64_t)t->c.interval_ms);
}

static int target_new(struct scrape_target **out, const struct scrape_config *c,
                      const struct scrape_static *s, const char *address, struct labels extra)
{
    struct label_builder b;
    struct scrape_target *t = mem_zalloc(sizeof *t);
    if (!t) return -ENOMEM;
    arena_init(&t->arena, ARENA_MAX_BYTES);
    t->loopback = is_loopback(address);
    int rc = copy_config(t, c);
    if (rc == 0) rc = make_url(t, c, s, address);
    if (rc == 0) rc = make_discovered(t, s, address, &b);
    if (rc == 0) rc = make_labels(t, s, address, extra, &b);
    if (rc < 0) {
        scrape_target_free(t);
        return rc;
    }
    identify(t);
    *out = t;
    return 0;
}

struct list {
    struct scrape_target **v;
    size_t count, cap;
};

static bool has_id(const struct list *l, uint64_t id)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->v[i]->id == id) return true;
    return false;
}

static int add_target(struct list *l, struct scrape_target *t)
{
    void *v = l->v;
    int rc = mem_grow(&v, &l->cap, l->count + 1, TARGETS_MAX, sizeof(struct scrape_target *));
    l->v = v;
    if (rc == 0 && !has_id(l, t->id))
        l->v[l->count++] = t;
    else
        scrape_target_free(t); /* the same target twice is one */
    return rc;
}

static int add_job(struct list *l, const struct scrape_config *c, struct labels extra,
                   struct errmsg *err)
{
    const struct scrape_static *statics = c->static_configs.v;
    size_t before = l->count;
    for (size_t i = 0; i < c->static_configs.count; i++) {
        for (size_t k = 0; k < statics[i].targets.count; k++) {
            struct scrape_target *t;
            int rc = target_new(&t, c, &statics[i], statics[i].targets.v[k], extra);
            if (rc == 0) rc = add_target(l, t);
            if (rc < 0)
                return errmsg_set(err, rc, "job \"%s\", target \"%s\": %s", c->job_name,
                                  statics[i].targets.v[k], err_text(rc));
        }
    }
    if (c->target_limit && l->count - before > (size_t)c->target_limit)
        return errmsg_set(err, E_INVALID,
                          "job \"%s\": target_limit exceeded: %zu targets, %lld allowed",
                          c->job_name, l->count - before, (long long)c->target_limit);
    return 0;
}

static int check_jobs(const struct scrape_config *c, size_t count, struct errmsg *err)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(c[i].job_name, c[k].job_name) == 0)
                return errmsg_set(err, E_INVALID, "two scrape configs have the job_name \"%s\"",
                                  c[i].job_name);
    return 0;
}

int scrape_targets_new(const struct scrape_config *c, size_t count, struct labels extra,
                       struct scrape_target ***out, size_t *out_count, struct errmsg *err)
{
    struct list l = {0};
    int rc = check_jobs(c, count, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_job(&l, &c[i], extra, err);
    if (rc < 0) {
        for (size_t i = 0; i < l.count; i++)
            scrape_target_free(l.v[i]);
        mem_free(l.v);
        return rc;
    }
    *out = l.v;
    *out_count = l.count;
    return 0;
}

/* --- request ------------------------------------------------------------------------------------
 */

/* A secret given in place, or the trimmed content of its file. */
static int read_secret(struct env *env, const char *given, const char *path, struct arena *a,
                       const char **out, struct errmsg *err)
{
    char *text = NULL;
    size_t len = 0;
    *out = given;
    if (!*path) return 0;
    int rc = env_read_file(env, path, SECRET_MAX_BYTES, &text, &len);
    if (rc < 0) return errmsg_set(err, rc, "cannot read %s: %s", path, err_text(rc));
    struct str s = str_trim((struct str){text, len});
    *out = arena_strndup(a, s.p, s.len);
    mem_free(text);
    return *out ? 0 : -ENOMEM;
}

int scrape_target_request(const struct scrape_target *t, struct env *env, const char *user_agent,
                          struct arena *a, struct httpc_request *out, struct errmsg *err)
{
    const char *password = "", *token = "";
    const char **headers = arena_array(a, HEADERS_MAX, sizeof *headers);
    if (!headers) return -ENOMEM;
    int rc = read_secret(env, t->c.basic_password, t->c.basic_password_file, a, &password, err);
    if (rc == 0) rc = read_secret(env, t->c.bearer_token, t->c.bearer_token_file, a, &token, err);
    if (rc < 0) return rc;
    size_t n = 0;
    headers[n++] = "Accept: text/plain;version=0.0.4;q=1,"
                   "application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1";
    headers[n++] = arena_printf(a, "User-Agent: %s", user_agent);
    headers[n++] =
        arena_printf(a, "X-Prometheus-Scrape-Timeout-Seconds: %g", (double)t->c.timeout_ms / 1000);
    if (*token) headers[n++] = arena_printf(a, "Authorization: %s %s", t->c.auth_type, token);
    if (a->err) return a->err;
    *out = (struct httpc_request){
        .method = "GET",
        .url = t->url,
        .headers = headers,
        .timeout_ms = t->c.timeout_ms,
        .max_body = (size_t)t->c.body_size_limit,
        .accept_gzip = !t->loopback && t->c.enable_compression,
        .username = *t->c.basic_username ? t->c.basic_username : NULL,
        .password = *t->c.basic_username ? password : NULL,
        .proxy_url = *t->c.proxy_url ? t->c.proxy_url : NULL,
        .tls = t->c.has_tls ? &t->c.tls : NULL,
    };
    return 0;
}
