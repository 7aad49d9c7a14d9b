/*
 * Restoring a tree.  It grows in a private directory (0700) beside its place,
 * made by GNU tar from bytes that the checker has accepted (tarcheck.h), and
 * is put in place by one rename when all of it is on disk.  What was there
 * before is moved aside, never removed.
 *
 * An increment is extracted over what its parent made.  With
 * --listed-incremental GNU tar (1.34, src/incremen.c) removes from each
 * directory what the archive's list of it does not have; every directory of
 * the tree is in the archive, before its files.
 *
 * renameat2(2) with RENAME_EXCHANGE leaves no moment without a tree; file
 * systems that lack it (EINVAL) get two renames.  rename(2) over a directory
 * works only if that is empty, so that nothing that came meanwhile is lost.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "files.h"
#include "tarcheck.h"
#include "tool.h"
#include "when.h"

struct back {
	struct bk_buf place;		/* where the tree goes */
	struct bk_buf dir;		/* its parent */
	struct bk_buf tmp, tree;	/* private directory, tree in it */
	bool made;			/* tmp is there */
	bool holds;			/* the place holds something */
	bool increment;			/* the tree is its parent's */
	struct bk_tarcheck *check;
	struct bk_child *tar;
};

/* Does directory ${path} hold anything?  -1 with ${f} set. */
static int
holds(const char *path, struct bk_fault *f)
{
	const struct dirent *e;
	DIR *d = opendir(path);
	int n = 0;

	if (d == NULL)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", path);
	while (n == 0 && (e = readdir(d)) != NULL)
		n = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

/* The target as place and parent, links on the way resolved. */
static int
find_place(struct back *b, const char *path, struct bk_fault *f)
{
	char *real = realpath(path, NULL), *parent = NULL, *copy = NULL, *s;
	int rc = -1;

	if (real != NULL) {
		rc = bk_buf_adds(&b->place, real, f);
		goto out;
	}
	if (errno != ENOENT || (copy = strdup(path)) == NULL) {
		bk_fault_errno(f, 0, errno, "cannot read '%s'", path);
		goto out;
	}
	while ((s = strrchr(copy, '/')) != NULL && s != copy && s[1] == '\0')
		*s = '\0';
	if (s == NULL || s[1] == '\0') {
		bk_fault_set(f, BK_USAGE, "'%s' names no directory", path);
		goto out;
	}
	*s = '\0';
	if ((parent = realpath(s != copy ? copy : "/", NULL)) == NULL)
		bk_fault_errno(f, 0, errno, "cannot read '%s'", copy);
	else
		rc = bk_buf_addf(&b->place, f, "%s/%s",
		    parent[1] != '\0' ? parent : "", s + 1);
out:
	free(copy);
	free(parent);
	free(real);
	return rc;
}

static int
check_place(struct back *b, const struct bk_restore_req *req,
    struct bk_fault *f)
{
	const char *place = bk_buf_text(&b->place);
	const char *slash = strrchr(place, '/');
	struct stat st;
	int n = 0;

	if (slash[1] == '\0')
		return bk_fault_set(f, BK_CANTCREATE,
		    "'/' cannot be restored as a whole; restore into a new directory");
	if (bk_buf_add(&b->dir, place, slash != place ?
	    (size_t)(slash - place) : 1, f) == -1)
		return -1;
	if (lstat(place, &st) == -1)
		return errno == ENOENT ? 0 :
		    bk_fault_errno(f, 0, errno, "cannot read '%s'", place);
	if (!S_ISDIR(st.st_mode))
		return bk_fault_set(f, BK_CANTCREATE, "'%s' is no directory",
		    place);
	if ((n = holds(place, f)) == -1)
		return -1;
	b->holds = n == 1;
	if (b->holds && !req->replace)
		return bk_fault_set(f, BK_CANTCREATE,
		    "'%s' is not empty; --replace moves it aside", place);
	return 0;
}

static int
make_room(struct back *b, struct bk_fault *f)
{
	const char *slash = strrchr(bk_buf_text(&b->place), '/');

	if (bk_buf_addf(&b->tmp, f, "%.*s/.%s.bk-XXXXXX",
	    (int)(slash - bk_buf_text(&b->place)), bk_buf_text(&b->place),
	    slash + 1) == -1)
		return -1;
	if (mkdtemp(b->tmp.p) == NULL)
		return bk_fault_errno(f, errno == ENOENT ? BK_CANTCREATE : 0,
		    errno, "cannot create a directory in '%s'",
		    bk_buf_text(&b->dir));
	b->made = true;
	if (bk_buf_addf(&b->tree, f, "%s/tree", bk_buf_text(&b->tmp)) == -1)
		return -1;
	/* Its own mode comes with the archive; 0755 if that has none. */
	if (mkdir(bk_buf_text(&b->tree), 0700) == -1 ||
	    chmod(bk_buf_text(&b->tree), 0755) == -1)
		return bk_fault_errno(f, 0, errno, "cannot create '%s'",
		    bk_buf_text(&b->tree));
	return 0;
}

static int
start_tar(struct bk_restore *r, struct back *b, struct bk_fault *f)
{
	static const char *const fixed[] = { "--extract", "--file=-",
		"--preserve-permissions", "--acls", "--xattrs",
		"--warning=no-timestamp", NULL };
	char tool[PATH_MAX], version[PATH_MAX];
	struct bk_argv a = BK_ARGV_INIT;
	struct bk_child_spec spec = { .flags = BK_CHILD_IN,
		.deadline = r->req->deadline, .in = -1 };
	bool root = geteuid() == 0;
	int rc = -1;

	if (bk_files_tool(r->req->ctx, tool, version, sizeof(tool), f) == 0 &&
	    bk_argv_add(&a, tool, f) == 0 && bk_argv_all(&a, fixed, f) == 0 &&
	    bk_argv_add(&a, root ? "--xattrs-include=*" :
	    "--xattrs-include=user.*", f) == 0 &&
	    bk_argv_add(&a, root ? "--same-owner" : "--no-same-owner", f) == 0 &&
	    (!b->increment ||
	    bk_argv_add(&a, "--listed-incremental=/dev/null", f) == 0) &&
	    bk_argv_all(&a, r->req->args, f) == 0 &&
	    bk_argv_addf(&a, f, "--directory=%s",
	    bk_buf_text(&b->tree)) == 0) {
		spec.argv = bk_argv_get(&a);
		b->tar = bk_child_start(r->req->ctx, &spec, f);
		rc = b->tar != NULL ? 0 : -1;
	}
	bk_argv_release(&a);
	return rc;
}

int
bk_files_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	const char *path = r->req->target->path;
	struct back *b;

	if (bk_uri_local(r->req->target, "files:///dir", f) == -1)
		return -1;
	if ((r->priv = b = calloc(1, sizeof(*b))) == NULL)
		return bk_fault_errno(f, BK_IO, ENOMEM, "'%s'", path);
	b->place.max = b->dir.max = b->tmp.max = b->tree.max = PATH_MAX;
	if (bk_files_args(r->req->args, f) == -1 ||
	    find_place(b, path, f) == -1 || check_place(b, r->req, f) == -1 ||
	    (b->check = bk_tarcheck_new(f)) == NULL ||
	    make_room(b, f) == -1)
		return -1;
	return start_tar(r, b, f);
}

