/* days.c -- the set of day files: finding, pinning, creating, dropping, setting aside.
 *
 * A day in use by a reader stays open after it was dropped or replaced; the last user closes it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "core/mem.h"
#include "tsdb/tsdb_int.h"

enum {
    DAYS_MAX = 1 << 15,
    INDEX_CACHE = 8 << 20, /* bytes of day indexes kept; the one in use may be larger */
};

int days_init(struct days *d)
{
    *d = (struct days){0};
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->cut_lock, NULL);
    pthread_rwlock_init(&d->index_lock, NULL);
    return 0;
}

static void close_day(struct day *day)
{
    index_free(day->index);
    day_cuts_free(day);
    partition_close(day->p);
    mem_free(day);
}

void days_release(struct days *d)
{
    for (size_t i = 0; i < d->count; i++)
        close_day(d->v[i]);
    mem_free(d->v);
    pthread_mutex_destroy(&d->lock);
    pthread_mutex_destroy(&d->cut_lock);
    pthread_rwlock_destroy(&d->index_lock);
}

/* --- names -------------------------------------------------------------------------------------
 */

static void day_path(const struct tsdb *db, int64_t day_ms, char out[TSDB_PATH_MAX])
{
    time_t t = (time_t)(day_ms / 1000);
    struct tm tm;
    gmtime_r(&t, &tm);
    snprintf(out, TSDB_PATH_MAX, "%.*s/%04d%02d%02d.0.mdb", TSDB_PATH_MAX - 64, db->raw,
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

/* The day of a file name, or false when it is not one of ours. */
static bool parse_name(const struct tsdb *db, const char *name, int64_t *day_ms)
{
    char path[TSDB_PATH_MAX];
    struct tm tm = {0};
    int used = 0;
    assert(name);
    if (sscanf(name, "%4d%2d%2d.0.mdb%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &used) != 3 ||
        !used || name[used])
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *day_ms = (int64_t)timegm(&tm) * 1000;
    day_path(db, *day_ms, path);
    return *day_ms % DAY_MS == 0 && strcmp(strrchr(path, '/') + 1, name) == 0;
}

/* --- the list ----------------------------------------------------------------------------------
 */

/* Index of the first day at or after day_ms; lock held. */
static size_t position(const struct days *d, int64_t day_ms)
{
    size_t i = d->count;
    while (i > 0 && d->v[i - 1]->day_ms >= day_ms)
        i--;
    return i;
}

static int insert(struct days *d, struct day *day)
{
    pthread_mutex_lock(&d->lock);
    void *v = d->v;
    int rc = mem_grow(&v, &d->cap, d->count + 1, DAYS_MAX, sizeof(struct day *));
    d->v = v;
    if (rc == 0) {
        size_t at = position(d, day->day_ms);
        memmove(d->v + at + 1, d->v + at, (d->count - at) * sizeof(struct day *));
        d->v[at] = day;
        d->count++;
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

/* Takes a reference back; closes the day when it was the last. */
void days_unpin_one(struct tsdb *db, struct day *day)
{
    struct days *d = &db->days;
    pthread_mutex_lock(&d->lock);
    bool last = --day->refs == 0;
    pthread_mutex_unlock(&d->lock);
    if (last) close_day(day);
}

/* Takes a day off the list; the list's reference is now the caller's. */
static void take_off(struct days *d, struct day *day)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->count; i++) {
        if (d->v[i] != day) continue;
        d->count--;
        memmove(d->v + i, d->v + i + 1, (d->count - i) * sizeof(struct day *));
        day->dropped = true;
        break;
    }
    pthread_mutex_unlock(&d->lock);
}

int days_pin(struct tsdb *db, int64_t start_ms, int64_t end_ms, struct day ***out, size_t *count)
{
    struct days *d = &db->days;
    int rc = 0;
    *count = 0;
    pthread_mutex_lock(&d->lock);
    *out = mem_array(d->count, sizeof(struct day *));
    if (!*out) rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && i < d->count; i++) {
        struct day *day = d->v[i];
        if (day->day_ms > end_ms || day->day_ms + (DAY_MS - 1) < start_ms) continue;
        day->refs++;
        (*out)[(*count)++] = day;
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

void days_unpin(struct tsdb *db, struct day **v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        days_unpin_one(db, v[i]);
    mem_free(v);
}

int64_t days_max_ms(struct tsdb *db)
{
    struct days *d = &db->days;
    int64_t max = INT64_MIN;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->count; i++) {
        struct partition_info info;
        partition_info(d->v[i]->p, &info);
        if (info.min_ms <= info.max_ms) max = MAX(max, info.max_ms);
    }
    pthread_mutex_unlock(&d->lock);
    return max;
}

/* --- opening and creating ----------------------------------------------------------------------
 */

static int open_day(struct tsdb *db, int64_t day_ms, bool create, struct errmsg *err)
{
    struct day *day = mem_zalloc(sizeof *day);
    if (!day) return -ENOMEM;
    day->day_ms = day_ms;
    day->refs = 1;
    day_path(db, day_ms, day->path);
    int rc = partition_open(&day->p, db->env, day->path, day_ms, create, err);
    if (rc == 0) rc = insert(&db->days, day);
    if (rc < 0) close_day(day);
    return rc;
}

/* Moves raw/name to quarantine, with LMDB's lock file if there is one. */
static void quarantine_file(struct tsdb *db, const char *name, const char *why)
{
    char from[TSDB_PATH_MAX + 300], to[TSDB_PATH_MAX + 300];
    snprintf(from, sizeof from, "%s/%.255s", db->raw, name);
    snprintf(to, sizeof to, "%s/%.200s.%" PRId64, db->quarantine, name, env_now_ms(db->env));
    int rc = db->env->io->rename(db->env, from, to);
    db->days.quarantined++;
    log_error("file set aside", "path=%s to=%s why=\"%s\" err=\"%s\"", from, to, why,
              rc < 0 ? err_text(rc) : "");
    snprintf(from, sizeof from, "%s/%.255s-lock", db->raw, name);
    rc = db->env->io->unlink(db->env, from);
    if (rc < 0 && rc != -ENOENT) log_warn("file not removed", "path=%s", from);
}

/* A file that a killed process did not finish making is no damage: it goes without ado. */
static void remove_unfinished(struct tsdb *db, const char *name)
{
    static const char *const endings[] = {"", "-lock"};
    char path[TSDB_PATH_MAX + 300];
    log_info(
        "unfinished day file removed",
        "path=%s/%.255s why=\"the last run ended while it was made, before anything was stored "
        "in it\" next=\"nothing was lost\"",
        db->raw, name);
    for (size_t i = 0; i < COUNT(endings); i++) {
        snprintf(path, sizeof path, "%s/%.255s%s", db->raw, name, endings[i]);
        int rc = db->env->io->unlink(db->env, path);
        if (rc < 0 && rc != -ENOENT)
            log_warn("file not removed", "path=%s err=\"%s\"", path, err_text(rc));
    }
}

/* After the clock was wrong: nothing is lost, but such a day outlives its retention, and the newest
 * stored time is not to be trusted. */
static void tell_of_future(struct tsdb *db)
{
    struct days *d = &db->days;
    int64_t limit_ms = env_now_ms(db->env) + db->o.future_limit_ms;
    for (size_t i = 0; db->o.future_limit_ms && i < d->count; i++) {
        char newest[40];
        struct partition_info info;
        partition_info(d->v[i]->p, &info);
        if (info.min_ms > info.max_ms || info.max_ms <= limit_ms) continue;
        str_from_time(info.max_ms, newest);
        log_warn("samples of the future in the store",
                 "path=%s newest=%s next=\"kept; if a clock was wrong, remove them with "
                 "/api/v1/admin/tsdb/delete_series and clean_tombstones\"",
                 d->v[i]->path, newest);
    }
}

struct name_list {
    char (*v)[256];
    size_t count, cap;
};

static int add_name(void *arg, const char *name)
{
    struct name_list *l = arg;
    void *v = l->v;
    int rc = mem_grow(&v, &l->cap, l->count + 1, DAYS_MAX, sizeof *l->v);
    l->v = v;
    if (rc == 0) snprintf(l->v[l->count++], sizeof *l->v, "%s", name);
    return rc;
}

int days_open(struct tsdb *db)
{
    struct name_list names = {0};
    int rc = db->env->io->list(db->env, db->raw, add_name, &names);
    for (size_t i = 0; rc == 0 && names.v && i < names.count; i++) {
        const char *name = names.v[i];
        struct errmsg err = {0};
        int64_t day_ms = 0;
        if (str_ends(str_of(name), STR("-lock"))) continue;
        if (!parse_name(db, name, &day_ms)) {
            quarantine_file(db, name, "not a day file");
            continue;
        }
        rc = open_day(db, day_ms, false, &err);
        if (rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE) break;
        if (rc == E_NOT_FOUND)
            remove_unfinished(db, name);
        else if (rc < 0)
            quarantine_file(db, name, err.text[0] ? err.text : err_text(rc));
        rc = 0;
    }
    mem_free(names.v);
    if (rc == 0) tell_of_future(db);
    return rc;
}

int days_for_writing(struct tsdb *db, int64_t day_ms, struct day **out, struct errmsg *err)
{
    struct day **v = NULL;
    size_t count = 0;
    int rc = days_pin(db, day_ms, day_ms, &v, &count);
    if (rc == 0 && count == 0) {
        mem_free(v);
        v = NULL;
        rc = open_day(db, day_ms, true, err);
        if (rc == 0) rc = days_pin(db, day_ms, day_ms, &v, &count);
    }
    if (rc == 0 && count == 0) rc = E_NOT_FOUND;
    if (rc == 0) *out = v[0];
    mem_free(v);
    return rc;
}

int days_replace(struct tsdb *db, struct day *day, const char *path, struct errmsg *err)
{
    char lock[TSDB_PATH_MAX + 8];
    int64_t day_ms = day->day_ms;
    snprintf(lock, sizeof lock, "%s-lock", day->path);
    int rc = db->env->io->rename(db->env, path, day->path);
    if (rc < 0) return errmsg_set(err, rc, "cannot rename %s: %s", path, err_text(rc));
    int synced = db->env->io->sync_dir(db->env, db->raw); /* from here on there is no way back */
    /* The readers of the old file share a lock file of its own; the new one gets another. */
    rc = db->env->io->unlink(db->env, lock);
    if (rc < 0 && rc != -ENOENT) log_warn("file not removed", "path=%s", lock);
    take_off(&db->days, day);
    days_unpin_one(db, day); /* the list's own; the caller has another */
    rc = open_day(db, day_ms, false, err);
    if (rc < 0) /* the next flush that needs it tries again, so does the next start */
        log_error("rewritten day not opened", "path=%s err=\"%s\"", day->path, err_text(rc));
    return rc == 0 ? synced : rc;
}

void days_set_aside(struct tsdb *db, struct day *day)
{
    take_off(&db->days, day);
    quarantine_file(db, strrchr(day->path, '/') + 1, "damaged");
    days_unpin_one(db, day);
}

/* --- retention ---------------------------------------------------------------------------------
 */

static void drop(struct tsdb *db, struct day *day, const char *why)
{
    char lock[TSDB_PATH_MAX + 8];
    snprintf(lock, sizeof lock, "%s-lock", day->path);
    log_info("day dropped", "path=%s why=%s", day->path, why);
    take_off(&db->days, day);
    int rc = db->env->io->unlink(db->env, day->path);
    if (rc < 0) log_warn("file not removed", "path=%s err=\"%s\"", day->path, err_text(rc));
    rc = db->env->io->unlink(db->env, lock);
    if (rc < 0 && rc != -ENOENT) log_warn("file not removed", "path=%s", lock);
    days_unpin_one(db, day);
}

/* The oldest day and the size of all; false when there is none. */
static bool oldest(struct tsdb *db, struct day **day, uint64_t *bytes, size_t *count)
{
    struct days *d = &db->days;
    *bytes = 0;
    pthread_mutex_lock(&d->lock);
    *count = d->count;
    *day = d->count ? d->v[0] : NULL;
    for (size_t i = 0; i < d->count; i++) {
        struct partition_info info;
        partition_info(d->v[i]->p, &info);
        *bytes += info.file_bytes;
    }
    pthread_mutex_unlock(&d->lock);
    return *day != NULL;
}

void days_retain(struct tsdb *db)
{
    struct day *day = NULL;
    uint64_t bytes = 0;
    size_t count = 0;
    int64_t now = env_now_ms(db->env);
    bool had_cuts = false;
    struct wal_stats wal;
    wal_stats(db->wal, &wal);
    while (oldest(db, &day, &bytes, &count)) {
        bool old = db->o.retention_ms && day->day_ms + DAY_MS <= now - db->o.retention_ms;
        bool large = db->o.max_bytes && count > 1 && bytes + wal.bytes > (uint64_t)db->o.max_bytes;
        if (!old && !large) break;
        had_cuts |= day_has_cuts(day);
        drop(db, day, old ? "age" : "size");
    }
    if (had_cuts) deletions_tidy(db);
}

/* --- indexes of days ---------------------------------------------------------------------------
 */

static int add_series(void *arg, uint32_t id, struct labels ls)
{
    uint32_t ordinal;
    return index_add(arg, ls, labels_hash(ls), id, &ordinal);
}

static int build_index(struct day *day, uint64_t series)
{
    struct index *x = NULL;
    int rc = index_new(&x);
    if (rc == 0) rc = partition_series(day->p, add_series, x);
    if (rc < 0) {
        index_free(x);
        return rc;
    }
    index_free(day->index);
    day->index = x;
    day->index_series = series;
    return 0;
}

/* Frees the indexes used longest ago until the rest fits; index_lock held. */
static void trim_cache(struct days *d, const struct day *keep)
{
    for (;;) {
        struct day *least = NULL;
        size_t bytes = 0;
        pthread_mutex_lock(&d->lock);
        for (size_t i = 0; i < d->count; i++) {
            if (!d->v[i]->index) continue;
            bytes += index_bytes(d->v[i]->index);
            if (d->v[i] != keep && (!least || d->v[i]->used_at < least->used_at)) least = d->v[i];
        }
        bool done = bytes <= INDEX_CACHE || !least;
        if (!done) { /* under the lock, or the day might be closed meanwhile */
            index_free(least->index);
            least->index = NULL;
        }
        pthread_mutex_unlock(&d->lock);
        if (done) return;
    }
}

static bool has_index(struct day *day, uint64_t *series)
{
    struct partition_info info;
    partition_info(day->p, &info);
    *series = info.series;
    return day->index && day->index_series == info.series;
}

/* An index that is there is read by many at a time; whoever builds one is alone. */
int day_with_index(struct tsdb *db, struct day *day,
                   int (*each)(void *arg, struct day *day, const struct index *x), void *arg)
{
    struct days *d = &db->days;
    uint64_t series;
    int rc = 0;
    pthread_rwlock_rdlock(&d->index_lock);
    if (!has_index(day, &series)) {
        pthread_rwlock_unlock(&d->index_lock);
        pthread_rwlock_wrlock(&d->index_lock);
        if (!has_index(day, &series)) rc = build_index(day, series);
        if (rc == 0) trim_cache(d, day);
    }
    uint64_t use = __atomic_add_fetch(&d->uses, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&day->used_at, use, __ATOMIC_RELAXED);
    if (rc == 0) rc = each(arg, day, day->index);
    pthread_rwlock_unlock(&d->index_lock);
    return rc;
}
