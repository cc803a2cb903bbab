/* bench_parse.c -- CPU nanoseconds a line: expositions by parser and by template cache, line
 * protocol by parser and by push cache, remote write a series of one sample. No store: appends go
 * nowhere.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collector/influx.h"
#include "collector/push.h"
#include "collector/scrape_int.h"
#include "core/env.h"
#include "core/mem.h"
#include "core/pb.h"

enum { LINES = 500, ROUNDS = 2000 };

/* A store that takes everything at once. */
struct tsdb {
    uint64_t series;
};

int tsdb_series(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    UNUSED(ls);
    UNUSED(err);
    *out = ++db->series;
    return 0;
}

int tsdb_series_own(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    return tsdb_series(db, ls, out, err);
}

int tsdb_append(struct tsdb *db, const struct tsdb_point *p, size_t count,
                struct tsdb_append_result *r)
{
    UNUSED(db);
    UNUSED(p);
    *r = (struct tsdb_append_result){.stored = count};
    return 0;
}

int tsdb_metadata_set(struct tsdb *db, const struct metric_metadata *m)
{
    UNUSED(db);
    UNUSED(m);
    return 0;
}

/* CPU time of this thread: a busy machine changes it little. */
static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void report(const char *what, int64_t begin_ns, uint64_t allocations_before)
{
    double lines = (double)LINES * ROUNDS;
    printf("%-34s %7.1f ns/line  %.4f allocations/line\n", what,
           (double)(now_ns() - begin_ns) / lines,
           (double)(mem_allocations() - allocations_before) / lines);
}

/* Bodies as node_exporter writes them, numbers changing from one to the next. */
static void make_exposition(struct buf *out, int round)
{
    buf_reset(out);
    for (int i = 0; i < LINES; i++) {
        if (i % 10 == 0)
            buf_addf(out,
                     "# HELP node_metric_%d_total What it counts.\n"
                     "# TYPE node_metric_%d_total counter\n",
                     i / 10, i / 10);
        buf_addf(out, "node_metric_%d_total{device=\"eth%d\",mode=\"transmit\"} %d.%02d\n", i / 10,
                 i % 10, 12345 * (i + round), i % 100);
    }
}

static void make_lines(struct buf *out, int round)
{
    buf_reset(out);
    for (int i = 0; i < LINES; i++)
        buf_addf(out,
                 "cpu,host=node%d,cpu=cpu%d,region=eu usage_user=%d.5,usage_system=%d.25,"
                 "usage_idle=%di 1700000000%03d000000\n",
                 i / 16, i % 16, i % 100, i % 7, round, round % 1000);
}

static void bench_expo(const struct buf *bodies)
{
    struct label_builder b;
    struct buf scratch = BUF_INIT(1 << 16);
    uint64_t before = mem_allocations();
    int64_t begin = now_ns();
    double sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct expo x;
        struct expo_entry e;
        const struct buf *body = &bodies[i % 2];
        expo_init(&x, (struct str){body->p, body->len}, EXPO_TEXT);
        while (expo_next(&x, &e, NULL) == 1)
            if (e.kind == EXPO_SERIES && expo_labels(&e, EXPO_TEXT, &b, &scratch, NULL) == 0)
                sum += e.value;
    }
    report("exposition, parser with labels", begin, before);
    if (!(sum > 0)) abort();
    buf_release(&scratch);
}

