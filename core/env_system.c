/* env_system.c -- the operating system behind struct env.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/env.h"

#define RESULT(call) ((call) < 0 ? -errno : 0)

static int sys_open(struct env *e, const char *path, int flags, mode_t mode)
{
    UNUSED(e);
    int fd = open(path, flags | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

static int sys_close(struct env *e, int fd)
{
    UNUSED(e);
    return RESULT(close(fd));
}

static ssize_t sys_pread(struct env *e, int fd, void *p, size_t len, int64_t offset)
{
    UNUSED(e);
    ssize_t n = pread(fd, p, len, offset);
    return n < 0 ? -errno : n;
}

static ssize_t sys_pwrite(struct env *e, int fd, const void *p, size_t len, int64_t offset)
{
    UNUSED(e);
    ssize_t n = pwrite(fd, p, len, offset);
    return n < 0 ? -errno : n;
}

static int sys_fsync(struct env *e, int fd)
{
    UNUSED(e);
    return RESULT(fsync(fd));
}

static int sys_fdatasync(struct env *e, int fd)
{
    UNUSED(e);
    return RESULT(fdatasync(fd));
}

static int sys_ftruncate(struct env *e, int fd, int64_t len)
{
    UNUSED(e);
    return RESULT(ftruncate(fd, len));
}

static int sys_fallocate(struct env *e, int fd, int64_t len)
{
    UNUSED(e);
    return RESULT(fallocate(fd, 0, 0, len));
}

static int sys_rename(struct env *e, const char *from, const char *to)
{
    UNUSED(e);
    return RESULT(rename(from, to));
}

static int sys_unlink(struct env *e, const char *path)
{
    UNUSED(e);
    return RESULT(unlink(path));
}

static int sys_mkdir(struct env *e, const char *path, mode_t mode)
{
    UNUSED(e);
    return RESULT(mkdir(path, mode));
}

static int sys_stat(struct env *e, const char *path, struct io_stat *out)
{
    UNUSED(e);
    struct stat st;
    if (stat(path, &st) < 0) return -errno;
    *out = (struct io_stat){
        .size_bytes = st.st_size,
        .mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .is_dir = S_ISDIR(st.st_mode),
    };
    return 0;
}

static int sys_sync_dir(struct env *e, const char *path)
{
    int fd = sys_open(e, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return fd;
    int rc = RESULT(fsync(fd));
    close(fd);
    return rc;
}

static int sys_list(struct env *e, const char *path, int (*each)(void *arg, const char *name),
                    void *arg)
{
    UNUSED(e);
    DIR *d = opendir(path);
    if (!d) return -errno;
    int rc = 0;
    for (struct dirent *entry; !rc && (errno = 0, entry = readdir(d));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        rc = each(arg, entry->d_name);
    }
    if (!rc && errno) rc = -errno;
    closedir(d);
    return rc;
}

static int sys_space(struct env *e, const char *path, int64_t *free_bytes, int64_t *total_bytes)
{
    UNUSED(e);
    struct statvfs v;
    if (statvfs(path, &v) < 0) return -errno;
    *free_bytes = (int64_t)(v.f_bavail * v.f_frsize);
    *total_bytes = (int64_t)(v.f_blocks * v.f_frsize);
    return 0;
}

/* --- time --- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t sys_now_ms(struct env *e)
{
    UNUSED(e);
    return clock_ns(CLOCK_REALTIME) / 1000000;
}

static int64_t sys_mono_ns(struct env *e)
{
    UNUSED(e);
    return clock_ns(CLOCK_MONOTONIC);
}

struct system_state {
    pthread_mutex_t lock;
    pthread_cond_t woken;
};

static int sys_sleep_until(struct env *e, int64_t mono_ns, const int *stop)
{
    struct system_state *s = e->impl;
    struct timespec until = {mono_ns / 1000000000, mono_ns % 1000000000};
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (!(stop && __atomic_load_n(stop, __ATOMIC_ACQUIRE)) && rc != ETIMEDOUT)
        rc = pthread_cond_clockwait(&s->woken, &s->lock, CLOCK_MONOTONIC, &until);
    pthread_mutex_unlock(&s->lock);
    return stop && __atomic_load_n(stop, __ATOMIC_ACQUIRE);
}

static void sys_wake(struct env *e)
{
    struct system_state *s = e->impl;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->woken);
    pthread_mutex_unlock(&s->lock);
}

static uint64_t sys_random(struct env *e)
{
    UNUSED(e);
    uint64_t v = 0;
    if (getrandom(&v, sizeof v, 0) != sizeof v) v = (uint64_t)clock_ns(CLOCK_MONOTONIC);
    return v;
}

static const struct io system_io = {
    .open = sys_open,
    .close = sys_close,
    .pread = sys_pread,
    .pwrite = sys_pwrite,
    .fsync = sys_fsync,
    .fdatasync = sys_fdatasync,
    .ftruncate = sys_ftruncate,
    .fallocate = sys_fallocate,
    .rename = sys_rename,
    .unlink = sys_unlink,
    .mkdir = sys_mkdir,
    .stat = sys_stat,
    .sync_dir = sys_sync_dir,
    .list = sys_list,
    .space = sys_space,
};

static const struct timesource system_time = {
    .now_ms = sys_now_ms,
    .mono_ns = sys_mono_ns,
    .sleep_until = sys_sleep_until,
    .wake = sys_wake,
};

struct env *env_system(void)
{
    static struct system_state state = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
    static struct env env = {&system_io, &system_time, sys_random, &state};
    return &env;
}
