/* test_config_query.c -- the query: block: what it takes, what it refuses and where, what it shows.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/config.h"

static struct config *parse(const char *text, struct buf *problems)
{
    struct config *c = NULL;
    struct diags d;
    diags_init(&d);
    int rc = config_parse(&c, "t.yaml", str_of(text), NULL, &d);
    assert_int_equal(rc != 0, c == NULL);
    diags_print(&d, problems);
    diags_release(&d);
    return c;
}

static const char everything[] = "query:\n"
                                 "  backend: remote\n"
                                 "  experimental: true\n"
                                 "  lookback: 1m\n"
                                 "  remote:\n"
                                 "    url: https://mimir.example.org/prometheus\n"
                                 "    timeout: 12s\n"
                                 "    headers: {X-Scope-OrgID: canary-header}\n"
                                 "    basic_auth: {username: ops, password: canary-password}\n"
                                 "    proxy_url: http://u:canary-proxy@127.0.0.1:3128/\n"
                                 "    tls: {ca_file: /ca, cert_file: /cert, key_file: /key,\n"
                                 "          server_name: inner, insecure_skip_verify: true}\n";

static void every_option_is_taken(void **state)
{
    struct buf problems = BUF_INIT(1 << 16);
    struct config *c = parse(everything, &problems);
    (void)state;
    if (!c) fail_msg("%s", problems.p);
    const struct config_query_remote *r = &c->query.remote;
    assert_int_equal(c->query.backend, QUERY_REMOTE);
    assert_true(c->query.experimental && c->rules.experimental);
    assert_int_equal(c->query.lookback_ms, 60000);
    assert_int_equal(c->rules.lookback_ms, 60000);
    assert_string_equal(r->url, "https://mimir.example.org/prometheus");
    assert_int_equal(r->timeout_ms, 12000);
    assert_int_equal(r->headers.count, 1);
    assert_string_equal(r->username, "ops");
    assert_string_equal(r->password, "canary-password");
    assert_string_equal(r->tls.ca_file, "/ca");
    assert_string_equal(r->tls.cert_file, "/cert");
    assert_string_equal(r->tls.key_file, "/key");
    assert_string_equal(r->tls.server_name, "inner");
    assert_true(r->tls.insecure_skip_verify);
    config_free(c);
    buf_release(&problems);
}

static void defaults_are_the_store(void **state)
{
    struct buf problems = BUF_INIT(1 << 16);
    struct config *c = parse("", &problems);
    (void)state;
    assert_non_null(c);
    assert_int_equal(c->query.backend, QUERY_LOCAL);
    assert_false(c->query.experimental);
    assert_int_equal(c->query.remote.timeout_ms, 30000);
    assert_string_equal(c->query.remote.url, "");
    config_free(c);
    buf_release(&problems);
}

static void secrets_are_not_shown(void **state)
{
    struct buf problems = BUF_INIT(1 << 16), out = BUF_INIT(1 << 20);
    struct config *c = parse(everything, &problems);
    (void)state;
    assert_non_null(c);
    config_print_effective(c, &out);
    assert_null(strstr(out.p, "canary"));
    assert_non_null(strstr(out.p, "X-Scope-OrgID\": \"<secret>\""));
    assert_non_null(strstr(out.p, "password: \"<secret>\""));
    assert_non_null(strstr(out.p, "proxy_url: \"http://u:<secret>@127.0.0.1:3128/\""));
    assert_non_null(strstr(out.p, "url: \"https://mimir.example.org/prometheus\""));
    assert_non_null(strstr(out.p, "backend: remote"));
    config_free(c);
    buf_release(&problems);
    buf_release(&out);
}

#define REMOTE "query:\n  backend: remote\n  remote:\n    url: http://h:1\n"

static void mistakes_are_told_with_their_place(void **state)
{
    static const struct {
        const char *text, *place, *what, *hint;
    } rows[] = {
        {"query:\n  backend: remote\n",                                           "t.yaml:2:12",
         "query.backend: remote needs query.remote.url",                                                                           "add remote: {url: \"http://HOST:PORT\"}"},
        {"query:\n  backend: mimir\n",                                            "t.yaml:2:12", "\"mimir\" is not known",         "local, remote"                          },
        {"query:\n  remote:\n    url: ftp://h\n",                                 "t.yaml:3:10", "neither http:// nor https://",
         "as in http://127.0.0.1:9090"                                                                                                                                      },
        {"query:\n  remote:\n    url: http://\n",                                 "t.yaml:3:10", "it has no host",                 ""                                       },
        {"query:\n  remote:\n    url: http://u:p@h/\n",                           "t.yaml:3:10", "it holds credentials",
         "use basic_auth"                                                                                                                                                   },
        {"query:\n  remote:\n    url: http://h/?x=1\n",                           "t.yaml:3:10", "query string",                   ""                                       },
        {"query:\n  remote:\n    url: \"http://h/a b\"\n",                        "t.yaml:3:10", "a blank",                        ""                                       },
        {"query:\n  remote:\n    ulr: http://h\n",                                "t.yaml:3:5",  "unknown key \"ulr\"",
         "did you mean \"url\"?"                                                                                                                                            },
        {REMOTE "    timeout: 0s\n",                                              "t.yaml:5:14", "out of range",                   ""                                       },
        {REMOTE "    headers: {\"a b\": c}\n",                                    "t.yaml:5:15", "\"a b\" is not a header's name", ""                                       },
        {REMOTE "    headers: {a: \"b\\nc\"}\n",                                  "t.yaml:5:18", "one line of text",               ""                                       },
        {REMOTE "    bearer: \"a\\nb\"\n",                                        "t.yaml:5:13", "one line of text",               ""                                       },
        {REMOTE "    bearer: a\n    bearer_file: /b\n",                           "t.yaml:6:18", "both set",                       ""                                       },
        {REMOTE "    basic_auth: {username: u, password: p, password_file: f}\n", "t.yaml:5:17",
         "password and password_file are both set",                                                                                ""                                       },
        {REMOTE "    bearer: a\n    basic_auth: {username: u}\n",                 "t.yaml:6:17",
         "basic_auth and a bearer token",                                                                                          ""                                       },
        {REMOTE "    basic_auth: {password: p}\n",                                "t.yaml:5:17", "without a username",             ""                                       },
        {REMOTE "    tls: {cert_file: /c}\n",                                     "t.yaml:5:10", "go together",                    ""                                       },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf problems = BUF_INIT(1 << 16);
        assert_null(parse(rows[i].text, &problems));
        if (!strstr(problems.p, rows[i].place) || !strstr(problems.p, rows[i].what) ||
            !strstr(problems.p, rows[i].hint))
            fail_msg("%s\n%s", rows[i].text, problems.p);
        buf_release(&problems);
    }
}

static void a_remote_that_is_not_in_use_may_stand_there(void **state)
{
    struct buf problems = BUF_INIT(1 << 16);
    struct config *c =
        parse("query: {backend: local, remote: {url: 'http://127.0.0.1:9090/'}}\n", &problems);
    (void)state;
    assert_non_null(c);
    assert_int_equal(c->query.backend, QUERY_LOCAL);
    config_free(c);
    buf_release(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_taken),
        cmocka_unit_test(defaults_are_the_store),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(a_remote_that_is_not_in_use_may_stand_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
