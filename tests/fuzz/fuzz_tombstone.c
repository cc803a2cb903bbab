/* fuzz_tombstone.c -- any bytes as a recorded deletion: what reads back is written again the same.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "tsdb/tombstone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct tombstone *t, struct buf *out)
{
    buf_reset(out);
    if (tombstone_encode(t, NULL, NULL, out) < 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tombstone *t = NULL, *again = NULL;
    struct buf first = BUF_INIT(16 << 20), second = BUF_INIT(16 << 20);
    if (tombstone_decode((struct str){(const char *)data, size}, &t) < 0) return 0;
    encode(t, &first);
    if (tombstone_decode((struct str){first.p, first.len}, &again) < 0) abort();
    encode(again, &second);
    if (first.len != second.len || memcmp(first.p, second.p, first.len) != 0) abort();
    tombstone_unref(t);
    tombstone_unref(again);
    buf_release(&first);
    buf_release(&second);
    return 0;
}
