/* test_rules_engine.c -- the engine on a virtual clock: rules fire, resolve, survive restarts,
 * reloads and steps of the clock.
 *
 * The write side of the store is a model store here, and the notifier writes down what it hears;
 * both stand in for the library's at link time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"
#include "rules/rule_int.h"
#include "tsdb/memstore.h"

#define START_MS INT64_C(1700000000000)

/* --- a store --- */

enum { SERIES_MAX = 200 };
struct tsdb {
    pthread_mutex_t lock;
    struct memstore *mem;
    struct labels series[SERIES_MAX];
    size_t count;
    int append_rc;
    size_t appended;
};

int tsdb_series(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    UNUSED(err);
    pthread_mutex_lock(&db->lock);
    size_t i = 0;
    while (i < db->count && !labels_eq(db->series[i], ls))
        i++;
    if (i == db->count) {
        assert_true(i < SERIES_MAX);
        assert_int_equal(labels_dup(ls, &db->series[db->count++]), 0);
    }
    *out = i + 1;
    pthread_mutex_unlock(&db->lock);
    return 0;
}

int tsdb_series_own(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    return tsdb_series(db, ls, out, err);
}

int tsdb_append(struct tsdb *db, const struct tsdb_point *p, size_t count,
                struct tsdb_append_result *r)
{
    *r = (struct tsdb_append_result){.stored = count};
    pthread_mutex_lock(&db->lock);
    int rc = db->append_rc;
    for (size_t i = 0; i < count && rc == 0; i++, db->appended++)
        rc = memstore_add(db->mem, db->series[p[i].ref - 1], p[i].t_ms, p[i].v);
    pthread_mutex_unlock(&db->lock);
    return rc;
}

/* --- a notifier --- */

struct notifier {
    char heard[8192]; /* "NAME firing|resolved;" in order */
    size_t len;
    int ready;
    struct alert last;
    char last_url[512];
    int64_t starts_ms, ends_ms;
};

int notifier_put(struct notifier *n, const struct alert *alerts, size_t count)
{
    for (size_t i = 0; i < count && n->len < sizeof n->heard - 200; i++) {
        struct str name = labels_get(alerts[i].labels, STR("alertname"));
        struct str x = labels_get(alerts[i].labels, STR("x"));
        int written = snprintf(n->heard + n->len, sizeof n->heard - n->len, "%.*s%s%.*s %s;",
                               (int)name.len, name.p, x.len ? "/" : "", (int)x.len, x.p,
                               alerts[i].ends_ms ? "resolved" : "firing");
        n->len += (size_t)written;
        snprintf(n->last_url, sizeof n->last_url, "%s", alerts[i].generator_url);
        n->starts_ms = alerts[i].starts_ms;
        n->ends_ms = alerts[i].ends_ms;
    }
    return 0;
}

void notifier_ready(struct notifier *n)
{
    n->ready++;
}

/* --- a clock --- */

struct clock_state {
    int64_t wall_ms, mono_ns;
};

static int64_t virtual_now(struct env *e)
{
    return ((struct clock_state *)e->impl)->wall_ms;
}

static int64_t virtual_mono(struct env *e)
{
    return ((struct clock_state *)e->impl)->mono_ns;
}

static int no_sleep(struct env *e, int64_t mono_ns, const int *stop)
{
    UNUSED(e), UNUSED(mono_ns);
    return stop && *stop;
}

static void no_wake(struct env *e)
{
    UNUSED(e);
}

static const struct timesource virtual_time = {
    .now_ms = virtual_now, .mono_ns = virtual_mono, .sleep_until = no_sleep, .wake = no_wake};

