/* seriesblock.h -- series definitions (id -> labels) packed into checksummed blocks.
 *
 * A block holds a dictionary of the texts in it, front-coded in sorted order, and each series as
 * pairs of text numbers (docs/FORMAT.md draws it). Pure: bytes in, bytes out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_SERIESBLOCK_H
#define TOCSIN_TSDB_SERIESBLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "tsdb/labels.h"

#define SERIES_BLOCK_MAGIC UINT32_C(0x52455374) /* "tSER" in the file */
enum {
    SERIES_BLOCK_VERSION = 1,
    SERIES_BLOCK_HEADER = 32,
    SERIES_BLOCK_SERIES = 512,     /* most series in one block */
    SERIES_BLOCK_TEXT = 64 * 1024, /* a block is closed once its series brought this much text */
    SERIES_BLOCK_MAX = 16 << 20,   /* bytes of one block, and of its texts once expanded */
};

struct series_def {
    uint32_t id;
    struct labels labels;
};

/* Packs as many of defs[0..count) (ids ascending) as one block takes; *taken says how many. Label
 * sets of more than SERIES_BLOCK_MAX bytes are E_TOO_BIG, unsorted ones E_INVALID. */
int series_block_encode(const struct series_def *defs, size_t count, struct buf *out,
                        size_t *taken) MUST_CHECK;

struct series_block_info {
    uint32_t first_id, last_id, count;
};

/* Walks the series of one block; the bytes are borrowed. */
struct series_block;
/* Checks header, checksum and texts: E_CORRUPT. */
int series_block_open(struct series_block **out, const void *p, size_t len,
                      struct series_block_info *info) MUST_CHECK;
/* The next series: 0, 1 at the end, E_CORRUPT. Labels are borrowed until the next call. */
int series_block_next(struct series_block *b, struct series_def *out) MUST_CHECK;
void series_block_free(struct series_block *b); /* NULL is fine */

#endif
