/* Steps of the conformance suite (conform.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform.h"
#include "hash.h"
#include "tap.h"

struct cf cf = { .f = BK_FAULT_INIT,
	.seen = { .text = BK_BUF_INIT(4 * 1024 * 1024) } };

void
cf_fresh(const char *chapter)
{
	bk_store_close(cf.s);
	bk_fault_clear(&cf.f);
	printf("# %s: %s\n", cf.c->name, chapter);
	if ((cf.s = cf.c->fresh(cf.c->arg, &cf.f)) == NULL) {
		ok(false, "open: %s", cf.f.text);
		exit(done());
	}
}

bool
cf_calm(void)
{
	if (!bk_faulty(&cf.f))
		return true;
	printf("# fault %d: %s\n", cf.f.status, cf.f.text);
	bk_fault_clear(&cf.f);
	return false;
}

void
cf_noise(void *buf, size_t n, uint64_t seed, uint64_t off)
{
	uint8_t *p = buf;
	uint64_t x;
	size_t i;

	for (i = 0; i < n; i++) {
		x = ((off + i) / 8 + 1) * 0x9e3779b97f4a7c15ULL ^ seed;
		x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9ULL;
		p[i] = (uint8_t)(x >> (off + i) % 8 * 8);
	}
}

#define PIECE 100003		/* prime, so never at the border of a part */

int
cf_write_noise(struct bk_put *p, size_t n, uint64_t seed)
{
	static uint8_t buf[PIECE];
	size_t off, len;

	for (off = 0; off < n; off += len) {
		len = n - off < sizeof(buf) ? n - off : sizeof(buf);
		cf_noise(buf, len, seed, off);
		if (bk_store_put_write(p, buf, len, &cf.f) == -1)
			return -1;
	}
	return 0;
}

int
cf_put_noise(const char *key, size_t n, uint64_t seed)
{
	struct bk_put *p = bk_store_put_begin(cf.s, key, NULL, &cf.f);

	if (p == NULL)
		return -1;
	if (cf_write_noise(p, n, seed) == -1) {
		bk_store_put_abort(p);
		return -1;
	}
	return bk_store_put_commit(p, &cf.f);
}

int
cf_put_text(const char *key, const char *text, unsigned int flags)
{
	return bk_store_put_small(cf.s, key, text, strlen(text), flags, &cf.f);
}

bool
cf_holds(const char *key, const char *text)
{
	struct bk_buf b = BK_BUF_INIT(64 * 1024);
	bool same = bk_store_get_small(cf.s, key, &b, &cf.f) == 0 &&
	    strcmp(bk_buf_text(&b), text) == 0;

	bk_buf_release(&b);
	return same && cf_calm();
}

static int
hash_sink(void *arg, const void *p, size_t n, struct bk_fault *unused)
{
	(void)unused;
	bk_sha256_add(arg, p, n);
	return 0;
}

bool
cf_holds_noise(const char *key, size_t n, uint64_t seed)
{
	static uint8_t buf[PIECE];
	struct bk_sha256 *want = bk_sha256_new(&cf.f);
	struct bk_sha256 *got = bk_sha256_new(&cf.f);
	struct bk_object o = { 0 };
	char a[BK_SHA256_HEX], b[BK_SHA256_HEX];
	size_t off, len;
	bool same;

	for (off = 0; off < n; off += len) {
		len = n - off < sizeof(buf) ? n - off : sizeof(buf);
		cf_noise(buf, len, seed, off);
		bk_sha256_add(want, buf, len);
	}
	same = bk_store_stat(cf.s, key, &o, &cf.f) == 0 && o.bytes == n &&
	    bk_store_get(cf.s, key, 0, UINT64_MAX, hash_sink, got,
	    &cf.f) == 0;
	bk_sha256_hex(want, a);
	bk_sha256_hex(got, b);
	bk_sha256_free(want);
	bk_sha256_free(got);
	return same && strcmp(a, b) == 0 && cf_calm();
}

int
cf_see(void *arg, const struct bk_object *o, struct bk_fault *ff)
{
	struct cf_seen *l = arg;

	/* What a probe leaves belongs to the store (DESIGN, 5). */
	if (strcmp(o->key, ".bk/probe.json") == 0)
		return 0;
	if (bk_buf_addf(&l->text, ff, "%s\n", o->key) == -1)
		return -1;
	snprintf(l->last, sizeof(l->last), "%s", o->key);
	l->bytes += o->bytes;
	return ++l->n == l->stop ? BK_LIST_STOP : 0;
}

void
cf_see_nothing(unsigned int stop)
{
	bk_buf_reset(&cf.seen.text);
	cf.seen.n = 0;
	cf.seen.stop = stop;
	cf.seen.bytes = 0;
	cf.seen.last[0] = '\0';
}

const char *
cf_list(const char *prefix, const char *after)
{
	cf_see_nothing(0);
	if (bk_store_list(cf.s, prefix, after, cf_see, &cf.seen, &cf.f) != 0 ||
	    !cf_calm())
		return "fault";
	return bk_buf_text(&cf.seen.text);
}

const char *
cf_debris(void)
{
	cf_see_nothing(0);
	if (bk_store_debris(cf.s, cf_see, &cf.seen, &cf.f) != 0 || !cf_calm())
		return "fault";
	return bk_buf_text(&cf.seen.text);
}
