/* expo_strict_point.c -- what OpenMetrics 1.0 asks of samples by type, and of histograms as a
 * whole.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/expo_strict_int.h"

#include <math.h>

enum {
    COUNTER_LIKE = STRICT_NOT_NAN | STRICT_NOT_NEGATIVE,
    POPULATION = COUNTER_LIKE | STRICT_WHOLE,
};

// clang-format off
const struct strict_part strict_parts[] = {
    /* type, suffix, role, rules, label */
    {METRIC_UNKNOWN,         "",         ROLE_OTHER,    0,                              NULL},
    {METRIC_GAUGE,           "",         ROLE_OTHER,    0,                              NULL},
    {METRIC_COUNTER,         "_total",   ROLE_OTHER,    COUNTER_LIKE | STRICT_EXEMPLAR, NULL},
    {METRIC_COUNTER,         "_created", ROLE_OTHER,    STRICT_FINITE,                  NULL},
    {METRIC_HISTOGRAM,       "_bucket",  ROLE_BUCKET,   POPULATION | STRICT_EXEMPLAR,   "le"},
    {METRIC_HISTOGRAM,       "_count",   ROLE_COUNT,    POPULATION,                     NULL},
    {METRIC_HISTOGRAM,       "_sum",     ROLE_SUM,      COUNTER_LIKE,                   NULL},
    {METRIC_HISTOGRAM,       "_created", ROLE_OTHER,    STRICT_FINITE,                  NULL},
    {METRIC_GAUGE_HISTOGRAM, "_bucket",  ROLE_BUCKET,   POPULATION | STRICT_EXEMPLAR,   "le"},
    {METRIC_GAUGE_HISTOGRAM, "_gcount",  ROLE_COUNT,    POPULATION,                     NULL},
    {METRIC_GAUGE_HISTOGRAM, "_gsum",    ROLE_SUM,      STRICT_NOT_NAN,                 NULL},
    {METRIC_SUMMARY,         "",         ROLE_QUANTILE, STRICT_NOT_NEGATIVE,            "quantile"},
    {METRIC_SUMMARY,         "_count",   ROLE_OTHER,    POPULATION,                     NULL},
    {METRIC_SUMMARY,         "_sum",     ROLE_OTHER,    COUNTER_LIKE,                   NULL},
    {METRIC_SUMMARY,         "_created", ROLE_OTHER,    STRICT_FINITE,                  NULL},
    {METRIC_INFO,            "_info",    ROLE_OTHER,    STRICT_ONE,                     NULL},
    {METRIC_STATESET,        "",         ROLE_STATE,    STRICT_BOOL,                    NULL},
};
// clang-format on
const size_t strict_part_count = COUNT(strict_parts);

static bool breaks(enum strict_rule rule, double v)
{
    switch (rule) {
    case STRICT_NOT_NAN:
        return isnan(v);
    case STRICT_NOT_NEGATIVE:
        return v < 0;
    case STRICT_WHOLE:
        return isfinite(v) ? v != floor(v) : isinf(v);
    case STRICT_ONE:
        return v != 1;
    case STRICT_BOOL:
        return v != 0 && v != 1;
    case STRICT_FINITE:
        return !isfinite(v);
    case STRICT_EXEMPLAR:
        break;
    }
    return false;
}

static void check_value(struct strict *s, const struct strict_line *l)
{
    static const struct {
        enum strict_rule rule;
        const char *text;
    } rules[] = {
        {STRICT_NOT_NAN,      "must not be NaN"           },
        {STRICT_NOT_NEGATIVE, "must not be negative"      },
        {STRICT_WHOLE,        "must be a whole number"    },
        {STRICT_ONE,          "must be 1"                 },
        {STRICT_BOOL,         "must be 0 or 1"            },
        {STRICT_FINITE,       "must be a time, in seconds"},
    };
    for (size_t i = 0; i < COUNT(rules); i++)
        if ((l->part->rules & rules[i].rule) && breaks(rules[i].rule, l->value))
            strict_fail(s, l->value_at, "%.*s of a %s %s", SHOWN(l->name),
                        metric_type_name(s->family->type), rules[i].text);
}

