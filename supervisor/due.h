/*
 * When each job is due.  Pure: jobs, what the ledger tells of them, a time
 * and a zone in; due times and reasons out.  Supervisor, --once, --check and
 * bk status ask the same functions, a simulation asks them with its own clock.
 *
 * A slot is a due time by the schedule; the ledger names it.  The newest slot
 * that was acted on is what the next one counts from, so that an @every holds
 * its pace and a stop loses nothing: after one, the newest slot that passed is
 * due at once and the others were missed.  A slot that was entered as due and
 * never begun is due still.  Where the ledger has entries and no slot (a
 * person ran it), the last entry is what counts.
 *
 * The last slot lies in the future only where the clock was set back.  By up
 * to three hours, or the job's interval if that is less, the slot stands, and
 * nothing runs twice; by more, the clock was wrong before: the job is due at
 * once, and its slots begin anew there.
 */
#ifndef BK_DUE_H
#define BK_DUE_H

#include "job.h"
#include "ledger.h"
#include "zone.h"

#define BK_DUE_NEVER INT64_MAX
#define BK_DUE_CORRECTION (INT64_C(3) * 3600 * 1000)

enum bk_due_why {
	BK_DUE_ASKED,			/* has no time of its own */
	BK_DUE_ELSEWHERE,		/* is for other hosts */
	BK_DUE_MEMBER,			/* runs with the leader of its group */
	BK_DUE_CHANGE,			/* when what it watches changes */
	BK_DUE_FIRST,			/* never ran */
	BK_DUE_SCHEDULE,		/* its slot */
	BK_DUE_LATE,			/* nothing ran it at its slot */
	BK_DUE_CLOCK			/* the clock was set back */
};

struct bk_due_time {
	enum bk_due_why why;
	int64_t at;			/* when to start it, or BK_DUE_NEVER */
	int64_t slot;			/* at without its spread; 0: none */
	int64_t until;			/* start of the slot after it; 0: none */
	uint64_t missed;		/* slots between the last one and this */
};

/* What is known of the age of a job's backups, beside the ledger. */
struct bk_due_age {
	int64_t since;			/* the job was first seen */
	int64_t good;			/* newest good backup in the stores, or 0 */
	int64_t told;			/* last time on-stale was told, or 0 */
};

struct bk_due;

/*
 * Understand the schedules of ${jobs}, which must outlive the result.  The
 * zone is that in front of a schedule, else "tz" of the file, else TZ, else
 * the system's.  NULL with ${f} set (78, "FILE:LINE: schedule '…', position …").
 */
struct bk_due *bk_due_open(const struct bk_ctx *ctx,
    const struct bk_jobs *jobs, struct bk_fault *f);
void bk_due_free(struct bk_due *d);		/* accepts NULL */

/* The zone of jobs that name none. */
const char *bk_due_zone(const struct bk_due *d);

/* The zone by which ${job} is due. */
const struct bk_zone *bk_due_job_zone(const struct bk_due *d,
    const struct bk_job *job);

/*
 * When is ${job} due, given its state ${s} (NULL: the ledger has none)?  What
 * is due now has at <= ${now}.  A job that only watches has BK_DUE_NEVER
 * once it ran.
 */
struct bk_due_time bk_due_next(const struct bk_due *d,
    const struct bk_job *job, const struct bk_ledger_state *s, int64_t now);

/*
 * The first slot after ${after}, or BK_DUE_NEVER: for naming those missed, and
 * for showing more than one.
 */
int64_t bk_due_slot(const struct bk_due *d, const struct bk_job *job,
    int64_t after);

/* May ${job} begin at a start of the supervisor ("at-start")? */
bool bk_due_at_start(const struct bk_due *d, const struct bk_job *job);

/* Does ${job} run here when what it watches changes? */
bool bk_due_watches(const struct bk_due *d, const struct bk_job *job);

/* The first moment from ${now} on at which "at-most-every" lets a change act. */
int64_t bk_due_change(const struct bk_job *job,
    const struct bk_ledger_state *s, int64_t now);

/*
 * The longest time between two slots of the job, or of the one that leads it;
 * 0 where there is no schedule.
 */
int64_t bk_due_interval(const struct bk_due *d, const struct bk_job *job);

/* "max-age", else twice the interval; 0 where there is neither. */
int64_t bk_due_max_age(const struct bk_due *d, const struct bk_job *job);

/*
 * Is ${t} so far ahead of ${now} that a clock that was wrong must have told
 * it?  Then it vouches for nothing.
 */
bool bk_due_ahead(int64_t t, int64_t now);

/*
 * When the newest good backup becomes too old and nobody was told yet, or
 * BK_DUE_NEVER.  For a job without any, ${age}->since stands in; what is
 * ahead of ${now} counts for nothing.
 */
int64_t bk_due_stale(const struct bk_due *d, const struct bk_job *job,
    const struct bk_ledger_state *s, const struct bk_due_age *age,
    int64_t now);

/* A few words for a person: "its slot", "never ran". */
const char *bk_due_word(enum bk_due_why why);

#endif
