/* backend.c -- a querier in front of the store and the remote engine.
 *
 * A call counts itself as a user of the choice in force; a choice that was replaced goes with its
 * last user. (The one count of references besides label sets: a lock held over a query would make
 * a reload wait for the slowest one, and everybody behind it.)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/backend.h"

#include <errno.h>
#include <pthread.h>

#include "core/mem.h"
#include "tsdb/promql/promql.h"

enum { SECRET_MAX = 64 << 10 };

struct backend_choice {
    struct querier *querier; /* whom to ask */
    struct remote *remote;   /* NULL: the store */
    size_t users;            /* calls under way; by the backend's lock */
    bool replaced;
};

struct backend {
    struct querier querier; /* first: the querier is the backend */
    struct tsdb *db;
    struct env *env;
    struct remote_counters counters;
    pthread_mutex_t lock;
    struct backend_choice *choice; /* in force; never NULL */
};

/* --- using a choice --- */

static struct backend_choice *take(struct backend *b)
{
    pthread_mutex_lock(&b->lock);
    struct backend_choice *choice = b->choice;
    choice->users++;
    pthread_mutex_unlock(&b->lock);
    return choice;
}

static void give(struct backend *b, struct backend_choice *choice)
{
    pthread_mutex_lock(&b->lock);
    bool last = --choice->users == 0 && choice->replaced;
    pthread_mutex_unlock(&b->lock);
    if (last) backend_choice_free(choice);
}

/* A set keeps its choice until it is freed. */
struct held_set {
    struct series_set set;
    struct series_set *inner;
    struct backend *backend;
    struct backend_choice *choice;
};

static int held_next(struct series_set *ss, struct series_view *out, struct errmsg *err)
{
    struct held_set *s = (struct held_set *)ss;
    return s->inner->ops->next(s->inner, out, err);
}

static void held_free(struct series_set *ss)
{
    struct held_set *s = (struct held_set *)ss;
    s->inner->ops->free(s->inner);
    give(s->backend, s->choice);
    mem_free(s);
}

static const struct series_set_ops held_ops = {held_next, held_free};

/* --- the querier --- */

static int backend_select(struct querier *q, const struct select_request *r,
                          struct series_set **out, struct errmsg *err)
{
    struct backend *b = (struct backend *)q;
    struct held_set *s = mem_zalloc(sizeof *s);
    *out = NULL;
    if (!s) return -ENOMEM;
    *s = (struct held_set){.set.ops = &held_ops, .backend = b, .choice = take(b)};
    int rc = s->choice->querier->ops->select(s->choice->querier, r, &s->inner, err);
    if (rc < 0) {
        give(b, s->choice);
        mem_free(s);
        return rc;
    }
    s->set.histograms = s->inner->histograms;
    *out = &s->set;
    return 0;
}

static int backend_label_names(struct querier *q, const struct select_request *r,
                               str_visit_fn *each, void *arg, struct errmsg *err)
{
    struct backend *b = (struct backend *)q;
    struct backend_choice *c = take(b);
    int rc = c->querier->ops->label_names(c->querier, r, each, arg, err);
    give(b, c);
    return rc;
}

static int backend_label_values(struct querier *q, struct str name, const struct select_request *r,
                                str_visit_fn *each, void *arg, struct errmsg *err)
{
    struct backend *b = (struct backend *)q;
    struct backend_choice *c = take(b);
    int rc = c->querier->ops->label_values(c->querier, name, r, each, arg, err);
    give(b, c);
    return rc;
}

static int backend_series(struct querier *q, const struct select_request *r, labels_visit_fn *each,
                          void *arg, struct errmsg *err)
{
    struct backend *b = (struct backend *)q;
    struct backend_choice *c = take(b);
    int rc = c->querier->ops->series(c->querier, r, each, arg, err);
    give(b, c);
    return rc;
}

/* Back to promql_eval with the one who is to answer: the store has no eval of its own and is read
 * there, an engine gets the expression. */
static int backend_eval(struct querier *q, const struct expr *e, struct promql_query *query,
                        struct promql_result *out, struct errmsg *err)
{
    struct backend *b = (struct backend *)q;
    struct backend_choice *c = take(b);
    query->querier = c->querier;
    int rc = promql_eval(e, query, out, err);
    query->querier = q;
    give(b, c);
    return rc;
}

static const struct querier_ops backend_ops = {
    .select = backend_select,
    .label_names = backend_label_names,
    .label_values = backend_label_values,
    .series = backend_series,
    .eval = backend_eval,
};

bool backend_is_local(struct backend *b)
{
    pthread_mutex_lock(&b->lock);
    bool local = !b->choice->remote;
    pthread_mutex_unlock(&b->lock);
    return local;
}

