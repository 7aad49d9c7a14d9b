/*
 * The machine of leases on made-up clocks and a made-up store: thousands of
 * histories of hosts that contend, work, crash and are suspended at any
 * moment, while requests take their time, fail, lose their answers, or arrive
 * long after anybody expects them.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lease.h"
#include "tap.h"

#define HISTORIES 3000
#define HOSTS 5
#define TICK 5
#define TERM 1000
#define CHAIN 1024
#define LATE 64

struct object {
	bool there;
	struct bk_lease_entry e;
};

/* A request on its way: takes effect at ${at}, is answered at ${reply}. */
struct request {
	bool live, done, fails;
	struct bk_lease_act act;
	struct bk_lease_entry e;	/* what PUT writes; what GET read */
	int64_t at, reply;
	uint64_t top;
	int rc;
};

struct host {
	bool alive, working, told, release;
	bool stopped, paused, fooled;	/* SIGSTOP; clock halted; has been */
	int64_t until;			/* of the suspension; start of a dead one */
	double pace, local;
	int64_t kill_at, ends;
	struct bk_lease l;
	struct request q;
};

static struct {
	struct object o[CHAIN];
	struct request late[LATE];
	struct host h[HOSTS];
	uint64_t top;
	int64_t now;
	unsigned int seed, holders, nlate;
	int delay, trouble;		/* ms; in a thousand */
	bool healed, bad;		/* nobody new comes; it has failed */
	char why[128];
} w;

static unsigned long works, commits, refused, overtaken, fooled, crashes;

static unsigned int
rnd(unsigned int n)
{
	w.seed = w.seed * 1664525U + 1013904223U;
	return n == 0 ? 0 : (w.seed >> 8) % n;
}

static bool
chance(int in_a_thousand)
{
	return (int)rnd(1000) < in_a_thousand;
}

static void
fail(const char *why)
{
	if (!w.bad)
		(void)snprintf(w.why, sizeof(w.why), "%s at %lld ms", why,
		    (long long)w.now);
	w.bad = true;
}

static uint64_t
highest(void)
{
	uint64_t n = CHAIN - 1;

	while (n > 0 && !w.o[n].there)
		n--;
	return n;
}

static void
effect(struct request *q)
{
	uint64_t i, n = q->act.number;

	q->done = true;
	switch (q->act.what) {
	case BK_LEASE_LIST:
		q->top = highest();
		break;
	case BK_LEASE_GET:
		q->rc = w.o[n].there ? 0 : 1;
		q->e = w.o[n].e;
		break;
	case BK_LEASE_PUT:
		assert(n > 0 && n < CHAIN);
		q->rc = w.o[n].there ? 1 : 0;
		if (q->rc == 0) {
			w.o[n].there = true;
			w.o[n].e = q->e;
		}
		break;
	case BK_LEASE_REMOVE:
		for (i = 1; i < n; i++)
			w.o[i].there = false;
		break;
	default:
		break;
	}
	if (highest() < w.top)
		fail("the highest number was removed");
	w.top = highest();
}

static void
start_host(struct host *h)
{
	char id[BK_ULID_LEN + 1];

	(void)snprintf(id, sizeof(id), "%0*u", BK_ULID_LEN, ++w.holders);
	memset(h, 0, sizeof(*h));
	h->alive = true;
	h->pace = 0.95 + (double)rnd(100) / 1000;
	h->local = rnd(1000000);
	h->until = -1;
	bk_lease_init(&h->l, id, TERM, INT64_MAX, false);
}

static int64_t
local(const struct host *h)
{
	return (int64_t)h->local;
}

static void
send_request(struct host *h, const struct bk_lease_act *a)
{
	struct request *q = &h->q;

	*q = (struct request){ .live = true, .act = *a };
	q->at = w.now + rnd((unsigned int)w.delay);
	q->reply = q->at + rnd((unsigned int)w.delay);
	if (a->what == BK_LEASE_PUT) {
		q->e = (struct bk_lease_entry){ .number = a->number,
			.term = TERM, .free = a->free };
		memcpy(q->e.holder, h->l.holder, sizeof(q->e.holder));
	}
	if (!chance(w.trouble))
		return;
	q->fails = true;
	q->reply += TERM / 4;
	if (chance(300)) {
		q->done = true;		/* it never arrives */
	} else if (chance(500) && a->what == BK_LEASE_PUT && w.nlate < LATE) {
		w.late[w.nlate] = *q;	/* it arrives, much later */
		w.late[w.nlate++].at = w.now + rnd(chance(500) ? 8 * TERM :
		    TERM / 2);
		q->done = true;
	}
}

