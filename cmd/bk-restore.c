/*
 * bk-restore: bring a backup back.
 *
 * Input is one record, a stream, or a store and which backup of it.  Payload
 * goes through the chain that undoes its filters, through the engine's
 * completeness marks, and into the engine; an engine that cannot undo gets a
 * file that was verified first.  Nothing is committed before size, checksums
 * and end line were found good, and the target is looked at before anything
 * is fetched.  An increment is restored from its full backup on, each backup
 * on top of the one before; all of them are found before the first is fetched.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chain.h"
#include "child.h"
#include "confirm.h"
#include "engine.h"
#include "fetch.h"
#include "json.h"
#include "names.h"
#include "prog.h"
#include "recover.h"
#include "undo.h"
#include "uri.h"
#include "when.h"
#include "which.h"

#define TIMEOUT_MS (10LL * 3600 * 1000)

enum { O_INTO = 256, O_REPLACE, O_YES, O_SPOOL, O_SOURCE_ENV, O_TIMEOUT, O_IN_PLACE };

static const struct bk_opt opts[] = {
	{ O_INTO, "into", "TARGET", "URL of what to restore into (required)", 0 },
	{ O_IN_PLACE, "in-place", NULL, "TARGET is the URL of a source: leave out options of its dump", 0 },
	BK_WHICH_OPTS,
	BK_RECOVER_OPTS,
	{ O_REPLACE, "replace", NULL, "replace what the target holds", 0 },
	{ O_YES, "yes", NULL, "do not ask before replacing", 0 },
	{ 'j', "jobs", "N", "restore with N parallel jobs (postgres)", 0 },
	BK_WHICH_OPT_UNDO,
	{ O_SPOOL, "spool", "DIR", "directory for a temporary file", 0 },
	{ O_SOURCE_ENV, "source-env", "VARIABLE", "take the password from VARIABLE", 0 },
	{ O_TIMEOUT, "timeout", "DURATION", "give up after this time (10h)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-restore",
	"[STORE --id ID | STORE --name NAME --latest] --into TARGET [OPTION]... [-- VENDOR-OPTION...]",
	"restore a backup from a record or stream on standard input, or from a store",
	opts };

/* The command line. */
struct want {
	struct bk_which which;
	const char *into;
	bool in_place, replace, yes;
	struct bk_restore_req req;
	struct bk_recover recover;
	struct bk_uri target;
};

/* One restore under way. */
struct work {
	struct bk_restore restore;
	struct bk_undo *undo;
	struct bk_marks *marks;
	int spool;			/* descriptor, or -1 */
};

static void
set_option(struct want *w, int key, const char *arg, struct bk_fault *f)
{
	long long n;
	int64_t ms;
	int rc = 0;

	switch (key) {
	case O_INTO: w->into = arg; break;
	case O_IN_PLACE: w->in_place = true; break;
	case O_REPLACE: w->replace = true; break;
	case O_YES: w->yes = true; break;
	case 'j':
		if ((rc = bk_number_parse("--jobs", arg, 1, 64, &n, f)) == 0)
			w->req.jobs = (int)n;
		break;
	case O_SPOOL: w->req.spool_dir = arg; break;
	case O_SOURCE_ENV:
		w->req.source_env = bk_variable_arg("--source-env", arg, f);
		rc = w->req.source_env != NULL ? 0 : -1;
		break;
	case O_TIMEOUT:
		if ((rc = bk_duration_parse(arg, &ms, f)) == 0 && ms <= 0)
			rc = bk_fault_set(f, BK_USAGE, "--timeout '%.100s': "
			    "more than 0", arg);
		if (rc == 0)
			w->req.deadline = bk_ctx->mono() + ms;
		break;
	default:
		break;
	}
	if (rc == -1)
		bk_usage_fault(f);
}

/* A path alone: what made the backup says the rest of the URL. */
static bool
is_path(const char *into)
{
	return into[0] == '/' || strncmp(into, "./", 2) == 0 ||
	    strncmp(into, "../", 3) == 0;
}

static void
parse(struct want *w, struct bk_fault *f)
{
	const char *arg;
	char **words;
	int key, n, after;

	w->req = (struct bk_restore_req){ .ctx = bk_ctx, .target = &w->target,
		.spool_dir = bk_ctx->tmpdir, .jobs = 1,
		.deadline = bk_ctx->mono() + TIMEOUT_MS };
	while ((key = bk_opt_next(&arg)) != -1)
		if (!bk_recover_option(&w->recover, &w->which, key, arg) &&
		    !bk_which_option(&w->which, key, arg))
			set_option(w, key, arg, f);
	n = bk_operands(&words);
	if ((after = bk_operands_after()) > 0) {
		n -= after;
		w->req.args = (const char *const *)words + n;
	}
	if (w->into == NULL)
		bk_usage("want --into TARGET, such as --into postgres://localhost/copy");
	if (!is_path(w->into) && (bk_uri_parse(w->into, &w->target, f) == -1 ||
	    (w->in_place && bk_restore_in_place(bk_ctx, &w->target, f) == -1)))
		bk_usage_fault(f);
	if (w->yes && !w->replace)
		bk_usage("--yes goes with --replace");
	w->which.origin.streams = true;
	bk_recover_which(&w->recover, &w->which, n);
	bk_which_done(&w->which, words, n);
}

