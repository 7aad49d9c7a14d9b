/*
 * Restore of one PostgreSQL database: into a new one of a temporary name,
 * by pg_restore or psql as the bytes come, renamed when all was good.
 *
 * Facts, seen on 15.20: psql fed with a cut dump commits what it got and
 * exits 0, with --single-transaction too; so on any fault the client is
 * killed before its input is closed, and what it filled has no name that
 * anybody uses.  That makes it atomic, and so it gets no --single-transaction,
 * under which many tables or large objects exhaust max_locks_per_transaction
 * and which the COMMIT behind the large objects of a plain dump ends anyway.
 * pg_restore --jobs wants a file that it can open again; a
 * spooled one is its standard input and opened as /dev/stdin.  The same goes
 * for tar, and for options that make pg_restore leave out a part: reading
 * from a pipe it would stop early.
 *
 * What the server lacks is named before anything is made: roles that own
 * something or were granted something, extensions.  The contents of a custom
 * archive stand at its beginning and name the owners; the header of the
 * stream has the rest (pgdump.c).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "names.h"
#include "pgrestore.h"
#include "ulid.h"

#define HEAD_MAX (64 * 1024 * 1024)	/* contents longer than that: not checked */
#define PLAIN_HEAD 64			/* has the line that tells what it is */

#define BY_URL "the target URL says it"
#define NO_ASK "no password can be asked for"
#define WHOLE "bk-restore decides when the database gets its name"

static const struct bk_tool_refusal refused[] = {
	{ "d", BY_URL }, { "dbname", BY_URL }, { "h", BY_URL }, { "host", BY_URL },
	{ "p", BY_URL }, { "port", BY_URL }, { "U", BY_URL },
	{ "username", BY_URL }, { "W", NO_ASK }, { "password", NO_ASK },
	{ "f", "it would write a script" }, { "file", "it would write a script" },
	{ "l", "it would restore nothing" }, { "list", "it would restore nothing" },
	{ "F", "the record says it" }, { "format", "the record says it" },
	{ "j", "bk-restore --jobs says it" }, { "jobs", "bk-restore --jobs says it" },
	{ "C", WHOLE }, { "create", WHOLE }, { "c", WHOLE }, { "clean", WHOLE },
	{ "if-exists", WHOLE }, { "V", "it restores nothing" },
	{ "version", "it restores nothing" }, { "?", "it restores nothing" },
	{ "help", "it restores nothing" }, { NULL, NULL }
};

static const struct bk_tool_opts opts = { "pg_restore", "ILnNPStT", NULL,
	refused };

static bool
has_arg(const struct bk_pgrestore *p, const char *a, const char *b)
{
	const char *const *w;

	for (w = p->r->req->args; w != NULL && *w != NULL; w++)
		if (strcmp(*w, a) == 0 || strcmp(*w, b) == 0)
			return true;
	return false;
}

/* What the dump is, and whether it goes into this target at all. */
static int
choose(struct bk_pgrestore *p, struct bk_fault *f)
{
	const struct bk_restore_req *req = p->r->req;
	const char *format = bk_json_get_text(p->info, "format");
	const char *ext = bk_json_get_text(req->header, "ext");
	bool args = req->args != NULL && req->args[0] != NULL;

	if (ext != NULL && strcmp(ext, "dump") == 0)
		p->form = BK_PG_CUSTOM;
	else if (ext != NULL && strcmp(ext, "tar") == 0)
		p->form = BK_PG_TAR;
	else if (ext != NULL && strcmp(ext, "sql") == 0)
		p->form = (format != NULL ? strcmp(format, "all") == 0 :
		    p->pg.db == NULL) ? BK_PG_ALL : BK_PG_PLAIN;
	else
		return bk_fault_set(f, BK_USAGE,
		    "extension '%s' is none of dump, tar, sql: not a PostgreSQL dump",
		    ext == NULL ? "" : ext);
	if (p->form == BK_PG_ALL && p->pg.db != NULL)
		return bk_fault_set(f, BK_USAGE, "the backup holds all databases "
		    "of a server and names them itself: leave '/%s' out of the "
		    "target", p->pg.db);
	if (p->form != BK_PG_ALL && p->pg.db == NULL)
		return bk_fault_set(f, BK_USAGE, "the backup holds one database: "
		    "the target wants a name, as in postgres://host/NAME");
	if (p->pg.db != NULL && strlen(p->pg.db) >= BK_PG_NAME)
		return bk_fault_set(f, BK_USAGE,
		    "database name '%s' is longer than %d bytes", p->pg.db,
		    BK_PG_NAME - 1);
	if (args && p->form >= BK_PG_PLAIN)
		return bk_fault_set(f, BK_USAGE,
		    "an SQL dump is restored by psql as it is: no options after --");
	if (req->jobs > 1 && p->form != BK_PG_CUSTOM)
		return bk_fault_set(f, BK_USAGE,
		    "--jobs wants a dump in custom format");
	p->r->spool = p->form == BK_PG_TAR || p->form == BK_PG_ALL ||
	    req->jobs > 1 || args;
	return bk_tool_opts_check(&opts, req->args, f);
}

