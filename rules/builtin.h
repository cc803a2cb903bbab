/* builtin.h -- the rule sets that come with the program.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_BUILTIN_H
#define TOCSIN_RULES_BUILTIN_H

#include <stdbool.h>

#include "core/str.h"

struct builtin_rules {
    const char *name; /* host, self */
    const char *file; /* shown in messages: builtin/host.yml */
    struct str text;
};
/* The i-th set; false past the last. */
bool builtin_rules_at(size_t i, struct builtin_rules *out);

#endif
