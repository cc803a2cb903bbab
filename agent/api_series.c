/* api_series.c -- what is stored: /api/v1/labels, label/NAME/values, series.
 *
 * Several match[] selectors mean the union of what each finds; the store sorts each answer, the
 * union is sorted here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "agent/api.h"
#include "agent/api_match.h"

enum { ITEMS_MAX = 5000000 };

/* One request's selectors, range and limit, and what they found. */
struct lookup {
    struct app *app;
    struct arena arena;
    struct select_request select;
    struct query_budget budget;
    struct api_selectors selectors;
    size_t memory;
    struct api_writing writing;
    bool names_param; /* in complaints about match[] */
    size_t limit;
    struct str *names; /* of the arena's lifetime, as labels below */
    struct labels *labels;
    size_t count, cap;
};

/* Prometheus names the parameter for /series alone. */
static int bad_selector(const struct lookup *l, struct response *p, const char *why)
{
    if (l->names_param) return api_invalid(p, "match[]", "%s", why);
    response_fail(p, "bad_data", "%s", why);
    return -1;
}

static int read_selectors(struct lookup *l, const struct request *r, struct response *p)
{
    struct errmsg err = {0};
    return api_selectors_read(&l->selectors, r, &l->arena, &err) < 0 ? bad_selector(l, p, err.text)
                                                                     : 0;
}

/* Reads limit, start, end and match[]. < 0: answered. */
static int lookup_init(struct lookup *l, struct app *a, const struct request *r, struct response *p)
{
    struct app_settings s;
    int64_t min_ms = API_TIME_MIN, max_ms = API_TIME_MAX;
    l->app = a;
    app_settings(a, &s);
    arena_init(&l->arena, s.query_memory);
    l->memory = s.query_memory;
    api_budget(r, &s, 0, &l->budget);
    l->select = (struct select_request){.func = "", .budget = &l->budget, .arena = &l->arena};
    if (api_limit(r, p, "limit", &l->limit) < 0 ||
        api_time(r, p, "start", &min_ms, &l->select.start_ms) < 0 ||
        api_time(r, p, "end", &max_ms, &l->select.end_ms) < 0)
        return -1;
    l->select.limit = l->limit;
    return read_selectors(l, r, p);
}

static void lookup_release(struct lookup *l)
{
    api_selectors_release(&l->selectors);
    arena_release(&l->arena);
}

/* Room for one more in an arena array of size-byte items. */
static int room(struct lookup *l, void **array, size_t size)
{
    if (l->count < l->cap) return 0;
    if (l->count >= ITEMS_MAX) return E_LIMIT;
    size_t cap = l->cap ? l->cap * 2 : 256;
    void *more = arena_array(&l->arena, cap, size);
    if (!more) return l->arena.err;
    if (l->count) memcpy(more, *array, l->count * size);
    *array = more;
    l->cap = cap;
    return 0;
}

static int add_name(void *arg, struct str s)
{
    struct lookup *l = arg;
    void *array = l->names;
    int rc = room(l, &array, sizeof *l->names);
    l->names = array;
    if (rc < 0) return rc;
    struct str copy = arena_str(&l->arena, s);
    if (!copy.p) return l->arena.err;
    l->names[l->count++] = copy;
    return 0;
}

static int add_labels(void *arg, struct labels ls)
{
    struct lookup *l = arg;
    void *array = l->labels;
    int rc = room(l, &array, sizeof *l->labels);
    l->labels = array;
    if (rc < 0) return rc;
    rc = labels_copy(&l->arena, ls, &l->labels[l->count]);
    if (rc == 0) l->count++;
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int compare_labels(const void *a, const void *b)
{
    return labels_cmp(*(const struct labels *)a, *(const struct labels *)b);
}

/* One selector's answer comes sorted; the union of several is sorted under the budget. */
static int sort_found(struct lookup *l, void *v, size_t size,
                      int (*compare)(const void *, const void *), struct errmsg *err)
{
    struct budget_watch watch = {&l->budget, l->app->env, err, 0};
    return budget_sort(v, l->count, size, compare, &watch);
}

static void unique_names(struct lookup *l)
{
    size_t out = 0;
    for (size_t i = 0; i < l->count; i++)
        if (out == 0 || !str_eq(l->names[out - 1], l->names[i])) l->names[out++] = l->names[i];
    l->count = out;
}

static void unique_labels(struct lookup *l)
{
    size_t out = 0;
    for (size_t i = 0; i < l->count; i++)
        if (out == 0 || labels_cmp(l->labels[out - 1], l->labels[i]) != 0)
            l->labels[out++] = l->labels[i];
    l->count = out;
}

static bool truncate_to_limit(struct lookup *l)
{
    if (l->limit == 0 || l->count <= l->limit) return false;
    l->count = l->limit;
    return true;
}

static void put_names(struct lookup *l, struct response *p)
{
    struct json j;
    unique_names(l);
    bool truncated = truncate_to_limit(l);
    api_begin(p, &j);
    api_write_within(&j, p, &l->writing, &l->budget, l->app->env, l->arena.used, l->memory);
    json_arr(&j);
    for (size_t i = 0; i < l->count; i++)
        json_str(&j, l->names[i]);
    json_end(&j);
    api_end(p, &j, NULL, truncated);
}

/* Calls one of the querier's lookups for each selector, or once without any. A range that ends
 * before it starts holds nothing. */
static int for_each_set(struct lookup *l, struct str name, struct errmsg *err,
                        int (*call)(struct lookup *l, struct str name, struct errmsg *err))
{
    int rc = 0;
    if (l->select.end_ms < l->select.start_ms) return 0;
    if (l->selectors.count == 0) return call(l, name, err);
    for (size_t i = 0; rc == 0 && i < l->selectors.count; i++) {
        l->select.matchers = l->selectors.v[i].v;
        l->select.matcher_count = l->selectors.v[i].count;
        rc = call(l, name, err);
    }
    return rc;
}

static int find_names(struct lookup *l, struct str name, struct errmsg *err)
{
    struct querier *q = l->app->querier;
    UNUSED(name);
    return q->ops->label_names(q, &l->select, add_name, l, err);
}

static int find_values(struct lookup *l, struct str name, struct errmsg *err)
{
    struct querier *q = l->app->querier;
    return q->ops->label_values(q, name, &l->select, add_name, l, err);
}

static int find_series(struct lookup *l, struct str name, struct errmsg *err)
{
    struct querier *q = l->app->querier;
    UNUSED(name);
    return q->ops->series(q, &l->select, add_labels, l, err);
}

void api_label_names(struct app *a, struct request *r, struct response *p)
{
    struct lookup l = {0};
    struct errmsg err = {0};
    if (lookup_init(&l, a, r, p) == 0) {
        int rc = for_each_set(&l, STR(""), &err, find_names);
        if (rc == 0) rc = sort_found(&l, l.names, sizeof *l.names, compare_names, &err);
        if (rc < 0)
            api_fail_exec(p, rc, &err);
        else
            put_names(&l, p);
    }
    lookup_release(&l);
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | ('A' <= c && c <= 'F' ? 0x20 : 0)) : NULL;
    return at ? (int)(at - digits) : -1;
}

