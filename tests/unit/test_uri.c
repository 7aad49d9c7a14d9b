/* URLs: forms that must parse, refusals, and that no password is repeated. */
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "uri.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static void
test_good(void)
{
	static const struct {
		const char *text, *scheme;
		bool authority;
		const char *user, *host;
		int port;
		const char *path;
		const char *opts[5];	/* name, value, …, NULL */
	} t[] = {
		{ "fake:?bytes=1", "fake", false, NULL, "", -1, "", { "bytes", "1" } },
		{ "fake:", "fake", false, NULL, "", -1, "", { NULL } },
		{ "fake:?", "fake", false, NULL, "", -1, "", { NULL } },
		{ "exec:", "exec", false, NULL, "", -1, "", { NULL } },
		{ "sqlite:///path", "sqlite", true, NULL, "", -1, "/path", { NULL } },
		{ "postgres://u@h:5432/db?x=y", "postgres", true, "u", "h", 5432,
		  "/db", { "x", "y" } },
		{ "postgres://h/db?a=1&b=2", "postgres", true, NULL, "h", -1,
		  "/db", { "a", "1", "b", "2" } },
		{ "postgres://", "postgres", true, NULL, "", -1, "", { NULL } },
		{ "postgres:///db", "postgres", true, NULL, "", -1, "/db", { NULL } },
		{ "postgres://h?x", "postgres", true, NULL, "h", -1, "", { "x", "" } },
		{ "postgres://h:/", "postgres", true, NULL, "h", -1, "/", { NULL } },
		{ "postgres://@h/", "postgres", true, NULL, "h", -1, "/", { NULL } },
		{ "postgres://u@/db", "postgres", true, "u", "", -1, "/db", { NULL } },
		{ "postgres://%2Frun%2Fpg/db", "postgres", true, NULL, "/run/pg",
		  -1, "/db", { NULL } },
		{ "s3://bucket/p", "s3", true, NULL, "bucket", -1, "/p", { NULL } },
		{ "S3://Bucket/P", "s3", true, NULL, "Bucket", -1, "/P", { NULL } },
		{ "s3://b/p?endpoint=https://h:9000/x&region=", "s3", true, NULL,
		  "b", -1, "/p", { "endpoint", "https://h:9000/x", "region", "" } },
		{ "s3://b?a=b=c", "s3", true, NULL, "b", -1, "", { "a", "b=c" } },
		{ "files:///d", "files", true, NULL, "", -1, "/d", { NULL } },
		{ "file:///d/", "file", true, NULL, "", -1, "/d/", { NULL } },
		{ "file:/d", "file", false, NULL, "", -1, "/d", { NULL } },
		{ "file:/d@2x", "file", false, NULL, "", -1, "/d@2x", { NULL } },
		{ "file:d", "file", false, NULL, "", -1, "d", { NULL } },
		{ "file:///a%20b%2Fc+d e", "file", true, NULL, "", -1,
		  "/a b/c+d e", { NULL } },
		{ "file:///a@b:c", "file", true, NULL, "", -1, "/a@b:c", { NULL } },
		{ "file:///%C3%BC\xc3\xbc", "file", true, NULL, "", -1,
		  "/\xc3\xbc\xc3\xbc", { NULL } },
		{ "mysql://[::1]:3306/db", "mysql", true, NULL, "::1", 3306,
		  "/db", { NULL } },
		{ "mysql://[::1]", "mysql", true, NULL, "::1", -1, "", { NULL } },
		{ "mysql://u@[fe80::1%25eth0]/", "mysql", true, "u",
		  "fe80::1%eth0", -1, "/", { NULL } },
		{ "mysql://[::1]/a@b", "mysql", true, NULL, "::1", -1, "/a@b", { NULL } },
		{ "sftp://u%40x@h:22/d@1", "sftp", true, "u@x", "h", 22, "/d@1", { NULL } },
		{ "x+y-1.2://h:65535", "x+y-1.2", true, NULL, "h", 65535, "", { NULL } },
		{ "x://h:1", "x", true, NULL, "h", 1, "", { NULL } },
		{ "x://h:00080", "x", true, NULL, "h", 80, "", { NULL } },
		{ "x:?a%3D=%26&b=%2B+", "x", false, NULL, "", -1, "",
		  { "a=", "&", "b", "++" } },
		{ "x:?a=b?c/d@e", "x", false, NULL, "", -1, "", { "a", "b?c/d@e" } },
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u;
	size_t i, k;

	for (i = 0; i < N(t); i++) {
		if (!ok(bk_uri_parse(t[i].text, &u, &f) == 0, "'%s' parses",
		    t[i].text)) {
			bk_fault_clear(&f);
			continue;
		}
		ok_text(u.text, t[i].text, "text");
		ok_text(u.scheme, t[i].scheme, "scheme");
		ok(u.authority == t[i].authority, "//");
		ok_text(u.user, t[i].user, "user");
		ok_text(u.host, t[i].host, "host");
		ok_int(u.port, t[i].port, "port");
		ok_text(u.path, t[i].path, "path");
		for (k = 0; t[i].opts[2 * k] != NULL && k < 2; k++)
			ok_text(bk_uri_opt(&u, t[i].opts[2 * k]),
			    t[i].opts[2 * k + 1], "option");
		ok_int(u.nopts, k, "and no other option");
		ok_text(bk_uri_opt(&u, "none"), NULL, "none");
		bk_uri_release(&u);
	}
	bk_uri_release(&u);
}

static void
test_bad(void)
{
	static const struct {
		const char *text, *why;
	} t[] = {
		{ "", "is not a URL" }, { "@offsite", "'@offsite' is not a URL" },
		{ "/path", "'/path' is not a URL" }, { "name", "is not a URL" },
		{ "1x://h", "is not a URL" }, { "://h", "is not a URL" },
		{ "a b://h", "is not a URL" }, { "a_b:c", "is not a URL" },
		{ "\xc3\xbc:x", "is not a URL" },
		{ "x://h/p#frag", "fragment" }, { "x:#", "fragment" },
		{ "x:?a=b#c", "fragment" },
		{ "x://h/%", "two hexadecimal" }, { "x://h/%2", "two hexadecimal" },
		{ "x://h/%2g", "two hexadecimal" }, { "x://h/%%30", "two hexadecimal" },
		{ "x://%zz@h/", "two hexadecimal" }, { "x://%zz/", "two hexadecimal" },
		{ "x://[%zz]/", "two hexadecimal" },
		{ "x:?%zz=1", "two hexadecimal" }, { "x:?a=%zz", "two hexadecimal" },
		{ "x://h/%00", "control character" }, { "x://h/%0a", "control character" },
		{ "x://h/\n", "control character" }, { "x://h/%7f", "control character" },
		{ "x://h\t", "control character" }, { "x:?a=%1b", "control character" },
		{ "x://h:0", "from 1 to 65535" }, { "x://h:65536", "from 1 to 65535" },
		{ "x://h:99999999999999999999", "from 1 to 65535" },
		{ "x://h:-1", "from 1 to 65535" }, { "x://h:5432x/", "from 1 to 65535" },
		{ "x://::1/", "from 1 to 65535" }, { "x://[::1]:x", "from 1 to 65535" },
		{ "x://[::1", "']' is missing" }, { "x://[::1]5432", "only a port" },
		{ "x:?a=1&a=2", "option 'a' is given twice" },
		{ "x:?a&%61", "option 'a' is given twice" },
		{ "x:?=1", "no name" }, { "x:?&a", "no name" },
		{ "x:?a&&b", "no name" }, { "x:?a&", "no name" },
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u;
	char big[4200];
	size_t i;

	for (i = 0; i < N(t); i++) {
		bk_fault_clear(&f);
		ok(bk_uri_parse(t[i].text, &u, &f) == -1 && f.status == 64 &&
		    strstr(f.text, t[i].why) != NULL, "bad %zu: %s", i, f.text);
		ok(u.text == NULL && u.scheme == NULL && u.nopts == 0 &&
		    u.port == -1, "nothing is left");
	}
	memset(big, 'a', sizeof(big));
	memcpy(big, "file:///", 8);
	big[4097] = '\0';
	bk_fault_clear(&f);
	ok(bk_uri_parse(big, &u, &f) == -1 && f.status == 64, "4097 bytes");
	ok_text(f.text, "a URL is longer than 4096 bytes", "the bound is named");
	big[4096] = '\0';
	bk_fault_clear(&f);
	ok(bk_uri_parse(big, &u, &f) == 0, "4096 bytes");
	bk_uri_release(&u);
}

static void
test_password(void)
{
	static const char *const t[] = {
		"postgres://u:hunter2@h/db", "postgres://:hunter2@h/db",
		"postgres://u:hunter2@h:5432/db", "postgres://u:hunter2@[::1]/db",
		"postgres://u:hunter2@h", "postgres://u:hunter2@",
		"postgres://u:x@hunter2@h/db", "postgres://u:@hunter2@h/db",
		"postgres://u:x/hunter2@h/db", "postgres://u:x?hunter2@h/db",
		"postgres://u:x#hunter2@h/db", "postgres://u:12/hunter2@h/db",
		"postgres://u:12?hunter2@h/db", "postgres://u:12?hunter2=1@h/db",
		"postgres://u:12#hunter2@h/db", "postgres://u:hunter2%zz@h/db",
		"postgres://u:hunter2%00@h/db", "postgres:u:hunter2@h/db",
		"postgres:/u:x#hunter2@h/db", "u:hunter2@h/db",
		"1u:hunter2@h/db", "@1u:hunter2@h/db", "u_1:hunter2@h/db",
		"mysql://u:hunter2\n@h/", "mysql://u:hunter2@h/?a=1&a=1",
		"POSTGRES://u:hunter2@h/db",
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u;
	size_t i;

	for (i = 0; i < N(t); i++) {
		bk_fault_clear(&f);
		ok(bk_uri_parse(t[i], &u, &f) == -1 && f.status == 64 &&
		    strstr(f.text, "hunter2") == NULL, "password %zu: %s", i,
		    f.text);
	}
	bk_fault_clear(&f);
	bk_uri_parse("postgres://u:hunter2@h/db", &u, &f);
	ok(strstr(f.text, "?password-file=") != NULL, "the remedy is named");
}

static void
test_allow(void)
{
	static const char *const some[] = { "endpoint", "region", NULL };
	static const char *const none[] = { NULL };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u;

	bk_uri_parse("s3://b?region=x&endpoint=y", &u, &f);
	ok_int(bk_uri_allow(&u, some, &f), 0, "known options");
	ok_int(bk_uri_allow(&u, none, &f), -1, "no options");
	ok_int(f.status, 64, "usage");
	ok_text(f.text, "URL 's3:…': unknown option 'region': it takes none",
	    "is named");
	bk_uri_release(&u);
	bk_fault_clear(&f);
	bk_uri_parse("s3://b?region=x&typo=secret", &u, &f);
	ok_int(bk_uri_allow(&u, some, &f), -1, "an unknown option");
	ok_text(f.text, "URL 's3:…': unknown option 'typo': it takes endpoint "
	    "region", "all are named, the value is not");
	bk_uri_release(&u);
	bk_fault_clear(&f);
	bk_uri_parse("s3://b", &u, &f);
	ok_int(bk_uri_allow(&u, none, &f), 0, "none given, none there");
	bk_uri_release(&u);
}

static void
test_encode(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf b = BK_BUF_INIT(2000);
	struct bk_uri u;
	char all[256], text[1100];
	int i;

	ok_int(bk_uri_encode(&b, "", true, &f), 0, "nothing");
	ok_text(bk_buf_text(&b), "", "is nothing");
	bk_uri_encode(&b, "a/b c~d_e.f-9\xc3\xbc%", true, &f);
	ok_text(bk_buf_text(&b), "a/b%20c~d_e.f-9%C3%BC%25", "slash stays");
	bk_buf_reset(&b);
	bk_uri_encode(&b, "/a+b&c=d", false, &f);
	ok_text(bk_buf_text(&b), "%2Fa%2Bb%26c%3Dd", "slash goes");

	for (i = 0; i < 255 - 0x20; i++)
		all[i] = (char)(i + 0x20 + (i + 0x20 >= 0x7f));
	all[i] = '\0';
	bk_buf_reset(&b);
	bk_buf_adds(&b, "x://", &f);
	bk_uri_encode(&b, all, false, &f);
	ok(b.len < sizeof(text) && bk_uri_parse(b.p, &u, &f) == 0, "every byte");
	ok_text(u.host, all, "comes back");
	bk_uri_release(&u);
	bk_buf_release(&b);
	b.max = 3;
	ok_int(bk_uri_encode(&b, "abcd", true, &f), -1, "no room");
	bk_fault_clear(&f);
	ok_int(bk_uri_encode(&b, "a ", true, &f), -1, "no room for a digit");
	bk_buf_release(&b);
}

int
main(void)
{
	test_good();
	test_bad();
	test_password();
	test_allow();
	test_encode();
	return done();
}
