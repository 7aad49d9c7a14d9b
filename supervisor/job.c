/*
 * From words to jobs.  A table tells where each plain word goes; what needs
 * more thought (sources, stores, groups, locks) has its own function.
 */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "confwords.h"
#include "job.h"
#include "jobcheck.h"
#include "uri.h"
#include "when.h"

#define HOUR 3600000LL

enum type { TEXT, LIST, BOOL, DURATION };

static const struct {
	const char *name;
	enum type type;
	size_t at;
} plain[] = {
	{ "allow-empty", BOOL, offsetof(struct bk_job, allow_empty) },
	{ "always", TEXT, offsetof(struct bk_job, always) },
	{ "at-most-every", DURATION, offsetof(struct bk_job, at_most_every) },
	{ "at-start", BOOL, offsetof(struct bk_job, at_start) },
	{ "before", TEXT, offsetof(struct bk_job, before) },
	{ "command", LIST, offsetof(struct bk_job, command) },
	{ "exclude", LIST, offsetof(struct bk_job, exclude) },
	{ "group", TEXT, offsetof(struct bk_job, group) },
	{ "hold", TEXT, offsetof(struct bk_job, hold) },
	{ "hook-timeout", DURATION, offsetof(struct bk_job, hook_timeout) },
	{ "hosts", LIST, offsetof(struct bk_job, hosts) },
	{ "max-age", DURATION, offsetof(struct bk_job, max_age) },
	{ "max-bytes", TEXT, offsetof(struct bk_job, max_bytes) },
	{ "max-lag", DURATION, offsetof(struct bk_job, max_lag) },
	{ "max-unchanged", DURATION, offsetof(struct bk_job, max_unchanged) },
	{ "name", TEXT, offsetof(struct bk_job, name) },
	{ "on-failure", LIST, offsetof(struct bk_job, hooks[BK_HOOK_FAILURE]) },
	{ "on-stale", LIST, offsetof(struct bk_job, hooks[BK_HOOK_STALE]) },
	{ "on-start", LIST, offsetof(struct bk_job, hooks[BK_HOOK_START]) },
	{ "on-success", LIST, offsetof(struct bk_job, hooks[BK_HOOK_SUCCESS]) },
	{ "only-if", TEXT, offsetof(struct bk_job, only_if) },
	{ "options", LIST, offsetof(struct bk_job, options) },
	{ "ping", TEXT, offsetof(struct bk_job, ping) },
	{ "restore-always", TEXT, offsetof(struct bk_job, restore_always) },
	{ "restore-before", TEXT, offsetof(struct bk_job, restore_before) },
	{ "retry", DURATION, offsetof(struct bk_job, retry) },
	{ "retry-wait", DURATION, offsetof(struct bk_job, retry_wait) },
	{ "schedule", TEXT, offsetof(struct bk_job, schedule) },
	{ "settle", DURATION, offsetof(struct bk_job, settle) },
	{ "skip-unreadable", BOOL, offsetof(struct bk_job, skip_unreadable) },
	{ "source", LIST, offsetof(struct bk_job, sources) },
	{ "source-env", TEXT, offsetof(struct bk_job, source_env) },
	{ "spread", DURATION, offsetof(struct bk_job, spread) },
	{ "tags", LIST, offsetof(struct bk_job, tags) },
	{ "timeout", DURATION, offsetof(struct bk_job, timeout) },
	{ "unless-unchanged", BOOL, offsetof(struct bk_job, unless_unchanged) },
	{ "wal-check", DURATION, offsetof(struct bk_job, wal_check) },
	{ "watch", LIST, offsetof(struct bk_job, watch) },
};

/* One job on its way. */
struct making {
	struct bk_jobs *all;
	const struct bk_conf_sec *sec, *top;
	struct bk_job *job;
};

static int
no_memory(struct bk_fault *f)
{
	return bk_fault_errno(f, BK_IO, ENOMEM, "the schedule");
}

/* The word of the job, else that of the top where it is one for all jobs. */
static const struct bk_conf_word *
word(const struct making *m, const char *name)
{
	const struct bk_conf_word *w = bk_conf_word(m->sec, name);

	return w != NULL ? w : bk_conf_word(m->top, name);
}

/* Put the place of ${w} before the fault of another module. */
static int
at_word(const struct bk_conf_word *w, struct bk_fault *f)
{
	struct bk_fault own = *f;

	bk_fault_clear(f);
	return bk_conf_fault(f, w->file, w->line, "%s: %s", w->name, own.text);
}

