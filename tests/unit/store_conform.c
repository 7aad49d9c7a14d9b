/*
 * The specification of a store, in code (store.h has it in words).  Each
 * function is one chapter and starts with an empty store.
 */
#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"
#include "store_conform.h"
#include "tap.h"

static const struct conform *c;
static struct bk_store *s;
static struct bk_fault f;

static void
fresh(const char *chapter)
{
	bk_store_close(s);
	bk_fault_clear(&f);
	printf("# %s: %s\n", c->name, chapter);
	if ((s = c->fresh(c->arg, &f)) == NULL) {
		ok(false, "open: %s", f.text);
		exit(done());
	}
}

/* No fault so far; shows it and forgets it. */
static bool
calm(void)
{
	if (!bk_faulty(&f))
		return true;
	printf("# fault %d: %s\n", f.status, f.text);
	bk_fault_clear(&f);
	return false;
}

/* Bytes that differ at every place and for every seed. */
static void
noise(void *buf, size_t n, uint64_t seed, uint64_t off)
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

#define PIECE 100003			/* prime, so never at a part's border */

/* Write ${n} bytes of noise.  0 or -1. */
static int
write_noise(struct bk_put *p, size_t n, uint64_t seed)
{
	static uint8_t buf[PIECE];
	size_t off, len;

	for (off = 0; off < n; off += len) {
		len = n - off < sizeof(buf) ? n - off : sizeof(buf);
		noise(buf, len, seed, off);
		if (bk_store_put_write(p, buf, len, &f) == -1)
			return -1;
	}
	return 0;
}

static int
put_noise(const char *key, size_t n, uint64_t seed)
{
	struct bk_put *p = bk_store_put_begin(s, key, NULL, &f);

	if (p == NULL)
		return -1;
	if (write_noise(p, n, seed) == -1) {
		bk_store_put_abort(p);
		return -1;
	}
	return bk_store_put_commit(p, &f);
}

static int
put_text(const char *key, const char *text, unsigned int flags)
{
	return bk_store_put_small(s, key, text, strlen(text), flags, &f);
}

static bool
holds(const char *key, const char *text)
{
	struct bk_buf b = BK_BUF_INIT(64 * 1024);
	bool same = bk_store_get_small(s, key, &b, &f) == 0 &&
	    strcmp(bk_buf_text(&b), text) == 0;

	bk_buf_release(&b);
	return same && calm();
}

static int
hash_sink(void *arg, const void *p, size_t n, struct bk_fault *unused)
{
	(void)unused;
	bk_sha256_add(arg, p, n);
	return 0;
}

/* ${key} holds exactly those bytes. */
static bool
holds_noise(const char *key, size_t n, uint64_t seed)
{
	static uint8_t buf[PIECE];
	struct bk_sha256 *want = bk_sha256_new(&f), *got = bk_sha256_new(&f);
	struct bk_object o = { 0 };
	char a[BK_SHA256_HEX], b[BK_SHA256_HEX];
	size_t off, len;
	bool same;

	for (off = 0; off < n; off += len) {
		len = n - off < sizeof(buf) ? n - off : sizeof(buf);
		noise(buf, len, seed, off);
		bk_sha256_add(want, buf, len);
	}
	same = bk_store_stat(s, key, &o, &f) == 0 && o.bytes == n &&
	    bk_store_get(s, key, 0, UINT64_MAX, hash_sink, got, &f) == 0;
	bk_sha256_hex(want, a);
	bk_sha256_hex(got, b);
	bk_sha256_free(want);
	bk_sha256_free(got);
	return same && strcmp(a, b) == 0 && calm();
}

/* What a listing shows, each key with '\n' behind it. */
struct seen {
	struct bk_buf text;
	unsigned int n, stop;		/* stop after so many, 0: never */
	char last[BK_KEY_MAX + 1];
	uint64_t bytes;
};

static struct seen seen = { .text = BK_BUF_INIT(4 * 1024 * 1024) };

static int
see(void *arg, const struct bk_object *o, struct bk_fault *ff)
{
	struct seen *l = arg;

	if (bk_buf_addf(&l->text, ff, "%s\n", o->key) == -1)
		return -1;
	snprintf(l->last, sizeof(l->last), "%s", o->key);
	l->bytes += o->bytes;
	return ++l->n == l->stop ? BK_LIST_STOP : 0;
}

