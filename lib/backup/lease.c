/*
 * The machine of lease.h.  Every round is: list; read the highest if it is
 * another than the one known; judge.  What was created is judged like
 * anything else, after the listing that follows.
 */
#include <assert.h>
#include <string.h>

#include "lease.h"

/* Parts of a term. */
#define RENEW(term) ((term) / 4)
#define STOP(term) ((term) / 2)
#define KILL(term) ((term) / 4 * 3)
#define RETRY(term) ((term) / 32)
#define POLL(term) ((term) / 15)
#define POLL_MAX 10000

static void
want(struct bk_lease *l, enum bk_lease_what what, uint64_t number)
{
	l->next = (struct bk_lease_act){ .what = what, .number = number,
		.free = l->phase == BK_LEASE_RELEASE };
}

/* Look again at ${at}. */
static void
rest(struct bk_lease *l, int64_t at)
{
	want(l, BK_LEASE_SLEEP, 0);
	l->next.at = at;
}

static void
over(struct bk_lease *l, enum bk_lease_end end)
{
	l->phase = BK_LEASE_OVER;
	l->end = end;
	want(l, BK_LEASE_END, 0);
}

static void
create(struct bk_lease *l)
{
	uint64_t last = l->top.number > l->mine ? l->top.number : l->mine;

	want(l, BK_LEASE_PUT, last + 1);
}

/*
 * Is the top a lease of ours?  One that was created by a request sent long
 * ago, of which nobody expects an answer any more, is nobody's.
 */
static bool
ours(const struct bk_lease *l)
{
	return l->top.number != 0 && !l->top.free &&
	    strcmp(l->top.holder, l->holder) == 0 &&
	    (l->top.number <= l->mine || l->top.number == l->tried);
}

void
bk_lease_init(struct bk_lease *l, const char *holder, int64_t term,
    int64_t give_up, bool yield)
{
	assert(term >= BK_LEASE_TERM_MIN && term <= BK_LEASE_TERM_MAX);
	assert(strlen(holder) == BK_ULID_LEN);
	*l = (struct bk_lease){ .term = term, .give_up = give_up,
		.yield = yield };
	memcpy(l->holder, holder, BK_ULID_LEN + 1);
	want(l, BK_LEASE_LIST, 0);
}

/* The top is ours: a lease that is had, or one that was renewed. */
static void
judge_ours(struct bk_lease *l)
{
	l->unsure = false;
	if (l->phase == BK_LEASE_RELEASE) {
		create(l);
		return;
	}
	if (l->top.number > l->mine) {
		l->phase = BK_LEASE_HELD;
		l->mine = l->tried;
		l->base = l->tried_at;
		if (l->mine > BK_LEASE_KEPT) {
			want(l, BK_LEASE_REMOVE, l->mine - BK_LEASE_KEPT + 1);
			return;
		}
	}
	rest(l, l->base + RENEW(l->term));
}

/* The top is another's, or free, or there is none, and we want it. */
static void
judge_theirs(struct bk_lease *l, int64_t now)
{
	int64_t lapse = l->top_since + l->top.term;
	int64_t poll = POLL(l->top.term) < POLL_MAX ? POLL(l->top.term) :
	    POLL_MAX;

	if (l->top.free || now >= lapse)
		create(l);
	else
		rest(l, now + poll < lapse ? now + poll : lapse);
}

/* A listing has just shown that l->top is the highest. */
static void
judge(struct bk_lease *l, int64_t now)
{
	if (ours(l)) {
		judge_ours(l);
		return;
	}
	if (l->tried <= l->top.number)
		l->unsure = false;
	if (l->phase == BK_LEASE_CONTEND)
		judge_theirs(l, now);
	else if (l->phase == BK_LEASE_RELEASE && l->unsure)
		rest(l, now + RETRY(l->term));
	else if (l->phase == BK_LEASE_RELEASE)
		over(l, BK_LEASE_FREED);
	else if (l->top.number == 0)
		create(l);		/* somebody has cleared everything away */
	else
		over(l, BK_LEASE_LOST);
}

/* Another object is the highest now, or there is none any more. */
static void
learn(struct bk_lease *l, int64_t now, const struct bk_lease_entry *e)
{
	bool alive = l->known && e->number > l->top.number &&
	    strcmp(e->holder, l->holder) != 0;

	l->top = *e;
	l->top_since = now;
	l->known = true;
	if (alive && l->yield && l->phase == BK_LEASE_CONTEND && !l->unsure)
		over(l, BK_LEASE_YIELDED);
	else
		judge(l, now);
}

