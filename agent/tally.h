/* tally.h -- counts how often each text comes, and tells the most frequent ones.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_TALLY_H
#define TOCSIN_AGENT_TALLY_H

#include <stdint.h>

#include "core/arena.h"
#include "core/str.h"

struct tally_row {
    struct str name; /* in the tally's arena */
    uint64_t count;
};

struct tally {
    struct arena arena;
    struct tally_row *rows;
    size_t count, cap;
    uint32_t *slots; /* of a hash table: index of a row + 1 */
    size_t slot_count;
};

void tally_init(struct tally *t, size_t max_bytes);
void tally_release(struct tally *t);
/* One more of name, which is copied: *count is how many it makes. 0, -ENOMEM or E_LIMIT. */
int tally_add(struct tally *t, struct str name, uint64_t *count) MUST_CHECK;
/* Sorts the rows: most frequent first, equal ones by name. Nothing may be added afterwards. */
void tally_sort(struct tally *t);

#endif
