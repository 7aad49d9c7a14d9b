/*
 * bk-child: a chain loader.  It asks the kernel to kill this process when its
 * parent dies, then becomes its command.
 *
 * PR_SET_PDEATHSIG (prctl(2)) survives execve except of set-user-ID programs.
 * The parent may have died before the call, so its pid is compared after it.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
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
	{ 'n', "nice", "N", "add N (0 to 19) to the nice value", 0 },
	BK_OPT_COMMON
};

static const struct bk_prog prog = { "bk-child",
	"[--parent PID] [--close-from FD] [--nice N] -- COMMAND [ARG...]",
	"run COMMAND so that it dies with its parent", opts };

int
main(int argc, char *argv[])
{
	struct bk_fault f = BK_FAULT_INIT;
	long long parent = (long long)getppid(), niceness = 0, from = 0;
	const char *arg;
	char **words;
	int key;

	bk_init(&prog, argc, argv);
	while ((key = bk_opt_next(&arg)) != -1)
		if ((key == 'p' &&
		    bk_number_parse("parent", arg, 1, INT_MAX, &parent, &f) == -1) ||
		    (key == 'c' &&
		    bk_number_parse("close-from", arg, 3, INT_MAX, &from, &f) == -1) ||
		    (key == 'n' &&
		    bk_number_parse("nice", arg, 0, 19, &niceness, &f) == -1))
			bk_usage_fault(&f);
	if (bk_operands(&words) < 1 || bk_operands_after() < 1)
		bk_usage("want -- COMMAND");
	words += bk_operands(&words) - bk_operands_after();

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) {
		(void)bk_fault_errno(&f, BK_BUG, errno, "prctl");
		return bk_exit(&f);
	}
	if (getppid() != (pid_t)parent)
		(void)raise(SIGKILL);
	if (niceness != 0 && (errno = 0, nice((int)niceness)) == -1 && errno != 0) {
		(void)bk_fault_errno(&f, 0, errno, "cannot change the nice value");
		return bk_exit(&f);
	}
	/* Before Linux 5.9 there is none; those of bk are close-on-exec anyway. */
	if (from != 0)
		(void)syscall(SYS_close_range, (unsigned int)from, ~0U, 0U);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	(void)execvp(words[0], words);
	(void)bk_fault_errno(&f, errno == ENOENT ? NOT_FOUND : CANNOT_RUN, errno,
	    "cannot run '%s'", words[0]);
	return bk_exit(&f);
}
