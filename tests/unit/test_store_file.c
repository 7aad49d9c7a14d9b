/* The file store: the suite, and what only a file system can do to it. */
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_conform.h"
#include "tap.h"

static int nth;

static void
path_of(char *path, size_t size, int n, const char *below)
{
	snprintf(path, size, "%s/store%d%s", tap_dir(), n, below);
}

static struct bk_store *
open_nth(int n, bool create, struct bk_fault *f)
{
	struct bk_store_opts opts = { .create = create };
	char url[256] = "file://";

	path_of(url + 7, sizeof(url) - 7, n, "");
	return bk_store_open(&tap_ctx, url, &opts, f);
}

static struct bk_store *
fresh(void *arg, struct bk_fault *f)
{
	(void)arg;
	return open_nth(++nth, true, f);
}

static struct bk_store *
again(void *arg, struct bk_fault *f)
{
	(void)arg;
	return open_nth(nth, false, f);
}

static int
count(void *arg, const struct bk_object *o, struct bk_fault *f)
{
	(void)o; (void)f;
	++*(int *)arg;
	return 0;
}

static int
objects(struct bk_store *s, bool unfinished)
{
	struct bk_fault f = BK_FAULT_INIT;
	int n = 0, rc;

	rc = unfinished ? bk_store_debris(s, count, &n, &f) :
	    bk_store_list(s, "", "", count, &n, &f);
	return rc == 0 ? n : -1;
}

/* A put of ${key} is refused with ${status}. */
static void
refuses(struct bk_store *s, const char *key, unsigned int flags, int status)
{
	struct bk_fault f = BK_FAULT_INIT;

	ok_int(bk_store_put_small(s, key, "x", 1, flags, &f), -1, key);
	ok_int(f.status, status, f.text);
}

static void
urls(void)
{
	static const struct { const char *url; int status; } bad[] = {
		{ "file://", BK_USAGE }, { "file://host/dir", BK_USAGE },
		{ "file://u@/dir", BK_USAGE }, { "file:///x?y=z", BK_USAGE },
		{ "nosuch://x/", BK_USAGE }, { "/tmp", BK_USAGE },
		{ "file:///nonexistent-bk/dir", BK_NOINPUT },
		{ "file:///etc/passwd", BK_NOINPUT },
	};
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store_opts opts = { .create = true };
	struct bk_store *s;
	char url[256], want[256], path[256];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		s = bk_store_open(&tap_ctx, bad[i].url, NULL, &f);
		ok(s == NULL, "no store '%s'", bad[i].url);
		ok_int(f.status, bad[i].status, f.text);
		bk_fault_clear(&f);
	}
	snprintf(url, sizeof(url), "file://localhost%s/new/a%%20b//",
	    tap_dir());
	s = bk_store_open(&tap_ctx, url, &opts, &f);
	ok(s != NULL, "made with what lacks above: %s", f.text);
	if (s == NULL)
		return;
	snprintf(path, sizeof(path), "%s/new/a b", tap_dir());
	ok_int(access(path, F_OK), 0, "it is there");
	snprintf(want, sizeof(want), "file://localhost%s/new/a%%20b",
	    tap_dir());
	ok_text(s->url, want, "its URL without final slashes");
	bk_store_close(s);
	snprintf(url, sizeof(url), "file:///etc/passwd/x");
	ok(bk_store_open(&tap_ctx, url, &opts, &f) == NULL, "not below a file");
	ok_int(f.status, BK_NOINPUT, f.text);
}

