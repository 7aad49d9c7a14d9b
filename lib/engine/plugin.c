/*
 * Plug-ins: NAME:… is the work of the program bk-engine-NAME on the path;
 * bk-engine(7) tells its author what this file asks of it.
 *
 *	bk-engine-NAME describe URL		one JSON object on a line
 *	bk-engine-NAME dump URL [WORD…]		the payload
 *	bk-engine-NAME restore --check [--replace] URL
 *	bk-engine-NAME restore [--replace] URL [WORD…]
 *
 * Exit statuses are those of DESIGN 10.  A plug-in has no completeness marks
 * that we could know, so that a dump is proven by its exit status, and
 * "restore" is given a file that was verified before.
 */
#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "engine.h"
#include "json.h"
#include "names.h"
#include "tool.h"

#define DESCRIBE_MAX (64 * 1024)

static const char *const schemes[] = { NULL };

struct plugin {
	char tool[BK_ENGINE_MAX + sizeof("bk-engine-")];
	struct bk_buf env;		/* "NAME=value" of --source-env */
	const char *envv[2];
};

static struct plugin *
plugin_new(const struct bk_ctx *ctx, const struct bk_uri *u,
    const char *source_env, struct bk_fault *f)
{
	struct plugin *p = calloc(1, sizeof(*p));
	const char *value;

	if (p == NULL) {
		bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	p->env.max = 64 * 1024;
	snprintf(p->tool, sizeof(p->tool), "bk-engine-%s", u->scheme);
	if (source_env == NULL)
		return p;
	if ((value = ctx->env(source_env)) == NULL)
		bk_fault_set(f, BK_CONFIG,
		    "variable '%s' with the password is not set", source_env);
	else if (bk_buf_addf(&p->env, f, "%s=%s", source_env, value) == 0) {
		p->envv[0] = bk_buf_text(&p->env);
		return p;
	}
	bk_buf_wipe(&p->env);
	free(p);
	return NULL;
}

static void
plugin_free(struct plugin *p)
{
	if (p != NULL)
		bk_buf_wipe(&p->env);
	free(p);
}

/* A plug-in's status as ours: those of DESIGN 10, all others 65. */
static int
class_of(int status)
{
	static const int known[] = { BK_USAGE, BK_NOINPUT, BK_UNAVAILABLE,
		BK_CANTCREATE, BK_IO, BK_BUSY, BK_NOPERM, BK_CONFIG };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (status == known[i])
			return status;
	return BK_DATA;
}

static int
exit_class(const struct bk_child *c, int other)
{
	int status = bk_child_status(c);

	return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) != 0 ?
	    class_of(WEXITSTATUS(status)) : other;
}

/* Run the plug-in to its end; what it prints goes to ${out}. */
static int
ask(const struct bk_ctx *ctx, struct plugin *p, const char *const *argv,
    int64_t deadline, struct bk_buf *out, struct bk_fault *f)
{
	const struct bk_child_spec spec = { .argv = argv, .env = p->envv,
		.deadline = deadline, .in = -1 };
	struct bk_buf tail = BK_BUF_INIT(BK_TAIL_MAX);
	char last[512];
	int status = bk_child_capture(ctx, &spec, NULL, out, &tail, f);

	if (status > 0) {
		bk_tool_last_line(bk_buf_text(&tail), last, sizeof(last));
		bk_fault_set(f, class_of(status), "'%s %s' failed: %s",
		    p->tool, argv[1], last[0] != '\0' ? last :
		    "it does not say why");
	}
	bk_buf_release(&tail);
	return status == 0 ? 0 : -1;
}

static int
take_text(const json_t *o, const char *key, bool (*good)(const char *),
    char *to, size_t size, struct bk_fault *f)
{
	const char *s = bk_json_get_text(o, key);

	if (json_object_get(o, key) == NULL)
		return 0;
	if (s == NULL || !good(s))
		return bk_fault_set(f, BK_DATA, "bad \"%s\"", key);
	snprintf(to, size, "%s", s);
	return 0;
}

static int
take_object(json_t *to, const json_t *o, const char *key, struct bk_fault *f)
{
	json_t *v = json_object_get(o, key);

	if (v == NULL)
		return 0;
	if (!json_is_object(v))
		return bk_fault_set(f, BK_DATA, "\"%s\" is no object", key);
	return json_object_update(to, v) == 0 ? 0 :
	    bk_fault_set(f, BK_IO, "out of memory");
}

