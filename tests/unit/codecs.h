/*
 * What every compression format must do, tried on one of them.
 */
#ifndef BK_TEST_CODECS_H
#define BK_TEST_CODECS_H

#include <stdbool.h>
#include <stddef.h>

#include "codec.h"

/* Bytes in memory, by malloc. */
struct bytes {
	char *p;
	size_t len, size;
	size_t fail_at;			/* a sink of it fails beyond; 0: never */
};

/* A sink. */
int bytes_add(void *b, const void *p, size_t n, struct bk_fault *f);
void bytes_release(struct bytes *b);

/* ${n} bytes like a dump of a database, the same at each call. */
struct bytes dump_like(size_t n);

/* Compress, decompress with pieces of ${piece} bytes; status in ${f}. */
struct bytes encode(const struct bk_codec_format *c, int level, int threads,
    size_t piece, const struct bytes *in, struct bk_fault *f);
struct bytes decode(const struct bk_codec_format *c, int threads, size_t piece,
    const struct bytes *in, struct bk_fault *f);

/* Decoding ${file} gives ${plain}. */
void ok_decodes(const struct bk_codec_format *c, const char *what,
    const struct bytes *file, const struct bytes *plain);

/* Sizes around ${chunk}, levels, threads, pieces. */
void ok_round_trips(const struct bk_codec_format *c, size_t chunk);

/*
 * Another program reads what we write (argv from ${read}) and we read what
 * it writes; either may be NULL.  Skipped where it is not installed.
 */
void ok_peer(const struct bk_codec_format *c, const char *const *read,
    const char *const *write, size_t n);

/* Cut and flipped files never give wrong bytes with success. */
void ok_corrupt(const struct bk_codec_format *c);

/*
 * Sinks that fail, coders left early: right status, no thread left.  The
 * lowest bit at ${claim} makes the serial reader take the file.
 */
void ok_failing_sinks(const struct bk_codec_format *c, size_t chunk,
    size_t claim);

#endif
