/*
 * MySQL and MariaDB: the restore.
 *
 * A server takes a dump statement by statement, and what defines tables
 * commits by itself: there is nothing to roll back to.  RENAME TABLE out of a
 * scratch database is no way either, since it refuses tables with triggers
 * and cannot move routines and views.  So the dump is spooled and proven whole
 * first (BK's caller), then looked through here, and only then is a target
 * emptied and filled; if that fails, it is emptied again.
 *
 * The client runs with --binary-mode: it then obeys no commands of its own
 * within the text ("\! command", "system", "source"), so that a dump cannot
 * have anything executed but SQL; and it keeps "\r\n" in routines.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "mysql.h"
#include "mysqlreplica.h"
#include "mysqlscan.h"

#define USER_SCHEMAS "SELECT schema_name FROM information_schema.schemata " \
	"WHERE schema_name NOT IN ('mysql', 'information_schema', " \
	"'performance_schema', 'sys')"

struct restore {
	struct bk_mysql m;
	bool touched;		/* the target is not as it was */
	bool several;		/* the record says so: not all of a server */
	bool existed;		/* the one database was there, empty */
	char charset[65];	/* its default, or the source's; "": the server's */
	char collation[65];
	struct bk_mysqlreplica replica;
};

static const char login[] = "the URL, ?password-file=, ?socket= and ~/.my.cnf do this";
static const char script[] = "the statements come from the dump";

static const struct bk_tool_refusal refused[] = {
	{ "force", "an error must end the restore" },
	{ "f", "an error must end the restore" },
	{ "host", login }, { "h", login }, { "user", login }, { "u", login },
	{ "password", login }, { "p", login }, { "password1", login },
	{ "password2", login }, { "password3", login }, { "port", login },
	{ "P", login }, { "socket", login }, { "S", login },
	{ "protocol", login }, { "login-path", login },
	{ "defaults-file", login }, { "defaults-extra-file", login },
	{ "defaults-group-suffix", login }, { "no-defaults", login },
	{ "print-defaults", login }, { "database", login }, { "D", login },
	{ "one-database", login }, { "o", login },
	{ "execute", script }, { "e", script }, { "binary-mode", script },
	{ "tee", "it writes a file" }, { "pager", "it starts a program" },
	{ "help", "it restores nothing" }, { "?", "it restores nothing" },
	{ "I", "it restores nothing" }, { "version", "it restores nothing" },
	{ "V", "it restores nothing" },
	{ NULL, NULL }
};

static const struct bk_tool_opts tool_opts = { "mysql", "", "#C", refused };

/* ---- the target ---- */

