/*
 * Civil dates by integer arithmetic alone.  Years are counted from 1 March,
 * so that the leap day is the last of its year and the months before it have
 * a regular pattern: 153 days for every five (30.6 each).  400 years are
 * 146097 days; 1970-01-01 is day 719468 counted from 1 March of year 0.
 *
 * What is not a moment of the years 1 to 9999 has no text in RFC 3339:
 * parsing refuses it and writing gives the nearest moment that has one.
 */
#include <string.h>

#include "when.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define EPOCH_DAY INT64_C(719468)
#define CYCLE_DAYS INT64_C(146097)
#define TIME_MIN (-INT64_C(62135596800000))	/* 0001-01-01T00:00:00Z */
#define TIME_MAX INT64_C(253402300799999)	/* 9999-12-31T23:59:59.999Z */
#define DURATION_MAX (INT64_C(36525) * DAY)

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool
leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int
month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };

	return days[month - 1] + (month == 2 && leap(year));
}

struct bk_date
bk_date_of(int64_t t)
{
	struct bk_date d;
	int64_t day = floor_div(t, DAY);
	int64_t ms = t - day * DAY;
	int64_t since = day + EPOCH_DAY;
	int64_t cycle = floor_div(since, CYCLE_DAYS);
	int64_t in_cycle = since - cycle * CYCLE_DAYS;
	/* Take the leap days out: the last day of each 4, 100, 400 years. */
	int64_t year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 -
	    in_cycle / 146096) / 365;
	int64_t in_year = in_cycle - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * in_year + 2) / 153;

	d.day = (int)(in_year - (153 * month + 2) / 5 + 1);
	d.month = (int)(month < 10 ? month + 3 : month - 9);
	d.year = (int)(year + cycle * 400 + (d.month <= 2));
	d.hour = (int)(ms / HOUR);
	d.minute = (int)(ms / MINUTE % 60);
	d.second = (int)(ms / SECOND % 60);
	d.ms = (int)(ms % SECOND);
	/* 1970-01-01 was a Thursday. */
	d.wday = (int)(day + 4 - floor_div(day + 4, 7) * 7);
	return d;
}

int64_t
bk_date_time(const struct bk_date *d)
{
	int64_t year = (int64_t)d->year - (d->month <= 2);
	int64_t cycle = floor_div(year, 400);
	int64_t of_cycle = year - cycle * 400;
	int64_t month = d->month > 2 ? d->month - 3 : d->month + 9;
	int64_t in_year = (153 * month + 2) / 5 + d->day - 1;
	int64_t day = cycle * CYCLE_DAYS + of_cycle * 365 + of_cycle / 4 -
	    of_cycle / 100 + in_year - EPOCH_DAY;

	return day * DAY + d->hour * HOUR + d->minute * MINUTE +
	    d->second * SECOND + d->ms;
}

static struct bk_date
nearest(int64_t t)
{
	return bk_date_of(t < TIME_MIN ? TIME_MIN : t > TIME_MAX ? TIME_MAX : t);
}

