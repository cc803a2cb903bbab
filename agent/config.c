/* config.c -- the table of every option, and reading a file by it.
 *
 * Options of the documented file that are not built yet have a row too, which refuses them: a
 * setting that would be ignored is an error, not a surprise.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "agent/http.h"
#include "agent/route.h"
#include "core/log.h"
#include "core/mem.h"
#include "tsdb/labels.h"

enum { CONFIG_ARENA_MAX = 64 << 20, RULES_INTERVAL_MS = 15000 };

static const char *const durability_names[] = {"sync", "interval", NULL};
static const char *const level_names[] = {"debug", "info", "warn", "error", "off", NULL};
static const char *const format_names[] = {"logfmt", "json", NULL};

/* --- decoders of single options --- */

static int not_yet(struct conf_ctx *c, const struct ynode *n, void *out)
{
    UNUSED(out);
    return ynode_error(c->doc, n, c->diags, "remove it: it would have no effect",
                       "this option is not supported yet");
}

static int decode_role(struct conf_ctx *c, const struct ynode *n, void *out)
{
    UNUSED(out);
    if (n->kind == YNODE_SCALAR && str_eq(n->value, STR("standalone"))) return 0;
    if (n->kind == YNODE_SCALAR && (str_eq(n->value, STR("agent")) || str_eq(n->value, STR("hub"))))
        return ynode_error(c->doc, n, c->diags, "use standalone", "role %s is not supported yet",
                           n->value.p);
    return ynode_error(c->doc, n, c->diags, "use standalone", "no such role");
}

static int decode_percent(struct conf_ctx *c, const struct ynode *n, void *out)
{
    double percent;
    struct str s = n->kind == YNODE_SCALAR ? n->value : STR("");
    if (str_ends(s, STR("%"))) {
        struct str number = {s.p, s.len - 1};
        if (str_to_double(number, &percent) == 0 && percent >= 0 && percent <= 90) {
            *(int64_t *)out = (int64_t)lround(percent * 10);
            return 0;
        }
    }
    return ynode_error(c->doc, n, c->diags, "write a share of the file system, as in 5%",
                       "not a percentage from 0%% to 90%%");
}

static int decode_alerting(struct conf_ctx *c, const struct ynode *n, void *out)
{
    struct alerting_config **config = out;
    if (ynode_is_null(n)) return 0;
    return alerting_config_decode(c, n, config);
}

static int add_scope(struct conf_ctx *c, const struct ynode *n, unsigned *mask)
{
    for (int i = SCOPE_READ; i < SCOPES; i++)
        if (n->kind == YNODE_SCALAR && str_eq(n->value, str_of(scope_names[i]))) {
            *mask |= SCOPE_BIT(i);
            return 0;
        }
    return ynode_error(c->doc, n, c->diags, "use read, write, alerts, scale or admin",
                       "no such scope");
}

static int decode_anonymous(struct conf_ctx *c, const struct ynode *n, void *out)
{
    struct config_http *http =
        (struct config_http *)(void *)((char *)out - offsetof(struct config_http, anonymous));
    int rc = 0;
    http->anonymous = 0;
    http->anonymous_node = n;
    if (n->kind != YNODE_SEQUENCE) return add_scope(c, n, &http->anonymous);
    for (size_t i = 0; i < n->count; i++)
        if (add_scope(c, n->items[i], &http->anonymous) < 0) rc = E_INVALID;
    return rc;
}

/* --- the table --- */

// clang-format off
#define NOT_YET(name) {.key = (name), .type = CONF_CUSTOM, .custom = not_yet, .help = "Not supported yet."}

#define FIELD(name) offsetof(struct config_node, name)
static const struct conf_option node_options[] = {
    {.key = "name", .type = CONF_STRING, .offset = FIELD(name), .dflt = "",
     .help = "The instance label of local samples; empty: the machine's host name."},
    {.key = "labels", .type = CONF_MAP, .offset = FIELD(labels),
     .help = "Labels added to every local sample."},
};
#undef FIELD
static const struct conf_table node_table = {
    .name = "node", .size = sizeof(struct config_node),
    .options = node_options, .count = COUNT(node_options)};

