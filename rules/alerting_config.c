/* alerting_config.c -- the alerting: block, from YAML to a route tree.
 *
 * First the tables turn the text into plain structs (*_conf), then one pass links receivers, fills
 * inherited values and compiles matchers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/alerting_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/env.h"
#include "core/json.h"
#include "core/mem.h"
#include "rules/matcher_text.h"
#include "rules/notify.h"

enum { MATCHERS_MAX = 64, SECRET_MAX = 64 << 10 };

/* --- what the file says --- */

struct authorization_conf {
    const char *type, *credentials, *credentials_file;
};
struct basic_conf {
    const char *username, *password, *password_file;
};
struct tls_conf {
    const char *ca_file, *cert_file, *key_file;
    bool insecure_skip_verify;
};
struct http_conf {
    struct authorization_conf authorization;
    struct basic_conf basic;
    struct tls_conf tls;
};
struct webhook_conf {
    const struct ynode *node;
    const char *url, *url_file, *secret, *secret_file;
    bool send_resolved;
    int64_t max_alerts, timeout_ms;
    struct http_conf http;
};
struct receiver_conf {
    const struct ynode *node;
    const char *name;
    bool machine;
    struct conf_list webhooks; /* struct webhook_conf */
};
struct route_conf {
    const struct ynode *node;
    const char *receiver;
    struct conf_strings group_by, matchers;
    struct conf_map match, match_re;
    bool continues;
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
    struct conf_list routes; /* struct route_conf */
};
struct alerting_conf {
    const struct ynode *node;
    struct route_conf route;
    struct conf_list receivers; /* struct receiver_conf */
};

static int refuse_unbuilt(struct conf_ctx *c, const struct ynode *n, void *out)
{
    UNUSED(out);
    bool empty = ynode_is_null(n) || (n->kind != YNODE_SCALAR && n->count == 0);
    return empty ? 0 : ynode_error(c->doc, n, c->diags, NULL, "this key is not supported yet");
}

#define TEXT(name, type_, field, text)                                                             \
    .key = name, .type = CONF_STRING, .offset = offsetof(struct type_, field), .help = text
#define UNBUILT(name_) .key = name_, .type = CONF_CUSTOM, .custom = refuse_unbuilt
#define TABLE(what, type_, rows)                                                                   \
    {                                                                                              \
        .name = what, .size = sizeof(struct type_), .options = rows, .count = COUNT(rows)          \
    }
#define TABLE_WITH_NODE(what, type_, rows)                                                         \
    {                                                                                              \
        .name = what, .size = sizeof(struct type_), .options = rows, .count = COUNT(rows),         \
        .has_node = true, .node_offset = offsetof(struct type_, node)                              \
    }

static const struct conf_option authorization_options[] = {
    {.key = "type",
     .type = CONF_STRING,
     .offset = offsetof(struct authorization_conf, type),
     .dflt = "Bearer",
     .help = "Scheme of the Authorization header; only Bearer."},
    {TEXT("credentials", authorization_conf, credentials, "The token.")},
    {TEXT("credentials_file", authorization_conf, credentials_file, "File that holds the token.")},
};
static const struct conf_table authorization_table =
    TABLE("authorization", authorization_conf, authorization_options);

static const struct conf_option basic_options[] = {
    {TEXT("username", basic_conf, username, "User name.")},
    {TEXT("password", basic_conf, password, "Password.")},
    {TEXT("password_file", basic_conf, password_file, "File that holds the password.")},
};
static const struct conf_table basic_table = TABLE("basic_auth", basic_conf, basic_options);

static const struct conf_option tls_options[] = {
    {TEXT("ca_file", tls_conf, ca_file, "Certificates to trust.")},
    {TEXT("cert_file", tls_conf, cert_file, "Our certificate.")},
    {TEXT("key_file", tls_conf, key_file, "Its key.")},
    {.key = "insecure_skip_verify",
     .type = CONF_BOOL,
     .offset = offsetof(struct tls_conf, insecure_skip_verify),
     .help = "Accept any certificate."},
};
static const struct conf_table tls_table = TABLE("tls_config", tls_conf, tls_options);