static void
see_nothing(unsigned int stop)
{
	bk_buf_reset(&seen.text);
	seen.n = 0;
	seen.stop = stop;
	seen.bytes = 0;
	seen.last[0] = '\0';
}

static const char *
list(const char *prefix, const char *after)
{
	see_nothing(0);
	if (bk_store_list(s, prefix, after, see, &seen, &f) != 0 || !calm())
		return "fault";
	return bk_buf_text(&seen.text);
}

static const char *
debris(void)
{
	see_nothing(0);
	if (bk_store_debris(s, see, &seen, &f) != 0 || !calm())
		return "fault";
	return bk_buf_text(&seen.text);
}

static int
no_sink(void *arg, const void *p, size_t n, struct bk_fault *ff)
{
	(void)p;
	*(size_t *)arg += n;
	return bk_fault_set(ff, BK_BUSY, "the sink has had enough");
}

static void
absent_is_an_answer(void)
{
	const char *keys[] = { "none", "no/such/key", "none" };
	struct bk_object o;
	size_t n = 0;

	fresh("absent is an answer");
	ok_text(list("", ""), "", "a new store is empty");
	ok_text(debris(), "", "and holds nothing unfinished");
	ok_int(bk_store_stat(s, "none", &o, &f), BK_ABSENT, "stat of nothing");
	ok_int(bk_store_stat(s, "no/such/key", &o, &f), BK_ABSENT,
	    "stat of nothing in nothing");
	ok_int(bk_store_get(s, "none", 0, UINT64_MAX, no_sink, &n, &f),
	    BK_ABSENT, "get of nothing");
	ok_int(bk_store_get(s, "none", 5, 3, no_sink, &n, &f), BK_ABSENT,
	    "a range of nothing");
	ok_int(bk_store_get(s, "none", 0, 0, no_sink, &n, &f), BK_ABSENT,
	    "no bytes of nothing");
	ok_int(n, 0, "no byte came of it");
	ok_int(bk_store_remove(s, keys, 3, &f), 0, "remove of nothing");
	ok_int(bk_store_debris_remove(s, "none", &f), 0,
	    "nothing unfinished of nothing is removed");
	ok_int(put_text("a/b", "x", 0), 0, "put");
	ok_int(bk_store_stat(s, "a", &o, &f), BK_ABSENT,
	    "what is only part of a key is no object");
	ok_int(bk_store_get(s, "a", 0, UINT64_MAX, no_sink, &n, &f), BK_ABSENT,
	    "nor is there anything to get");
	ok(calm(), "no fault in all that");
}

static void
partial_is_never_visible(void)
{
	const size_t big = 2 * c->part + 12345;
	struct bk_object o;
	struct bk_put *p;
	size_t n = 0;

	fresh("nothing partial is visible");
	p = bk_store_put_begin(s, "d/x", NULL, &f);
	ok(p != NULL, "begin");
	ok_int(write_noise(p, big, 1), 0, "write several parts");
	ok_int(bk_store_stat(s, "d/x", &o, &f), BK_ABSENT, "not to stat");
	ok_int(bk_store_get(s, "d/x", 0, UINT64_MAX, no_sink, &n, &f),
	    BK_ABSENT, "not to get");
	ok_text(list("", ""), "", "not to list");
	ok_int(bk_store_put_commit(p, &f), 0, "commit");
	ok_text(list("", ""), "d/x\n", "now it is listed");
	ok_int(seen.bytes, big, "with its size");
	ok(holds_noise("d/x", big, 1), "and whole");
	ok_text(debris(), "", "nothing unfinished is left");

	p = bk_store_put_begin(s, "d/x", NULL, &f);
	ok_int(write_noise(p, big, 2), 0, "write over it");
	ok(holds_noise("d/x", big, 1), "the old one stays until the commit");
	bk_store_put_abort(p);
	ok(holds_noise("d/x", big, 1), "and after an abort");

	p = bk_store_put_begin(s, "e/y", NULL, &f);
	ok_int(write_noise(p, big, 3), 0, "several parts of another");
	bk_store_put_abort(p);
	p = bk_store_put_begin(s, "e/z", NULL, &f);
	bk_store_put_abort(p);
	bk_store_put_abort(NULL);
	ok_text(list("", ""), "d/x\n", "an abort leaves nothing");
	ok_text(debris(), "", "nothing unfinished either");
	ok(calm(), "no fault in all that");
}

