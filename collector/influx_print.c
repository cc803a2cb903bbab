/* influx_print.c -- writing line protocol, so that influx.c reads back what was meant.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "collector/influx_int.h"

/* A measurement, tag key, tag value or field key: what special names must be escaped. A name that
 * ends in a backslash would escape what follows it. */
static int add_name(struct buf *out, struct str s, const char *special, const char *what,
                    struct errmsg *err)
{
    bool bad = s.len == 0 || s.p[s.len - 1] == '\\' || !str_is_utf8(s);
    for (size_t i = 0; i < s.len && !bad; i++) {
        char c = s.p[i];
        bad = (unsigned char)c < 0x20 || c == 0x7f;
        if (!bad && strchr(special, c)) buf_addch(out, '\\');
        buf_addch(out, c);
    }
    if (!bad) return 0;
    return errmsg_set(err, E_INVALID, "invalid %s \"%.*s\"", what, (int)MIN(s.len, 100),
                      s.len ? s.p : "");
}

static const char string_escapes[][2] = {
    {'"',  '"' },
    {'\\', '\\'},
    {'\n', 'n' },
    {'\r', 'r' },
    {'\t', 't' },
};

static void add_string(struct buf *out, struct str s)
{
    buf_addch(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        char letter = 0;
        for (size_t k = 0; k < COUNT(string_escapes); k++)
            if (string_escapes[k][0] == s.p[i]) letter = string_escapes[k][1];
        if (letter) buf_addch(out, '\\');
        buf_addch(out, letter ? letter : s.p[i]);
    }
    buf_addch(out, '"');
}

static int add_value(struct buf *out, const struct influx_value *v, struct errmsg *err)
{
    char number[STR_DOUBLE_MAX];
    switch (v->type) {
    case INFLUX_FLOAT:
        if (!isfinite(v->f)) return errmsg_set(err, E_INVALID, "a field cannot be NaN or infinite");
        buf_add(out, number, str_from_double_g(v->f, number));
        break;
    case INFLUX_INT:
        buf_addint(out, v->i);
        buf_addch(out, 'i');
        break;
    case INFLUX_UINT:
        buf_adduint(out, v->u);
        buf_addch(out, 'u');
        break;
    case INFLUX_BOOL:
        buf_addstr(out, v->b ? "true" : "false");
        break;
    case INFLUX_STRING:
        if (!str_is_utf8(v->s)) return errmsg_set(err, E_INVALID, "a string is not valid UTF-8");
        add_string(out, v->s);
        break;
    }
    return 0;
}

static int add_tags(struct buf *out, const struct influx_point *p, struct errmsg *err)
{
    for (size_t i = 0; i < p->tag_count; i++) {
        const struct influx_pair *tag = &p->tags[i];
        if (i > 0 && str_cmp(tag[-1].key, tag->key) >= 0)
            return errmsg_set(err, E_INVALID, "tag keys are not in ascending order");
        buf_addch(out, ',');
        int rc = add_name(out, tag->key, ",= ", "tag key", err);
        buf_addch(out, '=');
        if (rc == 0) rc = add_name(out, tag->value, ",= ", "tag value", err);
        if (rc < 0) return rc;
    }
    return 0;
}

static int add_fields(struct buf *out, const struct influx_point *p, struct errmsg *err)
{
    for (size_t i = 0; i < p->field_count; i++) {
        buf_addch(out, i ? ',' : ' ');
        int rc = add_name(out, p->fields[i].key, ",= ", "field key", err);
        buf_addch(out, '=');
        if (rc == 0) rc = add_value(out, &p->fields[i].value, err);
        if (rc < 0) return rc;
    }
    return p->field_count ? 0 : errmsg_set(err, E_INVALID, "a point needs a field");
}

int influx_print(const struct influx_point *p, enum influx_precision precision, struct buf *out,
                 struct errmsg *err)
{
    size_t before = out->len;
    /* a measurement that begins with '#' would read as a comment */
    int rc = p->measurement.len && p->measurement.p[0] == '#'
                 ? errmsg_set(err, E_INVALID, "a measurement cannot begin with #")
                 : add_name(out, p->measurement, ", ", "measurement", err);
    if (rc == 0) rc = add_tags(out, p, err);
    if (rc == 0) rc = add_fields(out, p, err);
    if (rc == 0 && p->has_time) {
        buf_addch(out, ' ');
        buf_addint(out, p->time_ns / influx_precision_ns(precision));
    }
    if (rc < 0) buf_truncate(out, before);
    return rc < 0 ? rc : out->err;
}
