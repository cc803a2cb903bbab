/* fuzz_rules.c -- any text as a rule file: loads, or every problem has a place inside the text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rule_set *s;
    struct diags d;
    diags_init(&d);
    if (rule_set_new(&s) == 0) {
        int lines = 2, rc;
        for (size_t i = 0; i < size; i++) /* YAML breaks lines at more than \n */
            lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80;
        rc = rule_set_add(s, "fuzz.yml", (struct str){(const char *)data, size}, 15000, &d);
        if ((rc == 0) != (d.errors == 0)) abort();
        for (const struct diag *p = d.first; p; p = p->next)
            if (p->line < 0 || p->line > lines || p->text[0] == '\0') abort();
        rule_set_free(s);
    }
    diags_release(&d);
    return 0;
}
