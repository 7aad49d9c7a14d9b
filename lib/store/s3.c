/*
 * s3: objects in a bucket of Amazon S3 or a server that speaks its API.
 *
 *	s3://bucket/prefix?endpoint=&region=&profile=&style=&ca=
 *	    &storage-class=&sse=
 *
 * An endpoint without scheme means https.  The default style is a path for
 * an endpoint of one's own, and the bucket in the host name for Amazon; a
 * bucket with a dot takes the path there too, as no certificate covers it.
 *
 * Opening asks for one key of the bucket: that answers with an error code
 * where a HEAD has none, and tells the bucket's region and the clock.
 * Credentials that may only write get "AccessDenied" there, which is no
 * fault.
 *
 * Behind this file: s3req.c one signed request; s3put.c and s3get.c the
 * parallel transfers; s3list.c listing and removing; s3probe.c what the
 * server can.
 */
#include "s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_TRIES 4

static const char *const options[] = { "endpoint", "region", "profile",
    "style", "ca", "storage-class", "sse", NULL };

static void
s3_close(struct bk_store *base)
{
	struct bk_s3 *s = (struct bk_s3 *)base;

	if (s == NULL)
		return;
	bk_http_free(s->http);
	bk_awscred_free(s->cred);
	free(s->bucket);
	free(s->prefix);
	free(s->host);
	free(s->storage_class);
	free(s->sse);
	free(s->temp_dir);
	free(s);
}

static char *
copy(const char *s, struct bk_fault *f)
{
	char *p = strdup(s);

	if (p == NULL)
		(void)bk_fault_set(f, BK_IO, "out of memory");
	return p;
}

