/*
 * Lists of group runs (DESIGN, 9): only whole ones count.  Runs are looked at
 * from the newest, and no more of them than it takes.
 */
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "json.h"
#include "list.h"

static int
by_id(const void *va, const void *vb)
{
	const struct bk_record *const *a = va, *const *b = vb;

	return strcmp((*a)->id, (*b)->id);
}

/* The records in order of their ids: an array to be freed, or NULL. */
static const struct bk_record **
order(const struct bk_list *l, struct bk_fault *f)
{
	const struct bk_record **v = calloc(l->len + 1, sizeof(*v));
	size_t i;

	if (v == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	for (i = 0; i < l->len; i++)
		v[i] = &l->rec[i];
	if (l->len > 0)
		qsort(v, l->len, sizeof(*v), by_id);
	return v;
}

static const struct bk_record *
find(const struct bk_record **v, size_t n, const struct bk_member *m)
{
	const struct bk_record want = { .id = m->id }, *key = &want;
	const struct bk_record **at = n == 0 ? NULL :
	    bsearch(&key, v, n, sizeof(*v), by_id);

	return at != NULL && strcmp((*at)->name, m->name) == 0 ? *at : NULL;
}

/* Are all members there, and may it be chosen? */
static bool
suits(const struct bk_ctx *ctx, const struct bk_group_run *run,
    const struct bk_record **v, struct bk_list *l, bool choose)
{
	const struct bk_record *rec;
	const char *why;
	size_t m;

	for (m = 0; m < run->n; m++) {
		if ((rec = find(v, l->len, &run->member[m])) == NULL) {
			ctx->log(BK_LOG_INFO, "passing over run %s of group '%s': "
			    "%s of '%s' is gone", run->run, run->group,
			    run->member[m].id, run->member[m].name);
			return false;
		}
		why = bk_json_get_text(rec->json, "suspect");
		if (!choose || why == NULL)
			continue;
		ctx->log(BK_LOG_WARN, "passing over run %s of group '%s': %s of "
		    "'%s' is suspect: %s", run->run, run->group, rec->id,
		    rec->name, why);
		l->skipped_suspects++;
		return false;
	}
	return true;
}

/* Keep what ${chosen} has. */
static void
keep(struct bk_list *l, const json_t *chosen)
{
	size_t i, n = 0;

	for (i = 0; i < l->len; i++)
		if (json_object_get(chosen, l->rec[i].id) == NULL)
			bk_record_release(&l->rec[i]);
		else
			l->rec[n++] = l->rec[i];
	l->len = n;
}

int
bk_list_runs(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_list_req *req, struct bk_list *l, struct bk_fault *f)
{
	const bool one = req->latest || req->at != INT64_MIN;
	const struct bk_record **v = order(l, f);
	struct bk_group_run *run = NULL;
	json_t *chosen = json_object();
	struct bk_groups g;
	size_t i, m;
	int rc = bk_groups_list(s, req->group, &g, f);

	if (chosen == NULL || v == NULL)
		rc = bk_fault_set(f, BK_IO, "out of memory");
	for (i = g.len; rc != -1 && i > 0; i--) {
		run = &g.run[i - 1];
		if ((rc = bk_group_read(ctx, s, &g, run, f)) != 0 ||
		    (req->at != INT64_MIN && run->time > req->at) ||
		    !suits(ctx, run, v, l, one))
			continue;
		for (m = 0; m < run->n && rc == 0; m++)
			rc = bk_json_set(chosen, run->member[m].id, json_true(), f);
		if (one)
			break;
	}
	if (rc != -1)
		keep(l, chosen);
	l->unreadable += g.unreadable;
	json_decref(chosen);
	bk_groups_release(&g);
	free(v);
	return rc == -1 ? -1 : 0;
}
