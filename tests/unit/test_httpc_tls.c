/* test_httpc_tls.c -- what each TLS option of the HTTP client does, against a server of our own
 * with certificates made here.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/httpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_MAX 256

struct identity {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
};

/* What the server saw of the last connection; under lock. */
struct seen {
    char server_name[TEXT_MAX];
    bool client_certificate;
    char request[2048];
};

struct fixture {
    struct identity ca, other_ca, server, client;
    char dir[64], ca_file[TEXT_MAX], other_file[TEXT_MAX], cert_file[TEXT_MAX], key_file[TEXT_MAX];
    gnutls_certificate_credentials_t credentials;
    int listener, port, stop; /* stop: atomic */
    pthread_t thread;
    pthread_mutex_t lock;
    struct seen seen;
};

/* --- certificates --- */

static int make_identity(struct identity *id, const char *name, const struct identity *issuer)
{
    char dn[TEXT_MAX];
    unsigned char serial = issuer ? 2 : 1;
    snprintf(dn, sizeof dn, "CN=%s", name);
    unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    if (gnutls_x509_privkey_init(&id->key) || gnutls_x509_crt_init(&id->crt) ||
        gnutls_x509_privkey_generate(id->key, GNUTLS_PK_ECDSA, bits, 0) ||
        gnutls_x509_crt_set_version(id->crt, 3) ||
        gnutls_x509_crt_set_serial(id->crt, &serial, 1) ||
        gnutls_x509_crt_set_dn(id->crt, dn, NULL) || gnutls_x509_crt_set_key(id->crt, id->key) ||
        gnutls_x509_crt_set_activation_time(id->crt, time(NULL) - 3600) ||
        gnutls_x509_crt_set_expiration_time(id->crt, time(NULL) + 3600) ||
        gnutls_x509_crt_set_basic_constraints(id->crt, !issuer, -1))
        return -1;
    if (issuer && gnutls_x509_crt_set_subject_alt_name(id->crt, GNUTLS_SAN_DNSNAME, name,
                                                       (unsigned)strlen(name), 0))
        return -1;
    const struct identity *by = issuer ? issuer : id;
    return gnutls_x509_crt_sign2(id->crt, by->crt, by->key, GNUTLS_DIG_SHA256, 0);
}

static void free_identity(struct identity *id)
{
    gnutls_x509_privkey_deinit(id->key);
    gnutls_x509_crt_deinit(id->crt);
}

static int write_pem(const gnutls_datum_t *pem, const char *path)
{
    FILE *f = fopen(path, "w");
    if (!f) return -1;
    size_t n = fwrite(pem->data, 1, pem->size, f);
    return fclose(f) == 0 && n == pem->size ? 0 : -1;
}

static int write_files(struct fixture *f)
{
    gnutls_datum_t pem[4];
    if (gnutls_x509_crt_export2(f->ca.crt, GNUTLS_X509_FMT_PEM, &pem[0]) ||
        gnutls_x509_crt_export2(f->other_ca.crt, GNUTLS_X509_FMT_PEM, &pem[1]) ||
        gnutls_x509_crt_export2(f->client.crt, GNUTLS_X509_FMT_PEM, &pem[2]) ||
        gnutls_x509_privkey_export2(f->client.key, GNUTLS_X509_FMT_PEM, &pem[3]))
        return -1;
    const char *const paths[] = {f->ca_file, f->other_file, f->cert_file, f->key_file};
    int rc = 0;
    for (size_t i = 0; i < COUNT(paths); i++) {
        if (write_pem(&pem[i], paths[i])) rc = -1;
        gnutls_free(pem[i].data);
    }
    return rc;
}

/* --- the server --- */

static void note_peer(struct fixture *f, gnutls_session_t session)
{
    size_t len = sizeof f->seen.server_name;
    unsigned type = 0, status = 1;
    f->seen = (struct seen){0};
    if (gnutls_server_name_get(session, f->seen.server_name, &len, &type, 0))
        f->seen.server_name[0] = '\0';
    f->seen.client_certificate =
        gnutls_certificate_verify_peers2(session, &status) == 0 && status == 0;
}

static void serve_one(struct fixture *f, int fd)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    gnutls_session_t session;
    char request[2048];
    if (gnutls_init(&session, GNUTLS_SERVER)) return;
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, f->credentials);
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, 5000);
    gnutls_record_set_timeout(session, 5000);
    if (gnutls_handshake(session) == 0) {
        ssize_t n = gnutls_record_recv(session, request, sizeof request - 1);
        pthread_mutex_lock(&f->lock);
        note_peer(f, session);
        if (n > 0) memcpy(f->seen.request, request, (size_t)n);
        pthread_mutex_unlock(&f->lock);
        if (n > 0) gnutls_record_send(session, answer, sizeof answer - 1);
        gnutls_bye(session, GNUTLS_SHUT_WR);
    }
    gnutls_deinit(session);
}

static void *serve(void *arg)
{
    struct fixture *f = arg;
    while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
        struct pollfd p = {.fd = f->listener, .events = POLLIN};
        if (poll(&p, 1, 20) <= 0) continue;
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0) continue;
        serve_one(f, fd);
        close(fd);
    }
    return NULL;
}

