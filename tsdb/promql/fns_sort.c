/* fns_sort.c -- order of the result: sort, sort_desc, sort_by_label, sort_by_label_desc.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "tsdb/promql/fns_int.h"

/* Rows with what they are compared by, since qsort passes no argument. */
struct sort_key {
    struct row row;
    const struct expr *call; /* its further arguments name the labels */
    bool descending;
};

/* NaN comes last either way. */
static int compare_value(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    double l = x->row.v[0], r = y->row.v[0];
    if (isnan(l) || isnan(r)) return (isnan(l) > 0) - (isnan(r) > 0);
    int order = (l > r) - (l < r);
    return x->descending ? -order : order;
}

/* --- labels in natural order: runs of digits count as numbers --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A run of digits, or of anything else. */
static struct str take_run(struct str *s)
{
    struct str run = {s->p, 0};
    while (run.len < s->len && is_digit(s->p[run.len]) == is_digit(s->p[0]))
        run.len++;
    s->p += run.len;
    s->len -= run.len;
    return run;
}

static int natural_cmp(struct str a, struct str b)
{
    while (a.len && b.len) {
        struct str x = take_run(&a), y = take_run(&b);
        int64_t l, r;
        int order = 0;
        if (is_digit(*x.p) && is_digit(*y.p) && str_to_i64(x, &l) == 0 && str_to_i64(y, &r) == 0)
            order = (l > r) - (l < r);
        else
            order = str_cmp(x, y);
        if (order) return order;
    }
    return (a.len > 0) - (b.len > 0);
}

static int compare_labels(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    int order = 0;
    for (size_t i = 1; i < x->call->call.count && order == 0; i++) {
        struct str name = eval_string(x->call->call.args[i]);
        order = natural_cmp(labels_get(x->row.labels, name), labels_get(y->row.labels, name));
    }
    if (order == 0) order = labels_cmp(x->row.labels, y->row.labels);
    return x->descending ? -order : order;
}

/* --- the functions --- */

/* Native histograms have no place in an order by value: they are left out. */
struct floats {
    struct sink sink;
    struct eval *ev;
    struct sink *out;
};

static int floats_put(struct sink *s, struct row *row)
{
    struct floats *f = (struct floats *)s;
    for (size_t i = 0; i < f->ev->steps; i++)
        if (is_histogram(row->v[i])) row->v[i] = ABSENT;
    return f->out->put(f->out, row);
}

static int sorted(struct eval *ev, const struct expr *call, struct sink *out, bool descending,
                  int (*compare)(const void *, const void *))
{
    struct floats floats = {.sink.put = floats_put, .ev = ev, .out = out};
    if (compare == compare_value) out = &floats.sink;
    if (ev->steps > 1 || ev->run->query_steps > 1) {
        int rc = eval_note(ev, NOTE_WARNING, call,
                           "sort is ineffective for range queries since results are always "
                           "ordered by labels");
        return rc ? rc : eval_rows(ev, call->call.args[0], out);
    }
    struct rows rows;
    int rc = eval_collect(ev, call->call.args[0], &rows);
    if (rc) return rc;
    struct sort_key *keys = arena_alloc(ev->arena, (rows.count + 1) * sizeof *keys);
    if (!keys) return eval_nomem(ev);
    for (size_t i = 0; i < rows.count; i++)
        keys[i] = (struct sort_key){rows.v[i], call, descending};
    rc = eval_sort(ev, keys, rows.count, sizeof keys[0], compare);
    ev->run->ordered = true;
    for (size_t i = 0; i < rows.count && rc == 0; i++)
        rc = out->put(out, &keys[i].row);
    return rc;
}

int fn_sort(struct eval *ev, const struct expr *call, struct sink *out)
{
    return sorted(ev, call, out, false, compare_value);
}

int fn_sort_desc(struct eval *ev, const struct expr *call, struct sink *out)
{
    return sorted(ev, call, out, true, compare_value);
}

int fn_sort_by_label(struct eval *ev, const struct expr *call, struct sink *out)
{
    return sorted(ev, call, out, false, compare_labels);
}

int fn_sort_by_label_desc(struct eval *ev, const struct expr *call, struct sink *out)
{
    return sorted(ev, call, out, true, compare_labels);
}
