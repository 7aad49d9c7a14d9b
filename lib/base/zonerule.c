/*
 * std offset [ dst [ offset ] , start [ / time ] , end [ / time ] ]
 *
 * Offsets count west of UTC, as POSIX has it; ours count east.  Times of
 * change may be from -167 to 167 hours (RFC 8536, 3.3.1).
 */
#include <string.h>

#include "when.h"
#include "zonerule.h"

#define DAY_S 86400

static bool
number(const char **s, int min, int max, int *v)
{
	const char *p = *s;

	for (*v = 0; *p >= '0' && *p <= '9' && *v <= max; p++)
		*v = *v * 10 + (*p - '0');
	if (p == *s || *v < min || *v > max)
		return false;
	*s = p;
	return true;
}

/* Three or more letters, or anything of letters, digits and signs in <>. */
static bool
designation(const char **s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz";
	static const char quoted[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+-";
	size_t n;

	if (**s != '<') {
		n = strspn(*s, letters);
		*s += n;
		return n >= 3;
	}
	n = strspn(++*s, quoted);
	*s += n;
	return n >= 3 && *(*s)++ == '>';
}

/* [+-]h[h[h]][:mm[:ss]] in seconds. */
static bool
clock_time(const char **s, int max_hours, int32_t *out)
{
	int sign = 1, h, m = 0, sec = 0;

	if (**s == '+' || **s == '-')
		sign = *(*s)++ == '-' ? -1 : 1;
	if (!number(s, 0, max_hours, &h))
		return false;
	if (**s == ':') {
		(*s)++;
		if (!number(s, 0, 59, &m))
			return false;
		if (**s == ':') {
			(*s)++;
			if (!number(s, 0, 59, &sec))
				return false;
		}
	}
	*out = (int32_t)(sign * (h * 3600 + m * 60 + sec));
	return true;
}

static bool
change_day(const char **s, struct bk_zoneday *d)
{
	d->time = 2 * 3600;
	if (**s == 'M') {
		(*s)++;
		d->kind = 'M';
		if (!number(s, 1, 12, &d->month) || *(*s)++ != '.' ||
		    !number(s, 1, 5, &d->week) || *(*s)++ != '.' ||
		    !number(s, 0, 6, &d->day))
			return false;
	} else if (**s == 'J') {
		(*s)++;
		d->kind = 'J';
		if (!number(s, 1, 365, &d->day))
			return false;
	} else {
		d->kind = '0';
		if (!number(s, 0, 365, &d->day))
			return false;
	}
	if (**s != '/')
		return true;
	(*s)++;
	return clock_time(s, 167, &d->time);
}

bool
bk_zonerule_parse(struct bk_zonerule *r, const char *text)
{
	const char *s = text;
	int32_t west;

	memset(r, 0, sizeof(*r));
	if (!designation(&s) || !clock_time(&s, 24, &west))
		return false;
	r->std = -west;
	if (*s == '\0')
		return true;
	r->changes = true;
	if (!designation(&s))
		return false;
	r->dst = r->std + 3600;
	if (*s != ',') {
		if (!clock_time(&s, 24, &west))
			return false;
		r->dst = -west;
	}
	return *s++ == ',' && change_day(&s, &r->start) && *s++ == ',' &&
	    change_day(&s, &r->end) && *s == '\0';
}

/* Days since 1970 of the change day in ${year}. */
static int64_t
day_of(const struct bk_zoneday *d, int year)
{
	struct bk_date date = { .year = year, .month = 1, .day = 1 };
	int64_t first = bk_date_time(&date) / 1000 / DAY_S, next;
	int wday;

	if (d->kind == '0')
		return first + d->day;
	if (d->kind == 'J') {
		/* Day 60 is 1 March in every year. */
		date.month = 3;
		return d->day < 60 ? first + d->day - 1 :
		    bk_date_time(&date) / 1000 / DAY_S + d->day - 60;
	}
	date.month = d->month;
	first = bk_date_time(&date) / 1000 / DAY_S;
	wday = bk_date_of(first * DAY_S * 1000).wday;
	date.year += d->month == 12;
	date.month = d->month % 12 + 1;
	next = bk_date_time(&date) / 1000 / DAY_S;
	first += (d->day - wday + 7) % 7 + 7 * (d->week - 1);
	return first < next ? first : first - 7;	/* week 5 is the last one */
}

int64_t
bk_zonerule_start(const struct bk_zonerule *r, int year)
{
	return (day_of(&r->start, year) * DAY_S + r->start.time - r->std) * 1000;
}

int64_t
bk_zonerule_end(const struct bk_zonerule *r, int year)
{
	return (day_of(&r->end, year) * DAY_S + r->end.time - r->dst) * 1000;
}
