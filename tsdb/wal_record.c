/* wal_record.c -- the bytes of log records.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/wal_record.h"

#include <string.h>

#include "core/hash.h"
#include "tsdb/scaled.h"

enum {
    AT_LENGTH = 0,
    AT_CRC = 4,
    AT_LSN = 8,
    AT_SEGMENT = 16,
    AT_TYPE = 20,
    TAG_ID = 0x80,
    TAG_TIME = 0x40,
    TAG_KIND = 0x1f,
    KIND_RAW = 30,
    KIND_STALE = 31,
    VERSION = 1,
};

static const char magic[8] = {'T', 'O', 'C', 'S', 'I', 'N', 'W', 'L'};

static void put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void put64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static uint32_t record_crc(const uint8_t *p, size_t payload)
{
    uint32_t crc = crc32c(0, p, AT_CRC);
    return crc32c(crc, p + AT_LSN, WAL_RECORD_HEADER - AT_LSN + payload);
}

/* --- writing -----------------------------------------------------------------------------------
 */

int wal_record_begin(struct buf *b, enum wal_type type, uint64_t lsn)
{
    uint8_t header[WAL_RECORD_HEADER] = {0};
    put64(header + AT_LSN, lsn);
    header[AT_TYPE] = (uint8_t)type;
    return buf_add(b, header, sizeof header);
}

void wal_record_end(struct buf *b, size_t at)
{
    put32((uint8_t *)b->p + at + AT_LENGTH, (uint32_t)(b->len - at - WAL_RECORD_HEADER));
}

size_t wal_record_size(const uint8_t *p)
{
    return WAL_RECORD_HEADER + (size_t)get32(p + AT_LENGTH);
}

uint64_t wal_record_lsn(const uint8_t *p)
{
    return get64(p + AT_LSN);
}

size_t wal_record_seal(uint8_t *p, uint32_t segment)
{
    size_t size = wal_record_size(p);
    put32(p + AT_SEGMENT, segment);
    put32(p + AT_CRC, record_crc(p, size - WAL_RECORD_HEADER));
    return size;
}

static void put_number(struct buf *b, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    buf_add(b, bytes, (size_t)(varint_put(bytes, v) - bytes));
}

static void put_text(struct buf *b, struct str s)
{
    put_number(b, s.len);
    buf_add(b, s.p, s.len);
}

int wal_put_series(struct buf *b, uint32_t id, struct labels ls)
{
    put_number(b, id);
    put_number(b, ls.count);
    for (size_t i = 0; i < ls.count; i++) {
        put_text(b, ls.v[i].name);
        put_text(b, ls.v[i].value);
    }
    return b->err;
}

int wal_samples_begin(struct wal_samples *w, struct buf *b, int64_t base_ms, size_t count)
{
    int rc = buf_reserve(b, WAL_SAMPLES_HEADER + count * WAL_SAMPLE_MAX);
    if (rc < 0) return rc;
    uint8_t *p = (uint8_t *)b->p + b->len;
    put64(p, (uint64_t)base_ms);
    *w = (struct wal_samples){.count_at = p + 8, .p = p + WAL_SAMPLES_HEADER, .t_ms = base_ms};
    return 0;
}

void wal_samples_put(struct wal_samples *w, uint32_t id, int64_t t_ms, double v, int scale,
                     int64_t n)
{
    uint8_t *tag = w->p++;
    *tag = 0;
    if (id != (uint64_t)w->id + 1) {
        *tag |= TAG_ID;
        w->p = varint_put(w->p, zigzag((int64_t)id - (int64_t)w->id));
    }
    if (t_ms != w->t_ms) {
        *tag |= TAG_TIME;
        w->p = varint_put(w->p, zigzag((int64_t)((uint64_t)t_ms - (uint64_t)w->t_ms)));
    }
    if (is_stale(v)) {
        *tag |= KIND_STALE;
    } else if (scale >= 0) {
        *tag |= (uint8_t)scale;
        w->p = varint_put(w->p, zigzag(n));
    } else {
        *tag |= KIND_RAW;
        put64(w->p, double_bits(v));
        w->p += 8;
    }
    w->id = id;
    w->t_ms = t_ms;
    w->count++;
}

