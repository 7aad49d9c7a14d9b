#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "detach.h"

/* What the child gets beside its words; 0 or an errno. */
static int
prepare(posix_spawn_file_actions_t *fa, posix_spawnattr_t *attr, int out)
{
	sigset_t all, none;
	int e;

	(void)sigfillset(&all);
	(void)sigemptyset(&none);
	if ((e = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID |
	    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK)) == 0 &&
	    (e = posix_spawnattr_setsigdefault(attr, &all)) == 0 &&
	    (e = posix_spawnattr_setsigmask(attr, &none)) == 0 &&
	    (e = posix_spawn_file_actions_addopen(fa, STDIN_FILENO, "/dev/null",
	    O_RDONLY, 0)) == 0)
		e = posix_spawn_file_actions_adddup2(fa, out, STDOUT_FILENO);
	return e;
}

pid_t
bk_detach(const char *const *argv, int out, struct bk_fault *f)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	pid_t pid = -1;
	int e;

	if ((e = posix_spawn_file_actions_init(&fa)) == 0) {
		if ((e = posix_spawnattr_init(&attr)) == 0) {
			/* posix_spawn(3) changes none of the words. */
			if ((e = prepare(&fa, &attr, out)) == 0)
				e = posix_spawn(&pid, argv[0], &fa, &attr,
				    (char *const *)(uintptr_t)argv, environ);
			(void)posix_spawnattr_destroy(&attr);
		}
		(void)posix_spawn_file_actions_destroy(&fa);
	}
	if (e == 0)
		return pid;
	(void)bk_fault_errno(f, BK_UNAVAILABLE, e, "cannot run '%s'", argv[0]);
	return -1;
}

int
bk_detach_wait(const struct bk_ctx *ctx, pid_t pid, int64_t until)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), status = 0;
	struct pollfd p = { fd, POLLIN, 0 };
	int64_t left;

	while ((left = until - ctx->mono()) > 0 && poll(&p, 1,
	    left > INT_MAX ? INT_MAX : (int)left) <= 0)
		;
	if (fd != -1)
		(void)close(fd);
	if (waitpid(pid, &status, left > 0 ? 0 : WNOHANG) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : BK_DATA;
}
