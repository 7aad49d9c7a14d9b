/*
 * Retention over random histories: names, sources, zones, times around
 * daylight changes, suspects, holds, lost payloads, chains.  For each:
 *
 *   - goodness is what a plain model of it says;
 *   - the newest good record of each group stays;
 *   - what a plain model of the rules wants kept is kept;
 *   - what is held, unreadable, from the future or not on the list stays;
 *   - no kept record has lost its parent;
 *   - any order of the input gives the same plan;
 *   - after executing the plan a new one deletes nothing.
 *
 * BK_HISTORIES sets how many; BK_SEED runs one seed and no other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "retain.h"
#include "tap.h"

#define HISTORIES 100000
#define MAX 48
#define DAY INT64_C(86400000)

static const char *const zone_names[] = { "UTC", "Europe/Berlin",
	"America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
	"Asia/Kathmandu", "America/Sao_Paulo", "Africa/Casablanca" };
#define ZONES (sizeof(zone_names) / sizeof(zone_names[0]))

static struct bk_zone *zone[ZONES];
static uint64_t rnd;

struct history {
	struct bk_retain_in in[MAX];
	char id[MAX][8], parent[MAX][8];
	size_t n;
	struct bk_policy policy;
	size_t zone;
	int64_t now;
};

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t
next(void)
{
	uint64_t x = rnd += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static unsigned int
below(unsigned int n)
{
	return (unsigned int)(next() % n);
}

static bool
chance(unsigned int percent)
{
	return below(100) < percent;
}

static char tag_text[] = "{}";

static void
random_policy(struct bk_policy *p)
{
	static const uint32_t most[BK_PERIODS] = { 5, 9, 9, 5, 5, 3 };
	int q;

	*p = (struct bk_policy)BK_POLICY_INIT;
	for (q = 0; q < BK_PERIODS; q++) {
		if (chance(30))
			p->count[q] = chance(5) ? BK_UNLIMITED :
			    below(most[q]) + 1;
		if (chance(10))
			p->within[q] = (struct bk_span){ (int)below(2),
				(int)below(4), (int)below(30), (int)below(30) };
	}
	if (chance(25)) {
		p->cycle = true;
		p->days = below(10);
		p->weeks = below(5);
		p->months = below(4) + (p->days + p->weeks == 0);
	}
	/* What matches is up to tagged(). */
	if (chance(15))
		p->tag[p->ntags++] = tag_text;
	if (bk_policy_check(p, &(struct bk_fault)BK_FAULT_INIT) == -1)
		p->count[BK_LAST] = 1;
	p->shrink = chance(70) ? 50 : below(100) + 1;
	p->sources = below(3);
}

static uint64_t
random_bytes(void)
{
	static const uint64_t usual[] = { 1000, 900, 1100, 400, 600, 499, 501,
		250, 10, 0, 2000 };

	return chance(4) ? BK_BYTES_UNKNOWN : chance(60) ? usual[below(3)] :
	    usual[below(sizeof(usual) / sizeof(usual[0]))];
}

static void
random_record(struct history *h, size_t i, int64_t start, int64_t step)
{
	static const char *const names[] = { "app", "web", "db" };
	static const char *const sources[] = { "{a}", "{b}", NULL };
	struct bk_retain_in *in = &h->in[i];
	int64_t jump = bk_zone_next_change(zone[h->zone], start +
	    (int64_t)i * step);

	(void)snprintf(h->id[i], sizeof(h->id[i]), "%c%04u",
	    'A' + (int)below(26), (unsigned int)i);
	*in = (struct bk_retain_in){ .id = h->id[i],
		.name = names[chance(70) ? 0 : below(3)],
		.source = sources[chance(95) ? 0 : below(3)],
		.bytes = random_bytes(), .stored = below(1000),
		.time = start + (int64_t)i * step +
		(int64_t)(next() % (uint64_t)step) };
	if (chance(20) && jump != INT64_MAX && jump < h->now)
		in->time = jump + ((int64_t)below(13) - 6) * 1800000;
	if (chance(3))
		in->time = h->now + (int64_t)below(10) * 120000;
	if (chance(5) && i > 0)
		in->time = h->in[i - 1].time;
	in->flags = (chance(94) ? BK_RETAIN_PAYLOAD : 0) |
	    (chance(94) ? BK_RETAIN_PROVEN : 0) |
	    (chance(4) ? BK_RETAIN_SUSPECT : 0) |
	    (chance(4) ? BK_RETAIN_ACCEPTED : 0) |
	    (chance(3) ? BK_RETAIN_HELD : 0) |
	    (chance(2) ? BK_RETAIN_UNREADABLE : 0) |
	    (chance(3) ? BK_RETAIN_OUTSIDE : 0);
	if (chance(15) && i > 0) {
		memcpy(h->parent[i], h->id[chance(95) ? below((unsigned int)i) :
		    below((unsigned int)h->n)], sizeof(h->parent[i]));
		if (chance(5) || h->parent[i][0] == '\0')
			memcpy(h->parent[i], "gone", 5);
		in->parent = h->parent[i];
	}
}

