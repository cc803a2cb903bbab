/* exposition.c -- the text format 0.0.4, with quoted names where a name needs it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "exporters/exposition.h"

#include <assert.h>

enum { FAMILY_MAX = 4096, ESCAPED_MAX = 1 << 16 };

/* What the text format calls each type; those it does not know go by their nearest. */
static const char *const type_names[] = {
    [METRIC_UNKNOWN] = "untyped",         [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge",
    [METRIC_HISTOGRAM] = "histogram",     [METRIC_SUMMARY] = "summary", [METRIC_INFO] = "gauge",
    [METRIC_GAUGE_HISTOGRAM] = "untyped", [METRIC_STATESET] = "gauge",
};

/* The endings that samples of a type have beyond their family's name. */
static const struct {
    enum metric_type type;
    const char *suffix;
} suffixes[] = {
    {METRIC_HISTOGRAM, "_bucket"},
    {METRIC_HISTOGRAM, "_sum"   },
    {METRIC_HISTOGRAM, "_count" },
    {METRIC_SUMMARY,   "_sum"   },
    {METRIC_SUMMARY,   "_count" },
};

void exposition_init(struct exposition *x, struct buf *out)
{
    *x = (struct exposition){
        .out = out, .family = BUF_INIT(FAMILY_MAX), .escaped = BUF_INIT(ESCAPED_MAX)};
}

void exposition_release(struct exposition *x)
{
    buf_release(&x->family);
    buf_release(&x->escaped);
}

static struct str family_of(struct str name, enum metric_type type)
{
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        struct str suffix = str_of(suffixes[i].suffix);
        if (suffixes[i].type != type || !str_ends(name, suffix) || name.len == suffix.len) continue;
        return (struct str){name.p, name.len - suffix.len};
    }
    return name;
}

/* Escapes backslash and line feed, and quotes where text stands in quotes. */
static void add_escaped(struct buf *out, struct str s, bool quotes)
{
    size_t start = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c != '\\' && c != '\n' && !(quotes && c == '"')) continue;
        buf_add(out, s.p + start, i - start);
        buf_addch(out, '\\');
        buf_addch(out, c == '\n' ? 'n' : c);
        start = i + 1;
    }
    if (start < s.len) buf_add(out, s.p + start, s.len - start);
}

static void add_quoted(struct buf *out, struct str s)
{
    buf_addch(out, '"');
    add_escaped(out, s, true);
    buf_addch(out, '"');
}

/* What a name is called here: itself, or escaped into x->escaped, where it stays until the next. A
 * legacy name is left alone under all schemes. */
static struct str written(struct exposition *x, struct str name)
{
    if (x->escaping == ESCAPING_NONE || metric_name_is_legacy(name)) return name;
    buf_reset(&x->escaped);
    if (name_escape(name, x->escaping, &x->escaped) < 0) return name;
    return (struct str){x->escaped.p, x->escaped.len};
}

static void add_metric_name(struct exposition *x, struct str name)
{
    name = written(x, name);
    if (metric_name_is_legacy(name))
        buf_add(x->out, name.p, name.len);
    else
        add_quoted(x->out, name);
}

static void begin_family(struct exposition *x, struct str family, const char *help,
                         enum metric_type type)
{
    if (x->family.p && str_eq((struct str){x->family.p, x->family.len}, family)) return;
    buf_reset(&x->family);
    buf_add(&x->family, family.p, family.len);
    if (*help) {
        buf_addstr(x->out, "# HELP ");
        add_metric_name(x, family);
        buf_addch(x->out, ' ');
        add_escaped(x->out, str_of(help), false);
        buf_addch(x->out, '\n');
    }
    buf_addstr(x->out, "# TYPE ");
    add_metric_name(x, family);
    buf_addf(x->out, " %s\n", type_names[type]);
}

static void add_label(struct exposition *x, struct label l, bool first)
{
    struct str name = written(x, l.name);
    if (!first) buf_addch(x->out, ',');
    if (label_name_is_legacy(name))
        buf_add(x->out, name.p, name.len);
    else
        add_quoted(x->out, name);
    buf_addch(x->out, '=');
    add_quoted(x->out, l.value);
}

void exposition_sample(struct exposition *x, const char *name, const char *help,
                       enum metric_type type, struct labels labels, double v)
{
    assert(name && help);
    struct str metric = {name, strlen(name)};
    begin_family(x, family_of(metric, type), help, type);
    bool outside = metric_name_is_legacy(written(x, metric)), first = outside;
    if (outside) add_metric_name(x, metric);
    if (!outside || labels.count) buf_addch(x->out, '{');
    if (!outside) add_metric_name(x, metric);
    for (size_t i = 0; i < labels.count; i++, first = false)
        add_label(x, labels.v[i], first);
    if (!outside || labels.count) buf_addch(x->out, '}');
    buf_addch(x->out, ' ');
    buf_adddouble(x->out, v);
    buf_addch(x->out, '\n');
}

/* --- with times --------------------------------------------------------------------------------
 */

static bool add_labels(struct exposition *x, struct labels ls, bool first)
{
    for (size_t i = 0; i < ls.count; i++) {
        if (str_eq(ls.v[i].name, STR(METRIC_NAME))) continue;
        add_label(x, ls.v[i], first);
        first = false;
    }
    return first;
}

/* Names that are written alike are one family. */
static void begin_untyped(struct exposition *x, struct str name)
{
    struct str shown = written(x, name);
    if (x->family.p && str_eq((struct str){x->family.p, x->family.len}, shown)) return;
    buf_reset(&x->family);
    buf_add(&x->family, shown.p, shown.len);
    buf_addstr(x->out, "# TYPE ");
    add_metric_name(x, name);
    buf_addstr(x->out, " untyped\n");
}

void exposition_untyped(struct exposition *x, struct str name, struct labels labels,
                        struct labels extra, double v, int64_t t_ms)
{
    begin_untyped(x, name);
    bool outside = metric_name_is_legacy(written(x, name));
    if (outside) add_metric_name(x, name);
    size_t brace = x->out->len;
    buf_addch(x->out, '{');
    if (!outside) add_metric_name(x, name);
    bool empty = add_labels(x, extra, add_labels(x, labels, outside));
    if (empty && !x->out->err)
        buf_truncate(x->out, brace);
    else
        buf_addch(x->out, '}');
    buf_addch(x->out, ' ');
    buf_adddouble(x->out, v);
    buf_addch(x->out, ' ');
    buf_addint(x->out, t_ms);
    buf_addch(x->out, '\n');
}