static int
names(struct bk_pgrestore *p, struct bk_fault *f)
{
	char id[BK_ULID_LEN + 1], stem[BK_NAME_MAX + 1];
	size_t i;

	if (bk_ulid_new(p->pg.ctx->now(), id, f) == -1)
		return -1;
	/* The last ones are random; lower case needs no quotes by hand. */
	for (i = 0; i < 8; i++)
		p->mark[i] = (char)(id[BK_ULID_LEN - 8 + i] |
		    (id[BK_ULID_LEN - 8 + i] >= 'A' ? 0x20 : 0));
	bk_name_from(p->pg.db == NULL ? "all" : p->pg.db, stem);
	snprintf(p->tmp, sizeof(p->tmp), "%.40s_bk_%s", stem, p->mark);
	snprintf(p->aside, sizeof(p->aside), "%.40s_bk_%s_old", stem, p->mark);
	return 0;
}

static int
about_target(struct bk_pgrestore *p, struct bk_fault *f)
{
	struct bk_buf q = BK_BUF_INIT(16384);
	json_t *o = NULL;
	int rc = -1;

	if (bk_buf_adds(&q, "SELECT json_build_object('num', current_setting("
	    "'server_version_num')::int, 'user', current_user::text);\n"
	    "SELECT json_build_object('db', row_to_json(d), 'encoding', "
	    "pg_encoding_to_char(encoding), 'tablespace', (SELECT spcname FROM "
	    "pg_tablespace t WHERE t.oid = dattablespace)) FROM pg_database d "
	    "WHERE datname =", f) == -1 ||
	    bk_pg_literal(&q, p->pg.db, f) == -1 ||
	    bk_buf_adds(&q, ";\n", f) == -1 ||
	    (p->server = bk_pg_ask_any(&p->pg, p->pg.db, bk_buf_text(&q),
	    p->admin, f)) == NULL)
		goto out;
	p->exists = json_object_get(p->server, "db") != NULL;
	if (!p->exists || p->r->req->replace) {
		rc = 0;
		goto out;
	}
	if ((o = bk_pg_ask_json(&p->pg, p->pg.db, bk_pg_holds, f)) == NULL)
		goto out;
	if (json_is_true(json_object_get(o, "holds"))) {
		bk_fault_set(f, BK_CANTCREATE, "database '%s' holds something; "
		    "--replace puts the backup in its place", p->pg.db);
		goto out;
	}
	rc = 0;
out:
	json_decref(o);
	bk_buf_release(&q);
	return rc;
}

/*
 * Add "SELECT … 'missing'" for those of ${names} that ${query} does not give.
 */
static int
ask_missing(struct bk_buf *q, const char *member, const json_t *names_,
    const char *query, struct bk_fault *f)
{
	const char *s;
	size_t i;

	if (json_array_size(names_) == 0)
		return 0;
	if (bk_buf_addf(q, f, "SELECT json_build_object('%s', string_agg(n, ', ' "
	    "ORDER BY n)) FROM unnest(ARRAY[", member) == -1)
		return -1;
	for (i = 0; i < json_array_size(names_); i++) {
		if ((s = json_string_value(json_array_get(names_, i))) == NULL)
			return bk_fault_set(f, BK_DATA,
			    "the record's list of %s is damaged", member);
		if ((i > 0 && bk_buf_adds(q, ",", f) == -1) ||
		    bk_pg_literal(q, s, f) == -1)
			return -1;
	}
	return bk_buf_addf(q, f, "]::text[]) n WHERE n NOT IN (%s) HAVING "
	    "count(*) > 0;\n", query);
}

