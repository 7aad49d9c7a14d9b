/*
 * Faults: how a library function says what went wrong.
 *
 * A function that fails returns -1 or NULL and fills the caller's struct
 * bk_fault.  The first fault wins: setting one that is already set changes
 * nothing, so that clean-up never masks the cause.  The status is decided
 * where the fault is found and is the exit status of the program in the end
 * (DESIGN, 10; the numbers are those of BSD's sysexits.h).
 *
 * Answers are not faults.  Functions that answer a question return 0 for
 * "done" or "found", BK_ABSENT, BK_EXISTS, BK_MORE and the like as their own
 * header says.
 */
#ifndef BK_FAULT_H
#define BK_FAULT_H

#include <stdarg.h>
#include <stdbool.h>

enum bk_status {
	BK_OK = 0,		/* done and durable */
	BK_NO = 1,		/* ran; the answer is no */
	BK_USAGE = 64,		/* the command line */
	BK_DATA = 65,		/* the data are bad, time limit */
	BK_NOINPUT = 66,	/* the named thing does not exist */
	BK_UNAVAILABLE = 69,	/* a server cannot be reached, keeps failing */
	BK_BUG = 70,		/* a bug in bk */
	BK_CANTCREATE = 73,	/* cannot create, or it would overwrite */
	BK_IO = 74,		/* read or write error, disk full */
	BK_BUSY = 75,		/* a lock is held */
	BK_NOPERM = 77,		/* permission or credentials refused */
	BK_CONFIG = 78		/* configuration */
};

struct bk_fault {
	int status;		/* enum bk_status or an upstream's; 0: no fault */
	int err;		/* errno at the time, or 0 */
	bool upstream;		/* an earlier stage of the stream has told of it */
	char text[1024];	/* one line, no newline, no final stop */
};

#define BK_FAULT_INIT { 0, 0, false, "" }

/*
 * Set ${f} to ${status} with the formatted text, unless ${f} is set already.
 * Control characters in the text become '?'; a text that is too long is cut.
 * Preserves errno.  Always returns -1, so that callers can return it.
 */
int bk_fault_set(struct bk_fault *f, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int bk_fault_vset(struct bk_fault *f, int status, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/*
 * As bk_fault_set, with ": " and the text of ${err} (an errno) behind, and
 * the status taken from ${err} where ${status} is 0: EACCES, EPERM: 77;
 * ENOENT, ENOTDIR: 66; ENOSPC, EDQUOT, EIO, EFBIG and all others: 74;
 * EEXIST, EROFS: 73; ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH,
 * ECONNRESET: 69; ENOMEM: 74.
 */
int bk_fault_errno(struct bk_fault *f, int status, int err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Put the formatted text and ": " before the text of ${f}, if ${f} is set. */
void bk_fault_context(struct bk_fault *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Forget the fault in ${f}. */
void bk_fault_clear(struct bk_fault *f);

/* Is ${f} set? */
static inline bool
bk_faulty(const struct bk_fault *f)
{
	return f->status != 0;
}

#endif
