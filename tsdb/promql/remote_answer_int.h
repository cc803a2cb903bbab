/* remote_answer_int.h -- an answer under way, as the files that read it see it.
 *
 *     remote_answer.c  what may stand where, and what becomes of it
 *     remote_finish.c  what was read, checked as a whole
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_REMOTE_ANSWER_INT_H
#define TOCSIN_TSDB_PROMQL_REMOTE_ANSWER_INT_H

#include "core/json_scan.h"
#include "tsdb/promql/remote_answer.h"

enum { REMOTE_DEEPEST = 8 };

enum place {
    PLACE_TOP,
    PLACE_ENVELOPE,
    PLACE_WARNINGS,
    PLACE_INFOS,
    PLACE_DATA,
    PLACE_RESULT,
    PLACE_SERIES,
    PLACE_METRIC,
    PLACE_POINTS,
    PLACE_POINT,
    PLACE_NAMES,
    PLACE_SETS,
    PLACE_METADATA,
    PLACE_METAS,
    PLACE_META,
    PLACE_UNKNOWN, /* to: pass over */
};

/* A label of the set under way: offsets into texts. */
struct answer_span {
    size_t name, name_len, value, value_len;
};

/* Grown on the heap, copied to the arena when its size is known. */
struct answer_list {
    void *v;
    size_t count, cap;
};

struct remote_answer {
    enum remote_kind kind;
    struct arena *arena;
    struct query_budget *budget;
    struct json_scan scan;
    struct errmsg *err; /* of the call under way */
    enum place stack[REMOTE_DEEPEST];
    int depth, skip; /* skip: levels of what is passed over */
    struct buf key;
    struct remote_reply reply;
    struct answer_list points; /* struct promql_point, of the series under way */
    struct answer_list series; /* struct promql_series_result */
    struct answer_list names;  /* struct str */
    struct answer_list sets;   /* struct labels */
    struct answer_list metas;  /* struct metric_metadata */
    struct answer_list notes;  /* struct promql_annotation */
    struct answer_span spans[LABELS_MAX];
    size_t span_count;
    struct buf texts; /* of spans */
    struct labels labels;
    struct str metric; /* whose metadata comes */
    struct metric_metadata meta;
    int part; /* of a point: 0 the time, 1 the value */
    struct promql_point point;
    struct str text; /* the value of a scalar or string result */
    bool histogram, histograms_dropped;
};

/* Fails with E_LIMIT or -ENOMEM; the second asks the arena which. */
int answer_no_room(struct remote_answer *a, int rc);
int answer_arena_full(struct remote_answer *a);
int answer_add_note(struct remote_answer *a, bool warning, struct str text) MUST_CHECK;
int answer_parse_value(struct remote_answer *a, struct str text, double *out) MUST_CHECK;

/* The whole of a successful answer: what it must have, order, uniqueness; into a->reply. */
int answer_finish(struct remote_answer *a) MUST_CHECK;

#endif
