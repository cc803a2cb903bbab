/* api_page.c -- the pages inside the binary, and /metrics.
 *
 * A page's path is looked up in the table of assets and nowhere else. Bytes go out as they were
 * stored, gzipped; a client that takes no gzip gets them inflated.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api.h"
#include "agent/assets.h"
#include "exporters/exposition.h"

#define PAGE_POLICY                                                                                \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "            \
    "require-trusted-types-for 'script'; trusted-types default"

static const struct asset *find_asset(struct str path)
{
    for (size_t i = 0; i < asset_count; i++)
        if (str_eq(str_of(assets[i].path), path)) return &assets[i];
    return NULL;
}

/* Whether If-None-Match names this content. */
static bool has_already(const struct request *r, const char *etag)
{
    struct str rest = str_of(r->header[HDR_IF_NONE_MATCH]);
    while (rest.p && rest.len) {
        struct str item = str_trim(str_split(&rest, ','));
        if (str_starts(item, STR("W/"))) item = (struct str){item.p + 2, item.len - 2};
        if (str_eq(item, STR("*")) || str_eq(item, str_of(etag))) return true;
    }
    return false;
}

void api_page(struct app *a, struct request *r, struct response *p)
{
    const struct asset *asset = find_asset(r->path);
    UNUSED(a);
    if (!asset) {
        response_fail(p, "not_found", "no such page");
        return;
    }
    response_header(p, "Content-Security-Policy", PAGE_POLICY);
    response_header(p, "Referrer-Policy", "no-referrer");
    response_header(p, "Cache-Control", "no-cache"); /* keep, but ask: the ETag answers */
    response_header(p, "ETag", asset->etag);
    p->vary = true;
    if (has_already(r, asset->etag)) {
        p->status = 304;
        return;
    }
    p->content_type = asset->content_type;
    p->fixed = asset->gz;
    p->fixed_len = (size_t)(asset->gz_end - asset->gz);
    p->encoding = "gzip";
}

struct metrics_page {
    struct exposition x;
    bool host_only;
};

/* Of this daemon rather than of the host. */
static bool is_own(const char *name)
{
    return str_starts(str_of(name), STR("tocsin_")) || str_starts(str_of(name), STR("process_"));
}

static int put_local(void *arg, const struct local_sample *s)
{
    struct metrics_page *page = arg;
    if (page->host_only && is_own(s->name)) return 0;
    exposition_sample(&page->x, s->name, s->help, s->type, s->labels, s->v);
    return page->x.out->err;
}

/* Text is what there is, whatever a scraper would like better; names as it wants them. */
static void put_metrics(struct app *a, const struct request *r, struct response *p, bool host_only)
{
    struct exposition_format format = exposition_negotiate(r->header[HDR_ACCEPT]);
    struct metrics_page page = {.host_only = host_only};
    if (!a->engine) {
        response_fail(p, "unavailable", "nothing is collected here");
        return;
    }
    p->content_type = exposition_content_type(&format);
    exposition_init(&page.x, &p->body);
    page.x.escaping = format.escaping;
    int rc = collector_engine_latest(a->engine, put_local, &page);
    exposition_release(&page.x);
    if (rc < 0) response_fail(p, "internal", "cannot write the metrics: %s", err_text(rc));
}

void api_metrics(struct app *a, struct request *r, struct response *p)
{
    put_metrics(a, r, p, false);
}

void api_metrics_host(struct app *a, struct request *r, struct response *p)
{
    put_metrics(a, r, p, true);
}
