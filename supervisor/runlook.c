/*
 * A look at a job: nothing is backed up, but what nobody else can do any more
 * is done.  The supervisor starts it where there is something to look at.
 *
 *   - A run was killed: it has no outcome, and its lock is free.  Its failure
 *     goes to the ledger and the stores, and on-failure is told.
 *   - The ledger knows nothing of the job: the newest backup in its stores
 *     stands in, and is entered.
 *   - The newest good backup is too old: on-stale is told, once until there
 *     is a newer one.  What cannot be known is told too: silence is an alarm.
 *   - The log behind base backups is not whole, or late ("wal-check").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "remember.h"
#include "runjob.h"
#include "standing.h"
#include "when.h"

/* The state of ${job} in the ledger: *${out}; whether there is one. */
static int
read_state(const struct bk_run *r, const struct bk_job *job,
    struct bk_ledger_state *out, struct bk_fault *f)
{
	const struct bk_ledger_state *s;
	struct bk_ledger_state *all;
	size_t n;

	if (bk_ledger_read(&r->ctx, r->all->state, &all, &n, NULL, f) == -1)
		return -1;
	if ((s = bk_ledger_find(all, n, job->title)) != NULL)
		*out = *s;
	free(all);
	return s != NULL;
}

/* The names that the job's backups have, for the report to its stores. */
static int
add_names(struct bk_runjob *j, struct bk_fault *f)
{
	char name[BK_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < j->job->nsources; i++) {
		if (bk_job_each(j->job, i))
			continue;
		bk_job_name(j->job, i, name);
		if (bk_json_push(j->names, json_string(name), f) == -1)
			return -1;
	}
	return 0;
}

/* From now on this is the run that we speak for. */
static int
speak_for(struct bk_run *r, const char *id, const char *trigger, int64_t slot,
    struct bk_fault *f)
{
	memcpy(r->id, id, sizeof(r->id));
	r->trigger = trigger;
	r->slot = slot;
	if (setenv("BK_RUN", r->id, 1) == -1)
		return bk_fault_errno(f, BK_IO, errno, "the environment");
	r->ctx.vars = environ;
	return 0;
}

/*
 * Enter the failure of the run that ${s} has open.  We hold the job's lock,
 * and looked at the ledger after we had it: that run is dead.
 */
static int
mend(struct bk_run *r, const struct bk_job *job,
    const struct bk_ledger_state *s, struct bk_fault *f)
{
	const struct bk_run own = *r;
	struct bk_runjob j;
	int rc = -1;

	if (bk_runjob_open(&j, r, job, f) == 0 && add_names(&j, f) == 0 &&
	    speak_for(r, s->run, s->trigger, s->slot_event ==
	    BK_LEDGER_STARTED ? s->slot : 0, f) == 0) {
		j.begin -= r->ctx.now() > s->started ? r->ctx.now() - s->started : 0;
		j.outcome = BK_LEDGER_FAILED;
		(void)bk_fault_set(&j.fault, BK_DATA,
		    "run %s ended without an outcome: it was killed", s->run);
		r->ctx.log(BK_LOG_ERROR, "job '%s': %s", job->title,
		    j.fault.text);
		rc = bk_run_enter(&j, j.outcome);
		bk_run_report(&j);
		bk_run_hooks(&j, BK_HOOK_FAILURE);
		if (rc == -1)
			(void)bk_fault_set(f, j.after.status, "%s", j.after.text);
	}
	bk_runjob_close(&j);
	if (speak_for(r, own.id, own.trigger, own.slot, f) == -1)
		rc = -1;
	return rc;
}

/* 1 if a run was mended, 0 if there was none, -1 with ${f} set. */
static int
look_killed(struct bk_run *r, const struct bk_job *job, struct bk_fault *f)
{
	struct bk_ledger_state s;
	struct bk_fault busy = BK_FAULT_INIT;
	int fd, rc;

	if ((rc = read_state(r, job, &s, f)) != 1 || !s.open)
		return rc == -1 ? -1 : 0;
	fd = bk_ledger_lock(&r->ctx, r->all->state, "job", job->title, 0, -1,
	    &busy);
	if (fd == -1)
		return busy.status == BK_BUSY ? 0 :
		    bk_fault_set(f, busy.status, "%s", busy.text);
	if ((rc = read_state(r, job, &s, f)) == 1)
		rc = !s.open ? 0 : mend(r, job, &s, f) == 0 ? 1 : -1;
	(void)close(fd);
	return rc;
}

