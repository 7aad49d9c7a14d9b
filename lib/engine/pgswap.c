/*
 * The databases of a restore: one of a temporary name is filled, then takes
 * the target's name.
 *
 * Facts (PostgreSQL 15, "ALTER DATABASE", "CREATE DATABASE"): renaming may
 * stand in a transaction, creating and dropping may not; none of them works
 * while others are connected, and a rename waits five seconds for them
 * (CountOtherDBBackends in procarray.c).  pg_dump of one database leaves out
 * the database's own owner, settings and grants; so those of the target that
 * is replaced are kept.  A list in pg_db_role_setting (search_path and a few
 * more, see variable_is_guc_list_quote in dumputils.c) is quoted already.
 */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "pgrestore.h"

#define SWAPS 5			/* tries while new connections come in */
#define UNDO_MS 60000

const char bk_pg_holds[] =
	"SELECT json_build_object('holds', EXISTS (SELECT FROM ("
	"SELECT 'pg_class'::regclass c, oid i, relnamespace n FROM pg_class "
	"UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc "
	"UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type "
	"UNION ALL SELECT 'pg_namespace'::regclass, oid, oid FROM pg_namespace "
	"WHERE nspname <> 'public') a JOIN pg_namespace s ON s.oid = n "
	"WHERE i >= 16384 AND nspname !~ '^pg_' AND nspname <> "
	"'information_schema' AND NOT EXISTS (SELECT FROM pg_depend WHERE "
	"classid = c AND objid = i AND deptype = 'e')) "
	"OR EXISTS (SELECT FROM pg_largeobject_metadata));\n";

/* One member that fills a clause of CREATE DATABASE, where it is known. */
static int
clause(struct bk_buf *q, const char *word, const char *value,
    struct bk_fault *f)
{
	if (value == NULL)
		return 0;
	return bk_buf_addf(q, f, " %s", word) == -1 ? -1 :
	    bk_pg_literal(q, value, f);
}

/*
 * Encoding and locale: of the target that is replaced where the encoding is
 * the same, else of the dump.
 */
static int
create_text(struct bk_pgrestore *p, struct bk_buf *q, struct bk_fault *f)
{
	json_t *db = json_object_get(p->server, "db");
	const char *have = bk_json_get_text(p->server, "encoding");
	const char *want = bk_json_get_text(p->info, "encoding");
	const char *space = bk_json_get_text(p->server, "tablespace");
	const char *provider, *locale;
	bool target = p->exists && (want == NULL ||
	    (have != NULL && strcmp(have, want) == 0));
	const json_t *from = target ? db : p->info;

	provider = bk_json_get_text(from, target ? "datlocprovider" : "provider");
	locale = bk_json_get_text(from, !target ? "locale" :
	    json_object_get(db, "datlocale") != NULL ? "datlocale" : "daticulocale");
	if (bk_buf_adds(q, "CREATE DATABASE ", f) == -1 ||
	    bk_pg_ident(q, p->tmp, f) == -1 ||
	    bk_buf_adds(q, " TEMPLATE template0", f) == -1 ||
	    clause(q, "ENCODING", target ? have : want, f) == -1 ||
	    clause(q, "LC_COLLATE", bk_json_get_text(from, target ?
	    "datcollate" : "collate"), f) == -1 ||
	    clause(q, "LC_CTYPE", bk_json_get_text(from, target ?
	    "datctype" : "ctype"), f) == -1)
		return -1;
	if (provider != NULL && provider[0] != 'c' && locale != NULL &&
	    clause(q, provider[0] == 'i' ? "LOCALE_PROVIDER icu ICU_LOCALE" :
	    "LOCALE_PROVIDER builtin BUILTIN_LOCALE", locale, f) == -1)
		return -1;
	/* Naming the default one would want a right to it. */
	if (p->exists && space != NULL && strcmp(space, "pg_default") != 0 &&
	    (bk_buf_adds(q, " TABLESPACE ", f) == -1 ||
	    bk_pg_ident(q, space, f) == -1))
		return -1;
	return bk_buf_adds(q, ";\n", f);
}

