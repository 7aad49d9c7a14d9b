/*
 * redis: the marks of RDB files, in pieces of any size; where a server is;
 * what INFO says; the header of a member; servers that answer strangely.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "redis.h"
#include "tap.h"
#include "tar.h"

/*
 * An empty file of version 10 as Redis 7.0 writes it: its "redis-bits" field,
 * the end opcode, the CRC-64.
 */
static const uint8_t head[] = "REDIS0010\xfa\x0aredis-bits\xc0\x40\xff";
#define HEAD (sizeof(head) - 1)

/* Jones' CRC-64, a bit at a time. */
static uint64_t
slow_crc(const uint8_t *p, size_t n)
{
	uint64_t crc = 0;
	int k;

	for (; n > 0; n--, p++)
		for (crc ^= *p, k = 0; k < 8; k++)
			crc = crc & 1 ? crc >> 1 ^ 0x95ac9329ac4bc9b5ULL :
			    crc >> 1;
	return crc;
}

static size_t
make(uint8_t *out, const uint8_t *p, size_t n, bool summed)
{
	uint64_t crc = summed ? slow_crc(p, n) : 0;
	size_t i;

	memcpy(out, p, n);
	for (i = 0; i < 8; i++)
		out[n + i] = (uint8_t)(crc >> 8 * i);
	return n + 8;
}

/* What the marks say of ${n} bytes given in pieces of ${step}: -1 or finish. */
static int
judge(const uint8_t *p, size_t n, size_t step, bool *unsummed)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_marks *m = bk_marks_rdb(&f);
	size_t i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i += step)
		rc = m->write(m, p + i, step < n - i ? step : n - i, &f);
	if (rc == 0)
		rc = m->finish(m, &f);
	if (unsummed != NULL)
		*unsummed = bk_marks_rdb_unsummed(m);
	m->free(m);
	return rc != -1 || f.status == BK_DATA ? rc : -2;
}

static void
marks(void)
{
	uint8_t rdb[64], bad[64];
	size_t n = make(rdb, head, HEAD, true), i, step;
	bool none, right = true;

	ok(slow_crc((const uint8_t *)"123456789", 9) == 0xe9c6d914c4b8d9caULL,
	    "the check value of Redis' crc64.c");
	for (step = 1; step <= n; step++)
		right = right && judge(rdb, n, step, &none) ==
		    BK_MARKS_PROVEN && !none;
	ok(right, "proven in pieces of any size");
	for (i = 0, right = true; i < n; i++)
		right = right && judge(rdb, i, 7, NULL) == -1;
	ok(right, "cut anywhere: 65");
	for (i = 0, right = true; i < n; i++) {
		memcpy(bad, rdb, n);
		bad[i] ^= 4;
		/* In the version it may make a newer one: not proven either. */
		right = right && judge(bad, n, 64, NULL) ==
		    (i >= 5 && i < 9 ? BK_MARKS_UNKNOWN : -1);
	}
	ok(right, "one bit wrong anywhere: 65");
	memcpy(bad, rdb, n);
	bad[n] = 0;
	ok_int(judge(bad, n + 1, 64, NULL), -1, "a byte behind the end");
}

static void
versions(void)
{
	uint8_t rdb[64], in[64];
	bool none = false;
	size_t n;

	n = make(rdb, head, HEAD, false);
	ok_int(judge(rdb, n, 64, &none), BK_MARKS_PROVEN, "no CRC");
	ok(none, "and that is known");
	memcpy(in, head, HEAD);
	memcpy(in, "REDIS0004", 9);
	ok_int(judge(in, HEAD, 3, &none), BK_MARKS_PROVEN, "version 4 has none");
	ok_int(judge(in, HEAD - 1, 3, NULL), -1, "version 4, cut");
	memcpy(in, "REDIS0099", 9);
	n = make(rdb, in, HEAD, true);
	ok_int(judge(rdb, n, 64, NULL), BK_MARKS_PROVEN,
	    "a newer version whose end is as known");
	rdb[n - 1] ^= 1;
	ok_int(judge(rdb, n, 64, NULL), BK_MARKS_UNKNOWN,
	    "a newer version whose end is not");
	ok_int(judge((const uint8_t *)"REDIS00x0", 9, 9, NULL), -1, "no version");
	ok_int(judge(NULL, 0, 1, NULL), -1, "nothing");
}

