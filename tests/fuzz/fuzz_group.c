/* fuzz_group.c -- groups and series blocks of hostile bytes, also with a checksum that fits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/mem.h"
#include "tsdb/bytes.h"
#include "tsdb/group.h"
#include "tsdb/seriesblock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_group(const uint8_t *p, size_t len, bool crc)
{
    struct group_view g;
    struct group_block b;
    int64_t t[CODEC_BLOCK_MAX];
    double v[CODEC_BLOCK_MAX];
    size_t count;
    if (group_view_open(&g, p, len, crc) < 0) return;
    if (group_view_find(&g, g.info.first_id) > g.blocks) abort();
    for (unsigned i = 0; i < g.blocks; i++) {
        if (group_view_block(&g, i, &b) < 0) {
            if (crc) abort(); /* the directory was checked */
            continue;
        }
        if (group_view_times(&g, b.vector, t, &count) < 0) continue;
        (void)!codec_decode_values(b.p, b.len, v, count);
    }
}

static void read_series(const uint8_t *p, size_t len)
{
    struct series_block *b;
    struct series_block_info info;
    struct series_def def;
    if (series_block_open(&b, p, len, &info) < 0) return;
    while (series_block_next(b, &def) == 0)
        for (size_t i = 0; i < def.labels.count; i++)
            if (def.labels.v[i].name.len == 0 || def.labels.v[i].value.len == 0) abort();
    series_block_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_group(data, size, false);
    read_group(data, size, true);
    read_series(data, size);
    if (size < 12) return 0;
    uint8_t *fixed = mem_dup(data, size); /* length and checksum put right: deeper in */
    if (!fixed) return 0;
    put_le32(fixed + 8, (uint32_t)size);
    put_le32(fixed + 4, crc32c(0, fixed + 8, size - 8));
    read_group(fixed, size, true);
    read_series(fixed, size);
    mem_free(fixed);
    return 0;
}
