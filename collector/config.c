/* config.c -- the collectors: block of the configuration.
 *
 *     collectors:
 *       interval: 1s
 *       host:
 *         cpu: true                      # a collector by its name: on, off,
 *         diskstats: {device_exclude: "^(loop|ram)\\d+$"}   # or on, with options
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/engine.h"

/* Sequences are given to collectors as one text, items separated by commas. */
static int join_items(struct conf_ctx *c, const struct ynode *n, struct str *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n->count; i++) {
        if (n->items[i]->kind != YNODE_SCALAR)
            return ynode_error(c->doc, n->items[i], c->diags, NULL, "expected a plain value");
        len += n->items[i]->value.len + 1;
    }
    char *text = arena_alloc(c->arena, len + 1);
    if (!text) return -ENOMEM;
    char *at = text;
    for (size_t i = 0; i < n->count; i++) {
        if (i) *at++ = ',';
        memcpy(at, n->items[i]->value.p, n->items[i]->value.len);
        at += n->items[i]->value.len;
    }
    *at = '\0';
    *out = (struct str){text, (size_t)(at - text)};
    return 0;
}

static int option_value(struct conf_ctx *c, const struct ynode *n, struct str *out)
{
    *out = STR("");
    if (ynode_is_null(n)) return 0;
    if (n->kind == YNODE_SEQUENCE) return join_items(c, n, out);
    if (n->kind != YNODE_SCALAR)
        return ynode_error(c->doc, n, c->diags, NULL, "expected a value or a list of values");
    *out = n->value;
    return 0;
}

static int decode_options(struct conf_ctx *c, const struct ynode *n, struct conf_map *out)
{
    out->v = arena_array(c->arena, n->count, sizeof *out->v);
    if (!out->v && n->count) return -ENOMEM;
    for (size_t i = 0; i < n->count; i++) {
        out->v[i].key = n->pairs[i].key->value;
        out->v[i].key_node = n->pairs[i].key;
        out->v[i].value_node = n->pairs[i].value;
        int rc = option_value(c, n->pairs[i].value, &out->v[i].value);
        if (rc < 0) return rc;
        out->count++;
    }
    return 0;
}

static const char *nearest_collector(struct str word)
{
    const char *names[128];
    size_t n = 0;
    for (size_t i = 0; i < collector_count && n < COUNT(names); i++)
        names[n++] = collectors[i]->name;
    return str_nearest(word, names, n);
}

static bool is_collector(struct str name)
{
    for (size_t i = 0; i < collector_count; i++)
        if (str_eq(name, str_of(collectors[i]->name))) return true;
    return false;
}

static int unknown_collector(struct conf_ctx *c, const struct ynode *key)
{
    const char *near = nearest_collector(key->value);
    const char *hint = near ? arena_printf(c->arena, "did you mean \"%s\"?", near) : NULL;
    return ynode_error(c->doc, key, c->diags, hint, "unknown collector \"%s\"", key->value.p);
}

static int decode_one(struct conf_ctx *c, const struct ypair *p, struct host_collector_options *out)
{
    const struct ynode *n = p->value;
    if (!is_collector(p->key->value)) return unknown_collector(c, p->key);
    out->name = p->key->value.p;
    out->enabled = true;
    if (ynode_is_null(n)) return 0;
    if (n->kind == YNODE_MAPPING) return decode_options(c, n, &out->options);
    if (n->kind == YNODE_SCALAR && str_eq(n->value, STR("true"))) return 0;
    out->enabled = false;
    if (n->kind == YNODE_SCALAR && str_eq(n->value, STR("false"))) return 0;
    return ynode_error(c->doc, n, c->diags, NULL, "expected true, false or a mapping of options");
}

/* Fills host and host_count, which stands beside it. All problems are reported. */
static int decode_host(struct conf_ctx *c, const struct ynode *n, void *out)
{
    struct collector_config *config =
        (struct collector_config *)(void *)((char *)out - offsetof(struct collector_config, host));
    int result = 0;
    if (ynode_is_null(n)) return 0;
    if (n->kind != YNODE_MAPPING)
        return ynode_error(c->doc, n, c->diags, NULL, "expected a mapping of collector names");
    config->host = arena_array(c->arena, n->count, sizeof *config->host);
    if (!config->host && n->count) return -ENOMEM;
    for (size_t i = 0; i < n->count; i++) {
        int rc = decode_one(c, &n->pairs[i], &config->host[config->host_count]);
        if (rc == 0) config->host_count++;
        if (rc < 0) result = rc;
    }
    return result;
}

static int validate(struct conf_ctx *c, const struct ynode *n, void *out)
{
    const struct collector_config *config = out;
    if (config->slow_interval_ms >= config->interval_ms) return 0;
    const struct ynode *at = ynode_is_null(n) ? NULL : ynode_get(n, "slow_interval");
    if (!at) at = ynode_is_null(n) ? NULL : ynode_get(n, "interval");
    if (!at) return 0;
    return ynode_error(c->doc, at, c->diags, NULL, "slow_interval is shorter than interval");
}

#define FIELD(name) offsetof(struct collector_config, name)
// clang-format off
static const struct conf_option options[] = {
    {.key = "enabled", .type = CONF_BOOL, .offset = FIELD(enabled), .dflt = "true",
     .help = "Collect from this host."},
    {.key = "interval", .type = CONF_DURATION, .offset = FIELD(interval_ms), .dflt = "1s",
     .min = 100, .max = 3600000, .help = "How often most sources are read."},
    {.key = "slow_interval", .type = CONF_DURATION, .offset = FIELD(slow_interval_ms), .dflt = "15s",
     .min = 100, .max = 3600000, .help = "How often costly sources that change little are read."},
    {.key = "job", .type = CONF_STRING, .offset = FIELD(job), .dflt = "node",
     .help = "The job label of host metrics; what public rules and dashboards expect."},
    {.key = "proc_path", .type = CONF_STRING, .offset = FIELD(proc_path), .dflt = "",
     .help = "Where procfs is; empty: /proc below the host root."},
    {.key = "sys_path", .type = CONF_STRING, .offset = FIELD(sys_path), .dflt = "",
     .help = "Where sysfs is; empty: /sys below the host root."},
    {.key = "host", .type = CONF_CUSTOM, .offset = FIELD(host), .custom = decode_host,
     .help = "Collectors by name: true, false, or a mapping of options."},
};
// clang-format on

const struct conf_table collector_config_table = {
    .name = "collectors",
    .size = sizeof(struct collector_config),
    .options = options,
    .count = COUNT(options),
    .validate = validate,
};
