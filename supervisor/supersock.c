/*
 * The local socket: STATE/socket, one JSON object in, JSON lines out.  Who
 * may write to it may ask for a run of a job of the file and see what is due;
 * nothing else.  Its mode is 0660, its group that of the directory.
 *
 *   {"do":"backup","job":"app"}
 *	-> {"event":"started",…} when it began, {"event":"ended",…} when it ended
 *	-> {"event":"refused","status":75,"message":"…"}
 *   {"do":"status"} -> {"event":"status",…}
 *
 * A client that goes away cancels nothing.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "ledgerfile.h"
#include "super.h"
#include "when.h"

#define LINE_MAX_IN 65536
#define OUT_MAX (1 << 20)
#define REQUEST_MS 10000
#define DEAF_MS 1000			/* between tries where there is no descriptor */

static int
address(const struct bk_sup *s, struct sockaddr_un *at, struct bk_fault *f)
{
	char path[PATH_MAX];

	if (bk_ledger_path(s->jobs->state, "socket", path, f) == -1)
		return -1;
	*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at->sun_path))
		return bk_fault_set(f, BK_CONFIG, "'%s' is too long for a socket; "
		    "choose a shorter 'state'", path);
	memcpy(at->sun_path, path, strlen(path) + 1);
	return 0;
}

int
bk_sup_listen(struct bk_sup *s, struct bk_fault *f)
{
	struct sockaddr_un at;
	struct stat st;
	mode_t mask;
	int rc;

	if (address(s, &at, f) == -1)
		return -1;
	/* That of one who was killed: we hold the lock of the only one. */
	if (unlink(at.sun_path) == -1 && errno != ENOENT)
		return bk_fault_errno(f, BK_CANTCREATE, errno,
		    "cannot remove '%s'", at.sun_path);
	if ((s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0)) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot make a socket");
	mask = umask(0117);
	rc = bind(s->listener, (const struct sockaddr *)&at, sizeof(at));
	(void)umask(mask);
	if (rc == -1 || listen(s->listener, BK_SUP_CLIENTS) == -1)
		return bk_fault_errno(f, BK_CANTCREATE, errno,
		    "cannot make the socket '%s'", at.sun_path);
	if (stat(s->jobs->state, &st) == 0 &&
	    lchown(at.sun_path, (uid_t)-1, st.st_gid) == -1)
		s->ctx->log(BK_LOG_WARN, "the socket '%s' cannot be given to group "
		    "%ld: %s", at.sun_path, (long)st.st_gid, strerror(errno));
	return 0;
}

static void
client_close(struct bk_sup_client *c)
{
	(void)close(c->fd);
	bk_buf_release(&c->in);
	bk_buf_release(&c->out);
	c->fd = -1;
}

void
bk_sup_unlisten(struct bk_sup *s)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	struct sockaddr_un at;
	size_t i;

	for (i = 0; i < s->nclients; i++)
		client_close(&s->clients[i]);
	s->nclients = 0;
	if (s->listener == -1)
		return;
	(void)close(s->listener);
	s->listener = -1;
	if (address(s, &at, &quiet) == 0)
		(void)unlink(at.sun_path);
}

void
bk_sup_accept(struct bk_sup *s)
{
	struct bk_sup_client *c;
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd == -1) {
		/* Without room for a descriptor the caller waits, not we. */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			s->deaf = bk_sup_boot() + DEAF_MS;
		return;
	}
	/* Who has just gone leaves room. */
	bk_sup_clients(s);
	if (s->nclients == BK_SUP_CLIENTS) {
		(void)close(fd);
		return;
	}
	c = &s->clients[s->nclients++];
	*c = (struct bk_sup_client){ .fd = fd,
		.until = bk_sup_boot() + REQUEST_MS,
		.in = BK_BUF_INIT(LINE_MAX_IN), .out = BK_BUF_INIT(OUT_MAX) };
}

/* Send what fits; the rest goes when there is room. */
static void
flush(struct bk_sup_client *c)
{
	ssize_t n;

	while (c->fd != -1 && c->out.len > 0) {
		n = send(c->fd, c->out.p, c->out.len, MSG_NOSIGNAL);
		if (n > 0)
			bk_buf_drop(&c->out, (size_t)n);
		else if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		else
			client_close(c);
	}
	/* Its own end follows: what it still sends is read and dropped. */
	if (c->fd != -1 && c->last)
		(void)shutdown(c->fd, SHUT_WR);
}

/* Say ${o}, whose reference is taken, and hang up where that was all. */
static void
say(struct bk_sup_client *c, json_t *o, bool last)
{
	struct bk_fault f = BK_FAULT_INIT;

	if (c->fd != -1 && (o == NULL || bk_json_text(o, &c->out, &f) == -1 ||
	    bk_buf_adds(&c->out, "\n", &f) == -1))
		client_close(c);
	json_decref(o);
	if (last) {
		c->last = c->asked = true;
		c->title[0] = '\0';
		c->until = bk_sup_boot() + REQUEST_MS;
	}
	flush(c);
}

static void
refuse(struct bk_sup_client *c, int status, const char *message)
{
	/* A text that was cut may end within a character. */
	say(c, json_pack("{s:s,s:i,s:o}", "event", "refused", "status", status,
	    "message", bk_json_string(message, strlen(message))), true);
}

