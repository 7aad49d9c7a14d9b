/*
 * Facts (documentation of PostgreSQL 9.6 to 17, libpq, "Asynchronous Command
 * Processing", "Functions Associated with the COPY Command", and "Streaming
 * Replication Protocol"): with replication=true only the commands of that
 * protocol are understood; a password file is searched for the database
 * "replication"; pg_hba.conf wants an entry for the database "replication".
 * A server before 10 does not know SHOW in this mode.
 *
 * What an empty value in a connection string cannot do is hide a service
 * (PGSERVICE), which is one of the variables that may be known.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "pgrepl.h"
#include "tool.h"

#define CONNECT_MS (15 * 1000)
#define CONNECT_MAX (60 * 60)

static const struct {
	const char *said;
	int status;
	const char *remedy;		/* one %s: the role; or NULL */
} meanings[] = {
	{ "for replication connection", BK_NOPERM, "a line such as 'host "
	    "replication %s ADDRESS scram-sha-256' in pg_hba.conf, and reload" },
	{ "must be superuser or replication role", BK_NOPERM,
	    "ALTER ROLE %s REPLICATION" },
	{ "permission denied to start WAL sender", BK_NOPERM,
	    "ALTER ROLE %s REPLICATION" },
	{ "exceeds max_wal_senders (currently 0)", BK_CONFIG,
	    "max_wal_senders = 10 and wal_level = replica, and restart" },
	{ "max_wal_senders", BK_UNAVAILABLE,
	    "a greater max_wal_senders, and restart" },
	{ "WAL level not sufficient", BK_CONFIG,
	    "wal_level = replica, and restart" },
	{ "full_page_writes=off", BK_CONFIG,
	    "full_page_writes = on at the primary" },
	{ "standby was promoted", BK_DATA, NULL },
	{ "checksum verification failure", BK_DATA, NULL },
};

/*
 * The line of a message that tells: the first from the server, else the first
 * that is not blank.
 */
static void
reason(const char *said, char *out, size_t size)
{
	const char *p, *best = NULL;
	size_t n;

	out[0] = '\0';
	for (p = said; *p != '\0'; p += n + (p[n] != '\0')) {
		n = strcspn(p, "\n");
		if (n == 0)
			continue;
		if (best == NULL)
			best = p;
		if (memmem(p, n, "FATAL: ", 7) != NULL ||
		    memmem(p, n, "ERROR: ", 7) != NULL) {
			best = p;
			break;
		}
	}
	if (best != NULL)
		snprintf(out, size, "%.*s", (int)strcspn(best, "\n"), best);
}

/* Set ${f} to what libpq said of a failure. */
static int
failed(const struct bk_pgrepl *r, const char *said, struct bk_fault *f)
{
	const char *user = r->conn != NULL ? PQuser(r->conn) : NULL;
	char why[960], what[600], remedy[256];
	size_t i;

	reason(said, what, sizeof(what));
	if (what[0] == '\0')
		snprintf(what, sizeof(what), "the server ended the connection");
	/* What libpq says of a login names the server. */
	snprintf(why, sizeof(why), "%s%s%s", strncmp(what, "connection to ", 14)
	    == 0 ? "" : r->where, strncmp(what, "connection to ", 14) == 0 ? "" :
	    ": ", what);
	for (i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (strstr(said, meanings[i].said) == NULL)
			continue;
		if (meanings[i].remedy == NULL)
			return bk_fault_set(f, meanings[i].status, "%s", why);
		snprintf(remedy, sizeof(remedy), meanings[i].remedy,
		    user != NULL && user[0] != '\0' ? user : "the role");
		return bk_fault_set(f, r->data ? BK_DATA : meanings[i].status,
		    "%s; remedy: %s", why, remedy);
	}
	return bk_fault_set(f, r->data ? BK_DATA : bk_pg_class(said,
	    BK_UNAVAILABLE), "%s", why);
}

/* Wait for the socket.  0; 1 past ${limit}; -1 past the deadline, or stop. */
static int
wait_socket(const struct bk_pgrepl *r, short events, int64_t limit,
    struct bk_fault *f)
{
	struct pollfd p[2] = { { PQsocket(r->conn), events, 0 },
		{ r->ctx->stop > 2 ? r->ctx->stop : -1, POLLIN, 0 } };
	int64_t now, until = r->deadline, left;