static void bench_scrape(const struct buf *bodies, struct tsdb *db)
{
    static const char *address[] = {"localhost:9100"};
    struct scrape_static s = {
        .targets = {.count = 1, .v = address}
    };
    struct scrape_config c = {
        .job_name = "node",
        .scheme = "http",
        .metrics_path = "/metrics",
        .static_configs = {1, &s}
    };
    struct scrape_target **t;
    struct scrape_store store;
    struct scrape_counts counts;
    size_t count;
    if (scrape_targets_new(&c, 1, (struct labels){NULL, 0}, &t, &count, NULL) < 0) abort();
    scrape_store_init(&store, db);
    int64_t begin = 0;
    uint64_t before = 0;
    for (int i = -2; i < ROUNDS; i++) {
        const struct buf *body = &bodies[(i + 2) % 2];
        if (i == 0) {
            begin = now_ns();
            before = mem_allocations();
        }
        if (scrape_store_body(&store, t[0], (struct str){body->p, body->len}, EXPO_TEXT, &counts,
                              NULL) < 0)
            abort();
    }
    report("exposition, known body", begin, before);
    if (counts.samples != LINES) abort();
    scrape_target_free(t[0]);
    scrape_store_release(&store);
    mem_free(t);
}

static void bench_influx(const struct buf *bodies)
{
    struct arena a;
    uint64_t before = mem_allocations();
    int64_t begin = now_ns();
    size_t fields = 0;
    arena_init(&a, 64 << 20);
    for (int i = 0; i < ROUNDS; i++) {
        struct influx x;
        struct influx_point p;
        influx_init(&x, (struct str){bodies[i % 2].p, bodies[i % 2].len}, INFLUX_NS);
        while (influx_next(&x, &a, &p, NULL) == 1) {
            fields += p.field_count;
            arena_reset(&a);
        }
    }
    report("line protocol, parser (3 fields)", begin, before);
    if (fields != (size_t)3 * LINES * ROUNDS) abort();
    arena_release(&a);
}

/* --- remote write: messages of LINES series of one sample --- */

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_addch(b, (char)(v | 0x80));
    buf_addch(b, (char)v);
}

static void put_bytes(struct buf *b, unsigned field, const void *p, size_t len)
{
    put_varint(b, PB_TAG(field, PB_BYTES));
    put_varint(b, len);
    buf_add(b, p, len);
}

static void put_sample(struct buf *b, int64_t t_ms, double v)
{
    struct buf s = BUF_INIT(64);
    put_varint(&s, PB_TAG(1, PB_FIXED64));
    buf_add(&s, &v, sizeof v);
    put_varint(&s, PB_TAG(2, PB_VARINT));
    put_varint(&s, (uint64_t)t_ms);
    put_bytes(b, 2, s.p, s.len);
    buf_release(&s);
}

enum { LABELS = 5 };

/* Names and values in turn. */
static void make_texts(int i, char texts[2 * LABELS][64])
{
    static const char *const names[LABELS] = {"__name__", "cpu", "host", "instance", "job"};
    for (int k = 0; k < LABELS; k++)
        snprintf(texts[2 * k], 64, "%s", names[k]);
    snprintf(texts[1], 64, "node_metric_%d_total", i / 16);
    snprintf(texts[3], 64, "cpu%d", i % 16);
    snprintf(texts[5], 64, "node%d", i / 16);
    snprintf(texts[7], 64, "node%d:9100", i / 16);
    snprintf(texts[9], 64, "node");
}

/* Of 2.0, the names are symbols 1 to LABELS, and each series brings its values. */
static void put_labels(struct buf *out, struct buf *symbols, enum remote_write version, int i)
{
    char texts[2 * LABELS][64];
    struct buf refs = BUF_INIT(1 << 10);
    make_texts(i, texts);
    for (int k = 0; k < LABELS; k++) {
        struct buf l = BUF_INIT(1 << 10);
        const char *name = texts[2 * k], *value = texts[2 * k + 1];
        put_varint(&refs, (uint64_t)(1 + k));
        put_varint(&refs, (uint64_t)(1 + LABELS + LABELS * i + k));
        put_bytes(symbols, 4, value, strlen(value));
        put_bytes(&l, 1, name, strlen(name));
        put_bytes(&l, 2, value, strlen(value));
        if (version == REMOTE_WRITE_1) put_bytes(out, 1, l.p, l.len);
        buf_release(&l);
    }
    if (version == REMOTE_WRITE_2) put_bytes(out, 1, refs.p, refs.len);
    buf_release(&refs);
}

