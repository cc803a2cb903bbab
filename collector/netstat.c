/* netstat.c -- protocol counters, from <procfs>/net/netstat, net/snmp and net/snmp6.
 *
 * netstat and snmp have two lines a protocol, "Tcp: Name Name ..." and "Tcp: 1 2 ...". snmp6 has a
 * line a counter, with the protocol glued to the name. Option fields: a pattern of
 * <Protocol>_<Name> to take; the default is node_exporter's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "collector/fields.h"
#include "collector/scan.h"
#include "core/mem.h"

static const char default_fields[] =
    "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
    "|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)"
    "|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    "|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$";

enum { PROTOCOLS_MAX = 32 };

/* What is wanted of a pair of lines, decided once for a line of names. */
struct protocol {
    char name[24];
    char *names; /* that line, after the colon */
    size_t names_len;
    struct column {
        size_t index;
        struct field field;
    } * columns;
    size_t count, cap;
};
struct netstat {
    struct regex *wanted;
    struct protocol protocols[PROTOCOLS_MAX]; /* in the order their lines come */
    struct fields snmp6;
};

static int netstat_start(struct collect *c)
{
    struct netstat *s = collect_state(c);
    struct errmsg err = {0};
    return regex_new(&s->wanted, str_of(collect_option(c, "fields", default_fields)), 0, &err);
}

static void protocol_release(struct protocol *p)
{
    mem_free(p->names);
    mem_free(p->columns);
    *p = (struct protocol){0};
}

static void netstat_stop(struct collect *c)
{
    struct netstat *s = collect_state(c);
    for (size_t i = 0; i < PROTOCOLS_MAX; i++)
        protocol_release(&s->protocols[i]);
    fields_release(&s->snmp6);
    regex_free(s->wanted);
}

static void set_names(const struct netstat *s, struct field *out, const char *protocol,
                      const char *counter)
{
    char name[2 * FIELD_KEY_MAX];
    int len = snprintf(name, sizeof name, "%s_%s", protocol, counter);
    out->wanted = regex_match(s->wanted, (struct str){name, (size_t)len}) == 1;
    field_name(out, "node_netstat_%s", name);
    field_help(out, "Statistic %s%s.", protocol, counter);
}

/* "Ip6InReceives": the protocol ends with its 6. */
static void make_snmp6(void *arg, struct field *out)
{
    char protocol[FIELD_KEY_MAX];
    const char *six = strchr(out->key, '6');
    if (!six) return;
    scan_copy(protocol, sizeof protocol, (struct str){out->key, (size_t)(six + 1 - out->key)});
    set_names(arg, out, protocol, six + 1);
}

static void emit_field(struct collect *c, const struct field *f, struct str value)
{
    double v;
    if (scan_i64_double(&value, &v))
        emit_named(c, (struct str){f->name, f->name_len}, f->help, METRIC_UNKNOWN, v, NULL);
}

static int add_column(struct protocol *p, const struct netstat *s, size_t index, struct str name)
{
    char counter[FIELD_KEY_MAX];
    struct field field = {0};
    set_names(s, &field, p->name, scan_copy(counter, sizeof counter, name));
    if (!field.wanted || name.len >= sizeof counter) return 0;
    void *array = p->columns;
    int rc = mem_grow(&array, &p->cap, p->count + 1, FIELDS_MAX, sizeof *p->columns);
    p->columns = array;
    if (rc == 0) p->columns[p->count++] = (struct column){index, field};
    return rc;
}

static int protocol_set(struct protocol *p, const struct netstat *s, struct str name,
                        struct str names)
{
    struct str word;
    int rc = 0;
    protocol_release(p);
    scan_copy(p->name, sizeof p->name, name);
    p->names = mem_strndup(names.p, names.len);
    if (!p->names) return -ENOMEM;
    p->names_len = names.len;
    for (size_t i = 0; rc == 0 && scan_word(&names, &word); i++)
        rc = add_column(p, s, i, word);
    if (rc < 0) protocol_release(p);
    return rc;
}

static int emit_pair(struct collect *c, const struct protocol *p, struct str values)
{
    struct str value;
    size_t index = 0;
    for (size_t i = 0; i < p->count; i++) {
        do {
            if (!scan_word(&values, &value)) return E_PARSE;
        } while (index++ < p->columns[i].index);
        emit_field(c, &p->columns[i].field, value);
    }
    return 0;
}

/* "Tcp: ..." */
static bool split_protocol(struct str line, struct str *protocol, struct str *rest)
{
    const char *colon = memchr(line.p, ':', line.len);
    if (!colon) return false;
    size_t len = (size_t)(colon - line.p);
    *protocol = (struct str){line.p, len};
    *rest = (struct str){colon + 1, line.len - len - 1};
    return len > 0;
}

static int collect_pairs(struct collect *c, const char *path, size_t *n)
{
    struct netstat *s = collect_state(c);
    struct str text, head, names, line, values, protocol, again;
    int rc = procfs_read(c, path, &text);
    if (rc < 0) return rc;
    while (scan_line(&text, &head) && scan_line(&text, &line)) {
        if (!split_protocol(head, &protocol, &names) || !split_protocol(line, &again, &values) ||
            !str_eq(protocol, again))
            return E_PARSE;
        if (*n == PROTOCOLS_MAX) return E_TOO_BIG;
        /* The n-th pair of lines is the pair it was before, or its columns are found anew. */
        struct protocol *p = &s->protocols[(*n)++];
        struct str known = {p->names, p->names_len};
        bool same = str_eq(str_of(p->name), protocol) && str_eq(known, names);
        if (!same) rc = protocol_set(p, s, protocol, names);
        if (rc == 0) rc = emit_pair(c, p, values);
        if (rc < 0) return rc;
    }
    return 0;
}

static int collect_snmp6(struct collect *c)
{
    struct netstat *s = collect_state(c);
    struct str text, line;
    int rc = procfs_read(c, "net/snmp6", &text);
    if (rc == -ENOENT) return 0; /* no IPv6 */
    if (rc < 0) return rc;
    fields_begin(&s->snmp6);
    while (scan_line(&text, &line)) {
        const struct field *f = fields_find_line(&s->snmp6, &line, make_snmp6, s);
        if (f) emit_field(c, f, line);
    }
    return 0;
}

static int netstat_collect(struct collect *c)
{
    size_t n = 0;
    int rc = collect_pairs(c, "net/netstat", &n);
    if (rc == 0) rc = collect_pairs(c, "net/snmp", &n);
    if (rc == 0) rc = collect_snmp6(c);
    return rc;
}

const struct collector collector_netstat = {
    .name = "netstat",
    .help = "Counters of IP, ICMP, TCP and UDP. Options: fields.",
    .on_by_default = true,
    .state_size = sizeof(struct netstat),
    .start = netstat_start,
    .collect = netstat_collect,
    .stop = netstat_stop,
};
