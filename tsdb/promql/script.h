/* script.h -- runs PromQL test scripts: load data, evaluate, compare.
 *
 * A script is a text of blocks: "load STEP" with one series a line, "clear", and
 * "eval instant at T EXPR" or "eval range from T to T step T EXPR" followed by expectations
 * ("expect fail", "expect warn msg: ...", ...) and the expected result, one series a line or one
 * bare number. Data lives in an in-memory store, where a native histogram is known to stand but not
 * kept (load_with_nhcb makes one beside each classic histogram); every optional feature of the
 * language is on, lookback is 5m, subqueries step by 1m, __name__ is removed at the end of a query.
 * Instant cases are evaluated as range queries too, and the middle point compared; and at other
 * times with all selectors pinned to theirs by @.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_SCRIPT_H
#define TOCSIN_TSDB_PROMQL_SCRIPT_H

#include "core/buf.h"
#include "core/str.h"

/* Runs a file and appends a line per case, "ok FILE:LINE" or "not ok FILE:LINE: expected ..., got
 * ...", to out. Adds to *passed and *failed; a line that is no command counts as failed. The
 * result is negative only when the script could not be run: unreadable, or out of memory. */
int promql_script_run(const char *path, struct buf *out, size_t *passed, size_t *failed) MUST_CHECK;
/* The same for a text; name stands in for the file's. */
enum {
    SCRIPT_NAMES_AT_ONCE = 1, /* functions remove __name__ at once, as queries have it by default */
};
int promql_script_text(const char *name, struct str text, unsigned flags, struct buf *out,
                       size_t *passed, size_t *failed) MUST_CHECK;

#endif
