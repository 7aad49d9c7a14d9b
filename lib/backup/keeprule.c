/*
 * The rules themselves: restic's, as its manual and its published results
 * have them, and the cycle.  Records are walked from the newest to the
 * oldest; a period is recognised by differing from the one before.
 */
#include "keeping.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

struct run {
	struct bk_keeping *k;
	bool shadow;
	uint32_t oldest;		/* index of the oldest one counted */
	uint32_t left[BK_PERIODS];
	uint32_t rank;			/* among the last */
	int64_t seen[BK_PERIODS];
	int64_t seen_within[BK_PERIODS];
	int64_t limit[BK_PERIODS];	/* within: newer than this */
	int64_t day_limit;		/* of the cycle */
	int64_t week, month;		/* of the record before */
	uint32_t before;		/* it, or NOBODY */
	uint32_t weeks, months;		/* still to be marked */
};

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void
bk_keep_periods(const struct bk_zone *z, int64_t t, int64_t val[BK_PERIODS])
{
	int64_t local = t + (int64_t)bk_zone_offset(z, t) * 1000;
	int64_t day = floor_div(local, DAY_MS);
	struct bk_date d = bk_date_of(local);

	val[BK_LAST] = 0;
	val[BK_HOURLY] = floor_div(local, HOUR_MS);
	val[BK_DAILY] = day;
	/* 1970-01-01 was a Thursday; ISO weeks begin on Monday. */
	val[BK_WEEKLY] = floor_div(day + 3, 7);
	val[BK_MONTHLY] = (int64_t)d.year * 12 + d.month;
	val[BK_YEARLY] = d.year;
}

static bool
span_given(const struct bk_span *s)
{
	return s->years != 0 || s->months != 0 || s->days != 0 || s->hours != 0;
}

/* The same time of day by the clocks, that long before; then the hours. */
static int64_t
span_before(const struct bk_zone *z, int64_t t, const struct bk_span *s)
{
	struct bk_date d = bk_zone_date(z, t);
	int64_t month = (int64_t)d.year * 12 + d.month - 1 -
	    (int64_t)s->years * 12 - s->months;
	int64_t at[2];

	d.year = (int)floor_div(month, 12);
	d.month = (int)(month - floor_div(month, 12) * 12) + 1;
	d.day -= s->days;
	(void)bk_zone_times(z, &d, at);
	return at[0] - s->hours * HOUR_MS;
}

static bool
counted(const struct run *r, const struct bk_verdict *v)
{
	if ((v->why & (WHY_BLIND | WHY_OUTSIDE)) != 0)
		return false;
	return r->shadow || v->good;
}

static void
give(struct run *r, uint32_t i, uint64_t why)
{
	struct bk_verdict *v = &r->k->v[i];

	if (why == 0 || (r->shadow && v->good))
		return;
	v->why |= why;
	v->keep = true;
}

static int
tags(struct run *r, uint32_t i, struct bk_fault *f)
{
	const struct bk_policy *p = r->k->policy;
	size_t t;
	int rc;

	for (t = 0; t < p->ntags; t++) {
		if ((rc = r->k->match(r->k->arg, p->query[t], i, f)) == -1)
			return -1;
		if (rc == 1) {
			give(r, i, WHY_TAG);
			r->k->v[i].tags |= (uint16_t)(1U << t);
		}
	}
	return 0;
}

static void
counts(struct run *r, uint32_t i, const int64_t val[BK_PERIODS])
{
	int p;

	for (p = BK_LAST; p < BK_PERIODS; p++) {
		bool fresh = p == BK_LAST || val[p] != r->seen[p];

		if (r->left[p] == 0 || (!fresh && i != r->oldest))
			continue;
		r->seen[p] = val[p];
		if (r->left[p] != BK_UNLIMITED)
			r->left[p]--;
		give(r, i, fresh ? WHY_COUNT(p) : WHY_OLDEST(p));
		if (p == BK_LAST && (!r->shadow || !r->k->v[i].good))
			r->k->v[i].last = r->rank + 1;
		r->rank += p == BK_LAST;
	}
}

