/* test_backend.c -- switching queries between the store and an engine.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/simenv.h"
#include "tests/unit/tiny_server.h"
#include "tsdb/promql/promql.h"

#define REMOTE_VALUE 42

struct world {
    struct simenv sim;
    struct tsdb *db;
    struct tiny_server engine;
    struct backend *backend;
    struct arena arena;
    char url[64], secret[64];
};

#define OK "{\"status\":\"success\",\"data\":"

static int serve(struct tiny_server *s, int fd, const char *request)
{
    static const char metadata[] = OK "{\"up\":[{\"type\":\"gauge\"}]}}";
    static const char raw[] = OK "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"a\":\"b\"},"
                                 "\"values\":[[1,\"42\"]]}]}}";
    static const char instant[] = OK "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"a\":"
                                     "\"b\"},\"value\":[1,\"42\"]}]}}";
    UNUSED(s);
    const char *body = instant;
    if (strncmp(request, "GET /api/v1/metadata", 20) == 0) body = metadata;
    if (strstr(request, "ms%5D")) body = raw;
    tiny_answer(fd, "200 OK", "application/json", body);
    return 1;
}

static int open_store(struct world *w)
{
    struct tsdb_options o;
    char path[300];
    if (simenv_init(&w->sim) < 0) return -1;
    tsdb_options_default(&o);
    snprintf(path, sizeof path, "%s/data", w->sim.root);
    o.path = path;
    o.retention_ms = 0;
    o.min_free_permille = 0;
    return tsdb_open(&w->db, &o, &w->sim.env, NULL);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    if (!w || open_store(w) < 0 || tiny_start_with(&w->engine, serve, NULL)) return -1;
    snprintf(w->url, sizeof w->url, "http://127.0.0.1:%d", w->engine.port);
    snprintf(w->secret, sizeof w->secret, "/tmp/tocsin-secret-XXXXXX");
    int fd = mkstemp(w->secret);
    if (fd < 0 || close(fd) < 0) return -1;
    arena_init(&w->arena, 1 << 20);
    *state = w;
    return backend_new(&w->backend, w->db, env_system());
}

static int teardown(void **state)
{
    struct world *w = *state;
    backend_free(w->backend);
    arena_release(&w->arena);
    tiny_stop(&w->engine);
    unlink(w->secret);
    int rc = tsdb_close(w->db);
    simenv_release(&w->sim);
    free(w);
    return rc;
}

static struct config_query config_of(struct world *w, int backend)
{
    return (struct config_query){
        .backend = backend,
        .remote = {.url = w->url,
                   .timeout_ms = 10000,
                   .username = "",
                   .password = "",
                   .password_file = "",
                   .bearer = "",
                   .bearer_file = "",
                   .proxy_url = ""}
    };
}

static void use(struct world *w, const struct config_query *c)
{
    struct backend_choice *choice = NULL;
    struct errmsg err = {0};
    if (backend_prepare(w->backend, c, &choice, &err)) fail_msg("%s", err.text);
    backend_switch(w->backend, choice);
}

static void write_secret(struct world *w, const char *text)
{
    FILE *f = fopen(w->secret, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static double ask(struct world *w, const char *text)
{
    struct expr *e = NULL;
    struct promql_result res;
    struct errmsg err = {0};
    struct promql_query q = {.querier = backend_querier(w->backend),
                             .env = env_system(),
                             .start_ms = env_now_ms(&w->sim.env),
                             .end_ms = env_now_ms(&w->sim.env),
                             .arena = &w->arena};
    assert_int_equal(promql_parse(str_of(text), PROMQL_DEFAULT, &w->arena, &e, &err), 0);
    int rc = promql_eval(e, &q, &res, &err);
    promql_expr_release(e);
    if (rc) fail_msg("%s", err.text);
    assert_ptr_equal(q.querier, backend_querier(w->backend));
    assert_int_equal(res.series_count, 1);
    return res.series[0].points[0].v;
}

static void a_switch_changes_who_answers(void **state)
{
    struct world *w = *state;
    struct label name = {STR(METRIC_NAME), STR("metric_0")};
    struct tsdb_append_result r;
    struct tsdb_point p = {.t_ms = env_now_ms(&w->sim.env), .v = 7};
    struct config_query local = config_of(w, QUERY_LOCAL), remote = config_of(w, QUERY_REMOTE);
    assert_int_equal(tsdb_series(w->db, (struct labels){&name, 1}, &p.ref, NULL), 0);
    assert_int_equal(tsdb_append(w->db, &p, 1, &r), 0);
    assert_true(ask(w, "metric_0") == 7);
    assert_int_equal(w->engine.requests, 0);
    use(w, &remote);
    assert_true(ask(w, "metric_0") == REMOTE_VALUE);
    assert_int_equal(w->engine.requests, 1);
    use(w, &local);
    assert_true(ask(w, "metric_0") == 7);
    assert_int_equal(w->engine.requests, 1);
    assert_int_equal(backend_counters(w->backend)->codes[0], 1);
}

static double first_sample(struct series_set *set)
{
    struct series_view v;
    struct errmsg err = {0};
    assert_int_equal(set->ops->next(set, &v, &err), 1);
    assert_int_equal(v.count, 1);
    return v.v[0];
}

static void what_is_being_read_outlives_a_switch(void **state)
{
    struct world *w = *state;
    struct config_query local = config_of(w, QUERY_LOCAL), remote = config_of(w, QUERY_REMOTE);
    struct querier *q = backend_querier(w->backend);
    struct select_request r = {.start_ms = 0, .end_ms = 5000, .func = "", .arena = &w->arena};
    struct series_set *set = NULL;
    struct errmsg err = {0};
    use(w, &remote);
    assert_int_equal(q->ops->select(q, &r, &set, &err), 0);
    use(w, &local);
    use(w, &remote);
    assert_true(first_sample(set) == REMOTE_VALUE);
    set->ops->free(set);
}

static void secrets_are_read_from_their_files_each_time(void **state)
{
    struct world *w = *state;
    struct config_query c = config_of(w, QUERY_REMOTE);
    c.remote.bearer_file = w->secret;
    const char *const tokens[] = {"first\n", " second \n"};
    const char *const sent[] = {"Bearer first\r\n", "Bearer second\r\n"};
    for (size_t i = 0; i < COUNT(tokens); i++) {
        write_secret(w, tokens[i]);
        use(w, &c);
        ask(w, "up");
        pthread_mutex_lock(&w->engine.lock);
        assert_non_null(strstr(w->engine.last_request, sent[i]));
        pthread_mutex_unlock(&w->engine.lock);
    }
}

static void bad_secrets_are_refused_by_name(void **state)
{
    static const char *const contents[] = {"", " \n", "a\nb", "a\rb"};
    struct world *w = *state;
    struct config_query c = config_of(w, QUERY_REMOTE);
    struct backend_choice *choice = NULL;
    struct errmsg err = {0};
    c.remote.username = "u";
    c.remote.password_file = w->secret;
    for (size_t i = 0; i < COUNT(contents); i++) {
        write_secret(w, contents[i]);
        assert_int_equal(backend_prepare(w->backend, &c, &choice, &err), E_INVALID);
        assert_null(choice);
        assert_non_null(strstr(err.text, "query.remote.password_file /tmp/tocsin-secret-"));
    }
    c.remote.password_file = "/none/here";
    assert_true(backend_prepare(w->backend, &c, &choice, &err) < 0);
    assert_non_null(strstr(err.text, "cannot read query.remote.password_file /none/here"));
    struct config_query local = config_of(w, QUERY_LOCAL);
    local.remote = c.remote; /* not in use, not read */
    assert_int_equal(backend_prepare(w->backend, &local, &choice, &err), 0);
    backend_choice_free(choice);
}

