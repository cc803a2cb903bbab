/* tsdb_int.h -- the inside of the store, for this folder's own files.
 *
 * Locks, in the order they may be taken: admin_lock (one of admin.h's tasks at a time; minutes),
 * flush_lock (one flush at a time; held across disk I/O), days.index_lock, head.index_lock,
 * head.lock, days.lock, the log's own. Only the first two are ever held while the disk writes, and
 * nobody who appends or reads takes them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_INT_H
#define TOCSIN_TSDB_INT_H

#include <pthread.h>

#include "core/log.h"
#include "tsdb/index.h"
#include "tsdb/partition_int.h"
#include "tsdb/stream.h"
#include "tsdb/tombstone.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal.h"

enum {
    TSDB_PATH_MAX = 1024,
    HEAD_HURRY = 64 << 20, /* bytes of head above which the flusher hurries */
    HEAD_FULL = 256 << 20, /* and above which appends are refused */
};

/* --- the head: head.c --------------------------------------------------------------------------
 */

/* A stretch of a series' stream. Only the last one grows, and only while the series says open. */
struct chunk {
    struct chunk *next;
    int64_t min_ms, max_ms;
    uint32_t count, len, cap;
    uint8_t bytes[];
};

/* Samples at or before the newest time of their series, in order of arrival. */
struct late_sample {
    int64_t t_ms;
    double v;
};
struct late {
    uint32_t count, cap;
    struct late_sample v[];
};

struct series {
    uint32_t id, wal_epoch; /* last epoch of the log that has its definition */
    struct stream stream;   /* encoder; its bits are the newest value */
    struct chunk *first, *tail;
    struct late *late;
    int64_t last_ms;    /* newest time since the start; INT64_MIN = none */
    int64_t flushed_ms; /* newest time that may be in a day file; INT64_MIN = none */
    bool open;          /* tail may grow */
    bool rewritten;     /* the newest time got another value, which is in late */
    uint8_t idle_turns; /* of the flusher without a sample; evict.c */
};

struct slice {
    uint32_t *slots; /* of its series */
    size_t count, cap;
    uint64_t dirty_lsn;    /* oldest record with a sample not yet flushed; 0 = none */
    uint64_t freezing_lsn; /* the same, of what is being flushed */
    int64_t min_ms, max_ms;
};

struct head {
    pthread_mutex_t lock;        /* guards series, slices, numbers */
    pthread_rwlock_t index_lock; /* guards index; both are held to add or move series */
    struct index *index;         /* ordinals are slots */
    struct series **blocks;
    size_t block_count, block_cap;
    uint32_t count;   /* of series; as the index says */
    uint32_t next_id; /* index_lock */
    struct slice slices[SLICE_COUNT];
    uint64_t bytes;
    uint64_t flush_seq; /* counts releases of flushed samples */
    int64_t floor_ms;   /* samples after it belong to series of this index */
    uint64_t index_seq; /* counts the indexes there have been; index_lock */
};

static inline uint32_t slice_of(uint32_t id)
{
    return id / 32 % SLICE_COUNT;
}

static inline int64_t day_of(int64_t t_ms)
{
    int64_t r = t_ms % DAY_MS;
    return t_ms - (r < 0 ? r + DAY_MS : r);
}

enum { SERIES_BLOCK = 1024 };
static inline struct series *head_series(const struct head *h, uint32_t slot)
{
    return &h->blocks[slot / SERIES_BLOCK][slot % SERIES_BLOCK];
}

int head_init(struct head *h) MUST_CHECK;
void head_release(struct head *h);
void head_free_shell(struct head *h); /* all but the samples, which have another owner */
/* Adds a series that is not there; index_lock held for writing. */
int head_add(struct head *h, struct labels ls, uint64_t hash, uint32_t id, int64_t flushed_ms,
             uint32_t *slot) MUST_CHECK;

enum head_verdict { HEAD_STORED, HEAD_DUPLICATE, HEAD_LATE };
/* Takes a sample in; an enum head_verdict, -ENOMEM, or E_LIMIT when too many late ones wait for
 * their flush. lock held. */
