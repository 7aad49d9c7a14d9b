/*
 * The background thread's loop is: take what was started, begin the tries
 * that are due, move bytes, judge what ended, give up what stalls, then poll.
 * The caller's side and the thread share the list of new requests, the state
 * of each request and the clock offset, all under one mutex; the rest of a
 * request is the thread's from start to end.  libcurl: CURLOPT_NOSIGNAL and
 * curl_multi_wakeup(3); a fresh easy handle per try, connections stay in the
 * multi handle.
 */
#include "http.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "httptry.h"

#define HEADERS_MAX BK_HTTP_HEADERS_MAX
#define STALL_MS 30000
#define WAIT_FIRST 200			/* ms before the second try */
#define WAIT_MOST 20000
#define POLL_MOST 1000

enum { IDLE, NEW, DUE, FLYING, ENDED };

struct bk_http {
	const struct bk_ctx *ctx;
	struct bk_http_net net;
	CURLM *multi;
	pthread_t thread;
	bool started;
	struct bk_http_req *running;	/* the thread's list */
	uint64_t seed;

	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct bk_http_req *fresh;	/* started, not yet seen by the thread */
	bool quit;
	bool clock_known;
	int64_t clock_offset;
};

void
bk_http_release(struct bk_http_req *r)
{
	free(r->url);
	r->url = NULL;
	bk_buf_wipe(&r->answer);
	bk_buf_wipe(&r->lines);
	r->state = IDLE;
}

/* Begin a try.  false: the request has failed for good. */
static bool
begin(struct bk_http *h, struct bk_http_req *r)
{
	free(r->url);
	r->url = NULL;
	bk_buf_reset(&r->answer);
	bk_buf_reset(&r->lines);
	r->answer.max = BK_HTTP_ANSWER_MAX;
	r->lines.max = HEADERS_MAX;
	r->status = 0;
	r->stalled = false;
	r->got = 0;
	r->sent = 0;
	r->sendings = 0;
	r->errbuf[0] = '\0';
	r->progress = h->ctx->mono();
	if (r->prepare(r, &r->fault) == -1)
		return false;
	if (bk_http_try(r, &r->fault) == -1)
		return false;
	r->tried++;
	if (curl_multi_add_handle(h->multi, r->easy) != CURLM_OK) {
		(void)bk_fault_set(&r->fault, BK_IO, "cannot start a request");
		return false;
	}
	r->state = FLYING;
	return true;
}

enum bk_http_verdict
bk_http_judge(struct bk_http_req *r)
{
	/* CURLE_WRITE_ERROR: more came than was asked for. */
	if (r->status == 0 || r->curl != CURLE_OK)
		return r->curl == CURLE_PEER_FAILED_VERIFICATION ||
		    r->curl == CURLE_WRITE_ERROR ||
		    r->curl == CURLE_SSL_CACERT_BADFILE ||
		    r->curl == CURLE_URL_MALFORMAT ? BK_HTTP_DONE :
		    BK_HTTP_AGAIN;
	return r->status == 429 || r->status == 500 || r->status == 502 ||
	    r->status == 503 || r->status == 504 ? BK_HTTP_AGAIN : BK_HTTP_DONE;
}

static void
learn_clock(struct bk_http *h, struct bk_http_req *r)
{
	char date[64];
	time_t t;

	if (!bk_http_answer(r, "date", date, sizeof(date)) ||
	    (t = curl_getdate(date, NULL)) == -1)
		return;
	(void)pthread_mutex_lock(&h->lock);
	h->clock_known = true;
	/* The header counts whole seconds: take the middle. */
	h->clock_offset = (int64_t)t * 1000 + 500 - h->ctx->now();
	(void)pthread_mutex_unlock(&h->lock);
}

bool
bk_http_clock(struct bk_http *h, int64_t *offset)
{
	bool known;

	(void)pthread_mutex_lock(&h->lock);
	known = h->clock_known;
	*offset = known ? h->clock_offset : 0;
	(void)pthread_mutex_unlock(&h->lock);
	return known;
}

/* Between half and all of a wait that doubles. */
static int64_t
wait_for(struct bk_http *h, unsigned int tried)
{
	int64_t w = WAIT_FIRST;

	for (unsigned int i = 1; i < tried && w < WAIT_MOST; i++)
		w *= 2;
	if (w > WAIT_MOST)
		w = WAIT_MOST;
	h->seed = h->seed * 6364136223846793005U + 1442695040888963407U;
	return w / 2 + (int64_t)((h->seed >> 33) % (uint64_t)(w / 2 + 1));
}

static void
no_answer(struct bk_http_req *r)
{
	if (r->stalled)
		(void)bk_fault_set(&r->fault, BK_UNAVAILABLE,
		    "the server has stopped answering");
	else
		(void)bk_fault_set(&r->fault, BK_UNAVAILABLE, "%s",
		    r->errbuf[0] != '\0' ? r->errbuf :
		    curl_easy_strerror(r->curl));
}

