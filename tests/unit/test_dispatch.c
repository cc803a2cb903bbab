/* test_dispatch.c -- grouping, deduplication and the outbox, under a virtual clock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/json.h"
#include "rules/dispatch.h"
#include "rules/outbox.h"
#include "rules/webhook.h"

struct fixture {
    struct arena arena;
    struct diags diags;
    struct alerting_config *config;
    struct dispatch dispatch;
    struct buf said; /* one line a message: STATUS alerts reason */
    size_t flushed;
    char id[33]; /* of the last message */
};

static void load(struct fixture *f, const char *yaml)
{
    struct ydoc doc;
    arena_init(&f->arena, 1 << 20);
    diags_init(&f->diags);
    buf_init(&f->said, 1 << 16);
    assert_int_equal(ydoc_parse(&doc, "a.yml", str_of(yaml), 0, &f->arena, &f->diags), 0);
    struct conf_ctx ctx = {.doc = &doc, .arena = &f->arena, .diags = &f->diags};
    assert_int_equal(alerting_config_decode(&ctx, doc.root, &f->config), 0);
    dispatch_init(&f->dispatch);
    dispatch_configure(&f->dispatch, f->config);
}

static void unload(struct fixture *f)
{
    dispatch_release(&f->dispatch);
    alerting_config_release(f->config);
    buf_release(&f->said);
    diags_release(&f->diags);
    arena_release(&f->arena);
}

static int on_message(void *arg, const struct notification *n)
{
    struct fixture *f = arg;
    buf_addf(&f->said, "%s %s", n->group->receiver, n->firing ? "firing" : "resolved");
    for (size_t i = 0; i < n->alert_count; i++) {
        struct str name = labels_get(n->alerts[i]->labels, STR("instance"));
        buf_addf(&f->said, " %.*s%s", (int)name.len, name.p, n->alerts[i]->ends_ms ? "-" : "+");
    }
    buf_addf(&f->said, " (%s)\n", n->reason);
    return 0;
}

static int on_flushed(void *arg, struct alert_group *g)
{
    struct fixture *f = arg;
    UNUSED(g);
    f->flushed++;
    return 0;
}

static void put(struct fixture *f, const char *name, const char *instance, int64_t ends_ms,
                int64_t now_ms)
{
    struct label labels[] = {
        {STR("alertname"), str_of(name)    },
        {STR("instance"),  str_of(instance)}
    };
    struct alert a = {
        .labels = {labels, COUNT(labels)},
        .starts_ms = 1000,
        .ends_ms = ends_ms,
        .generator_url = "",
    };
    assert_int_equal(dispatch_put(&f->dispatch, &a, now_ms), 0);
}

/* What is said when the clock reaches now_ms. */
static const char *flush(struct fixture *f, int64_t now_ms)
{
    buf_reset(&f->said);
    assert_int_equal(dispatch_flush(&f->dispatch, now_ms, on_message, on_flushed, f), 0);
    return f->said.p ? f->said.p : "";
}

static const char plain[] = "route: {receiver: ops, group_by: [alertname], group_wait: 10s,\n"
                            "  group_interval: 1m, repeat_interval: 1h}\n"
                            "receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}]\n";

static void group_waits_then_speaks_once(void **state)
{
    struct fixture f = {0};
    UNUSED(state);
    load(&f, plain);
    put(&f, "A", "h1", 0, 1000);
    put(&f, "A", "h2", 0, 3000);
    assert_string_equal(flush(&f, 10999), "");
    assert_int_equal(dispatch_next_ms(&f.dispatch), 11000);
    assert_string_equal(flush(&f, 11000), "ops firing h1+ h2+ (first notification)\n");
    assert_string_equal(flush(&f, 71000), "");
    unload(&f);
}

static void new_and_resolved_alerts_keep_the_interval(void **state)
{
    struct fixture f = {0};
    UNUSED(state);
    load(&f, plain);
    put(&f, "A", "h1", 0, 1000);
    flush(&f, 11000);
    put(&f, "A", "h2", 0, 12000);
    assert_string_equal(flush(&f, 70999), "");
    assert_string_equal(flush(&f, 71000), "ops firing h1+ h2+ (new alerts added)\n");
    put(&f, "A", "h1", 80000, 80000);
    assert_string_equal(flush(&f, 131000), "ops firing h1- h2+ (some alerts resolved)\n");
    put(&f, "A", "h2", 140000, 140000);
    assert_string_equal(flush(&f, 191000), "ops resolved h2- (all alerts resolved)\n");
    assert_int_equal(f.dispatch.group_count, 0);
    unload(&f);
}

