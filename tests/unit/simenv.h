/* simenv.h -- a struct env for tests: real files below a temporary folder, a virtual clock, faults
 * on demand, and crashes that undo what was not synced.
 *
 * Every write is remembered with the bytes it replaced until its file is synced, every new name
 * and every rename until the folder is. simenv_crash undoes all of it (power loss) or nothing
 * (kill -9); until simenv_reset every call then fails with EIO. LMDB does its own I/O and is not
 * seen here. Header only: a unit test is one program of one file.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TESTS_SIMENV_H
#define TOCSIN_TESTS_SIMENV_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/env.h"

enum sim_call {
    SIM_ANY,
    SIM_OPEN,
    SIM_PREAD,
    SIM_PWRITE,
    SIM_FSYNC,
    SIM_FDATASYNC,
    SIM_FTRUNCATE,
    SIM_FALLOCATE,
    SIM_RENAME,
    SIM_UNLINK,
    SIM_MKDIR,
    SIM_STAT,
    SIM_SYNC_DIR,
    SIM_LIST,
    SIM_SPACE,
};

enum { SIM_FDS = 1024, SIM_PATH = 1280 };

/* One thing a power loss takes back. */
struct sim_undo {
    struct sim_undo *next;
    enum { UNDO_WRITE, UNDO_CREATE, UNDO_RENAME } kind;
    char path[SIM_PATH], from[SIM_PATH];
    int64_t offset, old_size;
    size_t len;
    uint8_t bytes[];
};

struct simenv {
    struct env env;          /* first: pass &sim.env */
    char root[256];          /* the temporary folder */
    int64_t now_ms, mono_ns; /* mono_ns 0: the machine's own */
    uint64_t seed;

    enum sim_call fail_call; /* which calls count towards fail_at */
    uint64_t fail_at;        /* the call with this number fails, 0 = none */
    int fail_with;           /* errno */
    bool fail_sticky;        /* and all later ones */
    bool crash_at_failure;   /* the failing call is where the machine stops */
    uint64_t calls;          /* of fail_call so far */
    int64_t sync_delay_ns;   /* every fsync and fdatasync takes that long */
    int64_t free_bytes;      /* what space() says; -1: the truth */
    bool dead;

    struct sim_undo *undo; /* newest first */
    char paths[SIM_FDS][SIM_PATH];
    pthread_mutex_t lock;
};

static struct simenv *sim_of(struct env *e)
{
    return (struct simenv *)e;
}

/* Counts the call; < 0 when it has to fail. Leaves the lock held when it returns 0. */
static int sim_enter(struct env *e, enum sim_call call)
{
    struct simenv *s = sim_of(e);
    pthread_mutex_lock(&s->lock);
    int rc = s->dead ? -EIO : 0;
    if (!rc && (s->fail_call == SIM_ANY || s->fail_call == call)) {
        s->calls++;
        if (s->fail_at && (s->calls == s->fail_at || (s->fail_sticky && s->calls > s->fail_at))) {
            rc = s->fail_with ? -s->fail_with : -EIO;
            s->dead |= s->crash_at_failure;
        }
    }
    if (rc) pthread_mutex_unlock(&s->lock);
    return rc;
}

static int sim_leave(struct env *e, int rc)
{
    int code = rc < 0 ? -errno : rc;
    pthread_mutex_unlock(&sim_of(e)->lock);
    return code;
}

static struct sim_undo *sim_remember(struct simenv *s, size_t len)
{
    struct sim_undo *u = calloc(1, sizeof *u + len);
    if (!u) abort();
    u->len = len;
    u->next = s->undo;
    s->undo = u;
    return u;
}

/* Forgets what a sync of the path (or of the folder path is in) made permanent. */
static void sim_forget(struct simenv *s, const char *path, bool folder)
{
    size_t len = strlen(path);
    for (struct sim_undo **link = &s->undo; *link;) {
        struct sim_undo *u = *link;
        const char *slash = strrchr(u->path, '/');
        bool inside = slash && (size_t)(slash - u->path) == len && !strncmp(u->path, path, len);
        bool done = folder ? u->kind != UNDO_WRITE && inside
                           : u->kind == UNDO_WRITE && !strcmp(u->path, path);
        if (done) {
            *link = u->next;
            free(u);
        } else {
            link = &u->next;
        }
    }
}

