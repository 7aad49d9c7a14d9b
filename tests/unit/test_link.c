/* What a link gives, by a scripted server. */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "link.h"
#include "scripted.h"
#include "tap.h"

static int
take(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static const struct reply replies[] = {
	{ "GET /ranged?sig=canary", "Range: bytes=0-8388607", 206,
	    "Content-Range: bytes 0-4/5\r\nETag: \"e\"\r\n", "hello" },
	{ "GET /part", "Range: bytes=2-3", 206,
	    "Content-Range: bytes 2-3/50\r\n", "ll" },
	{ "GET /plain", NULL, 200, NULL, "hello" },
	{ "GET /expired", NULL, 403, NULL, "Request has expired" },
	{ "GET /gone", NULL, 404, NULL, "" },
	{ "GET /changed", NULL, 412, NULL, "" },
	{ "GET /moved", NULL, 302, "Location: http://127.0.0.1:1/\r\n", "" },
	{ "GET /silent", NULL, 206, NULL, "hello" },
	{ "GET /short", NULL, 206, "Content-Range: bytes 0-4/50\r\n", "hello" },
};

static const struct {
	const char *url;
	int want;
} cases[] = {
	{ "ranged?sig=canary", 0 }, { "plain", 0 }, { "expired", BK_NOPERM },
	{ "gone", BK_NOINPUT }, { "changed", BK_DATA },
	{ "moved", BK_UNAVAILABLE }, { "silent", BK_DATA },
	{ "short", BK_DATA },
};

int
main(void)
{
	static const char *const bad[] = { "file:///etc/passwd", "x", "http://",
		"https:///path", "http://user@host/x", "" };
	int port = scripted_start(replies, sizeof(replies) / sizeof(replies[0]));
	struct bk_buf b = BK_BUF_INIT(65536);
	struct bk_fault f;
	struct bk_link l;
	char url[256];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		bk_buf_reset(&b);
		snprintf(url, sizeof(url), "http://127.0.0.1:%d/%s", port,
		    cases[i].url);
		l = (struct bk_link){ url, NULL, tap_ctx.mono() + 10000 };
		(void)bk_link_get(&tap_ctx, &l, 0, UINT64_MAX, take, &b, &f);
		ok_int(f.status, cases[i].want, cases[i].url);
		ok(f.status == 0 ? strcmp(bk_buf_text(&b), "hello") == 0 :
		    strstr(f.text, strrchr(url, '/')) == NULL,
		    "as it is, and no fault shows the link: %s", f.text);
	}
	f = (struct bk_fault)BK_FAULT_INIT;
	bk_buf_reset(&b);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/part", port);
	l = (struct bk_link){ url, NULL, tap_ctx.mono() + 10000 };
	ok(bk_link_get(&tap_ctx, &l, 2, 2, take, &b, &f) == 0, "a part: %s",
	    f.text);
	ok_text(bk_buf_text(&b), "ll", "and no more");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		l = (struct bk_link){ bad[i], NULL, 0 };
		ok(bk_link_get(&tap_ctx, &l, 0, 1, take, &b, &f) == -1 &&
		    f.status == BK_USAGE, "no link: '%s': %s", bad[i], f.text);
	}
	bk_buf_release(&b);
	return done();
}
