/* env.h -- the seam to the world: disk, clock and randomness.
 *
 * Storage, rules, notifications and scaling reach the outside through a struct env and nothing
 * else, so that tests, replay and simulation run the shipped code on a simulated disk and a
 * virtual clock (reliability.md §1). Every call returns 0 or a count, or -errno. Short reads and
 * writes happen; env_pread_all/env_pwrite_all loop over them. Implementations are thread-safe.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_ENV_H
#define TOCSIN_CORE_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"

struct env;

struct io_stat {
    int64_t size_bytes;
    int64_t mtime_ms;
    bool is_dir;
};

/* The I/O table. Paths are NUL-terminated; open takes open(2)'s flags (O_CLOEXEC is added). */
struct io {
    int (*open)(struct env *, const char *path, int flags, mode_t mode); /* fd */
    int (*close)(struct env *, int fd);
    ssize_t (*pread)(struct env *, int fd, void *p, size_t len, int64_t offset);
    ssize_t (*pwrite)(struct env *, int fd, const void *p, size_t len, int64_t offset);
    int (*fsync)(struct env *, int fd);
    int (*fdatasync)(struct env *, int fd);
    int (*ftruncate)(struct env *, int fd, int64_t len);
    int (*fallocate)(struct env *, int fd, int64_t len); /* -EOPNOTSUPP is not a failure */
    int (*rename)(struct env *, const char *from, const char *to);
    int (*unlink)(struct env *, const char *path);
    int (*mkdir)(struct env *, const char *path, mode_t mode);
    int (*stat)(struct env *, const char *path, struct io_stat *out);
    int (*sync_dir)(struct env *, const char *path); /* fsync of a directory */
    /* Calls each() for every entry but "." and ".."; stops when it returns non-zero. */
    int (*list)(struct env *, const char *path, int (*each)(void *arg, const char *name),
                void *arg);
    /* Bytes available to us and in total on the file system that holds path. */
    int (*space)(struct env *, const char *path, int64_t *free_bytes, int64_t *total_bytes);
};

struct timesource {
    int64_t (*now_ms)(struct env *);  /* wall clock, milliseconds since the epoch */
    int64_t (*mono_ns)(struct env *); /* monotonic, nanoseconds */
    /* Sleeps until the monotonic time; returns early (1) when *stop (set atomically) becomes
     * non-zero and env_wake is called, else 0. stop may be NULL. */
    int (*sleep_until)(struct env *, int64_t mono_ns, const int *stop);
    void (*wake)(struct env *); /* see env_wake */
};

struct env {
    const struct io *io;
    const struct timesource *time;
    uint64_t (*random)(struct env *); /* 64 uniform bits */
    void *impl;                       /* the implementation's own state */
};

/* The operating system's env. Static storage, never freed. */
struct env *env_system(void);

static inline int64_t env_now_ms(struct env *e)
{
    return e->time->now_ms(e);
}

static inline int64_t env_mono_ns(struct env *e)
{
    return e->time->mono_ns(e);
}

static inline uint64_t env_random(struct env *e)
{
    return e->random(e);
}

/* Wakes every thread inside sleep_until of this env, so that it looks at its stop flag. */
static inline void env_wake(struct env *e)
{
    e->time->wake(e);
}

static inline int env_sleep_until(struct env *e, int64_t mono_ns, const int *stop)
{
    return e->time->sleep_until(e, mono_ns, stop);
}

/* Loops over short transfers. pread_all returns the bytes read, fewer than len only at the end of
 * the file. */
ssize_t env_pread_all(struct env *e, int fd, void *p, size_t len, int64_t offset) MUST_CHECK;
int env_pwrite_all(struct env *e, int fd, const void *p, size_t len, int64_t offset) MUST_CHECK;
/* Writes path.tmp, fsyncs, renames over path, fsyncs the directory. */
int env_replace_file(struct env *e, const char *path, const void *p, size_t len) MUST_CHECK;
/* Reads a whole file of at most max bytes into a mem_alloc'ed, NUL-terminated block. */
int env_read_file(struct env *e, const char *path, size_t max, char **out, size_t *len) MUST_CHECK;
/* mkdir -p. */
int env_make_dirs(struct env *e, const char *path, mode_t mode) MUST_CHECK;

#endif
