/*
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4), as x-amz-checksum-crc32c.
 */
#ifndef BK_CRC32C_H
#define BK_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Started with 0. */
uint32_t bk_crc32c(uint32_t crc, const void *p, size_t n);
/* The same without the processor's instruction. */
uint32_t bk_crc32c_plain(uint32_t crc, const void *p, size_t n);

#endif
