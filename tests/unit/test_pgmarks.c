/*
 * Completeness marks of PostgreSQL: an archive or dump cut anywhere is not
 * complete, and one that is not cut is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "marks.h"
#include "pgarchive.h"
#include "tap.h"

typedef struct bk_marks *new_fn(struct bk_fault *);

/* What the marks say of ${n} bytes given in pieces of ${step}. */
static int
judge(new_fn *make, const char *p, size_t n, size_t step)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_marks *m = make(&f);
	size_t k;
	int rc = 0;

	for (; n > 0 && rc == 0; p += k, n -= k) {
		k = n < step ? n : step;
		rc = m->write(m, p, k, &f);
	}
	if (rc == 0)
		rc = m->finish(m, &f);
	m->free(m);
	if (rc == -1 && f.status != BK_DATA)
		return -2;
	return rc;
}

/* ---- building archives ---- */

static struct bk_fault bf;

static void
byte(struct bk_buf *b, int v)
{
	char c = (char)v;

	bk_buf_add(b, &c, 1, &bf);
}

static void
integer(struct bk_buf *b, int v)
{
	unsigned int u = v < 0 ? (unsigned int)-v : (unsigned int)v;
	int i;

	byte(b, v < 0);
	for (i = 0; i < 4; i++)
		byte(b, (int)(u >> 8 * i & 255));
}

static void
string(struct bk_buf *b, const char *s)
{
	integer(b, s == NULL ? -1 : (int)strlen(s));
	if (s != NULL)
		bk_buf_adds(b, s, &bf);
}

static void
entry(struct bk_buf *b, int minor, int id, bool data, const char *desc,
    const char *owner)
{
	int i;

	integer(b, id);
	integer(b, data);
	string(b, "1259");
	string(b, "0");
	string(b, "some tag");
	string(b, desc);
	integer(b, 2);
	string(b, "CREATE TABLE");
	string(b, "");
	string(b, NULL);
	string(b, "public");
	string(b, NULL);
	if (minor >= 14)
		string(b, "heap");
	if (minor >= 16)
		integer(b, 'r');
	string(b, owner);
	string(b, "false");
	for (i = 0; i < id % 3; i++)
		string(b, "17");
	string(b, NULL);
	byte(b, data ? 1 : 3);
	for (i = 0; i < 8; i++)
		byte(b, 0);
}

/* Three entries, two with data: rows, and two large objects. */
static size_t
archive(struct bk_buf *b, int minor)
{
	size_t listed;
	int i;

	bk_buf_reset(b);
	bk_buf_adds(b, "PGDMP", &bf);
	byte(b, 1);
	byte(b, minor);
	byte(b, 0);
	byte(b, 4);
	byte(b, 8);
	byte(b, 1);
	if (minor >= 15)
		byte(b, 1);
	else
		integer(b, -1);
	for (i = 0; i < 7; i++)
		integer(b, i);
	string(b, "app");
	string(b, "15.20");
	string(b, "15.20");
	integer(b, 3);
	entry(b, minor, 3001, true, "TABLE DATA", "alice");
	entry(b, minor, 200, false, "TABLE", "bob");
	entry(b, minor, 7, true, "BLOBS", "");
	listed = b->len;
	byte(b, 1);
	integer(b, 3001);
	string(b, "first chunk of rows");
	string(b, "second");
	integer(b, 0);
	byte(b, 3);
	integer(b, 7);
	for (i = 16400; i < 16402; i++) {
		integer(b, i);
		string(b, "object");
		integer(b, 0);
	}
	integer(b, 0);
	return listed;
}

static void
test_custom(void)
{
	struct bk_buf b = BK_BUF_INIT(65536);
	size_t n;
	int minor, whole;

	for (minor = 12; minor <= 16; minor++) {
		archive(&b, minor);
		ok_int(judge(bk_marks_pg_custom, b.p, b.len, 1 << 20),
		    BK_MARKS_PROVEN, "whole archive");
		ok_int(judge(bk_marks_pg_custom, b.p, b.len, 1),
		    BK_MARKS_PROVEN, "byte by byte");
		whole = 0;
		for (n = 0; n < b.len; n++)
			whole += judge(bk_marks_pg_custom, b.p, n, 7) != -1;
		ok_int(whole, 0, "no cut is taken for whole");
		byte(&b, 9);
		ok_int(judge(bk_marks_pg_custom, b.p, b.len, 7), -1,
		    "bytes behind the end");
	}
	archive(&b, 17);
	ok_int(judge(bk_marks_pg_custom, b.p, b.len, 7), BK_MARKS_UNKNOWN,
	    "newer than known");
	archive(&b, 14);
	b.p[10] = 3;
	ok_int(judge(bk_marks_pg_custom, b.p, b.len, 7), -1, "not custom");
	ok_int(judge(bk_marks_pg_custom, "-- PostgreSQL dump", 18, 7), -1,
	    "another magic");
	bk_buf_release(&b);
}

/* Damage of any byte is a fault or is not seen here, and nothing worse. */
static void
test_damage(void)
{
	static const unsigned char masks[] = { 0x01, 0x80, 0xff };
	struct bk_buf b = BK_BUF_INIT(65536);
	size_t n, i;
	int odd = 0, rc;

	archive(&b, 16);
	for (n = 0; n < b.len; n++)
		for (i = 0; i < sizeof(masks); i++) {
			b.p[n] = (char)(b.p[n] ^ masks[i]);
			rc = judge(bk_marks_pg_custom, b.p, b.len, 64);
			odd += rc != BK_MARKS_PROVEN && rc != -1 &&
			    rc != BK_MARKS_UNKNOWN;
			b.p[n] = (char)(b.p[n] ^ masks[i]);
		}
	ok_int(odd, 0, "damaged archives are judged");
	bk_buf_release(&b);
}

