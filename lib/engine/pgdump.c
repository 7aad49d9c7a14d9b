/*
 * PostgreSQL's dump: one database by pg_dump, all by pg_dumpall.
 *
 * Before the tool starts psql is asked what can be known: that the server can
 * be reached and the database exists, version, system identifier, whether it
 * is a standby; and what a restore will need and a plain dump does not say at
 * its beginning: roles, extensions, encoding, locale.
 *
 * pg_dump works in one snapshot, taken after its start, so the start is a
 * time at which everything older is in the dump.  pg_dumpall takes one
 * snapshot for each database.
 *
 * The custom format is made without compression of its own (-Z 0): pg_dump
 * compresses in one thread, bk-compress in all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "names.h"
#include "pg.h"

enum format { CUSTOM, PLAIN, TAR, ALL };

static const struct {
	const char *name;
	const char *ext;
	struct bk_marks *(*marks)(struct bk_fault *f);
} formats[] = {
	[CUSTOM] = { "custom", "dump", bk_marks_pg_custom },
	[PLAIN] = { "plain", "sql", bk_marks_pg_plain },
	[TAR] = { "tar", "tar", bk_marks_tar },
	[ALL] = { "all", "sql", bk_marks_pg_all },
};

struct dump {
	struct bk_pg pg;
	enum format format;
	bool roles;		/* nothing but roles and tablespaces */
	char tool[BK_PG_PATH];
	json_t *server;		/* what psql answered */
};

#define NOT_OUT "the dump must come on standard output"
#define BY_URL "the source URL says it"
#define NO_ASK "no password can be asked for"

static const struct bk_tool_refusal refused[] = {
	{ "f", NOT_OUT }, { "file", NOT_OUT },
	{ "F", "?format= in the source URL chooses it" },
	{ "format", "?format= in the source URL chooses it" },
	{ "j", "parallel dumps go to a directory, not to a stream" },
	{ "jobs", "parallel dumps go to a directory, not to a stream" },
	{ "d", BY_URL }, { "dbname", BY_URL },
	{ "h", BY_URL }, { "host", BY_URL },
	{ "p", BY_URL }, { "port", BY_URL },
	{ "U", BY_URL }, { "username", BY_URL },
	{ "l", BY_URL }, { "database", BY_URL },
	{ "W", NO_ASK }, { "password", NO_ASK },
	{ "C", "bk-restore makes the database and names it" },
	{ "create", "bk-restore makes the database and names it" },
	{ "c", "bk-restore fills a new database, where nothing is to drop" },
	{ "clean", "bk-restore fills a new database, where nothing is to drop" },
	{ "if-exists", "it goes with --clean" },
	{ "V", "it makes no dump" }, { "version", "it makes no dump" },
	{ "?", "it makes no dump" }, { "help", "it makes no dump" },
	{ NULL, NULL }
};

static const struct bk_tool_opts one_opts = { "pg_dump", "eEnNStTZ", NULL,
	refused };
static const struct bk_tool_opts all_opts = { "pg_dumpall", "ES", NULL,
	refused };

/* What a server and a database are, one JSON object per line. */
#define ABOUT_SERVER \
	"SELECT json_build_object('num', current_setting('server_version_num')" \
	"::int, 'version', current_setting('server_version'), 'standby', " \
	"pg_is_in_recovery(), 'user', current_user::text, 'super', (SELECT " \
	"rolsuper FROM pg_roles WHERE rolname = current_user));\n" \
	"SELECT coalesce(has_function_privilege(to_regproc(" \
	"'pg_catalog.pg_control_system')::oid, 'EXECUTE'), false) AS may \\gset\n" \
	"\\if :may\n" \
	"SELECT json_build_object('system', system_identifier::text) " \
	"FROM pg_control_system();\n" \
	"\\endif\n"

/* A list of names as a member; left out where it is too long for a header. */
#define NAMES(member, query) \
	"SELECT json_build_object('" member "', json_agg(n ORDER BY n)) FROM " \
	"(" query ") x(n) HAVING count(*) BETWEEN 1 AND 1000;\n"

