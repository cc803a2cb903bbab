/* hash.c -- checksums and fingerprints.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/hash.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

/* --- CRC-32C --- */

/* Reflected polynomial of RFC 3720 (iSCSI). */
#define CRC32C_POLY UINT32_C(0x82f63b78)

static uint32_t crc32c_byte(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = (crc >> 1) ^ (CRC32C_POLY & (0 - (crc & 1)));
    return crc;
}

static uint32_t crc32c_plain(uint32_t crc, const uint8_t *p, size_t len)
{
    while (len--)
        crc = crc32c_byte(crc, *p++);
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *p,
                                                               size_t len)
{
    uint64_t c = crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    uint32_t c32 = (uint32_t)c;
    while (len--)
        c32 = __builtin_ia32_crc32qi(c32, *p++);
    return c32;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t len)
{
    crc = ~crc;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc32c_sse42(crc, p, len);
#endif
    return ~crc32c_plain(crc, p, len);
}

/* --- others --- */

uint64_t fnv1a64(uint64_t h, const void *p, size_t len)
{
    const uint8_t *byte = p;
    while (len--)
        h = (h ^ *byte++) * UINT64_C(0x100000001b3);
    return h;
}

void sha256(const void *p, size_t len, uint8_t out[32])
{
    gnutls_hash_fast(GNUTLS_DIG_SHA256, p, len, out);
}

void hmac_sha256(const void *key, size_t key_len, const void *p, size_t len, uint8_t out[32])
{
    gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, p, len, out);
}

void md5(const void *p, size_t len, uint8_t out[16])
{
    gnutls_hash_fast(GNUTLS_DIG_MD5, p, len, out);
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *p, size_t len, char *out)
{
    const uint8_t *byte = p;
    size_t n = 0;
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)byte[i] << 16;
        if (have > 1) bits |= (uint32_t)byte[i + 1] << 8;
        if (have > 2) bits |= byte[i + 2];
        for (size_t k = 0; k < 4; k++)
            out[n++] = k <= have ? base64_digits[bits >> (18 - 6 * k) & 63] : '=';
    }
    out[n] = '\0';
}

size_t base64_decode(const char *text, size_t len, uint8_t *out)
{
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    while (len && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        const char *digit = text[i] ? strchr(base64_digits, text[i]) : NULL;
        if (!digit) return SIZE_MAX;
        bits = bits << 6 | (uint32_t)(digit - base64_digits);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out[n++] = (uint8_t)(bits >> have);
    }
    return n;
}

void hex_encode(const void *p, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *byte = p;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[byte[i] >> 4];
        out[2 * i + 1] = digits[byte[i] & 15];
    }
    out[2 * len] = '\0';
}
