/* fuzz_stream.c -- any bytes as a stream; and whatever reads as samples, written and read again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "tsdb/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SAMPLES_MAX = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream_reader r;
    struct stream s = {0};
    uint8_t out[SAMPLES_MAX * STREAM_SAMPLE_MAX];
    int64_t t[SAMPLES_MAX], t2;
    double v[SAMPLES_MAX], v2;
    size_t len = 0, count = 0;
    stream_reader_init(&r, data, size);
    while (count < SAMPLES_MAX && stream_next(&r, &t[count], &v[count]) == 1)
        count++;
    for (size_t i = 0; i < count; i++)
        len += stream_put(&s, t[i], v[i], out + len);
    stream_reader_init(&r, out, len);
    for (size_t i = 0; i < count; i++)
        if (stream_next(&r, &t2, &v2) != 1 || t2 != t[i] || double_bits(v2) != double_bits(v[i]))
            abort();
    if (stream_next(&r, &t2, &v2) != 0) abort();
    return 0;
}
