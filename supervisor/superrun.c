/*
 * Children: every bk-run is started in a session of its own, without
 * bk-child, so that it outlives us; what it prints goes to a memory file,
 * which it can write to its end whatever becomes of us.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "io.h"
#include "json.h"
#include "remember.h"
#include "super.h"
#include "when.h"

#define OUTPUT_MAX 65536
#define AGAIN_MS (10 * 60 * 1000)
#define BUSY_MS 2000
#define FAILED_MS (60 * 60 * 1000)

/* The system calls.  0 or an errno. */
static int
spawn(char *const *argv, char *const *env, int out, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none, all;
	int e;

	if ((e = posix_spawn_file_actions_init(&fa)) != 0)
		return e;
	if ((e = posix_spawnattr_init(&at)) != 0) {
		(void)posix_spawn_file_actions_destroy(&fa);
		return e;
	}
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if ((e = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY,
	    0)) == 0 &&
	    (e = posix_spawn_file_actions_adddup2(&fa, out, 1)) == 0 &&
	    (e = posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSID |
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0 &&
	    (e = posix_spawnattr_setsigmask(&at, &none)) == 0 &&
	    (e = posix_spawnattr_setsigdefault(&at, &all)) == 0)
		e = posix_spawn(pid, argv[0], &fa, &at, argv, env);
	(void)posix_spawnattr_destroy(&at);
	(void)posix_spawn_file_actions_destroy(&fa);
	return e;
}

static struct bk_sup_child *
start(struct bk_sup *s, enum bk_sup_kind kind, const char *title,
    const struct bk_args *a, struct bk_fault *f)
{
	struct bk_sup_child *c = calloc(1, sizeof(*c));
	int e;

	if (c == NULL) {
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "cannot start bk-run");
		return NULL;
	}
	c->kind = kind;
	c->lock = -1;
	c->began = bk_sup_boot();
	memcpy(c->title, title, strlen(title) + 1);
	if ((c->out = memfd_create("outcome", MFD_CLOEXEC)) == -1)
		(void)bk_fault_errno(f, BK_IO, errno, "cannot make a memory file");
	else if ((e = spawn(a->v, s->ctx->vars, c->out, &c->pid)) != 0)
		(void)bk_fault_errno(f, BK_UNAVAILABLE, e, "cannot start '%s'",
		    a->v[0]);
	else {
		c->next = s->children;
		s->children = c;
		s->ctx->log(BK_LOG_DEBUG, "'%s': started pid %ld", title,
		    (long)c->pid);
		return c;
	}
	if (c->out != -1)
		(void)close(c->out);
	free(c);
	return NULL;
}

/* "bk-run --config FILE", of our own directory. */
static int
command(const struct bk_sup *s, struct bk_args *a, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(PATH_MAX);
	int rc = -1;

	if (bk_buf_addf(&path, f, "%s/bk-run", s->ctx->bindir) == 0 &&
	    bk_args_add(a, path.p, f) == 0)
		rc = bk_args_opt(a, "--config", s->jobs->path, f);
	bk_buf_release(&path);
	return rc;
}

static struct bk_sup_child *
start_run(struct bk_sup *s, const struct bk_sup_task *t, const char *run,
    struct bk_fault *f)
{
	char slot[BK_TIME_LEN], until[BK_TIME_LEN];
	struct bk_sup_child *c = NULL;
	struct bk_args a = BK_ARGS_INIT;

	if (command(s, &a, f) == 0 &&
	    bk_args_opt(&a, "--trigger", t->trigger, f) == 0 &&
	    bk_args_opt(&a, "--run", run, f) == 0 &&
	    bk_args_opt(&a, "--slot", t->want.slot != 0 ?
	    bk_time_text(t->want.slot, slot) : NULL, f) == 0 &&
	    bk_args_opt(&a, "--until", t->want.until != 0 ?
	    bk_time_text(t->want.until, until) : NULL, f) == 0 &&
	    bk_args_add(&a, t->job->title, f) == 0)
		c = start(s, BK_SUP_RUN, t->job->title, &a, f);
	bk_args_release(&a);
	return c;
}

/* The worst of two statuses, in the order of DESIGN 10; 75 alone is well. */
static int
worse(int a, int b)
{
	static const int order[] = { BK_CONFIG, BK_NOPERM, BK_BUG, BK_DATA,
		BK_CANTCREATE, BK_IO, BK_UNAVAILABLE, BK_NOINPUT, BK_USAGE, BK_NO };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return 0;
}

