/* generate.c -- random expressions: operators, aggregations, functions.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/differential/generate_int.h"

void generate_one_of(struct generator *g, const struct way *ways, size_t count)
{
    unsigned total = 0;
    for (size_t i = 0; i < count; i++)
        total += ways[i].weight;
    unsigned roll = dice_roll(g->dice, total);
    for (size_t i = 0; i < count; i++) {
        if (roll < ways[i].weight) {
            ways[i].write(g);
            return;
        }
        roll -= ways[i].weight;
    }
}

static void call(struct generator *g, const char *name, write_fn *arg)
{
    generate_text(g, name);
    generate_text(g, "(");
    arg(g);
    generate_text(g, ")");
}

/* --- scalars --- */

static void scalar_call(struct generator *g)
{
    call(g, "scalar", generate_vector);
}

static void scalar_time(struct generator *g)
{
    generate_text(g, "time()");
}

static void scalar_pi(struct generator *g)
{
    generate_text(g, "pi()");
}

static void scalar_negated(struct generator *g)
{
    generate_text(g, "-(");
    generate_scalar(g);
    generate_text(g, ")");
}

static void scalar_binary(struct generator *g)
{
    static const char *const ops[] = {" + ",      " - ",       " * ",      " / ",       " % ",
                                      " ^ ",      " atan2 ",   " > bool ", " == bool ", " != bool ",
                                      " < bool ", " >= bool ", " <= bool "};
    generate_text(g, "(");
    generate_scalar(g);
    generate_pick(g, ops, COUNT(ops));
    generate_scalar(g);
    generate_text(g, ")");
}

void generate_scalar(struct generator *g)
{
    static const struct way ways[] = {
        {60, generate_number},
        {12, scalar_call    },
        {8,  scalar_time    },
        {3,  scalar_pi      },
        {3,  scalar_negated },
        {14, scalar_binary  },
    };
    g->size--;
    generate_one_of(g, ways, g->size > 0 ? COUNT(ways) : 1);
}

/* The parameter of a quantile or of topk. Version 2 does not look for NaN there. */
static void parameter(struct generator *g, write_fn *usual)
{
    if (version_3(g) && dice_chance(g->dice, 10))
        generate_scalar(g);
    else
        usual(g);
}

static void quantile_number(struct generator *g)
{
    static const char *const q[] = {"0.5", "0.9", "0", "1", "0.25", "0.99", "1.5", "-0.1"};
    generate_pick(g, q, COUNT(q));
}

/* --- functions over ranges --- */

static void counter_call(struct generator *g)
{
    static const char *const names[] = {"rate", "increase", "irate", "resets", "changes"};
    unsigned name = dice_roll(g->dice, COUNT(names));
    generate_text(g, names[name]);
    generate_text(g, "(");
    generate_matrix(g, name < 2 && !version_3(g) ? true : dice_chance(g->dice, 75));
    generate_text(g, ")");
}

static void over_time_call(struct generator *g)
{
    static const char *const names[] = {"sum_over_time",
                                        "avg_over_time",
                                        "min_over_time",
                                        "max_over_time",
                                        "count_over_time",
                                        "last_over_time",
                                        "present_over_time",
                                        "stddev_over_time",
                                        "stdvar_over_time",
                                        "absent_over_time",
                                        "delta",
                                        "idelta",
                                        "deriv",
                                        "changes",
                                        "resets",
                                        "first_over_time"};
    generate_pick(g, names, COUNT(names) - !version_3(g));
    generate_text(g, "(");
    generate_matrix(g, false);
    generate_text(g, ")");
}

static void parameter_call(struct generator *g)
{
    if (dice_chance(g->dice, 50)) {
        generate_text(g, "predict_linear(");
        generate_matrix(g, false);
        generate_text(g, ", ");
        generate_scalar(g);
    } else {
        generate_text(g, "quantile_over_time(");
        parameter(g, quantile_number);
        generate_text(g, ", ");
        generate_matrix(g, false);
    }
    generate_text(g, ")");
}

