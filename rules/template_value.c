/* template_value.c -- the values of a template: types, truth, comparison, printing as Go does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "rules/template_int.h"

const char *tval_type(const struct tval *v)
{
    static const char *const names[] = {
        [TV_NIL] = "nil",        [TV_BOOL] = "bool",
        [TV_INT] = "int",        [TV_UINT] = "uint64",
        [TV_FLOAT] = "float64",  [TV_STRING] = "string",
        [TV_TIME] = "time.Time", [TV_DURATION] = "time.Duration",
    };
    if (v->kind == TV_MAP) return v->map->type;
    if (v->kind == TV_LIST) return v->list->type;
    return names[v->kind];
}

bool tval_truth(const struct tval *v)
{
    switch (v->kind) {
    case TV_NIL:
        return false;
    case TV_BOOL:
        return v->b;
    case TV_FLOAT:
        return v->f != 0;
    case TV_STRING:
        return v->s.len > 0;
    case TV_MAP:
        return v->map->is_struct || v->map->count > 0;
    case TV_LIST:
        return v->list->count > 0;
    case TV_TIME:
        return true;
    case TV_INT:
    case TV_UINT:
    case TV_DURATION:
        return v->i != 0;
    }
    return false;
}

const struct tval *tmap_get(const struct tmap *m, struct str key)
{
    for (size_t i = 0; i < m->count; i++)
        if (str_eq(m->v[i].key, key)) return &m->v[i].value;
    return NULL;
}

int tval_labels(struct arena *a, struct labels ls, struct tval *out)
{
    struct tmap *m = arena_zalloc(a, sizeof *m);
    if (!m) return -ENOMEM;
    *m = (struct tmap){.type = "map[string]string", .of_strings = true, .count = ls.count};
    m->v = arena_array(a, ls.count ? ls.count : 1, sizeof *m->v);
    if (!m->v) return -ENOMEM;
    for (size_t i = 0; i < ls.count; i++)
        m->v[i] = (struct tentry){ls.v[i].name, tval_string(ls.v[i].value)};
    *out = (struct tval){.kind = TV_MAP, .map = m};
    return 0;
}

int tval_sample(struct arena *a, struct labels ls, double value, struct tval *out)
{
    struct tmap *m = arena_zalloc(a, sizeof *m);
    if (!m) return -ENOMEM;
    *m = (struct tmap){.type = "*template.sample", .is_struct = true, .count = 2};
    m->v = arena_array(a, 2, sizeof *m->v);
    if (!m->v) return -ENOMEM;
    m->v[0].key = STR("Labels");
    m->v[1] = (struct tentry){STR("Value"), tval_float(value)};
    *out = (struct tval){.kind = TV_MAP, .map = m};
    return tval_labels(a, ls, &m->v[0].value);
}

int tval_to_float(const struct tval *v, double *out, struct errmsg *err)
{
    switch (v->kind) {
    case TV_FLOAT:
        *out = v->f;
        return 0;
    case TV_INT:
        *out = (double)v->i;
        return 0;
    case TV_UINT:
        *out = (double)v->u;
        return 0;
    case TV_DURATION:
        *out = (double)v->i / 1e9;
        return 0;
    case TV_STRING: {
        int rc = str_to_double(v->s, out);
        if (rc == 0) return 0;
        return errmsg_set(err, E_INVALID, "strconv.ParseFloat: parsing \"%.*s\": %s",
                          (int)MIN(v->s.len, (size_t)100), v->s.p,
                          rc == -ERANGE ? "value out of range" : "invalid syntax");
    }
    default:
        return errmsg_set(err, E_INVALID, "can't convert %s to float", tval_type(v));
    }
}

/* --- comparison --- */

/* Go compares within a family only: bools, integers of either sign, floats, strings. */
enum family { FAMILY_OTHER, FAMILY_BOOL, FAMILY_INTEGER, FAMILY_FLOAT, FAMILY_STRING };

