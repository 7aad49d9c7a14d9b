/*
 * Facts about GNU tar 1.34 (its manual, "Incremental Dumps" and "Format of the
 * Incremental Snapshot Files"; src/incremen.c):
 *
 * A snapshot file of format 2 is a line "GNU tar-VERSION-2", the time when
 * that dump began (seconds, nanoseconds), and for each directory: 1 where it
 * is on NFS, its modification time, device, inode, name, and its names with a
 * code before each, ended by an empty one; all ended by NUL, and each
 * directory by one more.  What stands behind the 2 in the first line is not
 * read.
 *
 * tar dumps a file whose modification or change time is not before the time
 * in the snapshot.  File systems take those times from a clock that is some
 * milliseconds behind (Linux), or has steps of up to 2 seconds (FAT): the
 * time that we keep is 2 seconds earlier.
 *
 * A directory that tar finds under another name by its device and inode is
 * recorded as renamed; where the new name was in use, or several renames
 * depend on each other, such an archive cannot be extracted.  So tar gets
 * devices that no directory has, and --no-check-device: it then knows
 * directories by name and inode alone, and dumps a renamed one in full.
 * Whether the device is still the same is seen here before.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "filesstate.h"
#include "io.h"

#define BEHIND 2			/* seconds */
#define NO_DEVICE (UINT64_C(1) << 60)	/* above all device numbers */
#define OLD_MS (INT64_C(7) * 24 * 3600 * 1000)
#define FIELD_MAX (1024 * 1024)
#define CHUNK (64 * 1024)
#define TEMPORARY ".bk-state-"

/* One snapshot file on its way into another. */
struct copy {
	int in, out, tree;
	const char *what;
	uint64_t at;			/* of in */
	char *buf;
	size_t have, next;
	struct bk_buf text;		/* for out */
	struct bk_sha256 *sha;		/* of in, or of out */
	bool kept;			/* the copy is the one that is kept */
	struct bk_buf field[6];		/* of a directory */
};

static int
damaged(const struct copy *c, struct bk_fault *f)
{
	return bk_fault_set(f, BK_DATA, "'%s' is no snapshot file of GNU tar",
	    c->what);
}

/* The next byte; -1 at the end, -2 with ${f} set. */
static int
next(struct copy *c, struct bk_fault *f)
{
	ssize_t n;

	if (c->next == c->have) {
		while ((n = pread(c->in, c->buf, CHUNK, (off_t)c->at)) == -1 &&
		    errno == EINTR)
			;
		if (n == -1) {
			bk_fault_errno(f, BK_IO, errno, "cannot read '%s'",
			    c->what);
			return -2;
		}
		if (n == 0)
			return -1;
		if (!c->kept)
			bk_sha256_add(c->sha, c->buf, (size_t)n);
		c->at += (uint64_t)n;
		c->have = (size_t)n;
		c->next = 0;
	}
	return (unsigned char)c->buf[c->next++];
}

static int
flush(struct copy *c, struct bk_fault *f)
{
	if (c->text.len == 0)
		return 0;
	if (c->kept)
		bk_sha256_add(c->sha, c->text.p, c->text.len);
	if (bk_write_all(c->out, c->text.p, c->text.len, "the state directory",
	    f) == -1)
		return -1;
	bk_buf_reset(&c->text);
	return 0;
}

static int
put(struct copy *c, const char *s, size_t n, struct bk_fault *f)
{
	if (bk_buf_add(&c->text, s, n, f) == -1)
		return -1;
	return c->text.len >= CHUNK ? flush(c, f) : 0;
}

/* A field with the NUL that ends it. */
static int
put_field(struct copy *c, const struct bk_buf *b, struct bk_fault *f)
{
	return put(c, bk_buf_text(b), b->len + 1, f);
}

