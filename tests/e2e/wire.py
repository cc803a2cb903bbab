"""wire.py -- remote write messages for tests: protobuf and snappy blocks, written by hand.

    body = snappy(write_1([({"__name__": "a"}, [(1000, 1.5)])]))
"""
import struct


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, payload):
    """A text or a message."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number(n, v):
    return varint(n << 3) + varint(v)


def sample(t_ms, v):
    """v: a number, or the bits of one as bytes."""
    bits = v if isinstance(v, bytes) else struct.pack("<d", v)
    return field(2, varint(1 << 3 | 1) + bits + number(2, t_ms))


def write_1(series, extra=b""):
    """[(labels, [(ms, value)])] as prometheus.WriteRequest."""
    out = b""
    for labels, samples in series:
        body = b"".join(field(1, field(1, k.encode()) + field(2, v.encode()))
                        for k, v in sorted(labels.items()))
        out += field(1, body + b"".join(sample(*s) for s in samples))
    return out + extra


def write_2(series, histograms=0, exemplars=0):
    """The same as io.prometheus.write.v2.Request, each series with so many of the others."""
    symbols = [""]
    refs = {}
    out = b""
    for labels, samples in series:
        packed = b""
        for text in (t for pair in sorted(labels.items()) for t in pair):
            if text not in refs:
                refs[text] = len(symbols)
                symbols.append(text)
            packed += varint(refs[text])
        out += field(5, field(1, packed) + b"".join(sample(*s) for s in samples)
                     + field(3, b"") * histograms + field(4, b"") * exemplars)
    return b"".join(field(4, s.encode()) for s in symbols) + out


def snappy(data):
    """A block of literals only: legal, if not small."""
    out = varint(len(data))
    for at in range(0, len(data), 65536):
        piece = data[at:at + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return out


HEADERS_1 = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
             "X-Prometheus-Remote-Write-Version": "0.1.0"}
HEADERS_2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
             "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "2.0.0"}
