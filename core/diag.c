/* diag.c -- collecting problems and telling them the way a compiler does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/json.h"

enum { KEPT_MAX = 1000, ARENA_BYTES = 4 << 20, EXCERPT_COLUMNS = 160 };

void diags_init(struct diags *d)
{
    *d = (struct diags){0};
    arena_init(&d->arena, ARENA_BYTES);
}

void diags_release(struct diags *d)
{
    arena_release(&d->arena);
    *d = (struct diags){0};
}

/* The text of a line, counted from 1, without its end. */
static struct str line_of(struct str source, int line)
{
    struct str rest = source, found = {NULL, 0};
    while (line-- > 0 && rest.p)
        found = str_split(&rest, '\n');
    if (line >= 0) return (struct str){NULL, 0};
    if (found.len && found.p[found.len - 1] == '\r') found.len--;
    return found;
}

void diags_add(struct diags *d, enum diag_level level, const char *file, struct str source,
               int line, int column, int width, const char *hint, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (level == DIAG_ERROR)
        d->errors++;
    else
        d->warnings++;
    if (d->errors + d->warnings > KEPT_MAX) return;
    struct diag *g = arena_zalloc(&d->arena, sizeof *g);
    if (!g) return;
    *g = (struct diag){.level = level, .line = line, .column = column, .width = width};
    g->file = arena_strndup(&d->arena, file ? file : "", file ? strlen(file) : 0);
    g->text = arena_strndup(&d->arena, text, strlen(text));
    g->hint = arena_strndup(&d->arena, hint ? hint : "", hint ? strlen(hint) : 0);
    g->source = line > 0 ? arena_str(&d->arena, line_of(source, line)) : (struct str){NULL, 0};
    if (!g->file || !g->text || !g->hint) return;
    if (!d->last) d->last = &d->first;
    *d->last = g;
    d->last = &g->next;
}

/* Somebody's file on somebody's terminal: no control characters, and text that is UTF-8. */
static void print_line(struct str line, struct buf *out)
{
    bool utf8 = str_is_utf8(line);
    for (size_t i = 0; i < line.len; i++) {
        unsigned char b = (unsigned char)line.p[i];
        bool shown = b >= 0x80 ? utf8 : (b >= ' ' && b != 0x7f) || b == '\t';
        buf_addch(out, shown ? line.p[i] : '?');
    }
}

static void print_excerpt(const struct diag *g, struct buf *out)
{
    char number[16];
    int digits = snprintf(number, sizeof number, "%d", g->line);
    size_t shown = MIN(g->source.len, (size_t)EXCERPT_COLUMNS);
    while (shown && shown < g->source.len && (g->source.p[shown] & 0xc0) == 0x80)
        shown--; /* not through the middle of a character */
    buf_addf(out, "%s | ", number);
    print_line((struct str){g->source.p, shown}, out);
    buf_addf(out, "\n%*s |", digits, "");
    if (g->column > 0 && (size_t)g->column <= shown + 1) {
        buf_addch(out, ' ');
        for (int i = 0; i < g->column - 1; i++) /* tabs keep their width */
            buf_addch(out, g->source.p[i] == '\t' ? '\t' : ' ');
        int room = (int)shown - g->column + 1;
        int width = MAX(1, MIN(g->width, room));
        for (int i = 0; i < width; i++)
            buf_addch(out, '^');
    }
    if (g->hint[0]) buf_addf(out, " %s", g->hint);
    buf_addch(out, '\n');
}

static void print_one(const struct diag *g, struct buf *out)
{
    buf_addf(out, "%s: %s\n", g->level == DIAG_ERROR ? "error" : "warning", g->text);
    if (g->file[0] && g->line > 0)
        buf_addf(out, "  --> %s:%d:%d\n", g->file, g->line, g->column);
    else if (g->file[0])
        buf_addf(out, "  --> %s\n", g->file);
    if (g->source.p)
        print_excerpt(g, out);
    else if (g->hint[0])
        buf_addf(out, "  hint: %s\n", g->hint);
}

static size_t files_of(const struct diags *d)
{
    size_t files = 0;
    for (const struct diag *g = d->first; g; g = g->next) {
        const struct diag *seen = d->first;
        while (strcmp(seen->file, g->file) != 0)
            seen = seen->next;
        files += seen == g;
    }
    return files;
}

static void print_count(struct buf *out, size_t n, const char *noun)
{
    buf_addf(out, "%zu %s%s", n, noun, n == 1 ? "" : "s");
}

void diags_print(const struct diags *d, struct buf *out)
{
    if (!d->errors && !d->warnings) return;
    for (const struct diag *g = d->first; g; g = g->next)
        print_one(g, out);
    if (d->errors) print_count(out, d->errors, "error");
    if (d->errors && d->warnings) buf_addstr(out, ", ");
    if (d->warnings) print_count(out, d->warnings, "warning");
    buf_addstr(out, " in ");
    print_count(out, files_of(d), "file");
    buf_addch(out, '\n');
}

void diags_print_json(const struct diags *d, struct buf *out)
{
    struct json j;
    json_init(&j, out);
    json_arr(&j);
    for (const struct diag *g = d->first; g; g = g->next) {
        json_obj(&j);
        json_key(&j, "level");
        json_cstr(&j, g->level == DIAG_ERROR ? "error" : "warning");
        json_key(&j, "file");
        json_cstr(&j, g->file);
        json_key(&j, "line");
        json_int(&j, g->line);
        json_key(&j, "column");
        json_int(&j, g->column);
        json_key(&j, "message");
        json_cstr(&j, g->text);
        json_key(&j, "hint");
        json_cstr(&j, g->hint);
        json_end(&j);
    }
    json_end(&j);
}
