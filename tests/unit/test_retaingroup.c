/*
 * Group runs and names with rules of their own, over random histories.  Two
 * of the three names may be foreign: judged by their own rules and not
 * pruned.  For each history:
 *
 *   - a run stays or goes as a whole, also where the rule of a foreign name
 *     keeps a member of it;
 *   - the newest good run of each group stays, and so does what a plain model
 *     of two rules wants of the runs;
 *   - no kept or foreign record loses its parent, chains over names included;
 *   - what stays without runs stays with them, and names that no run and no
 *     chain touches have the same plan, reasons included;
 *   - any order of the input gives the same plan;
 *   - after executing the plan a new one deletes nothing.
 */
#include <stdio.h>
#include <string.h>

#include "histories.h"
#include "tap.h"

#define RUNS 24
#define MEMBERS 4

/* A history with runs. */
struct grouped {
	struct history h;
	struct bk_retain_run run[RUNS];
	uint32_t member[RUNS][MEMBERS];
	char id[RUNS][8];
	size_t nruns;
	struct bk_policy rule[2];
	struct bk_retain_book book[2];
};

struct seen {
	uint64_t kept, gone, foreign, chains, alike;
};

static void
random_run(struct grouped *g, size_t near)
{
	static const char *const groups[] = { "site", "site", "all" };
	struct bk_retain_run *run = &g->run[g->nruns];
	uint32_t *m = g->member[g->nruns];
	size_t i, k, from = near > 3 ? near - 3 : 0;

	run->n = 0;
	for (i = from; i <= near && run->n < MEMBERS; i++) {
		for (k = 0; k < run->n && strcmp(g->h.in[m[k]].name,
		    g->h.in[i].name) != 0; k++)
			;
		if (k == run->n && chance(80))
			m[run->n++] = (uint32_t)i;
	}
	if (run->n == 0)
		return;
	(void)snprintf(g->id[g->nruns], sizeof(g->id[0]), "R%04u",
	    (unsigned int)g->nruns);
	run->group = groups[below(3)];
	run->run = g->id[g->nruns];
	run->time = g->h.in[near].time + below(7200000);
	run->member = m;
	g->nruns++;
}

/* Runs, and rules of the other names, upon ${h}. */
static void
random_groups(struct grouped *g, const struct history *h)
{
	size_t i, b;
	bool foreign = chance(60);

	*g = (struct grouped){ .h = *h };
	for (i = 0; i < g->h.n; i++) {
		g->h.in[i].id = g->h.id[i];
		if (g->h.in[i].parent != NULL)
			g->h.in[i].parent = g->h.parent[i];
	}
	for (b = 0; b < 2; b++) {
		random_policy(&g->rule[b]);
		g->book[b] = (struct bk_retain_book){ &g->rule[b],
			zone[g->h.zone] };
	}
	for (i = 0; foreign && i < g->h.n; i++)
		if (strcmp(g->h.in[i].name, "app") != 0) {
			g->h.in[i].flags |= BK_RETAIN_FOREIGN;
			g->h.in[i].flags &= ~BK_RETAIN_OUTSIDE;
			g->h.in[i].by = strcmp(g->h.in[i].name, "db") == 0 ? 2 : 1;
		}
	for (i = 1; i < g->h.n && g->nruns < RUNS; i += 1 + below(4))
		if (chance(70))
			random_run(g, i);
}

static int
plan(const struct grouped *g, bool runs, struct bk_retained *r)
{
	static struct bk_retain_more more;	/* borrowed by ${r} */
	struct bk_fault f = BK_FAULT_INIT;

	more = (struct bk_retain_more){ g->book, 2, g->run,
		runs ? g->nruns : 0 };
	return bk_retain_more(g->h.in, g->h.n, &more, &g->h.policy,
	    zone[g->h.zone], g->h.now, tagged, (void *)(uintptr_t)&g->h, r, &f);
}

static bool
foreign(const struct grouped *g, size_t i)
{
	return (g->h.in[i].flags & BK_RETAIN_FOREIGN) != 0;
}

static bool
run_kept(const struct grouped *g, const struct bk_retained *r, size_t x)
{
	size_t m;

	for (m = 0; m < g->run[x].n; m++)
		if (!r->v[g->run[x].member[m]].keep)
			return false;
	return true;
}

static const char *
check_whole(const struct grouped *g, const struct bk_retained *r,
    struct seen *seen)
{
	size_t x, m, kept;

