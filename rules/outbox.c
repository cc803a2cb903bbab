/* outbox.c -- messages that must arrive: the queue in memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/outbox.h"

#include <errno.h>
#include <stdio.h>

#include "core/mem.h"
#include "core/pack.h"

const struct retry_policy retry_people = {1000, 300000, INT64_C(86400000)};
const struct retry_policy retry_machines = {500, 10000, 600000};

void outbox_init(struct outbox *o)
{
    *o = (struct outbox){.next_seq = 1};
    o->last = &o->first;
}

static void free_entry(struct outbox_entry *e)
{
    if (!e) return;
    mem_free(e->receiver);
    mem_free(e->group_key);
    mem_free(e->body);
    mem_free(e);
}

void outbox_release(struct outbox *o)
{
    while (o->first) {
        struct outbox_entry *next = o->first->next;
        free_entry(o->first);
        o->first = next;
    }
    outbox_init(o);
}

static bool same_lane(const struct outbox_entry *a, const struct outbox_entry *b)
{
    return a->integration == b->integration && !strcmp(a->receiver, b->receiver) &&
           !strcmp(a->group_key, b->group_key);
}

static struct outbox_entry *next_of_lane(struct outbox_entry *from, const struct outbox_entry *e)
{
    while (from && !same_lane(from, e))
        from = from->next;
    return from;
}

int outbox_add(struct outbox *o, const struct outbox_entry *e, struct outbox_entry **out)
{
    for (struct outbox_entry *known = o->first; known; known = known->next)
        if (!strcmp(known->id, e->id)) {
            *out = known;
            return 0;
        }
    if (o->depth >= OUTBOX_MAX) return E_LIMIT;
    struct outbox_entry *copy = mem_dup(e, sizeof *e);
    if (!copy) return -ENOMEM;
    copy->next = NULL;
    copy->receiver = mem_strndup(e->receiver, strlen(e->receiver));
    copy->group_key = mem_strndup(e->group_key, strlen(e->group_key));
    copy->body = mem_strndup(e->body, e->body_len);
    if (!copy->receiver || !copy->group_key || !copy->body) {
        free_entry(copy);
        return -ENOMEM;
    }
    if (!copy->seq) copy->seq = o->next_seq;
    o->next_seq = MAX(o->next_seq, copy->seq + 1);
    copy->first_of_lane = !next_of_lane(o->first, copy);
    *o->last = copy;
    o->last = &copy->next;
    o->depth++;
    *out = copy;
    return 0;
}

void outbox_remove(struct outbox *o, struct outbox_entry *e)
{
    struct outbox_entry **at = &o->first;
    struct outbox_entry *heir = e->first_of_lane ? next_of_lane(e->next, e) : NULL;
    if (heir) heir->first_of_lane = true;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    if (o->last == &e->next) o->last = at;
    o->depth--;
    free_entry(e);
}

struct outbox_entry *outbox_find(struct outbox *o, uint64_t seq)
{
    struct outbox_entry *e = o->first;
    while (e && e->seq != seq)
        e = e->next;
    return e;
}

struct outbox_entry *outbox_due(struct outbox *o, int64_t now_ms, uint64_t durable_lsn)
{
    for (struct outbox_entry *e = o->first; e; e = e->next)
        if (!e->in_flight && e->lsn <= durable_lsn && e->next_attempt_ms <= now_ms &&
            e->first_of_lane)
            return e;
    return NULL;
}

int64_t outbox_next_ms(const struct outbox *o)
{
    int64_t next = INT64_MAX;
    for (const struct outbox_entry *e = o->first; e; e = e->next)
        if (!e->in_flight && e->next_attempt_ms < next && e->first_of_lane)
            next = e->next_attempt_ms;
    return next;
}

enum delivery delivery_of(int rc, int status)
{
    if (rc < 0) return DELIVERY_RETRY;
    if (status >= 200 && status < 300) return DELIVERY_DONE;
    bool again = status == 408 || status == 425 || status == 429 || status >= 500;
    return again ? DELIVERY_RETRY : DELIVERY_DEAD;
}

bool outbox_retry(struct outbox_entry *e, const struct retry_policy *p, int64_t now_ms,
                  int64_t retry_after_ms, uint64_t random)
{
    uint64_t doublings = MIN(e->attempts ? e->attempts - 1 : 0, (uint64_t)30);
    int64_t delay_ms = MIN(p->base_ms << doublings, p->cap_ms);
    /* U(0.5, 1.5), in 1/65536 */
    delay_ms = (int64_t)((uint64_t)delay_ms * (32768 + (random & 0xffff)) >> 16);
    if (retry_after_ms >= 0) delay_ms = retry_after_ms;
    e->next_attempt_ms = now_ms + delay_ms;
    return e->next_attempt_ms - e->created_ms <= p->max_age_ms;
}

void outbox_pack(const struct outbox_entry *e, struct buf *out)
{
    pack_u64(out, e->seq);
    pack_str(out, str_of(e->id));
    pack_str(out, str_of(e->receiver));
    pack_str(out, str_of(e->group_key));
    pack_u64(out, e->integration);
    pack_i64(out, e->created_ms);
    pack_u64(out, e->attempts);
    pack_str(out, (struct str){e->body, e->body_len});
}

int outbox_unpack(struct outbox *o, struct str record)
{
    struct unpack u = {.rest = record};
    struct outbox_entry e = {.seq = unpack_u64(&u)};
    struct str id = unpack_str(&u), receiver = unpack_str(&u), key = unpack_str(&u);
    e.integration = (size_t)unpack_u64(&u);
    e.created_ms = unpack_i64(&u);
    e.attempts = unpack_u64(&u);
    struct str body = unpack_str(&u);
    if (u.bad || id.len >= sizeof e.id) return E_CORRUPT;
    memcpy(e.id, id.p, id.len);
    e.receiver = mem_strndup(receiver.p, receiver.len);
    e.group_key = mem_strndup(key.p, key.len);
    e.body = mem_strndup(body.p, body.len);
    e.body_len = body.len;
    struct outbox_entry *added;
    int rc = e.receiver && e.group_key && e.body ? outbox_add(o, &e, &added) : -ENOMEM;
    mem_free(e.receiver);
    mem_free(e.group_key);
    mem_free(e.body);
    return rc;
}
