/*
 * Restore of what pg_dumpall made: all databases and roles, by psql.
 *
 * It cannot be atomic: psql connects to one database after the other.  So the
 * backup is spooled and verified first; databases that are replaced are
 * renamed away, come back if it fails, and are dropped after it ended well;
 * what was made is dropped if it fails.  What cannot be taken back are
 * changes of roles that were there before.
 *
 * Facts, seen on 15.20: the output creates every role, the superuser that
 * each server is born with too, so a plain psql with ON_ERROR_STOP ends at
 * the first line of any server; it makes all roles and tablespaces before the
 * first "\connect", each CREATE ROLE on a line of its own, followed by ALTER
 * ROLE with the password.  Lines that make what is there already are left
 * out.  The ALTER ROLE of the role that we are is moved to the end: with
 * another password the next \connect would be refused.
 */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "pgrestore.h"

#define UNDO_MS 120000

static const char about[] =
	"SELECT json_build_object('num', current_setting('server_version_num')"
	"::int, 'user', current_user::text, 'super', (SELECT rolsuper FROM "
	"pg_roles WHERE rolname = current_user));\n"
	"SELECT json_build_object('databases', json_agg(datname ORDER BY datname))"
	" FROM pg_database WHERE datname NOT IN ('postgres', 'template0', "
	"'template1');\n"
	"SELECT json_build_object('roles', json_agg(rolname)) FROM pg_roles;\n"
	"SELECT json_build_object('tablespaces', json_agg(spcname)) FROM "
	"pg_tablespace;\n";

/* Is the text in an array? */
static bool
listed(const json_t *a, const char *s)
{
	const char *t;
	size_t i;

	for (i = 0; i < json_array_size(a); i++)
		if ((t = json_string_value(json_array_get(a, i))) != NULL &&
		    strcmp(t, s) == 0)
			return true;
	return false;
}

/* The databases that are in every server must not hold anything either. */
static int
check_own(struct bk_pgrestore *p, struct bk_fault *f)
{
	static const char *const own[] = { "postgres", "template1" };
	struct bk_fault one = BK_FAULT_INIT;
	bool holds;
	json_t *o;
	size_t i;

	for (i = 0; i < 2; i++) {
		bk_fault_clear(&one);
		o = bk_pg_ask_json(&p->pg, own[i], bk_pg_holds, &one);
		if (o == NULL && one.status != BK_NOINPUT)
			return bk_fault_set(f, one.status, "%s", one.text);
		holds = o != NULL && json_is_true(json_object_get(o, "holds"));
		json_decref(o);
		if (holds)
			return bk_fault_set(f, BK_CANTCREATE, "database '%s' of "
			    "the server at %s holds something; empty it by hand",
			    own[i], p->pg.where);
	}
	return 0;
}

int
bk_pgcluster_open(struct bk_pgrestore *p, struct bk_fault *f)
{
	struct bk_buf version = BK_BUF_INIT(4096);
	json_t *dbs;
	bool roles;
	int rc;

	if ((p->server = bk_pg_ask_any(&p->pg, NULL, about, p->admin, f)) == NULL)
		return -1;
	/* Roles alone go beside the databases that are there. */
	roles = json_is_true(json_object_get(p->info, "roles"));
	if (roles)
		(void)json_object_del(p->server, "databases");
	dbs = json_object_get(p->server, "databases");
	if (json_array_size(dbs) > 0 && !p->r->req->replace)
		return bk_fault_set(f, BK_CANTCREATE, "the server at %s holds "
		    "databases ('%s'); --replace puts the backup in their place",
		    p->pg.where, json_string_value(json_array_get(dbs, 0)));
	if (!json_is_true(json_object_get(p->server, "super")))
		return bk_fault_set(f, BK_NOPERM, "role '%s' is no superuser, and "
		    "only one can restore roles and all databases",
		    bk_json_get_text(p->server, "user"));
	if (!roles && check_own(p, f) == -1)
		return -1;
	rc = bk_pg_tool(&p->pg, "psql", 0, p->tool, &version, f);
	bk_buf_release(&version);
	return rc;
}

/* ---- databases that make room ---- */

/* Name of the ${i}th database while it waits. */
static void
aside(const struct bk_pgrestore *p, size_t i, const char *db,
    char out[BK_PG_NAME])
{
	char stem[BK_NAME_MAX + 1];

	bk_name_from(db, stem);
	snprintf(out, BK_PG_NAME, "%.30s_bk_%s_%zu", stem, p->mark, i);
}

static int
rename_text(struct bk_buf *q, const char *from, const char *to,
    struct bk_fault *f)
{
	if (bk_buf_adds(q, "SELECT pg_terminate_backend(pid) FROM "
	    "pg_stat_activity WHERE pid <> pg_backend_pid() AND datname =",
	    f) == -1 || bk_pg_literal(q, from, f) == -1 ||
	    bk_buf_adds(q, ";\nALTER DATABASE ", f) == -1 ||
	    bk_pg_ident(q, from, f) == -1 ||
	    bk_buf_adds(q, " RENAME TO ", f) == -1 ||
	    bk_pg_ident(q, to, f) == -1)
		return -1;
	return bk_buf_adds(q, ";\n", f);
}

