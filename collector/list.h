/* list.h -- every collector: one line each, in the order they run. The name is the option's
 * (collectors.host.NAME) and, behind collector_, the struct's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
COLLECTOR(cpu)
COLLECTOR(stat)
COLLECTOR(meminfo)
COLLECTOR(vmstat)
COLLECTOR(loadavg)
COLLECTOR(pressure)
COLLECTOR(diskstats)
COLLECTOR(netdev)
COLLECTOR(netstat)
COLLECTOR(sockstat)
COLLECTOR(softnet)
COLLECTOR(filesystem)
COLLECTOR(netclass)
COLLECTOR(uname)
COLLECTOR(cpu_info)
#undef COLLECTOR
