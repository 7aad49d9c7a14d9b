#include <stdlib.h>
#include <string.h>

#include "brief.h"
#include "json.h"
#include "judged.h"
#include "listmarks.h"

#define NOTHING ", counts for nothing"

static int
judge(struct bk_judged *j, struct bk_fault *f)
{
	bk_retain_release(&j->r);
	return bk_retain(j->in, j->list.len, &j->policy, j->zone, j->now, NULL,
	    NULL, &j->r, f);
}

static int
make_input(struct bk_judged *j, uint64_t min_bytes, struct bk_fault *f)
{
	const struct bk_record *rec;
	size_t i;

	if ((j->in = calloc(j->list.len + 1, sizeof(*j->in))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; i < j->list.len; i++) {
		rec = &j->list.rec[i];
		j->in[i] = bk_retain_of(rec);
		if (rec->version != 1 || rec->bytes >= min_bytes)
			continue;
		j->in[i].flags |= BK_RETAIN_SUSPECT;
		j->in[i].flags &= ~BK_RETAIN_ACCEPTED;
	}
	return 0;
}

int
bk_judged_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_fresh_req *req, const char *name, int64_t now,
    struct bk_judged *j, struct bk_fault *f)
{
	struct bk_list_req want = BK_LIST_REQ_INIT;

	*j = (struct bk_judged)BK_JUDGED_INIT;
	j->now = now;
	j->policy.count[BK_LAST] = 1;
	j->policy.shrink = req->shrink;
	j->policy.sources = BK_SOURCES_SHARED;
	want.name = name;
	if ((j->zone = bk_zone_open(NULL, "UTC", f)) == NULL ||
	    bk_list_read(ctx, s, &want, &j->list, f) == -1 ||
	    bk_marks_set(ctx, s, NULL, &j->list, f) == -1 ||
	    make_input(j, req->min_bytes, f) == -1)
		return -1;
	return judge(j, f);
}

void
bk_judged_release(struct bk_judged *j)
{
	bk_retain_release(&j->r);
	free(j->in);
	j->in = NULL;
	bk_list_release(&j->list);
	bk_zone_free(j->zone);
	j->zone = NULL;
}

/* Is ${i} newer than ${best}, by time and then id? */
static bool
is_newer(const struct bk_judged *j, size_t i, size_t best)
{
	const struct bk_retain_in *a = &j->in[i], *b = &j->in[best];

	if (best == j->list.len || a->time != b->time)
		return best == j->list.len || a->time > b->time;
	return strcmp(a->id, b->id) > 0;
}

size_t
bk_judged_newest(const struct bk_judged *j, bool good)
{
	size_t i, best = j->list.len;

	for (i = 0; i < j->list.len; i++)
		if (j->in[i].time <= j->now + BK_RETAIN_AHEAD_MS &&
		    (!good || j->r.v[i].good) && is_newer(j, i, best))
			best = i;
	return best;
}

int
bk_judged_payload(struct bk_judged *j, struct bk_store *s, size_t i,
    struct bk_fault *f)
{
	const struct bk_record *rec = &j->list.rec[i];
	struct bk_object o;
	int rc = bk_store_stat(s, rec->key, &o, f);

	if (rc == -1)
		return -1;
	if (rc == 0 && o.bytes == rec->bytes)
		return 1;
	j->in[i].flags &= ~BK_RETAIN_PAYLOAD;
	return judge(j, f);
}

void
bk_judged_why(const struct bk_judged *j, size_t i, char out[BK_WHY_LEN],
    bool *shrunk)
{
	char text[BK_WHY_LEN];
	unsigned int k;
	char *end;

	memcpy(out, "not good", sizeof("not good"));
	for (k = 0; bk_retain_why(&j->r, i, k, text) != NULL; k++)
		if ((end = strstr(text, NOTHING)) != NULL ||
		    strcmp(text, "cannot be read") == 0) {
			if (end != NULL)
				*end = '\0';
			memcpy(out, text, strlen(text) + 1);
			break;
		}
	*shrunk = j->list.rec[i].version == 1 && strcmp(out, "suspect") == 0 &&
	    bk_json_get_text(j->list.rec[i].json, "suspect") == NULL;
}
