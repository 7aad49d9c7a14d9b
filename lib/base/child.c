/*
 * Children.  One poll loop serves their three pipes and, by pidfd_open(2)
 * (Linux 5.3), their end; no signal handler is needed and nothing waits
 * without the deadline.
 */
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "spawn.h"

#define DRAIN_MS 5000		/* for the last words of a child that went away */
#define PIECE 65536

struct bk_child {
	const struct bk_ctx *ctx;
	char *tool;		/* as named by the caller, without directories */
	pid_t pid;		/* -1 once waited for */
	int pidfd;		/* -1 where the kernel has none */
	int in, out, err;	/* our ends, -1 when closed */
	int rest;		/* second reading end of its input, while it ends */
	int stop;		/* the caller's; readable: wait no longer, or -1 */
	int wish;		/* the same for ctx->stop */
	int status;		/* wait status, -1 before */
	int64_t deadline;
	struct bk_buf tail;	/* last words; at most twice BK_TAIL_MAX */
	size_t logged;		/* bytes of tail that were logged */
	char *piece;		/* PIECE bytes of its output */
};

bool
bk_stop_take(const struct bk_ctx *ctx)
{
	struct pollfd p = { ctx->stop, POLLIN, 0 };
	char wish;

	return ctx->stop > 2 && poll(&p, 1, 0) == 1 &&
	    read(ctx->stop, &wish, 1) == 1;
}

/* Advice, as getopt_long's callers and pg_dump give it after the reason. */
static bool
is_hint(const char *p, size_t n)
{
	return memmem(p, n, ": hint: ", 8) != NULL ||
	    (n > 4 && memcmp(p, "Try ", 4) == 0);
}

void
bk_child_reason(const char *tail, char *out, size_t size)
{
	const char *p = tail, *best = "", *end;
	size_t best_n = 0, n, i;

	for (; *p != '\0'; p = *end != '\0' ? end + 1 : end) {
		end = p + strcspn(p, "\n");
		n = (size_t)(end - p);
		while (n > 0 && isspace((unsigned char)p[n - 1]))
			n--;
		if (n == 0 || (best_n > 0 && is_hint(p, n)))
			continue;
		best = p;
		best_n = n;
		for (i = 0; i + 5 <= n; i++)
			if (strncasecmp(p + i, "fatal", 5) == 0 ||
			    (i + 6 <= n && strncasecmp(p + i, "error:", 6) == 0) ||
			    (i + 7 <= n && strncasecmp(p + i, "error ", 6) == 0 &&
			    isdigit((unsigned char)p[i + 6])))
				break;
		if (i + 5 <= n)
			break;
	}
	if (best_n >= size)
		best_n = size - 1;
	memcpy(out, best, best_n);
	out[best_n] = '\0';
}

static void
shut(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
unblock(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl != -1)
		(void)fcntl(fd, F_SETFL, fl | O_NONBLOCK);
}

static int
open_pipes(struct bk_child *c, const struct bk_child_spec *spec, int fds[3],
    int theirs[3], struct bk_fault *f)
{
	int p[2], i;
	int *ours[3] = { &c->in, &c->out, &c->err };
	const bool want[3] = { spec->flags & BK_CHILD_IN,
		spec->flags & BK_CHILD_OUT,
		!(spec->flags & BK_CHILD_PASS_ERR) };

	for (i = 0; i < 3; i++) {
		if (!want[i])
			continue;
		if (pipe2(p, O_CLOEXEC) == -1)
			return bk_fault_errno(f, BK_IO, errno, "cannot make a pipe");
		*ours[i] = p[i == 0 ? 1 : 0];
		fds[i] = theirs[i] = p[i == 0 ? 0 : 1];
		if (i < 2)
			bk_pipe_enlarge(p[0]);
		unblock(*ours[i]);
	}
	return 0;
}

static struct bk_child *
new_child(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    struct bk_fault *f)
{
	const char *slash = strrchr(spec->argv[0], '/');
	struct bk_child *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		goto fail;
	c->ctx = ctx;
	c->pid = c->pidfd = c->status = -1;
	c->in = c->out = c->err = c->rest = -1;
	c->stop = spec->stop > 2 ? spec->stop : -1;
	c->wish = ctx->stop > 2 ? ctx->stop : -1;
	c->deadline = spec->deadline;
	c->tail.max = 3 * BK_TAIL_MAX;
	c->tool = strdup(slash != NULL ? slash + 1 : spec->argv[0]);
	c->piece = malloc(PIECE);
	if (c->tool != NULL && c->piece != NULL &&
	    bk_buf_need(&c->tail, c->tail.max, f) == 0)
		return c;
fail:
	bk_child_free(c);
	(void)bk_fault_errno(f, BK_IO, ENOMEM, "cannot start '%s'", spec->argv[0]);
	return NULL;
}

