/* bench_promql.c -- what queries cost inside the process: reading, evaluating, and the answer's
 * JSON, each a time of this thread.
 *
 *     bench_promql [hosts [samples of each series]]
 *
 * Hosts have 20 series, a sample each 10 s: counters, gauges of two decimals, gauges of all digits.
 * A row whose query is given a second time uses what makes the second reading or the long window
 * cheap; the row before it is the plain case to compare with.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "agent/api.h"
#include "core/log.h"
#include "core/mem.h"
#include "tsdb/tsdb.h"

enum { METRICS = 20, EVERY_MS = 10000 };

struct bench {
    struct tsdb *db;
    long hosts, samples;
    int64_t start_ms, end_ms;
};

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void check(int rc, const char *what)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s: %s\n", what, err_text(rc));
    exit(1);
}

static tsdb_ref series_of(struct bench *b, long host, long metric)
{
    static const char *const kinds[] = {"counter_total", "gauge", "full"};
    char name[32], instance[32], region[32];
    tsdb_ref ref = 0;
    snprintf(name, sizeof name, "m%ld_%s", metric / 3, kinds[metric % 3]);
    snprintf(instance, sizeof instance, "host_%ld", host);
    snprintf(region, sizeof region, "region_%ld", host % 9);
    struct label l[] = {
        {STR("__name__"), str_of(name)    },
        {STR("instance"), str_of(instance)},
        {STR("job"),      STR("node")     },
        {STR("region"),   str_of(region)  },
    };
    check(tsdb_series(b->db, (struct labels){l, COUNT(l)}, &ref, NULL), "series");
    return ref;
}

static double value_of(long series, long k)
{
    switch (series % METRICS % 3) {
    case 0:
        return (double)(k * (series % 10 + 1));
    case 1:
        return (double)((series * 7919 + k * 104729) % 10000) / 100;
    default:
        return sin((double)(series + k)) * 50 + 50;
    }
}

static void load(struct bench *b)
{
    long series = b->hosts * METRICS;
    tsdb_ref *refs = mem_array((size_t)series, sizeof *refs);
    struct tsdb_point *batch = mem_array((size_t)series, sizeof *batch);
    struct tsdb_append_result r;
    if (!refs || !batch) exit(1);
    for (long i = 0; i < series; i++)
        refs[i] = series_of(b, i / METRICS, i % METRICS);
    for (long k = 0; k < b->samples; k++) {
        int rc;
        for (long i = 0; i < series; i++)
            batch[i] = (struct tsdb_point){refs[i], b->start_ms + k * EVERY_MS, value_of(i, k)};
        while ((rc = tsdb_append(b->db, batch, (size_t)series, &r)) == E_UNAVAILABLE)
            usleep(1000);
        check(rc, "append");
    }
    mem_free(refs);
    mem_free(batch);
}

struct query {
    const char *text;
    int64_t range_s, step_s; /* range 0: instant */
};

static const struct query queries[] = {
    {"m0_full{instance=\"host_7\"}",                                      86400, 60 },
    {"m0_full{instance=\"host_7\"}",                                      0,     0  },
    {"sum by (instance) (rate(m1_counter_total[5m]))",                    3600,  15 },
    {"topk(10, {region=~\".+\"})",                                        0,     0  },
    {"quantile(0.99, m0_full)",                                           3600,  15 },
    {"avg(m0_gauge{instance=~\"host_.*7\"})",                             3600,  60 },
    {"avg_over_time(m0_gauge[5m])",                                       86400, 300},
    {"count({__name__=~\".+\"}) by (__name__)",                           0,     0  },
    {"rate(m1_counter_total{instance=\"host_7\"}[1m])",                   3600,  1  },
    {"rate(m1_counter_total{instance=\"host_7\"}[1h])",                   3600,  1  },
    {"max_over_time(m0_full{instance=\"host_7\"}[1m])",                   3600,  1  },
    {"max_over_time(m0_full{instance=\"host_7\"}[1h])",                   3600,  1  },
    {"sum_over_time(m0_full{instance=\"host_7\"}[1h])",                   3600,  1  },
    {"sum_over_time(m1_counter_total{instance=\"host_7\"}[1h])",          3600,  1  },
    {"sum(rate(m1_counter_total[1h])) / sum(rate(m2_counter_total[1h]))", 3600,  60 },
    {"sum(rate(m1_counter_total[1h])) / sum(rate(m1_counter_total[1h]))", 3600,  60 },
    {"sum(m0_full) / sum(m1_full)",                                       0,     0  },
    {"sum(m0_full) / sum(m0_full)",                                       0,     0  },
};

