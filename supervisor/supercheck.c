/*
 * --check: what the schedule file says, as the supervisor understands it.
 */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "child.h"
#include "io.h"
#include "json.h"
#include "super.h"
#include "table.h"
#include "when.h"
#include "zone.h"

#define TEXT_MAX (16 << 20)
#define PRUNE_MS 30000
#define DUE_LEN 32

/* The word ${name} that counts for the job. */
static const struct bk_conf_word *
word_of(const struct bk_sup *s, const struct bk_job *job, const char *name)
{
	const struct bk_conf *c = s->jobs->conf;
	const struct bk_conf_word *w = NULL;
	size_t i;

	for (i = 1; i < c->nsecs && w == NULL; i++)
		if (c->secs[i].kind == BK_CONF_JOB &&
		    strcmp(c->secs[i].title, job->title) == 0)
			w = bk_conf_word(&c->secs[i], name);
	return w != NULL ? w : bk_conf_word(&c->secs[0], name);
}

/*
 * The words of "keep" are bk-prune's: it says whether it takes them, before it
 * looks for a store, and there is none here.
 */
static int
check_keep(const struct bk_sup *s, const struct bk_job *job,
    struct bk_fault *f)
{
	const struct bk_conf_word *w = word_of(s, job, "keep");
	struct bk_buf prog = BK_BUF_INIT(4096), tail = BK_BUF_INIT(BK_TAIL_MAX);
	struct bk_buf out = BK_BUF_INIT(TEXT_MAX);
	struct bk_args a = BK_ARGS_INIT;
	struct bk_child_spec spec = { .in = -1,
		.deadline = s->ctx->mono() + PRUNE_MS };
	const char *said;
	int rc = -1;

	if (bk_buf_addf(&prog, f, "%s/bk-prune", s->ctx->bindir) == -1 ||
	    bk_args_add(&a, prog.p, f) == -1 ||
	    bk_args_add(&a, "file:///dev/null/none", f) == -1 ||
	    bk_args_opt(&a, "--name", job->name, f) == -1 ||
	    bk_args_add(&a, "--dry-run", f) == -1 ||
	    bk_args_all(&a, job->keep.v, f) == -1)
		goto out;
	spec.argv = bk_args_argv(&a);
	if ((rc = bk_child_capture(s->ctx, &spec, NULL, &out, &tail, f)) == -1)
		goto out;
	said = strstr(bk_buf_text(&tail), ": ");
	rc = rc != BK_USAGE || w == NULL ? 0 : bk_conf_fault(f, w->file, w->line,
	    "keep: %.*s", (int)strcspn(said != NULL ? said + 2 : "wrong", "\n"),
	    said != NULL ? said + 2 : "wrong");
out:
	bk_args_release(&a);
	bk_buf_release(&prog);
	bk_buf_release(&tail);
	bk_buf_release(&out);
	return rc;
}

/* "2026-11-22 03:15 +0100", by the job's own clocks. */
static void
local_time(const struct bk_sup *s, const struct bk_job *job, int64_t t,
    char out[DUE_LEN])
{
	const struct bk_zone *z = bk_due_job_zone(s->due, job);
	struct bk_date d = bk_zone_date(z, t);
	int east = bk_zone_offset(z, t) / 60, w;

	w = snprintf(out, DUE_LEN, "%04d-%02d-%02d %02d:%02d:%02d %c%02d%02d",
	    d.year, d.month, d.day, d.hour, d.minute, d.second,
	    east < 0 ? '-' : '+', (east < 0 ? -east : east) / 60,
	    (east < 0 ? -east : east) % 60);
	if (w < 0)
		out[0] = '\0';
}

static int
add_job(const struct bk_sup *s, const struct bk_sup_task *t,
    struct bk_buf *out, struct bk_fault *f)
{
	struct bk_due_time due = bk_due_next(s->due, t->job,
	    bk_ledger_find(s->states, s->nstates, t->job->title), s->ctx->now());
	int64_t max_age = bk_due_max_age(s->due, t->job);
	char when[DUE_LEN] = "-", age[24];

