/*
 * Steps of a run: commands started, waited for and ended.  Everything that
 * waits also watches r->stop, so that a TERM ends the run within the time
 * that its children take.
 */
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define GRACE_MS 5000

static int
sink(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static int
run(struct bk_run *r, struct bk_child_spec *spec, const char *input,
    struct bk_buf *out, struct bk_fault *f)
{
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_child *c;
	int status, rc = -1;

	spec->flags |= BK_CHILD_PASS_ERR |
	    (out != NULL ? BK_CHILD_OUT : 0) | (input != NULL ? BK_CHILD_IN : 0);
	spec->in = -1;
	spec->out = out != NULL ? -1 : r->talk;
	spec->stop = r->closing ? -1 : r->stop;
	if ((c = bk_child_start(&r->ctx, spec, f)) == NULL)
		return -1;
	if (input == NULL || bk_child_write(c, input, strlen(input),
	    out != NULL ? sink : NULL, out, &own) == 0)
		(void)bk_child_finish(c, out != NULL ? sink : NULL, out, &own);
	status = bk_child_status(c);
	if (status != -1 && WIFEXITED(status))
		rc = WEXITSTATUS(status);
	else
		(void)bk_fault_set(f, own.status != 0 ? own.status : BK_DATA,
		    "%s", own.text[0] != '\0' ? own.text : "it did not end");
	bk_child_stop(c, r->grace > 0 ? r->grace : GRACE_MS);
	return rc;
}

int
bk_run_program(struct bk_run *r, const struct bk_args *a,
    const char *const *env, const char *input, struct bk_buf *out,
    int64_t deadline, struct bk_fault *f)
{
	struct bk_child_spec spec = { .argv = bk_args_argv(a), .env = env,
		.deadline = deadline };
	size_t n = strlen(r->ctx.bindir);

	/* What the user runs may need anything. */
	spec.flags = strncmp(a->v[0], r->ctx.bindir, n) == 0 &&
	    strncmp(a->v[0] + n, "/bk-", 4) == 0 ? BK_CHILD_NEEDENV :
	    BK_CHILD_FULLENV;
	return run(r, &spec, input, out, f);
}

int
bk_run_leader(struct bk_run *r, const struct bk_args *a, struct bk_buf *out,
    struct bk_fault *f)
{
	const struct bk_child_spec spec = { .argv = bk_args_argv(a), .in = -1,
		.flags = BK_CHILD_NEEDENV | BK_CHILD_PASS_ERR | BK_CHILD_OUT,
		.stop = r->stop };
	struct bk_fault own = BK_FAULT_INIT;
	struct signalfd_siginfo si;
	struct bk_child *c;
	int status, rc = -1;

	if ((c = bk_child_start(&r->ctx, &spec, f)) == NULL)
		return -1;
	while (bk_child_finish(c, sink, out, &own) == -1 &&
	    bk_child_status(c) == -1 &&
	    read(r->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		(void)kill(-bk_child_pid(c), (int)si.ssi_signo);
		bk_fault_clear(&own);
	}
	status = bk_child_status(c);
	if (status == -1)
		(void)bk_fault_set(f, own.status, "%s", own.text);
	else
		rc = WIFEXITED(status) ? WEXITSTATUS(status) :
		    128 + WTERMSIG(status);
	bk_child_stop(c, GRACE_MS);
	return rc;
}

int
bk_run_shell(struct bk_run *r, const char *command, const char *const *env,
    int64_t deadline, struct bk_fault *f)
{
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	struct bk_child_spec spec = { .argv = argv, .env = env,
		.deadline = deadline, .flags = BK_CHILD_FULLENV };

	return run(r, &spec, NULL, NULL, f);
}

int
bk_run_own(const struct bk_run *r, const char *name, struct bk_args *a,
    struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(PATH_MAX);
	int rc = bk_buf_addf(&path, f, "%s/%s", r->ctx.bindir, name);

	if (rc == 0)
		rc = bk_args_add(a, path.p, f);
	bk_buf_release(&path);
	return rc;
}

int
bk_run_words(const struct bk_run *r, const struct bk_words *w,
    struct bk_args *a, struct bk_fault *f)
{
	const struct bk_job_store *s;
	size_t i, first = a->n;
	int rc;

	for (i = 0; i < w->n; i++) {
		if (a->n == first && strncmp(w->v[i], "bk-", 3) == 0 &&
		    strchr(w->v[i], '/') == NULL)
			rc = bk_run_own(r, w->v[i], a, f);
		else if (w->v[i][0] == '@' &&
		    (s = bk_jobs_store(r->all, w->v[i])) != NULL)
			rc = bk_args_add(a, s->url, f);
		else
			rc = bk_args_add(a, w->v[i], f);
		if (rc == -1)
			return -1;
	}
	return 0;
}

int
bk_run_wait(struct bk_run *r, int64_t ms, struct bk_fault *f)
{
	int64_t end = r->ctx.mono() + ms, left;
	struct pollfd p = { r->stop, POLLIN, 0 };

	while ((left = end - r->ctx.mono()) > 0)
		if (poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left) > 0)
			return bk_fault_set(f, BK_DATA, "stopped");
	return 0;
}

void
bk_run_cause(struct bk_runjob *j, struct bk_fault *f)
{
	struct signalfd_siginfo si;
	struct bk_run *r = j->run;
	size_t n = strlen(f->text);

	if (r->signal == 0 && read(r->signals, &si, sizeof(si)) ==
	    (ssize_t)sizeof(si))
		r->signal = (int)si.ssi_signo;
	if (n < 7 || strcmp(f->text + n - 7, "stopped") != 0)
		return;
	bk_fault_clear(f);
	if (r->signal != 0)
		(void)bk_fault_set(f, BK_DATA, "stopped by signal %d (%s)",
		    r->signal, strsignal(r->signal));
	else
		(void)bk_fault_set(f, BK_DATA,
		    "the hold command ended while the backup ran");
}

/* Read the first line of the hold command. */
static int
await_ready(struct bk_child *c, struct bk_fault *f)
{
	char line[64];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(line)) {
		if ((got = bk_child_read(c, line + n, 1, f)) == -1)
			return -1;
		if (got == 0)
			return bk_fault_set(f, BK_DATA, "it ended without 'ready'");
		if (line[n] == '\n')
			break;
		n++;
	}
	if (n == 5 && memcmp(line, "ready", 5) == 0)
		return 0;
	return bk_fault_set(f, BK_DATA, "it said '%.*s', not 'ready'", (int)n,
	    line);
}

