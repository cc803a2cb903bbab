/* series.c -- the series of one collector, in the order it emits them.
 *
 * Sources list the same things in the same order every second, so the series that comes n-th is
 * nearly always the one that came n-th a second ago. Knowing it is then one comparison; the hash
 * table below is only asked when something came or went.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "collector/collect_int.h"
#include "core/hash.h"
#include "core/mem.h"

enum { NOT_FOUND = UINT32_MAX };

void series_table_init(struct series_table *t)
{
    *t = (struct series_table){0};
    pthread_mutex_init(&t->lock, NULL);
}

void series_table_release(struct series_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        mem_free(t->v[i].block);
    mem_free(t->v);
    mem_free(t->index);
    mem_free(t->order[0].v);
    mem_free(t->order[1].v);
    pthread_mutex_destroy(&t->lock);
    *t = (struct series_table){0};
}

void series_begin(struct series_table *t)
{
    t->cycle++;
    t->current = !t->current;
    t->order[t->current].count = 0;
    t->expected = 0;
}

/* --- what identifies a series ---------------------------------------------------------------- */

struct series_id {
    const struct metric *metric;
    struct str name; /* when metric is NULL */
    const char *const *pairs;
};

static bool pairs_equal(const struct series *s, const char *const *pairs)
{
    const char *kept = s->pairs;
    size_t left = s->pairs_len;
    for (; *pairs; pairs++) {
        size_t len = strlen(*pairs) + 1;
        if (len > left || memcmp(kept, *pairs, len) != 0) return false;
        kept += len;
        left -= len;
    }
    return left == 0;
}

static size_t pairs_size(const char *const *pairs, size_t *count)
{
    size_t size = 0;
    *count = 0;
    if (pairs)
        for (; *pairs; pairs++, (*count)++)
            size += strlen(*pairs) + 1;
    return size;
}

static bool series_is(const struct series *s, const struct series_id *id)
{
    if (s->metric != id->metric) return false;
    if (!id->metric && !str_eq(s->name, id->name)) return false;
    if (!id->pairs || !id->pairs[0]) return s->pairs_len == 0;
    return s->pairs_len > 0 && pairs_equal(s, id->pairs);
}

static uint64_t id_hash(const struct series_id *id)
{
    uint64_t h = FNV1A64_INIT;
    if (id->metric)
        h = fnv1a64(h, &id->metric, sizeof id->metric);
    else
        h = fnv1a64(h, id->name.p, id->name.len);
    if (id->pairs)
        for (const char *const *p = id->pairs; *p; p++)
            h = fnv1a64(h, *p, strlen(*p) + 1);
    return h ? h : 1;
}

/* --- the index ------------------------------------------------------------------------------- */

static void index_put(struct series_table *t, uint32_t entry)
{
    size_t mask = t->index_size - 1, i = t->v[entry].hash & mask;
    while (t->index[i])
        i = (i + 1) & mask;
    t->index[i] = entry + 1;
}

static void index_refill(struct series_table *t)
{
    memset(t->index, 0, t->index_size * sizeof *t->index);
    for (uint32_t i = 0; i < t->count; i++)
        if (t->v[i].live) index_put(t, i);
}

static int index_resize(struct series_table *t, size_t size)
{
    uint32_t *index = mem_array(size, sizeof *index);
    if (!index) return -ENOMEM;
    mem_free(t->index);
    t->index = index;
    t->index_size = size;
    index_refill(t);
    return 0;
}

static uint32_t index_find(const struct series_table *t, const struct series_id *id, uint64_t hash)
{
    if (!t->index_size) return NOT_FOUND;
    size_t mask = t->index_size - 1;
    for (size_t i = hash & mask; t->index[i]; i = (i + 1) & mask) {
        uint32_t entry = t->index[i] - 1;
        if (t->v[entry].hash == hash && series_is(&t->v[entry], id)) return entry;
    }
    return NOT_FOUND;
}

/* --- making a series ------------------------------------------------------------------------- */