/* The system's I/O with the virtual clock: wrappers, since implementations look at impl. */
static int io_open(struct env *e, const char *path, int flags, mode_t mode)
{
    UNUSED(e);
    return env_system()->io->open(env_system(), path, flags, mode);
}
static int io_close(struct env *e, int fd)
{
    UNUSED(e);
    return env_system()->io->close(env_system(), fd);
}
static ssize_t io_pread(struct env *e, int fd, void *p, size_t len, int64_t offset)
{
    UNUSED(e);
    return env_system()->io->pread(env_system(), fd, p, len, offset);
}
static ssize_t io_pwrite(struct env *e, int fd, const void *p, size_t len, int64_t offset)
{
    UNUSED(e);
    return env_system()->io->pwrite(env_system(), fd, p, len, offset);
}
static int io_sync(struct env *e, int fd)
{
    UNUSED(e), UNUSED(fd);
    return 0;
}
static int io_ftruncate(struct env *e, int fd, int64_t len)
{
    UNUSED(e);
    return env_system()->io->ftruncate(env_system(), fd, len);
}
static int io_fallocate(struct env *e, int fd, int64_t len)
{
    UNUSED(e), UNUSED(fd), UNUSED(len);
    return -EOPNOTSUPP;
}
static int io_rename(struct env *e, const char *from, const char *to)
{
    UNUSED(e);
    return env_system()->io->rename(env_system(), from, to);
}
static int io_unlink(struct env *e, const char *path)
{
    UNUSED(e);
    return env_system()->io->unlink(env_system(), path);
}
static int io_mkdir(struct env *e, const char *path, mode_t mode)
{
    UNUSED(e);
    return env_system()->io->mkdir(env_system(), path, mode);
}
static int io_stat_path(struct env *e, const char *path, struct io_stat *out)
{
    UNUSED(e);
    return env_system()->io->stat(env_system(), path, out);
}
static int io_sync_dir(struct env *e, const char *path)
{
    UNUSED(e), UNUSED(path);
    return 0;
}
static int io_list(struct env *e, const char *path, int (*each)(void *arg, const char *name),
                   void *arg)
{
    UNUSED(e);
    return env_system()->io->list(env_system(), path, each, arg);
}

static const struct io plain_io = {
    .open = io_open,
    .close = io_close,
    .pread = io_pread,
    .pwrite = io_pwrite,
    .fsync = io_sync,
    .fdatasync = io_sync,
    .ftruncate = io_ftruncate,
    .fallocate = io_fallocate,
    .rename = io_rename,
    .unlink = io_unlink,
    .mkdir = io_mkdir,
    .stat = io_stat_path,
    .sync_dir = io_sync_dir,
    .list = io_list,
};

/* --- the bench everything stands on --- */

struct bench {
    struct clock_state clock;
    struct env env;
    struct tsdb db;
    struct notifier notifier;
    char dir[64];
    char rules[4096];
    struct rules_engine *engine;
};

static int bench_setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->clock = (struct clock_state){START_MS, 1000000000};
    b->env = (struct env){.io = &plain_io, .time = &virtual_time, .impl = &b->clock};
    pthread_mutex_init(&b->db.lock, NULL);
    assert_int_equal(memstore_new(&b->db.mem), 0);
    snprintf(b->dir, sizeof b->dir, "/tmp/tocsin-rules-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    *state = b;
    return 0;
}

static void engine_stop(struct bench *b)
{
    rules_engine_free(b->engine);
    b->engine = NULL;
}

