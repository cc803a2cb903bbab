/* script.c -- reads test scripts, keeps their data, runs their cases.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/script.h"

#include "core/env.h"
#include "core/mem.h"
#include "tsdb/memstore.h"
#include "tsdb/promql/script_int.h"

enum {
    SCRIPT_MAX = 64 << 20,
    CASE_MEMORY = 512 << 20,
    MINUTE_MS = 60000,
};

struct script {
    const char *name;
    struct str rest;
    unsigned flags;
    int line; /* of the line last read */
    struct memstore *store;
    struct arena arena;
    struct buf *out, why;
    size_t *passed, *failed;
};

/* --- lines --- */

/* The next line, trimmed; comments count as blank. False at the end. */
static bool next_line(struct script *s, struct str *line)
{
    if (!s->rest.p) return false;
    *line = str_trim(str_split(&s->rest, '\n'));
    s->line++;
    if (line->len && line->p[0] == '#') line->len = 0;
    return true;
}

/* A line of the current block: false at its end. */
static bool block_line(struct script *s, struct str *line)
{
    return next_line(s, line) && line->len > 0;
}

static bool take_prefix(struct str *s, const char *prefix)
{
    struct str p = str_of(prefix);
    if (!str_starts(*s, p)) return false;
    *s = str_trim((struct str){s->p + p.len, s->len - p.len});
    return true;
}

/* The first word, which is taken off. */
static struct str take_word(struct str *s)
{
    size_t n = 0;
    while (n < s->len && s->p[n] != ' ' && s->p[n] != '\t')
        n++;
    struct str word = {s->p, n};
    *s = str_trim((struct str){s->p + n, s->len - n});
    return word;
}

static bool contains(struct str s, const char *word)
{
    return s.len && memmem(s.p, s.len, word, strlen(word));
}

/* A duration with optional sign, or seconds. */
static int time_of(struct str s, int64_t *out_ms)
{
    bool negative = s.len && s.p[0] == '-';
    if (negative) s = (struct str){s.p + 1, s.len - 1};
    double seconds;
    if (str_to_duration(s, out_ms, NULL) < 0) {
        if (str_to_double(s, &seconds) < 0 || !(seconds < 1e15)) return E_PARSE;
        *out_ms = (int64_t)(seconds * 1000);
    }
    if (negative) *out_ms = -*out_ms;
    return 0;
}

static void report(struct script *s, int line, const char *why)
{
    if (!why) {
        ++*s->passed;
        buf_addf(s->out, "ok %s:%d\n", s->name, line);
        return;
    }
    ++*s->failed;
    buf_addf(s->out, "not ok %s:%d: %s\n", s->name, line, why);
}

/* --- load --- */

/* A bucket of a classic histogram says where the native one of the same name would have samples;
 * what is in them no function reads yet. */
static int load_native(struct script *s, const struct promql_series *bucket, int64_t step_ms)
{
    struct str suffix = STR("_bucket");
    struct str name = labels_metric(bucket->labels);
    struct label_builder b;
    struct labels ls;
    if (!str_ends(name, suffix) || !labels_get(bucket->labels, STR("le")).p) return 0;
    label_builder_init(&b, bucket->labels);
    label_builder_del(&b, STR("le"));
    label_builder_set(&b, STR(METRIC_NAME), (struct str){name.p, name.len - suffix.len});
    int rc = label_builder_build(&b, &s->arena, &ls);
    for (size_t i = 0; i < bucket->count && rc == 0; i++)
        if (bucket->present[i])
            rc = memstore_add(s->store, ls, (int64_t)i * step_ms,
                              double_of_bits(HISTOGRAM_NAN_BITS));
    return rc;
}

static int load_series(struct script *s, struct str line, int64_t step_ms, bool with_native)
{
    struct promql_series series;
    struct errmsg err = {0};
    arena_reset(&s->arena);
    int rc = promql_parse_series(line, &s->arena, &series, &err);
    if (rc < 0) {
        report(s, s->line, err.text);
        return rc == E_PARSE ? 0 : rc;
    }
    for (size_t i = 0; i < series.count && rc == 0; i++)
        if (series.present[i])
            rc = memstore_add(s->store, series.labels, (int64_t)i * step_ms, series.v[i]);
    return rc < 0 || !with_native ? rc : load_native(s, &series, step_ms);
}

