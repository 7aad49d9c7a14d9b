#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "streams.h"
#include "tap.h"

int
mem_fd(const void *p, size_t n)
{
	const char *q = p;
	size_t done_n = 0;
	ssize_t w;
	int fd = memfd_create("bk-test", MFD_CLOEXEC);

	if (fd == -1)
		abort();
	for (; done_n < n; done_n += (size_t)w)
		if ((w = write(fd, q + done_n, n - done_n)) <= 0)
			abort();
	if (lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

char *
mem_take(int fd, size_t *n)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *p = malloc((size_t)size + 1);
	size_t got = 0;
	ssize_t r;

	if (p == NULL || size < 0)
		abort();
	for (; got < (size_t)size; got += (size_t)r)
		if ((r = pread(fd, p + got, (size_t)size - got, (off_t)got)) <= 0)
			abort();
	p[got] = '\0';
	*n = got;
	close(fd);
	return p;
}

char *
with_crc(const char *s, size_t n, size_t *len)
{
	static const char member[] = ",\"crc32\":\"";
	size_t at = n - 1 + sizeof(member) - 1;
	char *p = malloc(n + 64);
	uLong crc;

	if (p == NULL || s[n - 1] != '}')
		abort();
	memcpy(p, s, n - 1);
	memcpy(p + n - 1, member, sizeof(member) - 1);
	crc = crc32_z(0, (const Bytef *)p, at);
	*len = at + (size_t)snprintf(p + at, 64, "%08lx\"}\n", crc);
	return p;
}

void
read_all(const void *p, size_t n, struct read_all *r)
{
	struct bk_rbuf *rb;
	struct bk_stream_in *in;
	const void *q;
	json_t *h = NULL;
	size_t m, cap = n;
	int fd = mem_fd(p, n);

	memset(r, 0, sizeof(*r));
	r->data = malloc(cap + 1);
	if (r->data == NULL || (rb = bk_rbuf_new(fd, "test", &r->f)) == NULL ||
	    (in = bk_stream_reader(rb, &r->f)) == NULL)
		abort();
	if (bk_stream_header(in, &h, &r->f) == 0) {
		r->header = json_dumps(h, JSON_COMPACT);
		while (bk_stream_read(in, &q, &m, &r->f) == BK_MORE) {
			if (m == 0 || r->len + m > cap)
				abort();
			memcpy(r->data + r->len, q, m);
			r->len += m;
		}
	}
	if (bk_stream_in_bytes(in) != r->len)
		abort();
	if (bk_stream_end(in) != NULL)
		r->end = json_dumps(bk_stream_end(in), JSON_COMPACT);
	bk_stream_in_free(in);
	bk_rbuf_free(rb);
	close(fd);
}

void
read_all_release(struct read_all *r)
{
	free(r->data);
	free(r->header);
	free(r->end);
}

void
ok_torture(const char *what, const char *s, size_t n)
{
	struct read_all r;
	char *c = malloc(n);
	size_t i, bad = 0;
	int bit;

	if (c == NULL)
		abort();
	for (i = 0; i < n; i++) {
		read_all(s, i, &r);
		if (r.f.status != BK_DATA || r.f.text[0] == '\0') {
			printf("# cut at %zu: %d %s\n", i, r.f.status, r.f.text);
			bad++;
		}
		read_all_release(&r);
	}
	ok(bad == 0, "%s: cut anywhere is 65", what);
	for (bad = i = 0; i < n; i++)
		for (bit = 0; bit < 8; bit++) {
			memcpy(c, s, n);
			c[i] = (char)(c[i] ^ (1 << bit));
			read_all(c, n, &r);
			if (r.f.status != BK_DATA || r.f.upstream) {
				printf("# byte %zu bit %d: %d %s\n", i, bit,
				    r.f.status, r.f.text);
				bad++;
			}
			read_all_release(&r);
		}
	ok(bad == 0, "%s: any bit flipped is 65", what);
	free(c);
}
