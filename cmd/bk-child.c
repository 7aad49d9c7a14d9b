/*
 * bk-child: a chain loader.  It asks the kernel to kill this process when its
 * parent dies, then becomes its command.
 *
 * With --guard it stays, as the parent of the command: the kernel's signal
 * reaches but one process, and a shell that dies of it leaves behind what it
 * has started.  The guard is told of the death in its place and kills
 * everything below it.  As a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER) it
 * gets the children of those that it has killed, until none is left.  It is in
 * the process group of the command and blocks what is sent to the group,
 * except for SIGKILL and SIGSTOP.
 *
 * PR_SET_PDEATHSIG (prctl(2)) survives execve except of set-user-ID programs.
 * The parent may have died before the call, so its pid is compared after it.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "prog.h"

/* As env(1) and nice(1): the command cannot be run; it was not found. */
#define CANNOT_RUN 126
#define NOT_FOUND 127

static const struct bk_opt opts[] = {
	{ 'p', "parent", "PID", "die if the parent is not, or no longer, PID", 0 },
	{ 'c', "close-from", "FD", "close descriptor FD (3 or more) and all above", 0 },
	{ 'g', "guard", NULL, "stay: when the parent dies kill all that COMMAND started", 0 },
	{ 'n', "nice", "N", "add N (0 to 19) to the nice value", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-child",
	"[--parent PID] [--close-from FD] [--guard] [--nice N] -- COMMAND [ARG...]",
	"run COMMAND so that it dies with its parent", opts };

/* Die with ${parent}: of ${signo}, or told by it. */
static int
die_with(pid_t parent, int signo, struct bk_fault *f)
{
	if (prctl(PR_SET_PDEATHSIG, signo) == -1)
		return bk_fault_errno(f, BK_BUG, errno, "prctl");
	if (getppid() != parent)
		(void)raise(SIGKILL);
	return 0;
}

static void
become(char **words, struct bk_fault *f)
{
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	(void)execvp(words[0], words);
	(void)bk_fault_errno(f, errno == ENOENT ? NOT_FOUND : CANNOT_RUN, errno,
	    "cannot run '%s'", words[0]);
}

/* Kill our children, and theirs once they are ours, until there are none. */
static void
kill_all(void)
{
	char path[64];
	FILE *list;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    (int)getpid());
	do {
		/* A kernel without the list: the group, ourselves included. */
		if ((list = fopen(path, "re")) == NULL) {
			(void)kill(0, SIGKILL);
			return;
		}
		while (fscanf(list, "%d", &pid) == 1)
			(void)kill((pid_t)pid, SIGKILL);
		(void)fclose(list);
	} while (waitpid(-1, NULL, 0) != -1 || errno == EINTR);
}

/* End as the command has. */
static int
end_as(int status)
{
	sigset_t set;
	int signo;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signo = WTERMSIG(status);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, signo);
	(void)signal(signo, SIG_DFL);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)raise(signo);
	return 128 + signo;
}

/* Wait for ${pid}, or the death of ${parent}. */
static int
wait_for(pid_t pid, pid_t parent)
{
	int status = 0, signo;
	sigset_t set;
	pid_t got;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGHUP);
	for (;;) {
		if (getppid() != parent) {
			kill_all();
			return 128 + SIGKILL;
		}
		while ((got = waitpid(-1, &status, WNOHANG)) > 0)
			if (got == pid)
				return end_as(status);
		(void)sigwait(&set, &signo);
	}
}

/* What the guard keeps open would hide that the command has closed it. */
static void
let_go(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	for (i = STDIN_FILENO; i <= STDERR_FILENO && fd != -1; i++)
		(void)dup2(fd, i);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

static int
guard(pid_t parent, char **words, struct bk_fault *f)
{
	pid_t self = getpid(), pid;
	sigset_t all, none;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
		return bk_fault_errno(f, BK_BUG, errno, "prctl");
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (die_with(parent, SIGHUP, f) == -1)
		return -1;
	if ((pid = fork()) == -1)
		return bk_fault_errno(f, 0, errno, "cannot start '%s'", words[0]);
	if (pid == 0) {
		if (die_with(self, SIGKILL, f) == 0) {
			(void)sigprocmask(SIG_SETMASK, &none, NULL);
			become(words, f);
		}
		return -1;
	}
	let_go();
	return wait_for(pid, parent);
}

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	long long parent = (long long)getppid(), niceness = 0, from = 0;
	bool stay = false;
	const char *arg;
	char **words;
	int key, status = -1;

	bk_init(&prog, argc, argv);
	while ((key = bk_opt_next(&arg)) != -1)
		if (key == 'g')
			stay = true;
		else if ((key == 'p' &&
		    bk_number_parse("parent", arg, 1, INT_MAX, &parent, &f) == -1) ||
		    (key == 'c' &&
		    bk_number_parse("close-from", arg, 3, INT_MAX, &from, &f) == -1) ||
		    (key == 'n' &&
		    bk_number_parse("nice", arg, 0, 19, &niceness, &f) == -1))
			bk_usage_fault(&f);
	if (bk_operands(&words) < 1 || bk_operands_after() < 1)
		bk_usage("want -- COMMAND");
	words += bk_operands(&words) - bk_operands_after();

	if (!stay && die_with((pid_t)parent, SIGKILL, &f) == -1)
		return bk_exit(&f);
	if (niceness != 0 && (errno = 0, nice((int)niceness)) == -1 && errno != 0) {
		(void)bk_fault_errno(&f, 0, errno, "cannot change the nice value");
		return bk_exit(&f);
	}
	/* Before Linux 5.9 there is none; those of bk are close-on-exec anyway. */
	if (from != 0)
		(void)syscall(SYS_close_range, (unsigned int)from, ~0U, 0U);
	if (stay)
		status = guard((pid_t)parent, words, &f);
	else
		become(words, &f);
	return bk_faulty(&f) ? bk_exit(&f) : status;
}