static int
parse_duration(const struct bk_conf_word *w, int64_t *ms, struct bk_fault *f)
{
	/* "retry = 0" says never. */
	if (strcmp(w->v[0], "0") == 0) {
		*ms = 0;
		return 0;
	}
	return bk_duration_parse(w->v[0], ms, f) == -1 ? at_word(w, f) : 0;
}

static int
parse_bool(const struct bk_conf_word *w, bool *b, struct bk_fault *f)
{
	static const char *const yes[] = { "yes", "true", "on" };
	static const char *const no[] = { "no", "false", "off" };
	size_t i;

	for (i = 0; i < 3; i++) {
		if (strcmp(w->v[0], yes[i]) == 0)
			*b = true;
		else if (strcmp(w->v[0], no[i]) == 0)
			*b = false;
		else
			continue;
		return 0;
	}
	return bk_conf_fault(f, w->file, w->line, "%s is '%.64s'; want yes or no",
	    w->name, w->v[0]);
}

static int
take_plain(struct making *m, struct bk_fault *f)
{
	const struct bk_conf_word *w;
	size_t i, v;
	char *to;

	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if ((w = word(m, plain[i].name)) == NULL)
			continue;
		to = (char *)m->job + plain[i].at;
		for (v = 0; v < w->n; v++)
			if (*w->v[v] == '\0')
				return bk_conf_fault(f, w->file, w->line,
				    "%s: a value is empty", w->name);
		switch (plain[i].type) {
		case TEXT:
			memcpy(to, &w->v[0], sizeof(w->v[0]));
			break;
		case LIST:
			if (w->n > 0)
				memcpy(to, &w->v, sizeof(w->v));
			break;
		case BOOL:
			if (parse_bool(w, (bool *)to, f) == -1)
				return -1;
			break;
		default:
			/* at is that of an int64_t. */
			if (parse_duration(w, (int64_t *)(void *)to, f) == -1)
				return -1;
			break;
		}
	}
	return 0;
}

/* Split each value of ${w} into words. */
static int
split(const struct bk_conf_word *w, struct bk_words **out, size_t *n,
    struct bk_fault *f)
{
	if (w->n == 0)
		return 0;
	if ((*out = calloc(w->n, sizeof(**out))) == NULL)
		return no_memory(f);
	for (; *n < w->n; (*n)++)
		if (bk_words_split(w->v[*n], &(*out)[*n], f) == -1)
			return at_word(w, f);
	return 0;
}

static int
take_commands(struct making *m, struct bk_fault *f)
{
	static char compress[] = "bk-compress";
	static char *dflt[] = { compress, NULL };
	const struct bk_conf_word std = { "pipeline", dflt, 1, "", 0 };
	const struct bk_conf_word *pipeline = word(m, "pipeline");
	const struct bk_conf_word *keep = word(m, "keep");
	const struct bk_conf_word *run = word(m, "run");
	struct bk_job *j = m->job;

	if (pipeline != NULL && pipeline->n > 12)
		return bk_conf_fault(f, pipeline->file, pipeline->line,
		    "pipeline: more than 12 filters");
	if (split(pipeline != NULL ? pipeline : &std, &j->pipeline,
	    &j->npipeline, f) == -1)
		return -1;
	if (keep != NULL && keep->v[0][strspn(keep->v[0], " \t")] != '\0' &&
	    (bk_words_split(keep->v[0], &j->keep, f) == -1 ||
	    bk_job_keep_ok(&j->keep, f) == -1))
		return at_word(keep, f);
	return run != NULL ? split(run, &j->runs, &j->nruns, f) : 0;
}

/* The store that ${name} of word ${w} names. */
static const struct bk_job_store *
find_store(const struct bk_jobs *all, const char *file, int line,
    const char *name, struct bk_fault *f)
{
	const struct bk_job_store *s = bk_jobs_store(all, name);
	const char **known, *near = NULL;
	size_t i;

	if (s != NULL)
		return s;
	if ((known = calloc(all->nstores + 1, sizeof(*known))) == NULL) {
		(void)no_memory(f);
		return NULL;
	}
	for (i = 0; i < all->nstores; i++)
		known[i] = all->stores[i].name;
	near = bk_conf_nearest(name, known, all->nstores);
	(void)bk_conf_fault(f, file, line, "there is no store '%.64s'%s%s%s",
	    name, near != NULL ? "; do you mean '" : "", near != NULL ? near : "",
	    near != NULL ? "'?" : "");
	free(known);
	return NULL;
}

