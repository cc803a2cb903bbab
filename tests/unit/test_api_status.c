/* test_api_status.c -- what the server says of itself, federation, and the administration of the
 * store: handlers over a store on disk and a configuration, without a socket.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "agent/api_match.h"
#include "agent/backend.h"
#include "agent/config.h"
#include "core/log.h"
#include "core/mem.h"
#include "exporters/exposition.h"
#include "tests/unit/simenv.h"

#define NOW INT64_C(1700000000000)

static const char config_text[] = "node: {name: n1}\n"
                                  "global: {external_labels: {zone: z1, site: a}}\n"
                                  "scrape_configs:\n"
                                  "  - job_name: web\n"
                                  "    basic_auth: {username: u, password: canary-1}\n"
                                  "    static_configs: [{targets: [\"127.0.0.1:1\"]}]\n"
                                  "  - job_name: app\n"
                                  "    proxy_url: http://me:canary-2@proxy:3128/\n"
                                  "    params: {token: [canary-3], module: [x]}\n";

struct fixture {
    struct simenv sim;
    struct app app; /* its daemon is the fixture */
    struct config *config;
    char path[300];
    struct arena arena;
    struct request r;
    struct response p;
    json_t *json;
};

static int with_config(struct app *a, app_config_fn *use, void *arg)
{
    struct fixture *f = a->daemon;
    return use(arg, f->config);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct tsdb_options o;
    struct diags d;
    struct errmsg err = {0};
    const struct app_settings s = {.query_timeout_ms = 30000,
                                   .lookback_ms = 300000,
                                   .query_memory = 64 << 20,
                                   .scopes = ~0u,
                                   .body_bytes = 1 << 20,
                                   .decoded_bytes = 1 << 20};
    log_set_level(LOG_LEVEL_OFF);
    if (!f || simenv_init(&f->sim) < 0) return -1;
    f->sim.now_ms = NOW;
    app_init(&f->app, &f->sim.env);
    f->app.daemon = f;
    f->app.with_config = with_config;
    app_set_settings(&f->app, &s);
    diags_init(&d);
    if (config_parse(&f->config, "t.yaml", str_of(config_text), NULL, &d) < 0) return -1;
    diags_release(&d);
    tsdb_options_default(&o);
    snprintf(f->path, sizeof f->path, "%s/data", f->sim.root);
    o.path = f->path;
    o.min_free_permille = 0;
    if (tsdb_open(&f->app.db, &o, &f->sim.env, &err) < 0) return -1;
    if (backend_new(&f->app.backend, f->app.db, &f->sim.env) < 0) return -1;
    f->app.querier = backend_querier(f->app.backend);
    f->app.ready = 1;
    arena_init(&f->arena, 8 << 20);
    response_init(&f->p, 64 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    json_decref(f->json);
    response_release(&f->p);
    arena_release(&f->arena);
    backend_free(f->app.backend);
    if (tsdb_close(f->app.db) < 0) return -1;
    config_free(f->config);
    app_release(&f->app);
    simenv_release(&f->sim);
    free(f);
    return 0;
}

static void ask(struct fixture *f, route_fn *handler, const char *target)
{
    struct errmsg err = {0};
    response_release(&f->p);
    response_init(&f->p, 64 << 20);
    f->p.status = 200;
    f->r = (struct request){.arena = &f->arena, .method = HTTP_GET, .id = "id"};
    f->r.start_mono_ns = env_mono_ns(&f->sim.env);
    assert_int_equal(request_set_target(&f->r, str_of(target), &err), 0);
    handler(&f->app, &f->r, &f->p);
}

/* The data of a successful answer, borrowed until the next call. */
static json_t *data_of(struct fixture *f, route_fn *handler, const char *target)
{
    json_error_t err;
    ask(f, handler, target);
    if (f->p.status != 200) print_error("%s: %d %s\n", target, f->p.status, f->p.body.p);
    assert_int_equal(f->p.status, 200);
    json_decref(f->json);
    f->json = json_loads(f->p.body.p, 0, &err);
    if (!f->json) print_error("%s: %s in %s\n", target, err.text, f->p.body.p);
    assert_non_null(f->json);
    assert_string_equal(json_string_value(json_object_get(f->json, "status")), "success");
    return json_object_get(f->json, "data");
}

static void assert_error(struct fixture *f, route_fn *handler, const char *target, int status,
                         const char *text)
{
    ask(f, handler, target);
    if (f->p.status != status || !strstr(f->p.body.p, text))
        print_error("%s: %d %s\n", target, f->p.status, f->p.body.p);
    assert_int_equal(f->p.status, status);
    assert_non_null(strstr(f->p.body.p, text));
}

static const char *text_at(json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    assert_non_null(s);
    return s;
}

/* Appends to metric{name="value"}; name NULL: no label. */
static void append(struct fixture *f, const char *metric, const char *name, const char *value,
                   int64_t t_ms, double v)
{
    struct label labels[] = {
        {STR(METRIC_NAME),         str_of(metric)},
        {str_of(name ? name : ""), str_of(value) }
    };
    struct label_builder b;
    struct tsdb_append_result r;
    struct tsdb_point p = {0, t_ms, v};
    label_builder_init(&b, (struct labels){labels, name ? 2 : 1});
    assert_int_equal(tsdb_series(f->app.db, label_builder_view(&b), &p.ref, NULL), 0);
    assert_int_equal(tsdb_append(f->app.db, &p, 1, &r), 0);
    assert_int_equal(r.stored, 1);
}

/* --- federation --------------------------------------------------------------------------------
 */

static void federates(struct fixture *f, const char *target, const char *want)
{
    ask(f, api_federate, target);
    assert_int_equal(f->p.status, 200);
    assert_string_equal(f->p.body.p ? f->p.body.p : "", want);
}

static void federation_is_prometheus(void **state)
{
    struct fixture *f = *state;
    append(f, "up", "instance", "b:1", NOW - 1000, 1);
    append(f, "up", "instance", "a:1", NOW - 2000, 0);
    append(f, "up", "instance", "a:1", NOW - 1500, 1);
    append(f, "load", "site", "own", NOW - 3000, 1.5);
    append(f, "old", NULL, "", NOW - 300001, 7);
    append(f, "gone", NULL, "", NOW - 2000, 7);
    append(f, "gone", NULL, "", NOW - 1000, double_of_bits(STALE_NAN_BITS));
    append(f, "bad", "q", "a\\\"\n", NOW, double_of_bits(NORMAL_NAN_BITS));
#define LOAD "# TYPE load untyped\nload{site=\"own\",instance=\"\",zone=\"z1\"} 1.5 1699999997000\n"
#define BAD                                                                                        \
    "# TYPE bad untyped\nbad{q=\"a\\\\\\\"\\n\",instance=\"\",site=\"a\",zone=\"z1\"} NaN "        \
    "1700000000000\n"
#define UP                                                                                         \
    "# TYPE up untyped\n"                                                                          \
    "up{instance=\"a:1\",site=\"a\",zone=\"z1\"} 1 1699999998500\n"                                \
    "up{instance=\"b:1\",site=\"a\",zone=\"z1\"} 1 1699999999000\n"
    federates(f, "/federate", "");
    federates(f, "/federate?match[]=up", UP);
    federates(f, "/federate?match[]=up&match[]=load&match[]=%7Binstance%3D%22a:1%22%7D", LOAD UP);
    federates(f, "/federate?match[]=%7B__name__%3D~%22.%2B%22%7D", BAD LOAD UP);
    federates(f, "/federate?match[]=absent", "");
    assert_error(f, api_federate, "/federate?match[]=%7B", 400, "parse error");
    assert_error(f, api_federate, "/federate?match[]=%7Ba%3D%22%22%7D", 400, "non-empty matcher");
}

static void names_follow_the_clients_escaping(void **state)
{
    struct fixture *f = *state;
    append(f, "a.b", "my.label", "x", NOW, 1);
    append(f, "a_b", NULL, "", NOW, 2);
    append(f, "a-c", NULL, "", NOW, 3);
    federates(f, "/federate?match[]=%7B__name__%3D~%22a.%2B%22%7D",
              "# TYPE a_b untyped\n"
              "a_b{my_label=\"x\",instance=\"\",site=\"a\",zone=\"z1\"} 1 1700000000000\n"
              "a_b{instance=\"\",site=\"a\",zone=\"z1\"} 2 1700000000000\n"
              "# TYPE a_c untyped\n"
              "a_c{instance=\"\",site=\"a\",zone=\"z1\"} 3 1700000000000\n");
    assert_string_equal(f->p.content_type, "text/plain; version=0.0.4; charset=utf-8");
    struct buf out = BUF_INIT(1 << 16);
    struct exposition x;
    struct label l = {STR("my.label"), STR("x")};
    exposition_init(&x, &out);
    exposition_untyped(&x, STR("a.b"), (struct labels){&l, 1}, (struct labels){NULL, 0}, 1, 5);
    exposition_untyped(&x, STR("a.b"), (struct labels){NULL, 0}, (struct labels){NULL, 0}, 2, 6);
    exposition_untyped(&x, STR("plain"), (struct labels){NULL, 0}, (struct labels){NULL, 0}, 3, 7);
    assert_string_equal(out.p, "# TYPE \"a.b\" untyped\n"
                               "{\"a.b\",\"my.label\"=\"x\"} 1 5\n"
                               "{\"a.b\"} 2 6\n"
                               "# TYPE plain untyped\n"
                               "plain 3 7\n");
    exposition_release(&x);
    buf_release(&out);
}

/* --- the store ---------------------------------------------------------------------------------
 */

static int64_t number_at(json_t *object, const char *key)
{
    json_t *n = json_object_get(object, key);
    assert_true(json_is_integer(n));
    return json_integer_value(n);
}

static void tsdb_status_counts(void **state)
{
    struct fixture *f = *state;
    json_t *head = json_object_get(data_of(f, api_tsdb_status, "/x"), "headStats");
    assert_int_equal(number_at(head, "minTime"), INT64_MAX);
    assert_int_equal(number_at(head, "maxTime"), INT64_MIN);
    for (int i = 0; i < 15; i++) {
        char value[16];
        snprintf(value, sizeof value, "v%02d", i);
        append(f, i % 3 ? "m" : "n", "l", value, NOW - i, i);
    }
    json_t *data = data_of(f, api_tsdb_status, "/x");
    head = json_object_get(data, "headStats");
    assert_int_equal(number_at(head, "numSeries"), 15);
    assert_int_equal(number_at(head, "numLabelPairs"), 17);
    assert_int_equal(number_at(head, "chunkCount"), 15);
    assert_int_equal(number_at(head, "minTime"), NOW - 14);
    assert_int_equal(number_at(head, "maxTime"), NOW);
    json_t *metrics = json_object_get(data, "seriesCountByMetricName");
    assert_int_equal(json_array_size(metrics), 2);
    assert_string_equal(text_at(json_array_get(metrics, 0), "name"), "m");
    assert_int_equal(number_at(json_array_get(metrics, 0), "value"), 10);
    json_t *pairs = json_object_get(data, "seriesCountByLabelValuePair");
    assert_int_equal(json_array_size(pairs), 10);
    assert_string_equal(text_at(json_array_get(pairs, 0), "name"), "__name__=m");
    assert_string_equal(text_at(json_array_get(pairs, 2), "name"), "l=v00");
    json_t *values = json_object_get(data, "labelValueCountByLabelName");
    assert_string_equal(text_at(json_array_get(values, 0), "name"), "l");
    assert_int_equal(number_at(json_array_get(values, 0), "value"), 15);
    data = data_of(f, api_tsdb_status, "/x?limit=1");
    assert_int_equal(json_array_size(json_object_get(data, "seriesCountByLabelValuePair")), 1);
    assert_int_equal(tsdb_flush(f->app.db, NULL), 0);
    head = json_object_get(data_of(f, api_tsdb_status, "/x"), "headStats");
    assert_int_equal(number_at(head, "minTime"), NOW); /* nothing in memory: the newest stored */
    assert_error(f, api_tsdb_status, "/x?limit=0", 400, "limit must be a positive number");
    assert_error(f, api_tsdb_status, "/x?limit=a", 400, "limit must be a positive number");
    data = data_of(f, api_walreplay, "/x");
    assert_int_equal(number_at(data, "min"), 0);
}

static void deletes_by_request(void **state)
{
    struct fixture *f = *state;
    append(f, "m", "l", "a", NOW - 1000, 1);
    append(f, "m", "l", "b", NOW - 1000, 1);
    append(f, "n", "l", "a", NOW - 1000, 1);
    assert_error(f, api_admin_delete, "/x", 400, "no match[] parameter provided");
    assert_error(f, api_admin_delete, "/x?match[]=m&start=x", 400,
                 "invalid parameter \\\"start\\\"");
    assert_error(f, api_admin_delete, "/x?match[]=m{", 400, "invalid parameter \\\"match[]\\\"");
    assert_error(f, api_admin_delete, "/x?match[]=%7Bl%3D~%22.*%22%7D", 400, "non-empty matcher");
    ask(f, api_admin_delete, "/x?match[]=m%7Bl%3D%22a%22%7D&match[]=n&end=1699999998");
    assert_int_equal(f->p.status, 204);
    ask(f, api_federate, "/federate?match[]=m&match[]=n");
    assert_non_null(strstr(f->p.body.p, "m{l=\"a\""));
    ask(f, api_admin_delete, "/x?match[]=m%7Bl%3D%22a%22%7D&match[]=n");
    assert_int_equal(f->p.status, 204);
    federates(f, "/federate?match[]=m&match[]=n",
              "# TYPE m untyped\n"
              "m{l=\"b\",instance=\"\",site=\"a\",zone=\"z1\"} 1 1699999999000\n");
    json_t *store = json_object_get(data_of(f, api_tsdb_status, "/x"), "store");
    assert_int_equal(number_at(store, "deletions"), 2);
    ask(f, api_admin_clean, "/x");
    assert_int_equal(f->p.status, 204);
    store = json_object_get(data_of(f, api_tsdb_status, "/x"), "store");
    assert_int_equal(number_at(store, "deletions"), 0);
    json_t *done = data_of(f, api_admin_compact, "/x");
    assert_int_equal(number_at(done, "rewrittenDays"), 0);
}

static void snapshots_by_request(void **state)
{
    struct fixture *f = *state;
    char path[700];
    struct io_stat st;
    append(f, "m", NULL, "", NOW, 1);
    assert_error(f, api_admin_snapshot, "/x?skip_head=maybe", 400, "unable to parse boolean");
    json_t *data = data_of(f, api_admin_snapshot, "/x?skip_head=true");
    snprintf(path, sizeof path, "%s/snapshots/%s/FORMAT", f->path, text_at(data, "name"));
    assert_int_equal(env_system()->io->stat(NULL, path, &st), 0);
    f->app.stopping = 1; /* the daemon ends: no new one */
    assert_error(f, api_admin_snapshot, "/x", 503, "unavailable");
}

/* --- the server --------------------------------------------------------------------------------
 */

static void the_configuration_has_no_secrets(void **state)
{
    struct fixture *f = *state;
    const char *yaml = text_at(data_of(f, api_status_config, "/x"), "yaml");
    assert_non_null(strstr(yaml, "job_name: \"web\""));
    assert_non_null(strstr(yaml, "http://me:<secret>@proxy:3128/"));
    assert_non_null(strstr(yaml, "site"));
    assert_null(strstr(yaml, "canary"));
}

static void info_has_prometheus_keys(void **state)
{
    static const struct {
        route_fn *handler;
        const char *keys[14];
    } rows[] = {
        {api_runtimeinfo,
         {"startTime", "CWD", "hostname", "serverTime", "reloadConfigSuccess", "lastConfigTime",
          "corruptionCount", "goroutineCount", "GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG",
          "storageRetention"}                                                                     },
        {api_buildinfo,
         {"version", "revision", "branch", "buildUser", "buildDate", "goVersion", "tocsinVersion"}},
        {api_walreplay,   {"min", "max", "current"}                                               },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *data = data_of(f, rows[i].handler, "/x");
        for (size_t k = 0; k < COUNT(rows[i].keys) && rows[i].keys[k]; k++)
            if (!json_object_get(data, rows[i].keys[k])) fail_msg("no %s", rows[i].keys[k]);
    }
    json_t *data = data_of(f, api_runtimeinfo, "/x");
    assert_string_equal(text_at(data, "storageRetention"), "15d or 10GiB");
    assert_true(number_at(data, "goroutineCount") >= 1);
}

static void features_are_booleans_by_category(void **state)
{
    struct fixture *f = *state;
    const char *category, *name;
    json_t *rows, *on, *data = data_of(f, api_features, "/x");
    size_t count = 0;
    json_object_foreach(data, category, rows) json_object_foreach(rows, name, on)
    {
        assert_true(json_is_boolean(on));
        count++;
    }
    assert_int_equal(json_object_size(data), 12);
    assert_true(count > 200);
    static const struct {
        const char *category, *name;
        bool on;
    } known[] = {
        {"promql_functions",            "rate",             true },
        {"promql_functions",            "mad_over_time",    false},
        {"promql_operators",            "atan2",            true },
        {"promql_operators",            "limitk",           false},
        {"promql_operators",            "=~",               true },
        {"service_discovery_providers", "static",           true },
        {"service_discovery_providers", "consul",           false},
        {"templating_functions",        "humanize",         true },
        {"tsdb",                        "exemplar_storage", false},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        on = json_object_get(json_object_get(data, known[i].category), known[i].name);
        if (!on || json_is_true(on) != known[i].on) fail_msg("%s", known[i].name);
    }
    struct app_settings s;
    app_settings(&f->app, &s);
    s.experimental = true; /* query.experimental */
    app_set_settings(&f->app, &s);
    data = data_of(f, api_features, "/x");
    assert_true(
        json_is_true(json_object_get(json_object_get(data, "promql_functions"), "mad_over_time")));
}

static void notices_come_and_go(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(json_array_size(data_of(f, api_notifications, "/x")), 0);
    f->app.reload_ok = false;
    f->app.reload_failed_ms = NOW;
    json_t *list = data_of(f, api_notifications, "/x");
    assert_int_equal(json_array_size(list), 1);
    json_t *notice = json_array_get(list, 0);
    assert_string_equal(text_at(notice, "text"), "Configuration reload has failed.");
    assert_string_equal(text_at(notice, "date"), "2023-11-14T22:13:20Z");
    assert_true(json_is_true(json_object_get(notice, "active")));
    f->app.ready = 0;
    assert_int_equal(json_array_size(data_of(f, api_notifications, "/x")), 2);
    f->app.ready = 1;
    ask(f, api_notifications_live, "/x");
    assert_int_equal(f->p.status, 204);
}

static void metadata_is_limited(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"a_total", "b_seconds", "c"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct metric_metadata m = {str_of(names[i]), STR("help"), STR("unit"),
                                          i ? METRIC_GAUGE : METRIC_COUNTER};
        assert_int_equal(tsdb_metadata_set(f->app.db, &m), 0);
    }
    json_t *data = data_of(f, api_metadata, "/x");
    assert_int_equal(json_object_size(data), 3);
    json_t *one = json_array_get(json_object_get(data, "a_total"), 0);
    assert_string_equal(text_at(one, "type"), "counter");
    assert_string_equal(text_at(one, "unit"), "unit");
    static const struct {
        const char *target;
        size_t count;
    } rows[] = {
        {"/x?limit=2",                             2},
        {"/x?limit=0",                             0},
        {"/x?limit=-1",                            3},
        {"/x?limit_per_metric=1",                  3},
        {"/x?metric=b_seconds",                    1},
        {"/x?metric=none",                         0},
        {"/x?metric=c&limit=5&limit_per_metric=0", 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(json_object_size(data_of(f, api_metadata, rows[i].target)), rows[i].count);
    assert_error(f, api_metadata, "/x?limit=x", 400, "limit must be a number");
    assert_error(f, api_metadata, "/x?limit_per_metric=x", 400,
                 "limit_per_metric must be a number");
}

static void pools_come_from_the_configuration(void **state)
{
    struct fixture *f = *state;
    json_t *pools = json_object_get(data_of(f, api_scrape_pools, "/x"), "scrapePools");
    assert_int_equal(json_array_size(pools), 2);
    assert_string_equal(json_string_value(json_array_get(pools, 0)), "app");
    assert_string_equal(json_string_value(json_array_get(pools, 1)), "web");
    json_t *data = data_of(f, api_targets, "/x");
    assert_int_equal(json_array_size(json_object_get(data, "droppedTargets")), 0);
    assert_int_equal(number_at(json_object_get(data, "droppedTargetCounts"), "web"), 0);
    data = data_of(f, api_targets, "/x?state=active");
    assert_true(json_is_null(json_object_get(data, "droppedTargetCounts")));
    assert_error(f, api_target_metadata, "/x", 404, "specified metadata not found");
    assert_error(f, api_target_metadata, "/x?limit=x", 400, "limit must be a number");
    assert_error(f, api_target_metadata, "/x?match_target=%7B", 400,
                 "invalid parameter \\\"match_target\\\"");
}

static void rules_refuse_bad_parameters(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *target, *text;
    } rows[] = {
        {"/x?type=x",                            "not supported value \\\"x\\\""              },
        {"/x?group_limit=0",                     "group_limit needs to be greater than 0"     },
        {"/x?group_limit=a",                     "group_limit needs to be a valid number"     },
        {"/x?group_next_token=a",                "group_limit needs to be present"            },
        {"/x?exclude_alerts=maybe",              "error converting exclude_alerts"            },
        {"/x?match[]=%7B",                       "parse error"                                },
        {"/x?match[]=%7Ba%3D%22%22%7D",          "must contain at least one non-empty matcher"},
        {"/x?group_limit=1&group_next_token=ab", "invalid group_next_token 'ab'. were rule"   },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_error(f, api_rules, rows[i].target, 400, rows[i].text);
    json_t *data = data_of(f, api_rules, "/x?type=Alert&exclude_alerts=T&group_limit=3");
    assert_int_equal(json_array_size(json_object_get(data, "groups")), 0);
}

static void tokens_are_of_file_and_group(void **state)
{
    char a[API_GROUP_TOKEN], b[API_GROUP_TOKEN];
    (void)state;
    api_group_token("rules.yaml", "g\xc3\xbc\xc3\x9f", a);
    assert_int_equal(strlen(a), 40);
    api_group_token("rules.yaml", "g\xc3\xbc\xc3\x9f", b);
    assert_string_equal(a, b);
    api_group_token("rules.yml", "g\xc3\xbc\xc3\x9f", b);
    assert_string_not_equal(a, b);
}

static void global_urls_name_this_machine(void **state)
{
    static const struct {
        const char *url, *global;
    } rows[] = {
        {"http://127.0.0.1:9100/metrics", "http://h.example:9100/metrics"},
        {"https://localhost:1/m?a=b",     "https://h.example:1/m?a=b"    },
        {"http://[::1]:9/m",              "http://h.example:9/m"         },
        {"http://127.0.0.12:9/m",         "http://127.0.0.12:9/m"        },
        {"http://other:9/127.0.0.1:",     "http://other:9/127.0.0.1:"    },
    };
    char out[200];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        api_global_url(rows[i].url, "h.example", out, sizeof out);
        assert_string_equal(out, rows[i].global);
    }
    api_global_url("http://127.0.0.1:1/", "", out, sizeof out);
    assert_string_equal(out, "http://127.0.0.1:1/");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(federation_is_prometheus, setup, teardown),
        cmocka_unit_test_setup_teardown(names_follow_the_clients_escaping, setup, teardown),
        cmocka_unit_test_setup_teardown(tsdb_status_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(deletes_by_request, setup, teardown),
        cmocka_unit_test_setup_teardown(snapshots_by_request, setup, teardown),
        cmocka_unit_test_setup_teardown(the_configuration_has_no_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(info_has_prometheus_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(features_are_booleans_by_category, setup, teardown),
        cmocka_unit_test_setup_teardown(notices_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(metadata_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(pools_come_from_the_configuration, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_refuse_bad_parameters, setup, teardown),
        cmocka_unit_test(tokens_are_of_file_and_group),
        cmocka_unit_test(global_urls_name_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
