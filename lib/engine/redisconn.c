/*
 * A client of Redis' protocol, RESP2 (redis.io, "Redis serialization protocol
 * specification"): TCP, TLS and unix sockets, login by AUTH.
 *
 * Why not redis-cli: it takes a password on its command line, in its
 * environment or from a terminal only, and our password goes to no child's
 * environment.  Nothing is sent before the login, and nothing is pipelined.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "redistls.h"

#define IN_SIZE (256 * 1024)
#define LINE_MAX_BYTES (64 * 1024)
#define ITEMS_MAX 1024
#define SILENCE_MS (60 * 1000)
#define CONNECT_MS (15 * 1000)

struct bk_redis {
	const struct bk_ctx *ctx;
	int64_t deadline;
	bool patient;
	int fd;
	struct bk_redis_tls *tls;	/* NULL: plain */
	char name[400];
	uint8_t *in;
	size_t at, len;			/* unread: in[at..len) */
};

int
bk_redis_at_parse(const char *text, struct bk_redis_at *at, struct bk_fault *f)
{
	const char *host = strrchr(text, '@'), *colon;
	size_t n;
	long long port;

	if (text[0] == '/') {
		if (strlen(text) >= sizeof(at->socket))
			return bk_fault_set(f, BK_USAGE,
			    "'%s' is too long for a socket", text);
		memcpy(at->socket, text, strlen(text) + 1);
		return 0;
	}
	if (host != NULL) {
		n = (size_t)(host - text);
		if (n == 0 || n >= sizeof(at->user) ||
		    memchr(text, ':', n) != NULL)
			return bk_fault_set(f, BK_USAGE,
			    "server: want [USER@]HOST[:PORT] and no password; ?password-file= takes one");
		memcpy(at->user, text, n);
		at->user[n] = '\0';
		text = host + 1;
	}
	at->port = BK_REDIS_PORT;
	colon = strrchr(text, ':');
	/* "[::1]:6379", "::1", "host:6379" */
	if (colon != NULL && (text[0] == '[' ? colon[-1] == ']' :
	    strchr(text, ':') == colon)) {
		if (bk_number_parse("server's port", colon + 1, 1, 65535, &port,
		    f) == -1)
			return -1;
		at->port = (int)port;
	} else
		colon = text + strlen(text);
	if (text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
		text++;
		colon--;
	}
	n = (size_t)(colon - text);
	if (n == 0 || n >= sizeof(at->host))
		return bk_fault_set(f, BK_USAGE,
		    "server '%.300s': want [USER@]HOST[:PORT] or /SOCKET", text);
	memcpy(at->host, text, n);
	at->host[n] = '\0';
	return 0;
}

const char *
bk_redis_name(const struct bk_redis *c)
{
	return c->name;
}

void
bk_redis_patient(struct bk_redis *c, bool patient)
{
	c->patient = patient;
}

/* Wait for ${events}; 0, or -1: 65 timeout, 69 silent for too long. */
static int
wait_for(struct bk_redis *c, short events, int64_t most, struct bk_fault *f)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int64_t now = c->ctx->mono(), until = now + most;
	int rc;

	if (c->deadline != 0 && (c->patient || c->deadline < until))
		until = c->deadline;
	do {
		now = c->ctx->mono();
		if (now >= until)
			return c->deadline != 0 && now >= c->deadline ?
			    bk_fault_set(f, BK_DATA, "timeout") :
			    bk_fault_set(f, BK_UNAVAILABLE,
			    "'%s' says nothing for %lld s", c->name,
			    (long long)(most / 1000));
		rc = poll(&p, 1, until - now < 60000 ? (int)(until - now) :
		    60000);
	} while (rc == 0 || (rc == -1 && errno == EINTR));
	if (rc == -1)
		return bk_fault_errno(f, BK_IO, errno, "poll");
	return 0;
}

static int
open_socket(struct bk_redis *c, int family, const struct sockaddr *a,
    socklen_t n, struct bk_fault *f)
{
	socklen_t size = sizeof(int);
	int err = 0;

	c->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd == -1)
		return bk_fault_errno(f, BK_IO, errno, "socket");
	if (connect(c->fd, a, n) == 0)
		return 0;
	if (errno == EINPROGRESS) {
		if (wait_for(c, POLLOUT, CONNECT_MS, f) == -1)
			return -1;
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &size) == 0 &&
		    err == 0)
			return 0;
	} else
		err = errno;
	return bk_fault_errno(f, err == EACCES ? BK_NOPERM : BK_UNAVAILABLE,
	    err, "cannot connect to '%s'", c->name);
}

