/* self_report.c -- the daemon's own counters as metrics.
 *
 * Runs on the collector thread, once a second: it reads counters under short locks and nothing
 * that could block. Methods and paths from outside never become label values: the route label is
 * the table's text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/self_report.h"

#include <stdio.h>

#include "agent/backend.h"

enum {
    HTTP_REQUESTS,
    HTTP_REQUEST_SECONDS,
    HTTP_CONNECTIONS,
    HTTP_ACCEPTED,
    HTTP_REFUSED_CONNECTIONS,
    HTTP_REAPED,
    HTTP_EVICTED,
    HTTP_HANGUPS,
    HTTP_REFUSED,
    POOL_THREADS,
    POOL_BUSY,
    POOL_QUEUED,
    RELOAD_OK,
    RELOAD_TIME,
    PUSH_REQUESTS,
    PUSH_LINES,
    PUSH_SAMPLES,
    PUSH_BAD_LINES,
    PUSH_STRINGS,
    PUSH_DROPPED,
    PUSH_HISTOGRAMS,
    PUSH_EXEMPLARS,
    TSDB_HEAD_SERIES,
    TSDB_HEAD_BYTES,
    TSDB_SAMPLES,
    TSDB_DUPLICATES,
    TSDB_OUT_OF_ORDER,
    TSDB_REJECTED,
    TSDB_SERIES_CREATED,
    TSDB_SERIES_REFUSED,
    TSDB_WAL_BYTES,
    TSDB_WAL_SYNCS,
    TSDB_WAL_SYNC_SECONDS,
    TSDB_WAL_FAILURES,
    TSDB_WAL_REPLAYED,
    TSDB_DAMAGED,
    TSDB_PARTITIONS,
    TSDB_PARTITION_BYTES,
    TSDB_FLUSHES,
    TSDB_FLUSH_SECONDS,
    TSDB_GROUPS,
    TSDB_WRITABLE,
    NOTIFY_GROUPS,
    NOTIFY_OUTBOX,
    NOTIFY_OUTBOX_OLDEST,
    NOTIFY_ATTEMPTS,
    NOTIFY_DELIVERED,
    NOTIFY_FAILED,
    NOTIFY_DEAD,
    NOTIFY_JOURNAL,
    RULES_GROUPS,
    RULES_RULES,
    RULES_EVALUATIONS,
    RULES_FAILURES,
    RULES_MISSED,
    RULES_SAMPLES,
    RULES_SECONDS,
    RULES_ALERTS,
    REMOTE_REQUESTS,
    REMOTE_FAILURES,
    REMOTE_SECONDS,
    METRICS_END,
};

// clang-format off
const struct metric self_report_metrics[] = {
    [HTTP_REQUESTS] = {"tocsin_http_requests_total",
        "HTTP requests answered, by route and status.", METRIC_COUNTER, UNIT_NONE, false},
    [HTTP_REQUEST_SECONDS] = {"tocsin_http_request_seconds_total",
        "Time from a request's headers to its answer, summed by route.", METRIC_COUNTER, UNIT_SECONDS, false},
    [HTTP_CONNECTIONS] = {"tocsin_http_connections",
        "Open HTTP connections.", METRIC_GAUGE, UNIT_NONE, false},
    [HTTP_ACCEPTED] = {"tocsin_http_connections_accepted_total",
        "HTTP connections accepted.", METRIC_COUNTER, UNIT_NONE, false},
    [HTTP_REFUSED_CONNECTIONS] = {"tocsin_http_connections_refused_total",
        "HTTP connections closed because one address had too many, or all others were at work.", METRIC_COUNTER, UNIT_NONE, false},
    [HTTP_REAPED] = {"tocsin_http_connections_reaped_total",
        "HTTP connections closed because the client was too slow.", METRIC_COUNTER, UNIT_NONE, false},
    [HTTP_EVICTED] = {"tocsin_http_connections_evicted_total",
        "Waiting HTTP connections closed to make room for new ones.", METRIC_COUNTER, UNIT_NONE, false},
    [HTTP_HANGUPS] = {"tocsin_http_hangups_total",
        "Clients that hung up while their request was in work.", METRIC_COUNTER, UNIT_NONE, false},
    [HTTP_REFUSED] = {"tocsin_http_requests_refused_total",
        "HTTP requests answered 503 because a queue was full.", METRIC_COUNTER, UNIT_NONE, false},
    [POOL_THREADS] = {"tocsin_http_pool_threads",
        "Threads of a pool of HTTP workers.", METRIC_GAUGE, UNIT_NONE, false},
    [POOL_BUSY] = {"tocsin_http_pool_busy_threads",
        "Threads of a pool of HTTP workers that are answering.", METRIC_GAUGE, UNIT_NONE, false},
    [POOL_QUEUED] = {"tocsin_http_pool_queued_requests",
        "Requests waiting for a thread of a pool.", METRIC_GAUGE, UNIT_NONE, false},
    [RELOAD_OK] = {"tocsin_config_last_reload_successful",
        "Whether the last load of the configuration succeeded.", METRIC_GAUGE, UNIT_NONE, false},
    [RELOAD_TIME] = {"tocsin_config_last_reload_success_timestamp_seconds",
        "When the configuration in force was loaded.", METRIC_GAUGE, UNIT_SECONDS, false},
    [PUSH_REQUESTS] = {"tocsin_push_requests_total",
        "Bodies of pushed data taken.", METRIC_COUNTER, UNIT_NONE, false},
    [PUSH_LINES] = {"tocsin_push_lines_total",
        "Lines of pushed data taken.", METRIC_COUNTER, UNIT_NONE, false},
    [PUSH_SAMPLES] = {"tocsin_push_samples_total",
        "Samples of pushed data stored.", METRIC_COUNTER, UNIT_NONE, false},
    [PUSH_BAD_LINES] = {"tocsin_push_bad_lines_total",
        "Lines of pushed data that could not be read.", METRIC_COUNTER, UNIT_NONE, false},
    [PUSH_STRINGS] = {"tocsin_push_string_fields_total",
        "String fields of pushed data, which are not stored.", METRIC_COUNTER, UNIT_NONE, false},
    [PUSH_DROPPED] = {"tocsin_push_samples_dropped_total",
        "Samples of pushed data refused: limits, too old, too new.", METRIC_COUNTER, UNIT_NONE, false},
    [PUSH_HISTOGRAMS] = {"tocsin_push_histograms_dropped_total",
        "Native histograms of pushed data, which are not stored.", METRIC_COUNTER, UNIT_NONE, false},
    [PUSH_EXEMPLARS] = {"tocsin_push_exemplars_dropped_total",
        "Exemplars of pushed data, which are not stored.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_HEAD_SERIES] = {"tocsin_tsdb_head_series",
        "Series in memory.", METRIC_GAUGE, UNIT_NONE, false},
    [TSDB_HEAD_BYTES] = {"tocsin_tsdb_head_bytes",
        "Memory of the series in memory.", METRIC_GAUGE, UNIT_BYTES, false},
    [TSDB_SAMPLES] = {"tocsin_tsdb_samples_appended_total",
        "Samples stored.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_DUPLICATES] = {"tocsin_tsdb_duplicate_samples_total",
        "Samples that were there already.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_OUT_OF_ORDER] = {"tocsin_tsdb_out_of_order_samples_total",
        "Samples stored although a later one was there.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_REJECTED] = {"tocsin_tsdb_rejected_samples_total",
        "Samples refused, by reason.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_SERIES_CREATED] = {"tocsin_tsdb_series_created_total",
        "Series created.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_SERIES_REFUSED] = {"tocsin_tsdb_series_refused_total",
        "New series refused by a limit.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_WAL_BYTES] = {"tocsin_tsdb_wal_bytes",
        "Size of the write-ahead log.", METRIC_GAUGE, UNIT_BYTES, false},
    [TSDB_WAL_SYNCS] = {"tocsin_tsdb_wal_syncs_total",
        "Times the write-ahead log was synced to disk.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_WAL_SYNC_SECONDS] = {"tocsin_tsdb_wal_sync_seconds_total",
        "Time syncing the write-ahead log took.", METRIC_COUNTER, UNIT_SECONDS, false},
    [TSDB_WAL_FAILURES] = {"tocsin_tsdb_wal_failures_total",
        "Writes or syncs of the write-ahead log that failed.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_WAL_REPLAYED] = {"tocsin_tsdb_wal_replayed_samples",
        "Samples read back from the write-ahead log at start.", METRIC_GAUGE, UNIT_NONE, false},
    [TSDB_DAMAGED] = {"tocsin_tsdb_damaged",
        "Damaged parts found and set aside since start, by kind.", METRIC_GAUGE, UNIT_NONE, false},
    [TSDB_PARTITIONS] = {"tocsin_tsdb_partitions",
        "Day files of the store.", METRIC_GAUGE, UNIT_NONE, false},
    [TSDB_PARTITION_BYTES] = {"tocsin_tsdb_partition_bytes",
        "Size of the day files.", METRIC_GAUGE, UNIT_BYTES, false},
    [TSDB_FLUSHES] = {"tocsin_tsdb_flushes_total",
        "Slices of the head packed into day files.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_FLUSH_SECONDS] = {"tocsin_tsdb_flush_seconds_total",
        "Time packing took.", METRIC_COUNTER, UNIT_SECONDS, false},
    [TSDB_GROUPS] = {"tocsin_tsdb_groups_written_total",
        "Groups appended to day files.", METRIC_COUNTER, UNIT_NONE, false},
    [TSDB_WRITABLE] = {"tocsin_tsdb_writable",
        "Whether the store takes new samples.", METRIC_GAUGE, UNIT_NONE, false},
    [NOTIFY_GROUPS] = {"tocsin_notify_groups",
        "Groups of alerts that notifications are made from.", METRIC_GAUGE, UNIT_NONE, false},
    [NOTIFY_OUTBOX] = {"tocsin_notify_outbox_messages",
        "Notifications written down and not yet delivered.", METRIC_GAUGE, UNIT_NONE, false},
    [NOTIFY_OUTBOX_OLDEST] = {"tocsin_notify_outbox_oldest_age_seconds",
        "Age of the oldest notification that was not delivered.", METRIC_GAUGE, UNIT_SECONDS, false},
    [NOTIFY_ATTEMPTS] = {"tocsin_notify_attempts_total",
        "Attempts to deliver a notification.", METRIC_COUNTER, UNIT_NONE, false},
    [NOTIFY_DELIVERED] = {"tocsin_notify_delivered_total",
        "Notifications delivered.", METRIC_COUNTER, UNIT_NONE, false},
    [NOTIFY_FAILED] = {"tocsin_notify_failed_attempts_total",
        "Attempts to deliver that failed.", METRIC_COUNTER, UNIT_NONE, false},
    [NOTIFY_DEAD] = {"tocsin_notify_dead_letters_total",
        "Notifications given up.", METRIC_COUNTER, UNIT_NONE, false},
    [NOTIFY_JOURNAL] = {"tocsin_notify_journal_bytes",
        "Size of the notifier's journal.", METRIC_GAUGE, UNIT_BYTES, false},
    [RULES_GROUPS] = {"tocsin_rules_groups",
        "Rule groups in force.", METRIC_GAUGE, UNIT_NONE, false},
    [RULES_RULES] = {"tocsin_rules_loaded",
        "Rules in force.", METRIC_GAUGE, UNIT_NONE, false},
    [RULES_EVALUATIONS] = {"tocsin_rules_evaluations_total",
        "Evaluations of rules.", METRIC_COUNTER, UNIT_NONE, false},
    [RULES_FAILURES] = {"tocsin_rules_evaluation_failures_total",
        "Evaluations of rules that failed.", METRIC_COUNTER, UNIT_NONE, false},
    [RULES_MISSED] = {"tocsin_rules_missed_slots_total",
        "Evaluation slots of groups that passed unused.", METRIC_COUNTER, UNIT_NONE, false},
    [RULES_SAMPLES] = {"tocsin_rules_samples_total",
        "Samples stored by rules.", METRIC_COUNTER, UNIT_NONE, false},
    [RULES_SECONDS] = {"tocsin_rules_evaluation_seconds_total",
        "Time evaluations of rules took.", METRIC_COUNTER, UNIT_SECONDS, false},
    [RULES_ALERTS] = {"tocsin_rules_alerts",
        "Active alerts, by state.", METRIC_GAUGE, UNIT_NONE, false},
    [REMOTE_REQUESTS] = {"tocsin_query_remote_requests_total",
        "Requests to the remote query engine, by HTTP status; none: no answer.", METRIC_COUNTER, UNIT_NONE, false},
    [REMOTE_FAILURES] = {"tocsin_query_remote_failures_total",
        "Requests to the remote query engine without a usable answer.", METRIC_COUNTER, UNIT_NONE, false},
    [REMOTE_SECONDS] = {"tocsin_query_remote_request_seconds_total",
        "Time requests to the remote query engine took.", METRIC_COUNTER, UNIT_SECONDS, false},
};
// clang-format on
const size_t self_report_metric_count = COUNT(self_report_metrics);
_Static_assert(COUNT(self_report_metrics) == METRICS_END, "a row a metric");

#define ROW(id) (&self_report_metrics[id])

struct figure {
    int metric;
    double v;
};

static void emit_figures(struct collect *c, const struct figure *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        emit(c, ROW(v[i].metric), v[i].v);
}

/* --- HTTP --- */

