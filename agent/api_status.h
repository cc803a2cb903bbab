/* api_status.h -- handlers of what the server says of itself, of federation and of the store's
 * administration; beside api.h, which has what handlers share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_API_STATUS_H
#define TOCSIN_AGENT_API_STATUS_H

#include "agent/api.h"

/* Of a process, by /proc: 0 when it is not to be had. */
size_t api_thread_count(void);

/* The token that names a rule group in group_next_token: 40 hex digits. */
enum { API_GROUP_TOKEN = 41 };
void api_group_token(const char *file, const char *name, char out[API_GROUP_TOKEN]);

/* Prometheus' globalUrl: a target on this machine as others reach it. host: of http.external_url,
 * or this machine's name. */
void api_global_url(const char *url, const char *host, char *out, size_t size);

route_fn api_status_config, api_walreplay, api_notifications, api_notifications_live, api_features;
route_fn api_scrape_pools, api_target_metadata;
route_fn api_federate;
route_fn api_admin_snapshot, api_admin_delete, api_admin_clean, api_admin_compact;

#endif
