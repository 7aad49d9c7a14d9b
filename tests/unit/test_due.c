/*
 * When jobs are due: each case is a schedule, what the ledger tells, a time,
 * and the answer.  The last part walks a job through a year with both changes
 * of the clocks and random stops.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "due.h"
#include "tap.h"
#include "when.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static const char *host_zone;

static const char *
vars(const char *name)
{
	return strcmp(name, "TZ") == 0 ? host_zone : NULL;
}

static int64_t
at(const char *text)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t = 0;

	if (text != NULL && bk_time_parse(text, &t, &f) == -1)
		ok(false, "%s", f.text);
	return t;
}

struct world {
	struct bk_ctx ctx;
	struct bk_jobs *jobs;
	struct bk_due *due;
	const struct bk_job *job;	/* the first */
	struct bk_fault f;
};

/* A schedule file of ${text} and one store, read on host "db1". */
static void
make(struct world *w, const char *text)
{
	char path[512];
	FILE *fp;

	*w = (struct world){ .ctx = tap_ctx };
	w->ctx.env = vars;
	w->ctx.host = "db1.example.net";
	(void)snprintf(path, sizeof(path), "%s/bk.conf", tap_dir());
	if ((fp = fopen(path, "we")) == NULL ||
	    fputs("store \"s\" { url = \"file:///s\" }\n", fp) == EOF ||
	    fputs(text, fp) == EOF || fclose(fp) == EOF)
		abort();
	w->jobs = bk_jobs_load(&w->ctx, path, &w->f);
	if (w->jobs == NULL)
		return;
	w->due = bk_due_open(&w->ctx, w->jobs, &w->f);
	w->job = w->jobs->jobs;
}

static void
end(struct world *w)
{
	bk_due_free(w->due);
	bk_jobs_free(w->jobs);
}

/* A job of ${words} beside its source and store. */
static void
make_job(struct world *w, const char *words)
{
	char text[1024];

	(void)snprintf(text, sizeof(text), "job \"a\" { source = \"fake:\" "
	    "store = \"s\"\n%s }\n", words);
	make(w, text);
	if (w->due == NULL) {
		ok(false, "%s: %s", words, w->f.text);
		exit(1);
	}
}

static struct bk_ledger_state
state(const char *slot, enum bk_ledger_event event, const char *last)
{
	struct bk_ledger_state s = { .job = "a", .last = event };

	s.slot = at(slot);
	s.slot_event = slot != NULL ? event : BK_LEDGER_NONE;
	s.last_time = at(last);
	return s;
}

static void
check(const char *what, struct bk_due_time t, enum bk_due_why why,
    const char *when, const char *until, uint64_t missed)
{
	char a[BK_TIME_LEN] = "never", b[BK_TIME_LEN] = "none";

	ok_text(bk_due_word(t.why), bk_due_word(why), what);
	if (t.at != BK_DUE_NEVER)
		(void)bk_time_text(t.at, a);
	if (t.until != 0)
		(void)bk_time_text(t.until, b);
	ok_text(a, when, what);
	ok_text(b, until, what);
	ok_int(t.missed, missed, what);
}

#define C BK_LEDGER_COMMITTED

