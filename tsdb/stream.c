/* stream.c -- tokens of the head's sample streams.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/stream.h"

#include <string.h>

#include "tsdb/scaled.h"

enum {
    SMALL_END = 0x70,
    WIDE = 0x70,
    SCALE = 0x71,
    RAW = 0x72,
    STALE = 0x73,
    OFFSET = 0x78,
    INTERVAL = 0x79,
    ABSOLUTE = 0x7a,
    RUN = 0x80,
    RUN_MAX = 64,
    MISSES_MANY = 8, /* so many values without a scale: search for one only now and then */
};

#define GAP_MAX (INT64_C(1) << 31) /* longer steps are written as absolute times */

static uint8_t *put64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        *p++ = (uint8_t)(v >> (8 * i));
    return p;
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

void stream_restart(struct stream *s)
{
    s->interval = s->last_gap = 0;
    s->has_scale = false;
    s->run = 0;
    s->misses = 0;
}

/* Writes how the time of this sample follows from the last; nothing when it is as expected. */
static uint8_t *put_time(struct stream *s, int64_t t_ms, bool first, uint8_t *p)
{
    int64_t gap = 0;
    bool far = first || __builtin_sub_overflow(t_ms, s->t_ms, &gap) || gap <= 0 || gap >= GAP_MAX;
    if (far) {
        *p++ = ABSOLUTE;
        stream_restart(s);
        return put64(p, (uint64_t)t_ms);
    }
    if ((uint32_t)gap == s->interval) return p;
    if (!s->interval || (uint32_t)gap == s->last_gap) {
        *p++ = INTERVAL;
        s->interval = (uint32_t)gap;
        return varint_put(p, (uint64_t)gap);
    }
    *p++ = OFFSET;
    s->last_gap = (uint32_t)gap;
    return varint_put(p, zigzag(gap - (int64_t)s->interval));
}

/* Finds n / 10^scale for the value; *changed tells that the scale is a new one. */
static bool find_scale(struct stream *s, double v, int64_t *n, bool *changed)
{
    unsigned scale = s->scale;
    bool found = s->has_scale && scaled_at(v, scale, n);
    *changed = false;
    if (found) {
        s->misses = 0;
        return true;
    }
    bool search = s->misses < MISSES_MANY || s->misses % 16 == 0;
    if (s->misses < UINT8_MAX)
        s->misses++;
    else
        s->misses = MISSES_MANY;
    if (!search) return false;
    scale = 0;
    if (!scaled_find(v, &scale, n)) return false;
    s->misses = 0;
    s->scale = (uint8_t)scale;
    s->has_scale = *changed = true;
    return true;
}

static uint8_t *put_value(struct stream *s, double v, uint8_t *p)
{
    int64_t n = 0;
    bool changed = false;
    if (is_stale(v)) {
        *p++ = STALE;
        return p;
    }
    if (!find_scale(s, v, &n, &changed)) {
        *p++ = RAW;
        return put64(p, double_bits(v));
    }
    if (changed) {
        *p++ = SCALE;
        *p++ = s->scale;
        p = varint_put(p, zigzag(n));
    } else {
        uint64_t d = zigzag(n - s->n);
        if (d < SMALL_END) {
            *p++ = (uint8_t)d;
        } else {
            *p++ = WIDE;
            p = varint_put(p, d);
        }
    }
    s->n = n;
    return p;
}

size_t stream_put(struct stream *s, int64_t t_ms, double v, uint8_t *end)
{
    uint64_t bits = double_bits(v);
    bool first = !s->interval && !s->has_scale && !s->run && !s->misses;
    uint8_t *p = put_time(s, t_ms, first, end);
    bool in_time = p == end, absolute = p > end && *end == ABSOLUTE;
    if (bits == s->bits && !absolute) {
        if (in_time && s->run && s->run < RUN_MAX) {
            end[-1]++;
            s->run++;
        } else {
            *p++ = RUN;
            s->run = 1;
        }
    } else {
        p = put_value(s, v, p);
        s->run = 0;
    }
    s->t_ms = t_ms;
    s->bits = bits;
    return (size_t)(p - end);
}

