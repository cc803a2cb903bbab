/* files.c -- kept descriptors: files of /proc and /sys that are read again every second.
 *
 * A file is opened once and read with one pread a cycle into a buffer that fits it; reopening costs
 * more than reading, and an open file keeps its grown buffer inside the kernel. Three details:
 *
 * - A read that fills the buffer is repeated with twice the room.
 * - The kernel hands out files made of many records (diskstats, vmstat) a page at a time and never
 *   splits a record, so a read that ends in a page's second half may not be the end: then, and only
 *   then, the next bytes are asked for.
 * - Once a minute each descriptor is renewed, so that a file that was removed or replaced (below a
 *   host root, a fixture) is noticed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "collector/collect_int.h"
#include "core/mem.h"

enum {
    FIRST_BYTES = 4096,
    FIRST_BYTES_SYSCTL = 64, /* the kernel allocates and clears as much as is asked for */
    SURE_END = 2048,         /* a shorter read is the end: no record is half a page long */
    RENEW_CYCLES = 60,
    UNUSED_CYCLES = 64,
};

struct kept_file {
    enum file_root root;
    char *path; /* as asked for */
    char *full_path;
    int fd; /* -1: not open */
    char *text;
    size_t len, cap;
    uint64_t cycle; /* of the last read */
    unsigned age;   /* cycles since it was opened */
    int rc;         /* of that read */
};

/* --- roots ----------------------------------------------------------------------------------- */

static char *join(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    while (a_len && a[a_len - 1] == '/')
        a_len--;
    char *s = mem_alloc(a_len + b_len + 1);
    if (s) snprintf(s, a_len + b_len + 1, "%.*s%s", (int)a_len, a, b);
    return s;
}

int collect_roots_init(struct collect_roots *r, const struct collector_config *c)
{
    const char *host = c->host_root ? c->host_root : "";
    bool own_proc = c->proc_path && c->proc_path[0], own_sys = c->sys_path && c->sys_path[0];
    *r = (struct collect_roots){0};
    r->host = join(host, "");
    r->proc = own_proc ? join(c->proc_path, "") : join(host, "/proc");
    r->sys = own_sys ? join(c->sys_path, "") : join(host, "/sys");
    r->net_of_init = r->host && r->host[0] && !own_proc;
    if (r->host && r->proc && r->sys) return 0;
    collect_roots_release(r);
    return -ENOMEM;
}

void collect_roots_release(struct collect_roots *r)
{
    mem_free(r->host);
    mem_free(r->proc);
    mem_free(r->sys);
    *r = (struct collect_roots){0};
}

/* --- one file -------------------------------------------------------------------------------- */

static bool is_sysctl(const struct kept_file *f)
{
    return f->root == ROOT_PROC && strncmp(f->path, "sys/", 4) == 0;
}

static char *full_path(const struct collect_roots *r, enum file_root root, const char *path)
{
    char middle[8] = "/";
    if (root == ROOT_PROC && r->net_of_init && strncmp(path, "net/", 4) == 0)
        memcpy(middle, "/1/", 4);
    char *prefix = join(root == ROOT_PROC ? r->proc : r->sys, middle);
    if (!prefix) return NULL;
    size_t prefix_len = strlen(prefix), path_len = strlen(path);
    char *s = mem_resize(prefix, prefix_len + path_len + 1, 1);
    if (!s) {
        mem_free(prefix);
        return NULL;
    }
    memcpy(s + prefix_len, path, path_len + 1);
    return s;
}

static void file_close(struct kept_files *fs, struct kept_file *f)
{
    if (f->fd < 0) return;
    fs->env->io->close(fs->env, f->fd);
    f->fd = -1;
    fs->open--;
}

static void file_free(struct kept_files *fs, struct kept_file *f)
{
    file_close(fs, f);
    mem_free(f->path);
    mem_free(f->full_path);
    mem_free(f->text);
    mem_free(f);
}

static struct kept_file *file_new(struct kept_files *fs, enum file_root root, const char *path)
{
    struct kept_file *f = mem_zalloc(sizeof *f);
    if (!f) return NULL;
    f->root = root;
    f->fd = -1;
    f->path = mem_strndup(path, strlen(path));
    f->full_path = full_path(fs->roots, root, path);
    if (f->path && f->full_path) return f;
    file_free(fs, f);
    return NULL;
}

