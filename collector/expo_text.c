/* expo_text.c -- the text format 0.0.4 into families, as Prometheus' expfmt library reads it.
 *
 * Line by line, one cursor. Stricter than the scraper in much: escapes must be known ones, commas
 * stand between labels, the last line ends in a line feed, HELP and TYPE come once and before the
 * samples. Milder in a little: a metadata line may stop after the name, and types are read without
 * regard to case.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "collector/expo_family_int.h"

struct text_reader {
    struct families *f;
    const struct expo_input *in;
    const char *start, *p, *end; /* of the line, without its line feed */
    int line;
    int rc; /* what ends the reading: memory */
    bool bad;
};

/* The line being read, once it is a sample. */
struct sample_line {
    struct family *family;
    struct str name;
    struct expo_place at;
    bool in_braces; /* the line begins with one: the name stands among the labels */
    bool has_bound; /* le of a histogram, quantile of a summary */
    size_t count;
    struct label labels[LABELS_MAX];
};

PRINTF_LIKE(2, 3) static int fail(struct text_reader *r, const char *fmt, ...)
{
    char text[480];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int column = (int)(r->p - r->start) + 1;
    diags_add(r->in->diags, DIAG_ERROR, r->in->file, r->in->text, r->line, column, 1, NULL, "%s",
              text);
    r->bad = true;
    return E_PARSE;
}

/* Texts in messages are cut. */
#define SHOWN(s) (int)MIN((s).len, (size_t)80), (s).p

static bool at(const struct text_reader *r, char c)
{
    return r->p < r->end && *r->p == c;
}

static bool at_blank(const struct text_reader *r)
{
    return at(r, ' ') || at(r, '\t');
}

static void skip_blanks(struct text_reader *r)
{
    while (at_blank(r))
        r->p++;
}

static struct str take_word(struct text_reader *r)
{
    const char *from = r->p;
    while (r->p < r->end && !at_blank(r))
        r->p++;
    return (struct str){from, (size_t)(r->p - from)};
}

static int no_memory(struct text_reader *r)
{
    r->rc = r->f->arena.err;
    return r->rc;
}

/* --- texts with escapes --- */

/* Undoes escapes of text; quotes says whether \" is one. The cursor points at a bad one. */
static int unescape(struct text_reader *r, struct str text, bool quotes, struct str *out)
{
    *out = text;
    if (text.len == 0 || !memchr(text.p, '\\', text.len)) return 0;
    char *to = arena_alloc(&r->f->arena, text.len);
    size_t n = 0;
    if (!to) return no_memory(r);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '\\') {
            char next = i + 1 < text.len ? text.p[i + 1] : '\0';
            if (next != '\\' && next != 'n' && !(quotes && next == '"')) {
                r->p = text.p + i;
                return fail(r, "invalid escape sequence: use \\\\, \\n%s",
                            quotes ? " or \\\"" : "");
            }
            c = next == 'n' ? '\n' : next;
            i++;
        }
        to[n++] = c;
    }
    *out = (struct str){to, n};
    return 0;
}

/* The cursor stands on the opening quote; it ends past the closing one. */
static int read_quoted(struct text_reader *r, const char *what, struct str *out)
{
    const char *from = r->p + 1, *p = from;
    while (p < r->end && *p != '"')
        p += *p == '\\' && p + 1 < r->end ? 2 : 1;
    if (p >= r->end)
        return fail(r, "%s \"%.*s\" contains unescaped new-line", what,
                    SHOWN(((struct str){from, (size_t)(r->end - from)})));
    r->p = p + 1;
    return unescape(r, (struct str){from, (size_t)(p - from)}, true, out);
}

static bool is_name_byte(char c, bool first, bool colon)
{
    unsigned char u = (unsigned char)c;
    return (u < 0x80 && isalpha(u)) || u == '_' || (colon && u == ':') ||
           (!first && u < 0x80 && isdigit(u));
}

