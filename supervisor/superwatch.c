/*
 * Jobs that watch: one bk-watch each, which ends with us (bk-child).  It says
 * when a file has changed and settled; whether that is new is asked of the
 * file itself, so that what was stored already is not stored again and what
 * changed while nobody watched is not lost.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "json.h"
#include "remember.h"
#include "spawn.h"
#include "super.h"

#define WAIT_MIN 1000
#define WAIT_MAX (10 * 60 * 1000)

bool
bk_sup_differs(const struct bk_sup_task *t)
{
	uint64_t now = bk_remember_digest(t->job->watch);

	return now != 0 && now != (t->run != NULL ? t->run->digest : t->watched);
}

static int
command(const struct bk_sup *s, const struct bk_job *job, struct bk_args *a,
    struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(PATH_MAX), settle = BK_BUF_INIT(32);
	int rc = -1;

	if (bk_buf_addf(&path, f, "%s/bk-watch", s->ctx->bindir) == 0 &&
	    bk_buf_addf(&settle, f, "%lldms", (long long)job->settle) == 0 &&
	    bk_args_add(a, access(path.p, X_OK) == 0 ? path.p : "bk-watch",
	    f) == 0 &&
	    bk_args_opt(a, "--settle", job->settle != BK_JOB_UNSET ?
	    settle.p : NULL, f) == 0)
		rc = bk_args_all(a, job->watch, f);
	bk_buf_release(&path);
	bk_buf_release(&settle);
	return rc;
}

static int
start(struct bk_sup *s, struct bk_sup_task *t, struct bk_fault *f)
{
	struct bk_child_spec spec = { .in = -1 };
	struct bk_args a = BK_ARGS_INIT;
	int p[2] = { -1, -1 }, fds[3] = { -1, -1, STDERR_FILENO }, rc = -1;

	if (command(s, t->job, &a, f) == -1)
		goto out;
	if (pipe2(p, O_CLOEXEC) == -1 ||
	    fcntl(p[0], F_SETFL, O_NONBLOCK) == -1) {
		(void)bk_fault_errno(f, BK_IO, errno, "cannot make a pipe");
		goto out;
	}
	spec.argv = bk_args_argv(&a);
	fds[1] = p[1];
	if ((rc = bk_spawn(s->ctx, &spec, fds, &t->watch.pid, f)) == 0) {
		t->watch.fd = p[0];
		p[0] = -1;
	}
out:
	if (p[0] != -1)
		(void)close(p[0]);
	if (p[1] != -1)
		(void)close(p[1]);
	bk_args_release(&a);
	return rc;
}

/* Start it again, later each time. */
static void
later(struct bk_sup_watch *w)
{
	w->wait = w->wait == 0 ? WAIT_MIN : w->wait * 3 > WAIT_MAX ? WAIT_MAX :
	    w->wait * 3;
	w->again = bk_sup_boot() + w->wait;
}

void
bk_sup_watch(struct bk_sup *s)
{
	struct bk_sup_task *t;
	size_t i;

	for (i = 0; i < s->jobs->njobs; i++) {
		struct bk_fault f = BK_FAULT_INIT;

		t = &s->tasks[i];
		if (!bk_due_watches(s->due, t->job) || t->watch.pid != 0)
			continue;
		if (t->watch.again <= bk_sup_boot() && start(s, t, &f) == -1) {
			later(&t->watch);
			s->ctx->log(BK_LOG_ERROR, "job '%s': nothing watches its "
			    "files: %s; trying again in %lld s", t->job->title,
			    f.text, (long long)t->watch.wait / 1000);
		}
		if (t->watch.pid == 0 && t->watch.again < s->boot)
			s->boot = t->watch.again;
	}
}

static void
heard(struct bk_sup *s, struct bk_sup_task *t, const char *line, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o = bk_json_parse(line, n, "bk-watch", &f);
	const char *event = bk_json_get_text(o, "event");

	if (event == NULL)
		s->ctx->log(BK_LOG_WARN, "job '%s': bk-watch says '%.*s'",
		    t->job->title, n < 200 ? (int)n : 200, line);
	else if (strcmp(event, "ready") == 0 || strcmp(event, "settled") == 0) {
		t->watch.wait = 0;
		if (bk_sup_differs(t)) {
			t->changed = true;
			t->change_again = 0;
		}
		s->ctx->log(BK_LOG_DEBUG, "job '%s': %s%s", t->job->title, event,
		    t->changed ? ", changed" : "");
	}
	json_decref(o);
}

void
bk_sup_watch_read(struct bk_sup *s, struct bk_sup_task *t)
{
	struct bk_sup_watch *w = &t->watch;
	struct bk_fault f = BK_FAULT_INIT;
	char piece[4096];
	const char *nl;
	ssize_t n;

	while ((n = read(w->fd, piece, sizeof(piece))) > 0) {
		if (bk_buf_add(&w->line, piece, (size_t)n, &f) == -1) {
			s->ctx->log(BK_LOG_WARN, "job '%s': bk-watch ends no line",
			    t->job->title);
			bk_buf_reset(&w->line);
			bk_fault_clear(&f);
		}
		while (w->line.len > 0 && (nl = memchr(w->line.p, '\n',
		    w->line.len)) != NULL) {
			heard(s, t, w->line.p, (size_t)(nl - w->line.p));
			bk_buf_drop(&w->line, (size_t)(nl - w->line.p) + 1);
		}
	}
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		(void)close(w->fd);
		w->fd = -1;
	}
}

void
bk_sup_watch_ended(struct bk_sup *s, struct bk_sup_task *t, int status)
{
	if (t->watch.fd != -1) {
		bk_sup_watch_read(s, t);
		if (t->watch.fd != -1)
			(void)close(t->watch.fd);
	}
	t->watch.fd = -1;
	t->watch.pid = 0;
	bk_buf_reset(&t->watch.line);
	later(&t->watch);
	s->ctx->log(BK_LOG_ERROR, "job '%s': bk-watch ended with %s %d; starting "
	    "it again in %lld s", t->job->title, WIFSIGNALED(status) ? "signal" :
	    "status", WIFSIGNALED(status) ? WTERMSIG(status) :
	    WEXITSTATUS(status), (long long)t->watch.wait / 1000);
	/* What changes meanwhile is seen when it is ready. */
}

void
bk_sup_watch_stop(struct bk_sup_task *t)
{
	if (t->watch.pid != 0)
		(void)kill(t->watch.pid, SIGTERM);
	if (t->watch.fd != -1)
		(void)close(t->watch.fd);
	t->watch.pid = 0;
	t->watch.fd = -1;
	bk_buf_reset(&t->watch.line);
}
