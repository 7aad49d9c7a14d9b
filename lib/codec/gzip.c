/*
 * gzip (RFC 1952) in members of 512 KiB of plain data, made and undone by
 * libdeflate in worker threads.
 *
 * Each member's header has one FEXTRA subfield (section 2.3.1.1) 'B' 'K' of
 * 8 bytes: size of the whole member and of its plain data, both unsigned
 * 32-bit little-endian.  Every gunzip skips it and reads the file as one; we
 * use it to find the next member without undoing this one, as BGZF does in
 * genomics with 'B' 'C'.
 *
 * The sizes are hints.  DESIGN (12) lets them go up to 16 MiB; only members
 * up to 1 MiB, twice what we write, go to workers, so that memory does not
 * depend on the file.  Everything else is read by zlib, in one thread:
 * foreign files, members whose hints are wrong, several members in a row.
 *
 * A member of libdeflate is whole or an error; its compressor at level 5 is
 * the fastest whose files are no larger than those of pigz -6 (LAB).
 *
 * Memory for N threads: encoding (N + 4) MiB and the compressors (level 1 to
 * 9: below 1 MiB each; 10 to 12: 9 MiB each); decoding at most (N + 4) times
 * 2 MiB, of our own files half; foreign files 1.5 MiB.
 */
#include <assert.h>
#include <errno.h>
#include <libdeflate.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "frames.h"

#define CHUNK (512 * 1024)
#define MEMBER_MAX (1024 * 1024)
#define HEAD 24				/* header with our subfield */
#define TRAILER 8			/* CRC-32, ISIZE */
#define BOUND (CHUNK + CHUNK / 64 + 1024)
#define SERIAL_OUT (256 * 1024)

/* The header up to the sizes: FEXTRA alone, no time, no system (255). */
static const uint8_t header[16] = { 0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255,
	12, 0, 'B', 'K', 8, 0 };

static void
store32(uint8_t *p, size_t v)
{
	int i;

	for (i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static size_t
load32(const uint8_t *p)
{
	return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 |
	    (size_t)p[3] << 24;
}

static void *
enc_new(int level)
{
	struct libdeflate_compressor *w = libdeflate_alloc_compressor(level);

	assert(w == NULL || libdeflate_deflate_compress_bound(w, CHUNK) <=
	    BOUND - HEAD - TRAILER);
	return w;
}

static void
enc_free(void *w)
{
	libdeflate_free_compressor(w);
}

static size_t
enc(void *w, const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
	size_t k;

	k = libdeflate_deflate_compress(w, in, n, out + HEAD,
	    cap - HEAD - TRAILER);
	if (k == 0)
		return 0;
	memcpy(out, header, sizeof(header));
	store32(out + 16, HEAD + k + TRAILER);
	store32(out + 20, n);
	store32(out + HEAD + k, libdeflate_crc32(0, in, n));
	store32(out + HEAD + k + 4, n);
	return HEAD + k + TRAILER;
}

static void *
dec_new(void)
{
	return libdeflate_alloc_decompressor();
}

static void
dec_free(void *w)
{
	libdeflate_free_decompressor(w);
}

/*
 * Time, extra flags and system, bytes 4 to 9, are free; flags other than
 * FEXTRA would put something between the sizes and the data.
 */
static size_t
judge(const uint8_t *p)
{
	size_t whole = load32(p + 16);

	if (memcmp(p, header, 4) != 0 || memcmp(p + 10, header + 10, 6) != 0 ||
	    whole <= HEAD + TRAILER || whole > MEMBER_MAX ||
	    load32(p + 20) > MEMBER_MAX)
		return 0;
	return whole;
}

static int
dec(void *w, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *got)
{
	size_t plain = load32(in + 20);
	size_t used;

	if (plain > cap || libdeflate_gzip_decompress_ex(w, in, n, out, plain,
	    &used, NULL) != LIBDEFLATE_SUCCESS || used != n)
		return -1;
	*got = plain;
	return 0;
}

struct serial {
	bk_sink_fn *sink;
	void *arg;
	z_stream z;
	bool open;			/* inside a member */
	bool any;
	uint8_t out[SERIAL_OUT];
};

static void *
serial_new(bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct serial *s = calloc(1, sizeof(*s));

	if (s == NULL || inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK) {
		free(s);
		bk_fault_errno(f, BK_IO, ENOMEM, "gzip");
		return NULL;
	}
	s->sink = sink;
	s->arg = arg;
	return s;
}

static int
serial_write(void *t, const void *p, size_t n, struct bk_fault *f)
{
	struct serial *s = t;
	size_t got;
	int rc;

	assert(n <= UINT_MAX);
	s->z.next_in = (z_const Bytef *)(uintptr_t)p;
	s->z.avail_in = (uInt)n;
	do {
		if (!s->open && s->z.avail_in == 0)
			break;
		if (!s->open && inflateReset(&s->z) != Z_OK)
			return bk_fault_set(f, BK_BUG, "gzip: cannot reset zlib");
		s->open = s->any = true;
		s->z.next_out = s->out;
		s->z.avail_out = sizeof(s->out);
		rc = inflate(&s->z, Z_NO_FLUSH);
		if (rc == Z_STREAM_END)
			s->open = false;
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			return bk_fault_set(f, BK_DATA, "bad gzip data: %s",
			    s->z.msg != NULL ? s->z.msg : zError(rc));
		got = sizeof(s->out) - s->z.avail_out;
		if (got > 0 && s->sink(s->arg, s->out, got, f) == -1)
			return -1;
	} while (s->z.avail_in > 0 || s->z.avail_out == 0);
	return 0;
}

static int
serial_finish(void *t, struct bk_fault *f)
{
	struct serial *s = t;

	if (s->open || !s->any)
		return bk_fault_set(f, BK_DATA, "bad gzip data: cut short");
	return 0;
}

static void
serial_free(void *t)
{
	struct serial *s = t;

	if (s != NULL)
		inflateEnd(&s->z);
	free(s);
}

static const struct bk_frames frames = {
	.chunk = CHUNK,
	.bound = BOUND,
	.plain_max = MEMBER_MAX,
	.frame_max = MEMBER_MAX,
	.head = HEAD,
	.spare = 4,
	.enc_new = enc_new,
	.enc_free = enc_free,
	.enc = enc,
	.dec_new = dec_new,
	.dec_free = dec_free,
	.judge = judge,
	.dec = dec,
	.serial_new = serial_new,
	.serial = { serial_write, serial_finish, serial_free },
};

static void *
encode(int level, int threads, bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	return bk_frames_encode(&frames, level, threads, sink, arg, f);
}

static void *
decode(int threads, bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	return bk_frames_decode(&frames, threads, sink, arg, f);
}

const struct bk_codec_format bk_codec_gzip = { "gzip", "gz", 1, 12, 5, encode,
	decode, &bk_frames_encode_ops, &bk_frames_decode_ops };
