/* fuzz_kvcheck.c -- the page walk over hostile files, in memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tsdb/kvcheck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
    const uint8_t *p;
    size_t len;
};

static int read_image(void *arg, uint64_t offset, void *p, size_t len)
{
    const struct image *m = arg;
    if (offset > m->len || len > m->len - offset) abort(); /* it was told the size */
    memcpy(p, m->p + offset, len);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image m = {data, size};
    struct errmsg err = {0};
    if (kvcheck(read_image, &m, size, 0, &err) == E_CORRUPT && err.text[0] == 0) abort();
    return 0;
}
