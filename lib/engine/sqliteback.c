/*
 * Restoring a SQLite file: written beside its place, checked by SQLite's own
 * integrity check, synced, renamed into place.
 *
 * A journal or WAL beside a database belongs to it: next to another file it
 * would be played into that one (sqlite.org/howtocorrupt.html, 1.4).  So what
 * is there is moved aside as a set, the database first: after a crash in
 * between there is no database, rather than one with the wrong journal.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "io.h"
#include "place.h"
#include "sqlite.h"
#include "when.h"

static const char *const parts[] = { "", "-journal", "-wal", "-shm" };
#define PARTS (sizeof(parts) / sizeof(parts[0]))

struct back {
	struct bk_buf place, dir, tmp;
	struct bk_marks *marks;
	int fd;				/* of tmp */
	bool made;			/* tmp is there */
	bool holds;			/* the place, or a journal of it */
	bool had;			/* the place: its owner and mode */
	struct stat st;
	const struct bk_restore_req *req;
};

/* "${path}${part}" into ${out} of PATH_MAX + 16. */
static void
part_name(const char *path, const char *part, char *out)
{
	snprintf(out, PATH_MAX + 16, "%s%s", path, part);
}

static int
find_place(struct back *b, const char *path, struct bk_fault *f)
{
	char name[PATH_MAX + 16], *real = NULL;
	const char *slash = strrchr(path, '/');
	struct stat st;
	size_t i;
	int rc = -1;

	if (bk_uri_local(b->req->target, "sqlite:///path", f) == -1)
		return -1;
	if (slash[1] == '\0')
		return bk_fault_set(f, BK_USAGE,
		    "'%s': want an absolute path: sqlite:///path",
		    b->req->target->text);
	/* A link to a database stays: its target is replaced. */
	if ((real = realpath(path, NULL)) != NULL)
		path = real;
	slash = strrchr(path, '/');
	if (bk_buf_adds(&b->place, path, f) == -1 ||
	    bk_buf_add(&b->dir, path, slash != path ?
	    (size_t)(slash - path) : 1, f) == -1)
		goto out;
	for (i = 0; i < PARTS; i++) {
		part_name(path, parts[i], name);
		if (lstat(name, &st) == -1) {
			if (errno == ENOENT)
				continue;
			bk_fault_errno(f, 0, errno, "cannot read '%s'", name);
			goto out;
		}
		if (!S_ISREG(st.st_mode)) {
			bk_fault_set(f, BK_CANTCREATE, "'%s' is no file", name);
			goto out;
		}
		if (i == 0) {
			b->had = true;
			b->st = st;
		}
		b->holds = b->holds || i > 0 || st.st_size > 0;
	}
	rc = 0;
	if (b->holds && !b->req->replace)
		rc = bk_fault_set(f, BK_CANTCREATE,
		    "'%s' or a journal of it is there; --replace moves it aside",
		    path);
out:
	free(real);
	return rc;
}

int
bk_sqlite_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	const char *place;
	struct back *b;

	if ((r->priv = b = calloc(1, sizeof(*b))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "sqlite");
	b->fd = -1;
	b->req = r->req;
	b->place.max = b->dir.max = b->tmp.max = PATH_MAX;
	if (find_place(b, r->req->target->path, f) == -1 ||
	    (b->marks = bk_marks_sqlite(f)) == NULL)
		return -1;
	place = bk_buf_text(&b->place);
	if (bk_buf_addf(&b->tmp, f, "%s/.%s.bk-XXXXXX", bk_buf_text(&b->dir),
	    strrchr(place, '/') + 1) == -1)
		return -1;
	if ((b->fd = mkostemp(b->tmp.p, O_CLOEXEC)) == -1)
		return bk_fault_errno(f, 0, errno,
		    "cannot create a file in '%s'", bk_buf_text(&b->dir));
	b->made = true;
	return 0;
}

int
bk_sqlite_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f)
{
	struct back *b = r->priv;

	if (b->marks->write(b->marks, p, n, f) == -1)
		return -1;
	return bk_write_all(b->fd, p, n, bk_buf_text(&b->tmp), f);
}

static int
too_late(void *arg)
{
	const struct back *b = arg;

	return b->req->deadline != 0 &&
	    b->req->ctx->mono() >= b->req->deadline;
}

/* The answers of the integrity check: one row "ok", or what is wrong. */
static int
judge(struct back *b, sqlite3 *db, sqlite3_stmt *s, struct bk_fault *f)
{
	int rc = sqlite3_step(s);
	const unsigned char *said;

	if (rc == SQLITE_ROW) {
		said = sqlite3_column_text(s, 0);
		if (said != NULL && strcmp((const char *)said, "ok") == 0)
			return 0;
		return bk_fault_set(f, BK_DATA,
		    "the database fails its integrity check: %s",
		    said != NULL ? (const char *)said : "");
	}
	if (rc == SQLITE_INTERRUPT)
		return bk_fault_set(f, BK_DATA, "timeout");
	if ((rc & 0xff) != SQLITE_ERROR)
		return bk_sqlite_fault(db, bk_buf_text(&b->place), f);
	/* A collation or module of its application: the bytes were verified. */
	b->req->ctx->log(BK_LOG_WARN, "'%s' cannot be checked here: %s",
	    bk_buf_text(&b->place), sqlite3_errmsg(db));
	return 0;
}

