/*
 * sqlite: one database file, copied by SQLite's online backup interface
 * (sqlite.org/backup.html) while others read and write it, into a private
 * file that has no name, and then read out.
 *
 * Facts (the same page; sqlite.org/isolation.html, wal.html): each step takes
 * a read lock for its pages only, but a write by another process makes the
 * backup start again, for ever under steady writes.  A read transaction held
 * meanwhile prevents that.  In WAL mode it hinders no writer, so it is taken
 * at once.  With a rollback journal it makes writers wait, so it is taken
 * only when the copy has begun again three times.
 *
 * The file is opened for reading.  Only if SQLite must first roll back a
 * journal that a crash left, or make the index of a WAL, is it opened for
 * writing.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "json.h"
#include "names.h"
#include "sqlite.h"

#define STEP_PAGES 1024
#define RESTARTS 3
#define LOCKED_MS (10 * 60 * 1000)	/* longest wait without a deadline */
#define OPEN_LOCKED_MS (60 * 1000)
#define BLOCK (256 * 1024)

static const char *const schemes[] = { "sqlite", NULL };
static const char *const options[] = { NULL };

struct lite {
	char *path;
	sqlite3 *src, *dst;
	int fd;				/* of the copy */
	bool wal, held;
	int restarts;
	int64_t give_up;		/* when a lock has been waited for too long */
};

int
bk_sqlite_fault(sqlite3 *db, const char *path, struct bk_fault *f)
{
	int status = BK_DATA;

	switch (sqlite3_errcode(db)) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		status = BK_UNAVAILABLE;
		break;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY:
		status = BK_NOPERM;
		break;
	case SQLITE_CANTOPEN:
		status = sqlite3_system_errno(db) == ENOENT ? BK_NOINPUT :
		    BK_NOPERM;
		break;
	case SQLITE_IOERR:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
		status = BK_IO;
		break;
	default:
		break;
	}
	return bk_fault_set(f, status, "'%s': %s", path, sqlite3_errmsg(db));
}

/* The first column of the first row of ${sql} as text. */
static int
ask(sqlite3 *db, const char *sql, char *out, size_t size)
{
	sqlite3_stmt *s = NULL;
	const unsigned char *text;
	int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		text = sqlite3_column_text(s, 0);
		snprintf(out, size, "%s", text != NULL ?
		    (const char *)text : "");
		rc = SQLITE_OK;
	}
	/* Finalising repeats the error, so that it stays the last one. */
	sqlite3_finalize(s);
	return rc;
}

/* How long opening may wait for a lock. */
static int
patience(const struct bk_dump_req *req)
{
	int64_t left = req->deadline - req->ctx->mono();

	if (req->deadline == 0 || left > OPEN_LOCKED_MS)
		return OPEN_LOCKED_MS;
	return left > 0 ? (int)left : 0;
}

static int
open_source(const struct bk_dump_req *req, struct lite *k, int flags,
    char *pages, size_t size)
{
	int rc;

	sqlite3_close(k->src);
	k->src = NULL;
	if ((rc = sqlite3_open_v2(k->path, &k->src, flags |
	    SQLITE_OPEN_NOMUTEX, NULL)) != SQLITE_OK)
		return rc;
	sqlite3_busy_timeout(k->src, patience(req));
	return ask(k->src, "PRAGMA page_count", pages, size);
}

