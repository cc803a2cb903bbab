/* bench_codec.c -- bytes a sample, and nanoseconds, of the block codec, groups and partitions.
 *
 *     bench_codec [RECORDING.zst]
 *
 * A recording is text: before each scrape a line "#@ <unix ms> <ms it took>", then exposition
 * lines. Without one, a made-up host is measured: two thirds of its series constant, counters,
 * gauges in pages, decimals and full-mantissa noise.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "core/env.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/str.h"
#include "tsdb/group.h"
#include "tsdb/partition.h"
#include "tsdb/querier.h"

#define DAY INT64_C(1795305600000)
enum { SERIES_MAX = 4096, SAMPLES = 1800, TABLE = 1 << 14, TEXT_MAX = 256 << 20 };

struct series {
    char *key;
    size_t key_len, count;
    int64_t *t;
    double *v;
};

struct data {
    struct series series[SERIES_MAX];
    size_t count;
    uint16_t table[TABLE]; /* key -> series + 1 */
};

static double cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* --- data ---------------------------------------------------------------------------------------
 */

static struct series *find_series(struct data *d, struct str key)
{
    size_t at = fnv1a64(FNV1A64_INIT, key.p, key.len) % TABLE;
    for (; d->table[at]; at = (at + 1) % TABLE) {
        struct series *s = &d->series[d->table[at] - 1];
        if (s->key_len == key.len && memcmp(s->key, key.p, key.len) == 0) return s;
    }
    if (d->count == SERIES_MAX) return NULL;
    struct series *s = &d->series[d->count++];
    d->table[at] = (uint16_t)d->count;
    s->key = mem_strndup(key.p, key.len);
    s->key_len = key.len;
    s->t = xmalloc(SAMPLES * sizeof *s->t);
    s->v = xmalloc(SAMPLES * sizeof *s->v);
    return s;
}

static void add_sample(struct data *d, struct str key, int64_t t, double v)
{
    struct series *s = find_series(d, key);
    if (!s || s->count == SAMPLES || (s->count && s->t[s->count - 1] >= t)) return;
    s->t[s->count] = t;
    s->v[s->count++] = v;
}

static char *unpack_file(const char *path, size_t *len)
{
    char *packed = NULL, *text = xmalloc(TEXT_MAX);
    size_t packed_len = 0;
    if (env_read_file(env_system(), path, TEXT_MAX, &packed, &packed_len) < 0) {
        fprintf(stderr, "%s: cannot read\n", path);
        exit(1);
    }
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, 27);
    *len = ZSTD_decompressDCtx(ctx, text, TEXT_MAX, packed, packed_len);
    ZSTD_freeDCtx(ctx);
    mem_free(packed);
    if (ZSTD_isError(*len)) {
        fprintf(stderr, "%s: %s\n", path, ZSTD_getErrorName(*len));
        exit(1);
    }
    return text;
}

static void load_recording(struct data *d, const char *path)
{
    size_t len;
    char *text = unpack_file(path, &len);
    struct str rest = {text, len};
    int64_t scrape = -1;
    while (rest.p) {
        struct str line = str_split(&rest, '\n');
        if (str_starts(line, STR("#@ "))) scrape++;
        if (line.len == 0 || line.p[0] == '#' || scrape < 0) continue;
        size_t at = line.len;
        while (at > 0 && line.p[at - 1] != ' ')
            at--;
        double v;
        if (at == 0 || str_to_double((struct str){line.p + at, line.len - at}, &v) < 0) continue;
        add_sample(d, (struct str){line.p, at - 1}, DAY + scrape * 1000, v);
    }
    mem_free(text);
}

static double made_up(size_t series, size_t k, double last)
{
    uint64_t r = (uint64_t)(series * SAMPLES + k + 1) * UINT64_C(0x9e3779b97f4a7c15);
    r ^= r >> 29;
    if (series % 3) return (double)(series * 1000);
    switch (series / 3 % 6) {
    case 0:
        return last + (double)(r % 64);
    case 1:
        return last + (double)(r % 16) * 4096;
    case 2:
        return (double)(r % 10000) / 100;
    case 3:
        return last + (r % 8 == 0);
    case 4:
        return round(last * 100 + (double)(r % 100)) / 100;
    default:
        return sin((double)k / 300) + (double)(r % 1000) / 3e6;
    }
}

