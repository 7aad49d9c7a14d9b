/*
 * Carrying it out.  A job whose source is overwritten is locked against its
 * own runs and those that share its lock: a backup of a half-restored source
 * would be a good one to everybody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recall.h"

#define VARS 5

/* A job under way. */
struct around {
	const struct bk_job *job;
	const struct bk_recall_part *first;	/* of its parts */
	int own, shared;		/* locks, or -1 */
	bool begun, live;
};

/* Lock it; where locks cannot be had at all, it goes without. */
static int
lock_kind(struct bk_recall *c, const char *kind, const char *name, int *fd,
    struct bk_fault *f)
{
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_run *r = c->run;

	*fd = bk_ledger_lock(&r->ctx, r->all->state, kind, name, 0, -1, &own);
	if (*fd != -1)
		return 0;
	if (own.status == BK_BUSY)
		return bk_fault_set(f, BK_BUSY, strcmp(kind, "job") == 0 ?
		    "a run of job '%s' is under way" :
		    "a job with lock '%s' is under way", name);
	r->ctx.log(BK_LOG_WARN, "going on without the lock '%s': %s", name,
	    own.text);
	return 0;
}

static int
lock(struct bk_recall *c, struct around *a, size_t n, struct bk_fault *f)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		if (!a[i].live)
			continue;
		if (lock_kind(c, "job", a[i].job->title, &a[i].own, f) == -1)
			return -1;
		/* Jobs of one group may share it. */
		for (k = 0; k < i; k++)
			if (strcmp(a[k].job->lock, a[i].job->lock) == 0)
				break;
		if (k == i && lock_kind(c, "lock", a[i].job->lock, &a[i].shared,
		    f) == -1)
			return -1;
	}
	return 0;
}

/* restore-before and restore-always learn what it is about. */
static int
shell(struct bk_recall *c, const struct around *a, const char *command,
    int status, struct bk_fault *f)
{
	const struct bk_recall_part *p = a->first;
	struct bk_buf var[VARS];
	const char *env[VARS + 1];
	size_t i;
	int rc;

	for (i = 0; i < VARS; i++)
		var[i] = (struct bk_buf)BK_BUF_INIT(16384);
	rc = bk_buf_addf(&var[0], f, "BK_JOB=%s", a->job->title) == -1 ||
	    bk_buf_addf(&var[1], f, "BK_ID=%s", p->id) == -1 ||
	    bk_buf_addf(&var[2], f, "BK_INTO=%s", p->target) == -1 ||
	    bk_buf_addf(&var[3], f, "BK_EVENT=restore") == -1 ||
	    bk_buf_addf(&var[4], f, "BK_STATUS=%d", status) == -1 ? -1 : 0;
	for (i = 0; i < VARS; i++)
		env[i] = bk_buf_text(&var[i]);
	env[VARS] = NULL;
	if (rc == 0)
		rc = bk_run_shell(c->run, command, env, c->run->ctx.mono() +
		    a->job->timeout, f);
	for (i = 0; i < VARS; i++)
		bk_buf_release(&var[i]);
	return rc;
}

static int
before(struct bk_recall *c, struct around *a, struct bk_fault *f)
{
	int rc;

	a->begun = true;
	if (a->job->restore_before == NULL)
		return 0;
	rc = shell(c, a, a->job->restore_before, 0, f);
	if (rc > 0)
		(void)bk_fault_set(f, BK_DATA, "it exited %d", rc);
	bk_fault_context(f, "job '%s': restore-before", a->job->title);
	return rc == 0 ? 0 : -1;
}

static void
always(struct bk_recall *c, struct around *a, const struct bk_fault *why)
{
	struct bk_fault f = BK_FAULT_INIT;
	int rc;

	if (!a->begun || a->job->restore_always == NULL)
		return;
	rc = shell(c, a, a->job->restore_always, why->status, &f);
	if (rc > 0)
		(void)bk_fault_set(&f, BK_DATA, "it exited %d", rc);
	if (rc != 0)
		c->run->ctx.log(BK_LOG_WARN, "job '%s': restore-always: %s",
		    a->job->title, f.text);
}

