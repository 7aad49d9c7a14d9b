/* Times: every day of the years 1 to 9999, RFC 3339, durations. */
#include <stdio.h>
#include <string.h>

#include "tap.h"
#include "when.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define DAY INT64_C(86400000)
#define FIRST (-INT64_C(62135596800000))
#define LAST INT64_C(253402300799999)

/* Count the days by the calendar's own rules and compare each. */
static void
test_all_days(void)
{
	static const int len[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t = FIRST, back;
	int y, m, d, last, wday = 1;	/* 0001-01-01 was a Monday */
	char text[BK_TIME_LEN], want[80];
	int bad_date = 0, bad_time = 0, bad_text = 0;

	for (y = 1; y <= 9999; y++)
		for (m = 1; m <= 12; m++) {
			last = len[m - 1] + (m == 2 && ((y % 4 == 0 &&
			    y % 100 != 0) || y % 400 == 0));
			for (d = 1; d <= last; d++, t += DAY, wday = (wday + 1) % 7) {
				struct bk_date a = bk_date_of(t);
				struct bk_date z = bk_date_of(t + DAY - 1);

				bad_date += a.year != y || a.month != m ||
				    a.day != d || a.wday != wday ||
				    a.hour + a.minute + a.second + a.ms != 0;
				bad_date += z.year != y || z.month != m ||
				    z.day != d || z.wday != wday ||
				    z.hour != 23 || z.minute != 59 ||
				    z.second != 59 || z.ms != 999;
				bad_time += bk_date_time(&a) != t ||
				    bk_date_time(&z) != t + DAY - 1;
				if (d != 1 && d < 28)
					continue;
				(void)snprintf(want, sizeof(want),
				    "%04d-%02d-%02dT23:59:59.999Z", y, m, d);
				bad_text += strcmp(bk_time_text(t + DAY - 1,
				    text), want) != 0 ||
				    bk_time_parse(want, &back, &f) != 0 ||
				    back != t + DAY - 1;
			}
			(void)snprintf(want, sizeof(want),
			    "%04d-%02d-%02dT00:00:00Z", y, m, last + 1);
			bad_text += bk_time_parse(want, &back, &f) != -1;
			bk_fault_clear(&f);
		}
	ok_int(t - 1, LAST, "the last day was reached");
	ok_int(bad_date, 0, "every day of 9999 years from its number");
	ok_int(bad_time, 0, "and back");
	ok_int(bad_text, 0, "text of the ends of months and back");
}

static void
test_text(void)
{
	static const struct {
		int64_t t;
		const char *text, *compact;
	} t[] = {
		{ 0, "1970-01-01T00:00:00Z", "19700101T000000Z" },
		{ -1, "1969-12-31T23:59:59.999Z", "19691231T235959Z" },
		{ 1, "1970-01-01T00:00:00.001Z", "19700101T000000Z" },
		{ 1795255200000, "2026-11-21T10:00:00Z", "20261121T100000Z" },
		{ 1795255200050, "2026-11-21T10:00:00.050Z", "20261121T100000Z" },
		{ 951782400000, "2000-02-29T00:00:00Z", "20000229T000000Z" },
		{ 4294967296000, "2106-02-07T06:28:16Z", "21060207T062816Z" },
		{ FIRST, "0001-01-01T00:00:00Z", "00010101T000000Z" },
		{ FIRST - 1, "0001-01-01T00:00:00Z", "00010101T000000Z" },
		{ INT64_MIN, "0001-01-01T00:00:00Z", "00010101T000000Z" },
		{ LAST, "9999-12-31T23:59:59.999Z", "99991231T235959Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z", "99991231T235959Z" },
	};
	char out[BK_TIME_LEN];
	struct bk_date d;
	size_t i;

	for (i = 0; i < N(t); i++) {
		ok_text(bk_time_text(t[i].t, out), t[i].text, "text");
		ok_text(bk_time_compact(t[i].t, out), t[i].compact, "compact");
	}
	d = bk_date_of(1795255200050);
	ok(d.hour == 10 && d.minute == 0 && d.ms == 50 && d.wday == 6,
	    "a Saturday at ten");
}

static void
test_parse(void)
{
	static const struct {
		const char *s;
		int64_t t;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01t00:00:00z", 0 },
		{ "1970-01-01T00:00:00-00:00", 0 },
		{ "1970-01-01T01:00:00+01:00", 0 },
		{ "1969-12-31T18:30:00-05:30", 0 },
		{ "1985-04-12T23:20:50.52Z", 482196050520 },	/* RFC 3339, 5.8 */
		{ "1996-12-19T16:39:57-08:00", 851042397000 },
		{ "1990-12-31T23:59:60Z", 662687999000 },
		{ "1990-12-31T15:59:60-08:00", 662687999000 },
		{ "1937-01-01T12:00:27.87+00:20", -1041337172130 },
		{ "1990-12-31T23:59:60.25Z", 662687999250 },
		{ "1970-01-01T00:00:00.1Z", 100 },
		{ "1970-01-01T00:00:00.0019Z", 1 },
		{ "1970-01-01T00:00:00.00099999999999999999999Z", 0 },
		{ "0001-01-01T00:00:00Z", FIRST },
		{ "9999-12-31T23:59:59.999999Z", LAST },
		{ "2000-02-29T00:00:00Z", 951782400000 },
	};
	static const char *const bad[] = { "", "x", "now", "-1h",
		"2026-11-21", "2026-11-21T", "2026-11-21 10:00:00Z",
		"2026-11-21T10:00Z", "2026-11-21T10:00:00.Z",
		"2026-11-21T10:00:00,5Z", "2026-11-21T10:00:00Zx",
		"2026-11-21T10:00:00 Z", "2026-11-21T10:00:00+1:00",
		"2026-11-21T10:00:00+0100", "2026-11-21T10:00:00+24:00",
		"2026-11-21T10:00:00+01:60", "2026-11-21T10:00:00+01:00x",
		"2026-11-21T10:00:00+01", "2026-00-21T10:00:00Z",
		"2026-13-21T10:00:00Z", "2026-11-00T10:00:00Z",
		"2026-11-31T10:00:00Z", "2025-02-29T10:00:00Z",
		"1900-02-29T10:00:00Z", "2026-11-21T24:00:00Z",
		"2026-11-21T10:60:00Z", "2026-11-21T10:00:61Z",
		"2026-11-21T10:00:60Z", "2026-11-21T23:59:60+01:00",
		"0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z",
		"26-11-21T10:00:00Z", "2026-1-21T10:00:00Z",
		"+2026-11-21T10:00:00Z", "20261121T100000Z",
		" 2026-11-21T10:00:00Z", "1795255200" };
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t;
	size_t i;

	for (i = 0; i < N(good); i++)
		ok(bk_time_parse(good[i].s, &t, &f) == 0 && t == good[i].t,
		    "time %s", good[i].s);
	for (i = 0; i < N(bad); i++) {
		bk_fault_clear(&f);
		t = 7;
		ok(bk_time_parse(bad[i], &t, &f) == -1 && f.status == 64 &&
		    t == 7, "'%s' is refused", bad[i]);
	}
	bk_fault_clear(&f);
	bk_time_parse("2026-11-21T10:00:00", &t, &f);
	ok_text(f.text, "time '2026-11-21T10:00:00' has no offset: append Z "
	    "or one such as +01:00", "no offset, and the remedy");
	bk_fault_clear(&f);
	bk_time_parse("noon", &t, &f);
	ok_text(f.text, "'noon' is not a time: want one such as "
	    "2026-11-21T10:00:00Z", "what a time looks like");
}

static void
test_relative(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t;

	ok(bk_time_parse_rel("now", 1000, &t, &f) == 0 && t == 1000, "now");
	ok(bk_time_parse_rel("-1h30m", 9000000, &t, &f) == 0 && t == 3600000,
	    "so long ago");
	ok(bk_time_parse_rel("1970-01-01T00:00:01Z", 5, &t, &f) == 0 && t == 1000,
	    "a time");
	ok(bk_time_parse_rel("--1h", 5, &t, &f) == -1 && f.status == 64, "--1h");
	bk_fault_clear(&f);
	ok(bk_time_parse_rel("1h", 5, &t, &f) == -1 && f.status == 64, "1h");
	ok_text(f.text, "'1h' is not a time: want one such as "
	    "2026-11-21T10:00:00Z, now, or -30h", "all forms are named");
}

static void
test_duration(void)
{
	static const struct {
		const char *s;
		int64_t ms;
	} good[] = { { "0s", 0 }, { "1ms", 1 }, { "1s", 1000 },
		{ "1m", 60000 }, { "26h", 93600000 }, { "7d", 604800000 },
		{ "2w", 1209600000 }, { "1h30m", 5400000 }, { "1m1ms", 60001 },
		{ "30m1h", 5400000 }, { "007d", 604800000 },
		{ "36525d", 3155760000000 }, { "3155760000000ms", 3155760000000 } };
	static const char *const bad[] = { "", "s", "h1", "1", "1h30", "-1h",
		"+1h", " 1h", "1h ", "1 h", "1.5h", "1H", "1y", "1mo", "1hh",
		"36526d", "36525d1ms", "5218w", "3155760000001ms",
		"99999999999999999999999999s" };
	struct bk_fault f = BK_FAULT_INIT;
	int64_t ms;
	size_t i;

	for (i = 0; i < N(good); i++)
		ok(bk_duration_parse(good[i].s, &ms, &f) == 0 && ms == good[i].ms,
		    "duration %s", good[i].s);
	for (i = 0; i < N(bad); i++) {
		bk_fault_clear(&f);
		ms = 7;
		ok(bk_duration_parse(bad[i], &ms, &f) == -1 && f.status == 64 &&
		    ms == 7, "'%s' is refused", bad[i]);
	}
	bk_fault_clear(&f);
	bk_duration_parse("10", &ms, &f);
	ok_text(f.text, "duration '10' has no unit: append ms, s, m, h, d or w",
	    "no unit, and the remedy");
	bk_fault_clear(&f);
	bk_duration_parse("101000d", &ms, &f);
	ok_text(f.text, "duration '101000d' is out of range: want 0 to 100 years "
	    "(36525d)", "the bounds");
}

int
main(void)
{
	test_all_days();
	test_text();
	test_parse();
	test_relative();
	test_duration();
	return done();
}
