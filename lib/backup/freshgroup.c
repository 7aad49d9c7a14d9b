/*
 * Freshness of a group (DESIGN, 9).  Runs are looked at from the newest
 * (their ids are ULIDs, so keys are in order of time) until one is good.
 */
#include <stdlib.h>
#include <string.h>

#include "fresh.h"
#include "group.h"
#include "judged.h"

#define MEMBERS_MAX 64			/* names in one group */

struct looking {
	const struct bk_ctx *ctx;
	struct bk_store *s;
	struct bk_fresh *fr;
	struct bk_groups runs;
	char *name[MEMBERS_MAX];
	struct bk_judged of[MEMBERS_MAX];	/* records of each name */
	size_t n;
};

/* The records of ${name}, read once; NULL with ${f} set. */
static struct bk_judged *
records_of(struct looking *l, const char *name, struct bk_fault *f)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->name[i], name) == 0)
			return &l->of[i];
	if (l->n == MEMBERS_MAX) {
		(void)bk_fault_set(f, BK_DATA, "the group '%s' has more than %d "
		    "names", l->fr->req.name, MEMBERS_MAX);
		return NULL;
	}
	if ((l->name[l->n] = strdup(name)) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	i = l->n++;
	if (bk_judged_read(l->ctx, l->s, &l->fr->req, name, l->fr->now,
	    &l->of[i], f) == -1)
		return NULL;
	l->fr->unreadable += l->of[i].list.unreadable;
	return &l->of[i];
}

/* Is this member good?  1, 0 with ${why}, -1. */
static int
member(struct looking *l, const struct bk_member *m, uint64_t *bytes,
    char why[BK_WHY_LEN], bool *shrunk, struct bk_fault *f)
{
	struct bk_judged *j;
	size_t i;
	int rc;

	*shrunk = false;
	memcpy(why, "a member is gone", sizeof("a member is gone"));
	if ((j = records_of(l, m->name, f)) == NULL)
		return -1;
	for (i = 0; i < j->list.len; i++)
		if (strcmp(j->in[i].id, m->id) == 0)
			break;
	if (i == j->list.len)
		return 0;
	if (j->r.v[i].good && (rc = bk_judged_payload(j, l->s, i, f)) != 0) {
		*bytes += j->list.rec[i].bytes;
		return rc;
	}
	bk_judged_why(j, i, why, shrunk);
	return 0;
}

/*
 * A failure of any name of the newest run that nothing good came after,
 * neither of that name nor of the group.
 */
static int
failures(struct looking *l, const struct bk_group_run *run, struct bk_fault *f)
{
	struct bk_fresh *fr = l->fr;
	struct bk_state st;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < run->n; i++) {
		rc = bk_state_read(l->ctx, l->s, run->member[i].name,
		    fr->now + BK_RETAIN_AHEAD_MS, &st, f);
		if (rc == 0 && st.failed_time > st.committed_time &&
		    st.failed_time > st.unchanged_time &&
		    st.failed_time > fr->state.failed_time) {
			json_decref(fr->state.failed);
			fr->state.failed = json_incref(st.failed);
			fr->state.failed_time = st.failed_time;
			fr->state.failures = st.failures;
		}
		bk_state_release(&st);
	}
	return rc;
}

/* Look at one run: 1 if it is good, 0, -1. */
static int
look_at(struct looking *l, struct bk_group_run *run, struct bk_fault *f)
{
	struct bk_fresh *fr = l->fr;
	bool first = fr->newest == INT64_MIN, any = false;
	char why[BK_WHY_LEN] = "";
	uint64_t bytes = 0;
	size_t i;
	int rc;

	if ((rc = bk_group_read(l->ctx, l->s, &l->runs, run, f)) != 0 ||
	    run->time > fr->now + BK_RETAIN_AHEAD_MS)
		return rc == -1 ? -1 : 0;
	for (rc = 1, i = 0; rc == 1 && i < run->n; i++)
		rc = member(l, &run->member[i], &bytes, why, &any, f);
	if (rc != -1 && first) {
		fr->newest = fr->finished = run->time;
		memcpy(fr->newest_id, run->run, sizeof(fr->newest_id));
		if (rc == 0) {
			memcpy(fr->why, why, sizeof(why));
			fr->shrunk = any;
		}
		if (failures(l, run, f) == -1)
			return -1;
	}
	if (rc == 1) {
		fr->good = run->time;
		fr->bytes = bytes;
		memcpy(fr->id, run->run, sizeof(fr->id));
	}
	return rc;
}

int
bk_fresh_group(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_fresh *fr, struct bk_fault *f)
{
	struct looking l = { .ctx = ctx, .s = s, .fr = fr };
	size_t i;
	int rc = bk_groups_list(s, fr->req.name, &l.runs, f);

	fr->backups = l.runs.len;
	for (i = l.runs.len; rc == 0 && i > 0; i--)
		rc = look_at(&l, &l.runs.run[i - 1], f);
	fr->unreadable += l.runs.unreadable;
	for (i = 0; i < l.n; i++) {
		bk_judged_release(&l.of[i]);
		free(l.name[i]);
	}
	bk_groups_release(&l.runs);
	return rc == -1 ? -1 : 0;
}
