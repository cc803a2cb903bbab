/* alert_state.c -- the alert life cycle.
 *
 *               in result                 for reached
 *     (none) ------------> pending ---------------------> firing
 *                             |                           |    ^ in result
 *                             | not in result  not in result   |
 *                             v                           v    |
 *                          (none)                    kept firing (keep_firing_for)
 *                                                         | over, or no keep_firing_for
 *                                                         v
 *                                                     resolved --- 15 min ---> (none)
 *
 * Items and elements are both sorted by labels, so a step is one merge of two lists; the new list
 * is complete before anything of the old one changes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/alert_state.h"

#include <errno.h>
#include <stdlib.h>

#include "core/mem.h"

const char *alert_phase_name(enum alert_phase p)
{
    static const char *const names[] = {
        [ALERT_PENDING] = "pending", [ALERT_FIRING] = "firing", [ALERT_RESOLVED] = "resolved"};
    return names[p];
}

/* --- items --- */

static void item_free(struct alert_item *a)
{
    if (!a) return;
    labels_free_dup(&a->labels);
    labels_free_dup(&a->annotations);
    mem_free(a);
}

static struct alert_item *item_new(struct labels labels, struct labels annotations)
{
    struct alert_item *a = mem_zalloc(sizeof *a);
    if (!a) return NULL;
    a->fired_ms = a->resolved_ms = a->keep_since_ms = a->sent_ms = ALERT_NEVER;
    if (labels_dup(labels, &a->labels) < 0 || labels_dup(annotations, &a->annotations) < 0) {
        item_free(a);
        return NULL;
    }
    return a;
}

void alert_state_release(struct alert_state *s)
{
    for (size_t i = 0; i < s->count; i++)
        item_free(s->v[i]);
    mem_free(s->v);
    *s = (struct alert_state){0};
}

static void count_phases(struct alert_state *s)
{
    s->pending = s->firing = 0;
    for (size_t i = 0; i < s->count; i++) {
        s->pending += s->v[i]->phase == ALERT_PENDING;
        s->firing += s->v[i]->phase == ALERT_FIRING;
    }
}

/* --- one alert's step --- */

static void end_item(struct alert_item *a, int64_t now_ms)
{
    a->phase = ALERT_RESOLVED;
    a->change = ALERT_ENDED;
    a->resolved_ms = now_ms;
    a->keep_since_ms = ALERT_NEVER;
}

/* Not in the result. Returns false when the item is to go. */
static bool step_missing(struct alert_item *a, const struct alert_params *p, int64_t now_ms)
{
    if (p->hold_missing && a->phase != ALERT_RESOLVED) return true;
    if (a->phase == ALERT_PENDING) return false;
    if (a->phase == ALERT_RESOLVED) return now_ms - a->resolved_ms <= ALERT_RESOLVED_KEPT_MS;
    if (p->keep_firing_for_ms > 0) {
        if (a->keep_since_ms == ALERT_NEVER) a->keep_since_ms = now_ms;
        if (now_ms - a->keep_since_ms < p->keep_firing_for_ms) return true;
    }
    end_item(a, now_ms);
    return true;
}

static void step_hold(struct alert_item *a, const struct alert_params *p, int64_t now_ms)
{
    if (a->phase != ALERT_PENDING || now_ms - a->active_ms < p->for_ms) return;
    a->phase = ALERT_FIRING;
    a->fired_ms = now_ms;
    a->change = ALERT_FIRED;
}

/* In the result again. */
static void step_present(struct alert_item *a, const struct alert_element *e, int64_t now_ms,
                         struct labels *annotations)
{
    struct labels old = a->annotations;
    a->annotations = *annotations;
    *annotations = old; /* the caller frees what is replaced */
    a->value = e->value;
    a->keep_since_ms = ALERT_NEVER;
    if (a->phase != ALERT_RESOLVED) return;
    a->phase = ALERT_PENDING; /* a new life under the same labels */
    a->change = ALERT_STARTED;
    a->active_ms = now_ms;
    a->fired_ms = a->resolved_ms = a->sent_ms = ALERT_NEVER;
}

/* --- a step --- */

static int compare_elements(const void *a, const void *b)
{
    const struct alert_element *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static int check_unique(const struct alert_element *e, size_t count, struct errmsg *err)
{
    for (size_t i = 1; i < count; i++) {
        if (labels_cmp(e[i - 1].labels, e[i].labels) != 0) continue;
        struct buf b = BUF_INIT(300);
        labels_print(e[i].labels, true, &b);
        int rc = errmsg_set(err, E_INVALID,
                            "vector contains metrics with the same labelset after applying alert "
                            "labels: %s",
                            b.p && !b.err ? b.p : "");
        buf_release(&b);
        return rc;
    }
    return 0;
}

/* What a step prepares before it touches anything: the merged list, and for each place the element
 * that is there now with a fresh copy of its annotations. */
struct merge {
    struct alert_item **v;
    const struct alert_element **present; /* NULL: not in the result */
    struct labels *annotations;
    bool *is_new;
    size_t count;
};

static void merge_release(struct merge *m, bool drop_new)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->annotations) labels_free_dup(&m->annotations[i]);
        if (drop_new && m->is_new[i]) item_free(m->v[i]);
    }
    mem_free(m->present);
    mem_free(m->annotations);
    mem_free(m->is_new);
    if (drop_new) mem_free(m->v);
}

