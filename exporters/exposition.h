/* exposition.h -- writing the Prometheus text format.
 *
 * Families must come one after another (all samples of a name together); HELP and TYPE are written
 * once before the first sample of each.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_EXPORTERS_EXPOSITION_H
#define TOCSIN_EXPORTERS_EXPOSITION_H

#include "core/buf.h"
#include "exporters/escaping.h"
#include "tsdb/labels.h"
#include "tsdb/tsdb.h"

struct exposition {
    struct buf *out;
    struct buf family;      /* name of the family being written */
    enum escaping escaping; /* of names that are not of the old alphabet; NONE: in quotes */
    struct buf escaped;     /* scratch */
};

void exposition_init(struct exposition *x, struct buf *out);
void exposition_release(struct exposition *x);
/* labels without __name__. help may be "". */
void exposition_sample(struct exposition *x, const char *name, const char *help,
                       enum metric_type type, struct labels labels, double v);

/* One sample with its time and without a type, as federation has them: "# TYPE name untyped" before
 * the first of a name. labels with or without __name__, extra behind them. */
void exposition_untyped(struct exposition *x, struct str name, struct labels labels,
                        struct labels extra, double v, int64_t t_ms);

#endif
