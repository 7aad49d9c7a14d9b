/*
 * Choosing and ordering records (DESIGN, 8).  Time, then id, is the order of
 * everything; another order falls back on it, so that it is total and equal
 * on each run.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "list.h"

int
bk_list_wanted(const struct bk_list_req *req, const struct bk_record *rec,
    struct bk_fault *f)
{
	if (req->name != NULL && strcmp(req->name, rec->name) != 0)
		return 0;
	if (req->id != NULL && strcmp(req->id, rec->id) != 0)
		return 0;
	if (rec->time < req->since || rec->time > req->until)
		return 0;
	return bk_query_match(req->query, rec, f);
}

static int
by_time(const struct bk_record *a, const struct bk_record *b)
{
	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	return strcmp(a->id, b->id);
}

static int
by_name(const void *va, const void *vb)
{
	const struct bk_record *a = va, *b = vb;
	int c = strcmp(a->name, b->name);

	return c != 0 ? c : by_time(a, b);
}

static const char *
tag_of(const struct bk_record *r, const char *tag)
{
	return bk_json_get_text(json_object_get(r->json, "tags"), tag);
}

/* Without the tag: last, whichever way the others go. */
static int
by_tag(const struct bk_list_req *req, const struct bk_record *a,
    const struct bk_record *b)
{
	const char *ta = tag_of(a, req->tag), *tb = tag_of(b, req->tag);
	int c;

	if (ta == NULL || tb == NULL)
		return (ta == NULL) - (tb == NULL);
	c = strcmp(ta, tb);
	return req->reverse ? -c : c;
}

static int
by_request(const void *va, const void *vb, void *arg)
{
	const struct bk_record *a = va, *b = vb;
	const struct bk_list_req *req = arg;
	int c = 0;

	switch (req->order) {
	case BK_ORDER_TAG:
		if ((c = by_tag(req, a, b)) != 0)
			return c;
		break;
	case BK_ORDER_BYTES:
		c = (a->bytes > b->bytes) - (a->bytes < b->bytes);
		break;
	case BK_ORDER_ID:
		c = strcmp(a->id, b->id);
		break;
	case BK_ORDER_TIME:
		break;
	}
	if (c == 0)
		c = by_time(a, b);
	return req->reverse ? -c : c;
}

static void
say_suspect(const struct bk_ctx *ctx, const struct bk_record *r)
{
	const char *why = bk_json_get_text(r->json, "suspect");

	ctx->log(BK_LOG_WARN, "passing over %s of '%s': it is suspect: %s",
	    r->id, r->name, why);
}

/*
 * The newest of ${n} records of one name in order of time that is not
 * suspect and not after req->at; ${n} if there is none.
 */
static size_t
newest(const struct bk_ctx *ctx, const struct bk_list_req *req,
    const struct bk_record *rec, size_t n, uint64_t *suspects)
{
	size_t i;

	for (i = n; i-- > 0;) {
		if (req->at != INT64_MIN && rec[i].time > req->at)
			continue;
		if (bk_json_get_text(rec[i].json, "suspect") == NULL)
			return i;
		say_suspect(ctx, &rec[i]);
		(*suspects)++;
	}
	return n;
}

/* Keep the newest of each name. */
static void
keep_newest(const struct bk_ctx *ctx, const struct bk_list_req *req,
    struct bk_list *l)
{
	size_t i, j, end, pick, kept = 0;

	if (l->len > 0)
		qsort(l->rec, l->len, sizeof(*l->rec), by_name);
	for (i = 0; i < l->len; i = end) {
		for (end = i + 1; end < l->len &&
		    strcmp(l->rec[end].name, l->rec[i].name) == 0;)
			end++;
		pick = i + newest(ctx, req, &l->rec[i], end - i,
		    &l->skipped_suspects);
		for (j = i; j < end; j++)
			if (j != pick)
				bk_record_release(&l->rec[j]);
		if (pick < end)
			l->rec[kept++] = l->rec[pick];
	}
	l->len = kept;
}

void
bk_list_select(const struct bk_ctx *ctx, const struct bk_list_req *req,
    struct bk_list *l)
{
	struct bk_list_req order = *req;

	if (req->latest || req->at != INT64_MIN)
		keep_newest(ctx, req, l);
	if (l->len > 0)
		qsort_r(l->rec, l->len, sizeof(*l->rec), by_request, &order);
	while (req->limit > 0 && l->len > req->limit)
		bk_record_release(&l->rec[--l->len]);
}