/* What others put into the directory, and what leads out of it. */
static void
foreign(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = fresh(NULL, &f);
	const char *keys[] = { "link", "out/secret", "pipe", "file",
		".bk-tmp-01ARZ3NDEKTSV4RRFFQ69G5FAV-live" };
	char path[256], target[256];
	struct bk_object o;
	int fd, i;

	path_of(target, sizeof(target), nth, "-outside");
	ok_int(mkdir(target, 0700), 0, "a directory outside");
	path_of(path, sizeof(path), nth, "-outside/secret");
	ok((fd = open(path, O_CREAT | O_WRONLY, 0600)) != -1, "with a file");
	close(fd);
	path_of(path, sizeof(path), nth, "/out");
	ok_int(symlink(target, path), 0, "a link to the directory");
	path_of(target, sizeof(target), nth, "-outside/secret");
	path_of(path, sizeof(path), nth, "/link");
	ok_int(symlink(target, path), 0, "a link to the file");
	path_of(path, sizeof(path), nth, "/pipe");
	ok_int(mkfifo(path, 0600), 0, "a pipe");
	path_of(path, sizeof(path), nth, "/file");
	ok((fd = open(path, O_CREAT | O_WRONLY, 0600)) != -1, "a file");
	close(fd);
	path_of(path, sizeof(path), nth,
	    "/.bk-tmp-01ARZ3NDEKTSV4RRFFQ69G5FAV-live");
	ok((fd = open(path, O_CREAT | O_WRONLY, 0600)) != -1, "a temporary");
	close(fd);

	ok_int(objects(s, false), 1, "only the file is an object");
	ok_int(objects(s, true), 1, "the temporary is unfinished");
	for (i = 0; i < 3; i++) {
		ok_int(bk_store_stat(s, keys[i], &o, &f), BK_ABSENT, keys[i]);
		ok_int(bk_store_get(s, keys[i], 0, UINT64_MAX, NULL, NULL, &f),
		    BK_ABSENT, "nor is there anything to get");
	}
	ok_int(bk_store_stat(s, keys[4], &o, &f), BK_ABSENT,
	    "a temporary is no object");
	ok_int(bk_store_remove(s, keys, 5, &f), 0, "remove all of them");
	ok(!bk_faulty(&f), "no fault: %s", f.text);
	ok_int(objects(s, false), 0, "the file is gone");
	ok_int(objects(s, true), 1, "the temporary is not");
	ok_int(access(target, F_OK), 0, "nor is what is outside");
	path_of(path, sizeof(path), nth, "/link");
	ok_int(readlink(path, target, sizeof(target)) > 0, 1, "nor the link");

	refuses(s, "out/new", 0, BK_CANTCREATE);
	path_of(path, sizeof(path), nth, "-outside/new");
	ok_int(access(path, F_OK), -1, "nothing is outside");
	refuses(s, keys[4], 0, BK_USAGE);
	ok_int(bk_store_put_small(s, "dir/k", "x", 1, 0, &f), 0, "put");
	refuses(s, "dir", BK_PUT_NEW, BK_CANTCREATE);
	refuses(s, "dir", 0, BK_CANTCREATE);
	refuses(s, "dir/k/below", 0, BK_CANTCREATE);
	ok_int(objects(s, true), 1, "nothing else is left");
	bk_store_close(s);
}

static void
long_names(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = fresh(NULL, &f);
	struct bk_object o;
	char key[512] = "";

	memset(key, 'k', 300);
	key[220] = '\0';
	ok_int(bk_store_put_small(s, key, "x", 1, BK_PUT_NEW, &f), 0,
	    "a part of 220 bytes");
	key[220] = 'k';
	key[221] = '\0';
	refuses(s, key, 0, BK_USAGE);
	key[221] = 'k';		/* 300 bytes */
	ok_int(bk_store_stat(s, key, &o, &f), BK_ABSENT,
	    "what is too long for a name is absent");
	ok_int(objects(s, false), 1, "one object");
	bk_store_close(s);
}

/* Removal takes empty directories, and a store that went is not made anew. */
static void
directories(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = fresh(NULL, &f);
	const char *key = "a/b/c";
	struct bk_put *p, *q;
	struct bk_object o;
	char path[256], moved[256];

	ok_int(bk_store_put_small(s, key, "x", 1, 0, &f), 0, "put");
	p = bk_store_put_begin(s, "a/d/e", NULL, &f);
	q = bk_store_put_begin(s, "a/q", NULL, &f);
	ok_int(bk_store_remove(s, &key, 1, &f), 0, "remove");
	path_of(path, sizeof(path), nth, "/a/b");
	ok_int(access(path, F_OK), -1, "the empty directory went");
	ok_int(bk_store_put_commit(p, &f), 0, "that of an open put did not");
	bk_store_put_abort(q);
	key = "a/d/e";
	ok_int(bk_store_stat(s, key, &o, &f), 0, "it is there");
	ok_int(bk_store_remove(s, &key, 1, &f), 0, "remove");
	path_of(path, sizeof(path), nth, "/a");
	ok_int(access(path, F_OK), -1, "all empty directories went");

	p = bk_store_put_begin(s, "k", NULL, &f);
	ok_int(bk_store_put_write(p, "x", 1, &f), 0, "write");
	ok(!bk_faulty(&f), "no fault: %s", f.text);
	path_of(path, sizeof(path), nth, "");
	path_of(moved, sizeof(moved), nth, "-moved");
	ok_int(rename(path, moved), 0, "the store goes");
	ok_int(bk_store_put_commit(p, &f), -1, "no commit into it");
	ok_int(f.status, BK_NOINPUT, f.text);
	bk_fault_clear(&f);
	ok(bk_store_put_begin(s, "k", NULL, &f) == NULL, "no new put");
	ok_int(f.status, BK_NOINPUT, f.text);
	bk_fault_clear(&f);
	ok_int(bk_store_stat(s, "k", &o, &f), -1,
	    "nothing is said to be absent");
	bk_fault_clear(&f);
	ok_int(objects(s, false), -1, "nor listed as empty");
	ok_int(access(path, F_OK), -1, "it was not made again");
	bk_store_close(s);
	ok(again(NULL, &f) == NULL, "nor is it on opening");
	ok_int(f.status, BK_NOINPUT, f.text);
}