int
bk_pgswap_make(struct bk_pgrestore *p, struct bk_fault *f)
{
	struct bk_buf q = BK_BUF_INIT(16384);
	int rc = -1;

	if (create_text(p, &q, f) == -1)
		goto out;
	/* It may exist although the answer was lost: then it is to be undone. */
	p->made = true;
	if ((rc = bk_pg_ask(&p->pg, p->admin, bk_buf_text(&q), NULL, f)) == 0)
		goto out;
	if (strstr(f->text, "locale") != NULL ||
	    strstr(f->text, "encoding") != NULL) {
		f->status = BK_CONFIG;
		bk_fault_context(f, "the server lacks what the dump's database "
		    "has (make an empty database of that name with another locale)");
	}
	bk_pg_remedy(f, bk_json_get_text(p->server, "user"));
	bk_fault_context(f, "cannot make database '%s'", p->tmp);
out:
	bk_buf_release(&q);
	return rc;
}

/* What the old database is beyond its contents, given to the new one. */
static const char keep[] =
	"SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', :'tmp', "
	"datconnlimit) FROM pg_database WHERE datname = :'db' AND "
	"datconnlimit <> -1 \\gexec\n"
	"SELECT format('COMMENT ON DATABASE %I IS %L', :'tmp', description) "
	"FROM pg_database d JOIN pg_shdescription s ON s.objoid = d.oid AND "
	"s.classoid = 'pg_database'::regclass WHERE datname = :'db' \\gexec\n"
	"SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'tmp') FROM "
	"pg_database WHERE datname = :'db' AND datacl IS NOT NULL \\gexec\n"
	"SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, "
	":'tmp', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident("
	"pg_get_userbyid(a.grantee)) END, CASE WHEN a.is_grantable THEN "
	"' WITH GRANT OPTION' END) FROM pg_database d, aclexplode(d.datacl) a "
	"WHERE datname = :'db' \\gexec\n"
	"SELECT format(CASE setrole WHEN 0 THEN 'ALTER DATABASE %1$I SET %3$I "
	"TO %4$s' ELSE 'ALTER ROLE %2$I IN DATABASE %1$I SET %3$I TO %4$s' END, "
	":'tmp', pg_get_userbyid(setrole), split_part(c, '=', 1), CASE WHEN "
	"split_part(c, '=', 1) IN ('local_preload_libraries', 'search_path', "
	"'session_preload_libraries', 'shared_preload_libraries', "
	"'temp_tablespaces', 'unix_socket_directories') THEN substr(c, "
	"strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) "
	"END) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = "
	"s.setdatabase, unnest(setconfig) c WHERE datname = :'db' \\gexec\n"
	"SELECT format('ALTER DATABASE %I OWNER TO %I', :'tmp', "
	"pg_get_userbyid(datdba)) FROM pg_database WHERE datname = :'db' "
	"\\gexec\n";

#define SEND_AWAY "SELECT pg_terminate_backend(pid) FROM pg_stat_activity " \
	"WHERE pid <> pg_backend_pid() AND datname = "

static const char rename_old[] =
	"ALTER DATABASE :\"db\" RENAME TO :\"aside\";\n";
static const char rename_new[] =
	"ALTER DATABASE :\"tmp\" RENAME TO :\"db\";\n";

static int
variable(struct bk_buf *q, const char *name, const char *value,
    struct bk_fault *f)
{
	/* psql's own quoting: \ and ' behind \, as in C. */
	const char *s;

	if (bk_buf_addf(q, f, "\\set %s '", name) == -1)
		return -1;
	for (s = value; *s != '\0'; s++)
		if (((*s == '\'' || *s == '\\') &&
		    bk_buf_add(q, "\\", 1, f) == -1) ||
		    bk_buf_add(q, s, 1, f) == -1)
			return -1;
	return bk_buf_adds(q, "'\n", f);
}

