/*
 * The decision is that of bk-fresh (DESIGN, 10), made of what the ledger
 * knows: never, stale, failed, unchanged, fresh.  A run counts as good at the
 * time at which it ended.
 */
#include <stdio.h>
#include <string.h>

#include "due.h"
#include "standing.h"
#include "table.h"

const char *const bk_stand_names[BK_STANDS] = { "fresh", "unchanged", "shrunk",
	"failed", "stale", "never" };

static int64_t
newer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static bool
too_old(const struct bk_standing *st, int64_t now)
{
	const struct bk_job *j = st->job;

	if (st->max_age == 0 || now - st->good < st->max_age)
		return false;
	if (st->unchanged < st->good || now - st->unchanged >= st->max_age)
		return true;
	return j->max_unchanged > 0 && now - st->good > j->max_unchanged;
}

/* Size of the newest against the middle of those before. */
static void
set_trend(struct bk_standing *st, const struct bk_ledger_state *s)
{
	int64_t sorted[BK_LEDGER_RECENT], v, middle;
	size_t i, k, n = 0;

	for (i = 0; i + 1 < s->nrecent; i++) {
		v = s->recent_bytes[i];
		for (k = n++; k > 0 && sorted[k - 1] > v; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = v;
	}
	if (n == 0 || (middle = sorted[n / 2]) <= 0)
		return;
	v = (int64_t)((double)(s->bytes - middle) * 100.0 / (double)middle);
	st->trend = v > 999 ? 999 : (int)v;
	st->has_trend = true;
}

void
bk_standing_ledger(struct bk_standing *st, const struct bk_ledger_state *s,
    int64_t now)
{
	char a[24], b[24];

	st->state = BK_STAND_NEVER;
	st->from = "none";
	st->bytes = st->duration = st->status = -1;
	if (s == NULL)
		return;
	st->from = "ledger";
	st->started = st->running ? s->started : 0;
	st->good = s->committed;
	st->unchanged = s->unchanged;
	if (s->failed > newer(s->committed, s->unchanged)) {
		st->failed = s->failed;
		st->status = s->status;
		memcpy(st->message, s->message, sizeof(st->message));
	}
	if (st->killed) {
		st->failed = s->started;
		st->status = -1;
		(void)snprintf(st->message, sizeof(st->message),
		    "run %s was killed", s->run);
	}
	if (bk_due_ahead(st->good, now))
		st->good = 0;
	if (bk_due_ahead(st->unchanged, now))
		st->unchanged = 0;
	/* Then the stores are to be asked. */
	if (st->good == 0)
		return;
	st->bytes = s->bytes;
	st->duration = s->duration;
	memcpy(st->id, s->id, sizeof(st->id));
	set_trend(st, s);
	st->state = too_old(st, now) ? BK_STAND_STALE :
	    st->failed != 0 ? BK_STAND_FAILED :
	    st->unchanged > st->good ? BK_STAND_UNCHANGED : BK_STAND_FRESH;
	if (st->interval > 0 && st->duration > st->interval / 2)
		(void)snprintf(st->warning, sizeof(st->warning), "its last run "
		    "took %s, more than half of its interval of %s",
		    bk_age_text(st->duration, a), bk_age_text(st->interval, b));
}
