/*
 * Whether a role may read all that pg_dump will: tables and sequences, with
 * the schemas they are in (pg_dump locks every table and reads every
 * sequence), large objects, and rows that a policy hides.  Asked before a dump
 * that somebody wants to be sure of, since pg_dump itself names only the first
 * thing that it may not read.
 *
 * Members of extensions and what lies in the schemas of the system are not in
 * a dump.  pg_read_all_data (PostgreSQL 14) is taken in by
 * has_table_privilege; it says nothing of large objects.
 */
#include "json.h"
#include "pg.h"

#define TABLES \
	"FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace " \
	"WHERE relkind IN ('r', 'p', 'S') AND relpersistence <> 't' AND " \
	"nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS " \
	"(SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND " \
	"d.objid = c.oid AND d.deptype = 'e') "

static const char rights[] =
	"SELECT json_build_object('user', current_user::text, 'num', "
	"current_setting('server_version_num')::int);\n"
	/* Of a sequence, "has_table_privilege" is the right one too. */
	"SELECT json_build_object('tables', count(*), 'table', "
	"min(format('%I.%I', nspname, relname)), 'schema', "
	"min(quote_ident(nspname))) " TABLES
	"AND NOT (has_schema_privilege(n.oid, 'USAGE') AND "
	"has_table_privilege(c.oid, 'SELECT'));\n"
	"SELECT json_build_object('hidden', count(*), 'policy', "
	"min(format('%I.%I', nspname, relname))) " TABLES
	"AND relrowsecurity AND row_security_active(c.oid);\n"
	"SELECT json_build_object('objects', count(*), 'object', min(oid)) FROM "
	"pg_largeobject_metadata WHERE NOT pg_has_role(lomowner, 'USAGE') AND "
	"NOT EXISTS (SELECT FROM aclexplode(lomacl) a WHERE a.privilege_type = "
	"'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE'))) AND "
	"NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND "
	"rolsuper);\n";

int
bk_pg_rights(const struct bk_pg *pg, const char *db, struct bk_fault *f)
{
	json_t *o = bk_pg_ask_json(pg, db, rights, f);
	const char *user = bk_json_get_text(o, "user");
	const char *schema = bk_json_get_text(o, "schema");
	int64_t n;

	if (o == NULL)
		return -1;
	user = user != NULL ? user : "?";
	if ((n = bk_json_get_int(o, "tables")) > 0)
		(void)bk_fault_set(f, BK_NOPERM, "role '%s' may not read %lld "
		    "tables or sequences of database '%s', such as %s; remedy: "
		    "GRANT %s%s TO %s%s", user, (long long)n, db,
		    bk_json_get_text(o, "table"), bk_json_get_int(o, "num") >=
		    140000 ? "pg_read_all_data" : "SELECT ON ALL TABLES IN SCHEMA ",
		    bk_json_get_int(o, "num") >= 140000 ? "" : schema, user,
		    bk_json_get_int(o, "num") >= 140000 ? "" :
		    ", and the same ON ALL SEQUENCES");
	else if ((n = bk_json_get_int(o, "hidden")) > 0)
		(void)bk_fault_set(f, BK_NOPERM, "row-level security hides rows of "
		    "%lld tables of database '%s' from role '%s', such as %s; "
		    "remedy: ALTER ROLE %s BYPASSRLS", (long long)n, db, user,
		    bk_json_get_text(o, "policy"), user);
	else if ((n = bk_json_get_int(o, "objects")) > 0)
		(void)bk_fault_set(f, BK_NOPERM, "role '%s' may not read %lld "
		    "large objects of database '%s'; remedy: GRANT SELECT ON LARGE "
		    "OBJECT … TO %s, or dump as their owner", user, (long long)n,
		    db, user);
	json_decref(o);
	return bk_faulty(f) ? -1 : 0;
}
