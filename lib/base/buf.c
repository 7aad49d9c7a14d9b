/*
 * The storage doubles, up to the maximum and one byte for the NUL.  A small
 * block that is outgrown is overwritten before it is freed, so that
 * bk_buf_wipe leaves no earlier copy of a secret behind; blocks too large
 * for a secret are left to realloc, which moves pages instead of bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

#define FIRST 64
#define SECRET_MAX (64 * 1024)

static char *
grow(struct bk_buf *b, size_t size)
{
	char *p;

	if (b->size > SECRET_MAX)
		return realloc(b->p, size);
	if ((p = malloc(size)) == NULL)
		return NULL;
	if (b->p != NULL) {
		memcpy(p, b->p, b->len + 1);
		explicit_bzero(b->p, b->size);
		free(b->p);
	}
	return p;
}

int
bk_buf_need(struct bk_buf *b, size_t n, struct bk_fault *f)
{
	size_t want, size;
	char *p;

	if (n > b->max - b->len || n >= SIZE_MAX - b->len)
		return bk_fault_set(f, BK_IO,
		    "a buffer would pass its limit of %zu bytes", b->max);
	want = b->len + n + 1;
	if (want <= b->size)
		return 0;
	size = b->size < FIRST / 2 ? FIRST : b->size;
	while (size < want)
		size = size > SIZE_MAX / 2 ? SIZE_MAX : 2 * size;
	if (b->max < SIZE_MAX && size > b->max + 1)
		size = b->max + 1;
	if ((p = grow(b, size)) == NULL)
		return bk_fault_set(f, BK_IO,
		    "out of memory: cannot have %zu bytes", size);
	p[b->len] = '\0';
	b->p = p;
	b->size = size;
	return 0;
}

int
bk_buf_add(struct bk_buf *b, const void *data, size_t n, struct bk_fault *f)
{
	if (bk_buf_need(b, n, f) == -1)
		return -1;
	if (n > 0)
		memcpy(b->p + b->len, data, n);
	b->len += n;
	b->p[b->len] = '\0';
	return 0;
}

int
bk_buf_adds(struct bk_buf *b, const char *s, struct bk_fault *f)
{
	return bk_buf_add(b, s, strlen(s), f);
}

int
bk_buf_addf(struct bk_buf *b, struct bk_fault *f, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return bk_fault_set(f, BK_BUG, "cannot format '%s'", fmt);
	if (bk_buf_need(b, (size_t)n, f) == -1)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void
bk_buf_drop(struct bk_buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->len - n + 1);
	b->len -= n;
}

const char *
bk_buf_text(const struct bk_buf *b)
{
	return b->p != NULL ? b->p : "";
}

void
bk_buf_reset(struct bk_buf *b)
{
	b->len = 0;
	if (b->p != NULL)
		b->p[0] = '\0';
}

char *
bk_buf_detach(struct bk_buf *b, struct bk_fault *f)
{
	char *p;

	if (b->p == NULL && bk_buf_need(b, 0, f) == -1)
		return NULL;
	p = b->p;
	b->p = NULL;
	b->len = b->size = 0;
	return p;
}

void
bk_buf_release(struct bk_buf *b)
{
	free(b->p);
	b->p = NULL;
	b->len = b->size = 0;
}

void
bk_buf_wipe(struct bk_buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->size);
	bk_buf_release(b);
}
