/*
 * Pushing the file that PostgreSQL asks for, and those behind it that are
 * ready too, side by side.
 */
#ifndef BK_WALAHEAD_H
#define BK_WALAHEAD_H

#include "ctx.h"
#include "walmemo.h"

#define BK_WAL_JOBS_MAX 32		/* as BK_CREW_MAX */

/*
 * Names that are marked ready in ${status} (pg_wal/archive_status), without
 * ${file}: the first ${max} in the order in which PostgreSQL asks for them,
 * histories first.  Their number, 0 where there is no such directory, or -1.
 */
int bk_wal_ready(const char *status, const char *file,
    char (*out)[BK_WAL_FILE_MAX], size_t max, struct bk_fault *f);

struct bk_wal_ahead {
	const struct bk_ctx *ctx;
	const char *const *urls;	/* of the stores, each of which gets all */
	size_t nurls;
	const struct bk_store_opts *opts;
	struct bk_wal_how how;		/* threads is set here */
	int jobs;			/* 1 to BK_WAL_JOBS_MAX, at once */
	struct bk_wal_memo *memo;	/* gets what was pushed ahead */
};

/*
 * Push ${path} and then, while others run, each of the ${n} ${files} beside
 * it.  0 when ${path} is durable in every store, whatever becomes of the
 * others, whose faults are logged: they are asked for in their turn.  -1 with
 * ${f} set.
 */
int bk_wal_ahead(const struct bk_wal_ahead *a, const char *path,
    char (*files)[BK_WAL_FILE_MAX], size_t n, struct bk_fault *f);

#endif
