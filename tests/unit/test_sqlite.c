/*
 * sqlite: marks, dumps of a file that is being written in both journal modes,
 * restores and what they must not destroy.
 */
#include <sys/stat.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "engine.h"
#include "io.h"
#include "json.h"
#include "tap.h"

static struct bk_fault nf;
static const char *const none[] = { NULL };

static char *
path_of(const char *name)
{
	static char path[4][4200];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", tap_dir(), name);
	return path[i];
}

/* Run SQL on a file; the first column of the last row, -1 on an error. */
static long long
sql(const char *name, const char *text)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	const char *tail = text;
	long long v = 0;
	int rc = sqlite3_open(path_of(name), &db);

	sqlite3_busy_timeout(db, 20000);
	while (rc == SQLITE_OK && *tail != '\0') {
		if ((rc = sqlite3_prepare_v2(db, tail, -1, &s,
		    &tail)) != SQLITE_OK || s == NULL)
			break;
		while ((rc = sqlite3_step(s)) == SQLITE_ROW)
			v = sqlite3_column_int64(s, 0);
		rc = sqlite3_finalize(s);
	}
	if (rc != SQLITE_OK) {
		printf("# %s: %s\n", text, sqlite3_errmsg(db));
		v = -1;
	}
	sqlite3_close(db);
	return v;
}

static int
to_buf(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static int
dump_until(const char *name, int64_t ms, struct bk_buf *out)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	struct bk_dump_req req = { .ctx = &tap_ctx, .uri = &u, .args = none,
		.exclude = none, .deadline = tap_ctx.mono() + ms };
	struct bk_dump d = { .ops = NULL };
	char url[4200];

	snprintf(url, sizeof(url), "sqlite://%s", path_of(name));
	bk_buf_reset(out);
	if (bk_uri_parse(url, &u, &f) == 0 &&
	    bk_dump_open(&d, &req, &f) == 0 &&
	    bk_dump_run(&d, to_buf, out, &f) == 0) {
		ok_text(d.proof, "marks", "proven by marks");
		ok_text(d.ext, "sqlite", "extension");
		ok(d.time != 0, "the time of the copy is known");
	} else
		printf("# %s\n", f.text);
	bk_dump_close(&d);
	bk_uri_release(&u);
	return f.status;
}

static int
dump(const char *name, struct bk_buf *out)
{
	return dump_until(name, 60000, out);
}

static int
restore(const char *name, const struct bk_buf *in, bool replace, bool commit)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	struct bk_restore r = { .ops = NULL };
	struct bk_restore_req req = { .ctx = &tap_ctx, .target = &u,
		.args = none, .replace = replace, .jobs = 1 };
	json_t *h = json_pack("{s:s, s:s}", "engine", "sqlite", "ext",
	    "sqlite");
	char url[4200];

	req.header = h;
	snprintf(url, sizeof(url), "sqlite://%s", path_of(name));
	if (bk_uri_parse(url, &u, &f) == 0 &&
	    bk_restore_open(&r, &req, &f) == 0 &&
	    (in->len == 0 ||
	    bk_restore_write(&r, in->p, in->len, &f) == 0) && commit)
		(void)bk_restore_commit(&r, -1, &f);
	if (bk_faulty(&f))
		printf("# %s\n", f.text);
	bk_restore_close(&r);
	bk_uri_release(&u);
	json_decref(h);
	return f.status;
}

static int
marks(const struct bk_buf *b, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_marks *m = bk_marks_sqlite(&f);
	int rc;

	if (n > 0)
		(void)m->write(m, b->p, n, &f);
	rc = m->finish(m, &f);
	m->free(m);
	return bk_faulty(&f) ? f.status : rc;
}

static void
test_marks(struct bk_buf *b)
{
	size_t n, bad = 0, tried = 0;

	sql("m.db", "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(20000))");
	ok_int(dump("m.db", b), 0, "dump");
	ok_int(marks(b, b->len), BK_MARKS_PROVEN, "a whole file");
	for (n = 0; n < b->len; n += 97, tried++)
		bad += marks(b, n) == BK_DATA;
	ok_int(bad, tried, "cut anywhere it is not whole");
	ok_int(marks(b, b->len - 4096), BK_DATA, "cut at a page");
	b->p[95]++;
	ok_int(marks(b, b->len), BK_MARKS_UNKNOWN, "a size of no force");
	b->p[95]--;
	b->p[0]++;
	ok_int(marks(b, b->len), BK_DATA, "no database");
	b->p[0]--;
}

/* A writer that keeps two tables alike, in one transaction each time. */
struct writer {
	const char *name;
	atomic_bool stop;
	atomic_int commits;
};

