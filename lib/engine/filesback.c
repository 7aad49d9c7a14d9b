/*
 * Restoring a tree.  It grows out of sight (dirplace.h), made by GNU tar from
 * bytes that the checker has accepted (tarcheck.h), and is put in place when
 * all of it is on disk.
 *
 * An increment is extracted over what its parent made.  With
 * --listed-incremental GNU tar (1.34, src/incremen.c) removes from each
 * directory what the archive's list of it does not have; every directory of
 * the tree is in the archive, before its files.
 */
#include <sys/stat.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "dirplace.h"
#include "files.h"
#include "tarcheck.h"
#include "tool.h"

struct back {
	struct bk_dirplace to;
	bool increment;			/* the tree is its parent's */
	struct bk_tarcheck *check;
	struct bk_child *tar;
};

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
	    bk_buf_text(&b->to.tree)) == 0) {
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
	if (bk_files_args(r->req->args, f) == -1 ||
	    (b->check = bk_tarcheck_new(f)) == NULL ||
	    bk_dirplace_open(&b->to, path, r->req->replace ?
	    BK_DIRPLACE_REPLACE : 0, f) == -1)
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
		rc = nftw(bk_buf_text(&b->to.tree), open_one, 64, FTW_PHYS);
	return rc == 0 ? 0 : bk_fault_errno(f, 0, rc == 1 ? EACCES : errno,
	    "cannot open up '%s'", bk_buf_text(&b->to.tree));
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

int
bk_files_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct back *b = r->priv;

	(void)fd;
	if (finish_tar(b, f) == -1 || bk_dirplace_sync(&b->to, f) == -1)
		return -1;
	return bk_dirplace_commit(r->req->ctx, &b->to, NULL, f);
}

void
bk_files_restore_close(struct bk_restore *r)
{
	struct back *b = r->priv;

	if (b == NULL)
		return;
	bk_child_stop(b->tar, 2000);
	bk_dirplace_close(r->req->ctx, &b->to);
	bk_tarcheck_free(b->check);
	free(b);
	r->priv = NULL;
}
