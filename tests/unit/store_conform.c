/*
 * The specification of a store, in code (store.h has it in words).  Each
 * function is one chapter and starts with an empty store.
 */
#include <sys/wait.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conform.h"
#include "tap.h"

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

	cf_fresh("absent is an answer");
	ok_text(cf_list("", ""), "", "a new store is empty");
	ok_text(cf_debris(), "", "and holds nothing unfinished");
	ok_int(bk_store_stat(cf.s, "none", &o, &cf.f), BK_ABSENT,
	    "stat of nothing");
	ok_int(bk_store_stat(cf.s, "no/such/key", &o, &cf.f), BK_ABSENT,
	    "stat of nothing in nothing");
	ok_int(bk_store_get(cf.s, "none", 0, UINT64_MAX, no_sink, &n, &cf.f),
	    BK_ABSENT, "get of nothing");
	ok_int(bk_store_get(cf.s, "none", 5, 3, no_sink, &n, &cf.f), BK_ABSENT,
	    "a range of nothing");
	ok_int(bk_store_get(cf.s, "none", 0, 0, no_sink, &n, &cf.f), BK_ABSENT,
	    "no bytes of nothing");
	ok_int(n, 0, "no byte came of it");
	ok_int(bk_store_remove(cf.s, keys, 3, &cf.f), 0, "remove of nothing");
	ok_int(bk_store_debris_remove(cf.s, "none", &cf.f), 0,
	    "nothing unfinished of nothing is removed");
	ok_int(cf_put_text("a/b", "x", 0), 0, "put");
	ok_int(bk_store_stat(cf.s, "a", &o, &cf.f), BK_ABSENT,
	    "what is only part of a key is no object");
	ok_int(bk_store_get(cf.s, "a", 0, UINT64_MAX, no_sink, &n, &cf.f),
	    BK_ABSENT,
	    "nor is there anything to get");
	ok(cf_calm(), "no fault in all that");
}

static void
partial_is_never_visible(void)
{
	const size_t big = 2 * cf.c->part + 12345;
	struct bk_object o;
	struct bk_put *p;
	size_t n = 0;

	cf_fresh("nothing partial is visible");
	p = bk_store_put_begin(cf.s, "d/x", NULL, &cf.f);
	ok(p != NULL, "begin");
	ok_int(cf_write_noise(p, big, 1), 0, "write several parts");
	ok_int(bk_store_stat(cf.s, "d/x", &o, &cf.f), BK_ABSENT, "not to stat");
	ok_int(bk_store_get(cf.s, "d/x", 0, UINT64_MAX, no_sink, &n, &cf.f),
	    BK_ABSENT, "not to get");
	ok_text(cf_list("", ""), "", "not to list");
	ok_int(bk_store_put_commit(p, &cf.f), 0, "commit");
	ok_text(cf_list("", ""), "d/x\n", "now it is listed");
	ok_int(cf.seen.bytes, big, "with its size");
	ok(cf_holds_noise("d/x", big, 1), "and whole");
	ok_text(cf_debris(), "", "nothing unfinished is left");

	p = bk_store_put_begin(cf.s, "d/x", NULL, &cf.f);
	ok_int(cf_write_noise(p, big, 2), 0, "write over it");
	ok(cf_holds_noise("d/x", big, 1), "the old one stays until the commit");
	bk_store_put_abort(p);
	ok(cf_holds_noise("d/x", big, 1), "and after an abort");

	p = bk_store_put_begin(cf.s, "e/y", NULL, &cf.f);
	ok_int(cf_write_noise(p, big, 3), 0, "several parts of another");
	bk_store_put_abort(p);
	p = bk_store_put_begin(cf.s, "e/z", NULL, &cf.f);
	bk_store_put_abort(p);
	bk_store_put_abort(NULL);
	ok_text(cf_list("", ""), "d/x\n", "an abort leaves nothing");
	ok_text(cf_debris(), "", "nothing unfinished either");
	ok(cf_calm(), "no fault in all that");
}

