/* push_remote.c -- Prometheus' remote write, 1.0 and 2.0, into the store.
 *
 *     1.0  WriteRequest  1: TimeSeries { 1: Label {1: name 2: value}  2: Sample  3: Exemplar
 *                                        4: Histogram }
 *                        3: MetricMetadata { 1: type 2: family 4: help 5: unit }
 *     2.0  Request       4: symbols (texts)
 *                        5: TimeSeries { 1: refs of symbols, name and value in turn  2: Sample
 *                                        3: Histogram  4: Exemplar
 *                                        5: Metadata { 1: type 3: ref of help 4: ref of unit } }
 *     both Sample { 1: value 2: timestamp in ms }
 *
 * A series is read twice: first all of its fields, so that it is well-formed before anything of it
 * is stored; then its samples. The cache knows it by its labels as 1.0 writes them, which are taken
 * apart only when it does not; of 2.0, whose refs mean something else in each message, that form is
 * made. A message that breaks off somewhere
 * is refused there: the series before it may be stored, and the sender is told.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "collector/push_int.h"
#include "core/pb.h"

enum {
    SYMBOLS_MAX = 1 << 20,
    REFS_MAX = 2 * LABELS_MAX,
};

/* Fields of the two versions, by what they are. */
enum series_field { F_LABEL, F_SAMPLE, F_HISTOGRAM, F_EXEMPLAR, F_METADATA, F_OTHER };

struct remote {
    enum remote_write version;
    struct str *symbols;
    size_t symbol_count;
};

/* One TimeSeries, looked over. */
struct series {
    struct str message;
    struct str labels; /* 1.0: their bytes at the start of the message; p NULL: they are not */
    size_t label_count, ref_count, samples, histograms, exemplars;
    double v; /* of the last sample */
    int64_t t_ms;
    struct str metadata; /* 2.0 */
    int number;          /* from 1 */
    uint32_t refs[REFS_MAX];
};

static void series_init(struct series *t, enum remote_write version, struct str message, int number)
{
    t->message = message;
    t->labels = (struct str){version == REMOTE_WRITE_1 ? message.p : NULL, 0};
    t->metadata = (struct str){NULL, 0};
    t->label_count = t->ref_count = t->samples = t->histograms = t->exemplars = 0;
    t->number = number;
}

static enum series_field field_of(enum remote_write version, const struct pb_field *f)
{
    static const enum series_field of_1[] = {[1] = F_LABEL, F_SAMPLE, F_EXEMPLAR, F_HISTOGRAM};
    static const enum series_field of_2[] = {
        [1] = F_LABEL, F_SAMPLE, F_HISTOGRAM, F_EXEMPLAR, F_METADATA};
    uint32_t number = f->tag >> 3;
    if ((f->tag & 7) != PB_BYTES) {
        bool unpacked = version == REMOTE_WRITE_2 && f->tag == PB_TAG(1, PB_VARINT);
        return unpacked ? F_LABEL : F_OTHER;
    }
    if (version == REMOTE_WRITE_1) return number && number < COUNT(of_1) ? of_1[number] : F_OTHER;
    return number && number < COUNT(of_2) ? of_2[number] : F_OTHER;
}

/* --- labels ---------------------------------------------------------------------------------- */

static int malformed(struct errmsg *err, int series, const char *what)
{
    return errmsg_at(err, E_PARSE, series, 0, "malformed remote write message: %s", what);
}

/* { 1: name, 2: value } */
static bool read_label(struct str message, struct label *out)
{
    struct pb m = pb_of(message);
    struct pb_field f;
    *out = (struct label){STR(""), STR("")};
    while (pb_next(&m, &f)) {
        if (f.tag == PB_TAG(1, PB_BYTES)) out->name = f.bytes;
        if (f.tag == PB_TAG(2, PB_BYTES)) out->value = f.bytes;
    }
    return !m.bad;
}

/* One more, unsorted: there are at most LABELS_MAX. A label without value is none. */
static int add_label(struct push *s, struct label l, int number, struct errmsg *err)
{
    if (l.name.len == 0) return errmsg_at(err, E_INVALID, number, 0, "empty label name");
    if (l.value.len) s->labels.v[s->labels.count++] = l;
    return 0;
}

