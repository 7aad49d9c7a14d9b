/*
 * The S3 driver on a bad network: a real server behind faultproxy.py.  After
 * each case the store is looked at past the proxy: the object is there once
 * and whole, or not at all, and no upload is left.
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <netinet/in.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"
#include "store.h"
#include "tap.h"

#define SMALL 4000
#define BIG (9U << 20)			/* two parts */
#define LIMIT_MS 6000
#define SHORT_MS 3000			/* where all of it is waited for */

#define WORKERS 6			/* most of the time is waiting */

static int port;
static int worker;
static struct bk_store *direct;
static uint8_t *data;

static void
proxy_start(void)
{
	const char *up = strrchr(getenv("AWS_ENDPOINT_URL"), '/') + 1;
	char text[16] = "";
	int fd[2];

	if (pipe(fd) == -1)
		return;
	fflush(stdout);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd[1], 1);
		close(fd[0]);
		close(fd[1]);
		dup2(open("/dev/null", O_WRONLY), 2);
		execl("/usr/bin/python3", "python3", "tests/fault/faultproxy.py",
		    up, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	if (read(fd[0], text, sizeof(text) - 1) > 0)
		port = (int)strtol(text, NULL, 10);
	ok(port > 0, "the proxy runs");
}

/* Replace the proxy's rules. */
static void
rules(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char msg[1024], got[64] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(msg, sizeof(msg), "PUT /__rules HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: %zu\r\n\r\n%s", strlen(text), text);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    write(fd, msg, strlen(msg)) != (ssize_t)strlen(msg) ||
	    read(fd, got, sizeof(got) - 1) <= 0 || strstr(got, " 200 ") == NULL)
		ok(false, "rules: %s", text);
	close(fd);
}

static struct bk_store *
proxied(int64_t limit, struct bk_fault *f)
{
	struct bk_store_opts opts = { .timeout_ms = limit };
	char url[128];

	snprintf(url, sizeof(url),
	    "s3://faults/set%d?endpoint=http://127.0.0.1:%d", worker, port);
	return bk_store_open(&tap_ctx, url, &opts, f);
}

static int
count(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	(void)o; (void)f;
	++*(int *)arg;
	return 0;
}

struct compare {
	size_t n, want;
	bool same;
};

static int
compare(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	struct compare *c = arg;

	(void)f;
	c->same = c->same && c->n + n <= c->want &&
	    memcmp(data + c->n, p, n) == 0;
	c->n += n;
	return 0;
}

/* The store holds the object once and whole, or nothing; and no debris. */
static void
holds(const char *key, size_t n, bool there, const char *what)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct compare c = { 0, n, true };
	int objects = 0, debris = 0, rc;

	rc = bk_store_get(direct, key, 0, UINT64_MAX, compare, &c, &f);
	ok(there ? rc == 0 && c.same && c.n == n : rc == BK_ABSENT,
	    "%s: %s", what, there ? "stored whole" : "nothing stored");
	ok(bk_store_list(direct, "dir/", "", count, &objects, &f) == 0 &&
	    objects == there, "%s: %d objects", what, objects);
	ok(bk_store_debris(direct, count, &debris, &f) == 0 && debris == 0,
	    "%s: %d unfinished %s", what, debris, f.text);
	ok_int(bk_store_remove(direct, &key, 1, &f), 0, f.text);
}

static int
put(struct bk_store *s, const char *key, size_t n, struct bk_fault *f)
{
	const struct bk_put_opts opts = { .flags = BK_PUT_NEW };
	struct bk_put *p = bk_store_put_begin(s, key, &opts, f);
	size_t at, k;

	if (p == NULL)
		return -1;
	for (at = 0; at < n; at += k) {
		k = n - at < 100000 ? n - at : 100000;
		if (bk_store_put_write(p, data + at, k, f) == -1) {
			bk_store_put_abort(p);
			return -1;
		}
	}
	return bk_store_put_commit(p, f);
}

struct bad_day {
	const char *rule;
	size_t n;
	int status;			/* 0: stored */
};