static bool
is_word(const char *s)
{
	return s[0] != '\0' && strlen(s) < 65 && s[strspn(s,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] ==
	    '\0';
}

/*
 * A question about one database: *${found} tells whether there was a row,
 * whose text goes to ${out}.  "${head}LITERAL${tail}".
 */
static int
ask_db(struct restore *t, const char *head, const char *db, const char *tail,
    struct bk_buf *out, struct bk_fault *f)
{
	struct bk_buf sql = BK_BUF_INIT(16384);
	int rc = -1;

	if (bk_buf_adds(&sql, head, f) == 0 &&
	    bk_mysql_literal(&sql, db, f) == 0 &&
	    bk_buf_adds(&sql, tail, f) == 0)
		rc = bk_mysql_ask(&t->m, sql.p, out, f);
	bk_buf_release(&sql);
	return rc;
}

/* "${verb} NAME${tail}", nothing comes back. */
static int
tell_db(struct restore *t, const char *verb, const char *db, const char *tail,
    struct bk_fault *f)
{
	struct bk_buf sql = BK_BUF_INIT(16384), out = BK_BUF_INIT(4096);
	int rc = -1;

	if (bk_buf_adds(&sql, verb, f) == 0 &&
	    bk_mysql_name(&sql, db, f) == 0 &&
	    bk_buf_adds(&sql, tail, f) == 0)
		rc = bk_mysql_ask(&t->m, sql.p, &out, f);
	bk_buf_release(&sql);
	bk_buf_release(&out);
	return rc;
}

/* Anything in ${db}?  1 yes, 0 no. */
static int
holds(struct restore *t, const char *db, struct bk_fault *f)
{
	static const char *const heads[] = {
		"SELECT 1 FROM information_schema.tables WHERE table_schema = ",
		"SELECT 1 FROM information_schema.routines WHERE routine_schema = ",
		"SELECT 1 FROM information_schema.events WHERE event_schema = "
	};
	struct bk_buf b = BK_BUF_INIT(4096);
	size_t i;
	int rc = 0;

	for (i = 0; i < 3 && rc == 0; i++) {
		rc = ask_db(t, heads[i], db, " LIMIT 1", &b, f);
		if (rc == 0 && b.len > 0)
			rc = 1;
	}
	bk_buf_release(&b);
	return rc;
}

/* The one database of the URL: absent or empty, else --replace. */
static int
check_one(struct restore *t, bool replace, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(4096);
	char *rest, *charset, *collation;
	int rc = -1;

	if (ask_db(t, "SELECT default_character_set_name, default_collation_name "
	    "FROM information_schema.schemata WHERE schema_name = ",
	    t->m.dbs[0], "", &b, f) == -1)
		goto out;
	t->existed = b.len > 0;
	if (!t->existed) {
		rc = 0;
		goto out;
	}
	rest = b.p;
	charset = strsep(&rest, "\t");
	collation = strsep(&rest, "\n");
	if (collation != NULL && is_word(charset) && is_word(collation)) {
		(void)snprintf(t->charset, sizeof(t->charset), "%s", charset);
		(void)snprintf(t->collation, sizeof(t->collation), "%s", collation);
	}
	if ((rc = replace ? 0 : holds(t, t->m.dbs[0], f)) == 1)
		rc = bk_fault_set(f, BK_CANTCREATE,
		    "database '%s' holds something: --replace drops it first",
		    t->m.dbs[0]);
out:
	bk_buf_release(&b);
	return rc;
}

/* Everything comes: the server must be as it was made. */
static int
check_server(struct restore *t, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(65536);
	int rc;

	rc = bk_mysql_ask(&t->m, USER_SCHEMAS " LIMIT 1", &b, f);
	if (rc == 0 && b.len > 0)
		rc = bk_fault_set(f, BK_CANTCREATE,
		    "the server holds database '%.*s': --replace drops it first",
		    (int)strcspn(b.p, "\n"), b.p);
	bk_buf_release(&b);
	return rc;
}

/* None of these may hold anything. */
static int
check_names(struct restore *t, const struct bk_mysql_names *l, struct bk_fault *f)
{
	size_t i;
	int rc;

	for (i = 0; i < l->n; i++)
		if ((rc = holds(t, l->v[i], f)) != 0)
			return rc == -1 ? -1 : bk_fault_set(f, BK_CANTCREATE,
			    "database '%s' holds something: --replace drops it first",
			    l->v[i]);
	return 0;
}

/*
 * What can be told of the target before the dump's text is read: a dump of
 * several databases names them in its record, and where there is no such
 * record it may bring anything.
 */
static int
check_several(struct restore *t, const json_t *dbs, struct bk_fault *f)
{
	struct bk_mysql_names *l;
	const json_t *v;
	size_t i;
	int rc;

	if (dbs == NULL)
		return check_server(t, f);
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "restore");
	json_array_foreach(dbs, i, v)
		if (json_is_string(v))
			bk_mysql_remember(l, json_string_value(v), json_string_length(v));
	rc = check_names(t, l, f);
	free(l);
	return rc;
}

