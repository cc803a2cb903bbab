/* series_histogram.c -- histograms in series descriptions: {{schema:1 sum:5 buckets:[1 2 1]}}.
 *
 * Blanks separate the parts and may end them, but not begin them; that is upstream's grammar.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "tsdb/promql/series_int.h"

enum part_kind {
    PART_NUMBER,
    PART_UNSIGNED,
    PART_INTEGER, /* of 32 bits, in an int64_t */
    PART_LIST,
    PART_RESET,
};

static const struct part {
    const char *name;
    enum part_kind kind;
    size_t offset; /* of the field it sets */
} parts[] = {
    {"schema",             PART_INTEGER,  offsetof(struct histogram, schema)         },
    {"sum",                PART_NUMBER,   offsetof(struct histogram, sum)            },
    {"count",              PART_NUMBER,   offsetof(struct histogram, count)          },
    {"z_bucket",           PART_NUMBER,   offsetof(struct histogram, zero_count)     },
    {"z_bucket_w",         PART_UNSIGNED, offsetof(struct histogram, zero_threshold) },
    {"custom_values",      PART_LIST,     offsetof(struct histogram, bounds)         },
    {"buckets",            PART_LIST,     offsetof(struct histogram, positive.counts)},
    {"offset",             PART_INTEGER,  offsetof(struct histogram, positive.offset)},
    {"n_buckets",          PART_LIST,     offsetof(struct histogram, negative.counts)},
    {"n_offset",           PART_INTEGER,  offsetof(struct histogram, negative.offset)},
    {"counter_reset_hint", PART_RESET,    offsetof(struct histogram, reset)          },
};

static const char *const resets[] = {
    [RESET_UNKNOWN] = "unknown",
    [RESET_SEEN] = "reset",
    [RESET_NONE] = "not_reset",
    [RESET_GAUGE] = "gauge",
};

static bool at(const struct series_text *s, char c)
{
    return s->rest.len && s->rest.p[0] == c;
}

static bool at_close(const struct series_text *s)
{
    return str_starts(s->rest, STR("}}"));
}

static void skip_blanks(struct series_text *s)
{
    while (series_at_blank(s))
        series_skip(s, 1);
}

static bool is_letter(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct str take_word(struct series_text *s)
{
    size_t len = 0;
    while (len < s->rest.len && is_letter(s->rest.p[len]))
        len++;
    struct str word = {s->rest.p, len};
    series_skip(s, len);
    return word;
}

/* --- values of the parts --- */

static int number(struct series_text *s, bool may_be_negative, double *out)
{
    bool negative = may_be_negative && at(s, '-');
    if (negative) series_skip(s, 1);
    if (!series_take_number(s, out)) return series_fail(s, E_PARSE, ", expected number");
    if (negative) *out = -*out;
    return 0;
}

static int integer(struct series_text *s, int64_t *out)
{
    size_t len = at(s, '-') ? 1 : 0;
    while (len < s->rest.len && s->rest.p[len] >= '0' && s->rest.p[len] <= '9')
        len++;
    if (str_to_i64((struct str){s->rest.p, len}, out) < 0 || *out > INT32_MAX || *out < INT32_MIN)
        return series_fail(s, E_PARSE, ", expected integer");
    series_skip(s, len);
    return 0;
}

/* [1 2 3 ] */
static int list(struct series_text *s, struct number_list *out)
{
    double *v = NULL;
    size_t count = 0, cap = 0;
    if (!at(s, '[')) return series_fail(s, E_PARSE, ", expected \"[\"");
    series_skip(s, 1);
    do {
        if (count == HISTOGRAM_MAX_BUCKETS) return series_fail(s, E_TOO_BIG, ": too many buckets");
        v = parser_push(s->p, v, count, &cap, sizeof *v);
        if (!v) return parser_out_of_memory(s->p);
        int rc = number(s, true, &v[count]);
        if (rc < 0) return rc;
        count++;
        if (!series_at_blank(s)) break;
        skip_blanks(s);
    } while (!at(s, ']'));
    if (!at(s, ']')) return series_fail(s, E_PARSE, ", expected blank or \"]\"");
    series_skip(s, 1);
    *out = (struct number_list){v, count};
    return 0;
}

static int reset(struct series_text *s, enum histogram_reset *out)
{
    struct series_text before = *s;
    struct str word = take_word(s);
    for (size_t i = 0; i < COUNT(resets); i++) {
        if (!str_eq_nocase(word, str_of(resets[i]))) continue;
        *out = (enum histogram_reset)i;
        return 0;
    }
    return series_fail(&before, E_PARSE, ", expected unknown, reset, not_reset or gauge");
}

static int value(struct series_text *s, const struct part *part, struct histogram *h)
{
    void *field = (char *)h + part->offset;
    switch (part->kind) {
    case PART_NUMBER:
        return number(s, true, field);
    case PART_UNSIGNED:
        return number(s, false, field);
    case PART_INTEGER:
        return integer(s, field);
    case PART_LIST:
        return list(s, field);
    case PART_RESET:
        return reset(s, field);
    }
    return E_PARSE;
}

/* --- the whole --- */

static int one_part(struct series_text *s, struct histogram *h, unsigned *seen)
{
    struct series_text before = *s;
    struct str word = take_word(s);
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (!str_eq_nocase(word, str_of(parts[i].name))) continue;
        if (*seen & 1u << i)
            return parser_fail(s->p, E_PARSE, 0, "duplicate key \"%s\" in histogram",
                               parts[i].name);
        *seen |= 1u << i;
        if (!at(s, ':'))
            return parser_fail(s->p, E_PARSE, series_offset(&before),
                               "missing `:` for histogram descriptor");
        series_skip(s, 1);
        return value(s, &parts[i], h);
    }
    if (word.len == 0) return series_fail(s, E_PARSE, ", expected histogram descriptor or \"}}\"");
    return parser_fail(s->p, E_PARSE, series_offset(&before),
                       "bad histogram descriptor found: \"%.*s\"", (int)MIN(word.len, 60u), word.p);
}

static int all_parts(struct series_text *s, struct histogram *h)
{
    unsigned seen = 0;
    if (series_at_blank(s)) { /* {{ }} */
        struct series_text before = *s;
        skip_blanks(s);
        return at_close(s) ? 0 : series_fail(&before, E_PARSE, ", expected histogram descriptor");
    }
    while (!at_close(s)) {
        int rc = one_part(s, h, &seen);
        if (rc < 0) return rc;
        if (at_close(s)) break;
        if (!series_at_blank(s)) return series_fail(s, E_PARSE, ", expected blank or \"}}\"");
        skip_blanks(s);
    }
    return 0;
}

int series_read_histogram(struct series_text *s, const struct histogram **out)
{
    struct histogram *h = arena_zalloc(s->p->arena, sizeof *h);
    if (!h) return parser_out_of_memory(s->p);
    if (!series_at_histogram(s)) return series_fail(s, E_PARSE, ", expected histogram");
    series_skip(s, 2);
    int rc = all_parts(s, h);
    if (rc < 0) return rc;
    series_skip(s, 2);
    *out = h;
    return 0;
}
