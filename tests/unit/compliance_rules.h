/* compliance_rules.h -- the corpora of rules/: files that must load, every expression and template
 * in them parsed, or be refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_UNIT_COMPLIANCE_RULES_H
#define TOCSIN_TESTS_UNIT_COMPLIANCE_RULES_H

#include "rules/rules.h"
#include "tests/unit/compliance.h"

/* {"file", "input", "valid", and the number of "rules" when it is known} */
static inline bool case_rule_file(struct trial *t, const json_t *c)
{
    enum { INTERVAL_MS = 60000 };
    struct rule_set *set = NULL;
    struct diags d;
    struct errmsg err = {0};
    diags_init(&d);
    int rc = rule_set_new(&set);
    if (rc == 0)
        rc = rule_set_add(set, json_string_value(json_object_get(c, "file")),
                          text_of(&t->arena, c, "input"), INTERVAL_MS, &d);
    if (d.first)
        rc =
            errmsg_set(&err, E_INVALID, "%d:%d: %s", d.first->line, d.first->column, d.first->text);
    bool ok = expect_valid(t, flag_of(c, "valid"), rc, &err);
    const json_t *rules = json_object_get(c, "rules");
    if (ok && rc == 0 && rules && (json_int_t)rule_set_rules(set) != json_integer_value(rules))
        ok = reject(t, "%zu rules", rule_set_rules(set));
    rule_set_free(set);
    diags_release(&d);
    return ok;
}

#endif
