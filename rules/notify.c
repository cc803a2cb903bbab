/* notify.c -- the notifier: dispatch and outbox made durable, and the thread that delivers.
 *
 * One lock guards dispatch and outbox; it is never held across I/O. One thread writes the journal
 * and drives the HTTP client. Journal records:
 *
 *     GROUP  a group's state (dispatch_state.c); the latest of a key counts
 *     FLUSH  str group record, count, outbox entries: a decision and its messages, atomically
 *     DONE   u64 seq: delivered
 *     DEAD   u64 seq, str reason: given up
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "core/httpc.h"
#include "core/journal.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/pack.h"
#include "rules/dispatch.h"
#include "rules/outbox.h"
#include "rules/webhook.h"

enum { RECORD_GROUP = 1, RECORD_FLUSH, RECORD_DONE, RECORD_DEAD };
enum {
    BODY_MAX = 8 << 20,
    RECORD_MAX = 16 << 20,
    COMPACT_BYTES = 4 << 20,
    IN_FLIGHT_MAX = 64,
    ANSWER_MAX = 64 << 10,
    TICK_MS = 1000,
    RETRY_MS = 1000, /* after trouble with the journal */
};

struct notifier {
    struct env *env;
    char *external_url, *user_agent;
    struct journal *journal;
    struct httpc *http;
    pthread_t thread;
    bool running;
    int stop;
    struct complaint journal_complaint, queue_complaint; /* of the thread */

    pthread_mutex_t lock; /* everything below */
    const struct alerting_config *config;
    struct dispatch dispatch;
    struct outbox outbox;
    bool ready;
    struct notifier_stats stats;
    uint64_t durable_lsn;
    uint64_t compacted_bytes; /* size after the last rewrite */
    /* messages of the group being flushed */
    struct outbox_entry *flushing;
    size_t flushing_count, flushing_cap;
};

/* --- replay --- */

static int replay_flush(struct notifier *n, struct str payload)
{
    struct unpack u = {.rest = payload};
    struct str group = unpack_str(&u);
    size_t count = unpack_count(&u);
    int rc = u.bad ? E_CORRUPT : 0;
    if (!rc && group.len) rc = dispatch_unpack_group(&n->dispatch, group);
    for (size_t i = 0; !rc && i < count; i++)
        rc = outbox_unpack(&n->outbox, unpack_str(&u));
    return rc;
}

static void replay_end(struct notifier *n, struct str payload)
{
    struct unpack u = {.rest = payload};
    struct outbox_entry *e = outbox_find(&n->outbox, unpack_u64(&u));
    if (e) outbox_remove(&n->outbox, e);
}

static int replay(void *arg, uint8_t type, uint64_t lsn, struct str payload)
{
    struct notifier *n = arg;
    UNUSED(lsn);
    int rc = 0;
    if (type == RECORD_GROUP)
        rc = dispatch_unpack_group(&n->dispatch, payload);
    else if (type == RECORD_FLUSH)
        rc = replay_flush(n, payload);
    else if (type == RECORD_DONE || type == RECORD_DEAD)
        replay_end(n, payload);
    if (rc == -ENOMEM) return rc;
    if (rc) log_warn("notification record skipped", "type=%d err=\"%s\"", type, err_text(rc));
    return 0;
}

/* --- flushing groups: decisions and messages into the journal --- */

static void forget_flushing(struct notifier *n)
{
    for (size_t i = 0; i < n->flushing_count; i++) {
        mem_free(n->flushing[i].body);
        mem_free(n->flushing[i].receiver);
        mem_free(n->flushing[i].group_key);
    }
    n->flushing_count = 0;
}

static int on_notification(void *arg, const struct notification *m)
{
    struct notifier *n = arg;
    void *v = n->flushing;
    int rc = mem_grow(&v, &n->flushing_cap, n->flushing_count + 1, 10000, sizeof *n->flushing);
    n->flushing = v;
    if (rc) return rc;
    if (n->outbox.depth + n->flushing_count >= OUTBOX_MAX) return E_LIMIT;
    struct buf body = BUF_INIT(BODY_MAX);
    webhook_body(m, n->external_url, &body);
    struct outbox_entry e = {
        .receiver = mem_strndup(m->group->receiver, strlen(m->group->receiver)),
        .group_key = mem_strndup(m->group->key, strlen(m->group->key)),
        .integration = m->integration,
        .created_ms = env_now_ms(n->env),
        .body_len = body.len,
    };
    webhook_id(m, e.id);
    rc = body.err ? body.err : e.receiver && e.group_key ? 0 : -ENOMEM;
    e.body = buf_take(&body);
    n->flushing[n->flushing_count++] = e;
    return rc;
}

