/* fingerprints.h -- small sorted sets of alert fingerprints.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_FINGERPRINTS_H
#define TOCSIN_RULES_FINGERPRINTS_H

#include "rules/dispatch.h"

int fingerprint_set_add(struct fingerprint_set *s, uint64_t fingerprint) MUST_CHECK;
int fingerprint_set_copy(struct fingerprint_set *to, const struct fingerprint_set *from) MUST_CHECK;
bool fingerprint_set_contains(const struct fingerprint_set *s, const struct fingerprint_set *part);
void fingerprint_set_release(struct fingerprint_set *s);

#endif
