/*
 * What the parts of retention share: the state of one decision and the
 * reasons as bits.  For retain.c and keep*.c.
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
#define WHY_MEMBER (UINT64_C(1) << 35)	/* of a run: a member is not good */
/* Group runs. */
#define WHY_RUN (UINT64_C(1) << 36)
#define WHY_GOES (UINT64_C(1) << 37)
#define WHY_POINTS (UINT64_C(1) << 38)	/* a rule's too */
#define WHY_BITS 39

#define WHY_STAYS (WHY_HELD | WHY_UNREADABLE | WHY_FUTURE | WHY_OUTSIDE)
#define WHY_BLIND (WHY_UNREADABLE | WHY_FUTURE)	/* the rules see it not */
#define WHY_BAD (WHY_SUSPECT | WHY_PAYLOAD | WHY_UNPROVEN | WHY_ORPHAN | \
    WHY_MEMBER)
#define WHY_RULES (WHY_NEWEST - 1)

#define NOBODY UINT32_MAX
#define BK_TITLE_LEN 88			/* of a group's name and a number */

/* A place in the order: by group, then time, then id. */
struct bk_place {
	uint64_t group;
	int64_t time;
	uint32_t i;			/* index of the input */
};

struct bk_keeping {
	const struct bk_retain_in *in;	/* records, and stand-ins of runs */
	size_t n;			/* of both */
	size_t real;			/* of records */
	const struct bk_retain_more *more;	/* or NULL */
	struct bk_retain_book own;	/* of by 0 */
	const struct bk_policy *policy;	/* of the group at hand */
	const struct bk_zone *zone;
	int64_t now;
	bk_retain_match_fn *match;
	void *arg;
	struct bk_verdict *v;
	struct bk_place *place;		/* those still standing */
	size_t nplace;
	uint32_t *parent;		/* index, or NOBODY; NULL: there are none */
	struct bk_retain_in *both;	/* owned: what ${in} is where there are runs */
	char (*title)[BK_TITLE_LEN];	/* names of stand-ins */
	uint32_t *stand;		/* of each run, its first; and the end */
};

/* The policy and zone of record ${i}. */
static inline const struct bk_retain_book *
bk_keep_book(const struct bk_keeping *k, uint32_t i)
{
	return k->in[i].by == 0 ? &k->own : &k->more->book[k->in[i].by - 1];
}

/*
 * Group runs.  Each has a stand-in for each rule that one of its members goes
 * by: a record like any other, of a name that no record has.  Make them; 0,
 * or -1 with ${f} set (74).
 */
int bk_keep_runs(struct bk_keeping *k, struct bk_fault *f);

/* Once the records are judged: which runs are not good? */
void bk_keep_judge_runs(struct bk_keeping *k);

/* What stays keeps its parents and the rest of its run. */
void bk_keep_together(struct bk_keeping *k);

/* Say of what goes with which run it does. */
void bk_keep_tell_runs(struct bk_keeping *k);

/*
 * Make stand-ins, verdicts, places and parents, and classify each record by
 * itself.  0, or -1 with ${f} set (74); release after either.
 */
int bk_keep_prepare(struct bk_keeping *k, struct bk_fault *f);
void bk_keep_release(struct bk_keeping *k);

/* Fill place[], sorted, and parent[].  0, or -1 with ${f} set (74). */
int bk_keep_order(struct bk_keeping *k, struct bk_fault *f);
int bk_keep_parents(struct bk_keeping *k, struct bk_fault *f);

/* The end of the group whose places begin at ${from}. */
size_t bk_keep_group_end(const struct bk_keeping *k, size_t from);

/* Suspicion by size in one group, and with it which are good. */
void bk_keep_judge(struct bk_keeping *k, const struct bk_place *p, size_t n);

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
