/* fingerprints.c -- small sorted sets of alert fingerprints.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/fingerprints.h"

#include <errno.h>

#include "core/mem.h"

enum { SET_MAX = 1 << 24 };

static size_t lower_bound(const struct fingerprint_set *s, uint64_t fingerprint)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->v[mid] < fingerprint)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int fingerprint_set_add(struct fingerprint_set *s, uint64_t fingerprint)
{
    size_t at = lower_bound(s, fingerprint);
    if (at < s->count && s->v[at] == fingerprint) return 0;
    void *v = s->v;
    int rc = mem_grow(&v, &s->cap, s->count + 1, SET_MAX, sizeof *s->v);
    s->v = v;
    if (rc) return rc;
    memmove(s->v + at + 1, s->v + at, (s->count - at) * sizeof *s->v);
    s->v[at] = fingerprint;
    s->count++;
    return 0;
}

int fingerprint_set_copy(struct fingerprint_set *to, const struct fingerprint_set *from)
{
    void *v = to->v;
    int rc = mem_grow(&v, &to->cap, from->count, SET_MAX, sizeof *to->v);
    to->v = v;
    if (rc) return rc;
    if (from->count) memcpy(to->v, from->v, from->count * sizeof *to->v);
    to->count = from->count;
    return 0;
}

bool fingerprint_set_contains(const struct fingerprint_set *s, const struct fingerprint_set *part)
{
    for (size_t i = 0; i < part->count; i++) {
        size_t at = lower_bound(s, part->v[i]);
        if (at >= s->count || s->v[at] != part->v[i]) return false;
    }
    return true;
}

void fingerprint_set_release(struct fingerprint_set *s)
{
    mem_free(s->v);
    *s = (struct fingerprint_set){0};
}
