/*
 * The beginning of a run, and of what goes on like one: who we are to our
 * children, and the signals that end us.
 */
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "run.h"

/* Signals that end the run are read, not caught. */
static int
watch_signals(struct bk_run *r, struct bk_fault *f)
{
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    (r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) == -1 ||
	    (r->stop = epoll_create1(EPOLL_CLOEXEC)) == -1 ||
	    epoll_ctl(r->stop, EPOLL_CTL_ADD, r->signals, &ev) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot watch for signals");
	return 0;
}

/* The environment that children get: with this run's id, no other run's. */
static int
environment(struct bk_run *r, const struct bk_ctx *ctx, struct bk_fault *f)
{
	static const char *const ours[] = { "BK_EVENT", "BK_JOB", "BK_TRIGGER",
		"BK_ID", "BK_KEY", "BK_BYTES", "BK_DURATION", "BK_STATUS",
		"BK_MESSAGE", "BK_OUTCOME", "BK_HOOK_URL", "BK_INTO" };
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		(void)unsetenv(ours[i]);
	if (setenv("BK_RUN", r->id, 1) == -1)
		return bk_fault_errno(f, BK_IO, errno, "the environment");
	r->ctx = *ctx;
	r->ctx.vars = environ;
	return 0;
}

int
bk_run_open(struct bk_run *r, const struct bk_ctx *ctx, struct bk_fault *f)
{
	r->pid = (int)getpid();
	if (r->id[0] == '\0' && bk_ulid_new(ctx->now(), r->id, f) == -1)
		return -1;
	return environment(r, ctx, f) == -1 ? -1 : watch_signals(r, f);
}
