/*
 * Waits that grow from failure to failure.  Pure; times are milliseconds of a
 * clock that never goes back.
 */
#ifndef BK_BACKOFF_H
#define BK_BACKOFF_H

#include <stdint.h>

struct bk_backoff {
	int64_t first, max;		/* the first wait, and the longest */
	int64_t wait;			/* the one that is on; 0: none */
	int64_t until;			/* when it ends */
};

#define BK_BACKOFF_INIT(first, max) { (first), (max), 0, 0 }

/* It failed at ${now}: wait, twice as long as the last time. */
void bk_backoff_failed(struct bk_backoff *b, int64_t now);

/* It went well. */
void bk_backoff_over(struct bk_backoff *b);

#endif
