/* compliance_families.h -- the corpus exposition/text-families: metric families of a text. Families
 * are compared by name, help, type and the samples they are made of.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_UNIT_COMPLIANCE_FAMILIES_H
#define TOCSIN_TESTS_UNIT_COMPLIANCE_FAMILIES_H

#include "collector/expo_family.h"
#include "tests/unit/compliance.h"

/* A family read, and which of its samples have been found in the case. */
struct reading {
    struct trial *t;
    const struct family *family;
    bool *used; /* by position */
    size_t found;
    const struct family_sample *timed; /* the last one of a metric that has a timestamp */
};

/* One sample the family says there is: suffix, the metric's labels, and le or quantile. */
struct wanted {
    const char *suffix, *bound_name; /* NULL: none */
    double bound;
    const json_t *metric, *value;
};

static inline bool labels_are(struct labels ls, const struct wanted *w)
{
    const json_t *labels = json_object_get(w->metric, "labels");
    double bound;
    if (ls.count != json_object_size(labels) + (w->bound_name != NULL)) return false;
    for (size_t i = 0; i < ls.count; i++) {
        struct label l = ls.v[i];
        const json_t *v = json_object_getn(labels, l.name.p, l.name.len);
        bool is_bound = w->bound_name && str_eq(l.name, str_of(w->bound_name));
        if (is_bound ? str_to_double(l.value, &bound) < 0 || !same_double(bound, w->bound)
                     : !v || !str_eq(string_of(v), l.value))
            return false;
    }
    return true;
}

static inline bool sample_is(const struct reading *r, const struct family_sample *s,
                             const struct wanted *w)
{
    struct str family = r->family->name, suffix = str_of(w->suffix);
    return str_starts(s->name, family) &&
           str_eq((struct str){s->name.p + family.len, s->name.len - family.len}, suffix) &&
           labels_are(s->labels, w) && same_double(s->value, double_of(w->value));
}

/* The lines of a histogram or summary make one metric: the last timestamp is its own. */
static inline bool time_is(struct reading *r, const json_t *metric)
{
    const json_t *time = json_object_get(metric, "timestamp_ms");
    bool same = time ? r->timed && r->timed->timestamp_ms == json_integer_value(time) : !r->timed;
    return same || reject(r->t, "timestamp in %.*s", (int)r->family->name.len, r->family->name.p);
}

static inline bool find_sample(struct reading *r, const struct wanted *w)
{
    size_t i = 0;
    if (!w->value) return true;
    for (const struct family_sample *s = r->family->samples; s; s = s->next, i++) {
        if (r->used[i] || !sample_is(r, s, w)) continue;
        r->used[i] = true;
        r->found++;
        if (s->has_timestamp && (!r->timed || r->timed->at.line < s->at.line)) r->timed = s;
        return true;
    }
    return reject(r->t, "no sample %.*s%s", (int)r->family->name.len, r->family->name.p, w->suffix);
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

static inline bool find_metric(struct reading *r, const json_t *metric)
{
    static const char *const simple[] = {"counter", "gauge", "untyped"};
    struct wanted w = {.suffix = "", .metric = metric};
    for (size_t i = 0; i < COUNT(simple); i++) {
        const json_t *body = json_object_get(metric, simple[i]);
        w.value = json_object_get(body, "value");
        if (body) return find_sample(r, &w);
    }
    const json_t *histogram = json_object_get(metric, "histogram");
    const json_t *summary = json_object_get(metric, "summary");
    return find_parts(r, w, histogram ? histogram : summary, histogram != NULL);
}

static inline bool type_is(enum metric_type type, struct str name)
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
    for (size_t i = 0; i < COUNT(types); i++)
        if (str_eq(name, str_of(types[i].name)))
            return type == types[i].type || type == types[i].other;
    return false;
}

static inline bool same_family(struct trial *t, const struct family *family, const json_t *want)
{
    size_t i;
    const json_t *metric, *help = json_object_get(want, "help");
    struct reading r = {.t = t, .family = family};
    struct str name = family->name;
    if (help && !str_eq(family->help, string_of(help)))
        return reject(t, "help of %.*s", (int)name.len, name.p);
    if (!type_is(family->type, text_of(&t->arena, want, "type")))
        return reject(t, "type of %.*s", (int)name.len, name.p);
    r.used = arena_array(&t->arena, family->sample_count + 1, sizeof *r.used);
    if (!r.used) return reject(t, "out of memory");
    json_array_foreach(json_object_get(want, "metrics"), i, metric)
    {
        r.timed = NULL;
        if (!find_metric(&r, metric) || !time_is(&r, metric)) return false;
    }
    return r.found == family->sample_count ||
           reject(t, "%.*s has more samples", (int)name.len, name.p);
}

static inline bool same_families(struct trial *t, const struct families *f, const json_t *want)
{
    size_t i, count = 0;
    const json_t *row;
    for (const struct family *family = f->first; family; family = family->next)
        count += family->samples != NULL;
    if (count != json_array_size(want)) return reject(t, "%zu families", count);
    json_array_foreach(want, i, row)
    {
        struct str name = text_of(&t->arena, row, "name");
        const struct family *family = families_find(f, name);
        if (!family) return reject(t, "no family %.*s", (int)name.len, name.p);
        if (!same_family(t, family, row)) return false;
    }
    return true;
}

/* Upstream's message begins with the line; its words are its own. */
static inline bool same_line(struct trial *t, const struct diags *d, const json_t *c)
{
    const char *said = json_string_value(json_object_get(c, "error_starts_with"));
    const char *line = said ? strstr(said, " in line ") : NULL;
    if (!line || !d->first) return true;
    long want = strtol(line + strlen(" in line "), NULL, 10);
    return d->first->line == want || reject(t, "refused in line %d", d->first->line);
}

static inline bool case_families(struct trial *t, const json_t *c)
{
    struct diags diags;
    struct families f;
    struct errmsg err = {0};
    const json_t *want = json_object_get(c, "families");
    struct expo_input in = {
        .text = text_of(&t->arena, c, "input"), .file = "input", .diags = &diags};
    diags_init(&diags);
    families_init(&f, TRIAL_ARENA);
    int rc = families_read_text(&f, &in);
    if (diags.first) errmsg_set(&err, rc, "line %d: %s", diags.first->line, diags.first->text);
    bool ok = expect_valid(t, want || flag_of(c, "valid"), rc, &err);
    if (ok && rc < 0) ok = same_line(t, &diags, c);
    if (ok && rc == 0 && want) ok = same_families(t, &f, want);
    families_release(&f);
    diags_release(&diags);
    return ok;
}

/* The corpus exposition/openmetrics: what `check metrics --strict` says. */
static inline bool case_strict(struct trial *t, const json_t *c)
{
    struct diags diags;
    struct families f;
    struct errmsg err = {0};
    struct expo_input in = {
        .text = text_of(&t->arena, c, "input"), .file = "input", .diags = &diags};
    diags_init(&diags);
    families_init(&f, TRIAL_ARENA);
    int rc = families_read_strict(&f, &in);
    if (diags.first) errmsg_set(&err, rc, "line %d: %s", diags.first->line, diags.first->text);
    bool ok = expect_valid(t, flag_of(c, "valid"), rc, &err);
    if (ok && rc < 0 && (diags.errors == 0 || !diags.first->text[0]))
        ok = reject(t, "refused without a word");
    families_release(&f);
    diags_release(&diags);
    return ok;
}

#endif
