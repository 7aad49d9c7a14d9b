/*
 * Retention case by case: the words of policies, restic's own table, guards,
 * suspects, sources, the cycle and marks, each with the reasons it gives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forget.h"
#include "query.h"
#include "record.h"
#include "retain.h"
#include "tap.h"
#include "words.h"

#define MAX 128
#define GOOD (BK_RETAIN_PAYLOAD | BK_RETAIN_PROVEN)

static struct bk_zone *utc;

/* A history under construction, with what was decided. */
struct story {
	struct bk_retain_in in[MAX];
	char id[MAX][16];
	json_t *json[MAX];
	size_t n;
	struct bk_policy policy;
	struct bk_retained out;
};

static struct story st;

static int64_t
at(const char *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t = 0;
	char full[40];

	(void)snprintf(full, sizeof(full), "%s%s", s,
	    strlen(s) == 10 ? "T03:00:00Z" : "");
	if (bk_time_parse(full, &t, &f) == -1)
		ok(false, "%s: %s", full, f.text);
	return t;
}

/* Ids fall as the index grows: newest first, as restic's lists are. */
static struct bk_retain_in *
add(const char *time, uint64_t bytes)
{
	struct bk_retain_in *in = &st.in[st.n];

	(void)snprintf(st.id[st.n], sizeof(st.id[0]), "R%03u",
	    999U - (unsigned int)st.n);
	*in = (struct bk_retain_in){ .time = at(time), .id = st.id[st.n],
		.name = "app", .source = "{}", .bytes = bytes,
		.stored = bytes / 2, .flags = GOOD };
	st.n++;
	return in;
}

static void
clear(void)
{
	size_t i;

	for (i = 0; i < MAX; i++)
		json_decref(st.json[i]);
	bk_policy_release(&st.policy);
	bk_retain_release(&st.out);
	memset(&st, 0, sizeof(st));
	st.policy = (struct bk_policy)BK_POLICY_INIT;
}

static int
match(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f)
{
	struct bk_record rec = { .json = st.json[i] };

	(void)arg;
	return bk_query_match(q, &rec, f);
}

static int
words(struct bk_policy *p, const char *text, struct bk_fault *f)
{
	struct bk_words w = BK_WORDS_INIT;
	int rc;

	*p = (struct bk_policy)BK_POLICY_INIT;
	if ((rc = bk_words_split(text, &w, f)) == 0)
		rc = bk_policy_parse(p, w.v, w.n, f);
	bk_words_release(&w);
	return rc;
}

static bool
decide(const char *policy, const char *now, struct bk_zone *zone)
{
	struct bk_fault f = BK_FAULT_INIT;

	bk_policy_release(&st.policy);
	bk_retain_release(&st.out);
	if (words(&st.policy, policy, &f) == 0 && bk_retain(st.in, st.n,
	    &st.policy, zone, at(now), match, NULL, &st.out, &f) == 0)
		return true;
	return ok(false, "%s: %s", policy, f.text);
}

/* "keep: a; b" or "delete: c" of record ${i}. */
static const char *
verdict(size_t i)
{
	static char text[1024];
	char why[BK_WHY_LEN];
	unsigned int k;
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "%s:",
	    st.out.v[i].keep ? "keep" : "delete");
	for (k = 0; bk_retain_why(&st.out, i, k, why) != NULL; k++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s %s",
		    k > 0 ? ";" : "", why);
	return text;
}

/* Kept '+' or deleted '-', in the order they were added. */
static const char *
picture(void)
{
	static char text[MAX + 1];
	size_t i;

	for (i = 0; i < st.n; i++)
		text[i] = st.out.v[i].keep ? '+' : '-';
	text[i] = '\0';
	return text;
}

