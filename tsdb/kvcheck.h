/* kvcheck.h -- whether a file is a sound LMDB file, before LMDB trusts it.
 *
 * LMDB 0.9 checks nothing it maps: a damaged tree page is an assertion, a wild pointer or SIGBUS.
 * This walks the trees of one commit with ordinary reads and looks at every page they are made of,
 * and at the list of free pages, but not into large values: those have checksums of their own.
 * It knows LMDB's data version 1 on 64-bit machines of this byte order.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_KVCHECK_H
#define TOCSIN_TSDB_KVCHECK_H

#include <stddef.h>
#include <stdint.h>

#include "core/env.h"
#include "core/err.h"

/* Reads len bytes at offset, all inside the size given to kvcheck: 0 or an error. */
typedef int kvcheck_read_fn(void *arg, uint64_t offset, void *p, size_t len);

/* E_CORRUPT with a message about the first thing that is wrong. txn_id: the commit to look at (a
 * reader must hold it when there is a writer); E_STALE when it is not one of the last two; 0: the
 * last one. */
int kvcheck(kvcheck_read_fn *read, void *arg, uint64_t size, uint64_t txn_id,
            struct errmsg *err) MUST_CHECK;
/* The same for a file. E_NOT_FOUND when it is not there. */
int kvcheck_file(struct env *env, const char *path, uint64_t txn_id, struct errmsg *err) MUST_CHECK;

#endif
