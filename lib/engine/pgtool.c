/*
 * PostgreSQL's client tools: what they are told, how they are asked.
 *
 * Facts, from the documentation of PostgreSQL 15: a --dbname that holds '='
 * is a connection string (psql, pg_dump, pg_dumpall, pg_restore), and what it
 * says goes before PGSERVICE and before the environment ("Parameter Key
 * Words"); values in it are quoted by ' with \ before ' and \.  A password
 * file must be a plain file that only its owner can read ("The Password
 * File"); ':' and '\' in it are escaped by '\'.  pg_dump refuses a server
 * with a newer major version ("Notes" of pg_dump).
 *
 * Debian's /usr/bin/psql is a wrapper that sets PGPORT to that of a local
 * cluster where no port is given; so one that has a host always gets a port.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "pg.h"

#define ASK_MS (10 * 60 * 1000)		/* renaming waits for others to leave */
#define ANSWER_MAX (4 * 1024 * 1024)
#define CONNECT_SECONDS "15"

/* Of our environment; the URL goes before them. */
const char *const bk_pg_variables[] = { "PGHOST", "PGHOSTADDR", "PGPORT",
	"PGUSER", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGOPTIONS",
	"PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL",
	"PGREQUIREPEER", "PGCHANNELBINDING", "PGTARGETSESSIONATTRS",
	"PGGSSENCMODE", "PGKRBSRVNAME", "PGCLUSTER", "KRB5CCNAME", NULL };

/* Options of the URL that go into the connection string as they are. */
static const char *const conn_options[] = { "sslmode", "sslrootcert",
	"sslcert", "sslkey", NULL };

static const char *const tool_dirs[] = { "/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin", "/usr/local/pgsql/bin", NULL };

const struct bk_tool_msg bk_pg_msgs[] = {
	{ "authentication failed", BK_NOPERM },
	{ "no password supplied", BK_NOPERM },
	{ "pg_hba.conf", BK_NOPERM },
	{ "is not permitted to log in", BK_NOPERM },
	{ "FATAL:  role \"", BK_NOPERM },
	{ "permission denied", BK_NOPERM },
	{ "must be superuser", BK_NOPERM },
	{ "must be owner of", BK_NOPERM },
	{ "must be member of role", BK_NOPERM },
	{ "must be able to SET ROLE", BK_NOPERM },
	{ "row-level security", BK_NOPERM },
	{ "certificate", BK_NOPERM },
	{ "No space left on device", BK_IO },
	{ "Connection refused", BK_UNAVAILABLE },
	{ "could not translate host name", BK_UNAVAILABLE },
	{ "timeout expired", BK_UNAVAILABLE },
	{ "No route to host", BK_UNAVAILABLE },
	{ "is unreachable", BK_UNAVAILABLE },
	{ "the database system is", BK_UNAVAILABLE },
	{ "too many clients", BK_UNAVAILABLE },
	{ "too many connections", BK_UNAVAILABLE },
	{ "remaining connection slots", BK_UNAVAILABLE },
	{ "is not currently accepting connections", BK_UNAVAILABLE },
	{ "server closed the connection", BK_UNAVAILABLE },
	{ NULL, 0 }
};

int
bk_pg_class(const char *said, int other)
{
	const char *p = strstr(said, "FATAL:  database \"");

	if (p != NULL && strstr(p, "does not exist") != NULL)
		return BK_NOINPUT;
	return bk_tool_class(bk_pg_msgs, said, other);
}

static const struct {
	const char *said;
	const char *grant;	/* one %s: the role */
} remedies[] = {
	{ "pg_authid", "dump as a superuser, or without passwords by "
	    "'-- --no-role-passwords' (role %s)" },
	{ "permission denied for large object",
	    "GRANT SELECT ON LARGE OBJECT … TO %s, or dump as its owner" },
	{ "permission denied to create database", "ALTER ROLE %s CREATEDB" },
	{ "permission denied to terminate", "GRANT pg_signal_backend TO %s" },
	{ "permission denied for tablespace", "GRANT CREATE on it TO %s" },
	{ "permission denied for table", "GRANT pg_read_all_data TO %s, "
	    "or GRANT SELECT on it" },
	{ "permission denied for sequence", "GRANT pg_read_all_data TO %s, "
	    "or GRANT SELECT on it" },
	{ "permission denied for schema", "GRANT pg_read_all_data TO %s, "
	    "or GRANT USAGE on it" },
	{ "permission denied for database", "GRANT CONNECT on it TO %s" },
	{ "row-level security", "ALTER ROLE %s BYPASSRLS" },
	{ "must be able to SET ROLE", "restore as a superuser, or with "
	    "'-- --no-owner' (role %s)" },
	{ "must be member of role", "restore as a superuser, or with "
	    "'-- --no-owner' (role %s)" },
};

