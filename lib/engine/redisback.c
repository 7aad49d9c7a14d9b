/*
 * Restoring Redis: files put in place while the server is stopped, looked
 * for at the start and again just before (redisalive.c).
 *
 *	rdb to a file	written beside its place, renamed; the old one stays
 *			aside
 *	rdb to a directory of append-only files (?appendonly=yes)
 *			a set whose base it is.  A server with "appendonly
 *			yes" never reads dump.rdb; a base may be an RDB file
 *			(redis 7.0, aof.c, loadSingleAppendOnlyFile)
 *	tar		the set of append-only files as it was
 *
 * Directories are filled and swapped by the files engine.
 *
 * A server that is not running cannot be told to be a replica, and of one
 * that is told later Redis throws the data away: only one that is a replica
 * when it loads the file takes the primary's offset from it (redis 7.0,
 * server.c, loadDataFromDisk).  So that is the user's line to write.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "io.h"
#include "json.h"
#include "place.h"
#include "redis.h"
#include "when.h"

#define CHUNK (256 * 1024)

static const char base_name[] = "appendonly.aof.1.base.rdb";
static const char manifest_name[] = "appendonly.aof.manifest";
static const char manifest_text[] =
    "file appendonly.aof.1.base.rdb seq 1 type b\n";

struct back {
	const struct bk_restore_req *req;
	char *place, *dir;		/* where it goes; the server's directory */
	struct stat owner;		/* of the old file, else the directory */
	struct bk_restore tree;		/* a directory: the files engine's */
	bool directory;
	struct bk_marks *marks;
	struct bk_buf tmp;		/* a file: */
	int fd;
	bool made, had;
};

static int
find_place(struct back *b, struct bk_fault *f)
{
	const char *path = b->req->target->path;
	char *slash = strrchr(path, '/');
	char *real;
	size_t n = strlen(path);

	if (path[0] != '/' || n < 2 || slash[1] == '\0' ||
	    b->req->target->host[0] != '\0')
		return bk_fault_set(f, BK_USAGE,
		    "'%s': files are put in place: redis:///PATH",
		    b->req->target->text);
	real = realpath(path, NULL);
	if ((b->place = real != NULL ? real : strdup(path)) == NULL ||
	    (b->dir = strdup(b->place)) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "redis");
	slash = strrchr(b->dir, '/');
	slash[slash == b->dir] = '\0';
	if (stat(b->dir, &b->owner) == -1)
		return bk_fault_errno(f, errno == ENOENT ? BK_CANTCREATE : 0,
		    errno, "cannot open '%s'", b->dir);
	return bk_redis_stopped(b->req->ctx, b->dir,
	    bk_uri_opt(b->req->target, "server"), f);
}

/* Append-only files beside it mean a server that would not read it. */
static int
check_ignored(const struct back *b, struct bk_fault *f)
{
	static const char *const names[] = { "appendonlydir",
		"appendonly.aof" };
	char path[PATH_MAX + 32];
	struct stat st;
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
		if (lstat(path, &st) == 0)
			return bk_fault_set(f, BK_CANTCREATE,
			    "'%s' is there, and a server with append-only on ignores '%s': restore to redis://%s/appendonlydir?appendonly=yes, or say ?appendonly=no",
			    path, b->place, b->dir);
	}
	return 0;
}

static int
open_file(struct back *b, struct bk_fault *f)
{
	const char *slash = strrchr(b->place, '/');
	struct stat st;

	if (lstat(b->place, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return bk_fault_set(f, BK_CANTCREATE,
			    "'%s' is no file; ?appendonly=yes is for a directory of append-only files",
			    b->place);
		b->had = true;
		b->owner = st;
		if (!b->req->replace)
			return bk_fault_set(f, BK_CANTCREATE,
			    "'%s' is there; --replace moves it aside",
			    b->place);
	} else if (errno != ENOENT)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'",
		    b->place);
	if ((b->marks = bk_marks_rdb(f)) == NULL ||
	    bk_buf_addf(&b->tmp, f, "%s/.%s.bk-XXXXXX", b->dir, slash + 1) ==
	    -1)
		return -1;
	if ((b->fd = mkostemp(b->tmp.p, O_CLOEXEC)) == -1)
		return bk_fault_errno(f, 0, errno,
		    "cannot create a file in '%s'", b->dir);
	b->made = true;
	return 0;
}

