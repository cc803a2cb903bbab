/* expo.c -- the pull parser of Prometheus' text format and of OpenMetrics.
 *
 * The grammar is the one of Prometheus 3's scraper (promlex.l, openmetricslex.l), by hand: a line
 * at a time, one cursor, nothing copied. The two formats share a line's structure and differ in
 * what separates tokens: text takes blanks and tabs anywhere, OpenMetrics exactly one blank.
 *
 *     name{label="value",...} value [timestamp] [# {labels} value [timestamp]]
 *     {"name in quotes",label="value"} value
 *
 * Where Prometheus' text parser is stricter than the exporters that exist, we are milder: CRLF,
 * blanks around metadata, the type names of OpenMetrics. Where it is milder, a line feed inside
 * quotes, we are stricter, because it is always a broken writer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/expo.h"

#include <math.h>

enum { CLASS_NAME_START = 1, CLASS_LABEL_START = 2, CLASS_DIGIT = 4 };

/* Bytes of legacy names: [a-zA-Z_] start labels, ':' too starts metric names, digits go on. */
static int class_of(char c)
{
    unsigned char u = (unsigned char)c;
    if ((u | 32) >= 'a' && (u | 32) <= 'z') return CLASS_NAME_START | CLASS_LABEL_START;
    if (u == '_') return CLASS_NAME_START | CLASS_LABEL_START;
    if (u == ':') return CLASS_NAME_START;
    return u >= '0' && u <= '9' ? CLASS_DIGIT : 0;
}

/* One line being read. */
struct line {
    const char *start, *p, *end;
    int number;
    bool openmetrics;
    struct errmsg *err;
};

static int fail(const struct line *l, const char *what)
{
    struct str near = {l->p, (size_t)(l->end - l->p)};
    int column = (int)(l->p - l->start) + 1;
    if (near.len == 0)
        return errmsg_at(l->err, E_PARSE, l->number, column, "%s at end of line", what);
    return errmsg_at(l->err, E_PARSE, l->number, column, "%s, got \"%.*s\"", what,
                     (int)MIN(near.len, 20), near.p);
}