	for (x = 0; x < g->nruns; x++) {
		for (kept = m = 0; m < g->run[x].n; m++)
			kept += r->v[g->run[x].member[m]].keep;
		if (kept != 0 && kept != g->run[x].n)
			return "a run breaks apart";
		seen->kept += kept != 0;
		seen->gone += kept == 0;
	}
	return NULL;
}

static bool
run_good(const struct grouped *g, const struct bk_retained *r, size_t x)
{
	size_t m;

	if (g->run[x].time > g->h.now + BK_RETAIN_AHEAD_MS)
		return false;
	for (m = 0; m < g->run[x].n; m++)
		if (!r->v[g->run[x].member[m]].good)
			return false;
	return true;
}

/* Are all of its members on the list? */
static bool
run_listed(const struct grouped *g, size_t x)
{
	size_t m;

	for (m = 0; m < g->run[x].n; m++)
		if ((g->h.in[g->run[x].member[m]].flags & BK_RETAIN_OUTSIDE) != 0)
			return false;
	return true;
}

static bool
run_after(const struct grouped *g, size_t a, size_t b)
{
	if (g->run[a].time != g->run[b].time)
		return g->run[a].time > g->run[b].time;
	return strcmp(g->run[a].run, g->run[b].run) > 0;
}

/*
 * Rules over runs, plainly: a good run goes only if others of its group come
 * after it that its rule sees, as many as it counts.
 */
static const char *
check_rules(const struct grouped *g, const struct bk_retained *r)
{
	size_t x, y, m, k, newer, after;

	for (x = 0; x < g->nruns; x++) {
		if (!run_good(g, r, x) || run_kept(g, r, x))
			continue;
		for (m = 0; m < g->run[x].n; m++) {
			uint32_t by = g->h.in[g->run[x].member[m]].by;
			const struct bk_policy *p = by == 0 ? &g->h.policy :
			    &g->rule[by - 1];

			for (newer = after = y = 0; y < g->nruns; y++) {
				if (strcmp(g->run[y].group, g->run[x].group) != 0 ||
				    !run_good(g, r, y) || !run_after(g, y, x))
					continue;
				for (k = 0; k < g->run[y].n && g->h.in[g->run[y]
				    .member[k]].by != by; k++)
					;
				newer += k < g->run[y].n;
				after += k < g->run[y].n && run_listed(g, y);
			}
			if (newer == 0)
				return "the newest good run goes";
			if (after < p->count[BK_LAST])
				return "a rule's run goes";
		}
	}
	return NULL;
}

static const char *
check_parents(const struct grouped *g, const struct bk_retained *r,
    struct seen *seen)
{
	size_t i, up;

	for (i = 0; i < g->h.n; i++) {
		if (g->h.in[i].parent == NULL || (!r->v[i].keep &&
		    !foreign(g, i)))
			continue;
		up = index_of(&g->h, g->h.in[i].parent);
		if (up == g->h.n || up == i)
			continue;
		if (!r->v[up].keep)
			return "a chain breaks";
		seen->chains += foreign(g, i) && !foreign(g, up);
	}
	return NULL;
}

/* Is there a run or a chain on any record of the name of ${i}? */
static bool
touched(const struct grouped *g, size_t i)
{
	size_t k, x, m, up;

	for (k = 0; k < g->h.n; k++) {
		up = g->h.in[k].parent == NULL ? g->h.n :
		    index_of(&g->h, g->h.in[k].parent);
		if (strcmp(g->h.in[k].name, g->h.in[i].name) == 0 ?
		    g->h.in[k].parent != NULL : up < g->h.n &&
		    strcmp(g->h.in[up].name, g->h.in[i].name) == 0)
			return true;
	}
	for (x = 0; x < g->nruns; x++)
		for (m = 0; m < g->run[x].n; m++)
			if (strcmp(g->h.in[g->run[x].member[m]].name,
			    g->h.in[i].name) == 0)
				return true;
	return false;
}

/* Runs add to what stays, and change nothing elsewhere. */
static const char *
check_without(const struct grouped *g, const struct bk_retained *r,
    struct seen *seen)
{
	struct bk_retained bare;
	const char *wrong = NULL;
	bool same, compared = false;
	size_t i;

	if (plan(g, false, &bare) == -1)
		return "no plan without runs";
	/* What stays makes other comparisons necessary, or fewer. */
	for (i = 0; i < g->h.n; i++)
		compared = compared || bare.v[i].basis != UINT32_MAX ||
		    r->v[i].basis != UINT32_MAX;
	for (i = 0; i < g->h.n && wrong == NULL; i++) {
		same = !compared && !touched(g, i);
		seen->alike += same;
		if (bare.v[i].good != r->v[i].good)
			wrong = "runs change what is good";
		else if (!compared && bare.v[i].keep && !r->v[i].keep)
			wrong = "runs delete what would stay without";
		else if (same && bare.v[i].why != r->v[i].why)
			wrong = "runs change a name that is in none";
	}
	bk_retain_release(&bare);
	return wrong;
}