struct seen {
	int n;
	char owners[64];
};

static int
see(void *arg, const struct bk_pgentry *e, struct bk_fault *f)
{
	struct seen *s = arg;
	size_t len = strlen(s->owners);

	(void)f;
	s->n++;
	snprintf(s->owners + len, sizeof(s->owners) - len, "%s,", e->owner);
	return 0;
}

static void
test_entries(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(65536);
	struct seen s = { 0, "" };
	struct bk_pgarchive *a = bk_pgarchive_new(see, &s, &f);
	size_t listed = archive(&b, 16);

	bk_pgarchive_write(a, b.p, listed - 1, &f);
	ok(!bk_pgarchive_listed(a), "not listed yet");
	bk_pgarchive_write(a, b.p + listed - 1, 1, &f);
	ok(bk_pgarchive_listed(a), "listed");
	ok_int(s.n, 3, "entries");
	ok_text(s.owners, "alice,bob,,", "owners");
	bk_pgarchive_free(a);
	bk_buf_release(&b);
}

/* ---- SQL ---- */

#define BEGIN "--\n-- PostgreSQL database dump\n--\n\n"
#define END "--\n-- PostgreSQL database dump complete\n--\n\n"
#define BEGIN_ALL "--\n-- PostgreSQL database cluster dump\n--\n\n"
#define END_ALL "--\n-- PostgreSQL database cluster dump complete\n--\n\n"
#define DATA "--\n-- Data for Name: t; Type: TABLE DATA; Schema: public; " \
	"Owner: o\n--\n\nCOPY public.t (a) FROM stdin;\n"

static const struct {
	const char *what;
	new_fn *make;
	const char *text;
	int want;
} sql[] = {
	{ "plain", bk_marks_pg_plain, BEGIN "SELECT 1;\n" END, 0 },
	{ "nothing", bk_marks_pg_plain, "", -1 },
	{ "no mark", bk_marks_pg_plain, BEGIN "SELECT 1;\n", -1 },
	{ "mark without its second line", bk_marks_pg_plain,
	    BEGIN "--\n-- PostgreSQL database dump complete\n", -1 },
	{ "mark cut in its line", bk_marks_pg_plain,
	    BEGIN "--\n-- PostgreSQL database dump complete", -1 },
	{ "a statement behind the mark", bk_marks_pg_plain,
	    BEGIN END "SELECT 1;\n", -1 },
	{ "a comment behind the mark", bk_marks_pg_plain,
	    BEGIN END "-- bye\n\n", 0 },
	{ "with a token", bk_marks_pg_plain,
	    BEGIN "\\restrict abc\n" END "\\unrestrict abc\n\n", 0 },
	{ "token missing", bk_marks_pg_plain, BEGIN "\\restrict abc\n" END, -1 },
	{ "another token", bk_marks_pg_plain,
	    BEGIN "\\restrict abc\n" END "\\unrestrict abd\n\n", -1 },
	{ "the mark as rows", bk_marks_pg_plain, BEGIN DATA END, -1 },
	{ "the mark as rows, all there", bk_marks_pg_plain,
	    BEGIN DATA END "\\.\n\n" END, 0 },
	{ "a COPY in a function", bk_marks_pg_plain,
	    BEGIN "CREATE FUNCTION f() AS $$\nCOPY t FROM stdin;\n$$;\n" END, 0 },
	{ "all", bk_marks_pg_all,
	    BEGIN_ALL "\\restrict a\n\\unrestrict a\n" BEGIN "\\restrict b\n" END
	    "\\unrestrict b\n\n" END_ALL, 0 },
	{ "all: one database", bk_marks_pg_all, BEGIN_ALL BEGIN END, -1 },
	{ "all: cut in the second database", bk_marks_pg_all,
	    BEGIN_ALL BEGIN END BEGIN, -1 },
	{ "all: rows", bk_marks_pg_all, BEGIN_ALL BEGIN DATA END_ALL, -1 },
	{ "either: plain", bk_marks_pg_sql, BEGIN END, 0 },
	{ "either: all", bk_marks_pg_sql, BEGIN_ALL BEGIN END END_ALL, 0 },
	{ "either: all cut behind a database", bk_marks_pg_sql,
	    BEGIN_ALL BEGIN END, -1 },
};

static void
test_sql(void)
{
	size_t i, n;
	int whole;

	for (i = 0; i < sizeof(sql) / sizeof(sql[0]); i++) {
		n = strlen(sql[i].text);
		ok(judge(sql[i].make, sql[i].text, n, 4096) == sql[i].want &&
		    judge(sql[i].make, sql[i].text, n, 1) == sql[i].want,
		    "%s", sql[i].what);
	}
	/* Behind the last needed line only a blank one is left to cut. */
	n = strlen(sql[7].text) - 1;
	for (whole = 0; n-- > 0;)
		whole += judge(bk_marks_pg_plain, sql[7].text, n, 3) != -1;
	ok_int(whole, 0, "no cut of a plain dump is taken for whole");
}

static void
test_long_token(void)
{
	struct bk_buf b = BK_BUF_INIT(65536);
	char token[301];

	memset(token, 'k', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	bk_buf_addf(&b, &bf, BEGIN "\\restrict %s\n" END "\\unrestrict %s\n\n",
	    token, token);
	ok_int(judge(bk_marks_pg_plain, b.p, b.len, 50), BK_MARKS_PROVEN,
	    "a token longer than what is kept of a line");
	bk_buf_release(&b);
}

int
main(void)
{
	test_custom();
	test_damage();
	test_entries();
	test_long_token();
	test_sql();
	return done();
}
