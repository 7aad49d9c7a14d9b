/*
 * One turn: what is due is entered and queued, what is queued is started, and
 * the next turn follows from what is left.
 */
#include <sys/syscall.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "super.h"
#include "when.h"

#define MISSED_MAX 31			/* entries of slots that one stop may give */
#define BUSY_MS 10000			/* another supervisor acts for the job */
#define FIRST_AID_MS (60 * 60000)	/* a run that may end before we cry stale */

static void
sooner(int64_t *next, int64_t t)
{
	if (t < *next)
		*next = t;
}

/* Entries of one job; the last is that of the slot that we act on. */
static void
enter(struct bk_sup *s, struct bk_sup_task *t,
    const struct bk_ledger_entry *e, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;

	/* Remembered here as well: a run must not wait for a ledger. */
	if (e[n - 1].slot != 0)
		t->acted = e[n - 1].slot;
	t->unwritten = bk_ledger_adds(s->ctx, s->jobs->state, e, n, &f) == -1;
	if (t->unwritten)
		s->ctx->log(BK_LOG_ERROR, "job '%s': the ledger cannot be "
		    "written: %s", t->job->title, f.text);
	bk_sup_states(s);
}

void
bk_sup_enter(struct bk_sup *s, struct bk_sup_task *t,
    enum bk_ledger_event event, int64_t slot, const char *message)
{
	const struct bk_ledger_entry e = { .event = event,
		.job = t->job->title, .slot = slot, .message = message,
		.status = event == BK_LEDGER_FAILED ? BK_UNAVAILABLE : 0 };

	enter(s, t, &e, 1);
}

/* Does a run of it hold the job's lock?  Not ours. */
static bool
held(const struct bk_sup *s, const struct bk_sup_task *t)
{
	struct bk_fault f = BK_FAULT_INIT;

	return bk_ledger_locked(s->ctx, s->jobs->state, "job", t->job->title,
	    &f) == 1;
}

/* Act for the slots of this job: no other supervisor does. */
static bool
take_slot(struct bk_sup *s, struct bk_sup_task *t)
{
	struct bk_fault f = BK_FAULT_INIT;

	t->lock = bk_ledger_lock(s->ctx, s->jobs->state, "slot", t->job->title, 0,
	    -1, &f);
	if (t->lock == -1 && f.status == BK_BUSY) {
		t->again = s->once ? BK_DUE_NEVER : s->ctx->now() + BUSY_MS;
		s->ctx->log(BK_LOG_INFO, "job '%s': another supervisor runs it",
		    t->job->title);
		return false;
	}
	/* Without lock files it runs all the same. */
	if (t->lock == -1)
		s->ctx->log(BK_LOG_ERROR, "job '%s': %s", t->job->title, f.text);
	bk_sup_states(s);
	return true;
}

static void
leave_slot(struct bk_sup_task *t)
{
	if (t->lock != -1)
		(void)close(t->lock);
	t->lock = -1;
}

static void
queue(struct bk_sup_task *t, const char *trigger, const struct bk_due_time *want)
{
	t->queued = true;
	t->trigger = trigger;
	t->want = *want;
}

/*
 * The slots before ${want} that nobody ran, an entry each, to ${e}; the number
 * of entries, MISSED_MAX at most: the first then tells of those before it.
 */
static size_t
missed(const struct bk_sup *s, const struct bk_sup_task *t,
    const struct bk_ledger_state *l, const struct bk_due_time *want,
    struct bk_ledger_entry *e, char *text, size_t size)
{
	int64_t slot = l->slot != 0 ? l->slot : l->last_time;
	uint64_t left = want->missed;
	size_t n = 0;

	/* One that was entered as due is the first of them. */
	if (l->slot != 0 && l->slot_event == BK_LEDGER_DUE)
		slot--;
	s->ctx->log(BK_LOG_WARN, "job '%s': %llu due times were missed, one run "
	    "makes up for them", t->job->title, (unsigned long long)left);
	(void)snprintf(text, size, "and %llu more before it",
	    (unsigned long long)(left > MISSED_MAX ? left - MISSED_MAX : 0));
	for (; left > 0 && (slot = bk_due_slot(s->due, t->job, slot)) <
	    want->slot; left--)
		if (left <= MISSED_MAX) {
			e[n] = (struct bk_ledger_entry){ .event = BK_LEDGER_MISSED,
				.job = t->job->title, .slot = slot,
				.message = n == 0 && want->missed > MISSED_MAX ?
				text : NULL };
			n++;
		}
	return n;
}