static const struct conf_option retention_options[] = {
    {.key = "raw", .type = CONF_DURATION, .offset = 0, .dflt = "15d", .min = 3600000,
     .max = INT64_C(100) * 365 * 86400000, .help = "How long samples are kept."},
    NOT_YET("5m"),
    NOT_YET("1h"),
};
static const struct conf_table retention_table = {
    .name = "retention", .size = sizeof(int64_t),
    .options = retention_options, .count = COUNT(retention_options)};

#define FIELD(name) offsetof(struct config_storage, name)
static const struct conf_option storage_options[] = {
    {.key = "path", .type = CONF_STRING, .offset = FIELD(path), .dflt = "/var/lib/tocsin",
     .help = "The data directory."},
    {.key = "retention", .type = CONF_SUB, .offset = FIELD(retention_ms), .sub = &retention_table,
     .help = "How long data is kept."},
    {.key = "max_bytes", .type = CONF_SIZE, .offset = FIELD(max_bytes), .dflt = "10GiB",
     .min = 16 << 20, .max = INT64_MAX, .help = "Size of all files; the oldest day goes first."},
    {.key = "min_free", .type = CONF_CUSTOM, .offset = FIELD(min_free_permille), .dflt = "5%",
     .custom = decode_percent,
     .help = "Below this share of the file system writes get 503; queries and alerts go on."},
    {.key = "durability", .type = CONF_ENUM, .offset = FIELD(durability), .dflt = "sync",
     .names = durability_names,
     .help = "Of pushed data. sync: 2xx after it is on disk; interval: synced each second."},
    {.key = "flush_interval", .type = CONF_DURATION, .offset = FIELD(flush_ms), .dflt = "30m",
     .min = 1000, .max = 4 * 3600000,
     .help = "How long samples stay in memory before they are packed into day files."},
};
#undef FIELD
static const struct conf_table storage_table = {
    .name = "storage", .size = sizeof(struct config_storage),
    .options = storage_options, .count = COUNT(storage_options)};

#define FIELD(name) offsetof(struct config_query_limits, name)
static const struct conf_option query_limit_options[] = {
    {.key = "timeout", .type = CONF_DURATION, .offset = FIELD(timeout_ms), .dflt = "30s",
     .min = 100, .max = 3600000, .help = "The longest a query may take."},
    {.key = "concurrency", .type = CONF_INT, .offset = FIELD(concurrency), .dflt = "4",
     .min = 1, .max = 64, .help = "Queries answered at the same time."},
    {.key = "queue", .type = CONF_INT, .offset = FIELD(queue), .dflt = "32",
     .min = 1, .max = 1000, .help = "Queries that may wait; more get 503."},
    {.key = "samples", .type = CONF_INT, .offset = FIELD(samples), .dflt = "50000000",
     .min = 1, .max = INT64_MAX, .help = "Samples one query may read from the store."},
    {.key = "series", .type = CONF_INT, .offset = FIELD(series), .dflt = "500000",
     .min = 1, .max = INT64_MAX, .help = "Series one query may select."},
    {.key = "memory", .type = CONF_SIZE, .offset = FIELD(memory), .dflt = "64MiB",
     .min = 1 << 20, .max = INT64_C(64) << 30, .help = "Memory one query may use; its answer counts too."},
};
#undef FIELD
static const struct conf_table query_limit_table = {
    .name = "limits.query", .size = sizeof(struct config_query_limits),
    .options = query_limit_options, .count = COUNT(query_limit_options)};

#define FIELD(name) offsetof(struct config_limits, name)
static const struct conf_option limit_options[] = {
    NOT_YET("memory"),
    {.key = "series", .type = CONF_INT, .offset = FIELD(series), .dflt = "500000",
     .min = 1, .max = INT64_C(1) << 32, .help = "Active series; more are refused, known ones go on."},
    {.key = "series_per_metric", .type = CONF_INT, .offset = FIELD(series_per_metric),
     .dflt = "50000", .min = 1, .max = INT64_C(1) << 32, .help = "Active series of one metric name."},
    {.key = "labels", .type = CONF_INT, .offset = FIELD(labels), .dflt = "40",
     .min = 2, .max = 200, .help = "Labels of a series."},
    {.key = "label_value_bytes", .type = CONF_INT, .offset = FIELD(label_value_bytes),
     .dflt = "1024", .min = 16, .max = 65536, .help = "Bytes of a label's value."},
    {.key = "body_bytes", .type = CONF_SIZE, .offset = FIELD(body_bytes), .dflt = "16MiB",
     .min = 1024, .max = 1 << 30, .help = "A request's body as it is sent."},
    {.key = "decoded_bytes", .type = CONF_SIZE, .offset = FIELD(decoded_bytes), .dflt = "32MiB",
     .min = 1024, .max = 1 << 30, .help = "A request's body after decompression."},
    {.key = "query", .type = CONF_SUB, .offset = FIELD(query), .sub = &query_limit_table,
     .help = "Limits of one query."},
};
#undef FIELD
static const struct conf_table limit_table = {
    .name = "limits", .size = sizeof(struct config_limits),
    .options = limit_options, .count = COUNT(limit_options)};

