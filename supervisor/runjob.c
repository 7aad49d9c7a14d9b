/*
 * One job of a run, from its lock to its hooks.
 */
#include <unistd.h>

#include "runjob.h"

/* How a body ended, beside -1 for a fault. */
enum { COMMITTED, UNCHANGED, SKIPPED };

static int
shell(struct bk_runjob *j, const char *what, const char *command,
    struct bk_fault *f)
{
	int rc = bk_run_shell(j->run, command, NULL, j->deadline, f);

	if (rc == -1)
		bk_fault_context(f, "%s", what);
	return rc;
}

/* Others of the same lock go first. */
static int
shared_lock(struct bk_runjob *j, struct bk_fault *f)
{
	struct bk_run *r = j->run;
	int fd = bk_ledger_lock(&r->ctx, r->all->state, "lock", j->job->lock,
	    j->deadline, r->stop, f);

	if (fd == -1 && f->status == BK_BUSY) {
		bk_fault_clear(f);
		(void)bk_fault_set(f, BK_BUSY, "another job had lock '%s' for the "
		    "whole time", j->job->lock);
	}
	return fd;
}

/* The commands of a job without a source. */
static int
run_commands(struct bk_runjob *j, struct bk_fault *f)
{
	struct bk_args a = BK_ARGS_INIT;
	size_t i;
	int rc = 0;

	for (i = 0; i < j->job->nruns && rc == 0; i++) {
		bk_args_release(&a);
		if ((rc = bk_run_words(j->run, &j->job->runs[i], &a, f)) == 0)
			rc = bk_run_program(j->run, &a, NULL, NULL, NULL,
			    j->deadline, f);
		if (rc > 0)
			rc = bk_fault_set(f, rc <= 127 ? rc : BK_DATA,
			    "'%s' exited %d", a.v[0], rc);
	}
	bk_args_release(&a);
	return rc;
}

/* What lies between only-if and always. */
static int
body(struct bk_runjob *j, struct bk_fault *f)
{
	struct bk_fault late = BK_FAULT_INIT;
	int rc = 0;

	bk_run_hooks(j, BK_HOOK_START);
	if (j->job->before != NULL &&
	    (rc = shell(j, "before", j->job->before, f)) > 0)
		rc = bk_fault_set(f, BK_DATA, "before exited %d", rc);
	if (rc == 0 && j->job->hold != NULL)
		rc = bk_run_hold(j, f);
	if (rc == 0)
		rc = j->job->sources != NULL ? bk_run_dump(j, f) :
		    run_commands(j, f);
	if (bk_run_release(j, &late) == -1 && rc != -1)
		rc = bk_fault_set(f, late.status, "%s", late.text);
	return rc;
}

static int
carry_out(struct bk_runjob *j, struct bk_fault *f)
{
	struct bk_fault late = BK_FAULT_INIT;
	struct bk_run *r = j->run;
	int late_rc, rc;

	if (j->job->only_if != NULL) {
		rc = shell(j, "only-if", j->job->only_if, f);
		if (rc == 1) {
			(void)bk_fault_set(f, BK_NO, "only-if says no");
			return SKIPPED;
		}
		if (rc != 0)
			return bk_fault_set(f, BK_DATA, "only-if exited %d", rc);
	}
	if (bk_run_made(j, f))
		return SKIPPED;
	rc = body(j, f);
	bk_run_cause(j, f);
	r->closing = true;
	if (j->job->always != NULL) {
		j->deadline = r->ctx.mono() + j->job->hook_timeout;
		if ((late_rc = shell(j, "always", j->job->always, &late)) > 0)
			(void)bk_fault_set(&late, BK_DATA, "it exited %d", late_rc);
		if (late_rc != 0)
			r->ctx.log(BK_LOG_WARN, "job '%s': always failed: %s",
			    j->job->title, late.text);
	}
	return rc;
}

