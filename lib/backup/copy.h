/*
 * Copying one backup from store to store: same id, same manifest byte for
 * byte, same notes (DESIGN, 5).
 */
#ifndef BK_COPY_H
#define BK_COPY_H

#include "ctx.h"
#include "record.h"
#include "store.h"

/* The target has it already, the same; nothing was done but missing notes. */
#define BK_COPY_THERE 1

/*
 * Copy ${rec}, which was read from ${from}, to ${to}: a claim, the payload
 * checked against the record as it passes, notes, the manifest last and
 * created only; the claim goes.  ${progress} (may be NULL) is told of bytes.
 *
 * 0 copied; BK_COPY_THERE; -1 with ${f} set: 65 the payload is not what was
 * committed, its parent is not in the target, or another backup has the id;
 * 66 it is gone from ${from}; 73 the target has deleted it.
 */
int bk_copy(const struct bk_ctx *ctx, struct bk_store *from,
    struct bk_store *to, const struct bk_record *rec,
    void (*progress)(uint64_t), struct bk_fault *f);

#endif
