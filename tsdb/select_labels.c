/* select_labels.c -- label names and values, without reading what need not be read.
 *
 * A value counts when one series that carries it has a sample in the range, so the first one found
 * ends the search for that value. The index tells who carries it; most series of the head answer
 * from the times of their chunks. Those that cannot (their samples are in day files, or the range
 * lies inside a chunk) are noted and read afterwards, without the index being held, and only while
 * their value has not been found.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "core/mem.h"
#include "tsdb/select_int.h"

enum { FIRST_SUSPECTS = 2 }; /* of a text; more are asked for when these do not prove it */

/* A text that may be told, and who may prove it. */
struct text {
    struct str text; /* in the arena */
    bool found;
    uint32_t suspects;
};
struct suspect {
    size_t text;
    uint32_t slot, id;
    int64_t day_ms; /* of the file to ask; IN_HEAD: the head and all files */
};
#define IN_HEAD INT64_MIN

struct search {
    struct tsdb_set set;
    const struct select_request *r;
    struct str name; /* empty: names are asked for */
    struct index_pause *pause;
    struct ordinals among;
    int64_t floor_ms;

    struct text *texts;
    size_t text_count, text_cap;
    struct suspect *suspects;
    size_t suspect_count, suspect_cap;

    uint32_t suspects_max; /* of a text */

    const struct index *index; /* being visited */
    int64_t day_ms;
    bool whole_day; /* the range covers it, and nothing of it was deleted */
};

static int grow(struct arena *a, void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return 0;
    size_t more = *cap ? 2 * *cap : 64;
    void *grown = arena_alloc(a, more * size);
    if (!grown) return a->err;
    if (count) memcpy(grown, *array, count * size);
    *array = grown;
    *cap = more;
    return 0;
}

/* The number of a text: the last one's, when it is the same. */
static int text_number(struct search *s, struct str text, size_t *out)
{
    void *array = s->texts;
    *out = s->text_count - 1;
    if (s->text_count && str_eq(s->texts[*out].text, text)) return 0;
    int rc = grow(s->r->arena, &array, s->text_count, &s->text_cap, sizeof *s->texts);
    s->texts = array;
    struct str copy = rc == 0 ? arena_str(s->r->arena, text) : text;
    if (rc < 0 || !copy.p) return rc < 0 ? rc : s->r->arena->err;
    *out = s->text_count++;
    s->texts[*out] = (struct text){.text = copy};
    return 0;
}

/* 1 when these are enough. */
static int suspect(struct search *s, struct suspect who)
{
    void *array = s->suspects;
    int rc = grow(s->r->arena, &array, s->suspect_count, &s->suspect_cap, sizeof *s->suspects);
    s->suspects = array;
    if (rc < 0) return rc;
    s->suspects[s->suspect_count++] = who;
    return ++s->texts[who.text].suspects >= s->suspects_max;
}

/* --- the head's index ---------------------------------------------------------------------------
 */

static int look_at_slot(void *arg, struct str text, uint32_t slot)
{
    struct search *s = arg;
    struct head *h = &s->set.db->head;
    size_t number = 0;
    int rc = budget_look(&s->set.watch);
    if (rc == 0) rc = text_number(s, text, &number);
    if (rc < 0) return rc;
    pthread_mutex_lock(&h->lock);
    enum presence p = head_presence(s->set.db, head_series(h, slot), s->r->start_ms, s->r->end_ms);
    pthread_mutex_unlock(&h->lock);
    s->texts[number].found |= p == PRESENCE_SURE;
    if (p != PRESENCE_UNKNOWN) return p == PRESENCE_SURE;
    return suspect(s, (struct suspect){number, slot, index_id(s->index, slot), IN_HEAD});
}

static int visit(struct search *s, const struct index *x, struct index_pause *pause,
                 index_text_fn *each)
{
    const struct select_request *r = s->r;
    int rc = 0;
    s->index = x;
    if (r->matcher_count)
        rc = index_select_pausing(x, r->matchers, r->matcher_count, pause, &s->among);
    return rc ? rc : index_visit_texts(x, s->name, r->matcher_count ? &s->among : NULL, each, s);
}

static int search_head(struct search *s)
{
    struct head *h = &s->set.db->head;
    struct index_reading g;
    int rc;
    do {
        s->text_count = s->suspect_count = 0;
        index_reading_begin(&g, s->set.db, s->r->budget, s->set.watch.err);
        s->floor_ms = h->floor_ms;
        rc = visit(s, h->index, &g.pause, look_at_slot);
        index_reading_end(&g);
    } while (rc == E_STALE);
    return rc;
}

/* --- the days' indexes --------------------------------------------------------------------------
 */

