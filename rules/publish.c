/* publish.c -- makes alert states durable, then tells the notifier: in that order, so that every
 * alert it ever heard of is found again after a crash, and its end can be told.
 *
 * One thread does both; evaluations only add to a queue and set a rule's dirty mark. A slow disk
 * therefore delays no evaluation. When the journal fails, alerts are still told.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "core/mem.h"
#include "rules/engine_int.h"

enum { QUEUE_MAX = 100000, BATCH = 64, REWRITE_LEAST_BYTES = 1 << 20 };
#define RETRY_NS INT64_C(1000000000)

/* An alert on its way; texts are its own. */
struct outgoing {
    struct labels labels, annotations;
    char *url;
    int64_t starts_ms, ends_ms;
    double value;
    struct outgoing *next;
};

struct publisher {
    struct rules_engine *engine;
    struct env *env;
    struct journal *journal; /* NULL when it could not be opened */
    struct saved_rule *saved;
    size_t saved_count, saved_cap;
    uint64_t rewritten_bytes;
    struct complaint journal_complaint, notifier_complaint;
    pthread_t thread;
    bool running;

    pthread_mutex_t lock;
    pthread_cond_t work;
    struct outgoing *first, **last;
    size_t queued;
    bool woken, stop, ready; /* ready: notifier_ready is due */
    int stop_flag;           /* the same for sleeping, atomic */
};

/* --- saved states --- */

static struct saved_rule *find_saved(struct publisher *p, uint64_t key)
{
    for (size_t i = 0; i < p->saved_count; i++)
        if (p->saved[i].key == key) return &p->saved[i];
    return NULL;
}

static int replay(void *arg, uint8_t type, uint64_t lsn, struct str payload)
{
    struct publisher *p = arg;
    struct saved_rule s;
    UNUSED(lsn);
    if (type != STATE_RECORD_RULE) return 0; /* of a later version */
    int rc = state_decode(payload, &s);
    if (rc == -ENOMEM) return rc;
    if (rc < 0) {
        log_warn("a saved rule state makes no sense; it is left out", "err=%s", err_text(rc));
        return 0;
    }
    struct saved_rule *old = find_saved(p, s.key);
    if (old) {
        alert_state_release(&old->alerts);
        *old = s;
        return 0;
    }
    if (mem_grow((void **)&p->saved, &p->saved_cap, p->saved_count + 1, SIZE_MAX / sizeof s,
                 sizeof s) < 0) {
        alert_state_release(&s.alerts);
        return -ENOMEM;
    }
    p->saved[p->saved_count++] = s;
    return 0;
}

bool publisher_claim(struct publisher *p, uint64_t key, struct alert_state *out)
{
    struct saved_rule *s = find_saved(p, key);
    if (!s || s->claimed || s->alerts.count == 0) return false;
    s->claimed = true;
    *out = s->alerts;
    s->alerts = (struct alert_state){0};
    return true;
}

void publisher_orphans(struct publisher *p,
                       void (*each)(void *arg, uint64_t key, struct alert_state *alerts), void *arg)
{
    for (size_t i = 0; i < p->saved_count; i++) {
        struct saved_rule *s = &p->saved[i];
        if (!s->claimed && s->alerts.count > 0) each(arg, s->key, &s->alerts);
        alert_state_release(&s->alerts);
    }
    mem_free(p->saved);
    p->saved = NULL;
    p->saved_count = p->saved_cap = 0;
}

/* --- the queue --- */

static void outgoing_free(struct outgoing *o)
{
    labels_free_dup(&o->labels);
    labels_free_dup(&o->annotations);
    mem_free(o->url);
    mem_free(o);
}

static int copy_labels(struct labels ls, struct labels external, struct labels *out)
{
    struct label_builder b;
    label_builder_init(&b, external);
    for (size_t i = 0; i < ls.count; i++)
        label_builder_set(&b, ls.v[i].name, ls.v[i].value);
    struct labels all = label_builder_view(&b);
    return b.err ? b.err : labels_dup(all, out);
}

static int64_t wall_of(int64_t steady_ms, int64_t stepped_ms)
{
    return steady_ms == ALERT_NEVER ? 0 : steady_ms + stepped_ms;
}

