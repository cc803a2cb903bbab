/* escaping.h -- names in UTF-8 for readers that know only the old alphabet, and what a scraper's
 * Accept header asks for.
 *
 *     underscores  my.metric -> my_metric              (no way back)
 *     dots         my.metric_x -> my_dot_metric__x     (other characters have no way back)
 *     values       my.metric -> U__my_2e_metric        (all have)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_EXPORTERS_ESCAPING_H
#define TOCSIN_EXPORTERS_ESCAPING_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/str.h"

enum escaping { ESCAPING_NONE, ESCAPING_UNDERSCORES, ESCAPING_DOTS, ESCAPING_VALUES, ESCAPINGS };
extern const char *const escaping_names[ESCAPINGS]; /* "allow-utf-8", "underscores", ... */

/* Appends the escaped name. Returns out->err. */
int name_escape(struct str name, enum escaping scheme, struct buf *out);
/* Appends what name stood for; a name that is not escaped that way, as it is. Returns out->err. */
int name_unescape(struct str name, enum escaping scheme, struct buf *out);

/* What a text exposition is to look like. */
struct exposition_format {
    bool v1;   /* 1.0.0: names may stand in quotes */
    bool said; /* the reader named a scheme */
    enum escaping escaping;
};
/* The best of an Accept header that is text; 0.0.4 with underscores when there is none (NULL too).
 * OpenMetrics and protobuf are not offered. */
struct exposition_format exposition_negotiate(const char *accept);
/* "text/plain; version=0.0.4; charset=utf-8"; static. */
const char *exposition_content_type(const struct exposition_format *f);

#endif
