/* rule_load.c -- the rules: block of the configuration: its table, and loading what it names.
 *
 * Globs are resolved through the I/O seam, component by component, so that tests need no disk.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "rules/builtin.h"
#include "rules/rule_load.h"

enum { FILES_MAX = 10000, PATH_MAX_BYTES = 4096 };

// clang-format off
static const struct conf_option options[] = {
    {.key = "files", .type = CONF_STRINGS, .offset = offsetof(struct rules_config, files),
     .help = "Rule files, globs relative to this file's folder."},
    {.key = "builtin", .type = CONF_STRINGS, .offset = offsetof(struct rules_config, builtin),
     .dflt = "all", .help = "Built-in rule sets: host, self; all of them; [] for none."},
    {.key = "interval", .type = CONF_DURATION, .offset = offsetof(struct rules_config, interval_ms),
     .dflt = "15s", .min = RULE_INTERVAL_MIN_MS, .max = 86400000,
     .help = "How often groups are evaluated that do not say."},
};
// clang-format on

const struct conf_table rules_config_table = {
    .name = "rules",
    .size = sizeof(struct rules_config),
    .options = options,
    .count = COUNT(options),
};

/* --- globs --- */

struct paths {
    char **v;
    size_t count, cap;
};

static void paths_release(struct paths *p)
{
    for (size_t i = 0; i < p->count; i++)
        mem_free(p->v[i]);
    mem_free(p->v);
}

static int add_path(struct paths *p, const char *path)
{
    int rc = mem_grow((void **)&p->v, &p->cap, p->count + 1, FILES_MAX, sizeof *p->v);
    char *copy = rc == 0 ? mem_strndup(path, strlen(path)) : NULL;
    if (!copy) return rc < 0 ? rc : -ENOMEM;
    p->v[p->count++] = copy;
    return 0;
}

static bool is_glob(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr("*?[", s.p[i])) return true;
    return false;
}

struct listing {
    struct env *env;
    const char *dir; /* with its slash, or "" */
    char pattern[256];
    const char *rest; /* after the component's slash; NULL for the last */
    struct paths *out;
    int depth;
};

static int expand_glob(struct env *env, const char *dir, const char *pattern, int depth,
                       struct paths *out);

static int match_entry(void *arg, const char *name)
{
    struct listing *l = arg;
    char path[PATH_MAX_BYTES];
    if (fnmatch(l->pattern, name, FNM_PERIOD) != 0) return 0;
    int n = snprintf(path, sizeof path, "%s%s%s", l->dir, name, l->rest ? "/" : "");
    if (n < 0 || (size_t)n >= sizeof path) return -ENAMETOOLONG;
    if (!l->rest) return add_path(l->out, path);
    struct io_stat st;
    if (l->env->io->stat(l->env, path, &st) < 0 || !st.is_dir) return 0;
    return expand_glob(l->env, path, l->rest, l->depth + 1, l->out);
}

/* dir is a prefix that stands as it is; pattern what follows it. */
static int expand_glob(struct env *env, const char *dir, const char *pattern, int depth,
                       struct paths *out)
{
    char path[PATH_MAX_BYTES];
    const char *slash = strchr(pattern, '/');
    size_t len = slash ? (size_t)(slash - pattern) : strlen(pattern);
    struct listing l = {
        .env = env, .dir = dir, .rest = slash ? slash + 1 : NULL, .out = out, .depth = depth};
    if (depth > 32 || len >= sizeof l.pattern) return -ENAMETOOLONG;
    if (!is_glob((struct str){pattern, len})) {
        int n = snprintf(path, sizeof path, "%s%.*s%s", dir, (int)len, pattern, slash ? "/" : "");
        if (n < 0 || (size_t)n >= sizeof path) return -ENAMETOOLONG;
        return slash ? expand_glob(env, path, l.rest, depth + 1, out) : add_path(out, path);
    }
    memcpy(l.pattern, pattern, len);
    l.pattern[len] = '\0';
    int rc = env->io->list(env, dir[0] ? dir : ".", match_entry, &l);
    return rc == -ENOENT || rc == -ENOTDIR ? 0 : rc;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* --- loading --- */

static int load_file(struct rule_set *s, struct env *env, const char *path, int64_t interval_ms,
                     struct diags *d)
{
    char *text = NULL;
    size_t len = 0;
    int rc = env_read_file(env, path, RULE_FILE_MAX, &text, &len);
    if (rc < 0) {
        diags_add(d, DIAG_ERROR, path, (struct str){NULL, 0}, 0, 0, 0,
                  rc == -ENOENT ? "paths are relative to the configuration file's folder" : NULL,
                  "cannot read rule file: %s", err_text(rc));
        return E_INVALID;
    }
    rc = rule_set_add(s, path, (struct str){text, len}, interval_ms, d);
    mem_free(text);
    return rc;
}

static int load_pattern(struct rule_set *s, struct env *env, const struct rules_config *c,
                        const char *pattern, struct diags *d)
{
    struct paths found = {0};
    char dir[PATH_MAX_BYTES] = "";
    int rc = 0;
    const char *base = c->base_dir ? c->base_dir : ".";
    if (pattern[0] != '/' && strcmp(base, ".") != 0) {
        int n = snprintf(dir, sizeof dir, "%s/", base);
        if (n < 0 || (size_t)n >= sizeof dir) rc = -ENAMETOOLONG;
    } else if (pattern[0] == '/') {
        dir[0] = '/';
        dir[1] = '\0';
        pattern++;
    }
    if (rc == 0) rc = expand_glob(env, dir, pattern, 0, &found);
    if (rc < 0)
        diags_add(d, DIAG_ERROR, pattern, (struct str){NULL, 0}, 0, 0, 0, NULL,
                  "cannot list rule files: %s", err_text(rc));
    else if (found.count == 0)
        diags_add(d, DIAG_WARNING, pattern, (struct str){NULL, 0}, 0, 0, 0,
                  "patterns are relative to the configuration file's folder",
                  "no rule file matches");
    if (found.count > 1) qsort(found.v, found.count, sizeof *found.v, compare_paths);
    for (size_t i = 0; i < found.count; i++) {
        int one = load_file(s, env, found.v[i], c->interval_ms, d);
        if (one < 0 && rc == 0) rc = one;
    }
    paths_release(&found);
    return rc;
}

static int load_builtin(struct rule_set *s, const char *name, int64_t interval_ms, struct diags *d)
{
    bool all = strcmp(name, "all") == 0, known = false;
    struct builtin_rules b;
    for (size_t i = 0; builtin_rules_at(i, &b); i++) {
        if (!all && strcmp(name, b.name) != 0) continue;
        known = true;
        int rc = rule_set_add(s, b.file, b.text, interval_ms, d);
        if (rc < 0) return rc;
    }
    if (known) return 0;
    diags_add(d, DIAG_ERROR, "", (struct str){NULL, 0}, 0, 0, 0, "known sets: host, self, all",
              "there is no built-in rule set \"%s\"", name);
    return E_INVALID;
}

int rules_load(struct rule_set *s, struct env *env, const struct rules_config *c, struct diags *d)
{
    int rc = 0;
    rule_set_experimental(s, c->experimental);
    for (size_t i = 0; i < c->builtin.count; i++) {
        int one = load_builtin(s, c->builtin.v[i], c->interval_ms, d);
        if (one < 0) rc = one;
    }
    for (size_t i = 0; i < c->files.count; i++) {
        int one = load_pattern(s, env, c, c->files.v[i], d);
        if (one < 0) rc = one;
    }
    return rc < 0 && rc != -ENOMEM ? E_INVALID : rc;
}
