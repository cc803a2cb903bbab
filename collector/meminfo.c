/* meminfo.c -- memory of the node, from <procfs>/meminfo.
 *
 * Every line is a gauge: node_memory_<Key>_bytes for lines in kB, node_memory_<Key> for plain
 * counts; "Active(anon)" becomes Active_anon. The help text is made of the name, as
 * node_exporter's is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "collector/collect.h"
#include "collector/scan.h"
#include "core/mem.h"

enum { KEY_MAX = 64, LINES_MAX = 256 };

/* Names are made once: a line whose key is the one of the last cycle has its name already. */
struct meminfo_name {
    char key[KEY_MAX];
    size_t key_len;
    bool kilobytes;
    char name[KEY_MAX + 24], help[KEY_MAX + 64];
    size_t name_len;
};
struct meminfo {
    struct meminfo_name *names; /* one a line */
    size_t count, cap;
};

/* ( becomes _, ) goes away, anything else no name may have becomes _. */
static size_t clean_key(struct str key, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c != ')') out[n++] = plain ? c : '_';
    }
    out[n] = '\0';
    return n;
}

static void name_set(struct meminfo_name *n, struct str key, bool kilobytes)
{
    char clean[KEY_MAX];
    clean_key(key, clean);
    const char *suffix = kilobytes ? "_bytes" : "";
    memcpy(n->key, key.p, key.len);
    n->key_len = key.len;
    n->kilobytes = kilobytes;
    int len = snprintf(n->name, sizeof n->name, "node_memory_%s%s", clean, suffix);
    n->name_len = (size_t)len;
    snprintf(n->help, sizeof n->help, "Memory information field %s%s.", clean, suffix);
}

static const struct meminfo_name *name_of(struct meminfo *m, size_t line, struct str key,
                                          bool kilobytes)
{
    void *array = m->names;
    int rc = mem_grow(&array, &m->cap, line + 1, LINES_MAX, sizeof *m->names);
    m->names = array;
    if (rc < 0) return NULL;
    for (; m->count <= line; m->count++)
        m->names[m->count].key_len = 0;
    struct meminfo_name *n = &m->names[line];
    if (n->key_len != key.len || memcmp(n->key, key.p, key.len) != 0 || n->kilobytes != kilobytes)
        name_set(n, key, kilobytes);
    return n;
}

/* "Key:   123 kB" */
static bool parse_line(struct str line, struct str *key, double *value, bool *kilobytes)
{
    const char *colon = memchr(line.p, ':', line.len);
    if (!colon) return false;
    *key = (struct str){line.p, (size_t)(colon - line.p)};
    struct str rest = {colon + 1, line.len - key->len - 1}, unit = {0};
    uint64_t v;
    if (key->len == 0 || key->len >= KEY_MAX || !scan_u64(&rest, &v)) return false;
    *kilobytes = scan_word(&rest, &unit) && str_eq(unit, STR("kB"));
    *value = *kilobytes ? (double)v * 1024 : (double)v;
    return true;
}

static int meminfo_collect(struct collect *c)
{
    struct meminfo *m = collect_state(c);
    struct str text, line, key;
    double value;
    bool kilobytes;
    size_t lines = 0;
    int rc = procfs_read(c, "meminfo", &text);
    if (rc < 0) return rc;
    while (scan_line(&text, &line)) {
        if (!parse_line(line, &key, &value, &kilobytes)) continue;
        const struct meminfo_name *n = name_of(m, lines, key, kilobytes);
        if (!n) break;
        struct str name = {n->name, n->name_len};
        emit_named(c, name, n->help, METRIC_GAUGE, value, NULL);
        lines++;
    }
    return lines ? 0 : E_PARSE;
}

static void meminfo_stop(struct collect *c)
{
    struct meminfo *m = collect_state(c);
    mem_free(m->names);
}

const struct collector collector_meminfo = {
    .name = "meminfo",
    .help = "Memory of the node, every line of /proc/meminfo.",
    .on_by_default = true,
    .state_size = sizeof(struct meminfo),
    .collect = meminfo_collect,
    .stop = meminfo_stop,
};
