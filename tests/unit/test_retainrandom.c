/*
 * Retention over random histories.  For each:
 *
 *   - goodness is what a plain model of it says;
 *   - the newest good record of each group stays;
 *   - what a plain model of the rules wants kept is kept;
 *   - what is held, unreadable, from the future or not on the list stays;
 *   - no kept record has lost its parent;
 *   - any order of the input gives the same plan;
 *   - after executing the plan a new one deletes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "histories.h"
#include "tap.h"

/* The plain model: goodness from its definition, record by record. */
static bool
by_itself(const struct history *h, size_t i)
{
	const struct bk_retain_in *in = &h->in[i];
	size_t up = i, steps;

	if ((in->flags & BK_RETAIN_UNREADABLE) != 0 ||
	    (in->flags & BK_RETAIN_PAYLOAD) == 0 ||
	    in->time > h->now + BK_RETAIN_AHEAD_MS)
		return false;
	if ((in->flags & BK_RETAIN_ACCEPTED) == 0 &&
	    ((in->flags & BK_RETAIN_SUSPECT) != 0 ||
	    (in->flags & BK_RETAIN_PROVEN) == 0))
		return false;
	for (steps = 0; h->in[up].parent != NULL; steps++) {
		up = index_of(h, h->in[up].parent);
		if (up == h->n || steps > h->n ||
		    (h->in[up].flags & BK_RETAIN_PAYLOAD) == 0 ||
		    (h->in[up].flags & BK_RETAIN_UNREADABLE) != 0)
			return false;
	}
	return true;
}

static int
compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Increments are not compared. */
static bool
sized(const struct history *h, size_t i)
{
	return h->in[i].bytes != BK_BYTES_UNKNOWN && h->in[i].parent == NULL;
}

static void
model_good(const struct history *h, const size_t *order, bool *good)
{
	uint64_t last[3], m;
	size_t a, b, n, i;
	bool stop;

	for (a = 0; a < h->n; a++) {
		i = order[a];
		good[i] = by_itself(h, i);
		if (!good[i] || !sized(h, i) ||
		    (h->in[i].flags & BK_RETAIN_ACCEPTED) != 0)
			continue;
		for (stop = false, n = 0, b = a; b-- > 0 && n < 3 && !stop;) {
			size_t o = order[b];

			if (!good[o] || !same_group(h, o, i) || !sized(h, o))
				continue;
			last[n++] = h->in[o].bytes;
			stop = (h->in[o].flags & BK_RETAIN_ACCEPTED) != 0;
		}
		if (n == 0)
			continue;
		qsort(last, n, sizeof(last[0]), compare_u64);
		m = n == 2 ? (last[0] + last[1]) / 2 : last[n / 2];
		good[i] = h->in[i].bytes * 100 >= m * (100 - h->policy.shrink);
	}
}

/* One rule over the good records of the group of ${g}: all kept? */
static bool
model_rule(const struct history *h, const size_t *order, const bool *good,
    const struct bk_retained *r, size_t g, int p)
{
	uint32_t left = h->policy.count[p];
	int64_t seen = INT64_MIN, v;
	size_t a, i, oldest = h->n;

	for (a = h->n; a-- > 0 && left > 0;) {
		i = order[a];
		if (!good[i] || !same_group(h, i, g) ||
		    (h->in[i].flags & BK_RETAIN_OUTSIDE) != 0)
			continue;
		oldest = i;
		v = p == BK_LAST ? (int64_t)a : period(h, i, p);
		if (v == seen)
			continue;
		seen = v;
		if (left != BK_UNLIMITED)
			left--;
		if (!r->v[i].keep)
			return false;
	}
	return left == 0 || oldest == h->n || r->v[oldest].keep;
}

static bool
refused(const struct history *h, const struct bk_retained *r, size_t i)
{
	size_t k;

	for (k = 0; k < r->nrefused; k++)
		if (strcmp(h->in[r->refused[k].a].name, h->in[i].name) == 0)
			return true;
	return false;
}