static void make_remote(struct buf *out, enum remote_write version, int round)
{
    struct buf symbols = BUF_INIT(1 << 20), series = BUF_INIT(1 << 20);
    char texts[2 * LABELS][64];
    make_texts(0, texts);
    put_bytes(&symbols, 4, "", 0);
    for (int k = 0; k < LABELS; k++)
        put_bytes(&symbols, 4, texts[2 * k], strlen(texts[2 * k]));
    buf_reset(out);
    for (int i = 0; i < LINES; i++) {
        struct buf t = BUF_INIT(1 << 12);
        put_labels(&t, &symbols, version, i);
        put_sample(&t, INT64_C(1700000000000) + round * 1000, i + round * 0.5);
        put_bytes(&series, version == REMOTE_WRITE_1 ? 1 : 5, t.p, t.len);
        buf_release(&t);
    }
    if (version == REMOTE_WRITE_2) buf_add(out, symbols.p, symbols.len);
    buf_add(out, series.p, series.len);
    buf_release(&symbols);
    buf_release(&series);
}

/* --- pushing --- */

typedef int push_fn(struct pusher *p, struct str body, struct push_result *r);

static int push_lines(struct pusher *p, struct str body, struct push_result *r)
{
    return push_influx(p, body, INFLUX_NS, r);
}

static int push_exposition(struct pusher *p, struct str body, struct push_result *r)
{
    const struct push_text how = {.format = EXPO_TEXT};
    return push_text(p, body, &how, r);
}

static int push_remote_1(struct pusher *p, struct str body, struct push_result *r)
{
    return push_remote(p, body, REMOTE_WRITE_1, r);
}

static int push_remote_2(struct pusher *p, struct str body, struct push_result *r)
{
    return push_remote(p, body, REMOTE_WRITE_2, r);
}

static void bench_push(const char *what, push_fn *push, const struct buf *bodies, size_t samples,
                       struct tsdb *db)
{
    struct pusher *p;
    struct push_result r;
    if (pusher_new(&p, db, env_system(), (struct labels){NULL, 0}) < 0) abort();
    int64_t begin = 0;
    uint64_t before = 0;
    for (int i = -1; i < ROUNDS; i++) {
        const struct buf *body = &bodies[(i + 1) % 2];
        if (i == 0) {
            begin = now_ns();
            before = mem_allocations();
        }
        if (push(p, (struct str){body->p, body->len}, &r) < 0) abort();
    }
    report(what, begin, before);
    if (r.samples != samples) abort();
    pusher_free(p);
}

int main(void)
{
    struct tsdb db = {0};
    struct buf expo[2], lines[2], remote[2][2];
    for (int i = 0; i < 2; i++) {
        buf_init(&expo[i], 1 << 20);
        buf_init(&lines[i], 1 << 20);
        make_exposition(&expo[i], i);
        make_lines(&lines[i], i);
        for (int v = REMOTE_WRITE_1; v <= REMOTE_WRITE_2; v++) {
            buf_init(&remote[v][i], 1 << 20);
            make_remote(&remote[v][i], (enum remote_write)v, i);
        }
    }
    bench_expo(expo);
    bench_scrape(expo, &db);
    bench_influx(lines);
    bench_push("line protocol, push (3 fields)", push_lines, lines, (size_t)3 * LINES, &db);
    bench_push("exposition, push", push_exposition, expo, LINES, &db);
    bench_push("remote write 1.0, push", push_remote_1, remote[REMOTE_WRITE_1], LINES, &db);
    bench_push("remote write 2.0, push", push_remote_2, remote[REMOTE_WRITE_2], LINES, &db);
    for (int i = 0; i < 2; i++) {
        buf_release(&expo[i]);
        buf_release(&lines[i]);
        buf_release(&remote[REMOTE_WRITE_1][i]);
        buf_release(&remote[REMOTE_WRITE_2][i]);
    }
    return 0;
}