static const struct conf_option http_options[] = {
    {.key = "authorization",
     .type = CONF_SUB,
     .offset = offsetof(struct http_conf, authorization),
     .sub = &authorization_table,
     .help = "Token to send."},
    {.key = "basic_auth",
     .type = CONF_SUB,
     .offset = offsetof(struct http_conf, basic),
     .sub = &basic_table,
     .help = "User and password to send."},
    {.key = "tls_config",
     .type = CONF_SUB,
     .offset = offsetof(struct http_conf, tls),
     .sub = &tls_table,
     .help = "Certificates."},
};
static const struct conf_table http_table = TABLE("http_config", http_conf, http_options);

static const struct conf_option webhook_options[] = {
    {TEXT("url", webhook_conf, url, "Where to POST.")},
    {TEXT("url_file", webhook_conf, url_file, "File that holds the URL.")},
    {TEXT("secret", webhook_conf, secret, "Key of the Standard Webhooks signature.")},
    {TEXT("secret_file", webhook_conf, secret_file, "File that holds the key.")},
    {.key = "send_resolved",
     .type = CONF_BOOL,
     .offset = offsetof(struct webhook_conf, send_resolved),
     .dflt = "true",
     .help = "Tell of resolved alerts too."},
    {.key = "max_alerts",
     .type = CONF_INT,
     .offset = offsetof(struct webhook_conf, max_alerts),
     .dflt = "0",
     .min = 0,
     .max = 1000000,
     .help = "At most so many alerts a message; 0: all."},
    {.key = "timeout",
     .type = CONF_DURATION,
     .offset = offsetof(struct webhook_conf, timeout_ms),
     .dflt = "10s",
     .min = 0,
     .max = 300000,
     .help = "Limit of one attempt."},
    {.key = "http_config",
     .type = CONF_SUB,
     .offset = offsetof(struct webhook_conf, http),
     .sub = &http_table,
     .help = "Authentication and TLS."},
};
static const struct conf_table webhook_table =
    TABLE_WITH_NODE("webhook_configs", webhook_conf, webhook_options);

static const struct conf_option receiver_options[] = {
    {.key = "name",
     .type = CONF_STRING,
     .offset = offsetof(struct receiver_conf, name),
     .required = true,
     .help = "What routes call it."},
    {.key = "machine",
     .type = CONF_BOOL,
     .offset = offsetof(struct receiver_conf, machine),
     .dflt = "false",
     .help = "An actuator: waits for nothing, drops orders after ten minutes."},
    {.key = "webhook_configs",
     .type = CONF_LIST,
     .offset = offsetof(struct receiver_conf, webhooks),
     .sub = &webhook_table,
     .help = "HTTP receivers of Alertmanager's version 4 message."},
    {UNBUILT("slack_configs")},
    {UNBUILT("discord_configs")},
    {UNBUILT("email_configs")},
    {UNBUILT("pagerduty_configs")},
    {UNBUILT("msteams_configs")},
    {UNBUILT("msteamsv2_configs")},
    {UNBUILT("opsgenie_configs")},
    {UNBUILT("victorops_configs")},
    {UNBUILT("pushover_configs")},
    {UNBUILT("sns_configs")},
    {UNBUILT("telegram_configs")},
    {UNBUILT("webex_configs")},
    {UNBUILT("wechat_configs")},
    {UNBUILT("jira_configs")},
    {UNBUILT("rocketchat_configs")},
    {UNBUILT("incidentio_configs")},
};
static const struct conf_table receiver_table =
    TABLE_WITH_NODE("receiver", receiver_conf, receiver_options);