static void range_call(struct generator *g)
{
    static const struct way ways[] = {
        {40, counter_call  },
        {45, over_time_call},
        {12, parameter_call}
    };
    generate_one_of(g, ways, COUNT(ways));
}

/* --- aggregations --- */

static void grouping(struct generator *g)
{
    unsigned roll = dice_roll(g->dice, 10);
    if (roll < 2) return;
    generate_text(g, roll < 7 ? " by " : " without ");
    generate_label_list(g);
}

static void aggregate(struct generator *g)
{
    static const char *const names[] = {"sum",   "avg",   "min",    "max",
                                        "count", "group", "stddev", "stdvar"};
    generate_pick(g, names, COUNT(names));
    grouping(g);
    generate_text(g, " (");
    generate_vector(g);
    generate_text(g, ")");
}

static void aggregate_ranked(struct generator *g)
{
    generate_text(g, dice_chance(g->dice, 50) ? "topk" : "bottomk");
    grouping(g);
    generate_text(g, " (");
    parameter(g, generate_small_number);
    generate_text(g, ", ");
    generate_vector(g);
    generate_text(g, ")");
}

static void aggregate_quantile(struct generator *g)
{
    generate_text(g, "quantile");
    grouping(g);
    generate_text(g, " (");
    parameter(g, quantile_number);
    generate_text(g, ", ");
    generate_vector(g);
    generate_text(g, ")");
}

static void aggregate_values(struct generator *g)
{
    generate_text(g, "count_values");
    grouping(g);
    generate_text(g, " (");
    if (!version_3(g))
        generate_text(g, "\"zzz\""); /* version 2 wants it to be the last label */
    else if (dice_chance(g->dice, 60))
        generate_text(g, "\"value\"");
    else
        generate_label_name(g);
    generate_text(g, ", ");
    generate_vector(g);
    generate_text(g, ")");
}

/* --- operators --- */

static void vector_operator(struct generator *g)
{
    static const char *const arithmetic[] = {" + ", " - ", " * ", " / ", " % ", " ^ ", " atan2 "};
    static const char *const comparisons[] = {" > ", " < ", " == ", " != ", " >= ", " <= "};
    if (dice_chance(g->dice, 65)) {
        generate_pick(g, arithmetic, COUNT(arithmetic) - (dice_chance(g->dice, 60) ? 3 : 0));
    } else {
        generate_pick(g, comparisons, COUNT(comparisons));
        if (dice_chance(g->dice, 35)) generate_text(g, "bool ");
    }
}

static void scalar_side(struct generator *g)
{
    bool left = dice_chance(g->dice, 65);
    generate_text(g, "(");
    if (left)
        generate_vector(g);
    else
        generate_scalar(g);
    vector_operator(g);
    if (left)
        generate_scalar(g);
    else
        generate_vector(g);
    generate_text(g, ")");
}

/* A member of a family, perhaps as a rate or otherwise changed; the labels stay. */
static void member(struct generator *g, enum family family)
{
    static const char *const around[] = {"abs(", "sgn(", "floor(", "-(", "ceil("};
    bool wrap = dice_chance(g->dice, 25);
    if (wrap) generate_pick(g, around, COUNT(around));
    generate_family(g, family);
    if (wrap) generate_text(g, ")");
}

static void join_equals(struct generator *g)
{
    enum family family = dice_roll(g->dice, FAMILIES);
    member(g, family);
    vector_operator(g);
    if (family == FAMILY_JOB_INSTANCE && dice_chance(g->dice, 30))
        generate_text(g, dice_chance(g->dice, 50) ? "on (job, instance) " : "ignoring (code) ");
    member(g, family);
}

