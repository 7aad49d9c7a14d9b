/*
 * The jobs: the programs of their pipelines, their sources, their stores, and
 * the age of what they have stored.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "doctor.h"
#include "json.h"
#include "standing.h"
#include "table.h"

#define CLOCK_OFF 300000		/* past it bk-put corrects (DESIGN, 4) */

/* "NAME" where it is beside us or on PATH. */
static bool
there(const struct bk_doctor *d, const char *name)
{
	char path[PATH_MAX];

	if (strncmp(name, "bk-", 3) == 0 && strchr(name, '/') == NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", d->ctx->bindir, name);
		return access(path, X_OK) == 0;
	}
	return bk_tool_find(d->ctx, name, path, sizeof(path)) == 0;
}

void
bk_doctor_tools(struct bk_doctor *d)
{
	const struct bk_job *j;
	const char *missing;
	size_t i, k;

	for (i = 0; i < d->jobs->njobs; i++) {
		j = &d->jobs->jobs[i];
		if (!bk_doctor_wants(d, j))
			continue;
		missing = NULL;
		for (k = 0; k < j->npipeline && j->sources != NULL; k++)
			if (!there(d, j->pipeline[k].v[0]))
				missing = j->pipeline[k].v[0];
		for (k = 0; k < j->nruns; k++)
			if (!there(d, j->runs[k].v[0]))
				missing = j->runs[k].v[0];
		if (missing != NULL)
			bk_doctor_note(d, "tools", j->title, BK_FINDING_BAD,
			    "'%s' is not found", missing);
		else
			bk_doctor_note(d, "tools", j->title, BK_FINDING_OK,
			    "all programs of the job are there");
	}
}

static int
own(const struct bk_doctor *d, const char *name, struct bk_args *a,
    struct bk_fault *f)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", d->ctx->bindir, name);
	return bk_args_add(a, path, f);
}

/* What a good source says of itself. */
static void
describe(struct bk_doctor *d, const struct bk_job *j, const char *url,
    const json_t *o)
{
	const json_t *info = json_object_get(o, "info");
	const char *tool = bk_json_get_text(info, "tool");
	const char *server = bk_json_get_text(info, "server");

	bk_doctor_note(d, "source", j->title, BK_FINDING_OK, "%s%s%s%s%s", url,
	    server != NULL ? ", server " : "", server != NULL ? server : "",
	    tool != NULL ? ", " : "", tool != NULL ? tool : "");
}

static void
source(struct bk_doctor *d, const struct bk_job *j, size_t i)
{
	struct bk_args a = BK_ARGS_INIT;
	char why[BK_DOCTOR_WHY];
	json_t *o = NULL;
	size_t k;
	int rc;

	if (own(d, "bk-dump", &a, &d->fault) == -1 ||
	    bk_args_add(&a, "--check", &d->fault) == -1 ||
	    bk_args_opt(&a, "--timeout", "60s", &d->fault) == -1 ||
	    bk_args_opt(&a, "--source-env", j->source_env, &d->fault) == -1 ||
	    (j->allow_empty && bk_args_add(&a, "--allow-empty",
	    &d->fault) == -1))
		goto out;
	for (k = 0; j->exclude != NULL && j->exclude[k] != NULL; k++)
		if (bk_args_opt(&a, "--exclude", j->exclude[k], &d->fault) == -1)
			goto out;
	if (bk_args_add(&a, j->sources[i], &d->fault) == -1 ||
	    ((j->command != NULL || j->options != NULL) &&
	    bk_args_add(&a, "--", &d->fault) == -1) ||
	    bk_args_all(&a, j->command != NULL ? j->command : j->options,
	    &d->fault) == -1)
		goto out;
	if ((rc = bk_doctor_run(d, &a, &o, why)) == 0)
		describe(d, j, j->sources[i], o);
	else
		bk_doctor_note(d, "source", j->title, BK_FINDING_BAD,
		    "%s%s", why, rc > 0 ? "" : " (bk-dump --check)");
out:
	json_decref(o);
	bk_args_release(&a);
}

void
bk_doctor_sources(struct bk_doctor *d)
{
	const struct bk_job *j;
	size_t i, k;

	for (i = 0; i < d->jobs->njobs; i++) {
		j = &d->jobs->jobs[i];
		for (k = 0; bk_doctor_wants(d, j) && k < j->nsources; k++)
			source(d, j, k);
	}
}

