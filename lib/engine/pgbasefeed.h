/*
 * What a server sends for BASE_BACKUP, sorted: archives into one tar, the
 * manifest into a file until its size is known.
 */
#ifndef BK_PGBASEFEED_H
#define BK_PGBASEFEED_H

#include "fault.h"
#include "pgbasetar.h"

struct bk_pgbasefeed {
	struct bk_pgbasetar *tar;
	int fd;				/* for the manifest, or -1: none comes */
	uint64_t manifest;		/* its bytes so far */
	enum { BK_FEED_NONE, BK_FEED_ARCHIVE, BK_FEED_MANIFEST } in;
};

/*
 * From 15 on: one message of the single copy (documentation, BASE_BACKUP):
 * 'n' a new archive with its name and place, 'm' the manifest begins, 'd'
 * data of either, 'p' progress.  0, or -1 with ${f} set (65 another one).
 */
int bk_pgbasefeed_message(void *feed, const void *p, size_t n,
    struct bk_fault *f);

/*
 * Up to 14: a copy for each archive and one for the manifest, with bare data.
 * ${oid} is NULL for the data directory.
 */
int bk_pgbasefeed_archive(struct bk_pgbasefeed *feed, const char *oid,
    struct bk_fault *f);
int bk_pgbasefeed_manifest(struct bk_pgbasefeed *feed, struct bk_fault *f);
int bk_pgbasefeed_data(void *feed, const void *p, size_t n,
    struct bk_fault *f);

/*
 * All was sent: the manifest is appended and the tar ended.  65 where a
 * manifest was to come and did not.
 */
int bk_pgbasefeed_finish(struct bk_pgbasefeed *feed, struct bk_fault *f);

#endif
