/*
 * What bk-boot restores: a backup of a store, a bundle, or what comes on
 * standard input; and the bk-restore that it runs for it.
 */
#ifndef BK_BOOTFEED_H
#define BK_BOOTFEED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "io.h"

#define BK_BOOTFEED_UNDO_MAX 64
#define BK_BOOTFEED_SPACES_MAX 64

struct bk_bootfeed {
	const char *store, *name, *id;	/* a backup of a store, or … */
	const char *bundle;		/* … a tarball by its name or link, or … */
	struct bk_rbuf *in;		/* … standard input */
	const char *at, *replica_of;	/* as bk-restore has them */
	const char *undo[BK_BOOTFEED_UNDO_MAX + 1];
	size_t nundo;
	const char *spaces[BK_BOOTFEED_SPACES_MAX];	/* likewise */
	size_t nspaces;
	int64_t deadline;		/* by mono() */
	json_t *header;			/* of a stream, or a record; owned */
};

/*
 * Learn what it is, without reading any of the payload: the header is there
 * afterwards.  0, or -1 with ${f} set: the status of bk-list; 65, 66.
 */
int bk_bootfeed_open(struct bk_bootfeed *s, struct bk_fault *f);

/*
 * Would bk-restore take ${target} as it is?  0 yes; else its status, and why
 * in ${f}: 73 it holds something, 69 it cannot be reached.
 */
int bk_bootfeed_probe(struct bk_bootfeed *s, const char *target,
    struct bk_fault *f);

/* Restore it.  0, or -1 with ${f} set: the status of bk-restore. */
int bk_bootfeed_restore(struct bk_bootfeed *s, const char *target,
    bool replace, struct bk_fault *f);

/* What the mark keeps of it: a new reference, NULL with ${f} set. */
json_t *bk_bootfeed_of(const struct bk_bootfeed *s, struct bk_fault *f);

void bk_bootfeed_close(struct bk_bootfeed *s);

#endif