struct bk_child *
bk_child_start(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    struct bk_fault *f)
{
	int fds[3] = { spec->flags & BK_CHILD_IN ? -1 : spec->in, -1, -1 };
	int theirs[3] = { -1, -1, -1 };
	struct bk_child *c;
	pid_t pid;
	int i;

	if (spec->out > 2)
		fds[1] = spec->out;
	else if (spec->flags & BK_CHILD_INHERIT_OUT)
		fds[1] = STDOUT_FILENO;
	if (spec->flags & BK_CHILD_PASS_ERR)
		fds[2] = STDERR_FILENO;
	if ((c = new_child(ctx, spec, f)) != NULL) {
		if (open_pipes(c, spec, fds, theirs, f) == -1 ||
		    bk_spawn(ctx, spec, fds, &pid, f) == -1) {
			bk_child_free(c);
			c = NULL;
		} else {
			c->pid = pid;
			c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		}
	}
	for (i = 0; i < 3; i++)
		shut(&theirs[i]);
	return c;
}

/* Log the whole lines that came since; with ${all}, the unended one too. */
static void
log_lines(struct bk_child *c, bool all)
{
	const char *p, *nl;
	size_t n;

	while (c->logged < c->tail.len) {
		p = c->tail.p + c->logged;
		n = c->tail.len - c->logged;
		if ((nl = memchr(p, '\n', n)) != NULL)
			n = (size_t)(nl - p);
		else if (!all && n < BK_TAIL_MAX)
			return;
		if (n > 0)
			c->ctx->log(BK_LOG_INFO, "%s: %.*s", c->tool, (int)n, p);
		c->logged += n + (nl != NULL);
	}
}

/* Take what it has said; false once its standard error is closed. */
static bool
hear(struct bk_child *c)
{
	char said[BK_TAIL_MAX];
	struct bk_fault f = BK_FAULT_INIT;
	size_t over;
	ssize_t n;

	n = read(c->err, said, sizeof(said));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		log_lines(c, true);
		shut(&c->err);
		return false;
	}
	/* Storage was reserved at the start: this cannot fail. */
	(void)bk_buf_add(&c->tail, said, (size_t)n, &f);
	log_lines(c, false);
	if (c->tail.len > BK_TAIL_MAX) {
		over = c->tail.len - BK_TAIL_MAX;
		bk_buf_drop(&c->tail, over);
		c->logged = c->logged > over ? c->logged - over : 0;
	}
	return true;
}

/*
 * Wait for one of ${want} (POLLOUT: its input, POLLIN: its output, POLLHUP:
 * its end) and hear what it says meanwhile.  Returns those of ${want} that
 * hold, or -1 with ${f} set past ${deadline} (0: none) or when stopped.
 */
static int
wait_for(struct bk_child *c, int want, int64_t deadline, struct bk_fault *f)
{
	struct pollfd p[6];
	int64_t left;
	int got = 0, ms = -1, n;

	for (;;) {
		p[0] = (struct pollfd){ want & POLLOUT ? c->in : -1, POLLOUT, 0 };
		p[1] = (struct pollfd){ want & POLLIN ? c->out : -1, POLLIN, 0 };
		p[2] = (struct pollfd){ c->err, POLLIN, 0 };
		p[3] = (struct pollfd){ want & POLLHUP ? c->pidfd : -1, POLLIN, 0 };
		p[4] = (struct pollfd){ c->stop, POLLIN, 0 };
		p[5] = (struct pollfd){ c->wish, POLLIN, 0 };
		if (deadline != 0) {
			left = deadline - c->ctx->mono();
			ms = left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
		}
		n = poll(p, sizeof(p) / sizeof(p[0]), ms);
		if (n == -1 && errno != EINTR)
			return bk_fault_errno(f, BK_IO, errno, "poll");
		if (n == 0 && deadline != 0 && c->ctx->mono() >= deadline)
			return bk_fault_set(f, BK_DATA, "timeout");
		if (n <= 0)
			continue;
		if (p[2].revents != 0)
			(void)hear(c);
		got = (p[0].revents != 0 ? POLLOUT : 0) |
		    (p[1].revents != 0 ? POLLIN : 0) |
		    (p[3].revents != 0 ? POLLHUP : 0);
		if (got != 0)
			return got;
		if (p[4].revents != 0 ||
		    (p[5].revents != 0 && bk_stop_take(c->ctx)))
			return bk_fault_set(f, BK_DATA, "stopped");
		/* One that never stops talking has a deadline too. */
		if (deadline != 0 && c->ctx->mono() >= deadline)
			return bk_fault_set(f, BK_DATA, "timeout");
	}
}