static void
random_history(struct history *h, uint64_t seed)
{
	static const int64_t steps[] = { 600000, 3600000, 6 * 3600000, DAY, DAY,
		3 * DAY, 7 * DAY, 20 * DAY };
	int64_t step, start;
	size_t i;

	rnd = seed;
	memset(h, 0, sizeof(*h));
	random_policy(&h->policy);
	h->zone = below(ZONES);
	h->n = below(MAX) + 1;
	step = steps[below(sizeof(steps) / sizeof(steps[0]))];
	start = INT64_C(1262304000000) + (int64_t)(next() % (uint64_t)(9000 * DAY));
	h->now = start + (int64_t)h->n * step;
	for (i = 0; i < h->n; i++)
		random_record(h, i, start, step);
}

/* The plain model: goodness from its definition, record by record. */
static bool
same_group(const struct history *h, size_t a, size_t b)
{
	const char *x = h->in[a].source, *y = h->in[b].source;

	if (strcmp(h->in[a].name, h->in[b].name) != 0)
		return false;
	return h->policy.sources != BK_SOURCES_GROUPED ||
	    strcmp(x != NULL ? x : "", y != NULL ? y : "") == 0;
}

static bool
before(const struct history *h, size_t a, size_t b)
{
	if (h->in[a].time != h->in[b].time)
		return h->in[a].time < h->in[b].time;
	return strcmp(h->in[a].id, h->in[b].id) < 0;
}

static size_t
index_of(const struct history *h, const char *id)
{
	size_t i;

	for (i = 0; i < h->n && strcmp(h->in[i].id, id) != 0; i++)
		;
	return i;
}

static bool
by_itself(const struct history *h, size_t i)
{
	const struct bk_retain_in *in = &h->in[i];
	size_t up = i, steps;

	if ((in->flags & BK_RETAIN_UNREADABLE) != 0 ||
	    (in->flags & BK_RETAIN_PAYLOAD) == 0 ||
	    in->time > h->now + BK_RETAIN_AHEAD_MS)
		return false;
	if ((in->flags & BK_RETAIN_ACCEPTED) == 0 &&
	    ((in->flags & BK_RETAIN_SUSPECT) != 0 ||
	    (in->flags & BK_RETAIN_PROVEN) == 0))
		return false;
	for (steps = 0; h->in[up].parent != NULL; steps++) {
		up = index_of(h, h->in[up].parent);
		if (up == h->n || steps > h->n ||
		    (h->in[up].flags & BK_RETAIN_PAYLOAD) == 0 ||
		    (h->in[up].flags & BK_RETAIN_UNREADABLE) != 0)
			return false;
	}
	return true;
}

static int
compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
model_good(const struct history *h, const size_t *order, bool *good)
{
	uint64_t last[3], m;
	size_t a, b, n, i;
	bool stop;

	for (a = 0; a < h->n; a++) {
		i = order[a];
		good[i] = by_itself(h, i);
		if (!good[i] || h->in[i].bytes == BK_BYTES_UNKNOWN ||
		    (h->in[i].flags & BK_RETAIN_ACCEPTED) != 0)
			continue;
		for (stop = false, n = 0, b = a; b-- > 0 && n < 3 && !stop;) {
			size_t o = order[b];

			if (!good[o] || !same_group(h, o, i) ||
			    h->in[o].bytes == BK_BYTES_UNKNOWN)
				continue;
			last[n++] = h->in[o].bytes;
			stop = (h->in[o].flags & BK_RETAIN_ACCEPTED) != 0;
		}
		if (n == 0)
			continue;
		qsort(last, n, sizeof(last[0]), compare_u64);
		m = n == 2 ? (last[0] + last[1]) / 2 : last[n / 2];
		good[i] = h->in[i].bytes * 100 >= m * (100 - h->policy.shrink);
	}
}

