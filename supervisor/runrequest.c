/*
 * Requests in a store: claimed and answered by bk-request, each carried out by
 * a bk-run of its own, so that one that ends badly leaves the others alone.
 */
#include <errno.h>
#include <string.h>

#include "json.h"
#include "run.h"

#define TALK_MAX (1 << 20)
#define GRACE_MS 60000		/* a bk-run ends its stages first, then tells */
#define STORE_MS 900000			/* bk-request keeps its own limit before */

/* What came of one run. */
struct came {
	const char *outcome;		/* a word of the ledger */
	int status;
	char message[BK_LEDGER_TEXT];
	json_t *ids;
};

/* bk-request and the store, ready for more words. */
static int
begin(const struct bk_run *r, const struct bk_job_store *store,
    struct bk_args *a, struct bk_fault *f)
{
	return bk_run_own(r, "bk-request", a, f) == -1 ? -1 :
	    bk_args_add(a, store->url, f);
}

/* Claim one for run r->id: 0 with the job's title, 1 none is open, -1. */
static int
claim(struct bk_run *r, const struct bk_job_store *store, char id[],
    const struct bk_job **job, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(TALK_MAX);
	struct bk_args a = BK_ARGS_INIT;
	const char *request;
	json_t *o = NULL;
	size_t i;
	int rc = -1;

	if (begin(r, store, &a, f) == -1 ||
	    bk_args_add(&a, "--claim", f) == -1 ||
	    bk_args_opt(&a, "--run", r->id, f) == -1)
		goto out;
	for (i = 0; i < r->all->njobs; i++)
		if (bk_job_here(&r->ctx, &r->all->jobs[i]) &&
		    bk_args_opt(&a, "--job", r->all->jobs[i].title, f) == -1)
			goto out;
	rc = bk_run_program(r, &a, NULL, NULL, &out, r->ctx.mono() + STORE_MS, f);
	if (rc > 1)
		rc = bk_fault_set(f, rc <= 127 ? rc : BK_DATA,
		    "bk-request --claim exited %d", rc);
	if (rc != 0)
		goto out;
	rc = -1;
	if ((o = bk_json_parse(bk_buf_text(&out), out.len, "bk-request",
	    f)) == NULL)
		goto out;
	request = bk_json_get_text(o, "request");
	if (request == NULL || !bk_ulid_ok(request) ||
	    bk_json_get_text(o, "job") == NULL)
		(void)bk_fault_set(f, BK_BUG, "bk-request --claim: no names");
	else if ((*job = bk_jobs_find(r->all, bk_json_get_text(o, "job"),
	    f)) != NULL) {
		memcpy(id, request, BK_ULID_LEN + 1);
		rc = 0;
	}
out:
	json_decref(o);
	bk_args_release(&a);
	bk_buf_release(&out);
	return rc;
}

/* One line of a bk-run: the first is the job's own, of a group more follow. */
static void
take(const json_t *o, bool first, struct came *c)
{
	static const char *const words[] = { "committed", "unchanged", "skipped" };
	const char *outcome = bk_json_get_text(o, "outcome");
	const char *message = bk_json_get_text(o, "message");
	size_t i;

	if (json_array_extend(c->ids, json_object_get(o, "ids")) == -1) {
		/* A run without a backup has none. */
	}
	for (i = 0; first && outcome != NULL && i < 3; i++)
		if (strcmp(outcome, words[i]) == 0)
			c->outcome = words[i];
	if (message != NULL && c->message[0] == '\0') {
		size_t n = strlen(message);

		n = n < sizeof(c->message) ? n : sizeof(c->message) - 1;
		memcpy(c->message, message, n);
		c->message[n] = '\0';
	}
}

