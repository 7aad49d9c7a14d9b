/*
 * MySQL and MariaDB: what is settled before the first byte of a dump: the
 * tool, the rights, the lock, the position, and the arguments that follow.
 *
 * The tool must not be older than the server (major and minor number; the
 * manuals of both ask for it, an older one knows nothing of newer catalogue
 * tables).  Between MySQL and MariaDB numbers cannot be compared: the other
 * one's tool is taken where the own one is not installed, with a warning.
 * What a tool can do is read from its --help, as versions differ between
 * distributions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mysqldump.h"

#define DATA_SCHEMAS \
	"('mysql', 'information_schema', 'performance_schema', 'sys')"

/* ---- the tool ---- */

static int
read_help(struct bk_mysqldump *p, struct bk_fault *f)
{
	const char *const argv[] = { p->tool, "--help", NULL };
	const struct bk_child_spec spec = { .argv = argv, .in = -1,
	    .deadline = p->m.deadline };
	struct bk_buf b = BK_BUF_INIT(262144);
	const char *help;
	int rc;

	if ((rc = bk_tool_ask(p->m.ctx, &spec, NULL, NULL, &b, f)) == 0) {
		help = bk_buf_text(&b);
		p->source_data = strstr(help, "--source-data") != NULL;
		p->gtid_purged = strstr(help, "--set-gtid-purged") != NULL;
		p->gtid_commented = strstr(help, "COMMENTED") != NULL;
		p->statistics = strstr(help, "--column-statistics") != NULL;
		p->tablespaces = strstr(help, "--no-tablespaces") != NULL;
		p->ignore = strstr(help, "--ignore-database") != NULL;
		p->accounts = p->m.ndbs == 0 && p->ignore &&
		    strstr(help, "--system=") != NULL;
	}
	bk_buf_release(&b);
	return rc;
}

/* Look at candidate ${nth}: its version, its line, whose it is. */
static int
candidate(struct bk_mysqldump *p, unsigned int nth, unsigned int *version,
    struct bk_fault *f)
{
	static const char *const maria[] = { "mariadb-dump", "mysqldump", NULL };
	static const char *const mysql[] = { "mysqldump", "mariadb-dump", NULL };
	struct bk_buf b = BK_BUF_INIT(65536);
	int rc;

	if (bk_tool_nth(p->m.ctx, p->m.mariadb ? maria : mysql, bk_mysql_dirs,
	    nth, p->tool, sizeof(p->tool)) != 0)
		return BK_ABSENT_TOOL;
	if ((rc = bk_tool_version(p->m.ctx, p->tool, &b, f)) == 0) {
		(void)snprintf(p->tool_text, sizeof(p->tool_text), "%s",
		    bk_buf_text(&b));
		p->tool_mariadb = strstr(bk_buf_text(&b), "MariaDB") != NULL;
		*version = bk_mysql_version(bk_buf_text(&b));
	}
	bk_buf_release(&b);
	return rc;
}

/* Take the other product's tool, candidate ${nth}. */
static int
foreign(struct bk_mysqldump *p, unsigned int nth, struct bk_fault *f)
{
	unsigned int version;
	const char *want = p->m.mariadb ? "mariadb-dump" : "mysqldump of MySQL";

	if (candidate(p, nth, &version, f) != 0)
		return -1;
	if (p->m.mariadb && p->m.ndbs == 0)
		return bk_fault_set(f, BK_CONFIG,
		    "'%s' cannot dump the accounts of a MariaDB server: install %s",
		    p->tool, want);
	p->m.ctx->log(BK_LOG_WARN, "dumping server %s with '%s': %s is not installed",
	    p->m.server, p->tool, want);
	return read_help(p, f);
}

int
bk_mysqldump_tool(struct bk_mysqldump *p, struct bk_fault *f)
{
	unsigned int i, version = 0;
	int rc, other = -1;
	bool old = false;
	char old_text[sizeof(p->tool_text)] = "";

	for (i = 0; (rc = candidate(p, i, &version, f)) == 0; i++) {
		if (p->tool_mariadb != p->m.mariadb) {
			other = other == -1 ? (int)i : other;
			continue;
		}
		if (version / 100 >= p->m.version / 100)
			return read_help(p, f);
		old = true;
		memcpy(old_text, p->tool_text, sizeof(old_text));
	}
	if (rc == -1)
		return -1;
	if (old)
		return bk_fault_set(f, BK_CONFIG,
		    "'%s' is older than the server (%s): install its client package",
		    old_text, p->m.server);
	if (other != -1)
		return foreign(p, (unsigned int)other, f);
	return bk_fault_set(f, BK_UNAVAILABLE,
	    "neither 'mariadb-dump' nor 'mysqldump' is installed: install mariadb-client");
}

/* ---- rights ---- */

