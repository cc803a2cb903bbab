/* scrape_loop.h -- the scrape thread: static Prometheus targets on absolute deadlines.
 *
 * One thread drives every target through core/httpc.h (libcurl multi, kept connections). A target
 * is due at a phase of its interval given by the hash of its URL, so that targets spread; a slot
 * that cannot be kept is skipped and counted, never queued. Samples carry the slot's time. Each
 * target keeps the series of its last body (scrape_cache.h), so that a steady scrape neither hashes
 * nor allocates.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_SCRAPE_LOOP_H
#define TOCSIN_COLLECTOR_SCRAPE_LOOP_H

#include "collector/engine.h"
#include "collector/scrape.h"

struct scrape_loop;

/* Starts the thread, without targets. user_agent is sent with every scrape ("tocsin/0.1.0"). */
int scrape_loop_new(struct scrape_loop **out, struct tsdb *db, struct env *env,
                    const char *user_agent, struct errmsg *err) MUST_CHECK;

/* Changes to a configuration; from any thread. Targets whose entry (by hash) and labels are
 * unchanged keep their phase, series and connections; those that went away get staleness markers.
 * extra: labels of the node, added where a target has no label of that name. Configuration and
 * labels are copied: the caller may free them on return. On failure the old targets go on. */
int scrape_loop_apply(struct scrape_loop *l, const struct scrape_config *c, size_t count,
                      struct labels extra, struct errmsg *err) MUST_CHECK;

/* Visits every target in configuration order; texts are valid during the visit. Returns each()'s
 * first non-zero answer, else 0. From any thread; scraping waits meanwhile, so be brief. */
int scrape_loop_targets(struct scrape_loop *l, target_visit_fn *each, void *arg);

struct scrape_stats {
    uint64_t targets, targets_up;
    uint64_t scrapes, failures; /* since start */
    uint64_t skipped;           /* slots that passed while the last scrape was still running */
    uint64_t timeouts;
    uint64_t samples;                  /* stored, without the per-target ones (up, ...) */
    uint64_t dropped_samples;          /* refused by the store: limits, too old, too new */
    uint64_t series;                   /* known to the targets' caches */
    uint64_t cache_hits, cache_misses; /* lines found in place, and not */
};
void scrape_loop_stats(struct scrape_loop *l, struct scrape_stats *out);

/* Ends outstanding scrapes and stops the thread. Series are not marked stale: a daemon that starts
 * again at once must not resolve what was firing. */
void scrape_loop_free(struct scrape_loop *l);

#endif
