/* snapshot.c -- a copy of the store that a store can be opened on.
 *
 * It is made in tmp/snapshot and renamed at the end: a snapshot is whole or not there. Day files
 * are still appended to, and LMDB writes pages in place, so they are copied rather than linked. The
 * log is left out: the head was flushed, or is not wanted.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "core/mem.h"
#include "tsdb/admin.h"
#include "tsdb/tsdb_int.h"

enum { PATH_BYTES = TSDB_PATH_MAX + 300, FILE_MAX = 1 << 30 };

/* --- tmp/ --------------------------------------------------------------------------------------
 */

struct clearing {
    struct tsdb *db;
    const char *folder;
};

static int remove_one(void *arg, const char *name)
{
    const struct clearing *c = arg;
    char path[PATH_BYTES];
    struct io_stat st = {0};
    snprintf(path, sizeof path, "%.*s/%.255s", TSDB_PATH_MAX, c->folder, name);
    if (c->db->env->io->stat(c->db->env, path, &st) == 0 && st.is_dir) return 0;
    int rc = c->db->env->io->unlink(c->db->env, path);
    if (rc < 0) log_warn("file not removed", "path=%s err=\"%s\"", path, err_text(rc));
    return 0;
}

void snapshot_clear_tmp(struct tsdb *db)
{
    static const char *const folders[] = {"", "/snapshot/raw", "/snapshot"};
    char path[TSDB_PATH_MAX];
    for (size_t i = 0; i < COUNT(folders); i++) {
        struct clearing c = {db, path};
        snprintf(path, sizeof path, "%.900s%s", db->tmp, folders[i]);
        int rc = db->env->io->list(db->env, path, remove_one, &c);
        if (rc < 0 && rc != -ENOENT)
            log_warn("folder not cleared", "path=%s err=\"%s\"", path, err_text(rc));
    }
}

/* --- copying -----------------------------------------------------------------------------------
 */

/* Copies a small file of the store's folder, if it is there. */
static int copy_small(struct tsdb *db, const char *name, struct errmsg *err)
{
    char from[PATH_BYTES], to[PATH_BYTES], *text = NULL;
    size_t len = 0;
    snprintf(from, sizeof from, "%s/%s", db->path, name);
    snprintf(to, sizeof to, "%s/snapshot/%s", db->tmp, name);
    int rc = env_read_file(db->env, from, FILE_MAX, &text, &len);
    if (rc == -ENOENT) return 0;
    if (rc == 0) rc = env_replace_file(db->env, to, text, len);
    mem_free(text);
    return rc < 0 ? errmsg_set(err, rc, "cannot copy %s to %s: %s", from, to, err_text(rc)) : 0;
}

static int copy_days(struct tsdb *db, const int *cancel, struct errmsg *err)
{
    struct day **days = NULL;
    char to[PATH_BYTES];
    size_t count = 0;
    int rc = days_pin(db, INT64_MIN, INT64_MAX, &days, &count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        snprintf(to, sizeof to, "%s/snapshot/raw%s", db->tmp, strrchr(days[i]->path, '/'));
        rc = is_canceled(cancel) ? E_CANCELED : partition_copy(days[i]->p, to, err);
    }
    if (days) days_unpin(db, days, count);
    if (rc < 0) return rc;
    snprintf(to, sizeof to, "%s/snapshot/raw", db->tmp);
    return db->env->io->sync_dir(db->env, to);
}

/* Enough room for a copy of every day, and what the store itself must keep free. */
static int check_room(struct tsdb *db, struct errmsg *err)
{
    struct tsdb_stats s;
    int64_t free_bytes = 0, total = 0;
    tsdb_stats(db, &s);
    if (db->env->io->space(db->env, db->path, &free_bytes, &total) < 0) return 0;
    int64_t need = (int64_t)s.partition_bytes + total / 1000 * db->o.min_free_permille;
    if (free_bytes >= need) return 0;
    return errmsg_set(err, -ENOSPC,
                      "a snapshot needs %" PRIu64 " bytes, %" PRId64 " are free in %s",
                      s.partition_bytes, free_bytes, db->path);
}

static void make_name(struct tsdb *db, char name[TSDB_SNAPSHOT_NAME])
{
    time_t t = (time_t)(env_now_ms(db->env) / 1000);
    struct tm tm;
    gmtime_r(&t, &tm);
    size_t len = strftime(name, TSDB_SNAPSHOT_NAME, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(name + len, TSDB_SNAPSHOT_NAME - len, "-%016" PRIx64, env_random(db->env));
}

/* Gives the finished copy its name. */
static int move_in_place(struct tsdb *db, const char *name, struct errmsg *err)
{
    char from[PATH_BYTES], to[PATH_BYTES], folder[PATH_BYTES];
    snprintf(from, sizeof from, "%s/snapshot", db->tmp);
    snprintf(folder, sizeof folder, "%s/snapshots", db->path);
    snprintf(to, sizeof to, "%s/snapshots/%s", db->path, name);
    int rc = db->env->io->sync_dir(db->env, from);
    if (rc == 0) rc = env_make_dirs(db->env, folder, 0750);
    if (rc == 0) rc = db->env->io->rename(db->env, from, to);
    if (rc == 0) rc = db->env->io->sync_dir(db->env, folder);
    if (rc == 0) rc = db->env->io->sync_dir(db->env, db->path);
    return rc < 0 ? errmsg_set(err, rc, "cannot create %s: %s", to, err_text(rc)) : 0;
}

static int copy_all(struct tsdb *db, const int *cancel, struct errmsg *err)
{
    static const char *const small[] = {"FORMAT", "ids", "deletions"};
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/snapshot/raw", db->tmp);
    int rc = env_make_dirs(db->env, path, 0750);
    if (rc < 0) return errmsg_set(err, rc, "cannot create %s: %s", path, err_text(rc));
    rc = copy_days(db, cancel, err);
    for (size_t i = 0; rc == 0 && i < COUNT(small); i++)
        rc = copy_small(db, small[i], err);
    return rc;
}

int tsdb_snapshot(struct tsdb *db, bool skip_head, const int *cancel, char name[TSDB_SNAPSHOT_NAME],
                  struct errmsg *err)
{
    int64_t start_ns = env_mono_ns(db->env);
    int rc = admin_begin(db, err);
    if (rc < 0) return rc;
    make_name(db, name);
    snapshot_clear_tmp(db);
    if (!skip_head) rc = tsdb_flush(db, err);
    if (rc == 0) rc = check_room(db, err);
    if (rc == 0) rc = copy_all(db, cancel, err);
    if (rc == 0) rc = move_in_place(db, name, err);
    if (rc < 0) snapshot_clear_tmp(db);
    admin_end(db);
    if (rc < 0)
        return err && err->text[0] ? rc : errmsg_set(err, rc, "no snapshot: %s", err_text(rc));
    log_info("snapshot made", "name=%s took_ms=%" PRId64, name,
             (env_mono_ns(db->env) - start_ns) / 1000000);
    return 0;
}
