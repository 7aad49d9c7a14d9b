/*
 * The engine table and what is alike for all engines.  A new engine is its
 * own file, a line in engine.h and one in the table.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "child.h"
#include "engine.h"
#include "json.h"
#include "names.h"

const struct bk_engine_ops *const bk_engine_table[] = {
	&bk_engine_postgres,
	&bk_engine_postgres_base,
	&bk_engine_mysql,
	&bk_engine_redis,
	&bk_engine_sqlite,
	&bk_engine_files,
	&bk_engine_exec,
	&bk_engine_fake,
	NULL
};

static const char timeout_text[] = "timeout";

static bool
has_scheme(const struct bk_engine_ops *e, const char *scheme)
{
	const char *const *s;

	for (s = e->schemes; *s != NULL; s++)
		if (strcmp(*s, scheme) == 0)
			return true;
	return false;
}

/* Is there a program bk-engine-${name}? */
static bool
plugin_exists(const struct bk_ctx *ctx, const char *name)
{
	char tool[BK_ENGINE_MAX + sizeof("bk-engine-")], path[4096];

	if (!bk_engine_ok(name))
		return false;
	snprintf(tool, sizeof(tool), "bk-engine-%s", name);
	return bk_tool_find(ctx, tool, path, sizeof(path)) == 0;
}

static const struct bk_engine_ops *
unknown(const char *what, const char *name, struct bk_fault *f)
{
	const struct bk_engine_ops *const *e;
	struct bk_buf b = BK_BUF_INIT(1024);
	struct bk_fault full = BK_FAULT_INIT;

	for (e = bk_engine_table; *e != NULL; e++)
		if (bk_buf_addf(&b, &full, "%s%s", e == bk_engine_table ? "" :
		    ", ", (*e)->name) == -1)
			break;
	bk_fault_set(f, BK_USAGE,
	    "unknown %s '%.64s'; there are %s, and programs bk-engine-NAME on the path",
	    what, name, bk_buf_text(&b));
	bk_buf_release(&b);
	return NULL;
}

const struct bk_engine_ops *
bk_engine_for(const struct bk_ctx *ctx, const char *scheme, struct bk_fault *f)
{
	const struct bk_engine_ops *const *e;

	for (e = bk_engine_table; *e != NULL; e++)
		if (has_scheme(*e, scheme))
			return *e;
	if (plugin_exists(ctx, scheme))
		return &bk_engine_plugin;
	return unknown("source or target", scheme, f);
}

const struct bk_engine_ops *
bk_engine_named(const struct bk_ctx *ctx, const char *name, struct bk_fault *f)
{
	const struct bk_engine_ops *const *e;

	for (e = bk_engine_table; *e != NULL; e++)
		if (strcmp((*e)->name, name) == 0 || has_scheme(*e, name))
			return *e;
	if (plugin_exists(ctx, name))
		return &bk_engine_plugin;
	return unknown("engine", name, f);
}

static bool
any(const char *const *list)
{
	return list != NULL && list[0] != NULL;
}

/* Refuse what the engine would silently leave out of account. */
static int
check_request(const struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	unsigned int flags = d->ops->flags;
	const char *what = NULL;

	if (req->as != NULL && !(flags & BK_ENGINE_AS))
		what = "--as";
	else if (req->ext != NULL && !(flags & BK_ENGINE_AS))
		what = "--ext";
	else if (any(req->exclude) && !(flags & BK_ENGINE_EXCLUDE))
		what = "--exclude";
	else if (req->skip_unreadable && !(flags & BK_ENGINE_EXCLUDE))
		what = "--skip-unreadable";
	else if (any(req->stores) && !(flags & BK_ENGINE_STORES))
		what = "--store";
	if (what != NULL)
		return bk_fault_set(f, BK_USAGE, "%s has no meaning for '%s:'",
		    what, req->uri->scheme);
	if (any(req->args) && (flags & BK_ENGINE_NO_ARGS))
		return bk_fault_set(f, BK_USAGE,
		    "'%s:' uses no tool that '%.200s' after -- could go to",
		    req->uri->scheme, req->args[0]);
	if (d->ops->options == NULL)
		return 0;
	return bk_uri_allow(req->uri, d->ops->options, f);
}

