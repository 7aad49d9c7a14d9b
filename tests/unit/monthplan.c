/*
 * The expectation: one pass over the minutes of the month, as a person would
 * do it with a calendar.  The C library tells what the clocks show.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "month.h"

#define CORRECTION (3 * HOUR)
#define MARGIN (5 * DAY)		/* that clocks may be wrong by */

/* What the clocks show, minute by minute. */
struct shown {
	short year, day;		/* of the year */
	signed char hour, minute, wday;
	short offset;			/* minutes east */
};

struct calendar {
	int64_t first;			/* minute */
	size_t n;
	struct shown *v;
};

struct plan {
	bool active, ours;		/* ours: begun by this supervisor */
	int64_t slot, began, takes, next, give_up;
	enum month_fate fate;
};

struct one {
	int64_t *slots;			/* those of a calendar, in order */
	size_t nslots;
	int64_t last;			/* slot */
	bool open;			/* entered as due, not begun */
	bool torn;			/* its run died without an outcome */
	int64_t torn_slot;
	struct plan run;
	int64_t committed, good, told, since;
	int64_t died;			/* slot at which the supervisor died */
};

struct all {
	const struct month *m;
	struct month_out *out;
	struct calendar cal;
	struct one *job;
	bool up, store;
	int64_t boot, off;
	int64_t back;			/* boot: a supervisor that died is back */
};

static uint64_t
hash(const struct month *m, const char *title, int64_t slot, uint64_t salt)
{
	uint64_t h = m->seed * UINT64_C(0x9E3779B97F4A7C15) + salt;

	for (; *title != '\0'; title++)
		h = (h ^ (uint64_t)(unsigned char)*title) * UINT64_C(1099511628211);
	h = (h ^ (uint64_t)(slot / MINUTE)) * UINT64_C(0xBF58476D1CE4E5B9);
	return h ^ h >> 29;
}

enum month_fate
month_fate(const struct month *m, const char *title, int64_t slot)
{
	uint64_t h = hash(m, title, slot, 1) % 100;

	return h < 4 ? (enum month_fate)(h + 1) : MONTH_LIVES;
}

int64_t
month_takes(const struct month *m, const char *title, int64_t slot)
{
	uint64_t h = hash(m, title, slot, 2);

	return (h % 40 == 0 ? 100 : 2 + (int64_t)(h >> 8) % 9) * MINUTE;
}

int64_t
month_back(int64_t boot)
{
	return (boot + MINUTE - 1) / MINUTE * MINUTE + 3 * MINUTE;
}

void
month_out_init(struct month_out *o, size_t njobs)
{
	o->ledger = calloc(njobs, sizeof(*o->ledger));
	o->stored = calloc(njobs, sizeof(*o->stored));
	o->alarm = calloc(njobs, sizeof(*o->alarm));
	if (o->ledger == NULL || o->stored == NULL || o->alarm == NULL)
		abort();
}

void
month_out_free(struct month_out *o, size_t njobs)
{
	size_t i;

	for (i = 0; i < njobs; i++) {
		free(o->ledger[i].v);
		free(o->stored[i].v);
		free(o->alarm[i].v);
	}
	free(o->ledger);
	free(o->stored);
	free(o->alarm);
}

void
month_add(struct month_lines *l, int64_t time, int64_t slot, char event)
{
	if (l->n == l->size) {
		l->size = l->size == 0 ? 64 : 2 * l->size;
		if ((l->v = realloc(l->v, l->size * sizeof(*l->v))) == NULL)
			abort();
	}
	l->v[l->n++] = (struct month_line){ time, slot, event };
}

static void
calendar_open(struct calendar *c, const struct month *m)
{
	struct tm tm;
	time_t t;
	size_t i;

	if (setenv("TZ", m->zone, 1) == -1)
		abort();
	tzset();
	c->first = (m->begin - MARGIN) / MINUTE;
	c->n = (size_t)((m->end + 2 * MARGIN) / MINUTE);
	if ((c->v = calloc(c->n, sizeof(*c->v))) == NULL)
		abort();
	for (i = 0; i < c->n; i++) {
		t = (time_t)(c->first + (int64_t)i) * 60;
		(void)localtime_r(&t, &tm);
		c->v[i] = (struct shown){ (short)tm.tm_year, (short)tm.tm_yday,
			(signed char)tm.tm_hour, (signed char)tm.tm_min,
			(signed char)tm.tm_wday, (short)(tm.tm_gmtoff / 60) };
	}
}

