/*
 * files: dump and restore through the engine interface, with a real tar; and
 * what a hostile, cut or refused restore leaves behind: nothing.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "engine.h"
#include "json.h"
#include "tap.h"

static struct bk_fault nf;
static const char *const none[] = { NULL };

static int
to_buf(void *arg, const void *p, size_t n, struct bk_fault *f)
{
	return bk_buf_add(arg, p, n, f);
}

/* What a shell command prints, run in the test's directory. */
static const char *
sh(const char *script)
{
	static struct bk_buf out = BK_BUF_INIT(1024 * 1024);
	const char *argv[] = { "sh", "-c", script, NULL };
	const struct bk_child_spec spec = { .argv = argv, .cwd = tap_dir(),
		.in = -1 };
	struct bk_fault f = BK_FAULT_INIT;

	bk_buf_reset(&out);
	if (bk_child_capture(&tap_ctx, &spec, NULL, &out, NULL, &f) != 0)
		bk_buf_adds(&out, "(failed)", &f);
	return bk_buf_text(&out);
}

static int
dump(const char *dir, const char *const *exclude, struct bk_buf *out,
    json_t **info)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	struct bk_dump_req req = { .ctx = &tap_ctx, .uri = &u, .args = none,
		.exclude = exclude };
	struct bk_dump d;
	char url[4200];

	snprintf(url, sizeof(url), "files://%s/%s", tap_dir(), dir);
	bk_buf_reset(out);
	if (bk_uri_parse(url, &u, &f) == 0 &&
	    bk_dump_open(&d, &req, &f) == 0)
		(void)bk_dump_run(&d, to_buf, out, &f);
	if (info != NULL)
		*info = json_deep_copy(d.info);
	if (f.status == 0) {
		ok_text(d.proof, "marks", "proven by marks");
		ok_text(d.ext, "tar", "extension");
		ok_text(d.name, dir, "named after the directory");
	}
	bk_dump_close(&d);
	bk_uri_release(&u);
	return f.status;
}

static int
restore(const char *dir, const struct bk_buf *in, size_t n, bool replace,
    bool commit)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_uri u = BK_URI_INIT;
	struct bk_restore r;
	struct bk_restore_req req = { .ctx = &tap_ctx, .target = &u,
		.args = none, .replace = replace, .jobs = 1 };
	json_t *h = json_pack("{s:s, s:s}", "engine", "files", "ext", "tar");
	char url[4200];

	req.header = h;
	snprintf(url, sizeof(url), "files://%s/%s", tap_dir(), dir);
	if (bk_uri_parse(url, &u, &f) == 0 &&
	    bk_restore_open(&r, &req, &f) == 0 &&
	    (n == 0 || bk_restore_write(&r, in->p, n, &f) == 0) && commit)
		(void)bk_restore_commit(&r, -1, &f);
	bk_restore_close(&r);
	bk_uri_release(&u);
	json_decref(h);
	return f.status;
}

static void
test_round(struct bk_buf *b)
{
	static const char list[] =
	    "cd %s && find . -printf '%%P %%y %%m %%U:%%G %%n %%l %%T@\\n' | sort"
	    " && find . -type f -exec sha256sum {} + | sort -k2"
	    " && find . -type f -exec getfattr -d -- {} + 2>/dev/null | sort"
	    " && find . -type f -exec getfacl -cpn -- {} +";
	struct bk_buf want = BK_BUF_INIT(1024 * 1024);
	char script[1024];

	sh("mkdir -p src/d/e && cd src && echo one >a && ln a d/hard &&"
	    " ln -s /etc/passwd abs && ln -s ../../x up && ln -s nowhere d/rel &&"
	    " mkfifo p && printf 'x' > 'new\nline' && touch -d 1999-12-31T23:59:59.5Z d/old &&"
	    " chmod 4751 a && chmod 1777 d/e && head -c 300000 /dev/urandom >big &&"
	    " name=$(printf '%0200d' 7) && mkdir $name && echo long >$name/$name &&"
	    " { setfacl -m u:12345:rw big; setfattr -n user.k -v v big; } 2>/dev/null;"
	    " [ $(id -u) != 0 ] || chown 12345:54321 d/old");
	ok_int(dump("src", none, b, NULL), 0, "dump");
	ok_int(restore("new", b, b->len, false, true), 0, "restore");
	snprintf(script, sizeof(script), list, "src");
	bk_buf_adds(&want, sh(script), &nf);
	snprintf(script, sizeof(script), list, "new");
	ok(want.len > 2000, "the tree is listed");
	ok_text(sh(script), bk_buf_text(&want), "the copy is the same");
	ok_text(sh("ls -A"), "new\nsrc\n", "nothing else is there");
	bk_buf_release(&want);
}

