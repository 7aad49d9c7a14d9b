/*
 * States of incremental dumps: what tar gets, what is kept, what is removed.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "filesparent.h"
#include "filesstate.h"
#include "io.h"
#include "tap.h"

#define NO_DEVICE "1152921504606846976"	/* 2 to the 60th */

static struct bk_fault nf;
static char dir[512], tree[512];

/* A snapshot: ${sec}, the tree with ${dev}, and ${more}. */
static void
make(struct bk_buf *b, const char *first, const char *sec,
    unsigned long long dev, const char *more, size_t n)
{
	bk_buf_reset(b);
	bk_buf_addf(b, &nf, "%s\n%s%c123%c", first, sec, '\0', '\0');
	bk_buf_addf(b, &nf, "0%c1000%c5%c%llu%c77%c.%cYa%cDb%c%c%c", '\0', '\0',
	    '\0', dev, '\0', '\0', '\0', '\0', '\0', '\0', '\0');
	bk_buf_add(b, more, n, &nf);
}

/* As a file without a name. */
static int
as_file(const struct bk_buf *b)
{
	int fd = bk_tmpfile(dir, &nf);

	bk_write_all(fd, b->p, b->len, "state", &nf);
	return fd;
}

static void
read_all(int fd, struct bk_buf *b)
{
	ssize_t n;

	bk_buf_reset(b);
	bk_buf_need(b, 65536, &nf);
	lseek(fd, 0, SEEK_SET);
	n = bk_read_full(fd, b->p, 65535, "state", &nf);
	b->len = n > 0 ? (size_t)n : 0;
}

static bool
has(const struct bk_buf *b, const char *text, size_t n)
{
	return b->len > 0 && memmem(b->p, b->len, text, n) != NULL;
}

static void
test_copies(void)
{
	struct bk_buf b = BK_BUF_INIT(1 << 20), c = BK_BUF_INIT(1 << 20);
	char hash[BK_SHA256_HEX], path[1024], dev[64];
	struct bk_fault f = BK_FAULT_INIT;
	const char *why = NULL;
	struct stat st;
	int fd, made;

	stat(tree, &st);
	/* As tar leaves it: what it met under another name has real devices. */
	make(&b, "GNU tar-1.34-2", "1700000000",
	    (unsigned long long)st.st_dev + (1ULL << 60),
	    "0\0001\0002\000999999\00088\000./gone\000\000", 25);
	made = as_file(&b);
	ok(bk_filesstate_keep(made, dir, "app", hash, &f) == 0, "kept: %s",
	    f.text);
	snprintf(path, sizeof(path), "%s/%s", dir, hash);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok(fd != -1 && bk_filesstate_held(dir, hash), "under its hash");
	read_all(fd, &c);
	ok(has(&c, "GNU tar-1.34-2 app\n1699999998\000123\000", 34),
	    "with its backup's name, 2 seconds earlier");
	ok(!has(&c, "11529215", 8), "with real devices");
	close(fd);
	close(made);

	ok(bk_filesstate_open(&tap_ctx, dir, hash, tree, &fd, &why, &f) == 0,
	    "opened again: %s", f.text);
	read_all(fd, &c);
	snprintf(dev, sizeof(dev), "%llu",
	    (unsigned long long)st.st_dev + (1ULL << 60));
	ok(has(&c, dev, strlen(dev)), "with a device that there is not");
	ok(!has(&c, "./gone", 6), "without what is no longer where it was");
	ok(has(&c, "Ya\000Db\000\000", 7), "with the names");
	close(fd);

	ok(bk_filesstate_open(&tap_ctx, dir, NULL, NULL, &fd, &why, &f) == 0 &&
	    lseek(fd, 0, SEEK_END) == 0, "an empty one for a full backup");
	close(fd);
	ok(truncate(path, 20) == 0 && bk_filesstate_open(&tap_ctx, dir, hash,
	    tree, &fd, &why, &f) == BK_STATE_UNUSABLE, "a cut one");
	ok_text(why, "its state is damaged", "is damaged");
	memset(hash, '0', 64);
	ok(bk_filesstate_open(&tap_ctx, dir, hash, tree, &fd, &why, &f) == -1,
	    "one that is not there: %s", f.text);
	bk_buf_release(&b);
	bk_buf_release(&c);
}