static void
create_only(void)
{
	struct bk_put_opts only = { .flags = BK_PUT_NEW };
	struct bk_store_facts facts;
	struct bk_put *p, *q;

	fresh("create only");
	ok_int(bk_store_facts(s, &facts, &f), 0, "facts");
	ok(!facts.clock_known || (facts.clock_offset < 120000 &&
	    facts.clock_offset > -120000), "the clock is near ours");
	ok_text(debris(), "", "facts leaves nothing");
	ok_text(list("", ""), "", "and lists nothing");
	ok_int(put_text("k", "first", 0), 0, "put");
	ok_int(put_text("k", "second", 0), 0, "put over it");
	ok(holds("k", "second"), "the later one counts");
	ok_int(put_text("n", "first", BK_PUT_NEW), 0, "create");
	if (!facts.create_only) {
		tap_skip("this server does not create only");
		return;
	}
	ok_int(put_text("n", "second", BK_PUT_NEW), BK_EXISTS,
	    "create what is there");
	ok(holds("n", "first"), "it stays as it was");

	p = bk_store_put_begin(s, "r", &only, &f);
	q = bk_store_put_begin(s, "r", &only, &f);
	ok(p != NULL && q != NULL, "two create one key");
	ok_int(bk_store_put_write(p, "p", 1, &f), 0, "one writes");
	ok_int(bk_store_put_write(q, "qq", 2, &f), 0, "the other writes");
	ok_int(bk_store_put_commit(q, &f), 0, "the first to commit has it");
	ok_int(bk_store_put_commit(p, &f), BK_EXISTS, "the second is told");
	ok(holds("r", "qq"), "the first is intact");

	p = bk_store_put_begin(s, "r", &only, &f);
	ok_int(write_noise(p, c->part + 1, 4), 0, "create in parts");
	ok_int(bk_store_put_commit(p, &f), BK_EXISTS, "is told as well");
	ok(holds("r", "qq"), "the first is still intact");
	ok_text(debris(), "", "no parts are left");
	ok(calm(), "no fault in all that");
}

static const char *const ordered[] = {
	".hidden", "A", "a!", "a-b", "a.b", "a/a/z", "a/b", "a/b-c", "a/b.d",
	"a/b/c", "a/b0", "a0", "ab", "b/c/d", "b/c0", "b0", "\xc3\xa4",
};

static void
order_and_prefix(void)
{
	static const struct { const char *prefix, *after, *want; } cases[] = {
		{ "a/b", "", "a/b-c\na/b.d\na/b/c\na/b0\n" },
		{ "a/b", "a/b.d", "a/b/c\na/b0\n" },
		{ "a/b/", "", "a/b/c\n" },
		{ "a/", "a/a", "a/a/z\na/b-c\na/b.d\na/b/c\na/b0\n" },
		{ "a", "a/", "a/a/z\na/b-c\na/b.d\na/b/c\na/b0\na0\nab\n" },
		{ "a", "a/b/c", "a/b0\na0\nab\n" },
		{ "a/", "a/b/cc", "a/b0\n" },
		{ "b", "a", "b/c/d\nb/c0\nb0\n" },
		{ "b/c/d", "", "b/c/d\n" },
		{ "b/c/d", "b/c/d", "" },
		{ "b/c/d/", "", "" },
		{ "a", "b", "" },
		{ "", "b0", "\xc3\xa4\n" },
		{ "", "\xc3\xa4", "" },
		{ "none/at/all", "", "" },
		{ "../", "", "" }, { "./", "", "" }, { "/", "", "" },
		{ "a//", "", "" }, { "a/../", "", "" },
	};
	struct bk_buf want = BK_BUF_INIT(4096);
	char what[128];
	size_t i;

	fresh("order, prefix, after");
	for (i = sizeof(ordered) / sizeof(ordered[0]); i-- > 0;) {
		if (strcmp(ordered[i], "a/b") != 0 &&
		    put_text(ordered[i], ordered[i], BK_PUT_NEW) != 0)
			ok(false, "put '%s': %s", ordered[i], f.text);
	}
	for (i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++)
		if (strcmp(ordered[i], "a/b") != 0)
			bk_buf_addf(&want, &f, "%s\n", ordered[i]);
	ok_text(list("", ""), bk_buf_text(&want), "keys in order of their bytes");
	bk_buf_release(&want);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(what, sizeof(what), "list '%s' after '%s'",
		    cases[i].prefix, cases[i].after);
		ok_text(list(cases[i].prefix, cases[i].after), cases[i].want,
		    what);
	}
	see_nothing(3);
	ok_int(bk_store_list(s, "a", "", see, &seen, &f), 0, "a stop is no fault");
	ok_text(bk_buf_text(&seen.text), "a!\na-b\na.b\n", "and stops at once");
	seen.text.max = seen.text.len + 4;
	ok_int(bk_store_list(s, "", "", see, &seen, &f), -1,
	    "a fault of the caller's ends it");
	ok_int(f.status, BK_IO, "and is handed back");
	seen.text.max = 4 * 1024 * 1024;
	bk_fault_clear(&f);
	ok(calm(), "no other fault");
}

