/*
 * After the dump: state in the stores, pruning, the group's object, the
 * ledger, and the line that says how it went.
 */
#include <errno.h>
#include <string.h>

#include "json.h"
#include "run.h"

#define REPORT_MS 120000
#define FRESH_MS 120000
#define ANSWER_MAX 65536

/* The record that the job has under ${name}, or NULL. */
static const json_t *
record_of(const struct bk_runjob *j, const char *name)
{
	const char *s;
	size_t i;

	for (i = 0; i < json_array_size(j->records); i++) {
		s = bk_json_get_text(json_array_get(j->records, i), "name");
		if (s != NULL && strcmp(s, name) == 0)
			return json_array_get(j->records, i);
	}
	return NULL;
}

static int
report(struct bk_runjob *j, const struct bk_job_store *store,
    const char *name, struct bk_fault *f)
{
	struct bk_buf ms = BK_BUF_INIT(32), status = BK_BUF_INIT(16);
	enum bk_ledger_event outcome = j->outcome;
	const json_t *rec = record_of(j, name);
	struct bk_args a = BK_ARGS_INIT;
	struct bk_run *r = j->run;
	int rc = -1;

	/* One source may have failed where another was committed. */
	if (rec != NULL)
		outcome = BK_LEDGER_COMMITTED;
	if (bk_buf_addf(&ms, f, "%lld", (long long)(r->ctx.mono() -
	    j->begin)) == -1 ||
	    bk_buf_addf(&status, f, "%d", rec != NULL ? 0 :
	    j->fault.status) == -1 ||
	    bk_run_own(r, "bk-report", &a, f) == -1 ||
	    bk_args_add(&a, store->url, f) == -1 ||
	    bk_args_opt(&a, "--name", name, f) == -1 ||
	    bk_args_opt(&a, "--outcome", bk_ledger_word(outcome), f) == -1 ||
	    bk_args_opt(&a, "--id", bk_json_get_text(rec, "id"), f) == -1 ||
	    bk_args_opt(&a, "--run", r->id, f) == -1 ||
	    bk_args_opt(&a, "--job", j->job->title, f) == -1 ||
	    bk_args_opt(&a, "--trigger", r->trigger, f) == -1 ||
	    (outcome == BK_LEDGER_FAILED && bk_args_opt(&a, "--status",
	    status.p, f) == -1) ||
	    (outcome != BK_LEDGER_COMMITTED && bk_args_opt(&a, "--message",
	    bk_faulty(&j->fault) ? j->fault.text : NULL, f) == -1) ||
	    bk_args_opt(&a, "--duration", ms.p, f) == -1)
		goto out;
	rc = bk_run_program(r, &a, NULL, NULL, NULL, r->ctx.mono() + REPORT_MS,
	    f);
	if (rc > 0)
		(void)bk_fault_set(f, rc, "bk-report exited %d", rc);
out:
	bk_args_release(&a);
	bk_buf_release(&ms);
	bk_buf_release(&status);
	return rc;
}

void
bk_run_report(struct bk_runjob *j)
{
	struct bk_fault f = BK_FAULT_INIT;
	const char *name;
	size_t i, k;

	for (i = 0; i < json_array_size(j->names); i++)
		for (k = 0; k < j->job->nstores; k++) {
			name = json_string_value(json_array_get(j->names, i));
			bk_fault_clear(&f);
			if (report(j, j->job->stores[k], name, &f) != 0)
				j->run->ctx.log(BK_LOG_WARN, "job '%s': store '%s' "
				    "was not told how it went: %s", j->job->title,
				    j->job->stores[k]->name, f.text);
		}
}

json_t *
bk_run_fresh(struct bk_run *r, const struct bk_args *more, const char *url,
    const char *name, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(ANSWER_MAX);
	struct bk_args a = BK_ARGS_INIT;
	json_t *o = NULL;

	if (bk_run_own(r, "bk-fresh", &a, f) == 0 &&
	    bk_args_add(&a, "--json", f) == 0 &&
	    bk_args_opt(&a, "--name", name, f) == 0 &&
	    bk_args_all(&a, more->v, f) == 0 &&
	    bk_args_add(&a, url, f) == 0 &&
	    bk_run_program(r, &a, NULL, NULL, &out, r->ctx.mono() + FRESH_MS,
	    f) != -1)
		o = bk_json_parse(bk_buf_text(&out), out.len, "bk-fresh", f);
	bk_args_release(&a);
	bk_buf_release(&out);
	return o;
}

static int
prune(struct bk_runjob *j, const struct bk_job_store *store, const char *name,
    struct bk_fault *f)
{
	const struct bk_words *keep = &j->job->keep;
	struct bk_args a = BK_ARGS_INIT;
	struct bk_buf out = BK_BUF_INIT(64 << 20);
	struct bk_run *r = j->run;
	size_t i;
	int rc = -1;

	if (bk_run_own(r, "bk-prune", &a, f) == -1 ||
	    bk_args_add(&a, store->url, f) == -1 ||
	    bk_args_opt(&a, "--name", name, f) == -1 ||
	    bk_args_opt(&a, "--tz", r->all->tz, f) == -1)
		goto out;
	for (i = 0; i < keep->n; i++)
		if (bk_args_add(&a, keep->v[i], f) == -1)
			goto out;
	/* Its plan is for those who ask bk-prune themselves. */
	rc = bk_run_program(r, &a, NULL, NULL, &out, j->deadline, f);
	if (rc > 0) {
		rc = bk_fault_set(f, rc <= 127 ? rc : BK_DATA,
		    "bk-prune exited %d", rc);
		bk_run_reason(r, f);
	}
out:
	bk_buf_release(&out);
	bk_args_release(&a);
	return rc;
}