/* A number for the period of a date, from its digits. */
static int64_t
period(const struct history *h, size_t i, int p)
{
	struct bk_date d = bk_zone_date(zone[h->zone], h->in[i].time);

	switch (p) {
	case BK_HOURLY:
		return ((d.year * 100 + d.month) * 100 + d.day) * INT64_C(100) +
		    d.hour;
	case BK_DAILY:
		return (d.year * 100 + d.month) * 100 + d.day;
	case BK_WEEKLY:
		/* The date of its Monday. */
		d.day -= (d.wday + 6) % 7;
		d.hour = d.minute = d.second = d.ms = 0;
		return bk_date_time(&d);
	case BK_MONTHLY:
		return d.year * 100 + d.month;
	default:
		return d.year;
	}
}

/* One rule over the good records of the group of ${g}: all kept? */
static bool
model_rule(const struct history *h, const size_t *order, const bool *good,
    const struct bk_retained *r, size_t g, int p)
{
	uint32_t left = h->policy.count[p];
	int64_t seen = INT64_MIN, v;
	size_t a, i, oldest = h->n;

	for (a = h->n; a-- > 0 && left > 0;) {
		i = order[a];
		if (!good[i] || !same_group(h, i, g) ||
		    (h->in[i].flags & BK_RETAIN_OUTSIDE) != 0)
			continue;
		oldest = i;
		v = p == BK_LAST ? (int64_t)a : period(h, i, p);
		if (v == seen)
			continue;
		seen = v;
		if (left != BK_UNLIMITED)
			left--;
		if (!r->v[i].keep)
			return false;
	}
	return left == 0 || oldest == h->n || r->v[oldest].keep;
}

static bool
refused(const struct history *h, const struct bk_retained *r, size_t i)
{
	size_t k;

	for (k = 0; k < r->nrefused; k++)
		if (strcmp(h->in[r->refused[k].a].name, h->in[i].name) == 0)
			return true;
	return false;
}

static const char *
check_plan(const struct history *h, const struct bk_retained *r)
{
	size_t order[MAX], a, b, i, up;
	bool good[MAX], seen = false;
	int p;

	for (a = 0; a < h->n; a++) {
		for (b = a; b > 0 && before(h, a, order[b - 1]); b--)
			order[b] = order[b - 1];
		order[b] = a;
	}
	model_good(h, order, good);
	for (a = h->n; a-- > 0;) {
		i = order[a];
		if (refused(h, r, i)) {
			if (!r->v[i].keep)
				return "a refused name loses a record";
			continue;
		}
		if (good[i] != r->v[i].good)
			return "goodness differs from the model";
		if (!r->v[i].keep && ((h->in[i].flags & (BK_RETAIN_HELD |
		    BK_RETAIN_UNREADABLE | BK_RETAIN_OUTSIDE)) != 0 ||
		    h->in[i].time > h->now + BK_RETAIN_AHEAD_MS))
			return "what must stay goes";
		if (h->policy.ntags > 0 && good[i] && h->in[i].id[4] == '1' &&
		    !r->v[i].keep)
			return "a tagged record goes";
		if (r->v[i].keep && h->in[i].parent != NULL) {
			up = index_of(h, h->in[i].parent);
			if (up < h->n && !r->v[up].keep)
				return "a chain breaks";
		}
		for (seen = false, b = a + 1; b < h->n && !seen; b++)
			seen = good[order[b]] && same_group(h, order[b], i);
		if (good[i] && !seen && !r->v[i].keep)
			return "the newest good record goes";
		for (seen = false, b = 0; b < h->n && !seen; b++)
			seen = good[b] && same_group(h, b, i);
		if (!seen && !r->v[i].keep)
			return "a record goes where none is good";
		for (p = 0; p < BK_PERIODS; p++)
			if (!model_rule(h, order, good, r, i, p))
				return "a rule's choice goes";
	}
	return NULL;
}

