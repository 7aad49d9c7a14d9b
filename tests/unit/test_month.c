/*
 * A month on a fake clock: the supervisor with its ledger, and runs with a
 * file store, through crashes, wrong clocks, both changes of daylight saving
 * and a store that fails.  Ledger, store and alarms are what a calendar says.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monthworld.h"
#include "tap.h"
#include "when.h"

/* In place of the C library's: clocks, processes; nothing here loses power. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	return month_clock(id, ts);
}

int
posix_spawn(pid_t *restrict pid, const char *restrict path,
    const posix_spawn_file_actions_t *fa, const posix_spawnattr_t *restrict at,
    char *const argv[restrict], char *const env[restrict])
{
	(void)path;
	(void)fa;
	(void)at;
	return month_spawn(pid, argv, env);
}

int
posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *fa, int fd,
    int to)
{
	(void)fa;
	month_dup(fd, to);
	return 0;
}

pid_t
waitpid(pid_t pid, int *status, int options)
{
	(void)options;
	return month_wait(pid, status);
}

int
fsync(int fd)
{
	(void)fd;
	return 0;
}

#define MIN(m) (UINT64_C(1) << (m))
#define KEEP "keep = '--keep-last 3 --keep-daily 5'"

/* The clocks change between one and three; half past is inside all changes. */
static struct month_job jobs[] = {
	{ .title = "night", .words = "schedule = '45 1 * * *' max-age = '26h' "
	    KEEP, .minutes = MIN(45), .hours = 1 << 1, .wday = -1,
	    .interval = DAY, .max_age = 26 * HOUR, .last = 3, .daily = 5 },
	{ .title = "gap", .words = "schedule = '15 0,2 * * *' max-age = '30h' "
	    KEEP, .minutes = MIN(15), .hours = 1 << 0 | 1 << 2, .wday = -1,
	    .interval = 22 * HOUR, .max_age = 30 * HOUR, .last = 3, .daily = 5 },
	{ .title = "often", .words = "schedule = '0,15,30,45 1-2 * * *' "
	    "max-age = '2d'", .minutes = MIN(0) | MIN(15) | MIN(30) | MIN(45),
	    .hours = 6, .wday = -1, .interval = 22 * HOUR,
	    .max_age = 2 * DAY },
	{ .title = "hourly", .words = "schedule = '20 * * * *' max-age = '2h'",
	    .kind = MONTH_HOURLY, .minutes = MIN(20), .wday = -1,
	    .interval = HOUR, .max_age = 2 * HOUR },
	{ .title = "ninety", .words = "schedule = '@every 90m' max-age = '4h'",
	    .kind = MONTH_EVERY, .every = 90 * MINUTE, .interval = 90 * MINUTE,
	    .max_age = 4 * HOUR },
	{ .title = "weekly", .words = "schedule = '30 2 * * 0' max-age = '8d'",
	    .minutes = MIN(30), .hours = 1 << 2, .wday = 0, .interval = 7 * DAY,
	    .max_age = 8 * DAY },
	{ .title = "site-db", .words = "schedule = '10 5 * * *' group = 'site' "
	    "max-age = '26h'", .minutes = MIN(10), .hours = 1 << 5, .wday = -1,
	    .interval = DAY, .max_age = 26 * HOUR },
	{ .title = "site-files", .words = "group = 'site' max-age = '26h'",
	    .kind = MONTH_MEMBER, .interval = DAY, .max_age = 26 * HOUR },
	{ .title = "spread", .words = "schedule = '30 1 * * *' spread = '40m' "
	    "max-age = '26h'", .minutes = MIN(30), .hours = 1 << 1, .wday = -1,
	    .interval = DAY, .max_age = 26 * HOUR },
	{ .title = "dump", .words = "watch = 'WATCHED' at-most-every = '5m' "
	    "max-age = '1000d'", .kind = MONTH_WATCH },
	{ .title = "other", .words = "schedule = '@hourly' hosts = 'db9' "
	    "max-age = '2h'", .kind = MONTH_ELSEWHERE },
};

static struct month m;

static uint64_t
chance(uint64_t n)
{
	static uint64_t x;

	if (n == 0)
		x = m.seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return n == 0 ? 0 : (x >> 11) % n;
}

/* ${what} at ${at}, and undone by ${undo} after ${later}. */
static void
befall(int64_t at, enum month_what what, int64_t by, enum month_what undo,
    int64_t later)
{
	m.script[m.n++] = (struct month_event){ at, what, by };
	if (later > 0)
		m.script[m.n++] = (struct month_event){ at + later, undo, -by };
}

