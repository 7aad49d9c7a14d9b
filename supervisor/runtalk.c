/*
 * What the programs of a run say goes to our standard error as it comes, and
 * the last of it is remembered: the reason of a failure belongs in ledger and
 * hooks, and the stages of a pipeline write it at any time.  The thread does
 * nothing else; children are started by the main thread alone (child.h).
 */
#include <sys/ioctl.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "run.h"

#define TAIL 16384

static struct {
	pthread_mutex_t lock;
	pthread_t thread;
	int in, real;			/* reading end, the true standard error */
	char tail[TAIL];
	size_t n;
} talk = { .lock = PTHREAD_MUTEX_INITIALIZER, .in = -1, .real = -1 };

/* Take what is there; false at the end. */
static bool
take(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	char p[4096];
	ssize_t n = read(talk.in, p, sizeof(p));
	size_t over;

	if (n <= 0)
		return n == -1 && (errno == EINTR || errno == EAGAIN);
	(void)bk_write_all(talk.real, p, (size_t)n, "standard error", &f);
	if (talk.n + (size_t)n > TAIL) {
		over = talk.n + (size_t)n - TAIL;
		memmove(talk.tail, talk.tail + over, talk.n - over);
		talk.n -= over;
	}
	memcpy(talk.tail + talk.n, p, (size_t)n);
	talk.n += (size_t)n;
	return true;
}

static void *
listen_on(void *arg)
{
	struct pollfd p = { talk.in, POLLIN, 0 };
	bool more = true;

	while (more)
		if (poll(&p, 1, -1) > 0) {
			(void)pthread_mutex_lock(&talk.lock);
			/* The other side may have taken it meanwhile. */
			if (poll(&p, 1, 0) > 0)
				more = take();
			(void)pthread_mutex_unlock(&talk.lock);
		}
	return arg;
}

int
bk_run_talk(struct bk_run *r, struct bk_fault *f)
{
	int p[2], e;

	if (pipe2(p, O_CLOEXEC) == -1 ||
	    (talk.real = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) == -1 ||
	    (r->talk = fcntl(p[1], F_DUPFD_CLOEXEC, 3)) == -1 ||
	    dup2(p[1], STDERR_FILENO) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot make a pipe");
	(void)close(p[1]);
	talk.in = p[0];
	if ((e = pthread_create(&talk.thread, NULL, listen_on, NULL)) != 0) {
		(void)dup2(talk.real, STDERR_FILENO);
		talk.in = -1;
		return bk_fault_errno(f, BK_IO, e, "cannot start a thread");
	}
	return 0;
}

void
bk_run_talk_end(struct bk_run *r)
{
	int n;

	if (talk.in == -1)
		return;
	(void)dup2(talk.real, STDERR_FILENO);
	(void)close(r->talk);
	r->talk = -1;
	/* Not joined: a child that lives on may hold the pipe open. */
	(void)pthread_mutex_lock(&talk.lock);
	while (ioctl(talk.in, FIONREAD, &n) == 0 && n > 0 && take())
		;
	(void)pthread_mutex_unlock(&talk.lock);
}

/* Is ${line} of ${n} bytes said by ${prog}?  Its text to ${out}. */
static bool
said_by(const char *line, size_t n, const char *prog, struct bk_buf *out)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	const char *who, *msg;
	size_t len = strlen(prog);
	json_t *o;
	bool yes = false;

	bk_buf_reset(out);
	if (n > len + 2 && memcmp(line, prog, len) == 0 && line[len] == ':')
		return bk_buf_add(out, line, n, &quiet) == 0;
	if (line[0] != '{' || (o = bk_json_parse(line, n, "log", &quiet)) == NULL)
		return false;
	who = bk_json_get_text(o, "prog");
	msg = bk_json_get_text(o, "msg");
	if (who != NULL && msg != NULL && strcmp(who, prog) == 0)
		yes = bk_buf_addf(out, &quiet, "%s: %s", who, msg) == 0;
	json_decref(o);
	return yes;
}

void
bk_run_reason(struct bk_run *r, struct bk_fault *f)
{
	struct bk_buf line = BK_BUF_INIT(TAIL);
	struct bk_fault told = *f;
	char prog[64];
	const char *p, *slash, *end, *nl;
	size_t n;
	int left;

	n = strcspn(f->text, " ");
	for (slash = f->text + n; slash > f->text && slash[-1] != '/'; slash--)
		;
	n -= (size_t)(slash - f->text);
	if (n == 0 || n >= sizeof(prog))
		return;
	memcpy(prog, slash, n);
	prog[n] = '\0';
	(void)r;
	(void)pthread_mutex_lock(&talk.lock);
	while (talk.in != -1 && ioctl(talk.in, FIONREAD, &left) == 0 &&
	    left > 0 && take())
		;
	end = talk.tail + talk.n;
	bk_fault_clear(&told);
	for (p = talk.tail; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		if (nl > p && said_by(p, (size_t)(nl - p), prog, &line)) {
			bk_fault_clear(&told);
			(void)bk_fault_set(&told, f->status, "%s",
			    bk_buf_text(&line));
		}
	}
	(void)pthread_mutex_unlock(&talk.lock);
	if (bk_faulty(&told))
		*f = told;
	bk_buf_release(&line);
}
