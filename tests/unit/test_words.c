/* Words of a command: quotes, backslashes, refusals, nothing expanded. */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "tap.h"
#include "words.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
test_good(void)
{
	static const struct {
		const char *text;
		const char *v[6];
	} t[] = {
		{ "xz", { "xz" } }, { "xz -dc", { "xz", "-dc" } },
		{ " \t\r\nxz \n -T 0 ", { "xz", "-T", "0" } },
		{ "a 'b c' d", { "a", "b c", "d" } },
		{ "a \"b c\" d", { "a", "b c", "d" } },
		{ "a''b \"\" ''", { "ab", "", "" } },
		{ "--x='a \"b\"'c", { "--x=a \"b\"c" } },
		{ "'a\\b' 'it'\\''s'", { "a\\b", "it's" } },
		{ "\"a\\\"b\\\\c\\d'\"", { "a\"b\\c\\d'" } },
		{ "a\\ b\\\\c\\'d\\\ne", { "a b\\c'd\ne" } },
		{ "$HOME `id` $(id) * ~ ;", { "$HOME", "`id`", "$(id)", "*", "~", ";" } },
		{ "\xc3\xbc #x", { "\xc3\xbc", "#x" } },
	};
	struct bk_words w = BK_WORDS_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	size_t i, k;

	for (i = 0; i < N(t); i++) {
		ok(bk_words_split(t[i].text, &w, &f) == 0, "text %zu", i);
		for (k = 0; k < w.n && k < 6; k++)
			ok_text(w.v[k], t[i].v[k], "a word");
		ok(w.v[w.n] == NULL && (k == 6 || t[i].v[k] == NULL), "and no more");
		bk_words_release(&w);
		ok(w.v == NULL && w.n == 0, "released");
	}
	bk_words_release(&w);
}

static void
test_bad(void)
{
	static const struct {
		const char *text, *why;
	} t[] = {
		{ "", "no command" }, { " \t\n", "no command" },
		{ "'", "a quote ' is not closed" }, { "a 'b", "a quote ' is not closed" },
		{ "a \"b", "a quote \" is not closed" },
		{ "a \"b\\\"", "a quote \" is not closed" },
		{ "a\\", "a backslash at the end" }, { "a \\", "a backslash at the end" },
	};
	struct bk_words w = BK_WORDS_INIT;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(10000);
	size_t i;

	for (i = 0; i < N(t); i++) {
		bk_fault_clear(&f);
		ok(bk_words_split(t[i].text, &w, &f) == -1 && f.status == 64, "refused");
		ok(strstr(f.text, t[i].why) != NULL, "because: %s", f.text);
		ok(w.v == NULL && w.n == 0, "nothing is left");
	}
	bk_fault_clear(&f);
	for (i = 0; i < BK_WORDS_MAX; i++)
		bk_buf_adds(&b, "x ", &f);
	ok(bk_words_split(b.p, &w, &f) == 0 && w.n == BK_WORDS_MAX &&
	    w.v[w.n] == NULL, "as many as there may be");
	bk_words_release(&w);
	bk_buf_adds(&b, "x", &f);
	ok(bk_words_split(b.p, &w, &f) == -1 && f.status == 64, "one more");
	ok_text(f.text, "more than 256 words", "the bound is named");
	bk_buf_release(&b);
}

int
main(void)
{
	test_good();
	test_bad();
	return done();
}
