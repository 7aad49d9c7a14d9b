/*
 * exec: any command.  A dump is what it prints, whole if it exits 0 and, with
 * --as ENGINE, if that engine's marks are seen.  The command is the user's
 * own, so it has the user's whole environment; only its name is recorded,
 * since arguments may hold secrets.
 *
 * As a target the command reads a verified file on its standard input: what
 * it does with it cannot be undone.
 */
#include <limits.h>
#include <string.h>

#include "child.h"
#include "engine.h"
#include "json.h"
#include "names.h"
#include "tool.h"

static const char *const schemes[] = { "exec", NULL };
static const char *const options[] = { NULL };

/*
 * With --as and no --ext: the extension is the one that the engine has marks
 * for; where it has several the user says which.
 */
static int
find_ext(struct bk_dump *d, const struct bk_engine_ops *as, struct bk_fault *f)
{
	static const char exts[][8] = { "dump", "sql", "tar", "sqlite" };
	const char *one = "bin";
	struct bk_marks *m;
	size_t i, n = 0;

	for (i = 0; as->marks != NULL && i < sizeof(exts) / sizeof(exts[0]); i++) {
		if ((m = as->marks(exts[i], f)) == NULL) {
			if (bk_faulty(f))
				return -1;
			continue;
		}
		m->free(m);
		one = exts[i];
		n++;
	}
	if (n > 1)
		return bk_fault_set(f, BK_USAGE,
		    "--as %s wants --ext too: dump, sql or tar", as->name);
	memcpy(d->ext, one, strlen(one) + 1);
	return 0;
}

static int
exec_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	const struct bk_engine_ops *as = NULL;
	char path[PATH_MAX];
	const char *base;

	if (req->args == NULL || req->args[0] == NULL)
		return bk_fault_set(f, BK_USAGE,
		    "want a command: bk-dump exec: -- COMMAND…");
	if (req->uri->path[0] != '\0' || req->uri->authority)
		return bk_fault_set(f, BK_USAGE,
		    "'%s': the command follows as words: bk-dump exec: -- COMMAND…",
		    req->uri->text);
	if (req->as != NULL) {
		if ((as = bk_engine_named(req->ctx, req->as, f)) == NULL)
			return -1;
		memcpy(d->engine, req->as, strlen(req->as) + 1);
	}
	if (req->ext != NULL && !bk_ext_ok(req->ext))
		return bk_fault_set(f, BK_USAGE,
		    "--ext '%s': 1 to %d of a-z and 0-9", req->ext, BK_EXT_MAX);
	if (req->ext != NULL)
		memcpy(d->ext, req->ext, strlen(req->ext) + 1);
	else if (as == NULL)
		memcpy(d->ext, "bin", sizeof("bin"));
	else if (find_ext(d, as, f) == -1)
		return -1;
	if (req->check && bk_tool_find(req->ctx, req->args[0], path,
	    sizeof(path)) == BK_ABSENT_TOOL)
		return bk_fault_set(f, BK_UNAVAILABLE, "'%s' is not found",
		    req->args[0]);
	base = strrchr(req->args[0], '/');
	if (bk_json_set_text(d->source, "host", req->ctx->host, f) == -1)
		return -1;
	return bk_json_set_text(d->source, "command",
	    base != NULL ? base + 1 : req->args[0], f);
}

static int
exec_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	const struct bk_child_spec spec = {
		.argv = req->args,
		.flags = BK_CHILD_OUT | BK_CHILD_FULLENV,
		.deadline = req->deadline,
		.in = -1,
	};
	const struct bk_engine_ops *as;
	struct bk_marks *m = NULL;
	struct bk_child *c = NULL;
	int rc = -1, seen;

	if (req->as != NULL) {
		if ((as = bk_engine_named(req->ctx, req->as, f)) == NULL)
			goto out;
		if (as->marks != NULL &&
		    (m = as->marks(d->ext, f)) == NULL && bk_faulty(f))
			goto out;
	}
	if ((c = bk_child_start(req->ctx, &spec, f)) == NULL ||
	    (seen = bk_tool_dump(c, m, NULL, d->info, sink, arg, f)) == -1)
		goto out;
	d->proof = seen == BK_MARKS_PROVEN ? "marks" : "exit";
	rc = 0;
out:
	bk_child_stop(c, 2000);
	if (m != NULL)
		m->free(m);
	return rc;
}

static void
exec_dump_close(struct bk_dump *d)
{
	(void)d;
}

static int
exec_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	if (r->req->args == NULL || r->req->args[0] == NULL)
		return bk_fault_set(f, BK_USAGE,
		    "want a command: --into exec: -- COMMAND…");
	r->spool = true;
	return 0;
}

static int
exec_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f)
{
	(void)r;
	(void)p;
	(void)n;
	return bk_fault_set(f, BK_BUG, "exec: takes a file, not pieces");
}

static int
exec_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	const struct bk_child_spec spec = {
		.argv = r->req->args,
		.flags = BK_CHILD_INHERIT_OUT | BK_CHILD_FULLENV,
		.deadline = r->req->deadline,
		.in = fd,
	};
	struct bk_child *c;
	int rc;

	if ((c = bk_child_start(r->req->ctx, &spec, f)) == NULL)
		return -1;
	rc = bk_child_finish(c, NULL, NULL, f);
	bk_child_stop(c, 2000);
	return rc;
}

static void
exec_restore_close(struct bk_restore *r)
{
	(void)r;
}

const struct bk_engine_ops bk_engine_exec = {
	.name = "exec",
	.schemes = schemes,
	.options = options,
	.target_options = options,
	.flags = BK_ENGINE_AS | BK_ENGINE_ANY,
	.dump_open = exec_dump_open,
	.dump_run = exec_dump_run,
	.dump_close = exec_dump_close,
	.restore_open = exec_restore_open,
	.restore_write = exec_restore_write,
	.restore_commit = exec_restore_commit,
	.restore_close = exec_restore_close,
};
