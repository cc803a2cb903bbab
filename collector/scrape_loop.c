/* scrape_loop.c -- when targets are scraped, and what becomes of each scrape.
 *
 * One thread, one lock. The thread holds the lock while it starts requests and while it handles an
 * answer, never while it waits for the network; apply and the visitors take it in between. Only
 * the thread touches the HTTP client: a target that leaves is put on a list, and the thread ends
 * its request, marks its series and frees it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/scrape_loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "collector/scrape_int.h"
#include "core/mem.h"

enum {
    IDLE_MS = 1000, /* how long the thread waits when nothing is due */
    REQUEST_MAX_BYTES = 256 << 10,
    NS_PER_MS = 1000000,
};

struct scrape_loop {
    struct env *env;
    char *user_agent;
    struct httpc *http; /* the thread's */
    pthread_t thread;
    bool started;
    _Atomic int stop;

    pthread_mutex_t lock; /* everything below */
    struct scrape_target **targets;
    size_t count;
    struct scrape_target *leaving;
    struct scrape_store store;
    struct arena request; /* of the request being started */
    struct scrape_stats stats;
};

/* --- one scrape ---------------------------------------------------------------------------------
 */

static void note_health(struct scrape_loop *l, struct scrape_target *t, const struct errmsg *why)
{
    int64_t mono = env_mono_ns(l->env);
    t->scraped = true;
    t->up = !why;
    t->last_scrape_ms = t->slot_ms;
    snprintf(t->last_error, sizeof t->last_error, "%.250s", why ? why->text : "");
    l->stats.failures += !t->up;
    if (why)
        complain(&t->complaint, mono, "scrape failed", "job=%s target=%s err=\"%s\" next_ms=%lld",
                 t->c.job_name, t->url, why->text, (long long)t->c.interval_ms);
    else
        complain_over(&t->complaint, mono, "scrape works again");
}

/* The answer as samples: 0 and counts, or what is wrong with it. */
static int take_answer(struct scrape_loop *l, struct scrape_target *t,
                       const struct httpc_response *r, struct scrape_counts *counts,
                       struct errmsg *err)
{
    if (r->rc == E_TOO_BIG)
        return errmsg_set(err, r->rc, "body_size_limit exceeded: more than %lld bytes",
                          (long long)t->c.body_size_limit);
    if (r->rc == E_TIMEOUT)
        return errmsg_set(err, r->rc, "no answer within %lld ms", (long long)t->c.timeout_ms);
    if (r->rc < 0) return errmsg_set(err, r->rc, "%s", r->error[0] ? r->error : err_text(r->rc));
    if (r->status != 200)
        return errmsg_set(err, E_UNAVAILABLE, "server returned HTTP status %d", r->status);
    int rc = scrape_store_body(&l->store, t, r->body, expo_format_of(r->content_type), counts, err);
    if (rc == E_PARSE && err->line) {
        struct errmsg at = *err;
        errmsg_set(err, rc, "line %d: %.400s", at.line, at.text);
    }
    return rc;
}

static void finish_scrape(struct scrape_loop *l, struct scrape_target *t,
                          const struct httpc_response *r)
{
    struct scrape_counts counts = {0};
    struct errmsg err = {0};
    int rc = take_answer(l, t, r, &counts, &err);
    if (rc < 0) {
        counts.added = 0;
        scrape_store_stale(&l->store, t, t->slot_ms);
    }
    double body_size = rc == 0 || r->rc == 0 ? (double)r->body.len : r->rc == E_TOO_BIG ? -1 : 0;
    const double reports[REPORT_COUNT] = {
        [REPORT_UP] = rc == 0,
        [REPORT_DURATION] = (double)r->elapsed_ns / 1e9,
        [REPORT_SAMPLES] = (double)counts.samples,
        [REPORT_POST_RELABEL] = (double)counts.post_relabel,
        [REPORT_ADDED] = (double)counts.added,
        [REPORT_BODY_SIZE] = body_size,
    };
    scrape_store_reports(&l->store, t, t->slot_ms, reports);
    t->last_duration_seconds = reports[REPORT_DURATION];
    t->last_samples = counts.samples;
    l->stats.timeouts += r->rc == E_TIMEOUT;
    note_health(l, t, rc < 0 ? &err : NULL);
}

static void scrape_done(void *arg, const struct httpc_response *r)
{
    struct scrape_target *t = arg;
    struct scrape_loop *l = t->loop;
    pthread_mutex_lock(&l->lock);
    t->in_flight = false;
    if (r->rc != E_CANCELED) finish_scrape(l, t, r);
    pthread_mutex_unlock(&l->lock);
}

