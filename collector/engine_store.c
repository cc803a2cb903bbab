/* engine_store.c -- the collector engine over the store.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/engine_int.h"

static int db_series(void *arg, struct labels ls, tsdb_ref *out, struct errmsg *err)
{
    return tsdb_series(arg, ls, out, err);
}

static int db_append(void *arg, const struct tsdb_point *p, size_t count,
                     struct tsdb_append_result *r)
{
    return tsdb_append(arg, p, count, r);
}

static int db_metadata(void *arg, const struct metric_metadata *m)
{
    return tsdb_metadata_set(arg, m);
}

static struct collect_sink store_sink(struct tsdb *db)
{
    return (struct collect_sink){db_series, db_append, db_metadata, db};
}

int collector_engine_new(struct collector_engine **out, struct tsdb *db, struct env *env,
                         struct errmsg *err)
{
    int rc = collector_engine_new_sink(out, store_sink(db), env, true);
    return rc < 0 ? errmsg_set(err, rc, "collectors cannot start: %s", err_text(rc)) : 0;
}
