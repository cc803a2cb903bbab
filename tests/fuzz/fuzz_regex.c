/* fuzz_regex.c -- any pattern compiles or is refused, and matching ends.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "core/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: pattern, newline, text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct str pattern = str_split(&text, '\n');
    struct regex *r;
    struct errmsg e;
    if (regex_new(&r, pattern, size % 2 ? REGEX_ANCHORED : 0, &e)) return 0;
    struct buf out = BUF_INIT(1 << 20);
    int matched = regex_match(r, text);
    int expanded = regex_expand(r, text, STR("$1${x}$$"), &out);
    buf_reset(&out);
    int replaced = regex_replace_all(r, text, STR("<$0>"), &out);
    UNUSED(matched);
    UNUSED(expanded);
    UNUSED(replaced);
    buf_release(&out);
    regex_free(r);
    return 0;
}
