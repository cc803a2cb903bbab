/* test_compliance_altered.c -- a script that passes must fail when what it expects is changed.
 *
 *     test_compliance_altered [DIR]
 *
 * Every case of tests/promql (or of DIR/promql, and then a line `promql/altered: N passed, N
 * failed` is printed) that passes is altered in each way that fits it: another value, another
 * label, a series less, two lines swapped, an annotation or a failure that does not come.
 * Alterations keep the numbers of lines, so a whole file is altered at a time and each case's
 * verdict looked up.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/env.h"
#include "core/mem.h"
#include "tsdb/promql/script.h"

enum { MAX_TEXT = 16 << 20, MAX_ARENA = 256 << 20, SHOWN = 20 };

/* A file's lines; those of a block are [first, last], the first being the eval line. */
struct lines {
    struct str *v;
    size_t count;
};
struct block {
    size_t first, last;
    size_t series, series_count; /* where the expected result starts */
};

/* Changes lines of a block, with new texts in the arena. False when there is nothing to change. */
typedef bool alter_fn(struct arena *a, struct str *lines, const struct block *b);

/* --- lines --- */

static struct str without_indent(struct str s)
{
    return str_trim(s);
}

static bool starts(struct str line, const char *prefix)
{
    return str_starts(without_indent(line), str_of(prefix));
}

/* The first line of a block that starts so, or 0, which is the eval line. */
static size_t find(const struct str *lines, const struct block *b, const char *prefix)
{
    for (size_t i = b->first + 1; i <= b->last; i++)
        if (starts(lines[i], prefix)) return i;
    return 0;
}

/* The line with another word before the rest of it. */
static bool set(struct arena *a, struct str *line, const char *word, struct str rest)
{
    char *p = arena_printf(a, "%s%.*s", word, (int)rest.len, rest.p);
    assert_non_null(p);
    *line = str_of(p);
    return true;
}

static struct str last_word(struct str line)
{
    size_t at = line.len;
    while (at > 0 && !strchr(" \t", line.p[at - 1]))
        at--;
    return (struct str){line.p + at, line.len - at};
}

/* --- alterations --- */

static bool another_value(struct arena *a, struct str *lines, const struct block *b)
{
    double unused;
    if (b->series_count == 0) return false;
    struct str line = without_indent(lines[b->series]), word = last_word(line);
    if (memmem(line.p, line.len, "{{", 2)) return false;
    struct str before = {line.p, line.len - word.len};
    bool single = str_to_double(word, &unused) == 0 || word.p[0] == '_';
    const char *p = single ? arena_printf(a, "%.*s123456789.25", (int)before.len, before.p)
                           : arena_printf(a, "%.*s 123456789.25", (int)line.len, line.p);
    assert_non_null(p);
    lines[b->series] = str_of(p);
    return true;
}

static bool another_label(struct arena *a, struct str *lines, const struct block *b)
{
    double unused;
    if (b->series_count == 0) return false;
    struct str line = without_indent(lines[b->series]);
    if (str_to_double(line, &unused) == 0) return false; /* a scalar */
    size_t at = 0;
    while (at < line.len && !strchr("{ \t", line.p[at]))
        at++;
    bool brace = at < line.len && line.p[at] == '{';
    struct str name = {line.p, at}, rest = {line.p + at + brace, line.len - at - brace};
    const char *p = arena_printf(a, "%.*s{altered=\"1\"%s%.*s", (int)name.len, name.p,
                                 brace ? "," : "}", (int)rest.len, rest.p);
    assert_non_null(p);
    lines[b->series] = str_of(p);
    return true;
}

/* An absent value does not make a series. */
static bool has_a_value(struct str line)
{
    struct str word = last_word(without_indent(line));
    return word.len > 0 && word.p[0] != '_';
}

static bool a_series_less(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    if (b->series_count == 0 || !has_a_value(lines[b->last])) return false;
    lines[b->last] = STR("");
    return true;
}

static bool another_order(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    bool ordered = starts(lines[b->first], "eval_ordered") || find(lines, b, "expect ordered");
    if (!ordered || b->series_count < 2) return false;
    if (!has_a_value(lines[b->series]) || !has_a_value(lines[b->series + 1])) return false;
    struct str swap = lines[b->series];
    lines[b->series] = lines[b->series + 1];
    lines[b->series + 1] = swap;
    return true;
}

