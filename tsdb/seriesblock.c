/* seriesblock.c -- a dictionary of texts, then each series as pairs of numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/seriesblock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "tsdb/bytes.h"

/* Name and value are valid for a label set: sorted, unique, not empty. */
static bool label_follows(const struct label *l, const struct label *before)
{
    if (l->name.len == 0 || l->value.len == 0) return false;
    return !before || str_cmp(before->name, l->name) < 0;
}

/* --- encoding -----------------------------------------------------------------------------------
 */

static int measure(struct labels ls, size_t *bytes)
{
    if (ls.count > LABELS_MAX) return E_TOO_BIG;
    for (size_t i = 0; i < ls.count; i++) {
        if (!label_follows(&ls.v[i], i ? &ls.v[i - 1] : NULL)) return E_INVALID;
        *bytes += ls.v[i].name.len + ls.v[i].value.len;
        if (*bytes > SERIES_BLOCK_MAX / 2) return E_TOO_BIG;
    }
    return 0;
}

/* How many of the definitions go into one block, and how many labels they have. */
static int choose_count(const struct series_def *defs, size_t count, size_t *taken, size_t *pairs)
{
    size_t text = 0;
    *taken = *pairs = 0;
    while (*taken < count && *taken < SERIES_BLOCK_SERIES && text < SERIES_BLOCK_TEXT) {
        const struct series_def *d = &defs[*taken];
        size_t own = 0;
        if (*taken && d->id <= d[-1].id) return E_INVALID;
        int rc = measure(d->labels, &own);
        if (rc < 0) return rc;
        if (*taken && text + own > SERIES_BLOCK_MAX / 2) break;
        text += own;
        *pairs += d->labels.count;
        ++*taken;
    }
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Fills texts with every name and value, sorted and unique. */
static size_t collect_texts(const struct series_def *defs, size_t count, struct str *texts)
{
    size_t n = 0, unique = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < defs[i].labels.count; k++) {
            texts[n++] = defs[i].labels.v[k].name;
            texts[n++] = defs[i].labels.v[k].value;
        }
    }
    if (n) qsort(texts, n, sizeof *texts, compare_texts);
    for (size_t i = 0; i < n; i++)
        if (unique == 0 || !str_eq(texts[unique - 1], texts[i])) texts[unique++] = texts[i];
    return unique;
}

static size_t text_number(const struct str *texts, size_t count, struct str s)
{
    const struct str *found = bsearch(&s, texts, count, sizeof *texts, compare_texts);
    return (size_t)(found - texts); /* collect_texts saw it */
}

static size_t common_prefix(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len), i = 0;
    while (i < n && a.p[i] == b.p[i])
        i++;
    return i;
}

static void put_texts(const struct str *texts, size_t count, struct buf *out)
{
    struct str last = {"", 0};
    out_varint(out, count);
    for (size_t i = 0; i < count; i++) {
        size_t shared = common_prefix(last, texts[i]);
        out_varint(out, shared);
        out_varint(out, texts[i].len - shared);
        buf_add(out, texts[i].p + shared, texts[i].len - shared);
        last = texts[i];
    }
}

static void put_series(const struct series_def *defs, size_t count, const struct str *texts,
                       size_t text_count, struct buf *out)
{
    uint32_t last = defs[0].id;
    for (size_t i = 0; i < count; i++) {
        struct labels ls = defs[i].labels;
        out_varint(out, defs[i].id - last);
        out_varint(out, ls.count);
        for (size_t k = 0; k < ls.count; k++) {
            out_varint(out, text_number(texts, text_count, ls.v[k].name));
            out_varint(out, text_number(texts, text_count, ls.v[k].value));
        }
        last = defs[i].id;
    }
}

int series_block_encode(const struct series_def *defs, size_t count, struct buf *out, size_t *taken)
{
    uint8_t header[SERIES_BLOCK_HEADER] = {0};
    size_t pairs = 0;
    buf_reset(out);
    if (count == 0) return E_INVALID;
    int rc = choose_count(defs, count, taken, &pairs);
    if (rc < 0) return rc;
    struct str *texts = mem_array(pairs * 2 + 1, sizeof *texts);
    if (!texts) return -ENOMEM;
    size_t text_count = collect_texts(defs, *taken, texts);
    buf_add(out, header, sizeof header);
    put_texts(texts, text_count, out);
    put_series(defs, *taken, texts, text_count, out);
    mem_free(texts);
    if (out->err) return out->err;
    if (out->len > SERIES_BLOCK_MAX) return E_TOO_BIG;

    uint8_t *h = (uint8_t *)out->p;
    put_le32(h, SERIES_BLOCK_MAGIC);
    put_le32(h + 8, (uint32_t)out->len);
    h[12] = SERIES_BLOCK_VERSION;
    put_le32(h + 16, defs[0].id);
    put_le32(h + 20, defs[*taken - 1].id);
    put_le32(h + 24, (uint32_t)*taken);
    put_le32(h + 4, crc32c(0, h + 8, out->len - 8));
    return 0;
}

