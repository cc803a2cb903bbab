/* config_query.c -- the query: block: who answers, and how a remote engine is reached.
 *
 * Nested blocks that fill fields of struct config_query_remote itself (basic_auth, tls) are tables
 * of size 0 at offset 0: their rows' offsets are the parent's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/config.h"

static const char *const backend_names[] = {
    [QUERY_LOCAL] = "local", [QUERY_REMOTE] = "remote", NULL};

// clang-format off
#define FIELD(name) offsetof(struct config_query_remote, name)
static const struct conf_option basic_auth_options[] = {
    {.key = "username", .type = CONF_STRING, .offset = FIELD(username), .dflt = "",
     .help = "Who we are."},
    {.key = "password", .type = CONF_STRING, .offset = FIELD(password), .dflt = "",
     .help = "And the password."},
    {.key = "password_file", .type = CONF_STRING, .offset = FIELD(password_file), .dflt = "",
     .help = "Or a file that holds it, read at start and reload."},
};
static const struct conf_table basic_auth_table = {
    .name = "query.remote.basic_auth",
    .options = basic_auth_options, .count = COUNT(basic_auth_options)};

static const struct conf_option tls_options[] = {
    {.key = "ca_file", .type = CONF_STRING, .offset = FIELD(tls.ca_file), .dflt = "",
     .help = "Certificates to trust instead of the system's."},
    {.key = "cert_file", .type = CONF_STRING, .offset = FIELD(tls.cert_file), .dflt = "",
     .help = "Our certificate."},
    {.key = "key_file", .type = CONF_STRING, .offset = FIELD(tls.key_file), .dflt = "",
     .help = "Its key."},
    {.key = "server_name", .type = CONF_STRING, .offset = FIELD(tls.server_name), .dflt = "",
     .help = "The name to ask for and to verify instead of the URL's."},
    {.key = "insecure_skip_verify", .type = CONF_BOOL,
     .offset = FIELD(tls.insecure_skip_verify), .dflt = "false",
     .help = "Believe any certificate."},
};
static const struct conf_table tls_table = {
    .name = "query.remote.tls",
    .options = tls_options, .count = COUNT(tls_options)};

static const struct conf_option remote_options[] = {
    {.key = "url", .type = CONF_STRING, .offset = FIELD(url), .dflt = "",
     .help = "http or https; /api/v1/query and the like are appended."},
    {.key = "timeout", .type = CONF_DURATION, .offset = FIELD(timeout_ms), .dflt = "30s",
     .min = 100, .max = 3600000, .help = "The longest one request may take."},
    {.key = "headers", .type = CONF_MAP, .offset = FIELD(headers),
     .help = "Sent with every request, such as X-Scope-OrgID."},
    {.key = "basic_auth", .type = CONF_SUB, .sub = &basic_auth_table,
     .help = "User and password."},
    {.key = "bearer", .type = CONF_STRING, .offset = FIELD(bearer), .dflt = "",
     .help = "A token, sent as Authorization: Bearer."},
    {.key = "bearer_file", .type = CONF_STRING, .offset = FIELD(bearer_file), .dflt = "",
     .help = "Or a file that holds it, read at start and reload."},
    {.key = "tls", .type = CONF_SUB, .sub = &tls_table,
     .help = "Of https."},
    {.key = "proxy_url", .type = CONF_STRING, .offset = FIELD(proxy_url), .dflt = "",
     .help = "An HTTP proxy to go through; the environment's are not used."},
};
#undef FIELD
// clang-format on

/* --- checks --- */

/* Where to point: the key's value, or the block. */
static const struct ynode *node_of(const struct ynode *n, const char *key)
{
    const struct ynode *found = n ? ynode_get(n, key) : NULL;
    return found && !ynode_is_null(found) ? found : n;
}

/* What is wrong with a URL, or NULL. */
static const char *url_problem(const char *url, const char **hint)
{
    struct str s = str_of(url);
    struct str scheme = str_starts(s, STR("https://")) ? STR("https://") : STR("http://");
    *hint = "as in http://127.0.0.1:9090 or https://mimir.example.org/prometheus";
    if (!str_starts(s, scheme)) return "it starts with neither http:// nor https://";
    size_t host = strcspn(url + scheme.len, "/?#");
    if (host == 0) return "it has no host";
    if (memchr(url + scheme.len, '@', host)) {
        *hint = "use basic_auth, which is not shown where the configuration is";
        return "it holds credentials";
    }
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return "it holds a blank or a control character";
    if (strpbrk(url, "?#")) return "it has a query string or a fragment, but a path is appended";
    return NULL;
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c)) return false;
    }
    return s.len > 0;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f) return true;
    return false;
}

