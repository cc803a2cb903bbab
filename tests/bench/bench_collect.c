/* bench_collect.c -- CPU time of one second's collection of the host set, as the engine runs it.
 *
 *     bench_collect CYCLES INTERVAL_MS [collector ...]
 *
 * Sleeps between cycles, so that caches are as cold as in production, and prints microseconds of
 * CPU a cycle: all of it, and by collector. Samples go to a sink that counts them; what the store
 * costs is measured by its own benchmark. Only collectors of the fast tier run in every cycle; the
 * slow ones are spread as they are in the daemon.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collector/engine_int.h"

struct counter {
    tsdb_ref refs;
    uint64_t samples;
};

static int count_series(void *arg, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    struct counter *c = arg;
    UNUSED(ls);
    UNUSED(err);
    *out = ++c->refs;
    return 0;
}

static int count_append(void *arg, const struct tsdb_point *p, size_t count,
                        struct tsdb_append_result *r)
{
    struct counter *c = arg;
    UNUSED(p);
    c->samples += count;
    *r = (struct tsdb_append_result){.stored = count};
    return 0;
}

static int ignore_metadata(void *arg, const struct metric_metadata *m)
{
    UNUSED(arg);
    UNUSED(m);
    return 0;
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Without names: all. With names: those alone. */
static size_t choose(struct host_collector_options *o, char **names, int count)
{
    if (!count) return 0;
    for (size_t i = 0; i < collector_count; i++) {
        o[i] = (struct host_collector_options){.name = collectors[i]->name};
        for (int n = 0; n < count; n++)
            if (strcmp(names[n], collectors[i]->name) == 0) o[i].enabled = true;
    }
    return collector_count;
}

static void print_collectors(const struct collector_engine *e, int cycles)
{
    for (size_t i = 0; i < e->count; i++)
        printf("collect: %-12s %8.1f us a cycle, %zu samples\n", e->v[i]->def->name,
               (double)e->v[i]->last.cpu_ns / 1e3 / cycles, e->v[i]->table.published);
}

int main(int argc, char **argv)
{
    int cycles = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    int interval_ms = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    if (cycles < 1 || interval_ms < 0) {
        fprintf(stderr, "usage: bench_collect CYCLES INTERVAL_MS [collector ...]\n");
        return 2;
    }
    struct counter counter = {0};
    struct collect_sink sink = {count_series, count_append, ignore_metadata, &counter};
    struct host_collector_options *options = calloc(collector_count, sizeof *options);
    struct collector_config config = {.enabled = true,
                                      .interval_ms = 1000,
                                      .slow_interval_ms = 15000,
                                      .host = options,
                                      .job = "node",
                                      .instance = "bench"};
    struct collector_engine *e;
    struct env *env = env_system();
    if (!options) return 1;
    config.host_count = choose(options, argv + 3, argc > 3 ? argc - 3 : 0);
    struct errmsg err = {0};
    if (collector_engine_new_sink(&e, sink, env, false) < 0 ||
        collector_engine_apply(e, &config, NULL, 0, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int64_t t = env_now_ms(env) / 1000 * 1000;
    collector_engine_tick(e, t, 0); /* opens files and makes names */
    uint64_t samples = counter.samples;
    for (size_t i = 0; i < e->count; i++)
        e->v[i]->run.cpu_ns = e->v[i]->last.cpu_ns = 0;
    double before = cpu_us();
    for (int i = 1; i <= cycles; i++) {
        struct timespec pause = {interval_ms / 1000, interval_ms % 1000 * 1000000L};
        if (interval_ms) nanosleep(&pause, NULL);
        collector_engine_tick(e, t + (int64_t)i * 1000, 0);
    }
    double us = (cpu_us() - before) / cycles;
    print_collectors(e, cycles);
    printf("collect: cycle_cpu_us=%.1f samples=%.0f\n", us,
           (double)(counter.samples - samples) / cycles);
    collector_engine_free(e);
    free(options);
    return 0;
}
