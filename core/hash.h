/* hash.h -- checksums and fingerprints.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_CORE_HASH_H
#define TOCSIN_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720), hardware where the CPU has it; crc is 0 for a fresh start. */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);

/* FNV-1a 64; start from FNV1A64_INIT. */
#define FNV1A64_INIT UINT64_C(0xcbf29ce484222325)
uint64_t fnv1a64(uint64_t h, const void *p, size_t len);

/* SHA-256 (GnuTLS). */
void sha256(const void *p, size_t len, uint8_t out[32]);
void hmac_sha256(const void *key, size_t key_len, const void *p, size_t len, uint8_t out[32]);
void md5(const void *p, size_t len, uint8_t out[16]);
/* Base64 (RFC 4648, padded) into out (4 * ((len + 2) / 3) + 1 bytes), NUL-terminated. */
void base64_encode(const void *p, size_t len, char *out);
/* Returns the bytes written into out (3 * len / 4 at most), or SIZE_MAX for text that is not
 * base64. */
size_t base64_decode(const char *text, size_t len, uint8_t *out);
/* Lower-case hex of len bytes into out (2 * len + 1 bytes). */
void hex_encode(const void *p, size_t len, char *out);

#endif