static void
paging(void)
{
	char key[64], prev[64];
	unsigned int i, pages, total = 0, rounds = 0, bad = 0;

	fresh("many keys");
	for (i = 0; i < c->many && bad == 0; i++) {
		snprintf(key, sizeof(key), "m/%02u/k%05u", i % 3,
		    i * 7919 % c->many);
		bad += put_text(key, "", BK_PUT_NEW) != 0;
	}
	ok(bad == 0 && calm(), "%u keys", c->many);
	list("m/", "");
	ok_int(seen.n, c->many, "all are listed");
	for (pages = 1; pages <= 2; pages++) {
		total = 0;
		prev[0] = '\0';
		for (rounds = 0; rounds < 100; rounds++) {
			see_nothing(pages == 1 ? c->many / 7 : 1000);
			if (bk_store_list(s, "m/", prev, see, &seen, &f) != 0 ||
			    seen.n == 0)
				break;
			bad += strcmp(seen.last, prev) <= 0;
			snprintf(prev, sizeof(prev), "%s", seen.last);
			total += seen.n;
		}
		ok_int(total, c->many, "each once, page by page");
	}
	ok_int(bad, 0, "each page after the last");
	ok(calm(), "no fault in all that");
}

static void
odd_keys(void)
{
	static const char *const odd[] = {
		"a b", "a+b", "a%20b", "a%2Fb", "a%", "%41", "\xc3\xa9t\xc3\xa9",
		"\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80", "q?x=1&y=2", "h#frag",
		"a&b", "a~b", "a*b", "a'b", "a\"b", "a(b)", "a=b", "a,b", "a;b",
		"a@b", "a:b", "a!b", "a$b", "a[b]", "a{b}", "a|b", "a^b", "a`b",
		"a\\b", "<a>&amp;]]>", " lead", "trail ", "...", "..a", "-r", ".bk/x",
		"d/ /e", "d/%2e%2e/e", "d/&/e", "d/+/e", "d/#/?",
	};
	const size_t n = sizeof(odd) / sizeof(odd[0]);
	const char *bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/..",
		"../a", "a/./b", "a\nb", "a\x7f", "\x01", "\xff", "a\xc3" };
	char *deep = malloc(BK_KEY_MAX + 2);
	size_t i, wrong = 0;
	const char *all;
	char line[64];

	fresh("odd keys");
	for (i = 0; i < n; i++)
		if (!ok(put_text(odd[i], odd[i], 0) == 0, "put '%s'", odd[i]))
			calm();
	for (i = 0; i < n; i++)
		ok(holds(odd[i], odd[i]), "'%s' holds its own", odd[i]);
	all = list("", "");
	ok_int(seen.n, n, "all of them are listed");
	for (i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "%s\n", odd[i]);
		wrong += strstr(all, line) == NULL;
	}
	ok_int(wrong, 0, "each as it was put");
	ok_int(bk_store_remove(s, odd, n, &f), 0, "remove them");
	ok_text(list("", ""), "", "none is left");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ok_int(put_text(bad[i], "x", 0), -1, "no key");
		ok_int(f.status, BK_USAGE, "and the caller's fault");
		bk_fault_clear(&f);
	}
	for (i = 0; i < BK_KEY_MAX + 1; i++)
		deep[i] = i % 201 == 200 ? '/' : 'k';
	deep[BK_KEY_MAX + 1] = '\0';
	ok_int(put_text(deep, "x", 0), -1, "a key of 901 bytes");
	ok_int(f.status, BK_USAGE, "is too long");
	bk_fault_clear(&f);
	deep[BK_KEY_MAX] = '\0';
	ok_int(put_text(deep, "deep", 0), 0, "a key of 900 bytes");
	ok(holds(deep, "deep"), "holds its own");
	list("", "");
	ok_text(seen.last, deep, "is listed");
	free(deep);
	ok(calm(), "no fault in all that");
}

