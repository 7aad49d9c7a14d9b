/*
 * A payload that came without a stream (bk-put --raw, bk-spool): the header and
 * the end line that bk-dump would have written.
 */
#ifndef BK_RAW_H
#define BK_RAW_H

#include <jansson.h>
#include <stdint.h>

#include "ctx.h"
#include "fault.h"

struct bk_raw {
	const char *name, *engine, *ext;
	int64_t time;			/* ms */
	const char *proof;		/* of its completeness (DESIGN, 3) */
};

/* A new reference, or NULL with ${f} set. */
json_t *bk_raw_header(const struct bk_ctx *ctx, const struct bk_raw *raw,
    struct bk_fault *f);

/* Of ${bytes} bytes with this SHA-256 in hexadecimal; as bk_raw_header. */
json_t *bk_raw_end(uint64_t bytes, const char *sha256, struct bk_fault *f);

#endif
