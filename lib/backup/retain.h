/*
 * Retention: which records stay (DESIGN, 7).  A pure decision: no I/O, no
 * clock; the same input gives the same plan.
 *
 * The rules are those of restic's forget (restic.readthedocs.io, "Removing
 * snapshots according to a policy"), run for each name (or name and source)
 * over its good records alone; beside them stand the guards, which look at
 * everything that is passed in:
 *
 *   - the newest good record of each group stays; where there is none at all
 *     every record stays;
 *   - a record that is not good (suspect, payload gone, not proven, a broken
 *     chain) counts for nothing.  It stays as long as the rules would keep it
 *     were it good, so that a person can still look at it, and takes no place;
 *   - held, unreadable, of a newer version, from the future: stays;
 *   - what a kept record names as parent stays, over all names;
 *   - a group run (DESIGN, 9) stays or goes as a whole.  The rules look at the
 *     runs of a group as at one more name: a run is good when all its members
 *     are, and the newest good one stays;
 *   - a rule of days or of time (cycle, within) keeps every moment since, not
 *     only the records: of base backups the newest good one before it stays;
 *   - where deleting would change what a kept record is compared with so that
 *     it turned suspect, or stopped being suspect, the three that it was
 *     compared with stay.  With that a plan, once executed, deletes nothing
 *     more when it is made again.
 *
 * Suspicion: source bytes below (100 - shrink) percent of the median of the
 * last three good records before it (of two: their mean).  An accepted record
 * (bk-tag --good) begins the comparison anew.  Increments, which have a parent,
 * are not compared, and nothing with them.
 *
 * Memory: about 110 bytes a record beside the caller's array.
 */
#ifndef BK_RETAIN_H
#define BK_RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "policy.h"
#include "zone.h"

/* Flags of a record. */
#define BK_RETAIN_PAYLOAD 1U	/* the payload is there with the right size */
#define BK_RETAIN_SUSPECT 2U	/* noted suspect (and not accepted later) */
#define BK_RETAIN_ACCEPTED 4U	/* noted good by a person: neither suspicion
				   nor a lack of proof counts */
#define BK_RETAIN_PROVEN 8U	/* info.proof is not "none" */
#define BK_RETAIN_HELD 16U
#define BK_RETAIN_UNREADABLE 32U /* cannot be read or is of a newer version;
				   of it id, name, time are used if there */
#define BK_RETAIN_OUTSIDE 64U	/* not to be deleted, the rules pass it by:
				   what "bk-list | bk-prune -" did not name */
#define BK_RETAIN_FOREIGN 128U	/* of a name that is not pruned now: its own
				   rule tells what of it will stay, and nothing
				   of it goes */

#define BK_RETAIN_BASE 256U	/* a base backup, from which a log goes on: */
#define BK_ENGINE_BASE "postgres-base"	/* made by this engine */

#define BK_BYTES_UNKNOWN UINT64_MAX

/* A record from more than this after now is from the future. */
#define BK_RETAIN_AHEAD_MS (5 * 60 * 1000)
/* Sources are compared over this time up to the newest record of a name. */
#define BK_RETAIN_RECENT_MS (INT64_C(31) * 24 * 3600 * 1000)

struct bk_retain_in {
	int64_t time;			/* ms */
	const char *id;			/* 26 characters; never NULL */
	const char *name;		/* never NULL */
	const char *source;		/* "source" as one canonical text, or NULL */
	const char *parent;		/* id, or NULL */
	uint64_t bytes;			/* of the source; BK_BYTES_UNKNOWN */
	uint64_t stored;		/* of the payload, for the sums */
	unsigned int flags;
	uint32_t by;			/* 0: the policy; else book[by - 1], the
					   same for all of a name */
};

/* The rule of another name. */
struct bk_retain_book {
	const struct bk_policy *policy;
	const struct bk_zone *zone;
};

/* A group run all of whose members are in the input. */
struct bk_retain_run {
	const char *group, *run;
	int64_t time;
	const uint32_t *member;		/* indices */
	size_t n;
};

struct bk_retain_more {
	const struct bk_retain_book *book;
	size_t nbooks;
	const struct bk_retain_run *run;
	size_t nruns;
};

/* Why, as bits; bk_retain_why makes text of them. */
struct bk_verdict {
	uint64_t why;
	uint32_t last;			/* place among the last N, from 1 */
	uint32_t child;			/* index: whose parent it is */
	uint32_t basis;			/* index: whose judgement rests on it */
	uint32_t run;			/* index: with which run */
	uint16_t tags;			/* bits: which --keep-tag match */
	bool keep;
	bool good;
};

