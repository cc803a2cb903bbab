/* group_packer.c -- encodes series and cuts them into groups.
 *
 * Blocks are encoded at once into one buffer, as pieces; a cut then looks along the pieces that are
 * left for the end that wastes the smallest part of the pages a value will fill (an LMDB value
 * beyond half a page takes whole pages, less 16 bytes), and copies them behind a directory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "tsdb/bytes.h"
#include "tsdb/group.h"
#include "tsdb/group_int.h"
#include "tsdb/partition.h"

enum {
    PAGE = 4096,
    PAGE_OVERHEAD = 16,
    INLINE_MAX = 2000, /* shorter values share a page */
    CUT_MIN = 12000,   /* the smallest group made while there is more */
    CUT_SOON = 20464,  /* longer ones only to waste less than a 32nd */
    VECTORS_TRIED = 32,
    PIECES_MAX = 1 << 24,
};
#define ENCODED_MAX ((size_t)1 << 30)

struct piece {
    uint32_t id;
    uint32_t vector; /* index into vectors */
    size_t offset;   /* of the encoded values */
    uint32_t len;
};

struct vector {
    const int64_t *t; /* borrowed, to recognise it again */
    size_t count;
    size_t offset;
    uint32_t len;
    uint32_t min_ms, max_ms;
    uint32_t used_by; /* number of the cut that took it in last, and ... */
    uint32_t local;   /* ... its number in there */
};

struct group_packer {
    int64_t day_ms;
    struct piece *pieces;
    size_t piece_count, piece_cap, next;
    struct vector *vectors;
    size_t vector_count, vector_cap;
    struct buf bytes; /* encoded vectors and values, in the order they came */
    uint32_t cuts;
};

int group_packer_new(struct group_packer **out, int64_t day_ms)
{
    struct group_packer *g = mem_zalloc(sizeof *g);
    *out = g;
    if (!g) return -ENOMEM;
    g->day_ms = day_ms;
    buf_init(&g->bytes, ENCODED_MAX);
    return 0;
}

void group_packer_free(struct group_packer *g)
{
    if (!g) return;
    mem_free(g->pieces);
    mem_free(g->vectors);
    buf_release(&g->bytes);
    mem_free(g);
}

/* --- adding -------------------------------------------------------------------------------------
 */

static bool times_are_valid(const int64_t *t, size_t count, int64_t day_ms)
{
    for (size_t i = 1; i < count; i++)
        if (t[i] <= t[i - 1]) return false;
    return count > 0 && t[0] >= day_ms && t[count - 1] < day_ms + DAY_MS;
}

/* The vector with these times, if it is among the last few. */
static bool find_vector(const struct group_packer *g, const int64_t *t, size_t count, uint32_t *out)
{
    size_t tried = 0;
    for (size_t i = g->vector_count; i > 0 && tried < VECTORS_TRIED; i--, tried++) {
        const struct vector *v = &g->vectors[i - 1];
        if (v->count == count && v->t[0] == t[0] && v->t[count - 1] == t[count - 1] &&
            memcmp(v->t, t, count * sizeof *t) == 0) {
            *out = (uint32_t)(i - 1);
            return true;
        }
    }
    return false;
}

static int add_vector(struct group_packer *g, const int64_t *t, size_t count, uint32_t *out)
{
    void *array = g->vectors;
    int rc = mem_grow(&array, &g->vector_cap, g->vector_count + 1, PIECES_MAX, sizeof *g->vectors);
    g->vectors = array;
    if (rc < 0) return rc;

    int64_t relative[CODEC_BLOCK_MAX];
    for (size_t i = 0; i < count; i++)
        relative[i] = t[i] - g->day_ms;
    size_t offset = g->bytes.len;
    rc = codec_encode_times(relative, count, &g->bytes);
    if (rc < 0) return rc;
    *out = (uint32_t)g->vector_count;
    g->vectors[g->vector_count++] = (struct vector){
        .t = t,
        .count = count,
        .offset = offset,
        .len = (uint32_t)(g->bytes.len - offset),
        .min_ms = (uint32_t)relative[0],
        .max_ms = (uint32_t)relative[count - 1],
    };
    return 0;
}

