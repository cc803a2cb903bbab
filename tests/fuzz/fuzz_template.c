/* fuzz_template.c -- any text as a template: parses or is refused, runs or fails, within its
 * limits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "rules/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct label labels[] = {
        {{"instance", 8}, {"a:1", 3}},
        {{"job", 3},      {"j", 1}  }
    };
    struct arena a;
    arena_init(&a, 16 << 20);
    struct buf out = BUF_INIT(64 << 10);
    struct template *t;
    struct errmsg err = {0};
    struct template_data d = {
        .labels = {labels, 2},
        .external_labels = {labels, 1},
        .external_url = "http://h/p",
        .value = 1.5,
        .now_ms = 1700000000000
    };
    if (template_parse((struct str){(const char *)data, size}, "fuzz", &a, &t, &err) == 0) {
        int rc = template_expand(t, &d, &a, &out, &err);
        if (rc < 0 && (out.len > 0 || err.text[0] == '\0')) abort();
    } else if (err.text[0] == '\0') {
        abort();
    }
    buf_release(&out);
    arena_release(&a);
    return 0;
}