static int start_server(struct fixture *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    f->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (gnutls_certificate_allocate_credentials(&f->credentials) ||
        gnutls_certificate_set_x509_key(f->credentials, &f->server.crt, 1, f->server.key) < 0 ||
        gnutls_certificate_set_x509_trust(f->credentials, &f->ca.crt, 1) < 0)
        return -1;
    if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&a, len) < 0 ||
        listen(f->listener, 8) < 0 || getsockname(f->listener, (struct sockaddr *)&a, &len) < 0)
        return -1;
    f->port = ntohs(a.sin_port);
    return pthread_create(&f->thread, NULL, serve, f);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    *state = f;
    pthread_mutex_init(&f->lock, NULL);
    snprintf(f->dir, sizeof f->dir, "/tmp/tocsin-tls-XXXXXX");
    if (!mkdtemp(f->dir)) return -1;
    snprintf(f->ca_file, TEXT_MAX, "%s/ca", f->dir);
    snprintf(f->other_file, TEXT_MAX, "%s/other", f->dir);
    snprintf(f->cert_file, TEXT_MAX, "%s/cert", f->dir);
    snprintf(f->key_file, TEXT_MAX, "%s/key", f->dir);
    if (make_identity(&f->ca, "test ca", NULL) || make_identity(&f->other_ca, "other ca", NULL) ||
        make_identity(&f->server, "engine.test", &f->ca) ||
        make_identity(&f->client, "client.test", &f->ca))
        return -1;
    return write_files(f) || start_server(f) ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    __atomic_store_n(&f->stop, 1, __ATOMIC_RELEASE);
    pthread_join(f->thread, NULL);
    close(f->listener);
    gnutls_certificate_free_credentials(f->credentials);
    free_identity(&f->ca);
    free_identity(&f->other_ca);
    free_identity(&f->server);
    free_identity(&f->client);
    const char *const paths[] = {f->ca_file, f->other_file, f->cert_file, f->key_file};
    for (size_t i = 0; i < COUNT(paths); i++)
        unlink(paths[i]);
    rmdir(f->dir);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

/* --- the cases --- */

static int fetch(struct fixture *f, const struct httpc_tls *tls, struct seen *seen)
{
    struct buf body = BUF_INIT(1024);
    struct errmsg err = {0};
    char url[TEXT_MAX];
    int status = 0;
    snprintf(url, sizeof url, "https://127.0.0.1:%d/x", f->port);
    struct httpc_request r = {.method = "GET", .url = url, .timeout_ms = 20000, .tls = tls};
    int rc = httpc_fetch(env_system(), &r, &body, &status, &err);
    if (rc == 0) assert_string_equal(body.p, "ok");
    buf_release(&body);
    pthread_mutex_lock(&f->lock);
    *seen = f->seen;
    pthread_mutex_unlock(&f->lock);
    return rc;
}

static void each_option_is_applied(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *what;
        struct httpc_tls tls;
        bool works;
    } rows[] = {
        {"nothing: unknown CA",                             {0},                                                      false},
        {"the CA, but the certificate is for another name", {.ca_file = f->ca_file},                                  false},
        {"the CA and the name",                             {.ca_file = f->ca_file, .server_name = "engine.test"},    true },
        {"the name without the CA",                         {.server_name = "engine.test"},                           false},
        {"the CA and a wrong name",                         {.ca_file = f->ca_file, .server_name = "no.test"},        false},
        {"another CA",                                      {.ca_file = f->other_file, .server_name = "engine.test"}, false},
        {"a CA file that is not there",                     {.ca_file = "/none", .server_name = "engine.test"},       false},
        {"anybody",                                         {.insecure_skip_verify = true},                           true },
        {"anybody, by name",                                {.insecure_skip_verify = true, .server_name = "x.test"},  true },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct seen seen;
        int rc = fetch(f, &rows[i].tls, &seen);
        if ((rc == 0) != rows[i].works) fail_msg("%s: %d", rows[i].what, rc);
        assert_true(rc == 0 || rc == E_UNAVAILABLE);
    }
}

static void the_server_name_is_asked_for_and_the_host_stays(void **state)
{
    struct fixture *f = *state;
    struct httpc_tls tls = {.ca_file = f->ca_file, .server_name = "engine.test"};
    struct seen seen;
    char host[TEXT_MAX];
    assert_int_equal(fetch(f, &tls, &seen), 0);
    assert_string_equal(seen.server_name, "engine.test");
    snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%d\r\n", f->port);
    assert_non_null(strstr(seen.request, host));
    assert_true(strncmp(seen.request, "GET /x HTTP/1.1\r\n", 17) == 0);
    assert_false(seen.client_certificate);
}

static void our_certificate_is_shown(void **state)
{
    struct fixture *f = *state;
    struct httpc_tls tls = {.ca_file = f->ca_file,
                            .server_name = "engine.test",
                            .cert_file = f->cert_file,
                            .key_file = f->key_file};
    struct seen seen;
    assert_int_equal(fetch(f, &tls, &seen), 0);
    assert_true(seen.client_certificate);
    tls.key_file = f->ca_file; /* no key */
    assert_int_equal(fetch(f, &tls, &seen), E_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_is_applied),
        cmocka_unit_test(the_server_name_is_asked_for_and_the_host_stays),
        cmocka_unit_test(our_certificate_is_shown),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