static const struct conf_table route_table;
static const struct conf_option route_options[] = {
    {TEXT("receiver", route_conf, receiver, "Who is told.")},
    {.key = "group_by",
     .type = CONF_STRINGS,
     .offset = offsetof(struct route_conf, group_by),
     .help = "Labels whose values make a group; ['...']: every label."},
    {.key = "matchers",
     .type = CONF_STRINGS,
     .offset = offsetof(struct route_conf, matchers),
     .help = "Which alerts come here: a=\"b\", c=~\"d|e\"."},
    {.key = "match",
     .type = CONF_MAP,
     .offset = offsetof(struct route_conf, match),
     .help = "Older form of matchers: label to value."},
    {.key = "match_re",
     .type = CONF_MAP,
     .offset = offsetof(struct route_conf, match_re),
     .help = "Older form of matchers: label to pattern."},
    {.key = "continue",
     .type = CONF_BOOL,
     .offset = offsetof(struct route_conf, continues),
     .dflt = "false",
     .help = "Try the routes after this one too."},
    {.key = "group_wait",
     .type = CONF_DURATION,
     .offset = offsetof(struct route_conf, group_wait_ms),
     .help = "From a group's first alert to its first message (30s)."},
    {.key = "group_interval",
     .type = CONF_DURATION,
     .offset = offsetof(struct route_conf, group_interval_ms),
     .help = "Between messages when the group changed (5m)."},
    {.key = "repeat_interval",
     .type = CONF_DURATION,
     .offset = offsetof(struct route_conf, repeat_interval_ms),
     .help = "Between messages when nothing changed (4h)."},
    {.key = "routes",
     .type = CONF_LIST,
     .offset = offsetof(struct route_conf, routes),
     .sub = &route_table,
     .help = "Child routes, tried in order."},
    {UNBUILT("mute_time_intervals")},
    {UNBUILT("active_time_intervals")},
};
static const struct conf_table route_table = TABLE_WITH_NODE("route", route_conf, route_options);

static const struct conf_option alerting_options[] = {
    {.key = "route",
     .type = CONF_SUB,
     .offset = offsetof(struct alerting_conf, route),
     .sub = &route_table,
     .help = "The tree that decides who is told."},
    {.key = "receivers",
     .type = CONF_LIST,
     .offset = offsetof(struct alerting_conf, receivers),
     .sub = &receiver_table,
     .help = "Who can be told."},
    {UNBUILT("global")},
    {UNBUILT("templates")},
    {UNBUILT("inhibit_rules")},
    {UNBUILT("time_intervals")},
    {UNBUILT("mute_time_intervals")},
};
static const struct conf_table alerting_table =
    TABLE_WITH_NODE("alerting", alerting_conf, alerting_options);

/* --- linking --- */

struct linker {
    struct conf_ctx *ctx;
    struct alerting_config *config;
};

static int complain_at(struct linker *l, const struct ynode *n, const char *hint, const char *text)
{
    return ynode_error(l->ctx->doc, n, l->ctx->diags, hint, "%s", text);
}

static int no_memory(struct linker *l, const struct ynode *n)
{
    return complain_at(l, n, NULL, "not enough memory for this configuration");
}

/* A secret is written down or in a file, not both. *out is "" when neither is. */
static int secret_of(struct linker *l, const struct ynode *n, const char *text, const char *file,
                     const char *what, const char **out)
{
    *out = text;
    if (!file[0]) return 0;
    if (text[0])
        return ynode_error(l->ctx->doc, n, l->ctx->diags, "keep one of the two",
                           "%s and %s_file are both set", what, what);
    char *content = NULL;
    size_t len = 0;
    int rc = env_read_file(env_system(), file, SECRET_MAX, &content, &len);
    if (rc)
        return ynode_error(l->ctx->doc, n, l->ctx->diags, NULL, "cannot read %s_file %s: %s", what,
                           file, err_text(rc));
    struct str trimmed = str_trim((struct str){content, len});
    *out = arena_strndup(l->ctx->arena, trimmed.p, trimmed.len);
    mem_free(content);
    return *out ? 0 : no_memory(l, n);
}

static bool is_http_url(const char *url)
{
    struct str s = str_of(url);
    struct str scheme = str_starts(s, STR("https://")) ? STR("https://") : STR("http://");
    if (!str_starts(s, scheme) || s.len == scheme.len) return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f) return false;
    return true;
}