static void repeat_interval_repeats(void **state)
{
    struct fixture f = {0};
    UNUSED(state);
    load(&f, plain);
    put(&f, "A", "h1", 0, 1000);
    flush(&f, 11000);
    for (int64_t t = 71000; t < 11000 + 3600000; t += 60000) {
        put(&f, "A", "h1", 0, t);
        assert_string_equal(flush(&f, t), "");
    }
    put(&f, "A", "h1", 0, 11000 + 3600000);
    assert_string_equal(flush(&f, 11000 + 3600000), "ops firing h1+ (repeat interval elapsed)\n");
    unload(&f);
}

static void zero_wait_sends_changes_at_once(void **state)
{
    struct fixture f = {0};
    UNUSED(state);
    load(&f, "route: {receiver: ops, group_wait: 0s}\n"
             "receivers: [{name: ops, webhook_configs: [{url: 'http://h/'}]}]\n");
    put(&f, "A", "h1", 0, 1000);
    assert_string_equal(flush(&f, 1000), "ops firing h1+ (first notification)\n");
    put(&f, "A", "h1", 1500, 1500);
    assert_string_equal(flush(&f, 1500), "ops resolved h1- (all alerts resolved)\n");
    unload(&f);
}

static void short_life_between_messages_is_not_told(void **state)
{
    struct fixture f = {0};
    UNUSED(state);
    load(&f, plain);
    put(&f, "A", "h1", 0, 1000);
    put(&f, "A", "h1", 5000, 5000);
    assert_string_equal(flush(&f, 11000), "");
    assert_int_equal(f.dispatch.group_count, 0);
    unload(&f);
}

static void unconfirmed_alert_counts_as_resolved(void **state)
{
    struct fixture f = {0};
    UNUSED(state);
    load(&f, plain);
    put(&f, "A", "h1", 0, 1000);
    flush(&f, 11000);
    for (int64_t t = 71000; t < 301000; t += 60000)
        assert_string_equal(flush(&f, t), "");
    assert_string_equal(flush(&f, 311000), "ops resolved h1- (all alerts resolved)\n");
    unload(&f);
}

static void continue_reaches_several_receivers(void **state)
{
    struct fixture f = {0};
    UNUSED(state);
    load(&f, "route:\n"
             "  receiver: ops\n"
             "  group_wait: 0s\n"
             "  routes:\n"
             "  - {receiver: log, continue: true, matchers: ['alertname=~\"A|B\"']}\n"
             "  - {receiver: page, match: {alertname: A}}\n"
             "receivers:\n"
             "- {name: ops, webhook_configs: [{url: 'http://h/'}]}\n"
             "- {name: log, webhook_configs: [{url: 'http://h/', send_resolved: false}]}\n"
             "- {name: page, webhook_configs: [{url: 'http://h/'}]}\n");
    put(&f, "A", "h1", 0, 1000);
    const char *said = flush(&f, 1000);
    assert_non_null(strstr(said, "log firing h1+"));
    assert_non_null(strstr(said, "page firing h1+"));
    assert_null(strstr(said, "ops"));
    put(&f, "A", "h1", 2000, 2000);
    said = flush(&f, 2000);
    assert_null(strstr(said, "log"));
    assert_non_null(strstr(said, "page resolved h1-"));
    put(&f, "C", "h1", 0, 3000);
    assert_non_null(strstr(flush(&f, 3000), "ops firing h1+"));
    unload(&f);
}

static int pack_one(void *arg, struct alert_group *g)
{
    dispatch_pack_group(g, arg);
    return 0;
}

