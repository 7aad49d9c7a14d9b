/*
 * Every stage is a child of its own process group that dies with this
 * process (child.h); when one fails the others see the end of their pipes.
 */
#include <sys/wait.h>

#include <signal.h>
#include <unistd.h>

#include "pipeline.h"

#define STOP_MS 5000

/* Name the failure to blame: the first that SIGPIPE does not explain. */
static int
blame(const char *const *const *stages, const int *status, size_t n,
    struct bk_fault *f)
{
	size_t i, first = n;

	for (i = 0; i < n; i++) {
		if (WIFEXITED(status[i]) && WEXITSTATUS(status[i]) == 0)
			continue;
		if (first == n)
			first = i;
		if (!WIFSIGNALED(status[i]) || WTERMSIG(status[i]) != SIGPIPE)
			break;
	}
	if (first == n)
		return 0;
	if (i == n)
		i = first;
	if (WIFSIGNALED(status[i]))
		return bk_fault_set(f, BK_DATA, "%s was killed by signal %d",
		    stages[i][0], WTERMSIG(status[i]));
	(void)bk_fault_set(f, WEXITSTATUS(status[i]) <= 127 ?
	    WEXITSTATUS(status[i]) : BK_DATA, "%s exited %d", stages[i][0],
	    WEXITSTATUS(status[i]));
	f->upstream = true;
	return -1;
}

int
bk_pipeline_run(const struct bk_ctx *ctx, const char *const *const *stages,
    size_t n, int in, int out, int64_t deadline, int *statuses,
    struct bk_fault *f)
{
	struct bk_child *c[BK_PIPELINE_MAX] = { NULL };
	int status[BK_PIPELINE_MAX], next = in, rc = 0;
	struct bk_child_spec spec = { .flags = BK_CHILD_FULLENV |
		BK_CHILD_PASS_ERR, .deadline = deadline };
	struct bk_fault one;
	size_t i;

	for (i = 0; i < n && rc == 0; i++) {
		spec.argv = stages[i];
		spec.in = next;
		if (i + 1 < n)
			spec.flags |= BK_CHILD_OUT;
		else {
			spec.flags &= ~BK_CHILD_OUT;
			spec.out = out;
		}
		if ((c[i] = bk_child_start(ctx, &spec, f)) == NULL)
			rc = -1;
		if (next != in)
			close(next);
		next = in;
		if (rc == 0 && i + 1 < n)
			next = bk_child_take_out(c[i]);
	}
	if (next != in)
		close(next);
	for (i = 0; i < n && rc == 0; i++) {
		bk_fault_clear(&one);
		if (bk_child_finish(c[i], NULL, NULL, &one) == -1 &&
		    (status[i] = bk_child_status(c[i])) == -1)
			rc = bk_fault_set(f, one.status, "%s: %s", stages[i][0],
			    one.text);
		status[i] = bk_child_status(c[i]);
		if (statuses != NULL)
			statuses[i] = status[i];
	}
	if (rc == 0)
		rc = blame(stages, status, n, f);
	for (i = 0; i < n; i++)
		bk_child_stop(c[i], rc == 0 ? 0 : STOP_MS);
	return rc;
}
