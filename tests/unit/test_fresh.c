/*
 * The order of the answers (DESIGN, 10), decided from facts alone, and how
 * the state of the attempts is merged.
 */
#include <string.h>

#include "fresh.h"
#include "json.h"
#include "samples.h"
#include "table.h"
#include "tap.h"

#define HOUR (INT64_C(3600) * 1000)
#define NOW (INT64_C(1795275953) * 1000)
#define NONE (-1)			/* of an age */

/* Ages in hours; NONE: it never was. */
struct facts {
	int good, newest, finished;	/* newest NONE: it is the good one */
	bool shrunk;
	int failed, unchanged, committed;
	int max_unchanged;
	enum bk_freshness want;
};

static int64_t
ago(int hours)
{
	return hours == NONE ? INT64_MIN : NOW - hours * HOUR;
}

static void
order(void)
{
	static const struct facts table[] = {
		/* good newest finished shrunk failed unchanged committed max */
		{ NONE, NONE, NONE, false, NONE, NONE, NONE, 0, BK_NEVER },
		{ NONE, NONE, NONE, false, 1, NONE, NONE, 0, BK_NEVER },
		{ NONE, NONE, NONE, false, NONE, 1, 1, 0, BK_NEVER },
		{ NONE, 2, 2, false, NONE, NONE, NONE, 0, BK_NEVER },
		{ NONE, 2, 2, true, NONE, NONE, NONE, 0, BK_SHRUNK },
		{ NONE, 30, 30, true, NONE, NONE, NONE, 0, BK_STALE },
		{ 25, NONE, 25, false, NONE, NONE, NONE, 0, BK_FRESH },
		{ 26, NONE, 26, false, NONE, NONE, NONE, 0, BK_FRESH },
		{ 27, NONE, 27, false, NONE, NONE, NONE, 0, BK_STALE },
		{ 27, NONE, 27, false, 1, NONE, NONE, 0, BK_STALE },
		{ 27, 2, 2, true, NONE, NONE, NONE, 0, BK_STALE },
		{ 25, NONE, 25, false, 1, NONE, NONE, 0, BK_LAST_FAILED },
		{ 25, 1, 1, true, NONE, NONE, NONE, 0, BK_SHRUNK },
		{ 25, 2, 2, true, 1, NONE, NONE, 0, BK_LAST_FAILED },
		{ 25, 1, 1, true, 2, NONE, NONE, 0, BK_SHRUNK },
		/* It failed, and then it went well. */
		{ 1, NONE, 1, false, 2, NONE, NONE, 0, BK_FRESH },
		{ 25, NONE, 25, false, 2, 1, NONE, 0, BK_UNCHANGED },
		{ 25, NONE, 25, false, 2, NONE, 1, 0, BK_FRESH },
		{ 25, NONE, 25, false, 1, 2, NONE, 0, BK_LAST_FAILED },
		/* Old, but looked at. */
		{ 99, NONE, 99, false, NONE, 1, NONE, 0, BK_UNCHANGED },
		{ 99, NONE, 99, false, NONE, 27, NONE, 0, BK_STALE },
		{ 99, NONE, 99, false, NONE, 1, NONE, 100, BK_UNCHANGED },
		{ 101, NONE, 101, false, NONE, 1, NONE, 100, BK_STALE },
		/* "Unchanged" was said of what is not good, or before it. */
		{ 99, 50, 50, false, NONE, 1, NONE, 0, BK_STALE },
		{ 25, 20, 20, false, NONE, 1, NONE, 0, BK_FRESH },
		{ 5, NONE, 5, false, NONE, 6, NONE, 0, BK_FRESH },
		/* Not good, but a good one is young enough. */
		{ 25, 1, 1, false, NONE, NONE, NONE, 0, BK_FRESH },
	};
	const struct facts *t;
	struct bk_fresh fr;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		t = &table[i];
		fr = (struct bk_fresh)BK_FRESH_INIT;
		fr.req.name = "app";
		fr.req.max_age = 26 * HOUR;
		fr.req.max_unchanged = t->max_unchanged * HOUR;
		fr.now = NOW;
		fr.good = ago(t->good);
		fr.newest = ago(t->newest == NONE ? t->good : t->newest);
		memcpy(fr.id, "A", 2);
		memcpy(fr.newest_id, t->newest == NONE ? "A" : "B", 2);
		if (t->newest != NONE)
			memcpy(fr.why, "suspect", sizeof("suspect"));
		fr.finished = ago(t->finished);
		fr.shrunk = t->shrunk;
		fr.state.failed_time = ago(t->failed);
		fr.state.unchanged_time = ago(t->unchanged);
		fr.state.committed_time = ago(t->committed);
		bk_fresh_decide(&fr);
		ok(fr.answer == t->want, "row %d: want %s: %s", (int)i,
		    bk_freshness_names[t->want], fr.text);
	}
}

