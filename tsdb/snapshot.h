/* snapshot.h -- the folder of files in the making, for the files of this folder.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_TSDB_SNAPSHOT_H
#define TOCSIN_TSDB_SNAPSHOT_H

struct tsdb;

/* Removes what a killed process left unfinished in tmp/. */
void snapshot_clear_tmp(struct tsdb *db);

#endif
