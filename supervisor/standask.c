/*
 * How a job stands by its stores: bk-fresh answers for each name in each
 * store, and the worst answer counts.  Of "each=yes" the roles are asked for,
 * which are dumped last.
 */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "child.h"
#include "json.h"
#include "standing.h"

#define ASK_MS 60000
#define ANSWER_MAX 65536

static int
add_limits(const struct bk_standing *st, struct bk_args *a, struct bk_fault *f)
{
	struct bk_buf age = BK_BUF_INIT(32), most = BK_BUF_INIT(32);
	int rc = -1;

	if ((st->max_age > 0 ? bk_buf_addf(&age, f, "%lldms",
	    (long long)st->max_age) : bk_buf_adds(&age, BK_STAND_FOREVER, f)) == 0 &&
	    bk_args_opt(a, "--max-age", age.p, f) == 0)
		rc = 0;
	if (rc == 0 && st->max_age > 0 && st->job->max_unchanged >= st->max_age &&
	    (bk_buf_addf(&most, f, "%lldms",
	    (long long)st->job->max_unchanged) == -1 ||
	    bk_args_opt(a, "--max-unchanged", most.p, f) == -1))
		rc = -1;
	bk_buf_release(&age);
	bk_buf_release(&most);
	return rc;
}

/* The answer of bk-fresh, a new reference, or NULL with ${f} set. */
static json_t *
ask(const struct bk_ctx *ctx, const struct bk_standing *st, const char *url,
    const char *name, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(ANSWER_MAX), prog = BK_BUF_INIT(4096);
	struct bk_args a = BK_ARGS_INIT;
	struct bk_child_spec spec = { .flags = BK_CHILD_NEEDENV, .in = -1,
		.deadline = ctx->mono() + ASK_MS };
	json_t *o = NULL;

	if (bk_buf_addf(&prog, f, "%s/bk-fresh", ctx->bindir) == 0 &&
	    bk_args_add(&a, prog.p, f) == 0 &&
	    bk_args_add(&a, "--json", f) == 0 &&
	    bk_args_opt(&a, "--timeout", "20s", f) == 0 &&
	    bk_args_opt(&a, "--name", name, f) == 0 &&
	    add_limits(st, &a, f) == 0 && bk_args_add(&a, url, f) == 0) {
		spec.argv = bk_args_argv(&a);
		if (bk_child_capture(ctx, &spec, NULL, &out, NULL, f) != -1)
			o = bk_json_parse(bk_buf_text(&out), out.len,
			    "bk-fresh", f);
	}
	if (o != NULL && strcmp(bk_json_get_text(o, "state") != NULL ?
	    bk_json_get_text(o, "state") : "unknown", "unknown") == 0) {
		const char *why = bk_json_get_text(o, "text");

		(void)bk_fault_set(f, BK_UNAVAILABLE, "%s", why != NULL ? why :
		    "bk-fresh gave no state");
		json_decref(o);
		o = NULL;
	}
	bk_args_release(&a);
	bk_buf_release(&out);
	bk_buf_release(&prog);
	return o;
}

static enum bk_stand
stand_of(const json_t *o)
{
	const char *word = bk_json_get_text(o, "state");
	int i;

	for (i = 0; i < BK_STANDS; i++)
		if (strcmp(word, bk_stand_names[i]) == 0)
			return (enum bk_stand)i;
	return BK_STAND_NEVER;
}

static void
copy(char *out, size_t size, const char *s)
{
	(void)snprintf(out, size, "%s", s != NULL ? s : "");
}

/* Put one answer into ${w}; sizes add up over the sources of one store. */
static void
merge(struct bk_standing *w, const json_t *o, bool first, bool first_store)
{
	const json_t *failed = json_object_get(o, "failed");
	int64_t good = bk_json_get_time(o, "last"), t;
	int64_t bytes = bk_json_get_int(o, "bytes");
	int64_t ms = bk_json_get_int(o, "duration");
	enum bk_stand state = stand_of(o);

	if (first || state > w->state)
		w->state = state;
	if (first || good < w->good) {
		w->good = good;
		copy(w->id, sizeof(w->id), bk_json_get_text(o, "id"));
	}
	t = bk_json_get_time(json_object_get(o, "unchanged"), "time");
	if (t > w->unchanged)
		w->unchanged = t;
	if (first_store && bytes >= 0)
		w->bytes = (w->bytes > 0 ? w->bytes : 0) + bytes;
	if (ms > w->duration)
		w->duration = ms;
	t = bk_json_get_time(failed, "time");
	if (t <= w->failed || t <= good || t <= w->unchanged)
		return;
	w->failed = t;
	w->status = (int)bk_json_get_int(failed, "status");
	copy(w->message, sizeof(w->message), bk_json_get_text(failed,
	    "message"));
}

/* The name to ask for of source ${i}. */
static void
asked_name(const struct bk_job *j, size_t i, char out[BK_NAME_MAX + 1])
{
	struct bk_fault quiet = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(2 * BK_NAME_MAX);

	bk_job_name(j, i, out);
	if (bk_job_each(j, i) &&
	    bk_buf_addf(&b, &quiet, "%s.roles", out) == 0)
		bk_name_from(b.p, out);
	bk_buf_release(&b);
}

/* Put what all stores said in the place of what the ledger did. */
static void
take(struct bk_standing *st, const struct bk_standing *w)
{
	const int64_t went_well = w->good > w->unchanged ? w->good : w->unchanged;

	/* The ledger may know of a failure that no store could be told. */
	if (w->failed >= st->failed) {
		st->failed = w->failed;
		st->status = w->status;
		memcpy(st->message, w->message, sizeof(st->message));
	} else if (st->failed <= went_well)
		st->failed = 0;
	st->from = "store";
	st->state = st->failed != 0 && w->state < BK_STAND_FAILED ?
	    BK_STAND_FAILED : w->state;
	st->good = w->good;
	st->unchanged = w->unchanged;
	memcpy(st->id, w->id, sizeof(st->id));
	st->bytes = w->bytes;
	st->duration = w->duration;
	st->has_trend = false;
}

void
bk_standing_stores(const struct bk_ctx *ctx, struct bk_standing *st)
{
	struct bk_standing w = { .state = BK_STAND_FRESH, .bytes = -1,
		.duration = -1, .status = -1 };
	const struct bk_job *j = st->job;
	struct bk_fault f = BK_FAULT_INIT;
	char name[BK_NAME_MAX + 1];
	bool first = true;
	size_t i, k;
	json_t *o;

	if (st->state < BK_STAND_STALE || j->sources == NULL)
		return;
	for (k = 0; k < j->nstores; k++)
		for (i = 0; i < j->nsources; i++) {
			asked_name(j, i, name);
			if ((o = ask(ctx, st, j->stores[k]->url, name, &f)) == NULL) {
				(void)snprintf(st->warning, sizeof(st->warning),
				    "store '%s' cannot be asked: %.400s",
				    j->stores[k]->name, f.text);
				st->down = j->stores[k];
				return;
			}
			merge(&w, o, first, k == 0);
			first = false;
			json_decref(o);
		}
	take(st, &w);
}