/* One of ten, by the id. */
static int
tagged(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f)
{
	const struct history *h = arg;

	(void)q;
	(void)f;
	return h->in[i].id[4] == '1';
}

static int
plan(const struct history *h, struct bk_retained *r)
{
	struct bk_fault f = BK_FAULT_INIT;

	return bk_retain(h->in, h->n, &h->policy, zone[h->zone], h->now, tagged,
	    (void *)(uintptr_t)h, r, &f);
}

/* The same records the other way round. */
static bool
same_backwards(const struct history *h, const struct bk_retained *r)
{
	static struct history back;
	struct bk_retained other;
	size_t i;
	bool same;

	back.n = h->n;
	back.policy = h->policy;
	back.zone = h->zone;
	back.now = h->now;
	for (i = 0; i < h->n; i++)
		back.in[i] = h->in[h->n - 1 - i];
	same = plan(&back, &other) == 0;
	for (i = 0; same && i < h->n; i++)
		same = r->v[i].keep == other.v[h->n - 1 - i].keep &&
		    r->v[i].why == other.v[h->n - 1 - i].why;
	bk_retain_release(&other);
	return same;
}

static bool
settled(const struct history *h, const struct bk_retained *r, uint64_t *compared)
{
	static struct history left;
	struct bk_retained again;
	char why[BK_WHY_LEN];
	unsigned int k;
	size_t i;
	bool same;

	left.n = 0;
	left.policy = h->policy;
	left.zone = h->zone;
	left.now = h->now;
	for (i = 0; i < h->n; i++) {
		if (!r->v[i].keep)
			continue;
		left.in[left.n++] = h->in[i];
		for (k = 0; bk_retain_why(r, i, k, why) != NULL; k++)
			*compared += strncmp(why, "compared", 8) == 0;
		if (k == 0)
			return false;
	}
	same = plan(&left, &again) == 0 && again.gone == 0;
	bk_retain_release(&again);
	return same;
}

int
main(void)
{
	static struct history h;
	const char *one = tap_ctx.env("BK_SEED"), *count =
	    tap_ctx.env("BK_HISTORIES"), *wrong = NULL;
	uint64_t seed, base = 20261121, n, done_n = 0, gone = 0, compared = 0,
	    suspects = 0, two = 0;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_retained r;
	size_t i;

	for (i = 0; i < ZONES; i++)
		if ((zone[i] = bk_zone_open(NULL, zone_names[i], &f)) == NULL) {
			ok(false, "%s", f.text);
			return done();
		}
	n = one != NULL ? 1 : count != NULL ? strtoull(count, NULL, 10) :
	    HISTORIES;
	if (one != NULL)
		base = strtoull(one, NULL, 10);
	for (seed = base; seed < base + n && wrong == NULL; seed++) {
		random_history(&h, seed);
		if (plan(&h, &r) == -1)
			wrong = "no plan";
		else if ((wrong = check_plan(&h, &r)) == NULL)
			wrong = !same_backwards(&h, &r) ?
			    "the order of the input matters" :
			    !settled(&h, &r, &compared) ?
			    "a second plan deletes more" : NULL;
		gone += r.gone;
		two += r.nrefused;
		for (i = 0; i < r.n; i++)
			suspects += !r.v[i].good;
		bk_retain_release(&r);
		done_n++;
	}
	ok(wrong == NULL, "%llu histories from seed %llu%s%s (BK_SEED=%llu)",
	    (unsigned long long)done_n, (unsigned long long)base,
	    wrong != NULL ? ": " : "", wrong != NULL ? wrong : "",
	    (unsigned long long)(seed - 1));
	/* That they were worth it. */
	ok(n < 1000 || (gone > n && compared > 0 && suspects > n && two > 0),
	    "%llu records deleted, %llu not good, %llu kept for comparison, "
	    "%llu names refused", (unsigned long long)gone,
	    (unsigned long long)suspects, (unsigned long long)compared,
	    (unsigned long long)two);
	for (i = 0; i < ZONES; i++)
		bk_zone_free(zone[i]);
	return done();
}