static const struct {
	const char *what, *words, *slot;
	enum bk_ledger_event event;
	const char *last, *now;
	enum bk_due_why why;
	const char *at, *until;
	uint64_t missed;
} slots[] = {
	{ "waits", "schedule = '15 3 * * *'", "2026-11-20T03:15:00Z", C,
	    "2026-11-20T03:20:00Z", "2026-11-20T12:00:00Z",
	    BK_DUE_SCHEDULE, "2026-11-21T03:15:00Z",
	    "2026-11-22T03:15:00Z", 0 },
	{ "on time", "schedule = '15 3 * * *'", "2026-11-20T03:15:00Z", C,
	    "2026-11-20T03:20:00Z", "2026-11-21T03:15:00Z",
	    BK_DUE_SCHEDULE, "2026-11-21T03:15:00Z",
	    "2026-11-22T03:15:00Z", 0 },
	{ "late", "schedule = '15 3 * * *'", "2026-11-20T03:15:00Z", C,
	    "2026-11-20T03:20:00Z", "2026-11-21T08:00:00Z",
	    BK_DUE_LATE, "2026-11-21T03:15:00Z",
	    "2026-11-22T03:15:00Z", 0 },
	{ "catches up once", "schedule = '15 3 * * *'",
	    "2026-11-10T03:15:00Z", C, "2026-11-10T03:20:00Z",
	    "2026-11-21T08:00:00Z", BK_DUE_LATE, "2026-11-21T03:15:00Z",
	    "2026-11-22T03:15:00Z", 10 },
	{ "entered, not begun", "schedule = '15 3 * * *'",
	    "2026-11-21T03:15:00Z", BK_LEDGER_DUE, "2026-11-21T03:15:00Z",
	    "2026-11-21T03:16:00Z", BK_DUE_LATE, "2026-11-21T03:15:00Z",
	    "2026-11-22T03:15:00Z", 0 },
	{ "entered, not begun, and one more", "schedule = '15 3 * * *'",
	    "2026-11-20T03:15:00Z", BK_LEDGER_DUE, "2026-11-20T03:15:00Z",
	    "2026-11-21T03:16:00Z", BK_DUE_LATE, "2026-11-21T03:15:00Z",
	    "2026-11-22T03:15:00Z", 1 },
	{ "skipped counts", "schedule = '@hourly'",
	    "2026-11-21T03:00:00Z", BK_LEDGER_SKIPPED,
	    "2026-11-21T03:00:00Z", "2026-11-21T03:30:00Z",
	    BK_DUE_SCHEDULE, "2026-11-21T04:00:00Z",
	    "2026-11-21T05:00:00Z", 0 },
	{ "by hand only", "schedule = '15 3 * * *'", NULL, C,
	    "2026-11-20T03:20:00Z", "2026-11-20T12:00:00Z",
	    BK_DUE_SCHEDULE, "2026-11-21T03:15:00Z",
	    "2026-11-22T03:15:00Z", 0 },
	{ "every from the due time", "schedule = '@every 1h30m'",
	    "2026-11-20T03:00:00Z", C, "2026-11-20T04:10:00Z",
	    "2026-11-20T04:20:00Z", BK_DUE_SCHEDULE,
	    "2026-11-20T04:30:00Z", "2026-11-20T06:00:00Z", 0 },
	{ "every after a stop", "schedule = '@every 1h30m'",
	    "2026-11-20T03:00:00Z", C, "2026-11-20T04:10:00Z",
	    "2026-11-20T10:00:00Z", BK_DUE_LATE,
	    "2026-11-20T09:00:00Z", "2026-11-20T10:30:00Z", 3 },
	{ "set back a little", "schedule = '15 3 * * *'",
	    "2026-11-21T03:15:00Z", C, "2026-11-21T03:20:00Z",
	    "2026-11-21T02:15:00Z", BK_DUE_SCHEDULE,
	    "2026-11-22T03:15:00Z", "2026-11-23T03:15:00Z", 0 },
	{ "set back by years", "schedule = '15 3 * * *'",
	    "2031-01-01T03:15:00Z", C, "2031-01-01T03:20:00Z",
	    "2026-11-21T02:15:00Z", BK_DUE_CLOCK,
	    "2026-11-21T02:15:00Z", "2026-11-21T03:15:00Z", 0 },
	{ "set back by more than the interval", "schedule = '@every 5m'",
	    "2026-11-21T03:15:00Z", C, "2026-11-21T03:15:00Z",
	    "2026-11-21T02:15:00Z", BK_DUE_CLOCK,
	    "2026-11-21T02:15:00Z", "2026-11-21T02:20:00Z", 0 },
	{ "a slot of a wrong clock is not open",
	    "schedule = '15 3 * * *'", "2026-11-21T03:15:00Z",
	    BK_LEDGER_DUE, "2026-11-21T03:15:00Z",
	    "2026-11-21T03:14:00Z", BK_DUE_SCHEDULE,
	    "2026-11-22T03:15:00Z", "2026-11-23T03:15:00Z", 0 },
	{ "skipped by the clocks", "schedule = 'CRON_TZ=Europe/Berlin "
	    "30 2 * * *'", "2026-03-28T01:30:00Z", C,
	    "2026-03-28T01:30:00Z", "2026-03-28T12:00:00Z",
	    BK_DUE_SCHEDULE, "2026-03-29T01:00:00Z",
	    "2026-03-30T00:30:00Z", 0 },
	{ "shown twice", "schedule = 'CRON_TZ=Europe/Berlin 30 2 * * *'",
	    "2026-10-25T00:30:00Z", C, "2026-10-25T00:31:00Z",
	    "2026-10-25T00:59:00Z", BK_DUE_SCHEDULE,
	    "2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z", 0 },
	{ "never again", "schedule = 'CRON_TZ=UTC 0 0 1 1 *'",
	    "9999-01-01T00:00:00Z", C, "9999-01-01T00:00:00Z",
	    "9999-02-01T00:00:00Z", BK_DUE_SCHEDULE, "never", "none", 0 },
};

