/* memstore.h -- a store of sorted arrays behind the querier interface, without retention.
 *
 * For the PromQL conformance scripts (which start at 1970), rule unit tests, replay, and as the
 * model every operation of the real store is checked against. One thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_MEMSTORE_H
#define TOCSIN_TSDB_MEMSTORE_H

#include "tsdb/querier.h"

struct memstore;

int memstore_new(struct memstore **out) MUST_CHECK;
void memstore_free(struct memstore *m);
void memstore_clear(struct memstore *m);
/* Adds a sample, in any order; the last write of a timestamp wins. A value may be a staleness
 * marker or stand for a native histogram. */
int memstore_add(struct memstore *m, struct labels ls, int64_t t_ms, double v) MUST_CHECK;
struct querier *memstore_querier(struct memstore *m); /* borrowed */

#endif