/* Why the slot is skipped, or NULL. */
static const char *
in_the_way(const struct bk_sup *s, const struct bk_sup_task *t)
{
	return t->queued ? "it still waits for its turn" :
	    t->run != NULL || held(s, t) ? "its last run is still under way" :
	    NULL;
}

/* Its slot has come: skip it where a run is under way, else queue it. */
static void
act(struct bk_sup *s, struct bk_sup_task *t)
{
	struct bk_ledger_entry e[MISSED_MAX + 1];
	const struct bk_ledger_state *l;
	struct bk_ledger_state own;
	struct bk_due_time want;
	const char *why;
	char text[64];
	size_t n = 0;

	if (t->lock == -1 && t->run == NULL && !take_slot(s, t))
		return;
	l = bk_sup_state(s, t, &own);
	want = bk_due_next(s->due, t->job, l, s->ctx->now());
	why = in_the_way(s, t);
	if (want.at <= s->ctx->now()) {
		if (want.missed > 0 && l != NULL)
			n = missed(s, t, l, &want, e, text, sizeof(text));
		e[n] = (struct bk_ledger_entry){ .event = why != NULL ?
			BK_LEDGER_SKIPPED : BK_LEDGER_DUE, .job = t->job->title,
			.slot = want.slot, .message = why };
		if (why != NULL)
			s->ctx->log(BK_LOG_WARN, "job '%s': skipped: %s",
			    t->job->title, why);
		else {
			queue(t, t->job->schedule != NULL ? "schedule" :
			    t->at_start ? "start" : "watch", &want);
			e[n].trigger = t->trigger;
		}
		enter(s, t, e, n + 1);
	}
	if (t->run == NULL && !t->queued)
		leave_slot(t);
}

/*
 * A run that is not ours: its end is an event too.  One that has its outcome
 * may still prune and tell; only a change waits for that.
 */
static void
follow(struct bk_sup *s, struct bk_sup_task *t,
    const struct bk_ledger_state *l)
{
	bool other = l != NULL && t->run == NULL && (l->open || t->changed) &&
	    l->pid > 0 && !s->once && held(s, t);

	if (!other && t->other != -1) {
		(void)close(t->other);
		t->other = -1;
	}
	if (other && t->other == -1)
		t->other = (int)syscall(SYS_pidfd_open, l->pid, 0);
}

/* Did a run of it end without an outcome, or is nothing known of the job? */
static bool
wants_look(struct bk_sup *s, const struct bk_sup_task *t,
    const struct bk_ledger_state *l, int64_t now)
{
	if (l != NULL && l->open && t->run == NULL && t->look_again <= now)
		return !held(s, t);
	return l == NULL && !t->recalled && t->job->sources != NULL &&
	    bk_due_next(s->due, t->job, l, now).why == BK_DUE_FIRST;
}

/* When to ask whether the job is stale; now at the earliest. */
static int64_t
stale_at(const struct bk_sup *s, const struct bk_sup_task *t,
    const struct bk_ledger_state *l, int64_t now)
{
	int64_t at = bk_due_stale(s->due, t->job, l, &t->age, now), spared;

	/* A run that is under way may mend it; one that hangs does not. */
	if (t->run != NULL) {
		spared = now - (bk_sup_boot() - t->run->began) + FIRST_AID_MS;
		at = at > spared ? at : spared;
	}
	return at > t->look_again ? at : t->look_again;
}

/* May a change of what it watches act now? */
static bool
change_due(struct bk_sup *s, const struct bk_sup_task *t,
    const struct bk_ledger_state *l, int64_t now)
{
	int64_t at = bk_due_change(t->job, l, now);

	if (t->change_again > bk_sup_boot()) {
		sooner(&s->boot, t->change_again);
		return false;
	}
	if (at > now)
		sooner(&s->wall, at);
	return at <= now;
}

