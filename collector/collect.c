/* collect.c -- what a collector is given: options, roots, state, files and emit.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/collect.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "collector/collect_int.h"
#include "core/mem.h"

enum { OPTIONS_BYTES_MAX = 64 << 10 };

static int options_copy(struct collect *c, const struct host_collector_options *o)
{
    if (!o || !o->options.count) return 0;
    c->options = arena_array(&c->options_arena, o->options.count, sizeof *c->options);
    if (!c->options) return -ENOMEM;
    for (size_t i = 0; i < o->options.count; i++) {
        struct str key = arena_str(&c->options_arena, o->options.v[i].key);
        struct str value = arena_str(&c->options_arena, o->options.v[i].value);
        if (!key.p || !value.p) return -ENOMEM;
        c->options[c->option_count++] = (struct collect_option){key.p, value.p};
    }
    return 0;
}

int collect_init(struct collect *c, const struct collector *def,
                 const struct host_collector_options *options, struct env *env,
                 const struct collect_roots *roots, struct kept_files *files)
{
    *c = (struct collect){.def = def, .env = env, .roots = roots, .files = files, .stride = 1};
    arena_init(&c->options_arena, OPTIONS_BYTES_MAX);
    series_table_init(&c->table);
    int rc = options_copy(c, options);
    if (rc == 0 && def->state_size) {
        c->state = mem_zalloc(def->state_size);
        if (!c->state) rc = -ENOMEM;
    }
    if (rc < 0) collect_release(c);
    return rc;
}

void collect_release(struct collect *c)
{
    if (c->started && c->def->stop) c->def->stop(c);
    mem_free(c->state);
    series_table_release(&c->table);
    arena_release(&c->options_arena);
    *c = (struct collect){0};
}

bool collect_options_equal(const struct collect *c, const struct host_collector_options *o)
{
    size_t count = o ? o->options.count : 0;
    if (c->option_count != count) return false;
    for (size_t i = 0; i < count; i++)
        if (!str_eq(str_of(c->options[i].key), o->options.v[i].key) ||
            !str_eq(str_of(c->options[i].value), o->options.v[i].value))
            return false;
    return true;
}

bool collector_wanted(const struct collector_config *c, const struct collector *def,
                      const struct host_collector_options **options)
{
    *options = NULL;
    for (size_t i = 0; i < c->host_count; i++)
        if (strcmp(c->host[i].name, def->name) == 0) {
            *options = &c->host[i];
            return c->host[i].enabled;
        }
    return def->on_by_default;
}

static int64_t thread_cpu_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0) return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int start(struct collect *c)
{
    if (c->started) return 0;
    int rc = c->def->start ? c->def->start(c) : 0;
    c->broken = rc < 0;
    c->started = rc == 0;
    if (rc < 0)
        log_debug("collector is off", "collector=%s err=\"%s\"", c->def->name, err_text(rc));
    return rc;
}

void collect_run(struct collect *c, int64_t time_ms)
{
    int64_t mono = env_mono_ns(c->env), cpu = thread_cpu_ns();
    series_begin(&c->table);
    c->time_ms = time_ms;
    int rc = c->broken ? E_UNAVAILABLE : start(c);
    if (rc == 0) rc = c->def->collect(c);
    c->run.rc = rc;
    c->run.ran = true;
    c->run.duration_ns = env_mono_ns(c->env) - mono;
    c->run.cpu_ns += thread_cpu_ns() - cpu;
    if (rc == 0)
        complain_over(&c->complaint, mono, "collector works again");
    else if (rc != -ENOENT && !c->broken) /* an absent source is no failure worth a line */
        complain(&c->complaint, mono, "collector failed", "collector=%s err=\"%s\"", c->def->name,
                 err_text(rc));
}

/* --- what collect functions call ------------------------------------------------------------- */

void *collect_state(struct collect *c)
{
    return c->state;
}

struct env *collect_env(struct collect *c)
{
    return c->env;
}

const char *collect_host_root(struct collect *c)
{
    return c->roots->host;
}

const char *collect_proc_root(struct collect *c)
{
    return c->roots->proc;
}

const char *collect_sys_root(struct collect *c)
{
    return c->roots->sys;
}

int64_t collect_time_ms(const struct collect *c)
{
    return c->time_ms;
}

const char *collect_option(struct collect *c, const char *key, const char *dflt)
{
    for (size_t i = 0; i < c->option_count; i++)
        if (strcmp(c->options[i].key, key) == 0) return c->options[i].value;
    return dflt;
}

void emit(struct collect *c, const struct metric *m, double v)
{
    series_emit(&c->table, m, (struct str){0}, NULL, m->type, v, NULL);
}

void emit_labels(struct collect *c, const struct metric *m, double v, const char *const *pairs)
{
    series_emit(&c->table, m, (struct str){0}, NULL, m->type, v, pairs);
}

void emit_named(struct collect *c, struct str name, const char *help, enum metric_type type,
                double v, const char *const *pairs)
{
    series_emit(&c->table, NULL, name, help, type, v, pairs);
}

int procfs_read(struct collect *c, const char *path, struct str *out)
{
    return kept_files_read(c->files, ROOT_PROC, path, out);
}

int sysfs_read(struct collect *c, const char *path, struct str *out)
{
    return kept_files_read(c->files, ROOT_SYS, path, out);
}

int procfs_doubles(struct collect *c, const char *path, double *out, size_t n)
{
    struct str text;
    int rc = procfs_read(c, path, &text);
    if (rc < 0) return rc;
    for (size_t i = 0; i < n; i++) {
        while (text.len && (*text.p == ' ' || *text.p == '\t' || *text.p == '\n')) {
            text.p++;
            text.len--;
        }
        size_t used = str_scan_double(text, &out[i]);
        if (!used) return E_PARSE;
        text.p += used;
        text.len -= used;
    }
    return 0;
}

ssize_t collect_read_once(struct collect *c, const char *path, char *to, size_t room)
{
    int fd = c->env->io->open(c->env, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) return fd;
    ssize_t n = env_pread_all(c->env, fd, to, room - 1, 0);
    c->env->io->close(c->env, fd);
    if (n >= 0) to[n] = '\0';
    return n;
}
