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
		k->v[i].child = k->v[i].basis = k->v[i].run = NOBODY;
	}
}

/* Does its size say anything?  That of an increment is only of what changed. */
static bool
sized(const struct bk_retain_in *in)
{
	return in->bytes != BK_BYTES_UNKNOWN && in->parent == NULL;
}

/* Go by the rule of the group that begins with ${p}. */
static void
enter(struct bk_keeping *k, const struct bk_place *p)
{
	const struct bk_retain_book *book = bk_keep_book(k, p->i);

	k->policy = book->policy;
	k->zone = book->zone;
}

void
bk_keep_judge(struct bk_keeping *k, const struct bk_place *p, size_t n)
{
	struct ring ring = { .n = 0 };
	const struct bk_retain_in *in;
	struct bk_verdict *v;
	size_t j;

	enter(k, p);
	for (j = 0; j < n; j++) {
		v = &k->v[p[j].i];
		in = &k->in[p[j].i];
		v->good = (v->why & (WHY_BLIND | WHY_BAD)) == 0;
		if (!v->good || !sized(in))
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

	enter(k, p);
	for (j = 0; j < n; j++) {
		uint32_t i = p[j].i;

		v = &k->v[i];
		in = &k->in[i];
		if (!sized(in) || (!v->good &&
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

size_t
bk_keep_group_end(const struct bk_keeping *k, size_t from)
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

static bool
foreign(const struct bk_keeping *k, uint32_t i)
{
	return (k->in[i].flags & BK_RETAIN_FOREIGN) != 0;
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
		to = bk_keep_group_end(k, from);
		enter(k, k->place + from);
		for (any = false, j = from; j < to && !any; j++)
			any = (k->v[k->place[j].i].why & WHY_OUTSIDE) == 0;
		two = any && k->policy->sources == BK_SOURCES_ONE &&
		    two_sources(k, k->place + from, to - from, &found);
		if (two) {
			keep_all(k, k->place + from, to - from, WHY_SOURCES);
			if (!foreign(k, found.a) &&
			    add_refusal(out, &found, f) == -1)
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

	bk_keep_judge(k, p, n);
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

/* True in *${again} where comparisons had to be kept. */
static int
pass(struct bk_keeping *k, bool *again, struct bk_fault *f)
{
	size_t from, to, added, round = 0;
	bool runs = false;

	for (from = 0; from < k->nplace; from = to) {
		to = bk_keep_group_end(k, from);
		/* They come after all records. */
		if (!runs && k->place[from].i >= k->real) {
			bk_keep_judge_runs(k);
			runs = true;
		}
		if (group(k, k->place + from, to - from, f) == -1)
			return -1;
	}
	do {
		bk_keep_together(k);
		for (from = added = 0; from < k->nplace; from = to) {
			to = bk_keep_group_end(k, from);
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

/*
 * Go on with what was kept alone, and with what is not ours to delete.  Was
 * anything not?
 */
static bool
reduce(struct bk_keeping *k)
{
	struct bk_verdict *v;
	size_t j, n = 0;
	bool less;

	for (j = 0; j < k->nplace; j++)
		if (k->v[k->place[j].i].keep || foreign(k, k->place[j].i))
			k->place[n++] = k->place[j];
	less = n < k->nplace;
	k->nplace = n;
	for (j = 0; less && j < n; j++) {
		v = &k->v[k->place[j].i];
		v->keep = false;
		v->tags = 0;
		v->why &= ~(WHY_RULES | WHY_NEWEST | WHY_NO_GOOD | WHY_PARENT |
		    WHY_BASIS | WHY_MEMBER | WHY_RUN | WHY_POINTS);
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
		if ((out->in[i].flags & BK_RETAIN_FOREIGN) != 0)
			continue;
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

int
bk_keep_prepare(struct bk_keeping *k, struct bk_fault *f)
{
	if (k->n >= NOBODY)
		return bk_fault_set(f, BK_DATA, "too many records");
	if (bk_keep_runs(k, f) == -1)
		return -1;
	if ((k->v = calloc(k->n + 1, sizeof(*k->v))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	classify(k);
	if (bk_keep_order(k, f) == -1)
		return -1;
	return bk_keep_parents(k, f);
}

void
bk_keep_release(struct bk_keeping *k)
{
	free(k->v);
	free(k->place);
	free(k->parent);
	free(k->both);
	free(k->title);
	free(k->stand);
}

int
bk_retain_more(const struct bk_retain_in *in, size_t n,
    const struct bk_retain_more *more, const struct bk_policy *policy,
    const struct bk_zone *zone, int64_t now, bk_retain_match_fn *match,
    void *arg, struct bk_retained *out, struct bk_fault *f)
{
	struct bk_keeping k = { .in = in, .n = n, .real = n, .more = more,
		.own = { policy, zone }, .now = now, .match = match,
		.arg = arg };
	bool again;
	int rc = -1;

	*out = (struct bk_retained)BK_RETAINED_INIT;
	if (bk_policy_check(policy, f) == -1)
		return -1;
	if (bk_keep_prepare(&k, f) == -1 || refuse(&k, out, f) == -1)
		goto out;
	do {
		again = false;
		if (pass(&k, &again, f) == -1)
			goto out;
	} while (again && reduce(&k));
	bk_keep_tell_runs(&k);
	rc = 0;
out:
	out->v = k.v;
	out->stand = k.stand;
	out->both = k.both;
	k.v = NULL;
	k.stand = NULL;
	k.both = NULL;
	bk_keep_release(&k);
	out->n = rc == 0 ? n : 0;
	out->in = in;
	out->policy = policy;
	out->zone = zone;
	out->more = more;
	sum(out);
	return rc;
}

int
bk_retain(const struct bk_retain_in *in, size_t n,
    const struct bk_policy *policy, const struct bk_zone *zone, int64_t now,
    bk_retain_match_fn *match, void *arg, struct bk_retained *out,
    struct bk_fault *f)
{
	return bk_retain_more(in, n, NULL, policy, zone, now, match, arg, out, f);
}

void
bk_retain_release(struct bk_retained *r)
{
	free(r->v);
	free(r->refused);
	free(r->stand);
	free(r->both);
	*r = (struct bk_retained)BK_RETAINED_INIT;
}