/* --- reading -----------------------------------------------------------------------------------
 */

void stream_reader_init(struct stream_reader *r, const uint8_t *p, size_t len)
{
    *r = (struct stream_reader){.p = p, .end = p + len};
}

/* Reads the time tokens before a value into *t. */
static int read_time(struct stream_reader *r, int64_t *t)
{
    struct stream *s = &r->at;
    uint8_t token = *r->p;
    uint64_t u = 0;
    int64_t gap = s->interval;
    if (token == ABSOLUTE) {
        if (r->end - r->p < 9) return E_CORRUPT;
        *t = (int64_t)get64(r->p + 1);
        r->p += 9;
        s->interval = 0;
        s->has_scale = false;
        return 0;
    }
    if (token == OFFSET || token == INTERVAL) {
        r->p = varint_get(r->p + 1, r->end, &u);
        if (!r->p || u >= 2 * (uint64_t)GAP_MAX) return E_CORRUPT;
        gap = token == OFFSET ? gap + unzigzag(u) : (int64_t)u;
        if (gap < 0 || gap >= GAP_MAX) return E_CORRUPT;
        if (token == INTERVAL) s->interval = (uint32_t)gap;
    }
    return __builtin_add_overflow(s->t_ms, gap, t) ? E_CORRUPT : 0;
}

/* Moves the scaled integer to n, which must stay a number scaled_at could have written. */
static int set_scaled(struct stream *s, int64_t n)
{
    if (n <= -(INT64_C(1) << 53) || n >= INT64_C(1) << 53) return E_CORRUPT;
    s->n = n;
    s->bits = double_bits(scaled_value(n, s->scale));
    return 0;
}

static int read_scaled(struct stream_reader *r, uint8_t token)
{
    struct stream *s = &r->at;
    uint64_t u = token;
    int64_t n = 0;
    if (token == SCALE) {
        if (r->p == r->end || *r->p > SCALE_MAX) return E_CORRUPT;
        s->scale = *r->p++;
        s->has_scale = true;
    } else if (!s->has_scale) {
        return E_CORRUPT;
    }
    if (token >= SMALL_END) {
        r->p = varint_get(r->p, r->end, &u);
        if (!r->p) return E_CORRUPT;
    }
    if (token == SCALE) return set_scaled(s, unzigzag(u));
    return __builtin_add_overflow(s->n, unzigzag(u), &n) ? E_CORRUPT : set_scaled(s, n);
}

static int read_value(struct stream_reader *r)
{
    if (r->p == r->end) return E_CORRUPT;
    uint8_t token = *r->p++;
    if (token <= SCALE) return read_scaled(r, token);
    if (token == STALE) {
        r->at.bits = STALE_NAN_BITS;
    } else if (token == RAW) {
        if (r->end - r->p < 8) return E_CORRUPT;
        r->at.bits = get64(r->p);
        r->p += 8;
    } else if (token >= RUN && token < RUN + RUN_MAX) {
        r->repeat = (uint32_t)(token - RUN);
    } else {
        return E_CORRUPT;
    }
    return 0;
}

int stream_next(struct stream_reader *r, int64_t *t_ms, double *v)
{
    struct stream *s = &r->at;
    if (r->repeat) {
        r->repeat--;
        if (__builtin_add_overflow(s->t_ms, (int64_t)s->interval, &s->t_ms)) return E_CORRUPT;
    } else {
        int64_t t = 0;
        if (r->p == r->end) return 0;
        int rc = read_time(r, &t);
        if (rc == 0) rc = read_value(r);
        if (rc < 0) {
            r->p = r->end;
            return rc;
        }
        s->t_ms = t;
    }
    *t_ms = s->t_ms;
    *v = double_of_bits(s->bits);
    return 1;
}
