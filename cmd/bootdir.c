/*
 * The mark is one file replaced by rename(2), so that it is never half there.
 * A directory whose mark says "begun" was never handed to anyone: it may be
 * emptied.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bootdir.h"
#include "child.h"
#include "io.h"
#include "json.h"
#include "prog.h"
#include "rmtree.h"
#include "when.h"

#define OURS ".bk-boot"			/* all names of ours begin so */
#define MARK_MAX 65536
#define LOOK_MS 200

int
bk_bootmark_lock(struct bk_bootmark *m, const char *path, int64_t deadline,
    struct bk_fault *f)
{
	char lock[4096];
	bool said = false;

	m->path = path;
	if (snprintf(lock, sizeof(lock), "%s.lock", path) >= (int)sizeof(lock))
		return bk_fault_set(f, BK_USAGE, "'%.200s...' is too long", path);
	if ((m->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0600)) == -1)
		return bk_fault_errno(f, 0, errno, "cannot create '%s'", lock);
	while (flock(m->lock, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return bk_fault_errno(f, 0, errno, "cannot lock '%s'",
			    lock);
		if (bk_stop_take(bk_ctx))
			return bk_fault_set(f, BK_DATA, "stopped");
		if (bk_ctx->mono() >= deadline)
			return bk_fault_set(f, BK_BUSY,
			    "another bk-boot still holds '%s'", lock);
		if (!said)
			bk_say(BK_LOG_INFO, "another bk-boot holds '%s': waiting",
			    lock);
		said = true;
		(void)poll(NULL, 0, LOOK_MS);
	}
	return 0;
}

int
bk_bootmark_read(const char *path, struct bk_fault *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc = -1;
	char text[MARK_MAX];
	const char *form, *state;
	struct bk_fault quiet = BK_FAULT_INIT;
	json_t *o;
	ssize_t n;

	if (fd == -1)
		return errno == ENOENT ? 0 :
		    bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	n = bk_read_full(fd, text, sizeof(text), path, f);
	close(fd);
	if (n == -1)
		return -1;
	o = bk_json_parse(text, (size_t)n, "mark", &quiet);
	form = bk_json_get_text(o, "bk");
	state = bk_json_get_text(o, "state");
	if (form != NULL && strcmp(form, "boot/1") == 0 && state != NULL)
		rc = strcmp(state, "begun") == 0 ? 1 :
		    strcmp(state, "whole") == 0 ? 2 : -1;
	json_decref(o);
	return rc != -1 ? rc : bk_fault_set(f, BK_DATA,
	    "'%s' is no mark of bk-boot", path);
}

/* The directory that holds ${path}, on disk. */
static int
sync_above(const char *path, struct bk_fault *f)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];

	(void)snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 :
	    slash == path ? 1 : (int)(slash - path), slash == NULL ? "." : path);
	return bk_dir_sync(dir, f);
}

int
bk_bootmark_write(const struct bk_bootmark *m, const json_t *of,
    struct bk_fault *f)
{
	struct bk_buf text = BK_BUF_INIT(MARK_MAX);
	char tmp[4096], when[BK_TIME_LEN];
	json_t *o = json_pack("{s:s, s:s, s:s}", "bk", "boot/1", "state",
	    of != NULL ? "whole" : "begun", "time", bk_time_text(bk_ctx->now(),
	    when));
	struct stat st;
	int fd = -1, rc = -1;

	if (o == NULL || (of != NULL && json_object_set(o, "of",
	    (json_t *)(uintptr_t)of) == -1)) {
		bk_fault_set(f, BK_IO, "out of memory");
		goto out;
	}
	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", m->path);
	if (bk_json_text(o, &text, f) == -1 || bk_buf_adds(&text, "\n", f) == -1)
		goto out;
	if ((fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600)) == -1) {
		bk_fault_errno(f, 0, errno, "cannot create '%s'", tmp);
		goto out;
	}
	if (m->lock != -1 && fstat(m->lock, &st) == 0 &&
	    st.st_uid != geteuid() && fchown(fd, st.st_uid, st.st_gid) == -1) {
		bk_fault_errno(f, 0, errno, "cannot change the owner of '%s'",
		    tmp);
		goto out;
	}
	if (bk_write_all(fd, text.p, text.len, tmp, f) == -1 ||
	    bk_fsync(fd, tmp, f) == -1)
		goto out;
	if (rename(tmp, m->path) == -1)
		bk_fault_errno(f, 0, errno, "cannot rename '%s'", tmp);
	else
		rc = sync_above(m->path, f);
out:
	if (fd != -1 && bk_close(fd, tmp, f) == -1)
		rc = -1;
	bk_buf_release(&text);
	json_decref(o);
	return rc;
}

void
bk_bootmark_unlock(struct bk_bootmark *m)
{
	if (m->lock != -1)
		close(m->lock);
	m->lock = -1;
}

/* Next entry of ${d} that counts: not ours, not what mkfs(8) leaves. */
static const char *
next_entry(DIR *d)
{
	const struct dirent *e;

	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    strncmp(e->d_name, OURS, sizeof(OURS) - 1) != 0 &&
		    strcmp(e->d_name, "lost+found") != 0)
			return e->d_name;
	return NULL;
}

