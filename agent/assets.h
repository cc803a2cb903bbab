/* assets.h -- the web pages inside the binary: an exact path to bytes, gzipped at build time.
 *
 * The table is made by dashboards/embed.sh from the files in dashboards/ and Debian's dygraphs.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_ASSETS_H
#define TOCSIN_AGENT_ASSETS_H

#include <stddef.h>

struct asset {
    const char *path; /* "/", "/ui/host.js" */
    const char *content_type;
    const char *etag;        /* quoted, of the content */
    const unsigned char *gz; /* gzip bytes */
    const unsigned char *gz_end;
};

extern const struct asset assets[];
extern const size_t asset_count;

#endif
