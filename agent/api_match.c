/* api_match.c -- repeated match[] parameters.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api_match.h"

#include "agent/api.h"

int api_selectors_read(struct api_selectors *s, const struct request *r, struct arena *a,
                       struct errmsg *err)
{
    struct str text;
    bool finds_all = false; /* told only when all of them parse */
    s->count = 0;
    for (size_t i = 0; (text = request_param_at(r, "match[]", i)).p; i++) {
        struct errmsg why = {0};
        char shown[API_PARSE_ERROR_MAX];
        if (i == API_SELECTORS_MAX)
            return errmsg_set(err, E_PARSE, "more than %d selectors", API_SELECTORS_MAX);
        struct api_selector *one = &s->v[i];
        *one = (struct api_selector){0};
        int rc = promql_parse_selector(text, a, &one->v, &one->count, &why);
        if (text.len == 0) why.line = 0; /* nothing has no place */
        if (rc < 0 && rc != E_INVALID)
            return errmsg_set(err, E_PARSE, "%s", api_parse_error(&why, shown));
        finds_all |= rc == E_INVALID;
        s->count++;
    }
    if (!finds_all) return 0;
    return errmsg_set(err, E_PARSE, "match[] must contain at least one non-empty matcher");
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
