/* PromQL label matchers: the grammar, escapes, anchors, bounds. */
#include <string.h>

#include "query.h"
#include "samples.h"
#include "tap.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
test_match(void)
{
	static const struct {
		const char *query;
		int want;
	} t[] = {
		{ "{}", 1 }, { " { } ", 1 }, { "{tier=\"app\"}", 1 },
		{ "{tier='app'}", 1 }, { "{tier=`app`}", 1 },
		{ "{tier=\"ap\"}", 0 }, { "{tier!=\"ap\"}", 1 },
		{ "{tier!=\"app\"}", 0 }, { "{tier=\"app\",}", 1 },
		{ "{tier=\"app\",name=\"prod-1\"}", 1 },
		{ "{tier=\"app\" ,\n name = \"prod-2\" }", 0 },
		{ "{name=~\"prod-.*\"}", 1 }, { "{name=~\"prod\"}", 0 },
		{ "{name=~\"rod-1\"}", 0 }, { "{name=~\"x|prod-1\"}", 1 },
		{ "{name=~\"prod|prod-1\"}", 1 }, { "{name!~\"prod-.*\"}", 0 },
		{ "{name!~\"prod\"}", 1 }, { "{name=~\"\"}", 0 },
		{ "{engine=\"fake\"}", 1 }, { "{host=\"db1\"}", 1 },
		{ "{id=~\"01KDV.*\"}", 1 }, { "{parent=\"\"}", 1 },
		{ "{trigger=\"\",group=\"\"}", 1 },
		{ "{none=\"\"}", 1 }, { "{none!=\"\"}", 0 },
		{ "{none=~\".*\"}", 1 }, { "{none=~\".+\"}", 0 },
		{ "{none!~\".+\"}", 1 }, { "{tier=\"app\",tier=\"x\"}", 0 },
		{ "{odd=\"a\\\"b\"}", 1 }, { "{odd='a\"b'}", 1 },
		{ "{odd='a\\x22b'}", 1 }, { "{odd='a\\042b'}", 1 },
		{ "{odd='\\u0061\"\\U00000062'}", 1 }, { "{odd=`a\"b`}", 1 },
		{ "{back=`a\\b`}", 1 }, { "{back=\"a\\\\b\"}", 1 },
		{ "{back=~`a\\\\b`}", 1 }, { "{back='a\\b'}", 0 },
		{ "{word=\"\303\274ber\"}", 1 }, { "{word=\"\\u00fcber\"}", 1 },
		{ "{word=\"\\xc3\\xbcber\"}", 1 }, { "{word=~\".ber\"}", 1 },
		{ "{engine=~\"(?i)FAKE\"}", 1 },
		{ "{daily=\"true\"}", 1 }, { "{weekly=\"true\"}", 0 },
		{ "{weekly=\"\",monthly!=\"true\"}", 1 },
	};
	struct bk_record r = sample_rec("prod-1", 1, "2026-11-21T10:00:00Z", 1,
	    "{'tier':'app','odd':'a\\u0022b','back':'a\\\\b',"
	    "'word':'\\u00fcber'}");
	struct bk_fault f;
	struct bk_query *q;
	size_t i;

	(void)json_object_set_new(r.json, "marks", json_pack("[s,s,i]",
	    "hourly", "daily", 7));
	for (i = 0; i < N(t); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		if ((q = bk_query_parse(t[i].query, &f)) == NULL) {
			ok(false, "query %zu: %s", i, f.text);
			continue;
		}
		ok(bk_query_match(q, &r, &f) == t[i].want, "query %zu: %s", i,
		    t[i].want ? "matches" : "does not match");
		bk_query_free(q);
	}
	ok(bk_query_match(NULL, &r, &f) == 1, "no query matches everything");
	bk_record_release(&r);
}

static void
test_wrong(void)
{
	static const struct {
		const char *query, *at;
	} t[] = {
		{ "", "character 1:" }, { "tier=\"x\"", "character 1:" },
		{ "up{}", "character 1:" }, { "{", "character 2:" },
		{ "{,}", "character 2:" }, { "{a}", "character 3:" },
		{ "{a=}", "character 4:" }, { "{a=x}", "character 4:" },
		{ "{a=\"x}", "character 4:" }, { "{a=\"x\n\"}", "character 4:" },
		{ "{a==\"x\"}", "character 4:" }, { "{a!\"x\"}", "character 3:" },
		{ "{a=\"x\"b=\"y\"}", "character 7:" },
		{ "{a=\"x\",,}", "character 8:" }, { "{a=\"x\"}}", "character 8:" },
		{ "{a=\"x\"} or {}", "character 9:" },
		{ "{1a=\"x\"}", "character 2:" }, { "{a-b=\"x\"}", "character 3:" },
		{ "{a=\"\\q\"}", "unknown escape" },
		{ "{a=\"\\'\"}", "unknown escape" },
		{ "{a=\"\\xg0\"}", "lacks a digit" },
		{ "{a=\"\\777\"}", "no byte" }, { "{a=\"\\x00\"}", "no byte" },
		{ "{a=\"\\ud800\"}", "no character" },
		{ "{a=\"\\U00110000\"}", "no character" },
		{ "{a=\"\\u0000\"}", "NUL" }, { "{a=\"\\", "not closed" },
		{ "{a=\"\\xff\"}", "not UTF-8" }, { "{a=\"\xff\"}", "not UTF-8" },
		{ "{a=~\"(\"}", "expression" }, { "{a=~\"*\"}", "expression" },
		{ "{a=~\"\\\\C\"}", "expression" },
		{ "{a23456789012345678901234567890123456789012345678901234567890123"
		    "4=\"\"}", "63" },
	};
	struct bk_fault f;
	size_t i;

	for (i = 0; i < N(t); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		ok(bk_query_parse(t[i].query, &f) == NULL &&
		    f.status == BK_USAGE && strstr(f.text, t[i].at) != NULL,
		    "wrong query %zu: %s", i,
		    f.text);
	}
}

/* An expression that would take years is stopped, and said. */
static void
test_bound(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_record r = sample_rec("a", 1, "2026-11-21T10:00:00Z", 1,
	    "{'x':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}");
	struct bk_query *q = bk_query_parse("{x=~\"(a|aa|aaa)+[bc]\"}", &f);
	int64_t start = tap_ctx.mono();

	ok(q != NULL, "it compiles");
	ok(bk_query_match(q, &r, &f) == -1 && f.status == BK_USAGE,
	    "and is stopped: %s", f.text);
	ok(tap_ctx.mono() - start < 5000, "soon");
	bk_query_free(q);
	bk_record_release(&r);
}

static void
test_many(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(1 << 20);
	struct bk_query *q;
	int i;

	(void)bk_buf_adds(&b, "{", &f);
	for (i = 0; i < 64; i++)
		(void)bk_buf_adds(&b, "a=\"\",", &f);
	(void)bk_buf_adds(&b, "}", &f);
	q = bk_query_parse(bk_buf_text(&b), &f);
	ok(q != NULL, "64 matchers");
	bk_query_free(q);
	b.p[b.len - 1] = 'a';
	(void)bk_buf_adds(&b, "=\"\"}", &f);
	ok(bk_query_parse(bk_buf_text(&b), &f) == NULL, "but not 65: %s", f.text);
	bk_buf_release(&b);
}

int
main(void)
{
	test_match();
	test_wrong();
	test_bound();
	test_many();
	return done();
}