/* Up to ${end} into ${b}: 1; 0 where the file ends before it; -1. */
static int
take(struct copy *c, char end, struct bk_buf *b, struct bk_fault *f)
{
	int ch;
	char byte;

	bk_buf_reset(b);
	while ((ch = next(c, f)) >= 0) {
		if (ch == end)
			return 1;
		byte = (char)ch;
		if (bk_buf_add(b, &byte, 1, f) == -1)
			return -1;
	}
	if (ch == -2)
		return -1;
	return b->len == 0 ? 0 : damaged(c, f);
}

static int
take_field(struct copy *c, struct bk_buf *b, struct bk_fault *f)
{
	int rc = take(c, '\0', b, f);

	return rc == 0 ? damaged(c, f) : rc;
}

static int
number(const struct copy *c, const struct bk_buf *b, uint64_t *v,
    struct bk_fault *f)
{
	const char *s = bk_buf_text(b);
	char *end;

	errno = 0;
	*v = strtoumax(s, &end, 10);
	return errno != 0 || *s < '0' || *s > '9' || *end != '\0' ?
	    damaged(c, f) : 0;
}

/* "GNU tar-1.34-2", and for the state that is kept the name of its backup. */
static int
first_line(struct copy *c, const char *name, struct bk_fault *f)
{
	struct bk_buf *b = &c->field[0];
	int rc = take(c, '\n', b, f);
	const char *s = bk_buf_text(b), *dash;

	if (rc != 1)
		return rc == 0 ? damaged(c, f) : -1;
	dash = strrchr(s, '-');
	if (strncmp(s, "GNU tar-", 8) != 0)
		return damaged(c, f);
	if (c->kept && (dash == NULL || strcmp(dash, "-2") != 0))
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "this tar's snapshot files are of another format: '%.100s'",
		    s);
	if ((c->kept && bk_buf_addf(b, f, " %s", name) == -1) ||
	    bk_buf_adds(b, "\n", f) == -1)
		return -1;
	return put(c, b->p, b->len, f);
}

/* The time when the dump began: *${sec} as it stands in ${c}. */
static int
start_time(struct copy *c, uint64_t *sec, struct bk_fault *f)
{
	struct bk_buf *b = &c->field[0];

	if (take_field(c, b, f) == -1 || number(c, b, sec, f) == -1)
		return -1;
	bk_buf_reset(b);
	if (bk_buf_addf(b, f, "%" PRIu64, c->kept && *sec >= BEHIND ?
	    *sec - BEHIND : *sec) == -1 || put_field(c, b, f) == -1)
		return -1;
	return take_field(c, b, f) == -1 ? -1 : put_field(c, b, f);
}

/* Is the directory still on the device that it was on? */
static bool
same_device(const struct copy *c, uint64_t device)
{
	struct stat st;

	return strcmp(bk_buf_text(&c->field[0]), "1") == 0 ||
	    (fstatat(c->tree, bk_buf_text(&c->field[5]), &st,
	    AT_SYMLINK_NOFOLLOW) == 0 && (uint64_t)st.st_dev == device);
}

/* One directory: 1, 0 behind the last, -1. */
static int
directory(struct copy *c, struct bk_buf *b, struct bk_fault *f)
{
	uint64_t device;
	bool wanted;
	int i, rc;

	if ((rc = take(c, '\0', &c->field[0], f)) != 1)
		return rc;
	for (i = 1; i < 6; i++)
		if (take_field(c, &c->field[i], f) == -1)
			return -1;
	if (number(c, &c->field[3], &device, f) == -1)
		return -1;
	device &= ~NO_DEVICE;
	wanted = c->kept || same_device(c, device);
	bk_buf_reset(&c->field[3]);
	if (bk_buf_addf(&c->field[3], f, "%" PRIu64, c->kept ? device :
	    device | NO_DEVICE) == -1)
		return -1;
	for (i = 0; i < 6; i++)
		if (wanted && put_field(c, &c->field[i], f) == -1)
			return -1;
	do {
		if (take_field(c, b, f) == -1 ||
		    (wanted && put_field(c, b, f) == -1))
			return -1;
	} while (b->len > 0);
	if (take_field(c, b, f) == -1 || (wanted && put_field(c, b, f) == -1))
		return -1;
	return b->len == 0 ? 1 : damaged(c, f);
}