void
bk_pg_remedy(struct bk_fault *f, const char *user)
{
	struct bk_fault old = *f;
	char name[80], grant[256];
	size_t i;

	snprintf(name, sizeof(name), "%.64s", user == NULL ? "the role" : user);
	for (i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++) {
		if (strstr(f->text, remedies[i].said) == NULL)
			continue;
		snprintf(grant, sizeof(grant), remedies[i].grant, name);
		bk_fault_clear(f);
		bk_fault_set(f, old.status, "%s; remedy: %s", old.text, grant);
		f->upstream = old.upstream;
		return;
	}
}

/* ${s} between ${q}, ${esc} before every byte of ${bad}. */
static int
quoted(struct bk_buf *b, const char *s, char q, char esc, const char *bad,
    struct bk_fault *f)
{
	int rc = bk_buf_add(b, &q, 1, f);

	for (; rc == 0 && *s != '\0'; s++)
		if ((strchr(bad, *s) != NULL && bk_buf_add(b, &esc, 1, f) == -1) ||
		    bk_buf_add(b, s, 1, f) == -1)
			rc = -1;
	return rc == -1 ? -1 : bk_buf_add(b, &q, 1, f);
}

int
bk_pg_literal(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	/* E'…' means the same whatever standard_conforming_strings says. */
	return bk_buf_adds(b, " E", f) == -1 ? -1 :
	    quoted(b, s, '\'', '\\', "'\\", f);
}

int
bk_pg_ident(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	return quoted(b, s, '"', '"', "\"", f);
}

static int
set_password(struct bk_pg *pg, const char *source_env, struct bk_fault *f)
{
	struct bk_buf pw = BK_BUF_INIT(BK_PG_PATH + 1);
	struct bk_buf line = BK_BUF_INIT(2 * BK_PG_PATH + 16);
	const char *p;
	int rc;

	rc = bk_tool_password(pg->ctx, pg->uri, source_env, "PGPASSWORD", &pw, f);
	if (rc == BK_NO_PASSWORD) {
		rc = 0;
		if ((p = pg->ctx->env("PGPASSFILE")) != NULL)
			rc = bk_argv_addf(&pg->env, f, "PGPASSFILE=%s", p);
		goto out;
	}
	if (rc == -1)
		goto out;
	if (strpbrk(bk_buf_text(&pw), "\r\n") != NULL) {
		rc = bk_fault_set(f, BK_CONFIG,
		    "the password holds a newline, which no password file can");
		goto out;
	}
	rc = bk_buf_adds(&line, "*:*:*:*:", f);
	for (p = bk_buf_text(&pw); rc == 0 && *p != '\0'; p++)
		if (((*p == ':' || *p == '\\') &&
		    bk_buf_add(&line, "\\", 1, f) == -1) ||
		    bk_buf_add(&line, p, 1, f) == -1)
			rc = -1;
	if (rc == 0 && (rc = bk_buf_add(&line, "\n", 1, f)) == 0 &&
	    (rc = bk_secret_make(&pg->secret, line.p, line.len, f)) == 0)
		rc = bk_argv_add(&pg->env, "PGPASSFILE=" BK_SECRET_PATH, f);
out:
	bk_buf_wipe(&pw);
	bk_buf_wipe(&line);
	return rc;
}

static int
set_env(struct bk_pg *pg, struct bk_fault *f)
{
	const char *v;
	size_t i;

	for (i = 0; bk_pg_variables[i] != NULL; i++)
		if ((v = pg->ctx->env(bk_pg_variables[i])) != NULL &&
		    bk_argv_addf(&pg->env, f, "%s=%s", bk_pg_variables[i], v) == -1)
			return -1;
	v = pg->ctx->env("PGCONNECT_TIMEOUT");
	return bk_argv_addf(&pg->env, f, "PGCONNECT_TIMEOUT=%s",
	    v != NULL ? v : CONNECT_SECONDS) == -1 ? -1 :
	    bk_argv_add(&pg->env, "PGAPPNAME=bk", f);
}

/* The host: of the URL, else of ?host=, which takes a socket's directory. */
static const char *
host_of(const struct bk_uri *u)
{
	return u->host[0] != '\0' ? u->host : bk_uri_opt(u, "host");
}

