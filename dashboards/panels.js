// panels.js -- what the host page shows: a row a chart, a row a tile.
//
// A query names its series by `name`, with {label} replaced by the label's value. $w is the rate
// window and $j selects this host's job and instance. Stacked charts list their bottom layer last.

export const tiles = [
  {title: "CPU", unit: "percent", warn: 85, bad: 95,
    query: '100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle",$j}[5s])))'},
  {title: "Memory", unit: "percent", warn: 90, bad: 95,
    query: "100 * (1 - node_memory_MemAvailable_bytes{$j} / node_memory_MemTotal_bytes{$j})"},
  {title: "Load, 1 min", unit: "number", query: "node_load1{$j}"},
  {title: "Fullest disk", unit: "percent", warn: 85, bad: 95,
    query: '100 * max(1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs",$j} / ' +
      'node_filesystem_size_bytes{fstype!~"tmpfs|ramfs",$j})'},
  {title: "Receive", unit: "rate",
    query: 'sum(rate(node_network_receive_bytes_total{device!="lo",$j}[5s]))'},
  {title: "Transmit", unit: "rate",
    query: 'sum(rate(node_network_transmit_bytes_total{device!="lo",$j}[5s]))'},
  {title: "Up for", unit: "seconds", query: "time() - node_boot_time_seconds{$j}"},
];

export const panels = [
  {id: "cpu", title: "CPU by mode", unit: "percent", stacked: true, max: 100, queries: [
    {name: "{mode}",
      query: '100 * avg by (mode) (rate(node_cpu_seconds_total{mode!="idle",$j}[$w]))'},
  ]},
  {id: "load", title: "Load", unit: "number", queries: [
    {name: "1 min", query: "node_load1{$j}"},
    {name: "5 min", query: "node_load5{$j}"},
    {name: "15 min", query: "node_load15{$j}"},
    {name: "CPUs", query: 'count(node_cpu_seconds_total{mode="idle",$j})'},
  ]},
  {id: "memory", title: "Memory", unit: "bytes", stacked: true, queries: [
    {name: "free", query: "node_memory_MemFree_bytes{$j}"},
    {name: "cache", query: "node_memory_Cached_bytes{$j} + node_memory_SReclaimable_bytes{$j}"},
    {name: "buffers", query: "node_memory_Buffers_bytes{$j}"},
    {name: "used", query: "node_memory_MemTotal_bytes{$j} - node_memory_MemFree_bytes{$j} - " +
      "node_memory_Buffers_bytes{$j} - node_memory_Cached_bytes{$j} - " +
      "node_memory_SReclaimable_bytes{$j}"},
  ]},
  {id: "pressure", title: "Pressure: time somebody waited", unit: "percent", queries: [
    {name: "CPU", query: "100 * rate(node_pressure_cpu_waiting_seconds_total{$j}[$w])"},
    {name: "memory", query: "100 * rate(node_pressure_memory_waiting_seconds_total{$j}[$w])"},
    {name: "I/O", query: "100 * rate(node_pressure_io_waiting_seconds_total{$j}[$w])"},
  ]},
  {id: "disk-bytes", title: "Disk throughput", unit: "rate", queries: [
    {name: "{device} read", query: "rate(node_disk_read_bytes_total{$j}[$w])"},
    {name: "{device} written", query: "rate(node_disk_written_bytes_total{$j}[$w])"},
  ]},
  {id: "disk-busy", title: "Disk busy", unit: "percent", queries: [
    {name: "{device}", query: "100 * rate(node_disk_io_time_seconds_total{$j}[$w])"},
  ]},
  {id: "network", title: "Network", unit: "rate", queries: [
    {name: "{device} in", query: 'rate(node_network_receive_bytes_total{device!="lo",$j}[$w])'},
    {name: "{device} out", query: 'rate(node_network_transmit_bytes_total{device!="lo",$j}[$w])'},
  ]},
  {id: "filesystems", title: "File systems used", unit: "percent", max: 100, queries: [
    {name: "{mountpoint}",
      query: '100 * (1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs",$j} / ' +
        'node_filesystem_size_bytes{fstype!~"tmpfs|ramfs",$j})'},
  ]},
];

export function expand(query, {window, select}) {
  return query.replaceAll("$w", window).replaceAll(",$j", select ? `,${select}` : "")
    .replaceAll("$j", select);
}

export function seriesName(template, metric) {
  return template.replace(/\{(\w+)\}/g, (_, label) => metric[label] ?? "");
}
