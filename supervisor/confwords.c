/*
 * The words of the schedule file: one row each.  A new word is one row here
 * and its meaning in job.c.
 */
#include <stdlib.h>
#include <string.h>

#include "confwords.h"

#define TOP (1U << BK_CONF_TOP)
#define STORE (1U << BK_CONF_STORE)
#define JOB (1U << BK_CONF_JOB)
#define REQUESTS (1U << BK_CONF_REQUESTS)

const struct bk_confword bk_confwords[] = {
	{ "allow-empty", JOB, false },
	{ "always", JOB, false },
	{ "at-most-every", JOB, false },
	{ "at-start", JOB, false },
	{ "before", JOB, false },
	{ "command", JOB, true },
	{ "every", REQUESTS, false },
	{ "exclude", JOB, true },
	{ "group", JOB, false },
	{ "hold", JOB, false },
	{ "hook-timeout", TOP | JOB, false },
	{ "hosts", TOP | JOB, true },
	{ "keep", TOP | JOB, false },
	{ "lease", JOB, false },
	{ "lock", JOB, false },
	{ "max-age", TOP | JOB, false },
	{ "max-bytes", JOB, false },
	{ "max-lag", JOB, false },
	{ "max-unchanged", TOP | JOB, false },
	{ "name", JOB, false },
	{ "on-failure", TOP | JOB, true },
	{ "on-stale", TOP | JOB, true },
	{ "on-start", TOP | JOB, true },
	{ "on-success", TOP | JOB, true },
	{ "only-if", TOP | JOB, false },
	{ "options", JOB, true },
	{ "parallel", TOP, false },
	{ "ping", JOB, false },
	{ "pipeline", TOP | JOB, true },
	{ "restore-always", JOB, false },
	{ "restore-before", JOB, false },
	{ "retry", TOP | JOB, false },
	{ "retry-wait", TOP | JOB, false },
	{ "run", JOB, true },
	{ "schedule", JOB, false },
	{ "settle", JOB, false },
	{ "skip-unreadable", JOB, false },
	{ "source", JOB, true },
	{ "source-env", JOB, false },
	{ "spread", TOP | JOB, false },
	{ "state", TOP, false },
	{ "store", JOB, true },
	{ "tags", TOP | JOB, true },
	{ "timeout", TOP | JOB, false },
	{ "tz", TOP, false },
	{ "unless-unchanged", JOB, false },
	{ "url", STORE, false },
	{ "wal-check", JOB, false },
	{ "watch", JOB, true },
};

const size_t bk_nconfwords = sizeof(bk_confwords) / sizeof(bk_confwords[0]);

const char *const bk_conf_kinds[] = { "", "store", "job", "requests" };

const struct bk_confword *
bk_confword_find(enum bk_conf_kind kind, const char *name)
{
	size_t i;

	for (i = 0; i < bk_nconfwords; i++)
		if (bk_confwords[i].kinds & 1U << kind &&
		    strcmp(bk_confwords[i].name, name) == 0)
			return &bk_confwords[i];
	return NULL;
}

size_t
bk_confword_names(enum bk_conf_kind kind, const char **out, size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < bk_nconfwords && n < max; i++)
		if (bk_confwords[i].kinds & 1U << kind)
			out[n++] = bk_confwords[i].name;
	if (kind == BK_CONF_TOP) {
		for (i = 1; i < BK_CONF_KINDS && n < max; i++)
			out[n++] = bk_conf_kinds[i];
		if (n < max)
			out[n++] = "include";
	}
	return n;
}

/* Levenshtein's distance of two words, bounded by their use here. */
static size_t
distance(const char *a, const char *b)
{
	enum { MAX = 40 };
	size_t row[MAX + 1], la = strlen(a), lb = strlen(b), i, j, diag, up;

	if (la > MAX || lb > MAX)
		return MAX;
	for (j = 0; j <= lb; j++)
		row[j] = j;
	for (i = 1; i <= la; i++) {
		diag = row[0];
		row[0] = i;
		for (j = 1; j <= lb; j++) {
			up = row[j];
			row[j] = diag + (a[i - 1] != b[j - 1]);
			if (up + 1 < row[j])
				row[j] = up + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			diag = up;
		}
	}
	return row[lb];
}

const char *
bk_conf_nearest(const char *word, const char *const *known, size_t n)
{
	size_t i, d, best = strlen(word) / 3 + 2;
	const char *near = NULL;

	for (i = 0; i < n; i++)
		if ((d = distance(word, known[i])) < best) {
			best = d;
			near = known[i];
		}
	return near;
}