int
bk_pg_where(const struct bk_ctx *ctx, const struct bk_uri *uri,
    char where[BK_PG_WHERE], struct bk_fault *f)
{
	const char *host = host_of(uri);
	const char *port = ctx->env("PGPORT");
	char own[8];

	if (uri->host[0] != '\0' && bk_uri_opt(uri, "host") != NULL)
		return bk_fault_set(f, BK_USAGE,
		    "'%s' names two hosts", uri->text);
	if (uri->port != -1) {
		snprintf(own, sizeof(own), "%d", uri->port);
		port = own;
	}
	if (host == NULL && (host = ctx->env("PGHOST")) == NULL)
		host = "local";
	snprintf(where, BK_PG_WHERE, "%.255s:%.31s", host,
	    port == NULL ? "5432" : port);
	return 0;
}

int
bk_pg_open(struct bk_pg *pg, const struct bk_ctx *ctx,
    const struct bk_uri *uri, const char *source_env, int64_t deadline,
    struct bk_fault *f)
{
	static const char *const psql[] = { "psql", NULL };

	memset(pg, 0, sizeof(*pg));
	pg->secret.fd = -1;
	pg->ctx = ctx;
	pg->uri = uri;
	pg->deadline = deadline;
	if (strcmp(uri->path, "") != 0 && strcmp(uri->path, "/") != 0)
		pg->db = uri->path + 1;
	if (bk_pg_where(ctx, uri, pg->where, f) == -1)
		return -1;
	if (bk_tool_nth(ctx, psql, tool_dirs, 0, pg->psql,
	    sizeof(pg->psql)) == BK_ABSENT_TOOL)
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "psql is not installed; Debian's package is postgresql-client");
	return set_env(pg, f) == -1 ? -1 : set_password(pg, source_env, f);
}

void
bk_pg_close(struct bk_pg *pg)
{
	bk_secret_drop(&pg->secret);
	bk_argv_release(&pg->env);
}

int
bk_pg_conn_word(struct bk_buf *b, const char *name, const char *value,
    struct bk_fault *f)
{
	if (value == NULL)
		return 0;
	if (bk_buf_addf(b, f, "%s%s=", b->len > 0 ? " " : "", name) == -1)
		return -1;
	return quoted(b, value, '\'', '\\', "'\\", f);
}

int
bk_pg_conninfo(const struct bk_ctx *ctx, const struct bk_uri *u,
    const char *db, struct bk_buf *b, struct bk_fault *f)
{
	const char *port = ctx->env("PGPORT");
	char own[8];
	size_t i;

	if (u->port != -1) {
		snprintf(own, sizeof(own), "%d", u->port);
		port = own;
	} else if (port == NULL) {
		port = host_of(u) == NULL ? NULL : "5432";
	}
	if (bk_pg_conn_word(b, "dbname", db, f) == -1 ||
	    bk_pg_conn_word(b, "host", host_of(u), f) == -1 ||
	    bk_pg_conn_word(b, "port", port, f) == -1 ||
	    bk_pg_conn_word(b, "user", u->user, f) == -1 ||
	    bk_buf_adds(b, " keepalives_idle=60 keepalives_interval=10"
	    " keepalives_count=6", f) == -1)
		return -1;
	for (i = 0; conn_options[i] != NULL; i++)
		if (bk_pg_conn_word(b, conn_options[i],
		    bk_uri_opt(u, conn_options[i]), f) == -1)
			return -1;
	return 0;
}

int
bk_pg_dbname(const struct bk_pg *pg, const char *db, struct bk_argv *a,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(16384);
	int rc = -1;

	if (bk_pg_conninfo(pg->ctx, pg->uri, db, &b, f) == 0)
		rc = bk_argv_addf(a, f, "--dbname=%s", bk_buf_text(&b));
	bk_buf_release(&b);
	return rc;
}

void
bk_pg_spec(const struct bk_pg *pg, const struct bk_argv *a, unsigned int flags,
    struct bk_child_spec *spec)
{
	*spec = (struct bk_child_spec){
		.argv = bk_argv_get(a),
		.env = bk_argv_get(&pg->env),
		.flags = flags,
		.deadline = pg->deadline,
		.in = -1,
		.pass = pg->secret.fd,
	};
}

int
bk_pg_ask(const struct bk_pg *pg, const char *db, const char *sql,
    struct bk_buf *out, struct bk_fault *f)
{
	static const char *const words[] = { "-X", "-A", "-t", "-q", "-w", "-v",
		"ON_ERROR_STOP=1", NULL };
	struct bk_buf none = BK_BUF_INIT(ANSWER_MAX);
	struct bk_buf tail = BK_BUF_INIT(BK_TAIL_MAX + 1);
	struct bk_buf input = BK_BUF_INIT(ANSWER_MAX);
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec;
	int64_t limit = pg->ctx->mono() + ASK_MS;
	char why[600];
	int rc = -1;