static int enqueue(struct notifier *n, uint64_t lsn)
{
    for (size_t i = 0; i < n->flushing_count; i++) {
        struct outbox_entry *added;
        int rc = outbox_add(&n->outbox, &n->flushing[i], &added);
        if (rc) return rc;
        added->lsn = lsn;
    }
    return 0;
}

static int on_flushed(void *arg, struct alert_group *g)
{
    struct notifier *n = arg;
    struct buf record = BUF_INIT(RECORD_MAX), part = BUF_INIT(RECORD_MAX);
    uint64_t lsn = 0;
    for (size_t i = 0; i < n->flushing_count; i++)
        n->flushing[i].seq = n->outbox.next_seq + i;
    dispatch_pack_group(g, &part);
    pack_str(&record, (struct str){part.p, part.len});
    pack_u64(&record, n->flushing_count);
    for (size_t i = 0; i < n->flushing_count; i++) {
        buf_reset(&part);
        outbox_pack(&n->flushing[i], &part);
        pack_str(&record, (struct str){part.p, part.len});
    }
    int rc = record.err ? record.err : part.err;
    if (!rc)
        rc = journal_append(n->journal, RECORD_FLUSH, (struct str){record.p, record.len}, &lsn);
    if (!rc) rc = enqueue(n, lsn);
    if (!rc) g->dirty = false;
    forget_flushing(n);
    buf_release(&part);
    buf_release(&record);
    return rc;
}

static int save_group(void *arg, struct alert_group *g)
{
    struct notifier *n = arg;
    if (!g->dirty) return 0;
    struct buf record = BUF_INIT(RECORD_MAX);
    dispatch_pack_group(g, &record);
    int rc = record.err;
    if (!rc)
        rc = journal_append(n->journal, RECORD_GROUP, (struct str){record.p, record.len}, NULL);
    if (!rc) g->dirty = false;
    buf_release(&record);
    return rc;
}

/* Decides what is due and puts it into the journal's buffer. */
static int decide(struct notifier *n)
{
    int rc = 0;
    pthread_mutex_lock(&n->lock);
    if (n->ready && n->config)
        rc = dispatch_flush(&n->dispatch, env_now_ms(n->env), on_notification, on_flushed, n);
    forget_flushing(n);
    int saved = dispatch_groups(&n->dispatch, save_group, n);
    pthread_mutex_unlock(&n->lock);
    if (!rc) rc = saved;
    int64_t now_ns = env_mono_ns(n->env);
    if (rc)
        complain(&n->queue_complaint, now_ns, "notifications cannot be queued",
                 "err=\"%s\" action=\"trying again\"", err_text(rc));
    else
        complain_over(&n->queue_complaint, now_ns, "notifications are queued again");
    return rc;
}

/* --- the journal --- */

static int write_group(void *arg, struct alert_group *g)
{
    struct buf record = BUF_INIT(RECORD_MAX);
    dispatch_pack_group(g, &record);
    int rc = record.err;
    if (!rc) rc = journal_append(arg, RECORD_GROUP, (struct str){record.p, record.len}, NULL);
    buf_release(&record);
    return rc;
}

static int write_entry(struct journal *j, const struct outbox_entry *e)
{
    struct buf record = BUF_INIT(RECORD_MAX), part = BUF_INIT(RECORD_MAX);
    outbox_pack(e, &part);
    pack_str(&record, (struct str){"", 0}); /* no group */
    pack_u64(&record, 1);
    pack_str(&record, (struct str){part.p, part.len});
    int rc = record.err;
    if (!rc) rc = journal_append(j, RECORD_FLUSH, (struct str){record.p, record.len}, NULL);
    buf_release(&part);
    buf_release(&record);
    return rc;
}

static int write_snapshot(void *arg, struct journal *j)
{
    struct notifier *n = arg;
    int rc = dispatch_groups(&n->dispatch, write_group, j);
    for (struct outbox_entry *e = n->outbox.first; !rc && e; e = e->next)
        rc = write_entry(j, e);
    return rc;
}

