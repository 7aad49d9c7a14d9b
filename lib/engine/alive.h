/*
 * Is a server using this directory?  One that works in it (proc(5), cwd) is
 * found by its name, also one in a container.
 */
#ifndef BK_ALIVE_H
#define BK_ALIVE_H

#include "fault.h"

#define BK_ALIVE_BLIND 1

struct bk_alive {
	char pid[24];			/* "" : none */
	/*
	 * One that may not be looked at, "" : none.  ptrace(2)'s rules decide
	 * that: root and the server's own user may.
	 */
	char hidden[24];
};

/*
 * Look for processes of the programs ${names} (NULL-ended) in ${dir}.  0 with
 * ${a}; BK_ALIVE_BLIND where there is no /proc to look at; -1 with ${f} set.
 */
int bk_alive_in(const char *dir, const char *const *names,
    struct bk_alive *a, struct bk_fault *f);

#endif
