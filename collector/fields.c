/* fields.c -- names decided once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/fields.h"

#include <stdarg.h>
#include <stdio.h>

#include "collector/scan.h"
#include "core/log.h"
#include "core/mem.h"

void fields_begin(struct fields *f)
{
    f->next = 0;
}

void fields_release(struct fields *f)
{
    mem_free(f->keys);
    mem_free(f->text);
    mem_free(f->v);
    *f = (struct fields){0};
}

static bool is_key(const struct fields *f, size_t i, struct str key)
{
    const struct field_key *k = &f->keys[i];
    return k->len == key.len && memcmp(f->text + k->at, key.p, key.len) == 0;
}

static const struct field *field_at(struct fields *f, size_t i)
{
    f->next = i + 1;
    return f->keys[i].wanted < 0 ? NULL : &f->v[f->keys[i].wanted];
}

static int grow(struct fields *f, size_t key_len)
{
    void *keys = f->keys, *text = f->text, *v = f->v;
    int rc = mem_grow(&keys, &f->cap, f->count + 1, FIELDS_MAX, sizeof *f->keys);
    f->keys = keys;
    if (rc < 0) return rc;
    rc = mem_grow(&text, &f->text_cap, f->text_len + key_len, FIELDS_MAX * FIELD_KEY_MAX, 1);
    f->text = text;
    if (rc < 0) return rc;
    rc = mem_grow(&v, &f->v_cap, f->v_count + 1, FIELDS_MAX + 1, sizeof *f->v);
    f->v = v;
    return rc;
}

static const struct field *add(struct fields *f, struct str key, field_make_fn *make, void *arg)
{
    if (key.len == 0 || key.len >= FIELD_KEY_MAX) return NULL;
    if (f->count == FIELDS_MAX) f->count = f->text_len = f->v_count = 0; /* names came and went */
    if (grow(f, key.len) < 0) return NULL;
    struct field *made = &f->v[f->v_count];
    *made = (struct field){0};
    memcpy(made->key, key.p, key.len);
    make(arg, made);
    f->keys[f->count] = (struct field_key){(uint32_t)f->text_len, (uint16_t)key.len, -1};
    if (made->wanted) f->keys[f->count].wanted = (int32_t)f->v_count++;
    memcpy(f->text + f->text_len, key.p, key.len);
    f->text_len += key.len;
    return field_at(f, f->count++);
}

const struct field *fields_find(struct fields *f, struct str key, field_make_fn *make, void *arg)
{
    if (f->next > f->count) f->next = 0;
    for (size_t i = f->next; i < f->count; i++)
        if (is_key(f, i, key)) return field_at(f, i);
    for (size_t i = 0; i < f->next; i++)
        if (is_key(f, i, key)) return field_at(f, i);
    return add(f, key, make, arg);
}

const struct field *fields_find_line(struct fields *f, struct str *line, field_make_fn *make,
                                     void *arg)
{
    if (f->next < f->count) {
        const struct field_key *k = &f->keys[f->next];
        if (k->len < line->len && scan_is_blank(line->p[k->len]) &&
            memcmp(f->text + k->at, line->p, k->len) == 0) {
            line->p += k->len;
            line->len -= k->len;
            return field_at(f, f->next);
        }
    }
    struct str key;
    return scan_word(line, &key) ? fields_find(f, key, make, arg) : NULL;
}

void field_name(struct field *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(f->name, sizeof f->name, fmt, ap);
    va_end(ap);
    f->name_len = n < 0 ? 0 : MIN((size_t)n, sizeof f->name - 1);
}

void field_help(struct field *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->help, sizeof f->help, fmt, ap);
    va_end(ap);
}

/* --- filters --------------------------------------------------------------------------------- */

static int compile(struct regex **out, const char *collector_option, const char *pattern)
{
    struct errmsg err = {0};
    if (!pattern[0]) return 0;
    int rc = regex_new(out, str_of(pattern), 0, &err);
    if (rc < 0)
        log_error("collector option is no regular expression",
                  "option=%s pattern=\"%s\" err=\"%s\"", collector_option, pattern, err.text);
    return rc;
}

int name_filter_init(struct name_filter *f, struct collect *c, const char *include_key,
                     const char *exclude_key, const char *exclude_default)
{
    const char *include = collect_option(c, include_key, "");
    /* As in node_exporter, asking for names drops the default exclusion. */
    const char *exclude = collect_option(c, exclude_key, include[0] ? "" : exclude_default);
    *f = (struct name_filter){0};
    int rc = compile(&f->include, include_key, include);
    if (rc == 0) rc = compile(&f->exclude, exclude_key, exclude);
    if (rc < 0) name_filter_release(f);
    return rc;
}

void name_filter_release(struct name_filter *f)
{
    regex_free(f->include);
    regex_free(f->exclude);
    fields_release(&f->seen);
    *f = (struct name_filter){0};
}

void name_filter_begin(struct name_filter *f)
{
    fields_begin(&f->seen);
}

static bool passes(const struct name_filter *f, struct str name)
{
    bool in = !f->include || regex_match(f->include, name) == 1;
    return in && !(f->exclude && regex_match(f->exclude, name) == 1);
}

static void decide(void *arg, struct field *out)
{
    out->wanted = passes(arg, str_of(out->key));
}

bool name_filter_pass(struct name_filter *f, struct str name)
{
    if (name.len >= FIELD_KEY_MAX) return passes(f, name); /* too long to be remembered */
    return fields_find(&f->seen, name, decide, f) != NULL;
}