static void compact(struct notifier *n)
{
    struct journal_stats s;
    journal_stats(n->journal, &s);
    if (s.bytes < COMPACT_BYTES || s.bytes < 4 * n->compacted_bytes) return;
    pthread_mutex_lock(&n->lock);
    int rc = journal_rewrite(n->journal, write_snapshot, n);
    for (struct outbox_entry *e = n->outbox.first; !rc && e; e = e->next)
        e->lsn = 0; /* durable now */
    pthread_mutex_unlock(&n->lock);
    if (rc) log_warn("notification journal not compacted", "err=\"%s\"", err_text(rc));
    journal_stats(n->journal, &s);
    n->compacted_bytes = s.bytes;
}

/* On disk before the first attempt. A disk that takes nothing must not keep people from hearing of
 * it, so then messages go out unsaved; after a crash the rules tell their alerts again. */
static int make_durable(struct notifier *n)
{
    pthread_mutex_lock(&n->lock);
    uint64_t wanted = 0;
    for (const struct outbox_entry *e = n->outbox.first; e; e = e->next)
        wanted = MAX(wanted, e->lsn);
    pthread_mutex_unlock(&n->lock);
    int rc = journal_sync(n->journal, UINT64_MAX);
    pthread_mutex_lock(&n->lock);
    n->durable_lsn = MAX(n->durable_lsn, wanted);
    pthread_mutex_unlock(&n->lock);
    int64_t now_ns = env_mono_ns(n->env);
    if (rc)
        complain(&n->journal_complaint, now_ns,
                 "notifications cannot be saved; they are still sent", "err=\"%s\"", err_text(rc));
    else
        complain_over(&n->journal_complaint, now_ns, "notifications are saved again");
    return rc;
}

/* --- delivery --- */

struct delivery_job {
    struct notifier *notifier;
    uint64_t seq;
    bool machine;
};

static void end_entry(struct notifier *n, struct outbox_entry *e, uint8_t type, const char *reason)
{
    struct buf record = BUF_INIT(4096);
    pack_u64(&record, e->seq);
    if (type == RECORD_DEAD) pack_str(&record, str_of(reason));
    int rc = record.err;
    if (!rc) rc = journal_append(n->journal, type, (struct str){record.p, record.len}, NULL);
    if (rc) log_warn("delivery not recorded", "id=%s err=\"%s\"", e->id, err_text(rc));
    buf_release(&record);
    outbox_remove(&n->outbox, e);
}

static void give_up(struct notifier *n, struct outbox_entry *e, const char *reason)
{
    log_error("notification given up", "receiver=%s id=%s attempts=%llu reason=\"%s\"", e->receiver,
              e->id, (unsigned long long)e->attempts, reason);
    n->stats.dead_letters++;
    end_entry(n, e, RECORD_DEAD, reason);
}

static void failed(struct notifier *n, struct outbox_entry *e, bool machine,
                   const struct httpc_response *r)
{
    char reason[300];
    if (r->rc)
        snprintf(reason, sizeof reason, "%s", r->error);
    else
        snprintf(reason, sizeof reason, "HTTP status %d", r->status);
    n->stats.failed_attempts++;
    if (delivery_of(r->rc, r->status) == DELIVERY_DEAD) {
        give_up(n, e, reason);
        return;
    }
    const struct retry_policy *policy = machine ? &retry_machines : &retry_people;
    int64_t now_ms = env_now_ms(n->env);
    if (!outbox_retry(e, policy, now_ms, r->retry_after_ms, env_random(n->env))) {
        give_up(n, e, reason);
        return;
    }
    log_warn("notification failed", "receiver=%s id=%s attempt=%llu err=\"%s\" next_ms=%lld",
             e->receiver, e->id, (unsigned long long)e->attempts, reason,
             (long long)(e->next_attempt_ms - now_ms));
}

static void on_delivered(void *arg, const struct httpc_response *r)
{
    struct delivery_job *job = arg;
    struct notifier *n = job->notifier;
    pthread_mutex_lock(&n->lock);
    struct outbox_entry *e = outbox_find(&n->outbox, job->seq);
    if (e && r->rc == E_CANCELED) {
        e->in_flight = false; /* shutting down: the journal still has it */
    } else if (e) {
        e->in_flight = false;
        if (delivery_of(r->rc, r->status) == DELIVERY_DONE) {
            n->stats.delivered++;
            end_entry(n, e, RECORD_DONE, NULL);
        } else {
            failed(n, e, job->machine, r);
        }
    }
    pthread_mutex_unlock(&n->lock);
    mem_free(job);
}

