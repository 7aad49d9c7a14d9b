/*
 * Finding jobs and stores, and what follows from a job alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "uri.h"

const struct bk_job_store *
bk_jobs_store(const struct bk_jobs *j, const char *name)
{
	size_t i;

	if (*name == '@')
		name++;
	for (i = 0; i < j->nstores; i++)
		if (strcmp(j->stores[i].name, name) == 0)
			return &j->stores[i];
	return NULL;
}

void
bk_jobs_free(struct bk_jobs *j)
{
	size_t i, k;

	if (j == NULL)
		return;
	for (i = 0; i < j->njobs; i++) {
		for (k = 0; j->jobs[i].pipeline != NULL &&
		    k < j->jobs[i].npipeline; k++)
			bk_words_release(&j->jobs[i].pipeline[k]);
		for (k = 0; j->jobs[i].runs != NULL && k < j->jobs[i].nruns; k++)
			bk_words_release(&j->jobs[i].runs[k]);
		free(j->jobs[i].pipeline);
		free(j->jobs[i].runs);
		free(j->jobs[i].stores);
		bk_words_release(&j->jobs[i].keep);
	}
	free(j->jobs);
	free(j->stores);
	free(j->requests);
	free(j->path);
	bk_conf_free(j->conf);
	free(j);
}

const struct bk_job *
bk_jobs_find(const struct bk_jobs *j, const char *title, struct bk_fault *f)
{
	const char **known, *near;
	size_t i;

	for (i = 0; i < j->njobs; i++)
		if (strcmp(j->jobs[i].title, title) == 0)
			return &j->jobs[i];
	if ((known = calloc(j->njobs + 1, sizeof(*known))) == NULL) {
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "the jobs");
		return NULL;
	}
	for (i = 0; i < j->njobs; i++)
		known[i] = j->jobs[i].title;
	near = bk_conf_nearest(title, known, j->njobs);
	(void)bk_fault_set(f, BK_NOINPUT, "there is no job '%.80s' in '%s'%s%s%s",
	    title, j->path, near != NULL ? "; do you mean '" : "",
	    near != NULL ? near : "", near != NULL ? "'?" : "");
	free(known);
	return NULL;
}

bool
bk_job_here(const struct bk_ctx *ctx, const struct bk_job *job)
{
	size_t i, n = strcspn(ctx->host, ".");

	if (job->hosts == NULL)
		return true;
	for (i = 0; job->hosts[i] != NULL; i++)
		if (strcmp(job->hosts[i], ctx->host) == 0 ||
		    (strlen(job->hosts[i]) == n &&
		    strncmp(job->hosts[i], ctx->host, n) == 0))
			return true;
	return false;
}

bool
bk_job_each(const struct bk_job *job, size_t i)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	bool yes;

	yes = bk_uri_parse(job->sources[i], &u, &f) == 0 &&
	    bk_uri_opt(&u, "each") != NULL;
	bk_uri_release(&u);
	return yes;
}

bool
bk_job_base(const struct bk_job *job, size_t i)
{
	static const char scheme[] = "postgres-base:";

	return strncmp(job->sources[i], scheme, sizeof(scheme) - 1) == 0;
}

void
bk_job_name(const struct bk_job *job, size_t i, char out[BK_NAME_MAX + 1])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	struct bk_buf b = BK_BUF_INIT(8192);
	const char *last = "";

	if (job->nsources > 1 && !bk_job_each(job, i) &&
	    bk_uri_parse(job->sources[i], &u, &f) == 0) {
		last = strrchr(u.path, '/') != NULL ? strrchr(u.path, '/') + 1 :
		    u.path;
		if (*last == '\0')
			last = u.scheme;
	}
	if (bk_buf_addf(&b, &f, "%s%s%s", job->name, *last != '\0' ? "-" : "",
	    last) == 0)
		bk_name_from(b.p, out);
	else
		memcpy(out, job->name, strlen(job->name) + 1);
	bk_buf_release(&b);
	bk_uri_release(&u);
}
