/* fuzz_expo_family.c -- the judging readers over any bytes: what is refused is refused with a
 * place, and what OpenMetrics to the letter lets pass, the scraper reads too, sample by sample.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "collector/expo.h"
#include "collector/expo_family.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA = 64 << 20 };

static void check(bool ok)
{
    if (!ok) abort();
}

static void check_families(const struct families *f)
{
    size_t families = 0;
    for (const struct family *family = f->first; family; family = family->next, families++) {
        size_t samples = 0;
        check(family->name.len > 0 && family->at.line > 0);
        for (const struct family_sample *s = family->samples; s; s = s->next, samples++) {
            check(str_starts(s->name, family->name));
            for (size_t i = 1; i < s->labels.count; i++)
                check(str_cmp(s->labels.v[i - 1].name, s->labels.v[i].name) < 0);
        }
        check(samples == family->sample_count);
    }
    check(families == f->count);
}

static void check_diags(const struct diags *d, int rc)
{
    check((rc == E_PARSE) == (d->errors > 0));
    for (const struct diag *g = d->first; g; g = g->next)
        check(g->text[0] && g->line > 0 && g->column > 0);
}

/* What the scraper sees of a text that was found right. */
static void compare(const struct families *f, struct str text)
{
    struct expo x;
    struct expo_entry e;
    size_t seen = 0, samples = 0;
    int rc;
    expo_init(&x, text, EXPO_OPENMETRICS);
    while ((rc = expo_next(&x, &e, NULL)) == 1)
        seen += e.kind == EXPO_SERIES;
    check(rc == 0);
    for (const struct family *family = f->first; family; family = family->next)
        samples += family->sample_count;
    check(samples == seen);
}

static void judge(struct str text, bool strict)
{
    struct families f;
    struct diags diags;
    struct expo_input in = {
        .text = text, .file = "fuzz", .diags = &diags, .quoted_names = text.len % 2};
    families_init(&f, ARENA);
    diags_init(&diags);
    int rc = strict ? families_read_strict(&f, &in) : families_read_text(&f, &in);
    check(rc == 0 || rc == E_PARSE || rc == E_LIMIT);
    check_families(&f);
    if (rc != E_LIMIT) check_diags(&diags, rc);
    if (rc == 0 && strict) compare(&f, text);
    if (rc == 0) check(families_lint(&f, &in) == 0 && diags.errors == 0);
    families_release(&f);
    diags_release(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    judge(text, true);
    judge(text, false);
    return 0;
}