static int
check_file(const struct bk_uri *u, struct bk_fault *f)
{
	const char *path = u->path;
	struct stat st;

	if (bk_uri_local(u, "sqlite:///path", f) == -1)
		return -1;
	if (stat(path, &st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return bk_fault_set(f, BK_DATA, "'%s' is no database file",
		    path);
	if (access(path, R_OK) == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	return 0;
}

static int
describe(struct bk_dump *d, const struct lite *k, const char *mode,
    struct bk_fault *f)
{
	const char *base = strrchr(k->path, '/') + 1;
	char tool[64];

	memcpy(d->ext, "sqlite", sizeof("sqlite"));
	bk_name_from(base, d->name);
	snprintf(tool, sizeof(tool), "sqlite %s", sqlite3_libversion());
	if (bk_json_set_text(d->source, "host", d->req->ctx->host, f) == -1 ||
	    bk_json_set_text(d->source, "path", k->path, f) == -1 ||
	    bk_json_set_text(d->info, "tool", tool, f) == -1)
		return -1;
	return bk_json_set_text(d->info, "journal", mode, f);
}

static int
lite_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_dump_req *req = d->req;
	char pages[32] = "0", size[32] = "0", mode[32] = "";
	struct lite *k;
	int rc;

	if (check_file(req->uri, f) == -1)
		return -1;
	if ((d->priv = k = calloc(1, sizeof(*k))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "sqlite");
	k->fd = -1;
	if ((k->path = realpath(req->uri->path, NULL)) == NULL)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'",
		    req->uri->path);
	rc = open_source(req, k, SQLITE_OPEN_READONLY, pages, sizeof(pages));
	if ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY)
		rc = open_source(req, k, SQLITE_OPEN_READWRITE, pages,
		    sizeof(pages));
	if (rc == SQLITE_BUSY && patience(req) == 0)
		return bk_fault_set(f, BK_DATA, "timeout");
	if (rc != SQLITE_OK ||
	    ask(k->src, "PRAGMA page_size", size, sizeof(size)) != SQLITE_OK ||
	    ask(k->src, "PRAGMA journal_mode", mode,
	    sizeof(mode)) != SQLITE_OK)
		return bk_sqlite_fault(k->src, k->path, f);
	if (strcmp(pages, "0") == 0 && !req->allow_empty)
		return bk_fault_set(f, BK_DATA,
		    "'%s' is empty; --allow-empty accepts that", k->path);
	k->wal = strcmp(mode, "wal") == 0;
	d->estimate = strtoull(pages, NULL, 10) * strtoull(size, NULL, 10);
	return describe(d, k, mode, f);
}

/* A private database without a name, open as k->dst and k->fd. */
static int
open_copy(const struct bk_dump *d, struct lite *k, struct bk_fault *f)
{
	const char *tmp = d->req->ctx->tmpdir;
	char dir[PATH_MAX], path[PATH_MAX + 4];
	int rc;

	if (snprintf(dir, sizeof(dir), "%s/bk-XXXXXX", tmp) >=
	    (int)sizeof(dir))
		return bk_fault_set(f, BK_CANTCREATE, "'%.200s' is too long",
		    tmp);
	if (mkdtemp(dir) == NULL)
		return bk_fault_errno(f, BK_CANTCREATE, errno,
		    "cannot create a temporary directory in '%s'", tmp);
	snprintf(path, sizeof(path), "%s/db", dir);
	k->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (k->fd == -1)
		bk_fault_errno(f, BK_CANTCREATE, errno, "cannot create '%s'",
		    path);
	else if ((rc = sqlite3_open_v2(path, &k->dst, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_NOMUTEX, NULL)) != SQLITE_OK ||
	    /* Nobody else sees it, and it is thrown away. */
	    (rc = sqlite3_exec(k->dst, "PRAGMA journal_mode=OFF;"
	    "PRAGMA synchronous=OFF;PRAGMA locking_mode=EXCLUSIVE", NULL, NULL,
	    NULL)) != SQLITE_OK)
		bk_sqlite_fault(k->dst, path, f);
	if (k->fd != -1)
		(void)unlink(path);
	(void)rmdir(dir);
	return bk_faulty(f) ? -1 : 0;
}

/* Begin a read transaction that lasts until the copy is done. */
static int
hold(struct bk_dump *d, struct lite *k)
{
	char ignored[32];
	int rc = SQLITE_OK;

	if (sqlite3_get_autocommit(k->src))
		rc = sqlite3_exec(k->src, "BEGIN", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = ask(k->src, "SELECT count(*) FROM sqlite_master", ignored,
		    sizeof(ignored));
	if (rc == SQLITE_OK) {
		k->held = true;
		d->time = d->req->ctx->now();
	}
	return rc;
}

/* Wait for ${ms}, or fail where a lock has been waited for too long. */
static int
wait_lock(const struct bk_dump *d, struct lite *k, int ms, struct bk_fault *f)
{
	int64_t now = d->req->ctx->mono();

	if (d->req->deadline != 0 && now >= d->req->deadline)
		return bk_fault_set(f, BK_DATA, "timeout");
	if (k->give_up == 0)
		k->give_up = now + LOCKED_MS;
	if (d->req->deadline == 0 && now >= k->give_up)
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "'%s' stays locked by another process", k->path);
	(void)poll(NULL, 0, ms);
	return 0;
}

/* Copy all pages; SQLITE_DONE, or -1 with ${f} set. */
static int
copy_pages(struct bk_dump *d, struct lite *k, sqlite3_backup *b,
    struct bk_fault *f)
{
	int rc, left, before = INT_MAX;

	for (;;) {
		if (!k->held && (k->wal || k->restarts >= RESTARTS) &&
		    (rc = hold(d, k)) != SQLITE_OK && rc != SQLITE_BUSY)
			return bk_sqlite_fault(k->src, k->path, f);
		rc = sqlite3_backup_step(b, STEP_PAGES);
		if (rc == SQLITE_DONE)
			return rc;
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
			if (wait_lock(d, k, 25, f) == -1)
				return -1;
			continue;
		}
		if (rc != SQLITE_OK)
			return bk_fault_set(f, rc == SQLITE_FULL ||
			    (rc & 0xff) == SQLITE_IOERR ? BK_IO : BK_DATA,
			    "'%s': cannot copy: %s", k->path,
			    sqlite3_errstr(rc));
		left = sqlite3_backup_remaining(b);
		if (left > before)
			k->restarts++;
		before = left;
		k->give_up = 0;
		/* Let a waiting writer have its turn. */
		if (wait_lock(d, k, k->held ? 0 : 2, f) == -1)
			return -1;
	}
}