static int check_headers(struct conf_ctx *c, const struct config_query_remote *r)
{
    int rc = 0;
    for (size_t i = 0; i < r->headers.count; i++) {
        struct str name = r->headers.v[i].key;
        if (!is_token(name))
            rc = ynode_error(c->doc, r->headers.v[i].key_node, c->diags, NULL,
                             "\"%.*s\" is not a header's name", (int)MIN(name.len, 100), name.p);
        if (has_control(r->headers.v[i].value))
            rc = ynode_error(c->doc, r->headers.v[i].value_node, c->diags, NULL,
                             "a header's value is one line of text");
    }
    return rc;
}

/* Pairs of keys that exclude each other. */
static int check_secrets(struct conf_ctx *c, const struct ynode *n,
                         const struct config_query_remote *r)
{
    const struct {
        bool wrong;
        const char *key, *why;
    } rows[] = {
  // clang-format off
        {r->bearer[0] && r->bearer_file[0], "bearer_file",
         "bearer and bearer_file are both set"},
        {r->password[0] && r->password_file[0], "basic_auth",
         "password and password_file are both set"},
        {r->username[0] && (r->bearer[0] || r->bearer_file[0]), "basic_auth",
         "basic_auth and a bearer token are both set"},
        {!r->username[0] && (r->password[0] || r->password_file[0]), "basic_auth",
         "a password without a username"},
        {has_control(str_of(r->bearer)), "bearer",
         "a token is one line of text"},
        {(r->tls.cert_file[0] != '\0') != (r->tls.key_file[0] != '\0'), "tls",
         "cert_file and key_file go together"},
  // clang-format on
    };
    int rc = 0;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].wrong)
            rc = ynode_error(c->doc, node_of(n, rows[i].key), c->diags, NULL, "%s", rows[i].why);
    return rc;
}

static int validate_remote(struct conf_ctx *c, const struct ynode *n, void *out)
{
    const struct config_query_remote *r = out;
    const char *hint = NULL;
    if (!n || ynode_is_null(n)) return 0;
    int rc = check_headers(c, r);
    if (check_secrets(c, n, r) < 0) rc = E_INVALID;
    const char *why = r->url[0] ? url_problem(r->url, &hint) : NULL;
    if (why)
        rc = ynode_error(c->doc, node_of(n, "url"), c->diags, hint, "query.remote.url: %s", why);
    return rc;
}

static const struct conf_table remote_table = {
    .name = "query.remote",
    .size = sizeof(struct config_query_remote),
    .options = remote_options,
    .count = COUNT(remote_options),
    .validate = validate_remote,
};

static int validate_query(struct conf_ctx *c, const struct ynode *n, void *out)
{
    const struct config_query *q = out;
    if (q->backend != QUERY_REMOTE || q->remote.url[0]) return 0;
    return ynode_error(c->doc, node_of(n, "backend"), c->diags,
                       "add remote: {url: \"http://HOST:PORT\"} beside it",
                       "query.backend: remote needs query.remote.url");
}

// clang-format off
#define FIELD(name) offsetof(struct config_query, name)
static const struct conf_option options[] = {
    {.key = "lookback", .type = CONF_DURATION, .offset = FIELD(lookback_ms), .dflt = "5m",
     .min = 1000, .max = 86400000, .help = "How far back an instant looks for a sample."},
    {.key = "experimental", .type = CONF_BOOL, .offset = FIELD(experimental), .dflt = "false",
     .help = "Take the experimental functions and modifiers of PromQL, too."},
    {.key = "backend", .type = CONF_ENUM, .offset = FIELD(backend), .dflt = "local",
     .names = backend_names,
     .help = "Who answers queries and rules: local, the store; remote, the engine at remote.url."},
    {.key = "remote", .type = CONF_SUB, .offset = FIELD(remote), .sub = &remote_table,
     .help = "An engine with Prometheus' HTTP API, for backend: remote."},
};
#undef FIELD
// clang-format on

const struct conf_table config_query_table = {
    .name = "query",
    .size = sizeof(struct config_query),
    .options = options,
    .count = COUNT(options),
    .validate = validate_query,
};
