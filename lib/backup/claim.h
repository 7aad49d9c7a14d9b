/*
 * Claims: keys that a copy under way will commit (DESIGN, 5).  The ids of
 * copies are old, so that their age protects nothing from bk-prune --sweep; a
 * claim does, for as long as it can be used.
 *
 *   .bk/claim/<ulid>.json  {"bk":"claim/1","time","host","keys":[…]}
 */
#ifndef BK_CLAIM_H
#define BK_CLAIM_H

#include "ctx.h"
#include "store.h"

/* A copy commits no later than this after its claim. */
#define BK_CLAIM_MS (6 * 24 * 3600 * INT64_C(1000))

struct bk_claim {
	char key[64];			/* "" : none was written */
	int64_t time;			/* ms, by the store's clock */
};

#define BK_CLAIM_INIT { "", 0 }

/* Claim ${key} in ${s}.  0, or -1 with ${f} set. */
int bk_claim_write(const struct bk_ctx *ctx, struct bk_store *s,
    const char *key, struct bk_claim *c, struct bk_fault *f);

/* Is it still good?  0, or -1 with ${f} set (65: more than 6 days old). */
int bk_claim_check(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_claim *c, struct bk_fault *f);

/*
 * Remove it, once the manifest is there or the payload is not.  What cannot
 * be removed is logged: it is void after 7 days.
 */
void bk_claim_drop(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_claim *c);

#endif
