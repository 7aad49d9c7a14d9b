/*
 * Which moments the stores of a job can be restored to: bk-list --recoverable
 * tells, of each name and store.
 */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "child.h"
#include "json.h"
#include "standing.h"

#define ASK_MS 60000
#define ANSWER_MAX (16 << 20)

/* Add the lines of one answer. */
static int
take(struct bk_standing *st, const struct bk_job_store *store, const char *p,
    struct bk_fault *f)
{
	json_t *line, *o;
	size_t n;
	int rc = 0;

	for (; rc == 0 && *p != '\0'; p += n + (p[n] != '\0')) {
		n = strcspn(p, "\n");
		if ((line = bk_json_parse(p, n, "bk-list", f)) == NULL)
			return -1;
		if ((o = json_object_get(line, "recoverable")) != NULL) {
			rc = bk_json_set_text(o, "store", store->name, f);
			if (rc == 0)
				rc = bk_json_push(st->recoverable,
				    json_incref(o), f);
		}
		json_decref(line);
	}
	return rc;
}

static int
ask(const struct bk_ctx *ctx, struct bk_standing *st,
    const struct bk_job_store *store, const char *name, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(ANSWER_MAX), prog = BK_BUF_INIT(4096);
	struct bk_args a = BK_ARGS_INIT;
	struct bk_child_spec spec = { .flags = BK_CHILD_NEEDENV, .in = -1,
		.deadline = ctx->mono() + ASK_MS };
	int rc = -1;

	if (bk_buf_addf(&prog, f, "%s/bk-list", ctx->bindir) == 0 &&
	    bk_args_add(&a, prog.p, f) == 0 &&
	    bk_args_add(&a, "--recoverable", f) == 0 &&
	    bk_args_add(&a, "--plain", f) == 0 &&
	    bk_args_opt(&a, "--timeout", "20s", f) == 0 &&
	    bk_args_opt(&a, "--name", name, f) == 0 &&
	    bk_args_add(&a, store->url, f) == 0) {
		spec.argv = bk_args_argv(&a);
		rc = bk_child_capture(ctx, &spec, NULL, &out, NULL, f);
	}
	if (rc > BK_NO)
		rc = bk_fault_set(f, BK_UNAVAILABLE, "bk-list exited %d", rc);
	else if (rc != -1)
		rc = take(st, store, bk_buf_text(&out), f);
	bk_args_release(&a);
	bk_buf_release(&out);
	bk_buf_release(&prog);
	return rc;
}

void
bk_standing_wal(const struct bk_ctx *ctx, struct bk_standing *st)
{
	const struct bk_job *j = st->job;
	struct bk_fault f = BK_FAULT_INIT;
	char name[BK_NAME_MAX + 1];
	size_t i, k;

	for (i = 0; i < j->nsources; i++) {
		if (!bk_job_base(j, i))
			continue;
		if (st->recoverable == NULL &&
		    (st->recoverable = json_array()) == NULL)
			return;
		bk_job_name(j, i, name);
		for (k = 0; k < j->nstores; k++) {
			bk_fault_clear(&f);
			if (j->stores[k] == st->down ||
			    ask(ctx, st, j->stores[k], name, &f) == 0)
				continue;
			st->down = j->stores[k];
			(void)snprintf(st->warning, sizeof(st->warning),
			    "store '%s' cannot be asked what can be restored: "
			    "%.400s", j->stores[k]->name, f.text);
		}
	}
}

/* "app: from … to … can be restored from store 'one', timeline 1". */
static int
add_line(const struct bk_standing *st, const json_t *o, struct bk_buf *out,
    struct bk_fault *f)
{
	const char *from = bk_json_get_text(o, "from");
	const char *to = bk_json_get_text(o, "to");
	const json_t *gap = json_object_get(o, "gap");
	const char *first = bk_json_get_text(gap, "first");
	const char *last = bk_json_get_text(gap, "last");
	const char *store = bk_json_get_text(o, "store");

	if (bk_buf_addf(out, f, "%s: ", st->job->title) == -1)
		return -1;
	if ((from != NULL && to != NULL ?
	    bk_buf_addf(out, f, "%s to %s", from, to) :
	    bk_buf_adds(out, "no moment", f)) == -1 ||
	    bk_buf_addf(out, f, " can be restored from store '%s', timeline %lld",
	    store, (long long)bk_json_get_int(o, "timeline")) == -1)
		return -1;
	if (first != NULL && (last == NULL || strcmp(first, last) == 0 ?
	    bk_buf_addf(out, f, "; %s is missing", first) :
	    bk_buf_addf(out, f, "; %s to %s are missing", first, last)) == -1)
		return -1;
	return bk_buf_adds(out, "\n", f);
}

int
bk_standing_wal_text(const struct bk_standing *st, struct bk_buf *out,
    struct bk_fault *f)
{
	json_t *o;
	size_t i;

	json_array_foreach(st->recoverable, i, o)
		if (add_line(st, o, out, f) == -1)
			return -1;
	return 0;
}
