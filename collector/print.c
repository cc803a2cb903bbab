/* print.c -- one collection as exposition text, nothing stored: `tocsin test collectors`, and the
 * fixture tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/engine_int.h"
#include "core/mem.h"

/* --- text ------------------------------------------------------------------------------------ */

static void add_escaped(struct buf *out, const char *s, size_t len, bool quotes)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] == '\\')
            buf_addstr(out, "\\\\");
        else if (s[i] == '\n')
            buf_addstr(out, "\\n");
        else if (s[i] == '"' && quotes)
            buf_addstr(out, "\\\"");
        else
            buf_addch(out, s[i]);
}

static const char *type_name(enum metric_type t)
{
    switch (t) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_HISTOGRAM:
        return "histogram";
    case METRIC_SUMMARY:
        return "summary";
    default:
        return "untyped";
    }
}

struct printer {
    struct buf *out;
    const char *family;
};

static int print_sample(void *arg, const struct local_sample *s)
{
    struct printer *p = arg;
    struct buf *out = p->out;
    if (!p->family || strcmp(p->family, s->name) != 0) {
        buf_addf(out, "# HELP %s ", s->name);
        add_escaped(out, s->help, strlen(s->help), false);
        buf_addf(out, "\n# TYPE %s %s\n", s->name, type_name(s->type));
        p->family = s->name;
    }
    buf_addstr(out, s->name);
    for (size_t i = 0; i < s->labels.count; i++) {
        const struct label *l = &s->labels.v[i];
        buf_addch(out, i ? ',' : '{');
        buf_add(out, l->name.p, l->name.len);
        buf_addstr(out, "=\"");
        add_escaped(out, l->value.p, l->value.len, true);
        buf_addch(out, '"');
    }
    if (s->labels.count) buf_addch(out, '}');
    buf_addch(out, ' ');
    buf_adddouble(out, s->v);
    buf_addch(out, '\n');
    return out->err;
}

/* --- one collection -------------------------------------------------------------------------- */

/* Names as given: "netdev", or "netdev:device_exclude=lo;key=value". */
static struct str name_of(const char *given)
{
    struct str s = str_of(given);
    return str_split(&s, ':');
}

static const char *given_as(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (str_eq(name_of(*names), str_of(name))) return *names;
    return NULL;
}

static int check_names(const char *const *names, struct errmsg *err)
{
    for (; names && *names; names++) {
        struct str name = name_of(*names);
        const char *known[128];
        size_t n = 0;
        for (size_t i = 0; i < collector_count && n < COUNT(known); i++)
            known[n++] = collectors[i]->name;
        size_t i = 0;
        while (i < n && !str_eq(str_of(known[i]), name))
            i++;
        if (i < n) continue;
        const char *near = str_nearest(name, known, n);
        errmsg_set(err, E_INVALID, "unknown collector \"%.*s\"", (int)name.len, name.p);
        if (near) errmsg_hint(err, "did you mean \"%s\"?", near);
        return E_INVALID;
    }
    return 0;
}

enum { GIVEN_OPTIONS_MAX = 16 };
typedef __typeof__(*((struct conf_map *)NULL)->v) conf_map_row; /* a type without a name there */

/* The options behind a given name; rows hold the result. */
static int given_options(const char *given, struct host_collector_options *out,
                         conf_map_row rows[GIVEN_OPTIONS_MAX], struct errmsg *err)
{
    struct str rest = str_of(given), pair;
    size_t n = 0;
    str_split(&rest, ':');
    while (rest.p) {
        pair = str_split(&rest, ';');
        struct str value = pair, key = str_split(&value, '=');
        if (!value.p || n == GIVEN_OPTIONS_MAX)
            return errmsg_set(err, E_INVALID, "\"%s\": expected NAME:key=value;key=value", given);
        rows[n++] = (conf_map_row){.key = key, .value = value};
    }
    *out = (struct host_collector_options){
        .enabled = true, .options = {.count = n, .v = rows}
    };
    return 0;
}

struct printing {
    struct collect_roots roots;
    struct kept_files files;
    struct collect self;
    struct latest latest;
};

static int collect_once(struct printing *p, const struct collector *def,
                        const struct host_collector_options *options, struct env *env)
{
    struct collect *c = mem_alloc(sizeof *c);
    if (!c) return -ENOMEM;
    int rc = collect_init(c, def, options, env, &p->roots, &p->files);
    if (rc == 0) {
        collect_run(c, env_now_ms(env));
        series_publish(&c->table, NULL, NULL);
        c->last = c->run;
        latest_add(&p->latest, &c->table);
        self_report_collector(&p->self, c, 0);
        collect_release(c);
    }
    mem_free(c);
    return rc;
}

static int collect_chosen(struct printing *p, const struct collector *def,
                          const struct collector_config *config, const char *const *names,
                          struct env *env, struct errmsg *err)
{
    const struct host_collector_options *options;
    struct host_collector_options own;
    conf_map_row rows[GIVEN_OPTIONS_MAX];
    bool wanted = collector_wanted(config, def, &options);
    const char *given = names ? given_as(names, def->name) : NULL;
    if (names ? !given : !wanted) return 0;
    if (given && strchr(given, ':')) {
        int rc = given_options(given, &own, rows, err);
        if (rc < 0) return rc;
        options = &own;
    }
    return collect_once(p, def, options, env);
}

int collector_print(const struct collector_config *config, const char *const *names,
                    struct env *env, struct buf *out, struct errmsg *err)
{
    int rc = check_names(names, err);
    if (rc < 0) return rc;
    struct printing p = {0};
    rc = collect_roots_init(&p.roots, config);
    if (rc < 0) return errmsg_set(err, rc, "%s", err_text(rc));
    kept_files_init(&p.files, env, &p.roots);
    latest_init(&p.latest);
    rc = collect_init(&p.self, &collector_self, NULL, env, &p.roots, &p.files);
    if (rc == 0) {
        kept_files_begin(&p.files);
        series_begin(&p.self.table);
    }
    for (size_t i = 0; i < collector_count && rc == 0; i++)
        rc = collect_chosen(&p, collectors[i], config, names, env, err);
    if (rc == 0) {
        struct printer printer = {out, NULL};
        series_publish(&p.self.table, NULL, NULL);
        latest_add(&p.latest, &p.self.table);
        rc = latest_visit(&p.latest, print_sample, &printer);
    }
    if (p.self.def) collect_release(&p.self);
    latest_release(&p.latest);
    kept_files_release(&p.files);
    collect_roots_release(&p.roots);
    if (rc < 0 && rc != E_INVALID) errmsg_set(err, rc, "collection failed: %s", err_text(rc));
    return rc;
}