static void *
write_on(void *arg)
{
	struct writer *w = arg;
	sqlite3 *db = NULL;

	if (sqlite3_open(path_of(w->name), &db) != SQLITE_OK)
		return NULL;
	sqlite3_busy_timeout(db, 20000);
	while (!atomic_load(&w->stop))
		if (sqlite3_exec(db, "BEGIN IMMEDIATE;"
		    "INSERT INTO a VALUES (randomblob(500));"
		    "INSERT INTO b SELECT x FROM a WHERE rowid = last_insert_rowid();"
		    "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
			atomic_fetch_add(&w->commits, 1);
	sqlite3_close(db);
	return NULL;
}

static void
test_live(const char *name, const char *mode, struct bk_buf *b)
{
	static const char same[] = "SELECT (SELECT count(*) FROM a) = "
	    "(SELECT count(*) FROM b) AND NOT EXISTS "
	    "(SELECT 1 FROM a JOIN b ON a.rowid = b.rowid WHERE a.x <> b.x)";
	struct writer w = { .name = name };
	char text[512], copy[64];
	pthread_t t;
	int before;

	snprintf(text, sizeof(text), "PRAGMA journal_mode=%s;"
	    "PRAGMA synchronous=OFF; CREATE TABLE a(x); CREATE TABLE b(x);"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 15000) INSERT INTO a SELECT randomblob(1000) FROM n;"
	    "INSERT INTO b SELECT x FROM a", mode);
	ok(sql(name, text) != -1, "made a database with %s", mode);
	if (pthread_create(&t, NULL, write_on, &w) != 0)
		abort();
	while (atomic_load(&w.commits) < 3)
		usleep(1000);
	before = atomic_load(&w.commits);
	ok_int(dump(name, b), 0, "dump while it is written");
	while (atomic_load(&w.commits) <= before)
		usleep(1000);
	ok(atomic_load(&w.commits) > before, "the writer went on");
	atomic_store(&w.stop, true);
	pthread_join(t, NULL);
	snprintf(copy, sizeof(copy), "copy-%s", name);
	ok_int(restore(copy, b, false, true), 0, "restore");
	ok_int(sql(copy, same), 1, "the copy is one moment");
	ok(sql(copy, "SELECT count(*) FROM a") >= 15000, "the copy is whole");
	ok(sql(copy, "PRAGMA integrity_check") != -1, "the copy is sound");
}

static void
put(const char *name, const char *text)
{
	FILE *fp = fopen(path_of(name), "we");

	if (fp == NULL || fputs(text, fp) == EOF || fclose(fp) == EOF)
		abort();
}

static bool
there(const char *name)
{
	struct stat st;

	return stat(path_of(name), &st) == 0;
}

/* How many entries of the directory match ${pattern}. */
static int
count(const char *pattern)
{
	struct bk_buf out = BK_BUF_INIT(65536);
	char script[256];
	const char *argv[] = { "sh", "-c", script, NULL };
	const struct bk_child_spec spec = { .argv = argv, .cwd = tap_dir(),
		.in = -1 };
	int n;

	snprintf(script, sizeof(script),
	    "find . -name '%s' | grep -c . || true", pattern);
	n = bk_child_capture(&tap_ctx, &spec, NULL, &out, NULL, &nf) == 0 ?
	    (int)strtol(bk_buf_text(&out), NULL, 10) : -1;
	bk_buf_release(&out);
	return n;
}

static void
test_restore(struct bk_buf *b)
{
	struct stat st;

	sql("s.db", "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)");
	ok_int(dump("s.db", b), 0, "dump");
	sql("old.db", "CREATE TABLE t(a); INSERT INTO t VALUES (7)");
	chmod(path_of("old.db"), 0640);
	ok_int(restore("old.db", b, false, true), BK_CANTCREATE,
	    "a target that is there");
	ok_int(restore("old.db", b, true, false), 0, "no commit");
	ok_int(sql("old.db", "SELECT max(a) FROM t"), 7, "is left alone");
	put("old.db-wal", "stale");
	ok_int(restore("old.db", b, true, true), 0, "replaced");
	ok_int(sql("old.db", "SELECT max(a) FROM t"), 3, "the new one is there");
	ok(!there("old.db-wal"), "the old WAL is not");
	ok_int(count("old.db.old-*-wal"), 1, "it is beside the old file");
	ok_int(count("old.db.old-*Z"), 1, "which was moved");
	ok(stat(path_of("old.db"), &st) == 0 && (st.st_mode & 0777) == 0640,
	    "the mode stays");
	put("gone.db-journal", "stale");
	ok_int(restore("gone.db", b, false, true), BK_CANTCREATE,
	    "a journal without its file");
	put("empty.db", "");
	ok_int(restore("empty.db", b, false, true), 0, "an empty file");
	ok_int(sql("empty.db", "SELECT count(*) FROM t"), 3, "is filled");
	ok_int(restore("no/such.db", b, false, true), BK_NOINPUT,
	    "no directory");
	/* The second page's b-tree header. */
	b->p[4096] = 0x7f;
	ok_int(restore("bad.db", b, false, true), BK_DATA, "a corrupt file");
	b->len -= 4096;
	ok_int(restore("bad.db", b, false, true), BK_DATA, "a cut file");
	ok(!there("bad.db"), "is not put in place");
	ok_int(count(".*.bk-*"), 0, "no temporary file is left");
}

static void
test_faults(struct bk_buf *b)
{
	sqlite3 *db = NULL;

	put("text", "this is no database, but it is long enough to be read as one");
	ok_int(dump("text", b), BK_DATA, "no database");
	ok_int(dump("nothing.db", b), BK_NOINPUT, "no such file");
	ok(!there("nothing.db"), "none was made");
	ok_int(dump(".", b), BK_DATA, "a directory");
	put("zero.db", "");
	ok_int(dump("zero.db", b), BK_DATA, "an empty file");
	sql("lock.db", "CREATE TABLE t(a)");
	sqlite3_open(path_of("lock.db"), &db);
	sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
	ok_int(dump_until("lock.db", 300, b), BK_DATA, "locked too long");
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	sqlite3_close(db);
	ok_int(dump("lock.db", b), 0, "and free again");
	ok_int(count("bk-*"), 0, "no temporary directory is left");
}

int
main(void)
{
	struct bk_buf b = BK_BUF_INIT(256 * 1024 * 1024);

	tap_ctx.tmpdir = tap_dir();
	test_marks(&b);
	test_live("wal.db", "WAL", &b);
	test_live("rollback.db", "DELETE", &b);
	test_restore(&b);
	test_faults(&b);
	bk_buf_release(&b);
	return done();
}