static int
make_room(struct bk_pgrestore *p, struct bk_fault *f)
{
	json_t *dbs = json_object_get(p->server, "databases");
	struct bk_buf q = BK_BUF_INIT(4 * 1024 * 1024);
	char name[BK_PG_NAME];
	const char *db;
	size_t i;
	int rc = -1;

	if (json_array_size(dbs) == 0)
		return 0;
	if (bk_buf_adds(&q, "BEGIN;\n", f) == -1)
		goto out;
	for (i = 0; i < json_array_size(dbs); i++) {
		db = json_string_value(json_array_get(dbs, i));
		aside(p, i, db, name);
		if (rename_text(&q, db, name, f) == -1)
			goto out;
	}
	if (bk_buf_adds(&q, "COMMIT;\n", f) == 0)
		rc = bk_pg_ask(&p->pg, p->admin, bk_buf_text(&q), NULL, f);
	p->made = rc == 0;
out:
	bk_buf_release(&q);
	return rc;
}

static int
drop_text(struct bk_buf *q, const char *db, struct bk_fault *f)
{
	if (bk_buf_adds(q, "SELECT pg_terminate_backend(pid) FROM "
	    "pg_stat_activity WHERE pid <> pg_backend_pid() AND datname =",
	    f) == -1 || bk_pg_literal(q, db, f) == -1 ||
	    bk_buf_adds(q, ";\nDROP DATABASE IF EXISTS ", f) == -1 ||
	    bk_pg_ident(q, db, f) == -1)
		return -1;
	return bk_buf_adds(q, ";\n", f);
}

/* Run clean-up, all of it whatever fails, and tell what did. */
static void
clean(struct bk_pgrestore *p, struct bk_buf *q, const char *what,
    const struct bk_fault *made)
{
	struct bk_fault f = *made;

	p->pg.deadline = p->pg.ctx->mono() + UNDO_MS;
	if (bk_faulty(&f) ||
	    bk_pg_ask(&p->pg, p->admin, bk_buf_text(q), NULL, &f) == -1)
		p->pg.ctx->log(BK_LOG_WARN, "%s: %s", what, f.text);
}

static void
drop_asides(struct bk_pgrestore *p)
{
	json_t *dbs = json_object_get(p->server, "databases");
	struct bk_buf q = BK_BUF_INIT(4 * 1024 * 1024);
	struct bk_fault f = BK_FAULT_INIT;
	char name[BK_PG_NAME];
	size_t i;

	for (i = 0; i < json_array_size(dbs); i++) {
		aside(p, i, json_string_value(json_array_get(dbs, i)), name);
		if (drop_text(&q, name, &f) == -1)
			break;
	}
	if (q.len > 0)
		clean(p, &q, "a replaced database is left over", &f);
	bk_buf_release(&q);
}

/*
 * Drop what was made, by the names that the record gives and those that were
 * renamed away, and give these their names back.  Databases that somebody
 * else made meanwhile stay.
 */
static void
undo(struct bk_pgrestore *p, const json_t *roles)
{
	json_t *old = json_object_get(p->server, "databases");
	json_t *new = json_object_get(p->info, "databases");
	struct bk_buf q = BK_BUF_INIT(4 * 1024 * 1024);
	struct bk_fault f = BK_FAULT_INIT;
	char name[BK_PG_NAME];
	const char *s;
	size_t i;

	(void)bk_buf_adds(&q, "\\unset ON_ERROR_STOP\n", &f);
	for (i = 0; i < json_array_size(new); i++)
		if ((s = json_string_value(json_array_get(new, i))) != NULL &&
		    strcmp(s, "postgres") != 0 && !listed(old, s))
			(void)drop_text(&q, s, &f);
	for (i = 0; p->made && i < json_array_size(old); i++) {
		s = json_string_value(json_array_get(old, i));
		aside(p, i, s, name);
		(void)drop_text(&q, s, &f);
		(void)rename_text(&q, name, s, &f);
	}
	for (i = 0; i < json_array_size(roles); i++) {
		(void)bk_buf_adds(&q, "DROP ROLE ", &f);
		(void)bk_pg_ident(&q, json_string_value(json_array_get(roles, i)),
		    &f);
		(void)bk_buf_adds(&q, ";\n", &f);
	}
	clean(p, &q, "the server could not be put back as it was", &f);
	bk_buf_release(&q);
}

/* ---- the script ---- */

/*
 * The name behind ${prefix} in a line, its quotes undone.  Returns what
 * follows it, or NULL where the line is another.
 */
