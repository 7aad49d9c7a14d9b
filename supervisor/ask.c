/*
 * The socket is not blocking: a supervisor that is stopped may hang neither
 * connect nor write nor read.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "json.h"

/* The address of the socket; 78 for a path that does not fit. */
static int
address(const char *state, struct sockaddr_un *sa, struct bk_fault *f)
{
	int n;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "%s/%s", state,
	    BK_ASK_SOCKET);
	if (n > 0 && (size_t)n < sizeof(sa->sun_path))
		return 0;
	return bk_fault_set(f, BK_CONFIG, "the state directory '%s' has too long "
	    "a path for a socket", state);
}

int
bk_ask_open(struct bk_ask *a, const char *state, const json_t *what,
    struct bk_fault *f)
{
	struct bk_buf line = BK_BUF_INIT(BK_ASK_LINE);
	struct sockaddr_un sa;
	int rc = -1;

	if (address(state, &sa, f) == -1)
		return -1;
	if ((a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0)) == -1)
		return bk_fault_errno(f, 0, errno, "cannot make a socket");
	if (connect(a->fd, (const struct sockaddr *)&sa, sizeof(sa)) == -1) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return BK_ASK_ALONE;
		return bk_fault_errno(f, errno == EACCES || errno == EPERM ?
		    BK_NOPERM : BK_UNAVAILABLE, errno,
		    "cannot speak to the supervisor at '%s'", sa.sun_path);
	}
	/* A line fits the buffer of a new socket: it goes as a whole. */
	if (bk_json_text(what, &line, f) == 0 && bk_buf_adds(&line, "\n", f) == 0) {
		if (send(a->fd, line.p, line.len, MSG_NOSIGNAL) ==
		    (ssize_t)line.len)
			rc = 0;
		else
			(void)bk_fault_errno(f, BK_UNAVAILABLE, errno,
			    "the supervisor does not listen");
	}
	bk_buf_release(&line);
	return rc;
}

void
bk_ask_release(struct bk_ask *a)
{
	if (a->fd != -1)
		(void)close(a->fd);
	a->fd = -1;
	bk_buf_release(&a->in);
}

/* Wait for more and take it: 0, BK_ASK_TIMEOUT, -1. */
static int
more(struct bk_ask *a, const struct bk_ctx *ctx, int64_t until,
    struct bk_fault *f)
{
	struct pollfd p = { a->fd, POLLIN, 0 };
	int64_t left = until != 0 ? until - ctx->mono() : -1;
	ssize_t n;

	if (until != 0 && left <= 0)
		return BK_ASK_TIMEOUT;
	n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
	if (n == 0 || (n == -1 && errno == EINTR))
		return 0;
	if (a->in.len == a->in.max)
		return bk_fault_set(f, BK_DATA, "the supervisor sent a line of "
		    "more than %d bytes", BK_ASK_LINE);
	n = (ssize_t)(a->in.max - a->in.len < 4096 ? a->in.max - a->in.len : 4096);
	if (bk_buf_need(&a->in, (size_t)n, f) == -1)
		return -1;
	n = read(a->fd, a->in.p + a->in.len, (size_t)n);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "the supervisor went away");
	a->in.len += (size_t)n;
	a->in.p[a->in.len] = '\0';
	return 0;
}

int
bk_ask_next(struct bk_ask *a, const struct bk_ctx *ctx, int64_t until,
    json_t **o, struct bk_fault *f)
{
	const char *nl = NULL;
	size_t n;
	int rc = 0;

	while (rc == 0 && (a->in.len == 0 ||
	    (nl = memchr(a->in.p, '\n', a->in.len)) == NULL))
		rc = more(a, ctx, until, f);
	if (rc != 0)
		return rc;
	n = (size_t)(nl - a->in.p);
	*o = bk_json_parse(a->in.p, n, "the supervisor's answer", f);
	bk_buf_drop(&a->in, n + 1);
	return *o != NULL ? 0 : -1;
}