static void start_scrape(struct scrape_loop *l, struct scrape_target *t)
{
    struct httpc_request request;
    struct errmsg err = {0};
    arena_reset(&l->request);
    l->stats.scrapes++;
    int rc = scrape_target_request(t, l->env, l->user_agent, &l->request, &request, &err);
    if (rc == 0) rc = httpc_start(l->http, &request, NULL, scrape_done, t, &t->request);
    t->in_flight = rc == 0;
    if (rc == 0) return;
    struct httpc_response r = {.rc = rc, .content_type = ""};
    snprintf(r.error, sizeof r.error, "%.200s", err.text[0] ? err.text : err_text(rc));
    finish_scrape(l, t, &r);
}

/* --- the schedule -------------------------------------------------------------------------------
 */

/* The first slot after now: a multiple of the interval, plus the target's phase. */
static int64_t slot_after(const struct scrape_target *t, int64_t now_ms)
{
    int64_t interval = t->c.interval_ms, since = now_ms - t->offset_ms;
    int64_t floor = since - ((since % interval) + interval) % interval;
    return floor + interval + t->offset_ms;
}

/* Starts what is due and returns when to look again. */
static int64_t start_due(struct scrape_loop *l, int64_t now_ms)
{
    int64_t first = now_ms + IDLE_MS;
    for (size_t i = 0; i < l->count; i++) {
        struct scrape_target *t = l->targets[i];
        int64_t interval = t->c.interval_ms;
        /* new, or the clock was set back */
        if (t->next_ms == 0 || t->next_ms > now_ms + 2 * interval)
            t->next_ms = slot_after(t, now_ms);
        if (t->next_ms <= now_ms) {
            int64_t missed = (now_ms - t->next_ms) / interval;
            int64_t slot = t->next_ms + missed * interval;
            t->next_ms = slot + interval;
            l->stats.skipped += (uint64_t)(missed + t->in_flight);
            if (!t->in_flight) {
                t->slot_ms = slot;
                start_scrape(l, t);
            }
        }
        first = MIN(first, t->next_ms);
    }
    return first;
}

static void let_go(struct scrape_loop *l)
{
    while (l->leaving) {
        struct scrape_target *t = l->leaving;
        l->leaving = t->next;
        if (t->in_flight) {
            /* its callback takes the lock */
            pthread_mutex_unlock(&l->lock);
            httpc_cancel(l->http, t->request);
            pthread_mutex_lock(&l->lock);
        }
        scrape_store_leave(&l->store, t, env_now_ms(l->env));
        scrape_target_free(t);
    }
}

static void *run(void *arg)
{
    struct scrape_loop *l = arg;
    while (!atomic_load(&l->stop)) {
        pthread_mutex_lock(&l->lock);
        let_go(l);
        int64_t now_ms = env_now_ms(l->env);
        int64_t first_ms = start_due(l, now_ms);
        pthread_mutex_unlock(&l->lock);
        int64_t wait_ms = MAX(first_ms - env_now_ms(l->env), 0);
        if (httpc_run(l->http, env_mono_ns(l->env) + wait_ms * NS_PER_MS) < 0) {
            log_error("scraping: the HTTP client fails", "next_ms=%d", IDLE_MS);
            l->env->time->sleep_until(l->env, env_mono_ns(l->env) + (int64_t)IDLE_MS * NS_PER_MS,
                                      NULL);
        }
    }
    return NULL;
}

/* --- public -------------------------------------------------------------------------------------
 */

int scrape_loop_new(struct scrape_loop **out, struct tsdb *db, struct env *env,
                    const char *user_agent, struct errmsg *err)
{
    struct scrape_loop *l = mem_zalloc(sizeof *l);
    if (!l) return errmsg_set(err, -ENOMEM, "scraping: %s", err_text(-ENOMEM));
    l->env = env;
    pthread_mutex_init(&l->lock, NULL);
    scrape_store_init(&l->store, db);
    arena_init(&l->request, REQUEST_MAX_BYTES);
    l->user_agent = mem_strndup(user_agent, strlen(user_agent));
    int rc = l->user_agent ? httpc_new(&l->http, env) : -ENOMEM;
    if (rc == 0) rc = -pthread_create(&l->thread, NULL, run, l);
    l->started = rc == 0;
    if (rc < 0) {
        scrape_loop_free(l);
        return errmsg_set(err, rc, "scraping: %s", err_text(rc));
    }
    *out = l;
    return 0;
}

