/*
 * Is the log of a server whole and recent in a store?  A gap behind the newest
 * base backup, and how far behind the store is: by the server's own marks
 * where its data directory can be read, else by the age of the last commit
 * that is stored.
 *
 * pg_wal/archive_status of a server (access/xlogarchive.c of PostgreSQL) has
 * FILE.ready for each file that waits to be archived, and FILE.done for what
 * archive_command took.  A segment that was taken and is not stored yet (a
 * folder is between them) waits too.  A server that archives nothing has
 * neither, and its commits tell.
 */
#ifndef BK_FRESHWAL_H
#define BK_FRESHWAL_H

#include "cover.h"

/* Times in ms, INT64_MIN where there is none. */
struct bk_fresh_wal {
	struct bk_cover_gap gap;	/* count 0: none */
	char twice[BK_WAL_FILE_MAX];	/* stored with two contents, or "" */
	bool foreign;			/* the base backup is of another server */
	int64_t to;			/* the last moment that can be restored */
	int64_t lag;			/* -1: not known */
	bool local;			/* by the server's marks; then: */
	char oldest[BK_WAL_FILE_MAX];	/* that waits, or "" */
	uint64_t waiting, bytes;
};

#define BK_FRESH_WAL_INIT { .to = INT64_MIN, .lag = -1 }

/*
 * Read it; ${data} is the server's data directory or NULL, ${now} the time by
 * the store's clock.  A gap whose other side was stored a moment ago is looked
 * at again for a while: files are pushed side by side.  0 or -1.
 */
int bk_fresh_wal_read(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, const char *data, int64_t now, struct bk_fresh_wal *w,
    struct bk_fault *f);

/* What is wrong in words, for lag with the limit of ${max} ms.  0 or -1. */
int bk_fresh_wal_gap_text(const struct bk_fresh_wal *w, struct bk_buf *out,
    struct bk_fault *f);
int bk_fresh_wal_lag_text(const struct bk_fresh_wal *w, int64_t max,
    struct bk_buf *out, struct bk_fault *f);

/* As an object, a new reference; ${max} as above, 0: none. */
json_t *bk_fresh_wal_json(const struct bk_fresh_wal *w, int64_t max,
    struct bk_fault *f);

#endif