/* Is there an answer?  1 yes, 0 no. */
static int
any_row(struct bk_mysqldump *p, const char *sql, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(65536);
	int rc;

	rc = bk_mysql_ask(&p->m, sql, &b, f) == -1 ? -1 : b.len > 0;
	bk_buf_release(&b);
	return rc;
}

/* The same for a question that may be refused: 0 then. */
static int
may(struct bk_mysqldump *p, const char *sql, struct bk_fault *f)
{
	struct bk_fault mine = BK_FAULT_INIT;
	int rc;

	rc = any_row(p, sql, &mine);
	if (rc != -1)
		return 1;
	if (mine.status == BK_NOPERM)
		return 0;
	return bk_fault_set(f, mine.status, "%s", mine.text);
}

/* A select over the chosen databases: "${head} IN (…)${tail}" into ${b}. */
static int
over_dbs(struct bk_buf *b, const struct bk_mysqldump *p, const char *head,
    const char *tail, struct bk_fault *f)
{
	if (p->m.ndbs == 0)
		return bk_buf_addf(b, f, "%s NOT IN " DATA_SCHEMAS "%s", head, tail);
	if (bk_buf_addf(b, f, "%s IN (", head) == -1 ||
	    bk_mysql_literals(b, &p->m, f) == -1)
		return -1;
	return bk_buf_addf(b, f, ")%s", tail);
}

/* Each database must be there, and be ours to use. */
static int
check_databases(struct bk_mysqldump *p, struct bk_fault *f)
{
	struct bk_buf sql = BK_BUF_INIT(65536), out = BK_BUF_INIT(4096);
	size_t i;
	int rc = 0;

	for (i = 0; i < p->m.ndbs && rc == 0; i++)
		if (bk_buf_adds(&sql, "USE ", f) == -1 ||
		    bk_mysql_name(&sql, p->m.dbs[i], f) == -1 ||
		    bk_buf_adds(&sql, ";\n", f) == -1)
			rc = -1;
	if (rc == 0 && sql.len > 0)
		rc = bk_mysql_ask(&p->m, sql.p, &out, f);
	bk_buf_release(&sql);
	bk_buf_release(&out);
	return rc;
}

/* SHOW GRANTS tells of roles that are on; MySQL 8 only when they are named. */
static int
read_grants(struct bk_mysqldump *p, struct bk_buf *grants, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(65536), sql = BK_BUF_INIT(65536);
	int rc = -1;

	if (!p->m.mariadb && p->m.version >= 80000) {
		if (bk_mysql_ask(&p->m, "SELECT CURRENT_ROLE()", &b, f) == -1)
			goto out;
		if (b.len > 0 && b.p[b.len - 1] == '\n')
			b.p[--b.len] = '\0';
	}
	if (b.len == 0 || strcmp(b.p, "NONE") == 0)
		rc = bk_mysql_ask(&p->m, "SHOW GRANTS", grants, f);
	else if (bk_buf_addf(&sql, f, "SHOW GRANTS FOR CURRENT_USER() USING %s",
	    b.p) == 0)
		rc = bk_mysql_ask(&p->m, sql.p, grants, f);
out:
	bk_buf_release(&b);
	bk_buf_release(&sql);
	return rc;
}

/* The fault for missing rights ${list} on ${db} (NULL: all). */
static int
lacks(struct bk_mysqldump *p, const char *list, const char *level,
    const char *instead, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(1024);
	int rc = -1;

	if (bk_mysql_ask(&p->m, "SELECT CONCAT('''', REPLACE(CURRENT_USER(), "
	    "'@', '''@'''), '''')", &b, f) == 0) {
		if (b.len > 0 && b.p[b.len - 1] == '\n')
			b.p[--b.len] = '\0';
		rc = bk_fault_set(f, BK_NOPERM,
		    "the dump would not be whole without a right: GRANT %s ON %s TO %s%s%s",
		    list, level, bk_buf_text(&b), instead[0] == '\0' ? "" :
		    "; or leave out with ", instead);
	}
	bk_buf_release(&b);
	return rc;
}

/* Rights on one database, or on all where ${db} is NULL. */
static int
check_db(struct bk_mysqldump *p, const char *grants, const char *db, bool views,
    struct bk_fault *f)
{
	const struct {
		const char *priv, *word;
		bool want;
	} need[] = {
		{ "SELECT", NULL, true }, { "SHOW VIEW", NULL, views },
		{ "TRIGGER", "triggers", p->triggers },
		{ "EVENT", "events", p->events }
	};
	struct bk_buf list = BK_BUF_INIT(256), instead = BK_BUF_INIT(256);
	struct bk_buf level = BK_BUF_INIT(1024);
	size_t i;
	int rc = -1;

