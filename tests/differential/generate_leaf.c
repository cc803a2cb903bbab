/* generate_leaf.c -- where random expressions end: selectors, ranges, modifiers, numbers, names.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"
#include "tests/differential/generate_int.h"

void generate_text(struct generator *g, const char *text)
{
    buf_addstr(g->out, text);
}

void generate_pick(struct generator *g, const char *const *texts, size_t count)
{
    generate_text(g, texts[dice_roll(g->dice, (unsigned)count)]);
}

/* --- numbers --- */

void generate_number(struct generator *g)
{
    static const char *const plain[] = {"1", "2", "0", "0.5", "10", "-1", "3", "64", "100", "1e3"};
    static const char *const odd[] = {"NaN", "Inf", "-Inf", "0x1F", "1e-3", "-0.25", "1e300"};
    if (dice_chance(g->dice, 15))
        generate_pick(g, odd, COUNT(odd));
    else
        generate_pick(g, plain, COUNT(plain));
}

void generate_small_number(struct generator *g)
{
    static const char *const plain[] = {"1", "2", "3", "0", "-1", "1.5", "5"};
    generate_pick(g, plain, COUNT(plain));
}

/* --- selectors --- */

static void write_name(struct generator *g, const char *name)
{
    if (label_name_is_legacy(str_of(name)))
        buf_addstr(g->out, name);
    else
        json_quote(g->out, str_of(name), false);
}

static bool has_label(const struct world_metric *m, const char *name)
{
    for (size_t i = 0; i < COUNT(m->labels); i++)
        if (m->labels[i].name && str_eq(str_of(m->labels[i].name), str_of(name))) return true;
    return false;
}

static const struct world_label *pick_label(struct generator *g, const struct world_metric *m)
{
    size_t n = 0;
    while (n < COUNT(m->labels) && m->labels[n].name)
        n++;
    return &m->labels[dice_roll(g->dice, (unsigned)n)];
}

static const char *pick_value(struct generator *g, const struct world_label *l)
{
    unsigned n = 0;
    while (n < COUNT(l->values) && l->values[n])
        n++;
    return l->values[dice_roll(g->dice, n)];
}

/* Regular expressions that match some of the values: quoted by hand, since values hold no quotes.
 */
static void write_pattern(struct generator *g, const struct world_label *l)
{
    const char *a = pick_value(g, l), *b = pick_value(g, l);
    if (a[0] == '+') a = ".Inf";
    if (b[0] == '+') b = ".Inf";
    static const char *const any[] = {".*", ".+",   "[a-d].*", "(?i)A.*|2.*",
                                      "|x", "^.*$", ".",       "\\\\d+"};
    switch (dice_roll(g->dice, 4)) {
    case 0:
        buf_addf(g->out, "\"%s|%s\"", a, b);
        break;
    case 1:
        buf_addf(g->out, "\"%.1s.*\"", a);
        break;
    default:
        buf_addf(g->out, "\"%s\"", DICE_PICK(g->dice, any));
    }
}

static void write_matcher(struct generator *g, const struct world_metric *m)
{
    const struct world_label *l = pick_label(g, m);
    static const struct world_label absent = {
        "nothing", {"", "x"}
    };
    if (dice_chance(g->dice, 5)) l = &absent;
    write_name(g, l->name);
    switch (dice_roll(g->dice, 5)) {
    case 0:
    case 1:
        buf_addf(g->out, "=\"%s\"", pick_value(g, l));
        break;
    case 2:
        buf_addf(g->out, "!=\"%s\"", pick_value(g, l));
        break;
    case 3:
        generate_text(g, "=~");
        write_pattern(g, l);
        break;
    default:
        generate_text(g, "!~");
        write_pattern(g, l);
    }
}

/* Name and matchers of one metric, without modifiers. */
static void write_metric(struct generator *g, const struct world_metric *m)
{
    bool quoted = !label_name_is_legacy(str_of(m->name));
    unsigned matchers = dice_chance(g->dice, 45) ? 1 + dice_roll(g->dice, 2) : 0;
    if (!quoted) generate_text(g, m->name);
    if (!quoted && !matchers) return;
    generate_text(g, "{");
    if (quoted) write_name(g, m->name);
    for (unsigned i = 0; i < matchers; i++) {
        if (i || quoted) generate_text(g, ", ");
        write_matcher(g, m);
    }
    generate_text(g, "}");
}

/* Several metrics at once: a name to lose, and label sets that then meet. */
static void write_many(struct generator *g)
{
    static const char *const selectors[] = {
        "{__name__=~\"(memory|limit)_bytes\"}",
        "{job=\"api\"}",
        "{__name__=~\"up|memory_bytes\", job!=\"\"}",
        "{__name__=~\"weird|sparse\"}",
        "{__name__=~\".*_total\", code=\"404\"}",
        "{instance=~\"a.*\", __name__!=\"up\"}",
        "{__name__=\"up\"}",
        "{x=\"1\"}",
    };
    generate_pick(g, selectors, COUNT(selectors));
}

static const struct world_metric *pick_metric(struct generator *g)
{
    size_t count;
    const struct world_metric *all = world_metrics(&count);
    const struct world_metric *m = &all[dice_roll(g->dice, (unsigned)count)];
    return m->version_3 && !version_3(g) ? &all[0] : m;
}

static bool is_counter(const struct world_metric *m)
{
    return m->habit == COUNTER || m->habit == COUNTER_WITH_RESETS || m->habit == BUCKETS;
}

static void write_any_metric(struct generator *g, bool counters)
{
    const struct world_metric *m = pick_metric(g);
    for (int i = 0; counters && !is_counter(m); i++) {
        size_t count;
        m = i < 5 ? pick_metric(g) : world_metrics(&count);
    }
    if (!counters && dice_chance(g->dice, 8))
        write_many(g);
    else
        write_metric(g, m);
}

