/* push.h -- pushed data on its way into the store.
 *
 * A push decodes one body, resolves series through a wire-key cache kept per pusher, and appends.
 * Thread-safe: any number of HTTP workers push through one struct pusher.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_PUSH_H
#define TOCSIN_COLLECTOR_PUSH_H

#include "collector/influx.h"
#include "tsdb/tsdb.h"

struct pusher;
/* extra: labels added where the data lacks them (job, instance of pushed data). */
int pusher_new(struct pusher **out, struct tsdb *db, struct env *env,
               struct labels extra) MUST_CHECK;
void pusher_free(struct pusher *p);

struct push_result {
    size_t lines, samples;     /* taken */
    size_t bad_lines;          /* refused as not line protocol */
    size_t dropped_strings;    /* string fields: counted, not stored */
    size_t dropped_samples;    /* over limits, too old, too new */
    struct errmsg first_error; /* of bad_lines or dropped_samples; line is the body's */
    uint64_t lsn;              /* for tsdb_wait before a 204 */
};
/* measurement_field{tags}, field "value" -> measurement; booleans 0/1; names made valid by
 * replacing bytes outside [a-zA-Z0-9_:] by '_'. Good lines are stored even when others are bad. 0,
 * E_UNAVAILABLE (nothing stored; 503), E_LIMIT, -ENOMEM. */
int push_influx(struct pusher *p, struct str body, enum influx_precision precision,
                struct push_result *r) MUST_CHECK;

struct push_stats {
    uint64_t requests, lines, samples, bad_lines, dropped_strings, dropped_samples;
};
void pusher_stats(struct pusher *p, struct push_stats *out);

#endif
