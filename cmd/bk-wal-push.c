/*
 * bk-wal-push: PostgreSQL's archive_command.  Status 0 only when the file is
 * durable in every store; any other makes PostgreSQL keep the file and ask
 * again.  All of ours are below 126: from there on its archiver ends.
 *
 * When the server writes faster than one call after the other can push, more
 * than one file is ready.  The files behind the one asked for are then pushed
 * in the same call, side by side, and remembered (walmemo.h), so that the
 * calls for them end at once.
 *
 * Memory: for each job the uploads' (16 MiB for each store) and the codec's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "optargs.h"
#include "prog.h"
#include "walahead.h"

#define JOBS 4
#define AHEAD 4				/* files ahead for each job */
#define MEMORY (UINT64_C(16) << 20)

enum { NAME = 256, COMPRESS, NEW_SYSTEM, CREATE, TIMEOUT };

static const struct bk_opt opts[] = {
	{ NAME, "name", "NAME", "name that the log is kept under", 0 },
	{ COMPRESS, "compress", "CODEC[:LEVEL]", "gzip (default), zstd or none", 0 },
	{ NEW_SYSTEM, "new-system", NULL, "this server may be new under NAME", 0 },
	{ 'j', "jobs", "N", "files at once when several are ready (4)", 0 },
	{ CREATE, "create", NULL, "make the directory or bucket if there is none", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-wal-push",
	"--name NAME [OPTION]... [STORE...] FILE",
	"store one file of PostgreSQL's write-ahead log; an archive_command",
	opts };

struct push {
	struct bk_store_opts store;
	struct bk_wal_ahead ahead;
	const char *path;
};

static void
option(struct push *o, int key, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;
	long long n;

	switch (key) {
	case NAME:
		o->ahead.how.name = bk_arg_name("name", arg);
		break;
	case COMPRESS:
		o->ahead.how.codec = bk_arg_codec("compress", arg,
		    &o->ahead.how.level);
		break;
	case NEW_SYSTEM:
		o->ahead.how.new_system = true;
		break;
	case 'j':
		if (bk_number_parse("--jobs", arg, 1, BK_WAL_JOBS_MAX, &n,
		    &f) == -1)
			bk_usage_fault(&f);
		o->ahead.jobs = (int)n;
		break;
	case CREATE:
		o->store.create = true;
		break;
	case TIMEOUT:
		o->store.timeout_ms = bk_arg_duration("timeout", arg);
		break;
	default:
		break;
	}
}

/* The operands: stores, and the file behind them. */
static void
operands(struct push *o, const char **env)
{
	char **words;
	int n = bk_operands(&words);

	if (o->ahead.how.name == NULL)
		bk_usage("want --name NAME");
	if (n == 0)
		bk_usage("want a file, archive_command's %%p");
	o->path = words[n - 1];
	o->ahead.urls = (const char *const *)words;
	o->ahead.nurls = (size_t)n - 1;
	if (n > 1)
		return;
	if ((*env = bk_ctx->env("BK_STORE")) == NULL)
		bk_usage("want the URL of a store, or BK_STORE set");
	o->ahead.urls = env;
	o->ahead.nurls = 1;
}

/* The directory of the server's marks, which is beside the file. */
static int
status_dir(const char *path, struct bk_buf *b, struct bk_fault *f)
{
	const char *slash = strrchr(path, '/');

	if (slash != NULL &&
	    bk_buf_add(b, path, (size_t)(slash - path) + 1, f) == -1)
		return -1;
	return bk_buf_adds(b, "archive_status", f);
}

/* What is ready besides, and was not pushed yet. */
static int
ready(const struct push *o, const char *status,
    char (*files)[BK_WAL_FILE_MAX], struct bk_fault *f)
{
	const char *slash = strrchr(o->path, '/');
	const char *file = slash != NULL ? slash + 1 : o->path;
	struct bk_buf b = BK_BUF_INIT(4096);
	size_t max = (size_t)(o->ahead.jobs * AHEAD);
	int i, n, kept = 0;

	n = bk_wal_ready(status, file, files, max < BK_WAL_MEMO_MAX ? max :
	    BK_WAL_MEMO_MAX, f);
	for (i = 0; i < n; i++) {
		bk_buf_reset(&b);
		if (bk_buf_add(&b, o->path, (size_t)(file - o->path), f) == -1 ||
		    bk_buf_adds(&b, files[i], f) == -1)
			break;
		if (!bk_wal_memo_has(o->ahead.memo, b.p))
			memmove(files[kept++], files[i], sizeof(files[0]));
	}
	bk_buf_release(&b);
	return bk_faulty(f) ? -1 : kept;
}

/* Not to look ahead is no reason to refuse the file that is asked for. */
static int
look_ahead(const struct push *o, const char *status,
    char (*files)[BK_WAL_FILE_MAX])
{
	struct bk_fault f = BK_FAULT_INIT;
	int n = o->ahead.jobs > 1 ? ready(o, status, files, &f) : 0;

	if (n == -1)
		bk_say(BK_LOG_WARN, "no files ahead: %s", f.text);
	return n == -1 ? 0 : n;
}

static void
remember(const struct bk_wal_memo *m)
{
	struct bk_fault f = BK_FAULT_INIT;

	if (bk_wal_memo_write(m, &f) == -1)
		bk_say(BK_LOG_WARN, "what was pushed ahead will be looked for in "
		    "the store: %s", f.text);
}

static int
run(const struct push *o, struct bk_fault *f)
{
	char (*files)[BK_WAL_FILE_MAX] = calloc(BK_WAL_MEMO_MAX,
	    sizeof(files[0]));
	struct bk_buf status = BK_BUF_INIT(4096);
	int n, rc = -1;

	if (files == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	if (files == NULL || status_dir(o->path, &status, f) == -1 ||
	    bk_wal_memo_read(o->ahead.memo, status.p, o->ahead.how.name,
	    o->ahead.urls, o->ahead.nurls, bk_ctx->now(), f) == -1)
		goto out;
	if (bk_wal_memo_has(o->ahead.memo, o->path)) {
		bk_say(BK_LOG_INFO, "'%s' was pushed ahead", o->path);
		rc = 0;
		goto out;
	}
	n = look_ahead(o, status.p, files);
	rc = bk_wal_ahead(&o->ahead, o->path, files, (size_t)n, f);
	if (o->ahead.memo->changed)
		remember(o->ahead.memo);
out:
	free(files);
	bk_buf_release(&status);
	return rc;
}

int
main(int argc, char *argv[])
{
	static struct bk_wal_memo memo = BK_WAL_MEMO_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct push o = { .store = { .memory = MEMORY },
		.ahead = { .jobs = JOBS, .memo = &memo } };
	const char *arg, *env;
	int key;

	bk_init(&prog, argc, argv);
	o.ahead.how.codec = bk_arg_codec("compress", "gzip",
	    &o.ahead.how.level);
	while ((key = bk_opt_next(&arg)) != -1)
		option(&o, key, arg);
	operands(&o, &env);
	o.ahead.ctx = bk_ctx;
	o.ahead.opts = &o.store;

	(void)run(&o, &f);
	bk_wal_memo_release(&memo);
	/* A socket of a store is not our standard output. */
	if (f.err == EPIPE)
		f.err = 0;
	return bk_exit(&f);
}