	if (limit != 0 && (until == 0 || limit < until))
		until = limit;
	for (;;) {
		now = r->ctx->mono();
		if (until != 0 && now >= until)
			return until == limit ? 1 :
			    bk_fault_set(f, BK_DATA, "timeout");
		left = until == 0 || until - now > 60000 ? 60000 : until - now;
		if (poll(p, 2, (int)left) == -1 && errno != EINTR)
			return bk_fault_errno(f, BK_IO, errno, "poll");
		if (p[1].revents != 0 && bk_stop_take(r->ctx))
			return bk_fault_set(f, BK_DATA, "stopped");
		if (p[0].revents != 0)
			return 0;
	}
}

static bool
may_know(const char *name, size_t n)
{
	const char *const *v;

	for (v = bk_pg_variables; *v != NULL; v++)
		if (strlen(*v) == n && memcmp(*v, name, n) == 0)
			return true;
	return n == 10 && memcmp(name, "PGPASSFILE", 10) == 0;
}

/* Take away what libpq must not read (pgrepl.h). */
static void
clear_env(const struct bk_ctx *ctx)
{
	char name[64], **v = ctx->vars;
	size_t i = 0, n;

	while (v != NULL && v[i] != NULL)
		i++;
	/* From the end, since unsetenv moves up what is behind. */
	for (; i > 0; i--) {
		n = strcspn(v[i - 1], "=");
		if (strncmp(v[i - 1], "PG", 2) != 0 || n >= sizeof(name) ||
		    may_know(v[i - 1], n))
			continue;
		memcpy(name, v[i - 1], n);
		name[n] = '\0';
		(void)unsetenv(name);
	}
}

/* The connection string, with the password where there is one. */
static int
conninfo(const struct bk_pgrepl *r, const struct bk_uri *uri,
    const char *source_env, struct bk_buf *b, struct bk_fault *f)
{
	struct bk_buf pw = BK_BUF_INIT(BK_PG_PATH + 1);
	int rc;

	rc = bk_tool_password(r->ctx, uri, source_env, "PGPASSWORD", &pw, f);
	if (rc != -1)
		rc = bk_pg_conninfo(r->ctx, uri, "replication", b, f) == -1 ||
		    bk_buf_adds(b, " replication=true application_name=bk"
		    " client_encoding=UTF8", f) == -1 ||
		    bk_pg_conn_word(b, "password", rc == BK_NO_PASSWORD ? NULL :
		    bk_buf_text(&pw), f) == -1 ? -1 : 0;
	bk_buf_wipe(&pw);
	return rc;
}

static int
log_in(struct bk_pgrepl *r, struct bk_fault *f)
{
	const char *given = r->ctx->env("PGCONNECT_TIMEOUT");
	long seconds = given != NULL ? strtol(given, NULL, 10) : 0;
	int64_t limit = r->ctx->mono() + (seconds > 0 && seconds < CONNECT_MAX ?
	    seconds * 1000 : CONNECT_MS);
	PostgresPollingStatusType is = PGRES_POLLING_WRITING;
	int rc;

	if (r->conn == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "%s", r->where);
	if (PQstatus(r->conn) == CONNECTION_BAD)
		return failed(r, PQerrorMessage(r->conn), f);
	while (is != PGRES_POLLING_OK) {
		rc = wait_socket(r, is == PGRES_POLLING_READING ? POLLIN :
		    POLLOUT, limit, f);
		if (rc == -1)
			return -1;
		if (rc == 1)
			return bk_fault_set(f, BK_UNAVAILABLE,
			    "%s: no answer to the login", r->where);
		if ((is = PQconnectPoll(r->conn)) == PGRES_POLLING_FAILED)
			return failed(r, PQerrorMessage(r->conn), f);
	}
	return 0;
}

static void
notice(void *arg, const PGresult *res)
{
	const struct bk_pgrepl *r = arg;
	const char *what = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	r->ctx->log(BK_LOG_WARN, "%s: %s", r->where,
	    what != NULL ? what : "a notice without a text");
}

int
bk_pgrepl_open(struct bk_pgrepl *r, const struct bk_ctx *ctx,
    const struct bk_uri *uri, const char *source_env, int64_t deadline,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(32768);
	int rc = -1;

	*r = (struct bk_pgrepl){ .ctx = ctx, .deadline = deadline };
	if (bk_pg_where(ctx, uri, r->where, f) == 0 &&
	    conninfo(r, uri, source_env, &b, f) == 0) {
		clear_env(ctx);
		r->conn = PQconnectStart(bk_buf_text(&b));
		(void)PQsetNoticeReceiver(r->conn, notice, r);
		rc = log_in(r, f);
	}
	bk_buf_wipe(&b);
	return rc;
}