/* A try has ended in ${rc}: done, or due again. */
static void
judge(struct bk_http *h, struct bk_http_req *r, CURLcode rc)
{
	enum bk_http_verdict v;
	int64_t now = h->ctx->mono();

	r->curl = rc;
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &r->status);
	if (r->status != 0)
		learn_clock(h, r);
	v = r->judge != NULL ? r->judge(r) : bk_http_judge(r);
	if (v != BK_HTTP_DONE && rc != CURLE_COULDNT_CONNECT &&
	    rc != CURLE_COULDNT_RESOLVE_HOST && r->status / 100 != 4)
		r->unsure = true;
	bk_http_try_drop(r, h->multi);
	r->next_try = v == BK_HTTP_AGAIN ? now + wait_for(h, r->tried) : now;
	if (v != BK_HTTP_DONE && (r->tries == 0 || r->tried < r->tries) &&
	    r->next_try < r->deadline) {
		r->state = DUE;
		return;
	}
	if (rc != CURLE_OK || r->status == 0)
		no_answer(r);
	r->state = ENDED;
}

/* Give up a try that stalls, and a request past its deadline. */
static void
limits(struct bk_http *h, struct bk_http_req *r, int64_t now)
{
	int64_t stall = r->stall_ms > 0 ? r->stall_ms : STALL_MS;

	if (r->cancel || now >= r->deadline) {
		r->unsure |= r->state == FLYING;
		if (r->cancel)
			(void)bk_fault_set(&r->fault, BK_UNAVAILABLE,
			    "given up");
		else if (r->state == FLYING)
			(void)bk_fault_set(&r->fault, BK_UNAVAILABLE,
			    "no answer within the time limit");
		else if (r->status == 0 || r->curl != CURLE_OK)
			no_answer(r);
		bk_http_try_drop(r, h->multi);
		r->state = ENDED;
	} else if (r->state == FLYING && now - r->progress >= stall) {
		r->stalled = true;
		judge(h, r, CURLE_OPERATION_TIMEDOUT);
	}
}

/* One round over all requests; how long may poll sleep? */
static int64_t
round_trip(struct bk_http *h)
{
	struct bk_http_req *r, **at;
	int64_t now = h->ctx->mono(), nap = POLL_MOST;
	bool ended = false;

	for (at = &h->running; (r = *at) != NULL;) {
		if (r->state == DUE && !r->cancel && now >= r->next_try &&
		    !begin(h, r)) {
			bk_http_try_drop(r, h->multi);
			r->state = ENDED;
		}
		if (r->state != ENDED)
			limits(h, r, now);
		if (r->state == DUE && r->next_try - now < nap)
			nap = r->next_try > now ? r->next_try - now : 0;
		if (r->state == FLYING && r->progress + (r->stall_ms > 0 ?
		    r->stall_ms : STALL_MS) - now < nap)
			nap = 10;
		if (r->deadline - now < nap)
			nap = r->deadline > now ? r->deadline - now : 0;
		if (r->state == ENDED) {
			*at = r->next;
			ended = true;
			/* Last touch: the caller may free it from here on. */
			(void)pthread_mutex_lock(&h->lock);
			r->http = NULL;
			(void)pthread_mutex_unlock(&h->lock);
		} else {
			at = &r->next;
		}
	}
	if (ended) {
		(void)pthread_mutex_lock(&h->lock);
		(void)pthread_cond_broadcast(&h->cond);
		(void)pthread_mutex_unlock(&h->lock);
	}
	return nap;
}

