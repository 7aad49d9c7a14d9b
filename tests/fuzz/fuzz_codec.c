/*
 * Compressed files, of bk and of other programs: the first byte says which
 * format.  What is refused or given out must not depend on pieces or threads.
 */
#include <zlib.h>

#include "codec.h"
#include "filter.h"
#include "fuzz.h"

#define PLAIN_MAX (8U << 20)		/* a bomb ends here */

struct plain {
	uint64_t bytes;
	unsigned long crc;
};

static int
take(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct plain *o = arg;

	o->bytes += n;
	o->crc = crc32(o->crc, p, (unsigned int)n);
	return o->bytes > PLAIN_MAX ? bk_fault_set(f, BK_IO, "enough") : 0;
}

static int
decode(const struct bk_codec_format *c, const uint8_t *p, size_t n,
    size_t piece, int threads, struct plain *o)
{
	struct bk_fault f = BK_FAULT_INIT;
	void *t = c->decode(threads, take, o, &f);
	int rc = 0;

	FUZZ_CHECK(t != NULL);
	for (; rc == 0 && n > 0; p += piece, n -= piece)
		rc = c->decode_ops->write(t, p, piece = piece < n ? piece : n, &f);
	if (rc == 0)
		rc = c->decode_ops->finish(t, &f);
	c->decode_ops->free(t);
	FUZZ_CHECK((rc == -1) == bk_faulty(&f));
	FUZZ_CHECK(rc == 0 || f.status == BK_DATA || f.status == BK_IO);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct bk_codec_format *c;
	struct plain a = { 0, 0 }, b = { 0, 0 };
	int rc;

	if (n == 0)
		return 0;
	c = p[0] & 1 ? &bk_codec_gzip : &bk_codec_zstd;
	rc = decode(c, p + 1, n - 1, n, 1, &a);
	FUZZ_CHECK(decode(c, p + 1, n - 1, 61, 2, &b) == rc);
	FUZZ_CHECK(rc == -1 || (a.bytes == b.bytes && a.crc == b.crc));
	return 0;
}