static int bench_teardown(void **state)
{
    struct bench *b = *state;
    char path[128];
    engine_stop(b);
    for (size_t i = 0; i < b->db.count; i++)
        labels_free_dup(&b->db.series[i]);
    memstore_free(b->db.mem);
    snprintf(path, sizeof path, "%s/rules.journal", b->dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/r.yml", b->dir);
    unlink(path);
    assert_int_equal(rmdir(b->dir), 0);
    pthread_mutex_destroy(&b->db.lock);
    free(b);
    return 0;
}

static int apply(struct bench *b, const char *text)
{
    static const char *files[] = {"r.y*l"};
    char path[128];
    struct diags d;
    diags_init(&d);
    snprintf(path, sizeof path, "%s/r.yml", b->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    struct rules_config c = {
        .files = {.count = 1, .v = files},
        .interval_ms = 1000,
        .base_dir = b->dir,
        .external_url = "http://mon:7788"
    };
    int rc = rules_engine_apply(b->engine, &c, &d);
    if (rc < 0 && d.first) print_message("%s:%d %s\n", d.first->file, d.first->line, d.first->text);
    diags_release(&d);
    return rc;
}

static void engine_start(struct bench *b, const char *text)
{
    struct rules_deps d = {.env = &b->env,
                           .db = &b->db,
                           .querier = memstore_querier(b->db.mem),
                           .notifier = &b->notifier,
                           .state_dir = b->dir,
                           .manual = true};
    struct errmsg err = {0};
    assert_int_equal(rules_engine_new(&b->engine, &d, &err), 0);
    assert_int_equal(apply(b, text), 0);
}

static void pass(struct bench *b, int64_t ms)
{
    b->clock.wall_ms += ms;
    b->clock.mono_ns += ms * 1000000;
    rules_engine_run_due(b->engine);
}

/* One second a turn; before each, x is stored for every letter. */
static void seconds_with(struct bench *b, int n, double v)
{
    static const struct label x[] = {
        {{"__name__", 8}, {"x", 1}},
        {{"x", 1},        {"1", 1}}
    };
    for (int i = 0; i < n; i++) {
        int64_t t = b->clock.wall_ms;
        assert_int_equal(memstore_add(b->db.mem, (struct labels){x, 2}, t, v), 0);
        pass(b, 1000);
    }
}

static const char *heard(struct bench *b)
{
    b->notifier.len = 0;
    return b->notifier.heard;
}

static void forget(struct bench *b)
{
    b->notifier.len = 0;
    b->notifier.heard[0] = '\0';
}

/* The last value of a series, NAN when there is none; a staleness marker is told apart. */
struct found {
    double v;
    int64_t t;
    size_t count;
};

static struct found last_of(struct bench *b, const char *selector)
{
    struct arena a;
    struct matcher *m = NULL;
    size_t count = 0;
    struct errmsg err = {0};
    struct series_set *set;
    struct series_view s;
    struct found f = {0};
    arena_init(&a, 1 << 20);
    assert_int_equal(promql_parse_selector(str_of(selector), &a, &m, &count, &err), 0);
    struct select_request r = {.matchers = m,
                               .matcher_count = count,
                               .start_ms = INT64_MIN / 2,
                               .end_ms = INT64_MAX / 2,
                               .arena = &a};
    struct querier *q = memstore_querier(b->db.mem);
    assert_int_equal(q->ops->select(q, &r, &set, &err), 0);
    while (set->ops->next(set, &s, &err) > 0) {
        f.count += s.count;
        if (s.count > 0 && s.t[s.count - 1] >= f.t) {
            f.t = s.t[s.count - 1];
            f.v = s.v[s.count - 1];
        }
    }
    set->ops->free(set);
    for (size_t i = 0; i < count; i++)
        matcher_release(&m[i]);
    arena_release(&a);
    return f;
}

/* The state of the first rule called name. */
struct wanted {
    const char *name;
    char state[16], health[16], error[200], summary[200];
    size_t alerts;
    int64_t active_ms;
};

static int look_at(void *arg, const struct group_status *g)
{
    struct wanted *w = arg;
    for (size_t i = 0; i < g->rule_count; i++) {
        const struct rule_status *r = &g->rules[i];
        if (strcmp(r->name, w->name) != 0) continue;
        snprintf(w->state, sizeof w->state, "%s", r->state);
        snprintf(w->health, sizeof w->health, "%s", r->health);
        snprintf(w->error, sizeof w->error, "%.190s", r->last_error);
        w->alerts = r->alert_count;
        w->active_ms = r->alert_count ? r->alerts[0].active_ms : 0;
        struct str s = r->alert_count ? labels_get(r->alerts[0].annotations, STR("summary"))
                                      : (struct str){NULL, 0};
        snprintf(w->summary, sizeof w->summary, "%.*s", (int)s.len, s.p ? s.p : "");
        return 1;
    }
    return 0;
}

static struct wanted status_of(struct bench *b, const char *name)
{
    struct wanted w = {.name = name};
    assert_int_equal(rules_engine_visit(b->engine, look_at, &w), 1);
    return w;
}

#define GROUP "groups:\n- name: g\n  interval: 1s\n  rules:\n"
static const char high[] = GROUP "  - alert: High\n    expr: x > 5\n    for: 3s\n"
                                 "    labels: {severity: page}\n"
                                 "    annotations: {summary: 'x{{ $labels.x }} is {{ $value }}'}\n";

/* --- tests --- */

static void fires_and_resolves(void **state)
{
    struct bench *b = *state;
    engine_start(b, high);
    seconds_with(b, 3, 1);
    assert_string_equal(status_of(b, "High").state, "inactive");
    assert_string_equal(status_of(b, "High").health, "ok");
    assert_int_equal(b->notifier.ready, 1);
    seconds_with(b, 3, 9);
    assert_string_equal(status_of(b, "High").state, "pending");
    assert_string_equal(heard(b), "");
    assert_true(last_of(b, "ALERTS{alertstate=\"pending\",x=\"1\",severity=\"page\"}").v == 1);
    seconds_with(b, 1, 9);
    struct wanted w = status_of(b, "High");
    assert_string_equal(w.state, "firing");
    assert_string_equal(w.summary, "x1 is 9");
    assert_string_equal(heard(b), "High/1 firing;");
    assert_string_equal(b->notifier.last_url, "http://mon:7788/graph?g0.expr=x+%3E+5&g0.tab=1");
    assert_true(is_stale(last_of(b, "ALERTS{alertstate=\"pending\"}").v));
    assert_true(last_of(b, "ALERTS{alertstate=\"firing\"}").v == 1);
    assert_true(last_of(b, "ALERTS_FOR_STATE").v == (double)(w.active_ms / 1000));
    forget(b);
    seconds_with(b, 1, 1);
    assert_string_equal(heard(b), "High/1 resolved;");
    assert_true(b->notifier.ends_ms > b->notifier.starts_ms);
    assert_true(is_stale(last_of(b, "ALERTS{alertstate=\"firing\"}").v));
    assert_true(is_stale(last_of(b, "ALERTS_FOR_STATE").v));
    assert_int_equal(status_of(b, "High").alerts, 0);
}

static void tells_again_each_minute(void **state)
{
    struct bench *b = *state;
    engine_start(b, GROUP "  - {alert: A, expr: vector(1)}\n");
    pass(b, 1000);
    assert_string_equal(heard(b), "A firing;");
    forget(b);
    for (int i = 0; i < 59; i++)
        pass(b, 1000);
    assert_string_equal(heard(b), "");
    pass(b, 1000);
    assert_string_equal(heard(b), "A firing;");
}

static void later_rules_see_what_earlier_recorded(void **state)
{
    struct bench *b = *state;
    engine_start(b, GROUP "  - {record: 'a:b', expr: sum(x) * 2, labels: {team: ml}}\n"
                          "  - {record: 'c:d', expr: 'a:b + 1'}\n"
                          "  - {record: scalar, expr: '3'}\n");
    seconds_with(b, 1, 4);
    assert_true(last_of(b, "a:b{team=\"ml\"}").v == 8);
    assert_true(last_of(b, "c:d{team=\"ml\"}").v == 9);
    assert_true(last_of(b, "scalar").v == 3);
    int64_t t = last_of(b, "c:d").t;
    assert_true(t <= b->clock.wall_ms && t > b->clock.wall_ms - 1000);
    struct rules_stats st;
    rules_engine_stats(b->engine, &st);
    assert_int_equal(st.samples, 3);
    assert_int_equal(st.evaluations, 3);
    assert_int_equal(st.rules, 3);
}

static void vanished_series_get_a_marker(void **state)
{
    struct bench *b = *state;
    engine_start(b, GROUP "  - {record: big, expr: x > 5}\n");
    seconds_with(b, 1, 9);
    assert_true(last_of(b, "big").v == 9);
    seconds_with(b, 2, 1);
    assert_true(is_stale(last_of(b, "big").v));
    assert_int_equal(last_of(b, "big").count, 2);
}

static void errors_keep_alerts_and_show(void **state)
{
    static const char two[] =
        GROUP "  - {alert: High, expr: 'x > 5 or (x * on (x) group_left () y)'}\n"
              "  - {record: same, expr: 'label_replace(x, \"x\", \"one\", \"\", \"\") or "
              "label_replace(y, \"x\", \"one\", \"\", \"\")'}\n"
              "  - {alert: Broken, expr: vector(1), annotations: {summary: '{{ query \"(\" }}'}}\n";
    static const struct label y1[] = {
        {{"__name__", 8}, {"y", 1}},
        {{"x", 1},        {"1", 1}}
    };
    static const struct label y2[] = {
        {{"__name__", 8}, {"y", 1}},
        {{"x", 1},        {"1", 1}},
        {{"z", 1},        {"1", 1}}
    };
    struct bench *b = *state;
    engine_start(b, two);
    seconds_with(b, 1, 9);
    assert_string_equal(status_of(b, "High").state, "firing");
    assert_string_equal(status_of(b, "Broken").state, "firing");
    assert_non_null(
        strstr(status_of(b, "Broken").summary, "<error expanding template: error exec"));
    int64_t t = b->clock.wall_ms;
    assert_int_equal(memstore_add(b->db.mem, (struct labels){y1, 2}, t, 1), 0);
    assert_int_equal(memstore_add(b->db.mem, (struct labels){y2, 3}, t, 1), 0);
    seconds_with(b, 1, 1);
    struct wanted w = status_of(b, "High");
    assert_string_equal(w.health, "err");
    assert_string_equal(w.state, "firing");
    assert_true(strlen(w.error) > 10);
    struct rules_stats st;
    rules_engine_stats(b->engine, &st);
    assert_true(st.evaluation_failures >= 1);
}

static void a_failing_rule_confirms_its_alerts(void **state)
{
    static const struct label twice[] = {
        {{"__name__", 8}, {"y", 1}},
        {{"x", 1},        {"1", 1}},
        {{"z", 1},        {"1", 1}}
    };
    struct bench *b = *state;
    engine_start(b, GROUP "  - {alert: High, expr: 'x > 5 or (x * on (x) group_left () y)'}\n");
    seconds_with(b, 1, 9);
    assert_string_equal(heard(b), "High/1 firing;");
    forget(b);
    int64_t t = b->clock.wall_ms;
    assert_int_equal(memstore_add(b->db.mem, (struct labels){twice, 2}, t, 1), 0);
    assert_int_equal(memstore_add(b->db.mem, (struct labels){twice, 3}, t, 1), 0);
    seconds_with(b, 59, 1);
    assert_string_equal(status_of(b, "High").health, "err");
    assert_string_equal(heard(b), "");
    seconds_with(b, 1, 1);
    assert_string_equal(heard(b), "High/1 firing;");
}

static void equal_labels_are_an_error(void **state)
{
    struct bench *b = *state;
    static const struct label other[] = {
        {{"__name__", 8}, {"x", 1}},
        {{"x", 1},        {"2", 1}}
    };
    engine_start(b, GROUP "  - {record: r, expr: x, labels: {x: same}}\n"
                          "  - {alert: A, expr: x, labels: {x: same}}\n");
    assert_int_equal(memstore_add(b->db.mem, (struct labels){other, 2}, b->clock.wall_ms, 1), 0);
    seconds_with(b, 1, 1);
    assert_non_null(strstr(status_of(b, "r").error, "same labelset"));
    assert_non_null(strstr(status_of(b, "A").error, "same labelset"));
    assert_int_equal(last_of(b, "r").count, 0);
}

static void limits_are_kept(void **state)
{
    struct bench *b = *state;
    static const struct label other[] = {
        {{"__name__", 8}, {"x", 1}},
        {{"x", 1},        {"2", 1}}
    };
    engine_start(b, "groups:\n- name: g\n  interval: 1s\n  limit: 1\n  rules:\n"
                    "  - {record: r, expr: x}\n  - {alert: A, expr: x}\n");
    seconds_with(b, 1, 1);
    assert_string_equal(heard(b), "A/1 firing;");
    forget(b);
    assert_int_equal(memstore_add(b->db.mem, (struct labels){other, 2}, b->clock.wall_ms, 1), 0);
    seconds_with(b, 1, 1);
    assert_non_null(strstr(status_of(b, "r").error, "exceeded limit of 1 with 2 series"));
    assert_non_null(strstr(status_of(b, "A").error, "exceeded limit of 1 with 2 alerts"));
    assert_string_equal(heard(b), "A/1 resolved;");
    assert_int_equal(status_of(b, "A").alerts, 0);
}

static void a_full_disk_does_not_hold_alerts(void **state)
{
    struct bench *b = *state;
    engine_start(b, high);
    b->db.append_rc = E_UNAVAILABLE;
    seconds_with(b, 5, 9);
    assert_string_equal(heard(b), "High/1 firing;");
    assert_string_equal(status_of(b, "High").health, "err");
    assert_non_null(strstr(status_of(b, "High").error, "storing results failed"));
}

static void missed_slots_are_counted(void **state)
{
    struct bench *b = *state;
    struct rules_stats st;
    engine_start(b, GROUP "  - {record: r, expr: vector(1)}\n");
    pass(b, 1000);
    pass(b, 5000);
    rules_engine_stats(b->engine, &st);
    assert_int_equal(st.evaluations, 2);
    assert_int_equal(st.missed_slots, 4);
}

static void restart_keeps_pending_time(void **state)
{
    struct bench *b = *state;
    engine_start(b, high);
    seconds_with(b, 3, 9);
    struct wanted before = status_of(b, "High");
    assert_string_equal(before.state, "pending");
    engine_stop(b);
    b->notifier.ready = 0;
    engine_start(b, high);
    assert_int_equal(status_of(b, "High").active_ms, before.active_ms);
    rules_engine_run_due(b->engine);
    assert_int_equal(b->notifier.ready, 0); /* not before the restored rule was evaluated */
    seconds_with(b, 1, 9);
    assert_int_equal(b->notifier.ready, 1);
    assert_string_equal(status_of(b, "High").state, "firing");
    assert_int_equal(status_of(b, "High").active_ms, before.active_ms);
}

static void restart_tells_an_end_it_missed(void **state)
{
    struct bench *b = *state;
    engine_start(b, high);
    seconds_with(b, 5, 9);
    assert_string_equal(heard(b), "High/1 firing;");
    int64_t starts = b->notifier.starts_ms;
    engine_stop(b);
    forget(b);
    engine_start(b, high);
    /* missing for a moment after the start says little: the alert is held, and told again */
    seconds_with(b, 6, 1);
    assert_string_equal(heard(b), "High/1 firing;");
    forget(b);
    seconds_with(b, 1, 1);
    assert_string_equal(heard(b), "High/1 resolved;");
    assert_int_equal(b->notifier.starts_ms, starts);
}

static void restart_keeps_keep_firing(void **state)
{
    static const char keep[] = GROUP "  - {alert: K, expr: x > 5, keep_firing_for: 10s}\n";
    struct bench *b = *state;
    engine_start(b, keep);
    seconds_with(b, 2, 9);
    seconds_with(b, 6, 1);
    engine_stop(b);
    engine_start(b, keep);
    seconds_with(b, 6, 1);
    assert_string_equal(status_of(b, "K").state, "firing");
    seconds_with(b, 1, 1);
    assert_string_equal(status_of(b, "K").state, "inactive");
}

static void a_rule_gone_at_restart_ends(void **state)
{
    struct bench *b = *state;
    engine_start(b, high);
    seconds_with(b, 5, 9);
    engine_stop(b);
    forget(b);
    engine_start(b, GROUP "  - {record: r, expr: x}\n");
    seconds_with(b, 1, 9);
    assert_string_equal(heard(b), "High/1 resolved;");
    engine_stop(b);
    forget(b);
    engine_start(b, GROUP "  - {record: r, expr: x}\n");
    seconds_with(b, 1, 9);
    assert_string_equal(heard(b), ""); /* told once */
}

static void reload_keeps_unchanged_rules(void **state)
{
    char text[1000];
    struct bench *b = *state;
    engine_start(b, high);
    seconds_with(b, 5, 9);
    struct wanted before = status_of(b, "High");
    forget(b);
    snprintf(text, sizeof text, "%s  - {alert: New, expr: x > 100}\n", high);
    assert_int_equal(apply(b, text), 0);
    seconds_with(b, 1, 9);
    assert_string_equal(heard(b), "");
    assert_string_equal(status_of(b, "High").state, "firing");
    assert_int_equal(status_of(b, "High").active_ms, before.active_ms);
    /* the rule goes: its alert ends, its series too */
    assert_int_equal(apply(b, GROUP "  - {alert: New, expr: x > 100}\n"), 0);
    seconds_with(b, 1, 9);
    assert_string_equal(heard(b), "High/1 resolved;");
    assert_true(is_stale(last_of(b, "ALERTS").v));
}

static void a_broken_reload_changes_nothing(void **state)
{
    struct bench *b = *state;
    engine_start(b, high);
    seconds_with(b, 5, 9);
    forget(b);
    assert_int_equal(apply(b, GROUP "  - {alert: New, expr: x >}\n"), E_INVALID);
    seconds_with(b, 1, 9);
    assert_string_equal(status_of(b, "High").state, "firing");
    assert_string_equal(heard(b), "");
}

/* Steps of the wall clock neither fire what is pending nor end what fires. */
static void clock_steps_do_nothing_to_alerts(void **state)
{
    static const int64_t steps[] = {1000,     -1000,    60000,     -60000,       3600000,
                                    -3600000, 86400000, -86400000, 315360000000, -315360000000};
    struct bench *b = *state;
    engine_start(b, GROUP "  - {alert: Slow, expr: x > 5, for: 1h}\n"
                          "  - {alert: Fast, expr: x > 5}\n");
    seconds_with(b, 3, 9);
    assert_string_equal(heard(b), "Fast/1 firing;");
    forget(b);
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct rules_stats before, after;
        rules_engine_stats(b->engine, &before);
        b->clock.wall_ms += steps[i];
        pass(b, 0);
        seconds_with(b, 5, 9);
        assert_string_equal(status_of(b, "Slow").state, "pending");
        assert_string_equal(status_of(b, "Fast").state, "firing");
        rules_engine_stats(b->engine, &after);
        assert_int_equal(after.missed_slots, before.missed_slots);
        assert_true(after.evaluations - before.evaluations >= 2 * 4);
    }
    assert_string_equal(heard(b), "");
    /* the hour is counted on the steady clock */
    for (int i = 0; i < 3600; i++)
        seconds_with(b, 1, 9);
    assert_string_equal(status_of(b, "Slow").state, "firing");
}

static void query_offset_shifts_reading_and_writing(void **state)
{
    struct bench *b = *state;
    engine_start(b, "groups:\n- name: g\n  interval: 1s\n  query_offset: 10s\n  rules:\n"
                    "  - {record: r, expr: time()}\n");
    pass(b, 1000);
    struct found f = last_of(b, "r");
    assert_true(f.v == (double)f.t / 1000);
    assert_true(f.t <= b->clock.wall_ms - 10000 && f.t > b->clock.wall_ms - 11000);
}

/* A torn journal costs what was torn, never the start. */
static void a_damaged_journal_is_survived(void **state)
{
    struct bench *b = *state;
    char path[128];
    engine_start(b, high);
    seconds_with(b, 5, 9);
    engine_stop(b);
    snprintf(path, sizeof path, "%s/rules.journal", b->dir);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 30, SEEK_SET), 0);
    fputs("xxxx", f);
    fclose(f);
    engine_start(b, high);
    seconds_with(b, 5, 9);
    assert_string_equal(status_of(b, "High").state, "firing");
}