/* --- decoding -----------------------------------------------------------------------------------
 */

struct series_block {
    struct in in;
    struct series_block_info info;
    uint32_t given; /* series handed out so far */
    uint64_t id;    /* of the last one */
    struct str *texts;
    size_t text_count;
    char *expanded; /* the texts, one after the other */
    struct label labels[LABELS_MAX];
};

/* First pass: how many bytes the texts take once their shared prefixes are written out. */
static int measure_texts(struct in in, size_t count, size_t *total)
{
    uint64_t last = 0;
    *total = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t shared = in_varint(&in), own = in_varint(&in);
        if (in.bad || shared > last || own > in_left(&in)) return E_CORRUPT;
        last = shared + own;
        *total += last;
        if (*total > SERIES_BLOCK_MAX || !in_bytes(&in, own)) return E_CORRUPT;
    }
    return 0;
}

static int get_texts(struct series_block *d)
{
    uint64_t count = in_varint(&d->in);
    size_t total = 0;
    if (d->in.bad || count > in_left(&d->in) / 2) return E_CORRUPT; /* two bytes each at least */
    int rc = measure_texts(d->in, count, &total);
    if (rc < 0) return rc;
    d->texts = mem_array(count + 1, sizeof *d->texts);
    d->expanded = mem_alloc(total + 1);
    if (!d->texts || !d->expanded) return -ENOMEM;
    d->text_count = count;
    char *at = d->expanded;
    const char *last = at;
    for (size_t i = 0; i < count; i++) {
        size_t shared = in_varint(&d->in), own = in_varint(&d->in);
        const uint8_t *p = in_bytes(&d->in, own);
        if (!p) return E_CORRUPT;
        if (shared) memcpy(at, last, shared);
        if (own) memcpy(at + shared, p, own);
        d->texts[i] = (struct str){at, shared + own};
        last = at;
        at += shared + own;
        if (i > 0 && str_cmp(d->texts[i - 1], d->texts[i]) >= 0) return E_CORRUPT;
    }
    return 0;
}

static int get_labels(struct series_block *d, struct labels *out)
{
    uint64_t count = in_varint(&d->in);
    if (d->in.bad || count > LABELS_MAX) return E_CORRUPT;
    for (size_t i = 0; i < count; i++) {
        uint64_t name = in_varint(&d->in), value = in_varint(&d->in);
        if (d->in.bad || name >= d->text_count || value >= d->text_count) return E_CORRUPT;
        d->labels[i] = (struct label){d->texts[name], d->texts[value]};
        if (!label_follows(&d->labels[i], i ? &d->labels[i - 1] : NULL)) return E_CORRUPT;
    }
    *out = (struct labels){d->labels, count};
    return 0;
}

int series_block_next(struct series_block *d, struct series_def *out)
{
    const struct series_block_info *info = &d->info;
    if (d->given == info->count)
        return d->id == info->last_id && in_left(&d->in) == 0 ? 1 : E_CORRUPT;
    uint64_t gap = in_varint(&d->in);
    if (d->in.bad || gap > UINT32_MAX || (d->given == 0) != (gap == 0)) return E_CORRUPT;
    d->id += gap;
    d->given++;
    if (d->id > info->last_id) return E_CORRUPT;
    out->id = (uint32_t)d->id;
    return get_labels(d, &out->labels);
}

int series_block_open(struct series_block **out, const void *p, size_t len,
                      struct series_block_info *info)
{
    const uint8_t *h = p;
    *out = NULL;
    if (len < SERIES_BLOCK_HEADER || len > SERIES_BLOCK_MAX || get_le32(h) != SERIES_BLOCK_MAGIC ||
        get_le32(h + 8) != len || h[12] != SERIES_BLOCK_VERSION ||
        get_le32(h + 4) != crc32c(0, h + 8, len - 8))
        return E_CORRUPT;
    *info = (struct series_block_info){get_le32(h + 16), get_le32(h + 20), get_le32(h + 24)};
    if (info->count == 0 || info->count > SERIES_BLOCK_SERIES) return E_CORRUPT;

    struct series_block *d = mem_zalloc(sizeof *d);
    if (!d) return -ENOMEM;
    d->in = (struct in){h + SERIES_BLOCK_HEADER, h + len, false};
    d->info = *info;
    d->id = info->first_id;
    int rc = get_texts(d);
    if (rc < 0) {
        series_block_free(d);
        return rc;
    }
    *out = d;
    return 0;
}

void series_block_free(struct series_block *d)
{
    if (!d) return;
    mem_free(d->texts);
    mem_free(d->expanded);
    mem_free(d);
}