static void
test_restic(void)
{
	char got[FORGET_TIMES + 1], why[BK_WHY_LEN];
	unsigned int k, n;
	size_t i, row;

	clear();
	for (i = 0; i < FORGET_TIMES; i++) {
		(void)add(forget_times[i].time, 1000);
		st.json[i] = json_pack("{s:{}}", "tags");
		if (strchr(forget_times[i].tags, 'f') != NULL)
			(void)json_object_set_new(json_object_get(st.json[i],
			    "tags"), "foo", json_string("1"));
		if (strchr(forget_times[i].tags, 'b') != NULL)
			(void)json_object_set_new(json_object_get(st.json[i],
			    "tags"), "bar", json_string("1"));
	}
	for (row = 0; row < FORGET_ROWS; row++) {
		if (!decide(forget_table[row].policy, "2026-01-01", utc))
			continue;
		for (i = 0; i < FORGET_TIMES; i++) {
			for (n = k = 0; bk_retain_why(&st.out, i, k, why) != NULL;
			    k++)
				n += strcmp(why, "newest good") != 0 &&
				    strcmp(why, "no rule keeps it") != 0;
			got[i] = n == 0 ? '.' : (char)('0' + n);
		}
		got[FORGET_TIMES] = '\0';
		ok_text(got, forget_table[row].result, forget_table[row].policy);
		/* The one guard that restic does not have. */
		ok(st.out.v[0].keep, "the newest stays");
	}
}

static void
test_words(void)
{
	static const char *const bad[] = {
		"--keep-dayly 7", "--keep-daily", "--keep-daily x",
		"--keep-daily -1", "--keep-daily 7 --keep-daily 8", "7",
		"--keep-within 6m", "--keep-within 1mo6m", "--keep-within 7",
		"--keep-within d", "--keep-within 7x", "--keep-within ''",
		"--keep-within 999999d", "--keep-tag 'x'", "--cycle 1,2",
		"--cycle 0,0,0", "--cycle 1,2,3,4", "--cycle 1,,2",
		"--cycle -1,0,0", "--max-shrink 0", "--max-shrink 101%",
		"--max-shrink half", "--shared=1", "--group-by name",
		"--shared --group-by source", "--tz ''", "--keep-last=",
		"--keep-last 99999999999",
		"--keep-tag '{daily=\"true\"}'",
	};
	static const char *const empty[] = { "--keep-last 0",
		"--keep-daily 0 --keep-within 0d", "--max-shrink 10%", "--shared" };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_policy p, again;
	json_t *list, *second;
	char *text, *argv[64];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bk_fault_clear(&f);
		ok(words(&p, bad[i], &f) == -1 && f.status == BK_USAGE,
		    "%s: %s", bad[i], f.text);
		bk_policy_release(&p);
	}
	for (i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		bk_fault_clear(&f);
		ok(words(&p, empty[i], &f) == 0 && bk_policy_check(&p, &f) == -1
		    && f.status == BK_USAGE, "%s: %s", empty[i], f.text);
		bk_policy_release(&p);
	}
	bk_fault_clear(&f);
	ok_int(words(&p, "--keep-yearly unlimited --keep-last=3 --keep-within "
	    "2w1h --cycle 15,4,3 --keep-tag '{a=\"1\"}' --max-shrink 60% "
	    "--tz Europe/Berlin --group-by source --keep-daily 0 "
	    "--keep-within-monthly 1y6mo --keep-tag '{b!=\"\"}'", &f), 0,
	    "all kinds of words");
	ok_text(p.tz, "Europe/Berlin", "the zone");
	list = bk_policy_words(&p, &f);
	text = json_dumps(list, JSON_COMPACT);
	ok_text(text, "[\"--keep-last\",\"3\",\"--keep-yearly\",\"unlimited\","
	    "\"--keep-within\",\"14d1h\",\"--keep-within-monthly\",\"1y6mo\","
	    "\"--keep-tag\",\"{a=\\\"1\\\"}\",\"--keep-tag\",\"{b!=\\\"\\\"}\","
	    "\"--cycle\",\"15,4,3\",\"--max-shrink\",\"60%\",\"--group-by\","
	    "\"source\"]", "in one order");
	for (i = 0; i < json_array_size(list); i++)
		argv[i] = (char *)(uintptr_t)json_string_value(
		    json_array_get(list, i));
	again = (struct bk_policy)BK_POLICY_INIT;
	ok_int(bk_policy_parse(&again, argv, i, &f), 0, "words are words again");
	second = bk_policy_words(&again, &f);
	ok(json_equal(list, second), "and the same ones");
	json_decref(list);
	json_decref(second);
	free(text);
	bk_policy_release(&p);
	bk_policy_release(&again);
}

