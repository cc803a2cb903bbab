/* fns.c -- the table of PromQL functions, every one of Prometheus 3.14, and how it is searched.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/fns.h"

#include <math.h>
#include <stdlib.h>

#include "tsdb/promql/fns_int.h"

enum { STABLE = false, EXPERIMENTAL = true };
enum { ANY = PROMQL_FN_VARIADIC };

// clang-format off
/* How the bodies are evaluated (see fns.h). _AT: depends on the evaluation time by itself; _NAMED:
 * keeps __name__; _PURE, _BOTH: no floats beside histograms, or either kind; NONE: no body, fails
 * clearly. */
#define NONE           {.kind = PROMQL_FN_NONE}
#define MAP(f)         {.kind = PROMQL_FN_MAP, .map = (f)}
#define DATE(f)        {.kind = PROMQL_FN_MAP, .uses_time = true, .map = (f)}
#define RANGE(f)       {.kind = PROMQL_FN_RANGE, .range = (f)}
#define RANGE_AT(f)    {.kind = PROMQL_FN_RANGE, .uses_time = true, .range = (f)}
#define RANGE_PURE(f)  {.kind = PROMQL_FN_RANGE, .mixed = PROMQL_MIXED_NEVER, .range = (f)}
#define RANGE_BOTH(f)  {.kind = PROMQL_FN_RANGE, .mixed = PROMQL_MIXED_BOTH, .range = (f)}
#define RANGE_NAMED(f) {.kind = PROMQL_FN_RANGE, .mixed = PROMQL_MIXED_BOTH, .keeps_name = true, .range = (f)}
#define SCALAR(f)      {.kind = PROMQL_FN_SCALAR, .scalar = (f)}
#define SCALAR_AT(f)   {.kind = PROMQL_FN_SCALAR, .uses_time = true, .scalar = (f)}
#define ROWS(f)        {.kind = PROMQL_FN_ROWS, .rows = (f)}
#define ROWS_AT(f)     {.kind = PROMQL_FN_ROWS, .uses_time = true, .rows = (f)}
#define ROWS_NAMED(f)  {.kind = PROMQL_FN_ROWS, .keeps_name = true, .rows = (f)}
#define LABELS(f)      {.kind = PROMQL_FN_ROWS, .keeps_name = true, .makes_labels = true, .rows = (f)}

