/* remote_finish.c -- an answer that was read to its end, checked as a whole: sorted, unique, of the
 * form that it says.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tsdb/promql/remote_answer_int.h"

static int compare_series(const void *a, const void *b)
{
    const struct promql_series_result *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int compare_sets(const void *a, const void *b)
{
    return labels_cmp(*(const struct labels *)a, *(const struct labels *)b);
}

static int compare_metas(const void *a, const void *b)
{
    const struct metric_metadata *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

/* Sorts, keeps one of equal ones, and moves what is left to the arena. */
static int finish_set(struct remote_answer *a, struct answer_list *l, size_t size,
                      int (*compare)(const void *, const void *), void **out, size_t *count)
{
    char *p = l->v;
    size_t kept = 0;
    if (l->count) qsort(p, l->count, size, compare);
    for (size_t i = 0; i < l->count; i++) {
        if (kept && compare(p + (kept - 1) * size, p + i * size) == 0) continue;
        if (kept != i) memcpy(p + kept * size, p + i * size, size);
        kept++;
    }
    *count = kept;
    *out = arena_dup(a->arena, p, kept * size);
    return *out ? 0 : answer_arena_full(a);
}

static int finish_names(struct remote_answer *a)
{
    void *v = NULL;
    int rc = finish_set(a, &a->names, sizeof(struct str), compare_names, &v, &a->reply.name_count);
    a->reply.names = v;
    return rc;
}

static int finish_sets(struct remote_answer *a)
{
    void *v = NULL;
    int rc = finish_set(a, &a->sets, sizeof(struct labels), compare_sets, &v, &a->reply.set_count);
    a->reply.sets = v;
    return rc;
}

static int finish_metadata(struct remote_answer *a)
{
    void *v = NULL;
    int rc = finish_set(a, &a->metas, sizeof(struct metric_metadata), compare_metas, &v,
                        &a->reply.metadata_count);
    a->reply.metadata = v;
    return rc;
}

/* A matrix comes out sorted by labels; a vector keeps the order of sort() and the like. */
static int finish_series(struct remote_answer *a)
{
    struct promql_result *r = &a->reply.result;
    struct promql_series_result *v = a->series.v;
    size_t n = a->series.count;
    for (size_t i = 0; r->type == T_VECTOR && i < n; i++)
        if (v[i].count != 1)
            return errmsg_set(a->err, E_PARSE, "a series of a vector has %zu samples", v[i].count);
    r->series = arena_dup(a->arena, v, n * sizeof *v);
    if (!r->series) return answer_arena_full(a);
    r->series_count = n;
    if (n) qsort(v, n, sizeof *v, compare_series);
    if (n && r->type == T_MATRIX) memcpy(r->series, v, n * sizeof *v);
    for (size_t i = 1; i < n; i++)
        if (labels_eq(v[i - 1].labels, v[i].labels))
            return errmsg_set(a->err, E_PARSE, "the same series stands in the answer twice");
    return 0;
}

static int finish_result(struct remote_answer *a)
{
    struct promql_result *r = &a->reply.result;
    bool single = r->type == T_SCALAR || r->type == T_STRING;
    if (r->type == T_NONE) return errmsg_set(a->err, E_PARSE, "there is no resultType");
    if (single ? !a->text.p || a->series.count : a->text.p != NULL)
        return errmsg_set(a->err, E_PARSE, "result and resultType do not agree");
    if (r->type == T_STRING) r->string = a->text;
    if (r->type == T_SCALAR) return answer_parse_value(a, a->text, &r->scalar);
    return single ? 0 : finish_series(a);
}

static int finish_notes(struct remote_answer *a)
{
    struct promql_result *r = &a->reply.result;
    int rc = 0;
    if (a->histograms_dropped)
        rc = answer_add_note(a, true, STR("native histograms in the answer were left out"));
    if (rc) return rc;
    r->annotations = arena_dup(a->arena, a->notes.v, a->notes.count * sizeof *r->annotations);
    r->annotation_count = a->notes.count;
    return r->annotations ? 0 : answer_arena_full(a);
}

int answer_finish(struct remote_answer *a)
{
    static int (*const finish[])(struct remote_answer * a) = {
        [REMOTE_QUERY] = finish_result,
        [REMOTE_NAMES] = finish_names,
        [REMOTE_SERIES] = finish_sets,
        [REMOTE_METADATA] = finish_metadata,
    };
    int rc = a->reply.success ? finish[a->kind](a) : 0;
    return rc ? rc : finish_notes(a);
}