	/* Names in answers are UTF-8, whatever the database has. */
	if (bk_argv_add(&a, pg->psql, f) == -1 ||
	    bk_argv_all(&a, words, f) == -1 ||
	    bk_pg_dbname(pg, db, &a, f) == -1 ||
	    bk_buf_adds(&input, "\\encoding UTF8\n", f) == -1 ||
	    bk_buf_adds(&input, sql, f) == -1)
		goto out;
	bk_pg_spec(pg, &a, 0, &spec);
	if (spec.deadline == 0 || spec.deadline > limit)
		spec.deadline = limit;
	rc = bk_child_capture(pg->ctx, &spec, bk_buf_text(&input),
	    out == NULL ? &none : out, &tail, f);
	if (rc > 0) {
		bk_child_reason(bk_buf_text(&tail), why, sizeof(why));
		rc = bk_fault_set(f, bk_pg_class(bk_buf_text(&tail),
		    BK_UNAVAILABLE), "%s%s", strncmp(why, "psql:", 5) == 0 ? "" :
		    "psql: ", why[0] != '\0' ? why : "failed without a word");
	}
out:
	bk_buf_release(&none);
	bk_buf_release(&tail);
	bk_buf_release(&input);
	bk_argv_release(&a);
	return rc;
}

json_t *
bk_pg_ask_json(const struct bk_pg *pg, const char *db, const char *sql,
    struct bk_fault *f)
{
	struct bk_buf out = BK_BUF_INIT(ANSWER_MAX);
	json_t *all = NULL, *one;
	const char *p, *nl;

	if (bk_pg_ask(pg, db, sql, &out, f) == -1)
		goto out;
	if ((all = json_object()) == NULL) {
		bk_fault_set(f, BK_IO, "answer of psql: out of memory");
		goto out;
	}
	for (p = bk_buf_text(&out); *p != '\0'; p = nl + 1) {
		if ((nl = strchr(p, '\n')) == NULL)
			nl = p + strlen(p) - 1;
		if (*p != '{')
			continue;
		if ((one = bk_json_parse(p, (size_t)(nl - p) + 1,
		    "answer of psql", f)) == NULL ||
		    json_object_update(all, one) == -1) {
			bk_fault_set(f, BK_IO, "answer of psql: out of memory");
			json_decref(one);
			json_decref(all);
			all = NULL;
			goto out;
		}
		json_decref(one);
	}
out:
	bk_buf_release(&out);
	return all;
}

json_t *
bk_pg_ask_any(const struct bk_pg *pg, const char *not, const char *sql,
    char db[16], struct bk_fault *f)
{
	static const char *const names[] = { "postgres", "template1" };
	json_t *o = NULL;
	size_t i;

	for (i = 0; i < 2 && o == NULL; i++) {
		if (not != NULL && strcmp(not, names[i]) == 0)
			continue;
		bk_fault_clear(f);
		snprintf(db, 16, "%s", names[i]);
		o = bk_pg_ask_json(pg, names[i], sql, f);
		if (o == NULL && f->status != BK_NOINPUT)
			break;
	}
	return o;
}

int64_t
bk_pg_version_num(const char *s)
{
	const char *p;
	char *end;
	long major, minor = 0;

	if (s == NULL)
		return 0;
	p = strchr(s, ')');
	p = p == NULL ? s : p + 1;
	p += strcspn(p, "0123456789");
	major = strtol(p, &end, 10);
	if (*end == '.')
		minor = strtol(end + 1, NULL, 10);
	return major >= 10 ? major * 10000 : major * 10000 + minor * 100;
}

int
bk_pg_tool(const struct bk_pg *pg, const char *name, int64_t num,
    char path[BK_PG_PATH], struct bk_buf *version, struct bk_fault *f)
{
	const char *const names[] = { name, NULL };
	int64_t want = num >= 100000 ? num - num % 10000 : num - num % 100;
	char found[64] = "";
	unsigned int i;

	for (i = 0; bk_tool_nth(pg->ctx, names, tool_dirs, i, path,
	    BK_PG_PATH) == 0 && i < 64; i++) {
		bk_buf_reset(version);
		if (bk_tool_version(pg->ctx, path, version, f) == -1)
			return -1;
		if (bk_pg_version_num(bk_buf_text(version)) >= want)
			return 0;
		if (found[0] == '\0')
			snprintf(found, sizeof(found), "%s", bk_buf_text(version));
	}
	if (found[0] == '\0')
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "%s is not installed; Debian's package is postgresql-client",
		    name);
	return bk_fault_set(f, BK_CONFIG,
	    "%s is older than the server's version %lld: install "
	    "postgresql-client-%lld", found, (long long)(num / 10000),
	    (long long)(num / 10000));
}
