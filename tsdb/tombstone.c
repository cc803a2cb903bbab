/* tombstone.c -- one deletion in memory, and as the payload of a journal record.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/tombstone.h"

#include <errno.h>

#include "core/mem.h"
#include "tsdb/bytes.h"

enum {
    TEXT_MAX = 4 << 20, /* of one deletion's matchers, compiled ones excepted */
    MATCHERS_MAX = 1000,
    DAYS_MAX = 1 << 16,
    DAY_BYTES = 20,
};

static int add_matcher(struct tombstone *t, enum matcher_type type, struct str name,
                       struct str value)
{
    struct str n = arena_str(&t->arena, name), v = arena_str(&t->arena, value);
    if (!n.p || !v.p) return t->arena.err;
    int rc = matcher_init(&t->matchers[t->matcher_count], type, n, v, NULL);
    if (rc == 0) t->matcher_count++;
    return rc;
}

/* Room for count matchers. */
static int make(struct tombstone **out, size_t count, int64_t start_ms, int64_t end_ms)
{
    struct tombstone *t = mem_zalloc(sizeof *t);
    *out = NULL;
    if (!t) return -ENOMEM;
    t->refs = 1;
    t->start_ms = start_ms;
    t->end_ms = end_ms;
    arena_init(&t->arena, TEXT_MAX);
    t->matchers = arena_array(&t->arena, count + 1, sizeof *t->matchers);
    if (!t->matchers) {
        tombstone_unref(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

int tombstone_new(struct tombstone **out, const struct matcher *m, size_t count, int64_t start_ms,
                  int64_t end_ms)
{
    if (count > MATCHERS_MAX) return E_TOO_BIG;
    int rc = make(out, count, start_ms, end_ms);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_matcher(*out, m[i].type, m[i].name, m[i].value);
    if (rc < 0) {
        tombstone_unref(*out);
        *out = NULL;
    }
    return rc;
}

struct tombstone *tombstone_ref(struct tombstone *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void tombstone_unref(struct tombstone *t)
{
    if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (size_t i = 0; i < t->matcher_count; i++)
        matcher_release(&t->matchers[i]);
    mem_free(t->days);
    arena_release(&t->arena);
    mem_free(t);
}

int tombstone_refs(const struct tombstone *t)
{
    return __atomic_load_n(&t->refs, __ATOMIC_ACQUIRE);
}

int tombstone_add_day(struct tombstone *t, struct tombstone_day day)
{
    void *v = t->days;
    int rc = mem_grow(&v, &t->day_cap, t->day_count + 1, DAYS_MAX, sizeof *t->days);
    t->days = v;
    if (rc == 0) t->days[t->day_count++] = day;
    return rc;
}

/* --- bytes -------------------------------------------------------------------------------------
 */

static void out_text(struct buf *b, struct str s)
{
    out_varint(b, s.len);
    buf_add(b, s.p, s.len);
}

int tombstone_encode(const struct tombstone *t, tombstone_keep_fn *keep, void *arg, struct buf *out)
{
    size_t days = 0;
    out_le64(out, (uint64_t)t->start_ms);
    out_le64(out, (uint64_t)t->end_ms);
    out_varint(out, t->matcher_count);
    for (size_t i = 0; i < t->matcher_count; i++) {
        out_u8(out, (uint8_t)t->matchers[i].type);
        out_text(out, t->matchers[i].name);
        out_text(out, t->matchers[i].value);
    }
    for (size_t i = 0; i < t->day_count; i++)
        days += !keep || keep(arg, &t->days[i]);
    out_varint(out, days);
    for (size_t i = 0; i < t->day_count; i++) {
        const struct tombstone_day *d = &t->days[i];
        uint8_t cycle[4];
        if (keep && !keep(arg, d)) continue;
        put_le32(cycle, d->cycle);
        out_le64(out, (uint64_t)d->day_ms);
        out_le64(out, (uint64_t)d->created_ms);
        buf_add(out, cycle, sizeof cycle);
    }
    return out->err;
}

static struct str in_text(struct in *in)
{
    uint64_t len = in_varint(in);
    if (len > in_left(in)) return (struct str){NULL, 0};
    return (struct str){(const char *)in_bytes(in, (size_t)len), (size_t)len};
}

static int read_matchers(struct tombstone *t, struct in *in, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        unsigned type = in_u8(in);
        struct str name = in_text(in), value = in_text(in);
        if (type > MATCH_NRE || !name.p || !value.p) return E_CORRUPT;
        int rc = add_matcher(t, (enum matcher_type)type, name, value);
        if (rc < 0) return rc == -ENOMEM ? rc : E_CORRUPT;
    }
    return 0;
}

static int read_days(struct tombstone *t, struct in *in)
{
    uint64_t count = in_varint(in);
    if (count > in_left(in) / DAY_BYTES) return E_CORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *p = in_bytes(in, DAY_BYTES);
        if (!p) return E_CORRUPT;
        int rc = tombstone_add_day(t, (struct tombstone_day){.day_ms = (int64_t)get_le64(p),
                                                             .created_ms = (int64_t)get_le64(p + 8),
                                                             .cycle = get_le32(p + 16)});
        if (rc < 0) return rc == -ENOMEM ? rc : E_CORRUPT;
    }
    return in->bad || in_left(in) ? E_CORRUPT : 0;
}

int tombstone_decode(struct str payload, struct tombstone **out)
{
    const uint8_t *p = (const uint8_t *)payload.p;
    struct in in = {p, p + payload.len, false};
    int64_t start_ms = (int64_t)in_le64(&in), end_ms = (int64_t)in_le64(&in);
    uint64_t count = in_varint(&in);
    *out = NULL;
    if (count > MATCHERS_MAX || count > in_left(&in)) return E_CORRUPT;
    int rc = make(out, (size_t)count, start_ms, end_ms);
    if (rc == 0) rc = read_matchers(*out, &in, count);
    if (rc == 0) rc = read_days(*out, &in);
    if (rc == 0) return 0;
    tombstone_unref(*out);
    *out = NULL;
    return rc;
}
