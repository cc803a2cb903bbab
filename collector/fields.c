/* fields.c -- names decided once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/fields.h"

#include <stdio.h>

#include "core/log.h"
#include "core/mem.h"

void fields_begin(struct fields *f)
{
    f->next = 0;
}

void fields_release(struct fields *f)
{
    mem_free(f->v);
    *f = (struct fields){0};
}

static const struct field *known(struct fields *f, struct str key)
{
    for (size_t n = 0; n < f->count; n++) {
        size_t i = f->next + n < f->count ? f->next + n : f->next + n - f->count;
        if (f->v[i].key_len == key.len && memcmp(f->v[i].key, key.p, key.len) == 0) {
            f->next = i + 1;
            return &f->v[i];
        }
    }
    return NULL;
}

const struct field *fields_find(struct fields *f, struct str key, field_make_fn *make, void *arg)
{
    if (f->next > f->count) f->next = 0;
    const struct field *found = known(f, key);
    if (found) return found;
    if (key.len == 0 || key.len >= FIELD_KEY_MAX) return NULL;
    if (f->count == FIELDS_MAX) f->count = f->next = 0; /* names came and went: start over */
    void *array = f->v;
    int rc = mem_grow(&array, &f->cap, f->count + 1, FIELDS_MAX, sizeof *f->v);
    f->v = array;
    if (rc < 0) return NULL;
    struct field *new = &f->v[f->count++];
    *new = (struct field){.key_len = key.len};
    memcpy(new->key, key.p, key.len);
    make(arg, new);
    f->next = f->count;
    return new;
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

/* --- filters -----------------------------------------------------------------------------------
 */

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
    out->wanted = passes(arg, (struct str){out->key, out->key_len});
}

bool name_filter_pass(struct name_filter *f, struct str name)
{
    if (name.len >= FIELD_KEY_MAX) return passes(f, name); /* too long to be remembered */
    const struct field *found = fields_find(&f->seen, name, decide, f);
    return found && found->wanted;
}