/* How the job stands, its stores asked where the ledger does not suffice. */
static void
stand(const struct bk_run *r, const struct bk_due *due,
    const struct bk_job *job, const struct bk_ledger_state *s,
    struct bk_standing *st)
{
	*st = (struct bk_standing){ .job = job,
		.interval = bk_due_interval(due, job),
		.max_age = bk_due_max_age(due, job) };
	bk_standing_ledger(st, s, r->ctx.now());
	bk_standing_stores(&r->ctx, st);
}

/* The newest backup in the stores stands in for the ledger. */
static int
recall(struct bk_run *r, const struct bk_due *due, const struct bk_job *job,
    struct bk_fault *f)
{
	struct bk_ledger_entry e = { .event = BK_LEDGER_COMMITTED,
		.job = job->title, .trigger = "recalled" };
	struct bk_standing st;

	stand(r, due, job, NULL, &st);
	if (st.good == 0) {
		if (st.warning[0] != '\0')
			r->ctx.log(BK_LOG_WARN, "job '%s': %s", job->title,
			    st.warning);
		return 0;
	}
	e.time = st.good;
	e.id = st.id;
	e.bytes = st.bytes > 0 ? st.bytes : 0;
	e.duration = st.duration > 0 ? st.duration : 0;
	return bk_ledger_add(&r->ctx, r->all->state, &e, f);
}

static int
tell_stale(struct bk_run *r, const struct bk_standing *st, int64_t since)
{
	struct bk_fault f = BK_FAULT_INIT;
	char when[BK_TIME_LEN];
	struct bk_runjob j;

	(void)bk_time_text(st->good != 0 ? st->good : since, when);
	if (bk_runjob_open(&j, r, st->job, &f) == 0) {
		(void)bk_fault_set(&j.fault, BK_NO, st->good != 0 ?
		    "the newest good backup is of %s, too old%s%s" :
		    "no good backup is known, since %s%s%s", when,
		    st->warning[0] != '\0' ? "; " : "", st->warning);
		r->ctx.log(BK_LOG_ERROR, "job '%s' is stale: %s",
		    st->job->title, j.fault.text);
		bk_run_hooks(&j, BK_HOOK_STALE);
	} else
		r->ctx.log(BK_LOG_ERROR, "job '%s' is stale: %s",
		    st->job->title, f.text);
	bk_runjob_close(&j);
	return 1;
}

/* 1 if it was told that the job is stale, 0 if it is not, or -1. */
static int
look_age(struct bk_run *r, const struct bk_due *due, const struct bk_job *job,
    struct bk_fault *f)
{
	struct bk_fault late = BK_FAULT_INIT;
	int64_t now = r->ctx.now();
	struct bk_ledger_state s;
	struct bk_due_age age;
	struct bk_standing st;
	int known, rc = 0;

	/* An alarm that cannot be noted is better told twice. */
	(void)bk_remember_age(r->all->state, job->title, now, &age, &late);
	if ((known = read_state(r, job, &s, f)) == -1)
		return -1;
	if (bk_due_stale(due, job, known ? &s : NULL, &age, now) > now)
		goto out;
	stand(r, due, job, known ? &s : NULL, &st);
	if (st.good > age.good)
		age.good = st.good;
	if (st.unchanged > age.good && st.state == BK_STAND_UNCHANGED)
		age.good = st.unchanged;
	if (bk_due_stale(due, job, known ? &s : NULL, &age, now) <= now) {
		rc = tell_stale(r, &st, age.since);
		age.told = now;
	}
	if (!bk_faulty(&late))
		(void)bk_remember_age_set(r->all->state, job->title, &age, &late);
out:
	if (bk_faulty(&late))
		r->ctx.log(BK_LOG_WARN, "job '%s': its age cannot be noted: %s",
		    job->title, late.text);
	return rc;
}

int
bk_run_look(struct bk_run *r, const struct bk_job *job, struct bk_fault *f)
{
	struct bk_ledger_state s;
	struct bk_due *due;
	int mended, stale = 0, wal = 0, known;

	if (!bk_job_here(&r->ctx, job->leader))
		return 0;
	if ((due = bk_due_open(&r->ctx, r->all, f)) == NULL)
		return f->status;
	mended = look_killed(r, job, f);
	known = mended != -1 ? read_state(r, job, &s, f) : -1;
	if (known == 0 && job->sources != NULL && recall(r, due, job, f) == -1)
		known = -1;
	if (known != -1)
		stale = look_age(r, due, job, f);
	if (job->wal_check > 0)
		wal = bk_run_wal(r, job);
	bk_due_free(due);
	if (bk_faulty(f))
		return f->status;
	return mended == 1 || stale == 1 || wal == 1 ? BK_NO : 0;
}
