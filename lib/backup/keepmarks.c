/* Marks: what the rules say of periods, without deleting anything. */
#include <string.h>

#include "keeping.h"

/* The marks that reasons amount to. */
static uint8_t
marks_of(uint64_t why)
{
	uint8_t m = 0;
	int p;

	for (p = BK_HOURLY; p < BK_PERIODS; p++)
		if ((why & (WHY_COUNT(p) | WHY_OLDEST(p) | WHY_WITHIN(p))) != 0)
			m |= (uint8_t)(1U << p);
	if ((why & WHY_CYCLE_DAY) != 0)
		m |= 1U << BK_DAILY;
	if ((why & WHY_CYCLE_WEEK) != 0)
		m |= 1U << BK_WEEKLY;
	if ((why & WHY_CYCLE_MONTH) != 0)
		m |= 1U << BK_MONTHLY;
	return m;
}

/* The first good record of each period. */
static void
first_marks(const struct bk_keeping *k, const struct bk_place *p, size_t n,
    uint8_t *marks)
{
	int64_t val[BK_PERIODS], seen[BK_PERIODS];
	size_t j;
	int q;

	for (q = 0; q < BK_PERIODS; q++)
		seen[q] = INT64_MIN;
	for (j = 0; j < n; j++) {
		if (!k->v[p[j].i].good)
			continue;
		bk_keep_periods(k->zone, p[j].time, val);
		for (q = BK_HOURLY; q < BK_PERIODS; q++)
			if (val[q] != seen[q]) {
				seen[q] = val[q];
				marks[p[j].i] |= (uint8_t)(1U << q);
			}
	}
}

int
bk_retain_marks(const struct bk_retain_in *in, size_t n,
    const struct bk_policy *policy, const struct bk_zone *zone, int64_t now,
    bk_retain_match_fn *match, void *arg, uint8_t *marks, struct bk_fault *f)
{
	const struct bk_policy none = BK_POLICY_INIT;
	struct bk_keeping k = { .in = in, .n = n, .real = n,
		.own = { policy != NULL ? policy : &none, zone }, .now = now,
		.match = match, .arg = arg };
	size_t from, to, i;
	int rc = -1;

	memset(marks, 0, n);
	if (bk_keep_prepare(&k, f) == -1)
		goto out;
	for (from = 0; from < k.nplace; from = to) {
		to = bk_keep_group_end(&k, from);
		bk_keep_judge(&k, k.place + from, to - from);
		if (policy == NULL)
			first_marks(&k, k.place + from, to - from, marks);
		else if (bk_keep_rules(&k, k.place + from, to - from, false,
		    f) == -1)
			goto out;
	}
	for (i = 0; policy != NULL && i < n; i++)
		marks[i] = marks_of(k.v[i].why);
	rc = 0;
out:
	bk_keep_release(&k);
	return rc;
}
