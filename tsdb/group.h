/* group.h -- about 16 KiB of encoded samples of neighbouring series: one value of a partition.
 *
 * A group describes itself: magic, checksum, day, id and time range, timestamp vectors shared by
 * its series, and a directory of value blocks (docs/FORMAT.md draws it). A packer encodes series in
 * ascending order and cuts the result into groups whose size wastes little of LMDB's pages; a view
 * reads one group in place. Pure: bytes in, bytes out; any thread, one packer or view per thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_GROUP_H
#define TOCSIN_TSDB_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "tsdb/codec.h"

#define GROUP_MAGIC UINT32_C(0x50524774) /* "tGRP" in the file */
enum {
    GROUP_VERSION = 1,
    GROUP_LATE = 1, /* flag: may overlap earlier groups in time */
    GROUP_HEADER = 56,
    GROUP_MAX = 65535,   /* bytes; offsets are 16 bits */
    GROUP_LIMIT = 32752, /* the largest a packer makes of several blocks: 8 pages */
};

/* What a group is about; the key of its entry says the same. Times are milliseconds of the day. */
struct group_info {
    uint32_t cycle, slice;
    uint32_t first_id, last_id;
    uint32_t min_ms, max_ms;
    uint16_t flags;
};

/* --- packing ------------------------------------------------------------------------------------
 */

struct group_packer;
int group_packer_new(struct group_packer **out, int64_t day_ms) MUST_CHECK;
void group_packer_free(struct group_packer *g); /* NULL is fine */
/* Adds one series: ids ascend (E_INVALID otherwise), times ascend strictly and lie inside the day.
 * More than CODEC_BLOCK_MAX samples become several blocks. t and v are borrowed until the last
 * group_packer_cut. */
int group_packer_add(struct group_packer *g, uint32_t id, const int64_t *t, const double *v,
                     size_t count) MUST_CHECK;
/* Makes the next group from what was added: 1 and its bytes in *out (reset first), 0 when there is
 * none left. info gives cycle, slice and flags and receives the ranges. */
int group_packer_cut(struct group_packer *g, struct group_info *info, struct buf *out) MUST_CHECK;

/* --- reading ------------------------------------------------------------------------------------
 */

struct group_view {
    const uint8_t *p;
    size_t len;
    int64_t day_ms;
    struct group_info info;
    unsigned vectors, blocks;
};

/* Checks header, checksum (when crc is set) and directory bounds: E_CORRUPT. The bytes are
 * borrowed. */
int group_view_open(struct group_view *g, const void *p, size_t len, bool crc) MUST_CHECK;

struct group_block {
    uint32_t id;
    unsigned vector;  /* its timestamps */
    size_t count;     /* samples */
    const uint8_t *p; /* the encoded values */
    size_t len;
};
/* The first block whose id is at least id; g->blocks when there is none. */
unsigned group_view_find(const struct group_view *g, uint32_t id);
/* Block i < g->blocks. */
int group_view_block(const struct group_view *g, unsigned i, struct group_block *out) MUST_CHECK;
/* Decodes vector i into t[CODEC_BLOCK_MAX]: absolute milliseconds, inside the group's range. */
int group_view_times(const struct group_view *g, unsigned i, int64_t *t, size_t *count) MUST_CHECK;
/* Of vector i, in absolute milliseconds. */
int group_view_span(const struct group_view *g, unsigned i, struct codec_span *out) MUST_CHECK;

#endif