static int
take_stores(struct making *m, struct bk_fault *f)
{
	const struct bk_conf_word *w = word(m, "store");
	const struct bk_conf_word *lease = word(m, "lease");
	struct bk_job *j = m->job;
	size_t i;

	if (lease != NULL && (j->lease = find_store(m->all, lease->file,
	    lease->line, lease->v[0], f)) == NULL)
		return -1;
	if (w == NULL || w->n == 0)
		return 0;
	if ((j->stores = calloc(w->n, sizeof(*j->stores))) == NULL)
		return no_memory(f);
	for (; j->nstores < w->n; j->nstores++) {
		if ((j->stores[j->nstores] = find_store(m->all, w->file, w->line,
		    w->v[j->nstores], f)) == NULL)
			return -1;
		for (i = 0; i < j->nstores; i++)
			if (j->stores[i] == j->stores[j->nstores])
				return bk_conf_fault(f, w->file, w->line,
				    "store '%s' stands there twice",
				    j->stores[i]->name);
	}
	return 0;
}

/* One source: its URL, and what goes with it. */
static int
check_source(const struct making *m, const struct bk_conf_word *w, size_t i,
    struct bk_fault *f)
{
	struct bk_uri u = BK_URI_INIT;
	struct bk_buf lock = BK_BUF_INIT(8192);
	struct bk_job *j = m->job;
	const char *each;
	int rc = -1;

	if (bk_uri_parse(w->v[i], &u, f) == -1) {
		(void)at_word(w, f);
		goto out;
	}
	if (strcmp(u.scheme, "exec") == 0 ? j->command == NULL :
	    j->command != NULL) {
		(void)bk_conf_fault(f, w->file, w->line, "source 'exec:' and "
		    "command = { … } go together");
		goto out;
	}
	if ((each = bk_uri_opt(&u, "each")) != NULL && (strcmp(each, "yes") != 0 ||
	    (strcmp(u.scheme, "postgres") != 0 &&
	    strcmp(u.scheme, "postgresql") != 0) || strlen(u.path) > 1)) {
		(void)bk_conf_fault(f, w->file, w->line, "source: each=yes goes "
		    "with postgres://HOST/ without a database");
		goto out;
	}
	if (i == 0 && j->lock[0] == '\0') {
		if (bk_buf_addf(&lock, f, "%s-%s", strcmp(u.scheme,
		    "postgresql") == 0 ? "postgres" : u.scheme,
		    u.host[0] != '\0' ? u.host : "localhost") == -1)
			goto out;
		bk_name_from(lock.p, j->lock);
	}
	rc = 0;
out:
	bk_buf_release(&lock);
	bk_uri_release(&u);
	return rc;
}

static int
check_names(struct making *m, struct bk_fault *f)
{
	const struct bk_conf_word *w = word(m, "lock");
	struct bk_job *j = m->job;
	const struct { const char *what, *s; } names[] = { { "job", j->title },
		{ "name", j->name }, { "group", j->group },
		{ "lock", w != NULL ? w->v[0] : NULL } };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].s != NULL && !bk_name_ok(names[i].s))
			return bk_conf_fault(f, j->file, j->line, "%s '%.80s': want "
			    "1 to %d of A-Z a-z 0-9 . _ -, the first a letter or "
			    "digit", names[i].what, names[i].s, BK_NAME_MAX);
	if (w != NULL)
		memcpy(j->lock, w->v[0], strlen(w->v[0]) + 1);
	else if (j->sources == NULL)
		memcpy(j->lock, j->title, strlen(j->title) + 1);
	for (i = 0; j->tags != NULL && j->tags[i] != NULL; i++) {
		const char *eq = strchr(j->tags[i], '=');
		char key[BK_TAG_KEY_MAX + 1];
		size_t n = eq != NULL ? (size_t)(eq - j->tags[i]) : 0;

		memcpy(key, j->tags[i], n < sizeof(key) ? n : 0);
		key[n < sizeof(key) ? n : 0] = '\0';
		w = word(m, "tags");
		if (!bk_tag_key_ok(key) || !bk_tag_value_ok(eq + 1))
			return bk_conf_fault(f, w->file, w->line,
			    "tags: '%.100s' is no KEY=VALUE that a tag may be",
			    j->tags[i]);
	}
	return 0;
}

/* Words of other programs that only a run would refuse. */
static int
check_values(const struct making *m, struct bk_fault *f)
{
	const struct bk_conf_word *watch = word(m, "watch");
	const struct bk_conf_word *max = word(m, "max-bytes");
	unsigned long long n;
	size_t i;

	for (i = 0; watch != NULL && i < watch->n; i++)
		if (*watch->v[i] != '/')
			return bk_conf_fault(f, watch->file, watch->line,
			    "watch '%s': want an absolute path", watch->v[i]);
	return max != NULL && bk_bytes_parse(max->v[0], &n, f) == -1 ?
	    at_word(max, f) : 0;
}