/* bk-restore of one part.  Its status, or -1. */
static int
attempt(struct bk_recall *c, const struct bk_recall_part *p, bool replace,
    struct bk_fault *f)
{
	struct bk_buf limit = BK_BUF_INIT(32);
	struct bk_args a = BK_ARGS_INIT;
	const char *const *undo;
	struct bk_run *r = c->run;
	int rc = -1;

	if (bk_buf_addf(&limit, f, "%lldms", (long long)p->job->timeout) == -1 ||
	    bk_run_own(r, "bk-restore", &a, f) == -1 ||
	    bk_args_add(&a, p->store->url, f) == -1 ||
	    bk_args_opt(&a, "--name", p->name, f) == -1 ||
	    bk_args_opt(&a, "--id", p->id, f) == -1 ||
	    bk_args_opt(&a, "--into", p->target, f) == -1 ||
	    bk_args_opt(&a, "--timeout", limit.p, f) == -1 ||
	    (p->live && (bk_args_add(&a, "--in-place", f) == -1 ||
	    bk_args_opt(&a, "--source-env", p->job->source_env, f) == -1)) ||
	    (replace && (bk_args_add(&a, "--replace", f) == -1 ||
	    bk_args_add(&a, "--yes", f) == -1)))
		goto out;
	for (undo = c->undo; *undo != NULL; undo++)
		if (bk_args_opt(&a, "--undo", *undo, f) == -1)
			goto out;
	/* bk-restore keeps the limit itself, and says so. */
	rc = bk_run_program(r, &a, NULL, NULL, NULL, r->ctx.mono() +
	    p->job->timeout + 30000, f);
out:
	bk_args_release(&a);
	bk_buf_release(&limit);
	return rc;
}

static int
restore(struct bk_recall *c, const struct bk_recall_part *p,
    bk_recall_ask *ask, struct bk_fault *f)
{
	int rc = attempt(c, p, c->yes || p->live, f);

	/* It holds something: may that go? */
	if (rc == BK_CANTCREATE && !p->live && !c->yes && ask(p))
		rc = attempt(c, p, true, f);
	if (rc > 0)
		(void)bk_fault_set(f, rc <= 127 ? rc : BK_DATA,
		    "bk-restore exited %d", rc);
	bk_fault_context(f, "'%s'", p->name);
	return rc == 0 ? 0 : -1;
}

/* The jobs of the parts, each once, in order; their number, or -1. */
static int
jobs_of(const struct bk_recall *c, struct around **out, struct bk_fault *f)
{
	struct around *a = calloc(c->n + 1, sizeof(*a));
	size_t i, k, n = 0;

	if (a == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the plan");
	for (i = 0; i < c->n; i++) {
		for (k = 0; k < n; k++)
			if (a[k].job == c->part[i].job)
				break;
		if (k == n)
			a[n++] = (struct around){ c->part[i].job, &c->part[i],
				-1, -1, false, false };
		a[k].live = a[k].live || c->part[i].live;
	}
	*out = a;
	return (int)n;
}

int
bk_recall_run(struct bk_recall *c, bk_recall_ask *ask, struct bk_fault *f)
{
	struct bk_runjob as_job = { .run = c->run };
	struct around *a = NULL;
	int n = jobs_of(c, &a, f);
	size_t i, count = n > 0 ? (size_t)n : 0;
	int rc = n == -1 ? -1 : 0;

	for (i = 0; rc == 0 && !c->yes && i < c->n; i++)
		if (c->part[i].live && !ask(&c->part[i]))
			rc = bk_fault_set(f, BK_CANTCREATE, "'%s' is live: not "
			    "replaced, for want of --yes or of a yes at the "
			    "terminal", c->part[i].target);
	if (rc == 0)
		rc = lock(c, a, count, f);
	for (i = 0; rc == 0 && i < count; i++)
		rc = before(c, &a[i], f);
	for (i = 0; rc == 0 && i < c->n; i++)
		rc = restore(c, &c->part[i], ask, f);
	bk_run_cause(&as_job, f);
	c->run->closing = true;
	for (i = count; i > 0; i--)
		always(c, &a[i - 1], f);
	for (i = 0; i < count; i++) {
		if (a[i].own != -1)
			(void)close(a[i].own);
		if (a[i].shared != -1)
			(void)close(a[i].shared);
	}
	free(a);
	return rc;
}
