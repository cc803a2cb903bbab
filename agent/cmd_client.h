/* cmd_client.h -- asking a daemon: any server of Prometheus' HTTP API at --url or TOCSIN_URL.
 *
 * What goes wrong is told on stderr, once, here; callers pass the exit code on. Warnings and infos
 * of an answer go to stderr too, unless -q. Large arrays come element by element (json_split.h).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_AGENT_CMD_CLIENT_H
#define TOCSIN_AGENT_CMD_CLIENT_H

#include <jansson.h>

#include "agent/cmd_form.h"
#include "agent/json_split.h"
#include "core/env.h"

struct client;

/* Reads the options of every command that asks; EXIT_OK, EXIT_USAGE or EXIT_FAILED. */
int client_open(struct client **out, const struct cmd *c) MUST_CHECK;
void client_close(struct client *cl);

struct question {
    const char *path;      /* "/api/v1/query"; percent-encoded where needed */
    bool post;             /* the form as a body, else in the URL */
    struct str form;       /* cmd_form.h; may be empty */
    struct str expr;       /* what a position in an error is about; may be empty */
    const char *array;     /* "data", "data.result" or NULL: see json_split.h */
    json_element_fn *each; /* for the elements of array: 0, an EXIT_* to end with, or E_CANCELED */
    void *arg;
    bool quiet; /* the answer's warnings are nobody's business */
};
/* Asks. EXIT_OK and, unless NULL, *answer: the whole object without the array's elements, the
 * caller's to json_decref. E_CANCELED of each() ends the answer early: EXIT_OK, *answer NULL. */
int client_ask(struct client *cl, const struct question *q, json_t **answer) MUST_CHECK;
/* During each(): what came before the array, such as resultType; the caller's; may be NULL. */
json_t *client_answer_so_far(const struct client *cl);
/* What each() returns for what writing an element came to. */
int client_element_code(int rc);
/* Parses an element; NULL when it is no JSON, which is told. The caller's to json_decref. */
json_t *client_parse(struct str element) MUST_CHECK;
/* How long the server may take: --timeout. */
int64_t client_timeout_ms(const struct client *cl);

#endif
