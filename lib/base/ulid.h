/*
 * ULIDs: 48 bits of milliseconds and 80 random bits as 26 characters of
 * Crockford's base 32 (github.com/ulid/spec).  Upper case only.
 */
#ifndef BK_ULID_H
#define BK_ULID_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

#define BK_ULID_LEN 26

/*
 * A new ULID for time ${t} (ms since the epoch, 0 to 2^48-1).  Randomness is
 * getrandom(2); of two made in one process the later is greater where its
 * time is not earlier.  0, or -1 with ${f} set (70).
 */
int bk_ulid_new(int64_t t, char out[BK_ULID_LEN + 1], struct bk_fault *f);

/* Is ${s}, of exactly 26 characters and a NUL, a ULID? */
bool bk_ulid_ok(const char *s);

/* The time in a ULID that bk_ulid_ok accepts. */
int64_t bk_ulid_time(const char *s);

#endif