ssize_t
bk_child_read(struct bk_child *c, void *p, size_t n, struct bk_fault *f)
{
	ssize_t r;

	for (;;) {
		r = read(c->out, p, n);
		if (r >= 0)
			return r;
		if (errno == EAGAIN) {
			if (wait_for(c, POLLIN, c->deadline, f) == -1)
				return -1;
		} else if (errno != EINTR)
			return bk_fault_errno(f, BK_IO, errno,
			    "cannot read from '%s'", c->tool);
	}
}

/* Take its output once into ${sink}; 0 goes on, 1 at its end, -1. */
static int
take_output(struct bk_child *c, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	ssize_t r = read(c->out, c->piece, PIECE);

	if (r == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot read from '%s'",
		    c->tool);
	if (r == 0) {
		shut(&c->out);
		return 1;
	}
	return sink != NULL ? sink(arg, c->piece, (size_t)r, f) : 0;
}

/* Wait until it has ended; its last words are heard. */
static int
reap(struct bk_child *c, int64_t deadline, struct bk_fault *f)
{
	pid_t r;

	if (c->pid == -1)
		return 0;
	if (c->pidfd != -1 && wait_for(c, POLLHUP, deadline, f) == -1)
		return -1;
	while ((r = waitpid(c->pid, &c->status, 0)) == -1 && errno == EINTR)
		;
	if (r == -1)
		return bk_fault_errno(f, BK_BUG, errno, "cannot wait for '%s'",
		    c->tool);
	c->pid = -1;
	/* What is in the pipe now is all: others may hold its other end. */
	while (c->err != -1) {
		struct pollfd p = { c->err, POLLIN, 0 };

		if (poll(&p, 1, 0) <= 0 || !hear(c))
			break;
	}
	log_lines(c, true);
	return 0;
}

/* Say how it ended, if that was not well. */
static int
judge(struct bk_child *c, struct bk_fault *f)
{
	char why[512];

	if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0)
		return 0;
	bk_child_reason(bk_child_tail(c), why, sizeof(why));
	if (WIFSIGNALED(c->status))
		return bk_fault_set(f, BK_DATA, "'%s' was killed by signal %d (%s)",
		    c->tool, WTERMSIG(c->status), strsignal(WTERMSIG(c->status)));
	return bk_fault_set(f, BK_DATA, "'%s' exited %d%s%s", c->tool,
	    WEXITSTATUS(c->status), why[0] != '\0' ? ": " : "", why);
}

int
bk_child_write(struct bk_child *c, const void *p, size_t n,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	const char *q = p;
	int got;
	ssize_t w;

	while (n > 0) {
		got = wait_for(c, sink != NULL && c->out != -1 ?
		    POLLOUT | POLLIN : POLLOUT, c->deadline, f);
		if (got == -1)
			return -1;
		if (got & POLLIN && take_output(c, sink, arg, f) == -1)
			return -1;
		if (!(got & POLLOUT))
			continue;
		w = write(c->in, q, n);
		if (w >= 0) {
			q += w;
			n -= (size_t)w;
		} else if (errno == EPIPE) {
			/* Its own reason is worth more than ours. */
			if (reap(c, c->ctx->mono() + DRAIN_MS, f) == 0)
				(void)judge(c, f);
			return bk_fault_set(f, BK_DATA,
			    "'%s' stopped reading while input remained", c->tool);
		} else if (errno != EAGAIN && errno != EINTR)
			return bk_fault_errno(f, BK_IO, errno,
			    "cannot write to '%s'", c->tool);
	}
	return 0;
}

