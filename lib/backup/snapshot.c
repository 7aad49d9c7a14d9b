/*
 * Nothing is believed of a snapshot: each record passes the checks of one
 * that was read from its manifest; a brief (brief.h) passes those of what is
 * picked.  It is read as it comes, a line at a time,
 * and written so; memory is one line.
 *
 * Right beside concurrent writers: a backup that is new is not in it and is
 * fetched; one that was deleted has no key and its line serves nobody; one
 * that was noted has another set of keys.  Only whole records are written.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "snapshot.h"
#include "ulid.h"
#include "when.h"

#define FORMAT "list/1"
#define JSON ".json"
#define LINE_MAX (2 * BK_LINE_MAX)

/* The keys of the snapshots, oldest first. */
struct found {
	char (*ulid)[BK_ULID_LEN + 1];
	size_t len, size;
};

static int
take_key(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	struct found *fo = arg;
	char (*v)[BK_ULID_LEN + 1];
	char ulid[BK_ULID_LEN + 1];
	const char *s = o->key + sizeof(BK_SNAPSHOTS) - 1;

	if (!bk_ulid_then(s, '.', ulid) || strcmp(s + BK_ULID_LEN, JSON) != 0)
		return 0;
	if (fo->len == fo->size) {
		if ((v = realloc(fo->ulid, (2 * fo->size + 8) *
		    sizeof(*v))) == NULL)
			return bk_fault_set(f, BK_IO, "out of memory");
		fo->ulid = v;
		fo->size = 2 * fo->size + 8;
	}
	memcpy(fo->ulid[fo->len++], ulid, sizeof(ulid));
	return 0;
}

static int
find(struct bk_store *s, struct found *fo, struct bk_fault *f)
{
	return bk_store_list(s, BK_SNAPSHOTS, "", take_key, fo, f);
}

static int
snapshot_key(struct bk_buf *key, const char *ulid, struct bk_fault *f)
{
	bk_buf_reset(key);
	return bk_buf_addf(key, f, BK_SNAPSHOTS "%s" JSON, ulid);
}

/* A snapshot on its way in. */
struct reader {
	bk_snapshot_fn *fn;
	bk_snapshot_line_fn *skim;	/* or NULL */
	void *arg;
	struct bk_buf line;
	uint64_t lines;
	bool ended;
	bool failed;			/* the fault is of ${fn} */
};

static int
take_record(struct reader *r, const json_t *line, struct bk_fault *f)
{
	json_t *json = json_object_get(line, "record");
	struct bk_record rec = BK_RECORD_INIT;
	int rc;

	if (!json_is_object(json))
		return bk_fault_set(f, BK_DATA, "a line without a record");
	(void)json_object_del(json, "store");
	if (bk_record_from(json_incref(json), &rec, f) == -1)
		return -1;
	if ((rc = r->fn(r->arg, &rec, json_object_get(line, "notes"), f)) == -1)
		r->failed = true;
	bk_record_release(&rec);
	return rc;
}

static int
take_line(struct reader *r, const char *p, size_t n, struct bk_fault *f)
{
	json_t *line;
	const char *form;
	int rc = -1;

	if (r->ended)
		return bk_fault_set(f, BK_DATA, "something after its end");
	if (r->lines > 0 && r->skim != NULL &&
	    (rc = r->skim(r->arg, p, n, f)) != 1) {
		r->failed = rc == -1;
		return rc;
	}
	rc = -1;
	if ((line = bk_json_parse(p, n, "snapshot", f)) == NULL)
		return -1;
	if (r->lines++ == 0) {
		form = bk_json_get_text(line, "bk");
		rc = form != NULL && strcmp(form, FORMAT) == 0 ? 0 :
		    bk_fault_set(f, BK_DATA, "it is not of the form " FORMAT);
	} else if (json_object_get(line, "end") != NULL) {
		r->ended = true;
		rc = 0;
	} else
		rc = take_record(r, line, f);
	json_decref(line);
	return rc;
}

static int
take_bytes(void *arg, const void *data, size_t n, struct bk_fault *f)
{
	struct reader *r = arg;
	const char *p = data, *nl;
	size_t part;
	int rc;

	for (; n > 0; p += part, n -= part) {
		nl = memchr(p, '\n', n);
		part = nl != NULL ? (size_t)(nl - p) + 1 : n;
		if (nl != NULL && r->line.len == 0) {
			if (take_line(r, p, part, f) == -1)
				return -1;
			continue;
		}
		if (bk_buf_add(&r->line, p, part, f) == -1)
			return -1;
		if (nl == NULL)
			continue;
		rc = take_line(r, bk_buf_text(&r->line), r->line.len, f);
		bk_buf_reset(&r->line);
		if (rc == -1)
			return -1;
	}
	return 0;
}

