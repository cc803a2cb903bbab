/* fake_sink.h -- for tests of the collector engine: a store that remembers, a clock that does not
 * move by itself, and files in a temporary folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_FAKE_SINK_H
#define TOCSIN_TESTS_FAKE_SINK_H

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/engine_int.h"
#include "core/mem.h"

/* --- a store --------------------------------------------------------------------------------- */
enum { SINK_SERIES_MAX = 4096 };

struct fake_sink {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count;
    struct {
        char labels[400];
        int64_t t_ms; /* of the last point */
        double v;
        size_t points, stale_markers;
        bool closed; /* the handle answers E_STALE until it is looked up again */
    } series[SINK_SERIES_MAX];
    size_t appends, described;
    int refuse_series, refuse_append; /* the code to answer with, or 0 */
};

static inline int fake_series(void *arg, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    struct fake_sink *s = arg;
    struct buf text = BUF_INIT(400);
    int rc = 0;
    labels_print(ls, true, &text);
    if (text.err) {
        rc = text.err;
        buf_release(&text);
        return rc;
    }
    pthread_mutex_lock(&s->lock);
    if (s->refuse_series) {
        rc = errmsg_set(err, s->refuse_series, "refused");
    } else {
        size_t i = 0;
        while (i < s->count && strcmp(s->series[i].labels, text.p) != 0)
            i++;
        assert(i < SINK_SERIES_MAX);
        if (i == s->count) snprintf(s->series[s->count++].labels, 400, "%s", text.p);
        s->series[i].closed = false;
        *out = i + 1;
    }
    pthread_mutex_unlock(&s->lock);
    buf_release(&text);
    return rc;
}

static inline int fake_append(void *arg, const struct tsdb_point *p, size_t count,
                              struct tsdb_append_result *r)
{
    struct fake_sink *s = arg;
    pthread_mutex_lock(&s->lock);
    int rc = s->refuse_append;
    *r = (struct tsdb_append_result){0};
    for (size_t i = 0; i < count && rc == 0; i++) {
        assert(p[i].ref >= 1 && p[i].ref <= s->count);
        if (s->series[p[i].ref - 1].closed) {
            if (r->stale_refs++ == 0) r->first_stale = i;
            continue;
        }
        if (s->series[p[i].ref - 1].t_ms == p[i].t_ms) {
            r->duplicates++;
            continue;
        }
        s->series[p[i].ref - 1].t_ms = p[i].t_ms;
        s->series[p[i].ref - 1].v = p[i].v;
        s->series[p[i].ref - 1].points++;
        s->series[p[i].ref - 1].stale_markers += is_stale(p[i].v);
        r->stored++;
    }
    s->appends++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static inline int fake_metadata(void *arg, const struct metric_metadata *m)
{
    (void)m;
    ((struct fake_sink *)arg)->described++;
    return 0;
}

static inline struct fake_sink *fake_sink_new(void)
{
    struct fake_sink *s = calloc(1, sizeof *s);
    assert(s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    return s;
}

static inline void fake_sink_free(struct fake_sink *s)
{
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

static inline struct collect_sink fake_sink(struct fake_sink *s)
{
    return (struct collect_sink){fake_series, fake_append, fake_metadata, s};
}

/* Index of a series by its printed labels, or -1. */
static inline int fake_find(const struct fake_sink *s, const char *labels)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->series[i].labels, labels) == 0) return (int)i;
    return -1;
}

/* The last value of a series; -1e99 when there is none. */
static inline double fake_value(const struct fake_sink *s, const char *labels)
{
    int i = fake_find(s, labels);
    return i < 0 ? -1e99 : s->series[i].v;
}

/* --- a clock: the system's env otherwise ----------------------------------------------------- */
struct fake_env {
    struct env env; /* first */
    int64_t now_ms;
    size_t reads;
};

static inline int64_t fake_now_ms(struct env *e)
{
    return __atomic_load_n(&((struct fake_env *)e)->now_ms, __ATOMIC_ACQUIRE);
}

static inline int64_t fake_mono_ns(struct env *e)
{
    return fake_now_ms(e) * 1000000;
}

/* Time passes at once. */
static inline int fake_sleep_until(struct env *e, int64_t mono_ns, const int *stop)
{
    struct fake_env *f = (struct fake_env *)e;
    if (stop && __atomic_load_n(stop, __ATOMIC_ACQUIRE)) return 1;
    if (mono_ns / 1000000 > fake_now_ms(e))
        __atomic_store_n(&f->now_ms, (mono_ns + 999999) / 1000000, __ATOMIC_RELEASE);
    return 0;
}

static inline void fake_wake(struct env *e)
{
    (void)e; /* nobody ever sleeps */
}

static const struct timesource fake_time = {fake_now_ms, fake_mono_ns, fake_sleep_until, fake_wake};

static inline struct fake_env fake_env(int64_t now_ms)
{
    struct fake_env f = {.env = *env_system(), .now_ms = now_ms};
    f.env.time = &fake_time;
    return f;
}

/* --- a folder -------------------------------------------------------------------------------- */
struct tree {
    char root[64];
};

static inline void tree_new(struct tree *t)
{
    snprintf(t->root, sizeof t->root, "/tmp/tocsin-test-XXXXXX");
    if (!mkdtemp(t->root)) abort();
}

/* Writes a file below the root, making folders on the way. */
static inline void tree_put(const struct tree *t, const char *path, const char *text, size_t len)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", t->root, path);
    for (char *p = full + strlen(t->root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        if (mkdir(full, 0755) < 0 && errno != EEXIST) abort();
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || close(fd) < 0) abort();
}

static inline void tree_puts(const struct tree *t, const char *path, const char *text)
{
    tree_put(t, path, text, strlen(text));
}

static inline void tree_remove(const struct tree *t, const char *path)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", t->root, path);
    if (unlink(full) < 0) abort();
}

static inline void tree_free(struct tree *t)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", t->root);
    if (system(command) != 0) abort();
}

#endif
