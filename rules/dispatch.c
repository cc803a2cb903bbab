/* dispatch.c -- grouping and deduplication of alerts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/dispatch.h"

#include <errno.h>
#include <stdlib.h>

#include "core/hash.h"
#include "core/mem.h"
#include "rules/fingerprints.h"

enum {
    ALERTS_PER_GROUP_MAX = 1000000,
    GROUPS_MAX = 100000,
    RESOLVE_TIMEOUT_MS = 300000, /* a firing alert nobody confirms is over */
};

void dispatch_init(struct dispatch *d)
{
    *d = (struct dispatch){0};
}

/* --- groups --- */

static void release_alert(struct group_alert *a)
{
    labels_free_dup(&a->labels);
    labels_free_dup(&a->annotations);
    mem_free(a->generator_url);
}

void dispatch_free_group(struct alert_group *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->alert_count; i++)
        release_alert(&g->alerts[i]);
    for (size_t i = 0; i < g->dedup_count; i++) {
        fingerprint_set_release(&g->dedup[i].firing);
        fingerprint_set_release(&g->dedup[i].resolved);
    }
    labels_free_dup(&g->labels);
    mem_free(g->alerts);
    mem_free(g->dedup);
    mem_free(g->key);
    mem_free(g->receiver);
    mem_free(g);
}

static struct alert_group **bucket_of(struct dispatch *d, const char *key)
{
    return &d->buckets[fnv1a64(FNV1A64_INIT, key, strlen(key)) % GROUP_BUCKETS];
}

/* Receiver and key together name a group: continue: true can give one key to two receivers. */
static struct alert_group *find_group(struct dispatch *d, const char *key, const char *receiver)
{
    struct alert_group *g = *bucket_of(d, key);
    while (g && (strcmp(g->key, key) != 0 || strcmp(g->receiver, receiver) != 0))
        g = g->next;
    return g;
}

static void unlink_group(struct dispatch *d, struct alert_group *g)
{
    struct alert_group **at = bucket_of(d, g->key);
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    d->group_count--;
    dispatch_free_group(g);
}

static void link_group(struct dispatch *d, struct alert_group *g)
{
    struct alert_group **bucket = bucket_of(d, g->key);
    g->next = *bucket;
    *bucket = g;
    d->group_count++;
}

void dispatch_replace_group(struct dispatch *d, struct alert_group *g)
{
    struct alert_group *old = find_group(d, g->key, g->receiver);
    if (old) unlink_group(d, old);
    if (g->alert_count)
        link_group(d, g);
    else
        dispatch_free_group(g);
}

void dispatch_release(struct dispatch *d)
{
    for (size_t i = 0; i < GROUP_BUCKETS; i++)
        while (d->buckets[i])
            unlink_group(d, d->buckets[i]);
}

static int group_labels(const struct route *r, struct labels all, struct label_builder *b,
                        struct labels *out)
{
    label_builder_init(b, r->group_by_all ? all : (struct labels){NULL, 0});
    for (size_t i = 0; i < r->group_by_count; i++) {
        struct str name = str_of(r->group_by[i]);
        label_builder_set(b, name, labels_get(all, name));
    }
    *out = label_builder_view(b);
    return b->err;
}

static char *group_key(const struct route *r, struct labels labels)
{
    struct buf key = BUF_INIT(1 << 20);
    buf_addf(&key, "%s:", r->key);
    labels_print(labels, false, &key);
    if (!key.err) return buf_take(&key);
    buf_release(&key);
    return NULL;
}

static int set_route(struct alert_group *g, const struct route *r)
{
    size_t count = r->receiver->webhook_count;
    void *dedup = g->dedup;
    if (count > g->dedup_count) {
        int rc = mem_grow(&dedup, &(size_t){0}, count, count, sizeof *g->dedup);
        if (rc) return rc;
        g->dedup = dedup;
        memset(g->dedup + g->dedup_count, 0, (count - g->dedup_count) * sizeof *g->dedup);
        g->dedup_count = count;
    }
    g->route = r;
    return 0;
}

