/*
 * Random histories, and a plain model of what retention says of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histories.h"
#include "tap.h"

#define DAY INT64_C(86400000)

static const char *const zone_names[] = { "UTC", "Europe/Berlin",
	"America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
	"Asia/Kathmandu", "America/Sao_Paulo", "Africa/Casablanca" };

struct bk_zone *zone[ZONES];
static uint64_t rnd;

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t
next(void)
{
	uint64_t x = rnd += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

unsigned int
below(unsigned int n)
{
	return (unsigned int)(next() % n);
}

bool
chance(unsigned int percent)
{
	return below(100) < percent;
}

static char tag_text[] = "{}";

void
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

bool
same_group(const struct history *h, size_t a, size_t b)
{
	const char *x = h->in[a].source, *y = h->in[b].source;

	if (strcmp(h->in[a].name, h->in[b].name) != 0)
		return false;
	return h->policy.sources != BK_SOURCES_GROUPED ||
	    strcmp(x != NULL ? x : "", y != NULL ? y : "") == 0;
}

bool
before(const struct history *h, size_t a, size_t b)
{
	if (h->in[a].time != h->in[b].time)
		return h->in[a].time < h->in[b].time;
	return strcmp(h->in[a].id, h->in[b].id) < 0;
}

size_t
index_of(const struct history *h, const char *id)
{
	size_t i;

	for (i = 0; i < h->n && strcmp(h->in[i].id, id) != 0; i++)
		;
	return i;
}

/* A number for the period of a date, from its digits. */
int64_t
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

/* One of ten, by the id. */
int
tagged(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f)
{
	const struct history *h = arg;

	(void)q;
	(void)f;
	return h->in[i].id[4] == '1';
}


bool
zones_open(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	size_t i;

	for (i = 0; i < ZONES; i++)
		if ((zone[i] = bk_zone_open(NULL, zone_names[i], &f)) == NULL) {
			ok(false, "%s", f.text);
			return false;
		}
	return true;
}

void
zones_close(void)
{
	size_t i;

	for (i = 0; i < ZONES; i++)
		bk_zone_free(zone[i]);
}

void
each_history(history_fn *fn, void *arg)
{
	const char *one = tap_ctx.env("BK_SEED"), *count =
	    tap_ctx.env("BK_HISTORIES"), *wrong = NULL;
	uint64_t seed, base = 20261121, n, done_n = 0;
	static struct history h;

	n = one != NULL ? 1 : count != NULL ? strtoull(count, NULL, 10) :
	    HISTORIES;
	if (one != NULL)
		base = strtoull(one, NULL, 10);
	for (seed = base; seed < base + n && wrong == NULL; seed++) {
		random_history(&h, seed);
		wrong = fn(&h, arg);
		done_n++;
	}
	ok(wrong == NULL, "%llu histories from seed %llu%s%s (BK_SEED=%llu)",
	    (unsigned long long)done_n, (unsigned long long)base,
	    wrong != NULL ? ": " : "", wrong != NULL ? wrong : "",
	    (unsigned long long)(seed - 1));
}