int backend_metadata(struct backend *b, const char *metric, struct query_budget *budget,
                     struct arena *arena, metadata_visit_fn *each, void *arg, struct errmsg *err)
{
    struct backend_choice *c = take(b);
    int rc = c->remote ? remote_metadata(c->remote, metric, budget, arena, each, arg, err)
                       : tsdb_metadata(b->db, metric, each, arg);
    give(b, c);
    return rc;
}

const struct remote_counters *backend_counters(const struct backend *b)
{
    return &b->counters;
}

/* --- choosing --- */

/* A secret: written down, or the trimmed content of a file. *out is owned by the caller. */
static int read_secret(struct backend *b, const char *text, const char *file, const char *key,
                       char **out, struct errmsg *err)
{
    size_t len = 0;
    *out = NULL;
    if (!file[0]) {
        *out = mem_strndup(text, strlen(text));
        return *out ? 0 : errmsg_set(err, -ENOMEM, "out of memory");
    }
    int rc = env_read_file(b->env, file, SECRET_MAX, out, &len);
    if (rc < 0)
        return errmsg_set(err, rc, "cannot read query.remote.%s %s: %s", key, file, err_text(rc));
    struct str s = str_trim((struct str){*out, len});
    memmove(*out, s.p, s.len);
    (*out)[s.len] = '\0';
    if (s.len && strlen(*out) == s.len && !strpbrk(*out, "\r\n")) return 0;
    mem_free(*out);
    *out = NULL;
    return errmsg_set(err, E_INVALID, "query.remote.%s %s does not hold one line of text", key,
                      file);
}

static int make_remote(struct backend *b, const struct config_query_remote *c, struct remote **out,
                       struct errmsg *err)
{
    char *password = NULL, *bearer = NULL;
    struct label *headers = mem_array(c->headers.count + 1, sizeof *headers);
    if (!headers) return errmsg_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < c->headers.count; i++)
        headers[i] = (struct label){c->headers.v[i].key, c->headers.v[i].value};
    int rc = read_secret(b, c->password, c->password_file, "password_file", &password, err);
    if (rc == 0) rc = read_secret(b, c->bearer, c->bearer_file, "bearer_file", &bearer, err);
    struct remote_options o = {
        .url = c->url,
        .timeout_ms = c->timeout_ms,
        .headers = headers,
        .header_count = c->headers.count,
        .username = c->username,
        .password = password,
        .bearer = bearer,
        .proxy_url = c->proxy_url,
        .tls = c->tls,
    };
    if (rc == 0) rc = remote_new(out, &o, b->env, &b->counters, err);
    mem_free(password);
    mem_free(bearer);
    mem_free(headers);
    return rc;
}

int backend_prepare(struct backend *b, const struct config_query *c, struct backend_choice **out,
                    struct errmsg *err)
{
    struct backend_choice *choice = mem_zalloc(sizeof *choice);
    *out = NULL;
    if (!choice) return errmsg_set(err, -ENOMEM, "out of memory");
    int rc = c->backend == QUERY_REMOTE ? make_remote(b, &c->remote, &choice->remote, err) : 0;
    if (rc < 0) {
        mem_free(choice);
        return rc;
    }
    choice->querier = choice->remote ? remote_querier(choice->remote) : tsdb_querier(b->db);
    *out = choice;
    return 0;
}

void backend_switch(struct backend *b, struct backend_choice *choice)
{
    pthread_mutex_lock(&b->lock);
    struct backend_choice *old = b->choice;
    b->choice = choice;
    old->replaced = true;
    bool unused = old->users == 0;
    pthread_mutex_unlock(&b->lock);
    if (unused) backend_choice_free(old);
}

void backend_choice_free(struct backend_choice *choice)
{
    if (!choice) return;
    remote_free(choice->remote);
    mem_free(choice);
}

/* --- life --- */

int backend_new(struct backend **out, struct tsdb *db, struct env *env)
{
    struct backend *b = mem_zalloc(sizeof *b);
    *out = NULL;
    if (!b) return -ENOMEM;
    b->querier.ops = &backend_ops;
    b->db = db;
    b->env = env;
    pthread_mutex_init(&b->lock, NULL);
    struct config_query local = {.backend = QUERY_LOCAL};
    int rc = backend_prepare(b, &local, &b->choice, NULL);
    if (rc < 0) {
        backend_free(b);
        return rc;
    }
    *out = b;
    return 0;
}

void backend_free(struct backend *b)
{
    if (!b) return;
    backend_choice_free(b->choice);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

struct querier *backend_querier(struct backend *b)
{
    return &b->querier;
}