static const struct shown *
shown_at(const struct calendar *c, int64_t wall)
{
	int64_t i = wall / MINUTE - c->first;

	return i >= 0 && (size_t)i < c->n ? &c->v[i] : NULL;
}

static bool
matches(const struct month_job *j, int minute, int hour, int wday)
{
	return j->minutes >> minute & 1 &&
	    (j->kind == MONTH_HOURLY || j->hours >> hour & 1) &&
	    (j->wday == -1 || j->wday == wday);
}

/* Has the clock shown this minute before? */
static bool
second_time(const struct calendar *c, size_t i)
{
	size_t k;

	for (k = 1; k <= 180 && k <= i; k++)
		if (c->v[i - k].hour == c->v[i].hour &&
		    c->v[i - k].minute == c->v[i].minute)
			return true;
	return false;
}

/* Is minute ${i} a slot?  A time that is skipped comes at the change. */
static bool
is_slot(const struct calendar *c, const struct month_job *j, size_t i)
{
	const struct shown *s = &c->v[i];
	int gap = i > 0 ? s->offset - c->v[i - 1].offset : 0, t, day;

	if (j->kind == MONTH_HOURLY)
		return matches(j, s->minute, s->hour, s->wday);
	if (matches(j, s->minute, s->hour, s->wday) && !second_time(c, i))
		return true;
	for (; gap > 0; gap--) {
		t = s->hour * 60 + s->minute - gap;
		day = t < 0 ? (s->wday + 6) % 7 : s->wday;
		t = (t + 1440) % 1440;
		if (matches(j, t % 60, t / 60, day))
			return true;
	}
	return false;
}

static void
one_open(struct one *o, const struct calendar *c, const struct month_job *j)
{
	size_t i;

	if (j->kind != MONTH_FIXED && j->kind != MONTH_HOURLY)
		return;
	if ((o->slots = calloc(c->n, sizeof(*o->slots))) == NULL)
		abort();
	for (i = 1; i < c->n; i++)
		if (is_slot(c, j, i))
			o->slots[o->nslots++] = (c->first + (int64_t)i) * MINUTE;
}

static int64_t
wall(const struct all *a)
{
	return a->boot + a->off;
}

/* Slots after ${after} and not after ${until}, in order, to ${v}; how many. */
static size_t
slots_between(const struct one *o, const struct month_job *j, int64_t after,
    int64_t until, int64_t **v)
{
	static int64_t own[10000];
	size_t lo = 0, hi = o->nslots, mid, n = 0;
	int64_t t;

	*v = own;
	if (j->kind == MONTH_EVERY) {
		for (t = after + j->every; t <= until; t += j->every)
			own[n++] = t;
		return n;
	}
	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (o->slots[mid] > after)
			hi = mid;
		else
			lo = mid + 1;
	}
	*v = o->slots + lo;
	while (lo + n < o->nslots && o->slots[lo + n] <= until)
		n++;
	return n;
}

static void
line(struct all *a, size_t i, int64_t slot, char event)
{
	month_add(&a->out->ledger[i], wall(a), slot, event);
}

/* What a run that died without an outcome leaves to be entered. */
static void
mend(struct all *a, size_t i)
{
	struct one *o = &a->job[i];

	line(a, i, o->torn_slot == o->last ? o->last : 0, 'f');
	o->torn = false;
}

/* Its slot, if one has come: 's' to skip, 'd' to run, 0 for none. */
static char
come(struct all *a, size_t i, int64_t now)
{
	const struct month_job *j = &a->m->jobs[i];
	struct one *o = &a->job[i];
	int64_t ahead = j->interval < CORRECTION ? j->interval : CORRECTION, *v;
	int64_t slot = 0;
	size_t n, k;
	char event;

	if (o->last == 0 || o->last - now > ahead)
		slot = now;
	else if ((n = slots_between(o, j, o->last, now - j->shift, &v)) > 0) {
		slot = v[n - 1];
		/* Of many the newest 31 are told one by one. */
		if (o->open && n <= 31)
			line(a, i, o->last, 'm');
		for (k = n > 32 ? n - 32 : 0; k + 1 < n; k++)
			line(a, i, v[k], 'm');
	} else if (o->open && o->last <= now)
		slot = o->last;
	if (slot == 0)
		return 0;
	event = o->run.active ? 's' : 'd';
	line(a, i, slot, event);
	o->last = slot;
	o->open = event == 'd';
	return event;
}