/* A stream on the directory; NULL with ${f} set. */
static DIR *
entries(int at, const char *name, const char *what, struct bk_fault *f)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;

	if (d == NULL) {
		bk_fault_errno(f, 0, errno, "cannot read '%s'", what);
		if (fd != -1)
			close(fd);
	}
	return d;
}

/* What is it, by its mark and by what is in it? */
static int
look(struct bk_bootdir *d, struct bk_fault *f)
{
	int mark = bk_bootmark_read(d->place, f);
	const char *some;
	DIR *s;
	int rc;

	if (mark != 0)
		return mark == -1 ? -1 : mark == 2 ? BK_BOOTDIR_DONE :
		    BK_BOOTDIR_EMPTY;
	if (faccessat(d->fd, "PG_VERSION", F_OK, 0) == 0)
		return BK_BOOTDIR_DONE;
	if ((s = entries(d->fd, ".", d->path, f)) == NULL)
		return -1;
	some = next_entry(s);
	rc = some == NULL ? BK_BOOTDIR_EMPTY : bk_fault_set(f, BK_CANTCREATE,
	    "'%s' holds '%s', which bk-boot has not put there", d->path, some);
	closedir(s);
	return rc;
}

int
bk_bootdir_open(struct bk_bootdir *d, const char *path, int64_t deadline,
    struct bk_fault *f)
{
	int is;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return bk_fault_errno(f, errno == ENOENT ? BK_CANTCREATE : 0,
		    errno, "cannot create '%s'", path);
	if (realpath(path, d->real) == NULL || (d->fd = open(d->real,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", path);
	d->path = d->real;
	if (snprintf(d->place, sizeof(d->place), "%s/" OURS, d->path) +
	    (int)sizeof(".new") >= (int)sizeof(d->place))
		return bk_fault_set(f, BK_USAGE, "'%.200s...' is too long", path);
	(void)snprintf(d->fresh, sizeof(d->fresh), "%s/" OURS ".new", d->path);
	if ((is = look(d, f)) != BK_BOOTDIR_EMPTY)
		return is;
	if (bk_bootmark_lock(&d->mark, d->place, deadline, f) == -1)
		return -1;
	/* Whoever had the lock may have filled it. */
	return look(d, f);
}

static int
remove_tree(const char *path, struct bk_fault *f)
{
	if (bk_rmtree(path) == 0 || errno == ENOENT)
		return 0;
	return bk_fault_errno(f, 0, errno, "cannot remove '%s'", path);
}

int
bk_bootdir_begin(struct bk_bootdir *d, struct bk_fault *f)
{
	char path[8192];
	const char *name;
	DIR *s;
	int rc = 0;

	/* The mark is first: what is removed now was never whole. */
	if (bk_bootmark_write(&d->mark, NULL, f) == -1 ||
	    remove_tree(d->fresh, f) == -1 ||
	    (s = entries(d->fd, ".", d->path, f)) == NULL)
		return -1;
	while (rc == 0 && (name = next_entry(s)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", d->path, name);
		rc = remove_tree(path, f);
	}
	closedir(s);
	return rc;
}

static int
move_up(struct bk_bootdir *d, struct bk_fault *f)
{
	DIR *s = entries(AT_FDCWD, d->fresh, d->fresh, f);
	const char *name;
	int rc = s == NULL ? -1 : 0;

	while (rc == 0 && (name = next_entry(s)) != NULL)
		if (renameat(dirfd(s), name, d->fd, name) == -1)
			rc = bk_fault_errno(f, 0, errno,
			    "cannot move '%s' to '%s'", name, d->path);
	if (s != NULL)
		closedir(s);
	/* What is left of it are marks of the server that was backed up. */
	return rc == -1 ? -1 : remove_tree(d->fresh, f);
}

/*
 * The lock is given to the owner as well, and with it the mark: a base backup
 * by the server fails at a file in its directory that it cannot read.
 */
static int
take_mode(const struct bk_bootdir *d, struct bk_fault *f)
{
	struct stat st, own;

	if (lstat(d->fresh, &st) == -1 || fstat(d->fd, &own) == -1)
		return bk_fault_errno(f, 0, errno, "cannot read '%s'", d->fresh);
	if (((st.st_uid != own.st_uid || st.st_gid != own.st_gid) &&
	    fchown(d->fd, st.st_uid, st.st_gid) == -1) ||
	    (st.st_uid != geteuid() &&
	    fchown(d->mark.lock, st.st_uid, st.st_gid) == -1))
		return bk_fault_errno(f, 0, errno, "cannot change the owner of '%s'",
		    d->path);
	if ((st.st_mode & 07777) != (own.st_mode & 07777) &&
	    fchmod(d->fd, st.st_mode & 07777) == -1)
		return bk_fault_errno(f, 0, errno, "cannot change the mode of '%s'",
		    d->path);
	return 0;
}

int
bk_bootdir_end(struct bk_bootdir *d, bool tree, const json_t *of,
    struct bk_fault *f)
{
	if ((tree && take_mode(d, f) == -1) || move_up(d, f) == -1 ||
	    bk_fsync(d->fd, d->path, f) == -1)
		return -1;
	return bk_bootmark_write(&d->mark, of, f);
}

void
bk_bootdir_close(struct bk_bootdir *d)
{
	bk_bootmark_unlock(&d->mark);
	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
}