int
bk_mysql_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	const struct bk_restore_req *req = r->req;
	const json_t *source = json_object_get(req->header, "source");
	const json_t *dbs = json_object_get(source, "databases");
	const json_t *info = json_object_get(req->header, "info");
	const char *charset = bk_json_get_text(info, "charset");
	const char *collation = bk_json_get_text(info, "collation");
	bool one = bk_json_get_text(source, "database") != NULL;
	bool all;
	struct restore *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "restore");
	t->m.secret.fd = -1;
	t->replica = (struct bk_mysqlreplica)BK_MYSQLREPLICA_INIT(&t->m);
	r->priv = t;
	r->spool = true;
	if (bk_tool_opts_check(&tool_opts, req->args, f) == -1 ||
	    bk_mysql_open(&t->m, req->ctx, req->target, req->source_env,
	    req->deadline, f) == -1)
		return -1;
	if (t->m.ndbs > 1)
		return bk_fault_set(f, BK_USAGE,
		    "'%s': want one database, or none for a dump that names its own",
		    req->target->text);
	t->several = dbs != NULL;
	/* Of a raw object nothing is known before its text is read. */
	all = !one && !t->several && (json_object_get(source, "port") != NULL ||
	    json_object_get(source, "server") != NULL);
	if (t->m.ndbs == 1 && (t->several || all))
		return bk_fault_set(f, BK_USAGE,
		    "a dump of several databases cannot go into '%s': leave the name out",
		    t->m.dbs[0]);
	if (one && t->m.ndbs == 0)
		return bk_fault_set(f, BK_USAGE,
		    "'%s': name the database to restore into", req->target->text);
	if (bk_mysqlreplica_open(&t->replica, req, f) == -1)
		return -1;
	if (t->m.ndbs == 0)
		return req->replace ? 0 : check_several(t, dbs, f);
	if (check_one(t, req->replace, f) == -1)
		return -1;
	if (!t->existed && charset != NULL && collation != NULL &&
	    is_word(charset) && is_word(collation)) {
		(void)snprintf(t->charset, sizeof(t->charset), "%s", charset);
		(void)snprintf(t->collation, sizeof(t->collation), "%s", collation);
	}
	return 0;
}

/* ---- filling ---- */

/* Is it a dump of a whole server? */
static bool
brings_all(const struct restore *t, const struct bk_mysql_scan *s)
{
	return s->system && !t->several;
}

/* What the dump wants and the server has not. */
static int
check_needs(struct restore *t, const struct bk_mysql_scan *s, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(65536);
	char row[300];
	size_t i;
	int rc;

	rc = bk_buf_adds(&b, "\n", f);
	if (rc == 0)
		rc = bk_mysql_ask(&t->m, "SELECT LOWER(engine) FROM "
		    "information_schema.engines WHERE support IN ('YES', 'DEFAULT')",
		    &b, f);
	for (i = 0; i < s->engines.n && rc == 0; i++) {
		(void)snprintf(row, sizeof(row), "\n%s\n", s->engines.v[i]);
		if (strcasestr(b.p, row) == NULL)
			rc = bk_fault_set(f, BK_CONFIG,
			    "the server has no engine '%s', which the dump uses: install its plugin",
			    s->engines.v[i]);
	}
	bk_buf_release(&b);
	return rc;
}

/* One can only grant what one has and may pass on. */
static int
check_rights(struct restore *t, const struct bk_mysql_scan *s, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(1048576);
	const char *grants, *lack = NULL;
	int rc;

	if (!brings_all(t, s))
		return 0;
	if ((rc = bk_mysql_ask(&t->m, "SHOW GRANTS", &b, f)) == 0) {
		grants = bk_buf_text(&b);
		/* MySQL 8 lists single rights where ALL was given. */
		if (!bk_mysql_granted(grants, "SUPER", NULL) ||
		    strstr(grants, "WITH GRANT OPTION") == NULL)
			lack = "ALL ON *.*";
		else if (s->proxy && strstr(grants, "GRANT PROXY ON ''@") == NULL &&
		    strstr(grants, "GRANT PROXY ON ``@") == NULL)
			lack = "PROXY ON ''@'%'";
		if (lack != NULL)
			rc = bk_fault_set(f, BK_NOPERM,
			    "to restore accounts takes a right: GRANT %s TO the user of the URL WITH GRANT OPTION",
			    lack);
	}
	bk_buf_release(&b);
	return rc;
}

