/*
 * The first page header of a WAL segment (access/xlog_internal.h of
 * PostgreSQL 9.5 to 18), which says whose segment it is and which.  Bytes are
 * in the order of the machine that wrote them, as PostgreSQL has them.
 */
#ifndef BK_WALHEAD_H
#define BK_WALHEAD_H

#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "wal.h"

#define BK_WAL_HEAD_LEN 40		/* XLogLongPageHeaderData */
#define BK_WAL_PAGE_LEN 24		/* XLogPageHeaderData */

struct bk_wal_head {
	uint16_t magic, info;
	uint32_t tli;			/* of the page */
	uint64_t address;		/* of the page */
	uint32_t rest;			/* bytes of a record begun before it */
	uint64_t system;
	uint32_t segment, block;	/* bytes of each */
};

/*
 * Read the first ${n} bytes of a segment.  0, or -1 with ${f} set (65): no
 * first page, or one of a machine of another byte order.
 */
int bk_wal_head(const void *p, size_t n, struct bk_wal_head *h,
    struct bk_fault *f);

/*
 * Is a file of ${bytes} bytes that begins with ${h} the segment that ${name}
 * says, of ${system} (0: of any)?  0, or -1 with ${f} set (65).
 */
int bk_wal_head_check(const struct bk_wal_head *h,
    const struct bk_wal_name *name, uint64_t bytes, uint64_t system,
    struct bk_fault *f);

/* The major version with this page magic ("9.5", "15"), or NULL. */
const char *bk_wal_version(uint16_t magic);

#endif