static int
by_time(const void *a, const void *b)
{
	const struct month_event *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* A minute from day ${from} up to day ${to}. */
static int64_t
day(int64_t from, int64_t to)
{
	return from * DAY + (int64_t)chance((uint64_t)(to - from) * 1440) * MINUTE;
}

static void
make_script(void)
{
	static const int64_t wrong[] = { 7 * MINUTE, -11 * MINUTE, -2 * HOUR,
		-7 * HOUR, 3 * DAY, -2 * DAY };
	int i;

	(void)chance(0);
	m.n = 0;
	befall(0, MONTH_START, 0, MONTH_START, 0);
	for (i = 0; i < 6; i++)
		befall(day(3 + 2 * i, 4 + 2 * i), MONTH_CLOCK, wrong[i], MONTH_CLOCK,
		    (1 + (int64_t)chance(500)) * MINUTE);
	for (i = 0; i < 6; i++)
		befall(day(1 + 4 * i, 5 + 4 * i), MONTH_STORE_DOWN, 0,
		    MONTH_STORE_UP, (5 + (int64_t)chance(i == 3 ? 2900 : 400)) *
		    MINUTE);
	for (i = 0; i < 8; i++)
		befall(day(1 + 3 * i, 4 + 3 * i), chance(2) ? MONTH_STOP :
		    MONTH_CRASH, 0, MONTH_START, (1 + (int64_t)chance(i % 3 == 2 ?
		    3000 : 200)) * MINUTE);
	/* Once over the change itself. */
	befall(14 * DAY - 40 * MINUTE + (int64_t)chance(60) * MINUTE, MONTH_CRASH, 0,
	    MONTH_START, (1 + (int64_t)chance(90)) * MINUTE);
	for (i = 0; i < 60; i++)
		befall(day(0, 30), MONTH_CHANGE, 0, MONTH_CHANGE,
		    (int64_t)chance(4) * MINUTE);
	qsort(m.script, m.n, sizeof(m.script[0]), by_time);
}

static const char *
show(const struct month_lines *l, size_t i, char out[80])
{
	char a[BK_TIME_LEN], b[BK_TIME_LEN];

	if (i >= l->n)
		return "the end";
	(void)snprintf(out, 80, "%c at %s slot %s", l->v[i].event,
	    bk_time_text(l->v[i].time, a), l->v[i].slot == 0 ? "none" :
	    bk_time_text(l->v[i].slot, b));
	return out;
}

/* The first difference tells most. */
static void
same(const char *title, const char *what, const struct month_lines *got,
    const struct month_lines *want)
{
	char a[80], b[80];
	size_t i = 0;

	while (i < got->n && i < want->n &&
	    got->v[i].time == want->v[i].time &&
	    got->v[i].slot == want->v[i].slot &&
	    got->v[i].event == want->v[i].event)
		i++;
	ok(i == got->n && i == want->n, "seed %llu %s %s: %s: %zu of them; "
	    "got %s, want %s", (unsigned long long)m.seed, m.zone, title, what,
	    got->n, show(got, i, a), show(want, i, b));
}

/*
 * Each alarm that is to come has come: at its minute, or where a look did not
 * help before, ten minutes later.  One more may: where it was told and the
 * clock was wrong for a while, it may be told again.
 */
static void
same_alarms(const char *title, const struct month_lines *got,
    const struct month_lines *want)
{
	char b[80];
	size_t i, k = 0;

	for (i = 0; i < got->n && k < want->n; i++)
		k += got->v[i].time >= want->v[k].time &&
		    got->v[i].time <= want->v[k].time + 10 * MINUTE;
	ok(k == want->n && got->n - k <= 1, "seed %llu %s %s: alarms: %zu of "
	    "them, %zu as expected, then %s", (unsigned long long)m.seed, m.zone,
	    title, got->n, k, show(want, k, b));
}

static void
check_store(struct month_world *w, const struct month_out *want, size_t i)
{
	struct month_lines listed = { NULL, 0, 0 }, kept = { NULL, 0, 0 };

	month_listed(w, jobs[i].title, &listed);
	month_kept(&m, &jobs[i], &want->stored[i], &kept);
	same(jobs[i].title, "in the store", &listed, &kept);
	free(listed.v);
	free(kept.v);
}

static void
test_month(uint64_t seed, const char *zone, const char *change)
{
	struct month_world w;
	struct month_out want;
	struct bk_fault f = BK_FAULT_INIT;
	size_t i;

	m.zone = zone;
	m.seed = seed;
	m.jobs = jobs;
	m.njobs = sizeof(jobs) / sizeof(jobs[0]);
	if (bk_time_parse(change, &m.begin, &f) == -1)
		abort();
	m.begin -= 14 * DAY;
	m.end = 31 * DAY;
	make_script();
	month_run(&m, &w);
	month_expect(&m, &want);
	for (i = 0; i < m.njobs; i++) {
		if (jobs[i].kind == MONTH_WATCH)
			continue;
		same(jobs[i].title, "ledger", &w.out.ledger[i], &want.ledger[i]);
		same_alarms(jobs[i].title, &w.out.alarm[i], &want.alarm[i]);
		same(jobs[i].title, "stored", &w.out.stored[i], &want.stored[i]);
		check_store(&w, &want, i);
	}
	ok_int(w.twice, 0, "never two runs of a job at a time");
	ok_int(w.lost, 0, "the newest good backup was never pruned");
	ok_int(w.content, w.written, "the last change is stored");
	ok(w.close == 0 && w.changes > 50, "at most every five minutes");
	month_out_free(&want, m.njobs);
	month_end(&w);
}

int
main(int argc, char *argv[])
{
	static const struct {
		const char *zone, *change;
	} months[] = {
		{ "Europe/Berlin", "2026-03-29T01:00:00Z" },
		{ "America/Havana", "2026-11-01T05:00:00Z" },
		{ "Europe/Berlin", "2026-10-25T01:00:00Z" },
		{ "America/Havana", "2026-03-08T05:00:00Z" },
		{ "Australia/Lord_Howe", "2026-10-03T15:30:00Z" },
		{ "Australia/Lord_Howe", "2026-04-04T15:00:00Z" },
	};
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	size_t i, n = argc > 1 ? sizeof(months) / sizeof(months[0]) : 2;

	/* With a seed: all of them. */
	for (i = 0; i < n; i++)
		test_month(seed + i, months[i].zone, months[i].change);
	return done();
}
