/* select_int.h -- the inside of reading, for select*.c alone.
 *
 * select.c resolves matchers to items, select_read.c reads an item's samples, select_labels.c
 * answers for label names and values without making items.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_SELECT_INT_H
#define TOCSIN_TSDB_SELECT_INT_H

#include "tsdb/budget.h"
#include "tsdb/tsdb_int.h"

enum { NO_SERIES = 0 };

/* One selected series. */
struct item {
    struct labels labels; /* in the request's arena */
    uint64_t hash;
    uint32_t slot, id; /* in the head; id NO_SERIES: the head does not know it */
    uint32_t first_alias, aliases;
};

/* Another id a series has in some day file. */
struct alias {
    uint32_t item, id;
    int64_t day_ms;
};

struct tsdb_set {
    struct series_set set; /* first */
    struct tsdb *db;
    struct budget_watch watch;
    struct query_budget *budget;
    struct arena *arena; /* what it may still give bounds the samples of one series */
    int64_t start_ms, end_ms;
    bool latest_only, presence_only; /* presence_only: series that have samples, without them */

    struct item *items; /* in the arena */
    size_t count, cap, at;
    struct alias *aliases;
    size_t alias_count, alias_cap;

    struct sample_vec samples, from_head;
    struct cut_vec cuts;

    bool opened; /* days and readers are there, as of flush_seq */
    uint64_t flush_seq;
    int64_t opened_ns;
    struct day **days;
    struct partition_reader **readers; /* opened when first needed */
    size_t day_count;
};

void set_init(struct tsdb_set *set, struct tsdb *db, const struct select_request *r,
              struct errmsg *err);
void set_release(struct tsdb_set *set);

/* The samples of an item in the set's range, into set->samples, in order. */
int set_read_item(struct tsdb_set *set, struct item *item) MUST_CHECK;
/* 1 when it has any, 0 when not. */
int set_item_is_present(struct tsdb_set *set, struct item *item) MUST_CHECK;
/* Whether a day file has samples under an id; the same values. */
int set_id_is_present(struct tsdb_set *set, int64_t day_ms, uint32_t id) MUST_CHECK;
/* Whether a series has any, as far as the head can tell without decoding. head.lock held. */
enum presence { PRESENCE_NONE, PRESENCE_SURE, PRESENCE_UNKNOWN };
enum presence head_presence(const struct tsdb *db, const struct series *s, int64_t start_ms,
                            int64_t end_ms);

/* Reading the head's index: taken for reading, looked up from now and then, and let go for a moment
 * each millisecond so that new series do not wait. */
struct index_reading {
    struct index_pause pause; /* first */
    struct budget_watch watch;
    struct head *head; /* NULL: another index, never let go */
    uint64_t index_seq;
    int64_t since_ns;
    unsigned calls;
};
void index_reading_begin(struct index_reading *g, struct tsdb *db, struct query_budget *b,
                         struct errmsg *err);
void index_reading_end(struct index_reading *g);

/* The text of a failed read: which limit it was, or what went wrong. */
int select_failed(const struct select_request *r, const char *what, int rc, struct errmsg *err);

/* select_labels.c: of struct querier_ops. */
int tsdb_label_names(struct querier *q, const struct select_request *r, str_visit_fn *each,
                     void *arg, struct errmsg *err);
int tsdb_label_values(struct querier *q, struct str name, const struct select_request *r,
                      str_visit_fn *each, void *arg, struct errmsg *err);

#endif