	for (i = 0; i < sizeof(need) / sizeof(*need); i++) {
		if (!need[i].want || bk_mysql_granted(grants, need[i].priv, db))
			continue;
		if (bk_buf_addf(&list, f, "%s%s", list.len > 0 ? ", " : "",
		    need[i].priv) == -1 || (need[i].word != NULL &&
		    bk_buf_addf(&instead, f, "%s%s", instead.len > 0 ? "," :
		    "?without=", need[i].word) == -1))
			goto out;
	}
	rc = 0;
	if (list.len == 0)
		goto out;
	rc = db == NULL ? bk_buf_adds(&level, "*", f) :
	    bk_mysql_name(&level, db, f);
	if (rc == 0)
		rc = bk_buf_adds(&level, ".*", f);
	if (rc == 0)
		rc = lacks(p, list.p, level.p, bk_buf_text(&instead), f);
out:
	bk_buf_release(&list);
	bk_buf_release(&instead);
	bk_buf_release(&level);
	return rc;
}

static int
check_routines(struct bk_mysqldump *p, const char *grants, struct bk_fault *f)
{
	bool modern = !p->m.mariadb && p->m.version >= 80000;
	bool show = p->m.mariadb && p->m.version >= 110300;
	size_t i;
	int rc;

	if (!p->routines || bk_mysql_granted(grants, "SELECT", NULL) ||
	    (modern && bk_mysql_granted(grants, "SHOW_ROUTINE", NULL)))
		return 0;
	if (modern)
		return lacks(p, p->m.version >= 80020 ? "SHOW_ROUTINE" : "SELECT",
		    "*.*", "?without=routines", f);
	if ((rc = may(p, "SELECT 1 FROM mysql.proc LIMIT 1", f)) != 0)
		return rc == 1 ? 0 : -1;
	for (i = 0; show && i < p->m.ndbs; i++)
		if (!bk_mysql_granted(grants, "SHOW CREATE ROUTINE", p->m.dbs[i]))
			show = false;
	if (show && p->m.ndbs > 0)
		return 0;
	return lacks(p, "SELECT", "mysql.proc", "?without=routines", f);
}

int
bk_mysqldump_rights(struct bk_mysqldump *p, struct bk_fault *f)
{
	struct bk_buf grants = BK_BUF_INIT(1048576), sql = BK_BUF_INIT(65536);
	size_t i;
	int views, rc = -1;

	if (check_databases(p, f) == -1 || read_grants(p, &grants, f) == -1 ||
	    over_dbs(&sql, p, "SELECT 1 FROM information_schema.tables WHERE "
	    "table_type = 'VIEW' AND table_schema", " LIMIT 1", f) == -1 ||
	    (views = any_row(p, sql.p, f)) == -1)
		goto out;
	if (p->m.ndbs == 0 &&
	    check_db(p, bk_buf_text(&grants), NULL, true, f) == -1)
		goto out;
	for (i = 0; i < p->m.ndbs; i++)
		if (check_db(p, bk_buf_text(&grants), p->m.dbs[i], views == 1,
		    f) == -1)
			goto out;
	if (check_routines(p, bk_buf_text(&grants), f) == -1)
		goto out;
	p->reload = bk_mysql_granted(bk_buf_text(&grants), "RELOAD", NULL);
	rc = 0;
out:
	bk_buf_release(&grants);
	bk_buf_release(&sql);
	return rc;
}

/* ---- lock and position ---- */

int
bk_mysqldump_lock(struct bk_mysqldump *p, json_t *info, struct bk_fault *f)
{
	struct bk_buf sql = BK_BUF_INIT(65536), out = BK_BUF_INIT(65536);
	const char *first;
	long long n;
	int rc = -1;

	if (over_dbs(&sql, p, "SELECT COUNT(*), COALESCE(MIN(CONCAT(table_schema, "
	    "'.', table_name, ' (', engine, ')')), '') FROM "
	    "information_schema.tables WHERE table_type NOT LIKE '%VIEW' AND engine "
	    "NOT IN ('InnoDB', 'ROCKSDB', 'BLACKHOLE') AND table_schema", "", f) ==
	    -1 || bk_mysql_ask(&p->m, sql.p, &out, f) == -1)
		goto out;
	n = strtoll(bk_buf_text(&out), NULL, 10);
	first = strchr(bk_buf_text(&out), '\t');
	first = first == NULL ? "" : first + 1;
	rc = 0;
	if (n > 0) {
		rc = bk_json_set(info, "not-transactional", json_integer(n), f);
		p->m.ctx->log(BK_LOG_WARN, p->lock == BK_MYSQL_LOCK_NONE ?
		    "%lld tables such as %.*s are not transactional: under lock=none they may not be consistent" :
		    "%lld tables such as %.*s are not transactional: writers wait until the dump ends",
		    n, (int)strcspn(first, "\n"), first);
	}
	if (p->lock == BK_MYSQL_LOCK_AUTO)
		p->lock = n > 0 ? BK_MYSQL_LOCK_ALL : BK_MYSQL_LOCK_NONE;
	if (rc == 0 && p->lock == BK_MYSQL_LOCK_ALL && !p->reload)
		rc = lacks(p, "RELOAD", "*.*", "the lock: ?lock=none", f);
out:
	bk_buf_release(&sql);
	bk_buf_release(&out);
	return rc;
}

