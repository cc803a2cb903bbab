/* fuzz_influx.c -- line protocol over any bytes, and the push path's quick reading of heads against
 * the full one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "collector/influx_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok) abort();
}

static void check_point(const struct influx_point *p)
{
    check(p->measurement.len > 0 && p->field_count > 0);
    for (size_t i = 0; i < p->tag_count; i++) {
        check(p->tags[i].key.len > 0 && p->tags[i].value.len > 0);
        check(i == 0 || str_cmp(p->tags[i - 1].key, p->tags[i].key) < 0);
    }
    for (size_t i = 0; i < p->field_count; i++)
        check(p->fields[i].key.len > 0);
}

/* A head that reads well in full ends where the quick way says. */
static void compare_heads(const struct influx *at, struct arena *a)
{
    struct influx quick = *at, full = *at;
    struct influx_point p = {0};
    struct str head;
    if (influx_read_head(&full, a, &p, NULL) < 0) return;
    if (full.pos == full.input.len || full.input.p[full.pos - 1] != ' ') return;
    check(influx_take_head(&quick, &head));
    check(quick.pos == full.pos);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct influx x;
    struct influx_point p;
    struct errmsg err = {0};
    int rc;
    arena_init(&a, 8 << 20);
    influx_init(&x, (struct str){(const char *)data, size}, INFLUX_NS);
    do {
        size_t before = x.pos;
        if (influx_skip_blank(&x)) compare_heads(&x, &a);
        rc = influx_next(&x, &a, &p, &err);
        if (rc == 1) check_point(&p);
        check(rc >= 0 || rc == E_LIMIT || (rc == E_PARSE && err.text[0] && err.line > 0));
        check(rc == 0 || x.pos > before);
        if (rc == E_LIMIT) arena_reset(&a);
    } while (rc != 0);
    arena_release(&a);
    return 0;
}
