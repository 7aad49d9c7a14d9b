/* JSON: strictness, order, text made valid, every allocation failing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tap.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static long budget = -1;		/* allocations that work; -1: all */

static void *
scarce(size_t n)
{
	if (budget == 0)
		return NULL;
	if (budget > 0)
		budget--;
	return malloc(n);
}

static void
test_parse(void)
{
	static const char *const good[] = { "{}", "{\"a\":1}",
		"{\"z\":1,\"a\":[true,false,null,{}],\"m\":\"x\"}",
		"{\"i\":9223372036854775807}", "{\"\":\"\xc3\xbc\"}" };
	static const struct {
		const char *s, *why;
	} bad[] = {
		{ "", "near end of file" }, { "[]", "an array" },
		{ "1", "" }, { "\"x\"", "" }, { "null", "" },
		{ "{\"a\":1,\"a\":2}", "duplicate" },
		{ "{\"o\":{\"a\":1,\"b\":2,\"a\":1}}", "duplicate" },
		{ "{} {}", "end of file expected" }, { "{}x", "" },
		{ "{\"a\":1", "" }, { "{\"a\":}", "" }, { "{a:1}", "" },
		{ "{'a':1}", "" }, { "{\"a\":1,}", "" }, { "{\"a\":01}", "" },
		{ "{\"a\":NaN}", "" }, { "{\"a\":1e999}", "" },
		{ "{\"a\":9223372036854775808}", "too big" },
		{ "{\"a\":\"\xff\"}", "" }, { "{\"a\":\"\xed\xa0\x80\"}", "" },
		{ "{\"a\":\"\\ud800\"}", "" }, { "{\"a\":\"\\u0000\"}", "" },
		{ "{\"a\\u0000b\":1}", "" }, { "{\"a\":\"\n\"}", "" },
		{ "\xef\xbb\xbf{}", "" },
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(10000);
	json_t *o;
	size_t i;

	for (i = 0; i < N(good); i++) {
		o = bk_json_parse(good[i], strlen(good[i]), "x", &f);
		bk_buf_reset(&b);
		ok(o != NULL && bk_json_text(o, &b, &f) == 0, "'%s'", good[i]);
		ok_text(bk_buf_text(&b), good[i], "comes out as it went in");
		json_decref(o);
	}
	o = bk_json_parse(" { \"b\" : 1 ,\t\"a\" : \"\\u00fc\" }\r\n", 30, "x", &f);
	bk_buf_reset(&b);
	bk_json_text(o, &b, &f);
	ok_text(bk_buf_text(&b), "{\"b\":1,\"a\":\"\xc3\xbc\"}", "blanks go, order stays");
	json_decref(o);
	ok(!bk_faulty(&f), "no fault");
	for (i = 0; i < N(bad); i++) {
		bk_fault_clear(&f);
		o = bk_json_parse(bad[i].s, strlen(bad[i].s), "line 3", &f);
		ok(o == NULL && f.status == 65 &&
		    strncmp(f.text, "line 3: not a JSON object: ", 27) == 0 &&
		    strstr(f.text, bad[i].why) != NULL, "bad %zu: %s", i, f.text);
	}
	bk_fault_clear(&f);
	ok(bk_json_parse("{}\0", 3, "x", &f) == NULL && f.status == 65,
	    "a NUL behind");
	bk_fault_clear(&f);
	o = bk_json_parse("{}garbage", 2, "x", &f);
	ok(o != NULL, "n bytes are read, no more");
	json_decref(o);
	bk_buf_release(&b);
}

static void
test_depth(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(1000000);
	int i;

	bk_buf_adds(&b, "{\"a\":", &f);
	for (i = 0; i < 100000; i++)
		bk_buf_adds(&b, "[", &f);
	ok(bk_json_parse(b.p, b.len, "x", &f) == NULL && f.status == 65,
	    "100000 levels are refused");
	bk_buf_release(&b);
}

static void
test_text(void)
{
	static const struct {
		const char *s;
		size_t n;
		const char *want;
	} t[] = {
		{ "", 0, "\"\"" }, { "plain", 5, "\"plain\"" },
		{ "\xc3\xbc", 2, "\"\xc3\xbc\"" },
		{ "a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\"" },
		{ "\xc3", 1, "\"\xef\xbf\xbd\"" },
		{ "\xc3\xbc\xc3", 3, "\"\xc3\xbc\xef\xbf\xbd\"" },
		{ "a\0b", 3, "\"a\xef\xbf\xbd" "b\"" },
		{ "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\n\"\\\x01\x7f", 5, "\"\\n\\\"\\\\\\u0001\x7f\"" },
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(10000);
	size_t i;
	json_t *v, *o, *back;

	for (i = 0; i < N(t); i++) {
		v = bk_json_string(t[i].s, t[i].n);
		bk_buf_reset(&b);
		ok_int(bk_json_text(v, &b, &f), 0, "a string");
		ok_text(bk_buf_text(&b), t[i].want, "made valid");
		o = json_pack("{so}", "k", v);
		bk_buf_reset(&b);
		bk_json_text(o, &b, &f);
		back = bk_json_parse(b.p, b.len, "x", &f);
		ok(back != NULL && json_equal(o, back), "and readable");
		json_decref(back);
		json_decref(o);
	}
	bk_buf_release(&b);
}

static void
test_members(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(40);
	json_t *o = json_object(), *a = json_array();

	ok_int(bk_json_set(o, "n", json_integer(-5), &f), 0, "set a number");
	ok_int(bk_json_set(o, "big", json_integer(INT64_MAX), &f), 0, "a big one");
	ok_int(bk_json_set_text(o, "t", "x\xff", &f), 0, "set a text");
	ok_int(bk_json_set_text(o, "t", "y", &f), 0, "set it again");
	ok_int(bk_json_push(a, json_true(), &f), 0, "push");
	ok_int(bk_json_set(o, "a", a, &f), 0, "set an array");
	ok_text(bk_json_get_text(o, "t"), "y", "text");
	ok_text(bk_json_get_text(o, "n"), NULL, "a number is no text");
	ok_text(bk_json_get_text(o, "no"), NULL, "no text");
	ok_text(bk_json_get_text(a, "no"), NULL, "no object");
	ok_int(bk_json_get_int(o, "n"), -5, "number");
	ok_int(bk_json_get_int(o, "big"), INT64_MAX, "big number");
	ok_int(bk_json_get_int(o, "t"), -1, "a text is no number");
	ok_int(bk_json_get_int(o, "no"), -1, "no number");
	ok(!bk_faulty(&f), "no fault so far");

	bk_buf_adds(&b, "kept", &f);
	ok_int(bk_json_text(o, &b, &f), -1, "too long for the buffer");
	ok(f.status == 74 && strstr(f.text, "limit of 40") != NULL, "is its fault");
	ok_text(bk_buf_text(&b), "kept", "which holds what it held");
	bk_buf_release(&b);
	bk_fault_clear(&f);
	b.max = 0;
	ok_int(bk_json_text(o, &b, &f), -1, "not even a byte");
	ok_text(bk_buf_text(&b), "", "in an empty buffer");

	bk_fault_clear(&f);
	ok_int(bk_json_set(o, "x", NULL, &f), -1, "a value that is not there");
	ok_int(f.status, 74, "is a fault");
	bk_fault_clear(&f);
	ok_int(bk_json_push(a, NULL, &f), -1, "nor is one to push");
	bk_fault_clear(&f);
	ok_int(bk_json_set(NULL, "x", json_integer(1), &f), -1,
	    "no object: the value is freed");
	bk_fault_clear(&f);
	ok_int(bk_json_push(NULL, json_integer(1), &f), -1, "no array: the same");
	json_decref(o);
}

/* Everything once more, with the n-th allocation of jansson failing. */
static void
test_memory(void)
{
	static const char text[] = "{\"a\":{\"b\":[1,\"x\"]},\"c\":1.5}";
	struct bk_buf b = BK_BUF_INIT(1000);
	struct bk_fault f;
	json_t *o = NULL;
	int n, bad = 0;
	bool good = false;

	for (n = 0; n < 200 && !good; n++) {
		memset(&f, 0, sizeof(f));
		bk_buf_reset(&b);
		budget = n;
		good = (o = bk_json_parse(text, sizeof(text) - 1, "x", &f)) != NULL &&
		    bk_json_set_text(o, "d", "\xff", &f) == 0 &&
		    bk_json_set(o, "e", json_array(), &f) == 0 &&
		    bk_json_push(json_object_get(o, "e"), json_integer(1), &f) == 0 &&
		    bk_json_text(o, &b, &f) == 0;
		budget = -1;
		/* A string without memory is a bad token to jansson: 65. */
		if (good ? bk_faulty(&f) : f.status != 74 &&
		    (f.status != 65 || o != NULL)) {
			printf("# allocation %d: %d %s\n", n, f.status, f.text);
			bad++;
		}
		json_decref(o);
	}
	ok(good && n > 10, "passes when there is enough memory");
	ok_int(bad, 0, "each failure is a fault");
	ok_text(bk_buf_text(&b), "{\"a\":{\"b\":[1,\"x\"]},\"c\":1.5,"
	    "\"d\":\"\xef\xbf\xbd\",\"e\":[1]}", "the whole");
	bk_buf_release(&b);
}

int
main(void)
{
	json_set_alloc_funcs(scarce, free);
	test_parse();
	test_depth();
	test_text();
	test_members();
	test_memory();
	return done();
}
