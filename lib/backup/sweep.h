/*
 * Sweeping (DESIGN, 5): what interrupted uploads and copies left.  Debris is
 * an unfinished upload, or a key of exactly the form
 * <name>/<name>-<time>-<id>.<rest> that no manifest, tombstone or claim
 * names, once its id is more than 7 days old by the store's clock: nobody can
 * commit it any more.  Bundles whose link has expired go with it.
 * Of an unfinished file of PostgreSQL's log, which has no id, the store's own
 * time counts.
 */
#ifndef BK_SWEEP_H
#define BK_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "ctx.h"
#include "store.h"

struct bk_swept {
	const char *key;
	const char *why;
	int64_t time;			/* of its id */
	uint64_t bytes;
};

struct bk_sweep_sum {
	uint64_t n, bytes;
};

typedef int bk_swept_fn(void *arg, const struct bk_swept *o,
    struct bk_fault *f);

/* All have been given; -1 stops before anything is removed. */
typedef int bk_swept_all_fn(void *arg, struct bk_fault *f);

/*
 * Give all debris to ${fn}, call ${all}, and remove it unless ${dry_run}.
 * 0, or -1 with ${f} set: 65 a claim that cannot be read.
 */
int bk_sweep(const struct bk_ctx *ctx, struct bk_store *s, bool dry_run,
    bk_swept_fn *fn, bk_swept_all_fn *all, void *arg,
    struct bk_sweep_sum *sum, struct bk_fault *f);

#endif