void
bk_sup_tell_started(struct bk_sup *s, const struct bk_sup_child *child)
{
	struct bk_sup_client *c;

	for (c = s->clients; c < s->clients + s->nclients; c++)
		if (c->title[0] != '\0' && strcmp(c->run, child->run) == 0)
			say(c, json_pack("{s:s,s:s,s:s,s:i}", "event", "started",
			    "job", child->title, "run", child->run, "pid",
			    (int)child->pid), false);
}

void
bk_sup_tell_ended(struct bk_sup *s, const struct bk_sup_child *child,
    int status, const char *outcome, const char *message)
{
	struct bk_sup_client *c;

	for (c = s->clients; c < s->clients + s->nclients; c++)
		if (c->title[0] != '\0' && strcmp(c->run, child->run) == 0)
			say(c, json_pack("{s:s,s:s,s:s,s:i,s:s,s:s}", "event",
			    "ended", "job", child->title, "run", child->run,
			    "status", status, "outcome", outcome, "message",
			    message != NULL ? message : ""), true);
}

static json_t *
status_of(struct bk_sup *s)
{
	char since[BK_TIME_LEN], when[BK_TIME_LEN];
	json_t *jobs = json_array(), *o;
	const struct bk_ledger_state *l;
	struct bk_ledger_state own;
	struct bk_due_time due;
	size_t i;

	for (i = 0; i < s->jobs->njobs; i++) {
		l = bk_sup_state(s, &s->tasks[i], &own);
		due = bk_due_next(s->due, s->tasks[i].job, l, s->ctx->now());
		o = json_pack("{s:s,s:b}", "job", s->tasks[i].job->title,
		    "running", s->tasks[i].run != NULL ||
		    s->tasks[i].other != -1);
		if (due.at != BK_DUE_NEVER)
			(void)json_object_set_new(o, "due",
			    json_string(bk_time_text(due.at, when)));
		if (json_array_append_new(jobs, o) == -1) {
			json_decref(jobs);
			return NULL;
		}
	}
	return json_pack("{s:s,s:i,s:s,s:s,s:s,s:o}", "event", "status", "pid",
	    (int)getpid(), "since", bk_time_text(s->since, since), "config",
	    s->jobs->path, "zone", bk_due_zone(s->due), "jobs", jobs);
}

/* The request of a client: one line. */
static void
request(struct bk_sup *s, struct bk_sup_client *c, const char *line, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	json_t *o = bk_json_parse(line, n, "request", &f);
	const char *what = bk_json_get_text(o, "do");
	const char *job = bk_json_get_text(o, "job");
	struct bk_sup_task *t = NULL;

	c->asked = true;
	c->until = 0;
	if (what != NULL && strcmp(what, "status") == 0)
		say(c, status_of(s), true);
	else if (what == NULL || strcmp(what, "backup") != 0 || job == NULL)
		refuse(c, BK_USAGE, o == NULL ? f.text :
		    "want {\"do\":\"backup\",\"job\":\"NAME\"} or {\"do\":\"status\"}");
	else if (bk_jobs_find(s->jobs, job, &f) == NULL ||
	    (t = bk_sup_task(s, job)) == NULL || bk_sup_ask(s, t, &f) == -1)
		refuse(c, f.status, f.text);
	else {
		memcpy(c->title, t->job->title, strlen(t->job->title) + 1);
		memcpy(c->run, t->ask, sizeof(c->run));
	}
	json_decref(o);
}

void
bk_sup_client(struct bk_sup *s, struct bk_sup_client *c, short events)
{
	struct bk_fault f = BK_FAULT_INIT;
	char piece[4096];
	const char *nl;
	ssize_t n;

	if (events & POLLOUT)
		flush(c);
	if (c->fd == -1 || !(events & (POLLIN | POLLHUP | POLLERR)))
		return;
	n = recv(c->fd, piece, sizeof(piece), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* Who waits may end its sending; gone it is with POLLHUP. */
		if (n == 0 && c->title[0] != '\0' &&
		    !(events & (POLLHUP | POLLERR)))
			c->in.max = 0;
		else
			client_close(c);
		return;
	}
	if (c->asked)
		return;
	if (bk_buf_add(&c->in, piece, (size_t)n, &f) == -1)
		refuse(c, BK_USAGE, "the request is longer than 64 KiB");
	else if ((nl = memchr(c->in.p, '\n', c->in.len)) != NULL)
		request(s, c, c->in.p, (size_t)(nl - c->in.p));
}

void
bk_sup_clients(struct bk_sup *s)
{
	int64_t now = bk_sup_boot();
	size_t i, n = 0;

	if (s->deaf > now && s->deaf < s->boot)
		s->boot = s->deaf;
	for (i = 0; i < s->nclients; i++) {
		struct bk_sup_client *c = &s->clients[i];

		if (c->fd != -1 && c->until != 0 && c->until <= now)
			client_close(c);
		if (c->fd == -1)
			continue;
		if (c->until != 0 && c->until < s->boot)
			s->boot = c->until;
		if (i != n)
			s->clients[n] = *c;
		n++;
	}
	s->nclients = n;
}
