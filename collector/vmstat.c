/* vmstat.c -- paging and out-of-memory counters, from <procfs>/vmstat.
 *
 * Option fields: a pattern of the keys to take; the default is node_exporter's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/fields.h"
#include "collector/scan.h"

#define DEFAULT_FIELDS "^(oom_kill|pgpg|pswp|pg.*fault).*"

struct vmstat {
    struct regex *wanted;
    struct fields fields;
};

static int vmstat_start(struct collect *c)
{
    struct vmstat *s = collect_state(c);
    struct errmsg err = {0};
    return regex_new(&s->wanted, str_of(collect_option(c, "fields", DEFAULT_FIELDS)), 0, &err);
}

static void vmstat_stop(struct collect *c)
{
    struct vmstat *s = collect_state(c);
    regex_free(s->wanted);
    fields_release(&s->fields);
}

static void make_name(void *arg, struct field *out)
{
    const struct vmstat *s = arg;
    out->wanted = regex_match(s->wanted, str_of(out->key)) == 1;
    field_name(out, "node_vmstat_%s", out->key);
    field_help(out, "/proc/vmstat information field %s.", out->key);
}

static int vmstat_collect(struct collect *c)
{
    struct vmstat *s = collect_state(c);
    struct str text, line;
    uint64_t v;
    bool any = false;
    int rc = procfs_read(c, "vmstat", &text);
    if (rc < 0) return rc;
    fields_begin(&s->fields);
    while (scan_line(&text, &line)) {
        const struct field *f = fields_find_line(&s->fields, &line, make_name, s);
        if (!f || !scan_u64(&line, &v)) continue;
        struct str name = {f->name, f->name_len};
        emit_named(c, name, f->help, METRIC_UNKNOWN, (double)v, NULL);
        any = true;
    }
    return any ? 0 : E_PARSE;
}

const struct collector collector_vmstat = {
    .name = "vmstat",
    .help = "Paging, swapping, page faults and out-of-memory kills. Options: fields.",
    .on_by_default = true,
    .state_size = sizeof(struct vmstat),
    .start = vmstat_start,
    .collect = vmstat_collect,
    .stop = vmstat_stop,
};
