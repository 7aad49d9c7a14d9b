/*
 * When is a change of a file over?  When it was closed after writing, or
 * renamed into place, and then left alone for a while.  One that is written
 * and closed again and again is over after the longest time that a change may
 * be put off; one that is held open for writing is not over before it is
 * closed.  Reports keep a distance from each other.
 *
 * Pure: no clock is read and no file looked at.  Times are milliseconds of a
 * clock that never goes back; INT64_MAX is never.
 */
#ifndef BK_SETTLE_H
#define BK_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

struct bk_settle_rule {
	int64_t quiet;			/* left alone for so long */
	int64_t longest;		/* from the first change on */
	int64_t every;			/* from one report to the next */
	int64_t reported;		/* the last report; INT64_MIN: none yet */
};

struct bk_settle {
	bool changed;			/* and not reported yet */
	uint64_t writing;		/* what is open for writing; 0: nothing */
	int64_t first, last;		/* of the changes not reported */
};

#define BK_SETTLE_INIT { .changed = false }

/*
 * ${what}, a number that is not 0 (one for each file of a directory), was
 * written to at ${now} and is still open.  Only the last one written is
 * waited for.
 */
void bk_settle_written(struct bk_settle *s, uint64_t what, int64_t now);

/* It was closed after writing, replaced, removed, or found to be another. */
void bk_settle_changed(struct bk_settle *s, uint64_t what, int64_t now);

/* What is open for writing is not known any more: events were lost. */
void bk_settle_lost(struct bk_settle *s);

/* When is it to be reported?  INT64_MAX: nothing is, or it is still open. */
int64_t bk_settle_due(const struct bk_settle *s, const struct bk_settle_rule *r);

/* It has been reported. */
void bk_settle_done(struct bk_settle *s);

#endif