static int link_webhook(struct linker *l, const struct webhook_conf *w, struct webhook_config *out)
{
    const struct http_conf *h = &w->http;
    *out = (struct webhook_config){
        .send_resolved = w->send_resolved,
        .max_alerts = w->max_alerts,
        .timeout_ms = w->timeout_ms ? w->timeout_ms : 10000,
        .username = h->basic.username,
        .tls = {h->tls.ca_file, h->tls.cert_file, h->tls.key_file, NULL,
                h->tls.insecure_skip_verify},
        .has_tls = h->tls.ca_file[0] || h->tls.cert_file[0] || h->tls.insecure_skip_verify,
    };
    int rc = secret_of(l, w->node, w->url, w->url_file, "url", &out->url);
    if (!rc) rc = secret_of(l, w->node, w->secret, w->secret_file, "secret", &out->secret);
    if (!rc)
        rc = secret_of(l, w->node, h->authorization.credentials, h->authorization.credentials_file,
                       "credentials", &out->bearer_token);
    if (!rc)
        rc = secret_of(l, w->node, h->basic.password, h->basic.password_file, "password",
                       &out->password);
    if (rc) return rc;
    if (!str_eq_nocase(str_of(h->authorization.type), STR("Bearer")))
        return complain_at(l, w->node, "use Bearer, or basic_auth",
                           "authorization type is not known");
    if (!is_http_url(out->url))
        return complain_at(l, w->node, "as in http://127.0.0.1:9000/hook",
                           out->url[0] ? "url is not an http or https URL" : "a webhook needs url");
    return 0;
}

static int link_receiver(struct linker *l, const struct receiver_conf *r, struct receiver *out)
{
    const struct webhook_conf *w = r->webhooks.v;
    *out = (struct receiver){.name = r->name, .machine = r->machine};
    for (size_t i = 0; i < l->config->receiver_count; i++)
        if (!strcmp(l->config->receivers[i].name, r->name))
            return complain_at(l, r->node, "give each receiver a name of its own",
                               "a receiver of this name exists already");
    out->webhooks = arena_array(l->ctx->arena, r->webhooks.count, sizeof *out->webhooks);
    if (!out->webhooks) return no_memory(l, r->node);
    int rc = 0;
    for (size_t i = 0; i < r->webhooks.count; i++)
        if (link_webhook(l, &w[i], &out->webhooks[out->webhook_count++])) rc = E_INVALID;
    return rc;
}

static int add_matcher(struct linker *l, struct route *r, const struct ynode *at,
                       enum matcher_type type, struct str name, struct str value)
{
    struct errmsg e = {0};
    if (r->matcher_count >= MATCHERS_MAX) return complain_at(l, at, NULL, "more than 64 matchers");
    if (!label_name_is_valid(name)) return complain_at(l, at, NULL, "not a label name");
    int rc = matcher_init(&r->matchers[r->matcher_count], type, name, value, &e);
    if (rc) return complain_at(l, at, NULL, e.text);
    r->matcher_count++;
    return 0;
}

static int link_matchers(struct linker *l, const struct route_conf *c, struct route *r)
{
    int rc = 0;
    r->matchers = arena_array(l->ctx->arena, MATCHERS_MAX, sizeof *r->matchers);
    if (!r->matchers) return no_memory(l, c->node);
    for (size_t i = 0; i < c->match.count; i++)
        if (add_matcher(l, r, c->match.v[i].key_node, MATCH_EQ, c->match.v[i].key,
                        c->match.v[i].value))
            rc = E_INVALID;
    for (size_t i = 0; i < c->match_re.count; i++) /* Alertmanager shows these anchored in keys */
        if (add_matcher(
                l, r, c->match_re.v[i].key_node, MATCH_RE, c->match_re.v[i].key,
                str_of(arena_printf(l->ctx->arena, "^(?:%.*s)$", (int)c->match_re.v[i].value.len,
                                    c->match_re.v[i].value.p))))
            rc = E_INVALID;
    for (size_t i = 0; i < c->matchers.count; i++) {
        struct errmsg e = {0};
        if (matcher_text_parse(str_of(c->matchers.v[i]), l->ctx->arena, r->matchers,
                               &r->matcher_count, MATCHERS_MAX, &e))
            rc = complain_at(l, c->matchers.nodes[i], "write label=\"value\"", e.text);
    }
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct matcher *x = a, *y = b;
    int c = str_cmp(x->name, y->name);
    if (!c) c = str_cmp(x->value, y->value);
    return c ? c : (int)x->type - (int)y->type;
}

