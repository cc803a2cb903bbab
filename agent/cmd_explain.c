/* cmd_explain.c -- tocsin query --explain: what each part of an expression cost, as a tree.
 *
 * The server tells the nodes in pre-order with their depth; the lines between them are found here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/cmd_query.h"
#include "core/mem.h"

enum { DEPTH_MAX = 255, OUTPUT_MAX = 64 << 20, EXPR_MIN = 30, EXPR_OFF_TERMINAL = 80 };
enum { COLUMNS_OF_FIGURES = 62 };

struct node {
    size_t depth;
    const char *expr, *kind;
    json_int_t series, samples, points;
    double self_ms, total_ms;
    bool last; /* of its siblings */
};

struct tree {
    struct node *v;
    size_t count;
};

/* --- reading --- */

static struct node read_node(const json_t *item)
{
    const char *expr = json_string_value(json_object_get(item, "expr"));
    const char *kind = json_string_value(json_object_get(item, "kind"));
    json_int_t depth = json_integer_value(json_object_get(item, "depth"));
    return (struct node){
        .depth = depth < 0 ? 0 : (size_t)MIN(depth, (json_int_t)DEPTH_MAX),
        .expr = expr ? expr : "",
        .kind = kind ? kind : "",
        .series = json_integer_value(json_object_get(item, "series")),
        .samples = json_integer_value(json_object_get(item, "samples")),
        .points = json_integer_value(json_object_get(item, "points")),
        .self_ms = json_number_value(json_object_get(item, "selfTimeMs")),
        .total_ms = json_number_value(json_object_get(item, "totalTimeMs")),
    };
}

/* From the end: a node is the last of its siblings if none at its depth came since one above. */
static void find_last(struct tree *t)
{
    bool seen[DEPTH_MAX + 2] = {false};
    for (size_t i = t->count; i-- > 0;) {
        size_t depth = t->v[i].depth;
        t->v[i].last = !seen[depth];
        seen[depth] = true;
        for (size_t k = depth + 1; k <= DEPTH_MAX && seen[k]; k++)
            seen[k] = false;
    }
}

static int read_tree(const json_t *list, struct tree *t)
{
    t->count = json_array_size(list);
    t->v = mem_array(t->count + 1, sizeof *t->v);
    if (!t->v) return -ENOMEM;
    for (size_t i = 0; i < t->count; i++)
        t->v[i] = read_node(json_array_get(list, i));
    find_last(t);
    return 0;
}

/* The list, or NULL (told). */
static json_t *explanation(json_t *answer)
{
    json_t *list = json_object_get(json_object_get(answer, "data"), "explain");
    if (json_is_array(list)) return list;
    (void)cmd_fail(EXIT_FAILED, "this server explains nothing: --explain needs a tocsin");
    return NULL;
}

/* --- the table --- */

static const struct sheet_column shown[] = {
    {"expression", false},
    {"series",            true},
    {"samples",true},
    {"points",    true},
    {"self ms",            true},
    {"total ms",     true},
    {"share",    true},
    {0           },
};

static void put_number(struct sheet *s, json_int_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    sheet_cstr(s, text);
}

static void put_ms(struct sheet *s, double ms)
{
    char text[400];
    snprintf(text, sizeof text, "%.3f", ms);
    sheet_cstr(s, text);
}

static void put_share(struct sheet *s, double part, double whole)
{
    char text[400];
    snprintf(text, sizeof text, "%.1f%%", whole > 0 ? part / whole * 100 : 0);
    sheet_cstr(s, text);
}

/* The lines from the ancestors' siblings, and the one to this node. */
static void put_branch(const bool *more, const struct node *n, bool utf8, struct buf *out)
{
    for (size_t k = 1; k < n->depth; k++)
        buf_addstr(out, !more[k] ? "   " : utf8 ? "\xe2\x94\x82  " : "|  ");
    if (n->depth == 0) return;
    if (utf8)
        buf_addstr(out, n->last ? "\xe2\x94\x94\xe2\x94\x80 " : "\xe2\x94\x9c\xe2\x94\x80 ");
    else
        buf_addstr(out, n->last ? "`- " : "|- ");
}

/* The expression in the columns that are left, its end cut off. */
static void put_expr(const struct query *q, const struct node *n, struct buf *out)
{
    int columns = q->term.tty ? q->term.columns - COLUMNS_OF_FIGURES : EXPR_OFF_TERMINAL;
    size_t taken = text_width((struct str){out->p ? out->p : "", out->len});
    size_t room = (size_t)MAX(columns, EXPR_MIN);
    room = room > taken + 12 ? room - taken : 12;
    struct buf clean = BUF_INIT(OUTPUT_MAX);
    put_clean(&clean, str_of(n->expr));
    const char *p = clean.p ? clean.p : "";
    bool cut = text_width(str_of(p)) > room;
    for (size_t width = 0; *p; p++) {
        bool starts = ((unsigned char)*p & 0xc0) != 0x80;
        if (starts && cut && width == room - 1) break;
        width += starts;
        buf_addch(out, *p);
    }
    if (cut) buf_addstr(out, q->term.utf8 ? "\xe2\x80\xa6" : "~");
    buf_release(&clean);
}

