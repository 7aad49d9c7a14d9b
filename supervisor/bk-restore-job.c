/*
 * bk-restore-job: bring back what a job of the schedule file has backed up, or
 * what the jobs of a group have, each into its own source unless told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "confirm.h"
#include "json.h"
#include "prog.h"
#include "recall.h"
#include "when.h"

#define MANY 64

enum { GROUP = 256, AT, ID, INTO, STORE, YES, UNDO, CONFIG };

static const struct bk_opt opts[] = {
	{ GROUP, "group", "GROUP", "the newest whole run of this group", 0 },
	{ AT, "at", "TIME", "the newest at or before TIME (RFC 3339, now, -30h)", 0 },
	{ ID, "id", "ID", "the backup with this id", 0 },
	{ INTO, "into", "[NAME=]URL", "restore there, not into the source; may be repeated", BK_OPT_MANY },
	{ STORE, "store", "STORE", "from this store of the file (the job's own)", 0 },
	{ YES, "yes", NULL, "do not ask before replacing", 0 },
	{ UNDO, "undo", ".EXT=COMMAND", "undo a pipe filter by COMMAND; may be repeated", BK_OPT_MANY },
	{ CONFIG, "config", "FILE", "the schedule file (/etc/bk/bk.conf)", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-restore-job",
	"JOB [OPTION]... | --group GROUP [OPTION]...",
	"restore what a job of the schedule file has backed up", opts };

struct args {
	const char *job, *config, *store;
	const char *into[MANY + 1], *undo[MANY + 1];
	size_t ninto, nundo;
};

static int stop_fd;			/* readable once we shall end */

static void
add(const char **list, size_t *n, const char *option, const char *arg)
{
	if (*n == MANY)
		bk_usage("more than %d --%s", MANY, option);
	list[(*n)++] = arg;
}

static void
option(struct args *a, struct bk_recall *c, int key, const char *arg)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t;

	switch (key) {
	case GROUP:
		if (!bk_name_ok(arg))
			bk_usage("--group '%s' is no name", arg);
		c->group = arg;
		break;
	case AT:
		if (bk_time_parse_rel(arg, bk_ctx->now(), &t, &f) == -1)
			bk_usage_fault(&f);
		c->at = arg;
		break;
	case ID:
		if (!bk_ulid_ok(arg))
			bk_usage("--id '%s': want the 26 characters of an id", arg);
		c->id = arg;
		break;
	case INTO:
		add(a->into, &a->ninto, "into", arg);
		break;
	case STORE:
		a->store = arg;
		break;
	case YES:
		c->yes = true;
		break;
	case UNDO:
		add(a->undo, &a->nundo, "undo", arg);
		break;
	default:
		a->config = arg;
		break;
	}
}

static void
parse(struct args *a, struct bk_recall *c)
{
	const char *arg;
	char **words;
	int key, n;

	while ((key = bk_opt_next(&arg)) != -1)
		option(a, c, key, arg);
	n = bk_operands(&words);
	if (n != (c->group == NULL ? 1 : 0))
		bk_usage("want the name of one job, or --group");
	if (c->at != NULL && c->id != NULL)
		bk_usage("choose one of --at and --id");
	a->job = n == 1 ? words[0] : NULL;
	c->into = a->into;
	c->undo = a->undo;
}

static bool
ask(const struct bk_recall_part *p)
{
	return bk_confirm(stop_fd, "%s '%s' with backup '%s' of %s (%lld bytes)?",
	    p->live ? "Replace the live source" : "Replace what is in", p->target,
	    p->name, p->time, (long long)p->bytes);
}

/* Tell what was restored: lines to a program, sentences to a person. */
static int
tell(const struct bk_recall *c, struct bk_fault *f)
{
	const struct bk_recall_part *p;
	json_t *o;
	size_t i;
	int rc = 0;

	for (i = 0; i < c->n && rc == 0; i++) {
		p = &c->part[i];
		if (isatty(STDOUT_FILENO)) {
			printf("restored '%s' of %s (id %s) into %s\n", p->name,
			    p->time, p->id, p->target);
			continue;
		}
		o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "event",
		    "restored", "job", p->job->title, "name", p->name, "id", p->id,
		    "time", p->time, "store", p->store->name, "into", p->target);
		rc = o == NULL ? bk_fault_errno(f, BK_IO, ENOMEM, "the outcome") :
		    bk_json_write(STDOUT_FILENO, o, "standard output", f);
		json_decref(o);
	}
	if (fflush(stdout) == EOF)
		rc = bk_fault_errno(f, BK_IO, errno, "standard output");
	return rc;
}

/* The names that were given, looked up in the file. */
static int
look_up(struct bk_recall *c, const struct args *a, struct bk_fault *f)
{
	const struct bk_jobs *all = c->run->all;

	if (a->job != NULL && (c->job = bk_jobs_find(all, a->job, f)) == NULL)
		return -1;
	if (a->store != NULL && (c->store = bk_jobs_store(all, a->store)) == NULL)
		return bk_fault_set(f, BK_NOINPUT, "there is no store '%.80s' in "
		    "'%s'", a->store, all->path);
	return 0;
}

int
main(int argc, char *argv[])
{
	static struct bk_run r = BK_RUN_INIT;
	struct bk_recall c = { .run = &r };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_jobs *jobs = NULL;
	static struct args a;

	bk_init(&prog, argc, argv);
	parse(&a, &c);
	/* bk-restore takes back what is half done. */
	r.grace = 15000;
	if (bk_run_open(&r, bk_ctx, &f) == 0 &&
	    (r.talk = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) != -1 &&
	    (r.all = jobs = bk_jobs_load(&r.ctx, a.config, &f)) != NULL) {
		stop_fd = r.stop;
		if (look_up(&c, &a, &f) == 0 && bk_recall_plan(&c, &f) == 0 &&
		    bk_recall_find(&c, &f) == 0 &&
		    bk_recall_run(&c, ask, &f) == 0)
			(void)tell(&c, &f);
	}
	bk_recall_release(&c);
	bk_jobs_free(jobs);
	return bk_exit(&f);
}
