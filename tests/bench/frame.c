/*
 * frame: a filter that does nothing: the cost of the stream's frame alone.
 * frame --wrap: make a stream of standard input, for the other benchmarks.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "stream.h"

static uint8_t block[BK_BLOCK_MAX];

static int
pass(struct bk_stream_in *in, struct bk_stream_out *out, struct bk_fault *f)
{
	const void *p;
	json_t *h;
	size_t n;
	int rc;

	if (bk_stream_header(in, &h, f) == -1 ||
	    bk_stream_put_header(out, h, f) == -1)
		return -1;
	while ((rc = bk_stream_read(in, &p, &n, f)) == BK_MORE)
		if (bk_stream_write(out, p, n, f) == -1)
			return -1;
	return rc == -1 ? -1 : bk_stream_put_end(out, bk_stream_end(in), f);
}

static int
wrap(struct bk_stream_out *out, struct bk_fault *f)
{
	struct bk_sha256 *sha = bk_sha256_new(f);
	char hex[BK_SHA256_HEX];
	json_t *h, *end;
	ssize_t n;
	int rc = -1;

	h = json_pack("{s:s, s:s, s:s, s:s, s:s, s:[]}", "bk", "stream/1",
	    "name", "corpus", "engine", "fake", "ext", "sql", "time",
	    "2026-11-21T10:00:00Z", "filters");
	if (sha == NULL || h == NULL || bk_stream_put_header(out, h, f) == -1)
		goto out;
	while ((n = bk_read_full(STDIN_FILENO, block, sizeof(block),
	    "standard input", f)) > 0) {
		bk_sha256_add(sha, block, (size_t)n);
		if (bk_stream_write(out, block, (size_t)n, f) == -1)
			goto out;
	}
	bk_sha256_hex(sha, hex);
	end = json_pack("{s:s, s:[{s:s, s:I, s:s}]}", "end", "ok", "stages",
	    "stage", "fake", "bytes", (json_int_t)bk_stream_out_bytes(out),
	    "sha256", hex);
	if (n == 0 && end != NULL)
		rc = bk_stream_put_end(out, end, f);
	json_decref(end);
out:
	json_decref(h);
	bk_sha256_free(sha);
	return rc;
}

int
main(int argc, char **argv)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_rbuf *r = NULL;
	struct bk_stream_in *in = NULL;
	struct bk_stream_out *out;
	int rc = -1;

	out = bk_stream_writer(STDOUT_FILENO, &f);
	if (out != NULL && argc == 2 && strcmp(argv[1], "--wrap") == 0)
		rc = wrap(out, &f);
	else if (out != NULL &&
	    (r = bk_rbuf_new(STDIN_FILENO, "standard input", &f)) != NULL &&
	    (in = bk_stream_reader(r, &f)) != NULL)
		rc = pass(in, out, &f);
	bk_stream_out_free(out);
	bk_stream_in_free(in);
	bk_rbuf_free(r);
	if (rc != 0)
		fprintf(stderr, "frame: %s\n", f.text);
	return rc == 0 ? 0 : 1;
}