/*
 * tar's fault: its first complaint, since its last words only say that there
 * were some.  A short write is "Wrote only N of M bytes".
 */
static int
tar_fault(const struct back *b, const struct bk_fault *own, struct bk_fault *f)
{
	static const struct bk_tool_msg msgs[] = {
		{ "No space left on device", BK_IO },
		{ ": Wrote only ", BK_IO },
		{ "Disk quota exceeded", BK_IO },
		{ "Input/output error", BK_IO },
		{ NULL, 0 }
	};

	const char *said = bk_child_tail(b->tar);
	int status = bk_tool_class(msgs, said, own->status);
	size_t n = strcspn(said, "\n");

	/* Not where it never ended: late, or not started. */
	if (n == 0 || bk_child_status(b->tar) == -1)
		return bk_fault_set(f, own->status, "%s", own->text);
	return bk_fault_set(f, status, "tar failed: %.*s",
	    (int)(n < 800 ? n : 800), said);
}

int
bk_files_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f)
{
	struct back *b = r->priv;
	struct bk_fault own = BK_FAULT_INIT;

	if (bk_tarcheck_write(b->check, p, n, f) == -1)
		return -1;
	return bk_child_write(b->tar, p, n, NULL, NULL, &own) == 0 ? 0 :
	    tar_fault(b, &own, f);
}

/* All of an archive was written: has tar made it so? */
static int
finish_tar(struct back *b, struct bk_fault *f)
{
	struct bk_fault own = BK_FAULT_INIT;

	if (bk_tarcheck_finish(b->check, f) == -1)
		return -1;
	return bk_child_finish(b->tar, NULL, NULL, &own) == 0 ? 0 :
	    tar_fault(b, &own, f);
}

/* 1 where a directory could not be read before, and can be now. */
static int
open_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)w;
	if (type != FTW_D && type != FTW_DNR)
		return 0;
	if ((st->st_mode & S_IRWXU) != S_IRWXU &&
	    chmod(path, (st->st_mode & 07777) | S_IRWXU) == -1)
		return -1;
	return type == FTW_DNR;
}

/*
 * Who is not root may write only where the modes let him.  The increment has
 * those of all directories.
 */
