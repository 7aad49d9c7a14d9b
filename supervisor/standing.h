/*
 * How a job stands: what bk-status shows of it.  Taken from the ledger, and
 * where that knows no good run that is young enough, from the job's stores:
 * another host may have run it, or the ledger is gone.  Stores are asked by
 * running bk-fresh.
 */
#ifndef BK_STANDING_H
#define BK_STANDING_H

#include <jansson.h>

#include "buf.h"
#include "job.h"
#include "ledger.h"

#define BK_STAND_FOREVER "36500d"	/* the longest that a duration may be */

/* As bk-fresh tells them; the worse the later. */
enum bk_stand {
	BK_STAND_FRESH,
	BK_STAND_UNCHANGED,
	BK_STAND_SHRUNK,
	BK_STAND_FAILED,
	BK_STAND_STALE,
	BK_STAND_NEVER,
	BK_STANDS
};

extern const char *const bk_stand_names[BK_STANDS];

#define BK_STAND_NOW INT64_MIN

/* Times in ms, 0 where there is none. */
struct bk_standing {
	const struct bk_job *job;
	enum bk_stand state;
	const char *from;		/* "ledger", "store" or "none" */
	bool running;
	bool killed;			/* the last run has no outcome and no process */
	int64_t started;		/* of the run under way */
	int64_t good;			/* the newest good backup */
	int64_t unchanged;		/* the last time that it was found so */
	int64_t due;			/* or BK_STAND_NOW */
	int64_t interval, max_age;	/* 0: none */
	int64_t bytes, duration;	/* of the newest good; -1: not known */
	char id[BK_ULID_LEN + 1];
	int trend;			/* percent of size over the runs before */
	bool has_trend;
	int64_t failed;			/* the last failure, if none went well since */
	int status;			/* of it; -1: not known */
	char message[BK_LEDGER_TEXT];
	const struct bk_job_store *down;	/* a store that could not be asked */
	char warning[BK_LEDGER_TEXT];	/* "" if there is none */
	json_t *recoverable;		/* of base backups: an array, or NULL */
};

/*
 * From the ledger alone: ${s} is the job's state there or NULL, ${now} the
 * time.  job, due, interval, max_age, running and
 * killed are set already; the rest is not.
 */
void bk_standing_ledger(struct bk_standing *st, const struct bk_ledger_state *s,
    int64_t now);

/*
 * Ask the stores, where ${st} is stale or never.  What cannot be asked leaves
 * it as it is, with a warning.
 */
void bk_standing_stores(const struct bk_ctx *ctx, struct bk_standing *st);

/*
 * Of a job that makes base backups: ask its stores which moments can be
 * restored (standwal.c).  Release the array.
 */
void bk_standing_wal(const struct bk_ctx *ctx, struct bk_standing *st);

/* The same for a person, a line for each interval.  0 or -1. */
int bk_standing_wal_text(const struct bk_standing *st, struct bk_buf *out,
    struct bk_fault *f);

/* As an object, a new reference; NULL with ${f} set (74). */
json_t *bk_standing_json(const struct bk_standing *st, int64_t now,
    struct bk_fault *f);

/* The table of ${n} jobs for a person; 0 or -1. */
int bk_standing_table(const struct bk_standing *st, size_t n, int64_t now,
    struct bk_buf *out, struct bk_fault *f);

#endif
