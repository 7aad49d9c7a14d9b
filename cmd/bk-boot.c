/*
 * bk-boot: fill an empty data directory, or an empty server, exactly once:
 * for the first start of a replica or a container.  Where there is something
 * already it does nothing and succeeds; then COMMAND takes its place.
 *
 * It composes bk-list, bk-restore and bk-bundle; bootdir.h tells how a
 * directory is known to be whole, and how others are kept waiting.
 */
#include <sys/stat.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bootdir.h"
#include "bootfeed.h"
#include "child.h"
#include "json.h"
#include "names.h"
#include "optargs.h"
#include "prog.h"
#include "undo.h"
#include "uri.h"
#include "when.h"

#define TIMEOUT_MS (10LL * 3600 * 1000)
#define WAIT_MS (5 * 60 * 1000)
#define LOOK_MS 500			/* between looks at a server that is not up */

enum { DATA_DIR = 256, INTO, IF_EMPTY, MARK, STORE, NAME, ID, AT, BUNDLE,
	REPLICA_OF, TABLESPACE, UNDO, REPLACE, WAIT, TIMEOUT };

static const struct bk_opt opts[] = {
	{ DATA_DIR, "data-dir", "DIR", "the directory to be filled", 0 },
	{ INTO, "into", "URL", "the server to be filled", 0 },
	{ IF_EMPTY, "if-empty", NULL, "only if the server holds nothing (required)", 0 },
	{ MARK, "mark", "FILE", "of a server: the file that says it was done", 0 },
	{ STORE, "store", "URL", "from this store (BK_STORE)", 0 },
	{ NAME, "name", "NAME", "of the store: backups with this name", 0 },
	{ ID, "id", "ID", "of the store: the backup with this id", 0 },
	{ AT, "at", "TIME", "as at TIME (the newest)", 0 },
	{ BUNDLE, "bundle", "FILE|LINK", "from the tarball of bk-bundle", 0 },
	{ REPLICA_OF, "replica-of", "URL", "postgres-base: become a replica of this server", 0 },
	{ TABLESPACE, "tablespace", "OLD=NEW", "postgres-base: put this tablespace elsewhere", BK_OPT_MANY },
	{ UNDO, "undo", ".EXT=COMMAND", "undo a pipe filter; may be repeated", BK_OPT_MANY },
	{ REPLACE, "replace", NULL, "replace in the server what a try that was cut short left", 0 },
	{ WAIT, "wait", "DURATION", "for the server to answer (5m)", 0 },
	{ TIMEOUT, "timeout", "DURATION", "give up after this time (10h)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-boot",
	"{--data-dir DIR | --into URL --if-empty --mark FILE} [OPTION]... [-- COMMAND...]",
	"fill an empty directory or server once, from a store, a bundle or a stream",
	opts };

struct boot {
	struct bk_bootfeed feed;
	const char *dir, *into, *mark;
	bool if_empty, replace;
	int64_t wait, timeout;
	char **command;			/* NULL-ended, or NULL */
	mode_t umask;			/* as it was */
};

static void
option(void *args, int key, const char *arg, struct bk_fault *f)
{
	struct boot *b = args;
	struct bk_bootfeed *s = &b->feed;
	int64_t at;

	switch (key) {
	case DATA_DIR: b->dir = arg; break;
	case INTO: b->into = arg; break;
	case IF_EMPTY: b->if_empty = true; break;
	case MARK: b->mark = arg; break;
	case STORE: s->store = arg; break;
	case NAME: s->name = bk_arg_name("name", arg); break;
	case ID: s->id = bk_arg_id("id", arg); break;
	case AT:
		s->at = arg;
		if (strcmp(arg, "latest") != 0)
			(void)bk_time_parse_rel(arg, bk_ctx->now(), &at, f);
		break;
	case REPLICA_OF: s->replica_of = arg; break;
	case BUNDLE: s->bundle = arg; break;
	case TABLESPACE:
		if (s->nspaces == BK_BOOTFEED_SPACES_MAX)
			bk_usage("more than %d --tablespace",
			    BK_BOOTFEED_SPACES_MAX);
		s->spaces[s->nspaces++] = arg;
		break;
	case UNDO:
		if (s->nundo == BK_BOOTFEED_UNDO_MAX)
			bk_usage("more than %d --undo", BK_BOOTFEED_UNDO_MAX);
		(void)bk_undo_check(arg, f);
		s->undo[s->nundo++] = arg;
		break;
	case REPLACE: b->replace = true; break;
	case WAIT: b->wait = bk_arg_duration("wait", arg); break;
	case TIMEOUT: b->timeout = bk_arg_duration("timeout", arg); break;
	default: break;
	}
}

static void
check(struct boot *b)
{
	struct bk_bootfeed *s = &b->feed;

	if ((b->dir == NULL) == (b->into == NULL))
		bk_usage("want one of --data-dir DIR and --into URL");
	if (b->into != NULL && (!b->if_empty || b->mark == NULL))
		bk_usage("--into wants --if-empty and --mark FILE");
	if (b->dir != NULL && (b->if_empty || b->mark != NULL || b->replace))
		bk_usage("--if-empty, --mark and --replace go with --into");
	if (s->bundle != NULL && (s->store != NULL || s->name != NULL ||
	    s->id != NULL || s->at != NULL || s->replica_of != NULL ||
	    s->nspaces > 0 || b->into != NULL))
		bk_usage("--bundle goes with --data-dir, and is what it is: no "
		    "store, no --at, no --replica-of, no --tablespace");
	if (s->id != NULL && s->name != NULL)
		bk_usage("--id names one backup: no --name");
	if (s->store == NULL && (s->name != NULL || s->id != NULL) &&
	    (s->store = bk_ctx->env("BK_STORE")) == NULL)
		bk_usage("--name and --id want --store");
	if (s->store != NULL && s->name == NULL && s->id == NULL)
		bk_usage("--store wants --name or --id");
}

static void
parse(struct boot *b)
{
	char **words;
	int n, rest;

	bk_arg_options(option, b);
	n = bk_operands(&words);
	rest = bk_operands_after();
	if (n - (rest > 0 ? rest : 0) > 0)
		bk_usage("'%s' is an operand too many; a command follows --",
		    words[0]);
	if (rest == 0)
		bk_usage("want a command behind --");
	b->command = rest > 0 ? words : NULL;
	check(b);
	b->feed.deadline = bk_ctx->mono() + b->timeout;
}

/* Append the URL of a file below ${fresh} for a source named ${from}. */
static int
file_url(struct bk_buf *u, const char *scheme, const char *fresh,
    const char *from, struct bk_fault *f)
{
	const char *slash = from != NULL ? strrchr(from, '/') : NULL;
	char name[BK_NAME_MAX + 1];

	bk_name_from(slash != NULL ? slash + 1 : "data", name);
	return bk_buf_addf(u, f, "%s://", scheme) == -1 ||
	    bk_uri_encode(u, fresh, true, f) == -1 ||
	    bk_buf_addf(u, f, "/%s", name) == -1 ? -1 : 0;
}

/*
 * What bk-restore is to make of it in ${fresh}: a whole directory (*${tree}),
 * or a file in it.
 */
static int
target_in(const json_t *header, const char *fresh, struct bk_buf *u,
    bool *tree, struct bk_fault *f)
{
	const char *engine = bk_json_get_text(header, "engine");
	const char *ext = bk_json_get_text(header, "ext");
	const char *path = bk_json_get_text(json_object_get(header, "source"),
	    "path");

	*tree = strcmp(engine, "files") == 0 ||
	    strcmp(engine, "postgres-base") == 0;
	if (*tree)
		return bk_buf_adds(u, fresh, f);
	if (strcmp(engine, "sqlite") == 0)
		return file_url(u, engine, fresh, path, f);
	if (strcmp(engine, "redis") == 0)
		return file_url(u, engine, fresh, ext != NULL &&
		    strcmp(ext, "tar") == 0 ? "/appendonlydir" : "/dump.rdb", f);
	return bk_fault_set(f, BK_USAGE,
	    "a backup of '%s' goes into a running server: --into URL --if-empty",
	    engine);
}

static int
fill(struct boot *b, struct bk_bootdir *d, struct bk_fault *f)
{
	struct bk_buf target = BK_BUF_INIT(8192);
	json_t *of = NULL;
	bool tree;
	int rc = -1;

	if (bk_bootfeed_open(&b->feed, f) == -1 ||
	    target_in(b->feed.header, d->fresh, &target, &tree, f) == -1 ||
	    bk_bootdir_begin(d, f) == -1)
		goto out;
	if (!tree && mkdir(d->fresh, 0700) == -1) {
		bk_fault_errno(f, 0, errno, "cannot create '%s'", d->fresh);
		goto out;
	}
	if (bk_bootfeed_restore(&b->feed, target.p, false, f) == 0 &&
	    (of = bk_bootfeed_of(&b->feed, f)) != NULL)
		rc = bk_bootdir_end(d, tree, of, f);
out:
	json_decref(of);
	bk_buf_release(&target);
	return rc;
}

static int
boot_dir(struct boot *b, struct bk_fault *f)
{
	struct bk_bootdir d = BK_BOOTDIR_INIT;
	int rc = bk_bootdir_open(&d, b->dir, b->feed.deadline, f);

	if (rc == BK_BOOTDIR_DONE)
		bk_say(BK_LOG_INFO, "'%s' is filled already", b->dir);
	else if (rc == BK_BOOTDIR_EMPTY && (rc = fill(b, &d, f)) == 0)
		bk_say(BK_LOG_INFO, "'%s' is filled", b->dir);
	bk_bootdir_close(&d);
	return rc == -1 ? -1 : 0;
}

/* Until the server answers: 0 it takes the backup, 73 it holds something. */
static int
await(struct boot *b, struct bk_fault *f)
{
	int64_t until = bk_ctx->mono() + b->wait;
	struct pollfd p = { bk_ctx->stop, POLLIN, 0 };
	int rc;

	for (;;) {
		rc = bk_bootfeed_probe(&b->feed, b->into, f);
		if (rc != BK_UNAVAILABLE || bk_ctx->mono() >= until)
			return rc;
		bk_say(BK_LOG_INFO, "waiting: %s", f->text);
		bk_fault_clear(f);
		if (poll(&p, 1, LOOK_MS) == 1)
			return bk_fault_set(f, BK_DATA, "stopped");
	}
}

/* Nothing was marked yet; ${begun}: but a try was begun. */
static int
fill_server(struct boot *b, const struct bk_bootmark *m, bool begun,
    struct bk_fault *f)
{
	json_t *of = NULL;
	bool again = false;
	int rc;

	if (bk_bootfeed_open(&b->feed, f) == -1)
		return -1;
	if ((rc = await(b, f)) == BK_CANTCREATE && (!begun || b->replace)) {
		bk_say(BK_LOG_INFO, "%s", f->text);
		bk_fault_clear(f);
		again = begun;
		rc = 0;
		if (!begun) {
			of = json_pack("{s:b}", "found", 1);
			goto done;
		}
	}
	if (rc == BK_CANTCREATE)
		bk_fault_context(f, "an earlier try was cut short; --replace replaces what it left");
	if (rc != 0 || (!begun && bk_bootmark_write(m, NULL, f) == -1) ||
	    bk_bootfeed_restore(&b->feed, b->into, again, f) == -1)
		return -1;
	of = bk_bootfeed_of(&b->feed, f);
done:
	rc = of == NULL ? bk_fault_set(f, BK_IO, "out of memory") :
	    bk_bootmark_write(m, of, f);
	json_decref(of);
	return rc;
}

static int
boot_server(struct boot *b, struct bk_fault *f)
{
	struct bk_bootmark m = BK_BOOTMARK_INIT;
	int mark = bk_bootmark_read(b->mark, f), rc = -1;

	if (mark == 0 || mark == 1) {
		if (bk_bootmark_lock(&m, b->mark, b->feed.deadline, f) == 0 &&
		    (mark = bk_bootmark_read(b->mark, f)) != -1)
			rc = mark == 2 ? 0 : fill_server(b, &m, mark == 1, f);
	} else if (mark == 2)
		rc = 0;
	bk_bootmark_unlock(&m);
	return rc;
}

/* COMMAND in our place, with what it had in ours. */
static void
become(const struct boot *b, struct bk_fault *f)
{
	(void)umask(b->umask);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	(void)execvp(b->command[0], b->command);
	bk_fault_errno(f, errno == ENOENT ? 127 : 126, errno, "cannot run '%s'",
	    b->command[0]);
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct boot b = { .wait = WAIT_MS, .timeout = TIMEOUT_MS };
	int rc = -1;

	b.umask = umask(077);
	(void)umask(b.umask);
	bk_init(&prog, argc, argv);
	parse(&b);
	if (bk_stop_catch(&f) == 0)
		rc = b.dir != NULL ? boot_dir(&b, &f) : boot_server(&b, &f);
	bk_stop_clean();
	bk_bootfeed_close(&b.feed);
	f.upstream = false;
	if (rc == 0 && b.command != NULL)
		become(&b, &f);
	return bk_exit(&f);
}
