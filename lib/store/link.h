/*
 * Reading what a time-limited link gives, without credentials: by ranges of
 * one version of the object, each tried again where it fails.
 */
#ifndef BK_LINK_H
#define BK_LINK_H

#include "ctx.h"
#include "fault.h"
#include "io.h"

/*
 * All of http or https ${url} to ${sink}; ${ca} as bk_http_new has it.  0, or
 * -1 with ${f} set, which never shows the link itself: 64 no such URL, 66
 * gone, 77 refused, as one is that has expired, 69, 65 changed meanwhile.
 */
int bk_link_get(const struct bk_ctx *ctx, const char *url, const char *ca,
    int64_t deadline, bk_sink_fn *sink, void *arg, struct bk_fault *f);

#endif
