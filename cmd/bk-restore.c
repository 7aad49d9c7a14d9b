/*
 * bk-restore: bring a backup back.
 *
 * Input is one record, a stream, or a store and which backup of it.  Payload
 * goes through the chain that undoes its filters, through the engine's
 * completeness marks, and into the engine; an engine that cannot undo gets a
 * file that was verified first.  Nothing is committed before size, checksums
 * and end line were found good, and the target is looked at before anything
 * is fetched.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "fetch.h"
#include "json.h"
#include "names.h"
#include "pick.h"
#include "prog.h"
#include "stream.h"
#include "undo.h"
#include "uri.h"
#include "when.h"

#define MANY 64
#define TIMEOUT_MS (10LL * 3600 * 1000)

enum { O_ID = 256, O_NAME, O_LATEST, O_AT, O_INTO, O_REPLACE, O_YES, O_UNDO,
	O_SPOOL, O_SOURCE_ENV, O_TIMEOUT };

static const struct bk_opt opts[] = {
	{ O_INTO, "into", "TARGET", "URL of what to restore into (required)", 0 },
	{ O_ID, "id", "ID", "of a store: the backup with this id", 0 },
	{ O_NAME, "name", "NAME", "of a store: backups with this name", 0 },
	{ O_LATEST, "latest", NULL, "the newest of them", 0 },
	{ O_AT, "at", "TIME", "the newest at or before TIME", 0 },
	{ O_REPLACE, "replace", NULL, "replace what the target holds", 0 },
	{ O_YES, "yes", NULL, "do not ask before replacing", 0 },
	{ 'j', "jobs", "N", "restore with N parallel jobs (postgres)", 0 },
	{ O_UNDO, "undo", ".EXT=COMMAND", "undo a pipe filter; may be repeated",
	    BK_OPT_MANY },
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
	const char *store, *into;
	struct bk_list_req pick;
	const char *undo[MANY + 1];
	size_t nundo;
	bool replace, yes;
	struct bk_restore_req req;
};

/* Where the backup comes from: a stream, or a record in a store. */
struct origin {
	struct bk_rbuf *in;
	struct bk_stream_in *stream;
	struct bk_records_in *list;
	struct bk_record rec;
	struct bk_store *store;
	json_t *header;			/* owned */
	struct bk_fault later;		/* the list failed after its record */
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
	case O_ID: w->pick.id = arg; break;
	case O_NAME: w->pick.name = arg; break;
	case O_LATEST: w->pick.latest = true; break;
	case O_AT:
		rc = bk_time_parse_rel(arg, bk_ctx->now(), &w->pick.at, f);
		break;
	case O_REPLACE: w->replace = true; break;
	case O_YES: w->yes = true; break;
	case 'j':
		if ((rc = bk_number_parse("--jobs", arg, 1, 64, &n, f)) == 0)
			w->req.jobs = (int)n;
		break;
	case O_UNDO:
		if (w->nundo == MANY)
			bk_usage("more than %d --undo", MANY);
		rc = bk_undo_check(arg, f);
		w->undo[w->nundo++] = arg;
		break;
	case O_SPOOL: w->req.spool_dir = arg; break;
	case O_SOURCE_ENV: w->req.source_env = arg; break;
	case O_TIMEOUT:
		if ((rc = bk_duration_parse(arg, &ms, f)) == 0)
			w->req.deadline = bk_ctx->mono() + ms;
		break;
	default:
		break;
	}
	if (rc == -1)
		bk_usage_fault(f);
}

