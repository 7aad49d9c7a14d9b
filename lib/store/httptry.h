/*
 * One try of a request: its curl handle, what libcurl calls back, and the
 * header lines of both ways.  Only http.c uses it.
 */
#ifndef BK_HTTPTRY_H
#define BK_HTTPTRY_H

#include "http.h"

#define BK_HTTP_HEADERS_MAX (64U * 1024)

struct bk_http_net {
	const struct bk_ctx *ctx;
	char *ca;			/* NULL: the system's */
	char *proxy[2];			/* for http, for https; or NULL */
	char *no_proxy;			/* hosts not to be proxied, or NULL */
};

/* Make r->easy of a request that has been prepared.  0 or -1. */
int bk_http_try(struct bk_http_req *r, struct bk_fault *f);

/* Take r->easy out of ${multi} and free what belongs to the try. */
void bk_http_try_drop(struct bk_http_req *r, CURLM *multi);

#endif