/* Sorts, which is cheaper for many labels than looking for each among the others. */
static int check_unique(struct push *s, int number, struct errmsg *err)
{
    struct labels ls = label_builder_view(&s->labels);
    for (size_t i = 1; i < ls.count; i++) {
        struct str name = ls.v[i].name;
        if (str_eq(ls.v[i - 1].name, name))
            return errmsg_at(err, E_INVALID, number, 0, "label name \"%.*s\" is there twice",
                             (int)MIN(name.len, (size_t)80), name.p);
    }
    return 0;
}

static int add_labels_1(struct push *s, const struct series *t, struct errmsg *err)
{
    struct pb m = pb_of(t->message);
    struct pb_field f;
    int rc = 0;
    while (rc == 0 && pb_next(&m, &f)) {
        struct label l;
        if (f.tag != PB_TAG(1, PB_BYTES)) continue;
        if (!read_label(f.bytes, &l)) return malformed(err, t->number, "labels");
        rc = add_label(s, l, t->number, err);
    }
    return rc;
}

static int add_labels_2(struct push *s, const struct remote *x, const struct series *t,
                        struct errmsg *err)
{
    int rc = 0;
    for (size_t i = 0; i + 1 < t->ref_count && rc == 0; i += 2) {
        struct label l = {x->symbols[t->refs[i]], x->symbols[t->refs[i + 1]]};
        rc = add_label(s, l, t->number, err);
    }
    return rc;
}

/* The labels of a series in s->labels, in the store. */
static int find_series(struct push *s, const struct series *t, tsdb_ref *ref, struct errmsg *err)
{
    const struct remote *x = s->format;
    if (t->label_count > LABELS_MAX)
        return errmsg_at(err, E_INVALID, t->number, 0, "more than %d labels", LABELS_MAX);
    label_builder_init(&s->labels, (struct labels){NULL, 0});
    int rc = x->version == REMOTE_WRITE_1 ? add_labels_1(s, t, err) : add_labels_2(s, x, t, err);
    if (rc == 0) rc = check_unique(s, t->number, err);
    return rc < 0 ? rc : push_series(s, t->number, ref, err);
}

/* --- looking over ------------------------------------------------------------------------------
 */

static void add_ref(struct series *t, uint64_t ref)
{
    if (t->ref_count < REFS_MAX) t->refs[t->ref_count] = (uint32_t)ref;
    t->ref_count++;
}

/* Refs of symbols, packed or one by one. False: malformed. */
static bool add_refs(const struct remote *x, const struct pb_field *f, struct series *t)
{
    if ((f->tag & 7) != PB_BYTES) {
        add_ref(t, f->u);
        return f->u < x->symbol_count;
    }
    struct pb m = pb_of(f->bytes);
    while (m.p < m.end) {
        uint64_t ref = pb_varint(&m);
        if (m.bad || ref >= x->symbol_count) return false;
        add_ref(t, ref);
    }
    return true;
}

/* { 1: value, 2: timestamp } */
static bool read_sample(struct str message, double *v, int64_t *t_ms)
{
    struct pb m = pb_of(message);
    struct pb_field f;
    uint64_t bits = 0, time = 0;
    while (pb_next(&m, &f)) {
        if (f.tag == PB_TAG(1, PB_FIXED64)) bits = f.u;
        if (f.tag == PB_TAG(2, PB_VARINT)) time = f.u;
    }
    /* one NaN means something else here */
    *v = double_of_bits(bits == HISTOGRAM_NAN_BITS ? NORMAL_NAN_BITS : bits);
    *t_ms = (int64_t)time;
    return !m.bad;
}

/* A label that began at `at`; the cursor stands after it. Labels that follow each other from the
 * message's start are the cache's key as they are. */
