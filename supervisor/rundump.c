/*
 * The pipelines of a job: for each source bk-dump, the filters, bk-put to all
 * stores at once.  What is retried goes only to those that lack it: with no
 * store that has the backup the pipeline runs again, else bk-copy brings the
 * same backup to the others.
 */
#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "io.h"
#include "json.h"
#include "pipeline.h"
#include "run.h"
#include "uri.h"

#define WAIT_MAX (10 * 60 * 1000)
#define GRACE_MS 30000		/* bk-dump keeps the time limit itself, and says so */
#define LIST_MAX (1 << 20)

/* One source on its way. */
struct source {
	struct bk_runjob *j;
	const char *name, *url;
	char sha256[65];		/* of the last backup; "" unless asked for */
	json_t *found;			/* records of the last attempt */
};

/* An increment's parent is looked for in all the stores that it goes to. */
static int
add_stores(const struct source *s, struct bk_args *a, struct bk_fault *f)
{
	const struct bk_job *job = s->j->job;
	size_t i;

	for (i = 0; bk_uri_has(s->url, "parent") && i < job->nstores; i++)
		if (bk_args_opt(a, "--store", job->stores[i]->url, f) == -1)
			return -1;
	return 0;
}

static int
add_dump(const struct source *s, struct bk_args *a, struct bk_fault *f)
{
	const struct bk_job *job = s->j->job;
	const struct bk_run *r = s->j->run;
	struct bk_buf limit = BK_BUF_INIT(32);
	char *const *tag;
	int rc = -1;

	if (bk_buf_addf(&limit, f, "%lldms", (long long)job->timeout) == -1 ||
	    bk_run_own(r, "bk-dump", a, f) == -1 ||
	    bk_args_opt(a, "--name", s->name, f) == -1 ||
	    bk_args_opt(a, "--trigger", r->trigger, f) == -1 ||
	    bk_args_opt(a, "--run", r->id, f) == -1 ||
	    bk_args_opt(a, "--group", job->group, f) == -1 ||
	    bk_args_opt(a, "--timeout", limit.p, f) == -1 ||
	    bk_args_opt(a, "--max-bytes", job->max_bytes, f) == -1 ||
	    bk_args_opt(a, "--source-env", job->source_env, f) == -1 ||
	    bk_args_opt(a, "--unless-sha256", s->sha256[0] != '\0' ?
	    s->sha256 : NULL, f) == -1 ||
	    (job->allow_empty && bk_args_add(a, "--allow-empty", f) == -1) ||
	    (job->skip_unreadable &&
	    bk_args_add(a, "--skip-unreadable", f) == -1))
		goto out;
	for (tag = job->exclude; tag != NULL && *tag != NULL; tag++)
		if (bk_args_opt(a, "--exclude", *tag, f) == -1)
			goto out;
	for (tag = job->tags; tag != NULL && *tag != NULL; tag++)
		if (bk_args_opt(a, "--tag", *tag, f) == -1)
			goto out;
	if (add_stores(s, a, f) == -1 || bk_args_add(a, s->url, f) == -1 ||
	    ((job->command != NULL || job->options != NULL) &&
	    bk_args_add(a, "--", f) == -1))
		goto out;
	rc = bk_args_all(a, job->command != NULL ? job->command : job->options,
	    f);
out:
	bk_buf_release(&limit);
	return rc;
}

