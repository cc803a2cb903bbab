/* cmd_series.c -- series as the HTTP API's answers name them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd_series.h"

#include "tsdb/labels.h"

static const char *text_of(const json_t *v)
{
    const char *text = json_string_value(v);
    return text ? text : "";
}

static void put_quoted(struct buf *out, const char *text)
{
    buf_addch(out, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') buf_addch(out, '\\');
        if ((unsigned char)*p < 0x20)
            buf_addf(out, "\\x%02x", (unsigned)(unsigned char)*p);
        else
            buf_addch(out, *p);
    }
    buf_addch(out, '"');
}

/* True when not every series of the list has this value of a label. */
static bool distinguishes(const char *key, const json_t *value, json_t *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text_of(json_object_get(list[i], key)), text_of(value)) != 0) return true;
    return false;
}

struct naming {
    struct buf *out;
    json_t *const *list; /* NULL: every label is shown */
    size_t count;
    bool open; /* the brace */
};

static bool shown(const struct naming *n, const char *key, const json_t *value)
{
    return !n->list || distinguishes(key, value, n->list, n->count);
}

static void put_separator(struct naming *n)
{
    buf_addch(n->out, n->open ? ',' : '{');
    n->open = true;
}

static void put_metric_name(struct naming *n, const json_t *value)
{
    const char *name = text_of(value);
    if (!name[0] || !shown(n, METRIC_NAME, value)) return;
    if (metric_name_is_legacy(str_of(name))) {
        buf_addstr(n->out, name);
        return;
    }
    put_separator(n);
    put_quoted(n->out, name);
}

static void put_name(struct naming *n, json_t *metric)
{
    const char *key;
    json_t *value;
    size_t start = n->out->len;
    put_metric_name(n, json_object_get(metric, METRIC_NAME));
    json_object_foreach(metric, key, value)
    {
        if (strcmp(key, METRIC_NAME) == 0 || !shown(n, key, value)) continue;
        put_separator(n);
        if (label_name_is_legacy(str_of(key)))
            buf_addstr(n->out, key);
        else
            put_quoted(n->out, key);
        buf_addch(n->out, '=');
        put_quoted(n->out, text_of(value));
    }
    if (n->open)
        buf_addch(n->out, '}');
    else if (n->out->len == start)
        buf_addstr(n->out, "{}");
}

void series_put_name(struct buf *out, json_t *metric)
{
    struct naming n = {.out = out};
    put_name(&n, metric);
}

void series_put_legend(struct buf *out, json_t *metric, json_t *const *list, size_t count)
{
    struct naming n = {.out = out, .list = count > 1 ? list : NULL, .count = count};
    put_name(&n, metric);
}