/* Is it refused, at any cut and with any of these? */
static void
test_bad(void)
{
	static const char *const firsts[] = { "GNU tar-1.34-3", "tar", "" };
	struct bk_buf b = BK_BUF_INIT(1 << 20);
	char hash[BK_SHA256_HEX];
	struct bk_fault f;
	size_t i, whole, good = 0;
	int fd;

	for (i = 0; i < 3; i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		make(&b, firsts[i], "17", 1, "", 0);
		fd = as_file(&b);
		ok(bk_filesstate_keep(fd, dir, "app", hash, &f) == -1,
		    "first line '%s': %s", firsts[i], f.text);
		close(fd);
	}
	make(&b, "GNU tar-1.34-2", "17", 1, "", 0);
	whole = b.len;
	for (i = 0; i < whole; i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		b.len = i;
		fd = as_file(&b);
		if (bk_filesstate_keep(fd, dir, "app", hash, &f) == 0)
			good++;
		close(fd);
	}
	/* Behind its head, where no directory follows. */
	ok_int(good, 1, "cut anywhere else it is none");
	make(&b, "GNU tar-1.34-2", "x", 1, "", 0);
	fd = as_file(&b);
	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_filesstate_keep(fd, dir, "app", hash, &f) == -1, "no time: %s",
	    f.text);
	close(fd);
	bk_buf_release(&b);
}

static void
test_future(void)
{
	struct bk_buf b = BK_BUF_INIT(1 << 20);
	struct bk_fault f = BK_FAULT_INIT;
	char hash[BK_SHA256_HEX], sec[32];
	const char *why = NULL;
	int fd;

	snprintf(sec, sizeof(sec), "%lld",
	    (long long)(tap_ctx.now() / 1000 + 3600));
	make(&b, "GNU tar-1.34-2", sec, 1, "", 0);
	fd = as_file(&b);
	(void)bk_filesstate_keep(fd, dir, "app", hash, &f);
	close(fd);
	ok(bk_filesstate_open(&tap_ctx, dir, hash, tree, &fd, &why, &f) ==
	    BK_STATE_UNUSABLE, "a state from the future");
	ok(why != NULL && strstr(why, "clock") != NULL, "says why: %s", why);
	bk_buf_release(&b);
}

static void
test_full_every(void)
{
	static const char *const bad[] = { "", "0", "-1", "x", "7", "4096",
		"1.5d", "0s" };
	struct bk_full_every e;
	struct bk_fault f;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f = (struct bk_fault)BK_FAULT_INIT;
		ok(strcmp(bad[i], "7") == 0 ? bk_full_every_parse(bad[i], &e,
		    &f) == 0 && e.n == 7 && e.ms == 0 :
		    bk_full_every_parse(bad[i], &e, &f) == -1,
		    "full-every=%s %s", bad[i], f.text);
	}
	f = (struct bk_fault)BK_FAULT_INIT;
	ok(bk_full_every_parse("7d", &e, &f) == 0 && e.n == 0 &&
	    e.ms == 7 * 24 * 3600 * 1000LL, "a week");
}

int
main(void)
{
	struct bk_fault f = BK_FAULT_INIT;

	snprintf(dir, sizeof(dir), "%s/state", tap_dir());
	snprintf(tree, sizeof(tree), "%s", tap_dir());
	ok(bk_filesstate_dir(dir, &f) == 0 && bk_filesstate_dir(dir, &f) == 0,
	    "the directory is made");
	ok(bk_filesstate_dir("state", &f) == -1 && f.status == BK_USAGE,
	    "a relative one: %s", f.text);
	test_copies();
	test_bad();
	test_future();
	test_full_every();
	return done();
}