static void
test_reasons(void)
{
	clear();
	(void)add("2026-11-21", 1000);
	(void)add("2026-11-20", 1000);
	(void)add("2026-11-19", 1000);
	add("2026-11-18", 1000)->flags |= BK_RETAIN_HELD;
	(void)add("2026-11-17", 1000);
	add("2026-11-16", 1000)->flags |= BK_RETAIN_OUTSIDE;
	(void)decide("--keep-last 1 --keep-daily 2 --keep-weekly 1 "
	    "--keep-within 25h", "2026-11-21T12:00:00Z", utc);
	ok_text(verdict(0), "keep: last 1; daily 2026-11-21; weekly 2026-W47; "
	    "within 25h; newest good", "the newest");
	ok_text(verdict(1), "keep: daily 2026-11-20; within 25h", "the second");
	ok_text(verdict(2), "delete: no rule keeps it", "the third");
	ok_text(verdict(3), "keep: held", "the held one");
	ok_text(verdict(4), "delete: no rule keeps it", "the fifth");
	ok_text(verdict(5), "keep: not on the list", "one outside");
	ok_int(st.out.keep, 4, "four stay");
	ok_int(st.out.gone_bytes, 1000, "bytes that go");
	ok_int(st.out.keep_bytes, 2000, "bytes that stay");

	(void)decide("--keep-monthly 3", "2026-11-21T12:00:00Z", utc);
	ok_text(verdict(0), "keep: monthly 2026-11; newest good", "a month");
	ok_text(verdict(4), "keep: oldest monthly", "the oldest of the rest");
	ok_text(verdict(2), "delete: no rule keeps it", "between");
}

/* Seven bad nights: dumps that end properly of an emptied database. */
static void
test_suspects(void)
{
	static const char *const night[] = { "2026-11-21", "2026-11-20",
		"2026-11-19", "2026-11-18", "2026-11-17", "2026-11-16",
		"2026-11-15", "2026-11-14", "2026-11-13", "2026-11-12",
		"2026-11-11", "2026-11-10", "2026-11-09", "2026-11-08" };
	size_t i;

	clear();
	for (i = 0; i < 14; i++)
		(void)add(night[i], i < 7 ? 90 : 1000);
	(void)decide("--keep-last 3 --keep-daily 7", "2026-11-21T12:00:00Z", utc);
	ok_text(picture(), "++++++++++++++", "every good copy survives");
	ok_text(verdict(0), "keep: last 1; daily 2026-11-21; suspect, counts for "
	    "nothing", "a bad night is kept for a look, and takes no place");
	ok_text(verdict(7), "keep: last 1; daily 2026-11-14; newest good",
	    "the newest good one");
	st.in[6].flags |= BK_RETAIN_ACCEPTED;
	(void)decide("--keep-last 3", "2026-11-21T12:00:00Z", utc);
	ok_text(picture(), "+++----" "-------", "accepting one begins anew");
	st.in[6].flags = GOOD;
	(void)decide("--keep-last 3 --max-shrink 95%", "2026-11-21T12:00:00Z",
	    utc);
	ok_text(picture(), "+++----" "-------", "--max-shrink 95%");
	st.in[0].flags |= BK_RETAIN_SUSPECT;
	(void)decide("--keep-last 2 --max-shrink 100%", "2026-11-21T12:00:00Z",
	    utc);
	ok_text(picture(), "+++----" "-------", "a noted suspect");
}