#define FIELD(name) offsetof(struct config_http, name)
static const struct conf_option http_options[] = {
    {.key = "listen", .type = CONF_STRING, .offset = FIELD(listen), .dflt = "127.0.0.1:7788",
     .help = "HOST:PORT; port 0 takes a free one. Beyond loopback it needs anonymous: [read]."},
    {.key = "external_url", .type = CONF_STRING, .offset = FIELD(external_url), .dflt = "",
     .help = "How others reach this daemon: in notifications, and allowed as a Host."},
    {.key = "anonymous", .type = CONF_CUSTOM, .offset = FIELD(anonymous),
     .custom = decode_anonymous,
     .help = "Scopes open without credentials. Unset: read, write and admin on loopback."},
    {.key = "max_connections", .type = CONF_INT, .offset = FIELD(max_connections), .dflt = "512",
     .min = 8, .max = 65536, .help = "Open connections."},
    {.key = "max_connections_per_address", .type = CONF_INT,
     .offset = FIELD(max_connections_per_address), .dflt = "64",
     .min = 1, .max = 65536, .help = "Open connections from one address beyond loopback."},
    NOT_YET("tls"),
    NOT_YET("auth"),
};
#undef FIELD
static const struct conf_table http_table = {
    .name = "http", .size = sizeof(struct config_http),
    .options = http_options, .count = COUNT(http_options)};

#define FIELD(name) offsetof(struct config_global, name)
static const struct conf_option global_options[] = {
    {.key = "scrape_interval", .type = CONF_DURATION, .offset = FIELD(scrape_interval_ms),
     .dflt = "15s", .min = 100, .max = 86400000, .help = "Of scrape_configs that name none."},
    {.key = "scrape_timeout", .type = CONF_DURATION, .offset = FIELD(scrape_timeout_ms),
     .dflt = "10s", .min = 10, .max = 86400000, .help = "Of scrape_configs that name none."},
    {.key = "evaluation_interval", .type = CONF_DURATION, .offset = FIELD(evaluation_interval_ms),
     .dflt = "15s", .min = 100, .max = 86400000, .help = "Of rule groups that name none."},
    {.key = "external_labels", .type = CONF_MAP, .offset = FIELD(external_labels),
     .help = "Labels added to alerts as they leave."},
};
#undef FIELD
static const struct conf_table global_table = {
    .name = "global", .size = sizeof(struct config_global),
    .options = global_options, .count = COUNT(global_options)};

#define FIELD(name) offsetof(struct config_ingest, name)
static const struct conf_option ingest_options[] = {
    {.key = "influx", .type = CONF_BOOL, .offset = FIELD(influx), .dflt = "true",
     .help = "Take Influx line protocol at /write and /api/v2/write."},
    {.key = "remote_write", .type = CONF_BOOL, .offset = FIELD(remote_write), .dflt = "true",
     .help = "Take Prometheus' remote write, 1.0 and 2.0, at /api/v1/write."},
    NOT_YET("otlp"),
    NOT_YET("statsd"),
};
#undef FIELD
static const struct conf_table ingest_table = {
    .name = "ingest", .size = sizeof(struct config_ingest),
    .options = ingest_options, .count = COUNT(ingest_options)};

