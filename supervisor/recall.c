/*
 * The plan: parts, targets, and the backups that go there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "recall.h"

#define LIST_MAX (16 << 20)
#define LIST_MS 900000

static int
add_parts(struct bk_recall *c, const struct bk_job *job, struct bk_fault *f)
{
	struct bk_recall_part *p;
	size_t i;

	if (job->sources == NULL)
		return bk_fault_set(f, BK_USAGE,
		    "job '%s' has no source, so there is nothing to restore",
		    job->title);
	for (i = 0; i < job->nsources; i++) {
		if (bk_job_each(job, i))
			return bk_fault_set(f, BK_USAGE, "job '%s' backs up each "
			    "database under a name of its own: bk restore STORE "
			    "--name %s-DATABASE --into URL", job->title, job->name);
		if ((p = realloc(c->part, (c->n + 1) * sizeof(*p))) == NULL)
			return bk_fault_errno(f, BK_IO, ENOMEM, "the plan");
		c->part = p;
		p[c->n] = (struct bk_recall_part){ .job = job, .source = i,
			.target = job->sources[i], .live = true };
		bk_job_name(job, i, p[c->n++].name);
	}
	return 0;
}

/* Give "NAME=URL", or a "URL" that stands for all, its part. */
static int
redirect(struct bk_recall *c, const char *into, struct bk_fault *f)
{
	const char *eq = strchr(into, '=');
	char name[BK_NAME_MAX + 1] = "";
	size_t i, n = eq != NULL ? (size_t)(eq - into) : 0;

	if (n > 0 && n < sizeof(name)) {
		memcpy(name, into, n);
		name[n] = '\0';
	}
	if (!bk_name_ok(name)) {
		if (c->n != 1)
			return bk_fault_set(f, BK_USAGE, "there are %zu targets: "
			    "want --into NAME=URL, such as --into %s=%s", c->n,
			    c->part[0].name, into);
		c->part[0].target = into;
		c->part[0].live = false;
		return 0;
	}
	for (i = 0; i < c->n; i++)
		if (strcmp(c->part[i].name, name) == 0) {
			c->part[i].target = eq + 1;
			c->part[i].live = false;
			return 0;
		}
	return bk_fault_set(f, BK_USAGE, "--into '%.100s': no backup is called "
	    "'%s'", into, name);
}

int
bk_recall_plan(struct bk_recall *c, struct bk_fault *f)
{
	const struct bk_jobs *all = c->run->all;
	const char *const *into;
	size_t i;

	if (c->job != NULL && add_parts(c, c->job, f) == -1)
		return -1;
	for (i = 0; c->group != NULL && i < all->njobs; i++)
		if (all->jobs[i].group != NULL &&
		    strcmp(all->jobs[i].group, c->group) == 0 &&
		    add_parts(c, &all->jobs[i], f) == -1)
			return -1;
	if (c->n == 0)
		return bk_fault_set(f, BK_NOINPUT, "no job of '%s' is of group "
		    "'%.64s'", all->path, c->group);
	if (c->id != NULL && c->n != 1)
		return bk_fault_set(f, BK_USAGE,
		    "--id names one backup, but there are %zu to restore: "
		    "want --at", c->n);
	for (into = c->into; *into != NULL; into++)
		if (redirect(c, *into, f) == -1)
			return -1;
	return 0;
}

void
bk_recall_release(struct bk_recall *c)
{
	free(c->part);
	c->part = NULL;
	c->n = 0;
}

/* What bk-list prints of ${store}, for ${name} or the group.  Its status. */
static int
list(struct bk_recall *c, const struct bk_job_store *store, const char *name,
    struct bk_buf *out, struct bk_fault *f)
{
	struct bk_args a = BK_ARGS_INIT;
	struct bk_run *r = c->run;
	int rc = -1;

	bk_buf_reset(out);
	if (bk_run_own(r, "bk-list", &a, f) == 0 &&
	    bk_args_add(&a, "--json", f) == 0 &&
	    bk_args_opt(&a, name != NULL ? "--name" : "--group", name != NULL ?
	    name : c->group, f) == 0 &&
	    bk_args_opt(&a, "--id", c->id, f) == 0 &&
	    bk_args_opt(&a, "--at", c->at, f) == 0 &&
	    (c->id != NULL || c->at != NULL ||
	    bk_args_add(&a, "--latest", f) == 0) &&
	    bk_args_add(&a, store->url, f) == 0)
		rc = bk_run_program(r, &a, NULL, NULL, out, r->ctx.mono() +
		    LIST_MS, f);
	bk_args_release(&a);
	return rc;
}

