/*
 * A field is a set of bits.  Searching is done on the local clock as if it
 * were UTC ("clock time"), by jumping over months, days and hours that do not
 * match; the zone is asked only for what that search finds.
 *
 * Fixed times: the first moment at which the clocks show c or something later
 * never goes back as c grows, so the clock times can be tried in order, and a
 * gap needs no case of its own.  Other times: between two changes the clocks
 * run evenly, so each such stretch is searched by itself.
 *
 * As in Vixie cron a day must match both day fields where one of them begins
 * with '*', and any of the two otherwise; 0 and 7 are Sunday.  Unlike it we
 * refuse what it reads in a way nobody means: a step wider than its range
 * (every 90th minute), and a date that never comes.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cron.h"
#include "when.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR_MAX 9999
#define ZONE_MAX 255
/* Dates and weekdays repeat after 28 years (but for 2100 and the like). */
#define CYCLE (28 * 365 + 7)
#define CYCLE_START (INT64_C(10957) * DAY)	/* 2000-01-01 */

enum { MINUTES, HOURS, DAYS, MONTHS, WDAYS, FIELDS };

struct bk_cron {
	char *zone;
	int64_t every;			/* ms; 0: by fields */
	uint64_t set[FIELDS];
	bool star[FIELDS];		/* began with '*' or was '?' */
};

