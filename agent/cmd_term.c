/* cmd_term.c -- what standard output can show.
 *
 * The locale's name is read, not set: a container without locale files still has a terminal that
 * shows UTF-8 when LANG says so.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd_term.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/str.h"

enum { COLUMNS_MAX = 1000, LINES_MAX = 500 };

static bool is_set(const char *v)
{
    return v && v[0];
}

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *v = getenv(names[i]);
        if (is_set(v)) return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
    }
    return false;
}

static bool wants_colour(const char *when, bool tty)
{
    const char *term = getenv("TERM");
    if (strcmp(when, "auto") != 0) return strcmp(when, "always") == 0;
    return tty && !is_set(getenv("NO_COLOR")) && is_set(term) && strcmp(term, "dumb") != 0;
}

static int from_environment(const char *name, int dflt, int max)
{
    const char *v = getenv(name);
    int64_t n;
    if (!is_set(v) || str_to_i64(str_of(v), &n) < 0 || n < 1) return dflt;
    return (int)MIN(n, (int64_t)max);
}

void term_init(struct term *t, const char *when)
{
    struct winsize size = {0};
    *t = (struct term){.tty = isatty(STDOUT_FILENO) == 1, .utf8 = locale_is_utf8()};
    t->colour = wants_colour(when, t->tty);
    if (t->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0) size = (struct winsize){0};
    t->columns = size.ws_col ? MIN((int)size.ws_col, COLUMNS_MAX)
                             : from_environment("COLUMNS", 80, COLUMNS_MAX);
    t->lines =
        size.ws_row ? MIN((int)size.ws_row, LINES_MAX) : from_environment("LINES", 24, LINES_MAX);
}
