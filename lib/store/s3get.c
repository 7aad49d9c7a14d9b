/*
 * Reading an object by ranges, several at once, given out in order.  The
 * first range tells size and ETag; the others are bound to that ETag, so that
 * an object replaced meanwhile cannot be mixed.  A range that ends early is
 * asked for again; what the sink has had is never taken back.  A small object
 * that comes whole is compared with the SHA-256 that was stored with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "s3.h"

#define RANGE S3_PART
#define RANGES_MAX 8
#define TRIES 3				/* of an object that comes damaged */

struct range {
	void *mem;
	uint64_t off, len;
	bool flying;
	char text[64];
	struct s3_req q;
};

struct fetch {
	struct bk_s3 *s;
	const char *key;
	char etag[256];
	uint64_t next, end;		/* not yet asked for, where it ends */
	size_t n;			/* buffers */
	uint64_t size;			/* of each */
	struct range r[RANGES_MAX];
};

static int
ask(struct fetch *g, struct range *r, struct bk_fault *f)
{
	r->off = g->next;
	r->len = g->end - g->next < g->size ? g->end - g->next : g->size;
	if (r->mem == NULL) {
		r->mem = mmap(NULL, g->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (r->mem == MAP_FAILED) {
			r->mem = NULL;
			return bk_fault_set(f, BK_IO, "out of memory");
		}
	}
	memset(&r->q, 0, sizeof(r->q));
	if (s3_req_init(&r->q, g->s, "GET", g->key, f) == -1)
		return -1;
	(void)snprintf(r->text, sizeof(r->text), "bytes=%llu-%llu",
	    (unsigned long long)r->off,
	    (unsigned long long)(r->off + r->len - 1));
	s3_header(&r->q, "range", r->text);
	if (g->etag[0] != '\0')
		s3_header(&r->q, "if-match", g->etag);
	r->q.http.into = r->mem;
	r->q.http.into_size = (size_t)r->len;
	if (s3_start(&r->q, f) == -1) {
		s3_req_release(&r->q);
		return -1;
	}
	r->flying = true;
	g->next += r->len;
	return 0;
}

/* Wait for ${r}.  0: status is there. */
static int
await(struct fetch *g, struct range *r, struct bk_fault *f)
{
	bool again = true;

	while (again) {
		bk_http_wait(g->s->http, &r->q.http);
		r->flying = false;
		if (s3_again(&r->q, &again, f) == -1)
			return -1;
		if (again && s3_start(&r->q, f) == -1)
			return -1;
		r->flying = again;
	}
	return 0;
}

/* The object's size as the first answer tells it; UINT64_MAX: it does not. */
static uint64_t
whole(const struct s3_req *q)
{
	char text[128], *slash;

	if (bk_http_answer(&q->http, "content-range", text, sizeof(text)) &&
	    (slash = strchr(text, '/')) != NULL && slash[1] >= '0' &&
	    slash[1] <= '9')
		return strtoull(slash + 1, NULL, 10);
	return UINT64_MAX;
}

/* The first range is in: learn the rest.  0, BK_ABSENT or -1. */
static int
first(struct fetch *g, struct range *r, uint64_t len, struct bk_fault *f)
{
	const struct s3_req *q = &r->q;
	struct bk_object o;
	uint64_t size;

	if (q->http.status == 404 && strcmp(q->code, "NoSuchBucket") != 0)
		return BK_ABSENT;
	size = whole(q);
	if (q->http.status == 416) {	/* also every range of an empty object */
		if (size == UINT64_MAX) {
			int rc = g->s->base.ops->stat(&g->s->base, g->key, &o, f);

			if (rc != 0)
				return rc;
			size = o.bytes;
		}
		if (len != UINT64_MAX || r->off > size)
			return bk_fault_set(f, BK_DATA, "%llu bytes long, "
			    "shorter than asked for", (unsigned long long)size);
		g->next = g->end = r->off;
		r->len = 0;
		return 0;
	}
	if (q->http.status / 100 != 2)
		return s3_refused(q, f);
	if (q->http.status == 200 && r->off == 0)
		size = q->http.got;	/* a server without ranges */
	if (size == UINT64_MAX || (q->http.status == 200 && r->off != 0))
		return bk_fault_set(f, BK_UNAVAILABLE,
		    "the server does not serve ranges");
	(void)bk_http_answer(&q->http, "etag", g->etag, sizeof(g->etag));
	if (len == UINT64_MAX) {
		g->end = size;
	} else if (len > size || r->off > size - len) {
		return bk_fault_set(f, BK_DATA, "%llu bytes long, shorter than "
		    "asked for", (unsigned long long)size);
	} else {
		g->end = r->off + len;
	}
	if (r->len > g->end - r->off)
		r->len = g->end - r->off;
	g->next = r->off + r->len;
	return 0;
}

/* A whole object whose SHA-256 came with it: is it that? */
static bool
damaged(const struct range *r)
{
	char want[BK_SHA256_HEX], have[BK_SHA256_HEX];
	uint8_t sum[BK_SHA256_LEN];

	if (r->off != 0 || r->q.http.status / 100 != 2 ||
	    (r->q.http.status == 206 && whole(&r->q) != r->q.http.got) ||
	    !bk_http_answer(&r->q.http, S3_SHA256, want, sizeof(want)))
		return false;
	bk_sha256_of(r->mem, r->q.http.got, sum);
	bk_hex(sum, sizeof(sum), have);
	return strcmp(want, have) != 0;
}

static int
complete_range(struct range *r, struct bk_fault *f)
{
	if (r->q.http.status == 412)
		return bk_fault_set(f, BK_DATA, "replaced while it was read");
	if (r->len > 0 && r->q.http.status / 100 != 2)
		return s3_refused(&r->q, f);
	if (r->len > 0 && r->q.http.got < r->len)
		return bk_fault_set(f, BK_DATA, "a range came short");
	return 0;
}

static int
run(struct fetch *g, uint64_t len, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct range *r = &g->r[0];
	size_t turn = 0;
	int rc;

	for (int tries = 1;; tries++) {
		if (ask(g, r, f) == -1 || await(g, r, f) == -1)
			return -1;
		if (!damaged(r))
			break;
		if (tries == TRIES)
			return bk_fault_set(f, BK_DATA,
			    "what comes is not what was stored (SHA-256)");
		s3_req_release(&r->q);
		g->next = r->off;
	}
	if ((rc = first(g, r, len, f)) != 0)
		return rc;
	for (size_t i = 1; i < g->n && g->next < g->end; i++)
		if (ask(g, &g->r[i], f) == -1)
			return -1;
	for (;; turn = (turn + 1) % g->n) {
		r = &g->r[turn];
		if (r->flying && await(g, r, f) == -1)
			return -1;
		if (r->len == 0)
			return 0;
		if (complete_range(r, f) == -1 ||
		    sink(arg, r->mem, (size_t)r->len, f) == -1)
			return -1;
		s3_req_release(&r->q);
		r->len = 0;
		if (g->next < g->end && ask(g, r, f) == -1)
			return -1;
	}
}

int
s3_get(struct bk_store *base, const char *key, uint64_t off, uint64_t len,
    bk_sink_fn *sink, void *arg, struct bk_fault *f)
{
	struct bk_s3 *s = (struct bk_s3 *)base;
	struct fetch g = { .s = s, .key = key, .next = off, .end = UINT64_MAX };
	struct bk_object o;
	int rc;

	if (len == 0) {
		rc = base->ops->stat(base, key, &o, f);
		return rc == 0 && off > o.bytes ? bk_fault_set(f, BK_DATA,
		    "shorter than asked for") : rc;
	}
	if (len != UINT64_MAX && off + len >= off)
		g.end = off + len;
	g.size = s->memory >= RANGE ? RANGE : 1024 * 1024;
	g.n = (size_t)(s->memory / g.size);
	g.n = g.n < 1 ? 1 : g.n > RANGES_MAX ? RANGES_MAX : g.n;
	rc = run(&g, len, sink, arg, f);
	for (size_t i = 0; i < RANGES_MAX; i++) {
		if (g.r[i].flying)
			bk_http_cancel(s->http, &g.r[i].q.http);
		s3_req_release(&g.r[i].q);
		if (g.r[i].mem != NULL)
			(void)munmap(g.r[i].mem, g.size);
	}
	return rc;
}