int
bk_run_hold(struct bk_runjob *j, struct bk_fault *f)
{
	const char *const argv[] = { "/bin/sh", "-c", j->job->hold, NULL };
	const struct bk_child_spec spec = { .argv = argv, .in = -1,
		.flags = BK_CHILD_FULLENV | BK_CHILD_PASS_ERR | BK_CHILD_IN |
		BK_CHILD_OUT, .deadline = j->deadline, .stop = j->run->stop };
	struct epoll_event ev = { .events = EPOLLIN };

	if ((j->hold = bk_child_start(&j->run->ctx, &spec, f)) == NULL ||
	    await_ready(j->hold, f) == -1) {
		bk_fault_context(f, "hold");
		return -1;
	}
	/* Its death ends the pipeline before that can commit. */
	j->hold_end = (int)syscall(SYS_pidfd_open, bk_child_pid(j->hold), 0);
	if (j->hold_end == -1 || epoll_ctl(j->run->stop, EPOLL_CTL_ADD,
	    j->hold_end, &ev) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot watch the hold "
		    "command");
	return 0;
}

int
bk_run_release(struct bk_runjob *j, struct bk_fault *f)
{
	struct pollfd p = { j->hold_end, POLLIN, 0 };
	struct bk_fault own = BK_FAULT_INIT;
	int rc = 0;

	if (j->hold == NULL)
		return 0;
	if (j->hold_end != -1 && poll(&p, 1, 0) > 0)
		rc = bk_fault_set(f, BK_DATA,
		    "the hold command ended while the backup ran");
	/* Closed, it is no longer in the set that stops us. */
	if (j->hold_end != -1)
		(void)close(j->hold_end);
	j->hold_end = -1;
	if (bk_child_finish(j->hold, NULL, NULL, &own) == -1)
		rc = bk_fault_set(f, own.status, "hold: %s", own.text);
	bk_child_stop(j->hold, GRACE_MS);
	j->hold = NULL;
	return rc;
}
