/*
 * MySQL and MariaDB: the server, its tools, the login.
 *
 * Facts.  Option files are read in the order /etc/my.cnf, the file of
 * --defaults-extra-file, ~/.my.cnf, ~/.mylogin.cnf, and the last one wins
 * ("Using Option Files" in the MySQL manual, "Configuring MariaDB with Option
 * Files"): a password of ours in an extra file would lose against one in
 * ~/.my.cnf.  So where we were given a password, our file includes ~/.my.cnf
 * itself, sets the password behind it, and the child has another HOME.  All
 * else of the login is no secret and goes in arguments, which win over every
 * file.  Values in option files: "\b \t \n \r \\ \s" and quotes with a
 * backslash inside double quotes.
 *
 * Between MySQL and MariaDB the tools are alike in name only; which of the
 * two a server is, its version string tells.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mysql.h"

/* Where packages of neither distribution put them. */
const char *const bk_mysql_dirs[] = {
	"/usr/local/mysql/bin", "/usr/local/mariadb/bin", "/opt/mysql*/bin",
	"/opt/mariadb*/bin", "/usr/local/opt/mysql*/bin", NULL
};

const struct bk_tool_msg bk_mysql_msgs[] = {
	{ "ERROR 1045", BK_NOPERM }, { "ERROR 1698", BK_NOPERM },
	{ "ERROR 1044", BK_NOPERM }, { "ERROR 1142", BK_NOPERM },
	{ "ERROR 1227", BK_NOPERM }, { "ERROR 1130", BK_NOPERM },
	{ "ERROR 1820", BK_NOPERM }, { "ERROR 3118", BK_NOPERM },
	{ "ERROR 4151", BK_NOPERM }, { "ERROR 1370", BK_NOPERM },
	{ "ERROR 1049", BK_NOINPUT },
	{ "ERROR 2059", BK_CONFIG }, { "ERROR 1251", BK_CONFIG },
	{ "ERROR 2061", BK_CONFIG },
	{ "Access denied", BK_NOPERM }, { "command denied", BK_NOPERM },
	{ "is not allowed to connect", BK_NOPERM },
	{ "Unknown database", BK_NOINPUT },
	{ "unknown option", BK_USAGE }, { "unknown variable", BK_USAGE },
	{ "ambiguous option", BK_USAGE },
	{ NULL, 0 }
};

unsigned int
bk_mysql_version(const char *text)
{
	unsigned int a, b, c, best = 0;
	const char *p;

	/*
	 * "Ver 10.19 Distrib 10.11.19-MariaDB", "from 11.4.2-MariaDB, client
	 * 10.19", "Ver 8.0.36 for Linux": the first with three parts.
	 */
	for (p = text; *p != '\0' && best == 0; p++)
		if (isdigit((unsigned char)*p) && (p == text ||
		    (!isdigit((unsigned char)p[-1]) && p[-1] != '.')) &&
		    sscanf(p, "%3u.%3u.%3u", &a, &b, &c) == 3 && b < 100 && c < 100)
			best = a * 10000 + b * 100 + c;
	return best;
}

static int
find_client(struct bk_mysql *m, struct bk_fault *f)
{
	static const char *const maria[] = { "mariadb", "mysql", NULL };
	static const char *const mysql[] = { "mysql", "mariadb", NULL };
	bool first = strcmp(m->uri->scheme, "mariadb") == 0;

	if (bk_tool_nth(m->ctx, first ? maria : mysql,
	    bk_mysql_dirs, 0, m->client,
	    sizeof(m->client)) == 0)
		return 0;
	return bk_fault_set(f, BK_UNAVAILABLE,
	    "neither 'mysql' nor 'mariadb' is installed: install mariadb-client");
}

/* Append ${s} as a value of an option file. */
static int
value(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	static const char from[] = "\b\t\n\r\\\"";
	static const char to[] = "btnr\\\"";
	const char *p;
	char two[2] = { '\\', '\0' };

	if (bk_buf_add(b, "\"", 1, f) == -1)
		return -1;
	for (; *s != '\0'; s++) {
		p = strchr(from, *s);
		two[1] = p == NULL ? '\0' : to[p - from];
		if (bk_buf_add(b, p == NULL ? s : two, p == NULL ? 1 : 2, f) == -1)
			return -1;
	}
	return bk_buf_add(b, "\"\n", 2, f);
}

