/* Memory that runs out in the jobs of lib/backup (see scarce.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commit.h"
#include "list.h"
#include "note.h"
#include "query.h"
#include "request.h"
#include "samples.h"
#include "retain.h"
#include "scarce.h"
#include "table.h"
#include "tags.h"
#include "tap.h"
#include "undo.h"

#if OWN_MALLOC
#define SHA "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define T "2026-11-21T10:00:00Z"

static char url[512];
static json_t *rec_json, *header, *end, *note;

static int
job_record(struct bk_fault *f)
{
	struct bk_record r;
	int rc = bk_record_from(json_incref(rec_json), &r, f);

	if (rc == 0)
		rc = bk_record_set_store(&r, "file:///somewhere/far/away", f);
	bk_record_release(&r);
	return rc;
}

static int
job_query(struct bk_fault *f)
{
	struct bk_query *q = bk_query_parse("{a=\"x\",b!=`y`}", f);

	bk_query_free(q);
	return q != NULL ? 0 : -1;
}

static int
job_tags(struct bk_fault *f)
{
	json_t *t = json_object();
	int rc = bk_tags_add(t, "tier=app", f);

	json_decref(t);
	return rc;
}

static int
nowhere(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	(void)arg;
	(void)p;
	(void)n;
	(void)f;
	return 0;
}

static int
job_undo(struct bk_fault *f)
{
	const struct bk_undo_opts o = { .ctx = &tap_ctx };
	struct bk_undo *u = bk_undo_open(&o, NULL, nowhere, NULL, f);

	bk_undo_free(u);
	return u != NULL ? 0 : -1;
}

/*
 * A whole commit; not by way of fan.h, whose digest ends the process where
 * memory runs out (hash.h).
 */
static int
job_put(struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_commit_plan plan;
	struct bk_commit *c = NULL;
	struct bk_store *s;
	int rc = -1;

	if ((s = bk_store_open(&tap_ctx, url, NULL, f)) != NULL &&
	    bk_commit_plan(&tap_ctx, s, header, false, &plan, f) == 0 &&
	    (c = bk_commit_begin(&tap_ctx, s, &plan, 0, f)) != NULL &&
	    bk_commit_write(c, "hello", 5, f) == 0)
		rc = bk_commit_finish(c, end, SHA, &rec, f);
	bk_commit_free(c);
	bk_record_release(&rec);
	bk_store_close(s);
	return rc;
}

/* All that was put before, with a note on the first of them. */
static int
job_list(struct bk_fault *f)
{
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_buf text = BK_BUF_INIT(1 << 20);
	struct bk_list l = BK_LIST_INIT;
	struct bk_store *s;
	int rc = -1;

	req.limit = 3;
	if ((s = bk_store_open(&tap_ctx, url, NULL, f)) != NULL &&
	    bk_list_read(&tap_ctx, s, &req, &l, f) == 0) {
		if (l.unreadable > 0)
			(void)bk_fault_set(f, BK_IO, "unreadable ones");
		else if (bk_table(&l, s->url, 0, 80, &text, f) == 0)
			rc = bk_note_write(&tap_ctx, s, &l.rec[0], note, f);
	}
	bk_list_release(&l);
	bk_buf_release(&text);
	bk_store_close(s);
	return rc;
}

static int
drop(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	const char *keys[] = { o->key };

	return bk_store_remove(arg, keys, 1, f);
}

/* What the time before has left open, with all the memory there is. */
static void
forget_requests(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	long budget = scarce_budget;
	struct bk_store *s;

	scarce_budget = -1;
	s = bk_store_open(&tap_ctx, url, NULL, &f);
	(void)bk_store_list(s, ".bk/request/", "", drop, s, &f);
	bk_store_close(s);
	scarce_budget = budget;
}

/* A request made, claimed and answered. */
static int
job_request(struct bk_fault *f)
{
	static const char *const jobs[] = { "app", NULL };
	static const char *const ids[] = { "01M7ZH5GN7B9F6J0HZWGCP1BYG", NULL };
	const struct bk_answer a = { BK_COMMITTED, 0, "well", ids };
	struct bk_request made = BK_REQUEST_INIT, got = BK_REQUEST_INIT;
	struct bk_store *s;
	json_t *o = NULL;
	int rc = -1;

	forget_requests();
	if ((s = bk_store_open(&tap_ctx, url, NULL, f)) != NULL &&
	    bk_request_make(&tap_ctx, s, "app", &made, f) == 0 &&
	    bk_request_claim(&tap_ctx, s, jobs, ids[0], &got, f) == 0 &&
	    bk_request_answer(&tap_ctx, s, made.id, &a, f) != -1 &&
	    bk_request_look(s, made.id, &o, f) != -1)
		rc = 0;
	/* jansson takes want of memory for bad syntax, which is passed over. */
	if (rc != 0 && (f->status == BK_DATA || !bk_faulty(f))) {
		bk_fault_clear(f);
		rc = bk_fault_set(f, BK_IO, "out of memory");
	}
	json_decref(o);
	bk_request_release(&got);
	bk_request_release(&made);
	bk_store_close(s);
	return rc;
}