struct cost {
    double eval_s, json_s;
    size_t series, points, bytes;
    uint64_t samples;
};

static void run_once(struct bench *b, const struct query *query, struct cost *c)
{
    struct arena arena;
    struct expr *e = NULL;
    struct errmsg err = {0};
    struct promql_result res;
    struct response p;
    struct json j;
    double before = seconds();
    arena_init(&arena, (size_t)1 << 30);
    if (promql_parse(str_of(query->text), PROMQL_DEFAULT, &arena, &e, &err) < 0) exit(1);
    struct promql_query q = {
        .querier = tsdb_querier(b->db),
        .env = env_system(),
        .start_ms = MAX(b->end_ms - query->range_s * 1000, b->start_ms),
        .end_ms = b->end_ms,
        .step_ms = query->step_s * 1000,
        .arena = &arena,
    };
    int rc = promql_eval(e, &q, &res, &err);
    if (rc < 0) fprintf(stderr, "%s\n", err.text);
    check(rc, query->text);
    promql_expr_release(e);
    c->eval_s += seconds() - before;
    before = seconds();
    response_init(&p, (size_t)1 << 30);
    api_begin(&p, &j);
    json_obj(&j);
    api_result(&j, &res, q.start_ms, query->range_s > 0);
    json_end(&j);
    api_end(&p, &j, NULL, false);
    c->json_s += seconds() - before;
    c->series = res.series_count;
    c->samples = res.samples;
    c->bytes = p.body.len;
    c->points = 0;
    for (size_t i = 0; i < res.series_count; i++)
        c->points += res.series[i].count;
    response_release(&p);
    arena_release(&arena);
}

static void run(struct bench *b, const struct query *query)
{
    struct cost c = {0};
    long times = 0;
    run_once(b, query, &c);
    c = (struct cost){0};
    for (; times < 3 || (c.eval_s + c.json_s < 0.2 && times < 1000); times++)
        run_once(b, query, &c);
    double n = (double)times;
    printf("%-68s %6lld/%-3lld %9.3f ms + JSON %8.3f ms, %zu series, %zu points, %llu samples, "
           "%.1f ns/point of JSON\n",
           query->text, (long long)query->range_s, (long long)query->step_s, c.eval_s / n * 1e3,
           c.json_s / n * 1e3, c.series, c.points, (unsigned long long)c.samples,
           c.points ? c.json_s / n / (double)c.points * 1e9 : 0.0);
}

int main(int argc, char **argv)
{
    struct bench b = {.hosts = argc > 1 ? atol(argv[1]) : 100,
                      .samples = argc > 2 ? atol(argv[2]) : 2160};
    struct tsdb_options o;
    struct errmsg err = {0};
    char folder[] = "/tmp/bench_promql_XXXXXX", command[64];
    if (b.hosts <= 0 || b.samples <= 0 || !mkdtemp(folder)) return 1;
    log_set_level(LOG_LEVEL_ERROR);
    tsdb_options_default(&o);
    o.path = folder;
    o.retention_ms = 0;
    o.min_free_permille = 0;
    check(tsdb_open(&b.db, &o, env_system(), &err), "open");
    b.end_ms = env_now_ms(env_system()) / 60000 * 60000;
    b.start_ms = b.end_ms - (b.samples - 1) * EVERY_MS;
    load(&b);
    printf("%ld series, %ld samples each, in memory\n", b.hosts * METRICS, b.samples);
    for (size_t i = 0; i < COUNT(queries); i++)
        run(&b, &queries[i]);
    check(tsdb_flush(b.db, &err), "flush");
    printf("\nthe same from day files\n");
    for (size_t i = 0; i < 8; i++)
        run(&b, &queries[i]);
    check(tsdb_close(b.db), "close");
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) ? 1 : 0;
}