/* The option file that holds ${password} and includes the user's own. */
static int
hand_over(struct bk_mysql *m, const char *password, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(32768);
	const char *home = m->ctx->env("HOME");
	char path[4096];
	int n, rc = -1;

	if (home != NULL && strchr(home, '\n') == NULL) {
		n = snprintf(path, sizeof(path), "%s/.my.cnf", home);
		if (n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0 &&
		    bk_buf_addf(&b, f, "!include %s\n", path) == -1)
			goto out;
	}
	if (bk_buf_adds(&b, "[client]\npassword=", f) == -1 ||
	    value(&b, password, f) == -1 ||
	    bk_secret_make(&m->secret, b.p, b.len, f) == -1)
		goto out;
	m->env[0] = "HOME=/nonexistent";
	rc = bk_argv_add(&m->login, "--defaults-extra-file=" BK_SECRET_PATH, f);
out:
	bk_buf_wipe(&b);
	return rc;
}

static int
add_login(struct bk_mysql *m, struct bk_fault *f)
{
	const struct bk_uri *u = m->uri;
	const char *sock = bk_uri_opt(u, "socket");
	bool host = u->host[0] != '\0';

	if (sock != NULL && (host && strcmp(u->host, "localhost") != 0))
		return bk_fault_set(f, BK_USAGE,
		    "both host '%s' and ?socket= are given", u->host);
	if (sock != NULL &&
	    bk_argv_addf(&m->login, f, "--socket=%s", sock) == -1)
		return -1;
	if (host && bk_argv_addf(&m->login, f, "--host=%s", u->host) == -1)
		return -1;
	if (u->port != -1 &&
	    bk_argv_addf(&m->login, f, "--port=%d", u->port) == -1)
		return -1;
	/* "localhost" means the socket to them, unless there is a port. */
	if (sock == NULL && host && (u->port != -1 ||
	    strcmp(u->host, "localhost") != 0) &&
	    bk_argv_add(&m->login, "--protocol=tcp", f) == -1)
		return -1;
	if (u->user != NULL &&
	    bk_argv_addf(&m->login, f, "--user=%s", u->user) == -1)
		return -1;
	return 0;
}

static int
split_path(struct bk_mysql *m, struct bk_fault *f)
{
	const char *p = m->uri->path;
	size_t n;

	if (*p == '/')
		p++;
	while (*p != '\0') {
		n = strcspn(p, ",");
		if (n == 0 || n > 256 || (p[n] == ',' && p[n + 1] == '\0'))
			return bk_fault_set(f, BK_USAGE,
			    "'%s': want names of databases with ',' between",
			    m->uri->path);
		if (m->ndbs == BK_MYSQL_DBS)
			return bk_fault_set(f, BK_USAGE,
			    "more than %d databases in one URL", BK_MYSQL_DBS);
		if ((m->dbs[m->ndbs++] = strndup(p, n)) == NULL)
			return bk_fault_errno(f, 0, ENOMEM, "databases");
		p += n + (p[n] == ',');
	}
	return 0;
}

static int
ask_version(struct bk_mysql *m, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(4096);
	int rc = -1;

	if (bk_mysql_ask(m, "SELECT CONCAT(VERSION(), ' ', @@version_comment)",
	    &b, f) == -1)
		goto out;
	m->mariadb = strstr(bk_buf_text(&b), "MariaDB") != NULL;
	m->version = bk_mysql_version(bk_buf_text(&b));
	(void)snprintf(m->server, sizeof(m->server), "%.*s",
	    (int)strcspn(bk_buf_text(&b), " \n"), bk_buf_text(&b));
	rc = 0;
	if (m->version < 50500)
		rc = bk_fault_set(f, BK_CONFIG, "server version '%s' is not supported",
		    m->server);
out:
	bk_buf_release(&b);
	return rc;
}

int
bk_mysql_open(struct bk_mysql *m, const struct bk_ctx *ctx,
    const struct bk_uri *uri, const char *source_env, int64_t deadline,
    struct bk_fault *f)
{
	struct bk_buf pw = BK_BUF_INIT(8192);
	int rc;