static int sim_open(struct env *e, const char *path, int flags, mode_t mode)
{
    int rc = sim_enter(e, SIM_OPEN);
    if (rc) return rc;
    bool isnew = (flags & O_CREAT) && access(path, F_OK) != 0;
    int fd = open(path, flags | O_CLOEXEC, mode);
    if (fd >= SIM_FDS) abort();
    if (fd >= 0) {
        snprintf(sim_of(e)->paths[fd], SIM_PATH, "%s", path);
        if (isnew) {
            struct sim_undo *u = sim_remember(sim_of(e), 0);
            u->kind = UNDO_CREATE;
            snprintf(u->path, SIM_PATH, "%s", path);
        }
    }
    return sim_leave(e, fd);
}

static int sim_close(struct env *e, int fd) /* never fails: a dead machine's handles go as well */
{
    pthread_mutex_lock(&sim_of(e)->lock);
    return sim_leave(e, close(fd));
}

static ssize_t sim_pread(struct env *e, int fd, void *p, size_t len, int64_t offset)
{
    int rc = sim_enter(e, SIM_PREAD);
    return rc ? rc : sim_leave(e, (int)pread(fd, p, len, offset));
}

static ssize_t sim_pwrite(struct env *e, int fd, const void *p, size_t len, int64_t offset)
{
    int rc = sim_enter(e, SIM_PWRITE);
    if (rc) return rc;
    struct stat st;
    struct sim_undo *u = sim_remember(sim_of(e), len);
    u->kind = UNDO_WRITE;
    u->offset = offset;
    snprintf(u->path, SIM_PATH, "%s", sim_of(e)->paths[fd]);
    u->old_size = fstat(fd, &st) == 0 ? st.st_size : 0;
    if (pread(fd, u->bytes, len, offset) < 0) u->len = 0;
    return sim_leave(e, (int)pwrite(fd, p, len, offset));
}

static int sim_sync(struct env *e, int fd, enum sim_call call)
{
    struct simenv *s = sim_of(e);
    int rc = sim_enter(e, call);
    if (rc) return rc;
    struct timespec delay = {s->sync_delay_ns / 1000000000, s->sync_delay_ns % 1000000000};
    sim_forget(s, s->paths[fd], false);
    pthread_mutex_unlock(&s->lock);
    if (delay.tv_sec || delay.tv_nsec) nanosleep(&delay, NULL);
    return 0;
}

static int sim_fsync(struct env *e, int fd)
{
    return sim_sync(e, fd, SIM_FSYNC);
}

static int sim_fdatasync(struct env *e, int fd)
{
    return sim_sync(e, fd, SIM_FDATASYNC);
}

static int sim_ftruncate(struct env *e, int fd, int64_t len)
{
    int rc = sim_enter(e, SIM_FTRUNCATE);
    return rc ? rc : sim_leave(e, ftruncate(fd, len));
}

static int sim_fallocate(struct env *e, int fd, int64_t len)
{
    int rc = sim_enter(e, SIM_FALLOCATE);
    return rc ? rc : sim_leave(e, fallocate(fd, 0, 0, len));
}

static int sim_rename(struct env *e, const char *from, const char *to)
{
    int rc = sim_enter(e, SIM_RENAME);
    if (rc) return rc;
    struct sim_undo *u = sim_remember(sim_of(e), 0);
    u->kind = UNDO_RENAME;
    snprintf(u->path, SIM_PATH, "%s", to);
    snprintf(u->from, SIM_PATH, "%s", from);
    return sim_leave(e, rename(from, to));
}

static int sim_unlink(struct env *e, const char *path)
{
    int rc = sim_enter(e, SIM_UNLINK);
    return rc ? rc : sim_leave(e, unlink(path));
}

static int sim_mkdir(struct env *e, const char *path, mode_t mode)
{
    int rc = sim_enter(e, SIM_MKDIR);
    return rc ? rc : sim_leave(e, mkdir(path, mode));
}

static int sim_stat(struct env *e, const char *path, struct io_stat *out)
{
    int rc = sim_enter(e, SIM_STAT);
    if (rc) return rc;
    pthread_mutex_unlock(&sim_of(e)->lock);
    return env_system()->io->stat(e, path, out);
}

static int sim_sync_dir(struct env *e, const char *path)
{
    int rc = sim_enter(e, SIM_SYNC_DIR);
    if (rc) return rc;
    sim_forget(sim_of(e), path, true);
    return sim_leave(e, 0);
}

static int sim_list(struct env *e, const char *path, int (*each)(void *arg, const char *name),
                    void *arg)
{
    int rc = sim_enter(e, SIM_LIST);
    if (rc) return rc;
    pthread_mutex_unlock(&sim_of(e)->lock);
    return env_system()->io->list(e, path, each, arg);
}

