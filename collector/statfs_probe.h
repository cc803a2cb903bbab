/* statfs_probe.h -- statfs with a deadline: a dead NFS server blocks the call for ever, and nothing
 * can interrupt it.
 *
 * Calls run on a thread of the probe. One that misses its deadline keeps its thread until the
 * kernel answers; the path counts as stuck so long and is not asked again, and other paths are
 * served by a fresh thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_STATFS_PROBE_H
#define TOCSIN_COLLECTOR_STATFS_PROBE_H

#include <stdint.h>
#include <sys/statfs.h>

#include "core/err.h"

struct statfs_probe;
/* statfs(2)'s form; tests give their own. */
typedef int statfs_call_fn(const char *path, struct statfs *out);

int statfs_probe_new(struct statfs_probe **out, statfs_call_fn *call) MUST_CHECK;
/* 0 and *out; -errno of the call; E_TIMEOUT when path is stuck now; E_LIMIT when so many paths are
 * stuck that no further thread is risked. One caller at a time. */
int statfs_probe_ask(struct statfs_probe *p, const char *path, int64_t timeout_ms,
                     struct statfs *out) MUST_CHECK;
size_t statfs_probe_stuck(const struct statfs_probe *p); /* calls that have not come back */
void statfs_probe_free(struct statfs_probe *p);          /* does not wait for stuck calls */

#endif