/* What is not due by the clock: at-start, a change. */
static void
consider_events(struct bk_sup *s, struct bk_sup_task *t,
    const struct bk_ledger_state *l, int64_t now)
{
	static const struct bk_due_time none = { .why = BK_DUE_CHANGE };
	bool start = t->at_start;

	if (t->run != NULL || t->queued || t->look != NULL || t->other != -1)
		return;
	if (s->once && bk_due_watches(s->due, t->job))
		t->changed = bk_sup_differs(t);
	if (!start && (!t->changed || !change_due(s, t, l, now)))
		return;
	t->at_start = false;
	if (!take_slot(s, t))
		return;
	/* Another supervisor may have seen the same change. */
	if (s->once && !bk_sup_differs(t)) {
		leave_slot(t);
		return;
	}
	queue(t, start ? "start" : "watch", &none);
}

/* "wal-check": is it time to look at the job's log? */
static bool
wal_due(struct bk_sup *s, struct bk_sup_task *t)
{
	int64_t now = bk_sup_boot();

	if (t->job->wal_check == 0 || s->once ||
	    !bk_job_here(s->ctx, t->job->leader))
		return false;
	if (t->wal_again <= now) {
		t->wal_again = now + t->job->wal_check;
		sooner(&s->boot, t->wal_again);
		return true;
	}
	sooner(&s->boot, t->wal_again);
	return false;
}

static void
consider(struct bk_sup *s, struct bk_sup_task *t)
{
	const struct bk_ledger_state *l;
	struct bk_ledger_state own;
	int64_t now = s->ctx->now(), at;

	l = bk_sup_state(s, t, &own);
	follow(s, t, l);
	if (t->look == NULL && wants_look(s, t, l, now))
		bk_sup_look(s, t);
	if (t->again > now)
		sooner(&s->wall, t->again);
	else if (t->look == NULL) {
		if (bk_due_next(s->due, t->job, l, now).at <= now)
			act(s, t);
		l = bk_sup_state(s, t, &own);
		consider_events(s, t, l, now);
		/* Either may have read the ledger again. */
		l = bk_sup_state(s, t, &own);
		sooner(&s->wall, bk_due_next(s->due, t->job, l, now).at);
	}
	if (t->look != NULL)
		return;
	at = stale_at(s, t, l, now);
	if (t->queued)
		/* The run may be what ends it, or may hang. */
		sooner(&s->wall, at > now ? at : now + FIRST_AID_MS);
	else if (at <= now || wal_due(s, t))
		bk_sup_look(s, t);
	else
		sooner(&s->wall, at);
}

static void
consider_requests(struct bk_sup *s)
{
	int64_t now = bk_sup_boot();
	size_t i;

	for (i = 0; i < s->jobs->nrequests; i++) {
		if (s->requests[i] <= now) {
			s->requests[i] = now + s->jobs->requests[i].every;
			bk_sup_requests(s, s->jobs->requests[i].store);
		}
		sooner(&s->boot, s->requests[i]);
	}
}

void
bk_sup_turn(struct bk_sup *s)
{
	size_t i;

	s->wall = s->boot = BK_DUE_NEVER;
	for (i = 0; i < s->jobs->njobs; i++)
		consider(s, &s->tasks[i]);
	/* Who asks for it now means now. */
	for (i = 0; i < s->jobs->njobs; i++)
		if (s->tasks[i].ask[0] != '\0' && s->tasks[i].look == NULL)
			bk_sup_start(s, &s->tasks[i]);
	for (i = 0; i < s->jobs->njobs && s->nrun < s->jobs->parallel; i++)
		if (s->tasks[i].queued && s->tasks[i].look == NULL)
			bk_sup_start(s, &s->tasks[i]);
	if (s->once)
		return;
	consider_requests(s);
	bk_sup_watch(s);
	bk_sup_clients(s);
}

int
bk_sup_ask(struct bk_sup *s, struct bk_sup_task *t, struct bk_fault *f)
{
	static const struct bk_due_time none = { .why = BK_DUE_ASKED };

	if (t->run != NULL || t->queued || (t->look == NULL && held(s, t)))
		return bk_fault_set(f, BK_BUSY, "a run of job '%s' is under way",
		    t->job->title);
	if (bk_ulid_new(s->ctx->now(), t->ask, f) == -1)
		return -1;
	queue(t, "manual", &none);
	return 0;
}
