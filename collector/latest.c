/* latest.c -- published values of many series tables, grouped by metric: for /metrics, and for
 * printing one collection as exposition text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "collector/collect_int.h"
#include "core/mem.h"

enum { LATEST_BYTES_MAX = 64 << 20, LATEST_MAX = 1 << 20 };

void latest_init(struct latest *l)
{
    *l = (struct latest){0};
    arena_init(&l->arena, LATEST_BYTES_MAX);
}

void latest_release(struct latest *l)
{
    arena_release(&l->arena);
    mem_free(l->v);
    *l = (struct latest){0};
}

static int add_series(struct latest *l, const struct series *s)
{
    void *array = l->v;
    int rc = mem_grow(&array, &l->cap, l->count + 1, LATEST_MAX, sizeof *l->v);
    l->v = array;
    if (rc < 0) return rc;
    struct labels from = {s->labels, s->label_count}, to;
    rc = labels_copy(&l->arena, from, &to);
    if (rc < 0) return rc;
    struct str name = arena_str(&l->arena, s->name), help = arena_str(&l->arena, str_of(s->help));
    if (!name.p || !help.p) return -ENOMEM;
    l->v[l->count++] = (struct local_sample){name.p, help.p, s->type, to, s->value};
    return 0;
}

void latest_add(struct latest *l, struct series_table *t)
{
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->count && l->err == 0; i++)
        if (t->v[i].live && t->v[i].visible) l->err = add_series(l, &t->v[i]);
    pthread_mutex_unlock(&t->lock);
}

static int by_name_and_labels(const void *a, const void *b)
{
    const struct local_sample *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : labels_cmp(x->labels, y->labels);
}

int latest_visit(struct latest *l, local_visit_fn *each, void *arg)
{
    if (l->err < 0) return l->err;
    if (l->count) qsort(l->v, l->count, sizeof *l->v, by_name_and_labels);
    for (size_t i = 0; i < l->count; i++) {
        int rc = each(arg, &l->v[i]);
        if (rc) return rc;
    }
    return 0;
}
