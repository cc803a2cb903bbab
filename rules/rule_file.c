/* rule_file.c -- Prometheus rule files into rules.
 *
 * Keys are rows of three tables: of the file, of a group, of a rule. Every problem of a file is
 * reported, each where it stands, also inside expressions and templates. Keys of ours that later
 * versions will know are refused by name rather than ignored.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "core/hash.h"
#include "core/mem.h"
#include "rules/rule_int.h"

struct reader {
    struct rule_set *set;
    struct ydoc doc;
    struct diags *diags;
    const char *file; /* in the set's arena */
    int64_t default_interval_ms;
    bool out_of_memory;
};

/* --- mappings --- */

struct key_row {
    const char *name;
    bool unsupported; /* known, but not built */
};

enum { KEYS_MAX = 20 };

/* What a mapping had for each row of its table. */
struct fields {
    const struct ynode *key[KEYS_MAX], *value[KEYS_MAX];
    const struct ynode *node;
};

static void complain_at(struct reader *r, const struct ynode *n, const char *hint, const char *text)
{
    int rc = ynode_error(&r->doc, n, r->diags, hint, "%s", text);
    UNUSED(rc);
}

static void unknown_key(struct reader *r, const struct ynode *key, const struct key_row *rows,
                        size_t count, const char *what)
{
    const char *names[KEYS_MAX];
    char text[200], hint[120];
    for (size_t i = 0; i < count; i++)
        names[i] = rows[i].name;
    const char *near = str_nearest(key->value, names, count);
    snprintf(text, sizeof text, "unknown key \"%.*s\" in %s", (int)MIN(key->value.len, (size_t)80),
             key->value.p, what);
    if (near)
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", near);
    else
        snprintf(hint, sizeof hint, "remove it, or indent it under the key it belongs to");
    complain_at(r, key, hint, text);
}

static void take_key(struct reader *r, const struct ypair *pair, const struct key_row *rows,
                     size_t count, const char *what, bool merged, struct fields *f)
{
    char text[160];
    size_t i = 0;
    while (i < count && !str_eq(pair->key->value, str_of(rows[i].name)))
        i++;
    if (i == count) {
        if (!merged) unknown_key(r, pair->key, rows, count, what);
        return;
    }
    if (f->key[i] && merged) return; /* the mapping's own key wins */
    if (rows[i].unsupported && !merged) {
        snprintf(text, sizeof text, "\"%s\" is not supported yet", rows[i].name);
        complain_at(r, pair->key, "remove it: the rule then behaves as in Prometheus", text);
    }
    f->key[i] = pair->key;
    f->value[i] = pair->value;
}

static bool is_merge(const struct ynode *key)
{
    return key->kind == YNODE_SCALAR && key->plain && str_eq(key->value, STR("<<"));
}

/* The mappings a "<<" merges in; keys already there stay. */
static void merge_keys(struct reader *r, const struct ynode *from, const struct key_row *rows,
                       size_t count, const char *what, int depth, struct fields *f)
{
    if (from->kind == YNODE_SEQUENCE && depth < 4) {
        for (size_t i = 0; i < from->count; i++)
            merge_keys(r, from->items[i], rows, count, what, depth + 1, f);
        return;
    }
    if (from->kind != YNODE_MAPPING || depth >= 4) {
        complain_at(r, from, "give it a mapping's alias, as in <<: *name",
                    "map merge requires a mapping");
        return;
    }
    for (size_t i = 0; i < from->count; i++) {
        if (from->pairs[i].key->kind != YNODE_SCALAR) continue;
        if (is_merge(from->pairs[i].key))
            merge_keys(r, from->pairs[i].value, rows, count, what, depth + 1, f);
        else
            take_key(r, &from->pairs[i], rows, count, what, true, f);
    }
}

static bool read_mapping(struct reader *r, const struct ynode *n, const struct key_row *rows,
                         size_t count, const char *what, struct fields *f)
{
    char text[100];
    *f = (struct fields){.node = n};
    if (n->kind != YNODE_MAPPING) {
        snprintf(text, sizeof text, "%s must be a mapping", what);
        complain_at(r, n, "write it as key: value lines", text);
        return false;
    }
    for (size_t i = 0; i < n->count; i++) {
        if (n->pairs[i].key->kind != YNODE_SCALAR)
            complain_at(r, n->pairs[i].key, "keys are plain words", "a key must be a scalar");
        else if (!is_merge(n->pairs[i].key))
            take_key(r, &n->pairs[i], rows, count, what, false, f);
    }
    for (size_t i = 0; i < n->count; i++)
        if (is_merge(n->pairs[i].key)) merge_keys(r, n->pairs[i].value, rows, count, what, 0, f);
    return true;
}