/* Fill what the engine left to the defaults of DESIGN 4, and check it. */
static int
settle(struct bk_dump *d, struct bk_fault *f)
{
	if (d->name[0] == '\0')
		bk_name_from(d->req->uri->path, d->name);
	if (bk_json_set_text(d->source, "engine", d->engine, f) == -1)
		return -1;
	if (!bk_engine_ok(d->engine) || !bk_ext_ok(d->ext) ||
	    !bk_name_ok(d->name))
		return bk_fault_set(f, BK_BUG,
		    "engine '%s' gave the name '%s' and the extension '%s'",
		    d->engine, d->name, d->ext);
	return 0;
}

int
bk_dump_open(struct bk_dump *d, const struct bk_dump_req *req,
    struct bk_fault *f)
{
	*d = (struct bk_dump){ .req = req };
	if ((d->ops = bk_engine_for(req->ctx, req->uri->scheme, f)) == NULL ||
	    check_request(d, f) == -1)
		return -1;
	if ((d->source = json_object()) == NULL ||
	    (d->info = json_object()) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "cannot open '%s'",
		    req->uri->text);
	snprintf(d->engine, sizeof(d->engine), "%s", d->ops->name);
	if (bk_json_set_text(d->source, "engine", d->engine, f) == -1 ||
	    d->ops->dump_open(d, f) == -1)
		return -1;
	return settle(d, f);
}

json_t *
bk_dump_list(const struct bk_dump_req *req, struct bk_fault *f)
{
	struct bk_dump d = { .req = req };
	json_t *out = NULL;

	if ((d.ops = bk_engine_for(req->ctx, req->uri->scheme, f)) == NULL ||
	    check_request(&d, f) == -1)
		return NULL;
	if (d.ops->dump_list == NULL)
		(void)bk_fault_set(f, BK_USAGE,
		    "'%s' is one source: there is nothing to list",
		    req->uri->text);
	else if ((out = json_array()) == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	else if (d.ops->dump_list(req, out, f) == -1) {
		json_decref(out);
		out = NULL;
	}
	return out;
}

/* Between the engine and the caller's sink. */
struct gate {
	const struct bk_dump_req *req;
	bk_sink_fn *sink;
	void *arg;
	uint64_t bytes;
};

static bool
late(const struct bk_dump_req *req)
{
	return req->deadline != 0 && req->ctx->mono() >= req->deadline;
}

static int
gate_write(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct gate *g = arg;

	if (late(g->req))
		return bk_fault_set(f, BK_DATA, timeout_text);
	g->bytes += n;
	return g->sink(g->arg, p, n, f);
}

int
bk_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct gate g = { d->req, sink, arg, 0 };

	if (d->ops->dump_run(d, gate_write, &g, f) == -1) {
		/* However an engine noticed it, there is one reason. */
		if (f->status == BK_DATA && late(d->req)) {
			bk_fault_clear(f);
			bk_fault_set(f, BK_DATA, timeout_text);
		}
		return -1;
	}
	if (g.bytes == 0 && !d->req->allow_empty)
		return bk_fault_set(f, BK_DATA,
		    "'%s' gave nothing; --allow-empty accepts that",
		    d->req->uri->text);
	if (d->proof == NULL)
		d->proof = "exit";
	return 0;
}

void
bk_dump_close(struct bk_dump *d)
{
	if (d->ops != NULL)
		d->ops->dump_close(d);
	json_decref(d->source);
	json_decref(d->info);
	json_decref(d->requires);
	d->ops = NULL;
	d->source = d->info = d->requires = NULL;
}

