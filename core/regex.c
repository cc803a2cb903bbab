/* regex.c -- RE2-syntax regular expressions on PCRE2 (the only file that includes pcre2.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/regex.h"

#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

#include "core/mem.h"
#include "core/regex_int.h"

enum {
    MATCH_LIMIT = 1000000,
    TRANSLATED_MAX = 4 * REGEX_SET_MAX,
    ARENA_BYTES =
        4 << 20, /* 32 bytes for each of 32,768 empty literals, twice when in parentheses */
    REPLACED_MAX = 100000,
};

struct regex {
    pcre2_code *code; /* NULL: the shape's literals, sorted, are all there is */
    pcre2_match_context *limits;
    struct arena arena;
    struct regex_shape shape;
    bool anchored;
};

static int compile(struct regex *r, struct buf *translated, struct errmsg *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
                       PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    if (r->anchored) options |= PCRE2_DOTALL | PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    int code = 0;
    PCRE2_SIZE at = 0;
    const char *text = translated->p ? translated->p : "";
    r->code = pcre2_compile((PCRE2_SPTR)text, translated->len, options, &code, &at, NULL);
    if (!r->code) {
        PCRE2_UCHAR why[128] = "";
        pcre2_get_error_message(code, why, sizeof why);
        return errmsg_set(err, E_PARSE, "error parsing regexp: %s", (const char *)why);
    }
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without JIT the interpreter serves */
    r->limits = pcre2_match_context_create(NULL);
    if (!r->limits) return -ENOMEM;
    pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    return 0;
}

/* The inside of "(...)", or the pattern itself. */
static struct str without_parentheses(struct str s)
{
    bool wrapped = s.len > 2 && s.p[0] == '(' && s.p[1] != '?' && s.p[s.len - 1] == ')';
    return wrapped ? (struct str){s.p + 1, s.len - 2} : s;
}

/* Grafana writes the values of a variable as "(a|b|c)": a set of literals too, with one group. */
static void find_wrapped_set(struct regex *r, struct str pattern)
{
    struct regex_shape inner;
    struct buf translated = BUF_INIT(TRANSLATED_MAX);
    struct str inside = without_parentheses(pattern);
    if (inside.len < pattern.len && r->shape.literal_count == 0 &&
        regex_translate(inside, &r->arena, &translated, &inner, NULL) == 0) {
        r->shape.literals = inner.literals;
        r->shape.literal_count = inner.literal_count;
    }
    buf_release(&translated);
}

static int compare_literals(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    return str_cmp(*x, *y);
}

/* Whether the pattern is a set of literals that needs no PCRE2. */
static bool become_set(struct regex *r, struct str pattern)
{
    if (!r->anchored) return false;
    find_wrapped_set(r, pattern);
    if (r->shape.literal_count == 0) return false;
    qsort(r->shape.literals, r->shape.literal_count, sizeof r->shape.literals[0], compare_literals);
    return true;
}

static bool in_set(const struct regex *r, struct str text)
{
    return bsearch(&text, r->shape.literals, r->shape.literal_count, sizeof r->shape.literals[0],
                   compare_literals) != NULL;
}

int regex_new(struct regex **out, struct str pattern, int flags, struct errmsg *err)
{
    *out = NULL;
    struct regex *r = mem_zalloc(sizeof *r);
    if (!r) return errmsg_set(err, -ENOMEM, "out of memory");
    arena_init(&r->arena, ARENA_BYTES);
    r->anchored = flags & REGEX_ANCHORED;
    struct buf translated = BUF_INIT(TRANSLATED_MAX);
    int rc = regex_translate(pattern, &r->arena, &translated, &r->shape, err);
    bool set = rc == 0 && become_set(r, pattern);
    if (rc == 0 && !set && pattern.len > REGEX_PATTERN_MAX) rc = E_TOO_BIG;
    if (rc == E_LIMIT || rc == E_TOO_BIG)
        rc = errmsg_set(err, E_TOO_BIG, "error parsing regexp: expression too large");
    if (rc == 0 && !set) rc = compile(r, &translated, err);
    buf_release(&translated);
    if (rc) {
        regex_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void regex_free(struct regex *r)
{
    if (!r) return;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->limits);
    arena_release(&r->arena);
    mem_free(r);
}

/* 1 match, 0 none, < 0. */
static int match_at(const struct regex *r, struct str text, size_t from, pcre2_match_data *data)
{
    const char *p = text.p ? text.p : "";
    int rc = pcre2_match(r->code, (PCRE2_SPTR)p, text.len, from, 0, data, r->limits);
    if (rc >= 0) return 1; /* 0: groups beyond the ovector, of no interest */
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    return rc == PCRE2_ERROR_NOMEMORY ? -ENOMEM : E_LIMIT;
}

int regex_match(const struct regex *r, struct str text)
{
    if (!r->code) return in_set(r, text);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data) return -ENOMEM;
    int rc = match_at(r, text, 0, data);
    pcre2_match_data_free(data);
    return rc;
}

