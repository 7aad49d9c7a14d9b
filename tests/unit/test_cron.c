/*
 * Schedules.  The property test compares with an oracle that walks minute by
 * minute through days around changes of the clocks, as Vixie's cron daemon
 * does, and knows nothing of the way in which bk_cron_next searches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cron.h"
#include "tap.h"
#include "when.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static int64_t
at(const char *text)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t = 0;

	if (bk_time_parse(text, &t, &f) == -1)
		ok(false, "%s", f.text);
	return t;
}

static void
refusals(void)
{
	static const struct {
		const char *text, *says;
	} table[] = {
		{ "", "position 1: want five fields, @daily" },
		{ "0 3 * *", "position 8: want five fields, the day of the week" },
		{ "0 3 * * * *", "position 11: want five fields; '*' is a sixth" },
		{ "60 3 * * *", "position 1: minute 60 is out of range: want 0 to 59" },
		{ "0 24 * * *", "position 3: hour 24 is out of range" },
		{ "0 0 0 * *", "position 5: day of the month 0" },
		{ "0 0 * 13 *", "position 7: month 13" },
		{ "0 0 * * 8", "position 9: day of the week 8" },
		{ "0 0 * * monday", "position 9: 'monday' is no day" },
		{ "0 0 * foo *", "position 7: 'foo' is no month" },
		{ "1,,2 * * * *", "position 3: want a minute" },
		{ "1,x * * * *", "position 3: 'x' is no minute" },
		{ "1- * * * *", "position 3: want a minute" },
		{ "0x * * * *", "position 2: 'x' is not understood" },
		{ "-1 * * * *", "position 1: want a minute" },
		{ "99999999999999999999 * * * *", "position 1: minute" },
		{ "0 22-2 * * *", "position 3: 22-2 goes backwards: write 22-23,0-2" },
		{ "*/0 * * * *", "position 3: a step of '0'" },
		{ "*/60 * * * *", "position 3: a step of '60'" },
		{ "*/ * * * *", "position 3: a step of ''" },
		{ "5/15 * * * *", "position 2: a step wants a range" },
		{ "? * * * *", "position 1: '?' stands only for a day" },
		{ "0 0 30 2 *", "position 5: no month of these has such a day" },
		{ "0 0 31 2,4,6,9,11 *", "position 5: no month" },
		{ "0 0 30 2 ?", "position 5: no month" },
		{ "@often", "position 1: '@often' is not known" },
		{ "@reboot", "position 1: @reboot is no time: want at-start" },
		{ "@daily 5", "position 8: nothing may follow @daily" },
		{ "@every", "position 7: '' is not a duration" },
		{ "@every 5", "position 8: duration '5' has no unit" },
		{ "@every 999ms", "position 8: @every 999ms is too often" },
		{ "CRON_TZ= @daily", "position 9: want a zone" },
		{ "TZ=UTC", "position 7: want five fields" },
		{ "TZ=UTC @every x", "position 15: 'x' is not a duration" },
	};
	struct bk_fault f;
	struct bk_cron *c;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		c = bk_cron_parse(table[i].text, &f);
		ok(c == NULL && f.status == BK_USAGE &&
		    strstr(f.text, table[i].says) != NULL,
		    "refused: '%s': %s", table[i].text, f.text);
		bk_cron_free(c);
	}
}

/* Due times of ${text} after ${from}, as one text. */
static void
dues(const char *text, const char *zone, const char *from, const char *want)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_cron *c = bk_cron_parse(text, &f);
	struct bk_zone *z = bk_zone_open(NULL, zone, &f);
	char got[256] = "", one[BK_TIME_LEN];
	int64_t t = at(from);
	size_t n = 0;

	while (c != NULL && z != NULL && n < strlen(want)) {
		t = bk_cron_next(c, z, t);
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s",
		    n > 0 ? " " : "", bk_time_text(t, one));
	}
	ok_text(got, want, text);
	bk_zone_free(z);
	bk_cron_free(c);
}

