/* How a job stands by the ledger alone: every state and its edges. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "standing.h"
#include "tap.h"

#define H (3600 * INT64_C(1000))
#define NOW (1000 * H)
#define N(a) (sizeof(a) / sizeof((a)[0]))

static char title[] = "app";

/* Times as hours ago, 0 for never. */
static const struct {
	int good, unchanged, failed, max_age, max_unchanged;
	enum bk_stand want;
	const char *what;
} cases[] = {
	{ 0, 0, 0, 26, 0, BK_STAND_NEVER, "nothing" },
	{ 0, 0, 1, 26, 0, BK_STAND_NEVER, "only a failure" },
	{ 0, 1, 0, 26, 0, BK_STAND_NEVER, "unchanged, but from what" },
	{ 1, 0, 0, 26, 0, BK_STAND_FRESH, "a good one" },
	{ 25, 0, 0, 26, 0, BK_STAND_FRESH, "just young enough" },
		{ 26, 0, 0, 26, 0, BK_STAND_STALE, "as bk_due_stale has it" },
	{ 27, 0, 0, 26, 0, BK_STAND_STALE, "too old" },
	{ 900, 0, 0, 0, 0, BK_STAND_FRESH, "no limit" },
	{ 2, 0, 1, 26, 0, BK_STAND_FAILED, "failed since" },
	{ 1, 0, 2, 26, 0, BK_STAND_FRESH, "failed before" },
	{ 27, 0, 1, 26, 0, BK_STAND_STALE, "too old is worse than failed" },
	{ 50, 1, 0, 26, 0, BK_STAND_UNCHANGED, "unchanged vouches" },
	{ 50, 27, 0, 26, 0, BK_STAND_STALE, "not for ever" },
	{ 50, 1, 0, 26, 49, BK_STAND_STALE, "nor past max-unchanged" },
	{ 50, 1, 0, 26, 50, BK_STAND_UNCHANGED, "just within it" },
	{ 50, 2, 1, 26, 0, BK_STAND_FAILED, "failed after that" },
	{ 50, 1, 2, 26, 0, BK_STAND_UNCHANGED, "or before it" },
};

static int64_t
ago(int hours)
{
	return hours == 0 ? 0 : NOW - hours * H;
}

static void
test_states(void)
{
	struct bk_job job = { .title = title };
	struct bk_ledger_state s;
	size_t i;

	for (i = 0; i < N(cases); i++) {
		struct bk_standing st = { .job = &job,
			.max_age = cases[i].max_age * H };

		job.max_unchanged = cases[i].max_unchanged != 0 ?
		    cases[i].max_unchanged * H : BK_JOB_UNSET;
		s = (struct bk_ledger_state){ .committed = ago(cases[i].good),
			.unchanged = ago(cases[i].unchanged),
			.failed = ago(cases[i].failed), .status = 69 };
		bk_standing_ledger(&st, &s, NOW);
		ok_int(st.state, cases[i].want, cases[i].what);
	}
}

static void
test_rest(void)
{
	const struct bk_job job = { .title = title, .max_unchanged = BK_JOB_UNSET };
	struct bk_ledger_state s = { .committed = ago(1), .bytes = 150,
		.duration = H / 2 + 1, .nrecent = 4, .recent_bytes = { 90, 500, 100,
		150 }, .started = ago(2), .run = "01M7ZH5GN7B9F6J0HZWGCP1BYG" };
	struct bk_standing st = { .job = &job, .interval = H };

	bk_standing_ledger(&st, NULL, NOW);
	ok_text(st.from, "none", "no ledger");
	ok_int(st.bytes, -1, "nothing is known");
	bk_standing_ledger(&st, &s, NOW);
	ok_text(st.from, "ledger", "the ledger");
	ok(st.has_trend, "there is a trend");
	ok_int(st.trend, 50, "against the middle of those before");
	ok(strstr(st.warning, "more than half of its interval") != NULL,
	    "a run that is too long");
	s.nrecent = 1;
	st = (struct bk_standing){ .job = &job, .interval = 2 * H };
	bk_standing_ledger(&st, &s, NOW);
	ok(!st.has_trend, "one run is no trend");
	ok_text(st.warning, "", "and not too long now");
	st = (struct bk_standing){ .job = &job, .killed = true };
	s.started = ago(0) + NOW;
	bk_standing_ledger(&st, &s, NOW);
	ok_int(st.state, BK_STAND_FAILED, "a killed run has failed");
	ok_text(st.message, "run 01M7ZH5GN7B9F6J0HZWGCP1BYG was killed",
	    "and is named");
}

int
main(void)
{
	test_states();
	test_rest();
	return done();
}
