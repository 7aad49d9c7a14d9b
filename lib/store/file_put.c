/*
 * Writing into a file store.  A put writes to a hidden temporary name in the
 * directory of its target and is published by one rename, so a name never
 * shows a partial object:
 *
 *	fsync, close, renameat2(RENAME_NOREPLACE), fsync of the directory
 *
 * Where the file system does not know that flag (NFS, many FUSE ones: EINVAL)
 * link(2) takes its place, which fails on an existing name by itself.  Both
 * may be repeated by a network file system whose first answer was lost
 * (nfs(5)): then the target is our own inode, and that counts, not the
 * errno.  With neither, creating only is a look followed by a rename, and
 * facts() says so.
 *
 * A put that loses its directory to a removal, which takes empty directories
 * away, starts again.
 */
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdir.h"
#include "file.h"
#include "io.h"
#include "ulid.h"

#define WRITEBACK (8 * 1024 * 1024)	/* start writing out after so much */
#define TRIES 64			/* against directories that vanish */

struct file_put {
	struct bk_put base;
	unsigned int flags;
	int dir, fd;
	uint64_t written, started;	/* bytes; those sent to the disk */
	dev_t dev;
	ino_t ino;
	char temp[NAME_MAX + 1];
	const char *name;		/* last part of key */
	char key[];
};

/* Refuse early what cannot fit; a file system without a size says nothing. */
static int
check_space(const struct bk_file *s, uint64_t max, struct bk_fault *f)
{
	struct statvfs v;
	uint64_t room;

	if (max == 0 || fstatvfs(s->root, &v) == -1 || v.f_blocks == 0)
		return 0;
	room = (uint64_t)v.f_bavail * v.f_frsize;
	if (max <= room)
		return 0;
	return bk_fault_set(f, BK_IO, "up to %llu bytes do not fit: '%s' has "
	    "%llu left", (unsigned long long)max, s->path,
	    (unsigned long long)room);
}

/*
 * A new file beside the object-to-be ${key}: its directory in *${dir}, its
 * name in ${temp}.  The descriptor, or -1 with ${f} set.
 */
static int
make_temp(const struct bk_file *s, const char *key, int *dir,
    char temp[NAME_MAX + 1], struct bk_fault *f)
{
	char id[BK_ULID_LEN + 1];
	size_t parent = bk_fdir_parent(key);
	const char *name = key + (parent > 0 ? parent + 1 : 0);
	int fd = -1, tries, err = ENOENT;

	if (bk_ulid_new(s->ctx->now(), id, f) == -1)
		return -1;
	(void)snprintf(temp, NAME_MAX + 1, BK_FDIR_TEMP "%s-%s", id, name);
	for (tries = 0; tries < TRIES; tries++) {
		*dir = bk_fdir_open(s->root, key, parent, true);
		if (*dir != -1 && (fd = openat(*dir, temp, O_WRONLY | O_CREAT |
		    O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666)) != -1)
			return fd;
		err = errno;
		if (*dir != -1)
			close(*dir);
		*dir = -1;
		if (bk_file_check(s, f) == -1)
			return -1;
		if (err != ENOENT)
			break;
	}
	return bk_fault_errno(f, bk_file_status(err), err,
	    "cannot create a file in '%s/%.*s'", s->path, (int)parent, key);
}

/* Is the name that was to be published our own file? */
static bool
is_ours(int dir, const char *name, dev_t dev, ino_t ino)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == dev && st.st_ino == ino;
}

/*
 * Give ${temp} the name ${name} unless that is taken.  0, or -1 with errno:
 * EEXIST; EOPNOTSUPP where the file system has no way to do that.
 */
static int
rename_new(int dir, const char *temp, const char *name)
{
	if (renameat2(dir, temp, dir, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(dir, temp, dir, name, 0) == 0) {
		/* Where this fails a temporary stays, the object is whole. */
		(void)unlinkat(dir, temp, 0);
		return 0;
	}
	if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ||
	    errno == EMLINK)
		errno = EOPNOTSUPP;
	return -1;
}

void
bk_file_put_abort(struct bk_put *base)
{
	struct file_put *p = (struct file_put *)base;
	struct bk_file *s;

	if (p == NULL)
		return;
	s = (struct bk_file *)p->base.store;
	if (p->fd != -1)
		close(p->fd);
	if (p->dir != -1) {
		(void)unlinkat(p->dir, p->temp, 0);
		close(p->dir);
		bk_fdir_prune(s->root, p->key, bk_fdir_parent(p->key));
	}
	free(p);
}

struct bk_put *
bk_file_put_begin(struct bk_store *base, const char *key,
    const struct bk_put_opts *opts, struct bk_fault *f)
{
	struct bk_file *s = (struct bk_file *)base;
	struct file_put *p;
	struct stat st;
	const char *part, *slash = key;
	size_t n = strlen(key) + 1;

	for (part = key; slash != NULL; part = slash + 1) {
		slash = strchr(part, '/');
		if (strncmp(part, BK_FDIR_TEMP, strlen(BK_FDIR_TEMP)) == 0) {
			bk_fault_set(f, BK_USAGE, "a part that begins with '"
			    BK_FDIR_TEMP "' is kept for temporary files");
			return NULL;
		}
		if (slash == NULL)
			break;
	}
	if (strlen(part) > BK_FDIR_BASE_MAX) {
		bk_fault_set(f, BK_USAGE, "the last part of a key has at most "
		    "%d bytes here", BK_FDIR_BASE_MAX);
		return NULL;
	}
	if (bk_file_check(s, f) == -1 ||
	    check_space(s, opts->max_bytes, f) == -1)
		return NULL;
	if ((p = calloc(1, sizeof(*p) + n)) == NULL) {
		bk_fault_errno(f, 0, errno, "cannot begin");
		return NULL;
	}
	p->base.store = base;
	p->flags = opts->flags;
	memcpy(p->key, key, n);
	p->name = p->key + (part - key);
	p->dir = -1;
	p->fd = make_temp(s, p->key, &p->dir, p->temp, f);
	if (p->fd == -1)
		goto fail;
	if (fstat(p->fd, &st) == -1) {
		bk_fault_errno(f, 0, errno, "cannot look at '%s'", p->temp);
		goto fail;
	}
	p->dev = st.st_dev;
	p->ino = st.st_ino;
	return &p->base;
fail:
	bk_file_put_abort(&p->base);
	return NULL;
}