	*m = (struct bk_mysql){ .ctx = ctx, .uri = uri, .deadline = deadline,
	    .secret = BK_SECRET_INIT };
	if (split_path(m, f) == -1 || find_client(m, f) == -1 ||
	    bk_argv_add(&m->login, m->client, f) == -1)
		return -1;
	rc = bk_tool_password(ctx, uri, source_env, "MYSQL_PWD", &pw, f);
	if (rc == 0)
		rc = hand_over(m, bk_buf_text(&pw), f);
	bk_buf_wipe(&pw);
	if (rc == -1 || add_login(m, f) == -1)
		return -1;
	return ask_version(m, f);
}

void
bk_mysql_release(struct bk_mysql *m)
{
	bk_secret_drop(&m->secret);
	bk_argv_release(&m->login);
	while (m->ndbs > 0)
		free(m->dbs[--m->ndbs]);
}

int
bk_mysql_ask(struct bk_mysql *m, const char *sql, struct bk_buf *out,
    struct bk_fault *f)
{
	struct bk_child_spec spec = { .env = m->env, .in = -1,
	    .deadline = m->deadline, .pass = m->secret.fd };
	struct bk_argv a = BK_ARGV_INIT;
	int rc = -1;

	if (bk_argv_all(&a, bk_argv_get(&m->login), f) == -1 ||
	    bk_argv_add(&a, "--batch", f) == -1 ||
	    bk_argv_add(&a, "--skip-column-names", f) == -1 ||
	    bk_argv_add(&a, "--raw", f) == -1 ||
	    bk_argv_add(&a, "--default-character-set=utf8mb4", f) == -1 ||
	    bk_argv_add(&a, "--connect-timeout=30", f) == -1)
		goto out;
	spec.argv = bk_argv_get(&a);
	rc = bk_tool_ask(m->ctx, &spec, sql, bk_mysql_msgs, out, f);
out:
	bk_argv_release(&a);
	return rc;
}

/* A hexadecimal literal needs no escapes, whatever the SQL mode. */
int
bk_mysql_literal(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	if (bk_buf_adds(b, "_utf8mb4 X'", f) == -1)
		return -1;
	for (; *s != '\0'; s++)
		if (bk_buf_addf(b, f, "%02X", (unsigned char)*s) == -1)
			return -1;
	return bk_buf_adds(b, "'", f);
}

int
bk_mysql_name(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	if (bk_buf_adds(b, "`", f) == -1)
		return -1;
	for (; *s != '\0'; s++)
		if (bk_buf_add(b, *s == '`' ? "``" : s, *s == '`' ? 2 : 1, f) == -1)
			return -1;
	return bk_buf_adds(b, "`", f);
}

int
bk_mysql_literals(struct bk_buf *b, const struct bk_mysql *m,
    struct bk_fault *f)
{
	size_t i;

	for (i = 0; i < m->ndbs; i++)
		if ((i > 0 && bk_buf_adds(b, ", ", f) == -1) ||
		    bk_mysql_literal(b, m->dbs[i], f) == -1)
			return -1;
	return 0;
}

static struct bk_marks *
marks(const char *ext, struct bk_fault *f)
{
	return strcmp(ext, "sql") == 0 ? bk_marks_mysql(f) : NULL;
}

static const char *const schemes[] = { "mysql", "mariadb", NULL };
static const char *const options[] = {
	"lock", "password-file", "socket", "without", NULL
};
static const char *const target_options[] = {
	"password-file", "socket", NULL
};

const struct bk_engine_ops bk_engine_mysql = {
	.name = "mysql",
	.schemes = schemes,
	.flags = BK_ENGINE_REPLICA,
	.options = options,
	.target_options = target_options,
	.dump_open = bk_mysql_dump_open,
	.dump_run = bk_mysql_dump_run,
	.dump_close = bk_mysql_dump_close,
	.restore_open = bk_mysql_restore_open,
	.restore_commit = bk_mysql_restore_commit,
	.restore_close = bk_mysql_restore_close,
	.marks = marks
};