static void
test_not_good(void)
{
	clear();
	add("2026-11-21", 1000)->flags = BK_RETAIN_PROVEN;
	add("2026-11-20", 1000)->flags = BK_RETAIN_PAYLOAD;
	(void)add("2026-11-19", 1000);
	(void)add("2026-11-18", 1000);
	add("2026-12-24", 1000)->flags = GOOD;
	add("2026-11-10", 1000)->flags = BK_RETAIN_UNREADABLE;
	(void)decide("--keep-last 1", "2026-11-21T12:00:00Z", utc);
	ok_text(verdict(0), "keep: last 1; payload missing, counts for nothing",
	    "no payload");
	ok_text(verdict(1), "delete: not proven, counts for nothing",
	    "not proven");
	ok_text(verdict(2), "keep: last 1; newest good", "the newest good one");
	ok_text(verdict(3), "delete: no rule keeps it", "an older one");
	ok_text(verdict(4), "keep: from the future", "the future");
	ok_text(verdict(5), "keep: cannot be read", "a newer version");
	ok_int(st.out.odd, 2, "two are reported");

	clear();
	add("2026-11-21", 1000)->flags = BK_RETAIN_PAYLOAD;
	add("2026-11-20", 1000)->flags = BK_RETAIN_PROVEN;
	(void)decide("--keep-last 1", "2026-11-21T12:00:00Z", utc);
	ok_text(picture(), "++", "without a good one nothing goes");
	ok_text(verdict(1), "keep: no good record of this name; payload "
	    "missing, counts for nothing", "and it says why");
}

static void
test_parents(void)
{
	clear();
	add("2026-11-21", 1000)->parent = "R998";
	add("2026-11-20", 1000)->parent = "R997";
	(void)add("2026-11-19", 1000);
	(void)add("2026-11-18", 1000);
	(void)decide("--keep-last 1", "2026-11-21T12:00:00Z", utc);
	ok_text(picture(), "+++-", "a chain stays whole");
	ok_text(verdict(2), "keep: parent of R998", "and says whose parent");
	st.in[2].flags = BK_RETAIN_PROVEN;
	(void)decide("--keep-last 1", "2026-11-21T12:00:00Z", utc);
	ok_text(verdict(0), "keep: last 1; parent missing, counts for nothing",
	    "a chain on a lost payload counts for nothing");
	ok_text(verdict(3), "keep: last 1; newest good", "the one before does");
	st.in[2].flags = GOOD;
	st.in[2].parent = "R999";
	(void)decide("--keep-last 1", "2026-11-21T12:00:00Z", utc);
	ok_text(verdict(3), "keep: last 1; newest good", "so for a ring");
}

static void
test_sources(void)
{
	clear();
	(void)add("2026-11-21", 1000);
	add("2026-11-20", 10)->source = "{other}";
	(void)add("2026-11-19", 1000);
	add("2026-11-18", 10)->source = "{other}";
	(void)decide("--keep-last 1", "2026-11-21T12:00:00Z", utc);
	ok_text(picture(), "++++", "two sources: nothing goes");
	ok_text(verdict(0), "keep: two sources", "and it says why");
	ok_int(st.out.nrefused, 1, "one name is refused");
	ok(st.out.refused[0].a == 0 && st.out.refused[0].b == 1, "both named");
	(void)decide("--keep-last 1 --group-by source", "2026-11-21T12:00:00Z",
	    utc);
	ok_text(picture(), "++--", "by source");
	(void)decide("--keep-last 1 --shared", "2026-11-21T12:00:00Z", utc);
	ok_text(picture(), "+---", "shared");
	ok_text(verdict(1), "delete: suspect, counts for nothing",
	    "shared, the small one is a suspect");
	st.in[1].time -= 60 * INT64_C(86400000);
	st.in[3].time -= 60 * INT64_C(86400000);
	(void)decide("--keep-last 1", "2026-11-21T12:00:00Z", utc);
	ok_int(st.out.nrefused, 0, "a source of two months ago is none of now");
	st.in[1].name = st.in[3].name = "web";
	(void)decide("--keep-last 1", "2026-11-21T12:00:00Z", utc);
	ok_text(picture(), "++--", "two names are two histories");
}