void
bk_pgrepl_close(struct bk_pgrepl *r)
{
	PQfinish(r->conn);
	r->conn = NULL;
}

int
bk_pgrepl_version(const struct bk_pgrepl *r)
{
	return PQserverVersion(r->conn);
}

const char *
bk_pgrepl_version_text(const struct bk_pgrepl *r)
{
	const char *s = PQparameterStatus(r->conn, "server_version");

	return s != NULL ? s : "";
}

int
bk_pgrepl_send(struct bk_pgrepl *r, const char *command, struct bk_fault *f)
{
	return PQsendQuery(r->conn, command) == 1 ? 0 :
	    failed(r, PQerrorMessage(r->conn), f);
}

/* Read until libpq can answer without waiting. */
static int
settle(struct bk_pgrepl *r, struct bk_fault *f)
{
	int rest;

	while ((rest = PQflush(r->conn)) == 1)
		if (wait_socket(r, POLLOUT, 0, f) == -1)
			return -1;
	if (rest == -1)
		return failed(r, PQerrorMessage(r->conn), f);
	while (PQisBusy(r->conn) == 1) {
		if (wait_socket(r, POLLIN, 0, f) == -1)
			return -1;
		if (PQconsumeInput(r->conn) != 1)
			return failed(r, PQerrorMessage(r->conn), f);
	}
	return 0;
}

PGresult *
bk_pgrepl_result(struct bk_pgrepl *r, ExecStatusType want, struct bk_fault *f)
{
	PGresult *res;
	ExecStatusType got;

	if (settle(r, f) == -1)
		return NULL;
	res = PQgetResult(r->conn);
	got = PQresultStatus(res);
	if (res != NULL && got == want)
		return res;
	if (res == NULL)
		bk_fault_set(f, BK_DATA, "%s: the answer ended early", r->where);
	else if (got == PGRES_FATAL_ERROR || got == PGRES_BAD_RESPONSE)
		failed(r, PQresultErrorMessage(res), f);
	else
		bk_fault_set(f, BK_DATA, "%s: answered with %s, not with %s",
		    r->where, PQresStatus(got), PQresStatus(want));
	PQclear(res);
	return NULL;
}

int
bk_pgrepl_done(struct bk_pgrepl *r, struct bk_fault *f)
{
	PGresult *res;
	int rc = 0;

	if (settle(r, f) == -1)
		return -1;
	if ((res = PQgetResult(r->conn)) != NULL)
		rc = PQresultStatus(res) == PGRES_FATAL_ERROR ?
		    failed(r, PQresultErrorMessage(res), f) :
		    bk_fault_set(f, BK_DATA, "%s: more than one answer",
		    r->where);
	PQclear(res);
	return rc;
}

PGresult *
bk_pgrepl_ask(struct bk_pgrepl *r, const char *command, struct bk_fault *f)
{
	PGresult *res;

	if (bk_pgrepl_send(r, command, f) == -1 ||
	    (res = bk_pgrepl_result(r, PGRES_TUPLES_OK, f)) == NULL)
		return NULL;
	if (bk_pgrepl_done(r, f) == 0)
		return res;
	PQclear(res);
	return NULL;
}

int
bk_pgrepl_copy(struct bk_pgrepl *r, bk_sink_fn *fn, void *arg,
    struct bk_fault *f)
{
	char *p;
	int n, rc;

	for (;;) {
		n = PQgetCopyData(r->conn, &p, 1);
		if (n == -1)
			return 0;
		if (n == -2)
			return failed(r, PQerrorMessage(r->conn), f);
		if (n > 0) {
			rc = fn(arg, p, (size_t)n, f);
			PQfreemem(p);
			if (rc == -1)
				return -1;
			continue;
		}
		if (wait_socket(r, POLLIN, 0, f) == -1)
			return -1;
		if (PQconsumeInput(r->conn) != 1)
			return failed(r, PQerrorMessage(r->conn), f);
	}
}

int
bk_pgrepl_literal(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	int rc = bk_buf_adds(b, "'", f);

	for (; rc == 0 && *s != '\0'; s++)
		rc = bk_buf_add(b, s, 1, f) == -1 || (*s == '\'' &&
		    bk_buf_add(b, s, 1, f) == -1) ? -1 : 0;
	return rc == -1 ? -1 : bk_buf_adds(b, "'", f);
}