/* The headers of a message; texts live in the arena. */
static const char **headers_of(struct notifier *n, const struct outbox_entry *e,
                               const struct webhook_config *w, struct arena *a)
{
    size_t count = 0;
    const char **h = arena_array(a, 8, sizeof *h);
    if (!h) return NULL;
    int64_t now_s = env_now_ms(n->env) / 1000;
    h[count++] = "Content-Type: application/json";
    h[count++] = arena_printf(a, "User-Agent: %s", n->user_agent);
    h[count++] = arena_printf(a, "webhook-id: %s", e->id);
    h[count++] = arena_printf(a, "webhook-timestamp: %lld", (long long)now_s);
    h[count++] = arena_printf(a, "Idempotency-Key: %s", e->id);
    if (w->bearer_token[0])
        h[count++] = arena_printf(a, "Authorization: Bearer %s", w->bearer_token);
    if (w->secret[0]) {
        struct buf signature = BUF_INIT(256);
        webhook_signature(w->secret, e->id, now_s, (struct str){e->body, e->body_len}, &signature);
        h[count++] = arena_printf(a, "webhook-signature: %s", signature.p ? signature.p : "");
        buf_release(&signature);
    }
    return a->err ? NULL : h;
}

static int start_delivery(struct notifier *n, struct outbox_entry *e, const struct receiver *r,
                          const struct webhook_config *w)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    struct delivery_job *job = mem_alloc(sizeof *job);
    const char **headers = headers_of(n, e, w, &a);
    int rc = job && headers ? 0 : -ENOMEM;
    struct httpc_request request = {
        .method = "POST",
        .url = w->url,
        .headers = headers,
        .body = {e->body, e->body_len},
        .timeout_ms = w->timeout_ms,
        .max_body = ANSWER_MAX,
        .username = w->username,
        .password = w->password,
        .tls = w->has_tls ? &w->tls : NULL,
    };
    if (!rc) {
        *job = (struct delivery_job){n, e->seq, r->machine};
        rc = httpc_start(n->http, &request, NULL, on_delivered, job, NULL);
    }
    if (rc)
        mem_free(job);
    else
        e->in_flight = true;
    arena_release(&a);
    return rc;
}

/* Starts every delivery that is due. */
static void send_due(struct notifier *n)
{
    pthread_mutex_lock(&n->lock);
    while (n->config && httpc_in_flight(n->http) < IN_FLIGHT_MAX) {
        struct outbox_entry *e = outbox_due(&n->outbox, env_now_ms(n->env), n->durable_lsn);
        if (!e) break;
        const struct receiver *r = alerting_receiver(n->config, str_of(e->receiver));
        if (!r || e->integration >= r->webhook_count) {
            give_up(n, e, "the receiver is no longer configured");
            continue;
        }
        e->attempts++;
        n->stats.attempts++;
        int rc = start_delivery(n, e, r, &r->webhooks[e->integration]);
        if (!rc) continue;
        struct httpc_response failure = {.rc = rc, .retry_after_ms = -1};
        snprintf(failure.error, sizeof failure.error, "%s", err_text(rc));
        failed(n, e, r->machine, &failure);
    }
    pthread_mutex_unlock(&n->lock);
}

static int64_t next_deadline_ns(struct notifier *n)
{
    pthread_mutex_lock(&n->lock);
    int64_t next_ms = outbox_next_ms(&n->outbox);
    if (n->ready && n->config) next_ms = MIN(next_ms, dispatch_next_ms(&n->dispatch));
    pthread_mutex_unlock(&n->lock);
    int64_t wait_ms = next_ms - MIN(env_now_ms(n->env), next_ms);
    return env_mono_ns(n->env) + MIN(wait_ms, (int64_t)TICK_MS) * 1000000;
}

static void *notifier_main(void *arg)
{
    struct notifier *n = arg;
    while (!__atomic_load_n(&n->stop, __ATOMIC_ACQUIRE)) {
        int decided = decide(n);
        int saved = make_durable(n);
        send_due(n);
        compact(n);
        int64_t until_ns = next_deadline_ns(n);
        if (decided || saved) /* what is due stays due: not at once again */
            until_ns = MAX(until_ns, env_mono_ns(n->env) + RETRY_MS * INT64_C(1000000));
        if (httpc_run(n->http, until_ns) < 0)
            env_sleep_until(n->env, env_mono_ns(n->env) + INT64_C(100000000), &n->stop);
    }
    return NULL;
}

/* --- life cycle --- */

static void free_notifier(struct notifier *n)
{
    httpc_free(n->http);
    if (n->journal && journal_close(n->journal))
        log_error("notification journal not closed cleanly");
    forget_flushing(n);
    mem_free(n->flushing);
    dispatch_release(&n->dispatch);
    outbox_release(&n->outbox);
    pthread_mutex_destroy(&n->lock);
    mem_free(n->external_url);
    mem_free(n->user_agent);
    mem_free(n);
}

