/* fuzz_yaml.c -- any text is a document or a list of problems; both print.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "core/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct diags d;
    struct ydoc doc;
    struct buf told = BUF_INIT(8 << 20);
    arena_init(&a, 16 << 20);
    diags_init(&d);
    int rc = ydoc_parse(&doc, "fuzz.yml", (struct str){(const char *)data, size}, 1 << 16, &a, &d);
    if (rc && !d.errors) __builtin_trap(); /* a failure nobody would hear of */
    diags_print(&d, &told);
    diags_print_json(&d, &told);
    buf_release(&told);
    diags_release(&d);
    arena_release(&a);
    return 0;
}