static int look_at_day_series(void *arg, struct str text, uint32_t ordinal)
{
    struct search *s = arg;
    size_t number = 0;
    int rc = budget_look(&s->set.watch);
    if (rc == 0) rc = text_number(s, text, &number);
    if (rc < 0) return rc;
    s->texts[number].found |= s->whole_day;
    if (s->texts[number].found) return 1;
    return suspect(s, (struct suspect){number, 0, index_id(s->index, ordinal), s->day_ms});
}

static int search_day(void *arg, struct day *day, const struct index *x)
{
    struct search *s = arg;
    s->day_ms = day->day_ms;
    s->whole_day = s->r->start_ms <= day->day_ms && s->r->end_ms >= day->day_ms + DAY_MS - 1 &&
                   !day_has_cuts(day);
    return visit(s, x, NULL, look_at_day_series);
}

/* Series that the head has forgotten. */
static int search_days(struct search *s)
{
    struct day **days = NULL;
    size_t count = 0;
    if (s->r->start_ms > s->floor_ms) return 0;
    int rc = days_pin(s->set.db, s->r->start_ms, MIN(s->r->end_ms, s->floor_ms), &days, &count);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = day_with_index(s->set.db, days[i], search_day, s);
    days_unpin(s->set.db, days, count);
    return rc;
}

/* --- proof --------------------------------------------------------------------------------------
 */

static int read_suspects(struct search *s)
{
    for (size_t i = 0; i < s->suspect_count; i++) {
        const struct suspect *who = &s->suspects[i];
        struct text *text = &s->texts[who->text];
        struct item item = {.slot = who->slot, .id = who->id};
        int rc = text->found ? 0 : budget_look(&s->set.watch);
        if (rc == 0 && !text->found)
            rc = who->day_ms == IN_HEAD ? set_item_is_present(&s->set, &item)
                                        : set_id_is_present(&s->set, who->day_ms, who->id);
        if (rc < 0) return rc;
        text->found |= rc > 0;
    }
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    return str_cmp(x->text, y->text);
}

/* Each text found, once, in order. */
static int tell(struct search *s, str_visit_fn *each, void *arg)
{
    const struct text *last = NULL;
    int rc = budget_sort(s->texts, s->text_count, sizeof *s->texts, by_text, &s->set.watch);
    for (size_t i = 0; i < s->text_count && rc == 0; i++) {
        if (!s->texts[i].found || (last && str_eq(last->text, s->texts[i].text))) continue;
        last = &s->texts[i];
        rc = each(arg, last->text);
    }
    return rc;
}

static uint64_t index_number(struct tsdb *db)
{
    pthread_rwlock_rdlock(&db->head.index_lock);
    uint64_t n = db->head.index_seq;
    pthread_rwlock_unlock(&db->head.index_lock);
    return n;
}

static bool some_are_open(const struct search *s)
{
    for (size_t i = 0; i < s->text_count; i++)
        if (!s->texts[i].found && s->texts[i].suspects == s->suspects_max) return true;
    return false;
}

/* Slots are good for one index: when it has changed by the end, all is done again. So it is, with
 * every suspect, when the first ones proved too little. */
static int search_all(struct search *s)
{
    struct tsdb *db = s->set.db;
    bool again;
    int rc;
    s->suspects_max = FIRST_SUSPECTS;
    do {
        uint64_t before = index_number(db);
        rc = search_head(s);
        if (rc == 0) rc = search_days(s);
        if (rc == 0) rc = read_suspects(s);
        bool open = some_are_open(s);
        again = open || index_number(db) != before;
        if (open) s->suspects_max = UINT32_MAX;
    } while (rc == 0 && again);
    return rc;
}

static int label_query(struct querier *q, struct str name, const struct select_request *r,
                       str_visit_fn *each, void *arg, struct errmsg *err)
{
    struct tsdb *db = (struct tsdb *)q;
    struct search s = {.r = r, .name = name};
    struct errmsg why = {0};
    set_init(&s.set, db, r, &why);
    s.set.latest_only = true;
    int rc = budget_check(r->budget, db->env, &why);
    if (rc == 0 && r->start_ms <= r->end_ms) rc = search_all(&s);
    if (rc == 0) rc = tell(&s, each, arg);
    if (rc < 0 && !why.text[0]) rc = select_failed(r, "look for labels", rc, &why);
    if (rc < 0 && err) *err = why;
    ordinals_release(&s.among);
    set_release(&s.set);
    return rc;
}

int tsdb_label_names(struct querier *q, const struct select_request *r, str_visit_fn *each,
                     void *arg, struct errmsg *err)
{
    return label_query(q, STR(""), r, each, arg, err);
}

int tsdb_label_values(struct querier *q, struct str name, const struct select_request *r,
                      str_visit_fn *each, void *arg, struct errmsg *err)
{
    if (!name.len) return 0;
    return label_query(q, name, r, each, arg, err);
}