int
bk_restore_in_place(const struct bk_ctx *ctx, struct bk_uri *u,
    struct bk_fault *f)
{
	const struct bk_engine_ops *ops = bk_engine_for(ctx, u->scheme, f);
	const char *const *known;
	size_t i, n = 0;

	if (ops == NULL)
		return -1;
	for (i = 0; ops->target_options != NULL && i < u->nopts; i++) {
		for (known = ops->target_options; *known != NULL; known++)
			if (strcmp(*known, u->opts[i].name) == 0)
				break;
		if (*known != NULL) {
			u->opts[n++] = u->opts[i];
			continue;
		}
		free(u->opts[i].name);
		free(u->opts[i].value);
	}
	if (ops->target_options != NULL)
		u->nopts = n;
	return 0;
}

/* May what ${made} be fed to the target's engine? */
static int
check_target(const struct bk_restore *r, struct bk_fault *f)
{
	const char *made = bk_json_get_text(r->req->header, "engine");
	const struct bk_uri *t = r->req->target;
	const char *mine = r->ops == &bk_engine_plugin ? t->scheme :
	    r->ops->name;

	if (r->ops->target_options != NULL &&
	    bk_uri_allow(t, r->ops->target_options, f) == -1)
		return -1;
	if (r->ops->flags & BK_ENGINE_ANY)
		return 0;
	/* One engine may have several names: "mysql" and "mariadb". */
	if (made == NULL || (strcmp(made, mine) != 0 &&
	    (r->ops == &bk_engine_plugin || !has_scheme(r->ops, made))))
		return bk_fault_set(f, BK_USAGE,
		    "'%s' cannot take what engine '%s' made", t->text,
		    made != NULL ? made : "");
	return 0;
}

static bool
can_recover(const struct bk_engine_ops *e, const struct bk_recovery *r)
{
	if (r == NULL || (e->flags & BK_ENGINE_RECOVERS))
		return true;
	return (e->flags & BK_ENGINE_REPLICA) && r->primary != NULL &&
	    r->to == BK_RECOVER_BACKUP && r->timeline == NULL &&
	    r->restore_command == NULL && r->tablespaces == NULL &&
	    r->owner == NULL && !r->archive_keep && !r->start;
}

int
bk_restore_open(struct bk_restore *r, const struct bk_restore_req *req,
    struct bk_fault *f)
{
	*r = (struct bk_restore){ .req = req };
	if ((r->ops = bk_engine_for(req->ctx, req->target->scheme, f)) == NULL)
		return -1;
	if (any(req->args) && (r->ops->flags & BK_ENGINE_NO_ARGS))
		return bk_fault_set(f, BK_USAGE,
		    "'%s:' uses no tool that '%.200s' after -- could go to",
		    req->target->scheme, req->args[0]);
	if (!can_recover(r->ops, req->recovery))
		return bk_fault_set(f, BK_USAGE,
		    "options of recovery%s have no meaning for '%s:'",
		    r->ops->flags & BK_ENGINE_REPLICA ?
		    " other than --replica-of" : "", req->target->scheme);
	if (check_target(r, f) == -1)
		return -1;
	return r->ops->restore_open(r, f);
}

int
bk_restore_write(void *restore, const void *p, size_t n, struct bk_fault *f)
{
	struct bk_restore *r = restore;

	return r->ops->restore_write(r, p, n, f);
}

int
bk_restore_next(struct bk_restore *r, const json_t *header,
    struct bk_fault *f)
{
	if (r->ops->restore_next != NULL)
		return r->ops->restore_next(r, header, f);
	return bk_fault_set(f, BK_USAGE,
	    "'%s:' takes no increments; bk-get gives the payload of each",
	    r->req->target->scheme);
}

int
bk_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	return r->ops->restore_commit(r, fd, f);
}

void
bk_restore_close(struct bk_restore *r)
{
	if (r->ops != NULL)
		r->ops->restore_close(r);
	r->ops = NULL;
}