static void
parse(struct want *w, struct bk_uri *target, struct bk_fault *f)
{
	const char *arg;
	char **words;
	int key, n, after;
	bool picks;

	w->pick.since = w->pick.at = INT64_MIN;
	w->pick.until = INT64_MAX;
	w->req = (struct bk_restore_req){ .ctx = bk_ctx, .target = target,
		.spool_dir = bk_ctx->tmpdir, .jobs = 1,
		.deadline = bk_ctx->mono() + TIMEOUT_MS };
	while ((key = bk_opt_next(&arg)) != -1)
		set_option(w, key, arg, f);
	n = bk_operands(&words);
	if ((after = bk_operands_after()) > 0)
		w->req.args = (const char *const *)words + (n - after);
	if ((n -= after > 0 ? after : 0) > 1)
		bk_usage("want one store at most; '%s' is a second operand", words[1]);
	if (w->into == NULL)
		bk_usage("want --into TARGET, such as --into postgres://localhost/copy");
	if (bk_uri_parse(w->into, target, f) == -1)
		bk_usage_fault(f);
	w->store = n == 1 ? words[0] : NULL;
	picks = w->pick.id != NULL || w->pick.name != NULL || w->pick.latest ||
	    w->pick.at != INT64_MIN;
	if (w->store == NULL && picks)
		bk_usage("--id, --name, --latest and --at want a store as operand");
	if (w->store != NULL && w->pick.id == NULL &&
	    !w->pick.latest && w->pick.at == INT64_MIN)
		bk_usage("with a store, want --id, --latest or --at");
	if (w->yes && !w->replace)
		bk_usage("--yes goes with --replace");
}

/* A record is at hand: open its store, make a stream's header of it. */
static int
open_record(struct origin *o, const char *url, struct bk_fault *f)
{
	const struct bk_store_opts ro = { .read_only = true };

	if (url == NULL)
		return bk_fault_set(f, BK_DATA,
		    "the record names no store; give it as operand with --id %s",
		    o->rec.id);
	if (o->store == NULL &&
	    (o->store = bk_store_open(bk_ctx, url, &ro, f)) == NULL)
		return -1;
	bk_progress_total(o->rec.bytes);
	return (o->header = bk_fetch_header(&o->rec, f)) != NULL ? 0 : -1;
}

/* Standard input: a stream, or a list of one record. */
static int
open_input(struct origin *o, struct bk_fault *f)
{
	static const char stream[] = "{\"bk\":\"stream/", crc[] = "\"crc32\":";
	const char *line;
	struct bk_record second = BK_RECORD_INIT;
	json_t *h;
	size_t n;
	int rc;

	bk_refuse_tty(STDIN_FILENO);
	if ((o->in = bk_rbuf_new(STDIN_FILENO, "standard input", f)) == NULL ||
	    (rc = bk_rbuf_peek_line(o->in, &line, &n, f)) == -1)
		return -1;
	if (rc == BK_END)
		return bk_fault_set(f, BK_DATA,
		    "standard input ended without a record or a stream");
	if (memmem(line, n, stream, sizeof(stream) - 1) == line ||
	    memmem(line, n, crc, sizeof(crc) - 1) != NULL) {
		if ((o->stream = bk_stream_reader(o->in, f)) == NULL ||
		    bk_stream_header(o->stream, &h, f) == -1)
			return -1;
		o->header = json_incref(h);
		return 0;
	}
	if ((o->list = bk_records_reader(o->in, BK_RECORDS_ONE, f)) == NULL ||
	    bk_pick_input(o->list, &o->rec, f) == -1)
		return -1;
	/* A second record is refused before anything is done; a list that
	 * failed behind its record is acted on, and its status kept. */
	if (bk_records_next(o->list, &second, &o->later) == -1 &&
	    !o->later.upstream) {
		*f = o->later;
		return -1;
	}
	return open_record(o, o->rec.store, f);
}

static int
open_origin(struct origin *o, const struct want *w, struct bk_fault *f)
{
	const struct bk_store_opts ro = { .read_only = true };

	if (w->store == NULL)
		return open_input(o, f);
	if ((o->store = bk_store_open(bk_ctx, w->store, &ro, f)) == NULL ||
	    bk_pick_store(bk_ctx, o->store, &w->pick, &o->rec, f) == -1)
		return -1;
	return open_record(o, w->store, f);
}

static void
close_origin(struct origin *o)
{
	bk_store_close(o->store);
	bk_record_release(&o->rec);
	bk_records_in_free(o->list);
	bk_stream_in_free(o->stream);
	bk_rbuf_free(o->in);
	json_decref(o->header);
}