/* Take the records out of what bk-put printed into ${fd}. */
static int
collect(int fd, json_t *found, struct bk_fault *f)
{
	struct bk_rbuf *b = NULL;
	const char *p;
	json_t *o;
	size_t n;
	int rc = -1;

	if (lseek(fd, 0, SEEK_SET) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot read the records");
	if ((b = bk_rbuf_new(fd, "the records", f)) == NULL)
		return -1;
	while ((rc = bk_rbuf_line(b, &p, &n, f)) == BK_MORE) {
		if ((o = bk_json_parse(p, n, "record", f)) == NULL) {
			rc = -1;
			break;
		}
		rc = bk_json_get_text(o, "id") == NULL ? 0 :
		    bk_json_push(found, json_incref(o), f);
		json_decref(o);
		if (rc == -1)
			break;
	}
	bk_rbuf_free(b);
	return rc;
}

/* Every stage of ${a} (${n} of them), and the records that came of it. */
static int
pipeline(struct source *s, const struct bk_args *a, size_t n,
    struct bk_fault *f)
{
	const char *const *stages[BK_PIPELINE_MAX];
	struct bk_fault late = BK_FAULT_INIT;
	struct bk_run *r = s->j->run;
	struct bk_pipeline p = { .stages = stages, .n = n, .in = -1,
		.deadline = s->j->deadline + GRACE_MS, .stop = r->stop,
		.secret = s->j->job->source_env };
	size_t i;

	for (i = 0; i < n; i++)
		stages[i] = bk_args_argv(&a[i]);
	if ((p.out = memfd_create("records", MFD_CLOEXEC)) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot make a memory file");
	if (bk_pipeline_exec(&r->ctx, &p, f) == -1 && f->upstream)
		bk_run_reason(r, f);
	/* Also where a stage failed: one store may have it. */
	if (collect(p.out, s->found, &late) == -1)
		(void)bk_fault_set(f, late.status, "%s", late.text);
	(void)close(p.out);
	if (!bk_faulty(f) && json_array_size(s->found) < s->j->job->nstores)
		(void)bk_fault_set(f, BK_BUG, "every stage exited 0, but %zu of "
		    "%zu records came", json_array_size(s->found),
		    s->j->job->nstores);
	return bk_faulty(f) ? -1 : 0;
}

static int
attempt(struct source *s, struct bk_fault *f)
{
	struct bk_args a[BK_PIPELINE_MAX] = { BK_ARGS_INIT };
	const struct bk_job *job = s->j->job;
	const struct bk_run *r = s->j->run;
	size_t i, n = 0;
	int rc = add_dump(s, &a[n++], f);

	for (i = 0; i < job->npipeline && rc == 0; i++)
		rc = bk_run_words(r, &job->pipeline[i], &a[n++], f);
	if (rc == 0)
		rc = bk_run_own(r, "bk-put", &a[n++], f);
	if (rc == 0 && job->lease != NULL)
		rc = bk_args_add(&a[n - 1], "--lease", f);
	for (i = 0; i < job->nstores && rc == 0; i++)
		rc = bk_args_add(&a[n - 1], job->stores[i]->url, f);
	if (rc == 0)
		rc = pipeline(s, a, n, f);
	for (i = 0; i < n; i++)
		bk_args_release(&a[i]);
	return rc;
}

/* The last backup's hash, where all stores have the same one last. */
static void
last_hash(struct source *s)
{
	const struct bk_job *job = s->j->job;
	struct bk_buf out = BK_BUF_INIT(LIST_MAX);
	struct bk_fault quiet = BK_FAULT_INIT;
	const char *sum;
	json_t *o;
	size_t i;

	for (i = 0; i < job->nstores; i++) {
		bk_buf_reset(&out);
		o = bk_run_list(s->j, s->name, job->stores[i]->url, "--latest", NULL, &out,
		    &quiet) == 0 ? bk_run_first_record(&out) : NULL;
		sum = bk_json_get_text(json_array_get(json_object_get(o, "stages"),
		    0), "sha256");
		if (sum == NULL || strlen(sum) != 64 ||
		    (i > 0 && strcmp(sum, s->sha256) != 0)) {
			s->sha256[0] = '\0';
			json_decref(o);
			break;
		}
		memcpy(s->sha256, sum, 65);
		json_decref(o);
	}
	bk_buf_release(&out);
}

/*
 * Bring backup ${id}, which some store has, to those that lack it.  0 when
 * all have it; -1 with ${f} set.
 */
static int
spread(struct source *s, const char *id, struct bk_fault *f)
{
	const struct bk_job *job = s->j->job;
	struct bk_run *r = s->j->run;
	struct bk_buf out = BK_BUF_INIT(LIST_MAX);
	struct bk_args a = BK_ARGS_INIT;
	const char *from = NULL;
	bool has[256] = { false };
	size_t i;
	int rc = 0;

	for (i = 0; i < job->nstores && i < 256; i++) {
		bk_buf_reset(&out);
		rc = bk_run_list(s->j, s->name, job->stores[i]->url, "--id", id, &out, f);
		if (rc == -1)
			goto out;
		if ((has[i] = rc == 0))
			from = job->stores[i]->url;
	}
	for (rc = 0, i = 0; i < job->nstores && i < 256 && from != NULL; i++) {
		if (has[i])
			continue;
		bk_args_release(&a);
		if (bk_run_own(r, "bk-copy", &a, f) == -1 ||
		    bk_args_add(&a, from, f) == -1 ||
		    bk_args_add(&a, job->stores[i]->url, f) == -1 ||
		    bk_args_opt(&a, "--id", id, f) == -1) {
			rc = -1;
			break;
		}
		bk_buf_reset(&out);
		rc = bk_run_program(r, &a, NULL, NULL, &out, s->j->deadline, f);
		if (rc > 0)
			rc = bk_fault_set(f, rc <= 127 ? rc : BK_DATA,
			    "bk-copy to store '%s' exited %d",
			    job->stores[i]->name, rc);
		if (rc == -1)
			break;
	}
	if (from == NULL)
		rc = bk_fault_set(f, BK_UNAVAILABLE,
		    "no store can be read that has backup %s", id);
out:
	bk_args_release(&a);
	bk_buf_release(&out);
	return rc;
}

/*
 * May the slot try again after this?  A program that is not there does not
 * come by itself, and others wait for the lock meanwhile.
 */
static bool
worth_it(const struct bk_fault *f)
{
	return (f->status == BK_UNAVAILABLE || f->status == BK_CANTCREATE ||
	    f->status == BK_IO) && strstr(f->text, BK_ABSENT_TEXT) == NULL;
}

/* Wait before the next try; false when there is no time left for one. */
static bool
again(struct source *s, int64_t *wait, int64_t *limit, struct bk_fault *f)
{
	struct bk_runjob *j = s->j;
	const struct bk_ctx *ctx = &j->run->ctx;
	int64_t now = ctx->mono(), ms = *wait + *wait * (getpid() % 16) / 64;
	struct bk_fault stopped = BK_FAULT_INIT;

	if (*limit == 0) {
		*limit = now + j->job->retry;
		if (j->run->until != 0 && now + j->run->until - ctx->now() < *limit)
			*limit = now + j->run->until - ctx->now();
	}
	if (!worth_it(f) || now + ms >= *limit)
		return false;
	ctx->log(BK_LOG_WARN, "job '%s': %s; trying again in %lld s",
	    j->job->title, f->text, (long long)(ms + 999) / 1000);
	if (bk_run_wait(j->run, ms, &stopped) == -1) {
		*f = stopped;
		return false;
	}
	*wait = *wait * 3 > WAIT_MAX ? WAIT_MAX : *wait * 3;
	j->deadline = ctx->mono() + j->job->timeout;
	return true;
}

/* Keep the record of the source; its store is that of all of them. */
static int
keep(struct source *s, struct bk_fault *f)
{
	json_t *o = json_copy(json_array_get(s->found, 0));

	if (o == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the records");
	(void)json_object_del(o, "store");
	return bk_json_push(s->j->records, o, f);
}

/* One source into all stores.  0, 1 unchanged, or -1 with ${f} set. */
static int
dump_source(struct bk_runjob *j, const char *name, const char *url,
    struct bk_fault *f)
{
	struct source s = { .j = j, .name = name, .url = url };
	int64_t wait = j->job->retry_wait, limit = 0;
	const char *id;
	int rc = -1;

	if (bk_json_push(j->names, json_string(name), f) == -1)
		return -1;
	if ((s.found = json_array()) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the records");
	if (j->job->unless_unchanged && j->job->nsources == 1 &&
	    j->job->group == NULL && !bk_job_each(j->job, 0))
		last_hash(&s);
	do {
		bk_fault_clear(f);
		id = bk_json_get_text(json_array_get(s.found, 0), "id");
		rc = id == NULL ? attempt(&s, f) : spread(&s, id, f);
	} while (rc == -1 && again(&s, &wait, &limit, f));
	if (rc == -1 && f->status == BK_NO && s.sha256[0] != '\0') {
		bk_fault_clear(f);
		rc = 1;
	}
	if (rc == 0)
		rc = keep(&s, f);
	json_decref(s.found);
	return rc;
}

/* Has the job a backup of this name in hand already? */
static bool
tried(const struct bk_runjob *j, const char *name)
{
	size_t i;

	for (i = 0; i < json_array_size(j->names); i++)
		if (strcmp(json_string_value(json_array_get(j->names, i)),
		    name) == 0)
			return true;
	return false;
}

/* One line of bk-dump --list: a fault of its own joins ${f}. */
static int
dump_part(struct bk_runjob *j, const json_t *part, struct bk_fault *f)
{
	const char *db = bk_json_get_text(part, "name");
	const char *url = bk_json_get_text(part, "source");
	struct bk_buf name = BK_BUF_INIT(8192);
	struct bk_fault own = BK_FAULT_INIT;
	char word[BK_NAME_MAX + 1] = "";
	int rc = -1;

	if (db == NULL || url == NULL)
		(void)bk_fault_set(&own, BK_BUG, "bk-dump --list: no names");
	else if (bk_buf_addf(&name, &own, "%s%s%s", j->job->name,
	    *db == '.' ? "" : "-", db) == 0) {
		bk_name_from(name.p, word);
		rc = tried(j, word) ? bk_fault_set(&own, BK_CONFIG,
		    "two databases give backups of one name, '%s'", word) :
		    dump_source(j, word, url, &own);
	}
	bk_run_cause(j, &own);
	if (rc == -1)
		(void)bk_fault_set(f, own.status, "%s: %s", word, own.text);
	bk_buf_release(&name);
	return rc;
}

/*
 * The databases of a server: bk-dump --list prints {"name":…,"source":…} for
 * each, and the roles last, under the name ".roles".
 */
static int
dump_each(struct bk_runjob *j, const char *url, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(LIST_MAX);
	struct bk_args a = BK_ARGS_INIT;
	const char *p, *nl;
	bool failed = false;
	json_t *o;
	int rc = -1;

	if (bk_run_own(j->run, "bk-dump", &a, f) == -1 ||
	    bk_args_opt(&a, "--source-env", j->job->source_env, f) == -1 ||
	    bk_args_add(&a, "--list", f) == -1 || bk_args_add(&a, url, f) == -1)
		goto out;
	rc = bk_run_program(j->run, &a, NULL, NULL, &out, j->deadline, f);
	if (rc > 0) {
		rc = bk_fault_set(f, rc <= 127 ? rc : BK_DATA,
		    "bk-dump --list exited %d", rc);
		bk_run_reason(j->run, f);
	}
	for (p = bk_buf_text(&out); rc == 0 && *p != '\0'; p = nl + 1) {
		nl = strchr(p, '\n');
		if (nl == NULL || (o = bk_json_parse(p, (size_t)(nl - p),
		    "bk-dump --list", f)) == NULL) {
			rc = bk_fault_set(f, BK_BUG, "bk-dump --list: a torn line");
			break;
		}
		/* One that fails does not keep the next from being tried. */
		if (dump_part(j, o, f) == -1)
			failed = true;
		json_decref(o);
		if (j->run->signal != 0)
			break;
	}
	if (failed)
		rc = -1;
out:
	bk_buf_release(&out);
	bk_args_release(&a);
	return rc;
}

/* A limit that was reached is named. */
static void
name_limit(const struct bk_job *job, struct bk_fault *f)
{
	if (strcmp(f->text, "bk-dump: timeout") != 0)
		return;
	bk_fault_clear(f);
	(void)bk_fault_set(f, BK_DATA, "bk-dump: timeout: the dump took longer "
	    "than the job's 'timeout', %llds", (long long)(job->timeout + 999) / 1000);
}

int
bk_run_dump(struct bk_runjob *j, struct bk_fault *f)
{
	char name[BK_NAME_MAX + 1];
	size_t i;
	int rc = 0;

	/* The next sources are not worth less than the first. */
	for (i = 0; i < j->job->nsources; i++) {
		struct bk_fault own = BK_FAULT_INIT;
		int one;

		j->deadline = j->run->ctx.mono() + j->job->timeout;
		bk_job_name(j->job, i, name);
		one = bk_job_each(j->job, i) ?
		    dump_each(j, j->job->sources[i], &own) :
		    dump_source(j, name, j->job->sources[i], &own);
		bk_run_cause(j, &own);
		name_limit(j->job, &own);
		if (one == -1)
			rc = bk_fault_set(f, own.status, "%s%s%s",
			    j->job->nsources > 1 ? name : "",
			    j->job->nsources > 1 ? ": " : "", own.text);
		else if (one == 1 && rc == 0)
			rc = 1;
		if (j->run->signal != 0)
			break;
	}
	return rc;
}