static const char *
name_in(const char *line, size_t n, const char *prefix, char out[BK_PG_NAME * 2])
{
	size_t k = strlen(prefix), o = 0;
	const char *p = line + k, *end = line + n;
	bool quoted;

	if (n <= k || memcmp(line, prefix, k) != 0)
		return NULL;
	quoted = *p == '"';
	if (quoted)
		p++;
	for (; p < end && o < BK_PG_NAME * 2 - 1; p++) {
		if (quoted && *p == '"' && (p + 1 == end || *++p != '"'))
			break;
		if (!quoted && (*p == ' ' || *p == ';'))
			break;
		out[o++] = *p;
	}
	out[o] = '\0';
	return p;
}

struct script {
	struct bk_pgrestore *p;
	struct bk_buf last;	/* the ALTER ROLE of the role that we are */
	json_t *made;		/* roles that were not there */
};

/* 1: the line is left out, 0: it goes to psql, -1 with ${f} set. */
static int
leave_out(struct script *s, const char *line, size_t n, struct bk_fault *f)
{
	json_t *server = s->p->server;
	const char *me = bk_json_get_text(server, "user");
	char name[BK_PG_NAME * 2];
	const char *rest;

	if ((rest = name_in(line, n, "CREATE ROLE ", name)) != NULL &&
	    *rest == ';') {
		if (listed(json_object_get(server, "roles"), name))
			return 1;
		return bk_json_push(s->made, json_string(name), f);
	}
	if (name_in(line, n, "CREATE TABLESPACE ", name) != NULL)
		return listed(json_object_get(server, "tablespaces"), name);
	if ((rest = name_in(line, n, "ALTER ROLE ", name)) != NULL &&
	    strncmp(rest, " WITH ", 6) == 0 && strcmp(name, me) == 0)
		return bk_buf_add(&s->last, line, n, f) == -1 ? -1 : 1;
	return 0;
}

static int
feed(struct script *s, int fd, struct bk_fault *f)
{
	struct bk_child *c = s->p->child;
	struct bk_rbuf *in;
	const void *bytes;
	const char *line;
	size_t n;
	int rc, out;

	if ((in = bk_rbuf_new(fd, "spool", f)) == NULL)
		return -1;
	while ((rc = bk_rbuf_line(in, &line, &n, f)) == BK_MORE) {
		if ((out = leave_out(s, line, n, f)) == -1 || (out == 0 &&
		    bk_child_write(c, line, n, NULL, NULL, f) == -1)) {
			rc = -1;
			break;
		}
		if (n > 9 && memcmp(line, "\\connect ", 9) == 0)
			break;
	}
	while (rc == BK_MORE && (rc = bk_rbuf_bytes(in, 65536, &bytes, &n,
	    f)) == BK_MORE)
		if (bk_child_write(c, bytes, n, NULL, NULL, f) == -1)
			rc = -1;
	if (rc == BK_END && s->last.len > 0)
		rc = bk_child_write(c, s->last.p, s->last.len, NULL, NULL, f);
	bk_rbuf_free(in);
	return rc == BK_END ? 0 : -1;
}

static int
run(struct script *s, int fd, struct bk_fault *f)
{
	static const char *const words[] = { "-X", "-q", "-w", "-v",
		"ON_ERROR_STOP=1", "--output=/dev/null", NULL };
	struct bk_pgrestore *p = s->p;
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec;
	int rc = -1;

	if (bk_argv_add(&a, p->tool, f) == -1 ||
	    bk_argv_all(&a, words, f) == -1 ||
	    bk_pg_dbname(&p->pg, p->admin, &a, f) == -1)
		goto out;
	bk_pg_spec(&p->pg, &a, BK_CHILD_IN, &spec);
	if ((p->child = bk_child_start(p->pg.ctx, &spec, f)) == NULL)
		goto out;
	if (feed(s, fd, f) == 0)
		rc = bk_child_finish(p->child, NULL, NULL, f);
	if (rc == -1)
		f->status = bk_pg_class(bk_child_tail(p->child), f->status);
out:
	bk_argv_release(&a);
	return rc;
}

int
bk_pgcluster_commit(struct bk_pgrestore *p, int fd, struct bk_fault *f)
{
	struct script s = { p, BK_BUF_INIT(65536), json_array() };
	int rc = -1;

	if (s.made == NULL)
		return bk_fault_set(f, BK_IO, "restore: out of memory");
	if (make_room(p, f) == -1)
		goto out;
	if ((rc = run(&s, fd, f)) == 0) {
		if (p->made)
			drop_asides(p);
	} else {
		/* Before its input is closed, and before what it fills goes. */
		bk_child_stop(p->child, 2000);
		p->child = NULL;
		undo(p, s.made);
	}
out:
	p->made = false;
	json_decref(s.made);
	bk_buf_wipe(&s.last);
	return rc;
}