static const char about_db[] = ABOUT_SERVER
	"SELECT json_build_object('db', row_to_json(d), 'encoding', "
	"pg_encoding_to_char(encoding)) FROM pg_database d "
	"WHERE datname = current_database();\n"
	NAMES("extensions", "SELECT extname::text FROM pg_extension "
	    "WHERE extname <> 'plpgsql'")
	/* Members of extensions come with them; pg_… are always there. */
	NAMES("owners", "SELECT DISTINCT pg_get_userbyid(o)::text FROM ("
	    "SELECT 'pg_class'::regclass c, oid i, relowner o FROM pg_class "
	    "UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc "
	    "UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM "
	    "pg_namespace UNION ALL SELECT 'pg_type'::regclass, oid, typowner "
	    "FROM pg_type UNION ALL SELECT 'pg_largeobject'::regclass, oid, "
	    "lomowner FROM pg_largeobject_metadata) a WHERE i >= 16384 AND NOT "
	    "EXISTS (SELECT FROM pg_depend WHERE classid = c AND objid = i AND "
	    "deptype = 'e') AND pg_get_userbyid(o) !~ '^pg_'")
	NAMES("grantees", "SELECT DISTINCT pg_get_userbyid(refobjid)::text FROM "
	    "pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND deptype IN "
	    "('a', 'r') AND dbid = (SELECT oid FROM pg_database WHERE datname = "
	    "current_database()) AND pg_get_userbyid(refobjid) !~ '^pg_'");

static const char about_all[] = ABOUT_SERVER
	NAMES("databases", "SELECT datname::text FROM pg_database "
	    "WHERE datallowconn AND NOT datistemplate");

static bool
has_arg(const char *const *args, const char *what)
{
	for (; args != NULL && *args != NULL; args++)
		if (strcmp(*args, what) == 0)
			return true;
	return false;
}

/* The format, from the URL. */
static int
choose(struct bk_dump *d, struct dump *p, struct bk_fault *f)
{
	const char *want = bk_uri_opt(d->req->uri, "format");
	const char *roles = bk_uri_opt(d->req->uri, "roles");
	enum format i;

	p->format = p->pg.db == NULL ? ALL : CUSTOM;
	/* Looked at, it is all databases and the roles. */
	if (bk_uri_opt(d->req->uri, "each") != NULL && !d->req->check)
		return bk_fault_set(f, BK_USAGE, "'%s': ?each=yes is for a job; "
		    "'bk-dump --list' names what it stands for",
		    d->req->uri->text);
	if (roles != NULL && (strcmp(roles, "yes") != 0 || p->format != ALL))
		return bk_fault_set(f, BK_USAGE, "'%s': want ?roles=yes, without a "
		    "database", d->req->uri->text);
	p->roles = roles != NULL;
	if (want != NULL && p->format == ALL)
		return bk_fault_set(f, BK_USAGE, "'%s': all databases have but "
		    "one format; name a database for ?format=",
		    d->req->uri->text);
	if (want != NULL) {
		for (i = CUSTOM; i < ALL; i++)
			if (strcmp(formats[i].name, want) == 0)
				break;
		if (i == ALL)
			return bk_fault_set(f, BK_USAGE,
			    "unknown format '%s'; there are custom, plain, tar",
			    want);
		p->format = i;
	}
	snprintf(d->ext, sizeof(d->ext), "%s", formats[p->format].ext);
	if (p->format == ALL)
		snprintf(d->name, sizeof(d->name), p->roles ? "roles" : "all");
	else
		bk_name_from(p->pg.db, d->name);
	return bk_tool_opts_check(p->format == ALL ? &all_opts : &one_opts,
	    d->req->args, f);
}

/*
 * A server that speaks another language says "no such database" in it: ask
 * another database whether it is there.
 */