/* Takes key; links the new group. */
static int add_group(struct dispatch *d, const struct route *r, struct labels labels, char *key,
                     struct alert_group **out)
{
    struct alert_group *g = d->group_count < GROUPS_MAX ? mem_zalloc(sizeof *g) : NULL;
    int rc = g ? 0 : d->group_count < GROUPS_MAX ? -ENOMEM : E_LIMIT;
    if (g) {
        g->key = key;
        g->receiver = mem_strndup(r->receiver->name, strlen(r->receiver->name));
        g->next_flush_ms = INT64_MAX;
        rc = g->receiver ? labels_dup(labels, &g->labels) : -ENOMEM;
        if (!rc) rc = set_route(g, r);
    } else {
        mem_free(key);
    }
    if (rc) {
        dispatch_free_group(g);
        return rc;
    }
    link_group(d, g);
    *out = g;
    return 0;
}

/* --- alerts --- */

static struct group_alert *find_alert(struct alert_group *g, uint64_t fingerprint)
{
    for (size_t i = 0; i < g->alert_count; i++)
        if (g->alerts[i].fingerprint == fingerprint) return &g->alerts[i];
    return NULL;
}

static int copy_alert(struct group_alert *out, const struct alert *a, uint64_t fingerprint,
                      int64_t now_ms)
{
    const char *url = a->generator_url ? a->generator_url : "";
    *out = (struct group_alert){
        .fingerprint = fingerprint,
        .starts_ms = a->starts_ms,
        .ends_ms = a->ends_ms,
        .updated_ms = now_ms,
        .value = a->value,
        .generator_url = mem_strndup(url, strlen(url)),
    };
    int rc = out->generator_url ? labels_dup(a->labels, &out->labels) : -ENOMEM;
    if (!rc) rc = labels_dup(a->annotations, &out->annotations);
    if (rc) release_alert(out);
    return rc;
}

/* The group has something to say: a new one waits, a known one keeps its pace. */
static void schedule(struct alert_group *g, const struct alert *a, int64_t now_ms)
{
    const struct route *r = g->route;
    int64_t due;
    if (g->flushed_ms)
        due = MAX(g->flushed_ms + r->group_interval_ms, now_ms);
    else if (a->starts_ms + r->group_wait_ms < now_ms)
        due = now_ms; /* it has waited long enough already, before we knew it */
    else
        due = now_ms + r->group_wait_ms;
    g->next_flush_ms = MIN(g->next_flush_ms, due);
}

static int put_into(struct alert_group *g, const struct alert *a, uint64_t fingerprint,
                    int64_t now_ms)
{
    struct group_alert *known = find_alert(g, fingerprint);
    bool changed = !known || !known->ends_ms != !a->ends_ms;
    if (!known && a->ends_ms) return 0; /* resolved before we ever heard of it */
    struct group_alert fresh;
    int rc = copy_alert(&fresh, a, fingerprint, now_ms);
    if (rc) return rc;
    if (known) {
        release_alert(known);
        *known = fresh;
    } else {
        void *alerts = g->alerts;
        rc = mem_grow(&alerts, &g->alert_cap, g->alert_count + 1, ALERTS_PER_GROUP_MAX,
                      sizeof *g->alerts);
        g->alerts = alerts;
        if (rc) {
            release_alert(&fresh);
            return rc;
        }
        g->alerts[g->alert_count++] = fresh;
    }
    g->dirty = true;
    if (changed) schedule(g, a, now_ms);
    return 0;
}

struct put {
    struct dispatch *d;
    const struct alert *alert;
    uint64_t fingerprint;
    int64_t now_ms;
};

static int put_on_route(void *arg, const struct route *r)
{
    struct put *p = arg;
    struct label_builder b;
    struct labels labels;
    int rc = group_labels(r, p->alert->labels, &b, &labels);
    if (rc) return rc;
    char *key = group_key(r, labels);
    if (!key) return -ENOMEM;
    struct alert_group *g = find_group(p->d, key, r->receiver->name);
    if (g || p->alert->ends_ms)
        mem_free(key);
    else
        rc = add_group(p->d, r, labels, key, &g);
    return g && !rc ? put_into(g, p->alert, p->fingerprint, p->now_ms) : rc;
}