/* The job is begun, unless the supervisor dies just before. */
static void
begin(struct all *a, size_t i)
{
	const char *title = a->m->jobs[i].title;
	struct one *o = &a->job[i];
	struct plan *r = &o->run;

	r->fate = month_fate(a->m, title, o->last);
	if (r->fate == MONTH_DIES_QUEUED && o->died != o->last) {
		o->died = o->last;
		a->up = false;
		a->back = month_back(a->boot);
		return;
	}
	o->open = false;
	r->active = r->ours = true;
	r->slot = o->last;
	r->began = a->boot;
	r->takes = month_takes(a->m, title, o->last);
	/* From here on at whole minutes. */
	r->next = (a->boot + MINUTE - 1) / MINUTE * MINUTE + r->takes;
	r->give_up = r->next + MONTH_RETRY;
	line(a, i, r->slot, 'S');
}

static void
store(struct all *a, size_t i)
{
	month_add(&a->out->stored[i], wall(a), a->job[i].run.slot, 'c');
}

static void
die(struct all *a, size_t i)
{
	struct one *o = &a->job[i];

	o->run.active = false;
	o->torn = true;
	o->torn_slot = o->run.slot;
}

static void
end(struct all *a, size_t i, char event)
{
	struct one *o = &a->job[i];

	line(a, i, o->run.slot, event);
	o->run.active = false;
	if (event == 'c')
		o->committed = wall(a);
}

/* The member of a group, after its leader. */
static void
follow(struct all *a, size_t i)
{
	if (i + 1 == a->m->njobs || a->m->jobs[i + 1].kind != MONTH_MEMBER)
		return;
	a->job[i + 1].run = a->job[i].run;
	line(a, i + 1, a->job[i].run.slot, 'S');
	if (a->store)
		store(a, i + 1);
	end(a, i + 1, a->store ? 'c' : 'f');
}

/* The run comes to its end, or tries again in a minute. */
static void
progress(struct all *a, size_t i)
{
	struct plan *r = &a->job[i].run;

	if (!r->active || r->next > a->boot)
		return;
	if (r->fate == MONTH_DIES_STARTED)
		die(a, i);
	else if (a->store) {
		store(a, i);
		if (r->fate == MONTH_DIES_STORED)
			die(a, i);
		else {
			end(a, i, 'c');
			if (r->fate != MONTH_DIES_ENTERED)
				follow(a, i);
		}
	} else if (a->boot >= r->give_up) {
		end(a, i, 'f');
		follow(a, i);
	} else
		r->next = a->boot + MINUTE;
}

static bool
trusted(const struct all *a, int64_t t)
{
	return t != 0 && t <= wall(a) + CORRECTION;
}

static int64_t
newest(const struct all *a, size_t i)
{
	const struct month_lines *s = &a->out->stored[i];
	int64_t best = 0;
	size_t k;

	for (k = 0; k < s->n; k++)
		if (s->v[k].time > best && s->v[k].time <= wall(a) + 5 * MINUTE)
			best = s->v[k].time;
	return best;
}

/* When it was last seen well, as far as the supervisor knows. */
static int64_t
seen(const struct all *a, size_t i)
{
	const struct one *o = &a->job[i];
	int64_t t = trusted(a, o->good) ? o->good : 0;

	if (trusted(a, o->committed) && o->committed > t)
		t = o->committed;
	return t != 0 ? t : o->since;
}

static void
alarm(struct all *a, size_t i)
{
	const struct month_job *j = &a->m->jobs[i];
	struct one *o = &a->job[i];
	int64_t now = wall(a), best;

	if (j->kind == MONTH_ELSEWHERE || j->kind == MONTH_WATCH || o->open ||
	    (trusted(a, o->told) && o->told >= seen(a, i)) ||
	    seen(a, i) + j->max_age > now)
		return;
	/* A run under way is given an hour. */
	if (o->run.active && o->run.ours && a->boot - o->run.began < HOUR)
		return;
	if (!trusted(a, o->good))
		o->good = 0;
	if (a->store && (best = newest(a, i)) > o->good)
		o->good = best;
	if (seen(a, i) + j->max_age > now)
		return;
	month_add(&a->out->alarm[i], now, 0, '!');
	o->told = now;
}

