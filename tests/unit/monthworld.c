/*
 * The world: an event loop over a fake clock.  A run here is what bk-run is
 * between its steps: it holds the job's lock, enters what happens by the same
 * functions, and commits by lib/backup.  It lives on when the supervisor dies.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "commit.h"
#include "hash.h"
#include "hooked.h"
#include "json.h"
#include "ledgerfile.h"
#include "list.h"
#include "monthtool.h"
#include "monthworld.h"
#include "record.h"
#include "runjob.h"
#include "super.h"
#include "tap.h"
#include "when.h"

#define RUNS 32
#define FIRST_PID (1 << 30)		/* no real process has such a one */

enum { RUN = 1, LOOK, WATCH };

struct proc {
	int kind;			/* 0: free */
	pid_t pid;
	bool child, ended;		/* of the supervisor; not waited for */
	int status;
	const struct bk_job *job;
	struct bk_run r;
	struct bk_runjob j;
	int lock, out;
	enum month_fate fate;
	int64_t next, give_up;		/* boot */
	int64_t content;
};

static struct month *m;
static struct month_world *w;
static struct bk_ctx ctx;
static struct bk_run first;		/* what all runs share */
static struct bk_sup sup;
static bool up, store_up, dying;
static int64_t boot, off, back;
static struct proc procs[RUNS];
static pid_t next_pid;
static int dup_out;
static char conf[256], watched[256];
static struct bk_jobs *all;		/* of the runs, as each bk-run reads it */
static size_t next_event;
static int64_t died[64], started[64];
static long offset;			/* of the ledger: read up to here */

static int64_t
wall_now(void)
{
	return boot + off;
}

static int64_t
boot_now(void)
{
	return boot;
}

int
month_clock(clockid_t id, struct timespec *ts)
{
	int64_t t = id == CLOCK_REALTIME ? wall_now() : boot;

	*ts = (struct timespec){ t / 1000, t % 1000 * 1000000 };
	return 0;
}

void
month_dup(int fd, int to)
{
	if (to == 1)
		dup_out = fd;
}

static size_t
index_of(const char *title)
{
	size_t i;

	for (i = 0; i < m->njobs; i++)
		if (strcmp(m->jobs[i].title, title) == 0)
			return i;
	abort();
}

static struct proc *
proc_new(int kind, pid_t *pid)
{
	struct proc *p = procs;

	while (p->kind != 0)
		if (++p == procs + RUNS)
			abort();
	*p = (struct proc){ .kind = kind, .pid = *pid = next_pid++,
		.child = true, .lock = -1, .out = -1 };
	return p;
}

static int64_t
when(const char *text)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t = 0;

	if (text != NULL && bk_time_parse(text, &t, &f) == -1)
		abort();
	return t;
}

/* "bk-run --trigger T --run ID --slot T TITLE", or with --look. */
static struct proc *
spawn_run(pid_t *pid, char *const *argv)
{
	struct bk_fault f = BK_FAULT_INIT;
	size_t n = 0;
	struct proc *p;

	while (argv[n + 1] != NULL)
		n++;
	p = proc_new(RUN, pid);
	p->r = first;
	p->r.all = all;
	p->job = bk_jobs_find(all, argv[n], &f);
	p->r.trigger = tool_option(argv, "--trigger") == NULL ? "look" :
	    strcmp(tool_option(argv, "--trigger"), "watch") == 0 ? "watch" :
	    "schedule";
	p->r.slot = when(tool_option(argv, "--slot"));
	if (p->job == NULL)
		abort();
	for (; *argv != NULL; argv++)
		if (strcmp(*argv, "--look") == 0)
			p->kind = LOOK;
	return p;
}

static bool
watches(const struct proc *p)
{
	return m->jobs[index_of(p->job->title)].kind == MONTH_WATCH;
}

/* What befalls it is known by its slot. */
static void
plan_run(struct proc *p, const char *id)
{
	size_t i = index_of(p->job->title);
	int64_t takes = 2 * MINUTE;

	memcpy(p->r.id, id, strlen(id) + 1);
	if (!watches(p)) {
		p->fate = month_fate(m, p->job->title, p->r.slot);
		takes = month_takes(m, p->job->title, p->r.slot);
	} else if (started[i] != 0 && boot - started[i] < 5 * MINUTE)
		w->close++;
	started[i] = boot;
	if (p->fate == MONTH_DIES_QUEUED && died[i] != p->r.slot) {
		died[i] = p->r.slot;
		dying = true;
	}
	p->next = (boot + MINUTE - 1) / MINUTE * MINUTE + takes;
	p->give_up = p->next + MONTH_RETRY;
}