void
bk_sup_start(struct bk_sup *s, struct bk_sup_task *t)
{
	struct bk_fault f = BK_FAULT_INIT;
	char run[BK_ULID_LEN + 1];

	memcpy(run, t->ask, sizeof(run));
	t->queued = t->changed = t->at_start = false;
	t->ask[0] = '\0';
	if ((run[0] != '\0' || bk_ulid_new(s->ctx->now(), run, &f) == 0) &&
	    (t->run = start_run(s, t, run, &f)) != NULL) {
		memcpy(t->run->run, run, sizeof(run));
		t->run->slot = t->want.slot;
		t->run->digest = bk_remember_digest(t->job->watch);
		t->run->lock = t->lock;
		t->lock = -1;
		s->nrun++;
		bk_sup_tell_started(s, t->run);
		return;
	}
	s->ctx->log(BK_LOG_ERROR, "job '%s': %s", t->job->title, f.text);
	s->worst = worse(s->worst, f.status);
	bk_sup_enter(s, t, BK_LEDGER_FAILED, t->want.slot, f.text);
	if (t->lock != -1)
		(void)close(t->lock);
	t->lock = -1;
}

void
bk_sup_look(struct bk_sup *s, struct bk_sup_task *t)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_args a = BK_ARGS_INIT;

	if (command(s, &a, &f) == -1 || bk_args_add(&a, "--look", &f) == -1 ||
	    bk_args_add(&a, t->job->title, &f) == -1 ||
	    (t->look = start(s, BK_SUP_LOOK, t->job->title, &a, &f)) == NULL)
		s->ctx->log(BK_LOG_ERROR, "job '%s': %s", t->job->title, f.text);
	bk_args_release(&a);
}

void
bk_sup_requests(struct bk_sup *s, const struct bk_job_store *store)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_args a = BK_ARGS_INIT;
	const struct bk_sup_child *c;

	for (c = s->children; c != NULL; c = c->next)
		if (c->kind == BK_SUP_REQUESTS && strcmp(c->title,
		    store->name) == 0)
			return;
	if (command(s, &a, &f) == -1 ||
	    bk_args_opt(&a, "--requests", store->name, &f) == -1 ||
	    start(s, BK_SUP_REQUESTS, store->name, &a, &f) == NULL)
		s->ctx->log(BK_LOG_ERROR, "requests '%s': %s", store->name, f.text);
	bk_args_release(&a);
}

/* The line that bk-run printed of its job, a new reference, or NULL. */
static json_t *
outcome(const struct bk_sup_child *c)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	char text[OUTPUT_MAX];
	const char *p, *nl, *job;
	json_t *o;
	ssize_t n;

	if ((n = pread(c->out, text, sizeof(text), 0)) <= 0)
		return NULL;
	for (p = text; (nl = memchr(p, '\n', (size_t)(text + n - p))) != NULL;
	    p = nl + 1) {
		if ((o = bk_json_parse(p, (size_t)(nl - p), "outcome",
		    &quiet)) == NULL)
			continue;
		job = bk_json_get_text(o, "job");
		if (job != NULL && strcmp(job, c->title) == 0)
			return o;
		json_decref(o);
	}
	return NULL;
}

/* It ended and the ledger does not know that it began. */
static void
enter_stillborn(struct bk_sup *s, struct bk_sup_task *t,
    const struct bk_sup_child *c, int status)
{
	const struct bk_ledger_state *l = bk_ledger_find(s->states, s->nstates,
	    c->title);
	struct bk_fault f = BK_FAULT_INIT;

	if (c->slot == 0 || l == NULL || l->slot != c->slot ||
	    l->slot_event != BK_LEDGER_DUE)
		return;
	(void)bk_fault_set(&f, status, "bk-run ended with status %d and entered "
	    "nothing", status);
	s->ctx->log(BK_LOG_ERROR, "job '%s': %s", c->title, f.text);
	bk_sup_enter(s, t, BK_LEDGER_FAILED, c->slot, f.text);
}

