/*
 * The header block of a tar archive: offsets (POSIX.1-2017, pax, "ustar
 * Interchange Format"), numbers, checksum.
 */
#ifndef BK_TARBLOCK_H
#define BK_TARBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BK_TAR_BLOCK 512

enum {
	BK_TAR_NAME = 0, BK_TAR_MODE = 100, BK_TAR_SIZE = 124,
	BK_TAR_MTIME = 136, BK_TAR_SUM = 148, BK_TAR_TYPE = 156,
	BK_TAR_LINK = 157, BK_TAR_MAGIC = 257, BK_TAR_PREFIX = 345
};

enum { BK_TAR_NAME_LEN = 100, BK_TAR_PREFIX_LEN = 155 };

/* A numeric field: octal text, or base 256 where the first bit is set (GNU). */
bool bk_tarblock_number(const uint8_t *p, size_t n, uint64_t *v);

/* Write one; base 256 where octal is too short. */
void bk_tarblock_put(uint8_t *p, size_t n, uint64_t v);

/* Does the checksum hold? */
bool bk_tarblock_ok(const uint8_t b[BK_TAR_BLOCK]);

/* Write the checksum. */
void bk_tarblock_seal(uint8_t b[BK_TAR_BLOCK]);

#endif
