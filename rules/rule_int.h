/* rule_int.h -- loaded rules, as the files of rules/ see them. Everything lives in the set's arena.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_RULE_INT_H
#define TOCSIN_RULES_RULE_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/yaml.h"
#include "rules/rules.h"
#include "rules/template.h"
#include "tsdb/promql/promql.h"

enum { RULE_FILE_MAX = 4 << 20, RULE_SET_MAX = 256 << 20 };
enum { RULE_INTERVAL_MIN_MS = 100 };

/* A label or an annotation. template is NULL where the text is empty; recording rules take texts as
 * they stand. */
struct rule_text {
    struct str name, value;
    const struct template *template;
};
struct rule_texts {
    struct rule_text *v;
    size_t count;
};

struct rule_group;
struct rule {
    const char *name;
    bool is_alert;
    const char *query; /* printed canonically */
    struct expr *expr;
    int64_t for_ms, keep_firing_for_ms;
    struct rule_texts labels, annotations; /* labels: the group's included */
    int line;
    const struct rule_place *places; /* of the selectors; NULL unless they are marked */
    uint64_t key; /* of group, name, query and labels; equal rules of a group are numbered */
    const struct rule_group *group;
    struct rule *next;
};

struct rule_group {
    const char *file, *name;
    int64_t interval_ms, query_offset_ms, limit;
    struct rule *rules, **last;
    size_t count;
    struct rule_group *next;
};

struct rule_set {
    struct arena arena;
    struct rule_group *groups, **last;
    size_t group_count, rule_count;
    bool legacy_names, mark_selectors, experimental;
};

/* Where byte offset of a scalar's value stands in the file: line and column (bytes) from 1. Block
 * and folded scalars, quotes and their escapes are followed back to the text. */
void scalar_position(const struct ydoc *doc, const struct ynode *n, size_t offset, int *line,
                     int *column);

#endif