/* Threads, on the real clock: evaluations, visits, counters and reloads at once, for a short while.
 * What matters is what the thread sanitizer sees. */
static int walk(void *arg, const struct group_status *g)
{
    for (size_t i = 0; i < g->rule_count; i++) {
        size_t *seen = arg;
        *seen += strlen(g->rules[i].last_error) + strlen(g->rules[i].query);
        for (size_t k = 0; k < g->rules[i].alert_count; k++)
            *seen += g->rules[i].alerts[k].labels.count + strlen(g->rules[i].alerts[k].state);
    }
    return 0;
}

static const char busy_rules[] =
    "groups:\n- name: a\n  interval: 100ms\n  rules:\n"
    "  - {alert: Blink, expr: 'vector(time() * 10 % 2) > 0.5', annotations: {v: '{{ $value }}'}}\n"
    "  - {record: t, expr: time()}\n"
    "- name: b\n  interval: 100ms\n  rules:\n"
    "  - {alert: Always, expr: vector(1), labels: {x: '{{ $value }}'}}\n"
    "  - {alert: Wrong, expr: 'label_replace(vector(1), \"a\", \"b\", \"x\", \"(\")'}\n";

static void threads_get_along(void **state)
{
    struct bench *b = *state;
    struct rules_deps d = {.env = env_system(),
                           .db = &b->db,
                           .querier = memstore_querier(b->db.mem),
                           .notifier = &b->notifier,
                           .state_dir = b->dir};
    struct errmsg err = {0};
    struct rules_stats st = {0};
    size_t seen = 0;
    assert_int_equal(rules_engine_new(&b->engine, &d, &err), 0);
    assert_int_equal(apply(b, busy_rules), 0);
    int64_t end_ns = env_mono_ns(env_system()) + INT64_C(10000000000);
    for (int i = 0; st.evaluations < 20 && env_mono_ns(env_system()) < end_ns; i++) {
        assert_int_equal(rules_engine_visit(b->engine, walk, &seen), 0);
        rules_engine_stats(b->engine, &st);
        if (i % 20 == 10) assert_int_equal(apply(b, busy_rules), 0);
        usleep(5000);
    }
    assert_true(st.evaluations >= 20);
    assert_true(st.evaluation_failures >= 1);
    assert_true(seen > 0);
    engine_stop(b);
    assert_non_null(strstr(b->notifier.heard, "Always/1 firing;"));
    assert_int_equal(b->notifier.ready, 1);
}

