/* ULIDs: vectors of github.com/ulid/spec, order, failures. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tap.h"
#include "ulid.h"

#define TIME_MAX ((INT64_C(1) << 48) - 1)

static int fail_with;			/* errno of the next getrandom */
static int fail_after;			/* calls that work before it */

/* Takes the place of libc's. */
ssize_t
getrandom(void *p, size_t n, unsigned int flags)
{
	if (fail_with != 0 && fail_after-- <= 0) {
		errno = fail_with;
		if (fail_with == EINTR)
			fail_with = 0;
		return -1;
	}
	return syscall(SYS_getrandom, p, n, flags);
}

static void
test_failure(void)
{
	struct bk_fault f = BK_FAULT_INIT;
	char id[BK_ULID_LEN + 1];
	int i;

	for (i = 0; i < 3; i++) {
		bk_fault_clear(&f);
		fail_with = ENOSYS;
		fail_after = i;
		ok_int(bk_ulid_new(1, id, &f), -1, "no randomness, no id");
		ok(f.status == 70 && f.err == ENOSYS, "a fault of 70");
	}
	bk_fault_clear(&f);
	fail_with = EINTR;
	fail_after = 0;
	ok_int(bk_ulid_new(1, id, &f), 0, "an interrupted call is repeated");
	ok_int(bk_ulid_new(-1, id, &f), -1, "a time before 1970");
	ok_int(f.status, 70, "is a bug");
	bk_fault_clear(&f);
	ok_int(bk_ulid_new(TIME_MAX + 1, id, &f), -1, "a time beyond 48 bits");
	bk_fault_clear(&f);
	ok(bk_ulid_new(TIME_MAX, id, &f) == 0 && strncmp(id, "7ZZZZZZZZZ", 10) == 0,
	    "the last time");
	ok(bk_ulid_ok(id) && bk_ulid_time(id) == TIME_MAX, "and back");
	ok(bk_ulid_new(0, id, &f) == 0 && strncmp(id, "0000000000", 10) == 0 &&
	    bk_ulid_time(id) == 0, "the first time");
}

static void
test_order(void)
{
	static const int64_t times[] = { 5, 5, 3, 5, 3, 6, 5, 6, 0,
		1469918176385, 1469918176385 };
	enum { N = sizeof(times) / sizeof(times[0]) };
	struct bk_fault f = BK_FAULT_INIT;
	char id[N][BK_ULID_LEN + 1], last[BK_ULID_LEN + 1] = "", next[BK_ULID_LEN + 1];
	int i, k, bad = 0;

	for (i = 0; i < N; i++) {
		bad += bk_ulid_new(times[i], id[i], &f) != 0 ||
		    !bk_ulid_ok(id[i]) || bk_ulid_time(id[i]) != times[i];
		for (k = 0; k < i; k++)
			if (times[i] >= times[k])
				bad += strcmp(id[i], id[k]) <= 0;
	}
	ok_int(bad, 0, "later is greater where its time is not earlier");
	ok(strncmp(id[N - 1], "01ARYZ6S41", 10) == 0, "the time of the README");
	for (bad = i = 0; i < 100000; i++) {
		bad += bk_ulid_new(7, next, &f) != 0 || !bk_ulid_ok(next) ||
		    strcmp(next, last) <= 0;
		memcpy(last, next, sizeof(last));
	}
	ok_int(bad, 0, "100000 of one millisecond, all valid, all greater");
}

static void
test_grammar(void)
{
	static const struct {
		const char *s;
		bool good;
		int64_t time;
	} t[] = {
		{ "01ARZ3NDEKTSV4RRFFQ69G5FAV", true, 1469922850259 },
		{ "01ARYZ6S41TSV4RRFFQ69G5FAV", true, 1469918176385 },
		{ "00000000000000000000000000", true, 0 },
		{ "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", true, TIME_MAX },
		{ "80000000000000000000000000", false, 0 },
		{ "ZZZZZZZZZZZZZZZZZZZZZZZZZZ", false, 0 },
		{ "", false, 0 },
		{ "01ARZ3NDEKTSV4RRFFQ69G5FA", false, 0 },
		{ "01ARZ3NDEKTSV4RRFFQ69G5FAVX", false, 0 },
		{ "01arz3ndektsv4rrffq69g5fav", false, 0 },
		{ "01ARZ3NDEKTSV4RRFFQ69G5FAI", false, 0 },
		{ "01ARZ3NDEKTSV4RRFFQ69G5FAL", false, 0 },
		{ "01ARZ3NDEKTSV4RRFFQ69G5FAO", false, 0 },
		{ "01ARZ3NDEKTSV4RRFFQ69G5FAU", false, 0 },
		{ "01ARZ3NDEK-SV4RRFFQ69G5FAV", false, 0 },
		{ "01ARZ3NDEKTSV4RRFFQ69G5FA\n", false, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ok(bk_ulid_ok(t[i].s) == t[i].good, "'%s' is %s",
		    i == 15 ? "ending in a newline" : t[i].s,
		    t[i].good ? "valid" : "refused");
		if (t[i].good)
			ok_int(bk_ulid_time(t[i].s), t[i].time, "its time");
	}
}

int
main(void)
{
	test_failure();
	test_order();
	test_grammar();
	return done();
}