/* Write ${width} digits of ${v} and then ${after}; returns the place behind. */
static char *
put(char *p, int v, int width, char after)
{
	int i;

	for (i = width; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	p[width] = after;
	return p + width + 1;
}

const char *
bk_time_text(int64_t t, char out[BK_TIME_LEN])
{
	struct bk_date d = nearest(t);
	char *p = out;

	p = put(p, d.year, 4, '-');
	p = put(p, d.month, 2, '-');
	p = put(p, d.day, 2, 'T');
	p = put(p, d.hour, 2, ':');
	p = put(p, d.minute, 2, ':');
	p = put(p, d.second, 2, d.ms != 0 ? '.' : 'Z');
	if (d.ms != 0)
		p = put(p, d.ms, 3, 'Z');
	*p = '\0';
	return out;
}

const char *
bk_time_compact(int64_t t, char out[BK_TIME_LEN])
{
	struct bk_date d = nearest(t);
	char *p = out;

	/* Each terminator is overwritten by the next field but for T and Z. */
	p = put(p, d.year, 4, '-') - 1;
	p = put(p, d.month, 2, '-') - 1;
	p = put(p, d.day, 2, 'T');
	p = put(p, d.hour, 2, ':') - 1;
	p = put(p, d.minute, 2, ':') - 1;
	p = put(p, d.second, 2, 'Z');
	*p = '\0';
	return out;
}

/* Exactly ${width} digits and then ${after} (if not NUL) at *${s}. */
static bool
get(const char **s, int width, char after, int *v)
{
	const char *p = *s;

	for (*v = 0; width > 0; width--, p++) {
		if (*p < '0' || *p > '9')
			return false;
		*v = *v * 10 + (*p - '0');
	}
	if (after != '\0' && *p++ != after)
		return false;
	*s = p;
	return true;
}

static bool
get_clock(const char **s, struct bk_date *d)
{
	const char *p = *s;
	int scale;

	if (!get(&p, 2, ':', &d->hour) || !get(&p, 2, ':', &d->minute) ||
	    !get(&p, 2, '\0', &d->second))
		return false;
	d->ms = 0;
	if (*p == '.') {
		if (p[1] < '0' || p[1] > '9')
			return false;
		for (p++, scale = 100; *p >= '0' && *p <= '9'; p++, scale /= 10)
			d->ms += (*p - '0') * scale;
	}
	*s = p;
	return d->hour <= 23 && d->minute <= 59 && d->second <= 60;
}

/* The offset in milliseconds. */
static bool
get_offset(const char **s, int64_t *offset)
{
	const char *p = *s;
	int hour, minute;

	*offset = 0;
	if (*p == 'Z' || *p == 'z') {
		*s = p + 1;
		return true;
	}
	if (*p != '+' && *p != '-')
		return false;
	p++;
	if (!get(&p, 2, ':', &hour) || !get(&p, 2, '\0', &minute) ||
	    hour > 23 || minute > 59)
		return false;
	*offset = (**s == '-' ? -1 : 1) * (hour * HOUR + minute * MINUTE);
	*s = p;
	return true;
}

static int
parse(const char *s, const char *also, int64_t *t, struct bk_fault *f)
{
	struct bk_date d = { 0, 0, 0, 0, 0, 0, 0, 0 };
	const char *p = s;
	int64_t offset, v;
	bool leap_second;

	if (!get(&p, 4, '-', &d.year) || !get(&p, 2, '-', &d.month) ||
	    !get(&p, 2, '\0', &d.day) || (*p != 'T' && *p != 't'))
		goto bad;
	p++;
	if (!get_clock(&p, &d) || d.year < 1 || d.month < 1 || d.month > 12 ||
	    d.day < 1 || d.day > month_days(d.year, d.month))
		goto bad;
	if (*p == '\0')
		return bk_fault_set(f, BK_USAGE, "time '%s' has no offset: "
		    "append Z or one such as +01:00", s);
	if (!get_offset(&p, &offset) || *p != '\0')
		goto bad;
	if ((leap_second = d.second == 60))
		d.second = 59;
	v = bk_date_time(&d) - offset;
	/* Leap seconds end a day of UTC (RFC 3339, section 5.7). */
	if (v < TIME_MIN || v > TIME_MAX ||
	    (leap_second && (v - TIME_MIN) % DAY < DAY - SECOND))
		goto bad;
	*t = v;
	return 0;
bad:
	return bk_fault_set(f, BK_USAGE, "'%s' is not a time: "
	    "want one such as 2026-11-21T10:00:00Z%s", s, also);
}

int
bk_time_parse(const char *s, int64_t *t, struct bk_fault *f)
{
	return parse(s, "", t, f);
}

int
bk_time_parse_rel(const char *s, int64_t now, int64_t *t, struct bk_fault *f)
{
	int64_t ms;

	if (strcmp(s, "now") == 0) {
		*t = now;
		return 0;
	}
	if (*s == '-') {
		if (bk_duration_parse(s + 1, &ms, f) == -1)
			return -1;
		*t = now - ms;
		return 0;
	}
	return parse(s, ", now, or -30h", t, f);
}

/* Length of a unit in milliseconds at *${s}; 0 if there is none. */
static int64_t
get_unit(const char **s)
{
	static const struct {
		char unit;
		int64_t ms;
	} units[] = { { 's', SECOND }, { 'm', MINUTE }, { 'h', HOUR },
		{ 'd', DAY }, { 'w', 7 * DAY } };
	size_t i;

	if (strncmp(*s, "ms", 2) == 0) {
		*s += 2;
		return 1;
	}
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (**s == units[i].unit) {
			++*s;
			return units[i].ms;
		}
	return 0;
}

int
bk_duration_parse(const char *s, int64_t *ms, struct bk_fault *f)
{
	const char *p = s;
	int64_t sum = 0, n, unit;

	do {
		if (*p < '0' || *p > '9')
			goto bad;
		for (n = 0; *p >= '0' && *p <= '9'; p++)
			if ((n = n * 10 + (*p - '0')) > DURATION_MAX)
				goto big;
		if (*p == '\0')
			return bk_fault_set(f, BK_USAGE, "duration '%s' has no "
			    "unit: append ms, s, m, h, d or w", s);
		if ((unit = get_unit(&p)) == 0)
			goto bad;
		if (n > (DURATION_MAX - sum) / unit)
			goto big;
		sum += n * unit;
	} while (*p != '\0');
	*ms = sum;
	return 0;
bad:
	return bk_fault_set(f, BK_USAGE, "'%s' is not a duration: want one "
	    "such as 90s, 26h, 1h30m or 7d", s);
big:
	return bk_fault_set(f, BK_USAGE, "duration '%s' is out of range: "
	    "want 0 to 100 years (36525d)", s);
}
