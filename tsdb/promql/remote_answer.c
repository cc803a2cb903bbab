/* remote_answer.c -- a table of what may stand where in an answer, and what becomes of it.
 *
 * The events of core/json_scan.h move a stack of places; a row says what a value at a place (and,
 * in objects, under a key) does: enter another place, or be taken.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/remote_answer_int.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "tsdb/budget.h"

enum { TOKEN_MAX = 1 << 20, NOTES_MAX = 100 };

#define TIME_MAX_MS 9007199254740992.0 /* 2^53: beyond it seconds as a double are not exact */

/* --- failures --- */

int answer_no_room(struct remote_answer *a, int rc)
{
    if (rc == -ENOMEM) return errmsg_set(a->err, -ENOMEM, "out of memory");
    return errmsg_set(a->err, E_LIMIT, "the answer needs more than the %zu MiB a query may use",
                      a->arena->max >> 20);
}

int answer_arena_full(struct remote_answer *a)
{
    return answer_no_room(a, a->arena->err ? a->arena->err : -ENOMEM);
}

/* Appends a copy of an item. */
static int list_add(struct remote_answer *a, struct answer_list *l, const void *item, size_t size)
{
    int rc = mem_grow(&l->v, &l->cap, l->count + 1, MAX(a->arena->max / size, 1), size);
    if (rc) return answer_no_room(a, rc);
    memcpy((char *)l->v + l->count++ * size, item, size);
    return 0;
}

/* --- the envelope --- */

typedef int take_fn(struct remote_answer *a, enum json_event e, struct str text);

static int take_status(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    a->reply.success = str_eq(text, STR("success"));
    return 0;
}

static int take_error_type(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    snprintf(a->reply.error_type, sizeof a->reply.error_type, "%.*s", (int)MIN(text.len, 31),
             text.p);
    return 0;
}

static int take_error(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    snprintf(a->reply.error, sizeof a->reply.error, "%.*s", (int)MIN(text.len, 319), text.p);
    return 0;
}

int answer_add_note(struct remote_answer *a, bool warning, struct str text)
{
    if (a->notes.count == NOTES_MAX) return 0;
    struct promql_annotation note = {warning, arena_strndup(a->arena, text.p, text.len)};
    return note.text ? list_add(a, &a->notes, &note, sizeof note) : answer_arena_full(a);
}

static int take_warning(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    return answer_add_note(a, true, text);
}

static int take_info(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    return answer_add_note(a, false, text);
}

static int take_partial(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(text);
    if (e == JSON_FALSE) return 0;
    return answer_add_note(a, true, STR("the engine says that its answer is partial"));
}

static int take_type(struct remote_answer *a, enum json_event e, struct str text)
{
    static const struct {
        struct str name;
        enum value_type type;
    } types[] = {
        {STR("vector"), T_VECTOR},
        {STR("matrix"), T_MATRIX},
        {STR("scalar"), T_SCALAR},
        {STR("string"), T_STRING},
    };
    UNUSED(e);
    for (size_t i = 0; i < COUNT(types); i++)
        if (str_eq(text, types[i].name)) {
            a->reply.result.type = types[i].type;
            return 0;
        }
    return errmsg_set(a->err, E_PARSE, "resultType is \"%.*s\"", (int)MIN(text.len, 40), text.p);
}

/* --- label sets --- */

static int begin_labels(struct remote_answer *a)
{
    a->span_count = 0;
    buf_reset(&a->texts);
    return 0;
}