static const struct field {
	const char *what;
	int min, max;
	const char *names;		/* three letters each, from ${min} */
} fields[FIELDS] = {
	{ "minute", 0, 59, NULL },
	{ "hour", 0, 23, NULL },
	{ "day of the month", 1, 31, NULL },
	{ "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
	{ "day of the week", 0, 7, "sunmontuewedthufrisat" },
};

/* The text under way. */
struct scan {
	const char *text, *p;
	struct bk_fault *f;
};

/* Refuse what stands at ${at}. */
static bool __attribute__((format(printf, 3, 4)))
refuse(const struct scan *s, const char *at, const char *fmt, ...)
{
	struct bk_fault why = BK_FAULT_INIT;
	va_list ap;

	va_start(ap, fmt);
	(void)bk_fault_vset(&why, BK_USAGE, fmt, ap);
	va_end(ap);
	(void)bk_fault_set(s->f, BK_USAGE, "schedule '%s', position %d: %s",
	    s->text, (int)(at - s->text) + 1, why.text);
	return false;
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void
skip_blanks(struct scan *s)
{
	while (blank(*s->p))
		s->p++;
}

static size_t
word_length(const char *p)
{
	return strcspn(p, " \t");
}

/* Digits at the place; -1 where there are none, at most 9999. */
static int
digits(struct scan *s)
{
	int v = -1;

	for (; *s->p >= '0' && *s->p <= '9'; s->p++)
		if ((v = (v < 0 ? 0 : v) * 10 + (*s->p - '0')) > 9999)
			v = 9999;
	return v;
}

/* A number or a name of the field. */
static bool
value(struct scan *s, const struct field *fd, int *v)
{
	const char *at = s->p;
	size_t i, n;

	for (n = 0; letter(at[n]); n++)
		;
	if (n > 0) {
		for (i = 0; fd->names != NULL && i < strlen(fd->names); i += 3)
			if (n == 3 && strncasecmp(at, fd->names + i, 3) == 0) {
				*v = fd->min + (int)(i / 3);
				s->p = at + n;
				return true;
			}
		return refuse(s, at, "'%.*s' is no %s: want %d to %d%s",
		    (int)n, at, fd->what, fd->min, fd->max,
		    fd->names == NULL ? "" : " or the first three letters of "
		    "its name");
	}
	if ((*v = digits(s)) == -1)
		return refuse(s, at, "want a %s, %d to %d, not '%.*s'",
		    fd->what, fd->min, fd->max, (int)word_length(at), at);
	if (*v < fd->min || *v > fd->max)
		return refuse(s, at, "%s %.*s is out of range: want %d to %d",
		    fd->what, (int)(s->p - at), at, fd->min, fd->max);
	return true;
}

static bool
step(struct scan *s, int lo, int hi, int *by)
{
	const char *at = ++s->p;
	int most = hi > lo ? hi - lo : 1;

	*by = digits(s);
	if (*by < 1 || *by > most)
		return refuse(s, at, "a step of '%.*s' in %d-%d: want 1 to %d",
		    (int)word_length(at), at, lo, hi, most);
	return true;
}

/* "*", "?", "3", "1-5", each but '?' and a single value with "/2". */
static bool
item(struct scan *s, struct bk_cron *c, int i)
{
	const struct field *fd = &fields[i];
	const char *at = s->p;
	int lo = fd->min, hi = fd->max, by = 1;
	bool one = false;

	if (*s->p == '*') {
		s->p++;
		/* Sunday has two numbers. */
		hi = i == WDAYS ? 6 : fd->max;
	} else if (*s->p == '?') {
		s->p++;
		if (i != DAYS && i != WDAYS)
			return refuse(s, at, "'?' stands only for a day: "
			    "want '*'");
		one = true;
	} else {
		if (!value(s, fd, &lo))
			return false;
		hi = lo;
		one = *s->p != '-';
		if (!one && (s->p++, !value(s, fd, &hi)))
			return false;
		if (i == WDAYS && hi == 0 && lo > 0)
			hi = 7;
		if (hi < lo)
			return refuse(s, at, "%.*s goes backwards: write "
			    "%d-%d,%d-%d", (int)(s->p - at), at, lo,
			    i == WDAYS ? 6 : fd->max, fd->min, hi);
	}
	if (*s->p == '/') {
		if (one)
			return refuse(s, s->p, "a step wants a range: write "
			    "%.*s-%d/…", (int)(s->p - at), at, fd->max);
		if (!step(s, lo, hi, &by))
			return false;
	}
	for (; lo <= hi; lo += by)
		c->set[i] |= UINT64_C(1) << (i == WDAYS ? lo % 7 : lo);
	if (*at == '?')
		c->set[i] = i == WDAYS ? UINT64_C(0x7f) : UINT64_C(0xfffffffe);
	return true;
}

static bool
field(struct scan *s, struct bk_cron *c, int i)
{
	const char *at = s->p;

	if (*at == '\0')
		return refuse(s, at, "want five fields, the %s is missing",
		    fields[i].what);
	c->star[i] = *at == '*' || *at == '?';
	for (;;) {
		if (!item(s, c, i))
			return false;
		if (*s->p != ',')
			break;
		s->p++;
	}
	if (*s->p != '\0' && !blank(*s->p))
		return refuse(s, s->p, "'%.*s' is not understood in a %s",
		    (int)word_length(s->p), s->p, fields[i].what);
	skip_blanks(s);
	return true;
}

static bool
has(const struct bk_cron *c, int field, int v)
{
	return (c->set[field] >> v & 1) != 0;
}

static bool
day_matches(const struct bk_cron *c, const struct bk_date *d)
{
	bool day = has(c, DAYS, d->day), wday = has(c, WDAYS, d->wday);

	if (!has(c, MONTHS, d->month))
		return false;
	return c->star[DAYS] || c->star[WDAYS] ? day && wday : day || wday;
}

/* Is there any such day in 28 years? */
static bool
comes(const struct bk_cron *c)
{
	struct bk_date d;
	int i;

	for (i = 0; i < CYCLE; i++) {
		d = bk_date_of(CYCLE_START + i * DAY);
		if (day_matches(c, &d))
			return true;
	}
	return false;
}

static bool
five(struct scan *s, struct bk_cron *c)
{
	const char *days = s->p;
	int i;

	for (i = 0; i < FIELDS; i++) {
		if (i == DAYS)
			days = s->p;
		if (!field(s, c, i))
			return false;
	}
	if (*s->p != '\0')
		return refuse(s, s->p, "want five fields; '%s' is a sixth",
		    s->p);
	if (!comes(c))
		return refuse(s, days, "no month of these has such a day");
	return true;
}

static bool
every(struct scan *s, struct bk_cron *c)
{
	struct bk_fault why = BK_FAULT_INIT;
	const char *at;

	skip_blanks(s);
	at = s->p;
	if (bk_duration_parse(at, &c->every, &why) == -1)
		return refuse(s, at, "%s", why.text);
	if (c->every < 1000)
		return refuse(s, at, "@every %s is too often: want 1s or more",
		    at);
	return true;
}

static bool
nickname(struct scan *s, struct bk_cron *c)
{
	static const struct {
		const char *name, *means;
	} table[] = { { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" },
		{ "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
		{ "@daily", "0 0 * * *" }, { "@midnight", "0 0 * * *" },
		{ "@hourly", "0 * * * *" } };
	const char *at = s->p;
	struct scan means = { .f = s->f };
	size_t i, n = word_length(at);

	if (n == 6 && strncmp(at, "@every", n) == 0) {
		s->p += n;
		return every(s, c);
	}
	if (n == 7 && strncmp(at, "@reboot", n) == 0)
		return refuse(s, at, "@reboot is no time: want at-start = yes "
		    "in the schedule file");
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strlen(table[i].name) == n &&
		    strncmp(at, table[i].name, n) == 0)
			break;
	if (i == sizeof(table) / sizeof(table[0]))
		return refuse(s, at, "'%.*s' is not known: want @yearly, "
		    "@monthly, @weekly, @daily, @hourly or @every", (int)n, at);
	s->p += n;
	skip_blanks(s);
	if (*s->p != '\0')
		return refuse(s, s->p, "nothing may follow %s", table[i].name);
	means.text = means.p = table[i].means;
	return five(&means, c);
}

/* CRON_TZ=Europe/Berlin or TZ=… in front. */
static bool
zone(struct scan *s, struct bk_cron *c)
{
	size_t n, skip = strncmp(s->p, "CRON_TZ=", 8) == 0 ? 8 :
	    strncmp(s->p, "TZ=", 3) == 0 ? 3 : 0;

	if (skip == 0)
		return true;
	s->p += skip;
	n = word_length(s->p);
	if (n == 0 || n > ZONE_MAX)
		return refuse(s, s->p, "want a zone, such as Europe/Berlin");
	if ((c->zone = strndup(s->p, n)) == NULL) {
		(void)bk_fault_set(s->f, BK_IO, "out of memory");
		return false;
	}
	s->p += n;
	skip_blanks(s);
	return true;
}

struct bk_cron *
bk_cron_parse(const char *text, struct bk_fault *f)
{
	struct scan s = { .text = text, .p = text, .f = f };
	struct bk_cron *c = calloc(1, sizeof(*c));
	bool good;

	if (c == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	skip_blanks(&s);
	good = zone(&s, c);
	if (good && *s.p == '\0')
		good = refuse(&s, s.p, "want five fields, @daily and the like, "
		    "or @every DURATION");
	if (good)
		good = *s.p == '@' ? nickname(&s, c) : five(&s, c);
	if (!good) {
		bk_cron_free(c);
		return NULL;
	}
	return c;
}

void
bk_cron_free(struct bk_cron *c)
{
	if (c == NULL)
		return;
	free(c->zone);
	free(c);
}

const char *
bk_cron_zone(const struct bk_cron *c)
{
	return c->zone;
}

static int64_t
floor_to(int64_t t, int64_t unit)
{
	return t - (t % unit + unit) % unit;
}

/* The first clock time at or after ${t} that matches; INT64_MAX: none. */
static int64_t
match(const struct bk_cron *c, int64_t t)
{
	struct bk_date d;

	t = floor_to(t + MINUTE - 1, MINUTE);
	for (;;) {
		d = bk_date_of(t);
		if (d.year > YEAR_MAX)
			return INT64_MAX;
		if (!has(c, MONTHS, d.month)) {
			d = (struct bk_date){ .year = d.year + d.month / 12,
			    .month = d.month % 12 + 1, .day = 1 };
			t = bk_date_time(&d);
		} else if (!day_matches(c, &d))
			t = floor_to(t, DAY) + DAY;
		else if (!has(c, HOURS, d.hour))
			t = floor_to(t, HOUR) + HOUR;
		else if (!has(c, MINUTES, d.minute))
			t += MINUTE;
		else
			return t;
	}
}

static int64_t
clock_at(const struct bk_zone *z, int64_t t)
{
	return t + bk_zone_offset(z, t) * INT64_C(1000);
}

static int64_t
next_fixed(const struct bk_cron *c, const struct bk_zone *z, int64_t after)
{
	/* What the clocks have shown by then was due by then. */
	int64_t clock = match(c, floor_to(clock_at(z, after), MINUTE)), t[2];
	struct bk_date d;

	for (; clock != INT64_MAX; clock = match(c, clock + MINUTE)) {
		d = bk_date_of(clock);
		(void)bk_zone_times(z, &d, t);
		if (t[0] > after)
			return t[0];
	}
	return INT64_MAX;
}

static int64_t
next_elapsed(const struct bk_cron *c, const struct bk_zone *z, int64_t after)
{
	int64_t from = after + 1, until, clock;

	for (;;) {
		if ((clock = match(c, clock_at(z, from))) == INT64_MAX)
			return INT64_MAX;
		clock -= clock_at(z, from) - from;
		until = bk_zone_next_change(z, from);
		if (clock < until)
			return clock;
		from = until;
	}
}

int64_t
bk_cron_next(const struct bk_cron *c, const struct bk_zone *z, int64_t after)
{
	if (c->every != 0)
		return after > INT64_MAX - c->every ? INT64_MAX :
		    after + c->every;
	return c->star[MINUTES] || c->star[HOURS] ? next_elapsed(c, z, after) :
	    next_fixed(c, z, after);
}

int64_t
bk_cron_last(const struct bk_cron *c, const struct bk_zone *z, int64_t after,
    int64_t until, uint64_t *n)
{
	int64_t last = INT64_MIN, t = after;
	uint64_t count = 0;

	if (c->every != 0 && until > after) {
		count = (uint64_t)((until - after) / c->every);
		if (count > 0)
			last = after + (int64_t)count * c->every;
	}
	while (c->every == 0 && (t = bk_cron_next(c, z, t)) <= until) {
		last = t;
		count++;
	}
	if (n != NULL)
		*n = count;
	return last;
}

/* The first and last due minute of a day, and the longest way between two. */
static void
in_a_day(const struct bk_cron *c, int *first, int *last, int *gap)
{
	int m;

	*first = *last = -1;
	*gap = 0;
	for (m = 0; m < 24 * 60; m++) {
		if (!has(c, HOURS, m / 60) || !has(c, MINUTES, m % 60))
			continue;
		if (*first == -1)
			*first = m;
		else if (m - *last > *gap)
			*gap = m - *last;
		*last = m;
	}
}

int64_t
bk_cron_interval(const struct bk_cron *c)
{
	int first, last, gap, i, before = -1, start = -1, days = 0;
	struct bk_date d;
	int64_t over;

	if (c->every != 0)
		return c->every;
	in_a_day(c, &first, &last, &gap);
	/* Once around, and on to the first day again. */
	for (i = 0; start == -1 || i <= start + CYCLE; i++) {
		d = bk_date_of(CYCLE_START + i % CYCLE * DAY);
		if (!day_matches(c, &d))
			continue;
		if (start == -1)
			start = i;
		else if (i - before > days)
			days = i - before;
		before = i;
	}
	over = days * DAY - (last - first) * MINUTE;
	return over > gap * MINUTE ? over : gap * MINUTE;
}
