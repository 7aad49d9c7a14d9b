/*
 * One decision is a pass over all groups: judge the records, run the rules,
 * set the guards; then parents and comparisons are added until nothing is
 * missing.  Where comparisons were added, the pass is run again over what it
 * kept, until it deletes nothing more: so a plan and the plan after it agree.
 * Without them one pass is enough, because each rule chooses the same records
 * from any subset that holds its choice.
 */
#include <stdlib.h>
#include <string.h>

#include "keeping.h"

#define ROUNDS_MAX 64			/* of adding comparisons in one pass */

/* The last three good ones. */
struct ring {
	uint32_t i[3];
	uint64_t bytes[3];
	size_t n;
};

static void
ring_add(struct ring *r, uint32_t i, uint64_t bytes)
{
	if (r->n == 3) {
		memmove(r->i, r->i + 1, 2 * sizeof(r->i[0]));
		memmove(r->bytes, r->bytes + 1, 2 * sizeof(r->bytes[0]));
		r->n = 2;
	}
	r->i[r->n] = i;
	r->bytes[r->n++] = bytes;
}

bool
bk_retain_shrunk(uint64_t bytes, const uint64_t *before, size_t n,
    unsigned int shrink)
{
	uint64_t a, b, low, high, median;
	uint64_t part = 100 - (shrink < 100 ? shrink : 100);

	if (n == 0)
		return false;
	a = before[0];
	b = before[n > 1 ? 1 : 0];
	if (n < 3)
		median = a / 2 + b / 2 + (a % 2 + b % 2) / 2;
	else {
		low = a < b ? a : b;
		high = a < b ? b : a;
		median = before[2] < low ? low : before[2] > high ? high :
		    before[2];
	}
	/* bytes < median * part / 100, in numbers that do not run over. */
	return bytes < median / 100 * part + median % 100 * part / 100 ||
	    (bytes == median / 100 * part + median % 100 * part / 100 &&
	    median % 100 * part % 100 != 0);
}

static bool
shrunk(const struct bk_keeping *k, const struct ring *r, uint64_t bytes)
{
	return bk_retain_shrunk(bytes, r->bytes, r->n, k->policy->shrink);
}

/* What each record is by itself. */
static void
classify(struct bk_keeping *k)
{
	const struct bk_retain_in *in;
	uint64_t why;
	size_t i;

	for (i = 0; i < k->n; i++) {
		in = &k->in[i];
		why = 0;
		if ((in->flags & BK_RETAIN_HELD) != 0)
			why |= WHY_HELD;
		if ((in->flags & BK_RETAIN_OUTSIDE) != 0)
			why |= WHY_OUTSIDE;
		if ((in->flags & BK_RETAIN_UNREADABLE) != 0)
			why |= WHY_UNREADABLE;
		else if (in->time > k->now && (k->now < 0 ||
		    in->time - k->now > BK_RETAIN_AHEAD_MS))
			why |= WHY_FUTURE;
		else if ((in->flags & BK_RETAIN_PAYLOAD) == 0)
			why |= WHY_PAYLOAD;
		if ((why & WHY_BLIND) == 0 &&
		    (in->flags & BK_RETAIN_ACCEPTED) == 0) {
			if ((in->flags & BK_RETAIN_PROVEN) == 0)
				why |= WHY_UNPROVEN;
			if ((in->flags & BK_RETAIN_SUSPECT) != 0)
				why |= WHY_SUSPECT;
		}
		k->v[i].why |= why;
		k->v[i].child = k->v[i].basis = NOBODY;
	}
}

/* Suspicion by size, and with it which are good. */
static void
judge(struct bk_keeping *k, const struct bk_place *p, size_t n)
{
	struct ring ring = { .n = 0 };
	const struct bk_retain_in *in;
	struct bk_verdict *v;
	size_t j;

	for (j = 0; j < n; j++) {
		v = &k->v[p[j].i];
		in = &k->in[p[j].i];
		v->good = (v->why & (WHY_BLIND | WHY_BAD)) == 0;
		if (!v->good || in->bytes == BK_BYTES_UNKNOWN)
			continue;
		if ((in->flags & BK_RETAIN_ACCEPTED) != 0)
			ring.n = 0;
		if (shrunk(k, &ring, in->bytes)) {
			v->why |= WHY_SUSPECT;
			v->good = false;
		} else
			ring_add(&ring, p[j].i, in->bytes);
	}
}

/*
 * Would each kept record of the group be judged the same among the kept
 * alone?  Keeps what it was compared with where not; how many that were.
 */