/* An fsync that does not come back: evaluations go on, the notifier hears nothing it could not be
 * told again after a crash; once the disk is back, all is told. */
struct gate {
    pthread_mutex_t lock; /* held by the test while the disk hangs */
};

static int gated_sync(struct env *e, int fd)
{
    struct gate *g = e->impl;
    UNUSED(fd);
    pthread_mutex_lock(&g->lock);
    pthread_mutex_unlock(&g->lock);
    return 0;
}

static int64_t real_now(struct env *e)
{
    UNUSED(e);
    return env_now_ms(env_system());
}
static int64_t real_mono(struct env *e)
{
    UNUSED(e);
    return env_mono_ns(env_system());
}
static int real_sleep(struct env *e, int64_t mono_ns, const int *stop)
{
    UNUSED(e);
    return env_system()->time->sleep_until(env_system(), mono_ns, stop);
}
static void real_wake(struct env *e)
{
    UNUSED(e);
    env_wake(env_system());
}

static void a_hanging_disk_delays_no_evaluation(void **state)
{
    static const struct timesource time = {
        .now_ms = real_now, .mono_ns = real_mono, .sleep_until = real_sleep, .wake = real_wake};
    struct bench *b = *state;
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER};
    struct io io = plain_io;
    io.fsync = io.fdatasync = gated_sync;
    struct env env = {.io = &io, .time = &time, .impl = &gate};
    struct rules_deps d = {.env = &env,
                           .db = &b->db,
                           .querier = memstore_querier(b->db.mem),
                           .notifier = &b->notifier,
                           .state_dir = b->dir};
    struct errmsg err = {0};
    struct rules_stats st = {0};
    assert_int_equal(rules_engine_new(&b->engine, &d, &err), 0);
    pthread_mutex_lock(&gate.lock);
    assert_int_equal(apply(b, busy_rules), 0);
    int64_t end_ns = env_mono_ns(env_system()) + INT64_C(10000000000);
    while (st.evaluations < 24 && env_mono_ns(env_system()) < end_ns) {
        rules_engine_stats(b->engine, &st);
        usleep(5000);
    }
    pthread_mutex_unlock(&gate.lock);
    assert_true(st.evaluations >= 24);
    assert_int_equal(st.alerts_firing > 0, 1);
    engine_stop(b);
    assert_non_null(strstr(b->notifier.heard, "Always/1 firing;"));
}

