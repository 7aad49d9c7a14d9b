/*
 * Descriptors may have been made non-blocking by whoever shares them with us
 * (O_NONBLOCK belongs to the open file, not to the descriptor: open(2)), so
 * EAGAIN is waited out with poll.
 *
 * The reader holds one buffer of a longest line and one read.  It reads to
 * the front whenever everything was taken, which keeps the bytes in the
 * cache, and moves only the beginning of a line that a read has cut.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "io.h"

#define CHUNK (1024 * 1024)		/* most that one read asks for */

struct bk_rbuf {
	char *what;
	int fd;
	int stop;			/* see bk_rbuf_stop; 0: none */
	bool eof;
	size_t start, end;		/* what is held: p[start, end) */
	size_t seen;			/* no '\n' in p[start, start + seen) */
	char *p;
};

/* After a call on ${fd} has failed: may it be repeated?  Waits if need be. */
static bool
again(int fd, short events)
{
	struct pollfd pfd = { fd, events, 0 };

	if (errno == EINTR)
		return true;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return false;
	return poll(&pfd, 1, -1) != -1 || errno == EINTR;
}

static int
write_fault(const char *what, int err, struct bk_fault *f)
{
	return bk_fault_errno(f, BK_IO, err, "cannot write '%s'", what);
}

static int
read_fault(const char *what, int err, struct bk_fault *f)
{
	return bk_fault_errno(f, BK_IO, err, "cannot read '%s'", what);
}

int
bk_write_all(int fd, const void *p, size_t n, const char *what,
    struct bk_fault *f)
{
	const char *s = p;
	ssize_t k;

	for (; n > 0; s += k, n -= (size_t)k)
		while ((k = write(fd, s, n)) == -1)
			if (!again(fd, POLLOUT))
				return write_fault(what, errno, f);
	return 0;
}

int
bk_writev_all(int fd, struct iovec *iov, int n, const char *what,
    struct bk_fault *f)
{
	size_t put = 0;			/* of the vectors from iov on */
	ssize_t k;

	for (;;) {
		for (; n > 0 && put >= iov->iov_len; iov++, n--)
			put -= iov->iov_len;
		if (n == 0)
			return 0;
		iov->iov_base = (char *)iov->iov_base + put;
		iov->iov_len -= put;
		while ((k = writev(fd, iov, n < IOV_MAX ? n : IOV_MAX)) == -1)
			if (!again(fd, POLLOUT))
				return write_fault(what, errno, f);
		put = (size_t)k;
	}
}

int
bk_pwrite_all(int fd, const void *p, size_t n, uint64_t off,
    const char *what, struct bk_fault *f)
{
	const char *s = p;
	ssize_t k;

	for (; n > 0; s += k, n -= (size_t)k, off += (uint64_t)k)
		while ((k = pwrite(fd, s, n, (off_t)off)) == -1)
			if (!again(fd, POLLOUT))
				return write_fault(what, errno, f);
	return 0;
}

int
bk_pread_all(int fd, void *p, size_t n, uint64_t off, const char *what,
    struct bk_fault *f)
{
	char *s = p;
	ssize_t k;

	for (; n > 0; s += k, n -= (size_t)k, off += (uint64_t)k) {
		while ((k = pread(fd, s, n, (off_t)off)) == -1)
			if (!again(fd, POLLIN))
				return read_fault(what, errno, f);
		if (k == 0)
			return bk_fault_set(f, BK_IO,
			    "cannot read '%s': it ends %zu bytes early", what, n);
	}
	return 0;
}

/* One read of at least a byte; 0 at end of file, -1 with ${f} set. */
static ssize_t
read_some(int fd, void *p, size_t n, const char *what, struct bk_fault *f)
{
	ssize_t k;

	while ((k = read(fd, p, n)) == -1)
		if (!again(fd, POLLIN))
			return read_fault(what, errno, f);
	return k;
}

ssize_t
bk_read_full(int fd, void *p, size_t n, const char *what, struct bk_fault *f)
{
	char *s = p;
	size_t got = 0;
	ssize_t k;

	while (got < n) {
		if ((k = read_some(fd, s + got, n - got, what, f)) == -1)
			return -1;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

int
bk_fsync(int fd, const char *what, struct bk_fault *f)
{
	while (fsync(fd) == -1)
		if (errno != EINTR)
			return bk_fault_errno(f, BK_IO, errno,
			    "cannot flush '%s' to disk", what);
	return 0;
}

int
bk_close(int fd, const char *what, struct bk_fault *f)
{
	/* Not repeated after EINTR: Linux has let go of it (close(2)). */
	if (close(fd) == -1)
		return bk_fault_errno(f, BK_IO, errno, "cannot close '%s'", what);
	return 0;
}

int
bk_dir_sync(const char *dir, struct bk_fault *f)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd == -1)
		return bk_fault_errno(f, 0, errno, "cannot open '%s'", dir);
	rc = bk_fsync(fd, dir, f);
	(void)close(fd);
	return rc;
}

void
bk_pipe_enlarge(int fd)
{
	int saved = errno;

	(void)fcntl(fd, F_SETPIPE_SZ, 1024 * 1024);
	errno = saved;
}