static const char *
check_plan(const struct history *h, const struct bk_retained *r)
{
	size_t order[MAX], a, b, i, up;
	bool good[MAX], seen = false;
	int p;

	for (a = 0; a < h->n; a++) {
		for (b = a; b > 0 && before(h, a, order[b - 1]); b--)
			order[b] = order[b - 1];
		order[b] = a;
	}
	model_good(h, order, good);
	for (a = h->n; a-- > 0;) {
		i = order[a];
		if (refused(h, r, i)) {
			if (!r->v[i].keep)
				return "a refused name loses a record";
			continue;
		}
		if (good[i] != r->v[i].good)
			return "goodness differs from the model";
		if (!r->v[i].keep && ((h->in[i].flags & (BK_RETAIN_HELD |
		    BK_RETAIN_UNREADABLE | BK_RETAIN_OUTSIDE)) != 0 ||
		    h->in[i].time > h->now + BK_RETAIN_AHEAD_MS))
			return "what must stay goes";
		if (h->policy.ntags > 0 && good[i] && h->in[i].id[4] == '1' &&
		    !r->v[i].keep)
			return "a tagged record goes";
		if (r->v[i].keep && h->in[i].parent != NULL) {
			up = index_of(h, h->in[i].parent);
			if (up < h->n && !r->v[up].keep)
				return "a chain breaks";
		}
		for (seen = false, b = a + 1; b < h->n && !seen; b++)
			seen = good[order[b]] && same_group(h, order[b], i);
		if (good[i] && !seen && !r->v[i].keep)
			return "the newest good record goes";
		for (seen = false, b = 0; b < h->n && !seen; b++)
			seen = good[b] && same_group(h, b, i);
		if (!seen && !r->v[i].keep)
			return "a record goes where none is good";
		for (p = 0; p < BK_PERIODS; p++)
			if (!model_rule(h, order, good, r, i, p))
				return "a rule's choice goes";
	}
	return NULL;
}

static int
plan(const struct history *h, struct bk_retained *r)
{
	struct bk_fault f = BK_FAULT_INIT;

	return bk_retain(h->in, h->n, &h->policy, zone[h->zone], h->now, tagged,
	    (void *)(uintptr_t)h, r, &f);
}

/* The same records the other way round. */
static bool
same_backwards(const struct history *h, const struct bk_retained *r)
{
	static struct history back;
	struct bk_retained other;
	size_t i;
	bool same;

	back.n = h->n;
	back.policy = h->policy;
	back.zone = h->zone;
	back.now = h->now;
	for (i = 0; i < h->n; i++)
		back.in[i] = h->in[h->n - 1 - i];
	same = plan(&back, &other) == 0;
	for (i = 0; same && i < h->n; i++)
		same = r->v[i].keep == other.v[h->n - 1 - i].keep &&
		    r->v[i].why == other.v[h->n - 1 - i].why;
	bk_retain_release(&other);
	return same;
}

static bool
settled(const struct history *h, const struct bk_retained *r, uint64_t *compared)
{
	static struct history left;
	struct bk_retained again;
	char why[BK_WHY_LEN];
	unsigned int k;
	size_t i;
	bool same;

	left.n = 0;
	left.policy = h->policy;
	left.zone = h->zone;
	left.now = h->now;
	for (i = 0; i < h->n; i++) {
		if (!r->v[i].keep)
			continue;
		left.in[left.n++] = h->in[i];
		for (k = 0; bk_retain_why(r, i, k, why) != NULL; k++)
			*compared += strncmp(why, "compared", 8) == 0;
		if (k == 0)
			return false;
	}
	same = plan(&left, &again) == 0 && again.gone == 0;
	bk_retain_release(&again);
	return same;
}

/* That they were worth it. */
struct seen {
	uint64_t gone, compared, suspects, two;
};

static const char *
try(const struct history *h, void *arg)
{
	struct seen *seen = arg;
	const char *wrong = NULL;
	struct bk_retained r;
	size_t i;

	if (plan(h, &r) == -1)
		wrong = "no plan";
	else if ((wrong = check_plan(h, &r)) == NULL)
		wrong = !same_backwards(h, &r) ?
		    "the order of the input matters" :
		    !settled(h, &r, &seen->compared) ?
		    "a second plan deletes more" : NULL;
	seen->gone += r.gone;
	seen->two += r.nrefused;
	for (i = 0; i < r.n; i++)
		seen->suspects += !r.v[i].good;
	bk_retain_release(&r);
	return wrong;
}

int
main(void)
{
	struct seen seen = { 0, 0, 0, 0 };

	if (zones_open()) {
		each_history(try, &seen);
		ok(tap_ctx.env("BK_SEED") != NULL ||
		    tap_ctx.env("BK_HISTORIES") != NULL || (seen.gone > HISTORIES &&
		    seen.compared > 0 && seen.suspects > 0 && seen.two > 0),
		    "%llu records deleted, %llu not good, %llu kept for "
		    "comparison, %llu names refused",
		    (unsigned long long)seen.gone,
		    (unsigned long long)seen.suspects,
		    (unsigned long long)seen.compared,
		    (unsigned long long)seen.two);
	}
	zones_close();
	return done();
}
