/*
 * A command that the user wrote behind "--", run again and again (bk-cron,
 * bk-watch): with the whole environment, in a process group of its own, and
 * dying with us.  SIGCHLD is blocked by the caller.
 */
#ifndef BK_COMMAND_H
#define BK_COMMAND_H

#include <sys/types.h>

#include "fault.h"

/*
 * Start it with ${in} (-1: /dev/null) as its standard input.  0 with *${pid},
 * or -1 with ${f} set as bk_spawn does.
 */
int bk_command_start(const char *const *argv, int in, pid_t *pid,
    struct bk_fault *f);

/*
 * Has it ended?  BK_MORE: it runs.  BK_END: *${status} is its status as a
 * shell gives it; one that is not 0 is said.  -1 with ${f} set.
 */
int bk_command_ended(const char *const *argv, pid_t pid, int *status,
    struct bk_fault *f);

/*
 * What a program that runs commands waits by: SIGCHLD and those that ask it to
 * end are blocked and come from *${signals}, and *${timer} runs on ${clock};
 * neither read blocks.  0 or -1.
 */
int bk_command_waits(int clock, int *signals, int *timer, struct bk_fault *f);

/* Die of ${signo}, which was taken from there. */
void bk_command_die(int signo);

/* End its group: TERM and CONT, KILL after ten seconds; wait. */
void bk_command_end(pid_t pid);

#endif
