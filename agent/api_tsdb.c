/* api_tsdb.c -- /api/v1/status/tsdb and walreplay: the store in numbers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/api_status.h"
#include "tsdb/admin.h"

enum { LIMIT_DEFAULT = 10, LIMIT_MAX = 100000, RANKS_BYTES = 64 << 20 };

/* Without samples in memory, the newest stored one's time stands for both ends; without any sample
 * both are as Prometheus has them then. */
static void put_head(struct json *j, const struct tsdb_stats *s, const struct tsdb_cardinality *c)
{
    bool in_head = s->head_min_ms <= s->head_max_ms;
    bool stored = s->newest_ms != INT64_MIN;
    json_kv_obj(j, "headStats");
    json_kv_uint(j, "numSeries", c->series);
    json_kv_uint(j, "numLabelPairs", c->label_pairs);
    json_kv_uint(j, "chunkCount", c->chunks);
    json_kv_int(j, "minTime", in_head || !stored ? s->head_min_ms : s->newest_ms);
    json_kv_int(j, "maxTime", in_head || !stored ? s->head_max_ms : s->newest_ms);
    json_end(j);
}

static void put_ranking(struct json *j, const char *key, const struct tsdb_rank *v, size_t count)
{
    struct buf name = BUF_INIT((size_t)1 << 20);
    json_kv_arr(j, key);
    for (size_t i = 0; i < count; i++) {
        buf_reset(&name);
        buf_add(&name, v[i].name.p, v[i].name.len);
        if (v[i].value.len) {
            buf_addch(&name, '=');
            buf_add(&name, v[i].value.p, v[i].value.len);
        }
        json_obj(j);
        json_kv_str(j, "name", (struct str){name.p, name.len});
        json_kv_uint(j, "value", v[i].count);
        json_end(j);
    }
    json_end(j);
    buf_release(&name);
}

/* What Prometheus has no name for. */
static void put_store(struct json *j, const struct tsdb_stats *s)
{
    const struct {
        const char *key;
        uint64_t v;
    } numbers[] = {
        {"headBytes",        s->head_bytes       },
        {"samplesAppended",  s->samples_appended },
        {"duplicates",       s->duplicates       },
        {"outOfOrder",       s->out_of_order     },
        {"tooOld",           s->too_old          },
        {"tooNew",           s->too_new          },
        {"seriesCreated",    s->series_created   },
        {"seriesRefused",    s->series_refused   },
        {"walBytes",         s->wal_bytes        },
        {"walSyncs",         s->wal_syncs        },
        {"walFailures",      s->wal_failures     },
        {"partitions",       s->partitions       },
        {"partitionBytes",   s->partition_bytes  },
        {"futurePartitions", s->future_partitions},
        {"flushes",          s->flushes          },
        {"quarantined",      s->quarantined      },
        {"deletions",        s->deletions        },
    };
    json_kv_obj(j, "store");
    for (size_t i = 0; i < COUNT(numbers); i++)
        json_kv_uint(j, numbers[i].key, numbers[i].v);
    json_kv_int(j, "oldestTime", s->oldest_ms == INT64_MAX ? 0 : s->oldest_ms);
    json_kv_int(j, "newestTime", s->newest_ms == INT64_MIN ? 0 : s->newest_ms);
    json_kv_bool(j, "writable", s->writable);
    json_end(j);
}

static int read_limit(const struct request *r, struct response *p, size_t *limit)
{
    struct str s = request_param(r, "limit");
    int64_t v = LIMIT_DEFAULT;
    if (s.len && (str_to_i64(s, &v) < 0 || v < 1)) {
        response_fail(p, "bad_data", "limit must be a positive number");
        return -1;
    }
    *limit = (size_t)MIN(v, LIMIT_MAX);
    return 0;
}

void api_tsdb_status(struct app *a, struct request *r, struct response *p)
{
    static const char *const keys[TSDB_RANKINGS] = {
        [TSDB_SERIES_BY_METRIC] = "seriesCountByMetricName",
        [TSDB_VALUES_BY_LABEL] = "labelValueCountByLabelName",
        [TSDB_BYTES_BY_LABEL] = "memoryInBytesByLabelName",
        [TSDB_SERIES_BY_PAIR] = "seriesCountByLabelValuePair",
    };
    struct json j;
    struct tsdb_stats s;
    struct tsdb_cardinality c;
    struct arena arena;
    size_t limit = 0;
    if (read_limit(r, p, &limit) < 0) return;
    arena_init(&arena, RANKS_BYTES);
    tsdb_stats(a->db, &s);
    int rc = tsdb_cardinality(a->db, limit, &arena, &c);
    if (rc < 0) {
        response_fail(p, "internal", "cannot count the series: %s", err_text(rc));
    } else {
        api_begin(p, &j);
        json_obj(&j);
        put_head(&j, &s, &c);
        for (size_t i = 0; i < TSDB_RANKINGS; i++)
            put_ranking(&j, keys[i], c.rankings[i].v, c.rankings[i].count);
        put_store(&j, &s);
        json_end(&j);
        api_end(p, &j, NULL, false);
    }
    arena_release(&arena);
}

/* Segments of the log that the start found; replaying ends before the store is there to be asked.
 */
void api_walreplay(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct tsdb_stats s = {0};
    UNUSED(r);
    if (app_ready(a)) tsdb_stats(a->db, &s);
    api_begin(p, &j);
    json_obj(&j);
    json_kv_uint(&j, "min", s.wal_first_segment);
    json_kv_uint(&j, "max", s.wal_last_segment);
    json_kv_uint(&j, "current", s.wal_last_segment);
    json_end(&j);
    api_end(p, &j, NULL, false);
}
