/* api_targets.c -- /api/v1/targets, scrape_pools and targets/metadata: what is scraped.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/api_match.h"
#include "agent/api_status.h"
#include "agent/config.h"
#include "collector/target_metadata.h"
#include "core/mem.h"

enum { ARENA_BYTES = 64 << 20, URL_BYTES = 4096 };

/* --- addresses as others see them --------------------------------------------------------------
 */

void api_global_url(const char *url, const char *host, char *out, size_t size)
{
    static const char *const local[] = {"127.0.0.1", "localhost", "[::1]"};
    const char *at = strstr(url, "://");
    snprintf(out, size, "%s", url);
    if (!at || !host[0]) return;
    at += 3;
    for (size_t i = 0; i < COUNT(local); i++) {
        size_t len = strlen(local[i]);
        if (strncmp(at, local[i], len) != 0 || !strchr(":/", at[len])) continue;
        snprintf(out, size, "%.*s%s%s", (int)(at - url), url, host, at + len);
        return;
    }
}

/* The host of http.external_url, or this machine's name. */
static void own_host(struct app *a, char *out, size_t size)
{
    struct app_settings s;
    app_settings(a, &s);
    snprintf(out, size, "%s", s.external_host);
    if (!out[0] && gethostname(out, size - 1) < 0) out[0] = '\0';
    out[size - 1] = '\0';
}

/* --- targets -----------------------------------------------------------------------------------
 */

struct targets_filter {
    struct json j;
    struct str pool;
    char host[256];
};

static int put_target(void *arg, const struct target_status *t)
{
    struct targets_filter *f = arg;
    struct json *j = &f->j;
    char interval[64], timeout[64], global[URL_BYTES];
    if (f->pool.len && !str_eq(f->pool, str_of(t->scrape_pool))) return 0;
    str_from_duration(t->interval_ms, interval);
    str_from_duration(t->timeout_ms, timeout);
    api_global_url(t->url, f->host, global, sizeof global);
    const struct {
        const char *key, *value;
    } texts[] = {
        {"scrapePool", t->scrape_pool},
        {"scrapeUrl",  t->url        },
        {"globalUrl",  global        },
        {"lastError",  t->last_error },
    };
    json_obj(j);
    json_key(j, "discoveredLabels");
    api_labels(j, t->discovered_labels);
    json_key(j, "labels");
    api_labels(j, t->labels);
    for (size_t i = 0; i < COUNT(texts); i++) {
        json_kv_cstr(j, texts[i].key, texts[i].value);
    }
    json_key(j, "lastScrape");
    api_rfc3339(j, t->last_scrape_ms);
    json_kv_double(j, "lastScrapeDuration", t->last_duration_seconds);
    json_kv_cstr(j, "health", t->health);
    json_kv_cstr(j, "scrapeInterval", interval);
    json_kv_cstr(j, "scrapeTimeout", timeout);
    json_end(j);
    return 0;
}

/* --- pools: the entries of scrape_configs, by name --- */

struct pools {
    struct arena *arena;
    struct str *v;
    size_t count;
};