static void
answer(struct host *h)
{
	struct request *q = &h->q;

	q->live = false;
	if (q->fails && q->act.what != BK_LEASE_REMOVE)
		bk_lease_failed(&h->l, local(h), true);
	else if (q->act.what == BK_LEASE_LIST)
		bk_lease_listed(&h->l, local(h), q->top);
	else if (q->act.what == BK_LEASE_GET)
		bk_lease_got(&h->l, local(h), q->rc == 0 ? &q->e : NULL);
	else if (q->act.what == BK_LEASE_PUT)
		bk_lease_put(&h->l, local(h), q->rc == 0);
	else
		bk_lease_removed(&h->l);
}

/* The part of the program that watches the command. */
static void
command(struct host *h)
{
	if (!h->working && bk_lease_good(&h->l, local(h)) && !h->l.working) {
		bk_lease_work(&h->l);
		h->working = true;
		h->ends = w.healed ? INT64_MAX : w.now + rnd(4 * TERM);
		works++;
	}
	if (!h->working)
		return;
	if (!h->told && !bk_lease_good(&h->l, local(h))) {
		h->told = true;
		h->kill_at = bk_lease_kill_at(&h->l);
		overtaken += h->l.phase == BK_LEASE_OVER;
	}
	if ((h->told && (local(h) >= h->kill_at || chance(20))) ||
	    w.now >= h->ends) {
		h->working = false;
		h->release = true;
	}
}

/* bk-put's last look, and its commit. */
static void
commit(struct host *h)
{
	const struct bk_lease_entry *e = &w.o[highest()].e;

	if (!e->free && strcmp(e->holder, h->l.holder) == 0)
		commits++;
	else
		refused++;
}

static void
step(struct host *h)
{
	struct bk_lease_act a;

	command(h);
	if (h->working && chance(5))
		commit(h);
	if (h->q.live) {
		if (w.now < h->q.reply)
			return;
		answer(h);
	}
	if (h->release)
		bk_lease_release(&h->l, local(h));
	bk_lease_next(&h->l, local(h), &a);
	if (a.what == BK_LEASE_END) {
		h->alive = h->working;
		h->until = w.healed ? -1 : w.now + rnd(TERM);
	} else if (a.what != BK_LEASE_SLEEP) {
		send_request(h, &a);
	}
}

static void
requests(void)
{
	unsigned int i, first = rnd(HOSTS);

	for (i = 0; i < w.nlate; i++)
		if (!w.late[i].done && w.now >= w.late[i].at)
			effect(&w.late[i]);
	for (i = 0; i < HOSTS; i++) {
		struct request *q = &w.h[(first + i) % HOSTS].q;

		if (q->live && !q->done && w.now >= q->at)
			effect(q);
	}
}

static void
fate(struct host *h, int harm)
{
	if (!h->alive) {
		/* What is sent may arrive after the death of its sender. */
		if (!h->q.live && h->until >= 0 && w.now >= h->until)
			start_host(h);
		else if (w.now >= h->q.reply)
			h->q.live = false;
	} else if (h->stopped || h->paused) {
		if (w.now >= h->until)
			h->stopped = h->paused = false;
	} else if (chance(harm)) {
		h->until = w.now + rnd(3 * TERM);
		switch (rnd(3)) {
		case 0:
			h->alive = h->working = false;
			crashes++;
			break;
		case 1:
			h->stopped = true;
			break;
		default:
			h->paused = h->fooled = true;
			fooled++;
			break;
		}
	}
}

static void
tick(int harm)
{
	unsigned int i, first, active = 0;
	struct host *h;

	w.now += TICK;
	for (h = w.h; h < w.h + HOSTS; h++) {
		fate(h, harm);
		if (!h->paused)
			h->local += TICK * h->pace;
	}
	requests();
	for (i = 0, first = rnd(HOSTS); i < HOSTS; i++) {
		h = &w.h[(first + i) % HOSTS];
		if (h->alive && !h->stopped && !h->paused)
			step(h);
	}
	/* A host whose clock stood still cannot know; others can. */
	for (h = w.h; h < w.h + HOSTS; h++)
		active += h->alive && h->working && !h->stopped && !h->paused &&
		    !h->fooled;
	if (active > 1)
		fail("two are active");
}

/* Run until ${h} works, or for ${limit}: how long it took. */
static int64_t
until_works(const struct host *h, int64_t limit)
{
	int64_t begin = w.now;

	while (!h->working && w.now - begin < limit)
		tick(0);
	return w.now - begin;
}

