/*
 * bk-wal-fetch: PostgreSQL's restore_command.  Status 0 when the file is in
 * its place, whole and verified; 1 when the store does not have it.  All else
 * is 128 and the status: up to 125 PostgreSQL takes for the end of the log and
 * opens the server with what it has; above, it stops the recovery.
 *
 * The segments behind the one asked for are fetched in the same call, side by
 * side, into a directory beside the target (walspool.h).
 *
 * Memory: for each of up to 8 files at once 16 MiB of download, and the codec.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "optargs.h"
#include "names.h"
#include "prog.h"
#include "walnext.h"

#define AHEAD 8
#define MEMORY (UINT64_C(16) << 20)
#define SPOOL ".bk-wal-fetch"

enum { NAME = 256, SYSTEM, PREFETCH, SPOOL_DIR, TIMEOUT };

static const struct bk_opt opts[] = {
	{ NAME, "name", "NAME", "name that the log is kept under", 0 },
	{ SYSTEM, "system", "ID", "system identifier of the server whose log it is", 0 },
	{ PREFETCH, "prefetch", "N", "segments to fetch ahead, 0 to 64 (8)", 0 },
	{ SPOOL_DIR, "spool", "DIR", "where to (.bk-wal-fetch beside PATH)", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-wal-fetch",
	"--name NAME [OPTION]... [STORE] FILE PATH",
	"fetch one file of PostgreSQL's write-ahead log; a restore_command",
	opts };

static void
option(struct bk_wal_next *w, struct bk_store_opts *so, int key,
    const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;
	long long n;

	switch (key) {
	case NAME:
		w->name = bk_arg_name("name", arg);
		break;
	case SYSTEM:
		if (!bk_wal_system_parse(arg, &w->system))
			bk_usage("--system '%s' is no system identifier: "
			    "pg_controldata shows it", arg);
		break;
	case PREFETCH:
		if (bk_number_parse("--prefetch", arg, 0, BK_WAL_NEXT_MAX, &n,
		    &f) == -1)
			bk_usage_fault(&f);
		w->ahead = (int)n;
		break;
	case SPOOL_DIR:
		w->spool = arg;
		break;
	case TIMEOUT:
		so->timeout_ms = bk_arg_duration("timeout", arg);
		break;
	default:
		break;
	}
}

/* [STORE] FILE PATH.  The path. */
static const char *
operands(struct bk_wal_next *w, struct bk_wal_name *file)
{
	char **words;
	int n = bk_operands(&words);

	if (w->name == NULL)
		bk_usage("want --name NAME");
	if (n != 2 && n != 3)
		bk_usage("want a file and a path, restore_command's %%f and %%p");
	w->url = n == 3 ? words[0] : bk_ctx->env("BK_STORE");
	if (w->url == NULL)
		bk_usage("want the URL of a store, or BK_STORE set");
	if (!bk_wal_name_parse(words[n - 2], file))
		bk_usage("'%s' is no name of a file of WAL", words[n - 2]);
	return words[n - 1];
}

/* The directory of the spool beside ${path}. */
static int
beside(const char *path, struct bk_buf *b, struct bk_fault *f)
{
	const char *slash = strrchr(path, '/');

	if (slash != NULL &&
	    bk_buf_add(b, path, (size_t)(slash - path) + 1, f) == -1)
		return -1;
	return bk_buf_adds(b, SPOOL, f);
}

/* Does the server wait for what is missing (PostgreSQL 12 and later)? */
static bool
standby(const char *path, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(4096);
	char *dir = bk_wal_data_dir(path, f);
	bool is = dir != NULL &&
	    bk_buf_addf(&b, f, "%s/standby.signal", dir) == 0 &&
	    access(b.p, F_OK) == 0;

	free(dir);
	bk_buf_release(&b);
	return is;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store_opts so = { .read_only = true, .memory = MEMORY };
	struct bk_wal_next w = { .opts = &so, .ahead = AHEAD };
	struct bk_buf spool = BK_BUF_INIT(4096);
	struct bk_wal_name file;
	const char *arg, *path;
	int key, rc = -1;

	bk_status_add(128);
	bk_init(&prog, argc, argv);
	while ((key = bk_opt_next(&arg)) != -1)
		option(&w, &so, key, arg);
	path = operands(&w, &file);
	w.ctx = bk_ctx;

	w.standby = standby(path, &f);
	if (w.system == 0 && bk_wal_control_of(path, &w.system, &f) == -1)
		goto out;
	if (w.spool == NULL) {
		if (beside(path, &spool, &f) == -1)
			goto out;
		w.spool = spool.p;
	}
	rc = bk_wal_next(&w, &file, path, &f);
	if (rc == BK_ABSENT)
		bk_say(BK_LOG_INFO, "'%s' is not in %s", file.file, w.url);
out:
	bk_buf_release(&spool);
	/* A socket of the store is not our standard output. */
	if (f.err == EPIPE)
		f.err = 0;
	return rc == BK_ABSENT ? BK_NO : bk_exit(&f);
}
