/*
 * What bk-wal-push has pushed ahead of being asked: a small file beside the
 * server's own marks (pg_wal/archive_status), so that the calls for those
 * files need neither the network nor a hash.
 *
 * A file is remembered by device, inode, time of change and size, for one
 * hour and for the same stores and name: whatever was written, copied or
 * restored since is another file.  What is not remembered is looked for in
 * the store, so the memo can be lost, and deleted, at any time.
 */
#ifndef BK_WALMEMO_H
#define BK_WALMEMO_H

#include "wal.h"

#define BK_WAL_MEMO_MAX 64

struct bk_wal_memo {
	char *path;			/* NULL: there is no place for one */
	int64_t now;			/* ms */
	bool changed;			/* since it was read */
	size_t len;
	struct bk_wal_memory {
		char file[BK_WAL_FILE_MAX];
		uint64_t dev, ino, bytes;
		int64_t changed;	/* ns */
		int64_t pushed;		/* ms */
	} v[BK_WAL_MEMO_MAX];
};

#define BK_WAL_MEMO_INIT { .path = NULL }

/*
 * Read the memo for ${name} in the stores ${urls} from ${dir}; one that is
 * absent, cut or foreign is an empty one.  0, or -1 on no memory.
 */
int bk_wal_memo_read(struct bk_wal_memo *m, const char *dir, const char *name,
    const char *const *urls, size_t n, int64_t now, struct bk_fault *f);

/* Was the file ${path}, as it is now, pushed?  Without a fault: else false. */
bool bk_wal_memo_has(const struct bk_wal_memo *m, const char *path);

/* Remember ${src}; the oldest is forgotten when there are too many. */
void bk_wal_memo_add(struct bk_wal_memo *m, const struct bk_wal_source *src);

/* Replace the file.  0, or -1 with ${f} set. */
int bk_wal_memo_write(const struct bk_wal_memo *m, struct bk_fault *f);
void bk_wal_memo_release(struct bk_wal_memo *m);

#endif
