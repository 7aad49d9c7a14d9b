/*
 * See command.h.
 */
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "io.h"
#include "prog.h"
#include "spawn.h"

#define GRACE_MS INT64_C(10000)		/* from TERM to KILL */

int
bk_command_start(const char *const *argv, int in, pid_t *pid,
    struct bk_fault *f)
{
	const struct bk_child_spec spec = { .argv = argv,
		.flags = BK_CHILD_FULLENV, .in = -1 };
	const int fds[3] = { in, STDOUT_FILENO, STDERR_FILENO };

	return bk_spawn(bk_ctx, &spec, fds, pid, f);
}

int
bk_command_ended(const char *const *argv, pid_t pid, int *status,
    struct bk_fault *f)
{
	pid_t got = waitpid(pid, status, WNOHANG);

	if (got == 0)
		return BK_MORE;
	if (got == -1)
		return bk_fault_errno(f, BK_BUG, errno, "cannot wait for '%s'",
		    argv[0]);
	*status = WIFEXITED(*status) ? WEXITSTATUS(*status) :
	    128 + WTERMSIG(*status);
	if (*status != 0)
		bk_say(BK_LOG_WARN, "'%s' ended with status %d", argv[0],
		    *status);
	return BK_END;
}

int
bk_command_waits(int clock, int *signals, int *timer, struct bk_fault *f)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    (*signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) == -1 ||
	    (*timer = timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK)) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot set a timer");
	return 0;
}

void
bk_command_die(int signo)
{
	sigset_t set;

	(void)sigfillset(&set);
	(void)signal(signo, SIG_DFL);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(signo);
}

void
bk_command_end(pid_t pid)
{
	int64_t left, until = bk_ctx->mono() + GRACE_MS;
	struct timespec ts;
	sigset_t set;
	int status;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)kill(-pid, SIGTERM);
	(void)kill(-pid, SIGCONT);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if ((left = until - bk_ctx->mono()) <= 0) {
			(void)kill(-pid, SIGKILL);
			left = GRACE_MS;
		}
		ts.tv_sec = (time_t)(left / 1000);
		ts.tv_nsec = (long)(left % 1000) * 1000000;
		(void)sigtimedwait(&set, NULL, &ts);
	}
}
