/*
 * Freshness of a group (DESIGN, 9).  Runs are looked at from the newest
 * (their ids are ULIDs, so keys are in order of time) until one is good.
 */
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "fresh.h"
#include "json.h"
#include "judged.h"
#include "when.h"

#define OBJECT_MAX (1 << 20)
#define MEMBERS_MAX 64			/* names in one group */
#define RUNS_MAX 1000000

struct looking {
	const struct bk_ctx *ctx;
	struct bk_store *s;
	struct bk_fresh *fr;
	char **run;			/* keys, oldest first */
	size_t nrun;
	char *name[MEMBERS_MAX];
	struct bk_judged of[MEMBERS_MAX];	/* records of each name */
	size_t n;
};

static int
take_run(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct looking *l = arg;
	char **more;

	if (l->nrun == RUNS_MAX)
		return bk_fault_set(f, BK_DATA, "more than %d runs of '%s'",
		    RUNS_MAX, l->fr->req.name);
	/* Room grows by doubling: at 0, 1, 2, 4, … */
	if ((l->nrun & (l->nrun - 1)) == 0) {
		more = realloc(l->run, (l->nrun == 0 ? 1 : 2 * l->nrun) *
		    sizeof(*more));
		if (more == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		l->run = more;
	}
	if ((l->run[l->nrun] = strdup(o->key)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	l->nrun++;
	return 0;
}

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
member(struct looking *l, const json_t *m, uint64_t *bytes,
    char why[BK_WHY_LEN], bool *shrunk, struct bk_fault *f)
{
	const char *name = bk_json_get_text(m, "name");
	const char *id = bk_json_get_text(m, "id");
	struct bk_judged *j;
	size_t i;
	int rc;

	*shrunk = false;
	memcpy(why, "a member is gone", sizeof("a member is gone"));
	if (name == NULL || id == NULL || !bk_name_ok(name))
		return 0;
	if ((j = records_of(l, name, f)) == NULL)
		return -1;
	for (i = 0; i < j->list.len; i++)
		if (strcmp(j->in[i].id, id) == 0)
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

/* The object of a run: 0, BK_ABSENT (also where it is damaged), -1. */
static int
read_run(struct looking *l, const char *key, json_t **o, int64_t *time,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(OBJECT_MAX);
	struct bk_fault why = BK_FAULT_INIT;
	const char *text;
	int rc = bk_store_get_small(l->s, key, &b, f);

	if (rc == 0) {
		*o = bk_json_parse(bk_buf_text(&b), b.len, key, &why);
		text = bk_json_get_text(*o, "time");
		if (text == NULL || bk_time_parse(text, time, &why) == -1) {
			l->ctx->log(BK_LOG_WARN, "'%s' is no run of a group: "
			    "passing it over", key);
			l->fr->unreadable++;
			rc = BK_ABSENT;
		}
	}
	bk_buf_release(&b);
	return rc;
}

/*
 * A failure of any name of the newest run that nothing good came after,
 * neither of that name nor of the group.
 */
static int
failures(struct looking *l, const json_t *members, struct bk_fault *f)
{
	struct bk_fresh *fr = l->fr;
	struct bk_state st;
	const char *name;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < json_array_size(members); i++) {
		name = bk_json_get_text(json_array_get(members, i), "name");
		if (name == NULL || !bk_name_ok(name))
			continue;
		rc = bk_state_read(l->ctx, l->s, name,
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
look_at(struct looking *l, const char *key, struct bk_fault *f)
{
	struct bk_fresh *fr = l->fr;
	bool first = fr->newest == INT64_MIN, shrunk = false, any = false;
	char why[BK_WHY_LEN] = "";
	json_t *o = NULL, *members;
	uint64_t bytes = 0;
	int64_t time = 0;
	size_t i;
	int rc;

	if ((rc = read_run(l, key, &o, &time, f)) != 0 ||
	    time > fr->now + BK_RETAIN_AHEAD_MS) {
		rc = rc == -1 ? -1 : 0;
		goto out;
	}
	members = json_object_get(o, "members");
	rc = json_array_size(members) > 0;
	for (i = 0; rc == 1 && i < json_array_size(members); i++)
		rc = member(l, json_array_get(members, i), &bytes, why, &any, f);
	shrunk = rc == 0 && any;
	if (rc != -1 && first) {
		fr->newest = fr->finished = time;
		memcpy(fr->newest_id, key + strlen(key) - BK_ULID_LEN - 5,
		    BK_ULID_LEN);
		if (rc == 0) {
			memcpy(fr->why, why, sizeof(why));
			fr->shrunk = shrunk;
		}
		if (failures(l, members, f) == -1)
			rc = -1;
	}
	if (rc == 1) {
		fr->good = time;
		fr->bytes = bytes;
		memcpy(fr->id, key + strlen(key) - BK_ULID_LEN - 5, BK_ULID_LEN);
	}
out:
	json_decref(o);
	return rc;
}

int
bk_fresh_group(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_fresh *fr, struct bk_fault *f)
{
	struct looking l = { .ctx = ctx, .s = s, .fr = fr };
	struct bk_buf prefix = BK_BUF_INIT(BK_KEY_MAX);
	char ulid[BK_ULID_LEN + 1];
	size_t i, skip;
	int rc = 0;

	if (bk_buf_addf(&prefix, f, ".bk/group/%s/", fr->req.name) == -1 ||
	    bk_store_list(s, bk_buf_text(&prefix), "", take_run, &l, f) == -1)
		rc = -1;
	skip = prefix.len;
	fr->backups = l.nrun;
	for (i = l.nrun; rc == 0 && i > 0; i--)
		if (bk_ulid_then(l.run[i - 1] + skip, '.', ulid) &&
		    strcmp(l.run[i - 1] + skip + BK_ULID_LEN, ".json") == 0)
			rc = look_at(&l, l.run[i - 1], f);
	for (i = 0; i < l.n; i++) {
		bk_judged_release(&l.of[i]);
		free(l.name[i]);
	}
	while (l.nrun > 0)
		free(l.run[--l.nrun]);
	free(l.run);
	bk_buf_release(&prefix);
	return rc == -1 ? -1 : 0;
}