/* All of it; the time in *${sec}, the SHA-256 in ${hash}. */
static int
copy(struct copy *c, const char *name, uint64_t *sec, char *hash,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(FIELD_MAX);
	int i, rc = -1;

	c->text.max = 2 * FIELD_MAX;
	for (i = 0; i < 6; i++)
		c->field[i].max = FIELD_MAX;
	if ((c->buf = malloc(CHUNK)) == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "'%s'", c->what);
		goto out;
	}
	if ((c->sha = bk_sha256_new(f)) == NULL ||
	    first_line(c, name, f) == -1 || start_time(c, sec, f) == -1)
		goto out;
	while ((rc = directory(c, &b, f)) == 1)
		;
	if (rc == 0)
		rc = flush(c, f);
	if (rc == 0)
		bk_sha256_hex(c->sha, hash);
out:
	for (i = 0; i < 6; i++)
		bk_buf_release(&c->field[i]);
	bk_buf_release(&b);
	bk_buf_release(&c->text);
	bk_sha256_free(c->sha);
	free(c->buf);
	return rc;
}

static int
absolute(const char *dir, struct bk_fault *f)
{
	return dir[0] == '/' ? 0 : bk_fault_set(f, BK_USAGE,
	    "state=%.200s: want an absolute path", dir);
}

int
bk_filesstate_check(const char *dir, struct bk_fault *f)
{
	struct bk_buf above = BK_BUF_INIT(PATH_MAX);
	const char *slash = strrchr(dir, '/');
	const char *look = dir;
	int rc = absolute(dir, f);

	if (rc == 0 && access(dir, F_OK) == -1 && errno == ENOENT) {
		rc = bk_buf_add(&above, dir, slash == dir ? 1 :
		    (size_t)(slash - dir), f);
		look = bk_buf_text(&above);
	}
	if (rc == 0 && access(look, W_OK | X_OK) == -1)
		rc = bk_fault_errno(f, 0, errno, "cannot keep a state in '%s'",
		    dir);
	bk_buf_release(&above);
	return rc;
}

