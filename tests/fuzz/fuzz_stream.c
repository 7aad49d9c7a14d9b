/*
 * Streams: once as they are, once with the CRC made right, so that what is
 * behind that check is reached too.  What is accepted must come out the same
 * when it is written and read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "fuzz.h"
#include "stream.h"

/* The number of bytes before the CRC's digits, or 0 where there is none. */
static size_t
crc_at(const uint8_t *p, size_t n)
{
	static const char before[] = "\"crc32\":\"";
	size_t len = sizeof(before) - 1;

	return n > len + 11 && memcmp(p + n - len - 11, before, len) == 0 ?
	    n - 11 : 0;
}

/* Read it all: BK_END or -1; the bytes of payload in *${bytes}. */
static int
read_all(const uint8_t *p, size_t n, uint64_t *bytes)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_rbuf *r;
	struct bk_stream_in *in = NULL;
	const void *block;
	json_t *h;
	size_t len;
	int fd = fuzz_fd(p, n), rc = -1;

	*bytes = 0;
	if ((r = bk_rbuf_new(fd, "fuzz", &f)) != NULL &&
	    (in = bk_stream_reader(r, &f)) != NULL &&
	    bk_stream_header(in, &h, &f) == 0)
		while ((rc = bk_stream_read(in, &block, &len, &f)) == BK_MORE)
			*bytes += len;
	FUZZ_CHECK((rc == -1) == bk_faulty(&f));
	FUZZ_CHECK(rc == -1 || *bytes <= n);
	FUZZ_CHECK(rc == -1 || bk_stream_end(in) != NULL);
	bk_stream_in_free(in);
	bk_rbuf_free(r);
	(void)close(fd);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint64_t bytes;
	size_t at = crc_at(p, n);
	char digits[9];
	uint8_t *copy;

	(void)read_all(p, n, &bytes);
	if (at == 0 || (copy = malloc(n)) == NULL)
		return 0;
	memcpy(copy, p, n);
	snprintf(digits, sizeof(digits), "%08lx",
	    crc32(0, p, (unsigned int)at) & 0xffffffffUL);
	memcpy(copy + at, digits, 8);
	if (read_all(copy, n, &bytes) != -1) {
		/* One byte less, or a CRC that is not right, is refused. */
		FUZZ_CHECK(read_all(copy, n - 1, &bytes) == -1);
		copy[at] = copy[at] == '0' ? '1' : '0';
		FUZZ_CHECK(read_all(copy, n, &bytes) == -1);
	}
	free(copy);
	return 0;
}
