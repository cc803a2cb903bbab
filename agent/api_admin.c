/* api_admin.c -- POST /api/v1/admin/tsdb/...: deleting, cleaning, compacting, snapshots.
 *
 * They end when the work is done, which may take minutes; only the end of the daemon cancels it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api_match.h"
#include "agent/api_status.h"
#include "tsdb/admin.h"

enum { SELECTORS_BYTES = 4 << 20 };

static void fail(struct response *p, int rc, const struct errmsg *err)
{
    const char *text = err->text[0] ? err->text : err_text(rc);
    bool busy = rc == E_UNAVAILABLE || rc == E_CANCELED;
    response_fail(p, rc == E_LIMIT ? "execution" : busy ? "unavailable" : "internal", "%s", text);
    if (busy) response_header(p, "Retry-After", "5");
}

static void delete_selected(struct app *a, const struct api_selectors *s, int64_t start_ms,
                            int64_t end_ms, struct response *p)
{
    struct errmsg err = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->count; i++)
        rc = tsdb_delete(a->db, s->v[i].v, s->v[i].count, start_ms, end_ms, &err);
    if (rc < 0)
        fail(p, rc, &err);
    else
        p->status = 204;
}

void api_admin_delete(struct app *a, struct request *r, struct response *p)
{
    int64_t min_ms = API_TIME_MIN, max_ms = API_TIME_MAX, start_ms = 0, end_ms = 0;
    struct api_selectors s = {.count = 0};
    struct arena arena;
    struct errmsg err = {0};
    arena_init(&arena, SELECTORS_BYTES);
    if (!request_param(r, "match[]").p)
        response_fail(p, "bad_data", "no match[] parameter provided");
    else if (api_time(r, p, "start", &min_ms, &start_ms) == 0 &&
             api_time(r, p, "end", &max_ms, &end_ms) == 0) {
        if (api_selectors_read(&s, r, &arena, &err) < 0)
            api_invalid(p, "match[]", "%s", err.text);
        else
            delete_selected(a, &s, start_ms, end_ms, p);
    }
    api_selectors_release(&s);
    arena_release(&arena);
}

void api_admin_snapshot(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct errmsg err = {0};
    char name[TSDB_SNAPSHOT_NAME];
    struct str skip = request_param(r, "skip_head");
    bool skip_head = str_eq_nocase(skip, STR("true")) || str_eq(skip, STR("1"));
    if (skip.len && !skip_head && !str_eq_nocase(skip, STR("false")) && !str_eq(skip, STR("0"))) {
        api_invalid(p, "skip_head", "unable to parse boolean \"%.*s\"", (int)MIN(skip.len, 100),
                    skip.p);
        return;
    }
    int rc = tsdb_snapshot(a->db, skip_head, &a->stopping, name, &err);
    if (rc < 0) {
        fail(p, rc, &err);
        return;
    }
    api_begin(p, &j);
    json_obj(&j);
    json_kv_cstr(&j, "name", name);
    json_end(&j);
    api_end(p, &j, NULL, false);
}

void api_admin_clean(struct app *a, struct request *r, struct response *p)
{
    struct tsdb_rewritten done = {0};
    struct errmsg err = {0};
    UNUSED(r);
    int rc = tsdb_clean(a->db, &a->stopping, &done, &err);
    if (rc < 0)
        fail(p, rc, &err);
    else
        p->status = 204;
}

void api_admin_compact(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    struct tsdb_rewritten done = {0};
    struct errmsg err = {0};
    UNUSED(r);
    int rc = tsdb_compact(a->db, &a->stopping, &done, &err);
    if (rc < 0) {
        fail(p, rc, &err);
        return;
    }
    const struct {
        const char *key;
        uint64_t value;
    } rows[] = {
        {"rewrittenDays", done.days        },
        {"damagedDays",   done.damaged     },
        {"bytesBefore",   done.bytes_before},
        {"bytesAfter",    done.bytes_after },
    };
    api_begin(p, &j);
    json_obj(&j);
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_kv_uint(&j, rows[i].key, rows[i].value);
    }
    json_end(&j);
    api_end(p, &j, NULL, false);
}