/* ?appendonly=: 1 yes, 0 no, 2 not said, -1. */
static int
appendonly(const struct back *b, struct bk_fault *f)
{
	const char *v = bk_uri_opt(b->req->target, "appendonly");

	if (v == NULL)
		return 2;
	if (strcmp(v, "yes") == 0 || strcmp(v, "no") == 0)
		return v[0] == 'y';
	return bk_fault_set(f, BK_USAGE,
	    "?appendonly=%.100s: want yes or no", v);
}

static int
no_replica(const struct bk_uri *u, struct bk_fault *f)
{
	if (strcmp(u->scheme, "redis") != 0 || u->host[0] == '\0')
		return bk_fault_set(f, BK_USAGE,
		    "--replica-of '%s': want redis://HOST[:PORT]", u->text);
	return bk_fault_set(f, BK_USAGE, "--replica-of '%s': the server is "
	    "stopped and cannot be told: restore without it, then start the server with 'replicaof %s %d' in its configuration",
	    u->text, u->host, u->port != -1 ? u->port : 6379);
}

int
bk_redis_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	const char *ext = bk_json_get_text(r->req->header, "ext");
	bool tar = ext != NULL && strcmp(ext, "tar") == 0;
	struct back *b;
	int aof;

	if (r->req->recovery != NULL)
		return no_replica(r->req->recovery->primary, f);
	if (ext == NULL || (!tar && strcmp(ext, "rdb") != 0))
		return bk_fault_set(f, BK_USAGE,
		    "'%s' takes rdb and tar, not '%s'", r->req->target->text,
		    ext != NULL ? ext : "");
	if ((r->priv = b = calloc(1, sizeof(*b))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "redis");
	b->fd = -1;
	b->req = r->req;
	b->tmp.max = PATH_MAX;
	if ((aof = appendonly(b, f)) == -1)
		return -1;
	if (tar && aof != 2)
		return bk_fault_set(f, BK_USAGE,
		    "?appendonly= is for RDB files; these are append-only files");
	if (find_place(b, f) == -1)
		return -1;
	b->directory = tar || aof == 1;
	if (!b->directory)
		return aof == 2 && check_ignored(b, f) == -1 ? -1 :
		    open_file(b, f);
	r->spool = aof == 1;		/* a tar header wants the size first */
	b->tree = (struct bk_restore){ .req = r->req };
	return bk_files_restore_open(&b->tree, f);
}

int
bk_redis_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f)
{
	struct back *b = r->priv;

	if (b->directory)
		return bk_files_restore_write(&b->tree, p, n, f);
	if (b->marks->write(b->marks, p, n, f) == -1)
		return -1;
	return bk_write_all(b->fd, p, n, bk_buf_text(&b->tmp), f);
}

/* One member of the set that is made of an RDB file. */
static int
put_member(struct back *b, const char *name, mode_t mode, uint64_t size,
    char type, struct bk_fault *f)
{
	struct stat st = b->owner;
	uint8_t h[BK_AOF_BLOCK];

	st.st_mode = mode;
	bk_aof_header(h, name, &st, size, type);
	return bk_files_restore_write(&b->tree, h, sizeof(h), f);
}

static int
put_zeros(struct back *b, size_t n, struct bk_fault *f)
{
	static const uint8_t zeros[2 * BK_AOF_BLOCK];

	return n > 0 ? bk_files_restore_write(&b->tree, zeros, n, f) : 0;
}

/* The RDB file in ${fd} into the tree, its marks looked at. */
static int
put_base(struct back *b, int fd, uint64_t size, struct bk_fault *f)
{
	uint8_t *p = malloc(CHUNK);
	struct bk_marks *m = bk_marks_rdb(f);
	ssize_t n = -1;
	int rc = -1;

	if (p == NULL || m == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "redis");
		goto out;
	}
	while ((n = bk_read_full(fd, p, CHUNK, "spool", f)) > 0)
		if (m->write(m, p, (size_t)n, f) == -1 ||
		    bk_files_restore_write(&b->tree, p, (size_t)n, f) == -1)
			goto out;
	if (n == 0 && m->finish(m, f) != -1)
		rc = put_zeros(b, (size_t)(-size & (BK_AOF_BLOCK - 1)), f);