/* metric{labels}@st DURATIONS: start timestamps of the series on the next line. They are not kept:
 * no function reads them yet. */
static bool is_start_times(struct str line)
{
    char quote = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.p[i];
        if (quote && c == '\\' && quote != '`')
            i++;
        else if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'' || c == '`')
            quote = c;
        else if (c == '@')
            return str_starts((struct str){line.p + i, line.len - i}, STR("@st"));
    }
    return false;
}

static int run_load(struct script *s, struct str args, bool with_native)
{
    int64_t step_ms;
    if (time_of(take_word(&args), &step_ms) < 0 || args.len) {
        report(s, s->line, "expected load and a step");
        step_ms = 0;
    }
    struct str line;
    int rc = 0;
    while (rc == 0 && block_line(s, &line))
        if (!is_start_times(line)) rc = load_series(s, line, step_ms, with_native);
    return rc;
}

/* --- reading a case --- */

static int read_times(struct script_case *c, struct str *args)
{
    if (take_prefix(args, "instant")) {
        if (take_prefix(args, "at") && time_of(take_word(args), &c->start_ms) < 0) return E_PARSE;
        c->end_ms = c->start_ms;
        return 0;
    }
    c->range = true;
    if (!take_prefix(args, "range") || !take_prefix(args, "from") ||
        time_of(take_word(args), &c->start_ms) < 0 || !take_prefix(args, "to") ||
        time_of(take_word(args), &c->end_ms) < 0 || !take_prefix(args, "step") ||
        time_of(take_word(args), &c->step_ms) < 0 || c->step_ms <= 0)
        return E_PARSE;
    return 0;
}

static int add_expectation(struct script_case *c, enum expect_kind kind, struct str rest)
{
    if (c->expect_count == MAX_EXPECTATIONS) return E_TOO_BIG;
    struct expectation *e = &c->expect[c->expect_count++];
    *e = (struct expectation){.kind = kind};
    if (take_prefix(&rest, "msg:"))
        e->text = rest;
    else if (take_prefix(&rest, "regex:"))
        e->regex = rest;
    else if (rest.len)
        return E_PARSE;
    return 0;
}

static int read_string(struct script *s, struct script_case *c, struct str text)
{
    struct expr *e;
    struct errmsg err;
    int rc = promql_parse(text, PROMQL_ALL, &s->arena, &e, &err);
    if (rc < 0) return rc;
    if (e->kind != EXPR_STRING) rc = E_PARSE;
    c->has_string = true;
    c->string = rc < 0 ? (struct str){0} : e->string;
    promql_expr_release(e);
    return rc;
}

static int read_expect(struct script *s, struct script_case *c, struct str line)
{
    if (take_prefix(&line, "fail")) return add_expectation(c, EXPECT_FAIL, line);
    if (take_prefix(&line, "warn")) return add_expectation(c, EXPECT_WARN, line);
    if (take_prefix(&line, "info")) return add_expectation(c, EXPECT_INFO, line);
    if (take_prefix(&line, "no_warn"))
        c->no_warn = true;
    else if (take_prefix(&line, "no_info"))
        c->no_info = true;
    else if (take_prefix(&line, "ordered"))
        c->ordered = true;
    else if (take_prefix(&line, "string"))
        return read_string(s, c, line);
    else if (take_prefix(&line, "range vector from")) {
        int64_t end_ms;
        c->has_range_vector = true;
        if (time_of(take_word(&line), &c->vector_start_ms) < 0 || !take_prefix(&line, "to") ||
            time_of(take_word(&line), &end_ms) < 0 || !take_prefix(&line, "step") ||
            time_of(take_word(&line), &c->vector_step_ms) < 0)
            return E_PARSE;
    } else {
        return E_PARSE;
    }
    return line.len ? E_PARSE : 0;
}

