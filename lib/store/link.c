/*
 * A link is a secret for as long as it is good: faults name its host.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "link.h"

#define RANGE (8 * 1024 * 1024)
#define TRY_MS (10 * 60 * INT64_C(1000))

struct link {
	const struct bk_link *of;
	char host[256];
	struct bk_http *http;
	struct bk_http_req r;
	uint8_t *mem;
	uint64_t at, end;		/* what is still wanted */
	uint64_t size;			/* 0 until the first answer */
	char etag[256];
};

static int
prepare(struct bk_http_req *r, struct bk_fault *f)
{
	const struct link *l = r->arg;

	if ((r->url = strdup(l->of->url)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if (l->etag[0] != '\0' &&
	    bk_http_header(r, f, "If-Match: %s", l->etag) == -1)
		return -1;
	return bk_http_header(r, f, "Range: bytes=%" PRIu64 "-%" PRIu64, l->at,
	    l->at + (l->end - l->at < RANGE ? l->end - l->at : RANGE) - 1);
}

/* What a status other than 200 and 206 means. */
static int
refused(const struct link *l, struct bk_fault *f)
{
	switch (l->r.status) {
	case 400:
	case 401:
	case 403:
		return bk_fault_set(f, BK_NOPERM,
		    "%s refuses the link: has it expired?", l->host);
	case 404:
	case 410:
		return bk_fault_set(f, BK_NOINPUT,
		    "what the link to %s leads to is gone", l->host);
	case 412:
	case 416:
		return bk_fault_set(f, BK_DATA,
		    "what the link to %s leads to has changed", l->host);
	default:
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "%s answers the link with %ld", l->host, l->r.status);
	}
}

/* Of the first answer: how much there is, and of which version. */
static int
learn(struct link *l, struct bk_fault *f)
{
	char range[128];
	const char *slash;

	if (!bk_http_answer(&l->r, "etag", l->etag, sizeof(l->etag)))
		l->etag[0] = '\0';
	if (l->r.status == 200)
		l->size = l->r.got;
	else if (bk_http_answer(&l->r, "content-range", range,
	    sizeof(range)) && (slash = strchr(range, '/')) != NULL)
		l->size = strtoull(slash + 1, NULL, 10);
	return l->size > 0 ? 0 : bk_fault_set(f, BK_DATA,
	    "%s does not say how much the link gives", l->host);
}

/* The next range, into l->mem: its length in *${n}. */
static int
next_range(struct link *l, const struct bk_ctx *ctx, size_t *n,
    struct bk_fault *f)
{
	int64_t until = ctx->mono() + TRY_MS;
	uint64_t want;

	l->r = (struct bk_http_req){ .method = "GET", .fd = -1,
		.into = l->mem, .into_size = RANGE, .prepare = prepare,
		.arg = l,
		.deadline = l->of->deadline < until ? l->of->deadline : until };
	if (bk_http_run(l->http, &l->r, f) == -1) {
		bk_fault_context(f, "the link to %s", l->host);
		return -1;
	}
	if (l->r.status != 206 && (l->r.status != 200 || l->at > 0))
		return refused(l, f);
	if (l->size == 0 && learn(l, f) == -1)
		return -1;
	if (l->end > l->size)
		l->end = l->size;
	want = l->end - l->at < RANGE ? l->end - l->at : RANGE;
	if (l->r.got != want)
		return bk_fault_set(f, BK_DATA,
		    "%s gave %zu of %" PRIu64 " bytes", l->host, l->r.got, want);
	*n = l->r.got;
	return 0;
}

static int
take_host(struct link *l, struct bk_fault *f)
{
	const char *p = strstr(l->of->url, "://");
	size_t n;

	if (p == NULL || (strncmp(l->of->url, "https://", 8) != 0 &&
	    strncmp(l->of->url, "http://", 7) != 0))
		return bk_fault_set(f, BK_USAGE,
		    "the link is no http or https URL");
	n = strcspn(p + 3, "/?#");
	if (n == 0 || n >= sizeof(l->host) || memchr(p + 3, '@', n) != NULL)
		return bk_fault_set(f, BK_USAGE, "the link names no host");
	memcpy(l->host, p + 3, n);
	return 0;
}

int
bk_link_get(const struct bk_ctx *ctx, const struct bk_link *of, uint64_t off,
    uint64_t len, bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct link l = { .of = of, .at = off,
		.end = len > UINT64_MAX - off ? UINT64_MAX : off + len };
	int rc = -1;
	size_t n = 0;

	if (take_host(&l, f) == -1)
		return -1;
	if ((l.mem = malloc(RANGE)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if ((l.http = bk_http_new(ctx, of->ca, f)) == NULL)
		goto out;
	do {
		rc = next_range(&l, ctx, &n, f);
		bk_http_release(&l.r);
		if (rc == 0)
			rc = sink(arg, l.mem, n, f);
		l.at += n;
	} while (rc == 0 && l.at < l.end);
out:
	bk_http_free(l.http);
	free(l.mem);
	return rc;
}
