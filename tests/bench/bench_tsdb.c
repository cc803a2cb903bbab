/* bench_tsdb.c -- what the store does in a second: appending by ref, finding series, instant and
 * range selects, flushing, restarting.
 *
 *     bench_tsdb [series [samples of each [folder]]]
 *
 * Times are CPU time of this process where nothing waits, wall time for the rest.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/env.h"
#include "core/log.h"
#include "core/mem.h"
#include "tsdb/tsdb.h"

struct bench {
    struct tsdb *db;
    struct tsdb_options o;
    struct env *env;
    long series, samples;
    tsdb_ref *refs;
    struct tsdb_point *batch;
    int64_t start_ms;
};

static double seconds(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void say(const char *what, double count, const char *unit, double took)
{
    printf("%-34s %12.0f %s/s   (%.1f ns each)\n", what, count / took, unit, took / count * 1e9);
}

static void check(int rc, const char *what)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s: %s\n", what, err_text(rc));
    exit(1);
}

static void open_store(struct bench *b)
{
    struct errmsg err = {0};
    double before = seconds(CLOCK_MONOTONIC);
    int rc = tsdb_open(&b->db, &b->o, b->env, &err);
    if (rc < 0) fprintf(stderr, "%s\n", err.text);
    check(rc, "open");
    printf("%-34s %12.1f ms\n", "open", (seconds(CLOCK_MONOTONIC) - before) * 1e3);
}

static void create_series(struct bench *b)
{
    double before = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (long i = 0; i < b->series; i++) {
        char text[4][32];
        snprintf(text[0], sizeof text[0], "metric_%ld_total", i % 500);
        snprintf(text[1], sizeof text[1], "%ld", i % 16);
        snprintf(text[2], sizeof text[2], "host-%ld", i / 500);
        snprintf(text[3], sizeof text[3], "mode-%ld", i % 7);
        struct label l[] = {
            {STR("__name__"), str_of(text[0])},
            {STR("cpu"),      str_of(text[1])},
            {STR("instance"), str_of(text[2])},
            {STR("job"),      STR("node")    },
            {STR("mode"),     str_of(text[3])}
        };
        check(tsdb_series(b->db, (struct labels){l, COUNT(l)}, &b->refs[i], NULL), "series");
    }
    say("series found or created", (double)b->series, "series",
        seconds(CLOCK_THREAD_CPUTIME_ID) - before);
}

/* A third each: constant, counter, gauge with two decimals. */
static double value_of(long i, long k)
{
    switch (i % 3) {
    case 0:
        return (double)(i % 100);
    case 1:
        return (double)(k * (i % 10 + 1));
    default:
        return (double)((i * 7919 + k * 104729) % 10000) / 100;
    }
}

static void append_all(struct bench *b)
{
    struct tsdb_append_result r;
    double took = 0, wall = seconds(CLOCK_MONOTONIC);
    for (long k = 0; k < b->samples; k++) {
        for (long i = 0; i < b->series; i++)
            b->batch[i] = (struct tsdb_point){b->refs[i], b->start_ms + k * 1000, value_of(i, k)};
        double before = seconds(CLOCK_THREAD_CPUTIME_ID);
        int rc;
        while ((rc = tsdb_append(b->db, b->batch, (size_t)b->series, &r)) == E_UNAVAILABLE)
            usleep(1000);
        check(rc, "append");
        took += seconds(CLOCK_THREAD_CPUTIME_ID) - before;
    }
    double total = (double)b->samples * (double)b->series;
    say("append by ref, with log, one core", total, "samples", took);
    check(tsdb_wait(b->db, r.lsn), "wait");
    say("the same until durable, wall", total, "samples", seconds(CLOCK_MONOTONIC) - wall);
    struct tsdb_stats s;
    tsdb_stats(b->db, &s);
    printf("%-34s %12.2f B/sample, head %.2f B/sample\n", "log", (double)s.wal_bytes / total,
           (double)s.head_bytes / total);
}

