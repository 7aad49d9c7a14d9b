/*
 * The three steps of the signature: canonical request, string to sign,
 * signing key.  Everything secret that is derived here is wiped.
 */
#include "awssign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "uri.h"
#include "when.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SERVICE "s3"
#define PAIRS_MAX 48
#define TEXT_MAX (256 * 1024)

struct pairs {
	struct bk_aws_pair p[PAIRS_MAX];
	size_t n;
};

void
bk_aws_date(int64_t t, char out[BK_AWS_DATE_LEN])
{
	char text[BK_TIME_LEN];

	(void)snprintf(out, BK_AWS_DATE_LEN, "%s", bk_time_compact(t, text));
}

static int
by_name(const void *a, const void *b)
{
	const struct bk_aws_pair *x = a, *y = b;
	int rc = strcmp(x->name, y->name);

	return rc != 0 ? rc : strcmp(x->value, y->value);
}

static int
add(struct pairs *s, const char *name, const char *value, struct bk_fault *f)
{
	if (s->n == PAIRS_MAX)
		return bk_fault_set(f, BK_BUG, "too many fields to sign");
	s->p[s->n].name = name;
	s->p[s->n++].value = value;
	return 0;
}

static int
add_all(struct pairs *s, const struct bk_aws_pair *p, size_t n,
    struct bk_fault *f)
{
	for (size_t i = 0; i < n; i++)
		if (add(s, p[i].name, p[i].value, f) == -1)
			return -1;
	return 0;
}

int
bk_aws_query(const struct bk_aws_pair *q, size_t n, struct bk_buf *out,
    struct bk_fault *f)
{
	struct pairs s = { .n = 0 };

	if (add_all(&s, q, n, f) == -1)
		return -1;
	qsort(s.p, s.n, sizeof(s.p[0]), by_name);
	for (size_t i = 0; i < s.n; i++)
		if ((i > 0 && bk_buf_adds(out, "&", f) == -1) ||
		    bk_uri_encode(out, s.p[i].name, false, f) == -1 ||
		    bk_buf_adds(out, "=", f) == -1 ||
		    bk_uri_encode(out, s.p[i].value, false, f) == -1)
			return -1;
	return 0;
}

/* A header's value without the blanks around it. */
static int
trimmed(struct bk_buf *b, const char *v, struct bk_fault *f)
{
	size_t n;

	v += strspn(v, " \t");
	for (n = strlen(v); n > 0 && (v[n - 1] == ' ' || v[n - 1] == '\t'); n--)
		;
	return bk_buf_add(b, v, n, f);
}

static int
names(struct bk_buf *b, const struct pairs *h, struct bk_fault *f)
{
	for (size_t i = 0; i < h->n; i++)
		if (bk_buf_addf(b, f, "%s%s", i > 0 ? ";" : "",
		    h->p[i].name) == -1)
			return -1;
	return 0;
}

/* Hash of the canonical request, in hexadecimal. */
static int
canonical(const struct bk_aws_request *r, const char *query,
    const struct pairs *h, const char *payload, char out[BK_SHA256_HEX],
    struct bk_fault *f)
{
	struct bk_buf b = BK_BUF_INIT(TEXT_MAX);
	uint8_t sum[BK_SHA256_LEN];
	int rc = -1;

	if (bk_buf_addf(&b, f, "%s\n", r->method) == -1 ||
	    bk_uri_encode(&b, r->path, true, f) == -1 ||
	    bk_buf_addf(&b, f, "\n%s\n", query) == -1)
		goto out;
	for (size_t i = 0; i < h->n; i++)
		if (bk_buf_addf(&b, f, "%s:", h->p[i].name) == -1 ||
		    trimmed(&b, h->p[i].value, f) == -1 ||
		    bk_buf_adds(&b, "\n", f) == -1)
			goto out;
	if (bk_buf_adds(&b, "\n", f) == -1 || names(&b, h, f) == -1 ||
	    bk_buf_addf(&b, f, "\n%s", payload) == -1)
		goto out;
	bk_sha256_of(b.p, b.len, sum);
	bk_hex(sum, sizeof(sum), out);
	rc = 0;
out:
	bk_buf_wipe(&b);		/* may hold the session token */
	return rc;
}

static int
hmac(const void *key, size_t keylen, const char *text,
    uint8_t out[BK_SHA256_LEN], struct bk_fault *f)
{
	unsigned int n = BK_SHA256_LEN;

	if (HMAC(EVP_sha256(), key, (int)keylen, (const uint8_t *)text,
	    strlen(text), out, &n) == NULL || n != BK_SHA256_LEN)
		return bk_fault_set(f, BK_BUG, "HMAC-SHA-256 failed");
	return 0;
}