static void *
background(void *arg)
{
	struct bk_http *h = arg;
	struct bk_http_req *r;
	CURLMsg *m;
	int n, still;
	int64_t nap;
	bool quit;

	do {
		(void)pthread_mutex_lock(&h->lock);
		while ((r = h->fresh) != NULL) {
			h->fresh = r->next;
			r->state = DUE;
			r->next = h->running;
			h->running = r;
		}
		quit = h->quit;
		for (r = h->running; quit && r != NULL; r = r->next)
			r->cancel = true;
		(void)pthread_mutex_unlock(&h->lock);
		(void)curl_multi_perform(h->multi, &still);
		while ((m = curl_multi_info_read(h->multi, &n)) != NULL)
			if (m->msg == CURLMSG_DONE) {
				char *p = NULL;
				CURLcode rc = m->data.result;

				(void)curl_easy_getinfo(m->easy_handle,
				    CURLINFO_PRIVATE, &p);
				judge(h, (struct bk_http_req *)(void *)p, rc);
			}
		/*
		 * No curl_multi_perform between reading what ended and the
		 * poll: a transfer that it ends would be seen only when the
		 * poll has slept its time.  New handles make poll return.
		 */
		nap = round_trip(h);
		if (!quit)
			(void)curl_multi_poll(h->multi, NULL, 0, (int)nap, NULL);
	} while (!quit);
	return NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode ready;

static void
global(void)
{
	ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *
from_env(const struct bk_ctx *ctx, const char *a, const char *b)
{
	const char *v = ctx->env(a);

	if ((v == NULL || *v == '\0') && b != NULL)
		v = ctx->env(b);
	return v != NULL && *v != '\0' ? strdup(v) : NULL;
}

struct bk_http *
bk_http_new(const struct bk_ctx *ctx, const char *ca, struct bk_fault *f)
{
	struct bk_http *h = calloc(1, sizeof(*h));
	sigset_t all, old;

	if (h == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	h->ctx = h->net.ctx = ctx;
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_cond_init(&h->cond, NULL);
	(void)pthread_once(&once, global);
	if (getrandom(&h->seed, sizeof(h->seed), GRND_NONBLOCK) == -1)
		h->seed = (uint64_t)ctx->mono();
	/* HTTP_PROXY in capitals is a CGI variable: not read (httpoxy.org). */
	h->net.proxy[0] = from_env(ctx, "http_proxy", NULL);
	h->net.proxy[1] = from_env(ctx, "https_proxy", "HTTPS_PROXY");
	h->net.no_proxy = from_env(ctx, "no_proxy", "NO_PROXY");
	if (ca != NULL && (h->net.ca = strdup(ca)) == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		goto bad;
	}
	if (ready != CURLE_OK || (h->multi = curl_multi_init()) == NULL) {
		(void)bk_fault_set(f, BK_IO, "cannot start libcurl");
		goto bad;
	}
	(void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 8L);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	h->started = pthread_create(&h->thread, NULL, background, h) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (h->started)
		return h;
	(void)bk_fault_set(f, BK_IO, "cannot start a thread");
bad:
	bk_http_free(h);
	return NULL;
}

void
bk_http_free(struct bk_http *h)
{
	if (h == NULL)
		return;
	if (h->started) {
		(void)pthread_mutex_lock(&h->lock);
		h->quit = true;
		(void)pthread_mutex_unlock(&h->lock);
		(void)curl_multi_wakeup(h->multi);
		(void)pthread_join(h->thread, NULL);
	}
	if (h->multi != NULL)
		(void)curl_multi_cleanup(h->multi);
	(void)pthread_cond_destroy(&h->cond);
	(void)pthread_mutex_destroy(&h->lock);
	free(h->net.proxy[0]);
	free(h->net.proxy[1]);
	free(h->net.no_proxy);
	free(h->net.ca);
	free(h);
}

void
bk_http_start(struct bk_http *h, struct bk_http_req *r)
{
	r->tried = 0;
	r->unsure = false;
	r->cancel = false;
	r->next_try = 0;
	bk_fault_clear(&r->fault);
	(void)pthread_mutex_lock(&h->lock);
	r->http = h;
	r->net = &h->net;
	r->state = NEW;
	r->next = h->fresh;
	h->fresh = r;
	(void)pthread_mutex_unlock(&h->lock);
	(void)curl_multi_wakeup(h->multi);
}

/* r->http is the flag of a running request: set and cleared under the lock. */
bool
bk_http_ended(struct bk_http *h, const struct bk_http_req *r)
{
	bool yes;

	(void)pthread_mutex_lock(&h->lock);
	yes = r->http == NULL;
	(void)pthread_mutex_unlock(&h->lock);
	return yes;
}

void
bk_http_wait_any(struct bk_http *h, struct bk_http_req *const *r, size_t n)
{
	bool any = n == 0;

	(void)pthread_mutex_lock(&h->lock);
	for (;;) {
		for (size_t i = 0; i < n; i++)
			any |= r[i]->http == NULL;
		if (any)
			break;
		(void)pthread_cond_wait(&h->cond, &h->lock);
	}
	(void)pthread_mutex_unlock(&h->lock);
}

void
bk_http_wait(struct bk_http *h, struct bk_http_req *r)
{
	bk_http_wait_any(h, &r, 1);
}

void
bk_http_cancel(struct bk_http *h, struct bk_http_req *r)
{
	(void)pthread_mutex_lock(&h->lock);
	if (r->http != NULL)
		r->cancel = true;
	(void)pthread_mutex_unlock(&h->lock);
	(void)curl_multi_wakeup(h->multi);
	bk_http_wait(h, r);
}

int
bk_http_run(struct bk_http *h, struct bk_http_req *r, struct bk_fault *f)
{
	bk_http_start(h, r);
	bk_http_wait(h, r);
	if (!bk_faulty(&r->fault))
		return 0;
	return bk_fault_set(f, r->fault.status, "%s", r->fault.text);
}