/* What the dump needs and the server lacks. */
static int
check_needs(struct bk_pgrestore *p, const json_t *owners,
    const json_t *grantees, const json_t *extensions, struct bk_fault *f)
{
	static const char roles[] = "SELECT rolname::text FROM pg_roles";
	struct bk_buf q = BK_BUF_INIT(2 * 1024 * 1024);
	const char *r, *g, *e;
	json_t *o = NULL;
	int rc = -1;

	if (has_arg(p, "-O", "--no-owner"))
		owners = NULL;
	if (has_arg(p, "-x", "--no-privileges") || has_arg(p, "-x", "--no-acl"))
		grantees = NULL;
	if (ask_missing(&q, "owners", owners, roles, f) == -1 ||
	    ask_missing(&q, "grantees", grantees, roles, f) == -1 ||
	    ask_missing(&q, "extensions", extensions,
	    "SELECT name::text FROM pg_available_extensions", f) == -1)
		goto out;
	if (q.len == 0) {
		rc = 0;
		goto out;
	}
	if ((o = bk_pg_ask_json(&p->pg, p->admin, bk_buf_text(&q), f)) == NULL)
		goto out;
	r = bk_json_get_text(o, "owners");
	g = bk_json_get_text(o, "grantees");
	e = bk_json_get_text(o, "extensions");
	if (e != NULL)
		bk_fault_set(f, BK_CONFIG,
		    "the server lacks extensions that the dump needs: %s", e);
	else if (r != NULL)
		bk_fault_set(f, BK_CONFIG, "the server lacks roles that own what "
		    "is in the dump: %s; make them (CREATE ROLE)%s", r,
		    p->form == BK_PG_PLAIN ? "" : " or restore with '-- --no-owner'");
	else if (g != NULL)
		bk_fault_set(f, BK_CONFIG, "the server lacks roles that the dump "
		    "grants to: %s; make them (CREATE ROLE)%s", g,
		    p->form == BK_PG_PLAIN ? "" :
		    " or restore with '-- --no-privileges'");
	rc = bk_faulty(f) ? -1 : 0;
out:
	json_decref(o);
	bk_buf_release(&q);
	return rc;
}

static int
check_info(struct bk_pgrestore *p, struct bk_fault *f)
{
	const char *have = bk_json_get_text(p->server, "encoding");
	const char *want = bk_json_get_text(p->info, "encoding");

	if (p->exists && !p->r->req->replace && have != NULL && want != NULL &&
	    strcmp(have, want) != 0)
		return bk_fault_set(f, BK_CONFIG, "database '%s' has encoding %s, "
		    "the dump %s; drop it, and bk-restore makes it as it was",
		    p->pg.db, have, want);
	return check_needs(p, json_object_get(p->info, "owners"),
	    json_object_get(p->info, "grantees"),
	    json_object_get(p->info, "extensions"), f);
}

static int
find_tool(struct bk_pgrestore *p, struct bk_fault *f)
{
	struct bk_buf version = BK_BUF_INIT(4096);
	int64_t num = bk_json_get_int(p->server, "num");
	int64_t made = bk_pg_version_num(bk_json_get_text(p->info, "tool"));
	int rc;

	/* An older pg_restore does not read a newer pg_dump's archive. */
	rc = bk_pg_tool(&p->pg, p->form == BK_PG_PLAIN ? "psql" : "pg_restore",
	    made > num ? made : num, p->tool, &version, f);
	bk_buf_release(&version);
	return rc;
}

/* An entry of the contents: who owns it, which extension it is. */
static int
note(void *arg, const struct bk_pgentry *e, struct bk_fault *f)
{
	struct bk_pgrestore *p = arg;
	bool ext = strcmp(e->desc, "EXTENSION") == 0;
	const char *name = ext ? e->tag : e->owner;

	/* An ACL's or comment's owner is that of its object. */
	if (name[0] == '\0' || strncmp(name, "pg_", 3) == 0)
		return 0;
	return bk_json_set(ext ? p->extensions : p->owners, name, json_true(), f);
}