/* name, argument types, least and most arguments, result type, stage, body; sorted by name */
static const struct promql_fn fns[] = {
    {"abs",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(fabs)},
    {"absent",                       {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS(fn_absent)},
    {"absent_over_time",             {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       ROWS(fn_absent_over_time)},
    {"acos",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(acos)},
    {"acosh",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(acosh)},
    {"asin",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(asin)},
    {"asinh",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(asinh)},
    {"atan",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(atan)},
    {"atanh",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(atanh)},
    {"avg_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_PURE(fn_avg_over_time)},
    {"ceil",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(ceil)},
    {"changes",                      {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_BOTH(fn_changes)},
    {"clamp",                        {T_VECTOR, T_SCALAR, T_SCALAR},                     3, 3,   T_VECTOR, STABLE,       ROWS(fn_clamp)},
    {"clamp_max",                    {T_VECTOR, T_SCALAR},                               2, 2,   T_VECTOR, STABLE,       ROWS(fn_clamp_max)},
    {"clamp_min",                    {T_VECTOR, T_SCALAR},                               2, 2,   T_VECTOR, STABLE,       ROWS(fn_clamp_min)},
    {"cos",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(cos)},
    {"cosh",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(cosh)},
    {"count_over_time",              {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_BOTH(fn_count_over_time)},
    {"day_of_month",                 {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       DATE(fn_day_of_month)},
    {"day_of_week",                  {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       DATE(fn_day_of_week)},
    {"day_of_year",                  {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       DATE(fn_day_of_year)},
    {"days_in_month",                {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       DATE(fn_days_in_month)},
    {"deg",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(fn_deg)},
    {"delta",                        {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_PURE(fn_delta)},
    {"deriv",                        {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE(fn_deriv)},
    {"double_exponential_smoothing", {T_MATRIX, T_SCALAR, T_SCALAR},                     3, 3,   T_VECTOR, EXPERIMENTAL, RANGE(fn_smoothing)},
    {"end",                          {T_NONE},                                           0, 0,   T_SCALAR, EXPERIMENTAL, SCALAR(fn_end)},
    {"exp",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(exp)},
    {"first_over_time",              {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_NAMED(fn_first_over_time)},
    {"floor",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(floor)},
    {"histogram_avg",                {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS(fn_histogram_only)},
    {"histogram_count",              {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS(fn_histogram_only)},
    {"histogram_fraction",           {T_SCALAR, T_SCALAR, T_VECTOR},                     3, 3,   T_VECTOR, STABLE,       ROWS(fn_histogram_fraction)},
    {"histogram_quantile",           {T_SCALAR, T_VECTOR},                               2, 2,   T_VECTOR, STABLE,       ROWS(fn_histogram_quantile)},
    {"histogram_quantiles",          {T_VECTOR, T_STRING, T_SCALAR},                     3, 12,  T_VECTOR, EXPERIMENTAL, NONE},
    {"histogram_stddev",             {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS(fn_histogram_only)},
    {"histogram_stdvar",             {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS(fn_histogram_only)},
    {"histogram_sum",                {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS(fn_histogram_only)},
    {"hour",                         {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       DATE(fn_hour)},
    {"idelta",                       {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_BOTH(fn_idelta)},
    {"increase",                     {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_PURE(fn_increase)},
    {"info",                         {T_VECTOR, T_VECTOR},                               1, 2,   T_VECTOR, EXPERIMENTAL, NONE},
    {"irate",                        {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_BOTH(fn_irate)},
    {"label_join",                   {T_VECTOR, T_STRING, T_STRING, T_STRING},           3, ANY, T_VECTOR, STABLE,       LABELS(fn_label_join)},
    {"label_replace",                {T_VECTOR, T_STRING, T_STRING, T_STRING, T_STRING}, 5, 5,   T_VECTOR, STABLE,       LABELS(fn_label_replace)},
    {"last_over_time",               {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_NAMED(fn_last_over_time)},
    {"ln",                           {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(log)},
    {"log10",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(log10)},
    {"log2",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(log2)},
    {"mad_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, RANGE(fn_mad_over_time)},
    {"max_of",                       {T_SCALAR, T_SCALAR},                               2, 2,   T_SCALAR, EXPERIMENTAL, SCALAR(fn_max_of)},
    {"max_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE(fn_max_over_time)},
    {"min_of",                       {T_SCALAR, T_SCALAR},                               2, 2,   T_SCALAR, EXPERIMENTAL, SCALAR(fn_min_of)},
    {"min_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE(fn_min_over_time)},
    {"minute",                       {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       DATE(fn_minute)},
    {"month",                        {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       DATE(fn_month)},
    {"pi",                           {T_NONE},                                           0, 0,   T_SCALAR, STABLE,       SCALAR(fn_pi)},
    {"predict_linear",               {T_MATRIX, T_SCALAR},                               2, 2,   T_VECTOR, STABLE,       RANGE_AT(fn_predict_linear)},
    {"present_over_time",            {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_BOTH(fn_present_over_time)},
    {"quantile_over_time",           {T_SCALAR, T_MATRIX},                               2, 2,   T_VECTOR, STABLE,       RANGE(fn_quantile_over_time)},
    {"rad",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(fn_rad)},
    {"range",                        {T_NONE},                                           0, 0,   T_SCALAR, EXPERIMENTAL, SCALAR(fn_range)},
    {"rate",                         {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_PURE(fn_rate)},
    {"resets",                       {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_BOTH(fn_resets)},
    {"round",                        {T_VECTOR, T_SCALAR},                               1, 2,   T_VECTOR, STABLE,       ROWS(fn_round)},
    {"scalar",                       {T_VECTOR},                                         1, 1,   T_SCALAR, STABLE,       SCALAR(fn_scalar_of)},
    {"sgn",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(fn_sgn)},
    {"sin",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(sin)},
    {"sinh",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(sinh)},
    {"sort",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS_NAMED(fn_sort)},
    {"sort_by_label",                {T_VECTOR, T_STRING},                               1, ANY, T_VECTOR, EXPERIMENTAL, ROWS_NAMED(fn_sort_by_label)},
    {"sort_by_label_desc",           {T_VECTOR, T_STRING},                               1, ANY, T_VECTOR, EXPERIMENTAL, ROWS_NAMED(fn_sort_by_label_desc)},
    {"sort_desc",                    {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS_NAMED(fn_sort_desc)},
    {"sqrt",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(sqrt)},
    {"start",                        {T_NONE},                                           0, 0,   T_SCALAR, EXPERIMENTAL, SCALAR(fn_start)},
    {"start_timestamp",              {T_VECTOR},                                         1, 1,   T_VECTOR, EXPERIMENTAL, NONE},
    {"stddev_over_time",             {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE(fn_stddev_over_time)},
    {"stdvar_over_time",             {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE(fn_stdvar_over_time)},
    {"step",                         {T_NONE},                                           0, 0,   T_SCALAR, EXPERIMENTAL, SCALAR(fn_step)},
    {"sum_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       RANGE_PURE(fn_sum_over_time)},
    {"tan",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(tan)},
    {"tanh",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       MAP(tanh)},
    {"time",                         {T_NONE},                                           0, 0,   T_SCALAR, STABLE,       SCALAR_AT(fn_time)},
    {"timestamp",                    {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       ROWS_AT(fn_timestamp)},
    {"ts_of_first_over_time",        {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, RANGE_BOTH(fn_ts_of_first)},
    {"ts_of_last_over_time",         {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, RANGE_BOTH(fn_ts_of_last)},
    {"ts_of_max_over_time",          {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, RANGE(fn_ts_of_max)},
    {"ts_of_min_over_time",          {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, RANGE(fn_ts_of_min)},
    {"vector",                       {T_SCALAR},                                         1, 1,   T_VECTOR, STABLE,       ROWS(fn_vector)},
    {"year",                         {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       DATE(fn_year)},
};
// clang-format on

static int name_cmp(const void *key, const void *row)
{
    const struct str *name = key;
    const struct promql_fn *fn = row;
    return str_cmp(*name, str_of(fn->name));
}

const struct promql_fn *promql_fn_find(struct str name)
{
    return bsearch(&name, fns, COUNT(fns), sizeof fns[0], name_cmp);
}

const char *promql_fn_nearest(struct str name)
{
    const char *names[COUNT(fns)];
    for (size_t i = 0; i < COUNT(fns); i++)
        names[i] = fns[i].name;
    return str_nearest(name, names, COUNT(fns));
}

const struct promql_fn *promql_fns(size_t *count)
{
    *count = COUNT(fns);
    return fns;
}

enum value_type promql_fn_arg(const struct promql_fn *fn, size_t i)
{
    size_t last = 0;
    while (last + 1 < PROMQL_FN_ARGS && fn->args[last + 1] != T_NONE)
        last++;
    return fn->args[MIN(i, last)];
}