static int
copy(struct bk_dump *d, struct lite *k, struct bk_fault *f)
{
	sqlite3_backup *b = sqlite3_backup_init(k->dst, "main", k->src, "main");
	int rc;

	if (b == NULL)
		return bk_sqlite_fault(k->dst, k->path, f);
	rc = copy_pages(d, k, b, f);
	if (sqlite3_backup_finish(b) != SQLITE_OK && rc != -1)
		rc = bk_sqlite_fault(k->dst, k->path, f);
	if (rc == -1)
		return -1;
	if (!k->held)
		d->time = d->req->ctx->now();
	d->req->ctx->log(BK_LOG_INFO, "'%s' copied, begun again %d times",
	    k->path, k->restarts);
	/* The copy's close writes nothing more: no journal, no WAL. */
	rc = sqlite3_close(k->dst);
	k->dst = NULL;
	return rc == SQLITE_OK ? 0 : bk_fault_set(f, BK_BUG,
	    "'%s': the copy stays open", k->path);
}

static int
read_out(struct lite *k, struct bk_marks *m, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	uint8_t *p = malloc(BLOCK);
	uint64_t at = 0;
	ssize_t n = 0;

	if (p == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "sqlite");
	while ((n = pread(k->fd, p, BLOCK, (off_t)at)) > 0) {
		at += (uint64_t)n;
		if (m->write(m, p, (size_t)n, f) == -1 ||
		    sink(arg, p, (size_t)n, f) == -1)
			break;
	}
	if (n == -1)
		bk_fault_errno(f, BK_IO, errno, "cannot read the copy of '%s'",
		    k->path);
	free(p);
	/* An empty file is a database without tables: bk_dump_run's matter. */
	return n != 0 ? -1 : at == 0 ? 0 : m->finish(m, f);
}

static int
lite_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct lite *k = d->priv;
	struct bk_marks *m = bk_marks_sqlite(f);
	int rc = -1, seen;

	if (m == NULL || open_copy(d, k, f) == -1 || copy(d, k, f) == -1)
		goto out;
	sqlite3_close(k->src);
	k->src = NULL;
	if ((seen = read_out(k, m, sink, arg, f)) == -1)
		goto out;
	d->proof = seen == BK_MARKS_PROVEN ? "marks" : "exit";
	rc = 0;
out:
	if (m != NULL)
		m->free(m);
	return rc;
}

static void
lite_dump_close(struct bk_dump *d)
{
	struct lite *k = d->priv;

	if (k == NULL)
		return;
	sqlite3_close(k->dst);
	sqlite3_close(k->src);
	if (k->fd != -1)
		close(k->fd);
	free(k->path);
	free(k);
	d->priv = NULL;
}

static struct bk_marks *
lite_marks(const char *ext, struct bk_fault *f)
{
	return strcmp(ext, "sqlite") == 0 ? bk_marks_sqlite(f) : NULL;
}

const struct bk_engine_ops bk_engine_sqlite = {
	.name = "sqlite",
	.schemes = schemes,
	.options = options,
	.target_options = options,
	.flags = BK_ENGINE_NO_ARGS | BK_ENGINE_PATH,
	.dump_open = lite_dump_open,
	.dump_run = lite_dump_run,
	.dump_close = lite_dump_close,
	.restore_open = bk_sqlite_restore_open,
	.restore_write = bk_sqlite_restore_write,
	.restore_commit = bk_sqlite_restore_commit,
	.restore_close = bk_sqlite_restore_close,
	.marks = lite_marks,
};
