/* fuzz_remote.c -- answers of engines over any bytes: however a text is cut it reads the same, and
 * what is taken keeps its promises.
 *
 * The first byte chooses the kind of answer, the second where the text is cut.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tsdb/promql/remote_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok) abort();
}

static void check_labels(struct labels ls)
{
    for (size_t i = 0; i < ls.count; i++) {
        check(label_name_is_valid(ls.v[i].name) && ls.v[i].value.len > 0);
        check(str_is_utf8(ls.v[i].value));
        check(i == 0 || str_cmp(ls.v[i - 1].name, ls.v[i].name) < 0);
    }
}

static void check_result(const struct promql_result *r)
{
    check(r->type != T_NONE);
    for (size_t i = 0; i < r->series_count; i++) {
        const struct promql_series_result *s = &r->series[i];
        check(s->count > 0 && (r->type == T_MATRIX || s->count == 1));
        check_labels(s->labels);
        for (size_t k = 1; k < s->count; k++)
            check(s->points[k - 1].t_ms < s->points[k].t_ms);
        check(r->type != T_MATRIX || i == 0 || labels_cmp(s[-1].labels, s->labels) < 0);
    }
}

static void check_reply(enum remote_kind kind, const struct remote_reply *r)
{
    if (!r->success) return;
    if (kind == REMOTE_QUERY) check_result(&r->result);
    for (size_t i = 1; i < r->name_count; i++)
        check(str_cmp(r->names[i - 1], r->names[i]) < 0);
    for (size_t i = 0; i < r->set_count; i++) {
        check_labels(r->sets[i]);
        check(i == 0 || labels_cmp(r->sets[i - 1], r->sets[i]) < 0);
    }
    for (size_t i = 1; i < r->metadata_count; i++)
        check(str_cmp(r->metadata[i - 1].name, r->metadata[i].name) < 0);
}

static int read_in(enum remote_kind kind, struct str text, size_t cut)
{
    struct arena arena;
    struct remote_answer *a = NULL;
    struct remote_reply reply;
    struct errmsg err = {0};
    arena_init(&arena, 1 << 20);
    check(remote_answer_new(&a, kind, &arena, NULL) == 0);
    int rc = remote_answer_feed(a, (struct str){text.p, cut}, &err);
    if (rc == 0) rc = remote_answer_feed(a, (struct str){text.p + cut, text.len - cut}, &err);
    if (rc == 0) rc = remote_answer_end(a, &reply, &err);
    check(rc == 0 || ((rc == E_PARSE || rc == E_LIMIT) && err.text[0]));
    if (rc == 0) check_reply(kind, &reply);
    remote_answer_free(a);
    arena_release(&arena);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    enum remote_kind kind = (enum remote_kind)(data[0] % 4);
    struct str text = {(const char *)data + 2, size - 2};
    size_t cut = text.len * data[1] / 256;
    check(read_in(kind, text, 0) == read_in(kind, text, cut));
    return 0;
}
