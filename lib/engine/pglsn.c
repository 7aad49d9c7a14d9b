/*
 * Facts (documentation of PostgreSQL, pg_lsn Type; xlog_internal.h): a position
 * is the upper and the lower half of 64 bits in hexadecimal; a segment's name
 * is the timeline, and the segment's number as quotient and remainder by the
 * segments in 4 GiB, eight digits each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pglsn.h"

#define HEX "0123456789abcdefABCDEF"

int
bk_pglsn_parse(const char *s, uint64_t *lsn)
{
	size_t high = strspn(s, HEX), low;

	if (high == 0 || high > 8 || s[high] != '/')
		return -1;
	low = strspn(s + high + 1, HEX);
	if (low == 0 || low > 8 || s[high + 1 + low] != '\0')
		return -1;
	*lsn = (uint64_t)strtoull(s, NULL, 16) << 32 |
	    strtoull(s + high + 1, NULL, 16);
	return 0;
}

const char *
bk_pglsn_text(uint64_t lsn, char out[BK_PGLSN_TEXT])
{
	snprintf(out, BK_PGLSN_TEXT, "%" PRIX32 "/%" PRIX32,
	    (uint32_t)(lsn >> 32), (uint32_t)lsn);
	return out;
}

const char *
bk_pgseg_name(uint32_t tli, uint64_t lsn, uint64_t size,
    char out[BK_PGSEG_NAME])
{
	uint64_t each = (UINT64_C(1) << 32) / size, number = lsn / size;

	snprintf(out, BK_PGSEG_NAME, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32, tli,
	    (uint32_t)(number / each), (uint32_t)(number % each));
	return out;
}
