/*
 * bk-pipe: any command as a filter over the payload, under the same proof:
 * its exit status counts, it must read all of its input, and the end line is
 * written only after an "ok" was read.
 */
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "filter.h"
#include "json.h"
#include "names.h"
#include "prog.h"
#include "when.h"

struct pipe_stage {
	const char *const *argv;
	int64_t deadline;
	struct bk_child *child;
	bk_sink_fn *sink;
	void *sinkarg;
};

static const struct bk_opt opts[] = {
	{ 'e', "ext", "EXT", "suffix of the stored file, such as .xz (required)", 0 },
	{ 256, "timeout", "DURATION", "stop the command after this time", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-pipe",
	"--ext EXT [--timeout DURATION] -- COMMAND [ARG...]",
	"run a command as a filter over the payload of a stream", opts };

static int
pipe_write(void *t, const void *p, size_t n, struct bk_fault *f)
{
	struct pipe_stage *s = t;

	return bk_child_write(s->child, p, n, s->sink, s->sinkarg, f);
}

static int
pipe_finish(void *t, struct bk_fault *f)
{
	struct pipe_stage *s = t;

	return bk_child_finish(s->child, s->sink, s->sinkarg, f);
}

static void
pipe_free(void *t)
{
	struct pipe_stage *s = t;

	if (s != NULL) {
		bk_child_stop(s->child, 5000);
		s->child = NULL;
	}
}

static int
pipe_open(void *arg, const json_t *filter, bk_sink_fn *sink, void *sinkarg,
    const struct bk_transform_ops **ops, void **t, struct bk_fault *f)
{
	static const struct bk_transform_ops table = { pipe_write, pipe_finish,
		pipe_free };
	struct pipe_stage *s = arg;
	const struct bk_child_spec spec = {
		.argv = s->argv,
		.flags = BK_CHILD_IN | BK_CHILD_OUT | BK_CHILD_FULLENV,
		.deadline = s->deadline,
		.in = -1
	};

	(void)filter;
	s->sink = sink;
	s->sinkarg = sinkarg;
	if ((s->child = bk_child_start(bk_ctx, &spec, f)) == NULL)
		return -1;
	*ops = &table;
	*t = s;
	return 0;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct pipe_stage stage = { 0 };
	struct bk_filter filter = { "pipe", NULL, pipe_open, &stage };
	struct bk_rbuf *r = NULL;
	struct bk_stream_in *in = NULL;
	struct bk_stream_out *out = NULL;
	const char *arg, *ext = NULL;
	char **words;
	int key, n;

	bk_usage_tells(bk_tell_stream);
	bk_init(&prog, argc, argv);
	while ((key = bk_opt_next(&arg)) != -1)
		if (key == 'e')
			ext = *arg == '.' ? arg + 1 : arg;
		else if (bk_duration_parse(arg, &stage.deadline, &f) == -1)
			bk_usage_fault(&f);
	n = bk_operands(&words);
	if (n < 1 || bk_operands_after() != n)
		bk_usage("want -- COMMAND and nothing before it");
	if (ext == NULL || !bk_ext_ok(ext))
		bk_usage("want --ext of 1 to 16 characters a-z and 0-9, such as .xz");
	bk_refuse_tty(STDIN_FILENO);
	bk_refuse_tty(STDOUT_FILENO);
	if (stage.deadline != 0)
		stage.deadline += bk_ctx->mono();
	stage.argv = (const char *const *)words;

	if ((filter.add = json_pack("{s:s, s:s}", "filter", "pipe", "ext", ext)) ==
	    NULL)
		(void)bk_fault_set(&f, BK_IO, "out of memory");
	else if ((r = bk_rbuf_new(STDIN_FILENO, "standard input", &f)) != NULL &&
	    (in = bk_stream_reader(r, &f)) != NULL &&
	    (out = bk_stream_writer(STDOUT_FILENO, &f)) != NULL)
		(void)bk_filter_run(&filter, in, out, &f);

	bk_stream_out_free(out);
	bk_stream_in_free(in);
	bk_rbuf_free(r);
	json_decref(filter.add);
	return bk_exit(&f);
}
