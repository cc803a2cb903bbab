/* expo_family_int.h -- what the readers of families share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_EXPO_FAMILY_INT_H
#define TOCSIN_COLLECTOR_EXPO_FAMILY_INT_H

#include "collector/expo_family.h"

/* A family of this name at the end of the list; NULL: no memory. name must outlive f. */
struct family *families_add(struct families *f, struct str name, struct expo_place at) MUST_CHECK;
/* Makes a name stand for a family, which may have several: 1 when it stands for another already. */
int families_claim(struct families *f, struct str name, struct family *family) MUST_CHECK;
/* A sample at the end of a family; labels (any order, sorted by this) and texts must outlive f. */
struct family_sample *family_add_sample(struct families *f, struct family *family,
                                        struct str name) MUST_CHECK;
/* Copies and sorts labels. */
int families_copy_labels(struct families *f, const struct label *v, size_t count,
                         struct labels *out) MUST_CHECK;
/* The samples of a family, for sorting; in the arena. */
struct family_sample **family_list(struct families *f, const struct family *family) MUST_CHECK;

/* Prometheus' floats: no hexadecimal, no underscores. 0 or < 0. */
int expo_parse_float(struct str s, double *out) MUST_CHECK;

#endif