static void join_many(struct generator *g)
{
    static const char *const on[] = {"on (job, instance) ", "on (instance, job) ",
                                     "ignoring (code) "};
    static const char *const labels[] = {"",       " ()",         " (nothing)",      " (__name__)",
                                         " (job)", " (instance)", " (code, nothing)"};
    bool left = dice_chance(g->dice, 60);
    unsigned how = dice_roll(g->dice, COUNT(on));
    member(g, left ? FAMILY_CODE : FAMILY_JOB_INSTANCE);
    vector_operator(g);
    generate_text(g, on[how]);
    generate_text(g, left ? "group_left" : "group_right");
    generate_pick(g, labels, how == 2 ? COUNT(labels) : 4); /* none of those in on */
    generate_text(g, " ");
    member(g, left ? FAMILY_JOB_INSTANCE : FAMILY_CODE);
}

static void join_info(struct generator *g)
{
    static const char *const lefts[] = {"temperature", "up{job=\"api\"}", "memory_bytes"};
    static const char *const includes[] = {"(version)", "", "(version, zone)", "(__name__)"};
    generate_pick(g, lefts, COUNT(lefts));
    vector_operator(g);
    generate_text(g, "on (instance) group_left ");
    generate_pick(g, includes, COUNT(includes));
    generate_text(g, " build_info");
}

static void join_sums(struct generator *g)
{
    static const char *const by[] = {"job", "instance", "code", "job, instance"};
    static const char *const names[] = {"sum", "max", "count", "avg", "min"};
    const char *labels = DICE_PICK(g->dice, by);
    for (int side = 0; side < 2; side++) {
        buf_addf(g->out, "%s by (%s) (", DICE_PICK(g->dice, names), labels);
        generate_vector(g);
        generate_text(g, ")");
        if (side == 0) vector_operator(g);
        if (side == 0 && dice_chance(g->dice, 30)) buf_addf(g->out, "on (%s) ", labels);
    }
}

static void matching(struct generator *g)
{
    unsigned roll = dice_roll(g->dice, 10);
    if (roll < 4) return;
    generate_text(g, roll < 8 ? "on " : "ignoring ");
    generate_label_list(g);
    generate_text(g, " ");
}

static void join_anything(struct generator *g)
{
    generate_vector(g);
    vector_operator(g);
    matching(g);
    generate_vector(g);
}

static void join(struct generator *g)
{
    static const struct way ways[] = {
        {30, join_equals  },
        {25, join_many    },
        {8,  join_info    },
        {25, join_sums    },
        {6,  join_anything}
    };
    generate_text(g, "(");
    generate_one_of(g, ways, COUNT(ways));
    generate_text(g, ")");
}

static void set_pair(struct generator *g)
{
    static const char *const ops[] = {" and ", " or ", " unless "};
    generate_text(g, "(");
    generate_vector(g);
    generate_pick(g, ops, COUNT(ops));
    matching(g);
    generate_vector(g);
    generate_text(g, ")");
}

static void negation(struct generator *g)
{
    generate_text(g, dice_chance(g->dice, 85) ? "-" : "+");
    generate_vector(g);
}

static void parenthesized(struct generator *g)
{
    generate_text(g, "(");
    generate_vector(g);
    generate_text(g, ")");
}

/* --- functions over instant vectors --- */

static void map_call(struct generator *g)
{
    static const char *const names[] = {"abs",   "ceil",  "floor", "exp",  "ln",   "log2",
                                        "log10", "sqrt",  "sgn",   "sin",  "cos",  "tan",
                                        "asin",  "acos",  "atan",  "sinh", "cosh", "tanh",
                                        "asinh", "acosh", "atanh", "deg",  "rad"};
    call(g, DICE_PICK(g->dice, names), generate_vector);
}