/* Words that only base backups have a use for. */
static int
check_log(const struct making *m, struct bk_fault *f)
{
	static const char *const names[] = { "wal-check", "max-lag" };
	const struct bk_conf_word *w;
	size_t i, k;

	for (i = 0; i < m->job->nsources; i++)
		if (bk_job_base(m->job, i))
			return 0;
	for (k = 0; k < 2; k++)
		if ((w = word(m, names[k])) != NULL)
			return bk_conf_fault(f, w->file, w->line,
			    "%s goes with a source postgres-base://", names[k]);
	return 0;
}

/* What a job must have, and what does not go together. */
static int
check_job(struct making *m, struct bk_fault *f)
{
	const struct bk_conf_word *w = word(m, "source");
	char one[BK_NAME_MAX + 1], other[BK_NAME_MAX + 1];
	struct bk_job *j = m->job;
	size_t i, k;

	if (check_names(m, f) == -1 || check_values(m, f) == -1)
		return -1;
	if ((j->sources != NULL) == (j->nruns > 0))
		return bk_conf_fault(f, j->file, j->line,
		    "job '%s' has %s 'source' %s 'run'", j->title,
		    j->sources != NULL ? "both" : "neither",
		    j->sources != NULL ? "and" : "nor");
	if (j->sources == NULL)
		return 0;
	if (j->nstores == 0)
		return bk_conf_fault(f, j->file, j->line,
		    "job '%s' has a source and no store", j->title);
	for (; j->nsources < w->n; j->nsources++)
		if (check_source(m, w, j->nsources, f) == -1)
			return -1;
	if (check_log(m, f) == -1)
		return -1;
	for (i = 0; i < j->nsources; i++) {
		bk_job_name(j, i, one);
		for (k = 0; k < i; k++) {
			bk_job_name(j, k, other);
			if (strcmp(one, other) == 0)
				return bk_conf_fault(f, w->file, w->line,
				    "two sources would give backups of one name, "
				    "'%s'; make them two jobs of one group", one);
		}
	}
	if (j->command != NULL && j->nsources > 1)
		return bk_conf_fault(f, w->file, w->line,
		    "source 'exec:' is the only one of a job");
	if (j->timeout <= 0 || j->hook_timeout <= 0 || j->retry_wait <= 0)
		return bk_conf_fault(f, j->file, j->line, "job '%s': timeout, "
		    "hook-timeout and retry-wait are more than 0", j->title);
	return 0;
}

static int
make_job(struct bk_jobs *all, const struct bk_conf_sec *sec, struct bk_job *j,
    struct bk_fault *f)
{
	struct making m = { all, sec, &all->conf->secs[0], j };
	const struct bk_conf_word *w;

	j->title = j->name = sec->title;
	j->file = sec->file;
	j->line = sec->line;
	j->leader = j;
	j->settle = j->max_age = j->max_unchanged = BK_JOB_UNSET;
	j->timeout = 10 * HOUR;
	j->retry = HOUR;
	j->retry_wait = 10000;
	j->hook_timeout = 30000;
	j->unless_unchanged = word(&m, "watch") != NULL;
	if (take_plain(&m, f) == -1 || take_commands(&m, f) == -1 ||
	    take_stores(&m, f) == -1 || check_job(&m, f) == -1)
		return -1;
	j->schedule_line = (w = word(&m, "schedule")) != NULL ? w->line : 0;
	return 0;
}

/* Who leads each group. */
static int
tie_groups(struct bk_jobs *all, struct bk_fault *f)
{
	struct bk_job *a, *b, *lead;
	size_t i, k;

	for (i = 0; i < all->njobs; i++) {
		a = &all->jobs[i];
		if (a->group == NULL || a->leader != a)
			continue;
		lead = NULL;
		for (k = i; k < all->njobs; k++) {
			b = &all->jobs[k];
			if (b->group == NULL || strcmp(a->group, b->group) != 0 ||
			    (b->schedule == NULL && b->watch == NULL &&
			    !b->at_start))
				continue;
			if (lead != NULL)
				return bk_conf_fault(f, b->file, b->line,
				    "job '%s' has a time of its own, but group "
				    "'%s' runs with job '%s'", b->title, a->group,
				    lead->title);
			lead = b;
		}
		for (k = i; k < all->njobs; k++) {
			b = &all->jobs[k];
			if (b->group != NULL && strcmp(a->group, b->group) == 0)
				b->leader = lead != NULL ? lead : a;
		}
	}
	return 0;
}