/* Deleting what a suspect was compared with would make it good. */
static void
test_comparison(void)
{
	clear();
	(void)add("2026-11-21", 1000);
	(void)add("2026-11-20", 400);
	(void)add("2026-11-05", 1000);
	(void)add("2026-11-04", 1000);
	(void)add("2026-10-31", 400);
	(void)add("2026-10-30", 400);
	(void)add("2026-09-30", 400);
	(void)decide("--keep-daily 2 --keep-monthly 3", "2026-11-21T12:00:00Z",
	    utc);
	ok_text(verdict(1), "keep: daily 2026-11-20; suspect, counts for "
	    "nothing", "a suspect");
	ok_text(verdict(3), "keep: compared with R998", "what it rests on");
}

static void
test_cycle(void)
{
	/* Mondays: 2026-11-02, 09, 16. */
	static const char *const day[] = { "2026-11-19", "2026-11-18",
		"2026-11-17", "2026-11-16", "2026-11-12", "2026-11-10",
		"2026-11-08", "2026-11-03", "2026-10-30", "2026-10-05",
		"2026-08-20", "2026-08-10" };
	uint8_t marks[MAX];
	struct bk_fault f = BK_FAULT_INIT;
	size_t i;

	clear();
	for (i = 0; i < 12; i++)
		(void)add(day[i], 1000);
	(void)decide("--cycle 2,2,3", "2026-11-21", utc);
	ok_text(picture(), "++-+-+-+-+-+", "2,2,3");
	ok_text(verdict(0), "keep: cycle day; newest good", "a day");
	ok_text(verdict(5), "keep: cycle week 2026-W46", "a week");
	ok_text(verdict(9), "keep: cycle month 2026-10", "a month");
	ok_int(bk_retain_marks(st.in, st.n, &st.policy, utc, at("2026-11-21"),
	    match, NULL, marks, &f), 0, "marks of the cycle");
	ok_int(marks[0], 1 << BK_DAILY, "daily");
	ok_int(marks[3], 1 << BK_WEEKLY, "weekly");
	ok_int(marks[7], 1 << BK_MONTHLY, "monthly");
	ok_int(marks[8], 0, "none");
	(void)decide("--cycle 3,0,0", "2026-11-21", utc);
	ok_text(picture(), "+++---------", "3,0,0: three days");
	(void)decide("--cycle 0,1,0", "2026-11-21", utc);
	ok_text(picture(), "+--+--------", "0,1,0, and the newest");
	ok_int(bk_retain_marks(st.in, st.n, NULL, utc, at("2026-11-21"),
	    match, NULL, marks, &f), 0, "marks without a rule");
	ok_int(marks[11], 1 << BK_HOURLY | 1 << BK_DAILY | 1 << BK_WEEKLY |
	    1 << BK_MONTHLY | 1 << BK_YEARLY, "the first of all");
	ok_int(marks[4], 1 << BK_HOURLY | 1 << BK_DAILY, "one of a week");
}

/* Moments are kept, not only backups: the base before them stays. */
static void
test_points(void)
{
	static const char *const day[] = { "2026-11-20", "2026-11-13",
		"2026-11-06", "2026-10-30", "2026-10-23" };
	size_t i;

	clear();
	for (i = 0; i < 5; i++)
		add(day[i], 1000)->flags |= BK_RETAIN_BASE;
	(void)decide("--cycle 10,0,0", "2026-11-21", utc);
	ok_text(picture(), "+++--", "ten days, and the base before them");
	ok_text(verdict(2), "keep: the moments kept after it need it", "says so");
	(void)decide("--keep-within 14d", "2026-11-21", utc);
	ok_text(picture(), "+++--", "a base at the beginning is enough");
	(void)decide("--keep-within 14d1h", "2026-11-21", utc);
	ok_text(picture(), "++++-", "else the one before");
	(void)decide("--keep-last 2", "2026-11-21", utc);
	ok_text(picture(), "++---", "counts are of backups");
	st.in[2].flags |= BK_RETAIN_SUSPECT;
	(void)decide("--cycle 10,0,0", "2026-11-21", utc);
	ok_text(picture(), "++++-", "a suspect one is not enough");
	for (i = 0; i < 5; i++)
		st.in[i].flags = GOOD;
	(void)decide("--cycle 10,0,0", "2026-11-21", utc);
	ok_text(picture(), "++---", "dumps need none");
}

