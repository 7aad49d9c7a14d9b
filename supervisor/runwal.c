/*
 * Is the log of the servers that a job makes base backups of whole and recent
 * in its stores?  bk-fresh tells.  Where it is not, on-stale is told, once
 * until it is well again: STATE/wal/JOB.json remembers that.
 */
#include <string.h>

#include "json.h"
#include "run.h"
#include "runjob.h"
#include "remember.h"
#include "when.h"

/* 1 with ${why} set if the log is not well, 0 if it is, or -1. */
static int
ask(struct bk_run *r, const struct bk_job *job,
    const struct bk_job_store *store, const char *name, struct bk_fault *why,
    struct bk_fault *f)
{
	struct bk_buf lag = BK_BUF_INIT(32);
	struct bk_args a = BK_ARGS_INIT;
	const char *state, *text;
	json_t *o = NULL;
	int rc = -1;

	if (bk_args_add(&a, "--wal", f) == -1 ||
	    bk_args_opt(&a, "--timeout", "30s", f) == -1 ||
	    (job->max_lag > 0 && (bk_buf_addf(&lag, f, "%lldms",
	    (long long)job->max_lag) == -1 ||
	    bk_args_opt(&a, "--max-lag", lag.p, f) == -1)) ||
	    (o = bk_run_fresh(r, &a, store->url, name, f)) == NULL)
		goto out;
	state = bk_json_get_text(o, "state");
	text = bk_json_get_text(o, "text");
	if (state == NULL || text == NULL || strcmp(state, "unknown") == 0) {
		(void)bk_fault_set(f, BK_UNAVAILABLE, "%s", text != NULL ? text :
		    "bk-fresh gave no state");
		goto out;
	}
	rc = strcmp(state, "gap") == 0 || strcmp(state, "lag") == 0;
	if (rc == 1)
		(void)bk_fault_set(why, BK_NO, "store '%s': %s", store->name,
		    text);
out:
	json_decref(o);
	bk_args_release(&a);
	bk_buf_release(&lag);
	return rc;
}

/* The first that is not well counts; *${blind}: one could not be asked. */
static int
ask_all(struct bk_run *r, const struct bk_job *job, bool *blind,
    struct bk_fault *why)
{
	struct bk_fault f = BK_FAULT_INIT;
	char name[BK_NAME_MAX + 1];
	size_t i, k;
	int rc;

	*blind = false;
	for (i = 0; i < job->nsources; i++) {
		if (!bk_job_base(job, i))
			continue;
		bk_job_name(job, i, name);
		for (k = 0; k < job->nstores; k++) {
			bk_fault_clear(&f);
			rc = ask(r, job, job->stores[k], name, why, &f);
			if (rc == 1)
				return 1;
			if (rc == 0)
				continue;
			*blind = true;
			r->ctx.log(BK_LOG_WARN, "job '%s': cannot tell whether "
			    "the log of '%s' is whole in store '%s': %s",
			    job->title, name, job->stores[k]->name, f.text);
		}
	}
	return 0;
}

static void
tell(struct bk_run *r, const struct bk_job *job, const struct bk_fault *why)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_runjob j;

	r->ctx.log(BK_LOG_ERROR, "job '%s': %s", job->title, why->text);
	if (bk_runjob_open(&j, r, job, &f) == 0) {
		j.fault = *why;
		bk_run_hooks(&j, BK_HOOK_STALE);
	}
	bk_runjob_close(&j);
}

/* Remember that it was told, or that all is well again. */
static void
note(struct bk_run *r, const struct bk_job *job, bool told)
{
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o = json_object();
	char when[BK_TIME_LEN];

	if (o == NULL || (told && bk_json_set_text(o, "told",
	    bk_time_text(r->ctx.now(), when), &f) == -1) ||
	    bk_remember_write(r->all->state, "wal", job->title, o, &f) == -1)
		r->ctx.log(BK_LOG_WARN, "job '%s': its alarm cannot be noted: %s",
		    job->title, f.text);
	json_decref(o);
}

int
bk_run_wal(struct bk_run *r, const struct bk_job *job)
{
	struct bk_fault why = BK_FAULT_INIT, quiet = BK_FAULT_INIT;
	bool blind, told, bad;
	json_t *o;
	size_t i;

	for (i = 0; i < job->nsources && !bk_job_base(job, i); i++)
		;
	if (i == job->nsources)
		return 0;
	bad = ask_all(r, job, &blind, &why) == 1;
	o = bk_remember_read(r->all->state, "wal", job->title, &quiet);
	told = bk_json_get_text(o, "told") != NULL;
	json_decref(o);
	if (bad && !told)
		tell(r, job, &why);
	if (bad ? !told : told && !blind)
		note(r, job, bad);
	return bad;
}