/* The target of a path alone, for the engine that made the backup. */
static int
find_target(struct want *w, const json_t *header, struct bk_fault *f)
{
	const char *made = bk_json_get_text(header, "engine");
	const struct bk_engine_ops *e;
	struct bk_buf b = BK_BUF_INIT(PATH_MAX * 4);
	char cwd[PATH_MAX];
	int rc = -1;

	if (w->target.text != NULL)
		return 0;
	if ((e = bk_engine_named(bk_ctx, made != NULL ? made : "", f)) == NULL)
		return -1;
	if (!(e->flags & BK_ENGINE_PATH))
		return bk_fault_set(f, BK_USAGE, "a path is no target for a backup "
		    "of engine '%s'; want a URL", made);
	if (w->into[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		return bk_fault_errno(f, 0, errno, "cannot tell the directory");
	if (bk_buf_addf(&b, f, "%s://", e->schemes[0]) == 0 &&
	    (w->into[0] == '/' || (bk_uri_encode(&b, cwd, true, f) == 0 &&
	    bk_buf_adds(&b, "/", f) == 0)) &&
	    bk_uri_encode(&b, w->into, true, f) == 0)
		rc = bk_uri_parse(bk_buf_text(&b), &w->target, f);
	if (rc == 0 && w->in_place)
		rc = bk_restore_in_place(bk_ctx, &w->target, f);
	bk_buf_release(&b);
	return rc;
}

/* Look at the target; where it holds something, --replace decides. */
static int
open_target(struct work *k, struct want *w, const json_t *header,
    struct bk_fault *f)
{
	w->req.header = header;
	if (bk_restore_open(&k->restore, &w->req, f) == 0)
		return 0;
	bk_restore_close(&k->restore);
	if (f->status != BK_CANTCREATE || !w->replace)
		return -1;
	if (!w->yes && !bk_confirm(bk_ctx->stop, "'%s' holds data. Replace it?",
	    w->into)) {
		bk_fault_context(f, "not replaced, for want of --yes or of a yes at the terminal");
		return -1;
	}
	bk_fault_clear(f);
	w->req.replace = true;
	return bk_restore_open(&k->restore, &w->req, f);
}

/* Plain payload: through the marks, into the spool file or the engine. */
static int
take_plain(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct work *k = arg;

	if (k->marks != NULL && k->marks->write(k->marks, p, n, f) == -1)
		return -1;
	return k->spool != -1 ?
	    bk_write_all(k->spool, p, n, "the spool file", f) :
	    bk_restore_write(&k->restore, p, n, f);
}

static int
take_stored(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct work *k = arg;

	if (bk_stop_take(bk_ctx))
		return bk_fault_set(f, BK_DATA, "stopped");
	bk_progress(n);
	return bk_undo_write(k->undo, p, n, f);
}

/* The payload of the increment's parent ${rec}, or of ${o} itself. */
static int
read_payload(struct bk_origin *o, const struct bk_record *rec,
    struct work *k, json_t **end, struct bk_fault *f)
{
	if (rec == NULL)
		return bk_origin_read(o, take_stored, k, end, f);
	*end = bk_fetch(o->store, rec, take_stored, k, f) == 0 ?
	    bk_fetch_end(rec, f) : NULL;
	return *end != NULL ? 0 : -1;
}

/* All of a payload through its filters, then every check there is. */
static int
transfer(struct bk_origin *o, const struct bk_record *rec, struct work *k,
    struct bk_fault *f)
{
	json_t *end = NULL;
	int rc;

	if (read_payload(o, rec, k, &end, f) == -1)
		return -1;
	rc = bk_undo_finish(k->undo, json_object_get(end, "stages"), f);
	/* A stream's header lacks what became known later; a record has it. */
	if (rc == 0 && rec == NULL && json_object_get(end, "info") != NULL &&
	    json_object_update(json_object_get(o->header, "info"),
	    json_object_get(end, "info")) == -1)
		rc = bk_fault_errno(f, BK_IO, ENOMEM, "end line");
	json_decref(end);
	if (rc == 0 && k->marks != NULL && k->marks->finish(k->marks, f) == -1)
		rc = -1;
	if (rc == 0)
		bk_say(BK_LOG_INFO, "payload verified, %llu bytes",
		    (unsigned long long)bk_undo_bytes(k->undo));
	return rc;
}

static void
close_payload(struct work *k)
{
	if (k->marks != NULL)
		k->marks->free(k->marks);
	bk_undo_free(k->undo);
	k->marks = NULL;
	k->undo = NULL;
}

static int
open_filters(struct work *k, const struct want *w, const json_t *header,
    struct bk_fault *f)
{
	const struct bk_undo_opts uo = { .ctx = bk_ctx, .pipes = w->which.undo,
		.threads = 0, .deadline = w->req.deadline };

	k->undo = bk_undo_open(&uo, json_object_get(header, "filters"),
	    take_plain, k, f);
	return k->undo != NULL ? 0 : -1;
}

static int
open_marks(struct work *k, const json_t *header, struct bk_fault *f)
{
	const char *ext = bk_json_get_text(header, "ext");

	if (k->restore.ops->marks != NULL)
		k->marks = k->restore.ops->marks(ext != NULL ? ext : "", f);
	return bk_faulty(f) ? -1 : 0;
}

/* Everything that the increment in ${o} stands on, the full backup first. */
static int
restore_chain(struct bk_origin *o, const struct bk_chain *c, struct want *w,
    struct work *k, struct bk_fault *f)
{
	json_t *header = NULL;
	size_t i;
	int rc = 0;

	for (i = c->len; rc == 0 && i-- > 0;) {
		close_payload(k);
		bk_say(BK_LOG_INFO, "first %s, which it stands on", c->rec[i].id);
		if ((header = bk_fetch_header(&c->rec[i], f)) == NULL ||
		    (i + 1 < c->len &&
		    bk_restore_next(&k->restore, header, f) == -1) ||
		    open_filters(k, w, header, f) == -1 ||
		    open_marks(k, header, f) == -1 ||
		    transfer(o, &c->rec[i], k, f) == -1)
			rc = -1;
		json_decref(header);
	}
	close_payload(k);
	if (rc == -1 || bk_restore_next(&k->restore, o->header, f) == -1)
		return -1;
	return open_filters(k, w, o->header, f);
}

static int
restore(struct bk_origin *o, const struct bk_chain *c, struct want *w,
    struct bk_fault *f)
{
	struct work k = { .spool = -1 };
	int rc = -1;

	if (bk_recover_request(&w->recover, &w->which, o, &w->req.recovery,
	    f) == -1 || find_target(w, o->header, f) == -1 ||
	    open_filters(&k, w, o->header, f) == -1 ||
	    open_target(&k, w, o->header, f) == -1)
		goto out;
	if (c->len > 0 && k.restore.ops->restore_next == NULL) {
		(void)bk_restore_next(&k.restore, o->header, f);
		goto out;
	}
	if (k.restore.spool &&
	    (k.spool = bk_tmpfile(w->req.spool_dir, f)) == -1)
		goto out;
	if ((c->len > 0 && restore_chain(o, c, w, &k, f) == -1) ||
	    open_marks(&k, o->header, f) == -1 ||
	    transfer(o, NULL, &k, f) == -1)
		goto out;
	if (k.spool != -1 && lseek(k.spool, 0, SEEK_SET) == -1) {
		(void)bk_fault_errno(f, 0, errno, "cannot rewind the spool file");
		goto out;
	}
	rc = bk_restore_commit(&k.restore, k.spool, f);
out:
	bk_stop_clean();
	bk_restore_close(&k.restore);
	close_payload(&k);
	if (k.spool != -1)
		(void)close(k.spool);
	return rc;
}

/* What has to be restored before it, if it is an increment. */
static int
find_chain(const struct bk_origin *o, struct bk_chain *c, struct bk_fault *f)
{
	uint64_t total = o->rec.bytes;
	size_t i;

	if (o->store == NULL)
		return bk_json_get_text(o->header, "parent") == NULL ? 0 :
		    bk_fault_set(f, BK_DATA,
		    "the stream is an increment of %s: put it in that store and restore it from there",
		    bk_json_get_text(o->header, "parent"));
	if (bk_chain_read(bk_ctx, o->store, &o->rec, c, f) == -1)
		return -1;
	for (i = 0; i < c->len; i++)
		total += c->rec[i].bytes;
	bk_progress_total(total);
	return 0;
}

int
main(int argc, char *argv[])
{
	const struct bk_store_opts store = { .read_only = true };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_origin o = BK_ORIGIN_INIT;
	struct bk_chain c = BK_CHAIN_INIT;
	struct want w = { .which = BK_WHICH_INIT(&store),
		.recover = BK_RECOVER_INIT, .target = BK_URI_INIT };
	const struct bk_buf *said = &w.recover.report;

	bk_init(&prog, argc, argv);
	parse(&w, &f);
	if (bk_stop_catch(&f) == 0 &&
	    bk_origin_open(&o, &w.which.origin, &f) == 0) {
		if (bk_recover_choose(&w.recover, &w.which, &o, &f) == 0 &&
		    find_chain(&o, &c, &f) == 0 && restore(&o, &c, &w, &f) == 0) {
			bk_say(BK_LOG_INFO, "restored '%s' of %s into %s",
			    bk_json_get_text(o.header, "name"),
			    bk_json_get_text(o.header, "time"), w.into);
			(void)bk_origin_end(&o, &f);
			if (said->len > 0)
				(void)bk_write_all(STDOUT_FILENO, said->p, said->len,
				    "standard output", &f);
		}
	}
	bk_chain_release(&c);
	bk_origin_release(&o);
	bk_uri_release(&w.target);
	bk_recover_release(&w.recover);
	f.upstream = false;	/* nobody behind can say that nothing was restored */
	return bk_exit(&f);
}
