/*
 * Leases on a store: one active host among many (DESIGN, 5 and 9).
 *
 * A lease is a chain of small objects with growing numbers, each created only
 * if absent and never changed:
 *
 *   .bk/lease/<name>/<number, 12 digits>.json
 *   {"bk":"lease/1","name","number","holder":"<ulid>","state":"held"|"free",
 *    "term":30000,"host","time"}
 *
 * The highest number is the lease.  To take it, to renew it and to give it
 * back are one step, to create the next number, so that of two who try only
 * one gets through; "time" and "host" are for people, no clock is compared.
 *
 * - A lease is its holder's for a term from the moment before the holder sent
 *   what created the object, by the holder's own clock.
 * - A contender creates the next number once the highest is "free", or has
 *   been the highest for a full term of the contender's clock since the answer
 *   that first showed it.  That began later than the holder's term.
 * - Nobody trusts a number that he has created before a listing has shown it
 *   to be the highest: one who slept while the chain went on, and whose next
 *   number was cleaned away meanwhile, sees a higher one.
 * - An answer that was lost is looked for.  The object counts from the first
 *   time that its creation was sent.
 * - Of the old numbers some are kept and others removed, by the one who has
 *   just seen his own be the highest; the highest is never removed.
 *
 * So no moment matters at which a holder is suspended or a contender overtakes
 * another, and clocks matter only by their pace: a holder stops at three
 * quarters of its term.  What it takes of a store: creating only, and
 * that who reads after a write sees it, in listings too.  Both are true of
 * Amazon S3 since 2024 and 2020, of Ceph, of MinIO, and of directories.  On NFS
 * link(2) is atomic across hosts and opening a directory asks the server
 * (nfs(5), close-to-open), while flock(2) may be local to a host; hence the
 * same chain for file:.
 *
 * The machine below only decides: it is told what came of each request and
 * what time it is, by a clock that goes on while the host sleeps
 * (CLOCK_BOOTTIME), in ms.  bk_leaseio_* do what it asks for.
 */
#ifndef BK_LEASE_H
#define BK_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"
#include "ulid.h"

#define BK_LEASE_TERM_MIN 1000
#define BK_LEASE_TERM_MAX (24 * 3600 * INT64_C(1000))
#define BK_LEASE_KEPT 4			/* numbers that stay, the highest included */

/* One object of the chain. */
struct bk_lease_entry {
	uint64_t number;		/* 0: there is none */
	int64_t term;
	bool free;
	char holder[BK_ULID_LEN + 1];
	char host[256];			/* to be shown */
};

enum bk_lease_phase {
	BK_LEASE_CONTEND,		/* wants it */
	BK_LEASE_HELD,
	BK_LEASE_RELEASE,		/* gives it back */
	BK_LEASE_OVER			/* nothing is to be done any more */
};

/* Why it is over. */
enum bk_lease_end {
	BK_LEASE_NOT_OVER,
	BK_LEASE_FREED,			/* given back, or it was not ours */
	BK_LEASE_LEFT,			/* not given back in time: it lapses */
	BK_LEASE_WAITED,		/* not had in time */
	BK_LEASE_YIELDED,		/* another holder was seen to live */
	BK_LEASE_LOST			/* another has it, that was ours */
};

/* What is to be done next. */
enum bk_lease_what {
	BK_LEASE_LIST,			/* find the highest number */
	BK_LEASE_GET,			/* read ${number} */
	BK_LEASE_PUT,			/* create ${number}, held or ${free} */
	BK_LEASE_REMOVE,		/* remove the numbers below ${number} */
	BK_LEASE_SLEEP,			/* until ${at}, or the machine is told more */
	BK_LEASE_END
};

struct bk_lease_act {
	enum bk_lease_what what;
	uint64_t number;
	bool free;
	int64_t at;
};

struct bk_lease {
	enum bk_lease_phase phase;
	enum bk_lease_end end;
	char holder[BK_ULID_LEN + 1];
	int64_t term, give_up;
	bool yield;
	bool working;			/* the command runs, or has run */
	struct bk_lease_act next;
	struct bk_lease_entry top;	/* the highest that was read */
	int64_t top_since;		/* when it was first seen */
	bool known;			/* ${top} was asked for */
	bool asked;			/* an answer is awaited */
	uint64_t mine, tried;		/* our highest; the one we try to create */
	int64_t base, tried_at;		/* when these were first sent */
	bool unsure;			/* ${tried} may be there, or may yet come */
	int64_t release_until;
};

/*
 * Begin: ${holder} is a ULID that nobody else has, ${term} in ms.  Without
 * the lease at ${give_up} (INT64_MAX: never) it is over: WAITED; one look is
 * always taken.  With ${yield} it is over (YIELDED) as soon as another's
 * lease is seen to change: its holder lives, or has just been done.
 */
void bk_lease_init(struct bk_lease *l, const char *holder, int64_t term,
    int64_t give_up, bool yield);

/*
 * What is to be done at ${now}?  Each but SLEEP and END wants its answer before
 * the next is asked for.
 */
void bk_lease_next(struct bk_lease *l, int64_t now, struct bk_lease_act *a);

/* The answers.  ${top} 0: there is none. */
void bk_lease_listed(struct bk_lease *l, int64_t now, uint64_t top);
/* NULL: the object has gone meanwhile. */
void bk_lease_got(struct bk_lease *l, int64_t now,
    const struct bk_lease_entry *e);
/* Created, or the number is taken. */
void bk_lease_put(struct bk_lease *l, int64_t now, bool created);
/* It failed; ${perhaps} it was, or will yet be, done nevertheless. */
void bk_lease_failed(struct bk_lease *l, int64_t now, bool perhaps);
/* Removed, or not: what stays is removed another time. */
void bk_lease_removed(struct bk_lease *l);

/*
 * May the command start, or run on?  Held, and neither of the two times has
 * come: at the first it is told to end (TERM), at the second it is ended
 * (KILL).  They move with each renewal, until the first has come.
 */
bool bk_lease_good(const struct bk_lease *l, int64_t now);
int64_t bk_lease_stop_at(const struct bk_lease *l);
int64_t bk_lease_kill_at(const struct bk_lease *l);

/* The command is about to start.  From now on a lease that ran out stays so. */
void bk_lease_work(struct bk_lease *l);

/*
 * It has ended, or the wait is over: give back what is, or may be, ours.  Not
 * between an act and its answer.
 */
void bk_lease_release(struct bk_lease *l, int64_t now);

#endif