int
bk_snapshot_read(const struct bk_ctx *ctx, struct bk_store *s,
    bk_snapshot_fn *fn, bk_snapshot_line_fn *skim, void *arg,
    struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct reader r = { .fn = fn, .skim = skim, .arg = arg,
		.line = BK_BUF_INIT(LINE_MAX) };
	struct bk_fault why = BK_FAULT_INIT;
	struct found fo = { NULL, 0, 0 };
	int rc = -1;

	if (find(s, &fo, f) == -1)
		goto out;
	rc = 0;
	if (fo.len == 0)
		goto out;
	if ((rc = snapshot_key(&key, fo.ulid[fo.len - 1], f)) == -1)
		goto out;
	rc = bk_store_get(s, bk_buf_text(&key), 0, UINT64_MAX, take_bytes, &r,
	    &why);
	if (rc == -1 && (r.failed || why.status == BK_UNAVAILABLE)) {
		*f = why;
		goto out;
	}
	if (rc != 0 || !r.ended)
		ctx->log(BK_LOG_DEBUG, "the list snapshot '%s' cannot be used: "
		    "%s", bk_buf_text(&key), rc == -1 ? why.text :
		    "it is gone, or cut");
	rc = 0;
out:
	free(fo.ulid);
	bk_buf_release(&r.line);
	bk_buf_release(&key);
	return rc;
}

/* A snapshot on its way out. */
struct writer {
	struct bk_put *put;
	struct bk_buf line;
	uint64_t records;
};

/* Takes the reference of ${o}, which may be NULL. */
static int
put_line(struct writer *w, json_t *o, struct bk_fault *f)
{
	int rc = -1;

	bk_buf_reset(&w->line);
	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if (bk_json_text(o, &w->line, f) == 0 &&
	    bk_buf_adds(&w->line, "\n", f) == 0)
		rc = bk_store_put_write(w->put, w->line.p, w->line.len, f);
	json_decref(o);
	return rc;
}

static json_t *
note_ulids(const struct bk_entry *e, struct bk_fault *f)
{
	json_t *a = json_array();
	const char *ulid;
	size_t i;

	for (i = 0; i < e->nnotes; i++) {
		ulid = strrchr(e->notes[i], '/') + 1 + BK_ULID_LEN + 1;
		if (bk_json_push(a, json_stringn(ulid, BK_ULID_LEN), f) == -1) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static int
put_record(void *arg, const struct bk_entry *e, struct bk_record *rec,
    unsigned int bad_notes, bool whole, struct bk_fault *f)
{
	struct writer *w = arg;
	json_t *notes;

	(void)bad_notes;
	if (rec == NULL || !whole)
		return 0;
	if (bk_record_set_store(rec, NULL, f) == -1 ||
	    (notes = note_ulids(e, f)) == NULL)
		return -1;
	w->records++;
	return put_line(w, json_pack("{s:o, s:O}", "notes", notes, "record",
	    rec->json), f);
}

/* All but the newest two. */
static int
remove_old(struct bk_store *s, struct bk_fault *f)
{
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	struct found fo = { NULL, 0, 0 };
	const char *one;
	size_t i;
	int rc;

	rc = find(s, &fo, f);
	for (i = 0; rc == 0 && i + 2 < fo.len; i++)
		if ((rc = snapshot_key(&key, fo.ulid[i], f)) == 0) {
			one = bk_buf_text(&key);
			rc = bk_store_remove(s, &one, 1, f);
		}
	free(fo.ulid);
	bk_buf_release(&key);
	return rc;
}

int
bk_snapshot_write(const struct bk_ctx *ctx, struct bk_store *s,
    struct bk_fault *f)
{
	struct writer w = { .line = BK_BUF_INIT(LINE_MAX) };
	const struct bk_put_opts opts = { .flags = BK_PUT_NEW };
	struct bk_buf key = BK_BUF_INIT(BK_KEY_MAX);
	char ulid[BK_ULID_LEN + 1], when[BK_TIME_LEN];
	struct bk_entries_cost cost;
	struct bk_entries es;
	struct bk_put *put;
	int rc = -1;

	if (bk_entries_list(s, NULL, NULL, &es, f) == -1 ||
	    bk_ulid_new(ctx->now(), ulid, f) == -1 ||
	    snapshot_key(&key, ulid, f) == -1 ||
	    (w.put = bk_store_put_begin(s, bk_buf_text(&key), &opts, f)) == NULL ||
	    put_line(&w, json_pack("{s:s, s:s}", "bk", FORMAT, "time",
	    bk_time_text(ctx->now(), when)), f) == -1 ||
	    bk_entries_read(ctx, s, &es, put_record, &w, &cost, f) == -1 ||
	    put_line(&w, json_pack("{s:s, s:I}", "end", "ok", "records",
	    (json_int_t)w.records), f) == -1)
		goto out;
	put = w.put;
	w.put = NULL;
	if (bk_store_put_commit(put, f) == 0)
		rc = remove_old(s, f);
out:
	bk_store_put_abort(w.put);
	bk_entries_release(&es);
	bk_buf_release(&w.line);
	bk_buf_release(&key);
	return rc;
}