/* --- scalars --- */

static const char *copy(struct reader *r, struct str s)
{
    struct str c = arena_str(&r->set->arena, s);
    if (!c.p) r->out_of_memory = true;
    return c.p ? c.p : "";
}

static bool want_scalar(struct reader *r, const struct ynode *n, const char *key)
{
    char text[100];
    if (n->kind == YNODE_SCALAR) return true;
    snprintf(text, sizeof text, "\"%s\" must be a single value, not a %s", key,
             n->kind == YNODE_MAPPING ? "mapping" : "list");
    complain_at(r, n, NULL, text);
    return false;
}

static int64_t read_duration(struct reader *r, const struct ynode *n, const char *key, int64_t dflt)
{
    struct errmsg err = {0};
    int64_t ms;
    if (!n || ynode_is_null(n) || !want_scalar(r, n, key)) return dflt;
    if (str_to_duration(n->value, &ms, &err) == 0) return ms;
    complain_at(r, n, err.hint[0] ? err.hint : "write it as in 30s, 5m or 1h30m", err.text);
    return dflt;
}

static int64_t read_interval(struct reader *r, const struct ynode *n)
{
    int64_t ms = read_duration(r, n, "interval", 0);
    if (ms == 0) return r->default_interval_ms;
    if (ms >= RULE_INTERVAL_MIN_MS) return ms;
    complain_at(r, n, "the shortest interval is 100ms", "interval is too short");
    return r->default_interval_ms;
}

static int64_t read_limit(struct reader *r, const struct ynode *n)
{
    int64_t v = 0;
    if (!n || ynode_is_null(n) || !want_scalar(r, n, "limit")) return 0;
    if (str_to_i64(n->value, &v) == 0 && v >= 0) return v;
    complain_at(r, n, "give a whole number; 0 means no limit",
                "limit must be a whole number of 0 or more");
    return 0;
}

/* --- labels and annotations --- */

static bool name_is_valid(const struct reader *r, struct str name)
{
    return r->set->legacy_names ? label_name_is_legacy(name) : label_name_is_valid(name);
}

static const struct template *read_template(struct reader *r, const struct ynode *n,
                                            const char *rule)
{
    struct template *t = NULL;
    struct errmsg err = {0};
    int rc = template_parse(n->value, rule, &r->set->arena, &t, &err);
    if (rc == 0) return t;
    if (rc == -ENOMEM) r->out_of_memory = true;
    int line, column;
    scalar_position(&r->doc, n, err.line ? err.offset : 0, &line, &column);
    diags_add(r->diags, DIAG_ERROR, r->doc.file, r->doc.text, line, column, 1,
              err.hint[0] ? err.hint : "see the Go text/template syntax", "bad template: %s",
              err.text);
    return NULL;
}

/* Room for the pairs of n after those of base, which are kept first. */
static bool start_texts(struct reader *r, const struct ynode *n, struct rule_texts base,
                        const char *key, struct rule_texts *out)
{
    char text[100];
    *out = base;
    if (!n || ynode_is_null(n)) return false;
    if (n->kind != YNODE_MAPPING) {
        snprintf(text, sizeof text, "\"%s\" must be a mapping of names to values", key);
        complain_at(r, n, "write name: value lines below it", text);
        return false;
    }
    out->v = arena_array(&r->set->arena, base.count + n->count + 1, sizeof *out->v);
    if (!out->v) {
        r->out_of_memory = true;
        out->count = 0;
        return false;
    }
    for (size_t i = 0; i < base.count; i++)
        out->v[i] = base.v[i];
    return true;
}

/* A name set again replaces what the group said. */
static struct rule_text *text_slot(struct rule_texts *t, struct str name)
{
    for (size_t i = 0; i < t->count; i++)
        if (str_eq(t->v[i].name, name)) return &t->v[i];
    return &t->v[t->count++];
}

enum text_kind { TEXT_LABEL, TEXT_ANNOTATION };