static int merge_new(struct merge *m, const struct alert_element *e, int64_t now_ms)
{
    struct alert_item *a = item_new(e->labels, (struct labels){0});
    if (!a) return -ENOMEM;
    a->phase = ALERT_PENDING;
    a->change = ALERT_STARTED;
    a->active_ms = now_ms;
    m->is_new[m->count] = true;
    m->v[m->count] = a;
    return 0;
}

static int merge_build(struct merge *m, const struct alert_state *s, const struct alert_element *e,
                       size_t count, int64_t now_ms)
{
    size_t room = s->count + count + 1;
    m->v = mem_array(room, sizeof(struct alert_item *));
    m->present = mem_array(room, sizeof(const struct alert_element *));
    m->annotations = mem_array(room, sizeof *m->annotations);
    m->is_new = mem_array(room, sizeof *m->is_new);
    if (!m->v || !m->present || !m->annotations || !m->is_new) return -ENOMEM;
    for (size_t i = 0, k = 0; i < s->count || k < count; m->count++) {
        int order = i == s->count ? 1 : k == count ? -1 : labels_cmp(s->v[i]->labels, e[k].labels);
        if (order <= 0) m->v[m->count] = s->v[i++];
        if (order > 0 && merge_new(m, &e[k], now_ms) < 0) return -ENOMEM;
        if (order < 0) continue;
        m->present[m->count] = &e[k];
        if (labels_dup(e[k++].annotations, &m->annotations[m->count]) < 0) {
            m->count++; /* so that a new item here is dropped as well */
            return -ENOMEM;
        }
    }
    return 0;
}

/* The limit is broken: what fired has ended, what was pending is gone. */
static int over_limit(struct alert_state *s, const struct alert_params *p, int64_t now_ms,
                      struct errmsg *err)
{
    size_t active = s->pending + s->firing;
    alert_state_end(s, now_ms);
    return errmsg_set(err, E_LIMIT, "exceeded limit of %lld with %zu alerts", (long long)p->limit,
                      active);
}

int alert_step(struct alert_state *s, const struct alert_params *p, int64_t now_ms,
               struct alert_element *elements, size_t count, bool *changed, struct errmsg *err)
{
    struct merge m = {0};
    qsort(elements, count, sizeof *elements, compare_elements);
    int rc = check_unique(elements, count, err);
    if (rc < 0) return rc;
    if ((rc = merge_build(&m, s, elements, count, now_ms)) < 0) {
        merge_release(&m, true);
        return errmsg_set(err, rc, "out of memory for alerts");
    }
    size_t kept = 0;
    *changed = false;
    for (size_t i = 0; i < m.count; i++) {
        struct alert_item *a = m.v[i];
        int64_t kept_since_ms = a->keep_since_ms;
        bool keep = true;
        if (!m.is_new[i]) a->change = ALERT_UNCHANGED;
        if (m.present[i])
            step_present(a, m.present[i], now_ms, &m.annotations[i]);
        else
            keep = step_missing(a, p, now_ms);
        if (m.present[i]) step_hold(a, p, now_ms);
        *changed |= !keep || a->change != ALERT_UNCHANGED || a->keep_since_ms != kept_since_ms;
        if (keep)
            m.v[kept++] = a;
        else
            item_free(a);
    }
    merge_release(&m, false);
    mem_free(s->v);
    s->v = m.v;
    s->count = kept;
    count_phases(s);
    if (p->limit > 0 && s->pending + s->firing > (uint64_t)p->limit) {
        *changed = true;
        return over_limit(s, p, now_ms, err);
    }
    return 0;
}

int alert_state_restore(struct alert_state *s, const struct alert_item *saved)
{
    size_t at = 0;
    while (at < s->count && labels_cmp(s->v[at]->labels, saved->labels) < 0)
        at++;
    if (at < s->count && labels_eq(s->v[at]->labels, saved->labels)) return E_EXISTS;
    struct alert_item *a = item_new(saved->labels, saved->annotations);
    struct alert_item **v = a ? mem_resize(s->v, s->count + 1, sizeof(struct alert_item *)) : NULL;
    if (!v) {
        item_free(a);
        return -ENOMEM;
    }
    struct labels labels = a->labels, annotations = a->annotations;
    *a = *saved;
    a->labels = labels;
    a->annotations = annotations;
    a->change = ALERT_UNCHANGED;
    memmove(v + at + 1, v + at, (s->count - at) * sizeof(struct alert_item *));
    v[at] = a;
    s->v = v;
    s->count++;
    count_phases(s);
    return 0;
}

void alert_state_end(struct alert_state *s, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct alert_item *a = s->v[i];
        bool unheard = a->sent_ms == ALERT_NEVER; /* fired and ended in one step */
        if (a->phase != ALERT_RESOLVED && (a->phase == ALERT_PENDING || unheard)) {
            item_free(a);
            continue;
        }
        if (a->phase == ALERT_FIRING) end_item(a, now_ms);
        s->v[kept++] = a;
    }
    s->count = kept;
    count_phases(s);
}

bool alert_wants_sending(const struct alert_item *a, int64_t now_ms, int64_t resend_ms)
{
    if (a->phase == ALERT_PENDING) return false;
    if (a->sent_ms == ALERT_NEVER) return true;
    if (a->phase == ALERT_RESOLVED && a->resolved_ms > a->sent_ms) return true;
    return now_ms - a->sent_ms >= resend_ms;
}
