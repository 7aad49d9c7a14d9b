#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "streams.h"
#include "tap.h"

#define OK0 "{\"end\":\"ok\",\"stages\":[{\"stage\":\"fake\",\"bytes\":0,\"sha256\":\"x\"}]}"
#define OK5 "{\"end\":\"ok\",\"stages\":[{\"stage\":\"fake\",\"bytes\":5,\"sha256\":\"x\"}]," \
	"\"info\":{\"server\":\"15.20\"},\"later\":{\"a\":[]}}"
#define FAILED "{\"end\":\"failed\",\"status\":69,\"stage\":\"postgres\"," \
	"\"reason\":\"no route to 'db1'\",\"later\":1}"

#define OWN "{\"end\":\"failed\",\"status\":77,\"stage\":\"pg\"," \
	"\"reason\":\"server says 'no\357\277\275'\"}"

/* Read a stream of which only the CRC is missing. */
static void
read_text(const char *text, struct read_all *r)
{
	size_t n;
	char *t = with_crc(text, strlen(text), &n);

	read_all(t, n, r);
	free(t);
}

static void
reads_good(void)
{
	static const char s[] = HEADER "{\"data\":2}\nab{\"x\":{\"end\":1},\"data\":3}\n{}\n" OK5;
	static const char empty[] = HEADER OK0;
	struct read_all r;
	size_t n;
	char *t = with_crc(s, sizeof(s) - 1, &n);

	read_all(t, n, &r);
	ok_int(r.f.status, 0, "a good stream");
	ok(r.len == 5 && memcmp(r.data, "ab{}\n", 5) == 0, "its payload");
	ok(r.header != NULL && strncmp(HEADER, r.header, strlen(HEADER) - 1) == 0,
	    "header in order, with unknown members");
	ok_text(r.end, OK5, "end line in order, without its CRC");
	read_all_release(&r);
	ok_torture("stream", t, n);
	free(t);

	t = with_crc(empty, sizeof(empty) - 1, &n);
	read_all(t, n, &r);
	ok_int(r.f.status, 0, "an empty payload");
	ok_int(r.len, 0, "nothing read");
	read_all_release(&r);
	free(t);
}

/* The CRC with a blank before its value, as Python's json.dumps has it. */
static void
reads_spaced(void)
{
	struct read_all r;
	char s[] = HEADER "{\"data\": 5}\nhello{\"end\": \"ok\", \"stages\": "
	    "[{\"stage\": \"fake\", \"bytes\": 5}],\"crc\":0 }";
	size_t n;
	char *t = with_crc(s, sizeof(s) - 1, &n);

	read_all(t, n, &r);
	ok_int(r.f.status, 0, "blanks between the tokens");
	read_all_release(&r);
	free(t);
}

