/*
 * bk-run: carry out one run of one job of the schedule file, and of the jobs
 * of its group after it.  It composes the other programs by their command
 * lines and links nothing of a store or a network.
 *
 * It finishes by itself if the supervisor goes away; when it dies, its stages
 * and their tools die with it (bk-child).  TERM, INT and HUP end what runs
 * (TERM, 5 s later KILL); always, the ledger and the hooks still come.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "prog.h"
#include "runjob.h"
#include "when.h"

enum { CONFIG = 256, TRIGGER, SLOT, UNTIL, RUN, LEASED, LOOK, REQUESTS };

static const struct bk_opt opts[] = {
	{ CONFIG, "config", "FILE", "the schedule file (/etc/bk/bk.conf)", 0 },
	{ TRIGGER, "trigger", "WORD", "what starts this run (manual)", 0 },
	{ SLOT, "slot", "TIME", "the due time that this run is for", 0 },
	{ UNTIL, "until", "TIME", "do not try again after TIME", 0 },
	{ RUN, "run", "ID", "the run's id, a ULID (a new one)", 0 },
	{ LEASED, "leased", NULL, "run by bk-lease: the lease is held", 0 },
	{ LOOK, "look", NULL, "back up nothing: enter killed runs, tell stale ones", 0 },
	{ REQUESTS, "requests", "STORE", "carry out the requests in a store of the file", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-run",
	"[OPTION]... JOB | [OPTION]... --requests STORE",
	"carry out one run of a job of the schedule file", opts };

static const char *config, *requests;
static bool look;

static int64_t
time_arg(const char *name, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t;

	if (bk_time_parse(arg, &t, &f) == -1) {
		bk_fault_context(&f, "--%s", name);
		bk_usage_fault(&f);
	}
	return t;
}

static void
options(struct bk_run *r)
{
	const char *arg;
	int key;

	r->trigger = "manual";
	while ((key = bk_opt_next(&arg)) != -1)
		switch (key) {
		case CONFIG:
			config = arg;
			break;
		case TRIGGER:
			if (!bk_name_ok(arg))
				bk_usage("--trigger '%s' is no word", arg);
			r->trigger = arg;
			break;
		case SLOT:
			r->slot = time_arg("slot", arg);
			break;
		case UNTIL:
			r->until = time_arg("until", arg);
			break;
		case LEASED:
			r->leased = true;
			break;
		case LOOK:
			look = true;
			break;
		case REQUESTS:
			requests = arg;
			break;
		default:
			if (!bk_ulid_ok(arg))
				bk_usage("--run '%s' is no ULID", arg);
			memcpy(r->id, arg, sizeof(r->id));
			break;
		}
}

/* One job; its records join ${members}, unless it has none to give. */
static int
one(struct bk_run *r, const struct bk_job *job, json_t *members, bool *all,
    struct bk_fault *f)
{
	struct bk_runjob j;
	int status = -1;

	if (bk_runjob_open(&j, r, job, f) == 0) {
		status = bk_runjob_run(&j);
		if (j.outcome != BK_LEDGER_COMMITTED)
			*all = false;
		if (json_array_extend(members, j.records) == -1 ||
		    bk_run_tell(&j, f) == -1)
			*all = false;
	}
	bk_runjob_close(&j);
	return status == -1 ? f->status : status;
}

/* The job and those that it leads. */
static int
run_all(struct bk_run *r, const struct bk_job *job, struct bk_fault *f)
{
	json_t *members = json_array();
	bool all = true, group = job->group != NULL && job->leader == job;
	int status, s;
	size_t i;

	if (members == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return BK_IO;
	}
	status = one(r, job, members, &all, f);
	for (i = 0; group && i < r->all->njobs; i++)
		if (&r->all->jobs[i] != job && r->all->jobs[i].leader == job &&
		    (s = one(r, &r->all->jobs[i], members, &all, f)) != 0 &&
		    status == 0)
			status = s;
	if (group && all && json_array_size(members) > 0 &&
	    bk_run_group_end(r, job, members, f) == -1) {
		r->ctx.log(BK_LOG_ERROR, "group '%s': %s", job->group, f->text);
		status = status == 0 ? f->status : status;
		bk_fault_clear(f);
	} else if (group && !all && json_array_size(members) > 0)
		r->ctx.log(BK_LOG_WARN, "group '%s': this run is not whole",
		    job->group);
	json_decref(members);
	return status;
}

/* What was asked for: a job, or the requests of a store. */
static int
run(struct bk_run *r, const char *title, struct bk_fault *f)
{
	const struct bk_job_store *store;
	const struct bk_job *job;

	if (title != NULL) {
		if ((job = bk_jobs_find(r->all, title, f)) == NULL)
			return -1;
		if (look)
			return bk_run_look(r, job, f);
		return job->lease != NULL && !r->leased ?
		    bk_run_under_lease(r, job, f) : run_all(r, job, f);
	}
	if ((store = bk_jobs_store(r->all, requests)) == NULL)
		return bk_fault_set(f, BK_NOINPUT, "there is no store '%.80s' in "
		    "'%s'", requests, r->all->path);
	return bk_run_requests(r, store, f);
}

int
main(int argc, char *argv[])
{
	static struct bk_run r = BK_RUN_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_jobs *jobs = NULL;
	char **words;
	int status = 0;

	bk_init(&prog, argc, argv);
	options(&r);
	if (bk_operands(&words) != (requests == NULL ? 1 : 0))
		bk_usage("want the name of one job, or --requests STORE");
	if (bk_run_open(&r, bk_ctx, &f) == 0 &&
	    (r.all = jobs = bk_jobs_load(&r.ctx, config, &f)) != NULL &&
	    bk_run_talk(&r, &f) == 0)
		status = run(&r, words[0], &f);
	bk_run_talk_end(&r);
	bk_jobs_free(jobs);
	return bk_faulty(&f) ? bk_exit(&f) : status;
}