/* A bare or quoted name; an empty one when neither stands here. */
static int read_name(struct text_reader *r, bool metric, struct str *out)
{
    if (at(r, '"')) return read_quoted(r, metric ? "metric name" : "label name", out);
    const char *from = r->p;
    while (r->p < r->end && is_name_byte(*r->p, r->p == from, metric))
        r->p++;
    *out = (struct str){from, (size_t)(r->p - from)};
    return 0;
}

/* --- families --- */

static struct str without(struct str name, const char *suffix)
{
    struct str s = str_of(suffix);
    if (str_ends(name, s)) name.len -= s.len;
    return name;
}

/* The histogram or summary that a name with a suffix belongs to. */
static struct family *family_of_part(const struct families *f, struct str name)
{
    static const struct {
        const char *suffix;
        bool summary;
    } suffixes[] = {
        {"_count",  true },
        {"_sum",    true },
        {"_bucket", false},
    };
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        struct str base = without(name, suffixes[i].suffix);
        struct family *family = base.len < name.len ? families_find(f, base) : NULL;
        if (!family) continue;
        if (family->type == METRIC_HISTOGRAM || family->type == METRIC_GAUGE_HISTOGRAM ||
            (family->type == METRIC_SUMMARY && suffixes[i].summary))
            return family;
    }
    return NULL;
}

/* The family of a name, made if there is none. */
static int find_family(struct text_reader *r, struct str name, struct expo_place place,
                       struct family **out)
{
    if (!metric_name_is_valid(name)) return fail(r, "invalid metric name \"%.*s\"", SHOWN(name));
    *out = families_find(r->f, name);
    if (!*out) *out = family_of_part(r->f, name);
    if (*out) return 0;
    *out = families_add(r->f, name, place);
    if (!*out || families_claim(r->f, name, *out) < 0) return no_memory(r);
    return 0;
}

/* --- comments --- */

static int read_help(struct text_reader *r, struct family *family)
{
    if (family->has_help)
        return fail(r, "second HELP line for metric name \"%.*s\"", SHOWN(family->name));
    family->has_help = true;
    return unescape(r, (struct str){r->p, (size_t)(r->end - r->p)}, true, &family->help);
}

static int read_type(struct text_reader *r, struct family *family)
{
    static const struct {
        const char *name;
        enum metric_type type;
    } types[] = {
        {"counter",         METRIC_COUNTER        },
        {"gauge",           METRIC_GAUGE          },
        {"summary",         METRIC_SUMMARY        },
        {"untyped",         METRIC_UNKNOWN        },
        {"histogram",       METRIC_HISTOGRAM      },
        {"gaugehistogram",  METRIC_GAUGE_HISTOGRAM},
        {"gauge_histogram", METRIC_GAUGE_HISTOGRAM},
    };
    struct str word = {r->p, (size_t)(r->end - r->p)};
    if (family->has_type || family->samples)
        return fail(r, "second TYPE line for metric name \"%.*s\", or TYPE reported after samples",
                    SHOWN(family->name));
    for (size_t i = 0; i < COUNT(types); i++) {
        if (!str_eq_nocase(word, str_of(types[i].name))) continue;
        family->type = types[i].type;
        family->has_type = true;
        return 0;
    }
    return fail(r, "unknown metric type \"%.*s\"", SHOWN(word));
}

/* The cursor stands past '#'. What is no HELP and no TYPE is a comment. */
static int read_comment(struct text_reader *r)
{
    struct str name;
    struct family *family = NULL;
    skip_blanks(r);
    struct str keyword = take_word(r);
    bool help = str_eq(keyword, STR("HELP"));
    if (!help && !str_eq(keyword, STR("TYPE"))) return 0;
    skip_blanks(r);
    if (r->p == r->end) return 0;
    struct expo_place place = {r->line, (int)(r->p - r->start) + 1, 0};
    int rc = read_name(r, true, &name);
    if (rc < 0 || r->p == r->end) return rc;
    if (!at_blank(r)) return fail(r, "invalid metric name in comment");
    place.width = (int)(r->p - r->start) + 1 - place.column;
    rc = find_family(r, name, place, &family);
    skip_blanks(r);
    if (rc < 0 || r->p == r->end) return rc;
    return help ? read_help(r, family) : read_type(r, family);
}

