/*
 * Reading what a time-limited link gives, without credentials: by ranges of
 * one version of the object, each tried again where it fails.
 */
#ifndef BK_LINK_H
#define BK_LINK_H

#include "ctx.h"
#include "fault.h"
#include "io.h"

struct bk_link {
	const char *url;		/* http or https */
	const char *ca;			/* as bk_http_new has it */
	int64_t deadline;		/* by mono() */
};

/*
 * Bytes ${off} to ${off}+${len} (UINT64_MAX: to the end) of what ${l} gives to
 * ${sink}.  0, or -1 with ${f} set, which never shows the link itself: 64 no
 * such URL, 66 gone, 77 refused, as one is that has expired, 69, 65 changed
 * meanwhile.
 */
int bk_link_get(const struct bk_ctx *ctx, const struct bk_link *l,
    uint64_t off, uint64_t len, bk_sink_fn *sink, void *arg,
    struct bk_fault *f);

#endif
