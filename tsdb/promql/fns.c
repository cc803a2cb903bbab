/* fns.c -- the table of PromQL functions, every one of Prometheus 3.14, and how it is searched.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/promql/fns.h"

#include <stdlib.h>

enum { STABLE = false, EXPERIMENTAL = true };
enum { ANY = PROMQL_FN_VARIADIC };

/* name, argument types, least and most arguments, result type, stage, body; sorted by name */
// clang-format off
static const struct promql_fn fns[] = {
    {"abs",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"absent",                       {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"absent_over_time",             {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"acos",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"acosh",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"asin",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"asinh",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"atan",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"atanh",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"avg_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"ceil",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"changes",                      {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"clamp",                        {T_VECTOR, T_SCALAR, T_SCALAR},                     3, 3,   T_VECTOR, STABLE,       NULL},
    {"clamp_max",                    {T_VECTOR, T_SCALAR},                               2, 2,   T_VECTOR, STABLE,       NULL},
    {"clamp_min",                    {T_VECTOR, T_SCALAR},                               2, 2,   T_VECTOR, STABLE,       NULL},
    {"cos",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"cosh",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"count_over_time",              {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"day_of_month",                 {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       NULL},
    {"day_of_week",                  {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       NULL},
    {"day_of_year",                  {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       NULL},
    {"days_in_month",                {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       NULL},
    {"deg",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"delta",                        {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"deriv",                        {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"double_exponential_smoothing", {T_MATRIX, T_SCALAR, T_SCALAR},                     3, 3,   T_VECTOR, EXPERIMENTAL, NULL},
    {"end",                          {T_NONE},                                           0, 0,   T_SCALAR, EXPERIMENTAL, NULL},
    {"exp",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"first_over_time",              {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"floor",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"histogram_avg",                {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"histogram_count",              {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"histogram_fraction",           {T_SCALAR, T_SCALAR, T_VECTOR},                     3, 3,   T_VECTOR, STABLE,       NULL},
    {"histogram_quantile",           {T_SCALAR, T_VECTOR},                               2, 2,   T_VECTOR, STABLE,       NULL},
    {"histogram_quantiles",          {T_VECTOR, T_STRING, T_SCALAR},                     3, 12,  T_VECTOR, EXPERIMENTAL, NULL},
    {"histogram_stddev",             {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"histogram_stdvar",             {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"histogram_sum",                {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"hour",                         {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       NULL},
    {"idelta",                       {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"increase",                     {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"info",                         {T_VECTOR, T_VECTOR},                               1, 2,   T_VECTOR, EXPERIMENTAL, NULL},
    {"irate",                        {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"label_join",                   {T_VECTOR, T_STRING, T_STRING, T_STRING},           3, ANY, T_VECTOR, STABLE,       NULL},
    {"label_replace",                {T_VECTOR, T_STRING, T_STRING, T_STRING, T_STRING}, 5, 5,   T_VECTOR, STABLE,       NULL},
    {"last_over_time",               {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"ln",                           {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"log10",                        {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"log2",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"mad_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, NULL},
    {"max_of",                       {T_SCALAR, T_SCALAR},                               2, 2,   T_SCALAR, EXPERIMENTAL, NULL},
    {"max_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"min_of",                       {T_SCALAR, T_SCALAR},                               2, 2,   T_SCALAR, EXPERIMENTAL, NULL},
    {"min_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"minute",                       {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       NULL},
    {"month",                        {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       NULL},
    {"pi",                           {T_NONE},                                           0, 0,   T_SCALAR, STABLE,       NULL},
    {"predict_linear",               {T_MATRIX, T_SCALAR},                               2, 2,   T_VECTOR, STABLE,       NULL},
    {"present_over_time",            {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"quantile_over_time",           {T_SCALAR, T_MATRIX},                               2, 2,   T_VECTOR, STABLE,       NULL},
    {"rad",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"range",                        {T_NONE},                                           0, 0,   T_SCALAR, EXPERIMENTAL, NULL},
    {"rate",                         {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"resets",                       {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"round",                        {T_VECTOR, T_SCALAR},                               1, 2,   T_VECTOR, STABLE,       NULL},
    {"scalar",                       {T_VECTOR},                                         1, 1,   T_SCALAR, STABLE,       NULL},
    {"sgn",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"sin",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"sinh",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"sort",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"sort_by_label",                {T_VECTOR, T_STRING},                               1, ANY, T_VECTOR, EXPERIMENTAL, NULL},
    {"sort_by_label_desc",           {T_VECTOR, T_STRING},                               1, ANY, T_VECTOR, EXPERIMENTAL, NULL},
    {"sort_desc",                    {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"sqrt",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"start",                        {T_NONE},                                           0, 0,   T_SCALAR, EXPERIMENTAL, NULL},
    {"start_timestamp",              {T_VECTOR},                                         1, 1,   T_VECTOR, EXPERIMENTAL, NULL},
    {"stddev_over_time",             {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"stdvar_over_time",             {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"step",                         {T_NONE},                                           0, 0,   T_SCALAR, EXPERIMENTAL, NULL},
    {"sum_over_time",                {T_MATRIX},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"tan",                          {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"tanh",                         {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"time",                         {T_NONE},                                           0, 0,   T_SCALAR, STABLE,       NULL},
    {"timestamp",                    {T_VECTOR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"ts_of_first_over_time",        {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, NULL},
    {"ts_of_last_over_time",         {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, NULL},
    {"ts_of_max_over_time",          {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, NULL},
    {"ts_of_min_over_time",          {T_MATRIX},                                         1, 1,   T_VECTOR, EXPERIMENTAL, NULL},
    {"vector",                       {T_SCALAR},                                         1, 1,   T_VECTOR, STABLE,       NULL},
    {"year",                         {T_VECTOR},                                         0, 1,   T_VECTOR, STABLE,       NULL},
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