#define FIELD(name) offsetof(struct config_log, name)
static const struct conf_option log_options[] = {
    {.key = "level", .type = CONF_ENUM, .offset = FIELD(level), .dflt = "info",
     .names = level_names, .help = "debug, info, warn, error or off."},
    {.key = "format", .type = CONF_ENUM, .offset = FIELD(format), .dflt = "logfmt",
     .names = format_names, .help = "logfmt or json, to standard error."},
    NOT_YET("file"),
};
#undef FIELD
static const struct conf_table log_table = {
    .name = "log", .size = sizeof(struct config_log),
    .options = log_options, .count = COUNT(log_options)};

#define FIELD(name) offsetof(struct config, name)
static const struct conf_option options[] = {
    {.key = "role", .type = CONF_CUSTOM, .dflt = "standalone", .custom = decode_role,
     .help = "standalone; agent and hub are not supported yet."},
    {.key = "node", .type = CONF_SUB, .offset = FIELD(node), .sub = &node_table,
     .help = "This machine."},
    {.key = "storage", .type = CONF_SUB, .offset = FIELD(storage), .sub = &storage_table,
     .help = "The store."},
    {.key = "limits", .type = CONF_SUB, .offset = FIELD(limits), .sub = &limit_table,
     .help = "What outsiders may use."},
    {.key = "http", .type = CONF_SUB, .offset = FIELD(http), .sub = &http_table,
     .help = "The HTTP server."},
    {.key = "global", .type = CONF_SUB, .offset = FIELD(global), .sub = &global_table,
     .help = "Defaults of scraping and rules, as Prometheus has them."},
    {.key = "collectors", .type = CONF_SUB, .offset = FIELD(collectors),
     .sub = &collector_config_table, .help = "What is collected from this machine."},
    {.key = "scrape_configs", .type = CONF_LIST, .offset = FIELD(scrape_configs),
     .sub = &scrape_config_table, .help = "Targets to scrape, in Prometheus' own keys."},
    {.key = "query", .type = CONF_SUB, .offset = FIELD(query), .sub = &config_query_table,
     .help = "How queries are evaluated."},
    {.key = "ingest", .type = CONF_SUB, .offset = FIELD(ingest), .sub = &ingest_table,
     .help = "What is taken from those who push."},
    {.key = "rules", .type = CONF_SUB, .offset = FIELD(rules), .sub = &rules_config_table,
     .help = "What is watched and recorded: rule files in Prometheus' format, and built-in sets."},
    {.key = "alerting", .type = CONF_CUSTOM, .offset = FIELD(alerting), .custom = decode_alerting,
     .help = "Routes and receivers of notifications, in Alertmanager's own keys."},
    {.key = "log", .type = CONF_SUB, .offset = FIELD(log), .sub = &log_table,
     .help = "What is written to standard error."},
    NOT_YET("forward"),
    NOT_YET("scaling"),
    NOT_YET("scaling_files"),
    NOT_YET("dashboards"),
    NOT_YET("remote_write"),
    NOT_YET("remote_read"),
};
#undef FIELD
// clang-format on

static int check_listen(struct conf_ctx *c, const struct ynode *n, const struct config *config);

static int validate(struct conf_ctx *c, const struct ynode *n, void *out)
{
    return check_listen(c, n, out);
}

const struct conf_table config_table = {
    .name = NULL,
    .size = sizeof(struct config),
    .options = options,
    .count = COUNT(options),
    .validate = validate,
};

/* --- rules across options --- */

/* The command line's listener is checked as the file's would be. */
static const char *listen_of(const struct conf_ctx *c, const struct config *config)
{
    const struct config_overrides *o = c->user;
    return o && o->listen ? o->listen : config->http.listen;
}

static int check_listen(struct conf_ctx *c, const struct ynode *n, const struct config *config)
{
    struct errmsg err = {0};
    bool loopback;
    const char *listen = listen_of(c, config);
    const struct ynode *http = n && !ynode_is_null(n) ? ynode_get(n, "http") : NULL;
    const struct ynode *at = http && !ynode_is_null(http) ? ynode_get(http, "listen") : NULL;
    if (!at) at = http;
    const char *why = NULL, *hint = NULL;
    if (http_listen_check(listen, &loopback, &err) < 0) {
        why = err.text;
        hint = "write HOST:PORT with an IP address, as in 127.0.0.1:7788";
    } else if (!loopback && !(config->http.anonymous & SCOPE_BIT(SCOPE_READ))) {
        why = "a listener beyond loopback would be open to everybody";
        hint = "say so with http.anonymous: [read], or listen on 127.0.0.1";
    } else if (!loopback && config->http.anonymous != SCOPE_BIT(SCOPE_READ)) {
        why = "beyond loopback only the scope read may be anonymous";
        hint = "use anonymous: [read]";
        if (config->http.anonymous_node) at = config->http.anonymous_node;
    }
    if (!why) return 0;
    if (at) return ynode_error(c->doc, at, c->diags, hint, "%s: %s", listen, why);
    diags_add(c->diags, DIAG_ERROR, "", (struct str){NULL, 0}, 0, 0, 0, hint, "--listen %s: %s",
              listen, why);
    return E_INVALID;
}

