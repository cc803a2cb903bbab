/* expo_family.h -- expositions as metric families, read to the letter.
 *
 * The scraper (expo.h) takes whatever exporters write. The two readers here judge it: one follows
 * the text format 0.0.4 as Prometheus' own library does, the other OpenMetrics 1.0 with all of its
 * rules on what may stand where. Both go on after a problem, report each with its place, and leave
 * families behind, which expo_lint looks at for style. None is made for speed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_COLLECTOR_EXPO_FAMILY_H
#define TOCSIN_COLLECTOR_EXPO_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/diag.h"
#include "core/err.h"
#include "tsdb/labels.h"
#include "tsdb/tsdb.h"

/* Where something stands; width in bytes. */
struct expo_place {
    int line, column, width;
};

struct family_sample {
    struct family_sample *next;
    struct str name;      /* as written: the family's and a suffix */
    struct labels labels; /* without the name, sorted; values may be empty */
    double value;
    bool has_timestamp;
    int64_t timestamp_ms;
    struct expo_place at; /* of the name */
};

struct family {
    struct family *next; /* in the order of appearance */
    struct str name, help, unit;
    bool has_help, has_type, has_unit;
    enum metric_type type;
    struct expo_place at; /* where the name stands first */
    struct family_sample *samples, **last;
    size_t sample_count;
    bool broken; /* one of its lines could not be read */
};

struct family_slot;
struct families {
    struct arena arena; /* owns everything; texts may also borrow the input */
    struct family *first, **last;
    size_t count;
    struct family_slot **slots; /* by name */
    size_t slot_count, used;
};

void families_init(struct families *f, size_t max_bytes);
void families_release(struct families *f);
struct family *families_find(const struct families *f, struct str name);

/* What is read, and who hears of problems. */
struct expo_input {
    struct str text;
    const char *file; /* shown in problems */
    struct diags *diags;
    bool
        quoted_names; /* OpenMetrics: names in quotes are no problem, as Prometheus 3 writes them */
};

/* Text format 0.0.4 with the names in quotes of 1.0.0, as Prometheus' expfmt reads it. 0, E_PARSE
 * (the problems are in diags), E_LIMIT or -ENOMEM. */
int families_read_text(struct families *f, const struct expo_input *in) MUST_CHECK;
/* OpenMetrics 1.0, nothing else but what in allows. The same results. */
int families_read_strict(struct families *f, const struct expo_input *in) MUST_CHECK;
/* Whether the last line is "# EOF", as only OpenMetrics has it. */
bool expo_is_openmetrics(struct str text);

/* What `promtool check metrics` finds, and names that collide, as warnings. */
int families_lint(struct families *f, const struct expo_input *in) MUST_CHECK;

#endif
