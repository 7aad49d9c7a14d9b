/*
 * What is alike for all engines: finding them, the checks around a dump and
 * a restore, the time limit.
 */
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "engine.h"
#include "json.h"
#include "names.h"
#include "tap.h"

static const char *const none[] = { NULL };
static const char *const word[] = { "word", NULL };

static int
drop(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	(void)p;
	(void)f;
	*(uint64_t *)arg += n;
	return 0;
}

static int
refuse(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	(void)arg;
	(void)p;
	(void)n;
	return bk_fault_set(f, BK_IO, "no");
}

/* Dump ${url}; its status, its bytes in *${n}, its text in ${text}. */
static int
dump(const char *url, struct bk_dump_req *req, bk_sink_fn *sink, uint64_t *n,
    char *text)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	struct bk_dump d;

	*n = 0;
	req->ctx = &tap_ctx;
	req->uri = &u;
	if (req->args == NULL)
		req->args = none;
	if (req->exclude == NULL)
		req->exclude = none;
	if (bk_uri_parse(url, &u, &f) == 0) {
		if (bk_dump_open(&d, req, &f) == 0)
			(void)bk_dump_run(&d, sink, n, &f);
		bk_dump_close(&d);
	}
	bk_uri_release(&u);
	if (text != NULL)
		snprintf(text, 1024, "%s", f.text);
	return f.status;
}

static void
test_table(void)
{
	const struct bk_engine_ops *const *e;
	struct bk_fault f = BK_FAULT_INIT;
	const char *const *s;

	for (e = bk_engine_table; *e != NULL; e++) {
		ok(bk_engine_ok((*e)->name), "%s: a good name", (*e)->name);
		ok(bk_engine_named(&tap_ctx, (*e)->name, &f) == *e,
		    "%s: found by name", (*e)->name);
		for (s = (*e)->schemes; *s != NULL; s++)
			ok(bk_engine_for(&tap_ctx, *s, &f) == *e,
			    "%s: found by scheme", *s);
	}
	ok_int(f.status, 0, "no fault");
	ok(bk_engine_for(&tap_ctx, "none", &f) == NULL, "no such scheme");
	ok_int(f.status, BK_USAGE, "its class");
	ok(strstr(f.text, "postgres, ") != NULL, "the known are named");
	bk_fault_clear(&f);
	ok(bk_engine_named(&tap_ctx, "../x", &f) == NULL, "no such name");
}

static void
test_requests(void)
{
	struct bk_dump_req as = { .as = "files" }, ext = { .ext = "x" };
	struct bk_dump_req exclude = { .exclude = word }, args = { .args = word };
	struct bk_dump_req skip = { .skip_unreadable = true }, plain = { 0 };
	uint64_t n;

	ok_int(dump("fake:", &as, drop, &n, NULL), BK_USAGE, "--as");
	ok_int(dump("fake:", &ext, drop, &n, NULL), BK_USAGE, "--ext");
	ok_int(dump("fake:", &exclude, drop, &n, NULL), BK_USAGE, "--exclude");
	ok_int(dump("fake:", &skip, drop, &n, NULL), BK_USAGE,
	    "--skip-unreadable");
	ok_int(dump("fake:", &args, drop, &n, NULL), BK_USAGE, "words");
	ok_int(dump("fake:?x=1", &plain, drop, &n, NULL), BK_USAGE,
	    "an unknown option");
	ok_int(n, 0, "nothing came");
}

static void
test_dump(void)
{
	struct bk_dump_req plain = { 0 }, empty = { .allow_empty = true };
	struct bk_dump_req late = { .deadline = 1 };
	char text[1024];
	uint64_t n;

	ok_int(dump("fake:?bytes=1234567", &plain, drop, &n, NULL), 0, "dump");
	ok_int(n, 1234567, "so many bytes");
	ok_int(dump("fake:?bytes=0", &plain, drop, &n, NULL), BK_DATA,
	    "nothing");
	ok_int(dump("fake:?bytes=0", &empty, drop, &n, NULL), 0,
	    "nothing, as allowed");
	ok_int(dump("fake:", &plain, refuse, &n, text), BK_IO,
	    "the sink's fault");
	ok_text(text, "no", "is told as it is");
	ok_int(dump("fake:", &late, drop, &n, text), BK_DATA, "late");
	ok_text(text, "timeout", "is told in one word");
	ok_int(n, 0, "and nothing came");
}

static int
restore(const char *target, const char *engine, const char *const *args)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	json_t *h = json_pack("{s:s, s:s}", "engine", engine, "ext", "bin");
	struct bk_restore_req req = { .ctx = &tap_ctx, .target = &u,
		.header = h, .args = args, .jobs = 1 };
	struct bk_restore r;

	if (bk_uri_parse(target, &u, &f) == 0) {
		(void)bk_restore_open(&r, &req, &f);
		bk_restore_close(&r);
	}
	bk_uri_release(&u);
	json_decref(h);
	return f.status;
}

static void
test_restore(void)
{
	ok_int(restore("fake:", "postgres", none), 0, "fake takes anything");
	ok_int(restore("exec:", "postgres", word), 0, "exec takes anything");
	ok_int(restore("exec:", "postgres", none), BK_USAGE, "no command");
	ok_int(restore("files:///tmp/x", "sqlite", none), BK_USAGE,
	    "another engine's");
	ok_int(restore("fake:", "fake", word), BK_USAGE, "words");
	ok_int(restore("fake:?exit=3", "fake", none), BK_USAGE,
	    "an unknown option");
	ok_int(restore("none:", "none", none), BK_USAGE, "no such engine");
}

static void
test_in_place(void)
{
	struct bk_uri u = BK_URI_INIT;
	struct bk_fault f = BK_FAULT_INIT;

	ok_int(bk_uri_parse("mysql://h/db?lock=auto&password-file=/x&"
	    "without=events", &u, &f), 0, "a source");
	ok_int(bk_restore_in_place(&tap_ctx, &u, &f), 0, "as a target");
	ok_int(u.nopts, 1, "options of the dump are left out");
	ok_text(bk_uri_opt(&u, "password-file"), "/x", "that of the login stays");
	bk_uri_release(&u);
	ok_int(bk_uri_parse("none:", &u, &f), 0, "no such engine");
	ok_int(bk_restore_in_place(&tap_ctx, &u, &f), -1, "is no target");
	ok_int(f.status, BK_USAGE, "its status");
	bk_uri_release(&u);
}

int
main(void)
{
	test_table();
	test_requests();
	test_dump();
	test_restore();
	test_in_place();
	return done();
}
