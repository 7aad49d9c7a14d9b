/*
 * bk-compress: compress the payload of a stream, or undo that.
 *
 * The formats are those of lib/codec.  Undoing needs no option: the last
 * entry of "filters" names the format.
 */
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "filter.h"
#include "json.h"
#include "names.h"
#include "prog.h"
#include "stream.h"

#define THREADS_MAX 64
#define THREADS_AUTO 8			/* memory grows with them */
#define THREADS_UNDO 4			/* more only wait for the main thread */

enum { OPT_GZIP = 256, OPT_ZSTD, OPT_THREADS, OPT_LEVEL };

static const struct bk_opt opts[] = {
	{ OPT_GZIP, "gzip", NULL, "gzip format (the default)", 0 },
	{ OPT_ZSTD, "zstd", NULL, "Zstandard format", 0 },
	{ OPT_LEVEL, NULL, "LEVEL", "level: gzip 1 to 12 (5), zstd 1 to 19 (3)",
	  BK_OPT_NUMBER },
	{ 'd', "decompress", NULL, "undo the last filter of the stream", 0 },
	{ OPT_THREADS, "threads", "N", "worker threads, 1 to 64 (default: "
	  "by the processors, at most 8)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-compress",
	"[--gzip | --zstd] [-LEVEL] [--threads N] | -d [--threads N]",
	"compress the payload of a stream, or undo that", opts };

struct job {
	const struct bk_codec_format *format;	/* NULL: undo what the stream names */
	int level;
	int threads;
};

static int
open_codec(void *arg, const json_t *filter, bk_sink_fn *sink, void *sinkarg,
    const struct bk_transform_ops **ops, void **t, struct bk_fault *f)
{
	const struct job *job = arg;
	const struct bk_codec_format *c = job->format;
	const char *name;

	if (filter == NULL) {
		*t = c->encode(job->level, job->threads, sink, sinkarg, f);
		*ops = *t == NULL ? NULL : c->encode_ops;
		return *t == NULL ? -1 : 0;
	}
	name = bk_json_get_text(filter, "filter");
	if ((c = bk_codec_find(name)) == NULL)
		return bk_fault_set(f, BK_DATA, "the last filter of the stream "
		    "is '%s', which bk-compress cannot undo", name);
	*t = c->decode(job->threads, sink, sinkarg, f);
	*ops = *t == NULL ? NULL : c->decode_ops;
	return *t == NULL ? -1 : 0;
}

/*
 * More workers than THREADS_UNDO wait for the main thread, which has the CRC
 * and twice the bytes through pipes to do.
 */
static int
threads_default(bool undo)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	if (undo && n > THREADS_UNDO)
		n = THREADS_UNDO;
	return n < 1 ? 1 : n > THREADS_AUTO ? THREADS_AUTO : (int)n;
}

/* Read the command line; wrong usage does not return. */
static void
options(struct job *job)
{
	struct bk_fault f = BK_FAULT_INIT;
	const struct bk_codec_format *c = NULL;
	const char *arg, *level = NULL;
	long long n;
	bool undo = false;
	char **words;
	int key;

	while ((key = bk_opt_next(&arg)) != -1)
		switch (key) {
		case OPT_GZIP:
		case OPT_ZSTD:
			if (c != NULL)
				bk_usage("--gzip and --zstd exclude each other");
			c = bk_codec_find(key == OPT_GZIP ? "gzip" : "zstd");
			break;
		case OPT_LEVEL:
			level = arg;
			break;
		case OPT_THREADS:
			if (bk_number_parse("--threads", arg, 1, THREADS_MAX, &n,
			    &f) == -1)
				bk_usage_fault(&f);
			job->threads = (int)n;
			break;
		default:
			undo = true;
		}
	if (bk_operands(&words) != 0)
		bk_usage("want no operands: '%s'", words[0]);
	if (job->threads == 0)
		job->threads = threads_default(undo);
	if (undo) {
		if (c != NULL || level != NULL)
			bk_usage("-d takes the format from the stream: no format "
			    "and no level with it");
		return;
	}
	job->format = c != NULL ? c : &bk_codec_gzip;
	job->level = job->format->level_default;
	if (level == NULL)
		return;
	if (bk_number_parse("level", level, job->format->level_min,
	    job->format->level_max, &n, &f) == -1)
		bk_usage_fault(&f);
	job->level = (int)n;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct job job = { NULL, 0, 0 };
	struct bk_filter fl = { "decompress", NULL, open_codec, &job };
	struct bk_rbuf *r = NULL;
	struct bk_stream_in *in = NULL;
	struct bk_stream_out *out = NULL;

	bk_usage_tells(bk_tell_stream);
	bk_init(&prog, argc, argv);
	options(&job);
	bk_refuse_tty(STDIN_FILENO);
	bk_refuse_tty(STDOUT_FILENO);

	if (job.format != NULL) {
		fl.stage = job.format->name;
		if ((fl.add = json_pack("{s:s}", "filter", fl.stage)) == NULL)
			(void)bk_fault_set(&f, BK_IO, "out of memory");
	}
	if (!bk_faulty(&f) &&
	    (r = bk_rbuf_new(STDIN_FILENO, "standard input", &f)) != NULL &&
	    (in = bk_stream_reader(r, &f)) != NULL &&
	    (out = bk_stream_writer(STDOUT_FILENO, &f)) != NULL &&
	    bk_filter_run(&fl, in, out, &f) == 0)
		bk_say(BK_LOG_INFO, "%s: %llu bytes in, %llu bytes out", fl.stage,
		    (unsigned long long)bk_stream_in_bytes(in),
		    (unsigned long long)bk_stream_out_bytes(out));

	bk_stream_out_free(out);
	bk_stream_in_free(in);
	bk_rbuf_free(r);
	json_decref(fl.add);
	return bk_exit(&f);
}
