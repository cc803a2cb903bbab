/* conf.h -- structs from YAML by table: one row an option.
 *
 * A row gives key, type, where it goes, default, bounds and help; the file reader, the printed
 * defaults and the documentation all come from it. Unknown and duplicate keys are errors with the
 * nearest known key as a hint. All problems of a document are reported, not only the first.
 *
 * ${VAR}, ${VAR:-default} and ${file:/path} expand inside scalar values after parsing ($${ is a
 * literal ${), when the context asks for it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_CONF_H
#define TOCSIN_CORE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/diag.h"
#include "core/yaml.h"

struct conf_ctx {
    const struct ydoc *doc;
    struct arena *arena; /* owns everything decoded */
    struct diags *diags;
    bool expand; /* ${...} */
    void *user;  /* for CONF_CUSTOM functions */
};

enum conf_type {
    CONF_BOOL,     /* bool */
    CONF_INT,      /* int64_t; min..max */
    CONF_DOUBLE,   /* double; min..max */
    CONF_STRING,   /* const char *, NUL-terminated */
    CONF_DURATION, /* int64_t milliseconds, Prometheus syntax */
    CONF_SIZE,     /* int64_t bytes, 10GiB */
    CONF_STRINGS,  /* struct conf_strings: a sequence of scalars, or one scalar */
    CONF_MAP,      /* struct conf_map: scalar keys to scalar values, order kept */
    CONF_SUB,      /* a nested struct, by .sub */
    CONF_LIST,     /* struct conf_list of structs, by .sub */
    CONF_ENUM,     /* int: the index of the value in .names (NULL-terminated) */
    CONF_CUSTOM,   /* .custom decides */
};

struct conf_strings {
    size_t count;
    const char **v;
    const struct ynode **nodes; /* where each stood */
};
struct conf_map {
    size_t count;
    struct {
        struct str key, value;
        const struct ynode *key_node, *value_node;
    } * v;
};
struct conf_list {
    size_t count;
    void *v; /* count structs of sub->size, contiguous */
};

struct conf_table;

struct conf_option {
    const char *key;
    enum conf_type type;
    size_t offset;
    const char *dflt; /* as it would be written, or NULL for zero */
    const char *help;
    int64_t min, max; /* both 0: unbounded (CONF_INT, DURATION, SIZE) */
    bool required;
    const struct conf_table *sub;
    const char *const *names; /* CONF_ENUM */
    /* Decodes n into out (the field's address); reports its own problems. */
    int (*custom)(struct conf_ctx *c, const struct ynode *n, void *out);
};

struct conf_table {
    const char *name; /* for messages: "scrape config" */
    size_t size;      /* of the struct */
    const struct conf_option *options;
    size_t count;
    /* Optional: called on the whole struct after its options, for rules across fields. */
    int (*validate)(struct conf_ctx *c, const struct ynode *n, void *out);
    size_t node_offset; /* if has_node: where to keep the struct's const struct ynode * */
    bool has_node;
};

/* Sets every default. out is zeroed first. */
int conf_defaults(const struct conf_table *t, void *out, struct conf_ctx *c) MUST_CHECK;
/* Defaults, then the mapping n (NULL or null: defaults alone). 0, or E_INVALID with everything
 * wrong in c->diags. */
int conf_decode(const struct conf_table *t, const struct ynode *n, void *out,
                struct conf_ctx *c) MUST_CHECK;
/* A commented YAML file of every option with its default, for `tocsin config default`. */
void conf_print_defaults(const struct conf_table *t, struct buf *out);

#endif
