/*
 * fake: data made up from a seed, for trying pipelines and for tests.
 *
 * fake:?bytes=N      so many bytes (1M)
 *      seed=N        another sequence
 *      text=1        words and lines, which compress as text does
 *      fail-after=N  fail when N bytes were given
 *      exit=S        with that status (65); without fail-after at the start
 *
 * A target with bytes, seed or text compares, another discards.  The bytes
 * are splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, 2014), little-endian, so that they are the same everywhere.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "json.h"
#include "names.h"

#define BLOCK (256 * 1024)

static const char *const options[] = { "bytes", "seed", "text", "fail-after",
	"exit", NULL };
static const char *const target_options[] = { "bytes", "seed", "text", NULL };
static const char *const schemes[] = { "fake", NULL };

struct fake {
	uint64_t bytes, fail_after;
	uint64_t done;
	uint64_t state;
	bool text, fails, compare, counted;
	int status;
	size_t have, used;		/* of block */
	uint8_t block[BLOCK];
};

static uint64_t
next(struct fake *k)
{
	uint64_t z = k->state += 0x9e3779b97f4a7c15U;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

static void
fill_binary(struct fake *k)
{
	uint64_t w;
	size_t i;

	for (i = 0; i < BLOCK; i += sizeof(w)) {
		w = htole64(next(k));
		memcpy(k->block + i, &w, sizeof(w));
	}
}

/* Ten words of six bits from each number, then a new line. */
static void
fill_text(struct fake *k)
{
	static const char words[64][8] = {
		"INSERT ", "INTO ", "VALUES ", "(1, ", "(2, ", "(3, ", "NULL, ",
		"'", "', '", "'), ", "0, ", "10, ", "250, ", "4711, ",
		"1999-1", "2026-0", "T10:15", "Z', ", "Anna ", "Boris ",
		"Clara ", "David ", "Elena ", "Franz ", "Gerda ", "Hans ",
		"Berlin ", "Kyiv ", "London ", "Paris ", "Rome ", "Vienna ",
		"street ", "road ", "square ", "no. ", "invoic ", "order ",
		"paid ", "open ", "the ", "of ", "and ", "to ", "in ", "is ",
		"that ", "for ", "it ", "was ", "on ", "are ", "with ", "as ",
		"at ", "be ", "this ", "have ", "from ", "or ", "had ", "by ",
		"not ", "but ",
	};
	size_t at = 0;
	uint64_t r;
	int i;

	while (at + 96 <= BLOCK) {
		for (i = 0, r = next(k); i < 10; i++, r >>= 6) {
			memcpy(k->block + at, words[r & 63], 8);
			at += strnlen(words[r & 63], 8);
		}
		k->block[at - 1] = '\n';
	}
	k->have = at;
}

/* Bytes at hand, at least one. */
static size_t
more(struct fake *k)
{
	if (k->used == k->have) {
		k->have = BLOCK;
		k->used = 0;
		if (k->text)
			fill_text(k);
		else
			fill_binary(k);
	}
	return k->have - k->used;
}

static int
number(const struct bk_uri *u, const char *opt, uint64_t *n, bool *given,
    struct bk_fault *f)
{
	const char *s = bk_uri_opt(u, opt);
	unsigned long long v;

	*given = s != NULL;
	if (s == NULL)
		return 0;
	if (bk_bytes_parse(s, &v, f) == -1) {
		bk_fault_context(f, "'?%s='", opt);
		return -1;
	}
	*n = v;
	return 0;
}

static struct fake *
fake_new(const struct bk_uri *u, struct bk_fault *f)
{
	struct fake *k = calloc(1, sizeof(*k));
	long long n = BK_DATA;
	uint64_t seed = 0, text = 0;
	bool seeded, texted;

	if (k == NULL) {
		bk_fault_errno(f, BK_IO, ENOMEM, "fake");
		return NULL;
	}
	k->bytes = 1024 * 1024;
	if (number(u, "bytes", &k->bytes, &k->counted, f) == -1 ||
	    number(u, "seed", &seed, &seeded, f) == -1 ||
	    number(u, "text", &text, &texted, f) == -1 ||
	    number(u, "fail-after", &k->fail_after, &k->fails, f) == -1)
		goto bad;
	if (bk_uri_opt(u, "exit") != NULL && bk_number_parse("'?exit='",
	    bk_uri_opt(u, "exit"), 1, 127, &n, f) == -1)
		goto bad;
	k->status = (int)n;
	k->state = seed;
	k->text = text != 0;
	k->compare = k->counted || seeded || texted;
	return k;
bad:
	free(k);
	return NULL;
}

static int
fake_dump_open(struct bk_dump *d, struct bk_fault *f)
{
	const struct bk_uri *u = d->req->uri;
	struct fake *k;

	if ((d->priv = k = fake_new(u, f)) == NULL)
		return -1;
	if (bk_uri_opt(u, "exit") != NULL && !k->fails)
		return bk_fault_set(f, k->status,
		    "'%s' fails at the start, as asked", u->text);
	memcpy(d->ext, k->text ? "txt" : "bin", sizeof("bin"));
	d->estimate = k->bytes;
	return bk_json_set(d->source, "seed",
	    json_integer((json_int_t)k->state), f);
}

static int
fake_dump_run(struct bk_dump *d, bk_sink_fn *sink, void *arg,
    struct bk_fault *f)
{
	struct fake *k = d->priv;
	uint64_t end = k->fails && k->fail_after < k->bytes ? k->fail_after :
	    k->bytes;
	size_t n;

	while (k->done < end) {
		n = more(k);
		if (n > end - k->done)
			n = (size_t)(end - k->done);
		if (sink(arg, k->block + k->used, n, f) == -1)
			return -1;
		k->used += n;
		k->done += n;
	}
	if (k->fails)
		return bk_fault_set(f, k->status,
		    "fake: failed after %llu bytes, as asked",
		    (unsigned long long)k->done);
	d->proof = "exit";
	return 0;
}

static void
fake_dump_close(struct bk_dump *d)
{
	free(d->priv);
	d->priv = NULL;
}

static int
fake_restore_open(struct bk_restore *r, struct bk_fault *f)
{
	return (r->priv = fake_new(r->req->target, f)) == NULL ? -1 : 0;
}

static int
fake_restore_write(struct bk_restore *r, const void *p, size_t n,
    struct bk_fault *f)
{
	struct fake *k = r->priv;
	const uint8_t *at = p;
	size_t m, i;

	for (; n > 0 && k->compare; n -= m, at += m) {
		m = more(k) < n ? more(k) : n;
		if (memcmp(at, k->block + k->used, m) != 0) {
			for (i = 0; at[i] == k->block[k->used + i]; i++)
				continue;
			return bk_fault_set(f, BK_DATA,
			    "'%s' differs at byte %llu", r->req->target->text,
			    (unsigned long long)(k->done + i));
		}
		k->used += m;
		k->done += m;
	}
	k->done += n;
	return 0;
}

/* Increments are read and thrown away; there is nothing to compare them with. */
static int
fake_restore_next(struct bk_restore *r, const json_t *header,
    struct bk_fault *f)
{
	const struct fake *k = r->priv;

	(void)header;
	return !k->compare && !k->counted ? 0 : bk_fault_set(f, BK_USAGE,
	    "'%s' compares no increments", r->req->target->text);
}

static int
fake_restore_commit(struct bk_restore *r, int fd, struct bk_fault *f)
{
	struct fake *k = r->priv;

	(void)fd;
	if (k->counted && k->done != k->bytes)
		return bk_fault_set(f, BK_DATA, "'%s' got %llu bytes",
		    r->req->target->text, (unsigned long long)k->done);
	return 0;
}

static void
fake_restore_close(struct bk_restore *r)
{
	free(r->priv);
	r->priv = NULL;
}

const struct bk_engine_ops bk_engine_fake = {
	.name = "fake",
	.schemes = schemes,
	.options = options,
	.target_options = target_options,
	.flags = BK_ENGINE_NO_ARGS | BK_ENGINE_ANY,
	.dump_open = fake_dump_open,
	.dump_run = fake_dump_run,
	.dump_close = fake_dump_close,
	.restore_open = fake_restore_open,
	.restore_write = fake_restore_write,
	.restore_next = fake_restore_next,
	.restore_commit = fake_restore_commit,
	.restore_close = fake_restore_close,
};