/* --- after decoding --- */

static int fill_node(struct config *c)
{
    struct utsname uts;
    if (!c->node.name[0] && uname(&uts) == 0)
        c->node.name = arena_strndup(&c->arena, uts.nodename, strlen(uts.nodename));
    if (!c->node.name) return -ENOMEM;
    if (!c->node.name[0]) c->node.name = "localhost";
    c->collectors.instance = c->node.name;
    c->collectors.labels = c->node.labels;
    return 0;
}

/* Labels we add ourselves must be names, and none that is given elsewhere. */
static int check_labels(const struct conf_map *labels, const char *what, const struct ydoc *doc,
                        struct diags *d)
{
    static const struct str taken[] = {STR(METRIC_NAME), STR("job"), STR("instance")};
    int rc = 0;
    for (size_t i = 0; i < labels->count; i++) {
        struct str name = labels->v[i].key;
        bool refused = !label_name_is_valid(name);
        for (size_t k = 0; k < COUNT(taken); k++)
            refused = refused || str_eq(name, taken[k]);
        if (!refused) continue;
        rc = ynode_error(doc, labels->v[i].key_node, d,
                         "node.name sets instance, collectors.job job",
                         "\"%.*s\" cannot be one of %s", (int)name.len, name.p, what);
    }
    return rc;
}

/* Job names tell the targets of one entry from those of another. */
static int check_job_names(const struct config *c, const struct ydoc *doc, struct diags *d)
{
    const struct scrape_config *v = c->scrape_configs.v;
    const struct ynode *list = doc->root ? ynode_get(doc->root, "scrape_configs") : NULL;
    int rc = 0;
    for (size_t i = 0; list && i < c->scrape_configs.count && i < list->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(v[i].job_name, v[k].job_name) != 0) continue;
            rc = ynode_error(doc, ynode_get(list->items[i], "job_name"), d, "rename one of them",
                             "two scrape configs have the job_name \"%s\"", v[i].job_name);
            break;
        }
    }
    return rc;
}

static void fill_scrapes(struct config *c)
{
    struct scrape_config *v = c->scrape_configs.v;
    for (size_t i = 0; i < c->scrape_configs.count; i++) {
        if (v[i].interval_ms == 0) v[i].interval_ms = c->global.scrape_interval_ms;
        if (v[i].timeout_ms == 0)
            v[i].timeout_ms = MIN(c->global.scrape_timeout_ms, v[i].interval_ms);
    }
}

/* Rule files are found from the folder of the configuration file. */
static int fill_rules(struct config *c, const char *file)
{
    const char *slash = strrchr(file, '/');
    size_t len = slash ? (size_t)(slash - file) : 0;
    c->rules.base_dir =
        slash && len == 0 ? "/" : arena_strndup(&c->arena, slash ? file : ".", slash ? len : 1);
    c->rules.external_labels = c->global.external_labels;
    c->rules.external_url = c->http.external_url;
    c->rules.lookback_ms = c->query.lookback_ms;
    c->rules.experimental = c->query.experimental;
    if (c->rules.interval_ms == RULES_INTERVAL_MS)
        c->rules.interval_ms = c->global.evaluation_interval_ms;
    return c->rules.base_dir ? 0 : -ENOMEM;
}

static int override_level(struct config *c, const char *level, struct diags *d)
{
    for (int i = 0; level_names[i]; i++)
        if (strcmp(level, level_names[i]) == 0) {
            c->log.level = i;
            return 0;
        }
    diags_add(d, DIAG_ERROR, "", (struct str){NULL, 0}, 0, 0, 0,
              "use debug, info, warn, error or off", "--log-level %s: no such level", level);
    return E_INVALID;
}

