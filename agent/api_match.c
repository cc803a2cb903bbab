/* api_match.c -- repeated match[] parameters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api_match.h"

#include "agent/api.h"

static bool matches_empty(const struct api_selector *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (matcher_test(&s->v[i], STR("")) == 0) return false;
    return true;
}

int api_selectors_read(struct api_selectors *s, const struct request *r, struct arena *a,
                       struct errmsg *err)
{
    struct str text;
    s->count = 0;
    for (size_t i = 0; (text = request_param_at(r, "match[]", i)).p; i++) {
        struct errmsg why = {0};
        char shown[API_PARSE_ERROR_MAX];
        if (i == API_SELECTORS_MAX)
            return errmsg_set(err, E_PARSE, "more than %d selectors", API_SELECTORS_MAX);
        struct api_selector *one = &s->v[i];
        *one = (struct api_selector){0};
        if (promql_parse_selector(text, a, &one->v, &one->count, &why) < 0)
            return errmsg_set(err, E_PARSE, "%s", api_parse_error(&why, shown));
        s->count++;
    }
    for (size_t i = 0; i < s->count; i++)
        if (matches_empty(&s->v[i]))
            return errmsg_set(err, E_PARSE, "match[] must contain at least one non-empty matcher");
    return 0;
}

void api_selectors_release(struct api_selectors *s)
{
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->v[i].count; k++)
            matcher_release(&s->v[i].v[k]);
    s->count = 0;
}

bool api_selectors_match(const struct api_selectors *s, struct labels ls)
{
    for (size_t i = 0; i < s->count; i++)
        if (matchers_test(s->v[i].v, s->v[i].count, ls) == 1) return true;
    return s->count == 0;
}