/* --- samples --- */

static const char *bound_label(enum metric_type type)
{
    if (type == METRIC_SUMMARY) return "quantile";
    return type == METRIC_HISTOGRAM || type == METRIC_GAUGE_HISTOGRAM ? "le" : NULL;
}

static int set_family(struct text_reader *r, struct sample_line *s, struct str name)
{
    s->name = name;
    return find_family(r, name, s->at, &s->family);
}

/* A name without a value among the labels is the metric's, when the line begins with a brace. */
static int take_inner_name(struct text_reader *r, struct sample_line *s, struct str name)
{
    if (!s->in_braces) return fail(r, "expected '=' after label name");
    if (s->family)
        return fail(r, "multiple metric names for metric \"%.*s\"", SHOWN(s->family->name));
    if (!at(r, ',') && !at(r, '}'))
        return fail(r, "unexpected end of metric name \"%.*s\"", SHOWN(name));
    if (at(r, ',')) r->p++;
    return set_family(r, s, name);
}

static int add_label(struct text_reader *r, struct sample_line *s, struct str name)
{
    if (str_eq(name, STR(METRIC_NAME))) return fail(r, "label name \"__name__\" is reserved");
    if (!label_name_is_valid(name)) return fail(r, "invalid label name \"%.*s\"", SHOWN(name));
    for (size_t i = 0; i < s->count; i++)
        if (str_eq(s->labels[i].name, name))
            return fail(r, "duplicate label names for metric \"%.*s\"", SHOWN(s->name));
    if (s->count == LABELS_MAX) return fail(r, "more than %d labels", LABELS_MAX);
    s->labels[s->count++] = (struct label){.name = name};
    return 0;
}

static int check_bound(struct text_reader *r, struct sample_line *s, const struct label *l)
{
    double bound;
    const char *want = s->family ? bound_label(s->family->type) : NULL;
    if (!want || !str_eq(l->name, str_of(want))) return 0;
    s->has_bound = true;
    if (expo_parse_float(l->value, &bound) == 0) return 0;
    return fail(r, "expected float as value for '%s' label, got \"%.*s\"", want, SHOWN(l->value));
}

/* One `name="value"`, or the name of the metric. */
static int read_label(struct text_reader *r, struct sample_line *s)
{
    struct str name;
    int rc = read_name(r, false, &name);
    if (rc < 0) return rc;
    if (name.len == 0) return fail(r, "invalid label name for metric \"%.*s\"", SHOWN(s->name));
    skip_blanks(r);
    if (!at(r, '=')) return take_inner_name(r, s, name);
    if ((rc = add_label(r, s, name)) < 0) return rc;
    r->p++;
    skip_blanks(r);
    if (!at(r, '"')) return fail(r, "expected '\"' at start of label value");
    struct label *l = &s->labels[s->count - 1];
    const char *quote = r->p;
    if ((rc = read_quoted(r, "label value", &l->value)) < 0) return rc;
    if (!str_is_utf8(l->value)) {
        r->p = quote;
        return fail(r, "invalid label value: it is not UTF-8");
    }
    if ((rc = check_bound(r, s, l)) < 0) return rc;
    skip_blanks(r);
    if (!at(r, ',') && !at(r, '}'))
        return fail(r, "unexpected end of label value \"%.*s\"", SHOWN(l->value));
    if (at(r, ',')) r->p++;
    return 0;
}

static int read_labels(struct text_reader *r, struct sample_line *s)
{
    for (skip_blanks(r); !at(r, '}'); skip_blanks(r)) {
        int rc = read_label(r, s);
        if (rc < 0) return rc;
    }
    if (!s->family) return fail(r, "invalid metric name");
    r->p++;
    return 0;
}

static int check_population(struct text_reader *r, const struct sample_line *s, double v)
{
    bool histogram =
        s->family->type == METRIC_HISTOGRAM || s->family->type == METRIC_GAUGE_HISTOGRAM;
    if (!histogram || !(v < 0) || str_ends(s->name, STR("_sum"))) return 0;
    if (s->has_bound)
        return fail(r, "negative bucket population for histogram \"%.*s\"", SHOWN(s->family->name));
    return fail(r, "negative count for histogram \"%.*s\"", SHOWN(s->family->name));
}

