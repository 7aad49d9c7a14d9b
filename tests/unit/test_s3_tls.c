/*
 * The S3 driver over TLS: whom it trusts, and how payloads are protected.
 * Swift checks no CRC-32C, so a strict server of our own stands in: it takes
 * parts only unsigned and with the right sum, and wants the sums again at the
 * end (Amazon S3 API reference, UploadPart and CompleteMultipartUpload).
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32c.h"
#include "lab.h"
#include "s3.h"
#include "tap.h"

#define BIG (9U << 20)			/* two parts */

static struct bk_store *
open_at(const char *endpoint, const char *ca, struct bk_fault *f)
{
	struct bk_store_opts opts = { .create = true };
	char url[5000];

	snprintf(url, sizeof(url), "s3://tls-bucket/set?endpoint=%s%s%s",
	    endpoint, ca != NULL ? "&ca=" : "", ca != NULL ? ca : "");
	return bk_store_open(&tap_ctx, url, &opts, f);
}

static void
distrusts(const char *endpoint, const char *ca, const char *what)
{
	struct bk_fault f = BK_FAULT_INIT;
	int64_t t = tap_ctx.mono();
	struct bk_store *s = open_at(endpoint, ca, &f);

	ok(s == NULL && f.status == BK_UNAVAILABLE, "%s: %d %s", what,
	    f.status, f.text);
	ok(tap_ctx.mono() - t < 2000, "%s: not tried again", what);
	bk_store_close(s);
}

static int
append(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static void
there_and_back(struct bk_store *s, const char *what)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(BIG);
	uint8_t *data = calloc(1, BIG);
	uint32_t x = 1;

	for (size_t i = 0; data != NULL && i < BIG; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (uint8_t)(x >> 24);
	}
	ok_int(bk_store_put_small(s, "k", data, BIG, 0, &f), 0, what);
	ok(bk_store_get(s, "k", 0, UINT64_MAX, append, &b, &f) == 0 &&
	    b.len == BIG && memcmp(b.p, data, BIG) == 0, "%s: %s", what,
	    f.text);
	bk_buf_release(&b);
	free(data);
}

/* Read a request; its body's start, or NULL. */
static const char *
request(int fd, char *buf, size_t size, size_t *body)
{
	size_t n = 0;
	const char *end = NULL, *len;
	ssize_t k;

	*body = 0;
	while (n < size - 1 && (k = read(fd, buf + n, size - 1 - n)) > 0) {
		n += (size_t)k;
		buf[n] = '\0';
		if (end == NULL && (end = strstr(buf, "\r\n\r\n")) != NULL &&
		    (len = strcasestr(buf, "\r\ncontent-length: ")) != NULL &&
		    len < end)
			*body = strtoul(len + 18, NULL, 10);
		if (end != NULL && (size_t)(end + 4 - buf) + *body <= n)
			return end + 4;
	}
	return NULL;
}

/* Does the request carry the CRC-32C of its body? */
static bool
summed(const char *req, const char *body, size_t n)
{
	uint32_t crc = bk_crc32c(0, body, n);
	uint8_t be[4] = { (uint8_t)(crc >> 24), (uint8_t)(crc >> 16),
	    (uint8_t)(crc >> 8), (uint8_t)crc };
	char want[64] = "x-amz-checksum-crc32c: ";

	EVP_EncodeBlock((uint8_t *)want + strlen(want), be, 4);
	return strstr(req, want) != NULL;
}

