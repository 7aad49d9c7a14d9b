/*
 * See raw.h.
 */
#include "raw.h"
#include "when.h"

static json_t *
made(json_t *o, struct bk_fault *f)
{
	if (o == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	return o;
}

json_t *
bk_raw_header(const struct bk_ctx *ctx, const struct bk_raw *raw,
    struct bk_fault *f)
{
	char when[BK_TIME_LEN];

	return made(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s}, "
	    "s:{}, s:[], s:{s:s}}", "bk", "stream/1", "name", raw->name,
	    "engine", raw->engine, "ext", raw->ext, "time",
	    bk_time_text(raw->time, when), "host", ctx->host, "source",
	    "engine", raw->engine, "host", ctx->host, "tags", "filters", "info",
	    "proof", raw->proof), f);
}

json_t *
bk_raw_end(uint64_t bytes, const char *sha256, struct bk_fault *f)
{
	return made(json_pack("{s:s, s:[{s:s, s:I, s:s}]}", "end", "ok",
	    "stages", "stage", "raw", "bytes", (json_int_t)bytes, "sha256",
	    sha256), f);
}