/* A target that is scraped otherwise from now on, but into the same series: what the store knows of
 * it moves over, so that nothing is marked stale in between. */
static void inherit(struct scrape_target *t, struct scrape_target *old)
{
    struct scrape_cache empty = {0};
    t->cache = old->cache;
    t->format = old->format;
    t->reported = old->reported;
    memcpy(t->reports, old->reports, sizeof t->reports);
    t->scraped = old->scraped;
    t->up = old->up;
    t->last_scrape_ms = old->last_scrape_ms;
    t->last_duration_seconds = old->last_duration_seconds;
    t->last_samples = old->last_samples;
    memcpy(t->last_error, old->last_error, sizeof t->last_error);
    old->cache = empty;
    old->reported = false;
}

static void leave(struct scrape_loop *l, struct scrape_target *t)
{
    t->next = l->leaving;
    l->leaving = t;
}

/* Puts targets that stay in the place of their new twins and leaves the other old ones to the
 * thread. */
static void merge(struct scrape_loop *l, struct scrape_target **targets, size_t count)
{
    for (size_t i = 0; i < l->count; i++) {
        struct scrape_target *old = l->targets[i];
        size_t k = 0;
        while (k < count && targets[k]->place != old->place)
            k++;
        if (k < count && targets[k]->id == old->id) {
            scrape_target_free(targets[k]);
            targets[k] = old;
            continue;
        }
        if (k < count && targets[k]->c.honor_labels == old->c.honor_labels)
            inherit(targets[k], old);
        leave(l, old);
    }
    mem_free(l->targets);
    l->targets = targets;
    l->count = count;
    for (size_t i = 0; i < count; i++)
        targets[i]->loop = l;
}

int scrape_loop_apply(struct scrape_loop *l, const struct scrape_config *c, size_t count,
                      struct labels extra, struct errmsg *err)
{
    struct scrape_target **targets = NULL;
    size_t target_count = 0;
    int rc = scrape_targets_new(c, count, extra, &targets, &target_count, err);
    if (rc < 0) return rc;
    pthread_mutex_lock(&l->lock);
    merge(l, targets, target_count);
    pthread_mutex_unlock(&l->lock);
    httpc_wake(l->http);
    return 0;
}

int scrape_loop_targets(struct scrape_loop *l, target_visit_fn *each, void *arg)
{
    int rc = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->count && rc == 0; i++) {
        const struct scrape_target *t = l->targets[i];
        struct target_status s = {
            .job = t->job,
            .scrape_pool = t->c.job_name,
            .url = t->url,
            .labels = t->labels,
            .discovered_labels = t->discovered,
            .last_error = t->last_error,
            .last_scrape_ms = t->last_scrape_ms,
            .last_duration_seconds = t->last_duration_seconds,
            .health = !t->scraped ? "unknown"
                      : t->up     ? "up"
                                  : "down",
            .interval_ms = t->c.interval_ms,
            .timeout_ms = t->c.timeout_ms,
            .samples = t->last_samples,
            .lines = &t->cache,
            .format = (int)t->format,
        };
        rc = each(arg, &s);
    }
    pthread_mutex_unlock(&l->lock);
    return rc;
}

void scrape_loop_stats(struct scrape_loop *l, struct scrape_stats *out)
{
    pthread_mutex_lock(&l->lock);
    *out = l->stats;
    out->targets = l->count;
    out->samples = l->store.stored;
    out->dropped_samples = l->store.dropped;
    for (size_t i = 0; i < l->count; i++) {
        const struct scrape_target *t = l->targets[i];
        out->targets_up += t->up;
        out->series += t->cache.count;
        out->cache_hits += t->cache.hits;
        out->cache_misses += t->cache.misses;
    }
    pthread_mutex_unlock(&l->lock);
}

void scrape_loop_free(struct scrape_loop *l)
{
    if (!l) return;
    if (l->started) {
        atomic_store(&l->stop, 1);
        httpc_wake(l->http);
        pthread_join(l->thread, NULL);
    }
    httpc_free(l->http);
    for (size_t i = 0; i < l->count; i++)
        scrape_target_free(l->targets[i]);
    while (l->leaving) {
        struct scrape_target *t = l->leaving;
        l->leaving = t->next;
        scrape_target_free(t);
    }
    mem_free(l->targets);
    scrape_store_release(&l->store);
    arena_release(&l->request);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->user_agent);
    mem_free(l);
}
