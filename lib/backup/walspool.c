/*
 * Nothing here is synced: PostgreSQL syncs what it keeps (durable_rename), and
 * a file of the spool is read again before it is given out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "walspool.h"

#define PIECE (256 * 1024)
#define AGE_MAX (3600 * INT64_C(1000))
#define PATH_MAX_ 4096

int
bk_wal_spool_init(struct bk_wal_spool *sp, const struct bk_ctx *ctx,
    const char *dir, const char *name, const char *url, uint64_t system,
    struct bk_fault *f)
{
	char hex[BK_WAL_HASH_LEN + 1];

	if (bk_wal_place(hex, name, &url, 1, f) == -1)
		return -1;
	(void)snprintf(sp->prefix, sizeof(sp->prefix), "%s.%" PRIu64 ".", hex,
	    system);
	sp->ctx = ctx;
	sp->name = name;
	if ((sp->dir = strdup(dir)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	return 0;
}

void
bk_wal_spool_release(struct bk_wal_spool *sp)
{
	free(sp->dir);
	sp->dir = NULL;
}

int
bk_wal_spool_make(const struct bk_wal_spool *sp, struct bk_fault *f)
{
	struct stat st;

	if (mkdir(sp->dir, 0700) == -1 && errno != EEXIST)
		return bk_fault_errno(f, BK_CANTCREATE, errno,
		    "cannot make '%s'", sp->dir);
	if (stat(sp->dir, &st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot look at '%s'",
		    sp->dir);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return bk_fault_set(f, BK_NOPERM, "'%s' is no directory that "
		    "only this user can write to", sp->dir);
	return 0;
}

/* The path of ${k}, and ${tail} behind it. */
static int
path_of(const struct bk_wal_spool *sp, const struct bk_wal_key *k,
    const char *tail, struct bk_buf *b, struct bk_fault *f)
{
	return bk_buf_addf(b, f, "%s/%s%s-%s%s", sp->dir, sp->prefix,
	    k->name.file, k->hash, tail);
}

bool
bk_wal_spool_has(const struct bk_wal_spool *sp, const struct bk_wal_key *k)
{
	struct bk_buf b = BK_BUF_INIT(PATH_MAX_);
	struct bk_fault quiet = BK_FAULT_INIT;
	bool there = path_of(sp, k, "", &b, &quiet) == 0 &&
	    access(b.p, F_OK) == 0;

	bk_buf_release(&b);
	return there;
}

/* A new file that nobody else has open. */
static int
create(const char *path, struct bk_fault *f)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd != -1 ? fd :
	    bk_fault_errno(f, 0, errno, "cannot create '%s'", path);
}

/* Close ${fd}, and give ${tmp} its name if all went well so far. */
static int
finish(int fd, const char *tmp, const char *path, int rc, struct bk_fault *f)
{
	if (bk_close(fd, tmp, f) == -1)
		rc = -1;
	if (rc == 0 && rename(tmp, path) == -1)
		rc = bk_fault_errno(f, 0, errno, "cannot rename '%s' to '%s'",
		    tmp, path);
	if (rc != 0)
		(void)unlink(tmp);
	return rc;
}

int
bk_wal_fetch_to(struct bk_store *s, const char *name,
    const struct bk_wal_key *k, const char *path, struct bk_fault *f)
{
	struct bk_buf tmp = BK_BUF_INIT(PATH_MAX_);
	int fd = -1, rc = -1;

	if (bk_buf_addf(&tmp, f, "%s.bk-tmp", path) == 0 &&
	    (fd = create(tmp.p, f)) != -1)
		rc = finish(fd, tmp.p, path, bk_wal_fetch(s, name, k, fd, f), f);
	bk_buf_release(&tmp);
	return rc;
}

int
bk_wal_spool_fetch(const struct bk_wal_spool *sp, struct bk_store *s,
    const struct bk_wal_key *k, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(PATH_MAX_), tmp = BK_BUF_INIT(PATH_MAX_);
	int fd = -1, rc = -1;

	if (path_of(sp, k, "", &path, f) == 0 &&
	    bk_buf_addf(&tmp, f, "%s.%ld", path.p, (long)getpid()) == 0 &&
	    (fd = create(tmp.p, f)) != -1)
		rc = finish(fd, tmp.p, path.p, bk_wal_fetch(s, sp->name, k, fd,
		    f), f);
	bk_buf_release(&path);
	bk_buf_release(&tmp);
	return rc;
}

/* The entry of ${file}: its key, whose hash its name has. */
static int
entry(const struct bk_wal_spool *sp, const struct bk_wal_name *file,
    struct bk_wal_key *k)
{
	size_t n = strlen(sp->prefix);
	int rc = BK_ABSENT;
	struct dirent *d;
	DIR *dir = opendir(sp->dir);

