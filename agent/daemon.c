/* daemon.c -- the life of `tocsin run`.
 *
 * Start: configuration, listener (so that a port in use is known before anything is touched, and
 * /-/ready can say "starting"), store, push path, notifier, rules, collectors, ready. Each step's
 * failure is told once and ends the start; what had been started is stopped again. The main thread
 * then reads signals: SIGHUP reloads, SIGTERM and SIGINT stop. A reload builds a whole new
 * configuration before it touches a running part; a bad file changes nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/daemon.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/app.h"
#include "agent/backend.h"
#include "agent/cmd.h"
#include "agent/self_report.h"
#include "core/log.h"
#include "core/mem.h"

enum { HTTP_GRACE_MS = 1500, PROBLEMS_MAX = 1 << 20, URL_MAX = 256 };

struct daemon {
    struct app app;
    struct env *env;
    struct config *config;       /* in force; by reload_lock */
    pthread_mutex_t reload_lock; /* one reload at a time */
    const char *config_path;
    const struct config_overrides *overrides;
    char *state_dir;
    char own_url[URL_MAX];
};

/* --- small things of the process --- */

static sigset_t signals_of_ours(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

void daemon_block_signals(void)
{
    sigset_t set = signals_of_ours();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Two arenas and early returns of large blocks: resident memory stays near what is in use. */
static void tune_memory(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

/* Connections and day files may need more descriptors than the customary soft limit of 1,024. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_debug("cannot raise the limit of open files", "err=\"%s\"", err_text(-errno));
}

/* Tells systemd (Type=notify) by its datagram protocol; nothing when it did not ask. */
static void notify_manager(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@')) return;
    size_t len = strlen(path);
    if (len >= sizeof a.sun_path) return;
    memcpy(a.sun_path, path, len);
    if (path[0] == '@') a.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&a, size) < 0)
        log_warn("cannot notify the service manager", "err=\"%s\"", err_text(-errno));
    close(fd);
}

/* --- configuration -> the parts' options --- */

/* Without credentials loopback is trusted with everything that is not an alert's or scaler's. */
static unsigned scopes_of(const struct config *c, bool loopback)
{
    if (!loopback) return c->http.anonymous & SCOPE_BIT(SCOPE_READ);
    unsigned open = SCOPE_BIT(SCOPE_READ) | SCOPE_BIT(SCOPE_WRITE) | SCOPE_BIT(SCOPE_ADMIN);
    return c->http.anonymous_node ? c->http.anonymous : open;
}

static void host_of_url(const char *url, char out[128])
{
    const char *at = strstr(url, "://");
    out[0] = '\0';
    if (!at) return;
    size_t len = strcspn(at + 3, ":/?#");
    if (len < 128) snprintf(out, 128, "%.*s", (int)len, at + 3);
}

static void publish_settings(struct daemon *d, const struct config *c)
{
    const struct config_query_limits *q = &c->limits.query;
    bool loopback = false;
    if (http_listen_check(c->http.listen, &loopback, NULL) < 0) loopback = false;
    struct app_settings s = {
        .scopes = scopes_of(c, loopback),
        .check_host = loopback,
        .query_timeout_ms = q->timeout_ms,
        .lookback_ms = c->query.lookback_ms,
        .query_samples = (uint64_t)q->samples,
        .query_series = (uint64_t)q->series,
        .query_memory = (size_t)q->memory,
        .body_bytes = (size_t)c->limits.body_bytes,
        .decoded_bytes = (size_t)c->limits.decoded_bytes,
        .influx = c->ingest.influx,
        .remote_write = c->ingest.remote_write,
        .experimental = c->query.experimental,
    };
    host_of_url(c->http.external_url, s.external_host);
    app_set_settings(&d->app, &s);
}

static void apply_log(const struct config *c)
{
    log_set_level((enum log_level)c->log.level);
    log_set_json(c->log.format == 1);
}

static int load(struct daemon *d, struct config **out, struct buf *problems)
{
    struct diags diags;
    diags_init(&diags);
    int rc = config_load(out, d->config_path, d->overrides, d->env, &diags);
    if (diags.errors || diags.warnings) diags_print(&diags, problems);
    if (rc < 0 && !diags.errors)
        buf_addf(problems, "error: cannot load the configuration: %s\n", err_text(rc));
    diags_release(&diags);
    return rc;
}

/* --- reload --- */

/* What only a restart can change. */
static void warn_unchanged(const struct config *old, const struct config *new)
{
    const struct {
        const char *key;
        bool differs;
    } fixed[] = {
        {"storage",               strcmp(old->storage.path, new->storage.path) != 0 ||
                        old->storage.retention_ms != new->storage.retention_ms ||
                        old->storage.max_bytes != new->storage.max_bytes ||
                        old->storage.min_free_permille != new->storage.min_free_permille ||
                        old->storage.durability != new->storage.durability ||
                        old->storage.flush_ms != new->storage.flush_ms},
        {"limits.series",                       old->limits.series != new->limits.series ||
                              old->limits.series_per_metric != new->limits.series_per_metric                                },
        {"limits.query",                       old->limits.query.concurrency != new->limits.query.concurrency ||
                             old->limits.query.queue != new->limits.query.queue },
        {"http.listen",                       strcmp(old->http.listen,                                  new->http.listen) != 0},
        {"http.max_connections", old->http.max_connections != new->http.max_connections},
    };
    for (size_t i = 0; i < COUNT(fixed); i++)
        if (fixed[i].differs)
            log_warn("option changed, takes effect at the next start", "option=%s", fixed[i].key);
}

/* How others reach us, for links in notifications. */
static const char *external_url(const struct daemon *d, const struct config *c)
{
    return c->http.external_url[0] ? c->http.external_url : d->own_url;
}

static int apply_rules(struct daemon *d, const struct config *c, struct buf *problems)
{
    struct rules_config rules = c->rules;
    struct diags diags;
    diags_init(&diags);
    rules.external_url = external_url(d, c);
    int rc = rules_engine_apply(d->app.rules, &rules, &diags);
    if (diags.errors || diags.warnings) diags_print(&diags, problems);
    if (rc < 0 && !diags.errors) buf_addf(problems, "error: rules: %s\n", err_text(rc));
    diags_release(&diags);
    return rc;
}

/* Hands a configuration to the running parts; what can refuse comes first. *taken: some part has
 * it now. */
static int apply(struct daemon *d, const struct config *c, struct buf *problems, bool *taken)
{
    struct errmsg err = {0};
    struct app *a = &d->app;
    int rc = apply_rules(d, c, problems);
    *taken = rc == 0;
    if (rc < 0) return rc;
    rc = notifier_apply(a->notifier, c->alerting, &err);
    if (rc == 0)
        rc = collector_engine_apply(a->engine, &c->collectors, c->scrape_configs.v,
                                    c->scrape_configs.count, &err);
    if (rc < 0) buf_addf(problems, "error: %s\n", err.text[0] ? err.text : err_text(rc));
    return rc;
}

/* A configuration that some part refuses is taken back from those that took it. */
static int apply_or_go_back(struct daemon *d, const struct config *fresh, struct buf *problems)
{
    struct buf again = BUF_INIT(PROBLEMS_MAX);
    bool taken;
    int rc = apply(d, fresh, problems, &taken);
    if (rc < 0 && taken && apply(d, d->config, &again, &taken) < 0)
        log_error("the old configuration could not be put back", "problems=\"%s\"",
                  again.p ? again.p : "");
    buf_release(&again);
    return rc;
}

static int prepare_backend(struct app *a, const struct config *c, struct backend_choice **out,
                           struct buf *problems)
{
    struct errmsg err = {0};
    int rc = backend_prepare(a->backend, &c->query, out, &err);
    if (rc < 0) buf_addf(problems, "error: %s\n", err.text[0] ? err.text : err_text(rc));
    return rc;
}

static void note_reload(struct app *a, int rc, const struct buf *problems)
{
    pthread_mutex_lock(&a->lock);
    a->reload_ok = rc == 0;
    *(rc == 0 ? &a->reload_ms : &a->reload_failed_ms) = env_now_ms(a->env);
    snprintf(a->reload_error, sizeof a->reload_error, "%s",
             rc < 0 && problems->p ? problems->p : "");
    pthread_mutex_unlock(&a->lock);
}

static int reload(struct app *a, struct buf *problems)
{
    struct daemon *d = a->daemon;
    struct config *fresh = NULL;
    struct backend_choice *choice = NULL;
    pthread_mutex_lock(&d->reload_lock);
    int rc = load(d, &fresh, problems);
    if (rc == 0) rc = prepare_backend(a, fresh, &choice, problems);
    if (rc == 0) rc = apply_or_go_back(d, fresh, problems);
    if (rc == 0) {
        backend_switch(a->backend, choice);
        warn_unchanged(d->config, fresh);
        apply_log(fresh);
        publish_settings(d, fresh);
        config_free(d->config);
        d->config = fresh;
        log_info("configuration reloaded", "file=\"%s\"", fresh->file);
    } else {
        backend_choice_free(choice);
        config_free(fresh);
        log_error("configuration not reloaded, the old one stays", "problems=\"%s\"",
                  problems->p ? problems->p : "");
    }
    note_reload(a, rc, problems);
    pthread_mutex_unlock(&d->reload_lock);
    return rc;
}

static int with_config(struct app *a, app_config_fn *use, void *arg)
{
    struct daemon *d = a->daemon;
    pthread_mutex_lock(&d->reload_lock);
    int rc = use(arg, d->config);
    pthread_mutex_unlock(&d->reload_lock);
    return rc;
}

/* --- start and stop --- */

static int start_server(struct daemon *d, const struct config *c)
{
    struct errmsg err = {0};
    struct http_options o;
    struct http_handler handler = route_handler(&d->app);
    http_options_default(&o);
    o.listen = c->http.listen;
    o.max_connections = (size_t)c->http.max_connections;
    o.max_per_address = (size_t)c->http.max_connections_per_address;
    o.pools[HTTP_QUERY].threads = (size_t)c->limits.query.concurrency;
    o.pools[HTTP_QUERY].queue = (size_t)c->limits.query.queue;
    int rc = http_server_new(&d->app.server, &o, &handler, d->env, &err);
    if (rc < 0)
        cmd_fail(EXIT_FAILED, "%s%s%s", err.text, err.hint[0] ? "; " : "", err.hint);
    else
        snprintf(d->own_url, sizeof d->own_url, "http://%s", http_server_address(d->app.server));
    return rc;
}

static int start_store(struct daemon *d, const struct config *c)
{
    struct errmsg err = {0};
    struct tsdb_options o;
    config_tsdb_options(c, &o);
    int rc = tsdb_open(&d->app.db, &o, d->env, &err);
    if (rc < 0)
        cmd_fail(EXIT_FAILED, "%s%s%s", err.text[0] ? err.text : err_text(rc),
                 err.hint[0] ? "; " : "", err.hint);
    return rc;
}

static int start_backend(struct daemon *d, const struct config *c)
{
    struct app *a = &d->app;
    struct buf problems = BUF_INIT(PROBLEMS_MAX);
    struct backend_choice *choice = NULL;
    int rc = backend_new(&a->backend, a->db, d->env);
    if (rc < 0) {
        cmd_fail(EXIT_FAILED, "cannot start the queries: %s", err_text(rc));
        return rc;
    }
    a->querier = backend_querier(a->backend);
    rc = prepare_backend(a, c, &choice, &problems);
    if (rc == 0) backend_switch(a->backend, choice);
    if (problems.len) fputs(problems.p, stderr);
    buf_release(&problems);
    return rc;
}

static int start_push(struct daemon *d, const struct config *c)
{
    struct label extra[] = {
        {STR("instance"), str_of(c->node.name)},
        {STR("job"),      STR("influx")       }
    };
    int rc = pusher_new(&d->app.pusher, d->app.db, d->env, (struct labels){extra, COUNT(extra)});
    if (rc < 0) cmd_fail(EXIT_FAILED, "cannot start the push path: %s", err_text(rc));
    return rc;
}

/* Journals of alerts and notifications live beside the store. */
static int make_state_dir(struct daemon *d, const struct config *c)
{
    struct buf path = BUF_INIT(PATH_MAX);
    buf_addf(&path, "%s/state", c->storage.path);
    int rc = path.err ? path.err : env_make_dirs(d->env, path.p, 0700);
    if (rc < 0) cmd_fail(EXIT_FAILED, "cannot create %s: %s", path.p ? path.p : "", err_text(rc));
    d->state_dir = buf_take(&path);
    return rc;
}

static int start_notifier(struct daemon *d, const struct config *c)
{
    struct errmsg err = {0};
    int rc = make_state_dir(d, c);
    if (rc < 0) return rc;
    struct notifier_options o = {
        .state_dir = d->state_dir, .external_url = external_url(d, c), .version = TOCSIN_VERSION};
    rc = notifier_open(&d->app.notifier, d->env, &o, &err);
    if (rc < 0) cmd_fail(EXIT_FAILED, "%s", err.text);
    return rc;
}

static int start_rules(struct daemon *d, const struct config *c)
{
    struct errmsg err = {0};
    struct app *a = &d->app;
    UNUSED(c);
    struct rules_deps deps = {.env = d->env,
                              .db = a->db,
                              .querier = a->querier,
                              .notifier = a->notifier,
                              .state_dir = d->state_dir};
    int rc = rules_engine_new(&a->rules, &deps, &err);
    if (rc < 0) cmd_fail(EXIT_FAILED, "cannot start the rules: %s", err.text);
    return rc;
}

/* Last, as applying the configuration sets everything going. */
static int start_collectors(struct daemon *d, const struct config *c)
{
    struct errmsg err = {0};
    struct buf problems = BUF_INIT(PROBLEMS_MAX);
    int rc = collector_engine_new(&d->app.engine, d->app.db, d->env, &err);
    if (rc < 0) {
        cmd_fail(EXIT_FAILED, "cannot start the collectors: %s", err.text);
        return rc;
    }
    self_report_register(&d->app);
    bool taken;
    rc = apply(d, c, &problems, &taken);
    if (problems.len) fputs(problems.p, stderr);
    buf_release(&problems);
    return rc;
}

static int start(struct daemon *d)
{
    static int (*const steps[])(struct daemon * d, const struct config *c) = {
        start_store, start_backend, start_push, start_notifier, start_rules, start_collectors,
    };
    int rc = route_counters_new(&d->app.counters);
    publish_settings(d, d->config);
    if (rc == 0) rc = start_server(d, d->config);
    for (size_t i = 0; rc == 0 && i < COUNT(steps); i++)
        rc = steps[i](d, d->config);
    if (rc < 0) return rc;
    __atomic_store_n(&d->app.ready, 1, __ATOMIC_RELEASE);
    return 0;
}

/* Requests first, so that nobody reads what goes next; the store last. */
static int stop(struct daemon *d)
{
    struct app *a = &d->app;
    int rc = 0;
    __atomic_store_n(&a->stopping, 1, __ATOMIC_RELEASE);
    http_server_stop(a->server, HTTP_GRACE_MS);
    if (a->rules) rules_engine_free(a->rules);
    if (a->engine) collector_engine_free(a->engine);
    notifier_close(a->notifier);
    if (a->pusher) pusher_free(a->pusher);
    backend_free(a->backend);
    if (a->db) rc = tsdb_close(a->db);
    http_server_free(a->server); /* whose counters the collectors reported */
    if (rc < 0) log_error("the store did not close cleanly", "err=\"%s\"", err_text(rc));
    return rc;
}

static void serve(struct daemon *d)
{
    sigset_t set = signals_of_ours();
    for (;;) {
        int sig = sigwaitinfo(&set, NULL);
        if (sig == SIGHUP) {
            struct buf problems = BUF_INIT(PROBLEMS_MAX);
            notify_manager("RELOADING=1");
            int rc = reload(&d->app, &problems); /* which tells the log */
            notify_manager(rc == 0 ? "READY=1" : "READY=1\nSTATUS=bad configuration, see the log");
            buf_release(&problems);
        } else if (sig == SIGTERM || sig == SIGINT) {
            log_info("stopping", "signal=%s", sig == SIGTERM ? "TERM" : "INT");
            notify_manager("STOPPING=1");
            return;
        }
    }
}

static void announce(const struct daemon *d)
{
    log_info("ready", "address=%s data=\"%s\" version=%s", http_server_address(d->app.server),
             d->config->storage.path, TOCSIN_VERSION);
    printf("tocsin is ready: http://%s/\n", http_server_address(d->app.server));
    fflush(stdout);
    notify_manager("READY=1");
}

static int load_first(struct daemon *d)
{
    struct buf problems = BUF_INIT(PROBLEMS_MAX);
    int rc = load(d, &d->config, &problems);
    if (problems.len) fputs(problems.p, stderr);
    buf_release(&problems);
    if (rc == 0) apply_log(d->config);
    return rc;
}

int daemon_run(const char *config_path, const struct config_overrides *o)
{
    struct daemon *d = xzalloc(sizeof *d);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    tune_memory();
    raise_file_limit();
    daemon_block_signals();
    d->env = env_system();
    d->config_path = config_path;
    d->overrides = o;
    pthread_mutex_init(&d->reload_lock, NULL);
    app_init(&d->app, d->env);
    d->app.daemon = d;
    d->app.reload = reload;
    d->app.with_config = with_config;
    int rc = load_first(d);
    if (rc == 0) rc = start(d);
    if (rc == 0) {
        announce(d);
        serve(d);
    }
    int stopped = stop(d);
    if (rc == 0) rc = stopped;
    app_release(&d->app);
    config_free(d->config);
    mem_free(d->state_dir);
    pthread_mutex_destroy(&d->reload_lock);
    mem_free(d);
    return rc == 0 ? EXIT_OK : EXIT_FAILED;
}
