/* pb.h -- the wire format of protocol buffers: fields of a message, one after another, borrowed.
 *
 *     struct pb m = pb_of(body);
 *     struct pb_field f;
 *     while (pb_next(&m, &f))
 *         switch (f.tag) { case PB_TAG(1, PB_BYTES): ... f.bytes ...; }
 *     if (m.bad) ...
 *
 * Nothing is trusted: a length past the end, an endless varint, a group or a field 0 sets bad and
 * ends the loop. A field whose tag nobody asks for is thereby skipped, as the format wants it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_PB_H
#define TOCSIN_CORE_PB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

#define PB_TAG(number, wire) ((uint32_t)(number) << 3 | (uint32_t)(wire))

struct pb {
    const char *p, *end;
    bool bad;
};

struct pb_field {
    uint32_t tag;     /* PB_TAG(number, wire) */
    uint64_t u;       /* of the varint and fixed kinds: the bits */
    struct str bytes; /* of PB_BYTES */
};

static inline struct pb pb_of(struct str message)
{
    return (struct pb){.p = message.p, .end = message.len ? message.p + message.len : message.p};
}

static inline uint64_t pb_varint_more(struct pb *m)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && m->p < m->end; shift += 7) {
        uint8_t b = (uint8_t)*m->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) return v;
    }
    m->bad = true;
    return 0;
}

static inline uint64_t pb_varint(struct pb *m)
{
    if (m->p < m->end && (uint8_t)*m->p < 0x80) return (uint8_t)*m->p++;
    return pb_varint_more(m);
}

static inline uint64_t pb_fixed(struct pb *m, size_t size)
{
    uint64_t v = 0;
    if ((size_t)(m->end - m->p) < size) {
        m->bad = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++) /* compilers make one load of it */
        v |= (uint64_t)(uint8_t)m->p[i] << (8 * i);
    m->p += size;
    return v;
}

static inline struct str pb_bytes(struct pb *m)
{
    uint64_t len = pb_varint(m);
    if (len > (uint64_t)(m->end - m->p)) m->bad = true;
    if (m->bad) return (struct str){NULL, 0};
    struct str s = {m->p, (size_t)len};
    m->p += len;
    return s;
}

/* The next field; false at the end of the message, or when bad. */
static inline bool pb_next(struct pb *m, struct pb_field *out)
{
    if (m->p == m->end || m->bad) return false;
    uint64_t tag = pb_varint(m);
    if (tag >> 3 == 0 || tag > UINT32_MAX) m->bad = true;
    *out = (struct pb_field){.tag = (uint32_t)tag};
    switch (tag & 7) {
    case PB_VARINT:
        out->u = pb_varint(m);
        break;
    case PB_FIXED64:
        out->u = pb_fixed(m, 8);
        break;
    case PB_FIXED32:
        out->u = pb_fixed(m, 4);
        break;
    case PB_BYTES:
        out->bytes = pb_bytes(m);
        break;
    default:
        m->bad = true;
    }
    return !m->bad;
}

#endif
