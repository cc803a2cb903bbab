/* budget.c -- charging reads to a query's budget, and sorting under it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/budget.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

enum { CLOCK_EVERY = 16, SORT_RUN = 1024 };

static const struct budget_names default_names = {
    .series = "limits.query.series",
    .samples = "limits.query.samples",
    .memory = "limits.query.memory",
    .timeout = "limits.query.timeout",
};

static const struct budget_names *names_of(const struct query_budget *b)
{
    return b && b->names ? b->names : &default_names;
}

static int timed_out(const struct query_budget *b, struct errmsg *err)
{
    char text[64];
    if (b->timeout_ms <= 0)
        return errmsg_set(err, E_TIMEOUT, "query timed out in expression evaluation");
    str_from_duration(b->timeout_ms, text);
    return errmsg_set(err, E_TIMEOUT,
                      "query timed out in expression evaluation: it needs more than %s = %s",
                      names_of(b)->timeout, text);
}

static bool is_canceled(const struct query_budget *b)
{
    return b->cancel && __atomic_load_n(b->cancel, __ATOMIC_RELAXED);
}

int budget_check(const struct query_budget *b, struct env *env, struct errmsg *err)
{
    if (!b) return 0;
    if (is_canceled(b))
        return errmsg_set(err, E_CANCELED, "query was canceled in expression evaluation");
    if (b->deadline_mono_ns && env && env_mono_ns(env) > b->deadline_mono_ns)
        return timed_out(b, err);
    return 0;
}

int budget_look(struct budget_watch *w)
{
    if (!w->budget) return 0;
    if (w->calls++ % CLOCK_EVERY == 0) return budget_check(w->budget, w->env, w->err);
    return is_canceled(w->budget) ? budget_check(w->budget, NULL, w->err) : 0;
}

int budget_fits_series(const struct query_budget *b, uint64_t n, struct errmsg *err)
{
    if (!b || !b->max_series || b->used_series + n <= b->max_series) return 0;
    return errmsg_set(err, E_LIMIT, "query needs more than %s = %" PRIu64 " series",
                      names_of(b)->series, b->max_series);
}

int budget_series(struct query_budget *b, uint64_t n, struct errmsg *err)
{
    int rc = budget_fits_series(b, n, err);
    if (b) b->used_series += n;
    return rc;
}

int budget_samples(struct query_budget *b, uint64_t n, struct errmsg *err)
{
    if (!b) return 0;
    b->used_samples += n;
    if (!b->max_samples || b->used_samples <= b->max_samples) return 0;
    return errmsg_set(err, E_LIMIT, "query needs more than %s = %" PRIu64 " samples",
                      names_of(b)->samples, b->max_samples);
}

/* As a configuration would say it: 64MiB. */
static void size_text(size_t bytes, char out[32])
{
    static const char *const units[] = {" bytes", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (unit + 1 < COUNT(units) && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, 32, "%zu%s", bytes, units[unit]);
}

int budget_memory(const struct query_budget *b, size_t limit, struct errmsg *err)
{
    char text[32];
    size_text(limit, text);
    return errmsg_set(err, E_LIMIT, "query needs more than %s = %s of memory", names_of(b)->memory,
                      text);
}

/* --- sorting ------------------------------------------------------------------------------------
 */

struct sorter {
    size_t size;
    int (*compare)(const void *, const void *);
    struct budget_watch *watch;
};

/* Two sorted neighbours, [from, mid) and [mid, to), into one. */
static int merge(const struct sorter *s, const char *from, const char *mid, const char *to,
                 char *out)
{
    const char *left = from, *right = mid;
    for (size_t n = 0; left < mid && right < to; n++) {
        const char **next = s->compare(left, right) <= 0 ? &left : &right;
        memcpy(out, *next, s->size);
        *next += s->size;
        out += s->size;
        int rc = n % SORT_RUN == 0 ? budget_look(s->watch) : 0;
        if (rc < 0) return rc;
    }
    memcpy(out, left, (size_t)(mid - left));
    memcpy(out + (mid - left), right, (size_t)(to - right));
    return 0;
}

/* Runs of so many bytes into runs twice as long. */
static int merge_pass(const struct sorter *s, const char *from, size_t bytes, size_t run, char *out)
{
    for (size_t at = 0; at < bytes; at += 2 * run) {
        size_t mid = MIN(at + run, bytes), to = MIN(at + 2 * run, bytes);
        int rc = merge(s, from + at, from + mid, from + to, out + at);
        if (rc < 0) return rc;
    }
    return 0;
}

int budget_sort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *),
                struct budget_watch *w)
{
    struct sorter s = {size, compare, w};
    char *v = base;
    int rc = 0;
    if (count < 2) return 0;
    for (size_t i = 0; i < count && rc == 0; i += SORT_RUN) {
        qsort(v + i * size, MIN(count - i, (size_t)SORT_RUN), size, compare);
        rc = budget_look(w);
    }
    if (rc < 0 || count <= SORT_RUN) return rc;
    char *other = mem_alloc(count * size), *from = v, *to = other;
    if (!other) return -ENOMEM;
    for (size_t run = SORT_RUN; run < count && rc == 0; run *= 2) {
        rc = merge_pass(&s, from, count * size, run * size, to);
        char *swap = from;
        from = to;
        to = swap;
    }
    if (rc == 0 && from != v) memcpy(v, from, count * size);
    mem_free(other);
    return rc;
}
