/* fns_label.c -- label_replace and label_join.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core/regex.h"
#include "tsdb/promql/fns_int.h"

enum { VALUE_MAX = 1 << 20, REGEX_WORK = 1024 };

/* The row with one label set (or removed, by an empty value). */
APART static int set_label(struct eval *ev, struct row *row, struct str name, struct str value)
{
    struct label_builder b;
    label_builder_init(&b, row->labels);
    label_builder_set(&b, name, value);
    int rc = label_builder_build(&b, ev->arena, &row->labels);
    if (rc == E_TOO_BIG) return eval_fail(ev, "a result has more than %d labels", LABELS_MAX);
    if (rc < 0) return eval_nomem(ev);
    if (str_eq(name, STR(METRIC_NAME))) row->drop_name = false;
    return 0;
}

static int check_name(struct eval *ev, const char *what, const struct expr *call, size_t arg,
                      struct str *out)
{
    *out = eval_string(call->call.args[arg]);
    if (label_name_is_valid(*out)) return 0;
    return eval_fail(ev, "invalid %s label name in %s(): %.*s", what, call->call.fn->name,
                     (int)MIN(out->len, 200), out->p);
}

/* --- label_replace(v, dst, replacement, src, regex) --- */

struct replacer {
    struct sink sink;
    struct eval *ev;
    struct sink *out;
    struct str dst, replacement, src;
    struct regex *re;
    struct buf value;
};

static int replacer_put(struct sink *s, struct row *row)
{
    struct replacer *r = (struct replacer *)s;
    buf_reset(&r->value);
    struct str source = labels_get(row->labels, r->src);
    if (!source.p) source = STR("");
    int rc = regex_expand(r->re, source, r->replacement, &r->value);
    if (rc < 0)
        return eval_fail(r->ev, "the regular expression of label_replace() failed: %s",
                         err_text(rc));
    if (r->value.err) return eval_fail(r->ev, "label_replace() made too long a value");
    if (rc == 1) rc = set_label(r->ev, row, r->dst, (struct str){r->value.p, r->value.len});
    if (rc == 0) rc = eval_tick(r->ev->run, REGEX_WORK + r->value.len / 16);
    return rc ? rc : r->out->put(r->out, row);
}

APART static int compile(struct eval *ev, struct str pattern, struct regex **out)
{
    struct errmsg why = {0};
    if (regex_new(out, pattern, REGEX_ANCHORED, &why) == 0) return 0;
    int rc = eval_fail(ev, "invalid regular expression in label_replace(): %.*s",
                       (int)MIN(pattern.len, 200), pattern.p);
    errmsg_hint(ev->run->err, "%s", why.text);
    return rc;
}

int fn_label_replace(struct eval *ev, const struct expr *call, struct sink *out)
{
    struct replacer r = {.sink.put = replacer_put, .ev = ev, .out = out};
    r.replacement = eval_string(call->call.args[2]);
    r.src = eval_string(call->call.args[3]);
    r.value = BUF_INIT(VALUE_MAX);
    int rc = compile(ev, eval_string(call->call.args[4]), &r.re);
    if (rc) return rc;
    rc = check_name(ev, "destination", call, 1, &r.dst);
    if (rc == 0) rc = eval_rows(ev, call->call.args[0], &r.sink);
    regex_free(r.re);
    buf_release(&r.value);
    return rc;
}

/* --- label_join(v, dst, separator, src...) --- */

struct joiner {
    struct sink sink;
    struct eval *ev;
    struct sink *out;
    const struct expr *call;
    struct str dst, separator;
    struct buf value;
};

static int joiner_put(struct sink *s, struct row *row)
{
    struct joiner *j = (struct joiner *)s;
    buf_reset(&j->value);
    for (size_t i = 3; i < j->call->call.count; i++) {
        if (i > 3) buf_add(&j->value, j->separator.p, j->separator.len);
        struct str v = labels_get(row->labels, eval_string(j->call->call.args[i]));
        buf_add(&j->value, v.p, v.len);
    }
    if (j->value.err) return eval_fail(j->ev, "label_join() made too long a value");
    int rc = set_label(j->ev, row, j->dst, (struct str){j->value.p, j->value.len});
    if (rc == 0) rc = eval_tick(j->ev->run, 8 * j->call->call.count + j->value.len / 16);
    return rc ? rc : j->out->put(j->out, row);
}

int fn_label_join(struct eval *ev, const struct expr *call, struct sink *out)
{
    struct joiner j = {.sink.put = joiner_put, .ev = ev, .out = out, .call = call};
    j.separator = eval_string(call->call.args[2]);
    j.value = BUF_INIT(VALUE_MAX);
    int rc = check_name(ev, "destination", call, 1, &j.dst);
    for (size_t i = 3; i < call->call.count && rc == 0; i++) {
        struct str source;
        rc = check_name(ev, "source", call, i, &source);
    }
    if (rc == 0) rc = eval_rows(ev, call->call.args[0], &j.sink);
    buf_release(&j.value);
    return rc;
}
