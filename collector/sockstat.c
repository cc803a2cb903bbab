/* sockstat.c -- sockets in use, from <procfs>/net/sockstat and net/sockstat6.
 *
 * "TCP: inuse 4 orphan 0 mem 1" is a gauge a pair, node_sockstat_TCP_inuse and so on; memory is
 * given in pages, and once more in bytes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "collector/fields.h"
#include "collector/scan.h"

enum { PROTOCOLS_MAX = 32 };
enum { TAG_PLAIN, TAG_PAGES };

struct protocol {
    char name[24];
    struct fields fields; /* each key, and key_bytes for memory */
};
struct sockstat {
    double page_size;
    struct protocol protocols[PROTOCOLS_MAX];
};

static int sockstat_start(struct collect *c)
{
    struct sockstat *s = collect_state(c);
    s->page_size = (double)sysconf(_SC_PAGESIZE);
    return 0;
}

static void sockstat_stop(struct collect *c)
{
    struct sockstat *s = collect_state(c);
    for (size_t i = 0; i < PROTOCOLS_MAX; i++)
        fields_release(&s->protocols[i].fields);
}

static void make_field(void *arg, struct field *out)
{
    const struct protocol *p = arg;
    out->wanted = true;
    out->tag = strcmp(out->key, "mem") == 0 ? TAG_PAGES : TAG_PLAIN;
    field_name(out, "node_sockstat_%s_%s", p->name, out->key);
    if (strcmp(p->name, "sockets") == 0)
        field_help(out, "Number of IPv4 sockets in use.");
    else
        field_help(out, "Number of %s sockets in state %s.", p->name, out->key);
}

static bool emit_field(struct collect *c, struct protocol *p, struct str key, double v)
{
    const struct field *f = fields_find(&p->fields, key, make_field, p);
    if (!f) return false;
    emit_named(c, (struct str){f->name, f->name_len}, f->help, METRIC_GAUGE, v, NULL);
    return f->tag == TAG_PAGES;
}

static int emit_protocol(struct collect *c, struct protocol *p, struct str rest)
{
    const struct sockstat *s = collect_state(c);
    struct str key;
    uint64_t v;
    fields_begin(&p->fields);
    while (scan_word(&rest, &key)) {
        if (!scan_u64(&rest, &v)) return E_PARSE;
        if (emit_field(c, p, key, (double)v))
            emit_field(c, p, STR("mem_bytes"), (double)v * s->page_size);
    }
    return 0;
}

static int collect_file(struct collect *c, const char *path, size_t *n)
{
    struct sockstat *s = collect_state(c);
    struct str text, line, word;
    int rc = procfs_read(c, path, &text);
    if (rc < 0) return rc;
    for (; *n < PROTOCOLS_MAX && scan_line(&text, &line); ++*n) {
        struct protocol *p = &s->protocols[*n];
        if (!scan_word(&line, &word) || word.len < 2 || word.len > sizeof p->name ||
            word.p[word.len - 1] != ':')
            return E_PARSE;
        word.len--;
        if (!str_eq(str_of(p->name), word)) {
            fields_release(&p->fields);
            scan_copy(p->name, sizeof p->name, word);
        }
        rc = emit_protocol(c, p, line);
        if (rc < 0) return rc;
    }
    return 0;
}

static int sockstat_collect(struct collect *c)
{
    size_t n = 0;
    int rc = collect_file(c, "net/sockstat", &n);
    if (rc < 0) return rc;
    rc = collect_file(c, "net/sockstat6", &n);
    return rc == -ENOENT ? 0 : rc; /* no IPv6 */
}

const struct collector collector_sockstat = {
    .name = "sockstat",
    .help = "Sockets in use and the memory they take.",
    .on_by_default = true,
    .state_size = sizeof(struct sockstat),
    .start = sockstat_start,
    .collect = sockstat_collect,
    .stop = sockstat_stop,
};
