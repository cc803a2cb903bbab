/* rule_load.h -- everything a rules: block names, into a rule set.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_RULE_LOAD_H
#define TOCSIN_RULES_RULE_LOAD_H

#include "rules/rule_int.h"

/* Built-in sets first, then files in the order of their patterns, sorted within one. E_INVALID with
 * every problem in d. */
int rules_load(struct rule_set *s, struct env *env, const struct rules_config *c,
               struct diags *d) MUST_CHECK;

#endif