/* The outcome is known: ledger, stores, pruning, hooks. */
static void
finish(struct bk_runjob *j)
{
	struct bk_fault none = BK_FAULT_INIT;
	const bool failed = j->outcome == BK_LEDGER_FAILED;

	(void)bk_run_enter(j, j->outcome);
	bk_run_report(j);
	/* Pruning may take long: it is stopped as the dump is. */
	j->run->closing = j->run->signal != 0;
	if (j->outcome == BK_LEDGER_COMMITTED) {
		(void)bk_run_prune(j);
		bk_run_judge(j);
	}
	if (j->outcome != BK_LEDGER_SKIPPED)
		(void)bk_run_wal(j->run, j->job);
	j->run->closing = true;
	if (j->outcome != BK_LEDGER_SKIPPED)
		bk_run_hooks(j, failed ? BK_HOOK_FAILURE : BK_HOOK_SUCCESS);
	if (!failed && bk_faulty(&j->after)) {
		j->run->ctx.log(BK_LOG_ERROR, "job '%s': %s", j->job->title,
		    j->after.text);
		none = j->fault;
		j->fault = j->after;
		bk_run_hooks(j, BK_HOOK_FAILURE);
		j->fault = none;
	}
	j->run->closing = j->run->signal != 0;
}

static void
decide(struct bk_runjob *j)
{
	struct bk_run *r = j->run;
	int lock, rc;

	(void)bk_run_enter(j, BK_LEDGER_STARTED);
	j->deadline = r->ctx.mono() + j->job->timeout;
	if ((lock = shared_lock(j, &j->fault)) == -1)
		rc = -1;
	else {
		j->deadline = r->ctx.mono() + j->job->timeout;
		rc = carry_out(j, &j->fault);
	}
	bk_run_cause(j, &j->fault);
	j->outcome = rc == COMMITTED ? BK_LEDGER_COMMITTED :
	    rc == UNCHANGED ? BK_LEDGER_UNCHANGED :
	    rc == SKIPPED ? BK_LEDGER_SKIPPED : BK_LEDGER_FAILED;
	if (j->outcome == BK_LEDGER_FAILED)
		r->ctx.log(BK_LOG_ERROR, "job '%s': %s", j->job->title,
		    j->fault.text);
	finish(j);
	if (lock != -1)
		(void)close(lock);
}

int
bk_runjob_open(struct bk_runjob *j, struct bk_run *r, const struct bk_job *job,
    struct bk_fault *f)
{
	*j = (struct bk_runjob){ .run = r, .job = job, .hold_end = -1,
		.begin = r->ctx.mono(), .names = json_array(),
		.records = json_array() };
	if (j->names != NULL && j->records != NULL)
		return 0;
	return bk_fault_set(f, BK_IO, "out of memory");
}

void
bk_runjob_close(struct bk_runjob *j)
{
	json_decref(j->names);
	json_decref(j->records);
}

int
bk_runjob_run(struct bk_runjob *j)
{
	struct bk_run *r = j->run;
	struct bk_fault busy = BK_FAULT_INIT;
	int fd = -1;

	j->outcome = BK_LEDGER_SKIPPED;
	if (!bk_job_here(&r->ctx, j->job)) {
		(void)bk_fault_set(&j->fault, BK_NO, "it is not for host '%s'",
		    r->ctx.host);
		(void)bk_run_enter(j, j->outcome);
		return 0;
	}
	fd = bk_ledger_lock(&r->ctx, r->all->state, "job", j->job->title, 0, -1,
	    &busy);
	if (fd == -1) {
		if (busy.status == BK_BUSY)
			(void)bk_fault_set(&j->fault, BK_BUSY,
			    "a run of job '%s' is under way", j->job->title);
		else
			(void)bk_fault_set(&j->fault, busy.status, "%s", busy.text);
		j->outcome = busy.status == BK_BUSY ? BK_LEDGER_SKIPPED :
		    BK_LEDGER_FAILED;
		(void)bk_run_enter(j, j->outcome);
		if (j->outcome == BK_LEDGER_FAILED)
			bk_run_hooks(j, BK_HOOK_FAILURE);
		r->ctx.log(BK_LOG_ERROR, "%s", j->fault.text);
		return j->fault.status;
	}
	decide(j);
	(void)close(fd);
	if (j->outcome == BK_LEDGER_FAILED)
		return j->fault.status;
	return bk_faulty(&j->after) ? BK_NO : 0;
}