static void
test_slots(void)
{
	struct bk_ledger_state s;
	struct world w;
	size_t i;

	for (i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		make_job(&w, slots[i].words);
		s = state(slots[i].slot, slots[i].event, slots[i].last);
		check(slots[i].what, bk_due_next(w.due, w.job, &s, at(slots[i].now)),
		    slots[i].why, slots[i].at, slots[i].until, slots[i].missed);
		end(&w);
	}
}

static void
test_kinds(void)
{
	int64_t now = at("2026-11-21T10:00:00Z");
	struct bk_ledger_state s = state(NULL, C, "2026-11-21T09:00:00Z");
	struct world w;

	make_job(&w, "schedule = '15 3 * * *'");
	check("first", bk_due_next(w.due, w.job, NULL, now), BK_DUE_FIRST,
	    "2026-11-21T10:00:00Z", "2026-11-22T03:15:00Z", 0);
	ok(!bk_due_at_start(w.due, w.job), "no at-start");
	end(&w);

	make_job(&w, "watch = '/x'");
	check("first watch", bk_due_next(w.due, w.job, NULL, now), BK_DUE_FIRST,
	    "2026-11-21T10:00:00Z", "none", 0);
	check("watch", bk_due_next(w.due, w.job, &s, now), BK_DUE_CHANGE,
	    "never", "none", 0);
	ok(bk_due_watches(w.due, w.job), "it watches");
	ok_int(bk_due_max_age(w.due, w.job), 0, "no age without an interval");
	end(&w);

	make_job(&w, "");
	check("asked", bk_due_next(w.due, w.job, NULL, now), BK_DUE_ASKED,
	    "never", "none", 0);
	end(&w);

	make_job(&w, "at-start = yes");
	check("at-start only", bk_due_next(w.due, w.job, &s, now), BK_DUE_ASKED,
	    "never", "none", 0);
	ok(bk_due_at_start(w.due, w.job), "at-start");
	end(&w);

	make_job(&w, "schedule = '@daily' at-start = yes watch = '/x' "
	    "hosts = { 'db2', 'web' }");
	check("elsewhere", bk_due_next(w.due, w.job, NULL, now),
	    BK_DUE_ELSEWHERE, "never", "none", 0);
	ok(!bk_due_at_start(w.due, w.job) && !bk_due_watches(w.due, w.job),
	    "neither at start nor on change");
	end(&w);

	make_job(&w, "schedule = '@daily' hosts = { 'db2', 'db1' }");
	check("first name", bk_due_next(w.due, w.job, NULL, now), BK_DUE_FIRST,
	    "2026-11-21T10:00:00Z", "2026-11-22T00:00:00Z", 0);
	end(&w);

	make(&w, "job \"lead\" { source = \"fake:\" store = \"s\" group = \"g\" "
	    "schedule = \"@daily\" }\njob \"more\" { source = \"fake:\" store = "
	    "\"s\" group = \"g\" }\n");
	check("leader", bk_due_next(w.due, &w.jobs->jobs[0], NULL, now),
	    BK_DUE_FIRST, "2026-11-21T10:00:00Z", "2026-11-22T00:00:00Z", 0);
	check("member", bk_due_next(w.due, &w.jobs->jobs[1], NULL, now),
	    BK_DUE_MEMBER, "never", "none", 0);
	ok_int(bk_due_max_age(w.due, &w.jobs->jobs[1]), 2 * DAY,
	    "a member ages as its leader");
	end(&w);
}

