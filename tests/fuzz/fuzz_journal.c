/* fuzz_journal.c -- any bytes open as a journal, which then takes and keeps a record.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "core/journal.h"
#include "core/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *arg, uint8_t type, uint64_t lsn, struct str payload)
{
    int *found = arg;
    UNUSED(lsn);
    *found += type == 77 && str_eq(payload, STR("kept"));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct journal *j;
    int found = 0;
    log_set_level(LOG_LEVEL_OFF);
    snprintf(path, sizeof path, "/dev/shm/fuzz_journal.%d", (int)getpid());
    if (env_replace_file(env_system(), path, data, size)) return 0;
    if (journal_open(&j, env_system(), path, count, &found, NULL)) __builtin_trap();
    int before = found;
    if (journal_append(j, 77, STR("kept"), NULL) || journal_close(j)) __builtin_trap();
    found = 0;
    if (journal_open(&j, env_system(), path, count, &found, NULL)) __builtin_trap();
    if (found != before + 1 || journal_close(j)) __builtin_trap();
    unlink(path);
    return 0;
}