static int read_pools(void *arg, const struct config *c)
{
    struct pools *p = arg;
    const struct scrape_config *s = c->scrape_configs.v;
    p->v = arena_array(p->arena, c->scrape_configs.count + 1, sizeof *p->v);
    if (!p->v) return p->arena->err;
    for (size_t i = 0; i < c->scrape_configs.count; i++) {
        p->v[i] = arena_str(p->arena, str_of(s[i].job_name));
        if (!p->v[i].p) return p->arena->err;
        p->count++;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Their names, sorted. < 0: answered. */
static int get_pools(struct app *a, struct arena *arena, struct pools *out, struct response *p)
{
    *out = (struct pools){.arena = arena};
    int rc = a->with_config(a, read_pools, out);
    if (rc < 0)
        response_fail(p, "internal", "cannot read the configuration: %s", err_text(rc));
    else if (out->count)
        qsort(out->v, out->count, sizeof *out->v, compare);
    return rc;
}

/* Nothing is relabelled yet, so nothing is dropped: each pool has none of them. */
static void put_dropped(struct json *j, bool wanted, const struct pools *pools)
{
    json_kv_arr(j, "droppedTargets");
    json_end(j);
    json_key(j, "droppedTargetCounts");
    if (!wanted) {
        json_nil(j);
        return;
    }
    json_obj(j);
    for (size_t i = 0; i < pools->count; i++) {
        json_key_str(j, pools->v[i]);
        json_int(j, 0);
    }
    json_end(j);
}

static void put_targets(struct app *a, const struct request *r, const struct pools *pools,
                        struct response *p)
{
    struct targets_filter f = {.pool = request_param(r, "scrapePool")};
    struct str state = request_param(r, "state");
    bool any = state.len == 0 || str_eq_nocase(state, STR("any"));
    bool active = any || str_eq_nocase(state, STR("active"));
    bool dropped = any || str_eq_nocase(state, STR("dropped"));
    own_host(a, f.host, sizeof f.host);
    api_begin(p, &f.j);
    json_obj(&f.j);
    json_kv_arr(&f.j, "activeTargets");
    if (active && a->engine) collector_engine_targets(a->engine, put_target, &f);
    json_end(&f.j);
    put_dropped(&f.j, dropped, pools);
    json_end(&f.j);
    api_end(p, &f.j, NULL, false);
}

void api_targets(struct app *a, struct request *r, struct response *p)
{
    struct arena arena;
    struct pools pools;
    arena_init(&arena, ARENA_BYTES);
    if (get_pools(a, &arena, &pools, p) == 0) put_targets(a, r, &pools, p);
    arena_release(&arena);
}

void api_scrape_pools(struct app *a, struct request *r, struct response *p)
{
    struct arena arena;
    struct pools pools;
    struct json j;
    UNUSED(r);
    arena_init(&arena, ARENA_BYTES);
    if (get_pools(a, &arena, &pools, p) == 0) {
        api_begin(p, &j);
        json_obj(&j);
        json_kv_arr(&j, "scrapePools");
        for (size_t i = 0; i < pools.count; i++)
            json_str(&j, pools.v[i]);
        json_end(&j);
        json_end(&j);
        api_end(p, &j, NULL, false);
    }
    arena_release(&arena);
}

/* --- metadata by target ------------------------------------------------------------------------
 */

struct metadata_filter {
    struct json j;
    struct arena arena; /* of one target */
    const struct matcher *matchers;
    size_t matcher_count;
    struct str metric;
    int64_t limit; /* < 0: none */
    int64_t count;
};

static void put_metadata(struct metadata_filter *f, const struct target_status *t,
                         const struct metric_metadata *m)
{
    struct json *j = &f->j;
    f->count++;
    json_obj(j);
    json_key(j, "target");
    api_labels(j, t->labels);
    if (!f->metric.len) {
        json_kv_str(j, "metric", m->name);
    }
    json_kv_cstr(j, "type", metric_type_name(m->type));
    json_kv_str(j, "help", m->help);
    json_kv_str(j, "unit", m->unit);
    json_end(j);
}

static int visit_target(void *arg, const struct target_status *t)
{
    struct metadata_filter *f = arg;
    struct metric_metadata *v = NULL;
    size_t count = 0;
    if (f->limit >= 0 && f->count >= f->limit) return 1;
    if (matchers_test(f->matchers, f->matcher_count, t->labels) != 1) return 0;
    int rc = target_metadata(t, &f->arena, &v, &count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (!f->metric.len || str_eq(f->metric, v[i].name)) put_metadata(f, t, &v[i]);
    arena_reset(&f->arena);
    return rc;
}

static int read_metadata_filter(struct metadata_filter *f, const struct request *r,
                                struct arena *arena, struct matcher **matchers, struct response *p)
{
    struct str limit = request_param(r, "limit"), match = request_param(r, "match_target");
    struct errmsg err = {0};
    f->metric = request_param(r, "metric");
    f->limit = -1;
    if (limit.len && str_to_i64(limit, &f->limit) < 0) {
        response_fail(p, "bad_data", "limit must be a number");
        return -1;
    }
    char why[API_PARSE_ERROR_MAX];
    if (match.len && promql_parse_selector(match, arena, matchers, &f->matcher_count, &err) < 0)
        return api_invalid(p, "match_target", "%s", api_parse_error(&err, why));
    f->matchers = *matchers;
    return 0;
}

static void list_metadata(struct app *a, struct metadata_filter *f, struct response *p)
{
    arena_init(&f->arena, ARENA_BYTES);
    api_begin(p, &f->j);
    json_arr(&f->j);
    int rc = a->engine ? collector_engine_targets(a->engine, visit_target, f) : 0;
    json_end(&f->j);
    api_end(p, &f->j, NULL, false);
    if (rc < 0)
        response_fail(p, "internal", "cannot read the metadata: %s", err_text(rc));
    else if (f->count == 0)
        response_fail(p, "not_found", "specified metadata not found");
    arena_release(&f->arena);
}

void api_target_metadata(struct app *a, struct request *r, struct response *p)
{
    struct metadata_filter f = {.count = 0};
    struct matcher *matchers = NULL;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    if (read_metadata_filter(&f, r, &arena, &matchers, p) == 0) list_metadata(a, &f, p);
    for (size_t i = 0; i < f.matcher_count; i++)
        matcher_release(&matchers[i]);
    arena_release(&arena);
}
