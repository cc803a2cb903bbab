/* compliance_ingest.h -- the corpora of exposition/ and influx/: what a scraper and the write
 * endpoint read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_UNIT_COMPLIANCE_INGEST_H
#define TOCSIN_TESTS_UNIT_COMPLIANCE_INGEST_H

#include "collector/expo.h"
#include "collector/influx.h"
#include "tests/unit/compliance.h"

/* --- exposition --- */

enum { FAMILIES_UNCHECKED = 0 };

/* Reads a whole exposition as the scraper does, labels included: 0, or the first problem. */
static inline int read_exposition(struct str text, enum expo_format format, size_t *types,
                                  struct errmsg *err)
{
    struct label_builder b;
    struct buf scratch = BUF_INIT(1 << 20);
    struct expo_entry entry;
    struct expo x;
    int rc;
    expo_init(&x, text, format);
    while ((rc = expo_next(&x, &entry, err)) > 0) {
        *types += entry.kind == EXPO_TYPE;
        if (entry.kind == EXPO_SERIES) rc = expo_labels(&entry, format, &b, &scratch, err);
        if (rc < 0) break;
    }
    if (rc == 0 && format == EXPO_OPENMETRICS && !x.saw_eof)
        rc = errmsg_set(err, E_PARSE, "data does not end with # EOF");
    buf_release(&scratch);
    return rc;
}

static inline bool case_readable(struct trial *t, const json_t *c, enum expo_format format)
{
    struct errmsg err = {0};
    size_t types = 0;
    int rc = read_exposition(text_of(&t->arena, c, "input"), format, &types, &err);
    json_int_t families = json_integer_value(json_object_get(c, "type_lines"));
    if (!expect_valid(t, flag_of(c, "valid"), rc, &err)) return false;
    return families == FAMILIES_UNCHECKED || (json_int_t)types == families ||
           reject(t, "%zu families", types);
}

static inline bool case_text(struct trial *t, const json_t *c)
{
    return case_readable(t, c, EXPO_TEXT);
}

static inline bool case_openmetrics(struct trial *t, const json_t *c)
{
    return case_readable(t, c, EXPO_OPENMETRICS);
}

static inline bool case_sample_file(struct trial *t, const json_t *c)
{
    bool om = flag_of(c, "openmetrics");
    return case_readable(t, c, om ? EXPO_OPENMETRICS : EXPO_TEXT);
}

static inline bool entry_text_is(struct trial *t, struct str text, const json_t *want)
{
    struct buf b = BUF_INIT(1 << 20);
    bool same = expo_unescape(text, &b) == 0 && str_eq((struct str){b.p, b.len}, string_of(want));
    buf_release(&b);
    return same || reject(t, "text \"%.*s\"", (int)text.len, text.p);
}

static inline bool series_is(struct trial *t, const struct expo_entry *e, enum expo_format format,
                             const json_t *want)
{
    struct errmsg err = {0};
    struct label_builder b;
    struct buf scratch = BUF_INIT(1 << 20);
    const json_t *time = json_object_get(want, "timestamp_ms");
    const json_t *value = json_object_get(want, "value");
    bool ok = true;
    if (expo_labels(e, format, &b, &scratch, &err) < 0)
        ok = reject(t, "%s", err.text);
    else if (!same_labels(label_builder_view(&b), json_object_get(want, "labels")))
        ok = reject(t, "labels of %.*s", (int)e->series.len, e->series.p);
    else if (value && !same_double(e->value, double_of(value)))
        ok = reject(t, "value %.17g of %.*s", e->value, (int)e->series.len, e->series.p);
    else if (time && (!e->has_timestamp || e->timestamp_ms != json_integer_value(time)))
        ok = reject(t, "timestamp of %.*s", (int)e->series.len, e->series.p);
    buf_release(&scratch);
    return ok;
}

