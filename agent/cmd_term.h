/* cmd_term.h -- what standard output can show: is it a terminal, how large, in which characters
 * and colours.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_TERM_H
#define TOCSIN_AGENT_CMD_TERM_H

#include <stdbool.h>

struct term {
    bool tty;    /* standard output is a terminal */
    bool utf8;   /* LC_ALL, LC_CTYPE or LANG, the first one set, says UTF-8 */
    bool colour; /* --color, NO_COLOR, TERM */
    int columns, lines;
};

/* when: the value of --color. */
void term_init(struct term *t, const char *when);

#endif