static int
plugin_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	const char *argv[] = { NULL, "describe", req->uri->text, NULL };
	struct bk_buf out = BK_BUF_INIT(DESCRIBE_MAX);
	struct plugin *p;
	json_t *o = NULL;
	int rc = -1;

	snprintf(d->engine, sizeof(d->engine), "%s", req->uri->scheme);
	memcpy(d->ext, "bin", sizeof("bin"));
	d->priv = p = plugin_new(req->ctx, req->uri, req->source_env, f);
	if (p == NULL)
		goto out;
	argv[0] = p->tool;
	if (ask(req->ctx, p, argv, req->deadline, &out, f) == -1)
		goto out;
	if ((o = bk_json_parse(bk_buf_text(&out), out.len, "the answer",
	    f)) == NULL ||
	    take_text(o, "name", bk_name_ok, d->name, sizeof(d->name),
	    f) == -1 ||
	    take_text(o, "ext", bk_ext_ok, d->ext, sizeof(d->ext), f) == -1 ||
	    take_object(d->source, o, "source", f) == -1 ||
	    take_object(d->info, o, "info", f) == -1)
		bk_fault_context(f, "'%s describe'", p->tool);
	else
		rc = 0;
	/* Without a source two of them under one name could not be told. */
	if (rc == 0 && json_object_size(d->source) == 1)
		rc = bk_fault_set(f, BK_DATA,
		    "'%s describe' names no \"source\"", p->tool);
out:
	json_decref(o);
	bk_buf_release(&out);
	return rc;
}

/* The sink, and whether anything came. */
struct counted {
	bk_sink_fn *sink;
	void *arg;
	bool any;
};

static int
counted_write(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct counted *c = arg;

	c->any = true;
	return c->sink(c->arg, p, n, f);
}

static int
plugin_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct plugin *p = d->priv;
	struct counted k = { sink, arg, false };
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_child_spec spec = { .env = p->envv, .flags = BK_CHILD_OUT,
		.deadline = d->req->deadline, .in = -1 };
	struct bk_child *c = NULL;
	int rc = -1;

	if (bk_argv_add(&a, p->tool, f) == -1 ||
	    bk_argv_add(&a, "dump", f) == -1 ||
	    bk_argv_add(&a, d->req->uri->text, f) == -1 ||
	    bk_argv_all(&a, d->req->args, f) == -1)
		goto out;
	spec.argv = bk_argv_get(&a);
	if ((c = bk_child_start(d->req->ctx, &spec, f)) == NULL)
		goto out;
	if (bk_tool_dump(c, NULL, NULL, d->info, counted_write, &k,
	    &own) == -1) {
		if (own.status == BK_DATA && !k.any)
			own.status = exit_class(c, BK_DATA);
		*f = own;
		goto out;
	}
	d->proof = "exit";
	rc = 0;
out:
	bk_child_stop(c, 2000);
	bk_argv_release(&a);
	return rc;
}

static void
plugin_dump_close(struct bk_dump *d)
{
	plugin_free(d->priv);
	d->priv = NULL;
}

static int
plugin_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	const struct bk_restore_req *req = r->req;
	const char *argv[] = { NULL, "restore", "--check", req->target->text,
		NULL, NULL };
	struct bk_buf out = BK_BUF_INIT(DESCRIBE_MAX);
	struct plugin *p;
	int rc;

	r->spool = true;
	r->priv = p = plugin_new(req->ctx, req->target, req->source_env, f);
	if (p == NULL)
		return -1;
	argv[0] = p->tool;
	if (req->replace) {
		argv[3] = "--replace";
		argv[4] = req->target->text;
	}
	rc = ask(req->ctx, p, argv, req->deadline, &out, f);
	bk_buf_release(&out);
	return rc;
}

static int
plugin_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f)
{
	(void)r;
	(void)p;
	(void)n;
	return bk_fault_set(f, BK_BUG, "a plug-in takes a file, not pieces");
}

static int
plugin_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct plugin *p = r->priv;
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_child_spec spec = { .env = p->envv,
		.deadline = r->req->deadline, .in = fd };
	struct bk_child *c = NULL;
	int rc = -1;

	if (bk_argv_add(&a, p->tool, f) == -1 ||
	    bk_argv_add(&a, "restore", f) == -1 ||
	    (r->req->replace && bk_argv_add(&a, "--replace", f) == -1) ||
	    bk_argv_add(&a, r->req->target->text, f) == -1 ||
	    bk_argv_all(&a, r->req->args, f) == -1)
		goto out;
	spec.argv = bk_argv_get(&a);
	if ((c = bk_child_start(r->req->ctx, &spec, f)) == NULL)
		goto out;
	if ((rc = bk_child_finish(c, NULL, NULL, &own)) == -1) {
		own.status = exit_class(c, own.status);
		*f = own;
	}
out:
	bk_child_stop(c, 2000);
	bk_argv_release(&a);
	return rc;
}

static void
plugin_restore_close(struct bk_restore *r)
{
	plugin_free(r->priv);
	r->priv = NULL;
}

const struct bk_engine_ops bk_engine_plugin = {
	.name = "plugin",
	.schemes = schemes,
	.dump_open = plugin_dump_open,
	.dump_run = plugin_dump_run,
	.dump_close = plugin_dump_close,
	.restore_open = plugin_restore_open,
	.restore_write = plugin_restore_write,
	.restore_commit = plugin_restore_commit,
	.restore_close = plugin_restore_close,
};
