/*
 * The stream between programs (DESIGN, 3): a header line, data lines each
 * followed by that many raw bytes, an end line that carries the proof.
 *
 * A reader hands out the payload in place and without copying, and answers
 * BK_END only after it has read an "ok" end line whose CRC-32 matches, whose
 * last stage's count is that of the payload, and after which the input ended.
 * A writer takes bytes of any length and writes blocks of up to 1 MiB.
 */
#ifndef BK_STREAM_H
#define BK_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "io.h"

#define BK_BLOCK_MAX (1024 * 1024)

struct bk_stream_in;
struct bk_stream_out;

/* A reader on ${r}, which stays the caller's.  NULL with ${f} set. */
struct bk_stream_in *bk_stream_reader(struct bk_rbuf *r, struct bk_fault *f);
void bk_stream_in_free(struct bk_stream_in *in);

/*
 * Read and check the header.  *${h} is borrowed from ${in} and may be changed
 * by the caller (a filter appends itself).  0, or -1 with ${f} set: 65 for
 * what is no stream (the text names "bk-dump exec:" and "bk-put --raw"), is
 * of a later version, or breaks the grammar of name, engine, ext, time, tags
 * or filters; where the first line is a failed line, its status, with
 * f->upstream set.
 */
int bk_stream_header(struct bk_stream_in *in, json_t **h, struct bk_fault *f);

/*
 * Next piece of payload: *${p}, *${n} >= 1, valid until the next call.
 * BK_MORE; BK_END once the end line is proven good; -1 with ${f} set: 65, or
 * the status of a failed line with f->upstream set.
 */
int bk_stream_read(struct bk_stream_in *in, const void **p, size_t *n,
    struct bk_fault *f);

/*
 * After BK_END: the end line without "crc32", borrowed, may be changed.
 * After a fault with f->upstream: the failed line likewise.  Else NULL.
 */
json_t *bk_stream_end(struct bk_stream_in *in);

/* Payload bytes read so far. */
uint64_t bk_stream_in_bytes(const struct bk_stream_in *in);

/*
 * A writer on ${fd}, which stays the caller's.  NULL with ${f} set.
 */
struct bk_stream_out *bk_stream_writer(int fd, struct bk_fault *f);
void bk_stream_out_free(struct bk_stream_out *out);

/* Write the header line.  Must come first, once.  0 or -1 (74). */
int bk_stream_put_header(struct bk_stream_out *out, const json_t *h,
    struct bk_fault *f);

/* Add payload; buffered up to one block.  0 or -1 (74).  A bk_sink_fn. */
int bk_stream_write(void *out, const void *p, size_t n, struct bk_fault *f);

/*
 * Flush, and write the end line: ${end} ("end":"ok", "stages", "info", …;
 * borrowed) with the CRC behind it.  Nothing may follow.  0 or -1 (74).
 */
int bk_stream_put_end(struct bk_stream_out *out, const json_t *end,
    struct bk_fault *f);

/*
 * Tell the next stage that this one failed: flush whole blocks and write a
 * failed line with the status and text of ${why} and the name ${stage}.
 * Where ${passed} is not NULL it is the failed line that was read, and is
 * passed on as it is.  Errors of writing are ignored: a missing end line says
 * the same.
 */
void bk_stream_put_failed(struct bk_stream_out *out, const char *stage,
    const struct bk_fault *why, const json_t *passed);

/* Payload bytes accepted so far. */
uint64_t bk_stream_out_bytes(const struct bk_stream_out *out);

/*
 * The last entry of the header's "filters" (borrowed), or NULL if there is
 * none; and the number of entries.
 */
json_t *bk_stream_last_filter(const json_t *header);
size_t bk_stream_filters(const json_t *header);

#endif