static void
create_only(void)
{
	struct bk_put_opts only = { .flags = BK_PUT_NEW };
	struct bk_store_facts facts;
	struct bk_put *p, *q;

	cf_fresh("create only");
	ok_int(bk_store_facts(cf.s, &facts, &cf.f), 0, "facts");
	ok(!facts.clock_known || (facts.clock_offset < 120000 &&
	    facts.clock_offset > -120000), "the clock is near ours");
	ok_text(cf_debris(), "", "facts leaves nothing");
	ok_text(cf_list("", ""), "", "and lists nothing");
	ok_int(cf_put_text("k", "first", 0), 0, "put");
	ok_int(cf_put_text("k", "second", 0), 0, "put over it");
	ok(cf_holds("k", "second"), "the later one counts");
	ok_int(cf_put_text("n", "first", BK_PUT_NEW), 0, "create");
	if (!facts.create_only) {
		tap_skip("this server does not create only");
		return;
	}
	ok_int(cf_put_text("n", "second", BK_PUT_NEW), BK_EXISTS,
	    "create what is there");
	ok(cf_holds("n", "first"), "it stays as it was");

	p = bk_store_put_begin(cf.s, "r", &only, &cf.f);
	q = bk_store_put_begin(cf.s, "r", &only, &cf.f);
	ok(p != NULL && q != NULL, "two create one key");
	ok_int(bk_store_put_write(p, "p", 1, &cf.f), 0, "one writes");
	ok_int(bk_store_put_write(q, "qq", 2, &cf.f), 0, "the other writes");
	ok_int(bk_store_put_commit(q, &cf.f), 0, "the first to commit has it");
	ok_int(bk_store_put_commit(p, &cf.f), BK_EXISTS, "the second is told");
	ok(cf_holds("r", "qq"), "the first is intact");

	p = bk_store_put_begin(cf.s, "r", &only, &cf.f);
	ok_int(cf_write_noise(p, cf.c->part + 1, 4), 0, "create in parts");
	ok_int(bk_store_put_commit(p, &cf.f), BK_EXISTS, "is told as well");
	ok(cf_holds("r", "qq"), "the first is still intact");
	ok_text(cf_debris(), "", "no parts are left");
	ok(cf_calm(), "no fault in all that");
}

/* Several processes create one key at the same time. */
static void
race(void)
{
	enum { RACERS = 4 };
	struct bk_store_facts facts;
	struct bk_store *own;
	pid_t pid[RACERS];
	int i, status, gate[2], won = -1, told = 0;
	char text[2] = "0";

	cf_fresh("a race");
	ok_int(bk_store_facts(cf.s, &facts, &cf.f), 0, "facts");
	if (!facts.create_only) {
		tap_skip("this server does not create only");
		return;
	}
	fflush(stdout);
	if (pipe(gate) == -1)
		return;
	for (i = 0; i < RACERS; i++) {
		text[0] = (char)('a' + i);
		if ((pid[i] = fork()) != 0)
			continue;
		close(gate[1]);
		own = cf.c->again(cf.c->arg, &cf.f);
		if (own == NULL || read(gate[0], text + 1, 1) != 0)
			_exit(9);
		_exit(bk_store_put_small(own, "r/k", text, 1, BK_PUT_NEW,
		    &cf.f) + 1);
	}
	close(gate[0]);
	close(gate[1]);
	for (i = 0; i < RACERS; i++) {
		if (waitpid(pid[i], &status, 0) != pid[i])
			continue;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
			won = won == -1 ? i : RACERS;
		told += WIFEXITED(status) && WEXITSTATUS(status) ==
		    BK_EXISTS + 1;
	}
	ok(won >= 0 && won < RACERS, "one process creates it");
	ok_int(told, RACERS - 1, "the others are told");
	text[0] = (char)('a' + won);
	ok(cf_holds("r/k", text), "it is the winner's");
	ok_text(cf_list("", ""), "r/k\n", "and the only one");
	ok_text(cf_debris(), "", "nothing unfinished is left");
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

	cf_fresh("order, prefix, after");
	for (i = sizeof(ordered) / sizeof(ordered[0]); i-- > 0;) {
		if (strcmp(ordered[i], "a/b") != 0 &&
		    cf_put_text(ordered[i], ordered[i], BK_PUT_NEW) != 0)
			ok(false, "put '%s': %s", ordered[i], cf.f.text);
	}
	for (i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++)
		if (strcmp(ordered[i], "a/b") != 0)
			bk_buf_addf(&want, &cf.f, "%s\n", ordered[i]);
	ok_text(cf_list("", ""), bk_buf_text(&want),
	    "keys in order of their bytes");
	bk_buf_release(&want);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(what, sizeof(what), "list '%s' after '%s'",
		    cases[i].prefix, cases[i].after);
		ok_text(cf_list(cases[i].prefix, cases[i].after), cases[i].want,
		    what);
	}
	cf_see_nothing(3);
	ok_int(bk_store_list(cf.s, "a", "", cf_see, &cf.seen, &cf.f), 0,
	    "a stop is no fault");
	ok_text(bk_buf_text(&cf.seen.text), "a!\na-b\na.b\n",
	    "and stops at once");
	cf.seen.text.max = cf.seen.text.len + 4;
	ok_int(bk_store_list(cf.s, "", "", cf_see, &cf.seen, &cf.f), -1,
	    "a fault of the caller's ends it");
	ok_int(cf.f.status, BK_IO, "and is handed back");
	cf.seen.text.max = 4 * 1024 * 1024;
	bk_fault_clear(&cf.f);
	ok(cf_calm(), "no other fault");
}