static const struct bad_day bad_puts[] = {
	{ "lost@^PUT#1", SMALL, 0 },
	{ "lost@^PUT", SMALL, 0 },
	{ "reset@^PUT#1", SMALL, 0 },
	{ "close@^PUT#1-2", SMALL, 0 },
	{ "cutreq@^PUT#1", SMALL, 0 },
	{ "cutresp@^PUT#1", SMALL, 0 },
	{ "stall@^PUT#1", SMALL, 0 },
	{ "delay=1@^PUT#1", SMALL, 0 },
	{ "status=503:SlowDown@^PUT#1-2", SMALL, 0 },
	{ "status=500:InternalError@^PUT#1", SMALL, 0 },
	{ "status=400:RequestTimeout@^PUT#1", SMALL, 0 },
	{ "status=400:BadDigest@^PUT#1", SMALL, 0 },
	{ "status=503:SlowDown@^PUT", SMALL, BK_UNAVAILABLE },
	{ "stall@^PUT", SMALL, BK_UNAVAILABLE },
	{ "reset@^PUT", SMALL, BK_UNAVAILABLE },
	{ "status=403:AccessDenied@^PUT", SMALL, BK_NOPERM },
	{ "status=403:QuotaExceeded@^PUT", SMALL, BK_IO },
	{ "status=413:EntityTooLarge@^PUT", SMALL, BK_IO },
	{ "status=507:InsufficientStorage@^PUT", SMALL, BK_IO },
	{ "status=404:NoSuchBucket@^PUT", SMALL, BK_NOINPUT },
	{ "status=301:PermanentRedirect@^PUT", SMALL, BK_CONFIG },
	{ "reset@^HEAD#1", SMALL, 0 },
	{ "lost@uploads=#1", BIG, 0 },
	{ "reset@uploads=#1", BIG, 0 },
	{ "status=403:AccessDenied@uploads=", BIG, BK_NOPERM },
	{ "lost@partNumber=2#1", BIG, 0 },
	{ "reset@partNumber#2-4", BIG, 0 },
	{ "cutreq@partNumber=1#1", BIG, 0 },
	{ "cutresp@partNumber=2#1", BIG, 0 },
	{ "stall@partNumber=2#1", BIG, 0 },
	{ "status=500:InternalError@partNumber%40", BIG, 0 },
	{ "status=403:AccessDenied@partNumber=2", BIG, BK_NOPERM },
	{ "status=403:QuotaExceeded@partNumber=2", BIG, BK_IO },
	{ "stall@partNumber=2", BIG, BK_UNAVAILABLE },
	{ "lost@^POST .*uploadId#1", BIG, 0 },
	{ "reset@^POST .*uploadId#1", BIG, 0 },
	{ "cutresp@^POST .*uploadId#1", BIG, 0 },
	{ "body@^POST .*uploadId#1", BIG, 0 },
	{ "body@^POST .*uploadId", BIG, BK_UNAVAILABLE },
	{ "stall@^POST .*uploadId#1", BIG, 0 },
	{ "status=400:InvalidPart@^POST .*uploadId", BIG, BK_UNAVAILABLE },
	{ "lost@^POST .*uploadId#1\nstatus=404:NoSuchUpload@^POST .*uploadId#2-",
	    BIG, 0 },
	/* Credentials that may not look: the same request again. */
	{ "lost@^POST .*uploadId#1\nstatus=403@^HEAD", BIG, 0 },
};

static void
each_put(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store_facts facts;
	struct bk_store *s;
	int64_t t;
	int rc;

	for (size_t i = (size_t)worker; i < sizeof(bad_puts) /
	    sizeof(bad_puts[0]); i += WORKERS - 2) {
		const struct bad_day *d = &bad_puts[i];

		rules("");
		bk_fault_clear(&f);
		if ((s = proxied(d->status == BK_UNAVAILABLE ?
		    SHORT_MS : LIMIT_MS, &f)) == NULL) {
			ok(false, "open: %s", f.text);
			return;
		}
		ok_int(bk_store_facts(s, &facts, &f), 0, "facts");
		rules(d->rule);
		t = tap_ctx.mono();
		rc = put(s, "dir/key", d->n, &f);
		t = tap_ctx.mono() - t;
		ok(rc == (d->status == 0 ? 0 : -1) && f.status == d->status,
		    "%s: %d, %d %s", d->rule, rc, f.status, f.text);
		/* Beginning, committing and dropping have a limit each. */
		ok(t < (d->status == BK_UNAVAILABLE ? 2 * SHORT_MS : LIMIT_MS) +
		    2000, "%s: took %lld ms", d->rule, (long long)t);
		bk_store_close(s);
		rules("");
		holds("dir/key", d->n, d->status == 0, d->rule);
	}
}

static const struct bad_day bad_gets[] = {
	{ "cutresp@^GET#1", BIG, 0 },
	{ "cutresp@^GET#2-3", BIG, 0 },
	{ "reset@^GET#2", BIG, 0 },
	{ "stall=1000@^GET#2", BIG, 0 },
	{ "stall@^GET#1", BIG, 0 },
	{ "status=503:SlowDown@^GET#1-2", BIG, 0 },
	{ "delay=1@^GET#1", BIG, 0 },
	{ "flip@^GET#1", SMALL, 0 },
	{ "flip@^GET", SMALL, BK_DATA },
	{ "stall=1000@^GET#2-", BIG, BK_UNAVAILABLE },
	{ "status=403:AccessDenied@^GET", BIG, BK_NOPERM },
};

/*
 * libcurl sends a request again by itself where a kept connection died
 * without an answer.  What its first sending did is not taken for another's.
 */
static void
sent_again(void)
{
	static const size_t sizes[] = { 0, SMALL };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rules("");
		if ((s = proxied(LIMIT_MS, &f)) == NULL) {
			ok(false, "open: %s", f.text);
			return;
		}
		ok_int(put(s, "dir/key", SMALL, &f), 0, f.text);
		holds("dir/key", SMALL, true, "the first");
		rules("lost@^PUT#1\nstatus=412:PreconditionFailed@^PUT#2-");
		ok_int(put(s, "dir/key", sizes[i], &f), 0, f.text);
		bk_store_close(s);
		rules("");
		holds("dir/key", sizes[i], true, "a reply lost, then 412");
	}
}

