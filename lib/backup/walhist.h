/*
 * Histories of timelines: where each branched off from the one before.
 */
#ifndef BK_WALHIST_H
#define BK_WALHIST_H

#include "wal.h"

#define BK_WAL_BRANCHES_MAX 1024

/* A timeline on the way to another, and the position where it is left. */
struct bk_wal_leg {
	uint32_t tli;
	uint64_t until;			/* UINT64_MAX: it is not */
};

struct bk_wal_way {
	struct bk_wal_leg leg[BK_WAL_BRANCHES_MAX];	/* the oldest first */
	size_t n;
};

/* Read the text of the history of ${tli}; the last leg is ${tli}.  0 or -1. */
int bk_wal_way_parse(const char *text, uint32_t tli, struct bk_wal_way *w,
    struct bk_fault *f);

/* The same of a stored one.  0, BK_ABSENT or -1. */
int bk_wal_way(struct bk_store *s, const char *name, uint64_t system,
    uint32_t tli, struct bk_wal_way *w, struct bk_fault *f);

#endif
