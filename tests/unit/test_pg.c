/*
 * What PostgreSQL's tools say, and how they are told.
 */
#include <stdio.h>
#include <string.h>

#include "pg.h"
#include "tap.h"

static const struct {
	const char *said;
	int status;
} classes[] = {
	{ "psql: error: connection to server on socket \"/s\" failed: FATAL:  "
	    "database \"x\" does not exist", BK_NOINPUT },
	{ "FATAL:  database \"x\" is not currently accepting connections",
	    BK_UNAVAILABLE },
	{ "FATAL:  password authentication failed for user \"x\"", BK_NOPERM },
	{ "FATAL:  role \"x\" does not exist", BK_NOPERM },
	{ "FATAL:  no pg_hba.conf entry for host \"::1\"", BK_NOPERM },
	{ "connection to server failed: Connection refused", BK_UNAVAILABLE },
	{ "FATAL:  the database system is starting up", BK_UNAVAILABLE },
	{ "ERROR:  could not extend file: No space left on device", BK_IO },
	{ "ERROR:  syntax error at or near \"x\"", BK_DATA },
};

static const struct {
	const char *text;
	const char *want;
} remedies[] = {
	{ "ERROR:  permission denied for table t", "GRANT pg_read_all_data TO bob" },
	{ "permission denied for large object 7", "ON LARGE OBJECT" },
	{ "permission denied to create database", "ALTER ROLE bob CREATEDB" },
	{ "permission denied for table pg_authid", "--no-role-passwords" },
	{ "query would be affected by row-level security", "bob BYPASSRLS" },
};

static const struct {
	const char *text;
	int64_t num;
} versions[] = {
	{ "pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", 150000 },
	{ "psql (PostgreSQL) 9.6.24", 90600 },
	{ "pg_dump (PostgreSQL) 18beta1", 180000 },
	{ "no number", 0 },
	{ NULL, 0 },
};

static void
test_tables(void)
{
	struct bk_fault f;
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		ok_int(bk_pg_class(classes[i].said, BK_DATA), classes[i].status,
		    classes[i].said);
	for (i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		bk_fault_set(&f, BK_NOPERM, "%s", remedies[i].text);
		bk_pg_remedy(&f, "bob");
		ok(f.status == BK_NOPERM && strstr(f.text, remedies[i].want) &&
		    strncmp(f.text, remedies[i].text, strlen(remedies[i].text)) == 0,
		    "%s", f.text);
	}
	f = (struct bk_fault)BK_FAULT_INIT;
	bk_fault_set(&f, BK_DATA, "syntax error");
	bk_pg_remedy(&f, "bob");
	ok_text(f.text, "syntax error", "no remedy for what is no right");
	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		ok_int(bk_pg_version_num(versions[i].text), versions[i].num,
		    "version");
}

static void
test_quotes(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(256);

	bk_pg_literal(&b, "it's \\ \"x\"", &f);
	ok_text(bk_buf_text(&b), " E'it\\'s \\\\ \"x\"'", "literal");
	bk_buf_reset(&b);
	bk_pg_ident(&b, "it's \\ \"x\"", &f);
	ok_text(bk_buf_text(&b), "\"it's \\ \"\"x\"\"\"", "identifier");
	bk_buf_release(&b);
}

static void
conn(const char *url, const char *db, const char *want)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_pg pg;

	ok(bk_uri_parse(url, &u, &f) == 0, "%s: %s", url, f.text);
	if (bk_pg_open(&pg, &tap_ctx, &u, NULL, 0, &f) == -1)
		tap_skip(f.text);
	else if (ok(bk_pg_dbname(&pg, db, &a, &f) == 0, "%s", f.text))
		ok(strncmp(a.v[0], want, strlen(want)) == 0, "%s", a.v[0]);
	bk_argv_release(&a);
	bk_pg_close(&pg);
	bk_uri_release(&u);
}

int
main(void)
{
	test_tables();
	test_quotes();
	conn("postgres://b%27ob@db:7000/x?sslmode=require", "a'b\\c",
	    "--dbname=dbname='a\\'b\\\\c' host='db' port='7000' user='b\\'ob' ");
	conn("postgres:///app?host=/run/pg", "app",
	    "--dbname=dbname='app' host='/run/pg' port='");
	return done();
}