	while (dir != NULL && rc != 0 && (d = readdir(dir)) != NULL)
		if (strncmp(d->d_name, sp->prefix, n) == 0 &&
		    bk_wal_leaf_parse(d->d_name + n, k) &&
		    strcmp(k->name.file, file->file) == 0 && *k->suffix == '\0')
			rc = 0;
	if (dir != NULL)
		(void)closedir(dir);
	return rc;
}

/* To another file system. */
static int
copy(int from, const char *path, struct bk_fault *f)
{
	struct bk_buf tmp = BK_BUF_INIT(PATH_MAX_);
	char *piece = malloc(PIECE);
	off_t off = 0;
	ssize_t n = -1;
	int fd = -1, rc = -1;

	if (piece == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	if (piece == NULL || bk_buf_addf(&tmp, f, "%s.bk-tmp", path) == -1 ||
	    (fd = create(tmp.p, f)) == -1)
		goto out;
	for (rc = 0; rc == 0 && (n = pread(from, piece, PIECE, off)) > 0; off += n)
		rc = bk_write_all(fd, piece, (size_t)n, tmp.p, f);
	if (n == -1)
		rc = bk_fault_errno(f, BK_IO, errno, "cannot read the spool");
	rc = finish(fd, tmp.p, path, rc, f);
out:
	free(piece);
	bk_buf_release(&tmp);
	return rc;
}

int
bk_wal_spool_take(const struct bk_wal_spool *sp,
    const struct bk_wal_name *file, const char *path, struct bk_fault *f)
{
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(PATH_MAX_);
	struct bk_wal_key k;
	int fd = -1, rc = BK_ABSENT;

	if (entry(sp, file, &k) != 0)
		return BK_ABSENT;
	k.system = 0;
	if (path_of(sp, &k, "", &b, &why) == -1 ||
	    (fd = open(b.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		goto out;
	if (bk_wal_verify(fd, &k, &why) == -1) {
		sp->ctx->log(BK_LOG_WARN, "'%s' is dropped: %s", b.p, why.text);
		(void)unlink(b.p);
		goto out;
	}
	if ((rc = rename(b.p, path)) == -1) {
		rc = errno == EXDEV ? copy(fd, path, f) : bk_fault_errno(f, 0,
		    errno, "cannot rename '%s' to '%s'", b.p, path);
		if (rc == 0)
			(void)unlink(b.p);
	}
out:
	if (fd != -1)
		(void)close(fd);
	bk_buf_release(&b);
	return rc;
}

/* Is ${name} one of our files, of whatever prefix? */
static bool
ours(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");
	char leaf[2 * BK_WAL_FILE_MAX];
	const char *pid;
	struct bk_wal_key k;

	if (n != BK_WAL_HASH_LEN || name[n] != '.')
		return false;
	name += n + 1;
	n = strspn(name, "0123456789");
	if (n == 0 || name[n] != '.')
		return false;
	name += n + 1;
	pid = strrchr(name, '.');
	n = pid != NULL && pid[1 + strspn(pid + 1, "0123456789")] == '\0' ?
	    (size_t)(pid - name) : strlen(name);
	if (n >= sizeof(leaf))
		return false;
	memcpy(leaf, name, n);
	leaf[n] = '\0';
	return bk_wal_leaf_parse(leaf, &k);
}

static bool
wanted(const struct bk_wal_spool *sp, const char *name,
    const struct bk_wal_key *keep, size_t n)
{
	size_t i, len = strlen(sp->prefix);
	struct bk_wal_key k;

	if (!bk_wal_leaf_parse(name + len, &k) || *k.suffix != '\0')
		return false;
	for (i = 0; i < n; i++)
		if (strcmp(keep[i].name.file, k.name.file) == 0 &&
		    strcmp(keep[i].hash, k.hash) == 0)
			return true;
	return false;
}

void
bk_wal_spool_clean(const struct bk_wal_spool *sp,
    const struct bk_wal_key *keep, size_t n)
{
	DIR *dir = opendir(sp->dir);
	struct dirent *d;
	struct stat st;
	bool gone;

	if (dir == NULL)
		return;
	while ((d = readdir(dir)) != NULL) {
		if (!ours(d->d_name) || fstatat(dirfd(dir), d->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		if (strncmp(d->d_name, sp->prefix, strlen(sp->prefix)) == 0)
			gone = !wanted(sp, d->d_name, keep, n);
		else
			gone = sp->ctx->now() - (int64_t)st.st_mtim.tv_sec * 1000 >
			    AGE_MAX;
		if (gone)
			(void)unlinkat(dirfd(dir), d->d_name, 0);
	}
	(void)closedir(dir);
	if (n == 0)
		(void)rmdir(sp->dir);
}