static int open_journal(struct notifier *n, const char *state_dir, struct errmsg *err)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/notify.journal", state_dir);
    if (len < 0 || (size_t)len >= sizeof path)
        return errmsg_set(err, -ENAMETOOLONG, "state folder: name too long");
    int rc = env_make_dirs(n->env, state_dir, 0700);
    if (rc) return errmsg_set(err, rc, "cannot make %s: %s", state_dir, err_text(rc));
    return journal_open(&n->journal, n->env, path, replay, n, err);
}

int notifier_open(struct notifier **out, struct env *env, const struct notifier_options *o,
                  struct errmsg *err)
{
    *out = NULL;
    struct notifier *n = mem_zalloc(sizeof *n);
    if (!n) return errmsg_set(err, -ENOMEM, "out of memory");
    n->env = env;
    pthread_mutex_init(&n->lock, NULL);
    dispatch_init(&n->dispatch);
    outbox_init(&n->outbox);
    struct buf agent = BUF_INIT(256);
    buf_addf(&agent, "tocsin/%s", o->version);
    n->user_agent = buf_take(&agent);
    n->external_url = mem_strndup(o->external_url, strlen(o->external_url));
    int rc = n->user_agent && n->external_url ? 0 : -ENOMEM;
    if (!rc) rc = open_journal(n, o->state_dir, err);
    if (!rc) rc = httpc_new(&n->http, env);
    if (!rc) rc = -pthread_create(&n->thread, NULL, notifier_main, n);
    if (rc) {
        if (err && !err->text[0])
            errmsg_set(err, rc, "cannot start the notifier: %s", err_text(rc));
        free_notifier(n);
        return rc;
    }
    n->running = true;
    *out = n;
    return 0;
}

int notifier_apply(struct notifier *n, const struct alerting_config *c, struct errmsg *err)
{
    UNUSED(err);
    pthread_mutex_lock(&n->lock);
    n->config = c;
    dispatch_configure(&n->dispatch, c);
    pthread_mutex_unlock(&n->lock);
    httpc_wake(n->http);
    return 0;
}

void notifier_close(struct notifier *n)
{
    if (!n) return;
    if (n->running) {
        __atomic_store_n(&n->stop, 1, __ATOMIC_RELEASE);
        env_wake(n->env);
        httpc_wake(n->http);
        pthread_join(n->thread, NULL);
        (void)decide(
            n); /* what became due meanwhile is written down and goes out at the next start */
    }
    free_notifier(n);
}

int notifier_put(struct notifier *n, const struct alert *alerts, size_t count)
{
    int rc = 0;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < count; i++) {
        int one = dispatch_put(&n->dispatch, &alerts[i], env_now_ms(n->env));
        if (one && !rc) rc = one;
    }
    pthread_mutex_unlock(&n->lock);
    httpc_wake(n->http);
    return rc;
}

void notifier_ready(struct notifier *n)
{
    pthread_mutex_lock(&n->lock);
    n->ready = true;
    pthread_mutex_unlock(&n->lock);
    httpc_wake(n->http);
}

void notifier_stats(struct notifier *n, struct notifier_stats *out)
{
    struct journal_stats j;
    journal_stats(n->journal, &j);
    pthread_mutex_lock(&n->lock);
    *out = n->stats;
    out->groups = n->dispatch.group_count;
    out->outbox_depth = n->outbox.depth;
    out->outbox_oldest_ms = n->outbox.first ? n->outbox.first->created_ms : 0;
    out->journal_bytes = j.bytes;
    pthread_mutex_unlock(&n->lock);
}

void notifier_print(struct notifier *n, struct json *j)
{
    pthread_mutex_lock(&n->lock);
    json_arr(j);
    for (size_t i = 0; n->config && i < n->config->receiver_count; i++) {
        const struct receiver *r = &n->config->receivers[i];
        size_t waiting = 0;
        for (const struct outbox_entry *e = n->outbox.first; e; e = e->next)
            waiting += !strcmp(e->receiver, r->name);
        json_obj(j);
        json_key(j, "name");
        json_cstr(j, r->name);
        json_key(j, "integrations");
        json_uint(j, r->webhook_count);
        json_key(j, "waiting");
        json_uint(j, waiting);
        json_end(j);
    }
    json_end(j);
    pthread_mutex_unlock(&n->lock);
}
