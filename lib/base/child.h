/*
 * Child processes: every program that bk runs is started here, by
 * posix_spawn through bk-child, which sets the parent-death signal and execs
 * it, so that nothing outlives a killed bk program.  A command that the user
 * wrote has a guard, which kills what it has started as well: its pid is then
 * that of the guard, and its group is the command's.
 *
 * The child gets: descriptors 0, 1, 2 and no other (but for ${pass}, which a
 * secret is handed over by, see tool.h); default signal actions
 * and an empty mask; a process group of its own; "/" or the given directory;
 * an environment of exactly the allow-listed names (PATH HOME USER LOGNAME
 * TMPDIR TZ SSL_CERT_FILE SSL_CERT_DIR, LC_ALL=C.UTF-8 forced, and bk's own
 * BK_LOG BK_LOGLEVEL) and what the caller adds.  Spawn from the main thread
 * only: PR_SET_PDEATHSIG is bound to the thread that forked (prctl(2)).
 *
 * Its standard error is drained while we read and write; whole lines are
 * logged at info level, and the last 8 KiB are kept.
 */
#ifndef BK_CHILD_H
#define BK_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctx.h"
#include "fault.h"
#include "io.h"

#define BK_CHILD_IN 1U		/* a pipe to its standard input */
#define BK_CHILD_OUT 2U		/* a pipe from its standard output */
#define BK_CHILD_FULLENV 4U	/* a user's command: the whole environment, a guard */
#define BK_CHILD_INHERIT_OUT 8U	/* our own standard output, not /dev/null */
#define BK_CHILD_PASS_ERR 16U	/* its standard error is ours, not kept */
#define BK_CHILD_NEEDENV 32U	/* what of the environment it needs (needs.h) */

#define BK_TAIL_MAX 8192

struct bk_buf;
struct bk_child;

struct bk_child_spec {
	const char *const *argv;	/* argv[0] a path, or looked up on PATH */
	const char *const *env;		/* more "NAME=value", or NULL */
	const char *secret;		/* with NEEDENV: as bk_needs_var, or NULL */
	const char *cwd;		/* NULL: as ours */
	unsigned int flags;
	int64_t deadline;		/* by ctx->mono(); 0: none */
	int in;				/* without BK_CHILD_IN: its standard input, -1 for /dev/null */
	int out;			/* above 2, without BK_CHILD_OUT: its standard output */
	int pass;			/* above 2: also its descriptor 3; else none */
	int stop;			/* above 2: once readable, waits end: 65 "stopped" */
};

/*
 * Has somebody wished that we stop (ctx->stop)?  Takes that wish away, so that
 * what cleans up afterwards is not stopped as well.  All waits for children
 * look for it: they end with 65 "stopped".
 */
bool bk_stop_take(const struct bk_ctx *ctx);

/*
 * The line of ${tail} that tells best what went wrong: the first with
 * "error:", "error " and a number, or "fatal" in any case, else the last that
 * is neither blank nor a hint; cut to ${size}.  "" if there is none.
 */
void bk_child_reason(const char *tail, char *out, size_t size);

/*
 * Find ${tool} on the context's PATH (or as a path if it has a '/').  Writes
 * the path to ${out}; 0, or BK_ABSENT_TOOL when there is none.
 */
#define BK_ABSENT_TOOL 1
/* How the fault of a tool that is not there begins, its own or a child's. */
#define BK_ABSENT_TEXT "cannot find the program '"
int bk_tool_find(const struct bk_ctx *ctx, const char *tool, char *out,
    size_t size);

/*
 * Start a child.  NULL with ${f} set: 69 if the tool is not found (named),
 * 74 if the system refuses.
 */
struct bk_child *bk_child_start(const struct bk_ctx *ctx,
    const struct bk_child_spec *spec, struct bk_fault *f);

/*
 * Read up to ${n} bytes of its output, at least one.  Returns the count, 0
 * at end of file, -1 with ${f} set: 65 "timeout" past the deadline.  Blocks.
 */
ssize_t bk_child_read(struct bk_child *c, void *p, size_t n,
    struct bk_fault *f);

/*
 * Write all bytes to its input.  Where ${sink} is not NULL its output is
 * read meanwhile and given to it, so that a filter cannot block us.  0; -1
 * with ${f} set: 65 past the deadline, 65 if it closed its input.
 */
int bk_child_write(struct bk_child *c, const void *p, size_t n,
    bk_sink_fn *sink, void *arg, struct bk_fault *f);

/*
 * Close its input, give the rest of its output to ${sink} (NULL: discard),
 * and wait.  0 if it exited 0; -1 with ${f} set (65) naming the tool, its
 * status or signal and its reason, or that it left some of its input unread.
 */
int bk_child_finish(struct bk_child *c, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);

/*
 * Hand the reading end of its output (BK_CHILD_OUT) to the caller, who closes
 * it: blocking, close-on-exec, fit to be the next child's input.
 */
int bk_child_take_out(struct bk_child *c);

/* Wait status of a child that has been waited for (waitpid(2)), else -1. */
int bk_child_status(const struct bk_child *c);

/*
 * What it last said on standard error, up to BK_TAIL_MAX bytes, NUL-ended;
 * never NULL; valid until the next call on ${c}.
 */
const char *bk_child_tail(const struct bk_child *c);

pid_t bk_child_pid(const struct bk_child *c);

/*
 * End it if it runs, before its input is closed: TERM and CONT to its group,
 * KILL after ${grace_ms}; wait; free.  Accepts NULL.
 */
void bk_child_stop(struct bk_child *c, int grace_ms);
#define bk_child_free(c) bk_child_stop((c), 0)

/*
 * Run a tool to its end and keep its output (at most the cap of ${out}).
 * ${input} may be NULL.  Returns its exit status (0 to 255), or -1 with ${f}
 * set where it could not run, was killed, timed out or said too much.
 * ${tail} (may be NULL) gets what it said on standard error.
 */
int bk_child_capture(const struct bk_ctx *ctx, const struct bk_child_spec *spec,
    const char *input, struct bk_buf *out, struct bk_buf *tail,
    struct bk_fault *f);

#endif
