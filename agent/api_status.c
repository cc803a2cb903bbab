/* api_status.c -- health, build, runtime and store state; reload.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "agent/api.h"

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
    json_key(&j, "name");
    json_cstr(&j, "tocsin");
    json_key(&j, "status");
    json_cstr(&j, ready ? "pass" : "fail");
    json_key(&j, "message");
    json_cstr(&j, ready ? "ready for queries and writes" : "starting");
    json_key(&j, "version");
    json_cstr(&j, TOCSIN_VERSION);
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
        json_key(&j, "status");
        json_cstr(&j, "error");
        json_key(&j, "errorType");
        json_cstr(&j, "bad_data");
        json_key(&j, "error");
        json_str(&j, (struct str){problems.p ? problems.p : "", problems.len});
        json_end(&j);
    }
    buf_release(&problems);
}

static void put(struct json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_cstr(j, value);
}

void api_buildinfo(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    UNUSED(a);
    UNUSED(r);
    api_begin(p, &j);
    json_obj(&j);
    put(&j, "version", API_LEVEL);
    put(&j, "revision", "");
    put(&j, "branch", "");
    put(&j, "buildUser", "");
    put(&j, "buildDate", "");
    put(&j, "goVersion", "");
    put(&j, "tocsinVersion", TOCSIN_VERSION);
    put(&j, "compiler", __VERSION__);
    json_end(&j);
    api_end(p, &j, NULL, false);
}

void api_runtimeinfo(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct tsdb_stats stats;
    char host[256] = "";
    UNUSED(r);
    tsdb_stats(a->db, &stats);
    if (gethostname(host, sizeof host - 1) < 0) host[0] = '\0';
    pthread_mutex_lock(&a->lock);
    int64_t reload_ms = a->reload_ms;
    bool reload_ok = a->reload_ok;
    char reload_error[sizeof a->reload_error];
    memcpy(reload_error, a->reload_error, sizeof reload_error);
    pthread_mutex_unlock(&a->lock);
    api_begin(p, &j);
    json_obj(&j);
    json_key(&j, "startTime");
    api_rfc3339(&j, a->start_ms);
    json_key(&j, "serverTime");
    api_rfc3339(&j, env_now_ms(a->env));
    put(&j, "hostname", host);
    json_key(&j, "reloadConfigSuccess");
    json_bool(&j, reload_ok);
    json_key(&j, "lastConfigTime");
    api_rfc3339(&j, reload_ms);
    put(&j, "reloadConfigError", reload_error);
    json_key(&j, "corruptionCount");
    json_uint(&j, stats.wal_damaged + stats.quarantined);
    json_key(&j, "goroutineCount");
    json_int(&j, 0);
    put(&j, "storageRetention", "");
    json_end(&j);
    api_end(p, &j, NULL, false);
}

void api_tsdb_status(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct tsdb_stats s;
    UNUSED(r);
    tsdb_stats(a->db, &s);
    const struct {
        const char *key;
        uint64_t v;
    } numbers[] = {
        {"headBytes",       s.head_bytes      },
        {"samplesAppended", s.samples_appended},
        {"duplicates",      s.duplicates      },
        {"outOfOrder",      s.out_of_order    },
        {"tooOld",          s.too_old         },
        {"tooNew",          s.too_new         },
        {"seriesCreated",   s.series_created  },
        {"seriesRefused",   s.series_refused  },
        {"walBytes",        s.wal_bytes       },
        {"walSyncs",        s.wal_syncs       },
        {"walFailures",     s.wal_failures    },
        {"partitions",      s.partitions      },
        {"partitionBytes",  s.partition_bytes },
        {"flushes",         s.flushes         },
        {"quarantined",     s.quarantined     },
    };
    bool empty = s.head_min_ms > s.head_max_ms;
    api_begin(p, &j);
    json_obj(&j);
    json_key(&j, "headStats");
    json_obj(&j);
    json_key(&j, "numSeries");
    json_uint(&j, s.head_series);
    json_key(&j, "minTime");
    json_int(&j, empty ? 0 : s.head_min_ms);
    json_key(&j, "maxTime");
    json_int(&j, empty ? 0 : s.head_max_ms);
    json_end(&j);
    json_key(&j, "store");
    json_obj(&j);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        json_key(&j, numbers[i].key);
        json_uint(&j, numbers[i].v);
    }
    json_key(&j, "oldestTime");
    json_int(&j, s.oldest_ms == INT64_MAX ? 0 : s.oldest_ms);
    json_key(&j, "writable");
    json_bool(&j, s.writable);
    json_end(&j);
    json_end(&j);
    api_end(p, &j, NULL, false);
}

void api_flags(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct app_settings s;
    char text[64];
    UNUSED(r);
    app_settings(a, &s);
    api_begin(p, &j);
    json_obj(&j);
    put(&j, "web.listen-address", http_server_address(a->server));
    str_from_duration(s.query_timeout_ms, text);
    put(&j, "query.timeout", text);
    str_from_duration(s.lookback_ms, text);
    put(&j, "query.lookback-delta", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)s.query_samples);
    put(&j, "query.max-samples", text);
    json_end(&j);
    api_end(p, &j, NULL, false);
}