static void
strict_answer(int fd, char *buf, size_t size)
{
	static int parts;
	const char *body, *answer = "";
	char out[1024];
	int status = 400;
	size_t n;

	if ((body = request(fd, buf, size, &n)) == NULL)
		return;
	if (strncmp(buf, "GET /", 5) == 0) {
		status = 200;
		answer = "<ListBucketResult/>";
	} else if (strncmp(buf, "POST ", 5) == 0 && strstr(buf, "?uploads=") &&
	    strstr(buf, "x-amz-checksum-algorithm: CRC32C\r\n")) {
		status = 200;
		answer = "<InitiateMultipartUploadResult><UploadId>u1</UploadId>"
		    "</InitiateMultipartUploadResult>";
	} else if (strncmp(buf, "PUT ", 4) == 0 && summed(buf, body, n) &&
	    strstr(buf, "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n")) {
		status = 200;
		parts++;
	} else if (strncmp(buf, "POST ", 5) == 0 && strstr(buf, "?uploadId=u1") &&
	    parts == 2 && strstr(body, "<PartNumber>2</PartNumber>") &&
	    strstr(strstr(body, "<ChecksumCRC32C>") + 1, "<ChecksumCRC32C>")) {
		status = 200;
		answer = "<CompleteMultipartUploadResult/>";
	} else {
		answer = "<Error><Code>InvalidRequest</Code></Error>";
	}
	snprintf(out, sizeof(out), "HTTP/1.1 %d x\r\nETag: \"e\"\r\n"
	    "Connection: close\r\nContent-Length: %zu\r\n\r\n%s", status,
	    strlen(answer), answer);
	if (write(fd, out, strlen(out)) == -1)
		perror("strict");
}

static int
strict_start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	char *buf;

	if (bind(s, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    listen(s, 16) == -1 ||
	    getsockname(s, (struct sockaddr *)&a, &len) == -1)
		return -1;
	fflush(stdout);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		buf = malloc(BIG + 65536);
		while (buf != NULL && (fd = accept(s, NULL, NULL)) != -1) {
			strict_answer(fd, buf, BIG + 65536);
			close(fd);
		}
		_exit(1);
	}
	close(s);
	return ntohs(a.sin_port);
}

static void
strict(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s;
	struct bk_put *p;
	char up[64], *data = calloc(1, BIG);

	snprintf(up, sizeof(up), "127.0.0.1:%d", strict_start());
	setenv("LAB_TLS_UPSTREAM", up, 1);
	if (!lab_start("tls"))
		return;
	s = open_at(getenv("LAB_TLS_URL"), getenv("LAB_TLS_CA"), &f);
	ok(s != NULL && data != NULL, "strict server: %s", f.text);
	if (s != NULL && data != NULL) {
		p = bk_store_put_begin(s, "k", NULL, &f);
		ok(bk_store_put_write(p, data, BIG, &f) == 0 &&
		    bk_store_put_commit(p, &f) == 0,
		    "unsigned, with CRC-32C: %s", f.text);
		ok_int(((struct bk_s3 *)s)->checksum, S3_YES, "as probed");
	}
	bk_store_close(s);
	free(data);
}

int
main(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s;
	const char *url, *ca;

	unsetenv("AWS_CA_BUNDLE");
	if (!lab_start("s3"))
		return done();
	setenv("LAB_TLS_UPSTREAM", strrchr(getenv("AWS_ENDPOINT_URL"), '/') + 1,
	    1);
	if (!lab_start("tls"))
		return done();
	url = getenv("LAB_TLS_URL");
	ca = getenv("LAB_TLS_CA");
	distrusts(url, NULL, "unknown authority");
	distrusts(getenv("LAB_TLS_WRONG_URL"), ca, "another's certificate");
	distrusts(url, "/nonexistent", "no file of authorities");

	/* An endpoint without scheme is https. */
	s = open_at(strrchr(url, '/') + 1, ca, &f);
	ok(s != NULL, "known authority: %s", f.text);
	if (s != NULL) {
		there_and_back(s, "a server that checks no CRC: signed");
		ok_int(((struct bk_s3 *)s)->checksum, S3_NO, "as probed");
	}
	bk_store_close(s);
	setenv("AWS_CA_BUNDLE", ca, 1);
	s = open_at(url, NULL, &f);
	ok(s != NULL, "authority of the environment: %s", f.text);
	bk_store_close(s);
	strict();
	return done();
}