static int take_label(struct remote_answer *a, enum json_event e, struct str text)
{
    struct str name = {a->key.p, a->key.len};
    UNUSED(e);
    if (text.len == 0) return 0; /* a label without value is no label */
    if (!label_name_is_valid(name)) return errmsg_set(a->err, E_PARSE, "a label without a name");
    if (a->span_count == LABELS_MAX)
        return errmsg_set(a->err, E_PARSE, "a series of more than %d labels", LABELS_MAX);
    size_t at = a->texts.len;
    buf_add(&a->texts, name.p, name.len);
    if (buf_add(&a->texts, text.p, text.len)) return answer_no_room(a, a->texts.err);
    a->spans[a->span_count++] = (struct answer_span){at, name.len, at + name.len, text.len};
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

static int end_labels(struct remote_answer *a)
{
    struct label v[LABELS_MAX];
    for (size_t i = 0; i < a->span_count; i++) {
        const struct answer_span *s = &a->spans[i];
        v[i] = (struct label){
            {a->texts.p + s->name,  s->name_len },
            {a->texts.p + s->value, s->value_len}
        };
    }
    if (a->span_count) qsort(v, a->span_count, sizeof v[0], by_name);
    for (size_t i = 1; i < a->span_count; i++)
        if (str_eq(v[i - 1].name, v[i].name))
            return errmsg_set(a->err, E_PARSE, "a series has the label \"%.*s\" twice",
                              (int)MIN(v[i].name.len, 60), v[i].name.p);
    if (labels_copy(a->arena, (struct labels){v, a->span_count}, &a->labels))
        return answer_arena_full(a);
    if (a->kind != REMOTE_SERIES) return 0;
    int rc = list_add(a, &a->sets, &a->labels, sizeof a->labels);
    return rc ? rc : budget_series(a->budget, 1, a->err);
}

/* --- points --- */

static int begin_point(struct remote_answer *a)
{
    a->part = 0;
    return 0;
}

static int take_time(struct remote_answer *a, struct str text)
{
    double seconds;
    if (str_to_double(text, &seconds) == 0 && fabs(seconds * 1000) <= TIME_MAX_MS) {
        a->point.t_ms = llround(seconds * 1000);
        return 0;
    }
    return errmsg_set(a->err, E_PARSE, "the time %.*s is out of range", (int)MIN(text.len, 40),
                      text.p);
}

int answer_parse_value(struct remote_answer *a, struct str text, double *out)
{
    if (str_to_double(text, out) != E_PARSE) return 0;
    return errmsg_set(a->err, E_PARSE, "\"%.*s\" is not a value", (int)MIN(text.len, 40), text.p);
}

static int take_part(struct remote_answer *a, enum json_event e, struct str text)
{
    bool in_point = a->stack[a->depth] == PLACE_POINT;
    int part = a->part++;
    if (part > 1 || (e == JSON_NUMBER) != (part == 0))
        return errmsg_set(a->err, E_PARSE, "a sample is not [time, \"value\"]");
    if (part == 0) return take_time(a, text);
    if (in_point) return answer_parse_value(a, text, &a->point.v);
    a->text = arena_str(a->arena, text);
    return a->text.p ? 0 : answer_arena_full(a);
}

static int end_point(struct remote_answer *a)
{
    if (a->part != 2) return errmsg_set(a->err, E_PARSE, "a sample is not [time, \"value\"]");
    const struct promql_point *before = a->points.v;
    if (a->points.count && a->point.t_ms <= before[a->points.count - 1].t_ms)
        return errmsg_set(a->err, E_PARSE, "the samples of a series are not in time order");
    int rc = list_add(a, &a->points, &a->point, sizeof a->point);
    return rc ? rc : budget_samples(a->budget, 1, a->err);
}

/* --- series --- */

static int begin_series(struct remote_answer *a)
{
    a->points.count = 0;
    a->histogram = false;
    a->labels = (struct labels){0};
    return 0;
}

static int note_histogram(struct remote_answer *a)
{
    a->histogram = true;
    return 0;
}

static int end_series(struct remote_answer *a)
{
    a->histograms_dropped |= a->histogram;
    if (a->points.count == 0) return 0;
    struct promql_series_result s = {.labels = a->labels, .count = a->points.count};
    s.points = arena_dup(a->arena, a->points.v, s.count * sizeof *s.points);
    if (!s.points) return answer_arena_full(a);
    a->reply.result.samples += s.count;
    int rc = list_add(a, &a->series, &s, sizeof s);
    return rc ? rc : budget_series(a->budget, 1, a->err);
}

/* --- names and metadata --- */

static int take_name(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    struct str copy = arena_str(a->arena, text);
    return copy.p ? list_add(a, &a->names, &copy, sizeof copy) : answer_arena_full(a);
}

static int begin_metas(struct remote_answer *a)
{
    a->metric = arena_str(a->arena, (struct str){a->key.p, a->key.len});
    return a->metric.p ? 0 : answer_arena_full(a);
}

static int begin_meta(struct remote_answer *a)
{
    a->meta = (struct metric_metadata){a->metric, STR(""), STR(""), METRIC_UNKNOWN};
    return 0;
}

static int take_metric_type(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    for (int i = METRIC_UNKNOWN; i <= METRIC_STATESET; i++)
        if (str_eq(text, str_of(metric_type_name((enum metric_type)i))))
            a->meta.type = (enum metric_type)i;
    return 0;
}

static int take_help(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    a->meta.help = arena_str(a->arena, text);
    return a->meta.help.p ? 0 : answer_arena_full(a);
}

static int take_unit(struct remote_answer *a, enum json_event e, struct str text)
{
    UNUSED(e);
    a->meta.unit = arena_str(a->arena, text);
    return a->meta.unit.p ? 0 : answer_arena_full(a);
}

static int end_meta(struct remote_answer *a)
{
    return list_add(a, &a->metas, &a->meta, sizeof a->meta);
}

/* --- the table --- */

#define BIT(n)  (1u << (n))
#define OBJECT  BIT(JSON_OBJECT)
#define ARRAY   BIT(JSON_ARRAY)
#define STRING  BIT(JSON_STRING)
#define NUMBER  BIT(JSON_NUMBER)
#define BOOLEAN (BIT(JSON_TRUE) | BIT(JSON_FALSE))
#define ANY     (~0u)

/* A value of one of the types, at a place, under a key (NULL: any), in an answer of these kinds:
 * to and begin where it is a container, take where it is not. In the order of places. */
static const struct row {
    enum place in;
    const char *key;
    unsigned kinds, types;
    enum place to;
    int (*begin)(struct remote_answer *a);
    take_fn *take;
} rows[] = {
  // clang-format off
    {PLACE_TOP,      NULL,         ANY,                  OBJECT,          PLACE_ENVELOPE, NULL,           NULL},
    {PLACE_ENVELOPE, "status",     ANY,                  STRING,          PLACE_TOP,      NULL,           take_status},
    {PLACE_ENVELOPE, "errorType",  ANY,                  STRING,          PLACE_TOP,      NULL,           take_error_type},
    {PLACE_ENVELOPE, "error",      ANY,                  STRING,          PLACE_TOP,      NULL,           take_error},
    {PLACE_ENVELOPE, "warnings",   ANY,                  ARRAY,           PLACE_WARNINGS, NULL,           NULL},
    {PLACE_ENVELOPE, "infos",      ANY,                  ARRAY,           PLACE_INFOS,    NULL,           NULL},
    {PLACE_ENVELOPE, "isPartial",  ANY,                  BOOLEAN,         PLACE_TOP,      NULL,           take_partial},
    {PLACE_ENVELOPE, "data",       BIT(REMOTE_QUERY),    OBJECT,          PLACE_DATA,     NULL,           NULL},
    {PLACE_ENVELOPE, "data",       BIT(REMOTE_NAMES),    ARRAY,           PLACE_NAMES,    NULL,           NULL},
    {PLACE_ENVELOPE, "data",       BIT(REMOTE_SERIES),   ARRAY,           PLACE_SETS,     NULL,           NULL},
    {PLACE_ENVELOPE, "data",       BIT(REMOTE_METADATA), OBJECT,          PLACE_METADATA, NULL,           NULL},
    {PLACE_WARNINGS, NULL,         ANY,                  STRING,          PLACE_TOP,      NULL,           take_warning},
    {PLACE_INFOS,    NULL,         ANY,                  STRING,          PLACE_TOP,      NULL,           take_info},
    {PLACE_DATA,     "resultType", ANY,                  STRING,          PLACE_TOP,      NULL,           take_type},
    {PLACE_DATA,     "result",     ANY,                  ARRAY,           PLACE_RESULT,   begin_point,    NULL},
    {PLACE_RESULT,   NULL,         ANY,                  OBJECT,          PLACE_SERIES,   begin_series,   NULL},
    {PLACE_RESULT,   NULL,         ANY,                  NUMBER | STRING, PLACE_TOP,      NULL,           take_part},
    {PLACE_SERIES,   "metric",     ANY,                  OBJECT,          PLACE_METRIC,   begin_labels,   NULL},
    {PLACE_SERIES,   "value",      ANY,                  ARRAY,           PLACE_POINT,    begin_point,    NULL},
    {PLACE_SERIES,   "values",     ANY,                  ARRAY,           PLACE_POINTS,   NULL,           NULL},
    {PLACE_SERIES,   "histogram",  ANY,                  ARRAY,           PLACE_UNKNOWN,  note_histogram, NULL},
    {PLACE_SERIES,   "histograms", ANY,                  ARRAY,           PLACE_UNKNOWN,  note_histogram, NULL},
    {PLACE_METRIC,   NULL,         ANY,                  STRING,          PLACE_TOP,      NULL,           take_label},
    {PLACE_POINTS,   NULL,         ANY,                  ARRAY,           PLACE_POINT,    begin_point,    NULL},
    {PLACE_POINT,    NULL,         ANY,                  NUMBER | STRING, PLACE_TOP,      NULL,           take_part},
    {PLACE_NAMES,    NULL,         ANY,                  STRING,          PLACE_TOP,      NULL,           take_name},
    {PLACE_SETS,     NULL,         ANY,                  OBJECT,          PLACE_METRIC,   begin_labels,   NULL},
    {PLACE_METADATA, NULL,         ANY,                  ARRAY,           PLACE_METAS,    begin_metas,    NULL},
    {PLACE_METAS,    NULL,         ANY,                  OBJECT,          PLACE_META,     begin_meta,     NULL},
    {PLACE_META,     "type",       ANY,                  STRING,          PLACE_TOP,      NULL,           take_metric_type},
    {PLACE_META,     "help",       ANY,                  STRING,          PLACE_TOP,      NULL,           take_help},
    {PLACE_META,     "unit",       ANY,                  STRING,          PLACE_TOP,      NULL,           take_unit},
  // clang-format on
};

/* Whether values at a place have keys; and what is done when the place is left. */
static const struct {
    bool keyed;
    int (*end)(struct remote_answer *a);
} places[] = {
    [PLACE_ENVELOPE] = {true,  NULL      },
      [PLACE_DATA] = {true,  NULL      },
    [PLACE_SERIES] = {true,  end_series},
      [PLACE_METRIC] = {true,  end_labels},
    [PLACE_POINT] = {false, end_point },
      [PLACE_METADATA] = {true,  NULL      },
    [PLACE_META] = {true,  end_meta  },
      [PLACE_UNKNOWN] = {false, NULL      },
};

/* The first row of a place, or of one after it: rows stand in the order of places. */
static size_t first_row(enum place at)
{
    size_t lo = 0, hi = COUNT(rows);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (rows[mid].in < at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The row of a value; NULL with *known when only the type is wrong. */
static const struct row *find_row(const struct remote_answer *a, enum json_event e, bool *known)
{
    enum place at = a->stack[a->depth];
    struct str key = {a->key.p ? a->key.p : "", a->key.len};
    *known = false;
    for (size_t i = first_row(at); i < COUNT(rows) && rows[i].in == at; i++) {
        const struct row *r = &rows[i];
        if (!(r->kinds & BIT(a->kind)) || (r->key && !str_eq(key, str_of(r->key)))) continue;
        *known = true;
        if (r->types & BIT(e)) return r;
    }
    return NULL;
}

static bool is_container(enum json_event e)
{
    return e == JSON_OBJECT || e == JSON_ARRAY;
}

static int wrong_type(struct remote_answer *a, enum json_event e)
{
    const char *what = json_event_name(e);
    if (!places[a->stack[a->depth]].keyed)
        return errmsg_set(a->err, E_PARSE, "%s stands where it makes no sense", what);
    return errmsg_set(a->err, E_PARSE, "\"%.*s\" is %s", (int)MIN(a->key.len, 60), a->key.p, what);
}

static int on_value(struct remote_answer *a, enum json_event e, struct str text)
{
    bool known, keyed = places[a->stack[a->depth]].keyed;
    const struct row *r = find_row(a, e, &known);
    if (!r) {
        if (known && !(keyed && e == JSON_NULL)) return wrong_type(a, e); /* null: absent */
        if (is_container(e)) a->skip = 1;
        return 0;
    }
    if (r->take) return r->take(a, e, text);
    int rc = r->begin ? r->begin(a) : 0;
    if (rc == 0 && r->to == PLACE_UNKNOWN)
        a->skip = 1;
    else if (rc == 0)
        a->stack[++a->depth] = r->to; /* the table is less deep than the stack */
    return rc;
}

static int on_event(void *arg, enum json_event e, struct str text, struct errmsg *err)
{
    struct remote_answer *a = arg;
    UNUSED(err); /* it is a->err */
    if (a->skip) {
        a->skip += is_container(e) ? 1 : e == JSON_END ? -1 : 0;
        return 0;
    }
    if (e == JSON_KEY) {
        buf_reset(&a->key);
        return buf_add(&a->key, text.p, text.len) ? answer_no_room(a, a->key.err) : 0;
    }
    if (e != JSON_END) return on_value(a, e, text);
    enum place left = a->stack[a->depth--];
    return places[left].end ? places[left].end(a) : 0;
}

/* --- life --- */

int remote_answer_end(struct remote_answer *a, struct remote_reply *out, struct errmsg *err)
{
    a->err = err;
    int rc = json_scan_end(&a->scan, err);
    if (rc == 0) rc = answer_finish(a);
    *out = a->reply;
    return rc == E_TOO_BIG ? E_PARSE : rc;
}

int remote_answer_feed(struct remote_answer *a, struct str piece, struct errmsg *err)
{
    a->err = err;
    int rc = json_scan_feed(&a->scan, piece, err);
    return rc == E_TOO_BIG ? E_PARSE : rc;
}

int remote_answer_new(struct remote_answer **out, enum remote_kind kind, struct arena *arena,
                      struct query_budget *budget)
{
    struct remote_answer *a = mem_zalloc(sizeof *a);
    *out = a;
    if (!a) return -ENOMEM;
    a->kind = kind;
    a->arena = arena;
    a->budget = budget;
    buf_init(&a->key, TOKEN_MAX);
    buf_init(&a->texts, MAX(arena->max, TOKEN_MAX));
    json_scan_init(&a->scan, TOKEN_MAX, on_event, a);
    return 0;
}

void remote_answer_free(struct remote_answer *a)
{
    if (!a) return;
    json_scan_release(&a->scan);
    buf_release(&a->key);
    buf_release(&a->texts);
    mem_free(a->points.v);
    mem_free(a->series.v);
    mem_free(a->names.v);
    mem_free(a->sets.v);
    mem_free(a->metas.v);
    mem_free(a->notes.v);
    mem_free(a);
}
