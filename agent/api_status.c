/* api_status.c -- health, build, runtime, configuration and notices; reload.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/api_status.h"
#include "agent/config.h"

/* Grafana picks its calls by this version of Prometheus' API. */
#define API_LEVEL "3.5.0"

void api_healthy(struct app *a, struct request *r, struct response *p)
{
    UNUSED(a);
    UNUSED(r);
    response_text(p, 200, "tocsin is healthy.\n");
}

void api_ready(struct app *a, struct request *r, struct response *p)
{
    UNUSED(r);
    bool stopping = __atomic_load_n(&a->stopping, __ATOMIC_RELAXED) != 0;
    if (app_ready(a) && !stopping) {
        response_text(p, 200, "tocsin is ready.\n");
        return;
    }
    response_text(p, 503, stopping ? "tocsin is stopping.\n" : "tocsin is starting.\n");
    response_header(p, "Retry-After", "1");
}

void api_influx_health(struct app *a, struct request *r, struct response *p)
{
    UNUSED(r);
    struct json j;
    bool ready = app_ready(a);
    p->status = ready ? 200 : 503;
    p->content_type = "application/json";
    json_init(&j, &p->body);
    json_obj(&j);
    json_kv_cstr(&j, "name", "tocsin");
    json_kv_cstr(&j, "status", ready ? "pass" : "fail");
    json_kv_cstr(&j, "message", ready ? "ready for queries and writes" : "starting");
    json_kv_cstr(&j, "version", TOCSIN_VERSION);
    json_end(&j);
}

void api_reload(struct app *a, struct request *r, struct response *p)
{
    UNUSED(r);
    struct buf problems = BUF_INIT((size_t)1 << 20);
    if (!app_ready(a)) {
        response_fail(p, "unavailable", "starting: the configuration is being applied");
    } else if (a->reload(a, &problems) == 0) {
        response_text(p, 200, "reloaded\n");
    } else {
        struct json j;
        response_fail(p, "bad_data", "the configuration was not reloaded");
        buf_reset(&p->body);
        json_init(&j, &p->body);
        json_obj(&j);
        json_kv_cstr(&j, "status", "error");
        json_kv_cstr(&j, "errorType", "bad_data");
        json_kv_str(&j, "error", (struct str){problems.p ? problems.p : "", problems.len});
        json_end(&j);
    }
    buf_release(&problems);
}

void api_buildinfo(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    UNUSED(a);
    UNUSED(r);
    api_begin(p, &j);
    json_obj(&j);
    json_kv_cstr(&j, "version", API_LEVEL);
    json_kv_cstr(&j, "revision", "");
    json_kv_cstr(&j, "branch", "");
    json_kv_cstr(&j, "buildUser", "");
    json_kv_cstr(&j, "buildDate", "");
    json_kv_cstr(&j, "goVersion", "");
    json_kv_cstr(&j, "tocsinVersion", TOCSIN_VERSION);
    json_kv_cstr(&j, "compiler", __VERSION__);
    json_end(&j);
    api_end(p, &j, NULL, false);
}

/* --- runtime -----------------------------------------------------------------------------------
 */

size_t api_thread_count(void)
{
    char line[128];
    unsigned long count = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Threads: %lu", &count) == 1) break;
    if (f) fclose(f);
    return count;
}

/* How the last reload ended, as a copy. */
struct reload_state {
    int64_t ok_ms, failed_ms;
    bool ok;
    char error[512];
};

static void reload_state(struct app *a, struct reload_state *out)
{
    _Static_assert(sizeof out->error == sizeof a->reload_error, "the whole text fits");
    pthread_mutex_lock(&a->lock);
    out->ok_ms = a->reload_ms;
    out->failed_ms = a->reload_failed_ms;
    out->ok = a->reload_ok;
    memcpy(out->error, a->reload_error, sizeof out->error);
    pthread_mutex_unlock(&a->lock);
}

/* What of the configuration the runtime page tells, as a copy. */
struct retention {
    char text[160];
};

/* "10GiB"; bytes that are no whole number of a unit in the next smaller one. */
static void print_size(int64_t bytes, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes && bytes % 1024 == 0 && unit + 1 < COUNT(units)) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, 32, "%lld%s", (long long)bytes, units[unit]);
}

static int read_retention(void *arg, const struct config *c)
{
    struct retention *out = arg;
    char age[64], size[32];
    size_t len = 0;
    print_size(c->storage.max_bytes, size);
    str_from_duration(c->storage.retention_ms, age);
    out->text[0] = '\0';
    if (c->storage.retention_ms) len = (size_t)snprintf(out->text, sizeof out->text, "%s", age);
    if (c->storage.max_bytes)
        snprintf(out->text + len, sizeof out->text - len, "%s%s", len ? " or " : "", size);
    return 0;
}

