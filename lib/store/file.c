/*
 * file:///dir: objects are files, keys are paths below the directory.  This
 * half opens, reads, lists and removes; file_put.c writes.
 *
 * The root is opened once and never made again by a put: if its disk was
 * unmounted, or the directory replaced, that is a fault, not a new empty
 * store.  Directories are made as needed and removed when they become empty.
 * Only regular files are objects: a link, a pipe or a directory under a key
 * is as absent as nothing.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdir.h"
#include "file.h"
#include "io.h"

#define PIECE (1024 * 1024)		/* of reading */

int
bk_file_status(int err)
{
	switch (err) {
	case EROFS:
		return BK_NOPERM;
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return BK_CANTCREATE;
	default:
		return 0;
	}
}

int
bk_file_check(const struct bk_file *s, struct bk_fault *f)
{
	struct stat now, was;

	if (fstat(s->root, &was) == 0 && stat(s->path, &now) == 0 &&
	    now.st_dev == was.st_dev && now.st_ino == was.st_ino)
		return 0;
	return bk_fault_set(f, BK_NOINPUT,
	    "the store's directory '%s' has gone", s->path);
}

static bool
is_absent(int err)
{
	return err == ENOENT || err == ENOTDIR || err == ELOOP ||
	    err == ENAMETOOLONG;
}

static int
absent(const struct bk_file *s, struct bk_fault *f)
{
	return bk_file_check(s, f) == -1 ? -1 : BK_ABSENT;
}