/* Puts into directories that another process keeps emptying. */
static void
vanishing_directories(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s = fresh(NULL, &f), *own;
	const char *theirs = "a/b/theirs", *ours = "a/b/ours";
	int i, status, rc = 0;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		own = again(NULL, &f);
		for (i = 0; i < 300 && rc == 0; i++)
			rc = bk_store_put_small(own, theirs, "x", 1, 0, &f) |
			    bk_store_remove(own, &theirs, 1, &f);
		_exit(rc != 0);
	}
	for (i = 0; i < 300 && rc == 0; i++)
		rc = bk_store_put_small(s, ours, "x", 1, BK_PUT_NEW, &f) |
		    bk_store_remove(s, &ours, 1, &f);
	ok_int(rc, 0, "put and remove");
	ok(!bk_faulty(&f), "no fault: %s", f.text);
	waitpid(pid, &status, 0);
	ok_int(status, 0, "the other process had none either");
	ok_int(objects(s, false), 0, "nothing is left");
	ok_int(objects(s, true), 0, "nothing unfinished either");
	bk_store_close(s);
}

/* From now on the kernel answers these two system calls with an errno. */
static int
refuse(int nr1, int err1, int nr2, int err2)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data,
		    nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr1, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_ERRNO | (unsigned int)err1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)nr2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_ERRNO | (unsigned int)err2),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/*
 * Run ${body} in a child whose system calls are refused so; it ends with 0
 * if all was well, else with the number of the step that was not.
 */
static void
refused(const char *what, int nr1, int err1, int nr2, int err2,
    int (*body)(struct bk_store *))
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s;
	int status, rc;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0) {
		if ((s = fresh(NULL, &f)) == NULL)
			_exit(76);
		if (refuse(nr1, err1, nr2, err2) == -1)
			_exit(77);
		rc = body(s);
		bk_store_close(s);
		_exit(rc);
	}
	nth++;
	if (waitpid(pid, &status, 0) != pid)
		status = -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		tap_skip("system calls cannot be filtered here");
	else
		ok_int(status, 0, what);
}

static int
creates(struct bk_store *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store_facts facts;

	if (bk_store_facts(s, &facts, &f) != 0 || !facts.create_only)
		return 1;
	if (bk_store_put_small(s, "d/k", "1", 1, BK_PUT_NEW, &f) != 0)
		return 2;
	if (bk_store_put_small(s, "d/k", "22", 2, BK_PUT_NEW, &f) != BK_EXISTS)
		return 3;
	return objects(s, false) == 1 && objects(s, true) == 0 ? 0 : 4;
}

static int
cannot_create_only(struct bk_store *s)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store_facts facts;

	if (bk_store_facts(s, &facts, &f) != 0 || facts.create_only)
		return 1;
	if (bk_store_put_small(s, "d/k", "1", 1, BK_PUT_NEW, &f) != 0)
		return 2;
	if (bk_store_put_small(s, "d/k", "22", 2, BK_PUT_NEW, &f) != BK_EXISTS)
		return 3;
	return objects(s, false) == 1 && objects(s, true) == 0 ? 0 : 4;
}

/* A put that fails with a status leaves nothing. */
static int
put_fails(struct bk_store *s, int status)
{
	struct bk_fault f = BK_FAULT_INIT;

	if (bk_store_put_small(s, "d/k", "1", 1, BK_PUT_NEW, &f) != -1)
		return 1;
	if (f.status != status)
		return 2;
	return objects(s, false) == 0 && objects(s, true) == 0 ? 0 : 3;
}

static int
io_error(struct bk_store *s)
{
	return put_fails(s, BK_IO);
}

static int
no_permission(struct bk_store *s)
{
	return put_fails(s, BK_NOPERM);
}

static void
other_file_systems(void)
{
	refused("no RENAME_NOREPLACE: link", SYS_renameat2, EINVAL, -1, 0,
	    creates);
	refused("no renameat2 at all: link", SYS_renameat2, ENOSYS, -1, 0,
	    creates);
	refused("neither: facts says so", SYS_renameat2, EINVAL, SYS_linkat,
	    EPERM, cannot_create_only);
	refused("fsync: I/O error", SYS_fsync, EIO, -1, 0, io_error);
	refused("fsync: disk full", SYS_fsync, ENOSPC, -1, 0, io_error);
	refused("write: quota", SYS_write, EDQUOT, -1, 0, io_error);
	refused("rename: read-only", SYS_renameat2, EROFS, -1, 0,
	    no_permission);
}

