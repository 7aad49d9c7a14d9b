/*
 * bk-spool: upload what is put into a directory, and remove each file once it
 * is stored.
 *
 * bk-watch is run to learn of new files; what it says is only a reason to read
 * the directory again (spooldir.h), so nothing depends on any one event.  How a
 * file is uploaded is a table of two functions (spoolput.h).
 *
 * A fault of the store leaves every file where it is and waits, longer each
 * time.  A fault of a file leaves that one alone and goes on with the next.
 * Memory: the uploads' (--memory) and 8 MiB, however many files there are.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "backoff.h"
#include "optargs.h"
#include "prog.h"
#include "spawn.h"
#include "spoolput.h"
#include "spoolwal.h"
#include "tags.h"
#include "when.h"

#define RENAMED_MS 100			/* to hear of many files at once */
#define QUIET_MS 2000
#define FIRST_MS 1000			/* wait after a fault of the store */
#define LONGEST_MS 300000
#define WAL_THREADS 2

enum { NAME = 256, ENGINE, EXT, COMPRESS, ON_CLOSE, SETTLE, ONCE, CREATE, MEMORY,
	TEMP_DIR, TIMEOUT, WAL, PARTIAL, NEW_SYSTEM };

static const struct bk_opt opts[] = {
	{ NAME, "name", "NAME", "name of all backups (by default: by the file)", 0 },
	{ ENGINE, "engine", "ENGINE", "what made the files (exec)", 0 },
	{ EXT, "ext", "EXT", "suffix of what is stored (by default: the file's)", 0 },
	{ 't', "tag", "KEY=VALUE", "add this tag to each", BK_OPT_MANY },
	{ COMPRESS, "compress", "CODEC[:LEVEL]", "gzip, zstd or none (none)", 0 },
	{ WAL, "wal", NULL, "the files are PostgreSQL's log: store them as bk-wal-push does", 0 },
	{ PARTIAL, "partial", "DURATION", "of a log: so often, what pg_receivewal is writing", 0 },
	{ NEW_SYSTEM, "new-system", NULL, "of a log: its server may be new under the name", 0 },
	{ ON_CLOSE, "on-close", NULL, "take files too that are written in place", 0 },
	{ SETTLE, "settle", "DURATION", "a file that was written in place was left alone for so long (2s)", 0 },
	{ ONCE, "once", NULL, "upload what is there, then end", 0 },
	{ CREATE, "create", NULL, "make the directory or bucket of the store if there is none", 0 },
	{ MEMORY, "memory", "N", "buffers of the store (32M)", 0 },
	{ TEMP_DIR, "temp-dir", "DIR", "where parts go that do not fit in memory", 0 },
	{ TIMEOUT, "timeout", "DURATION", "longest time for one request with its retries (10m)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-spool",
	"[OPTION]... DIR [STORE]",
	"upload what is put into a directory, remove it once it is stored", opts };

struct spool {
	const char *path;
	bool once;
	int64_t settle;			/* of --on-close; -1: not given */
	const struct bk_spool_way *way;
	void *arg;
	struct bk_spooldir *dir;
	struct bk_backoff store;	/* its faults */
	bool worked;			/* something was stored */
	const struct bk_fault *told;	/* of the records */
	struct bk_fault left;		/* the first file that was left alone */
	pid_t watch;			/* bk-watch, or 0 */
	int lines;			/* what it says */
	int64_t due;			/* of the way's tick */
};

static void
option(struct spool *s, struct bk_spool_put *put, struct bk_spool_wal *wal,
    int key, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;

	switch (key) {
	case NAME:
		put->name = bk_arg_name("name", arg);
		break;
	case ENGINE:
		put->engine = bk_arg_engine("engine", arg);
		break;
	case EXT:
		put->ext = bk_arg_ext("ext", arg);
		break;
	case 't':
		(void)bk_tags_add(put->tags, arg, &f);
		break;
	case COMPRESS:
		put->codec = bk_arg_codec("compress", arg, &put->level);
		wal->plain = put->codec == NULL;
		break;
	case WAL:
		s->way = &bk_spool_wal;
		break;
	case PARTIAL:
		wal->partial = bk_arg_duration("partial", arg);
		break;
	case NEW_SYSTEM:
		wal->how.new_system = true;
		break;
	case ON_CLOSE:
		put->on_close = true;
		break;
	case SETTLE:
		(void)bk_duration_parse(arg, &s->settle, &f);
		break;
	case ONCE:
		s->once = true;
		break;
	case CREATE:
		put->store.create = true;
		break;
	case MEMORY:
		put->store.memory = bk_arg_bytes("memory", arg, 16 << 20);
		break;
	case TEMP_DIR:
		put->store.temp_dir = arg;
		break;
	case TIMEOUT:
		put->store.timeout_ms = bk_arg_duration("timeout", arg);
		break;
	default:
		break;
	}
	if (bk_faulty(&f))
		bk_usage_fault(&f);
}

/* What of the options the log goes by. */
static void
take_wal(struct spool *s, const struct bk_spool_put *put,
    struct bk_spool_wal *wal)
{
	if (s->way != &bk_spool_wal) {
		if (wal->partial != 0 || wal->how.new_system)
			bk_usage("--partial and --new-system go with --wal");
		return;
	}
	if (put->name == NULL)
		bk_usage("--wal wants --name");
	if (put->engine != NULL || put->ext != NULL || put->on_close ||
	    s->settle != -1 || json_object_size(put->tags) > 0)
		bk_usage("--engine, --ext, --tag, --on-close and --settle do not go "
		    "with --wal");
	wal->url = put->url;
	wal->store = put->store;
	wal->how.name = put->name;
	wal->how.threads = WAL_THREADS;
	wal->how.codec = put->codec;
	wal->how.level = put->level;
	if (put->codec == NULL && !wal->plain)
		wal->how.codec = bk_arg_codec("compress", "gzip",
		    &wal->how.level);
	wal->tmpdir = put->store.temp_dir != NULL ? put->store.temp_dir :
	    bk_ctx->tmpdir;
	s->arg = wal;
}

static void
parse(struct spool *s, struct bk_spool_put *put, struct bk_spool_wal *wal)
{
	struct bk_fault f = BK_FAULT_INIT;
	const char *arg;
	char **words;
	int key, n;

	while ((key = bk_opt_next(&arg)) != -1)
		option(s, put, wal, key, arg);
	n = bk_operands(&words);
	if (n < 1 || n > 2)
		bk_usage("want a directory and the URL of a store");
	s->path = words[0];
	put->url = n == 2 ? words[1] : bk_ctx->env("BK_STORE");
	if (put->url == NULL)
		bk_usage("want the URL of a store, or BK_STORE set");
	take_wal(s, put, wal);
	if (s->settle != -1 && !put->on_close)
		bk_usage("--settle goes with --on-close");
	if (s->settle == -1)
		s->settle = put->on_close ? QUIET_MS : 0;
	if (bk_tags_env(put->tags, bk_ctx->vars, &f) == -1)
		bk_usage_fault(&f);
}

static int
start_watch(struct spool *s, struct bk_fault *f)
{
	char program[4096 + sizeof("/bk-watch")], settle[32], dir[4096 + 3];
	const char *argv[] = { program, "--settle", settle, dir, NULL };
	const struct bk_child_spec spec = { .argv = argv, .in = -1 };
	int p[2], fds[3] = { -1, -1, STDERR_FILENO };
	int rc;

	snprintf(program, sizeof(program), "%s/bk-watch", bk_ctx->bindir);
	snprintf(settle, sizeof(settle), "%lldms", (long long)(s->settle > 0 ?
	    s->settle : RENAMED_MS));
	/* One that begins with '-' is no option. */
	snprintf(dir, sizeof(dir), "%s%s", s->path[0] == '/' ? "" : "./",
	    s->path);
	if (pipe2(p, O_CLOEXEC) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot make a pipe");
	fds[1] = p[1];
	rc = bk_spawn(bk_ctx, &spec, fds, &s->watch, f);
	(void)close(p[1]);
	s->lines = p[0];
	return rc;
}

static void
end_watch(struct spool *s)
{
	if (s->lines != -1)
		(void)close(s->lines);
	if (s->watch == 0)
		return;
	(void)kill(-s->watch, SIGTERM);
	(void)waitpid(s->watch, NULL, 0);
}

/* Read what bk-watch says, whatever it is.  -1 with ${f} set at its end. */
static int
hear(struct spool *s, struct bk_fault *f)
{
	char some[4096];
	ssize_t n = read(s->lines, some, sizeof(some));
	int status = 0;

	if (n > 0 || (n == -1 && errno == EINTR))
		return 0;
	(void)waitpid(s->watch, &status, 0);
	s->watch = 0;
	return bk_fault_set(f, WIFEXITED(status) && WEXITSTATUS(status) > 1 ?
	    WEXITSTATUS(status) : BK_BUG, "bk-watch ended, and nobody tells of "
	    "new files");
}

/*
 * Wait until there is a reason to look.  1; 0 if we are to stop; -1 with ${f}
 * set.
 */
static int
rest(struct spool *s, struct bk_fault *f)
{
	struct pollfd p[2] = { { .fd = bk_ctx->stop, .events = POLLIN },
		{ .fd = s->lines, .events = POLLIN } };
	int64_t now, due;
	bool news = false;

	for (;;) {
		now = bk_ctx->mono();
		due = bk_spooldir_due(s->dir);
		if (due > s->due)
			due = s->due;
		if (s->store.wait != 0)
			due = s->store.until;
		if (due <= now || (news && s->store.wait == 0))
			return 1;
		if (poll(p, 2, due == INT64_MAX ? -1 : due - now > INT32_MAX ?
		    INT32_MAX : (int)(due - now)) == -1 && errno != EINTR)
			return bk_fault_errno(f, BK_IO, errno, "cannot wait");
		if (p[0].revents != 0)
			return 0;
		if (p[1].revents != 0 && hear(s, f) == -1)
			return -1;
		news |= p[1].revents != 0;
	}
}

/* ${file} was left alone for the reason ${why}. */
static void
leave(struct spool *s, const struct bk_spool_file *file,
    const struct bk_fault *why)
{
	bool first = bk_spooldir_aside(s->dir, file, bk_ctx->mono());

	/* That somebody still writes is nothing to worry about. */
	bk_say(!first ? BK_LOG_DEBUG : why->status == BK_BUSY ? BK_LOG_INFO :
	    BK_LOG_WARN, "%s: left where it is", why->text);
	if (!bk_faulty(&s->left))
		s->left = *why;
}

/* A fault of the store: is there sense in waiting? */
static int
fail(struct spool *s, const struct bk_fault *why, struct bk_fault *f)
{
	bool stays = why->status == BK_USAGE || why->status == BK_NOINPUT ||
	    why->status == BK_NOPERM || why->status == BK_CONFIG;

	if (s->once || (stays && !s->worked)) {
		*f = *why;
		return -1;
	}
	bk_backoff_failed(&s->store, bk_ctx->mono());
	bk_say(BK_LOG_ERROR, "%s: trying again in %llds", why->text,
	    (long long)(s->store.wait / 1000));
	return 0;
}

static bool
asked_to_stop(void)
{
	struct pollfd p = { .fd = bk_ctx->stop, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/*
 * Upload what is there.  0; 1 if there may be more; -1 with ${f} set.
 */
static int
upload(struct spool *s, struct bk_fault *f)
{
	const struct bk_spool_file *file;
	struct bk_fault why;
	int n, rc;

	if ((n = bk_spooldir_read(s->dir, bk_ctx->mono(), f)) == -1)
		return -1;
	while (!asked_to_stop() && !bk_faulty(s->told) && (file = bk_spooldir_next(s->dir)) != NULL) {
		why = (struct bk_fault)BK_FAULT_INIT;
		rc = s->way->send(s->arg, s->dir, file, &why);
		if (rc == -1)
			return asked_to_stop() ? 0 : fail(s, &why, f);
		if (rc == BK_SPOOL_LEFT)
			leave(s, file, &why);
		if (rc != 0)
			continue;
		s->worked = true;
		bk_backoff_over(&s->store);
		if (bk_spooldir_remove(s->dir, file, f) == -1)
			return -1;
	}
	return n > 0;
}

/* What the way has to do besides. */
static int
tick(struct spool *s, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;

	if (s->way->tick == NULL || asked_to_stop() || (s->store.wait != 0 &&
	    bk_ctx->mono() < s->store.until))
		return 0;
	if (s->way->tick(s->arg, s->dir, &s->due, &why) == -1)
		return fail(s, &why, f);
	bk_backoff_over(&s->store);
	return 0;
}

static int
loop(struct spool *s, struct bk_fault *f)
{
	int rc;

	for (;;) {
		if ((rc = upload(s, f)) == -1 || tick(s, f) == -1)
			return -1;
		if (bk_faulty(s->told)) {
			*f = *s->told;
			return -1;
		}
		if (asked_to_stop())
			return bk_fault_set(f, BK_DATA, "stopped");
		if (rc == 1)
			continue;
		if (s->once && bk_spooldir_unripe(s->dir) == 0)
			break;
		if (rest(s, f) == -1)
			return -1;
	}
	if (bk_faulty(&s->left)) {
		*f = s->left;
		bk_fault_context(f, "not everything is stored");
	}
	return bk_faulty(f) ? -1 : 0;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT, why;
	struct bk_spool_put put = { .tags = json_object(), .told = BK_FAULT_INIT };
	struct bk_spool_wal wal = { .partial = 0 };
	struct spool s = { .due = INT64_MAX, .settle = -1, .way = &bk_spool_put, .arg = &put,
		.told = &put.told,
		.store = BK_BACKOFF_INIT(FIRST_MS, LONGEST_MS), .lines = -1 };

	bk_usage_tells(bk_tell_records);
	bk_init(&prog, argc, argv);
	parse(&s, &put, &wal);
	/* A lease that somebody breaks (writers.h) is told by this. */
	(void)signal(SIGIO, SIG_IGN);
	if ((put.out = bk_records_writer(STDOUT_FILENO, &f)) != NULL &&
	    bk_stop_catch(&f) == 0 &&
	    (s.dir = bk_spooldir_open(s.path, s.settle, &f)) != NULL &&
	    (s.once || start_watch(&s, &f) == 0))
		(void)loop(&s, &f);

	bk_stop_clean();
	end_watch(&s);
	s.way->free(s.arg);
	if (s.arg != &put)
		bk_spool_put.free(&put);
	bk_spooldir_close(s.dir);
	if (put.out != NULL) {
		why = f;
		(void)bk_records_end(put.out, &why, 0, &f);
	}
	bk_records_out_free(put.out);
	return bk_exit(&f);
}