static void
test_refusals(struct bk_buf *b)
{
	ok_int(restore("new", b, b->len, false, true), BK_CANTCREATE,
	    "a tree that holds something");
	ok_int(restore("src/a", b, b->len, true, true), BK_CANTCREATE,
	    "a file as target");
	ok_int(restore("no/such/dir", b, b->len, true, true), BK_NOINPUT,
	    "no parent");
	sh("echo mine >new/mine");
	ok_int(restore("new", b, b->len - 4096, true, true), BK_DATA,
	    "a cut archive");
	ok_int(restore("new", b, 0, true, true), BK_DATA, "no archive");
	ok_int(restore("new", b, b->len, true, false), 0, "no commit");
	ok_text(sh("cat new/mine; ls -A"), "mine\nnew\nsrc\n",
	    "the old tree stands, nothing else is there");
	ok_int(restore("new", b, b->len, true, true), 0, "replace");
	ok_text(sh("ls -A | sed 's/old-.*/old/'; cat new.old-*/mine;"
	    " test -e new/mine || echo gone"),
	    "new\nnew.old\nsrc\nmine\ngone\n", "the old tree is beside");
	sh("mkdir empty && rm -r new.old-*");
	ok_int(restore("empty", b, b->len, false, true), 0,
	    "an empty directory");
	ok_text(sh("cat empty/d/hard"), "one\n", "is filled");
	sh("rm -rf empty new");
}

static void
test_hostile(struct bk_buf *b)
{
	static const char *const made[] = {
		"tar -cPf x.tar \"$PWD/victim\"",
		"cd src && tar -cPf ../x.tar ../victim",
		"mkdir t && ln -s \"$PWD\" t/l && tar -cf x.tar -C t l && rm t/l &&"
		    " mkdir t/l && echo evil >t/l/victim && tar -rf x.tar -C t l/victim",
		"mkdir t && echo >t/a && ln t/a t/b &&"
		    " tar -cPf x.tar -C t --transform=\"s,^a,$PWD/victim,h\" a b",
	};
	size_t i;
	int fd;
	ssize_t n;

	sh("echo good >victim");
	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		ok_text(sh(made[i]), "", "made a hostile archive");
		bk_buf_reset(b);
		fd = openat(AT_FDCWD, sh("printf %s \"$PWD/x.tar\""), O_RDONLY);
		bk_buf_need(b, 1024 * 1024, &nf);
		n = fd != -1 ? read(fd, b->p, 1024 * 1024) : 0;
		b->len = n > 0 ? (size_t)n : 0;
		close(fd);
		ok_int(restore("out", b, b->len, false, true), BK_DATA,
		    "refused");
		ok_text(sh("rm -rf t x.tar; cat victim; ls -A"),
		    "good\nsrc\nvictim\n", "nothing was written");
	}
}

static void
test_dump(struct bk_buf *b)
{
	static const char *const exclude[] = { "d", "*.log", NULL };
	json_t *info = NULL;

	ok_int(dump("none", none, b, NULL), BK_NOINPUT, "no such directory");
	ok_int(dump("victim", none, b, NULL), BK_NOINPUT, "no directory");
	sh("touch src/x.log");
	ok_int(dump("src", exclude, b, &info), 0, "dump with exclusions");
	ok(bk_json_get_text(info, "tool") != NULL, "the tool is named");
	json_decref(info);
	ok_int(restore("part", b, b->len, false, true), 0, "restore");
	ok_text(sh("cd part && ls -d d x.log 2>/dev/null; cat a"), "one\n",
	    "left out");
}

int
main(void)
{
	struct bk_buf b = BK_BUF_INIT(64 * 1024 * 1024);

	test_round(&b);
	test_refusals(&b);
	test_hostile(&b);
	test_dump(&b);
	bk_buf_release(&b);
	return done();
}