/* O_TMPFILE where the file system lacks it (NFS, FUSE, old kernels). */
static int
named_tmpfile(const char *dir, struct bk_fault *f)
{
	struct bk_buf path = BK_BUF_INIT(65536);
	int fd = -1;

	if (bk_buf_addf(&path, f, "%s/.bk-XXXXXX", dir) == 0 &&
	    (fd = mkostemp(path.p, O_CLOEXEC)) != -1 && unlink(path.p) == -1) {
		int err = errno;

		(void)close(fd);
		fd = -1;
		errno = err;
	}
	bk_buf_release(&path);
	return fd;
}

int
bk_tmpfile(const char *dir, struct bk_fault *f)
{
	int fd;

	/* O_EXCL: no name can be given to it later. */
	fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 && (errno == EOPNOTSUPP || errno == EISDIR))
		fd = named_tmpfile(dir, f);
	if (fd == -1)
		return bk_fault_errno(f, errno == ENOSPC || errno == EDQUOT ||
		    errno == EIO ? BK_IO : BK_CANTCREATE, errno,
		    "cannot create a temporary file in '%s'", dir);
	return fd;
}

struct bk_rbuf *
bk_rbuf_new(int fd, const char *what, struct bk_fault *f)
{
	struct bk_rbuf *r;

	if ((r = calloc(1, sizeof(*r))) != NULL) {
		r->fd = fd;
		r->what = strdup(what);
		r->p = malloc(BK_LINE_MAX + CHUNK);
		if (r->what != NULL && r->p != NULL) {
			bk_pipe_enlarge(fd);
			return r;
		}
	}
	(void)bk_fault_set(f, BK_IO, "out of memory reading '%s'", what);
	bk_rbuf_free(r);
	return NULL;
}

void
bk_rbuf_stop(struct bk_rbuf *r, int stop)
{
	r->stop = stop;
}

void
bk_rbuf_free(struct bk_rbuf *r)
{
	if (r == NULL)
		return;
	free(r->p);
	free(r->what);
	free(r);
}

/* Wait for input; -1 with ${f} set where we shall stop instead. */
static int
wait_input(const struct bk_rbuf *r, struct bk_fault *f)
{
	struct pollfd p[2] = { { r->fd, POLLIN, 0 }, { r->stop, POLLIN, 0 } };

	while (poll(p, 2, -1) == -1)
		if (errno != EINTR)
			return bk_fault_errno(f, BK_IO, errno,
			    "cannot wait for '%s'", r->what);
	return p[1].revents != 0 ? bk_fault_set(f, BK_DATA, "stopped") : 0;
}

/* Read more behind what is held.  BK_MORE, BK_END, or -1 with ${f} set. */
static int
fill(struct bk_rbuf *r, struct bk_fault *f)
{
	ssize_t k;

	if (r->eof)
		return BK_END;
	if (r->start > 0) {
		memmove(r->p, r->p + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	/* Callers hold less than a line when they ask for more. */
	assert(r->end < BK_LINE_MAX);
	if (r->stop > 2 && wait_input(r, f) == -1)
		return -1;
	if ((k = read_some(r->fd, r->p + r->end, CHUNK, r->what, f)) == -1)
		return -1;
	r->eof = k == 0;
	r->end += (size_t)k;
	return r->eof ? BK_END : BK_MORE;
}

int
bk_rbuf_peek_line(struct bk_rbuf *r, const char **p, size_t *n,
    struct bk_fault *f)
{
	size_t held, look;
	const char *nl;
	int rc;

	for (;;) {
		held = r->end - r->start;
		look = held < BK_LINE_MAX ? held : BK_LINE_MAX;
		nl = look == r->seen ? NULL :
		    memchr(r->p + r->start + r->seen, '\n', look - r->seen);
		if (nl != NULL) {
			*p = r->p + r->start;
			*n = (size_t)(nl + 1 - *p);
			return BK_MORE;
		}
		r->seen = look;
		if (look == BK_LINE_MAX)
			return bk_fault_set(f, BK_DATA,
			    "'%s' has a line longer than %d bytes", r->what,
			    BK_LINE_MAX);
		if ((rc = fill(r, f)) == -1)
			return -1;
		if (rc == BK_END)
			break;
	}
	if (held == 0)
		return BK_END;
	return bk_fault_set(f, BK_DATA, "'%s' ends in the middle of a line",
	    r->what);
}

int
bk_rbuf_line(struct bk_rbuf *r, const char **p, size_t *n, struct bk_fault *f)
{
	int rc;

	if ((rc = bk_rbuf_peek_line(r, p, n, f)) == BK_MORE) {
		r->start += *n;
		r->seen = 0;
	}
	return rc;
}

int
bk_rbuf_peek(struct bk_rbuf *r, const void **p, size_t *n, struct bk_fault *f)
{
	int rc;

	if (r->start == r->end && (rc = fill(r, f)) != BK_MORE)
		return rc;
	*p = r->p + r->start;
	*n = r->end - r->start;
	return BK_MORE;
}

int
bk_rbuf_bytes(struct bk_rbuf *r, size_t max, const void **p, size_t *n,
    struct bk_fault *f)
{
	int rc;

	assert(max > 0);
	if ((rc = bk_rbuf_peek(r, p, n, f)) != BK_MORE)
		return rc;
	if (*n > max)
		*n = max;
	r->start += *n;
	r->seen = 0;
	return BK_MORE;
}