void api_runtimeinfo(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct tsdb_stats stats;
    struct reload_state reload;
    struct retention retention = {.text = ""};
    char host[256] = "", cwd[PATH_MAX] = "";
    UNUSED(r);
    tsdb_stats(a->db, &stats);
    reload_state(a, &reload);
    if (a->with_config) (void)!a->with_config(a, read_retention, &retention);
    if (gethostname(host, sizeof host - 1) < 0) host[0] = '\0';
    if (!getcwd(cwd, sizeof cwd)) cwd[0] = '\0';
    api_begin(p, &j);
    json_obj(&j);
    json_key(&j, "startTime");
    api_rfc3339(&j, a->start_ms);
    json_kv_cstr(&j, "CWD", cwd);
    json_kv_cstr(&j, "hostname", host);
    json_key(&j, "serverTime");
    api_rfc3339(&j, env_now_ms(a->env));
    json_kv_bool(&j, "reloadConfigSuccess", reload.ok);
    json_key(&j, "lastConfigTime");
    api_rfc3339(&j, reload.ok_ms);
    json_kv_uint(&j, "corruptionCount", stats.wal_damaged + stats.quarantined);
    json_key(&j, "goroutineCount"); /* the nearest we have */
    json_uint(&j, api_thread_count());
    json_kv_int(&j, "GOMAXPROCS", sysconf(_SC_NPROCESSORS_ONLN));
    json_key(&j, "GOMEMLIMIT"); /* Go's "no limit" */
    json_int(&j, INT64_MAX);
    json_kv_cstr(&j, "GOGC", "");
    json_kv_cstr(&j, "GODEBUG", "");
    json_kv_cstr(&j, "storageRetention", retention.text);
    json_kv_cstr(&j, "reloadConfigError", reload.error);
    json_end(&j);
    api_end(p, &j, NULL, false);
}

/* --- configuration -----------------------------------------------------------------------------
 */

static int print_config(void *arg, const struct config *c)
{
    struct buf *out = arg;
    config_print_effective(c, out);
    return out->err;
}

void api_status_config(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct buf yaml = BUF_INIT((size_t)16 << 20);
    UNUSED(r);
    int rc = a->with_config(a, print_config, &yaml);
    if (rc < 0) {
        response_fail(p, "internal", "cannot print the configuration: %s", err_text(rc));
    } else {
        api_begin(p, &j);
        json_obj(&j);
        json_kv_str(&j, "yaml", (struct str){yaml.p ? yaml.p : "", yaml.len});
        json_end(&j);
        api_end(p, &j, NULL, false);
    }
    buf_release(&yaml);
}

static void put_duration(struct json *j, const char *key, int64_t ms)
{
    char text[64];
    str_from_duration(ms, text);
    json_kv_cstr(j, key, text);
}

static void put_number(struct json *j, const char *key, int64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    json_kv_cstr(j, key, text);
}

/* Prometheus' names for what the configuration says; all values are texts. */
static int put_flags(void *arg, const struct config *c)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", "off"};
    struct json *j = arg;
    char size[32];
    print_size(c->storage.max_bytes, size);
    const struct {
        const char *key, *value;
    } texts[] = {
        {"config.file",    c->file                          },
        {"enable-feature", ""                               },
        {"log.format",     c->log.format ? "json" : "logfmt"},
        {"log.level",      levels[MIN((size_t)c->log.level,   COUNT(levels) - 1)]},
        {"storage.tsdb.path",                c->storage.path                              },
        {"storage.tsdb.retention.size",                size},
        {"web.enable-admin-api",                "true"                                     },
        {"web.enable-lifecycle",                "true"},
        {"web.external-url",                c->http.external_url                                         },
    };
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {
        {"query.max-concurrency", c->limits.query.concurrency},
        {"query.max-samples",     c->limits.query.samples    },
        {"web.max-connections",   c->http.max_connections    },
    };
    const struct {
        const char *key;
        int64_t ms;
    } durations[] = {
        {"query.lookback-delta",        c->query.lookback_ms      },
        {"query.timeout",               c->limits.query.timeout_ms},
        {"storage.tsdb.retention.time", c->storage.retention_ms   },
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        json_kv_cstr(j, texts[i].key, texts[i].value ? texts[i].value : "");
    for (size_t i = 0; i < COUNT(numbers); i++)
        put_number(j, numbers[i].key, numbers[i].value);
    for (size_t i = 0; i < COUNT(durations); i++)
        put_duration(j, durations[i].key, durations[i].ms);
    return 0;
}

void api_flags(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    UNUSED(r);
    api_begin(p, &j);
    json_obj(&j);
    json_kv_cstr(&j, "web.listen-address", http_server_address(a->server));
    int rc = a->with_config(a, put_flags, &j);
    json_end(&j);
    api_end(p, &j, NULL, false);
    if (rc < 0) response_fail(p, "internal", "cannot read the configuration: %s", err_text(rc));
}

/* --- notices -----------------------------------------------------------------------------------
 */

static void put_notice(struct json *j, const char *text, int64_t since_ms)
{
    json_obj(j);
    json_kv_cstr(j, "text", text);
    json_key(j, "date");
    api_rfc3339(j, since_ms);
    json_kv_bool(j, "active", true);
    json_end(j);
}

void api_notifications(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct reload_state reload;
    UNUSED(r);
    reload_state(a, &reload);
    bool ready = app_ready(a), writable = true;
    if (ready) {
        struct tsdb_stats s;
        tsdb_stats(a->db, &s);
        writable = s.writable;
    }
    api_begin(p, &j);
    json_arr(&j);
    if (!reload.ok) put_notice(&j, "Configuration reload has failed.", reload.failed_ms);
    if (!ready)
        put_notice(&j, "tocsin is starting and replaying the write-ahead log (WAL).", a->start_ms);
    if (__atomic_load_n(&a->stopping, __ATOMIC_RELAXED))
        put_notice(&j, "tocsin is shutting down and gracefully stopping all operations.",
                   env_now_ms(a->env));
    if (!writable)
        put_notice(&j, "The store takes no samples: the disk is full or fails.",
                   env_now_ms(a->env));
    json_end(&j);
    api_end(p, &j, NULL, false);
}

/* An event source that gets 204 asks no more; the list above is to be polled. */
void api_notifications_live(struct app *a, struct request *r, struct response *p)
{
    UNUSED(a);
    UNUSED(r);
    p->status = 204;
}
