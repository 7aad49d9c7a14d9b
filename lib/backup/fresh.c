/*
 * Which record is good is asked of bk_retain, so that freshness and retention
 * never disagree.  Payloads are not listed: the newest good record's is
 * looked for, and where it is gone the next one's.
 */
#include <stdlib.h>
#include <string.h>

#include "fresh.h"
#include "json.h"
#include "list.h"
#include "standing.h"

const char *const bk_freshness_names[BK_FRESHNESSES] = { "fresh", "unchanged",
	"shrunk", "failed", "stale", "never", "unknown" };

#define NOTHING ", counts for nothing"

struct judging {
	struct bk_fresh *fr;
	const struct bk_list *list;
	struct bk_retain_in *in;	/* as the list */
	struct bk_policy policy;
	struct bk_zone *zone;
};

/* The list as bk_retain wants it. */
static int
make_input(struct judging *j, struct bk_fault *f)
{
	const struct bk_fresh_req *req = &j->fr->req;
	size_t i;

	if ((j->in = calloc(j->list->len + 1, sizeof(*j->in))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; i < j->list->len; i++) {
		j->in[i] = bk_standing(&j->list->rec[i]);
		j->in[i].flags |= BK_RETAIN_PAYLOAD;
	}
	for (i = 0; i < j->list->len; i++)
		if (j->list->rec[i].version == 1 &&
		    j->list->rec[i].bytes < req->min_bytes) {
			j->in[i].flags |= BK_RETAIN_SUSPECT;
			j->in[i].flags &= ~BK_RETAIN_ACCEPTED;
		}
	return 0;
}

/* Is ${i} newer than ${best}, by time and then id? */
static bool
is_newer(const struct judging *j, size_t i, size_t best)
{
	const struct bk_retain_in *a = &j->in[i], *b = &j->in[best];

	if (best == j->list->len || a->time != b->time)
		return best == j->list->len || a->time > b->time;
	return strcmp(a->id, b->id) > 0;
}

/*
 * Is the payload of ${i} there, with its size?  1, 0, or -1.
 */
static int
look(struct bk_store *s, const struct bk_record *rec, struct bk_fault *f)
{
	struct bk_object o;
	int rc = bk_store_stat(s, rec->key, &o, f);

	if (rc == -1)
		return -1;
	return rc == 0 && o.bytes == rec->bytes;
}

/* Why record ${i} is not good, into fr->why. */
static void
tell_why(const struct judging *j, const struct bk_retained *r, size_t i)
{
	struct bk_fresh *fr = j->fr;
	char text[BK_WHY_LEN];
	unsigned int k;
	char *end;

	memcpy(fr->why, "not good", sizeof("not good"));
	for (k = 0; bk_retain_why(r, i, k, text) != NULL; k++)
		if ((end = strstr(text, NOTHING)) != NULL ||
		    strcmp(text, "cannot be read") == 0) {
			if (end != NULL)
				*end = '\0';
			memcpy(fr->why, text, strlen(text) + 1);
			break;
		}
	fr->shrunk = j->list->rec[i].version == 1 &&
	    strcmp(fr->why, "suspect") == 0 &&
	    bk_json_get_text(j->list->rec[i].json, "suspect") == NULL;
}

static void
copy_id(char out[BK_ULID_LEN + 1], const char *id)
{
	memcpy(out, id, BK_ULID_LEN + 1);
}

/* The newest record, and the newest good one whose payload is there. */
static int
find(struct judging *j, struct bk_store *s, struct bk_fault *f)
{
	struct bk_retained r = BK_RETAINED_INIT;
	struct bk_fresh *fr = j->fr;
	size_t n = j->list->len, i, good, newest;
	int there = 0, rc = -1;

	do {
		bk_retain_release(&r);
		if (bk_retain(j->in, n, &j->policy, j->zone, fr->now, NULL,
		    NULL, &r, f) == -1)
			goto out;
		good = newest = n;
		for (i = 0; i < n; i++) {
			if (j->in[i].time > fr->now + BK_RETAIN_AHEAD_MS)
				continue;
			if (is_newer(j, i, newest))
				newest = i;
			if (r.v[i].good && is_newer(j, i, good))
				good = i;
		}
		if (good < n) {
			if ((there = look(s, &j->list->rec[good], f)) == -1)
				goto out;
			if (!there)
				j->in[good].flags &= ~BK_RETAIN_PAYLOAD;
		}
	} while (good < n && !there);
	if (newest < n) {
		fr->newest = j->in[newest].time;
		copy_id(fr->newest_id, j->in[newest].id);
		if (newest != good)
			tell_why(j, &r, newest);
	}
	if (good < n) {
		fr->good = j->in[good].time;
		copy_id(fr->id, j->in[good].id);
		fr->bytes = j->list->rec[good].bytes;
		fr->duration = j->list->rec[good].finished - fr->good;
	}
	rc = 0;
out:
	bk_retain_release(&r);
	return rc;
}

/* How many there are of each kind, as the first of each period in UTC. */
static int
count(struct judging *j, struct bk_fault *f)
{
	struct bk_fresh *fr = j->fr;
	size_t n = j->list->len, i;
	uint8_t *marks;
	int rc;

	fr->backups = n;
	if ((marks = calloc(n + 1, 1)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	rc = bk_retain_marks(j->in, n, NULL, j->zone, fr->now, NULL, NULL,
	    marks, f);
	for (i = 0; rc == 0 && i < n; i++) {
		fr->daily += (marks[i] & 1U << BK_DAILY) != 0;
		fr->weekly += (marks[i] & 1U << BK_WEEKLY) != 0;
		fr->monthly += (marks[i] & 1U << BK_MONTHLY) != 0;
	}
	free(marks);
	return rc;
}

/* What lies ahead is from a wrong clock and is no proof of anything. */
static void
pass_future(const struct bk_ctx *ctx, struct judging *j)
{
	struct bk_fresh *fr = j->fr;
	const struct bk_record *r;
	size_t i;

	for (i = 0; i < j->list->len; i++) {
		r = &j->list->rec[i];
		if (r->time > fr->now + BK_RETAIN_AHEAD_MS)
			ctx->log(BK_LOG_WARN, "%s of '%s' is from the future: "
			    "passing it over", r->id, r->name);
		else if (r->version == 1 && r->finished > fr->finished &&
		    r->finished <= fr->now + BK_RETAIN_AHEAD_MS)
			fr->finished = r->finished;
	}
}

/* The report knows better than the record how long it took. */
static void
take_duration(struct bk_fresh *fr)
{
	const char *id = bk_json_get_text(fr->state.committed, "id");
	int64_t ms = bk_json_get_int(fr->state.committed, "duration");

	if (id != NULL && strcmp(id, fr->id) == 0 && ms >= 0)
		fr->duration = ms;
}

int
bk_fresh_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_fresh_req *req, struct bk_fresh *fr, struct bk_fault *f)
{
	struct bk_list_req want = BK_LIST_REQ_INIT;
	struct bk_list list = BK_LIST_INIT;
	struct judging j = { .fr = fr, .list = &list,
		.policy = BK_POLICY_INIT };
	int rc = -1;

	*fr = (struct bk_fresh)BK_FRESH_INIT;
	fr->req = *req;
	fr->now = ctx->now();
	want.name = req->name;
	j.policy.count[BK_LAST] = 1;
	j.policy.shrink = req->shrink;
	j.policy.sources = BK_SOURCES_SHARED;
	if (bk_store_now(ctx, s, &fr->now, f) == -1 ||
	    (j.zone = bk_zone_open(NULL, "UTC", f)) == NULL ||
	    bk_list_read(ctx, s, &want, &list, f) == -1 ||
	    bk_state_read(ctx, s, req->name, fr->now + BK_RETAIN_AHEAD_MS,
	    &fr->state, f) == -1 || make_input(&j, f) == -1)
		goto out;
	fr->unreadable = list.unreadable + fr->state.unreadable;
	pass_future(ctx, &j);
	if (find(&j, s, f) == -1 || count(&j, f) == -1)
		goto out;
	take_duration(fr);
	bk_fresh_decide(fr);
	rc = 0;
out:
	if (rc == -1)
		bk_fresh_unknown(fr, req, fr->now, f);
	free(j.in);
	bk_list_release(&list);
	bk_zone_free(j.zone);
	return rc;
}

void
bk_fresh_release(struct bk_fresh *fr)
{
	bk_state_release(&fr->state);
}
