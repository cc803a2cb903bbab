/* env.c -- what every env can do, on top of its I/O table (env.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/env.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

enum { PATH_BYTES = 4096 };

ssize_t env_pread_all(struct env *e, int fd, void *p, size_t len, int64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = e->io->pread(e, fd, (char *)p + done, len - done, offset + (int64_t)done);
        if (n == -EINTR) continue;
        if (n < 0) return n;
        if (n == 0) break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int env_pwrite_all(struct env *e, int fd, const void *p, size_t len, int64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n =
            e->io->pwrite(e, fd, (const char *)p + done, len - done, offset + (int64_t)done);
        if (n == -EINTR) continue;
        if (n < 0) return (int)n;
        if (n == 0) return -EIO;
        done += (size_t)n;
    }
    return 0;
}

static int write_new_file(struct env *e, const char *path, const void *p, size_t len)
{
    int fd = e->io->open(e, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) return fd;
    int rc = env_pwrite_all(e, fd, p, len, 0);
    if (!rc) rc = e->io->fsync(e, fd);
    int closed = e->io->close(e, fd);
    return rc ? rc : closed;
}

/* The folder a path lies in: "a/b" -> "a", "b" -> ".". */
static int parent_of(const char *path, char out[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= PATH_BYTES) return -ENAMETOOLONG;
    if (!slash)
        memcpy(out, ".", 2);
    else if (!len)
        memcpy(out, "/", 2);
    else {
        memcpy(out, path, len);
        out[len] = '\0';
    }
    return 0;
}

int env_replace_file(struct env *e, const char *path, const void *p, size_t len)
{
    char tmp[PATH_BYTES], parent[PATH_BYTES];
    int n = snprintf(tmp, sizeof tmp, "%s.tmp", path);
    if (n < 0 || (size_t)n >= sizeof tmp) return -ENAMETOOLONG;
    int rc = parent_of(path, parent);
    if (!rc) rc = write_new_file(e, tmp, p, len);
    if (!rc) rc = e->io->rename(e, tmp, path);
    if (!rc) return e->io->sync_dir(e, parent);
    if (rc != -ENAMETOOLONG) (void)!e->io->unlink(e, tmp);
    return rc;
}

int env_read_file(struct env *e, const char *path, size_t max, char **out, size_t *len)
{
    struct io_stat st;
    char *text = NULL;
    size_t cap = 0, used = 0;
    *out = NULL;
    *len = 0;
    int rc = e->io->stat(e, path, &st);
    if (rc) return rc;
    if (st.is_dir) return -EISDIR;
    /* O_NONBLOCK: a FIFO must not hold up whoever reads a configuration */
    int fd = e->io->open(e, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    for (;;) { /* the size of a stat is a hint: files of /proc say 0 */
        size_t step = MAX((size_t)MAX(st.size_bytes, 0) + 1, (size_t)4096);
        void *p = text;
        rc = mem_grow(&p, &cap, used + step + 1, SIZE_MAX / 2, 1);
        text = p;
        if (rc) break;
        ssize_t n = env_pread_all(e, fd, text + used, cap - used - 1, (int64_t)used);
        rc = n < 0 ? (int)n : 0;
        if (n <= 0) break;
        used += (size_t)n;
        if (used > max) {
            rc = E_TOO_BIG;
            break;
        }
        if (used < cap - 1) break;
    }
    (void)e->io->close(e, fd);
    if (rc) {
        mem_free(text);
        return rc;
    }
    text[used] = '\0';
    *out = text;
    *len = used;
    return 0;
}

int env_make_dirs(struct env *e, const char *path, mode_t mode)
{
    char part[PATH_BYTES];
    size_t len = strlen(path);
    if (!len || len >= sizeof part) return len ? -ENAMETOOLONG : -EINVAL;
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        char saved = part[i];
        part[i] = '\0';
        int rc = e->io->mkdir(e, part, mode);
        struct io_stat st;
        if (rc && (e->io->stat(e, part, &st) || !st.is_dir)) return rc;
        part[i] = saved;
    }
    return 0;
}