/* The cursor stands before the value; *out is filled but for its labels. */
static int read_numbers(struct text_reader *r, struct sample_line *s, struct family_sample *out)
{
    skip_blanks(r);
    const char *from = r->p;
    struct str word = take_word(r);
    if (expo_parse_float(word, &out->value) < 0) {
        r->p = from;
        return fail(r, "expected float as value, got \"%.*s\"", SHOWN(word));
    }
    int rc = check_population(r, s, out->value);
    skip_blanks(r);
    if (rc < 0 || r->p == r->end) return rc;
    from = r->p;
    word = take_word(r);
    if (str_to_i64(word, &out->timestamp_ms) < 0) {
        r->p = from;
        return fail(r, "expected integer as timestamp, got \"%.*s\"", SHOWN(word));
    }
    out->has_timestamp = true;
    if (r->p == r->end) return 0;
    return fail(r, "spurious string after timestamp: \"%.*s\"",
                SHOWN(((struct str){r->p, (size_t)(r->end - r->p)})));
}

static int keep_sample(struct text_reader *r, const struct sample_line *s,
                       const struct family_sample *from)
{
    struct family_sample *to = family_add_sample(r->f, s->family, s->name);
    if (!to) return no_memory(r);
    to->value = from->value;
    to->has_timestamp = from->has_timestamp;
    to->timestamp_ms = from->timestamp_ms;
    to->at = s->at;
    if (families_copy_labels(r->f, s->labels, s->count, &to->labels) < 0) return no_memory(r);
    return 0;
}

/* Name and labels. */
static int read_series(struct text_reader *r, struct sample_line *s)
{
    struct str name = STR("");
    int rc = 0;
    if (!s->in_braces) {
        rc = read_name(r, true, &name);
        if (rc < 0) return rc;
        s->at.width = (int)MAX(name.len, (size_t)1);
        if ((rc = set_family(r, s, name)) < 0) return rc;
        skip_blanks(r);
    }
    if (!at(r, '{')) return 0;
    r->p++;
    return read_labels(r, s);
}

static int read_sample(struct text_reader *r)
{
    struct sample_line s;
    struct family_sample numbers = {0};
    s.family = NULL;
    s.name = STR("");
    s.count = 0;
    s.has_bound = false;
    s.in_braces = at(r, '{');
    s.at = (struct expo_place){r->line, (int)(r->p - r->start) + 1, 1};
    int rc = read_series(r, &s);
    if (!s.family) return rc;
    if (rc == 0) rc = read_numbers(r, &s, &numbers);
    if (rc == 0) return keep_sample(r, &s, &numbers);
    s.family->broken = true;
    return rc;
}

static int read_line(struct text_reader *r)
{
    skip_blanks(r);
    if (r->p == r->end) return 0;
    if (!at(r, '#')) return read_sample(r);
    r->p++;
    return read_comment(r);
}

/* The last line of a text that does not end in a line feed. */
static int check_end(struct text_reader *r)
{
    struct str line = {r->start, (size_t)(r->end - r->start)};
    if (str_trim(line).len == 0) return 0;
    r->p = r->end;
    return fail(r, "unexpected end of input stream: the last line has no line feed");
}

int families_read_text(struct families *f, const struct expo_input *in)
{
    struct text_reader r = {.f = f, .in = in};
    const char *p = in->text.p, *end = p + in->text.len;
    while (p < end && r.rc == 0) {
        const char *feed = memchr(p, '\n', (size_t)(end - p));
        r.start = r.p = p;
        r.end = feed ? feed : end;
        r.line++;
        if (read_line(&r) == 0 && !feed) r.bad |= check_end(&r) < 0;
        p = feed ? feed + 1 : end;
    }
    if (r.rc < 0) return r.rc;
    return r.bad ? E_PARSE : 0;
}