/* With the log: never, gap, stale, lag, failed. */
static void
log_order(void)
{
	struct bk_fresh fr = BK_FRESH_INIT;

	fr.req = (struct bk_fresh_req){ .name = "app", .wal = true,
		.max_lag = HOUR };
	fr.now = NOW;
	bk_fresh_decide(&fr);
	ok_int(fr.answer, BK_NEVER, "no base backup");
	fr.good = fr.newest = fr.finished = NOW - 900 * HOUR;
	fr.wal.lag = HOUR;
	bk_fresh_decide(&fr);
	ok_int(fr.answer, BK_FRESH, "its age has no limit, the lag is within its");
	fr.state.failed_time = NOW;
	bk_fresh_decide(&fr);
	ok_int(fr.answer, BK_LAST_FAILED, "failed");
	fr.wal.lag++;
	bk_fresh_decide(&fr);
	ok_int(fr.answer, BK_LAG, "a lag comes before it");
	ok_text(fr.text, "app: lag: the last commit that is stored is 60m old, "
	    "the limit is 60m", "and is told");
	fr.req.max_age = HOUR;
	bk_fresh_decide(&fr);
	ok_int(fr.answer, BK_STALE, "stale before that");
	fr.wal.gap.count = 1;
	memcpy(fr.wal.gap.first, "00000002.history", 17);
	bk_fresh_decide(&fr);
	ok_int(fr.answer, BK_GAP, "a gap before that");
	ok_text(fr.text, "app: gap: in the log 00000002.history is missing",
	    "and is named");
	fr.wal.foreign = true;
	fr.req.data = "/d";
	bk_fresh_decide(&fr);
	ok_int(fr.answer, BK_NEVER, "of another server is none");
}

static void
shown(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(65536);
	struct bk_fresh fr = BK_FRESH_INIT;
	struct bk_fresh_req req = { .name = "app", .max_age = 26 * HOUR };
	json_t *o;

	fr.req = req;
	fr.now = NOW;
	fr.good = fr.newest = fr.finished = NOW - 25 * HOUR - 1;
	fr.bytes = 123;
	fr.duration = 1500;
	fr.state.failed_time = NOW - HOUR;
	fr.state.failed = quoted("{'time':'2026-11-21T10:00:00Z','status':69,"
	    "'message':'no route','host':'db1','count':2}");
	fr.state.failures = 2;
	bk_fresh_decide(&fr);
	ok_text(fr.text, "app: failed: the last attempt, 60m ago on db1: "
	    "status 69: no route", "a failure in one line");
	o = bk_fresh_json(&fr, "file:///x", &f);
	ok_text(bk_json_get_text(o, "state"), "failed", "state");
	ok_int(bk_json_get_int(o, "age"), 25 * HOUR + 1, "age");
	ok_text(bk_json_get_text(json_object_get(o, "failed"), "message"),
	    "no route", "why");
	json_decref(o);
	ok_int(bk_fresh_metrics(&fr, "file:///a\\b\"c\nd", &b, &f), 0, "metrics");
	ok(strstr(bk_buf_text(&b), "bk_backup_state{name=\"app\","
	    "store=\"file:///a\\\\b\\\"c\\nd\",state=\"failed\"} 1\n") != NULL,
	    "labels are escaped");
	ok(strstr(bk_buf_text(&b), "} 90000.001\n") != NULL, "age in seconds");
	ok(strstr(bk_buf_text(&b), "\nbk_backup_errors{name=\"app\"") != NULL,
	    "failures");
	bk_fresh_release(&fr);
	bk_buf_reset(&b);

	fr = (struct bk_fresh)BK_FRESH_INIT;
	(void)bk_fault_set(&f, BK_UNAVAILABLE, "no answer");
	bk_fresh_unknown(&fr, &req, NOW, &f);
	ok_text(fr.text, "app: cannot tell: no answer", "cannot tell");
	bk_fault_clear(&f);
	ok_int(bk_fresh_metrics(&fr, "", &b, &f), 0, "metrics all the same");
	ok(strstr(bk_buf_text(&b), "state=\"unknown\"} 1\n") != NULL &&
	    strstr(bk_buf_text(&b), "bk_backup_age") == NULL,
	    "the state, and nothing that is not known");
	bk_buf_release(&b);
}

static void
merging(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_report r = { .outcome = BK_FAILED, .status = 65,
		.duration = -1, .message = "cut" };
	json_t *old = quoted("{'bk':'state/1','failed':{'time':'x','count':3},"
	    "'committed':{'time':'y','id':'z'},'unchanged':7,'other':{}}");
	json_t *o = bk_state_merge(old, "app", "db1", &r, NOW, &f);

	ok_int(bk_json_get_int(json_object_get(o, "failed"), "count"), 4,
	    "one more failure");
	ok_text(bk_json_get_text(json_object_get(o, "committed"), "id"), "z",
	    "the last commit stays");
	ok(json_object_get(o, "unchanged") == NULL &&
	    json_object_get(o, "other") == NULL, "what is no state goes");
	ok(json_object_get(json_object_get(o, "attempt"), "duration") == NULL,
	    "what is not known is left out");
	json_decref(old);
	r = (struct bk_report){ .outcome = BK_COMMITTED, .status = 0,
		.duration = 5, .id = "01" };
	old = bk_state_merge(o, "app", "db1", &r, NOW, &f);
	ok_int(bk_json_get_int(json_object_get(old, "failed"), "count"), 0,
	    "a success forgives");
	json_decref(o);
	json_decref(old);
}

int
main(void)
{
	order();
	log_order();
	shown();
	merging();
	return done();
}