static void
within(struct run *r, uint32_t i, int64_t t, const int64_t val[BK_PERIODS])
{
	int p;

	for (p = BK_LAST; p < BK_PERIODS; p++)
		if (t > r->limit[p] && (p == BK_LAST ||
		    val[p] != r->seen_within[p] || i == r->oldest)) {
			r->seen_within[p] = val[p];
			give(r, i, WHY_WITHIN(p));
		}
}

/* The record before was the first of its week or month; or was it? */
static void
cycle(struct run *r, uint32_t i, int64_t t, const int64_t val[BK_PERIODS])
{
	if (r->before != NOBODY) {
		if (r->weeks > 0 && (i == NOBODY || val[BK_WEEKLY] != r->week)) {
			give(r, r->before, WHY_CYCLE_WEEK);
			r->weeks--;
		}
		if (r->months > 0 && (i == NOBODY ||
		    val[BK_MONTHLY] != r->month)) {
			give(r, r->before, WHY_CYCLE_MONTH);
			r->months--;
		}
	}
	r->before = i;
	if (i == NOBODY)
		return;
	r->week = val[BK_WEEKLY];
	r->month = val[BK_MONTHLY];
	if (t > r->day_limit)
		give(r, i, WHY_CYCLE_DAY);
}

/* Times are counted back from the newest good record of the list. */
static bool
begin(struct run *r, const struct bk_place *p, size_t n)
{
	const struct bk_policy *policy = r->k->policy;
	struct bk_span days = { 0, 0, (int)policy->days, 0 };
	int64_t latest = INT64_MIN;
	size_t j;
	int q;

	for (j = n; j-- > 0;) {
		const struct bk_verdict *v = &r->k->v[p[j].i];

		if (v->good && latest == INT64_MIN &&
		    (v->why & WHY_OUTSIDE) == 0)
			latest = p[j].time;
		if (counted(r, v))
			r->oldest = p[j].i;
	}
	if (r->oldest == NOBODY)
		return false;
	for (q = BK_LAST; q < BK_PERIODS; q++) {
		r->left[q] = policy->count[q];
		r->seen[q] = r->seen_within[q] = INT64_MIN;
		r->limit[q] = latest == INT64_MIN ||
		    !span_given(&policy->within[q]) ? INT64_MAX :
		    span_before(r->k->zone, latest, &policy->within[q]);
	}
	r->day_limit = latest == INT64_MIN || policy->days == 0 ? INT64_MAX :
	    span_before(r->k->zone, latest, &days);
	r->weeks = policy->weeks;
	r->months = policy->months;
	return true;
}

/* Days and spans keep moments: those before the first base in them too. */
static void
points(struct run *r, const struct bk_place *p, size_t n)
{
	int64_t limit = r->limit[BK_LAST];
	size_t j;

	if (r->k->policy->cycle && r->day_limit < limit)
		limit = r->day_limit;
	for (j = n; limit != INT64_MAX && j-- > 0;)
		if (p[j].time <= limit && p[j].i < r->k->real &&
		    (r->k->in[p[j].i].flags & BK_RETAIN_BASE) != 0 &&
		    counted(r, &r->k->v[p[j].i])) {
			give(r, p[j].i, WHY_POINTS);
			break;
		}
}

int
bk_keep_rules(struct bk_keeping *k, const struct bk_place *p, size_t n,
    bool shadow, struct bk_fault *f)
{
	struct run r = { .k = k, .shadow = shadow, .oldest = NOBODY,
		.before = NOBODY };
	int64_t val[BK_PERIODS];
	uint32_t i;
	size_t j;

	if (!begin(&r, p, n))
		return 0;
	for (j = n; j-- > 0;) {
		i = p[j].i;
		if (!counted(&r, &k->v[i]))
			continue;
		bk_keep_periods(k->zone, p[j].time, val);
		counts(&r, i, val);
		within(&r, i, p[j].time, val);
		if (k->policy->cycle)
			cycle(&r, i, p[j].time, val);
		if (k->policy->ntags > 0 && i < k->real && tags(&r, i, f) == -1)
			return -1;
	}
	if (k->policy->cycle)
		cycle(&r, NOBODY, 0, val);
	points(&r, p, n);
	return 0;
}