struct window {
	uint8_t buf[4096];
	size_t n;
};

static int
window_sink(void *arg, const void *p, size_t n, struct bk_fault *ff)
{
	struct window *w = arg;

	if (n > sizeof(w->buf) - w->n)
		return bk_fault_set(ff, BK_DATA, "more than asked for");
	memcpy(w->buf + w->n, p, n);
	w->n += n;
	return 0;
}

static void
ranges(void)
{
	const size_t size = c->part + 70001;
	const uint64_t at[] = { 0, 1, 4095, c->part - 7, c->part, size - 100,
		size - 1 };
	struct window w;
	uint8_t want[sizeof(w.buf)];
	size_t i, len, n = 0;

	fresh("ranges");
	ok_int(put_noise("r/x", size, 5), 0, "put");
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		len = size - at[i] < sizeof(want) ? size - at[i] : sizeof(want);
		noise(want, len, 5, at[i]);
		w.n = 0;
		ok(bk_store_get(s, "r/x", at[i], len, window_sink, &w, &f) ==
		    0 && w.n == len && memcmp(w.buf, want, len) == 0,
		    "%zu bytes at %llu", len, (unsigned long long)at[i]);
	}
	w.n = 0;
	noise(want, 100, 5, size - 100);
	ok(bk_store_get(s, "r/x", size - 100, UINT64_MAX, window_sink, &w,
	    &f) == 0 && w.n == 100 && memcmp(w.buf, want, 100) == 0,
	    "to the end");
	ok_int(bk_store_get(s, "r/x", 7, 0, no_sink, &n, &f), 0, "no bytes");
	ok(calm(), "no fault in all that");
	ok_int(bk_store_get(s, "r/x", size, 1, window_sink, &w, &f), -1,
	    "from its end on");
	ok_int(f.status, BK_DATA, "is past the end");
	bk_fault_clear(&f);
	ok_int(bk_store_get(s, "r/x", size + 1, UINT64_MAX, window_sink, &w,
	    &f), -1, "beyond its end");
	ok_int(f.status, BK_DATA, "is past the end");
	bk_fault_clear(&f);
	w.n = 0;
	ok_int(bk_store_get(s, "r/x", size - 10, 11, window_sink, &w, &f), -1,
	    "one byte more than there is");
	ok_int(f.status, BK_DATA, "is past the end");
	bk_fault_clear(&f);
	ok_int(bk_store_get(s, "r/x", 0, UINT64_MAX, no_sink, &n, &f), -1,
	    "a sink that fails ends it");
	ok_int(f.status, BK_BUSY, "with its own fault");
	ok_text(f.text, "the sink has had enough", "as it said it");
	ok(n > 0 && n < size, "and is not asked again");
	bk_fault_clear(&f);
}

static void
lengths(void)
{
	const size_t part = c->part, all[] = { 0, 1, part - 1, part, part + 1,
		2 * part, 3 * part + 4321 };
	struct bk_put *p, *q;
	char key[32];
	size_t i;

	fresh("unknown lengths");
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(key, sizeof(key), "l/%zu", all[i]);
		ok_int(put_noise(key, all[i], i), 0, key);
		ok(holds_noise(key, all[i], i), "%s is whole", key);
	}
	p = bk_store_put_begin(s, "two/p", NULL, &f);
	q = bk_store_put_begin(s, "two/q", NULL, &f);
	ok(p != NULL && q != NULL && write_noise(p, part / 2, 20) == 0 &&
	    write_noise(q, part + 1, 21) == 0, "two puts at once");
	ok_int(bk_store_put_commit(p, &f), 0, "one is committed");
	ok_int(bk_store_put_commit(q, &f), 0, "then the other");
	ok(holds_noise("two/p", part / 2, 20), "the one is whole");
	ok(holds_noise("two/q", part + 1, 21), "so is the other");
	ok_text(debris(), "", "nothing unfinished is left");
	ok(calm(), "no fault in all that");
}