static int
take(struct bk_recall_part *p, const json_t *o, const struct bk_job_store *store,
    struct bk_fault *f)
{
	const char *id = bk_json_get_text(o, "id");
	const char *time = bk_json_get_text(o, "time");

	if (id == NULL || !bk_ulid_ok(id) || time == NULL ||
	    strlen(time) >= sizeof(p->time))
		return bk_fault_set(f, BK_DATA, "bk-list gave no record");
	memcpy(p->id, id, sizeof(p->id));
	memcpy(p->time, time, strlen(time) + 1);
	p->bytes = bk_json_get_int(o, "bytes");
	p->store = store;
	return 0;
}

/* Each record of ${out} to the part of its name among ${n} at ${part}. */
static int
take_all(struct bk_recall_part *part, size_t n, const struct bk_buf *out,
    const struct bk_job_store *store, struct bk_fault *f)
{
	const char *p, *nl, *name;
	json_t *o;
	size_t i;
	int rc = 0;

	for (p = bk_buf_text(out); rc == 0 && (nl = strchr(p, '\n')) != NULL;
	    p = nl + 1) {
		if ((o = bk_json_parse(p, (size_t)(nl - p), "bk-list", f)) == NULL)
			return -1;
		name = bk_json_get_text(o, "name");
		for (i = 0; name != NULL && i < n; i++)
			if (strcmp(part[i].name, name) == 0)
				break;
		if (name != NULL && i == n)
			rc = bk_fault_set(f, BK_CONFIG, "the run has a backup "
			    "'%.64s', which no job of the group makes", name);
		else if (name != NULL)
			rc = take(&part[i], o, store, f);
		json_decref(o);
	}
	return rc;
}

/*
 * Look in each store in turn for the ${n} parts at ${part}: the one of
 * ${name}, or all of a group.  A store that cannot be read does not keep the
 * next from being asked.
 */
static int
find(struct bk_recall *c, struct bk_recall_part *part, size_t n,
    const char *name, struct bk_fault *f)
{
	const struct bk_job *job = part->job->leader;
	size_t i, nstores = c->store != NULL ? 1 : name != NULL ?
	    part->job->nstores : job->nstores;
	struct bk_buf out = BK_BUF_INIT(LIST_MAX);
	struct bk_fault own = BK_FAULT_INIT;
	const struct bk_job_store *s = NULL;
	int rc = 1, worst = BK_NO;
	bool found = false;

	for (i = 0; i < nstores && !found; i++) {
		s = c->store != NULL ? c->store : name != NULL ?
		    part->job->stores[i] : job->stores[i];
		bk_fault_clear(&own);
		rc = list(c, s, name, &out, &own);
		found = rc == 0;
		if (found && take_all(part, n, &out, s, f) == -1)
			break;
		if (rc != 0 && rc != BK_NO)
			worst = rc == -1 ? own.status : rc;
	}
	bk_buf_release(&out);
	if (bk_faulty(f) || found)
		return bk_faulty(f) ? -1 : 0;
	if (bk_faulty(&own))
		return bk_fault_set(f, own.status, "%s", own.text);
	if (worst != BK_NO)
		return bk_fault_set(f, worst, "store '%s' could not be listed",
		    s->name);
	return bk_fault_set(f, BK_NOINPUT, "%s '%s' has no such backup in %s%s%s",
	    name != NULL ? "job" : "group", name != NULL ? part->job->title :
	    c->group, nstores == 1 ? "store '" : "its stores",
	    nstores == 1 ? s->name : "", nstores == 1 ? "'" : "");
}

int
bk_recall_find(struct bk_recall *c, struct bk_fault *f)
{
	size_t i, n = 0;

	if (c->group != NULL) {
		if (find(c, c->part, c->n, NULL, f) == -1)
			return -1;
	} else
		for (i = 0; i < c->n; i++)
			if (find(c, &c->part[i], 1, c->part[i].name, f) == -1)
				return -1;
	for (i = 0; i < c->n; i++)
		if (c->part[i].store == NULL)
			c->run->ctx.log(BK_LOG_WARN, "the run has no backup "
			    "'%s': it is left out", c->part[i].name);
		else
			c->part[n++] = c->part[i];
	c->n = n;
	return 0;
}
