/* webhook.h -- Alertmanager's version 4 message and the headers it travels with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_WEBHOOK_H
#define TOCSIN_RULES_WEBHOOK_H

#include "core/buf.h"
#include "rules/dispatch.h"

/* The JSON body, as Go's encoder writes it, with a newline at its end. */
void webhook_body(const struct notification *n, const char *external_url, struct buf *out);

/* hex(SHA-256(receiver, integration, group key, status, fingerprints, flush seq))[0:32]: the same
 * for the same message however often it is made. */
void webhook_id(const struct notification *n, char out[33]);

/* "v1,BASE64(HMAC-SHA-256(secret, id.timestamp.body))" (Standard Webhooks); a secret that starts
 * with whsec_ is base64. */
void webhook_signature(const char *secret, const char *id, int64_t timestamp_s, struct str body,
                       struct buf *out);

#endif