static size_t put_utf8(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

enum { CODE_DIGITS_MAX = 5 }; /* what Prometheus takes, though U+10FFFF has six */

/* Reads "_2e_" or "__" at s; the bytes used, 0: neither. */
static size_t unescape_code(struct str s, unsigned *code)
{
    size_t i = 1;
    *code = '_';
    if (s.len > 1 && s.p[1] == '_') return 2;
    *code = 0;
    for (; i < s.len && s.p[i] != '_' && i <= CODE_DIGITS_MAX; i++) {
        int d = hex_digit(s.p[i]);
        if (d < 0) return 0;
        *code = *code << 4 | (unsigned)d;
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return i < s.len && s.p[i] == '_' && *code <= 0x10ffff && !surrogate ? i + 1 : 0;
}

/* Label names that a path cannot hold come as U__ with "_XX_" for a character and "__" for '_'.
 * What does not decode is taken as it stands, as Prometheus does. */
static struct str unescape_name(struct arena *a, struct str s)
{
    if (!str_starts(s, STR("U__"))) return s;
    char *out = arena_alloc(a, s.len + 8);
    if (!out) return s;
    size_t n = 0;
    for (size_t i = 3; i < s.len;) {
        unsigned code;
        if (s.p[i] != '_') {
            out[n++] = s.p[i++];
            continue;
        }
        size_t used = unescape_code((struct str){s.p + i, s.len - i}, &code);
        if (!used) return s;
        n += put_utf8(code, out + n);
        i += used;
    }
    return (struct str){out, n};
}

void api_label_values(struct app *a, struct request *r, struct response *p)
{
    struct lookup l = {0};
    struct errmsg err = {0};
    char shown[API_QUOTE_MAX];
    struct str name = unescape_name(r->arena, r->path_arg);
    if (!label_name_is_valid(name)) {
        response_fail(p, "bad_data", "invalid label name: %s", api_quote(name, shown));
        return;
    }
    if (lookup_init(&l, a, r, p) == 0) {
        int rc = for_each_set(&l, name, &err, find_values);
        if (rc == 0) rc = sort_found(&l, l.names, sizeof *l.names, compare_names, &err);
        if (rc < 0)
            api_fail_exec(p, rc, &err);
        else
            put_names(&l, p);
    }
    lookup_release(&l);
}

static void put_series_list(struct lookup *l, struct response *p)
{
    struct json j;
    unique_labels(l);
    bool truncated = truncate_to_limit(l);
    api_begin(p, &j);
    api_write_within(&j, p, &l->writing, &l->budget, l->app->env, l->arena.used, l->memory);
    json_arr(&j);
    for (size_t i = 0; i < l->count; i++)
        api_labels(&j, l->labels[i]);
    json_end(&j);
    api_end(p, &j, NULL, truncated);
}

void api_series(struct app *a, struct request *r, struct response *p)
{
    struct lookup l = {.names_param = true};
    struct errmsg err = {0};
    if (!request_param(r, "match[]").p) {
        response_fail(p, "bad_data", "no match[] parameter provided");
        return;
    }
    if (lookup_init(&l, a, r, p) == 0) {
        int rc = for_each_set(&l, STR(""), &err, find_series);
        if (rc == 0) rc = sort_found(&l, l.labels, sizeof *l.labels, compare_labels, &err);
        if (rc < 0)
            api_fail_exec(p, rc, &err);
        else
            put_series_list(&l, p);
    }
    lookup_release(&l);
}