static int add_piece(struct group_packer *g, uint32_t id, const int64_t *t, const double *v,
                     size_t count)
{
    uint32_t vector = 0;
    if (!find_vector(g, t, count, &vector)) {
        int rc = add_vector(g, t, count, &vector);
        if (rc < 0) return rc;
    }
    void *array = g->pieces;
    int rc = mem_grow(&array, &g->piece_cap, g->piece_count + 1, PIECES_MAX, sizeof *g->pieces);
    g->pieces = array;
    if (rc < 0) return rc;
    size_t offset = g->bytes.len;
    rc = codec_encode_values(v, count, &g->bytes);
    if (rc < 0) return rc;
    g->pieces[g->piece_count++] =
        (struct piece){id, vector, offset, (uint32_t)(g->bytes.len - offset)};
    return 0;
}

int group_packer_add(struct group_packer *g, uint32_t id, const int64_t *t, const double *v,
                     size_t count)
{
    if (g->piece_count && g->pieces[g->piece_count - 1].id >= id) return E_INVALID;
    if (!times_are_valid(t, count, g->day_ms)) return E_INVALID;
    size_t parts = (count + CODEC_BLOCK_MAX - 1) / CODEC_BLOCK_MAX;
    for (size_t i = 0; i < parts; i++) { /* parts of equal size, not a full one and a rest */
        size_t from = count * i / parts, to = count * (i + 1) / parts;
        int rc = add_piece(g, id, t + from, v + from, to - from);
        if (rc < 0) return rc;
    }
    return 0;
}

/* --- cutting ------------------------------------------------------------------------------------
 */

/* Bytes of pages that a value of this size leaves unused. */
static size_t wasted(size_t size)
{
    if (size <= INLINE_MAX) return 0;
    size_t pages = (size + PAGE_OVERHEAD + PAGE - 1) / PAGE;
    return pages * PAGE - size;
}

/* Size of a group after one more piece. */
static size_t grow(struct group_packer *g, size_t size, const struct piece *p)
{
    struct vector *v = &g->vectors[p->vector];
    if (v->used_by != g->cuts) {
        v->used_by = g->cuts;
        size += GROUP_VECTOR_ENTRY + v->len;
    }
    return size + GROUP_BLOCK_ENTRY + p->len;
}

/* The end (exclusive) of the group that starts at g->next. */
static size_t choose_end(struct group_packer *g)
{
    size_t size = GROUP_HEADER, best = g->next, best_waste = 1, best_size = 0;
    g->cuts++;
    for (size_t i = g->next; i < g->piece_count; i++) {
        size = grow(g, size, &g->pieces[i]);
        bool apart = g->pieces[i].id - g->pieces[g->next].id > UINT16_MAX;
        bool enough = size > CUT_SOON && best_waste * 32 < best_size;
        if (best > g->next && (enough || size > GROUP_LIMIT || apart)) return best;
        size_t waste = wasted(size);
        bool better = (uint64_t)waste * best_size <= (uint64_t)best_waste * size;
        if (best == g->next || best_size < CUT_MIN || better) {
            best = i + 1;
            best_waste = waste;
            best_size = size;
        }
    }
    return best;
}