static int read_expected_series(struct script *s, struct script_case *c, struct str line,
                                struct errmsg *err)
{
    if (c->series_count == c->series_cap) {
        size_t cap = c->series_cap ? 2 * c->series_cap : 16;
        struct promql_series *grown = arena_array(&s->arena, cap, sizeof *grown);
        if (!grown) return E_LIMIT;
        if (c->series_count) memcpy(grown, c->series, c->series_count * sizeof *grown);
        c->series = grown;
        c->series_cap = cap;
    }
    return promql_parse_series(line, &s->arena, &c->series[c->series_count++], err);
}

/* Reads expectations and results to the end of the block; on failure err says why. */
static int read_case(struct script *s, struct script_case *c, struct errmsg *err)
{
    struct str line;
    int rc = 0;
    while (block_line(s, &line)) {
        if (rc < 0) continue;
        if (take_prefix(&line, "expect "))
            rc = read_expect(s, c, line);
        else if (str_to_double(line, &c->scalar) == 0)
            c->has_scalar = true;
        else
            rc = read_expected_series(s, c, line, err);
        if (rc < 0 && !err->text[0])
            errmsg_set(err, rc, "line %d is not understood: %.*s", s->line, (int)MIN(line.len, 200),
                       line.p);
    }
    return rc;
}

/* --- running a case --- */

/* Times of one evaluation. */
struct when {
    int64_t start_ms, end_ms, step_ms;
    const int64_t *pin_ms; /* every selector is pinned to this time, or NULL */
};

/* 1 when the expression cannot be pinned. */
static int evaluate(struct script *s, const struct script_case *c, struct when when,
                    struct promql_result *out, struct errmsg *err)
{
    struct expr *e;
    *out = (struct promql_result){0};
    *err = (struct errmsg){0};
    int rc = promql_parse(c->expr, PROMQL_ALL, &s->arena, &e, err);
    if (rc < 0) return rc;
    struct promql_query q = {
        .querier = memstore_querier(s->store),
        .start_ms = when.start_ms,
        .end_ms = when.end_ms,
        .step_ms = when.step_ms,
        .arena = &s->arena,
        .text = c->expr,
        .delayed_name_removal = !(s->flags & SCRIPT_NAMES_AT_ONCE),
    };
    rc = when.pin_ms && !script_pin(e, *when.pin_ms) ? 1 : promql_eval(e, &q, out, err);
    promql_expr_release(e);
    return rc;
}

/* Whether an instant case gives the same in the middle of a range, and pinned. */
static bool also_elsewhere(const struct script_case *c)
{
    static const char *const of_the_query[] = {"start()", "end()", "range()", "step()"};
    if (c->range || c->ordered || c->has_string || c->has_range_vector) return false;
    for (size_t i = 0; i < c->expect_count; i++)
        if (c->expect[i].kind == EXPECT_FAIL) return false;
    for (size_t i = 0; i < COUNT(of_the_query); i++)
        if (contains(c->expr, of_the_query[i])) return false;
    return true;
}

static int check_as_range(struct script *s, const struct script_case *c)
{
    struct promql_result result;
    struct errmsg err;
    struct when when = {c->start_ms - MINUTE_MS, c->start_ms + MINUTE_MS, MINUTE_MS, NULL};
    int rc = evaluate(s, c, when, &result, &err);
    if (rc == E_UNSUPPORTED) return 0; /* a minute off there may be what the case itself avoids */
    buf_addstr(&s->why, "as a range query: ");
    if (rc >= 0) return script_check_at(c, c->start_ms, &result, &s->why);
    buf_addf(&s->why, "expected a result, got %s", err.text);
    return 1;
}

