/*
 * Descriptors and the buffered reader: short, interrupted and refused
 * transfers, full devices, the longest line.
 *
 * Interruptions come from an interval timer whose handler, after some ticks,
 * does what the blocked call waits for; so nothing here sleeps or races.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "tap.h"

#define TICKS 3

static volatile sig_atomic_t ticks;
static int tick_fd = -1;		/* acted on at the last tick */
static bool tick_reads;

static int no_tmpfile;			/* errno of open with O_TMPFILE */
static int no_unlink;			/* errno of unlink */

/* These take the place of libc's. */
int open64(const char *path, int flags, ...);
int
open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (no_tmpfile != 0 && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = no_tmpfile;
		return -1;
	}
	return openat(AT_FDCWD, path, flags, mode);
}

int
unlink(const char *path)
{
	if (unlinkat(AT_FDCWD, path, 0) == -1 || no_unlink == 0)
		return no_unlink == 0 ? 0 : -1;
	errno = no_unlink;
	return -1;
}

static void
tick(int sig)
{
	static char drain[4096];
	int saved = errno;

	(void)sig;
	if (++ticks < TICKS)
		;
	else if (tick_reads) {
		if (read(tick_fd, drain, sizeof(drain)) < 0 && errno != EAGAIN)
			abort();
	} else if (ticks == TICKS && write(tick_fd, "late", 4) != 4)
		abort();
	errno = saved;
}

static void
ticking(int fd, bool reads)
{
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = tick;		/* without SA_RESTART */
	sigaction(SIGALRM, &sa, NULL);
	ticks = 0;
	tick_fd = fd;
	tick_reads = reads;
	setitimer(ITIMER_REAL, &every, NULL);
}

static void
silence(void)
{
	struct itimerval never = { { 0, 0 }, { 0, 0 } };

	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_IGN);
}

