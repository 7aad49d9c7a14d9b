/*
 * Which of a name's log goes (DESIGN, 5, 7).  A file goes when it lies before
 * the start of the oldest base backup on its system and its timeline's line,
 * listed or with a tombstone, and that was seen to be so more than 7 days ago.
 * Where there is no such backup nothing goes, nor where one of the name cannot
 * be read.  Histories stay.
 *
 * What was seen is remembered in .bk/wal/<name>.json:
 *
 *   {"bk":"wal-seen/1","name","seen":[{"system":"…","timeline":1,
 *    "before":"<16 digits>","since":"<store's clock>"},…]}
 *
 * Losing it costs 7 days.
 */
#ifndef BK_WALPRUNE_H
#define BK_WALPRUNE_H

#include "ctx.h"
#include "wal.h"

#define BK_WAL_SEEN_MS (7 * 24 * 3600 * INT64_C(1000))

struct bk_wal_gone {
	const char *name;
	uint64_t system;
	uint32_t tli;
	char first[BK_WAL_FILE_MAX], last[BK_WAL_FILE_MAX];
	uint64_t n, bytes;
};

typedef int bk_wal_gone_fn(void *arg, const struct bk_wal_gone *g,
    struct bk_fault *f);

/*
 * Tell ${fn} what goes of ${name}, timeline by timeline, then remove it,
 * unless ${dry_run}.  0 (also where something is kept because it cannot be
 * told: logged), or -1 with ${f} set.
 */
int bk_wal_prune(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, bool dry_run, bk_wal_gone_fn *fn, void *arg,
    struct bk_fault *f);

#endif