/* Streams whose CRC is right and which are wrong all the same. */
static void
refuses_bad(void)
{
	static const struct {
		const char *what, *text;
	} cases[] = {
		{ "count 0", HEADER "{\"data\":0}\n" OK0 },
		{ "negative count", HEADER "{\"data\":-5}\nhello" OK5 },
		{ "negative zero", HEADER "{\"data\":-0}\n" OK0 },
		{ "count as text", HEADER "{\"data\":\"5\"}\nhello" OK5 },
		{ "count as real", HEADER "{\"data\":5.0}\nhello" OK5 },
		{ "count with leading zero", HEADER "{\"data\":05}\nhello" OK5 },
		{ "count null", HEADER "{\"data\":null}\n" OK0 },
		{ "count above 1 MiB", HEADER "{\"data\":1048577}\nhello" OK5 },
		{ "count above 2^63", HEADER "{\"data\":18446744073709551621}\nhello" OK5 },
		{ "count above 2^64", HEADER "{\"data\":99999999999999999999999}\nhello" OK5 },
		{ "repeated count", HEADER "{\"data\":5,\"data\":5}\nhello" OK5 },
		{ "count too small", HEADER "{\"data\":4}\nhello" OK5 },
		{ "count and end", HEADER "{\"data\":5,\"end\":\"ok\"}\nhello" OK5 },
		{ "unknown kind of line", HEADER "{\"note\":1}\n{\"data\":5}\nhello" OK5 },
		{ "empty line", HEADER "\n{\"data\":5}\nhello" OK5 },
		{ "line is no object", HEADER "[5]\nhello" OK5 },
		{ "second header", HEADER HEADER "{\"data\":5}\nhello" OK5 },
		{ "no header", "{\"data\":5}\nhello" OK5 },
		{ "end line alone", OK0 },
		{ "stage's count differs", HEADER "{\"data\":4}\nhell" OK5 },
		{ "unknown end", HEADER "{\"end\":\"maybe\"}" },
		{ "end of another type", HEADER "{\"end\":true}" },
		{ "no stages", HEADER "{\"end\":\"ok\"}" },
		{ "empty stages", HEADER "{\"end\":\"ok\",\"stages\":[]}" },
		{ "stages is no array", HEADER "{\"end\":\"ok\",\"stages\":{\"bytes\":0}}" },
		{ "stage without bytes", HEADER "{\"end\":\"ok\",\"stages\":[{\"stage\":\"fake\"}]}" },
		{ "stage without name", HEADER "{\"end\":\"ok\",\"stages\":[{\"bytes\":0}]}" },
	};
	struct read_all r;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		read_text(cases[i].text, &r);
		ok_int(r.f.status, BK_DATA, cases[i].what);
		ok(!r.f.upstream, "%s: %s", cases[i].what, r.f.text);
		read_all_release(&r);
	}
}

/* Whole texts, where the end line's own shape is the case. */
static void
refuses_ends(void)
{
	static const char *const tails[] = {
		"x",
		"\n",
		"{\"data\":1}\nx",
	};
	static const char s[] = HEADER "{\"data\":5}\nhello" OK5;
	struct read_all r;
	char *t, *u;
	size_t i, n;

	t = with_crc(s, sizeof(s) - 1, &n);
	u = malloc(2 * n + 64);
	if (u == NULL)
		abort();
	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		memcpy(u, t, n);
		memcpy(u + n, tails[i], strlen(tails[i]));
		read_all(u, n + strlen(tails[i]), &r);
		ok_int(r.f.status, BK_DATA, "bytes after the end line");
		read_all_release(&r);
	}
	memcpy(u, t, n);
	memcpy(u + n, t, n);
	read_all(u, 2 * n, &r);
	ok_int(r.f.status, BK_DATA, "the same stream twice");
	read_all_release(&r);

	memcpy(u, t, n - 2);
	memcpy(u + n - 2, " }\n", 3);
	read_all(u, n + 1, &r);
	ok_int(r.f.status, BK_DATA, "blank behind the CRC");
	read_all_release(&r);
	memcpy(u + n - 2, ",\"a\":\"b\"}\n", 10);
	read_all(u, n + 8, &r);
	ok_int(r.f.status, BK_DATA, "CRC not the last member");
	read_all_release(&r);
	memcpy(u + n - 2, "}\r\n", 3);
	read_all(u, n + 1, &r);
	ok_int(r.f.status, BK_DATA, "carriage return");
	read_all_release(&r);
	free(u);
	free(t);

	read_all(s, sizeof(s) - 1, &r);
	ok_int(r.f.status, BK_DATA, "no CRC and no newline");
	read_all_release(&r);
	read_all(HEADER OK0 "\n", strlen(HEADER OK0 "\n"), &r);
	ok_int(r.f.status, BK_DATA, "no CRC");
	read_all_release(&r);
}