static int
open_up(const struct back *b, struct bk_fault *f)
{
	int rc = 1, tries;

	if (geteuid() == 0)
		return 0;
	for (tries = 0; rc == 1 && tries < 65536; tries++)
		rc = nftw(bk_buf_text(&b->tree), open_one, 64, FTW_PHYS);
	return rc == 0 ? 0 : bk_fault_errno(f, 0, rc == 1 ? EACCES : errno,
	    "cannot open up '%s'", bk_buf_text(&b->tree));
}

int
bk_files_restore_next(struct bk_restore *r, const json_t *header,
    struct bk_fault *f)
{
	struct back *b = r->priv;

	(void)header;
	if (finish_tar(b, f) == -1 || bk_tarcheck_next(b->check, f) == -1 ||
	    open_up(b, f) == -1)
		return -1;
	bk_child_free(b->tar);
	b->tar = NULL;
	b->increment = true;
	return start_tar(r, b, f);
}

/* All of the tree on disk: one call per file system, not per file. */
static int
sync_tree(const struct back *b, struct bk_fault *f)
{
	const char *tree = bk_buf_text(&b->tree);
	int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1 || syncfs(fd) == -1)
		bk_fault_errno(f, BK_IO, errno, "cannot sync '%s'", tree);
	if (fd != -1)
		close(fd);
	return bk_faulty(f) ? -1 : 0;
}

static int
cannot_move(const char *from, const char *to, struct bk_fault *f)
{
	return bk_fault_errno(f, errno == ENOTEMPTY || errno == EEXIST ||
	    errno == EBUSY ? BK_CANTCREATE : 0, errno,
	    "cannot move '%s' to '%s'", from, to);
}

/*
 * The old tree goes to ${old}, the new one to its place.  While the old tree
 * stands in our private directory that must not be removed.
 */
static int
swap(struct back *b, const char *old, struct bk_fault *f)
{
	const char *place = bk_buf_text(&b->place);
	const char *tree = bk_buf_text(&b->tree);

	if (renameat2(AT_FDCWD, tree, AT_FDCWD, place, RENAME_EXCHANGE) == 0) {
		if (rename(tree, old) == 0)
			return 0;
		cannot_move(tree, old, f);
		b->made = renameat2(AT_FDCWD, tree, AT_FDCWD, place,
		    RENAME_EXCHANGE) == 0;
		return -1;
	}
	if (errno != EINVAL && errno != ENOSYS)
		return cannot_move(tree, place, f);
	if (rename(place, old) == -1)
		return cannot_move(place, old, f);
	if (rename(tree, place) == 0)
		return 0;
	cannot_move(tree, place, f);
	(void)rename(old, place);
	return -1;
}

static int
put_in_place(struct bk_restore *r, struct back *b, struct bk_fault *f)
{
	const struct bk_ctx *ctx = r->req->ctx;
	struct bk_buf old = BK_BUF_INIT(PATH_MAX);
	char when[BK_TIME_LEN];
	int fd = -1, rc = -1;

	if (!b->holds) {
		if (rename(bk_buf_text(&b->tree), bk_buf_text(&b->place)) == -1) {
			cannot_move(bk_buf_text(&b->tree),
			    bk_buf_text(&b->place), f);
			goto out;
		}
	} else {
		if (bk_buf_addf(&old, f, "%s.old-%s", bk_buf_text(&b->place),
		    bk_time_compact(ctx->now(), when)) == -1 ||
		    swap(b, bk_buf_text(&old), f) == -1)
			goto out;
		ctx->log(BK_LOG_WARN, "what was '%s' is now '%s'",
		    bk_buf_text(&b->place), bk_buf_text(&old));
	}
	fd = open(bk_buf_text(&b->dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		bk_fault_errno(f, BK_IO, errno, "cannot open '%s'",
		    bk_buf_text(&b->dir));
	else
		rc = bk_fsync(fd, bk_buf_text(&b->dir), f);
out:
	if (fd != -1)
		close(fd);
	bk_buf_release(&old);
	return rc;
}

int
bk_files_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct back *b = r->priv;

	(void)fd;
	if (finish_tar(b, f) == -1 || sync_tree(b, f) == -1)
		return -1;
	return put_in_place(r, b, f);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)w;
	return type == FTW_DP || type == FTW_DNR ? rmdir(path) : unlink(path);
}

void
bk_files_restore_close(struct bk_restore *r)
{
	struct back *b = r->priv;

	if (b == NULL)
		return;
	bk_child_stop(b->tar, 2000);
	if (b->made && nftw(bk_buf_text(&b->tmp), remove_one, 64,
	    FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
		r->req->ctx->log(BK_LOG_WARN, "cannot remove '%s': %s",
		    bk_buf_text(&b->tmp), strerror(errno));
	bk_tarcheck_free(b->check);
	bk_buf_release(&b->place);
	bk_buf_release(&b->dir);
	bk_buf_release(&b->tmp);
	bk_buf_release(&b->tree);
	free(b);
	r->priv = NULL;
}