static int
swap_text(struct bk_pgrestore *p, struct bk_buf *q, struct bk_fault *f)
{
	bool replace = p->exists && p->r->req->replace;

	bk_buf_reset(q);
	if (variable(q, "db", p->pg.db, f) == -1 ||
	    variable(q, "tmp", p->tmp, f) == -1 ||
	    variable(q, "aside", p->aside, f) == -1 ||
	    (p->exists && bk_buf_adds(q, keep, f) == -1) ||
	    (replace && bk_buf_adds(q, SEND_AWAY ":'db';\n", f) == -1) ||
	    bk_buf_adds(q, "BEGIN;\n", f) == -1 ||
	    (p->exists && bk_buf_adds(q, rename_old, f) == -1) ||
	    bk_buf_adds(q, rename_new, f) == -1)
		return -1;
	return bk_buf_adds(q, "COMMIT;\n", f);
}

/* What came into the target since it was looked at must not be lost. */
static int
still_empty(struct bk_pgrestore *p, struct bk_fault *f)
{
	json_t *o;
	bool holds;

	if (!p->exists || p->r->req->replace)
		return 0;
	if ((o = bk_pg_ask_json(&p->pg, p->pg.db, bk_pg_holds, f)) == NULL)
		return -1;
	holds = json_is_true(json_object_get(o, "holds"));
	json_decref(o);
	return !holds ? 0 : bk_fault_set(f, BK_CANTCREATE,
	    "database '%s' is no longer empty", p->pg.db);
}

static void
drop(struct bk_pgrestore *p, const char *name)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf q = BK_BUF_INIT(4096);

	p->pg.deadline = p->pg.ctx->mono() + UNDO_MS;
	if (variable(&q, "db", name, &f) == -1 ||
	    bk_buf_adds(&q, SEND_AWAY ":'db';\n"
	    "DROP DATABASE IF EXISTS :\"db\";\n", &f) == -1 ||
	    bk_pg_ask(&p->pg, p->admin, bk_buf_text(&q), NULL, &f) == -1)
		p->pg.ctx->log(BK_LOG_WARN,
		    "database '%s' is left over and could not be dropped: %s",
		    name, f.text);
	bk_buf_release(&q);
}

/* The answer to the swap was lost: is the new name gone, as it then is? */
static bool
swapped(struct bk_pgrestore *p)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf q = BK_BUF_INIT(4096);
	json_t *o = NULL;
	bool gone;

	if (variable(&q, "tmp", p->tmp, &f) == 0 &&
	    bk_buf_adds(&q, "SELECT json_build_object('gone', NOT EXISTS (SELECT "
	    "FROM pg_database WHERE datname = :'tmp'));\n", &f) == 0)
		o = bk_pg_ask_json(&p->pg, p->admin, bk_buf_text(&q), &f);
	gone = json_is_true(json_object_get(o, "gone"));
	json_decref(o);
	bk_buf_release(&q);
	return gone;
}

int
bk_pgswap_commit(struct bk_pgrestore *p, struct bk_fault *f)
{
	struct bk_fault one = BK_FAULT_INIT;
	struct bk_buf q = BK_BUF_INIT(65536);
	int rc = -1, i;

	if (still_empty(p, f) == -1 || swap_text(p, &q, f) == -1)
		goto out;
	for (i = 0; i < SWAPS && rc == -1; i++) {
		bk_fault_clear(&one);
		rc = bk_pg_ask(&p->pg, p->admin, bk_buf_text(&q), NULL, &one);
		if (rc == -1 &&
		    strstr(one.text, "being accessed by other users") == NULL)
			break;
	}
	if (rc == -1 && !swapped(p)) {
		bk_fault_set(f, strstr(one.text, "already exists") != NULL ?
		    BK_CANTCREATE : one.status,
		    "cannot put the restored database in the place of '%s': %s",
		    p->pg.db, one.text);
		bk_pg_remedy(f, bk_json_get_text(p->server, "user"));
		goto out;
	}
	rc = 0;
	p->made = false;
	if (p->exists)
		drop(p, p->aside);
out:
	bk_buf_release(&q);
	return rc;
}

void
bk_pgswap_undo(struct bk_pgrestore *p)
{
	if (p->made)
		drop(p, p->tmp);
	p->made = false;
}