static void packed_group_goes_on_where_it_was(void **state)
{
    struct fixture f = {0};
    struct buf record = BUF_INIT(1 << 16);
    UNUSED(state);
    load(&f, plain);
    put(&f, "A", "h1", 0, 1000);
    flush(&f, 11000);
    assert_int_equal(dispatch_groups(&f.dispatch, pack_one, &record), 0);
    dispatch_release(&f.dispatch);
    dispatch_init(&f.dispatch);
    assert_int_equal(dispatch_unpack_group(&f.dispatch, (struct str){record.p, record.len}), 0);
    dispatch_configure(&f.dispatch, f.config);
    put(&f, "A", "h1", 20000, 20000);
    assert_string_equal(flush(&f, 71000), "ops resolved h1- (all alerts resolved)\n");
    for (size_t cut = 0; cut < record.len; cut++) /* torn records are refused, never crash */
        assert_int_not_equal(dispatch_unpack_group(&f.dispatch, (struct str){record.p, cut}), 0);
    buf_release(&record);
    unload(&f);
}

static int keep_id(void *arg, const struct notification *n)
{
    struct fixture *f = arg;
    webhook_id(n, f->id);
    return 0;
}

static void same_message_same_id(void **state)
{
    char ids[3][33];
    UNUSED(state);
    for (size_t run = 0; run < COUNT(ids); run++) {
        struct fixture f = {0};
        load(&f, plain);
        put(&f, "A", run == 2 ? "h2" : "h1", 0, 1000);
        assert_int_equal(dispatch_flush(&f.dispatch, 11000, keep_id, on_flushed, &f), 0);
        memcpy(ids[run], f.id, sizeof f.id);
        unload(&f);
    }
    assert_string_equal(ids[0], ids[1]);
    assert_string_not_equal(ids[0], ids[2]);
}

/* --- configuration errors --- */

static void broken_configurations_are_told(void **state)
{
    static const struct {
        const char *yaml, *said;
        int line;
    } rows[] = {
        {"route: {receiver: x}\n",                                                                 "no receiver has this name", 1},
        {"receivers:\n- name: a\n",                                                                "receivers without a route", 1},
        {"route: {receiver: a, matchers: ['b=c']}\nreceivers: [{name: a}]\n",                      "root route",                1},
        {"route:\n  receiver: a\n  group_by: [a, ...]\nreceivers: [{name: a}]\n",                  "goes alone",                3},
        {"route:\n  receiver: a\n  repeat_interval: 0s\nreceivers: [{name: a}]\n",                 "zero",                      3},
        {"route: {receiver: a}\nreceivers:\n- name: a\n- name: a\n",                               "exists already",            4},
        {"route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - {}\n",              "needs url",
         5                                                                                                                       },
        {"route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: ftp://x\n",
         "not an http",                                                                                                         5},
        {"route: {receiver: a}\nreceivers:\n- name: a\n  slack_configs: [{}]\n",
         "not supported yet",                                                                                                   4},
        {"route: {receiver: a, group_wate: 3s}\nreceivers: [{name: a}]\n",                         "group_wate",                1},
        {"route:\n  receiver: a\n  routes:\n  - matchers: ['a=~\"(\"']\nreceivers: [{name: a}]\n",
         "missing closing )",                                                                                                   4},
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena arena;
        struct diags diags;
        struct ydoc doc;
        struct alerting_config *config;
        arena_init(&arena, 1 << 20);
        diags_init(&diags);
        assert_int_equal(ydoc_parse(&doc, "a", str_of(rows[i].yaml), 0, &arena, &diags), 0);
        struct conf_ctx ctx = {.doc = &doc, .arena = &arena, .diags = &diags};
        assert_int_not_equal(alerting_config_decode(&ctx, doc.root, &config), 0);
        assert_non_null(diags.first);
        assert_non_null(strstr(diags.first->text, rows[i].said));
        assert_int_equal(diags.first->line, rows[i].line);
        diags_release(&diags);
        arena_release(&arena);
    }
}

/* --- outbox --- */

static struct outbox_entry *add(struct outbox *o, const char *id, const char *lane)
{
    char receiver[] = "ops", body[] = "{}", key[16];
    snprintf(key, sizeof key, "%s", lane);
    struct outbox_entry e = {.receiver = receiver, .group_key = key, .body = body, .body_len = 2};
    struct outbox_entry *out = NULL;
    snprintf(e.id, sizeof e.id, "%s", id);
    assert_int_equal(outbox_add(o, &e, &out), 0);
    return out;
}