/* Whoever has a torn run is looked at first, and its slot after that. */
static void
round_of(struct all *a, bool torn)
{
	bool ran[64] = { false };
	size_t i;

	for (i = 0; i < a->m->njobs; i++)
		if (a->m->jobs[i].kind <= MONTH_EVERY && a->job[i].torn == torn) {
			if (torn)
				mend(a, i);
			ran[i] = come(a, i, wall(a)) == 'd';
		}
	for (i = 0; i < a->m->njobs && a->up; i++)
		if (ran[i])
			begin(a, i);
}

static void
turn(struct all *a)
{
	size_t i;

	if (a->up)
		round_of(a, false);
	if (a->up)
		round_of(a, true);
	for (i = 0; i < a->m->njobs && a->up; i++)
		alarm(a, i);
}

static void
up(struct all *a)
{
	size_t i;

	a->up = true;
	a->back = 0;
	for (i = 0; i < a->m->njobs; i++) {
		a->job[i].run.ours = false;
		if (a->job[i].since == 0 || a->job[i].since > wall(a))
			a->job[i].since = wall(a);
	}
}

static void
happen(struct all *a, const struct month_event *e)
{
	size_t i;

	if (e->what == MONTH_CLOCK)
		a->off += e->by;
	else if (e->what == MONTH_STORE_DOWN || e->what == MONTH_STORE_UP)
		a->store = e->what == MONTH_STORE_UP;
	else if (e->what == MONTH_START && !a->up)
		up(a);
	else if (e->what == MONTH_STOP || e->what == MONTH_CRASH) {
		a->up = false;
		a->back = 0;
	}
	for (i = 0; i < a->m->njobs && e->what == MONTH_CRASH; i++)
		if (a->job[i].run.active)
			die(a, i);
}

void
month_expect(const struct month *m, struct month_out *out)
{
	struct all a = { .m = m, .out = out, .store = true, .off = m->begin };
	size_t i, k = 0;
	int64_t t;

	month_out_init(out, m->njobs);
	calendar_open(&a.cal, m);
	if ((a.job = calloc(m->njobs, sizeof(*a.job))) == NULL)
		abort();
	for (i = 0; i < m->njobs; i++)
		one_open(&a.job[i], &a.cal, &m->jobs[i]);
	for (t = 0; t <= m->end; t += MINUTE) {
		/* What is due within the minute that ends here. */
		for (i = 0; i < m->njobs && a.up; i++)
			if (m->jobs[i].shift % MINUTE != 0) {
				a.boot = t - MINUTE + m->jobs[i].shift % MINUTE;
				turn(&a);
			}
		a.boot = t;
		for (; k < m->n && m->script[k].at <= t; k++)
			happen(&a, &m->script[k]);
		if (a.back != 0 && a.back <= t)
			up(&a);
		for (i = 0; i < m->njobs; i++)
			progress(&a, i);
		turn(&a);
	}
	for (i = 0; i < m->njobs; i++)
		free(a.job[i].slots);
	free(a.job);
	free(a.cal.v);
}

static int
by_time(const void *a, const void *b)
{
	const struct month_line *x = a, *y = b;

	return x->time < y->time ? 1 : x->time > y->time ? -1 : 0;
}

void
month_kept(const struct month *m, const struct month_job *j,
    const struct month_lines *stored, struct month_lines *kept)
{
	struct month_lines all = { NULL, 0, 0 };
	struct calendar c;
	const struct shown *s;
	size_t i, days = 0;
	int day = -1;

	calendar_open(&c, m);
	for (i = 0; i < stored->n; i++)
		month_add(&all, stored->v[i].time, 0, 'c');
	if (all.n > 0)
		qsort(all.v, all.n, sizeof(*all.v), by_time);
	for (i = 0; i < all.n; i++) {
		s = shown_at(&c, all.v[i].time);
		if (s->day != day && days < (size_t)j->daily) {
			day = s->day;
			days++;
		} else if (j->last != 0 && i >= (size_t)j->last)
			continue;
		month_add(kept, all.v[i].time, 0, 'c');
	}
	free(all.v);
	free(c.v);
}