static int make_key(struct linker *l, const struct route_conf *c, struct route *r)
{
    struct buf key = BUF_INIT(1 << 16);
    if (r->parent) buf_addf(&key, "%s/", r->parent->key);
    qsort(r->matchers, r->matcher_count, sizeof *r->matchers, by_name);
    buf_addch(&key, '{');
    for (size_t i = 0; i < r->matcher_count; i++) {
        const struct matcher *m = &r->matchers[i];
        buf_addf(&key, "%s%.*s%s", i ? "," : "", (int)m->name.len, m->name.p, matcher_op(m->type));
        json_quote(&key, m->value, false);
    }
    buf_addch(&key, '}');
    r->key = key.err ? NULL : arena_strndup(l->ctx->arena, key.p, key.len);
    buf_release(&key);
    return r->key ? 0 : no_memory(l, c->node);
}

static int link_group_by(struct linker *l, const struct route_conf *c, struct route *r)
{
    if (!c->group_by.count) return 0; /* inherited */
    r->group_by = c->group_by.v;
    r->group_by_count = c->group_by.count;
    r->group_by_all = false;
    for (size_t i = 0; i < c->group_by.count; i++) {
        bool all = !strcmp(c->group_by.v[i], "...");
        if (all && c->group_by.count > 1)
            return complain_at(l, c->group_by.nodes[i], "write group_by: ['...']",
                               "... stands for every label: it goes alone");
        if (!all && !label_name_is_valid(str_of(c->group_by.v[i])))
            return complain_at(l, c->group_by.nodes[i], NULL, "not a label name");
        r->group_by_all = all;
    }
    if (r->group_by_all) r->group_by_count = 0;
    return 0;
}

static int link_times(struct linker *l, const struct route_conf *c, struct route *r)
{
    const struct ynode *wait = ynode_get(c->node, "group_wait");
    const struct ynode *interval = ynode_get(c->node, "group_interval");
    const struct ynode *repeat = ynode_get(c->node, "repeat_interval");
    if (wait) r->group_wait_ms = c->group_wait_ms;
    if (interval) r->group_interval_ms = c->group_interval_ms;
    if (repeat) r->repeat_interval_ms = c->repeat_interval_ms;
    if (repeat && !r->repeat_interval_ms)
        return complain_at(l, repeat, NULL, "repeat_interval cannot be zero");
    return 0;
}

enum { UNSET_MS = -1 };

/* What is not set anywhere up the tree takes the receiver's or Alertmanager's default. */
static void default_times(struct route *r)
{
    bool machine = r->receiver->machine;
    if (r->group_wait_ms == UNSET_MS) r->group_wait_ms = machine ? 0 : 30000;
    if (r->group_interval_ms == UNSET_MS)
        r->group_interval_ms = machine || r->group_wait_ms == 0 ? 0 : 300000;
    if (r->repeat_interval_ms == UNSET_MS) r->repeat_interval_ms = INT64_C(4) * 3600000;
}

static int link_receiver_name(struct linker *l, const struct route_conf *c, struct route *r)
{
    if (c->receiver[0]) r->receiver = alerting_receiver(l->config, str_of(c->receiver));
    if (r->receiver) return 0;
    const struct ynode *at = ynode_get(c->node, "receiver");
    return complain_at(l, at ? at : c->node, "name one of receivers:",
                       c->receiver[0] ? "no receiver has this name"
                                      : "the root route needs a receiver");
}

