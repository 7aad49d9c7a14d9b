/*
 * Reading and writing descriptors to the end, and the buffered reader that
 * streams and record lists share.
 */
#ifndef BK_IO_H
#define BK_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "fault.h"

/* What "next" functions answer: something came, or the proper end was read. */
#define BK_END 0
#define BK_MORE 1

/*
 * A consumer of bytes: takes all ${n} (>= 1) bytes at ${p} before it returns
 * 0, or returns -1 with ${f} set.  May block.  Keeps no pointer into ${p}.
 */
typedef int bk_sink_fn(void *arg, const void *p, size_t n, struct bk_fault *f);

/*
 * Write all ${n} bytes to ${fd}, blocking; EINTR and short writes are
 * handled.  ${what} names the destination in a fault.  0, or -1 with ${f}
 * set: 74; EPIPE sets f->err to EPIPE.
 */
int bk_write_all(int fd, const void *p, size_t n, const char *what,
    struct bk_fault *f);
int bk_writev_all(int fd, struct iovec *iov, int n, const char *what,
    struct bk_fault *f);

/* pwrite and pread to the end; a read that ends early is a fault (74). */
int bk_pwrite_all(int fd, const void *p, size_t n, uint64_t off,
    const char *what, struct bk_fault *f);
int bk_pread_all(int fd, void *p, size_t n, uint64_t off, const char *what,
    struct bk_fault *f);

/*
 * Read until ${n} bytes or end of file.  Returns the count (short only at
 * end of file) or -1 with ${f} set (74).
 */
ssize_t bk_read_full(int fd, void *p, size_t n, const char *what,
    struct bk_fault *f);

/* fsync and close, both checked.  0, or -1 with ${f} set (74). */
int bk_fsync(int fd, const char *what, struct bk_fault *f);
int bk_close(int fd, const char *what, struct bk_fault *f);

/* Make the names in directory ${dir} durable.  0, or -1 with ${f} set. */
int bk_dir_sync(const char *dir, struct bk_fault *f);

/* Enlarge a pipe to 1 MiB where the kernel lets us; anything else: no-op. */
void bk_pipe_enlarge(int fd);

/*
 * An unlinked temporary file in directory ${dir}, close-on-exec, mode 0600.
 * Returns the descriptor or -1 with ${f} set (73, 74).
 */
int bk_tmpfile(const char *dir, struct bk_fault *f);

/*
 * Buffered reader.  Lines and raw bytes can be taken in turn.  The buffer is
 * allocated once: 1 MiB of line and 1 MiB of read-ahead.
 */
struct bk_rbuf;

#define BK_LINE_MAX (1024 * 1024)	/* longest line, its '\n' included */

/*
 * A reader on ${fd}, which stays the caller's and must outlive it; ${what}
 * (kept as a copy) names it in faults.  NULL with ${f} set on no memory.
 */
struct bk_rbuf *bk_rbuf_new(int fd, const char *what, struct bk_fault *f);
void bk_rbuf_free(struct bk_rbuf *r);

/*
 * From now on a read ends with a fault, 65 "stopped", once ${stop} (as
 * bk_ctx.stop) is readable.
 */
void bk_rbuf_stop(struct bk_rbuf *r, int stop);

/*
 * Next line: *${p} points to it, *${n} is its length with the '\n'; valid
 * until the next call on ${r}.  Returns BK_MORE; BK_END at end of file with
 * nothing left; -1 with ${f} set: 65 for a line without '\n' at the end of
 * the file or one longer than BK_LINE_MAX, 74 for a read error.  Blocks.
 */
int bk_rbuf_line(struct bk_rbuf *r, const char **p, size_t *n,
    struct bk_fault *f);

/* As bk_rbuf_line, but the line stays in the reader and is given again. */
int bk_rbuf_peek_line(struct bk_rbuf *r, const char **p, size_t *n,
    struct bk_fault *f);

/*
 * Up to ${max} raw bytes, as many as are at hand, at least one: *${p}, *${n},
 * valid until the next call.  BK_MORE, BK_END, or -1 with ${f} set (74).
 */
int bk_rbuf_bytes(struct bk_rbuf *r, size_t max, const void **p, size_t *n,
    struct bk_fault *f);

/* As bk_rbuf_bytes for all that is buffered or at least one; consumes none. */
int bk_rbuf_peek(struct bk_rbuf *r, const void **p, size_t *n,
    struct bk_fault *f);

#endif