/* The signature over ${hash} of the canonical request. */
static int
signature(const char *secret, const char *date, const char *region,
    const char *hash, char out[BK_SHA256_HEX], struct bk_fault *f)
{
	struct bk_buf first = BK_BUF_INIT(4096);
	struct bk_buf text = BK_BUF_INIT(4096);
	uint8_t k[BK_SHA256_LEN];
	char day[9];
	int rc = -1;

	(void)snprintf(day, sizeof(day), "%.8s", date);
	if (bk_buf_addf(&first, f, "AWS4%s", secret) == 0 &&
	    bk_buf_addf(&text, f, ALGORITHM "\n%s\n%s/%s/" SERVICE
	    "/aws4_request\n%s", date, day, region, hash) == 0 &&
	    hmac(first.p, first.len, day, k, f) == 0 &&
	    hmac(k, sizeof(k), region, k, f) == 0 &&
	    hmac(k, sizeof(k), SERVICE, k, f) == 0 &&
	    hmac(k, sizeof(k), "aws4_request", k, f) == 0 &&
	    hmac(k, sizeof(k), text.p, k, f) == 0) {
		bk_hex(k, sizeof(k), out);
		rc = 0;
	}
	OPENSSL_cleanse(k, sizeof(k));
	bk_buf_wipe(&first);
	bk_buf_release(&text);
	return rc;
}

int
bk_aws_sign(const struct bk_aws_request *r, const struct bk_aws_key *key,
    int64_t t, struct bk_buf *out, struct bk_fault *f)
{
	struct bk_buf query = BK_BUF_INIT(TEXT_MAX);
	struct pairs h = { .n = 0 };
	char date[BK_AWS_DATE_LEN], hash[BK_SHA256_HEX], sig[BK_SHA256_HEX];
	int rc = -1;

	bk_aws_date(t, date);
	if (add_all(&h, r->headers, r->nheaders, f) == -1 ||
	    add(&h, "host", r->host, f) == -1 ||
	    add(&h, "x-amz-content-sha256", r->payload, f) == -1 ||
	    add(&h, "x-amz-date", date, f) == -1 ||
	    (key->token != NULL &&
	    add(&h, "x-amz-security-token", key->token, f) == -1))
		return -1;
	qsort(h.p, h.n, sizeof(h.p[0]), by_name);
	if (bk_aws_query(r->query, r->nquery, &query, f) == 0 &&
	    canonical(r, bk_buf_text(&query), &h, r->payload, hash, f) == 0 &&
	    signature(key->secret, date, r->region, hash, sig, f) == 0 &&
	    bk_buf_addf(out, f, ALGORITHM " Credential=%s/%.8s/%s/" SERVICE
	    "/aws4_request,SignedHeaders=", key->id, date, r->region) == 0 &&
	    names(out, &h, f) == 0)
		rc = bk_buf_addf(out, f, ",Signature=%s", sig);
	bk_buf_release(&query);
	return rc;
}

int
bk_aws_presign(const struct bk_aws_request *r, const struct bk_aws_key *key,
    int64_t t, unsigned int seconds, struct bk_buf *out, struct bk_fault *f)
{
	struct bk_buf scope = BK_BUF_INIT(4096);
	struct bk_buf query = BK_BUF_INIT(TEXT_MAX);
	struct bk_buf signed_ = BK_BUF_INIT(4096);
	struct pairs h = { .n = 0 }, q = { .n = 0 };
	char date[BK_AWS_DATE_LEN], hash[BK_SHA256_HEX], sig[BK_SHA256_HEX];
	char life[16];
	int rc = -1;

	bk_aws_date(t, date);
	(void)snprintf(life, sizeof(life), "%u", seconds);
	if (add_all(&h, r->headers, r->nheaders, f) == -1 ||
	    add(&h, "host", r->host, f) == -1)
		goto out;
	qsort(h.p, h.n, sizeof(h.p[0]), by_name);
	if (names(&signed_, &h, f) == -1 ||
	    bk_buf_addf(&scope, f, "%s/%.8s/%s/" SERVICE "/aws4_request",
	    key->id, date, r->region) == -1 ||
	    add_all(&q, r->query, r->nquery, f) == -1 ||
	    add(&q, "X-Amz-Algorithm", ALGORITHM, f) == -1 ||
	    add(&q, "X-Amz-Credential", bk_buf_text(&scope), f) == -1 ||
	    add(&q, "X-Amz-Date", date, f) == -1 ||
	    add(&q, "X-Amz-Expires", life, f) == -1 ||
	    add(&q, "X-Amz-SignedHeaders", bk_buf_text(&signed_), f) == -1 ||
	    (key->token != NULL &&
	    add(&q, "X-Amz-Security-Token", key->token, f) == -1))
		goto out;
	if (bk_aws_query(q.p, q.n, &query, f) == 0 &&
	    canonical(r, bk_buf_text(&query), &h, BK_AWS_UNSIGNED, hash, f) == 0 &&
	    signature(key->secret, date, r->region, hash, sig, f) == 0)
		rc = bk_buf_addf(out, f, "%s&X-Amz-Signature=%s",
		    bk_buf_text(&query), sig);
out:
	bk_buf_wipe(&query);
	bk_buf_release(&scope);
	bk_buf_release(&signed_);
	return rc;
}
