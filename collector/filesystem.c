/* filesystem.c -- size and use of mounted file systems: <procfs>/1/mountinfo and statfs(2).
 *
 * Mounts are those of process 1, so that a container with the host's root sees the host's; statfs
 * goes to the same path below the host root. A mount whose statfs does not come back within
 * a second is marked by node_filesystem_device_error 1 and left alone until it does.
 *
 * Options: mount_points_exclude, mount_points_include, fs_types_exclude, fs_types_include (patterns
 * as in node_exporter), exclude_types (a list of types, besides).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "collector/fields.h"
#include "collector/scan.h"
#include "collector/statfs_probe.h"

#define EXCLUDE_MOUNTS                                                                             \
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
#define EXCLUDE_TYPES                                                                              \
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs"         \
    "|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs"     \
    "|erofs|sysfs|tracefs)$"

enum { SIZE, FREE, AVAIL, FILES, FILES_FREE, READONLY, DEVICE_ERROR, MOUNT_INFO };

// clang-format off
static const struct metric metrics[] = {
    [SIZE] = {"node_filesystem_size_bytes", "Filesystem size in bytes.", METRIC_GAUGE, UNIT_BYTES, true},
    [FREE] = {"node_filesystem_free_bytes", "Filesystem free space in bytes.", METRIC_GAUGE, UNIT_BYTES, true},
    [AVAIL] = {"node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes.", METRIC_GAUGE, UNIT_BYTES, true},
    [FILES] = {"node_filesystem_files", "Filesystem total file nodes.", METRIC_GAUGE, UNIT_NONE, true},
    [FILES_FREE] = {"node_filesystem_files_free", "Filesystem total free file nodes.", METRIC_GAUGE, UNIT_NONE, true},
    [READONLY] = {"node_filesystem_readonly", "Filesystem read-only status.", METRIC_GAUGE, UNIT_NONE, true},
    [DEVICE_ERROR] = {"node_filesystem_device_error", "Whether an error occurred while getting statistics for the given device.", METRIC_GAUGE, UNIT_NONE, true},
    [MOUNT_INFO] = {"node_filesystem_mount_info", "Filesystem mount information.", METRIC_GAUGE, UNIT_NONE, true},
};
// clang-format on

enum { STATFS_TIMEOUT_MS = 1000, TEXT_MAX = 4096, ST_READONLY = 1 };

struct filesystem {
    struct name_filter mounts, types;
    struct statfs_probe *probe;
};

static int filesystem_start(struct collect *c)
{
    struct filesystem *s = collect_state(c);
    int rc = name_filter_init(&s->mounts, c, "mount_points_include", "mount_points_exclude",
                              EXCLUDE_MOUNTS);
    if (rc < 0) return rc;
    rc = name_filter_init(&s->types, c, "fs_types_include", "fs_types_exclude", EXCLUDE_TYPES);
    if (rc == 0) rc = statfs_probe_new(&s->probe, statfs);
    if (rc < 0) {
        name_filter_release(&s->mounts);
        name_filter_release(&s->types);
    }
    return rc;
}

static void filesystem_stop(struct collect *c)
{
    struct filesystem *s = collect_state(c);
    name_filter_release(&s->mounts);
    name_filter_release(&s->types);
    statfs_probe_free(s->probe);
}

/* --- mountinfo ------------------------------------------------------------------------------- */

struct mount {
    char device[TEXT_MAX], mountpoint[TEXT_MAX], type[64];
    char major[16], minor[16];
    bool readonly;
};

/* \040 and the like, as the kernel writes blanks and backslashes. */
static int octal_byte(const char *p)
{
    return (p[0] - '0') * 64 + (p[1] - '0') * 8 + (p[2] - '0');
}

static bool is_octal(const char *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

static void unescape(char *to, size_t room, struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len && n + 1 < room; i++) {
        bool escaped = s.p[i] == '\\' && i + 3 < s.len && is_octal(s.p + i + 1);
        to[n++] = escaped ? (char)octal_byte(s.p + i + 1) : s.p[i];
        if (escaped) i += 3;
    }
    to[n] = '\0';
}

static bool has_option(struct str options, struct str wanted)
{
    while (options.p) {
        if (str_eq(str_split(&options, ','), wanted)) return true;
    }
    return false;
}

