/* slow_fsync.c -- preloaded, it makes every sync of a file take SLOW_FSYNC_MS longer, as a worn or
 * crowded disk would. Built by tests/e2e/slow_disk.py, which says how.
 *
 * LMDB's synchronous map flushes count as well. Nothing else of the process is touched.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_a_while(void)
{
    const char *text = getenv("SLOW_FSYNC_MS");
    long ms = text ? strtol(text, NULL, 10) : 0;
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0)
        continue;
}

int fsync(int fd)
{
    wait_a_while();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    wait_a_while();
    return (int)syscall(SYS_fdatasync, fd);
}

int msync(void *p, size_t len, int flags)
{
    if (flags & MS_SYNC) wait_a_while();
    return (int)syscall(SYS_msync, p, len, flags);
}