static void
refuses_headers(void)
{
	static const struct {
		const char *what, *line;
	} cases[] = {
		{ "later version", "{\"bk\":\"stream/2\",\"name\":\"a\"}" },
		{ "version 10", "{\"bk\":\"stream/10\"}" },
		{ "no name", "{\"bk\":\"stream/1\",\"engine\":\"e\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00Z\",\"filters\":[]}" },
		{ "bad name", "{\"bk\":\"stream/1\",\"name\":\"../a\",\"engine\":\"e\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00Z\",\"filters\":[]}" },
		{ "name of another type", "{\"bk\":\"stream/1\",\"name\":1,\"engine\":\"e\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00Z\",\"filters\":[]}" },
		{ "bad engine", "{\"bk\":\"stream/1\",\"name\":\"a\",\"engine\":\"E\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00Z\",\"filters\":[]}" },
		{ "bad ext", "{\"bk\":\"stream/1\",\"name\":\"a\",\"engine\":\"e\",\"ext\":\"x/y\",\"time\":\"2026-11-21T10:00:00Z\",\"filters\":[]}" },
		{ "time without offset", "{\"bk\":\"stream/1\",\"name\":\"a\",\"engine\":\"e\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00\",\"filters\":[]}" },
		{ "no time", "{\"bk\":\"stream/1\",\"name\":\"a\",\"engine\":\"e\",\"ext\":\"x\",\"filters\":[]}" },
		{ "no filters", "{\"bk\":\"stream/1\",\"name\":\"a\",\"engine\":\"e\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00Z\"}" },
		{ "filters of texts", HEADER_F("[\"gzip\"]") },
		{ "filter without name", HEADER_F("[{\"ext\":\"gz\"}]") },
		{ "filter with a bad ext", HEADER_F("[{\"filter\":\"pipe\",\"ext\":\"../x\"}]") },
		{ "ext of another type", HEADER_F("[{\"filter\":\"pipe\",\"ext\":1}]") },
		{ "tags is no object", "{\"bk\":\"stream/1\",\"name\":\"a\",\"engine\":\"e\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00Z\",\"filters\":[],\"tags\":[]}" },
		{ "reserved tag", "{\"bk\":\"stream/1\",\"name\":\"a\",\"engine\":\"e\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00Z\",\"filters\":[],\"tags\":{\"daily\":\"x\"}}" },
		{ "tag of another type", "{\"bk\":\"stream/1\",\"name\":\"a\",\"engine\":\"e\",\"ext\":\"x\",\"time\":\"2026-11-21T10:00:00Z\",\"filters\":[],\"tags\":{\"t\":1}}" },
	};
	char s[2048];
	struct read_all r;
	size_t i, len;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		len = strlen(cases[i].line);
		snprintf(s, sizeof(s), "%s%s" OK0, cases[i].line,
		    cases[i].line[len - 1] == '\n' ? "" : "\n");
		read_text(s, &r);
		ok_int(r.f.status, BK_DATA, cases[i].what);
		ok(strstr(r.f.text, "no bk stream") == NULL, "%s: %s",
		    cases[i].what, r.f.text);
		read_all_release(&r);
	}
}

static void
refuses_foreign(void)
{
	static const struct {
		const char *what, *p;
		size_t n;
	} cases[] = {
		{ "gzip", "\037\213\010\0\0\0\0\0\0\003abc\n", 14 },
		{ "text", "CREATE TABLE\n", 13 },
		{ "JSON array", "[1]\n", 4 },
		{ "JSON of another kind", "{\"a\":1}\n", 8 },
		{ "a record", "{\"bk\":\"backup/1\",\"id\":\"x\"}\n", 27 },
		{ "a strange version", "{\"bk\":\"stream/x\"}\n", 18 },
		{ "version 0", "{\"bk\":\"stream/0\"}\n", 18 },
		{ "brace without line", "{binary", 7 },
		{ "NUL in the line", "{\"bk\":\"stream/1\0\"}\n", 19 },
		{ "bad UTF-8", "{\"bk\":\"\377\"}\n", 11 },
	};
	struct read_all r;
	size_t i;
	char *big;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		read_all(cases[i].p, cases[i].n, &r);
		ok_int(r.f.status, BK_DATA, cases[i].what);
		ok(strstr(r.f.text, "bk-dump exec:") != NULL &&
		    strstr(r.f.text, "bk-put --raw") != NULL,
		    "%s: both ways named", cases[i].what);
		read_all_release(&r);
	}
	read_all("", 0, &r);
	ok_int(r.f.status, BK_DATA, "no input");
	read_all_release(&r);

	big = malloc(2 << 20);
	if (big == NULL)
		abort();
	memset(big, ' ', 2 << 20);
	memcpy(big, "{\"bk\":\"stream/1\"", 16);
	memcpy(big + (2 << 20) - 2, "}\n", 2);
	read_all(big, 2 << 20, &r);
	ok_int(r.f.status, BK_DATA, "a header of 2 MiB");
	read_all_release(&r);
	memset(big, ' ', 2 << 20);
	memcpy(big, HEADER, strlen(HEADER));
	memcpy(big + strlen(HEADER), "{\"data\":5", 9);
	memcpy(big + (2 << 20) - 2, "}\n", 2);
	read_all(big, 2 << 20, &r);
	ok_int(r.f.status, BK_DATA, "a block line of 2 MiB");
	read_all_release(&r);
	free(big);
}

