/*
 * bk-status: how the jobs of the schedule file stand.  Reads the ledger, and
 * the stores where that knows no good run that is young enough; changes
 * nothing, links nothing of a store or a network.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "due.h"
#include "io.h"
#include "json.h"
#include "prog.h"
#include "standing.h"

#define TABLE_MAX (16 << 20)

enum { CONFIG = 256, JSON, TABLE };

static const struct bk_opt opts[] = {
	{ CONFIG, "config", "FILE", "the schedule file (/etc/bk/bk.conf)", 0 },
	{ JSON, "json", NULL, "JSON lines and an end line, also on a terminal", 0 },
	{ TABLE, "table", NULL, "a table, also into a pipe", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-status", "[OPTION]... [JOB]...",
	"show how the jobs of the schedule file stand", opts };

/* Jobs in the order in which they are shown, and how they stand. */
struct shown {
	struct bk_standing *st;
	size_t n;
};

/* The jobs that ${words} name, all where there is none. */
static int
choose(const struct bk_jobs *jobs, char **words, int nwords, struct shown *s,
    struct bk_fault *f)
{
	size_t i;

	s->n = nwords > 0 ? (size_t)nwords : jobs->njobs;
	if ((s->st = calloc(s->n + 1, sizeof(*s->st))) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	for (i = 0; i < s->n; i++)
		if ((s->st[i].job = nwords == 0 ? &jobs->jobs[i] :
		    bk_jobs_find(jobs, words[i], f)) == NULL)
			return -1;
	return 0;
}

/* When the job is due next, and what its schedule makes of its age. */
static void
set_due(const struct bk_due *due, struct bk_standing *st,
    const struct bk_ledger_state *s, int64_t now)
{
	struct bk_due_time next = bk_due_next(due, st->job->leader, s, now);

	st->due = next.at == BK_DUE_NEVER ? 0 : next.at > now ? next.at :
	    BK_STAND_NOW;
	st->interval = bk_due_interval(due, st->job);
	st->max_age = bk_due_max_age(due, st->job);
}

/* Is the run that ${own} has open still without an outcome? */
static int
still_open(const struct bk_jobs *jobs, const struct bk_ledger_state *own,
    bool *open, struct bk_fault *f)
{
	const struct bk_ledger_state *again;
	struct bk_ledger_state *states;
	size_t n;

	if (bk_ledger_read(bk_ctx, jobs->state, &states, &n, NULL, f) == -1)
		return -1;
	again = bk_ledger_find(states, n, own->job);
	*open = again != NULL && again->open && strcmp(again->run, own->run) == 0;
	free(states);
	return 0;
}

/*
 * A run holds its lock from before its first entry until after its last: one
 * that has no outcome after the lock was found free was killed.
 */
static int
set_running(const struct bk_jobs *jobs, struct bk_standing *st,
    const struct bk_ledger_state *own, struct bk_fault *f)
{
	int held;

	if (own == NULL || !own->open)
		return 0;
	if ((held = bk_ledger_locked(bk_ctx, jobs->state, "job", own->job,
	    f)) == -1)
		return -1;
	st->running = held == 1;
	return st->running ? 0 : still_open(jobs, own, &st->killed, f);
}

/*
 * A store that could not be asked is not asked again: each time it would be
 * waited for.  Does job ${i} have one of those?
 */
static bool
known_down(struct shown *s, size_t i)
{
	struct bk_standing *st = &s->st[i];
	size_t k, n;

	for (k = 0; k < i; k++)
		for (n = 0; n < st->job->nstores; n++)
			if (s->st[k].down == st->job->stores[n]) {
				st->down = s->st[k].down;
				memcpy(st->warning, s->st[k].warning,
				    sizeof(st->warning));
				return true;
			}
	return false;
}

/* What the ledger does not tell of job ${i}. */
static void
ask_stores(struct shown *s, size_t i)
{
	struct bk_standing *st = &s->st[i];
	size_t k;

	if (st->state >= BK_STAND_STALE && !known_down(s, i))
		bk_standing_stores(bk_ctx, st);
	for (k = 0; k < st->job->nsources && !bk_job_base(st->job, k); k++)
		;
	if (k == st->job->nsources)
		return;
	if (st->down == NULL)
		(void)known_down(s, i);
	bk_standing_wal(bk_ctx, st);
}

/* Fill in how each job stands. */
static int
look(const struct bk_jobs *jobs, struct shown *s, struct bk_fault *f)
{
	struct bk_due *due = bk_due_open(bk_ctx, jobs, f);
	const struct bk_ledger_state *own;
	struct bk_ledger_state *states = NULL;
	int64_t now = bk_ctx->now();
	size_t i, n;
	int rc = -1;

	if (due == NULL ||
	    bk_ledger_read(bk_ctx, jobs->state, &states, &n, NULL, f) == -1)
		goto out;
	for (rc = 0, i = 0; i < s->n && rc == 0; i++) {
		own = bk_ledger_find(states, n, s->st[i].job->title);
		set_due(due, &s->st[i], bk_ledger_find(states, n,
		    s->st[i].job->leader->title), now);
		if ((rc = set_running(jobs, &s->st[i], own, f)) == -1)
			break;
		bk_standing_ledger(&s->st[i], own, now);
		ask_stores(s, i);
	}
out:
	free(states);
	bk_due_free(due);
	return rc;
}

static int
print_json(const struct shown *s, struct bk_buf *out, struct bk_fault *f)
{
	json_t *o;
	size_t i;
	int rc = 0;

	for (i = 0; i < s->n && rc == 0; i++) {
		if ((o = bk_standing_json(&s->st[i], bk_ctx->now(), f)) == NULL)
			return -1;
		rc = bk_json_text(o, out, f);
		json_decref(o);
		if (rc == 0)
			rc = bk_buf_adds(out, "\n", f);
	}
	return rc == -1 ? -1 : bk_buf_addf(out, f,
	    "{\"end\":\"ok\",\"jobs\":%zu}\n", s->n);
}

static int
print(const struct shown *s, bool json, struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(TABLE_MAX);
	size_t i;
	int rc = json ? print_json(s, &out, f) :
	    bk_standing_table(s->st, s->n, bk_ctx->now(), &out, f);

	if (rc == 0)
		rc = bk_write_all(STDOUT_FILENO, out.p, out.len,
		    "standard output", f);
	bk_buf_release(&out);
	for (i = 0; !json && i < s->n; i++)
		if (s->st[i].warning[0] != '\0')
			bk_say(BK_LOG_WARN, "job '%s': %s", s->st[i].job->title,
			    s->st[i].warning);
	return rc;
}

/* Is there a job that somebody must look after? */
static int
answer(const struct shown *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->st[i].state >= BK_STAND_SHRUNK)
			return BK_NO;
	return s->n > 0 ? 0 : BK_NO;
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_jobs *jobs = NULL;
	struct shown s = { NULL, 0 };
	const char *arg, *config = NULL;
	char **words;
	int key, form = 0, n, status = 0;
	size_t i;

	bk_init(&prog, argc, argv);
	while ((key = bk_opt_next(&arg)) != -1)
		if (key == CONFIG)
			config = arg;
		else if (form != 0)
			bk_usage("choose one of --json and --table");
		else
			form = key;
	if (form == 0)
		form = isatty(STDOUT_FILENO) ? TABLE : JSON;
	n = bk_operands(&words);
	if ((jobs = bk_jobs_load(bk_ctx, config, &f)) != NULL &&
	    choose(jobs, words, n, &s, &f) == 0 && look(jobs, &s, &f) == 0 &&
	    print(&s, form == JSON, &f) == 0) {
		status = answer(&s);
		if (s.n == 0)
			bk_say(BK_LOG_WARN, "there is no job in '%s'", jobs->path);
	}
	for (i = 0; s.st != NULL && i < s.n; i++)
		json_decref(s.st[i].recoverable);
	free(s.st);
	bk_jobs_free(jobs);
	return bk_faulty(&f) ? bk_exit(&f) : status;
}
