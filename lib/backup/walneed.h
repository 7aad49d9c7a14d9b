/*
 * Where the base backups of a name begin in its log, and which timelines
 * descend from which: for walprune.c.
 */
#ifndef BK_WALNEED_H
#define BK_WALNEED_H

#include "ctx.h"
#include "wal.h"

/* A backup wants the log from here on. */
struct bk_wal_need {
	uint64_t system;
	uint32_t tli;
	uint64_t at;			/* as in struct bk_wal_name */
};

struct bk_wal_needs {
	struct bk_wal_need *v;
	size_t len, size;
	char blind[BK_ULID_LEN + 1];	/* one that could not be read; "": none */
};

#define BK_WAL_NEEDS_INIT { NULL, 0, 0, "" }

/*
 * The needs of all backups of ${name}, listed or with a tombstone.  0, or -1
 * with ${f} set; release ${n} after either.
 */
int bk_wal_needs(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, struct bk_wal_needs *n, struct bk_fault *f);
void bk_wal_needs_release(struct bk_wal_needs *n);

#define BK_WAL_TIMELINES_MAX 256

struct bk_wal_line {
	uint32_t tli;
	uint32_t parent[BK_WAL_TIMELINES_MAX];	/* all before it */
	size_t nparents;
};

/*
 * The timelines of ${system} that have objects, with what their histories
 * say, to be freed.  *${n} of them.  NULL with ${f} set: 65 a history that is
 * none, or too many.
 */
struct bk_wal_line *bk_wal_lines(struct bk_store *s, const char *name,
    uint64_t system, size_t *n, struct bk_fault *f);

/*
 * The earliest need on the line of ${tli}: of a backup on it, on a timeline
 * before it, or on one that comes from it.  false: none.
 */
bool bk_wal_earliest(const struct bk_wal_needs *needs, uint64_t system,
    const struct bk_wal_line *lines, size_t n, uint32_t tli, uint64_t *at);

#endif
