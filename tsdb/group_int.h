/* group_int.h -- sizes shared by the two halves of group.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_GROUP_INT_H
#define TOCSIN_TSDB_GROUP_INT_H

enum {
    GROUP_VECTOR_ENTRY = 4, /* u16 offset, u16 count */
    GROUP_BLOCK_ENTRY = 6,  /* u16 id - first_id, u16 offset, u16 vector */
};

#endif