/* Views and routines of absent accounts restore, but fail when used. */
static void
warn_definers(struct restore *t, const struct bk_mysql_scan *s)
{
	struct bk_fault mine = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(1048576);
	char row[300];
	size_t i;

	if (s->definers.n == 0 || bk_buf_adds(&b, "\n", &mine) == -1 ||
	    bk_mysql_ask(&t->m, "SELECT CONCAT('`', user, '`@`', host, '`') "
	    "FROM mysql.user", &b, &mine) == -1)
		goto out;
	for (i = 0; i < s->definers.n; i++) {
		(void)snprintf(row, sizeof(row), "\n%s\n", s->definers.v[i]);
		if (strstr(b.p, row) == NULL)
			t->m.ctx->log(BK_LOG_WARN, "definer %s of views or routines "
			    "in the dump is no account of this server",
			    s->definers.v[i]);
	}
out:
	bk_buf_release(&b);
}

static int
create_one(struct restore *t, struct bk_fault *f)
{
	char tail[200] = "";

	if (t->charset[0] != '\0')
		(void)snprintf(tail, sizeof(tail), " CHARACTER SET %s COLLATE %s",
		    t->charset, t->collation);
	return tell_db(t, "CREATE DATABASE ", t->m.dbs[0], tail, f);
}

/* Drop the databases that the dump brings, or all of users. */
static int
drop_theirs(struct restore *t, const struct bk_mysql_scan *s, bool all,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(1048576);
	char *rest = NULL, *db;
	size_t i;
	int rc = 0;

	if (all && (rc = bk_mysql_ask(&t->m, USER_SCHEMAS, &b, f)) == 0)
		rest = b.p;
	while (rc == 0 && (db = strsep(&rest, "\n")) != NULL)
		if (db[0] != '\0')
			rc = tell_db(t, "DROP DATABASE IF EXISTS ", db, "", f);
	for (i = 0; !all && i < s->dbs.n && rc == 0; i++)
		rc = tell_db(t, "DROP DATABASE IF EXISTS ", s->dbs.v[i], "", f);
	bk_buf_release(&b);
	return rc;
}

/* Empty the target as far as needed; it is ours from here on. */
static int
prepare(struct restore *t, const struct bk_mysql_scan *s, bool replace,
    struct bk_fault *f)
{
	if (t->m.ndbs == 0) {
		t->touched = true;
		return replace ? drop_theirs(t, s, brings_all(t, s), f) : 0;
	}
	/* Touched is what we made or emptied, never what came meanwhile. */
	if (replace && t->existed) {
		if (tell_db(t, "DROP DATABASE ", t->m.dbs[0], "", f) == -1)
			return -1;
		t->touched = true;
	}
	if ((replace || !t->existed) && create_one(t, f) == -1)
		return -1;
	t->touched = true;
	return 0;
}