static bool at(const struct line *l, char c)
{
    return l->p < l->end && *l->p == c;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Blanks between tokens: any in text, none in OpenMetrics (whose single blanks are read where they
 * belong). */
static void skip_blanks(struct line *l)
{
    if (l->openmetrics) return;
    while (l->p < l->end && is_blank(*l->p))
        l->p++;
}

static struct str take_name(struct line *l, int start_class)
{
    const char *p = l->p;
    if (p < l->end && (class_of(*p) & start_class))
        while (p < l->end && (class_of(*p) & (start_class | CLASS_DIGIT)))
            p++;
    struct str name = {l->p, (size_t)(p - l->p)};
    l->p = p;
    return name;
}

/* "..." with backslash escapes: *out is what stands between the quotes, still escaped. False when
 * there is no closing quote; the cursor is then where it was. */
static bool take_quoted(struct line *l, struct str *out)
{
    if (!at(l, '"')) return false;
    const char *start = l->p + 1;
    for (const char *p = start; p < l->end; p++) {
        if (*p == '\\') {
            p++;
        } else if (*p == '"') {
            *out = (struct str){start, (size_t)(p - start)};
            l->p = p + 1;
            return true;
        }
    }
    return false;
}

/* Where labels go while a set is scanned; NULL when it is only checked. */
struct label_sink {
    struct label_builder *builder;
    struct buf *scratch;
    enum metric_type type;
    int rc; /* the first failure that is not one of grammar */
};

static int sink_add(struct line *l, struct label_sink *s, struct str name, struct str value);

/* Reads one `name="value"` or `"metric name"`; *metric is set by the latter. */
static int scan_label(struct line *l, struct str *metric, bool exemplar, struct label_sink *sink)
{
    struct str name, value;
    bool quoted = at(l, '"');
    if (quoted) {
        if (!take_quoted(l, &name)) return fail(l, "expected label name");
    } else {
        name = take_name(l, CLASS_LABEL_START);
        if (name.len == 0) return fail(l, "expected label name");
    }
    skip_blanks(l);
    if (quoted && !exemplar && (at(l, ',') || at(l, '}'))) {
        if (metric->p) return fail(l, "metric name already set");
        if (!str_is_utf8(name)) return fail(l, "invalid UTF-8 in metric name");
        *metric = name;
        return sink ? sink_add(l, sink, STR(METRIC_NAME), name) : 0;
    }
    if (!at(l, '=')) return fail(l, "expected equal");
    l->p++;
    skip_blanks(l);
    if (!take_quoted(l, &value)) return fail(l, "expected label value");
    if (!str_is_utf8(value)) return fail(l, "invalid UTF-8 label value");
    if (quoted && !str_is_utf8(name)) return fail(l, "invalid UTF-8 label name");
    return sink ? sink_add(l, sink, name, value) : 0;
}

/* The cursor stands after '{'; it ends after '}'. Text lets the comma between labels go missing. */
static int scan_labels(struct line *l, struct str *metric, bool exemplar, struct label_sink *sink)
{
    for (skip_blanks(l); !at(l, '}'); skip_blanks(l)) {
        int rc = scan_label(l, metric, exemplar, sink);
        if (rc < 0) return rc;
        skip_blanks(l);
        if (at(l, ','))
            l->p++;
        else if (l->openmetrics && !at(l, '}'))
            return fail(l, "expected comma or closing brace");
    }
    l->p++;
    return 0;
}

/* name, name{...} or {"name",...}; the cursor ends after it. */
static int scan_series(struct line *l, struct label_sink *sink)
{
    struct str metric = take_name(l, CLASS_NAME_START);
    if (metric.len == 0) metric.p = NULL;
    if (metric.p && sink) {
        int rc = sink_add(l, sink, STR(METRIC_NAME), metric);
        if (rc < 0) return rc;
    }
    const char *after = l->p;
    skip_blanks(l);
    if (at(l, '{')) {
        l->p++;
        int rc = scan_labels(l, &metric, false, sink);
        if (rc < 0) return rc;
    } else {
        l->p = after;
    }
    return metric.len ? 0 : fail(l, "metric name not set");
}

/* --- numbers ------------------------------------------------------------------------------------
 */

static struct str take_word(struct line *l)
{
    const char *p = l->p;
    while (p < l->end && *p != ' ' && (l->openmetrics || *p != '\t'))
        p++;
    struct str word = {l->p, (size_t)(p - l->p)};
    l->p = p;
    return word;
}

/* Go's ParseFloat less hexadecimal and underscores, as Prometheus has it. */
static int parse_value(struct line *l, struct str word, double *out)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.p[i];
        if (c == 'p' || c == 'P' || c == '_' || c == 'x' || c == 'X')
            return fail(l, "unsupported character in float");
    }
    if (str_to_double(word, out) < 0) return fail(l, "invalid number");
    if (isnan(*out)) *out = double_of_bits(NORMAL_NAN_BITS);
    return 0;
}

/* In OpenMetrics a blank must lead; in text blanks may. False when nothing is left. */
static bool next_word(struct line *l, struct str *word)
{
    const char *before = l->p;
    if (l->openmetrics) {
        if (!at(l, ' ')) return false;
        l->p++;
    } else {
        skip_blanks(l);
    }
    *word = take_word(l);
    if (word->len == 0) l->p = before;
    return word->len > 0;
}

/* OpenMetrics: seconds, as a float. */
static int parse_seconds(struct line *l, struct str word, int64_t *out_ms)
{
    double t;
    int rc = parse_value(l, word, &t);
    if (rc < 0) return rc;
    if (!isfinite(t)) return fail(l, "invalid timestamp");
    /* out of any reasonable range: as far out as can be said, for the store to refuse */
    *out_ms = fabs(t) < 9e15 ? (int64_t)(t * 1000) : t < 0 ? INT64_MIN : INT64_MAX;
    return 0;
}

/* ` # {labels} value [timestamp]`: checked, then forgotten. */
static int skip_exemplar(struct line *l)
{
    struct str metric = {NULL, 0}, word;
    double v;
    int64_t t;
    l->p += 4;
    int rc = scan_labels(l, &metric, true, NULL);
    if (rc < 0) return rc;
    if (!next_word(l, &word)) return fail(l, "expected value after exemplar labels");
    if ((rc = parse_value(l, word, &v)) < 0) return rc;
    if (next_word(l, &word) && (rc = parse_seconds(l, word, &t)) < 0) return rc;
    return l->p == l->end ? 0 : fail(l, "expected next entry after exemplar");
}