static void put_node(struct query *q, const struct node *n, const bool *more, double whole_ms)
{
    struct buf expr = BUF_INIT(OUTPUT_MAX);
    put_branch(more, n, q->term.utf8, &expr);
    put_expr(q, n, &expr);
    sheet_cstr(&q->sheet, expr.p ? expr.p : "");
    put_number(&q->sheet, n->series);
    put_number(&q->sheet, n->samples);
    put_number(&q->sheet, n->points);
    put_ms(&q->sheet, n->self_ms);
    put_ms(&q->sheet, n->total_ms);
    put_share(&q->sheet, n->self_ms, whole_ms);
    buf_release(&expr);
}

/* What was read and how long it took in all; the result's size is the first line's. */
static void put_total(struct query *q, const struct tree *t, double whole_ms)
{
    json_int_t samples = 0;
    for (size_t i = 0; i < t->count; i++)
        samples += t->v[i].samples;
    sheet_cstr(&q->sheet, "total");
    put_number(&q->sheet, t->count ? t->v[0].series : 0);
    put_number(&q->sheet, samples);
    put_number(&q->sheet, t->count ? t->v[0].points : 0);
    put_ms(&q->sheet, whole_ms);
    put_ms(&q->sheet, whole_ms);
    put_share(&q->sheet, whole_ms, whole_ms);
}

static int table_finish(struct query *q, json_t *answer)
{
    const json_t *list = explanation(answer);
    struct tree t = {0};
    bool more[DEPTH_MAX + 1] = {false};
    if (!list) return EXIT_FAILED;
    if (read_tree(list, &t) < 0) return cmd_fail(EXIT_FAILED, "out of memory");
    double whole_ms = t.count ? t.v[0].total_ms : 0;
    q->begun = true;
    sheet_init(&q->sheet, SHEET_ALIGNED, shown, cmd_sheet_write, NULL);
    for (size_t i = 0; i < t.count; i++) {
        more[t.v[i].depth] = !t.v[i].last;
        put_node(q, &t.v[i], more, whole_ms);
    }
    put_total(q, &t, whole_ms);
    mem_free(t.v);
    return cmd_written(sheet_finish(&q->sheet));
}

/* --- for machines --- */

static const struct sheet_column told[] = {
    {"depth",   true},
    {"expr",         false},
    {"kind",false},
    {"series",    true},
    {"samples",         true},
    {"points",  true},
    {"selfTimeMs", true},
    {"totalTimeMs",         true},
    {0   },
};

static int csv_finish(struct query *q, json_t *answer)
{
    const json_t *list = explanation(answer);
    if (!list) return EXIT_FAILED;
    q->begun = true;
    sheet_init(&q->sheet, SHEET_CSV, told, cmd_sheet_write, NULL);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct node n = read_node(json_array_get(list, i));
        put_number(&q->sheet, (json_int_t)n.depth);
        sheet_cstr(&q->sheet, n.expr);
        sheet_cstr(&q->sheet, n.kind);
        put_number(&q->sheet, n.series);
        put_number(&q->sheet, n.samples);
        put_number(&q->sheet, n.points);
        put_ms(&q->sheet, n.self_ms);
        put_ms(&q->sheet, n.total_ms);
    }
    return cmd_written(sheet_finish(&q->sheet));
}

static int json_finish(struct query *q, json_t *answer)
{
    const json_t *list = explanation(answer);
    if (!list) return EXIT_FAILED;
    char *text = json_dumps(list, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    if (!text) return cmd_fail(EXIT_FAILED, "out of memory");
    buf_addf(&q->text, "%s\n", text);
    free(text);
    return cmd_output(&q->text, EXIT_OK);
}

static int skip_element(struct query *q, struct str text)
{
    UNUSED(q);
    UNUSED(text);
    return 0;
}

static void release_sheet(struct query *q)
{
    if (q->begun) sheet_release(&q->sheet);
}

const struct query_printer explain_table = {"table", skip_element, table_finish, release_sheet};
const struct query_printer explain_csv = {"csv", skip_element, csv_finish, release_sheet};
const struct query_printer explain_json = {"json", skip_element, json_finish, release_sheet};
