/* list.c -- the table of all collectors, from list.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "collector/engine.h"

#define COLLECTOR(name) extern const struct collector collector_##name;
#include "collector/list.h"

const struct collector *const collectors[] = {
#define COLLECTOR(name) &collector_##name,
#include "collector/list.h"
};
const size_t collector_count = COUNT(collectors);
