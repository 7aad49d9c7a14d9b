/*
 * See settle.h.
 */
#include "settle.h"

static void
change(struct bk_settle *s, int64_t now)
{
	if (!s->changed)
		s->first = now;
	s->changed = true;
	s->last = now;
}

void
bk_settle_written(struct bk_settle *s, uint64_t what, int64_t now)
{
	change(s, now);
	s->writing = what;
}

void
bk_settle_changed(struct bk_settle *s, uint64_t what, int64_t now)
{
	change(s, now);
	if (s->writing == what)
		s->writing = 0;
}

void
bk_settle_lost(struct bk_settle *s)
{
	s->writing = 0;
}

int64_t
bk_settle_due(const struct bk_settle *s, const struct bk_settle_rule *r)
{
	int64_t due;

	if (!s->changed || s->writing != 0)
		return INT64_MAX;
	due = s->last + r->quiet;
	if (due > s->first + r->longest)
		due = s->first + r->longest;
	if (r->reported != INT64_MIN && due < r->reported + r->every)
		due = r->reported + r->every;
	return due;
}

void
bk_settle_done(struct bk_settle *s)
{
	s->changed = false;
}