static int
feed(struct bk_restore *r, int fd, struct bk_fault *f)
{
	static const char *const fixed[] = {
		"--batch", "--binary-mode", "--skip-force", "--skip-reconnect",
		"--default-character-set=utf8mb4", "--max-allowed-packet=1G", NULL
	};
	struct restore *t = r->priv;
	struct bk_child_spec spec = { .env = t->m.env, .in = fd,
	    .deadline = r->req->deadline, .pass = t->m.secret.fd };
	struct bk_fault end = BK_FAULT_INIT;
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child *c = NULL;
	int rc = -1;

	if (bk_argv_all(&a, bk_argv_get(&t->m.login), f) == -1 ||
	    bk_argv_all(&a, r->req->args, f) == -1 ||
	    bk_argv_all(&a, fixed, f) == -1 || (t->m.ndbs == 1 &&
	    bk_argv_addf(&a, f, "--database=%s", t->m.dbs[0]) == -1))
		goto out;
	spec.argv = bk_argv_get(&a);
	if ((c = bk_child_start(r->req->ctx, &spec, f)) == NULL)
		goto out;
	if ((rc = bk_child_finish(c, NULL, NULL, &end)) == -1)
		bk_fault_set(f, bk_tool_class(bk_mysql_msgs, bk_child_tail(c),
		    end.status), "%s", end.text);
out:
	bk_child_stop(c, 2000);
	bk_argv_release(&a);
	return rc;
}

/* The names in the text decide, whatever the record says of them. */
static int
check_text(struct restore *t, const struct bk_mysql_scan *s, bool replace,
    struct bk_fault *f)
{
	if (t->m.ndbs == 1 && (s->dbs.n > 0 || s->system))
		return bk_fault_set(f, BK_USAGE,
		    "the dump names its databases ('%s'): it cannot go into '%s', leave the name out",
		    s->dbs.n > 0 ? s->dbs.v[0] : "mysql", t->m.dbs[0]);
	if (t->m.ndbs == 0 && s->dbs.n == 0 && !s->system)
		return bk_fault_set(f, BK_USAGE,
		    "the dump names no database: the target URL must");
	if (t->m.ndbs == 1)
		return check_one(t, replace, f);
	return replace ? 0 : brings_all(t, s) ? check_server(t, f) :
	    check_names(t, &s->dbs, f);
}

/* Leave no database half restored; accounts that came stay. */
static void
undo(struct restore *t, const struct bk_mysql_scan *s)
{
	struct bk_fault mine = BK_FAULT_INIT;

	if (!t->touched)
		return;
	if (t->m.ndbs == 0) {
		/* What came meanwhile stays, as far as the names were kept. */
		(void)drop_theirs(t, s, brings_all(t, s) &&
		    s->dbs.n == BK_MYSQL_NAMES, &mine);
		/* What mariadb-dump's text drops at its end. */
		if (t->m.mariadb && s->system)
			(void)tell_db(t, "DROP ROLE IF EXISTS ",
			    "mariadb_dump_import_role", "", &mine);
	} else if (tell_db(t, "DROP DATABASE IF EXISTS ", t->m.dbs[0], "",
	    &mine) == 0 && t->existed)
		(void)create_one(t, &mine);
	if (bk_faulty(&mine))
		t->m.ctx->log(BK_LOG_ERROR,
		    "what was restored so far could not be dropped: %s", mine.text);
}

int
bk_mysql_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct restore *t = r->priv;
	struct bk_mysql_scan *s;
	int rc = -1;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "restore");
	if (bk_mysql_scan(s, fd, f) == -1 ||
	    check_text(t, s, r->req->replace, f) == -1 ||
	    check_needs(t, s, f) == -1 || check_rights(t, s, f) == -1 ||
	    bk_mysqlreplica_ready(&t->replica, r->req->header, f) == -1)
		goto out;
	if (!brings_all(t, s))
		warn_definers(t, s);
	if (prepare(t, s, r->req->replace, f) == -1 || feed(r, fd, f) == -1) {
		undo(t, s);
		goto out;
	}
	rc = bk_mysqlreplica_start(&t->replica, f);
out:
	free(s);
	return rc;
}

void
bk_mysql_restore_close(struct bk_restore *r)
{
	struct restore *t = r->priv;

	if (t == NULL)
		return;
	bk_mysqlreplica_release(&t->replica);
	bk_mysql_release(&t->m);
	free(t);
	r->priv = NULL;
}
