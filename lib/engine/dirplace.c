/*
 * renameat2(2) with RENAME_EXCHANGE leaves no moment without a tree; file
 * systems that lack it (EINVAL) get two renames.  rename(2) over a directory
 * works only if that is empty, so that nothing that came meanwhile is lost.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dirplace.h"
#include "io.h"
#include "rmtree.h"
#include "when.h"

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
find_place(struct bk_dirplace *p, const char *path, struct bk_fault *f)
{
	char *real = realpath(path, NULL), *parent = NULL, *copy = NULL, *s;
	int rc = -1;

	if (real != NULL) {
		rc = bk_buf_adds(&p->place, real, f);
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
		rc = bk_buf_addf(&p->place, f, "%s/%s",
		    parent[1] != '\0' ? parent : "", s + 1);
out:
	free(copy);
	free(parent);
	free(real);
	return rc;
}

static int
check_place(struct bk_dirplace *p, unsigned int flags, struct bk_fault *f)
{
	const char *place = bk_buf_text(&p->place);
	const char *slash = strrchr(place, '/');
	struct stat st;
	int n = 0;

	if (slash[1] == '\0')
		return bk_fault_set(f, BK_CANTCREATE,
		    "'/' cannot be restored as a whole; restore into a new directory");
	if (bk_buf_add(&p->dir, place, slash != place ?
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
	p->holds = n == 1;
	p->inside = n == 0 && (flags & BK_DIRPLACE_INSIDE);
	if (p->holds && !(flags & BK_DIRPLACE_REPLACE))
		return bk_fault_set(f, BK_CANTCREATE,
		    "'%s' is not empty; --replace moves it aside", place);
	return 0;
}

static int
make_room(struct bk_dirplace *p, struct bk_fault *f)
{
	const char *place = bk_buf_text(&p->place);
	const char *slash = strrchr(place, '/');

	if (p->inside ? bk_buf_addf(&p->tmp, f, "%s/.bk-XXXXXX", place) == -1 :
	    bk_buf_addf(&p->tmp, f, "%.*s/.%s.bk-XXXXXX", (int)(slash - place),
	    place, slash + 1) == -1)
		return -1;
	if (mkdtemp(p->tmp.p) == NULL)
		return bk_fault_errno(f, errno == ENOENT ? BK_CANTCREATE : 0,
		    errno, "cannot create a directory in '%s'", p->inside ?
		    place : bk_buf_text(&p->dir));
	p->made = true;
	if (bk_buf_addf(&p->tree, f, "%s/tree", bk_buf_text(&p->tmp)) == -1)
		return -1;
	/* Its own mode comes with the archive; 0755 if that has none. */
	if (mkdir(bk_buf_text(&p->tree), 0700) == -1 ||
	    chmod(bk_buf_text(&p->tree), 0755) == -1)
		return bk_fault_errno(f, 0, errno, "cannot create '%s'",
		    bk_buf_text(&p->tree));
	return 0;
}

int
bk_dirplace_open(struct bk_dirplace *p, const char *path, unsigned int flags,
    struct bk_fault *f)
{
	*p = (struct bk_dirplace){ BK_BUF_INIT(PATH_MAX), BK_BUF_INIT(PATH_MAX),
		BK_BUF_INIT(PATH_MAX), BK_BUF_INIT(PATH_MAX), false, false,
		false };
	return find_place(p, path, f) == -1 || check_place(p, flags, f) == -1 ?
	    -1 : make_room(p, f);
}

/* One call per file system, not per file. */
int
bk_dirplace_sync(const struct bk_dirplace *p, struct bk_fault *f)
{
	const char *tree = bk_buf_text(&p->tree);
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
swap(struct bk_dirplace *p, const char *old, struct bk_fault *f)
{
	const char *place = bk_buf_text(&p->place);
	const char *tree = bk_buf_text(&p->tree);

	if (renameat2(AT_FDCWD, tree, AT_FDCWD, place, RENAME_EXCHANGE) == 0) {
		if (rename(tree, old) == 0)
			return 0;
		cannot_move(tree, old, f);
		p->made = renameat2(AT_FDCWD, tree, AT_FDCWD, place,
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

/* Move ${name}, or where that is NULL all but ${last}, out of the tree. */
static int
move_out(struct bk_dirplace *p, const char *name, const char *last,
    struct bk_fault *f)
{
	char from[PATH_MAX], to[PATH_MAX];
	const struct dirent *e;
	DIR *d;

	if (name != NULL) {
		if (snprintf(from, sizeof(from), "%s/%s", bk_buf_text(&p->tree),
		    name) >= (int)sizeof(from) || snprintf(to, sizeof(to), "%s/%s",
		    bk_buf_text(&p->place), name) >= (int)sizeof(to))
			return bk_fault_errno(f, 0, ENAMETOOLONG, "'%s'", name);
		return rename(from, to) == 0 ? 0 : cannot_move(from, to, f);
	}
	if ((d = opendir(bk_buf_text(&p->tree))) == NULL)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'",
		    bk_buf_text(&p->tree));
	while (!bk_faulty(f) && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    (last == NULL || strcmp(e->d_name, last) != 0))
			(void)move_out(p, e->d_name, NULL, f);
	closedir(d);
	return bk_faulty(f) ? -1 : 0;
}

/* From inside: nothing else may have come meanwhile. */
static int
fill(struct bk_dirplace *p, const char *last, struct bk_fault *f)
{
	struct stat st;

	if (stat(bk_buf_text(&p->tree), &st) == -1 ||
	    chmod(bk_buf_text(&p->place), st.st_mode & 07777) == -1)
		return bk_fault_errno(f, 0, errno, "cannot change '%s'",
		    bk_buf_text(&p->place));
	return move_out(p, NULL, last, f) == -1 || (last != NULL &&
	    move_out(p, last, NULL, f) == -1) ? -1 :
	    bk_dir_sync(bk_buf_text(&p->place), f);
}

int
bk_dirplace_commit(const struct bk_ctx *ctx, struct bk_dirplace *p,
    const char *last, struct bk_fault *f)
{
	const char *place = bk_buf_text(&p->place);
	struct bk_buf old = BK_BUF_INIT(PATH_MAX);
	char when[BK_TIME_LEN];
	int rc = -1;

	if (p->inside)
		return fill(p, last, f);
	if (!p->holds) {
		if (rename(bk_buf_text(&p->tree), place) == -1) {
			cannot_move(bk_buf_text(&p->tree), place, f);
			goto out;
		}
	} else {
		if (bk_buf_addf(&old, f, "%s.old-%s", place,
		    bk_time_compact(ctx->now(), when)) == -1 ||
		    swap(p, bk_buf_text(&old), f) == -1)
			goto out;
		ctx->log(BK_LOG_WARN, "what was '%s' is now '%s'", place,
		    bk_buf_text(&old));
	}
	rc = bk_dir_sync(bk_buf_text(&p->dir), f);
out:
	bk_buf_release(&old);
	return rc;
}

void
bk_dirplace_close(const struct bk_ctx *ctx, struct bk_dirplace *p)
{
	if (p->made && bk_rmtree(bk_buf_text(&p->tmp)) != 0)
		ctx->log(BK_LOG_WARN, "cannot remove '%s': %s",
		    bk_buf_text(&p->tmp), strerror(errno));
	p->made = false;
	bk_buf_release(&p->place);
	bk_buf_release(&p->dir);
	bk_buf_release(&p->tmp);
	bk_buf_release(&p->tree);
}
