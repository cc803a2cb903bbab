/* print.c -- one collection as exposition text, nothing stored: `tocsin test collectors`, and the
 * fixture tests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/engine_int.h"
#include "core/mem.h"

/* --- text ----------------------------------------------------------------------------------------
 */

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

/* --- one collection ------------------------------------------------------------------------------
 */

static bool is_named(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static int check_names(const char *const *names, struct errmsg *err)
{
    for (; names && *names; names++) {
        const char *known[128];
        size_t n = 0;
        for (size_t i = 0; i < collector_count && n < COUNT(known); i++)
            known[n++] = collectors[i]->name;
        size_t i = 0;
        while (i < n && strcmp(known[i], *names) != 0)
            i++;
        if (i < n) continue;
        const char *near = str_nearest(str_of(*names), known, n);
        errmsg_set(err, E_INVALID, "unknown collector \"%s\"", *names);
        if (near) errmsg_hint(err, "did you mean \"%s\"?", near);
        return E_INVALID;
    }
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
        self_report_collector(&p->self, c);
        collect_release(c);
    }
    mem_free(c);
    return rc;
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
    for (size_t i = 0; i < collector_count && rc == 0; i++) {
        const struct host_collector_options *options;
        bool wanted = collector_wanted(config, collectors[i], &options);
        if (names) wanted = is_named(names, collectors[i]->name);
        if (wanted) rc = collect_once(&p, collectors[i], options, env);
    }
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
    return rc < 0 ? errmsg_set(err, rc, "collection failed: %s", err_text(rc)) : 0;
}