/* A name that is not pruned: all its records stay. */
struct bk_refusal {
	uint32_t a, b;			/* indices: newest record of two sources */
};

struct bk_retained {
	struct bk_verdict *v;		/* as the input */
	size_t n;
	struct bk_refusal *refused;
	size_t nrefused;		/* above 0: status 78 */
	uint64_t keep, keep_bytes;	/* records, and sum of stored */
	uint64_t gone, gone_bytes;
	uint64_t odd;			/* unreadable, newer, future; > 0: status 1 */
	/*
	 * Of each run where in ${v} and ${both} its stand-ins begin (keepruns.c);
	 * NULL where there are no runs.
	 */
	uint32_t *stand;
	struct bk_retain_in *both;
	/* Borrowed, for bk_retain_why. */
	const struct bk_retain_in *in;
	const struct bk_policy *policy;
	const struct bk_zone *zone;
	const struct bk_retain_more *more;
};

#define BK_RETAINED_INIT { .v = NULL }

/*
 * Does record ${i} of the input match query ${q} of the policy?  1, 0, or -1
 * with ${f} set.
 */
typedef int bk_retain_match_fn(void *arg, const struct bk_query *q, size_t i,
    struct bk_fault *f);

/*
 * Decide over ${n} records (at most 2^32 - 2) in any order.  ${zone} is that
 * of the policy.  ${match} is asked only where the policy has tags.  0, or -1
 * with ${f} set (64 the policy is empty, 74 no memory, or what ${match} set).
 * ${out} borrows all that is passed in; release it after either.
 */
int bk_retain(const struct bk_retain_in *in, size_t n,
    const struct bk_policy *policy, const struct bk_zone *zone, int64_t now,
    bk_retain_match_fn *match, void *arg, struct bk_retained *out,
    struct bk_fault *f);
/*
 * The same where other names have rules of their own and backups stand in
 * group runs.  ${keep} of a foreign record is what its own rule says.  Neither
 * counts nor sums have foreign ones in them.
 */
int bk_retain_more(const struct bk_retain_in *in, size_t n,
    const struct bk_retain_more *more, const struct bk_policy *policy,
    const struct bk_zone *zone, int64_t now, bk_retain_match_fn *match,
    void *arg, struct bk_retained *out, struct bk_fault *f);
void bk_retain_release(struct bk_retained *r);

#define BK_WHY_LEN 256

/*
 * Reason ${k} (from 0) of record ${i} as text: "last 1", "hourly 2026-11-21T10",
 * "daily 2026-11-21", "weekly 2026-W47", "monthly 2026-11", "yearly 2026",
 * "oldest daily", "within 7d", "daily within 1mo", "tag {tier=\"app\"}",
 * "cycle day", "cycle week 2026-W47", "cycle month 2026-11", "newest good",
 * "no good record of this name", "held", "parent of ID", "compared with ID",
 * "run RUN of group 'GROUP'" and what keeps that run, "two sources", "cannot be read", "from the future", "not on the list",
 * and, of either kind, "suspect, counts for nothing", "payload missing,
 * counts for nothing", "not proven, counts for nothing", "parent missing,
 * counts for nothing"; a deleted record of a group run has "goes with run RUN
 * of group 'GROUP'", and one that nothing else is said of "no rule keeps it".  NULL where there are no more.
 */
const char *bk_retain_why(const struct bk_retained *r, size_t i, unsigned int k,
    char out[BK_WHY_LEN]);

/*
 * One suspicion by itself, for freshness: is ${bytes} below (100 - ${shrink})
 * percent of the median of the ${n} (0 to 3) before it?
 */
bool bk_retain_shrunk(uint64_t bytes, const uint64_t *before, size_t n,
    unsigned int shrink);

/*
 * Marks (DESIGN, 8): bits (1U << BK_HOURLY) ... (1U << BK_YEARLY) of each of
 * ${n} records into ${marks}.  By the cycle or the counts of ${policy}, or,
 * where that is NULL, of each period of each name the first good record.
 * Records that are not good have none.
 */
int bk_retain_marks(const struct bk_retain_in *in, size_t n,
    const struct bk_policy *policy, const struct bk_zone *zone, int64_t now,
    bk_retain_match_fn *match, void *arg, uint8_t *marks, struct bk_fault *f);

#endif
