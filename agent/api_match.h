/* api_match.h -- repeated match[] parameters: the union of their selectors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_API_MATCH_H
#define TOCSIN_AGENT_API_MATCH_H

#include "agent/request.h"
#include "tsdb/labels.h"

enum { API_SELECTORS_MAX = 64 };

struct api_selector {
    struct matcher *v;
    size_t count;
};
struct api_selectors {
    struct api_selector v[API_SELECTORS_MAX];
    size_t count;
};

/* Reads all match[]; the matchers live in the arena, their expressions until the release, which is
 * due whatever the answer. E_PARSE with Prometheus' text: bad syntax, a selector that matches
 * everything, too many. */
int api_selectors_read(struct api_selectors *s, const struct request *r, struct arena *a,
                       struct errmsg *err) MUST_CHECK;
void api_selectors_release(struct api_selectors *s);
/* Whether some selector matches, or there is none. */
bool api_selectors_match(const struct api_selectors *s, struct labels ls);

#endif
