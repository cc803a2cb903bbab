/* group.c -- reading a group in place.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/group.h"

#include "core/hash.h"
#include "tsdb/bytes.h"
#include "tsdb/group_int.h"
#include "tsdb/partition.h"

static const uint8_t *vector_entry(const struct group_view *g, unsigned i)
{
    return g->p + GROUP_HEADER + (size_t)i * GROUP_VECTOR_ENTRY;
}

static const uint8_t *block_entry(const struct group_view *g, unsigned i)
{
    return vector_entry(g, g->vectors) + (size_t)i * GROUP_BLOCK_ENTRY;
}

static size_t directory_end(const struct group_view *g)
{
    return GROUP_HEADER + (size_t)g->vectors * GROUP_VECTOR_ENTRY +
           (size_t)g->blocks * GROUP_BLOCK_ENTRY;
}

static uint32_t block_id(const struct group_view *g, unsigned i)
{
    return g->info.first_id + get_le16(block_entry(g, i));
}

static size_t block_offset(const struct group_view *g, unsigned i)
{
    return i < g->blocks ? get_le16(block_entry(g, i) + 2) : g->len;
}

static size_t vector_offset(const struct group_view *g, unsigned i)
{
    return i < g->vectors ? get_le16(vector_entry(g, i)) : block_offset(g, 0);
}

static bool header_is_sane(const struct group_view *g)
{
    const struct group_info *in = &g->info;
    return g->vectors > 0 && g->blocks > 0 && directory_end(g) <= g->len &&
           in->first_id <= in->last_id && in->last_id - in->first_id <= UINT16_MAX &&
           in->min_ms <= in->max_ms && in->max_ms < DAY_MS && in->slice < SLICE_COUNT;
}

static int check_directory(const struct group_view *g)
{
    size_t at = directory_end(g);
    for (unsigned i = 0; i < g->vectors; i++) {
        size_t next = vector_offset(g, i);
        if (next < at || next > g->len) return E_CORRUPT;
        at = next;
    }
    for (unsigned i = 0; i < g->blocks; i++) {
        size_t next = block_offset(g, i);
        if (next < at || next > g->len) return E_CORRUPT;
        if (i > 0 && block_id(g, i) < block_id(g, i - 1)) return E_CORRUPT;
        if (get_le16(block_entry(g, i) + 4) >= g->vectors) return E_CORRUPT;
        at = next;
    }
    if (block_id(g, 0) != g->info.first_id) return E_CORRUPT;
    return block_id(g, g->blocks - 1) == g->info.last_id ? 0 : E_CORRUPT;
}

int group_view_open(struct group_view *g, const void *p, size_t len, bool crc)
{
    const uint8_t *b = p;
    *g = (struct group_view){.p = b, .len = len};
    if (len < GROUP_HEADER || len > GROUP_MAX || get_le32(b) != GROUP_MAGIC) return E_CORRUPT;
    if (get_le32(b + 8) != len || b[12] != GROUP_VERSION || b[13] != 0) return E_CORRUPT;
    if (crc && get_le32(b + 4) != crc32c(0, b + 8, len - 8)) return E_CORRUPT;
    g->info = (struct group_info){
        .flags = get_le16(b + 14),
        .cycle = get_le32(b + 24),
        .first_id = get_le32(b + 28),
        .last_id = get_le32(b + 32),
        .min_ms = get_le32(b + 36),
        .max_ms = get_le32(b + 40),
        .slice = get_le16(b + 44),
    };
    g->day_ms = (int64_t)get_le64(b + 16);
    g->vectors = get_le16(b + 46);
    g->blocks = get_le16(b + 48);
    if (!header_is_sane(g) || get_le32(b + 52) != len - GROUP_HEADER) return E_CORRUPT;
    return crc ? check_directory(g) : 0;
}

unsigned group_view_find(const struct group_view *g, uint32_t id)
{
    unsigned lo = 0, hi = g->blocks;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (block_id(g, mid) < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int group_view_block(const struct group_view *g, unsigned i, struct group_block *out)
{
    size_t from = block_offset(g, i), to = block_offset(g, i + 1);
    unsigned vector = get_le16(block_entry(g, i) + 4);
    if (from < directory_end(g) || to < from || to > g->len || vector >= g->vectors)
        return E_CORRUPT;
    *out = (struct group_block){
        .id = block_id(g, i),
        .vector = vector,
        .count = get_le16(vector_entry(g, vector) + 2),
        .p = g->p + from,
        .len = to - from,
    };
    return 0;
}

int group_view_times(const struct group_view *g, unsigned i, int64_t *t, size_t *count)
{
    if (i >= g->vectors) return E_CORRUPT;
    size_t from = vector_offset(g, i), to = vector_offset(g, i + 1);
    *count = get_le16(vector_entry(g, i) + 2);
    if (from < directory_end(g) || to < from || to > g->len) return E_CORRUPT;
    int rc = codec_decode_times(g->p + from, to - from, t, *count);
    if (rc < 0) return rc;
    if (t[0] < g->info.min_ms || t[*count - 1] > g->info.max_ms) return E_CORRUPT;
    for (size_t k = 0; k < *count; k++)
        t[k] += g->day_ms;
    return 0;
}

int group_view_span(const struct group_view *g, unsigned i, struct codec_span *out)
{
    if (i >= g->vectors) return E_CORRUPT;
    size_t from = vector_offset(g, i), to = vector_offset(g, i + 1);
    if (from < directory_end(g) || to < from || to > g->len) return E_CORRUPT;
    int rc = codec_times_span(g->p + from, to - from, out);
    if (rc == 0 && (out->first < 0 || out->first > DAY_MS || out->step > DAY_MS)) rc = E_CORRUPT;
    if (rc == 0) out->first += g->day_ms;
    return rc;
}
