/* The grammar of names, tags and numbers. */
#include <limits.h>
#include <string.h>

#include "names.h"
#include "tap.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct word {
	const char *s;
	bool good;
};

static void
check(bool (*is)(const char *), const struct word *t, size_t n, const char *what)
{
	size_t i;

	for (i = 0; i < n; i++)
		ok(is(t[i].s) == t[i].good, "%s %zu is %s", what, i,
		    t[i].good ? "taken" : "refused");
}

/* ${first} and then as many 'a' as make ${n} characters. */
static const char *
filled(char first, size_t n)
{
	static char s[300];

	memset(s, 'a', n);
	s[0] = first;
	s[n] = '\0';
	return s;
}

static void
test_words(void)
{
	static const struct word name[] = { { "a", true }, { "A", true },
		{ "0", true }, { "app-1_x.Y", true }, { "", false },
		{ ".a", false }, { "-a", false }, { "_a", false },
		{ "a/b", false }, { "a b", false }, { "a\n", false },
		{ "\xc3\xbc", false }, { "a\xc3\xbc", false }, { "a:", false } };
	static const struct word ext[] = { { "gz", true }, { "7z", true },
		{ "", false }, { ".gz", false }, { "GZ", false },
		{ "tar.gz", false }, { "a-b", false } };
	static const struct word engine[] = { { "mysql", true },
		{ "postgres-base", true }, { "p2", true }, { "", false },
		{ "2p", false }, { "-p", false }, { "My", false },
		{ "p_2", false }, { "p.2", false } };
	static const struct word key[] = { { "tier", true }, { "_x", true },
		{ "T2", true }, { "Name", true }, { "ids", true },
		{ "", false }, { "2t", false }, { "a-b", false },
		{ "a.b", false }, { "name", false }, { "engine", false },
		{ "id", false }, { "host", false }, { "parent", false },
		{ "trigger", false }, { "group", false }, { "hourly", false },
		{ "daily", false }, { "weekly", false }, { "monthly", false },
		{ "yearly", false } };
	static const struct word value[] = { { "", true }, { "a b=c", true },
		{ "\xc3\xbc\xf0\x9f\x98\x80", true }, { "\xc2\xa0", true },
		{ "a\nb", false }, { "\x1b", false }, { "\x7f", false },
		{ "\xc2\x9b", false }, { "\xff", false }, { "\xc3", false } };

	check(bk_name_ok, name, N(name), "name");
	check(bk_ext_ok, ext, N(ext), "ext");
	check(bk_engine_ok, engine, N(engine), "engine");
	check(bk_tag_key_ok, key, N(key), "tag key");
	check(bk_tag_value_ok, value, N(value), "tag value");
	ok(bk_name_ok(filled('A', 64)) && !bk_name_ok(filled('A', 65)), "64 of a name");
	ok(bk_ext_ok(filled('0', 16)) && !bk_ext_ok(filled('0', 17)), "16 of ext");
	ok(bk_engine_ok(filled('e', 32)) && !bk_engine_ok(filled('e', 33)),
	    "32 of an engine");
	ok(bk_tag_key_ok(filled('_', 63)) && !bk_tag_key_ok(filled('_', 64)),
	    "63 of a key");
	ok(bk_tag_value_ok(filled(' ', 255)) && !bk_tag_value_ok(filled(' ', 256)),
	    "255 of a value");
}

static void
test_name_from(void)
{
	static const struct {
		const char *from, *want;
	} t[] = { { "app", "app" }, { "", "all" }, { "/", "all" },
		{ "-._", "all" }, { "/var/lib/app.db", "var-lib-app.db" },
		{ ".hidden", "hidden" }, { "my db_1", "my-db_1" },
		{ "\xc3\xbc" "ber", "ber" }, { "caf\xc3\xa9", "caf--" },
		{ "a\nb", "a-b" } };
	char out[BK_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < N(t); i++) {
		bk_name_from(t[i].from, out);
		ok_text(out, t[i].want, "a name of a text");
		ok(bk_name_ok(out), "is a name");
	}
	bk_name_from(filled('/', 200), out);
	ok(strlen(out) == BK_NAME_MAX && bk_name_ok(out), "is cut");
}