void
bk_lease_listed(struct bk_lease *l, int64_t now, uint64_t top)
{
	struct bk_lease_entry none = { .term = l->term };

	l->asked = false;
	if (l->known && top == l->top.number) {
		judge(l, now);
	} else if (top != 0) {
		want(l, BK_LEASE_GET, top);
	} else {
		/*
		 * Who begins the chain need not wait; who has seen one that was
		 * cleared away does not know whether its holder lives.
		 */
		none.free = !l->known;
		if (l->known && l->top.term > none.term)
			none.term = l->top.term;
		learn(l, now, &none);
	}
}

void
bk_lease_got(struct bk_lease *l, int64_t now, const struct bk_lease_entry *e)
{
	l->asked = false;
	if (e == NULL)
		want(l, BK_LEASE_LIST, 0);
	else
		learn(l, now, e);
}

void
bk_lease_put(struct bk_lease *l, int64_t now, bool created)
{
	l->asked = false;
	want(l, BK_LEASE_LIST, 0);
	if (!created)
		return;			/* by whom, a listing tells */
	/* Ours from now on, if the listing shows nothing higher. */
	l->unsure = true;
	l->top = (struct bk_lease_entry){ .number = l->tried,
		.term = l->term, .free = l->phase == BK_LEASE_RELEASE };
	memcpy(l->top.holder, l->holder, sizeof(l->holder));
	l->top_since = now;
	l->known = true;
}

void
bk_lease_failed(struct bk_lease *l, int64_t now, bool perhaps)
{
	l->asked = false;
	if (l->next.what == BK_LEASE_PUT && perhaps)
		l->unsure = true;
	rest(l, now + RETRY(l->term));
}

void
bk_lease_removed(struct bk_lease *l)
{
	l->asked = false;
	rest(l, l->base + RENEW(l->term));
}

/* Has a limit of the phase come?  True if it is over now. */
static bool
limits(struct bk_lease *l, int64_t now)
{
	if (l->phase == BK_LEASE_RELEASE && now >= l->release_until)
		over(l, l->mine != 0 || l->unsure ? BK_LEASE_LEFT :
		    BK_LEASE_FREED);
	if (l->phase != BK_LEASE_CONTEND || now < l->give_up ||
	    l->next.what != BK_LEASE_SLEEP)
		return l->phase == BK_LEASE_OVER;
	/* What we sent may still arrive: look for it once more. */
	if (l->unsure)
		bk_lease_release(l, now);
	else
		over(l, BK_LEASE_WAITED);
	return l->phase == BK_LEASE_OVER;
}

void
bk_lease_next(struct bk_lease *l, int64_t now, struct bk_lease_act *a)
{
	struct bk_lease_act *n = &l->next;

	assert(!l->asked);
	if (limits(l, now)) {
		*a = *n;
		return;
	}
	if (l->phase == BK_LEASE_HELD && l->working &&
	    now >= bk_lease_stop_at(l)) {
		/* Our command was told to end: there is nothing to renew. */
		rest(l, INT64_MAX);
	} else if (n->what == BK_LEASE_SLEEP && now >= n->at) {
		if (l->phase == BK_LEASE_HELD && !l->unsure)
			create(l);
		else
			want(l, BK_LEASE_LIST, 0);
	}
	if (n->what == BK_LEASE_PUT && n->number != l->tried) {
		l->tried = n->number;
		l->tried_at = now;
	}
	*a = *n;
	l->asked = n->what != BK_LEASE_SLEEP;
	if (a->what == BK_LEASE_SLEEP && l->phase == BK_LEASE_CONTEND &&
	    a->at > l->give_up)
		a->at = l->give_up;
	else if (a->what == BK_LEASE_SLEEP && l->phase == BK_LEASE_RELEASE &&
	    a->at > l->release_until)
		a->at = l->release_until;
}

bool
bk_lease_good(const struct bk_lease *l, int64_t now)
{
	return l->phase == BK_LEASE_HELD && now < bk_lease_stop_at(l);
}

int64_t
bk_lease_stop_at(const struct bk_lease *l)
{
	return l->base + STOP(l->term);
}

int64_t
bk_lease_kill_at(const struct bk_lease *l)
{
	return l->base + KILL(l->term);
}

void
bk_lease_work(struct bk_lease *l)
{
	l->working = true;
}

void
bk_lease_release(struct bk_lease *l, int64_t now)
{
	assert(!l->asked);
	if (l->phase == BK_LEASE_OVER || l->phase == BK_LEASE_RELEASE)
		return;
	if (l->phase == BK_LEASE_CONTEND && !l->unsure) {
		over(l, BK_LEASE_FREED);
		return;
	}
	l->release_until = l->phase == BK_LEASE_HELD &&
	    l->base + l->term > now + l->term / 4 ? l->base + l->term :
	    now + l->term / 4;
	l->phase = BK_LEASE_RELEASE;
	if (l->mine != 0 && !l->unsure)
		create(l);
	else
		want(l, BK_LEASE_LIST, 0);
}