static void put_header(uint8_t *h, const struct group_info *info, int64_t day_ms, size_t vectors,
                       size_t blocks, size_t len)
{
    put_le32(h, GROUP_MAGIC);
    put_le32(h + 8, (uint32_t)len);
    h[12] = GROUP_VERSION;
    h[13] = 0;
    put_le16(h + 14, info->flags);
    put_le64(h + 16, (uint64_t)day_ms);
    put_le32(h + 24, info->cycle);
    put_le32(h + 28, info->first_id);
    put_le32(h + 32, info->last_id);
    put_le32(h + 36, info->min_ms);
    put_le32(h + 40, info->max_ms);
    put_le16(h + 44, (uint16_t)info->slice);
    put_le16(h + 46, (uint16_t)vectors);
    put_le16(h + 48, (uint16_t)blocks);
    put_le16(h + 50, 0);
    put_le32(h + 52, (uint32_t)(len - GROUP_HEADER));
}

/* Numbers the vectors of pieces [next, end) in order of use, notes time and sizes. */
static size_t number_vectors(struct group_packer *g, size_t end, struct group_info *info)
{
    size_t count = 0;
    g->cuts++;
    info->min_ms = UINT32_MAX;
    info->max_ms = 0;
    for (size_t i = g->next; i < end; i++) {
        struct vector *v = &g->vectors[g->pieces[i].vector];
        if (v->used_by == g->cuts) continue;
        v->used_by = g->cuts;
        v->local = (uint32_t)count++;
        info->min_ms = MIN(info->min_ms, v->min_ms);
        info->max_ms = MAX(info->max_ms, v->max_ms);
    }
    return count;
}

/* Copies an item of the encoded bytes behind what is there and gives its offset. */
static uint16_t copy_item(const struct group_packer *g, size_t from, size_t len, struct buf *out)
{
    size_t at = out->len;
    buf_add(out, g->bytes.p + from, len);
    return (uint16_t)at;
}

static int write_group(struct group_packer *g, size_t end, size_t vectors,
                       const struct group_info *info, struct buf *out)
{
    static const uint8_t zeros[512];
    size_t blocks = end - g->next;
    size_t head = GROUP_HEADER + vectors * GROUP_VECTOR_ENTRY + blocks * GROUP_BLOCK_ENTRY;
    for (size_t left = head; left > 0; left -= MIN(left, sizeof zeros))
        buf_add(out, zeros, MIN(left, sizeof zeros));
    size_t local = 0;
    for (size_t i = g->next; i < end && !out->err; i++) {
        const struct vector *v = &g->vectors[g->pieces[i].vector];
        if (v->local != local) continue;
        uint16_t offset = copy_item(g, v->offset, v->len, out);
        if (out->err) break;
        uint8_t *e = (uint8_t *)out->p + GROUP_HEADER + local++ * GROUP_VECTOR_ENTRY;
        put_le16(e, offset);
        put_le16(e + 2, (uint16_t)v->count);
    }
    for (size_t i = g->next; i < end && !out->err; i++) {
        const struct piece *p = &g->pieces[i];
        uint16_t offset = copy_item(g, p->offset, p->len, out);
        if (out->err) break;
        uint8_t *e = (uint8_t *)out->p + head - (end - i) * GROUP_BLOCK_ENTRY;
        put_le16(e, (uint16_t)(p->id - info->first_id));
        put_le16(e + 2, offset);
        put_le16(e + 4, (uint16_t)g->vectors[p->vector].local);
    }
    if (out->err) return out->err;
    uint8_t *h = (uint8_t *)out->p;
    put_header(h, info, g->day_ms, vectors, blocks, out->len);
    put_le32(h + 4, crc32c(0, h + 8, out->len - 8));
    return 0;
}

int group_packer_cut(struct group_packer *g, struct group_info *info, struct buf *out)
{
    buf_reset(out);
    if (g->next == g->piece_count) return 0;
    size_t end = choose_end(g);
    info->first_id = g->pieces[g->next].id;
    info->last_id = g->pieces[end - 1].id;
    size_t vectors = number_vectors(g, end, info);
    int rc = write_group(g, end, vectors, info, out);
    if (rc < 0) return rc;
    assert(out->len <= GROUP_MAX);
    g->next = end;
    return 1;
}