static bool another_string(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    size_t at = find(lines, b, "expect string");
    if (!at) return false;
    lines[at] = STR("expect string \"altered\"");
    return true;
}

static bool a_failure(struct arena *a, struct str *lines, const struct block *b)
{
    struct str line = without_indent(lines[b->first]);
    if (find(lines, b, "expect fail") || !str_starts(line, STR("eval "))) return false;
    return set(a, &lines[b->first], "eval_fail", (struct str){line.p + 4, line.len - 4});
}

static bool no_failure(struct arena *a, struct str *lines, const struct block *b)
{
    size_t at = find(lines, b, "expect fail");
    struct str line = without_indent(lines[b->first]);
    if (at) lines[at] = STR("expect no_warn");
    if (at) return true;
    if (!str_starts(line, STR("eval_fail "))) return false;
    return set(a, &lines[b->first], "eval", (struct str){line.p + 9, line.len - 9});
}

static bool another_failure(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    size_t at = find(lines, b, "expect fail");
    if (!at) return false;
    lines[at] = STR("expect fail msg: altered");
    return true;
}

/* Swaps one expectation about annotations for its opposite. */
static bool opposite(struct str *lines, const struct block *b, const char *from, const char *to)
{
    size_t at = find(lines, b, from);
    if (!at) return false;
    for (size_t i = at; i <= b->last; i++) /* other lines of the kind must not stand in the way */
        if (starts(lines[i], from)) lines[i] = str_of(to);
    return true;
}

static bool no_warning(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    return opposite(lines, b, "expect warn", "expect no_warn");
}

static bool no_info(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    return opposite(lines, b, "expect info", "expect no_info");
}

static bool a_warning(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    return opposite(lines, b, "expect no_warn", "expect warn");
}

static bool an_info(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    return opposite(lines, b, "expect no_info", "expect info");
}

static bool another_warning(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    return opposite(lines, b, "expect warn", "expect warn msg: altered");
}

static bool another_info(struct arena *a, struct str *lines, const struct block *b)
{
    UNUSED(a);
    return opposite(lines, b, "expect info", "expect info regex: altered$");
}

static const struct {
    const char *name;
    alter_fn *alter;
} alterations[] = {
    {"another value",   another_value  },
    {"another label",   another_label  },
    {"a series less",   a_series_less  },
    {"another order",   another_order  },
    {"another string",  another_string },
    {"a failure",       a_failure      },
    {"no failure",      no_failure     },
    {"another failure", another_failure},
    {"no warning",      no_warning     },
    {"no info",         no_info        },
    {"a warning",       a_warning      },
    {"an info",         an_info        },
    {"another warning", another_warning},
    {"another info",    another_info   },
};

/* --- a file --- */

struct file {
    const char *path;
    struct arena arena;
    struct lines lines;
    bool *passed;  /* by line: the case there passes as it stands */
    bool *altered; /* by line: the case there was changed */
};

struct tally {
    size_t made[COUNT(alterations)], caught, missed;
    size_t cases;
    bool quiet;
};

static bool is_blank(struct str line)
{
    line = without_indent(line);
    return line.len == 0 || line.p[0] == '#';
}

/* The block that starts at or after *at; false at the end. */
static bool next_block(const struct lines *l, size_t *at, struct block *b)
{
    while (*at < l->count && !starts(l->v[*at], "eval"))
        ++*at;
    if (*at == l->count) return false;
    *b = (struct block){.first = *at, .last = *at};
    while (b->last + 1 < l->count && !is_blank(l->v[b->last + 1]))
        b->last++;
    b->series = b->first + 1;
    while (b->series <= b->last && starts(l->v[b->series], "expect "))
        b->series++;
    b->series_count = b->last + 1 - b->series;
    *at = b->last + 1;
    return true;
}