static void make_up(struct data *d)
{
    char key[64];
    for (size_t i = 0; i < 550; i++) {
        double v = 1000;
        int n = snprintf(key, sizeof key, "series_%zu", i);
        for (size_t k = 0; k < 1200; k++) {
            v = made_up(i, k, v);
            add_sample(d, (struct str){key, (size_t)n}, DAY + (int64_t)k * 1000, v);
        }
    }
}

/* Keeps every n-th sample. */
static void thin(struct data *d, size_t n)
{
    for (size_t i = 0; i < d->count; i++) {
        struct series *s = &d->series[i];
        size_t kept = 0;
        for (size_t k = 0; k < s->count; k += n, kept++) {
            s->t[kept] = s->t[k];
            s->v[kept] = s->v[k];
        }
        s->count = kept;
    }
}

static size_t total_samples(const struct data *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->count; i++)
        n += d->series[i].count;
    return n;
}

/* --- measurements -------------------------------------------------------------------------------
 */

static bool is_constant(const struct series *s)
{
    for (size_t k = 1; k < s->count; k++)
        if (double_bits(s->v[k]) != double_bits(s->v[0])) return false;
    return true;
}

static void bench_blocks(const struct data *d)
{
    struct buf *blocks = xzalloc(d->count * sizeof *blocks);
    double back[CODEC_BLOCK_MAX];
    size_t bytes = 0, varying = 0, varying_bytes = 0, rounds = 0;
    double t0 = cpu_ns();
    for (size_t i = 0; i < d->count; i++) {
        buf_init(&blocks[i], 1 << 20);
        if (codec_encode_values(d->series[i].v, d->series[i].count, &blocks[i]) < 0) abort();
    }
    double t1 = cpu_ns();
    for (; rounds < 20; rounds++)
        for (size_t i = 0; i < d->count; i++)
            if (codec_decode_values((uint8_t *)blocks[i].p, blocks[i].len, back,
                                    d->series[i].count) < 0)
                abort();
    double t2 = cpu_ns(), n = (double)total_samples(d);
    for (size_t i = 0; i < d->count; i++) {
        bytes += blocks[i].len;
        if (!is_constant(&d->series[i])) {
            varying += d->series[i].count;
            varying_bytes += blocks[i].len;
        }
        buf_release(&blocks[i]);
    }
    printf("  values       %6.3f B/sample (varying series %.3f, %.0f %% of samples), "
           "encode %.1f ns, decode %.2f ns\n",
           (double)bytes / n, (double)varying_bytes / (double)varying, 100 * (double)varying / n,
           (t1 - t0) / n, (t2 - t1) / n / (double)rounds);
    mem_free(blocks);
}

static void bench_groups(const struct data *d)
{
    struct group_packer *g;
    struct group_info info = {0};
    struct buf b = BUF_INIT(GROUP_MAX);
    size_t bytes = 0, pages = 0, groups = 0;
    if (group_packer_new(&g, DAY) < 0) abort();
    for (size_t i = 0; i < d->count; i++) {
        const struct series *s = &d->series[i];
        if (group_packer_add(g, (uint32_t)i, s->t, s->v, s->count) < 0) abort();
    }
    while (group_packer_cut(g, &info, &b) == 1) {
        bytes += b.len;
        pages += (b.len + 16 + 4095) / 4096;
        groups++;
    }
    double n = (double)total_samples(d);
    printf("  groups       %6.3f B/sample, %.3f in pages, %zu groups of %zu bytes\n",
           (double)bytes / n, (double)pages * 4096 / n, groups, bytes / groups);
    group_packer_free(g);
    buf_release(&b);
}

