/*
 * Compression formats: one table, one file per format (DESIGN, 12).
 *
 * A coder takes bytes by write and gives its output to a sink, in order and
 * in the caller's thread; worker threads are its own affair.  Memory is
 * constant: a bound for ${threads} is stated in each format's file.
 */
#ifndef BK_CODEC_H
#define BK_CODEC_H

#include <stddef.h>

#include "fault.h"
#include "filter.h"
#include "io.h"

struct bk_codec_format {
	const char *name;	/* in "filters": "gzip", "zstd" */
	const char *ext;	/* suffix of keys, without dot: "gz", "zst" */
	int level_min, level_max, level_default;
	/*
	 * A compressor at ${level} and a decompressor with ${threads} (1 to 64)
	 * workers.  NULL with ${f} set.  Output goes to ${sink}(${arg}).
	 * Methods: ops, whose faults are 65 for bad input (a cut or corrupt
	 * file; bytes after the end), or the sink's own.
	 */
	void *(*encode)(int level, int threads, bk_sink_fn *sink, void *arg,
	    struct bk_fault *f);
	void *(*decode)(int threads, bk_sink_fn *sink, void *arg,
	    struct bk_fault *f);
	const struct bk_transform_ops *encode_ops;
	const struct bk_transform_ops *decode_ops;
};

/* Format by name, or NULL; all formats, ended by NULL. */
const struct bk_codec_format *bk_codec_find(const char *name);
extern const struct bk_codec_format *const bk_codecs[];

extern const struct bk_codec_format bk_codec_gzip;
extern const struct bk_codec_format bk_codec_zstd;

#endif