static int link_route(struct linker *l, const struct route_conf *c, const struct route *parent,
                      struct route *r)
{
    if (parent)
        *r = *parent;
    else
        *r = (struct route){.group_wait_ms = UNSET_MS,
                            .group_interval_ms = UNSET_MS,
                            .repeat_interval_ms = UNSET_MS};
    r->parent = parent;
    r->matcher_count = r->child_count = 0;
    r->continues = c->continues;
    r->id = l->config->route_count++;
    int rc = link_receiver_name(l, c, r);
    if (!rc) rc = link_matchers(l, c, r);
    if (!rc && !parent && (r->matcher_count || r->continues))
        rc = complain_at(l, c->node, NULL,
                         "the root route takes every alert: no matchers, no continue");
    if (!rc) rc = make_key(l, c, r);
    if (!rc) rc = link_group_by(l, c, r);
    if (!rc) rc = link_times(l, c, r);
    if (rc) return rc;
    const struct route_conf *children = c->routes.v;
    r->children = arena_array(l->ctx->arena, c->routes.count, sizeof *r->children);
    if (!r->children) return no_memory(l, c->node);
    for (size_t i = 0; i < c->routes.count; i++)
        if (link_route(l, &children[i], r, &r->children[r->child_count++])) rc = E_INVALID;
    if (r->receiver) default_times(r);
    return rc;
}

static int link_all(struct linker *l, const struct alerting_conf *conf)
{
    const struct receiver_conf *r = conf->receivers.v;
    int rc = 0;
    l->config->receivers =
        arena_array(l->ctx->arena, conf->receivers.count, sizeof *l->config->receivers);
    if (!l->config->receivers) return -ENOMEM;
    for (size_t i = 0; i < conf->receivers.count; i++) {
        if (link_receiver(l, &r[i], &l->config->receivers[l->config->receiver_count]))
            rc = E_INVALID;
        l->config->receiver_count++;
    }
    if (rc || !conf->route.node) {
        if (!rc && conf->receivers.count)
            rc = complain_at(l, conf->node, "add route: {receiver: NAME}",
                             "receivers without a route are never told");
        return rc;
    }
    struct route *root = arena_zalloc(l->ctx->arena, sizeof *root);
    if (!root) return -ENOMEM;
    l->config->root = root;
    return link_route(l, &conf->route, NULL, root);
}

int alerting_config_decode(struct conf_ctx *c, const struct ynode *n, struct alerting_config **out)
{
    struct alerting_conf conf;
    *out = NULL;
    int rc = conf_decode(&alerting_table, n, &conf, c);
    if (rc) return rc;
    struct linker l = {.ctx = c, .config = arena_zalloc(c->arena, sizeof *l.config)};
    if (!l.config) return -ENOMEM;
    rc = link_all(&l, &conf);
    if (rc)
        alerting_config_release(l.config);
    else
        *out = l.config;
    return rc;
}

static void release_route(struct route *r)
{
    for (size_t i = 0; i < r->matcher_count; i++)
        matcher_release(&r->matchers[i]);
    r->matcher_count = 0;
    for (size_t i = 0; i < r->child_count; i++)
        release_route(&r->children[i]);
}

void alerting_config_release(struct alerting_config *c)
{
    if (c && c->root) release_route(c->root);
}

/* --- matching --- */

const struct receiver *alerting_receiver(const struct alerting_config *c, struct str name)
{
    for (size_t i = 0; c && i < c->receiver_count; i++)
        if (str_eq(name, str_of(c->receivers[i].name))) return &c->receivers[i];
    return NULL;
}

/* 1 when r or a child took the alert, 0 when its matchers refuse it, < 0 from each(). */
static int visit_route(const struct route *r, struct labels labels, route_visit_fn *each, void *arg)
{
    int matched = matchers_test(r->matchers, r->matcher_count, labels);
    if (matched != 1) return 0; /* a pattern over its match limit does not match */
    bool taken = false;
    for (size_t i = 0; i < r->child_count; i++) {
        int rc = visit_route(&r->children[i], labels, each, arg);
        if (rc < 0) return rc;
        taken = taken || rc;
        if (rc && !r->children[i].continues) break;
    }
    int rc = taken ? 0 : each(arg, r);
    return rc ? rc : 1;
}

int alerting_routes(const struct alerting_config *c, struct labels labels, route_visit_fn *each,
                    void *arg)
{
    if (!c || !c->root) return 0;
    int rc = visit_route(c->root, labels, each, arg);
    return rc < 0 ? rc : 0;
}