static size_t
compare_again(struct bk_keeping *k, const struct bk_place *p, size_t n)
{
	struct ring all = { .n = 0 }, kept = { .n = 0 };
	const struct bk_retain_in *in;
	struct bk_verdict *v, *other;
	size_t j, c, added = 0;

	for (j = 0; j < n; j++) {
		uint32_t i = p[j].i;

		v = &k->v[i];
		in = &k->in[i];
		if (in->bytes == BK_BYTES_UNKNOWN || (!v->good &&
		    ((v->why & WHY_BLIND) != 0 ||
		    (v->why & WHY_BAD) != WHY_SUSPECT ||
		    (in->flags & BK_RETAIN_SUSPECT) != 0)))
			continue;
		if ((in->flags & BK_RETAIN_ACCEPTED) != 0) {
			all.n = 0;
			kept.n = v->keep ? 0 : kept.n;
		} else if (v->keep && shrunk(k, &kept, in->bytes) == v->good)
			for (c = 0; c < all.n; c++) {
				other = &k->v[all.i[c]];
				if (other->keep)
					continue;
				other->keep = true;
				other->why |= WHY_BASIS;
				other->basis = i;
				added++;
			}
		if (v->good)
			ring_add(&all, i, in->bytes);
		if (v->good && v->keep)
			ring_add(&kept, i, in->bytes);
	}
	return added;
}

static size_t
group_end(const struct bk_keeping *k, size_t from)
{
	size_t to = from + 1;

	while (to < k->nplace && k->place[to].group == k->place[from].group)
		to++;
	return to;
}

/* Keep all of the group that the rules could have let go. */
static void
keep_all(struct bk_keeping *k, const struct bk_place *p, size_t n,
    uint64_t why)
{
	size_t j;

	for (j = 0; j < n; j++) {
		k->v[p[j].i].keep = true;
		k->v[p[j].i].why |= why;
	}
}

static bool
same_source(const struct bk_retain_in *a, const struct bk_retain_in *b)
{
	if (a->source == b->source)
		return true;
	return a->source != NULL && b->source != NULL &&
	    strcmp(a->source, b->source) == 0;
}

/*
 * Do the recent records of a name come from two sources?  Those that can be
 * read count, good or not.
 */
static bool
two_sources(const struct bk_keeping *k, const struct bk_place *p, size_t n,
    struct bk_refusal *found)
{
	const struct bk_retain_in *newest = NULL;
	size_t j;

	for (j = n; j-- > 0;) {
		if ((k->v[p[j].i].why & WHY_BLIND) != 0)
			continue;
		if (newest == NULL) {
			newest = &k->in[p[j].i];
			found->a = p[j].i;
		} else if (p[j].time < newest->time - BK_RETAIN_RECENT_MS)
			return false;
		else if (!same_source(newest, &k->in[p[j].i])) {
			found->b = p[j].i;
			return true;
		}
	}
	return false;
}

static int
add_refusal(struct bk_retained *out, const struct bk_refusal *r,
    struct bk_fault *f)
{
	struct bk_refusal *more;

	/* Grown by powers of two. */
	if ((out->nrefused & (out->nrefused - 1)) == 0) {
		more = realloc(out->refused, (out->nrefused == 0 ? 1 :
		    out->nrefused * 2) * sizeof(*more));
		if (more == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		out->refused = more;
	}
	out->refused[out->nrefused++] = *r;
	return 0;
}

/* Names that are not to be pruned; the others stand, in place[], for later. */
static int
refuse(struct bk_keeping *k, struct bk_retained *out, struct bk_fault *f)
{
	struct bk_refusal found;
	size_t from, to, j, n = 0;
	bool any, two;

	for (from = 0; from < k->nplace; from = to) {
		to = group_end(k, from);
		for (any = false, j = from; j < to && !any; j++)
			any = (k->v[k->place[j].i].why & WHY_OUTSIDE) == 0;
		two = any && k->policy->sources == BK_SOURCES_ONE &&
		    two_sources(k, k->place + from, to - from, &found);
		if (two) {
			keep_all(k, k->place + from, to - from, WHY_SOURCES);
			if (add_refusal(out, &found, f) == -1)
				return -1;
		}
		for (j = from; j < to; j++)
			k->v[k->place[j].i].keep |= !any;
		/* What others depend on is looked up by index, not by place. */
		if (two)
			continue;
		memmove(k->place + n, k->place + from,
		    (to - from) * sizeof(*k->place));
		n += to - from;
	}
	k->nplace = n;
	return 0;
}

/* Rules and guards of one group. */
static int
group(struct bk_keeping *k, const struct bk_place *p, size_t n,
    struct bk_fault *f)
{
	struct bk_verdict *v;
	bool newest = false, bad = false;
	size_t j;

