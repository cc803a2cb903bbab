/* template_fns.c -- the functions a template can call: Go's own and those Prometheus adds. One row
 * each: name, arguments (see struct template_fn), body.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/regex.h"
#include "rules/template_human.h"
#include "rules/template_int.h"

#define FN(name)                                                                                   \
    static int name(struct template_run *r, const struct tval *args, size_t count,                 \
                    struct tval *out, struct errmsg *err)
/* For bodies that need only some of the parameters. */
#define UNUSED_PARAMETERS UNUSED(r), UNUSED(args), UNUSED(count), UNUSED(err)

/* Takes a scratch buffer's text as the result; frees the buffer. */
static int result_text(struct template_run *r, struct buf *b, struct tval *out)
{
    struct str s = arena_str(r->arena, (struct str){b->p ? b->p : "", b->len});
    int rc = b->err ? b->err : s.p ? 0 : -ENOMEM;
    buf_release(b);
    *out = tval_string(s);
    return rc;
}

static struct buf scratch(void)
{
    return BUF_INIT(TEMPLATE_OUTPUT_MAX);
}

/* --- Go's own --- */

FN(fn_not)
{
    UNUSED_PARAMETERS;
    *out = tval_bool(!tval_truth(&args[0]));
    return 0;
}

FN(fn_eq)
{
    UNUSED(r);
    bool same = false;
    for (size_t i = 1; i < count && !same; i++) {
        int rc = tval_equal(&args[0], &args[i], &same, err);
        if (rc < 0) return rc;
    }
    *out = tval_bool(same);
    return 0;
}

FN(fn_ne)
{
    UNUSED_PARAMETERS;
    bool same = false;
    int rc = tval_equal(&args[0], &args[1], &same, err);
    *out = tval_bool(!same);
    return rc;
}

static bool has_nan(const struct tval *args)
{
    return (args[0].kind == TV_FLOAT && isnan(args[0].f)) ||
           (args[1].kind == TV_FLOAT && isnan(args[1].f));
}

/* A comparison holds for some of the orders below, equal, above. */
static int ordered(const struct tval *args, bool below, bool equal, bool above, struct tval *out,
                   struct errmsg *err)
{
    int order = 0;
    int rc = tval_compare(&args[0], &args[1], &order, err);
    bool holds = order < 0 ? below : order > 0 ? above : equal;
    *out = tval_bool(holds && !has_nan(args));
    return rc;
}

FN(fn_lt)
{
    UNUSED_PARAMETERS;
    return ordered(args, true, false, false, out, err);
}

FN(fn_le)
{
    UNUSED_PARAMETERS;
    return ordered(args, true, true, false, out, err);
}

FN(fn_gt)
{
    UNUSED_PARAMETERS;
    return ordered(args, false, false, true, out, err);
}

FN(fn_ge)
{
    UNUSED_PARAMETERS;
    return ordered(args, false, true, true, out, err);
}

FN(fn_len)
{
    UNUSED_PARAMETERS;
    switch (args[0].kind) {
    case TV_STRING:
        *out = tval_int((int64_t)args[0].s.len);
        return 0;
    case TV_LIST:
        *out = tval_int((int64_t)args[0].list->count);
        return 0;
    case TV_MAP:
        if (args[0].map->is_struct) break;
        *out = tval_int((int64_t)args[0].map->count);
        return 0;
    default:
        break;
    }
    return errmsg_set(err, E_INVALID, "len of type %s", tval_type(&args[0]));
}

static int index_once(const struct tval *v, const struct tval *key, struct tval *out,
                      struct errmsg *err)
{
    if (v->kind == TV_MAP && !v->map->is_struct) {
        if (key->kind != TV_STRING)
            return errmsg_set(err, E_INVALID, "value has type %s; should be string",
                              tval_type(key));
        const struct tval *found = tmap_get(v->map, key->s);
        *out = found                ? *found
               : v->map->of_strings ? tval_string(STR(""))
                                    : (struct tval){.kind = TV_NIL};
        return 0;
    }
    if (v->kind != TV_LIST && v->kind != TV_STRING)
        return errmsg_set(err, E_INVALID, "can't index item of type %s", tval_type(v));
    if (key->kind != TV_INT)
        return errmsg_set(err, E_INVALID, "cannot index slice/array with type %s", tval_type(key));
    size_t count = v->kind == TV_LIST ? v->list->count : v->s.len;
    if (key->i < 0 || (uint64_t)key->i >= count)
        return errmsg_set(err, E_INVALID, "index out of range: %lld", (long long)key->i);
    *out = v->kind == TV_LIST ? v->list->v[key->i] : tval_int((unsigned char)v->s.p[key->i]);
    return 0;
}