static bool at_exemplar(const struct line *l)
{
    return l->openmetrics && l->end - l->p >= 4 && memcmp(l->p, " # {", 4) == 0;
}

static int scan_timestamp(struct line *l, struct expo_entry *e)
{
    struct str word;
    if (at_exemplar(l) || !next_word(l, &word)) return 0;
    e->has_timestamp = true;
    if (l->openmetrics) return parse_seconds(l, word, &e->timestamp_ms);
    if (word.p[0] == '+' || str_to_i64(word, &e->timestamp_ms) < 0)
        return fail(l, "expected next entry after timestamp");
    return 0;
}

static bool is_created(const struct line *l, const struct expo_entry *e)
{
    if (!l->openmetrics) return false;
    if (e->type != METRIC_COUNTER && e->type != METRIC_HISTOGRAM && e->type != METRIC_SUMMARY)
        return false;
    const char *brace = memchr(e->series.p, '{', e->series.len);
    size_t len = brace ? (size_t)(brace - e->series.p) : e->series.len;
    return str_ends((struct str){e->series.p, len}, STR("_created"));
}

static int read_series(struct line *l, struct expo_entry *e)
{
    const char *start = l->p;
    int rc = scan_series(l, NULL);
    if (rc < 0) return rc;
    e->kind = EXPO_SERIES;
    e->series = (struct str){start, (size_t)(l->p - start)};
    e->is_created = is_created(l, e);
    struct str word;
    if (!next_word(l, &word)) return fail(l, "expected value after metric");
    if ((rc = parse_value(l, word, &e->value)) < 0) return rc;
    if ((rc = scan_timestamp(l, e)) < 0) return rc;
    if (at_exemplar(l)) return skip_exemplar(l);
    skip_blanks(l);
    return l->p == l->end ? 0 : fail(l, "expected next entry after value");
}

/* --- lines that start with # --------------------------------------------------------------------
 */

static const struct {
    const char *name;
    enum metric_type type;
    bool text_only;
} type_names[] = {
    {"counter",         METRIC_COUNTER,         false},
    {"gauge",           METRIC_GAUGE,           false},
    {"histogram",       METRIC_HISTOGRAM,       false},
    {"summary",         METRIC_SUMMARY,         false},
    {"untyped",         METRIC_UNKNOWN,         true },
    {"unknown",         METRIC_UNKNOWN,         false},
    {"gaugehistogram",  METRIC_GAUGE_HISTOGRAM, false},
    {"gauge_histogram", METRIC_GAUGE_HISTOGRAM, true },
    {"info",            METRIC_INFO,            false},
    {"stateset",        METRIC_STATESET,        false},
};

static int read_type(struct line *l, struct expo_entry *e)
{
    struct str word = l->openmetrics ? e->text : str_trim(e->text);
    for (size_t i = 0; i < COUNT(type_names); i++) {
        if (type_names[i].text_only && l->openmetrics) continue;
        if (!str_eq(word, str_of(type_names[i].name))) continue;
        e->type = type_names[i].type;
        return 0;
    }
    return fail(l, "invalid metric type");
}

static int check_unit(struct line *l, const struct expo_entry *e)
{
    if (e->text.len == 0) return 0;
    bool suffix = e->name.len > e->text.len && str_ends(e->name, e->text) &&
                  e->name.p[e->name.len - e->text.len - 1] == '_';
    return suffix ? 0 : fail(l, "unit is not a suffix of the metric's name");
}

/* The cursor stands after the keyword and its blank. */
static int read_metadata(struct line *l, enum expo_entry_kind kind, struct expo_entry *e)
{
    static const char *const no_name[] = {
        [EXPO_TYPE] = "expected metric name after TYPE",
        [EXPO_HELP] = "expected metric name after HELP",
        [EXPO_UNIT] = "expected metric name after UNIT",
    };
    e->kind = kind;
    skip_blanks(l);
    if (!take_quoted(l, &e->name)) e->name = take_name(l, CLASS_NAME_START);
    if (e->name.len == 0 || !str_is_utf8(e->name)) return fail(l, no_name[kind]);
    if (l->p < l->end && !is_blank(*l->p)) return fail(l, "expected blank after metric name");
    if (l->openmetrics) {
        if (!at(l, ' ')) return fail(l, "expected text after metric name");
        l->p++;
    } else {
        skip_blanks(l);
    }
    e->text = (struct str){l->p, (size_t)(l->end - l->p)};
    if (kind == EXPO_TYPE) return read_type(l, e);
    if (kind == EXPO_UNIT) return check_unit(l, e);
    return str_is_utf8(e->text) ? 0 : fail(l, "help text is not valid UTF-8");
}