static inline bool entry_is(struct trial *t, const struct expo_entry *e, enum expo_format format,
                            const json_t *want)
{
    static const char *const types[] = {
        [METRIC_UNKNOWN] = "unknown", [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",     [METRIC_HISTOGRAM] = "histogram",
        [METRIC_SUMMARY] = "summary", [METRIC_GAUGE_HISTOGRAM] = "gaugehistogram",
        [METRIC_INFO] = "info",       [METRIC_STATESET] = "stateset",
    };
    struct str metric = text_of(&t->arena, want, "metric");
    const json_t *help = json_object_get(want, "help"), *type = json_object_get(want, "type");
    const json_t *unit = json_object_get(want, "unit");
    if (e->kind == EXPO_SERIES) return series_is(t, e, format, want);
    if (!str_eq(e->name, metric))
        return reject(t, "name %.*s, not %.*s", (int)e->name.len, e->name.p, (int)metric.len,
                      metric.p);
    if (e->kind == EXPO_HELP) return help && entry_text_is(t, e->text, help);
    if (e->kind == EXPO_UNIT) return unit && entry_text_is(t, e->text, unit);
    return (type && str_eq(str_of(types[e->type]), string_of(type))) ||
           reject(t, "type of %.*s", (int)metric.len, metric.p);
}

/* Every entry in order. Comments are the scraper's own business; OpenMetrics' _created lines are
 * the start timestamps of series that follow, not entries. */
static inline bool case_entries(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct expo x;
    struct expo_entry e;
    const json_t *entries = json_object_get(c, "entries");
    bool om = str_eq(text_of(&t->arena, c, "format"), STR("openmetrics"));
    enum expo_format format = om ? EXPO_OPENMETRICS : EXPO_TEXT;
    size_t i = 0;
    int rc;
    expo_init(&x, text_of(&t->arena, c, "input"), format);
    while ((rc = expo_next(&x, &e, &err)) > 0) {
        if (e.kind == EXPO_COMMENT || e.kind == EXPO_EOF || (e.kind == EXPO_SERIES && e.is_created))
            continue;
        while (json_object_get(json_array_get(entries, i), "comment"))
            i++;
        const json_t *want = json_array_get(entries, i++);
        if (!want) return reject(t, "more entries than %zu", i - 1);
        if (!entry_is(t, &e, format, want)) return false;
    }
    if (rc < 0) return reject(t, "refused: %s", err.text);
    while (json_object_get(json_array_get(entries, i), "comment"))
        i++;
    return i == json_array_size(entries) || reject(t, "only %zu entries", i);
}

/* --- Influx line protocol --- */

static inline bool influx_value_is(const struct influx_value *v, const json_t *want)
{
    static const char *const keys[] = {
        [INFLUX_FLOAT] = "float", [INFLUX_INT] = "int",       [INFLUX_UINT] = "uint",
        [INFLUX_BOOL] = "bool",   [INFLUX_STRING] = "string",
    };
    const json_t *w = json_object_get(want, keys[v->type]);
    uint64_t big = 0;
    struct str text;
    if (!w) return false;
    switch (v->type) {
    case INFLUX_FLOAT:
        return v->f == double_of(w);
    case INFLUX_INT:
        return json_is_integer(w) && v->i == json_integer_value(w);
    case INFLUX_UINT: /* may be over 2^63, then written as a real or a string */
        if (json_is_integer(w)) return v->u == (uint64_t)json_integer_value(w);
        if (json_is_real(w)) return (double)v->u == json_real_value(w);
        text = string_of(w);
        return str_to_u64(text, &big) == 0 && big == v->u;
    case INFLUX_BOOL:
        return json_is_boolean(w) && v->b == json_is_true(w);
    case INFLUX_STRING:
        return str_eq(v->s, string_of(w));
    }
    return false;
}

static inline bool member_is(const json_t *object, const char *key, struct str s)
{
    return str_eq(string_of(json_object_get(object, key)), s);
}

static inline bool influx_point_is(struct trial *t, const struct influx_point *p, int64_t dflt,
                                   const json_t *want)
{
    const json_t *tags = json_object_get(want, "tags"), *fields = json_object_get(want, "fields");
    if (!member_is(want, "name", p->measurement))
        return reject(t, "measurement %.*s", (int)p->measurement.len, p->measurement.p);
    if (p->tag_count != json_array_size(tags) || p->field_count != json_array_size(fields))
        return reject(t, "%zu tags, %zu fields", p->tag_count, p->field_count);
    for (size_t i = 0; i < p->tag_count; i++) {
        const json_t *tag = json_array_get(tags, i);
        if (!member_is(tag, "key", p->tags[i].key) || !member_is(tag, "value", p->tags[i].value))
            return reject(t, "tag %zu", i);
    }
    for (size_t i = 0; i < p->field_count; i++) {
        const json_t *field = json_array_get(fields, i);
        if (!member_is(field, "key", p->fields[i].key) ||
            !influx_value_is(&p->fields[i].value, json_object_get(field, "value")))
            return reject(t, "field %zu", i);
    }
    int64_t time = p->has_time ? p->time_ns : dflt;
    return time == json_integer_value(json_object_get(want, "time")) ||
           reject(t, "time %lld", (long long)time);
}

/* The write endpoint drops digits of a default time below the precision. */
static inline int64_t cut_to(int64_t ns, enum influx_precision precision)
{
    int64_t unit = precision == INFLUX_S ? 1000000000 : precision == INFLUX_MS ? 1000000 : 1;
    return ns - ns % unit;
}

static inline bool case_influx_decode(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    const json_t *in = json_object_get(c, "input"), *text = json_object_get(in, "text");
    const json_t *result = json_object_get(json_object_get(c, "output"), "result");
    struct str body = json_is_object(text)
                          ? base64_decode(&t->arena, text_of(&t->arena, text, "binary"))
                          : string_of(text);
    struct str unit = text_of(&t->arena, in, "precision");
    enum influx_precision precision;
    if (influx_precision_of((struct str){unit.p + 1, unit.len - 1}, &precision) < 0)
        return reject(t, "precision refused");
    int64_t dflt = cut_to(json_integer_value(json_object_get(in, "defaultTime")), precision);
    struct influx x;
    struct influx_point p;
    size_t count = 0;
    int rc;
    influx_init(&x, body, precision);
    while ((rc = influx_next(&x, &t->arena, &p, &err)) > 0) {
        const json_t *want = json_array_get(result, count++);
        if (result && !want) return reject(t, "more than %zu points", count - 1);
        if (result && !influx_point_is(t, &p, dflt, want)) return false;
    }
    if (!expect_valid(t, result != NULL, rc, &err)) return false;
    return rc < 0 || count == json_array_size(result) || reject(t, "only %zu points", count);
}

/* A point of the corpus; texts are the case's. */
static inline bool influx_value_from(const json_t *v, struct influx_value *out)
{
    const json_t *f = json_object_get(v, "float"), *i = json_object_get(v, "int");
    const json_t *u = json_object_get(v, "uint"), *b = json_object_get(v, "bool");
    const json_t *s = json_object_get(v, "string");
    if (f) *out = (struct influx_value){.type = INFLUX_FLOAT, .f = double_of(f)};
    if (i) *out = (struct influx_value){.type = INFLUX_INT, .i = json_integer_value(i)};
    if (u) *out = (struct influx_value){.type = INFLUX_UINT, .u = (uint64_t)json_integer_value(u)};
    if (b) *out = (struct influx_value){.type = INFLUX_BOOL, .b = json_is_true(b)};
    if (s) *out = (struct influx_value){.type = INFLUX_STRING, .s = string_of(s)};
    return f || i || u || b || s;
}

static inline bool influx_point_from(struct trial *t, const json_t *from, struct influx_point *p)
{
    const json_t *tags = json_object_get(from, "tags"), *fields = json_object_get(from, "fields");
    *p = (struct influx_point){
        .measurement = string_of(json_object_get(from, "name")),
        .tag_count = json_array_size(tags),
        .field_count = json_array_size(fields),
        .has_time = true,
        .time_ns = json_integer_value(json_object_get(from, "time")),
    };
    p->tags = arena_array(&t->arena, p->tag_count + 1, sizeof *p->tags);
    p->fields = arena_array(&t->arena, p->field_count + 1, sizeof *p->fields);
    if (!p->tags || !p->fields) return reject(t, "out of memory");
    for (size_t i = 0; i < p->tag_count; i++) {
        const json_t *tag = json_array_get(tags, i);
        p->tags[i] = (struct influx_pair){string_of(json_object_get(tag, "key")),
                                          string_of(json_object_get(tag, "value"))};
    }
    for (size_t i = 0; i < p->field_count; i++) {
        const json_t *field = json_array_get(fields, i);
        p->fields[i].key = string_of(json_object_get(field, "key"));
        if (!influx_value_from(json_object_get(field, "value"), &p->fields[i].value))
            return reject(t, "field %zu has a type of its own", i);
    }
    return true;
}

static inline bool case_influx_encode(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct influx_point p;
    struct buf out = BUF_INIT(1 << 20);
    enum influx_precision precision;
    const json_t *in = json_object_get(c, "input");
    const json_t *result = json_object_get(json_object_get(c, "output"), "result");
    struct str unit = text_of(&t->arena, in, "precision");
    if (influx_precision_of((struct str){unit.p + 1, unit.len - 1}, &precision) < 0)
        return reject(t, "precision refused");
    if (!influx_point_from(t, json_object_get(in, "point"), &p)) return false;
    int rc = influx_print(&p, precision, &out, &err);
    bool ok = expect_valid(t, result != NULL, rc, &err);
    if (ok && rc == 0 && !str_eq((struct str){out.p, out.len}, string_of(result)))
        ok = reject(t, "written as %s", out.p);
    buf_release(&out);
    return ok;
}

#endif
