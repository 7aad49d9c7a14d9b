/*
 * One signed S3 request: prepared anew for each try, with the clock offset
 * learnt so far, and judged by status and error code ("Error responses",
 * Amazon S3 API reference).  prepare and judge run in the background thread.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "s3.h"
#include "s3xml.h"

#define CLOCK_TRUSTED_MS 30000		/* closer clocks are left alone */

int
s3_req_init(struct s3_req *q, struct bk_s3 *s, const char *method,
    const char *key, struct bk_fault *f)
{
	const char *bucket = s->virtual_host ? "" : s->bucket;
	size_t n;

	q->s = s;
	q->http.method = method;
	q->http.body = "";
	q->http.deadline = s->ctx->mono() + s->timeout_ms;
	q->http.stall_ms = s->timeout_ms / 4 < 30000 ? s->timeout_ms / 4 : 30000;
	q->http.arg = q;
	n = strlen(bucket) + strlen(s->prefix) +
	    (key != NULL ? strlen(key) : 0) + 4;
	if ((q->path = malloc(n)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	(void)snprintf(q->path, n, "%s%s%s%s%s", *bucket != '\0' ? "/" : "",
	    bucket, key != NULL || *bucket == '\0' ? "/" : "",
	    key != NULL ? s->prefix : "", key != NULL ? key : "");
	return 0;
}

void
s3_query(struct s3_req *q, const char *name, const char *value)
{
	if (q->nquery < S3_FIELDS)
		q->query[q->nquery++] = (struct bk_aws_pair){ name, value };
}

void
s3_header(struct s3_req *q, const char *name, const char *value)
{
	if (q->nheaders < S3_FIELDS)
		q->headers[q->nheaders++] = (struct bk_aws_pair){ name, value };
}

void
s3_body(struct s3_req *q, const void *p, size_t n)
{
	q->http.body = p;
	q->http.bytes = n;
}

/* Take what the payload's header needs, once: a part is sent many times. */
static void
payload(struct s3_req *q)
{
	uint8_t sum[BK_SHA256_LEN], be[4];
	uint32_t crc;

	if (q->crc && q->crc32c[0] == '\0' && q->http.body != NULL) {
		crc = bk_crc32c(0, q->http.body, q->http.bytes);
		for (int i = 0; i < 4; i++)
			be[i] = (uint8_t)(crc >> (24 - 8 * i));
		(void)EVP_EncodeBlock((uint8_t *)q->crc32c, be, 4);
	}
	if (q->payload[0] != '\0')
		return;
	if (q->crc || q->http.body == NULL) {
		(void)snprintf(q->payload, sizeof(q->payload), "%s",
		    BK_AWS_UNSIGNED);
		return;
	}
	bk_sha256_of(q->http.body, q->http.bytes, sum);
	bk_hex(sum, sizeof(sum), q->payload);
}

void
s3_host(const struct bk_s3 *s, char *out, size_t size)
{
	const char *b = s->virtual_host ? s->bucket : "";
	const char *dot = s->virtual_host ? "." : "";

	if (s->host != NULL)
		(void)snprintf(out, size, "%s%s%s", b, dot, s->host);
	else
		(void)snprintf(out, size, "%s%ss3.%s.amazonaws.com%s", b, dot,
		    s->region, strncmp(s->region, "cn-", 3) == 0 ? ".cn" : "");
}

static int
make_url(struct s3_req *q, const char *host, struct bk_fault *f)
{
	struct bk_buf url = BK_BUF_INIT(64 * 1024);

	if (bk_buf_addf(&url, f, "%s://%s", q->s->tls ? "https" : "http",
	    host) == 0 && bk_uri_encode(&url, q->path, true, f) == 0 &&
	    (q->nquery == 0 || (bk_buf_adds(&url, "?", f) == 0 &&
	    bk_aws_query(q->query, q->nquery, &url, f) == 0)))
		q->http.url = bk_buf_detach(&url, f);
	bk_buf_release(&url);
	return q->http.url != NULL ? 0 : -1;
}

static int
prepare(struct bk_http_req *r, struct bk_fault *f)
{
	struct s3_req *q = r->arg;
	struct bk_s3 *s = q->s;
	struct bk_aws_pair signed_[S3_FIELDS + 1];
	struct bk_aws_request a = { .method = r->method, .path = q->path,
	    .query = q->query, .nquery = q->nquery, .headers = signed_ };
	struct bk_buf auth = BK_BUF_INIT(8192);
	struct bk_aws_key key;
	char date[BK_AWS_DATE_LEN], host[512];
	int64_t t = s->ctx->now(), offset;
	int rc = -1;

	if (bk_http_clock(s->http, &offset) &&
	    (offset > CLOCK_TRUSTED_MS || offset < -CLOCK_TRUSTED_MS))
		t += offset;
	payload(q);
	memcpy(signed_, q->headers, q->nheaders * sizeof(q->headers[0]));
	a.nheaders = q->nheaders;
	if (q->crc)
		signed_[a.nheaders++] = (struct bk_aws_pair){
		    "x-amz-checksum-crc32c", q->crc32c };
	a.payload = q->payload;
	bk_aws_date(t, date);
	bk_awscred_lock(s->cred);
	key = bk_awscred_key(s->cred);
	a.region = s->region;
	s3_host(s, host, sizeof(host));
	a.host = host;
	if (make_url(q, host, f) == 0 &&
	    bk_aws_sign(&a, &key, t, &auth, f) == 0 &&
	    bk_http_header(r, f, "Authorization: %s", auth.p) == 0 &&
	    bk_http_header(r, f, "x-amz-date: %s", date) == 0 &&
	    bk_http_header(r, f, "x-amz-content-sha256: %s", q->payload) == 0 &&
	    (key.token == NULL || bk_http_header(r, f,
	    "x-amz-security-token: %s", key.token) == 0))
		rc = 0;
	bk_awscred_unlock(s->cred);
	for (size_t i = 0; i < a.nheaders && rc == 0; i++)
		rc = bk_http_header(r, f, "%s: %s", signed_[i].name,
		    signed_[i].value);
	bk_buf_wipe(&auth);
	return rc;
}

/* The server has named the bucket's own region: once is enough. */
static bool
learn_region(struct s3_req *q)
{
	struct bk_s3 *s = q->s;
	char region[S3_REGION_MAX] = "";
	bool moved = false;

	if (!bk_http_answer(&q->http, "x-amz-bucket-region", region,
	    sizeof(region)))
		bk_xml_text(bk_buf_text(&q->http.answer), q->http.answer.len,
		    "Error/Region", region, sizeof(region));
	if (region[0] == '\0' || region[strspn(region,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] != '\0')
		return false;
	bk_awscred_lock(s->cred);
	if (strcmp(region, s->region) != 0 && !s->region_moved) {
		(void)snprintf(s->region, sizeof(s->region), "%s", region);
		s->region_moved = true;
		moved = true;
	}
	bk_awscred_unlock(s->cred);
	return moved;
}

static bool
one_of(const char *code, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(code, *list) == 0)
			return true;
	return false;
}

static void
read_error(struct s3_req *q)
{
	const char *p = bk_buf_text(&q->http.answer);
	size_t n = q->http.answer.len;

	q->code[0] = q->message[0] = '\0';
	if (n == 0)
		return;
	bk_xml_text(p, n, "Error/Code", q->code, sizeof(q->code));
	bk_xml_text(p, n, "Error/Message", q->message, sizeof(q->message));
}

static enum bk_http_verdict
judge(struct bk_http_req *r)
{
	static const char *const passing[] = { "InternalError", "SlowDown",
	    "ServiceUnavailable", "RequestTimeout", "BadDigest",
	    "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
	    "IncompleteBody", "OperationAborted", "ConditionalRequestConflict",
	    "ThrottlingException", "Throttling", "InvalidDigest", NULL };
	static const char *const stale[] = { "ExpiredToken", "TokenRefreshRequired",
	    "ExpiredTokenException", NULL };
	struct s3_req *q = r->arg;
	enum bk_http_verdict v = bk_http_judge(r);

	q->expired = false;
	if (r->status == 0 || r->curl != CURLE_OK)
		return v;
	if (r->status / 100 == 2 && !q->completing)
		return BK_HTTP_DONE;
	read_error(q);
	if (r->status / 100 == 2) {
		if (strstr(bk_buf_text(&r->answer),
		    "CompleteMultipartUploadResult") != NULL)
			return BK_HTTP_DONE;
		/* Neither a result nor an error: an answer cut in front. */
		if (q->code[0] == '\0')
			(void)snprintf(q->code, sizeof(q->code), "no result");
		return BK_HTTP_AGAIN;
	}
	if (one_of(q->code, passing))
		return BK_HTTP_AGAIN;
	if (one_of(q->code, stale)) {
		q->expired = true;
		return BK_HTTP_DONE;
	}
	if (strcmp(q->code, "RequestTimeTooSkewed") == 0 && !q->skewed) {
		q->skewed = true;
		return BK_HTTP_AT_ONCE;
	}
	if ((r->status / 100 == 3 || r->status == 400 || r->status == 403) &&
	    learn_region(q))
		return BK_HTTP_AT_ONCE;
	return v;
}

int
s3_start(struct s3_req *q, struct bk_fault *f)
{
	if (bk_awscred_ready(q->s->cred, false, f) == -1)
		return -1;
	q->http.prepare = prepare;
	q->http.judge = judge;
	bk_http_start(q->s->http, &q->http);
	return 0;
}

int
s3_again(struct s3_req *q, bool *again, struct bk_fault *f)
{
	*again = false;
	if (bk_faulty(&q->http.fault))
		return bk_fault_set(f, q->http.fault.status, "%s",
		    q->http.fault.text);
	if (!q->expired || q->renewed || q->http.status == 0)
		return 0;
	if (bk_awscred_ready(q->s->cred, true, f) == -1)
		return -1;
	*again = q->renewed = true;
	return 0;
}

int
s3_run(struct s3_req *q, struct bk_fault *f)
{
	bool again;

	do {
		if (s3_start(q, f) == -1)
			return -1;
		bk_http_wait(q->s->http, &q->http);
		if (s3_again(q, &again, f) == -1)
			return -1;
	} while (again);
	return 0;
}

void
s3_req_release(struct s3_req *q)
{
	bk_http_release(&q->http);
	free(q->path);
	q->path = NULL;
}

uint64_t
s3_answer_number(const struct s3_req *q, const char *name)
{
	char text[32], *end;
	unsigned long long n;

	if (!bk_http_answer(&q->http, name, text, sizeof(text)) ||
	    text[0] < '0' || text[0] > '9')
		return UINT64_MAX;
	n = strtoull(text, &end, 10);
	return *end == '\0' ? n : UINT64_MAX;
}

static int
class_of(const struct s3_req *q)
{
	static const char *const full[] = { "QuotaExceeded", "EntityTooLarge",
	    "InsufficientStorage", "XMinioStorageFull", NULL };
	static const char *const denied[] = { "InvalidAccessKeyId",
	    "InvalidToken", "ExpiredToken", "ExpiredTokenException",
	    "TokenRefreshRequired", "AccountProblem", NULL };
	static const char *const config[] = { "InvalidStorageClass",
	    "AuthorizationHeaderMalformed", "InvalidBucketName",
	    "InvalidLocationConstraint", "IllegalLocationConstraintException",
	    NULL };

	if (one_of(q->code, full) || q->http.status == 413 ||
	    q->http.status == 507)
		return BK_IO;
	if (one_of(q->code, denied) || q->http.status == 401 ||
	    q->http.status == 403)
		return BK_NOPERM;
	if (strcmp(q->code, "NoSuchUpload") == 0)
		return BK_UNAVAILABLE;
	if (q->http.status == 404 || q->http.status == 410)
		return BK_NOINPUT;
	if (one_of(q->code, config) || q->http.status / 100 == 3)
		return BK_CONFIG;
	return BK_UNAVAILABLE;
}

int
s3_refused(const struct s3_req *q, struct bk_fault *f)
{
	char tries[32] = "";

	if (strcmp(q->code, "NoSuchBucket") == 0)
		return bk_fault_set(f, BK_NOINPUT, "no bucket '%s'",
		    q->s->bucket);
	if (q->http.tried > 1)
		(void)snprintf(tries, sizeof(tries), " after %u tries",
		    q->http.tried);
	if (q->http.status / 100 == 3)
		return bk_fault_set(f, BK_CONFIG, "the server sends us "
		    "elsewhere (%ld%s%s): set region or endpoint",
		    q->http.status, *q->code != '\0' ? " " : "", q->code);
	return bk_fault_set(f, class_of(q), "the server says %ld%s%s%s%s%s",
	    q->http.status, q->code[0] != '\0' ? " " : "", q->code,
	    q->message[0] != '\0' ? ": " : "", q->message, tries);
}
