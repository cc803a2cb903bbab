/* fuzz_remote_write.c -- remote write of both versions, and imported expositions, over any bytes,
 * into a store that only counts: what the result says is what the store got.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "collector/push.h"
#include "core/env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tsdb {
    size_t samples;
};

static void check(bool ok)
{
    if (!ok) abort();
}

static int check_labels(struct labels ls, tsdb_ref *out)
{
    check(ls.count <= LABELS_MAX);
    for (size_t i = 0; i < ls.count; i++) {
        check(ls.v[i].name.len > 0 && ls.v[i].value.len > 0);
        check(i == 0 || str_cmp(ls.v[i - 1].name, ls.v[i].name) < 0);
    }
    *out = 1;
    return labels_metric(ls).len ? 0 : E_INVALID;
}

int tsdb_series(struct tsdb *db, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    UNUSED(db);
    UNUSED(err);
    return check_labels(ls, out);
}

int tsdb_append(struct tsdb *db, const struct tsdb_point *p, size_t count,
                struct tsdb_append_result *r)
{
    for (size_t i = 0; i < count; i++)
        check(p[i].ref == 1);
    db->samples += count;
    *r = (struct tsdb_append_result){.stored = count};
    return 0;
}

int tsdb_metadata_set(struct tsdb *db, const struct metric_metadata *m)
{
    UNUSED(db);
    check(str_is_utf8(m->help) && str_is_utf8(m->unit));
    return m->name.len ? 0 : E_INVALID;
}

static void check_result(const struct tsdb *db, int rc, const struct push_result *r)
{
    check(rc == 0 || rc == E_PARSE);
    check(r->samples == db->samples);
    check(rc == 0 || r->first_error.text[0]);
    check(r->bad_lines + r->dropped_histograms == 0 || r->first_error.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = {(const char *)data, size};
    const struct push_text how = {.format = size % 2 ? EXPO_TEXT : EXPO_OPENMETRICS, .t_ms = 1};
    struct push_result r;
    for (int i = 0; i < 3; i++) {
        struct tsdb db = {0};
        struct pusher *p;
        if (pusher_new(&p, &db, env_system(), (struct labels){NULL, 0}) < 0) return 0;
        /* twice: the second time through the cache */
        for (int again = 0; again < 2; again++) {
            db.samples = 0;
            int rc = i == 2 ? push_text(p, body, &how, &r)
                            : push_remote(p, body, (enum remote_write)i, &r);
            check_result(&db, rc, &r);
        }
        pusher_free(p);
    }
    return 0;
}