static int file_open(struct kept_files *fs, struct kept_file *f)
{
    if (f->fd >= 0 && f->age++ < RENEW_CYCLES) return 0;
    file_close(fs, f);
    int fd = fs->env->io->open(fs->env, f->full_path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    f->fd = fd;
    f->age = 0;
    fs->open++;
    return 0;
}

/* Room for more than the bytes there are, and the NUL. */
static int file_grow(struct kept_file *f)
{
    size_t cap = f->cap ? 2 * f->cap : is_sysctl(f) ? FIRST_BYTES_SYSCTL : FIRST_BYTES;
    if (cap > KEPT_FILE_BYTES_MAX) return E_TOO_BIG;
    char *text = mem_resize(f->text, cap + 1, 1);
    if (!text) return -ENOMEM;
    f->text = text;
    f->cap = cap;
    return 0;
}

static int file_fill(struct kept_files *fs, struct kept_file *f)
{
    f->len = 0;
    for (;;) {
        if (f->len == f->cap) {
            int rc = file_grow(f);
            if (rc < 0) return rc;
            f->len = 0; /* from the start: the content may have changed between two reads */
        }
        size_t room = f->cap - f->len;
        ssize_t n = fs->env->io->pread(fs->env, f->fd, f->text + f->len, room, (int64_t)f->len);
        if (n == -EINTR) continue;
        if (n < 0) return (int)n;
        f->len += (size_t)n;
        if (n == 0 || (n < SURE_END && (size_t)n < room)) break;
    }
    f->text[f->len] = '\0';
    return 0;
}

/* A descriptor that fails is opened anew once: its file may have been replaced. */
static int file_read(struct kept_files *fs, struct kept_file *f)
{
    for (int attempt = 0;; attempt++) {
        bool kept = f->fd >= 0;
        int rc = file_open(fs, f);
        if (rc < 0) return rc;
        rc = file_fill(fs, f);
        if (rc == 0) break;
        file_close(fs, f);
        if (!kept || attempt) return rc;
    }
    if (fs->open > KEPT_FDS_MAX) file_close(fs, f);
    return 0;
}

/* --- all of them ----------------------------------------------------------------------------- */

void kept_files_init(struct kept_files *f, struct env *env, const struct collect_roots *roots)
{
    *f = (struct kept_files){.env = env, .roots = roots};
}

void kept_files_release(struct kept_files *f)
{
    for (size_t i = 0; i < f->count; i++)
        file_free(f, f->v[i]);
    mem_free(f->v);
    *f = (struct kept_files){0};
}

void kept_files_begin(struct kept_files *f)
{
    f->cycle++;
    f->expected = 0;
    if (f->cycle % UNUSED_CYCLES) return;
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->v[i]->cycle + UNUSED_CYCLES < f->cycle)
            file_free(f, f->v[i]);
        else
            f->v[kept++] = f->v[i];
    f->count = kept;
}

static bool is_file(const struct kept_file *f, enum file_root root, const char *path)
{
    return f->root == root && strcmp(f->path, path) == 0;
}

static struct kept_file *find(struct kept_files *fs, enum file_root root, const char *path)
{
    for (size_t n = 0; n < fs->count; n++) {
        size_t i = (fs->expected + n) % fs->count;
        if (is_file(fs->v[i], root, path)) {
            fs->expected = i + 1;
            return fs->v[i];
        }
    }
    return NULL;
}

static int add(struct kept_files *fs, enum file_root root, const char *path, struct kept_file **out)
{
    void *array = fs->v;
    int rc = mem_grow(&array, &fs->cap, fs->count + 1, KEPT_FILES_MAX, sizeof(struct kept_file *));
    fs->v = array;
    if (rc < 0) return rc;
    struct kept_file *f = file_new(fs, root, path);
    if (!f) return -ENOMEM;
    fs->v[fs->count++] = f;
    fs->expected = fs->count;
    *out = f;
    return 0;
}

int kept_files_read(struct kept_files *fs, enum file_root root, const char *path, struct str *out)
{
    struct kept_file *f = find(fs, root, path);
    if (!f) {
        int rc = add(fs, root, path, &f);
        if (rc < 0) return rc;
    }
    if (f->cycle != fs->cycle) {
        f->cycle = fs->cycle;
        f->rc = file_read(fs, f);
    }
    if (f->rc < 0) return f->rc;
    *out = (struct str){f->text, f->len};
    return 0;
}
