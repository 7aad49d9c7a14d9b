/*
 * HTTP requests over libcurl, carried out by one background thread that owns
 * a curl_multi: the caller reads and hashes while it sends and receives.
 *
 * A request is tried again, after growing and jittered waits, until its
 * judge is content, its tries are used up or its deadline comes; each try is
 * prepared anew (signed with a fresh time).  Redirects are never followed, so
 * that credentials go to the configured host only.  An answer is kept up to a
 * cap.  A try that moves no byte for the stall limit is given up.
 */
#ifndef BK_HTTP_H
#define BK_HTTP_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "ctx.h"
#include "fault.h"

#define BK_HTTP_ANSWER_MAX (16U * 1024 * 1024)

struct bk_http;

/* What a judge says of a try. */
enum bk_http_verdict {
	BK_HTTP_DONE,			/* final, good or bad */
	BK_HTTP_AGAIN,			/* after a wait */
	BK_HTTP_AT_ONCE			/* something was learnt: without a wait */
};

/*
 * One request.  The caller zeroes it, fills the first part, and keeps it and
 * what it points to alive and untouched from bk_http_start to the end.
 */
struct bk_http_req {
	const char *method;
	const void *body;		/* in memory, or */
	int fd;				/* in a file at ${off}, where ${body} is NULL */
	uint64_t off;
	uint64_t bytes;			/* of the body */
	void *into;			/* a 2xx answer goes here if not NULL */
	size_t into_size;
	int64_t deadline;		/* by ctx->mono() */
	int64_t stall_ms;		/* 0: 30 s */
	int64_t connect_ms;		/* 0: 10 s */
	unsigned int tries;		/* 0: until the deadline */
	bool direct;			/* past any proxy */
	/*
	 * Both run in the background thread.  prepare sets url and adds
	 * header lines for this try; -1 with ${f} set ends the request.
	 * judge looks at status, answer and curl.  NULL: see bk_http_judge.
	 */
	int (*prepare)(struct bk_http_req *r, struct bk_fault *f);
	enum bk_http_verdict (*judge)(struct bk_http_req *r);
	void *arg;

	/* Of each try. */
	char *url;			/* freed with the request */
	struct curl_slist *headers;
	long status;			/* 0: no answer */
	CURLcode curl;			/* how the transfer ended */
	bool stalled;			/* given up by us */
	struct bk_buf answer;		/* body, where it did not go to ${into} */
	struct bk_buf lines;		/* header lines of the answer */
	size_t got;			/* bytes of the body */
	unsigned int sendings;		/* libcurl's, of this try */

	/* Of all tries. */
	unsigned int tried;
	bool unsure;			/* a try may have been carried out unseen */
	struct bk_fault fault;		/* where no answer came, or prepare failed */

	/* The engine's own. */
	struct bk_http *http;
	const struct bk_http_net *net;
	struct bk_http_req *next;
	CURL *easy;
	int state;
	atomic_bool cancel;
	int64_t next_try, progress;
	uint64_t sent;
	char errbuf[CURL_ERROR_SIZE];
};

/* ${ca}: file or directory of certificates, or NULL.  NULL with ${f} set. */
struct bk_http *bk_http_new(const struct bk_ctx *ctx, const char *ca,
    struct bk_fault *f);
/* Ends all requests.  Accepts NULL. */
void bk_http_free(struct bk_http *h);

/* Hand ${r} to the background; never blocks long. */
void bk_http_start(struct bk_http *h, struct bk_http_req *r);
/* Has ${r}, which was started, ended? */
bool bk_http_ended(struct bk_http *h, const struct bk_http_req *r);
/* Wait until ${r} has ended. */
void bk_http_wait(struct bk_http *h, struct bk_http_req *r);
/* Wait until any of the ${n} started requests has ended. */
void bk_http_wait_any(struct bk_http *h, struct bk_http_req *const *r, size_t n);
/* End ${r} now, whatever its state. */
void bk_http_cancel(struct bk_http *h, struct bk_http_req *r);
/* Start and wait.  0 with r->status set, or -1: r->fault, copied to ${f}. */
int bk_http_run(struct bk_http *h, struct bk_http_req *r, struct bk_fault *f);
/* Free what hangs on ${r}, which is not running; it can be started anew. */
void bk_http_release(struct bk_http_req *r);

/* Add a header line to this try.  0 or -1. */
int bk_http_header(struct bk_http_req *r, struct bk_fault *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Value of header ${name} (any case) of the answer in ${out}; false: none. */
bool bk_http_answer(const struct bk_http_req *r, const char *name, char *out,
    size_t size);

/*
 * The plain judge: no answer, a cut one, 429, 500, 502, 503 and 504 are worth
 * another try; but not a certificate that is refused.
 */
enum bk_http_verdict bk_http_judge(struct bk_http_req *r);

/* The server's clock minus ours in ms; false: not known yet. */
bool bk_http_clock(struct bk_http *h, int64_t *offset);

#endif
