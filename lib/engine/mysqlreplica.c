/*
 * MySQL and MariaDB: a restored server becomes a replica of the one that was
 * dumped.
 *
 * The statements go through one session that logs in before anything is
 * restored: the accounts of a dump may give the login another password, and a
 * session that is there keeps what it may ("When Privilege Changes Take
 * Effect" in the MySQL manual).  The primary's password goes to the client's
 * standard input, in a statement of its own that cannot be wrong, since a
 * server's message about a wrong one may repeat it.
 *
 * The restore is kept out of the target's own binary log (sql_log_bin): its
 * events would take numbers of the GTID domain that the primary's have, and
 * with gtid_strict_mode the replica would stop at the first of those.
 *
 * MariaDB goes on from the GTID of the record, where it has one ("Global
 * Transaction ID", setting up a replica from a backup), and from file and
 * position otherwise.  MySQL always does the latter, as its GTIDs could be
 * taken over by a server only that has none of its own.  Its statements say
 * SOURCE and REPLICA from 8.0.23 on, and nothing else from 8.4 on.
 *
 * A dump of some databases is no base for the others: a filter leaves them
 * out.  By table, with any default database: one by default database would
 * lose statements without a word.
 */
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mysqlreplica.h"

#define WAIT_MS 60000
#define STEP_MS 250
#define PASSWORD_MAX 96		/* what MariaDB keeps of one; MySQL takes 32 */

/* ---- before ---- */

static int
check_primary(const struct bk_uri *u, struct bk_fault *f)
{
	static const char *const allowed[] = { "password-file", NULL };

	if ((strcmp(u->scheme, "mysql") != 0 &&
	    strcmp(u->scheme, "mariadb") != 0) || u->host[0] == '\0' ||
	    u->user == NULL || (u->path[0] != '\0' && strcmp(u->path, "/") != 0))
		return bk_fault_set(f, BK_USAGE, "--replica-of '%s': want "
		    "mariadb://USER@HOST[:PORT] or mysql://USER@HOST[:PORT]",
		    u->text);
	return bk_uri_allow(u, allowed, f);
}

static int
no_position(struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "the backup has no position in the "
	    "primary's binary log to go on from: dump the primary with log_bin on and without ?without=position");
}

/* One that was left out is known at once, before the payload is read. */
static int
check_record(const json_t *header, struct bk_fault *f)
{
	const json_t *without = json_object_get(json_object_get(header, "info"),
	    "without");
	const json_t *v;
	size_t i;

	json_array_foreach(without, i, v)
		if (json_is_string(v) &&
		    strcmp(json_string_value(v), "position") == 0)
			return no_position(f);
	return 0;
}

/* "DB.%", its own wildcards and commas not taken for such. */
static int
add_only(struct bk_mysqlreplica *r, const char *db, struct bk_fault *f)
{
	if (strchr(db, ',') != NULL)
		return bk_fault_set(f, BK_USAGE, "database '%s': a filter of "
		    "replication takes no name with a comma", db);
	if (r->only.len > 0 && bk_buf_adds(&r->only, ",", f) == -1)
		return -1;
	for (; *db != '\0'; db++)
		if ((strchr("_%\\", *db) != NULL &&
		    bk_buf_adds(&r->only, "\\", f) == -1) ||
		    bk_buf_add(&r->only, db, 1, f) == -1)
			return -1;
	return bk_buf_adds(&r->only, ".%", f);
}

/* A replica has the names of its primary. */
static int
check_names(struct bk_mysqlreplica *r, const json_t *header,
    struct bk_fault *f)
{
	const json_t *source = json_object_get(header, "source");
	const char *db = bk_json_get_text(source, "database");
	const json_t *list = json_object_get(source, "databases");
	const json_t *v;
	size_t i;

	if (db != NULL && r->m->ndbs == 1 && strcmp(db, r->m->dbs[0]) != 0)
		return bk_fault_set(f, BK_USAGE, "a replica of '%s' cannot have "
		    "it under the name '%s'", db, r->m->dbs[0]);
	if (db != NULL)
		return add_only(r, db, f);
	json_array_foreach(list, i, v)
		if (json_is_string(v) &&
		    add_only(r, json_string_value(v), f) == -1)
			return -1;
	return 0;
}

static bool
new_words(const struct bk_mysql *m)
{
	return !m->mariadb && m->version >= 80023;
}