static void
begin_run(struct proc *p)
{
	struct bk_fault f = BK_FAULT_INIT;

	p->lock = bk_ledger_lock(&ctx, all->state, "job", p->job->title, 0, -1, &f);
	if (p->lock == -1) {
		w->twice++;
		printf("# %s: %s\n", p->job->title, f.text);
	}
	if (bk_runjob_open(&p->j, &p->r, p->job, &f) == -1)
		abort();
	(void)bk_run_enter(&p->j, BK_LEDGER_STARTED);
}

int
month_spawn(pid_t *pid, char *const *argv, char *const *env)
{
	const char *what = tool_name(argv);
	struct proc *p;

	if (strcmp(what, "bk-watch") == 0) {
		p = proc_new(WATCH, pid);
		p->out = dup(dup_out);
		(void)dprintf(p->out, "{\"event\":\"ready\",\"paths\":1}\n");
	} else if (strcmp(what, "bk-run") == 0) {
		p = spawn_run(pid, argv);
		if (p->kind == RUN && !dying)
			plan_run(p, tool_option(argv, "--run"));
		if (dying)
			p->kind = 0;
		else if (p->kind == RUN)
			begin_run(p);
	} else {
		p = proc_new(0, pid);
		p->status = tool_run(&ctx, w->store, store_up, dup_out, argv, env);
	}
	return 0;
}

pid_t
month_wait(pid_t pid, int *status)
{
	struct proc *p;

	for (p = procs; p < procs + RUNS; p++) {
		if (pid == -1 ? p->kind == 0 || !p->ended || !p->child :
		    p->pid != pid)
			continue;
		*status = p->status;
		p->kind = 0;
		return p->pid;
	}
	return pid == -1 ? 0 : -1;
}

/* ---- a run comes to its end ---- */

/* It is gone: locks are free, and its parent hears of it. */
static void
gone(struct proc *p, int status)
{
	struct bk_sup_task *t;

	bk_runjob_close(&p->j);
	if (p->lock != -1)
		(void)close(p->lock);
	p->lock = -1;
	p->ended = true;
	p->status = status;
	if (p->child)
		return;
	p->kind = 0;
	if (up && (t = bk_sup_task(&sup, p->job->title)) != NULL &&
	    t->other != -1) {
		(void)close(t->other);
		t->other = -1;
		bk_sup_states(&sup);
	}
}

/* Store a backup of the job.  0 or -1. */
static int
store(struct proc *p, const struct bk_job *job, struct bk_runjob *j)
{
	struct bk_record rec = BK_RECORD_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	int64_t content = w->written;

	if (tool_store(&ctx, w->store, store_up, job->title,
	    watches(p) ? content : boot, &rec, &f) == -1) {
		if (!bk_faulty(&j->fault))
			j->fault = f;
		return -1;
	}
	bk_fault_clear(&j->fault);
	if (watches(p))
		w->content = content;
	month_add(&w->out.stored[index_of(job->title)], rec.time, p->r.slot, 'c');
	if (json_array_append(j->records, rec.json) == -1 ||
	    json_array_append_new(j->names, json_string(job->title)) == -1)
		abort();
	bk_record_release(&rec);
	return 0;
}

static void
finish(struct proc *p, struct bk_runjob *j, enum bk_ledger_event outcome)
{
	j->outcome = outcome;
	(void)bk_run_enter(j, outcome);
	if (p->fate == MONTH_DIES_ENTERED)
		return;
	bk_run_report(j);
	if (outcome == BK_LEDGER_COMMITTED && bk_run_prune(j) == -1) {
		w->lost++;
		printf("# %s: %s\n", j->job->title, j->after.text);
	}
}