static void read_text(struct reader *r, const struct ypair *p, enum text_kind kind,
                      const char *rule, struct rule_texts *out)
{
    const char *what = kind == TEXT_LABEL ? "label" : "annotation";
    char text[200];
    if (p->key->kind != YNODE_SCALAR || !want_scalar(r, p->key, what)) return;
    struct str name = p->key->value;
    if (!name_is_valid(r, name) || (kind == TEXT_LABEL && str_eq(name, STR(METRIC_NAME)))) {
        snprintf(text, sizeof text, "invalid %s name: %.*s", what, (int)MIN(name.len, (size_t)80),
                 name.p);
        complain_at(r, p->key,
                    str_eq(name, STR(METRIC_NAME)) ? "the name comes from record or alert"
                                                   : "use letters, digits and underscores",
                    text);
        return;
    }
    if (!want_scalar(r, p->value, what)) return;
    struct str value = ynode_is_null(p->value) ? STR("") : p->value->value;
    const struct template *t = NULL;
    if (rule && value.len > 0) t = read_template(r, p->value, rule);
    struct rule_text *slot = text_slot(out, name);
    slot->name = (struct str){copy(r, name), name.len};
    slot->value = (struct str){copy(r, value), value.len};
    slot->template = t;
}

/* rule: the name templates go by; NULL where texts are not templates. */
static struct rule_texts read_texts(struct reader *r, const struct ynode *n, enum text_kind kind,
                                    struct rule_texts base, const char *rule)
{
    struct rule_texts out;
    const char *key = kind == TEXT_LABEL ? "labels" : "annotations";
    if (!start_texts(r, n, base, key, &out)) return out;
    for (size_t i = 0; i < n->count; i++) {
        if (is_merge(n->pairs[i].key))
            complain_at(r, n->pairs[i].key, "write the pairs out",
                        "map merge is not supported in labels and annotations");
        else
            read_text(r, &n->pairs[i], kind, rule, &out);
    }
    return out;
}

/* --- rules --- */

enum {
    RULE_RECORD,
    RULE_ALERT,
    RULE_EXPR,
    RULE_FOR,
    RULE_KEEP,
    RULE_LABELS,
    RULE_ANNOTATIONS,
};
static const struct key_row rule_keys[] = {
    [RULE_RECORD] = {"record",          false},
    [RULE_ALERT] = {"alert",           false},
    [RULE_EXPR] = {"expr",            false},
    [RULE_FOR] = {"for",             false},
    [RULE_KEEP] = {"keep_firing_for", false},
    [RULE_LABELS] = {"labels",          false},
    [RULE_ANNOTATIONS] = {"annotations",     false},
    {"eval",            true },
    {"clear_threshold", true },
    {"clear_expr",      true },
    {"clear_for",       true },
    {"no_data",         true },
    {"on_error",        true },
    {"missing_after",   true },
    {"flap",            true },
};

static bool is_set(const struct ynode *n)
{
    return n && !ynode_is_null(n) && (n->kind != YNODE_SCALAR || n->value.len > 0);
}

/* Which of record and alert names the rule; NULL (reported) when not exactly one does. */
static const struct ynode *rule_name_node(struct reader *r, const struct fields *f)
{
    const struct ynode *record = f->value[RULE_RECORD], *alert = f->value[RULE_ALERT];
    bool has_record = is_set(record), has_alert = is_set(alert);
    if (has_record && has_alert) {
        complain_at(r, f->key[RULE_ALERT], "make it two rules",
                    "only one of 'record' and 'alert' must be set");
        return NULL;
    }
    if (!has_record && !has_alert) {
        const struct ynode *at = record  ? f->key[RULE_RECORD]
                                 : alert ? f->key[RULE_ALERT]
                                         : f->node;
        if (!record && !alert && f->node->count > 0) at = f->node->pairs[0].key;
        complain_at(r, at, "add alert: NAME or record: NAME",
                    "one of 'record' or 'alert' must be set");
        return NULL;
    }
    const struct ynode *name = has_record ? record : alert;
    return want_scalar(r, name, has_record ? "record" : "alert") ? name : NULL;
}

static void check_record_name(struct reader *r, const struct ynode *n)
{
    char text[300];
    struct str name = n->value;
    if (memchr(name.p, '{', name.len) || memchr(name.p, '}', name.len)) {
        snprintf(text, sizeof text,
                 "braces present in the recording rule name; should it be in expr?: %.*s",
                 (int)MIN(name.len, (size_t)150), name.p);
        complain_at(r, n, "put labels under labels:", text);
    } else if (!(r->set->legacy_names ? metric_name_is_legacy(name) : metric_name_is_valid(name))) {
        snprintf(text, sizeof text, "invalid recording rule name: %.*s",
                 (int)MIN(name.len, (size_t)150), name.p);
        complain_at(r, n, "use letters, digits, underscores and colons", text);
    }
}

