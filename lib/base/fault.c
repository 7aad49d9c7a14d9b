/*
 * A fault is plain memory of the caller: it can be set where nothing can be
 * allocated any more, and needs no release.
 *
 * Texts quote what users, servers and files said, so control characters are
 * taken out here, once for all: those of ASCII and, as a terminal obeys them
 * too, U+0080 to U+009F (bytes c2 80 to c2 9f, RFC 3629).
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fault.h"

/* Copy ${src} to ${dst} of ${size} bytes, cut between characters, printable. */
static void
put_text(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);
	size_t i;

	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)src[n] & 0xc0) == 0x80)
			n--;
	}
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)src[i];

		if (c == 0xc2 && ((unsigned char)src[i + 1] & 0xe0) == 0x80) {
			dst[i++] = '?';
			dst[i] = '?';
		} else
			dst[i] = c < 0x20 || c == 0x7f ? '?' : src[i];
	}
	dst[n] = '\0';
}

static int
status_of(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return BK_NOPERM;
	case ENOENT:
	case ENOTDIR:
		return BK_NOINPUT;
	case EEXIST:
	case EROFS:
		return BK_CANTCREATE;
	case ECONNREFUSED:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ECONNRESET:
		return BK_UNAVAILABLE;
	default:
		return BK_IO;
	}
}

int
bk_fault_vset(struct bk_fault *f, int status, const char *fmt, va_list ap)
{
	/* One byte more than fits, so that put_text sees where it cuts. */
	char text[sizeof(f->text) + 1];
	int saved = errno;

	assert(status > 0);
	if (!bk_faulty(f)) {
		if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
			text[0] = '\0';
		put_text(f->text, sizeof(f->text), text);
		f->status = status;
		f->err = 0;
		f->upstream = false;
	}
	errno = saved;
	return -1;
}

int
bk_fault_set(struct bk_fault *f, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)bk_fault_vset(f, status, fmt, ap);
	va_end(ap);
	return -1;
}

int
bk_fault_errno(struct bk_fault *f, int status, int err, const char *fmt, ...)
{
	char text[sizeof(f->text) + 1], lead[sizeof(f->text)];
	const char *why;
	int saved = errno;
	va_list ap;

	if (bk_faulty(f))
		return -1;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	/* Of a long text the subject is cut, never the reason. */
	why = strerror(err);
	put_text(lead, sizeof(lead) - strlen(why) - 2, text);
	(void)bk_fault_set(f, status != 0 ? status : status_of(err), "%s: %s",
	    lead, why);
	f->err = err;
	errno = saved;
	return -1;
}

void
bk_fault_context(struct bk_fault *f, const char *fmt, ...)
{
	char lead[sizeof(f->text)];
	char text[2 * sizeof(f->text) + 2];
	int saved = errno;
	va_list ap;

	if (!bk_faulty(f))
		return;
	va_start(ap, fmt);
	if (vsnprintf(lead, sizeof(lead), fmt, ap) < 0)
		lead[0] = '\0';
	va_end(ap);
	(void)snprintf(text, sizeof(text), "%s: %s", lead, f->text);
	put_text(f->text, sizeof(f->text), text);
	errno = saved;
}

void
bk_fault_clear(struct bk_fault *f)
{
	f->status = 0;
	f->err = 0;
	f->upstream = false;
	f->text[0] = '\0';
}