static int add_name(void *arg, const struct metric_metadata *m)
{
    return buf_add(arg, m->name.p, m->name.len);
}

static void metadata_comes_from_who_answers(void **state)
{
    struct world *w = *state;
    struct config_query remote = config_of(w, QUERY_REMOTE);
    struct metric_metadata m = {STR("local_metric"), STR(""), STR(""), METRIC_GAUGE};
    struct buf out = BUF_INIT(256);
    struct errmsg err = {0};
    assert_int_equal(tsdb_metadata_set(w->db, &m), 0);
    assert_int_equal(backend_metadata(w->backend, NULL, NULL, &w->arena, add_name, &out, &err), 0);
    assert_string_equal(out.p, "local_metric");
    use(w, &remote);
    buf_reset(&out);
    assert_int_equal(backend_metadata(w->backend, NULL, NULL, &w->arena, add_name, &out, &err), 0);
    assert_string_equal(out.p, "up");
    buf_release(&out);
}

/* Queries go on while the backend is switched to and fro. */
static void *ask_on(void *arg)
{
    struct world *w = arg;
    struct querier *q = backend_querier(w->backend);
    struct arena arena;
    uintptr_t bad = 0;
    arena_init(&arena, 1 << 20);
    for (int i = 0; i < 50; i++) {
        struct select_request r = {.start_ms = 0, .end_ms = 5000, .func = "", .arena = &arena};
        struct series_set *set = NULL;
        struct series_view v;
        struct errmsg err = {0};
        int rc = q->ops->select(q, &r, &set, &err);
        bad += rc < 0;
        while (rc == 0 && (rc = set->ops->next(set, &v, &err)) > 0)
            rc = 0;
        bad += rc < 0;
        if (set) set->ops->free(set);
        arena_reset(&arena);
    }
    arena_release(&arena);
    return (void *)bad;
}

static void switching_disturbs_nobody(void **state)
{
    struct world *w = *state;
    struct config_query c[] = {config_of(w, QUERY_LOCAL), config_of(w, QUERY_REMOTE)};
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_on, w), 0);
    for (int i = 0; i < 50; i++)
        use(w, &c[i % 2]);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *bad = NULL;
        pthread_join(threads[i], &bad);
        assert_null(bad);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_switch_changes_who_answers),
        CASE(what_is_being_read_outlives_a_switch),
        CASE(secrets_are_read_from_their_files_each_time),
        CASE(bad_secrets_are_refused_by_name),
        CASE(metadata_comes_from_who_answers),
        CASE(switching_disturbs_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