static void
paging(void)
{
	char key[64], prev[BK_KEY_MAX + 1];
	unsigned int i, pages, total = 0, rounds = 0, bad = 0;

	cf_fresh("many keys");
	for (i = 0; i < cf.c->many && bad == 0; i++) {
		snprintf(key, sizeof(key), "m/%02u/k%05u", i % 3,
		    i * 7919 % cf.c->many);
		bad += cf_put_text(key, "", BK_PUT_NEW) != 0;
	}
	ok(bad == 0 && cf_calm(), "%u keys", cf.c->many);
	cf_list("m/", "");
	ok_int(cf.seen.n, cf.c->many, "all are listed");
	for (pages = 1; pages <= 2; pages++) {
		total = 0;
		prev[0] = '\0';
		for (rounds = 0; rounds < 100; rounds++) {
			cf_see_nothing(pages == 1 ? cf.c->many / 7 : 1000);
			if (bk_store_list(cf.s, "m/", prev, cf_see, &cf.seen,
			    &cf.f) != 0 ||
			    cf.seen.n == 0)
				break;
			bad += strcmp(cf.seen.last, prev) <= 0;
			snprintf(prev, sizeof(prev), "%s", cf.seen.last);
			total += cf.seen.n;
		}
		ok_int(total, cf.c->many, "each once, page by page");
	}
	ok_int(bad, 0, "each page after the last");
	ok(cf_calm(), "no fault in all that");
}