/* Run the job; what fails is part of what came. */
static int
carry_out(struct bk_run *r, const struct bk_job *job, struct came *c,
    struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(TALK_MAX);
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_args a = BK_ARGS_INIT;
	const char *p, *nl;
	json_t *o;
	int rc = -1;

	*c = (struct came){ .outcome = "failed", .ids = json_array() };
	if (c->ids == NULL || bk_run_own(r, "bk-run", &a, f) == -1 ||
	    bk_args_opt(&a, "--config", r->all->path, f) == -1 ||
	    bk_args_opt(&a, "--trigger", "request", f) == -1 ||
	    bk_args_opt(&a, "--run", r->id, f) == -1 ||
	    bk_args_add(&a, job->title, f) == -1)
		goto out;
	rc = 0;
	r->grace = GRACE_MS;
	c->status = bk_run_program(r, &a, NULL, NULL, &out, 0, &own);
	r->grace = 0;
	for (p = bk_buf_text(&out); (nl = strchr(p, '\n')) != NULL; p = nl + 1)
		if ((o = bk_json_parse(p, (size_t)(nl - p), "bk-run",
		    &own)) != NULL) {
			take(o, p == out.p, c);
			json_decref(o);
		}
	if (c->status == -1) {
		c->status = own.status;
		c->outcome = "failed";
	}
	if (c->message[0] == '\0' && bk_faulty(&own))
		memcpy(c->message, own.text, sizeof(c->message) - 1);
	/* 1: the backup stands and something after it failed. */
	if (c->status != 0 && c->status != BK_NO && c->status != BK_BUSY)
		c->outcome = "failed";
out:
	bk_args_release(&a);
	bk_buf_release(&out);
	return rc;
}

static int
answer(struct bk_run *r, const struct bk_job_store *store, const char *id,
    const struct came *c, struct bk_fault *f)
{
	struct bk_buf status = BK_BUF_INIT(16);
	struct bk_args a = BK_ARGS_INIT;
	size_t i;
	json_t *o;
	int rc = -1;

	if (begin(r, store, &a, f) == -1 ||
	    bk_buf_addf(&status, f, "%d", c->status) == -1 ||
	    bk_args_opt(&a, "--answer", id, f) == -1 ||
	    bk_args_opt(&a, "--outcome", c->outcome, f) == -1 ||
	    bk_args_opt(&a, "--status", status.p, f) == -1 ||
	    bk_args_opt(&a, "--message", c->message[0] != '\0' ? c->message :
	    NULL, f) == -1)
		goto out;
	json_array_foreach(c->ids, i, o)
		if (bk_args_opt(&a, "--id", json_string_value(o), f) == -1)
			goto out;
	rc = bk_run_program(r, &a, NULL, NULL, NULL, r->ctx.mono() + STORE_MS,
	    f);
	if (rc > 0)
		rc = bk_fault_set(f, rc <= 127 ? rc : BK_DATA,
		    "request %s was carried out but could not be answered", id);
out:
	bk_args_release(&a);
	bk_buf_release(&status);
	return rc;
}

/* Say what was done, as one object. */
static int
tell(const struct bk_run *r, const char *id, const struct bk_job *job,
    const struct came *c, struct bk_fault *f)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:i, s:O}", "request", id,
	    "job", job->title, "run", r->id, "outcome", c->outcome, "status",
	    c->status, "ids", c->ids);
	int rc = -1;

	if (o == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the outcome");
	if (c->message[0] == '\0' ||
	    bk_json_set_text(o, "message", c->message, f) == 0)
		rc = bk_json_write(1, o, "standard output", f);
	json_decref(o);
	return rc;
}

int
bk_run_requests(struct bk_run *r, const struct bk_job_store *store,
    struct bk_fault *f)
{
	char id[BK_ULID_LEN + 1];
	const struct bk_job *job;
	struct bk_fault own;
	struct came c;
	int rc;

	while ((rc = claim(r, store, id, &job, f)) == 0) {
		own = (struct bk_fault)BK_FAULT_INIT;
		rc = carry_out(r, job, &c, f);
		/* Whoever asked waits for it. */
		r->closing = true;
		if (rc == 0 && ((rc = answer(r, store, id, &c, &own)) == -1 ||
		    (rc = tell(r, id, job, &c, &own)) == -1))
			(void)bk_fault_set(f, own.status, "%s", own.text);
		r->closing = false;
		json_decref(c.ids);
		if (rc == -1 || bk_run_wait(r, 1, &own) == -1 ||
		    bk_ulid_new(r->ctx.now(), r->id, f) == -1)
			break;
	}
	return bk_faulty(f) ? -1 : 0;
}
