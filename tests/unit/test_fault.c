/* Faults: first wins, texts are one printable line, status by errno. */
#include <errno.h>
#include <string.h>
#include <wchar.h>

#include "fault.h"
#include "tap.h"

static void
test_set(void)
{
	struct bk_fault f = BK_FAULT_INIT;

	ok(!bk_faulty(&f), "a new fault is none");
	bk_fault_context(&f, "put '%s'", "x");
	ok_text(f.text, "", "no context for no fault");
	errno = ENOTTY;
	f.upstream = true;
	ok_int(bk_fault_set(&f, BK_DATA, "'%s' is %d", "x", 7), -1, "returns -1");
	ok_int(errno, ENOTTY, "errno is kept");
	ok(bk_faulty(&f), "set");
	ok(!f.upstream, "a new fault is nobody's but ours");
	ok_int(f.status, 65, "status");
	ok_text(f.text, "'x' is 7", "text");
	ok_int(bk_fault_set(&f, BK_IO, "later"), -1, "second set returns -1");
	ok_int(bk_fault_errno(&f, 0, EIO, "later"), -1, "and so does errno's");
	ok_int(f.status, 65, "the first status wins");
	ok_int(f.err, 0, "the first errno wins");
	ok_text(f.text, "'x' is 7", "the first text wins");
	errno = ENOTTY;
	bk_fault_context(&f, "part %d", 3);
	bk_fault_context(&f, "put '%s'", "k");
	ok_int(errno, ENOTTY, "context keeps errno");
	ok_text(f.text, "put 'k': part 3: 'x' is 7", "context goes before");
	f.upstream = true;
	bk_fault_clear(&f);
	ok(!bk_faulty(&f) && f.err == 0 && !f.upstream, "cleared");
	ok_text(f.text, "", "text cleared");
	bk_fault_set(&f, BK_IO, "again");
	ok_text(f.text, "again", "can be set anew");
}

static void
test_errno(void)
{
	static const struct {
		int err, status;
	} t[] = { { EACCES, 77 }, { EPERM, 77 }, { ENOENT, 66 },
		{ ENOTDIR, 66 }, { ENOSPC, 74 }, { EDQUOT, 74 }, { EIO, 74 },
		{ EFBIG, 74 }, { EEXIST, 73 }, { EROFS, 73 },
		{ ECONNREFUSED, 69 }, { ETIMEDOUT, 69 }, { EHOSTUNREACH, 69 },
		{ ENETUNREACH, 69 }, { ECONNRESET, 69 }, { ENOMEM, 74 },
		{ EPIPE, 74 }, { ELOOP, 74 } };
	struct bk_fault f;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		bk_fault_clear(memset(&f, 0, sizeof(f)));
		errno = ENOTTY;
		bk_fault_errno(&f, 0, t[i].err, "x");
		ok(f.status == t[i].status && f.err == t[i].err &&
		    errno == ENOTTY, "%s is %d", strerror(t[i].err), t[i].status);
	}
	bk_fault_clear(&f);
	bk_fault_errno(&f, BK_CANTCREATE, ENOENT, "cannot open '%s'", "x");
	ok_int(f.status, 73, "a given status stands");
	ok_text(f.text, "cannot open 'x': No such file or directory", "reason last");
}

static void
test_text(void)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "a\nb\tc\x1b[31m\x7f", "a?b?c?[31m?" },
		{ "ende", "ende" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "c1 \xc2\x9b" "2J \xc2\xa0", "c1 ??2J \xc2\xa0" },
		{ "cut \xc2", "cut \xc2" },
	};
	struct bk_fault f = BK_FAULT_INIT;
	char big[3000];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		bk_fault_clear(&f);
		bk_fault_set(&f, BK_IO, "%s", t[i].in);
		ok_text(f.text, t[i].want, "control characters are taken out");
	}
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	bk_fault_clear(&f);
	bk_fault_set(&f, BK_IO, "%s", big);
	ok_int(strlen(f.text), sizeof(f.text) - 1, "a long text is cut");
	bk_fault_context(&f, "why");
	ok(strncmp(f.text, "why: xx", 7) == 0, "context cuts at the end");
	bk_fault_context(&f, "%s", big);
	ok_int(strlen(f.text), sizeof(f.text) - 1, "a long context is cut");

	for (i = 1019; i < 1024; i++) {
		char want[1025];

		memset(big, 'x', i);
		memcpy(big + i, "\xf0\x9f\x98\x80 and more", 14);
		bk_fault_clear(&f);
		bk_fault_set(&f, BK_IO, "%s", big);
		memcpy(want, big, 1024);
		want[i == 1019 ? 1023 : i] = '\0';
		ok_text(f.text, want, "cut between characters");
	}
	memset(big, 'x', sizeof(big) - 1);
	bk_fault_clear(&f);
	bk_fault_errno(&f, 0, ENOSPC, "%s", big);
	ok_text(f.text + sizeof(f.text) - 1 - 25, ": No space left on device",
	    "of a long text the reason stays");
	bk_fault_clear(&f);
	bk_fault_set(&f, BK_IO, "%lc", (wint_t)0xd800);
	ok(f.status == 74 && f.text[0] == '\0', "a text that cannot be made");
	bk_fault_clear(&f);
	bk_fault_errno(&f, 0, EIO, "%lc", (wint_t)0xd800);
	bk_fault_context(&f, "%lc", (wint_t)0xd800);
	ok_text(f.text, ": : Input/output error", "leaves the rest");
}

int
main(void)
{
	test_set();
	test_errno();
	test_text();
	return done();
}