static void
absent(struct dump *p, struct bk_fault *f)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	struct bk_buf q = BK_BUF_INIT(8192);
	json_t *o = NULL;
	char db[16];

	if (f->status != BK_UNAVAILABLE || p->pg.db == NULL)
		goto out;
	if (bk_buf_adds(&q, "SELECT json_build_object('there', EXISTS (SELECT "
	    "FROM pg_database WHERE datname =", &quiet) == -1 ||
	    bk_pg_literal(&q, p->pg.db, &quiet) == -1 ||
	    bk_buf_adds(&q, "));\n", &quiet) == -1 ||
	    (o = bk_pg_ask_any(&p->pg, p->pg.db, bk_buf_text(&q), db,
	    &quiet)) == NULL)
		goto out;
	if (json_is_false(json_object_get(o, "there"))) {
		bk_fault_clear(f);
		bk_fault_set(f, BK_NOINPUT, "database \"%s\" does not exist",
		    p->pg.db);
	}
out:
	json_decref(o);
	bk_buf_release(&q);
}

static int
ask(struct bk_dump *d, struct dump *p, struct bk_fault *f)
{
	char db[16];

	if (p->format != ALL) {
		p->server = bk_pg_ask_json(&p->pg, p->pg.db, about_db, f);
		if (p->server == NULL)
			absent(p, f);
	} else {
		p->server = bk_pg_ask_any(&p->pg, NULL, about_all, db, f);
	}
	if (p->server == NULL) {
		bk_fault_context(f, "'%s'", d->req->uri->text);
		return -1;
	}
	if (p->format == ALL && json_is_false(json_object_get(p->server, "super"))
	    && !has_arg(d->req->args, "--no-role-passwords"))
		return bk_fault_set(f, BK_NOPERM,
		    "role '%s' is no superuser and cannot read the roles' "
		    "passwords; '-- --no-role-passwords' leaves them out",
		    bk_json_get_text(p->server, "user"));
	return 0;
}

/* Take over a member of what psql answered. */
static int
keep(json_t *to, const char *as, json_t *v, struct bk_fault *f)
{
	return v == NULL || json_is_null(v) ? 0 :
	    bk_json_set(to, as, json_incref(v), f);
}

/* Encoding and locale, as pg_database has them under changing names. */
static int
keep_locale(json_t *info, json_t *server, struct bk_fault *f)
{
	json_t *db = json_object_get(server, "db");
	const char *provider = bk_json_get_text(db, "datlocprovider");
	json_t *locale = json_object_get(db, "datlocale");

	if (locale == NULL || json_is_null(locale))
		locale = json_object_get(db, "daticulocale");
	return keep(info, "encoding", json_object_get(server, "encoding"), f) == -1
	    || keep(info, "collate", json_object_get(db, "datcollate"), f) == -1 ||
	    keep(info, "ctype", json_object_get(db, "datctype"), f) == -1 ||
	    (provider != NULL && strcmp(provider, "c") != 0 &&
	    (bk_json_set_text(info, "provider", provider, f) == -1 ||
	    keep(info, "locale", locale, f) == -1)) ? -1 : 0;
}

static int
describe(struct bk_dump *d, struct dump *p, const char *tool,
    struct bk_fault *f)
{
	static const char *const lists[] = { "extensions", "owners", "grantees",
		"databases", NULL };
	json_t *system = json_object_get(p->server, "system");
	const char *const *l;

	if (bk_json_set_text(d->source, "engine", "postgres", f) == -1 ||
	    (system != NULL ? keep(d->source, "server", system, f) :
	    bk_json_set_text(d->source, "host", p->pg.where, f)) == -1 ||
	    (p->pg.db != NULL &&
	    bk_json_set_text(d->source, "database", p->pg.db, f) == -1))
		return -1;
	if (keep(d->info, "server", json_object_get(p->server, "version"),
	    f) == -1 ||
	    bk_json_set_text(d->info, "tool", tool, f) == -1 ||
	    bk_json_set_text(d->info, "format", formats[p->format].name, f) == -1)
		return -1;
	if (json_is_true(json_object_get(p->server, "standby")) &&
	    bk_json_set(d->info, "standby", json_true(), f) == -1)
		return -1;
	if (p->format != ALL && keep_locale(d->info, p->server, f) == -1)
		return -1;
	if (p->roles)
		return bk_json_set(d->info, "roles", json_true(), f);
	/* Options may leave out what these lists would then demand. */
	if (d->req->args != NULL && d->req->args[0] != NULL)
		return 0;
	for (l = lists; *l != NULL; l++)
		if (keep(d->info, *l, json_object_get(p->server, *l), f) == -1)
			return -1;
	return 0;
}

