/* expo_strict.c -- OpenMetrics 1.0 into families: lines, and what may follow what.
 *
 * The scraper's reader (expo.h) takes the lines apart; it knows the grammar. Here is what it leaves
 * out: trailing commas and names in quotes, which 1.0 does not have; a family's lines stand
 * together, metadata before samples; no name belongs to two families; a metric's lines stand
 * together, all of them with a timestamp or none, in order of time. What a line of each type may
 * say is in expo_strict_point.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/expo_strict_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <xxhash.h>

enum { SEEN_SLOTS = 1 << 12, EXEMPLAR_RUNES_MAX = 128, SERIES_MAX_BYTES = 1 << 20 };

/* A metric of a family, or a series of a metric, that was there. */
struct seen {
    struct seen *next;
    uint64_t hash;
    const struct family *family;
    struct str name; /* "": the metric */
    struct labels labels;
    uint64_t time; /* of a series: its timestamp's bits, when it has one */
};

void strict_fail(struct strict *s, struct expo_place at, const char *fmt, ...)
{
    char text[480];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diags_add(s->in->diags, DIAG_ERROR, s->in->file, s->in->text, at.line, at.column, at.width,
              NULL, "%s", text);
    s->bad = true;
}

static int no_memory(struct strict *s)
{
    s->rc = s->f->arena.err ? s->f->arena.err : E_LIMIT;
    return s->rc;
}

/* --- what was there already --- */

static struct seen **seen_slot(struct strict *s, uint64_t hash)
{
    return &s->seen[hash & (SEEN_SLOTS - 1)];
}

/* 1 when this family had it before, 0 when it is new, < 0 without memory. */
static int see(struct strict *s, struct str name, struct labels labels, uint64_t time)
{
    uint64_t hash = labels_hash(labels) ^ XXH3_64bits_withSeed(name.p, name.len, time) ^
                    (uint64_t)(uintptr_t)s->family >> 4;
    for (const struct seen *e = *seen_slot(s, hash); e; e = e->next)
        if (e->hash == hash && e->family == s->family && str_eq(e->name, name) && e->time == time &&
            labels_eq(e->labels, labels))
            return 1;
    struct seen *e = arena_zalloc(&s->f->arena, sizeof *e);
    if (!e) return no_memory(s);
    *e = (struct seen){*seen_slot(s, hash), hash, s->family, name, labels, time};
    *seen_slot(s, hash) = e;
    return 0;
}

/* --- families --- */

/* Its names must not be another's: of a counter a, those are a, a_total and a_created. */
static int claim_names(struct strict *s, struct family *family)
{
    int rc = families_claim(s->f, family->name, family);
    if (rc == 1)
        strict_fail(s, family->at, "the name \"%.*s\" belongs to a family above",
                    SHOWN(family->name));
    for (size_t i = 0; i < strict_part_count && rc == 0; i++) {
        const struct strict_part *part = &strict_parts[i];
        if (part->type != family->type || !*part->suffix) continue;
        char *name = arena_printf(&s->f->arena, "%.*s%s", (int)family->name.len, family->name.p,
                                  part->suffix);
        if (!name) return no_memory(s);
        rc = families_claim(s->f, str_of(name), family);
        if (rc == 1) strict_fail(s, family->at, "the name \"%s\" belongs to a family above", name);
    }
    return rc < 0 ? no_memory(s) : 0;
}

/* The family being read is complete. */
static void end_family(struct strict *s)
{
    struct family *family = s->family;
    if (!family) return;
    strict_end_point(s);
    if (family->unit.len && (family->type == METRIC_INFO || family->type == METRIC_STATESET))
        strict_fail(s, family->at, "a family of type %s has no unit",
                    metric_type_name(family->type));
    if (s->rc == 0 && claim_names(s, family) < 0) return;
    s->family = NULL;
}

static int begin_family(struct strict *s, struct str name, struct expo_place at)
{
    end_family(s);
    if (s->rc < 0) return s->rc;
    s->family = families_add(s->f, name, at);
    if (!s->family) return no_memory(s);
    s->in_metric = false;
    return 0;
}

/* --- metadata --- */

/* The text without escapes; itself when it has none. p NULL: no memory. */
static struct str unescaped(struct strict *s, struct str text)
{
    if (text.len == 0 || !memchr(text.p, '\\', text.len)) return text;
    buf_reset(&s->scratch);
    if (expo_unescape(text, &s->scratch) < 0) return text; /* too long: as written */
    return arena_str(&s->f->arena, (struct str){s->scratch.p, s->scratch.len});
}

