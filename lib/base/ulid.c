/*
 * The specification asks that ULIDs of the same millisecond increase, by
 * adding 1 to the random part.  Clocks also step back, so here the random
 * part of a process only ever grows, whatever the time: it begins at random
 * in the lower half of its 80 bits and each ULID adds a random 1 to 2^40.
 * That gives order for any two of equal time, leaves room for 2^39 of them,
 * and the next cannot be guessed from the last.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "ulid.h"

#define TIME_CHARS 10
#define TIME_END (INT64_C(1) << 48)
#define HALF_BITS 40			/* the random part is two halves */
#define HALF_MASK ((UINT64_C(1) << HALF_BITS) - 1)

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool started;
static uint64_t high, low;		/* the last random part */

static int
random_bits(uint64_t *v, struct bk_fault *f)
{
	while (getrandom(v, sizeof(*v), 0) != (ssize_t)sizeof(*v))
		if (errno != EINTR)
			return bk_fault_errno(f, BK_BUG, errno,
			    "cannot get random numbers");
	return 0;
}

static int
advance(struct bk_fault *f)
{
	uint64_t r;

	if (!started) {
		if (random_bits(&high, f) == -1 || random_bits(&low, f) == -1)
			return -1;
		high &= HALF_MASK >> 1;
		low &= HALF_MASK;
		started = true;
	}
	if (random_bits(&r, f) == -1)
		return -1;
	low += (r & HALF_MASK) + 1;
	high += low >> HALF_BITS;
	low &= HALF_MASK;
	return 0;
}

/* ${n} digits of the lowest bits of ${v}. */
static char *
put(char *p, uint64_t v, int n)
{
	int i;

	for (i = n; i-- > 0; v >>= 5)
		p[i] = digits[v & 31];
	return p + n;
}

int
bk_ulid_new(int64_t t, char out[BK_ULID_LEN + 1], struct bk_fault *f)
{
	uint64_t h, l;
	int rc;

	if (t < 0 || t >= TIME_END)
		return bk_fault_set(f, BK_BUG,
		    "a ULID cannot hold the time %lld", (long long)t);
	(void)pthread_mutex_lock(&lock);
	rc = advance(f);
	h = high;
	l = low;
	(void)pthread_mutex_unlock(&lock);
	if (rc == -1)
		return -1;
	*put(put(put(out, (uint64_t)t, TIME_CHARS), h, 8), l, 8) = '\0';
	return 0;
}

bool
bk_ulid_ok(const char *s)
{
	/* 26 digits have 130 bits; the first has only three of them. */
	return strspn(s, digits) == BK_ULID_LEN && s[BK_ULID_LEN] == '\0' &&
	    s[0] <= '7';
}

int64_t
bk_ulid_time(const char *s)
{
	int64_t t = 0;
	int i;

	for (i = 0; i < TIME_CHARS; i++)
		t = t << 5 | (strchr(digits, s[i]) - digits);
	return t;
}
