/*
 * What a schedule may not say although each of its words is right.
 */
#include <string.h>

#include "jobcheck.h"
#include "uri.h"

/* Options of bk-prune that say what stays; those without argument last. */
static const char *const rules[] = { "cycle", "tz", "max-shrink", "group-by",
	"max-delete", "grace", "timeout", "shared" };

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Is ${s} of ${n} bytes one of them?  ${arg}: does it take an argument? */
static bool
is_rule(const char *s, size_t n, bool *arg)
{
	size_t i;

	*arg = true;
	if (n > 7 && strncmp(s, "--keep-", 7) == 0)
		return true;
	for (i = 0; i < N(rules); i++)
		if (n > 2 && strncmp(s, "--", 2) == 0 &&
		    strlen(rules[i]) == n - 2 && strncmp(s + 2, rules[i], n - 2) == 0) {
			*arg = i + 1 < N(rules);
			return true;
		}
	return false;
}

int
bk_job_keep_ok(const struct bk_words *keep, struct bk_fault *f)
{
	size_t i, n;
	bool arg;

	for (i = 0; i < keep->n; i++) {
		n = strcspn(keep->v[i], "=");
		if (!is_rule(keep->v[i], n, &arg))
			return bk_fault_set(f, BK_CONFIG, "'%.64s' is no rule for what "
			    "stays: want such as --keep-daily 7", keep->v[i]);
		if (arg && keep->v[i][n] == '\0')
			i++;
	}
	return 0;
}

/* Does the job say that several sources under one name are meant? */
static bool
shares(const struct bk_job *job)
{
	size_t i;

	for (i = 0; i < job->keep.n; i++)
		if (strcmp(job->keep.v[i], "--shared") == 0 ||
		    strncmp(job->keep.v[i], "--group-by", 10) == 0)
			return true;
	return false;
}

static bool
same_words(char *const *a, char *const *b)
{
	size_t i;

	if (a == NULL || b == NULL)
		return a == b;
	for (i = 0; a[i] != NULL && b[i] != NULL; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return a[i] == b[i];
}

/* Is it one source, maybe with other options? */
static bool
same_source(const struct bk_job *a, size_t i, const struct bk_job *b, size_t k)
{
	struct bk_uri u = BK_URI_INIT, v = BK_URI_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	bool same;

	same = bk_uri_parse(a->sources[i], &u, &f) == 0 &&
	    bk_uri_parse(b->sources[k], &v, &f) == 0 &&
	    strcmp(u.scheme, v.scheme) == 0 && strcmp(u.host, v.host) == 0 &&
	    u.port == v.port && strcmp(u.path, v.path) == 0 &&
	    same_words(a->command, b->command);
	bk_uri_release(&u);
	bk_uri_release(&v);
	return same;
}

static const struct bk_job_store *
common_store(const struct bk_job *a, const struct bk_job *b)
{
	size_t i, k;

	for (i = 0; i < a->nstores; i++)
		for (k = 0; k < b->nstores; k++)
			if (strcmp(a->stores[i]->url, b->stores[k]->url) == 0)
				return a->stores[i];
	return NULL;
}

static int
apart(const struct bk_job *a, const struct bk_job *b, struct bk_fault *f)
{
	const struct bk_job_store *store = common_store(a, b);
	char one[BK_NAME_MAX + 1], other[BK_NAME_MAX + 1];
	size_t i, k;

	if (store == NULL || (shares(a) && shares(b)))
		return 0;
	for (i = 0; i < a->nsources; i++) {
		bk_job_name(a, i, one);
		for (k = 0; k < b->nsources; k++) {
			bk_job_name(b, k, other);
			if (strcmp(one, other) != 0 ||
			    bk_job_each(a, i) != bk_job_each(b, k) ||
			    same_source(a, i, b, k))
				continue;
			return bk_conf_fault(f, b->file, b->line, "jobs '%s' and "
			    "'%s' would give backups of one name, '%s', in store "
			    "'%s', from two sources: give one another 'name'",
			    a->title, b->title, one, store->name);
		}
	}
	return 0;
}

int
bk_jobs_apart(const struct bk_jobs *all, struct bk_fault *f)
{
	size_t i, k;

	for (i = 0; i < all->njobs; i++)
		for (k = 0; k < i; k++)
			if (apart(&all->jobs[k], &all->jobs[i], f) == -1)
				return -1;
	return 0;
}
