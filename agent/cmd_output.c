/* cmd_output.c -- what a subcommand says: data to stdout, everything else to stderr; and what it
 * reads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/cmd.h"

static void say(const char *kind, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void say(const char *kind, const char *fmt, va_list ap)
{
    fflush(stdout); /* on a terminal the two streams come in order */
    fprintf(stderr, "%s: ", kind);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

int cmd_fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("error", fmt, ap);
    va_end(ap);
    return code;
}

void cmd_note(const struct cmd *c, const char *fmt, ...)
{
    va_list ap;
    if (cmd_given(c, "--quiet")) return;
    va_start(ap, fmt);
    say("note", fmt, ap);
    va_end(ap);
}

int cmd_read_stdin(struct buf *out)
{
    char piece[1 << 14];
    ssize_t n;
    while ((n = read(STDIN_FILENO, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (buf_add(out, piece, (size_t)n) < 0) return out->err;
    }
    return 0;
}

int cmd_write(struct str text)
{
    errno = 0;
    size_t done = text.len ? fwrite(text.p, 1, text.len, stdout) : 0;
    if (done == text.len && fflush(stdout) == 0) return 0;
    int rc = errno ? -errno : -EIO;
    if (rc == -EPIPE) return E_CANCELED;
    cmd_fail(EXIT_FAILED, "cannot write the output: %s", err_text(rc));
    return rc;
}

int cmd_sheet_write(void *arg, struct str text)
{
    UNUSED(arg);
    return cmd_write(text);
}

int cmd_written(int rc)
{
    if (rc == 0 || rc == E_CANCELED) return EXIT_OK;
    if (rc == E_TOO_BIG || rc == -ENOMEM)
        return cmd_fail(EXIT_FAILED, "a row does not fit in memory");
    return EXIT_FAILED;
}

int cmd_output(const struct buf *b, int code)
{
    if (b->err) return cmd_fail(EXIT_FAILED, "the output does not fit in memory");
    int rc = cmd_write((struct str){b->p, b->len});
    return rc < 0 && rc != E_CANCELED ? EXIT_FAILED : code;
}
