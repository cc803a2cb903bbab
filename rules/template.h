/* template.h -- Go text/template, the part that rule files use (stage 1 of
 * alerting-and-scaling.md §5): $labels $value $externalLabels $externalURL, pipelines, humanize*,
 * printf, with/if/range/else/end, query first value label sortByLabel, comments, trim markers.
 *
 * Pure: no I/O but through the query function. Limits: 64 KiB of output, 100,000 steps.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_TEMPLATE_H
#define TOCSIN_RULES_TEMPLATE_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "tsdb/labels.h"
#include "tsdb/promql/promql.h"

struct template;

/* Parses; the tree lives in the arena. E_PARSE with position and Go-like text. */
int template_parse(struct str text, const char *name, struct arena *a, struct template **out,
                   struct errmsg *err) MUST_CHECK;

struct template_data {
    struct labels labels, external_labels;
    const char *external_url;
    double value;
    int64_t now_ms;
    /* The `query` function; NULL: it fails. Result in the arena. */
    int (*query)(void *arg, struct str expr, int64_t t_ms, struct arena *a,
                 struct promql_result *out, struct errmsg *err);
    void *query_arg;
};

/* Appends the expansion. On failure nothing is appended but err says why; rules then use
 * "<error expanding template: ...>". */
int template_expand(const struct template *t, const struct template_data *data, struct arena *a,
                    struct buf *out, struct errmsg *err) MUST_CHECK;

/* Whether templates may call a function of this name. */
bool template_has_function(struct str name);

#endif