static bool look_at_label(const struct remote *x, const struct pb_field *f, const char *at,
                          struct series *t)
{
    if (x->version == REMOTE_WRITE_2) return add_refs(x, f, t);
    t->label_count++;
    if (t->labels.p && at == t->labels.p + t->labels.len)
        t->labels.len = (size_t)(f->bytes.p + f->bytes.len - t->labels.p);
    else
        t->labels.p = NULL;
    return true;
}

static int look_over(const struct remote *x, struct series *t, struct errmsg *err)
{
    struct pb m = pb_of(t->message);
    struct pb_field f;
    for (const char *at = m.p; pb_next(&m, &f); at = m.p) {
        switch (field_of(x->version, &f)) {
        case F_LABEL:
            if (!look_at_label(x, &f, at, t)) return malformed(err, t->number, "labels");
            break;
        case F_SAMPLE:
            t->samples++;
            if (read_sample(f.bytes, &t->v, &t->t_ms)) break;
            return malformed(err, t->number, "a sample");
        case F_HISTOGRAM:
            t->histograms++;
            break;
        case F_EXEMPLAR:
            t->exemplars++;
            break;
        case F_METADATA:
            t->metadata = f.bytes;
            break;
        case F_OTHER:
            break;
        }
    }
    if (m.bad) return malformed(err, t->number, "a series breaks off");
    if (t->ref_count % 2) return malformed(err, t->number, "a label without value");
    if (x->version == REMOTE_WRITE_2) t->label_count = t->ref_count / 2;
    return 0;
}

/* --- the cache's key ---------------------------------------------------------------------------
 */