/* --- modifiers --- */

/* True when the time looked at is a half second in version 2. */
static bool write_modifiers(struct generator *g)
{
    static const char *const offsets[] = {"30s", "1m", "-45s", "7s", "3m", "10m"};
    static const char *const offsets_3[] = {"90", "(1m - 20s)", "-(30s)", "step()", "1m30s500ms"};
    bool half = g->at_half;
    if (dice_chance(g->dice, 8)) {
        unsigned kind = dice_roll(g->dice, 3);
        int64_t t = g->world->start_ms + (int64_t)dice_roll(g->dice, 1500) * 1000;
        if (kind == 0)
            buf_addf(g->out, " @ %lld.%s", (long long)t / 1000, version_3(g) ? "125" : "5");
        else
            generate_text(g, kind == 1 ? " @ start()" : " @ end()");
        half = true;
    }
    if (!dice_chance(g->dice, 12)) return half;
    generate_text(g, " offset ");
    if (version_3(g) && dice_chance(g->dice, 20))
        generate_pick(g, offsets_3, COUNT(offsets_3));
    else
        generate_pick(g, offsets, COUNT(offsets));
    return half;
}

static void write_range(struct generator *g)
{
    static const char *const ranges[] = {"1m",  "2m", "5m",    "30s", "45s",
                                         "90s", "3m", "7m30s", "10m", "65s"};
    static const char *const ranges_3[] = {
        "90",  "1m * 2",        "step() + 1m", "max_of(1m, step())", "min_of(2m, range() + 30s)",
        "15s", "(5m - 30s) / 2"};
    if (version_3(g) && dice_chance(g->dice, 12))
        generate_pick(g, ranges_3, COUNT(ranges_3));
    else
        generate_pick(g, ranges, COUNT(ranges));
}

void generate_selector(struct generator *g)
{
    write_any_metric(g, false);
    write_modifiers(g);
}

/* --- range vectors --- */

static void write_subquery(struct generator *g)
{
    static const char *const ranges[] = {"1m", "2m", "5m", "45s", "90s", "3m"};
    static const char *const steps[] = {":15s", ":30s", ":", ":7s", ":1m", ":13s"};
    bool outer_half = g->at_half;
    /* the range has to be written before the modifier that decides about the time */
    struct buf tail = BUF_INIT(256), *out = g->out;
    g->out = &tail;
    bool half = write_modifiers(g);
    g->out = out;

    g->subqueries++;
    g->at_half = false;
    generate_text(g, "(");
    generate_vector(g);
    generate_text(g, ")[");
    g->subqueries--;
    g->at_half = outer_half;
    generate_pick(g, ranges, g->subqueries ? 2 : COUNT(ranges));
    if (!half && !version_3(g)) generate_text(g, "500ms");
    generate_pick(g, steps, COUNT(steps));
    generate_text(g, "]");
    buf_add(g->out, tail.p, tail.len);
    buf_release(&tail);
}

void generate_matrix(struct generator *g, bool counters)
{
    if (g->size > 1 && g->subqueries < 2 && dice_chance(g->dice, 22) &&
        (version_3(g) || !counters)) {
        write_subquery(g);
        return;
    }
    write_any_metric(g, counters);
    generate_text(g, "[");
    write_range(g);
    generate_text(g, "]");
    write_modifiers(g);
}

/* --- families --- */

void generate_family(struct generator *g, enum family family)
{
    static const struct {
        const char *has, *has_not;
        int labels;
    } rows[FAMILIES] = {
        [FAMILY_JOB_INSTANCE] = {"instance", "code", 2},
        [FAMILY_CODE] = {"code",     "x",    3},
        [FAMILY_JOB] = {"job",      "x",    1},
        [FAMILY_X] = {"x",        "job",  1},
    };
    size_t count;
    const struct world_metric *all = world_metrics(&count), *found = NULL;
    unsigned turn = dice_roll(g->dice, (unsigned)count);
    for (size_t i = 0; i < count && !found; i++) {
        const struct world_metric *m = &all[(i + turn) % count];
        int labels = 0;
        while (labels < (int)COUNT(m->labels) && m->labels[labels].name)
            labels++;
        bool fits = has_label(m, rows[family].has) && !has_label(m, rows[family].has_not) &&
                    labels == rows[family].labels && (version_3(g) || !m->version_3);
        if (family == FAMILY_JOB_INSTANCE) fits = fits && has_label(m, "job");
        if (fits) found = m;
    }
    write_metric(g, found);
    write_modifiers(g);
}

/* --- label names --- */

static const char *const label_names[] = {"job", "instance", "code", "x", "le", "zone", "version"};

void generate_label_list(struct generator *g)
{
    unsigned count = dice_roll(g->dice, 4);
    generate_text(g, "(");
    for (unsigned i = 0; i < count; i++) {
        if (i) generate_text(g, ", ");
        if (version_3(g) && dice_chance(g->dice, 4))
            generate_text(g, "\"mount.point\"");
        else if (dice_chance(g->dice, 4))
            generate_text(g, "__name__");
        else
            /* the first ones are in most metrics */
            generate_pick(g, label_names, dice_chance(g->dice, 70) ? 3 : COUNT(label_names));
    }
    generate_text(g, ")");
}

void generate_label_name(struct generator *g)
{
    if (version_3(g) && dice_chance(g->dice, 8))
        generate_text(g, "\"mount.point\"");
    else if (dice_chance(g->dice, 3))
        generate_text(g, "\"__name__\"");
    else
        buf_addf(g->out, "\"%s\"", DICE_PICK(g->dice, label_names));
}