int publisher_add(struct publisher *p, const struct alert_item *a, struct labels external,
                  const char *generator_url, int64_t stepped_ms)
{
    struct outgoing *o = mem_zalloc(sizeof *o);
    int rc = o ? copy_labels(a->labels, external, &o->labels) : -ENOMEM;
    if (rc == 0) rc = labels_dup(a->annotations, &o->annotations);
    if (rc == 0 && !(o->url = mem_strndup(generator_url, strlen(generator_url)))) rc = -ENOMEM;
    if (rc < 0) {
        if (o) outgoing_free(o);
        return rc;
    }
    o->value = a->value;
    o->starts_ms = wall_of(a->fired_ms, stepped_ms);
    o->ends_ms = a->phase == ALERT_RESOLVED ? wall_of(a->resolved_ms, stepped_ms) : 0;
    pthread_mutex_lock(&p->lock);
    if (p->queued < QUEUE_MAX) {
        *p->last = o;
        p->last = &o->next;
        p->queued++;
        p->woken = true;
        o = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    if (!o) return 0;
    outgoing_free(o);
    return E_LIMIT;
}

void publisher_wake(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    p->woken = true;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void publisher_ready(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    p->ready = true;
    pthread_mutex_unlock(&p->lock);
    publisher_wake(p);
}

static bool take_ready(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    bool ready = p->ready;
    p->ready = false;
    pthread_mutex_unlock(&p->lock);
    return ready;
}

static struct outgoing *take_queue(struct publisher *p)
{
    pthread_mutex_lock(&p->lock);
    struct outgoing *list = p->first;
    p->first = NULL;
    p->last = &p->first;
    p->queued = 0;
    p->woken = false;
    pthread_mutex_unlock(&p->lock);
    return list;
}

/* What was not told goes back to the front. */
static void put_back(struct publisher *p, struct outgoing *list)
{
    size_t n = 0;
    struct outgoing **last = &list;
    for (; *last; last = &(*last)->next)
        n++;
    pthread_mutex_lock(&p->lock);
    *last = p->first;
    if (!p->first) p->last = last;
    p->first = list;
    p->queued += n;
    pthread_mutex_unlock(&p->lock);
}

/* --- writing --- */

static int append_state(struct publisher *p, uint64_t key, const struct alert_state *s)
{
    struct buf b = BUF_INIT(STATE_RECORD_MAX);
    state_encode(key, s, engine_stepped_ms(p->engine), &b);
    int rc = b.err;
    if (rc == 0) rc = journal_append(p->journal, STATE_RECORD_RULE, (struct str){b.p, b.len}, NULL);
    buf_release(&b);
    return rc;
}

/* Appends one rule's state if it changed, or if all is set and it has one. 1 when it did. */
static int append_rule(struct publisher *p, struct journal *to, struct live_group *g,
                       struct live_rule *r, bool all)
{
    struct buf b = BUF_INIT(STATE_RECORD_MAX);
    pthread_mutex_lock(&g->lock);
    bool wanted = r->dirty || (all && r->alerts.count > 0);
    if (wanted) state_encode(r->rule->key, &r->alerts, engine_stepped_ms(p->engine), &b);
    r->dirty = false;
    pthread_mutex_unlock(&g->lock);
    if (!wanted) return 0;
    int rc = b.err;
    if (rc == 0) rc = journal_append(to, STATE_RECORD_RULE, (struct str){b.p, b.len}, NULL);
    buf_release(&b);
    if (rc == 0) return 1;
    pthread_mutex_lock(&g->lock);
    r->dirty = true;
    pthread_mutex_unlock(&g->lock);
    return rc;
}

/* Appends the states of rules marked dirty, or of all. Returns how many, or an error. */
static int append_states(struct publisher *p, struct journal *to, bool all)
{
    struct rules_engine *e = p->engine;
    int written = 0, rc = 0;
    pthread_rwlock_rdlock(&e->shape);
    for (size_t i = 0; i < e->groups.count && rc >= 0; i++) {
        struct live_group *g = e->groups.v[i];
        for (size_t k = 0; k < g->count && rc >= 0; k++, written += rc > 0)
            rc = append_rule(p, to, g, &g->rules[k], all);
    }
    pthread_rwlock_unlock(&e->shape);
    return rc < 0 ? rc : written;
}

static int write_all(void *arg, struct journal *j)
{
    int rc = append_states(arg, j, true);
    return rc < 0 ? rc : 0;
}

static void rewrite_when_large(struct publisher *p)
{
    struct journal_stats st;
    journal_stats(p->journal, &st);
    if (st.bytes < REWRITE_LEAST_BYTES || st.bytes < 4 * p->rewritten_bytes) return;
    int rc = journal_rewrite(p->journal, write_all, p);
    journal_stats(p->journal, &st);
    p->rewritten_bytes = st.bytes;
    if (rc < 0)
        log_warn("the journal of rule states could not be shortened", "err=%s", err_text(rc));
}

static void write_states(struct publisher *p)
{
    if (!p->journal) return;
    int rc = append_states(p, p->journal, false);
    if (rc > 0) rc = journal_sync(p->journal, UINT64_MAX);
    int64_t now_ns = env_mono_ns(p->env);
    if (rc < 0) {
        complain(&p->journal_complaint, now_ns,
                 "alert states could not be saved; alerts are still sent", "err=%s", err_text(rc));
        return;
    }
    complain_over(&p->journal_complaint, now_ns, "alert states are saved again");
    rewrite_when_large(p);
}

void publisher_forget(struct publisher *p, uint64_t key)
{
    struct alert_state none = {0};
    if (!p->journal) return;
    int rc = append_state(p, key, &none);
    if (rc < 0) log_warn("a removed rule's state stays in the journal", "err=%s", err_text(rc));
}

/* --- telling --- */

/* A refusal that may pass. Others are logged and dropped: a firing alert comes again each minute.
 */
static bool is_passing(int rc)
{
    return rc == -ENOMEM || rc == E_UNAVAILABLE;
}

/* Hands up to BATCH alerts over; returns what is left. */
static struct outgoing *tell_batch(struct publisher *p, struct outgoing *list, int *rc)
{
    struct alert alerts[BATCH] = {0};
    size_t n = 0;
    for (struct outgoing *o = list; o && n < BATCH; o = o->next)
        alerts[n++] = (struct alert){.labels = o->labels,
                                     .annotations = o->annotations,
                                     .starts_ms = o->starts_ms,
                                     .ends_ms = o->ends_ms,
                                     .generator_url = o->url,
                                     .value = o->value};
    struct notifier *to = p->engine->deps.notifier;
    *rc = to ? notifier_put(to, alerts, n) : 0;
    if (*rc < 0 && !is_passing(*rc)) {
        log_warn("the notifier refused alerts", "count=%zu err=%s", n, err_text(*rc));
        *rc = 0;
    }
    for (; *rc == 0 && n > 0; n--) {
        struct outgoing *next = list->next;
        outgoing_free(list);
        list = next;
    }
    return list;
}

void publisher_flush(struct publisher *p)
{
    struct notifier *notifier = p->engine->deps.notifier;
    bool ready = take_ready(p); /* before the queue: what it promises is in there */
    struct outgoing *list = take_queue(p);
    int rc = 0;
    write_states(p);
    while (list && rc == 0)
        list = tell_batch(p, list, &rc);
    int64_t now_ns = env_mono_ns(p->env);
    if (list) {
        complain(&p->notifier_complaint, now_ns,
                 "alerts could not be queued for notification; "
                 "trying again",
                 "err=%s", err_text(rc));
        put_back(p, list);
    } else {
        complain_over(&p->notifier_complaint, now_ns, "alerts are queued again");
    }
    if (ready && notifier) notifier_ready(notifier);
}

static void *run(void *arg)
{
    struct publisher *p = arg;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (!p->woken && !p->stop && !p->first)
            pthread_cond_wait(&p->work, &p->lock);
        bool stop = p->stop, again = !p->woken && p->first;
        pthread_mutex_unlock(&p->lock);
        if (stop) return NULL;
        if (again) /* something was put back: a moment for the notifier */
            p->env->time->sleep_until(p->env, env_mono_ns(p->env) + RETRY_NS, &p->stop_flag);
        publisher_flush(p);
    }
}

/* --- life --- */

int publisher_open(struct publisher **out, struct rules_engine *e, struct errmsg *err)
{
    char path[1024];
    struct errmsg why = {0};
    struct publisher *p = mem_zalloc(sizeof *p);
    if (!p) return errmsg_set(err, -ENOMEM, "out of memory");
    p->engine = e;
    p->env = e->env;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    *out = p;
    if (!e->deps.state_dir) return 0;
    snprintf(path, sizeof path, "%s/rules.journal", e->deps.state_dir);
    int rc = env_make_dirs(e->env, e->deps.state_dir, 0700);
    if (rc == 0) rc = journal_open(&p->journal, e->env, path, replay, p, &why);
    if (rc < 0)
        log_error("alert states cannot be saved; rules go on without", "file=%s err=\"%s\"", path,
                  why.text[0] ? why.text : err_text(rc));
    return 0;
}

int publisher_start(struct publisher *p)
{
    int rc = pthread_create(&p->thread, NULL, run, p);
    p->running = rc == 0;
    return -rc;
}

static void ignore_orphan(void *arg, uint64_t key, struct alert_state *alerts)
{
    UNUSED(arg), UNUSED(key), UNUSED(alerts);
}

void publisher_close(struct publisher *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    __atomic_store_n(&p->stop_flag, 1, __ATOMIC_RELEASE);
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    env_wake(p->env);
    if (p->running) pthread_join(p->thread, NULL);
    publisher_flush(p);
    for (struct outgoing *o = take_queue(p), *next; o; o = next) {
        next = o->next;
        outgoing_free(o);
    }
    publisher_orphans(p, ignore_orphan, NULL);
    int rc = p->journal ? journal_close(p->journal) : 0;
    if (rc < 0) log_warn("the journal of rule states did not close well", "err=%s", err_text(rc));
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    mem_free(p);
}