/* Every right that the tool will want, in each database that it dumps. */
static int
check_rights(struct bk_dump *d, struct dump *p, struct bk_fault *f)
{
	json_t *db;
	size_t i;

	if (!d->req->check || p->roles)
		return 0;
	if (p->format != ALL)
		return bk_pg_rights(&p->pg, p->pg.db, f);
	json_array_foreach(json_object_get(p->server, "databases"), i, db)
		if (bk_pg_rights(&p->pg, json_string_value(db), f) == -1)
			return -1;
	return 0;
}

int
bk_pg_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	struct bk_buf tool = BK_BUF_INIT(4096);
	struct dump *p;
	int rc = -1;

	if ((p = d->priv = calloc(1, sizeof(*p))) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "postgres");
	if (bk_pg_open(&p->pg, d->req->ctx, d->req->uri, d->req->source_env,
	    d->req->deadline, f) == -1 ||
	    choose(d, p, f) == -1 || ask(d, p, f) == -1 ||
	    check_rights(d, p, f) == -1 ||
	    bk_pg_tool(&p->pg, p->format == ALL ? "pg_dumpall" : "pg_dump",
	    bk_json_get_int(p->server, "num"), p->tool, &tool, f) == -1 ||
	    describe(d, p, bk_buf_text(&tool), f) == -1)
		goto out;
	rc = 0;
out:
	bk_buf_release(&tool);
	return rc;
}

static int
arguments(struct bk_dump *d, struct dump *p, struct bk_argv *a,
    struct bk_fault *f)
{
	if (bk_argv_add(a, p->tool, f) == -1 ||
	    bk_argv_add(a, "--no-password", f) == -1 ||
	    bk_pg_dbname(&p->pg, p->pg.db, a, f) == -1)
		return -1;
	if (p->format != ALL &&
	    bk_argv_addf(a, f, "--format=%s", formats[p->format].name) == -1)
		return -1;
	if (p->format == CUSTOM && bk_argv_add(a, "--compress=0", f) == -1)
		return -1;
	if (p->roles && bk_argv_add(a, "--globals-only", f) == -1)
		return -1;
	return bk_argv_all(a, d->req->args, f);
}

int
bk_pg_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct dump *p = d->priv;
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_marks *marks = NULL;
	struct bk_child *c = NULL;
	struct bk_child_spec spec;
	int rc = -1;

	if (arguments(d, p, &a, f) == -1 ||
	    (marks = formats[p->format].marks(f)) == NULL)
		goto out;
	bk_pg_spec(&p->pg, &a, BK_CHILD_OUT, &spec);
	d->time = d->req->ctx->now();
	if ((c = bk_child_start(d->req->ctx, &spec, f)) == NULL)
		goto out;
	rc = bk_tool_dump(c, marks, bk_pg_msgs, d->info, sink, arg, f);
	if (rc == -1)
		bk_pg_remedy(f, bk_json_get_text(p->server, "user"));
	else if (rc == BK_MARKS_UNKNOWN)
		d->req->ctx->log(BK_LOG_WARN, "the archive of %s is newer than "
		    "what is known here; its exit status is the only proof",
		    p->tool);
	d->proof = rc == BK_MARKS_PROVEN ? "marks" : "exit";
	rc = rc == -1 ? -1 : 0;
out:
	bk_child_stop(c, 2000);
	if (marks != NULL)
		marks->free(marks);
	bk_argv_release(&a);
	return rc;
}

void
bk_pg_dump_close(struct bk_dump *d)
{
	struct dump *p = d->priv;

	if (p == NULL)
		return;
	bk_pg_close(&p->pg);
	json_decref(p->server);
	free(p);
	d->priv = NULL;
}
