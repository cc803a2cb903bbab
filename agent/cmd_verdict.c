/* cmd_verdict.c -- does a selector select anything, and if not, which part of it is to blame?
 *
 * Matchers are tried one after the other, each together with those before it; the first that leaves
 * nothing is the one to tell about, with the values that its label has there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "agent/cmd_form.h"
#include "agent/cmd_live.h"
#include "agent/sheet.h"
#include "core/mem.h"
#include "core/regex.h"
#include "tsdb/promql/promql.h"

enum { FORM_MAX = 1 << 20, ARENA_MAX = 256 << 20, WORDS_MAX = 1 << 20, VERDICTS_MAX = 1 << 20 };
enum { ENOUGH = 1000, SHOWN_VALUES = 4, MATCHERS_MAX = 64 };

void judge_init(struct judge *j, struct client *client, int64_t start_ms, int64_t end_ms)
{
    *j = (struct judge){.client = client, .start_ms = start_ms, .end_ms = end_ms};
    arena_init(&j->arena, ARENA_MAX);
}

void judge_release(struct judge *j)
{
    mem_free(j->metrics.v);
    mem_free(j->verdicts);
    arena_release(&j->arena);
}

/* --- a selector in parts --- */

/* Some matchers of a selector, the name's last where it stands before the brace, as the printer
 * wants it. */
struct part {
    const struct expr *of;
    struct matcher v[MATCHERS_MAX];
    size_t count;
};

static void print_part(const struct part *p, struct buf *out)
{
    struct expr bare = {.kind = EXPR_SELECTOR, .type = T_VECTOR};
    struct matcher copy[MATCHERS_MAX];
    memcpy(copy, p->v, sizeof copy);
    bare.selector.name = p->of->selector.name;
    bare.selector.matchers = copy;
    bare.selector.matcher_count = p->count;
    if (promql_print(&bare, out) < 0 && !out->err) out->err = -ENOMEM;
}

static bool is_name(const struct matcher *m)
{
    return str_eq(m->name, STR(METRIC_NAME));
}

/* The matchers of the name alone: none, when the selector has no name. */
static void start_part(struct part *p, const struct expr *selector)
{
    p->of = selector;
    p->count = 0;
    for (size_t i = 0; i < selector->selector.matcher_count && p->count < MATCHERS_MAX; i++)
        if (is_name(&selector->selector.matchers[i]))
            p->v[p->count++] = selector->selector.matchers[i];
}

static void add_to_part(struct part *p, const struct matcher *m)
{
    if (p->count == MATCHERS_MAX) return;
    memmove(p->v + 1, p->v, p->count * sizeof *p->v);
    p->v[0] = *m;
    p->count++;
}

/* --- asking --- */

static int on_series(void *arg, struct str element)
{
    struct judge *j = arg;
    UNUSED(element);
    /* old servers ignore limit; ending early costs the connection */
    return ++j->seen < ENOUGH ? 0 : E_CANCELED;
}

static void add_times(const struct judge *j, struct buf *form)
{
    form_seconds(form, "start", j->start_ms);
    form_seconds(form, "end", j->end_ms);
}

static int exists(struct judge *j, const struct part *p, bool *out)
{
    struct buf text = BUF_INIT(FORM_MAX), form = BUF_INIT(FORM_MAX);
    *out = true;
    if (p->count == 0) return EXIT_OK;
    print_part(p, &text);
    form_add(&form, "match[]", (struct str){text.p, text.len});
    add_times(j, &form);
    form_add(&form, "limit", STR("1"));
    const struct question q = {
        .path = "/api/v1/series",
        .post = true,
        .form = {form.p, form.len},
        .array = "data",
        .each = on_series,
        .arg = j,
        .quiet = true,
    };
    j->seen = 0;
    int code = text.err || form.err ? cmd_fail(EXIT_FAILED, "a selector is too long")
                                    : client_ask(j->client, &q, NULL);
    *out = j->seen > 0;
    buf_release(&text);
    buf_release(&form);
    return code;
}

static int on_word(void *arg, struct str element)
{
    struct judge *j = arg;
    struct words *w = j->answer;
    json_t *v = client_parse(element);
    if (!v) return EXIT_FAILED;
    const char *text = json_string_value(v);
    int rc = 0;
    if (text) rc = mem_grow((void **)&w->v, &w->cap, w->count + 1, WORDS_MAX, sizeof *w->v);
    const char *copy = text && rc == 0 ? arena_strndup(&j->arena, text, strlen(text)) : NULL;
    if (copy) w->v[w->count++] = copy;
    json_decref(v);
    return copy ? 0 : E_CANCELED; /* a million words are enough for a hint */
}