static int
check_server(struct bk_mysqlreplica *r, struct bk_fault *f)
{
	const char *right = r->m->mariadb ? "REPLICATION SLAVE ADMIN" :
	    "REPLICATION_SLAVE_ADMIN";
	struct bk_buf b = BK_BUF_INIT(1048576);
	int rc = -1;

	if (bk_mysql_ask(r->m, "SHOW GRANTS", &b, f) == -1)
		goto out;
	if (!bk_mysql_granted(bk_buf_text(&b), "SUPER", NULL) &&
	    !bk_mysql_granted(bk_buf_text(&b), right, NULL)) {
		bk_fault_set(f, BK_NOPERM, "to make a replica takes a right: "
		    "GRANT %s ON *.* TO the user of the URL", right);
		goto out;
	}
	bk_buf_reset(&b);
	if (bk_mysql_ask(r->m, r->m->mariadb ? "SHOW ALL SLAVES STATUS" :
	    new_words(r->m) ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS", &b,
	    f) == -1)
		goto out;
	if (b.len > 0)
		bk_fault_set(f, BK_CONFIG, "the server is a replica already: "
		    "STOP %s and RESET %s ALL there first",
		    new_words(r->m) ? "REPLICA" : "SLAVE",
		    new_words(r->m) ? "REPLICA" : "SLAVE");
	else
		rc = 0;
out:
	bk_buf_release(&b);
	return rc;
}

int
bk_mysqlreplica_open(struct bk_mysqlreplica *r,
    const struct bk_restore_req *req, struct bk_fault *f)
{
	const struct bk_uri *u = req->recovery == NULL ? NULL :
	    req->recovery->primary;
	bool file;

	if (u == NULL)
		return 0;
	r->primary = u;
	if (check_primary(u, f) == -1 || check_record(req->header, f) == -1 ||
	    check_names(r, req->header, f) == -1)
		return -1;
	file = bk_uri_opt(u, "password-file") != NULL;
	if (bk_tool_password(req->ctx, u, file ? NULL : req->source_env,
	    "MYSQL_PWD", &r->password, f) == -1)
		return -1;
	if (r->password.len > PASSWORD_MAX)
		return bk_fault_set(f, BK_CONFIG, "'%s': replication takes a "
		    "password of %d bytes at most", u->text, PASSWORD_MAX);
	if (bk_argv_add(&r->m->login, "--init-command=SET SESSION sql_log_bin=0",
	    f) == -1)
		return -1;
	return check_server(r, f);
}

/* ---- the session ---- */

/* It has ended before it answered: why. */
static int
lost(struct bk_mysqlreplica *r, struct bk_fault *why, struct bk_fault *f)
{
	struct bk_fault end = BK_FAULT_INIT;

	if (bk_child_finish(r->session, NULL, NULL, &end) == -1)
		return bk_fault_set(f, bk_tool_class(bk_mysql_msgs,
		    bk_child_tail(r->session), end.status), "%s", end.text);
	return bk_fault_set(f, bk_faulty(why) ? why->status : BK_UNAVAILABLE,
	    "%s", bk_faulty(why) ? why->text :
	    "the server's client ended without an answer");
}

/* Run statements; what they answer is in ${r}->said. */
static int
talk(struct bk_mysqlreplica *r, const char *sql, struct bk_fault *f)
{
	static const char ask[] = "\nSELECT 'over' AS bk_end;\n";
	static const char over[] = "bk_end: over\n";
	struct bk_fault why = BK_FAULT_INIT;
	char piece[4096];
	ssize_t n;

	bk_buf_reset(&r->said);
	if (bk_child_write(r->session, sql, strlen(sql), NULL, NULL, &why) ==
	    -1 || bk_child_write(r->session, ask, sizeof(ask) - 1, NULL, NULL,
	    &why) == -1)
		return lost(r, &why, f);
	while (strstr(bk_buf_text(&r->said), over) == NULL) {
		if ((n = bk_child_read(r->session, piece, sizeof(piece), f)) == -1)
			return -1;
		if (n == 0)
			return lost(r, &why, f);
		if (bk_buf_add(&r->said, piece, (size_t)n, f) == -1)
			return -1;
	}
	return 0;
}

static int
log_in(struct bk_mysqlreplica *r, struct bk_fault *f)
{
	static const char *const fixed[] = {
		"--batch", "--binary-mode", "--skip-force", "--skip-reconnect",
		"--unbuffered", "--vertical", "--default-character-set=utf8mb4",
		"--connect-timeout=30", NULL
	};
	struct bk_child_spec spec = { .env = r->m->env, .in = -1,
	    .flags = BK_CHILD_IN | BK_CHILD_OUT, .deadline = r->m->deadline,
	    .pass = r->m->secret.fd };
	struct bk_argv a = BK_ARGV_INIT;
	int rc = -1;

	if (bk_argv_all(&a, bk_argv_get(&r->m->login), f) == 0 &&
	    bk_argv_all(&a, fixed, f) == 0) {
		spec.argv = bk_argv_get(&a);
		r->session = bk_child_start(r->m->ctx, &spec, f);
	}
	/* It waits as long as the restore takes; quoting is as below. */
	if (r->session != NULL)
		rc = talk(r, "SET SESSION wait_timeout = 2147483, sql_mode = '';",
		    f);
	bk_argv_release(&a);
	return rc;
}