static void
prepare(void)
{
	const struct bk_store_opts so = { .create = true };
	struct bk_fault f = BK_FAULT_INIT;

	(void)snprintf(url, sizeof(url), "file://%s/store", tap_dir());
	bk_store_close(bk_store_open(&tap_ctx, url, &so, &f));
	rec_json = sample("app", 1, T, 1, "{'a':'b'}");
	end = quoted("{'end':'ok','stages':[{'stage':'fake','bytes':5,'sha256':'"
	    SHA "'}]}");
	note = quoted("{'set':{'a':'1'}}");
	header = quoted("{'bk':'stream/1','name':'app','engine':'fake',"
	    "'ext':'bin','time':'" T "','tags':{'a':'b'},'filters':[],"
	    "'info':{},'extra':1}");
}

/* Whatever failed before: what is listed is whole, and every put that said 0. */
static void
look(void)
{
	struct bk_list_req req = BK_LIST_REQ_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_object o;
	struct bk_list l;
	struct bk_store *s = bk_store_open(&tap_ctx, url, NULL, &f);
	size_t i;

	ok(bk_list_read(&tap_ctx, s, &req, &l, &f) == 0 && l.len >= 2 &&
	    l.unreadable == 0, "all that is listed can be read: %s", f.text);
	for (i = 0; i < l.len; i++)
		if (bk_store_stat(s, l.rec[i].key, &o, &f) != 0 || o.bytes != 5)
			break;
	ok_int(i, l.len, "and has its payload");
	bk_list_release(&l);
	bk_store_close(s);
}

static int
no_match(void *arg, const struct bk_query *q, size_t i, struct bk_fault *f)
{
	(void)arg;
	(void)q;
	(void)i;
	(void)f;
	return 0;
}

/* A policy, two names of two sources and a chain, one of them refused. */
static int
job_retain(struct bk_fault *f)
{
	static const struct bk_retain_in in[] = {
		{ .time = 3, .id = "C", .name = "a", .parent = "A", .flags =
		    BK_RETAIN_PAYLOAD | BK_RETAIN_PROVEN },
		{ .time = 2, .id = "B", .name = "b", .source = "y" },
		{ .time = 1, .id = "A", .name = "a", .flags =
		    BK_RETAIN_PAYLOAD | BK_RETAIN_PROVEN },
		{ .time = 1, .id = "D", .name = "b", .source = "x" },
	};
	static const char *const words[] = { "--keep-daily", "1", "--keep-tag",
		"{a=~\"b.*\"}", "--tz", "Europe/Berlin" };
	char *argv[6];
	struct bk_policy p = BK_POLICY_INIT;
	struct bk_retained r = BK_RETAINED_INIT;
	struct bk_zone *z = NULL;
	json_t *again = NULL;
	uint8_t marks[4];
	size_t i;
	int rc = -1;

	for (i = 0; i < 6; i++)
		argv[i] = (char *)(uintptr_t)words[i];
	if (bk_policy_parse(&p, argv, 6, f) == 0 &&
	    (again = bk_policy_words(&p, f)) != NULL &&
	    (z = bk_zone_open(NULL, p.tz, f)) != NULL &&
	    bk_retain(in, 4, &p, z, 9, no_match, NULL, &r, f) == 0 &&
	    bk_retain_marks(in, 4, NULL, z, 9, no_match, NULL, marks, f) == 0)
		rc = 0;
	bk_retain_release(&r);
	bk_zone_free(z);
	json_decref(again);
	bk_policy_release(&p);
	return rc;
}

static void
tests(void)
{
	prepare();
	scarce_torture(job_retain, 20, "retention");
	scarce_torture(job_record, 2, "record");
	scarce_torture(job_query, 5, "query");
	scarce_torture(job_tags, 2, "tags");
	scarce_torture(job_undo, 3, "undo");
	scarce_torture(job_put, 50, "put");
	scarce_torture(job_list, 50, "list and note");
	scarce_torture(job_request, 50, "request");
	look();
	json_decref(note);
	json_decref(end);
	json_decref(header);
	json_decref(rec_json);
}
#else
static void
tests(void)
{
}
#endif

int
main(void)
{
	return scarce_main(tests);
}