/* Keys that only alerts have. */
static void check_recording_fields(struct reader *r, const struct fields *f)
{
    static const int alert_only[] = {RULE_FOR, RULE_KEEP, RULE_ANNOTATIONS};
    char text[100];
    for (size_t i = 0; i < COUNT(alert_only); i++) {
        int k = alert_only[i];
        if (!f->key[k] || ynode_is_null(f->value[k])) continue;
        int64_t ms;
        if (k != RULE_ANNOTATIONS && f->value[k]->kind == YNODE_SCALAR &&
            str_to_duration(f->value[k]->value, &ms, NULL) == 0 && ms == 0)
            continue;
        if (f->value[k]->kind == YNODE_MAPPING && f->value[k]->count == 0) continue;
        snprintf(text, sizeof text, "invalid field '%s' in recording rule", rule_keys[k].name);
        complain_at(r, f->key[k], "remove it, or make the rule an alert", text);
    }
}

static void warn_of_type(struct reader *r, const struct ynode *n, const struct expr *e)
{
    if (e->type != T_MATRIX && e->type != T_STRING) return;
    int line, column;
    scalar_position(&r->doc, n, e->start, &line, &column);
    diags_add(r->diags, DIAG_WARNING, r->doc.file, r->doc.text, line, column, 1,
              "a rule needs an instant vector or a scalar: every evaluation will fail",
              "expression is a %s", value_type_name(e->type));
}

struct marking {
    struct reader *r;
    const struct ynode *node;
    struct rule_place *places;
    size_t count;
};

static int mark_selector(void *arg, const struct expr *selector)
{
    struct marking *m = arg;
    struct rule_place *at = m->places ? &m->places[m->count] : NULL;
    if (at) scalar_position(&m->r->doc, m->node, selector->start, &at->line, &at->column);
    m->count++;
    return 0;
}

/* Counts the selectors, then notes where each stands. */
static void mark_selectors(struct reader *r, const struct ynode *n, struct rule *rule)
{
    struct marking m = {.r = r, .node = n};
    (void)promql_selectors(rule->expr, mark_selector, &m);
    m.places = arena_array(&r->set->arena, m.count + 1, sizeof *m.places);
    m.count = 0;
    if (m.places)
        (void)promql_selectors(rule->expr, mark_selector, &m);
    else
        r->out_of_memory = true;
    rule->places = m.places;
}

static void read_expr(struct reader *r, const struct fields *f, const struct ynode *name,
                      struct rule *rule)
{
    const struct ynode *n = f->value[RULE_EXPR];
    if (!n || ynode_is_null(n) || (n->kind == YNODE_SCALAR && str_trim(n->value).len == 0)) {
        complain_at(r, f->key[RULE_EXPR] ? f->key[RULE_EXPR] : name,
                    "add expr: with a PromQL query", "field 'expr' must be set in rule");
        return;
    }
    if (!want_scalar(r, n, "expr")) return;
    struct errmsg err = {0};
    struct str text = arena_str(&r->set->arena, n->value);
    int rc = text.p ? promql_parse(text, r->set->experimental ? PROMQL_ALL : PROMQL_DEFAULT,
                                   &r->set->arena, &rule->expr, &err)
                    : -ENOMEM;
    if (rc == -ENOMEM) r->out_of_memory = true;
    if (rc < 0) {
        int line, column;
        rule->expr = NULL;
        scalar_position(&r->doc, n, err.line ? err.offset : 0, &line, &column);
        diags_add(r->diags, DIAG_ERROR, r->doc.file, r->doc.text, line, column, 1,
                  err.hint[0] ? err.hint : "check the expression at the mark", "parse error: %s",
                  err.text);
        return;
    }
    warn_of_type(r, n, rule->expr);
    if (r->set->mark_selectors) mark_selectors(r, n, rule);
    struct buf b = BUF_INIT(1 << 20);
    if (promql_print(rule->expr, &b) < 0 || b.err) r->out_of_memory = true;
    rule->query = copy(r, (struct str){b.p ? b.p : "", b.len});
    buf_release(&b);
}

static uint64_t hash_text(uint64_t h, struct str s)
{
    return fnv1a64(fnv1a64(h, s.p, s.len), "\xff", 1);
}

