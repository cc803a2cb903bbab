/* fuzz_expo.c -- both formats over any bytes: the reader ends, points into its input, and what it
 * accepts has labels or a reason.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "collector/expo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok) abort();
}

static bool is_inside(struct str part, struct str whole)
{
    return part.len == 0 || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static void read_series(const struct expo_entry *e, enum expo_format format, struct buf *scratch)
{
    struct label_builder b;
    int rc = expo_labels(e, format, &b, scratch, NULL);
    check(rc == 0 || rc == E_PARSE || rc == E_TOO_BIG);
    if (rc < 0) return;
    check(label_builder_get(&b, STR(METRIC_NAME)).len > 0);
    struct labels ls = label_builder_view(&b);
    for (size_t i = 0; i < ls.count; i++) {
        check(ls.v[i].value.len > 0);
        check(i == 0 || str_cmp(ls.v[i - 1].name, ls.v[i].name) < 0);
    }
}

static void read_all(struct str input, enum expo_format format, struct buf *scratch)
{
    struct expo x;
    struct expo_entry e;
    struct errmsg err = {0};
    size_t entries = 0;
    int rc;
    expo_init(&x, input, format);
    while ((rc = expo_next(&x, &e, &err)) == 1) {
        check(++entries <= input.len + 1);
        check(is_inside(e.series, input) && is_inside(e.name, input) && is_inside(e.text, input));
        if (e.kind == EXPO_SERIES) read_series(&e, format, scratch);
    }
    check(rc == 0 || (rc == E_PARSE && err.text[0] && err.line > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf scratch = BUF_INIT(1 << 20);
    struct str input = {(const char *)data, size};
    read_all(input, EXPO_TEXT, &scratch);
    read_all(input, EXPO_OPENMETRICS, &scratch);
    buf_release(&scratch);
    return 0;
}