static bool
history(unsigned int seed)
{
	struct host *h;
	uint64_t n, there = 0;
	int64_t took;

	memset(&w, 0, sizeof(w));
	w.seed = seed;
	w.delay = 1 + (int)rnd(60);
	w.trouble = chance(500) ? (int)rnd(200) : 0;
	for (h = w.h; h < w.h + HOSTS; h++)
		start_host(h);
	while (w.now < 8 * TERM && !w.bad)
		tick(seed % 4 == 0 ? 0 : 3);

	/* The world heals.  All die, at whatever moment; one is new. */
	w.trouble = 0;
	w.healed = true;
	for (h = w.h; h < w.h + HOSTS; h++) {
		h->alive = h->working = false;
		h->until = -1;
	}
	w.nlate = 0;
	tick(0);
	start_host(&w.h[0]);
	took = until_works(&w.h[0], 4 * TERM);
	if (took > 2 * TERM)
		fail("takeover took too long");
	/* It is given back: one who waits goes on. */
	start_host(&w.h[1]);
	while (w.now % TERM != 0)
		tick(0);
	w.h[0].ends = w.now;
	took = until_works(&w.h[1], 4 * TERM);
	/* A look, and up to six requests, each there and back. */
	if (took > TERM / 9 + 12 * w.delay + 8 * TICK)
		fail("a lease that was given back was not taken at once");
	/* And renewed for long, if requests are not too slow for the term. */
	w.h[1].ends = w.now + 3 * TERM;
	while (w.h[1].working && w.now < w.h[1].ends)
		tick(0);
	if (w.h[1].told && w.delay < TERM / 24)
		fail("a lease was lost for no reason");
	for (n = 1; n < CHAIN; n++)
		there += w.o[n].there;
	if (there > BK_LEASE_KEPT + 2)
		fail("old numbers stay");
	return !w.bad;
}

static void
histories(void)
{
	unsigned int seed, good = 0;

	for (seed = 1; seed <= HISTORIES; seed++) {
		if (history(seed))
			good++;
		else if (seed - good < 4)
			printf("# history %u: %s\n", seed, w.why);
	}
	ok_int(good, HISTORIES, "histories with never two at once, takeover "
	    "within two terms, and nothing left");
	printf("# %lu tenures, %lu crashes, %lu suspended with their clock, "
	    "%lu overtaken, %lu commits, %lu refused\n", works, crashes, fooled,
	    overtaken, commits, refused);
	ok(works > 10000 && commits > 1000 && refused > 10 && overtaken > 10 &&
	    crashes > 1000 && fooled > 1000, "the histories hold what they should");
}

/* Answer as an untroubled store would, until the machine sleeps or ends. */
static void
settle(struct host *h, struct bk_lease_act *a)
{
	for (;;) {
		bk_lease_next(&h->l, local(h), a);
		if (a->what == BK_LEASE_SLEEP || a->what == BK_LEASE_END)
			return;
		send_request(h, a);
		effect(&h->q);
		answer(h);
	}
}

static void
waits(void)
{
	struct host *a = &w.h[0], *b = &w.h[1];
	struct bk_lease_act act;

	memset(&w, 0, sizeof(w));
	w.delay = 1;
	start_host(a);
	settle(a, &act);
	ok(a->l.phase == BK_LEASE_HELD && a->l.mine == 1, "the first has it at "
	    "once");
	ok(act.at == a->l.base + TERM / 4, "and renews at a quarter");

	start_host(b);
	b->l.give_up = local(b);
	settle(b, &act);
	ok(b->l.end == BK_LEASE_WAITED, "no wait: one look");

	start_host(b);
	b->l.yield = true;
	settle(b, &act);
	ok(act.what == BK_LEASE_SLEEP, "who yields looks whether it lives");
	a->local += TERM / 4;
	settle(a, &act);
	b->local += TERM / 4;
	settle(b, &act);
	ok(b->l.end == BK_LEASE_YIELDED, "it does");

	start_host(b);
	b->l.yield = true;
	settle(b, &act);
	b->local += TERM - 1;
	settle(b, &act);
	ok(b->l.phase == BK_LEASE_CONTEND, "a term is not over");
	b->local += 1;
	settle(b, &act);
	ok(b->l.phase == BK_LEASE_HELD && b->l.mine == 3, "and now it is");
	a->local += TERM / 4;
	settle(a, &act);
	ok(a->l.end == BK_LEASE_LOST, "who had it learns so when he renews");

	/* Cleared away by hand: nobody has it at once who has seen it. */
	start_host(a);
	settle(a, &act);
	memset(w.o, 0, sizeof(w.o));
	w.top = 0;
	a->local += TERM / 10;
	settle(a, &act);
	ok(a->l.phase == BK_LEASE_CONTEND, "a chain cleared away is waited for");
	b->local += TERM / 4;
	settle(b, &act);
	ok(b->l.phase == BK_LEASE_HELD && highest() == 4, "the holder goes on");
	bk_lease_release(&b->l, local(b));
	settle(b, &act);
	ok(b->l.end == BK_LEASE_FREED && w.o[5].e.free, "it is given back");
	a->local += TERM / 10;
	settle(a, &act);
	ok(a->l.phase == BK_LEASE_HELD && a->l.mine == 6, "and had");
}

int
main(void)
{
	waits();
	histories();
	return done();
}