int
bk_mysqlreplica_ready(struct bk_mysqlreplica *r, const json_t *header,
    struct bk_fault *f)
{
	const json_t *p = json_object_get(json_object_get(header, "info"),
	    "position");
	const char *file = bk_json_get_text(p, "file");
	const char *gtid = bk_json_get_text(p, "gtid");
	int64_t pos = bk_json_get_int(p, "pos");

	if (r->primary == NULL)
		return 0;
	if (file == NULL || file[0] == '\0' || pos < 4 ||
	    strlen(file) >= sizeof(r->pos.file))
		return no_position(f);
	(void)snprintf(r->pos.file, sizeof(r->pos.file), "%s", file);
	r->pos.pos = (uint64_t)pos;
	/* "0-1-42,1-3-7" is one of MariaDB. */
	if (r->m->mariadb && gtid != NULL && strlen(gtid) <
	    sizeof(r->pos.gtid) && strspn(gtid, "0123456789-,") == strlen(gtid))
		(void)snprintf(r->pos.gtid, sizeof(r->pos.gtid), "%s", gtid);
	return log_in(r, f);
}

/* ---- after ---- */

/* A string literal for a session without a SQL mode. */
static int
add_text(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	int rc = bk_buf_adds(b, "'", f);

	for (; rc == 0 && *s != '\0'; s++)
		if ((*s != '\'' && *s != '\\') ||
		    (rc = bk_buf_adds(b, "\\", f)) == 0)
			rc = bk_buf_add(b, s, 1, f);
	return rc == -1 ? -1 : bk_buf_adds(b, "'", f);
}

/* MariaDB keeps a filter that its option file sets. */
static int
set_filter(struct bk_mysqlreplica *r, struct bk_fault *f)
{
	static const char head[] = "CHANGE REPLICATION FILTER "
	    "REPLICATE_WILD_DO_TABLE = (";
	struct bk_buf b = BK_BUF_INIT(262144);
	char *list = r->only.p, *one;
	int rc = -1;

	if (r->only.len == 0)
		return 0;
	if (r->m->mariadb && (talk(r, "SELECT "
	    "@@GLOBAL.replicate_wild_do_table <> '' AS is_set;", f) == -1 ||
	    strstr(bk_buf_text(&r->said), "is_set: 1") != NULL))
		return bk_faulty(f) ? -1 : 0;
	r->m->ctx->log(BK_LOG_WARN, "the server replicates only the databases of "
	    "the dump, until it is started again: put "
	    "replicate-wild-do-table=%s into its option file", r->only.p);
	if (r->m->mariadb) {
		if (bk_buf_adds(&b, "SET GLOBAL replicate_wild_do_table = ", f) ==
		    0 && add_text(&b, list, f) == 0)
			rc = bk_buf_adds(&b, ";", f);
	} else {
		rc = bk_buf_adds(&b, head, f);
		while (rc == 0 && (one = strsep(&list, ",")) != NULL)
			if ((rc = add_text(&b, one, f)) == 0)
				rc = bk_buf_adds(&b, list != NULL ? ", " : ");",
				    f);
	}
	if (rc == 0)
		rc = talk(r, bk_buf_text(&b), f);
	bk_buf_release(&b);
	return rc;
}

/* "CHANGE MASTER TO MASTER_" or as newer servers say it. */
static const char *
change(const struct bk_mysqlreplica *r)
{
	return new_words(r->m) ? "CHANGE REPLICATION SOURCE TO SOURCE_" :
	    "CHANGE MASTER TO MASTER_";
}

static int
set_primary(struct bk_mysqlreplica *r, struct bk_fault *f)
{
	const char *word = new_words(r->m) ? "SOURCE" : "MASTER";
	const char *gtid = r->pos.gtid;
	struct bk_buf b = BK_BUF_INIT(65536);
	int rc = -1;

	if ((gtid[0] != '\0' && bk_buf_addf(&b, f,
	    "SET GLOBAL gtid_slave_pos = '%s';\n", gtid) == -1) ||
	    bk_buf_addf(&b, f, "%sHOST = ", change(r)) == -1 ||
	    add_text(&b, r->primary->host, f) == -1 ||
	    bk_buf_addf(&b, f, ", %s_PORT = %d, %s_USER = ", word,
	    r->primary->port != -1 ? r->primary->port : 3306, word) == -1 ||
	    add_text(&b, r->primary->user, f) == -1)
		goto out;
	if (gtid[0] != '\0') {
		if (bk_buf_adds(&b, ", MASTER_USE_GTID = slave_pos;", f) == -1)
			goto out;
	} else if (bk_buf_addf(&b, f, ", %s_LOG_FILE = ", word) == -1 ||
	    add_text(&b, r->pos.file, f) == -1 ||
	    bk_buf_addf(&b, f, ", %s_LOG_POS = %llu%s;", word,
	    (unsigned long long)r->pos.pos,
	    r->m->mariadb ? ", MASTER_USE_GTID = no" : "") == -1)
		goto out;
	if (talk(r, bk_buf_text(&b), f) == -1)
		goto out;
	bk_buf_reset(&b);
	if (bk_buf_addf(&b, f, "%sPASSWORD = ", change(r)) == 0 &&
	    add_text(&b, bk_buf_text(&r->password), f) == 0 &&
	    bk_buf_adds(&b, ";", f) == 0)
		rc = talk(r, bk_buf_text(&b), f);
out:
	bk_buf_wipe(&b);
	return rc;
}

