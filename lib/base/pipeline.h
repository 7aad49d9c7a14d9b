/*
 * A pipeline of programs, as a shell makes one, but with every status
 * counted: success is that all of them exited 0.
 */
#ifndef BK_PIPELINE_H
#define BK_PIPELINE_H

#include <stddef.h>

#include "child.h"

#define BK_PIPELINE_MAX 16

/*
 * Run ${n} (1 to BK_PIPELINE_MAX) stages, each an argv, the output of one
 * the input of the next; the first reads ${in} (-1: /dev/null), the last
 * writes ${out} (above 2; else /dev/null).  Each has what it needs of the
 * environment (needs.h), and our standard error.  Blocks until all have ended, or stops them past
 * ${deadline} (by ctx->mono(), 0: none).
 *
 * ${statuses}[i] (may be NULL) gets the wait status of each.  0 if all exited
 * 0; else -1 with ${f} set: the first failure that is not SIGPIPE is to
 * blame, its exit status (1 to 127, else 65) is the fault's, and f->upstream
 * is set, since the stage has said why.
 */
int bk_pipeline_run(const struct bk_ctx *ctx, const char *const *const *stages,
    size_t n, int in, int out, int64_t deadline, int *statuses,
    struct bk_fault *f);

/* All there is to say of a pipeline. */
struct bk_pipeline {
	const char *const *const *stages;
	size_t n;
	int in, out;
	int64_t deadline;
	int stop;			/* as in struct bk_child_spec */
	const char *const *env;		/* as there */
	const char *secret;		/* as there */
	int *statuses;
};

/*
 * As bk_pipeline_run.  On a fault all stages are told to end (TERM) before
 * the first is waited for, and killed 5 s later.
 */
int bk_pipeline_exec(const struct bk_ctx *ctx, const struct bk_pipeline *p,
    struct bk_fault *f);

#endif