/* With all selectors pinned to the case's time the result is the same at any other. */
static int check_pinned(struct script *s, const struct script_case *c)
{
    const int64_t times[] = {0, c->start_ms / 5, c->start_ms, 10 * c->start_ms};
    for (size_t i = 0; i < COUNT(times); i++) {
        struct promql_result result;
        struct errmsg err;
        struct when when = {times[i], times[i], 0, &c->start_ms};
        struct arena_mark mark = arena_mark(&s->arena);
        int rc = evaluate(s, c, when, &result, &err);
        if (rc > 0) return 0;
        buf_reset(&s->why);
        buf_addf(&s->why, "with @ at %lld ms: ", (long long)times[i]);
        if (rc < 0) buf_addf(&s->why, "expected a result, got %s", err.text);
        if (rc < 0 || script_check_at(c, times[i], &result, &s->why)) return 1;
        arena_rewind(&s->arena, mark);
    }
    return 0;
}

/* 0 as expected, 1 not, with s->why filled. */
static int check_case(struct script *s, const struct script_case *c)
{
    struct promql_result result;
    struct errmsg err;
    struct when when = {c->start_ms, c->end_ms, c->step_ms, NULL};
    int rc = evaluate(s, c, when, &result, &err);
    int bad = script_check(c, rc, &err, &result, &s->why);
    if (bad || !also_elsewhere(c)) return bad;
    bad = check_as_range(s, c);
    return bad ? bad : check_pinned(s, c);
}

static int run_eval(struct script *s, struct str args, const char *what)
{
    struct script_case *c = mem_zalloc(sizeof *c);
    if (!c) return E_LIMIT;
    int line = s->line;
    struct errmsg err = {0};
    arena_reset(&s->arena);
    buf_reset(&s->why);
    int rc = read_times(c, &args);
    if (rc < 0)
        errmsg_set(&err, rc,
                   "expected eval instant at T EXPR or eval range from T to T "
                   "step T EXPR");
    c->expr = args;
    if (rc == 0 && *what) rc = read_expect(s, c, str_of(what));
    int read_rc = read_case(s, c, &err);
    if (rc < 0 || read_rc < 0)
        report(s, line, err.text);
    else if (check_case(s, c))
        report(s, line, s->why.p ? s->why.p : "differs");
    else
        report(s, line, NULL);
    mem_free(c);
    return 0;
}

/* --- commands --- */

static int run_clear(struct script *s)
{
    memstore_clear(s->store);
    return 0;
}

static int run_command(struct script *s, struct str line)
{
    /* eval_WHAT is eval with "expect WHAT" */
    static const struct {
        const char *command, *expect;
    } evals[] = {
        {"eval_fail ",    "fail"   },
        {"eval_ordered ", "ordered"},
        {"eval_warn ",    "warn"   },
        {"eval_info ",    "info"   },
        {"eval ",         ""       },
    };
    for (size_t i = 0; i < COUNT(evals); i++)
        if (take_prefix(&line, evals[i].command)) return run_eval(s, line, evals[i].expect);
    if (take_prefix(&line, "load ")) return run_load(s, line, false);
    if (take_prefix(&line, "load_with_nhcb ")) return run_load(s, line, true);
    if (str_eq(line, STR("clear"))) return run_clear(s);
    report(s, s->line, "expected load, clear or eval");
    return 0;
}

int promql_script_text(const char *name, struct str text, unsigned flags, struct buf *out,
                       size_t *passed, size_t *failed)
{
    struct script s = {.name = name,
                       .rest = text,
                       .flags = flags,
                       .out = out,
                       .why = BUF_INIT(1 << 20),
                       .passed = passed,
                       .failed = failed};
    arena_init(&s.arena, CASE_MEMORY);
    int rc = memstore_new(&s.store);
    struct str line;
    while (rc == 0 && next_line(&s, &line))
        if (line.len) rc = run_command(&s, line);
    memstore_free(s.store);
    arena_release(&s.arena);
    buf_release(&s.why);
    return rc < 0 ? rc : out->err;
}

int promql_script_run(const char *path, struct buf *out, size_t *passed, size_t *failed)
{
    char *text = NULL;
    size_t len = 0;
    int rc = env_read_file(env_system(), path, SCRIPT_MAX, &text, &len);
    if (rc == 0) rc = promql_script_text(path, (struct str){text, len}, 0, out, passed, failed);
    mem_free(text);
    return rc;
}
