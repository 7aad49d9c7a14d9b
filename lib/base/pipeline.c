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

/* Start all stages; what has started is in ${c} on a fault too. */
static int
start(const struct bk_ctx *ctx, const struct bk_pipeline *p,
    struct bk_child **c, struct bk_fault *f)
{
	struct bk_child_spec spec = { .flags = BK_CHILD_NEEDENV |
		BK_CHILD_PASS_ERR, .deadline = p->deadline, .stop = p->stop,
		.env = p->env, .secret = p->secret };
	int next = p->in, rc = 0;
	size_t i;

	for (i = 0; i < p->n && rc == 0; i++) {
		spec.argv = p->stages[i];
		spec.in = next;
		if (i + 1 < p->n)
			spec.flags |= BK_CHILD_OUT;
		else {
			spec.flags &= ~BK_CHILD_OUT;
			spec.out = p->out;
		}
		if ((c[i] = bk_child_start(ctx, &spec, f)) == NULL)
			rc = -1;
		if (next != p->in)
			close(next);
		next = p->in;
		if (rc == 0 && i + 1 < p->n)
			next = bk_child_take_out(c[i]);
	}
	if (next != p->in)
		close(next);
	return rc;
}

int
bk_pipeline_exec(const struct bk_ctx *ctx, const struct bk_pipeline *p,
    struct bk_fault *f)
{
	struct bk_child *c[BK_PIPELINE_MAX] = { NULL };
	int status[BK_PIPELINE_MAX], rc;
	struct bk_fault one;
	size_t i;

	rc = start(ctx, p, c, f);
	for (i = 0; i < p->n && rc == 0; i++) {
		bk_fault_clear(&one);
		if (bk_child_finish(c[i], NULL, NULL, &one) == -1 &&
		    bk_child_status(c[i]) == -1)
			rc = bk_fault_set(f, one.status, "%s: %s",
			    p->stages[i][0], one.text);
		status[i] = bk_child_status(c[i]);
		if (p->statuses != NULL)
			p->statuses[i] = status[i];
	}
	if (rc == 0)
		rc = blame(p->stages, status, p->n, f);
	/* All are told before the first is waited for. */
	for (i = 0; i < p->n && rc == -1; i++)
		if (c[i] != NULL && bk_child_pid(c[i]) > 0)
			(void)kill(-bk_child_pid(c[i]), SIGTERM);
	for (i = 0; i < p->n; i++)
		bk_child_stop(c[i], rc == 0 ? 0 : STOP_MS);
	return rc;
}

int
bk_pipeline_run(const struct bk_ctx *ctx, const char *const *const *stages,
    size_t n, int in, int out, int64_t deadline, int *statuses,
    struct bk_fault *f)
{
	const struct bk_pipeline p = { .stages = stages, .n = n, .in = in,
		.out = out, .deadline = deadline, .statuses = statuses };

	return bk_pipeline_exec(ctx, &p, f);
}
