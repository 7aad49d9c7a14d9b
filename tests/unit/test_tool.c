/* Vendor tools: option lists, secrets, passwords, messages, finding. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"
#include "tool.h"

static const struct bk_tool_refusal refused[] = {
	{ "result-file", "why" }, { "skip-comments", "why" },
	{ "comments", "why" }, { "host", "why" }, { "r", "why" },
	{ "h", "why" }, { NULL, NULL }
};
static const struct bk_tool_opts opts = { "dump", "rhw", "p", refused };

static void
test_options(void)
{
	static const struct {
		const char *args[4];
		int want;
	} cases[] = {
		{ { NULL }, 0 },
		{ { "--quick", "-c", NULL }, 0 },
		{ { "--where=a=b", "-C", NULL }, 0 },
		{ { "-w", "-r is a value here", NULL }, 0 },
		{ { "-wr", NULL }, 0 },
		{ { "-prh", NULL }, 0 },
		{ { "--result-file=x", NULL }, BK_USAGE },
		{ { "--result-file", NULL }, BK_USAGE },
		{ { "--result_file=x", NULL }, BK_USAGE },
		{ { "--res=x", NULL }, BK_USAGE },
		{ { "--comments=0", NULL }, BK_USAGE },
		{ { "--skip-comm", NULL }, BK_USAGE },
		{ { "--loose-skip_comments", NULL }, BK_USAGE },
		{ { "--disable-host", NULL }, BK_USAGE },
		{ { "--skip-quick", NULL }, 0 },
		{ { "--ho=x", NULL }, BK_USAGE },
		{ { "-r", "x", NULL }, BK_USAGE },
		{ { "-cr", "x", NULL }, BK_USAGE },
		{ { "-hx", NULL }, BK_USAGE },
		{ { "-w", NULL }, BK_USAGE },
		{ { "--", "x", NULL }, BK_USAGE },
		{ { "--=x", NULL }, BK_USAGE },
		{ { "table", NULL }, BK_USAGE },
		{ { "-", NULL }, BK_USAGE },
		{ { "", NULL }, BK_USAGE },
	};
	struct bk_fault f;
	size_t i;

	ok_int(bk_tool_opts_check(&opts, NULL, &f), 0, "no list");
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		(void)bk_tool_opts_check(&opts, cases[i].args, &f);
		ok_int(f.status, cases[i].want, cases[i].args[0] == NULL ?
		    "empty" : cases[i].args[0]);
	}
}

static void
test_argv(void)
{
	const char *const more[] = { "b", "c", NULL };
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_argv a = BK_ARGV_INIT;
	int i;

	ok(bk_argv_add(&a, "a", &f) == 0 && bk_argv_all(&a, more, &f) == 0 &&
	    bk_argv_all(&a, NULL, &f) == 0 &&
	    bk_argv_addf(&a, &f, "--n=%d", 7) == 0, "arguments are added");
	ok_text(bk_argv_get(&a)[2], "c", "third");
	ok_text(bk_argv_get(&a)[3], "--n=7", "formatted");
	ok_text(bk_argv_get(&a)[4], NULL, "end");
	for (i = 4; i < BK_ARGV_MAX; i++)
		(void)bk_argv_add(&a, "x", &f);
	ok(!bk_faulty(&f), "full");
	ok_int(bk_argv_add(&a, "x", &f), -1, "one more");
	ok_int(f.status, BK_USAGE, "is refused");
	bk_argv_release(&a);
	ok_text(bk_argv_get(&a)[0], NULL, "released");
	ok(bk_argv_add(&a, "again", &f) == 0, "and used again");
	ok_text(bk_argv_get(&a)[1], NULL, "ends where it should");
	bk_argv_release(&a);
}

static void
test_secret(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_secret s = BK_SECRET_INIT;
	char path[48], got[8] = "";
	struct stat st = { 0 };
	int fd;

	ok_int(bk_secret_make(&s, "secret", 6, &f), 0, "made");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", s.fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok(fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_mode & 0777) == 0600, "a regular file, ours alone");
	ok(read(fd, got, sizeof(got)) == 6 && memcmp(got, "secret", 6) == 0,
	    "read from its start by a name");
	close(fd);
	bk_secret_drop(&s);
	bk_secret_drop(&s);
	ok(access(path, F_OK) == -1, "dropped");
}

static const char *
env(const char *name)
{
	return strcmp(name, "NAMED") == 0 ? "by name" :
	    strcmp(name, "VENDOR_PWD") == 0 ? "vendor's" :
	    strcmp(name, "CREDENTIALS_DIRECTORY") == 0 ? tap_dir() : NULL;
}

static void
password(const char *url, const char *source_env, const char *vendor, int rc,
    int status, const char *want)
{
	struct bk_ctx ctx = tap_ctx;
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_buf pw = BK_BUF_INIT(8192);
	struct bk_uri u = BK_URI_INIT;

	ctx.env = env;
	ok_int(bk_uri_parse(url, &u, &f), 0, url);
	ok_int(bk_tool_password(&ctx, &u, source_env, vendor, &pw, &f), rc, url);
	ok_int(f.status, status, "its status");
	ok_text(bk_buf_text(&pw), want, "the password");
	ok(strstr(f.text, "sesame") == NULL, "is in no message");
	bk_uri_release(&u);
	bk_buf_wipe(&pw);
}

static void
write_file(const char *name, const char *text, size_t n)
{
	char path[4096];
	FILE *fp;

	(void)snprintf(path, sizeof(path), "%s/%s", tap_dir(), name);
	if ((fp = fopen(path, "we")) == NULL || fwrite(text, 1, n, fp) != n ||
	    fclose(fp) != 0)
		ok(false, "cannot write %s", path);
}

static void
test_password(void)
{
	char url[4096];

	write_file("pw", "sesame\nmore\n", 12);
	write_file("nul", "ses\0me", 6);
	(void)snprintf(url, sizeof(url), "x://h/?password-file=%s/pw", tap_dir());
	password(url, NULL, "VENDOR_PWD", 0, 0, "sesame");
	password("x://h/?password-file=pw", NULL, "VENDOR_PWD", 0, 0, "sesame");
	password("x://h/?password-file=nul", NULL, "V", -1, BK_CONFIG, "");
	password("x://h/?password-file=none", NULL, "V", -1, BK_CONFIG, "");
	password("x://h/?password-file=pw", "NAMED", "V", -1, BK_USAGE, "");
	password("x://h/", "NAMED", "VENDOR_PWD", 0, 0, "by name");
	password("x://h/", "UNSET", "VENDOR_PWD", -1, BK_CONFIG, "");
	password("x://h/", NULL, "VENDOR_PWD", 0, 0, "vendor's");
	password("x://h/", NULL, "UNSET", BK_NO_PASSWORD, 0, "");
}

static void
test_messages(void)
{
	static const struct bk_tool_msg msgs[] = {
		{ "denied", BK_NOPERM }, { "refused", BK_UNAVAILABLE }, { NULL, 0 }
	};
	char line[16];

	ok_int(bk_tool_class(msgs, "access denied", 1), BK_NOPERM, "a row");
	ok_int(bk_tool_class(msgs, "so what", 3), 3, "no row");
	ok_int(bk_tool_class(NULL, "so what", 3), 3, "no table");
	bk_tool_last_line("one\n  two\n \n", line, sizeof(line));
	ok_text(line, "two", "last line");
	bk_tool_last_line("", line, sizeof(line));
	ok_text(line, "", "nothing said");
	bk_tool_last_line("a very long line indeed", line, sizeof(line));
	ok_text(line, "a very long lin", "cut");
}

static void
test_find(void)
{
	static const char *const names[] = { "tool-new", "tool-old", NULL };
	struct bk_ctx ctx = tap_ctx;
	char path[1024], want[1024], glob[1024], on_path[1024];
	const char *dirs[2] = { glob, NULL };
	static const char *const have[] = { "9.6", "15", "p" };
	size_t i;

	(void)snprintf(glob, sizeof(glob), "%s/v/*", tap_dir());
	(void)snprintf(on_path, sizeof(on_path), "%s/v/p", tap_dir());
	(void)snprintf(path, sizeof(path), "%s/v", tap_dir());
	(void)mkdir(path, 0700);
	for (i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/v/%s", tap_dir(), have[i]);
		(void)mkdir(path, 0700);
		(void)snprintf(path, sizeof(path), "v/%s/tool-old", have[i]);
		write_file(path, "", 0);
		(void)snprintf(path, sizeof(path), "%s/v/%s/tool-old", tap_dir(),
		    have[i]);
		(void)chmod(path, 0700);
	}
	ctx.path = "/nonexistent";
	(void)snprintf(glob, sizeof(glob), "%s/v/[0-9]*", tap_dir());
	ok_int(bk_tool_nth(&ctx, names, dirs, 0, path, sizeof(path)), 0, "newest");
	(void)snprintf(want, sizeof(want), "%s/v/15/tool-old", tap_dir());
	ok_text(path, want, "is 15");
	ok_int(bk_tool_nth(&ctx, names, dirs, 1, path, sizeof(path)), 0, "next");
	(void)snprintf(want, sizeof(want), "%s/v/9.6/tool-old", tap_dir());
	ok_text(path, want, "is 9.6");
	ok_int(bk_tool_nth(&ctx, names, dirs, 2, path, sizeof(path)),
	    BK_ABSENT_TOOL, "no third");
	ok_int(bk_tool_nth(&ctx, names, NULL, 0, path, sizeof(path)),
	    BK_ABSENT_TOOL, "none on this PATH");
	ctx.path = on_path;
	ok_int(bk_tool_nth(&ctx, names, dirs, 0, path, sizeof(path)), 0, "PATH");
	(void)snprintf(want, sizeof(want), "%s/v/p/tool-old", tap_dir());
	ok_text(path, want, "comes first");
	ok_int(bk_tool_nth(&ctx, names, dirs, 2, path, sizeof(path)), 0,
	    "directories after it");
}

static int
ask(const char *script, const struct bk_tool_msg *msgs, struct bk_buf *out,
    struct bk_fault *f)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct bk_child_spec spec = { .argv = argv, .in = -1,
	    .deadline = tap_ctx.mono() + 20000 };

	bk_buf_reset(out);
	*f = (struct bk_fault)BK_FAULT_INIT;
	return bk_tool_ask(&tap_ctx, &spec, "question\n", msgs, out, f);
}

static void
test_ask(void)
{
	static const struct bk_tool_msg msgs[] = {
		{ "ERROR 1045", BK_NOPERM }, { NULL, 0 }
	};
	struct bk_buf out = BK_BUF_INIT(65536);
	struct bk_fault f;

	ok_int(ask("cat", msgs, &out, &f), 0, "asked");
	ok_text(bk_buf_text(&out), "question\n", "the answer");
	ok_int(ask("echo 'ERROR 1045 (28000): no' >&2; echo more >&2; exit 1",
	    msgs, &out, &f), -1, "refused");
	ok_int(f.status, BK_NOPERM, "by its message");
	ok_text(f.text, "sh: ERROR 1045 (28000): no", "which is told");
	ok_int(ask("exit 1", msgs, &out, &f), -1, "mute");
	ok_int(f.status, BK_UNAVAILABLE, "unavailable");
	ok_text(f.text, "sh: failed without a word", "said so");
	ok_int(ask("echo 'sh: bad' >&2; exit 9", NULL, &out, &f), -1, "no table");
	ok_text(f.text, "sh: bad", "a tool's own prefix stands once");
	ok_int(ask("kill -9 $$", msgs, &out, &f), -1, "killed");
	bk_buf_release(&out);
}

static int
keep(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

static int
full(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	(void)arg;
	(void)p;
	(void)n;
	return bk_fault_set(f, BK_IO, "disk full");
}

/* Run ${script} as a dump with mysql's marks. */
static int
dump(const char *script, bk_sink_fn *sink, struct bk_buf *out, json_t *info,
    struct bk_fault *f)
{
	static const struct bk_tool_msg msgs[] = {
		{ "denied", BK_NOPERM }, { NULL, 0 }
	};
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct bk_child_spec spec = { .argv = argv, .in = -1,
	    .flags = BK_CHILD_OUT, .deadline = tap_ctx.mono() + 20000 };
	struct bk_marks *m;
	struct bk_child *c;
	int rc = -2;