static void
places(void)
{
	static const struct {
		const char *text, *user, *host, *socket;
		int port;			/* -1: refused */
	} rows[] = {
		{ "h", "", "h", "", 6379 },
		{ "h:1", "", "h", "", 1 },
		{ "u@h:65535", "u", "h", "", 65535 },
		{ "a@b@h", "a@b", "h", "", 6379 },
		{ "[::1]:7", "", "::1", "", 7 },
		{ "::1", "", "::1", "", 6379 },
		{ "[::1]", "", "::1", "", 6379 },
		{ "/run/s", "", "", "/run/s", 6379 },
		{ "", "", "", "", -1 },
		{ "@h", "", "", "", -1 },
		{ "u:p@h", "", "", "", -1 },
		{ "h:0", "", "", "", -1 },
		{ "h:x", "", "", "", -1 },
		{ ":1", "", "", "", -1 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bk_redis_at at = { .port = 6379 };
		struct bk_fault f = BK_FAULT_INIT;
		int rc = bk_redis_at_parse(rows[i].text, &at, &f);

		if (rows[i].port == -1)
			ok(rc == -1 && f.status == BK_USAGE && strstr(f.text,
			    "u:p") == NULL, "'%s' is refused", rows[i].text);
		else
			ok(rc == 0 && strcmp(at.user, rows[i].user) == 0 &&
			    strcmp(at.host, rows[i].host) == 0 &&
			    strcmp(at.socket, rows[i].socket) == 0 &&
			    at.port == rows[i].port, "'%s'", rows[i].text);
	}
}

static void
fields(void)
{
	static const char info[] = "# Replication\r\nrole:slave\r\nxrole:no\r\n"
	    "empty:\r\nlast:1";
	char out[8];

	ok(bk_redis_field(info, "role", out, sizeof(out)), "a field");
	ok_text(out, "slave", "its value");
	ok(bk_redis_field(info, "empty", out, sizeof(out)), "an empty one");
	ok_text(out, "", "its value");
	ok(bk_redis_field(info, "last", out, sizeof(out)), "the last");
	ok_text(out, "1", "its value");
	ok(!bk_redis_field(info, "rol", out, sizeof(out)), "half a name");
	ok(!bk_redis_field("", "role", out, sizeof(out)), "nothing said");
	ok(bk_redis_field("a:0123456789", "a", out, sizeof(out)), "a long one");
	ok_text(out, "0123456", "is cut");
}

static int
seen(void *arg, const struct bk_tar_entry *e, struct bk_fault *f)
{
	(void)f;
	*(uint64_t *)arg = strcmp(e->name, "a.aof") == 0 ? e->size : 1;
	return 0;
}

static void
headers(void)
{
	static const uint64_t sizes[] = { 0, 512, 077777777776ULL,
		077777777777ULL, 1ULL << 40 };
	struct stat st = { .st_mode = S_IFREG | 0640, .st_uid = 1 };
	uint8_t h[BK_AOF_BLOCK];
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bk_fault f = BK_FAULT_INIT;
		uint64_t got = 1;
		struct bk_tar *t = bk_tar_new(seen, &got, &f);

		bk_aof_header(h, "a.aof", &st, sizes[i], '0');
		ok(bk_tar_write(t, h, sizeof(h), &f) == 0 && got == sizes[i],
		    "a member of %llu bytes", (unsigned long long)sizes[i]);
		bk_tar_free(t);
	}
}