static void
odd_keys(void)
{
	static const char *const odd[] = {
		"a b", "a+b", "a%20b", "a%2Fb", "a%", "%41",
		    "\xc3\xa9t\xc3\xa9",
		"\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80", "q?x=1&y=2",
		    "h#frag",
		"a&b", "a~b", "a*b", "a'b", "a\"b", "a(b)", "a=b", "a,b", "a;b",
		"a@b", "a:b", "a!b", "a$b", "a[b]", "a{b}", "a|b", "a^b", "a`b",
		"a\\b", "<a>&amp;]]>", " lead", "trail ", "...", "..a", "-r",
		    ".bk/x",
		"d/ /e", "d/%2e%2e/e", "d/&/e", "d/+/e", "d/#/?",
	};
	const size_t n = sizeof(odd) / sizeof(odd[0]);
	const char *bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/..",
		"../a", "a/./b", "a\nb", "a\x7f", "\x01", "\xff", "a\xc3" };
	char *deep = malloc(BK_KEY_MAX + 2);
	size_t i, wrong = 0;
	const char *all;
	char line[64];

	cf_fresh("odd keys");
	for (i = 0; i < n; i++)
		if (!ok(cf_put_text(odd[i], odd[i], 0) == 0, "put '%s'",
		    odd[i]))
			cf_calm();
	for (i = 0; i < n; i++)
		ok(cf_holds(odd[i], odd[i]), "'%s' holds its own", odd[i]);
	all = cf_list("", "");
	ok_int(cf.seen.n, n, "all of them are listed");
	for (i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "%s\n", odd[i]);
		wrong += strstr(all, line) == NULL;
	}
	ok_int(wrong, 0, "each as it was put");
	ok_int(bk_store_remove(cf.s, odd, n, &cf.f), 0, "remove them");
	ok_text(cf_list("", ""), "", "none is left");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ok_int(cf_put_text(bad[i], "x", 0), -1, "no key");
		ok_int(cf.f.status, BK_USAGE, "and the caller's fault");
		bk_fault_clear(&cf.f);
	}
	for (i = 0; i < BK_KEY_MAX + 1; i++)
		deep[i] = i % 201 == 200 ? '/' : 'k';
	deep[BK_KEY_MAX + 1] = '\0';
	ok_int(cf_put_text(deep, "x", 0), -1, "a key of 901 bytes");
	ok_int(cf.f.status, BK_USAGE, "is too long");
	bk_fault_clear(&cf.f);
	deep[BK_KEY_MAX] = '\0';
	ok_int(cf_put_text(deep, "deep", 0), 0, "a key of 900 bytes");
	ok(cf_holds(deep, "deep"), "holds its own");
	cf_list("", "");
	ok_text(cf.seen.last, deep, "is listed");
	free(deep);
	ok(cf_calm(), "no fault in all that");
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
	const size_t size = cf.c->part + 70001;
	const uint64_t at[] = { 0, 1, 4095, cf.c->part - 7, cf.c->part,
	    size - 100,
		size - 1 };
	struct window w;
	uint8_t want[sizeof(w.buf)];
	size_t i, len, n = 0;

	cf_fresh("ranges");
	ok_int(cf_put_noise("r/x", size, 5), 0, "put");
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		len = size - at[i] < sizeof(want) ? size - at[i] : sizeof(want);
		cf_noise(want, len, 5, at[i]);
		w.n = 0;
		ok(bk_store_get(cf.s, "r/x", at[i], len, window_sink, &w,
		    &cf.f) ==
		    0 && w.n == len && memcmp(w.buf, want, len) == 0,
		    "%zu bytes at %llu", len, (unsigned long long)at[i]);
	}
	w.n = 0;
	cf_noise(want, 100, 5, size - 100);
	ok(bk_store_get(cf.s, "r/x", size - 100, UINT64_MAX, window_sink, &w,
	    &cf.f) == 0 && w.n == 100 && memcmp(w.buf, want, 100) == 0,
	    "to the end");
	ok_int(bk_store_get(cf.s, "r/x", 7, 0, no_sink, &n, &cf.f), 0,
	    "no bytes");
	ok(cf_calm(), "no fault in all that");
	ok_int(bk_store_get(cf.s, "r/x", size, 1, window_sink, &w, &cf.f), -1,
	    "from its end on");
	ok_int(cf.f.status, BK_DATA, "is past the end");
	bk_fault_clear(&cf.f);
	ok_int(bk_store_get(cf.s, "r/x", size + 1, UINT64_MAX, window_sink, &w,
	    &cf.f), -1, "beyond its end");
	ok_int(cf.f.status, BK_DATA, "is past the end");
	bk_fault_clear(&cf.f);
	w.n = 0;
	ok_int(bk_store_get(cf.s, "r/x", size - 10, 11, window_sink, &w, &cf.f),
	    -1,
	    "one byte more than there is");
	ok_int(cf.f.status, BK_DATA, "is past the end");
	bk_fault_clear(&cf.f);
	ok_int(bk_store_get(cf.s, "r/x", 0, UINT64_MAX, no_sink, &n, &cf.f), -1,
	    "a sink that fails ends it");
	ok_int(cf.f.status, BK_BUSY, "with its own fault");
	ok_text(cf.f.text, "the sink has had enough", "as it said it");
	ok(n > 0 && n < size, "and is not asked again");
	bk_fault_clear(&cf.f);
}

static void
lengths(void)
{
	const size_t part = cf.c->part, all[] = { 0, 1, part - 1, part,
	    part + 1,
		2 * part, 3 * part + 4321 };
	struct bk_put *p, *q;
	char key[32];
	size_t i;

	cf_fresh("unknown lengths");
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(key, sizeof(key), "l/%zu", all[i]);
		ok_int(cf_put_noise(key, all[i], i), 0, key);
		ok(cf_holds_noise(key, all[i], i), "%s is whole", key);
	}
	p = bk_store_put_begin(cf.s, "two/p", NULL, &cf.f);
	q = bk_store_put_begin(cf.s, "two/q", NULL, &cf.f);
	ok(p != NULL && q != NULL && cf_write_noise(p, part / 2, 20) == 0 &&
	    cf_write_noise(q, part + 1, 21) == 0, "two puts at once");
	ok_int(bk_store_put_commit(p, &cf.f), 0, "one is committed");
	ok_int(bk_store_put_commit(q, &cf.f), 0, "then the other");
	ok(cf_holds_noise("two/p", part / 2, 20), "the one is whole");
	ok(cf_holds_noise("two/q", part + 1, 21), "so is the other");
	ok_text(cf_debris(), "", "nothing unfinished is left");
	ok(cf_calm(), "no fault in all that");
}

