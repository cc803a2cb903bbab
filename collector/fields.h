/* fields.h -- names decided once: which keys, devices and fields are wanted, and what they are
 * called.
 *
 * Sources list the same names in the same order each cycle, so a name is first compared with the
 * one that followed last time; patterns and printf run only for a name never seen.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_FIELDS_H
#define TOCSIN_COLLECTOR_FIELDS_H

#include "collector/collect.h"
#include "core/regex.h"

enum { FIELD_KEY_MAX = 64, FIELDS_MAX = 4096 };

struct field {
    char key[FIELD_KEY_MAX];
    bool wanted;
    int tag;        /* the collector's own */
    char name[128]; /* of the metric, for emit_named */
    size_t name_len;
    char help[160];
};

/* Fills wanted, and name and help where they matter, for out->key. */
typedef void field_make_fn(void *arg, struct field *out);

/* Keys lie packed, since most are looked at only to be passed over; what is known of the wanted
 * ones lies apart. */
struct fields {
    struct field_key {
        uint32_t at; /* in text */
        uint16_t len;
        int32_t wanted; /* in v, or -1 */
    } * keys;
    size_t count, cap, next;
    char *text;
    size_t text_len, text_cap;
    struct field *v;
    size_t v_count, v_cap;
};

/* A new cycle: the first name is expected again. */
void fields_begin(struct fields *f);
/* What is known of a key; NULL when it is not wanted, too long, or there is no memory. */
const struct field *fields_find(struct fields *f, struct str key, field_make_fn *make, void *arg);
/* The same for a line's first word, which is taken off. */
const struct field *fields_find_line(struct fields *f, struct str *line, field_make_fn *make,
                                     void *arg);
void fields_release(struct fields *f);
/* Helps make functions: printf into name and help. */
void field_name(struct field *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
void field_help(struct field *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* node_exporter's pair of options: a pattern of names to take (empty: all), less a pattern of names
 * to leave. Patterns match anywhere in the name unless anchored. */
struct name_filter {
    struct regex *include, *exclude;
    struct fields seen;
};
/* Reads the options include_key and exclude_key of the collector. A pattern that does not compile
 * is logged and E_INVALID. */
int name_filter_init(struct name_filter *f, struct collect *c, const char *include_key,
                     const char *exclude_key, const char *exclude_default) MUST_CHECK;
void name_filter_begin(struct name_filter *f);
bool name_filter_pass(struct name_filter *f, struct str name);
void name_filter_release(struct name_filter *f);

#endif