/* The member of a group, after its leader. */
static void
follow(struct proc *p)
{
	struct bk_fault f = BK_FAULT_INIT;
	const struct bk_job *job;
	struct bk_runjob j;
	size_t i;

	for (i = 0; i < all->njobs; i++) {
		job = &all->jobs[i];
		if (job == p->job || job->leader != p->job)
			continue;
		if (bk_runjob_open(&j, &p->r, job, &f) == -1)
			abort();
		(void)bk_run_enter(&j, BK_LEDGER_STARTED);
		finish(p, &j, store(p, job, &j) == 0 ? BK_LEDGER_COMMITTED :
		    BK_LEDGER_FAILED);
		bk_runjob_close(&j);
	}
}

static void
progress(struct proc *p)
{
	if (p->fate == MONTH_DIES_STARTED) {
		gone(p, SIGKILL);
		return;
	}
	if (store(p, p->job, &p->j) == -1) {
		p->next = boot + MINUTE;
		if (boot < p->give_up)
			return;
		finish(p, &p->j, BK_LEDGER_FAILED);
		follow(p);
		gone(p, BK_UNAVAILABLE << 8);
		return;
	}
	if (p->fate != MONTH_DIES_STORED)
		finish(p, &p->j, BK_LEDGER_COMMITTED);
	if (p->fate == MONTH_DIES_STORED || p->fate == MONTH_DIES_ENTERED)
		gone(p, SIGKILL);
	else {
		follow(p);
		gone(p, 0);
	}
}

/* ---- the supervisor ---- */

static void
sup_start(void)
{
	struct bk_fault f = BK_FAULT_INIT;

	if (up)
		return;
	sup = (struct bk_sup){ .ctx = &ctx, .config = conf, .since = wall_now(),
		.signals = -1, .wall_timer = -1, .boot_timer = -1, .listener = -1,
		.only = -1 };
	if (bk_sup_load(&sup, &f) == -1) {
		printf("# %s\n", f.text);
		abort();
	}
	up = true;
	back = 0;
}

/* It dies; its bk-watch dies with it, and its runs go on. */
static void
sup_stop(void)
{
	struct proc *p;

	if (up)
		bk_sup_close(&sup);
	up = dying = false;
	for (p = procs; p < procs + RUNS; p++) {
		p->child = false;
		if (p->kind == WATCH)
			(void)close(p->out);
		if (p->kind == WATCH || p->kind == LOOK || p->ended)
			p->kind = 0;
	}
}

/* What was asked for is looked at; true if anything was. */
static bool
looks(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	bool any = false;
	struct proc *p;

	for (p = procs; p < procs + RUNS; p++)
		if (p->kind == LOOK && !p->ended) {
			any = p->ended = true;
			memcpy(p->r.id, "01J00000000000000000000000", 27);
			p->status = bk_run_look(&p->r, p->job, &f) << 8;
		}
	return any;
}

static void
turn(void)
{
	struct proc *p;
	size_t i;

	for (i = 0; i < sup.jobs->njobs; i++)
		if (sup.tasks[i].watch.fd != -1)
			bk_sup_watch_read(&sup, &sup.tasks[i]);
	do {
		bk_sup_reap(&sup);
		bk_sup_turn(&sup);
	} while (!dying && looks());
	for (p = procs; p < procs + RUNS; p++)
		if (p->kind == WATCH)
			for (i = 0; i < sup.jobs->njobs; i++)
				if (sup.tasks[i].watch.pid == p->pid)
					bk_sup_watch_read(&sup, &sup.tasks[i]);
	if (dying) {
		sup_stop();
		back = month_back(boot);
	}
}

/* ---- the script ---- */

static void
change(void)
{
	FILE *fp = fopen(watched, "we");
	struct proc *p;

	w->changes++;
	w->written = boot + w->changes;
	if (fp == NULL || fprintf(fp, "%lld%*s\n", (long long)w->written,
	    w->changes, "") < 0 || fclose(fp) == EOF)
		abort();
	for (p = procs; p < procs + RUNS; p++)
		if (p->kind == WATCH)
			(void)dprintf(p->out, "{\"event\":\"settled\"}\n");
}

static void
happen(const struct month_event *e)
{
	struct proc *p;

	if (e->what == MONTH_CLOCK)
		off += e->by;
	else if (e->what == MONTH_STORE_DOWN || e->what == MONTH_STORE_UP)
		store_up = e->what == MONTH_STORE_UP;
	else if (e->what == MONTH_START)
		sup_start();
	else if (e->what == MONTH_CHANGE)
		change();
	else {
		sup_stop();
		back = 0;
	}
	for (p = procs; p < procs + RUNS && e->what == MONTH_CRASH; p++)
		if (p->kind == RUN && !p->ended)
			gone(p, SIGKILL);
}