int head_append(struct head *h, struct series *s, int64_t t_ms, double v) MUST_CHECK;
/* Adds the samples of a series in [start, end] to out, later writes behind earlier ones of the
 * same time. lock held. */
int head_read(const struct series *s, int64_t start_ms, int64_t end_ms,
              struct sample_vec *out) MUST_CHECK;
/* The same of at most count chunks; the link of the last one is not followed. */
int chunks_read(const struct chunk *first, size_t count, int64_t start_ms, int64_t end_ms,
                struct sample_vec *out) MUST_CHECK;
/* Forgets the first chunks and late samples, which are in a day file now. lock held. */
void head_forget(struct head *h, struct series *s, uint32_t chunks, uint32_t late_count);

/* --- day files: days.c -------------------------------------------------------------------------
 */

/* A deletion, as a day's file sees it. Immutable once in the day's list, but for ids. */
struct day_cut {
    struct day_cut *next;
    struct tombstone *t; /* a reference */
    uint32_t cycle;      /* groups of cycles below it are meant */
    bool ready;          /* atomic: ids is there */
    struct id_set ids;   /* the series meant; made under days.cut_lock */
};

struct day {
    struct partition *p;
    int64_t day_ms;
    int refs;     /* one of the list's own, one of each user */
    bool dropped; /* no longer in the list; the last user closes it */
    char path[TSDB_PATH_MAX];
    struct index *index; /* of its series, built when needed; guarded by days.index_lock */
    uint64_t index_series;
    uint64_t used_at;
    struct day_cut *cuts; /* atomic; only ever grows at its head while the day is open */
};

struct days {
    pthread_mutex_t lock;
    pthread_rwlock_t index_lock; /* of the indexes of all days */
    pthread_mutex_t cut_lock;    /* of ids of cuts in the making; inside index_lock */
    struct day **v;              /* ascending */
    size_t count, cap;
    uint64_t uses;
    uint64_t quarantined;
};

/* The deletions in force, all of them also in cuts of days; flush_lock. */
struct deletions {
    struct journal *journal; /* NULL until there is one */
    struct tombstone **v;
    size_t count, cap;
};

int days_init(struct days *d) MUST_CHECK;
void days_release(struct days *d);
/* Opens every day file there is; what is no good goes to quarantine. */
int days_open(struct tsdb *db) MUST_CHECK;
/* The days that overlap [start, end], pinned, ascending; days_unpin frees the array too. */
int days_pin(struct tsdb *db, int64_t start_ms, int64_t end_ms, struct day ***out,
             size_t *count) MUST_CHECK;
void days_unpin(struct tsdb *db, struct day **v, size_t count);
void days_unpin_one(struct tsdb *db, struct day *day);
/* The day to write to, created when missing, pinned. flush_lock held. */
int days_for_writing(struct tsdb *db, int64_t day_ms, struct day **out,
                     struct errmsg *err) MUST_CHECK;
/* Puts the file at path, a rewritten one, in the place of the day's; flush_lock held. */
int days_replace(struct tsdb *db, struct day *day, const char *path, struct errmsg *err) MUST_CHECK;
void days_set_aside(struct tsdb *db, struct day *day); /* to quarantine/ */
void days_retain(struct tsdb *db);                     /* retention by age and size */
int64_t days_max_ms(struct tsdb *db);                  /* newest sample in any file; INT64_MIN */
/* Calls each() with the index of the day's series, locked. */
int day_with_index(struct tsdb *db, struct day *day,
                   int (*each)(void *arg, struct day *day, const struct index *x),
                   void *arg) MUST_CHECK;

/* --- deletions: deletions.c
 * ------------------------------------------------------------------------
 */

/* Reads the journal of deletions, if there is one, and gives the days their cuts. */
int deletions_open(struct tsdb *db) MUST_CHECK;
void deletions_release(struct tsdb *db);
/* Forgets, also on disk, what is about no file any more; flush_lock held. */
void deletions_tidy(struct tsdb *db);

