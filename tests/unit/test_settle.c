/*
 * When a change is over, on a clock that the test moves.
 */
#include "settle.h"
#include "tap.h"

static const struct bk_settle_rule plain = { .quiet = 2000, .longest = 60000,
	.every = 0, .reported = INT64_MIN };

static void
quiet(void)
{
	struct bk_settle s = BK_SETTLE_INIT;

	ok(bk_settle_due(&s, &plain) == INT64_MAX, "nothing changed, nothing due");
	bk_settle_changed(&s, 1, 1000);
	ok_int(bk_settle_due(&s, &plain), 3000, "closed: due after the quiet");
	bk_settle_changed(&s, 1, 2500);
	ok_int(bk_settle_due(&s, &plain), 4500, "changed again: counted anew");
	bk_settle_done(&s);
	ok(bk_settle_due(&s, &plain) == INT64_MAX, "told: nothing due");
	bk_settle_changed(&s, 1, 0);
	ok_int(bk_settle_due(&s, &plain), 2000, "the clock may begin at 0");
}

static void
open_files(void)
{
	struct bk_settle s = BK_SETTLE_INIT;

	bk_settle_written(&s, 7, 1000);
	ok(bk_settle_due(&s, &plain) == INT64_MAX, "open for writing: not over");
	bk_settle_changed(&s, 8, 1500);
	ok(bk_settle_due(&s, &plain) == INT64_MAX,
	    "another file that is closed changes nothing in that");
	bk_settle_changed(&s, 7, 100000);
	ok_int(bk_settle_due(&s, &plain), 61000,
	    "closed at last: due at the latest that a change is put off");
	bk_settle_written(&s, 7, 100000);
	bk_settle_lost(&s);
	ok(bk_settle_due(&s, &plain) != INT64_MAX,
	    "events were lost: the quiet decides");
}

/* Written and closed each second for ten minutes. */
static void
steady(void)
{
	struct bk_settle s = BK_SETTLE_INIT;
	struct bk_settle_rule r = plain;
	int64_t t, last = 0, gap = 0;
	int told = 0;

	for (t = 0; t <= 600000; t += 1000) {
		bk_settle_written(&s, 1, t);
		bk_settle_changed(&s, 1, t);
		if (bk_settle_due(&s, &r) <= t) {
			bk_settle_done(&s);
			r.reported = t;
			gap = t - last > gap ? t - last : gap;
			last = t;
			told++;
		}
	}
	ok(told == 9 || told == 10, "told %d times in ten minutes", told);
	ok(gap <= 61000, "never later than the longest: %lld", (long long)gap);
}

static void
distance(void)
{
	struct bk_settle s = BK_SETTLE_INIT;
	struct bk_settle_rule r = { .quiet = 2000, .longest = 300000,
		.every = 300000, .reported = INT64_MIN };
	int64_t t;
	int told = 0;

	bk_settle_changed(&s, 1, 1000);
	ok_int(bk_settle_due(&s, &r), 3000, "the first is not kept waiting");
	bk_settle_done(&s);
	r.reported = 3000;
	bk_settle_changed(&s, 1, 10000);
	ok_int(bk_settle_due(&s, &r), 303000, "the next keeps its distance");
	bk_settle_changed(&s, 1, 302500);
	ok_int(bk_settle_due(&s, &r), 304500, "and is quiet all the same");

	/* A change every 10 s for a day: 288 times 5 min. */
	r.reported = INT64_MIN;
	bk_settle_done(&s);
	for (t = 0; t < 86400000; t += 10000) {
		if (bk_settle_due(&s, &r) <= t) {
			bk_settle_done(&s);
			r.reported = t;
			told++;
		}
		bk_settle_changed(&s, 1, t);
	}
	ok(told >= 280 && told <= 288, "told %d times in a day", told);
}

int
main(void)
{
	quiet();
	open_files();
	steady();
	distance();
	return done();
}
