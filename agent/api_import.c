/* api_import.c -- expositions by POST: old samples brought in, as VictoriaMetrics takes them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"

enum { EXTRA_LABELS_MAX = 64 };

/* extra_label=name=value, as often as wanted. 0, or < 0 with the response filled. */
static int read_extra(const struct request *r, struct response *p, struct label *v, size_t *count)
{
    struct str given;
    for (size_t i = 0; (given = request_param_at(r, "extra_label", i)).p; i++) {
        struct str value = given, name = str_split(&value, '=');
        if (str_eq(name, STR(METRIC_NAME)))
            return api_invalid(p, "extra_label", METRIC_NAME " may not be set");
        if (!value.p || !label_name_is_valid(name) || !str_is_utf8(value))
            return api_invalid(p, "extra_label", "\"%.*s\" is not name=value",
                               (int)MIN(given.len, (size_t)80), given.p);
        if (*count == EXTRA_LABELS_MAX)
            return api_invalid(p, "extra_label", "more than %d", EXTRA_LABELS_MAX);
        v[(*count)++] = (struct label){name, value};
    }
    return 0;
}

static int read_how(const struct request *r, struct response *p, struct push_text *how)
{
    struct str time = request_param(r, "timestamp");
    how->format = expo_format_of(r->header[HDR_CONTENT_TYPE] ? r->header[HDR_CONTENT_TYPE] : "");
    if (time.len && str_to_i64(time, &how->t_ms) < 0)
        return api_invalid(p, "timestamp", "\"%.*s\" is not a number of milliseconds",
                           (int)MIN(time.len, (size_t)40), time.p);
    return 0;
}

void api_import(struct app *a, struct request *r, struct response *p)
{
    struct label extra[EXTRA_LABELS_MAX];
    struct push_result res = {0};
    struct push_text how = {
        .extra = {extra, 0}
    };
    if (read_extra(r, p, extra, &how.extra.count) < 0 || read_how(r, p, &how) < 0) return;
    int rc = push_text(a->pusher, r->body, &how, &res);
    api_answer_push(a, p, rc, &res, "line");
}