int
bk_run_prune(struct bk_runjob *j)
{
	struct bk_fault f = BK_FAULT_INIT;
	const char *name;
	size_t i, k;

	j->deadline = j->run->ctx.mono() + j->job->timeout;
	for (i = 0; i < json_array_size(j->records) && j->job->keep.n > 0; i++)
		for (k = 0; k < j->job->nstores; k++) {
			name = bk_json_get_text(json_array_get(j->records, i),
			    "name");
			bk_fault_clear(&f);
			if (prune(j, j->job->stores[k], name, &f) == -1)
				(void)bk_fault_set(&j->after, f.status,
				    "pruning '%s' in store '%s': %s", name,
				    j->job->stores[k]->name, f.text);
		}
	return bk_faulty(&j->after) ? -1 : 0;
}

int
bk_run_group_end(struct bk_run *r, const struct bk_job *lead,
    const json_t *members, struct bk_fault *f)
{
	struct bk_args a = BK_ARGS_INIT;
	struct bk_buf list = BK_BUF_INIT(64 << 20);
	struct bk_buf out = BK_BUF_INIT(1 << 20);
	size_t i;
	int rc = -1;

	for (i = 0; i < json_array_size(members); i++)
		if (bk_json_text(json_array_get(members, i), &list, f) == -1 ||
		    bk_buf_adds(&list, "\n", f) == -1)
			goto out;
	if (bk_buf_addf(&list, f, "{\"end\":\"ok\",\"records\":%zu}\n",
	    json_array_size(members)) == -1 ||
	    bk_run_own(r, "bk-put", &a, f) == -1 ||
	    bk_args_opt(&a, "--group-end", lead->group, f) == -1 ||
	    bk_args_opt(&a, "--run", r->id, f) == -1)
		goto out;
	for (i = 0; i < lead->nstores; i++)
		if (bk_args_add(&a, lead->stores[i]->url, f) == -1)
			goto out;
	rc = bk_run_program(r, &a, NULL, list.p, &out, r->ctx.mono() +
	    lead->timeout, f);
	if (rc > 0)
		rc = bk_fault_set(f, rc <= 127 ? rc : BK_DATA,
		    "bk-put --group-end exited %d", rc);
out:
	bk_args_release(&a);
	bk_buf_release(&list);
	bk_buf_release(&out);
	return rc;
}

/* Bytes of all records, and the id of the last. */
static int64_t
sum(const struct bk_runjob *j, const char **id)
{
	int64_t all = 0, one;
	json_t *o;
	size_t i;

	*id = NULL;
	json_array_foreach(j->records, i, o) {
		one = bk_json_get_int(o, "bytes");
		all += one > 0 ? one : 0;
		*id = bk_json_get_text(o, "id");
	}
	return all;
}

int
bk_run_enter(struct bk_runjob *j, enum bk_ledger_event event)
{
	struct bk_run *r = j->run;
	struct bk_ledger_entry e = { .event = event, .job = j->job->title,
		.slot = r->slot, .run = r->id, .trigger = r->trigger };
	struct bk_fault f = BK_FAULT_INIT;

	if (event == BK_LEDGER_STARTED)
		e.pid = r->pid;
	else {
		e.status = j->fault.status;
		e.message = bk_faulty(&j->fault) ? j->fault.text : NULL;
		e.bytes = sum(j, &e.id);
		e.duration = r->ctx.mono() - j->begin;
	}
	if (bk_ledger_add(&r->ctx, r->all->state, &e, &f) == 0)
		return 0;
	r->ctx.log(BK_LOG_ERROR, "job '%s': the ledger cannot be written: %s",
	    j->job->title, f.text);
	return bk_fault_set(&j->after, f.status,
	    "the ledger cannot be written: %s", f.text);
}

/* The ids of all records, where there are some. */
static int
set_ids(const struct bk_runjob *j, json_t *o, struct bk_fault *f)
{
	json_t *ids = json_array(), *rec;
	size_t i;

	json_array_foreach(j->records, i, rec)
		if (ids != NULL && json_array_append(ids,
		    json_object_get(rec, "id")) == -1) {
			json_decref(ids);
			return bk_fault_errno(f, BK_IO, ENOMEM, "the outcome");
		}
	return bk_json_set(o, "ids", ids, f);
}

int
bk_run_tell(struct bk_runjob *j, struct bk_fault *f)
{
	const struct bk_fault *why = bk_faulty(&j->fault) ? &j->fault : &j->after;
	json_t *o = json_object();
	const char *id;
	int64_t bytes = sum(j, &id);
	int rc = -1;

	if (o == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "the outcome");
	if (bk_json_set_text(o, "outcome", bk_ledger_word(j->outcome), f) == 0 &&
	    bk_json_set_text(o, "job", j->job->title, f) == 0 &&
	    bk_json_set_text(o, "run", j->run->id, f) == 0 &&
	    (id == NULL || (bk_json_set_text(o, "id", id, f) == 0 &&
	    set_ids(j, o, f) == 0)) &&
	    (id == NULL || bk_json_set(o, "bytes", json_integer(bytes), f) == 0) &&
	    bk_json_set(o, "duration", json_integer(j->run->ctx.mono() -
	    j->begin), f) == 0 &&
	    bk_json_set(o, "status", json_integer(j->fault.status), f) == 0 &&
	    (!bk_faulty(why) ||
	    bk_json_set_text(o, "message", why->text, f) == 0))
		rc = bk_json_write(1, o, "standard output", f);
	json_decref(o);
	return rc;
}
