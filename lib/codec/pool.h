/*
 * Worker threads over a ring of slots: jobs are handed in and taken out in
 * the same order, both in the caller's thread, and are worked on in any.
 * What a slot holds is the caller's affair; it belongs to a worker from
 * bk_pool_submit until bk_pool_head gives it back.
 */
#ifndef BK_POOL_H
#define BK_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"

struct bk_pool;

/* Do the job in slot ${slot} as worker ${worker}, both counted from 0. */
typedef void bk_pool_fn(void *arg, int worker, size_t slot);

/*
 * ${threads} workers and ${slots} slots (both at least 1).  The workers block
 * all signals.  NULL with ${f} set (74).
 */
struct bk_pool *bk_pool_new(int threads, size_t slots, bk_pool_fn *fn,
    void *arg, struct bk_fault *f);

/*
 * The slot to fill next, in *${slot}.  False where all are in use: then take
 * the head first.
 */
bool bk_pool_tail(const struct bk_pool *p, size_t *slot);

/* The slot that bk_pool_tail gave is filled: work on it. */
void bk_pool_submit(struct bk_pool *p);

/*
 * The oldest job's slot, in *${slot}, once it is done.  False where there is
 * no job, or, unless ${wait}, where it is not done yet.
 */
bool bk_pool_head(struct bk_pool *p, bool wait, size_t *slot);

/* The oldest job's slot can be filled again. */
void bk_pool_release(struct bk_pool *p);

/* Wait for jobs under way, drop the others, end the threads.  Accepts NULL. */
void bk_pool_free(struct bk_pool *p);

#endif
