/* push.h -- pushed data on its way into the store.
 *
 * A push decodes one body, resolves series through a wire-key cache kept per pusher, and appends.
 * Thread-safe: any number of HTTP workers push through one struct pusher.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_PUSH_H
#define TOCSIN_COLLECTOR_PUSH_H

#include "collector/expo.h"
#include "collector/influx.h"
#include "tsdb/tsdb.h"

struct pusher;
/* extra: labels added where line protocol lacks them (job, instance). */
int pusher_new(struct pusher **out, struct tsdb *db, struct env *env,
               struct labels extra) MUST_CHECK;
void pusher_free(struct pusher *p);

struct push_result {
    size_t lines, samples;  /* taken; remote write: series */
    size_t bad_lines;       /* refused as not being of the format */
    size_t dropped_strings; /* string fields: counted, not stored */
    size_t dropped_samples; /* over limits, too old, too new, of series with bad labels */
    size_t dropped_histograms, dropped_exemplars; /* of remote write: native ones are not stored */
    struct errmsg first_error; /* of bad_lines or dropped_samples; line is the body's, of remote
                                  write the series, counted from 1 */
    uint64_t lsn;              /* for tsdb_wait before a 204 */
};
/* measurement_field{tags}, field "value" -> measurement; booleans 0/1; names made valid by
 * replacing bytes outside [a-zA-Z0-9_:] by '_'. Good lines are stored even when others are bad. 0,
 * E_UNAVAILABLE (nothing stored; 503), E_LIMIT, -ENOMEM. */
int push_influx(struct pusher *p, struct str body, enum influx_precision precision,
                struct push_result *r) MUST_CHECK;

/* Remote write 1.0 (prometheus.WriteRequest) and 2.0 (io.prometheus.write.v2.Request), already
 * decompressed. Labels are stored as they come, values bit for bit, staleness markers included;
 * metadata goes to the store's. A series with bad labels loses its samples, the others are stored.
 * 0, E_PARSE (not such a message: r->first_error says why; what came before may be stored),
 * E_UNAVAILABLE, -ENOMEM. */
enum remote_write { REMOTE_WRITE_1, REMOTE_WRITE_2 };
int push_remote(struct pusher *p, struct str body, enum remote_write version,
                struct push_result *r) MUST_CHECK;

/* Lines of an exposition: text 0.0.4, or OpenMetrics. extra replaces labels of the same name;
 * samples without a timestamp get t_ms. Good lines are stored even when others are bad. 0,
 * E_UNAVAILABLE, E_LIMIT, -ENOMEM. */
struct push_text {
    enum expo_format format;
    struct labels extra;
    int64_t t_ms; /* 0: now */
};
int push_text(struct pusher *p, struct str body, const struct push_text *how,
              struct push_result *r) MUST_CHECK;

struct push_stats {
    uint64_t requests, lines, samples, bad_lines, dropped_strings, dropped_samples,
        dropped_histograms, dropped_exemplars;
};
void pusher_stats(struct pusher *p, struct push_stats *out);

#endif