static int
make_store(const struct bk_conf_sec *sec, struct bk_job_store *s,
    struct bk_fault *f)
{
	const struct bk_conf_word *w = bk_conf_word(sec, "url");
	struct bk_uri u = BK_URI_INIT;
	int rc;

	if (!bk_name_ok(sec->title))
		return bk_conf_fault(f, sec->file, sec->line,
		    "store '%.80s' is no name", sec->title);
	if (w == NULL)
		return bk_conf_fault(f, sec->file, sec->line,
		    "store '%s' has no url", sec->title);
	s->name = sec->title;
	s->url = w->v[0];
	s->file = sec->file;
	s->line = sec->line;
	rc = bk_uri_parse(s->url, &u, f);
	bk_uri_release(&u);
	return rc == -1 ? at_word(w, f) : 0;
}

static int
make_requests(struct bk_jobs *all, const struct bk_conf_sec *sec,
    struct bk_job_requests *r, struct bk_fault *f)
{
	const struct bk_conf_word *w = bk_conf_word(sec, "every");

	if (w == NULL)
		return bk_conf_fault(f, sec->file, sec->line,
		    "requests '%s' has no 'every'", sec->title);
	if (parse_duration(w, &r->every, f) == -1)
		return -1;
	if (r->every < 1000)
		return bk_conf_fault(f, w->file, w->line, "every: want at least 1s");
	r->store = find_store(all, sec->file, sec->line, sec->title, f);
	return r->store == NULL ? -1 : 0;
}

/* The words at the top that are not defaults of jobs. */
static int
take_top(struct bk_jobs *all, const char *path, struct bk_fault *f)
{
	const struct bk_conf_sec *top = &all->conf->secs[0];
	const struct bk_conf_word *w;
	char full[PATH_MAX];
	long long n;

	if (realpath(path, full) == NULL)
		return bk_fault_errno(f, 0, errno, "cannot find '%s'", path);
	if ((all->path = strdup(full)) == NULL)
		return no_memory(f);
	all->state = (w = bk_conf_word(top, "state")) != NULL ? w->v[0] :
	    "/var/lib/bk";
	if (w != NULL && *all->state != '/')
		return bk_conf_fault(f, w->file, w->line,
		    "state '%s': want an absolute path", all->state);
	all->tz = (w = bk_conf_word(top, "tz")) != NULL ? w->v[0] : NULL;
	all->parallel = 4;
	if ((w = bk_conf_word(top, "parallel")) != NULL) {
		if (bk_number_parse("it", w->v[0], 1, 1000, &n, f) == -1)
			return at_word(w, f);
		all->parallel = (int)n;
	}
	return 0;
}

static int
make_all(struct bk_jobs *all, struct bk_fault *f)
{
	const struct bk_conf *c = all->conf;
	size_t i;

	all->stores = calloc(c->nsecs, sizeof(*all->stores));
	all->jobs = calloc(c->nsecs, sizeof(*all->jobs));
	all->requests = calloc(c->nsecs, sizeof(*all->requests));
	if (all->stores == NULL || all->jobs == NULL || all->requests == NULL)
		return no_memory(f);
	/* Stores first: jobs may come before those that they name. */
	for (i = 0; i < c->nsecs; i++)
		if (c->secs[i].kind == BK_CONF_STORE &&
		    make_store(&c->secs[i], &all->stores[all->nstores++], f) == -1)
			return -1;
	for (i = 0; i < c->nsecs; i++) {
		if (c->secs[i].kind == BK_CONF_JOB && make_job(all, &c->secs[i],
		    &all->jobs[all->njobs++], f) == -1)
			return -1;
		if (c->secs[i].kind == BK_CONF_REQUESTS && make_requests(all,
		    &c->secs[i], &all->requests[all->nrequests++], f) == -1)
			return -1;
	}
	return bk_jobs_apart(all, f) == -1 ? -1 : tie_groups(all, f);
}

struct bk_jobs *
bk_jobs_load(const struct bk_ctx *ctx, const char *path, struct bk_fault *f)
{
	struct bk_jobs *j;

	if (path == NULL && (path = ctx->env("BK_CONF")) == NULL)
		path = BK_CONF_PATH;
	if ((j = calloc(1, sizeof(*j))) == NULL) {
		(void)no_memory(f);
		return NULL;
	}
	if ((j->conf = bk_conf_read(ctx, path, f)) == NULL ||
	    take_top(j, path, f) == -1 || make_all(j, f) == -1) {
		bk_jobs_free(j);
		return NULL;
	}
	return j;
}
