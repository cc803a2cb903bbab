/* metadata.c -- what HELP and TYPE said about metrics, in memory, sorted by name.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core/mem.h"
#include "tsdb/tsdb_int.h"

enum { ENTRIES_MAX = 100000, TEXT_MAX = 4096 };

struct entry {
    char *text; /* name, help, unit, each followed by NUL */
    uint32_t name_len, help_len, unit_len;
    enum metric_type type;
};

struct metadata {
    pthread_mutex_t lock;
    struct entry *v; /* by name */
    size_t count, cap;
};

const char *metric_type_name(enum metric_type t)
{
    static const char *const names[] = {
        [METRIC_UNKNOWN] = "unknown", [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",     [METRIC_HISTOGRAM] = "histogram",
        [METRIC_SUMMARY] = "summary", [METRIC_GAUGE_HISTOGRAM] = "gaugehistogram",
        [METRIC_INFO] = "info",       [METRIC_STATESET] = "stateset",
    };
    return (size_t)t < COUNT(names) ? names[t] : "unknown";
}

int metadata_new(struct metadata **out)
{
    struct metadata *m = mem_zalloc(sizeof *m);
    *out = m;
    if (!m) return -ENOMEM;
    pthread_mutex_init(&m->lock, NULL);
    return 0;
}

void metadata_free(struct metadata *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->count; i++)
        mem_free(m->v[i].text);
    mem_free(m->v);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

static struct str entry_name(const struct entry *e)
{
    return (struct str){e->text, e->name_len};
}

static struct metric_metadata view(const struct entry *e)
{
    const char *help = e->text + e->name_len + 1, *unit = help + e->help_len + 1;
    return (struct metric_metadata){
        entry_name(e), {help, e->help_len},
         {unit, e->unit_len},
         e->type
    };
}

/* The index of the first entry not before the name. */
static size_t position(const struct metadata *m, struct str name)
{
    size_t lo = 0, hi = m->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(entry_name(&m->v[mid]), name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool same(const struct entry *e, const struct metric_metadata *m)
{
    struct metric_metadata have = view(e);
    return have.type == m->type && str_eq(have.help, m->help) && str_eq(have.unit, m->unit);
}

static char *append(char *p, struct str s)
{
    if (s.len) memcpy(p, s.p, s.len);
    p[s.len] = '\0';
    return p + s.len + 1;
}

static int make_entry(const struct metric_metadata *m, struct entry *out)
{
    char *text = mem_alloc(m->name.len + m->help.len + m->unit.len + 3);
    if (!text) return -ENOMEM;
    append(append(append(text, m->name), m->help), m->unit);
    *out = (struct entry){text, (uint32_t)m->name.len, (uint32_t)m->help.len, (uint32_t)m->unit.len,
                          m->type};
    return 0;
}

/* Puts a new entry at its place. */
static int insert(struct metadata *m, size_t at, struct entry e)
{
    void *v = m->v;
    int rc = mem_grow(&v, &m->cap, m->count + 1, ENTRIES_MAX, sizeof *m->v);
    m->v = v;
    if (rc < 0) return rc;
    memmove(m->v + at + 1, m->v + at, (m->count - at) * sizeof *m->v);
    m->v[at] = e;
    m->count++;
    return 0;
}

static int set(struct metadata *m, const struct metric_metadata *in)
{
    struct entry e;
    size_t at = position(m, in->name);
    bool known = at < m->count && str_eq(entry_name(&m->v[at]), in->name);
    if (known && same(&m->v[at], in)) return 0;
    int rc = make_entry(in, &e);
    if (rc < 0) return rc;
    if (known) {
        mem_free(m->v[at].text);
        m->v[at] = e;
        return 0;
    }
    rc = insert(m, at, e);
    if (rc < 0) mem_free(e.text);
    return rc;
}

int tsdb_metadata_set(struct tsdb *db, const struct metric_metadata *in)
{
    struct metadata *m = db->metadata;
    struct metric_metadata cut = *in;
    if (!metric_name_is_valid(in->name) || in->name.len > TEXT_MAX) return E_INVALID;
    cut.help.len = MIN(in->help.len, TEXT_MAX);
    cut.unit.len = MIN(in->unit.len, TEXT_MAX);
    pthread_mutex_lock(&m->lock);
    int rc = set(m, &cut);
    pthread_mutex_unlock(&m->lock);
    return rc;
}

int tsdb_metadata(struct tsdb *db, const char *name, metadata_visit_fn *each, void *arg)
{
    struct metadata *m = db->metadata;
    struct str want = str_of(name ? name : "");
    int rc = 0;
    pthread_mutex_lock(&m->lock);
    for (size_t i = name ? position(m, want) : 0; rc == 0 && i < m->count; i++) {
        struct metric_metadata v = view(&m->v[i]);
        if (name && !str_eq(v.name, want)) break;
        rc = each(arg, &v);
    }
    pthread_mutex_unlock(&m->lock);
    return rc;
}