static void emit_count(void *arg, const char *path, int status, uint64_t count)
{
    struct collect *c = arg;
    char code[16];
    if (status)
        snprintf(code, sizeof code, "%d", status);
    else
        snprintf(code, sizeof code, "other");
    EMIT(c, ROW(HTTP_REQUESTS), (double)count, "route", path, "code", code);
}

static void emit_time(void *arg, const char *path, uint64_t count, double seconds)
{
    struct collect *c = arg;
    UNUSED(count);
    EMIT(c, ROW(HTTP_REQUEST_SECONDS), seconds, "route", path);
}

static void report_http(void *arg, struct collect *c)
{
    static const char *const pools[HTTP_POOLS] = {
        [HTTP_STATUS] = "status", [HTTP_QUERY] = "query", [HTTP_WRITE] = "write"};
    struct app *a = arg;
    struct http_stats s;
    route_counters_visit(a->counters, emit_count, NULL, c);
    route_counters_visit(a->counters, NULL, emit_time, c);
    http_server_stats(a->server, &s);
    const struct figure figures[] = {
        {HTTP_CONNECTIONS,         (double)s.conns.open    },
        {HTTP_ACCEPTED,            (double)s.conns.accepted},
        {HTTP_REFUSED_CONNECTIONS, (double)s.conns.refused },
        {HTTP_REAPED,              (double)s.conns.reaped  },
        {HTTP_EVICTED,             (double)s.conns.evicted },
        {HTTP_HANGUPS,             (double)s.conns.hangups },
        {HTTP_REFUSED,             (double)s.refused       },
    };
    emit_figures(c, figures, COUNT(figures));
    for (int i = HTTP_LOOP + 1; i < HTTP_POOLS; i++)
        EMIT(c, ROW(POOL_THREADS), (double)s.pools[i].threads, "pool", pools[i]);
    for (int i = HTTP_LOOP + 1; i < HTTP_POOLS; i++)
        EMIT(c, ROW(POOL_BUSY), (double)s.pools[i].busy, "pool", pools[i]);
    for (int i = HTTP_LOOP + 1; i < HTTP_POOLS; i++)
        EMIT(c, ROW(POOL_QUEUED), (double)s.pools[i].queued, "pool", pools[i]);
}