	if (due.at <= s->ctx->now())
		memcpy(when, "now", sizeof("now"));
	else if (due.at != BK_DUE_NEVER)
		local_time(s, t->job, due.at, when);
	if (bk_buf_addf(out, f, "%-20s  %-25s  %s", t->job->title, when,
	    bk_due_word(due.why)) == -1)
		return -1;
	if (due.at != BK_DUE_NEVER && due.until != 0) {
		local_time(s, t->job, due.until, when);
		if (bk_buf_addf(out, f, ", then %s", when) == -1)
			return -1;
	}
	if (max_age > 0 && bk_buf_addf(out, f, "; stale after %s",
	    bk_age_text(max_age, age)) == -1)
		return -1;
	return bk_buf_adds(out, "\n", f);
}

/* What is allowed, and may not be meant. */
static int
add_warnings(const struct bk_sup *s, const struct bk_job *job,
    struct bk_buf *out, struct bk_fault *f)
{
	bool timed = job->schedule != NULL || job->watch != NULL ||
	    job->at_start;
	int rc = 0;

	if (job->nsources > 0 && job->keep.n == 0)
		rc = bk_buf_addf(out, f, "warning: job '%s' never prunes: it has "
		    "no 'keep'\n", job->title);
	if (rc == 0 && timed && job->nsources > 0 &&
	    bk_due_max_age(s->due, job) == 0)
		rc = bk_buf_addf(out, f, "warning: job '%s' is never called stale: "
		    "%s\n", job->title, job->max_age == 0 ? "its 'max-age' is 0" :
		    "it has neither 'schedule' nor 'max-age'");
	return rc;
}

static int
text(const struct bk_sup *s, struct bk_buf *out, struct bk_fault *f)
{
	const struct bk_jobs *j = s->jobs;
	size_t i;
	int rc;

	rc = bk_buf_addf(out, f, "%s: %zu job%s, %zu store%s, zone %s\n", j->path,
	    j->njobs, j->njobs == 1 ? "" : "s", j->nstores,
	    j->nstores == 1 ? "" : "s", bk_due_zone(s->due));
	if (rc == 0 && j->njobs == 0)
		rc = bk_buf_adds(out, "warning: there is no job: nothing is backed "
		    "up\n", f);
	for (i = 0; i < j->njobs && rc == 0; i++)
		rc = add_job(s, &s->tasks[i], out, f);
	for (i = 0; i < j->njobs && rc == 0; i++)
		rc = add_warnings(s, &j->jobs[i], out, f);
	return rc;
}

static int
job_object(const struct bk_sup *s, const struct bk_sup_task *t,
    struct bk_buf *out, struct bk_fault *f)
{
	struct bk_due_time due = bk_due_next(s->due, t->job,
	    bk_ledger_find(s->states, s->nstates, t->job->title), s->ctx->now());
	int64_t max_age = bk_due_max_age(s->due, t->job);
	char when[BK_TIME_LEN], then[BK_TIME_LEN];
	json_t *o = json_object();
	int rc = -1;

	if (o == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if (bk_json_set_text(o, "job", t->job->title, f) == 0 &&
	    (due.at == BK_DUE_NEVER || bk_json_set_text(o, "due",
	    bk_time_text(due.at, when), f) == 0) &&
	    bk_json_set_text(o, "why", bk_due_word(due.why), f) == 0 &&
	    (due.until == 0 || bk_json_set_text(o, "then",
	    bk_time_text(due.until, then), f) == 0) &&
	    bk_json_set_text(o, "zone", bk_zone_name(bk_due_job_zone(s->due,
	    t->job)), f) == 0 &&
	    (max_age == 0 || bk_json_set(o, "max-age", json_integer(max_age),
	    f) == 0) &&
	    bk_json_set(o, "prunes", json_boolean(t->job->keep.n > 0), f) == 0 &&
	    bk_json_text(o, out, f) == 0)
		rc = bk_buf_adds(out, "\n", f);
	json_decref(o);
	return rc;
}

int
bk_sup_check(const struct bk_sup *s, bool json, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(TEXT_MAX);
	size_t i;
	int rc = 0;

	for (i = 0; i < s->jobs->njobs && rc == 0; i++)
		if (s->jobs->jobs[i].keep.n > 0)
			rc = check_keep(s, &s->jobs->jobs[i], f);
	if (rc == 0 && !json)
		rc = text(s, &out, f);
	for (i = 0; i < s->jobs->njobs && rc == 0 && json; i++)
		rc = job_object(s, &s->tasks[i], &out, f);
	if (rc == 0)
		rc = bk_write_all(1, bk_buf_text(&out), out.len,
		    "standard output", f);
	bk_buf_release(&out);
	return rc;
}
