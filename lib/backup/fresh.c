/*
 * Which record is good is asked of bk_retain, so that freshness and retention
 * never disagree.  Payloads are not listed: the newest good record's is
 * looked for, and where it is gone the next one's.
 *
 * A group is as fresh as its newest run all of whose members are good.
 */
#include <stdlib.h>
#include <string.h>

#include "fresh.h"
#include "json.h"
#include "judged.h"

const char *const bk_freshness_names[BK_FRESHNESSES] = { "fresh", "unchanged",
	"shrunk", "failed", "lag", "stale", "gap", "never", "unknown" };

/* The newest record, and the newest good one whose payload is there. */
static int
find(struct bk_fresh *fr, struct bk_judged *j, struct bk_store *s,
    struct bk_fault *f)
{
	size_t n = j->list.len, good, newest;
	int there = 0;

	while ((good = bk_judged_newest(j, true)) < n && !there)
		if ((there = bk_judged_payload(j, s, good, f)) == -1)
			return -1;
	if ((newest = bk_judged_newest(j, false)) < n) {
		fr->newest = j->in[newest].time;
		memcpy(fr->newest_id, j->in[newest].id, BK_ULID_LEN + 1);
		if (newest != good)
			bk_judged_why(j, newest, fr->why, &fr->shrunk);
	}
	if (good < n) {
		fr->good = j->in[good].time;
		memcpy(fr->id, j->in[good].id, BK_ULID_LEN + 1);
		fr->bytes = j->list.rec[good].bytes;
		fr->duration = j->list.rec[good].finished - fr->good;
	}
	return 0;
}

/*
 * How many there are, and when the last ended.  What lies ahead is from a
 * wrong clock and is no proof of anything.
 */
static void
survey(const struct bk_ctx *ctx, struct bk_fresh *fr,
    const struct bk_judged *j)
{
	int64_t until = fr->now + BK_RETAIN_AHEAD_MS;
	const struct bk_record *r;
	size_t i;

	for (i = 0; i < j->list.len; i++) {
		r = &j->list.rec[i];
		fr->daily += bk_marked(r, BK_DAILY);
		fr->weekly += bk_marked(r, BK_WEEKLY);
		fr->monthly += bk_marked(r, BK_MONTHLY);
		if (r->time > until)
			ctx->log(BK_LOG_WARN, "%s of '%s' is from the future: "
			    "passing it over", r->id, r->name);
		else if (r->version == 1 && r->finished > fr->finished &&
		    r->finished <= until)
			fr->finished = r->finished;
	}
	fr->backups = j->list.len;
	fr->unreadable += j->list.unreadable;
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

static int
read_name(const struct bk_ctx *ctx, struct bk_store *s, struct bk_fresh *fr,
    struct bk_fault *f)
{
	const struct bk_fresh_req *req = &fr->req;
	struct bk_judged j = BK_JUDGED_INIT;
	int rc = -1;

	if (bk_judged_read(ctx, s, req, req->name, fr->now, &j, f) == 0 &&
	    bk_state_read(ctx, s, req->name, fr->now + BK_RETAIN_AHEAD_MS,
	    &fr->state, f) == 0) {
		fr->unreadable = fr->state.unreadable;
		survey(ctx, fr, &j);
		rc = find(fr, &j, s, f);
		take_duration(fr);
	}
	bk_judged_release(&j);
	return rc;
}

int
bk_fresh_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_fresh_req *req, struct bk_fresh *fr, struct bk_fault *f)
{
	*fr = (struct bk_fresh)BK_FRESH_INIT;
	fr->req = *req;
	fr->now = ctx->now();
	if (bk_store_now(ctx, s, &fr->now, f) == -1 ||
	    (req->group ? bk_fresh_group(ctx, s, fr, f) :
	    read_name(ctx, s, fr, f)) == -1 ||
	    (req->wal && bk_fresh_wal_read(ctx, s, req->name, req->data,
	    fr->now, &fr->wal, f) == -1)) {
		bk_fresh_unknown(fr, req, fr->now, f);
		return -1;
	}
	bk_fresh_decide(fr);
	return 0;
}

void
bk_fresh_release(struct bk_fresh *fr)
{
	bk_state_release(&fr->state);
}
