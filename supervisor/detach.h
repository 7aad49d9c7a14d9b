/*
 * A program that goes on when we have gone: the one thing that is not started
 * as child.h does it, whose children die with us.
 */
#ifndef BK_DETACH_H
#define BK_DETACH_H

#include <sys/types.h>

#include "ctx.h"
#include "fault.h"

/*
 * Start ${argv} (NULL-ended, argv[0] a path) in a session of its own, with our
 * environment and standard error, /dev/null as its input, and ${out} as its
 * output.  Its process, or -1 with ${f} set (69).
 */
pid_t bk_detach(const char *const *argv, int out, struct bk_fault *f);

/*
 * Wait for it until ctx->mono() is ${until}: its exit status (65 where a signal
 * ended it), or -1: it goes on.
 */
int bk_detach_wait(const struct bk_ctx *ctx, pid_t pid, int64_t until);

#endif
