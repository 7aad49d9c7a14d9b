/*
 * The replication transfer of Redis: what a replica gets first, an RDB file
 * (redis.io, "Replication"; redis 7.0, replication.c, syncCommand and
 * sendBulkToSlave).
 *
 * After SYNC the server sends empty lines while it prepares, then
 * "$LENGTH" and that many bytes, or, where it writes to the socket without a
 * file ("repl-diskless-sync") and we said "capa eof", "$EOF:" with 40 random
 * bytes, the payload, and the same 40 bytes.  Either way a cut transfer is
 * seen: a short one lacks bytes or the mark, and the CRC behind the end opcode
 * is checked besides.  "rdb-only" (since 7.0) tells the server that no
 * commands need be kept for us; older ones refuse it, and nothing is lost.
 */
#include <string.h>

#include "names.h"
#include "redis.h"

#define MARK 40

/* Say something about us; servers that do not know it refuse. */
static int
tell(struct bk_redis *c, const char *what, const char *value,
    struct bk_buf *said, struct bk_fault *f)
{
	const char *const argv[] = { "REPLCONF", what, value, NULL };
	int rc = bk_redis_ask(c, argv, said, f);

	if (rc == BK_REDIS_REFUSED && strncmp(bk_buf_text(said), "NO", 2) == 0)
		return bk_redis_refused(c, "replconf", bk_buf_text(said), f);
	return rc == -1 ? -1 : 0;
}

/* The line that says how much comes. */
static int
begin(struct bk_redis *c, struct bk_buf *line, struct bk_fault *f)
{
	static const char *const sync[] = { "SYNC", NULL };

	if (tell(c, "capa", "eof", line, f) == -1 ||
	    tell(c, "rdb-only", "1", line, f) == -1 ||
	    bk_redis_send(c, sync, f) == -1)
		return -1;
	do {
		bk_buf_reset(line);
		if (bk_redis_line(c, line, f) == -1)
			return -1;
	} while (line->len == 0);
	if (line->p[0] == '-')
		return bk_redis_refused(c, "sync", line->p + 1, f);
	return 0;
}

static int
read_counted(struct bk_redis *c, uint64_t left, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	const void *p;
	size_t n;

	while (left > 0) {
		if (bk_redis_bytes(c, left, &p, &n, f) == -1 ||
		    sink(arg, p, n, f) == -1)
			return -1;
		left -= n;
	}
	return 0;
}

/* The last 40 bytes are held until they are known not to be the mark. */
static int
read_marked(struct bk_redis *c, const char *mark, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct bk_buf held = BK_BUF_INIT(2 * 1024 * 1024);
	const void *p;
	size_t n;
	int rc = -1;

	for (;;) {
		if (bk_redis_bytes(c, UINT64_MAX, &p, &n, f) == -1 ||
		    bk_buf_add(&held, p, n, f) == -1)
			break;
		if (held.len > MARK) {
			n = held.len - MARK;
			if (sink(arg, held.p, n, f) == -1)
				break;
			bk_buf_drop(&held, n);
		}
		if (held.len == MARK && memcmp(held.p, mark, MARK) == 0) {
			rc = 0;
			break;
		}
	}
	bk_buf_release(&held);
	return rc;
}

int
bk_redis_sync(struct bk_redis *c, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct bk_buf line = BK_BUF_INIT(64 * 1024);
	struct bk_fault own = BK_FAULT_INIT;
	const char *text;
	long long n;
	int rc = -1;

	if (begin(c, &line, f) == -1)
		goto out;
	text = bk_buf_text(&line);
	if (strncmp(text, "$EOF:", 5) == 0 && line.len == 5 + MARK)
		rc = read_marked(c, text + 5, sink, arg, f);
	else if (text[0] == '$' && bk_number_parse("length", text + 1, 0,
	    INT64_MAX, &n, &own) == 0)
		rc = read_counted(c, (uint64_t)n, sink, arg, f);
	else
		bk_fault_set(f, BK_UNAVAILABLE,
		    "'%s' does not answer SYNC as a Redis server does",
		    bk_redis_name(c));
out:
	bk_buf_release(&line);
	return rc;
}