/* The position cannot be had for want of ${grant}. */
static int
no_position(struct bk_mysqldump *p, const char *grant, struct bk_fault *f)
{
	p->position = false;
	p->m.ctx->log(BK_LOG_WARN, "no position in the binary log is recorded: "
	    "that needs GRANT %s ON *.*", grant);
	return bk_json_push(p->left_out, json_string("position"), f);
}

int
bk_mysqldump_position(struct bk_mysqldump *p, struct bk_fault *f)
{
	int rc;

	if (!p->position)
		return 0;
	if ((rc = any_row(p, "SELECT 1 FROM DUAL WHERE @@log_bin", f)) != 1) {
		p->position = false;
		return rc;
	}
	if (p->m.mariadb && p->tool_mariadb && p->lock == BK_MYSQL_LOCK_NONE) {
		/* Kept with the snapshot, for everyone. */
		rc = any_row(p, "SHOW STATUS LIKE 'binlog_snapshot_file'", f);
		if (rc != 0)
			return rc == 1 ? 0 : -1;
	}
	if ((rc = may(p, !p->m.mariadb && p->m.version >= 80200 ?
	    "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS", f)) == -1)
		return -1;
	if (rc == 0)
		return no_position(p, p->m.mariadb && p->m.version >= 100502 ?
		    "BINLOG MONITOR" : "REPLICATION CLIENT", f);
	return p->reload ? 0 : no_position(p, "RELOAD", f);
}

/* ---- arguments ---- */

int
bk_mysqldump_args(const struct bk_mysqldump *p, const char *const *user,
    struct bk_argv *a, struct bk_fault *f)
{
	const char *const fixed[] = {
		"--quick", "--hex-blob", "--comments",
		"--default-character-set=utf8mb4", "--max-allowed-packet=1G",
		p->routines ? "--routines" : "--skip-routines",
		p->events ? "--events" : "--skip-events",
		p->triggers ? "--triggers" : "--skip-triggers",
		p->lock == BK_MYSQL_LOCK_ALL ? "--lock-all-tables" :
		    "--single-transaction",
		NULL
	};
	size_t i;

	if (bk_argv_add(a, p->tool, f) == -1 ||
	    bk_argv_all(a, bk_argv_get(&p->m.login) + 1, f) == -1 ||
	    bk_argv_all(a, user, f) == -1 || bk_argv_all(a, fixed, f) == -1)
		return -1;
	if ((p->tablespaces && bk_argv_add(a, "--no-tablespaces", f) == -1) ||
	    (p->gtid_purged && bk_argv_addf(a, f, "--set-gtid-purged=%s",
	    p->gtid_commented && p->position ? "COMMENTED" : "OFF") == -1) ||
	    (p->statistics && (p->m.mariadb || p->m.version < 80000) &&
	    bk_argv_add(a, "--column-statistics=0", f) == -1) ||
	    (p->position && bk_argv_add(a, p->source_data ? "--source-data=2" :
	    "--master-data=2", f) == -1))
		return -1;
	if (p->m.ndbs == 0) {
		if (bk_argv_add(a, "--all-databases", f) == -1)
			return -1;
		if (!p->accounts)
			return bk_argv_add(a, "--flush-privileges", f);
		return bk_argv_add(a, "--ignore-database=mysql", f) == -1 ? -1 :
		    bk_argv_add(a, "--ignore-database=sys", f);
	}
	if ((p->m.ndbs > 1 && bk_argv_add(a, "--databases", f) == -1) ||
	    bk_argv_add(a, "--", f) == -1)
		return -1;
	for (i = 0; i < p->m.ndbs; i++)
		if (bk_argv_add(a, p->m.dbs[i], f) == -1)
			return -1;
	return 0;
}

int
bk_mysqldump_account_args(const struct bk_mysqldump *p, struct bk_argv *a,
    struct bk_fault *f)
{
	static const char *const fixed[] = {
		"--system=users,servers", "--insert-ignore", "--comments",
		"--no-tablespaces",
		"--default-character-set=utf8mb4", NULL
	};

	if (bk_argv_add(a, p->tool, f) == -1 ||
	    bk_argv_all(a, bk_argv_get(&p->m.login) + 1, f) == -1)
		return -1;
	return bk_argv_all(a, fixed, f);
}