/* What one line says of a family; each may be said once. */
static int set_metadata(struct strict *s, const struct expo_entry *e, struct expo_place at)
{
    static const char *const words[] = {
        [EXPO_TYPE] = "TYPE", [EXPO_HELP] = "HELP", [EXPO_UNIT] = "UNIT"};
    struct family *family = s->family;
    bool twice = e->kind == EXPO_TYPE   ? family->has_type
                 : e->kind == EXPO_HELP ? family->has_help
                                        : family->has_unit;
    if (twice) {
        strict_fail(s, at, "second %s line for \"%.*s\"", words[e->kind], SHOWN(e->name));
        return 0;
    }
    switch (e->kind) {
    case EXPO_HELP:
        family->has_help = true;
        family->help = unescaped(s, e->text);
        return family->help.p ? 0 : no_memory(s);
    case EXPO_TYPE:
        family->has_type = true;
        family->type = e->type;
        break;
    default:
        family->has_unit = true;
        family->unit = e->text;
    }
    return 0;
}

static int read_metadata(struct strict *s, const struct expo_entry *e)
{
    struct expo_place at = {e->line, (int)(e->name.p - s->line_start) + 1, (int)e->name.len};
    struct str name = e->name;
    if (name.p[-1] == '"' && !s->in->quoted_names) {
        strict_fail(s, at, "OpenMetrics 1.0 has no names in quotes");
        return 0;
    }
    if (name.p[-1] == '"') name = unescaped(s, name);
    if (!name.p) return no_memory(s);
    if (!s->family || !str_eq(s->family->name, name)) {
        int rc = begin_family(s, name, at);
        if (rc < 0) return rc;
    }
    if (s->family->samples) {
        strict_fail(s, at, "metadata of \"%.*s\" after its samples", SHOWN(e->name));
        return 0;
    }
    return set_metadata(s, e, at);
}

/* --- label pairs, as written ------------------------------------------------------------------ */

struct pair {
    struct str name, value; /* value.p NULL: a metric's name among the labels */
    bool quoted;
};

static const char *closing_quote(const char *p)
{
    while (*p != '"')
        p += *p == '\\' ? 2 : 1;
    return p;
}

/* The next pair of a set that is known to be well-formed; *p stands after '{' or a comma. False at
 * its end, *comma then says whether a comma stood before it. */
static bool next_pair(const char **p, struct pair *out, bool *comma)
{
    const char *from = *p;
    if (*from == '}') return false;
    out->quoted = *from == '"';
    const char *to = out->quoted ? closing_quote(++from) : strchr(from, '=');
    out->name = (struct str){from, (size_t)(to - from)};
    out->value = (struct str){NULL, 0};
    to += out->quoted;
    if (*to == '=') {
        from = to + 2;
        to = closing_quote(from);
        out->value = (struct str){from, (size_t)(to - from)};
        to++;
    }
    *comma = *to == ',';
    *p = to + *comma;
    return true;
}