/* Names of labels (label NULL) or the values of one, among the series of a part. */
static int ask_words(struct judge *j, const char *label, const struct part *p, struct words *out)
{
    struct buf text = BUF_INIT(FORM_MAX), form = BUF_INIT(FORM_MAX), path = BUF_INIT(FORM_MAX);
    if (p && p->count) {
        print_part(p, &text);
        form_add(&form, "match[]", (struct str){text.p, text.len});
    }
    add_times(j, &form);
    buf_addstr(&path, label ? "/api/v1/label/" : "/api/v1/labels");
    if (label) {
        form_label(&path, str_of(label));
        buf_addstr(&path, "/values");
    }
    const struct question q = {
        .path = path.p,
        .form = {form.p, form.len},
        .array = "data",
        .each = on_word,
        .arg = j,
        .quiet = true,
    };
    j->answer = out;
    int code = text.err || form.err || path.err ? cmd_fail(EXIT_FAILED, "a selector is too long")
                                                : client_ask(j->client, &q, NULL);
    buf_release(&text);
    buf_release(&form);
    buf_release(&path);
    return code;
}

/* --- hints --- */

/* What of a pattern may be a misspelt value: without ".*" and ".+" at its ends. */
static struct str core_of(const struct matcher *m)
{
    static const struct str any[] = {STR(".*"), STR(".+")};
    struct str s = m->value;
    if (m->type != MATCH_RE) return s;
    for (size_t i = 0; i < COUNT(any); i++) {
        if (str_starts(s, any[i])) s = (struct str){s.p + 2, s.len - 2};
        if (str_ends(s, any[i])) s.len -= 2;
    }
    return s;
}

/* The word nearest to what a matcher asks for; of a|b, to any of the two. NULL: none is near. */
static const char *nearest(const struct matcher *m, const struct words *w)
{
    const struct str *literals = NULL;
    size_t count = m->re ? regex_literals(m->re, &literals) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *near = str_nearest(literals[i], w->v, w->count);
        if (near) return near;
    }
    return str_nearest(core_of(m), w->v, w->count);
}

/* "a", "b" and 3 more */
static void put_words(const struct words *w, struct buf *out)
{
    for (size_t i = 0; i < w->count && i < SHOWN_VALUES; i++) {
        const char *separator = i == 0 ? "" : i + 1 == w->count ? " and " : ", ";
        buf_addf(out, "%s\"%.60s\"", separator, w->v[i]);
    }
    if (w->count > SHOWN_VALUES) buf_addf(out, " and %zu more", w->count - SHOWN_VALUES);
}

static int hint_of_name(struct judge *j, const struct matcher *m, struct buf *hint)
{
    int code = EXIT_OK;
    if (!j->has_metrics) code = ask_words(j, METRIC_NAME, NULL, &j->metrics);
    j->has_metrics = true;
    const char *near = code == EXIT_OK ? nearest(m, &j->metrics) : NULL;
    if (near)
        buf_addf(hint, "nearest: %s", near);
    else
        buf_addstr(hint, "no metric has a name like it: is it collected?");
    return code;
}

/* The label is not there at all: perhaps its name is misspelt. */
static int hint_of_label(struct judge *j, const struct part *before, const struct matcher *m,
                         struct buf *hint)
{
    struct words names = {0};
    int code = ask_words(j, NULL, before, &names);
    struct matcher as_name = {.type = MATCH_EQ, .value = m->name};
    const char *near = nearest(&as_name, &names);
    buf_addf(hint, "there is no label %.*s", (int)m->name.len, m->name.p);
    if (near)
        buf_addf(hint, "; nearest: %s", near);
    else if (names.count) {
        buf_addstr(hint, "; there are ");
        put_words(&names, hint);
    }
    mem_free(names.v);
    return code;
}

static int hint_of_value(struct judge *j, const struct part *before, const struct matcher *m,
                         bool apart, struct buf *hint)
{
    struct words values = {0};
    char label[256];
    snprintf(label, sizeof label, "%.*s", (int)m->name.len, m->name.p);
    int code = ask_words(j, label, before, &values);
    if (code == EXIT_OK && values.count == 0 && m->value.len) {
        code = hint_of_label(j, before, m, hint);
    } else if (code == EXIT_OK) {
        const char *near = nearest(m, &values);
        buf_addf(hint, "%s%s%s\"%.*s\" %s", apart ? "together with the matchers before it " : "",
                 label, matcher_op(m->type), (int)MIN(m->value.len, (size_t)80), m->value.p,
                 apart ? "matches nothing" : "matches none");
        if (near)
            buf_addf(hint, "; nearest: \"%s\"", near);
        else if (values.count) {
            buf_addf(hint, "; %s is ", label);
            put_words(&values, hint);
        }
    }
    mem_free(values.v);
    return code;
}