static void without_a_journal_alerts_are_told(void **state)
{
    struct bench *b = *state;
    struct rules_deps d = {.env = &b->env,
                           .db = &b->db,
                           .querier = memstore_querier(b->db.mem),
                           .notifier = &b->notifier,
                           .state_dir = "/proc/self/nowhere",
                           .manual = true};
    struct errmsg err = {0};
    assert_int_equal(rules_engine_new(&b->engine, &d, &err), 0);
    assert_int_equal(apply(b, high), 0);
    seconds_with(b, 5, 9);
    assert_string_equal(heard(b), "High/1 firing;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fires_and_resolves),
        TEST(tells_again_each_minute),
        TEST(later_rules_see_what_earlier_recorded),
        TEST(vanished_series_get_a_marker),
        TEST(errors_keep_alerts_and_show),
        TEST(a_failing_rule_confirms_its_alerts),
        TEST(equal_labels_are_an_error),
        TEST(limits_are_kept),
        TEST(a_full_disk_does_not_hold_alerts),
        TEST(missed_slots_are_counted),
        TEST(restart_keeps_pending_time),
        TEST(restart_tells_an_end_it_missed),
        TEST(restart_keeps_keep_firing),
        TEST(a_rule_gone_at_restart_ends),
        TEST(reload_keeps_unchanged_rules),
        TEST(a_broken_reload_changes_nothing),
        TEST(clock_steps_do_nothing_to_alerts),
        TEST(query_offset_shifts_reading_and_writing),
        TEST(a_damaged_journal_is_survived),
        TEST(threads_get_along),
        TEST(a_hanging_disk_delays_no_evaluation),
        TEST(without_a_journal_alerts_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