static int
puts_big(struct bk_store *s)
{
	static char buf[64 * 1024];
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_put_opts opts = { .max_bytes = 8 << 20 };
	struct bk_put *p;
	int i, rc = 0;

	if (bk_store_put_begin(s, "early", &opts, &f) != NULL ||
	    f.status != BK_IO)
		return 1;
	bk_fault_clear(&f);
	if ((p = bk_store_put_begin(s, "d/big", NULL, &f)) == NULL)
		return 2;
	for (i = 0; i < 64 && rc == 0; i++)
		rc = bk_store_put_write(p, buf, sizeof(buf), &f);
	if (rc != -1 || f.status != BK_IO || f.err != ENOSPC)
		return 3;
	bk_store_put_abort(p);
	bk_fault_clear(&f);
	if (objects(s, false) != 1 || objects(s, true) != 0)
		return 4;
	return bk_store_put_small(s, "d/small", "x", 1, 0, &f) == 0 ? 0 : 5;
}

static void
disk_full(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store *s;
	char path[256];

	path_of(path, sizeof(path), ++nth, "");
	if (mkdir(path, 0700) == -1 ||
	    mount("bk", path, "tmpfs", 0, "size=1m") == -1) {
		tap_skip("cannot mount a small file system");
		return;
	}
	s = again(NULL, &f);
	ok_int(bk_store_put_small(s, "here", "x", 1, 0, &f), 0, "put");
	ok_int(puts_big(s), 0, "a full disk is 74 and leaves nothing");
	bk_store_close(s);
	ok_int(mount("bk", path, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0,
	    "mount it read-only");
	s = again(NULL, &f);
	refuses(s, "new", 0, BK_NOPERM);
	ok_int(objects(s, false), 2, "it can be listed");
	bk_store_close(s);
	ok_int(umount(path), 0, "unmount");
}

static void
unprivileged(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_store_facts facts;
	const char *key = "d/k";
	struct bk_store *s;
	char path[256];
	int status = -1;
	pid_t pid;

	s = fresh(NULL, &f);
	ok_int(bk_store_put_small(s, key, "x", 1, 0, &f), 0, "put");
	path_of(path, sizeof(path), nth, "/d");
	chmod(path, 0555);
	chmod(tap_dir(), 0755);
	path_of(path, sizeof(path), nth, "");
	chmod(path, 0555);
	fflush(stdout);
	if ((pid = fork()) == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) == -1)
			_exit(9);
		if (bk_store_put_small(s, "d/new", "x", 1, 0, &f) != -1 ||
		    f.status != BK_NOPERM)
			_exit(1);
		bk_fault_clear(&f);
		if (bk_store_remove(s, &key, 1, &f) != -1 ||
		    f.status != BK_NOPERM)
			_exit(2);
		bk_fault_clear(&f);
		if (bk_store_facts(s, &facts, &f) != 0 || facts.clock_known)
			_exit(3);
		_exit(objects(s, false) == 1 ? 0 : 4);
	}
	waitpid(pid, &status, 0);
	ok_int(status, 0, "a store that one may only read");
	bk_store_close(s);
	path_of(path, sizeof(path), nth, "/d");
	chmod(path, 0755);
	path_of(path, sizeof(path), nth, "");
	chmod(path, 0755);
}

static int64_t
late(void)
{
	return tap_ctx.mono() + 1000000;	/* far from 1970, and running */
}

static void
clock_of_store(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	struct bk_ctx ctx = tap_ctx;
	struct bk_store_facts facts;
	struct bk_store_opts opts = { .create = true };
	struct bk_store *s;
	char url[256] = "file://";
	int64_t off, want = tap_ctx.now() - late();

	ctx.now = late;
	path_of(url + 7, sizeof(url) - 7, ++nth, "");
	s = bk_store_open(&ctx, url, &opts, &f);
	ok_int(bk_store_facts(s, &facts, &f), 0, "facts");
	off = facts.clock_offset - want;
	ok(facts.clock_known && off > -5000 && off < 5000,
	    "the store's clock is not ours");
	bk_store_close(s);
}

int
main(void)
{
	static const struct conform file = { "file", fresh, again, NULL, 2500,
		1100, 1024 * 1024, 3 * 1024 * 1024, false };

	store_conform(&file);
	urls();
	foreign();
	long_names();
	directories();
	vanishing_directories();
	other_file_systems();
	disk_full();
	unprivileged();
	clock_of_store();
	return done();
}
