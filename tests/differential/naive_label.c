/* naive_label.c -- functions of the naive evaluator that make labels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/regex.h"
#include "tests/differential/naive_int.h"

static struct str kept(struct naive *n, const struct buf *b)
{
    char *p = naive_alloc(n, b->len, 1);
    if (b->len) memcpy(p, b->p, b->len);
    return (struct str){p, b->len};
}

static struct str argument(const struct expr *e, size_t i)
{
    return naive_string_of(e->call.args[i]);
}

struct naive_vector naive_label_replace(struct naive_at at, const struct expr *e)
{
    struct naive *n = at.n;
    struct naive_vector v = naive_vector_of(at, e->call.args[0]);
    struct str dst = argument(e, 1), template = argument(e, 2), src = argument(e, 3);
    struct regex *re = NULL;
    struct buf text = BUF_INIT(1 << 20);
    if (regex_new(&re, argument(e, 4), REGEX_ANCHORED, NULL) < 0)
        naive_fail(n, E_EXEC, "invalid regular expression");
    if (!label_name_is_valid(dst)) naive_fail(n, E_EXEC, "invalid destination label name");
    for (size_t i = 0; i < v.count && !n->out->rc; i++) {
        buf_reset(&text);
        int rc = regex_expand(re, labels_get(v.v[i].labels, src), template, &text);
        if (rc < 0) naive_fail(n, rc, "a regular expression failed");
        if (rc > 0) v.v[i].labels = naive_with(n, v.v[i].labels, dst, kept(n, &text));
    }
    buf_release(&text);
    regex_free(re);
    return v;
}

struct naive_vector naive_label_join(struct naive_at at, const struct expr *e)
{
    struct naive *n = at.n;
    struct naive_vector v = naive_vector_of(at, e->call.args[0]);
    struct str dst = argument(e, 1), separator = argument(e, 2);
    struct buf text = BUF_INIT(1 << 20);
    if (!label_name_is_valid(dst)) naive_fail(n, E_EXEC, "invalid destination label name");
    for (size_t i = 0; i < v.count; i++) {
        buf_reset(&text);
        for (size_t k = 3; k < e->call.count; k++) {
            struct str part = labels_get(v.v[i].labels, argument(e, k));
            if (k > 3) buf_add(&text, separator.p, separator.len);
            buf_add(&text, part.p, part.len);
        }
        v.v[i].labels = naive_with(n, v.v[i].labels, dst, kept(n, &text));
    }
    buf_release(&text);
    return v;
}

/* The labels a selector asks for with one plain = each; none of anything else. */
static struct labels expected_labels(struct naive *n, const struct expr *e)
{
    struct labels out = {0};
    e = naive_bare(e);
    if (e->kind != EXPR_SELECTOR) return out;
    const struct matcher *m = e->selector.matchers;
    for (size_t i = 0; i < e->selector.matcher_count; i++) {
        if (str_eq(m[i].name, STR(METRIC_NAME))) continue;
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= m[k].type == MATCH_EQ && str_eq(m[k].name, m[i].name);
        bool plain = m[i].type == MATCH_EQ && !again;
        out = naive_with(n, out, m[i].name, plain ? m[i].value : (struct str){0});
    }
    return out;
}

struct naive_vector naive_absent(struct naive_at at, const struct expr *e)
{
    struct naive_vector out = {0}, in = naive_vector_of(at, e->call.args[0]);
    if (in.count == 0) naive_push(at.n, &out, expected_labels(at.n, e->call.args[0]), 1);
    return out;
}

struct naive_vector naive_absent_over_time(struct naive_at at, const struct expr *e)
{
    struct naive_vector out = {0};
    struct naive_matrix in = naive_matrix_of(at, e->call.args[0]);
    if (in.count == 0) naive_push(at.n, &out, expected_labels(at.n, e->call.args[0]), 1);
    return out;
}
