/*
 * SHA-256 (OpenSSL), CRC-32 of gzip (libdeflate), hexadecimal.
 */
#ifndef BK_HASH_H
#define BK_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "fault.h"

#define BK_SHA256_LEN 32
#define BK_SHA256_HEX 65		/* 64 digits and a NUL */

struct bk_sha256;			/* a running SHA-256 */

struct bk_sha256 *bk_sha256_new(struct bk_fault *f);
void bk_sha256_add(struct bk_sha256 *h, const void *p, size_t n);
/* The digest so far; adding may go on. */
void bk_sha256_sum(const struct bk_sha256 *h, uint8_t out[BK_SHA256_LEN]);
void bk_sha256_hex(const struct bk_sha256 *h, char out[BK_SHA256_HEX]);
void bk_sha256_free(struct bk_sha256 *h);

/* SHA-256 of one block. */
void bk_sha256_of(const void *p, size_t n, uint8_t out[BK_SHA256_LEN]);

/* CRC-32 of gzip (RFC 1952, section 8), started with 0. */
uint32_t bk_crc32(uint32_t crc, const void *p, size_t n);

/* FNV-1a of 64 bits, never 0: for tables, no proof against forgers. */
uint64_t bk_hash64(const void *p, size_t n);

/* 2 ${n} lower-case digits and a NUL. */
void bk_hex(const void *p, size_t n, char *out);
/* The string ${s} is exactly 2 ${n} digits of either case.  0, else -1. */
int bk_unhex(const char *s, void *out, size_t n);

#endif