static void report_config(void *arg, struct collect *c)
{
    struct app *a = arg;
    pthread_mutex_lock(&a->lock);
    bool ok = a->reload_ok;
    int64_t ms = a->reload_ms;
    pthread_mutex_unlock(&a->lock);
    emit(c, ROW(RELOAD_OK), ok);
    emit(c, ROW(RELOAD_TIME), (double)ms / 1000);
}

/* --- the store and the push path --- */

static void report_push(void *arg, struct collect *c)
{
    struct app *a = arg;
    struct push_stats s;
    pusher_stats(a->pusher, &s);
    const struct figure figures[] = {
        {PUSH_REQUESTS,   (double)s.requests          },
        {PUSH_LINES,      (double)s.lines             },
        {PUSH_SAMPLES,    (double)s.samples           },
        {PUSH_BAD_LINES,  (double)s.bad_lines         },
        {PUSH_STRINGS,    (double)s.dropped_strings   },
        {PUSH_DROPPED,    (double)s.dropped_samples   },
        {PUSH_HISTOGRAMS, (double)s.dropped_histograms},
        {PUSH_EXEMPLARS,  (double)s.dropped_exemplars },
    };
    emit_figures(c, figures, COUNT(figures));
}

static void report_tsdb(void *arg, struct collect *c)
{
    struct app *a = arg;
    struct tsdb_stats s;
    tsdb_stats(a->db, &s);
    const struct figure figures[] = {
        {TSDB_HEAD_SERIES,      (double)s.head_series         },
        {TSDB_HEAD_BYTES,       (double)s.head_bytes          },
        {TSDB_SAMPLES,          (double)s.samples_appended    },
        {TSDB_DUPLICATES,       (double)s.duplicates          },
        {TSDB_OUT_OF_ORDER,     (double)s.out_of_order        },
        {TSDB_SERIES_CREATED,   (double)s.series_created      },
        {TSDB_SERIES_REFUSED,   (double)s.series_refused      },
        {TSDB_WAL_BYTES,        (double)s.wal_bytes           },
        {TSDB_WAL_SYNCS,        (double)s.wal_syncs           },
        {TSDB_WAL_SYNC_SECONDS, (double)s.wal_sync_ns / 1e9   },
        {TSDB_WAL_FAILURES,     (double)s.wal_failures        },
        {TSDB_WAL_REPLAYED,     (double)s.wal_replayed_samples},
        {TSDB_PARTITIONS,       (double)s.partitions          },
        {TSDB_PARTITION_BYTES,  (double)s.partition_bytes     },
        {TSDB_FLUSHES,          (double)s.flushes             },
        {TSDB_FLUSH_SECONDS,    (double)s.flush_ns / 1e9      },
        {TSDB_GROUPS,           (double)s.groups_written      },
        {TSDB_WRITABLE,         s.writable                    },
    };
    emit_figures(c, figures, COUNT(figures));
    EMIT(c, ROW(TSDB_REJECTED), (double)s.too_old, "reason", "too_old");
    EMIT(c, ROW(TSDB_REJECTED), (double)s.too_new, "reason", "too_new");
    EMIT(c, ROW(TSDB_DAMAGED), (double)s.wal_damaged, "kind", "wal");
    EMIT(c, ROW(TSDB_DAMAGED), (double)s.quarantined, "kind", "file");
}