	*f = (struct bk_fault)BK_FAULT_INIT;
	bk_buf_reset(out);
	json_object_clear(info);
	m = bk_marks_mysql(f);
	if ((c = bk_child_start(&tap_ctx, &spec, f)) != NULL)
		rc = bk_tool_dump(c, m, msgs, info, sink, out, f);
	bk_child_stop(c, 0);
	m->free(m);
	return rc;
}

static void
test_dump(void)
{
	struct bk_buf out = BK_BUF_INIT(65536);
	struct bk_fault f;
	json_t *info = json_object();

	ok_int(dump("printf 'x\n\n-- Dump completed\n'", keep, &out, info, &f),
	    BK_MARKS_PROVEN, "a whole dump");
	ok_text(bk_buf_text(&out), "x\n\n-- Dump completed\n", "all of it");
	ok(json_object_size(info) == 0, "nothing was said");
	ok_int(dump("echo careful >&2; printf '\n-- Dump completed\n'", keep, &out,
	    info, &f), BK_MARKS_PROVEN, "with a warning");
	ok_text(json_string_value(json_object_get(info, "log")), "careful\n",
	    "which is kept");
	ok_int(dump("echo x", keep, &out, info, &f), -1, "without the mark");
	ok_int(f.status, BK_DATA, "is bad data");
	ok_int(dump("printf '\n-- Dump completed\n'; echo denied >&2; exit 2",
	    keep, &out, info, &f), -1, "status 2 behind a mark");
	ok_int(f.status, BK_DATA, "is bad data, whatever was said");
	ok_int(dump("echo denied >&2; exit 2", keep, &out, info, &f), -1,
	    "refused before the first byte");
	ok_int(f.status, BK_NOPERM, "has the class of its message");
	ok_int(dump("printf '\n-- Dump completed\n'", full, &out, info, &f), -1,
	    "a sink that fails");
	ok_int(f.status, BK_IO, "tells its own fault");
	json_decref(info);
	bk_buf_release(&out);
}

int
main(void)
{
	test_ask();
	test_dump();
	test_options();
	test_argv();
	test_secret();
	test_password();
	test_messages();
	test_find();
	return done();
}
