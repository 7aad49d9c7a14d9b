/*
 * A lease's objects on a store: what the machine of lease.h asks for, and
 * what a program that works under a lease looks up.
 */
#ifndef BK_LEASEIO_H
#define BK_LEASEIO_H

#include "buf.h"
#include "ctx.h"
#include "lease.h"
#include "store.h"

struct bk_leaseio;

/*
 * The lease ${name} on the store at ${url}; no request takes longer than
 * ${limit} ms.  NULL with ${f} set: 78 where the store does not create only,
 * or as bk_store_open.
 */
struct bk_leaseio *bk_leaseio_open(const struct bk_ctx *ctx, const char *url,
    const char *name, int64_t limit, struct bk_fault *f);
void bk_leaseio_close(struct bk_leaseio *io);

/* The answer to one act. */
struct bk_leaseio_answer {
	int rc;				/* 0; BK_ABSENT, BK_EXISTS; -1 */
	uint64_t top;			/* of LIST */
	struct bk_lease_entry entry;	/* of GET */
	struct bk_fault fault;		/* of -1 */
};

/* Do ${a}, which is LIST, GET, PUT or REMOVE.  Blocks. */
void bk_leaseio_do(struct bk_leaseio *io, const struct bk_lease *l,
    const struct bk_lease_act *a, struct bk_leaseio_answer *r);

/* Tell the machine, at ${now}. */
void bk_leaseio_tell(struct bk_lease *l, int64_t now,
    const struct bk_lease_act *a, const struct bk_leaseio_answer *r);

/*
 * What the command of a lease gets in BK_LEASE:
 * {"store","name","key","number","holder"}.  0 or -1.
 */
int bk_leaseio_env(const struct bk_leaseio *io, const struct bk_lease *l,
    struct bk_buf *out, struct bk_fault *f);

/* A lease that is held by a program above us. */
struct bk_leased;

/*
 * ${text} is what BK_LEASE holds; no request to its store takes longer than
 * ${limit} ms (0: as store.h).  NULL with ${f} set: 64 where it is none.
 */
struct bk_leased *bk_leased_new(const struct bk_ctx *ctx, const char *text,
    int64_t limit, struct bk_fault *f);

/*
 * Look at the store: is it still held by the same?  0; -1 with ${f} set: 75
 * where it is not, or as the store's faults.  ${leased} is a
 * struct bk_leased.
 */
int bk_leased_check(void *leased, struct bk_fault *f);
void bk_leased_free(struct bk_leased *h);

#endif