/* Copy the records ${which} (indices) and the runs that are whole among them. */
static void
pick(const struct grouped *g, const uint32_t *which, size_t n,
    struct grouped *out)
{
	uint32_t at[MAX];
	size_t i, x, m;

	*out = *g;
	out->h.n = n;
	out->nruns = 0;
	memset(at, 0xff, sizeof(at));
	for (i = 0; i < n; i++) {
		out->h.in[i] = g->h.in[which[i]];
		at[which[i]] = (uint32_t)i;
	}
	out->book[0].policy = &out->rule[0];
	out->book[1].policy = &out->rule[1];
	for (x = 0; x < g->nruns; x++) {
		for (m = 0; m < g->run[x].n &&
		    at[g->run[x].member[m]] != UINT32_MAX; m++)
			out->member[out->nruns][m] = at[g->run[x].member[m]];
		if (m < g->run[x].n)
			continue;
		out->run[out->nruns] = g->run[x];
		out->run[out->nruns].member = out->member[out->nruns];
		out->nruns++;
	}
}

static const char *
check_again(const struct grouped *g, const struct bk_retained *r)
{
	static struct grouped other;
	struct bk_retained again;
	const char *wrong = NULL;
	uint32_t which[MAX];
	size_t i, n;

	for (i = 0; i < g->h.n; i++)
		which[i] = (uint32_t)(g->h.n - 1 - i);
	pick(g, which, g->h.n, &other);
	if (plan(&other, true, &again) == -1)
		wrong = "no plan backwards";
	for (i = 0; wrong == NULL && i < g->h.n; i++)
		if (r->v[i].keep != again.v[g->h.n - 1 - i].keep ||
		    r->v[i].why != again.v[g->h.n - 1 - i].why)
			wrong = "the order of the input matters";
	bk_retain_release(&again);
	if (wrong != NULL)
		return wrong;
	for (n = i = 0; i < g->h.n; i++)
		if (r->v[i].keep || foreign(g, i))
			which[n++] = (uint32_t)i;
	pick(g, which, n, &other);
	if (plan(&other, true, &again) == -1 || again.gone != 0)
		wrong = "a second plan deletes more";
	bk_retain_release(&again);
	return wrong;
}

static const char *
try(const struct history *h, void *arg)
{
	static struct grouped g;
	struct seen *seen = arg;
	char why[BK_WHY_LEN];
	struct bk_retained r;
	const char *wrong;
	size_t i;

	random_groups(&g, h);
	wrong = plan(&g, true, &r) == -1 ? "no plan" : NULL;
	for (i = 0; i < g.h.n && wrong == NULL; i++) {
		seen->foreign += foreign(&g, i) && !r.v[i].keep;
		if (bk_retain_why(&r, i, 0, why) == NULL && !foreign(&g, i))
			wrong = "no reason is given";
	}
	if (wrong == NULL && (wrong = check_whole(&g, &r, seen)) == NULL &&
	    (wrong = check_rules(&g, &r)) == NULL &&
	    (wrong = check_parents(&g, &r, seen)) == NULL &&
	    (wrong = check_without(&g, &r, seen)) == NULL)
		wrong = check_again(&g, &r);
	bk_retain_release(&r);
	return wrong;
}

int
main(void)
{
	struct seen seen = { 0, 0, 0, 0, 0 };

	if (zones_open()) {
		each_history(try, &seen);
		ok(tap_ctx.env("BK_SEED") != NULL ||
		    tap_ctx.env("BK_HISTORIES") != NULL || (seen.gone > HISTORIES / 10 &&
		    seen.kept > HISTORIES && seen.foreign > HISTORIES / 20 &&
		    seen.chains > HISTORIES / 10 && seen.alike > HISTORIES / 10),
		    "%llu runs stayed, %llu went, %llu foreign backups were let "
		    "go, %llu chains lead to other names, %llu records in none",
		    (unsigned long long)seen.kept, (unsigned long long)seen.gone,
		    (unsigned long long)seen.foreign,
		    (unsigned long long)seen.chains,
		    (unsigned long long)seen.alike);
	}
	zones_close();
	return done();
}