static size_t utf8_length(unsigned char first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Copies text; each run of bytes that are not UTF-8 becomes one U+FFFD (mount points and device
 * names are any bytes). Returns the length written, at most three times the text's. */
static size_t copy_valid_utf8(char *to, struct str text)
{
    static const char replacement[] = {'\xef', '\xbf', '\xbd'};
    size_t n = 0;
    bool bad = false;
    for (size_t i = 0; i < text.len;) {
        size_t len = utf8_length((unsigned char)text.p[i]);
        if (i + len <= text.len && str_is_utf8((struct str){text.p + i, len})) {
            memcpy(to + n, text.p + i, len);
            n += len;
            i += len;
            bad = false;
            continue;
        }
        if (!bad) {
            memcpy(to + n, replacement, sizeof replacement);
            n += sizeof replacement;
        }
        bad = true;
        i++;
    }
    return n;
}

static int label_order(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* Lays out one heap block: labels, the pairs as emitted, values made valid, name, help. */
static int series_make(struct series *s, const struct series_id *id, const char *help)
{
    size_t count, pairs_len = pairs_size(id->pairs, &count);
    if (count % 2 || count / 2 > EMIT_PAIRS_MAX || pairs_len > EMIT_TEXT_MAX) return E_TOO_BIG;
    size_t labels_len = (count / 2) * sizeof(struct label);
    size_t name_len = id->metric ? 0 : id->name.len + 1 + strlen(help) + 1;
    char *block = mem_alloc(labels_len + pairs_len + 1 + 3 * pairs_len + name_len);
    if (!block) return -ENOMEM;

    struct label *labels = (struct label *)(void *)block;
    char *at = block + labels_len;
    s->pairs = at;
    s->pairs_len = pairs_len;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(id->pairs[i]);
        memcpy(at, id->pairs[i], len + 1);
        struct str text = {at, len};
        if (i % 2)
            labels[i / 2].value = text;
        else
            labels[i / 2].name = text;
        at += len + 1;
    }
    *at++ = '\0';
    for (size_t i = 0; i < count / 2; i++)
        if (!str_is_utf8(labels[i].value)) {
            size_t len = copy_valid_utf8(at, labels[i].value);
            labels[i].value = (struct str){at, len};
            at += len;
        }
    if (count) qsort(labels, count / 2, sizeof *labels, label_order);
    s->block = block;
    s->labels = labels;
    s->label_count = count / 2;
    if (id->metric) return 0;
    memcpy(at, id->name.p, id->name.len);
    at[id->name.len] = '\0';
    s->name = (struct str){at, id->name.len};
    at += id->name.len + 1;
    memcpy(at, help, strlen(help) + 1);
    s->help = at;
    return 0;
}

/* A free entry, or a new one at the end. Called with the lock held: the array may move. */
static int entry_take(struct series_table *t, uint32_t *out)
{
    if (t->live < t->count)
        for (uint32_t i = 0; i < t->count; i++)
            if (!t->v[i].live) {
                *out = i;
                return 0;
            }
    void *v = t->v;
    int rc = mem_grow(&v, &t->cap, t->count + 1, SERIES_MAX, sizeof *t->v);
    t->v = v;
    if (rc < 0) return rc;
    *out = (uint32_t)t->count++;
    t->v[*out] = (struct series){0};
    return 0;
}

static int series_add(struct series_table *t, const struct series_id *id, const char *help,
                      enum metric_type type, uint64_t hash, uint32_t *out)
{
    struct series s = {.metric = id->metric, .hash = hash, .type = type, .live = true};
    if (id->metric) {
        s.name = str_of(id->metric->name);
        s.help = id->metric->help;
        s.type = id->metric->type;
    }
    int rc = series_make(&s, id, help);
    if (rc < 0) return rc;

    pthread_mutex_lock(&t->lock);
    uint32_t entry = 0;
    rc = entry_take(t, &entry);
    if (rc == 0 && 2 * (t->live + 1) > t->index_size)
        rc = index_resize(t, t->index_size ? 2 * t->index_size : 64);
    if (rc == 0) {
        t->v[entry] = s;
        t->live++;
        index_put(t, entry);
    }
    pthread_mutex_unlock(&t->lock);
    if (rc < 0) mem_free(s.block);
    *out = entry;
    return rc;
}

/* --- the cycle ------------------------------------------------------------------------------- */

/* The series of this emit: the expected one, or by hash, or new. NOT_FOUND when refused. */
static uint32_t find(struct series_table *t, const struct series_id *id, const char *help,
                     enum metric_type type)
{
    const struct series_order *last = &t->order[!t->current];
    if (t->expected < last->count) {
        uint32_t entry = last->v[t->expected];
        if (series_is(&t->v[entry], id)) {
            t->expected++;
            return entry;
        }
    }
    uint64_t hash = id_hash(id);
    uint32_t entry = index_find(t, id, hash);
    if (entry == NOT_FOUND)
        return series_add(t, id, help, type, hash, &entry) < 0 ? NOT_FOUND : entry;
    /* Something went away, or moved: go on expecting from where this one stood. */
    t->expected = (size_t)t->v[entry].position + 1;
    return entry;
}

void series_emit(struct series_table *t, const struct metric *m, struct str name, const char *help,
                 enum metric_type type, double v, const char *const *pairs)
{
    struct series_id id = {m, name, pairs};
    struct series_order *now = &t->order[t->current];
    uint32_t entry = find(t, &id, help, type);
    if (entry == NOT_FOUND || t->v[entry].cycle == t->cycle) {
        t->dropped++;
        return;
    }
    if (now->count == now->cap) {
        void *array = now->v;
        int rc = mem_grow(&array, &now->cap, now->count + 1, SERIES_MAX, sizeof *now->v);
        now->v = array;
        if (rc < 0) {
            t->dropped++;
            return;
        }
    }
    struct series *s = &t->v[entry];
    s->cycle = t->cycle;
    s->next = v;
    s->position = (uint32_t)now->count;
    now->v[now->count++] = entry;
}

static void series_remove(struct series_table *t, struct series *s)
{
    mem_free(s->block);
    *s = (struct series){0};
    t->live--;
}

void series_publish(struct series_table *t, series_gone_fn *gone, void *arg)
{
    struct series_order *now = &t->order[t->current], *last = &t->order[!t->current];
    bool removed = false;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < now->count; i++) {
        struct series *s = &t->v[now->v[i]];
        s->value = s->next;
        s->visible = true;
    }
    for (size_t i = 0; i < last->count; i++) {
        struct series *s = &t->v[last->v[i]];
        if (s->cycle == t->cycle) continue;
        if (gone) gone(arg, s);
        series_remove(t, s);
        removed = true;
    }
    last->count = 0;
    t->published = now->count;
    if (removed) index_refill(t);
    pthread_mutex_unlock(&t->lock);
}
