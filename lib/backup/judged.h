/*
 * All records of one name, each with the verdict that bk_retain gives on it:
 * what freshness asks, of a name and of each member of a group.
 */
#ifndef BK_JUDGED_H
#define BK_JUDGED_H

#include <stdbool.h>

#include "fresh.h"
#include "list.h"
#include "retain.h"

struct bk_judged {
	struct bk_list list;
	struct bk_retain_in *in;	/* as the list */
	struct bk_retained r;		/* as the list */
	struct bk_policy policy;
	struct bk_zone *zone;
	int64_t now;
};

#define BK_JUDGED_INIT { .list = BK_LIST_INIT, .r = BK_RETAINED_INIT, \
    .policy = BK_POLICY_INIT }

/*
 * Read and judge the records of ${name} by the limits of ${req} at time
 * ${now}.  Payloads are taken to be there.  0 or -1; release ${j} after
 * either.
 */
int bk_judged_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_fresh_req *req, const char *name, int64_t now,
    struct bk_judged *j, struct bk_fault *f);
void bk_judged_release(struct bk_judged *j);

/* The place of the newest record that is (good, or any) not from the future. */
size_t bk_judged_newest(const struct bk_judged *j, bool good);

/*
 * Is the payload of record ${i} there with its size?  1; 0, and then all is
 * judged anew without it; -1.
 */
int bk_judged_payload(struct bk_judged *j, struct bk_store *s, size_t i,
    struct bk_fault *f);

/*
 * Why record ${i} is not good, in words.  *${shrunk}: only because it is much
 * smaller than others or than it may be.
 */
void bk_judged_why(const struct bk_judged *j, size_t i, char out[BK_WHY_LEN],
    bool *shrunk);

#endif
