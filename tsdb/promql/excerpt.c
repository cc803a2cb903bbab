/* excerpt.c -- shows where in a query a problem is:
 *
 *     1 | sum(rate(http_requests))
 *       |          ^^^^^^^^^^^^^ add a range, as in [5m]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "tsdb/promql/promql.h"

/* Long queries are one line; around the caret this much of it is enough. */
enum { EXCERPT_BEFORE = 100, EXCERPT_WIDTH = 160 };

static bool is_word(char c)
{
    return c == '_' || c == ':' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* Bytes of the word, the quoted text or the single character at the start of s. */
static size_t token_width(struct str s)
{
    size_t len = 0;
    if (s.len == 0) return 1;
    if (s.p[0] == '"' || s.p[0] == '\'' || s.p[0] == '`') {
        const char *end = s.len > 1 ? memchr(s.p + 1, s.p[0], s.len - 1) : NULL;
        return end ? (size_t)(end - s.p) + 1 : s.len;
    }
    while (len < s.len && is_word(s.p[len]))
        len++;
    return len ? len : 1;
}

static struct str line_around(struct str text, size_t offset)
{
    size_t start = offset, end = offset;
    while (start > 0 && text.p[start - 1] != '\n')
        start--;
    while (end < text.len && text.p[end] != '\n')
        end++;
    return (struct str){text.p + start, end - start};
}

/* Moves the start of line towards at, and its end, so that it fits; never into a character. */
static void clip(struct str *line, size_t *at)
{
    size_t skip = *at > EXCERPT_BEFORE ? *at - EXCERPT_BEFORE : 0;
    while (skip < *at && ((unsigned char)line->p[skip] & 0xc0) == 0x80)
        skip++;
    line->p += skip;
    line->len -= skip;
    *at -= skip;
    if (line->len <= EXCERPT_WIDTH) return;
    line->len = EXCERPT_WIDTH;
    while (line->len > *at && ((unsigned char)line->p[line->len] & 0xc0) == 0x80)
        line->len--;
}

void promql_excerpt(struct str text, const struct errmsg *err, struct buf *out)
{
    if (err->line < 1 || err->offset > text.len) return;
    struct str line = line_around(text, err->offset);
    size_t at = (size_t)(text.p + err->offset - line.p);
    char number[16];
    clip(&line, &at);
    size_t width = token_width((struct str){line.p + at, line.len - at});
    int margin = snprintf(number, sizeof number, "%d", err->line);
    buf_addf(out, "%s | %.*s\n%*s | ", number, (int)line.len, line.p, margin, "");
    for (size_t i = 0; i < at; i++) {
        if (((unsigned char)line.p[i] & 0xc0) == 0x80) continue; /* one column a character */
        buf_addch(out, line.p[i] == '\t' ? '\t' : ' ');
    }
    for (size_t i = 0; i < width; i++)
        if (at + i >= line.len || ((unsigned char)line.p[at + i] & 0xc0) != 0x80)
            buf_addch(out, '^');
    if (err->hint[0]) buf_addf(out, " %s", err->hint);
    buf_addch(out, '\n');
}