/* An unlinked file that holds ${n} bytes, at its start. */
static int
file_of(const void *p, size_t n)
{
	struct bk_fault f = BK_FAULT_INIT;
	int fd = bk_tmpfile(tap_dir(), &f);

	if (fd == -1 || bk_write_all(fd, p, n, "file", &f) == -1 ||
	    lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

static void
test_interrupted(int flags)
{
	static char big[300000];
	struct bk_fault f = BK_FAULT_INIT;
	char got[16] = "";
	struct iovec iov[4] = { { big, 0 }, { big, 1 }, { big, 0 },
	    { big, sizeof(big) - 1 } };
	int p[2];

	if (pipe2(p, O_CLOEXEC | flags) != 0)
		abort();
	ticking(p[1], false);
	ok_int(bk_read_full(p[0], got, 4, "pipe", &f), 4, "an interrupted read");
	silence();
	ok_text(got, "late", "gets what came late");
	ok(ticks >= TICKS, "and was interrupted");

	/* Draining must not block the handler at the end. */
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	signal(SIGALRM, SIG_IGN);
	ticking(p[0], true);
	ok_int(bk_write_all(p[1], big, sizeof(big) / 10, "pipe", &f), 0,
	    "an interrupted, short write");
	ok_int(bk_writev_all(p[1], iov, 4, "pipe", &f), 0, "the same in vectors");
	silence();
	ok(ticks >= TICKS && !bk_faulty(&f), "were interrupted");
	close(p[0]);
	ok_int(bk_write_all(p[1], "x", 1, "pipe", &f), -1, "a reader gone");
	ok(f.status == 74 && f.err == EPIPE, "is EPIPE");
	bk_fault_clear(&f);
	iov[0].iov_base = big;
	iov[0].iov_len = 1;
	ok_int(bk_writev_all(p[1], iov, 1, "pipe", &f), -1, "also for vectors");
	ok_int(f.err, EPIPE, "is EPIPE");
	close(p[1]);
}

static void
test_vectors(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	static char letters[] = "abcdefghij";
	struct iovec iov[IOV_MAX + 10];
	char got[IOV_MAX + 10];
	int i, bad = 0, fd;

	fd = file_of("", 0);
	for (i = 0; i < IOV_MAX + 10; i++) {
		iov[i].iov_base = &letters[i % 10];
		iov[i].iov_len = 1;
	}
	ok_int(bk_writev_all(fd, iov, IOV_MAX + 10, "f", &f), 0,
	    "more vectors than the system takes");
	ok_int(bk_writev_all(fd, iov, 0, "f", &f), 0, "none");
	ok_int(bk_pread_all(fd, got, sizeof(got), 0, "f", &f), 0, "read back");
	for (i = 0; i < IOV_MAX + 10; i++)
		bad += got[i] != letters[i % 10];
	ok_int(bad, 0, "all there");
	close(fd);
}

static void
test_full(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct iovec iov = { (char[]){ 'x' }, 1 };
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);

	ok_int(bk_write_all(fd, "x", 1, "/dev/full", &f), -1, "disk full");
	ok(f.status == 74 && f.err == ENOSPC, "74");
	ok_text(f.text, "cannot write '/dev/full': No space left on device", "says it");
	bk_fault_clear(&f);
	ok_int(bk_writev_all(fd, &iov, 1, "x", &f), -1, "for vectors");
	ok(f.status == 74 && f.err == ENOSPC, "74");
	bk_fault_clear(&f);
	ok_int(bk_pwrite_all(fd, "x", 1, 0, "x", &f), -1, "for pwrite");
	ok(f.status == 74 && f.err == ENOSPC, "74");
	bk_fault_clear(&f);
	ok_int(bk_write_all(fd, "", 0, "x", &f), 0, "nothing can be written");
	ok_int(bk_close(fd, "x", &f), 0, "close");
	ok_int(bk_close(fd, "x", &f), -1, "close twice");
	ok(f.status == 74 && f.err == EBADF, "is a fault");
	bk_fault_clear(&f);
	ok_int(bk_fsync(fd, "x", &f), -1, "fsync of nothing");
	ok_text(f.text, "cannot flush 'x' to disk: Bad file descriptor", "says it");
}

static void
test_files(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	char got[10] = "";
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = file_of("hello", 5);
	struct stat st;

	ok_int(bk_read_full(fd, got, 10, "f", &f), 5, "short only at the end");
	ok_int(bk_read_full(fd, got, 10, "f", &f), 0, "and then nothing");
	ok_int(bk_pwrite_all(fd, "world", 5, 3, "f", &f), 0, "pwrite");
	ok_int(bk_pread_all(fd, got, 8, 0, "f", &f), 0, "pread");
	ok(memcmp(got, "helworld", 8) == 0, "what was written");
	ok_int(bk_pread_all(fd, got, 3, 6, "f", &f), -1, "pread beyond the end");
	ok_text(f.text, "cannot read 'f': it ends 1 bytes early", "is a fault");
	ok_int(f.status, 74, "74");
	ok(fstat(fd, &st) == 0 && st.st_nlink == 0 && (st.st_mode & 07777) == 0600,
	    "a temporary file has no name and mode 0600");
	ok((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "and is close-on-exec");
	bk_fault_clear(&f);
	ok_int(bk_fsync(fd, "f", &f), 0, "fsync");
	ok_int(bk_close(fd, "f", &f), 0, "close");
	ok_int(bk_read_full(dir, got, 1, "/", &f), -1, "a directory cannot be read");
	ok(f.status == 74 && f.err == EISDIR, "74");
	bk_fault_clear(&f);
	ok_int(bk_pread_all(dir, got, 1, 0, "/", &f), -1, "nor by pread");
	ok_int(f.status, 74, "74");
	close(dir);
}

static void
test_tmpfile(void)
{
	static const int lacks[] = { EOPNOTSUPP, EISDIR };
	struct bk_fault f = BK_FAULT_INIT;
	struct stat st;
	size_t i;
	int fd;

	for (i = 0; i < 2; i++) {
		no_tmpfile = lacks[i];
		fd = bk_tmpfile(tap_dir(), &f);
		ok(fd != -1 && fstat(fd, &st) == 0 && st.st_nlink == 0 &&
		    (st.st_mode & 07777) == 0600 &&
		    (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0,
		    "the same without O_TMPFILE");
		close(fd);
	}
	no_unlink = EIO;
	ok_int(bk_tmpfile(tap_dir(), &f), -1, "a name that stays");
	ok(f.status == 74 && f.err == EIO, "is a fault");
	no_unlink = 0;
	bk_fault_clear(&f);
	ok_int(bk_tmpfile("/nonexistent", &f), -1, "no such directory");
	ok_int(f.status, 73, "73");
	no_tmpfile = 0;
	bk_fault_clear(&f);
	ok_int(bk_tmpfile("/nonexistent", &f), -1, "also with O_TMPFILE");
	ok_text(f.text, "cannot create a temporary file in '/nonexistent': "
	    "No such file or directory", "says it");
	no_tmpfile = ENOSPC;
	bk_fault_clear(&f);
	ok_int(bk_tmpfile(tap_dir(), &f), -1, "disk full");
	ok_int(f.status, 74, "74");
	no_tmpfile = 0;
}

static void
test_pipe(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) != 0)
		abort();
	errno = ENOTTY;
	bk_pipe_enlarge(p[1]);
	bk_pipe_enlarge(-1);
	ok_int(errno, ENOTTY, "enlarging a pipe keeps errno");
	ok(fcntl(p[0], F_GETPIPE_SZ) >= 4096, "whatever came of it");
	close(p[0]);
	close(p[1]);
}

static void
test_lines(void)
{
	static const char text[] = "one\n\ntwo\0x\nRAWthree\nlast";
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_rbuf *r;
	const char *p;
	const void *v;
	size_t n;
	int fd = file_of(text, sizeof(text) - 1), i;

	r = bk_rbuf_new(fd, "list", &f);
	ok(bk_rbuf_peek_line(r, &p, &n, &f) == BK_MORE && n == 4, "peek");
	ok(bk_rbuf_line(r, &p, &n, &f) == BK_MORE && n == 4 &&
	    memcmp(p, "one\n", 4) == 0, "line");
	ok(bk_rbuf_line(r, &p, &n, &f) == BK_MORE && n == 1, "empty line");
	ok(bk_rbuf_peek(r, &v, &n, &f) == BK_MORE && n == 19, "peek at bytes");
	ok(bk_rbuf_line(r, &p, &n, &f) == BK_MORE && n == 6 &&
	    memcmp(p, "two\0x\n", 6) == 0, "a line with a NUL");
	ok(bk_rbuf_bytes(r, 3, &v, &n, &f) == BK_MORE && n == 3 &&
	    memcmp(v, "RAW", 3) == 0, "bytes between lines");
	ok(bk_rbuf_line(r, &p, &n, &f) == BK_MORE && n == 6, "line after them");
	for (i = 0; i < 2; i++) {
		bk_fault_clear(&f);
		ok(bk_rbuf_line(r, &p, &n, &f) == -1 && f.status == 65,
		    "a last line without an end");
		ok_text(f.text, "'list' ends in the middle of a line", "says it");
	}
	bk_fault_clear(&f);
	ok(bk_rbuf_bytes(r, 100, &v, &n, &f) == BK_MORE && n == 4, "still bytes");
	for (i = 0; i < 2; i++) {
		ok_int(bk_rbuf_line(r, &p, &n, &f), BK_END, "the end of lines");
		ok_int(bk_rbuf_bytes(r, 1, &v, &n, &f), BK_END, "of bytes");
		ok_int(bk_rbuf_peek(r, &v, &n, &f), BK_END, "of peeking");
	}
	bk_rbuf_free(r);
	close(fd);
	bk_rbuf_free(NULL);

	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = bk_rbuf_new(fd, "/", &f);
	ok(bk_rbuf_line(r, &p, &n, &f) == -1 && f.status == 74, "read error");
	bk_fault_clear(&f);
	ok(bk_rbuf_bytes(r, 1, &v, &n, &f) == -1 && f.status == 74, "for bytes");
	bk_rbuf_free(r);
	close(fd);
}

static void
test_longest(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_rbuf *r;
	char *s = malloc(3 * BK_LINE_MAX);
	const char *p;
	const void *v;
	size_t n, lead;
	int fd;

	memset(s, 'x', 3 * BK_LINE_MAX);
	for (lead = 0; lead <= 10; lead += 10) {
		/* A short line before it, so that it has to be moved. */
		if (lead > 0)
			s[lead - 1] = '\n';
		s[lead + BK_LINE_MAX - 1] = '\n';
		fd = file_of(s, lead + 2 * BK_LINE_MAX + 1);
		r = bk_rbuf_new(fd, "x", &f);
		if (lead > 0)
			ok(bk_rbuf_line(r, &p, &n, &f) == BK_MORE && n == lead,
			    "a line before");
		ok(bk_rbuf_peek_line(r, &p, &n, &f) == BK_MORE &&
		    n == BK_LINE_MAX, "peek at a line of 1 MiB");
		ok(bk_rbuf_line(r, &p, &n, &f) == BK_MORE && n == BK_LINE_MAX &&
		    p[0] == 'x' && p[n - 1] == '\n', "a line of 1 MiB");
		ok(bk_rbuf_line(r, &p, &n, &f) == -1 && f.status == 65,
		    "no end within 1 MiB");
		ok_text(f.text, "'x' has a line longer than 1048576 bytes", "says it");
		bk_fault_clear(&f);
		ok(bk_rbuf_peek_line(r, &p, &n, &f) == -1 && f.status == 65,
		    "and again");
		bk_fault_clear(&f);
		ok(bk_rbuf_bytes(r, 1, &v, &n, &f) == BK_MORE && n == 1, "bytes");
		bk_rbuf_free(r);
		close(fd);

		s[lead + BK_LINE_MAX - 1] = 'x';
		s[lead + BK_LINE_MAX] = '\n';
		fd = file_of(s, lead + BK_LINE_MAX + 1);
		r = bk_rbuf_new(fd, "x", &f);
		if (lead > 0)
			bk_rbuf_line(r, &p, &n, &f);
		ok(bk_rbuf_line(r, &p, &n, &f) == -1 && f.status == 65,
		    "one byte more is refused");
		bk_fault_clear(&f);
		bk_rbuf_free(r);
		close(fd);
		s[lead + BK_LINE_MAX] = 'x';
	}
	free(s);
}

/*
 * Lines and blocks in turn, as a stream has them, through a pipe that is
 * written in odd pieces.
 */
static void
test_mixed(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	static char s[4000000];
	size_t at, n, want, len = 0, lines = 0, sizes[2000], k = 0;
	unsigned int seed = 1;
	struct bk_rbuf *r;
	const char *p;
	const void *v;
	int fds[2], bad = 0, status;
	pid_t pid;

	while (len < sizeof(s) - 200000) {
		at = (size_t)(rand_r(&seed) % (k % 9 == 0 ? 150000 : 3000));
		memset(s + len, 'a' + (int)(k % 26), at);
		s[len + at] = '\n';
		sizes[k++] = at + 1;
		len += at + 1;
	}
	if (pipe2(fds, O_CLOEXEC) != 0 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		for (at = 0; at < len; at += n) {
			n = (size_t)(rand_r(&seed) % 70000) + 1;
			n = n < len - at ? n : len - at;
			if (bk_write_all(fds[1], s + at, n, "pipe", &f) == -1)
				_exit(1);
		}
		_exit(0);
	}
	close(fds[1]);
	r = bk_rbuf_new(fds[0], "pipe", &f);
	for (at = lines = 0; lines < k; lines++) {
		if (lines % 3 != 0) {
			bad += bk_rbuf_line(r, &p, &n, &f) != BK_MORE ||
			    n != sizes[lines] || memcmp(p, s + at, n) != 0;
			at += sizes[lines];
			continue;
		}
		for (want = sizes[lines]; want > 0; want -= n, at += n) {
			if (bk_rbuf_bytes(r, want, &v, &n, &f) != BK_MORE ||
			    n == 0 || n > want)
				abort();
			bad += memcmp(v, s + at, n) != 0;
		}
	}
	ok_int(bk_rbuf_line(r, &p, &n, &f), BK_END, "the end of a pipe");
	ok(at == len && k > 100, "all of it");
	ok_int(bad, 0, "in order, lines and blocks");
	ok(waitpid(pid, &status, 0) == pid && status == 0, "the writer is content");
	bk_rbuf_free(r);
	close(fds[0]);
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_interrupted(0);
	test_interrupted(O_NONBLOCK);
	test_vectors();
	test_full();
	test_files();
	test_tmpfile();
	test_pipe();
	test_lines();
	test_longest();
	test_mixed();
	return done();
}