static void read_all(struct bench *b, const char *what, struct select_request r, long times)
{
    struct arena arena;
    struct querier *q = tsdb_querier(b->db);
    double series = 0, samples = 0, before = seconds(CLOCK_THREAD_CPUTIME_ID);
    arena_init(&arena, 1 << 30);
    for (long i = 0; i < times; i++) {
        struct series_set *set = NULL;
        struct series_view v;
        int rc;
        arena_reset(&arena);
        r.arena = &arena;
        check(q->ops->select(q, &r, &set, NULL), "select");
        while ((rc = set->ops->next(set, &v, NULL)) > 0) {
            series++;
            samples += (double)v.count;
        }
        check(rc, "next");
        set->ops->free(set);
    }
    double took = seconds(CLOCK_THREAD_CPUTIME_ID) - before;
    printf("%-34s %12.3f ms a query, %.0f series, %.1f ns/series, %.1f ns/sample\n", what,
           took / (double)times * 1e3, series / (double)times, took / series * 1e9,
           took / samples * 1e9);
    arena_release(&arena);
}

static void select_all(struct bench *b, const char *where)
{
    struct matcher m, host;
    char text[64];
    int64_t end = b->start_ms + (b->samples - 1) * 1000;
    check(matcher_init(&m, MATCH_EQ, STR("__name__"), STR("metric_1_total"), NULL), "matcher");
    check(matcher_init(&host, MATCH_RE, STR("instance"), STR("host-(1|2).*"), NULL), "matcher");
    printf("-- %s\n", where);
    struct select_request r = {.start_ms = end - 300000, .end_ms = end, .latest_only = true};
    read_all(b, "instant, everything", r, 20);
    r.matchers = &m;
    r.matcher_count = 1;
    read_all(b, "instant, one metric", r, 2000);
    r.matchers = &host;
    read_all(b, "instant, regex on instance", r, 20);
    r.latest_only = false;
    r.matchers = &m;
    snprintf(text, sizeof text, "range of %ld s, one metric", b->samples);
    r.start_ms = b->start_ms;
    read_all(b, text, r, 20);
    matcher_release(&m);
    matcher_release(&host);
}

static void close_store(struct bench *b)
{
    double before = seconds(CLOCK_MONOTONIC);
    check(tsdb_close(b->db), "close");
    printf("%-34s %12.1f ms\n", "close", (seconds(CLOCK_MONOTONIC) - before) * 1e3);
}

int main(int argc, char **argv)
{
    struct bench b = {.env = env_system()};
    char folder[256] = "/tmp/tocsin-bench-XXXXXX", command[300];
    b.series = argc > 1 ? strtol(argv[1], NULL, 10) : 5000;
    b.samples = argc > 2 ? strtol(argv[2], NULL, 10) : 600;
    if (b.series < 1 || b.samples < 1) return 2;
    if (argc > 3) snprintf(folder, sizeof folder, "%s/tocsin-bench-XXXXXX", argv[3]);
    if (!mkdtemp(folder)) return 1;
    log_set_level(LOG_LEVEL_ERROR);
    tsdb_options_default(&b.o);
    b.o.path = folder;
    b.refs = mem_array((size_t)b.series, sizeof *b.refs);
    b.batch = mem_array((size_t)b.series, sizeof *b.batch);
    if (!b.refs || !b.batch) return 1;
    b.start_ms = env_now_ms(b.env) - b.samples * 1000;

    open_store(&b);
    create_series(&b);
    create_series(&b);
    append_all(&b);
    select_all(&b, "from the head");
    double before = seconds(CLOCK_MONOTONIC);
    check(tsdb_flush(b.db, NULL), "flush");
    say("flush, wall", (double)b.samples * (double)b.series, "samples",
        seconds(CLOCK_MONOTONIC) - before);
    struct tsdb_stats s;
    tsdb_stats(b.db, &s);
    printf("%-34s %12.2f B/sample\n", "day files",
           (double)s.partition_bytes / (double)b.samples / (double)b.series);
    select_all(&b, "from day files");
    close_store(&b);
    open_store(&b);
    close_store(&b);

    mem_free(b.refs);
    mem_free(b.batch);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? 0 : 1;
}
