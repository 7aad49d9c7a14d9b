/*
 * After a commit: is what was stored what was meant?  A dump that ends
 * properly and is much smaller than those before it is suspect (DESIGN, 7).
 * It stands, and somebody is told in the night in which it happens.
 */
#include <string.h>

#include "json.h"
#include "run.h"
#include "standing.h"

/* How much smaller is suspect: as bk-prune is told by "keep". */
static int
add_shrink(const struct bk_words *keep, struct bk_args *a, struct bk_fault *f)
{
	static const char opt[] = "--max-shrink";
	const size_t n = sizeof(opt) - 1;
	const char *value = NULL;
	size_t i;

	for (i = 0; i < keep->n; i++)
		if (strncmp(keep->v[i], opt, n) != 0)
			continue;
		else if (keep->v[i][n] == '=')
			value = keep->v[i] + n + 1;
		else if (keep->v[i][n] == '\0' && i + 1 < keep->n)
			value = keep->v[i + 1];
	return bk_args_opt(a, opt, value, f);
}

/* 1 with j->after set if it shrank, 0 if not, or -1. */
static int
judge(struct bk_runjob *j, const struct bk_job_store *store, const char *name,
    struct bk_fault *f)
{
	struct bk_args a = BK_ARGS_INIT;
	const char *state, *text;
	json_t *o = NULL;
	int rc = -1;

	if (bk_args_opt(&a, "--max-age", BK_STAND_FOREVER, f) == -1 ||
	    add_shrink(&j->job->keep, &a, f) == -1 ||
	    (o = bk_run_fresh(j->run, &a, store->url, name, f)) == NULL)
		goto out;
	state = bk_json_get_text(o, "state");
	text = bk_json_get_text(o, "text");
	rc = state != NULL && strcmp(state, "shrunk") == 0;
	if (rc == 1)
		(void)bk_fault_set(&j->after, BK_NO, "store '%s': %s",
		    store->name, text != NULL ? text : "the backup shrank");
out:
	json_decref(o);
	bk_args_release(&a);
	return rc;
}

void
bk_run_judge(struct bk_runjob *j)
{
	struct bk_fault f = BK_FAULT_INIT;
	const char *name;
	size_t i;

	/* All stores have the same: one is asked. */
	for (i = 0; i < json_array_size(j->records) && j->job->nstores > 0; i++) {
		name = bk_json_get_text(json_array_get(j->records, i), "name");
		bk_fault_clear(&f);
		if (judge(j, j->job->stores[0], name, &f) == -1)
			j->run->ctx.log(BK_LOG_WARN, "job '%s': cannot tell whether "
			    "the backup of '%s' shrank: %s", j->job->title, name,
			    f.text);
	}
}
