/*
 * The tree is private while it is filled and no link is ever made in it, so
 * that a name without ".." cannot lead out of it.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "pguntar.h"
#include "tar.h"
#include "tarcheck.h"

struct bk_pguntar {
	struct bk_tarcheck *check;
	struct bk_tar *tar;
	const char *tree;
	const struct bk_pgspace *spaces;
	size_t nspaces;
	uid_t uid;
	gid_t gid;
	char path[PATH_MAX];		/* of the file under way */
	int fd;				/* -1: none */
};

static int
end_file(struct bk_pguntar *u, struct bk_fault *f)
{
	int fd = u->fd;

	u->fd = -1;
	return fd == -1 ? 0 : bk_close(fd, u->path, f);
}

/* The tablespace that ${name} lies in; *${rest} is what follows its number. */
static const struct bk_pgspace *
space_of(const struct bk_pguntar *u, const char *name, const char **rest)
{
	static const char below[] = "pg_tblspc/";
	size_t i, n;

	if (strncmp(name, below, sizeof(below) - 1) != 0)
		return NULL;
	name += sizeof(below) - 1;
	n = strcspn(name, "/");
	for (i = 0; i < u->nspaces; i++)
		if (strlen(u->spaces[i].oid) == n &&
		    memcmp(u->spaces[i].oid, name, n) == 0) {
			*rest = name[n] == '/' ? name + n + 1 : name + n;
			return &u->spaces[i];
		}
	return NULL;
}

static int
path_of(struct bk_pguntar *u, const char *name, struct bk_fault *f)
{
	const struct bk_pgspace *s;
	const char *rest = name;
	size_t n;

	while (strncmp(name, "./", 2) == 0)
		name += 2;
	s = space_of(u, name, &rest);
	n = (size_t)snprintf(u->path, sizeof(u->path), "%s/%s", s != NULL ?
	    s->tree : u->tree, s != NULL ? rest : name);
	if (n >= sizeof(u->path))
		return bk_fault_errno(f, 0, ENAMETOOLONG, "'%.200s'", name);
	while (n > 1 && u->path[n - 1] == '/')
		u->path[--n] = '\0';
	return 0;
}

static int
set_owner(const struct bk_pguntar *u, int fd, unsigned int mode,
    struct bk_fault *f)
{
	if ((u->uid != (uid_t)-1 && fchown(fd, u->uid, u->gid) == -1) ||
	    fchmod(fd, mode) == -1)
		return bk_fault_errno(f, 0, errno, "cannot change '%s'", u->path);
	return 0;
}

/* The directories above ${path}, where the archive does not have them. */
static void
make_above(char *path, const char *tree)
{
	char *p = path + strlen(tree) + 1;

	while ((p = strchr(p, '/')) != NULL) {
		*p = '\0';
		(void)mkdir(path, 0700);
		*p++ = '/';
	}
}

static int
make_dir(struct bk_pguntar *u, unsigned int mode, struct bk_fault *f)
{
	int fd, rc;

	if (mkdir(u->path, 0700) == -1 && errno != EEXIST)
		return bk_fault_errno(f, 0, errno, "cannot create '%s'", u->path);
	fd = open(u->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", u->path);
	rc = set_owner(u, fd, mode & 0750, f);
	close(fd);
	return rc;
}

static int
untar_entry(void *arg, const struct bk_tar_entry *e, struct bk_fault *f)
{
	struct bk_pguntar *u = arg;

	if (end_file(u, f) == -1 || path_of(u, e->name, f) == -1)
		return -1;
	if (strncmp(u->path, u->tree, strlen(u->tree)) == 0 &&
	    strlen(u->path) > strlen(u->tree))
		make_above(u->path, u->tree);
	if (e->type == '5')
		return make_dir(u, e->mode, f);
	if (e->type != '0')
		return bk_fault_set(f, BK_DATA, "'%.200s' is neither a file nor a "
		    "directory, which a base backup does not have", e->name);
	u->fd = open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (u->fd == -1)
		return bk_fault_errno(f, 0, errno, "cannot create '%s'", u->path);
	return set_owner(u, u->fd, e->mode & 0640, f);
}

static int
untar_data(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct bk_pguntar *u = arg;

	return u->fd == -1 ? 0 : bk_write_all(u->fd, p, n, u->path, f);
}

struct bk_pguntar *
bk_pguntar_new(const char *tree, const struct bk_pgspace *spaces, size_t n,
    uid_t uid, gid_t gid, struct bk_fault *f)
{
	struct bk_pguntar *u = calloc(1, sizeof(*u));

	if (u == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "'%s'", tree);
		return NULL;
	}
	u->tree = tree;
	u->spaces = spaces;
	u->nspaces = n;
	u->uid = uid;
	u->gid = gid;
	u->fd = -1;
	if ((u->check = bk_tarcheck_new(f)) == NULL ||
	    (u->tar = bk_tar_new(untar_entry, u, f)) == NULL) {
		bk_pguntar_free(u);
		return NULL;
	}
	bk_tar_data(u->tar, untar_data);
	return u;
}

int
bk_pguntar_write(struct bk_pguntar *u, const void *p, size_t n,
    struct bk_fault *f)
{
	return bk_tarcheck_write(u->check, p, n, f) == -1 ? -1 :
	    bk_tar_write(u->tar, p, n, f);
}

int
bk_pguntar_finish(struct bk_pguntar *u, struct bk_fault *f)
{
	return bk_tar_finish(u->tar, f) == -1 ||
	    bk_tarcheck_finish(u->check, f) == -1 ? -1 : end_file(u, f);
}

void
bk_pguntar_free(struct bk_pguntar *u)
{
	if (u == NULL)
		return;
	if (u->fd != -1)
		close(u->fd);
	bk_tar_free(u->tar);
	bk_tarcheck_free(u->check);
	free(u);
}