static void
failed_lines(void)
{
	static const struct {
		const char *what, *text;
		int status;
	} cases[] = {
		{ "failed line alone", FAILED, 69 },
		{ "failed line after the header", HEADER FAILED, 69 },
		{ "failed line after a block", HEADER "{\"data\":3}\nabc" FAILED, 69 },
		{ "status 1", "{\"end\":\"failed\",\"status\":1,\"reason\":\"unchanged\"}", 1 },
		{ "status 127", "{\"end\":\"failed\",\"status\":127}", 127 },
		{ "status 0", HEADER "{\"end\":\"failed\",\"status\":0}", 65 },
		{ "status 128", "{\"end\":\"failed\",\"status\":128}", 65 },
		{ "negative status", "{\"end\":\"failed\",\"status\":-1}", 65 },
		{ "no status", "{\"end\":\"failed\"}", 65 },
		{ "status as text", "{\"end\":\"failed\",\"status\":\"69\"}", 65 },
	};
	struct read_all r;
	size_t i, n;
	char *t;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t = with_crc(cases[i].text, strlen(cases[i].text), &n);
		read_all(t, n, &r);
		ok_int(r.f.status, cases[i].status, cases[i].what);
		ok(r.f.upstream && r.end != NULL, "%s: told by an earlier stage",
		    cases[i].what);
		read_all_release(&r);
		if (i < 3)
			ok_torture(cases[i].what, t, n);
		if (i == 0) {
			t[n] = 'x';
			read_all(t, n + 1, &r);
			ok_int(r.f.status, 65, "bytes after a failed line");
			read_all_release(&r);
		}
		free(t);
	}
	t = with_crc(FAILED, strlen(FAILED), &n);
	read_all(t, n, &r);
	ok_text(r.f.text, "postgres: no route to 'db1'", "stage and reason");
	ok_text(r.end, FAILED, "the failed line as it was");
	read_all_release(&r);
	free(t);
}

/* Write ${total} bytes in pieces of ${piece}; read them again. */
static void
round_trip(size_t total, size_t piece)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_stream_out *out;
	struct read_all r;
	json_t *h = json_loads(HEADER, 0, NULL);
	json_t *end = json_pack("{s:s, s:[{s:s, s:I}]}", "end", "ok", "stages",
	    "stage", "fake", "bytes", (json_int_t)total);
	size_t i, n;
	int fd = memfd_create("bk-test", MFD_CLOEXEC);
	char *p = malloc(total + 1), *s;

	if (p == NULL || fd == -1 || h == NULL || end == NULL)
		abort();
	for (i = 0; i < total; i++)
		p[i] = (char)(i * 2654435761U >> 13);
	out = bk_stream_writer(fd, &f);
	bk_stream_put_header(out, h, &f);
	for (i = 0; i < total; i += n) {
		n = total - i < piece ? total - i : piece;
		bk_stream_write(out, p + i, n, &f);
	}
	ok(bk_stream_out_bytes(out) == total, "bytes accepted");
	bk_stream_put_end(out, end, &f);
	bk_stream_out_free(out);
	ok_int(f.status, 0, "written");
	s = mem_take(fd, &n);
	read_all(s, n, &r);
	ok(r.f.status == 0 && r.len == total && memcmp(r.data, p, total) == 0,
	    "%zu bytes in pieces of %zu come back: %s", total, piece, r.f.text);
	ok(n - total < 1024 + total / (100 * 1024) * 20,
	    "%zu bytes of frame", n - total);
	read_all_release(&r);
	free(s);
	free(p);
	json_decref(h);
	json_decref(end);
}

