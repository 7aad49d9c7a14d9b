/*
 * The schedule in force: jobs, their tasks, and what the ledger tells.
 */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ledgerfile.h"
#include "remember.h"
#include "super.h"

int64_t
bk_sup_boot(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_BOOTTIME, &ts) == -1)
		abort();
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct bk_sup_task *
bk_sup_task(struct bk_sup *s, const char *title)
{
	size_t i;

	for (i = 0; s->tasks != NULL && i < s->jobs->njobs; i++)
		if (strcmp(s->tasks[i].job->title, title) == 0)
			return &s->tasks[i];
	return NULL;
}

/* The ledger only grows, but for a rotation, which makes another file. */
static struct bk_sup_mark
look_at(const struct bk_sup *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	char path[PATH_MAX];
	struct stat st;

	if (bk_ledger_path(s->jobs->state, "ledger", path, &f) == 0 &&
	    stat(path, &st) == 0)
		return (struct bk_sup_mark){ st.st_ino, st.st_size };
	return (struct bk_sup_mark){ 0, 0 };
}

void
bk_sup_states(struct bk_sup *s)
{
	struct bk_sup_mark mark = look_at(s);
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_ledger_state *states;
	size_t n, torn;

	if (s->states != NULL && mark.inode != 0 &&
	    mark.inode == s->mark.inode && mark.size == s->mark.size)
		return;
	if (bk_ledger_read(s->ctx, s->jobs->state, &states, &n, &torn,
	    &f) == -1) {
		s->ctx->log(BK_LOG_ERROR, "the ledger cannot be read: %s", f.text);
		return;
	}
	if (torn > 0)
		s->ctx->log(BK_LOG_DEBUG, "the ledger has %zu torn lines", torn);
	free(s->states);
	s->states = states;
	s->nstates = n;
	s->mark = mark;
}

const struct bk_ledger_state *
bk_sup_state(const struct bk_sup *s, const struct bk_sup_task *t,
    struct bk_ledger_state *out)
{
	const struct bk_ledger_state *l = bk_ledger_find(s->states, s->nstates,
	    t->job->title);
	bool entered = l != NULL && t->acted != 0 && l->slot == t->acted &&
	    l->slot_event == BK_LEDGER_DUE;

	if (!entered && !t->unwritten)
		return l;
	if (l != NULL)
		*out = *l;
	else
		memset(out, 0, sizeof(*out));
	/* Not open any more: we have it. */
	if (t->acted != 0) {
		out->slot = t->acted;
		out->slot_event = BK_LEDGER_STARTED;
	}
	if (out->last == BK_LEDGER_NONE)
		out->last = BK_LEDGER_STARTED;
	return out;
}

static void
task_init(struct bk_sup *s, struct bk_sup_task *t, const struct bk_job *job)
{
	struct bk_fault f = BK_FAULT_INIT;

	*t = (struct bk_sup_task){ .job = job, .lock = -1, .other = -1,
		.watch = { .fd = -1, .line = BK_BUF_INIT(65536) } };
	if (s->checking)
		return;
	if (bk_remember_age(s->jobs->state, job->title, s->ctx->now(), &t->age,
	    &f) == -1)
		s->ctx->log(BK_LOG_WARN, "job '%s': %s", job->title, f.text);
	if (job->watch != NULL)
		t->watched = bk_remember_watched(s->jobs->state, job->title);
}

static void
task_close(struct bk_sup_task *t)
{
	bk_sup_watch_stop(t);
	bk_buf_release(&t->watch.line);
	if (t->lock != -1)
		(void)close(t->lock);
	if (t->other != -1)
		(void)close(t->other);
}

static bool
same_words(char *const *a, char *const *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	for (; *a != NULL && *b != NULL; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return *a == *b;
}

/* Go on as ${old}, which is the task of the same job in the file before. */
static void
task_move(struct bk_sup_task *t, struct bk_sup_task *old)
{
	const struct bk_job *job = t->job, *was = old->job;

	if (!same_words(job->watch, was->watch) || job->settle != was->settle) {
		bk_sup_watch_stop(old);
		old->watch.again = old->watch.wait = 0;
	}
	bk_buf_release(&t->watch.line);
	*t = *old;
	t->job = job;
	*old = (struct bk_sup_task){ .job = was, .lock = -1, .other = -1,
		.watch = { .fd = -1 } };
}

static void
forget(struct bk_sup *s)
{
	size_t i;

	for (i = 0; s->tasks != NULL && i < s->jobs->njobs; i++)
		task_close(&s->tasks[i]);
	free(s->tasks);
	free(s->states);
	free(s->requests);
	bk_due_free(s->due);
	bk_jobs_free(s->jobs);
}

/* Take over from ${old}, the schedule before. */
static void
inherit(struct bk_sup *s, struct bk_sup *old)
{
	struct bk_sup_task *from;
	size_t i, k;

	for (i = 0; old->tasks != NULL && i < s->jobs->njobs; i++)
		if ((from = bk_sup_task(old, s->jobs->jobs[i].title)) != NULL)
			task_move(&s->tasks[i], from);
	for (i = 0; old->jobs != NULL && i < s->jobs->nrequests; i++)
		for (k = 0; k < old->jobs->nrequests; k++)
			if (strcmp(s->jobs->requests[i].store->name,
			    old->jobs->requests[k].store->name) == 0)
				s->requests[i] = old->requests[k];
}

int
bk_sup_load(struct bk_sup *s, struct bk_fault *f)
{
	struct bk_sup old = *s;
	size_t i;

	s->jobs = NULL;
	s->due = NULL;
	s->tasks = NULL;
	s->requests = NULL;
	if ((s->jobs = bk_jobs_load(s->ctx, s->config, f)) == NULL ||
	    (s->due = bk_due_open(s->ctx, s->jobs, f)) == NULL)
		goto fail;
	if (old.jobs != NULL && strcmp(old.jobs->state, s->jobs->state) != 0) {
		(void)bk_fault_set(f, BK_CONFIG, "'state' is another directory: "
		    "that needs a restart");
		goto fail;
	}
	s->tasks = calloc(s->jobs->njobs + 1, sizeof(*s->tasks));
	s->requests = calloc(s->jobs->nrequests + 1, sizeof(*s->requests));
	if (s->tasks == NULL || s->requests == NULL) {
		(void)bk_fault_errno(f, BK_IO, ENOMEM, "the jobs");
		goto fail;
	}
	for (i = 0; i < s->jobs->njobs; i++)
		task_init(s, &s->tasks[i], &s->jobs->jobs[i]);
	inherit(s, &old);
	old.states = NULL;
	forget(&old);
	bk_sup_states(s);
	return 0;
fail:
	free(s->tasks);
	free(s->requests);
	bk_due_free(s->due);
	bk_jobs_free(s->jobs);
	*s = old;
	return -1;
}

void
bk_sup_close(struct bk_sup *s)
{
	struct bk_sup_child *c;

	while ((c = s->children) != NULL) {
		s->children = c->next;
		if (c->out != -1)
			(void)close(c->out);
		if (c->lock != -1)
			(void)close(c->lock);
		free(c);
	}
	if (s->jobs != NULL)
		forget(s);
}