static int apply_overrides(struct config *c, const struct config_overrides *o, struct diags *d)
{
    const struct {
        const char *value;
        const char **out;
    } texts[] = {
        {o->data,      &c->storage.path        },
        {o->listen,    &c->http.listen         },
        {o->host_root, &c->collectors.host_root},
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (!texts[i].value) continue;
        *texts[i].out = arena_strndup(&c->arena, texts[i].value, strlen(texts[i].value));
        if (!*texts[i].out) return -ENOMEM;
    }
    return o->log_level ? override_level(c, o->log_level, d) : 0;
}

int config_parse(struct config **out, const char *file, struct str text,
                 const struct config_overrides *o, struct diags *d)
{
    struct config *c = mem_zalloc(sizeof *c);
    struct config_overrides none = {0};
    if (!c) return -ENOMEM;
    struct arena arena;
    arena_init(&arena, CONFIG_ARENA_MAX);
    struct ydoc doc = {.file = file};
    struct conf_ctx ctx = {.doc = &doc,
                           .arena = &arena,
                           .diags = d,
                           .expand = true,
                           .user = (void *)(uintptr_t)(o ? o : &none)};
    int rc = ydoc_parse(&doc, file, text, CONFIG_BYTES_MAX, &arena, d);
    if (rc == 0) rc = conf_decode(&config_table, doc.root, c, &ctx);
    c->arena = arena;
    if (rc == 0) rc = check_job_names(c, &doc, d);
    if (rc == 0) rc = check_labels(&c->node.labels, "node.labels", &doc, d);
    if (rc == 0) rc = apply_overrides(c, o ? o : &none, d);
    if (rc == 0) rc = fill_node(c);
    if (rc == 0) rc = fill_rules(c, file);
    if (rc == 0) c->file = arena_strndup(&c->arena, file, strlen(file));
    if (rc == 0 && !c->file) rc = -ENOMEM;
    if (rc < 0) {
        config_free(c);
        return rc;
    }
    fill_scrapes(c);
    *out = c;
    return 0;
}

/* A mistyped root would make a daemon that watches nothing. */
static int check_host_root(const char *path, struct diags *d)
{
    struct stat st;
    int rc = stat(path, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
    if (rc == 0) return 0;
    diags_add(d, DIAG_ERROR, "", (struct str){NULL, 0}, 0, 0, 0, NULL, "--host-root %s: %s", path,
              err_text(rc));
    return E_INVALID;
}

int config_load(struct config **out, const char *path, const struct config_overrides *o,
                struct env *env, struct diags *d)
{
    char *text = NULL;
    size_t len = 0;
    int rc = o && o->host_root ? check_host_root(o->host_root, d) : 0;
    if (rc < 0) return rc;
    if (!path) return config_parse(out, "", STR(""), o, d);
    rc = env_read_file(env, path, CONFIG_BYTES_MAX, &text, &len);
    if (rc < 0) {
        diags_add(d, DIAG_ERROR, path, (struct str){NULL, 0}, 0, 0, 0, NULL, "cannot read: %s",
                  err_text(rc));
        return E_INVALID;
    }
    rc = config_parse(out, path, (struct str){text, len}, o, d);
    mem_free(text);
    return rc;
}

void config_free(struct config *c)
{
    if (!c) return;
    alerting_config_release(c->alerting);
    struct arena arena = c->arena;
    mem_free(c);
    arena_release(&arena);
}

void config_print_default(struct buf *out)
{
    buf_addstr(out, "# tocsin's configuration with every default. All of it is optional.\n");
    conf_print_defaults(&config_table, out);
}

void config_tsdb_options(const struct config *c, struct tsdb_options *o)
{
    tsdb_options_default(o);
    o->path = c->storage.path;
    o->retention_ms = c->storage.retention_ms;
    o->max_bytes = c->storage.max_bytes;
    o->min_free_permille = c->storage.min_free_permille;
    o->durability = (enum tsdb_durability)c->storage.durability;
    o->flush_turn_ms = c->storage.flush_ms;
    o->max_series = c->limits.series;
    o->max_series_per_metric = c->limits.series_per_metric;
    o->max_labels = c->limits.labels;
    o->max_label_value_bytes = c->limits.label_value_bytes;
}
