/* fuzz_units.c -- numbers, durations, sizes and times: what is read is printed and read again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "core/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = {(const char *)data, size};
    char out[STR_DOUBLE_MAX];
    double v = 0, again = 0;
    int64_t ms = 0, back = 0;
    uint64_t u;
    if (!str_to_double(s, &v) && v - v == 0) {
        size_t len = str_from_double(v, out);
        if (str_to_double((struct str){out, len}, &again) || again != v) __builtin_trap();
        str_from_double_f(v, out);
        str_from_double_g(v, out);
    }
    if (str_scan_double(s, &v) > size) __builtin_trap();
    if (!str_to_duration(s, &ms, NULL)) {
        size_t len = str_from_duration(ms, out);
        if (str_to_duration((struct str){out, len}, &back, NULL) || back != ms) __builtin_trap();
    }
    int rc = str_to_size(s, &ms, NULL) | str_to_u64(s, &u) | str_to_i64(s, &ms);
    if (!str_to_time(s, &ms)) str_from_time(ms, out);
    str_is_utf8(s);
    UNUSED(rc);
    return 0;
}
