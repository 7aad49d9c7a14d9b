/* Buffers: growth, the maximum, the NUL behind, ownership. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "buf.h"
#include "tap.h"

static void
test_basic(void)
{
	struct bk_buf b = BK_BUF_INIT(100);
	struct bk_fault f = BK_FAULT_INIT;
	char *p;

	ok_text(bk_buf_text(&b), "", "empty text of an empty buffer");
	bk_buf_reset(&b);
	bk_buf_drop(&b, 0);
	bk_buf_wipe(&b);
	bk_buf_release(&b);
	ok(b.p == NULL, "nothing was allocated");
	ok_int(bk_buf_add(&b, NULL, 0, &f), 0, "nothing can be added");
	ok_int(bk_buf_adds(&b, "hello", &f), 0, "adds");
	ok_int(bk_buf_add(&b, " \0world", 7, &f), 0, "add with a NUL");
	ok_int(bk_buf_addf(&b, &f, "%d%s", 42, "!"), 0, "addf");
	ok(b.len == 15 && memcmp(b.p, "hello \0world42!", 16) == 0,
	    "contents and the NUL behind");
	bk_buf_drop(&b, 7);
	ok_text(bk_buf_text(&b), "world42!", "drop from the front");
	bk_buf_drop(&b, 8);
	ok(b.len == 0 && b.p[0] == '\0', "drop all");
	bk_buf_adds(&b, "xyz", &f);
	bk_buf_reset(&b);
	ok(b.len == 0 && b.size > 0 && b.p[0] == '\0', "reset keeps storage");
	bk_buf_adds(&b, "mine", &f);
	p = bk_buf_detach(&b, &f);
	ok_text(p, "mine", "detached");
	ok(b.p == NULL && b.len == 0 && b.size == 0 && b.max == 100,
	    "empty after detach");
	free(p);
	p = bk_buf_detach(&b, &f);
	ok_text(p, "", "detached empty");
	free(p);
	bk_buf_adds(&b, "secret", &f);
	bk_buf_wipe(&b);
	ok(b.p == NULL && b.len == 0, "wiped");
	ok(!bk_faulty(&f), "no fault");
}

static void
test_max(void)
{
	struct bk_buf b = BK_BUF_INIT(100);
	struct bk_fault f = BK_FAULT_INIT;
	char x[101];

	memset(x, 'x', sizeof(x));
	ok_int(bk_buf_add(&b, x, 101, &f), -1, "one above the maximum");
	ok_int(f.status, 74, "is a fault");
	ok_text(f.text, "a buffer would pass its limit of 100 bytes", "and says so");
	ok(b.len == 0, "nothing was added");
	bk_fault_clear(&f);
	ok_int(bk_buf_add(&b, x, 100, &f), 0, "the maximum itself");
	ok(b.len == 100 && b.p[100] == '\0' && b.size <= 101, "fits exactly");
	ok_int(bk_buf_add(&b, x, 0, &f), 0, "nothing more fits");
	ok_int(bk_buf_addf(&b, &f, "%s", "y"), -1, "one more does not");
	ok(b.len == 100 && b.p[99] == 'x' && b.p[100] == '\0', "and is not added");
	bk_fault_clear(&f);
	ok_int(bk_buf_need(&b, SIZE_MAX, &f), -1, "no overflow");
	bk_buf_release(&b);
	b.max = 0;
	bk_fault_clear(&f);
	ok(bk_buf_adds(&b, "", &f) == 0 && bk_buf_adds(&b, "x", &f) == -1,
	    "a maximum of 0");
	bk_buf_release(&b);
	b.max = SIZE_MAX;
	bk_fault_clear(&f);
	ok_int(bk_buf_need(&b, SIZE_MAX, &f), -1, "no room for the NUL");
	bk_fault_clear(&f);
	ok_int(bk_buf_addf(&b, &f, "%lc", (wint_t)0xd800), -1, "cannot format");
	ok_int(f.status, 70, "is a bug");
	bk_buf_release(&b);
}

static void
test_grow(void)
{
	struct bk_buf b = BK_BUF_INIT(SIZE_MAX);
	struct bk_fault f = BK_FAULT_INIT;
	int i, bad = 0, moves = 0;
	size_t size = 0;

	for (i = 0; i < 300000; i++) {
		char c = (char)(i * 7);

		bad += bk_buf_add(&b, &c, 1, &f) != 0;
		moves += b.size != size;
		size = b.size;
	}
	for (i = 0; i < 300000; i++)
		bad += b.p[i] != (char)(i * 7);
	ok_int(bad, 0, "300000 single bytes");
	ok(moves < 20, "storage grows in few steps");
	ok(bk_buf_need(&b, 1000000, &f) == 0 && b.size > 1300000, "need");
	size = b.size;
	ok(bk_buf_need(&b, 1000000, &f) == 0 && b.size == size, "need again");
	bk_buf_release(&b);
}

int
main(void)
{
	test_basic();
	test_max();
	test_grow();
	return done();
}