static void report_notifier(void *arg, struct collect *c)
{
    struct app *a = arg;
    struct notifier_stats s;
    notifier_stats(a->notifier, &s);
    int64_t age_ms = s.outbox_oldest_ms ? env_now_ms(a->env) - s.outbox_oldest_ms : 0;
    const struct figure figures[] = {
        {NOTIFY_GROUPS,        (double)s.groups      },
        {NOTIFY_OUTBOX,        (double)s.outbox_depth},
        {NOTIFY_OUTBOX_OLDEST, (double)MAX(age_ms,     0) / 1000},
        {NOTIFY_ATTEMPTS,                    (double)s.attempts                           },
        {NOTIFY_DELIVERED,                    (double)s.delivered},
        {NOTIFY_FAILED,                    (double)s.failed_attempts                              },
        {NOTIFY_DEAD,                    (double)s.dead_letters },
        {NOTIFY_JOURNAL,                    (double)s.journal_bytes                           },
    };
    emit_figures(c, figures, COUNT(figures));
}

static void report_rules(void *arg, struct collect *c)
{
    struct app *a = arg;
    struct rules_stats s;
    rules_engine_stats(a->rules, &s);
    const struct figure figures[] = {
        {RULES_GROUPS,      (double)s.groups             },
        {RULES_RULES,       (double)s.rules              },
        {RULES_EVALUATIONS, (double)s.evaluations        },
        {RULES_FAILURES,    (double)s.evaluation_failures},
        {RULES_MISSED,      (double)s.missed_slots       },
        {RULES_SAMPLES,     (double)s.samples            },
        {RULES_SECONDS,     (double)s.evaluation_ns / 1e9},
    };
    emit_figures(c, figures, COUNT(figures));
    EMIT(c, ROW(RULES_ALERTS), (double)s.alerts_pending, "state", "pending");
    EMIT(c, ROW(RULES_ALERTS), (double)s.alerts_firing, "state", "firing");
}

/* Codes show once they came; the rest always. */
static void report_remote(void *arg, struct collect *c)
{
    struct app *a = arg;
    const struct remote_counters *counters = backend_counters(a->backend);
    for (size_t i = 0; remote_code_name(i); i++) {
        uint64_t n = atomic_load(&counters->codes[i]);
        if (n) EMIT(c, ROW(REMOTE_REQUESTS), (double)n, "code", remote_code_name(i));
    }
    emit(c, ROW(REMOTE_FAILURES), (double)atomic_load(&counters->failures));
    emit(c, ROW(REMOTE_SECONDS), (double)atomic_load(&counters->ns) / 1e9);
}

void self_report_register(struct app *a)
{
    collector_engine_self(a->engine, report_http, a);
    collector_engine_self(a->engine, report_config, a);
    collector_engine_self(a->engine, report_push, a);
    collector_engine_self(a->engine, report_tsdb, a);
    collector_engine_self(a->engine, report_notifier, a);
    collector_engine_self(a->engine, report_rules, a);
    collector_engine_self(a->engine, report_remote, a);
}
