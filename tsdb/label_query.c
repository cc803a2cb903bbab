/* label_query.c -- label names and values of a querier, by way of its series.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/label_query.h"

#include <stdlib.h>

#include "core/mem.h"

/* Texts collected from many series, told once each in byte order. Texts are borrowed. */
struct strset {
    struct str *v;
    size_t count, cap;
};

static int strset_add(struct strset *s, struct str text)
{
    void *v = s->v;
    int rc =
        s->count < s->cap ? 0 : mem_grow(&v, &s->cap, s->count + 1, SIZE_MAX / 64, sizeof *s->v);
    s->v = v;
    if (rc < 0) return rc;
    s->v[s->count++] = text;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    return str_cmp(*x, *y);
}

static int strset_visit(struct strset *s, str_visit_fn *each, void *arg)
{
    if (s->count) qsort(s->v, s->count, sizeof *s->v, by_text);
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0 && str_eq(s->v[i - 1], s->v[i])) continue;
        int rc = each(arg, s->v[i]);
        if (rc) return rc;
    }
    return 0;
}

static void strset_release(struct strset *s)
{
    mem_free(s->v);
    *s = (struct strset){0};
}

struct collect_args {
    struct strset set;
    struct str name;
};

static int collect_names(void *arg, struct labels ls)
{
    struct collect_args *c = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ls.count; i++)
        rc = strset_add(&c->set, ls.v[i].name);
    return rc;
}

static int collect_values(void *arg, struct labels ls)
{
    struct collect_args *c = arg;
    struct str value = labels_get(ls, c->name);
    return value.len ? strset_add(&c->set, value) : 0;
}

static int visit_texts(struct querier *q, struct str name, labels_visit_fn *collect,
                       const struct select_request *r, str_visit_fn *each, void *arg,
                       struct errmsg *err)
{
    struct collect_args c = {.name = name};
    int rc = q->ops->series(q, r, collect, &c, err);
    if (rc == 0) rc = strset_visit(&c.set, each, arg);
    strset_release(&c.set);
    return rc;
}

int label_query_names(struct querier *q, const struct select_request *r, str_visit_fn *each,
                      void *arg, struct errmsg *err)
{
    return visit_texts(q, STR(""), collect_names, r, each, arg, err);
}

int label_query_values(struct querier *q, struct str name, const struct select_request *r,
                       str_visit_fn *each, void *arg, struct errmsg *err)
{
    return visit_texts(q, name, collect_values, r, each, arg, err);
}
