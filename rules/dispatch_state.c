/* dispatch_state.c -- an alert group as a journal record, and back.
 *
 *     str key, str receiver, labels of the group, i64 next_flush, i64 flushed, u64 flush_seq,
 *     count of alerts: { i64 starts, ends, updated, double value, str url, labels, annotations }
 *     count of integrations: { i64 sent, count firing: u64..., count resolved: u64... }
 *
 * A group without alerts says that it is gone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core/mem.h"
#include "core/pack.h"
#include "rules/dispatch.h"
#include "rules/fingerprints.h"

static void pack_labels(struct buf *out, struct labels ls)
{
    pack_u64(out, ls.count);
    for (size_t i = 0; i < ls.count; i++) {
        pack_str(out, ls.v[i].name);
        pack_str(out, ls.v[i].value);
    }
}

static void pack_set(struct buf *out, const struct fingerprint_set *s)
{
    pack_u64(out, s->count);
    for (size_t i = 0; i < s->count; i++)
        pack_u64(out, s->v[i]);
}

void dispatch_pack_group(const struct alert_group *g, struct buf *out)
{
    pack_str(out, str_of(g->key));
    pack_str(out, str_of(g->receiver));
    pack_labels(out, g->labels);
    pack_i64(out, g->next_flush_ms);
    pack_i64(out, g->flushed_ms);
    pack_u64(out, g->flush_seq);
    pack_u64(out, g->alert_count);
    for (size_t i = 0; i < g->alert_count; i++) {
        const struct group_alert *a = &g->alerts[i];
        pack_i64(out, a->starts_ms);
        pack_i64(out, a->ends_ms);
        pack_i64(out, a->updated_ms);
        pack_double(out, a->value);
        pack_str(out, str_of(a->generator_url));
        pack_labels(out, a->labels);
        pack_labels(out, a->annotations);
    }
    pack_u64(out, g->dedup_count);
    for (size_t i = 0; i < g->dedup_count; i++) {
        pack_i64(out, g->dedup[i].sent_ms);
        pack_set(out, &g->dedup[i].firing);
        pack_set(out, &g->dedup[i].resolved);
    }
}

static int unpack_labels(struct unpack *u, struct labels *out)
{
    size_t count = unpack_count(u);
    struct label *v = mem_array(count + 1, sizeof *v);
    if (!v) return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        v[i] = (struct label){unpack_str(u), unpack_str(u)};
    int rc = u->bad ? E_CORRUPT : labels_dup((struct labels){v, count}, out);
    mem_free(v);
    return rc;
}

static int unpack_alert(struct unpack *u, struct group_alert *a)
{
    a->starts_ms = unpack_i64(u);
    a->ends_ms = unpack_i64(u);
    a->updated_ms = unpack_i64(u);
    a->value = unpack_double(u);
    struct str url = unpack_str(u);
    a->generator_url = mem_strndup(url.p, url.len);
    if (!a->generator_url) return -ENOMEM;
    int rc = unpack_labels(u, &a->labels);
    if (!rc) rc = unpack_labels(u, &a->annotations);
    a->fingerprint = labels_fingerprint(a->labels);
    return rc;
}

static int unpack_set(struct unpack *u, struct fingerprint_set *s)
{
    size_t count = unpack_count(u);
    int rc = 0;
    for (size_t i = 0; !rc && i < count; i++)
        rc = fingerprint_set_add(s, unpack_u64(u));
    return rc;
}

static int unpack_body(struct unpack *u, struct alert_group *g)
{
    int rc = unpack_labels(u, &g->labels);
    g->next_flush_ms = unpack_i64(u);
    g->flushed_ms = unpack_i64(u);
    g->flush_seq = unpack_u64(u);
    size_t alerts = unpack_count(u);
    g->alerts = rc ? NULL : mem_array(alerts + 1, sizeof *g->alerts);
    if (!rc && !g->alerts) rc = -ENOMEM;
    g->alert_cap = alerts + 1;
    for (size_t i = 0; !rc && i < alerts; i++)
        rc = unpack_alert(u, &g->alerts[g->alert_count++]);
    size_t integrations = rc ? 0 : unpack_count(u);
    g->dedup = rc ? NULL : mem_array(integrations + 1, sizeof *g->dedup);
    if (!rc && !g->dedup) rc = -ENOMEM;
    for (size_t i = 0; !rc && i < integrations; i++) {
        struct dedup_entry *e = &g->dedup[g->dedup_count++];
        e->sent_ms = unpack_i64(u);
        rc = unpack_set(u, &e->firing);
        if (!rc) rc = unpack_set(u, &e->resolved);
    }
    return rc ? rc : u->bad ? E_CORRUPT : 0;
}

int dispatch_unpack_group(struct dispatch *d, struct str record)
{
    struct unpack u = {.rest = record};
    struct str key = unpack_str(&u), receiver = unpack_str(&u);
    struct alert_group *g = mem_zalloc(sizeof *g);
    int rc = g ? 0 : -ENOMEM;
    if (g) {
        g->key = mem_strndup(key.p, key.len);
        g->receiver = mem_strndup(receiver.p, receiver.len);
        rc = g->key && g->receiver ? unpack_body(&u, g) : -ENOMEM;
    }
    if (rc) {
        dispatch_free_group(g);
        return rc;
    }
    dispatch_replace_group(d, g);
    return 0;
}