static const struct {
    struct str word;
    enum expo_entry_kind kind;
    bool openmetrics_only;
} keywords[] = {
    {{"HELP", 4}, EXPO_HELP, false},
    {{"TYPE", 4}, EXPO_TYPE, false},
    {{"UNIT", 4}, EXPO_UNIT, true },
};

/* The cursor stands on '#'. Text: anything else is a comment. OpenMetrics knows no comments. */
static int read_hash(struct expo *x, struct line *l, struct expo_entry *e)
{
    const char *hash = l->p++;
    const char *blank = l->p;
    if (l->openmetrics) {
        if (at(l, ' ')) l->p++;
    } else {
        skip_blanks(l);
    }
    struct str rest = {l->p, (size_t)(l->end - l->p)};
    for (size_t i = 0; i < COUNT(keywords) && l->p > blank; i++) {
        struct str word = keywords[i].word;
        if (keywords[i].openmetrics_only && !l->openmetrics) continue;
        if (!str_starts(rest, word) || rest.len == word.len) continue;
        char after = rest.p[word.len];
        if (after != ' ' && (l->openmetrics || after != '\t')) continue;
        l->p += word.len + 1;
        return read_metadata(l, keywords[i].kind, e);
    }
    if (!l->openmetrics) {
        e->kind = EXPO_COMMENT;
        e->text = (struct str){hash, (size_t)(l->end - hash)};
        return 0;
    }
    if (l->p > blank && str_starts(rest, STR("EOF"))) {
        if (rest.len > 3 || x->pos < x->input.len) return fail(l, "unexpected data after # EOF");
        x->saw_eof = true;
        e->kind = EXPO_EOF;
        return 0;
    }
    l->p = hash;
    return fail(l, "expected a valid start token");
}

/* --- public -------------------------------------------------------------------------------------
 */

enum expo_format expo_format_of(const char *content_type)
{
    struct str s = str_of(content_type);
    struct str media = str_trim(str_split(&s, ';'));
    return str_eq_nocase(media, STR("application/openmetrics-text")) ? EXPO_OPENMETRICS : EXPO_TEXT;
}

void expo_init(struct expo *x, struct str input, enum expo_format format)
{
    *x = (struct expo){.input = input, .format = format, .type = METRIC_UNKNOWN};
}

/* Cuts the next line off the input, without its line feed. */
static void next_line(struct expo *x, struct line *l)
{
    const char *start = x->input.p + x->pos, *end = x->input.p + x->input.len;
    const char *feed = memchr(start, '\n', (size_t)(end - start));
    x->pos = feed ? (size_t)(feed - x->input.p) + 1 : x->input.len;
    x->line++;
    l->start = l->p = start;
    l->end = feed ? feed : end;
    l->number = x->line;
    if (!l->openmetrics && l->end > start && l->end[-1] == '\r') l->end--;
}

int expo_next(struct expo *x, struct expo_entry *out, struct errmsg *err)
{
    struct line l = {.openmetrics = x->format == EXPO_OPENMETRICS, .err = err};
    while (x->pos < x->input.len) {
        next_line(x, &l);
        *out = (struct expo_entry){.line = x->line, .type = x->type};
        skip_blanks(&l);
        if (l.p == l.end && !l.openmetrics) continue;
        bool is_hash = at(&l, '#');
        if (!is_hash && !at(&l, '{') && (l.p == l.end || !(class_of(*l.p) & CLASS_NAME_START)))
            return fail(&l, "expected a valid start token");
        int rc = is_hash ? read_hash(x, &l, out) : read_series(&l, out);
        if (rc < 0) return rc;
        /* only a last line without line feed can get here with nothing after it */
        if (l.openmetrics && out->kind != EXPO_EOF && x->pos == x->input.len)
            return errmsg_at(err, E_PARSE, x->line, 0, "data does not end with # EOF");
        if (out->kind == EXPO_TYPE) x->type = out->type;
        return 1;
    }
    if (l.openmetrics && !x->saw_eof)
        return errmsg_at(err, E_PARSE, x->line + 1, 0, "data does not end with # EOF");
    return 0;
}

