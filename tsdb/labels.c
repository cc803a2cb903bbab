/* labels.c -- label sets, the builder, name rules and matchers.
 *
 * The canonical bytes of a set are name 0xFF value 0xFF for every pair in order; 0xFF cannot occur
 * in UTF-8, so no two sets share them.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/labels.h"

#include <errno.h>
#include <stdlib.h>

#define XXH_STATIC_LINKING_ONLY /* for a state on the stack */
#include <xxhash.h>

#include "core/hash.h"
#include "core/mem.h"
#include "core/regex.h"

enum { CANONICAL_STACK = 2048 };
static const char separator = '\xff';

struct str labels_get(struct labels ls, struct str name)
{
    for (size_t i = 0; i < ls.count; i++)
        if (str_eq(ls.v[i].name, name)) return ls.v[i].value;
    return (struct str){NULL, 0};
}

/* Sets from one select share most of their texts. */
static bool same_text(struct str a, struct str b)
{
    return a.p == b.p && a.len == b.len;
}

bool labels_eq(struct labels a, struct labels b)
{
    if (a.count != b.count) return false;
    for (size_t i = 0; i < a.count; i++)
        if (!str_eq(a.v[i].value, b.v[i].value) || !str_eq(a.v[i].name, b.v[i].name)) return false;
    return true;
}

int labels_cmp(struct labels a, struct labels b)
{
    size_t n = MIN(a.count, b.count);
    for (size_t i = 0; i < n; i++) {
        const struct label *x = &a.v[i], *y = &b.v[i];
        int c = same_text(x->name, y->name) ? 0 : str_cmp(x->name, y->name);
        if (!c && !same_text(x->value, y->value)) c = str_cmp(x->value, y->value);
        if (c) return c;
    }
    return (a.count > b.count) - (a.count < b.count);
}

/* Sum of the canonical bytes. */
static size_t canonical_size(struct labels ls)
{
    size_t n = 0;
    for (size_t i = 0; i < ls.count; i++)
        n += ls.v[i].name.len + ls.v[i].value.len + 2;
    return n;
}

static char *put(char *p, struct str s)
{
    if (s.len) memcpy(p, s.p, s.len);
    return p + s.len;
}

static uint64_t hash_long(struct labels ls)
{
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (size_t i = 0; i < ls.count; i++) {
        XXH3_64bits_update(&state, ls.v[i].name.p, ls.v[i].name.len);
        XXH3_64bits_update(&state, &separator, 1);
        XXH3_64bits_update(&state, ls.v[i].value.p, ls.v[i].value.len);
        XXH3_64bits_update(&state, &separator, 1);
    }
    return XXH3_64bits_digest(&state);
}

uint64_t labels_hash(struct labels ls)
{
    char bytes[CANONICAL_STACK], *p = bytes;
    if (canonical_size(ls) > sizeof bytes) return hash_long(ls);
    for (size_t i = 0; i < ls.count; i++) {
        p = put(p, ls.v[i].name);
        *p++ = separator;
        p = put(p, ls.v[i].value);
        *p++ = separator;
    }
    return XXH3_64bits(bytes, (size_t)(p - bytes));
}

uint64_t labels_fingerprint(struct labels ls)
{
    uint64_t h = FNV1A64_INIT;
    for (size_t i = 0; i < ls.count; i++) {
        h = fnv1a64(h, ls.v[i].name.p, ls.v[i].name.len);
        h = fnv1a64(h, &separator, 1);
        h = fnv1a64(h, ls.v[i].value.p, ls.v[i].value.len);
        h = fnv1a64(h, &separator, 1);
    }
    return h;
}

/* --- copies ------------------------------------------------------------------------------------
 */

/* Copies into a block laid out as the array of pairs followed by their texts. */
static size_t block_size(struct labels ls)
{
    return MAX(ls.count, 1) * sizeof(struct label) + canonical_size(ls);
}

static struct labels copy_into(void *block, struct labels ls)
{
    struct label *v = block;
    char *text = (char *)(v + ls.count);
    for (size_t i = 0; i < ls.count; i++) {
        v[i].name = (struct str){text, ls.v[i].name.len};
        text = put(text, ls.v[i].name);
        *text++ = '\0';
        v[i].value = (struct str){text, ls.v[i].value.len};
        text = put(text, ls.v[i].value);
        *text++ = '\0';
    }
    return (struct labels){v, ls.count};
}

int labels_dup(struct labels ls, struct labels *out)
{
    *out = (struct labels){NULL, 0};
    void *block = mem_alloc(block_size(ls));
    if (!block) return -ENOMEM;
    *out = copy_into(block, ls);
    return 0;
}

void labels_free_dup(struct labels *ls)
{
    mem_free((void *)(uintptr_t)ls->v); /* labels_dup's block, const only to its readers */
    *ls = (struct labels){NULL, 0};
}

int labels_copy(struct arena *a, struct labels ls, struct labels *out)
{
    *out = (struct labels){NULL, 0};
    void *block = arena_alloc(a, block_size(ls));
    if (!block) return a->err ? a->err : -ENOMEM;
    *out = copy_into(block, ls);
    return 0;
}

/* --- printing ----------------------------------------------------------------------------------
 */

/* The length of the UTF-8 sequence at the start of s, 0 when it is not valid. */
static size_t utf8_sequence(struct str s)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    return n <= s.len && str_is_utf8((struct str){s.p, n}) ? n : 0;
}

