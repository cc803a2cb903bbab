/* expo_family.c -- families in order, and a hash table of the names they claim.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/expo_family_int.h"

#include <stdlib.h>
#include <xxhash.h>

enum { SLOTS_MIN = 256 };

struct family_slot {
    struct family_slot *next;
    uint64_t hash;
    struct str name;
    struct family *family;
};

void families_init(struct families *f, size_t max_bytes)
{
    *f = (struct families){0};
    arena_init(&f->arena, max_bytes);
}

void families_release(struct families *f)
{
    arena_release(&f->arena);
    *f = (struct families){0};
}

static struct family_slot *find_slot(const struct families *f, struct str name, uint64_t hash)
{
    struct family_slot *s = f->slot_count ? f->slots[hash & (f->slot_count - 1)] : NULL;
    while (s && (s->hash != hash || !str_eq(s->name, name)))
        s = s->next;
    return s;
}

/* Keeps chains short; the old table stays in the arena, half as large. */
static int widen(struct families *f)
{
    if (f->used < f->slot_count) return 0;
    size_t count = f->slot_count ? f->slot_count * 2 : SLOTS_MIN;
    struct family_slot **slots = arena_array(&f->arena, count, sizeof(struct family_slot *));
    if (!slots) return f->arena.err;
    for (size_t i = 0; i < f->slot_count; i++) {
        for (struct family_slot *s = f->slots[i], *next; s; s = next) {
            next = s->next;
            s->next = slots[s->hash & (count - 1)];
            slots[s->hash & (count - 1)] = s;
        }
    }
    f->slots = slots;
    f->slot_count = count;
    return 0;
}

int families_claim(struct families *f, struct str name, struct family *family)
{
    uint64_t hash = XXH3_64bits(name.p, name.len);
    struct family_slot *s = find_slot(f, name, hash);
    if (s) return s->family != family;
    int rc = widen(f);
    if (rc < 0) return rc;
    s = arena_zalloc(&f->arena, sizeof *s);
    if (!s) return f->arena.err;
    struct family_slot **at = &f->slots[hash & (f->slot_count - 1)];
    *s = (struct family_slot){.next = *at, .hash = hash, .name = name, .family = family};
    *at = s;
    f->used++;
    return 0;
}

struct family *families_find(const struct families *f, struct str name)
{
    struct family_slot *s = find_slot(f, name, XXH3_64bits(name.p, name.len));
    return s ? s->family : NULL;
}

struct family *families_add(struct families *f, struct str name, struct expo_place at)
{
    struct family *family = arena_zalloc(&f->arena, sizeof *family);
    if (!family) return NULL;
    family->name = name;
    family->at = at;
    family->last = &family->samples;
    if (!f->last) f->last = &f->first;
    *f->last = family;
    f->last = &family->next;
    f->count++;
    return family;
}

struct family_sample *family_add_sample(struct families *f, struct family *family, struct str name)
{
    struct family_sample *s = arena_zalloc(&f->arena, sizeof *s);
    if (!s) return NULL;
    s->name = name;
    *family->last = s;
    family->last = &s->next;
    family->sample_count++;
    return s;
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

int families_copy_labels(struct families *f, const struct label *v, size_t count,
                         struct labels *out)
{
    struct label *copy = count ? arena_dup(&f->arena, v, count * sizeof *v) : NULL;
    if (count && !copy) return f->arena.err;
    if (count) qsort(copy, count, sizeof *copy, by_name);
    *out = (struct labels){copy, count};
    return 0;
}

struct family_sample **family_list(struct families *f, const struct family *family)
{
    size_t n = 0;
    struct family_sample **v =
        arena_array(&f->arena, family->sample_count + 1, sizeof(struct family_sample *));
    for (struct family_sample *s = family->samples; v && s; s = s->next)
        v[n++] = s;
    return v;
}

int expo_parse_float(struct str s, double *out)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr("pPxX_", s.p[i])) return E_PARSE; /* NUL is in every string: refused too */
    return str_to_double(s, out);
}

bool expo_is_openmetrics(struct str text)
{
    if (text.len && text.p[text.len - 1] == '\n') text.len--;
    return str_eq(text, STR("# EOF")) || str_ends(text, STR("\n# EOF"));
}