FN(fn_index)
{
    UNUSED(r);
    *out = args[0];
    for (size_t i = 1; i < count; i++) {
        struct tval v = *out;
        int rc = index_once(&v, &args[i], out, err);
        if (rc < 0) return rc;
    }
    return 0;
}

FN(fn_slice)
{
    size_t len = args[0].kind == TV_STRING ? args[0].s.len
                 : args[0].kind == TV_LIST ? args[0].list->count
                                           : 0;
    if ((args[0].kind != TV_STRING && args[0].kind != TV_LIST) || count > 3)
        return errmsg_set(err, E_INVALID, "cannot slice %s", tval_type(&args[0]));
    size_t bounds[2] = {0, len};
    for (size_t i = 1; i < count; i++) {
        if (args[i].kind != TV_INT || args[i].i < 0 || (uint64_t)args[i].i > len)
            return errmsg_set(err, E_INVALID, "index out of range");
        bounds[i - 1] = (size_t)args[i].i;
    }
    if (bounds[0] > bounds[1]) return errmsg_set(err, E_INVALID, "invalid slice index");
    *out = args[0];
    size_t n = bounds[1] - bounds[0];
    if (args[0].kind == TV_STRING) {
        out->s = (struct str){args[0].s.p + bounds[0], n};
        return 0;
    }
    struct tlist *l = arena_dup(r->arena, args[0].list, sizeof *l);
    if (!l) return -ENOMEM;
    l->v += bounds[0];
    l->count = n;
    out->list = l;
    return 0;
}

static void sprint(const struct tval *args, size_t count, bool line, struct buf *b)
{
    for (size_t i = 0; i < count; i++) {
        bool texts = i > 0 && (args[i].kind == TV_STRING || args[i - 1].kind == TV_STRING);
        if (i > 0 && (line || !texts)) buf_addch(b, ' ');
        if (args[i].kind == TV_NIL)
            buf_addstr(b, "<nil>");
        else
            tval_print(&args[i], b);
    }
    if (line) buf_addch(b, '\n');
}

FN(fn_print)
{
    UNUSED(err);
    struct buf b = scratch();
    sprint(args, count, false, &b);
    return result_text(r, &b, out);
}

FN(fn_println)
{
    UNUSED(err);
    struct buf b = scratch();
    sprint(args, count, true, &b);
    return result_text(r, &b, out);
}

FN(fn_printf)
{
    UNUSED(err);
    struct buf b = scratch();
    template_printf(args[0].s, args + 1, count - 1, &b);
    return result_text(r, &b, out);
}

/* Escapes each byte that has a row; a table ends with a NULL text. */
struct escape {
    char c;
    const char *text;
};

static int escaped(struct template_run *r, const struct tval *args, size_t count,
                   const struct escape *escapes, struct tval *out)
{
    struct buf plain = scratch(), b = scratch();
    sprint(args, count, false, &plain);
    for (size_t i = 0; i < plain.len; i++) {
        const struct escape *e = escapes;
        while (e->text && e->c != plain.p[i])
            e++;
        if (e->text)
            buf_addstr(&b, e->text);
        else
            buf_addch(&b, plain.p[i]);
    }
    buf_release(&plain);
    return result_text(r, &b, out);
}

FN(fn_html)
{
    UNUSED(err);
    static const struct escape html[] = {
        {'<',  "&lt;" },
        {'>',  "&gt;" },
        {'&',  "&amp;"},
        {'"',  "&#34;"},
        {'\'', "&#39;"},
        {0,    NULL   }
    };
    return escaped(r, args, count, html, out);
}

FN(fn_js)
{
    UNUSED(err);
    static const struct escape js[] = {
        {'\\', "\\\\"   },
        {'\'', "\\'"    },
        {'"',  "\\\""   },
        {'<',  "\\u003C"},
        {'>',  "\\u003E"},
        {'&',  "\\u0026"},
        {'=',  "\\u003D"},
        {'\n', "\\u000A"},
        {'\r', "\\u000D"},
        {'\t', "\\u0009"},
        {0,    NULL     }
    };
    return escaped(r, args, count, js, out);
}

FN(fn_urlquery)
{
    UNUSED(err);
    struct buf plain = scratch(), b = scratch();
    sprint(args, count, false, &plain);
    url_query_escape((struct str){plain.p ? plain.p : "", plain.len}, &b);
    buf_release(&plain);
    return result_text(r, &b, out);
}