static enum family family_of(const struct tval *v)
{
    switch (v->kind) {
    case TV_BOOL:
        return FAMILY_BOOL;
    case TV_INT:
    case TV_UINT:
    case TV_DURATION:
        return FAMILY_INTEGER;
    case TV_FLOAT:
        return FAMILY_FLOAT;
    case TV_STRING:
        return FAMILY_STRING;
    default:
        return FAMILY_OTHER;
    }
}

static int compare_integers(const struct tval *a, const struct tval *b)
{
    bool a_big = a->kind == TV_UINT && a->u > INT64_MAX;
    bool b_big = b->kind == TV_UINT && b->u > INT64_MAX;
    if (a_big && b_big) return (a->u > b->u) - (a->u < b->u);
    if (a_big || b_big) return a_big ? 1 : -1;
    return (a->i > b->i) - (a->i < b->i);
}

static int check_families(const struct tval *a, const struct tval *b, struct errmsg *err)
{
    if (family_of(a) == FAMILY_OTHER || family_of(b) == FAMILY_OTHER)
        return errmsg_set(err, E_INVALID, "invalid type for comparison");
    if (family_of(a) != family_of(b))
        return errmsg_set(err, E_INVALID, "incompatible types for comparison");
    return 0;
}

int tval_compare(const struct tval *a, const struct tval *b, int *out, struct errmsg *err)
{
    int rc = check_families(a, b, err);
    if (rc < 0) return rc;
    switch (family_of(a)) {
    case FAMILY_INTEGER:
        *out = compare_integers(a, b);
        return 0;
    case FAMILY_FLOAT: /* NaN is neither less nor equal: report it as greater */
        *out = a->f < b->f ? -1 : a->f == b->f ? 0 : 1;
        return 0;
    case FAMILY_STRING:
        *out = str_cmp(a->s, b->s);
        return 0;
    default:
        return errmsg_set(err, E_INVALID, "invalid type for comparison");
    }
}

int tval_equal(const struct tval *a, const struct tval *b, bool *out, struct errmsg *err)
{
    if (a->kind == TV_NIL || b->kind == TV_NIL) {
        *out = a->kind == b->kind;
        return 0;
    }
    int rc = check_families(a, b, err), order = 0;
    if (rc < 0) return rc;
    if (family_of(a) == FAMILY_BOOL) {
        *out = a->b == b->b;
        return 0;
    }
    rc = tval_compare(a, b, &order, err);
    *out = order == 0;
    return rc;
}

/* --- printing --- */

void tval_print_double(double v, struct buf *out)
{
    char text[STR_DOUBLE_MAX];
    buf_add(out, text, str_from_double_g(v, text));
}

static void print_map(const struct tmap *m, struct buf *out)
{
    buf_addstr(out, m->is_struct ? "{" : "map[");
    for (size_t i = 0; i < m->count; i++) {
        if (i > 0) buf_addch(out, ' ');
        if (!m->is_struct) {
            buf_add(out, m->v[i].key.p, m->v[i].key.len);
            buf_addch(out, ':');
        }
        tval_print(&m->v[i].value, out);
    }
    buf_addch(out, m->is_struct ? '}' : ']');
}

void tval_print(const struct tval *v, struct buf *out)
{
    switch (v->kind) {
    case TV_NIL:
        buf_addstr(out, "<no value>");
        break;
    case TV_BOOL:
        buf_addstr(out, v->b ? "true" : "false");
        break;
    case TV_INT:
        buf_addint(out, v->i);
        break;
    case TV_UINT:
        buf_adduint(out, v->u);
        break;
    case TV_FLOAT:
        tval_print_double(v->f, out);
        break;
    case TV_STRING:
        buf_add(out, v->s.p, v->s.len);
        break;
    case TV_MAP:
        print_map(v->map, out);
        break;
    case TV_LIST:
        buf_addch(out, '[');
        for (size_t i = 0; i < v->list->count; i++) {
            if (i > 0) buf_addch(out, ' ');
            tval_print(&v->list->v[i], out);
        }
        buf_addch(out, ']');
        break;
    case TV_TIME:
        template_print_time(v->i, out);
        break;
    case TV_DURATION:
        template_print_duration(v->i, out);
        break;
    }
}
