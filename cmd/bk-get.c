/*
 * bk-get: give a stored backup as the stream it was, filters and all; with
 * --raw the stored bytes, with --raw --decode the plain payload.  Size and
 * SHA-256 are compared before the last min(1 MiB, size) bytes are let out.
 *
 * Memory: the download's (--memory) and 4 MiB, and with --decode what the
 * codec takes (bk-compress(1)).
 */
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "optargs.h"
#include "prog.h"
#include "stream.h"
#include "undo.h"
#include "when.h"
#include "which.h"

enum { RAW = 256, DECODE, MEMORY, TIMEOUT };

static const struct bk_opt opts[] = {
	BK_WHICH_OPTS,
	{ RAW, "raw", NULL, "write the stored bytes, not a stream", 0 },
	{ DECODE, "decode", NULL, "of a raw output: undo the filters", 0 },
	BK_WHICH_OPT_UNDO,
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
	struct bk_which which;
	bool raw, decode;
};

static void
option(struct get *o, int key, const char *arg)
{
	switch (key) {
	case RAW:
		o->raw = true;
		break;
	case DECODE:
		o->decode = true;
		break;
	case MEMORY:
		o->store.memory = bk_arg_bytes("memory", arg, 16 << 20);
		break;
	case TIMEOUT:
		o->store.timeout_ms = bk_arg_duration("timeout", arg);
		break;
	default:
		break;
	}
}

static void
parse(struct get *o)
{
	const char *arg;
	char **words;
	int key, n;

	while ((key = bk_opt_next(&arg)) != -1)
		if (!bk_which_option(&o->which, key, arg))
			option(o, key, arg);
	if (o->decode && !o->raw)
		bk_usage("--decode goes with --raw");
	if (o->which.nundo > 0 && !o->decode)
		bk_usage("--undo goes with --raw --decode");
	n = bk_operands(&words);
	bk_which_done(&o->which, words, n);
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
get_raw(const struct get *o, struct bk_origin *from, struct bk_fault *f)
{
	const struct bk_undo_opts uo = { .ctx = bk_ctx,
		.pipes = o->which.undo };
	struct tap t = { to_stdout, NULL };
	struct bk_undo *undo = NULL;
	json_t *end = NULL;
	int rc = -1;

	if (o->decode) {
		undo = bk_undo_open(&uo, json_object_get(from->header, "filters"),
		    to_stdout, NULL, f);
		if (undo == NULL)
			return -1;
		t = (struct tap){ bk_undo_write, undo };
	}
	if (bk_origin_read(from, tap, &t, &end, f) == 0)
		rc = undo == NULL ? 0 : bk_undo_finish(undo,
		    json_object_get(end, "stages"), f);
	json_decref(end);
	bk_undo_free(undo);
	return rc;
}

static int
get_stream(struct bk_origin *from, struct bk_stream_out *out,
    struct bk_fault *f)
{
	struct tap t = { bk_stream_write, out };
	json_t *end = NULL;
	int rc = -1;

	if (bk_stream_put_header(out, from->header, f) == 0 &&
	    bk_origin_read(from, tap, &t, &end, f) == 0)
		rc = bk_stream_put_end(out, end, f);
	json_decref(end);
	return rc;
}

/* Is a stream what our output was to be?  Known before the options are. */
static bool
streams(int argc, char *const argv[])
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], "--raw") == 0)
			return false;
	return true;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct get o = { .store = { .read_only = true },
		.which = BK_WHICH_INIT(&o.store) };
	struct bk_origin from = BK_ORIGIN_INIT;
	struct bk_stream_out *out = NULL;

	if (streams(argc, argv))
		bk_usage_tells(bk_tell_stream);
	bk_init(&prog, argc, argv);
	parse(&o);
	bk_refuse_tty(STDOUT_FILENO);

	bk_pipe_enlarge(STDOUT_FILENO);
	if (!o.raw && (out = bk_stream_writer(STDOUT_FILENO, &f)) == NULL)
		goto out;
	if (bk_origin_open(&from, &o.which.origin, &f) == 0) {
		bk_progress_total(from.rec.bytes);
		if ((out != NULL ? get_stream(&from, out, &f) :
		    get_raw(&o, &from, &f)) == 0) {
			/* The backup is out; did the program fail that chose it? */
			(void)bk_origin_end(&from, &f);
			goto out;
		}
	}
	if (out != NULL)
		bk_stream_put_failed(out, prog.name, &f, NULL);
out:
	bk_origin_release(&from);
	bk_stream_out_free(out);
	return bk_exit(&f);
}
