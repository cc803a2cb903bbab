/* compliance_data.h -- the corpora of labels/, model/ and http-api/: matchers, regular expressions,
 * durations, fingerprints, escaped names, parameters, samples.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_UNIT_COMPLIANCE_DATA_H
#define TOCSIN_TESTS_UNIT_COMPLIANCE_DATA_H

#include "agent/api.h"
#include "exporters/escaping.h"
#include "tests/unit/compliance.h"

static inline bool case_matcher(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct matcher m;
    struct str op = text_of(&t->arena, c, "op");
    int type = MATCH_EQ;
    while (type < MATCH_NRE && !str_eq(op, str_of(matcher_op((enum matcher_type)type))))
        type++;
    int rc =
        matcher_init(&m, (enum matcher_type)type, STR("a"), text_of(&t->arena, c, "pattern"), &err);
    if (rc < 0) return reject(t, "refused: %s", err.text);
    rc = matcher_test(&m, text_of(&t->arena, c, "value"));
    matcher_release(&m);
    return rc == flag_of(c, "match") || reject(t, "answered %d", rc);
}

static inline bool regex_agrees(struct trial *t, const struct matcher *m, const json_t *values,
                                int want)
{
    size_t i;
    const json_t *v;
    json_array_foreach(values, i, v)
    {
        int rc = matcher_test(m, string_of(v));
        if (rc != want)
            return reject(t, "\"%.*s\" answered %d", (int)json_string_length(v),
                          json_string_value(v), rc);
    }
    return true;
}

static inline bool case_regex(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct matcher m;
    struct str pattern = text_of(&t->arena, c, "pattern");
    if (matcher_init(&m, MATCH_RE, STR("a"), pattern, &err) < 0)
        return reject(t, "refused: %s", err.text);
    bool ok = regex_agrees(t, &m, json_object_get(c, "matches"), 1) &&
              regex_agrees(t, &m, json_object_get(c, "does_not_match"), 0);
    matcher_release(&m);
    return ok;
}

/* A leading minus belongs to whoever allows negative durations: it is split off here. */
static inline bool case_duration(struct trial *t, const json_t *c)
{
    struct errmsg err = {0};
    struct str in = text_of(&t->arena, c, "input"), rest = in;
    bool negative = flag_of(c, "needs_negative_allowed") && str_starts(in, STR("-"));
    char text[64];
    int64_t ms = 0;
    if (negative && str_to_duration(in, &ms, &err) == 0) return reject(t, "sign accepted");
    if (negative) rest = (struct str){in.p + 1, in.len - 1};
    int rc = str_to_duration(rest, &ms, &err);
    if (!expect_valid(t, flag_of(c, "valid"), rc, &err)) return false;
    if (rc < 0) return true;
    int64_t want = json_integer_value(json_object_get(c, "milliseconds"));
    if (ms != (negative ? -want : want)) return reject(t, "%lld ms", (long long)ms);
    struct str canonical = text_of(&t->arena, c, "canonical");
    if (negative) canonical = (struct str){canonical.p + 1, canonical.len - 1};
    struct str printed = {text, str_from_duration(ms, text)};
    return str_eq(printed, canonical) || reject(t, "printed %s", text);
}

static inline bool case_fingerprint(struct trial *t, const json_t *c)
{
    struct label_builder b;
    struct labels ls;
    const char *name;
    json_t *v;
    char text[17];
    label_builder_init(&b, (struct labels){NULL, 0});
    json_object_foreach(json_object_get(c, "labels"), name, v)
        label_builder_set(&b, str_of(name), string_of(v));
    if (label_builder_build(&b, &t->arena, &ls) < 0) return reject(t, "labels not built");
    snprintf(text, sizeof text, "%016llx", (unsigned long long)labels_fingerprint(ls));
    return str_eq(str_of(text), text_of(&t->arena, c, "fingerprint")) ||
           reject(t, "fingerprint %s", text);
}

/* name escaped by a scheme, or back; want absent: not asked for. */
static inline bool escapes_to(struct trial *t, const json_t *c, const char *from, const char *want,
                              enum escaping scheme, bool back)
{
    struct buf b = BUF_INIT(1 << 16);
    struct str in = text_of(&t->arena, c, from), out = text_of(&t->arena, c, want);
    if (!in.p || !out.p) return true;
    int rc = back ? name_unescape(in, scheme, &b) : name_escape(in, scheme, &b);
    bool ok = (rc == 0 && str_eq((struct str){b.p, b.len}, out)) ||
              reject(t, "%s: %.*s", want, (int)b.len, b.p ? b.p : "");
    buf_release(&b);
    return ok;
}

static inline bool case_escaping(struct trial *t, const json_t *c)
{
    return escapes_to(t, c, "name", "underscores", ESCAPING_UNDERSCORES, false) &&
           escapes_to(t, c, "name", "dots", ESCAPING_DOTS, false) &&
           escapes_to(t, c, "dots", "dots_then_unescaped", ESCAPING_DOTS, true) &&
           escapes_to(t, c, "name", "values", ESCAPING_VALUES, false) &&
           escapes_to(t, c, "values", "name", ESCAPING_VALUES, true) &&
           escapes_to(t, c, "escaped_values", "unescaped", ESCAPING_VALUES, true);
}

static inline bool case_parameter(struct trial *t, const json_t *c)
{
    struct str in = text_of(&t->arena, c, "input");
    bool is_time = str_eq(text_of(&t->arena, c, "parameter"), STR("time"));
    int64_t ms = 0;
    int rc = is_time ? api_parse_time(in, &ms) : api_parse_duration(in, &ms);
    if (!expect_valid(t, flag_of(c, "valid"), rc, NULL)) return false;
    return rc < 0 || ms == json_integer_value(json_object_get(c, "milliseconds")) ||
           reject(t, "%lld ms", (long long)ms);
}

/* One sample as the query API writes it. */
static inline bool case_sample_json(struct trial *t, const json_t *c)
{
    char time[32], value[STR_DOUBLE_MAX], text[STR_DOUBLE_MAX + 64];
    api_format_time(json_integer_value(json_object_get(c, "timestamp_ms")), time);
    str_from_double(double_of(json_object_get(c, "value")), value);
    snprintf(text, sizeof text, "[%s,\"%s\"]", time, value);
    return str_eq(str_of(text), text_of(&t->arena, c, "json")) || reject(t, "wrote %s", text);
}

#endif