int
bk_filesstate_dir(const char *dir, struct bk_fault *f)
{
	struct stat st;

	if (absolute(dir, f) == -1)
		return -1;
	if (mkdir(dir, 0700) == -1 && errno != EEXIST)
		return bk_fault_errno(f, 0, errno, "cannot create '%s'", dir);
	if (stat(dir, &st) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", dir);
	return S_ISDIR(st.st_mode) ? 0 :
	    bk_fault_set(f, BK_CANTCREATE, "'%s' is no directory", dir);
}

/* Append the name of state ${hash}. */
static int
path_of(struct bk_buf *b, const char *dir, const char *hash,
    struct bk_fault *f)
{
	return bk_buf_addf(b, f, "%s/%s", dir, hash);
}

bool
bk_filesstate_held(const char *dir, const char *hash)
{
	struct bk_buf b = BK_BUF_INIT(PATH_MAX);
	struct bk_fault quiet = BK_FAULT_INIT;
	bool there = path_of(&b, dir, hash, &quiet) == 0 &&
	    access(b.p, R_OK) == 0;

	bk_buf_release(&b);
	return there;
}

int
bk_filesstate_open(const struct bk_ctx *ctx, const char *dir,
    const char *hash, const char *tree, int *fd, const char **why,
    struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(PATH_MAX);
	struct bk_fault own = BK_FAULT_INIT;
	struct copy c = { .in = -1, .out = -1, .tree = -1 };
	char sum[BK_SHA256_HEX] = "";
	uint64_t sec = 0;
	int rc = -1;

	if ((c.out = bk_tmpfile(dir, f)) == -1)
		return -1;
	if (hash == NULL) {
		*fd = c.out;
		return 0;
	}
	if (path_of(&path, dir, hash, f) == -1)
		goto out;
	c.what = path.p;
	if ((c.in = open(path.p, O_RDONLY | O_CLOEXEC)) == -1 ||
	    (c.tree = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		bk_fault_errno(f, 0, errno, "cannot open '%s'", c.in == -1 ?
		    path.p : tree);
		goto out;
	}
	rc = copy(&c, NULL, &sec, sum, &own);
	*why = rc == -1 && own.status != BK_DATA ? NULL :
	    rc == -1 || strcmp(sum, hash) != 0 ? "its state is damaged" :
	    (int64_t)sec > ctx->now() / 1000 ?
	    "its state is from the future: the clock was set back" : "";
	if (*why == NULL)
		*f = own;
	else if ((*why)[0] != '\0')
		rc = BK_STATE_UNUSABLE;
	else
		*fd = c.out;
out:
	if (rc != 0)
		close(c.out);
	if (c.in != -1)
		close(c.in);
	if (c.tree != -1)
		close(c.tree);
	bk_buf_release(&path);
	return rc;
}

int
bk_filesstate_keep(int fd, const char *dir, const char *name,
    char hash[BK_SHA256_HEX], struct bk_fault *f)
{
	struct bk_buf tmp = BK_BUF_INIT(PATH_MAX), path = BK_BUF_INIT(PATH_MAX);
	struct copy c = { .in = fd, .out = -1, .tree = -1, .kept = true,
		.what = "the new state" };
	uint64_t sec;
	int rc = -1;

	if (bk_buf_addf(&tmp, f, "%s/" TEMPORARY "XXXXXX", dir) == -1)
		goto out;
	if ((c.out = mkostemp(tmp.p, O_CLOEXEC)) == -1) {
		bk_fault_errno(f, 0, errno, "cannot create a file in '%s'",
		    dir);
		goto out;
	}
	rc = copy(&c, name, &sec, hash, f);
	if (rc == 0)
		rc = bk_fsync(c.out, tmp.p, f);
	if (bk_close(c.out, tmp.p, f) == -1)
		rc = -1;
	if (rc == 0 && (rc = path_of(&path, dir, hash, f)) == 0 &&
	    rename(tmp.p, path.p) == -1)
		rc = bk_fault_errno(f, 0, errno, "cannot rename '%s' to '%s'",
		    tmp.p, path.p);
	if (rc == 0)
		rc = bk_dir_sync(dir, f);
	else
		(void)unlink(tmp.p);
out:
	bk_buf_release(&tmp);
	bk_buf_release(&path);
	return rc;
}

/* Is the open state one of the backup ${name}? */
static bool
is_of(int dir, const char *file, const char *name)
{
	int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char line[256];
	ssize_t n = fd != -1 ? read(fd, line, sizeof(line) - 1) : 0;
	char *blank, *end;

	if (fd != -1)
		close(fd);
	line[n > 0 ? n : 0] = '\0';
	if ((end = strchr(line, '\n')) == NULL)
		return false;
	*end = '\0';
	return (blank = strrchr(line, ' ')) != NULL &&
	    strcmp(blank + 1, name) == 0;
}

void
bk_filesstate_sweep(const struct bk_ctx *ctx, const char *dir,
    const char *name, bool (*named)(const void *arg, const char *hash),
    const void *arg)
{
	uint8_t sum[BK_SHA256_LEN];
	const struct dirent *e;
	struct stat st;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		bool left = strncmp(e->d_name, TEMPORARY,
		    sizeof(TEMPORARY) - 1) == 0;

		if ((!left && bk_unhex(e->d_name, sum, sizeof(sum)) == -1) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    !S_ISREG(st.st_mode) ||
		    ctx->now() - (int64_t)st.st_mtime * 1000 <= OLD_MS ||
		    (!left && (named(arg, e->d_name) ||
		    !is_of(dirfd(d), e->d_name, name))))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == -1)
			ctx->log(BK_LOG_WARN, "cannot remove '%s/%s': %s", dir,
			    e->d_name, strerror(errno));
		else
			ctx->log(BK_LOG_INFO, "removed '%s/%s', which no record names",
			    dir, e->d_name);
	}
	if (d != NULL)
		closedir(d);
}