static size_t varint_len(size_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

static char *write_varint(char *p, size_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static char *write_text(char *p, unsigned field, struct str s)
{
    *p++ = (char)PB_TAG(field, PB_BYTES);
    p = write_varint(p, s.len);
    if (s.len) memcpy(p, s.p, s.len);
    return p + s.len;
}

/* A label as 1.0 writes it. */
static void put_label(struct buf *b, struct label l)
{
    size_t inner = 2 + varint_len(l.name.len) + l.name.len + varint_len(l.value.len) + l.value.len;
    if (buf_reserve(b, inner + 1 + varint_len(inner)) < 0) return;
    char *p = b->p + b->len;
    *p++ = (char)PB_TAG(1, PB_BYTES);
    p = write_varint(p, inner);
    p = write_text(p, 1, l.name);
    p = write_text(p, 2, l.value);
    b->len = (size_t)(p - b->p);
}

/* p NULL: it is too long to be remembered, or no labels at all. */
static struct str key_of(struct push *s, const struct series *t)
{
    const struct remote *x = s->format;
    struct pb m = pb_of(t->message);
    struct pb_field f;
    struct label l;
    if (t->labels.p && t->labels.len) return t->labels;
    buf_reset(&s->scratch);
    if (x->version == REMOTE_WRITE_2)
        for (size_t i = 0; i + 1 < MIN(t->ref_count, (size_t)REFS_MAX); i += 2)
            put_label(&s->scratch,
                      (struct label){x->symbols[t->refs[i]], x->symbols[t->refs[i + 1]]});
    while (x->version == REMOTE_WRITE_1 && pb_next(&m, &f)) {
        if (f.tag != PB_TAG(1, PB_BYTES)) continue;
        if (!read_label(f.bytes, &l)) return (struct str){NULL, 0};
        put_label(&s->scratch, l);
    }
    if (s->scratch.err < 0) return (struct str){NULL, 0};
    return (struct str){s->scratch.p, s->scratch.len};
}

/* --- metadata ----------------------------------------------------------------------------------
 */

static enum metric_type type_of(uint64_t type)
{
    static const enum metric_type types[] = {
        METRIC_UNKNOWN,         METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM,
        METRIC_GAUGE_HISTOGRAM, METRIC_SUMMARY, METRIC_INFO,  METRIC_STATESET,
    };
    return type < COUNT(types) ? types[type] : METRIC_UNKNOWN;
}

/* Nobody's data depends on it: what the store refuses is left out. */
static void keep_metadata(struct push *s, const struct metric_metadata *m)
{
    if (!str_is_utf8(m->help) || !str_is_utf8(m->unit)) return;
    if (tsdb_metadata_set(s->p->db, m) < 0) return;
}

static int read_metadata_1(struct push *s, struct str message, struct errmsg *err)
{
    struct pb m = pb_of(message);
    struct pb_field f;
    struct metric_metadata out = {.name = STR(""), .help = STR(""), .unit = STR("")};
    while (pb_next(&m, &f)) {
        if (f.tag == PB_TAG(1, PB_VARINT)) out.type = type_of(f.u);
        if (f.tag == PB_TAG(2, PB_BYTES)) out.name = f.bytes;
        if (f.tag == PB_TAG(4, PB_BYTES)) out.help = f.bytes;
        if (f.tag == PB_TAG(5, PB_BYTES)) out.unit = f.bytes;
    }
    if (m.bad) return malformed(err, 0, "metadata");
    keep_metadata(s, &out);
    return 0;
}

/* The family that a sample's name belongs to. */
static struct str family_of(struct str name, enum metric_type type)
{
    static const char *const suffixes[] = {"_bucket", "_count", "_sum"};
    if (type != METRIC_HISTOGRAM && type != METRIC_SUMMARY && type != METRIC_GAUGE_HISTOGRAM)
        return name;
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        struct str suffix = str_of(suffixes[i]);
        if (str_ends(name, suffix)) return (struct str){name.p, name.len - suffix.len};
    }
    return name;
}

/* Comes with every series of 2.0; read when the series is new to the cache. */
static int read_metadata_2(struct push *s, const struct series *t, struct errmsg *err)
{
    const struct remote *x = s->format;
    struct pb m = pb_of(t->metadata);
    struct pb_field f;
    struct metric_metadata out = {.help = STR(""), .unit = STR("")};
    while (pb_next(&m, &f)) {
        bool text = f.tag == PB_TAG(3, PB_VARINT) || f.tag == PB_TAG(4, PB_VARINT);
        if (text && f.u >= x->symbol_count) m.bad = true;
        if (m.bad) break;
        if (f.tag == PB_TAG(1, PB_VARINT)) out.type = type_of(f.u);
        if (f.tag == PB_TAG(3, PB_VARINT)) out.help = x->symbols[f.u];
        if (f.tag == PB_TAG(4, PB_VARINT)) out.unit = x->symbols[f.u];
    }
    if (m.bad) return malformed(err, t->number, "metadata");
    out.name = family_of(label_builder_get(&s->labels, STR(METRIC_NAME)), out.type);
    if (out.type != METRIC_UNKNOWN || out.help.len) keep_metadata(s, &out);
    return 0;
}

/* --- series ------------------------------------------------------------------------------------
 */

/* Refs that went stale: the series is looked over again. */
static int resolve(struct push *s, const struct push_source *from, tsdb_ref *ref,
                   struct errmsg *err)
{
    const struct remote *x = s->format;
    struct series t;
    series_init(&t, x->version, from->head, from->line);
    int rc = look_over(x, &t, err);
    return rc < 0 ? rc : find_series(s, &t, ref, err);
}

static int find_cached(struct push *s, const struct series *t, const struct push_source *from,
                       tsdb_ref *ref, struct errmsg *err)
{
    bool is_new = true;
    struct str key = key_of(s, t);
    int rc = key.p && t->label_count <= LABELS_MAX ? push_cached(s, key, from, ref, &is_new, err)
                                                   : find_series(s, t, ref, err);
    if (rc == 0 && is_new && t->metadata.p) rc = read_metadata_2(s, t, err);
    return rc;
}

static int add_samples(struct push *s, const struct series *t, const struct push_source *from,
                       tsdb_ref ref)
{
    struct pb m = pb_of(t->message);
    struct pb_field f;
    double v;
    int64_t t_ms;
    if (t->samples == 1) return push_point(s, from, ref, t->t_ms, t->v);
    while (pb_next(&m, &f)) {
        if (f.tag != PB_TAG(2, PB_BYTES) || !read_sample(f.bytes, &v, &t_ms)) continue;
        int rc = push_point(s, from, ref, t_ms, v);
        if (rc == 0) rc = push_flush_full(s);
        if (rc < 0) return rc;
    }
    return 0;
}

static void refuse_histograms(struct push *s, const struct series *t)
{
    struct errmsg e = {0};
    if (t->histograms == 0) return;
    errmsg_at(
        &e, E_UNSUPPORTED, t->number, 0,
        "native histograms are not stored: send classic ones (send_native_histograms: false)");
    s->r->dropped_histograms += t->histograms;
    push_note_error(s, &e);
}

static int take_series(struct push *s, struct str message, int number, struct errmsg *err)
{
    const struct remote *x = s->format;
    struct series t;
    struct errmsg why = {0};
    tsdb_ref ref = 0;
    series_init(&t, x->version, message, number);
    int rc = look_over(x, &t, err);
    if (rc < 0) return rc;
    s->r->lines++;
    s->r->dropped_exemplars += t.exemplars;
    refuse_histograms(s, &t);
    if (t.samples == 0) return 0;
    const struct push_source from = {.head = message, .line = number};
    rc = find_cached(s, &t, &from, &ref, &why);
    if (push_is_refusal(rc)) {
        push_drop_samples(s, t.samples, &why);
        return 0;
    }
    if (rc < 0) {
        *err = why;
        return rc;
    }
    return add_samples(s, &t, &from, ref);
}

/* --- messages ----------------------------------------------------------------------------------
 */

/* Refs may point anywhere, so the symbols are gathered before any series is read. */
static int read_symbols(struct push *s, struct str body, struct errmsg *err)
{
    struct remote *x = s->format;
    struct pb m = pb_of(body), again = m;
    struct pb_field f;
    size_t n = 0;
    while (pb_next(&m, &f))
        n += f.tag == PB_TAG(4, PB_BYTES);
    if (m.bad) return malformed(err, 0, "it breaks off");
    if (n > SYMBOLS_MAX)
        return errmsg_set(err, E_PARSE, "remote write message with more than %d symbols",
                          SYMBOLS_MAX);
    x->symbols = arena_array(&s->arena, n + 1, sizeof *x->symbols);
    if (!x->symbols) return -ENOMEM;
    while (pb_next(&again, &f))
        if (f.tag == PB_TAG(4, PB_BYTES)) x->symbols[x->symbol_count++] = f.bytes;
    if (n && x->symbols[0].len) return malformed(err, 0, "the first symbol is not empty");
    return 0;
}

static int run(struct push *s, struct str body, struct errmsg *err)
{
    const struct remote *x = s->format;
    uint32_t series = x->version == REMOTE_WRITE_1 ? PB_TAG(1, PB_BYTES) : PB_TAG(5, PB_BYTES);
    struct pb m = pb_of(body);
    struct pb_field f;
    int number = 0, rc = 0;
    while (rc == 0 && pb_next(&m, &f)) {
        if (f.tag == series)
            rc = take_series(s, f.bytes, ++number, err);
        else if (x->version == REMOTE_WRITE_1 && f.tag == PB_TAG(3, PB_BYTES))
            rc = read_metadata_1(s, f.bytes, err);
        if (rc == 0) rc = push_flush_full(s);
    }
    if (rc == 0 && m.bad) rc = malformed(err, 0, "it breaks off");
    int last = rc == 0 || rc == E_PARSE ? push_flush(s) : 0;
    return last < 0 ? last : rc;
}

int push_remote(struct pusher *p, struct str body, enum remote_write version, struct push_result *r)
{
    struct remote x = {.version = version};
    struct errmsg err = {0};
    struct push *s = push_begin(p, resolve, &x, r);
    if (!s) return -ENOMEM;
    int rc = version == REMOTE_WRITE_2 ? read_symbols(s, body, &err) : 0;
    if (rc == 0) rc = run(s, body, &err);
    if (rc == E_PARSE) {
        r->bad_lines++;
        r->first_error = err;
    } else if (rc < 0) {
        push_note_error(s, &err);
    }
    push_end(s);
    return rc;
}