/* Has a job that we look at, or a request, to do with this store? */
static bool
store_wanted(const struct bk_doctor *d, const struct bk_job_store *s)
{
	const struct bk_job *j;
	size_t i, k;

	for (i = 0; i < d->jobs->njobs; i++) {
		j = &d->jobs->jobs[i];
		if (!bk_doctor_wants(d, j))
			continue;
		if (j->lease == s)
			return true;
		for (k = 0; k < j->nstores; k++)
			if (j->stores[k] == s)
				return true;
	}
	for (i = 0; d->job == NULL && i < d->jobs->nrequests; i++)
		if (d->jobs->requests[i].store == s)
			return true;
	return false;
}

/* Are requests looked for there, or a lease held? */
static bool
wants_create_only(const struct bk_doctor *d, const struct bk_job_store *s)
{
	size_t i;

	for (i = 0; i < d->jobs->nrequests; i++)
		if (d->jobs->requests[i].store == s)
			return true;
	for (i = 0; i < d->jobs->njobs; i++)
		if (d->jobs->jobs[i].lease == s)
			return true;
	return false;
}

/* What bk-probe has learnt. */
static void
judge_store(struct bk_doctor *d, const struct bk_job_store *s, const json_t *o)
{
	const json_t *offset = json_object_get(o, "clock-offset");
	int64_t ms = json_integer_value(offset);
	bool create_only = json_is_true(json_object_get(o, "create-only"));
	char text[24];

	bk_doctor_note(d, "store", s->name, BK_FINDING_OK,
	    "%s can be read and written%s", bk_json_get_text(o, "store"),
	    create_only ? "" : "; create-only writes are not honoured");
	if (!create_only && wants_create_only(d, s))
		bk_doctor_note(d, "store", s->name, BK_FINDING_BAD,
		    "requests and leases want create-only writes, which it does "
		    "not honour");
	if (offset == NULL)
		return;
	(void)bk_age_text(ms < 0 ? -ms : ms, text);
	if (ms > CLOCK_OFF || ms < -CLOCK_OFF)
		bk_doctor_note(d, "clock", s->name, BK_FINDING_BAD,
		    "our clock is %s %s that of the store", text,
		    ms > 0 ? "behind" : "ahead of");
	else
		bk_doctor_note(d, "clock", s->name, BK_FINDING_OK,
		    "%s from that of the store", text);
}

void
bk_doctor_stores(struct bk_doctor *d)
{
	const struct bk_job_store *s;
	char why[BK_DOCTOR_WHY];
	json_t *o;
	size_t i;

	for (i = 0; i < d->jobs->nstores; i++) {
		struct bk_args a = BK_ARGS_INIT;

		s = &d->jobs->stores[i];
		if (!store_wanted(d, s))
			continue;
		if (own(d, "bk-probe", &a, &d->fault) == 0 &&
		    bk_args_opt(&a, "--timeout", "20s", &d->fault) == 0 &&
		    bk_args_add(&a, s->url, &d->fault) == 0) {
			if (bk_doctor_run(d, &a, &o, why) == 0 && o != NULL)
				judge_store(d, s, o);
			else
				bk_doctor_note(d, "store", s->name, BK_FINDING_BAD,
				    "%s", why);
			json_decref(o);
		}
		bk_args_release(&a);
	}
}

void
bk_doctor_fresh(struct bk_doctor *d)
{
	int64_t now = d->ctx->now();
	const struct bk_job *j;
	char age[24];
	size_t i;

	for (i = 0; i < d->jobs->njobs; i++) {
		struct bk_standing st = { .job = NULL };

		j = &d->jobs->jobs[i];
		if (!bk_doctor_wants(d, j) || j->sources == NULL)
			continue;
		st.job = j;
		st.interval = bk_due_interval(d->due, j);
		st.max_age = bk_due_max_age(d->due, j);
		/* Not from the ledger: a look into the stores is meant. */
		bk_standing_ledger(&st, NULL, now);
		bk_standing_stores(d->ctx, &st);
		if (st.warning[0] != '\0')
			bk_doctor_note(d, "age", j->title, BK_FINDING_BAD, "%s",
			    st.warning);
		else
			bk_doctor_note(d, "age", j->title, st.state >=
			    BK_STAND_SHRUNK ? BK_FINDING_BAD : BK_FINDING_OK,
			    "%s: %s%s%s%s%s%s", bk_stand_names[st.state],
			    st.good == 0 ? "there is no good backup" :
			    "the newest good backup is ", st.good == 0 ? "" :
			    bk_age_text(now > st.good ? now - st.good : 0, age),
			    st.good == 0 ? "" : " old", st.state ==
			    BK_STAND_SHRUNK ? "; the newest is much smaller than "
			    "those before it" : st.failed != 0 ?
			    "; the last run failed" : "", st.message[0] != '\0' ?
			    ": " : "", st.message);
	}
}
