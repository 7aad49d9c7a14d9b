/*
 * A job with a lease: bk-run starts bk-lease, which starts a bk-run that does
 * the work.  Where the lease cannot be had nothing of the job runs, and the
 * ledger of this host says why.
 *
 * Hosts that have the same slot rarely come at the same moment: one may have
 * done its work before the next looks.  The newest backups tell.
 */
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "runjob.h"
#include "when.h"

#define LIST_MAX (1 << 20)

static int
command(const struct bk_run *r, const struct bk_job *job, struct bk_args *a,
    struct bk_fault *f)
{
	char slot[BK_TIME_LEN], until[BK_TIME_LEN];

	if (bk_run_own(r, "bk-lease", a, f) == -1 ||
	    bk_args_add(a, job->lease->url, f) == -1 ||
	    bk_args_opt(a, "--name", job->title, f) == -1 ||
	    bk_args_add(a, "--yield", f) == -1 ||
	    bk_args_add(a, "--", f) == -1 ||
	    bk_run_own(r, "bk-run", a, f) == -1 ||
	    bk_args_add(a, "--leased", f) == -1 ||
	    bk_args_opt(a, "--config", r->all->path, f) == -1 ||
	    bk_args_opt(a, "--trigger", r->trigger, f) == -1 ||
	    bk_args_opt(a, "--run", r->id, f) == -1 ||
	    bk_args_opt(a, "--slot", r->slot != 0 ?
	    bk_time_text(r->slot, slot) : NULL, f) == -1 ||
	    bk_args_opt(a, "--until", r->until != 0 ?
	    bk_time_text(r->until, until) : NULL, f) == -1)
		return -1;
	return bk_args_add(a, job->title, f);
}

/*
 * The run that was to do the work has told nothing: it was not started, or
 * killed.  ${rc} is the status of bk-lease, or -1 with ${f} set.
 */
static int
instead(struct bk_runjob *j, int rc, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;

	if (rc == -1)
		(void)bk_fault_set(&j->fault, f->status, "%s", f->text);
	else if (rc > 128)
		(void)bk_fault_set(&j->fault, BK_DATA,
		    "the run was killed by signal %d", rc - 128);
	else {
		(void)bk_fault_set(&why, rc, "bk-lease exited %d", rc);
		bk_run_reason(j->run, &why);
		j->fault = why;
	}
	bk_fault_clear(f);
	j->outcome = rc == BK_BUSY ? BK_LEDGER_SKIPPED : BK_LEDGER_FAILED;
	(void)bk_run_enter(j, j->outcome);
	if (rc != BK_BUSY)
		bk_run_hooks(j, BK_HOOK_FAILURE);
	if (bk_run_tell(j, f) == -1)
		return -1;
	return rc == BK_BUSY ? 0 : j->fault.status;
}

int
bk_run_under_lease(struct bk_run *r, const struct bk_job *job,
    struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(1 << 20);
	struct bk_args a = BK_ARGS_INIT;
	struct bk_runjob j;
	int rc = -1;

	if (bk_runjob_open(&j, r, job, f) == 0 && command(r, job, &a, f) == 0) {
		rc = bk_run_leader(r, &a, &out, f);
		if (out.len == 0 && rc != 0)
			rc = instead(&j, rc, f);
		else if (out.len > 0 && bk_write_all(STDOUT_FILENO, out.p,
		    out.len, "standard output", f) == -1)
			rc = -1;
	}
	bk_runjob_close(&j);
	bk_args_release(&a);
	bk_buf_release(&out);
	return rc;
}

/* Is the newest backup of ${name} at ${url} of our slot, and not ours? */
static bool
made(struct bk_runjob *j, const char *name, const char *url,
    struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(LIST_MAX);
	struct bk_fault quiet = BK_FAULT_INIT;
	const char *text, *host;
	bool yes = false;
	json_t *o = NULL;
	int64_t t;

	if (bk_run_list(j, name, url, "--latest", NULL, &out, &quiet) == 0)
		o = bk_run_first_record(&out);
	text = bk_json_get_text(o, "time");
	if (text != NULL && bk_time_parse(text, &t, &quiet) == 0 &&
	    t >= j->run->slot) {
		yes = true;
		host = bk_json_get_text(o, "host");
		(void)bk_fault_set(f, BK_NO, "host '%s' has made the backup "
		    "that was due", host != NULL ? host : "?");
	}
	json_decref(o);
	bk_buf_release(&out);
	return yes;
}

bool
bk_run_made(struct bk_runjob *j, struct bk_fault *f)
{
	const struct bk_job *job = j->job;
	struct bk_fault found = BK_FAULT_INIT;
	char name[BK_NAME_MAX + 1];
	size_t i, k;

	if (!j->run->leased || j->run->slot == 0 || job->nsources == 0)
		return false;
	for (i = 0; i < job->nsources; i++) {
		/* Of a whole server nobody knows the names yet. */
		if (bk_job_each(job, i))
			return false;
		bk_job_name(job, i, name);
		for (k = 0; k < job->nstores; k++)
			if (!made(j, name, job->stores[k]->url, &found))
				return false;
	}
	*f = found;
	return true;
}
