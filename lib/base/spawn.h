/*
 * The system side of child.h: start one process.  Programs and engines use
 * child.h, which also drains and waits.
 */
#ifndef BK_SPAWN_H
#define BK_SPAWN_H

#include <sys/types.h>

#include "child.h"

/*
 * Start ${spec}'s program through bk-child, with ${fds} as its descriptors 0
 * to 2 (-1: /dev/null); they stay the caller's.  spec->flags matter only for
 * the environment, and its in, out and deadline not at all.  0 with *${pid};
 * -1 with ${f} set: 69 if the program is not found, 74 if the system refuses.
 */
int bk_spawn(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    const int fds[3], pid_t *pid, struct bk_fault *f);

#endif