/* --- queries --- */

FN(fn_query)
{
    UNUSED(count);
    const struct template_data *d = r->data;
    struct promql_result res = {0};
    if (!d->query) return errmsg_set(err, E_UNSUPPORTED, "no queries here");
    int rc = d->query(d->query_arg, args[0].s, d->now_ms, r->arena, &res, err);
    if (rc < 0) return rc;
    if (res.type != T_VECTOR && res.type != T_SCALAR)
        return errmsg_set(err, E_INVALID, "query result is not a vector or scalar");
    size_t n = res.type == T_SCALAR ? 1 : res.series_count;
    struct tlist *l = arena_zalloc(r->arena, sizeof *l);
    if (!l || !(l->v = arena_array(r->arena, n ? n : 1, sizeof *l->v))) return -ENOMEM;
    l->type = "template.queryResult";
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (res.type == T_SCALAR) {
            rc = tval_sample(r->arena, (struct labels){0}, res.scalar, &l->v[l->count++]);
        } else if (res.series[i].count > 0) {
            rc = tval_sample(r->arena, res.series[i].labels, res.series[i].points[0].v,
                             &l->v[l->count++]);
        }
    }
    *out = (struct tval){.kind = TV_LIST, .list = l};
    return rc;
}

FN(fn_first)
{
    UNUSED_PARAMETERS;
    if (args[0].list->count == 0)
        return errmsg_set(err, E_INVALID, "first() called on vector with no elements");
    *out = args[0].list->v[0];
    return 0;
}

static struct str sample_label(const struct tval *sample, struct str name)
{
    const struct tval *labels = tmap_get(sample->map, STR("Labels"));
    const struct tval *v = labels ? tmap_get(labels->map, name) : NULL;
    return v ? v->s : STR("");
}

FN(fn_label)
{
    UNUSED_PARAMETERS;
    *out = tval_string(sample_label(&args[1], args[0].s));
    return 0;
}

FN(fn_value)
{
    UNUSED_PARAMETERS;
    const struct tval *v = tmap_get(args[0].map, STR("Value"));
    *out = v ? *v : tval_float(0);
    return 0;
}

FN(fn_strvalue)
{
    UNUSED_PARAMETERS;
    *out = tval_string(sample_label(&args[0], STR("__value__")));
    return 0;
}

struct by_label {
    struct str key;
    size_t index;
};

