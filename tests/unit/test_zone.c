/*
 * Zones against the C library: every zone of the system's table over 1970 to
 * 2100, at random moments and around every change, both ways; then gaps,
 * overlaps, the far future and files that are none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"
#include "zone.h"

#define ZONES "/usr/share/zoneinfo/tzdata.zi"
#define END INT64_C(4133980800000)	/* 2101-01-01 */

static uint64_t rnd = 88172645463325252ULL;

static uint64_t
next(void)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return rnd;
}

/* Does the C library, whose zone is set, show the same at ${t}? */
static bool
same(const struct bk_zone *z, int64_t t)
{
	struct bk_date d = bk_zone_date(z, t);
	time_t s = (time_t)(t / 1000);
	struct tm tm;

	return localtime_r(&s, &tm) != NULL && tm.tm_gmtoff ==
	    bk_zone_offset(z, t) && d.year == tm.tm_year + 1900 &&
	    d.month == tm.tm_mon + 1 && d.day == tm.tm_mday &&
	    d.hour == tm.tm_hour && d.minute == tm.tm_min &&
	    d.second == tm.tm_sec && d.wday == tm.tm_wday;
}

/* Is ${t} among the times at which its own date is shown? */
static bool
returns(const struct bk_zone *z, int64_t t)
{
	struct bk_date d = bk_zone_date(z, t);
	int64_t at[2] = { 0, 0 };
	int n = bk_zone_times(z, &d, at);

	return (n == 1 && at[0] == t) || (n == 2 && at[0] < at[1] &&
	    (at[0] == t || at[1] == t));
}

/* A change must be seen as a gap or as an overlap of just its length. */
static bool
change_seen(const struct bk_zone *z, int64_t at)
{
	int before = bk_zone_offset(z, at - 1), after = bk_zone_offset(z, at);
	struct bk_date d;
	int64_t t[2] = { 0, 0 };

	if (after > before) {
		d = bk_date_of(at + before * INT64_C(1000));
		if (bk_zone_times(z, &d, t) != 0 || t[0] != at)
			return false;
		d = bk_date_of(at + after * INT64_C(1000) - 1);
		return bk_zone_times(z, &d, t) == 0 && t[0] == at;
	}
	d = bk_date_of(at + after * INT64_C(1000));
	if (bk_zone_times(z, &d, t) != 2 || t[1] != at ||
	    t[0] != at - (before - after) * INT64_C(1000))
		return false;
	d = bk_date_of(at + before * INT64_C(1000));
	return bk_zone_times(z, &d, t) == 1;
}

static void
one_zone(const char *name, int *zones, int *changes)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z = bk_zone_open(NULL, name, &f);
	int64_t t;
	int wrong = 0, lost = 0, unseen = 0, i;

	if (z == NULL) {
		ok(false, "%s: %s", name, f.text);
		return;
	}
	(void)setenv("TZ", name, 1);
	tzset();
	for (i = 0; i < 100; i++) {
		t = (int64_t)(next() % (uint64_t)END) / 1000 * 1000;
		wrong += !same(z, t);
		lost += !returns(z, t);
	}
	for (t = bk_zone_next_change(z, 0); t < END;
	    t = bk_zone_next_change(z, t)) {
		(*changes)++;
		wrong += !same(z, t) || !same(z, t - 1000);
		lost += !returns(z, t) || !returns(z, t - 1000);
		unseen += !change_seen(z, t);
	}
	if (wrong + lost + unseen != 0)
		ok(false, "%s: %d times unlike the C library, %d that do not "
		    "return, %d changes not seen", name, wrong, lost, unseen);
	(*zones)++;
	bk_zone_free(z);
}

/* Zones and links of tzdata.zi (zic(8)): "Z NAME ..." and "L TARGET NAME". */
static void
test_all(void)
{
	FILE *in = fopen(ZONES, "re");
	char line[512], a[128], b[128];
	int zones = 0, changes = 0;

	if (in == NULL) {
		tap_skip("no " ZONES);
		return;
	}
	while (fgets(line, sizeof(line), in) != NULL)
		if (sscanf(line, "Z %127s", a) == 1)
			one_zone(a, &zones, &changes);
		else if (sscanf(line, "L %127s %127s", a, b) == 2)
			one_zone(b, &zones, &changes);
	(void)fclose(in);
	ok(zones > 400 && changes > 10000, "%d zones, %d changes agree with the "
	    "C library", zones, changes);
}

static void
test_known(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z = bk_zone_open(NULL, "Europe/Berlin", &f);
	struct bk_date d = { .year = 2026, .month = 3, .day = 29, .hour = 2,
		.minute = 30 };
	int64_t t[2], at, later = 0;
	char text[BK_TIME_LEN];
	int i;

	ok(z != NULL, "Berlin");
	ok_text(bk_zone_name(z), "Europe/Berlin", "its name");
	ok_int(bk_zone_times(z, &d, t), 0, "no 02:30 on the day in March");
	ok_text(bk_time_text(t[0], text), "2026-03-29T01:00:00Z",
	    "the moment of the gap");
	d.month = 10;
	d.day = 25;
	ok_int(bk_zone_times(z, &d, t), 2, "two 02:30 on the day in October");
	ok_text(bk_time_text(t[0], text), "2026-10-25T00:30:00Z", "the first");
	ok_text(bk_time_text(t[1], text), "2026-10-25T01:30:00Z", "the second");
	d = (struct bk_date){ .year = 9000, .month = 7, .day = 1, .hour = 12 };
	ok_int(bk_zone_times(z, &d, t), 1, "noon in the year 9000");
	ok_int(bk_zone_offset(z, t[0]), 7200, "is in summer time");
	ok_int(bk_zone_next_change(z, t[0]) > t[0], 1, "and ends");
	for (i = 0, at = t[0]; i < 2000; i++, at = later)
		if ((later = bk_zone_next_change(z, at)) <= at ||
		    later - at > INT64_C(32000000000) || !change_seen(z, later))
			break;
	ok_int(i, 2000, "two thousand changes from there, each seen");
	bk_zone_free(z);
}

