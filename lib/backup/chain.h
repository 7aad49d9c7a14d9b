/*
 * Increments and what they stand on (DESIGN, 5): a record's parent, the
 * parent's own, and so on to a full backup.
 */
#ifndef BK_CHAIN_H
#define BK_CHAIN_H

#include "ctx.h"
#include "record.h"
#include "store.h"

#define BK_CHAIN_MAX 4096

struct bk_chain {
	struct bk_record *rec;		/* the nearest parent first */
	size_t len, size;
};

#define BK_CHAIN_INIT { NULL, 0, 0 }

/*
 * Read all that ${rec}, itself not among it, stands on in ${s}.  0 (len 0:
 * nothing), or -1 with ${f} set: 66 one is not there, 65 one is suspect or of
 * a later version, the chain has no end.  Release ${c} after either.
 */
int bk_chain_read(const struct bk_ctx *ctx, struct bk_store *s,
    const struct bk_record *rec, struct bk_chain *c, struct bk_fault *f);
void bk_chain_release(struct bk_chain *c);

/* Is the manifest of ${name} and ${id} in ${s}?  1, 0 or -1. */
int bk_chain_listed(struct bk_store *s, const char *name, const char *id,
    struct bk_fault *f);

#endif
