/*
 * What the parts of retention share: the state of one decision and the
 * reasons as bits.  For retain.c, keeprule.c and keepwhy.c.
 */
#ifndef BK_KEEPING_H
#define BK_KEEPING_H

#include "retain.h"

/* One bit for each period. */
#define WHY_COUNT(p) (UINT64_C(1) << (p))
#define WHY_OLDEST(p) (UINT64_C(1) << (6 + (p)))
#define WHY_WITHIN(p) (UINT64_C(1) << (12 + (p)))
#define WHY_TAG (UINT64_C(1) << 18)
#define WHY_CYCLE_DAY (UINT64_C(1) << 19)
#define WHY_CYCLE_WEEK (UINT64_C(1) << 20)
#define WHY_CYCLE_MONTH (UINT64_C(1) << 21)
/* Guards. */
#define WHY_NEWEST (UINT64_C(1) << 22)
#define WHY_NO_GOOD (UINT64_C(1) << 23)
#define WHY_PARENT (UINT64_C(1) << 24)
#define WHY_BASIS (UINT64_C(1) << 25)
#define WHY_SOURCES (UINT64_C(1) << 26)
/* What a record is by itself; these four keep it. */
#define WHY_HELD (UINT64_C(1) << 27)
#define WHY_UNREADABLE (UINT64_C(1) << 28)
#define WHY_FUTURE (UINT64_C(1) << 29)
#define WHY_OUTSIDE (UINT64_C(1) << 30)
/* And these make it count for nothing. */
#define WHY_SUSPECT (UINT64_C(1) << 31)
#define WHY_PAYLOAD (UINT64_C(1) << 32)
#define WHY_UNPROVEN (UINT64_C(1) << 33)
#define WHY_ORPHAN (UINT64_C(1) << 34)
#define WHY_BITS 35

#define WHY_STAYS (WHY_HELD | WHY_UNREADABLE | WHY_FUTURE | WHY_OUTSIDE)
#define WHY_BLIND (WHY_UNREADABLE | WHY_FUTURE)	/* the rules see it not */
#define WHY_BAD (WHY_SUSPECT | WHY_PAYLOAD | WHY_UNPROVEN | WHY_ORPHAN)
#define WHY_RULES (WHY_NEWEST - 1)

#define NOBODY UINT32_MAX

/* A place in the order: by group, then time, then id. */
struct bk_place {
	uint64_t group;
	int64_t time;
	uint32_t i;			/* index of the input */
};

struct bk_keeping {
	const struct bk_retain_in *in;
	size_t n;
	const struct bk_policy *policy;
	const struct bk_zone *zone;
	int64_t now;
	bk_retain_match_fn *match;
	void *arg;
	struct bk_verdict *v;
	struct bk_place *place;		/* those still standing */
	size_t nplace;
	uint32_t *parent;		/* index, or NOBODY; NULL: there are none */
};

/*
 * Fill place[], sorted, and parent[]; classify each record by itself.  0, or
 * -1 with ${f} set (74).
 */
int bk_keep_order(struct bk_keeping *k, struct bk_fault *f);
int bk_keep_parents(struct bk_keeping *k, struct bk_fault *f);

/*
 * Run the policy over one group, ${n} places in order: over its good records,
 * or, where ${shadow}, over all that can be read, giving reasons only to
 * those that are not good.  0, or -1 from the match.
 */
int bk_keep_rules(struct bk_keeping *k, const struct bk_place *p, size_t n,
    bool shadow, struct bk_fault *f);

/* Numbers that differ where periods differ, at time ${t}. */
void bk_keep_periods(const struct bk_zone *z, int64_t t,
    int64_t val[BK_PERIODS]);

#endif
