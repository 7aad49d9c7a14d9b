/*
 * What became of the last attempts (DESIGN, 5): .bk/state/<name>/<host>.json,
 * one object for each host that backs the name up:
 *
 *   {"bk":"state/1","name":"app","host":"db1",
 *    "attempt":{"time","outcome","status","message","run","job","trigger",
 *               "duration","id"},
 *    "committed":{"time","id","duration"},"unchanged":{"time"},
 *    "failed":{"time","status","message","count"}}
 *
 * "attempt" is the last one; the others are the last with that outcome.
 * "count" is how many failed since one went well.  A member that is not known
 * is left out.  Times are by the store's clock, durations in ms.
 */
#ifndef BK_STATE_H
#define BK_STATE_H

#include <jansson.h>
#include <stdint.h>

#include "ctx.h"
#include "fault.h"
#include "store.h"

enum bk_outcome {
	BK_COMMITTED,
	BK_NOT_CHANGED,
	BK_FAILED,
	BK_SKIPPED,
	BK_OUTCOMES
};

/* "committed", "unchanged", "failed", "skipped". */
extern const char *const bk_outcome_names[BK_OUTCOMES];

struct bk_report {
	enum bk_outcome outcome;
	const char *id, *run, *job, *trigger, *message;	/* or NULL */
	int status;			/* of the run; -1: not known */
	int64_t duration;		/* ms; -1: not known */
};

/*
 * Merge ${r} at time ${now} into ${old}, the state so far or NULL.  The new
 * state, or NULL with ${f} set.
 */
json_t *bk_state_merge(const json_t *old, const char *name, const char *host,
    const struct bk_report *r, int64_t now, struct bk_fault *f);

/*
 * Report an attempt of ${name} by this host: read, merge, replace.  An old
 * state that cannot be understood is logged and replaced.  0 or -1.
 */
int bk_state_report(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, const struct bk_report *r, struct bk_fault *f);

/* What all hosts together say of a name: the newest of each. */
struct bk_state {
	json_t *attempt;		/* owned, or NULL; each with "host" */
	json_t *committed, *unchanged, *failed;
	/* Their times in ms, INT64_MIN where there is none. */
	int64_t attempt_time, committed_time, unchanged_time, failed_time;
	uint64_t failures;		/* in a row, of the host that failed last */
	uint64_t unreadable;		/* objects passed over, logged */
};

#define BK_STATE_INIT { .attempt_time = INT64_MIN, \
    .committed_time = INT64_MIN, .unchanged_time = INT64_MIN, \
    .failed_time = INT64_MIN }

/*
 * Read it; what lies after ${until} (ms) is from a clock that is wrong and is
 * passed over.  0, also where nothing was reported; or -1.  Release ${st}
 * after either.
 */
int bk_state_read(const struct bk_ctx *ctx, struct bk_store *s,
    const char *name, int64_t until, struct bk_state *st, struct bk_fault *f);
void bk_state_release(struct bk_state *st);

#endif