static void
test_zone(void)
{
	struct bk_ledger_state s = state("2026-11-20T03:15:00Z", C, NULL);
	int64_t now = at("2026-11-20T12:00:00Z");
	struct world w;

	host_zone = ":Europe/Berlin";
	make_job(&w, "schedule = '15 3 * * *'");
	ok_text(bk_due_zone(w.due), "Europe/Berlin", "TZ");
	check("TZ", bk_due_next(w.due, w.job, &s, now), BK_DUE_SCHEDULE,
	    "2026-11-21T02:15:00Z", "2026-11-22T02:15:00Z", 0);
	end(&w);
	make(&w, "tz = 'Asia/Tokyo'\njob \"a\" { source = \"fake:\" "
	    "store = \"s\" schedule = '15 3 * * *' }\n");
	check("tz of the file", bk_due_next(w.due, w.job, &s, now),
	    BK_DUE_SCHEDULE, "2026-11-20T18:15:00Z", "2026-11-21T18:15:00Z", 0);
	end(&w);
	host_zone = "Mars/Olympus";
	make(&w, "job \"a\" { source = \"fake:\" store = \"s\" }\n");
	ok(w.due == NULL && w.f.status == BK_CONFIG &&
	    strncmp(w.f.text, "TZ: ", 4) == 0, "%s", w.f.text);
	end(&w);
	host_zone = "UTC";
	make(&w, "tz = 'Mars/Olympus'\njob \"a\" { source = \"fake:\" "
	    "store = \"s\" }\n");
	ok(w.due == NULL && w.f.status == BK_CONFIG &&
	    strstr(w.f.text, "bk.conf:2: tz: ") != NULL, "%s", w.f.text);
	end(&w);
	make(&w, "job \"a\" { source = \"fake:\" store = \"s\"\n\n"
	    "schedule = '61 3 * * *' }\n");
	ok(w.due == NULL && w.f.status == BK_CONFIG &&
	    strstr(w.f.text, "bk.conf:4: schedule '61 3 * * *', position 1") != NULL, "%s",
	    w.f.text);
	end(&w);
}

static void
test_spread(void)
{
	struct bk_ledger_state s = state("2026-11-20T03:15:00Z", C, NULL);
	int64_t slot = at("2026-11-21T03:15:00Z"), a, b;
	static const char *const hosts[] = { "h1", "h2", "h3", "h4", "h5", "h6",
		"h7", "h8" };
	struct bk_due_time t;
	struct bk_due *d;
	int64_t sum = 0;
	struct world w;
	size_t i;

	make_job(&w, "schedule = '15 3 * * *' spread = '40m'");
	t = bk_due_next(w.due, w.job, &s, slot);
	a = t.at - slot;
	ok(t.slot == slot && a > 0 && a < 40 * MINUTE, "%lld", (long long)a);
	ok_int(t.until - t.at, DAY, "the next is as much later");
	ok_int(bk_due_next(w.due, w.job, &s, t.at - 1).at, t.at, "not before");
	t = bk_due_next(w.due, w.job, &s, t.at);
	ok_int(t.why, BK_DUE_SCHEDULE, "then it is due");
	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		w.ctx.host = hosts[i];
		d = bk_due_open(&w.ctx, w.jobs, &w.f);
		b = bk_due_next(d, w.job, &s, slot).at - slot;
		ok(b >= 0 && b < 40 * MINUTE && b != a, "%s", hosts[i]);
		sum += b;
		bk_due_free(d);
	}
	ok(sum > 40 * MINUTE && sum < 280 * MINUTE, "hosts are spread");
	end(&w);
}

static void
test_change(void)
{
	struct bk_ledger_state s = state(NULL, C, "2026-11-21T09:00:00Z");
	int64_t t = at("2026-11-21T09:00:00Z");
	struct world w;

	make_job(&w, "watch = '/x' at-most-every = '5m'");
	ok_int(bk_due_change(w.job, NULL, t), t, "never started");
	s.started = t;
	ok_int(bk_due_change(w.job, &s, t + MINUTE), t + 5 * MINUTE, "too early");
	ok_int(bk_due_change(w.job, &s, t + 5 * MINUTE), t + 5 * MINUTE, "now");
	ok_int(bk_due_change(w.job, &s, t + HOUR), t + HOUR, "long after");
	ok_int(bk_due_change(w.job, &s, t - HOUR), t - HOUR, "set back");
	end(&w);
}

