/* label_query.h -- label names and values of a querier, by way of its series; shared by the stores
 * of this folder as their entries in struct querier_ops.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_LABEL_QUERY_H
#define TOCSIN_TSDB_LABEL_QUERY_H

#include "tsdb/querier.h"

int label_query_names(struct querier *q, const struct select_request *r, str_visit_fn *each,
                      void *arg, struct errmsg *err) MUST_CHECK;
int label_query_values(struct querier *q, struct str name, const struct select_request *r,
                       str_visit_fn *each, void *arg, struct errmsg *err) MUST_CHECK;

#endif