int dispatch_put(struct dispatch *d, const struct alert *a, int64_t now_ms)
{
    struct put p = {d, a, labels_fingerprint(a->labels), now_ms};
    return alerting_routes(d->config, a->labels, put_on_route, &p);
}

/* --- configuration --- */

struct wanted {
    const struct alert_group *group;
    const struct route *route;
};

static int match_key(void *arg, const struct route *r)
{
    struct wanted *w = arg;
    size_t len = strlen(r->key);
    bool same = !strncmp(w->group->key, r->key, len) && w->group->key[len] == ':' &&
                !strcmp(w->group->receiver, r->receiver->name);
    if (same && !w->route) w->route = r;
    return 0;
}

static void each_route(const struct route *r, route_visit_fn *each, void *arg)
{
    each(arg, r);
    for (size_t i = 0; i < r->child_count; i++)
        each_route(&r->children[i], each, arg);
}

void dispatch_configure(struct dispatch *d, const struct alerting_config *c)
{
    d->config = c;
    for (size_t i = 0; i < GROUP_BUCKETS; i++)
        for (struct alert_group *g = d->buckets[i], *next; g; g = next) {
            next = g->next;
            struct wanted w = {g, NULL};
            if (c && c->root) each_route(c->root, match_key, &w);
            if (!w.route || set_route(g, w.route)) unlink_group(d, g);
        }
}

/* --- flushing --- */

static int by_job_instance(const void *a, const void *b)
{
    const struct group_alert *x = *(const struct group_alert *const *)a;
    const struct group_alert *y = *(const struct group_alert *const *)b;
    static const struct str first[] = {STR("job"), STR("instance")};
    for (size_t i = 0; i < COUNT(first); i++) {
        int c = str_cmp(labels_get(x->labels, first[i]), labels_get(y->labels, first[i]));
        if (c) return c;
    }
    return labels_cmp(x->labels, y->labels);
}

struct flush {
    struct alert_group *group;
    int64_t now_ms;
    struct fingerprint_set firing, resolved;
    const struct group_alert **alerts; /* firing and resolved, sorted */
    const struct group_alert **firing_only;
    size_t firing_count;
};

static int gather(struct flush *f)
{
    struct alert_group *g = f->group;
    f->alerts = mem_array(g->alert_count + 1, sizeof(struct group_alert *));
    f->firing_only = mem_array(g->alert_count + 1, sizeof(struct group_alert *));
    if (!f->alerts || !f->firing_only) return -ENOMEM;
    for (size_t i = 0; i < g->alert_count; i++) {
        struct group_alert *a = &g->alerts[i];
        if (!a->ends_ms && f->now_ms - a->updated_ms > RESOLVE_TIMEOUT_MS)
            a->ends_ms = a->updated_ms + RESOLVE_TIMEOUT_MS;
        int rc = fingerprint_set_add(a->ends_ms ? &f->resolved : &f->firing, a->fingerprint);
        if (rc) return rc;
        f->alerts[i] = a;
    }
    qsort(f->alerts, g->alert_count, sizeof *f->alerts, by_job_instance);
    for (size_t i = 0; i < g->alert_count; i++)
        if (!f->alerts[i]->ends_ms) f->firing_only[f->firing_count++] = f->alerts[i];
    return 0;
}

/* Why a message is due to an integration, or NULL (fact sheet, "Grouping and timing"). */
static const char *reason_to_send(const struct flush *f, const struct dedup_entry *e,
                                  const struct webhook_config *w)
{
    if (!e->sent_ms) return f->firing.count ? "first notification" : NULL;
    if (!fingerprint_set_contains(&e->firing, &f->firing)) return "new alerts added";
    if (!f->firing.count) {
        if (!e->firing.count) return NULL;
        return "all alerts resolved";
    }
    if (w->send_resolved && !fingerprint_set_contains(&e->resolved, &f->resolved))
        return "some alerts resolved";
    if (f->now_ms - e->sent_ms >= f->group->route->repeat_interval_ms)
        return "repeat interval elapsed";
    return NULL;
}