int
bk_file_put_write(struct bk_put *base, const void *data, size_t n,
    struct bk_fault *f)
{
	struct file_put *p = (struct file_put *)base;

	if (bk_write_all(p->fd, data, n, p->temp, f) == -1)
		return -1;
	p->written += n;
	/* A hint, so that the fsync at the end does not wait for everything. */
	if (p->written - p->started >= WRITEBACK) {
		(void)sync_file_range(p->fd, (off_t)p->started,
		    (off_t)(p->written - p->started), SYNC_FILE_RANGE_WRITE);
		p->started = p->written;
	}
	return 0;
}

/* Give the synced file its name.  0, BK_EXISTS, -1. */
static int
publish(const struct file_put *p, struct bk_fault *f)
{
	struct stat st;
	int err = EOPNOTSUPP;

	if (p->flags & BK_PUT_NEW) {
		if (rename_new(p->dir, p->temp, p->name) == 0)
			return 0;
		err = errno;
		if (err == EOPNOTSUPP && fstatat(p->dir, p->name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0)
			err = EEXIST;
	}
	if (err == EOPNOTSUPP) {
		if (renameat(p->dir, p->temp, p->dir, p->name) == 0)
			return 0;
		err = errno;
	}
	if (is_ours(p->dir, p->name, p->dev, p->ino)) {
		(void)unlinkat(p->dir, p->temp, 0);
		return 0;
	}
	if (err != EEXIST)
		return bk_fault_errno(f, bk_file_status(err), err,
		    "cannot rename '%s' to '%s'", p->temp, p->name);
	if (fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode))
		return BK_EXISTS;
	return bk_fault_set(f, BK_CANTCREATE,
	    "what is there under '%s' is no object", p->name);
}

int
bk_file_put_commit(struct bk_put *base, struct bk_fault *f)
{
	struct file_put *p = (struct file_put *)base;
	struct bk_file *s = (struct bk_file *)p->base.store;
	int fd = p->fd, rc = -1;

	if (bk_fsync(fd, p->temp, f) == -1)
		goto out;
	p->fd = -1;
	if (bk_close(fd, p->temp, f) == -1 || bk_file_check(s, f) == -1 ||
	    (rc = publish(p, f)) != 0)
		goto out;
	if (bk_fdir_sync(p->dir) == -1)
		rc = bk_fault_errno(f, 0, errno, "cannot sync the directory");
out:
	if (rc == 0) {			/* no temporary name is left */
		close(p->dir);
		p->dir = -1;
	}
	bk_file_put_abort(base);
	return rc;
}

/*
 * Publish ${temp} under a second temporary name: does the file system create
 * only?  Removes both.
 */
static bool
probe_new(int dir, const char *temp)
{
	char other[NAME_MAX + 5];
	bool works;

	(void)snprintf(other, sizeof(other), "%s-new", temp);
	works = rename_new(dir, temp, other) == 0;
	(void)unlinkat(dir, temp, 0);
	(void)unlinkat(dir, other, 0);
	return works;
}

/*
 * The store's clock is what it gives a file that is written now: on a network
 * mount the server's.  A store that takes no file tells nothing.
 */
int
bk_file_facts(struct bk_store *base, struct bk_store_facts *facts,
    struct bk_fault *f)
{
	struct bk_file *s = (struct bk_file *)base;
	struct bk_fault no = BK_FAULT_INIT;
	char temp[NAME_MAX + 1];
	struct stat st;
	int64_t before, after, theirs;
	int dir, fd, rc;

	if (s->read_only)
		return 0;
	if ((fd = make_temp(s, "probe", &dir, temp, &no)) == -1) {
		return no.status == BK_NOPERM ? 0 :
		    bk_fault_set(f, no.status, "%s", no.text);
	}
	before = s->ctx->now();
	rc = bk_write_all(fd, "", 1, temp, f);
	if (rc == 0)
		rc = bk_fsync(fd, temp, f);
	after = s->ctx->now();
	if (rc == 0 && fstat(fd, &st) == -1)
		rc = bk_fault_errno(f, BK_IO, errno, "cannot look at '%s'",
		    temp);
	if (bk_close(fd, temp, f) == -1)
		rc = -1;
	facts->create_only = probe_new(dir, temp);
	close(dir);
	if (rc == -1)
		return -1;
	theirs = (int64_t)st.st_mtim.tv_sec * 1000 +
	    st.st_mtim.tv_nsec / 1000000;
	facts->clock_known = true;
	/* The kernel's time stamps are up to one tick old. */
	facts->clock_offset = theirs < before ? theirs - before :
	    theirs > after ? theirs - after : 0;
	return 0;
}
