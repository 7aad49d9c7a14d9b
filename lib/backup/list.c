/*
 * Listing reads keys first, and then what is asked for by name or id and
 * nothing else; payloads are never listed.
 *
 * A manifest that cannot be read hides one backup, not the set: it is said,
 * counted and skipped.  A store that does not answer is a fault.
 */
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "json.h"
#include "list.h"
#include "listmarks.h"

#define URL_MAX 16384

static int
add_link(struct bk_store *s, struct bk_record *rec, unsigned int seconds,
    struct bk_fault *f)
{
	struct bk_buf url = BK_BUF_INIT(URL_MAX);
	int rc = bk_store_presign(s, rec->key, seconds, &url, f);

	if (rc == BK_NOT_SUPPORTED)
		rc = bk_fault_set(f, BK_CONFIG, "the store '%s' cannot give "
		    "links", s->url);
	if (rc == 0)
		rc = bk_json_set_text(rec->json, "link", bk_buf_text(&url), f);
	bk_buf_release(&url);
	return rc;
}

static int
append(struct bk_list *out, struct bk_record *rec, struct bk_fault *f)
{
	struct bk_record *v;
	size_t size;

	if (out->len == out->size) {
		size = out->size == 0 ? 64 : 2 * out->size;
		if ((v = realloc(out->rec, size * sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		out->rec = v;
		out->size = size;
	}
	out->rec[out->len++] = *rec;
	*rec = (struct bk_record)BK_RECORD_INIT;
	return 0;
}

/* A list in the making. */
struct making {
	const struct bk_list_req *req;
	bool later;			/* chosen when all are there */
	struct bk_list *out;
};

static int
take(void *arg, const struct bk_entry *e, struct bk_record *rec,
    unsigned int bad_notes, bool whole, struct bk_fault *f)
{
	struct making *m = arg;
	int rc;

	(void)e;
	(void)whole;
	m->out->unreadable += bad_notes;
	if (rec == NULL) {
		m->out->unreadable++;
		return 0;
	}
	/* Never stored: what a manifest says of them means nothing. */
	(void)json_object_del(rec->json, "marks");
	if ((rc = m->later ? 1 : bk_list_wanted(m->req, rec, f)) == 1)
		rc = append(m->out, rec, f);
	return rc;
}

/* What was held until all were there and is not asked for goes. */
static int
drop_unwanted(const struct bk_list_req *req, struct bk_list *l,
    struct bk_fault *f)
{
	size_t i, kept = 0;
	int rc = 0;

	for (i = 0; i < l->len && rc != -1; i++) {
		if ((rc = bk_list_wanted(req, &l->rec[i], f)) == 0)
			bk_record_release(&l->rec[i]);
		if (rc == 1 && kept++ != i) {
			l->rec[kept - 1] = l->rec[i];
			l->rec[i] = (struct bk_record)BK_RECORD_INIT;
		}
	}
	if (rc == -1)
		return -1;
	l->len = kept;
	return 0;
}

int
bk_list_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_list_req *req, struct bk_list *out, struct bk_fault *f)
{
	struct bk_entries es;
	struct bk_entries_cost cost;
	const bool marks = req->marks || bk_query_marks(req->query);
	struct making m = { req, marks || req->group != NULL, out };
	struct bk_list_req order = *req;
	size_t i;
	int rc = -1;

	*out = (struct bk_list)BK_LIST_INIT;
	if (bk_entries_list(s, req->group != NULL ? NULL : req->name,
	    m.later ? NULL : req->id, &es, f) == -1 ||
	    bk_entries_read(ctx, s, &es, take, &m, &cost, f) == -1 ||
	    /* Marks need all records of a name. */
	    (marks && bk_marks_set(ctx, s, req->policy, out, f) == -1) ||
	    (req->group != NULL && bk_list_runs(ctx, s, req, out, f) == -1) ||
	    (m.later && drop_unwanted(req, out, f) == -1))
		goto out;
	if (req->group != NULL) {
		order.latest = false;
		order.at = INT64_MIN;
	}
	bk_list_select(ctx, &order, out);
	for (i = 0; req->links > 0 && i < out->len; i++)
		if (out->rec[i].version == 1 &&
		    add_link(s, &out->rec[i], req->links, f) == -1)
			goto out;
	rc = 0;
out:
	if (rc == -1)
		bk_list_release(out);
	bk_entries_release(&es);
	return rc;
}

void
bk_list_release(struct bk_list *l)
{
	while (l->len > 0)
		bk_record_release(&l->rec[--l->len]);
	free(l->rec);
	*l = (struct bk_list)BK_LIST_INIT;
}