static void
test_utf8(void)
{
	static const struct {
		const char *s;
		size_t len, first;
	} t[] = {
		{ "", 0, 0 }, { "a", 1, 1 }, { "\0", 1, 1 }, { "\x7f", 1, 1 },
		{ "\xc2\x80", 2, 2 }, { "\xdf\xbf", 2, 2 },
		{ "\xe0\xa0\x80", 3, 3 }, { "\xed\x9f\xbf", 3, 3 },
		{ "\xee\x80\x80", 3, 3 }, { "\xef\xbf\xbf", 3, 3 },
		{ "\xf0\x90\x80\x80", 4, 4 }, { "\xf4\x8f\xbf\xbf", 4, 4 },
		{ "\x80", 1, 0 }, { "\xbf", 1, 0 }, { "\xc0\x80", 2, 0 },
		{ "\xc1\xbf", 2, 0 }, { "\xc2", 1, 0 }, { "\xc2\x7f", 2, 0 },
		{ "\xc2\xc0", 2, 0 }, { "\xe0\x9f\xbf", 3, 0 },
		{ "\xed\xa0\x80", 3, 0 }, { "\xed\xbf\xbf", 3, 0 },
		{ "\xe1\x80", 2, 0 }, { "\xe1\x80\xc0", 3, 0 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 }, { "\xf4\x90\x80\x80", 4, 0 },
		{ "\xf5\x80\x80\x80", 4, 0 }, { "\xf1\x80\x80", 3, 0 },
		{ "\xf1\x80\x80\x7f", 4, 0 }, { "\xff", 1, 0 },
	};
	size_t i;

	for (i = 0; i < N(t); i++) {
		ok_int(bk_utf8_char(t[i].s, t[i].len), t[i].first, "a character");
		ok(bk_utf8_ok(t[i].s, t[i].len) == (t[i].len == t[i].first),
		    "text %zu", i);
	}
	ok(bk_utf8_ok("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z", 11), "all lengths");
	ok(!bk_utf8_ok("a\xc3\xbc\xe2\x82", 5), "cut at the end");
}

static void
test_bytes(void)
{
	static const struct {
		const char *s;
		unsigned long long n;
	} t[] = { { "0", 0 }, { "1", 1 }, { "007", 7 }, { "32M", 32ULL << 20 },
		{ "5G", 5ULL << 30 }, { "1K", 1024 }, { "1KiB", 1024 },
		{ "2TiB", 2ULL << 40 }, { "0T", 0 },
		{ "9223372036854775807", LLONG_MAX },
		{ "8388607T", 8388607ULL << 40 } };
	static const char *const bad[] = { "", "K", "-1", "+1", " 1", "1 ",
		"1k", "1KB", "1B", "1Ki", "1KiBx", "1X", "1.5G", "0x10",
		"9223372036854775808", "18446744073709551616", "8388608T",
		"99999999999999999999999" };
	struct bk_fault f = BK_FAULT_INIT;
	unsigned long long n;
	size_t i;

	for (i = 0; i < N(t); i++) {
		n = 99;
		ok(bk_bytes_parse(t[i].s, &n, &f) == 0 && n == t[i].n,
		    "%s bytes", t[i].s);
	}
	for (i = 0; i < N(bad); i++) {
		bk_fault_clear(&f);
		n = 99;
		ok(bk_bytes_parse(bad[i], &n, &f) == -1 && f.status == 64 &&
		    n == 99 && strstr(f.text, "2^63-1") != NULL,
		    "'%s' bytes are refused, the bounds named", bad[i]);
	}
}

static void
test_number(void)
{
	static const struct {
		const char *s;
		long long min, max, n;
		bool good;
	} t[] = {
		{ "0", 0, 9, 0, true }, { "9", 0, 9, 9, true },
		{ "10", 0, 9, 0, false }, { "-1", 0, 9, 0, false },
		{ "-1", -1, 9, -1, true }, { "-2", -1, 9, 0, false },
		{ "-0", 0, 9, 0, true }, { "09", 0, 9, 9, true },
		{ "", 0, 9, 0, false }, { "-", -9, 9, 0, false },
		{ "+1", 0, 9, 0, false }, { " 1", 0, 9, 0, false },
		{ "1x", 0, 9, 0, false }, { "--1", -9, 9, 0, false },
		{ "9223372036854775807", LLONG_MIN, LLONG_MAX, LLONG_MAX, true },
		{ "9223372036854775808", LLONG_MIN, LLONG_MAX, 0, false },
		{ "-9223372036854775808", LLONG_MIN, LLONG_MAX, LLONG_MIN, true },
		{ "-9223372036854775809", LLONG_MIN, LLONG_MAX, 0, false },
		{ "18446744073709551617", 0, LLONG_MAX, 0, false },
	};
	struct bk_fault f = BK_FAULT_INIT;
	long long n;
	size_t i;

	for (i = 0; i < N(t); i++) {
		bk_fault_clear(&f);
		if (t[i].good)
			ok(bk_number_parse("it", t[i].s, t[i].min, t[i].max, &n,
			    &f) == 0 && n == t[i].n, "number %s", t[i].s);
		else
			ok(bk_number_parse("it", t[i].s, t[i].min, t[i].max, &n,
			    &f) == -1 && f.status == 64, "'%s' is refused", t[i].s);
	}
	bk_fault_clear(&f);
	bk_number_parse("--limit", "0", 1, 1000, &n, &f);
	ok_text(f.text, "--limit must be a number from 1 to 1000, not '0'",
	    "the bounds are named");
}

int
main(void)
{
	test_words();
	test_name_from();
	test_utf8();
	test_bytes();
	test_number();
	return done();
}
