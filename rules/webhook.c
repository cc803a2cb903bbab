/* webhook.c -- Alertmanager's version 4 message and its signature.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/webhook.h"

#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"

static void print_labels(struct json *j, struct labels ls)
{
    json_obj(j);
    for (size_t i = 0; i < ls.count; i++) {
        json_key_str(j, ls.v[i].name);
        json_str(j, ls.v[i].value);
    }
    json_end(j);
}

static void print_time(struct json *j, const char *key, int64_t ms)
{
    char text[40];
    json_key(j, key);
    str_from_time(ms, text);
    json_cstr(j, ms ? text : "0001-01-01T00:00:00Z");
}

static void print_alert(struct json *j, const struct group_alert *a)
{
    char fingerprint[17];
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(a->fingerprint >> (56 - 8 * i));
    hex_encode(bytes, sizeof bytes, fingerprint);
    json_obj(j);
    json_key(j, "status");
    json_cstr(j, a->ends_ms ? "resolved" : "firing");
    json_key(j, "labels");
    print_labels(j, a->labels);
    json_key(j, "annotations");
    print_labels(j, a->annotations);
    print_time(j, "startsAt", a->starts_ms);
    print_time(j, "endsAt", a->ends_ms);
    json_key(j, "generatorURL");
    json_cstr(j, a->generator_url);
    json_key(j, "fingerprint");
    json_cstr(j, fingerprint);
    json_end(j);
}

/* The pairs every alert of the message has. */
static void print_common(struct json *j, const struct notification *n, size_t count,
                         bool annotations)
{
    json_obj(j);
    struct labels first = {NULL, 0};
    if (count) first = annotations ? n->alerts[0]->annotations : n->alerts[0]->labels;
    for (size_t i = 0; i < first.count; i++) {
        bool common = true;
        for (size_t k = 1; k < count && common; k++) {
            struct labels ls = annotations ? n->alerts[k]->annotations : n->alerts[k]->labels;
            struct str value = labels_get(ls, first.v[i].name);
            common = value.p && str_eq(value, first.v[i].value);
        }
        if (!common) continue;
        json_key_str(j, first.v[i].name);
        json_str(j, first.v[i].value);
    }
    json_end(j);
}

/* Go's regexp.QuoteMeta, which Alertmanager applies to the receiver's name. */
static void print_receiver(struct json *j, const char *name)
{
    struct buf quoted = BUF_INIT(4096);
    for (; *name; name++) {
        if (strchr("\\.+*?()|[]{}^$", *name)) buf_addch(&quoted, '\\');
        buf_addch(&quoted, *name);
    }
    json_key(j, "receiver");
    json_str(j, (struct str){quoted.p ? quoted.p : "", quoted.len});
    buf_release(&quoted);
}

void webhook_body(const struct notification *n, const char *external_url, struct buf *out)
{
    struct json j;
    size_t shown = n->alert_count;
    if (n->webhook->max_alerts) shown = MIN(shown, (size_t)n->webhook->max_alerts);
    json_init(&j, out);
    j.html = true;
    json_obj(&j);
    print_receiver(&j, n->group->receiver);
    json_key(&j, "status");
    json_cstr(&j, n->firing ? "firing" : "resolved");
    json_key(&j, "alerts");
    json_arr(&j);
    for (size_t i = 0; i < shown; i++)
        print_alert(&j, n->alerts[i]);
    json_end(&j);
    json_key(&j, "notification_reason");
    json_cstr(&j, n->reason);
    json_key(&j, "groupLabels");
    print_labels(&j, n->group->labels);
    json_key(&j, "commonLabels");
    print_common(&j, n, shown, false);
    json_key(&j, "commonAnnotations");
    print_common(&j, n, shown, true);
    json_key(&j, "routeLabels");
    print_labels(&j, (struct labels){NULL, 0});
    json_key(&j, "externalURL");
    json_cstr(&j, external_url);
    json_key(&j, "version");
    json_cstr(&j, "4");
    json_key(&j, "groupKey");
    json_cstr(&j, n->group->key);
    json_key(&j, "truncatedAlerts");
    json_uint(&j, n->alert_count - shown);
    json_end(&j);
    buf_addch(out, '\n');
}

void webhook_id(const struct notification *n, char out[33])
{
    uint8_t digest[32];
    struct buf text = BUF_INIT(64 << 20);
    buf_addf(&text, "%s\xff%zu\xff%s\xff%s\xff", n->group->receiver, n->integration, n->group->key,
             n->firing ? "firing" : "resolved");
    for (size_t i = 0; i < n->alert_count; i++)
        buf_addf(&text, "%016llx%c", (unsigned long long)n->alerts[i]->fingerprint,
                 n->alerts[i]->ends_ms ? 'r' : 'f');
    buf_addf(&text, "\xff%llu", (unsigned long long)n->group->flush_seq);
    /* the time of the first alert sets one life of the group apart from the next */
    if (n->alert_count) buf_addf(&text, "\xff%lld", (long long)n->alerts[0]->starts_ms);
    sha256(text.p ? text.p : "", text.len, digest);
    buf_release(&text);
    hex_encode(digest, 16, out);
}

void webhook_signature(const char *secret, const char *id, int64_t timestamp_s, struct str body,
                       struct buf *out)
{
    struct str key = str_of(secret);
    uint8_t digest[32], *decoded = NULL;
    char encoded[48];
    if (str_starts(key, STR("whsec_"))) {
        decoded = mem_alloc(key.len);
        size_t len = decoded ? base64_decode(key.p + 6, key.len - 6, decoded) : SIZE_MAX;
        if (len != SIZE_MAX) key = (struct str){(const char *)decoded, len};
    }
    struct buf text = BUF_INIT(64 << 20);
    buf_addf(&text, "%s.%lld.", id, (long long)timestamp_s);
    buf_add(&text, body.p, body.len);
    hmac_sha256(key.p, key.len, text.p ? text.p : "", text.len, digest);
    base64_encode(digest, sizeof digest, encoded);
    buf_addf(out, "v1,%s", encoded);
    buf_release(&text);
    mem_free(decoded);
}
