/* Buckets are new for each chapter; the server is the test's own. */
#include "s3suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "s3.h"
#include "store_conform.h"
#include "tap.h"

#define HOURS (2 * 3600 * 1000)

static int nth;
static const char *key_id, *key_secret;	/* instead of the environment's */
static int64_t skew;

static const char *
env(const char *name)
{
	if (key_id != NULL && strcmp(name, "AWS_ACCESS_KEY_ID") == 0)
		return key_id;
	if (key_id != NULL && strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0)
		return key_secret;
	return tap_ctx.env(name);
}

static int64_t
now(void)
{
	return tap_ctx.now() + skew;
}

static struct bk_ctx ctx;

static struct bk_store *
open_nth(int n, bool create, struct bk_fault *f)
{
	struct bk_store_opts opts = { .create = create };
	char url[256];

	snprintf(url, sizeof(url), "s3://bucket%d/some/set", n);
	return bk_store_open(&ctx, url, &opts, f);
}

static struct bk_store *
fresh(void *arg, struct bk_fault *f)
{
	(void)arg;
	return open_nth(++nth, true, f);
}

static struct bk_store *
again(void *arg, struct bk_fault *f)
{
	(void)arg;
	return open_nth(nth, false, f);
}

static int
append(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static void
refused(const char *url, int status)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = bk_store_open(&ctx, url, NULL, &f);

	ok(s == NULL && f.status == status, "%s: %d %s", url, f.status, f.text);
	bk_store_close(s);
}

static void
urls(void)
{
	refused("s3://", BK_USAGE);
	refused("s3://buck%20et/", BK_USAGE);
	refused("s3://u@bucket1/", BK_USAGE);
	refused("s3://bucket1:80/", BK_USAGE);
	refused("s3://bucket1/a//b", BK_USAGE);
	refused("s3://bucket1/?style=odd", BK_USAGE);
	refused("s3://bucket1/?region=a/b", BK_USAGE);
	refused("s3://bucket1/?endpoint=ftp://x/y", BK_USAGE);
	refused("s3://bucket1/?nosuch=1", BK_USAGE);
	refused("s3://bucket1/?profile=nosuch", BK_CONFIG);
	refused("s3://no-such-bucket/", BK_NOINPUT);
	refused("s3://bucket1/?endpoint=http://127.0.0.1:1", BK_UNAVAILABLE);
	key_id = "nobody";
	key_secret = "SECRETCANARY";
	refused("s3://bucket1/", BK_NOPERM);
	key_id = getenv("AWS_ACCESS_KEY_ID");
	refused("s3://bucket1/", BK_NOPERM);
	key_id = NULL;
}

/* Opened in another way, the same object is there. */
static void
same(const char *url, const char *what)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = bk_store_open(&ctx, url, NULL, &f);
	struct bk_buf b = BK_BUF_INIT(4096);

	ok(s != NULL && bk_store_get_small(s, "k", &b, &f) == 0 &&
	    strcmp(bk_buf_text(&b), "text") == 0, "%s: %s", what, f.text);
	bk_buf_release(&b);
	bk_store_close(s);
}

static void
ways(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = fresh(NULL, &f);
	struct bk_store_facts facts;
	const char *port = strrchr(getenv("AWS_ENDPOINT_URL"), ':');
	char url[256];

	ok_int(bk_store_put_small(s, "k", "text", 4, 0, &f), 0, "put");
	bk_store_close(s);
	snprintf(url, sizeof(url), "s3://bucket%d/some/set/", nth);
	same(url, "a slash more");
	snprintf(url, sizeof(url), "s3://bucket%d/some/set?style=virtual&"
	    "endpoint=http://localhost%s", nth, port);
	same(url, "bucket in the host name");
	snprintf(url, sizeof(url), "s3://bucket%d/some/set?region=eu-west-9",
	    nth);
	same(url, "another region, found from the answer");
	for (skew = -HOURS; skew <= HOURS; skew += 2 * HOURS) {
		snprintf(url, sizeof(url), "s3://bucket%d/some/set", nth);
		same(url, "a clock two hours off");
		s = bk_store_open(&ctx, url, NULL, &f);
		ok(s != NULL && bk_store_facts(s, &facts, &f) == 0 &&
		    facts.clock_known && llabs(facts.clock_offset + skew) < 5000,
		    "the offset is known");
		bk_store_close(s);
	}
	skew = 0;
}

static void
noise(uint8_t *p, size_t n)
{
	uint64_t x = 88172645463325252U;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (uint8_t)x;
	}
}