static void
each_get(void)
{
	static const char *const keys[] = { "small", "big" };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s;

	ok_int(put(direct, "small", SMALL, &f), 0, f.text);
	ok_int(put(direct, "big", BIG, &f), 0, f.text);
	for (size_t i = 0; i < sizeof(bad_gets) / sizeof(bad_gets[0]); i++) {
		const struct bad_day *d = &bad_gets[i];
		struct compare c = { 0, d->n, true };
		int rc;

		rules("");
		bk_fault_clear(&f);
		if ((s = proxied(d->status == BK_UNAVAILABLE ?
		    SHORT_MS : LIMIT_MS, &f)) == NULL) {
			ok(false, "open: %s", f.text);
			return;
		}
		rules(d->rule);
		rc = bk_store_get(s, d->n == BIG ? "big" : "small", 0,
		    UINT64_MAX, compare, &c, &f);
		ok(rc == (d->status == 0 ? 0 : -1) && f.status == d->status &&
		    (rc != 0 || c.n == d->n), "get, %s: %d, %d %s", d->rule,
		    rc, f.status, f.text);
		ok(c.same, "get, %s: no byte is wrong", d->rule);
		bk_store_close(s);
	}
	rules("");
	bk_fault_clear(&f);
	ok_int(bk_store_remove(direct, keys, 2, &f), 0, f.text);
}

static void
opens(void)
{
	static const struct bad_day bad[] = {
		{ "status=404:NoSuchBucket@list-type", 0, BK_NOINPUT },
		{ "status=403:SignatureDoesNotMatch@list-type", 0, BK_NOPERM },
		{ "status=403:InvalidAccessKeyId@list-type", 0, BK_NOPERM },
		{ "status=403:AccessDenied@list-type", 0, 0 },
		{ "status=503:SlowDown@list-type#1-2", 0, 0 },
		{ "reset@list-type#1", 0, 0 },
		{ "reset@list-type", 0, BK_UNAVAILABLE },
		{ "stall@list-type", 0, BK_UNAVAILABLE },
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bk_fault_clear(&f);
		rules(bad[i].rule);
		s = proxied(bad[i].status == BK_UNAVAILABLE ? SHORT_MS :
		    LIMIT_MS, &f);
		ok((s != NULL) == (bad[i].status == 0) &&
		    f.status == bad[i].status, "open, %s: %d %s", bad[i].rule,
		    f.status, f.text);
		bk_store_close(s);
	}
	rules("");
}

/* One worker: its own proxy and prefix; its claims go to ${out}. */
static void
work(const char *out)
{
	struct bk_fault f = BK_FAULT_INIT;
	char url[64];

	if (freopen(out, "w", stdout) == NULL)
		_exit(1);
	proxy_start();
	snprintf(url, sizeof(url), "s3://faults/set%d", worker);
	if ((direct = bk_store_open(&tap_ctx, url, NULL, &f)) == NULL)
		ok(false, "cannot begin: %s", f.text);
	else if (worker == WORKERS - 1)
		opens();
	else if (worker == WORKERS - 2) {
		sent_again();
		each_get();
	} else
		each_put();
	bk_store_close(direct);
	free(data);
	fflush(stdout);
	_exit(done());
}

/* Tell a worker's claims as ours. */
static void
tell(const char *out)
{
	FILE *in = fopen(out, "re");
	char line[2048];

	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "ok ", 3) == 0)
			ok(true, "%s", line + 3);
		else if (strncmp(line, "not ok ", 7) == 0)
			ok(false, "%s", line + 7);
	}
	if (ok(in != NULL, "worker has told"))
		fclose(in);
}

int
main(void)
{
	struct bk_store_opts make = { .create = true };
	struct bk_fault f = BK_FAULT_INIT;
	uint64_t x = 88172645463325252U;
	char out[WORKERS][4096];
	int status;

	unsetenv("AWS_CA_BUNDLE");
	if (!lab_start("s3"))
		return done();
	if ((data = malloc(BIG)) == NULL ||
	    (direct = bk_store_open(&tap_ctx, "s3://faults/", &make,
	    &f)) == NULL) {
		ok(false, "cannot begin: %s", f.text);
		return done();
	}
	bk_store_close(direct);
	for (size_t i = 0; i < BIG; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (uint8_t)x;
	}
	fflush(stdout);
	for (worker = 0; worker < WORKERS; worker++) {
		snprintf(out[worker], sizeof(out[0]), "%s/worker%d", tap_dir(),
		    worker);
		if (fork() == 0)
			work(out[worker]);
	}
	for (int i = 0; i < WORKERS; i++)
		ok(wait(&status) > 0 && status == 0, "a worker ends well");
	for (int i = 0; i < WORKERS; i++)
		tell(out[i]);
	free(data);
	return done();
}