int expo_unescape(struct str text, struct buf *out)
{
    const char *p = text.p, *end = text.p + text.len;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        if (!slash || slash + 1 == end) break;
        buf_add(out, p, (size_t)(slash - p));
        switch (slash[1]) {
        case 'n':
            buf_addch(out, '\n');
            break;
        case '\\':
        case '"':
            buf_addch(out, slash[1]);
            break;
        default:
            buf_add(out, slash, 2);
        }
        p = slash + 2;
    }
    if (p < end) buf_add(out, p, (size_t)(end - p));
    return out->err;
}

/* OpenMetrics' canonical float: Go's %g, and ".0" where that shows no fraction. */
static int add_canonical_float(double v, struct buf *out)
{
    char text[STR_DOUBLE_MAX];
    size_t len = str_from_double_g(v, text);
    buf_add(out, text, len);
    return isfinite(v) && !strpbrk(text, ".e") ? buf_addstr(out, ".0") : out->err;
}

static bool is_float_label(enum metric_type type, struct str name)
{
    return (type == METRIC_HISTOGRAM && str_eq(name, STR("le"))) ||
           (type == METRIC_SUMMARY && str_eq(name, STR("quantile")));
}

/* Texts with escapes move to scratch, whose bytes must not move: it was given room for the whole
 * series before. */
static struct str sink_text(struct label_sink *s, struct str text)
{
    if (text.len == 0 || !memchr(text.p, '\\', text.len)) return text;
    size_t at_len = s->scratch->len;
    if (expo_unescape(text, s->scratch) < 0) s->rc = s->scratch->err;
    return (struct str){s->scratch->p + at_len, s->scratch->len - at_len};
}

static struct str canonical_text(struct label_sink *s, struct str value)
{
    double v;
    size_t at_len = s->scratch->len;
    if (str_to_double(value, &v) < 0) return value;
    if (add_canonical_float(v, s->scratch) < 0) s->rc = s->scratch->err;
    return (struct str){s->scratch->p + at_len, s->scratch->len - at_len};
}

static int sink_add(struct line *l, struct label_sink *s, struct str name, struct str value)
{
    name = sink_text(s, name);
    value = is_float_label(s->type, name) ? canonical_text(s, value) : sink_text(s, value);
    if (s->rc < 0) return s->rc;
    for (size_t i = 0; i < s->builder->count; i++)
        if (str_eq(s->builder->v[i].name, name)) return fail(l, "label name is not unique");
    /* an empty value is the same as no label */
    if (value.len == 0) return 0;
    label_builder_set(s->builder, name, value);
    return s->builder->err < 0 ? errmsg_at(l->err, s->builder->err, l->number, 0, "too many labels")
                               : 0;
}

int expo_labels(const struct expo_entry *e, enum expo_format format, struct label_builder *b,
                struct buf *scratch, struct errmsg *err)
{
    struct line l = {
        .start = e->series.p,
        .p = e->series.p,
        .end = e->series.p + e->series.len,
        .number = e->line,
        .openmetrics = format == EXPO_OPENMETRICS,
        .err = err,
    };
    struct label_sink sink = {.builder = b, .scratch = scratch, .type = e->type};
    label_builder_init(b, (struct labels){NULL, 0});
    buf_reset(scratch);
    /* a canonical float can be longer than what was written ("1" -> "1.0"); there is at most one */
    int rc = buf_reserve(scratch, e->series.len + STR_DOUBLE_MAX);
    if (rc < 0) return errmsg_at(err, rc, e->line, 0, "series is too long");
    rc = scan_series(&l, &sink);
    if (rc == 0 && label_builder_get(b, STR(METRIC_NAME)).len == 0)
        rc = errmsg_at(err, E_PARSE, e->line, 1, "metric name is empty");
    return rc;
}