/* The data again and again until the day is full, in slices, as the flusher does it. */
static size_t fill_day(struct partition *p, const struct data *d, size_t slices)
{
    struct partition_block *blocks = xzalloc((d->count / slices + 1) * sizeof *blocks);
    struct errmsg err;
    size_t samples = 0;
    int64_t span = d->series[0].t[d->series[0].count - 1] - DAY + 1000;
    int64_t **shifted = xzalloc(d->count * sizeof *shifted);
    for (size_t i = 0; i < d->count; i++)
        shifted[i] = mem_dup(d->series[i].t, d->series[i].count * sizeof **shifted);
    for (int64_t from = 0; from + span <= DAY_MS; from += span) {
        for (size_t slice = 0; slice < slices; slice++) {
            size_t n = 0;
            for (size_t i = d->count * slice / slices; i < d->count * (slice + 1) / slices; i++) {
                const struct series *s = &d->series[i];
                for (size_t k = 0; k < s->count; k++)
                    shifted[i][k] = s->t[k] + from;
                blocks[n++] =
                    (struct partition_block){(uint32_t)i, {0}, shifted[i], s->v, s->count};
                samples += s->count;
            }
            struct partition_write w = {(uint32_t)slice, 1, blocks, n, false};
            if (partition_append(p, &w, &err) < 0) {
                fprintf(stderr, "%s\n", err.text);
                exit(1);
            }
        }
    }
    for (size_t i = 0; i < d->count; i++)
        mem_free(shifted[i]);
    mem_free(shifted);
    mem_free(blocks);
    return samples;
}

static void bench_read(struct partition *p, const struct data *d)
{
    struct sample_vec s = {0};
    struct partition_reader *r;
    size_t samples = 0, series = 0;
    double t0 = cpu_ns();
    for (int i = 0; i < 20; i++) { /* fresh readers: checksums, too */
        if (partition_reader_new(p, &r) < 0) abort();
        s.count = 0;
        if (partition_read(r, (uint32_t)((size_t)i * 37 % d->count), 0, INT64_MAX, &s, NULL) < 0)
            abort();
        partition_reader_free(r);
    }
    double t1 = cpu_ns();
    if (partition_reader_new(p, &r) < 0) abort();
    for (size_t i = 0; i < d->count; i++, series++) {
        s.count = 0;
        if (partition_read(r, (uint32_t)i, 0, INT64_MAX, &s, NULL) < 0) abort();
        samples += s.count;
    }
    partition_reader_free(r);
    double t2 = cpu_ns();
    printf("  read         1 series x 24 h %.0f us (of %zu samples); %zu series %.1f ms, "
           "%.2f ns/sample\n",
           (t1 - t0) / 20e3, samples / series, series, (t2 - t1) / 1e6,
           (t2 - t1) / (double)samples);
    sample_vec_release(&s);
}

static void bench_partition(const struct data *d, size_t slices)
{
    char dir[] = "/tmp/bench_codec.XXXXXX", path[64], lock[80];
    struct partition *p;
    struct partition_info info;
    struct errmsg err = {0};
    if (!mkdtemp(dir)) exit(1);
    snprintf(path, sizeof path, "%s/day.mdb", dir);
    snprintf(lock, sizeof lock, "%s-lock", path);
    if (partition_open(&p, env_system(), path, DAY, true, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double t0 = cpu_ns();
    size_t samples = fill_day(p, d, slices);
    double t1 = cpu_ns();
    partition_info(p, &info);
    printf(
        "  partition    %6.3f B/sample on disk (%llu groups, %zu slices), append %.1f ns/sample\n",
        (double)info.file_bytes / (double)samples, (unsigned long long)info.groups, slices,
        (t1 - t0) / (double)samples);
    partition_close(p);
    t0 = cpu_ns();
    if (partition_open(&p, env_system(), path, DAY, false, &err) < 0) exit(1);
    t1 = cpu_ns();
    printf("  open         %.2f ms\n", (t1 - t0) / 1e6);
    bench_read(p, d);
    partition_close(p);
    unlink(path);
    unlink(lock);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    struct data *d = xzalloc(sizeof *d);
    if (argc > 1)
        load_recording(d, argv[1]);
    else
        make_up(d);
    static const size_t steps[] = {1, 10};
    for (size_t i = 0; i < COUNT(steps); i++) {
        thin(d, steps[i]);
        printf("%s, %zu series, a sample each %zu s, %zu a block\n",
               argc > 1 ? argv[1] : "made-up host", d->count, steps[i], d->series[0].count);
        bench_blocks(d);
        bench_groups(d);
        bench_partition(d, steps[i] == 1 ? 64 : 1);
    }
    for (size_t i = 0; i < d->count; i++) {
        mem_free(d->series[i].key);
        mem_free(d->series[i].t);
        mem_free(d->series[i].v);
    }
    mem_free(d);
    return 0;
}
