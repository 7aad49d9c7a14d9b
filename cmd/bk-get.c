/*
 * bk-get: give a stored backup as the stream it was, filters and all; with
 * --raw the stored bytes, with --raw --decode the plain payload.  Size and
 * SHA-256 are compared before the last min(1 MiB, size) bytes are let out.
 *
 * Memory: the download's (--memory) and 4 MiB, and with --decode what the
 * codec takes (bk-compress(1)).
 */
#include <unistd.h>

#include "fetch.h"
#include "names.h"
#include "pick.h"
#include "prog.h"
#include "stream.h"
#include "undo.h"
#include "when.h"

#define MANY 64

enum { ID = 256, NAME, LATEST, AT, RAW, DECODE, UNDO, MEMORY, TIMEOUT };

static const struct bk_opt opts[] = {
	{ ID, "id", "ID", "of the store: the backup with this id", 0 },
	{ NAME, "name", "NAME", "of the store: backups of this name", 0 },
	{ LATEST, "latest", NULL, "the newest of them", 0 },
	{ AT, "at", "TIME", "the newest at or before TIME", 0 },
	{ RAW, "raw", NULL, "write the stored bytes, not a stream", 0 },
	{ DECODE, "decode", NULL, "with --raw: undo the filters", 0 },
	{ UNDO, "undo", ".EXT=COMMAND", "with --decode: undo a pipe filter", BK_OPT_MANY },
	{ MEMORY, "memory", "N", "buffers of the download (32M)", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-get",
	"[OPTION]... [STORE [--id ID | --name NAME --latest|--at TIME]]",
	"write a stored backup, named by a record on standard input or found in a store",
	opts };

struct get {
	struct bk_store_opts store;
	struct bk_list_req pick;
	const char *url;
	const char *undo[MANY + 1];
	size_t nundo;
	bool picks, raw, decode;
};

static void
option(struct get *o, int key, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;
	unsigned long long n;

	switch (key) {
	case ID:
		o->pick.id = arg;
		if (!bk_ulid_ok(arg))
			bk_usage("--id '%s': want the 26 characters of an id", arg);
		break;
	case NAME:
		o->pick.name = arg;
		if (!bk_name_ok(arg))
			bk_usage("--name '%s' is no name of 1 to %d bytes", arg,
			    BK_NAME_MAX);
		break;
	case LATEST:
		o->pick.latest = true;
		break;
	case AT:
		(void)bk_time_parse_rel(arg, bk_ctx->now(), &o->pick.at, &f);
		break;
	case RAW:
		o->raw = true;
		break;
	case DECODE:
		o->decode = true;
		break;
	case UNDO:
		if (o->nundo == MANY)
			bk_usage("more than %d --undo", MANY);
		o->undo[o->nundo++] = arg;
		(void)bk_undo_check(arg, &f);
		break;
	case MEMORY:
		if (bk_bytes_parse(arg, &n, &f) == 0 && n < 16 << 20)
			bk_usage("--memory '%s': want at least 16M", arg);
		o->store.memory = n;
		break;
	case TIMEOUT:
		if (bk_duration_parse(arg, &o->store.timeout_ms, &f) == 0 &&
		    o->store.timeout_ms < 1000)
			bk_usage("--timeout '%s': want at least 1s", arg);
		break;
	default:
		break;
	}
	if (bk_faulty(&f))
		bk_usage_fault(&f);
}

static void
parse(struct get *o)
{
	const char *arg;
	char **words;
	int key, n;

	while ((key = bk_opt_next(&arg)) != -1)
		option(o, key, arg);
	if ((n = bk_operands(&words)) > 1)
		bk_usage("want one store at most; '%s' is a second operand",
		    words[1]);
	o->url = n == 1 ? words[0] : NULL;
	o->picks = o->pick.id != NULL || o->pick.name != NULL ||
	    o->pick.latest || o->pick.at != INT64_MIN;
	if (o->picks && o->url == NULL &&
	    (o->url = bk_ctx->env("BK_STORE")) == NULL)
		bk_usage("--id, --name, --latest and --at want a store");
	if (o->picks && o->pick.id == NULL && !o->pick.latest &&
	    o->pick.at == INT64_MIN)
		bk_usage("with --name, want --latest or --at");
	if (o->decode && !o->raw)
		bk_usage("--decode goes with --raw");
	if (o->nundo > 0 && !o->decode)
		bk_usage("--undo goes with --raw --decode");
}

static int
to_stdout(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	(void)arg;
	return bk_write_all(STDOUT_FILENO, p, n, "standard output", f);
}

/* Counts what is fetched on its way to the sink behind. */
struct tap {
	bk_sink_fn *sink;
	void *arg;
};

static int
tap(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct tap *t = arg;

	if (t->sink(t->arg, p, n, f) == -1)
		return -1;
	bk_progress(n);
	return 0;
}

static int
get_raw(const struct get *o, struct bk_store *s, const struct bk_record *rec,
    struct bk_fault *f)
{
	const struct bk_undo_opts uo = { .ctx = bk_ctx, .pipes = o->undo };
	struct tap t = { to_stdout, NULL };
	struct bk_undo *undo = NULL;
	int rc = -1;

	if (o->decode) {
		undo = bk_undo_open(&uo, json_object_get(rec->json, "filters"),
		    to_stdout, NULL, f);
		if (undo == NULL)
			return -1;
		t = (struct tap){ bk_undo_write, undo };
	}
	if (bk_fetch(s, rec, tap, &t, f) == 0)
		rc = undo == NULL ? 0 : bk_undo_finish(undo,
		    json_object_get(rec->json, "stages"), f);
	bk_undo_free(undo);
	return rc;
}

static int
get_stream(struct bk_store *s, const struct bk_record *rec,
    struct bk_stream_out *out, struct bk_fault *f)
{
	struct tap t = { bk_stream_write, out };
	json_t *header = NULL, *end = NULL;
	int rc = -1;

	if ((header = bk_fetch_header(rec, f)) != NULL &&
	    (end = bk_fetch_end(rec, f)) != NULL &&
	    bk_stream_put_header(out, header, f) == 0 &&
	    bk_fetch(s, rec, tap, &t, f) == 0)
		rc = bk_stream_put_end(out, end, f);
	json_decref(end);
	json_decref(header);
	return rc;
}

/* Which backup, and its open store. */
static int
find(const struct get *o, struct bk_records_in *in, struct bk_store **s,
    struct bk_record *rec, struct bk_fault *f)
{
	const char *url;

	if (in != NULL && bk_pick_input(in, rec, f) == -1)
		return -1;
	url = o->url != NULL ? o->url : rec->store;
	if (url == NULL)
		return bk_fault_set(f, BK_USAGE, "the record names no store: "
		    "give it as operand");
	if ((*s = bk_store_open(bk_ctx, url, &o->store, f)) == NULL)
		return -1;
	return in != NULL ? 0 : bk_pick_store(bk_ctx, *s, &o->pick, rec, f);
}

static int
get(const struct get *o, struct bk_records_in *in, struct bk_stream_out *out,
    struct bk_fault *f)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_store *s = NULL;
	int rc = -1;

	if (find(o, in, &s, &rec, f) == 0) {
		bk_progress_total(rec.bytes);
		rc = out != NULL ? get_stream(s, &rec, out, f) :
		    get_raw(o, s, &rec, f);
	}
	bk_record_release(&rec);
	bk_store_close(s);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct get o = { .store = { .read_only = true },
		.pick = BK_LIST_REQ_INIT };
	struct bk_stream_out *out = NULL;
	struct bk_records_in *in = NULL;
	struct bk_record none = BK_RECORD_INIT;
	struct bk_rbuf *r = NULL;

	bk_init(&prog, argc, argv);
	parse(&o);
	if (!o.picks)
		bk_refuse_tty(STDIN_FILENO);
	bk_refuse_tty(STDOUT_FILENO);

	if (!o.raw && (out = bk_stream_writer(STDOUT_FILENO, &f)) == NULL)
		goto out;
	if (!o.picks && ((r = bk_rbuf_new(STDIN_FILENO, "standard input",
	    &f)) == NULL ||
	    (in = bk_records_reader(r, BK_RECORDS_ONE, &f)) == NULL))
		goto out;
	if (get(&o, in, out, &f) == -1) {
		if (out != NULL)
			bk_stream_put_failed(out, "bk-get", &f, NULL);
	} else if (in != NULL)
		/* The backup is out; did the program fail that chose it? */
		(void)bk_records_next(in, &none, &f);
out:
	bk_records_in_free(in);
	bk_rbuf_free(r);
	bk_stream_out_free(out);
	return bk_exit(&f);
}