size_t regex_literals(const struct regex *r, const struct str **out)
{
    *out = r->shape.literals;
    return r->anchored ? r->shape.literal_count : 0;
}

struct str regex_prefix(const struct regex *r)
{
    return r->anchored ? r->shape.prefix : (struct str){"", 0};
}

/* --- templates --- */

static struct str group_text(const struct regex *r, struct str text, const PCRE2_SIZE *ovector,
                             struct str name)
{
    uint64_t number = r->shape.group_count + 1;
    if (str_to_u64(name, &number)) {
        number = r->shape.group_count + 1;
        for (size_t i = 1; i <= r->shape.group_count; i++)
            if (str_eq(name, r->shape.group_names[i])) number = i;
    }
    if (number > r->shape.group_count || ovector[2 * number] == PCRE2_UNSET)
        return (struct str){"", 0};
    return (struct str){text.p + ovector[2 * number],
                        ovector[2 * number + 1] - ovector[2 * number]};
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The name after a '$' at the start of s; *used is 0 when there is none. */
static struct str template_name(struct str s, size_t *used)
{
    bool brace = s.len > 1 && s.p[1] == '{';
    size_t from = brace ? 2 : 1, i = from;
    while (i < s.len && is_word(s.p[i]))
        i++;
    *used = 0;
    if (i == from || (brace && (i >= s.len || s.p[i] != '}'))) return (struct str){NULL, 0};
    *used = i + brace;
    return (struct str){s.p + from, i - from};
}

static void expand(const struct regex *r, struct str text, const PCRE2_SIZE *ovector,
                   struct str template, struct buf *out)
{
    while (template.len) {
        const char *dollar = memchr(template.p, '$', template.len);
        size_t plain = dollar ? (size_t)(dollar - template.p) : template.len;
        buf_add(out, template.p, plain);
        template.p += plain;
        template.len -= plain;
        if (!template.len) return;
        size_t used = 2;
        if (template.len > 1 && template.p[1] == '$') {
            buf_addch(out, '$');
        } else {
            struct str name = template_name(template, &used);
            if (used) {
                struct str value = group_text(r, text, ovector, name);
                buf_add(out, value.p, value.len);
            } else {
                buf_addch(out, '$');
                used = 1;
            }
        }
        template.p += used;
        template.len -= used;
    }
}

int regex_expand(const struct regex *r, struct str text, struct str template, struct buf *out)
{
    if (!text.p) text = STR("");
    if (!r->code) {
        const PCRE2_SIZE all[] = {0, text.len, 0, text.len}; /* the parentheses hold it whole */
        if (!in_set(r, text)) return 0;
        expand(r, text, all, template, out);
        return out->err ? out->err : 1;
    }
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(r->code, NULL);
    if (!data) return -ENOMEM;
    int rc = match_at(r, text, 0, data);
    if (rc == 1) {
        expand(r, text, pcre2_get_ovector_pointer(data), template, out);
        if (out->err) rc = out->err;
    }
    pcre2_match_data_free(data);
    return rc;
}

/* The end of the character at pos. */
static size_t next_character(struct str text, size_t pos)
{
    pos++;
    while (pos < text.len && ((unsigned char)text.p[pos] & 0xc0) == 0x80)
        pos++;
    return pos;
}

static int replace_all(const struct regex *r, struct str text, struct str template, struct buf *out,
                       pcre2_match_data *data)
{
    const PCRE2_SIZE *o = pcre2_get_ovector_pointer(data);
    size_t copied = 0, at = 0, last_end = SIZE_MAX;
    for (int i = 0; at <= text.len; i++) {
        if (i > REPLACED_MAX) return E_LIMIT;
        int rc = match_at(r, text, at, data);
        if (rc < 0) return rc;
        if (!rc) break;
        bool empty = o[0] == o[1];
        if (!(empty && o[0] == last_end)) { /* an empty match right after a match does not count */
            buf_add(out, text.p + copied, o[0] - copied);
            expand(r, text, o, template, out);
            copied = o[1];
        }
        last_end = o[1];
        at = empty ? next_character(text, o[1]) : o[1];
    }
    buf_add(out, text.p + copied, text.len - copied);
    return out->err;
}

int regex_replace_all(const struct regex *r, struct str text, struct str template, struct buf *out)
{
    if (!text.p) text = STR("");
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(r->code, NULL);
    if (!data) return -ENOMEM;
    int rc = replace_all(r, text, template, out, data);
    pcre2_match_data_free(data);
    return rc;
}