void wal_samples_end(struct wal_samples *w, struct buf *b)
{
    /* the count has five bytes: a varint padded with continuation bits */
    for (unsigned i = 0; i < 5; i++)
        w->count_at[i] = (uint8_t)((w->count >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
    b->len = (size_t)(w->p - (uint8_t *)b->p);
}

void wal_segment_header(uint8_t out[WAL_SEGMENT_HEADER], uint32_t segment, uint32_t epoch,
                        uint64_t first_lsn, int64_t now_ms)
{
    memset(out, 0, WAL_SEGMENT_HEADER);
    memcpy(out, magic, sizeof magic);
    put32(out + 8, VERSION);
    put32(out + 12, segment);
    put32(out + 16, epoch);
    put64(out + 24, first_lsn);
    put64(out + 32, (uint64_t)now_ms);
    put32(out + 60, crc32c(0, out, 60));
}

/* --- reading -----------------------------------------------------------------------------------
 */

int wal_segment_parse(const uint8_t *p, size_t len, struct wal_segment_info *out)
{
    if (len < WAL_SEGMENT_HEADER || memcmp(p, magic, sizeof magic) != 0) return E_CORRUPT;
    if (get32(p + 60) != crc32c(0, p, 60)) return E_CORRUPT;
    if (get32(p + 8) != VERSION) return E_UNSUPPORTED;
    *out = (struct wal_segment_info){
        .segment = get32(p + 12),
        .epoch = get32(p + 16),
        .first_lsn = get64(p + 24),
        .created_ms = (int64_t)get64(p + 32),
    };
    return 0;
}

int64_t wal_record_parse(const uint8_t *p, size_t len, uint32_t segment, struct wal_record *out)
{
    if (len < WAL_RECORD_HEADER) return 0;
    size_t payload = get32(p + AT_LENGTH);
    if (payload > WAL_PAYLOAD_MAX || get32(p + AT_SEGMENT) != segment) return E_CORRUPT;
    if (p[AT_TYPE] == 0 || get64(p + AT_LSN) == 0) return E_CORRUPT;
    if (len < WAL_RECORD_HEADER + payload) return 0;
    if (get32(p + AT_CRC) != record_crc(p, payload)) return E_CORRUPT;
    *out = (struct wal_record){get64(p + AT_LSN), p[AT_TYPE], p + WAL_RECORD_HEADER, payload};
    return (int64_t)(WAL_RECORD_HEADER + payload);
}

static const uint8_t *get_text(const uint8_t *p, const uint8_t *end, struct str *out)
{
    uint64_t len = 0;
    p = varint_get(p, end, &len);
    if (!p || len > (uint64_t)(end - p)) return NULL;
    *out = (struct str){(const char *)p, (size_t)len};
    return p + len;
}

int wal_get_series(const struct wal_record *r, uint32_t *id, struct label v[LABELS_MAX],
                   struct labels *out)
{
    const uint8_t *p = r->payload, *end = p + r->len;
    uint64_t number = 0, count = 0;
    p = varint_get(p, end, &number);
    if (p) p = varint_get(p, end, &count);
    if (!p || number > UINT32_MAX || count > LABELS_MAX) return E_CORRUPT;
    for (size_t i = 0; i < count; i++) {
        p = get_text(p, end, &v[i].name);
        if (p) p = get_text(p, end, &v[i].value);
        if (!p) return E_CORRUPT;
        if (i > 0 && str_cmp(v[i - 1].name, v[i].name) >= 0) return E_CORRUPT;
    }
    *id = (uint32_t)number;
    *out = (struct labels){v, (size_t)count};
    return p == end ? 0 : E_CORRUPT;
}

struct sample_at {
    int64_t id, t_ms;
    double v;
};

/* One sample relative to the one before, in *s. */
static const uint8_t *get_sample(const uint8_t *p, const uint8_t *end, struct sample_at *s)
{
    if (p == end) return NULL;
    uint8_t tag = *p++;
    unsigned kind = tag & TAG_KIND;
    uint64_t u = 1;
    if (tag & TAG_ID) {
        p = varint_get(p, end, &u);
        u = (uint64_t)unzigzag(u);
    }
    s->id = (int64_t)((uint64_t)s->id + u);
    if (!p || s->id < 0 || s->id > UINT32_MAX) return NULL;
    if (tag & TAG_TIME) {
        p = varint_get(p, end, &u);
        if (!p) return NULL;
        s->t_ms = (int64_t)((uint64_t)s->t_ms + (uint64_t)unzigzag(u));
    }
    if (kind == KIND_STALE) {
        s->v = double_of_bits(STALE_NAN_BITS);
    } else if (kind == KIND_RAW) {
        if (end - p < 8) return NULL;
        s->v = double_of_bits(get64(p));
        p += 8;
    } else if (kind <= SCALE_MAX) {
        p = varint_get(p, end, &u);
        if (!p) return NULL;
        s->v = scaled_value(unzigzag(u), kind);
    } else {
        return NULL;
    }
    return p;
}

int wal_get_samples(const struct wal_record *r, wal_sample_fn *each, void *arg)
{
    const uint8_t *p = r->payload, *end = p + r->len;
    struct sample_at s = {0};
    uint64_t count = 0;
    if (r->len < WAL_SAMPLES_HEADER) return E_CORRUPT;
    s.t_ms = (int64_t)get64(p);
    p = varint_get(p + 8, end, &count);
    for (uint64_t i = 0; p && i < count; i++) {
        p = get_sample(p, end, &s);
        if (!p) break;
        int rc = each(arg, r->lsn, (uint32_t)s.id, s.t_ms, s.v);
        if (rc) return rc;
    }
    return p == end ? 0 : E_CORRUPT;
}