static void
declared_size(void)
{
	struct bk_put_opts opts = { .max_bytes = 10 };
	struct bk_put *p;

	fresh("declared size");
	p = bk_store_put_begin(s, "k", &opts, &f);
	ok_int(bk_store_put_write(p, "0123456789", 10, &f), 0, "10 bytes of 10");
	ok_int(bk_store_put_write(p, "x", 1, &f), -1, "one more");
	ok_int(f.status, BK_DATA, "is more than declared");
	bk_fault_clear(&f);
	ok_int(bk_store_put_commit(p, &f), -1, "it cannot be committed then");
	bk_fault_clear(&f);
	ok_text(list("", ""), "", "and nothing is left");
	ok_text(debris(), "", "nothing unfinished either");
	p = bk_store_put_begin(s, "k", &opts, &f);
	ok_int(bk_store_put_write(p, "012", 3, &f), 0, "3 bytes of 10");
	ok_int(bk_store_put_commit(p, &f), 0, "are fine");
	ok(holds("k", "012"), "it is whole");
	ok(calm(), "no fault in all that");
}

static void
removal(void)
{
	const char **keys = calloc(c->doomed + 1, sizeof(*keys));
	char (*text)[32] = calloc(c->doomed, sizeof(*text));
	unsigned int i, bad = 0;

	fresh("removal");
	for (i = 0; i < c->doomed; i++) {
		snprintf(text[i], sizeof(text[i]), "x/%u/%u", i % 2, i);
		keys[i] = text[i];
		bad += put_text(keys[i], "", 0) != 0;
	}
	keys[c->doomed] = "x/never/was";
	bad += put_text("x/stays", "here", 0) != 0;
	ok(bad == 0 && calm(), "put %u", c->doomed);
	ok_int(bk_store_remove(s, keys, c->doomed + 1, &f), 0, "remove them");
	ok_text(list("", ""), "x/stays\n", "only the other is left");
	ok_int(bk_store_remove(s, keys, 2, &f), 0, "again");
	ok_int(put_text(keys[0], "new", BK_PUT_NEW), 0, "create one again");
	ok(holds(keys[0], "new"), "it is there");
	ok(calm(), "no fault in all that");
	free(keys);
	free(text);
}

/* A process dies with a put open: what it leaves is seen and can go. */
static void
death(void)
{
	struct bk_store *other;
	struct bk_put *p;
	int status;
	pid_t pid;

	fresh("death of a writer");
	ok_int(put_text("d/whole", "whole", 0), 0, "put");
	fflush(stdout);
	if ((pid = fork()) == 0) {
		if ((other = c->again(c->arg, &f)) == NULL ||
		    (p = bk_store_put_begin(other, "d/dying", NULL, &f)) == NULL ||
		    write_noise(p, c->debris, 30) == -1)
			_exit(1);
		_exit(0);
	}
	ok(pid != -1 && waitpid(pid, &status, 0) == pid && status == 0,
	    "a process dies with a put open");
	ok_text(list("", ""), "d/whole\n", "nothing of it is listed");
	if (c->debris > 0)
		ok_text(debris(), "d/dying\n", "it is seen as unfinished");
	ok_int(bk_store_debris_remove(s, "d/whole", &f), 0,
	    "nothing unfinished of the other is removed");
	ok(holds("d/whole", "whole"), "which stays");
	ok_int(bk_store_debris_remove(s, "d/dying", &f), 0, "remove it");
	ok_text(debris(), "", "it is gone");
	ok_text(list("", ""), "d/whole\n", "the other stays");
	ok(calm(), "no fault in all that");
}

void
store_conform(const struct conform *conform)
{
	c = conform;
	absent_is_an_answer();
	partial_is_never_visible();
	create_only();
	order_and_prefix();
	paging();
	odd_keys();
	ranges();
	lengths();
	declared_size();
	removal();
	death();
	bk_store_close(s);
	s = NULL;
	bk_buf_release(&seen.text);
}
