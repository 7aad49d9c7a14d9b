/*
 * What the compression formats share: a file is a row of frames that stand
 * alone, each with its size at its beginning, so that worker threads can make
 * and undo them side by side.  A file that is not so made is read in one
 * piece, by the format's serial reader.
 */
#ifndef BK_FRAMES_H
#define BK_FRAMES_H

#include <stdint.h>

#include "codec.h"

struct bk_frames {
	size_t chunk;		/* plain bytes in each frame that we write */
	size_t bound;		/* largest frame that they can give */
	size_t plain_max;	/* plain bytes of a frame read by a worker */
	size_t frame_max;	/* its own size */
	size_t head;		/* bytes that judge wants to see */
	int spare;		/* slots beside one for each worker */

	/* A worker's compressor or decompressor; NULL on no memory. */
	void *(*enc_new)(int level);
	void (*enc_free)(void *w);
	void *(*dec_new)(void);
	void (*dec_free)(void *w);

	/* Compress ${n} bytes (0 too).  Returns the frame's size, 0 on a fault. */
	size_t (*enc)(void *w, const uint8_t *in, size_t n, uint8_t *out,
	    size_t cap);

	/*
	 * The size of the frame that begins with the head at ${p}: more than
	 * the head, no more than frame_max; 0 if it is none of ours.
	 */
	size_t (*judge)(const uint8_t *p);

	/*
	 * Undo the frame of ${n} bytes.  0 with *${got} set; -1 if it is not
	 * what its head says or does not fit.
	 */
	int (*dec)(void *w, const uint8_t *in, size_t n, uint8_t *out,
	    size_t cap, size_t *got);

	/*
	 * The serial reader, run in a thread of its own; its finish tells a
	 * cut file.
	 */
	void *(*serial_new)(bk_sink_fn *sink, void *arg, struct bk_fault *f);
	struct bk_transform_ops serial;
};

void *bk_frames_encode(const struct bk_frames *fmt, int level, int threads,
    bk_sink_fn *sink, void *arg, struct bk_fault *f);
void *bk_frames_decode(const struct bk_frames *fmt, int threads,
    bk_sink_fn *sink, void *arg, struct bk_fault *f);
extern const struct bk_transform_ops bk_frames_encode_ops;
extern const struct bk_transform_ops bk_frames_decode_ops;

#endif
