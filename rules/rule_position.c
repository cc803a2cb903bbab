/* rule_position.c -- from a byte of a YAML scalar's value back to line and column of the file.
 *
 * YAML changes only blanks between file and value: it folds lines, cuts indentation, drops trailing
 * ones; everything else comes through in order, save for quotes and escapes. So the n-th non-blank
 * byte of the value is the n-th non-blank unit of the text, whatever the style.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/rule_int.h"

enum style { STYLE_PLAIN, STYLE_SINGLE, STYLE_DOUBLE, STYLE_BLOCK };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The byte where a node's first character stands; libyaml counts columns in characters. */
static size_t node_offset(struct str text, const struct ynode *n)
{
    size_t i = 0;
    for (int line = 1; line < n->line && i < text.len; i++)
        line += text.p[i] == '\n';
    for (int column = 1; column < n->column && i < text.len; column++)
        do
            i++;
        while (i < text.len && ((unsigned char)text.p[i] & 0xc0) == 0x80);
    return i;
}

/* Past anchor and tag, to the scalar's own first character. */
static size_t skip_properties(struct str text, size_t i)
{
    while (i < text.len && (text.p[i] == '&' || text.p[i] == '!')) {
        while (i < text.len && !is_blank(text.p[i]))
            i++;
        while (i < text.len && is_blank(text.p[i]))
            i++;
    }
    return i;
}

static enum style style_at(struct str text, const struct ynode *n, size_t *i)
{
    if (n->block) {
        while (*i < text.len && text.p[*i] != '\n')
            ++*i;
        return STYLE_BLOCK;
    }
    char c = *i < text.len ? text.p[*i] : '\0';
    if (n->plain || (c != '"' && c != '\'')) return STYLE_PLAIN;
    ++*i;
    return c == '"' ? STYLE_DOUBLE : STYLE_SINGLE;
}

/* One unit of the text at i: its bytes in the file, and how many non-blank bytes it gives. */
struct unit {
    size_t length, gives;
};

/* \u00e9 or \U0001f514, digits of them: the bytes UTF-8 takes. */
static size_t utf8_length(struct str text, size_t i, size_t digits)
{
    uint32_t v = 0;
    for (size_t k = i; k < i + digits && k < text.len; k++) {
        int d = text.p[k] <= '9' ? text.p[k] - '0' : (text.p[k] | 0x20) - 'a' + 10;
        v = v << 4 | ((uint32_t)d & 0xf);
    }
    return v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;
}

static struct unit escape_unit(struct str text, size_t i)
{
    char c = i + 1 < text.len ? text.p[i + 1] : '\0';
    if (c == 'x') return (struct unit){4, 1};
    if (c == 'u') return (struct unit){6, utf8_length(text, i + 2, 4)};
    if (c == 'U') return (struct unit){10, utf8_length(text, i + 2, 8)};
    bool blank = c == 'n' || c == 't' || c == 'r' || is_blank(c);
    return (struct unit){2, !blank};
}

static struct unit unit_at(struct str text, enum style style, size_t i)
{
    char c = text.p[i];
    if (style == STYLE_DOUBLE && c == '\\') return escape_unit(text, i);
    if (style == STYLE_SINGLE && c == '\'') return (struct unit){2, 1};
    return (struct unit){1, is_blank(c) ? 0 : 1};
}

static void line_and_column(struct str text, size_t offset, int *line, int *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        ++*column;
        if (text.p[i] != '\n') continue;
        ++*line;
        *column = 1;
    }
}

void scalar_position(const struct ydoc *doc, const struct ynode *n, size_t offset, int *line,
                     int *column)
{
    struct str text = doc->text;
    size_t i = skip_properties(text, node_offset(text, n));
    size_t first = i;
    enum style style = style_at(text, n, &i);
    offset = MIN(offset, n->value.len);
    size_t before = 0; /* non-blank bytes ahead of the one asked for */
    for (size_t k = 0; k < offset; k++)
        before += !is_blank(n->value.p[k]);
    bool on_blank = offset == n->value.len || is_blank(n->value.p[offset]);
    size_t seen = 0, at = style == STYLE_BLOCK ? first : i;
    while (i < text.len) {
        struct unit u = unit_at(text, style, i);
        if (u.gives > 0 && seen >= before && !on_blank) {
            at = i;
            break;
        }
        if (u.gives > 0 && seen >= before) break;
        i += u.length;
        seen += u.gives;
        if (u.gives > 0) at = i;
        if (on_blank && seen >= before) break;
    }
    line_and_column(text, at, line, column);
}
