/* api_metadata.c -- /api/v1/metadata: HELP, TYPE and UNIT of every metric known.
 *
 * One entry a metric: the store keeps what was said last, so limit_per_metric never cuts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"
#include "agent/backend.h"

struct metadata_list {
    struct json j;
    int64_t limit, count; /* limit < 0: none */
};

static int put_metadata(void *arg, const struct metric_metadata *m)
{
    struct metadata_list *list = arg;
    struct json *j = &list->j;
    if (list->limit >= 0 && list->count >= list->limit) return 1;
    list->count++;
    json_key_str(j, m->name);
    json_arr(j);
    json_obj(j);
    json_kv_cstr(j, "type", metric_type_name(m->type));
    json_kv_str(j, "unit", m->unit);
    json_kv_str(j, "help", m->help);
    json_end(j);
    json_end(j);
    return 0;
}

/* -1 when absent. < 0: answered. */
static int read_number(const struct request *r, struct response *p, const char *name, int64_t *out)
{
    struct str s = request_param(r, name);
    *out = -1;
    if (!s.len || str_to_i64(s, out) == 0) return 0;
    response_fail(p, "bad_data", "%s must be a number", name);
    return -1;
}

void api_metadata(struct app *a, struct request *r, struct response *p)
{
    struct metadata_list list = {.count = 0};
    struct app_settings s;
    struct arena arena;
    struct errmsg err = {0};
    int64_t per_metric;
    struct str name = request_param(r, "metric");
    if (read_number(r, p, "limit", &list.limit) < 0 ||
        read_number(r, p, "limit_per_metric", &per_metric) < 0)
        return;
    app_settings(a, &s);
    arena_init(&arena, s.query_memory);
    struct query_budget budget = {
        .cancel = r->cancel,
        .deadline_mono_ns = r->start_mono_ns + s.query_timeout_ms * 1000000,
    };
    api_begin(p, &list.j);
    json_obj(&list.j);
    int rc = backend_metadata(a->backend, name.len ? name.p : NULL, &budget, &arena, put_metadata,
                              &list, &err);
    json_end(&list.j);
    api_end(p, &list.j, NULL, false);
    if (rc < 0 && rc != E_NOT_FOUND) api_fail_exec(p, rc, &err);
    arena_release(&arena);
}