/* --- the verdict --- */

/* True for a matcher that leaves nothing of the name's series by itself. */
static int kills_alone(struct judge *j, const struct expr *selector, const struct matcher *m,
                       bool *out)
{
    struct part alone;
    bool some = false;
    start_part(&alone, selector);
    add_to_part(&alone, m);
    int code = exists(j, &alone, &some);
    *out = !some;
    return code;
}

/* A matcher that leaves nothing: what to say of it. before: what there was without it. */
static int blame(struct judge *j, const struct part *before, const struct matcher *m,
                 struct verdict *v, struct buf *hint)
{
    struct part name;
    bool alone = true;
    int code = kills_alone(j, before->of, m, &alone);
    if (code != EXIT_OK) return code;
    start_part(&name, before->of);
    v->kind = alone ? VERDICT_UNKNOWN : VERDICT_APART;
    return hint_of_value(j, alone ? &name : before, m, !alone, hint);
}

static int find_culprit(struct judge *j, const struct expr *selector, struct verdict *v,
                        struct buf *hint)
{
    struct part before, with;
    bool some = false;
    start_part(&before, selector);
    int code = exists(j, &before, &some);
    if (code == EXIT_OK && !some) return hint_of_name(j, &before.v[0], hint);
    for (size_t i = 0; i < selector->selector.matcher_count && code == EXIT_OK; i++) {
        const struct matcher *m = &selector->selector.matchers[i];
        if (is_name(m)) continue;
        with = before;
        add_to_part(&with, m);
        code = exists(j, &with, &some);
        if (code == EXIT_OK && !some) return blame(j, &before, m, v, hint);
        before = with;
    }
    if (code == EXIT_OK) v->kind = VERDICT_FOUND; /* series came while we asked */
    return code;
}

static int judge_new(struct judge *j, const struct part *whole, struct verdict *v)
{
    struct buf hint = BUF_INIT(4096), clean = BUF_INIT(4 * 4096);
    bool some = true;
    int code = exists(j, whole, &some);
    v->kind = some ? VERDICT_FOUND : VERDICT_UNKNOWN;
    if (code == EXIT_OK && !some) code = find_culprit(j, whole->of, v, &hint);
    put_clean(&clean, (struct str){hint.p, hint.len}); /* values come from anywhere */
    v->hint = arena_strndup(&j->arena, clean.p ? clean.p : "", clean.len);
    if (code == EXIT_OK && !v->hint) code = cmd_fail(EXIT_FAILED, "out of memory");
    buf_release(&hint);
    buf_release(&clean);
    return code;
}

static const struct verdict *find_verdict(const struct judge *j, const char *selector)
{
    for (size_t i = 0; i < j->count; i++)
        if (strcmp(j->verdicts[i].selector, selector) == 0) return &j->verdicts[i];
    return NULL;
}

int judge_selector(struct judge *j, const struct expr *selector, const struct verdict **out)
{
    struct part whole = {.of = selector, .count = selector->selector.matcher_count};
    struct verdict v = {.kind = VERDICT_FOUND};
    struct buf text = BUF_INIT(FORM_MAX);
    *out = NULL;
    if (whole.count > MATCHERS_MAX)
        return cmd_fail(EXIT_FAILED, "a selector has more than %d matchers", MATCHERS_MAX);
    memcpy(whole.v, selector->selector.matchers, whole.count * sizeof whole.v[0]);
    print_part(&whole, &text);
    if (!text.err) *out = find_verdict(j, text.p);
    if (!text.err && !*out) v.selector = arena_strndup(&j->arena, text.p, text.len);
    buf_release(&text);
    if (*out) return EXIT_OK;
    int rc = mem_grow((void **)&j->verdicts, &j->cap, j->count + 1, VERDICTS_MAX, sizeof v);
    if (rc < 0 || !v.selector) return cmd_fail(EXIT_FAILED, "out of memory");
    int code = judge_new(j, &whole, &v);
    if (code != EXIT_OK) return code;
    j->verdicts[j->count] = v;
    *out = &j->verdicts[j->count++];
    return EXIT_OK;
}