/* With less memory than two parts these go through files. */
static void
files(void)
{
	struct bk_store_opts opts = { .create = true, .memory = 1 << 20,
	    .temp_dir = tap_dir() };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(64 << 20);
	const size_t n = (25 << 20) + 1;
	uint8_t *data = malloc(n);
	struct bk_store *s;
	char url[64];
	int rc = -1;

	snprintf(url, sizeof(url), "s3://bucket%d/files", ++nth);
	s = bk_store_open(&ctx, url, &opts, &f);
	if (s != NULL && data != NULL) {
		noise(data, n);
		rc = bk_store_put_small(s, "large", data, n, 0, &f);
		ok(rc == 0, "parts through files: %s", f.text);
		rc = bk_store_get(s, "large", 0, UINT64_MAX, append, &b, &f);
		ok(rc == 0 && b.len == n && memcmp(b.p, data, n) == 0,
		    "and back: %s", f.text);
		rc = bk_store_put_small(s, "small", data, 100, BK_PUT_NEW, &f);
		ok(rc == 0, "a small one: %s", f.text);
	}
	ok(rc == 0, "open: %s", f.text);
	bk_store_close(s);
	bk_buf_release(&b);
	free(data);
	bk_fault_clear(&f);
	opts.temp_dir = "/nonexistent-bk";
	s = bk_store_open(&ctx, url, &opts, &f);
	ok(bk_store_put_small(s, "k", "x", 1, 0, &f) == -1 && f.status != 0,
	    "no directory for them: %d %s", f.status, f.text);
	bk_store_close(s);
}

/* GET of a URL without credentials: the status, the body in ${b}. */
struct plain {
	struct bk_http_req r;
	const char *url;
};

static int
plain_prepare(struct bk_http_req *r, struct bk_fault *f)
{
	struct plain *p = r->arg;

	(void)f;
	return (r->url = strdup(p->url)) != NULL ? 0 : -1;
}

static long
fetch(const char *url, struct bk_buf *b)
{
	struct plain p = { .url = url };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_http *h = bk_http_new(&tap_ctx, NULL, &f);
	long status = -1;

	p.r.method = "GET";
	p.r.body = "";
	p.r.prepare = plain_prepare;
	p.r.arg = &p;
	p.r.deadline = tap_ctx.mono() + 10000;
	if (bk_http_run(h, &p.r, &f) == 0)
		status = p.r.status;
	bk_buf_reset(b);
	(void)bk_buf_add(b, bk_buf_text(&p.r.answer), p.r.answer.len, &f);
	bk_http_release(&p.r);
	bk_http_free(h);
	return status;
}

static void
links(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = fresh(NULL, &f);
	struct bk_buf url = BK_BUF_INIT(8192), b = BK_BUF_INIT(8192);

	ok_int(bk_store_put_small(s, "a b/+&=~é", "linked", 6, 0, &f), 0, "put");
	ok_int(bk_store_presign(s, "a b/+&=~é", 60, &url, &f), 0, "link");
	ok(strstr(url.p, getenv("AWS_SECRET_ACCESS_KEY")) == NULL,
	    "no secret in it");
	ok_int(fetch(url.p, &b), 200, "it works");
	ok_text(bk_buf_text(&b), "linked", "and gives the object");
	url.p[url.len - 1] = url.p[url.len - 1] == '0' ? '1' : '0';
	ok_int(fetch(url.p, &b), 403, "changed it does not");
	bk_buf_reset(&url);
	ok_int(bk_store_presign(s, "k", 604801, &url, &f), -1, "eight days");
	ok_int(f.status, BK_USAGE, f.text);
	bk_buf_release(&url);
	bk_buf_release(&b);
	bk_store_close(s);
}

/* Tags never fail a put, and are there where the server takes them. */
static void
tags(const char *lab)
{
	static const char *const list[] = { "tier", "app & web", "who", "me",
	    NULL };
	const struct bk_put_opts opts = { .tags = list, .flags = BK_PUT_NEW };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = fresh(NULL, &f);
	struct s3_req q = { .code = "" };
	struct bk_put *p;

	for (int i = 0; i < 2; i++) {
		p = bk_store_put_begin(s, i == 0 ? "one" : "two", &opts, &f);
		ok(p != NULL && bk_store_put_write(p, "x", 1, &f) == 0 &&
		    bk_store_put_commit(p, &f) == 0, "put with tags: %s",
		    f.text);
	}
	if (strcmp(lab, "ceph") == 0 &&
	    s3_req_init(&q, (struct bk_s3 *)s, "GET", "one", &f) == 0) {
		s3_query(&q, "tagging", "");
		ok(s3_run(&q, &f) == 0 && q.http.status == 200 &&
		    strstr(bk_buf_text(&q.http.answer),
		    "<Value>app &amp; web</Value>") != NULL, "they are there");
		s3_req_release(&q);
	}
	bk_store_close(s);
}

/* Credentials that may not do everything. */
static void
rights(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = fresh(NULL, &f);

	bk_store_close(s);
	if ((key_id = getenv("LAB_S3_READER_KEY")) == NULL)
		return;
	key_secret = getenv("LAB_S3_READER_SECRET");
	s = again(NULL, &f);
	ok(s != NULL, "opened without the right to list: %s", f.text);
	ok_int(bk_store_put_small(s, "k", "x", 1, BK_PUT_NEW, &f), -1,
	    "but not written to");
	ok_int(f.status, BK_NOPERM, f.text);
	bk_store_close(s);
	key_id = NULL;
}

int
s3_suite(const char *lab, unsigned int many, unsigned int doomed)
{
	struct conform c = { lab, fresh, again, NULL, many, doomed, 8 << 20,
	    24 << 20, .hides_debris = strcmp(lab, "minio") == 0 };

	unsetenv("AWS_CA_BUNDLE");
	ctx = tap_ctx;
	ctx.env = env;
	ctx.now = now;
	if (!lab_start(lab))
		return done();
	store_conform(&c);
	urls();
	ways();
	files();
	links();
	tags(lab);
	rights();
	return done();
}