static bool
only(const char *s, const char *set)
{
	return *s != '\0' && s[strspn(s, set)] == '\0';
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* Bucket and prefix from the URL's host and path. */
static int
place(struct bk_s3 *s, const struct bk_uri *u, struct bk_fault *f)
{
	const char *p = u->path + strspn(u->path, "/");
	size_t n = strlen(p);

	if (u->user != NULL)
		return bk_fault_set(f, BK_USAGE, "no credentials in a store's "
		    "URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
	if (u->port != -1)
		return bk_fault_set(f, BK_USAGE, "'%s' has a port: the server "
		    "goes into ?endpoint=", u->text);
	if (strlen(u->host) > 63 || !only(u->host, LETTERS "._-"))
		return bk_fault_set(f, BK_USAGE, "'%s' is no bucket name: want "
		    "1 to 63 letters, digits, '.', '-', '_'", u->host);
	while (n > 0 && p[n - 1] == '/')
		n--;
	if ((s->bucket = copy(u->host, f)) == NULL)
		return -1;
	if ((s->prefix = calloc(1, n + 2)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	memcpy(s->prefix, p, n);
	if (n == 0)
		return 0;
	if (!bk_key_ok(s->prefix))
		return bk_fault_set(f, BK_USAGE, "'%s' cannot be a prefix of "
		    "keys", s->prefix);
	s->prefix[n] = '/';
	return 0;
}

/* ${e}: [http://|https://]host[:port][/] */
static int
endpoint(struct bk_s3 *s, const char *e, struct bk_fault *f)
{
	const char *p = e;
	size_t n;

	s->tls = true;
	if (strncasecmp(p, "https://", 8) == 0) {
		p += 8;
	} else if (strncasecmp(p, "http://", 7) == 0) {
		p += 7;
		s->tls = false;
	}
	n = strlen(p);
	while (n > 0 && p[n - 1] == '/')
		n--;
	if ((s->host = strndup(p, n)) == NULL)
		return bk_fault_set(f, BK_IO, "out of memory");
	if (n > 255 || !only(s->host, LETTERS ".-_:[]"))
		return bk_fault_set(f, BK_USAGE, "endpoint '%s' is not of the "
		    "form [https://]host[:port]", e);
	return 0;
}

static int
style(struct bk_s3 *s, const char *v, struct bk_fault *f)
{
	if (v == NULL)
		s->virtual_host = s->host == NULL &&
		    strchr(s->bucket, '.') == NULL;
	else if (strcmp(v, "virtual") == 0)
		s->virtual_host = true;
	else if (strcmp(v, "path") != 0)
		return bk_fault_set(f, BK_USAGE, "style '%s' is neither 'path' "
		    "nor 'virtual'", v);
	return 0;
}

static int
option_text(const struct bk_uri *u, const char *name, char **out,
    struct bk_fault *f)
{
	const char *v = bk_uri_opt(u, name);

	if (v == NULL)
		return 0;
	if (!only(v, LETTERS "-_:."))
		return bk_fault_set(f, BK_USAGE, "option %s=%s has characters "
		    "that it cannot have", name, v);
	return (*out = copy(v, f)) == NULL ? -1 : 0;
}

/* What URL, environment and shared files say. */
static int
settings(struct bk_s3 *s, const struct bk_uri *u, char **ca, char **region,
    struct bk_fault *f)
{
	const char *profile = bk_uri_opt(u, "profile");
	const char *e = bk_uri_opt(u, "endpoint"), *c = bk_uri_opt(u, "ca");
	char *found = NULL;
	int rc = 0;

	if (e == NULL)
		e = found = bk_aws_setting(s->ctx, profile,
		    "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "endpoint_url", f);
	s->tls = true;
	if (e != NULL)
		rc = endpoint(s, e, f);
	free(found);
	if (rc == -1 || bk_faulty(f) ||
	    style(s, bk_uri_opt(u, "style"), f) == -1 ||
	    option_text(u, "storage-class", &s->storage_class, f) == -1 ||
	    option_text(u, "sse", &s->sse, f) == -1 ||
	    option_text(u, "region", region, f) == -1)
		return -1;
	if (*region == NULL)
		*region = bk_aws_setting(s->ctx, profile, "AWS_REGION",
		    "AWS_DEFAULT_REGION", "region", f);
	if (c != NULL)
		*ca = copy(c, f);
	else
		*ca = bk_aws_setting(s->ctx, profile, "AWS_CA_BUNDLE", NULL,
		    "ca_bundle", f);
	if (bk_faulty(f))
		return -1;
	if (*region != NULL && (strlen(*region) >= sizeof(s->region) ||
	    !only(*region, LETTERS "-_")))
		return bk_fault_set(f, BK_USAGE, "'%s' is no region", *region);
	(void)snprintf(s->region, sizeof(s->region), "%s",
	    *region != NULL ? *region : "us-east-1");
	return 0;
}

static int
create_bucket(struct bk_s3 *s, struct bk_fault *f)
{
	struct s3_req q = { .code = "" };
	char body[256];
	int rc = -1;

	if (s3_req_init(&q, s, "PUT", NULL, f) == -1)
		return -1;
	if (s->host == NULL && strcmp(s->region, "us-east-1") != 0) {
		(void)snprintf(body, sizeof(body), "<CreateBucketConfiguration "
		    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
		    "<LocationConstraint>%s</LocationConstraint>"
		    "</CreateBucketConfiguration>", s->region);
		s3_body(&q, body, strlen(body));
	}
	if (s3_run(&q, f) == 0) {
		if (q.http.status / 100 == 2 ||
		    strcmp(q.code, "BucketAlreadyOwnedByYou") == 0)
			rc = 0;
		else
			(void)s3_refused(&q, f);
	}
	bk_fault_context(f, "cannot create bucket '%s'", s->bucket);
	s3_req_release(&q);
	return rc;
}

/* Ask for one key: is the bucket there, are we known? */
static int
look(struct bk_s3 *s, bool create, struct bk_fault *f)
{
	struct s3_req q = { .code = "" };
	int rc = -1;

	if (s3_req_init(&q, s, "GET", NULL, f) == -1)
		return -1;
	s3_query(&q, "list-type", "2");
	s3_query(&q, "max-keys", "1");
	s3_query(&q, "prefix", s->prefix);
	q.http.tries = OPEN_TRIES;
	if (s3_run(&q, f) == 0) {
		if (q.http.status / 100 == 2 ||
		    strcmp(q.code, "AccessDenied") == 0)
			rc = 0;
		else if (create && strcmp(q.code, "NoSuchBucket") == 0)
			rc = create_bucket(s, f);
		else
			(void)s3_refused(&q, f);
	}
	s3_req_release(&q);
	return rc;
}

static struct bk_store *
s3_open(const struct bk_ctx *ctx, const struct bk_uri *uri,
    const struct bk_store_opts *opts, struct bk_fault *f)
{
	struct bk_s3 *s = calloc(1, sizeof(*s));
	char *ca = NULL, *region = NULL;
	const char *profile = bk_uri_opt(uri, "profile");
	bool good = false;

	if (s == NULL) {
		(void)bk_fault_set(f, BK_IO, "out of memory");
		return NULL;
	}
	s->ctx = ctx;
	s->memory = opts->memory;
	s->timeout_ms = opts->timeout_ms;
	s->read_only = opts->read_only;
	s->parts = S3_PARTS;
	if (place(s, uri, f) == 0 && settings(s, uri, &ca, &region, f) == 0 &&
	    (s->temp_dir = copy(opts->temp_dir, f)) != NULL &&
	    (s->http = bk_http_new(ctx, ca, f)) != NULL &&
	    (s->cred = bk_awscred_new(ctx, s->http, profile, s->region,
	    f)) != NULL)
		good = look(s, opts->create, f) == 0;
	free(ca);
	free(region);
	if (good)
		return &s->base;
	s3_close(&s->base);
	return NULL;
}

static int
s3_stat(struct bk_store *base, const char *key, struct bk_object *o,
    struct bk_fault *f)
{
	struct s3_req q = { .code = "" };
	char when[64];
	time_t t;
	int rc = -1;

	if (s3_req_init(&q, (struct bk_s3 *)base, "HEAD", key, f) == -1)
		return -1;
	if (s3_run(&q, f) == -1)
		goto out;
	if (q.http.status == 404) {
		rc = BK_ABSENT;
	} else if (q.http.status / 100 != 2) {
		(void)s3_refused(&q, f);
	} else {
		o->bytes = s3_answer_number(&q, "content-length");
		o->modified = -1;
		if (bk_http_answer(&q.http, "last-modified", when,
		    sizeof(when)) && (t = curl_getdate(when, NULL)) != -1)
			o->modified = (int64_t)t * 1000;
		rc = o->bytes != UINT64_MAX ? 0 : bk_fault_set(f,
		    BK_UNAVAILABLE, "the server tells no length");
	}
out:
	s3_req_release(&q);
	return rc;
}

static int
s3_presign(struct bk_store *base, const char *key, unsigned int seconds,
    struct bk_buf *url, struct bk_fault *f)
{
	struct bk_s3 *s = (struct bk_s3 *)base;
	struct s3_req q = { .code = "" };
	struct bk_aws_request a = { .method = "GET", .region = s->region };
	struct bk_aws_key id;
	char host[512];
	int64_t offset;
	int rc = -1;

	if (seconds < 1 || seconds > BK_AWS_PRESIGN_MAX)
		return bk_fault_set(f, BK_USAGE, "a link lives 1 second to 7 "
		    "days, not %u seconds", seconds);
	if (bk_awscred_ready(s->cred, false, f) == -1 ||
	    s3_req_init(&q, s, "GET", key, f) == -1)
		return -1;
	(void)bk_http_clock(s->http, &offset);
	id = bk_awscred_key(s->cred);
	s3_host(s, host, sizeof(host));
	a.host = host;
	a.path = q.path;
	if (bk_buf_addf(url, f, "%s://%s", s->tls ? "https" : "http",
	    host) == 0 && bk_uri_encode(url, q.path, true, f) == 0 &&
	    bk_buf_adds(url, "?", f) == 0)
		rc = bk_aws_presign(&a, &id, s->ctx->now() + offset, seconds,
		    url, f);
	s3_req_release(&q);
	return rc;
}

const struct bk_store_ops bk_store_s3 = {
	.scheme = "s3",
	.features = BK_STORE_PRESIGN | BK_STORE_TAGS,
	.options = options,
	.open = s3_open,
	.put_begin = s3_put_begin,
	.put_write = s3_put_write,
	.put_commit = s3_put_commit,
	.put_abort = s3_put_abort,
	.stat = s3_stat,
	.get = s3_get,
	.list = s3_list,
	.remove = s3_remove,
	.debris = s3_debris,
	.debris_remove = s3_debris_remove,
	.presign = s3_presign,
	.facts = s3_facts,
	.versions = s3_versions,
	.close = s3_close,
};
