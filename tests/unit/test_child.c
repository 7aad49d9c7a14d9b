#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "tap.h"

static int
collect(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static struct bk_child *
sh(const char *script, unsigned int flags, int64_t deadline)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct bk_child_spec s = { .argv = argv, .env = NULL, .cwd = NULL, .flags = flags, .deadline = deadline, .in = -1 };
	struct bk_fault f = BK_FAULT_INIT;

	return bk_child_start(&tap_ctx, &s, &f);
}

static void
statuses(void)
{
	static const struct {
		const char *script, *text;
		int status;
	} cases[] = {
		{ "exit 0", "", 0 },
		{ "exit 3", "'sh' exited 3", BK_DATA },
		{ "echo 'x: error: no room' >&2; echo detail >&2; exit 1",
		    "'sh' exited 1: x: error: no room", BK_DATA },
		{ "echo first >&2; echo last >&2; exit 2",
		    "'sh' exited 2: last", BK_DATA },
		{ "kill -9 $$", "'sh' was killed by signal 9 (Killed)", BK_DATA },
	};
	struct bk_fault f;
	struct bk_child *c;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bk_fault_clear(&f);
		c = sh(cases[i].script, 0, 0);
		ok_int(bk_child_finish(c, NULL, NULL, &f),
		    cases[i].status == 0 ? 0 : -1, cases[i].script);
		ok_int(f.status, cases[i].status, "its status");
		ok_text(f.text, cases[i].text, "its text");
		bk_child_free(c);
	}
}

static void
filter_both_ways(void)
{
	struct bk_buf out = BK_BUF_INIT(64 << 20);
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_child *c = sh("cat", BK_CHILD_IN | BK_CHILD_OUT, 0);
	static char piece[1 << 20];
	size_t i;
	int rc = 0;

	memset(piece, 'x', sizeof(piece));
	/* More than all pipes hold: only reading meanwhile lets it end. */
	for (i = 0; i < 8 && rc == 0; i++)
		rc = bk_child_write(c, piece, sizeof(piece), collect, &out, &f);
	ok_int(rc, 0, "writing 8 MiB through cat");
	ok_int(bk_child_finish(c, collect, &out, &f), 0, "finish");
	ok_int(out.len, 8 << 20, "all came back");
	bk_child_free(c);
	bk_buf_release(&out);
}

static void
early_end(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_child *c = sh("exit 0", BK_CHILD_IN, 0);
	static char piece[4 << 20];

	ok_int(bk_child_write(c, piece, sizeof(piece), NULL, NULL, &f), -1,
	    "a child that stops reading");
	ok_int(f.status, BK_DATA, "is bad data");
	ok_text(f.text, "'sh' stopped reading while input remained", "text");
	bk_child_free(c);

	/* Few bytes, all of which the pipe takes. */
	bk_fault_clear(&f);
	c = sh("head -c 10 >/dev/null", BK_CHILD_IN, 0);
	ok_int(bk_child_write(c, piece, 100000, NULL, NULL, &f), 0, "into the pipe");
	ok_int(bk_child_finish(c, NULL, NULL, &f), -1, "bytes left in the pipe");
	ok_text(f.text, "'sh' stopped reading while input remained", "text");
	bk_child_free(c);

	bk_fault_clear(&f);
	c = sh("echo 'ERROR: no' >&2; exit 3", BK_CHILD_IN, 0);
	ok_int(bk_child_write(c, piece, sizeof(piece), NULL, NULL, &f), -1,
	    "one that fails early");
	ok_text(f.text, "'sh' exited 3: ERROR: no", "tells its own reason");
	bk_child_free(c);
}

static void
deadline(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_child *c;
	char b[16];
	int64_t t = tap_ctx.mono();
	pid_t pid;

	c = sh("exec sleep 60", BK_CHILD_OUT, t + 100);
	pid = bk_child_pid(c);
	ok_int(bk_child_read(c, b, sizeof(b), &f), -1, "a silent child");
	ok_int(f.status, BK_DATA, "times out as 65");
	ok_text(f.text, "timeout", "reason");
	bk_child_stop(c, 1000);
	ok(kill(pid, 0) == -1, "is gone after stop");
	ok(tap_ctx.mono() - t < 5000, "TERM was enough");

	bk_fault_clear(&f);
	c = sh("exec >&-; exec sleep 60", BK_CHILD_OUT, tap_ctx.mono() + 100);
	ok_int(bk_child_finish(c, NULL, NULL, &f), -1, "output closed, still there");
	ok_text(f.text, "timeout", "times out too");
	bk_child_stop(c, 1);
}