	judge(k, p, n);
	for (j = n; j-- > 0;) {
		v = &k->v[p[j].i];
		if ((v->why & WHY_STAYS) != 0)
			v->keep = true;
		if (v->good && !newest) {
			newest = v->keep = true;
			v->why |= WHY_NEWEST;
		}
		bad = bad || (!v->good && (v->why & WHY_BLIND) == 0);
	}
	if (!newest) {
		keep_all(k, p, n, WHY_NO_GOOD);
		return 0;
	}
	if (bk_keep_rules(k, p, n, false, f) == -1)
		return -1;
	return bad ? bk_keep_rules(k, p, n, true, f) : 0;
}

/* What the kept ones depend on; over all records, whatever their group. */
static void
parents(struct bk_keeping *k)
{
	uint32_t i, child, up;

	for (i = 0; k->parent != NULL && i < k->n; i++)
		for (child = i; k->v[child].keep; child = up) {
			if ((up = k->parent[child]) == NOBODY || up == child)
				break;
			if (k->v[up].keep && (k->v[up].why & WHY_PARENT) != 0)
				break;
			k->v[up].keep = true;
			k->v[up].why |= WHY_PARENT;
			k->v[up].child = child;
		}
}

/* True in *${again} where comparisons had to be kept. */
static int
pass(struct bk_keeping *k, bool *again, struct bk_fault *f)
{
	size_t from, to, added, round = 0;

	for (from = 0; from < k->nplace; from = to) {
		to = group_end(k, from);
		if (group(k, k->place + from, to - from, f) == -1)
			return -1;
	}
	do {
		parents(k);
		for (from = added = 0; from < k->nplace; from = to) {
			to = group_end(k, from);
			added += compare_again(k, k->place + from, to - from);
		}
		*again = *again || added > 0;
	} while (added > 0 && ++round < ROUNDS_MAX);
	if (added > 0) {
		/* Sizes made to go on for ever: nothing goes. */
		for (from = 0; from < k->nplace; from++)
			if (!k->v[k->place[from].i].keep) {
				k->v[k->place[from].i].basis = k->place[from].i;
				keep_all(k, k->place + from, 1, WHY_BASIS);
			}
	}
	return 0;
}

/* Go on with what was kept alone.  Was anything not? */
static bool
reduce(struct bk_keeping *k)
{
	struct bk_verdict *v;
	size_t j, n = 0;
	bool less;

	for (j = 0; j < k->nplace; j++)
		if (k->v[k->place[j].i].keep)
			k->place[n++] = k->place[j];
	less = n < k->nplace;
	k->nplace = n;
	for (j = 0; less && j < n; j++) {
		v = &k->v[k->place[j].i];
		v->keep = false;
		v->tags = 0;
		v->why &= ~(WHY_RULES | WHY_NEWEST | WHY_NO_GOOD | WHY_PARENT |
		    WHY_BASIS);
		if ((k->in[k->place[j].i].flags & BK_RETAIN_SUSPECT) == 0 ||
		    (k->in[k->place[j].i].flags & BK_RETAIN_ACCEPTED) != 0)
			v->why &= ~WHY_SUSPECT;
	}
	return less;
}

static void
sum(struct bk_retained *out)
{
	size_t i;

	for (i = 0; i < out->n; i++) {
		if (out->v[i].keep) {
			out->keep++;
			out->keep_bytes += out->in[i].stored;
		} else {
			out->gone++;
			out->gone_bytes += out->in[i].stored;
		}
		out->odd += (out->v[i].why & WHY_BLIND) != 0;
	}
}

static int
prepare(struct bk_keeping *k, struct bk_fault *f)
{
	if (k->n >= NOBODY)
		return bk_fault_set(f, BK_DATA, "too many records");
	if ((k->v = calloc(k->n + 1, sizeof(*k->v))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	classify(k);
	if (bk_keep_order(k, f) == -1)
		return -1;
	return bk_keep_parents(k, f);
}

int
bk_retain(const struct bk_retain_in *in, size_t n,
    const struct bk_policy *policy, const struct bk_zone *zone, int64_t now,
    bk_retain_match_fn *match, void *arg, struct bk_retained *out,
    struct bk_fault *f)
{
	struct bk_keeping k = { in, n, policy, zone, now, match, arg, NULL,
		NULL, 0, NULL };
	bool again;
	int rc = -1;

	*out = (struct bk_retained)BK_RETAINED_INIT;
	if (bk_policy_check(policy, f) == -1)
		return -1;
	if (prepare(&k, f) == -1 || refuse(&k, out, f) == -1)
		goto out;
	do {
		again = false;
		if (pass(&k, &again, f) == -1)
			goto out;
	} while (again && reduce(&k));
	rc = 0;
out:
	free(k.place);
	free(k.parent);
	out->v = k.v;
	out->n = rc == 0 ? n : 0;
	out->in = in;
	out->policy = policy;
	out->zone = zone;
	sum(out);
	return rc;
}

void
bk_retain_release(struct bk_retained *r)
{
	free(r->v);
	free(r->refused);
	*r = (struct bk_retained)BK_RETAINED_INIT;
}

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
	struct bk_keeping k = { in, n, policy != NULL ? policy : &none, zone,
		now, match, arg, NULL, NULL, 0, NULL };
	size_t from, to, i;
	int rc = -1;

	memset(marks, 0, n);
	if (prepare(&k, f) == -1)
		goto out;
	for (from = 0; from < k.nplace; from = to) {
		to = group_end(&k, from);
		judge(&k, k.place + from, to - from);
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
	free(k.v);
	free(k.place);
	free(k.parent);
	return rc;
}