/* A change that could not be stored is tried again. */
static void
after_change(struct bk_sup *s, struct bk_sup_task *t,
    const struct bk_sup_child *c, int status, const char *word)
{
	int64_t wait = t->job->at_most_every;
	struct bk_fault f = BK_FAULT_INIT;

	if (t->job->watch == NULL)
		return;
	if (status == 0 && strcmp(word, "skipped") != 0) {
		t->watched = c->digest;
		if (c->digest != 0 && bk_remember_watched_set(s->jobs->state,
		    c->title, c->digest, &f) == -1)
			s->ctx->log(BK_LOG_WARN, "job '%s': %s", c->title, f.text);
		return;
	}
	if (s->once || c->digest == 0 || c->digest == t->watched)
		return;
	t->changed = true;
	if (status == BK_BUSY)
		wait = BUSY_MS;
	else if (wait < FAILED_MS)
		wait = FAILED_MS;
	t->change_again = bk_sup_boot() + wait;
}

static void
run_ended(struct bk_sup *s, struct bk_sup_task *t, struct bk_sup_child *c,
    int status)
{
	json_t *o = outcome(c);
	const char *word = bk_json_get_text(o, "outcome");
	const char *message = bk_json_get_text(o, "message");

	if (word == NULL)
		word = status == 0 ? "committed" : "failed";
	if (status == 0 || status == BK_BUSY)
		s->ctx->log(BK_LOG_INFO, "job '%s': %s%s%s", c->title, word,
		    message != NULL ? ": " : "", message != NULL ? message : "");
	else
		s->ctx->log(BK_LOG_ERROR, "job '%s': %s, status %d%s%s", c->title,
		    word, status, message != NULL ? ": " : "",
		    message != NULL ? message : "");
	s->worst = worse(s->worst, status);
	s->nrun--;
	if (t != NULL) {
		t->run = NULL;
		/* --once runs a job once, whatever came of it. */
		if (s->once)
			t->again = BK_DUE_NEVER;
		enter_stillborn(s, t, c, status);
		after_change(s, t, c, status, word);
	}
	bk_sup_tell_ended(s, c, status, word, message);
	json_decref(o);
}

static void
look_ended(struct bk_sup *s, struct bk_sup_task *t, struct bk_sup_child *c,
    int status)
{
	const struct bk_ledger_state *l = bk_ledger_find(s->states, s->nstates,
	    c->title);
	struct bk_fault f = BK_FAULT_INIT;
	int64_t now = s->ctx->now();

	s->worst = worse(s->worst, status);
	if (t == NULL)
		return;
	t->look = NULL;
	t->recalled = true;
	if (bk_remember_age(s->jobs->state, c->title, now, &t->age, &f) == -1)
		s->ctx->log(BK_LOG_WARN, "job '%s': %s", c->title, f.text);
	/* What it could not put right is not looked at without end. */
	t->look_again = (l != NULL && l->open) ||
	    bk_due_stale(s->due, t->job, l, &t->age, now) <= now ? now + AGAIN_MS : 0;
}

static void
child_ended(struct bk_sup *s, struct bk_sup_child *c, int status)
{
	struct bk_sup_task *t = c->kind == BK_SUP_REQUESTS ? NULL :
	    bk_sup_task(s, c->title);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : BK_DATA;

	if (WIFSIGNALED(status))
		s->ctx->log(BK_LOG_ERROR, "'%s': bk-run was killed by signal %d",
		    c->title, WTERMSIG(status));
	bk_sup_states(s);
	if (c->kind == BK_SUP_RUN)
		run_ended(s, t, c, code);
	else if (c->kind == BK_SUP_LOOK)
		look_ended(s, t, c, code);
	else if (code != 0)
		s->ctx->log(BK_LOG_WARN, "requests '%s': status %d", c->title,
		    code);
	(void)close(c->out);
	if (c->lock != -1)
		(void)close(c->lock);
	free(c);
}

void
bk_sup_reap(struct bk_sup *s)
{
	struct bk_sup_child **at, *c;
	int status;
	size_t i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (at = &s->children; *at != NULL && (*at)->pid != pid;)
			at = &(*at)->next;
		if ((c = *at) != NULL) {
			*at = c->next;
			child_ended(s, c, status);
			continue;
		}
		/* As process 1 of a container we also get those of others. */
		for (i = 0; i < s->jobs->njobs; i++)
			if (s->tasks[i].watch.pid == pid)
				bk_sup_watch_ended(s, &s->tasks[i], status);
	}
}