/*
 * Close its input.  Bytes that it will leave in the pipe would be lost
 * silently, so the pipe is kept and looked at when the child has ended.
 */
static int
close_input(struct bk_child *c, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(64);
	int rc = 0;

	if (c->in == -1)
		return 0;
	if (bk_buf_addf(&path, f, "/proc/self/fd/%d", c->in) == -1)
		rc = -1;
	else if ((c->rest = open(path.p, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) == -1)
		rc = bk_fault_errno(f, BK_IO, errno, "cannot open '%s'", path.p);
	bk_buf_release(&path);
	shut(&c->in);
	return rc;
}

static int
unread(struct bk_child *c)
{
	int n = 0;

	if (c->rest != -1 && ioctl(c->rest, FIONREAD, &n) == -1)
		n = 0;
	shut(&c->rest);
	return n;
}

int
bk_child_finish(struct bk_child *c, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	if (close_input(c, f) == -1)
		return -1;
	while (c->out != -1)
		if (wait_for(c, POLLIN, c->deadline, f) == -1 ||
		    take_output(c, sink, arg, f) == -1)
			return -1;
	if (reap(c, c->deadline, f) == -1 || judge(c, f) == -1)
		return -1;
	if (unread(c) > 0)
		return bk_fault_set(f, BK_DATA,
		    "'%s' stopped reading while input remained", c->tool);
	return 0;
}

int
bk_child_take_out(struct bk_child *c)
{
	int fd = c->out, fl = fcntl(fd, F_GETFL);

	if (fl != -1)
		(void)fcntl(fd, F_SETFL, fl & ~O_NONBLOCK);
	c->out = -1;
	return fd;
}

int
bk_child_status(const struct bk_child *c)
{
	return c->pid == -1 ? c->status : -1;
}

const char *
bk_child_tail(const struct bk_child *c)
{
	return bk_buf_text(&c->tail);
}

pid_t
bk_child_pid(const struct bk_child *c)
{
	return c->pid;
}

void
bk_child_stop(struct bk_child *c, int grace_ms)
{
	struct bk_fault f = BK_FAULT_INIT;

	if (c == NULL)
		return;
	c->stop = c->wish = -1;
	if (c->pid != -1 && grace_ms > 0 && c->pidfd != -1) {
		(void)kill(-c->pid, SIGTERM);
		(void)kill(-c->pid, SIGCONT);
		(void)reap(c, c->ctx->mono() + grace_ms, &f);
	}
	if (c->pid != -1) {
		(void)kill(-c->pid, SIGKILL);
		(void)reap(c, 0, &f);
	}
	shut(&c->in);
	shut(&c->out);
	shut(&c->err);
	shut(&c->rest);
	shut(&c->pidfd);
	bk_buf_release(&c->tail);
	free(c->tool);
	free(c->piece);
	free(c);
}

struct capture {
	struct bk_buf *out;
};

static int
capture_sink(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	const struct capture *cap = arg;

	return bk_buf_add(cap->out, p, n, f);
}

int
bk_child_capture(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    const char *input, struct bk_buf *out, struct bk_buf *tail,
    struct bk_fault *f)
{
	struct bk_child_spec s = *spec;
	struct capture cap = { out };
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_child *c;
	const char *said;
	int rc = -1;

	s.flags |= BK_CHILD_OUT | (input != NULL ? BK_CHILD_IN : 0U);
	if ((c = bk_child_start(ctx, &s, f)) == NULL)
		return -1;
	if (input != NULL && *input != '\0')
		(void)bk_child_write(c, input, strlen(input), capture_sink, &cap,
		    &own);
	if (!bk_faulty(&own) || c->pid == -1)
		(void)bk_child_finish(c, capture_sink, &cap, &own);
	if (c->pid == -1 && WIFEXITED(c->status) &&
	    (WEXITSTATUS(c->status) != 0 || !bk_faulty(&own)))
		rc = WEXITSTATUS(c->status);
	said = bk_child_tail(c);
	if (tail != NULL && (rc == -1 || rc > 0 || *said != '\0')) {
		bk_buf_reset(tail);
		if (bk_buf_adds(tail, said, f) == -1)
			rc = -1;
	}
	if (rc == -1)
		(void)bk_fault_set(f, own.status != 0 ? own.status : BK_BUG, "%s",
		    own.text);
	bk_child_stop(c, rc == -1 ? 1000 : 0);
	return rc;
}
