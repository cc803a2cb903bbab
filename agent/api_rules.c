/* api_rules.c -- /api/v1/rules, alerts, alertmanagers: the state of the rules in Prometheus' JSON.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "agent/api_match.h"
#include "agent/api_status.h"
#include "core/hash.h"
#include "core/mem.h"

enum { SELECTORS_BYTES = 4 << 20 };

/* --- alerts --- */

/* Go's FormatFloat(v, 'e', -1, 64): shortest digits, always with an exponent. */
static void put_value_e(struct json *j, double v)
{
    char text[64];
    for (int digits = 0; digits <= 17; digits++) {
        double back;
        snprintf(text, sizeof text, "%.*e", digits, v);
        if (str_to_double(str_of(text), &back) == 0 && back == v) break;
    }
    if (v != v)
        snprintf(text, sizeof text, "NaN");
    else if (v > 1.7976931348623157e308)
        snprintf(text, sizeof text, "+Inf");
    else if (v < -1.7976931348623157e308)
        snprintf(text, sizeof text, "-Inf");
    json_cstr(j, text);
}

static void put_alert(struct json *j, const struct alert_status *s)
{
    json_obj(j);
    json_key(j, "labels");
    api_labels(j, s->labels);
    json_key(j, "annotations");
    api_labels(j, s->annotations);
    json_kv_cstr(j, "state", s->state);
    json_key(j, "activeAt");
    api_rfc3339(j, s->active_ms);
    if (s->keep_firing_since_ms) {
        json_key(j, "keepFiringSince");
        api_rfc3339(j, s->keep_firing_since_ms);
    }
    json_key(j, "value");
    put_value_e(j, s->value);
    json_end(j);
}

static int put_group_alerts(void *arg, const struct group_status *g)
{
    struct json *j = arg;
    for (size_t i = 0; i < g->rule_count; i++)
        for (size_t k = 0; k < g->rules[i].alert_count; k++)
            put_alert(j, &g->rules[i].alerts[k]);
    return 0;
}

void api_alerts(struct app *a, struct request *r, struct response *p)
{
    struct json j;
    UNUSED(r);
    api_begin(p, &j);
    json_obj(&j);
    json_kv_arr(&j, "alerts");
    if (a->rules) rules_engine_visit(a->rules, put_group_alerts, &j);
    json_end(&j);
    json_end(&j);
    api_end(p, &j, NULL, false);
}

/* --- rules --- */

struct rules_filter {
    struct json j;
    const struct request *r;
    struct api_selectors selectors; /* of the rules' labels */
    struct arena arena;
    bool alerting, recording, exclude_alerts;
    size_t group_limit, seen;
    struct str next_token;      /* start at this group */
    bool waiting;               /* for next_token */
    char more[API_GROUP_TOKEN]; /* of the group after the last one shown */
};

void api_group_token(const char *file, const char *name, char out[API_GROUP_TOKEN])
{
    struct buf text = BUF_INIT((size_t)1 << 20);
    uint8_t digest[32];
    buf_addf(&text, "%s;%s", file, name);
    sha256(text.p ? text.p : "", text.len, digest);
    hex_encode(digest, (API_GROUP_TOKEN - 1) / 2, out);
    buf_release(&text);
}

/* Whether v is among the values of a repeatable parameter, or there are none. */
static bool wanted(const struct request *r, const char *param, const char *v)
{
    struct str text = request_param_at(r, param, 0);
    if (!text.p) return true;
    for (size_t i = 0; (text = request_param_at(r, param, i)).p; i++)
        if (str_eq(text, str_of(v))) return true;
    return false;
}

static bool rule_wanted(const struct rules_filter *f, const struct rule_status *s)
{
    bool alerting = strcmp(s->type, "alerting") == 0;
    return (alerting ? f->alerting : f->recording) && wanted(f->r, "rule_name[]", s->name) &&
           api_selectors_match(&f->selectors, s->labels);
}

static void put_alerting(struct rules_filter *f, const struct rule_status *s)
{
    struct json *j = &f->j;
    json_kv_cstr(j, "state", s->state);
    json_kv_double(j, "duration", (double)s->for_ms / 1000);
    json_kv_double(j, "keepFiringFor", (double)s->keep_firing_for_ms / 1000);
    json_key(j, "annotations");
    api_labels(j, s->annotations);
    json_key(j, "alerts");
    if (f->exclude_alerts) {
        json_nil(j);
        return;
    }
    json_arr(j);
    for (size_t i = 0; i < s->alert_count; i++)
        put_alert(j, &s->alerts[i]);
    json_end(j);
}

static void put_rule(struct rules_filter *f, const struct rule_status *s)
{
    struct json *j = &f->j;
    json_obj(j);
    json_kv_cstr(j, "name", s->name);
    json_kv_cstr(j, "query", s->query);
    if (strcmp(s->type, "alerting") == 0) put_alerting(f, s);
    json_key(j, "labels");
    api_labels(j, s->labels);
    json_kv_cstr(j, "health", s->health);
    if (s->last_error && s->last_error[0]) {
        json_kv_cstr(j, "lastError", s->last_error);
    }
    json_kv_cstr(j, "type", s->type);
    json_key(j, "lastEvaluation");
    api_rfc3339(j, s->last_evaluation_ms);
    json_kv_double(j, "evaluationTime", s->evaluation_seconds);
    json_end(j);
}

