/*
 * One record, or a fault that tells what there is instead.
 */
#include <string.h>

#include "pick.h"
#include "when.h"

#define SHOWN 10
#define HINT_MAX 4096

struct hint {
	struct bk_buf *text;
	size_t n;
};

static int
add_hint(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct hint *h = arg;

	if (h->n++ == SHOWN)
		return bk_buf_adds(h->text, ", …", f) == -1 ? -1 : BK_LIST_STOP;
	return bk_buf_addf(h->text, f, "%s'%s'", h->n == 1 ? "" : ", ", o->key);
}

int
bk_list_hint(struct bk_store *s, struct bk_buf *text, struct bk_fault *f)
{
	struct bk_buf found = BK_BUF_INIT(HINT_MAX);
	struct hint h = { &found, 0 };
	const char *what = "it has the names";
	int rc = -1;

	if (bk_list_names(s, add_hint, &h, f) == -1)
		goto out;
	if (h.n == 0) {
		what = "it has none itself; below it are the sets";
		if (bk_list_sets(s, add_hint, &h, f) == -1)
			goto out;
	}
	rc = h.n == 0 ? bk_buf_adds(text, "it is empty", f) :
	    bk_buf_addf(text, f, "%s %s", what, bk_buf_text(&found));
out:
	bk_buf_release(&found);
	return rc;
}

int
bk_list_none(struct bk_store *s, const struct bk_list_req *req, int status,
    struct bk_fault *f)
{
	struct bk_buf hint = BK_BUF_INIT(HINT_MAX);
	char when[BK_TIME_LEN];
	int rc = -1;

	if (bk_list_hint(s, &hint, f) == 0)
		rc = bk_fault_set(f, status, "no backup in '%s' matches%s%s%s%s%s; "
		    "%s",
		    s->url, req->id != NULL || req->name != NULL ? " " : "",
		    req->id != NULL ? req->id : req->name != NULL ? "name " : "",
		    req->id == NULL && req->name != NULL ? req->name : "",
		    req->at != INT64_MIN ? " at or before " : "",
		    req->at != INT64_MIN ? bk_time_text(req->at, when) : "",
		    bk_buf_text(&hint));
	bk_buf_release(&hint);
	return rc;
}

int
bk_pick_store(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_list_req *req, struct bk_record *rec, struct bk_fault *f)
{
	struct bk_list l = BK_LIST_INIT;
	int rc = -1;

	if (bk_list_read(ctx, s, req, &l, f) == -1)
		return -1;
	if (l.len == 0)
		(void)bk_list_none(s, req, BK_NOINPUT, f);
	else if (l.len > 1)
		(void)bk_fault_set(f, BK_USAGE, "%zu backups match: choose one "
		    "with --id, or with --name and --latest or --at", l.len);
	else if (bk_record_current(&l.rec[0], f) == 0) {
		*rec = l.rec[0];
		l.rec[0] = (struct bk_record)BK_RECORD_INIT;
		rc = 0;
	}
	bk_list_release(&l);
	return rc;
}

int
bk_pick_input(struct bk_records_in *in, struct bk_record *rec,
    struct bk_fault *f)
{
	switch (bk_records_next(in, rec, f)) {
	case BK_MORE:
		return bk_record_current(rec, f);
	case BK_END:
		return bk_fault_set(f, BK_NOINPUT, "no record on the input");
	default:
		return -1;
	}
}
