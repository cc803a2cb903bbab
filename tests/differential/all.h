/* all.h -- the differential tests' code as one unit, for programs of one file: a unit test, a fuzz
 * target.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/differential/compare.c"
#include "tests/differential/generate.c"
#include "tests/differential/generate_leaf.c"
#include "tests/differential/naive.c"
#include "tests/differential/naive_aggr.c"
#include "tests/differential/naive_binary.c"
#include "tests/differential/naive_call.c"
#include "tests/differential/naive_hist.c"
#include "tests/differential/naive_label.c"
#include "tests/differential/naive_list.c"
#include "tests/differential/naive_range.c"
#include "tests/differential/naive_select.c"
#include "tests/differential/tree.c"
#include "tests/differential/world.c"
