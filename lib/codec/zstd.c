/*
 * Zstandard (RFC 8878) in independent frames of 4 MiB of plain data, with
 * content size and checksum, made and undone in worker threads.
 *
 * Each frame stands behind a skippable frame (section 3.1.2) of pzstd: magic
 * 0x184D2A50, 4 bytes of content, the size of the frame that follows, all
 * little-endian (zstd, contrib/pzstd/README.md).  zstd -d skips them and
 * reads the file as one; pzstd -d and we read frame by frame in parallel.
 *
 * pzstd itself writes frames of 8 MiB at its usual levels and no content
 * size, so the workers have room for 8 MiB.  What does not fit, has no such
 * size before it, or is wrong is read by zstd's streaming decoder, which
 * takes windows up to 128 MiB, as zstd -d does.
 *
 * Memory for N threads: encoding (N + 1) times 4 MiB and the compressed
 * bytes, and the compressors (level 3: 2.5 MiB each; 19: 50 MiB each);
 * decoding of our own files (N + 1) times 4 MiB and the compressed bytes, of
 * pzstd's twice that; of foreign files the window that they ask for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "frames.h"

#define CHUNK (4 * 1024 * 1024)
#define PLAIN_MAX (8 * 1024 * 1024)
#define SKIP 12
#define BOUND (ZSTD_COMPRESSBOUND(CHUNK) + SKIP)
#define FRAME_MAX (ZSTD_COMPRESSBOUND(PLAIN_MAX) + SKIP)

static const uint8_t skippable[8] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0 };

static void *
enc_new(int level)
{
	ZSTD_CCtx *w = ZSTD_createCCtx();

	if (w != NULL && (
	    ZSTD_isError(ZSTD_CCtx_setParameter(w, ZSTD_c_compressionLevel, level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(w, ZSTD_c_checksumFlag, 1)))) {
		ZSTD_freeCCtx(w);
		return NULL;
	}
	return w;
}

static void
enc_free(void *w)
{
	ZSTD_freeCCtx(w);
}

static size_t
enc(void *w, const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
	size_t k = ZSTD_compress2(w, out + SKIP, cap - SKIP, in, n);
	int i;

	if (ZSTD_isError(k))
		return 0;
	memcpy(out, skippable, sizeof(skippable));
	for (i = 0; i < 4; i++)
		out[8 + i] = (uint8_t)(k >> (8 * i));
	return SKIP + k;
}

static void *
dec_new(void)
{
	return ZSTD_createDCtx();
}

static void
dec_free(void *w)
{
	ZSTD_freeDCtx(w);
}

static size_t
judge(const uint8_t *p)
{
	size_t n = (size_t)p[8] | (size_t)p[9] << 8 | (size_t)p[10] << 16 |
	    (size_t)p[11] << 24;

	if (memcmp(p, skippable, sizeof(skippable)) != 0 || n == 0 ||
	    n > FRAME_MAX - SKIP)
		return 0;
	return SKIP + n;
}

static int
dec(void *w, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *got)
{
	*got = ZSTD_decompressDCtx(w, out, cap, in + SKIP, n - SKIP);
	return ZSTD_isError(*got) ? -1 : 0;
}

struct serial {
	bk_sink_fn *sink;
	void *arg;
	ZSTD_DStream *z;
	uint8_t *out;
	size_t size;			/* of out */
	size_t left;			/* 0: at the end of a frame */
};

static void
serial_free(void *t)
{
	struct serial *s = t;

	if (s == NULL)
		return;
	ZSTD_freeDStream(s->z);
	free(s->out);
	free(s);
}

static void *
serial_new(bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct serial *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		s->sink = sink;
		s->arg = arg;
		s->left = 1;		/* nothing at all is no file */
		s->size = ZSTD_DStreamOutSize();
		s->z = ZSTD_createDStream();
		s->out = malloc(s->size);
	}
	if (s == NULL || s->z == NULL || s->out == NULL) {
		serial_free(s);
		bk_fault_errno(f, BK_IO, ENOMEM, "zstd");
		return NULL;
	}
	return s;
}

static int
serial_write(void *t, const void *p, size_t n, struct bk_fault *f)
{
	struct serial *s = t;
	ZSTD_inBuffer in = { p, n, 0 };
	ZSTD_outBuffer out;

	do {
		out.dst = s->out;
		out.size = s->size;
		out.pos = 0;
		s->left = ZSTD_decompressStream(s->z, &out, &in);
		if (ZSTD_isError(s->left))
			return bk_fault_set(f, BK_DATA, "bad zstd data: %s",
			    ZSTD_getErrorName(s->left));
		if (out.pos > 0 && s->sink(s->arg, s->out, out.pos, f) == -1)
			return -1;
	} while (in.pos < in.size || (s->left > 0 && out.pos == out.size));
	return 0;
}

static int
serial_finish(void *t, struct bk_fault *f)
{
	const struct serial *s = t;

	return s->left == 0 ? 0 :
	    bk_fault_set(f, BK_DATA, "bad zstd data: cut short");
}

static const struct bk_frames frames = {
	.chunk = CHUNK,
	.bound = BOUND,
	.plain_max = PLAIN_MAX,
	.frame_max = FRAME_MAX,
	.head = SKIP,
	.spare = 1,
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

const struct bk_codec_format bk_codec_zstd = { "zstd", "zst", 1, 19, 3, encode,
	decode, &bk_frames_encode_ops, &bk_frames_decode_ops };