static void date_call(struct generator *g)
{
    static const char *const names[] = {"minute",      "hour",        "day_of_month",
                                        "day_of_week", "day_of_year", "days_in_month",
                                        "month",       "year"};
    generate_text(g, DICE_PICK(g->dice, names));
    switch (dice_roll(g->dice, 4)) {
    case 0:
        generate_text(g, "()");
        break;
    case 1:
        generate_text(g, "(timestamp(");
        generate_family(g, FAMILY_JOB_INSTANCE);
        generate_text(g, "))");
        break;
    case 2:
        generate_text(g, "(started_seconds * ");
        generate_small_number(g);
        generate_text(g, ")");
        break;
    default:
        call(g, "", generate_vector);
    }
}

static void clamp_call(struct generator *g)
{
    static const char *const names[] = {"clamp_min", "clamp_max", "clamp", "round"};
    unsigned name = dice_roll(g->dice, COUNT(names));
    generate_text(g, names[name]);
    generate_text(g, "(");
    generate_vector(g);
    if (name != 3 || dice_chance(g->dice, 50)) {
        generate_text(g, ", ");
        generate_scalar(g);
    }
    if (name == 2) {
        generate_text(g, ", ");
        generate_scalar(g);
    }
    generate_text(g, ")");
}

static void other_call(struct generator *g)
{
    static const char *const names[] = {"absent", "sort", "sort_desc", "absent", "timestamp"};
    unsigned name = dice_roll(g->dice, COUNT(names));
    /* version 2 takes (x) for more than a selector */
    write_fn *arg = name == 4 && !version_3(g) ? generate_selector : generate_vector;
    call(g, names[name], arg);
}

static void timestamp_call(struct generator *g)
{
    call(g, "timestamp", generate_selector);
}

static void vector_call(struct generator *g)
{
    call(g, "vector", generate_scalar);
}

static void native_call(struct generator *g)
{
    static const char *const names[] = {"histogram_count", "histogram_sum", "histogram_avg",
                                        "histogram_stddev", "histogram_stdvar"};
    call(g, version_3(g) ? DICE_PICK(g->dice, names) : "histogram_count", generate_vector);
}

static void label_replace_call(struct generator *g)
{
    static const char *const rest[] = {
        "\"$1\", \"instance\", \"(.*):.*\"",
        "\"x$1\", \"job\", \"(a|d).*\"",
        "\"\", \"code\", \"\"",
        "\"$2-$1\", \"instance\", \"(.):(.)\"",
        "\"${n}\", \"job\", \"(?P<n>.+)\"",
        "\"fixed\", \"nothing\", \"\"",
        "\"$0\", \"le\", \"[0-9.]+\"",
        "\"$3\", \"x\", \".*\"",
    };
    generate_text(g, "label_replace(");
    generate_vector(g);
    generate_text(g, ", ");
    generate_label_name(g);
    generate_text(g, ", ");
    generate_pick(g, rest, COUNT(rest));
    generate_text(g, ")");
}

static void label_join_call(struct generator *g)
{
    unsigned sources = dice_roll(g->dice, 4);
    generate_text(g, "label_join(");
    generate_vector(g);
    generate_text(g, ", ");
    generate_label_name(g);
    generate_text(g, ", \"-\"");
    for (unsigned i = 0; i < sources; i++) {
        generate_text(g, ", ");
        generate_label_name(g);
    }
    generate_text(g, ")");
}

static void histogram_buckets(struct generator *g)
{
    static const char *const buckets[] = {
        "latency_seconds_bucket",
        "sum by (le) (rate(latency_seconds_bucket[2m]))",
        "rate(latency_seconds_bucket[90s])",
        "odd_bucket",
        "sum without (instance) (increase(latency_seconds_bucket{job=\"api\"}[3m]))",
        "{__name__=~\".*_bucket\"}"};
    if (dice_chance(g->dice, 10))
        generate_vector(g);
    else
        generate_pick(g, buckets, COUNT(buckets));
}