static void
table(void)
{
	dues("15 3 * * *", "UTC", "2026-01-31T03:15:00Z", "2026-02-01T03:15:00Z");
	dues(" 0,30\t9-17/4 * * mon-fri ", "UTC", "2026-11-20T13:00:00Z",
	    "2026-11-20T13:30:00Z 2026-11-20T17:00:00Z "
	    "2026-11-20T17:30:00Z 2026-11-23T09:00:00Z");
	dues("0 0 13 * FRI", "UTC", "2026-11-01T00:00:00Z",
	    "2026-11-06T00:00:00Z 2026-11-13T00:00:00Z 2026-11-20T00:00:00Z");
	dues("0 0 */10 * sun", "UTC", "2026-11-01T00:00:00Z",
	    "2027-01-31T00:00:00Z 2027-02-21T00:00:00Z");
	dues("0 0 1 * 7", "UTC", "2026-11-21T00:00:00Z",
	    "2026-11-22T00:00:00Z 2026-11-29T00:00:00Z 2026-12-01T00:00:00Z");
	dues("0 0 ? * fri-sun", "UTC", "2026-11-21T00:00:00Z",
	    "2026-11-22T00:00:00Z 2026-11-27T00:00:00Z");
	dues("0 0 29 2 *", "UTC", "2026-11-21T00:00:00Z",
	    "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z");
	dues("0 0 29 feb *", "UTC", "2096-03-01T00:00:00Z",
	    "2104-02-29T00:00:00Z");
	dues("@yearly", "UTC", "2026-11-21T00:00:00Z", "2027-01-01T00:00:00Z");
	dues("@monthly", "UTC", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
	dues("@weekly", "UTC", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z");
	dues("@hourly", "UTC", "2026-11-21T00:00:00Z", "2026-11-21T01:00:00Z");
	dues("@every 1d12h", "UTC", "2026-11-21T00:00:00Z",
	    "2026-11-22T12:00:00Z 2026-11-24T00:00:00Z");
	dues("@every 1w", "UTC", "2026-11-21T00:00:00Z", "2026-11-28T00:00:00Z");
	/* Berlin: back at 01:00Z on 25 October, forward on 28 March. */
	dues("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
	    "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z");
	dues("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
	    "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z");
	dues("5,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
	    "2026-03-29T01:00:00Z 2026-03-29T01:05:00Z 2026-03-29T01:30:00Z");
	dues("30 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z",
	    "2026-10-24T23:30:00Z 2026-10-25T00:30:00Z 2026-10-25T01:30:00Z");
	dues("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
	    "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z");
	/* Half an hour in Lord Howe; a whole day left out in Samoa. */
	dues("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
	    "2026-10-03T15:30:00Z 2026-10-04T15:10:00Z");
	dues("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z",
	    "2011-12-29T22:00:00Z 2011-12-30T10:00:00Z 2011-12-30T22:00:00Z");
}

struct rule {
	unsigned char has[5][64];
	bool star[5];
	char text[160];
};

static unsigned int seed = 20261121;

static int
pick(int n)
{
	seed = seed * 1103515245 + 12345;
	return (int)((seed >> 8) % (unsigned int)n);
}

/* Append a random field to the text and mark what it means. */
static void
field(struct rule *r, int i)
{
	static const int min[] = { 0, 0, 1, 1, 0 }, max[] = { 59, 23, 31, 12, 6 };
	int span = max[i] - min[i] + 1, n = 1 + pick(3), a, b, by;
	size_t len = strlen(r->text), room = sizeof(r->text) - len;
	char *p = r->text + len;
	/* Mostly all days, so that something is due in the window. */
	int kind = i >= 2 && pick(4) > 0 ? 0 : pick(4);

	if (kind == 0) {
		r->star[i] = true;
		memset(r->has[i] + min[i], 1, (size_t)span);
		snprintf(p, room, "* ");
	} else if (kind == 1) {
		r->star[i] = true;
		by = 1 + pick(span - 1);
		for (a = min[i]; a <= max[i]; a += by)
			r->has[i][a] = 1;
		snprintf(p, room, "*/%d ", by);
	} else if (kind == 2) {
		a = min[i] + pick(span);
		b = a + pick(max[i] - a + 1);
		snprintf(p, room, "%d-%d ", a, b);
		for (; a <= b; a++)
			r->has[i][a] = 1;
	} else
		for (; n-- > 0; p += strlen(p)) {
			a = min[i] + (i == 1 && pick(2) ? pick(5) : pick(span));
			r->has[i][a] = 1;
			snprintf(p, (size_t)(r->text + sizeof(r->text) - p),
			    "%d%c", a, n > 0 ? ',' : ' ');
		}
}

static bool
matches(const struct rule *r, int64_t clock)
{
	struct bk_date d = bk_date_of(clock);
	bool day = r->has[2][d.day], wday = r->has[4][d.wday];

	if (!r->has[0][d.minute] || !r->has[1][d.hour] || !r->has[3][d.month])
		return false;
	return r->star[2] || r->star[4] ? day && wday : day || wday;
}

/*
 * Walk from ${t} to ${end} and ask at each due time whether bk_cron_next,
 * from the one before, gives it.  Returns how many were due, -1 on a
 * difference.
 */
static int
walk(const struct rule *r, const struct bk_cron *c, const struct bk_zone *z,
    int64_t t, int64_t end)
{
	bool wild = r->star[0] || r->star[1], due;
	int64_t clock, shown = INT64_MIN, m, next = INT64_MIN;
	int n = 0;

	for (; t < end; t += MINUTE) {
		clock = t + bk_zone_offset(z, t) * INT64_C(1000);
		due = wild && matches(r, clock);
		if (shown == INT64_MIN)
			shown = clock;
		/* All that the clocks came past since they last stood highest. */
		for (m = shown + MINUTE; !wild && m <= clock; m += MINUTE)
			if (matches(r, m))
				due = true;
		if (clock > shown)
			shown = clock;
		if (next == INT64_MIN && n == 0 && !due)
			continue;
		if (due != (next == INT64_MIN || next == t))
			return -1;
		if (due) {
			n++;
			next = bk_cron_next(c, z, t);
		}
	}
	return n;
}

static void
property(void)
{
	static const struct {
		const char *zone, *around;
	} windows[] = { { "UTC", "2026-02-28T00:00:00Z" },
		{ "Europe/Berlin", "2026-10-25T00:00:00Z" },
		{ "Europe/Berlin", "2026-03-29T00:00:00Z" },
		{ "America/New_York", "2026-11-01T00:00:00Z" },
		{ "America/New_York", "2027-03-14T00:00:00Z" },
		{ "Australia/Lord_Howe", "2026-10-03T12:00:00Z" },
		{ "Australia/Lord_Howe", "2027-04-03T12:00:00Z" },
		{ "Pacific/Apia", "2011-12-30T00:00:00Z" },
		{ "Asia/Kathmandu", "2026-01-01T00:00:00Z" },
		{ "America/St_Johns", "2008-11-02T00:00:00Z" },
		{ "Africa/Casablanca", "2027-02-07T00:00:00Z" } };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z;
	struct bk_cron *c;
	struct rule r;
	size_t w;
	int i, k, n, bad, due;

	for (w = 0; w < sizeof(windows) / sizeof(windows[0]); w++) {
		z = bk_zone_open(NULL, windows[w].zone, &f);
		bad = due = 0;
		for (i = 0; z != NULL && i < 150; i++) {
			memset(&r, 0, sizeof(r));
			for (k = 0; k < 5; k++)
				field(&r, k);
			c = bk_cron_parse(r.text, &f);
			/* A date that never comes. */
			if (c == NULL && f.status == BK_USAGE &&
			    strstr(f.text, "no month of these") != NULL) {
				bk_fault_clear(&f);
				continue;
			}
			n = c == NULL ? -1 : walk(&r, c, z,
			    at(windows[w].around) - 2 * DAY,
			    at(windows[w].around) + 2 * DAY);
			bk_cron_free(c);
			if (n == -1 && bad++ == 0)
				printf("# '%s' %s\n", r.text, f.text);
			due += n;
		}
		ok(bad == 0 && due > 100, "%s around %s: %d due times, %d differ",
		    windows[w].zone, windows[w].around, due, bad);
		bk_zone_free(z);
	}
}

static void
last_and_interval(void)
{
	static const struct {
		const char *text;
		int64_t ms;
	} table[] = { { "15 3 * * *", DAY }, { "@hourly", HOUR },
		{ "@every 90m", 90 * MINUTE }, { "* * * * *", MINUTE },
		{ "*/7 * * * *", 7 * MINUTE }, { "0 3 * * 1-5", 3 * DAY },
		{ "*/5 9-17 * * *", 15 * HOUR + 5 * MINUTE },
		{ "0 9-17 * * 1-5", 2 * DAY + 16 * HOUR },
		{ "0 1,4 * * *", 21 * HOUR }, { "@weekly", 7 * DAY },
		{ "@monthly", 31 * DAY }, { "@yearly", 366 * DAY },
		{ "0 0 29 2 *", 1461 * DAY } };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z = bk_zone_open(NULL, "UTC", &f);
	struct bk_cron *c;
	int64_t from = at("2026-11-21T12:00:00Z");
	uint64_t n = 9;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		c = bk_cron_parse(table[i].text, &f);
		ok_int(bk_cron_interval(c), table[i].ms, table[i].text);
		bk_cron_free(c);
	}
	c = bk_cron_parse("0 3 * * *", &f);
	ok_int(bk_cron_last(c, z, from, from + 3 * DAY, &n),
	    at("2026-11-24T03:00:00Z"), "the last of three days");
	ok_int(n, 3, "there were three");
	ok(bk_cron_last(c, z, from, from + HOUR, &n) == INT64_MIN && n == 0,
	    "none was due");
	ok_int(bk_cron_last(c, z, from, from + 15 * HOUR, NULL),
	    from + 15 * HOUR, "the end counts");
	ok(bk_cron_zone(c) == NULL, "no zone");
	bk_cron_free(c);
	c = bk_cron_parse("CRON_TZ=Europe/Berlin @every 1h30m", &f);
	ok_text(bk_cron_zone(c), "Europe/Berlin", "the zone in front");
	ok_int(bk_cron_last(c, NULL, from, from + 5 * HOUR, &n),
	    from + 270 * MINUTE, "@every keeps its phase");
	ok_int(n, 3, "three of them");
	ok(bk_cron_next(c, NULL, INT64_MAX - 5) == INT64_MAX, "no overflow");
	bk_cron_free(c);
	c = bk_cron_parse("0 0 1 1 *", &f);
	ok(bk_cron_next(c, z, at("9999-06-01T00:00:00Z")) == INT64_MAX,
	    "nothing after the year 9999");
	bk_cron_free(c);
	bk_cron_free(NULL);
	bk_zone_free(z);
}

int
main(void)
{
	refusals();
	table();
	last_and_interval();
	property();
	return done();
}