static void put_group(struct rules_filter *f, const struct group_status *g)
{
    struct json *j = &f->j;
    json_obj(j);
    json_kv_cstr(j, "name", g->name);
    json_kv_cstr(j, "file", g->file);
    json_kv_arr(j, "rules");
    for (size_t i = 0; i < g->rule_count; i++)
        if (rule_wanted(f, &g->rules[i])) put_rule(f, &g->rules[i]);
    json_end(j);
    json_kv_double(j, "interval", (double)g->interval_ms / 1000);
    json_kv_int(j, "limit", g->limit);
    json_kv_double(j, "evaluationTime", g->evaluation_seconds);
    json_key(j, "lastEvaluation");
    api_rfc3339(j, g->last_evaluation_ms);
    json_end(j);
}

static int visit_group(void *arg, const struct group_status *g)
{
    struct rules_filter *f = arg;
    bool any = false;
    char token[API_GROUP_TOKEN];
    if (f->waiting) {
        api_group_token(g->file, g->name, token);
        if (!str_eq(f->next_token, str_of(token))) return 0;
        f->waiting = false;
    }
    if (!wanted(f->r, "rule_group[]", g->name) || !wanted(f->r, "file[]", g->file)) return 0;
    for (size_t i = 0; !any && i < g->rule_count; i++)
        any = rule_wanted(f, &g->rules[i]);
    if (!any) return 0;
    if (f->group_limit && f->seen == f->group_limit) {
        api_group_token(g->file, g->name, f->more);
        return 1;
    }
    f->seen++;
    put_group(f, g);
    return 0;
}

static int read_paging(struct rules_filter *f, const struct request *r, struct response *p)
{
    struct str s = request_param(r, "group_limit");
    int64_t limit = 0;
    f->next_token = request_param(r, "group_next_token");
    f->waiting = f->next_token.len > 0;
    if (f->waiting && !s.len)
        return api_invalid(p, "group_next_token",
                           "group_limit needs to be present in order to paginate over the groups");
    if (!s.len) return 0;
    if (str_to_i64(s, &limit) < 0 || limit > INT32_MAX || limit < INT32_MIN)
        return api_invalid(p, "group_limit",
                           "group_limit needs to be a valid number: strconv.ParseInt: parsing "
                           "\"%.*s\": invalid syntax",
                           (int)MIN(s.len, 100), s.p);
    if (limit <= 0) return api_invalid(p, "group_limit", "group_limit needs to be greater than 0");
    f->group_limit = (size_t)limit;
    return 0;
}

static int read_filter(struct rules_filter *f, const struct request *r, struct response *p)
{
    struct str type = request_param(r, "type");
    struct errmsg err = {0};
    f->r = r;
    if (api_selectors_read(&f->selectors, r, &f->arena, &err) < 0) {
        response_fail(p, "bad_data", "%s", err.text);
        return -1;
    }
    f->alerting = type.len == 0 || str_eq_nocase(type, STR("alert"));
    f->recording = type.len == 0 || str_eq_nocase(type, STR("record"));
    if (!f->alerting && !f->recording)
        return api_invalid(p, "type", "not supported value \"%.*s\"", (int)MIN(type.len, 100),
                           type.p);
    if (api_bool(r, p, "exclude_alerts", &f->exclude_alerts) < 0) return -1;
    return read_paging(f, r, p);
}

static void put_groups(struct rules_filter *f, struct app *a, struct response *p)
{
    api_begin(p, &f->j);
    json_obj(&f->j);
    json_kv_arr(&f->j, "groups");
    int rc = a->rules ? rules_engine_visit(a->rules, visit_group, f) : 0;
    json_end(&f->j);
    if (f->more[0]) {
        json_kv_cstr(&f->j, "groupNextToken", f->more);
    }
    json_end(&f->j);
    api_end(p, &f->j, NULL, false);
    if (rc < 0)
        response_fail(p, "internal", "cannot read the rules: %s", err_text(rc));
    else if (f->waiting)
        api_invalid(p, "group_next_token",
                    "invalid group_next_token '%.*s'. were rule groups changed?",
                    (int)MIN(f->next_token.len, 100), f->next_token.p);
}

void api_rules(struct app *a, struct request *r, struct response *p)
{
    struct rules_filter *f = mem_zalloc(sizeof *f);
    if (!f) {
        response_fail(p, "unavailable", "out of memory");
        return;
    }
    arena_init(&f->arena, SELECTORS_BYTES);
    if (read_filter(f, r, p) == 0) put_groups(f, a, p);
    api_selectors_release(&f->selectors);
    arena_release(&f->arena);
    mem_free(f);
}

/* --- alertmanagers --- */

/* We notify ourselves; there is no Alertmanager behind us. */
void api_alertmanagers(struct app *a, struct request *r, struct response *p)
{
    static const char *const keys[] = {"activeAlertmanagers", "droppedAlertmanagers"};
    struct json j;
    UNUSED(a);
    UNUSED(r);
    api_begin(p, &j);
    json_obj(&j);
    for (size_t i = 0; i < COUNT(keys); i++) {
        json_kv_arr(&j, keys[i]);
        json_end(&j);
    }
    json_end(&j);
    api_end(p, &j, NULL, false);
}