static int sim_space(struct env *e, const char *path, int64_t *free_bytes, int64_t *total_bytes)
{
    int rc = sim_enter(e, SIM_SPACE);
    if (rc) return rc;
    int64_t said = sim_of(e)->free_bytes;
    pthread_mutex_unlock(&sim_of(e)->lock);
    rc = env_system()->io->space(e, path, free_bytes, total_bytes);
    if (rc == 0 && said >= 0) *free_bytes = said;
    return rc;
}

static int64_t sim_now_ms(struct env *e)
{
    return __atomic_load_n(&sim_of(e)->now_ms, __ATOMIC_RELAXED);
}

static int64_t sim_mono_ns(struct env *e)
{
    int64_t t = __atomic_load_n(&sim_of(e)->mono_ns, __ATOMIC_RELAXED);
    return t ? t : env_system()->time->mono_ns(e);
}

static int sim_sleep_until(struct env *e, int64_t mono_ns, const int *stop)
{
    UNUSED(stop);
    if (sim_of(e)->mono_ns < mono_ns) sim_of(e)->mono_ns = mono_ns;
    return 0;
}

static void sim_wake(struct env *e)
{
    UNUSED(e);
}

static uint64_t sim_random(struct env *e)
{
    uint64_t x = sim_of(e)->seed += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* No faults; the next call is the first. */
static void simenv_reset(struct simenv *s)
{
    s->fail_at = s->calls = 0;
    s->fail_sticky = s->crash_at_failure = s->dead = false;
    s->fail_with = EIO;
    s->fail_call = SIM_ANY;
}

static int simenv_init(struct simenv *s)
{
    static const struct io io = {
        .open = sim_open,
        .close = sim_close,
        .pread = sim_pread,
        .pwrite = sim_pwrite,
        .fsync = sim_fsync,
        .fdatasync = sim_fdatasync,
        .ftruncate = sim_ftruncate,
        .fallocate = sim_fallocate,
        .rename = sim_rename,
        .unlink = sim_unlink,
        .mkdir = sim_mkdir,
        .stat = sim_stat,
        .sync_dir = sim_sync_dir,
        .list = sim_list,
        .space = sim_space,
    };
    static const struct timesource time = {
        .now_ms = sim_now_ms,
        .mono_ns = sim_mono_ns,
        .sleep_until = sim_sleep_until,
        .wake = sim_wake,
    };
    memset(s, 0, sizeof *s);
    s->env = (struct env){&io, &time, sim_random, NULL};
    s->now_ms = INT64_C(1700000000000);
    s->free_bytes = -1;
    pthread_mutex_init(&s->lock, NULL);
    simenv_reset(s);
    const char *tmp =
        getenv("TMPDIR"); /* in memory when possible: a test syncs thousands of times */
    if (!tmp) tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(s->root, sizeof s->root, "%.200s/tocsin-test-XXXXXX", tmp);
    return mkdtemp(s->root) ? 0 : -errno;
}

static void sim_undo_one(const struct sim_undo *u)
{
    if (u->kind == UNDO_CREATE) {
        unlink(u->path);
    } else if (u->kind == UNDO_RENAME) {
        if (rename(u->path, u->from) < 0) return; /* the file went some other way */
    } else {
        int fd = open(u->path, O_WRONLY);
        if (fd < 0) return;
        int64_t keep = u->old_size - u->offset;
        size_t len = keep < 0 ? 0 : (size_t)keep < u->len ? (size_t)keep : u->len;
        if (pwrite(fd, u->bytes, len, u->offset) < 0 || ftruncate(fd, u->old_size) < 0) abort();
        close(fd);
    }
}

/* The machine stops: nothing works until simenv_reset. */
static void simenv_crash(struct simenv *s, bool power_loss)
{
    pthread_mutex_lock(&s->lock);
    s->dead = true;
    while (s->undo) {
        struct sim_undo *u = s->undo;
        s->undo = u->next;
        if (power_loss) sim_undo_one(u);
        free(u);
    }
    pthread_mutex_unlock(&s->lock);
}

static void sim_remove(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char inner[4096];
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (unlink(inner) < 0) sim_remove(inner);
    }
    if (d) closedir(d);
    rmdir(path);
}

static void simenv_release(struct simenv *s)
{
    simenv_crash(s, false);
    sim_remove(s->root);
    pthread_mutex_destroy(&s->lock);
}

#endif