/* Sync the directory that holds the last part of ${path}. */
static int
sync_above(const char *path)
{
	size_t len = bk_fdir_parent(path);
	char *above = strndup(path, len > 0 ? len : 1);
	int fd, rc = -1, err;

	if (above == NULL)
		return -1;
	if ((fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		rc = bk_fdir_sync(fd);
		err = errno;
		close(fd);
		errno = err;
	}
	free(above);
	return rc;
}

/* Make the directory ${path}, and those above it that lack, durably. */
static int
make_root(char *path, struct bk_fault *f)
{
	char *p = path;
	int rc = 0;

	while (rc == 0 && p != NULL) {
		if ((p = strchr(p + 1, '/')) != NULL)
			*p = '\0';
		if (mkdir(path, 0777) == 0)
			rc = sync_above(path);
		else if (errno != EEXIST)
			rc = -1;
		if (rc == -1)
			bk_fault_errno(f, bk_file_status(errno), errno,
			    "cannot create directory '%s'", path);
		if (p != NULL)
			*p = '/';
	}
	return rc;
}

static void
file_close(struct bk_store *base)
{
	struct bk_file *s = (struct bk_file *)base;

	if (s == NULL)
		return;
	if (s->root != -1)
		close(s->root);
	free(s->path);
	free(s);
}

static struct bk_store *
file_open(const struct bk_ctx *ctx, const struct bk_uri *u,
    const struct bk_store_opts *opts, struct bk_fault *f)
{
	struct bk_file *s = NULL;

	if ((u->host[0] != '\0' && strcmp(u->host, "localhost") != 0) ||
	    u->user != NULL || u->port != -1 || u->path[0] != '/') {
		bk_fault_set(f, BK_USAGE, "want file:///DIRECTORY");
		return NULL;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL ||
	    (s->path = strdup(u->path)) == NULL) {
		bk_fault_errno(f, 0, errno, "cannot open '%s'", u->path);
		free(s);
		return NULL;
	}
	s->ctx = ctx;
	s->read_only = opts->read_only;
	s->root = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root == -1 && errno == ENOENT && opts->create) {
		if (make_root(s->path, f) == -1)
			goto fail;
		s->root = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (s->root == -1) {
		bk_fault_errno(f, 0, errno, "cannot open directory '%s'",
		    s->path);
		goto fail;
	}
	return &s->base;
fail:
	file_close(&s->base);
	return NULL;
}

static void
fill(struct bk_object *o, const char *key, const struct stat *st)
{
	o->key = key;
	o->bytes = (uint64_t)st->st_size;
	o->modified = (int64_t)st->st_mtim.tv_sec * 1000 +
	    st->st_mtim.tv_nsec / 1000000;
}

/*
 * The directory of ${key}, with *${name} its last part, where it can be an
 * object's.  A descriptor, or -1 with errno.
 */
static int
open_parent(const struct bk_file *s, const char *key, const char **name)
{
	size_t parent = bk_fdir_parent(key);

	*name = key + (parent > 0 ? parent + 1 : 0);
	if (bk_fdir_temp(*name) != NULL) {
		errno = ENOENT;
		return -1;
	}
	return bk_fdir_open(s->root, key, parent, false);
}

static int
file_stat(struct bk_store *base, const char *key, struct bk_object *o,
    struct bk_fault *f)
{
	struct bk_file *s = (struct bk_file *)base;
	struct stat st;
	const char *name;
	int dir = open_parent(s, key, &name), rc, err;

	rc = dir == -1 ? -1 : fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
	err = errno;
	if (dir != -1)
		close(dir);
	if (rc == -1 && !is_absent(err))
		return bk_fault_errno(f, 0, err, "cannot look at it");
	if (rc == -1 || !S_ISREG(st.st_mode))
		return absent(s, f);
	fill(o, key, &st);
	return 0;
}

/* Give ${len} bytes from ${off} on to the sink. */
static int
copy_out(int fd, uint64_t off, uint64_t len, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	uint8_t *piece = malloc(PIECE);
	ssize_t n;
	int rc = 0;

	if (piece == NULL)
		return bk_fault_errno(f, 0, ENOMEM, "cannot read");
	while (rc == 0 && len > 0) {
		n = pread(fd, piece, len < PIECE ? (size_t)len : PIECE,
		    (off_t)off);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			rc = bk_fault_errno(f, BK_IO, errno, "cannot read");
		else if (n == 0)
			rc = bk_fault_set(f, BK_DATA,
			    "it became shorter while it was read");
		else if ((rc = sink(arg, piece, (size_t)n, f)) == 0) {
			off += (uint64_t)n;
			len -= (uint64_t)n;
		}
	}
	free(piece);
	return rc;
}

static int
file_get(struct bk_store *base, const char *key, uint64_t off, uint64_t len,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct bk_file *s = (struct bk_file *)base;
	struct stat st;
	const char *name;
	uint64_t size;
	int dir = open_parent(s, key, &name), fd = -1, rc, err;

	/* Not to wait for the writer of a pipe that somebody put there. */
	if (dir != -1)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
		    O_NOCTTY | O_CLOEXEC);
	err = errno;
	if (dir != -1)
		close(dir);
	if (fd == -1)
		return is_absent(err) || err == ENXIO ? absent(s, f) :
		    bk_fault_errno(f, 0, err, "cannot open it");
	if (fstat(fd, &st) == -1) {
		rc = bk_fault_errno(f, BK_IO, errno, "cannot look at it");
	} else if (!S_ISREG(st.st_mode)) {
		rc = absent(s, f);
	} else if ((size = (uint64_t)st.st_size) < off ||
	    (len != UINT64_MAX && len > size - off)) {
		rc = bk_fault_set(f, BK_DATA, "it has only %llu bytes",
		    (unsigned long long)size);
	} else {
		(void)posix_fadvise(fd, (off_t)off, 0, POSIX_FADV_SEQUENTIAL);
		rc = copy_out(fd, off, len == UINT64_MAX ? size - off : len,
		    sink, arg, f);
	}
	close(fd);
	return rc;
}

static int
file_list(struct bk_store *base, const char *prefix, const char *after,
    bk_list_fn *fn, void *arg, struct bk_fault *f)
{
	struct bk_file *s = (struct bk_file *)base;

	if (bk_file_check(s, f) == -1)
		return -1;
	return bk_fdir_walk(s->root, prefix, after, false, fn, arg, f);
}

static int
file_debris(struct bk_store *base, bk_list_fn *fn, void *arg,
    struct bk_fault *f)
{
	struct bk_file *s = (struct bk_file *)base;

