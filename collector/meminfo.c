/* meminfo.c -- memory of the node, from <procfs>/meminfo.
 *
 * Every line is a gauge: node_memory_<Key>_bytes for lines in kB, node_memory_<Key> for plain
 * counts; "Active(anon)" becomes Active_anon. The help text is made of the name, as
 * node_exporter's is.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/fields.h"
#include "collector/scan.h"

struct meminfo {
    struct fields fields;
};

/* ( becomes _, ) goes away, anything else no name may have becomes _. */
static void clean_key(const char *key, char *out)
{
    for (; *key; key++) {
        char c = *key;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c != ')') *out++ = plain ? c : '_';
    }
    *out = '\0';
}

static void make_name(void *arg, struct field *out)
{
    const bool *kilobytes = arg;
    const char *suffix = *kilobytes ? "_bytes" : "";
    char clean[FIELD_KEY_MAX];
    clean_key(out->key, clean);
    out->wanted = true;
    field_name(out, "node_memory_%s%s", clean, suffix);
    field_help(out, "Memory information field %s%s.", clean, suffix);
}

/* "Key:   123 kB" */
static bool parse_line(struct str line, struct str *key, double *value, bool *kilobytes)
{
    const char *colon = memchr(line.p, ':', line.len);
    if (!colon) return false;
    *key = (struct str){line.p, (size_t)(colon - line.p)};
    struct str rest = {colon + 1, line.len - key->len - 1}, unit = {0};
    uint64_t v;
    if (!scan_u64(&rest, &v)) return false;
    *kilobytes = scan_word(&rest, &unit) && str_eq(unit, STR("kB"));
    *value = *kilobytes ? (double)v * 1024 : (double)v;
    return true;
}

static int meminfo_collect(struct collect *c)
{
    struct meminfo *m = collect_state(c);
    struct str text, line, key;
    double value;
    bool kilobytes, any = false;
    int rc = procfs_read(c, "meminfo", &text);
    if (rc < 0) return rc;
    fields_begin(&m->fields);
    while (scan_line(&text, &line)) {
        if (!parse_line(line, &key, &value, &kilobytes)) continue;
        const struct field *f = fields_find(&m->fields, key, make_name, &kilobytes);
        if (!f) continue;
        emit_named(c, (struct str){f->name, f->name_len}, f->help, METRIC_GAUGE, value, NULL);
        any = true;
    }
    return any ? 0 : E_PARSE;
}

static void meminfo_stop(struct collect *c)
{
    struct meminfo *m = collect_state(c);
    fields_release(&m->fields);
}

const struct collector collector_meminfo = {
    .name = "meminfo",
    .help = "Memory of the node, every line of /proc/meminfo.",
    .on_by_default = true,
    .state_size = sizeof(struct meminfo),
    .collect = meminfo_collect,
    .stop = meminfo_stop,
};