int
bk_pg_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	const struct bk_restore_req *req = r->req;
	struct bk_pgrestore *p;

	if ((p = r->priv = calloc(1, sizeof(*p))) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "postgres");
	p->r = r;
	p->head = (struct bk_buf)BK_BUF_INIT(HEAD_MAX + 1024 * 1024);
	p->info = json_object_get(req->header, "info");
	if (bk_pg_open(&p->pg, req->ctx, req->target, req->source_env,
	    req->deadline, f) == -1 ||
	    choose(p, f) == -1 || names(p, f) == -1)
		return -1;
	if (p->form == BK_PG_ALL)
		return bk_pgcluster_open(p, f);
	if (about_target(p, f) == -1 || check_info(p, f) == -1 ||
	    find_tool(p, f) == -1)
		return -1;
	if (p->form != BK_PG_CUSTOM)
		return 0;
	if ((p->owners = json_object()) == NULL ||
	    (p->extensions = json_object()) == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "postgres");
	p->toc = bk_pgarchive_new(note, p, f);
	return p->toc == NULL ? -1 : 0;
}

/* The keys of an object as an array; NULL on no memory. */
static json_t *
keys(json_t *o)
{
	json_t *a = json_array();
	const char *k;
	json_t *v;

	json_object_foreach(o, k, v)
		if (json_array_append_new(a, json_string(k)) == -1) {
			json_decref(a);
			return NULL;
		}
	return a;
}

/*
 * Are the first bytes enough to know what is in the dump, and is it all
 * there?  0 yes; BK_MORE: not enough bytes yet; -1 with ${f} set.
 */
static int
check_head(struct bk_pgrestore *p, const void *data, size_t n,
    struct bk_fault *f)
{
	json_t *owners, *extensions;
	int rc;

	if (p->form == BK_PG_PLAIN) {
		if (p->head.len < PLAIN_HEAD)
			return BK_MORE;
		if (strncmp(p->head.p, "--\n-- PostgreSQL database cluster", 33) == 0)
			return bk_fault_set(f, BK_USAGE, "the backup holds all "
			    "databases of a server and names them itself: leave "
			    "'/%s' out of the target", p->pg.db);
		return 0;
	}
	if (bk_pgarchive_write(p->toc, data, n, f) == -1)
		return -1;
	if (!bk_pgarchive_listed(p->toc) && p->head.len < HEAD_MAX)
		return BK_MORE;
	owners = keys(p->owners);
	extensions = keys(p->extensions);
	rc = check_needs(p, owners, NULL, extensions, f);
	json_decref(owners);
	json_decref(extensions);
	return rc;
}

/* Start the client: ${fd} its file, or -1 for a pipe. */
static int
start(struct bk_pgrestore *p, int fd, struct bk_fault *f)
{
	static const char *const psql[] = { "-X", "-q", "-w", "-v",
		"ON_ERROR_STOP=1", "--output=/dev/null", NULL };
	static const char *const pg_restore[] = { "--no-password",
		"--exit-on-error", NULL };
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec;
	int rc = -1;

	if (bk_argv_add(&a, p->tool, f) == -1 ||
	    bk_argv_all(&a, p->form == BK_PG_PLAIN ? psql : pg_restore, f) == -1 ||
	    bk_pg_dbname(&p->pg, p->tmp, &a, f) == -1)
		goto out;
	if (p->form != BK_PG_PLAIN && bk_argv_addf(&a, f, "--format=%s",
	    p->form == BK_PG_TAR ? "tar" : "custom") == -1)
		goto out;
	if (p->r->req->jobs > 1 &&
	    bk_argv_addf(&a, f, "--jobs=%d", p->r->req->jobs) == -1)
		goto out;
	if (bk_argv_all(&a, p->r->req->args, f) == -1 ||
	    (fd != -1 && bk_argv_add(&a, "/dev/stdin", f) == -1) ||
	    bk_pgswap_make(p, f) == -1)
		goto out;
	bk_pg_spec(&p->pg, &a, fd == -1 ? BK_CHILD_IN : 0, &spec);
	spec.in = fd;
	if ((p->child = bk_child_start(p->pg.ctx, &spec, f)) != NULL)
		rc = 0;
out:
	bk_argv_release(&a);
	return rc;
}