/* The day of a place: 23:30 in Berlin is 21:30 or 22:30 in UTC. */
static void
test_zone(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_zone *z = bk_zone_open(NULL, "Europe/Berlin", &f);

	clear();
	(void)add("2026-10-25T22:30:00Z", 1000);
	(void)add("2026-10-25T01:30:00Z", 1000);
	(void)add("2026-10-25T00:30:00Z", 1000);
	(void)add("2026-10-24T22:30:00Z", 1000);
	(void)add("2026-10-24T21:30:00Z", 1000);
	(void)decide("--keep-daily 2", "2026-11-21", z);
	ok_text(picture(), "+---+", "days of Berlin");
	(void)decide("--keep-daily 2", "2026-11-21", utc);
	ok_text(picture(), "+--+-", "days of UTC");
	(void)decide("--keep-hourly 2", "2026-11-21", z);
	ok_text(picture(), "++---", "02:30 came twice: one hour");
	ok_text(verdict(1), "keep: hourly 2026-10-25T02", "shown as there");
	(void)decide("--keep-within 1d", "2026-11-21", z);
	ok_text(picture(), "++++-", "a day of 25 hours");
	bk_zone_free(z);
}

/* The example of bk-retention(7). */
static void
test_manual(void)
{
	char day[16];
	int d;

	clear();
	for (d = 21; d > 0; d--) {
		(void)snprintf(day, sizeof(day), "2026-11-%02d", d % 100);
		(void)add(day, d == 20 ? 10 : 1000);
	}
	(void)decide("--keep-last 2 --keep-daily 4 --keep-weekly 3",
	    "2026-11-21T12:00:00Z", utc);
	ok_text(picture(), "+++++-+------+-------", "the manual's example");
	ok_text(verdict(1), "keep: last 2; daily 2026-11-20; suspect, counts for "
	    "nothing", "its 20th");
	ok_text(verdict(2), "keep: last 2; daily 2026-11-19", "its 19th");
	ok_text(verdict(6), "keep: weekly 2026-W46", "its 15th");
	ok_text(verdict(13), "keep: weekly 2026-W45", "its 8th");
	ok_int(st.out.gone, 14, "fourteen go");
}

static void
test_shrunk(void)
{
	static const uint64_t big[] = { UINT64_MAX - 1, UINT64_MAX - 1,
		UINT64_MAX - 1 }, mixed[] = { 10, 1000, 100 },
	    alike[] = { 1100, 1100, 900 };

	ok(!bk_retain_shrunk(0, big, 0, 50), "nothing to compare with");
	ok(bk_retain_shrunk(0, big, 3, 50), "empty");
	ok(!bk_retain_shrunk(UINT64_MAX / 2, big, 3, 50), "just half");
	ok(bk_retain_shrunk(UINT64_MAX / 2 - 1, big, 3, 50), "below half");
	ok(!bk_retain_shrunk(0, big, 3, 100), "never");
	ok(bk_retain_shrunk(49, mixed, 3, 50) &&
	    !bk_retain_shrunk(50, mixed, 3, 50), "the median of three");
	ok(bk_retain_shrunk(549, alike, 3, 50) &&
	    !bk_retain_shrunk(550, alike, 3, 50), "two of three alike");
	ok(bk_retain_shrunk(252, mixed, 2, 50) &&
	    !bk_retain_shrunk(253, mixed, 2, 50), "the mean of two");
	ok(bk_retain_shrunk(1, (const uint64_t[]){ 3 }, 1, 50) &&
	    !bk_retain_shrunk(2, (const uint64_t[]){ 3 }, 1, 50), "odd numbers");
}

int
main(void)
{
	struct bk_fault f = BK_FAULT_INIT;

	if ((utc = bk_zone_open(NULL, "UTC", &f)) == NULL)
		return 1;
	st.policy = (struct bk_policy)BK_POLICY_INIT;
	test_words();
	test_restic();
	test_reasons();
	test_suspects();
	test_not_good();
	test_parents();
	test_sources();
	test_comparison();
	test_cycle();
	test_points();
	test_zone();
	test_manual();
	test_shrunk();
	clear();
	bk_zone_free(utc);
	return done();
}