/* The bytes themselves: what a filter in another language must expect. */
static void
exact_bytes(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_fault why = BK_FAULT_INIT;
	struct bk_stream_out *out;
	json_t *h = json_loads(HEADER, 0, NULL);
	json_t *end = json_loads(OK5, 0, NULL);
	json_t *bad = json_loads(FAILED, 0, NULL);
	size_t n, m;
	char *s, *want;
	int fd = memfd_create("bk-test", MFD_CLOEXEC);

	out = bk_stream_writer(fd, &f);
	bk_stream_put_header(out, h, &f);
	bk_stream_write(out, "he", 2, &f);
	bk_stream_write(out, "llo", 3, &f);
	bk_stream_put_end(out, end, &f);
	bk_stream_put_failed(out, "late", &why, NULL);
	bk_stream_out_free(out);
	s = mem_take(fd, &n);
	want = with_crc(HEADER "{\"data\":5}\nhello" OK5,
	    strlen(HEADER "{\"data\":5}\nhello" OK5), &m);
	ok(n == m && memcmp(s, want, n) == 0,
	    "the very bytes; nothing after the end line");
	free(s);
	free(want);

	fd = memfd_create("bk-test", MFD_CLOEXEC);
	out = bk_stream_writer(fd, &f);
	bk_stream_put_header(out, h, &f);
	bk_stream_write(out, "held", 4, &f);
	bk_stream_put_failed(out, "us", &why, bad);
	bk_stream_out_free(out);
	s = mem_take(fd, &n);
	want = with_crc(HEADER FAILED, strlen(HEADER FAILED), &m);
	ok(n == m && memcmp(s, want, n) == 0, "a failed line passed on as it was");
	free(s);
	free(want);

	fd = memfd_create("bk-test", MFD_CLOEXEC);
	out = bk_stream_writer(fd, &f);
	bk_fault_set(&why, BK_NOPERM, "server says 'no\377'");
	bk_stream_put_failed(out, "pg", &why, NULL);
	bk_stream_out_free(out);
	s = mem_take(fd, &n);
	want = with_crc(OWN, sizeof(OWN) - 1, &m);
	ok(n == m && memcmp(s, want, n) == 0, "a failed line of our own: %s", s);
	free(s);
	free(want);
	json_decref(h);
	json_decref(end);
	json_decref(bad);
}

static void
write_errors(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_stream_out *out;
	char big[256 * 1024] = "";
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	out = bk_stream_writer(fd, &f);
	ok_int(bk_stream_write(out, big, 1000, &f), 0, "little is held back");
	ok_int(bk_stream_write(out, big, sizeof(big), &f), -1, "/dev/full");
	ok_int(f.status, BK_IO, "74");
	bk_stream_put_failed(out, "us", &f, NULL);
	bk_fault_clear(&f);
	ok_int(bk_stream_write(out, big, sizeof(big), &f), -1,
	    "nothing after a failed write");
	bk_stream_out_free(out);
	close(fd);
}

static void
filters(void)
{
	json_t *h = json_loads(HEADER_F("[{\"filter\":\"gzip\"},{\"filter\":\"age\"}]"), 0, NULL);
	json_t *none = json_loads(HEADER, 0, NULL);

	ok_int(bk_stream_filters(h), 2, "two filters");
	ok_text(json_string_value(json_object_get(bk_stream_last_filter(h),
	    "filter")), "age", "the last one");
	ok_int(bk_stream_filters(none), 0, "no filters");
	ok(bk_stream_last_filter(none) == NULL, "no last one");
	json_decref(h);
	json_decref(none);
}

int
main(void)
{
	static const size_t totals[] = { 0, 1, 131071, 131072, 131073, 1048575,
	    1048576, 1048577, 5000001 };
	size_t i;

	reads_good();
	reads_spaced();
	refuses_bad();
	refuses_ends();
	refuses_headers();
	refuses_foreign();
	failed_lines();
	exact_bytes();
	write_errors();
	filters();
	for (i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		round_trip(totals[i], 997);
		round_trip(totals[i], 65536);
		round_trip(totals[i], 3000000);
	}
	return done();
}