static void
test_stale(void)
{
	struct bk_ledger_state s = state(NULL, C, "2026-11-21T09:00:00Z");
	int64_t t = at("2026-11-21T09:00:00Z");
	struct bk_due_age age = { .since = t };
	struct world w;

	make_job(&w, "schedule = '@daily' max-unchanged = '3d'");
	ok_int(bk_due_stale(w.due, w.job, NULL, &age, t + 30 * DAY), t + 2 * DAY, "never good");
	s.committed = t + HOUR;
	ok_int(bk_due_stale(w.due, w.job, &s, &age, t + 30 * DAY), t + HOUR + 2 * DAY,
	    "twice the interval");
	age.good = t + 2 * HOUR;
	ok_int(bk_due_stale(w.due, w.job, &s, &age, t + 30 * DAY), t + 2 * HOUR + 2 * DAY,
	    "the stores know of a newer one");
	age.told = t + 2 * HOUR + 2 * DAY;
	ok_int(bk_due_stale(w.due, w.job, &s, &age, t + 30 * DAY), BK_DUE_NEVER, "told");
	s.committed = age.told + HOUR;
	ok_int(bk_due_stale(w.due, w.job, &s, &age, t + 30 * DAY), s.committed + 2 * DAY,
	    "a new one, a new period");
	s.unchanged = s.committed + 2 * DAY;
	ok_int(bk_due_stale(w.due, w.job, &s, &age, t + 30 * DAY), s.committed + 3 * DAY,
	    "max-unchanged");
	age.told = s.committed + 3 * DAY;
	s.unchanged = age.told + HOUR;
	ok_int(bk_due_stale(w.due, w.job, &s, &age, t + 30 * DAY), s.unchanged + 2 * DAY,
	    "told of, and unchanged still");
	/* Told and stored by a clock that was ten days ahead. */
	age = (struct bk_due_age){ .since = t, .good = t + HOUR,
		.told = t + 11 * DAY };
	s.committed = s.unchanged = t + 10 * DAY;
	ok_int(bk_due_stale(w.due, w.job, &s, &age, t + DAY),
	    t + HOUR + 2 * DAY, "what is ahead vouches for nothing");
	end(&w);
	make_job(&w, "max-age = '26h' hosts = 'db2'");
	ok_int(bk_due_stale(w.due, w.job, &s, &age, t + 30 * DAY), BK_DUE_NEVER, "elsewhere");
	end(&w);
}

/*
 * A year of a daily job with random stops: every slot is run or missed, none
 * twice, and nothing but a stop makes one missed.
 */
static void
test_year(void)
{
	struct bk_ledger_state s = { .job = "a" };
	int64_t now = at("2026-01-01T00:00:00Z"), stop = now + 365 * DAY, slot;
	uint64_t run = 0, missed = 0, all = 0;
	struct bk_due_time t;
	struct world w;

	srand(7);
	make_job(&w, "schedule = 'CRON_TZ=Europe/Berlin 30 2 * * *'");
	s.last = BK_LEDGER_STARTED;
	s.last_time = now;
	for (slot = now; (slot = bk_due_slot(w.due, w.job, slot)) < stop;)
		all++;
	while (now < stop) {
		t = bk_due_next(w.due, w.job, &s, now);
		if (t.at > now) {
			/* Sleep till then, or be down for a while. */
			now = rand() % 10 == 0 ? now + rand() % 5 * DAY +
			    rand() % 24 * HOUR : t.at;
			continue;
		}
		if (t.slot <= s.slot || t.slot > now)
			ok(false, "slot %lld after %lld", (long long)t.slot,
			    (long long)s.slot);
		s.slot = t.slot;
		s.slot_event = BK_LEDGER_COMMITTED;
		run++;
		missed += t.missed;
	}
	ok_int(all, 365, "slots of a year");
	/* The last stop may have gone past the end. */
	ok(run + missed >= all && run + missed <= all + 6,
	    "%llu run, %llu missed", (unsigned long long)run,
	    (unsigned long long)missed);
	ok(missed > 0 && run > 200, "some were missed");
	end(&w);
}

int
main(void)
{
	host_zone = "UTC";
	test_slots();
	test_kinds();
	test_zone();
	test_spread();
	test_change();
	test_stale();
	test_year();
	return done();
}