/* Runs lines; verdicts by number of line, from 0: true for ok. */
static void run_lines(struct file *f, const struct str *lines, bool *ok)
{
    struct buf text = BUF_INIT(MAX_TEXT), out = BUF_INIT(MAX_TEXT);
    size_t passed = 0, failed = 0;
    for (size_t i = 0; i < f->lines.count; i++) {
        buf_add(&text, lines[i].p, lines[i].len);
        buf_addch(&text, '\n');
    }
    assert_int_equal(
        promql_script_text("T", (struct str){text.p, text.len}, 0, &out, &passed, &failed), 0);
    memset(ok, 0, f->lines.count * sizeof *ok);
    for (struct str rest = {out.p, out.len}; rest.p;) {
        struct str line = str_split(&rest, '\n');
        if (!str_starts(line, STR("ok T:"))) continue;
        size_t number = (size_t)strtoul(line.p + strlen("ok T:"), NULL, 10);
        assert_in_range(number, 1, f->lines.count);
        ok[number - 1] = true;
    }
    buf_release(&text);
    buf_release(&out);
}

static void read_lines(struct file *f, struct str text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.p[i] == '\n';
    f->lines.v = arena_array(&f->arena, count, sizeof *f->lines.v);
    f->passed = arena_zalloc(&f->arena, count);
    f->altered = arena_zalloc(&f->arena, count);
    assert_true(f->lines.v && f->passed && f->altered);
    while (text.p)
        f->lines.v[f->lines.count++] = str_split(&text, '\n');
}

static void alter_file(struct file *f, size_t how, struct tally *t)
{
    struct arena_mark mark = arena_mark(&f->arena);
    struct str *lines = arena_dup(&f->arena, f->lines.v, f->lines.count * sizeof *lines);
    bool *ok = arena_zalloc(&f->arena, f->lines.count);
    assert_true(lines && ok);
    size_t made = 0;
    struct block b;
    memset(f->altered, 0, f->lines.count);
    for (size_t at = 0; next_block(&f->lines, &at, &b);) {
        if (!f->passed[b.first]) continue;
        f->altered[b.first] = alterations[how].alter(&f->arena, lines, &b);
        made += f->altered[b.first];
    }
    t->made[how] += made;
    if (made) run_lines(f, lines, ok);
    for (size_t i = 0; i < f->lines.count; i++) {
        if (!f->altered[i]) continue;
        t->caught += !ok[i];
        if (ok[i] && t->missed++ < SHOWN && !t->quiet)
            fprintf(stderr, "%s:%zu: passes with %s\n", f->path, i + 1, alterations[how].name);
    }
    arena_rewind(&f->arena, mark);
}

static void check_file(const char *path, struct tally *t)
{
    struct file f = {.path = path};
    char *text = NULL;
    size_t len = 0;
    arena_init(&f.arena, MAX_ARENA);
    assert_int_equal(env_read_file(env_system(), path, MAX_TEXT, &text, &len), 0);
    read_lines(&f, (struct str){text, len});
    run_lines(&f, f.lines.v, f.passed);
    for (size_t i = 0; i < f.lines.count; i++)
        t->cases += f.passed[i];
    for (size_t how = 0; how < COUNT(alterations); how++)
        alter_file(&f, how, t);
    mem_free(text);
    arena_release(&f.arena);
}

static struct tally check_folder(const char *dir)
{
    char pattern[4096];
    glob_t found = {0};
    struct tally t = {0};
    snprintf(pattern, sizeof pattern, "%s/promql/*.test", dir);
    if (glob(pattern, 0, NULL, &found) != 0) return t;
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_file(found.gl_pathv[i], &t);
    globfree(&found);
    return t;
}

static void altered_cases_of_our_own_fail(void **state)
{
    UNUSED(state);
    struct tally t = check_folder("tests");
    assert_true(t.cases > 100);
    assert_int_equal(t.missed, 0);
    for (size_t how = 0; how < COUNT(alterations); how++)
        if (t.made[how] == 0) fail_msg("no case has a place for %s", alterations[how].name);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(altered_cases_of_our_own_fail),
    };
    if (argc < 2) return cmocka_run_group_tests(tests, NULL, NULL);
    struct tally t = check_folder(argv[1]);
    if (t.cases == 0)
        printf("promql/altered: skipped (no promql/*.test)\n");
    else
        printf("promql/altered: %zu passed, %zu failed\n", t.caught, t.missed);
    return 0;
}