/* What makes a rule the same one after a reload or a restart. */
static uint64_t rule_key(const struct rule_group *g, const struct rule *rule)
{
    uint64_t h = hash_text(FNV1A64_INIT, str_of(g->file));
    h = hash_text(h, str_of(g->name));
    h = hash_text(h, rule->is_alert ? STR("alert") : STR("record"));
    h = hash_text(h, str_of(rule->name));
    h = hash_text(h, str_of(rule->query));
    for (size_t i = 0; i < rule->labels.count; i++)
        h = hash_text(hash_text(h, rule->labels.v[i].name), rule->labels.v[i].value);
    for (const struct rule *other = g->rules; other; other = other->next)
        if (other->key == h) h = hash_text(h, STR("again"));
    return h;
}

static void read_rule(struct reader *r, const struct ynode *n, struct rule_group *g,
                      struct rule_texts group_labels)
{
    struct fields f;
    if (!read_mapping(r, n, rule_keys, COUNT(rule_keys), "rule", &f)) return;
    const struct ynode *name = rule_name_node(r, &f);
    if (!name) return;
    struct rule *rule = arena_zalloc(&r->set->arena, sizeof *rule);
    if (!rule) {
        r->out_of_memory = true;
        return;
    }
    rule->is_alert = name == f.value[RULE_ALERT];
    rule->name = copy(r, name->value);
    rule->line = n->line;
    rule->group = g;
    rule->query = "";
    read_expr(r, &f, name, rule);
    char template_name[100];
    snprintf(template_name, sizeof template_name, "__alert_%.80s", rule->name);
    const char *templates = rule->is_alert ? template_name : NULL;
    rule->labels = read_texts(r, f.value[RULE_LABELS], TEXT_LABEL, group_labels, templates);
    if (rule->is_alert) {
        struct rule_texts none = {0};
        rule->for_ms = read_duration(r, f.value[RULE_FOR], "for", 0);
        rule->keep_firing_for_ms = read_duration(r, f.value[RULE_KEEP], "keep_firing_for", 0);
        rule->annotations =
            read_texts(r, f.value[RULE_ANNOTATIONS], TEXT_ANNOTATION, none, templates);
    } else {
        check_record_name(r, name);
        check_recording_fields(r, &f);
    }
    rule->key = rule_key(g, rule);
    *g->last = rule;
    g->last = &rule->next;
    g->count++;
    r->set->rule_count++;
}

/* --- groups --- */

enum { GROUP_NAME, GROUP_INTERVAL, GROUP_OFFSET, GROUP_LIMIT, GROUP_LABELS, GROUP_RULES };
static const struct key_row group_keys[] = {
    [GROUP_NAME] = {"name",         false},
    [GROUP_INTERVAL] = {"interval",     false},
    [GROUP_OFFSET] = {"query_offset", false},
    [GROUP_LIMIT] = {"limit",        false},
    [GROUP_LABELS] = {"labels",       false},
    [GROUP_RULES] = {"rules",        false},
    {"align",        true },
    {"eval_offset",  true },
};

static const char *read_group_name(struct reader *r, const struct fields *f,
                                   const struct rule_group *first)
{
    const struct ynode *n = f->value[GROUP_NAME];
    char text[200];
    if (!is_set(n)) {
        const struct ynode *at = f->key[GROUP_NAME];
        if (!at) at = f->node->count > 0 ? f->node->pairs[0].key : f->node;
        complain_at(r, at, "add name: with a name unique in this file",
                    "groupname must not be empty");
        return "";
    }
    if (!want_scalar(r, n, "name")) return "";
    for (const struct rule_group *g = first; g; g = g->next) {
        if (g->file != r->file || !str_eq(str_of(g->name), n->value)) continue;
        snprintf(text, sizeof text, "groupname: \"%.*s\" is repeated in the same file",
                 (int)MIN(n->value.len, (size_t)100), n->value.p);
        complain_at(r, n, "join the groups or rename one", text);
    }
    return copy(r, n->value);
}

