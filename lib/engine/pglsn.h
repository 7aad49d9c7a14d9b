/*
 * Positions in PostgreSQL's log and the names of its segments.
 */
#ifndef BK_PGLSN_H
#define BK_PGLSN_H

#include <stdint.h>

#define BK_PGLSN_TEXT 24		/* "FFFFFFFF/FFFFFFFF" + NUL */
#define BK_PGSEG_NAME 25		/* 24 hexadecimal digits + NUL */

/* "16/B374D848".  0, or -1 where it is none. */
int bk_pglsn_parse(const char *s, uint64_t *lsn);
const char *bk_pglsn_text(uint64_t lsn, char out[BK_PGLSN_TEXT]);

/*
 * The name of the segment of timeline ${tli} that holds the byte at ${lsn},
 * where segments have ${size} bytes, a power of 2 from 1 MiB to 1 GiB.
 */
const char *bk_pgseg_name(uint32_t tli, uint64_t lsn, uint64_t size,
    char out[BK_PGSEG_NAME]);

#endif
