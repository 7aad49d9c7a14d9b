/*
 * The log that a base backup requires, copied with it from store to store.
 */
#ifndef BK_COPYLOG_H
#define BK_COPYLOG_H

#include "ctx.h"
#include "record.h"
#include "store.h"

/*
 * Copy each file of the log that ${rec} requires and ${to} has not; each is
 * verified on its way, through an unlinked file in ctx->tmpdir.  0, or -1 with
 * ${f} set: 65 where ${from} has it not either, or one of them has another
 * content.
 */
int bk_copy_log(const struct bk_ctx *ctx, struct bk_store *from,
    struct bk_store *to, const struct bk_record *rec,
    void (*progress)(uint64_t), struct bk_fault *f);

/* Once ${rec} is listed in ${to}: is it still there?  0 or -1 (65). */
int bk_copy_log_check(struct bk_store *to, const struct bk_record *rec,
    struct bk_fault *f);

#endif