static void read_group(struct reader *r, const struct ynode *n)
{
    struct fields f;
    if (!read_mapping(r, n, group_keys, COUNT(group_keys), "group", &f)) return;
    struct rule_group *g = arena_zalloc(&r->set->arena, sizeof *g);
    if (!g) {
        r->out_of_memory = true;
        return;
    }
    g->file = r->file;
    g->last = &g->rules;
    g->name = read_group_name(r, &f, r->set->groups);
    g->interval_ms = read_interval(r, f.value[GROUP_INTERVAL]);
    g->query_offset_ms = read_duration(r, f.value[GROUP_OFFSET], "query_offset", 0);
    g->limit = read_limit(r, f.value[GROUP_LIMIT]);
    struct rule_texts none = {0};
    struct rule_texts labels = read_texts(r, f.value[GROUP_LABELS], TEXT_LABEL, none, g->name);
    *r->set->last = g;
    r->set->last = &g->next;
    r->set->group_count++;
    const struct ynode *rules = f.value[GROUP_RULES];
    if (!rules || ynode_is_null(rules)) return;
    if (rules->kind != YNODE_SEQUENCE) {
        complain_at(r, rules, "start each rule with a dash", "\"rules\" must be a list");
        return;
    }
    for (size_t i = 0; i < rules->count; i++)
        read_rule(r, rules->items[i], g, labels);
}

enum { FILE_GROUPS };
static const struct key_row file_keys[] = {
    [FILE_GROUPS] = {"groups", false},
      {"slos",   true }
};

static void read_file(struct reader *r)
{
    struct fields f;
    if (ynode_is_null(r->doc.root)) return;
    if (!read_mapping(r, r->doc.root, file_keys, COUNT(file_keys), "rule file", &f)) return;
    const struct ynode *groups = f.value[FILE_GROUPS];
    if (!groups || ynode_is_null(groups)) return;
    if (groups->kind != YNODE_SEQUENCE) {
        complain_at(r, groups, "start each group with a dash", "\"groups\" must be a list");
        return;
    }
    for (size_t i = 0; i < groups->count; i++)
        read_group(r, groups->items[i]);
}

/* --- the set --- */

int rule_set_new(struct rule_set **out)
{
    struct rule_set *s = mem_zalloc(sizeof *s);
    if (!s) return -ENOMEM;
    arena_init(&s->arena, RULE_SET_MAX);
    s->last = &s->groups;
    *out = s;
    return 0;
}

void rule_set_free(struct rule_set *s)
{
    if (!s) return;
    for (struct rule_group *g = s->groups; g; g = g->next)
        for (struct rule *rule = g->rules; rule; rule = rule->next)
            if (rule->expr) promql_expr_release(rule->expr);
    arena_release(&s->arena);
    mem_free(s);
}

void rule_set_legacy_names(struct rule_set *s, bool legacy)
{
    s->legacy_names = legacy;
}

void rule_set_mark_selectors(struct rule_set *s)
{
    s->mark_selectors = true;
}

void rule_set_experimental(struct rule_set *s, bool experimental)
{
    s->experimental = experimental;
}

int rule_set_add(struct rule_set *s, const char *file, struct str text, int64_t default_interval_ms,
                 struct diags *d)
{
    struct arena arena;
    struct reader r = {.set = s, .diags = d, .default_interval_ms = default_interval_ms};
    size_t errors = d->errors;
    arena_init(&arena, 64 << 20);
    r.file = copy(&r, str_of(file));
    int rc = ydoc_parse(&r.doc, file, text, RULE_FILE_MAX, &arena, d);
    /* a repeated key leaves a whole tree: the rest of its problems are told too */
    if (rc == 0 || (rc == E_PARSE && r.doc.root)) read_file(&r);
    if (rc == 0 && r.out_of_memory) {
        rc = -ENOMEM;
        diags_add(d, DIAG_ERROR, file, (struct str){NULL, 0}, 0, 0, 0, NULL,
                  "not enough memory for this rule file");
    }
    if (rc == 0 && d->errors > errors) rc = E_INVALID;
    arena_release(&arena);
    return rc;
}

size_t rule_set_rules(const struct rule_set *s)
{
    return s->rule_count;
}

int rule_set_visit(const struct rule_set *s, rule_visit_fn *each, void *arg)
{
    for (const struct rule_group *g = s->groups; g; g = g->next) {
        for (const struct rule *rule = g->rules; rule; rule = rule->next) {
            struct rule_view v = {.file = g->file,
                                  .group = g->name,
                                  .name = rule->name,
                                  .is_alert = rule->is_alert,
                                  .expr = rule->expr,
                                  .line = rule->line,
                                  .places = rule->places};
            int rc = rule->expr ? each(arg, &v) : 0;
            if (rc != 0) return rc;
        }
    }
    return 0;
}
