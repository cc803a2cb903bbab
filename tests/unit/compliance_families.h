/* compliance_families.h -- the corpus exposition/text-families: metric families of a text. Families
 * are taken apart into the samples a scraper reads, and those are compared.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_UNIT_COMPLIANCE_FAMILIES_H
#define TOCSIN_TESTS_UNIT_COMPLIANCE_FAMILIES_H

#include "collector/expo.h"
#include "tests/unit/compliance.h"

enum { FOUND_MAX = 256 };

struct found {
    enum expo_entry_kind kind; /* EXPO_SERIES or EXPO_HELP */
    struct labels labels;
    struct str name, text; /* of a HELP line, unescaped */
    enum metric_type type;
    double value;
    bool has_timestamp, used;
    int64_t timestamp_ms;
};

struct reading {
    struct trial *t;
    struct found v[FOUND_MAX];
    size_t count;
};

static inline struct str unescaped(struct arena *a, struct str s)
{
    struct buf b = BUF_INIT(1 << 20);
    (void)expo_unescape(s, &b);
    struct str out = arena_str(a, (struct str){b.p ? b.p : "", b.len});
    buf_release(&b);
    return out;
}

static inline int keep_entry(struct reading *r, const struct expo_entry *e, struct errmsg *err)
{
    struct arena *a = &r->t->arena;
    struct label_builder b;
    struct buf scratch = BUF_INIT(1 << 20);
    if (e->kind != EXPO_SERIES && e->kind != EXPO_HELP) return 0;
    if (r->count == FOUND_MAX) return E_TOO_BIG;
    struct found *f = &r->v[r->count++];
    *f = (struct found){.kind = e->kind, .type = e->type, .value = e->value};
    f->has_timestamp = e->has_timestamp;
    f->timestamp_ms = e->timestamp_ms;
    if (e->kind == EXPO_HELP) {
        f->name = unescaped(a, e->name);
        f->text = unescaped(a, e->text);
        return 0;
    }
    int rc = expo_labels(e, EXPO_TEXT, &b, &scratch, err);
    if (rc == 0) rc = label_builder_build(&b, a, &f->labels);
    buf_release(&scratch);
    return rc;
}

static inline int read_families(struct reading *r, struct str text, struct errmsg *err)
{
    struct expo x;
    struct expo_entry e;
    int rc;
    expo_init(&x, text, EXPO_TEXT);
    while ((rc = expo_next(&x, &e, err)) > 0) {
        rc = keep_entry(r, &e, err);
        if (rc < 0) break;
    }
    return rc;
}

/* One sample the family says there is: name and suffix, the metric's labels, and le or quantile. */
struct wanted {
    struct str family;
    const char *suffix, *bound_name; /* NULL: none */
    double bound;
    const json_t *metric, *value;
};

static inline bool labels_are(struct labels ls, const struct wanted *w)
{
    const json_t *labels = json_object_get(w->metric, "labels");
    struct str name = labels_metric(ls);
    size_t want = json_object_size(labels) + 1 + (w->bound_name != NULL);
    double bound;
    if (ls.count != want || !str_starts(name, w->family) ||
        !str_eq((struct str){name.p + w->family.len, name.len - w->family.len}, str_of(w->suffix)))
        return false;
    for (size_t i = 0; i < ls.count; i++) {
        struct label l = ls.v[i];
        const json_t *v = json_object_getn(labels, l.name.p, l.name.len);
        bool is_bound = w->bound_name && str_eq(l.name, str_of(w->bound_name));
        if (str_eq(l.name, STR(METRIC_NAME))) continue;
        if (is_bound ? str_to_double(l.value, &bound) < 0 || !same_double(bound, w->bound)
                     : !v || !str_eq(string_of(v), l.value))
            return false;
    }
    return true;
}

static inline bool find_sample(struct reading *r, const struct wanted *w)
{
    const json_t *time = json_object_get(w->metric, "timestamp_ms");
    if (!w->value) return true;
    for (size_t i = 0; i < r->count; i++) {
        struct found *f = &r->v[i];
        if (f->kind != EXPO_SERIES || f->used || !labels_are(f->labels, w)) continue;
        if (!same_double(f->value, double_of(w->value)) || f->has_timestamp != (time != NULL) ||
            (time && f->timestamp_ms != json_integer_value(time)))
            continue;
        f->used = true;
        return true;
    }
    return reject(r->t, "no sample %.*s%s", (int)w->family.len, w->family.p, w->suffix);
}

