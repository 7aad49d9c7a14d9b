/*
 * Holding a lease: a thread of its own does the machine's requests, so that
 * a store that hangs cannot keep the command from being ended in time.
 */
#ifndef BK_LEASEHOLD_H
#define BK_LEASEHOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "leaseio.h"

struct bk_leasehold;

/* What a look at it tells. */
struct bk_leaseview {
	enum bk_lease_phase phase;
	enum bk_lease_end end;
	bool good;			/* bk_lease_good, now */
	int64_t stop_at, kill_at;
	char other[256];		/* host that holds it, "" where none does */
	struct bk_fault fault;		/* that ended the wait for it */
};

/*
 * CLOCK_BOOTTIME in ms, and a descriptor that is readable from ${at} on
 * (INT64_MAX: never), set again by bk_boot_timer_set.  -1: errno tells.
 */
int64_t bk_boot_ms(void);
int bk_boot_timer(void);
void bk_boot_timer_set(int timer, int64_t at);

/* Begin to contend with ${l}, by ${io}; both are taken.  NULL with ${f} set. */
struct bk_leasehold *bk_leasehold_start(struct bk_leaseio *io,
    const struct bk_lease *l, struct bk_fault *f);

/* Readable when something has changed; bk_leasehold_look empties it. */
int bk_leasehold_news(const struct bk_leasehold *h);
void bk_leasehold_look(struct bk_leasehold *h, struct bk_leaseview *v);

/* The command is about to start, with BK_LEASE as ${env} tells it. */
int bk_leasehold_work(struct bk_leasehold *h, struct bk_buf *env,
    struct bk_fault *f);

/* Give it back.  Then, once a look tells that it is over, free it. */
void bk_leasehold_release(struct bk_leasehold *h);
void bk_leasehold_free(struct bk_leasehold *h);

#endif