/* The number in a label; NaN, after telling, when there is none. */
static double bound_of(struct strict *s, const struct strict_line *l)
{
    double v = (double)NAN;
    if (!l->bound.p)
        strict_fail(s, l->at, "%.*s needs the label %s", SHOWN(l->name), l->part->label);
    else if (expo_parse_float(l->bound, &v) < 0 || isnan(v))
        strict_fail(s, l->at, "%s=\"%.*s\" is not a number", l->part->label, SHOWN(l->bound));
    return v;
}

static void check_quantile(struct strict *s, const struct strict_line *l)
{
    double q = bound_of(s, l);
    if (q < 0 || q > 1)
        strict_fail(s, l->at, "quantile=\"%.*s\" is not between 0 and 1", SHOWN(l->bound));
}

static void add_bucket(struct strict *s, const struct strict_line *l)
{
    struct strict_point *p = &s->point;
    double bound = bound_of(s, l);
    if (isnan(bound)) {
        s->family->broken = true;
        return;
    }
    if (p->has_bucket && bound <= p->bound)
        strict_fail(s, l->at, "buckets are not in order: le=\"%.*s\"", SHOWN(l->bound));
    if (p->has_bucket && l->value < p->population)
        strict_fail(s, l->value_at, "buckets are cumulative: this one has fewer than the last");
    p->negative_bound |= bound < 0;
    p->has_bucket = true;
    p->bound = bound;
    p->population = l->value;
}

static void add_to_point(struct strict *s, const struct strict_line *l)
{
    struct strict_point *p = &s->point;
    if (!p->open) *p = (struct strict_point){.open = true, .at = l->at};
    if (l->part->role == ROLE_BUCKET) add_bucket(s, l);
    if (l->part->role == ROLE_COUNT) {
        p->has_count = true;
        p->count = l->value;
    }
    if (l->part->role == ROLE_SUM) {
        p->has_sum = true;
        p->negative_sum = l->value < 0;
    }
}

static bool has_buckets(const struct family *family)
{
    return family->type == METRIC_HISTOGRAM || family->type == METRIC_GAUGE_HISTOGRAM;
}

void strict_check_sample(struct strict *s, const struct strict_line *l)
{
    check_value(s, l);
    if (l->part->role == ROLE_QUANTILE) check_quantile(s, l);
    if (l->part->role == ROLE_STATE && !l->bound.p)
        strict_fail(s, l->at, "a state of a stateset needs the label %.*s", SHOWN(s->family->name));
    if (has_buckets(s->family)) add_to_point(s, l);
}

void strict_end_point(struct strict *s)
{
    struct strict_point p = s->point;
    s->point.open = false;
    if (!p.open || s->family->broken) return;
    bool gauge = s->family->type == METRIC_GAUGE_HISTOGRAM;
    const char *count = gauge ? "_gcount" : "_count", *sum = gauge ? "_gsum" : "_sum";
    if (!p.has_bucket || !isinf(p.bound) || p.bound < 0) {
        strict_fail(s, p.at, "a histogram needs a bucket with le=\"+Inf\", its last");
        return;
    }
    if (p.has_count && p.count != p.population)
        strict_fail(s, p.at, "%s is not what the bucket with le=\"+Inf\" says", count);
    if (p.has_sum && !p.has_count) strict_fail(s, p.at, "%s needs %s beside it", sum, count);
    if (p.has_count && !p.has_sum) strict_fail(s, p.at, "%s needs %s beside it", count, sum);
    if (!gauge && p.has_sum && p.negative_bound)
        strict_fail(s, p.at, "a histogram with negative bounds has no _sum");
    if (gauge && p.negative_sum && !p.negative_bound)
        strict_fail(s, p.at, "_gsum is negative, though no bound is");
}
