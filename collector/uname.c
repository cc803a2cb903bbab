/* uname.c -- the running kernel, from uname(2).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/utsname.h>

#include "collector/collect.h"

static const struct metric metrics[] = {
    {"node_uname_info", "Labeled system information as provided by the uname system call.",
     METRIC_GAUGE, UNIT_NONE, true},
};

static int uname_collect(struct collect *c)
{
    struct utsname u;
    if (uname(&u) < 0) return -errno;
    EMIT(c, &metrics[0], 1, "sysname", u.sysname, "release", u.release, "version", u.version,
         "machine", u.machine, "nodename", u.nodename, "domainname", u.domainname);
    return 0;
}

const struct collector collector_uname = {
    .name = "uname",
    .help = "Name and version of the running kernel.",
    .on_by_default = true,
    .tier = TIER_FAST,
    METRICS(metrics),
    .collect = uname_collect,
};
