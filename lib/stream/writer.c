/*
 * The stream between programs: writer.
 *
 * What it is handed goes to writev behind the block's line, without a copy,
 * unless it is so little that a block of its own would cost more than the
 * copy.  Pages are never given away by vmsplice: a reader that splices them
 * on delivers bytes that were overwritten since (seen, 6 of 6 runs).
 *
 * Memory: 128 KiB.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "hash.h"
#include "json.h"
#include "stream.h"

#define DIRECT (128 * 1024)		/* from here on a block is not copied */

struct bk_stream_out {
	int fd;
	uint32_t crc;
	bool broken;			/* a write failed: nothing can follow */
	bool ended;
	uint64_t bytes;			/* payload accepted */
	size_t held;			/* bytes in buf */
	uint8_t buf[DIRECT];
};

static const char WHAT[] = "standard output";

struct bk_stream_out *
bk_stream_writer(int fd, struct bk_fault *f)
{
	struct bk_stream_out *out = malloc(sizeof(*out));

	if (out == NULL) {
		bk_fault_errno(f, BK_IO, errno, "stream writer");
		return NULL;
	}
	memset(out, 0, offsetof(struct bk_stream_out, buf));
	out->fd = fd;
	bk_pipe_enlarge(fd);
	return out;
}

void
bk_stream_out_free(struct bk_stream_out *out)
{
	free(out);
}

/* Write the pieces, whose bytes the CRC has not seen yet. */
static int
emit(struct bk_stream_out *out, struct iovec *iov, int n, struct bk_fault *f)
{
	int i;

	assert(!out->ended);
	if (out->broken)
		return bk_fault_set(f, BK_IO, "%s: an earlier write failed",
		    WHAT);
	for (i = 0; i < n; i++)
		out->crc = bk_crc32(out->crc, iov[i].iov_base, iov[i].iov_len);
	if (bk_writev_all(out->fd, iov, n, WHAT, f) == -1) {
		out->broken = true;
		return -1;
	}
	return 0;
}

int
bk_stream_put_header(struct bk_stream_out *out, const json_t *h,
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(BK_LINE_MAX);
	struct iovec iov;
	int rc = -1;

	if (bk_json_text(h, &b, f) == -1 || bk_buf_add(&b, "\n", 1, f) == -1) {
		bk_fault_context(f, "stream header");
		goto out;
	}
	iov.iov_base = b.p;
	iov.iov_len = b.len;
	rc = emit(out, &iov, 1, f);
out:
	bk_buf_release(&b);
	return rc;
}

/* Write what is held and then ${n} bytes at ${p} as one block. */
static int
put_block(struct bk_stream_out *out, const void *p, size_t n,
    struct bk_fault *f)
{
	struct bk_buf line = BK_BUF_INIT(64);
	struct iovec iov[3];
	int rc;

	if (bk_buf_addf(&line, f, "{\"data\":%zu}\n", out->held + n) == -1) {
		bk_buf_release(&line);
		return -1;
	}
	iov[0].iov_base = line.p;
	iov[0].iov_len = line.len;
	iov[1].iov_base = out->buf;
	iov[1].iov_len = out->held;
	iov[2].iov_base = (void *)(uintptr_t)p;
	iov[2].iov_len = n;
	out->held = 0;
	rc = emit(out, iov, n > 0 ? 3 : 2, f);
	bk_buf_release(&line);
	return rc;
}

int
bk_stream_write(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct bk_stream_out *out = arg;
	const uint8_t *q = p;
	size_t take;

	out->bytes += n;
	while (out->held + n >= DIRECT) {
		take = BK_BLOCK_MAX - out->held;
		if (take > n)
			take = n;
		if (put_block(out, q, take, f) == -1)
			return -1;
		q += take;
		n -= take;
	}
	if (n > 0)
		memcpy(out->buf + out->held, q, n);
	out->held += n;
	return 0;
}

/* Write ${end} with the CRC behind it. */
static int
put_last(struct bk_stream_out *out, const json_t *end, struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(BK_LINE_MAX);
	struct iovec iov;
	uint32_t crc;
	int rc = -1;

	assert(json_object_get(end, "crc32") == NULL);
	if (bk_json_text(end, &b, f) == -1)
		goto out;
	assert(b.len > 2 && b.p[b.len - 1] == '}');
	b.len--;
	if (bk_buf_adds(&b, ",\"crc32\":\"", f) == -1)
		goto out;
	crc = bk_crc32(out->crc, b.p, b.len);
	if (bk_buf_addf(&b, f, "%08" PRIx32 "\"}\n", crc) == -1)
		goto out;
	iov.iov_base = b.p;
	iov.iov_len = b.len;
	rc = emit(out, &iov, 1, f);
	out->ended = true;
out:
	bk_fault_context(f, "stream end line");
	bk_buf_release(&b);
	return rc;
}

int
bk_stream_put_end(struct bk_stream_out *out, const json_t *end,
    struct bk_fault *f)
{
	if (out->held > 0 && put_block(out, NULL, 0, f) == -1)
		return -1;
	return put_last(out, end, f);
}

void
bk_stream_put_failed(struct bk_stream_out *out, const char *stage,
    const struct bk_fault *why, const json_t *passed)
{
	struct bk_fault f = BK_FAULT_INIT;
	json_t *end = NULL;

	if (out->broken || out->ended)
		return;
	out->held = 0;
	if (passed == NULL) {
		if ((end = json_object()) == NULL ||
		    bk_json_set_text(end, "end", "failed", &f) == -1 ||
		    bk_json_set(end, "status", json_integer(why->status), &f) == -1 ||
		    bk_json_set_text(end, "stage", stage, &f) == -1 ||
		    bk_json_set_text(end, "reason", why->text, &f) == -1)
			goto out;
		passed = end;
	}
	(void)put_last(out, passed, &f);
out:
	json_decref(end);
}

uint64_t
bk_stream_out_bytes(const struct bk_stream_out *out)
{
	return out->bytes;
}
