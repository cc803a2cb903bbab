/* expo_lint.c -- what is legal and still not good: the findings of `promtool check metrics`, in its
 * words, and names that collide.
 *
 * A finding about a family is told at its first line; one about a label at the first sample that
 * has it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/expo_family_int.h"

struct lint {
    struct families *f;
    const struct expo_input *in;
    const struct family *family;
    bool openmetrics; /* _total belongs to the samples, and a series may have many times */
};

PRINTF_LIKE(4, 5)
static void warn(const struct lint *l, struct expo_place at, const char *hint, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diags_add(l->in->diags, DIAG_WARNING, l->in->file, l->in->text, at.line, at.column, at.width,
              hint, "%.*s: %s", (int)MIN(l->family->name.len, (size_t)200), l->family->name.p,
              text);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Whether word stands in name between '_', or after one at its end; the case does not matter. */
static bool has_word(struct str name, struct str word)
{
    for (size_t i = 0; i + word.len < name.len; i++) {
        size_t k = 0, after = i + 1 + word.len;
        if (name.p[i] != '_') continue;
        while (k < word.len && lower(name.p[i + 1 + k]) == word.p[k])
            k++;
        if (k == word.len && (after == name.len || name.p[after] == '_')) return true;
    }
    return false;
}

static bool is_camel(struct str s)
{
    for (size_t i = 1; i < s.len; i++)
        if (islower((unsigned char)s.p[i - 1]) && isupper((unsigned char)s.p[i])) return true;
    return false;
}

/* --- of a family's name --- */

static void lint_help(const struct lint *l)
{
    if (l->family->help.len == 0)
        warn(l, l->family->at, "say what it is in a HELP line", "no help text");
}

static const struct {
    const char *unit, *base;
} units[] = {
    {"amperes",    "amperes"},
    {"bytes",      "bytes"  },
    {"celsius",    "celsius"},
    {"grams",      "grams"  },
    {"joules",     "joules" },
    {"kelvin",     "kelvin" },
    {"meters",     "meters" },
    {"metres",     "metres" },
    {"seconds",    "seconds"},
    {"volts",      "volts"  },
    {"minutes",    "seconds"},
    {"hours",      "seconds"},
    {"days",       "seconds"},
    {"weeks",      "seconds"},
    {"kelvins",    "kelvin" },
    {"fahrenheit", "celsius"},
    {"rankine",    "celsius"},
    {"inches",     "meters" },
    {"yards",      "meters" },
    {"miles",      "meters" },
    {"bits",       "bytes"  },
    {"calories",   "joules" },
    {"pounds",     "grams"  },
    {"ounces",     "grams"  },
};

static const char *const prefixes[] = {
    "",     "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo",
    "kibi", "mega", "mibi", "giga",  "gibi",  "tera",  "tebi", "peta", "pebi",
};

static bool is_unit(struct str word, const char *prefix, const char *unit)
{
    struct str head = str_of(prefix);
    return str_starts(word, head) &&
           str_eq((struct str){word.p + head.len, word.len - head.len}, str_of(unit));
}

/* The first word of the name that is a unit: its base when it is another. */
static const char *base_of(struct str word)
{
    for (size_t i = 0; i < COUNT(units); i++)
        for (size_t k = 0; k < COUNT(prefixes); k++)
            if (is_unit(word, prefixes[k], units[i].unit)) return units[i].base;
    return NULL;
}

static void lint_unit(const struct lint *l)
{
    struct str rest = l->family->name;
    while (rest.p && rest.len) {
        struct str word = str_split(&rest, '_');
        const char *base = base_of(word);
        if (!base) continue;
        if (!str_eq(word, str_of(base)))
            warn(l, l->family->at, NULL, "use base unit \"%s\" instead of \"%.*s\"", base,
                 (int)word.len, word.p);
        return;
    }
}

static void lint_counter(const struct lint *l)
{
    const struct family *family = l->family;
    bool total = str_ends(family->name, STR("_total"));
    if (family->type == METRIC_UNKNOWN) return;
    if (family->type == METRIC_COUNTER && !total && !l->openmetrics)
        warn(l, family->at, NULL, "counter metrics should have \"_total\" suffix");
    if (family->type != METRIC_COUNTER && total)
        warn(l, family->at, NULL, "non-counter metrics should not have \"_total\" suffix");
}

static bool has_buckets(const struct family *family)
{
    return family->type == METRIC_HISTOGRAM || family->type == METRIC_GAUGE_HISTOGRAM;
}

static void lint_reserved(const struct lint *l)
{
    static const struct {
        const char *suffix, *text;
        bool summary;
    } rows[] = {
        {"_bucket", "non-histogram metrics should not have \"_bucket\" suffix",                false},
        {"_count",  "non-histogram and non-summary metrics should not have \"_count\" suffix", true },
        {"_sum",    "non-histogram and non-summary metrics should not have \"_sum\" suffix",   true },
    };
    const struct family *family = l->family;
    if (family->type == METRIC_UNKNOWN || has_buckets(family)) return;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (str_ends(family->name, str_of(rows[i].suffix)) &&
            !(rows[i].summary && family->type == METRIC_SUMMARY))
            warn(l, family->at, NULL, "%s", rows[i].text);
}

static void lint_type_word(const struct lint *l)
{
    static const char *const types[] = {"counter", "gauge", "summary", "histogram",
                                        "gauge_histogram"};
    for (size_t i = 0; i < COUNT(types); i++)
        if (has_word(l->family->name, str_of(types[i])))
            warn(l, l->family->at, NULL, "metric name should not include type '%s'", types[i]);
}

static void lint_name(const struct lint *l)
{
    static const char *const abbreviations[] = {"s",  "ms", "us", "ns", "sec", "b", "kb",
                                                "mb", "gb", "tb", "pb", "m",   "h", "d"};
    const struct family *family = l->family;
    if (memchr(family->name.p, ':', family->name.len))
        warn(l, family->at, "colons are for recording rules",
             "metric names should not contain ':'");
    if (is_camel(family->name))
        warn(l, family->at, NULL, "metric names should be written in 'snake_case' not 'camelCase'");
    for (size_t i = 0; i < COUNT(abbreviations); i++)
        if (has_word(family->name, str_of(abbreviations[i]))) {
            warn(l, family->at, "write the unit out: _seconds, _bytes",
                 "metric names should not contain abbreviated units");
            return;
        }
}

/* --- of its labels --- */

/* Whether an earlier sample of the family has the label: each name is told once. */
static bool seen_before(const struct family *family, const struct family_sample *until,
                        struct str name)
{
    enum { LOOK_BACK = 64 };
    size_t looked = 0;
    for (const struct family_sample *s = family->samples; s != until && looked < LOOK_BACK;
         s = s->next, looked++)
        if (labels_get(s->labels, name).p) return true;
    return false;
}

static void lint_label(const struct lint *l, const struct family_sample *s, struct str name)
{
    const struct family *family = l->family;
    bool typed = family->type != METRIC_UNKNOWN;
    if (typed && !has_buckets(family) && str_eq(name, STR("le")))
        warn(l, s->at, NULL, "non-histogram metrics should not have \"le\" label");
    if (typed && family->type != METRIC_SUMMARY && str_eq(name, STR("quantile")))
        warn(l, s->at, NULL, "non-summary metrics should not have \"quantile\" label");
    if (is_camel(name))
        warn(l, s->at, NULL, "label names should be written in 'snake_case' not 'camelCase'");
    if (str_starts(name, STR("__")))
        warn(l, s->at, "labels that begin with __ are dropped when a target is scraped",
             "label name \"%.*s\" is reserved", (int)MIN(name.len, (size_t)80), name.p);
}

enum { TOLD_MAX = 32 };

static void lint_labels(const struct lint *l)
{
    struct str told[TOLD_MAX];
    size_t count = 0;
    for (const struct family_sample *s = l->family->samples; s; s = s->next) {
        for (size_t i = 0; i < s->labels.count; i++) {
            size_t k = 0;
            struct str name = s->labels.v[i].name;
            while (k < count && !str_eq(told[k], name))
                k++;
            if (k < count) continue;
            if (count < TOLD_MAX)
                told[count++] = name;
            else if (seen_before(l->family, s, name))
                continue;
            lint_label(l, s, name);
        }
    }
}

/* --- duplicates and collisions --- */

static int by_series(const void *a, const void *b)
{
    const struct family_sample *x = *(struct family_sample *const *)a;
    const struct family_sample *y = *(struct family_sample *const *)b;
    int c = str_cmp(x->name, y->name);
    if (c == 0) c = labels_cmp(x->labels, y->labels);
    if (c == 0) c = (x->timestamp_ms > y->timestamp_ms) - (x->timestamp_ms < y->timestamp_ms);
    return c ? c : x->at.line - y->at.line;
}

static bool same_series(const struct family_sample *a, const struct family_sample *b)
{
    return str_eq(a->name, b->name) && labels_eq(a->labels, b->labels);
}

static int lint_duplicates(const struct lint *l)
{
    struct family_sample **v = family_list(l->f, l->family);
    if (!v) return l->f->arena.err;
    qsort(v, l->family->sample_count, sizeof(struct family_sample *), by_series);
    for (size_t i = 1; i < l->family->sample_count; i++) {
        if (!same_series(v[i - 1], v[i])) continue;
        warn(l, v[i]->at, "the same name and labels as in an earlier line", "metric not unique");
        break;
    }
    return 0;
}

/* The samples of a histogram or summary have names that another family may have as its own. */
static void lint_collisions(const struct lint *l)
{
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        struct str base = l->family->name, suffix = str_of(suffixes[i]);
        if (!str_ends(base, suffix)) continue;
        base.len -= suffix.len;
        const struct family *owner = families_find(l->f, base);
        bool bucket = i == 0;
        if (!owner || (!has_buckets(owner) && (bucket || owner->type != METRIC_SUMMARY))) continue;
        warn(l, l->family->at, "rename one of them",
             "the name collides with a sample of the %s \"%.*s\"", metric_type_name(owner->type),
             (int)MIN(base.len, (size_t)80), base.p);
    }
}

int families_lint(struct families *f, const struct expo_input *in)
{
    static void (*const checks[])(const struct lint *l) = {
        lint_help,      lint_unit, lint_counter, lint_reserved,
        lint_type_word, lint_name, lint_labels,  lint_collisions,
    };
    bool openmetrics = expo_is_openmetrics(in->text);
    for (const struct family *family = f->first; family; family = family->next) {
        struct lint l = {f, in, family, openmetrics};
        if (!family->samples) continue;
        for (size_t i = 0; i < COUNT(checks); i++)
            checks[i](&l);
        int rc = openmetrics ? 0 : lint_duplicates(&l);
        if (rc < 0) return rc;
    }
    return 0;
}