static int
open_tcp(struct bk_redis *c, const struct bk_redis_at *at, struct bk_fault *f)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	struct bk_fault own = BK_FAULT_INIT;
	char port[16];
	int rc;

	snprintf(port, sizeof(port), "%d", at->port);
	if ((rc = getaddrinfo(at->host, port, &hints, &list)) != 0)
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "cannot find '%s': %s", at->host, gai_strerror(rc));
	rc = -1;
	for (a = list; a != NULL && rc == -1; a = a->ai_next) {
		bk_fault_clear(&own);
		if (c->fd != -1)
			close(c->fd);
		c->fd = -1;
		rc = open_socket(c, a->ai_family, a->ai_addr, a->ai_addrlen,
		    &own);
	}
	freeaddrinfo(list);
	if (rc == -1)
		*f = own;
	return rc;
}

static int
open_unix(struct bk_redis *c, const struct bk_redis_at *at, struct bk_fault *f)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memcpy(un.sun_path, at->socket, sizeof(un.sun_path));
	return open_socket(c, AF_UNIX, (const struct sockaddr *)&un, sizeof(un),
	    f);
}

/* A connection without login.  NULL with ${f} set. */
static struct bk_redis *
reach(const struct bk_ctx *ctx, const struct bk_redis_at *at, int64_t deadline,
    struct bk_fault *f)
{
	struct bk_redis *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->in = malloc(IN_SIZE)) == NULL) {
		free(c);
		bk_fault_errno(f, BK_IO, ENOMEM, "redis");
		return NULL;
	}
	c->ctx = ctx;
	c->deadline = deadline;
	c->fd = -1;
	if (at->socket[0] != '\0')
		snprintf(c->name, sizeof(c->name), "%s", at->socket);
	else
		snprintf(c->name, sizeof(c->name), "%s:%d", at->host, at->port);
	if ((at->socket[0] != '\0' ? open_unix(c, at, f) :
	    open_tcp(c, at, f)) == 0)
		return c;
	bk_redis_free(c);
	return NULL;
}

int
bk_redis_listens(const struct bk_ctx *ctx, const struct bk_redis_at *at,
    struct bk_fault *f)
{
	struct bk_fault own = BK_FAULT_INIT;
	struct bk_redis *c = reach(ctx, at, 0, &own);

	bk_redis_free(c);
	if (c != NULL)
		return 0;
	if (own.err == ECONNREFUSED || own.err == ENOENT)
		return 1;
	*f = own;
	return -1;
}

static int
login(struct bk_redis *c, const struct bk_redis_at *at, const struct bk_buf *pw,
    struct bk_fault *f)
{
	const char *argv[4] = { "AUTH", NULL, NULL, NULL };
	struct bk_buf said = BK_BUF_INIT(LINE_MAX_BYTES);
	size_t n = 1;
	int rc;

	if (at->user[0] == '\0' && pw->len == 0)
		return 0;
	if (at->user[0] != '\0')
		argv[n++] = at->user;
	argv[n] = bk_buf_text(pw);
	rc = bk_redis_ask(c, argv, &said, f);
	if (rc == BK_REDIS_REFUSED)
		bk_fault_set(f, BK_NOPERM, "'%s' refuses the login: %s", c->name,
		    bk_buf_text(&said));
	bk_buf_release(&said);
	return rc == 0 ? 0 : -1;
}

void
bk_redis_free(struct bk_redis *c)
{
	if (c == NULL)
		return;
	bk_redis_tls_free(c->tls);
	if (c->fd != -1)
		close(c->fd);
	free(c->in);
	free(c);
}

/* Wait for what TLS wants.  0, or -1 with ${f} set. */
static int
wait_tls(struct bk_redis *c, ssize_t want, int64_t most, struct bk_fault *f)
{
	return wait_for(c, want == BK_TLS_WANT_WRITE ? POLLOUT : POLLIN, most,
	    f);
}

static int
begin_tls(struct bk_redis *c, const struct bk_redis_at *at, struct bk_fault *f)
{
	ssize_t n;

	if ((c->tls = bk_redis_tls_new(c->fd, at, f)) == NULL)
		return -1;
	while ((n = bk_redis_tls_begin(c->tls, c->name, f)) <= 0) {
		if (n == 0)
			return bk_fault_set(f, BK_UNAVAILABLE,
			    "'%s' has closed the connection", c->name);
		if (n == -1 || wait_tls(c, n, CONNECT_MS, f) == -1)
			return -1;
	}
	return 0;
}

