/* alerting_config.h -- the alerting: block in Alertmanager's syntax: route tree and receivers.
 *
 * Everything lives in the configuration's arena and is immutable once decoded.
 *
 * One difference from Alertmanager: where a route says `group_wait: 0s` and neither it nor a parent
 * sets group_interval, group_interval is 0 too, so that changes (a resolve above all) are sent at
 * once. Alertmanager would hold them back for its default of five minutes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_ALERTING_CONFIG_H
#define TOCSIN_RULES_ALERTING_CONFIG_H

#include "core/conf.h"
#include "core/httpc.h"
#include "tsdb/labels.h"

struct webhook_config {
    const char *url;                 /* url_file is read at load time */
    bool send_resolved;              /* true */
    int64_t max_alerts;              /* 0: all */
    int64_t timeout_ms;              /* 0: 10 s */
    const char *secret;              /* Standard Webhooks signature; "": unsigned */
    const char *bearer_token;        /* "" */
    const char *username, *password; /* "" */
    struct httpc_tls tls;
    bool has_tls;
};

struct receiver {
    const char *name;
    bool machine; /* an actuator: waits for nothing, orders go stale after ten minutes */
    struct webhook_config *webhooks;
    size_t webhook_count;
};

struct route {
    const struct route *parent;
    struct route *children;
    size_t child_count;
    const struct receiver *receiver;
    struct matcher *matchers;
    size_t matcher_count;
    bool continues; /* continue: true */
    const char **group_by;
    size_t group_by_count;
    bool group_by_all; /* ['...'] */
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
    const char *key; /* "{}/{a=\"b\"}": Alertmanager's route key */
    size_t id;       /* position in the tree, depth first; the root is 0 */
};

struct alerting_config {
    struct route *root; /* NULL: nothing is sent */
    struct receiver *receivers;
    size_t receiver_count;
    size_t route_count;
};

/* Calls each() for every route an alert reaches, in order (Alertmanager's Route.Match). */
typedef int route_visit_fn(void *arg, const struct route *r);
int alerting_routes(const struct alerting_config *c, struct labels labels, route_visit_fn *each,
                    void *arg);
const struct receiver *alerting_receiver(const struct alerting_config *c, struct str name);

#endif