/* As Go's strconv.Quote, all printable and valid non-ASCII text left as it is. */
static void print_quoted(struct str s, struct buf *out)
{
    static const char letters[] = "abtnvfr"; /* of the bytes 7..13 */
    buf_addch(out, '"');
    while (s.len) {
        size_t n = utf8_sequence(s);
        unsigned char c = (unsigned char)*s.p;
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c >= 7 && c <= 13)
            buf_addf(out, "\\%c", letters[c - 7]);
        else if (!n || c < 0x20 || c == 0x7f)
            buf_addf(out, "\\x%02x", c);
        else
            buf_add(out, s.p, n);
        s.p += n ? n : 1;
        s.len -= n ? n : 1;
    }
    buf_addch(out, '"');
}

static void print_pair(struct label l, struct buf *out)
{
    if (label_name_is_legacy(l.name))
        buf_add(out, l.name.p, l.name.len);
    else
        print_quoted(l.name, out);
    buf_addch(out, '=');
    print_quoted(l.value, out);
}

int labels_print(struct labels ls, bool with_name, struct buf *out)
{
    struct str metric = labels_metric(ls);
    bool before = with_name && metric.len && metric_name_is_legacy(metric);
    bool any = false;
    if (before) buf_add(out, metric.p, metric.len);
    if (before && ls.count == 1) return out->err;
    buf_addch(out, '{');
    if (with_name && metric.len && !before) {
        print_quoted(metric, out);
        any = true;
    }
    for (size_t i = 0; i < ls.count; i++) {
        if (str_eq(ls.v[i].name, STR(METRIC_NAME))) continue;
        if (any) buf_addstr(out, ", ");
        print_pair(ls.v[i], out);
        any = true;
    }
    buf_addch(out, '}');
    return out->err;
}

/* --- the builder -------------------------------------------------------------------------------
 */

void label_builder_init(struct label_builder *b, struct labels base)
{
    b->count = 0;
    b->err = base.count > LABELS_MAX ? E_TOO_BIG : 0;
    if (b->err || !base.count) return;
    memcpy(b->v, base.v, base.count * sizeof *b->v);
    b->count = base.count;
}

static struct label *find(struct label_builder *b, struct str name)
{
    for (size_t i = 0; i < b->count; i++)
        if (str_eq(b->v[i].name, name)) return &b->v[i];
    return NULL;
}

void label_builder_del(struct label_builder *b, struct str name)
{
    struct label *l = find(b, name);
    if (!l) return;
    struct label *end = b->v + --b->count;
    memmove(l, l + 1, (size_t)((char *)end - (char *)l));
}

void label_builder_set(struct label_builder *b, struct str name, struct str value)
{
    if (!value.len) {
        label_builder_del(b, name);
        return;
    }
    struct label *l = find(b, name);
    if (l) {
        l->value = value;
    } else if (b->count == LABELS_MAX) {
        b->err = E_TOO_BIG;
    } else {
        b->v[b->count++] = (struct label){name, value};
    }
}

struct str label_builder_get(const struct label_builder *b, struct str name)
{
    return labels_get((struct labels){b->v, b->count}, name);
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

struct labels label_builder_view(struct label_builder *b)
{
    for (size_t i = 1; i < b->count; i++)
        if (by_name(&b->v[i - 1], &b->v[i]) > 0) {
            qsort(b->v, b->count, sizeof *b->v, by_name);
            break;
        }
    return (struct labels){b->v, b->count};
}

int label_builder_build(struct label_builder *b, struct arena *a, struct labels *out)
{
    *out = (struct labels){NULL, 0};
    if (b->err) return b->err;
    return labels_copy(a, label_builder_view(b), out);
}

/* --- names -------------------------------------------------------------------------------------
 */

static bool is_legacy(struct str s, bool colon)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool digit = i > 0 && c >= '0' && c <= '9';
        if (!letter && !digit && !(colon && c == ':')) return false;
    }
    return s.len > 0;
}

bool metric_name_is_legacy(struct str s)
{
    return is_legacy(s, true);
}

bool label_name_is_legacy(struct str s)
{
    return is_legacy(s, false);
}

bool metric_name_is_valid(struct str s)
{
    return s.len > 0 && str_is_utf8(s);
}

bool label_name_is_valid(struct str s)
{
    return s.len > 0 && str_is_utf8(s);
}

/* --- matchers ----------------------------------------------------------------------------------
 */

int matcher_init(struct matcher *m, enum matcher_type type, struct str name, struct str value,
                 struct errmsg *err)
{
    *m = (struct matcher){.type = type, .name = name, .value = value};
    if (type == MATCH_EQ || type == MATCH_NE) return 0;
    struct regex *re = NULL;
    int rc = regex_new(&re, value, REGEX_ANCHORED, err);
    m->re = re;
    return rc;
}

void matcher_release(struct matcher *m)
{
    regex_free((struct regex *)(uintptr_t)m->re); /* ours; const only to its readers */
    m->re = NULL;
}

int matcher_test(const struct matcher *m, struct str value)
{
    int rc = 0;
    switch (m->type) {
    case MATCH_EQ:
        return str_eq(m->value, value);
    case MATCH_NE:
        return !str_eq(m->value, value);
    case MATCH_RE:
        return regex_match(m->re, value);
    case MATCH_NRE:
        rc = regex_match(m->re, value);
        return rc < 0 ? rc : !rc;
    }
    return E_INVALID;
}

int matchers_test(const struct matcher *m, size_t count, struct labels ls)
{
    for (size_t i = 0; i < count; i++) {
        struct str value = labels_get(ls, m[i].name);
        int rc = matcher_test(&m[i], value.p ? value : STR(""));
        if (rc <= 0) return rc;
    }
    return 1;
}

const char *matcher_op(enum matcher_type type)
{
    static const char *const ops[] = {
        [MATCH_EQ] = "=", [MATCH_NE] = "!=", [MATCH_RE] = "=~", [MATCH_NRE] = "!~"};
    return ops[type];
}