static void
surroundings(void)
{
	static const char *const add[] = { "EXTRA=1", NULL };
	const char *argv[] = { "sh", "-c",
	    "ls /proc/self/fd | tr '\\n' ' '; pwd; env; ulimit -c", NULL };
	struct bk_child_spec s = { .argv = argv, .env = add, .cwd = "/usr", .flags = 0, .deadline = 0, .in = -1 };
	struct bk_buf out = BK_BUF_INIT(65536);
	struct bk_fault f = BK_FAULT_INIT;
	const char *t;

	setenv("SECRET_CANARY", "hunter2", 1);
	tap_ctx.vars = environ;
	ok_int(bk_child_capture(&tap_ctx, &s, NULL, &out, NULL, &f), 0, "capture");
	t = bk_buf_text(&out);
	ok(strncmp(t, "0 1 2 3 /usr\n", 13) == 0, "descriptors 0-2 (3 is ls's), directory");
	ok(strstr(t, "\nEXTRA=1\n") != NULL, "what was added");
	ok(strstr(t, "LC_ALL=C.UTF-8\n") != NULL, "the locale");
	ok(strstr(t, "SECRET_CANARY") == NULL, "not ours");
	s.flags = BK_CHILD_FULLENV;
	bk_buf_reset(&out);
	ok_int(bk_child_capture(&tap_ctx, &s, NULL, &out, NULL, &f), 0, "capture");
	ok(strstr(bk_buf_text(&out), "SECRET_CANARY=hunter2\n") != NULL,
	    "ours where asked for");
	bk_buf_release(&out);
}

static void
capturing(void)
{
	const char *argv[] = { "sh", "-c", "cat; echo talk >&2; exit 4", NULL };
	const char *flood[] = { "sh", "-c", "yes", NULL };
	const char *none[] = { "no-such-program-here", NULL };
	struct bk_child_spec s = { .argv = argv, .env = NULL, .cwd = NULL, .flags = 0, .deadline = 0, .in = -1 };
	struct bk_buf out = BK_BUF_INIT(4096), tail = BK_BUF_INIT(65536);
	struct bk_fault f = BK_FAULT_INIT;

	ok_int(bk_child_capture(&tap_ctx, &s, "hello", &out, &tail, &f), 4,
	    "the exit status is the answer");
	ok_text(bk_buf_text(&out), "hello", "output");
	ok_text(bk_buf_text(&tail), "talk\n", "talk");
	ok_int(f.status, 0, "no fault");
	s.argv = flood;
	bk_buf_reset(&out);
	ok_int(bk_child_capture(&tap_ctx, &s, NULL, &out, NULL, &f), -1,
	    "too much output is a fault, not for ever");
	bk_fault_clear(&f);
	s.argv = none;
	ok_int(bk_child_capture(&tap_ctx, &s, NULL, &out, NULL, &f), -1, "no tool");
	ok_int(f.status, BK_UNAVAILABLE, "69");
	ok(strstr(f.text, "'no-such-program-here'") != NULL, "named");
	bk_buf_release(&out);
	bk_buf_release(&tail);
}

/* Nothing outlives its parent, however that one died. */
static void
parent_death(void)
{
	struct bk_child *c;
	int p[2], status;
	char b;
	pid_t pid;

	if (pipe(p) == -1)
		abort();
	if ((pid = fork()) == 0) {
		const char *argv[] = { "sh", "-c", "echo x; exec sleep 600", NULL };
		struct bk_child_spec s = { .argv = argv,
			.flags = BK_CHILD_INHERIT_OUT, .in = -1 };
		struct bk_fault f = BK_FAULT_INIT;

		dup2(p[1], STDOUT_FILENO);
		close(p[0]);
		close(p[1]);
		c = bk_child_start(&tap_ctx, &s, &f);
		(void)c;
		pause();
		_exit(0);
	}
	close(p[1]);
	ok_int(read(p[0], &b, 1), 1, "the grandchild runs");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	while (read(p[0], &b, 1) == 1)
		;
	ok(1, "its end of the pipe closed when its parent was killed");
	close(p[0]);
}

static void
tail_is_bounded(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_child *c = sh("i=0; while [ $i -lt 3000 ]; do "
	    "echo line $i >&2; i=$((i+1)); done", 0, 0);
	const char *t;

	ok_int(bk_child_finish(c, NULL, NULL, &f), 0, "a talkative child");
	t = bk_child_tail(c);
	ok(strlen(t) <= BK_TAIL_MAX, "8 KiB are kept");
	ok(strstr(t, "line 2999\n") != NULL, "the last ones");
	bk_child_free(c);
}

static long late_lines;
static int64_t late_from;

/* A log slower than the child talks; one that goes on far too long is killed. */
static void
slow_log(enum bk_level level, const char *fmt, ...)
{
	int64_t until = tap_ctx.mono() + 1;

	(void)level;
	(void)fmt;
	if (until > late_from && ++late_lines > 6 * BK_TAIL_MAX)
		_exit(1);
	while (late_lines % 64 == 0 && tap_ctx.mono() < until)
		;
}

static void
endless_talk(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_ctx ctx = tap_ctx;
	const char *argv[] = { "sh", "-c", "yes x >&2 & exec yes x >&2", NULL };
	struct bk_child_spec s = { .argv = argv, .in = -1 };
	struct bk_child *c;

	ctx.log = slow_log;
	s.deadline = late_from = tap_ctx.mono() + 50;
	c = bk_child_start(&ctx, &s, &f);
	ok_int(bk_child_finish(c, NULL, NULL, &f), -1, "one that talks for ever");
	ok_text(f.text, "timeout", "has a deadline too");
	bk_child_stop(c, 0);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	statuses();
	filter_both_ways();
	early_end();
	deadline();
	surroundings();
	capturing();
	parent_death();
	tail_is_bounded();
	endless_talk();
	return done();
}