/* Ask on the terminal, which is not standard input: a record comes there. */
static bool
confirmed(const char *target)
{
	char answer[8] = "";
	struct bk_fault f = BK_FAULT_INIT;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	ssize_t n = 0;

	if (fd == -1)
		return false;
	dprintf(fd, "%s: '%s' holds data. Replace it? Type yes: ", prog.name,
	    target);
	n = read(fd, answer, sizeof(answer) - 1);
	(void)bk_close(fd, "/dev/tty", &f);
	return n == 4 && memcmp(answer, "yes\n", 4) == 0;
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
	if (!w->yes && !confirmed(w->into)) {
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

	bk_progress(n);
	return bk_undo_write(k->undo, p, n, f);
}

/* All of the payload through the chain, then every check there is. */
static int
transfer(struct origin *o, struct work *k, struct bk_fault *f)
{
	json_t *end = NULL;
	const void *p;
	size_t n;
	int rc;

	if (o->stream != NULL) {
		while ((rc = bk_stream_read(o->stream, &p, &n, f)) == BK_MORE)
			if (take_stored(k, p, n, f) == -1)
				return -1;
		if (rc == -1)
			return -1;
		end = json_incref(bk_stream_end(o->stream));
	} else if (bk_fetch(o->store, &o->rec, take_stored, k, f) == -1 ||
	    (end = bk_fetch_end(&o->rec, f)) == NULL)
		return -1;
	rc = bk_undo_finish(k->undo, json_object_get(end, "stages"), f);
	json_decref(end);
	if (rc == 0 && k->marks != NULL && k->marks->finish(k->marks, f) == -1)
		rc = -1;
	return rc;
}

static int
restore(struct origin *o, struct want *w, struct bk_fault *f)
{
	const struct bk_undo_opts uo = { .ctx = bk_ctx, .pipes = w->undo,
		.threads = 0, .deadline = w->req.deadline };
	struct work k = { .spool = -1 };
	const char *ext = bk_json_get_text(o->header, "ext");
	int rc = -1;

	if ((k.undo = bk_undo_open(&uo, json_object_get(o->header, "filters"),
	    take_plain, &k, f)) == NULL || open_target(&k, w, o->header, f) == -1)
		goto out;
	if (k.restore.ops->marks != NULL &&
	    (k.marks = k.restore.ops->marks(ext != NULL ? ext : "", f)) == NULL &&
	    bk_faulty(f))
		goto out;
	if (k.restore.spool &&
	    (k.spool = bk_tmpfile(w->req.spool_dir, f)) == -1)
		goto out;
	if (transfer(o, &k, f) == -1)
		goto out;
	if (k.spool != -1 && lseek(k.spool, 0, SEEK_SET) == -1) {
		(void)bk_fault_errno(f, 0, errno, "cannot rewind the spool file");
		goto out;
	}
	bk_say(BK_LOG_INFO, "payload verified, %llu bytes",
	    (unsigned long long)bk_undo_bytes(k.undo));
	rc = bk_restore_commit(&k.restore, k.spool, f);
out:
	bk_restore_close(&k.restore);
	if (k.marks != NULL)
		k.marks->free(k.marks);
	bk_undo_free(k.undo);
	if (k.spool != -1)
		(void)close(k.spool);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri target = BK_URI_INIT;
	struct origin o = { .rec = BK_RECORD_INIT, .later = BK_FAULT_INIT };
	static struct want w;

	bk_init(&prog, argc, argv);
	parse(&w, &target, &f);
	if (open_origin(&o, &w, &f) == 0 && restore(&o, &w, &f) == 0) {
		bk_say(BK_LOG_INFO, "restored '%s' of %s into %s",
		    bk_json_get_text(o.header, "name"),
		    bk_json_get_text(o.header, "time"), w.into);
		f = o.later;
	}
	close_origin(&o);
	bk_uri_release(&target);
	return bk_exit(&f);
}