static int notify_integration(struct flush *f, size_t i, notification_fn *each, void *arg)
{
    struct alert_group *g = f->group;
    const struct webhook_config *w = &g->route->receiver->webhooks[i];
    struct dedup_entry *e = &g->dedup[i];
    const char *reason = reason_to_send(f, e, w);
    if (!reason) return 0;
    struct notification n = {
        .group = g,
        .webhook = w,
        .integration = i,
        .alerts = w->send_resolved ? f->alerts : f->firing_only,
        .alert_count = w->send_resolved ? g->alert_count : f->firing_count,
        .firing = f->firing.count > 0,
        .reason = reason,
    };
    int rc = n.alert_count ? each(arg, &n) : 0;
    if (!rc) rc = fingerprint_set_copy(&e->firing, &f->firing);
    if (!rc) rc = fingerprint_set_copy(&e->resolved, &f->resolved);
    if (!rc) e->sent_ms = f->now_ms;
    return rc;
}

static void drop_resolved(struct alert_group *g)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->alert_count; i++) {
        if (g->alerts[i].ends_ms)
            release_alert(&g->alerts[i]);
        else
            g->alerts[kept++] = g->alerts[i];
    }
    g->alert_count = kept;
}

/* With a zero interval only the repeat, or an alert nobody confirms, is left to wait for. */
static int64_t next_flush(const struct alert_group *g, int64_t now_ms)
{
    if (!g->alert_count) return INT64_MAX;
    if (g->route->group_interval_ms) return now_ms + g->route->group_interval_ms;
    return now_ms + MIN(g->route->repeat_interval_ms, (int64_t)RESOLVE_TIMEOUT_MS);
}

static int flush_group(struct alert_group *g, int64_t now_ms, notification_fn *each, void *arg)
{
    struct flush f = {.group = g, .now_ms = now_ms};
    int rc = gather(&f);
    if (!rc) g->flush_seq++;
    for (size_t i = 0; !rc && i < g->route->receiver->webhook_count; i++)
        rc = notify_integration(&f, i, each, arg);
    if (!rc) {
        drop_resolved(g);
        g->flushed_ms = now_ms;
        g->next_flush_ms = next_flush(g, now_ms);
        g->dirty = true;
    } else {
        g->next_flush_ms = now_ms + 1000; /* out of memory, or the journal is full: try again */
    }
    mem_free(f.alerts);
    mem_free(f.firing_only);
    fingerprint_set_release(&f.firing);
    fingerprint_set_release(&f.resolved);
    return rc;
}

int dispatch_flush(struct dispatch *d, int64_t now_ms, notification_fn *each, flushed_fn *flushed,
                   void *arg)
{
    int result = 0;
    for (size_t i = 0; i < GROUP_BUCKETS; i++)
        for (struct alert_group *g = d->buckets[i], *next; g; g = next) {
            next = g->next;
            if (g->next_flush_ms > now_ms) continue;
            int rc = flush_group(g, now_ms, each, arg);
            if (!rc) rc = flushed(arg, g);
            if (rc && !result) result = rc;
            if (!rc && !g->alert_count) unlink_group(d, g);
        }
    return result;
}

int64_t dispatch_next_ms(const struct dispatch *d)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < GROUP_BUCKETS; i++)
        for (const struct alert_group *g = d->buckets[i]; g; g = g->next)
            next = MIN(next, g->next_flush_ms);
    return next;
}

int dispatch_groups(struct dispatch *d, flushed_fn *each, void *arg)
{
    for (size_t i = 0; i < GROUP_BUCKETS; i++)
        for (struct alert_group *g = d->buckets[i]; g; g = g->next) {
            int rc = each(arg, g);
            if (rc) return rc;
        }
    return 0;
}