static void histogram_call(struct generator *g)
{
    if (version_3(g) && dice_chance(g->dice, 40)) {
        static const char *const bounds[] = {"0, 0.3, ",  "-Inf, 0.5, ", "0.2, +Inf, ",
                                             "-2, 0.5, ", "0.25, 0.5, ", "1, 0, ",
                                             "NaN, 1, "};
        generate_text(g, "histogram_fraction(");
        if (dice_chance(g->dice, 10)) {
            generate_scalar(g);
            generate_text(g, ", ");
            generate_scalar(g);
            generate_text(g, ", ");
        } else {
            generate_pick(g, bounds, COUNT(bounds));
        }
    } else {
        generate_text(g, "histogram_quantile(");
        parameter(g, quantile_number);
        generate_text(g, ", ");
    }
    histogram_buckets(g);
    generate_text(g, ")");
}

void generate_vector(struct generator *g)
{
    static const struct way ways[] = {
        {14, generate_selector }, /* alone when the size is used up */
        {8,  range_call        }, /* with the selector when it nearly is */
        {16, range_call        },
        {14, aggregate         },
        {4,  aggregate_ranked  },
        {4,  aggregate_quantile},
        {3,  aggregate_values  },
        {11, scalar_side       },
        {15, join              },
        {5,  set_pair          },
        {3,  negation          },
        {2,  parenthesized     },
        {6,  map_call          },
        {3,  date_call         },
        {4,  clamp_call        },
        {3,  other_call        },
        {2,  timestamp_call    },
        {2,  vector_call       },
        {1,  native_call       },
        {4,  label_replace_call},
        {3,  label_join_call   },
        {5,  histogram_call    },
    };
    g->size--;
    generate_one_of(g, ways, g->size > 1 ? COUNT(ways) : g->size > 0 ? 2 : 1);
}

/* --- queries --- */

static void string_literal(struct generator *g)
{
    generate_text(g, "\"text \\\"quoted\\\" \\n\\t`\"");
}

static void top_matrix(struct generator *g)
{
    generate_matrix(g, false);
}

static void pick_times(struct dice *d, enum world_kind kind, const struct world *w, bool range,
                       struct query *q)
{
    static const int64_t steps[] = {15000, 7000, 11000, 30000, 47000, 61000, 95000, 13001};
    static const int64_t lookbacks[] = {300000, 300000, 60000, 30000, 45000};
    int64_t whole = w->start_ms - 60000 + (int64_t)dice_roll(d, 1680) * 1000;
    q->start_ms = whole;
    q->lookback_ms = 300000;
    q->subquery_step_ms = 60000;
    if (kind == WORLD_VERSION_2) {
        q->start_ms += 500;
    } else {
        if (dice_chance(d, 30)) q->start_ms += dice_roll(d, 1000);
        if (dice_chance(d, 40)) q->start_ms = whole / 15000 * 15000; /* where the samples are */
        q->lookback_ms = DICE_PICK(d, lookbacks);
        if (dice_chance(d, 30)) q->subquery_step_ms = 15000;
    }
    q->end_ms = q->start_ms;
    q->step_ms = 0;
    if (!range) return;
    q->step_ms = steps[dice_roll(d, COUNT(steps) - (kind == WORLD_VERSION_2))];
    q->end_ms += q->step_ms * (1 + dice_roll(d, 10));
    if (kind == WORLD_FULL && dice_chance(d, 40)) q->end_ms += q->step_ms / 3;
}

void generate_query(struct dice *dice, enum world_kind kind, const struct world *w, struct query *q)
{
    static const struct way instant[] = {
        {90, generate_vector},
        {5,  generate_scalar},
        {4,  top_matrix     },
        {1,  string_literal }
    };
    bool range = dice_chance(dice, 50);
    struct generator g = {.dice = dice,
                          .kind = kind,
                          .world = w,
                          .out = &q->text,
                          .size = 2 + (int)dice_roll(dice, 9),
                          .at_half = true};
    buf_reset(&q->text);
    pick_times(dice, kind, w, range, q);
    generate_one_of(&g, instant, range ? 2 : COUNT(instant));
}