static void
declared_size(void)
{
	struct bk_put_opts opts = { .max_bytes = 10 };
	struct bk_put *p;

	cf_fresh("declared size");
	p = bk_store_put_begin(cf.s, "k", &opts, &cf.f);
	ok_int(bk_store_put_write(p, "0123456789", 10, &cf.f), 0,
	    "10 bytes of 10");
	ok_int(bk_store_put_write(p, "x", 1, &cf.f), -1, "one more");
	ok_int(cf.f.status, BK_DATA, "is more than declared");
	bk_fault_clear(&cf.f);
	ok_int(bk_store_put_commit(p, &cf.f), -1,
	    "it cannot be committed then");
	bk_fault_clear(&cf.f);
	ok_text(cf_list("", ""), "", "and nothing is left");
	ok_text(cf_debris(), "", "nothing unfinished either");
	p = bk_store_put_begin(cf.s, "k", &opts, &cf.f);
	ok_int(bk_store_put_write(p, "012", 3, &cf.f), 0, "3 bytes of 10");
	ok_int(bk_store_put_commit(p, &cf.f), 0, "are fine");
	ok(cf_holds("k", "012"), "it is whole");
	ok(cf_calm(), "no fault in all that");
}

static void
removal(void)
{
	const char **keys = calloc(cf.c->doomed + 1, sizeof(*keys));
	char (*text)[32] = calloc(cf.c->doomed, sizeof(*text));
	unsigned int i, bad = 0;

	cf_fresh("removal");
	for (i = 0; i < cf.c->doomed; i++) {
		snprintf(text[i], sizeof(text[i]), "x/%u/%u", i % 2, i);
		keys[i] = text[i];
		bad += cf_put_text(keys[i], "", 0) != 0;
	}
	keys[cf.c->doomed] = "x/never/was";
	bad += cf_put_text("x/stays", "here", 0) != 0;
	ok(bad == 0 && cf_calm(), "put %u", cf.c->doomed);
	ok_int(bk_store_remove(cf.s, keys, cf.c->doomed + 1, &cf.f), 0,
	    "remove them");
	ok_text(cf_list("", ""), "x/stays\n", "only the other is left");
	ok_int(bk_store_remove(cf.s, keys, 2, &cf.f), 0, "again");
	ok_int(cf_put_text(keys[0], "new", BK_PUT_NEW), 0, "create one again");
	ok(cf_holds(keys[0], "new"), "it is there");
	ok(cf_calm(), "no fault in all that");
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

	cf_fresh("death of a writer");
	ok_int(cf_put_text("d/whole", "whole", 0), 0, "put");
	fflush(stdout);
	if ((pid = fork()) == 0) {
		if ((other = cf.c->again(cf.c->arg, &cf.f)) == NULL ||
		    (p = bk_store_put_begin(other, "d/dying", NULL, &cf.f)) ==
		    NULL ||
		    cf_write_noise(p, cf.c->debris, 30) == -1)
			_exit(1);
		_exit(0);
	}
	ok(pid != -1 && waitpid(pid, &status, 0) == pid && status == 0,
	    "a process dies with a put open");
	ok_text(cf_list("", ""), "d/whole\n", "nothing of it is listed");
	if (cf.c->debris > 0 && !cf.c->hides_debris)
		ok_text(cf_debris(), "d/dying\n", "it is seen as unfinished");
	ok_int(bk_store_debris_remove(cf.s, "d/whole", &cf.f), 0,
	    "nothing unfinished of the other is removed");
	ok(cf_holds("d/whole", "whole"), "which stays");
	ok_int(bk_store_debris_remove(cf.s, "d/dying", &cf.f), 0, "remove it");
	ok_text(cf_debris(), "", "it is gone");
	ok_text(cf_list("", ""), "d/whole\n", "the other stays");
	ok(cf_calm(), "no fault in all that");
}

void
store_conform(const struct conform *conform)
{
	cf.c = conform;
	absent_is_an_answer();
	partial_is_never_visible();
	create_only();
	race();
	order_and_prefix();
	paging();
	odd_keys();
	ranges();
	lengths();
	declared_size();
	removal();
	death();
	bk_store_close(cf.s);
	cf.s = NULL;
	bk_buf_release(&cf.seen.text);
}
