/* fuzz_promql.c -- any text: the parser answers or refuses with a place; what it takes prints to a
 * text that parses again and prints the same, on one line and on several. The same text goes to the
 * readers of selectors, metrics and series descriptions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "tsdb/promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 32 << 20, TEXT_MAX = 8 << 20 };

static void require(bool ok)
{
    if (!ok) abort();
}

/* Parses; prints into out, pretty when max_line. */
static int reprint(struct str text, size_t max_line, struct buf *out)
{
    struct arena a;
    struct errmsg err = {0};
    struct expr *e = NULL;
    arena_init(&a, ARENA_MAX);
    int rc = promql_parse(text, PROMQL_ALL, &a, &e, &err);
    if (rc == 0) {
        rc = max_line ? promql_pretty(e, max_line, out) : promql_print(e, out);
        promql_expr_release(e);
    } else {
        struct buf shown = BUF_INIT(TEXT_MAX);
        require(err.text[0] && err.offset <= text.len);
        promql_excerpt(text, &err, &shown);
        require(shown.err == 0);
        buf_release(&shown);
    }
    arena_release(&a);
    return rc;
}

static void print_twice(struct str text)
{
    struct buf once = BUF_INIT(TEXT_MAX), twice = BUF_INIT(TEXT_MAX), lines = BUF_INIT(TEXT_MAX);
    if (reprint(text, 0, &once) == 0) {
        require(reprint((struct str){once.p, once.len}, 0, &twice) == 0);
        require(str_eq((struct str){once.p, once.len}, (struct str){twice.p, twice.len}));
        require(reprint(text, 30, &lines) == 0);
        buf_reset(&twice);
        require(reprint((struct str){lines.p, lines.len}, 0, &twice) == 0);
        require(str_eq((struct str){once.p, once.len}, (struct str){twice.p, twice.len}));
    }
    buf_release(&once);
    buf_release(&twice);
    buf_release(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct arena a;
    struct errmsg err = {0};
    struct labels labels;
    struct promql_series series;
    struct matcher *m = NULL;
    size_t count = 0;
    if (size > 1 << 14) return 0;
    print_twice(text);
    arena_init(&a, ARENA_MAX);
    (void)!promql_parse_metric(text, &a, &labels, &err);
    if (promql_parse_series(text, &a, &series, &err) == 0) {
        for (size_t i = 0; i < series.count; i++)
            require(is_histogram(series.v[i]) == (series.h[i] != NULL));
    } else {
        require(err.text[0] && err.offset <= text.len);
    }
    if (promql_parse_selector(text, &a, &m, &count, &err) == 0)
        for (size_t i = 0; i < count; i++)
            matcher_release(&m[i]);
    arena_release(&a);
    return 0;
}
