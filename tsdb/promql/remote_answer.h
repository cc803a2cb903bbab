/* remote_answer.h -- reading what a Prometheus-compatible engine answers.
 *
 * Pure: bytes in as they come, a struct remote_reply out; what is kept lives in the caller's arena
 * and under its ceiling. Nothing the other side sends is believed: types, times, values, order and
 * uniqueness are checked, unknown members are passed over.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_REMOTE_ANSWER_H
#define TOCSIN_TSDB_PROMQL_REMOTE_ANSWER_H

#include "tsdb/promql/promql.h"
#include "tsdb/tsdb.h"

/* What "data" is to be. */
enum remote_kind {
    REMOTE_QUERY,    /* of query and query_range */
    REMOTE_NAMES,    /* of labels and label/NAME/values: a list of texts */
    REMOTE_SERIES,   /* a list of label sets */
    REMOTE_METADATA, /* metric -> [{type, help, unit}] */
};

struct remote_reply {
    bool success;        /* "status" */
    char error_type[32]; /* of a failure, as sent: told to a person, not to be printed raw */
    char error[320];
    /* REMOTE_QUERY. type is T_NONE when there was no data. Annotations may come with any kind. */
    struct promql_result result;
    struct str *names; /* REMOTE_NAMES: sorted, unique */
    size_t name_count;
    struct labels *sets; /* REMOTE_SERIES: sorted, unique */
    size_t set_count;
    struct metric_metadata *metadata; /* REMOTE_METADATA: one a metric, sorted */
    size_t metadata_count;
};

struct remote_answer;
/* budget (may be NULL) is charged with series and points as they come. */
int remote_answer_new(struct remote_answer **out, enum remote_kind kind, struct arena *arena,
                      struct query_budget *budget) MUST_CHECK;
void remote_answer_free(struct remote_answer *a);
/* The next piece of the body. E_PARSE: not an answer, with what is wrong in err; E_LIMIT: over the
 * budget or the arena's ceiling. Later calls return the first failure again. */
int remote_answer_feed(struct remote_answer *a, struct str piece, struct errmsg *err) MUST_CHECK;
/* The body is at its end: *out is filled, 0; or as feed. A well-formed failure is 0, too. */
int remote_answer_end(struct remote_answer *a, struct remote_reply *out,
                      struct errmsg *err) MUST_CHECK;

#endif
