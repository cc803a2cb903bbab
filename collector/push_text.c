/* push_text.c -- an exposition, pushed: old samples of somewhere else, or what a script counted.
 *
 * The cache knows a series by its bytes, behind a prefix that no other format's key begins with:
 * the same bytes can be another series under another TYPE line (bounds are normalised) or with
 * other extra labels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/push_int.h"

struct import {
    const struct push_text *how;
    struct expo x;
    size_t prefix_len;
    struct buf labels; /* scratch of expo_labels */
    struct metric_metadata metadata;
    struct buf help;
};

enum { SERIES_MAX_BYTES = 1 << 20 };

/* Whether bounds of this type's series are normalised. */
static char kind_of(enum metric_type type)
{
    return type == METRIC_HISTOGRAM ? 'h' : type == METRIC_SUMMARY ? 's' : '-';
}

/* "\n\1", then the extra labels. */
static void begin_key(struct push *s, struct import *m)
{
    buf_reset(&s->scratch);
    buf_addstr(&s->scratch, "\n\1");
    for (size_t i = 0; i < m->how->extra.count; i++) {
        struct label l = m->how->extra.v[i];
        buf_add(&s->scratch, l.name.p, l.name.len);
        buf_addch(&s->scratch, '\0');
        buf_add(&s->scratch, l.value.p, l.value.len);
        buf_addch(&s->scratch, '\0');
    }
    m->prefix_len = s->scratch.len;
}

static int resolve(struct push *s, const struct push_source *from, tsdb_ref *ref,
                   struct errmsg *err)
{
    struct import *m = s->format;
    struct expo_entry e = {
        .series = from->head, .type = (enum metric_type)from->pos, .line = from->line};
    int rc = expo_labels(&e, m->how->format, &s->labels, &m->labels, err);
    for (size_t i = 0; i < m->how->extra.count && rc == 0; i++)
        label_builder_set(&s->labels, m->how->extra.v[i].name, m->how->extra.v[i].value);
    if (rc == 0 && s->labels.err < 0)
        rc = errmsg_at(err, E_LIMIT, from->line, 1, "too many labels");
    return rc < 0 ? rc : push_series(s, from->line, ref, err);
}

static int find_series(struct push *s, const struct expo_entry *e, const struct push_source *from,
                       tsdb_ref *ref, struct errmsg *err)
{
    struct import *m = s->format;
    bool is_new;
    buf_truncate(&s->scratch, m->prefix_len);
    buf_addch(&s->scratch, kind_of(e->type));
    buf_add(&s->scratch, e->series.p, e->series.len);
    if (s->scratch.err < 0) {
        begin_key(s, m);
        return errmsg_at(err, E_INVALID, e->line, 1, "the series is too long");
    }
    return push_cached(s, (struct str){s->scratch.p, s->scratch.len}, from, ref, &is_new, err);
}

static int take_series(struct push *s, const struct expo_entry *e, struct errmsg *err)
{
    const struct import *m = s->format;
    const struct push_source from = {.head = e->series, .pos = (size_t)e->type, .line = e->line};
    struct errmsg why = {0};
    tsdb_ref ref = 0;
    int64_t t_ms = e->has_timestamp ? e->timestamp_ms : m->how->t_ms ? m->how->t_ms : s->now_ms;
    if (e->is_created) return 0; /* when a counter began: no sample */
    int rc = find_series(s, e, &from, &ref, &why);
    if (push_is_refusal(rc)) {
        s->r->lines++;
        push_drop_samples(s, 1, &why);
        return 0;
    }
    if (rc < 0) {
        *err = why;
        return rc;
    }
    s->r->lines++;
    return push_point(s, &from, ref, t_ms, e->value);
}

/* --- metadata ----------------------------------------------------------------------------------
 */

/* What the lines so far said of one family goes to the store; what that refuses is left out. */
static void end_metadata(struct push *s, struct import *m)
{
    if (m->metadata.name.len && tsdb_metadata_set(s->p->db, &m->metadata) < 0)
        m->metadata.type = METRIC_UNKNOWN;
    m->metadata = (struct metric_metadata){.help = STR(""), .unit = STR("")};
}

static void take_metadata(struct push *s, struct import *m, const struct expo_entry *e)
{
    if (!str_eq(m->metadata.name, e->name)) end_metadata(s, m);
    m->metadata.name = e->name;
    if (e->kind == EXPO_TYPE) m->metadata.type = e->type;
    if (e->kind == EXPO_UNIT) m->metadata.unit = e->text;
    if (e->kind != EXPO_HELP) return;
    buf_reset(&m->help);
    if (expo_unescape(e->text, &m->help) == 0 && m->help.p)
        m->metadata.help = (struct str){m->help.p, m->help.len};
}

static int take_entry(struct push *s, struct import *m, const struct expo_entry *e,
                      struct errmsg *err)
{
    switch (e->kind) {
    case EXPO_SERIES:
        return take_series(s, e, err);
    case EXPO_TYPE:
    case EXPO_HELP:
    case EXPO_UNIT:
        take_metadata(s, m, e);
        break;
    case EXPO_COMMENT:
    case EXPO_EOF:
        break;
    }
    return 0;
}

static int run(struct push *s, struct import *m)
{
    struct expo_entry e;
    int more = 1;
    while (more != 0) {
        struct errmsg err = {0};
        size_t before = m->x.pos;
        more = expo_next(&m->x, &e, &err);
        int rc = more > 0 ? take_entry(s, m, &e, &err) : more;
        bool no_eof = rc == E_PARSE && m->x.pos == before; /* an OpenMetrics text's # EOF */
        if (no_eof && s->r->bad_lines) break;
        if (rc == E_PARSE) {
            s->r->bad_lines++;
            push_note_error(s, &err);
            if (no_eof) break;
        } else if (rc < 0) {
            push_note_error(s, &err);
            return rc;
        }
        if ((rc = push_flush_full(s)) < 0) return rc;
    }
    end_metadata(s, m);
    return push_flush(s);
}

int push_text(struct pusher *p, struct str body, const struct push_text *how, struct push_result *r)
{
    struct import m = {
        .how = how,
        .labels = BUF_INIT(SERIES_MAX_BYTES),
        .help = BUF_INIT(SERIES_MAX_BYTES),
        .metadata = {.help = STR(""), .unit = STR("")}
    };
    struct push *s = push_begin(p, resolve, &m, r);
    if (!s) return -ENOMEM;
    expo_init(&m.x, body, how->format);
    begin_key(s, &m);
    int rc = run(s, &m);
    push_end(s);
    buf_release(&m.labels);
    buf_release(&m.help);
    return rc;
}
