/*
 * Fetching the file that PostgreSQL asks for, and those behind it before it
 * asks for them.
 */
#ifndef BK_WALNEXT_H
#define BK_WALNEXT_H

#include "ctx.h"
#include "walspool.h"

#define BK_WAL_NEXT_MAX 64
#define BK_WAL_NEXT_JOBS 8		/* at once, at most */

struct bk_wal_next {
	const struct bk_ctx *ctx;
	const char *url, *name;
	const struct bk_store_opts *opts;
	uint64_t system;		/* 0: the only one under ${name} */
	const char *spool;		/* directory, made when needed */
	int ahead;			/* 0 to BK_WAL_NEXT_MAX segments */
	bool standby;			/* it waits for what is missing */
};

/*
 * Bring ${file} to ${path}.  0; BK_ABSENT: the store does not have it; -1 with
 * ${f} set: 65 damaged, stored with two contents, or missing while later
 * segments have been there for 10 minutes; 78 several systems.
 * Faults of the segments behind it are told at info level only.
 */
int bk_wal_next(const struct bk_wal_next *w, const struct bk_wal_name *file,
    const char *path, struct bk_fault *f);

#endif