/* count, sum, and the list of bounds of a histogram or a summary */
static inline bool find_parts(struct reading *r, struct wanted w, const json_t *body,
                              bool histogram)
{
    const json_t *bounds = json_object_get(body, histogram ? "buckets" : "quantiles");
    const char *bound = histogram ? "le" : "quantile";
    size_t i;
    const json_t *row;
    w.suffix = "_count";
    w.value = json_object_get(body, "count");
    bool ok = find_sample(r, &w);
    w.suffix = "_sum";
    w.value = json_object_get(body, "sum");
    ok = ok && find_sample(r, &w);
    w.suffix = histogram ? "_bucket" : "";
    w.bound_name = bound;
    json_array_foreach(bounds, i, row)
    {
        w.bound = double_of(json_object_get(row, bound));
        w.value = json_object_get(row, histogram ? "cumulative_count" : "value");
        ok = ok && find_sample(r, &w);
    }
    return ok;
}

static inline bool find_metric(struct reading *r, struct str family, const json_t *metric)
{
    static const char *const simple[] = {"counter", "gauge", "untyped"};
    struct wanted w = {.family = family, .suffix = "", .metric = metric};
    for (size_t i = 0; i < COUNT(simple); i++) {
        const json_t *body = json_object_get(metric, simple[i]);
        w.value = json_object_get(body, "value");
        if (body) return find_sample(r, &w);
    }
    const json_t *histogram = json_object_get(metric, "histogram");
    const json_t *summary = json_object_get(metric, "summary");
    return find_parts(r, w, histogram ? histogram : summary, histogram != NULL);
}

static inline bool has_help(struct reading *r, struct str family, const json_t *help)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->v[i].kind == EXPO_HELP && str_eq(r->v[i].name, family) &&
            str_eq(r->v[i].text, string_of(help)))
            return true;
    return !help || reject(r->t, "help of %.*s", (int)family.len, family.p);
}

static inline bool has_type(struct reading *r, struct str family, struct str type)
{
    static const struct {
        const char *name;
        enum metric_type type, other;
    } types[] = {
        {"counter",   METRIC_COUNTER,   METRIC_COUNTER        },
        {"gauge",     METRIC_GAUGE,     METRIC_GAUGE          },
        {"summary",   METRIC_SUMMARY,   METRIC_SUMMARY        },
        {"histogram", METRIC_HISTOGRAM, METRIC_GAUGE_HISTOGRAM},
        {"untyped",   METRIC_UNKNOWN,   METRIC_UNKNOWN        },
    };
    for (size_t i = 0; i < r->count; i++) {
        const struct found *f = &r->v[i];
        if (f->kind != EXPO_SERIES || !str_starts(labels_metric(f->labels), family)) continue;
        for (size_t k = 0; k < COUNT(types); k++)
            if (str_eq(type, str_of(types[k].name)))
                return f->type == types[k].type || f->type == types[k].other ||
                       reject(r->t, "type of %.*s", (int)family.len, family.p);
    }
    return true;
}

static inline bool same_families(struct reading *r, const json_t *families)
{
    size_t i, k;
    const json_t *family, *metric;
    json_array_foreach(families, i, family)
    {
        struct str name = text_of(&r->t->arena, family, "name");
        if (!has_help(r, name, json_object_get(family, "help"))) return false;
        if (!has_type(r, name, text_of(&r->t->arena, family, "type"))) return false;
        json_array_foreach(json_object_get(family, "metrics"), k, metric)
        {
            if (!find_metric(r, name, metric)) return false;
        }
    }
    for (i = 0; i < r->count; i++)
        if (r->v[i].kind == EXPO_SERIES && !r->v[i].used)
            return reject(r->t, "a sample in no family");
    return true;
}

static inline bool case_families(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    const json_t *families = json_object_get(c, "families");
    struct reading *r = arena_zalloc(&t->arena, sizeof *r);
    if (!r) return reject(t, "out of memory");
    r->t = t;
    int rc = read_families(r, text_of(&t->arena, c, "input"), &err);
    if (!expect_valid(t, families || flag_of(c, "valid"), rc, &err)) return false;
    return rc < 0 || !families || same_families(r, families);
}

#endif