/* A server that says ${text} to one client, whatever it is asked. */
static pid_t
serve(const struct bk_redis_at *at, const char *text)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), c;
	char drop[4096];
	pid_t pid;

	memcpy(un.sun_path, at->socket, sizeof(un.sun_path));
	(void)unlink(at->socket);
	if (fd == -1 || bind(fd, (const struct sockaddr *)&un,
	    sizeof(un)) == -1 || listen(fd, 1) == -1 || (pid = fork()) == -1)
		return -1;
	if (pid == 0) {
		alarm(30);
		if ((c = accept(fd, NULL, NULL)) == -1 ||
		    write(c, text, strlen(text)) == -1)
			_exit(1);
		(void)shutdown(c, SHUT_WR);
		while (read(c, drop, sizeof(drop)) > 0)
			;
		_exit(0);
	}
	close(fd);
	return pid;
}

static int
collect(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

#define MARK "0123456789012345678901234567890123456789"

static void
transfers(void)
{
	static const struct {
		const char *said, *got;
		int status;
	} rows[] = {
		{ "+OK\r\n+OK\r\n$5\r\nhello", "hello", 0 },
		{ "+OK\r\n-ERR what\r\n\n\n$5\r\nhello*1", "hello", 0 },
		{ "+OK\r\n+OK\r\n$EOF:" MARK "\r\nhello" MARK, "hello", 0 },
		{ "+OK\r\n+OK\r\n$EOF:" MARK "\r\n" MARK, "", 0 },
		{ "+OK\r\n+OK\r\n$5\r\nhell", NULL, BK_UNAVAILABLE },
		{ "+OK\r\n+OK\r\n$EOF:" MARK "\r\nhello", NULL,
		    BK_UNAVAILABLE },
		{ "+OK\r\n+OK\r\n$EOF:" MARK "\r\nhello0123456789", NULL,
		    BK_UNAVAILABLE },
		{ "+OK\r\n+OK\r\n$EOF:short\r\nhello", NULL,
		    BK_UNAVAILABLE },
		{ "+OK\r\n+OK\r\n-NOMASTERLINK no\r\n", NULL,
		    BK_UNAVAILABLE },
		{ "+OK\r\n+OK\r\n-NOPERM no\r\n", NULL, BK_NOPERM },
		{ "-NOAUTH no\r\n", NULL, BK_NOPERM },
		{ "+OK\r\n+OK\r\n$-1\r\n", NULL, BK_UNAVAILABLE },
		{ "HTTP/1.0 400 Bad\r\n\r\n", NULL, BK_UNAVAILABLE },
		{ "$99999999999999999999\r\n", NULL, BK_UNAVAILABLE },
		{ "*2\r\n*1\r\n*1\r\n*1\r\n*1\r\n+x\r\n", NULL,
		    BK_UNAVAILABLE },
		{ "", NULL, BK_UNAVAILABLE },
	};
	struct bk_redis_at at = { .port = 1 };
	struct bk_buf none = BK_BUF_INIT(1);
	size_t i;

	snprintf(at.socket, sizeof(at.socket), "%s/s", tap_dir());
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bk_buf got = BK_BUF_INIT(4096);
		struct bk_fault f = BK_FAULT_INIT;
		pid_t pid = serve(&at, rows[i].said);
		struct bk_redis *c = bk_redis_connect(&tap_ctx, &at, &none, 0,
		    &f);

		if (c != NULL)
			(void)bk_redis_sync(c, collect, &got, &f);
		ok(f.status == rows[i].status, "transfer %zu: %s", i, f.text);
		if (rows[i].got != NULL)
			ok_text(bk_buf_text(&got), rows[i].got, "what came");
		bk_redis_free(c);
		bk_buf_release(&got);
		(void)waitpid(pid, NULL, 0);
	}
}

int
main(void)
{
	transfers();
	marks();
	versions();
	places();
	fields();
	headers();
	return done();
}
