/*
 * A directory that is filled out of sight and put in its place at the end.
 *
 * It grows in a private directory (0700) beside its place and takes it by one
 * rename; what was there is moved aside, never removed.  A place that exists
 * and is empty can be filled from a private directory inside it (_INSIDE):
 * it may be a mount point, or its parent not ours to write to.
 */
#ifndef BK_DIRPLACE_H
#define BK_DIRPLACE_H

#include <stdbool.h>

#include "buf.h"
#include "ctx.h"
#include "fault.h"

#define BK_DIRPLACE_REPLACE 1U	/* it may hold something */
#define BK_DIRPLACE_INSIDE 2U	/* an empty one is filled from inside */

struct bk_dirplace {
	struct bk_buf place;		/* where it goes, links on the way resolved */
	struct bk_buf dir;		/* its parent */
	struct bk_buf tmp, tree;	/* the private directory, what is filled */
	bool made;			/* tmp is there */
	bool holds;			/* the place holds something */
	bool inside;
};

/*
 * Look at ${path} and make the private directory with "tree" (0755) in it.
 * ${p} is zeroed first.  0, or -1 with ${f} set: 73 it holds something and
 * that is not to be replaced, is no directory, or is "/".
 */
int bk_dirplace_open(struct bk_dirplace *p, const char *path,
    unsigned int flags, struct bk_fault *f);

/* Its file system on disk.  0 or -1. */
int bk_dirplace_sync(const struct bk_dirplace *p, struct bk_fault *f);

/*
 * Put the tree in its place.  From inside its entries are moved one by one,
 * ${last} (may be NULL) behind all others, so that a directory without it is
 * known to be unfinished.  0, or -1 with the place as it was, but for what
 * had been moved out from inside.
 */
int bk_dirplace_commit(const struct bk_ctx *ctx, struct bk_dirplace *p,
    const char *last, struct bk_fault *f);

/* Remove the private directory with what is in it. */
void bk_dirplace_close(const struct bk_ctx *ctx, struct bk_dirplace *p);

#endif
