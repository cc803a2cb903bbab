/* state_file.c -- one rule's alerts as a journal record. The last record of a rule counts; one
 * without alerts says that it has no state any more.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core/mem.h"
#include "core/pack.h"
#include "rules/engine_int.h"

enum { SAVED_LABELS_MAX = 512, SAVED_ALERTS_MAX = 1000000 };

static void pack_labels(struct buf *b, struct labels ls)
{
    pack_u64(b, ls.count);
    for (size_t i = 0; i < ls.count; i++) {
        pack_str(b, ls.v[i].name);
        pack_str(b, ls.v[i].value);
    }
}

/* Steady time to wall time; "never" is a zero flag. */
static void pack_time(struct buf *b, int64_t ms, int64_t stepped_ms)
{
    pack_u64(b, ms != ALERT_NEVER);
    if (ms != ALERT_NEVER) pack_i64(b, ms + stepped_ms);
}

void state_encode(uint64_t key, const struct alert_state *s, int64_t stepped_ms, struct buf *out)
{
    pack_u64(out, STATE_RECORD_VERSION);
    pack_u64(out, key);
    pack_u64(out, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct alert_item *a = s->v[i];
        pack_u64(out, a->phase);
        pack_labels(out, a->labels);
        pack_labels(out, a->annotations);
        pack_double(out, a->value);
        pack_time(out, a->active_ms, stepped_ms);
        pack_time(out, a->fired_ms, stepped_ms);
        pack_time(out, a->resolved_ms, stepped_ms);
        pack_time(out, a->keep_since_ms, stepped_ms);
    }
}

static int64_t unpack_time(struct unpack *u)
{
    return unpack_u64(u) ? unpack_i64(u) : ALERT_NEVER;
}

/* Into v; sorted and unique, or the record is bad. */
static struct labels unpack_labels(struct unpack *u, struct label v[SAVED_LABELS_MAX])
{
    size_t count = unpack_count(u);
    if (count > SAVED_LABELS_MAX) u->bad = true;
    for (size_t i = 0; i < count && !u->bad; i++) {
        v[i].name = unpack_str(u);
        v[i].value = unpack_str(u);
        if (i > 0 && str_cmp(v[i - 1].name, v[i].name) >= 0) u->bad = true;
    }
    if (u->bad) count = 0;
    return (struct labels){v, count};
}

int state_decode(struct str payload, struct saved_rule *out)
{
    static const size_t labels_bytes = 2 * SAVED_LABELS_MAX * sizeof(struct label);
    struct unpack u = {.rest = payload};
    *out = (struct saved_rule){0};
    if (unpack_u64(&u) != STATE_RECORD_VERSION) return E_CORRUPT;
    out->key = unpack_u64(&u);
    size_t count = unpack_count(&u);
    if (u.bad || count > SAVED_ALERTS_MAX) return E_CORRUPT;
    struct label *room = mem_alloc(labels_bytes);
    int rc = room ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct alert_item a = {.sent_ms = 0}; /* long ago: it was told, and is told again */
        uint64_t phase = unpack_u64(&u);
        a.labels = unpack_labels(&u, room);
        a.annotations = unpack_labels(&u, room + SAVED_LABELS_MAX);
        a.value = unpack_double(&u);
        a.active_ms = unpack_time(&u);
        a.fired_ms = unpack_time(&u);
        a.resolved_ms = unpack_time(&u);
        a.keep_since_ms = unpack_time(&u);
        a.phase = (enum alert_phase)phase;
        if (u.bad || phase > ALERT_RESOLVED || a.active_ms == ALERT_NEVER ||
            (phase == ALERT_RESOLVED && a.resolved_ms == ALERT_NEVER))
            rc = E_CORRUPT;
        else
            rc = alert_state_restore(&out->alerts, &a);
        if (rc == E_EXISTS) rc = E_CORRUPT;
    }
    mem_free(room);
    if (rc < 0) alert_state_release(&out->alerts);
    return rc;
}