/*
 * A plain dump without "\\restrict", of a pg_dump from before August 2025,
 * may hold commands of psql's own, a shell's too, that came out of object
 * names (CVE-2025-8714).  psql gets a "\\restrict" from us, whose token the
 * dump cannot know; one that knows no such command goes without.
 */
static int
protect(struct bk_pgrestore *p, struct bk_fault *f)
{
	struct bk_fault quiet = BK_FAULT_INIT;
	char line[64];
	int n;

	if (p->form != BK_PG_PLAIN || strstr(p->head.p, "\n\\restrict ") != NULL ||
	    bk_pg_ask(&p->pg, p->admin, "\\restrict bk\n\\unrestrict bk\n", NULL,
	    &quiet) == -1)
		return 0;
	n = snprintf(line, sizeof(line), "\\restrict bk%s\n", p->mark);
	return bk_child_write(p->child, line, (size_t)n, NULL, NULL, f);
}

/* What went wrong is known by the client's words, if it had any. */
static int
judged(struct bk_pgrestore *p, struct bk_fault *f)
{
	if (p->child != NULL)
		f->status = bk_pg_class(bk_child_tail(p->child), f->status);
	bk_pg_remedy(f, bk_json_get_text(p->server, "user"));
	return -1;
}

int
bk_pg_restore_write(struct bk_restore *r, const void *data, size_t n,
    struct bk_fault *f)
{
	struct bk_pgrestore *p = r->priv;
	int rc;

	if (!p->checked) {
		if (bk_buf_add(&p->head, data, n, f) == -1)
			return -1;
		rc = check_head(p, data, n, f);
		if (rc != 0)
			return rc == BK_MORE ? 0 : -1;
		p->checked = true;
		if (start(p, -1, f) == -1 || protect(p, f) == -1)
			return -1;
		rc = bk_child_write(p->child, p->head.p, p->head.len, NULL, NULL, f);
		bk_buf_release(&p->head);
	} else {
		rc = bk_child_write(p->child, data, n, NULL, NULL, f);
	}
	return rc == 0 ? 0 : judged(p, f);
}

/* The contents at the beginning of a spooled archive. */
static int
check_file(struct bk_pgrestore *p, int fd, struct bk_fault *f)
{
	char block[65536];
	ssize_t n;
	int rc = BK_MORE;

	while (rc == BK_MORE && p->form == BK_PG_CUSTOM) {
		if ((n = bk_read_full(fd, block, sizeof(block), "spool", f)) == -1)
			return -1;
		if (n == 0)
			break;
		rc = check_head(p, block, (size_t)n, f);
	}
	if (rc == -1)
		return -1;
	return lseek(fd, 0, SEEK_SET) == -1 ?
	    bk_fault_errno(f, 0, errno, "spool") : 0;
}

int
bk_pg_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct bk_pgrestore *p = r->priv;

	if (p->form == BK_PG_ALL)
		return bk_pgcluster_commit(p, fd, f);
	if (fd != -1) {
		if (check_file(p, fd, f) == -1 || start(p, fd, f) == -1)
			return -1;
	} else if (p->child == NULL) {
		return bk_fault_set(f, BK_DATA,
		    "the backup is too short for a PostgreSQL dump");
	}
	if (bk_child_finish(p->child, NULL, NULL, f) == -1)
		return judged(p, f);
	return bk_pgswap_commit(p, f);
}

void
bk_pg_restore_close(struct bk_restore *r)
{
	struct bk_pgrestore *p = r->priv;

	if (p == NULL)
		return;
	bk_child_stop(p->child, 2000);
	bk_pgswap_undo(p);
	bk_pgarchive_free(p->toc);
	json_decref(p->owners);
	json_decref(p->extensions);
	json_decref(p->server);
	bk_buf_release(&p->head);
	bk_pg_close(&p->pg);
	free(p);
	r->priv = NULL;
}