out:
	if (m != NULL)
		m->free(m);
	free(p);
	return rc;
}

static int
make_set(struct back *b, int fd, struct bk_fault *f)
{
	const size_t text = sizeof(manifest_text) - 1;
	struct stat st;
	uint64_t size;

	if (fstat(fd, &st) == -1)
		return bk_fault_errno(f, BK_IO, errno, "spool");
	size = (uint64_t)st.st_size;
	if (put_member(b, "./", 0750, 0, '5', f) == -1 ||
	    put_member(b, manifest_name, 0640, text, '0', f) == -1 ||
	    bk_files_restore_write(&b->tree, manifest_text, text, f) == -1 ||
	    put_zeros(b, BK_AOF_BLOCK - text, f) == -1 ||
	    put_member(b, base_name, 0640, size, '0', f) == -1 ||
	    put_base(b, fd, size, f) == -1)
		return -1;
	return put_zeros(b, 2 * BK_AOF_BLOCK, f);
}

/* What is there goes aside, and comes back if the new one cannot come. */
static int
put_in_place(struct back *b, struct bk_fault *f)
{
	struct bk_buf old = BK_BUF_INIT(PATH_MAX);
	char when[BK_TIME_LEN];
	int rc = -1;

	if (b->had) {
		if (bk_buf_addf(&old, f, "%s.old-%s", b->place,
		    bk_time_compact(b->req->ctx->now(), when)) == -1)
			goto out;
		if (bk_place_new(b->place, old.p, f) == -1)
			goto out;
	}
	if ((rc = bk_place_new(bk_buf_text(&b->tmp), b->place, f)) == 0) {
		b->made = false;
		if (b->had)
			b->req->ctx->log(BK_LOG_WARN,
			    "what was '%s' is now '%s'", b->place, old.p);
		rc = bk_dir_sync(b->dir, f);
	} else if (b->had)
		(void)rename(old.p, b->place);
out:
	bk_buf_release(&old);
	return rc;
}

/* The server must be able to read it. */
static int
give_owner(const struct back *b, struct bk_fault *f)
{
	const char *tmp = bk_buf_text(&b->tmp);

	if (fchown(b->fd, b->owner.st_uid, b->owner.st_gid) == -1) {
		if (errno != EPERM)
			return bk_fault_errno(f, 0, errno, "cannot own '%s'",
			    tmp);
		b->req->ctx->log(BK_LOG_WARN,
		    "'%s' does not get the owner of its directory: can the server read it?",
		    b->place);
	}
	if (fchmod(b->fd, b->had ? b->owner.st_mode & 0777 : 0640) == -1)
		return bk_fault_errno(f, 0, errno, "cannot set mode of '%s'",
		    tmp);
	return 0;
}

int
bk_redis_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct back *b = r->priv;
	const char *server = bk_uri_opt(r->req->target, "server");
	int tmp = b->fd;

	if (b->directory) {
		if ((r->spool && make_set(b, fd, f) == -1) ||
		    bk_redis_stopped(r->req->ctx, b->dir, server, f) == -1)
			return -1;
		return bk_files_restore_commit(&b->tree, -1, f);
	}
	if (b->marks->finish(b->marks, f) == -1 || give_owner(b, f) == -1 ||
	    bk_fsync(tmp, bk_buf_text(&b->tmp), f) == -1)
		return -1;
	b->fd = -1;
	if (bk_close(tmp, bk_buf_text(&b->tmp), f) == -1 ||
	    bk_redis_stopped(r->req->ctx, b->dir, server, f) == -1)
		return -1;
	return put_in_place(b, f);
}

void
bk_redis_restore_close(struct bk_restore *r)
{
	struct back *b = r->priv;

	if (b == NULL)
		return;
	if (b->directory)
		bk_files_restore_close(&b->tree);
	if (b->fd != -1)
		close(b->fd);
	if (b->made && unlink(bk_buf_text(&b->tmp)) == -1)
		r->req->ctx->log(BK_LOG_WARN, "cannot remove '%s': %s",
		    bk_buf_text(&b->tmp), strerror(errno));
	if (b->marks != NULL)
		b->marks->free(b->marks);
	bk_buf_release(&b->tmp);
	free(b->place);
	free(b->dir);
	free(b);
	r->priv = NULL;
}