/* The next moment at which anything is to be done. */
static int64_t
next(void)
{
	int64_t t = next_event < m->n ? m->script[next_event].at : m->end + 1;
	struct proc *p;

	for (p = procs; p < procs + RUNS; p++)
		if (p->kind == RUN && !p->ended && p->next < t)
			t = p->next;
	if (back != 0 && back < t)
		t = back;
	if (up && sup.boot < t)
		t = sup.boot;
	if (up && sup.wall != BK_DUE_NEVER && sup.wall - off < t)
		t = sup.wall - off;
	return t > boot ? t : boot;
}

/*
 * Once a day the ledger is begun anew as by a rotation, so that a month of
 * readings stays quick and the states are carried over again and again.
 */
static void
rotate(bool keep)
{
	struct bk_buf text = BK_BUF_INIT(BK_LEDGER_MAX);
	struct bk_fault f = BK_FAULT_INIT;
	char path[300], fresh[300];
	FILE *fp;

	(void)snprintf(path, sizeof(path), "%s/ledger", all->state);
	(void)snprintf(fresh, sizeof(fresh), "%s/ledger.new", all->state);
	offset = tool_ledger(m, path, offset, &w->out);
	if (!keep || bk_ledger_keep(path, &text, &f) == -1)
		return;
	fp = fopen(fresh, "we");
	if (fp == NULL || fwrite(text.p, 1, text.len, fp) != text.len ||
	    fclose(fp) == EOF || rename(fresh, path) == -1)
		abort();
	offset = (long)text.len;
	bk_buf_release(&text);
}

static void
open_world(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	static int count;
	char name[32];

	(void)snprintf(name, sizeof(name), "store%d", ++count);
	tap_ctx.now = wall_now;
	tap_ctx.mono = boot_now;
	tap_ctx.host = "db1";
	ctx = tap_ctx;
	tool_begin(count);
	*w = (struct month_world){ .store = hooked_open(name) };
	month_out_init(&w->out, m->njobs);
	(void)snprintf(conf, sizeof(conf), "%s", tool_path("bk.conf"));
	(void)snprintf(watched, sizeof(watched), "%s", tool_path("dump.rdb"));
	memset(procs, 0, sizeof(procs));
	memset(died, 0, sizeof(died));
	memset(started, 0, sizeof(started));
	boot = back = 0;
	off = m->begin;
	up = dying = false;
	store_up = true;
	next_pid = FIRST_PID;
	next_event = 0;
	offset = 0;
	month_conf(m, w->store->url, conf, watched);
	if ((all = bk_jobs_load(&ctx, conf, &f)) == NULL)
		ok(false, "%s", f.text);
	if (first.stop <= 0) {
		first = (struct bk_run)BK_RUN_INIT;
		first.trigger = "schedule";
		if (bk_run_open(&first, &ctx, &f) == -1)
			abort();
	}
	first.ctx = ctx;
	month_measure(m, &ctx, all);
	change();
}

void
month_run(struct month *given, struct month_world *world)
{
	int64_t day = 1, before = -1;
	int turns = 0;
	struct proc *p;

	m = given;
	w = world;
	open_world();
	while ((boot = next()) <= m->end) {
		if (boot != before)
			turns = 0;
		else if (++turns > 1000) {
			ok(false, "it turns without end");
			break;
		}
		before = boot;
		for (; boot >= day * 6 * HOUR; day++)
			rotate(true);
		for (; next_event < m->n && m->script[next_event].at <= boot;
		    next_event++)
			happen(&m->script[next_event]);
		if (back != 0 && back <= boot)
			sup_start();
		for (p = procs; p < procs + RUNS; p++)
			if (p->kind == RUN && !p->ended && p->next <= boot)
				progress(p);
		if (up)
			turn();
	}
	boot = m->end;
	sup_stop();
	for (p = procs; p < procs + RUNS; p++)
		if (p->kind == RUN)
			gone(p, SIGKILL);
	rotate(false);
	w->lost += tool_end(&ctx, w->store, m, &w->out);
}

void
month_end(struct month_world *world)
{
	month_out_free(&world->out, m->njobs);
	bk_store_close(world->store);
	bk_jobs_free(all);
}
