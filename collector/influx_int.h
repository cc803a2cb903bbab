/* influx_int.h -- the steps of reading a line of line protocol, for influx.c and push.c.
 *
 *     measurement,tag=value,tag=value field=1,field=2i 1465839830100400200
 *     `------------ head ------------' `-- fields --'  `------ end ------'
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_INFLUX_INT_H
#define TOCSIN_COLLECTOR_INFLUX_INT_H

#include "collector/influx.h"

/* Moves to the next line that holds something: 1, or 0 at the end of the input. */
int influx_skip_blank(struct influx *x);
/* The bytes of measurement and tags as written, unchecked; true when a field may follow (then the
 * cursor stands on its first byte). False: the cursor has not moved, read the head in full. */
bool influx_take_head(struct influx *x, struct str *head);
/* Checks a head in full; tags and unescaped texts go to the arena, tags sorted. The cursor ends
 * where the first field should stand. */
int influx_read_head(struct influx *x, struct arena *a, struct influx_point *out,
                     struct errmsg *err) MUST_CHECK;
/* A field's key with its '=', still escaped. */
int influx_read_key(struct influx *x, struct str *key, struct errmsg *err) MUST_CHECK;
/* The same for a key that is known: moves past it and its '=' when it stands there. */
bool influx_match_key(struct influx *x, struct str key);
/* A field's value: 1 when another field follows, 0 when it was the last. A string's text is still
 * escaped. */
int influx_read_value(struct influx *x, struct influx_value *v, struct errmsg *err) MUST_CHECK;
/* Timestamp, if any, and the end of the line. */
int influx_read_end(struct influx *x, bool *has_time, int64_t *time_ns,
                    struct errmsg *err) MUST_CHECK;
/* Past the end of a line that could not be read. */
void influx_skip_line(struct influx *x);
/* A field key without its escapes; copied to the arena only if it has any. */
int influx_unescape_key(struct arena *a, struct str raw, struct str *out) MUST_CHECK;
/* Nanoseconds of a unit. */
int64_t influx_precision_ns(enum influx_precision p);

#endif