/*
 * immutable=1 (sqlite.org/uri.html): no lock, no journal, no -shm is made for
 * the file, in WAL mode either.
 */
static int
integrity(struct back *b, struct bk_fault *f)
{
	struct bk_buf uri = BK_BUF_INIT(4 * PATH_MAX);
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	int rc = -1;

	if (bk_buf_adds(&uri, "file://", f) == -1 ||
	    bk_uri_encode(&uri, bk_buf_text(&b->tmp), true, f) == -1 ||
	    bk_buf_adds(&uri, "?immutable=1", f) == -1)
		goto out;
	if (sqlite3_open_v2(bk_buf_text(&uri), &db, SQLITE_OPEN_READONLY |
	    SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    /* The file is somebody's: none of its triggers or views runs. */
	    sqlite3_exec(db, "PRAGMA trusted_schema=OFF;"
	    "PRAGMA cell_size_check=ON", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &s,
	    NULL) != SQLITE_OK) {
		bk_sqlite_fault(db, bk_buf_text(&b->place), f);
		goto out;
	}
	sqlite3_progress_handler(db, 100000, too_late, b);
	rc = judge(b, db, s, f);
out:
	sqlite3_finalize(s);
	sqlite3_close(db);
	bk_buf_release(&uri);
	return rc;
}

/* Owner and mode of the file that was there. */
static int
take_owner(const struct back *b, struct bk_fault *f)
{
	const char *tmp = bk_buf_text(&b->tmp);

	if (!b->had)
		return 0;
	if (fchown(b->fd, b->st.st_uid, b->st.st_gid) == -1) {
		if (errno != EPERM)
			return bk_fault_errno(f, 0, errno, "cannot own '%s'",
			    tmp);
		b->req->ctx->log(BK_LOG_WARN,
		    "'%s' will not have its old owner", bk_buf_text(&b->place));
	}
	if (fchmod(b->fd, b->st.st_mode & 0777) == -1)
		return bk_fault_errno(f, 0, errno, "cannot set mode of '%s'",
		    tmp);
	return 0;
}

/* Rename the first ${n} parts of database ${from}; those that are not there
 * do not matter. */
static int
move_parts(const char *from, const char *to, size_t n, struct bk_fault *f)
{
	char a[PATH_MAX + 16], z[PATH_MAX + 16];
	size_t i;

	for (i = 0; i < n; i++) {
		part_name(from, parts[i], a);
		part_name(to, parts[i], z);
		if (rename(a, z) == -1 && errno != ENOENT)
			return bk_fault_errno(f, 0, errno,
			    "cannot move '%s' to '%s'", a, z);
	}
	return 0;
}

static int
put_in_place(struct back *b, struct bk_fault *f)
{
	const struct bk_ctx *ctx = b->req->ctx;
	const char *place = bk_buf_text(&b->place);
	struct bk_buf old = BK_BUF_INIT(PATH_MAX);
	struct bk_fault ignored = BK_FAULT_INIT;
	char when[BK_TIME_LEN];
	int rc = -1;

	if (!b->holds) {
		/* An empty file is as good as none. */
		if (b->had && unlink(place) == -1 && errno != ENOENT)
			bk_fault_errno(f, 0, errno, "cannot replace '%s'",
			    place);
		else
			rc = bk_place_new(bk_buf_text(&b->tmp),
			    place, f);
		goto out;
	}
	if (bk_buf_addf(&old, f, "%s.old-%s", place,
	    bk_time_compact(ctx->now(), when)) == -1)
		goto out;
	if (move_parts(place, bk_buf_text(&old), PARTS, f) == -1 ||
	    bk_place_new(bk_buf_text(&b->tmp), place, f) == -1) {
		(void)move_parts(bk_buf_text(&old), place, PARTS, &ignored);
		goto out;
	}
	ctx->log(BK_LOG_WARN, "what was '%s' is now '%s'", place,
	    bk_buf_text(&old));
	rc = 0;
out:
	bk_buf_release(&old);
	return rc;
}

int
bk_sqlite_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct back *b = r->priv;
	int tmp = b->fd;

	(void)fd;
	if (b->marks->finish(b->marks, f) == -1 || integrity(b, f) == -1 ||
	    take_owner(b, f) == -1 ||
	    bk_fsync(tmp, bk_buf_text(&b->tmp), f) == -1)
		return -1;
	b->fd = -1;
	if (bk_close(tmp, bk_buf_text(&b->tmp), f) == -1 ||
	    put_in_place(b, f) == -1)
		return -1;
	b->made = false;
	return bk_dir_sync(bk_buf_text(&b->dir), f);
}

void
bk_sqlite_restore_close(struct bk_restore *r)
{
	struct back *b = r->priv;

	if (b == NULL)
		return;
	if (b->fd != -1)
		close(b->fd);
	if (b->made && unlink(bk_buf_text(&b->tmp)) == -1)
		r->req->ctx->log(BK_LOG_WARN, "cannot remove '%s': %s",
		    bk_buf_text(&b->tmp), strerror(errno));
	if (b->marks != NULL)
		b->marks->free(b->marks);
	bk_buf_release(&b->place);
	bk_buf_release(&b->dir);
	bk_buf_release(&b->tmp);
	free(b);
	r->priv = NULL;
}