/* What is cut out of one series in one day. */
static inline bool is_canceled(const int *cancel)
{
    return cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED);
}
struct cut_vec {
    struct partition_cut *v;
    size_t count, cap;
};
static inline bool day_has_cuts(const struct day *day)
{
    return __atomic_load_n(&day->cuts, __ATOMIC_ACQUIRE) != NULL;
}
/* Replaces what out holds by the cuts that touch [start, end]. */
int day_cuts_of(struct tsdb *db, struct day *day, uint32_t id, int64_t start_ms, int64_t end_ms,
                struct cut_vec *out) MUST_CHECK;
void day_cuts_free(struct day *day);

/* --- the store ---------------------------------------------------------------------------------
 */

struct metadata;

struct tsdb {
    struct querier querier; /* first: the querier is the store */
    struct tsdb_options o;
    char path[TSDB_PATH_MAX], raw[TSDB_PATH_MAX], quarantine[TSDB_PATH_MAX];
    char tmp[TSDB_PATH_MAX]; /* files in the making; emptied at the start */
    struct env *env;
    bool threads;
    int lock_fd;

    struct head head;
    struct days days;
    struct wal *wal;
    struct metadata *metadata;

    pthread_mutex_t admin_lock;
    int admin_tasks; /* atomic: holding or waiting for it */
    pthread_mutex_t flush_lock;
    struct deletions deletions;        /* flush_lock */
    uint64_t deletion_count;           /* atomic: how many those are */
    uint32_t next_slice, ids_reserved; /* flush_lock */
    int64_t evicted_ns;                /* flush_lock */

    pthread_mutex_t flusher_lock;
    pthread_cond_t flusher_work;
    pthread_t flusher;
    bool flusher_running, flusher_stop, flusher_hurry; /* flusher_lock, but the first */

    struct tsdb_stats stats; /* head.lock; the log's and the day files' own come on top */
};

/* Waits for admin_lock: 0, or E_UNAVAILABLE when enough others wait. admin_end follows 0. tsdb.c */
int admin_begin(struct tsdb *db, struct errmsg *err) MUST_CHECK;
void admin_end(struct tsdb *db);
/* tsdb_flush, flush_lock held. tsdb.c */
int flush_now(struct tsdb *db, struct errmsg *err) MUST_CHECK;
/* Flushes one slice; flush_lock held. flush.c */
int flush_slice(struct tsdb *db, uint32_t slice, struct errmsg *err) MUST_CHECK;
/* All slices; E_TIMEOUT when the monotonic time until_ns has come before the last. */
int flush_all(struct tsdb *db, int64_t until_ns, struct errmsg *err) MUST_CHECK;
void flush_truncate_wal(struct tsdb *db);
int flusher_start(struct tsdb *db) MUST_CHECK;
void flusher_stop(struct tsdb *db);
void flusher_hurry(struct tsdb *db); /* the next slice now */

void evict_turn(struct tsdb *db); /* evict.c; flush_lock held */

int recover(struct tsdb *db, struct wal_replay_result *out) MUST_CHECK; /* recover.c */

extern const struct querier_ops tsdb_querier_ops; /* select.c */

int metadata_new(struct metadata **out) MUST_CHECK; /* metadata.c */
void metadata_free(struct metadata *m);

/* tsdb.c, for tests: tsdb_open with threads off (wal_wait and tsdb_flush then do all work in the
 * caller's thread) and chosen log sizes; 0 = default. */
struct tsdb_tuning {
    bool no_threads;
    int64_t segment_bytes;
    size_t backlog_bytes;
};
int tsdb_open_tuned(struct tsdb **out, const struct tsdb_options *o,
                    const struct tsdb_tuning *tuning, struct env *env,
                    struct errmsg *err) MUST_CHECK;
/* Ends without flushing or syncing anything, as a crash would. */
void tsdb_abandon(struct tsdb *db);

#endif
