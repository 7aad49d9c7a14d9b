/*
 * What stays together: parents, and the members of group runs.
 *
 * A run takes part in the rules by stand-ins: records of a name that no
 * record has, one for each rule that a member goes by, so that several rules
 * over one group each choose whole runs.  A stand-in is good when all members
 * are.
 */
#include <stdio.h>
#include <stdlib.h>

#include "keeping.h"

/* The ${m}-th member of ${run}: is it the first that goes by its rule? */
static bool
first_by(const struct bk_keeping *k, const struct bk_retain_run *run, size_t m)
{
	size_t i;

	for (i = 0; i < m; i++)
		if (k->in[run->member[i]].by == k->in[run->member[m]].by)
			return false;
	return true;
}

static size_t
count(const struct bk_keeping *k)
{
	const struct bk_retain_run *run;
	size_t r, m, n = 0;

	for (r = 0; r < k->more->nruns; r++) {
		run = &k->more->run[r];
		for (m = 0; m < run->n; m++)
			n += first_by(k, run, m);
	}
	return n;
}

/*
 * The rules pass by a run with a member that is not to be deleted in any
 * case; one that is wholly foreign is not ours either.
 */
static unsigned int
flags_of(const struct bk_keeping *k, const struct bk_retain_run *run)
{
	unsigned int some = 0, all = BK_RETAIN_FOREIGN;
	size_t m;

	for (m = 0; m < run->n; m++) {
		some |= k->in[run->member[m]].flags;
		all &= k->in[run->member[m]].flags;
	}
	return BK_RETAIN_PAYLOAD | BK_RETAIN_PROVEN | all |
	    (some & BK_RETAIN_OUTSIDE);
}

int
bk_keep_runs(struct bk_keeping *k, struct bk_fault *f)
{
	const struct bk_retain_run *run;
	size_t r, m, extra;
	uint32_t at = (uint32_t)k->real, by;

	if (k->more == NULL || k->more->nruns == 0)
		return 0;
	extra = count(k);
	if (k->real + extra >= NOBODY)
		return bk_fault_set(f, BK_DATA, "too many records");
	k->both = malloc((k->real + extra) * sizeof(*k->both) + 1);
	k->title = malloc(extra * sizeof(*k->title) + 1);
	k->stand = malloc((k->more->nruns + 1) * sizeof(*k->stand));
	if (k->both == NULL || k->title == NULL || k->stand == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (r = 0; r < k->real; r++)
		k->both[r] = k->in[r];
	for (r = 0; r < k->more->nruns; r++) {
		run = &k->more->run[r];
		k->stand[r] = at;
		for (m = 0; m < run->n; m++) {
			if (!first_by(k, run, m))
				continue;
			by = k->in[run->member[m]].by;
			/* Not in the grammar of names. */
			(void)snprintf(k->title[at - k->real], BK_TITLE_LEN,
			    "/%s/%lu", run->group, (unsigned long)by);
			k->both[at] = (struct bk_retain_in){ .time = run->time,
				.id = run->run, .name = k->title[at - k->real],
				.bytes = BK_BYTES_UNKNOWN, .by = by,
				.flags = flags_of(k, run) };
			at++;
		}
	}
	k->stand[r] = at;
	k->in = k->both;
	k->n = k->real + extra;
	return 0;
}

void
bk_keep_judge_runs(struct bk_keeping *k)
{
	const struct bk_retain_run *run;
	size_t r, m;
	uint32_t at;
	bool good;

	for (r = 0; r < k->more->nruns; r++) {
		run = &k->more->run[r];
		for (good = true, m = 0; m < run->n; m++)
			good = good && k->v[run->member[m]].good;
		for (at = k->stand[r]; !good && at < k->stand[r + 1]; at++)
			k->v[at].why |= WHY_MEMBER;
	}
}

/* Whatever becomes of it later, it is there after this plan. */
static bool
stays(const struct bk_keeping *k, uint32_t i)
{
	return k->v[i].keep || (k->in[i].flags & BK_RETAIN_FOREIGN) != 0;
}

/* What the kept ones depend on; over all records, whatever their group. */
static void
parents(struct bk_keeping *k)
{
	uint32_t i, child, up;

	for (i = 0; k->parent != NULL && i < k->real; i++)
		for (child = i; stays(k, child); child = up) {
			if ((up = k->parent[child]) == NOBODY || up == child)
				break;
			if (k->v[up].keep && (k->v[up].why & WHY_PARENT) != 0)
				break;
			k->v[up].keep = true;
			k->v[up].why |= WHY_PARENT;
			k->v[up].child = child;
		}
}

/* Does anything of run ${r} stay? */
static bool
run_stays(const struct bk_keeping *k, size_t r)
{
	const struct bk_retain_run *run = &k->more->run[r];
	uint32_t at;
	size_t m;

	for (at = k->stand[r]; at < k->stand[r + 1]; at++)
		if (k->v[at].keep)
			return true;
	for (m = 0; m < run->n; m++)
		if (k->v[run->member[m]].keep)
			return true;
	return false;
}

/* Did it keep what was to go? */
static bool
runs(struct bk_keeping *k)
{
	const struct bk_retain_run *run;
	struct bk_verdict *v;
	bool changed = false;
	uint32_t at;
	size_t r, m;

	for (r = 0; k->stand != NULL && r < k->more->nruns; r++) {
		if (!run_stays(k, r))
			continue;
		run = &k->more->run[r];
		for (at = k->stand[r]; at < k->stand[r + 1]; at++)
			k->v[at].keep = true;
		for (m = 0; m < run->n; m++) {
			v = &k->v[run->member[m]];
			changed = changed || !v->keep;
			v->keep = true;
			v->why |= WHY_RUN;
			v->run = (uint32_t)r;
		}
	}
	return changed;
}

void
bk_keep_together(struct bk_keeping *k)
{
	do
		parents(k);
	while (runs(k));
}

void
bk_keep_tell_runs(struct bk_keeping *k)
{
	const struct bk_retain_run *run;
	struct bk_verdict *v;
	size_t r, m;

	for (r = 0; k->stand != NULL && r < k->more->nruns; r++) {
		run = &k->more->run[r];
		for (m = 0; m < run->n; m++) {
			v = &k->v[run->member[m]];
			if (v->keep)
				continue;
			v->why |= WHY_GOES;
			v->run = (uint32_t)r;
		}
	}
}