	if (bk_file_check(s, f) == -1)
		return -1;
	return bk_fdir_walk(s->root, "", "", true, fn, arg, f);
}

/*
 * Remove the file ${name} from ${dir}; what is not there is removed.  0, or
 * -1 with errno.
 */
static int
remove_one(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return is_absent(errno) ? 0 : -1;
	if (!S_ISREG(st.st_mode) || unlinkat(dir, name, 0) == 0 ||
	    is_absent(errno))
		return 0;
	return -1;
}

/*
 * Remove the objects ${keys} up to the first that lies in another directory;
 * how many that were is added to *${done}.
 */
static int
remove_group(struct bk_file *s, const char *const *keys, size_t n,
    size_t *done, struct bk_fault *f)
{
	const char *name, *first = keys[*done];
	size_t parent = bk_fdir_parent(first);
	int dir = bk_fdir_open(s->root, first, parent, false);
	int rc = 0, err = errno;

	for (; *done < n && bk_fdir_parent(keys[*done]) == parent &&
	    memcmp(keys[*done], first, parent) == 0; (*done)++) {
		name = keys[*done] + (parent > 0 ? parent + 1 : 0);
		if (dir == -1 ? is_absent(err) : bk_fdir_temp(name) != NULL ||
		    remove_one(dir, name) == 0)
			continue;
		if (dir != -1)
			err = errno;
		rc = bk_fault_errno(f, err == EROFS ? BK_NOPERM : 0, err,
		    "cannot remove '%s'", keys[*done]);
	}
	if (dir == -1)
		return rc;
	/* What is removed stays removed, also before what is removed next. */
	if (bk_fdir_sync(dir) == -1)
		rc = bk_fault_errno(f, 0, errno, "cannot sync '%.*s'",
		    (int)parent, first);
	close(dir);
	bk_fdir_prune(s->root, first, parent);
	return rc;
}

static int
file_remove(struct bk_store *base, const char *const *keys, size_t n,
    struct bk_fault *f)
{
	struct bk_file *s = (struct bk_file *)base;
	size_t done = 0;
	int rc = 0;

	if (bk_file_check(s, f) == -1)
		return -1;
	while (done < n)
		if (remove_group(s, keys, n, &done, f) == -1)
			rc = -1;
	return rc;
}

static int
file_debris_remove(struct bk_store *base, const char *key, struct bk_fault *f)
{
	struct bk_file *s = (struct bk_file *)base;
	size_t parent = bk_fdir_parent(key);
	const char *name = key + (parent > 0 ? parent + 1 : 0), *of;
	const struct dirent *e;
	int fd = bk_fdir_open(s->root, key, parent, false), rc = 0;
	DIR *d = NULL;

	if (fd == -1 && is_absent(errno))
		return bk_file_check(s, f);
	if (fd == -1 || (d = fdopendir(fd)) == NULL) {
		rc = bk_fault_errno(f, 0, errno, "cannot open its directory");
		if (fd != -1)
			close(fd);
		return rc;
	}
	for (;;) {
		errno = 0;
		if ((e = readdir(d)) == NULL)
			break;
		of = bk_fdir_temp(e->d_name);
		if (of != NULL && strcmp(of, name) == 0 &&
		    remove_one(fd, e->d_name) == -1)
			rc = bk_fault_errno(f, errno == EROFS ? BK_NOPERM : 0,
			    errno, "cannot remove '%s'", e->d_name);
	}
	if (errno != 0)
		rc = bk_fault_errno(f, 0, errno, "cannot read its directory");
	closedir(d);
	bk_fdir_prune(s->root, key, parent);
	return rc;
}

const struct bk_store_ops bk_store_file = {
	.scheme = "file",
	.open = file_open,
	.put_begin = bk_file_put_begin,
	.put_write = bk_file_put_write,
	.put_commit = bk_file_put_commit,
	.put_abort = bk_file_put_abort,
	.stat = file_stat,
	.get = file_get,
	.list = file_list,
	.remove = file_remove,
	.debris = file_debris,
	.debris_remove = file_debris_remove,
	.facts = bk_file_facts,
	.close = file_close,
};