static void
test_utc(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z = bk_zone_open("/nowhere", "UTC", &f);

	ok(z != NULL, "UTC needs no file");
	ok_int(bk_zone_offset(z, END), 0, "and has no offset");
	ok(bk_zone_next_change(z, INT64_MIN) == INT64_MAX, "and never changes");
	bk_zone_free(z);
	z = bk_zone_open(NULL, NULL, &f);
	ok(z != NULL && *bk_zone_name(z) != '\0', "the system's own");
	bk_zone_free(z);
}

static void
write_file(const char *name, const void *p, size_t n)
{
	char path[512];
	FILE *o;

	(void)snprintf(path, sizeof(path), "%s/%s", tap_dir(), name);
	if ((o = fopen(path, "we")) == NULL || fwrite(p, 1, n, o) != n ||
	    fclose(o) != 0)
		ok(false, "cannot write %s", path);
}

static void
test_refused(void)
{
	static const char *const none[] = { "No/Where", "", "../etc/passwd",
		"/etc/localtime", "Europe", "Europe/../UTC", "." };
	char data[8192], name[16];
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z;
	size_t i, n = 0, bad = 0;
	FILE *in;

	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		bk_fault_clear(&f);
		ok(bk_zone_open(NULL, none[i], &f) == NULL &&
		    f.status == BK_USAGE, "'%s': %s", none[i], f.text);
	}
	bk_fault_clear(&f);
	write_file("text", "no zone at all, but text of more than 44 bytes", 46);
	ok(bk_zone_open(tap_dir(), "text", &f) == NULL && f.status == BK_DATA,
	    "text: %s", f.text);

	if ((in = fopen("/usr/share/zoneinfo/Europe/Berlin", "re")) != NULL) {
		n = fread(data, 1, sizeof(data), in);
		(void)fclose(in);
	}
	for (i = 0; i < n; i += 7) {
		bk_fault_clear(&f);
		write_file("cut", data, i);
		z = bk_zone_open(tap_dir(), "cut", &f);
		bad += z != NULL || f.status != BK_DATA;
		bk_zone_free(z);
	}
	ok(n > 500 && bad == 0, "a file cut short anywhere is refused");
	/* Any byte changed: an answer or a fault, never a crash. */
	for (i = 0, bad = 0; i < 2000 && n > 0; i++) {
		size_t at = next() % n;
		char old = data[at];

		data[at] = (char)next();
		bk_fault_clear(&f);
		(void)snprintf(name, sizeof(name), "spoilt");
		write_file(name, data, n);
		z = bk_zone_open(tap_dir(), name, &f);
		bad += z == NULL && f.status != BK_DATA;
		if (z != NULL)
			(void)bk_zone_date(z, (int64_t)(next() % (uint64_t)END));
		bk_zone_free(z);
		data[at] = old;
	}
	ok_int(bad, 0, "a file spoilt anywhere gives an answer or 65");
}

/* Rules that tzdata does not use today, but files may have. */
static void
test_rules(void)
{
	static const struct {
		const char *tz;
		int64_t t;
		int offset;
	} cases[] = {
		{ "EST5EDT,0/0,J365/25", 1767225600000, -14400 },
		{ "EST5EDT,0/0,J365/25", 1783000000000, -14400 },
		{ "AAA3BBB,J60/0,J300/0", 1772334000000, -7200 },
		{ "AAA3BBB,J60/0,J300/0", 1772333999000, -10800 },
		{ "<+0330>-3:30", 0, 12600 },
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", 1767225600000, 0 },
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", 1783000000000, 3600 },
		{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 1783000000000, -3600 },
		{ "nonsense", 0, -1 }, { "EST5EDT", 0, -1 },
		{ "EST5EDT,M13.1.0,M3.1.0", 0, -1 }, { "E5", 0, -1 },
		{ "EST5EDT,M3.1.0,M4.1.0x", 0, -1 },
	};
	char file[256];
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z;
	size_t i;
	int n;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(file, 0, sizeof(file));
		memcpy(file, "TZif2", 5);
		file[39] = 1;			/* one type, in either half */
		memcpy(file + 44 + 6, file, 44);
		n = snprintf(file + 100, sizeof(file) - 100, "\n%s\n",
		    cases[i].tz);
		write_file("rule", file, 100 + (size_t)n);
		bk_fault_clear(&f);
		z = bk_zone_open(tap_dir(), "rule", &f);
		if (cases[i].offset == -1)
			ok(z == NULL && f.status == BK_DATA, "%s: %s",
			    cases[i].tz, f.text);
		else if (z != NULL)
			ok_int(bk_zone_offset(z, cases[i].t), cases[i].offset,
			    cases[i].tz);
		else
			ok(false, "%s: %s", cases[i].tz, f.text);
		bk_zone_free(z);
	}
}

int
main(void)
{
	test_known();
	test_utc();
	test_rules();
	test_refused();
	test_all();
	return done();
}