static int compare_by_label(const void *a, const void *b)
{
    const struct by_label *x = a, *y = b;
    int order = str_cmp(x->key, y->key);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

FN(fn_sort_by_label)
{
    UNUSED(count), UNUSED(err);
    const struct tlist *from = args[1].list;
    struct by_label *keys = arena_array(r->arena, from->count + 1, sizeof *keys);
    struct tlist *l = arena_dup(r->arena, from, sizeof *l);
    struct tval *v = arena_array(r->arena, from->count + 1, sizeof *v);
    if (!keys || !l || !v) return -ENOMEM;
    for (size_t i = 0; i < from->count; i++)
        keys[i] = (struct by_label){sample_label(&from->v[i], args[0].s), i};
    qsort(keys, from->count, sizeof *keys, compare_by_label);
    for (size_t i = 0; i < from->count; i++)
        v[i] = from->v[keys[i].index];
    l->v = v;
    *out = (struct tval){.kind = TV_LIST, .list = l};
    return 0;
}

/* --- text --- */

FN(fn_args)
{
    UNUSED(err);
    struct tmap *m = arena_zalloc(r->arena, sizeof *m);
    if (!m || !(m->v = arena_array(r->arena, count ? count : 1, sizeof *m->v))) return -ENOMEM;
    m->type = "map[string]interface {}";
    m->count = count;
    for (size_t i = 0; i < count; i++) {
        char *key = arena_printf(r->arena, "arg%zu", i);
        if (!key) return -ENOMEM;
        m->v[i] = (struct tentry){str_of(key), args[i]};
    }
    *out = (struct tval){.kind = TV_MAP, .map = m};
    return 0;
}

FN(fn_match)
{
    UNUSED(r), UNUSED(count);
    struct regex *re = NULL;
    int rc = regex_new(&re, args[0].s, 0, err);
    if (rc < 0) return rc;
    rc = regex_match(re, args[1].s);
    regex_free(re);
    *out = tval_bool(rc > 0);
    return rc < 0 ? rc : 0;
}

FN(fn_re_replace_all)
{
    UNUSED(count);
    struct regex *re = NULL;
    struct buf b = scratch();
    int rc = regex_new(&re, args[0].s, 0, err);
    if (rc < 0) return rc;
    rc = regex_replace_all(re, args[2].s, args[1].s, &b);
    regex_free(re);
    int taken = result_text(r, &b, out);
    return rc < 0 ? rc : taken;
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool in_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* Letters of ASCII only; every other byte stays. */
enum letter_case { CASE_UPPER, CASE_LOWER, CASE_TITLE };
static int change_case(struct template_run *r, struct str s, enum letter_case how, struct tval *out)
{
    struct buf b = scratch();
    for (size_t i = 0; i < s.len; i++) {
        bool start = i == 0 || !in_word(s.p[i - 1]);
        char c = s.p[i];
        if (how == CASE_LOWER) c = to_lower(c);
        if (how == CASE_UPPER || (how == CASE_TITLE && start)) c = to_upper(c);
        buf_addch(&b, c);
    }
    return result_text(r, &b, out);
}

FN(fn_title)
{
    UNUSED(count), UNUSED(err);
    return change_case(r, args[0].s, CASE_TITLE, out);
}

FN(fn_to_upper)
{
    UNUSED(count), UNUSED(err);
    return change_case(r, args[0].s, CASE_UPPER, out);
}

FN(fn_to_lower)
{
    UNUSED(count), UNUSED(err);
    return change_case(r, args[0].s, CASE_LOWER, out);
}

FN(fn_safe_html)
{
    UNUSED_PARAMETERS;
    *out = args[0];
    out->safe = true;
    return 0;
}

FN(fn_strip_port)
{
    UNUSED_PARAMETERS;
    *out = tval_string(strip_port(args[0].s));
    return 0;
}

FN(fn_strip_domain)
{
    UNUSED(count), UNUSED(err);
    struct buf b = scratch();
    strip_domain(args[0].s, &b);
    return result_text(r, &b, out);
}

FN(fn_url_query_escape)
{
    UNUSED(count), UNUSED(err);
    struct buf b = scratch();
    url_query_escape(args[0].s, &b);
    return result_text(r, &b, out);
}

/* --- numbers for people --- */

static int human(struct template_run *r, const struct tval *v, void (*print)(double, struct buf *),
                 struct tval *out, struct errmsg *err)
{
    double f;
    int rc = tval_to_float(v, &f, err);
    if (rc < 0) return rc;
    struct buf b = scratch();
    print(f, &b);
    return result_text(r, &b, out);
}

FN(fn_humanize)
{
    UNUSED(count);
    return human(r, &args[0], humanize, out, err);
}

FN(fn_humanize1024)
{
    UNUSED(count);
    return human(r, &args[0], humanize1024, out, err);
}

FN(fn_humanize_duration)
{
    UNUSED(count);
    return human(r, &args[0], humanize_duration, out, err);
}

FN(fn_humanize_percentage)
{
    UNUSED(count);
    return human(r, &args[0], humanize_percentage, out, err);
}

FN(fn_humanize_timestamp)
{
    UNUSED(count);
    double f;
    int64_t ns;
    int rc = tval_to_float(&args[0], &f, err);
    if (rc < 0) return rc;
    struct buf b = scratch();
    if (isnan(f) || isinf(f)) {
        tval_print_double(f, &b);
        return result_text(r, &b, out);
    }
    if ((rc = float_to_time(f, &ns, err)) < 0) return rc;
    template_print_time(ns, &b);
    return result_text(r, &b, out);
}

FN(fn_to_time)
{
    UNUSED(r), UNUSED(count);
    double f;
    int rc = tval_to_float(&args[0], &f, err);
    *out = (struct tval){.kind = TV_TIME};
    return rc < 0 ? rc : float_to_time(f, &out->i, err);
}

FN(fn_to_duration)
{
    UNUSED(r), UNUSED(count);
    double f;
    int rc = tval_to_float(&args[0], &f, err);
    *out = (struct tval){.kind = TV_DURATION};
    if (rc < 0) return rc;
    if (!(fabs(f) < 9.2e9)) return errmsg_set(err, E_INVALID, "duration out of range");
    out->i = (int64_t)(f * 1e9);
    return 0;
}

FN(fn_now)
{
    UNUSED_PARAMETERS;
    *out = tval_float((double)r->data->now_ms / 1000);
    return 0;
}

FN(fn_parse_duration)
{
    UNUSED(r), UNUSED(count);
    struct str s = args[0].s;
    bool negative = s.len > 0 && s.p[0] == '-';
    if (negative) s.p++, s.len--;
    int64_t ms;
    int rc = str_to_duration(s, &ms, err);
    if (rc < 0) return rc;
    *out = tval_float((double)(negative ? -ms : ms) / 1000);
    return 0;
}

/* --- links --- */

static struct str external_url(const struct template_run *r)
{
    return str_of(r->data->external_url ? r->data->external_url : "");
}

FN(fn_external_url)
{
    UNUSED_PARAMETERS;
    *out = tval_string(external_url(r));
    return 0;
}

FN(fn_path_prefix)
{
    UNUSED_PARAMETERS;
    struct str url = external_url(r);
    const char *host = url.len >= 3 ? memmem(url.p, url.len, "://", 3) : NULL;
    const char *from = host ? host + 3 : url.p, *end = url.p + url.len;
    const char *slash = from < end ? memchr(from, '/', (size_t)(end - from)) : NULL;
    *out = tval_string(slash ? (struct str){slash, (size_t)(end - slash)} : STR(""));
    return 0;
}

FN(fn_table_link)
{
    UNUSED(count), UNUSED(err);
    struct buf b = scratch();
    expression_link(args[0].s, 1, &b);
    return result_text(r, &b, out);
}

FN(fn_graph_link)
{
    UNUSED(count), UNUSED(err);
    struct buf b = scratch();
    expression_link(args[0].s, 0, &b);
    return result_text(r, &b, out);
}

// clang-format off
static const struct template_fn fns[] = {
    {"and",                "v*",  NULL}, /* template_fn_short_circuits */
    {"or",                 "v*",  NULL},
    {"not",                "v",   fn_not},
    {"eq",                 "vv*", fn_eq},
    {"ne",                 "vv",  fn_ne},
    {"lt",                 "vv",  fn_lt},
    {"le",                 "vv",  fn_le},
    {"gt",                 "vv",  fn_gt},
    {"ge",                 "vv",  fn_ge},
    {"len",                "v",   fn_len},
    {"index",              "v*",  fn_index},
    {"slice",              "v*",  fn_slice},
    {"print",              "*",   fn_print},
    {"println",            "*",   fn_println},
    {"printf",             "s*",  fn_printf},
    {"html",               "*",   fn_html},
    {"js",                 "*",   fn_js},
    {"urlquery",           "*",   fn_urlquery},
    {"query",              "s",   fn_query},
    {"first",              "q",   fn_first},
    {"label",              "sm",  fn_label},
    {"value",              "m",   fn_value},
    {"strvalue",           "m",   fn_strvalue},
    {"sortByLabel",        "sq",  fn_sort_by_label},
    {"args",               "*",   fn_args},
    {"match",              "ss",  fn_match},
    {"reReplaceAll",       "sss", fn_re_replace_all},
    {"title",              "s",   fn_title},
    {"toUpper",            "s",   fn_to_upper},
    {"toLower",            "s",   fn_to_lower},
    {"safeHtml",           "s",   fn_safe_html},
    {"stripPort",          "s",   fn_strip_port},
    {"stripDomain",        "s",   fn_strip_domain},
    {"urlQueryEscape",     "s",   fn_url_query_escape},
    {"humanize",           "v",   fn_humanize},
    {"humanize1024",       "v",   fn_humanize1024},
    {"humanizeDuration",   "v",   fn_humanize_duration},
    {"humanizePercentage", "v",   fn_humanize_percentage},
    {"humanizeTimestamp",  "v",   fn_humanize_timestamp},
    {"toTime",             "v",   fn_to_time},
    {"toDuration",         "v",   fn_to_duration},
    {"now",                "",    fn_now},
    {"parseDuration",      "s",   fn_parse_duration},
    {"externalURL",        "",    fn_external_url},
    {"pathPrefix",         "",    fn_path_prefix},
    {"tableLink",          "s",   fn_table_link},
    {"graphLink",          "s",   fn_graph_link},
};
// clang-format on

const struct template_fn *template_fn_find(struct str name)
{
    for (size_t i = 0; i < COUNT(fns); i++)
        if (str_eq(name, str_of(fns[i].name))) return &fns[i];
    return NULL;
}

bool template_fn_short_circuits(const struct template_fn *fn, bool *stop_when)
{
    *stop_when = strcmp(fn->name, "or") == 0;
    return fn->call == NULL;
}

bool template_has_function(struct str name)
{
    return template_fn_find(name) != NULL;
}
