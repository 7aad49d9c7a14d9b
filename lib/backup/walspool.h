/*
 * Segments fetched before PostgreSQL asks for them, in a directory of their
 * own on its host:
 *
 *   <16 digits of name and store>.<system>.<file>-<hash>     whole
 *   <the same>.<pid>                                         not yet
 *
 * Each is looked at again, by its hash and first page, when it is asked for,
 * so that nothing rests on what a crash left there.
 */
#ifndef BK_WALSPOOL_H
#define BK_WALSPOOL_H

#include "ctx.h"
#include "wal.h"

struct bk_wal_spool {
	const struct bk_ctx *ctx;
	char *dir;
	const char *name;		/* borrowed */
	char prefix[48];
};

#define BK_WAL_SPOOL_INIT { .dir = NULL }

/* ${name} is borrowed.  Makes nothing yet.  0 or -1. */
int bk_wal_spool_init(struct bk_wal_spool *sp, const struct bk_ctx *ctx,
    const char *dir, const char *name, const char *url, uint64_t system,
    struct bk_fault *f);
void bk_wal_spool_release(struct bk_wal_spool *sp);

/*
 * Make the directory, for the owner alone.  0, or -1 with ${f} set: 77 where
 * one is there that others can write to.
 */
int bk_wal_spool_make(const struct bk_wal_spool *sp, struct bk_fault *f);

/*
 * Move ${file} to ${path}, which it replaces at once or not at all.  0,
 * BK_ABSENT (also where what was there was no good and is removed now), -1.
 */
int bk_wal_spool_take(const struct bk_wal_spool *sp,
    const struct bk_wal_name *file, const char *path, struct bk_fault *f);

/* Is ${k} there? */
bool bk_wal_spool_has(const struct bk_wal_spool *sp,
    const struct bk_wal_key *k);

/* Fetch ${k} into it.  0, BK_ABSENT or -1. */
int bk_wal_spool_fetch(const struct bk_wal_spool *sp, struct bk_store *s,
    const struct bk_wal_key *k, struct bk_fault *f);

/*
 * Remove what is none of the ${n} ${keep}, what is left of others for more
 * than an hour, and the directory if it is empty then.  Faults are nobody's.
 */
void bk_wal_spool_clean(const struct bk_wal_spool *sp,
    const struct bk_wal_key *keep, size_t n);

/*
 * Fetch ${k} to ${path}, which it replaces at once or not at all.  0,
 * BK_ABSENT, -1.
 */
int bk_wal_fetch_to(struct bk_store *s, const char *name,
    const struct bk_wal_key *k, const char *path, struct bk_fault *f);

#endif