/* "id parent major:minor root mountpoint options [tags...] - type source superoptions" */
static bool parse_mount(struct str line, struct mount *m)
{
    struct str id, parent, number, root, mountpoint, options, tag, type, source, super = {0};
    if (!scan_word(&line, &id) || !scan_word(&line, &parent) || !scan_word(&line, &number) ||
        !scan_word(&line, &root) || !scan_word(&line, &mountpoint) || !scan_word(&line, &options))
        return false;
    do {
        if (!scan_word(&line, &tag)) return false;
    } while (!str_eq(tag, STR("-")));
    if (!scan_word(&line, &type) || !scan_word(&line, &source)) return false;
    if (!scan_word(&line, &super)) super = STR("");
    struct str minor = number, major = str_split(&minor, ':');
    if (!minor.p || mountpoint.len >= TEXT_MAX || source.len >= TEXT_MAX) return false;
    unescape(m->device, sizeof m->device, source);
    unescape(m->mountpoint, sizeof m->mountpoint, mountpoint);
    scan_copy(m->type, sizeof m->type, type);
    scan_copy(m->major, sizeof m->major, major);
    scan_copy(m->minor, sizeof m->minor, minor);
    m->readonly = has_option(options, STR("ro")) || has_option(super, STR("ro"));
    return true;
}

static bool is_wanted(struct collect *c, const struct mount *m)
{
    struct filesystem *s = collect_state(c);
    if (!name_filter_pass(&s->types, str_of(m->type)) ||
        !name_filter_pass(&s->mounts, str_of(m->mountpoint)))
        return false;
    struct str list = str_of(collect_option(c, "exclude_types", "")), item;
    while (list.p) {
        item = str_trim(str_split(&list, ','));
        if (item.len && str_eq(item, str_of(m->type))) return false;
    }
    return true;
}

/* --- statfs ---------------------------------------------------------------------------------- */

static int ask(struct collect *c, const struct mount *m, struct statfs *out)
{
    struct filesystem *s = collect_state(c);
    char path[2 * TEXT_MAX];
    int n = snprintf(path, sizeof path, "%s%s", collect_host_root(c), m->mountpoint);
    if (n < 0 || (size_t)n >= sizeof path) return -ENAMETOOLONG;
    return statfs_probe_ask(s->probe, path, STATFS_TIMEOUT_MS, out);
}

/* The text of the device_error label, as Go prints errors: small letters. */
static const char *error_label(int rc, char *to, size_t room)
{
    if (rc == 0) return "";
    if (rc == E_TIMEOUT || rc == E_LIMIT) return "mountpoint timeout";
    snprintf(to, room, "%s", err_text(rc));
    to[0] = (char)tolower((unsigned char)to[0]);
    return to;
}

static void emit_mount(struct collect *c, const struct mount *m)
{
    struct statfs fs;
    char text[128];
    int rc = ask(c, m, &fs);
    const char *const labels[] = {
        "device", m->device, "mountpoint",   m->mountpoint,
        "fstype", m->type,   "device_error", error_label(rc, text, sizeof text),
        NULL};
    emit_labels(c, &metrics[DEVICE_ERROR], rc < 0, labels);
    EMIT(c, &metrics[MOUNT_INFO], 1, "device", m->device, "major", m->major, "minor", m->minor,
         "mountpoint", m->mountpoint);
    if (rc < 0) return;
    bool readonly = m->readonly || (fs.f_flags & ST_READONLY);
    double block = (double)fs.f_bsize;
    emit_labels(c, &metrics[SIZE], (double)fs.f_blocks * block, labels);
    emit_labels(c, &metrics[FREE], (double)fs.f_bfree * block, labels);
    emit_labels(c, &metrics[AVAIL], (double)fs.f_bavail * block, labels);
    emit_labels(c, &metrics[FILES], (double)fs.f_files, labels);
    emit_labels(c, &metrics[FILES_FREE], (double)fs.f_ffree, labels);
    emit_labels(c, &metrics[READONLY], readonly, labels);
}

static int filesystem_collect(struct collect *c)
{
    struct filesystem *s = collect_state(c);
    struct str text, line;
    struct mount m;
    int rc = procfs_read(c, "1/mountinfo", &text);
    if (rc < 0) rc = procfs_read(c, "self/mountinfo", &text); /* unprivileged, or no such process */
    if (rc < 0) return rc;
    name_filter_begin(&s->mounts);
    name_filter_begin(&s->types);
    /* The same device mounted twice on one point is one series: emit drops the second. */
    while (scan_line(&text, &line))
        if (parse_mount(line, &m) && is_wanted(c, &m)) emit_mount(c, &m);
    return 0;
}

const struct collector collector_filesystem = {
    .name = "filesystem",
    .help = "Size and use of mounted file systems. Options: mount_points_include, "
            "mount_points_exclude, fs_types_include, fs_types_exclude, exclude_types.",
    .on_by_default = true,
    .may_block = true,
    .tier = TIER_FAST,
    METRICS(metrics),
    .state_size = sizeof(struct filesystem),
    .start = filesystem_start,
    .collect = filesystem_collect,
    .stop = filesystem_stop,
};
