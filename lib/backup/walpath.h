/*
 * The way that recovery from a base backup takes through the log in a store:
 * its segments in order, from timeline to timeline, up to the first that is
 * missing; and where on that way a moment lies.
 */
#ifndef BK_WALPATH_H
#define BK_WALPATH_H

#include "wal.h"

/* Where a base backup begins and ends. */
struct bk_walpath_from {
	uint64_t system;
	uint32_t tli, end_tli;		/* a standby may follow to another */
	uint32_t segment;		/* bytes of a segment */
	uint64_t start, stop;		/* positions */
};

struct bk_walpath_file {
	struct bk_wal_key key;
	char file[BK_WAL_FILE_MAX];	/* as the server asks for it */
	uint64_t stored;		/* bytes in the store */
};

struct bk_walpath {
	struct bk_walpath_file *v;	/* segments */
	size_t n, size;
	struct bk_walpath_file *history;	/* of the timelines behind the first */
	size_t nhistory;
};

#define BK_WALPATH_INIT { NULL, 0, 0, NULL, 0 }

/*
 * Follow the log of ${name}: along the newest timeline that branched off
 * behind the backup's end, as the server does by itself.  0; BK_ABSENT where
 * not even what the backup itself needs is there; -1 with ${f} set (65: a
 * file with two contents).  Release ${p} after each.  Memory: about 250 bytes
 * for each segment.
 */
int bk_walpath_read(struct bk_store *s, const char *name,
    const struct bk_walpath_from *from, struct bk_walpath *p,
    struct bk_fault *f);
void bk_walpath_release(struct bk_walpath *p);

/*
 * How many segments recovery to ${at} (ms, INT64_MAX: the end) reads, found by
 * reading some of them.  *${behind}: a later commit is in them, so that
 * recovery must be told where to end; else *${last} is the time (ms) of the
 * last commit, INT64_MIN where there is none.  0 or -1.
 */
int bk_walpath_to(struct bk_store *s, const char *name,
    const struct bk_walpath *p, int64_t at, size_t *count, bool *behind,
    int64_t *last, struct bk_fault *f);

#endif
