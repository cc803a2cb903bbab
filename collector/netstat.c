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

static const char default_fields[] =
    "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
    "|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)"
    "|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    "|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$";

enum { PROTOCOLS_MAX = 32 };

struct protocol {
    char name[24];
    struct fields fields;
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

static void netstat_stop(struct collect *c)
{
    struct netstat *s = collect_state(c);
    for (size_t i = 0; i < PROTOCOLS_MAX; i++)
        fields_release(&s->protocols[i].fields);
    fields_release(&s->snmp6);
    regex_free(s->wanted);
}

struct making {
    const struct netstat *s;
    const char *protocol;
};

static void set_names(const struct netstat *s, struct field *out, const char *protocol,
                      const char *counter)
{
    char name[2 * FIELD_KEY_MAX];
    int len = snprintf(name, sizeof name, "%s_%s", protocol, counter);
    out->wanted = regex_match(s->wanted, (struct str){name, (size_t)len}) == 1;
    field_name(out, "node_netstat_%s", name);
    field_help(out, "Statistic %s%s.", protocol, counter);
}

static void make_field(void *arg, struct field *out)
{
    const struct making *m = arg;
    set_names(m->s, out, m->protocol, out->key);
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

/* The n-th pair of lines of this cycle belongs to the protocol it belonged to before. */
static struct protocol *protocol_at(struct netstat *s, size_t n, struct str name)
{
    if (n >= PROTOCOLS_MAX || name.len >= sizeof s->protocols[0].name) return NULL;
    struct protocol *p = &s->protocols[n];
    if (!str_eq(str_of(p->name), name)) {
        fields_release(&p->fields);
        scan_copy(p->name, sizeof p->name, name);
    }
    return p;
}

static int emit_pair(struct collect *c, struct protocol *p, struct str names, struct str values)
{
    struct making making = {collect_state(c), p->name};
    struct str name, value;
    fields_begin(&p->fields);
    while (scan_word(&names, &name)) {
        if (!scan_word(&values, &value)) return E_PARSE;
        const struct field *f = fields_find(&p->fields, name, make_field, &making);
        if (f && f->wanted) emit_field(c, f, value);
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
    struct str text, head, values, head_rest, values_rest, protocol, again;
    int rc = procfs_read(c, path, &text);
    if (rc < 0) return rc;
    while (scan_line(&text, &head) && scan_line(&text, &values)) {
        if (!split_protocol(head, &protocol, &head_rest) ||
            !split_protocol(values, &again, &values_rest) || !str_eq(protocol, again))
            return E_PARSE;
        struct protocol *p = protocol_at(s, (*n)++, protocol);
        rc = p ? emit_pair(c, p, head_rest, values_rest) : 0;
        if (rc < 0) return rc;
    }
    return 0;
}

static int collect_snmp6(struct collect *c)
{
    struct netstat *s = collect_state(c);
    struct str text, line, key;
    int rc = procfs_read(c, "net/snmp6", &text);
    if (rc == -ENOENT) return 0; /* no IPv6 */
    if (rc < 0) return rc;
    fields_begin(&s->snmp6);
    while (scan_line(&text, &line)) {
        if (!scan_word(&line, &key)) continue;
        const struct field *f = fields_find(&s->snmp6, key, make_snmp6, s);
        if (f && f->wanted) emit_field(c, f, line);
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