struct bk_redis *
bk_redis_connect(const struct bk_ctx *ctx, const struct bk_redis_at *at,
    const struct bk_buf *pw, int64_t deadline, struct bk_fault *f)
{
	struct bk_redis *c = reach(ctx, at, deadline, f);

	if (c != NULL && (!at->tls || begin_tls(c, at, f) == 0) &&
	    login(c, at, pw, f) == 0)
		return c;
	bk_redis_free(c);
	return NULL;
}

/* Some bytes into the buffer; 0 at the end, or -1 with ${f} set. */
static ssize_t
read_some(struct bk_redis *c, struct bk_fault *f)
{
	ssize_t n;

	for (;;) {
		if (c->tls != NULL) {
			/* It may hold bytes that poll does not know of. */
			n = bk_redis_tls_read(c->tls, c->in, IN_SIZE, c->name,
			    f);
			if (n >= -1)
				return n;
			if (wait_tls(c, n, SILENCE_MS, f) == -1)
				return -1;
			continue;
		}
		if (wait_for(c, POLLIN, SILENCE_MS, f) == -1)
			return -1;
		n = read(c->fd, c->in, IN_SIZE);
		if (n >= 0)
			return n;
		if (errno != EINTR && errno != EAGAIN)
			return bk_fault_errno(f, BK_UNAVAILABLE, errno,
			    "cannot read from '%s'", c->name);
	}
}

/* Have something unread.  0, or -1 with ${f} set. */
static int
fill(struct bk_redis *c, struct bk_fault *f)
{
	ssize_t n;

	if (c->at < c->len)
		return 0;
	if ((n = read_some(c, f)) == -1)
		return -1;
	if (n == 0)
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "'%s' has closed the connection", c->name);
	c->at = 0;
	c->len = (size_t)n;
	return 0;
}

int
bk_redis_bytes(struct bk_redis *c, uint64_t max, const void **p, size_t *n,
    struct bk_fault *f)
{
	if (fill(c, f) == -1)
		return -1;
	*p = c->in + c->at;
	*n = c->len - c->at;
	if (*n > max)
		*n = (size_t)max;
	c->at += *n;
	return 0;
}

int
bk_redis_line(struct bk_redis *c, struct bk_buf *line, struct bk_fault *f)
{
	const uint8_t *start, *end;
	size_t n;

	for (;;) {
		if (fill(c, f) == -1)
			return -1;
		start = c->in + c->at;
		n = c->len - c->at;
		if ((end = memchr(start, '\n', n)) != NULL)
			n = (size_t)(end - start) + 1;
		if (bk_buf_add(line, start, n, f) == -1)
			return -1;
		c->at += n;
		if (end != NULL)
			break;
	}
	line->len--;
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	line->p[line->len] = '\0';
	return 0;
}

static int
write_out(struct bk_redis *c, const struct bk_buf *b, struct bk_fault *f)
{
	size_t done = 0;
	ssize_t n;

	while (done < b->len) {
		if (c->tls != NULL) {
			n = bk_redis_tls_write(c->tls, b->p + done,
			    b->len - done, c->name, f);
			if (n == -1 || (n < -1 &&
			    wait_tls(c, n, SILENCE_MS, f) == -1))
				return -1;
			if (n == 0)
				return bk_fault_set(f, BK_UNAVAILABLE,
				    "'%s' has closed the connection", c->name);
			done += n > 0 ? (size_t)n : 0;
			continue;
		}
		if (wait_for(c, POLLOUT, SILENCE_MS, f) == -1)
			return -1;
		n = send(c->fd, b->p + done, b->len - done, MSG_NOSIGNAL);
		if (n > 0)
			done += (size_t)n;
		else if (n == -1 && errno != EINTR && errno != EAGAIN)
			return bk_fault_errno(f, BK_UNAVAILABLE, errno,
			    "cannot write to '%s'", c->name);
	}
	return 0;
}

int
bk_redis_send(struct bk_redis *c, const char *const *argv, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(LINE_MAX_BYTES);
	size_t i, n = 0;
	int rc;

	while (argv[n] != NULL)
		n++;
	rc = bk_buf_addf(&b, f, "*%zu\r\n", n);
	for (i = 0; i < n && rc == 0; i++)
		rc = bk_buf_addf(&b, f, "$%zu\r\n%s\r\n", strlen(argv[i]),
		    argv[i]);
	if (rc == 0)
		rc = write_out(c, &b, f);
	bk_buf_wipe(&b);		/* AUTH's password */
	return rc;
}

