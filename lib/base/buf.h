/*
 * A byte buffer that grows up to a maximum it is born with.  What it holds
 * is always followed by a NUL that is not counted, so that text can be read
 * in place.  Passing the maximum, and running out of memory, is a fault.
 */
#ifndef BK_BUF_H
#define BK_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "fault.h"

struct bk_buf {
	char *p;		/* NULL until something was added */
	size_t len;		/* bytes held */
	size_t size;		/* bytes allocated */
	size_t max;		/* len never passes this */
};

#define BK_BUF_INIT(max) { NULL, 0, 0, (max) }

/* Append ${n} bytes at ${data}.  0, or -1 with ${f} set (74). */
int bk_buf_add(struct bk_buf *b, const void *data, size_t n, struct bk_fault *f);

/* Append the string ${s}.  0, or -1 with ${f} set. */
int bk_buf_adds(struct bk_buf *b, const char *s, struct bk_fault *f);

/* Append formatted text.  0, or -1 with ${f} set. */
int bk_buf_addf(struct bk_buf *b, struct bk_fault *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Make room for ${n} more bytes behind len.  0, or -1 with ${f} set. */
int bk_buf_need(struct bk_buf *b, size_t n, struct bk_fault *f);

/* Remove the first ${n} bytes (n <= len). */
void bk_buf_drop(struct bk_buf *b, size_t n);

/* The text held; "" for an empty buffer.  Never NULL. */
const char *bk_buf_text(const struct bk_buf *b);

/* Empty the buffer and keep its storage. */
void bk_buf_reset(struct bk_buf *b);

/*
 * Give the contents to the caller, who frees them; the buffer is empty then.
 * Returns NULL, with ${f} set, only where memory runs out.
 */
char *bk_buf_detach(struct bk_buf *b, struct bk_fault *f);

/* Free the contents.  With _wipe, overwrite them first (secrets). */
void bk_buf_release(struct bk_buf *b);
void bk_buf_wipe(struct bk_buf *b);

#endif
