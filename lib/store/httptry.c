/*
 * libcurl reads no environment here: proxies come from the context, NETRC is
 * off, and redirects are not followed.
 */
#include "httptry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECT_MS 10000

/*
 * Buffers of a try.  libcurl takes one of them each time that it is called,
 * so larger ones mean fewer turns of the loop.
 */
#define SEND 262144L
#define RECEIVE 262144L
#define RECEIVE_SMALL 65536L

static size_t
on_read(char *p, size_t size, size_t n, void *arg)
{
	struct bk_http_req *r = arg;
	uint64_t left = r->bytes - r->sent;
	ssize_t k;

	n *= size;
	if (n > left)
		n = (size_t)left;
	if (r->body != NULL) {
		memcpy(p, (const char *)r->body + r->sent, n);
	} else if (n > 0) {
		k = pread(r->fd, p, n, (off_t)(r->off + r->sent));
		if (k <= 0)
			return CURL_READFUNC_ABORT;
		n = (size_t)k;
	}
	r->sent += n;
	r->progress = r->net->ctx->mono();
	return n;
}

static int
on_seek(void *arg, curl_off_t off, int origin)
{
	struct bk_http_req *r = arg;

	if (origin != SEEK_SET || off < 0 || (uint64_t)off > r->bytes)
		return CURL_SEEKFUNC_FAIL;
	r->sent = (uint64_t)off;
	return CURL_SEEKFUNC_OK;
}

/*
 * libcurl sends again by itself where a kept connection died before an
 * answer: the first sending may have been carried out.
 */
static int
on_send(void *arg, char *to, char *from, int to_port, int from_port)
{
	struct bk_http_req *r = arg;

	(void)to; (void)from; (void)to_port; (void)from_port;
	r->unsure |= r->sendings++ > 0;
	return CURL_PREREQFUNC_OK;
}

static size_t
on_write(char *p, size_t size, size_t n, void *arg)
{
	struct bk_http_req *r = arg;
	struct bk_fault f = BK_FAULT_INIT;
	long status = 0;

	n *= size;
	r->progress = r->net->ctx->mono();
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (r->into != NULL && status / 100 == 2) {
		if (n > r->into_size - r->got)
			return 0;
		memcpy((char *)r->into + r->got, p, n);
	} else if (bk_buf_add(&r->answer, p, n, &f) == -1) {
		return 0;
	}
	r->got += n;
	return n;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct bk_http_req *r = arg;
	struct bk_fault f = BK_FAULT_INIT;

	n *= size;
	r->progress = r->net->ctx->mono();
	if (n >= 5 && strncmp(p, "HTTP/", 5) == 0)
		bk_buf_reset(&r->lines);	/* after a 100 Continue */
	return bk_buf_add(&r->lines, p, n, &f) == 0 ? n : 0;
}

bool
bk_http_answer(const struct bk_http_req *r, const char *name, char *out,
    size_t size)
{
	const char *p = bk_buf_text(&r->lines);
	size_t n = strlen(name), len;

	while ((p = strchr(p, '\n')) != NULL) {
		p++;
		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		p += n + 1;
		p += strspn(p, " \t");
		len = strcspn(p, "\r\n");
		while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
			len--;
		if (len >= size)
			return false;
		memcpy(out, p, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

int
bk_http_header(struct bk_http_req *r, struct bk_fault *f, const char *fmt, ...)
{
	struct bk_buf b = BK_BUF_INIT(BK_HTTP_HEADERS_MAX);
	struct curl_slist *l = NULL;
	char line[2048];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(line)) {
		l = curl_slist_append(r->headers, line);
	} else if (n >= 0 && bk_buf_need(&b, (size_t)n + 1, f) == 0) {
		va_start(ap, fmt);
		(void)vsnprintf(b.p, (size_t)n + 1, fmt, ap);
		va_end(ap);
		b.len = (size_t)n;
		l = curl_slist_append(r->headers, b.p);
	}
	bk_buf_wipe(&b);
	explicit_bzero(line, sizeof(line));
	if (l == NULL)
		return bk_fault_set(f, BK_IO, "out of memory for a request");
	r->headers = l;
	return 0;
}

/* Headers hold credentials: wipe them before libcurl frees them. */
void
bk_http_try_drop(struct bk_http_req *r, CURLM *multi)
{
	if (r->easy != NULL) {
		(void)curl_multi_remove_handle(multi, r->easy);
		curl_easy_cleanup(r->easy);
		r->easy = NULL;
	}
	for (struct curl_slist *l = r->headers; l != NULL; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(r->headers);
	r->headers = NULL;
}

static void
set_method(struct bk_http_req *r)
{
	CURL *e = r->easy;

	if (strcmp(r->method, "HEAD") == 0) {
		(void)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	} else if (strcmp(r->method, "GET") == 0) {
		(void)curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	} else if (strcmp(r->method, "DELETE") == 0) {
		(void)curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
		(void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, "DELETE");
	} else {
		(void)curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
		(void)curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
		(void)curl_easy_setopt(e, CURLOPT_READDATA, r);
		(void)curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
		(void)curl_easy_setopt(e, CURLOPT_SEEKDATA, r);
		(void)curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE,
		    (curl_off_t)r->bytes);
		(void)curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, SEND);
	}
}

static void
set_network(struct bk_http_req *r)
{
	const struct bk_http_net *h = r->net;
	CURL *e = r->easy;
	const char *proxy = h->proxy[strncmp(r->url, "https:", 6) == 0];

	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
	    (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)(r->connect_ms > 0 ? r->connect_ms : CONNECT_MS));
	(void)curl_easy_setopt(e, CURLOPT_SSLVERSION,
	    (long)CURL_SSLVERSION_TLSv1_2);
	if (h->ca != NULL)
		(void)curl_easy_setopt(e, CURLOPT_CAINFO, h->ca);
	/* "" keeps libcurl from reading the environment itself. */
	(void)curl_easy_setopt(e, CURLOPT_PROXY,
	    r->direct || proxy == NULL ? "" : proxy);
	(void)curl_easy_setopt(e, CURLOPT_NOPROXY,
	    h->no_proxy != NULL ? h->no_proxy : "");
}

int
bk_http_try(struct bk_http_req *r, struct bk_fault *f)
{
	CURL *e;

	if ((e = r->easy = curl_easy_init()) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	/*
	 * A server that refuses a large body answers and resets; the answer is
	 * lost then if we are still sending.  The next try asks first.
	 */
	if (!(r->tried > 0 && r->unsure && r->bytes > 65536))
		(void)bk_http_header(r, f, "Expect:");
	else
		(void)bk_http_header(r, f, "Expect: 100-continue");
	set_method(r);
	set_network(r);
	(void)curl_easy_setopt(e, CURLOPT_URL, r->url);
	(void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers);
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, "bk/" BK_VERSION);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
	(void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, r->into != NULL ?
	    RECEIVE : RECEIVE_SMALL);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->errbuf);
	(void)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
	(void)curl_easy_setopt(e, CURLOPT_PREREQDATA, r);
	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
	return 0;
}