static void lanes_keep_their_order(void **state)
{
    struct outbox o;
    UNUSED(state);
    outbox_init(&o);
    struct outbox_entry *a1 = add(&o, "a1", "a"), *a2 = add(&o, "a2", "a"),
                        *b1 = add(&o, "b1", "b");
    assert_ptr_equal(add(&o, "a1", "a"), a1); /* a known id is the same entry */
    assert_ptr_equal(outbox_due(&o, 0, 0), a1);
    a1->in_flight = true;
    assert_ptr_equal(outbox_due(&o, 0, 0), b1); /* a2 waits behind a1 */
    outbox_remove(&o, a1);
    assert_ptr_equal(outbox_due(&o, 0, 0), a2);
    a2->lsn = 7;
    assert_ptr_equal(outbox_due(&o, 0, 6), b1); /* not before it is on disk */
    assert_ptr_equal(outbox_due(&o, 0, 7), a2);
    a2->next_attempt_ms = 50;
    b1->next_attempt_ms = 40;
    assert_null(outbox_due(&o, 39, 7));
    assert_int_equal(outbox_next_ms(&o), 40);
    outbox_release(&o);
}

static void answers_are_classified(void **state)
{
    static const struct {
        int rc, status;
        enum delivery want;
    } rows[] = {
        {0,             200, DELIVERY_DONE },
        {0,             204, DELIVERY_DONE },
        {0,             301, DELIVERY_DEAD },
        {0,             400, DELIVERY_DEAD },
        {0,             404, DELIVERY_DEAD },
        {0,             408, DELIVERY_RETRY},
        {0,             425, DELIVERY_RETRY},
        {0,             429, DELIVERY_RETRY},
        {0,             500, DELIVERY_RETRY},
        {0,             503, DELIVERY_RETRY},
        {E_TIMEOUT,     0,   DELIVERY_RETRY},
        {E_UNAVAILABLE, 0,   DELIVERY_RETRY},
        {E_INVALID,     0,   DELIVERY_RETRY},
    };
    UNUSED(state);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(delivery_of(rows[i].rc, rows[i].status), rows[i].want);
}

static void retries_back_off_and_end(void **state)
{
    struct outbox_entry e = {.attempts = 1};
    UNUSED(state);
    assert_true(outbox_retry(&e, &retry_people, 0, -1, 0));
    assert_int_equal(e.next_attempt_ms, 500); /* 1 s * U(0.5, 1.5) at its least */
    e.attempts = 4;
    assert_true(outbox_retry(&e, &retry_people, 0, -1, 0xffff));
    assert_in_range(e.next_attempt_ms, 11990, 12000);
    e.attempts = 60;
    assert_true(outbox_retry(&e, &retry_people, 0, -1, 0));
    assert_int_equal(e.next_attempt_ms, 150000); /* the cap */
    assert_true(outbox_retry(&e, &retry_people, 0, 7000, 0));
    assert_int_equal(e.next_attempt_ms, 7000); /* Retry-After wins */
    assert_false(outbox_retry(&e, &retry_people, INT64_C(86400000), -1, 0));
    assert_false(outbox_retry(&e, &retry_machines, 600000, -1, 0));
}

static void signature_follows_the_standard(void **state)
{
    /* the worked example of the Standard Webhooks specification */
    struct buf out = BUF_INIT(256);
    UNUSED(state);
    webhook_signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                      1614265330, STR("{\"test\": 2432232314}"), &out);
    assert_string_equal(out.p, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_waits_then_speaks_once),
        cmocka_unit_test(new_and_resolved_alerts_keep_the_interval),
        cmocka_unit_test(repeat_interval_repeats),
        cmocka_unit_test(zero_wait_sends_changes_at_once),
        cmocka_unit_test(short_life_between_messages_is_not_told),
        cmocka_unit_test(unconfirmed_alert_counts_as_resolved),
        cmocka_unit_test(continue_reaches_several_receivers),
        cmocka_unit_test(packed_group_goes_on_where_it_was),
        cmocka_unit_test(same_message_same_id),
        cmocka_unit_test(broken_configurations_are_told),
        cmocka_unit_test(lanes_keep_their_order),
        cmocka_unit_test(answers_are_classified),
        cmocka_unit_test(retries_back_off_and_end),
        cmocka_unit_test(signature_follows_the_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