static size_t runes(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

/* The length of a text once its escapes are undone. */
static size_t runes_unescaped(struct strict *s, struct str text)
{
    buf_reset(&s->scratch);
    if (expo_unescape(text, &s->scratch) < 0) return text.len;
    return runes((struct str){s->scratch.p, s->scratch.len});
}

/* What the grammar of 1.0 does not have. Returns the runes of names and values. */
static size_t check_pairs(struct strict *s, struct str set, bool exemplar)
{
    const char *p = set.p + 1;
    struct pair pair;
    struct str names[LABELS_MAX];
    size_t total = 0, count = 0;
    bool comma = false;
    while (next_pair(&p, &pair, &comma)) {
        struct expo_place at = {s->line, (int)(pair.name.p - s->line_start) + 1,
                                (int)MAX(pair.name.len, (size_t)1)};
        if (pair.quoted && !s->in->quoted_names)
            strict_fail(s, at, "OpenMetrics 1.0 has no names in quotes");
        total += runes(pair.name) + (exemplar ? runes_unescaped(s, pair.value) : 0);
        for (size_t i = 0; exemplar && i < count; i++)
            if (str_eq(names[i], pair.name))
                strict_fail(s, at, "label name \"%.*s\" is not unique", SHOWN(pair.name));
        if (count < LABELS_MAX) names[count++] = pair.name;
    }
    if (comma)
        strict_fail(s, (struct expo_place){s->line, (int)(p - s->line_start), 1},
                    "a comma after the last label");
    return total;
}

/* --- samples --- */

static void check_exemplar(struct strict *s, const struct strict_line *l)
{
    if (!l->exemplar.p) return;
    struct expo_place at = {s->line, (int)(l->exemplar.p - s->line_start) + 1, 1};
    if (!l->part || !(l->part->rules & STRICT_EXEMPLAR))
        strict_fail(s, at, "only buckets and the totals of counters have exemplars");
    const char *brace = strchr(l->exemplar.p, '{');
    struct str set = {brace, l->exemplar.len - (size_t)(brace - l->exemplar.p)};
    size_t length = check_pairs(s, set, true);
    if (length > EXEMPLAR_RUNES_MAX)
        strict_fail(s, at, "the labels of an exemplar are longer than %d characters: %zu",
                    EXEMPLAR_RUNES_MAX, length);
}

/* Value, timestamp, exemplar: what the line says after its series. */
static void split_tail(struct strict *s, const struct expo_entry *e, struct strict_line *l)
{
    const char *p = e->series.p + e->series.len + 1, *end = s->line_end;
    struct str rest = {p, (size_t)(end - p)};
    const char *hash = memchr(p, '#', rest.len);
    if (hash) {
        l->exemplar = (struct str){hash, (size_t)(end - hash)};
        rest.len = (size_t)(hash - p) - 1;
    }
    struct str value = str_split(&rest, ' ');
    l->value_at = (struct expo_place){s->line, (int)(value.p - s->line_start) + 1, (int)value.len};
    l->has_time = rest.p && rest.len;
    l->time_at = l->value_at;
    if (!l->has_time) return;
    l->time_at = (struct expo_place){s->line, (int)(rest.p - s->line_start) + 1, (int)rest.len};
    if (str_to_double(rest, &l->time) < 0) l->time = (double)e->timestamp_ms / 1000;
}

/* The labels, in the arena: the name in l->name, the others in l->labels. */
static int split_labels(struct strict *s, struct label_builder *b, struct strict_line *l)
{
    struct label kept[LABELS_MAX];
    struct labels all = label_builder_view(b);
    size_t n = 0;
    for (size_t i = 0; i < all.count; i++) {
        struct label to = {arena_str(&s->f->arena, all.v[i].name),
                           arena_str(&s->f->arena, all.v[i].value)};
        if (!to.name.p || !to.value.p) return no_memory(s);
        if (str_eq(to.name, STR(METRIC_NAME)))
            l->name = to.value;
        else
            kept[n++] = to;
    }
    return families_copy_labels(s->f, kept, n, &l->labels) < 0 ? no_memory(s) : 0;
}

/* Which sample of the current family this is; NULL: none. */
static const struct strict_part *part_of(const struct family *family, struct str name)
{
    if (!family || !str_starts(name, family->name)) return NULL;
    struct str suffix = {name.p + family->name.len, name.len - family->name.len};
    for (size_t i = 0; i < strict_part_count; i++)
        if (strict_parts[i].type == family->type && str_eq(suffix, str_of(strict_parts[i].suffix)))
            return &strict_parts[i];
    return NULL;
}

/* Finds the sample's family: the current one, or a new one of its own name and unknown type. */
static int place_sample(struct strict *s, struct strict_line *l)
{
    l->part = part_of(s->family, l->name);
    if (l->part) return 0;
    if (s->family && str_eq(s->family->name, l->name)) {
        strict_fail(s, l->at, "\"%.*s\" is no sample of a %s: its name needs a suffix",
                    SHOWN(l->name), metric_type_name(s->family->type));
        s->family->broken = true;
        return 1;
    }
    int rc = begin_family(s, l->name, l->at);
    if (rc == 0) l->part = part_of(s->family, l->name);
    return rc;
}

/* The metric: the labels without le, quantile or a state's. All of an info family is one, since
 * its labels are values. */
static int find_metric(struct strict *s, struct strict_line *l)
{
    struct label kept[LABELS_MAX];
    size_t n = 0;
    struct str drop = l->part->label ? str_of(l->part->label) : STR("");
    if (s->family->type == METRIC_STATESET) drop = s->family->name;
    for (size_t i = 0; i < l->labels.count && s->family->type != METRIC_INFO; i++) {
        if (str_eq(l->labels.v[i].name, drop))
            l->bound = l->labels.v[i].value;
        else
            kept[n++] = l->labels.v[i];
    }
    return families_copy_labels(s->f, kept, n, &l->metric) < 0 ? no_memory(s) : 0;
}

/* A metric's lines stand together, with times that do not go back. */
static int enter_metric(struct strict *s, const struct strict_line *l)
{
    bool same = s->in_metric && labels_eq(s->metric, l->metric);
    if (!same) {
        int rc = see(s, STR(""), l->metric, 0);
        if (rc < 0) return rc;
        if (rc == 1) strict_fail(s, l->at, "the lines of this metric do not stand together");
    } else if (s->has_time != l->has_time) {
        strict_fail(s, l->time_at, "a metric has timestamps on all of its lines or on none");
    } else if (l->has_time && l->time < s->time && s->family->type != METRIC_INFO) {
        strict_fail(s, l->time_at, "timestamps of a metric must not go back");
    }
    if (!same || (l->has_time && (!s->has_time || l->time != s->time))) strict_end_point(s);
    s->in_metric = true;
    s->metric = l->metric;
    s->has_time = l->has_time;
    s->time = l->time;
    return 0;
}

/* The same series again: with a timestamp, times may have been cut to the same. 1: skip it. */
static int check_series(struct strict *s, const struct strict_line *l)
{
    uint64_t none = NORMAL_NAN_BITS;
    int rc = see(s, l->name, l->labels, l->has_time ? double_bits(l->time) : none);
    if (rc == 1 && !l->has_time) strict_fail(s, l->at, "this series is there already");
    return rc;
}

static int keep(struct strict *s, const struct expo_entry *e, const struct strict_line *l)
{
    struct family_sample *to = family_add_sample(s->f, s->family, l->name);
    if (!to) return no_memory(s);
    to->labels = l->labels;
    to->value = e->value;
    to->has_timestamp = e->has_timestamp;
    to->timestamp_ms = e->timestamp_ms;
    to->at = l->at;
    return 0;
}

static int read_series(struct strict *s, const struct expo_entry *e)
{
    struct errmsg err = {0};
    struct expo_entry raw = *e;
    struct strict_line l = {.value = e->value};
    struct label_builder b;
    const char *brace = memchr(e->series.p, '{', e->series.len);
    size_t name_len = brace ? (size_t)(brace - e->series.p) : e->series.len;
    l.at = (struct expo_place){s->line, 1, (int)MAX(name_len, (size_t)1)};
    raw.type = METRIC_UNKNOWN; /* le and quantile as written */
    int rc = expo_labels(&raw, EXPO_OPENMETRICS, &b, &s->scratch, &err);
    if (rc == -ENOMEM) return s->rc = rc;
    if (rc < 0) {
        strict_fail(s, l.at, "%s", err.text);
        return 0;
    }
    if ((rc = split_labels(s, &b, &l)) < 0) return rc;
    if (brace)
        (void)check_pairs(s, (struct str){brace, e->series.len - (size_t)(brace - e->series.p)},
                          false);
    split_tail(s, e, &l);
    if ((rc = place_sample(s, &l)) != 0) return MIN(rc, 0);
    if ((rc = find_metric(s, &l)) < 0 || (rc = enter_metric(s, &l)) < 0) return rc;
    if ((rc = check_series(s, &l)) < 0) return rc;
    check_exemplar(s, &l);
    if (rc == 0) strict_check_sample(s, &l);
    return keep(s, e, &l);
}

/* --- public --- */

static int read_entry(struct strict *s, const struct expo_entry *e)
{
    switch (e->kind) {
    case EXPO_SERIES:
        return read_series(s, e);
    case EXPO_TYPE:
    case EXPO_HELP:
    case EXPO_UNIT:
        return read_metadata(s, e);
    case EXPO_COMMENT:
    case EXPO_EOF:
        break;
    }
    return 0;
}

/* Line of the reader: where it is after a step. */
static void note_line(struct strict *s, const struct expo *x, size_t from)
{
    s->line = x->line;
    s->line_start = s->in->text.p + from;
    s->line_end = s->in->text.p + x->pos;
    if (s->line_end > s->line_start && s->line_end[-1] == '\n') s->line_end--;
}

/* A line that is not OpenMetrics: told, and the family is no longer judged as a whole. */
static void refuse_line(struct strict *s, const struct errmsg *err)
{
    struct expo_place at = {err->line, MAX(err->column, 1), 1};
    strict_fail(s, at, "%s", err->text);
    if (s->family) s->family->broken = true;
}

int families_read_strict(struct families *f, const struct expo_input *in)
{
    struct strict s = {.f = f, .in = in, .scratch = BUF_INIT(SERIES_MAX_BYTES)};
    struct expo x;
    struct expo_entry e;
    int rc = 1;
    s.seen = arena_array(&f->arena, SEEN_SLOTS, sizeof(struct seen *));
    if (!s.seen) return f->arena.err;
    expo_init(&x, in->text, EXPO_OPENMETRICS);
    while (rc != 0 && s.rc == 0) {
        struct errmsg err = {0};
        size_t from = x.pos;
        rc = expo_next(&x, &e, &err);
        note_line(&s, &x, from);
        if (rc < 0) refuse_line(&s, &err);
        if (rc < 0 && x.pos == in->text.len) break;
        if (rc > 0) read_entry(&s, &e);
    }
    end_family(&s);
    buf_release(&s.scratch);
    if (s.rc < 0) return s.rc;
    return s.bad ? E_PARSE : 0;
}
