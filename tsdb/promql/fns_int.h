/* fns_int.h -- bodies of the functions, named by the rows of fns.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_PROMQL_FNS_INT_H
#define TOCSIN_TSDB_PROMQL_FNS_INT_H

#include "tsdb/promql/eval_int.h"

typedef double fn_map(double v);
typedef int fn_scalar(struct eval *ev, const struct expr *call, double *out);
typedef int fn_rows(struct eval *ev, const struct expr *call, struct sink *out);

/* fns_math.c */
fn_map fn_sgn, fn_deg, fn_rad;
fn_rows fn_clamp, fn_clamp_max, fn_clamp_min, fn_round;
fn_scalar fn_pi, fn_max_of, fn_min_of;

/* fns_time.c */
fn_map fn_minute, fn_hour, fn_day_of_week, fn_day_of_month, fn_day_of_year, fn_days_in_month,
    fn_month, fn_year;
fn_scalar fn_time, fn_start, fn_end, fn_range, fn_step;
fn_rows fn_timestamp;

/* fns_rate.c */
promql_range_fn fn_rate, fn_increase, fn_delta, fn_irate, fn_idelta, fn_changes, fn_resets,
    fn_deriv, fn_predict_linear, fn_smoothing;

/* fns_range.c */
promql_range_fn fn_avg_over_time, fn_sum_over_time, fn_min_over_time, fn_max_over_time,
    fn_count_over_time, fn_present_over_time, fn_first_over_time, fn_last_over_time,
    fn_stddev_over_time, fn_stdvar_over_time, fn_quantile_over_time, fn_mad_over_time,
    fn_ts_of_first, fn_ts_of_last, fn_ts_of_max, fn_ts_of_min;

/* fns_vector.c */
fn_rows fn_absent, fn_absent_over_time, fn_vector;
fn_scalar fn_scalar_of;

/* fns_label.c */
fn_rows fn_label_replace, fn_label_join;

/* fns_sort.c */
fn_rows fn_sort, fn_sort_desc, fn_sort_by_label, fn_sort_by_label_desc;

/* fns_hist.c */
fn_rows fn_histogram_quantile, fn_histogram_fraction;

/* fns_vector.c: what is only of native histograms */
fn_rows fn_histogram_only;

#endif