/* The value behind ${name} in what the server said of the replica. */
static const char *
value(const struct bk_mysqlreplica *r, const char *name, char *out,
    size_t size)
{
	const char *p = strstr(bk_buf_text(&r->said), name);

	if (p == NULL)
		p = "";
	else
		p += strlen(name);
	(void)snprintf(out, size, "%.*s", (int)strcspn(p, "\n"), p);
	return out;
}

/* Did one of the threads fail?  0, or -1 with ${f} set. */
static int
check_threads(const struct bk_mysqlreplica *r, struct bk_fault *f)
{
	char no[32], text[400];

	if (strtoll(value(r, "Last_IO_Errno: ", no, sizeof(no)), NULL, 10) != 0) {
		(void)value(r, "Last_IO_Error: ", text, sizeof(text));
		return bk_fault_set(f, bk_tool_class(bk_mysql_msgs, text,
		    strcmp(no, "1236") == 0 ? BK_DATA :
		    strcmp(no, "1593") == 0 ? BK_CONFIG : BK_UNAVAILABLE),
		    "%s", text);
	}
	if (strtoll(value(r, "Last_SQL_Errno: ", no, sizeof(no)), NULL, 10) != 0)
		return bk_fault_set(f, BK_DATA, "%s", value(r,
		    "Last_SQL_Error: ", text, sizeof(text)));
	return 0;
}

static bool
runs(const struct bk_mysqlreplica *r)
{
	char io[32], sql[32], file[64];

	/* Of the file something is known when the primary took the position. */
	return strcmp(value(r, "_IO_Running: ", io, sizeof(io)), "Yes") == 0 &&
	    strcmp(value(r, "_SQL_Running: ", sql, sizeof(sql)), "Yes") == 0 &&
	    value(r, new_words(r->m) ? " Source_Log_File: " :
	    " Master_Log_File: ", file, sizeof(file))[0] != '\0';
}

/* Twice in a row: a primary refuses a position after the login. */
static int
wait_running(struct bk_mysqlreplica *r, struct bk_fault *f)
{
	const struct bk_ctx *ctx = r->m->ctx;
	int64_t until = ctx->mono() + WAIT_MS;
	int good = 0;

	if (r->m->deadline != 0 && r->m->deadline < until)
		until = r->m->deadline;
	for (;;) {
		if (talk(r, new_words(r->m) ? "SHOW REPLICA STATUS;" :
		    "SHOW SLAVE STATUS;", f) == -1 || check_threads(r, f) == -1)
			return -1;
		good = runs(r) ? good + 1 : 0;
		if (good == 2)
			return 0;
		if (ctx->mono() >= until)
			return bk_fault_set(f, BK_UNAVAILABLE,
			    "its threads do not run");
		(void)poll(NULL, 0, STEP_MS);
	}
}

int
bk_mysqlreplica_start(struct bk_mysqlreplica *r, struct bk_fault *f)
{
	if (r->primary == NULL)
		return 0;
	if (set_filter(r, f) == -1 || set_primary(r, f) == -1 ||
	    talk(r, new_words(r->m) ? "START REPLICA;" : "START SLAVE;", f) ==
	    -1 || wait_running(r, f) == -1) {
		bk_fault_context(f, "restored, but no replica of '%s' yet",
		    r->primary->text);
		return -1;
	}
	r->m->ctx->log(BK_LOG_INFO, "replicating from '%s', since %s",
	    r->primary->text, r->pos.gtid[0] != '\0' ? r->pos.gtid :
	    r->pos.file);
	return 0;
}

void
bk_mysqlreplica_release(struct bk_mysqlreplica *r)
{
	bk_child_stop(r->session, 2000);
	r->session = NULL;
	bk_buf_wipe(&r->password);
	bk_buf_release(&r->only);
	bk_buf_release(&r->said);
}