static int
strange(const struct bk_redis *c, struct bk_fault *f)
{
	return bk_fault_set(f, BK_UNAVAILABLE,
	    "'%s' does not answer as a Redis server does", c->name);
}

/* ${n} bytes and the end of the line behind them. */
static int
read_bulk(struct bk_redis *c, long long n, struct bk_buf *out,
    struct bk_fault *f)
{
	struct bk_buf rest = BK_BUF_INIT(16);
	const void *p;
	size_t got;
	int rc = 0;

	while (n > 0 && rc == 0) {
		if ((rc = bk_redis_bytes(c, (uint64_t)n, &p, &got, f)) == 0) {
			rc = bk_buf_add(out, p, got, f);
			n -= (long long)got;
		}
	}
	if (rc == 0 && (rc = bk_redis_line(c, &rest, f)) == 0 && rest.len != 0)
		rc = strange(c, f);
	bk_buf_release(&rest);
	return rc;
}

static int
read_reply(struct bk_redis *c, int depth, struct bk_buf *out,
    struct bk_fault *f)
{
	struct bk_buf line = BK_BUF_INIT(LINE_MAX_BYTES);
	struct bk_fault own = BK_FAULT_INIT;
	const char *rest;
	long long n = 0, i;
	int rc;

	if ((rc = bk_redis_line(c, &line, f)) == -1)
		goto out;
	rest = line.len > 0 ? line.p + 1 : "";
	rc = -1;
	switch (line.len > 0 ? line.p[0] : '\0') {
	case '-':
		rc = bk_buf_adds(out, rest, f) == 0 ? BK_REDIS_REFUSED : -1;
		break;
	case '+':
	case ':':
		rc = bk_buf_adds(out, rest, f);
		break;
	case '$':
	case '*':
		if (strcmp(rest, "-1") == 0) {
			rc = 0;
			break;
		}
		if (bk_number_parse("length", rest, 0, line.p[0] == '$' ?
		    (long long)out->max : ITEMS_MAX, &n, &own) == -1 ||
		    depth > 2) {
			strange(c, f);
			break;
		}
		rc = 0;
		if (line.p[0] == '$')
			rc = read_bulk(c, n, out, f);
		else
			for (i = 0; i < n && rc != -1; i++) {
				rc = i > 0 ? bk_buf_adds(out, "\n", f) : 0;
				if (rc == 0)
					rc = read_reply(c, depth + 1, out, f);
			}
		break;
	default:
		strange(c, f);
	}
out:
	bk_buf_release(&line);
	return rc;
}

int
bk_redis_ask(struct bk_redis *c, const char *const *argv, struct bk_buf *reply,
    struct bk_fault *f)
{
	bk_buf_reset(reply);
	if (bk_redis_send(c, argv, f) == -1)
		return -1;
	return read_reply(c, 0, reply, f);
}

int
bk_redis_refused(const struct bk_redis *c, const char *command,
    const char *said, struct bk_fault *f)
{
	static const struct {
		const char *word;
		int status;
	} kinds[] = {
		{ "NOAUTH", BK_NOPERM }, { "WRONGPASS", BK_NOPERM },
		{ "DENIED", BK_NOPERM }, { "NOPERM", BK_NOPERM },
	};
	int status = BK_UNAVAILABLE;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(said, kinds[i].word, strlen(kinds[i].word)) == 0)
			status = kinds[i].status;
	if (strncmp(said, "NOPERM", 6) == 0)
		return bk_fault_set(f, status,
		    "'%s' refuses %s: %s; ACL SETUSER NAME +%s grants it", c->name,
		    command, said, command);
	return bk_fault_set(f, status, "'%s' refuses %s: %s", c->name, command,
	    said);
}

int
bk_redis_do(struct bk_redis *c, const char *command, const char *a,
    const char *b, struct bk_buf *reply, struct bk_fault *f)
{
	const char *argv[] = { command, a, a != NULL ? b : NULL, NULL };
	int rc = bk_redis_ask(c, argv, reply, f);

	return rc == BK_REDIS_REFUSED ? bk_redis_refused(c, command,
	    bk_buf_text(reply), f) : rc;
}
